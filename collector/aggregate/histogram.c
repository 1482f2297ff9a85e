/* histogram: which bucket a value belongs to.
 *
 * What is observed is whole (ms, µs, ns, bytes), so the bounds are rounded down
 * once and a bucket is found by five or six comparisons without a branch, and
 * sums are exact integers: they do not depend on the order of addition. */
#include "aggregate/histogram.h"

#include "base/err.h"

#define SLOTS (sizeof(((struct weir_histogram *)0)->at) / sizeof(uint64_t))

void weir_histogram_init(struct weir_histogram *histogram, const double *bounds, uint32_t bound_count, double scale)
{
	weir_assert(bound_count <= SLOTS);
	histogram->bound_count = bound_count;
	for (uint32_t i = 0; i < SLOTS; i++) {
		double at = i < bound_count ? bounds[i] * scale : 1e30;

		histogram->at[i] = at >= 18446744073709551615.0 ? UINT64_MAX : at < 0 ? 0 : (uint64_t)at;
	}
}
