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
 * An array that came as one packed field of 8-byte numbers, as nearly all do,
 * stays where it is in the body; any other spelling (unpacked, in pieces,
 * varints) is counted in the first pass and written into the pool in a second.
 *
 * Decisions
 *  - Invalid, so that nobody downstream need ask again: no value at all; as
 *    many bounds as counts, or bounds without counts; bounds that do not
 *    ascend; a scale outside [-10, 20]; buckets whose index leaves 32 bits;
 *    a quantile outside [0, 1]; more than WEIR_OTLP_BUCKETS_MAX of anything.
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

#include "decode/otlp/group.h"
#include "decode/otlp/metrics.h"
#include "decode/otlp/value.h"

#define TAG(number, type) ((uint32_t)(number) << 3 | (type))

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
	BUCKETS_OFFSET = 1 << 3 | WEIR_WIRE_VARINT,
	SUMMARY_QUANTILE = 6 << 3 | WEIR_WIRE_BYTES,
	QUANTILE_QUANTILE = 1 << 3 | WEIR_WIRE_FIXED64,
	QUANTILE_VALUE = 2 << 3 | WEIR_WIRE_FIXED64,
	EXEMPLAR_TIME = 2 << 3 | WEIR_WIRE_FIXED64,
	EXEMPLAR_DOUBLE = 3 << 3 | WEIR_WIRE_FIXED64,
	EXEMPLAR_SPAN_ID = 4 << 3 | WEIR_WIRE_BYTES,
	EXEMPLAR_TRACE_ID = 5 << 3 | WEIR_WIRE_BYTES,
	EXEMPLAR_INT = 6 << 3 | WEIR_WIRE_FIXED64,
};

enum { HISTOGRAM_COUNTS = 6, HISTOGRAM_BOUNDS = 7, BUCKETS_COUNTS = 2 }; /* field numbers */

static const struct layout {
	uint32_t attributes, flags, exemplars; /* tags; 0: none */
} layouts[] = {
	[WEIR_INSTRUMENT_GAUGE] = { TAG(7, WEIR_WIRE_BYTES), TAG(8, WEIR_WIRE_VARINT), TAG(5, WEIR_WIRE_BYTES) },
	[WEIR_INSTRUMENT_SUM] = { TAG(7, WEIR_WIRE_BYTES), TAG(8, WEIR_WIRE_VARINT), TAG(5, WEIR_WIRE_BYTES) },
	[WEIR_INSTRUMENT_HISTOGRAM] = { TAG(9, WEIR_WIRE_BYTES), TAG(10, WEIR_WIRE_VARINT), TAG(8, WEIR_WIRE_BYTES) },
	[WEIR_INSTRUMENT_EXPONENTIAL] = { TAG(1, WEIR_WIRE_BYTES), TAG(10, WEIR_WIRE_VARINT),
		TAG(11, WEIR_WIRE_BYTES) },
	[WEIR_INSTRUMENT_SUMMARY] = { TAG(7, WEIR_WIRE_BYTES), TAG(8, WEIR_WIRE_VARINT), 0 },
};

struct array {                  /* repeated numbers, as they came */
	struct weir_str packed; /* the last packed field with anything in it */
	uint64_t fields, count; /* fields with anything in them; numbers */
};

struct reader { /* of one point */
	struct weir_draft *draft;
	struct weir_str message;
	struct weir_point *point;
	uint32_t flags; /* of the wire */
	bool has_value;
	struct array bounds, counts, negative;
	bool has_bad_quantile;
};

static double double_of(uint64_t bits)
{
	double real;

	memcpy(&real, &bits, sizeof(real));
	return real;
}

/* ---- arrays --------------------------------------------------------------- */

static void store(char *at, uint64_t number)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	number = __builtin_bswap64(number);
#endif
	memcpy(at, &number, sizeof(number));
}

/* Takes note of 8-byte numbers, packed or not. False: malformed. */
static bool array_note(struct array *array, const struct weir_wire_field *field)
{
	if (field->type == WEIR_WIRE_FIXED64) {
		array->fields++;
		array->count++;
	} else if (field->type == WEIR_WIRE_BYTES && field->bytes.length > 0) {
		array->fields++;
		array->count += field->bytes.length / 8;
		array->packed = field->bytes;
		return field->bytes.length % 8 == 0;
	}
	return true;
}

/* Where the numbers are, or are put. */
static struct weir_ref array_place(const struct reader *reader, uint32_t number, const struct array *array)
{
	struct weir_wire wire = weir_wire_of(reader->message);
	struct weir_wire_field field;
	char *begin, *at;

	if (array->fields == 1 && array->packed.length > 0) {
		return weir_draft_ref(reader->draft, array->packed);
	}
	begin = at = array->count > 0 ? weir_draft_reserve(reader->draft, array->count * 8) : NULL;
	while (at != NULL && weir_wire_next(&wire, &field)) {
		if (field.number != number) {
			continue;
		}
		if (field.type == WEIR_WIRE_FIXED64) {
			store(at, field.value);
			at += 8;
		} else if (field.type == WEIR_WIRE_BYTES && field.bytes.length > 0) {
			memcpy(at, field.bytes.data, field.bytes.length);
			at += field.bytes.length;
		}
	}
	return at != NULL ? weir_draft_commit(reader->draft, (size_t)(at - begin)) : (struct weir_ref){ 0, 0 };
}

/* The varints of a packed field; each is written to `at` unless that is NULL. False: malformed. */
static bool varints_read(struct weir_str packed, char *at, uint64_t *ret_count)
{
	const uint8_t *from = (const uint8_t *)packed.data, *end = from + packed.length;
	uint64_t number;

	*ret_count = 0;
	while (from != end) {
		from = weir_wire_varint(from, end, &number);
		if (from == NULL) {
			return false;
		}
		if (at != NULL) {
			store(at + *ret_count * 8, number);
		}
		++*ret_count;
	}
	return true;
}

static int32_t zigzag(uint64_t value)
{
	uint32_t bits = (uint32_t)value;

	return (int32_t)(bits >> 1 ^ (0 - (bits & 1)));
}

/* Buckets { 1 offset, 2 counts }: counts the counts. False: malformed. */
static bool buckets_note(struct weir_str message, struct array *array, int32_t *offset)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	uint64_t more = 0;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag == BUCKETS_OFFSET) {
			*offset = zigzag(field.value);
		} else if (field.tag == TAG(BUCKETS_COUNTS, WEIR_WIRE_VARINT)) {
			array->count++;
		} else if (field.tag == TAG(BUCKETS_COUNTS, WEIR_WIRE_BYTES)) {
			if (!varints_read(field.bytes, NULL, &more)) {
				return false;
			}
			array->count += more;
		}
	}
	return !wire.is_malformed;
}

static char *buckets_write(struct weir_str message, char *at)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	uint64_t more = 0;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag == TAG(BUCKETS_COUNTS, WEIR_WIRE_VARINT)) {
			store(at, field.value);
			at += 8;
		} else if (field.tag == TAG(BUCKETS_COUNTS, WEIR_WIRE_BYTES)) {
			varints_read(field.bytes, at, &more);
			at += more * 8;
		}
	}
	return at;
}

static struct weir_ref buckets_place(const struct reader *reader, uint32_t tag, const struct array *array)
{
	struct weir_wire wire = weir_wire_of(reader->message);
	struct weir_wire_field field;
	char *begin = array->count > 0 ? weir_draft_reserve(reader->draft, array->count * 8) : NULL, *at = begin;

	while (at != NULL && weir_wire_next(&wire, &field)) {
		if (field.tag == tag) {
			at = buckets_write(field.bytes, at);
		}
	}
	return at != NULL ? weir_draft_commit(reader->draft, (size_t)(at - begin)) : (struct weir_ref){ 0, 0 };
}

/* ValueAtQuantile { 1 quantile, 2 value }. False: malformed. */
static bool quantile_read(struct weir_str message, uint64_t *ret_quantile, uint64_t *ret_value)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	*ret_quantile = *ret_value = 0;
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == QUANTILE_QUANTILE) {
			*ret_quantile = field.value;
		} else if (field.tag == QUANTILE_VALUE) {
			*ret_value = field.value;
		}
	}
	return !wire.is_malformed;
}

/* All quantiles, then all their values. */
static void quantiles_place(const struct reader *reader)
{
	struct weir_wire wire = weir_wire_of(reader->message);
	struct weir_wire_field field;
	size_t bytes = reader->bounds.count * 8;
	char *at = bytes > 0 ? weir_draft_reserve(reader->draft, 2 * bytes) : NULL;

	if (at == NULL) {
		return;
	}
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == SUMMARY_QUANTILE) {
			uint64_t quantile, value;

			quantile_read(field.bytes, &quantile, &value);
			store(at, quantile);
			store(at + bytes, value);
			at += 8;
		}
	}
	reader->point->bounds = weir_draft_commit(reader->draft, bytes);
	reader->point->counts = weir_draft_commit(reader->draft, bytes);
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
		return field->number == HISTOGRAM_COUNTS   ? array_note(&reader->counts, field)
		       : field->number == HISTOGRAM_BOUNDS ? array_note(&reader->bounds, field)
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
		point->scale = zigzag(field->value);
		return true;
	case EXPONENTIAL_ZERO_COUNT:
		point->zero_count = field->value;
		return true;
	case EXPONENTIAL_THRESHOLD:
		point->zero_threshold = double_of(field->value);
		return true;
	case EXPONENTIAL_POSITIVE:
		return buckets_note(field->bytes, &reader->counts, &point->positive_offset);
	case EXPONENTIAL_NEGATIVE:
		return buckets_note(field->bytes, &reader->negative, &point->negative_offset);
	default:
		return true;
	}
}

static bool summary_take(struct reader *reader, const struct weir_wire_field *field)
{
	struct weir_point *point = reader->point;
	uint64_t quantile, value;

	switch (field->tag) {
	case POINT_COUNT:
		point->count = field->value;
		return true;
	case POINT_SUM:
		point->sum = double_of(field->value);
		return true;
	case SUMMARY_QUANTILE:
		reader->bounds.count++;
		if (!quantile_read(field->bytes, &quantile, &value)) {
			return false;
		}
		reader->has_bad_quantile =
			reader->has_bad_quantile || !(double_of(quantile) >= 0 && double_of(quantile) <= 1);
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

static bool is_ascending(const struct weir_draft *draft, struct weir_ref bounds)
{
	struct weir_str bytes = weir_draft_str(draft, bounds);
	const uint8_t *at = (const uint8_t *)bytes.data;

	for (size_t i = 0; i < bytes.length / 8; i++) {
		double bound = double_of(weir_wire_load64(at + i * 8));

		if (bound != bound || (i > 0 && bound <= double_of(weir_wire_load64(at + (i - 1) * 8)))) {
			return false;
		}
	}
	return true;
}

static bool histogram_settle(struct reader *reader)
{
	const struct array *bounds = &reader->bounds, *counts = &reader->counts;

	if (counts->count > WEIR_OTLP_BUCKETS_MAX ||
		(counts->count != bounds->count + 1 && counts->count + bounds->count > 0)) {
		return false;
	}
	reader->point->bounds = array_place(reader, HISTOGRAM_BOUNDS, bounds);
	reader->point->counts = array_place(reader, HISTOGRAM_COUNTS, counts);
	return is_ascending(reader->draft, reader->point->bounds);
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
	point->counts = buckets_place(reader, EXPONENTIAL_POSITIVE, &reader->counts);
	point->negative = buckets_place(reader, EXPONENTIAL_NEGATIVE, &reader->negative);
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
		if (reader->has_bad_quantile || reader->bounds.count > WEIR_OTLP_BUCKETS_MAX) {
			return false;
		}
		reader->point->flags |= WEIR_POINT_HAS_SUM;
		quantiles_place(reader);
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
