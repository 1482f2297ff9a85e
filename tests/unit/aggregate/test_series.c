/* test_series: label sets have cells, a budget and an overflow. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/series.h"

static const char labels[] = "reporter=\"source\",source_workload=\"a\\\"b\",response_code=\"200\","
			     "destination_service=\"x\\\\\",request_protocol=\"http\"";

static struct weir_str text_of(char *text, size_t size, unsigned i)
{
	int length = snprintf(text, size, "reporter=\"source\",source_workload=\"w%u\",response_code=\"%u\"", i, i);

	return weir_str_make(text, (size_t)length);
}

static void a_label_set_is_found_again_and_groups_are_apart(void **state)
{
	struct weir_series series;
	uint32_t request, tcp;

	(void)state;
	weir_series_init(&series, 100, 1);
	request = weir_series_set(&series, WEIR_SERIES_REQUEST, weir_str_of(labels), 5);
	tcp = weir_series_set(&series, WEIR_SERIES_TCP, weir_str_of(labels), 6);
	assert_int_not_equal(request, tcp);
	assert_int_equal(weir_series_set(&series, WEIR_SERIES_REQUEST, weir_str_of(labels), 7), request);
	assert_int_equal(series.sets[request].created_ns, 5);
	assert_int_equal(series.live_series, 8);
	assert_int_equal(weir_series_count(&series, WEIR_REQUEST_DURATION), 1);
	assert_int_equal(weir_series_count(&series, WEIR_REQUEST_MESSAGES), 0);
	weir_series_fini(&series);
}

static void overflow_keeps_three_labels_and_reads_escapes(void **state)
{
	struct weir_series series;
	uint32_t set;

	(void)state;
	weir_series_init(&series, 3, 1); /* no room for even one set of four */
	set = weir_series_set(&series, WEIR_SERIES_REQUEST, weir_str_of(labels), 5);
	assert_true(series.sets[set].is_overflow);
	assert_true(weir_str_is(weir_text_str(&series.labels, set),
		"reporter=\"source\",source_workload=\"_overflow\",response_code=\"200\","
		"destination_service=\"_overflow\",request_protocol=\"http\""));
	assert_int_equal(weir_series_set(&series, WEIR_SERIES_REQUEST, weir_str_of(labels), 5), set);
	weir_series_count_request(&series, set, 1, 2, 3);
	assert_int_equal(series.overflowed, 1);
	assert_int_equal(series.live_series, 0);
	weir_series_fini(&series);
}

static void overflow_itself_is_bounded(void **state)
{
	struct weir_series series;
	char text[128];

	(void)state;
	weir_series_init(&series, 40, 1);
	for (unsigned i = 0; i < 3000; i++) {
		uint32_t set = weir_series_set(&series, WEIR_SERIES_REQUEST, text_of(text, sizeof(text), i), 5);

		weir_series_count_request(&series, set, 1, 2, 3);
	}
	assert_int_equal(series.live_series, 40);
	assert_int_equal(series.overflow_sets, 513);
	assert_int_equal(series.overflowed, 2990);
	weir_series_fini(&series);
}

static void a_text_that_is_too_long_overflows_whatever_the_budget(void **state)
{
	struct weir_series series;
	struct weir_buf text;
	uint32_t set;

	(void)state;
	weir_series_init(&series, 1000, 1);
	weir_buf_init(&text, 0);
	weir_buf_add_text(&text, "reporter=\"source\",source_workload=\"");
	for (unsigned i = 0; i < 10000; i++) {
		weir_buf_add_char(&text, 'x');
	}
	weir_buf_add_char(&text, '"');
	set = weir_series_set(&series, WEIR_SERIES_REQUEST, weir_buf_str(&text), 5);
	assert_true(
		weir_str_is(weir_text_str(&series.labels, set), "reporter=\"source\",source_workload=\"_overflow\""));
	weir_buf_fini(&text);
	weir_series_fini(&series);
}

static void a_delta_has_only_what_moved_and_each_text_once(void **state)
{
	struct weir_series series;
	struct weir_buf bytes;
	uint32_t sets[50];
	char text[128];

	(void)state;
	weir_series_init(&series, 1000, 1);
	weir_buf_init(&bytes, 0);
	for (unsigned i = 0; i < 50; i++) {
		sets[i] = weir_series_set(&series, WEIR_SERIES_REQUEST, text_of(text, sizeof(text), i), 5);
	}
	weir_series_save(&series, false, &bytes);
	assert_true(bytes.length > 50 * 60);
	weir_buf_clear(&bytes);
	weir_series_count_request(&series, sets[7], 1, 2, 3);
	weir_series_count_request(&series, sets[7], 1, 2, 3);
	weir_series_save(&series, false, &bytes);
	assert_true(bytes.length < 60);
	assert_null(memmem(bytes.data, bytes.length, "reporter", 8));
	assert_int_equal(series.dirty_count, 0);
	weir_buf_fini(&bytes);
	weir_series_fini(&series);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_label_set_is_found_again_and_groups_are_apart),
		cmocka_unit_test(overflow_keeps_three_labels_and_reads_escapes),
		cmocka_unit_test(overflow_itself_is_bounded),
		cmocka_unit_test(a_text_that_is_too_long_overflows_whatever_the_budget),
		cmocka_unit_test(a_delta_has_only_what_moved_and_each_text_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
