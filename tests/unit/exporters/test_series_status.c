/* series_status: every figure of a hand-made snapshot, and of a large one
 * against a count of the test's own, with much memory and with little. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "exporters/series_status.h"

static const struct weir_metric requests = { .name = "istio_requests_total" };
static const struct weir_metric bytes = { .name = "istio_request_bytes" };
static const struct weir_metric *const metrics[] = { &requests, &bytes };

static char *rendered(const struct weir_snapshot *snapshot, size_t max_bytes, uint64_t deadline_ns)
{
	const struct weir_series_status_opts opts = { 50000, max_bytes, deadline_ns };
	struct weir_json_write json;
	struct weir_buf text;

	weir_buf_init(&text, 0);
	weir_json_write_init(&json, &text);
	weir_series_status_render(&json, snapshot, &opts);
	weir_buf_add_char(&text, '\0');
	assert_int_equal(weir_buf_error(&text), 0);
	return text.data;
}

static void every_figure_is_exact(void **state)
{
	struct weir_series_view first[] = {
		{ .labels = weir_str_of("reporter=\"source\",path=\"/a\",empty=\"\"") },
		{ .labels = weir_str_of("reporter=\"source\",path=\"/b\"") },
		{ .labels = weir_str_of("reporter=\"destination\",path=\"/\\\"\"") },
	};
	struct weir_series_view second[] = { { .labels = weir_str_of("reporter=\"source\",path=\"/a\"") } };
	struct weir_series_view *const series[] = { first, second };
	const uint32_t series_counts[] = { 3, 1 };
	const struct weir_point_view points[] = { { .labels = weir_str_of("job=\"shop\",path=\"/a\"") },
		{ .labels = { NULL, 0 } } };
	const struct weir_point_view joined[] = { { .labels = weir_str_of("job=\"envoy\"") } };
	const struct weir_family_view families[] = {
		{ .name = weir_str_of("queue_length"), .metric = WEIR_NONE, .points = points, .point_count = 2 },
		{ .name = weir_str_of("istio_requests_total"), .metric = 0, .points = joined, .point_count = 1 },
	};
	const struct weir_expired_view expired[] = { { weir_str_of("istio_requests_total"), 17, 0 } };
	const struct weir_snapshot snapshot = { .metric_count = 2,
		.metrics = metrics,
		.series = series,
		.series_counts = series_counts,
		.families = families,
		.family_count = 2,
		.expired = expired,
		.expired_count = 1,
		.series_total = 4,
		.points_total = 3,
		.overflowed = 5,
		.points_overflowed = 6 };
	char *text = rendered(&snapshot, 1u << 20, 0);

	(void)state;
	assert_string_equal(text,
		"{\"budget\":50000,\"live\":4,\"passed_through\":3,\"overflowed\":5,\"passed_through_overflowed\":6,"
		"\"expired\":{\"istio_requests_total\":17},"
		"\"seriesCountByMetricName\":[{\"name\":\"istio_requests_total\",\"value\":4},"
		"{\"name\":\"queue_length\",\"value\":2},{\"name\":\"istio_request_bytes\",\"value\":1}],"
		"\"labelValueCountByLabelName\":[{\"name\":\"path\",\"value\":3},{\"name\":\"job\",\"value\":2},"
		"{\"name\":\"reporter\",\"value\":2}],"
		"\"memoryInBytesByLabelName\":[{\"name\":\"reporter\",\"value\":29},{\"name\":\"path\",\"value\":10},"
		"{\"name\":\"job\",\"value\":9}],"
		"\"seriesCountByLabelValuePair\":[{\"name\":\"path=/a\",\"value\":3},{\"name\":\"reporter=source\",\"value\":3},"
		"{\"name\":\"job=envoy\",\"value\":1},{\"name\":\"job=shop\",\"value\":1},{\"name\":\"path=/\\\"\",\"value\":1},"
		"{\"name\":\"path=/b\",\"value\":1},{\"name\":\"reporter=destination\",\"value\":1}],"
		"\"labels\":[{\"name\":\"path\",\"values\":3,\"series\":5,\"bytes\":10},"
		"{\"name\":\"job\",\"values\":2,\"series\":2,\"bytes\":9},"
		"{\"name\":\"reporter\",\"values\":2,\"series\":4,\"bytes\":29}]}");
	free(text);
}

static void nothing_is_empty_lists(void **state)
{
	const struct weir_snapshot snapshot = { .parts = 0 };
	char *text = rendered(&snapshot, 1u << 20, 0);

	(void)state;
	assert_string_equal(text,
		"{\"budget\":50000,\"live\":0,\"passed_through\":0,\"overflowed\":0,\"passed_through_overflowed\":0,"
		"\"expired\":{},\"seriesCountByMetricName\":[],\"labelValueCountByLabelName\":[],"
		"\"memoryInBytesByLabelName\":[],\"seriesCountByLabelValuePair\":[],\"labels\":[]}");
	free(text);
}

/* ---- a large one -------------------------------------------------------------- */

#define MANY 5000u
#define LABELS 12u /* label l<k> has 400 * k different values, but the last: that is of each series its own */

struct many {
	char texts[MANY][400];
	struct weir_series_view views[MANY];
	struct weir_series_view *series[1];
	uint32_t counts[1];
	struct weir_snapshot snapshot;
};

static struct many *many_make(void)
{
	struct many *many = calloc(1, sizeof(*many));

	assert_non_null(many);
	for (unsigned i = 0; i < MANY; i++) {
		size_t at = 0;

		for (unsigned k = 1; k <= LABELS; k++) {
			at += (size_t)snprintf(many->texts[i] + at, sizeof(many->texts[i]) - at, "%sl%02u=\"v%u\"",
				k > 1 ? "," : "", k, k == LABELS ? i : i % (400 * k));
		}
		many->views[i].labels = weir_str_of(many->texts[i]);
	}
	many->series[0] = many->views;
	many->counts[0] = MANY;
	many->snapshot = (struct weir_snapshot){ .metric_count = 1,
		.metrics = metrics,
		.series = many->series,
		.series_counts = many->counts,
		.series_total = MANY };
	return many;
}

static void many_series_are_counted_one_by_one(void **state)
{
	struct many *many = many_make();
	char *text = rendered(&many->snapshot, 16u << 20, 0), expected[128];
	unsigned digits = 0;

	(void)state;
	assert_non_null(strstr(text,
		"\"labelValueCountByLabelName\":[{\"name\":\"l12\",\"value\":5000},{\"name\":\"l11\",\"value\":4400},"
		"{\"name\":\"l10\",\"value\":4000},"));
	assert_non_null(strstr(text,
		"\"seriesCountByLabelValuePair\":[{\"name\":\"l01=v0\",\"value\":13},{\"name\":\"l01=v1\",\"value\":13},"));
	for (unsigned i = 0; i < MANY; i++) {
		digits += (unsigned)snprintf(expected, sizeof(expected), "v%u", i);
	}
	snprintf(expected, sizeof(expected),
		"\"labels\":[{\"name\":\"l12\",\"values\":5000,\"series\":5000,\"bytes\":%u}", digits);
	assert_non_null(strstr(text, expected));
	free(text);
	free(many);
}

static void little_memory_gives_the_same_figures(void **state)
{
	struct many *many = many_make();
	char *whole = rendered(&many->snapshot, 16u << 20, 0);
	bool was_incomplete = false;

	(void)state;
	for (size_t max_bytes = 4u << 20; max_bytes >= 65536; max_bytes /= 2) {
		char *text = rendered(&many->snapshot, max_bytes, 0);

		if (strstr(text, "\"incomplete\":\"memory\"") == NULL) {
			assert_false(was_incomplete);
			assert_string_equal(text, whole);
		} else {
			assert_true(max_bytes < 1u << 20); /* where 31400 pairs do not fit at once, but each label's */
			was_incomplete = true;
			assert_non_null(strstr(text,
				"\"seriesCountByMetricName\":[{\"name\":\"istio_requests_total\",\"value\":5000}]"));
			assert_null(strstr(text, "labelValueCount"));
		}
		free(text);
	}
	assert_true(was_incomplete); /* 5000 values of one label do not fit into 64 KiB */
	free(whole);
	free(many);
}

static void a_passed_deadline_leaves_the_lists_out(void **state)
{
	struct many *many = many_make();
	char *text = rendered(&many->snapshot, 16u << 20, weir_clock_monotonic_ns() - 1);

	(void)state;
	assert_non_null(strstr(text, "\"live\":5000,"));
	assert_non_null(strstr(text, "\"incomplete\":\"time\""));
	free(text);
	free(many);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_figure_is_exact),
		cmocka_unit_test(nothing_is_empty_lists),
		cmocka_unit_test(many_series_are_counted_one_by_one),
		cmocka_unit_test(little_memory_gives_the_same_figures),
		cmocka_unit_test(a_passed_deadline_leaves_the_lists_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
