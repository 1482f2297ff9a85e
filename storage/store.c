/* store: opens the one SQLite file, and says how it is.
 *
 *   path          the database           path-lock   flock'ed by the weir that
 *   path-wal/-shm SQLite's                            holds it; inside its pid and the
 *                                                    database's id, should that be damaged
 *   path.bad-<t>  set aside (-wal and -shm with it)
 *
 * Opening: lock → open → migrate → read progress and what is known of every
 * segment into the catalog. Only small rows are read and checked: no data, so a
 * large file opens as fast as a small one but for its trace hashes. If that meets damage, another program's database or a newer
 * schema, the file is set aside with its -wal and -shm, a new one is made, and
 * replaced_why says so: starting never fails on data, and nothing is deleted.
 * Damage deeper in shows when a segment is read (unreadable_segments), or when a
 * commit meets it: the writer then notes it (path-damaged) and the next start
 * sets the file aside.
 *
 * Invariants: 1. the lock is held as long as the store is open, so exactly one
 * process writes. 2. progress, segments and state move in one transaction
 * (writer.c). */
#include "storage/store.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/clock.h"
#include "storage/inside.h"
#include "storage/migrate.h"

#define PATH_BYTES 4096u
#define LOCK_BYTES 128u
#define HEAP_LIMIT (64ll << 20) /* of all of SQLite, all connections: beyond it a statement fails, not the process */

/* ---- the lock ----------------------------------------------------------- */

static int lock_take(const char *path, int *ret_lock)
{
	char name[PATH_BYTES];
	int lock;

	if ((size_t)snprintf(name, sizeof(name), "%s-lock", path) >= sizeof(name)) {
		return -ENAMETOOLONG;
	}
	lock = open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (lock < 0) {
		return -errno;
	}
	if (flock(lock, LOCK_EX | LOCK_NB) < 0) {
		int result = errno == EWOULDBLOCK ? WEIR_STORE_BUSY : -errno;

		close(lock);
		return result;
	}
	*ret_lock = lock;
	return 0;
}

/* The pid, for who is refused; the database's id, for who finds the database damaged. */
static int lock_write(int lock, const uint8_t database_id[16])
{
	char text[LOCK_BYTES];
	int length = snprintf(text, sizeof(text), "%ld\ndatabase ", (long)getpid());

	for (unsigned i = 0; i < 16; i++) {
		length += snprintf(text + length, sizeof(text) - (size_t)length, "%02x", database_id[i]);
	}
	if (ftruncate(lock, 0) < 0 || pwrite(lock, text, (size_t)length, 0) != length) {
		return errno != 0 ? -errno : -EIO;
	}
	return 0;
}

/* Which database was here at the last start. False: nobody said. */
static bool lock_read(int lock, uint8_t ret_database_id[16])
{
	char text[LOCK_BYTES] = "";
	const char *at;

	if (pread(lock, text, sizeof(text) - 1, 0) <= 0) {
		return false;
	}
	at = strstr(text, "\ndatabase ");
	if (at == NULL || strspn(at + 10, "0123456789abcdef") != 32) {
		return false;
	}
	for (unsigned i = 0; i < 16; i++) {
		sscanf(at + 10 + 2 * i, "%2hhx", &ret_database_id[i]);
	}
	return true;
}

void weir_store_holder(const char *path, char *ret_text, size_t size)
{
	char name[PATH_BYTES], pid[32] = "", command[64] = "";
	FILE *file;

	snprintf(name, sizeof(name), "%s-lock", path);
	file = fopen(name, "re");
	if (file != NULL) {
		if (fgets(pid, sizeof(pid), file) != NULL) {
			pid[strspn(pid, "0123456789")] = '\0';
		}
		fclose(file);
	}
	if (pid[0] == '\0') {
		snprintf(ret_text, size, "another process");
		return;
	}
	snprintf(name, sizeof(name), "/proc/%s/comm", pid);
	file = fopen(name, "re");
	if (file != NULL) {
		if (fgets(command, sizeof(command), file) != NULL) {
			command[strcspn(command, "\n")] = '\0';
		}
		fclose(file);
	}
	snprintf(ret_text, size, command[0] != '\0' ? "pid %s (%s)" : "pid %s%s", pid, command);
}

/* ---- opening ------------------------------------------------------------ */

/* All zero where the kernel does not tell it. */
void weir_store_boot_id(uint8_t ret_id[16])
{
	char text[64] = "";
	int file = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
	ssize_t length = file >= 0 ? read(file, text, sizeof(text) - 1) : 0;
	unsigned nibble = 0;

	memset(ret_id, 0, 16);
	if (file >= 0) {
		close(file);
	}
	for (ssize_t i = 0; i < length && nibble < 32; i++) {
		unsigned c = (unsigned char)text[i];
		unsigned value = 16;

		if (c >= '0' && c <= '9') {
			value = c - '0';
		} else if (c >= 'a' && c <= 'f') {
			value = c - 'a' + 10;
		}

		if (value < 16) {
			ret_id[nibble / 2] = (uint8_t)((unsigned)ret_id[nibble / 2] << 4 | value);
			nibble++;
		}
	}
}

static int progress_read(struct weir_store *store)
{
	struct weir_store_found *found = &store->found;
	sqlite3_stmt *statement;
	struct weir_str id, boot;
	uint8_t boot_id[sizeof(found->boot_id)];
	int result = weir_connection_prepare(store->db,
		"SELECT database_id, hash_seed, created_ns, boot_id, ring_id, position, window, next_segment FROM progress",
		&statement);

	if (result < 0) {
		return result;
	}
	if (sqlite3_step(statement) != SQLITE_ROW) {
		sqlite3_finalize(statement);
		return -EBADMSG;
	}
	id = weir_connection_blob(statement, 0);
	boot = weir_connection_blob(statement, 3);
	if (id.length == sizeof(found->database_id) && boot.length == sizeof(found->boot_id)) {
		memcpy(found->database_id, id.data, id.length);
		memcpy(found->boot_id, boot.data, boot.length);
		weir_store_boot_id(boot_id);
		found->is_same_boot = memcmp(found->boot_id, boot_id, sizeof(boot_id)) == 0;
	} else {
		result = -EBADMSG;
	}
	found->hash_seed = (uint64_t)sqlite3_column_int64(statement, 1);
	found->created_ns = (uint64_t)sqlite3_column_int64(statement, 2);
	found->ring_id = (uint64_t)sqlite3_column_int64(statement, 4);
	found->position = (uint64_t)sqlite3_column_int64(statement, 5);
	found->window = (uint64_t)sqlite3_column_int64(statement, 6);
	store->next_segment = sqlite3_column_int64(statement, 7);
	sqlite3_finalize(statement);
	return store->next_segment < 1 || store->next_segment > UINT32_MAX ? -EBADMSG : result;
}

/* The arrival from which on the newest segments' traces fit into the index. */
static int indexed_from(struct weir_store *store, uint64_t *ret_arrival)
{
	sqlite3_stmt *statement;
	uint64_t traces = 0;
	int code, result = weir_connection_prepare(store->db,
			  "SELECT max_arrival, length(traces) / 4 FROM segments ORDER BY max_arrival DESC", &statement);

	*ret_arrival = 0;
	if (result < 0) {
		return result;
	}
	while ((code = sqlite3_step(statement)) == SQLITE_ROW && *ret_arrival == 0) {
		traces += (uint64_t)sqlite3_column_int64(statement, 1);
		if (traces > store->opts.max_indexed) {
			*ret_arrival = (uint64_t)sqlite3_column_int64(statement, 0) + 1;
		}
	}
	sqlite3_finalize(statement);
	return weir_connection_fault(code == SQLITE_ROW ? SQLITE_OK : code);
}

static int segment_row_read(struct weir_store *store, sqlite3_stmt *statement, uint64_t indexed_from_ns)
{
	struct weir_str filter = weir_connection_blob(statement, 8), traces = weir_connection_blob(statement, 9);
	int64_t id = sqlite3_column_int64(statement, 0);
	struct weir_catalog_entry entry = {
		.id = (uint32_t)id,
		.kind = (uint32_t)sqlite3_column_int64(statement, 1),
		.rows = (uint32_t)sqlite3_column_int64(statement, 2),
		.bytes = (uint32_t)sqlite3_column_int64(statement, 3),
		.min_time = (uint64_t)sqlite3_column_int64(statement, 4),
		.max_time = (uint64_t)sqlite3_column_int64(statement, 5),
		.min_arrival = (uint64_t)sqlite3_column_int64(statement, 6),
		.max_arrival = (uint64_t)sqlite3_column_int64(statement, 7),
	};
	uint32_t *hashes;
	int result;

	if (id < 1 || id >= store->next_segment || !weir_columns_is_detail(entry.kind) || traces.length % 4 != 0 ||
		filter.length != sizeof(entry.filter)) {
		return -EBADMSG;
	}
	memcpy(entry.filter, filter.data, filter.length);
	entry.is_indexed = entry.max_arrival >= indexed_from_ns;
	hashes = malloc(traces.length + 1);
	if (hashes == NULL) {
		return -ENOMEM;
	}
	if (traces.length > 0) {
		memcpy(hashes, traces.data, traces.length);
	}
	result = weir_catalog_publish(store->catalog, &entry, hashes, (uint32_t)(traces.length / 4));
	free(hashes);
	return result;
}

static int catalog_read(struct weir_store *store)
{
	sqlite3_stmt *statement;
	uint64_t from_ns;
	int code, result = indexed_from(store, &from_ns);

	if (result < 0) {
		return result;
	}
	result = weir_connection_prepare(store->db,
		"SELECT id, kind, rows, bytes, min_time, max_time, min_arrival, max_arrival, filter, traces "
		"FROM segments ORDER BY id",
		&statement);

	if (result < 0) {
		return result;
	}
	while ((code = sqlite3_step(statement)) == SQLITE_ROW && result == 0) {
		result = segment_row_read(store, statement, from_ns);
	}
	sqlite3_finalize(statement);
	return result < 0 ? result : weir_connection_fault(code == SQLITE_ROW ? SQLITE_OK : code);
}

/* The small tables only: their size is bounded, that of the data is not. */
static int quick_check(struct weir_store *store)
{
	static const char *const checks[] = { "PRAGMA quick_check(progress)", "PRAGMA quick_check(names)",
		"PRAGMA quick_check(state)", "PRAGMA quick_check(segments)" };
	int result = 0;

	for (unsigned i = 0; i < sizeof(checks) / sizeof(checks[0]) && result == 0; i++) {
		sqlite3_stmt *statement;
		int code;

		result = weir_connection_prepare(store->db, checks[i], &statement);
		if (result < 0) {
			break;
		}
		code = sqlite3_step(statement);
		if (code != SQLITE_ROW) {
			result = weir_connection_fault(code);
		} else if (!weir_str_is(weir_connection_blob(statement, 0), "ok")) {
			result = -EBADMSG;
		}
		sqlite3_finalize(statement);
	}
	return result;
}

void weir_store_note_damage(const struct weir_store *store)
{
	char name[PATH_BYTES];
	int file;

	snprintf(name, sizeof(name), "%s-damaged", store->opts.path);
	file = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (file >= 0) {
		close(file);
	}
}

/* Was damage noted by the last run? The note is taken away with the file that it is about. */
static bool was_damaged(const char *path)
{
	char name[PATH_BYTES];

	snprintf(name, sizeof(name), "%s-damaged", path);
	return unlink(name) == 0;
}

static void database_close(struct weir_store *store)
{
	weir_connection_close(store->db);
	weir_catalog_destroy(store->catalog);
	store->db = NULL;
	store->catalog = NULL;
}

/* Opens what is there, or makes it. *ret_why: set when it must be set aside. */
static int database_open(struct weir_store *store, const char **ret_why)
{
	int result = weir_catalog_create(&store->catalog);

	*ret_why = NULL;
	if (result == 0) {
		result = weir_connection_open(store->opts.path, true, &store->db);
	}
	if (result == 0) {
		result = weir_migrate(store->db, &store->found.is_new);
	}
	if (result > 0) {
		*ret_why = result == WEIR_MIGRATE_NEWER ? "written by a newer version of weir"
							: "another program's database";
		return -EBADMSG;
	}
	if (result == 0 && !store->found.is_new) {
		result = quick_check(store);
	}
	if (result == 0) {
		result = progress_read(store);
	}
	if (result == 0) {
		result = catalog_read(store);
	}
	/* -EINVAL: a table of ours is missing or has other columns. */
	if (result == -EBADMSG || result == -EINVAL) {
		*ret_why = "damaged";
		return -EBADMSG;
	}
	return result;
}

/* Renames the database with its -wal and -shm; what is not there is no fault. */
static int set_aside(const char *path)
{
	static const char *const ends[] = { "", "-wal", "-shm" };
	unsigned long long now = weir_clock_now_ns() / 1000000000u;

	for (unsigned attempt = 0; attempt < 100; attempt++, now++) {
		char from[PATH_BYTES], to[PATH_BYTES];

		snprintf(to, sizeof(to), "%s.bad-%llu", path, now);
		if (access(to, F_OK) == 0) {
			continue;
		}
		for (unsigned i = 0; i < 3; i++) {
			snprintf(from, sizeof(from), "%s%s", path, ends[i]);
			if ((size_t)snprintf(to, sizeof(to), "%s.bad-%llu%s", path, now, ends[i]) >= sizeof(to)) {
				return -ENAMETOOLONG;
			}
			if (rename(from, to) < 0 && errno != ENOENT) {
				return -errno;
			}
		}
		return 0;
	}
	return -EEXIST;
}

int weir_store_open(
	const struct weir_store_opts *opts, struct weir_store **ret_store, struct weir_store_found *ret_found)
{
	struct weir_store *store = calloc(1, sizeof(*store));
	uint8_t previous_id[16] = { 0 };
	bool has_previous;
	const char *why;
	int result;

	*ret_store = NULL;
	if (store == NULL) {
		return -ENOMEM;
	}
	store->lock = -1;
	store->opts = *opts;
	store->opts.path = strdup(opts->path);
	result = store->opts.path != NULL ? lock_take(opts->path, &store->lock) : -ENOMEM;
	if (result != 0) {
		goto out;
	}
	has_previous = lock_read(store->lock, previous_id);
	result = lock_write(store->lock, previous_id);
	if (result < 0) {
		goto out;
	}
	sqlite3_hard_heap_limit64(HEAP_LIMIT);
	result = database_open(store, &why);
	if (was_damaged(opts->path) && why == NULL) {
		why = "damaged: writing to it failed";
	}
	if (why != NULL) {
		database_close(store);
		result = set_aside(opts->path);
		if (result == 0) {
			store->found = (struct weir_store_found){ .replaced_why = why };
			store->found.has_replaced_id = has_previous;
			memcpy(store->found.replaced_id, previous_id, sizeof(previous_id));
			result = database_open(store, &why);
		}
	}
	if (result == 0) {
		result = lock_write(store->lock, store->found.database_id);
	}
	if (result == 0) {
		store->stored_window = store->found.window;
		*ret_found = store->found;
		*ret_store = store;
		return 0;
	}
out:
	weir_store_close(store);
	return result;
}

void weir_store_close(struct weir_store *store)
{
	if (store == NULL) {
		return;
	}
	database_close(store);
	if (store->lock >= 0) {
		close(store->lock); /* the file stays: removing it would race with the next one's lock */
	}
	free((void *)(uintptr_t)store->opts.path);
	free(store);
}

/* Reads the bytes of one row into `bytes`: not through SQLite's memory, which an image may outgrow. */
static int state_row_read(struct weir_store *store, int64_t number, struct weir_buf *bytes)
{
	sqlite3_blob *blob = NULL;
	int code = sqlite3_blob_open(store->db, "main", "state", "bytes", number, 0, &blob);
	int length = code == SQLITE_OK ? sqlite3_blob_bytes(blob) : 0;
	char *at = NULL;

	weir_buf_clear(bytes);
	if (length > 0) {
		at = weir_buf_reserve(bytes, (size_t)length);
		code = at != NULL ? sqlite3_blob_read(blob, at, length, 0) : SQLITE_NOMEM;
	}
	if (code == SQLITE_OK && length > 0) {
		weir_buf_advance(bytes, (size_t)length);
	}
	sqlite3_blob_close(blob);
	return weir_connection_fault(code);
}

int weir_store_load_fold(struct weir_store *store, struct weir_fold *fold)
{
	sqlite3_stmt *statement;
	struct weir_buf bytes;
	int code = SQLITE_DONE;
	int result = weir_connection_prepare(store->db, "SELECT number FROM state ORDER BY number", &statement);

	if (result < 0) {
		return result;
	}
	weir_buf_init(&bytes, 0);
	while (result == 0 && (code = sqlite3_step(statement)) == SQLITE_ROW) {
		result = state_row_read(store, sqlite3_column_int64(statement, 0), &bytes);
		if (result == 0) {
			result = weir_fold_load(fold, weir_buf_str(&bytes));
		}
	}
	if (result == 0) {
		result = weir_connection_fault(code);
	}
	if (result == 0) {
		weir_fold_load_end(fold);
	}
	weir_buf_fini(&bytes);
	sqlite3_finalize(statement);
	if (result == -EBADMSG) {
		/* The caller counts anew, so the next cut is an image, which takes the place of these rows. If they cannot
		 * go now (a full disk), they go then: a start never fails on data. */
		(void)weir_connection_exec(store->db, "DELETE FROM state");
	}
	return result;
}

/* ---- how it is ---------------------------------------------------------- */

enum weir_store_state weir_store_state(const struct weir_store *store)
{
	return (enum weir_store_state)store->state;
}

void weir_store_figures(const struct weir_store *store, struct weir_store_figures *ret)
{
	struct weir_catalog_entry oldest;
	uint64_t segments;

	*ret = (struct weir_store_figures){
		.used_bytes = store->used_bytes,
		.wal_bytes = store->wal_bytes,
		.stored_position = store->stored_position,
		.stored_window = store->stored_window,
		.last_commit_ns = store->last_commit_ns,
		.commits = store->commits,
		.failed_commits = store->failed_commits,
		.last_error = store->last_error,
		.expired_segments = store->expired_segments,
		.merged_segments = store->merged_segments,
		.unreadable_segments = store->unreadable_segments,
	};
	ret->spans = weir_catalog_rows(store->catalog, WEIR_ROWS_SPANS, &segments);
	ret->segments = segments;
	ret->requests = weir_catalog_rows(store->catalog, WEIR_ROWS_REQUESTS, &segments);
	ret->segments += segments;
	ret->connections = weir_catalog_rows(store->catalog, WEIR_ROWS_CONNECTIONS, &segments);
	ret->segments += segments;
	ret->logs = weir_catalog_rows(store->catalog, WEIR_ROWS_LOGS, &segments);
	ret->segments += segments;
	ret->oldest_ns = weir_catalog_oldest(store->catalog, &oldest, 1) == 1 ? oldest.min_arrival : 0;
}
