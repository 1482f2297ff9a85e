/* trace: ExportTraceServiceRequest (wire.md 4.1) → spans of a draft. */
#ifndef WEIR_DECODE_OTLP_TRACE_H
#define WEIR_DECODE_OTLP_TRACE_H

#include "decode/draft.h"

/* Reads draft->body. Spans with invalid ids are dropped (WEIR_DROP_INVALID),
 * for the partial success. 0, WEIR_DECODE_MALFORMED, WEIR_DECODE_TOO_LARGE. */
int weir_otlp_trace_decode(struct weir_draft *draft);

#endif
