/* The workload table: by name and address at a time, and swapped under those who read it. */
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "identity/workload.h"

#define FOREVER UINT64_MAX

static struct weir_pod *pod_make(const char *name, const char *app, uint8_t last, bool is_host)
{
	struct weir_identity_label label = { weir_str_of("app"), weir_str_of(app) };
	struct weir_pod from = { .name = weir_str_of(name),
		.namespace_ = weir_str_of("shop"),
		.labels = &label,
		.label_count = 1,
		.is_host_network = is_host,
		.ip_count = 1,
		.ips = { { [10] = 0xff, 0xff, 10, 0, 0, last } } };
	const struct weir_pod_owner owner = { 0 };
	struct weir_pod *pod;

	weir_assert(weir_pod_create(&from, &owner, weir_str_of(""), &pod) == 0);
	return pod;
}

struct wanted_row {
	const char *name, *app;
	uint8_t last;
	bool is_host;
	uint64_t since_ns, until_ns;
};

static const struct weir_workload_table *table_make(const struct wanted_row *from, uint32_t count)
{
	struct weir_workload_row *rows = calloc(count + 1, sizeof(*rows));
	const struct weir_workload_table *table;

	for (uint32_t i = 0; i < count; i++) {
		rows[i] =
			(struct weir_workload_row){ pod_make(from[i].name, from[i].app, from[i].last, from[i].is_host),
				from[i].since_ns, from[i].until_ns };
	}
	weir_assert(weir_workload_table_create(rows, count, &table) == 0);
	for (uint32_t i = 0; i < count; i++) {
		weir_pod_let_go(rows[i].pod); /* the table holds them */
	}
	free(rows);
	return table;
}

static const char *app_at(const struct weir_workload_table *table, uint8_t last, uint64_t time_ns)
{
	const uint8_t ip[16] = { [10] = 0xff, 0xff, 10, 0, 0, last };
	const struct weir_workload_row *row = weir_workload_table_by_address(table, ip, time_ns);
	static char app[64];

	if (row == NULL) {
		return "";
	}
	snprintf(app, sizeof(app), "%.*s", (int)row->pod->identity.app.length, row->pod->identity.app.data);
	return app;
}

static const char *app_of(const struct weir_workload_table *table, const char *name, uint64_t time_ns)
{
	const struct weir_workload_row *row =
		weir_workload_table_by_name(table, weir_str_of(name), weir_str_of("shop"), time_ns);
	static char app[64];

	if (row == NULL) {
		return "";
	}
	snprintf(app, sizeof(app), "%.*s", (int)row->pod->identity.app.length, row->pod->identity.app.data);
	return app;
}

static void an_address_is_the_pod_that_had_it_at_that_time(void **state)
{
	static const struct wanted_row rows[] = { { "a", "first", 5, false, 100, 200 },
		{ "b", "second", 5, false, 300, 400 }, { "c", "now", 5, false, 500, FOREVER } };
	const struct weir_workload_table *table = table_make(rows, 3);

	(void)state;
	assert_string_equal(app_at(table, 5, 99), "");
	assert_string_equal(app_at(table, 5, 100), "first");
	assert_string_equal(app_at(table, 5, 199), "first");
	assert_string_equal(app_at(table, 5, 200), "");
	assert_string_equal(app_at(table, 5, 350), "second");
	assert_string_equal(app_at(table, 5, 450), "");
	assert_string_equal(app_at(table, 5, 500), "now");
	assert_string_equal(app_at(table, 5, FOREVER - 1), "now");
	assert_string_equal(app_at(table, 5, 0), "now");
	assert_string_equal(app_at(table, 6, 0), "");
	weir_workload_table_destroy(table);
}

static void of_two_at_one_time_the_later_one_has_the_address(void **state)
{
	/* The end of the first was seen late. */
	static const struct wanted_row rows[] = { { "a", "first", 5, false, 100, 310 },
		{ "b", "second", 5, false, 300, FOREVER } };
	const struct weir_workload_table *table = table_make(rows, 2);

	(void)state;
	assert_string_equal(app_at(table, 5, 299), "first");
	assert_string_equal(app_at(table, 5, 305), "second");
	weir_workload_table_destroy(table);
}

static void a_name_is_the_nearest_pod_that_has_it(void **state)
{
	static const struct wanted_row rows[] = { { "db-0", "old", 5, false, 100, 200 },
		{ "db-0", "new", 6, false, 300, FOREVER } };
	const struct weir_workload_table *table = table_make(rows, 2);

	(void)state;
	assert_string_equal(app_of(table, "db-0", 1), "old");
	assert_string_equal(app_of(table, "db-0", 150), "old");
	assert_string_equal(app_of(table, "db-0", 220), "old");
	assert_string_equal(app_of(table, "db-0", 290), "new");
	assert_string_equal(app_of(table, "db-0", 1000), "new");
	assert_string_equal(app_of(table, "db-0", 0), "new");
	assert_string_equal(app_of(table, "db-1", 0), "");
	assert_null(weir_workload_table_by_name(table, weir_str_of("db-0"), weir_str_of("other"), 0));
	weir_workload_table_destroy(table);
}

static void an_address_of_the_host_is_nobody(void **state)
{
	static const struct wanted_row rows[] = { { "agent", "agent", 5, true, 0, FOREVER } };
	const struct weir_workload_table *table = table_make(rows, 1);

	(void)state;
	assert_string_equal(app_at(table, 5, 0), "");
	assert_string_equal(app_of(table, "agent", 0), "agent");
	weir_workload_table_destroy(table);
}

static void an_address_of_the_host_that_a_pod_has_since_is_the_pods(void **state)
{
	static const struct wanted_row rows[] = { { "agent", "agent", 5, true, 100, FOREVER },
		{ "a", "pod", 5, false, 300, FOREVER } };
	const struct weir_workload_table *table = table_make(rows, 2);

	(void)state;
	assert_string_equal(app_at(table, 5, 200), "");
	assert_string_equal(app_at(table, 5, 300), "pod");
	weir_workload_table_destroy(table);
}

static void a_table_of_many_finds_each(void **state)
{
	enum { MANY = 3000 };
	struct weir_workload_row *rows = calloc(MANY, sizeof(*rows));
	const struct weir_workload_table *table;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "pod-%u", i);
		rows[i] = (struct weir_workload_row){ pod_make(name, name, (uint8_t)i, false), i + 1, i + 2 };
	}
	assert_int_equal(weir_workload_table_create(rows, MANY, &table), 0);
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "pod-%u", i);
		assert_string_equal(app_of(table, name, i + 1), name);
		assert_string_equal(app_at(table, (uint8_t)i, i + 1), name);
		weir_pod_let_go(rows[i].pod);
	}
	assert_int_equal(weir_workload_table_create(rows, WEIR_WORKLOAD_PODS_MAX + 1, &table), -E2BIG);
	weir_workload_table_destroy(table);
	free(rows);
}

/* ---- what is published ---------------------------------------------------- */

static void a_reader_keeps_what_it_holds(void **state)
{
	static const struct wanted_row old[] = { { "db-0", "old", 5, false, 0, FOREVER } };
	static const struct wanted_row new[] = { { "db-0", "new", 5, false, 0, FOREVER } };
	struct weir_workload_reader *reader;
	const struct weir_workload_row *row;
	struct weir_workloads *workloads;

	(void)state;
	assert_int_equal(weir_workloads_create("east", &workloads), 0);
	assert_int_equal(weir_workload_reader_open(workloads, &reader), 0);
	weir_workload_hold(reader);
	assert_null(weir_workload_by_name(reader, weir_str_of("db-0"), weir_str_of("shop"), 0)); /* nothing yet */
	assert_true(weir_str_is(weir_workload_cluster(reader), "east"));
	weir_workload_release(reader);
	assert_int_equal(weir_workloads_publish(workloads, table_make(old, 1)), 0);
	weir_workload_hold(reader);
	row = weir_workload_by_name(reader, weir_str_of("db-0"), weir_str_of("shop"), 0);
	assert_int_equal(weir_workloads_publish(workloads, table_make(new, 1)), 0);
	assert_int_equal(weir_workloads_publish(workloads, table_make(new, 1)), 0);
	assert_true(weir_str_is(row->pod->identity.app, "old")); /* with a sanitizer: it is still there */
	assert_true(atomic_load(&row->pod->is_used));
	weir_workload_release(reader);
	weir_workload_hold(reader);
	row = weir_workload_by_name(reader, weir_str_of("db-0"), weir_str_of("shop"), 0);
	assert_true(weir_str_is(row->pod->identity.app, "new"));
	weir_workload_release(reader);
	weir_workload_reader_close(reader);
	weir_workloads_destroy(workloads);
}

static void wanted_labels_and_table_are_swapped_apart(void **state)
{
	static const struct wanted_row rows[] = { { "db-0", "one", 5, false, 0, FOREVER } };
	const char *const keys[] = { "team" };
	struct weir_workload_reader *reader;
	const struct weir_wanted *wanted;
	struct weir_workloads *workloads;

	(void)state;
	assert_int_equal(weir_workloads_create("", &workloads), 0);
	assert_int_equal(weir_workload_reader_open(workloads, &reader), 0);
	assert_int_equal(weir_wanted_create(keys, 1, &wanted), 0);
	assert_int_equal(weir_workloads_want(workloads, wanted), 0);
	weir_wanted_let_go(wanted);
	assert_int_equal(weir_workloads_publish(workloads, table_make(rows, 1)), 0);
	weir_workload_hold(reader);
	assert_true(weir_wanted_has(weir_workload_wanted(reader), weir_str_of("team")));
	assert_int_equal(weir_workloads_want(workloads, NULL), 0);
	assert_non_null(weir_workload_by_name(reader, weir_str_of("db-0"), weir_str_of("shop"), 0));
	weir_workload_release(reader);
	weir_workload_hold(reader);
	assert_null(weir_workload_wanted(reader));
	assert_non_null(weir_workload_by_name(reader, weir_str_of("db-0"), weir_str_of("shop"), 0));
	weir_workload_release(reader);
	weir_workload_reader_close(reader);
	weir_workloads_destroy(workloads);
}

struct asking { /* a reader of a table, and whom it made us ask for */
	struct weir_workloads *workloads;
	struct weir_workload_reader *reader;
	struct weir_asks *asks;
};

static void asking_open(struct asking *asking, const struct weir_workload_table *table)
{
	assert_int_equal(weir_workloads_create("", &asking->workloads), 0);
	assert_int_equal(weir_asks_create(NULL, NULL, &asking->asks), 0);
	assert_int_equal(weir_workload_reader_open(asking->workloads, &asking->reader), 0);
	weir_workloads_ask_through(asking->workloads, asking->asks);
	assert_int_equal(weir_workloads_publish(asking->workloads, table), 0);
	weir_workload_hold(asking->reader);
}

static void asking_close(struct asking *asking)
{
	weir_workload_reader_close(asking->reader);
	weir_workloads_destroy(asking->workloads);
	weir_asks_destroy(asking->asks);
}

static void who_is_not_found_is_asked_for(void **state)
{
	static const uint8_t ip[16] = { [10] = 0xff, 0xff, 10, 0, 0, 9 };
	struct asking asking;
	struct weir_ask ask;

	(void)state;
	asking_open(&asking, table_make(NULL, 0));
	assert_null(weir_workload_by_name(asking.reader, weir_str_of("db-0"), weir_str_of("shop"), 7));
	assert_null(weir_workload_by_address(asking.reader, ip, 7));
	weir_workload_release(asking.reader);
	assert_true(weir_asks_take(asking.asks, 0, &ask) && weir_asks_take(asking.asks, 0, &ask));
	assert_false(weir_asks_take(asking.asks, 0, &ask));
	asking_close(&asking);
}

static void an_address_of_the_host_is_asked_of_nobody_and_in_use(void **state)
{
	static const struct wanted_row rows[] = { { "agent", "agent", 5, true, 0, FOREVER } };
	static const uint8_t ip[16] = { [10] = 0xff, 0xff, 10, 0, 0, 5 };
	const struct weir_workload_table *table = table_make(rows, 1);
	struct weir_pod *agent = weir_workload_table_by_name(table, weir_str_of("agent"), weir_str_of("shop"), 0)->pod;
	struct asking asking;
	struct weir_ask ask;

	(void)state;
	asking_open(&asking, table);
	assert_null(weir_workload_by_address(asking.reader, ip, 7));
	weir_workload_release(asking.reader);
	assert_false(weir_asks_take(asking.asks, 0, &ask));
	assert_true(atomic_load(&agent->is_used)); /* that it is the host's has to stay known */
	asking_close(&asking);
}

static void without_a_reader_nobody_is_known(void **state)
{
	static const uint8_t ip[16];

	(void)state;
	weir_workload_hold(NULL);
	assert_null(weir_workload_by_name(NULL, weir_str_of("a"), weir_str_of("b"), 0));
	assert_null(weir_workload_by_address(NULL, ip, 0));
	assert_null(weir_workload_wanted(NULL));
	assert_int_equal(weir_workload_cluster(NULL).length, 0);
	weir_workload_release(NULL);
	weir_workload_reader_close(NULL);
	weir_workloads_destroy(NULL);
}

static void readers_are_bounded(void **state)
{
	struct weir_workload_reader *readers[WEIR_WORKLOAD_READERS], *another;
	struct weir_workloads *workloads;

	(void)state;
	assert_int_equal(weir_workloads_create("", &workloads), 0);
	for (unsigned i = 0; i < WEIR_WORKLOAD_READERS; i++) {
		assert_int_equal(weir_workload_reader_open(workloads, &readers[i]), 0);
	}
	assert_int_equal(weir_workload_reader_open(workloads, &another), -ENOSPC);
	weir_workload_reader_close(readers[3]);
	assert_int_equal(weir_workload_reader_open(workloads, &another), 0);
	weir_workloads_destroy(workloads);
}

#define READERS 4u
#define SWAPS 400u

struct reading {
	struct weir_workload_reader *reader;
	_Atomic unsigned *swaps;
};

/* Whatever is published, both pods of one table say the same. */
static void *read_much(void *arg)
{
	struct reading *reading = arg;
	uintptr_t rounds = 0;

	while (atomic_load(reading->swaps) < SWAPS || rounds < 1000) {
		const struct weir_workload_row *a, *b;

		weir_workload_hold(reading->reader);
		a = weir_workload_by_name(reading->reader, weir_str_of("a"), weir_str_of("shop"), 0);
		b = weir_workload_by_name(reading->reader, weir_str_of("b"), weir_str_of("shop"), 0);
		if (a == NULL || b == NULL || !weir_str_equal(a->pod->identity.app, b->pod->identity.app)) {
			return NULL;
		}
		weir_workload_release(reading->reader);
		rounds++;
	}
	return arg;
}

static void tables_are_swapped_under_many_readers(void **state)
{
	struct reading readings[READERS];
	pthread_t threads[READERS];
	struct weir_workloads *workloads;
	_Atomic unsigned swaps = 0;
	void *result;

	(void)state;
	assert_int_equal(weir_workloads_create("", &workloads), 0);
	for (unsigned i = 0; i < SWAPS; i++) {
		char app[16];
		const struct wanted_row rows[] = { { "a", app, 5, false, 0, FOREVER },
			{ "b", app, 6, false, 0, FOREVER } };

		snprintf(app, sizeof(app), "app-%u", i);
		assert_int_equal(weir_workloads_publish(workloads, table_make(rows, 2)), 0);
		for (unsigned k = 0; i == 0 && k < READERS; k++) {
			readings[k].swaps = &swaps;
			assert_int_equal(weir_workload_reader_open(workloads, &readings[k].reader), 0);
			assert_int_equal(pthread_create(&threads[k], NULL, read_much, &readings[k]), 0);
		}
		if (i % 7 == 0) {
			assert_int_equal(weir_workloads_want(workloads, NULL), 0);
		}
		atomic_store(&swaps, i + 1);
	}
	for (unsigned k = 0; k < READERS; k++) {
		pthread_join(threads[k], &result);
		assert_non_null(result);
		weir_workload_reader_close(readings[k].reader);
	}
	weir_workloads_destroy(workloads);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_the_pod_that_had_it_at_that_time),
		cmocka_unit_test(of_two_at_one_time_the_later_one_has_the_address),
		cmocka_unit_test(a_name_is_the_nearest_pod_that_has_it),
		cmocka_unit_test(an_address_of_the_host_is_nobody),
		cmocka_unit_test(an_address_of_the_host_that_a_pod_has_since_is_the_pods),
		cmocka_unit_test(a_table_of_many_finds_each),
		cmocka_unit_test(a_reader_keeps_what_it_holds),
		cmocka_unit_test(wanted_labels_and_table_are_swapped_apart),
		cmocka_unit_test(who_is_not_found_is_asked_for),
		cmocka_unit_test(an_address_of_the_host_is_asked_of_nobody_and_in_use),
		cmocka_unit_test(without_a_reader_nobody_is_known),
		cmocka_unit_test(readers_are_bounded),
		cmocka_unit_test(tables_are_swapped_under_many_readers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
