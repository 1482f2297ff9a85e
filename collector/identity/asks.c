/* asks: a table of slots that receivers fill and one thread empties.
 *
 *              receiver            receiver              source              source
 *   FREE ──(compare and swap)──▶ WRITING ──(release)──▶ ASKED ──▶ TAKEN ──▶ RESTING ──▶ FREE
 *                                                          looked for     answered   5 s later
 *
 * A key's place is its hash, and the few slots behind it: an ask that is there
 * already, in whatever state, is not made again. That is how a name that
 * nobody has is remembered, without a list of its own.
 *
 * Invariants
 *  1. Only who moved a slot from FREE to WRITING writes its key, until ASKED;
 *     only the source moves it on from there.
 *  2. A receiver does a bounded number of steps and takes no lock.
 *  3. Two receivers may ask for one key at once, in two slots: it is looked
 *     for twice, no more.
 *
 * put: any thread. take, answer: one thread. */
#include "identity/asks.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "base/ip.h"
#include "base/stat.h"

#define NEAR 8u /* slots that a key may lie in */
#define KEY_MAX (WEIR_ASKS_POD_MAX + 1 + WEIR_ASKS_NAMESPACE_MAX)

enum state { FREE, WRITING, ASKED, TAKEN, RESTING };

struct slot {
	_Atomic uint32_t state;
	_Atomic uint64_t hash;
	uint64_t rested_ns;
	uint16_t pod_length, namespace_length; /* 0: an address */
	char key[KEY_MAX];
};

struct weir_asks {
	struct slot slots[WEIR_ASKS_SLOTS];
	void (*wake)(void *ctx);
	void *ctx;
	uint32_t next; /* the source goes round, so that no slot waits for ever */
};

int weir_asks_create(void (*wake)(void *ctx), void *ctx, struct weir_asks **ret_asks)
{
	struct weir_asks *asks = calloc(1, sizeof(*asks));

	if (asks == NULL) {
		return -ENOMEM;
	}
	asks->wake = wake;
	asks->ctx = ctx;
	*ret_asks = asks;
	return 0;
}

void weir_asks_destroy(struct weir_asks *asks)
{
	free(asks);
}

static uint64_t hash_of(const char *key, size_t length, size_t pod_length)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325) ^ pod_length;

	for (size_t i = 0; i < length; i++) {
		hash = (hash ^ (uint8_t)key[i]) * UINT64_C(0x100000001b3);
	}
	return hash ^ hash >> 29;
}

static void put(struct weir_asks *asks, const char *key, uint16_t pod_length, uint16_t namespace_length, size_t length)
{
	uint64_t hash = hash_of(key, length, pod_length);
	struct slot *place = NULL;

	for (uint32_t i = 0; i < NEAR; i++) {
		struct slot *slot = &asks->slots[(hash + i) % WEIR_ASKS_SLOTS];
		uint32_t state = atomic_load_explicit(&slot->state, memory_order_acquire);

		if (state == FREE) {
			place = place == NULL ? slot : place;
		} else if (atomic_load_explicit(&slot->hash, memory_order_relaxed) == hash) {
			return;
		}
	}
	if (place == NULL || !atomic_compare_exchange_strong(&place->state, &(uint32_t){ FREE }, (uint32_t)WRITING)) {
		weir_stat_add(WEIR_STAT_WORKLOAD_ASK_DROPPED, 1);
		return;
	}
	atomic_store_explicit(&place->hash, hash, memory_order_relaxed);
	place->pod_length = pod_length;
	place->namespace_length = namespace_length;
	memcpy(place->key, key, length);
	atomic_store_explicit(&place->state, ASKED, memory_order_release);
	weir_stat_add(WEIR_STAT_WORKLOAD_ASK_MADE, 1);
	if (asks->wake != NULL) {
		asks->wake(asks->ctx);
	}
}

/* Lower-case letters, digits, dashes and dots, as Kubernetes has them. */
static bool is_name(struct weir_str text, size_t most)
{
	for (size_t i = 0; i < text.length; i++) {
		char c = text.data[i];

		if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || ((c == '-' || c == '.') && i > 0))) {
			return false;
		}
	}
	return text.length > 0 && text.length <= most;
}

void weir_asks_put_name(struct weir_asks *asks, struct weir_str pod, struct weir_str namespace_)
{
	char key[KEY_MAX];

	if (asks == NULL || !is_name(pod, WEIR_ASKS_POD_MAX) || !is_name(namespace_, WEIR_ASKS_NAMESPACE_MAX)) {
		return;
	}
	memcpy(key, pod.data, pod.length);
	memcpy(key + pod.length, namespace_.data, namespace_.length);
	put(asks, key, (uint16_t)pod.length, (uint16_t)namespace_.length, pod.length + namespace_.length);
}

/* Unset, loopback, link-local (which kubelets and node proxies speak from), multicast: no pod is reached by these. */
static bool is_of_no_pod(const uint8_t ip[16])
{
	static const uint8_t none[16], loopback[16] = { [15] = 1 };

	if (weir_ip_is_v4(ip)) {
		return ip[12] == 0 || ip[12] == 127 || (ip[12] == 169 && ip[13] == 254) || ip[12] >= 224;
	}
	return memcmp(ip, none, 16) == 0 || memcmp(ip, loopback, 16) == 0 || ip[0] == 0xff ||
	       (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80);
}

void weir_asks_put_address(struct weir_asks *asks, const uint8_t ip[16])
{
	if (asks == NULL || is_of_no_pod(ip)) {
		return;
	}
	put(asks, (const char *)ip, 0, 0, 16);
}

static void ask_of(const struct slot *slot, uint32_t at, struct weir_ask *ret_ask)
{
	*ret_ask = (struct weir_ask){ .slot = at,
		.is_address = slot->pod_length == 0,
		.pod = weir_str_make(slot->key, slot->pod_length),
		.namespace_ = weir_str_make(slot->key + slot->pod_length, slot->namespace_length) };
	if (ret_ask->is_address) {
		memcpy(ret_ask->ip, slot->key, sizeof(ret_ask->ip));
	}
}

bool weir_asks_take(struct weir_asks *asks, uint64_t now_ns, struct weir_ask *ret_ask)
{
	uint32_t found = WEIR_ASKS_SLOTS;

	for (uint32_t i = 0; i < WEIR_ASKS_SLOTS; i++) {
		uint32_t at = (asks->next + i) % WEIR_ASKS_SLOTS;
		struct slot *slot = &asks->slots[at];
		uint32_t state = atomic_load_explicit(&slot->state, memory_order_acquire);

		if (state == RESTING && now_ns >= slot->rested_ns) {
			atomic_store_explicit(&slot->state, FREE, memory_order_release);
		} else if (state == ASKED && found == WEIR_ASKS_SLOTS) {
			found = at; /* all are looked at, or who rested enough would keep their slots while many ask */
		}
	}
	if (found == WEIR_ASKS_SLOTS) {
		return false;
	}
	ask_of(&asks->slots[found], found, ret_ask);
	atomic_store_explicit(&asks->slots[found].state, TAKEN, memory_order_relaxed);
	asks->next = found + 1;
	return true;
}

void weir_asks_answer(struct weir_asks *asks, const struct weir_ask *ask, uint64_t now_ns)
{
	struct slot *slot = &asks->slots[ask->slot];

	slot->rested_ns = now_ns + WEIR_ASKS_REST_NS;
	atomic_store_explicit(&slot->state, RESTING, memory_order_relaxed);
}
