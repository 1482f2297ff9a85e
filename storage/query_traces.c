/* query_traces: the newest traces that match, without reading the rest.
 *
 * A queue, newest bound first, of two kinds of things:
 *
 *   a segment     bound: its rows' latest start
 *   a candidate   a trace with a span that may make it match; bound: that
 *                 span's start
 *
 * A trace's time is its root's start or its earliest, so it lies at or before
 * the start of any of its spans: the bounds are true. (Where clocks disagree
 * and a child seems to start before its root, the trace may lose a place in the
 * order; the time range allows for WEIR_VIEW_SKEW_NS of it.) Taking a segment reads its core columns (all,
 * when tags are asked for) and queues its candidates; taking a candidate loads
 * the whole trace and tests it exactly. Once `limit` traces are found and the
 * oldest of them is newer than the front of the queue, nothing can change.
 * Segments whose times or filter exclude a match are never queued.
 *
 * Each trace is queued once (a set of ids); the rows of held windows are queued
 * at the start. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "storage/search.h"
#include "storage/view.h"

#define SEEN_FIRST 1024u
#define LATE_ROWS 4096u

struct item {
	uint64_t bound;
	uint32_t segment; /* 0: a candidate */
	uint8_t trace_id[16];
};

struct searching {
	struct weir_query *query;
	const struct weir_query_search *search;
	uint64_t first_ns; /* of the time range */
	struct item *heap;
	uint32_t count, capacity;
	uint8_t (*seen)[16];
	uint32_t seen_count, seen_mask;
	struct weir_query_trace *found; /* newest first */
	uint32_t found_count;
};

static int item_push(struct searching *searching, const struct item *item)
{
	uint32_t at = searching->count;

	if (at == searching->capacity) {
		uint32_t capacity = at != 0 ? at * 2 : 256;
		struct item *grown = NULL;

		if (capacity * sizeof(*grown) <= searching->query->opts.max_bytes / 4) {
			grown = realloc(searching->heap, capacity * sizeof(*grown));
		}
		if (grown == NULL) {
			return WEIR_QUERY_TOO_LARGE;
		}
		searching->heap = grown;
		searching->capacity = capacity;
	}
	searching->count++;
	while (at > 0 && searching->heap[(at - 1) / 2].bound < item->bound) {
		searching->heap[at] = searching->heap[(at - 1) / 2];
		at = (at - 1) / 2;
	}
	searching->heap[at] = *item;
	return 0;
}

static struct item item_pop(struct searching *searching)
{
	struct item first = searching->heap[0], last = searching->heap[--searching->count];
	uint32_t at = 0, child;

	while ((child = 2 * at + 1) < searching->count) {
		if (child + 1 < searching->count && searching->heap[child + 1].bound > searching->heap[child].bound) {
			child++;
		}
		if (searching->heap[child].bound <= last.bound) {
			break;
		}
		searching->heap[at] = searching->heap[child];
		at = child;
	}
	searching->heap[at] = last;
	return first;
}

static uint32_t seen_slot(const struct searching *searching, const uint8_t *trace_id)
{
	static const uint8_t none[16];
	uint32_t at = weir_segment_trace_hash(trace_id, searching->query->opts.store->found.hash_seed);

	for (at &= searching->seen_mask; memcmp(searching->seen[at], none, 16) != 0;
		at = (at + 1) & searching->seen_mask) {
		if (memcmp(searching->seen[at], trace_id, 16) == 0) {
			break;
		}
	}
	return at;
}

/* 1: it was seen; 0: now it is; TOO_LARGE. */
enum { SEEN = -1 };
static int seen_add(struct searching *searching, const uint8_t *trace_id)
{
	uint32_t at = seen_slot(searching, trace_id);

	if (memcmp(searching->seen[at], trace_id, 16) == 0) {
		return SEEN;
	}
	memcpy(searching->seen[at], trace_id, 16);
	if (2 * ++searching->seen_count > searching->seen_mask) {
		uint8_t(*old)[16] = searching->seen;
		uint32_t old_mask = searching->seen_mask;

		searching->seen = NULL;
		if (((uint64_t)old_mask + 1) * 32 <= searching->query->opts.max_bytes / 4) {
			searching->seen = calloc(((size_t)old_mask + 1) * 2, 16);
		}
		if (searching->seen == NULL) {
			searching->seen = old;
			return WEIR_QUERY_TOO_LARGE;
		}
		searching->seen_mask = old_mask * 2 + 1;
		for (uint32_t i = 0; i <= old_mask; i++) {
			memcpy(searching->seen[seen_slot(searching, old[i])], old[i], 16);
		}
		free(old);
	}
	return 0;
}

/* No tick in here: it may let the windows go, and with them the ring's memory
 * that `batch` lies in. The caller ticks before. */
static int batch_queue(struct searching *searching, const struct weir_batch *batch)
{
	const struct weir_span *spans = weir_batch_spans(batch);

	for (uint32_t i = 0; i < batch->spans.count; i++) {
		const struct weir_span *span = &spans[i];
		struct item item = { .bound = span->start_ns };
		int result;

		if (i % LATE_ROWS == LATE_ROWS - 1 && weir_clock_monotonic_ns() >= searching->query->deadline_ns) {
			return WEIR_QUERY_TIMEOUT;
		}
		if ((span->flags & WEIR_SPAN_NO_START) != 0) {
			item.bound = UINT64_MAX;
		} else if (span->start_ns + WEIR_VIEW_SKEW_NS < searching->first_ns) {
			continue;
		}
		if (!weir_search_span_may_match(searching->search, batch, span)) {
			continue;
		}
		result = seen_add(searching, span->trace_id);
		if (result == SEEN) {
			continue;
		}
		memcpy(item.trace_id, span->trace_id, 16);
		if (result == 0) {
			result = item_push(searching, &item);
		}
		if (result != 0) {
			return result;
		}
	}
	return 0;
}

static bool segment_may_match(const struct searching *searching, const struct weir_catalog_entry *entry)
{
	const struct weir_query_search *search = searching->search;

	if (entry->max_time + WEIR_VIEW_SKEW_NS < searching->first_ns ||
		entry->min_time > search->end_ns + WEIR_VIEW_SLACK_NS) {
		return false;
	}
	if ((search->service.length > 0 || search->span_name.length > 0) &&
		!weir_segment_filter_may_have(
			entry->filter, WEIR_SEGMENT_SPAN_NAME, search->service, (struct weir_str){ "", 0 }) &&
		search->service.length > 0) {
		return false;
	}
	/* The name and the remote service need not be on the span of the first condition; only what the candidates
	 * of this segment are tested by may exclude it. */
	if (search->tag_count > 0) {
		return true;
	}
	if (search->span_name.length > 0) {
		return weir_segment_filter_may_have(
			entry->filter, WEIR_SEGMENT_SPAN_NAME, search->service, search->span_name);
	}
	return search->remote_service.length == 0 ||
	       weir_segment_filter_may_have(
		       entry->filter, WEIR_SEGMENT_REMOTE_NAME, search->service, search->remote_service);
}

static int segments_queue(struct searching *searching)
{
	struct weir_query *query = searching->query;
	struct weir_catalog_entry *entries;
	uint32_t count;

	weir_arena_reset(&query->cache);
	query->cached_count = 0;
	if (weir_catalog_copy(query->opts.store->catalog, WEIR_ROWS_SPANS, &query->cache, &entries, &count) < 0) {
		return WEIR_QUERY_TOO_LARGE;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct item item = { .bound = entries[i].max_time, .segment = entries[i].id };
		int result = 0;

		if (segment_may_match(searching, &entries[i])) {
			result = item_push(searching, &item);
		}
		if (result != 0) {
			return result;
		}
	}
	weir_arena_reset(&query->cache);
	return 0;
}

static void found_insert(struct searching *searching, const struct weir_query_trace *trace)
{
	uint32_t limit = searching->search->limit, at = searching->found_count;

	if (at == limit) {
		if (searching->found[limit - 1].timestamp_ns >= trace->timestamp_ns) {
			return;
		}
		at--;
	} else {
		searching->found_count++;
	}
	while (at > 0 && searching->found[at - 1].timestamp_ns < trace->timestamp_ns) {
		searching->found[at] = searching->found[at - 1];
		at--;
	}
	searching->found[at] = *trace;
}

static int candidate_test(struct searching *searching, const struct item *item)
{
	enum weir_segment_part part = searching->search->tag_count > 0 ? WEIR_SEGMENT_PART_ALL : WEIR_SEGMENT_PART_CORE;
	struct weir_query_trace trace;
	int result = weir_view_trace(searching->query, item->trace_id, false, part, &trace);

	if (result == WEIR_QUERY_NOT_FOUND) {
		return 0;
	}
	if (result == 0 && weir_search_trace_matches(searching->search, &trace)) {
		found_insert(searching, &trace);
	}
	return result;
}

static int item_handle(struct searching *searching, const struct item *item)
{
	enum weir_segment_part part = searching->search->tag_count > 0 ? WEIR_SEGMENT_PART_ALL : WEIR_SEGMENT_PART_CORE;
	const struct weir_batch *batch;
	int result = weir_view_tick(searching->query);

	if (result != 0) {
		return result;
	}
	if (item->segment == 0) {
		return candidate_test(searching, item);
	}
	result = weir_view_segment(searching->query, item->segment, part, &batch);
	return result == 0 && batch != NULL ? batch_queue(searching, batch) : result;
}

/* Can nothing in the queue be newer than the last of the found? */
static bool is_settled(const struct searching *searching)
{
	uint64_t bound = searching->heap[0].bound;

	bound = bound < searching->search->end_ns ? bound : searching->search->end_ns;
	return searching->found_count == searching->search->limit &&
	       searching->found[searching->found_count - 1].timestamp_ns >= bound;
}

/* What was found by core columns is loaded whole. */
static int found_load(struct searching *searching)
{
	for (uint32_t i = 0; i < searching->found_count && searching->search->tag_count == 0; i++) {
		uint8_t trace_id[16];
		uint64_t timestamp = searching->found[i].timestamp_ns;
		int result;

		memcpy(trace_id, searching->found[i].trace_id, 16);
		result =
			weir_view_trace(searching->query, trace_id, false, WEIR_SEGMENT_PART_ALL, &searching->found[i]);
		if (result != 0) {
			return result == WEIR_QUERY_NOT_FOUND ? -EIO : result;
		}
		searching->found[i].timestamp_ns = timestamp;
	}
	return 0;
}

int weir_query_traces(struct weir_query *query, const struct weir_query_search *search,
	struct weir_query_trace **ret_traces, uint32_t *ret_count)
{
	struct searching searching = { .query = query, .search = search, .seen_mask = SEEN_FIRST - 1 };
	int result = 0;

	*ret_traces = NULL;
	*ret_count = 0;
	if (search->limit == 0) {
		return 0;
	}
	searching.first_ns = search->end_ns > search->lookback_ns ? search->end_ns - search->lookback_ns : 0;
	searching.seen = calloc(SEEN_FIRST, 16);
	searching.found = search->limit <= query->opts.max_bytes / 4 / sizeof(*searching.found)
				  ? weir_arena_alloc(&query->arena, search->limit * sizeof(*searching.found))
				  : NULL;
	if (searching.seen == NULL || searching.found == NULL) {
		result = WEIR_QUERY_TOO_LARGE;
	}
	for (uint32_t i = 0; i < query->batch_count && result == 0; i++) {
		result = weir_view_tick(query);
		if (result == 0) {
			result = batch_queue(&searching, query->batches[i]);
		}
	}
	if (result == 0) {
		result = segments_queue(&searching);
	}
	while (result == 0 && searching.count > 0 && !is_settled(&searching)) {
		struct item item = item_pop(&searching);

		result = item_handle(&searching, &item);
	}
	if (result == 0) {
		result = found_load(&searching);
	}
	free(searching.seen);
	free(searching.heap);
	if (result == 0) {
		*ret_traces = searching.found;
		*ret_count = searching.found_count;
	}
	return result;
}
