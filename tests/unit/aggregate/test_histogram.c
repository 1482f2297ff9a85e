/* test_histogram: a value equal to a bound is within it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/histogram.h"
#include "aggregate/latency.h"

static void buckets_are_those_of_the_bounds(void **state)
{
	struct weir_histogram ms, us;

	(void)state;
	weir_histogram_init(&ms, weir_latency_bounds_ms, WEIR_LATENCY_BOUNDS, 1);
	weir_histogram_init(&us, weir_latency_bounds_ms, WEIR_LATENCY_BOUNDS, 1000);
	for (uint64_t value = 0; value < 4000000; value += 1 + value / 50) {
		uint32_t expected = 0;

		while (expected < WEIR_LATENCY_BOUNDS && (double)value > weir_latency_bounds_ms[expected]) {
			expected++;
		}
		assert_int_equal(weir_histogram_bucket(&ms, value), expected);
		assert_int_equal(weir_histogram_bucket(&us, value * 1000), expected);
	}
}

static void bounds_belong_to_their_bucket_and_what_is_beyond_is_infinite(void **state)
{
	struct weir_histogram ms, us;

	(void)state;
	weir_histogram_init(&ms, weir_latency_bounds_ms, WEIR_LATENCY_BOUNDS, 1);
	weir_histogram_init(&us, weir_latency_bounds_ms, WEIR_LATENCY_BOUNDS, 1000);
	assert_int_equal(weir_histogram_bucket(&ms, 0), 0);
	assert_int_equal(weir_histogram_bucket(&ms, 1), 1);
	assert_int_equal(weir_histogram_bucket(&ms, 5), 2);
	assert_int_equal(weir_histogram_bucket(&ms, 6), 3);
	assert_int_equal(weir_histogram_bucket(&us, 500), 0);
	assert_int_equal(weir_histogram_bucket(&us, 501), 1);
	assert_int_equal(weir_histogram_bucket(&ms, 3600000), WEIR_LATENCY_BOUNDS - 1);
	assert_int_equal(weir_histogram_bucket(&ms, UINT64_MAX), WEIR_LATENCY_BOUNDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(buckets_are_those_of_the_bounds),
		cmocka_unit_test(bounds_belong_to_their_bucket_and_what_is_beyond_is_infinite),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
