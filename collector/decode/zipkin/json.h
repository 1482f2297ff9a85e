/* json: Zipkin's v2 JSON list of spans (wire.md 5.1) → spans of a draft. */
#ifndef WEIR_DECODE_ZIPKIN_JSON_H
#define WEIR_DECODE_ZIPKIN_JSON_H

#include "decode/draft.h"

/* Reads draft->body. One bad span refuses the whole (400), as Zipkin does;
 * error and error_offset then say what and where. 0, WEIR_DECODE_MALFORMED,
 * WEIR_DECODE_TOO_LARGE. */
int weir_zipkin_json_decode(struct weir_draft *draft);

#endif
