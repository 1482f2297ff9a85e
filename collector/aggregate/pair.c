/* pair: the two spans of one call find each other.
 *
 * A call is a CLIENT (or PRODUCER) span and its SERVER (or CONSUMER) child in
 * another service. Both have the key of the *calling* span: the server knows
 * it as its parent, or as its own id when the two share one (Zipkin), or by a
 * link (messaging). Whoever comes first waits; the second makes the edge.
 *
 * Some servers (py_zipkin's) say `shared` of an id of their own. Both kinds
 * know their parent: one that shares has the same as its caller, the other one
 * is a child of its caller. So what is shared waits under its parent's id, with
 * a part of its own key, and is met
 *
 *   by a caller of that parent and that own key    it shares, as it says
 *   by that parent itself, if that is a caller     its id is its own. Else a
 *   that names this callee's service as its peer   grandparent would be met
 *
 *   caller: ──▶ waits ──callee──▶ edge, gone      (a PRODUCER goes on waiting: many may consume)
 *                └─expired, evicted──▶ edge to its peer's name, if it has one and nobody came
 *   callee: ──▶ waits ──caller──▶ edge, gone
 *                └─expired, evicted──▶ nothing: its caller is not traced
 *
 * Latency is the callee's; the error is either's. A call within one service is
 * a pair but no edge. The same caller twice (sent again) is one.
 *
 * Invariants
 *  1. At most one caller waits under a key.
 *  2. A call is counted once as a pair, or once by peer name, never both.
 *  3. At most PAIRS_MAX wait; then the oldest is given up early. */
#include "aggregate/pair.h"

#include "aggregate/bounds.h"

#include <string.h>

#define PAIRS_MAX WEIR_BOUNDS_PAIRS
#define WAITING 0u    /* the one list */
#define LIFE_TIME 56u /* 60 s in units of 2^30 ns */

enum { ERROR = 1, DATABASE = 2 }; /* bits of is_error, as versions before 4 have them too */

struct pair {
	struct weir_slot head;
	uint32_t service;
	union {
		uint32_t peer; /* a caller's: its name */
		uint32_t own;  /* of what is shared: own_of() its key */
	};
	uint32_t duration_us;
	uint8_t is_caller, is_message, is_error;
	union {
		uint8_t is_met;    /* a caller: a callee was there */
		uint8_t is_shared; /* a callee: it waits under its parent's id */
	};
};

_Static_assert(sizeof(struct pair) == 64, "a pair is one cache line");

void weir_pairs_init(struct weir_pairs *pairs, struct weir_edges *edges, uint64_t seed)
{
	*pairs = (struct weir_pairs){ .edges = edges };
	weir_slots_init(&pairs->slots, sizeof(struct pair), PAIRS_MAX, seed);
}

void weir_pairs_fini(struct weir_pairs *pairs)
{
	weir_slots_fini(&pairs->slots);
}

struct weir_slot_key weir_pairs_key(const uint8_t trace_id[16], const uint8_t span_id[8])
{
	uint8_t ids[24];
	XXH128_hash_t hash;

	memcpy(ids, trace_id, 16);
	memcpy(ids + 16, span_id, 8);
	hash = XXH3_128bits(ids, sizeof(ids));
	return (struct weir_slot_key){ hash.low64, hash.high64 };
}

static uint32_t own_of(struct weir_slot_key key)
{
	return (uint32_t)(key.low >> 32);
}

void weir_pairs_recount(struct weir_pairs *pairs)
{
	uint32_t slot = pairs->slots.oldest[WAITING];

	pairs->shared = 0;
	while (slot != WEIR_SLOTS_NONE) {
		const struct pair *pair = weir_slots_at(&pairs->slots, slot);

		pairs->shared += !pair->is_caller && pair->is_shared;
		slot = pair->head.newer;
	}
}

static void forget(struct weir_pairs *pairs, uint32_t slot)
{
	const struct pair *pair = weir_slots_at(&pairs->slots, slot);

	pairs->shared -= !pair->is_caller && pair->is_shared;
	weir_slots_remove(&pairs->slots, slot);
}

static uint32_t edge_of(struct weir_pairs *pairs, uint32_t caller, uint32_t callee)
{
	uint32_t place = (caller * 0x9e3779b1u ^ callee * 0x85ebca6bu) >> 24;
	struct weir_edge_key key = { .protocol = WEIR_REQUEST_HTTP };

	_Static_assert(WEIR_PAIR_EDGES == 256, "8 bits of hash");
	if (pairs->known[place].edge_plus_1 == 0 || pairs->known[place].caller != caller ||
		pairs->known[place].callee != callee) {
		key.source[WEIR_EDGE_SERVICE] = caller;
		key.destination[WEIR_EDGE_SERVICE] = callee;
		pairs->known[place].caller = caller;
		pairs->known[place].callee = callee;
		pairs->known[place].edge_plus_1 = weir_edges_find(pairs->edges, &key) + 1;
	}
	return pairs->known[place].edge_plus_1 - 1;
}

/* A call is an edge and counts in the service graph's metrics; within one service it is neither. */
static void call_count(struct weir_pairs *pairs, const struct weir_span_call *call, uint64_t time_ns)
{
	const struct weir_edge_record record = { .time_ns = time_ns,
		.is_error = call->is_error,
		.duration_us = call->has_server ? call->server_us : call->client_us };

	if (call->client == call->server || call->client == WEIR_TEXT_EMPTY || call->server == WEIR_TEXT_EMPTY) {
		return;
	}
	weir_edges_count_request(pairs->edges, edge_of(pairs, call->client, call->server), WEIR_EDGE_SPANS, &record);
	if (pairs->counts != NULL) {
		weir_span_call(pairs->counts, call, &pairs->moment);
	}
}

static void unpaired_count(struct weir_pairs *pairs, const struct pair *pair)
{
	const struct weir_span_call call = { .client = pair->is_caller ? pair->service : WEIR_TEXT_EMPTY,
		.server = pair->is_caller ? WEIR_TEXT_EMPTY : pair->service,
		.connection = pair->is_message ? WEIR_TRACES_MESSAGING : WEIR_TRACES_DIRECT,
		.is_unpaired = true };

	if (pairs->counts != NULL && pair->service != WEIR_TEXT_EMPTY) {
		weir_span_call(pairs->counts, &call, &pairs->moment);
	}
}

static void give_up(struct weir_pairs *pairs, uint32_t slot)
{
	const struct pair *pair = weir_slots_at(&pairs->slots, slot);

	if (pair->is_caller && !pair->is_met && pair->peer != WEIR_TEXT_EMPTY) {
		const struct weir_span_call call = { .client = pair->service,
			.server = pair->peer,
			.connection = pair->is_message              ? WEIR_TRACES_MESSAGING
				      : (pair->is_error & DATABASE) ? WEIR_TRACES_DATABASE
								    : WEIR_TRACES_VIRTUAL,
			.is_error = (pair->is_error & ERROR) != 0,
			.has_client = true,
			.client_us = pair->duration_us };

		call_count(pairs, &call, (uint64_t)pair->head.time << 30);
	} else if (!pair->is_caller || !pair->is_met) {
		unpaired_count(pairs, pair);
	}
	forget(pairs, slot);
}

void weir_pairs_expire(struct weir_pairs *pairs, uint64_t now_ns)
{
	uint32_t now = (uint32_t)(now_ns >> 30);
	uint32_t slot = pairs->slots.oldest[WAITING];

	while (slot != WEIR_SLOTS_NONE) {
		const struct pair *pair = weir_slots_at(&pairs->slots, slot);

		if (pair->head.time + LIFE_TIME > now) {
			return;
		}
		give_up(pairs, slot);
		slot = pairs->slots.oldest[WAITING];
	}
}

static void wait(struct weir_pairs *pairs, const struct weir_pair_span *span, bool is_met, uint64_t now_ns)
{
	bool is_shared = span->is_shared && span->has_parent;
	struct pair *pair;
	uint32_t slot, peer = is_shared ? own_of(span->key) : WEIR_TEXT_EMPTY;

	if (pairs->slots.count == PAIRS_MAX) {
		give_up(pairs, pairs->slots.oldest[WAITING]);
	}
	if (span->is_caller && span->peer.length > 0) {
		peer = weir_edges_name(pairs->edges, span->peer);
	}
	slot = weir_slots_add(&pairs->slots, is_shared ? span->parent : span->key, WAITING, (uint32_t)(now_ns >> 30));
	pair = weir_slots_at(&pairs->slots, slot);
	pair->service = span->service;
	pair->peer = peer;
	pair->duration_us = span->duration_us < UINT32_MAX ? (uint32_t)span->duration_us : UINT32_MAX;
	pair->is_caller = span->is_caller;
	pair->is_message = span->is_message;
	pair->is_error = (uint8_t)((span->is_error ? ERROR : 0) | (span->is_database ? DATABASE : 0));
	pair->is_met = is_met || is_shared;
	pairs->shared += is_shared;
}

/* ---- a callee -------------------------------------------------------------- */

static uint32_t caller_find(const struct weir_pairs *pairs, struct weir_slot_key key)
{
	uint32_t slot = weir_slots_find(&pairs->slots, key);

	while (slot != WEIR_SLOTS_NONE && !((struct pair *)weir_slots_at(&pairs->slots, slot))->is_caller) {
		slot = weir_slots_next(&pairs->slots, slot);
	}
	return slot;
}

/* A caller waits that names this shared callee's service as its peer. */
static uint32_t naming_find(const struct weir_pairs *pairs, const struct weir_pair_span *span)
{
	uint32_t slot = caller_find(pairs, span->parent);
	const struct pair *pair;

	if (slot == WEIR_SLOTS_NONE) {
		return slot;
	}
	pair = weir_slots_at(&pairs->slots, slot);
	return pair->peer == span->service && !pair->is_message ? slot : WEIR_SLOTS_NONE;
}

static void callee_meets(struct weir_pairs *pairs, const struct weir_pair_span *span, uint64_t now_ns)
{
	uint32_t slot = caller_find(pairs, span->key);
	struct pair *pair;

	if (slot == WEIR_SLOTS_NONE && span->is_shared && span->has_parent) {
		slot = naming_find(pairs, span);
	}
	if (slot == WEIR_SLOTS_NONE) {
		wait(pairs, span, false, now_ns);
		return;
	}
	pair = weir_slots_at(&pairs->slots, slot);
	call_count(pairs,
		&(struct weir_span_call){ .client = pair->service,
			.server = span->service,
			.connection = span->is_message ? WEIR_TRACES_MESSAGING : WEIR_TRACES_DIRECT,
			.is_error = span->is_error || (pair->is_error & ERROR) != 0,
			.has_client = true,
			.has_server = true,
			.client_us = pair->duration_us,
			.server_us = span->duration_us },
		now_ns);
	if (!pair->is_message) {
		forget(pairs, slot);
	} else if (!pair->is_met) {
		weir_slots_use(&pairs->slots, slot, WAITING, (uint32_t)(now_ns >> 30));
		pair->is_met = true;
	}
}

/* ---- a caller -------------------------------------------------------------- */

/* Meets one that waits; it is gone then. */
static void caller_meets_one(
	struct weir_pairs *pairs, const struct weir_pair_span *span, uint32_t slot, uint64_t now_ns)
{
	const struct pair *pair = weir_slots_at(&pairs->slots, slot);

	call_count(pairs,
		&(struct weir_span_call){ .client = span->service,
			.server = pair->service,
			.connection = span->is_message ? WEIR_TRACES_MESSAGING : WEIR_TRACES_DIRECT,
			.is_error = span->is_error || (pair->is_error & ERROR) != 0,
			.has_client = true,
			.has_server = true,
			.client_us = span->duration_us,
			.server_us = pair->duration_us },
		now_ns);
	forget(pairs, slot);
}

/* Those that share its id wait under its parent's. */
static bool caller_meets_shared(struct weir_pairs *pairs, const struct weir_pair_span *span, uint64_t now_ns)
{
	uint32_t slot = weir_slots_find(&pairs->slots, span->parent), own = own_of(span->key);
	bool is_met = false;

	while (slot != WEIR_SLOTS_NONE) {
		const struct pair *pair = weir_slots_at(&pairs->slots, slot);
		uint32_t next = weir_slots_next(&pairs->slots, slot);

		if (!pair->is_caller && pair->is_shared && pair->own == own) {
			caller_meets_one(pairs, span, slot, now_ns);
			is_met = true;
		}
		slot = next;
	}
	return is_met;
}

static void caller_meets(struct weir_pairs *pairs, const struct weir_pair_span *span, uint64_t now_ns)
{
	bool is_met = pairs->shared > 0 && span->has_parent && caller_meets_shared(pairs, span, now_ns);
	bool has_sharer = is_met, is_repeated = false;
	uint32_t slot = weir_slots_find(&pairs->slots, span->key);

	while (slot != WEIR_SLOTS_NONE) {
		const struct pair *pair = weir_slots_at(&pairs->slots, slot);
		uint32_t next = weir_slots_next(&pairs->slots, slot);

		if (pair->is_caller) {
			is_repeated = true;
		} else if (!pair->is_shared || (!has_sharer && !span->is_message &&
						       weir_edges_name(pairs->edges, span->peer) == pair->service)) {
			caller_meets_one(pairs, span, slot, now_ns);
			is_met = true;
		}
		slot = next;
	}
	if (!is_repeated && (!is_met || span->is_message)) {
		wait(pairs, span, is_met, now_ns);
	}
}

void weir_pairs_meet(struct weir_pairs *pairs, const struct weir_pair_span *span, uint64_t now_ns)
{
	if (span->is_caller) {
		caller_meets(pairs, span, now_ns);
	} else {
		callee_meets(pairs, span, now_ns);
	}
}
