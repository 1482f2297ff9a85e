/* proto: Zipkin's ListOfSpans as protobuf (wire.md 5.3) → spans of a draft. */
#ifndef WEIR_DECODE_ZIPKIN_PROTO_H
#define WEIR_DECODE_ZIPKIN_PROTO_H

#include "decode/draft.h"

/* Reads draft->body. One bad span refuses the whole, as Zipkin does; error and
 * error_offset then say what and where. 0, WEIR_DECODE_MALFORMED,
 * WEIR_DECODE_TOO_LARGE. */
int weir_zipkin_proto_decode(struct weir_draft *draft);

#endif
