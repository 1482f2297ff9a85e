/* verdict: what the sender of one request is told, before it is spelled for
 * gRPC or HTTP. Inside receive only.
 *
 *   outcome    gRPC                            HTTP                  come again
 *   TAKEN      OK                              200                   -
 *   FULL       RESOURCE_EXHAUSTED + RetryInfo  429 + Retry-After     in 1 s
 *   SOURCE     RESOURCE_EXHAUSTED + RetryInfo  429 + Retry-After     in 3 s
 *   STORAGE    RESOURCE_EXHAUSTED + RetryInfo  503 + Retry-After     in 5 s
 *   STOPPING   UNAVAILABLE                     503 + Retry-After     in 1 s
 *   TOO_LARGE  RESOURCE_EXHAUSTED              413                   never
 *   IDENTITY   PERMISSION_DENIED               403                   never
 *   (malformed INVALID_ARGUMENT                400                   never) */
#ifndef WEIR_RECEIVE_VERDICT_H
#define WEIR_RECEIVE_VERDICT_H

#include "receive/offer.h"
#include "serve/route.h"

struct weir_verdict {
	enum weir_grpc_code code;
	unsigned http_status, retry_s; /* 0: there is no use in coming again, or no need */
	const char *message;           /* NULL when it was taken */
	uint64_t park_position;        /* 0: not to be parked */
};

struct weir_verdict_words { /* what a protocol calls its requests; static */
	const char *source, *too_large, *identity;
};

/* `end`: what weir_offer_put() gave; 0 when nothing was put. */
struct weir_verdict weir_verdict_of(
	enum weir_offer_outcome outcome, const struct weir_verdict_words *words, uint64_t end);

/* The request cannot be read; `why` must outlive the answer. */
struct weir_verdict weir_verdict_malformed(const char *why);

/* All but the body of a success. RetryInfo goes with RESOURCE_EXHAUSTED only: the protocol whose clients look for it
 * in UNAVAILABLE (OTLP) adds it. */
void weir_verdict_grpc(const struct weir_verdict *verdict, struct weir_grpc_answer *ret);

#endif
