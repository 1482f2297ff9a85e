/* zipkin: POST /api/v2/spans, also under /zipkin/, for JSON lists of spans.
 *
 *   outcome          status
 *   taken, or empty  202, no body (as Zipkin's own collector)
 *   malformed        400, text with the offset
 *   too large        413
 *   protobuf, thrift 415, text: a later issue's
 *   ring full        429 + Retry-After
 *   storage failing  503 + Retry-After
 *   stopping         503 + Retry-After
 *
 * Zipkin has no partial success: one bad span refuses the list, so nothing is
 * ever dropped here.
 *
 * One instance, one listener thread, one arena. */
#include "receive/receive.h"

#include <errno.h>
#include <stdlib.h>

#include "base/stat.h"
#include "decode/zipkin/json.h"
#include "receive/offer.h"

#define PATH "/api/v2/spans"

struct weir_zipkin {
	struct weir_receive_opts opts;
	struct weir_arena arena;
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

static void too_large(struct weir_http_response *response)
{
	weir_http_response_text(response, 413, "the list is too large: send fewer spans at a time\n");
}

/* A refusal that happens before there is a draft to count. */
static void refuse(enum weir_refusal reason)
{
	weir_stat_refused(WEIR_SIGNAL_SPAN, reason, 1);
}

static void answer(enum weir_offer_outcome outcome, struct weir_http_response *response)
{
	switch (outcome) {
	case WEIR_OFFER_TAKEN:
		response->status = 202;
		break;
	case WEIR_OFFER_FULL:
		weir_http_response_text(response, 429, "the ring is full\n");
		response->retry_after_s = WEIR_OFFER_RETRY_FULL_S;
		break;
	case WEIR_OFFER_STORAGE:
		weir_http_response_text(response, 503, "the storage is failing\n");
		response->retry_after_s = WEIR_OFFER_RETRY_STORAGE_S;
		break;
	case WEIR_OFFER_TOO_LARGE:
		too_large(response);
		break;
	case WEIR_OFFER_STOPPING:
		weir_http_response_text(response, 503, "weir is stopping\n");
		response->retry_after_s = WEIR_OFFER_RETRY_FULL_S;
		break;
	}
}

/* Decodes and puts one body. */
static void take(
	struct weir_zipkin *zipkin, struct weir_str body, struct weir_offer *offer, struct weir_http_response *response)
{
	struct weir_draft draft;
	int r;

	if (body.length > zipkin->opts.max_message_bytes) {
		refuse(WEIR_REFUSAL_TOO_LARGE);
		too_large(response);
		return;
	}
	weir_arena_reset(&zipkin->arena);
	weir_draft_init(&draft, &zipkin->arena, body);
	r = weir_zipkin_json_decode(&draft);
	if (r == WEIR_DECODE_MALFORMED) {
		refuse(WEIR_REFUSAL_MALFORMED);
		weir_stat_add(WEIR_STAT_MALFORMED_JSON, 1);
		weir_http_response_text(response, 400, "");
		weir_buf_addf(
			&response->body, "malformed span list at byte %zu: %s\n", draft.error_offset, draft.error);
		return;
	}
	if (r == WEIR_DECODE_TOO_LARGE) {
		refuse(WEIR_REFUSAL_TOO_LARGE);
		too_large(response);
		return;
	}
	offer->source = weir_offer_service(&draft);
	answer(weir_offer_put(&zipkin->opts, &draft, offer, &response->park_position), response);
}

static void post_spans(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_offer offer = { .protocol = WEIR_PROTOCOL_ZIPKIN_HTTP,
		.signal = WEIR_SIGNAL_SPAN,
		.method = PATH,
		.peer = weir_http_request_peer(request) };
	struct weir_str type = weir_http_request_header(request, "content-type");
	struct weir_str name = weir_str_trim(weir_str_cut(&type, ';'));

	/* Any other type is read as JSON: many a script sends none, or its client's default. */
	if (weir_str_equal_ignoring_case(name, "application/x-protobuf") ||
		weir_str_equal_ignoring_case(name, "application/x-thrift")) {
		refuse(WEIR_REFUSAL_MALFORMED);
		weir_http_response_text(response, 415, "spans are taken as application/json here\n");
		return;
	}
	take(ctx, weir_http_request_body(request), &offer, response);
}

static void refused(void *ctx, enum weir_route_refusal why)
{
	(void)ctx;
	weir_stat_refused(
		WEIR_SIGNAL_SPAN, why == WEIR_ROUTE_TOO_LARGE ? WEIR_REFUSAL_TOO_LARGE : WEIR_REFUSAL_MALFORMED, 1);
}

void weir_zipkin_http(struct weir_zipkin *zipkin, struct weir_http_route ret_routes[WEIR_ZIPKIN_ROUTES])
{
	ret_routes[0] = (struct weir_http_route){ .method = "POST",
		.path = PATH,
		.kind = WEIR_ROUTE_INGEST,
		.fn = post_spans,
		.ctx = zipkin,
		.refused = refused };
	ret_routes[1] = ret_routes[0];
	ret_routes[1].path = "/zipkin" PATH;
}
