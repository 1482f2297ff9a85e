/* histogram: which bucket a value belongs to.
 *
 * All three standard histograms and the edges' latency share one layout
 * (wire.md 1.5). What is observed is whole (ms, µs, bytes), so the bounds are
 * rounded down once and a bucket is found by five comparisons without a
 * branch, and sums are exact integers: they do not depend on the order of addition. */
#include "aggregate/histogram.h"

void weir_histogram_init(struct weir_histogram *histogram, unsigned scale)
{
	_Static_assert(WEIR_STANDARD_BOUNDS < sizeof(histogram->at) / sizeof(histogram->at[0]), "five steps suffice");
	for (uint32_t i = 0; i < sizeof(histogram->at) / sizeof(histogram->at[0]); i++) {
		histogram->at[i] = UINT64_MAX;
	}
	for (uint32_t i = 0; i < WEIR_STANDARD_BOUNDS; i++) {
		histogram->at[i] = (uint64_t)(weir_standard_bounds[i] * scale);
	}
}
