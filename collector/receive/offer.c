/* offer: draft → batch → ring, once for all unary protocols.
 *
 *   draft ── nothing offered ──────────────────────────────▶ TAKEN
 *     │ claims another sender, and that is refused ────────▶ IDENTITY
 *     │ storage failing ───────────────────────────────────▶ STORAGE
 *     │ admission: the ring runs full, or this source's share ▶ FULL, SOURCE
 *     │ lay: arena full ───────────────────────────────────▶ TOO_LARGE
 *     ▼ put
 *     ├ 0 ──▶ crash point before_answer ───────────────────▶ TAKEN
 *     └ FULL, TOO_LARGE, SEALED ───────────────────────────▶ FULL, TOO_LARGE, STOPPING
 *
 * The digest lets the fold see that a sender repeats a batch whose answer was
 * lost: XXH3-128 of the body, seeded with the source and the method. The port
 * of the sender is no part of it, since a repeat may come over another
 * connection. All zero means "a stream" in a batch, so it is avoided. A sender
 * that never repeats a call (Mixer's) has none: its equal bodies are two.
 *
 * Invariants
 *  1. An answer of success is only given after weir_ring_put returned 0, or
 *     when there was nothing to keep.
 *  2. Every way that ends in a refusal has counted it, with the items that the
 *     batch held.
 *
 * Threads: the listener's; a receiver is not shared. */
#include "receive/offer.h"

#include <xxhash.h>

#include "base/clock.h"
#include "base/crash.h"
#include "base/stat.h"
#include "identity/source.h"

#define ARENA_CHUNK (UINT64_C(1024) * 1024)

void weir_offer_arena_init(struct weir_arena *arena, const struct weir_ring *ring)
{
	/* A batch is at most an eighth of the ring; its rows are made beside it,
	 * and a table that outgrows its guess leaves its old place behind. */
	uint64_t batch = weir_ring_capacity(ring) / 8;

	/* The usual request fits the chunk that is kept; a large one's chunks go back when it is done. */
	weir_arena_init(arena, ARENA_CHUNK, ARENA_CHUNK + 4 * batch);
}

struct weir_str weir_offer_peer(struct weir_str address)
{
	struct weir_str rest = address, scheme = weir_str_cut(&rest, ':');

	if (weir_str_is(scheme, "unix") || address.length == 0) {
		return scheme;
	}
	if (weir_str_is(scheme, "ipv4") || weir_str_is(scheme, "ipv6")) {
		for (size_t i = rest.length; i > 0; i--) {
			if (rest.data[i - 1] == ':') {
				return weir_str_make(rest.data, i - 1);
			}
		}
		return rest;
	}
	return address;
}

struct weir_str weir_offer_service(const struct weir_draft *draft)
{
	const struct weir_resource *resource = draft->resources.data;
	struct weir_str service =
		weir_draft_str(draft, draft->resources.count > 0 ? resource->service : draft->service);

	return weir_str_is(service, "unknown_service") ? weir_str_make(NULL, 0) : service;
}

void weir_offer_identity(struct weir_draft *draft, struct weir_str identity)
{
	if (!weir_identity_spiffe(identity, &draft->peer_namespace, &draft->peer_account)) {
		draft->peer_namespace = draft->peer_account = weir_str_make(NULL, 0);
	}
}

int weir_offer_pods_open(const struct weir_receive_opts *opts, struct weir_workload_reader **ret_pods)
{
	*ret_pods = NULL;
	return opts->workloads != NULL ? weir_workload_reader_open(opts->workloads, ret_pods) : 0;
}

bool weir_offer_is_denied(const struct weir_receive_opts *opts, const struct weir_draft *draft)
{
	return opts->rejects_identity && draft->mismatched > 0;
}

static void digest_make(const struct weir_offer *offer, struct weir_str source, struct weir_str body, uint8_t *digest)
{
	XXH64_hash_t seed =
		XXH3_64bits_withSeed(source.data, source.length, XXH3_64bits(offer->method, strlen(offer->method)));
	XXH128_hash_t hash = XXH3_128bits_withSeed(body.data, body.length, seed);
	XXH128_canonical_t canonical;

	if (hash.low64 == 0 && hash.high64 == 0) {
		hash.low64 = 1;
	}
	XXH128_canonicalFromHash(&canonical, hash);
	memcpy(digest, canonical.digest, sizeof(canonical.digest));
}

static enum weir_offer_outcome refuse(
	const struct weir_offer *offer, enum weir_refusal reason, uint32_t items, enum weir_offer_outcome outcome)
{
	weir_stat_refused(offer->signal, reason, items);
	return outcome;
}

/* May it be put? TAKEN: yes, as far as can be known before. */
static enum weir_offer_outcome admit(
	const struct weir_receive_opts *opts, const struct weir_draft *draft, const struct weir_offer *offer)
{
	struct weir_str source = offer->source.length > 0 ? offer->source : offer->peer;

	if (weir_offer_is_denied(opts, draft)) {
		return refuse(offer, WEIR_REFUSAL_IDENTITY, draft->offered, WEIR_OFFER_IDENTITY);
	}
	if (opts->is_storage_failing != NULL && opts->is_storage_failing(opts->ctx)) {
		return refuse(offer, WEIR_REFUSAL_STORAGE, draft->offered, WEIR_OFFER_STORAGE);
	}
	if (opts->admit == NULL) {
		return WEIR_OFFER_TAKEN;
	}
	switch (weir_admit_unary(opts->admit, source, draft->body.length)) {
	case WEIR_ADMIT_FULL:
		return refuse(offer, WEIR_REFUSAL_RING_FULL, draft->offered, WEIR_OFFER_FULL);
	case WEIR_ADMIT_SOURCE:
		return refuse(offer, WEIR_REFUSAL_SOURCE, draft->offered, WEIR_OFFER_SOURCE);
	default:
		return WEIR_OFFER_TAKEN;
	}
}

enum weir_offer_outcome weir_offer_put(const struct weir_receive_opts *opts, struct weir_draft *draft,
	const struct weir_offer *offer, uint64_t *ret_end)
{
	uint8_t digest[16];
	struct weir_draft_head head = { .protocol = offer->protocol, .signal = offer->signal };
	struct weir_draft_parts parts;
	enum weir_offer_outcome outcome;
	uint64_t end = 0;

	*ret_end = 0;
	if (draft->offered == 0) {
		return WEIR_OFFER_TAKEN;
	}
	outcome = admit(opts, draft, offer);
	if (outcome != WEIR_OFFER_TAKEN) {
		return outcome;
	}
	head.source = offer->source.length > 0 ? offer->source : offer->peer;
	head.principal = offer->identity;
	head.received_ns = weir_clock_now_ns();
	if (offer->method != NULL) {
		digest_make(offer, head.source, draft->body, digest);
		head.digest = digest;
	}
	if (!weir_draft_lay(draft, &head, &parts)) {
		return refuse(offer, WEIR_REFUSAL_TOO_LARGE, draft->offered, WEIR_OFFER_TOO_LARGE);
	}
	switch (weir_ring_put_parts(opts->ring, parts.parts, parts.count, parts.batch.size_bytes, &end)) {
	case 0:
		break;
	case WEIR_RING_FULL:
		return refuse(offer, WEIR_REFUSAL_RING_FULL, draft->offered, WEIR_OFFER_FULL);
	case WEIR_RING_TOO_LARGE:
		return refuse(offer, WEIR_REFUSAL_TOO_LARGE, draft->offered, WEIR_OFFER_TOO_LARGE);
	default:
		return refuse(offer, WEIR_REFUSAL_STOPPING, draft->offered, WEIR_OFFER_STOPPING);
	}
	weir_crash_point("before_answer");
	*ret_end = opts->parks ? end : 0;
	return WEIR_OFFER_TAKEN;
}
