/* entry: one access log entry as it lies on the wire, read but not yet
 * understood. Private to this folder. */
#ifndef WEIR_DECODE_ENVOY_ENTRY_H
#define WEIR_DECODE_ENVOY_ENTRY_H

#include "decode/draft.h"
#include "decode/envoy/peer.h"

#define WEIR_ENTRY_OFFSETS 7u /* time_to_last_rx_byte … time_to_last_downstream_tx_byte */
#define WEIR_ENTRY_KEYS 48u

struct weir_entry_address {
	struct weir_str host; /* or, for an address inside Envoy, "ip:port" */
	uint32_t port;
};

struct weir_entry_peer { /* what was told about one end, apart from its certificate and address */
	enum weir_peer_form form;
	struct weir_str metadata, id;
};

struct weir_entry {
	/* AccessLogCommon */
	struct weir_str remote, direct, local, upstream; /* Addresses; read when asked for */
	struct weir_str sni, local_san, peer_san;        /* the first URI of each certificate */
	uint64_t start_ns, duration_ns;
	bool has_duration, is_intermediate;
	struct weir_str offsets[WEIR_ENTRY_OFFSETS]; /* Durations; read only when there is no other */
	struct weir_str upstream_cluster, route, stream_id;
	uint32_t flags, attempts, type;
	uint64_t wire_sent, wire_received;
	struct weir_entry_peer downstream, upstream_peer;
	bool has_grpc_stats;
	uint64_t request_messages, response_messages;
	/* HTTP */
	uint32_t http_version, method;
	struct weir_str authority, path, user_agent, request_id, code_details, trace_id;
	bool has_grpc_content;
	int32_t grpc_status, grpc_header_status; /* of the trailers, of the headers */
	uint64_t response_code, request_header_bytes, request_body_bytes, response_header_bytes, response_body_bytes;
	/* TCP */
	bool has_connection;
	uint64_t received_bytes, sent_bytes;
	uint32_t attr_first; /* row of the draft's attrs; its own go to the table's end */
};

/* Where an attribute comes from; its key says so in Mixer's words. */
enum weir_entry_group {
	WEIR_ENTRY_TAG,              /* the tag's own name */
	WEIR_ENTRY_REQUEST_HEADER,   /* request.headers.… */
	WEIR_ENTRY_RESPONSE_HEADER,  /* response.headers.… */
	WEIR_ENTRY_RESPONSE_TRAILER, /* response.trailers.… */
};

/* The keys of a message's attributes, each in the pool once. The entries of one
 * proxy carry the same keys in nearly the same order, so the next one is
 * usually the one behind the last. */
struct weir_entry_keys {
	struct {
		enum weir_entry_group group;
		struct weir_str raw;
		struct weir_ref ref;
	} keys[WEIR_ENTRY_KEYS];
	uint32_t count, next;
};

/* Reads an HTTPAccessLogEntry or TCPAccessLogEntry. Its attributes are appended
 * to the draft's; who drops the entry cuts them off again at attr_first.
 * False: malformed. */
bool weir_entry_read_http(
	struct weir_draft *draft, struct weir_entry_keys *keys, struct weir_str message, struct weir_entry *ret);
bool weir_entry_read_tcp(
	struct weir_draft *draft, struct weir_entry_keys *keys, struct weir_str message, struct weir_entry *ret);

/* One of the entry's addresses; unset parts are empty. False: malformed. */
bool weir_entry_read_address(struct weir_str message, struct weir_entry_address *ret);

/* How long it took: duration, else time_to_last_downstream_tx_byte, else the largest offset. */
uint64_t weir_entry_duration_ns(const struct weir_entry *entry);

#endif
