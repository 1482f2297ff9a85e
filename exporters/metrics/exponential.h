/* exponential: an exponential histogram as Prometheus has it: classic buckets
 * for formats that have no others, native ones for protobuf. */
#ifndef WEIR_EXPORTERS_METRICS_EXPONENTIAL_H
#define WEIR_EXPORTERS_METRICS_EXPONENTIAL_H

#include "aggregate/snapshot.h"

#define WEIR_EXPONENTIAL_POWERS 40u
#define WEIR_EXPONENTIAL_BOUNDS (2 * WEIR_EXPONENTIAL_POWERS + 1)

struct weir_exponential_classic {
	double bounds[WEIR_EXPONENTIAL_BOUNDS];   /* ascending, without +Inf */
	uint64_t counts[WEIR_EXPONENTIAL_BOUNDS]; /* not cumulative */
	uint32_t bound_count;
};

/* Powers of two, at most WEIR_EXPONENTIAL_POWERS of each sign. Every count is exact. */
void weir_exponential_to_classic(const struct weir_point_view *point, struct weir_exponential_classic *ret_classic);

#define WEIR_EXPONENTIAL_SCHEMA_MIN (-4)
#define WEIR_EXPONENTIAL_SCHEMA_MAX 8

/* Can it be said as a native histogram: is its scale not too coarse, its
 * buckets' numbers no wider than 32 bits, and is its count the sum of what is
 * in its buckets (Prometheus refuses it else)? */
bool weir_exponential_is_native(const struct weir_point_view *point);
/* Its schema, WEIR_EXPONENTIAL_SCHEMA_MIN … MAX, and how many of its buckets, as a power of two, become one there. */
int32_t weir_exponential_schema(const struct weir_point_view *point, unsigned *ret_shift);

/* The next native bucket of one sign that is not empty. *at begins at 0. False: there is none. */
bool weir_exponential_next(const struct weir_point_buckets *buckets, unsigned shift, uint32_t *at, int32_t *ret_index,
	uint64_t *ret_count);

#endif
