/* latency: the bounds of an edge's latency. They are Istio's (wire.md 1.5),
 * whatever buckets the rules give their metrics. */
#ifndef WEIR_AGGREGATE_LATENCY_H
#define WEIR_AGGREGATE_LATENCY_H

#define WEIR_LATENCY_BOUNDS 19u
#define WEIR_LATENCY_BUCKETS (WEIR_LATENCY_BOUNDS + 1u) /* the last is +Inf */

extern const double weir_latency_bounds_ms[WEIR_LATENCY_BOUNDS];

#endif
