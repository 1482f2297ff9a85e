/* access_entry: one access log record as a weir_entry.
 *
 * What the attributes do not say, as compared with the access log service:
 *  - On which listener: from `direction`, as if the local address were told.
 *  - Who called, without X-Forwarded-For: an address without a port was taken
 *    from that header, and is nobody's whom this proxy knows.
 *  - The route, when it is not among the attributes: a sidecar's outbound 502
 *    without flags, cluster and host is Istio's answer for an unknown host.
 *  - gRPC, when neither status nor content type nor user agent are: POST over
 *    HTTP/2 to /package.Service/Method.
 *
 * One thread: the listener's. */
#include "decode/otlp/access_entry.h"

#include "decode/flags.h"

#define PORT_OUTBOUND 15001u
#define PORT_INBOUND 15006u

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

static bool is_inbound(const struct weir_access_told *told)
{
	struct weir_str text = weir_access_told_text(told, WEIR_ACCESS_DIRECTION);

	return weir_str_equal_ignoring_case(text, "inbound") || weir_str_equal_ignoring_case(text, "destination");
}

static void ends_fill(struct weir_draft *draft, const struct weir_access_told *told, const struct weir_identity *own,
	struct weir_entry *entry)
{
	uint32_t port, local_port;

	entry->upstream = weir_access_told_address(draft, weir_access_told_text(told, WEIR_ACCESS_UPSTREAM), &port);
	entry->direct = weir_access_told_address(draft, weir_access_told_text(told, WEIR_ACCESS_DIRECT), &port);
	entry->remote = weir_access_told_address(draft, weir_access_told_text(told, WEIR_ACCESS_REMOTE), &port);
	if (port == 0) {
		entry->remote = weir_str_make(NULL, 0);
	}
	entry->local = weir_access_told_address(draft, weir_access_told_text(told, WEIR_ACCESS_LOCAL), &local_port);
	if (weir_access_told_text(told, WEIR_ACCESS_DIRECTION).length > 0) {
		entry->local = weir_access_told_address_make(
			draft, own->address, is_inbound(told) ? PORT_INBOUND : PORT_OUTBOUND);
	}
	entry->peer_san = weir_access_told_text(told, WEIR_ACCESS_PEER_SAN);
	entry->local_san = weir_access_told_text(told, WEIR_ACCESS_LOCAL_SAN);
	entry->sni = weir_access_told_text(told, WEIR_ACCESS_SNI);
	entry->downstream.id = weir_access_told_text(told, WEIR_ACCESS_DOWNSTREAM_ID);
	entry->upstream_peer.id = weir_access_told_text(told, WEIR_ACCESS_UPSTREAM_ID);
	entry->upstream_cluster = weir_access_told_text(told, WEIR_ACCESS_CLUSTER);
	entry->route = weir_access_told_text(told, WEIR_ACCESS_ROUTE);
}

void weir_access_entry_fill(struct weir_draft *draft, const struct weir_access_told *told, const struct weir_log *log,
	const struct weir_identity *own, struct weir_entry *entry)
{
	ends_fill(draft, told, own, entry);
	entry->start_ns = log->time_ns;
	entry->has_duration = true;
	entry->duration_ns = weir_access_told_duration_ns(told);
	entry->flags = weir_flags_parse(weir_access_told_text(told, WEIR_ACCESS_FLAGS));
	entry->type = type_of(weir_access_told_text(told, WEIR_ACCESS_TYPE));
	entry->stream_id = weir_access_told_text(told, WEIR_ACCESS_CONNECTION);
	entry->attempts = (uint32_t)weir_access_told_count(told, WEIR_ACCESS_ATTEMPTS);
	entry->wire_received = weir_access_told_count(told, WEIR_ACCESS_RECEIVED_TOTAL);
	entry->wire_sent = weir_access_told_count(told, WEIR_ACCESS_SENT_TOTAL);
	entry->has_connection = true;
	entry->received_bytes = weir_access_told_count(told, WEIR_ACCESS_RECEIVED);
	entry->sent_bytes = weir_access_told_count(told, WEIR_ACCESS_SENT);
	entry->request_header_bytes = weir_access_told_count(told, WEIR_ACCESS_RECEIVED_HEADERS);
	entry->request_body_bytes = entry->received_bytes;
	entry->response_header_bytes = weir_access_told_count(told, WEIR_ACCESS_SENT_HEADERS);
	entry->response_body_bytes = entry->sent_bytes;
}

void weir_access_entry_fill_http(const struct weir_access_told *told, struct weir_entry *entry)
{
	struct weir_str protocol = weir_access_told_text(told, WEIR_ACCESS_PROTOCOL);

	entry->response_code = weir_access_told_count(told, WEIR_ACCESS_CODE);
	entry->code_details = weir_access_told_text(told, WEIR_ACCESS_DETAILS);
	entry->method = method_of(weir_access_told_text(told, WEIR_ACCESS_METHOD));
	entry->http_version = version_of(protocol);
	entry->authority = weir_access_told_text(told, WEIR_ACCESS_AUTHORITY);
	entry->path = weir_access_told_text(told, WEIR_ACCESS_PATH);
	entry->user_agent = weir_access_told_text(told, WEIR_ACCESS_USER_AGENT);
	entry->request_id = weir_access_told_text(told, WEIR_ACCESS_REQUEST_ID);
	entry->trace_id = weir_access_told_text(told, WEIR_ACCESS_TRACE_ID);
	if (!weir_access_grpc_status(weir_access_told_text(told, WEIR_ACCESS_GRPC_STATUS), &entry->grpc_status)) {
		uint64_t status = 0;

		entry->grpc_status =
			weir_access_told_number(told, WEIR_ACCESS_GRPC_STATUS, &status) && status <= INT32_MAX
				? (int32_t)status
				: WEIR_GRPC_STATUS_NONE;
	}
	entry->has_grpc_content =
		weir_str_starts_with(weir_access_told_text(told, WEIR_ACCESS_CONTENT_TYPE), "application/grpc") ||
		weir_str_is(protocol, "grpc") ||
		(told->by[WEIR_ACCESS_CONTENT_TYPE] == NULL && told->by[WEIR_ACCESS_USER_AGENT] == NULL &&
			entry->http_version == 3 && entry->method == WEIR_METHOD_POST && is_grpc_path(entry->path));
}

bool weir_access_entry_is_blocked(
	const struct weir_access_told *told, const struct weir_identity *own, const struct weir_entry *entry)
{
	return told->by[WEIR_ACCESS_ROUTE] == NULL && told->by[WEIR_ACCESS_CLUSTER] != NULL &&
	       told->by[WEIR_ACCESS_FLAGS] != NULL && entry->response_code == 502 && entry->flags == 0 &&
	       entry->upstream_cluster.length == 0 && entry->upstream.length == 0 && !own->is_gateway &&
	       !is_inbound(told);
}

bool weir_access_entry_is_tcp(const struct weir_access_told *told)
{
	struct weir_str type = weir_access_told_text(told, WEIR_ACCESS_TYPE),
			protocol = weir_access_told_text(told, WEIR_ACCESS_PROTOCOL);

	return weir_str_starts_with(type, "Tcp") || weir_str_is(protocol, "tcp") ||
	       (weir_access_told_text(told, WEIR_ACCESS_METHOD).length == 0 &&
		       weir_access_told_count(told, WEIR_ACCESS_CODE) == 0 && protocol.length == 0 &&
		       !weir_str_starts_with(type, "Downstream"));
}
