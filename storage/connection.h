/* connection: one connection to the database, and what every use of one needs. */
#ifndef WEIR_STORAGE_CONNECTION_H
#define WEIR_STORAGE_CONNECTION_H

#include <stdbool.h>
#include <stdint.h>

#include <sqlite3.h>

#include "base/str.h"

/* Opens; makes the file when it `writes`. Cache and page size as the essay in
 * connection.c says. 0 or a fault (-EBADMSG: not a database). */
int weir_connection_open(const char *path, bool writes, sqlite3 **ret_db);
void weir_connection_close(sqlite3 *db); /* NULL is fine */

/* A result code as a fault: FULL -ENOSPC, CORRUPT and NOTADB -EBADMSG, ERROR
 * (a statement that the schema does not fit) -EINVAL, … */
int weir_connection_fault(int code);
/* Runs statements without rows. */
int weir_connection_exec(sqlite3 *db, const char *sql);
/* The first column of the first row as a number. */
int weir_connection_number(sqlite3 *db, const char *sql, int64_t *ret_number);

/* Prepares a statement that lives as long as the connection. */
int weir_connection_prepare(sqlite3 *db, const char *sql, sqlite3_stmt **ret_statement);
/* Steps a statement without rows to its end and resets it. */
int weir_connection_run(sqlite3_stmt *statement);
void weir_connection_bind_blob(sqlite3_stmt *statement, int place, const void *bytes, size_t length);
struct weir_str weir_connection_blob(sqlite3_stmt *statement, int column);

#endif
