/* test_point: what points of every kind make of their series. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "rules/passthrough.h"
#include "support/point_scene.h"

static void a_gauge_is_its_latest_value_in_any_order(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	send_number(&scene, "queue.size", WEIR_INSTRUMENT_GAUGE, 0, 0, T0 + 5, 7);
	send_number(&scene, "queue.size", WEIR_INSTRUMENT_GAUGE, 0, 0, T0 + 9, -3);
	send_number(&scene, "queue.size", WEIR_INSTRUMENT_GAUGE, 0, 0, T0 + 6, 8);
	assert_int_equal(only(&scene, "queue_size")->whole, -3);
	assert_int_equal(scene.snapshot->families[0].exposed, WEIR_EXPOSED_GAUGE);
	assert_int_equal(scene.snapshot->points_late, 1);
	scene_end(&scene);
}

static void a_cumulative_sum_goes_on_over_a_restart_of_its_sender(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, CUMULATIVE, 10, T0 + 1, 5);
	assert_int_equal(only(&scene, "orders_total")->whole, 5);
	send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, CUMULATIVE, 10, T0 + 2, 9);
	assert_int_equal(only(&scene, "orders_total")->whole, 9);
	send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, CUMULATIVE, 20, T0 + 3, 9); /* a later start */
	assert_int_equal(only(&scene, "orders_total")->whole, 18);
	send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, CUMULATIVE, 20, T0 + 4, 2); /* a smaller value */
	assert_int_equal(only(&scene, "orders_total")->whole, 20);
	send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, CUMULATIVE, 20, T0 + 4, 3); /* the same time */
	assert_int_equal(only(&scene, "orders_total")->whole, 20);
	assert_int_equal(only(&scene, "orders_total")->created_ns, T0);
	scene_end(&scene);
}

/* Two processes that call themselves the same take turns, one of them on the very same times. */
static void processes_of_one_name_are_told_by_when_they_began(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	for (uint64_t i = 0; i < 5; i++) {
		send_number(&scene, "calls", WEIR_INSTRUMENT_SUM, CUMULATIVE, T0 - 4 * S, T0 + 2 * i * S,
			10 + 2 * (int64_t)i);
		send_number(
			&scene, "calls", WEIR_INSTRUMENT_SUM, CUMULATIVE, T0 - 2 * S, T0 + 2 * i * S, 5 + (int64_t)i);
		send_number(&scene, "calls", WEIR_INSTRUMENT_SUM, CUMULATIVE, T0 - 3 * S, T0 + (2 * i + 1) * S, 100);
	}
	assert_int_equal(only(&scene, "calls_total")->whole, 18 + 9 + 100);
	/* Restarts without end: who was silent the longest is forgotten, the others go on. */
	for (uint64_t i = 0; i < 50; i++) {
		send_number(&scene, "calls", WEIR_INSTRUMENT_SUM, CUMULATIVE, T0 + (20 + i) * S, T0 + (21 + i) * S, 1);
	}
	assert_int_equal(only(&scene, "calls_total")->whole, 127 + 50);
	assert_int_equal(scene.fold->points.count, 8);
	send_number(&scene, "calls", WEIR_INSTRUMENT_SUM, CUMULATIVE, T0 + UINT64_C(69) * S, T0 + UINT64_C(90) * S, 3);
	assert_int_equal(only(&scene, "calls_total")->whole, 127 + 50 + 2);
	assert_int_equal(scene.fold->points.late, 0);
	scene_end(&scene);
}

static void delta_points_are_added_once_for_each_time(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, DELTA, T0, T0 + 1, 5);
	send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, DELTA, T0 + 1, T0 + 2, 6);
	send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, DELTA, T0 + 1, T0 + 2, 6);
	send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, DELTA, T0, T0 + 1, 5);
	assert_int_equal(only(&scene, "orders_total")->whole, 11);
	assert_int_equal(scene.snapshot->points_late, 2);
	send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, DELTA, T0 + 2, T0 + 3, -4);
	assert_int_equal(only(&scene, "orders_total")->whole, 11);
	scene_end(&scene);
}

static void an_up_down_sum_is_a_gauge_delta_or_not(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	for (int i = 0; i < 3; i++) {
		batch_begin(&scene, "orders");
		point_add(&scene, "inflight", WEIR_INSTRUMENT_SUM, DELTA, T0, T0 + 1 + (uint64_t)i)->value.integer =
			i == 1 ? -5 : 2;
		batch_maker_instrument_row(&scene.maker, 0)->is_monotonic = 0;
		batch_end(&scene);
	}
	assert_int_equal(only(&scene, "inflight")->whole, -1);
	assert_int_equal(scene.snapshot->families[0].exposed, WEIR_EXPOSED_GAUGE);
	scene_end(&scene);
}

static void histograms_add_up_and_start_anew_with_new_bounds(void **state)
{
	struct scene scene;
	const struct weir_point_view *view;

	(void)state;
	scene_make(&scene, 100);
	send_latency(&scene, DELTA, T0, T0 + 1, (uint64_t[]){ 1, 2, 3 }, 20.5, 10);
	send_latency(&scene, DELTA, T0, T0 + 2, (uint64_t[]){ 0, 1, 0 }, 4, 10);
	send_latency(&scene, DELTA, T0, T0 + 2, (uint64_t[]){ 0, 1, 0 }, 4, 10);
	view = only(&scene, "latency_milliseconds");
	assert_int_equal(view->form, WEIR_POINT_HISTOGRAM);
	assert_int_equal(view->count, 7);
	assert_true(view->sum == 24.5);
	assert_int_equal(view->counts[1], 3);
	assert_int_equal(view->created_ns, T0);
	send_latency(&scene, DELTA, T0, T0 + 3, (uint64_t[]){ 0, 1, 0 }, 4, 100);
	view = only(&scene, "latency_milliseconds");
	assert_int_equal(view->count, 1);
	assert_true(view->bounds[1] == 100);
	assert_int_equal(view->created_ns, T0 + 3 * S);
	scene_end(&scene);
}

static void a_histogram_of_nothing_leaves_the_buckets_of_its_series(void **state)
{
	static const uint64_t counts[3] = { 1, 2, 3 };
	static const unsigned temporalities[2] = { DELTA, CUMULATIVE };

	(void)state;
	for (unsigned i = 0; i < 2; i++) {
		struct scene scene;
		const struct weir_point_view *view;

		scene_make(&scene, 100);
		send_latency(&scene, temporalities[i], 5, T0, counts, 10, 2);
		batch_begin(&scene, "orders");
		point_add(&scene, "latency", WEIR_INSTRUMENT_HISTOGRAM, temporalities[i], 5, T0 + 1);
		batch_maker_instrument_row(&scene.maker, 0)->unit = batch_maker_text(&scene.maker, "ms");
		batch_end(&scene);
		send_latency(&scene, temporalities[i], 5, T0 + 2, counts, 10, 2);
		view = only(&scene, "latency_milliseconds");
		assert_int_equal(view->bound_count, 2);
		assert_int_equal(view->count, 12); /* cumulative: it fell to 0, so it began again */
		assert_true(view->sum == 20);
		scene_end(&scene);
	}
}

static void cumulative_histograms_are_as_they_say_and_go_on_over_a_restart(void **state)
{
	struct scene scene;
	const struct weir_point_view *view;

	(void)state;
	scene_make(&scene, 100);
	send_latency(&scene, CUMULATIVE, 5, T0 + 1, (uint64_t[]){ 1, 2, 3 }, 20, 10);
	send_latency(&scene, CUMULATIVE, 5, T0 + 2, (uint64_t[]){ 1, 4, 3 }, 30, 10);
	view = only(&scene, "latency_milliseconds");
	assert_int_equal(view->count, 8);
	assert_true(view->sum == 30);
	send_latency(&scene, CUMULATIVE, 6, T0 + 3, (uint64_t[]){ 2, 0, 0 }, 1, 10);
	view = only(&scene, "latency_milliseconds");
	assert_int_equal(view->count, 10);
	assert_int_equal(view->counts[0], 3);
	assert_true(view->sum == 31);
	scene_end(&scene);
}

static void exponential_histograms_meet_at_the_coarser_scale(void **state)
{
	struct scene scene;
	const struct weir_point_view *view;

	(void)state;
	scene_make(&scene, 100);
	send_size(&scene, DELTA, T0 + 1, 1, 4);  /* 4, 6, 7 of scale 1 are 2, 3, 3 of scale 0 */
	send_size(&scene, DELTA, T0 + 2, 0, 10); /* 10, 12, 13 */
	view = only(&scene, "size");
	assert_int_equal(view->form, WEIR_POINT_EXPONENTIAL);
	assert_int_equal(view->scale, 0);
	assert_int_equal(view->positive.first, 2);
	assert_int_equal(view->positive.count, 12);
	assert_int_equal(view->positive.counts[0], 1);
	assert_int_equal(view->positive.counts[1], 3);
	assert_int_equal(view->positive.counts[10], 2);
	assert_int_equal(view->count, 10);
	assert_int_equal(view->zero_count, 2);
	assert_true(view->sum == 20);
	scene_end(&scene);
}

static void a_cumulative_exponential_histogram_is_what_it_says_at_its_scale_now(void **state)
{
	struct scene scene;
	const struct weir_point_view *view;

	(void)state;
	scene_make(&scene, 100);
	send_size(&scene, CUMULATIVE, T0 + 1, 1, 4);
	send_size(&scene, CUMULATIVE, T0 + 2, 1, 4);
	view = only(&scene, "size");
	assert_int_equal(view->count, 5);
	assert_int_equal(view->zero_count, 1);
	assert_true(view->sum == 10);
	scene_end(&scene);
}

static void a_summary_is_its_latest(void **state)
{
	const double quantiles[2] = { 0.5, 0.99 }, values[2] = { 3, 70 };
	const struct weir_point_view *view;
	struct weir_point *point;
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	batch_begin(&scene, "orders");
	point = point_add(&scene, "rpc", WEIR_INSTRUMENT_SUMMARY, 0, 0, T0);
	point->bounds = batch_maker_numbers(&scene.maker, quantiles, 2);
	point->counts = batch_maker_numbers(&scene.maker, values, 2);
	point->count = 12;
	point->sum = 99.5;
	batch_end(&scene);
	view = only(&scene, "rpc");
	assert_int_equal(view->form, WEIR_POINT_SUMMARY);
	assert_int_equal(view->count, 12);
	assert_int_equal(view->bound_count, 2);
	assert_true(view->bounds[2] == 0.99 && view->bounds[3] == 70);
	scene_end(&scene);
}

/* Two replicas that say nothing of what tells them apart are one series, and the sum of both. */
static void streams_of_one_series_add_up(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	for (unsigned i = 0; i < 6; i++) {
		struct weir_resource *resource;

		batch_begin(&scene, "orders");
		resource = (struct weir_resource *)scene.maker.resources.data;
		resource->attr_first = scene.maker.attrs.count;
		resource->attr_count = 1;
		batch_maker_tag(&scene.maker, "process.pid", i % 2 == 0 ? "1" : "2");
		point_add(&scene, "orders", WEIR_INSTRUMENT_SUM, CUMULATIVE, 1, T0 + 1 + i)->value.integer = 10 + i;
		batch_end(&scene);
	}
	assert_int_equal(only(&scene, "orders_total")->whole, 14 + 15);
	scene_end(&scene);
}

static void the_order_of_attributes_makes_no_other_series(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	for (unsigned i = 0; i < 2; i++) {
		struct weir_point *point;

		batch_begin(&scene, "orders");
		point = point_add(&scene, "orders", WEIR_INSTRUMENT_SUM, CUMULATIVE, 1, T0 + 1 + i);
		point->value.integer = 4;
		point->attr_first = scene.maker.attrs.count;
		point->attr_count = 2;
		batch_maker_tag(&scene.maker, i == 0 ? "b" : "a", i == 0 ? "2" : "1");
		batch_maker_tag(&scene.maker, i == 0 ? "a" : "b", i == 0 ? "1" : "2");
		batch_end(&scene);
	}
	assert_int_equal(only(&scene, "orders_total")->whole, 4);
	assert_true(weir_str_is(scene.snapshot->families[0].points->labels, "job=\"orders\",a=\"1\",b=\"2\""));
	scene_end(&scene);
}

static void no_name_has_two_types(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	send_number(&scene, "orders", WEIR_INSTRUMENT_GAUGE, 0, 0, T0, 1);
	batch_begin(&scene, "orders");
	point_add(&scene, "orders", WEIR_INSTRUMENT_SUMMARY, 0, 0, T0);
	batch_end(&scene);
	batch_begin(&scene, "orders");
	point_add(&scene, "orders.sum", WEIR_INSTRUMENT_GAUGE, 0, 0, T0);
	batch_end(&scene);
	send_latency(&scene, DELTA, T0, T0 + 1, (uint64_t[]){ 1, 2, 3 }, 20.5, 10);
	send_number(&scene, "latency.milliseconds.bucket", WEIR_INSTRUMENT_GAUGE, 0, 0, T0, 1);
	send_number(&scene, "weir.series", WEIR_INSTRUMENT_GAUGE, 0, 0, T0, 1);
	send_number(&scene, "process.open.fds", WEIR_INSTRUMENT_GAUGE, 0, 0, T0, 1);
	assert_int_equal(only(&scene, "orders")->form, WEIR_POINT_NUMBER);
	assert_non_null(family_of(&scene, "orders_sum")); /* a gauge named orders has no samples of its own */
	assert_null(family_of(&scene, "latency_milliseconds_bucket"));
	assert_null(family_of(&scene, "weir_series"));
	assert_null(family_of(&scene, "process_open_fds"));
	assert_int_equal(scene.snapshot->points_conflicting, 4);
	scene_end(&scene);
}

static void beyond_the_budget_counters_overflow_and_gauges_are_left_out(void **state)
{
	const struct weir_family_view *family;
	struct scene scene;
	char value[16];
	int64_t sum = 0;

	(void)state;
	scene_make(&scene, 10); /* half of it is for points */
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 8; i++) {
			struct weir_point *point;

			batch_begin(&scene, "orders");
			point = point_add(&scene, "orders", WEIR_INSTRUMENT_SUM, CUMULATIVE, 1, T0 + 1 + round);
			point->value.integer = 100 * (round + 1);
			point->attr_first = scene.maker.attrs.count;
			point->attr_count = 1;
			snprintf(value, sizeof(value), "%u", i);
			batch_maker_tag(&scene.maker, "tier", value);
			batch_end(&scene);
		}
	}
	send_number(&scene, "queue", WEIR_INSTRUMENT_GAUGE, 0, 0, T0, 1);
	family = family_of(&scene, "orders_total");
	assert_int_equal(family->point_count, 6);
	for (uint32_t i = 0; i < family->point_count; i++) {
		sum += family->points[i].whole;
	}
	assert_int_equal(sum, 1600);
	assert_true(weir_str_is(family->points[5].labels, "otel_metric_overflow=\"true\""));
	assert_int_equal(family->points[5].whole, 600);
	assert_int_equal(scene.snapshot->points_total, 5);
	assert_int_equal(scene.snapshot->points_overflowed, 7);
	assert_int_equal(family_of(&scene, "queue")->point_count, 0);
	scene_end(&scene);
}

/* What streams keep of what they said is bounded as the cells are. */
static void wide_cumulative_streams_are_bounded(void **state)
{
	struct weir_families *families;
	struct scene scene;
	char name[32];

	(void)state;
	scene_make(&scene, 2000);
	families = &scene.fold->points.families;
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned i = 0; i < 400; i++) {
			const uint64_t counts[1] = { 1 + round };
			struct weir_point *point;

			batch_begin(&scene, "orders");
			snprintf(name, sizeof(name), "size.%u", i / 50);
			point = point_add(&scene, name, WEIR_INSTRUMENT_EXPONENTIAL, CUMULATIVE, 5, T0 + round + 1);
			point->counts = batch_maker_numbers(&scene.maker, counts, 1);
			point->attr_count = 1;
			snprintf(name, sizeof(name), "%u", i);
			batch_maker_tag(&scene.maker, "part", name);
			batch_end(&scene);
		}
	}
	assert_in_range(families->word_total, 1, families->max_words);
	assert_in_range(families->raw_total, 1, families->max_words);
	assert_true(families->overflowed > 0);
	assert_int_equal(scene.fold->points.late, 0);
	scene_end(&scene);
}

static void a_reset_begins_all_of_them_anew(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, CUMULATIVE, 1, T0 + 1, 5);
	weir_fold_reset_counters(scene.fold, T0 + 100 * S);
	assert_null(family_of(&scene, "orders_total"));
	send_number(&scene, "orders", WEIR_INSTRUMENT_SUM, CUMULATIVE, 1, T0 + 2, 7);
	assert_int_equal(only(&scene, "orders_total")->whole, 7);
	assert_int_equal(only(&scene, "orders_total")->created_ns, T0 + 100 * S);
	scene_end(&scene);
}

static void target_info_is_told_once_and_follows_its_resource(void **state)
{
	const struct weir_family_view *family;
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	for (unsigned i = 0; i < 3; i++) {
		struct weir_resource *resource;

		batch_begin(&scene, "orders");
		resource = (struct weir_resource *)scene.maker.resources.data;
		resource->attr_first = scene.maker.attrs.count;
		resource->attr_count = 3;
		batch_maker_tag(&scene.maker, "service.name", "orders");
		batch_maker_tag(&scene.maker, "service.instance.id", "a");
		batch_maker_tag(&scene.maker, "service.version", i < 2 ? "1" : "2");
		point_add(&scene, "orders", WEIR_INSTRUMENT_SUM, CUMULATIVE, 1, T0 + 1 + i)->value.integer = 4;
		batch_end(&scene);
	}
	family = family_of(&scene, "target_info");
	assert_int_equal(family->point_count, 1);
	assert_int_equal(family->points[0].whole, 1);
	assert_true(weir_str_is(family->points[0].labels, "job=\"orders\",instance=\"a\",service_version=\"2\""));
	assert_int_equal(only(&scene, "orders_total")->whole, 4); /* the same instance: the same stream */
	scene_end(&scene);
}

static void malformed_arrays_move_nothing(void **state)
{
	const double bounds[2] = { 5, 1 };
	const uint64_t counts[3] = { 1, 1, 1 };
	struct weir_point *point;
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	batch_begin(&scene, "orders");
	point = point_add(&scene, "latency", WEIR_INSTRUMENT_HISTOGRAM, DELTA, T0, T0 + 1);
	point->bounds = batch_maker_numbers(&scene.maker, bounds, 2); /* not ascending */
	point->counts = batch_maker_numbers(&scene.maker, counts, 3);
	point = point_add(&scene, "size", WEIR_INSTRUMENT_EXPONENTIAL, DELTA, T0, T0 + 1);
	point->scale = 1000;
	batch_end(&scene);
	assert_int_equal(family_of(&scene, "latency")->point_count, 0);
	assert_int_equal(only(&scene, "size")->count, 0);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_gauge_is_its_latest_value_in_any_order),
		cmocka_unit_test(a_cumulative_sum_goes_on_over_a_restart_of_its_sender),
		cmocka_unit_test(processes_of_one_name_are_told_by_when_they_began),
		cmocka_unit_test(delta_points_are_added_once_for_each_time),
		cmocka_unit_test(an_up_down_sum_is_a_gauge_delta_or_not),
		cmocka_unit_test(histograms_add_up_and_start_anew_with_new_bounds),
		cmocka_unit_test(a_histogram_of_nothing_leaves_the_buckets_of_its_series),
		cmocka_unit_test(cumulative_histograms_are_as_they_say_and_go_on_over_a_restart),
		cmocka_unit_test(exponential_histograms_meet_at_the_coarser_scale),
		cmocka_unit_test(a_cumulative_exponential_histogram_is_what_it_says_at_its_scale_now),
		cmocka_unit_test(a_summary_is_its_latest),
		cmocka_unit_test(streams_of_one_series_add_up),
		cmocka_unit_test(the_order_of_attributes_makes_no_other_series),
		cmocka_unit_test(no_name_has_two_types),
		cmocka_unit_test(beyond_the_budget_counters_overflow_and_gauges_are_left_out),
		cmocka_unit_test(wide_cumulative_streams_are_bounded),
		cmocka_unit_test(a_reset_begins_all_of_them_anew),
		cmocka_unit_test(target_info_is_told_once_and_follows_its_resource),
		cmocka_unit_test(malformed_arrays_move_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
