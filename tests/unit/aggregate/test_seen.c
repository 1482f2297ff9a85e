/* test_seen: each delta point is added once, in whichever order they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/point_scene.h"

static void delta(struct scene *scene, uint64_t time_ns, int64_t value)
{
	send_number(scene, "orders", WEIR_INSTRUMENT_SUM, DELTA, time_ns - 1, time_ns, value);
}

/* Several batches of one sender are under way at once, and some come again. */
static void delta_points_are_added_in_any_order(void **state)
{
	struct scene scene;

	(void)state;
	for (unsigned stride = 1; stride < 32; stride += 2) { /* odd: each of 32 once */
		scene_make(&scene, 100);
		for (unsigned round = 0; round < 2; round++) {
			for (unsigned i = 0; i < 32; i++) {
				uint64_t place = (uint64_t)i * stride % 32;

				delta(&scene, T0 + 10 + 10 * place, (int64_t)place + 1);
			}
		}
		assert_int_equal(only(&scene, "orders_total")->whole, 32 * 33 / 2);
		assert_int_equal(scene.snapshot->points_late, 32);
		scene_end(&scene);
	}
}

static void delta_points_of_one_time_differ_by_their_start(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	for (unsigned i = 0; i < 6; i++) {
		send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, DELTA, T0 + i % 3, T0 + 9, 1);
	}
	assert_int_equal(only(&scene, "orders_total")->whole, 3);
	scene_end(&scene);
}

/* What is older than all that is remembered cannot be told from what came. */
static void a_delta_point_that_is_too_late_is_counted_and_not_added(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	for (unsigned i = 0; i < 136; i++) {
		delta(&scene, T0 + 100 + 10 * (uint64_t)i, 1);
	}
	delta(&scene, T0 + 5, 1000);
	delta(&scene, T0 + 100 + 75, 1000); /* eight are forgotten, up to + 70; this one is after them */
	assert_int_equal(only(&scene, "orders_total")->whole, 1136);
	assert_int_equal(scene.snapshot->points_late, 1);
	scene_end(&scene);
}

/* No room to remember: as if each stream had its last time only. */
static void what_delta_streams_remember_is_bounded(void **state)
{
	struct weir_families *families;
	struct scene scene;
	char tier[16];

	(void)state;
	scene_make(&scene, 200); /* 3200 words for 150 streams, which would like 128 each */
	families = &scene.fold->points.families;
	for (unsigned i = 0; i < 60; i++) {
		batch_begin(&scene, "orders");
		for (unsigned k = 0; k < 150; k++) {
			struct weir_point *point =
				point_add(&scene, "orders", WEIR_INSTRUMENT_SUM, DELTA, T0 + i, T0 + i + 1);

			point->value.integer = 1;
			point->attr_first = scene.maker.attrs.count;
			point->attr_count = 1;
			snprintf(tier, sizeof(tier), "%u", k);
			batch_maker_tag(&scene.maker, "tier", tier);
		}
		batch_end(&scene);
	}
	assert_in_range(families->raw_total, families->max_words / 2, families->max_words * 3 / 4);
	assert_int_equal(scene.fold->points.late, 0);
	scene_end(&scene);
}

static void delta_histograms_are_added_in_any_order(void **state)
{
	static const uint8_t order[5] = { 3, 1, 5, 2, 4 };
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	for (unsigned i = 0; i < 10; i++) {
		send_latency(
			&scene, DELTA, T0, T0 + order[i % 5], (uint64_t[]){ 1, 0, order[i % 5] }, order[i % 5], 10);
	}
	assert_int_equal(only(&scene, "latency_milliseconds")->count, 5 + 15);
	assert_true(only(&scene, "latency_milliseconds")->sum == 15);
	assert_int_equal(scene.snapshot->points_late, 5);
	/* New bounds began; what came of the old ones is over. */
	send_latency(&scene, DELTA, T0, T0 + 20, (uint64_t[]){ 0, 1, 0 }, 4, 100);
	send_latency(&scene, DELTA, T0, T0 + 19, (uint64_t[]){ 0, 1, 0 }, 4, 10);
	send_latency(&scene, DELTA, T0, T0 + 18, (uint64_t[]){ 0, 1, 0 }, 4, 100);
	send_latency(&scene, DELTA, T0, T0 + 3, (uint64_t[]){ 0, 1, 0 }, 4, 100);
	assert_int_equal(only(&scene, "latency_milliseconds")->count, 1 + 1); /* the last came before */
	scene_end(&scene);
}

static void delta_exponential_histograms_are_added_in_any_order(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	send_size(&scene, DELTA, T0 + 3, 1, 4);
	send_size(&scene, DELTA, T0 + 1, 1, 4);
	send_size(&scene, DELTA, T0 + 2, 1, 4);
	send_size(&scene, DELTA, T0 + 1, 1, 4);
	assert_int_equal(only(&scene, "size")->count, 15);
	assert_int_equal(scene.snapshot->points_late, 1);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(delta_points_are_added_in_any_order),
		cmocka_unit_test(delta_points_of_one_time_differ_by_their_start),
		cmocka_unit_test(a_delta_point_that_is_too_late_is_counted_and_not_added),
		cmocka_unit_test(what_delta_streams_remember_is_bounded),
		cmocka_unit_test(delta_histograms_are_added_in_any_order),
		cmocka_unit_test(delta_exponential_histograms_are_added_in_any_order),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
