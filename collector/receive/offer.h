/* offer: the last step of every unary receiver: a decoded draft becomes a
 * batch in the ring, or a refusal that is counted. Inside receive only. */
#ifndef WEIR_RECEIVE_OFFER_H
#define WEIR_RECEIVE_OFFER_H

#include "decode/draft.h"
#include "receive/receive.h"

/* What became of it; what the sender is told is verdict.h's. */
enum weir_offer_outcome {
	WEIR_OFFER_TAKEN,     /* in the ring, or nothing to put */
	WEIR_OFFER_FULL,      /* come again */
	WEIR_OFFER_STORAGE,   /* come again, later */
	WEIR_OFFER_TOO_LARGE, /* never */
	WEIR_OFFER_STOPPING,  /* come again, somewhere else */
	WEIR_OFFER_SOURCE,    /* more than its share: come again, after the others */
	WEIR_OFFER_IDENTITY,  /* never: the records claim another sender than the certificate */
};

struct weir_offer {
	enum weir_protocol protocol;
	enum weir_signal signal;
	const char *method; /* part of the digest; NULL: this sender never comes again, equal bodies are not repeats */
	struct weir_str source; /* for the ledger, and part of the digest; empty: `peer` */
	struct weir_str peer;   /* the sender's address, as weir_offer_peer() gives it */
	/* The sender's SPIFFE id: peer->identity, or weir_http_request_identity(). Give the same to
	 * weir_offer_identity() before decoding. */
	struct weir_str identity;
};

/* The arena of a receiver: large enough for the largest batch that the ring
 * takes with the rows it is made of, allocated lazily, kept between requests. */
void weir_offer_arena_init(struct weir_arena *arena, const struct weir_ring *ring);

/* "ipv4:10.0.0.1:4242" → "10.0.0.1": without the port, which changes when a
 * sender comes again; "unix:…" → "unix". */
struct weir_str weir_offer_peer(struct weir_str address);

/* Between weir_draft_init() and decoding, of every receiver: what weir_draft_claim() compares with. An identity that
 * is no SPIFFE id with a namespace and an account (or none at all) claims nothing. `identity` must outlive the draft. */
void weir_offer_identity(struct weir_draft *draft, struct weir_str identity);

/* A receiver's reader of the workload table; NULL without one. 0 or -ENOSPC. */
int weir_offer_pods_open(const struct weir_receive_opts *opts, struct weir_workload_reader **ret_pods);

/* Is this batch to be refused for what it claims (security.identity: reject)? For streams; weir_offer_put() asks by
 * itself. Counts nothing. */
bool weir_offer_is_denied(const struct weir_receive_opts *opts, const struct weir_draft *draft);

/* Finishes the draft and puts it. A draft that was offered nothing puts
 * nothing. *ret_end is the position to park an answer at (0: no parking). Every
 * refusal is counted here. */
enum weir_offer_outcome weir_offer_put(const struct weir_receive_opts *opts, struct weir_draft *draft,
	const struct weir_offer *offer, uint64_t *ret_end);

/* What the service of row 0 is called, unless nobody said; for `source`. */
struct weir_str weir_offer_service(const struct weir_draft *draft);

#endif
