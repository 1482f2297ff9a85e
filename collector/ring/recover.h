/* recover: what the last process left in the ring; private to the room. */
#ifndef WEIR_RING_RECOVER_H
#define WEIR_RING_RECOVER_H

#include "ring/map.h"

/* As weir_ring_recover; ret->position is the new tail. Always succeeds. */
void weir_recover_walk(struct weir_map *map, uint64_t ring_id, uint64_t position, struct weir_ring_recovery *ret);

#endif
