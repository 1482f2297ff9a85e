/* exponential: what becomes of an exponential histogram.
 *
 *   OpenTelemetry  bucket i: (base^i, base^(i+1)], base = 2^(2^-scale)
 *   native         bucket i: (base^(i-1), base^i]: one more, at the same scale; a
 *                  scale above 8 is merged down, two buckets to one for each step
 *   classic        powers of two: a bucket's bound is one at every scale from 0
 *                  down, so nothing is guessed; steps are widened until no more
 *                  than WEIR_EXPONENTIAL_POWERS are left
 *
 * Any thread; no state. */
#include "exporters/metrics/exponential.h"

#include <math.h>

#define EXPONENT_MAX 1023

struct powers { /* buckets put together: k is (2^((first + k) * step), 2^((first + k + 1) * step)] */
	int64_t first, step;
	uint32_t count;
	uint64_t counts[WEIR_EXPONENTIAL_POWERS];
};

static void powers_of(const struct weir_point_buckets *buckets, int64_t scale, struct powers *ret_powers)
{
	unsigned shift = scale > 0 ? (unsigned)scale : 0;
	int64_t last = buckets->first + (int64_t)buckets->count - 1;

	*ret_powers = (struct powers){ 0 };
	if (buckets->count == 0) {
		return;
	}
	while ((last >> shift) - (buckets->first >> shift) >= (int64_t)WEIR_EXPONENTIAL_POWERS) {
		shift++;
	}
	ret_powers->first = buckets->first >> shift;
	ret_powers->count = (uint32_t)((last >> shift) - ret_powers->first + 1);
	/* A step beyond the largest exponent is as good as any: its bounds are 0 or infinite. */
	ret_powers->step = (int64_t)shift - scale > 11 ? 4096 : INT64_C(1) << ((int64_t)shift - scale);
	for (uint32_t i = 0; i < buckets->count; i++) {
		int64_t index = (buckets->first + (int64_t)i) >> shift;

		ret_powers->counts[index - ret_powers->first] += buckets->counts[i];
	}
}

/* 2^(index * step); 0 or infinite where no double is. */
static double power(const struct powers *powers, int64_t index)
{
	int64_t limit = EXPONENT_MAX / powers->step + 2;

	if (index > limit) {
		return INFINITY;
	}
	return index < -limit - 1074 ? 0 : ldexp(1, (int)(index * powers->step));
}

static void bound_add(struct weir_exponential_classic *classic, double bound, uint64_t *count)
{
	classic->bounds[classic->bound_count] = bound;
	classic->counts[classic->bound_count++] = *count;
	*count = 0;
}

void weir_exponential_to_classic(const struct weir_point_view *point, struct weir_exponential_classic *ret_classic)
{
	struct powers negative, positive;
	uint64_t count = 0; /* since the last bound */
	bool has_any = false;

	ret_classic->bound_count = 0;
	powers_of(&point->negative, point->scale, &negative);
	powers_of(&point->positive, point->scale, &positive);
	for (uint32_t i = negative.count; i-- > 0;) {
		double bound = power(&negative, negative.first + (int64_t)i);

		count += negative.counts[i];
		has_any |= negative.counts[i] > 0;
		if (bound > 0) {
			bound_add(ret_classic, -bound, &count);
		}
	}
	count += point->zero_count;
	if (has_any || point->zero_count > 0) {
		bound_add(ret_classic, point->zero_threshold, &count);
	}
	for (uint32_t i = 0; i < positive.count; i++) {
		double bound = power(&positive, positive.first + (int64_t)i + 1);

		count += positive.counts[i];
		if (bound > point->zero_threshold && isfinite(bound)) {
			bound_add(ret_classic, bound, &count);
		}
	}
}

/* ---- native ------------------------------------------------------------- */

int32_t weir_exponential_schema(const struct weir_point_view *point, unsigned *ret_shift)
{
	if (point->scale <= WEIR_EXPONENTIAL_SCHEMA_MAX) {
		*ret_shift = 0;
		return (int32_t)point->scale;
	}
	*ret_shift = (unsigned)(point->scale - WEIR_EXPONENTIAL_SCHEMA_MAX);
	*ret_shift = *ret_shift < 62 ? *ret_shift : 62;
	return WEIR_EXPONENTIAL_SCHEMA_MAX;
}

static bool is_narrow(const struct weir_point_buckets *buckets, unsigned shift)
{
	int64_t first = buckets->first >> shift, last = (buckets->first + (int64_t)buckets->count) >> shift;

	return buckets->count == 0 || (first > INT32_MIN / 2 && last < INT32_MAX / 2);
}

/* Adds what is in the buckets; false: more than a native bucket can hold. */
static bool buckets_sum(const struct weir_point_buckets *buckets, uint64_t *sum)
{
	for (uint32_t i = 0; i < buckets->count; i++) {
		*sum += buckets->counts[i];
		if (buckets->counts[i] > INT64_MAX || *sum > INT64_MAX) {
			return false;
		}
	}
	return true;
}

bool weir_exponential_is_native(const struct weir_point_view *point)
{
	uint64_t sum = point->zero_count;
	unsigned shift;

	if (point->scale < WEIR_EXPONENTIAL_SCHEMA_MIN || sum > INT64_MAX) {
		return false;
	}
	weir_exponential_schema(point, &shift);
	return is_narrow(&point->positive, shift) && is_narrow(&point->negative, shift) &&
	       buckets_sum(&point->positive, &sum) && buckets_sum(&point->negative, &sum) && sum == point->count;
}

bool weir_exponential_next(
	const struct weir_point_buckets *buckets, unsigned shift, uint32_t *at, int32_t *ret_index, uint64_t *ret_count)
{
	int64_t index;

	while (*at < buckets->count && buckets->counts[*at] == 0) {
		++*at;
	}
	if (*at == buckets->count) {
		return false;
	}
	index = (buckets->first + (int64_t)*at) >> shift;
	*ret_count = 0;
	while (*at < buckets->count && (buckets->first + (int64_t)*at) >> shift == index) {
		*ret_count += buckets->counts[(*at)++];
	}
	*ret_index = (int32_t)(index + 1);
	return true;
}
