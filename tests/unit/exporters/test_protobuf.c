/* protobuf: what weir writes, read back by protobuf-c. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/prometheus/client/metrics.pb-c.h"

#include "exporters/metrics/exponential.h"
#include "exporters/metrics/ledger_metrics.h"
#include "exporters/metrics/made.h"
#include "exporters/metrics/passed.h"
#include "exporters/metrics/protobuf.h"
#include "exporters/metrics/put.h"
#include "scene.h"

#define FAMILIES_MAX 128u

struct decoded {
	Io__Prometheus__Client__MetricFamily *families[FAMILIES_MAX];
	size_t count;
};

static uint64_t varint_read(const uint8_t **at, const uint8_t *end)
{
	uint64_t value = 0;

	for (unsigned shift = 0; *at < end; shift += 7) {
		uint8_t byte = *(*at)++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			return value;
		}
	}
	fail_msg("a length has no end");
	return 0;
}

static struct decoded decode(const struct weir_buf *buf)
{
	const uint8_t *at = (const uint8_t *)buf->data, *end = at + buf->length;
	struct decoded decoded = { .count = 0 };

	while (at < end) {
		uint64_t length = varint_read(&at, end);

		assert_true(length <= (uint64_t)(end - at));
		assert_true(decoded.count < FAMILIES_MAX);
		decoded.families[decoded.count] =
			io__prometheus__client__metric_family__unpack(NULL, (size_t)length, at);
		assert_non_null(decoded.families[decoded.count]);
		decoded.count++;
		at += length;
	}
	return decoded;
}

static void decoded_free(struct decoded *decoded)
{
	for (size_t i = 0; i < decoded->count; i++) {
		io__prometheus__client__metric_family__free_unpacked(decoded->families[i], NULL);
	}
}

static const Io__Prometheus__Client__MetricFamily *family_of(const struct decoded *decoded, const char *name)
{
	const Io__Prometheus__Client__MetricFamily *found = NULL;

	for (size_t i = 0; i < decoded->count; i++) {
		if (strcmp(decoded->families[i]->name, name) == 0) {
			assert_null(found);
			found = decoded->families[i];
		}
	}
	assert_non_null(found);
	return found;
}

static bool is_of_ones(void *ctx, const uint8_t trace_id[16])
{
	(void)ctx;
	return trace_id[0] == 0x11;
}

static void scene_render(struct weir_buf *buf)
{
	const struct weir_exposition_opts opts = { .buf = buf, .has_trace = is_of_ones };
	struct weir_protobuf protobuf;

	weir_protobuf_begin(&protobuf, &opts);
	weir_made_render(&protobuf.base, &scene_snapshot);
	weir_passed_render(&protobuf.base, &scene_snapshot);
	weir_ledger_metrics_render(&protobuf.base, &scene_snapshot);
	weir_own_render(&protobuf.base, &scene_own);
	weir_own_process_render(&protobuf.base, &scene_process, scene_own.started_ns);
	weir_exposition_end(&protobuf.base);
	weir_protobuf_end(&protobuf);
}

static struct decoded scene_decode(void)
{
	struct weir_buf buf = { 0 };
	struct decoded decoded;

	scene_render(&buf);
	assert_int_equal(weir_buf_error(&buf), 0);
	decoded = decode(&buf);
	weir_buf_fini(&buf);
	return decoded;
}

static void assert_label(const Io__Prometheus__Client__Metric *metric, size_t i, const char *name, const char *value)
{
	assert_true(i < metric->n_label);
	assert_string_equal(metric->label[i]->name, name);
	assert_string_equal(metric->label[i]->value, value);
}

static void assert_exemplar(const Io__Prometheus__Client__Exemplar *exemplar, const char *span, double value,
	int64_t seconds, int32_t nanos)
{
	assert_non_null(exemplar);
	assert_int_equal(exemplar->n_label, span != NULL ? 2 : 1);
	assert_string_equal(exemplar->label[0]->name, "trace_id");
	assert_string_equal(exemplar->label[0]->value, "11000000000000000000000000000001");
	if (span != NULL) {
		assert_string_equal(exemplar->label[1]->name, "span_id");
		assert_string_equal(exemplar->label[1]->value, span);
	}
	assert_true(exemplar->has_value && exemplar->value == value);
	assert_int_equal(exemplar->timestamp->seconds, seconds);
	assert_int_equal(exemplar->timestamp->nanos, nanos);
}

/* Line by line what the text format has: the golden file of test_text.c. */
static void families_and_types_are_those_of_the_text(void **state)
{
	struct decoded decoded = scene_decode();
	char golden[32768], path[512], *line, *rest = golden;
	size_t at = 0, length;
	FILE *file;

	(void)state;
	snprintf(path, sizeof(path), "%s/exposition/scene.txt", getenv("WEIR_GOLDEN"));
	file = fopen(path, "re");
	assert_non_null(file);
	length = fread(golden, 1, sizeof(golden) - 1, file);
	fclose(file);
	golden[length] = '\0';
	while ((line = strsep(&rest, "\n")) != NULL) {
		static const char *const types[] = { "counter", "gauge", "summary", "untyped", "histogram" };
		char want[256];

		if (strncmp(line, "# TYPE ", 7) != 0) {
			continue;
		}
		assert_true(at < decoded.count);
		assert_true(decoded.families[at]->has_type && decoded.families[at]->n_metric > 0);
		assert_non_null(decoded.families[at]->help);
		snprintf(want, sizeof(want), "# TYPE %s %s", decoded.families[at]->name,
			types[decoded.families[at]->type]);
		assert_string_equal(line, want);
		at++;
	}
	assert_int_equal(at, decoded.count);
	decoded_free(&decoded);
}

static void counters_and_gauges_have_value_created_time_and_exemplar(void **state)
{
	struct decoded decoded = scene_decode();
	const Io__Prometheus__Client__MetricFamily *requests = family_of(&decoded, "istio_requests_total"),
						   *ratio = family_of(&decoded, "mem_ratio");
	const Io__Prometheus__Client__Metric *metric = requests->metric[0];

	(void)state;
	assert_int_equal(requests->n_metric, 3);
	assert_string_equal(requests->help, "Requests.");
	assert_null(requests->unit);
	assert_int_equal(metric->n_label, 2);
	assert_label(metric, 0, "reporter", "source");
	assert_label(metric, 1, "response_code", "200");
	assert_true(metric->counter->has_value && metric->counter->value == 18446744073709551616.0);
	assert_int_equal(metric->counter->created_timestamp->seconds, 1700000000);
	assert_int_equal(metric->counter->created_timestamp->nanos, 250000000);
	assert_exemplar(metric->counter->exemplar, NULL, 1, 1700000002, 500000000);
	metric = requests->metric[1];
	assert_label(metric, 0, "reporter", "a\\b\"c\nd=");
	assert_label(metric, 1, "response_code", "");
	assert_null(metric->counter->created_timestamp);
	assert_null(metric->counter->exemplar);
	assert_int_equal(requests->metric[2]->n_label, 0);
	assert_true(requests->metric[2]->counter->has_value && requests->metric[2]->counter->value == 0);
	assert_string_equal(ratio->unit, "ratio");
	assert_true(ratio->metric[0]->gauge->value == -9223372036854775808.0);
	assert_true(ratio->metric[2]->gauge->value == 7.5);
	assert_true(isnan(ratio->metric[3]->gauge->value));
	metric = family_of(&decoded, "io_bytes_total")->metric[0];
	assert_exemplar(metric->counter->exemplar, "00000000000000aa", 2.5, 1700000005, 0);
	assert_true(ratio->metric[4]->gauge->value == -INFINITY);
	decoded_free(&decoded);
}

/* Prometheus gives up a whole scrape over a unit that its family's name does not end in; a counter's `_total` aside. */
static void a_unit_is_said_of_families_that_end_in_it(void **state)
{
	static const struct {
		const char *name, *unit;
		enum weir_exposed type;
	} rows[] = { { "a_seconds_total", "seconds", WEIR_EXPOSED_COUNTER },
		{ "b_bytes", "bytes", WEIR_EXPOSED_COUNTER }, { "c_bytes_total", NULL, WEIR_EXPOSED_GAUGE },
		{ "d_seconds_total", NULL, WEIR_EXPOSED_HISTOGRAM }, { "e_seconds", "seconds", WEIR_EXPOSED_SUMMARY } };
	struct weir_buf buf = { 0 };
	const struct weir_exposition_opts opts = { .buf = &buf };
	struct weir_protobuf protobuf;
	struct decoded decoded;

	(void)state;
	weir_protobuf_begin(&protobuf, &opts);
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		weir_exposition_one(&protobuf.base, rows[i].name, rows[i].type, "", weir_exposition_whole(1), 0);
	}
	weir_protobuf_end(&protobuf);
	decoded = decode(&buf);
	assert_int_equal(decoded.count, sizeof(rows) / sizeof(rows[0]));
	for (size_t i = 0; i < decoded.count; i++) {
		assert_string_equal(decoded.families[i]->name, rows[i].name);
		assert_int_equal(decoded.families[i]->n_metric, 1);
		assert_int_equal(decoded.families[i]->unit != NULL, rows[i].unit != NULL);
		if (rows[i].unit != NULL) {
			assert_string_equal(decoded.families[i]->unit, rows[i].unit);
		}
	}
	decoded_free(&decoded);
	weir_buf_fini(&buf);
}

static void classic_histograms_are_cumulative(void **state)
{
	static const double bounds[] = { 0.5, 1, 5, 1000000, INFINITY };
	static const uint64_t cumulative[] = { 1, 1, 3, 3, 7 };
	struct decoded decoded = scene_decode();
	const Io__Prometheus__Client__MetricFamily *family = family_of(&decoded, "istio_request_duration_milliseconds");
	const Io__Prometheus__Client__Histogram *histogram = family->metric[0]->histogram;

	(void)state;
	assert_string_equal(family->unit, "milliseconds");
	assert_true(histogram->has_sample_count && histogram->sample_count == 7);
	assert_true(histogram->has_sample_sum && histogram->sample_sum == 1234.5);
	assert_int_equal(histogram->n_bucket, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(histogram->bucket[i]->cumulative_count, cumulative[i]);
		assert_true(histogram->bucket[i]->upper_bound == bounds[i]);
	}
	assert_exemplar(histogram->bucket[0]->exemplar, "00000000000000aa", 0.25, 1700000001, 0);
	assert_null(histogram->bucket[2]->exemplar); /* of a trace that is gone */
	assert_exemplar(histogram->bucket[4]->exemplar, NULL, 1e9, 1700000004, 125000000);
	assert_int_equal(histogram->created_timestamp->seconds, 1700000000);
	assert_false(histogram->has_schema || histogram->has_zero_count || histogram->n_positive_span > 0);
	family = family_of(&decoded, "http_server_request_duration_seconds");
	assert_false(family->metric[1]->histogram->has_sample_sum);
	assert_int_equal(family->metric[1]->histogram->n_bucket, 1);
	assert_null(family->metric[1]->histogram->bucket[0]->exemplar); /* gone, too */
	histogram = family->metric[0]->histogram;
	assert_null(histogram->bucket[0]->exemplar);
	assert_exemplar(histogram->bucket[1]->exemplar, "00000000000000bb", 5, 1700000005, 500000000);
	assert_null(histogram->bucket[2]->exemplar);
	assert_int_equal(histogram->n_exemplars, 0); /* those are of native ones */
	decoded_free(&decoded);
}

static void summaries_have_their_quantiles(void **state)
{
	struct decoded decoded = scene_decode();
	const Io__Prometheus__Client__Summary *summary = family_of(&decoded, "rpc")->metric[0]->summary;

	(void)state;
	assert_int_equal(summary->sample_count, 12);
	assert_true(summary->sample_sum == 99);
	assert_int_equal(summary->n_quantile, 3);
	assert_true(summary->quantile[1]->quantile == 0.99 && summary->quantile[1]->value == 70.5);
	assert_true(isnan(summary->quantile[2]->value));
	assert_int_equal(summary->created_timestamp->seconds, 1700000000);
	decoded_free(&decoded);
}

/* ---- native histograms --------------------------------------------------- */

/* What a reader makes of spans and deltas: the counts by bucket number; returns their sum. */
static uint64_t counts_of(Io__Prometheus__Client__BucketSpan *const *spans, size_t span_count, const int64_t *deltas,
	size_t delta_count, int64_t first, uint64_t *ret_counts, size_t size)
{
	int64_t index = 0, count = 0;
	uint64_t sum = 0;
	size_t at = 0;

	memset(ret_counts, 0, size * sizeof(*ret_counts));
	for (size_t i = 0; i < span_count; i++) {
		index += spans[i]->offset;
		for (uint32_t j = 0; j < spans[i]->length; j++, index++) {
			assert_true(at < delta_count);
			count += deltas[at++];
			assert_true(count >= 0 && index >= first && (size_t)(index - first) < size);
			ret_counts[index - first] = (uint64_t)count;
			sum += (uint64_t)count;
		}
	}
	assert_int_equal(at, delta_count);
	return sum;
}

static void exponential_histograms_are_native_and_classic(void **state)
{
	struct decoded decoded = scene_decode();
	const Io__Prometheus__Client__MetricFamily *family = family_of(&decoded, "sizes_bytes");
	const Io__Prometheus__Client__Histogram *histogram = family->metric[0]->histogram;
	uint64_t counts[16];

	(void)state;
	assert_int_equal(family->n_metric, 3);
	assert_true(histogram->has_schema && histogram->schema == 1);
	assert_true(histogram->has_zero_count && histogram->zero_count == 5);
	assert_true(histogram->has_zero_threshold && histogram->zero_threshold == 0);
	/* OpenTelemetry's bucket 2 is Prometheus' 3; three empty ones are a new span. */
	assert_int_equal(histogram->n_positive_span, 2);
	assert_int_equal(counts_of(histogram->positive_span, 2, histogram->positive_delta, histogram->n_positive_delta,
				 3, counts, 16),
		7);
	assert_true(counts[0] == 1 && counts[1] == 2 && counts[5] == 4);
	assert_int_equal(counts_of(histogram->negative_span, histogram->n_negative_span, histogram->negative_delta,
				 histogram->n_negative_delta, 0, counts, 16),
		3);
	assert_int_equal(counts[0], 3);
	assert_int_equal(histogram->n_bucket, 6);
	assert_int_equal(histogram->bucket[5]->cumulative_count, histogram->sample_count);
	assert_int_equal(histogram->n_exemplars, 1);
	assert_exemplar(histogram->exemplars[0], NULL, 3, 1700000006, 1);
	for (size_t i = 0; i < 6; i++) {
		assert_int_equal(histogram->bucket[i]->exemplar != NULL, i == 2); /* (0, 4] */
	}
	/* scale 12 is merged down to 8 */
	histogram = family->metric[1]->histogram;
	assert_int_equal(histogram->schema, 8);
	assert_true(histogram->zero_threshold == 0.125);
	assert_int_equal(histogram->n_positive_span, 1);
	assert_int_equal(histogram->positive_span[0]->offset, 769);
	assert_int_equal(histogram->positive_delta[0], 2);
	assert_int_equal(histogram->n_exemplars, 0);
	/* an empty one is seen to be native by an empty span */
	histogram = family->metric[2]->histogram;
	assert_int_equal(histogram->n_positive_span, 1);
	assert_int_equal(histogram->positive_span[0]->length, 0);
	assert_int_equal(histogram->n_positive_delta, 0);
	decoded_free(&decoded);
}

static Io__Prometheus__Client__Histogram *one_native(const struct weir_point_view *point, struct decoded *ret_decoded)
{
	const struct weir_family_view family = { .name = weir_str_of("e"),
		.exposed = WEIR_EXPOSED_HISTOGRAM,
		.metric = WEIR_NONE,
		.points = point,
		.point_count = 1 };
	const struct weir_snapshot snapshot = { .families = &family, .family_count = 1 };
	struct weir_buf buf = { 0 };
	const struct weir_exposition_opts opts = { .buf = &buf };
	struct weir_protobuf protobuf;

	weir_protobuf_begin(&protobuf, &opts);
	weir_passed_render(&protobuf.base, &snapshot);
	weir_protobuf_end(&protobuf);
	assert_int_equal(weir_buf_error(&buf), 0);
	*ret_decoded = decode(&buf);
	weir_buf_fini(&buf);
	return ret_decoded->families[0]->metric[0]->histogram;
}

/* Spans of any pattern give back the counts; at every scale each is in the bucket that has it. */
static void every_count_is_found_in_its_native_bucket(void **state)
{
	uint64_t counts[160], found[1024], sum = 0;
	struct weir_point_view point = { .form = WEIR_POINT_EXPONENTIAL, .positive = { -77, 160, counts } };
	struct decoded decoded;

	(void)state;
	srand(20);
	for (int64_t scale = -4; scale <= 20; scale++) {
		unsigned shift = scale > 8 ? (unsigned)scale - 8 : 0;
		Io__Prometheus__Client__Histogram *histogram;
		uint64_t want[1024] = { 0 };

		sum = 0;
		for (unsigned i = 0; i < 160; i++) {
			counts[i] = rand() % 4 == 0 ? (uint64_t)rand() % 1000 : 0;
			sum += counts[i];
			want[((-77 + (int64_t)i) >> shift) + 1 + 200] += counts[i];
		}
		point.scale = scale;
		point.count = sum;
		histogram = one_native(&point, &decoded);
		assert_int_equal(histogram->schema, scale > 8 ? 8 : scale);
		assert_int_equal(counts_of(histogram->positive_span, histogram->n_positive_span,
					 histogram->positive_delta, histogram->n_positive_delta, -200, found, 1024),
			sum);
		assert_memory_equal(found, want, sizeof(want));
		decoded_free(&decoded);
	}
}

static void what_prometheus_would_refuse_stays_classic(void **state)
{
	static const uint64_t counts[] = { 1, 2 }, huge[] = { UINT64_MAX - 1, 3 };
	const struct weir_point_view points[] = {
		{ .form = WEIR_POINT_EXPONENTIAL, .count = 4, .positive = { 0, 2, counts } }, /* 4 is not 3 */
		{ .form = WEIR_POINT_EXPONENTIAL,
			.count = 3,
			.scale = -5,
			.positive = { 0, 2, counts } }, /* too coarse */
		{ .form = WEIR_POINT_EXPONENTIAL, .count = 3, .scale = 8, .positive = { INT64_C(1) << 40, 2, counts } },
		{ .form = WEIR_POINT_EXPONENTIAL,
			.count = 3,
			.scale = 8,
			.positive = { -(INT64_C(1) << 40), 2, counts } },
		{ .form = WEIR_POINT_EXPONENTIAL, .count = 1, .positive = { 0, 2, huge } }, /* the sum wraps */
		{ .form = WEIR_POINT_EXPONENTIAL, .count = UINT64_MAX, .zero_count = UINT64_MAX },
	};
	struct decoded decoded;

	(void)state;
	for (size_t i = 0; i < sizeof(points) / sizeof(points[0]); i++) {
		Io__Prometheus__Client__Histogram *histogram = one_native(&points[i], &decoded);

		assert_false(histogram->has_schema);
		assert_int_equal(histogram->n_positive_span, 0);
		assert_true(histogram->n_bucket > 0);
		assert_int_equal(histogram->bucket[histogram->n_bucket - 1]->cumulative_count, points[i].count);
		decoded_free(&decoded);
	}
}

/* ---- long families ------------------------------------------------------- */

static bool flicker(void *ctx, const uint8_t trace_id[16])
{
	(void)trace_id;
	return ++*(unsigned *)ctx % 3 == 0; /* another answer to the same question */
}

static void take(void *ctx)
{
	struct weir_buf **bufs = ctx;

	weir_buf_add_str(bufs[1], weir_buf_str(bufs[0]));
	weir_buf_clear(bufs[0]);
}

/* More than is kept: measured first, then written; with exemplars whose traces come and go. */
static void a_long_family_is_one_message(void **state)
{
	enum { COUNT = 40000 };
	static const struct weir_exemplar_view exemplar = {
		.trace_id = { 1 }, .span_id = { 2 }, .time_ns = 3, .value = 1
	};
	static const struct weir_metric metric = {
		.name = "istio_requests_total", .help = "Requests.", .kind = WEIR_METRIC_COUNTER
	};
	static const struct weir_metric *const metrics[] = { &metric };
	static const uint32_t counts[] = { COUNT };
	static struct weir_series_view views[COUNT];
	static struct weir_series_view *const series[] = { views };
	const struct weir_snapshot snapshot = {
		.metric_count = 1, .metrics = metrics, .series = series, .series_counts = counts
	};
	struct weir_buf buf = { 0 }, whole = { 0 }, *bufs[] = { &buf, &whole };
	unsigned asked = 0, with_exemplar = 0;
	const struct weir_exposition_opts opts = {
		.buf = &buf, .drain = take, .drain_ctx = bufs, .has_trace = flicker, .trace_ctx = &asked
	};
	struct weir_protobuf protobuf;
	struct decoded decoded;

	(void)state;
	for (uint32_t i = 0; i < COUNT; i++) {
		views[i] = (struct weir_series_view){ .count = i,
			.labels = weir_str_of(
				"reporter=\"source\",source_workload=\"a workload of a rather long name, so that "
				"not all of them can be kept\",destination_workload=\"another\""),
			.exemplars = &exemplar,
			.exemplar_count = 1 };
	}
	weir_protobuf_begin(&protobuf, &opts);
	weir_made_render(&protobuf.base, &snapshot);
	assert_int_equal(protobuf.state, WEIR_PROTOBUF_WRITING);
	weir_protobuf_end(&protobuf);
	take(bufs);
	assert_int_equal(asked, COUNT); /* once, not once a pass */
	decoded = decode(&whole);
	assert_int_equal(decoded.count, 1);
	assert_int_equal(decoded.families[0]->n_metric, COUNT);
	for (uint32_t i = 0; i < COUNT; i++) {
		assert_true(decoded.families[0]->metric[i]->counter->value == i);
		with_exemplar += decoded.families[0]->metric[i]->counter->exemplar != NULL;
	}
	assert_int_equal(with_exemplar, COUNT / 3);
	decoded_free(&decoded);
	weir_buf_fini(&buf);
	weir_buf_fini(&whole);
}

static void a_full_buffer_is_told_not_overrun(void **state)
{
	struct weir_buf buf;

	(void)state;
	for (size_t limit = 1; limit < 8000; limit += 61) {
		weir_buf_init(&buf, limit);
		scene_render(&buf);
		assert_true(weir_buf_error(&buf) < 0);
		assert_true(buf.length <= limit);
		weir_buf_fini(&buf);
	}
}

/* Labels as the rules write them, whatever is in their values; what is no such text ends it and takes no more room
 * than is told. */
static void labels_are_unescaped(void **state)
{
	static const char *const texts[] = { "a=\"\"", "a=\"b\",c=\"d\"", "a=\"\\\\\",b=\"\\\"\"",
		"a=\"x=\\\"y\\\",z\"", "a=\"b", "a", "a=", "a=\"", "a=\"\\", "a=\"b\",", "a=\"b\",c", "=\"\"" };
	static const size_t counts[] = { 1, 2, 2, 1, 0, 0, 0, 0, 0, 1, 1, 1 };
	char long_text[1200], room[4096];

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct weir_str text = weir_str_of(texts[i]);
		size_t length = (size_t)(weir_put_labels(room, text) - room);
		Io__Prometheus__Client__Metric *metric =
			io__prometheus__client__metric__unpack(NULL, length, (const uint8_t *)room);

		assert_true(length <= weir_put_labels_room(text));
		assert_non_null(metric);
		assert_int_equal(metric->n_label, counts[i]);
		io__prometheus__client__metric__free_unpacked(metric, NULL);
	}
	for (size_t length = 100; length < 1000; length += 7) {
		struct weir_str text;
		Io__Prometheus__Client__Metric *metric;

		snprintf(long_text, sizeof(long_text), "name=\"%0*d\",b=\"\"", (int)length, 1);
		text = weir_str_of(long_text);
		assert_true((size_t)(weir_put_labels(room, text) - room) <= weir_put_labels_room(text));
		metric = io__prometheus__client__metric__unpack(
			NULL, (size_t)(weir_put_labels(room, text) - room), (const uint8_t *)room);
		assert_non_null(metric);
		assert_int_equal(strlen(metric->label[0]->value), length);
		io__prometheus__client__metric__free_unpacked(metric, NULL);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(families_and_types_are_those_of_the_text),
		cmocka_unit_test(counters_and_gauges_have_value_created_time_and_exemplar),
		cmocka_unit_test(a_unit_is_said_of_families_that_end_in_it),
		cmocka_unit_test(classic_histograms_are_cumulative),
		cmocka_unit_test(summaries_have_their_quantiles),
		cmocka_unit_test(exponential_histograms_are_native_and_classic),
		cmocka_unit_test(every_count_is_found_in_its_native_bucket),
		cmocka_unit_test(what_prometheus_would_refuse_stays_classic),
		cmocka_unit_test(a_long_family_is_one_message),
		cmocka_unit_test(a_full_buffer_is_told_not_overrun),
		cmocka_unit_test(labels_are_unescaped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
