/* fuzz_envoy_metrics: any bytes through the decoder of Envoy's stats, with
 * protobuf-c's generated types as oracle: what the oracle can read must be
 * read, and every point must say what the oracle's Metric says. Our decoder
 * passes over more (summaries are not looked into), so what it accepts beyond
 * the oracle is only decoded, twice: the second time as a later message. */
#include <math.h>
#include <stdint.h>

#include "base/err.h"
#include "base/utf8.h"
#include "comparable.h"
#include "decode/envoy/metrics.h"
#include "envoy/service/metrics/v3/metrics_service.pb-c.h"

#define LABELS_MAX 64u
#define BUCKETS_MAX 4096u

typedef Envoy__Service__Metrics__V3__StreamMetricsMessage Message;
typedef Io__Prometheus__Client__MetricFamily Family;
typedef Io__Prometheus__Client__Metric Metric;
typedef Io__Prometheus__Client__Histogram Histogram;
typedef Io__Prometheus__Client__BucketSpan Span;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Numbers that the oracle would cut to 32 bits, and kinds it does not know, are ours to judge. */
static bool is_alike(const ProtobufCFieldDescriptor *known, const struct weir_wire_field *field)
{
	switch (known->type) {
	case PROTOBUF_C_TYPE_ENUM:
		return field->value <= 5;
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_SINT32:
		return field->value <= UINT32_MAX;
	default:
		return true;
	}
}

/* ---- what a point must say ---------------------------------------------- */

struct reader {
	const struct weir_draft *draft;
	uint32_t point, dropped[WEIR_DROPS], offered;
};

static const char *or_empty(const char *text)
{
	return text ? text : "";
}

/* Text with a NUL or invalid UTF-8 is not the same in C strings, and is let pass. */
static void same_text(const struct weir_draft *draft, struct weir_ref ref, const char *oracle)
{
	struct weir_str have = weir_draft_str(draft, ref), want = weir_str_of(or_empty(oracle));

	if (weir_utf8_is_valid(want) && (have.length == 0 || !memchr(have.data, '\0', have.length))) {
		weir_assert(weir_str_equal(have, want));
	}
}

static void same_real(double have, double want)
{
	weir_assert(memcmp(&have, &want, sizeof(have)) == 0);
}

static uint64_t number_of(const struct weir_draft *draft, struct weir_ref array, uint32_t i)
{
	struct weir_str bytes = weir_draft_str(draft, array);

	weir_assert((size_t)i * 8 + 8 <= bytes.length);
	return weir_wire_load64((const uint8_t *)bytes.data + (size_t)i * 8);
}

static bool count_of(double real, uint64_t *ret)
{
	if (!(real >= 0) || real > 9007199254740992.0) {
		return false;
	}
	*ret = (uint64_t)llround(real);
	return true;
}

/* The whole width of a side, or -1: none that may be taken. */
static int64_t width_of(Span **spans, size_t n, int64_t *ret_first)
{
	int64_t at = 0, end = 0, first = 0;
	bool has_any = false;

	for (size_t i = 0; i < n; i++) {
		if (spans[i]->offset < (i == 0 ? INT32_MIN : 0) || spans[i]->length > BUCKETS_MAX) {
			return -1;
		}
		at += spans[i]->offset;
		if (spans[i]->length > 0) {
			first = has_any ? first : at;
			has_any = true;
			at += spans[i]->length;
			end = at;
			if (end - first > BUCKETS_MAX) {
				return -1;
			}
		}
	}
	*ret_first = first;
	return has_any && (first - 1 < INT32_MIN || first > INT32_MAX) ? -1 : end - first;
}

struct side {
	Span **spans;
	size_t n_spans, n_deltas, n_counts;
	const int64_t *deltas;
	const double *counts;
};

/* The counts of a side, dense; false: invalid. */
static bool side_of(const struct side *side, uint64_t *dense, int64_t *ret_width, int64_t *ret_first, uint64_t *total)
{
	size_t n = side->n_deltas > 0 ? side->n_deltas : side->n_counts, next = 0;
	int64_t at = 0;
	uint64_t count = 0;

	*ret_width = width_of(side->spans, side->n_spans, ret_first);
	if (*ret_width < 0) {
		return false;
	}
	memset(dense, 0, BUCKETS_MAX * sizeof(*dense));
	for (size_t i = 0; i < side->n_spans; i++) {
		at += side->spans[i]->offset;
		for (uint32_t k = 0; k < side->spans[i]->length; k++, at++) {
			int64_t sum;

			if (next == n) {
				return false;
			}
			if (side->n_deltas > 0) {
				if (__builtin_add_overflow((int64_t)count, side->deltas[next], &sum) || sum < 0) {
					return false;
				}
				count = (uint64_t)sum;
			} else if (!count_of(side->counts[next], &count)) {
				return false;
			}
			next++;
			if (__builtin_add_overflow(*total, count, total)) {
				return false;
			}
			dense[at - *ret_first] = count;
		}
	}
	return next == n;
}

static void compare_side(const struct weir_draft *draft, struct weir_ref have, int32_t offset, const uint64_t *dense,
	int64_t width, int64_t first)
{
	weir_assert(have.length == (uint64_t)width * 8);
	weir_assert(width == 0 || offset == first - 1);
	for (uint32_t i = 0; i < width; i++) {
		weir_assert(number_of(draft, have, i) == dense[i]);
	}
}

/* False: invalid, no point may be there. */
static bool compare_native(struct reader *reader, const struct weir_point *point, const Histogram *from, bool has_count,
	uint64_t count, uint64_t zero)
{
	static uint64_t dense[2][BUCKETS_MAX];
	const struct side positive = { from->positive_span, from->n_positive_span, from->n_positive_delta,
		from->n_positive_count, from->positive_delta, from->positive_count };
	const struct side negative = { from->negative_span, from->n_negative_span, from->n_negative_delta,
		from->n_negative_count, from->negative_delta, from->negative_count };
	int64_t width[2], first[2] = { 0, 0 };
	uint64_t total = zero;

	if (from->schema < -4 || from->schema > 8 || !(from->zero_threshold >= 0) ||
		!side_of(&positive, dense[0], &width[0], &first[0], &total) ||
		!side_of(&negative, dense[1], &width[1], &first[1], &total)) {
		return false;
	}
	count = has_count ? count : total;
	if (count < total && !(from->sample_count_float > 0)) {
		return false;
	}
	weir_assert(point && point->count == (count < total ? total : count));
	weir_assert(point->scale == from->schema && point->zero_count == zero);
	same_real(point->zero_threshold, from->zero_threshold);
	compare_side(reader->draft, point->counts, point->positive_offset, dense[0], width[0], first[0]);
	compare_side(reader->draft, point->negative, point->negative_offset, dense[1], width[1], first[1]);
	return true;
}

static bool compare_classic(
	struct reader *reader, const struct weir_point *point, const Histogram *from, bool has_count, uint64_t count)
{
	uint64_t before = 0;
	double last = -INFINITY;
	uint32_t n = 0;

	if (from->n_bucket > BUCKETS_MAX) {
		return false;
	}
	for (int round = 0; round < 2; round++) { /* is it valid? then: is it equal? */
		before = 0;
		last = -INFINITY;
		n = 0;
		for (size_t i = 0; i < from->n_bucket; i++) {
			uint64_t cumulative = from->bucket[i]->cumulative_count;
			double bound = from->bucket[i]->upper_bound, real = from->bucket[i]->cumulative_count_float;

			if ((real != 0 && !count_of(real, &cumulative)) || isnan(bound) || (n > 0 && bound <= last) ||
				bound == -INFINITY || cumulative < before || (last == INFINITY && bound != INFINITY)) {
				return false;
			}
			last = bound;
			if (bound == INFINITY) {
				count = has_count ? count : cumulative;
				has_count = true;
				continue;
			}
			if (round == 1) {
				uint64_t bits = number_of(reader->draft, point->bounds, n);

				weir_assert(memcmp(&bits, &bound, sizeof(bits)) == 0);
				weir_assert(number_of(reader->draft, point->counts, n) == cumulative - before);
			}
			before = cumulative;
			n++;
		}
		count = has_count ? count : before;
		has_count = true;
		if (count < before) {
			return false;
		}
		weir_assert(round == 0 || point->count == count);
		weir_assert(point != NULL);
		weir_assert(point->bounds.length == n * 8 && point->counts.length == (n > 0 ? (n + 1) * 8 : 0));
	}
	return true;
}

static bool compare_histogram(struct reader *reader, const struct weir_point *point, const Histogram *from)
{
	bool has_count = from->has_sample_count;
	uint64_t count = from->sample_count, zero = from->zero_count;

	if (from->sample_count_float > 0) {
		has_count = true;
		if (!count_of(from->sample_count_float, &count)) {
			return false;
		}
	}
	if (from->zero_count_float > 0 && !count_of(from->zero_count_float, &zero)) {
		return false;
	}
	if (from->n_positive_span + from->n_negative_span > 0 || (from->has_schema && from->n_bucket == 0)) {
		return compare_native(reader, point, from, has_count, count, zero);
	}
	return compare_classic(reader, point, from, has_count, count);
}

/* ---- walking both ------------------------------------------------------- */

/* Is there a value that the type asks for, and does the next point have it? */
static bool compare_value(
	struct reader *reader, const struct weir_point *point, const Family *family, const Metric *metric)
{
	double value;

	switch (family->type) {
	case IO__PROMETHEUS__CLIENT__METRIC_TYPE__COUNTER:
		if (!metric->counter || !(metric->counter->value >= 0) || isinf(metric->counter->value)) {
			return false;
		}
		value = metric->counter->value;
		break;
	case IO__PROMETHEUS__CLIENT__METRIC_TYPE__GAUGE:
		if (!metric->gauge) {
			return false;
		}
		value = metric->gauge->value;
		break;
	case IO__PROMETHEUS__CLIENT__METRIC_TYPE__UNTYPED:
		if (!metric->untyped) {
			return false;
		}
		value = metric->untyped->value;
		break;
	case IO__PROMETHEUS__CLIENT__METRIC_TYPE__HISTOGRAM:
		return metric->histogram && compare_histogram(reader, point, metric->histogram);
	default:
		return false;
	}
	weir_assert(point != NULL);
	same_real(point->value.real, value);
	return true;
}

static uint32_t labels_of(const Metric *metric)
{
	uint32_t n = 0;

	for (size_t i = 0; i < metric->n_label; i++) {
		bool is_new = true;

		for (size_t k = 0; k < i && is_new; k++) {
			is_new = strcmp(or_empty(metric->label[i]->name), or_empty(metric->label[k]->name)) != 0;
		}
		n += is_new;
	}
	return n;
}

static void compare_metric(struct reader *reader, const Family *family, const Metric *metric)
{
	const struct weir_draft *draft = reader->draft;
	const struct weir_point *points = draft->points.data, *point;
	const struct weir_instrument *instruments = draft->instruments.data;
	const char *name = or_empty(family->name);
	uint32_t labels;

	reader->offered++;
	if (family->type == IO__PROMETHEUS__CLIENT__METRIC_TYPE__SUMMARY) {
		reader->dropped[WEIR_DROP_SUMMARY]++;
		return;
	}
	point = reader->point < draft->points.count ? &points[reader->point] : NULL;
	name += strncmp(name, "istiocustom.", 12) == 0 ? 12 : 0;
	labels = labels_of(metric);
	if (name[0] == '\0' || metric->n_label > LABELS_MAX || !compare_value(reader, point, family, metric)) {
		reader->dropped[WEIR_DROP_INVALID]++;
		return;
	}
	reader->point++;
	weir_assert(point->attr_count == labels);
	weir_assert(metric->timestamp_ms < 0 || metric->timestamp_ms >= INT64_C(1) << 43 ||
		    point->time_ns == (uint64_t)metric->timestamp_ms * 1000000);
	same_text(draft, instruments[point->instrument].name, name);
	same_text(draft, instruments[point->instrument].description, family->help);
}

/* A name or label with a NUL is cut short in C. */
static bool has_nul(const struct weir_draft *draft)
{
	const struct weir_instrument *instrument = draft->instruments.data;
	const struct weir_attr *attr = draft->attrs.data;

	for (uint32_t i = 0; i < draft->instruments.count; i++) {
		struct weir_str name = weir_draft_str(draft, instrument[i].name);

		if (name.length > 0 && memchr(name.data, '\0', name.length)) {
			return true;
		}
	}
	for (uint32_t i = 0; i < draft->attrs.count; i++) {
		struct weir_str key = weir_draft_str(draft, attr[i].key);

		if (key.length > 0 && memchr(key.data, '\0', key.length)) {
			return true;
		}
	}
	return false;
}

static void compare(const struct weir_draft *draft, struct weir_str body)
{
	struct reader reader = { .draft = draft };
	Message *message;

	if (!is_comparable(&envoy__service__metrics__v3__stream_metrics_message__descriptor, body, is_alike) ||
		draft->replaced_utf8 > 0 || has_nul(draft)) {
		return;
	}
	message = envoy__service__metrics__v3__stream_metrics_message__unpack(
		NULL, body.length, (const uint8_t *)body.data);
	if (!message) {
		return;
	}
	for (size_t i = 0; i < message->n_envoy_metrics; i++) {
		const Family *family = message->envoy_metrics[i];

		for (size_t k = 0; k < family->n_metric; k++) {
			compare_metric(&reader, family, family->metric[k]);
		}
	}
	weir_assert(draft->offered == reader.offered && draft->points.count == reader.point);
	weir_assert(draft->dropped[WEIR_DROP_SUMMARY] == reader.dropped[WEIR_DROP_SUMMARY]);
	weir_assert(draft->dropped[WEIR_DROP_INVALID] == reader.dropped[WEIR_DROP_INVALID]);
	envoy__service__metrics__v3__stream_metrics_message__free_unpacked(message, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_METRICS_V3,
		.signal = WEIR_SIGNAL_METRIC_POINT };
	struct weir_str body = weir_str_make((const char *)data, size);
	struct weir_envoy_sender sender;
	struct weir_arena arena;
	int r = 0;

	weir_arena_init(&arena, 1 << 18, 1 << 24);
	weir_envoy_sender_init(&sender);
	for (int round = 0; round < 2; round++) {
		const struct weir_batch *batch;
		struct weir_draft draft;
		int first = r;

		weir_arena_reset(&arena);
		weir_draft_init(&draft, &arena, body);
		r = weir_envoy_metrics_decode(&draft, &sender, false);
		weir_assert(round == 0 || r == first);
		if (r != 0) {
			weir_assert(r == WEIR_DECODE_TOO_LARGE || draft.error != NULL);
			weir_assert(r == WEIR_DECODE_TOO_LARGE ||
				    !is_comparable(&envoy__service__metrics__v3__stream_metrics_message__descriptor,
					    body, is_alike));
			continue;
		}
		compare(&draft, body);
		batch = weir_draft_finish(&draft, &head);
		weir_assert(batch == NULL || weir_batch_is_sound(batch, batch->size_bytes));
	}
	weir_envoy_sender_fini(&sender);
	weir_arena_fini(&arena);
	return 0;
}
