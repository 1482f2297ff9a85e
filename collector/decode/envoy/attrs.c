/* attrs: an entry's headers and tags.
 *
 * Maps are looked at entry by entry: who the peer is and what the protocol was
 * goes into the entry, what a reader of logs may want becomes an attribute, the
 * peers' blobs are dropped (they are resolved, and would be the larger half of
 * a log).
 *
 *   custom_tags          <name>                      response_headers   response.headers.<name>
 *   request_headers      request.headers.<name>      response_trailers  response.trailers.<name>
 *
 * Invariants
 *  1. A key has one ref per message (while there is room to remember it), so
 *     that equal keys of an entry are found by their offsets.
 *  2. A map has a key once: the last one wins, in the place of the first.
 *
 * One thread: the listener whose draft it is. */
#include "decode/envoy/attrs.h"

#include "base/utf8.h"
#include "decode/envoy/cursor.h"

enum {
	KEY = 1 << 3 | WEIR_WIRE_BYTES,
	VALUE = 2 << 3 | WEIR_WIRE_BYTES,
};

bool weir_cursor_next_slowly(struct weir_wire *wire, struct weir_wire_field *ret)
{
	return weir_wire_next(wire, ret);
}

bool weir_pair_read(struct weir_str message, struct weir_pair *ret)
{
	const uint8_t *at = (const uint8_t *)message.data;
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	size_t n = message.length;

	/* As every encoder writes it: key, then value, each shorter than 128 bytes. */
	if (n >= 4 && at[0] == KEY && at[1] < 0x80 && (size_t)at[1] + 4 <= n && at[at[1] + 2] == VALUE &&
		at[at[1] + 3] < 0x80 && (size_t)at[1] + at[at[1] + 3] + 4 == n) {
		ret->key = weir_str_make(message.data + 2, at[1]);
		ret->value = weir_str_make(message.data + at[1] + 4, at[at[1] + 3]);
		return true;
	}
	*ret = (struct weir_pair){ 0 };
	while (weir_cursor_next(&wire, &field)) {
		if (field.tag == KEY) {
			ret->key = field.bytes;
		} else if (field.tag == VALUE) {
			ret->value = field.bytes;
		}
	}
	return !wire.is_malformed;
}

static const char *const group_prefixes[] = { "", "request.headers.", "response.headers.", "response.trailers." };

static struct weir_ref new_key(struct weir_draft *draft, enum weir_entry_group group, struct weir_str raw)
{
	struct weir_str prefix = weir_str_of(group_prefixes[group]);
	char *at = weir_draft_reserve(draft, prefix.length + 3 * raw.length);
	size_t used = raw.length;

	if (!at) {
		return (struct weir_ref){ 0, 0 };
	}
	memcpy(at, prefix.data, prefix.length);
	if (raw.length == 0) {
		return weir_draft_commit(draft, prefix.length); /* a map entry without a key has the empty one */
	}
	if (weir_draft_is_ascii(raw) || weir_utf8_is_valid(raw)) {
		memcpy(at + prefix.length, raw.data, raw.length);
	} else {
		draft->replaced_utf8++;
		used = weir_utf8_repair(raw, at + prefix.length);
	}
	return weir_draft_commit(draft, prefix.length + used);
}

static struct weir_ref key_of(
	struct weir_draft *draft, struct weir_entry_keys *keys, enum weir_entry_group group, struct weir_str raw)
{
	struct weir_ref ref;

	for (uint32_t i = 0; i < keys->count; i++) {
		uint32_t at = keys->next + i < keys->count ? keys->next + i : keys->next + i - keys->count;

		if (keys->keys[at].group == group && weir_str_equal(keys->keys[at].raw, raw)) {
			keys->next = at + 1 < keys->count ? at + 1 : 0;
			return keys->keys[at].ref;
		}
	}
	ref = new_key(draft, group, raw);
	if (keys->count < WEIR_ENTRY_KEYS) {
		keys->keys[keys->count].group = group;
		keys->keys[keys->count].raw = raw;
		keys->keys[keys->count++].ref = ref;
		keys->next = 0;
	}
	return ref;
}

static void add_attr(struct weir_draft *draft, struct weir_entry_keys *keys, enum weir_entry_group group,
	const struct weir_pair *pair, uint32_t first)
{
	struct weir_ref key = key_of(draft, keys, group, pair->key);
	struct weir_attr *attr = draft->attrs.data;

	/* A map has a key once: the last one wins. Equal keys have equal refs. */
	for (uint32_t i = first; i < draft->attrs.count; i++) {
		if (attr[i].key.offset == key.offset && key.length > 0) {
			attr[i].value.text = weir_draft_text(draft, pair->value);
			return;
		}
	}
	attr = weir_draft_attr(draft);
	if (attr) {
		attr->key = key;
		attr->type = WEIR_ATTR_STRING;
		attr->value.text = weir_draft_text(draft, pair->value);
	}
}

static bool is_hex(struct weir_str text)
{
	bool is_zero = true;

	for (size_t i = 0; i < text.length; i++) {
		char c = text.data[i];

		if (!((c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F'))) {
			return false;
		}
		is_zero = is_zero && c == '0';
	}
	return !is_zero;
}

/* traceparent is 00-<32 hex>-<16 hex>-<2 hex>; b3 is <16 or 32 hex>-…; the others are the id alone. */
static void take_trace_id(struct weir_str key, struct weir_str value, struct weir_entry *ret)
{
	struct weir_str rest = value, id = value;

	if (weir_str_is(key, "traceparent")) {
		(void)weir_str_cut(&rest, '-');
		id = weir_str_cut(&rest, '-');
	} else if (weir_str_is(key, "b3")) {
		id = weir_str_cut(&rest, '-');
	} else if (!weir_str_is(key, "x-b3-traceid") && !weir_str_is(key, "trace_id") &&
		   !weir_str_is(key, "trace-id") && !weir_str_is(key, "traceid")) {
		return;
	}
	if ((id.length == 16 || id.length == 32) && is_hex(id)) {
		ret->trace_id = id;
	}
}

static int32_t status_of(struct weir_str value)
{
	unsigned long long status;

	return weir_str_to_u64(value, &status) == 0 && status <= INT32_MAX ? (int32_t)status : WEIR_GRPC_STATUS_NONE;
}

/* False: one of the peers' blobs, which is no attribute. */
static bool take_header(enum weir_entry_group group, const struct weir_pair *pair, struct weir_entry *ret)
{
	struct weir_entry_peer *peer = group == WEIR_ENTRY_REQUEST_HEADER ? &ret->downstream : &ret->upstream_peer;

	switch (pair->key.length) {
	case 21:
		if (weir_str_is(pair->key, "x-envoy-peer-metadata")) {
			if (peer->form <= WEIR_PEER_HEADER) {
				peer->form = WEIR_PEER_HEADER;
				peer->metadata = pair->value;
			}
			return false;
		}
		break;
	case 24:
		if (weir_str_is(pair->key, "x-envoy-peer-metadata-id")) {
			if (peer->id.length == 0) {
				peer->id = pair->value;
			}
			return false;
		}
		break;
	case 11:
		if (group != WEIR_ENTRY_REQUEST_HEADER && weir_str_is(pair->key, "grpc-status")) {
			*(group == WEIR_ENTRY_RESPONSE_TRAILER ? &ret->grpc_status : &ret->grpc_header_status) =
				status_of(pair->value);
		}
		break;
	case 12:
		if (group == WEIR_ENTRY_REQUEST_HEADER && weir_str_is(pair->key, "content-type")) {
			ret->has_grpc_content = weir_str_starts_with(pair->value, "application/grpc");
		}
		break;
	default:
		break;
	}
	if (group == WEIR_ENTRY_REQUEST_HEADER) {
		take_trace_id(pair->key, pair->value, ret);
	}
	return true;
}

bool weir_entry_attrs_read(struct weir_draft *draft, struct weir_entry_keys *keys, enum weir_entry_group group,
	struct weir_str message, struct weir_entry *entry)
{
	struct weir_pair pair;

	if (!weir_pair_read(message, &pair)) {
		return false;
	}
	if (group == WEIR_ENTRY_TAG) {
		take_trace_id(pair.key, pair.value, entry);
		add_attr(draft, keys, group, &pair, entry->attr_first);
	} else if (take_header(group, &pair, entry)) {
		add_attr(draft, keys, group, &pair, entry->attr_first);
	}
	return true;
}
