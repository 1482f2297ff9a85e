/* als: access log entries → requests and connections.
 *
 *   StreamAccessLogsMessage { 1 identifier   first message of a stream only
 *                             2 http_logs { 1 entry … }
 *                             3 tcp_logs  { 1 entry … } }
 *
 * What an entry becomes is in rows.c, and who called whom in it in call.c.
 *
 * Invariants
 *  1. offered = requests + connections + dropped: each entry is counted once.
 *  2. A malformed entry makes the whole message malformed: nothing of it counts.
 *
 * The identifier's node is 60 KB, nearly all of it skipped; so that it is not
 * carried into the ring either, the draft's body is narrowed to the entries.
 *
 * One thread: the listener's. */
#include "decode/envoy/als.h"

#include "decode/envoy/call.h"
#include "decode/envoy/cursor.h"

enum {
	IDENTIFIER = 1 << 3 | WEIR_WIRE_BYTES,
	HTTP_LOGS = 2 << 3 | WEIR_WIRE_BYTES,
	TCP_LOGS = 3 << 3 | WEIR_WIRE_BYTES,
	LOG_ENTRY = 1 << 3 | WEIR_WIRE_BYTES,
};

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
		if (field.tag == IDENTIFIER &&
			!weir_envoy_sender_read(field.bytes, weir_workload_wanted(draft->pods), sender)) {
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

struct reader { /* of one message */
	struct weir_als_rows rows;
	struct weir_entry_keys keys;
	bool is_http; /* the entries at hand */
};

/* One entry becomes a row, or is dropped as an intermediate one. False: malformed. */
static bool take_entry(struct reader *reader, struct weir_str message)
{
	struct weir_als_rows *rows = &reader->rows;
	struct weir_draft *draft = rows->draft;

	if (!(reader->is_http ? weir_entry_read_http(draft, &reader->keys, message, &rows->entry)
			      : weir_entry_read_tcp(draft, &reader->keys, message, &rows->entry))) {
		return false;
	}
	draft->offered++;
	if (!(reader->is_http ? weir_als_rows_request(rows) : weir_als_rows_connection(rows))) {
		draft->attrs.count = rows->entry.attr_first;
		draft->dropped[WEIR_DROP_INTERMEDIATE]++;
	}
	return true;
}

static int take_entries(struct reader *reader, struct weir_str message, struct weir_str entries)
{
	struct weir_wire wire = weir_wire_of(entries);
	struct weir_draft *draft = reader->rows.draft;
	struct weir_wire_field field;

	while (!draft->is_exhausted && weir_cursor_next(&wire, &field)) {
		if (field.tag == LOG_ENTRY && !take_entry(reader, field.bytes)) {
			return malformed(draft, message, field.bytes.data, "a log entry cannot be read");
		}
	}
	return wire.is_malformed ? malformed(draft, message, entries.data, "the log entries cannot be read") : 0;
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
	weir_envoy_sender_complete(sender, draft->pods);
	reader.rows.draft = draft;
	reader.rows.sender = sender;
	reader.rows.own_host = (struct weir_ref){ 0, 0 };
	reader.rows.cluster_text = (struct weir_str){ NULL, 0 };
	reader.rows.cluster = (struct weir_cluster_name){ 0 };
	reader.keys.count = 0;
	weir_peers_init(&reader.rows.peers, draft, &sender->identity, sender->known);
	reader.rows.proxy = proxy_place(draft, sender);
	while (r == 0 && !draft->is_exhausted && weir_cursor_next(&wire, &field)) {
		if (field.tag == HTTP_LOGS || field.tag == TCP_LOGS) {
			reader.is_http = field.tag == HTTP_LOGS;
			r = take_entries(&reader, message, field.bytes);
		}
	}
	if (r == 0 && draft->is_exhausted) {
		return WEIR_DECODE_TOO_LARGE;
	}
	if (draft->requests.count + draft->connections.count == 0) {
		draft->workloads.count = 0; /* nobody refers to the sender: only the counts are worth a record */
		draft->attrs.count = 0;
	}
	weir_draft_claim(draft, sender->identity.namespace_, sender->identity.service_account, draft->offered);
	return r;
}
