/* tracespan: spans out of reports (wire.md 1.6).
 *
 *   trace id, span id, parent   x-b3-traceid, x-b3-spanid, x-b3-parentspanid of the request
 *   kind                        CLIENT of the caller's proxy; SERVER of the callee's, with the
 *                               same span id (SHARED): Envoy's B3 spans are of both sides
 *   name, start                 request.path, request.time
 *   duration                    response.duration, else response.time - request.time
 *   service                     of the reporting side, as Envoy calls it: productpage.default
 *   peer                        the other side's
 *   tags                        http.method, http.status_code, http.url, request.size,
 *                               response.size, source.principal, source.version; error
 *
 * A request with x-b3-sampled 0 is none: somebody decided that its trace is not
 * to be kept, and one proxy's half of it would be of no use.
 *
 * Invariants
 *  1. Ids that are no hex of their length make no span; the request stays.
 *  2. A side has one row of `resources` in a report.
 *
 * One thread: the listener whose draft it is. */
#include "decode/mixer/tracespan.h"

#include "base/hex.h"

/* `size` bytes from twice as many hex digits or, for a trace id, as many (its
 * last half). False, and all zero: it is none. */
static bool id_read(const struct weir_word *word, uint8_t *ret, size_t size)
{
	static const uint8_t zero[16];

	memset(ret, 0, size);
	return word != NULL && (word->text.length == 2 * size || (size == 16 && word->text.length == size)) &&
	       weir_hex_read(word->text, ret, size) && memcmp(ret, zero, size) != 0;
}

static bool is_unsampled(const struct weir_word *sampled)
{
	return sampled != NULL && (weir_str_is(sampled->text, "0") || weir_str_is(sampled->text, "false"));
}

/* The address of one end; unset when it is no address. */
static void address_fill(const struct weir_bag *bag, enum weir_ends_side side, struct weir_address *ret)
{
	unsigned end = side == WEIR_ENDS_SOURCE ? 0 : WEIR_WORDS_DESTINATION_UID - WEIR_WORDS_SOURCE_UID;
	uint64_t port = weir_bag_count(bag, WEIR_WORDS_SOURCE_PORT + end);

	if (weir_bag_has(bag, WEIR_WORDS_SOURCE_IP + end)) {
		weir_bag_address(bag->values[WEIR_WORDS_SOURCE_IP + end].bytes, port, ret);
	}
}

static uint32_t resource_of(
	const struct weir_tracespan_opts *opts, struct weir_ends_row *local, enum weir_ends_side side)
{
	struct weir_resource *row;

	if (local->resource == WEIR_NONE) {
		struct weir_ref service = weir_ends_spoken(opts->ends, local);

		row = weir_draft_resource(opts->ends->draft);
		if (row == NULL) {
			return 0; /* the draft is exhausted: nothing of it will be used */
		}
		row->service = service;
		row->proxy = opts->request->call.proxy;
		address_fill(opts->bag, side, &row->address);
		local->resource = opts->ends->draft->resources.count - 1;
	}
	return local->resource;
}

enum key { METHOD, STATUS_CODE, URL, REQUEST_SIZE, RESPONSE_SIZE, PRINCIPAL, VERSION, ERROR };

static struct weir_ref key_of(struct weir_tracespan *spans, struct weir_draft *draft, enum key key)
{
	static const char *const keys[WEIR_TRACESPAN_KEYS] = {
		[METHOD] = "http.method",
		[STATUS_CODE] = "http.status_code",
		[URL] = "http.url",
		[REQUEST_SIZE] = "request.size",
		[RESPONSE_SIZE] = "response.size",
		[PRINCIPAL] = "source.principal",
		[VERSION] = "source.version",
		[ERROR] = "error",
	};

	if (spans->keys[key].length == 0) {
		spans->keys[key] = weir_draft_copy(draft, weir_str_of(keys[key]));
	}
	return spans->keys[key];
}

static void tag_text(struct weir_tracespan *spans, struct weir_draft *draft, enum key key, struct weir_ref text)
{
	if (text.length > 0) {
		weir_detail_string(draft, key_of(spans, draft, key), text);
	}
}

static void tag_size(
	struct weir_tracespan *spans, const struct weir_tracespan_opts *opts, enum key key, enum weir_words_slot slot)
{
	struct weir_draft *draft = opts->ends->draft;

	if (weir_bag_has(opts->bag, slot)) {
		weir_detail_int(draft, key_of(spans, draft, key), (int64_t)weir_bag_count(opts->bag, slot));
	}
}

static void add_tags(struct weir_tracespan *spans, const struct weir_tracespan_opts *opts, bool is_error)
{
	const struct weir_request *request = opts->request;
	struct weir_draft *draft = opts->ends->draft;
	struct weir_word *method = weir_bag_word(opts->bag, WEIR_WORDS_REQUEST_METHOD);

	method = method != NULL ? method : opts->headers->requests[WEIR_WORDS_HEADER_METHOD];
	if (method != NULL) {
		tag_text(spans, draft, METHOD, weir_bag_ref(draft, method));
	}
	weir_detail_int(draft, key_of(spans, draft, STATUS_CODE), request->response_code);
	tag_text(spans, draft, URL, request->path);
	tag_size(spans, opts, REQUEST_SIZE, WEIR_WORDS_REQUEST_SIZE);
	tag_size(spans, opts, RESPONSE_SIZE, WEIR_WORDS_RESPONSE_SIZE);
	tag_text(spans, draft, PRINCIPAL, request->call.source_principal);
	if (opts->source->workload != WEIR_NONE) {
		const struct weir_workload *workloads = draft->workloads.data;

		tag_text(spans, draft, VERSION, workloads[opts->source->workload].version);
	}
	if (is_error) {
		if (spans->yes.length == 0) {
			spans->yes = weir_draft_copy(draft, weir_str_of("true"));
		}
		tag_text(spans, draft, ERROR, spans->yes);
	}
}

void weir_tracespan_add(struct weir_tracespan *spans, const struct weir_tracespan_opts *opts)
{
	struct weir_word *const *headers = opts->headers->requests;
	const struct weir_request *request = opts->request;
	bool is_client = request->call.reporter == WEIR_REPORTER_SOURCE;
	bool is_error = request->response_code >= 500 || request->response_code == 0;
	uint8_t trace_id[16], span_id[8];
	struct weir_draft *draft = opts->ends->draft;
	struct weir_ref peer;
	uint32_t resource, attr_first;
	struct weir_span *span;

	if (!id_read(headers[WEIR_WORDS_HEADER_TRACE_ID], trace_id, sizeof(trace_id)) ||
		!id_read(headers[WEIR_WORDS_HEADER_SPAN_ID], span_id, sizeof(span_id)) ||
		is_unsampled(headers[WEIR_WORDS_HEADER_SAMPLED])) {
		return;
	}
	resource = resource_of(opts, is_client ? opts->source : opts->destination,
		is_client ? WEIR_ENDS_SOURCE : WEIR_ENDS_DESTINATION);
	peer = weir_ends_spoken(opts->ends, is_client ? opts->destination : opts->source);
	attr_first = draft->attrs.count;
	add_tags(spans, opts, is_error);
	span = weir_draft_span(draft);
	if (span == NULL) {
		return;
	}
	memcpy(span->trace_id, trace_id, sizeof(trace_id));
	memcpy(span->span_id, span_id, sizeof(span_id));
	(void)id_read(
		headers[WEIR_WORDS_HEADER_PARENT_ID], span->parent_id, sizeof(span->parent_id)); /* none: a root */
	if (memcmp(span->parent_id, span_id, sizeof(span_id)) == 0) {
		memset(span->parent_id, 0, sizeof(span->parent_id));
	}
	span->start_ns = request->start_ns;
	span->duration_ns = request->duration_ns;
	span->resource = resource;
	span->kind = is_client ? WEIR_SPAN_CLIENT : WEIR_SPAN_SERVER;
	span->flags = (uint8_t)((is_client ? 0 : WEIR_SPAN_SHARED) | (is_error ? WEIR_SPAN_ERROR : 0) |
				(request->start_ns == 0 ? WEIR_SPAN_NO_START : 0));
	span->attr_first = attr_first;
	span->attr_count = draft->attrs.count - attr_first;
	span->name = request->path;
	span->peer = peer;
	span->peer_address = request->peer_address;
}
