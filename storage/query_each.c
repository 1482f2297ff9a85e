/* query_each: every trace of a time range, whole, a bounded number in memory.
 *
 * The traces are cut into partitions by their hash, as many as it takes for one
 * to fit into the query's memory (one that does not is cut in two); each partition is one walk over the
 * segments of the range (and WEIR_VIEW_SLACK_NS around it, where the rest of
 * its traces lies) and over the held windows. A partition's spans are copied
 * out (core columns only), sorted by trace and given to the caller trace by
 * trace; then the memory is used again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "storage/extract.h"
#include "storage/view.h"

#define BYTES_A_SPAN 280u /* a copied span with its texts and its place, usually */
#define MOST_PARTITIONS 65536u

struct walking {
	struct weir_query *query;
	uint64_t first_ns, end_ns;
	uint32_t partition, partitions;
	struct weir_arena arena; /* of the partition */
	struct weir_buf rows, spans;
	struct weir_catalog_entry *entries;
	uint32_t entry_count;
	weir_query_trace_fn *fn;
	void *ctx;
};

/* Takes the rows of this partition. Attributes, events and links stay behind. */
static int batch_take(struct walking *walking, const struct weir_batch *batch)
{
	const struct weir_span *spans = weir_batch_spans(batch);
	uint64_t seed = walking->query->opts.store->found.hash_seed;
	const struct weir_batch *part;
	uint32_t count;

	weir_buf_clear(&walking->rows);
	for (uint32_t i = 0; i < batch->spans.count; i++) {
		if (weir_segment_trace_hash(spans[i].trace_id, seed) % walking->partitions == walking->partition) {
			weir_buf_add(&walking->rows, &i, sizeof(i));
		}
	}
	count = (uint32_t)(walking->rows.length / sizeof(uint32_t));
	if (count == 0) {
		return 0;
	}
	part = weir_extract_spans(&walking->arena, batch, (const uint32_t *)walking->rows.data, count, true);
	if (part == NULL) {
		return WEIR_QUERY_TOO_LARGE;
	}
	for (uint32_t i = 0; i < count; i++) {
		struct weir_query_span span = { part, weir_batch_spans(part) + i };

		weir_buf_add(&walking->spans, &span, sizeof(span));
	}
	return weir_buf_error(&walking->spans) != 0 ? WEIR_QUERY_TOO_LARGE : 0;
}

static int by_trace(const void *left, const void *right)
{
	const struct weir_query_span *a = left, *b = right;

	/* The low half first: ids of 64 and 128 bits of one trace do not mix, but stand together. */
	return memcmp(a->span->trace_id, b->span->trace_id, 16);
}

static int traces_give(struct walking *walking)
{
	struct weir_query_span *spans = (struct weir_query_span *)walking->spans.data;
	uint32_t count = (uint32_t)(walking->spans.length / sizeof(*spans)), first = 0;

	if (count > 1) {
		qsort(spans, count, sizeof(*spans), by_trace);
	}
	for (uint32_t i = 1; i <= count; i++) {
		struct weir_query_trace trace = { .spans = spans + first, .span_count = i - first };
		bool is_inside = false;
		int result;

		if (i < count && by_trace(&spans[i], &spans[first]) == 0) {
			continue;
		}
		first = i;
		for (uint32_t j = 0; j < trace.span_count; j++) {
			uint64_t start = trace.spans[j].span->start_ns;

			is_inside = is_inside || (start >= walking->first_ns && start <= walking->end_ns);
		}
		if (!is_inside) {
			continue;
		}
		weir_view_trace_finish(&trace);
		result = walking->fn(walking->ctx, &trace);
		if (result < 0) {
			return result;
		}
		if (i % 1024 == 0 && weir_clock_monotonic_ns() >= walking->query->deadline_ns) {
			return WEIR_QUERY_TIMEOUT;
		}
	}
	return 0;
}

static int partition_take(struct walking *walking)
{
	int result = 0;

	weir_arena_reset(&walking->arena);
	weir_buf_clear(&walking->spans);
	for (uint32_t i = 0; i < walking->entry_count && result == 0; i++) {
		const struct weir_batch *batch;

		result = weir_view_tick(walking->query);
		if (result == 0) {
			result = weir_view_segment(
				walking->query, walking->entries[i].id, WEIR_SEGMENT_PART_CORE, &batch);
		}
		if (result == 0 && batch != NULL) {
			result = batch_take(walking, batch);
		}
	}
	for (uint32_t i = 0; i < walking->query->batch_count && result == 0; i++) {
		result = weir_view_tick(walking->query);
		if (result == 0) {
			result = batch_take(walking, walking->query->batches[i]);
		}
	}
	return result;
}

/* One partition; when it does not fit, its two halves, and so on. */
static int partition_walk(struct walking *walking, uint32_t partition, uint32_t partitions)
{
	int result;

	for (;;) {
		walking->partition = partition;
		walking->partitions = partitions;
		result = partition_take(walking);
		if (result == 0) {
			return traces_give(walking);
		}
		if (result != WEIR_QUERY_TOO_LARGE || partitions > MOST_PARTITIONS / 2) {
			return result;
		}
		/* hash % n == p is hash % 2n == p or p + n: the upper half here, the lower in the next round. */
		partitions *= 2;
		result = partition_walk(walking, partition + partitions / 2, partitions);
		if (result != 0) {
			return result;
		}
	}
}

/* The segments of the range; returns how many spans there are in all, or a fault. */
static int entries_choose(struct walking *walking, uint64_t *ret_spans)
{
	struct weir_query *query = walking->query;
	struct weir_catalog_entry *entries;
	uint32_t count, kept = 0;

	if (weir_catalog_copy(query->opts.store->catalog, WEIR_ROWS_SPANS, &query->arena, &entries, &count) < 0) {
		return WEIR_QUERY_TOO_LARGE;
	}
	*ret_spans = 0;
	for (uint32_t i = 0; i < count; i++) {
		if (entries[i].max_time + WEIR_VIEW_SLACK_NS >= walking->first_ns &&
			entries[i].min_time <= walking->end_ns + WEIR_VIEW_SLACK_NS) {
			*ret_spans += entries[i].rows;
			entries[kept++] = entries[i];
		}
	}
	for (uint32_t i = 0; i < query->batch_count; i++) {
		*ret_spans += query->batches[i]->spans.count;
	}
	walking->entries = entries;
	walking->entry_count = kept;
	return 0;
}

int weir_query_each_trace(
	struct weir_query *query, uint64_t end_ns, uint64_t lookback_ns, weir_query_trace_fn *fn, void *ctx)
{
	struct walking walking = { .query = query, .end_ns = end_ns, .fn = fn, .ctx = ctx };
	uint32_t partitions = 1;
	uint64_t spans;
	int result;

	walking.first_ns = end_ns > lookback_ns ? end_ns - lookback_ns : 0;
	weir_arena_init(&walking.arena, 1 << 20, query->opts.max_bytes);
	weir_buf_init(&walking.rows, 0);
	weir_buf_init(&walking.spans, query->opts.max_bytes);
	result = entries_choose(&walking, &spans);
	if (result == 0) {
		partitions = (uint32_t)(spans * BYTES_A_SPAN / (query->opts.max_bytes / 4 * 3 + 1)) + 1;
	}
	for (uint32_t i = 0; i < partitions && result == 0; i++) {
		result = partition_walk(&walking, i, partitions);
	}
	weir_arena_fini(&walking.arena);
	weir_buf_fini(&walking.rows);
	weir_buf_fini(&walking.spans);
	return result;
}
