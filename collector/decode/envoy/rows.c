/* rows: requests and connections of access log entries, whichever way they came.
 *
 *   AccessLogType                       HTTP        TCP
 *   NotSet, and every …End but          a request   close
 *     UpstreamEnd
 *   …Start, TcpUpstreamConnected,       dropped     open; dropped while no upstream is chosen:
 *     UdpTunnelUpstreamConnected                    it would be opened towards nobody, and
 *                                                   its next report opens it as well
 *   UpstreamPoolReady, -Periodic, -End  dropped     dropped: the downstream's log says it too
 *   all others                          dropped     continue
 *
 * Invariants
 *  1. A request is a row only when it is finished; a connection has a row for
 *     each report, with running totals (the fold takes differences). A report
 *     before the end needs the connection's id for that.
 *  2. An entry that is marked as intermediate is none of the finished ones.
 *  3. An entry's attributes are all there before its call is looked at: labels
 *     of workloads go behind them.
 *
 * One thread: the listener's. */
#include "decode/envoy/rows.h"

#include "decode/envoy/call.h"

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

#define HTTP_2 3 /* HTTPVersion */

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

static void fill_request(struct weir_als_rows *rows, struct weir_request *row)
{
	const struct weir_entry *entry = &rows->entry;
	struct weir_draft *draft = rows->draft;
	int32_t status = entry->grpc_status != WEIR_GRPC_STATUS_NONE ? entry->grpc_status : entry->grpc_header_status;

	row->attr_first = entry->attr_first;
	row->attr_count = draft->attrs.count - entry->attr_first;
	weir_call_fill(rows, &row->call);
	row->call.protocol = is_grpc(entry, status) ? WEIR_REQUEST_GRPC : WEIR_REQUEST_HTTP;
	row->call.is_probe = weir_call_is_probe(entry->user_agent, entry->path);
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
	row->authority = weir_draft_text(draft, entry->authority);
	row->path = weir_draft_text(draft, entry->path);
	row->user_agent = weir_draft_text(draft, entry->user_agent);
	row->request_id = weir_draft_text(draft, entry->request_id);
	row->route = weir_draft_text(draft, entry->route);
	row->upstream_cluster = weir_draft_text(draft, entry->upstream_cluster);
	row->code_details = weir_draft_text(draft, entry->code_details);
	row->trace_id = weir_draft_text(draft, entry->trace_id);
	(void)weir_peers_address(&rows->peer, &row->peer_address); /* a pipe or a name: stays unset */
}

/* ---- connections -------------------------------------------------------- */

static bool is_usable_report(const struct weir_entry *entry)
{
	if (is_final(entry)) {
		return true;
	}
	/* Running totals need the connection's id; and the upstream's own log repeats the downstream's. */
	if (entry->stream_id.length == 0 || (entry->type >= UPSTREAM_POOL_READY && entry->type <= UPSTREAM_END)) {
		return false;
	}
	return (entry->type != TCP_CONNECTION_START && entry->type != DOWNSTREAM_START) ||
	       entry->upstream_cluster.length > 0;
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

static void fill_connection(struct weir_als_rows *rows, struct weir_connection *row)
{
	const struct weir_entry *entry = &rows->entry;
	struct weir_draft *draft = rows->draft;

	row->attr_first = entry->attr_first;
	row->attr_count = draft->attrs.count - entry->attr_first;
	weir_call_fill(rows, &row->call);
	row->call.protocol = WEIR_REQUEST_TCP;
	row->start_ns = entry->start_ns;
	row->duration_ns = weir_entry_duration_ns(entry);
	row->received_bytes = entry->has_connection ? entry->received_bytes : entry->wire_received;
	row->sent_bytes = entry->has_connection ? entry->sent_bytes : entry->wire_sent;
	row->state = (uint8_t)state_of(entry);
	row->stream_id = weir_draft_text(draft, entry->stream_id);
	row->upstream_cluster = weir_draft_text(draft, entry->upstream_cluster);
	row->sni = weir_draft_text(draft, entry->sni);
	(void)weir_peers_address(&rows->peer, &row->peer_address);
}

/* ---- rows --------------------------------------------------------------- */

struct weir_als_rows *weir_als_rows_make(struct weir_draft *draft)
{
	struct weir_als_rows *rows = weir_arena_alloc(draft->arena, sizeof(*rows));

	if (!rows) {
		draft->is_exhausted = true;
		return NULL;
	}
	rows->draft = draft;
	return rows;
}

void weir_als_rows_begin(struct weir_als_rows *rows, const struct weir_envoy_sender *sender, struct weir_ref proxy)
{
	struct weir_draft *draft = rows->draft;

	memset(rows, 0, sizeof(*rows));
	rows->draft = draft;
	rows->sender = sender;
	rows->proxy = proxy;
	weir_peers_init(&rows->peers, draft, &sender->identity, sender->known);
}

struct weir_entry *weir_als_rows_entry(struct weir_als_rows *rows)
{
	rows->entry = (struct weir_entry){ .grpc_status = WEIR_GRPC_STATUS_NONE,
		.grpc_header_status = WEIR_GRPC_STATUS_NONE,
		.attr_first = rows->draft->attrs.count };
	return &rows->entry;
}

bool weir_als_rows_request(struct weir_als_rows *rows)
{
	struct weir_request *row = is_final(&rows->entry) ? weir_draft_request(rows->draft) : NULL;

	if (row) {
		fill_request(rows, row);
	}
	return row != NULL;
}

bool weir_als_rows_connection(struct weir_als_rows *rows)
{
	struct weir_connection *row = is_usable_report(&rows->entry) ? weir_draft_connection(rows->draft) : NULL;

	if (row) {
		fill_connection(rows, row);
	}
	return row != NULL;
}
