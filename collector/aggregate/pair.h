/* pair: the two spans of one call find each other. Private to the room. */
#ifndef WEIR_AGGREGATE_PAIR_H
#define WEIR_AGGREGATE_PAIR_H

#include "aggregate/edge.h"
#include "aggregate/slots.h"
#include "aggregate/span_count.h"

#define WEIR_PAIR_EDGES 256u

struct weir_pairs {
	struct weir_slots slots;
	struct weir_edges *edges;
	struct weir_span_counts *counts; /* of calls; NULL: none */
	struct weir_span_moment moment;  /* of the batch at hand */
	uint32_t shared;                 /* how many wait under their parent's id; of the slots, not saved */
	struct {                         /* a cache, no state: names of both ends → edge */
		uint32_t caller, callee, edge_plus_1;
	} known[WEIR_PAIR_EDGES];
};

struct weir_pair_span {
	struct weir_slot_key key; /* weir_pairs_key of the calling span's ids */
	bool is_caller;           /* CLIENT or PRODUCER; else SERVER or CONSUMER */
	bool is_message;          /* PRODUCER or CONSUMER */
	bool is_database;         /* a caller's: it says so */
	bool is_error;
	bool is_shared;              /* a callee whose own id is its key (Zipkin) */
	bool has_parent;             /* `parent` is set; a caller may leave it out while weir_pairs.shared is 0 */
	struct weir_slot_key parent; /* weir_pairs_key of its parent's ids */
	uint32_t service;            /* number of its name */
	struct weir_str peer;
	uint64_t duration_us;
};

void weir_pairs_init(struct weir_pairs *pairs, struct weir_edges *edges, uint64_t seed);
void weir_pairs_fini(struct weir_pairs *pairs);

struct weir_slot_key weir_pairs_key(const uint8_t trace_id[16], const uint8_t span_id[8]);

/* A span meets those that wait for it, or waits. `now_ns` is the watermark. */
void weir_pairs_meet(struct weir_pairs *pairs, const struct weir_pair_span *span, uint64_t now_ns);
/* After slots were loaded. */
void weir_pairs_recount(struct weir_pairs *pairs);
/* Gives up those that waited too long. */
void weir_pairs_expire(struct weir_pairs *pairs, uint64_t now_ns);

#endif
