/* asks: whom receivers met and nobody knew. They note it here and go on; the
 * source of the workload table takes it from here and looks.
 *
 * Bounded: when there is no room an ask is dropped and counted, and made again
 * with the next record. What was answered is not asked again for
 * WEIR_ASKS_REST_NS: somebody who is nobody costs one look in that time. */
#ifndef WEIR_IDENTITY_ASKS_H
#define WEIR_IDENTITY_ASKS_H

#include <stdint.h>

#include "base/str.h"

#define WEIR_ASKS_REST_NS UINT64_C(5000000000)
#define WEIR_ASKS_SLOTS 512u
#define WEIR_ASKS_POD_MAX 253u
#define WEIR_ASKS_NAMESPACE_MAX 63u

struct weir_asks;

/* `wake` (or NULL) is called for each new ask, by the thread that asks: it must not block. 0 or -ENOMEM. */
int weir_asks_create(void (*wake)(void *ctx), void *ctx, struct weir_asks **ret_asks);
void weir_asks_destroy(struct weir_asks *asks);

/* Any thread; never blocks. Names that no pod can have (they go into a URL) and
 * addresses that no pod has (unset, loopback, link-local, multicast) are not asked for. Of asks NULL: nothing. */
void weir_asks_put_name(struct weir_asks *asks, struct weir_str pod, struct weir_str namespace_);
void weir_asks_put_address(struct weir_asks *asks, const uint8_t ip[16]);

struct weir_ask { /* texts and ip are borrowed until the answer */
	uint32_t slot;
	bool is_address;
	uint8_t ip[16];
	struct weir_str pod, namespace_;
};

/* One thread, the source's: the next ask, or false. What has rested long enough may be asked again. */
bool weir_asks_take(struct weir_asks *asks, uint64_t now_ns, struct weir_ask *ret_ask);
/* It was looked for, found or not: rests from now on. */
void weir_asks_answer(struct weir_asks *asks, const struct weir_ask *ask, uint64_t now_ns);

#endif
