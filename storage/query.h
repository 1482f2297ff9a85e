/* query: reads detail back, from open and sealed windows and the database
 * alike, as one consistent whole: no gap, no double (contract 12).
 *
 * A query holds the unstored windows first, begins its read transaction next,
 * and skips windows that the transaction already has. What it returns are
 * batches: the ring's own (copied), or segments decoded back into batches. One
 * weir_query per thread of the query pool. */
#ifndef WEIR_STORAGE_QUERY_H
#define WEIR_STORAGE_QUERY_H

#include "base/arena.h"
#include "storage/store.h"

struct weir_query;

struct weir_query_opts {
	struct weir_store *store;
	struct weir_windows *windows;
	struct weir_run *run;
	uint64_t max_bytes; /* of memory for one answer */
};

int weir_query_open(const struct weir_query_opts *opts, struct weir_query **ret_query);
void weir_query_close(struct weir_query *query);

enum {                          /* outcomes of the calls below */
	WEIR_QUERY_TIMEOUT = 1, /* the deadline passed */
	WEIR_QUERY_TOO_LARGE,   /* the answer would exceed max_bytes */
	WEIR_QUERY_NOT_FOUND,
};

/* Waits for the fold (<= 100 ms), then takes the consistent view. All results
 * live until weir_query_end. deadline_ns is monotonic. */
int weir_query_begin(struct weir_query *query, uint64_t deadline_ns);
void weir_query_end(struct weir_query *query);
int64_t weir_query_behind_ms(const struct weir_query *query); /* 0: all answered is visible */

struct weir_query_span { /* a span and the batch that its refs are in */
	const struct weir_batch *batch;
	const struct weir_span *span;
};

struct weir_query_trace {
	uint8_t trace_id[16];
	uint64_t timestamp_ns;         /* of the root span, else the earliest */
	struct weir_query_span *spans; /* every distinct one, by start; stored twice is one */
	uint32_t span_count;
};

/* One trace. A 16-digit id also finds the 128-bit traces that end in it when
 * is_short. 0, NOT_FOUND, … */
int weir_query_trace(
	struct weir_query *query, const uint8_t trace_id[16], bool is_short, struct weir_query_trace *ret_trace);

struct weir_query_tag { /* `key` alone: an annotation's value or a tag's key; with value: an exact tag */
	struct weir_str key, value;
	bool has_value;
};

struct weir_query_search { /* Zipkin's query, wire.md 5.6; empty strings: any */
	struct weir_str service, remote_service, span_name;
	uint64_t min_duration_us, max_duration_us; /* 0: none */
	uint64_t end_ns, lookback_ns;
	uint32_t limit;
	const struct weir_query_tag *tags;
	uint32_t tag_count;
};

/* Newest first. Matches as Zipkin does: see wire.md 5.6. */
int weir_query_traces(struct weir_query *query, const struct weir_query_search *search,
	struct weir_query_trace **ret_traces, uint32_t *ret_count);

/* Names, sorted, distinct, lower-cased. */
int weir_query_services(struct weir_query *query, struct weir_str **ret_names, uint32_t *ret_count);
int weir_query_span_names(
	struct weir_query *query, struct weir_str service, struct weir_str **ret_names, uint32_t *ret_count);
int weir_query_remote_services(
	struct weir_query *query, struct weir_str service, struct weir_str **ret_names, uint32_t *ret_count);

/* Calls `fn` with every trace that has a span in [end-lookback, end], whole,
 * in an order of its own, a bounded number in memory at a time (partitions by
 * trace id). Attributes are not loaded: for links. fn < 0 stops. */
typedef int weir_query_trace_fn(void *ctx, const struct weir_query_trace *trace);
int weir_query_each_trace(
	struct weir_query *query, uint64_t end_ns, uint64_t lookback_ns, weir_query_trace_fn *fn, void *ctx);

struct weir_query_row { /* a log or a request: its time, and the batch that it and its refs are in */
	uint64_t time_ns;
	const struct weir_batch *batch;
	uint32_t row;
};

struct weir_query_log_search {   /* empty strings: any */
	struct weir_str service; /* ignoring case */
	struct weir_str text;    /* in the body, ignoring the case of ASCII letters */
	uint8_t trace_id[16];
	bool has_trace, is_short; /* as weir_query_trace() */
	uint32_t min_severity;
	uint64_t end_ns, lookback_ns;
	uint32_t limit;
};

/* Rows of `logs`, newest first: by when they were written, else seen, else came. */
int weir_query_logs(struct weir_query *query, const struct weir_query_log_search *search,
	struct weir_query_row **ret_rows, uint32_t *ret_count);

struct weir_query_request_search {            /* empty strings: any */
	struct weir_str workload;             /* of either end: its name or its app */
	struct weir_str service;              /* called: its host or its name, ignoring case */
	struct weir_str trace_id, request_id; /* as they were logged */
	int32_t response_code;                /* -1: any */
	uint64_t end_ns, lookback_ns;
	uint32_t limit;
};

/* Rows of `requests`, newest first by their start. */
int weir_query_requests(struct weir_query *query, const struct weir_query_request_search *search,
	struct weir_query_row **ret_rows, uint32_t *ret_count);

#endif
