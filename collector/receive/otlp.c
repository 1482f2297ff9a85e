/* otlp: TraceService/Export over gRPC, and POST /v1/traces over HTTP.
 *
 * Both take the same body and give the same answers (wire.md 4.3), in two
 * spellings:
 *
 *   outcome                 gRPC                              HTTP
 *   taken, or empty         OK, response                      200, response
 *   spans with invalid ids  OK, partial_success               200, the same
 *   malformed               INVALID_ARGUMENT                  400
 *   too large               RESOURCE_EXHAUSTED                413
 *   ring full               RESOURCE_EXHAUSTED + RetryInfo    429 + Retry-After
 *   storage failing         RESOURCE_EXHAUSTED + RetryInfo    503 + Retry-After
 *   stopping                UNAVAILABLE                       503 + Retry-After
 *   not protobuf            –                                 415
 *
 * An HTTP error's body is a google.rpc.Status in the request's encoding. OTLP
 * as JSON is a later issue's: it is told so, in JSON.
 *
 * One instance, one listener thread, one arena. */
#include "receive/receive.h"

#include <errno.h>
#include <stdlib.h>

#include "google/rpc/status.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"

#include "base/stat.h"
#include "decode/otlp/trace.h"
#include "receive/offer.h"

#define METHOD_GRPC "/opentelemetry.proto.collector.trace.v1.TraceService/Export"
#define METHOD_HTTP "/v1/traces"
#define PROTOBUF_TYPE "application/x-protobuf"
#define JSON_TYPE "application/json"

struct weir_otlp {
	struct weir_receive_opts opts;
	struct weir_arena arena;
};

/* One answer, before it is spelled for gRPC or HTTP. */
struct verdict {
	enum weir_grpc_code code;
	unsigned http_status, retry_s;
	const char *message;
	uint32_t rejected; /* spans, when the code is OK */
	uint64_t park_position;
};

static const struct verdict verdicts[] = {
	/* by outcome */
	[WEIR_OFFER_TAKEN] = { .code = WEIR_GRPC_OK, .http_status = 200 },
	[WEIR_OFFER_FULL] = { .code = WEIR_GRPC_RESOURCE_EXHAUSTED,
		.http_status = 429,
		.retry_s = WEIR_OFFER_RETRY_FULL_S,
		.message = "the ring is full" },
	[WEIR_OFFER_STORAGE] = { .code = WEIR_GRPC_RESOURCE_EXHAUSTED,
		.http_status = 503,
		.retry_s = WEIR_OFFER_RETRY_STORAGE_S,
		.message = "the storage is failing" },
	[WEIR_OFFER_TOO_LARGE] = { .code = WEIR_GRPC_RESOURCE_EXHAUSTED,
		.http_status = 413,
		.message = "the request is too large: send fewer spans at a time" },
	[WEIR_OFFER_STOPPING] = { .code = WEIR_GRPC_UNAVAILABLE,
		.http_status = 503,
		.retry_s = WEIR_OFFER_RETRY_FULL_S,
		.message = "weir is stopping" },
};

int weir_otlp_create(const struct weir_receive_opts *opts, struct weir_otlp **ret)
{
	struct weir_otlp *otlp = calloc(1, sizeof(*otlp));

	if (otlp == NULL) {
		return -ENOMEM;
	}
	otlp->opts = *opts;
	weir_offer_arena_init(&otlp->arena, opts->ring);
	*ret = otlp;
	return 0;
}

void weir_otlp_destroy(struct weir_otlp *otlp)
{
	if (otlp != NULL) {
		weir_arena_fini(&otlp->arena);
		free(otlp);
	}
}

/* Decodes and puts one body. */
static struct verdict take(struct weir_otlp *otlp, struct weir_str body, struct weir_offer *offer)
{
	struct weir_draft draft;
	struct verdict verdict;
	uint64_t end;
	int r;

	if (body.length > otlp->opts.max_message_bytes) {
		weir_stat_refused(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_TOO_LARGE, 1);
		return verdicts[WEIR_OFFER_TOO_LARGE];
	}
	weir_arena_reset(&otlp->arena);
	weir_draft_init(&draft, &otlp->arena, body);
	r = weir_otlp_trace_decode(&draft);
	if (r == WEIR_DECODE_MALFORMED) {
		weir_stat_add(WEIR_STAT_MALFORMED_PROTOBUF, 1);
		weir_stat_refused(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_MALFORMED, 1);
		return (struct verdict){
			.code = WEIR_GRPC_INVALID_ARGUMENT, .http_status = 400, .message = draft.error
		};
	}
	if (r == WEIR_DECODE_TOO_LARGE) {
		weir_stat_refused(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_TOO_LARGE, 1);
		return verdicts[WEIR_OFFER_TOO_LARGE];
	}
	offer->signal = WEIR_SIGNAL_SPAN;
	offer->source = weir_offer_service(&draft);
	verdict = verdicts[weir_offer_put(&otlp->opts, &draft, offer, &end)];
	if (verdict.code == WEIR_GRPC_OK) {
		verdict.rejected = draft.dropped[WEIR_DROP_INVALID];
		verdict.park_position = end;
	}
	return verdict;
}

static void pack(const ProtobufCMessage *message, struct weir_buf *body)
{
	size_t size = protobuf_c_message_get_packed_size(message);
	char *at = size > 0 ? weir_buf_reserve(body, size) : NULL;

	if (at != NULL) {
		weir_buf_advance(body, protobuf_c_message_pack(message, (uint8_t *)at));
	}
}

/* An ExportTraceServiceResponse; empty bytes when everything was taken. */
static void response_write(uint32_t rejected, struct weir_buf *body)
{
	static char why[] = "spans with an id of the wrong length or all zero were dropped";
	Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse response;
	Opentelemetry__Proto__Collector__Trace__V1__ExportTracePartialSuccess partial;

	if (rejected == 0) {
		return;
	}
	opentelemetry__proto__collector__trace__v1__export_trace_service_response__init(&response);
	opentelemetry__proto__collector__trace__v1__export_trace_partial_success__init(&partial);
	partial.rejected_spans = rejected;
	partial.error_message = why;
	response.partial_success = &partial;
	pack(&response.base, body);
}

/* ---- gRPC ----------------------------------------------------------------- */

static void grpc_export(
	void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer)
{
	struct weir_offer offer = {
		.protocol = WEIR_PROTOCOL_OTLP_GRPC, .method = METHOD_GRPC, .peer = weir_offer_peer(peer->address)
	};
	struct verdict verdict = take(ctx, message, &offer);

	answer->code = verdict.code;
	answer->message = verdict.message;
	answer->park_position = verdict.park_position;
	if (verdict.code == WEIR_GRPC_RESOURCE_EXHAUSTED) {
		answer->retry_delay_ms = verdict.retry_s * 1000;
	}
	response_write(verdict.rejected, &answer->body);
}

static void refused(void *ctx, enum weir_route_refusal why)
{
	(void)ctx;
	weir_stat_refused(
		WEIR_SIGNAL_SPAN, why == WEIR_ROUTE_TOO_LARGE ? WEIR_REFUSAL_TOO_LARGE : WEIR_REFUSAL_MALFORMED, 1);
}

void weir_otlp_grpc(struct weir_otlp *otlp, struct weir_grpc_method *ret_method)
{
	*ret_method =
		(struct weir_grpc_method){ .path = METHOD_GRPC, .unary = grpc_export, .ctx = otlp, .refused = refused };
}

/* ---- HTTP ----------------------------------------------------------------- */

/* A google.rpc.Status as protobuf. */
static void status_write(enum weir_grpc_code code, const char *message, struct weir_buf *body)
{
	Google__Rpc__Status status;
	char text[256];
	size_t length = strlen(message);

	weir_assert(length < sizeof(text));
	memcpy(text, message, length + 1);
	google__rpc__status__init(&status);
	status.code = (int32_t)code;
	status.message = text;
	pack(&status.base, body);
}

/* Answers 415 unless the body is protobuf; a JSON sender is told in JSON. */
static bool type_check(struct weir_str type, struct weir_http_response *response)
{
	struct weir_str name = weir_str_trim(weir_str_cut(&type, ';'));

	if (weir_str_equal_ignoring_case(name, PROTOBUF_TYPE) ||
		weir_str_equal_ignoring_case(name, "application/protobuf")) {
		return true;
	}
	weir_stat_refused(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_MALFORMED, 1);
	if (weir_str_equal_ignoring_case(name, JSON_TYPE)) {
		response->status = 415;
		response->content_type = JSON_TYPE;
		weir_buf_add_text(&response->body,
			"{\"code\":12,\"message\":\"OTLP is taken as protobuf here: send application/x-protobuf\"}");
	} else {
		weir_http_response_text(response, 415, "OTLP is taken as application/x-protobuf here\n");
	}
	return false;
}

static void http_export(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_offer offer = {
		.protocol = WEIR_PROTOCOL_OTLP_HTTP, .method = METHOD_HTTP, .peer = weir_http_request_peer(request)
	};
	struct verdict verdict;

	if (!type_check(weir_http_request_header(request, "content-type"), response)) {
		return;
	}
	verdict = take(ctx, weir_http_request_body(request), &offer);
	response->status = verdict.http_status;
	response->content_type = PROTOBUF_TYPE;
	response->retry_after_s = verdict.retry_s;
	response->park_position = verdict.park_position;
	if (verdict.code == WEIR_GRPC_OK) {
		response_write(verdict.rejected, &response->body);
	} else {
		status_write(verdict.code, verdict.message, &response->body);
	}
}

void weir_otlp_http(struct weir_otlp *otlp, struct weir_http_route *ret_route)
{
	*ret_route = (struct weir_http_route){ .method = "POST",
		.path = METHOD_HTTP,
		.kind = WEIR_ROUTE_INGEST,
		.fn = http_export,
		.ctx = otlp,
		.refused = refused };
}
