/* test_stat: counts of all threads are summed, and rendered as Prometheus reads them. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

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

static size_t lines_that_begin(const char *text, const char *prefix)
{
	size_t found = 0, length = strlen(prefix);

	while (text != NULL && *text != '\0') {
		found += strncmp(text, prefix, length) == 0;
		text = strchr(text, '\n');
		text = text != NULL ? text + 1 : NULL;
	}
	return found;
}

static void every_family_has_one_help_and_all_its_rows(void **state)
{
	static const char *const names[] = {
#define WEIR_STAT(id, kind, name, labels, help) name,
#include "base/stat.def"
#undef WEIR_STAT
	};
	struct weir_buf text;
	char line[256];

	(void)state;
	weir_stat_name_refusals(signals, 2, reasons, 3);
	weir_buf_init(&text, 0);
	weir_stat_render(&text);
	weir_buf_add_char(&text, '\0');
	for (size_t i = 0; i < WEIR_STATS; i++) {
		size_t rows = 0;

		for (size_t j = 0; j < WEIR_STATS; j++) {
			rows += strcmp(names[i], names[j]) == 0;
		}
		snprintf(line, sizeof(line), "# HELP %s ", names[i]);
		assert_int_equal(lines_that_begin(text.data, line), 1);
		snprintf(line, sizeof(line), "# TYPE %s ", names[i]);
		assert_int_equal(lines_that_begin(text.data, line), 1);
		snprintf(line, sizeof(line), "%s{", names[i]);
		size_t found = lines_that_begin(text.data, line);
		snprintf(line, sizeof(line), "%s ", names[i]);
		assert_int_equal(found + lines_that_begin(text.data, line), rows);
	}
	assert_int_equal(lines_that_begin(text.data, "# TYPE weir_refused_items_total counter\n"), 1);
	assert_int_equal(lines_that_begin(text.data, "weir_refused_items_total{"), 6);
	weir_buf_fini(&text);
}

static void a_row_shows_its_labels_and_its_sum(void **state)
{
	struct weir_buf text;
	char line[256];

	(void)state;
	weir_stat_name_refusals(signals, 2, reasons, 3);
	weir_stat_add(WEIR_STAT_HTTP_3XX, 7);
	weir_stat_refused(0, 1, 11);
	weir_buf_init(&text, 0);
	weir_stat_render(&text);
	weir_buf_add_char(&text, '\0');
	snprintf(line, sizeof(line), "weir_http_responses_total{class=\"3xx\"} %llu\n",
		(unsigned long long)weir_stat_get(WEIR_STAT_HTTP_3XX));
	assert_int_equal(lines_that_begin(text.data, line), 1);
	snprintf(line, sizeof(line), "weir_refused_items_total{signal=\"span\",reason=\"malformed\"} %llu\n",
		(unsigned long long)weir_stat_refused_get(0, 1));
	assert_int_equal(lines_that_begin(text.data, line), 1);
	weir_buf_fini(&text);
}

static void without_names_refusals_are_not_shown(void **state)
{
	struct weir_buf text;

	(void)state;
	weir_stat_name_refusals(NULL, 0, NULL, 0);
	weir_buf_init(&text, 0);
	weir_stat_render(&text);
	weir_buf_add_char(&text, '\0');
	assert_null(strstr(text.data, "weir_refused_items_total"));
	weir_buf_fini(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_of_more_threads_than_cells_are_all_there),
		cmocka_unit_test(counters_do_not_mix),
		cmocka_unit_test(every_family_has_one_help_and_all_its_rows),
		cmocka_unit_test(a_row_shows_its_labels_and_its_sum),
		cmocka_unit_test(without_names_refusals_are_not_shown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
