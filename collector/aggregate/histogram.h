/* histogram: which bucket a value belongs to. Private to the room. */
#ifndef WEIR_AGGREGATE_HISTOGRAM_H
#define WEIR_AGGREGATE_HISTOGRAM_H

#include <stdint.h>

#include "rules/standard.h"

#define WEIR_HISTOGRAM_BUCKETS (WEIR_STANDARD_BOUNDS + 1u)

/* The standard bounds for whole values: value <= bound is value <= at. */
struct weir_histogram {
	uint64_t at[31]; /* padded with what nothing exceeds, for a search of five steps */
};

/* `scale` units are 1 of the bounds' unit (1000 for µs against ms). */
void weir_histogram_init(struct weir_histogram *histogram, unsigned scale);

/* 0 … WEIR_STANDARD_BOUNDS; the last is +Inf. */
static inline uint32_t weir_histogram_bucket(const struct weir_histogram *histogram, uint64_t value)
{
	uint32_t bucket = value > histogram->at[15] ? 16 : 0;

	bucket += value > histogram->at[bucket + 7] ? 8 : 0;
	bucket += value > histogram->at[bucket + 3] ? 4 : 0;
	bucket += value > histogram->at[bucket + 1] ? 2 : 0;
	return bucket + (value > histogram->at[bucket]);
}

#endif
