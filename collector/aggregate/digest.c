/* digest: has this very batch been here within the last ten minutes?
 *
 * A sender repeats a request when its answer was lost, although the batch is
 * in the ring. The receiver puts a digest of source, method and body into the
 * batch; a batch whose digest is known counts as duplicates and nothing else.
 * Streams have no answer, so nothing to repeat: their digest is zero.
 *
 * Invariants
 *  1. The ten minutes run from the first arrival, by the watermark: a repeat
 *     does not prolong them.
 *  2. At most DIGESTS_MAX are remembered; then the oldest is forgotten early. */
#include "aggregate/digest.h"

#include "aggregate/bounds.h"

#include <string.h>

#define DIGESTS_MAX WEIR_BOUNDS_DIGESTS
#define SEEN 0u        /* the one list */
#define LIFE_TIME 559u /* 600 s in units of 2^30 ns */

void weir_digests_init(struct weir_digests *digests, uint64_t seed)
{
	weir_slots_init(&digests->slots, sizeof(struct weir_slot), DIGESTS_MAX, seed);
}

void weir_digests_fini(struct weir_digests *digests)
{
	weir_slots_fini(&digests->slots);
}

bool weir_digests_saw(struct weir_digests *digests, const uint8_t digest[16], uint64_t now_ns)
{
	struct weir_slot_key key;

	memcpy(&key, digest, sizeof(key));
	if (key.low == 0 && key.high == 0) {
		return false;
	}
	if (weir_slots_find(&digests->slots, key) != WEIR_SLOTS_NONE) {
		return true;
	}
	if (digests->slots.count == DIGESTS_MAX) {
		weir_slots_remove(&digests->slots, digests->slots.oldest[SEEN]);
	}
	weir_slots_add(&digests->slots, key, SEEN, (uint32_t)(now_ns >> 30));
	return false;
}

void weir_digests_expire(struct weir_digests *digests, uint64_t now_ns)
{
	uint32_t now = (uint32_t)(now_ns >> 30);

	while (digests->slots.oldest[SEEN] != WEIR_SLOTS_NONE) {
		const struct weir_slot *oldest = weir_slots_at(&digests->slots, digests->slots.oldest[SEEN]);

		if (oldest->time + LIFE_TIME > now) {
			return;
		}
		weir_slots_remove(&digests->slots, digests->slots.oldest[SEEN]);
	}
}
