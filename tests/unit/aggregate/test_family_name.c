/* test_family_name: no name has two types, whoever has it, and whenever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "support/point_scene.h"

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
	batch_end(scene);
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
		batch_end(&scene);
	}
	assert_int_equal(scene.fold->points.families.cut_values, 1);
	assert_true(
		weir_str_starts_with(only(&scene, "queue")->labels, "job=\"orders\",_name_=\"evil\",path=\"vvv\\nvvv"));
	assert_in_range(only(&scene, "queue")->labels.length, 1024, 1100);
	assert_int_equal(scene.snapshot->label_values_cut, 1);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_metric_of_the_rules_hides_what_clashes_while_it_is_there),
		cmocka_unit_test(names_of_samples_are_taken_too),
		cmocka_unit_test(names_that_prometheus_makes_cannot_be_had),
		cmocka_unit_test(long_values_are_cut_and_counted_once_a_series),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
