/* view: what a query sees: windows and segments, as one consistent whole. */
#ifndef WEIR_STORAGE_VIEW_H
#define WEIR_STORAGE_VIEW_H

#include "storage/inside.h"
#include "storage/query.h"
#include "storage/segment_reader.h"

#define WEIR_VIEW_SKEW_NS 1000000000ull   /* a child may seem to start before its root by this much */
#define WEIR_VIEW_SLACK_NS 10000000000ull /* how far beyond a time range the rest of its traces is looked for */

struct weir_view_cached { /* a decoded segment */
	uint32_t id;
	enum weir_segment_part part;
	const struct weir_batch *batch;
};

#define WEIR_VIEW_CACHED 512u

struct weir_query {
	struct weir_query_opts opts;
	sqlite3 *db;
	sqlite3_stmt *begin, *end, *stored, *data, *names, *traces;
	struct weir_segment_reader *reader;
	struct weir_arena arena; /* results */
	struct weir_arena cache; /* decoded segments; emptied when full */
	struct weir_view_cached cached[WEIR_VIEW_CACHED];
	uint32_t cached_count;
	struct weir_buf found;  /* numbers of segments */
	struct weir_buf others; /* segments that are not in the index */
	/* between begin and end */
	bool is_open;
	uint64_t ticket, deadline_ns, held_ns;
	int64_t behind_ms;
	struct weir_window_view views[WEIR_WINDOW_VIEWS];
	uint32_t view_count;
	const struct weir_batch **batches; /* of the held windows, oldest first */
	uint32_t batch_count;
	bool is_detached;       /* the batches are copies of ours; the windows are let go */
	uint32_t *heads, *next; /* rows of the batches by trace, when a search needs them */
	uint64_t *places;       /* batch << 32 | row */
	uint32_t head_mask, lookups;
};

/* Deadline, and windows not held too long. 0, TIMEOUT, TOO_LARGE. Call before each batch; a pointer into one of
 * query->batches is not good any more after it. */
int weir_view_tick(struct weir_query *query);

/* A segment of this snapshot as a batch, until the next call of any function
 * that reads segments. *ret_batch NULL: it is not in the snapshot, or damaged
 * (counted). 0, TOO_LARGE, or a fault. */
int weir_view_segment(
	struct weir_query *query, uint32_t id, enum weir_segment_part part, const struct weir_batch **ret_batch);

/* One trace, whole, from everywhere, in the query's arena. 0, NOT_FOUND, TIMEOUT, TOO_LARGE, or a fault. */
int weir_view_trace(struct weir_query *query, const uint8_t trace_id[16], bool is_short, enum weir_segment_part part,
	struct weir_query_trace *ret_trace);

/* Sorts the spans, drops what is stored twice, finds the timestamp. */
void weir_view_trace_finish(struct weir_query_trace *trace);

#endif
