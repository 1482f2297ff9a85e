/* query: begins and ends the consistent view (view.c) and reads a trace by id.
 * Searching is search.c, names are query_names.c, all traces query_each.c. One
 * thread of the query pool owns a weir_query and its connection. */
#include "storage/query.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "storage/view.h"

#define CATCH_UP_MS 100
#define CHUNK_BYTES (256u << 10)

int weir_query_open(const struct weir_query_opts *opts, struct weir_query **ret_query)
{
	struct weir_query *query = calloc(1, sizeof(*query));
	int result;

	*ret_query = NULL;
	if (query == NULL) {
		return -ENOMEM;
	}
	query->opts = *opts;
	weir_arena_init(&query->arena, CHUNK_BYTES, opts->max_bytes / 4 * 3);
	weir_arena_init(&query->cache, CHUNK_BYTES, opts->max_bytes / 4);
	weir_buf_init(&query->found, opts->max_bytes);
	weir_buf_init(&query->others, opts->max_bytes);
	result = weir_segment_reader_create(&query->reader);
	if (result == 0) {
		result = weir_connection_open(opts->store->opts.path, false, &query->db);
	}
	if (result == 0) {
		result = weir_connection_prepare(query->db, "BEGIN", &query->begin);
	}
	if (result == 0) {
		result = weir_connection_prepare(query->db, "ROLLBACK", &query->end);
	}
	if (result == 0) {
		result = weir_connection_prepare(query->db, "SELECT window FROM progress", &query->stored);
	}
	if (result == 0) {
		result = weir_connection_prepare(query->db, "SELECT bytes FROM data WHERE id = ?", &query->data);
	}
	if (result == 0) {
		result = weir_connection_prepare(query->db, "SELECT traces FROM segments WHERE id = ?", &query->traces);
	}
	if (result == 0) {
		result = weir_connection_prepare(query->db,
			"SELECT CASE ?1 WHEN 0 THEN service ELSE name END FROM names WHERE what = ?1 AND (service = ?2 OR ?1 = 0)",
			&query->names);
	}
	if (result < 0) {
		weir_query_close(query);
		return result;
	}
	*ret_query = query;
	return 0;
}

void weir_query_close(struct weir_query *query)
{
	if (query == NULL) {
		return;
	}
	weir_query_end(query);
	weir_connection_close(query->db);
	weir_segment_reader_destroy(query->reader);
	weir_arena_fini(&query->arena);
	weir_arena_fini(&query->cache);
	weir_buf_fini(&query->found);
	weir_buf_fini(&query->others);
	free(query);
}

/* Begins the snapshot; says which window it has last. */
static int snapshot_begin(struct weir_query *query, uint64_t *ret_stored)
{
	int code, result = weir_connection_run(query->begin);

	if (result < 0) {
		return result;
	}
	code = sqlite3_step(query->stored);
	*ret_stored = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(query->stored, 0) : 0;
	sqlite3_reset(query->stored);
	return code == SQLITE_DONE ? -EBADMSG : weir_connection_fault(code);
}

static int batches_list(struct weir_query *query)
{
	uint64_t total = 0;

	for (uint32_t i = 0; i < query->view_count; i++) {
		total += query->views[i].batch_count;
	}
	query->batches = weir_arena_alloc(&query->arena, total * sizeof(*query->batches) + 1);
	if (query->batches == NULL) {
		return WEIR_QUERY_TOO_LARGE;
	}
	for (uint32_t i = 0; i < query->view_count; i++) {
		for (uint32_t j = 0; j < query->views[i].batch_count; j++) {
			query->batches[query->batch_count++] = query->views[i].window->batches[j];
		}
	}
	return 0;
}

/* Windows that the snapshot already has are let go at once. */
static void stored_skip(struct weir_query *query, uint64_t stored)
{
	uint32_t skipped = 0;

	while (skipped < query->view_count && query->views[skipped].window->number <= stored) {
		skipped++;
	}
	if (skipped > 0) {
		weir_windows_let_go(query->opts.windows, query->views, skipped);
		query->view_count -= skipped;
		memmove(query->views, query->views + skipped, query->view_count * sizeof(query->views[0]));
	}
}

int weir_query_begin(struct weir_query *query, uint64_t deadline_ns)
{
	uint64_t stored;
	int result;

	weir_query_end(query);
	query->deadline_ns = deadline_ns;
	query->behind_ms = query->opts.run != NULL ? weir_run_catch_up(query->opts.run, CATCH_UP_MS) : 0;
	query->ticket = weir_catalog_enter(query->opts.store->catalog);
	query->is_open = true;
	query->held_ns = weir_clock_monotonic_ns();
	if (query->opts.windows != NULL) {
		query->view_count = weir_windows_hold(query->opts.windows, query->views);
	}
	result = snapshot_begin(query, &stored);
	if (result == 0) {
		stored_skip(query, stored);
		result = batches_list(query);
	}
	if (result == 0 && weir_clock_monotonic_ns() >= deadline_ns) {
		result = WEIR_QUERY_TIMEOUT;
	}
	if (result != 0) {
		weir_query_end(query);
	}
	return result;
}

void weir_query_end(struct weir_query *query)
{
	if (!query->is_open) {
		return;
	}
	if (query->view_count > 0) {
		weir_windows_let_go(query->opts.windows, query->views, query->view_count);
	}
	if (sqlite3_get_autocommit(query->db) == 0) {
		(void)weir_connection_run(query->end);
	}
	weir_catalog_leave(query->opts.store->catalog, query->ticket);
	query->is_open = query->is_detached = false;
	query->view_count = query->batch_count = query->cached_count = query->lookups = 0;
	query->batches = NULL;
	query->heads = NULL;
	weir_arena_reset(&query->arena);
	weir_arena_reset(&query->cache);
}

int64_t weir_query_behind_ms(const struct weir_query *query)
{
	return query->behind_ms;
}

int weir_query_trace(
	struct weir_query *query, const uint8_t trace_id[16], bool is_short, struct weir_query_trace *ret_trace)
{
	return weir_view_trace(query, trace_id, is_short, WEIR_SEGMENT_PART_ALL, ret_trace);
}
