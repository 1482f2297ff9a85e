/* commit: the transactions of the writer.
 *
 *   BEGIN
 *     for each window: its rows as segments     (published to the catalog)
 *                      new names
 *                      the delta, or an image in place of all before it
 *     progress: ring id, position, window, next segment
 *   COMMIT                                       ← crash point in_sql_commit just before
 *   or ROLLBACK, and what was published is retracted
 *
 * Invariants
 *  1. progress moves in the same transaction as what came of the ring up to
 *     there: after any crash, replay from it gives each row once.
 *  2. A segment is known to the catalog before it can be seen in a snapshot;
 *     a deleted one is retired after (catalog.c).
 *  3. After a fault the connection is in no transaction and the next segment
 *     has the number that it would have had.
 *
 * Syncing: in WAL mode a commit with synchronous=NORMAL writes, one with FULL
 * also syncs the log, and with it all commits before. */
#include "storage/commit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/err.h"
#include "storage/names.h"
#include "storage/writer.h"

#define CHECKPOINT_BYTES (4u << 20)
#define LOG_BYTES_MOST (16u << 20)
/* A row is made in SQLite's memory, which is limited; what is larger is written into it by pages. */
#define STATE_BOUND_MOST (1u << 20)
#define STATE_BYTES_MOST 1000000000u /* SQLite's own limit of a value */

bool weir_writer_position_outside;

struct touched { /* by the transaction under way */
	uint32_t id, first_trace, trace_count;
	bool is_deleted;
};

struct weir_commit {
	struct weir_store *store;
	uint64_t ring_id;
	uint8_t boot_id[16];
	struct weir_segment_writer *segment;
	struct weir_names *names;
	sqlite3_stmt *begin, *commit, *insert_segment, *insert_data, *insert_state, *clear_state, *progress,
		*next_segment, *select_traces, *delete_segment, *delete_data, *page_count, *free_count, *sync;
	struct weir_buf touched, traces;
	int64_t first_segment; /* next_segment when the transaction began */
	uint64_t log_pages, page_bytes, checkpoint_bytes;
	bool is_full_sync;
};

static int log_hook(void *context, sqlite3 *db, const char *name, int pages)
{
	struct weir_commit *commit = context;

	(void)db;
	(void)name;
	commit->log_pages = (uint64_t)pages;
	return SQLITE_OK;
}

static int statements_prepare(struct weir_commit *commit)
{
	const struct {
		sqlite3_stmt **statement;
		const char *sql;
	} list[] = {
		{ &commit->begin, "BEGIN IMMEDIATE" },
		{ &commit->commit, "COMMIT" },
		{ &commit->insert_segment, "INSERT INTO segments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" },
		{ &commit->insert_data, "INSERT INTO data VALUES (?, ?)" },
		{ &commit->insert_state,
			"INSERT INTO state VALUES ((SELECT coalesce(max(number), 0) + 1 FROM state), ?, ?, ?)" },
		{ &commit->clear_state, "DELETE FROM state" },
		{ &commit->progress, "UPDATE progress SET boot_id = ?, ring_id = ?, position = ?, window = ?" },
		{ &commit->next_segment, "UPDATE progress SET next_segment = ?" },
		{ &commit->select_traces, "SELECT traces FROM segments WHERE id = ?" },
		{ &commit->delete_segment, "DELETE FROM segments WHERE id = ?" },
		{ &commit->delete_data, "DELETE FROM data WHERE id = ?" },
		{ &commit->page_count, "PRAGMA page_count" },
		{ &commit->free_count, "PRAGMA freelist_count" },
		{ &commit->sync, "UPDATE progress SET syncs = syncs + 1" },
	};

	for (unsigned i = 0; i < sizeof(list) / sizeof(list[0]); i++) {
		int result = weir_connection_prepare(commit->store->db, list[i].sql, list[i].statement);

		if (result < 0) {
			return result;
		}
	}
	return 0;
}

int weir_commit_create(struct weir_store *store, uint64_t ring_id, struct weir_commit **ret_commit)
{
	struct weir_commit *commit = calloc(1, sizeof(*commit));
	uint64_t share = store->opts.max_size_bytes / 8;
	char sql[64];
	int64_t page_bytes;
	int result;

	*ret_commit = NULL;
	if (commit == NULL) {
		return -ENOMEM;
	}
	commit->store = store;
	commit->ring_id = ring_id;
	weir_store_boot_id(commit->boot_id);
	share = share != 0 && share < LOG_BYTES_MOST ? share : LOG_BYTES_MOST;
	commit->checkpoint_bytes = share / 2 < CHECKPOINT_BYTES ? share / 2 : CHECKPOINT_BYTES;
	snprintf(sql, sizeof(sql), "PRAGMA journal_size_limit = %llu", (unsigned long long)share);
	result = weir_segment_writer_create(store->found.hash_seed, &commit->segment);
	if (result == 0) {
		result = weir_names_create(store->db, &commit->names);
	}
	if (result == 0) {
		result = statements_prepare(commit);
	}
	if (result == 0) {
		result = weir_connection_exec(store->db, sql);
	}
	if (result == 0) {
		result = weir_connection_number(store->db, "PRAGMA page_size", &page_bytes);
	}
	if (result < 0) {
		weir_commit_destroy(commit);
		return result;
	}
	commit->page_bytes = (uint64_t)page_bytes;
	sqlite3_wal_hook(store->db, log_hook, commit);
	*ret_commit = commit;
	return 0;
}

void weir_commit_destroy(struct weir_commit *commit)
{
	if (commit == NULL) {
		return;
	}
	sqlite3_wal_hook(commit->store->db, NULL, NULL);
	weir_names_destroy(commit->names);
	weir_segment_writer_destroy(commit->segment);
	weir_buf_fini(&commit->touched);
	weir_buf_fini(&commit->traces);
	free(commit); /* the statements live as long as the connection */
}

/* ---- a transaction ------------------------------------------------------ */

static int sync_set(struct weir_commit *commit, bool is_synced)
{
	int result = 0;

	if (is_synced != commit->is_full_sync) {
		result = weir_connection_exec(
			commit->store->db, is_synced ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
		commit->is_full_sync = result == 0 ? is_synced : commit->is_full_sync;
	}
	return result;
}

static int begin(struct weir_commit *commit, bool is_synced)
{
	int result = sync_set(commit, is_synced);

	weir_buf_clear(&commit->touched);
	weir_buf_clear(&commit->traces);
	commit->first_segment = commit->store->next_segment;
	return result < 0 ? result : weir_connection_run(commit->begin);
}

int weir_commit_begin(struct weir_commit *commit)
{
	return begin(commit, false);
}

static void touch(struct weir_commit *commit, uint32_t id, const uint32_t *traces, uint32_t count, bool is_deleted)
{
	struct touched touched = { id, (uint32_t)(commit->traces.length / sizeof(*traces)), count, is_deleted };

	weir_buf_add(&commit->touched, &touched, sizeof(touched));
	weir_buf_add(&commit->traces, traces, count * sizeof(*traces));
}

int weir_commit_end(struct weir_commit *commit, int result)
{
	const struct touched *touched = (const struct touched *)commit->touched.data;
	const uint32_t *traces = (const uint32_t *)commit->traces.data;
	size_t count = commit->touched.length / sizeof(*touched);

	if (result == 0 && commit->store->next_segment != commit->first_segment) {
		sqlite3_bind_int64(commit->next_segment, 1, commit->store->next_segment);
		result = weir_connection_run(commit->next_segment);
	}
	if (result == 0) {
		weir_crash_point("in_sql_commit");
		result = weir_connection_run(commit->commit);
	}
	if (result < 0) {
		if (sqlite3_get_autocommit(commit->store->db) == 0) {
			sqlite3_exec(commit->store->db, "ROLLBACK", NULL, NULL, NULL);
		}
		commit->store->next_segment = commit->first_segment;
	}
	for (size_t i = 0; i < count; i++) {
		if (touched[i].is_deleted && result == 0) {
			(void)weir_catalog_retire(commit->store->catalog, touched[i].id,
				traces + touched[i].first_trace, touched[i].trace_count);
		} else if (!touched[i].is_deleted && result < 0) {
			weir_catalog_retract(commit->store->catalog, touched[i].id, traces + touched[i].first_trace,
				touched[i].trace_count);
		}
	}
	return result;
}

int weir_commit_delete(struct weir_commit *commit, uint32_t id)
{
	struct weir_str traces;
	int code, result = 0;

	sqlite3_bind_int64(commit->select_traces, 1, id);
	code = sqlite3_step(commit->select_traces);
	if (code == SQLITE_ROW) {
		traces = weir_connection_blob(commit->select_traces, 0);
		touch(commit, id, (const uint32_t *)traces.data, (uint32_t)(traces.length / 4), true);
	} else {
		result = weir_connection_fault(code);
		touch(commit, id, NULL, 0, true);
	}
	sqlite3_reset(commit->select_traces);
	if (weir_buf_error(&commit->touched) != 0 || weir_buf_error(&commit->traces) != 0) {
		return -ENOMEM;
	}
	if (result == 0) {
		sqlite3_bind_int64(commit->delete_segment, 1, id);
		result = weir_connection_run(commit->delete_segment);
	}
	if (result == 0) {
		sqlite3_bind_int64(commit->delete_data, 1, id);
		result = weir_connection_run(commit->delete_data);
	}
	return result;
}

int weir_commit_trim_index(struct weir_commit *commit, uint64_t deadline_ns)
{
	struct weir_store *store = commit->store;
	uint32_t id = weir_catalog_crowded(store->catalog, store->opts.max_indexed);
	int code = SQLITE_ROW;

	while (id != 0 && code == SQLITE_ROW && weir_clock_monotonic_ns() < deadline_ns) {
		sqlite3_bind_int64(commit->select_traces, 1, id);
		code = sqlite3_step(commit->select_traces);
		if (code == SQLITE_ROW) {
			struct weir_str traces = weir_connection_blob(commit->select_traces, 0);

			weir_catalog_unindex(store->catalog, id, (const uint32_t *)traces.data,
				(uint32_t)(traces.length / sizeof(uint32_t)));
			id = weir_catalog_crowded(store->catalog, store->opts.max_indexed);
		}
		sqlite3_reset(commit->select_traces);
	}
	/* Not there: retired, and forgotten with its last reader. */
	return code == SQLITE_ROW || code == SQLITE_DONE ? 0 : weir_connection_fault(code);
}

struct weir_segment_writer *weir_commit_segment(struct weir_commit *commit, enum weir_rows kind)
{
	weir_segment_writer_begin(commit->segment, kind);
	return commit->segment;
}

static int segment_insert(struct weir_commit *commit, const struct weir_segment_info *info, struct weir_str data,
	uint32_t id, uint64_t window)
{
	sqlite3_stmt *insert = commit->insert_segment;
	int result;

	sqlite3_bind_int64(insert, 1, id);
	sqlite3_bind_int64(insert, 2, info->kind);
	sqlite3_bind_int64(insert, 3, (int64_t)window);
	sqlite3_bind_int64(insert, 4, info->rows);
	sqlite3_bind_int64(insert, 5, (int64_t)data.length);
	sqlite3_bind_int64(insert, 6, (int64_t)info->min_time);
	sqlite3_bind_int64(insert, 7, (int64_t)info->max_time);
	sqlite3_bind_int64(insert, 8, (int64_t)info->min_arrival);
	sqlite3_bind_int64(insert, 9, (int64_t)info->max_arrival);
	weir_connection_bind_blob(insert, 10, info->filter, sizeof(info->filter));
	weir_connection_bind_blob(insert, 11, info->traces, info->trace_count * sizeof(*info->traces));
	result = weir_connection_run(insert);
	if (result == 0) {
		sqlite3_bind_int64(commit->insert_data, 1, id);
		weir_connection_bind_blob(commit->insert_data, 2, data.data, data.length);
		result = weir_connection_run(commit->insert_data);
	}
	return result;
}

int weir_commit_add_segment(struct weir_commit *commit, uint64_t window)
{
	struct weir_store *store = commit->store;
	struct weir_segment_info info;
	struct weir_catalog_entry entry;
	struct weir_str data;
	int result = weir_segment_writer_finish(commit->segment, &data, &info);

	if (result < 0) {
		return result;
	}
	if (store->next_segment >= UINT32_MAX) {
		return -EOVERFLOW;
	}
	entry = (struct weir_catalog_entry){
		.id = (uint32_t)store->next_segment,
		.rows = info.rows,
		.bytes = (uint32_t)data.length,
		.kind = (uint32_t)info.kind,
		.min_time = info.min_time,
		.max_time = info.max_time,
		.min_arrival = info.min_arrival,
		.max_arrival = info.max_arrival,
		.is_indexed = true,
	};
	memcpy(entry.filter, info.filter, sizeof(entry.filter));
	touch(commit, entry.id, info.traces, info.trace_count, false);
	if (weir_buf_error(&commit->touched) != 0 || weir_buf_error(&commit->traces) != 0) {
		return -ENOMEM;
	}
	result = weir_catalog_publish(store->catalog, &entry, info.traces, info.trace_count);
	if (result == 0) {
		store->next_segment++;
		result = segment_insert(commit, &info, data, entry.id, window);
	}
	if (result == 0) {
		result = weir_names_write(commit->names, &info);
	}
	return result;
}

/* ---- windows ------------------------------------------------------------ */

static int rows_store(struct weir_commit *commit, const struct weir_window *window, enum weir_rows kind)
{
	struct weir_segment_writer *segment = weir_commit_segment(commit, kind);
	int result = 0;

	for (uint32_t i = 0; i < window->batch_count && result == 0; i++) {
		const struct weir_batch *batch = window->batches[i];
		uint32_t rows = weir_columns_table_of(batch, kind)->count, next = 0;

		while (next < rows && result == 0) {
			uint32_t taken = weir_segment_writer_add(segment, batch, next);

			next += taken;
			if (taken == 0) {
				if (weir_segment_writer_rows(segment) == 0) {
					return -ENOMEM;
				}
				result = weir_commit_add_segment(commit, window->number);
				weir_segment_writer_begin(segment, kind);
			}
		}
	}
	if (result == 0 && weir_segment_writer_rows(segment) > 0) {
		result = weir_commit_add_segment(commit, window->number);
	}
	return result;
}

/* The row is there, all zero; writes what belongs into it, by pages. */
static int state_fill(struct weir_commit *commit, const struct weir_buf *bytes)
{
	sqlite3 *db = commit->store->db;
	sqlite3_blob *blob = NULL;
	int code = sqlite3_blob_open(db, "main", "state", "bytes", sqlite3_last_insert_rowid(db), 1, &blob);
	int closed;

	if (code == SQLITE_OK) {
		code = sqlite3_blob_write(blob, bytes->data, (int)bytes->length, 0);
	}
	closed = sqlite3_blob_close(blob);
	return weir_connection_fault(code != SQLITE_OK ? code : closed);
}

static int state_store(struct weir_commit *commit, const struct weir_window *window)
{
	const struct weir_buf *bytes = &window->delta;
	bool is_large = bytes->length > STATE_BOUND_MOST;
	int result;

	if (bytes->length > STATE_BYTES_MOST) {
		return -EFBIG;
	}
	sqlite3_bind_int64(commit->insert_state, 1, (int64_t)window->number);
	sqlite3_bind_int(commit->insert_state, 2, window->is_image);
	if (is_large) {
		sqlite3_bind_zeroblob64(commit->insert_state, 3, bytes->length);
	} else {
		weir_connection_bind_blob(commit->insert_state, 3, bytes->data, bytes->length);
	}
	result = weir_connection_run(commit->insert_state);
	return result == 0 && is_large ? state_fill(commit, bytes) : result;
}

static int window_store(struct weir_commit *commit, const struct weir_window *window)
{
	int result = 0;

	for (unsigned i = 0; i < WEIR_COLUMNS_DETAILS && result == 0; i++) {
		result = rows_store(commit, window, weir_columns_details[i]);
	}
	if (result == 0 && window->is_image) {
		result = weir_connection_run(commit->clear_state);
	}
	if (result == 0 && window->delta.length > 0) {
		result = state_store(commit, window);
	}
	return result;
}

static int progress_store(struct weir_commit *commit, uint64_t position, uint64_t window)
{
	weir_connection_bind_blob(commit->progress, 1, commit->boot_id, sizeof(commit->boot_id));
	sqlite3_bind_int64(commit->progress, 2, (int64_t)commit->ring_id);
	sqlite3_bind_int64(commit->progress, 3, (int64_t)position);
	sqlite3_bind_int64(commit->progress, 4, (int64_t)window);
	return weir_connection_run(commit->progress);
}

int weir_commit_windows(struct weir_commit *commit, struct weir_window *const *windows, uint32_t count, bool is_synced)
{
	const struct weir_window *last = windows[count - 1];
	int result = 0;

	if (weir_writer_position_outside) {
		result = progress_store(commit, last->end, last->number);
	}
	if (result == 0) {
		result = begin(commit, is_synced);
	}
	if (result < 0) {
		return result;
	}
	for (uint32_t i = 0; i < count && result == 0; i++) {
		result = window_store(commit, windows[i]);
	}
	if (result == 0 && !weir_writer_position_outside) {
		result = progress_store(commit, last->end, last->number);
	}
	result = weir_commit_end(commit, result);
	if (result < 0) {
		(void)weir_names_rollback(commit->names);
	}
	return result;
}

int weir_commit_sync(struct weir_commit *commit)
{
	int result = sync_set(commit, true);

	return result < 0 ? result : weir_connection_run(commit->sync);
}

/* ---- upkeep ------------------------------------------------------------- */

static int number_of(sqlite3_stmt *statement, uint64_t *ret_number)
{
	int code = sqlite3_step(statement);

	*ret_number = code == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(statement, 0) : 0;
	sqlite3_reset(statement);
	return weir_connection_fault(code);
}

int weir_commit_measure(struct weir_commit *commit)
{
	uint64_t pages = 0, free_pages = 0;
	struct stat log;
	char path[4096];
	int result = number_of(commit->page_count, &pages);

	if (result == 0) {
		result = number_of(commit->free_count, &free_pages);
	}
	if (result < 0) {
		return result;
	}
	snprintf(path, sizeof(path), "%s-wal", commit->store->opts.path);
	commit->store->wal_bytes = stat(path, &log) == 0 ? (uint64_t)log.st_size : 0;
	commit->store->used_bytes = (pages - free_pages) * commit->page_bytes;
	return 0;
}

int weir_commit_checkpoint(struct weir_commit *commit, bool is_forced)
{
	int code;

	if (!is_forced && commit->log_pages * commit->page_bytes < commit->checkpoint_bytes) {
		return 0;
	}
	/* Passive: never waits for a reader. What it moved is overwritten from the log's beginning by the next commit
	 * once no reader is left in it. */
	code = sqlite3_wal_checkpoint_v2(commit->store->db, NULL, SQLITE_CHECKPOINT_PASSIVE, NULL, NULL);
	commit->log_pages = 0;
	return (code & 0xff) == SQLITE_BUSY ? 0 : weir_connection_fault(code);
}

int weir_commit_expire_names(struct weir_commit *commit, uint64_t before_ns)
{
	return weir_names_expire(commit->names, before_ns);
}
