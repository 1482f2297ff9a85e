/* metrics: ExportMetricsServiceRequest (wire.md 4.1) → instruments and points of a draft. */
#ifndef WEIR_DECODE_OTLP_METRICS_H
#define WEIR_DECODE_OTLP_METRICS_H

#include "decode/draft.h"

/* Of one point; one with more is invalid, so that its sender hears of it: a series has no room for it. */
#define WEIR_OTLP_BUCKETS_MAX 4096u /* of one side of an exponential histogram; they can be put together */
#define WEIR_OTLP_BOUNDS_MAX 256u
#define WEIR_OTLP_QUANTILES_MAX 32u

/* Reads draft->body. Points that cannot mean anything are dropped
 * (WEIR_DROP_INVALID, for the partial success), those that say that nothing
 * was recorded as well (WEIR_DROP_NO_VALUE, no error).
 * 0, WEIR_DECODE_MALFORMED, WEIR_DECODE_TOO_LARGE. */
int weir_otlp_metrics_decode(struct weir_draft *draft);

#endif
