/* verdict: what became of a request, as every unary protocol says it; see the
 * header for the table. Pure: any thread. */
#include "receive/verdict.h"

#define RETRY_FULL_S 1u    /* the reader is behind by a window at most */
#define RETRY_SOURCE_S 3u  /* longer than the others wait, who are within their shares */
#define RETRY_STORAGE_S 5u /* a disk takes longer */

static const struct weir_verdict verdicts[] = {
	[WEIR_OFFER_TAKEN] = { WEIR_GRPC_OK, 200, 0, NULL, 0 },
	[WEIR_OFFER_FULL] = { WEIR_GRPC_RESOURCE_EXHAUSTED, 429, RETRY_FULL_S, "the ring is full", 0 },
	[WEIR_OFFER_STORAGE] = { WEIR_GRPC_RESOURCE_EXHAUSTED, 503, RETRY_STORAGE_S, "the storage is failing", 0 },
	[WEIR_OFFER_TOO_LARGE] = { WEIR_GRPC_RESOURCE_EXHAUSTED, 413, 0, NULL, 0 },
	[WEIR_OFFER_STOPPING] = { WEIR_GRPC_UNAVAILABLE, 503, RETRY_FULL_S, "weir is stopping", 0 },
	[WEIR_OFFER_SOURCE] = { WEIR_GRPC_RESOURCE_EXHAUSTED, 429, RETRY_SOURCE_S, NULL, 0 },
	[WEIR_OFFER_IDENTITY] = { WEIR_GRPC_PERMISSION_DENIED, 403, 0, NULL, 0 },
};

struct weir_verdict weir_verdict_of(
	enum weir_offer_outcome outcome, const struct weir_verdict_words *words, uint64_t end)
{
	struct weir_verdict verdict = verdicts[outcome];

	switch (outcome) {
	case WEIR_OFFER_SOURCE:
		verdict.message = words->source;
		break;
	case WEIR_OFFER_TOO_LARGE:
		verdict.message = words->too_large;
		break;
	case WEIR_OFFER_IDENTITY:
		verdict.message = words->identity;
		break;
	case WEIR_OFFER_TAKEN:
		verdict.park_position = end;
		break;
	default:
		break;
	}
	return verdict;
}

struct weir_verdict weir_verdict_malformed(const char *why)
{
	return (struct weir_verdict){ WEIR_GRPC_INVALID_ARGUMENT, 400, 0, why, 0 };
}

void weir_verdict_grpc(const struct weir_verdict *verdict, struct weir_grpc_answer *ret)
{
	ret->code = verdict->code;
	ret->message = verdict->message;
	ret->park_position = verdict->park_position;
	if (verdict->code == WEIR_GRPC_RESOURCE_EXHAUSTED) {
		ret->retry_delay_ms = verdict->retry_s * 1000;
	}
}
