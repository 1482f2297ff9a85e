/* test_point_exemplar: a trace that a point names stays with its series: the newest, as long as both. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <math.h>

#include "support/point_scene.h"

static void exemplify(struct weir_point *point, uint8_t trace, uint64_t time_ns, double value)
{
	point->flags |= WEIR_POINT_HAS_EXEMPLAR;
	point->exemplar_trace[15] = trace;
	point->exemplar_span[7] = (uint8_t)(trace + 1);
	point->exemplar_ns = time_ns;
	point->exemplar_value = value;
}

/* A counter's point that names this trace. */
static void count(struct scene *scene, const char *service, int64_t total, uint8_t trace, uint64_t time_ns)
{
	struct weir_point *point = point_begin(scene, service, "sold", WEIR_INSTRUMENT_SUM, CUMULATIVE);

	point->value.integer = total;
	exemplify(point, trace, time_ns, 2.5);
	batch_end(scene);
}

static void observe(struct scene *scene, const double *bounds, uint32_t bound_count, uint8_t trace)
{
	const uint64_t counts[] = { 1, 2, 3, 4 };
	struct weir_point *point = point_begin(scene, "orders", "latency", WEIR_INSTRUMENT_HISTOGRAM, DELTA);

	point->start_ns = scene->now_ns - S;
	point->bounds = batch_maker_numbers(&scene->maker, bounds, bound_count);
	point->counts = batch_maker_numbers(&scene->maker, counts, bound_count + 1);
	if (trace != 0) {
		exemplify(point, trace, 0, 1.5);
	}
	batch_end(scene);
}

static void assert_exemplar(const struct weir_point_view *view, uint8_t trace, uint64_t time_ns)
{
	assert_non_null(view->exemplar);
	for (unsigned i = 0; i < 15; i++) {
		assert_int_equal(view->exemplar->trace_id[i], 0);
	}
	assert_int_equal(view->exemplar->trace_id[15], trace);
	assert_int_equal(view->exemplar->span_id[7], trace + 1);
	assert_int_equal(view->exemplar->time_ns, time_ns);
}

static void the_newest_is_kept_by_the_senders_time(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	counter(&scene, "orders", "sold", 1);
	assert_null(only(&scene, "sold_total")->exemplar);
	count(&scene, "orders", 2, 1, T0 - 5 * S);
	assert_exemplar(only(&scene, "sold_total"), 1, T0 - 5 * S);
	assert_true(only(&scene, "sold_total")->exemplar->value == 2.5);
	count(&scene, "orders", 3, 2, T0 - 4 * S);
	assert_exemplar(only(&scene, "sold_total"), 2, T0 - 4 * S);
	count(&scene, "orders", 4, 3, T0 - 5 * S); /* an older one */
	count(&scene, "orders", 5, 4, T0 - 4 * S); /* of the same moment */
	counter(&scene, "orders", "sold", 6);      /* none */
	assert_exemplar(only(&scene, "sold_total"), 2, T0 - 4 * S);
	assert_int_equal(only(&scene, "sold_total")->whole, 6);
	scene_end(&scene);
}

static void a_clock_that_is_ahead_keeps_nobody_away(void **state)
{
	struct scene scene;
	uint64_t came_ns;

	(void)state;
	scene_make(&scene, 100);
	came_ns = scene.now_ns;
	count(&scene, "orders", 1, 1, UINT64_MAX);
	assert_exemplar(only(&scene, "sold_total"), 1, came_ns);
	count(&scene, "orders", 2, 2, came_ns + 1);
	assert_exemplar(only(&scene, "sold_total"), 2, came_ns + 1);
	came_ns = scene.now_ns;
	count(&scene, "orders", 3, 3, 0); /* of no time */
	assert_exemplar(only(&scene, "sold_total"), 3, came_ns);
	scene_end(&scene);
}

static void histograms_have_one_and_gauges_and_summaries_have_none(void **state)
{
	static const struct {
		unsigned kind, temporality;
		const char *name;
		bool is_monotonic, has_exemplar;
	} rows[] = {
		{ WEIR_INSTRUMENT_SUM, CUMULATIVE, "sold_total", true, true },
		{ WEIR_INSTRUMENT_SUM, CUMULATIVE, "sold", false, false },
		{ WEIR_INSTRUMENT_GAUGE, 0, "sold", false, false },
		{ WEIR_INSTRUMENT_HISTOGRAM, CUMULATIVE, "sold", false, true },
		{ WEIR_INSTRUMENT_HISTOGRAM, DELTA, "sold", false, true },
		{ WEIR_INSTRUMENT_EXPONENTIAL, CUMULATIVE, "sold", false, true },
		{ WEIR_INSTRUMENT_EXPONENTIAL, DELTA, "sold", false, true },
		{ WEIR_INSTRUMENT_SUMMARY, 0, "sold", false, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct weir_point *point;
		struct scene scene;

		scene_make(&scene, 100);
		point = point_begin(&scene, "orders", "sold", rows[i].kind, rows[i].temporality);
		batch_maker_instrument_row(&scene.maker, point->instrument)->is_monotonic = rows[i].is_monotonic;
		point->count = rows[i].kind == WEIR_INSTRUMENT_EXPONENTIAL ? 0 : 1;
		exemplify(point, 9, T0 - S, 1.5);
		batch_end(&scene);
		if (rows[i].has_exemplar) {
			assert_exemplar(only(&scene, rows[i].name), 9, T0 - S);
		} else {
			assert_null(only(&scene, rows[i].name)->exemplar);
		}
		scene_end(&scene);
	}
}

static void what_moves_nothing_is_no_example(void **state)
{
	struct weir_point *point;
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	count(&scene, "orders", 5, 1, T0 - 9 * S);
	point = point_begin(&scene, "orders", "sold", WEIR_INSTRUMENT_SUM, CUMULATIVE); /* it came again */
	point->time_ns = T0;
	exemplify(point, 2, T0, 1);
	batch_end(&scene);
	assert_int_equal(scene.fold->points.late, 1);
	point = point_begin(&scene, "orders", "sold", WEIR_INSTRUMENT_SUM, CUMULATIVE);
	point->value.integer = 6;
	exemplify(point, 3, T0, NAN);
	batch_end(&scene);
	assert_exemplar(only(&scene, "sold_total"), 1, T0 - 9 * S);
	scene.fold->points.forgotten_ns = T0; /* one that began before is met midway */
	point = point_begin(&scene, "orders", "lent", WEIR_INSTRUMENT_SUM, CUMULATIVE);
	point->value.integer = 7;
	exemplify(point, 4, T0, 1);
	batch_end(&scene);
	assert_int_equal(scene.fold->points.midway, 1);
	assert_null(only(&scene, "lent_total")->exemplar);
	scene_end(&scene);
}

static void it_goes_with_what_it_is_an_example_of(void **state)
{
	static const double bounds[] = { 1, 2, 3 };
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	observe(&scene, bounds, 3, 1);
	observe(&scene, bounds, 3, 0);
	assert_non_null(only(&scene, "latency")->exemplar);
	observe(&scene, bounds, 2, 0); /* begins anew with other bounds */
	assert_null(only(&scene, "latency")->exemplar);
	observe(&scene, bounds, 3, 2);
	assert_int_equal(only(&scene, "latency")->exemplar->trace_id[15], 2);
	count(&scene, "orders", 5, 1, T0);
	later(&scene, EXPIRY);
	later(&scene, EXPIRY);
	assert_int_equal(scene.fold->points.families.live_series, 1); /* somebody else's */
	counter(&scene, "orders", "sold", 6);
	assert_null(only(&scene, "sold_total")->exemplar);
	scene_end(&scene);
}

static void an_overflow_series_has_one_too(void **state)
{
	const struct weir_family_view *family;
	struct scene scene;

	(void)state;
	scene_make(&scene, 2); /* one of points */
	count(&scene, "a", 1, 1, T0 - 9 * S);
	count(&scene, "b", 1, 2, T0 - 8 * S);
	family = family_of(&scene, "sold_total");
	assert_int_equal(family->point_count, 2);
	for (uint32_t i = 0; i < 2; i++) {
		bool is_overflow = weir_str_is(family->points[i].labels, "otel_metric_overflow=\"true\"");

		assert_exemplar(&family->points[i], is_overflow ? 2 : 1, T0 - (is_overflow ? 8 : 9) * S);
	}
	scene_end(&scene);
}

/* With an image, with what changed since, and with what went. */
static void it_is_saved_and_loaded(void **state)
{
	static const double bounds[] = { 1, 2, 3 };
	struct weir_fold *image = fold_make(100), *follower = fold_make(100);
	uint8_t digests[2][16];
	struct scene scene, other;

	(void)state;
	scene_make(&scene, 100);
	scene_make(&other, 100);
	count(&scene, "orders", 5, 1, T0 - S);
	count(&other, "orders", 5, 2, T0 - S);
	weir_fold_digest(scene.fold, digests[0]);
	weir_fold_digest(other.fold, digests[1]);
	assert_memory_not_equal(digests[0], digests[1], 16);
	cut_and_load(scene.fold, follower, false);
	digests_equal(scene.fold, follower);
	count(&scene, "orders", 6, 3, T0);
	observe(&scene, bounds, 3, 4);
	cut_and_load(scene.fold, follower, false);
	digests_equal(scene.fold, follower);
	cut_and_load(scene.fold, image, true);
	digests_equal(scene.fold, image);
	observe(&scene, bounds, 2, 0);
	cut_and_load(scene.fold, image, false);
	digests_equal(scene.fold, image);
	weir_fold_destroy(scene.fold);
	scene.fold = follower;
	assert_exemplar(only(&scene, "sold_total"), 3, T0);
	assert_int_equal(only(&scene, "latency")->exemplar->trace_id[15], 4);
	scene.fold = image;
	assert_exemplar(only(&scene, "sold_total"), 3, T0);
	assert_null(only(&scene, "latency")->exemplar);
	scene_end(&scene);
	scene_end(&other);
	weir_fold_destroy(follower);
}

/* An image that says what no fold holds is refused as a whole. */
static void an_unsound_one_is_not_loaded(void **state)
{
	static const struct weir_exemplar_view rows[] = {
		{ .trace_id = { 1 }, .time_ns = T0, .value = 1 },        /* sound, of a counter */
		{ .trace_id = { 1 }, .time_ns = 0, .value = 1 },         /* of no time */
		{ .trace_id = { 1 }, .time_ns = T0, .value = INFINITY }, /* no number */
		{ .trace_id = { 1 }, .time_ns = T0, .value = 1 },        /* of a gauge */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct weir_fold *fold = fold_make(100);
		struct weir_families *families;
		struct weir_buf bytes;
		struct scene scene;

		scene_make(&scene, 100);
		families = &scene.fold->points.families;
		if (i < 3) {
			count(&scene, "orders", 5, 1, T0 - S);
		} else {
			gauge(&scene, "orders", "queue", 5);
		}
		for (uint32_t s = 1; s < families->series_capacity; s++) {
			if (weir_families_is_live(families, s)) {
				free(families->series[s].exemplar);
				families->series[s].exemplar = malloc(sizeof(rows[i]));
				assert_non_null(families->series[s].exemplar);
				*families->series[s].exemplar = rows[i];
			}
		}
		weir_buf_init(&bytes, 0);
		assert_int_equal(weir_fold_cut(scene.fold, true, &bytes), 0);
		assert_int_equal(weir_fold_load(fold, weir_buf_str(&bytes)), i == 0 ? 0 : -EBADMSG);
		weir_buf_fini(&bytes);
		weir_fold_destroy(fold);
		scene_end(&scene);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_newest_is_kept_by_the_senders_time),
		cmocka_unit_test(a_clock_that_is_ahead_keeps_nobody_away),
		cmocka_unit_test(histograms_have_one_and_gauges_and_summaries_have_none),
		cmocka_unit_test(what_moves_nothing_is_no_example),
		cmocka_unit_test(it_goes_with_what_it_is_an_example_of),
		cmocka_unit_test(an_overflow_series_has_one_too),
		cmocka_unit_test(it_is_saved_and_loaded),
		cmocka_unit_test(an_unsound_one_is_not_loaded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
