/* ack: answers parked until their batch is stored (storage.sync=always).
 *
 * A listener parks a completion with a ring position; the writer advances the
 * stored position after each synced commit; completions run, outside the lock,
 * on the writer's thread and must be short. */
#ifndef WEIR_SERVE_ACK_H
#define WEIR_SERVE_ACK_H

#include <stdbool.h>
#include <stdint.h>

struct weir_ack;

/* Room for `capacity` parked answers, allocated at once. 0 or a fault. */
int weir_ack_create(uint32_t capacity, struct weir_ack **ret_ack);

/* Nothing may be parked any more: the listeners forget theirs when they stop. NULL is ignored. */
void weir_ack_destroy(struct weir_ack *ack);

typedef void weir_ack_fn(void *ctx);

enum { WEIR_ACK_FULL = 1 }; /* outcome: refuse the call instead */

/* Runs `fn` at once when the position is stored already. 0 or WEIR_ACK_FULL. */
int weir_ack_park(struct weir_ack *ack, uint64_t position, weir_ack_fn *fn, void *ctx);

/* Runs, in order of position, every completion whose position is not behind
 * `stored_position`. A position that goes back changes nothing. */
void weir_ack_advance(struct weir_ack *ack, uint64_t stored_position);

/* Takes back what was parked with `ctx`. true: it was still parked and will
 * never run. false: it has run, or is running on the writer's thread just now. */
bool weir_ack_forget(struct weir_ack *ack, const void *ctx);

#endif
