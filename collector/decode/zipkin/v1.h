/* v1: Zipkin's v1 JSON list of spans (wire.md 5.2) → spans of a draft. */
#ifndef WEIR_DECODE_ZIPKIN_V1_H
#define WEIR_DECODE_ZIPKIN_V1_H

#include "decode/draft.h"

#define WEIR_ZIPKIN_V1_SIDES 32u /* services that one v1 span may name */

/* Reads draft->body. One v1 span becomes a span for each service that it was
 * written by; all of them are offered. One bad span refuses the whole, as
 * Zipkin does; error and error_offset then say what and where. 0,
 * WEIR_DECODE_MALFORMED, WEIR_DECODE_TOO_LARGE. */
int weir_zipkin_v1_decode(struct weir_draft *draft);

#endif
