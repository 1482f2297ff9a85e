/* expo: exponential histograms: buckets by powers of 2^(2^-scale), merged at the
 * scale that both can have. Private to the room. */
#ifndef WEIR_AGGREGATE_EXPO_H
#define WEIR_AGGREGATE_EXPO_H

#include "ring/record.h"

#define WEIR_EXPO_BUCKETS 160u /* of each sign */

enum { WEIR_EXPO_POSITIVE, WEIR_EXPO_NEGATIVE, WEIR_EXPO_SIDES };

struct weir_expo { /* saved as words */
	double sum, zero_threshold;
	uint64_t zero_count;
	int64_t scale;
	int64_t first[WEIR_EXPO_SIDES]; /* index of the first bucket: (base^first, base^(first+1)] */
	uint64_t count[WEIR_EXPO_SIDES];
	uint64_t buckets[WEIR_EXPO_SIDES][WEIR_EXPO_BUCKETS];
};

#define WEIR_EXPO_WORDS ((uint32_t)(sizeof(struct weir_expo) / sizeof(uint64_t)))

/* What the point says, at its own scale or, if it has too many buckets, at a
 * coarser one. False: arrays that are no arrays, or a scale that is none. */
bool weir_expo_read(const struct weir_batch *batch, const struct weir_point *point, struct weir_expo *ret_expo);

/* Adds `more`, both coming down to a common scale. */
void weir_expo_add(struct weir_expo *expo, const struct weir_expo *more);
/* Takes `less` away, which was added before; nothing goes below 0. */
void weir_expo_take(struct weir_expo *expo, const struct weir_expo *less);

/* Observations. */
uint64_t weir_expo_count(const struct weir_expo *expo);
/* Is there room for what a blob said? */
bool weir_expo_is_sound(const struct weir_expo *expo);

#endif
