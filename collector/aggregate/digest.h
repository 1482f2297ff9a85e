/* digest: has this very batch been here within the last ten minutes? Private to the room. */
#ifndef WEIR_AGGREGATE_DIGEST_H
#define WEIR_AGGREGATE_DIGEST_H

#include "aggregate/slots.h"

struct weir_digests {
	struct weir_slots slots;
};

void weir_digests_init(struct weir_digests *digests, uint64_t seed);
void weir_digests_fini(struct weir_digests *digests);

/* Was it here? If not, it is remembered. All zero (a stream) never was. */
bool weir_digests_saw(struct weir_digests *digests, const uint8_t digest[16], uint64_t now_ns);
void weir_digests_expire(struct weir_digests *digests, uint64_t now_ns);

#endif
