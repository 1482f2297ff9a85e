/* point: OTLP's data points, which look alike but for their numbers on the wire.
 *
 *                attributes  flags  exemplars  its own
 *   number       7           8      5          4 double, 6 int
 *   histogram    9           10     8          4 count 5 sum 6 counts 7 bounds 11 min 12 max
 *   exponential  1           10     11         4 count 5 sum 6 scale 7 zero count 8 9 buckets
 *                                              12 min 13 max 14 zero threshold
 *   summary      7           8      –          4 count 5 sum 6 quantiles
 *   all          2 start, 3 time
 *
 * Arrays are array.c's.
 *
 * Decisions
 *  - Invalid, so that nobody downstream need ask again: no value at all; as
 *    many bounds as counts, or bounds without counts; bounds that do not
 *    ascend, or are no numbers; a scale outside [-10, 20]; buckets whose index
 *    leaves 32 bits; a quantile outside [0, 1], or that is not greater than the
 *    one before (a reader would have one sample twice); more of anything than a
 *    series has room for.
 *  - A last bound of +Inf says what goes without saying: it is left out, and
 *    the count beyond it is put to the one before.
 *  - The flag "no recorded value" wins over being invalid: a sender that lost
 *    a series has nothing to be told.
 *  - Of the exemplars the newest that names a trace is kept.
 *
 * Invariants
 *  1. offered grows by one for each point; rows + drops grow by one as well.
 *  2. What is dropped leaves no rows behind (text in the pool may stay).
 *
 * One thread: the listener's. Nothing is allocated outside the draft's arena. */
#include "decode/otlp/point.h"

#include <math.h>

#include "decode/otlp/array.h"
#include "decode/otlp/group.h"
#include "decode/otlp/metrics.h"
#include "decode/otlp/value.h"

enum { SCALE_MIN = -10, SCALE_MAX = 20, FLAG_NO_RECORDED_VALUE = 1 };

enum { /* tags; what is 8 bytes wide may come packed, as bytes, or each by itself */
	POINT_START = 2 << 3 | WEIR_WIRE_FIXED64,
	POINT_TIME = 3 << 3 | WEIR_WIRE_FIXED64,
	NUMBER_DOUBLE = 4 << 3 | WEIR_WIRE_FIXED64,
	NUMBER_INT = 6 << 3 | WEIR_WIRE_FIXED64,
	POINT_COUNT = 4 << 3 | WEIR_WIRE_FIXED64,
	POINT_SUM = 5 << 3 | WEIR_WIRE_FIXED64,
	HISTOGRAM_MIN = 11 << 3 | WEIR_WIRE_FIXED64,
	HISTOGRAM_MAX = 12 << 3 | WEIR_WIRE_FIXED64,
	EXPONENTIAL_SCALE = 6 << 3 | WEIR_WIRE_VARINT,
	EXPONENTIAL_ZERO_COUNT = 7 << 3 | WEIR_WIRE_FIXED64,
	EXPONENTIAL_POSITIVE = 8 << 3 | WEIR_WIRE_BYTES,
	EXPONENTIAL_NEGATIVE = 9 << 3 | WEIR_WIRE_BYTES,
	EXPONENTIAL_MIN = 12 << 3 | WEIR_WIRE_FIXED64,
	EXPONENTIAL_MAX = 13 << 3 | WEIR_WIRE_FIXED64,
	EXPONENTIAL_THRESHOLD = 14 << 3 | WEIR_WIRE_FIXED64,
	SUMMARY_QUANTILE = 6 << 3 | WEIR_WIRE_BYTES,
	EXEMPLAR_TIME = 2 << 3 | WEIR_WIRE_FIXED64,
	EXEMPLAR_DOUBLE = 3 << 3 | WEIR_WIRE_FIXED64,
	EXEMPLAR_SPAN_ID = 4 << 3 | WEIR_WIRE_BYTES,
	EXEMPLAR_TRACE_ID = 5 << 3 | WEIR_WIRE_BYTES,
	EXEMPLAR_INT = 6 << 3 | WEIR_WIRE_FIXED64,
};

enum { HISTOGRAM_COUNTS = 6, HISTOGRAM_BOUNDS = 7 }; /* field numbers */

static const struct layout {
	uint32_t attributes, flags, exemplars; /* tags; 0: none */
} layouts[] = {
	[WEIR_INSTRUMENT_GAUGE] = { 7 << 3 | WEIR_WIRE_BYTES, 8 << 3 | WEIR_WIRE_VARINT, 5 << 3 | WEIR_WIRE_BYTES },
	[WEIR_INSTRUMENT_SUM] = { 7 << 3 | WEIR_WIRE_BYTES, 8 << 3 | WEIR_WIRE_VARINT, 5 << 3 | WEIR_WIRE_BYTES },
	[WEIR_INSTRUMENT_HISTOGRAM] = { 9 << 3 | WEIR_WIRE_BYTES, 10 << 3 | WEIR_WIRE_VARINT,
		8 << 3 | WEIR_WIRE_BYTES },
	[WEIR_INSTRUMENT_EXPONENTIAL] = { 1 << 3 | WEIR_WIRE_BYTES, 10 << 3 | WEIR_WIRE_VARINT,
		11 << 3 | WEIR_WIRE_BYTES },
	[WEIR_INSTRUMENT_SUMMARY] = { 7 << 3 | WEIR_WIRE_BYTES, 8 << 3 | WEIR_WIRE_VARINT, 0 },
};

struct reader { /* of one point */
	struct weir_draft *draft;
	struct weir_str message;
	struct weir_point *point;
	uint32_t flags; /* of the wire */
	bool has_value;
	struct weir_otlp_array bounds, counts, negative;
	double quantile; /* the last */
	bool has_bad_quantile;
};

static double double_of(uint64_t bits)
{
	double real;

	memcpy(&real, &bits, sizeof(real));
	return real;
}

/* ---- fields --------------------------------------------------------------- */

/* Keeps the exemplar when it names a trace and none that is kept is newer. False: malformed. */
static bool exemplar_take(struct weir_str message, struct weir_point *point)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_point exemplar = { 0 }; /* its part of one */
	bool has_trace = false;

	while (weir_wire_next(&wire, &field)) {
		switch (field.tag) {
		case EXEMPLAR_TIME:
			exemplar.exemplar_ns = field.value;
			break;
		case EXEMPLAR_DOUBLE:
			exemplar.exemplar_value = double_of(field.value);
			break;
		case EXEMPLAR_INT:
			exemplar.exemplar_value = (double)(int64_t)field.value;
			break;
		case EXEMPLAR_SPAN_ID:
			memset(exemplar.exemplar_span, 0, sizeof(exemplar.exemplar_span));
			weir_otlp_id_take(field.bytes, exemplar.exemplar_span, sizeof(exemplar.exemplar_span));
			break;
		case EXEMPLAR_TRACE_ID:
			has_trace = weir_otlp_id_take(
				field.bytes, exemplar.exemplar_trace, sizeof(exemplar.exemplar_trace));
			break;
		default:
			break;
		}
	}
	if (has_trace &&
		((point->flags & WEIR_POINT_HAS_EXEMPLAR) == 0 || exemplar.exemplar_ns >= point->exemplar_ns)) {
		point->flags |= WEIR_POINT_HAS_EXEMPLAR;
		point->exemplar_ns = exemplar.exemplar_ns;
		point->exemplar_value = exemplar.exemplar_value;
		memcpy(point->exemplar_trace, exemplar.exemplar_trace, sizeof(point->exemplar_trace));
		memcpy(point->exemplar_span, exemplar.exemplar_span, sizeof(point->exemplar_span));
	}
	return !wire.is_malformed;
}

static bool number_take(struct reader *reader, const struct weir_wire_field *field)
{
	if (field->tag == NUMBER_DOUBLE) {
		reader->has_value = true;
		reader->point->value.real = double_of(field->value);
		reader->point->flags &= ~(uint32_t)WEIR_POINT_IS_INT;
	} else if (field->tag == NUMBER_INT) {
		reader->has_value = true;
		reader->point->value.integer = (int64_t)field->value;
		reader->point->flags |= WEIR_POINT_IS_INT;
	}
	return true;
}

static void real_take(struct weir_point *point, double *to, uint64_t bits, enum weir_point_flag flag)
{
	*to = double_of(bits);
	point->flags |= flag;
}

static bool histogram_take(struct reader *reader, const struct weir_wire_field *field)
{
	struct weir_point *point = reader->point;

	switch (field->tag) {
	case POINT_COUNT:
		point->count = field->value;
		return true;
	case POINT_SUM:
		real_take(point, &point->sum, field->value, WEIR_POINT_HAS_SUM);
		return true;
	case HISTOGRAM_MIN:
		real_take(point, &point->min, field->value, WEIR_POINT_HAS_MIN);
		return true;
	case HISTOGRAM_MAX:
		real_take(point, &point->max, field->value, WEIR_POINT_HAS_MAX);
		return true;
	default:
		return field->number == HISTOGRAM_COUNTS   ? weir_otlp_array_note(&reader->counts, field)
		       : field->number == HISTOGRAM_BOUNDS ? weir_otlp_array_note(&reader->bounds, field)
							   : true;
	}
}

static bool exponential_take(struct reader *reader, const struct weir_wire_field *field)
{
	struct weir_point *point = reader->point;

	switch (field->tag) {
	case POINT_COUNT:
		point->count = field->value;
		return true;
	case POINT_SUM:
		real_take(point, &point->sum, field->value, WEIR_POINT_HAS_SUM);
		return true;
	case EXPONENTIAL_MIN:
		real_take(point, &point->min, field->value, WEIR_POINT_HAS_MIN);
		return true;
	case EXPONENTIAL_MAX:
		real_take(point, &point->max, field->value, WEIR_POINT_HAS_MAX);
		return true;
	case EXPONENTIAL_SCALE:
		point->scale = weir_otlp_array_zigzag(field->value);
		return true;
	case EXPONENTIAL_ZERO_COUNT:
		point->zero_count = field->value;
		return true;
	case EXPONENTIAL_THRESHOLD:
		point->zero_threshold = double_of(field->value);
		return true;
	case EXPONENTIAL_POSITIVE:
		return weir_otlp_array_note_buckets(field->bytes, &reader->counts, &point->positive_offset);
	case EXPONENTIAL_NEGATIVE:
		return weir_otlp_array_note_buckets(field->bytes, &reader->negative, &point->negative_offset);
	default:
		return true;
	}
}

static bool summary_take(struct reader *reader, const struct weir_wire_field *field)
{
	struct weir_point *point = reader->point;
	uint64_t bits, value;
	double quantile;

	switch (field->tag) {
	case POINT_COUNT:
		point->count = field->value;
		return true;
	case POINT_SUM:
		point->sum = double_of(field->value);
		return true;
	case SUMMARY_QUANTILE:
		if (!weir_otlp_array_read_quantile(field->bytes, &bits, &value)) {
			return false;
		}
		quantile = double_of(bits);
		if (!(quantile >= 0 && quantile <= 1) || (reader->bounds.count > 0 && !(quantile > reader->quantile))) {
			reader->has_bad_quantile = true;
		}
		reader->quantile = quantile;
		reader->bounds.count++;
		return true;
	default:
		return true;
	}
}

/* Reads all fields but places no array. False: malformed, or the arena is full. */
static bool fields_read(struct reader *reader, enum weir_instrument_kind kind)
{
	static bool (*const takes[])(struct reader *, const struct weir_wire_field *) = {
		[WEIR_INSTRUMENT_GAUGE] = number_take,
		[WEIR_INSTRUMENT_SUM] = number_take,
		[WEIR_INSTRUMENT_HISTOGRAM] = histogram_take,
		[WEIR_INSTRUMENT_EXPONENTIAL] = exponential_take,
		[WEIR_INSTRUMENT_SUMMARY] = summary_take,
	};
	const struct layout *layout = &layouts[kind];
	struct weir_wire wire = weir_wire_of(reader->message);
	struct weir_wire_field field;
	struct weir_str key;
	bool is_ok = true;

	while (is_ok && weir_wire_next(&wire, &field)) {
		if (field.tag == layout->attributes) {
			is_ok = weir_otlp_attr_read(reader->draft, field.bytes, &key) != NULL;
		} else if (field.tag == POINT_START) {
			reader->point->start_ns = field.value;
		} else if (field.tag == POINT_TIME) {
			reader->point->time_ns = field.value;
		} else if (field.tag == layout->flags) {
			reader->flags = (uint32_t)field.value;
		} else if (field.tag == layout->exemplars) {
			is_ok = exemplar_take(field.bytes, reader->point);
		} else {
			is_ok = takes[kind](reader, &field);
		}
	}
	return is_ok && !wire.is_malformed;
}

/* ---- judging and placing --------------------------------------------------- */

/* Leaves a last bound of +Inf out. */
static void infinity_drop(struct weir_draft *draft, struct weir_point *point)
{
	uint32_t kept = point->bounds.length - 8; /* bytes of bounds; of counts there are 8 more, and 8 of the last */
	char *to = weir_draft_reserve(draft, (size_t)kept + 8);
	const char *from;
	uint64_t last;

	if (to == NULL) {
		return;
	}
	from = weir_draft_str(draft, point->counts).data;
	last = weir_wire_load64((const uint8_t *)from + kept) + weir_wire_load64((const uint8_t *)from + kept + 8);
	memcpy(to, from, kept);
	weir_otlp_array_store(to + kept, last);
	point->counts = weir_draft_commit(draft, (size_t)kept + 8);
	point->bounds.length = kept;
}

/* Do the bounds ascend? */
static bool bounds_settle(struct weir_draft *draft, struct weir_point *point)
{
	struct weir_str bytes = weir_draft_str(draft, point->bounds);
	const uint8_t *at = (const uint8_t *)bytes.data;
	double bound = -INFINITY, before;

	for (size_t i = 0; i < bytes.length / 8; i++) {
		before = bound;
		bound = double_of(weir_wire_load64(at + i * 8));
		if (!(bound > before)) {
			return false;
		}
	}
	if (bytes.length > 0 && isinf(bound)) {
		infinity_drop(draft, point);
	}
	return true;
}

static bool histogram_settle(struct reader *reader)
{
	const struct weir_otlp_array *bounds = &reader->bounds, *counts = &reader->counts;

	if (bounds->count > WEIR_OTLP_BOUNDS_MAX ||
		(counts->count != bounds->count + 1 && counts->count + bounds->count > 0)) {
		return false;
	}
	reader->point->bounds = weir_otlp_array_place(reader->draft, reader->message, HISTOGRAM_BOUNDS, bounds);
	reader->point->counts = weir_otlp_array_place(reader->draft, reader->message, HISTOGRAM_COUNTS, counts);
	return reader->draft->is_exhausted || bounds_settle(reader->draft, reader->point);
}

static bool exponential_settle(struct reader *reader)
{
	struct weir_point *point = reader->point;

	if (point->scale < SCALE_MIN || point->scale > SCALE_MAX || reader->counts.count > WEIR_OTLP_BUCKETS_MAX ||
		reader->negative.count > WEIR_OTLP_BUCKETS_MAX ||
		point->positive_offset > (int64_t)INT32_MAX - (int64_t)reader->counts.count ||
		point->negative_offset > (int64_t)INT32_MAX - (int64_t)reader->negative.count) {
		return false;
	}
	point->counts =
		weir_otlp_array_place_buckets(reader->draft, reader->message, EXPONENTIAL_POSITIVE, &reader->counts);
	point->negative =
		weir_otlp_array_place_buckets(reader->draft, reader->message, EXPONENTIAL_NEGATIVE, &reader->negative);
	return true;
}

/* Is it possible, what the point says? Then its arrays are placed. */
static bool point_settle(struct reader *reader, enum weir_instrument_kind kind)
{
	switch (kind) {
	case WEIR_INSTRUMENT_HISTOGRAM:
		return histogram_settle(reader);
	case WEIR_INSTRUMENT_EXPONENTIAL:
		return exponential_settle(reader);
	case WEIR_INSTRUMENT_SUMMARY:
		if (reader->has_bad_quantile || reader->bounds.count > WEIR_OTLP_QUANTILES_MAX) {
			return false;
		}
		reader->point->flags |= WEIR_POINT_HAS_SUM;
		weir_otlp_array_place_quantiles(
			reader->draft, reader->message, SUMMARY_QUANTILE, reader->bounds.count, reader->point);
		return true;
	default:
		return reader->has_value;
	}
}

bool weir_otlp_point_read(struct weir_draft *draft, struct weir_str message, uint32_t instrument,
	enum weir_instrument_kind kind, bool is_valid)
{
	struct reader reader = { .draft = draft, .message = message, .point = weir_draft_point(draft) };
	enum weir_drop reason = WEIR_DROPS;

	if (reader.point == NULL) {
		return false;
	}
	draft->offered++;
	reader.point->instrument = instrument;
	reader.point->attr_first = draft->attrs.count;
	if (!fields_read(&reader, kind)) {
		return false;
	}
	reader.point->attr_count = draft->attrs.count - reader.point->attr_first;
	if ((reader.flags & FLAG_NO_RECORDED_VALUE) != 0) {
		reason = WEIR_DROP_NO_VALUE;
	} else if (!is_valid || !point_settle(&reader, kind)) {
		reason = WEIR_DROP_INVALID;
	}
	if (reason != WEIR_DROPS) {
		draft->dropped[reason]++;
		draft->attrs.count = reader.point->attr_first;
		draft->points.count--;
	}
	return !draft->is_exhausted;
}
