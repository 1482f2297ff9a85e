/* text: a hand-made snapshot as Prometheus reads it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdlib.h>
#include <stdio.h>

#include "base/stat.h"
#include "exporters/metrics/ledger_metrics.h"
#include "exporters/metrics/made.h"
#include "exporters/metrics/passed.h"
#include "exporters/metrics/text.h"
#include "scene.h"

static struct weir_text_exposition text;

static struct weir_exposition *begin(struct weir_buf *buf)
{
	const struct weir_exposition_opts opts = { .buf = buf };

	weir_text_exposition_begin(&text, &opts);
	return &text.base;
}

static void render(struct weir_buf *buf)
{
	struct weir_exposition *out = begin(buf);

	weir_made_render(out, &scene_snapshot);
	weir_passed_render(out, &scene_snapshot);
	weir_ledger_metrics_render(out, &scene_snapshot);
	weir_own_render(out, &scene_own);
	weir_own_process_render(out, &scene_process, scene_own.started_ns);
	weir_exposition_end(out);
}

/* Bytes that scrapers have read so far stay as they are. */
static void everything_is_as_the_golden_file_has_it(void **state)
{
	struct weir_buf buf = { 0 };
	char golden[32768], path[512];
	size_t length;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/exposition/scene.txt", getenv("WEIR_GOLDEN"));
	file = fopen(path, "re");
	assert_non_null(file);
	length = fread(golden, 1, sizeof(golden) - 1, file);
	fclose(file);
	golden[length] = '\0';
	render(&buf);
	weir_buf_add_char(&buf, '\0');
	assert_int_equal(weir_buf_error(&buf), 0);
	assert_string_equal(buf.data, golden);
	weir_buf_fini(&buf);
}

/* What kind and unit a metric has decides which member is its value. */
static void a_value_is_where_its_unit_says(void **state)
{
	static const struct weir_metric seconds = { .name = "istio_seconds_total",
		.help = "s",
		.kind = WEIR_METRIC_COUNTER,
		.unit = WEIR_UNIT_DURATION },
					open = { .name = "istio_open", .help = "o", .kind = WEIR_METRIC_GAUGE };
	static const struct weir_metric *const metrics[] = { &seconds, &open };
	static struct weir_series_view views[] = { { .labels = { "a=\"1\"", 5 }, .count = 9, .sum = 0.25 } };
	static struct weir_series_view *const series[] = { views, views };
	static const uint32_t counts[] = { 1, 1 };
	static const struct weir_expired_view expired[] = { { { "istio_seconds_total", 19 }, 12.5, 7 },
		{ { "x\"", 2 }, 3, 0 } };
	const struct weir_snapshot snapshot = { .metric_count = 2,
		.metrics = metrics,
		.series = series,
		.series_counts = counts,
		.expired = expired,
		.expired_count = 2 };
	struct weir_buf buf = { 0 };

	(void)state;
	weir_made_render(begin(&buf), &snapshot);
	weir_buf_add_char(&buf, '\0');
	assert_non_null(strstr(buf.data, "# TYPE istio_seconds_total counter\nistio_seconds_total{a=\"1\"} 0.25\n"));
	assert_non_null(strstr(buf.data, "# TYPE istio_open gauge\nistio_open{a=\"1\"} 0.25\n"));
	assert_non_null(strstr(buf.data, "# TYPE weir_series_expired_value_total counter\n"
					 "weir_series_expired_value_total{metric=\"istio_seconds_total\"} 12.5\n"
					 "weir_series_expired_value_total{metric=\"x\\\"\"} 3\n"));
	weir_buf_fini(&buf);
}

static size_t count_of(const char *in, const char *part)
{
	size_t count = 0;

	for (const char *at = in; (at = strstr(at, part)) != NULL; at++) {
		count++;
	}
	return count;
}

static void counters_of_the_process_have_one_help_a_name(void **state)
{
	static const char *const names[] = {
#define WEIR_STAT(id, kind, name, labels, help) name,
#include "base/stat.def"
#undef WEIR_STAT
	};
	struct weir_buf buf = { 0 };
	char part[256];

	(void)state;
	weir_stat_add(WEIR_STAT_HTTP_3XX, 7);
	weir_own_stats_render(begin(&buf), 1);
	weir_buf_add_char(&buf, '\0');
	for (size_t i = 0; i < WEIR_STATS; i++) {
		snprintf(part, sizeof(part), "# TYPE %s ", names[i]);
		assert_int_equal(count_of(buf.data, part), 1);
		snprintf(part, sizeof(part), "# HELP %s ", names[i]);
		assert_int_equal(count_of(buf.data, part), 1);
	}
	assert_non_null(strstr(buf.data, "\nweir_http_responses_total{class=\"3xx\"} 7\n"));
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
	struct weir_buf buf;

	(void)state;
	for (size_t limit = 1; limit < 13000; limit += 97) {
		weir_buf_init(&buf, limit);
		render(&buf);
		assert_true(weir_buf_error(&buf) < 0);
		assert_true(buf.length <= limit);
		weir_buf_fini(&buf);
	}
}

static void take(void *ctx)
{
	struct weir_buf *buf = ctx;

	assert_true(buf->length < 8192); /* no more than one sample's lines are there at once */
	weir_buf_clear(buf);
}

static void what_is_there_is_offered_after_each_sample(void **state)
{
	struct weir_buf buf = { 0 };
	const struct weir_exposition_opts opts = { .buf = &buf, .drain = take, .drain_ctx = &buf };

	(void)state;
	weir_text_exposition_begin(&text, &opts);
	weir_made_render(&text.base, &scene_snapshot);
	assert_int_equal(weir_buf_error(&buf), 0);
	weir_buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_as_the_golden_file_has_it),
		cmocka_unit_test(a_value_is_where_its_unit_says),
		cmocka_unit_test(counters_of_the_process_have_one_help_a_name),
		cmocka_unit_test(process_figures_can_be_read),
		cmocka_unit_test(a_full_buffer_is_told_not_overrun),
		cmocka_unit_test(what_is_there_is_offered_after_each_sample),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
