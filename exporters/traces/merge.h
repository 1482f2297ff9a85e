/* merge: the spans of one trace as Zipkin cleans them up (wire.md 5.7): parts
 * of one span put together, ids completed, shared spans recognised. */
#ifndef WEIR_EXPORTERS_TRACES_MERGE_H
#define WEIR_EXPORTERS_TRACES_MERGE_H

#include "base/arena.h"
#include "storage/query.h"

struct weir_merge_span {
	uint8_t id[8], parent_id[8]; /* parent all zero: none */
	uint64_t start_ns, duration_ns;
	bool has_start, has_duration;
	bool is_shared, is_debug, is_error;
	uint8_t kind;                  /* enum weir_span_kind; INTERNAL is UNSPECIFIED, as Zipkin has it */
	struct weir_str name;          /* as sent: compare and write it lower-cased */
	struct weir_str service, peer; /* the same; empty: unknown */
	struct weir_address address, peer_address;
	const struct weir_query_span *parts; /* what was put together, first wins */
	uint32_t part_count;
};

struct weir_merge_trace {
	uint8_t trace_id[16];          /* the longest of the spans' */
	struct weir_merge_span *spans; /* by id; of equal ids the client first, shared ones last */
	uint32_t count;
};

/* All lives in `arena`; strings stay the trace's. 0, or -ENOMEM: the arena is full. */
int weir_merge_spans(struct weir_arena *arena, const struct weir_query_trace *trace, struct weir_merge_trace *ret);

bool weir_merge_has_parent(const struct weir_merge_span *span);
/* Order of two names without regard to ASCII case; 0: equal. */
int weir_merge_compare_names(struct weir_str a, struct weir_str b);
/* Are two spans on one endpoint: name, address and port alike? */
bool weir_merge_same_endpoint(const struct weir_merge_span *a, const struct weir_merge_span *b);

#endif
