/* fill: a ring brought to a certain fullness, in sixty-fourths. */
#ifndef WEIR_TESTS_RECEIVE_FILL_H
#define WEIR_TESTS_RECEIVE_FILL_H

#include "ring/ring.h"

/* Puts small batches until at least, or releases until less than, this part of the ring is full. */
void fill_up(struct weir_ring *ring, unsigned sixty_fourths);
void fill_down(struct weir_ring *ring, unsigned sixty_fourths);

#endif
