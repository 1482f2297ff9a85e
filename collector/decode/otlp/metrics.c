/* metrics: OTLP's five kinds of metrics as instruments and points.
 *
 *   metric ─┬ name, description, unit
 *           └ gauge | sum | histogram | exponential_histogram | summary
 *               ├ temporality, is_monotonic
 *               └ data_points*: point.c
 *
 * A metric is walked twice: what it is may stand behind its points. Of the
 * members of its oneof the last one counts; occurrences of one and the same
 * member are one message (protobuf's merge), whose points are joined.
 *
 * Decisions
 *  - A metric without a name, a sum or histogram without temporality: all its
 *    points are invalid. A metric without data counts as one invalid point, so
 *    that its sender hears of it.
 *  - Names: an Envoy's own (its stats sink) and those that are Prometheus'
 *    already (Istio's) are marked, and spelled by the exposition as such.
 *
 * One thread: the listener's. Nothing is allocated outside the draft's arena. */
#include "decode/otlp/metrics.h"

#include "decode/otlp/group.h"
#include "decode/otlp/point.h"

enum { /* tags */
	METRIC_NAME = 1 << 3 | WEIR_WIRE_BYTES,
	METRIC_DESCRIPTION = 2 << 3 | WEIR_WIRE_BYTES,
	METRIC_UNIT = 3 << 3 | WEIR_WIRE_BYTES,
	METRIC_GAUGE = 5 << 3 | WEIR_WIRE_BYTES,
	METRIC_SUM = 7 << 3 | WEIR_WIRE_BYTES,
	METRIC_HISTOGRAM = 9 << 3 | WEIR_WIRE_BYTES,
	METRIC_EXPONENTIAL = 10 << 3 | WEIR_WIRE_BYTES,
	METRIC_SUMMARY = 11 << 3 | WEIR_WIRE_BYTES,
	DATA_POINTS = 1 << 3 | WEIR_WIRE_BYTES,
	DATA_TEMPORALITY = 2 << 3 | WEIR_WIRE_VARINT,
	DATA_MONOTONIC = 3 << 3 | WEIR_WIRE_VARINT,
};

#define ISTIO_PREFIX "istiocustom."

struct data { /* which member of the oneof counts, and from where on */
	uint32_t tag;
	const char *from;
};

static bool is_data(uint32_t tag)
{
	return tag == METRIC_GAUGE || tag == METRIC_SUM || tag == METRIC_HISTOGRAM || tag == METRIC_EXPONENTIAL ||
	       tag == METRIC_SUMMARY;
}

static enum weir_instrument_kind kind_of(uint32_t tag)
{
	switch (tag) {
	case METRIC_SUM:
		return WEIR_INSTRUMENT_SUM;
	case METRIC_HISTOGRAM:
		return WEIR_INSTRUMENT_HISTOGRAM;
	case METRIC_EXPONENTIAL:
		return WEIR_INSTRUMENT_EXPONENTIAL;
	case METRIC_SUMMARY:
		return WEIR_INSTRUMENT_SUMMARY;
	default:
		return WEIR_INSTRUMENT_GAUGE;
	}
}

/* Temporality and monotonicity. False: malformed. */
static bool data_survey(struct weir_str message, struct weir_instrument *instrument)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	if (instrument->kind == WEIR_INSTRUMENT_GAUGE || instrument->kind == WEIR_INSTRUMENT_SUMMARY) {
		return true;
	}
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == DATA_TEMPORALITY) {
			instrument->temporality = field.value <= WEIR_TEMPORALITY_CUMULATIVE
							  ? (uint8_t)field.value
							  : WEIR_TEMPORALITY_UNSPECIFIED;
		} else if (field.tag == DATA_MONOTONIC && instrument->kind == WEIR_INSTRUMENT_SUM) {
			instrument->is_monotonic = field.value != 0;
		}
	}
	return !wire.is_malformed;
}

/* The metric's own fields. False: malformed. */
static bool metric_survey(
	struct weir_draft *draft, struct weir_str message, struct weir_instrument *instrument, struct data *ret_data)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	*ret_data = (struct data){ 0, NULL };
	while (weir_wire_next(&wire, &field)) {
		switch (field.tag) {
		case METRIC_NAME:
			instrument->name = weir_draft_text(draft, field.bytes);
			break;
		case METRIC_DESCRIPTION:
			instrument->description = weir_draft_text(draft, field.bytes);
			break;
		case METRIC_UNIT:
			instrument->unit = weir_draft_text(draft, field.bytes);
			break;
		default:
			if (is_data(field.tag) && field.tag != ret_data->tag) {
				*ret_data = (struct data){ field.tag, field.bytes.data };
				instrument->kind = (uint8_t)kind_of(field.tag);
				instrument->temporality = WEIR_TEMPORALITY_UNSPECIFIED;
				instrument->is_monotonic = 0;
			}
			if (is_data(field.tag) && !data_survey(field.bytes, instrument)) {
				return false;
			}
			break;
		}
	}
	return !wire.is_malformed;
}

static void naming_settle(const struct weir_otlp_groups *groups, struct weir_instrument *instrument)
{
	struct weir_str name = weir_draft_str(groups->draft, instrument->name);

	if (weir_str_starts_with(name, ISTIO_PREFIX) && name.length > strlen(ISTIO_PREFIX)) {
		instrument->naming = WEIR_NAMING_VERBATIM;
		instrument->name.offset += (uint32_t)strlen(ISTIO_PREFIX);
		instrument->name.length -= (uint32_t)strlen(ISTIO_PREFIX);
	} else if (weir_str_starts_with(name, "istio_")) {
		instrument->naming = WEIR_NAMING_VERBATIM;
	} else {
		instrument->naming = groups->who.is_envoy ? WEIR_NAMING_ENVOY : WEIR_NAMING_OTEL;
	}
}

static bool is_meaningful(const struct weir_instrument *instrument)
{
	bool has_temporality = instrument->kind == WEIR_INSTRUMENT_GAUGE ||
			       instrument->kind == WEIR_INSTRUMENT_SUMMARY ||
			       instrument->temporality != WEIR_TEMPORALITY_UNSPECIFIED;

	return instrument->name.length > 0 && has_temporality;
}

/* The points of one occurrence of the data. False: malformed, or the arena is full. */
static bool points_decode(struct weir_otlp_groups *groups, struct weir_str message, uint32_t instrument,
	enum weir_instrument_kind kind, bool is_valid)
{
	struct weir_draft *draft = groups->draft;
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		uint32_t points = draft->points.count;

		if (field.tag != DATA_POINTS) {
			continue;
		}
		if (!weir_otlp_point_read(draft, field.bytes, instrument, kind, is_valid) ||
			(draft->points.count > points && !weir_otlp_scope_add(draft, &groups->scope))) {
			return false;
		}
	}
	return !wire.is_malformed;
}

static bool metric_decode(struct weir_otlp_groups *groups, struct weir_str message, uint32_t resource)
{
	struct weir_draft *draft = groups->draft;
	struct weir_instrument *instrument = weir_draft_instrument(draft), known;
	uint32_t row = draft->instruments.count - 1, points = draft->points.count;
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct data data;

	if (instrument == NULL) {
		return false;
	}
	instrument->resource = resource;
	if (!metric_survey(draft, message, instrument, &data)) {
		return false;
	}
	naming_settle(groups, instrument);
	known = *instrument;
	if (data.tag == 0) {
		draft->offered++;
		draft->dropped[WEIR_DROP_INVALID]++;
	}
	while (data.tag != 0 && weir_wire_next(&wire, &field)) {
		if (field.tag == data.tag && (field.bytes.data >= data.from) &&
			!points_decode(groups, field.bytes, row, known.kind, is_meaningful(&known))) {
			return false;
		}
	}
	if (draft->points.count == points) {
		draft->instruments.count--;
	}
	return true;
}

int weir_otlp_metrics_decode(struct weir_draft *draft)
{
	struct weir_otlp_groups groups = { .draft = draft, .items = &draft->points, .keeps_scope = true };

	return weir_otlp_request_read(&groups, metric_decode, "the body is not a valid ExportMetricsServiceRequest");
}
