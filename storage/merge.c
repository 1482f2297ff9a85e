/* merge: small neighbouring segments become one.
 *
 * A quiet node seals a window of a few rows each second; a segment of so few
 * rows compresses badly and costs a look-up each. So runs of segments of one
 * kind that are neighbours in arrival, each below SMALL_ROWS, become one segment
 * of at most WEIR_SEGMENT_ROWS, in one transaction, once RUN of them (or half
 * a full segment) have gathered: a row is rewritten at most a few times.
 *
 * Invariants: 1. the order of rows is kept. 2. the new segment has the times,
 * arrivals and traces of all that went into it. 3. at every instant a snapshot
 * has either the old ones or the new one (one transaction), and the catalog
 * knows both (catalog.c). A segment that cannot be read is left alone. */
#include "storage/merge.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "storage/segment_reader.h"

#define SMALL_ROWS 512u
#define RUN 8u
#define MOST_IN_RUN 64u
#define EVERY_NS 1000000000ull
#define ARENA_CHUNK (1u << 20)
#define ARENA_LIMIT (48u << 20)
#define DAMAGED 64u

struct weir_merge {
	struct weir_store *store;
	struct weir_commit *commit;
	struct weir_segment_reader *reader;
	struct weir_arena arena;
	sqlite3_stmt *select_data;
	uint64_t due_ns;
	uint32_t damaged[DAMAGED], damaged_count; /* the last ones found */
};

int weir_merge_create(struct weir_store *store, struct weir_commit *commit, struct weir_merge **ret_merge)
{
	struct weir_merge *merge = calloc(1, sizeof(*merge));
	int result;

	*ret_merge = NULL;
	if (merge == NULL) {
		return -ENOMEM;
	}
	merge->store = store;
	merge->commit = commit;
	weir_arena_init(&merge->arena, ARENA_CHUNK, ARENA_LIMIT);
	result = weir_segment_reader_create(&merge->reader);
	if (result == 0) {
		result = weir_connection_prepare(store->db,
			"SELECT bytes, (SELECT window FROM segments s WHERE s.id = data.id) FROM data WHERE id = ?",
			&merge->select_data);
	}
	if (result < 0) {
		weir_merge_destroy(merge);
		return result;
	}
	*ret_merge = merge;
	return 0;
}

void weir_merge_destroy(struct weir_merge *merge)
{
	if (merge != NULL) {
		weir_segment_reader_destroy(merge->reader);
		weir_arena_fini(&merge->arena);
		free(merge);
	}
}

static bool is_damaged(const struct weir_merge *merge, uint32_t id)
{
	for (uint32_t i = 0; i < merge->damaged_count && i < DAMAGED; i++) {
		if (merge->damaged[i] == id) {
			return true;
		}
	}
	return false;
}

static int by_arrival(const void *left, const void *right)
{
	const struct weir_catalog_entry *a = left, *b = right;

	if (a->min_arrival != b->min_arrival) {
		return a->min_arrival < b->min_arrival ? -1 : 1;
	}
	return a->id < b->id ? -1 : a->id > b->id;
}

/* Reads one of the run and adds its rows. */
static int member_add(struct weir_merge *merge, uint32_t id, struct weir_segment_writer *segment, uint64_t *window)
{
	const struct weir_batch *batch;
	enum weir_rows kind;
	struct weir_segment_head head;
	uint64_t of_member;
	int code, result;

	sqlite3_bind_int64(merge->select_data, 1, id);
	code = sqlite3_step(merge->select_data);
	if (code != SQLITE_ROW) {
		sqlite3_reset(merge->select_data);
		return code == SQLITE_DONE ? -EBADMSG : weir_connection_fault(code);
	}
	of_member = (uint64_t)sqlite3_column_int64(merge->select_data, 1);
	result = weir_segment_head_read(weir_connection_blob(merge->select_data, 0), &head);
	if (result == 0) {
		result = weir_segment_reader_decode(merge->reader, weir_connection_blob(merge->select_data, 0),
			WEIR_SEGMENT_PART_ALL, &merge->arena, &batch);
	}
	sqlite3_reset(merge->select_data);
	if (result < 0) {
		return result;
	}
	kind = (enum weir_rows)head.kind;
	*window = of_member > *window ? of_member : *window;
	return weir_segment_writer_add(segment, batch, 0) == weir_columns_table_of(batch, kind)->count ? 0 : -EFBIG;
}

static int run_merge(struct weir_merge *merge, const struct weir_catalog_entry *entries, uint32_t count)
{
	struct weir_segment_writer *segment;
	uint64_t window = 0;
	uint32_t bad = 0;
	bool is_bad = false;
	int result = weir_commit_begin(merge->commit);

	if (result < 0) {
		return result;
	}
	segment = weir_commit_segment(merge->commit, (enum weir_rows)entries[0].kind);
	for (uint32_t i = 0; i < count && result == 0; i++) {
		result = member_add(merge, entries[i].id, segment, &window);
		is_bad = result == -EBADMSG || result == -EFBIG || result == -ENOMEM;
		bad = entries[i].id;
	}
	if (result == 0) {
		result = weir_commit_add_segment(merge->commit, window);
	}
	for (uint32_t i = 0; i < count && result == 0; i++) {
		result = weir_commit_delete(merge->commit, entries[i].id);
	}
	result = weir_commit_end(merge->commit, result);
	if (result == 0) {
		merge->store->merged_segments += count;
	} else if (is_bad) {
		merge->store->unreadable_segments += result == -EBADMSG;
		merge->damaged[merge->damaged_count++ % DAMAGED] = bad;
		result = 0;
	}
	return result;
}

/* The first run that is due; its length, or 0. */
static uint32_t run_find(
	const struct weir_merge *merge, const struct weir_catalog_entry *entries, uint32_t count, uint32_t *ret_first)
{
	uint32_t first = 0, rows = 0;
	uint64_t bytes = 0;

	for (uint32_t i = 0; i <= count; i++) {
		bool fits = i < count && entries[i].rows < SMALL_ROWS && !is_damaged(merge, entries[i].id);

		if (fits && rows + entries[i].rows <= WEIR_SEGMENT_ROWS && i - first < MOST_IN_RUN &&
			bytes + entries[i].bytes <= WEIR_SEGMENT_BYTES / 16) {
			rows += entries[i].rows;
			bytes += entries[i].bytes;
			continue;
		}
		if (i - first >= RUN || (i - first >= 2 && rows >= WEIR_SEGMENT_ROWS / 2)) {
			*ret_first = first;
			return i - first;
		}
		first = fits ? i : i + 1;
		rows = fits ? entries[i].rows : 0;
		bytes = fits ? entries[i].bytes : 0;
	}
	return 0;
}

/* Is every segment here still in the database? Retired ones still stand in the catalog. */
static int kind_merge(struct weir_merge *merge, enum weir_rows kind, bool *ret_merged)
{
	struct weir_catalog_entry *entries;
	uint32_t count, length, first;
	int result;

	*ret_merged = false;
	weir_arena_reset(&merge->arena);
	result = weir_catalog_copy_live(merge->store->catalog, kind, &merge->arena, &entries, &count);
	if (result < 0) {
		return 0; /* memory is short: merging can wait */
	}
	qsort(entries, count, sizeof(*entries), by_arrival);
	length = run_find(merge, entries, count, &first);
	if (length == 0) {
		return 0;
	}
	*ret_merged = true;
	return run_merge(merge, entries + first, length);
}

int weir_merge_slice(struct weir_merge *merge, uint64_t deadline_ns)
{
	uint64_t now = weir_clock_monotonic_ns();

	if (now < merge->due_ns) {
		return 0;
	}
	for (unsigned i = 0; i < WEIR_COLUMNS_DETAILS; i++) {
		bool has_merged;

		do {
			int result = kind_merge(merge, weir_columns_details[i], &has_merged);

			if (result < 0 || weir_clock_monotonic_ns() >= deadline_ns) {
				return result;
			}
		} while (has_merged);
	}
	merge->due_ns = now + EVERY_NS;
	return 0;
}
