/* histogram: io.prometheus.client.Histogram → the buckets of a point.
 *
 *   classic  bucket { cumulative_count, upper_bound } … in ascending order, no
 *            entry for +Inf (or one that says what sample_count says)
 *              ─▶ bounds b0 … bn-1 and counts c0 … cn, not cumulative
 *   native   schema, spans { offset, length } …, and for each bucket of a span
 *            a delta (of integers) or a count (of reals)
 *              ─▶ counts, dense from the first bucket of the first span
 *
 * Native indexes: Prometheus' bucket i covers (base^(i-1), base^i], a point's
 * bucket k covers (base^k, base^(k+1)], so k = i - 1. The base is
 * 2^(2^-schema) in both.
 *
 * Float histograms say their counts as reals (sample_count_float > 0, counts
 * instead of deltas); a point counts in whole numbers, so they are rounded.
 *
 * Invariants
 *  1. An array is at most WEIR_HISTOGRAM_BUCKETS_MAX numbers, whatever gaps the
 *     spans say; work is linear in the bytes and that.
 *  2. What contradicts itself (counts that fall, bounds that do not rise, more
 *     in the buckets than in all) is INVALID, and leaves at most unused text.
 *
 * One thread: the listener whose draft it is. */
#include "decode/envoy/histogram.h"

#include <math.h>

#include "decode/envoy/cursor.h"
#include "decode/envoy/exemplar.h"

enum {
	SAMPLE_COUNT = 1 << 3 | WEIR_WIRE_VARINT,
	SAMPLE_SUM = 2 << 3 | WEIR_WIRE_FIXED64,
	BUCKET = 3 << 3 | WEIR_WIRE_BYTES,
	SAMPLE_COUNT_FLOAT = 4 << 3 | WEIR_WIRE_FIXED64,
	SCHEMA = 5 << 3 | WEIR_WIRE_VARINT,
	ZERO_THRESHOLD = 6 << 3 | WEIR_WIRE_FIXED64,
	ZERO_COUNT = 7 << 3 | WEIR_WIRE_VARINT,
	ZERO_COUNT_FLOAT = 8 << 3 | WEIR_WIRE_FIXED64,
	NEGATIVE_SPAN = 9 << 3 | WEIR_WIRE_BYTES,
	NEGATIVE_DELTA = 10,
	NEGATIVE_COUNT = 11,
	POSITIVE_SPAN = 12 << 3 | WEIR_WIRE_BYTES,
	POSITIVE_DELTA = 13,
	POSITIVE_COUNT = 14,
	EXEMPLAR = 16 << 3 | WEIR_WIRE_BYTES,

	CUMULATIVE_COUNT = 1 << 3 | WEIR_WIRE_VARINT, /* Bucket */
	UPPER_BOUND = 2 << 3 | WEIR_WIRE_FIXED64,
	BUCKET_EXEMPLAR = 3 << 3 | WEIR_WIRE_BYTES,
	CUMULATIVE_COUNT_FLOAT = 4 << 3 | WEIR_WIRE_FIXED64,

	SPAN_OFFSET = 1 << 3 | WEIR_WIRE_VARINT, /* BucketSpan */
	SPAN_LENGTH = 2 << 3 | WEIR_WIRE_VARINT,
};

#define SCHEMA_MIN (-4)
#define SCHEMA_MAX 8
#define REAL_COUNT_MAX 9007199254740992.0 /* 2^53: beyond it reals are no counts */

struct scalars { /* of one message */
	uint64_t count, zero_count;
	double count_float, zero_count_float, sum, zero_threshold;
	int64_t schema;
	uint32_t buckets, positive_spans, negative_spans;
	bool has_count, has_sum, has_schema;
};

static double real_of(uint64_t bits)
{
	double real;

	memcpy(&real, &bits, sizeof(real));
	return real;
}

static int64_t zigzag_of(uint64_t value)
{
	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

static void number_put(char *array, uint32_t i, uint64_t number)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	number = __builtin_bswap64(number);
#endif
	memcpy(array + (size_t)i * 8, &number, sizeof(number));
}

/* A count told as a real; false when it cannot be one. */
static bool count_of(double real, uint64_t *ret)
{
	if (!(real >= 0) || real > REAL_COUNT_MAX) {
		return false;
	}
	*ret = (uint64_t)llround(real);
	return true;
}

static bool read_scalars(struct weir_str message, struct scalars *ret, struct weir_point *point)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	bool is_ok = true;

	*ret = (struct scalars){ 0 };
	while (is_ok && weir_cursor_next(&wire, &field)) {
		switch (field.tag) {
		case SAMPLE_COUNT:
			ret->has_count = true;
			ret->count = field.value;
			break;
		case SAMPLE_SUM:
			ret->has_sum = true;
			ret->sum = real_of(field.value);
			break;
		case BUCKET:
			ret->buckets++;
			break;
		case SAMPLE_COUNT_FLOAT:
			ret->count_float = real_of(field.value);
			break;
		case SCHEMA:
			ret->has_schema = true;
			ret->schema = zigzag_of(field.value);
			break;
		case ZERO_THRESHOLD:
			ret->zero_threshold = real_of(field.value);
			break;
		case ZERO_COUNT:
			ret->zero_count = field.value;
			break;
		case ZERO_COUNT_FLOAT:
			ret->zero_count_float = real_of(field.value);
			break;
		case NEGATIVE_SPAN:
			ret->negative_spans++;
			break;
		case POSITIVE_SPAN:
			ret->positive_spans++;
			break;
		case EXEMPLAR:
			is_ok = weir_exemplar_read(field.bytes, point);
			break;
		default:
			break;
		}
	}
	return is_ok && !wire.is_malformed;
}

/* ---- classic ------------------------------------------------------------ */

struct bucket {
	uint64_t cumulative;
	double cumulative_float, bound;
};

static bool read_bucket(struct weir_str message, struct bucket *ret, struct weir_point *point)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	bool is_ok = true;

	*ret = (struct bucket){ 0 };
	while (is_ok && weir_cursor_next(&wire, &field)) {
		if (field.tag == CUMULATIVE_COUNT) {
			ret->cumulative = field.value;
		} else if (field.tag == UPPER_BOUND) {
			ret->bound = real_of(field.value);
		} else if (field.tag == CUMULATIVE_COUNT_FLOAT) {
			ret->cumulative_float = real_of(field.value);
		} else if (field.tag == BUCKET_EXEMPLAR) {
			is_ok = weir_exemplar_read(field.bytes, point);
		}
	}
	return is_ok && !wire.is_malformed;
}

/* The bounds of the last histogram again, when they are equal; else these. */
static struct weir_ref place_bounds(
	struct weir_draft *draft, struct weir_histogram_bounds *bounds, const char *array, uint32_t count)
{
	struct weir_str fresh = weir_str_make(array, (size_t)count * 8);

	if (fresh.length == 0) {
		return (struct weir_ref){ 0, 0 };
	}
	if (!weir_str_equal(weir_draft_str(draft, bounds->ref), fresh)) {
		bounds->ref = weir_draft_copy(draft, fresh);
	}
	return bounds->ref;
}

/* Fills two arrays of what is at most `room` and room + 1 numbers. */
static enum weir_histogram_outcome read_buckets(struct weir_str message, struct scalars *scalars, char *bounds,
	char *counts, uint32_t *ret_count, struct weir_point *point)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	uint64_t before = 0;
	double last = -INFINITY;
	uint32_t n = 0;

	while (weir_cursor_next(&wire, &field)) {
		struct bucket bucket;

		if (field.tag != BUCKET) {
			continue;
		}
		if (!read_bucket(field.bytes, &bucket, point)) {
			return WEIR_HISTOGRAM_MALFORMED;
		}
		if ((bucket.cumulative_float != 0 && !count_of(bucket.cumulative_float, &bucket.cumulative)) ||
			isnan(bucket.bound) || (n > 0 && bucket.bound <= last) || bucket.cumulative < before ||
			bucket.bound == -INFINITY) {
			return WEIR_HISTOGRAM_INVALID;
		}
		if (bucket.bound == INFINITY) { /* all: told by the count too, and nothing may follow */
			scalars->count = scalars->has_count ? scalars->count : bucket.cumulative;
			scalars->has_count = true;
			last = INFINITY;
			continue;
		}
		if (last == INFINITY) {
			return WEIR_HISTOGRAM_INVALID;
		}
		last = bucket.bound;
		memcpy(&field.value, &bucket.bound, sizeof(field.value));
		number_put(bounds, n, field.value);
		number_put(counts, n++, bucket.cumulative - before);
		before = bucket.cumulative;
	}
	scalars->count = scalars->has_count ? scalars->count : before;
	if (scalars->count < before) {
		return WEIR_HISTOGRAM_INVALID;
	}
	number_put(counts, n, scalars->count - before);
	*ret_count = n;
	return WEIR_HISTOGRAM_CLASSIC;
}

static enum weir_histogram_outcome read_classic(struct weir_draft *draft, struct weir_histogram_bounds *bounds,
	struct weir_str message, struct scalars *scalars, struct weir_point *ret)
{
	enum weir_histogram_outcome outcome;
	uint32_t count = 0;
	char *scratch, *room;

	if (scalars->buckets > WEIR_HISTOGRAM_BUCKETS_MAX) {
		return WEIR_HISTOGRAM_INVALID;
	}
	scratch = weir_arena_alloc(draft->arena, ((size_t)scalars->buckets * 2 + 1) * 8);
	if (!scratch) {
		draft->is_exhausted = true;
		return WEIR_HISTOGRAM_INVALID;
	}
	room = scratch + (size_t)scalars->buckets * 8;
	outcome = read_buckets(message, scalars, scratch, room, &count, ret);
	if (outcome != WEIR_HISTOGRAM_CLASSIC) {
		return outcome;
	}
	if (count > 0) {
		ret->bounds = place_bounds(draft, bounds, scratch, count);
		ret->counts = weir_draft_copy(draft, weir_str_make(room, ((size_t)count + 1) * 8));
	}
	ret->count = scalars->count;
	return WEIR_HISTOGRAM_CLASSIC;
}

/* ---- native ------------------------------------------------------------- */

struct side {                  /* positive or negative */
	uint32_t span;         /* tag */
	uint32_t delta, count; /* field numbers */
};

struct numbers { /* a repeated scalar, packed or not, in any places of the message */
	struct weir_wire outer, inner;
	uint32_t number;
	bool is_real;
};

static struct numbers numbers_of(struct weir_str message, uint32_t number, bool is_real)
{
	return (struct numbers){ weir_wire_of(message), weir_wire_of(weir_str_make(message.data, 0)), number, is_real };
}

/* False: no more, or malformed (inner says so; the message as a whole was read before). */
static bool numbers_next(struct numbers *numbers, uint64_t *ret)
{
	struct weir_wire *inner = &numbers->inner;
	struct weir_wire_field field;

	for (;;) {
		if (inner->at != inner->end) {
			inner->at = numbers->is_real ? (inner->end - inner->at >= 8 ? inner->at + 8 : NULL)
						     : weir_wire_varint(inner->at, inner->end, ret);
			if (!inner->at) {
				*inner = (struct weir_wire){ NULL, NULL, true };
				return false;
			}
			*ret = numbers->is_real ? weir_wire_load64(inner->at - 8) : *ret;
			return true;
		}
		if (!weir_cursor_next(&numbers->outer, &field)) {
			return false;
		}
		if (field.number != numbers->number) {
			continue;
		}
		if (field.type == WEIR_WIRE_BYTES) {
			*inner = weir_wire_of(field.bytes);
		} else if (field.type == (numbers->is_real ? WEIR_WIRE_FIXED64 : WEIR_WIRE_VARINT)) {
			*ret = field.value;
			return true;
		}
	}
}

struct span {
	int64_t offset;
	uint64_t length;
};

/* The next span of a side; 0 at the end, 1, or -1: malformed. */
static int span_next(struct weir_wire *wire, uint32_t tag, struct span *ret)
{
	struct weir_wire_field field;

	while (weir_cursor_next(wire, &field)) {
		struct weir_wire_field part;
		struct weir_wire inner;

		if (field.tag != tag) {
			continue;
		}
		*ret = (struct span){ 0, 0 };
		inner = weir_wire_of(field.bytes);
		while (weir_cursor_next(&inner, &part)) {
			if (part.tag == SPAN_OFFSET) {
				ret->offset = zigzag_of(part.value);
			} else if (part.tag == SPAN_LENGTH) {
				ret->length = part.value;
			}
		}
		return inner.is_malformed ? -1 : 1;
	}
	return 0;
}

struct extent { /* where the buckets of a side lie, in Prometheus' indexes */
	int64_t first;
	uint32_t length;
};

/* The whole width of a side's spans, gaps included. */
static enum weir_histogram_outcome survey(struct weir_str message, uint32_t tag, struct extent *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	bool is_first = true, has_any = false;
	struct span span;
	int64_t at = 0;
	int r;

	*ret = (struct extent){ 0, 0 };
	while ((r = span_next(&wire, tag, &span)) > 0) {
		if (span.offset < (is_first ? INT32_MIN : 0) || span.offset > INT32_MAX ||
			span.length > WEIR_HISTOGRAM_BUCKETS_MAX) {
			return WEIR_HISTOGRAM_INVALID;
		}
		is_first = false;
		at += span.offset; /* at most 2^31 for each of some million spans */
		if (span.length == 0) {
			continue;
		}
		ret->first = has_any ? ret->first : at;
		has_any = true;
		at += (int64_t)span.length;
		if (at - ret->first > WEIR_HISTOGRAM_BUCKETS_MAX) {
			return WEIR_HISTOGRAM_INVALID;
		}
		ret->length = (uint32_t)(at - ret->first);
	}
	if (has_any && (ret->first - 1 < INT32_MIN || ret->first > INT32_MAX)) {
		return WEIR_HISTOGRAM_INVALID;
	}
	return r < 0 ? WEIR_HISTOGRAM_MALFORMED : WEIR_HISTOGRAM_NATIVE;
}

/* The next bucket's count: a delta to the one before, or a real. */
static bool count_next(struct numbers *numbers, uint64_t *count)
{
	int64_t sum, delta;
	uint64_t raw;

	if (!numbers_next(numbers, &raw)) {
		return false;
	}
	if (numbers->is_real) {
		return count_of(real_of(raw), count);
	}
	delta = zigzag_of(raw);
	if (__builtin_add_overflow((int64_t)*count, delta, &sum) || sum < 0) {
		return false;
	}
	*count = (uint64_t)sum;
	return true;
}

static enum weir_histogram_outcome fill(
	struct weir_str message, const struct side *side, const struct extent *extent, char *array, uint64_t *total)
{
	struct numbers numbers = numbers_of(message, side->delta, false);
	struct weir_wire wire = weir_wire_of(message);
	uint64_t count = 0, raw;
	struct span span;
	int64_t at = 0;

	if (!numbers_next(&numbers, &raw)) {
		numbers = numbers_of(message, side->count, true);
	} else {
		numbers = numbers_of(message, side->delta, false);
	}
	while (span_next(&wire, side->span, &span) > 0) {
		at += span.offset;
		for (uint64_t i = 0; i < span.length; i++, at++) {
			if (!count_next(&numbers, &count) || __builtin_add_overflow(*total, count, total)) {
				return numbers.inner.is_malformed ? WEIR_HISTOGRAM_MALFORMED : WEIR_HISTOGRAM_INVALID;
			}
			number_put(array, (uint32_t)(at - extent->first), count);
		}
	}
	if (numbers_next(&numbers, &raw)) {
		return WEIR_HISTOGRAM_INVALID; /* more counts than buckets */
	}
	return numbers.inner.is_malformed ? WEIR_HISTOGRAM_MALFORMED : WEIR_HISTOGRAM_NATIVE;
}

static enum weir_histogram_outcome read_side(struct weir_draft *draft, struct weir_str message, const struct side *side,
	int32_t *ret_offset, struct weir_ref *ret_counts, uint64_t *total)
{
	enum weir_histogram_outcome outcome;
	struct extent extent;
	char *array = NULL;

	outcome = survey(message, side->span, &extent);
	if (outcome != WEIR_HISTOGRAM_NATIVE) {
		return outcome;
	}
	if (extent.length > 0) {
		array = weir_draft_reserve(draft, (size_t)extent.length * 8);
		if (!array) {
			return WEIR_HISTOGRAM_INVALID;
		}
		memset(array, 0, (size_t)extent.length * 8);
	}
	outcome = fill(message, side, &extent, array, total);
	if (outcome == WEIR_HISTOGRAM_NATIVE && extent.length > 0) {
		*ret_counts = weir_draft_commit(draft, (size_t)extent.length * 8);
		*ret_offset = (int32_t)(extent.first - 1);
	}
	return outcome;
}

static enum weir_histogram_outcome read_native(
	struct weir_draft *draft, struct weir_str message, const struct scalars *scalars, struct weir_point *ret)
{
	static const struct side positive = { POSITIVE_SPAN, POSITIVE_DELTA, POSITIVE_COUNT };
	static const struct side negative = { NEGATIVE_SPAN, NEGATIVE_DELTA, NEGATIVE_COUNT };
	enum weir_histogram_outcome outcome;
	uint64_t total = scalars->zero_count;

	if (scalars->schema < SCHEMA_MIN || scalars->schema > SCHEMA_MAX || !(scalars->zero_threshold >= 0)) {
		return WEIR_HISTOGRAM_INVALID;
	}
	outcome = read_side(draft, message, &positive, &ret->positive_offset, &ret->counts, &total);
	if (outcome == WEIR_HISTOGRAM_NATIVE) {
		outcome = read_side(draft, message, &negative, &ret->negative_offset, &ret->negative, &total);
	}
	if (outcome != WEIR_HISTOGRAM_NATIVE) {
		return outcome;
	}
	ret->count = scalars->has_count ? scalars->count : total;
	ret->scale = (int32_t)scalars->schema;
	ret->zero_count = scalars->zero_count;
	ret->zero_threshold = scalars->zero_threshold;
	/* Rounded parts may be more than the rounded whole. */
	if (ret->count < total && scalars->count_float <= 0) {
		return WEIR_HISTOGRAM_INVALID;
	}
	ret->count = ret->count < total ? total : ret->count;
	return WEIR_HISTOGRAM_NATIVE;
}

enum weir_histogram_outcome weir_histogram_read(
	struct weir_draft *draft, struct weir_histogram_bounds *bounds, struct weir_str message, struct weir_point *ret)
{
	struct scalars scalars;

	if (!read_scalars(message, &scalars, ret)) {
		return WEIR_HISTOGRAM_MALFORMED;
	}
	if (scalars.count_float > 0) {
		scalars.has_count = true;
		if (!count_of(scalars.count_float, &scalars.count)) {
			return WEIR_HISTOGRAM_INVALID;
		}
	}
	if (scalars.zero_count_float > 0 && !count_of(scalars.zero_count_float, &scalars.zero_count)) {
		return WEIR_HISTOGRAM_INVALID;
	}
	if (scalars.has_sum && isfinite(scalars.sum)) {
		ret->flags |= WEIR_POINT_HAS_SUM;
		ret->sum = scalars.sum;
	}
	if (scalars.positive_spans + scalars.negative_spans > 0 || (scalars.has_schema && scalars.buckets == 0)) {
		return read_native(draft, message, &scalars, ret);
	}
	return read_classic(draft, bounds, message, &scalars, ret);
}
