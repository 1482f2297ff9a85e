/* otlp: three signals, each over gRPC and over HTTP.
 *
 *   signal   gRPC (protobuf)          HTTP (protobuf or JSON)   decoded by
 *   spans    TraceService/Export      POST /v1/traces           otlp/trace
 *   points   MetricsService/Export    POST /v1/metrics          otlp/metrics
 *   logs     LogsService/Export       POST /v1/logs             otlp/logs
 *
 * All take the same steps; what is answered is otlp_answer.c's. JSON is told
 * by the Content-Type alone.
 *
 * The sender's name in the ledger is its service's; an Envoy's is its node id,
 * or the name that all its signals agree on: its metrics, its access logs and
 * the streams of its access log service are one source.
 *
 * Access loggers do not exchange peer metadata; they know a caller by its
 * address. So proxies that log here are remembered, in two tables:
 *
 *   known[0]  asked; all that logged since one turn ago, or more
 *   known[1]  being filled; becomes known[0] at the next turn
 *
 * A turn is KNOWN_TURN_NS, so a proxy that logs is always known, and one that
 * is gone is forgotten before its address is another's for long.
 *
 * One instance, one listener thread, one arena. */
#include "receive/receive.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/stat.h"
#include "decode/otlp/json.h"
#include "decode/otlp/logs.h"
#include "decode/otlp/metrics.h"
#include "decode/otlp/trace.h"
#include "identity/known.h"
#include "receive/otlp_answer.h"

#define KNOWN_SENDERS 512u
#define KNOWN_TURN_NS UINT64_C(60000000000)

typedef int decode_fn(struct weir_draft *draft);

static const struct kind { /* of request */
	enum weir_signal signal;
	const char *method, *path;
	decode_fn *decode[2]; /* by encoding */
} kinds[] = {
	{ WEIR_SIGNAL_SPAN, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", "/v1/traces",
		{ weir_otlp_trace_decode, weir_otlp_trace_json_decode } },
	{ WEIR_SIGNAL_METRIC_POINT, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "/v1/metrics",
		{ weir_otlp_metrics_decode, weir_otlp_metrics_json_decode } },
	{ WEIR_SIGNAL_LOG, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", "/v1/logs",
		{ weir_otlp_logs_decode, weir_otlp_logs_json_decode } },
};

#define KINDS (sizeof(kinds) / sizeof(kinds[0]))
_Static_assert(KINDS == WEIR_OTLP_METHODS && KINDS == WEIR_OTLP_ROUTES, "one of each for a signal");

struct way { /* what a listener's call is for */
	struct weir_otlp *otlp;
	const struct kind *kind;
};

struct weir_otlp {
	struct weir_receive_opts opts;
	struct weir_arena arena;
	struct way ways[KINDS];
	struct weir_known *known[2];
	struct weir_workload_reader *pods; /* NULL: none are known */
	uint64_t turned_ns;                /* monotonic */
};

int weir_otlp_create(const struct weir_receive_opts *opts, struct weir_otlp **ret)
{
	struct weir_otlp *otlp = calloc(1, sizeof(*otlp));
	int r;

	if (otlp == NULL) {
		return -ENOMEM;
	}
	r = weir_known_create(KNOWN_SENDERS, &otlp->known[0]);
	r = r < 0 ? r : weir_known_create(KNOWN_SENDERS, &otlp->known[1]);
	r = r < 0 ? r : weir_offer_pods_open(opts, &otlp->pods);
	if (r < 0) {
		weir_known_destroy(otlp->known[0]);
		weir_known_destroy(otlp->known[1]);
		free(otlp);
		return r;
	}
	otlp->turned_ns = weir_clock_monotonic_ns();
	otlp->opts = *opts;
	weir_offer_arena_init(&otlp->arena, opts->ring);
	for (size_t i = 0; i < KINDS; i++) {
		otlp->ways[i] = (struct way){ otlp, &kinds[i] };
	}
	*ret = otlp;
	return 0;
}

void weir_otlp_destroy(struct weir_otlp *otlp)
{
	if (otlp != NULL) {
		weir_arena_fini(&otlp->arena);
		weir_known_destroy(otlp->known[0]);
		weir_known_destroy(otlp->known[1]);
		weir_workload_reader_close(otlp->pods);
		free(otlp);
	}
}

/* The proxies that log here, for a draft of logs. Without memory for a new table the two go on being filled. */
static void known_give(struct weir_otlp *otlp, struct weir_draft *draft)
{
	uint64_t now_ns = weir_clock_monotonic_ns();
	struct weir_known *next;

	if (now_ns - otlp->turned_ns >= KNOWN_TURN_NS && weir_known_create(KNOWN_SENDERS, &next) == 0) {
		weir_known_destroy(otlp->known[0]);
		otlp->known[0] = otlp->known[1];
		otlp->known[1] = next;
		otlp->turned_ns = now_ns;
	}
	draft->known[0] = otlp->known[0];
	draft->known[1] = otlp->known[1];
}

/* Who sent it, for the ledger; empty: nobody said. */
static struct weir_str source_of(const struct weir_draft *draft, enum weir_signal signal)
{
	const struct weir_resource *resource = draft->resources.data;
	const struct weir_attr *attr = draft->attrs.data;

	if (signal == WEIR_SIGNAL_SPAN || draft->resources.count == 0 || resource->proxy.length == 0) {
		return weir_offer_service(draft);
	}
	for (uint32_t i = 0; i < resource->attr_count; i++) {
		const struct weir_attr *at = &attr[resource->attr_first + i];

		if (at->type == WEIR_ATTR_STRING && weir_str_is(weir_draft_str(draft, at->key), "node_name")) {
			return weir_draft_str(draft, at->value.text);
		}
	}
	return weir_draft_str(draft, resource->proxy);
}

/* While the store fails, what bears metrics is folded all the same, logs of access without their detail; the rest is
 * refused, and comes again. */
static struct weir_receive_opts opts_for(
	const struct weir_otlp *otlp, enum weir_signal signal, struct weir_draft *draft)
{
	struct weir_receive_opts opts = otlp->opts;
	bool is_access_log = signal == WEIR_SIGNAL_LOG && draft->requests.count + draft->connections.count > 0;

	if (opts.is_storage_failing == NULL || (!is_access_log && signal != WEIR_SIGNAL_METRIC_POINT)) {
		return opts;
	}
	if (is_access_log && opts.is_storage_failing(opts.ctx)) {
		draft->thinned[WEIR_THIN_STORAGE] = draft->logs.count;
	}
	opts.is_storage_failing = NULL;
	return opts;
}

static const struct weir_verdict_words words = {
	.source = "this source sends more than its share of what can be taken",
	.too_large = "the request is too large: send fewer items at a time",
	.identity = "the request claims another sender than the certificate names",
};

/* Decodes and puts one body. *ret_rejected: the items that were not taken of one that was. */
static struct weir_verdict take(const struct way *way, enum weir_otlp_encoding encoding, struct weir_str body,
	struct weir_offer *offer, uint64_t *ret_rejected)
{
	struct weir_otlp *otlp = way->otlp;
	enum weir_offer_outcome outcome;
	struct weir_receive_opts opts;
	struct weir_draft draft;
	uint64_t end;
	int r;

	*ret_rejected = 0;
	if (body.length > otlp->opts.max_message_bytes) {
		weir_stat_refused(way->kind->signal, WEIR_REFUSAL_TOO_LARGE, 1);
		return weir_verdict_of(WEIR_OFFER_TOO_LARGE, &words, 0);
	}
	weir_arena_reset(&otlp->arena);
	weir_draft_init(&draft, &otlp->arena, body);
	weir_offer_identity(&draft, offer->identity);
	if (way->kind->signal == WEIR_SIGNAL_LOG) {
		known_give(otlp, &draft);
		draft.pods = otlp->pods;
	}
	weir_workload_hold(draft.pods);
	r = way->kind->decode[encoding](&draft);
	weir_workload_release(draft.pods);
	if (r == WEIR_DECODE_MALFORMED) {
		weir_stat_add(encoding == WEIR_OTLP_JSON ? WEIR_STAT_MALFORMED_JSON : WEIR_STAT_MALFORMED_PROTOBUF, 1);
		weir_stat_refused(way->kind->signal, WEIR_REFUSAL_MALFORMED, 1);
		return weir_verdict_malformed(draft.error);
	}
	if (r == WEIR_DECODE_TOO_LARGE) {
		weir_stat_refused(way->kind->signal, WEIR_REFUSAL_TOO_LARGE, 1);
		return weir_verdict_of(WEIR_OFFER_TOO_LARGE, &words, 0);
	}
	offer->signal = way->kind->signal;
	offer->source = source_of(&draft, offer->signal);
	opts = opts_for(otlp, offer->signal, &draft);
	outcome = weir_offer_put(&opts, &draft, offer, &end);
	*ret_rejected = draft.dropped[WEIR_DROP_INVALID];
	return weir_verdict_of(outcome, &words, end);
}

static void refused(void *ctx, enum weir_route_refusal why)
{
	const struct way *way = ctx;

	weir_stat_refused(
		way->kind->signal, why == WEIR_ROUTE_TOO_LARGE ? WEIR_REFUSAL_TOO_LARGE : WEIR_REFUSAL_MALFORMED, 1);
}

/* ---- gRPC ----------------------------------------------------------------- */

static void grpc_export(
	void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer)
{
	const struct way *way = ctx;
	struct weir_offer offer = { .protocol = WEIR_PROTOCOL_OTLP_GRPC,
		.method = way->kind->method,
		.peer = weir_offer_peer(peer->address),
		.identity = peer->identity };
	uint64_t rejected;
	struct weir_verdict verdict = take(way, WEIR_OTLP_PROTOBUF, message, &offer, &rejected);

	weir_otlp_answer_grpc(way->kind->signal, &verdict, rejected, answer);
}

void weir_otlp_grpc(struct weir_otlp *otlp, struct weir_grpc_method ret_methods[WEIR_OTLP_METHODS])
{
	for (size_t i = 0; i < KINDS; i++) {
		ret_methods[i] = (struct weir_grpc_method){
			.path = kinds[i].method, .unary = grpc_export, .ctx = &otlp->ways[i], .refused = refused
		};
	}
}

/* ---- HTTP ----------------------------------------------------------------- */

/* False: neither of the two. */
static bool encoding_of(struct weir_str type, enum weir_otlp_encoding *ret)
{
	struct weir_str name = weir_str_trim(weir_str_cut(&type, ';'));

	if (weir_str_equal_ignoring_case(name, "application/x-protobuf") ||
		weir_str_equal_ignoring_case(name, "application/protobuf")) {
		*ret = WEIR_OTLP_PROTOBUF;
		return true;
	}
	*ret = WEIR_OTLP_JSON;
	return weir_str_equal_ignoring_case(name, "application/json");
}

static void http_export(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	const struct way *way = ctx;
	struct weir_offer offer = { .protocol = WEIR_PROTOCOL_OTLP_HTTP,
		.method = way->kind->path,
		.peer = weir_http_request_peer(request),
		.identity = weir_http_request_identity(request) };
	enum weir_otlp_encoding encoding;
	struct weir_verdict verdict;
	uint64_t rejected;

	if (!encoding_of(weir_http_request_header(request, "content-type"), &encoding)) {
		weir_stat_refused(way->kind->signal, WEIR_REFUSAL_MALFORMED, 1);
		weir_otlp_answer_unknown_type(response);
		return;
	}
	verdict = take(way, encoding, weir_http_request_body(request), &offer, &rejected);
	weir_otlp_answer_http(way->kind->signal, encoding, &verdict, rejected, response);
}

/* A body that serve did not hand on; of a type that is none of ours it stays plain text. */
static void spell(void *ctx, const struct weir_http_request *request, unsigned status, const char *text,
	struct weir_http_response *response)
{
	enum weir_otlp_encoding encoding;

	(void)ctx;
	if (encoding_of(weir_http_request_header(request, "content-type"), &encoding)) {
		weir_otlp_answer_refusal(encoding, status, text, response);
	}
}

void weir_otlp_http(struct weir_otlp *otlp, struct weir_http_route ret_routes[WEIR_OTLP_ROUTES])
{
	for (size_t i = 0; i < KINDS; i++) {
		ret_routes[i] = (struct weir_http_route){ .method = "POST",
			.path = kinds[i].path,
			.kind = WEIR_ROUTE_INGEST,
			.fn = http_export,
			.ctx = &otlp->ways[i],
			.refused = refused,
			.spell = spell };
	}
}
