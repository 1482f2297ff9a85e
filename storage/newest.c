/* newest: the newest rows that are wanted, from everywhere.
 *
 *   held batches, newest first ─┐
 *   segments, by latest time ───┴▶ rows that match ─▶ merged into the found ones
 *
 * The found ones are at most `limit`, newest first. Once they are that many, a
 * row must be newer than the last of them, and a segment whose latest row is not
 * ends the search: all that follow are older still.
 *
 * Of a segment only the core is decoded as long as nothing in it matches, unless
 * matching reads more. Rows are copied out of a batch once it is known which of
 * them are among the found (extract.c), since what they lie in goes away.
 *
 * Rows of equal times stand in no promised order. */
#include "storage/newest.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "storage/extract.h"

struct place { /* a row of the present batch that matches */
	uint64_t time_ns;
	uint32_t row;
};

struct finding {
	struct weir_query *query;
	const struct weir_newest *newest;
	uint64_t first_ns;
	struct weir_buf places, rows; /* struct place; their row numbers */
	struct weir_query_row *found, *merged;
	uint32_t count;
};

static bool is_full(const struct finding *finding)
{
	return finding->count == finding->newest->limit;
}

/* What is not newer has no place any more. */
static uint64_t bound_of(const struct finding *finding)
{
	return is_full(finding) ? finding->found[finding->count - 1].time_ns : 0;
}

static int newest_first(const void *left, const void *right)
{
	const struct place *a = left, *b = right;

	if (a->time_ns != b->time_ns) {
		return a->time_ns > b->time_ns ? -1 : 1;
	}
	return a->row > b->row ? -1 : a->row < b->row;
}

/* Notes what matches, newest first, at most `limit`. Returns how many. */
static int places_find(struct finding *finding, const struct weir_batch *batch, uint32_t *ret_count)
{
	const struct weir_newest *newest = finding->newest;
	uint32_t rows = weir_columns_table_of(batch, newest->kind)->count, count;

	weir_buf_clear(&finding->places);
	for (uint32_t i = 0; i < rows; i++) {
		struct place place = { newest->time_of(batch, i), i };

		if (place.time_ns >= finding->first_ns && place.time_ns <= newest->end_ns &&
			(!is_full(finding) || place.time_ns > bound_of(finding)) &&
			newest->is_wanted(newest->ctx, batch, i)) {
			weir_buf_add(&finding->places, &place, sizeof(place));
		}
	}
	if (weir_buf_error(&finding->places) != 0) {
		return WEIR_QUERY_TOO_LARGE;
	}
	count = (uint32_t)(finding->places.length / sizeof(struct place));
	if (count > 1) {
		qsort(finding->places.data, count, sizeof(struct place), newest_first);
	}
	*ret_count = count < newest->limit ? count : newest->limit;
	return 0;
}

/* Copies the noted rows and merges them into the found ones. */
static int places_take(struct finding *finding, const struct weir_batch *batch, uint32_t count)
{
	const struct place *places = (const struct place *)finding->places.data;
	struct weir_query_row *merged = finding->merged;
	uint32_t limit = finding->newest->limit, old = 0, new = 0, at = 0, taken = 0;
	const struct weir_batch *part;

	/* How many of them stay: those that a merge would reach. */
	while (at < limit && taken < count) {
		if (old < finding->count && finding->found[old].time_ns >= places[taken].time_ns) {
			old++;
		} else {
			taken++;
		}
		at++;
	}
	weir_buf_clear(&finding->rows);
	for (uint32_t i = 0; i < taken; i++) {
		weir_buf_add(&finding->rows, &places[i].row, sizeof(places[i].row));
	}
	if (weir_buf_error(&finding->rows) != 0) {
		return WEIR_QUERY_TOO_LARGE;
	}
	part = weir_extract_rows(
		&finding->query->arena, batch, finding->newest->kind, (const uint32_t *)finding->rows.data, taken);
	if (part == NULL) {
		return WEIR_QUERY_TOO_LARGE;
	}
	for (at = old = 0; at < limit && (old < finding->count || new < taken); at++) {
		if (new == taken || (old < finding->count && finding->found[old].time_ns >= places[new].time_ns)) {
			merged[at] = finding->found[old++];
		} else {
			merged[at] = (struct weir_query_row){ places[new].time_ns, part, new };
			new ++;
		}
	}
	finding->merged = finding->found;
	finding->found = merged;
	finding->count = at;
	return 0;
}

static int windows_search(struct finding *finding)
{
	struct weir_query *query = finding->query;

	for (uint32_t i = query->batch_count; i > 0; i--) {
		uint32_t count = 0;
		int result = weir_view_tick(query);

		if (result == 0) {
			result = places_find(finding, query->batches[i - 1], &count);
		}
		if (result == 0 && count > 0) {
			result = places_take(finding, query->batches[i - 1], count);
		}
		if (result != 0) {
			return result;
		}
	}
	return 0;
}

static int segment_search(struct finding *finding, uint32_t id)
{
	bool needs_all = finding->newest->needs_all;
	const struct weir_batch *batch;
	uint32_t count = 0;
	int result = weir_view_tick(finding->query);

	if (result == 0) {
		result = weir_view_segment(
			finding->query, id, needs_all ? WEIR_SEGMENT_PART_ALL : WEIR_SEGMENT_PART_CORE, &batch);
	}
	if (result == 0 && batch != NULL) {
		result = places_find(finding, batch, &count);
	}
	if (result != 0 || count == 0) {
		return result;
	}
	if (!needs_all) {
		result = weir_view_segment(finding->query, id, WEIR_SEGMENT_PART_ALL, &batch);
	}
	return result == 0 && batch != NULL ? places_take(finding, batch, count) : result;
}

static int latest_first(const void *left, const void *right)
{
	const struct weir_catalog_entry *a = left, *b = right;

	if (a->max_time != b->max_time) {
		return a->max_time > b->max_time ? -1 : 1;
	}
	return a->id > b->id ? -1 : a->id < b->id;
}

static int segments_search(struct finding *finding)
{
	const struct weir_newest *newest = finding->newest;
	struct weir_query *query = finding->query;
	struct weir_catalog_entry *entries;
	uint32_t count;
	int result = 0;

	if (weir_catalog_copy(query->opts.store->catalog, newest->kind, &query->arena, &entries, &count) < 0) {
		return WEIR_QUERY_TOO_LARGE;
	}
	if (count > 1) {
		qsort(entries, count, sizeof(*entries), latest_first);
	}
	for (uint32_t i = 0; i < count && result == 0; i++) {
		if (entries[i].max_time < finding->first_ns ||
			(is_full(finding) && entries[i].max_time <= bound_of(finding))) {
			break;
		}
		if (entries[i].min_time <= newest->end_ns &&
			(newest->may_have == NULL || newest->may_have(newest->ctx, &entries[i]))) {
			result = segment_search(finding, entries[i].id);
		}
	}
	return result;
}

int weir_newest_find(struct weir_query *query, const struct weir_newest *newest, struct weir_query_row **ret_rows,
	uint32_t *ret_count)
{
	struct finding finding = { .query = query, .newest = newest };
	size_t bytes = newest->limit * sizeof(*finding.found);
	int result = WEIR_QUERY_TOO_LARGE;

	*ret_rows = NULL;
	*ret_count = 0;
	if (newest->limit == 0) {
		return 0;
	}
	finding.first_ns = newest->end_ns > newest->lookback_ns ? newest->end_ns - newest->lookback_ns : 0;
	weir_buf_init(&finding.places, query->opts.max_bytes / 4);
	weir_buf_init(&finding.rows, query->opts.max_bytes / 4);
	if (bytes <= query->opts.max_bytes / 8) {
		finding.found = weir_arena_alloc(&query->arena, bytes);
		finding.merged = weir_arena_alloc(&query->arena, bytes);
	}
	if (finding.found != NULL && finding.merged != NULL) {
		result = windows_search(&finding);
	}
	if (result == 0) {
		result = segments_search(&finding);
	}
	weir_buf_fini(&finding.places);
	weir_buf_fini(&finding.rows);
	if (result == 0) {
		*ret_rows = finding.found;
		*ret_count = finding.count;
	}
	return result;
}
