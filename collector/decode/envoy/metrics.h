/* metrics: StreamMetricsMessage, v2 and v3 (wire.md 3.1) → a resource, instruments and points. */
#ifndef WEIR_DECODE_ENVOY_METRICS_H
#define WEIR_DECODE_ENVOY_METRICS_H

#include "decode/draft.h"
#include "decode/envoy/sender.h"

/* Reads draft->body; an identifier in it becomes the sender's. An item is one
 * Metric. Those of SUMMARY families are dropped (WEIR_DROP_SUMMARY), since the
 * histogram comes beside them; those without their family's value, or whose
 * buckets contradict themselves, as WEIR_DROP_INVALID. Histograms are always
 * over the last flush interval; counters are when the configuration says so,
 * which nothing on the wire does. draft->body becomes the part of the message
 * that holds the families. 0, WEIR_DECODE_MALFORMED, WEIR_DECODE_TOO_LARGE. */
int weir_envoy_metrics_decode(struct weir_draft *draft, struct weir_envoy_sender *sender, bool counters_are_deltas);

#endif
