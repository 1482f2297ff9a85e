/* test_point_expire: what goes when nothing comes, what is left of it, and how it comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/batch_random.h"
#include "support/point_scene.h"

static void a_counter_that_comes_back_begins_at_what_it_grew_by(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	counter(&scene, "orders", "sold", 100);
	counter(&scene, "orders", "sold", 120);
	later(&scene, EXPIRY - 5 * S);
	assert_int_equal(only(&scene, "sold_total")->whole, 120);
	later(&scene, 5 * S);
	assert_int_equal(family_of(&scene, "sold_total")->point_count, 0);
	assert_true(expired_of(scene.fold, "sold_total") == 120);
	assert_int_equal(expired_since(scene.fold, "sold_total"), BEGAN);
	assert_int_equal(scene.fold->points.families.live_series, 1); /* somebody else's */
	assert_int_equal(scene.fold->points.asleep, 1);
	later(&scene, 100 * S);
	counter(&scene, "orders", "sold", 127);
	assert_int_equal(only(&scene, "sold_total")->whole, 7);
	assert_int_equal(only(&scene, "sold_total")->created_ns, scene.now_ns - S);
	assert_true(expired_of(scene.fold, "sold_total") == 120);
	assert_int_equal(scene.fold->points.asleep, 0);
	counter(&scene, "orders", "sold", 5); /* began again */
	assert_int_equal(only(&scene, "sold_total")->whole, 12);
	scene_end(&scene);
}

static void a_series_lives_while_one_of_its_streams_does(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	for (unsigned i = 0; i < 4; i++) {
		struct weir_point *point = point_begin(&scene, "orders", "sold", WEIR_INSTRUMENT_SUM, CUMULATIVE);

		point->start_ns = T0 - (i == 0 ? 20 : 10) * S; /* two processes of one name */
		point->value.integer = 10 + i;
		point_end(&scene);
		later(&scene, EXPIRY / 2);
	}
	assert_int_equal(only(&scene, "sold_total")->whole, 10 + 13);
	assert_int_equal(scene.fold->points.asleep, 1);
	point_begin(&scene, "orders", "sold", WEIR_INSTRUMENT_SUM, CUMULATIVE)->value.integer = 15;
	((struct weir_point *)scene.maker.points.data)->start_ns = T0 - 20 * S;
	point_end(&scene);
	assert_int_equal(only(&scene, "sold_total")->whole, 15 + 13);
	assert_int_equal(only(&scene, "sold_total")->created_ns, T0);
	assert_int_equal(scene.fold->points.asleep, 0);
	assert_true(expired_of(scene.fold, NULL) == 0);
	scene_end(&scene);
}

static void gauges_and_target_info_leave_nothing_and_free_their_name(void **state)
{
	struct scene scene;
	struct weir_resource *resource;

	(void)state;
	scene_make(&scene, 100);
	point_begin(&scene, "orders", "queue", WEIR_INSTRUMENT_GAUGE, 0)->value.integer = 9;
	resource = (struct weir_resource *)scene.maker.resources.data;
	resource->attr_first = scene.maker.attrs.count;
	resource->attr_count = 1;
	batch_maker_tag(&scene.maker, "host.arch", "arm64");
	point_end(&scene);
	assert_int_equal(only(&scene, "target_info")->whole, 1);
	point_begin(&scene, "orders", "queue", WEIR_INSTRUMENT_SUMMARY, 0);
	point_end(&scene);
	assert_int_equal(scene.fold->points.families.conflicting, 1);
	later(&scene, EXPIRY);
	assert_null(family_of(&scene, "queue"));
	assert_null(family_of(&scene, "target_info"));
	assert_true(expired_of(scene.fold, NULL) == 0);
	assert_int_equal(scene.fold->points.families.names.live, 1);
	assert_int_equal(scene.fold->points.families.helps.live, 1);
	assert_int_equal(scene.fold->points.live, 1);
	point_begin(&scene, "orders", "queue", WEIR_INSTRUMENT_SUMMARY, 0);
	point_end(&scene);
	assert_int_equal(only(&scene, "queue")->form, WEIR_POINT_SUMMARY);
	scene_end(&scene);
}

/* target_info of a service's old version goes at the next sweep. */
static void a_target_info_that_was_followed_by_another_goes_at_once(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	for (unsigned i = 0; i < 2; i++) {
		struct weir_resource *resource;

		point_begin(&scene, "orders", "queue", WEIR_INSTRUMENT_GAUGE, 0);
		resource = (struct weir_resource *)scene.maker.resources.data;
		resource->attr_first = scene.maker.attrs.count;
		resource->attr_count = 1;
		batch_maker_tag(&scene.maker, "service.version", i == 0 ? "1" : "2");
		point_end(&scene);
	}
	assert_int_equal(scene.fold->points.families.live_series, 3);
	sweep(scene.fold);
	assert_int_equal(scene.fold->points.families.live_series, 2);
	assert_true(weir_str_is(only(&scene, "target_info")->labels, "job=\"orders\",service_version=\"2\""));
	scene_end(&scene);
}

/* Who holds a snapshot reads what was there, while its numbers are others' already. */
static void a_snapshot_reads_on_what_expired(void **state)
{
	struct scene scene;
	const struct weir_snapshot *before;
	struct weir_retire_bag *bag;

	(void)state;
	scene_make(&scene, 100);
	counter(&scene, "orders", "sold", 100);
	gauge(&scene, "orders", "queue", 3);
	bag = weir_retire_hold(scene.retire);
	assert_non_null(bag);
	assert_int_equal(weir_snapshot_make(scene.fold, WEIR_SNAPSHOT_POINTS, 0, T0, &before), 0);
	later(&scene, EXPIRY);
	gauge(&scene, "billing", "cash", 4);
	gauge(&scene, "billing", "credit", 5);
	assert_int_equal(scene.fold->points.families.labels.count, 4); /* somebody else's, and two numbers again */
	assert_int_equal(before->family_count, 2);
	assert_true(weir_str_is(before->families[0].name, "sold_total"));
	assert_true(weir_str_is(before->families[0].points->labels, "job=\"orders\""));
	assert_true(weir_str_is(before->families[1].name, "queue"));
	assert_true(weir_str_is(before->families[1].help, "The sender's queue"));
	weir_snapshot_let_go(before);
	weir_retire_let_go(bag);
	assert_int_equal(only(&scene, "cash")->whole, 4);
	assert_int_equal(only(&scene, "credit")->whole, 5);
	scene_end(&scene);
}

static void histogram(struct scene *scene, unsigned temporality, uint64_t start_ns, uint64_t first, double bound)
{
	const double bounds[2] = { 1, bound };
	const uint64_t counts[3] = { first, 2, 3 };
	struct weir_point *point = point_begin(scene, "orders", "latency", WEIR_INSTRUMENT_HISTOGRAM, temporality);

	point->start_ns = start_ns;
	point->bounds = batch_maker_numbers(&scene->maker, bounds, 2);
	point->counts = batch_maker_numbers(&scene->maker, counts, 3);
	point->count = first + 5;
	point->sum = (double)(10 * first);
	point_end(scene);
}

static void histograms_leave_their_count_and_sum(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	histogram(&scene, CUMULATIVE, T0 - 9 * S, 10, 2);
	later(&scene, EXPIRY);
	assert_true(expired_of(scene.fold, "latency_count") == 15);
	assert_true(expired_of(scene.fold, "latency_sum") == 100);
	histogram(&scene, CUMULATIVE, T0 - 9 * S, 12, 2);
	assert_int_equal(only(&scene, "latency")->count, 2);
	assert_true(only(&scene, "latency")->sum == 20);
	assert_true(expired_of(scene.fold, "latency_count") == 15);
	scene_end(&scene);
}

/* Old counts cannot be told apart by new bounds: the series begins anew, and all that was counted stays counted. */
static void new_bounds_leave_what_the_old_ones_counted(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	histogram(&scene, DELTA, T0 - 9 * S, 10, 2);
	histogram(&scene, DELTA, T0 - 8 * S, 20, 3);
	assert_int_equal(only(&scene, "latency")->count, 25);
	assert_true(expired_of(scene.fold, "latency_count") == 15);
	scene_end(&scene);
	scene_make(&scene, 100);
	histogram(&scene, CUMULATIVE, T0 - 9 * S, 10, 2);
	histogram(&scene, CUMULATIVE, T0 - 9 * S, 20, 3); /* says all of it again */
	assert_int_equal(only(&scene, "latency")->count, 25);
	assert_true(expired_of(scene.fold, "latency_count") == 0);
	histogram(&scene, CUMULATIVE, T0 - 4 * S, 1, 4); /* another process */
	assert_int_equal(only(&scene, "latency")->count, 6);
	assert_true(expired_of(scene.fold, "latency_count") == 25);
	assert_true(expired_of(scene.fold, "latency_sum") == 200);
	later(&scene, EXPIRY);
	histogram(&scene, CUMULATIVE, T0 - 4 * S, 8, 5); /* asleep meanwhile: how much it grew cannot be told */
	assert_int_equal(only(&scene, "latency")->count, 0);
	histogram(&scene, CUMULATIVE, T0 - 4 * S, 9, 5);
	assert_int_equal(only(&scene, "latency")->count, 1);
	assert_true(expired_of(scene.fold, "latency_count") == 25 + 6);
	scene_end(&scene);
}

/* More bounds than the table holds, but not at once. */
static void bounds_that_nobody_has_make_room(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	for (unsigned i = 0; i < 3000; i++) {
		histogram(&scene, CUMULATIVE, T0 - 9 * S, 10, 2 + i);
		if (i % 500 == 0) {
			sweep(scene.fold);
		}
	}
	assert_int_equal(only(&scene, "latency")->count, 15);
	assert_true(only(&scene, "latency")->bounds[1] > 3000);
	assert_in_range(scene.fold->points.families.bounds_count, 500, 502);
	assert_int_equal(scene.fold->points.families.overflowed, 0);
	scene_end(&scene);
}

static void whoever_was_forgotten_is_met_midway(void **state)
{
	struct scene scene;
	uint64_t start_ns[4];
	char name[32];

	(void)state;
	scene_make(&scene, 40); /* 20 series of points, 40 streams */
	for (unsigned round = 0; round < 4; round++) {
		start_ns[round] = scene.now_ns;
		for (unsigned i = 0; i < 12; i++) {
			snprintf(name, sizeof(name), "service.%u.%u", round, i);
			counter_since(&scene, name, "sold", start_ns[round], 100);
		}
		later(&scene, EXPIRY);
	}
	assert_int_equal(scene.fold->points.asleep + 1, scene.fold->points.live);
	assert_in_range(scene.fold->points.live, 38, 40);
	assert_int_equal(scene.fold->points.midway, 0); /* they began after the forgotten had been heard */
	assert_true(expired_of(scene.fold, "sold_total") == 4800);
	assert_true(scene.fold->points.forgotten_ns > T0);
	counter_since(&scene, "service.0.0", "sold", start_ns[0], 130); /* forgotten */
	assert_int_equal(only(&scene, "sold_total")->whole, 0);
	assert_int_equal(scene.fold->points.midway, 1);
	counter_since(&scene, "service.0.0", "sold", start_ns[0], 135);
	assert_int_equal(only(&scene, "sold_total")->whole, 5);
	counter_since(&scene, "service.3.0", "sold", start_ns[3], 130); /* asleep */
	assert_int_equal(family_of(&scene, "sold_total")->points[1].whole, 30);
	counter_since(&scene, "service.9.9", "sold", scene.now_ns - S, 50); /* new */
	assert_int_equal(family_of(&scene, "sold_total")->points[2].whole, 50);
	point_begin(&scene, "service.0.1", "lent", WEIR_INSTRUMENT_SUM, DELTA)->value.integer = 1;
	((struct weir_point *)scene.maker.points.data)->time_ns = T0 + S; /* may have been added */
	point_end(&scene);
	point_begin(&scene, "service.0.1", "lent", WEIR_INSTRUMENT_SUM, DELTA)->value.integer = 2;
	point_end(&scene);
	assert_int_equal(only(&scene, "lent_total")->whole, 2);
	assert_int_equal(scene.fold->points.late, 1);
	scene_end(&scene);
}

/* Workers of one name, more than are told apart: none of them is counted twice. */
static void a_life_too_many_is_not_counted_again(void **state)
{
	struct scene scene;
	int64_t told = 0;

	(void)state;
	scene_make(&scene, 100);
	for (int64_t round = 1; round < 6; round++) {
		told = 0;
		for (unsigned i = 0; i < 12; i++) {
			struct weir_point *point =
				point_begin(&scene, "orders", "sold", WEIR_INSTRUMENT_SUM, CUMULATIVE);

			point->start_ns = T0 - (100 - i) * S;
			point->value.integer = 1000 * round;
			point_end(&scene);
			told += 1000 * round;
			assert_in_range(only(&scene, "sold_total")->whole, 1000, told + 11 * 1000 * (round - 1));
		}
	}
	assert_in_range(only(&scene, "sold_total")->whole, 12 * 1000, told);
	scene_end(&scene);
}

static void room_that_is_free_again_is_for_those_who_wait(void **state)
{
	struct scene scene;
	const struct weir_family_view *family;

	(void)state;
	scene_make(&scene, 8); /* 4 series of points */
	for (unsigned i = 0; i < 4; i++) {
		char name[16];

		snprintf(name, sizeof(name), "old.%u", i);
		counter(&scene, name, "sold", 10);
	}
	for (unsigned i = 0; i < 2; i++) {
		counter(&scene, "new", "sold", 100 + i);
		gauge(&scene, "new", "queue", 7);
		scene.now_ns += EXPIRY - 30 * S;
		sweep(scene.fold);
	}
	assert_int_equal(scene.fold->points.families.overflowed, 4);
	counter(&scene, "new", "sold", 102);
	gauge(&scene, "new", "queue", 8);
	sweep(scene.fold); /* the old ones go */
	counter(&scene, "new", "sold", 109);
	gauge(&scene, "new", "queue", 9);
	family = family_of(&scene, "sold_total");
	assert_int_equal(family->point_count, 2);
	assert_true(expired_of(scene.fold, "sold_total") == 40);
	assert_int_equal(family->points[0].whole + family->points[1].whole, 109);
	assert_int_equal(only(&scene, "queue")->whole, 9);
	assert_int_equal(scene.fold->points.families.overflowed, 6);
	scene_end(&scene);
}

/* Names without end: what expired under those that had to go is not lost. Should one of those come back, it says less
 * than before; so nobody says since when it has been counted. */
static void names_that_are_short_leave_their_total(void **state)
{
	struct scene scene;
	char name[256];
	unsigned made = 0;

	(void)state;
	scene_make(&scene, 1000);
	while (scene.fold->points.families.lost_counters.whole == 0) {
		for (unsigned i = 0; i < 200; i++) {
			int length = snprintf(name, sizeof(name), "metric_%u_", made++);

			memset(name + length, 'x', sizeof(name) - 1 - (size_t)length);
			name[sizeof(name) - 1] = '\0';
			counter_since(&scene, "orders", name, scene.now_ns, 3);
		}
		later(&scene, EXPIRY);
		assert_in_range(made, 0, 20000);
	}
	assert_true(expired_of(scene.fold, NULL) == 3.0 * made);
	assert_true(expired_of(scene.fold, "_overflow") > 0);
	assert_int_equal(expired_since(scene.fold, "_overflow"), BEGAN);
	counter_since(&scene, "orders", "sold", scene.now_ns, 3);
	later(&scene, EXPIRY);
	assert_true(expired_of(scene.fold, "sold_total") == 3);
	assert_int_equal(expired_since(scene.fold, "sold_total"), 0);
	assert_int_equal(scene.fold->points.families.live_series, 1);
	scene_end(&scene);
}

/* ---- at random ----------------------------------------------------------- */

#define SENDERS 60u

static void live_and_expired_and_overflow_are_all_that_was_told(void **state)
{
	/* So many steps a second of the watermark; so many series, of which half are of points. */
	static const uint64_t steps_ns[] = { S / 10, 5 * S, 60 * S, 400 * S };
	static const uint32_t budgets[] = { 4000, 120, 60 };

	(void)state;
	for (uint64_t seed = 0; seed < 12; seed++) {
		struct batch_random random = { .state = seed };
		int64_t said[SENDERS] = { 0 }, told = 0;
		bool is_delta = seed % 2 == 0, is_crowded = seed / 4 == 2;
		uint64_t swept = 0, slept = 0;
		struct scene scene;

		scene_make(&scene, budgets[seed / 4]);
		for (unsigned i = 0; i < 1500; i++) {
			uint64_t sender = batch_random_number(&random, SENDERS);
			int64_t more = (int64_t)batch_random_number(&random, 100);
			char name[32];

			scene.now_ns += batch_random_number(&random, steps_ns[seed % 4]);
			sender = batch_random_number(&random, 2) == 0 ? sender / 8 : sender; /* some are seldom heard */
			snprintf(name, sizeof(name), "service.%u", (unsigned)sender);
			said[sender] += more;
			told += more;
			point_begin(&scene, name, "sold", WEIR_INSTRUMENT_SUM, is_delta ? DELTA : CUMULATIVE)
				->value.integer = is_delta ? more : said[sender];
			point_end(&scene);
			if (scene.fold->watermark_ns / SWEEP != swept) {
				swept = scene.fold->watermark_ns / SWEEP;
				sweep(scene.fold);
				slept += scene.fold->points.asleep;
			}
			if (!is_crowded) {
				assert_true(total_of(&scene, "sold_total") == (double)told);
			} else if (!is_delta) {
				assert_true(total_of(&scene, "sold_total") <= (double)told); /* nothing twice */
			}
		}
		assert_true(seed % 4 < 2 || slept > 0);
		assert_true(is_crowded || scene.fold->points.midway == 0);
		scene_end(&scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_counter_that_comes_back_begins_at_what_it_grew_by),
		cmocka_unit_test(a_series_lives_while_one_of_its_streams_does),
		cmocka_unit_test(gauges_and_target_info_leave_nothing_and_free_their_name),
		cmocka_unit_test(a_target_info_that_was_followed_by_another_goes_at_once),
		cmocka_unit_test(a_snapshot_reads_on_what_expired),
		cmocka_unit_test(histograms_leave_their_count_and_sum),
		cmocka_unit_test(new_bounds_leave_what_the_old_ones_counted),
		cmocka_unit_test(bounds_that_nobody_has_make_room),
		cmocka_unit_test(whoever_was_forgotten_is_met_midway),
		cmocka_unit_test(a_life_too_many_is_not_counted_again),
		cmocka_unit_test(room_that_is_free_again_is_for_those_who_wait),
		cmocka_unit_test(names_that_are_short_leave_their_total),
		cmocka_unit_test(live_and_expired_and_overflow_are_all_that_was_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
