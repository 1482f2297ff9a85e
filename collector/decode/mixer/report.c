/* report: the bags of a ReportRequest → requests, connections and spans.
 *
 *   ReportRequest { 1 attributes …       CompressedAttributes each: bag.c
 *                   2 default_words …    behind them, yet needed for them
 *                   3 global_word_count
 *                   4 repeated_attributes_semantics  0 DELTA, 1 INDEPENDENT }
 *
 * What a bag is, by context.protocol: `tcp` is a report about a connection,
 * `http` and `grpc` a finished request. Of another protocol or none,
 * connection.event tells a connection, and anything that speaks of a request
 * or an answer a request. What tells neither is no record of anything.
 *
 *   request.bytes    request.total_size, else request.size; responses alike
 *   response_code    response.code, else 200 (as Mixer's own rules had it)
 *   a header that an attribute could have told (its path, its id) is read when
 *   the attribute is not there
 *   probes           of the kubelet, of gRPC's health and scrapes of Prometheus
 *                    are in no metric (Mixer's own rules again)
 *   connection bytes running totals where the bag has them (and a name for the
 *                    connection), else what came since its last report
 *
 * The draft's body is narrowed to the default words before the first ref is
 * made: the indexes are no text, and would be the larger half of what goes into
 * the ring. A bag's own words are copied.
 *
 * Invariants
 *  1. offered = requests + connections + dropped: each bag is counted once.
 *  2. A bag that cannot be understood is dropped alone; a message that cannot
 *     be read is malformed as a whole, and nothing of it counts.
 *
 * One thread: the listener's. */
#include "decode/mixer/report.h"

#include "decode/mixer/call.h"
#include "decode/mixer/detail.h"
#include "decode/mixer/tracespan.h"
#include "decode/wire.h"

enum {
	ATTRIBUTES = 1 << 3 | WEIR_WIRE_BYTES,
	DEFAULT_WORDS = 2 << 3 | WEIR_WIRE_BYTES,
	GLOBAL_WORD_COUNT = 3 << 3 | WEIR_WIRE_VARINT,
	SEMANTICS = 4 << 3 | WEIR_WIRE_VARINT,
};

enum { DELTA = 0, INDEPENDENT = 1 };

struct shape { /* of the message, before any bag is read */
	uint32_t bags, words, global_words;
	int32_t semantics;
	struct weir_str words_span; /* from the first default word to the last */
};

struct report {
	struct weir_draft *draft;
	struct weir_bag_reader *reader;
	struct weir_calls calls;
	struct weir_tracespan spans;
	struct weir_detail_headers headers;
};

/* ---- requests ----------------------------------------------------------- */

/* The attribute, else the header that says the same. */
static struct weir_word *word_of(const struct report *report, enum weir_words_slot slot, enum weir_words_header header)
{
	struct weir_word *word = weir_bag_word(&report->reader->bag, slot);

	return word != NULL ? word : report->headers.requests[header];
}

static struct weir_ref ref_of(const struct report *report, enum weir_words_slot slot, enum weir_words_header header)
{
	struct weir_word *word = word_of(report, slot, header);

	return word != NULL ? weir_bag_ref(report->draft, word) : (struct weir_ref){ 0, 0 };
}

static uint8_t method_of(const struct weir_word *word)
{
	static const struct {
		struct weir_str name;
		uint8_t method;
	} methods[] = { { { "GET", 3 }, WEIR_METHOD_GET }, { { "POST", 4 }, WEIR_METHOD_POST },
		{ { "PUT", 3 }, WEIR_METHOD_PUT }, { { "DELETE", 6 }, WEIR_METHOD_DELETE },
		{ { "HEAD", 4 }, WEIR_METHOD_HEAD }, { { "PATCH", 5 }, WEIR_METHOD_PATCH },
		{ { "OPTIONS", 7 }, WEIR_METHOD_OPTIONS }, { { "CONNECT", 7 }, WEIR_METHOD_CONNECT },
		{ { "TRACE", 5 }, WEIR_METHOD_TRACE } };

	for (size_t i = 0; word != NULL && i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (weir_str_equal(word->text, methods[i].name)) {
			return methods[i].method;
		}
	}
	return WEIR_METHOD_UNSPECIFIED;
}

static bool is_probe(const struct weir_word *agent, const struct weir_word *path)
{
	const struct weir_str none = { NULL, 0 };

	return weir_call_is_probe(agent != NULL ? agent->text : none, path != NULL ? path->text : none);
}

static bool is_hex(struct weir_str text)
{
	unsigned strange = 0; /* without a branch for each digit: ids are random */

	for (size_t i = 0; i < text.length; i++) {
		unsigned c = (unsigned char)text.data[i];

		strange |= (unsigned)(c - '0' > 9) & (unsigned)((c | 0x20) - 'a' > 5);
	}
	return strange == 0;
}

/* x-b3-traceid, else the second part of a traceparent. */
static struct weir_ref trace_id_of(const struct report *report)
{
	struct weir_word *word = report->headers.requests[WEIR_WORDS_HEADER_TRACE_ID];
	struct weir_ref ref;

	if (word != NULL && (word->text.length == 16 || word->text.length == 32) && is_hex(word->text)) {
		return weir_bag_ref(report->draft, word);
	}
	word = report->headers.requests[WEIR_WORDS_HEADER_TRACEPARENT];
	if (word == NULL || word->text.length < 55 || word->text.data[2] != '-' || word->text.data[35] != '-' ||
		!is_hex(weir_str_make(word->text.data + 3, 32))) {
		return (struct weir_ref){ 0, 0 };
	}
	ref = weir_bag_ref(report->draft, word);
	return ref.length == word->text.length ? (struct weir_ref){ ref.offset + 3, 32 } : (struct weir_ref){ 0, 0 };
}

static int32_t grpc_status_of(const struct weir_bag *bag)
{
	unsigned long long status;

	if (!weir_bag_has(bag, WEIR_WORDS_GRPC_STATUS) ||
		weir_str_to_u64(weir_bag_text(bag, WEIR_WORDS_GRPC_STATUS), &status) < 0 || status > INT32_MAX) {
		return WEIR_GRPC_STATUS_NONE;
	}
	return (int32_t)status;
}

/* The first of the two that is set. */
static uint64_t bytes_of(const struct weir_bag *bag, enum weir_words_slot total, enum weir_words_slot body)
{
	return weir_bag_count(bag, weir_bag_has(bag, total) ? total : body);
}

static uint64_t duration_of(const struct weir_bag *bag)
{
	uint64_t begin = weir_bag_ns(bag, WEIR_WORDS_REQUEST_TIME), end = weir_bag_ns(bag, WEIR_WORDS_RESPONSE_TIME);

	if (weir_bag_has(bag, WEIR_WORDS_RESPONSE_DURATION)) {
		return weir_bag_ns(bag, WEIR_WORDS_RESPONSE_DURATION);
	}
	return begin > 0 && end > begin ? end - begin : 0;
}

/* The end that is not the reporter's. */
static void peer_fill(const struct weir_bag *bag, const struct weir_call *call, struct weir_address *ret)
{
	unsigned end = call->reporter == WEIR_REPORTER_SOURCE ? WEIR_WORDS_DESTINATION_UID - WEIR_WORDS_SOURCE_UID : 0;

	if (weir_bag_has(bag, WEIR_WORDS_SOURCE_IP + end)) {
		weir_bag_address(bag->values[WEIR_WORDS_SOURCE_IP + end].bytes,
			weir_bag_count(bag, WEIR_WORDS_SOURCE_PORT + end), ret);
	}
}

static bool is_grpc(const struct weir_bag *bag)
{
	struct weir_str api = weir_bag_text(bag, WEIR_WORDS_API_PROTOCOL);

	if (weir_str_is(api, "grpc") || weir_str_is(api, "http")) {
		return weir_str_is(api, "grpc");
	}
	return weir_str_is(weir_bag_text(bag, WEIR_WORDS_PROTOCOL), "grpc");
}

static void take_request(struct report *report)
{
	const struct weir_bag *bag = &report->reader->bag;
	struct weir_draft *draft = report->draft;
	struct weir_request *row = weir_draft_request(draft); /* stays where it is until the next one */
	uint64_t code =
		weir_bag_has(bag, WEIR_WORDS_RESPONSE_CODE) ? weir_bag_count(bag, WEIR_WORDS_RESPONSE_CODE) : 200;

	if (row == NULL) {
		return;
	}
	weir_detail_find(report->reader, &report->headers);
	row->authority = ref_of(report, WEIR_WORDS_REQUEST_HOST, WEIR_WORDS_HEADER_AUTHORITY);
	weir_calls_fill(&report->calls, row->authority, &row->call);
	row->call.protocol = is_grpc(bag) ? WEIR_REQUEST_GRPC : WEIR_REQUEST_HTTP;
	row->start_ns = weir_bag_ns(bag, WEIR_WORDS_REQUEST_TIME);
	row->duration_ns = duration_of(bag);
	row->request_bytes = bytes_of(bag, WEIR_WORDS_REQUEST_TOTAL, WEIR_WORDS_REQUEST_SIZE);
	row->response_bytes = bytes_of(bag, WEIR_WORDS_RESPONSE_TOTAL, WEIR_WORDS_RESPONSE_SIZE);
	row->grpc_status = grpc_status_of(bag);
	row->response_code = code <= UINT16_MAX ? (uint16_t)code : 0;
	row->method = method_of(word_of(report, WEIR_WORDS_REQUEST_METHOD, WEIR_WORDS_HEADER_METHOD));
	row->path = ref_of(report, WEIR_WORDS_REQUEST_PATH, WEIR_WORDS_HEADER_PATH);
	row->call.is_probe = is_probe(word_of(report, WEIR_WORDS_REQUEST_USER_AGENT, WEIR_WORDS_HEADER_USER_AGENT),
		word_of(report, WEIR_WORDS_REQUEST_PATH, WEIR_WORDS_HEADER_PATH));
	row->user_agent = ref_of(report, WEIR_WORDS_REQUEST_USER_AGENT, WEIR_WORDS_HEADER_USER_AGENT);
	row->request_id = ref_of(report, WEIR_WORDS_REQUEST_ID, WEIR_WORDS_HEADER_REQUEST_ID);
	row->trace_id = trace_id_of(report);
	peer_fill(bag, &row->call, &row->peer_address);
	row->attr_first = draft->attrs.count;
	weir_detail_add(report->reader, &report->headers);
	row->attr_count = draft->attrs.count - row->attr_first;
	if (report->headers.requests[WEIR_WORDS_HEADER_SPAN_ID] != NULL) {
		const struct weir_tracespan_opts opts = { .bag = bag,
			.headers = &report->headers,
			.request = row,
			.ends = &report->calls.ends,
			.source = report->calls.source,
			.destination = report->calls.destination };

		weir_tracespan_add(&report->spans, &opts);
	}
}

/* ---- connections -------------------------------------------------------- */

static enum weir_connection_state state_of(const struct weir_bag *bag)
{
	struct weir_str event = weir_bag_text(bag, WEIR_WORDS_CONNECTION_EVENT);

	if (weir_str_is(event, "open")) {
		return WEIR_CONNECTION_OPEN;
	}
	/* Proxies before 1.1 told no event, and a duration only at the end. */
	return weir_str_is(event, "close") || (event.length == 0 && weir_bag_has(bag, WEIR_WORDS_CONNECTION_DURATION))
		       ? WEIR_CONNECTION_CLOSE
		       : WEIR_CONNECTION_CONTINUE;
}

static void bytes_fill(const struct weir_bag *bag, struct weir_connection *row)
{
	bool has_totals = weir_bag_has(bag, WEIR_WORDS_RECEIVED_TOTAL) || weir_bag_has(bag, WEIR_WORDS_SENT_TOTAL);
	bool has_deltas = weir_bag_has(bag, WEIR_WORDS_RECEIVED_BYTES) || weir_bag_has(bag, WEIR_WORDS_SENT_BYTES);

	if (has_totals && (row->stream_id.length > 0 || !has_deltas)) {
		row->received_bytes = weir_bag_count(bag, WEIR_WORDS_RECEIVED_TOTAL);
		row->sent_bytes = weir_bag_count(bag, WEIR_WORDS_SENT_TOTAL);
		return;
	}
	row->is_delta = 1;
	row->received_bytes = weir_bag_count(bag, WEIR_WORDS_RECEIVED_BYTES);
	row->sent_bytes = weir_bag_count(bag, WEIR_WORDS_SENT_BYTES);
}

static void take_connection(struct report *report)
{
	const struct weir_bag *bag = &report->reader->bag;
	struct weir_draft *draft = report->draft;
	struct weir_connection *row = weir_draft_connection(draft);

	if (row == NULL) {
		return;
	}
	weir_calls_fill(&report->calls, (struct weir_ref){ 0, 0 }, &row->call);
	row->call.protocol = WEIR_REQUEST_TCP;
	row->duration_ns = weir_bag_ns(bag, WEIR_WORDS_CONNECTION_DURATION);
	/* The report's own time: a connection's beginning is only known at its end. */
	row->start_ns = weir_bag_ns(bag, WEIR_WORDS_CONTEXT_TIME);
	row->start_ns = row->start_ns > row->duration_ns ? row->start_ns - row->duration_ns : 0;
	row->state = (uint8_t)state_of(bag);
	row->stream_id = weir_bag_text_ref(draft, bag, WEIR_WORDS_CONNECTION_ID);
	row->sni = weir_bag_text_ref(draft, bag, WEIR_WORDS_CONNECTION_SNI);
	bytes_fill(bag, row);
	peer_fill(bag, &row->call, &row->peer_address);
	row->attr_first = draft->attrs.count;
	weir_detail_add(report->reader, NULL);
	row->attr_count = draft->attrs.count - row->attr_first;
}

/* ---- bags --------------------------------------------------------------- */

enum subject { NOTHING, REQUEST, CONNECTION };

static enum subject subject_of(const struct weir_bag *bag)
{
	struct weir_str protocol = weir_bag_text(bag, WEIR_WORDS_PROTOCOL);
	const uint64_t about_request =
		UINT64_C(1) << WEIR_WORDS_RESPONSE_CODE | UINT64_C(1) << WEIR_WORDS_REQUEST_METHOD |
		UINT64_C(1) << WEIR_WORDS_REQUEST_PATH | UINT64_C(1) << WEIR_WORDS_REQUEST_HEADERS;

	if (weir_str_is(protocol, "http") || weir_str_is(protocol, "grpc")) {
		return REQUEST;
	}
	if (weir_str_is(protocol, "tcp") || weir_bag_has(bag, WEIR_WORDS_CONNECTION_EVENT)) {
		return CONNECTION;
	}
	return (bag->known & about_request) != 0 ? REQUEST : NOTHING;
}

/* False: malformed, or the arena is full. */
static bool take_bag(struct report *report, struct weir_str message)
{
	struct weir_draft *draft = report->draft;
	enum weir_bag_outcome outcome = weir_bag_read(report->reader, message);
	enum subject subject;

	if (outcome == WEIR_BAG_MALFORMED || outcome == WEIR_BAG_FULL) {
		return false;
	}
	draft->offered++;
	subject = outcome == WEIR_BAG_READ ? subject_of(&report->reader->bag) : NOTHING;
	if (subject == REQUEST) {
		take_request(report);
	} else if (subject == CONNECTION) {
		take_connection(report);
	} else {
		draft->dropped[WEIR_DROP_INVALID]++;
	}
	return !draft->is_exhausted;
}

/* ---- messages ----------------------------------------------------------- */

static bool shape_read(struct weir_str body, struct shape *ret)
{
	struct weir_wire wire = weir_wire_of(body);
	struct weir_wire_field field;

	*ret = (struct shape){ 0 };
	while (weir_wire_next(&wire, &field)) {
		switch (field.tag) {
		case ATTRIBUTES:
			ret->bags++;
			break;
		case DEFAULT_WORDS:
			if (ret->words++ == 0) {
				ret->words_span.data = field.bytes.data;
			}
			ret->words_span.length = (size_t)(field.bytes.data + field.bytes.length - ret->words_span.data);
			break;
		case GLOBAL_WORD_COUNT:
			ret->global_words = (uint32_t)field.value;
			break;
		case SEMANTICS:
			ret->semantics = (int32_t)(uint32_t)field.value;
			break;
		default:
			break;
		}
	}
	return !wire.is_malformed;
}

static int decode(struct weir_draft *draft, const struct shape *shape, struct weir_str *ret_reporter)
{
	struct weir_str message = draft->body;
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct report *report = weir_arena_alloc(draft->arena, sizeof(*report));

	if (report == NULL) {
		return WEIR_DECODE_TOO_LARGE;
	}
	draft->body = weir_str_make(shape->words > 0 ? shape->words_span.data : message.data, shape->words_span.length);
	report->draft = draft;
	report->spans = (struct weir_tracespan){ 0 };
	report->reader = weir_bag_reader_create(draft, shape->semantics == DELTA);
	if (report->reader == NULL) {
		return WEIR_DECODE_TOO_LARGE;
	}
	weir_calls_init(&report->calls, report->reader);
	while (shape->words > 0 && weir_wire_next(&wire, &field)) {
		if (field.tag == DEFAULT_WORDS && !weir_bag_add_default(report->reader, field.bytes)) {
			return WEIR_DECODE_TOO_LARGE;
		}
	}
	wire = weir_wire_of(message);
	while (weir_wire_next(&wire, &field)) {
		if (field.tag != ATTRIBUTES) {
			continue;
		}
		if (!take_bag(report, field.bytes)) {
			draft->error = "a set of attributes cannot be read";
			draft->error_offset = (size_t)(field.bytes.data - message.data);
			return draft->is_exhausted ? WEIR_DECODE_TOO_LARGE : WEIR_DECODE_MALFORMED;
		}
		if (ret_reporter->length == 0) {
			*ret_reporter = weir_identity_proxy(report->calls.reporter);
		}
	}
	return 0;
}

int weir_report_decode(struct weir_draft *draft, struct weir_str *ret_reporter)
{
	struct shape shape;

	*ret_reporter = (struct weir_str){ NULL, 0 };
	if (!shape_read(draft->body, &shape)) {
		draft->error = "the report is no ReportRequest";
		return WEIR_DECODE_MALFORMED;
	}
	if (shape.global_words > WEIR_WORDS_GLOBAL) {
		/* Proxies compare the beginning of this. */
		draft->error = "Request could not be processed due to invalid arguments: "
			       "global_word_count is above the 222 words that are known here";
		return WEIR_DECODE_MALFORMED;
	}
	if (shape.semantics != DELTA && shape.semantics != INDEPENDENT) {
		draft->offered = draft->dropped[WEIR_DROP_INVALID] = shape.bags;
		return 0;
	}
	return decode(draft, &shape, ret_reporter);
}
