/* openmetrics: the hand-made snapshot as OpenMetrics has it, and what names come to. The golden file is read by
 * prometheus_client's parser in tests/integration. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>
#include <stdio.h>

#include "exporters/metrics/ledger_metrics.h"
#include "exporters/metrics/made.h"
#include "exporters/metrics/openmetrics.h"
#include "exporters/metrics/passed.h"
#include "scene.h"

typedef void render_fn(struct weir_exposition *out, const void *ctx);

static bool is_of_ones(void *ctx, const uint8_t trace_id[16])
{
	*(unsigned *)ctx += 1;
	return trace_id[0] == 0x11;
}

static unsigned asked;

/* Renders twice, as a scrape does: for the names, and for the bytes. */
static void render(render_fn *fn, const void *ctx, bool has_all, struct weir_buf *buf, uint32_t *ret_left_out)
{
	static struct weir_openmetrics openmetrics;
	struct weir_clash clash;
	const struct weir_exposition_opts opts = { .buf = buf,
		.clash = &clash,
		.has_created = has_all,
		.has_trace = has_all ? is_of_ones : NULL,
		.trace_ctx = &asked };

	*buf = (struct weir_buf){ 0 };
	weir_clash_begin(&clash);
	fn(&clash.base, ctx);
	assert_int_equal(weir_clash_settle(&clash), 0);
	weir_openmetrics_begin(&openmetrics, &opts);
	fn(&openmetrics.base, ctx);
	weir_exposition_end(&openmetrics.base);
	*ret_left_out = clash.left_out;
	weir_clash_end(&clash);
	assert_int_equal(weir_buf_error(buf), 0);
	weir_buf_add_char(buf, '\0');
}

static void scene(struct weir_exposition *out, const void *ctx)
{
	(void)ctx;
	weir_made_render(out, &scene_snapshot);
	weir_passed_render(out, &scene_snapshot);
	weir_ledger_metrics_render(out, &scene_snapshot);
	weir_own_render(out, &scene_own);
	weir_own_process_render(out, &scene_process, scene_own.started_ns);
}

static void everything_is_as_the_golden_file_has_it(void **state)
{
	char golden[32768], path[512];
	uint32_t left_out;
	struct weir_buf buf;
	size_t length;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/exposition/scene.openmetrics", getenv("WEIR_GOLDEN"));
	file = fopen(path, "re");
	assert_non_null(file);
	length = fread(golden, 1, sizeof(golden) - 1, file);
	fclose(file);
	golden[length] = '\0';
	render(scene, NULL, true, &buf, &left_out);
	assert_string_equal(buf.data, golden);
	assert_int_equal(left_out, 1); /* sizes_bytes_created, beside the histogram sizes_bytes */
	assert_null(strstr(buf.data, "\n\n"));
	weir_buf_fini(&buf);
}

static void created_lines_and_exemplars_are_there_only_when_asked_for(void **state)
{
	uint32_t left_out;
	struct weir_buf buf;

	(void)state;
	asked = 0;
	render(scene, NULL, false, &buf, &left_out);
	assert_int_equal(asked, 0);
	assert_null(strstr(buf.data, "_created{"));
	assert_null(strstr(buf.data, "trace_id"));
	weir_buf_fini(&buf);
}

/* ---- names --------------------------------------------------------------- */

struct named {
	const char *name;
	enum weir_exposed type;
	const char *line; /* the TYPE line's rest; NULL: left out */
};

static void named_families(struct weir_exposition *out, const void *ctx)
{
	static const double pair[] = { 0.5, 1 };
	static const uint64_t counts[] = { 1 };

	for (const struct named *at = ctx; at->name != NULL; at++) {
		const struct weir_exposition_family family = { .name = weir_str_of(at->name), .type = at->type };
		const struct weir_exposition_sample sample = { .number = weir_exposition_whole(1),
			.count = 1,
			.has_sum = true,
			.bounds = pair,
			.bound_count = 1,
			.counts = counts };

		weir_exposition_family(out, &family);
		while (weir_exposition_pass(out)) {
			weir_exposition_sample(out, &sample);
		}
	}
}

static void assert_named(const struct named *families)
{
	uint32_t left_out, want = 0;
	struct weir_buf buf;
	char part[128];

	render(named_families, families, true, &buf, &left_out);
	for (const struct named *at = families; at->name != NULL; at++) {
		want += at->line == NULL;
		if (at->line != NULL) {
			snprintf(part, sizeof(part), "# TYPE %s\n", at->line);
			assert_non_null(strstr(buf.data, part));
		}
		if (at->line != NULL && at->type <= WEIR_EXPOSED_COUNTER) {
			snprintf(part, sizeof(part), "\n%s 1\n", at->name); /* called the same in every format */
			assert_non_null(strstr(buf.data, part));
		}
	}
	assert_int_equal(left_out, want);
	weir_buf_fini(&buf);
}

static void no_name_belongs_to_two_families(void **state)
{
	static const struct named beside[] = { { "a_total", WEIR_EXPOSED_COUNTER, "a counter" },
		{ "b_total", WEIR_EXPOSED_COUNTER, "b_total unknown" }, { "b", WEIR_EXPOSED_GAUGE, "b gauge" },
		{ "c", WEIR_EXPOSED_HISTOGRAM, "c histogram" }, { "c_total", WEIR_EXPOSED_COUNTER, "c_total unknown" },
		{ "d", WEIR_EXPOSED_COUNTER, "d unknown" }, { "d_total", WEIR_EXPOSED_COUNTER, "d_total unknown" },
		{ "e_total", WEIR_EXPOSED_COUNTER, "e_total unknown" },
		{ "e_created", WEIR_EXPOSED_GAUGE, "e_created gauge" },
		{ "target", WEIR_EXPOSED_GAUGE, "target gauge" },
		{ "target_info", WEIR_EXPOSED_GAUGE, "target_info unknown" }, { NULL, 0, NULL } };
	static const struct named suffixed[] = { { "h", WEIR_EXPOSED_HISTOGRAM, "h histogram" },
		{ "h_count", WEIR_EXPOSED_GAUGE, NULL }, { "h_created", WEIR_EXPOSED_COUNTER, NULL },
		{ "h_sum_total", WEIR_EXPOSED_COUNTER, "h_sum_total unknown" },
		{ "s_sum", WEIR_EXPOSED_GAUGE, "s_sum gauge" }, { "s", WEIR_EXPOSED_SUMMARY, NULL },
		{ "s_bucket", WEIR_EXPOSED_GAUGE, "s_bucket gauge" }, { "f_total", WEIR_EXPOSED_COUNTER, "f counter" },
		{ "f_created_total", WEIR_EXPOSED_COUNTER, "f_created_total unknown" },
		{ "_total", WEIR_EXPOSED_COUNTER, "_total unknown" }, { NULL, 0, NULL } };
	static const struct named info[] = { { "target_info", WEIR_EXPOSED_GAUGE, "target info" }, { NULL, 0, NULL } };

	(void)state;
	assert_named(beside);
	assert_named(suffixed);
	assert_named(info);
}

static void units_are_those_that_names_end_in(void **state)
{
	static const char *const rows[][2] = { { "x_seconds", "seconds" }, { "x_seconds_total", "" },
		{ "x_milliseconds", "milliseconds" }, { "a_bytes", "bytes" }, { "bytes", "" }, { "_bytes", "" },
		{ "kilobytes", "" }, { "x_bytes_sent", "" }, { "x_total", "" }, { "", "" }, { "x_ratio", "ratio" } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		assert_true(weir_str_is(weir_exposition_unit(weir_str_of(rows[i][0])), rows[i][1]));
	}
}

/* Prometheus gives up a whole scrape over a unit that its family's name does not end in. */
static void a_unit_is_said_of_families_that_end_in_it(void **state)
{
	static const struct named families[] = { { "a_seconds_total", WEIR_EXPOSED_COUNTER, "a_seconds counter" },
		{ "b_bytes_total", WEIR_EXPOSED_GAUGE, "b_bytes_total gauge" },
		{ "c_seconds_total", WEIR_EXPOSED_HISTOGRAM, "c_seconds_total histogram" },
		{ "d_seconds", WEIR_EXPOSED_GAUGE, "d_seconds gauge" },
		{ "d_seconds_total", WEIR_EXPOSED_COUNTER, "d_seconds_total unknown" },
		{ "e_ratio", WEIR_EXPOSED_COUNTER, "e_ratio unknown" }, { NULL, 0, NULL } };
	static const char *const units[] = { "# UNIT a_seconds seconds\n", "# UNIT d_seconds seconds\n",
		"# UNIT e_ratio ratio\n" };
	uint32_t left_out;
	struct weir_buf buf;
	unsigned said = 0;

	(void)state;
	assert_named(families);
	render(named_families, families, true, &buf, &left_out);
	for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
		assert_non_null(strstr(buf.data, units[i]));
	}
	for (const char *at = buf.data; (at = strstr(at, "# UNIT ")) != NULL; at++) {
		said++;
	}
	assert_int_equal(said, sizeof(units) / sizeof(units[0]));
	weir_buf_fini(&buf);
}

static void bounds_are_written_as_go_writes_them(void **state)
{
	static const struct {
		double value;
		const char *text;
	} rows[] = { { 0, "0.0" }, { 1, "1.0" }, { 10, "10.0" }, { 0.5, "0.5" }, { 0.99, "0.99" }, { 12.75, "12.75" },
		{ 100000, "100000.0" }, { 1000000, "1e+06" }, { 1800000, "1.8e+06" }, { 123456789, "1.23456789e+08" },
		{ 0.0001, "0.0001" }, { 0.00001, "1e-05" }, { -2, "-2.0" }, { 1e300, "1e+300" },
		{ 0.1 + 0.2, "0.30000000000000004" }, { 5e-324, "5e-324" }, { INFINITY, "+Inf" }, { -INFINITY, "-Inf" },
		{ NAN, "NaN" } };
	struct weir_line_bound bound;
	char want[64];

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		weir_line_bound_set(&bound, "quantile", rows[i].value, true);
		snprintf(want, sizeof(want), "quantile=\"%s\"", rows[i].text);
		assert_int_equal(bound.length, strlen(want));
		assert_memory_equal(bound.data, want, bound.length);
	}
	weir_line_bound_set(&bound, "quantile", -1.2345678901234567e-300, true);
	assert_in_range(bound.length, 30, sizeof(bound.data) - 1);
}

/* ---- what senders may not have said -------------------------------------- */

static void forbidden(struct weir_exposition *out, const void *ctx)
{
	static const double values[] = { -1, NAN, 2 }, pairs[] = { 0.5, -3, 1.5, 4, 0.9, 5 }, bounds[] = { 1 };
	static const uint64_t counts[] = { 1 };
	const struct weir_exposition_family families[] = {
		{ .name = weir_str_of("n_total"), .type = WEIR_EXPOSED_COUNTER },
		{ .name = weir_str_of("q"), .type = WEIR_EXPOSED_SUMMARY },
		{ .name = weir_str_of("h"), .type = WEIR_EXPOSED_HISTOGRAM },
	};

	(void)ctx;
	weir_exposition_family(out, &families[0]);
	while (weir_exposition_pass(out)) {
		for (size_t i = 0; i < 3; i++) {
			const struct weir_exposition_sample sample = { .number = weir_exposition_real(values[i]) };

			weir_exposition_sample(out, &sample);
		}
	}
	weir_exposition_family(out, &families[1]);
	while (weir_exposition_pass(out)) {
		const struct weir_exposition_sample sample = {
			.count = 2, .sum = -3, .has_sum = true, .bounds = pairs, .bound_count = 3
		};

		weir_exposition_sample(out, &sample);
	}
	weir_exposition_family(out, &families[2]);
	while (weir_exposition_pass(out)) {
		const struct weir_exposition_sample sample = {
			.count = 2, .sum = NAN, .has_sum = true, .bounds = bounds, .bound_count = 1, .counts = counts
		};

		weir_exposition_sample(out, &sample);
	}
}

static void what_openmetrics_forbids_is_left_out(void **state)
{
	uint32_t left_out;
	struct weir_buf buf;

	(void)state;
	render(forbidden, NULL, true, &buf, &left_out);
	assert_string_equal(buf.data, "# TYPE n counter\nn_total 2\n"
				      "# TYPE q summary\nq{quantile=\"0.9\"} 5\nq_count 2\n"
				      "# TYPE h histogram\nh_bucket{le=\"1.0\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
				      "# EOF\n");
	weir_buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_is_as_the_golden_file_has_it),
		cmocka_unit_test(created_lines_and_exemplars_are_there_only_when_asked_for),
		cmocka_unit_test(no_name_belongs_to_two_families),
		cmocka_unit_test(units_are_those_that_names_end_in),
		cmocka_unit_test(a_unit_is_said_of_families_that_end_in_it),
		cmocka_unit_test(bounds_are_written_as_go_writes_them),
		cmocka_unit_test(what_openmetrics_forbids_is_left_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
