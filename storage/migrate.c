/* migrate: makes a new database, or brings an older one to our version.
 *
 * user_version is the schema's version, application_id says that the file is
 * ours. A new database is made in one transaction, so that a file is empty or
 * complete. A migration from n to n + 1 is one step of its own, in a
 * transaction with the new user_version:
 *
 *   1 → 2  segments of logs, and segments of version 2: no table changes, but a
 *          weir that knows neither must not take them for damage */
#include "storage/migrate.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>

#include "base/clock.h"
#include "schema.h" /* made from schema.sql */
#include "storage/connection.h"

static int identity_make(sqlite3 *db)
{
	struct {
		uint8_t id[16];
		int64_t seed;
	} random;
	sqlite3_stmt *statement;
	int result;

	if (getrandom(&random, sizeof(random), 0) != (ssize_t)sizeof(random)) {
		return -EIO;
	}
	random.id[6] = (uint8_t)((random.id[6] & 0x0f) | 0x40); /* a version 4 uuid */
	random.id[8] = (uint8_t)((random.id[8] & 0x3f) | 0x80);
	result = weir_connection_prepare(
		db, "INSERT INTO progress VALUES (1, ?, ?, ?, zeroblob(16), 0, 0, 0, 1, 0)", &statement);
	if (result == 0) {
		weir_connection_bind_blob(statement, 1, random.id, sizeof(random.id));
		sqlite3_bind_int64(statement, 2, random.seed);
		sqlite3_bind_int64(statement, 3, (int64_t)weir_clock_now_ns());
		result = weir_connection_run(statement);
		sqlite3_finalize(statement);
	}
	return result;
}

static int make(sqlite3 *db)
{
	char sql[128];
	int result = weir_connection_exec(db, "BEGIN IMMEDIATE");

	if (result == 0) {
		result = weir_connection_exec(db, WEIR_SCHEMA_SQL);
	}
	if (result == 0) {
		result = identity_make(db);
	}
	if (result == 0) {
		snprintf(sql, sizeof(sql), "PRAGMA application_id = %d; PRAGMA user_version = %d; COMMIT",
			WEIR_MIGRATE_APPLICATION, WEIR_MIGRATE_VERSION);
		result = weir_connection_exec(db, sql);
	}
	if (result < 0) {
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	}
	return result;
}

/* steps[n - 1] leads from version n to n + 1. */
static const char *const steps[WEIR_MIGRATE_VERSION - 1] = { "" };

static int step(sqlite3 *db, int64_t from)
{
	char sql[128];
	int result = weir_connection_exec(db, "BEGIN IMMEDIATE");

	if (result == 0) {
		result = weir_connection_exec(db, steps[from - 1]);
	}
	if (result == 0) {
		snprintf(sql, sizeof(sql), "PRAGMA user_version = %lld; COMMIT", (long long)from + 1);
		result = weir_connection_exec(db, sql);
	}
	if (result < 0) {
		sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
	}
	return result;
}

int weir_migrate(sqlite3 *db, bool *ret_is_new)
{
	int64_t application, version, tables;
	int result = weir_connection_number(db, "PRAGMA application_id", &application);

	*ret_is_new = false;
	if (result == 0) {
		result = weir_connection_number(db, "PRAGMA user_version", &version);
	}
	if (result == 0) {
		result = weir_connection_number(db, "SELECT count(*) FROM sqlite_schema", &tables);
	}
	if (result < 0) {
		return result;
	}
	if (application == 0 && version == 0 && tables == 0) {
		*ret_is_new = true;
		return make(db);
	}
	if (application != WEIR_MIGRATE_APPLICATION || version < 1) {
		return WEIR_MIGRATE_FOREIGN;
	}
	for (; version < WEIR_MIGRATE_VERSION && result == 0; version++) {
		result = step(db, version);
	}
	if (result < 0) {
		return result;
	}
	return version > WEIR_MIGRATE_VERSION ? WEIR_MIGRATE_NEWER : 0;
}
