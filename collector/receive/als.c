/* als: AccessLogService/StreamAccessLogs of Envoy, v3.
 *
 *   open ─▶ a sender without a name
 *   message ─▶ decode ─┬ malformed ────────▶ INVALID_ARGUMENT, the stream ends
 *                      ├ too large ────────▶ RESOURCE_EXHAUSTED, the stream ends
 *                      └ batch ─▶ ring ─┬ 0 ───────▶ taken
 *                                       ├ FULL ────▶ HOLD: not read on, offered again
 *                                       ├ TOO_LARGE ▶ RESOURCE_EXHAUSTED, the stream ends
 *                                       └ SEALED ──▶ UNAVAILABLE, the stream ends
 *   end ─▶ OK, an empty StreamAccessLogsResponse
 *   close ─▶ the sender is forgotten
 *
 * The stream has no acknowledgement, so an entry counts as received when it is
 * in the ring, and a message that waits for room waits in the connection's
 * flow-control window: Envoy drops (and counts) what it cannot send.
 *
 * Envoy cannot come again. So a failing store does not refuse its entries:
 * they are thinned. Their rows stay in the batch, because metrics and graph
 * are made of rows; `kept` is 0 and thinned[STORAGE] is their number, which
 * says that the batch is folded but not collected as detail. record.h's third
 * invariant counts entries, each once: offered = kept + dropped + thinned.
 *
 * Invariants
 *  1. Nothing of a message is in the ring unless all of it is.
 *  2. A held message leaves no trace but its sender's name, which the next
 *     offer of the same bytes sets again.
 *  3. A sender is in the table of known ones exactly while its stream is open.
 *
 * One instance, one thread: that of the gRPC listener. */
#include "receive/receive.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/stat.h"
#include "decode/address.h"
#include "decode/envoy/als.h"
#include "identity/known.h"
#include "receive/offer.h"

#define METHOD "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs"
#define KNOWN_SENDERS 4096u /* of one node: some hundred pods, and those that went */
#define NODE_ID_MAX 1024u

struct weir_als {
	struct weir_receive_opts opts;
	struct weir_arena arena;
	struct weir_known *known;
	struct weir_grpc_stream_fns fns;
};

struct stream {
	struct weir_als_sender sender;
	char joined[NODE_ID_MAX]; /* the node id under which the sender is known; it outlives a new identifier */
	size_t joined_length;
	bool has_message;
};

static void leave(struct weir_als *als, struct stream *stream)
{
	if (stream->joined_length > 0) {
		weir_known_leave(als->known, weir_str_make(stream->joined, stream->joined_length));
		stream->joined_length = 0;
	}
}

/* Makes the sender known to the others, once; again only if it says another name. */
static void join(struct weir_als *als, struct stream *stream)
{
	const struct weir_identity *identity = &stream->sender.identity;
	struct weir_address address = { 0 };

	if (!stream->sender.is_known || identity->node_id.length == 0 || identity->node_id.length > NODE_ID_MAX ||
		weir_str_equal(identity->node_id, weir_str_make(stream->joined, stream->joined_length))) {
		return;
	}
	leave(als, stream);
	(void)weir_address_parse(identity->address, &address); /* none: it is found by its node id only */
	weir_known_join(als->known, identity, address.ip);
	memcpy(stream->joined, identity->node_id.data, identity->node_id.length);
	stream->joined_length = identity->node_id.length;
}

static int on_open(void *ctx, const struct weir_grpc_peer *peer, void **ret_stream)
{
	struct weir_als *als = ctx;
	struct stream *stream = calloc(1, sizeof(*stream));

	(void)peer;
	if (!stream) {
		return -ENOMEM;
	}
	weir_als_sender_init(&stream->sender);
	stream->sender.known = als->known;
	*ret_stream = stream;
	return 0;
}

static void refuse(struct weir_grpc_answer *answer, enum weir_refusal reason, uint32_t entries,
	enum weir_grpc_code code, const char *message)
{
	weir_stat_refused(WEIR_SIGNAL_ACCESS_LOG, reason, entries > 0 ? entries : 1);
	answer->code = code;
	answer->message = message;
}

static void too_large(struct weir_grpc_answer *answer, uint32_t entries)
{
	refuse(answer, WEIR_REFUSAL_TOO_LARGE, entries, WEIR_GRPC_RESOURCE_EXHAUSTED,
		"the message is too large: set a smaller buffer_size_bytes");
}

/* 0 or WEIR_GRPC_HOLD. */
static int put(struct weir_als *als, struct stream *stream, struct weir_draft *draft, struct weir_grpc_answer *answer)
{
	struct weir_str node_id = stream->sender.identity.node_id;
	const struct weir_draft_head head = {
		.protocol = WEIR_PROTOCOL_ALS_V3,
		.signal = WEIR_SIGNAL_ACCESS_LOG,
		.received_ns = weir_clock_now_ns(),
		.source = node_id.length > 0 ? node_id : weir_str_of("unknown"),
	};
	struct weir_draft_parts parts;

	if (als->opts.is_storage_failing && als->opts.is_storage_failing(als->opts.ctx)) {
		draft->thinned[WEIR_THIN_STORAGE] = draft->requests.count + draft->connections.count;
	}
	if (!weir_draft_lay(draft, &head, &parts)) {
		too_large(answer, draft->offered);
		return 0;
	}
	switch (weir_ring_put_parts(als->opts.ring, parts.parts, parts.count, parts.batch.size_bytes, NULL)) {
	case 0:
		return 0;
	case WEIR_RING_FULL:
		return WEIR_GRPC_HOLD;
	case WEIR_RING_TOO_LARGE:
		too_large(answer, draft->offered);
		return 0;
	default:
		refuse(answer, WEIR_REFUSAL_STOPPING, draft->offered, WEIR_GRPC_UNAVAILABLE, "weir is stopping");
		return 0;
	}
}

static int on_message(void *ctx, void *opaque, struct weir_str message, struct weir_grpc_answer *answer)
{
	struct weir_als *als = ctx;
	struct stream *stream = opaque;
	struct weir_draft draft;
	int r;

	if (message.length > als->opts.max_message_bytes) {
		too_large(answer, 1);
		return 0;
	}
	weir_arena_reset(&als->arena);
	weir_draft_init(&draft, &als->arena, message);
	r = weir_als_decode(&draft, &stream->sender);
	if (r == WEIR_DECODE_MALFORMED) {
		weir_stat_add(WEIR_STAT_MALFORMED_PROTOBUF, 1);
		refuse(answer, WEIR_REFUSAL_MALFORMED, draft.offered, WEIR_GRPC_INVALID_ARGUMENT, draft.error);
		return 0;
	}
	if (r == WEIR_DECODE_TOO_LARGE) {
		too_large(answer, draft.offered);
		return 0;
	}
	if (draft.offered > 0) {
		r = put(als, stream, &draft, answer);
		if (r == WEIR_GRPC_HOLD) {
			return r;
		}
	}
	if (!stream->has_message && !stream->sender.is_known) {
		weir_stat_add(WEIR_STAT_UNKNOWN_SOURCE, 1);
	}
	stream->has_message = true;
	join(als, stream);
	return 0;
}

static void on_end(void *ctx, void *opaque, struct weir_grpc_answer *answer)
{
	(void)ctx;
	(void)opaque;
	answer->code = WEIR_GRPC_OK; /* StreamAccessLogsResponse has no fields: no bytes */
}

static void on_close(void *ctx, void *opaque)
{
	struct stream *stream = opaque;

	if (stream) {
		leave(ctx, stream);
		weir_als_sender_fini(&stream->sender);
		free(stream);
	}
}

int weir_als_create(const struct weir_receive_opts *opts, struct weir_als **ret)
{
	struct weir_als *als = calloc(1, sizeof(*als));
	int r;

	if (!als) {
		return -ENOMEM;
	}
	r = weir_known_create(KNOWN_SENDERS, &als->known);
	if (r < 0) {
		free(als);
		return r;
	}
	als->opts = *opts;
	als->fns = (struct weir_grpc_stream_fns){ on_open, on_message, on_end, on_close };
	weir_offer_arena_init(&als->arena, opts->ring);
	*ret = als;
	return 0;
}

void weir_als_destroy(struct weir_als *als)
{
	if (als) {
		weir_known_destroy(als->known);
		weir_arena_fini(&als->arena);
		free(als);
	}
}

static void refused(void *ctx, enum weir_route_refusal why)
{
	(void)ctx;
	weir_stat_refused(WEIR_SIGNAL_ACCESS_LOG,
		why == WEIR_ROUTE_TOO_LARGE ? WEIR_REFUSAL_TOO_LARGE : WEIR_REFUSAL_MALFORMED, 1);
}

void weir_als_grpc(struct weir_als *als, struct weir_grpc_method *ret_method)
{
	*ret_method = (struct weir_grpc_method){ .path = METHOD, .stream = &als->fns, .ctx = als, .refused = refused };
}
