/* expo: arithmetic of exponential histograms.
 *
 * A bucket's index at scale s is its index at scale s + 1 shifted right by one:
 * two neighbours become one, and nothing is guessed. So histograms of different
 * scales meet at the coarser one, and one that would get more than
 * WEIR_EXPO_BUCKETS goes down until it fits.
 *
 * Invariants
 *  1. count[side] <= WEIR_EXPO_BUCKETS; buckets beyond are 0.
 *  2. Observations are kept by add: count(a + b) = count(a) + count(b). */
#include "aggregate/points/expo.h"

#include "base/err.h"

#define SCALE_MAX 20 /* as OpenTelemetry bounds them, and what comes of going down */
#define SCALE_MIN (-11)
#define SCALE_LEAST (-64)
#define INDEX_MAX (INT64_C(1) << 40)

_Static_assert(sizeof(struct weir_expo) % sizeof(uint64_t) == 0, "saved as words");

struct span { /* indices of the first and the last bucket that is not 0; empty: first > last */
	int64_t first, last;
};

static struct span span_of(const struct weir_expo *expo, unsigned side)
{
	struct span span = { 1, 0 };

	for (uint64_t i = 0; i < expo->count[side]; i++) {
		if (expo->buckets[side][i] != 0) {
			int64_t index = expo->first[side] + (int64_t)i;

			span.first = span.first > span.last ? index : span.first;
			span.last = index;
		}
	}
	return span;
}

static struct span span_join(struct span a, struct span b)
{
	if (a.first > a.last) {
		return b;
	}
	if (b.first > b.last) {
		return a;
	}
	return (struct span){ a.first < b.first ? a.first : b.first, a.last > b.last ? a.last : b.last };
}

/* A bucket's index `shift` scales down. */
static int64_t down(int64_t index, unsigned shift)
{
	return shift > 62 ? (index < 0 ? -1 : 0) : index >> shift;
}

/* How many scales to go down for a span to fit. */
static unsigned shift_for(struct span span)
{
	unsigned shift = 0;

	while (span.first <= span.last &&
		down(span.last, shift) - down(span.first, shift) >= (int64_t)WEIR_EXPO_BUCKETS) {
		shift++;
	}
	return shift;
}

static struct span span_down(struct span span, unsigned shift)
{
	return span.first > span.last ? span : (struct span){ down(span.first, shift), down(span.last, shift) };
}

/* Lays the side out anew: `shift` scales down, with room for `span` (of the new scale). */
static void side_lay(struct weir_expo *expo, unsigned side, unsigned shift, struct span span)
{
	uint64_t laid[WEIR_EXPO_BUCKETS] = { 0 };

	weir_assert(span.first > span.last || span.last - span.first < (int64_t)WEIR_EXPO_BUCKETS);
	for (uint64_t i = 0; i < expo->count[side]; i++) {
		if (expo->buckets[side][i] != 0) {
			laid[down(expo->first[side] + (int64_t)i, shift) - span.first] += expo->buckets[side][i];
		}
	}
	memcpy(expo->buckets[side], laid, sizeof(laid));
	expo->first[side] = span.first > span.last ? 0 : span.first;
	expo->count[side] = span.first > span.last ? 0 : (uint64_t)(span.last - span.first + 1);
}

static void side_read(const struct weir_batch *batch, struct weir_ref array, int32_t offset, unsigned shift,
	struct span span, struct weir_expo *expo, unsigned side)
{
	span = span_down(span, shift);
	expo->first[side] = span.first > span.last ? 0 : span.first;
	expo->count[side] = span.first > span.last ? 0 : (uint64_t)(span.last - span.first + 1);
	for (uint32_t i = 0; i < array.length / 8; i++) {
		uint64_t count = weir_batch_number(batch, array, i);

		if (count != 0) {
			expo->buckets[side][down((int64_t)offset + i, shift) - span.first] += count;
		}
	}
}

static struct span array_span(const struct weir_batch *batch, struct weir_ref array, int32_t offset)
{
	struct span span = { 1, 0 };

	for (uint32_t i = 0; i < array.length / 8; i++) {
		if (weir_batch_number(batch, array, i) != 0) {
			span.first = span.first > span.last ? (int64_t)offset + i : span.first;
			span.last = (int64_t)offset + i;
		}
	}
	return span;
}

bool weir_expo_read(const struct weir_batch *batch, const struct weir_point *point, struct weir_expo *ret_expo)
{
	const struct weir_ref arrays[WEIR_EXPO_SIDES] = { point->counts, point->negative };
	const int32_t offsets[WEIR_EXPO_SIDES] = { point->positive_offset, point->negative_offset };
	struct span spans[WEIR_EXPO_SIDES];
	unsigned shift = 0;

	if (point->scale > SCALE_MAX || point->scale < SCALE_MIN || arrays[0].length % 8 != 0 ||
		arrays[1].length % 8 != 0) {
		return false;
	}
	for (unsigned side = 0; side < WEIR_EXPO_SIDES; side++) {
		unsigned needed;

		spans[side] = array_span(batch, arrays[side], offsets[side]);
		needed = shift_for(spans[side]);
		shift = needed > shift ? needed : shift;
	}
	*ret_expo = (struct weir_expo){ .sum = (point->flags & WEIR_POINT_HAS_SUM) != 0 ? point->sum : 0,
		.zero_threshold = point->zero_threshold > 0 ? point->zero_threshold : 0,
		.zero_count = point->zero_count,
		.scale = (int64_t)point->scale - shift };
	for (unsigned side = 0; side < WEIR_EXPO_SIDES; side++) {
		side_read(batch, arrays[side], offsets[side], shift, spans[side], ret_expo, side);
	}
	return true;
}

/* Down to `scale` or, if both together need it, further; then with room for `more`. */
static void make_room(struct weir_expo *expo, const struct weir_expo *more)
{
	int64_t scale = expo->scale < more->scale ? expo->scale : more->scale;
	unsigned own, other, shift = 0;

	if (weir_expo_count(expo) == 0) { /* nothing there yet: it need not be coarser than what comes */
		expo->scale = scale = more->scale;
		expo->count[0] = expo->count[1] = 0;
	}
	own = (unsigned)(expo->scale - scale);
	other = (unsigned)(more->scale - scale);
	for (unsigned side = 0; side < WEIR_EXPO_SIDES; side++) {
		unsigned needed = shift_for(
			span_join(span_down(span_of(expo, side), own), span_down(span_of(more, side), other)));

		shift = needed > shift ? needed : shift;
	}
	for (unsigned side = 0; side < WEIR_EXPO_SIDES; side++) {
		struct span span = span_join(
			span_down(span_of(expo, side), own + shift), span_down(span_of(more, side), other + shift));

		side_lay(expo, side, own + shift, span);
	}
	expo->scale = scale - shift;
}

void weir_expo_add(struct weir_expo *expo, const struct weir_expo *more)
{
	unsigned shift;

	make_room(expo, more);
	shift = (unsigned)(more->scale - expo->scale);
	for (unsigned side = 0; side < WEIR_EXPO_SIDES; side++) {
		for (uint64_t i = 0; i < more->count[side]; i++) {
			if (more->buckets[side][i] != 0) {
				int64_t index = down(more->first[side] + (int64_t)i, shift);

				expo->buckets[side][index - expo->first[side]] += more->buckets[side][i];
			}
		}
	}
	expo->sum += more->sum;
	expo->zero_count += more->zero_count;
	expo->zero_threshold =
		more->zero_threshold > expo->zero_threshold ? more->zero_threshold : expo->zero_threshold;
}

static void lower(uint64_t *value, uint64_t less)
{
	*value = *value > less ? *value - less : 0;
}

void weir_expo_take(struct weir_expo *expo, const struct weir_expo *less)
{
	for (unsigned side = 0; side < WEIR_EXPO_SIDES && less->scale >= expo->scale; side++) {
		for (uint64_t i = 0; i < less->count[side]; i++) {
			int64_t index = down(less->first[side] + (int64_t)i, (unsigned)(less->scale - expo->scale)) -
					expo->first[side];

			if (index >= 0 && index < (int64_t)expo->count[side]) {
				lower(&expo->buckets[side][index], less->buckets[side][i]);
			}
		}
	}
	expo->sum -= less->sum;
	lower(&expo->zero_count, less->zero_count);
}

uint64_t weir_expo_count(const struct weir_expo *expo)
{
	uint64_t count = expo->zero_count;

	for (unsigned side = 0; side < WEIR_EXPO_SIDES; side++) {
		for (uint64_t i = 0; i < expo->count[side]; i++) {
			count += expo->buckets[side][i];
		}
	}
	return count;
}

bool weir_expo_is_sound(const struct weir_expo *expo)
{
	for (unsigned side = 0; side < WEIR_EXPO_SIDES; side++) {
		if (expo->count[side] > WEIR_EXPO_BUCKETS || expo->first[side] > INDEX_MAX ||
			expo->first[side] < -INDEX_MAX) {
			return false;
		}
	}
	return expo->scale <= SCALE_MAX && expo->scale >= SCALE_LEAST;
}
