/* test_stat: counts of all threads are summed, and told row by row. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/stat.h"

#define ADDS 1000u

static const char *const signals[] = { "span", "access_log" };
static const char *const reasons[] = { "ring_full", "malformed", "too_large" };

static void *count(void *unused)
{
	for (unsigned i = 0; i < ADDS; i++) {
		weir_stat_add(WEIR_STAT_HTTP_2XX, 1);
		weir_stat_refused(1, 2, 3);
	}
	return unused;
}

/* More threads than there are sets of cells, some at the same time. */
static void counts_of_more_threads_than_cells_are_all_there(void **state)
{
	uint64_t before = weir_stat_get(WEIR_STAT_HTTP_2XX), refused_before = weir_stat_refused_get(1, 2);
	pthread_t threads[WEIR_STAT_THREADS + 16];
	const size_t n = sizeof(threads) / sizeof(threads[0]);

	(void)state;
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, count, NULL), 0);
	}
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(pthread_join(threads[i], NULL), 0);
	}
	assert_int_equal(weir_stat_get(WEIR_STAT_HTTP_2XX) - before, n * ADDS);
	assert_int_equal(weir_stat_refused_get(1, 2) - refused_before, 3 * n * ADDS);
}

static void counters_do_not_mix(void **state)
{
	uint64_t other = weir_stat_get(WEIR_STAT_HTTP_5XX), refused = weir_stat_refused_get(0, 1);

	(void)state;
	weir_stat_add(WEIR_STAT_HTTP_4XX, 5);
	weir_stat_refused(0, 0, 2);
	assert_int_equal(weir_stat_get(WEIR_STAT_HTTP_5XX), other);
	assert_int_equal(weir_stat_refused_get(0, 1), refused);
}

struct seen { /* what weir_stat_each() told */
	struct {
		const char *name;
		char labels[160], help[256];
		uint64_t value;
		bool is_gauge;
	} rows[WEIR_STATS + WEIR_STAT_SIGNALS * WEIR_STAT_REASONS];
	size_t count;
};

static void note(void *ctx, const struct weir_stat_row *row)
{
	struct seen *seen = ctx;

	assert_true(seen->count < sizeof(seen->rows) / sizeof(seen->rows[0]));
	seen->rows[seen->count].name = row->name;
	snprintf(seen->rows[seen->count].labels, sizeof(seen->rows[0].labels), "%s", row->labels);
	snprintf(seen->rows[seen->count].help, sizeof(seen->rows[0].help), "%s", row->help);
	seen->rows[seen->count].is_gauge = row->is_gauge;
	seen->rows[seen->count++].value = row->value;
}

static size_t rows_of(const struct seen *seen, const char *name)
{
	size_t found = 0;

	for (size_t i = 0; i < seen->count; i++) {
		found += strcmp(seen->rows[i].name, name) == 0;
	}
	return found;
}

static uint64_t value_of(const struct seen *seen, const char *name, const char *labels)
{
	for (size_t i = 0; i < seen->count; i++) {
		if (strcmp(seen->rows[i].name, name) == 0 && strcmp(seen->rows[i].labels, labels) == 0) {
			return seen->rows[i].value;
		}
	}
	return UINT64_MAX;
}

static void rows_of_a_name_stand_together_below_one_help(void **state)
{
	static struct seen seen;

	(void)state;
	seen.count = 0;
	weir_stat_name_refusals(signals, 2, reasons, 3);
	weir_stat_each(note, &seen);
	assert_int_equal(seen.count, WEIR_STATS + 6);
	assert_int_equal(rows_of(&seen, "weir_refused_items_total"), 6);
	for (size_t i = 0; i < seen.count; i++) {
		bool is_first = i == 0 || strcmp(seen.rows[i].name, seen.rows[i - 1].name) != 0;

		assert_int_equal(seen.rows[i].help[0] != '\0', is_first);
		for (size_t j = 0; j < i && is_first; j++) {
			assert_string_not_equal(seen.rows[i].name, seen.rows[j].name);
		}
		assert_true(is_first || seen.rows[i].is_gauge == seen.rows[i - 1].is_gauge);
	}
}

static void a_row_has_its_labels_and_its_sum(void **state)
{
	static struct seen seen;

	(void)state;
	seen.count = 0;
	weir_stat_name_refusals(signals, 2, reasons, 3);
	weir_stat_add(WEIR_STAT_HTTP_3XX, 7);
	weir_stat_refused(0, 1, 11);
	weir_stat_each(note, &seen);
	assert_int_equal(
		value_of(&seen, "weir_http_responses_total", "class=\"3xx\""), weir_stat_get(WEIR_STAT_HTTP_3XX));
	assert_int_equal(value_of(&seen, "weir_refused_items_total", "signal=\"span\",reason=\"malformed\""),
		weir_stat_refused_get(0, 1));
	assert_true(weir_stat_refused_get(0, 1) >= 11);
}

static void without_names_refusals_are_not_there(void **state)
{
	static struct seen seen;

	(void)state;
	seen.count = 0;
	weir_stat_name_refusals(NULL, 0, NULL, 0);
	weir_stat_each(note, &seen);
	assert_int_equal(rows_of(&seen, "weir_refused_items_total"), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_of_more_threads_than_cells_are_all_there),
		cmocka_unit_test(counters_do_not_mix),
		cmocka_unit_test(rows_of_a_name_stand_together_below_one_help),
		cmocka_unit_test(a_row_has_its_labels_and_its_sum),
		cmocka_unit_test(without_names_refusals_are_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
