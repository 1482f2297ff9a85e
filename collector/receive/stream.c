/* stream: a proxy's messages into the ring.
 *
 *   open ─▶ a sender without a name
 *   message ─▶ admit ─┬ HOLD ─────────────▶ HOLD: not read on, offered again
 *                     ▼ TAKE, THIN_IT
 *              decode ─┬ malformed ────────▶ INVALID_ARGUMENT, the stream ends
 *                      ├ too large ────────▶ RESOURCE_EXHAUSTED, the stream ends
 *                      ├ another's name ───▶ PERMISSION_DENIED (security.identity: reject)
 *                      ▼ draft (THIN_IT: its detail is cut)
 *                ring ─┬ 0 ───────▶ taken
 *                      ├ FULL ────▶ HOLD
 *                      ├ TOO_LARGE ▶ RESOURCE_EXHAUSTED, the stream ends
 *                      └ SEALED ──▶ UNAVAILABLE, the stream ends
 *   end ─▶ OK and an empty answer
 *   close ─▶ the sender is forgotten
 *
 * The stream has no acknowledgement, so an item counts as received when it is
 * in the ring, and a message that waits for room waits in the connection's
 * flow-control window: Envoy drops (and counts) what it cannot send.
 *
 * Envoy cannot come again. So neither a failing store nor a ring that runs full
 * refuses its entries: they are thinned. Their rows stay in the batch, because
 * metrics and graph are made of rows; `kept` is 0 and thinned[reason] is their
 * number, which says that the batch is folded but not collected as detail.
 * A stream that was held in vain goes on thinned at full speed, until a message
 * of it was taken whole: not a hold for each of its messages.
 * Points have no detail; they are taken whole while there is room. record.h's
 * third invariant counts items, each once: offered = kept + dropped + thinned.
 *
 * Invariants
 *  1. Nothing of a message is in the ring unless all of its rows are.
 *  2. A held message leaves no trace but its sender's name, which the next
 *     offer of the same bytes sets again.
 *  3. A sender is in the table of known ones exactly while its stream is open.
 *
 * One service, one thread: that of the gRPC listener. */
#include "receive/stream.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/stat.h"
#include "decode/address.h"
#include "receive/offer.h"

#define KNOWN_SENDERS 4096u /* of one node: some hundred pods, and those that went */
#define NODE_ID_MAX 1024u
#define PRINCIPAL_MAX 2048u /* a SPIFFE id has at most so many bytes */

struct way { /* in: one path */
	struct weir_stream_service *service;
	enum weir_protocol protocol;
};

struct weir_stream_service {
	const struct weir_stream_kind *kind;
	struct weir_receive_opts opts;
	struct weir_arena arena;
	struct weir_known *known;          /* NULL: its senders do not join */
	struct weir_workload_reader *pods; /* likewise; NULL: none are known */
	struct weir_grpc_stream_fns fns;
	struct way ways[WEIR_STREAM_WAYS];
};

struct stream {
	struct weir_envoy_sender sender;
	char joined[NODE_ID_MAX]; /* the node id under which the sender is known; it outlives a new identifier */
	size_t joined_length;
	bool joined_without_labels; /* they may be found out later */
	char *principal;            /* of its certificate */
	size_t principal_length;
	struct weir_admit_hold hold;
	bool has_message;
};

static void leave(struct weir_stream_service *service, struct stream *stream)
{
	if (stream->joined_length > 0) {
		weir_known_leave(service->known, weir_str_make(stream->joined, stream->joined_length));
		stream->joined_length = 0;
	}
}

/* Makes the sender known to the others, once; again only if it says another name, or its labels became known. */
static void join(struct weir_stream_service *service, struct stream *stream)
{
	const struct weir_identity *identity = &stream->sender.identity;
	struct weir_address address = { 0 };

	if (!service->known || !stream->sender.is_known || identity->node_id.length == 0 ||
		identity->node_id.length > NODE_ID_MAX ||
		(weir_str_equal(identity->node_id, weir_str_make(stream->joined, stream->joined_length)) &&
			stream->sender.lacks_labels == stream->joined_without_labels)) {
		return;
	}
	leave(service, stream);
	(void)weir_address_parse(identity->address, &address); /* none: it is found by its node id only */
	weir_known_join(service->known, identity, address.ip);
	memcpy(stream->joined, identity->node_id.data, identity->node_id.length);
	stream->joined_length = identity->node_id.length;
	stream->joined_without_labels = stream->sender.lacks_labels;
}

static int on_open(void *ctx, const struct weir_grpc_peer *peer, void **ret_stream)
{
	const struct way *way = ctx;
	struct stream *stream = calloc(1, sizeof(*stream));

	if (!stream) {
		return -ENOMEM;
	}
	if (peer->identity.length > 0 && peer->identity.length <= PRINCIPAL_MAX) {
		stream->principal = malloc(peer->identity.length);
		if (!stream->principal) {
			free(stream);
			return -ENOMEM;
		}
		memcpy(stream->principal, peer->identity.data, peer->identity.length);
		stream->principal_length = peer->identity.length;
	}
	weir_envoy_sender_init(&stream->sender);
	stream->sender.known = way->service->known;
	*ret_stream = stream;
	return 0;
}

static void refuse(const struct weir_stream_service *service, struct weir_grpc_answer *answer, enum weir_refusal reason,
	uint32_t items, enum weir_grpc_code code, const char *message)
{
	weir_stat_refused(service->kind->signal, reason, items > 0 ? items : 1);
	answer->code = code;
	answer->message = message;
}

static void too_large(const struct weir_stream_service *service, struct weir_grpc_answer *answer, uint32_t items)
{
	refuse(service, answer, WEIR_REFUSAL_TOO_LARGE, items, WEIR_GRPC_RESOURCE_EXHAUSTED, service->kind->too_large);
}

/* What goes into the ring of the draft, and why its detail is shed, if it is. */
static void reduce(struct weir_stream_service *service, struct weir_draft *draft, bool is_overloaded)
{
	const struct weir_stream_kind *kind = service->kind;
	const struct weir_receive_opts *opts = &service->opts;
	uint32_t rows = draft->requests.count + draft->connections.count;
	bool is_failing = opts->is_storage_failing && opts->is_storage_failing(opts->ctx);

	if (kind->thin && (is_failing || is_overloaded)) {
		draft->thinned[is_failing ? WEIR_THIN_STORAGE : WEIR_THIN_OVERLOAD] = rows;
		kind->thin(draft);
	} else if (kind->pack && rows > 0) {
		kind->pack(draft);
	}
}

/* 0 or WEIR_GRPC_HOLD. */
static int put(const struct way *way, struct stream *stream, struct weir_draft *draft, struct weir_grpc_answer *answer)
{
	struct weir_stream_service *service = way->service;
	struct weir_str node_id = stream->sender.identity.node_id;
	const struct weir_draft_head head = {
		.protocol = way->protocol,
		.signal = service->kind->signal,
		.received_ns = weir_clock_now_ns(),
		.source = node_id.length > 0 ? node_id : weir_str_of("unknown"),
		.principal = weir_str_make(stream->principal, stream->principal_length),
	};
	struct weir_draft_parts parts;

	if (!weir_draft_lay(draft, &head, &parts)) {
		too_large(service, answer, draft->offered);
		return 0;
	}
	switch (weir_ring_put_parts(service->opts.ring, parts.parts, parts.count, parts.batch.size_bytes, NULL)) {
	case 0:
		return 0;
	case WEIR_RING_FULL:
		return WEIR_GRPC_HOLD;
	case WEIR_RING_TOO_LARGE:
		too_large(service, answer, draft->offered);
		return 0;
	default:
		refuse(service, answer, WEIR_REFUSAL_STOPPING, draft->offered, WEIR_GRPC_UNAVAILABLE,
			"weir is stopping");
		return 0;
	}
}

/* False: *answer says why the stream ends. */
static bool decode(struct weir_stream_service *service, struct stream *stream, struct weir_draft *draft,
	struct weir_grpc_answer *answer)
{
	int r;

	weir_offer_identity(draft, weir_str_make(stream->principal, stream->principal_length));
	draft->pods = service->pods;
	weir_workload_hold(service->pods);
	r = service->kind->decode(draft, &stream->sender, &service->opts);
	weir_workload_release(service->pods);
	switch (r) {
	case 0:
		break;
	case WEIR_DECODE_TOO_LARGE:
		too_large(service, answer, draft->offered);
		return false;
	default:
		weir_stat_add(WEIR_STAT_MALFORMED_PROTOBUF, 1);
		refuse(service, answer, WEIR_REFUSAL_MALFORMED, draft->offered, WEIR_GRPC_INVALID_ARGUMENT,
			draft->error);
		return false;
	}
	if (weir_offer_is_denied(&service->opts, draft)) {
		refuse(service, answer, WEIR_REFUSAL_IDENTITY, draft->offered, WEIR_GRPC_PERMISSION_DENIED,
			"the records claim another sender than the certificate names");
		return false;
	}
	return true;
}

static int on_message(void *ctx, void *opaque, struct weir_str message, struct weir_grpc_answer *answer)
{
	const struct way *way = ctx;
	struct weir_stream_service *service = way->service;
	struct stream *stream = opaque;
	enum weir_admit_stream admitted = WEIR_ADMIT_TAKE;
	struct weir_draft draft;

	if (message.length > service->opts.max_message_bytes) {
		too_large(service, answer, 1);
		return 0;
	}
	if (service->opts.admit) {
		admitted = weir_admit_stream(service->opts.admit, weir_clock_monotonic_ns(), &stream->hold);
	}
	if (admitted == WEIR_ADMIT_HOLD) {
		return WEIR_GRPC_HOLD;
	}
	weir_arena_reset(&service->arena);
	weir_draft_init(&draft, &service->arena, message);
	if (!decode(service, stream, &draft, answer)) {
		return 0;
	}
	reduce(service, &draft, admitted == WEIR_ADMIT_THIN_IT);
	if (draft.offered > 0 && put(way, stream, &draft, answer) == WEIR_GRPC_HOLD) {
		return WEIR_GRPC_HOLD;
	}
	if (!stream->has_message && !stream->sender.is_known) {
		weir_stat_add(WEIR_STAT_UNKNOWN_SOURCE, 1);
	}
	stream->has_message = true;
	join(service, stream);
	return 0;
}

static void on_end(void *ctx, void *opaque, struct weir_grpc_answer *answer)
{
	(void)ctx;
	(void)opaque;
	answer->code = WEIR_GRPC_OK; /* the answers of both services have no fields: no bytes */
}

static void on_close(void *ctx, void *opaque)
{
	const struct way *way = ctx;
	struct stream *stream = opaque;

	if (stream) {
		leave(way->service, stream);
		weir_envoy_sender_fini(&stream->sender);
		free(stream->principal);
		free(stream);
	}
}

static void refused(void *ctx, enum weir_route_refusal why)
{
	const struct way *way = ctx;

	weir_stat_refused(way->service->kind->signal,
		why == WEIR_ROUTE_TOO_LARGE ? WEIR_REFUSAL_TOO_LARGE : WEIR_REFUSAL_MALFORMED, 1);
}

int weir_stream_create(
	const struct weir_stream_kind *kind, const struct weir_receive_opts *opts, struct weir_stream_service **ret)
{
	struct weir_stream_service *service = calloc(1, sizeof(*service));
	int r = service ? 0 : -ENOMEM;

	if (r == 0 && kind->joins) {
		r = weir_known_create(KNOWN_SENDERS, &service->known);
		r = r < 0 ? r : weir_offer_pods_open(opts, &service->pods);
	}
	if (r < 0) {
		weir_known_destroy(service ? service->known : NULL);
		free(service);
		return r;
	}
	service->kind = kind;
	service->opts = *opts;
	service->fns = (struct weir_grpc_stream_fns){ on_open, on_message, on_end, on_close };
	for (size_t i = 0; i < WEIR_STREAM_WAYS; i++) {
		service->ways[i] = (struct way){ service, kind->protocols[i] };
	}
	weir_offer_arena_init(&service->arena, opts->ring);
	*ret = service;
	return 0;
}

void weir_stream_destroy(struct weir_stream_service *service)
{
	if (service) {
		weir_known_destroy(service->known);
		weir_workload_reader_close(service->pods);
		weir_arena_fini(&service->arena);
		free(service);
	}
}

void weir_stream_grpc(struct weir_stream_service *service, struct weir_grpc_method ret_methods[WEIR_STREAM_WAYS])
{
	for (size_t i = 0; i < WEIR_STREAM_WAYS; i++) {
		ret_methods[i] = (struct weir_grpc_method){
			.path = service->kind->paths[i],
			.stream = &service->fns,
			.ctx = &service->ways[i],
			.refused = refused,
		};
	}
}
