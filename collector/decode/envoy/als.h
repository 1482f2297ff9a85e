/* als: StreamAccessLogsMessage v3 (wire.md 2) → requests and connections. */
#ifndef WEIR_DECODE_ENVOY_ALS_H
#define WEIR_DECODE_ENVOY_ALS_H

#include "decode/draft.h"
#include "identity/known.h"
#include "identity/source.h"

/* What the first message of a stream says, kept for the later ones. The texts
 * of `identity` live in `arena`, which belongs to the stream. */
struct weir_als_sender {
	struct weir_arena arena;
	struct weir_identity identity;
	bool is_known;
	const struct weir_known *known; /* the other senders of this process, to know peers by; may be NULL */
	struct weir_str service_host;   /* of the sender's own service, as far as its node tells; in `arena` */
};

void weir_als_sender_init(struct weir_als_sender *sender);
void weir_als_sender_fini(struct weir_als_sender *sender);

/* Reads draft->body; an identifier in it becomes the sender's. Intermediate
 * HTTP entries are dropped (WEIR_DROP_INTERMEDIATE), intermediate TCP ones are
 * kept (but for those without a stream id, of which no difference could be
 * taken, and those of the upstream side). draft->body becomes the part of the
 * message that holds the entries. 0, WEIR_DECODE_MALFORMED, WEIR_DECODE_TOO_LARGE. */
int weir_als_decode(struct weir_draft *draft, struct weir_als_sender *sender);

#endif
