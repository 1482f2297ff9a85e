/* entry: one access log entry as it lies on the wire.
 *
 * One pass over the bytes: submessages that matter are entered, the others are
 * passed over by their length. Maps (filter state, headers, tags) are looked at
 * entry by entry: who the peer is goes into the entry, what a reader of logs
 * may want becomes an attribute, the peers' blobs are dropped (they are
 * resolved, and would be the larger half of a log).
 *
 * Invariants
 *  1. Texts in a weir_entry lie in the message; nothing is copied but the keys
 *     of attributes, once per message.
 *  2. A repeated submessage adds to the first (protobuf's merge), a repeated
 *     scalar or map key wins over the first; but for what is only read when it is
 *     asked for (addresses, the Durations that stand in for a missing one), of
 *     which the last is taken.
 *  3. Nothing on the wire is trusted as a number of steps or a size.
 *
 * One thread: the listener whose draft it is. */
#include "decode/envoy/entry.h"

#include "decode/envoy/attrs.h"
#include "decode/envoy/cursor.h"

enum { /* tags: number << 3 | wire type */
	VARINT_1 = 1 << 3 | WEIR_WIRE_VARINT,
	VARINT_2 = 2 << 3 | WEIR_WIRE_VARINT,
	VARINT_3 = 3 << 3 | WEIR_WIRE_VARINT,
	BYTES_1 = 1 << 3 | WEIR_WIRE_BYTES,
	BYTES_2 = 2 << 3 | WEIR_WIRE_BYTES,
	BYTES_3 = 3 << 3 | WEIR_WIRE_BYTES,
	BYTES_4 = 4 << 3 | WEIR_WIRE_BYTES,
	BYTES_5 = 5 << 3 | WEIR_WIRE_BYTES,
	BYTES_6 = 6 << 3 | WEIR_WIRE_BYTES,
	BYTES_9 = 9 << 3 | WEIR_WIRE_BYTES,
	VARINT_11 = 11 << 3 | WEIR_WIRE_VARINT,
	VARINT_12 = 12 << 3 | WEIR_WIRE_VARINT,
	BYTES_13 = 13 << 3 | WEIR_WIRE_BYTES,
	BYTES_15 = 15 << 3 | WEIR_WIRE_BYTES,
	BYTES_16 = 16 << 3 | WEIR_WIRE_BYTES,
	BYTES_19 = 19 << 3 | WEIR_WIRE_BYTES,
	BYTES_20 = 20 << 3 | WEIR_WIRE_BYTES,
	BYTES_21 = 21 << 3 | WEIR_WIRE_BYTES,
	BYTES_22 = 22 << 3 | WEIR_WIRE_BYTES,
	BYTES_23 = 23 << 3 | WEIR_WIRE_BYTES,
	VARINT_24 = 24 << 3 | WEIR_WIRE_VARINT,
	BYTES_26 = 26 << 3 | WEIR_WIRE_BYTES,
	VARINT_27 = 27 << 3 | WEIR_WIRE_VARINT,
	VARINT_29 = 29 << 3 | WEIR_WIRE_VARINT,
	VARINT_30 = 30 << 3 | WEIR_WIRE_VARINT,
	VARINT_33 = 33 << 3 | WEIR_WIRE_VARINT,
};

#define FLAGS_LAST 28u
#define FLAG_UNAUTHORIZED 13u
#define SECONDS_MAX (INT64_C(1) << 33) /* the year 2242; beyond it nanoseconds do not fit 64 bits for long */

/* ---- small messages ----------------------------------------------------- */

/* Timestamp and Duration: 1 seconds, 2 nanos. Negative or absurd ones are 0. */
static bool read_time(struct weir_str message, uint64_t *ret_ns)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	int64_t seconds = 0;
	int32_t nanos = 0;

	while (weir_cursor_next(&wire, &field)) {
		if (field.tag == VARINT_1) {
			seconds = (int64_t)field.value;
		} else if (field.tag == VARINT_2) {
			nanos = (int32_t)(uint32_t)field.value;
		}
	}
	if (wire.is_malformed) {
		return false;
	}
	*ret_ns = seconds < 0 || seconds > SECONDS_MAX || nanos < 0 || nanos > 999999999
			  ? 0
			  : (uint64_t)seconds * UINT64_C(1000000000) + (uint64_t)nanos;
	return true;
}

/* A wrapper's `value`, or the text of StringValue and BytesValue. */
static bool read_wrapped(struct weir_str message, uint64_t *ret_number, struct weir_str *ret_text)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_cursor_next(&wire, &field)) {
		if (field.tag == VARINT_1 && ret_number) {
			*ret_number = field.value;
		} else if (field.tag == BYTES_1 && ret_text) {
			*ret_text = field.bytes;
		}
	}
	return !wire.is_malformed;
}

/* CertificateProperties: 1 subject_alt_name { 1 uri }. The first URI is the identity. */
static bool read_certificate(struct weir_str message, struct weir_str *ret_uri)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_cursor_next(&wire, &field)) {
		struct weir_str uri = { NULL, 0 };

		if (field.tag != BYTES_1) {
			continue;
		}
		if (!read_wrapped(field.bytes, NULL, &uri)) {
			return false;
		}
		if (ret_uri->length == 0) {
			*ret_uri = uri;
		}
	}
	return !wire.is_malformed;
}

static bool read_tls(struct weir_str message, struct weir_entry *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	bool is_ok = true;

	while (is_ok && weir_cursor_next(&wire, &field)) {
		if (field.tag == BYTES_3) {
			ret->sni = field.bytes;
		} else if (field.tag == BYTES_4) {
			is_ok = read_certificate(field.bytes, &ret->local_san);
		} else if (field.tag == BYTES_5) {
			is_ok = read_certificate(field.bytes, &ret->peer_san);
		}
	}
	return is_ok && !wire.is_malformed;
}

static bool read_flags(struct weir_str message, uint32_t *flags)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_cursor_next(&wire, &field)) {
		uint64_t is_set = field.value;

		if (field.number > FLAGS_LAST ||
			(field.type != WEIR_WIRE_VARINT && field.tag != (FLAG_UNAUTHORIZED << 3 | WEIR_WIRE_BYTES)) ||
			(field.type == WEIR_WIRE_VARINT && field.number == FLAG_UNAUTHORIZED)) {
			continue;
		}
		if (field.number == FLAG_UNAUTHORIZED) { /* a message with a reason; 1: the external service */
			is_set = 0;
			if (!read_wrapped(field.bytes, &is_set, NULL)) {
				return false;
			}
			is_set = is_set == 1;
		}
		*flags &= ~(UINT32_C(1) << (field.number - 1));
		*flags |= (is_set ? UINT32_C(1) : 0) << (field.number - 1);
	}
	return !wire.is_malformed;
}

/* ---- filter state ------------------------------------------------------- */

static void take_grpc_stats(struct weir_str value, struct weir_entry *ret)
{
	struct weir_wire wire = weir_wire_of(value);
	struct weir_wire_field field;
	uint64_t requests = 0, responses = 0;

	while (weir_cursor_next(&wire, &field)) {
		if (field.tag == VARINT_1) {
			requests = field.value;
		} else if (field.tag == VARINT_2) {
			responses = field.value;
		}
	}
	if (!wire.is_malformed) {
		ret->has_grpc_stats = true;
		ret->request_messages = requests;
		ret->response_messages = responses;
	}
}

/* Any's value is opaque to the message that holds it: an object that cannot be
 * read is as if it were not there. */
static void take_filter_state(struct weir_str key, struct weir_str type, struct weir_str value, struct weir_entry *ret)
{
	struct weir_str name = weir_str_starts_with(key, "wasm.") ? weir_str_make(key.data + 5, key.length - 5) : key;
	struct weir_str text = { NULL, 0 };
	struct weir_entry_peer *peer;
	bool is_id = weir_str_ends_with(name, "_peer_id");

	if (weir_str_is(name, is_id ? "downstream_peer_id" : "downstream_peer")) {
		peer = &ret->downstream;
	} else if (weir_str_is(name, is_id ? "upstream_peer_id" : "upstream_peer")) {
		peer = &ret->upstream_peer;
	} else {
		if (weir_str_is(key, "envoy.filters.http.grpc_stats") && weir_str_ends_with(type, ".FilterObject")) {
			take_grpc_stats(value, ret);
		}
		return;
	}
	if (weir_str_ends_with(type, ".Struct") && !is_id) {
		peer->form = WEIR_PEER_STRUCT;
		peer->metadata = value;
		return;
	}
	if ((!weir_str_ends_with(type, ".BytesValue") && !weir_str_ends_with(type, ".StringValue")) ||
		!read_wrapped(value, NULL, &text)) {
		return;
	}
	if (is_id) {
		peer->id = text;
	} else if (peer->form <= WEIR_PEER_FLAT && weir_str_ends_with(type, ".BytesValue")) {
		peer->form = WEIR_PEER_FLAT;
		peer->metadata = text;
	}
}

static bool read_filter_state(struct weir_str message, struct weir_entry *ret)
{
	struct weir_pair entry, any;

	if (!weir_pair_read(message, &entry) || !weir_pair_read(entry.value, &any)) {
		return false;
	}
	take_filter_state(entry.key, any.key, any.value, ret);
	return true;
}

/* ---- the large messages ------------------------------------------------- */

static bool read_common(
	struct weir_draft *draft, struct weir_entry_keys *keys, struct weir_str message, struct weir_entry *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	bool is_ok = true;

	while (is_ok && weir_cursor_next(&wire, &field)) {
		switch (field.tag) {
		case BYTES_2:
			ret->remote = field.bytes;
			break;
		case BYTES_3:
			ret->local = field.bytes;
			break;
		case BYTES_4:
			is_ok = read_tls(field.bytes, ret);
			break;
		case BYTES_5:
			is_ok = read_time(field.bytes, &ret->start_ns);
			break;
		case BYTES_13:
			ret->upstream = field.bytes;
			break;
		case BYTES_15:
			ret->upstream_cluster = field.bytes;
			break;
		case BYTES_16:
			is_ok = read_flags(field.bytes, &ret->flags);
			break;
		case BYTES_19:
			ret->route = field.bytes;
			break;
		case BYTES_20:
			ret->direct = field.bytes;
			break;
		case BYTES_21:
			is_ok = read_filter_state(field.bytes, ret);
			break;
		case BYTES_22:
			is_ok = weir_entry_attrs_read(draft, keys, WEIR_ENTRY_TAG, field.bytes, ret);
			break;
		case BYTES_23:
			ret->has_duration = true;
			is_ok = read_time(field.bytes, &ret->duration_ns);
			break;
		case VARINT_24:
			ret->attempts = (uint32_t)field.value;
			break;
		case BYTES_26:
			ret->stream_id = field.bytes;
			break;
		case VARINT_27:
			ret->is_intermediate = field.value != 0;
			break;
		case VARINT_29:
			ret->wire_sent = field.value;
			break;
		case VARINT_30:
			ret->wire_received = field.value;
			break;
		case VARINT_33:
			ret->type = (uint32_t)field.value;
			break;
		default:
			if (field.type == WEIR_WIRE_BYTES && field.number >= 6 && field.number <= 12) {
				ret->offsets[field.number - 6] = field.bytes;
			}
		}
	}
	return is_ok && !wire.is_malformed;
}

static bool read_request(
	struct weir_draft *draft, struct weir_entry_keys *keys, struct weir_str message, struct weir_entry *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	bool is_ok = true;

	while (is_ok && weir_cursor_next(&wire, &field)) {
		switch (field.tag) {
		case VARINT_1:
			ret->method = (uint32_t)field.value;
			break;
		case BYTES_3:
			ret->authority = field.bytes;
			break;
		case BYTES_5:
			ret->path = field.bytes;
			break;
		case BYTES_6:
			ret->user_agent = field.bytes;
			break;
		case BYTES_9:
			ret->request_id = field.bytes;
			break;
		case VARINT_11:
			ret->request_header_bytes = field.value;
			break;
		case VARINT_12:
			ret->request_body_bytes = field.value;
			break;
		case BYTES_13:
			is_ok = weir_entry_attrs_read(draft, keys, WEIR_ENTRY_REQUEST_HEADER, field.bytes, ret);
			break;
		default:
			break;
		}
	}
	return is_ok && !wire.is_malformed;
}

static bool read_response(
	struct weir_draft *draft, struct weir_entry_keys *keys, struct weir_str message, struct weir_entry *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	bool is_ok = true;

	while (is_ok && weir_cursor_next(&wire, &field)) {
		switch (field.tag) {
		case BYTES_1:
			is_ok = read_wrapped(field.bytes, &ret->response_code, NULL);
			break;
		case VARINT_2:
			ret->response_header_bytes = field.value;
			break;
		case VARINT_3:
			ret->response_body_bytes = field.value;
			break;
		case BYTES_4:
			is_ok = weir_entry_attrs_read(draft, keys, WEIR_ENTRY_RESPONSE_HEADER, field.bytes, ret);
			break;
		case BYTES_5:
			is_ok = weir_entry_attrs_read(draft, keys, WEIR_ENTRY_RESPONSE_TRAILER, field.bytes, ret);
			break;
		case BYTES_6:
			ret->code_details = field.bytes;
			break;
		default:
			break;
		}
	}
	return is_ok && !wire.is_malformed;
}

static void begin(struct weir_draft *draft, struct weir_entry_keys *keys, struct weir_entry *ret)
{
	static const struct weir_entry empty = {
		.grpc_status = WEIR_GRPC_STATUS_NONE,
		.grpc_header_status = WEIR_GRPC_STATUS_NONE,
	};

	memcpy(ret, &empty, sizeof(empty)); /* faster than clearing so much by `rep stos` */
	ret->attr_first = draft->attrs.count;
	keys->next = 0;
}

bool weir_entry_read_http(
	struct weir_draft *draft, struct weir_entry_keys *keys, struct weir_str message, struct weir_entry *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	bool is_ok = true;

	begin(draft, keys, ret);
	while (is_ok && weir_cursor_next(&wire, &field)) {
		switch (field.tag) {
		case BYTES_1:
			is_ok = read_common(draft, keys, field.bytes, ret);
			break;
		case VARINT_2:
			ret->http_version = (uint32_t)field.value;
			break;
		case BYTES_3:
			is_ok = read_request(draft, keys, field.bytes, ret);
			break;
		case BYTES_4:
			is_ok = read_response(draft, keys, field.bytes, ret);
			break;
		default:
			break;
		}
	}
	return is_ok && !wire.is_malformed;
}

/* ConnectionProperties: 1 received_bytes, 2 sent_bytes. */
static bool read_connection(struct weir_str message, struct weir_entry *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	ret->has_connection = true;
	while (weir_cursor_next(&wire, &field)) {
		if (field.tag == VARINT_1) {
			ret->received_bytes = field.value;
		} else if (field.tag == VARINT_2) {
			ret->sent_bytes = field.value;
		}
	}
	return !wire.is_malformed;
}

bool weir_entry_read_tcp(
	struct weir_draft *draft, struct weir_entry_keys *keys, struct weir_str message, struct weir_entry *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	bool is_ok = true;

	begin(draft, keys, ret);
	while (is_ok && weir_cursor_next(&wire, &field)) {
		if (field.tag == BYTES_1) {
			is_ok = read_common(draft, keys, field.bytes, ret);
		} else if (field.tag == BYTES_2) {
			is_ok = read_connection(field.bytes, ret);
		}
	}
	return is_ok && !wire.is_malformed;
}

uint64_t weir_entry_duration_ns(const struct weir_entry *entry)
{
	uint64_t longest = 0, offset;

	if (entry->has_duration) {
		return entry->duration_ns;
	}
	if (entry->offsets[WEIR_ENTRY_OFFSETS - 1].data) {
		return read_time(entry->offsets[WEIR_ENTRY_OFFSETS - 1], &offset) ? offset : 0;
	}
	for (size_t i = 0; i < WEIR_ENTRY_OFFSETS; i++) {
		if (entry->offsets[i].data && read_time(entry->offsets[i], &offset) && offset > longest) {
			longest = offset;
		}
	}
	return longest;
}

/* SocketAddress: 2 address, 3 port. EnvoyInternalAddress (HBONE): 2 endpoint_id, "ip:port". */
bool weir_entry_read_address(struct weir_str message, struct weir_entry_address *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	*ret = (struct weir_entry_address){ { NULL, 0 }, 0 };
	while (weir_cursor_next(&wire, &field)) {
		struct weir_wire_field part;
		struct weir_wire inner;

		if (field.tag != BYTES_1 && field.tag != BYTES_3) {
			continue;
		}
		inner = weir_wire_of(field.bytes);
		while (weir_cursor_next(&inner, &part)) {
			if (part.tag == BYTES_2) {
				ret->host = part.bytes;
			} else if (part.tag == VARINT_3) {
				ret->port = (uint32_t)part.value;
			}
		}
		if (inner.is_malformed) {
			return false;
		}
	}
	return !wire.is_malformed;
}
