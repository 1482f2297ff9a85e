/* test_seen: each delta point is added once, in whichever order they come. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/state.h"
#include "support/batch_maker.h"

#define T0 1700000000000000000u
#define S 1000000000u

struct scene { /* a fold, and a batch of the service `orders` that grows */
	struct weir_fold *fold;
	struct batch_maker maker;
	const struct weir_snapshot *snapshot;
	uint64_t now_ns;
	uint32_t max_series;
};

static void scene_make(struct scene *scene, uint32_t max_series)
{
	const struct weir_fold_opts opts = { .max_series = max_series, .hash_seed = 42 };

	memset(scene, 0, sizeof(*scene));
	assert_int_equal(weir_fold_create(&opts, &scene->fold), 0);
	scene->now_ns = T0;
}

static void scene_end(struct scene *scene)
{
	weir_snapshot_let_go(scene->snapshot);
	batch_maker_fini(&scene->maker);
	weir_fold_destroy(scene->fold);
}

static void begin(struct scene *scene)
{
	batch_maker_begin(&scene->maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_METRIC_POINT, "orders", scene->now_ns);
	batch_maker_resource(&scene->maker, "orders");
}

static void end(struct scene *scene)
{
	assert_int_equal(weir_fold_batch(scene->fold, batch_maker_finish(&scene->maker)), 0);
	scene->now_ns += S;
}

static struct weir_point *point_add(
	struct scene *scene, const char *name, unsigned kind, unsigned temporality, uint64_t start_ns, uint64_t time_ns)
{
	struct weir_point *point =
		batch_maker_point(&scene->maker, batch_maker_instrument(&scene->maker, name, kind, temporality));

	point->start_ns = start_ns;
	point->time_ns = time_ns;
	point->flags = WEIR_POINT_IS_INT | WEIR_POINT_HAS_SUM;
	return point;
}

static void number(struct scene *scene, const char *name, unsigned kind, unsigned temporality, uint64_t start_ns,
	uint64_t time_ns, int64_t value)
{
	begin(scene);
	point_add(scene, name, kind, temporality, start_ns, time_ns)->value.integer = value;
	end(scene);
}

static const struct weir_family_view *family_of(struct scene *scene, const char *name)
{
	weir_snapshot_let_go(scene->snapshot);
	assert_int_equal(weir_snapshot_make(scene->fold, WEIR_SNAPSHOT_POINTS, 0, T0, &scene->snapshot), 0);
	for (uint32_t i = 0; i < scene->snapshot->family_count; i++) {
		if (weir_str_is(scene->snapshot->families[i].name, name)) {
			return &scene->snapshot->families[i];
		}
	}
	return NULL;
}

/* The only series of this family. */
static const struct weir_point_view *only(struct scene *scene, const char *name)
{
	const struct weir_family_view *family = family_of(scene, name);

	assert_non_null(family);
	assert_int_equal(family->point_count, 1);
	return family->points;
}

static void histogram(struct scene *scene, unsigned temporality, uint64_t start_ns, uint64_t time_ns,
	const uint64_t counts[3], double sum, double last_bound)
{
	const double bounds[2] = { 1, last_bound };
	struct weir_point *point;

	begin(scene);
	point = point_add(scene, "latency", WEIR_INSTRUMENT_HISTOGRAM, temporality, start_ns, time_ns);
	point->bounds = batch_maker_numbers(&scene->maker, bounds, 2);
	point->counts = batch_maker_numbers(&scene->maker, counts, 3);
	point->count = counts[0] + counts[1] + counts[2];
	point->sum = sum;
	batch_maker_instrument_row(&scene->maker, 0)->unit = batch_maker_text(&scene->maker, "ms");
	end(scene);
}

static void exponential(struct scene *scene, unsigned temporality, uint64_t time_ns, int scale, int offset)
{
	const uint64_t counts[4] = { 1, 0, 2, 1 };
	struct weir_point *point;

	begin(scene);
	point = point_add(scene, "size", WEIR_INSTRUMENT_EXPONENTIAL, temporality, 5, time_ns);
	point->counts = batch_maker_numbers(&scene->maker, counts, 4);
	point->scale = scale;
	point->positive_offset = offset;
	point->zero_count = 1;
	point->count = 5;
	point->sum = 10;
	end(scene);
}

static void delta(struct scene *scene, uint64_t time_ns, int64_t value)
{
	number(scene, "orders", WEIR_INSTRUMENT_SUM, WEIR_TEMPORALITY_DELTA, time_ns - 1, time_ns, value);
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
		number(&scene, "orders", WEIR_INSTRUMENT_SUM, WEIR_TEMPORALITY_DELTA, T0 + i % 3, T0 + 9, 1);
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
		begin(&scene);
		for (unsigned k = 0; k < 150; k++) {
			struct weir_point *point = point_add(
				&scene, "orders", WEIR_INSTRUMENT_SUM, WEIR_TEMPORALITY_DELTA, T0 + i, T0 + i + 1);

			point->value.integer = 1;
			point->attr_first = scene.maker.attrs.count;
			point->attr_count = 1;
			snprintf(tier, sizeof(tier), "%u", k);
			batch_maker_tag(&scene.maker, "tier", tier);
		}
		end(&scene);
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
		histogram(&scene, WEIR_TEMPORALITY_DELTA, T0, T0 + order[i % 5], (uint64_t[]){ 1, 0, order[i % 5] },
			order[i % 5], 10);
	}
	assert_int_equal(only(&scene, "latency_milliseconds")->count, 5 + 15);
	assert_true(only(&scene, "latency_milliseconds")->sum == 15);
	assert_int_equal(scene.snapshot->points_late, 5);
	/* New bounds began; what came of the old ones is over. */
	histogram(&scene, WEIR_TEMPORALITY_DELTA, T0, T0 + 20, (uint64_t[]){ 0, 1, 0 }, 4, 100);
	histogram(&scene, WEIR_TEMPORALITY_DELTA, T0, T0 + 19, (uint64_t[]){ 0, 1, 0 }, 4, 10);
	histogram(&scene, WEIR_TEMPORALITY_DELTA, T0, T0 + 18, (uint64_t[]){ 0, 1, 0 }, 4, 100);
	histogram(&scene, WEIR_TEMPORALITY_DELTA, T0, T0 + 3, (uint64_t[]){ 0, 1, 0 }, 4, 100);
	assert_int_equal(only(&scene, "latency_milliseconds")->count, 1 + 1); /* the last came before */
	scene_end(&scene);
}

static void delta_exponential_histograms_are_added_in_any_order(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	exponential(&scene, WEIR_TEMPORALITY_DELTA, T0 + 3, 1, 4);
	exponential(&scene, WEIR_TEMPORALITY_DELTA, T0 + 1, 1, 4);
	exponential(&scene, WEIR_TEMPORALITY_DELTA, T0 + 2, 1, 4);
	exponential(&scene, WEIR_TEMPORALITY_DELTA, T0 + 1, 1, 4);
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
