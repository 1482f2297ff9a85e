/* fuzz_otlp_metrics: any bytes through the decoder of OTLP's metrics, with
 * protobuf-c's generated types as oracle: both must agree on what is malformed,
 * which points are kept, and on all that they say. What cannot be compared
 * (oracle.h) is only decoded. */
#include <math.h>
#include <stdint.h>

#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb-c.h"

#include "base/err.h"
#include "decode/otlp/metrics.h"
#include "decode/wire.h"
#include "oracle.h"

typedef Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceRequest Request;
typedef Opentelemetry__Proto__Metrics__V1__Metric Metric;
typedef Opentelemetry__Proto__Metrics__V1__NumberDataPoint NumberPoint;
typedef Opentelemetry__Proto__Metrics__V1__HistogramDataPoint HistogramPoint;
typedef Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint ExponentialPoint;
typedef Opentelemetry__Proto__Metrics__V1__ExponentialHistogramDataPoint__Buckets Buckets;
typedef Opentelemetry__Proto__Metrics__V1__SummaryDataPoint SummaryPoint;
typedef Opentelemetry__Proto__Metrics__V1__Exemplar Exemplar;
typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk { /* over both at once */
	const struct weir_batch *batch;
	uint32_t row, offered, dropped[WEIR_DROPS];
	const Metric *metric;
	bool is_valid; /* name and temporality */
};

struct common { /* of a point, as the oracle has it */
	uint64_t start_ns, time_ns;
	uint32_t flags;
	KeyValue **attributes;
	size_t attribute_count;
	Exemplar **exemplars;
	size_t exemplar_count;
};

static bool is_same(double a, double b)
{
	return memcmp(&a, &b, sizeof(a)) == 0;
}

static void exemplar_compare(const struct weir_point *point, const struct common *common)
{
	const Exemplar *newest = NULL;

	for (size_t i = 0; i < common->exemplar_count; i++) {
		const Exemplar *exemplar = common->exemplars[i];

		if (oracle_is_id(exemplar->trace_id, 16) &&
			(newest == NULL || exemplar->time_unix_nano >= newest->time_unix_nano)) {
			newest = exemplar;
		}
	}
	weir_assert((newest != NULL) == ((point->flags & WEIR_POINT_HAS_EXEMPLAR) != 0));
	if (newest != NULL) {
		weir_assert(point->exemplar_ns == newest->time_unix_nano);
		weir_assert(memcmp(point->exemplar_trace, newest->trace_id.data, 16) == 0);
	}
}

/* The next kept point when this one is kept, with what all kinds have compared; else NULL. */
static const struct weir_point *point_next(struct walk *walk, const struct common *common, bool is_possible)
{
	const struct weir_point *point;
	const struct weir_instrument *instrument;

	walk->offered++;
	if ((common->flags & 1) != 0) {
		walk->dropped[WEIR_DROP_NO_VALUE]++;
		return NULL;
	}
	if (!walk->is_valid || !is_possible) {
		walk->dropped[WEIR_DROP_INVALID]++;
		return NULL;
	}
	weir_assert(walk->row < walk->batch->points.count);
	point = &weir_batch_points(walk->batch)[walk->row++];
	instrument = &weir_batch_instruments(walk->batch)[point->instrument];
	weir_assert(point->start_ns == common->start_ns && point->time_ns == common->time_ns);
	oracle_compare_attrs(
		walk->batch, point->attr_first, point->attr_count, common->attributes, common->attribute_count);
	exemplar_compare(point, common);
	if (instrument->naming != WEIR_NAMING_VERBATIM) {
		oracle_compare_text(walk->batch, instrument->name, walk->metric->name);
	}
	oracle_compare_text(walk->batch, instrument->unit, walk->metric->unit);
	oracle_compare_text(walk->batch, instrument->description, walk->metric->description);
	return point;
}

static void numbers_compare(struct walk *walk, NumberPoint **points, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const NumberPoint *want = points[i];
		const struct common common = { want->start_time_unix_nano, want->time_unix_nano, want->flags,
			want->attributes, want->n_attributes, want->exemplars, want->n_exemplars };
		const struct weir_point *point = point_next(walk, &common, want->value_case != 0);

		if (point == NULL) {
			continue;
		}
		if (want->value_case == OPENTELEMETRY__PROTO__METRICS__V1__NUMBER_DATA_POINT__VALUE_AS_INT) {
			weir_assert((point->flags & WEIR_POINT_IS_INT) != 0 && point->value.integer == want->as_int);
		} else {
			weir_assert(
				(point->flags & WEIR_POINT_IS_INT) == 0 && is_same(point->value.real, want->as_double));
		}
	}
}

static void histograms_compare(struct walk *walk, HistogramPoint **points, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const HistogramPoint *want = points[i];
		const struct common common = { want->start_time_unix_nano, want->time_unix_nano, want->flags,
			want->attributes, want->n_attributes, want->exemplars, want->n_exemplars };
		size_t counts = want->n_bucket_counts, bounds = want->n_explicit_bounds;
		bool is_possible = bounds <= WEIR_OTLP_BOUNDS_MAX && (counts + bounds == 0 || counts == bounds + 1);
		bool is_endless = bounds > 0 && want->explicit_bounds[bounds - 1] == INFINITY;
		const struct weir_point *point;

		for (size_t k = 0; k < bounds; k++) {
			is_possible = is_possible &&
				      want->explicit_bounds[k] > (k == 0 ? -INFINITY : want->explicit_bounds[k - 1]);
		}
		point = point_next(walk, &common, is_possible);
		if (point == NULL) {
			continue;
		}
		weir_assert(point->count == want->count && is_same(point->sum, want->sum) &&
			    is_same(point->min, want->min) && is_same(point->max, want->max));
		if (is_endless) { /* left out; the counts around it are one */
			counts--;
			bounds--;
			want->bucket_counts[counts - 1] += want->bucket_counts[counts];
		}
		weir_assert(point->counts.length == counts * 8 && point->bounds.length == bounds * 8);
		for (uint32_t k = 0; k < counts; k++) {
			weir_assert(weir_batch_number(walk->batch, point->counts, k) == want->bucket_counts[k]);
		}
		for (uint32_t k = 0; k < bounds; k++) {
			weir_assert(is_same(weir_batch_real(walk->batch, point->bounds, k), want->explicit_bounds[k]));
		}
	}
}

static bool buckets_are_possible(const Buckets *buckets)
{
	return buckets == NULL || (buckets->n_bucket_counts <= WEIR_OTLP_BUCKETS_MAX &&
					  buckets->offset + (int64_t)buckets->n_bucket_counts <= INT32_MAX);
}

static void buckets_compare(
	const struct weir_batch *batch, struct weir_ref counts, int32_t offset, const Buckets *buckets)
{
	size_t count = buckets != NULL ? buckets->n_bucket_counts : 0;

	weir_assert(counts.length == count * 8 && (buckets == NULL || offset == buckets->offset));
	for (uint32_t k = 0; k < count; k++) {
		weir_assert(weir_batch_number(batch, counts, k) == buckets->bucket_counts[k]);
	}
}

static void exponentials_compare(struct walk *walk, ExponentialPoint **points, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const ExponentialPoint *want = points[i];
		const struct common common = { want->start_time_unix_nano, want->time_unix_nano, want->flags,
			want->attributes, want->n_attributes, want->exemplars, want->n_exemplars };
		const struct weir_point *point = point_next(walk, &common,
			want->scale >= -10 && want->scale <= 20 && buckets_are_possible(want->positive) &&
				buckets_are_possible(want->negative));

		if (point == NULL) {
			continue;
		}
		weir_assert(point->count == want->count && point->scale == want->scale &&
			    point->zero_count == want->zero_count && is_same(point->sum, want->sum) &&
			    is_same(point->min, want->min) && is_same(point->max, want->max) &&
			    is_same(point->zero_threshold, want->zero_threshold));
		buckets_compare(walk->batch, point->counts, point->positive_offset, want->positive);
		buckets_compare(walk->batch, point->negative, point->negative_offset, want->negative);
	}
}

static void summaries_compare(struct walk *walk, SummaryPoint **points, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const SummaryPoint *want = points[i];
		const struct common common = { want->start_time_unix_nano, want->time_unix_nano, want->flags,
			want->attributes, want->n_attributes, NULL, 0 };
		bool is_possible = want->n_quantile_values <= WEIR_OTLP_QUANTILES_MAX;
		const struct weir_point *point;

		for (size_t k = 0; k < want->n_quantile_values; k++) {
			double quantile = want->quantile_values[k]->quantile;

			is_possible = is_possible && quantile >= 0 && quantile <= 1 &&
				      (k == 0 || quantile > want->quantile_values[k - 1]->quantile);
		}
		point = point_next(walk, &common, is_possible);
		if (point == NULL) {
			continue;
		}
		weir_assert(point->count == want->count && is_same(point->sum, want->sum));
		weir_assert(point->bounds.length == want->n_quantile_values * 8);
		for (uint32_t k = 0; k < want->n_quantile_values; k++) {
			weir_assert(is_same(
				weir_batch_real(walk->batch, point->bounds, k), want->quantile_values[k]->quantile));
			weir_assert(is_same(
				weir_batch_real(walk->batch, point->counts, k), want->quantile_values[k]->value));
		}
	}
}

static bool is_temporality(int value)
{
	return value == WEIR_TEMPORALITY_DELTA || value == WEIR_TEMPORALITY_CUMULATIVE;
}

static void metric_compare(struct walk *walk, const Metric *metric)
{
	walk->metric = metric;
	walk->is_valid = metric->name[0] != '\0';
	switch (metric->data_case) {
	case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_GAUGE:
		numbers_compare(walk, metric->gauge->data_points, metric->gauge->n_data_points);
		break;
	case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUM:
		walk->is_valid = walk->is_valid && is_temporality((int)metric->sum->aggregation_temporality);
		numbers_compare(walk, metric->sum->data_points, metric->sum->n_data_points);
		break;
	case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_HISTOGRAM:
		walk->is_valid = walk->is_valid && is_temporality((int)metric->histogram->aggregation_temporality);
		histograms_compare(walk, metric->histogram->data_points, metric->histogram->n_data_points);
		break;
	case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_EXPONENTIAL_HISTOGRAM:
		walk->is_valid =
			walk->is_valid && is_temporality((int)metric->exponential_histogram->aggregation_temporality);
		exponentials_compare(
			walk, metric->exponential_histogram->data_points, metric->exponential_histogram->n_data_points);
		break;
	case OPENTELEMETRY__PROTO__METRICS__V1__METRIC__DATA_SUMMARY:
		summaries_compare(walk, metric->summary->data_points, metric->summary->n_data_points);
		break;
	default:
		walk->offered++;
		walk->dropped[WEIR_DROP_INVALID]++;
		break;
	}
}

static void request_compare(const struct weir_batch *batch, const Request *request)
{
	struct walk walk = { .batch = batch };

	for (size_t i = 0; i < request->n_resource_metrics; i++) {
		for (size_t k = 0; k < request->resource_metrics[i]->n_scope_metrics; k++) {
			for (size_t n = 0; n < request->resource_metrics[i]->scope_metrics[k]->n_metrics; n++) {
				metric_compare(&walk, request->resource_metrics[i]->scope_metrics[k]->metrics[n]);
			}
		}
	}
	weir_assert(batch->offered == walk.offered && batch->points.count == walk.row && batch->kept == walk.row);
	weir_assert(memcmp(batch->dropped, walk.dropped, sizeof(walk.dropped)) == 0);
}

/* A NUL at the beginning of a metric's name is no name for the oracle. */
static bool has_nul_name(struct weir_str message, unsigned depth)
{
	static const uint32_t path[] = { 1, 2, 2, 1 }; /* resource metrics, scope metrics, metric, name */
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		if (field.number != path[depth] || field.type != WEIR_WIRE_BYTES) {
			continue;
		}
		if (depth == 3 ? field.bytes.length > 0 && field.bytes.data[0] == '\0'
			       : has_nul_name(field.bytes, depth + 1)) {
			return true;
		}
	}
	return false;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const ProtobufCMessageDescriptor *descriptor =
		&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor;
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_METRIC_POINT };
	struct weir_str body = weir_str_make((const char *)data, size);
	const struct weir_batch *batch = NULL;
	struct weir_arena arena;
	struct weir_draft draft;
	int r;

	weir_arena_init(&arena, 1 << 16, 1 << 26);
	weir_draft_init(&draft, &arena, body);
	r = weir_otlp_metrics_decode(&draft);
	if (r == 0) {
		batch = weir_draft_finish(&draft, &head);
		weir_assert(batch == NULL || weir_batch_is_sound(batch, batch->size_bytes));
	}
	weir_assert(r != WEIR_DECODE_MALFORMED || draft.error != NULL);
	if (oracle_is_comparable(descriptor, body)) {
		Request *request = opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__unpack(
			NULL, size, data);

		weir_assert(request != NULL && r != WEIR_DECODE_MALFORMED);
		if (batch != NULL && !has_nul_name(body, 0)) {
			request_compare(batch, request);
		}
		opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__free_unpacked(
			request, NULL);
	}
	weir_arena_fini(&arena);
	return 0;
}
