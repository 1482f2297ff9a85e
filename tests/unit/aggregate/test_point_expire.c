/* test_point_expire: what goes when nothing comes, what is left of it, and how it comes back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/retire.h"
#include "aggregate/snapshot_part.h"
#include "aggregate/state.h"
#include "support/batch_maker.h"
#include "support/batch_random.h"

#define T0 UINT64_C(1700000000000000000)
#define S UINT64_C(1000000000)
#define SWEEP (10 * S)
#define EXPIRY (900 * S)
#define CUMULATIVE WEIR_TEMPORALITY_CUMULATIVE
#define DELTA WEIR_TEMPORALITY_DELTA

struct scene { /* a fold whose points expire */
	struct weir_fold *fold;
	struct weir_retire *retire;
	struct batch_maker maker;
	const struct weir_snapshot *snapshot;
	uint64_t now_ns;
};

static struct weir_fold *fold_make(uint32_t max_series)
{
	const struct weir_fold_opts opts = { .max_series = max_series, .hash_seed = 42 };
	struct weir_fold *fold;

	assert_int_equal(weir_fold_create(&opts, &fold), 0);
	return fold;
}

static void scene_make(struct scene *scene, uint32_t max_series)
{
	memset(scene, 0, sizeof(*scene));
	scene->fold = fold_make(max_series);
	scene->retire = weir_retire_create();
	assert_non_null(scene->retire);
	weir_points_retire(&scene->fold->points, scene->retire);
	scene->now_ns = T0;
}

static void scene_end(struct scene *scene)
{
	weir_snapshot_let_go(scene->snapshot);
	batch_maker_fini(&scene->maker);
	weir_fold_destroy(scene->fold);
	weir_retire_destroy(scene->retire);
}

static void sweep(struct weir_fold *fold)
{
	weir_points_expire(&fold->points, fold->watermark_ns, EXPIRY);
}

/* A sender's point, of an instrument that is a SUM unless the test says else. */
static struct weir_point *point_begin(
	struct scene *scene, const char *service, const char *name, unsigned kind, unsigned temporality)
{
	struct weir_point *point;

	batch_maker_begin(&scene->maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_METRIC_POINT, "sender", scene->now_ns);
	batch_maker_resource(&scene->maker, service);
	point = batch_maker_point(&scene->maker, batch_maker_instrument(&scene->maker, name, kind, temporality));
	point->start_ns = T0 - 3600 * S;
	point->time_ns = scene->now_ns;
	point->flags = WEIR_POINT_IS_INT | WEIR_POINT_HAS_SUM;
	return point;
}

static void point_end(struct scene *scene)
{
	assert_int_equal(weir_fold_batch(scene->fold, batch_maker_finish(&scene->maker)), 0);
	scene->now_ns += S;
}

static void counter_since(struct scene *scene, const char *service, const char *name, uint64_t start_ns, int64_t value)
{
	struct weir_point *point = point_begin(scene, service, name, WEIR_INSTRUMENT_SUM, CUMULATIVE);

	point->start_ns = start_ns;
	point->value.integer = value;
	point_end(scene);
}

static void counter(struct scene *scene, const char *service, const char *name, int64_t value)
{
	counter_since(scene, service, name, T0 - 3600 * S, value);
}

static void gauge(struct scene *scene, const char *service, const char *name, int64_t value)
{
	point_begin(scene, service, name, WEIR_INSTRUMENT_GAUGE, 0)->value.integer = value;
	point_end(scene);
}

/* So much later, somebody else sends; then it is swept. */
static void later(struct scene *scene, uint64_t ns)
{
	scene->now_ns += ns;
	gauge(scene, "somebody.else", "clock", 1);
	sweep(scene->fold);
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

static const struct weir_point_view *only(struct scene *scene, const char *name)
{
	const struct weir_family_view *family = family_of(scene, name);

	assert_non_null(family);
	assert_int_equal(family->point_count, 1);
	return family->points;
}

/* What the row of this metric says; all rows: NULL. Behind a row of weir's own. */
static double expired_of(const struct weir_fold *fold, const char *metric)
{
	size_t count = weir_snapshot_points_expired_count(fold) + 1;
	size_t bytes = weir_snapshot_points_expired_bytes(fold);
	struct weir_expired_view *rows = calloc(count, sizeof(*rows));
	char *names = malloc(bytes);
	struct weir_snapshot_room room = { .at = names, .end = names + bytes };
	uint32_t n;
	double sum = 0;

	assert_non_null(rows);
	assert_non_null(names);
	rows[0] = (struct weir_expired_view){ .metric = weir_str_of("istio_requests_total"), .value = 0 };
	n = weir_snapshot_points_expired_copy(fold, rows, 1, &room);
	assert_in_range(n, 1, count);
	for (uint32_t i = 0; i < n; i++) {
		sum += metric == NULL || weir_str_is(rows[i].metric, metric) ? rows[i].value : 0;
		for (uint32_t k = 0; k < i; k++) {
			assert_false(weir_str_equal(rows[i].metric, rows[k].metric));
		}
	}
	free(rows);
	free(names);
	return sum;
}

/* ---- one after the other ------------------------------------------------- */

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

/* Names without end: what expired under those that had to go is not lost. */
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
	assert_int_equal(scene.fold->points.families.live_series, 1);
	scene_end(&scene);
}

/* ---- names --------------------------------------------------------------- */

static void reload(struct scene *scene, const char *const *names, const enum weir_metric_kind *kinds, uint32_t count)
{
	static struct weir_metric metrics[4];
	static struct weir_schema schema;
	const struct weir_schema *const schemas[2] = { NULL, &schema };

	for (uint32_t i = 0; i < count; i++) {
		metrics[i] = (struct weir_metric){ .name = names[i], .kind = kinds[i] };
	}
	schema = (struct weir_schema){ .metrics = metrics, .metric_count = count };
	weir_families_schema(&scene->fold->points.families, schemas, 2);
}

static void a_metric_of_the_rules_hides_what_clashes_while_it_is_there(void **state)
{
	const enum weir_metric_kind histogram_kind = WEIR_METRIC_HISTOGRAM, counter_kind = WEIR_METRIC_COUNTER;
	const enum weir_metric_kind both[2] = { WEIR_METRIC_GAUGE, WEIR_METRIC_COUNTER };
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	counter(&scene, "orders", "sold", 5);
	gauge(&scene, "orders", "latency.count", 1);
	assert_non_null(family_of(&scene, "sold_total"));
	reload(&scene, (const char *const[]){ "latency" }, &histogram_kind, 1);
	assert_null(family_of(&scene, "latency_count"));
	assert_int_equal(only(&scene, "sold_total")->whole, 5);
	gauge(&scene, "orders", "latency.count", 2);
	gauge(&scene, "orders", "latency", 2);
	assert_int_equal(scene.fold->points.families.conflicting, 2);
	reload(&scene, (const char *const[]){ "sold_total" }, &counter_kind, 1);
	assert_int_equal(only(&scene, "latency_count")->whole, 2);
	assert_int_equal(family_of(&scene, "sold_total")->metric, 0);
	gauge(&scene, "orders", "latency.count", 3);
	assert_int_equal(scene.fold->points.families.conflicting, 2);
	reload(&scene, (const char *const[]){ "sold", "other_total" }, both, 2); /* OpenMetrics: sold is sold_total's */
	assert_null(family_of(&scene, "sold_total"));
	counter(&scene, "orders", "sold", 8);
	assert_int_equal(scene.fold->points.families.conflicting, 3);
	counter(&scene, "orders", "other", 2);
	assert_int_equal(family_of(&scene, "other_total")->metric, 1);
	reload(&scene, NULL, NULL, 0);
	assert_int_equal(only(&scene, "sold_total")->whole, 8); /* it went on */
	assert_int_equal(family_of(&scene, "other_total")->metric, WEIR_NONE);
	sweep(scene.fold);
	gauge(&scene, "orders", "latency", 4); /* its name is free now */
	assert_int_equal(only(&scene, "latency")->whole, 4);
	scene_end(&scene);
}

static void named(struct scene *scene, const char *name, unsigned kind)
{
	point_begin(scene, "orders", name, kind, kind == WEIR_INSTRUMENT_GAUGE ? 0 : CUMULATIVE)->value.integer = 1;
	batch_maker_instrument_row(&scene->maker, 0)->naming = WEIR_NAMING_VERBATIM;
	point_end(scene);
}

static void names_of_samples_are_taken_too(void **state)
{
	static const struct {
		const char *first, *second;
		unsigned first_kind, second_kind;
		bool clash;
	} cases[] = {
		{ "a_total", "a", WEIR_INSTRUMENT_SUM, WEIR_INSTRUMENT_GAUGE, true },
		{ "a", "a_total", WEIR_INSTRUMENT_GAUGE, WEIR_INSTRUMENT_SUM, true },
		{ "a_total", "a_created", WEIR_INSTRUMENT_SUM, WEIR_INSTRUMENT_GAUGE, true },
		{ "a_created", "a_total", WEIR_INSTRUMENT_GAUGE, WEIR_INSTRUMENT_SUM, true },
		{ "a", "a_total", WEIR_INSTRUMENT_SUM, WEIR_INSTRUMENT_SUM, false },
		{ "a", "a_count", WEIR_INSTRUMENT_SUMMARY, WEIR_INSTRUMENT_SUM, true },
		{ "a_sum", "a", WEIR_INSTRUMENT_GAUGE, WEIR_INSTRUMENT_SUMMARY, true },
		{ "a_sum_total", "a", WEIR_INSTRUMENT_SUM, WEIR_INSTRUMENT_SUMMARY, true },
		{ "a", "a_sum_total", WEIR_INSTRUMENT_SUMMARY, WEIR_INSTRUMENT_SUM, true },
		{ "a", "a_bucket", WEIR_INSTRUMENT_SUMMARY, WEIR_INSTRUMENT_GAUGE, false },
		{ "a", "a_sum", WEIR_INSTRUMENT_GAUGE, WEIR_INSTRUMENT_GAUGE, false },
		{ "a", "a_sum", WEIR_INSTRUMENT_SUMMARY, WEIR_INSTRUMENT_SUMMARY, true },
		{ "a", "ab", WEIR_INSTRUMENT_SUMMARY, WEIR_INSTRUMENT_SUM, false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct scene scene;

		scene_make(&scene, 100);
		named(&scene, cases[i].first, cases[i].first_kind);
		named(&scene, cases[i].second, cases[i].second_kind);
		assert_non_null(family_of(&scene, cases[i].first));
		assert_int_equal(family_of(&scene, cases[i].second) == NULL, cases[i].clash);
		assert_int_equal(scene.fold->points.families.conflicting, cases[i].clash);
		scene_end(&scene);
	}
}

static void names_that_prometheus_makes_cannot_be_had(void **state)
{
	static const char *const names[] = { "up", "scrape_duration_seconds", "ALERTS", "ALERTS_FOR_STATE", "weir_x",
		"target_info", "target", "process_open_fds" };
	struct scene scene;

	(void)state;
	scene_make(&scene, 100);
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		named(&scene, names[i], WEIR_INSTRUMENT_GAUGE);
		named(&scene, names[i], WEIR_INSTRUMENT_GAUGE);
		assert_null(family_of(&scene, names[i]));
		assert_int_equal(scene.fold->points.families.conflicting, 2 * (i + 1));
	}
	scene_end(&scene);
}

static void long_values_are_cut_and_counted_once_a_series(void **state)
{
	struct scene scene;
	char value[10241];

	(void)state;
	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	value[3] = '\n';
	scene_make(&scene, 100);
	for (unsigned i = 0; i < 3; i++) {
		struct weir_point *point = point_begin(&scene, "orders", "queue", WEIR_INSTRUMENT_GAUGE, 0);

		point->attr_first = scene.maker.attrs.count;
		point->attr_count = 2;
		batch_maker_tag(&scene.maker, "__name__", "evil");
		batch_maker_tag(&scene.maker, "path", value);
		point_end(&scene);
	}
	assert_int_equal(scene.fold->points.families.cut_values, 1);
	assert_true(
		weir_str_starts_with(only(&scene, "queue")->labels, "job=\"orders\",_name_=\"evil\",path=\"vvv\\nvvv"));
	assert_in_range(only(&scene, "queue")->labels.length, 1024, 1100);
	assert_int_equal(scene.snapshot->points_cut_values, 1);
	scene_end(&scene);
}

/* ---- at random ----------------------------------------------------------- */

#define SENDERS 60u

/* All that is in the family, and all that went. */
static double total_of(struct scene *scene, const char *name)
{
	const struct weir_family_view *family = family_of(scene, name);
	double sum = expired_of(scene->fold, name);

	for (uint32_t i = 0; family != NULL && i < family->point_count; i++) {
		sum += (double)family->points[i].whole;
	}
	return sum;
}

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

static void digests_equal(const struct weir_fold *a, const struct weir_fold *b)
{
	uint8_t digests[2][16];

	weir_fold_digest(a, digests[0]);
	weir_fold_digest(b, digests[1]);
	assert_memory_equal(digests[0], digests[1], 16);
}

static void cut_and_load(struct weir_fold *from, struct weir_fold *to, bool as_image)
{
	struct weir_buf bytes;

	weir_buf_init(&bytes, 0);
	assert_int_equal(weir_fold_cut(from, as_image, &bytes), 0);
	assert_int_equal(weir_fold_load(to, weir_buf_str(&bytes)), 0);
	weir_buf_fini(&bytes);
}

/* As batch_random_next(), and sometimes a histogram of a service whose bounds are never the same for long. */
static const struct weir_batch *batch_next(struct batch_random *random, struct batch_maker *maker)
{
	const double bounds[2] = { 1, 2 + (double)batch_random_number(random, 6) };
	const uint64_t counts[3] = { 1, batch_random_number(random, 50), 2 };
	struct weir_point *point;
	uint32_t instrument;

	if (batch_random_number(random, 4) > 0) {
		return batch_random_next(random, maker);
	}
	random->now_ns += batch_random_number(random, random->step_ns);
	batch_maker_begin(maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_METRIC_POINT, "sender", random->now_ns);
	batch_maker_resource(maker, batch_random_number(random, 2) == 0 ? "orders" : "billing");
	instrument = batch_maker_instrument(
		maker, "latency", WEIR_INSTRUMENT_HISTOGRAM, 1 + (unsigned)batch_random_number(random, 2));
	point = batch_maker_point(maker, instrument);
	point->start_ns = T0;
	point->time_ns = random->now_ns;
	point->count = 3 + counts[1];
	point->bounds = batch_maker_numbers(maker, bounds, 2);
	point->counts = batch_maker_numbers(maker, counts, 3);
	return batch_maker_finish(maker);
}

/* A restart between any two batches; a follower that is fed nothing but cuts. */
static void restarts_and_cuts_change_nothing(void **state)
{
	(void)state;
	for (uint64_t seed = 1; seed <= 8; seed++) {
		struct batch_random random = {
			.state = seed, .now_ns = T0, .step_ns = seed % 2 == 0 ? 20 * S : 300 * S, .names = 12
		};
		uint32_t max_series = seed <= 4 ? 1000 : 60; /* many fall asleep; sleepers are forgotten */
		struct weir_fold *live = fold_make(max_series), *restarted = fold_make(max_series);
		struct weir_fold *follower = fold_make(max_series);
		struct batch_maker maker = { 0 };
		uint64_t swept = 0, slept = 0, expired = 0;

		for (unsigned i = 0; i < 400; i++) {
			const struct weir_batch *batch = batch_next(&random, &maker);

			assert_int_equal(weir_fold_batch(live, batch), weir_fold_batch(restarted, batch));
			if (live->watermark_ns / SWEEP != swept) {
				uint32_t before = live->points.families.live_series;

				swept = live->watermark_ns / SWEEP;
				sweep(live);
				sweep(restarted);
				expired += before - live->points.families.live_series;
				slept += live->points.asleep;
			}
			digests_equal(live, restarted);
			if (batch_random_number(&random, 12) == 0) {
				struct weir_fold *next = fold_make(max_series);

				cut_and_load(restarted, next, true);
				weir_fold_destroy(restarted);
				restarted = next;
				digests_equal(live, restarted);
			}
			if (batch_random_number(&random, 7) == 0) {
				cut_and_load(live, follower, batch_random_number(&random, 10) == 0);
				digests_equal(live, follower);
			}
		}
		assert_true(expired > 0 && slept > 0);
		assert_true(seed <= 4 || live->points.forgotten_ns > 0);
		batch_maker_fini(&maker);
		weir_fold_destroy(live);
		weir_fold_destroy(restarted);
		weir_fold_destroy(follower);
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
		cmocka_unit_test(a_metric_of_the_rules_hides_what_clashes_while_it_is_there),
		cmocka_unit_test(names_of_samples_are_taken_too),
		cmocka_unit_test(names_that_prometheus_makes_cannot_be_had),
		cmocka_unit_test(long_values_are_cut_and_counted_once_a_series),
		cmocka_unit_test(live_and_expired_and_overflow_are_all_that_was_told),
		cmocka_unit_test(restarts_and_cuts_change_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
