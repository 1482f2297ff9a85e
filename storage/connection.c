/* connection: one connection to the database.
 *
 * WAL mode, pages of 16 KiB (a segment's bytes are a handful of pages), no mmap
 * (its memory would not be ours to bound), a small cache: the kernel's page
 * cache is the cache. Checkpoints are made by the writer's hand (writer.c), so
 * no connection makes them by itself. Each thread has its own connection, so
 * SQLite's own mutexes are off. */
#include "storage/connection.h"

#include <errno.h>
#include <stddef.h>

int weir_connection_fault(int code)
{
	switch (code & 0xff) {
	case SQLITE_OK:
	case SQLITE_ROW:
	case SQLITE_DONE:
		return 0;
	case SQLITE_ERROR: /* the SQL does not fit the schema */
		return -EINVAL;
	case SQLITE_FULL:
		return -ENOSPC;
	case SQLITE_NOMEM:
		return -ENOMEM;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_FORMAT:
		return -EBADMSG;
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return -EBUSY;
	case SQLITE_READONLY:
		return -EROFS;
	case SQLITE_CANTOPEN:
	case SQLITE_PERM:
	case SQLITE_AUTH:
		return -EACCES;
	case SQLITE_TOOBIG:
		return -EFBIG;
	default:
		return -EIO;
	}
}

int weir_connection_exec(sqlite3 *db, const char *sql)
{
	return weir_connection_fault(sqlite3_exec(db, sql, NULL, NULL, NULL));
}

int weir_connection_number(sqlite3 *db, const char *sql, int64_t *ret_number)
{
	sqlite3_stmt *statement;
	int code = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);

	*ret_number = 0;
	if (code != SQLITE_OK) {
		return weir_connection_fault(code);
	}
	code = sqlite3_step(statement);
	if (code == SQLITE_ROW) {
		*ret_number = sqlite3_column_int64(statement, 0);
	}
	sqlite3_finalize(statement);
	return weir_connection_fault(code);
}

int weir_connection_open(const char *path, bool writes, sqlite3 **ret_db)
{
	int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE | SQLITE_OPEN_NOFOLLOW |
		    (writes ? SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE : SQLITE_OPEN_READONLY);
	int result = weir_connection_fault(sqlite3_open_v2(path, ret_db, flags, NULL));

	if (result == 0) {
		sqlite3_busy_timeout(*ret_db, writes ? 1000 : 200);
		result = weir_connection_exec(*ret_db,
			writes ? "PRAGMA page_size = 16384; PRAGMA mmap_size = 0; PRAGMA cache_size = -2048;"
				 "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;"
				 "PRAGMA wal_autocheckpoint = 0; PRAGMA journal_size_limit = 16777216;"
				 "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF;"
			       : "PRAGMA mmap_size = 0; PRAGMA cache_size = -1024; PRAGMA wal_autocheckpoint = 0;"
				 "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA query_only = ON;");
	}
	if (result < 0) {
		sqlite3_close_v2(*ret_db);
		*ret_db = NULL;
	}
	return result;
}

void weir_connection_close(sqlite3 *db)
{
	sqlite3_stmt *statement;

	while (db != NULL && (statement = sqlite3_next_stmt(db, NULL)) != NULL) {
		sqlite3_finalize(statement);
	}
	sqlite3_close_v2(db);
}

int weir_connection_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement)
{
	return weir_connection_fault(sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, ret_statement, NULL));
}

int weir_connection_run(sqlite3_stmt *statement)
{
	int code;

	do {
		code = sqlite3_step(statement);
	} while (code == SQLITE_ROW);
	sqlite3_reset(statement);
	return weir_connection_fault(code);
}

void weir_connection_bind_blob(sqlite3_stmt *statement, int place, const void *bytes, size_t length)
{
	/* A NULL pointer would bind NULL: an empty blob is a blob. */
	sqlite3_bind_blob64(statement, place, length > 0 ? bytes : "", length, SQLITE_STATIC);
}

struct weir_str weir_connection_blob(sqlite3_stmt *statement, int column)
{
	const void *bytes = sqlite3_column_blob(statement, column);

	return (struct weir_str){ bytes, bytes != NULL ? (size_t)sqlite3_column_bytes(statement, column) : 0 };
}
