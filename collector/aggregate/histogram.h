/* histogram: which bucket a value belongs to. Private to the room. */
#ifndef WEIR_AGGREGATE_HISTOGRAM_H
#define WEIR_AGGREGATE_HISTOGRAM_H

#include <stdint.h>

#include "rules/metric.h"

/* Bounds for whole values: value <= bound is value <= at. */
struct weir_histogram {
	uint32_t bound_count;
	uint64_t at[WEIR_METRIC_BOUNDS_MAX]; /* padded with what nothing exceeds, for a search of six steps */
};

/* `scale` units are 1 of the bounds' unit (1000 for µs against ms). At most
 * WEIR_METRIC_BOUNDS_MAX bounds. */
void weir_histogram_init(struct weir_histogram *histogram, const double *bounds, uint32_t bound_count, double scale);

/* 0 … bound_count; the last is +Inf. */
static inline uint32_t weir_histogram_bucket(const struct weir_histogram *histogram, uint64_t value)
{
	uint32_t bucket = histogram->bound_count > 31 && value > histogram->at[31] ? 32 : 0;

	bucket += value > histogram->at[bucket + 15] ? 16 : 0;
	bucket += value > histogram->at[bucket + 7] ? 8 : 0;
	bucket += value > histogram->at[bucket + 3] ? 4 : 0;
	bucket += value > histogram->at[bucket + 1] ? 2 : 0;
	return bucket + (value > histogram->at[bucket]);
}

#endif
