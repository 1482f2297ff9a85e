/* access_log: what an Envoy's OpenTelemetry access logger tells of a request.
 *
 *   resource    node_name, cluster_name, k8s.*  → who the proxy is
 *   record      time = start of the stream      → start
 *   attributes  by the words of access_words    → a weir_entry
 *   weir_entry  by the rules of decode/envoy    → a request or a connection
 *
 * So a request that is logged here and over the access log service becomes the
 * same row twice: by the same rules, with the same proxy, request id and start.
 * The body is never read for it: text made for people (Istio's default, in
 * whatever format somebody chose) owns no metrics.
 *
 * What the attributes do not say, as compared with the access log service:
 *  - On which listener: from `direction`, as if the local address were told.
 *  - The peer: no metadata is exchanged here. By its address, when it is
 *    another proxy that logs to this process; by labels, when they are logged.
 *    An address without a port was taken from X-Forwarded-For: it is nobody's
 *    whom this proxy knows.
 *  - The route, when it is not among the attributes: a sidecar's outbound 502
 *    without flags, cluster and host is Istio's answer for an unknown host.
 *  - gRPC, when neither status nor content type nor user agent are: POST over
 *    HTTP/2 to /package.Service/Method.
 *
 * Decisions
 *  - It takes an access logger's resource (node_name), and a response code or
 *    TCP's byte counts: an application's log about a request is no access log.
 *  - Only text that lies in the body is taken: what had to be repaired is no
 *    name that anyone else would spell the same way.
 *
 * One thread: the listener's. Nothing is allocated outside the draft's arena. */
#include "decode/otlp/access_log.h"

#include "decode/address.h"
#include "decode/envoy/rows.h"
#include "decode/flags.h"
#include "decode/otlp/access_words.h"
#include "identity/known.h"

#define PORT_OUTBOUND 15001u
#define PORT_INBOUND 15006u
#define NS_PER_MS 1000000.0

struct weir_otlp_access_log { /* of the group at hand */
	uint32_t group;
	struct weir_envoy_sender sender;
	struct weir_als_rows *rows;
};

struct told { /* by one record */
	const struct weir_draft *draft;
	const struct weir_attr *by[WEIR_ACCESS_WORDS];
};

/* ---- the proxy ------------------------------------------------------------ */

static struct weir_str kept(struct weir_draft *draft, struct weir_ref ref)
{
	/* The pool may move while rows are made. */
	struct weir_str text = weir_draft_str(draft, ref);

	return text.length > 0 ? weir_arena_copy(draft->arena, text) : text;
}

/* `details` in `default.svc.cluster.local`, as decode/envoy/sender.c has it. */
static struct weir_str service_host(struct weir_draft *draft, const struct weir_identity *own)
{
	size_t length = own->canonical_service.length + 1 + own->domain.length;
	char *text;

	if (own->canonical_service.length == 0 || own->domain.length == 0) {
		return own->canonical_service;
	}
	text = weir_arena_alloc(draft->arena, length);
	if (text == NULL) {
		draft->is_exhausted = true;
		return own->canonical_service;
	}
	memcpy(text, own->canonical_service.data, own->canonical_service.length);
	text[own->canonical_service.length] = '.';
	memcpy(text + own->canonical_service.length + 1, own->domain.data, own->domain.length);
	return weir_str_make(text, length);
}

/* Its neighbours will know it by its address. */
static void introduce(struct weir_draft *draft, const struct weir_identity *own)
{
	struct weir_address address = { 0 };

	if (!weir_address_parse(own->address, &address)) {
		return;
	}
	for (size_t i = 0; i < sizeof(draft->known) / sizeof(draft->known[0]); i++) {
		if (draft->known[i] != NULL && weir_known_by_node(draft->known[i], own->node_id) == NULL) {
			weir_known_join(draft->known[i], own, address.ip);
		}
	}
}

static void sender_learn(struct weir_otlp_groups *groups, struct weir_envoy_sender *sender)
{
	struct weir_draft *draft = groups->draft;
	const struct weir_otlp_who *who = &groups->who;
	struct weir_identity *own = &sender->identity;
	struct weir_str service = kept(draft, who->cluster_name);

	*sender = (struct weir_envoy_sender){ .known = draft->known[0], .is_known = true };
	own->node_id = kept(draft, who->node_id);
	own->workload = kept(draft, who->workload);
	own->cluster = kept(draft, who->cluster);
	own->service_account = kept(draft, who->account);
	weir_identity_from_node_id(own->node_id, own);
	/* Istio calls the node's cluster `<app>.<namespace>`. */
	weir_identity_guess_labels(own, weir_str_cut(&service, '.'));
	sender->service_host = service_host(draft, own);
	sender->proxy = weir_identity_proxy(own->node_id);
	introduce(draft, own);
}

/* The group's, made when its first record needs it; NULL when the arena is full. */
static struct weir_otlp_access_log *access_log_of(struct weir_otlp_groups *groups)
{
	struct weir_draft *draft = groups->draft;

	if (groups->access_log == NULL) {
		groups->access_log = weir_arena_alloc(draft->arena, sizeof(*groups->access_log));
		if (groups->access_log == NULL) {
			draft->is_exhausted = true;
			return NULL;
		}
		groups->access_log->group = 0;
	}
	if (groups->access_log->group != groups->number) {
		groups->access_log->group = groups->number;
		sender_learn(groups, &groups->access_log->sender);
		groups->access_log->rows = weir_als_rows_make(draft, &groups->access_log->sender, groups->common.proxy);
	}
	return groups->access_log->rows != NULL ? groups->access_log : NULL;
}

/* ---- values --------------------------------------------------------------- */

/* A text in the body; "-" is Envoy's nothing. */
static struct weir_str text_of(const struct told *told, enum weir_access_word word)
{
	const struct weir_attr *attr = told->by[word];
	const struct weir_draft *draft = told->draft;
	struct weir_str text = { NULL, 0 };

	if (attr == NULL || attr->type != WEIR_ATTR_STRING) {
		return text;
	}
	text = weir_draft_str(draft, attr->value.text);
	if (weir_str_is(text, "-") || text.data < draft->body.data ||
		text.data >= draft->body.data + draft->body.length) {
		return weir_str_make(NULL, 0);
	}
	return text;
}

static bool has_number(const struct told *told, enum weir_access_word word, uint64_t *ret)
{
	const struct weir_attr *attr = told->by[word];
	unsigned long long number;

	if (attr != NULL && attr->type == WEIR_ATTR_INT && attr->value.number >= 0) {
		*ret = (uint64_t)attr->value.number;
		return true;
	}
	if (weir_str_to_u64(text_of(told, word), &number) != 0) {
		return false;
	}
	*ret = number;
	return true;
}

static uint64_t number_of(const struct told *told, enum weir_access_word word)
{
	uint64_t number = 0;

	return has_number(told, word, &number) ? number : 0;
}

/* Envoy counts milliseconds; "0.5s", "3.2ms" and "7us" say what they count. */
static uint64_t duration_of(const struct told *told)
{
	static const struct {
		const char *unit;
		double ns;
	} units[] = { { "", NS_PER_MS }, { "ms", NS_PER_MS }, { "s", 1e9 }, { "us", 1e3 }, { "ns", 1 } };
	const struct weir_attr *attr = told->by[WEIR_ACCESS_DURATION];
	struct weir_str text = text_of(told, WEIR_ACCESS_DURATION);
	double whole = 0, scale = 0;
	size_t at = 0;

	if (attr != NULL && (attr->type == WEIR_ATTR_INT || attr->type == WEIR_ATTR_DOUBLE)) {
		whole = attr->type == WEIR_ATTR_INT ? (double)attr->value.number : attr->value.real;
		return whole > 0 && whole < 1e12 ? (uint64_t)(whole * NS_PER_MS + 0.5) : 0;
	}
	for (; at < text.length && at < 24; at++) {
		if (text.data[at] >= '0' && text.data[at] <= '9') {
			whole = whole * 10 + (text.data[at] - '0');
			scale *= 10;
		} else if (text.data[at] == '.' && scale == 0) {
			scale = 1;
		} else {
			break;
		}
	}
	for (size_t i = 0; at > 0 && i < sizeof(units) / sizeof(units[0]); i++) {
		if (weir_str_is(weir_str_make(text.data + at, text.length - at), units[i].unit)) {
			whole = whole * units[i].ns / (scale > 0 ? scale : 1) + 0.5;
			return whole < 1e18 ? (uint64_t)whole : 0;
		}
	}
	return 0;
}

static size_t varint_put(char *at, uint64_t value)
{
	size_t length = 0;

	for (; value >= 0x80; value >>= 7) {
		at[length++] = (char)(value | 0x80);
	}
	at[length++] = (char)value;
	return length;
}

/* Address { 1 SocketAddress { 2 address, 3 port } }, which is how an entry holds them. */
static struct weir_str address_make(struct weir_draft *draft, struct weir_str host, uint32_t port)
{
	char inner[128], *at, *begin;
	size_t length = 0;

	if (host.length == 0 || host.length > 100) {
		return weir_str_make(NULL, 0);
	}
	inner[length++] = 2 << 3 | WEIR_WIRE_BYTES;
	length += varint_put(inner + length, host.length);
	memcpy(inner + length, host.data, host.length);
	length += host.length;
	inner[length++] = 3 << 3 | WEIR_WIRE_VARINT;
	length += varint_put(inner + length, port);
	begin = at = weir_arena_alloc(draft->arena, length + 4);
	if (at == NULL) {
		draft->is_exhausted = true;
		return weir_str_make(NULL, 0);
	}
	*at++ = 1 << 3 | WEIR_WIRE_BYTES;
	at += varint_put(at, length);
	memcpy(at, inner, length);
	return weir_str_make(begin, (size_t)(at - begin) + length);
}

/* "10.0.0.1:80" and "[::1]:80"; port 0 when there is none. */
static struct weir_str address_of(struct weir_draft *draft, struct weir_str text, uint32_t *ret_port)
{
	struct weir_address address = { 0 };
	size_t length = text.length;

	*ret_port = 0;
	if (length == 0 || !weir_address_parse(text, &address)) {
		return weir_str_make(NULL, 0);
	}
	*ret_port = address.port;
	while (address.port != 0 && text.data[--length] != ':') {
	}
	if (length > 2 && text.data[0] == '[' && text.data[length - 1] == ']') {
		return address_make(draft, weir_str_make(text.data + 1, length - 2), address.port);
	}
	return address_make(draft, weir_str_make(text.data, length), address.port);
}

/* ---- the entry ------------------------------------------------------------ */

static uint32_t type_of(struct weir_str text)
{
	static const char *const types[] = { "NotSet", "TcpUpstreamConnected", "TcpPeriodic", "TcpConnectionEnd",
		"DownstreamStart", "DownstreamPeriodic", "DownstreamEnd", "UpstreamPoolReady", "UpstreamPeriodic",
		"UpstreamEnd", "DownstreamTunnelSuccessfullyEstablished", "UdpTunnelUpstreamConnected", "UdpPeriodic",
		"UdpSessionEnd", "TcpConnectionStart" };

	for (uint32_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		if (weir_str_is(text, types[i])) {
			return i;
		}
	}
	return 0;
}

static uint32_t method_of(struct weir_str text)
{
	static const char *const methods[] = { "", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS",
		"TRACE", "PATCH" };

	for (uint32_t i = 1; i < sizeof(methods) / sizeof(methods[0]); i++) {
		if (weir_str_is(text, methods[i])) {
			return i;
		}
	}
	return WEIR_METHOD_UNSPECIFIED;
}

/* ALS' numbers: 1 HTTP/1.0, 2 HTTP/1.1, 3 HTTP/2, 4 HTTP/3. */
static uint32_t version_of(struct weir_str text)
{
	struct weir_str version =
		weir_str_starts_with(text, "HTTP/") ? weir_str_make(text.data + 5, text.length - 5) : text;

	return weir_str_is(version, "1.0")                                ? 1
	       : weir_str_is(version, "1.1")                              ? 2
	       : weir_str_is(version, "2") || weir_str_is(version, "2.0") ? 3
	       : weir_str_is(version, "3")                                ? 4
									  : 0;
}

/* /package.Service/Method: a dot in the first part, and no third one. */
static bool is_grpc_path(struct weir_str path)
{
	struct weir_str rest = path, service;

	if (weir_str_cut(&rest, '/').length > 0) {
		return false;
	}
	service = weir_str_cut(&rest, '/');
	return service.length > 0 && memchr(service.data, '.', service.length) != NULL && rest.length > 0 &&
	       memchr(rest.data, '/', rest.length) == NULL && memchr(rest.data, '?', rest.length) == NULL;
}

static bool is_inbound(const struct told *told)
{
	struct weir_str text = text_of(told, WEIR_ACCESS_DIRECTION);

	return weir_str_equal_ignoring_case(text, "inbound") || weir_str_equal_ignoring_case(text, "destination");
}

static void ends_fill(
	struct weir_draft *draft, const struct told *told, const struct weir_identity *own, struct weir_entry *entry)
{
	uint32_t port, local_port;

	entry->upstream = address_of(draft, text_of(told, WEIR_ACCESS_UPSTREAM), &port);
	entry->direct = address_of(draft, text_of(told, WEIR_ACCESS_DIRECT), &port);
	entry->remote = address_of(draft, text_of(told, WEIR_ACCESS_REMOTE), &port);
	if (port == 0) {
		entry->remote = weir_str_make(NULL, 0);
	}
	entry->local = address_of(draft, text_of(told, WEIR_ACCESS_LOCAL), &local_port);
	if (text_of(told, WEIR_ACCESS_DIRECTION).length > 0) {
		entry->local = address_make(draft, own->address, is_inbound(told) ? PORT_INBOUND : PORT_OUTBOUND);
	}
	entry->peer_san = text_of(told, WEIR_ACCESS_PEER_SAN);
	entry->local_san = text_of(told, WEIR_ACCESS_LOCAL_SAN);
	entry->sni = text_of(told, WEIR_ACCESS_SNI);
	entry->downstream.id = text_of(told, WEIR_ACCESS_DOWNSTREAM_ID);
	entry->upstream_peer.id = text_of(told, WEIR_ACCESS_UPSTREAM_ID);
	entry->upstream_cluster = text_of(told, WEIR_ACCESS_CLUSTER);
	entry->route = text_of(told, WEIR_ACCESS_ROUTE);
}

static void entry_fill(struct weir_draft *draft, const struct told *told, const struct weir_log *log,
	const struct weir_identity *own, struct weir_entry *entry)
{
	ends_fill(draft, told, own, entry);
	entry->start_ns = log->time_ns;
	entry->has_duration = true;
	entry->duration_ns = duration_of(told);
	entry->flags = weir_flags_parse(text_of(told, WEIR_ACCESS_FLAGS));
	entry->type = type_of(text_of(told, WEIR_ACCESS_TYPE));
	entry->stream_id = text_of(told, WEIR_ACCESS_CONNECTION);
	entry->attempts = (uint32_t)number_of(told, WEIR_ACCESS_ATTEMPTS);
	entry->wire_received = number_of(told, WEIR_ACCESS_RECEIVED_TOTAL);
	entry->wire_sent = number_of(told, WEIR_ACCESS_SENT_TOTAL);
	entry->has_connection = true;
	entry->received_bytes = number_of(told, WEIR_ACCESS_RECEIVED);
	entry->sent_bytes = number_of(told, WEIR_ACCESS_SENT);
	entry->request_header_bytes = number_of(told, WEIR_ACCESS_RECEIVED_HEADERS);
	entry->request_body_bytes = entry->received_bytes;
	entry->response_header_bytes = number_of(told, WEIR_ACCESS_SENT_HEADERS);
	entry->response_body_bytes = entry->sent_bytes;
}

static void http_fill(const struct told *told, struct weir_entry *entry)
{
	struct weir_str protocol = text_of(told, WEIR_ACCESS_PROTOCOL);

	entry->response_code = number_of(told, WEIR_ACCESS_CODE);
	entry->code_details = text_of(told, WEIR_ACCESS_DETAILS);
	entry->method = method_of(text_of(told, WEIR_ACCESS_METHOD));
	entry->http_version = version_of(protocol);
	entry->authority = text_of(told, WEIR_ACCESS_AUTHORITY);
	entry->path = text_of(told, WEIR_ACCESS_PATH);
	entry->user_agent = text_of(told, WEIR_ACCESS_USER_AGENT);
	entry->request_id = text_of(told, WEIR_ACCESS_REQUEST_ID);
	entry->trace_id = text_of(told, WEIR_ACCESS_TRACE_ID);
	if (!weir_access_grpc_status(text_of(told, WEIR_ACCESS_GRPC_STATUS), &entry->grpc_status)) {
		uint64_t status = 0;

		entry->grpc_status = has_number(told, WEIR_ACCESS_GRPC_STATUS, &status) && status <= INT32_MAX
					     ? (int32_t)status
					     : WEIR_GRPC_STATUS_NONE;
	}
	entry->has_grpc_content =
		weir_str_starts_with(text_of(told, WEIR_ACCESS_CONTENT_TYPE), "application/grpc") ||
		weir_str_is(protocol, "grpc") ||
		(told->by[WEIR_ACCESS_CONTENT_TYPE] == NULL && told->by[WEIR_ACCESS_USER_AGENT] == NULL &&
			entry->http_version == 3 && entry->method == WEIR_METHOD_POST && is_grpc_path(entry->path));
}

/* Istio's answer for a host that the mesh does not know, where only that is allowed. */
static bool is_blocked(const struct told *told, const struct weir_identity *own, const struct weir_entry *entry)
{
	return told->by[WEIR_ACCESS_ROUTE] == NULL && told->by[WEIR_ACCESS_CLUSTER] != NULL &&
	       told->by[WEIR_ACCESS_FLAGS] != NULL && entry->response_code == 502 && entry->flags == 0 &&
	       entry->upstream_cluster.length == 0 && entry->upstream.length == 0 && !own->is_gateway &&
	       !is_inbound(told);
}

/* ---- labels that were logged ------------------------------------------------ */

/* Whatever is told outright of the far end wins over what was found out. */
static void end_override(struct weir_draft *draft, const struct told *told, enum weir_access_word first, uint32_t *end)
{
	const struct weir_workload *old = draft->workloads.data;
	struct weir_workload workload = { 0 }, *row;
	struct weir_ref *const fields[WEIR_ACCESS_END_WORDS] = { &workload.name, &workload.namespace_, &workload.app,
		&workload.version, &workload.canonical_service, &workload.canonical_revision, &workload.cluster };
	bool is_told = false;

	if (*end != WEIR_NONE) {
		workload = old[*end];
	}
	for (unsigned i = 0; i < WEIR_ACCESS_END_WORDS; i++) {
		struct weir_str text = text_of(told, first + i);

		if (text.length > 0 && !weir_str_is(text, "unknown")) {
			*fields[i] = told->by[first + i]->value.text;
			is_told = true;
		}
	}
	row = is_told ? weir_draft_workload(draft) : NULL;
	if (row != NULL) {
		*row = workload;
		*end = draft->workloads.count - 1;
	}
}

static void call_override(struct weir_draft *draft, const struct told *told, struct weir_call *call)
{
	static const enum weir_access_word words[] = { WEIR_ACCESS_SERVICE, WEIR_ACCESS_SERVICE_NAME,
		WEIR_ACCESS_SERVICE_NAMESPACE };
	struct weir_ref *const fields[] = { &call->service_host, &call->service_name, &call->service_namespace };

	if (call->reporter != WEIR_REPORTER_SOURCE) {
		end_override(draft, told, WEIR_ACCESS_SOURCE, &call->source);
	}
	if (call->reporter != WEIR_REPORTER_DESTINATION) {
		end_override(draft, told, WEIR_ACCESS_DESTINATION, &call->destination);
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct weir_str text = text_of(told, words[i]);

		if (text.length > 0 && !weir_str_is(text, "unknown")) {
			*fields[i] = told->by[words[i]]->value.text;
		}
	}
}

/* ---- rows ----------------------------------------------------------------- */

static void trace_id_fill(struct weir_draft *draft, const struct weir_log *log, struct weir_request *request)
{
	static const char hex[] = "0123456789abcdef";
	static const uint8_t none[16];
	char text[32];

	if (request->trace_id.length > 0 || memcmp(log->trace_id, none, sizeof(none)) == 0) {
		return;
	}
	for (size_t i = 0; i < sizeof(log->trace_id); i++) {
		text[2 * i] = hex[log->trace_id[i] >> 4];
		text[2 * i + 1] = hex[log->trace_id[i] & 15];
	}
	request->trace_id = weir_draft_copy(draft, weir_str_make(text, sizeof(text)));
}

/* Requests have a method or a code; a connection has byte counts and neither. */
static bool is_tcp(const struct told *told)
{
	struct weir_str type = text_of(told, WEIR_ACCESS_TYPE), protocol = text_of(told, WEIR_ACCESS_PROTOCOL);

	return weir_str_starts_with(type, "Tcp") || weir_str_is(protocol, "tcp") ||
	       (text_of(told, WEIR_ACCESS_METHOD).length == 0 && number_of(told, WEIR_ACCESS_CODE) == 0 &&
		       protocol.length == 0 && !weir_str_starts_with(type, "Downstream"));
}

void weir_otlp_access_log_take(struct weir_otlp_groups *groups, struct weir_log *log)
{
	struct weir_draft *draft = groups->draft;
	struct weir_otlp_access_log *access_log;
	struct told told = { .draft = draft };
	struct weir_entry *entry;
	bool is_connection;

	if (groups->who.node_id.length == 0 || log->attr_count == 0) {
		return;
	}
	for (uint32_t i = 0; i < log->attr_count; i++) {
		const struct weir_attr *attr = (const struct weir_attr *)draft->attrs.data + log->attr_first + i;
		enum weir_access_word word = weir_access_word_of(weir_draft_str(draft, attr->key));

		if (word != WEIR_ACCESS_WORDS) {
			told.by[word] = attr;
		}
	}
	is_connection = is_tcp(&told);
	if (is_connection ? told.by[WEIR_ACCESS_RECEIVED] == NULL || told.by[WEIR_ACCESS_SENT] == NULL
			  : told.by[WEIR_ACCESS_CODE] == NULL) {
		return;
	}
	access_log = access_log_of(groups);
	if (access_log == NULL) {
		return;
	}
	entry = weir_als_rows_entry(access_log->rows);
	entry_fill(draft, &told, log, &access_log->sender.identity, entry);
	if (is_connection) {
		if (weir_als_rows_connection(access_log->rows)) {
			struct weir_connection *rows = draft->connections.data;

			call_override(draft, &told, &rows[draft->connections.count - 1].call);
		}
		return;
	}
	http_fill(&told, entry);
	if (weir_als_rows_request(access_log->rows)) {
		struct weir_request *request = (struct weir_request *)draft->requests.data + draft->requests.count - 1;

		if (is_blocked(&told, &access_log->sender.identity, entry)) {
			request->call.service_host = weir_draft_copy(draft, weir_str_of("BlackHoleCluster"));
			request->call.service_name = request->call.service_host;
			request->call.service_namespace = (struct weir_ref){ 0, 0 };
		}
		call_override(draft, &told, &request->call);
		trace_id_fill(draft, log, request);
		log->request = draft->requests.count - 1;
	}
}
