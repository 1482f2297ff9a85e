/* json: OTLP's three requests as JSON (wire.md 4.4) → rows of a draft. */
#ifndef WEIR_DECODE_OTLP_JSON_H
#define WEIR_DECODE_OTLP_JSON_H

#include "decode/draft.h"

/* Each reads draft->body, a JSON text, and fills the rows that the same request
 * in protobuf would fill: draft->body becomes that protobuf, in the arena, and
 * decode/otlp/{trace,metrics,logs} read it. On failure draft->error_offset
 * counts the bytes of the JSON. 0, WEIR_DECODE_MALFORMED, WEIR_DECODE_TOO_LARGE. */
int weir_otlp_trace_json_decode(struct weir_draft *draft);
int weir_otlp_metrics_json_decode(struct weir_draft *draft);
int weir_otlp_logs_json_decode(struct weir_draft *draft);

#endif
