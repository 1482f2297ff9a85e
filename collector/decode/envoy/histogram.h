/* histogram: io.prometheus.client.Histogram → the buckets of a point, classic
 * or native. Private to this folder. */
#ifndef WEIR_DECODE_ENVOY_HISTOGRAM_H
#define WEIR_DECODE_ENVOY_HISTOGRAM_H

#include "decode/draft.h"

#define WEIR_HISTOGRAM_BUCKETS_MAX 4096u /* of one side, gaps between native spans included */

enum weir_histogram_outcome {
	WEIR_HISTOGRAM_CLASSIC,
	WEIR_HISTOGRAM_NATIVE,
	WEIR_HISTOGRAM_INVALID,   /* it contradicts itself, or is too wide: nothing of the point may be used */
	WEIR_HISTOGRAM_MALFORMED, /* no protobuf */
};

/* The arrays of numbers of one message; the histograms of one proxy have the same bounds. */
struct weir_histogram_bounds {
	struct weir_ref ref;
};

/* Fills count, sum, buckets and exemplar of *ret. */
enum weir_histogram_outcome weir_histogram_read(struct weir_draft *draft, struct weir_histogram_bounds *bounds,
	struct weir_str message, struct weir_point *ret);

#endif
