/* als: access log entries → requests and connections.
 *
 *   StreamAccessLogsMessage { 1 identifier   first message of a stream only
 *                             2 http_logs { 1 entry … }
 *                             3 tcp_logs  { 1 entry … } }
 *
 * What one entry means depends on the side on which it was written:
 *
 *   reporter      source is       destination is   service is
 *   source        the node        upstream peer    the cluster's host, else the authority
 *                                                  (sidecars only)
 *   destination   downstream peer the node         the SNI's host, the cluster's, else the
 *                                                  node's own; never the authority
 *   waypoint      downstream peer upstream peer    the cluster's host
 *
 * The side is told by the cluster's name; without one (a request that never got
 * that far) by the node's type, the listener's port, and whether a client's
 * certificate was seen. A gateway only ever is a source.
 *
 * Invariants
 *  1. offered = requests + connections + dropped: each entry is counted once.
 *  2. A request is a row only when it is finished; a connection has a row for
 *     each report, with running totals (the fold takes differences).
 *  3. Both sides of a call say the same of it but for the reporter, principals
 *     and policy, as far as what was logged allows (peers.c).
 *  4. A malformed entry makes the whole message malformed: nothing of it counts.
 *
 * The identifier's node is 60 KB, nearly all of it skipped; so that it is not
 * carried into the ring either, the draft's body is narrowed to the entries.
 *
 * One thread: the listener's. */
#include "decode/envoy/als.h"

#include "decode/envoy/entry.h"
#include "decode/envoy/peers.h"
#include "decode/envoy/rows.h"
#include "decode/envoy/sender.h"
#include "decode/envoy/cursor.h"

enum {
	IDENTIFIER = 1 << 3 | WEIR_WIRE_BYTES,
	HTTP_LOGS = 2 << 3 | WEIR_WIRE_BYTES,
	TCP_LOGS = 3 << 3 | WEIR_WIRE_BYTES,
	LOG_ENTRY = 1 << 3 | WEIR_WIRE_BYTES,
};

enum access_log_type { /* AccessLogType's numbers */
	NOT_SET = 0,
	TCP_UPSTREAM_CONNECTED = 1,
	TCP_CONNECTION_END = 3,
	DOWNSTREAM_START = 4,
	DOWNSTREAM_END = 6,
	UPSTREAM_POOL_READY = 7,
	UPSTREAM_END = 9,
	UDP_TUNNEL_CONNECTED = 11,
	UDP_SESSION_END = 13,
	TCP_CONNECTION_START = 14,
};

enum {
	PORT_OUTBOUND = 15001, /* where Istio's sidecars listen */
	PORT_INBOUND = 15006,
	PORT_HBONE = 15008,
	HTTP_2 = 3,
};

/* ---- who called whom ---------------------------------------------------- */

struct reader { /* of one message */
	struct weir_draft *draft;
	const struct weir_envoy_sender *sender;
	struct weir_peers peers;
	struct weir_entry_keys keys;
	struct weir_entry entry;
	struct weir_ref proxy;          /* of the sender, in its node id */
	struct weir_ref own_host;       /* placed when first needed */
	struct weir_entry_address peer; /* where the entry's other end is */
	struct weir_str cluster_text;   /* of the last entry: the next one usually has the same */
	struct weir_cluster_name cluster;
};

struct service { /* of a call, as text or as what is placed already */
	struct weir_str host, name, namespace_;
};

static enum weir_reporter reporter_of(const struct reader *reader, const struct weir_cluster_name *cluster)
{
	const struct weir_identity *own = &reader->sender->identity;
	const struct weir_entry *entry = &reader->entry;
	struct weir_entry_address local;
	struct weir_address ip = { 0 };

	if (own->is_gateway) {
		return WEIR_REPORTER_SOURCE;
	}
	if (cluster->direction == WEIR_CLUSTER_INBOUND_VIP) {
		return WEIR_REPORTER_WAYPOINT;
	}
	if (cluster->direction == WEIR_CLUSTER_INBOUND) {
		return WEIR_REPORTER_DESTINATION;
	}
	/* Both listeners know a BlackHoleCluster; its name does not tell the side. */
	if (cluster->direction == WEIR_CLUSTER_OUTBOUND && !weir_str_is(entry->upstream_cluster, "BlackHoleCluster")) {
		return WEIR_REPORTER_SOURCE;
	}
	if (own->is_waypoint) {
		return WEIR_REPORTER_WAYPOINT;
	}
	if (!weir_entry_read_address(entry->local, &local) || !weir_peers_address(&local, &ip) ||
		ip.port == PORT_OUTBOUND) {
		return entry->peer_san.length > 0 ? WEIR_REPORTER_DESTINATION : WEIR_REPORTER_SOURCE;
	}
	return ip.port == PORT_INBOUND || ip.port == PORT_HBONE || entry->peer_san.length > 0 ||
			       weir_str_equal(local.host, own->address)
		       ? WEIR_REPORTER_DESTINATION
		       : WEIR_REPORTER_SOURCE;
}

/* "ratings:9080" → "ratings"; "[::1]:80" → "[::1]". */
static struct weir_str without_port(struct weir_str authority)
{
	const char *colon = authority.length ? memrchr(authority.data, ':', authority.length) : NULL;
	size_t at = colon ? (size_t)(colon - authority.data) : authority.length;

	if (!colon || (at > 0 && memchr(authority.data, ':', at) && authority.data[at - 1] != ']')) {
		return authority; /* no port, or a bare IPv6 address */
	}
	return weir_str_make(authority.data, at);
}

/* As the caller names it: by the cluster that it chose, else by what it asked for. */
static struct service called_service(const struct reader *reader, const struct weir_cluster_name *cluster)
{
	static const char black_hole[] = "BlackHoleCluster", pass_through[] = "PassthroughCluster";
	const struct weir_entry *entry = &reader->entry;
	const char *special = NULL;
	struct service ret = { .host = cluster->host };

	if (cluster->is_special) {
		special = weir_str_is(entry->upstream_cluster, black_hole) ? black_hole : pass_through;
	} else if (entry->upstream_cluster.length == 0 && weir_str_is(entry->route, "block_all")) {
		special = black_hole;
	} else if (entry->upstream_cluster.length == 0 && weir_str_is(entry->route, "allow_any")) {
		special = pass_through;
	}
	if (ret.host.length == 0 && special != black_hole && !reader->sender->identity.is_gateway) {
		ret.host = without_port(entry->authority);
	}
	if (special) {
		ret.host = ret.host.length > 0 ? ret.host : weir_str_of(special);
		ret.name = weir_str_of(special);
		return ret;
	}
	weir_identity_service(ret.host, &ret.name, &ret.namespace_);
	return ret;
}

/* As the callee is known: never by the authority, which any client chooses. */
static struct service served_service(const struct reader *reader, const struct weir_cluster_name *cluster)
{
	const struct weir_entry *entry = &reader->entry;
	struct weir_str ignored;
	struct service ret = { .namespace_ = reader->sender->identity.namespace_ };

	if (entry->sni.length > 0) {
		ret.host = weir_identity_cluster(entry->sni).host;
	}
	if (ret.host.length == 0) {
		ret.host = cluster->host.length > 0 ? cluster->host : reader->sender->service_host;
	}
	weir_identity_service(ret.host, &ret.name, &ignored);
	if (cluster->is_special) {
		ret.name = entry->upstream_cluster;
	}
	return ret;
}

/* What cannot be read is as if it were not there. */
static struct weir_entry_address address_of(struct weir_str message)
{
	struct weir_entry_address address;

	return message.length > 0 && weir_entry_read_address(message, &address) ? address
										: (struct weir_entry_address){ 0 };
}

/* The downstream end by who really connected: X-Forwarded-For names somebody further away. */
static struct weir_entry_address peer_address_of(const struct weir_entry *entry, enum weir_reporter reporter)
{
	if (reporter == WEIR_REPORTER_SOURCE) {
		return address_of(entry->upstream);
	}
	return address_of(entry->direct.length > 0 ? entry->direct : entry->remote);
}

static const struct weir_cluster_name *cluster_of(struct reader *reader)
{
	struct weir_str text = reader->entry.upstream_cluster;

	if (!weir_str_equal(reader->cluster_text, text)) {
		reader->cluster = weir_identity_cluster(text);
		reader->cluster_text = text;
	}
	return &reader->cluster;
}

static struct weir_peer_row find_caller(struct reader *reader)
{
	const struct weir_peer_evidence evidence = {
		.told = &reader->entry.downstream,
		.san = reader->entry.peer_san,
		.host = reader->peer.host,
	};

	return weir_peers_find(&reader->peers, &evidence);
}

static struct weir_peer_row find_callee(
	struct reader *reader, const struct service *service, struct weir_entry_address upstream)
{
	const struct weir_peer_evidence evidence = {
		.told = &reader->entry.upstream_peer,
		.host = upstream.host,
		.service = service->name,
		.service_namespace = service->namespace_,
	};

	return weir_peers_find(&reader->peers, &evidence);
}

static struct weir_ref place_host(struct reader *reader, struct weir_str host)
{
	if (host.data != reader->sender->service_host.data || host.length == 0) {
		return weir_peers_place(reader->draft, host);
	}
	if (reader->own_host.length == 0) {
		reader->own_host = weir_peers_place(reader->draft, host);
	}
	return reader->own_host;
}

/* The service's name is usually the beginning of its host. */
static struct weir_ref place_name(struct reader *reader, const struct service *service, struct weir_ref host)
{
	if (service->name.data == service->host.data && service->name.length <= host.length) {
		return (struct weir_ref){ host.offset, (uint32_t)service->name.length };
	}
	return weir_peers_place(reader->draft, service->name);
}

static void fill_call(struct reader *reader, struct weir_call *call)
{
	const struct weir_entry *entry = &reader->entry;
	const struct weir_cluster_name *cluster = cluster_of(reader);
	enum weir_reporter reporter = reporter_of(reader, cluster);
	struct weir_peer_row caller, callee;
	struct service service;

	service = reporter == WEIR_REPORTER_DESTINATION ? served_service(reader, cluster)
							: called_service(reader, cluster);
	if (reporter == WEIR_REPORTER_WAYPOINT) {
		service.namespace_ = reader->sender->identity.namespace_;
	}
	reader->peer = peer_address_of(entry, reporter);
	caller = reporter == WEIR_REPORTER_SOURCE ? reader->peers.own_row : find_caller(reader);
	callee = reporter == WEIR_REPORTER_DESTINATION
			 ? reader->peers.own_row
			 : find_callee(reader, &service,
				   reporter == WEIR_REPORTER_SOURCE ? reader->peer : address_of(entry->upstream));

	call->proxy = reader->proxy;
	call->reporter = (uint8_t)reporter;
	call->response_flags = entry->flags;
	call->source = caller.workload;
	call->destination = callee.workload;
	call->service_host = place_host(reader, service.host);
	call->service_name = place_name(reader, &service, call->service_host);
	if (reporter != WEIR_REPORTER_SOURCE && service.namespace_.length > 0) {
		call->service_namespace = reader->peers.own_row.namespace_;
	} else if (service.namespace_.length > 0) {
		call->service_namespace = weir_peers_place(reader->draft, service.namespace_);
	} else if (reporter == WEIR_REPORTER_SOURCE) {
		call->service_namespace = callee.namespace_;
	}
	call->source_principal = reporter == WEIR_REPORTER_SOURCE ? (struct weir_ref){ 0, 0 } : caller.principal;
	call->destination_principal = reporter == WEIR_REPORTER_DESTINATION
					      ? weir_peers_place(reader->draft, entry->local_san)
					      : callee.principal;
	call->security = WEIR_SECURITY_UNKNOWN;
	if (reporter != WEIR_REPORTER_SOURCE) {
		call->security = entry->peer_san.length > 0 && entry->local_san.length > 0 ? WEIR_SECURITY_MUTUAL_TLS
											   : WEIR_SECURITY_NONE;
	}
}

/* ---- requests ----------------------------------------------------------- */

/* /package.Service/Method, and nothing behind it. */
static bool is_grpc_path(struct weir_str path)
{
	struct weir_str rest = path;
	struct weir_str service, method;

	if (weir_str_cut(&rest, '/').length > 0) {
		return false;
	}
	service = weir_str_cut(&rest, '/');
	method = rest;
	return service.length > 0 && method.length > 0 && !memchr(method.data, '/', method.length);
}

static bool is_grpc(const struct weir_entry *entry, int32_t status)
{
	return entry->has_grpc_content || status != WEIR_GRPC_STATUS_NONE || entry->has_grpc_stats ||
	       (entry->http_version == HTTP_2 && entry->method == WEIR_METHOD_POST &&
		       weir_str_starts_with(entry->user_agent, "grpc-") && is_grpc_path(entry->path));
}

static bool is_final(const struct weir_entry *entry)
{
	return !entry->is_intermediate && (entry->type == NOT_SET || entry->type == DOWNSTREAM_END ||
						  entry->type == TCP_CONNECTION_END || entry->type == UDP_SESSION_END);
}

static uint8_t small(uint32_t value)
{
	return value <= UINT8_MAX ? (uint8_t)value : 0;
}

static void fill_request(struct reader *reader, struct weir_request *row)
{
	const struct weir_entry *entry = &reader->entry;
	struct weir_draft *draft = reader->draft;
	int32_t status = entry->grpc_status != WEIR_GRPC_STATUS_NONE ? entry->grpc_status : entry->grpc_header_status;

	fill_call(reader, &row->call);
	row->call.protocol = is_grpc(entry, status) ? WEIR_REQUEST_GRPC : WEIR_REQUEST_HTTP;
	row->start_ns = entry->start_ns;
	row->duration_ns = weir_entry_duration_ns(entry);
	row->request_bytes = entry->wire_received > 0 ? entry->wire_received
						      : entry->request_header_bytes + entry->request_body_bytes;
	row->response_bytes =
		entry->wire_sent > 0 ? entry->wire_sent : entry->response_header_bytes + entry->response_body_bytes;
	row->request_messages = entry->request_messages;
	row->response_messages = entry->response_messages;
	row->grpc_status = status;
	row->response_code = entry->response_code <= UINT16_MAX ? (uint16_t)entry->response_code : 0;
	row->method = small(entry->method);
	row->http_version = small(entry->http_version);
	row->attempts = entry->attempts;
	row->attr_first = entry->attr_first;
	row->attr_count = draft->attrs.count - entry->attr_first;
	row->authority = weir_draft_text(draft, entry->authority);
	row->path = weir_draft_text(draft, entry->path);
	row->user_agent = weir_draft_text(draft, entry->user_agent);
	row->request_id = weir_draft_text(draft, entry->request_id);
	row->route = weir_draft_text(draft, entry->route);
	row->upstream_cluster = weir_draft_text(draft, entry->upstream_cluster);
	row->code_details = weir_draft_text(draft, entry->code_details);
	row->trace_id = weir_draft_text(draft, entry->trace_id);
	(void)weir_peers_address(&reader->peer, &row->peer_address); /* a pipe or a name: stays unset */
}

static bool take_http(struct reader *reader, struct weir_str message)
{
	struct weir_draft *draft = reader->draft;
	struct weir_request *row;

	if (!weir_entry_read_http(draft, &reader->keys, message, &reader->entry)) {
		return false;
	}
	draft->offered++;
	if (!is_final(&reader->entry)) {
		draft->attrs.count = reader->entry.attr_first;
		draft->dropped[WEIR_DROP_INTERMEDIATE]++;
		return true;
	}
	row = weir_draft_request(draft);
	if (row) {
		fill_request(reader, row);
	}
	return true;
}

/* ---- connections -------------------------------------------------------- */

static bool is_usable_report(const struct weir_entry *entry)
{
	if (is_final(entry)) {
		return true;
	}
	/* Running totals need the connection's id; and the upstream's own log repeats the downstream's. */
	return entry->stream_id.length > 0 && !(entry->type >= UPSTREAM_POOL_READY && entry->type <= UPSTREAM_END);
}

static enum weir_connection_state state_of(const struct weir_entry *entry)
{
	if (is_final(entry)) {
		return WEIR_CONNECTION_CLOSE;
	}
	return entry->type == TCP_UPSTREAM_CONNECTED || entry->type == TCP_CONNECTION_START ||
			       entry->type == DOWNSTREAM_START || entry->type == UDP_TUNNEL_CONNECTED
		       ? WEIR_CONNECTION_OPEN
		       : WEIR_CONNECTION_CONTINUE;
}

static void fill_connection(struct reader *reader, struct weir_connection *row)
{
	const struct weir_entry *entry = &reader->entry;
	struct weir_draft *draft = reader->draft;

	fill_call(reader, &row->call);
	row->call.protocol = WEIR_REQUEST_TCP;
	row->start_ns = entry->start_ns;
	row->duration_ns = weir_entry_duration_ns(entry);
	row->received_bytes = entry->has_connection ? entry->received_bytes : entry->wire_received;
	row->sent_bytes = entry->has_connection ? entry->sent_bytes : entry->wire_sent;
	row->state = (uint8_t)state_of(entry);
	row->attr_first = entry->attr_first;
	row->attr_count = draft->attrs.count - entry->attr_first;
	row->stream_id = weir_draft_text(draft, entry->stream_id);
	row->upstream_cluster = weir_draft_text(draft, entry->upstream_cluster);
	row->sni = weir_draft_text(draft, entry->sni);
	(void)weir_peers_address(&reader->peer, &row->peer_address);
}

static bool take_tcp(struct reader *reader, struct weir_str message)
{
	struct weir_draft *draft = reader->draft;
	struct weir_connection *row;

	if (!weir_entry_read_tcp(draft, &reader->keys, message, &reader->entry)) {
		return false;
	}
	draft->offered++;
	if (!is_usable_report(&reader->entry)) {
		draft->attrs.count = reader->entry.attr_first;
		draft->dropped[WEIR_DROP_INTERMEDIATE]++;
		return true;
	}
	row = weir_draft_connection(draft);
	if (row) {
		fill_connection(reader, row);
	}
	return true;
}

/* ---- the message -------------------------------------------------------- */

static int malformed(struct weir_draft *draft, struct weir_str message, const char *at, const char *error)
{
	draft->error = error;
	draft->error_offset = at ? (size_t)(at - message.data) : message.length;
	return WEIR_DECODE_MALFORMED;
}

/* Reads the identifier, if there is one, and finds where the entries lie. */
static int survey(struct weir_draft *draft, struct weir_str message, struct weir_envoy_sender *sender,
	struct weir_str *ret_entries)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	const char *first = NULL, *end = NULL;

	while (weir_cursor_next(&wire, &field)) {
		if (field.tag == IDENTIFIER && !weir_envoy_sender_read(field.bytes, sender)) {
			return malformed(draft, message, field.bytes.data, "the identifier cannot be read");
		}
		if (field.tag == HTTP_LOGS || field.tag == TCP_LOGS) {
			first = first ? first : field.bytes.data;
			end = field.bytes.data + field.bytes.length;
		}
	}
	if (wire.is_malformed) {
		return malformed(draft, message, NULL, "not a StreamAccessLogsMessage");
	}
	*ret_entries = first ? weir_str_make(first, (size_t)(end - first)) : weir_str_make(message.data, 0);
	return 0;
}

static int take_entries(struct reader *reader, struct weir_str message, struct weir_str entries, bool is_http)
{
	struct weir_wire wire = weir_wire_of(entries);
	struct weir_wire_field field;

	while (!reader->draft->is_exhausted && weir_cursor_next(&wire, &field)) {
		if (field.tag != LOG_ENTRY) {
			continue;
		}
		if (!(is_http ? take_http(reader, field.bytes) : take_tcp(reader, field.bytes))) {
			return malformed(reader->draft, message, field.bytes.data, "a log entry cannot be read");
		}
	}
	return wire.is_malformed ? malformed(reader->draft, message, entries.data, "the log entries cannot be read")
				 : 0;
}

/* The proxy's name is a part of its node id, which stands in the sender's own row. */
static struct weir_ref proxy_place(struct weir_draft *draft, const struct weir_envoy_sender *sender)
{
	const struct weir_workload *own = draft->workloads.data;
	struct weir_str proxy = sender->proxy;

	if (draft->workloads.count == 0 || proxy.length == 0) {
		return (struct weir_ref){ 0, 0 };
	}
	if (own->node_id.length != sender->identity.node_id.length) {
		return weir_peers_place(draft, proxy); /* it was repaired */
	}
	return (struct weir_ref){ own->node_id.offset + (uint32_t)(proxy.data - sender->identity.node_id.data),
		(uint32_t)proxy.length };
}

int weir_als_decode(struct weir_draft *draft, struct weir_envoy_sender *sender)
{
	struct weir_str message = draft->body;
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct reader reader;
	int r;

	r = survey(draft, message, sender, &draft->body);
	if (r != 0) {
		return r;
	}
	if (draft->body.length == 0) {
		return 0;
	}
	reader.draft = draft;
	reader.sender = sender;
	reader.keys.count = 0;
	reader.own_host = (struct weir_ref){ 0, 0 };
	reader.cluster_text = (struct weir_str){ NULL, 0 };
	reader.cluster = (struct weir_cluster_name){ 0 };
	weir_peers_init(&reader.peers, draft, &sender->identity, sender->known);
	reader.proxy = proxy_place(draft, sender);
	while (r == 0 && !draft->is_exhausted && weir_cursor_next(&wire, &field)) {
		if (field.tag == HTTP_LOGS || field.tag == TCP_LOGS) {
			r = take_entries(&reader, message, field.bytes, field.tag == HTTP_LOGS);
		}
	}
	if (r == 0 && draft->is_exhausted) {
		return WEIR_DECODE_TOO_LARGE;
	}
	if (draft->requests.count + draft->connections.count == 0) {
		draft->workloads.count = 0; /* nobody refers to the sender: only the counts are worth a record */
	}
	weir_draft_claim(draft, sender->identity.namespace_, sender->identity.service_account, draft->offered);
	return r;
}

/* ---- entries that came another way --------------------------------------- */

struct weir_als_rows {
	struct reader reader;
};

struct weir_als_rows *weir_als_rows_make(
	struct weir_draft *draft, const struct weir_envoy_sender *sender, struct weir_ref proxy)
{
	struct weir_als_rows *rows = weir_arena_alloc(draft->arena, sizeof(*rows));

	if (!rows) {
		draft->is_exhausted = true;
		return NULL;
	}
	memset(rows, 0, sizeof(*rows));
	rows->reader.draft = draft;
	rows->reader.sender = sender;
	rows->reader.proxy = proxy;
	weir_peers_init(&rows->reader.peers, draft, &sender->identity, sender->known);
	return rows;
}

struct weir_entry *weir_als_rows_entry(struct weir_als_rows *rows)
{
	rows->reader.entry = (struct weir_entry){ .grpc_status = WEIR_GRPC_STATUS_NONE,
		.grpc_header_status = WEIR_GRPC_STATUS_NONE,
		.attr_first = rows->reader.draft->attrs.count };
	return &rows->reader.entry;
}

bool weir_als_rows_request(struct weir_als_rows *rows)
{
	struct weir_request *row = is_final(&rows->reader.entry) ? weir_draft_request(rows->reader.draft) : NULL;

	if (row) {
		fill_request(&rows->reader, row);
	}
	return row != NULL;
}

bool weir_als_rows_connection(struct weir_als_rows *rows)
{
	struct weir_connection *row =
		is_usable_report(&rows->reader.entry) ? weir_draft_connection(rows->reader.draft) : NULL;

	if (row) {
		fill_connection(&rows->reader, row);
	}
	return row != NULL;
}
