/* text: a hand-made snapshot as Prometheus reads it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <stdio.h>

#include "exporters/metrics/own.h"
#include "exporters/metrics/text.h"

static const double bounds[] = { 0.5, 1, 5 };
static const struct weir_metric requests = { "istio_requests_total", "Requests.", WEIR_METRIC_COUNTER, NULL, 0 };
static const struct weir_metric nothing = { "istio_nothing_total", "Never seen.", WEIR_METRIC_COUNTER, NULL, 0 };
static const struct weir_metric duration = { "istio_request_duration_milliseconds", "A \\ and a\nline.",
	WEIR_METRIC_HISTOGRAM, bounds, 3 };
static const struct weir_metric *const metrics[] = { &requests, &nothing, &duration };

static void assert_text(struct weir_buf *buf, const char *expected)
{
	assert_int_equal(weir_buf_error(buf), 0);
	weir_buf_add_char(buf, '\0');
	assert_string_equal(buf->data, expected);
	weir_buf_fini(buf);
}

static void families_stand_together_and_empty_ones_are_left_out(void **state)
{
	static const uint64_t buckets[] = { 1, 0, 2, 4 }, none[] = { 0, 0, 0, 0 };
	struct weir_series_view counters[] = {
		{ .labels = weir_str_of("reporter=\"source\",response_code=\"200\""), .count = UINT64_MAX },
		{ .labels = weir_str_of(""), .count = 0 },
	};
	struct weir_series_view histograms[] = {
		{ .labels = weir_str_of("reporter=\"source\""), .count = 7, .sum = 1234.5, .buckets = buckets },
		{ .labels = weir_str_of(""), .count = 0, .sum = 0, .buckets = none },
	};
	struct weir_series_view *const series[] = { counters, NULL, histograms };
	const uint32_t counts[] = { 2, 0, 2 };
	struct weir_snapshot snapshot = {
		.metric_count = 3, .metrics = metrics, .series = series, .series_counts = counts
	};
	struct weir_buf buf = { 0 };

	(void)state;
	weir_text_series(&buf, &snapshot, NULL);
	assert_text(&buf, "# HELP istio_requests_total Requests.\n"
			  "# TYPE istio_requests_total counter\n"
			  "istio_requests_total{reporter=\"source\",response_code=\"200\"} 18446744073709551615\n"
			  "istio_requests_total 0\n"
			  "# HELP istio_request_duration_milliseconds A \\\\ and a\\nline.\n"
			  "# TYPE istio_request_duration_milliseconds histogram\n"
			  "istio_request_duration_milliseconds_bucket{reporter=\"source\",le=\"0.5\"} 1\n"
			  "istio_request_duration_milliseconds_bucket{reporter=\"source\",le=\"1\"} 1\n"
			  "istio_request_duration_milliseconds_bucket{reporter=\"source\",le=\"5\"} 3\n"
			  "istio_request_duration_milliseconds_bucket{reporter=\"source\",le=\"+Inf\"} 7\n"
			  "istio_request_duration_milliseconds_sum{reporter=\"source\"} 1234.5\n"
			  "istio_request_duration_milliseconds_count{reporter=\"source\"} 7\n"
			  "istio_request_duration_milliseconds_bucket{le=\"0.5\"} 0\n"
			  "istio_request_duration_milliseconds_bucket{le=\"1\"} 0\n"
			  "istio_request_duration_milliseconds_bucket{le=\"5\"} 0\n"
			  "istio_request_duration_milliseconds_bucket{le=\"+Inf\"} 0\n"
			  "istio_request_duration_milliseconds_sum 0\n"
			  "istio_request_duration_milliseconds_count 0\n");
}

static void ledger_sums_by_signal_and_starts_at_zero(void **state)
{
	struct weir_ledger_view rows[] = {
		{ .signal = WEIR_SIGNAL_SPAN, .received = 10, .kept = 7, .duplicates = 1, .dropped = { 2, 0 } },
		{ .signal = WEIR_SIGNAL_SPAN, .received = 5, .kept = 4, .thinned = { 1, 0 } },
	};
	struct weir_snapshot snapshot = { .ledger = rows, .ledger_count = 2, .series_total = 42 };
	struct weir_buf buf = { 0 };

	(void)state;
	weir_text_ledger(&buf, &snapshot);
	weir_buf_add_char(&buf, '\0');
	assert_non_null(strstr(buf.data, "\nweir_received_items_total{signal=\"span\"} 15\n"));
	assert_non_null(strstr(buf.data, "\nweir_received_items_total{signal=\"access_log\"} 0\n"));
	assert_non_null(strstr(buf.data, "\nweir_kept_items_total{signal=\"span\"} 11\n"));
	assert_non_null(strstr(buf.data, "\nweir_duplicate_items_total{signal=\"span\"} 1\n"));
	assert_non_null(strstr(buf.data, "\nweir_dropped_items_total{signal=\"span\",reason=\"invalid\"} 2\n"));
	assert_non_null(
		strstr(buf.data, "\nweir_dropped_items_total{signal=\"access_log\",reason=\"intermediate\"} 0\n"));
	assert_non_null(strstr(buf.data, "\nweir_thinned_items_total{signal=\"span\",reason=\"storage\"} 1\n"));
	assert_non_null(strstr(buf.data, "\nweir_series 42\n"));
	assert_non_null(strstr(buf.data, "\nweir_received_items_total{signal=\"mixer\"} 0\n"));
	assert_non_null(strstr(buf.data, "\nweir_identity_mismatched_items_total{signal=\"span\"} 0\n"));
	weir_buf_fini(&buf);
}

static void own_families_have_help_and_are_there_once(void **state)
{
	struct weir_own own = { .version = "1.2.3",
		.started_ns = 1500000000,
		.ring_size_bytes = 4096,
		.ring_head = 300,
		.ring_tail = 100,
		.ring_folded = 250,
		.store_state = WEIR_STORE_FAILING,
		.store = { .spans = 9 } };
	struct weir_own_process process = {
		.cpu_s = 1.25, .resident_bytes = 100, .virtual_bytes = 200, .open_fds = 7, .max_fds = -1
	};
	struct weir_buf buf = { 0 };

	(void)state;
	weir_own_render(&buf, &own);
	weir_own_process_render(&buf, &process, own.started_ns);
	weir_buf_add_char(&buf, '\0');
	assert_non_null(strstr(buf.data, "\nweir_build_info{version=\"1.2.3\"} 1\n"));
	assert_non_null(strstr(buf.data, "\nweir_ring_used_bytes 200\n"));
	assert_non_null(strstr(buf.data, "\nweir_ring_unfolded_bytes 50\n"));
	assert_non_null(strstr(buf.data, "\nweir_storage_state 2\n"));
	assert_non_null(strstr(buf.data, "\nweir_storage_spans 9\n"));
	assert_non_null(strstr(buf.data, "\nprocess_cpu_seconds_total 1.25\n"));
	assert_non_null(strstr(buf.data, "\nprocess_start_time_seconds 1.5\n"));
	assert_non_null(strstr(buf.data, "\nprocess_open_fds 7\n"));
	assert_null(strstr(buf.data, "process_max_fds"));
	for (const char *at = buf.data; (at = strstr(at, "# TYPE ")) != NULL; at++) {
		char line[128];

		snprintf(line, sizeof(line), "%.*s ", (int)(7 + strcspn(at + 7, " ")), at);
		assert_null(strstr(at + 1, line));
		memcpy(line, "# HELP", 6);
		assert_non_null(strstr(buf.data, line));
	}
	weir_buf_fini(&buf);
}

static void process_figures_can_be_read(void **state)
{
	struct weir_own_process process;

	(void)state;
	weir_own_process_read(&process);
	assert_true(process.cpu_s >= 0);
	assert_true(process.resident_bytes > 0);
	assert_true(process.virtual_bytes >= process.resident_bytes);
	assert_true(process.open_fds >= 0);
}

static void a_full_buffer_is_told_not_overrun(void **state)
{
	struct weir_series_view counters[] = { { .labels = weir_str_of("a=\"b\""), .count = 1 } };
	struct weir_series_view *const series[] = { counters, NULL, NULL };
	const uint32_t counts[] = { 1, 0, 0 };
	struct weir_snapshot snapshot = {
		.metric_count = 3, .metrics = metrics, .series = series, .series_counts = counts
	};
	struct weir_buf buf;

	(void)state;
	weir_buf_init(&buf, 100);
	weir_text_series(&buf, &snapshot, NULL);
	assert_true(weir_buf_error(&buf) < 0);
	weir_buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families_stand_together_and_empty_ones_are_left_out),
		cmocka_unit_test(ledger_sums_by_signal_and_starts_at_zero),
		cmocka_unit_test(own_families_have_help_and_are_there_once),
		cmocka_unit_test(process_figures_can_be_read),
		cmocka_unit_test(a_full_buffer_is_told_not_overrun),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
