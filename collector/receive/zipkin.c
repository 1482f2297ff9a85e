/* zipkin: spans as Zipkin's collector takes them, over HTTP and gRPC.
 *
 *   way in                                            body
 *   POST /api/v2/spans   application/x-protobuf       ListOfSpans
 *   POST /api/v2/spans   anything else, or nothing    v2 JSON
 *   POST /api/v1/spans   application/x-thrift         none: 415 says what to send
 *   POST /api/v1/spans   anything else, or nothing    v1 JSON
 *   SpanService/Report                                ListOfSpans
 *
 * Both paths also stand under /zipkin/. Any type but the two is read as JSON:
 * many a script sends none, or its client's default.
 *
 *   outcome          HTTP                       gRPC
 *   taken, or empty  202, no body               OK, ReportResponse
 *   malformed        400, Zipkin's sentence     INVALID_ARGUMENT
 *   too large        413                        RESOURCE_EXHAUSTED
 *   ring full        429 + Retry-After          RESOURCE_EXHAUSTED + RetryInfo
 *   storage failing  503 + Retry-After          RESOURCE_EXHAUSTED + RetryInfo
 *   over its share   429 + Retry-After          RESOURCE_EXHAUSTED + RetryInfo
 *   stopping         503 + Retry-After          UNAVAILABLE
 *   another sender's 403                        PERMISSION_DENIED
 *
 * The sentence of a malformed list begins as Zipkin's own, which people search
 * for; what is wrong and where follows it. Zipkin has no partial success: one
 * bad span refuses the list, so nothing is ever dropped here.
 *
 * One instance, one listener thread, one arena. */
#include "receive/receive.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/stat.h"
#include "decode/zipkin/json.h"
#include "decode/zipkin/proto.h"
#include "decode/zipkin/v1.h"
#include "receive/verdict.h"

#define PATH_V2 "/api/v2/spans"
#define PATH_V1 "/api/v1/spans"
#define METHOD_GRPC "/zipkin.proto3.SpanService/Report"
#define SENTENCE_BYTES 256u

struct weir_zipkin {
	struct weir_receive_opts opts;
	struct weir_arena arena;
};

struct format { /* of a body */
	const char *name;
	enum weir_stat malformed;
	int (*decode)(struct weir_draft *draft);
};

static const struct format format_v2 = { "json", WEIR_STAT_MALFORMED_JSON, weir_zipkin_json_decode };
static const struct format format_v1 = { "json", WEIR_STAT_MALFORMED_JSON, weir_zipkin_v1_decode };
static const struct format format_proto = { "proto3", WEIR_STAT_MALFORMED_PROTOBUF, weir_zipkin_proto_decode };

static const struct weir_verdict_words words = {
	.source = "this sender has more than its share while the ring runs full",
	.too_large = "the list is too large: send fewer spans at a time",
	.identity = "the spans claim another sender than the certificate names",
};

int weir_zipkin_create(const struct weir_receive_opts *opts, struct weir_zipkin **ret)
{
	struct weir_zipkin *zipkin = calloc(1, sizeof(*zipkin));

	if (zipkin == NULL) {
		return -ENOMEM;
	}
	zipkin->opts = *opts;
	weir_offer_arena_init(&zipkin->arena, opts->ring);
	*ret = zipkin;
	return 0;
}

void weir_zipkin_destroy(struct weir_zipkin *zipkin)
{
	if (zipkin != NULL) {
		weir_arena_fini(&zipkin->arena);
		free(zipkin);
	}
}

/* A refusal that happens before there is a draft to count. */
static void refuse(enum weir_refusal reason)
{
	weir_stat_refused(WEIR_SIGNAL_SPAN, reason, 1);
}

static struct weir_verdict malformed(
	struct weir_zipkin *zipkin, const struct format *format, const struct weir_draft *draft)
{
	struct weir_verdict verdict = weir_verdict_malformed(draft->error);
	char *sentence;

	refuse(WEIR_REFUSAL_MALFORMED);
	weir_stat_add(format->malformed, 1);
	/* Another format than the path's is told in Zipkin's words alone. */
	if (weir_str_starts_with(weir_str_of(draft->error), "Expected a ")) {
		return verdict;
	}
	sentence = weir_arena_alloc(&zipkin->arena, SENTENCE_BYTES);
	if (sentence != NULL) {
		snprintf(sentence, SENTENCE_BYTES, "Malformed reading List<Span> from %s: %s at byte %zu", format->name,
			draft->error, draft->error_offset);
		verdict.message = sentence;
	}
	return verdict;
}

/* Decodes and puts one body. */
static struct weir_verdict take(
	struct weir_zipkin *zipkin, const struct format *format, struct weir_str body, struct weir_offer *offer)
{
	enum weir_offer_outcome outcome;
	struct weir_draft draft;
	uint64_t end;
	int r;

	if (body.length > zipkin->opts.max_message_bytes) {
		refuse(WEIR_REFUSAL_TOO_LARGE);
		return weir_verdict_of(WEIR_OFFER_TOO_LARGE, &words, 0);
	}
	weir_arena_reset(&zipkin->arena);
	weir_draft_init(&draft, &zipkin->arena, body);
	weir_offer_identity(&draft, offer->identity);
	r = format->decode(&draft);
	if (r == WEIR_DECODE_MALFORMED) {
		return malformed(zipkin, format, &draft);
	}
	if (r == WEIR_DECODE_TOO_LARGE) {
		refuse(WEIR_REFUSAL_TOO_LARGE);
		return weir_verdict_of(WEIR_OFFER_TOO_LARGE, &words, 0);
	}
	offer->signal = WEIR_SIGNAL_SPAN;
	offer->source = weir_offer_service(&draft);
	outcome = weir_offer_put(&zipkin->opts, &draft, offer, &end);
	return weir_verdict_of(outcome, &words, end);
}

static void refused(void *ctx, enum weir_route_refusal why)
{
	(void)ctx;
	refuse(why == WEIR_ROUTE_TOO_LARGE ? WEIR_REFUSAL_TOO_LARGE : WEIR_REFUSAL_MALFORMED);
}

/* ---- gRPC ----------------------------------------------------------------- */

static void grpc_report(
	void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer)
{
	struct weir_offer offer = { .protocol = WEIR_PROTOCOL_ZIPKIN_GRPC,
		.method = METHOD_GRPC,
		.peer = weir_offer_peer(peer->address),
		.identity = peer->identity };
	struct weir_verdict verdict = take(ctx, &format_proto, message, &offer);

	/* A ReportResponse has no fields: no bytes are one. */
	weir_verdict_grpc(&verdict, answer);
}

void weir_zipkin_grpc(struct weir_zipkin *zipkin, struct weir_grpc_method ret_methods[WEIR_ZIPKIN_METHODS])
{
	ret_methods[0] = (struct weir_grpc_method){
		.path = METHOD_GRPC, .unary = grpc_report, .ctx = zipkin, .refused = refused
	};
}

/* ---- HTTP ----------------------------------------------------------------- */

static void post(struct weir_zipkin *zipkin, const struct format *format, const char *path,
	const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_offer offer = { .protocol = WEIR_PROTOCOL_ZIPKIN_HTTP,
		.method = path,
		.peer = weir_http_request_peer(request),
		.identity = weir_http_request_identity(request) };
	struct weir_verdict verdict = take(zipkin, format, weir_http_request_body(request), &offer);

	response->status = verdict.code == WEIR_GRPC_OK ? 202 : verdict.http_status;
	response->retry_after_s = verdict.retry_s;
	response->park_position = verdict.park_position;
	if (verdict.message != NULL) {
		weir_http_response_text(response, verdict.http_status, verdict.message);
		weir_buf_add_char(&response->body, '\n');
	}
}

static bool has_type(const struct weir_http_request *request, const char *name)
{
	struct weir_str type = weir_http_request_header(request, "content-type");

	return weir_str_equal_ignoring_case(weir_str_trim(weir_str_cut(&type, ';')), name);
}

static void post_v2(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	bool is_proto = has_type(request, "application/x-protobuf") || has_type(request, "application/protobuf");

	post(ctx, is_proto ? &format_proto : &format_v2, PATH_V2, request, response);
}

static void post_v1(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	if (has_type(request, "application/x-thrift")) {
		refuse(WEIR_REFUSAL_MALFORMED);
		weir_http_response_text(response, 415,
			"Expected a JSON_V1 encoded list: weir does not read thrift; let the reporter send JSON, "
			"or " PATH_V2 "\n");
		return;
	}
	post(ctx, &format_v1, PATH_V1, request, response);
}

void weir_zipkin_http(struct weir_zipkin *zipkin, struct weir_http_route ret_routes[WEIR_ZIPKIN_ROUTES])
{
	static const struct {
		const char *path;
		weir_http_fn *fn;
	} ways[WEIR_ZIPKIN_ROUTES] = { { PATH_V2, post_v2 }, { "/zipkin" PATH_V2, post_v2 }, { PATH_V1, post_v1 },
		{ "/zipkin" PATH_V1, post_v1 } };

	for (size_t i = 0; i < WEIR_ZIPKIN_ROUTES; i++) {
		ret_routes[i] = (struct weir_http_route){ .method = "POST",
			.path = ways[i].path,
			.kind = WEIR_ROUTE_INGEST,
			.fn = ways[i].fn,
			.ctx = zipkin,
			.refused = refused };
	}
}
