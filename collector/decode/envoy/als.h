/* als: StreamAccessLogsMessage, v2 and v3 (wire.md 2) → requests and connections. */
#ifndef WEIR_DECODE_ENVOY_ALS_H
#define WEIR_DECODE_ENVOY_ALS_H

#include "decode/draft.h"
#include "decode/envoy/sender.h"

/* Reads draft->body; an identifier in it becomes the sender's. Intermediate
 * HTTP entries are dropped (WEIR_DROP_INTERMEDIATE), intermediate TCP ones are
 * kept (but for those without a stream id, of which no difference could be
 * taken, and those of the upstream side). draft->body becomes the part of the
 * message that holds the entries. 0, WEIR_DECODE_MALFORMED, WEIR_DECODE_TOO_LARGE. */
int weir_als_decode(struct weir_draft *draft, struct weir_envoy_sender *sender);

#endif
