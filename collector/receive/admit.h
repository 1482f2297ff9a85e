/* admit: who may put now, when weir falls behind. One for the process; any thread.
 *
 * The level follows how full the ring is (head - tail over its capacity):
 *
 *   level     from  what happens
 *   OPEN      0     everything is taken
 *   SHARE     1/2   a source that put more than limits.source_share of what came
 *                   in the last two seconds is refused, if others put as well
 *   REFUSE    3/4   whoever can come again is refused (unary gRPC, HTTP)
 *   THIN      7/8   a stream is held for WEIR_ADMIT_HOLD_MS, then goes on without
 *                   its detail; full: held until there is room
 *
 * A level is left when the fill is 1/16 below where it begins. */
#ifndef WEIR_RECEIVE_ADMIT_H
#define WEIR_RECEIVE_ADMIT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "ring/ring.h"

enum weir_admit_level { WEIR_ADMIT_OPEN, WEIR_ADMIT_SHARE, WEIR_ADMIT_REFUSE, WEIR_ADMIT_THIN };

#define WEIR_ADMIT_HOLD_MS 500u

struct weir_admit;

/* `source_share`: percent, 100 = no cap. 0 or -ENOMEM. */
int weir_admit_create(struct weir_ring *ring, uint32_t source_share, struct weir_admit **ret_admit);
void weir_admit_destroy(struct weir_admit *admit);

enum weir_admit_level weir_admit_level(struct weir_admit *admit);

/* Is so little room left (1/32; then until there is 3/32) that streams are held as well? Nothing at all is taken
 * then: health follows it. */
bool weir_admit_is_closed(struct weir_admit *admit);

enum { WEIR_ADMIT_FULL = 1, WEIR_ADMIT_SOURCE = 2 }; /* outcomes: refuse; the source is to wait longest */

/* May this source put `bytes` by a call that can be repeated? Books them when it may. */
int weir_admit_unary(struct weir_admit *admit, struct weir_str source, uint64_t bytes);
/* The same at a monotonic time that is given. */
int weir_admit_unary_at(struct weir_admit *admit, struct weir_str source, uint64_t bytes, uint64_t now_ns);

enum weir_admit_stream { WEIR_ADMIT_TAKE, WEIR_ADMIT_HOLD, WEIR_ADMIT_THIN_IT };

/* What a stream keeps of being held; zeroed at first, admit's alone. */
struct weir_admit_hold {
	uint64_t since_ns; /* 0: is not */
	uint64_t spell;    /* the time of THIN in which it was */
};

/* For a message of a stream, at each offer: ask, and thin (WEIR_THIN_OVERLOAD) when told so. A stream is held once in
 * a spell of THIN: when its time was over, its next messages are thinned without delay, until the level was left. */
enum weir_admit_stream weir_admit_stream(struct weir_admit *admit, uint64_t now_ns, struct weir_admit_hold *hold);

#endif
