/* fuzz_mixer: any bytes through the decoder of Mixer's reports, with
 * protobuf-c's generated types and a plain expander of the rules as oracle.
 *
 * The expander does what Mixer's documents say and nothing cleverly: each bag
 * becomes a list of named values, looked up by text; then a record is told as
 * text, from the list on one side and from the batch on the other.
 *
 * Not compared is, beyond what comparable.h says, text that is repaired, and a
 * message of so many names that some have no slot. */
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/utf8.h"
#include "comparable.h"
#include "decode/mixer/check.h"
#include "decode/mixer/report.h"
#include "decode/mixer/words.h"
#include "mixer_expander.h"

#define BAGS_MAX 256u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Text that is repaired, or that a NUL would end, is ours to judge. */
static bool is_alike(const ProtobufCFieldDescriptor *known, const struct weir_wire_field *field)
{
	return known->type != PROTOBUF_C_TYPE_STRING || field->bytes.length == 0 ||
	       (memchr(field->bytes.data, '\0', field->bytes.length) == NULL && weir_utf8_is_valid(field->bytes));
}

/* ---- a record as text ----------------------------------------------------- */

struct text { /* of one record */
	char data[4096];
	size_t length;
};

__attribute__((format(printf, 2, 3))) static void say(struct text *text, const char *format, ...)
{
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(text->data + text->length, sizeof(text->data) - text->length, format, args);
	va_end(args);
	weir_assert(n >= 0);
	text->length +=
		(size_t)n < sizeof(text->data) - text->length ? (size_t)n : sizeof(text->data) - text->length - 1;
}

static const char *string(struct expander *expander, const char *name)
{
	const struct value *value = get(expander, name);

	return value != NULL ? value->text : "";
}

static unsigned long long count(struct expander *expander, const char *name)
{
	const struct value *value = get(expander, name);

	return value != NULL && value->number > 0 ? (unsigned long long)value->number : 0;
}

/* The last header of that name, or NULL. */
static const char *header(struct expander *expander, const char *name)
{
	const struct value *value = get(expander, "request.headers");
	const char *found = NULL;

	for (size_t i = 0; value != NULL && i < value->pair_count; i++) {
		found = strcmp(value->pairs[i].key, name) == 0 ? value->pairs[i].value : found;
	}
	return found;
}

static const char *either(struct expander *expander, const char *name, const char *header_name)
{
	const char *text = header(expander, header_name);

	return get(expander, name) != NULL ? string(expander, name) : text != NULL ? text : "";
}

static void say_call(struct text *text, struct expander *expander, const char *asked)
{
	bool is_source = strcmp(string(expander, "context.reporter.kind"), "outbound") == 0;
	const char *name = string(expander, "destination.service.name");
	const char *host = string(expander, "destination.service.host");
	const struct value *mtls = get(expander, "connection.mtls");
	const char *uid = string(expander, "context.reporter.uid");

	if (host[0] == '\0' && name[0] != '\0' && strcmp(name, "unknown") != 0) {
		host = asked;
	}
	if (host[0] == '\0') {
		host = string(expander, "destination.service");
	}
	if (uid[0] == '\0') {
		uid = string(expander, is_source ? "source.uid" : "destination.uid");
	}
	if (strncmp(uid, "kubernetes://", 13) == 0 && uid[13] != '\0') {
		uid += 13;
	} else if (strchr(uid, '~') != NULL) {
		uid = "~"; /* a node id's part: not said again here */
	}
	say(text, "%s host=%s proxy=%s security=%d ", is_source ? "source" : "destination", host, uid,
		is_source                           ? WEIR_SECURITY_UNKNOWN
		: mtls != NULL && mtls->number != 0 ? WEIR_SECURITY_MUTUAL_TLS
						    : WEIR_SECURITY_NONE);
	if (name[0] != '\0') {
		say(text, "name=%s ", name);
	}
	for (int end = 0; end < 2; end++) {
		const char *who = string(expander, end == 0 ? "source.principal" : "destination.principal");

		if (who[0] == '\0') {
			who = string(expander, end == 0 ? "source.user" : "destination.user");
		}
		say(text, "principal=%s%s ", who[0] == '\0' || strncmp(who, "spiffe://", 9) == 0 ? "" : "spiffe://",
			who);
	}
}

static void say_request(struct text *text, struct expander *expander)
{
	const struct value *code = get(expander, "response.code"), *took = get(expander, "response.duration");
	unsigned long long begin = count(expander, "request.time"), end = count(expander, "response.time");
	const char *api = string(expander, "api.protocol"), *host = either(expander, "request.host", ":authority");
	bool is_grpc = strcmp(string(expander, "context.protocol"), "grpc") == 0;
	long long status = code != NULL ? (code->number > 0 ? code->number : 0) : 200;

	if (strcmp(api, "grpc") == 0 || strcmp(api, "http") == 0) {
		is_grpc = api[0] == 'g';
	}
	say_call(text, expander, host);
	say(text, "%s code=%lld at=%llu took=%llu in=%llu out=%llu ", is_grpc ? "grpc" : "http",
		status <= UINT16_MAX ? status : 0, begin,
		took != NULL               ? (unsigned long long)took->number
		: begin > 0 && end > begin ? end - begin
					   : 0,
		count(expander, get(expander, "request.total_size") ? "request.total_size" : "request.size"),
		count(expander, get(expander, "response.total_size") ? "response.total_size" : "response.size"));
	say(text, "host=%s path=%s agent=%s id=%s", host, either(expander, "request.path", ":path"),
		either(expander, "request.useragent", "user-agent"), either(expander, "request.id", "x-request-id"));
}

static void say_connection(struct text *text, struct expander *expander)
{
	const char *event = string(expander, "connection.event"), *id = string(expander, "connection.id");
	unsigned long long at = count(expander, "context.time"), took = count(expander, "connection.duration");
	bool has_totals = get(expander, "connection.received.bytes_total") != NULL ||
			  get(expander, "connection.sent.bytes_total") != NULL;
	bool has_deltas =
		get(expander, "connection.received.bytes") != NULL || get(expander, "connection.sent.bytes") != NULL;
	bool is_delta = !has_totals || (id[0] == '\0' && has_deltas);
	int state = strcmp(event, "open") == 0 ? WEIR_CONNECTION_OPEN
		    : strcmp(event, "close") == 0 || (event[0] == '\0' && get(expander, "connection.duration") != NULL)
			    ? WEIR_CONNECTION_CLOSE
			    : WEIR_CONNECTION_CONTINUE;

	say_call(text, expander, "");
	say(text, "tcp state=%d id=%s at=%llu took=%llu delta=%d in=%llu out=%llu", state, id,
		at > took ? at - took : 0, took, is_delta,
		count(expander, is_delta ? "connection.received.bytes" : "connection.received.bytes_total"),
		count(expander, is_delta ? "connection.sent.bytes" : "connection.sent.bytes_total"));
}

/* 'r', 'c', or 'd' for dropped. */
static char tell(struct text *text, struct expander *expander)
{
	const char *protocol = string(expander, "context.protocol");

	text->length = 0;
	if (!expander->is_valid) {
		return 'd';
	}
	if (strcmp(protocol, "http") == 0 || strcmp(protocol, "grpc") == 0) {
		say_request(text, expander);
		return 'r';
	}
	if (strcmp(protocol, "tcp") == 0 || get(expander, "connection.event") != NULL) {
		say_connection(text, expander);
		return 'c';
	}
	if (get(expander, "response.code") != NULL || get(expander, "request.method") != NULL ||
		get(expander, "request.path") != NULL || get(expander, "request.headers") != NULL) {
		say_request(text, expander);
		return 'r';
	}
	return 'd';
}

/* ---- the same of a batch -------------------------------------------------- */

static void say_ref(struct text *text, const struct weir_batch *batch, const char *before, struct weir_ref ref)
{
	struct weir_str told = weir_batch_str(batch, ref);

	say(text, "%s%.*s", before, (int)told.length, ref.length > 0 ? told.data : "");
}

static void say_row_call(
	struct text *text, const struct weir_batch *batch, const struct weir_call *call, bool has_name, bool is_node)
{
	say(text, "%s", call->reporter == WEIR_REPORTER_SOURCE ? "source" : "destination");
	say_ref(text, batch, " host=", call->service_host);
	if (is_node) {
		say(text, " proxy=~");
	} else {
		say_ref(text, batch, " proxy=", call->proxy);
	}
	say(text, " security=%d ", call->security);
	if (has_name) {
		say_ref(text, batch, "name=", call->service_name);
		say(text, " ");
	}
	say_ref(text, batch, "principal=", call->source_principal);
	say_ref(text, batch, " principal=", call->destination_principal);
	say(text, " ");
}

static void say_row_request(struct text *text, const struct weir_batch *batch, const struct weir_request *row)
{
	say(text, "%s code=%d at=%llu took=%llu in=%llu out=%llu",
		row->call.protocol == WEIR_REQUEST_GRPC ? "grpc" : "http", row->response_code,
		(unsigned long long)row->start_ns, (unsigned long long)row->duration_ns,
		(unsigned long long)row->request_bytes, (unsigned long long)row->response_bytes);
	say_ref(text, batch, " host=", row->authority);
	say_ref(text, batch, " path=", row->path);
	say_ref(text, batch, " agent=", row->user_agent);
	say_ref(text, batch, " id=", row->request_id);
}

static void say_row_connection(struct text *text, const struct weir_batch *batch, const struct weir_connection *row)
{
	say(text, "tcp state=%d", row->state);
	say_ref(text, batch, " id=", row->stream_id);
	say(text, " at=%llu took=%llu delta=%d in=%llu out=%llu", (unsigned long long)row->start_ns,
		(unsigned long long)row->duration_ns, row->is_delta, (unsigned long long)row->received_bytes,
		(unsigned long long)row->sent_bytes);
}

static bool is_node_id(struct expander *expander)
{
	bool is_source = strcmp(string(expander, "context.reporter.kind"), "outbound") == 0;
	const char *uid = string(expander, "context.reporter.uid");

	if (uid[0] == '\0') {
		uid = string(expander, is_source ? "source.uid" : "destination.uid");
	}
	return strchr(uid, '~') != NULL && !(strncmp(uid, "kubernetes://", 13) == 0 && uid[13] != '\0');
}

static void compare(const struct weir_batch *batch, const Report *report)
{
	static struct expander expander;
	static struct text want, have;
	uint32_t requests = 0, connections = 0, dropped = 0;

	expander.report = report;
	expander.count = 0;
	expander.is_beyond = false;
	for (size_t i = 0; i < report->n_attributes && i < BAGS_MAX; i++) {
		char kind;

		for (size_t k = 0; report->repeated_attributes_semantics == 1 && k < expander.count; k++) {
			expander.values[k].is_set = false;
		}
		expand(&expander, report->attributes[i]);
		kind = tell(&want, &expander);
		if (expander.is_beyond) {
			return;
		}
		have.length = 0;
		if (kind == 'd') {
			dropped++;
			continue;
		}
		if (kind == 'r') {
			const struct weir_request *row = &weir_batch_requests(batch)[requests++];

			weir_assert(requests <= batch->requests.count);
			say_row_call(&have, batch, &row->call, string(&expander, "destination.service.name")[0] != '\0',
				is_node_id(&expander));
			say_row_request(&have, batch, row);
		} else {
			const struct weir_connection *row = &weir_batch_connections(batch)[connections++];

			weir_assert(connections <= batch->connections.count);
			say_row_call(&have, batch, &row->call, string(&expander, "destination.service.name")[0] != '\0',
				is_node_id(&expander));
			say_row_connection(&have, batch, row);
		}
		if (strcmp(want.data, have.data) != 0) {
			fprintf(stderr, "want %s\nhave %s\n", want.data, have.data);
		}
		weir_assert(strcmp(want.data, have.data) == 0);
	}
	if (report->n_attributes <= BAGS_MAX) {
		weir_assert(requests == batch->requests.count && connections == batch->connections.count &&
			    dropped == batch->dropped[WEIR_DROP_INVALID]);
	}
}

/* Checks are read by the same bytes: the quotas as protobuf-c has them. */
static void check(struct weir_str body)
{
	struct weir_wire wire = weir_wire_of(body);
	struct weir_check_quota quota;
	Istio__Mixer__V1__CheckRequest *request = NULL;
	size_t n = 0;

	if (is_comparable(&istio__mixer__v1__check_request__descriptor, body, is_alike)) {
		request = istio__mixer__v1__check_request__unpack(NULL, body.length, (const uint8_t *)body.data);
	}
	while (weir_check_next(&wire, &quota)) {
		if (request != NULL) {
			weir_assert(n < request->n_quotas && weir_str_is(quota.name, request->quotas[n]->key));
			weir_assert(quota.amount ==
				    (request->quotas[n]->value != NULL ? request->quotas[n]->value->amount : 0));
		}
		n++;
	}
	if (request != NULL) {
		weir_assert(!wire.is_malformed && n == request->n_quotas);
		istio__mixer__v1__check_request__free_unpacked(request, NULL);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_MIXER, .signal = WEIR_SIGNAL_MIXER };
	struct weir_str body = weir_str_make((const char *)data, size);
	bool is_oracle = is_comparable(&istio__mixer__v1__report_request__descriptor, body, is_alike);
	const struct weir_batch *batch;
	struct weir_draft draft;
	struct weir_arena arena;
	Report *report = NULL;
	int r;

	check(body);
	weir_arena_init(&arena, 1 << 18, 1 << 24);
	weir_draft_init(&draft, &arena, body);
	r = weir_report_decode(&draft, &head.source);
	weir_assert(r == 0 || r == WEIR_DECODE_TOO_LARGE || draft.error != NULL);
	if (is_oracle) {
		report = istio__mixer__v1__report_request__unpack(NULL, size, data);
	}
	weir_assert(report == NULL || r != WEIR_DECODE_MALFORMED || report->global_word_count > WEIR_WORDS_GLOBAL);
	if (r == 0) {
		batch = weir_draft_finish(&draft, &head);
		weir_assert(batch == NULL || weir_batch_is_sound(batch, batch->size_bytes));
		if (batch != NULL && report != NULL) {
			weir_assert(batch->offered == report->n_attributes);
			if ((int)report->repeated_attributes_semantics == 0 ||
				(int)report->repeated_attributes_semantics == 1) {
				compare(batch, report);
			} else {
				weir_assert(batch->dropped[WEIR_DROP_INVALID] == report->n_attributes);
			}
		}
	}
	if (report != NULL) {
		istio__mixer__v1__report_request__free_unpacked(report, NULL);
	}
	weir_arena_fini(&arena);
	return 0;
}
