/* test_store: opening what is there, whatever it is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <sqlite3.h>

#include "rig.h"
#include "storage/connection.h"

#define NOW 1700000000000000000u

static unsigned set_aside_count(const struct rig *rig)
{
	DIR *folder = opendir(rig->folder);
	struct dirent *entry;
	unsigned count = 0;

	while ((entry = readdir(folder)) != NULL) {
		count += strstr(entry->d_name, ".bad-") != NULL && strstr(entry->d_name, "-wal") == NULL &&
			 strstr(entry->d_name, "-shm") == NULL;
	}
	closedir(folder);
	return count;
}

static int reopen(struct rig *rig)
{
	struct weir_store_opts opts = {
		.path = rig->path, .max_size_bytes = 1 << 30, .max_age_s = 1000, .max_indexed = 1000
	};

	return weir_store_open(&opts, &rig->store, &rig->found);
}

/* One stored window with a trace, and everything closed. */
static void make_one(struct rig *rig)
{
	rig_init(rig);
	rig_open(rig);
	rig_start(rig);
	rig_add(rig, maker_mesh(&rig->maker, 600, NOW));
	rig_seal(rig);
	rig_wait_stored(rig, 1);
	rig_stop(rig);
}

static void a_new_store_is_new_once(void **state)
{
	uint8_t id[16];
	struct rig rig;

	(void)state;
	rig_init(&rig);
	assert_int_equal(reopen(&rig), 0);
	assert_true(rig.found.is_new);
	assert_null(rig.found.replaced_why);
	assert_int_equal(rig.found.window, 0);
	memcpy(id, rig.found.database_id, sizeof(id));
	weir_store_close(rig.store);
	assert_int_equal(reopen(&rig), 0);
	assert_false(rig.found.is_new);
	assert_memory_equal(id, rig.found.database_id, sizeof(id));
	weir_store_close(rig.store);
	rig_fini(&rig);
}

static void what_was_stored_is_found_again(void **state)
{
	struct weir_store_figures figures;
	struct rig rig;

	(void)state;
	make_one(&rig);
	assert_int_equal(reopen(&rig), 0);
	assert_int_equal(rig.found.window, 1);
	assert_true(rig.found.position > 0);
	assert_true(rig.found.ring_id != 0);
	assert_true(rig.found.created_ns > 0);
	weir_store_figures(rig.store, &figures);
	assert_int_equal(figures.spans, 600);
	assert_int_equal(figures.segments, 1);
	weir_store_close(rig.store);
	rig_fini(&rig);
}

static void a_second_weir_is_told_who_holds_it(void **state)
{
	struct weir_store *other;
	struct weir_store_found found;
	struct weir_store_opts opts;
	char text[100], pid[32];
	struct rig rig;

	(void)state;
	rig_init(&rig);
	assert_int_equal(reopen(&rig), 0);
	opts = (struct weir_store_opts){ .path = rig.path };
	assert_int_equal(weir_store_open(&opts, &other, &found), WEIR_STORE_BUSY);
	assert_null(other);
	weir_store_holder(rig.path, text, sizeof(text));
	snprintf(pid, sizeof(pid), "pid %ld", (long)getpid());
	assert_non_null(strstr(text, pid));
	weir_store_close(rig.store);
	assert_int_equal(reopen(&rig), 0);
	weir_store_close(rig.store);
	rig_fini(&rig);
}

static void set_aside_check(struct rig *rig, const char *why)
{
	assert_int_equal(reopen(rig), 0);
	assert_true(rig->found.is_new);
	assert_non_null(rig->found.replaced_why);
	assert_string_equal(rig->found.replaced_why, why);
	assert_int_equal(set_aside_count(rig), 1);
	weir_store_close(rig->store);
	rig_fini(rig);
}

static void a_file_of_rubbish_is_set_aside(void **state)
{
	struct rig rig;
	FILE *file;

	(void)state;
	rig_init(&rig);
	file = fopen(rig.path, "w");
	for (unsigned i = 0; i < 10000; i++) {
		fputs("rubbish ", file);
	}
	fclose(file);
	set_aside_check(&rig, "damaged");
}

static void overwrite(const char *path, long at, size_t length)
{
	FILE *file = fopen(path, "r+");

	fseek(file, at, SEEK_SET);
	for (size_t i = 0; i < length; i++) {
		fputc(0x5a, file);
	}
	fclose(file);
}

static void a_damaged_file_is_set_aside(void **state)
{
	struct rig rig;

	(void)state;
	make_one(&rig);
	overwrite(rig.path, 100, 16000); /* the schema's page */
	set_aside_check(&rig, "damaged");
}

static void damage_anywhere_never_stops_a_start(void **state)
{
	(void)state;
	for (long page = 0; page < 12; page++) {
		struct rig rig;

		make_one(&rig);
		overwrite(rig.path, page * 16384 + (page == 0 ? 0 : 3), 200);
		assert_int_equal(reopen(&rig), 0);
		weir_store_close(rig.store);
		rig_fini(&rig);
	}
}

static void sql(const struct rig *rig, const char *text)
{
	sqlite3 *db;

	assert_int_equal(sqlite3_open(rig->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_exec(db, text, NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(db);
}

/* The one row of the state has so many bytes, and the last one is right. */
static void state_check(const struct rig *rig, size_t size)
{
	sqlite3_blob *blob;
	sqlite3 *db;
	char last;

	assert_int_equal(sqlite3_open(rig->path, &db), SQLITE_OK);
	assert_int_equal(sqlite3_blob_open(db, "main", "state", "bytes", 1, 0, &blob), SQLITE_OK);
	assert_int_equal(sqlite3_blob_bytes(blob), size);
	assert_int_equal(sqlite3_blob_read(blob, &last, 1, (int)size - 1), SQLITE_OK);
	assert_int_equal(last, 0x5a);
	sqlite3_blob_close(blob);
	sqlite3_close(db);
}

static void an_image_larger_than_sqlites_memory_is_stored_and_read_back(void **state)
{
	const struct weir_fold_opts fold_opts = { .max_series = 100, .hash_seed = 1 };
	size_t size = 80u << 20;
	struct weir_fold *fold;
	struct rig rig;
	char *bytes;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	rig_add(&rig, maker_mesh(&rig.maker, 10, NOW));
	bytes = weir_buf_reserve(&weir_windows_open_one(rig.windows)->delta, size);
	assert_non_null(bytes);
	memset(bytes, 0x5a, size);
	weir_buf_advance(&weir_windows_open_one(rig.windows)->delta, size);
	rig_seal(&rig);
	rig_wait_stored(&rig, 1);
	rig_stop(&rig);
	state_check(&rig, size);
	assert_int_equal(reopen(&rig), 0);
	/* It was read: these bytes are no image. */
	assert_int_equal(weir_fold_create(&fold_opts, &fold), 0);
	assert_int_equal(weir_store_load_fold(rig.store, fold), -EBADMSG);
	weir_fold_destroy(fold);
	weir_store_close(rig.store);
	rig_fini(&rig);
}

static void the_database_set_aside_is_named(void **state)
{
	uint8_t id[16];
	struct rig rig;

	(void)state;
	make_one(&rig);
	memcpy(id, rig.found.database_id, sizeof(id));
	overwrite(rig.path, 0, 200);
	assert_int_equal(reopen(&rig), 0);
	assert_true(rig.found.has_replaced_id);
	assert_memory_equal(rig.found.replaced_id, id, sizeof(id));
	weir_store_close(rig.store);
	assert_int_equal(reopen(&rig), 0);
	assert_false(rig.found.has_replaced_id);
	weir_store_close(rig.store);
	rig_fini(&rig);
}

static void another_boot_is_noticed(void **state)
{
	struct rig rig;

	(void)state;
	make_one(&rig);
	assert_int_equal(reopen(&rig), 0);
	assert_true(rig.found.is_same_boot);
	weir_store_close(rig.store);
	sql(&rig, "UPDATE progress SET boot_id = x'000102030405060708090a0b0c0d0e0f'");
	assert_int_equal(reopen(&rig), 0);
	assert_false(rig.found.is_same_boot);
	weir_store_close(rig.store);
	rig_fini(&rig);
}

static void another_programs_database_is_set_aside(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	sql(&rig, "CREATE TABLE cookies (a); INSERT INTO cookies VALUES (1)");
	set_aside_check(&rig, "another program's database");
}

static void a_newer_schema_is_set_aside(void **state)
{
	struct rig rig;

	(void)state;
	make_one(&rig);
	sql(&rig, "PRAGMA user_version = 3");
	set_aside_check(&rig, "written by a newer version of weir");
}

/* Version 1 had the same tables, and segments of version 1. */
static void an_older_schema_is_brought_to_ours_and_kept(void **state)
{
	struct rig rig;
	sqlite3 *db;
	int64_t version;

	(void)state;
	make_one(&rig);
	sql(&rig, "PRAGMA user_version = 1");
	assert_int_equal(reopen(&rig), 0);
	assert_false(rig.found.is_new);
	assert_null(rig.found.replaced_why);
	weir_store_close(rig.store);
	assert_int_equal(weir_connection_open(rig.path, false, &db), 0);
	assert_int_equal(weir_connection_number(db, "PRAGMA user_version", &version), 0);
	weir_connection_close(db);
	assert_int_equal(version, 2);
	rig_fini(&rig);
}

static void a_missing_table_is_damage(void **state)
{
	struct rig rig;

	(void)state;
	make_one(&rig);
	sql(&rig, "DROP TABLE segments");
	set_aside_check(&rig, "damaged");
}

static void damage_that_a_commit_met_is_set_aside_at_the_next_start(void **state)
{
	char note[128];
	struct rig rig;
	FILE *file;

	(void)state;
	make_one(&rig);
	snprintf(note, sizeof(note), "%s-damaged", rig.path);
	file = fopen(note, "w");
	fclose(file);
	assert_int_equal(reopen(&rig), 0);
	assert_true(rig.found.is_new);
	weir_store_close(rig.store);
	assert_int_not_equal(access(note, F_OK), 0);
	assert_int_equal(reopen(&rig), 0);
	assert_null(rig.found.replaced_why);
	assert_false(rig.found.is_new);
	weir_store_close(rig.store);
	assert_int_equal(set_aside_count(&rig), 1);
	rig_fini(&rig);
}

static void a_path_that_cannot_be_written_is_a_fault(void **state)
{
	struct weir_store_opts opts = { .path = "/proc/nowhere/weir.db" };
	struct weir_store_found found;
	struct weir_store *store;

	(void)state;
	assert_true(weir_store_open(&opts, &store, &found) < 0);
	assert_null(store);
}

static void a_segment_that_cannot_be_read_is_passed_over_and_counted(void **state)
{
	struct weir_store_figures figures;
	struct weir_query_trace *traces;
	struct weir_query_search search = { .end_ns = UINT64_MAX / 2, .lookback_ns = UINT64_MAX / 2, .limit = 10 };
	struct weir_query *query;
	uint32_t count;
	struct rig rig;

	(void)state;
	make_one(&rig);
	sql(&rig, "UPDATE data SET bytes = substr(bytes, 1, 1000)");
	rig_open(&rig);
	rig_start(&rig);
	rig_query(&rig, &query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(weir_query_traces(query, &search, &traces, &count), 0);
	assert_int_equal(count, 0);
	weir_store_figures(rig.store, &figures);
	assert_true(figures.unreadable_segments > 0);
	weir_query_close(query);
	rig_stop(&rig);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_new_store_is_new_once),
		cmocka_unit_test(what_was_stored_is_found_again),
		cmocka_unit_test(a_second_weir_is_told_who_holds_it),
		cmocka_unit_test(a_file_of_rubbish_is_set_aside),
		cmocka_unit_test(a_damaged_file_is_set_aside),
		cmocka_unit_test(damage_anywhere_never_stops_a_start),
		cmocka_unit_test(an_image_larger_than_sqlites_memory_is_stored_and_read_back),
		cmocka_unit_test(the_database_set_aside_is_named),
		cmocka_unit_test(another_boot_is_noticed),
		cmocka_unit_test(another_programs_database_is_set_aside),
		cmocka_unit_test(a_newer_schema_is_set_aside),
		cmocka_unit_test(an_older_schema_is_brought_to_ours_and_kept),
		cmocka_unit_test(a_missing_table_is_damage),
		cmocka_unit_test(damage_that_a_commit_met_is_set_aside_at_the_next_start),
		cmocka_unit_test(a_path_that_cannot_be_written_is_a_fault),
		cmocka_unit_test(a_segment_that_cannot_be_read_is_passed_over_and_counted),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
