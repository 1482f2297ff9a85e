/* view: what a query sees: windows and segments, as one consistent whole.
 *
 *   enter the catalog → hold the unstored windows → BEGIN, read progress.window
 *   → let go the windows up to that number: they are in the snapshot
 *
 * Whatever was answered before the query began is either in a held window or in
 * a segment of the snapshot, and never in both: a window is unlisted only after
 * its commit, so what is not listed when we hold is in any snapshot begun
 * later; what is listed and already committed carries a number that the
 * snapshot's progress has reached.
 *
 * Held windows hold the ring. So what is returned is copied out (extract.c), and
 * a query that takes longer than HOLD_NS copies the batches themselves and lets
 * the windows go: the ring never waits for a slow query.
 *
 * Decoded segments stay in a cache of a quarter of the query's memory, emptied as a
 * whole when it is full; nobody keeps a pointer into it over a call. */
#include "storage/view.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "storage/extract.h"

#define HOLD_NS 50000000ull
#define INDEX_AFTER 2u /* look-ups by plain scan */

/* Copies the batches and lets the windows go. */
static int detach(struct weir_query *query)
{
	for (uint32_t i = 0; i < query->batch_count; i++) {
		void *copy = weir_arena_alloc(&query->arena, query->batches[i]->size_bytes);

		if (copy == NULL) {
			return WEIR_QUERY_TOO_LARGE;
		}
		memcpy(copy, query->batches[i], query->batches[i]->size_bytes);
		query->batches[i] = copy;
	}
	weir_windows_let_go(query->opts.windows, query->views, query->view_count);
	query->view_count = 0;
	query->is_detached = true;
	return 0;
}

int weir_view_tick(struct weir_query *query)
{
	uint64_t now = weir_clock_monotonic_ns();

	if (now >= query->deadline_ns) {
		return WEIR_QUERY_TIMEOUT;
	}
	if (query->view_count > 0 && now - query->held_ns > HOLD_NS) {
		return detach(query);
	}
	return 0;
}

/* ---- segments ----------------------------------------------------------- */

static int segment_decode(
	struct weir_query *query, uint32_t id, enum weir_segment_part part, const struct weir_batch **ret_batch)
{
	int code, result;

	sqlite3_bind_int64(query->data, 1, id);
	code = sqlite3_step(query->data);
	if (code != SQLITE_ROW) {
		sqlite3_reset(query->data);
		result = weir_connection_fault(code);
		if (result == -EBADMSG) {
			query->opts.store->unreadable_segments++;
			return 0;
		}
		return result;
	}
	result = weir_segment_reader_decode(
		query->reader, weir_connection_blob(query->data, 0), part, &query->cache, ret_batch);
	if (result == -ENOMEM && query->cached_count > 0) {
		weir_arena_reset(&query->cache);
		query->cached_count = 0;
		result = weir_segment_reader_decode(
			query->reader, weir_connection_blob(query->data, 0), part, &query->cache, ret_batch);
	}
	sqlite3_reset(query->data);
	if (result == -EBADMSG) {
		query->opts.store->unreadable_segments++;
		return 0;
	}
	return result == -ENOMEM ? WEIR_QUERY_TOO_LARGE : result;
}

int weir_view_segment(
	struct weir_query *query, uint32_t id, enum weir_segment_part part, const struct weir_batch **ret_batch)
{
	int result;

	*ret_batch = NULL;
	for (uint32_t i = 0; i < query->cached_count; i++) {
		if (query->cached[i].id == id && query->cached[i].part >= part) {
			*ret_batch = query->cached[i].batch;
			return 0;
		}
	}
	if (query->cached_count == WEIR_VIEW_CACHED) {
		weir_arena_reset(&query->cache);
		query->cached_count = 0;
	}
	result = segment_decode(query, id, part, ret_batch);
	if (result == 0 && *ret_batch != NULL) {
		query->cached[query->cached_count++] = (struct weir_view_cached){ id, part, *ret_batch };
	}
	return result;
}

/* ---- one trace ---------------------------------------------------------- */

struct gathering {
	struct weir_query *query;
	const uint8_t *trace_id;
	bool is_short, is_core;
	struct weir_buf rows;  /* of the present batch */
	struct weir_buf spans; /* struct weir_query_span */
};

static bool is_of_trace(const struct gathering *gathering, const struct weir_span *span)
{
	return memcmp(span->trace_id + 8, gathering->trace_id + 8, 8) == 0 &&
	       (gathering->is_short || memcmp(span->trace_id, gathering->trace_id, 8) == 0);
}

/* Copies the noted rows out of the batch. */
static int rows_take(struct gathering *gathering, const struct weir_batch *batch)
{
	uint32_t count = (uint32_t)(gathering->rows.length / sizeof(uint32_t));
	const struct weir_batch *part;

	if (count == 0) {
		return 0;
	}
	part = weir_extract_spans(
		&gathering->query->arena, batch, (const uint32_t *)gathering->rows.data, count, gathering->is_core);
	weir_buf_clear(&gathering->rows);
	if (part == NULL) {
		return WEIR_QUERY_TOO_LARGE;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct weir_query_span span = { part, weir_batch_spans(part) + i };

		weir_buf_add(&gathering->spans, &span, sizeof(span));
	}
	return weir_buf_error(&gathering->spans) != 0 ? WEIR_QUERY_TOO_LARGE : 0;
}

static int batch_scan(struct gathering *gathering, const struct weir_batch *batch)
{
	const struct weir_span *spans = weir_batch_spans(batch);

	for (uint32_t i = 0; i < batch->spans.count; i++) {
		if (is_of_trace(gathering, &spans[i])) {
			weir_buf_add(&gathering->rows, &i, sizeof(i));
		}
	}
	return rows_take(gathering, batch);
}

static uint32_t head_of(const struct weir_query *query, const uint8_t *trace_id)
{
	return weir_segment_trace_hash(trace_id, query->opts.store->found.hash_seed) & query->head_mask;
}

/* Rows of the held batches by trace: worth it from the third look-up on. */
static int rows_index(struct weir_query *query)
{
	uint64_t total = 0;
	uint32_t slots = 64, at = 0;

	for (uint32_t i = 0; i < query->batch_count; i++) {
		total += query->batches[i]->spans.count;
	}
	while (slots < total) {
		slots *= 2;
	}
	query->heads = weir_arena_alloc(&query->arena, slots * sizeof(*query->heads));
	query->next = weir_arena_alloc(&query->arena, (total + 1) * sizeof(*query->next));
	query->places = weir_arena_alloc(&query->arena, (total + 1) * sizeof(*query->places));
	if (query->heads == NULL || query->next == NULL || query->places == NULL) {
		query->heads = NULL;
		return WEIR_QUERY_TOO_LARGE;
	}
	query->head_mask = slots - 1;
	memset(query->heads, 0xff, slots * sizeof(*query->heads));
	/* From the end, so that the chains give the rows in their order. */
	for (uint32_t i = query->batch_count; i-- > 0;) {
		const struct weir_span *spans = weir_batch_spans(query->batches[i]);

		for (uint32_t j = query->batches[i]->spans.count; j-- > 0;) {
			uint32_t head = head_of(query, spans[j].trace_id);

			query->places[at] = (uint64_t)i << 32 | j;
			query->next[at] = query->heads[head];
			query->heads[head] = at++;
		}
	}
	return 0;
}

static int windows_scan(struct gathering *gathering)
{
	struct weir_query *query = gathering->query;
	uint32_t present = UINT32_MAX;
	int result = 0;

	if (query->heads == NULL && query->lookups++ >= INDEX_AFTER) {
		result = rows_index(query);
	}
	if (query->heads == NULL) {
		for (uint32_t i = 0; i < query->batch_count && result == 0; i++) {
			result = batch_scan(gathering, query->batches[i]);
		}
		return result;
	}
	for (uint32_t at = query->heads[head_of(query, gathering->trace_id)]; at != UINT32_MAX && result == 0;
		at = query->next[at]) {
		uint32_t batch = (uint32_t)(query->places[at] >> 32), row = (uint32_t)query->places[at];

		if (!is_of_trace(gathering, weir_batch_spans(query->batches[batch]) + row)) {
			continue;
		}
		if (batch != present && present != UINT32_MAX) {
			result = rows_take(gathering, query->batches[present]);
		}
		present = batch;
		weir_buf_add(&gathering->rows, &row, sizeof(row));
	}
	if (result == 0 && present != UINT32_MAX) {
		result = rows_take(gathering, query->batches[present]);
	}
	return result;
}

static int by_id(const void *left, const void *right)
{
	uint32_t a = *(const uint32_t *)left, b = *(const uint32_t *)right;

	return a < b ? -1 : a > b;
}

static int segment_scan(struct gathering *gathering, uint32_t id, enum weir_segment_part part)
{
	const struct weir_batch *batch = NULL;
	int result = weir_view_segment(gathering->query, id, part, &batch);

	return result == 0 && batch != NULL ? batch_scan(gathering, batch) : result;
}

/* Does a segment that is not in the index have the trace? By the sorted hashes that are stored beside it. */
static int is_in_segment(struct weir_query *query, uint32_t id, uint32_t hash, bool *ret_is_there)
{
	struct weir_str traces;
	int code;

	*ret_is_there = false;
	sqlite3_bind_int64(query->traces, 1, id);
	code = sqlite3_step(query->traces);
	if (code == SQLITE_ROW) {
		traces = weir_connection_blob(query->traces, 0);
		*ret_is_there = traces.length > 0 &&
				bsearch(&hash, traces.data, traces.length / sizeof(hash), sizeof(hash), by_id) != NULL;
	}
	sqlite3_reset(query->traces);
	return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : weir_connection_fault(code);
}

/* When the rest of the trace may have been, by what was found already: any time if nothing was. */
static struct weir_catalog_other reach_of(const struct gathering *gathering)
{
	const struct weir_query_span *spans = (const struct weir_query_span *)gathering->spans.data;
	size_t count = gathering->spans.length / sizeof(*spans);
	struct weir_catalog_other reach = { .min_time = count == 0 ? 0 : UINT64_MAX,
		.max_time = count == 0 ? UINT64_MAX : 0 };

	for (size_t i = 0; i < count; i++) {
		uint64_t start_ns = spans[i].span->start_ns, end_ns = start_ns + spans[i].span->duration_ns;

		reach.min_time = start_ns < reach.min_time ? start_ns : reach.min_time;
		reach.max_time = end_ns > reach.max_time ? end_ns : reach.max_time;
	}
	return reach;
}

static bool is_in_reach(const struct weir_catalog_other *other, const struct weir_catalog_other *reach)
{
	return (other->max_time >= reach->min_time || reach->min_time - other->max_time <= WEIR_VIEW_SLACK_NS) &&
	       (other->min_time <= reach->max_time || other->min_time - reach->max_time <= WEIR_VIEW_SLACK_NS);
}

/* The oldest segments, which are not in the index. */
static int others_scan(struct gathering *gathering, uint32_t hash, enum weir_segment_part part)
{
	struct weir_query *query = gathering->query;
	const struct weir_catalog_other *others = (const struct weir_catalog_other *)query->others.data;
	size_t count = query->others.length / sizeof(*others);
	struct weir_catalog_other reach = reach_of(gathering);
	int result = weir_buf_error(&query->others) != 0 ? WEIR_QUERY_TOO_LARGE : 0;

	for (size_t i = 0; i < count && result == 0; i++) {
		bool is_there = false;

		if (!is_in_reach(&others[i], &reach)) {
			continue;
		}
		result = weir_view_tick(query);
		if (result == 0) {
			result = is_in_segment(query, others[i].id, hash, &is_there);
		}
		if (result == 0 && is_there) {
			result = segment_scan(gathering, others[i].id, part);
			reach = reach_of(gathering);
		}
	}
	return result;
}

static int segments_scan(struct gathering *gathering, enum weir_segment_part part)
{
	struct weir_query *query = gathering->query;
	uint32_t hash = weir_segment_trace_hash(gathering->trace_id, query->opts.store->found.hash_seed), *ids;
	uint32_t count;
	int result = 0;

	weir_buf_clear(&query->found);
	weir_buf_clear(&query->others);
	weir_catalog_find(query->opts.store->catalog, hash, &query->found, &query->others);
	ids = (uint32_t *)query->found.data;
	count = (uint32_t)(query->found.length / sizeof(*ids));
	if (count > 1) {
		qsort(ids, count, sizeof(*ids), by_id);
	}
	for (uint32_t i = 0; i < count && result == 0; i++) {
		if (i > 0 && ids[i] == ids[i - 1]) {
			continue;
		}
		result = weir_view_tick(query);
		if (result == 0) {
			result = segment_scan(gathering, ids[i], part);
		}
	}
	return result != 0 ? result : others_scan(gathering, hash, part);
}

static int by_identity(const void *left, const void *right)
{
	const struct weir_query_span *a = left, *b = right;
	struct weir_str x, y;
	int order = memcmp(a->span->span_id, b->span->span_id, 8);

	if (order == 0) {
		order = memcmp(a->span->trace_id, b->span->trace_id, 16);
	}
	if (order == 0) {
		order = (int)a->span->kind - (int)b->span->kind;
	}
	if (order == 0) {
		order = (a->span->flags & WEIR_SPAN_SHARED) - (b->span->flags & WEIR_SPAN_SHARED);
	}
	if (order == 0 && a->span->start_ns != b->span->start_ns) {
		order = a->span->start_ns < b->span->start_ns ? -1 : 1;
	}
	if (order != 0) {
		return order;
	}
	x = weir_batch_str(a->batch, weir_batch_resources(a->batch)[a->span->resource].service);
	y = weir_batch_str(b->batch, weir_batch_resources(b->batch)[b->span->resource].service);
	if (x.length != y.length) {
		return x.length < y.length ? -1 : 1;
	}
	return x.length > 0 ? memcmp(x.data, y.data, x.length) : 0;
}

static int by_start(const void *left, const void *right)
{
	const struct weir_query_span *a = left, *b = right;

	if (a->span->start_ns != b->span->start_ns) {
		return a->span->start_ns < b->span->start_ns ? -1 : 1;
	}
	return by_identity(left, right);
}

void weir_view_trace_finish(struct weir_query_trace *trace)
{
	static const uint8_t none[8];
	struct weir_query_span *spans = trace->spans;
	uint64_t earliest = UINT64_MAX, root = UINT64_MAX;
	uint32_t kept = 0;

	qsort(spans, trace->span_count, sizeof(*spans), by_identity);
	for (uint32_t i = 0; i < trace->span_count; i++) {
		if (kept == 0 || by_identity(&spans[kept - 1], &spans[i]) != 0) {
			spans[kept++] = spans[i];
		}
	}
	trace->span_count = kept;
	qsort(spans, kept, sizeof(*spans), by_start);
	for (uint32_t i = 0; i < kept; i++) {
		const struct weir_span *span = spans[i].span;

		if ((span->flags & WEIR_SPAN_NO_START) != 0) {
			continue;
		}
		earliest = span->start_ns < earliest ? span->start_ns : earliest;
		if (memcmp(span->parent_id, none, 8) == 0 && root == UINT64_MAX) {
			root = span->start_ns;
		}
	}
	trace->timestamp_ns = root != UINT64_MAX ? root : earliest != UINT64_MAX ? earliest : 0;
	if (kept > 0) {
		memcpy(trace->trace_id, spans[0].span->trace_id, 16);
	}
}

int weir_view_trace(struct weir_query *query, const uint8_t trace_id[16], bool is_short, enum weir_segment_part part,
	struct weir_query_trace *ret_trace)
{
	struct gathering gathering = { .query = query, .trace_id = trace_id, .is_short = is_short };
	int result;

	memset(ret_trace, 0, sizeof(*ret_trace));
	gathering.is_core = part == WEIR_SEGMENT_PART_CORE;
	weir_buf_init(&gathering.rows, query->opts.max_bytes);
	weir_buf_init(&gathering.spans, query->opts.max_bytes);
	result = segments_scan(&gathering, part);
	if (result == 0) {
		result = windows_scan(&gathering);
	}
	if (result == 0 && (weir_buf_error(&gathering.rows) != 0 || weir_buf_error(&gathering.spans) != 0)) {
		result = WEIR_QUERY_TOO_LARGE;
	}
	if (result == 0 && gathering.spans.length == 0) {
		result = WEIR_QUERY_NOT_FOUND;
	}
	if (result == 0) {
		ret_trace->spans = (struct weir_query_span *)(uintptr_t)weir_arena_copy(
			&query->arena, weir_buf_str(&gathering.spans))
					   .data;
		ret_trace->span_count = (uint32_t)(gathering.spans.length / sizeof(*ret_trace->spans));
		if (ret_trace->spans == NULL) {
			result = WEIR_QUERY_TOO_LARGE;
		} else {
			weir_view_trace_finish(ret_trace);
		}
	}
	weir_buf_fini(&gathering.rows);
	weir_buf_fini(&gathering.spans);
	return result;
}
