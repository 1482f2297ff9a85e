/* passed: passed-through families as Prometheus reads them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>

#include "exporters/ledger.h"
#include "exporters/metrics/ledger_metrics.h"
#include "exporters/metrics/made.h"
#include "exporters/metrics/passed.h"
#include "exporters/metrics/text.h"
#include "rules/passthrough.h"

static struct weir_text_exposition text;

static struct weir_exposition *begin(struct weir_buf *buf)
{
	const struct weir_exposition_opts opts = { .buf = buf };

	weir_text_exposition_begin(&text, &opts);
	return &text.base;
}

static void assert_text(struct weir_buf *buf, const char *expected)
{
	assert_int_equal(weir_buf_error(buf), 0);
	weir_buf_add_char(buf, '\0');
	assert_string_equal(buf->data, expected);
	weir_buf_fini(buf);
}

static void assert_family(const struct weir_family_view *family, const char *expected)
{
	struct weir_snapshot snapshot = { .families = family, .family_count = 1 };
	struct weir_buf buf = { 0 };

	weir_passed_render(begin(&buf), &snapshot);
	assert_text(&buf, expected);
}

static void numbers_are_whole_when_they_are(void **state)
{
	const struct weir_point_view points[] = { { .labels = weir_str_of("job=\"a\""), .whole = INT64_MIN },
		{ .whole = 7, .real = 0.5 }, { .labels = weir_str_of("job=\"b\""), .whole = INT64_MAX } };
	const struct weir_family_view family = { .name = weir_str_of("x"),
		.help = weir_str_of("A \\ and a\nline."),
		.exposed = WEIR_EXPOSED_GAUGE,
		.metric = WEIR_NONE,
		.points = points,
		.point_count = 3 };

	(void)state;
	assert_family(&family, "# HELP x A \\\\ and a\\nline.\n# TYPE x gauge\n"
			       "x{job=\"a\"} -9223372036854775808\nx 7.5\nx{job=\"b\"} 9223372036854775807\n");
}

static void histograms_end_with_infinity(void **state)
{
	static const double bounds[] = { 0.5, 5 };
	static const uint64_t counts[] = { 1, 2, 3 };
	const struct weir_point_view points[] = { { .labels = weir_str_of("job=\"a\""),
							  .form = WEIR_POINT_HISTOGRAM,
							  .count = 6,
							  .sum = 2.5,
							  .has_sum = true,
							  .bound_count = 2,
							  .bounds = bounds,
							  .counts = counts },
		{ .form = WEIR_POINT_HISTOGRAM, .count = 3, .counts = counts + 2 } };
	const struct weir_family_view family = { .name = weir_str_of("h"),
		.exposed = WEIR_EXPOSED_HISTOGRAM,
		.metric = WEIR_NONE,
		.points = points,
		.point_count = 2 };

	(void)state;
	assert_family(&family, "# HELP h \n# TYPE h histogram\n"
			       "h_bucket{job=\"a\",le=\"0.5\"} 1\nh_bucket{job=\"a\",le=\"5\"} 3\n"
			       "h_bucket{job=\"a\",le=\"+Inf\"} 6\nh_sum{job=\"a\"} 2.5\nh_count{job=\"a\"} 6\n"
			       "h_bucket{le=\"+Inf\"} 3\nh_count 3\n");
}

static void exponential_buckets_become_powers_of_two(void **state)
{
	/* At scale 1 the buckets from index 2 on are (2, 2.8], (2.8, 4], (4, 5.7]; the negative one is [-1, -0.7). */
	static const uint64_t positive[] = { 1, 2, 4 }, negative[] = { 3 };
	const struct weir_point_view points[] = { { .form = WEIR_POINT_EXPONENTIAL,
		.count = 15,
		.sum = 20,
		.has_sum = true,
		.scale = 1,
		.zero_count = 5,
		.positive = { 2, 3, positive },
		.negative = { -1, 1, negative } } };
	const struct weir_family_view family = { .name = weir_str_of("e"),
		.exposed = WEIR_EXPOSED_HISTOGRAM,
		.metric = WEIR_NONE,
		.points = points,
		.point_count = 1 };

	(void)state;
	assert_family(&family, "# HELP e \n# TYPE e histogram\n"
			       "e_bucket{le=\"-0.5\"} 3\ne_bucket{le=\"0\"} 8\ne_bucket{le=\"4\"} 11\n"
			       "e_bucket{le=\"8\"} 15\ne_bucket{le=\"+Inf\"} 15\ne_sum 20\ne_count 15\n");
}

/* However wide it is, the number of lines is bounded, and they ascend. */
static void wide_exponential_histograms_are_bounded(void **state)
{
	uint64_t counts[160];
	struct weir_point_view point = {
		.form = WEIR_POINT_EXPONENTIAL, .count = 160, .positive = { -80, 160, counts }
	};
	const struct weir_family_view family = { .name = weir_str_of("e"),
		.exposed = WEIR_EXPOSED_HISTOGRAM,
		.metric = WEIR_NONE,
		.points = &point,
		.point_count = 1 };
	struct weir_snapshot snapshot = { .families = &family, .family_count = 1 };

	(void)state;
	for (unsigned i = 0; i < 160; i++) {
		counts[i] = 1;
	}
	for (point.scale = -44; point.scale <= 20; point.scale++) {
		struct weir_buf buf = { 0 };
		double last = -1;
		unsigned lines = 0;

		weir_passed_render(begin(&buf), &snapshot);
		weir_buf_add_char(&buf, '\0');
		for (const char *at = strstr(buf.data, "le=\""); at != NULL; at = strstr(at + 1, "le=\"")) {
			double le = strtod(at + 4, NULL);

			assert_true(le > last);
			last = le;
			lines++;
		}
		assert_in_range(lines, 1, 42);
		assert_non_null(strstr(buf.data, "le=\"+Inf\"} 160\n"));
		weir_buf_fini(&buf);
	}
}

static void summaries_have_their_quantiles(void **state)
{
	static const double pairs[] = { 0.5, 3, 0.99, 70.5 };
	const struct weir_point_view points[] = { { .labels = weir_str_of("a=\"1\""),
		.form = WEIR_POINT_SUMMARY,
		.count = 12,
		.sum = 99,
		.has_sum = true,
		.bound_count = 2,
		.bounds = pairs } };
	const struct weir_family_view family = { .name = weir_str_of("s"),
		.exposed = WEIR_EXPOSED_SUMMARY,
		.metric = WEIR_NONE,
		.points = points,
		.point_count = 1 };

	(void)state;
	assert_family(&family, "# HELP s \n# TYPE s summary\ns{a=\"1\",quantile=\"0.5\"} 3\n"
			       "s{a=\"1\",quantile=\"0.99\"} 70.5\ns_sum{a=\"1\"} 99\ns_count{a=\"1\"} 12\n");
}

/* A proxy's own series of a standard metric stand below its one HELP and TYPE. */
static void own_series_join_the_standard_family(void **state)
{
	static const struct weir_metric requests = {
		.name = "istio_requests_total", .help = "Requests.", .kind = WEIR_METRIC_COUNTER
	};
	static const struct weir_metric *const metrics[] = { &requests };
	struct weir_series_view ours[] = { { .labels = weir_str_of("reporter=\"source\""), .count = 3 } };
	struct weir_series_view *const series[] = { ours };
	const struct weir_point_view points[] = { { .labels = weir_str_of("job=\"a\",reporter=\"source\""),
		.whole = 4 } };
	const struct weir_family_view family = { .name = weir_str_of("istio_requests_total"),
		.help = weir_str_of("theirs"),
		.exposed = WEIR_EXPOSED_COUNTER,
		.metric = 0,
		.points = points,
		.point_count = 1 };
	const char *expected = "# HELP istio_requests_total Requests.\n# TYPE istio_requests_total counter\n"
			       "istio_requests_total{reporter=\"source\"} 3\n"
			       "istio_requests_total{job=\"a\",reporter=\"source\"} 4\n";
	uint32_t counts[] = { 1 };
	struct weir_snapshot snapshot = { .metric_count = 1,
		.metrics = metrics,
		.series = series,
		.series_counts = counts,
		.families = &family,
		.family_count = 1 };
	struct weir_buf buf = { 0 };

	(void)state;
	weir_made_render(begin(&buf), &snapshot);
	weir_passed_render(begin(&buf), &snapshot);
	assert_text(&buf, expected);
	counts[0] = 0; /* theirs alone have HELP and TYPE too */
	buf = (struct weir_buf){ 0 };
	weir_made_render(begin(&buf), &snapshot);
	assert_text(&buf, "# HELP istio_requests_total Requests.\n# TYPE istio_requests_total counter\n"
			  "istio_requests_total{job=\"a\",reporter=\"source\"} 4\n");
}

static void completeness_stands_beside_the_ledger(void **state)
{
	static const struct weir_ledger_refused nothing;
	const struct weir_completeness_view rows[] = { { .source = weir_str_of("reviews-v1.default"),
							       .signal = WEIR_SIGNAL_ACCESS_LOG,
							       .seen = 7998,
							       .sent = 8000,
							       .dropped = 1997 },
		{ .source = weir_str_of("a"), .signal = WEIR_SIGNAL_SPAN, .seen = 1 } };
	const struct weir_log_view logs[] = { { weir_str_of("orders"), "WARN", 5 } };
	const struct weir_ledger_view ledger[] = { { .source = weir_str_of("a\"b"),
		.protocol = WEIR_PROTOCOL_ALS_V2,
		.signal = WEIR_SIGNAL_ACCESS_LOG,
		.mismatched = 2,
		.skew_ns = -1500000000 } };
	struct weir_snapshot snapshot = { .completeness = rows,
		.completeness_count = 2,
		.logs = logs,
		.log_count = 1,
		.ledger = ledger,
		.ledger_count = 1,
		.shortfall_bytes = 77,
		.points_late = 3 };
	struct weir_json_write json;
	struct weir_buf buf = { 0 };

	(void)state;
	weir_json_write_init(&json, &buf);
	weir_ledger_render(&json, &snapshot, &nothing);
	weir_buf_add_char(&buf, '\0');
	assert_non_null(
		strstr(buf.data, "\"completeness\":[{\"source\":\"reviews-v1.default\",\"signal\":\"access_log\","
				 "\"seen\":7998,\"sent\":8000,\"dropped\":1997,\"ratio\":0.80004},"
				 "{\"source\":\"a\",\"signal\":\"span\",\"seen\":1,\"sent\":0,\"dropped\":0,"
				 "\"ratio\":null}]}"));
	weir_buf_clear(&buf);
	weir_ledger_metrics_render(begin(&buf), &snapshot);
	weir_buf_add_char(&buf, '\0');
	assert_non_null(strstr(buf.data,
		"\nweir_source_sent_items_total{source=\"reviews-v1.default\",signal=\"access_log\"} 8000\n"));
	assert_non_null(strstr(buf.data,
		"\nweir_source_dropped_items_total{source=\"reviews-v1.default\",signal=\"access_log\"} 1997\n"));
	assert_non_null(strstr(buf.data, "\nweir_log_records_total{service=\"orders\",severity=\"WARN\"} 5\n"));
	assert_non_null(strstr(buf.data,
		"\nweir_source_skew_seconds{source=\"a\\\"b\",protocol=\"als_v2\",signal=\"access_log\"} -1.5\n"));
	assert_non_null(strstr(buf.data, "\nweir_identity_mismatched_items_total{signal=\"access_log\"} 2\n"));
	assert_non_null(strstr(buf.data, "\nweir_tcp_shortfall_bytes_total 77\n"));
	assert_non_null(strstr(buf.data, "\nweir_points_late_total 3\n"));
	weir_buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_are_whole_when_they_are),
		cmocka_unit_test(histograms_end_with_infinity),
		cmocka_unit_test(exponential_buckets_become_powers_of_two),
		cmocka_unit_test(wide_exponential_histograms_are_bounded),
		cmocka_unit_test(summaries_have_their_quantiles),
		cmocka_unit_test(own_series_join_the_standard_family),
		cmocka_unit_test(completeness_stands_beside_the_ledger),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
