/* peer: what a proxy was told about the other end of a call.
 *
 * FlatNode, the FlatBuffers form (Istio 1.5 to 1.23):
 *
 *   0        root ─▶ table ─▶ vtable: size u16, table size u16, field u16 …
 *                    │ field i lies at table + vtable[4 + 2i], 0 = absent
 *                    ├─ string:  u32 ─▶ length u32, bytes
 *                    └─ vector:  u32 ─▶ count u32, u32 ─▶ each element
 *
 * Every arrow is an offset chosen by a remote sender. So each is followed by a
 * function that either proves the target to lie inside the bytes or says no;
 * and a vector is walked at most LABELS_MAX steps, as its elements may overlap.
 *
 * Invariants
 *  1. No byte outside `bytes` is read, whatever the offsets say.
 *  2. Work is linear in the fields asked for, never in a number on the wire.
 *  3. Unreadable is unset: a half-read peer is not used.
 *
 * Any thread; no state. */
#include "decode/envoy/peer.h"

#include "base/base64.h"
#include "decode/envoy/struct.h"

#define LABELS_MAX 256u

/* ---- FlatBuffers -------------------------------------------------------- */

struct flat { /* a table, proven to have its vtable inside the bytes */
	struct weir_str bytes;
	size_t table, vtable, vtable_size;
};

static bool load_u16(struct weir_str bytes, size_t at, size_t *ret)
{
	if (bytes.length < 2 || at > bytes.length - 2) {
		return false;
	}
	*ret = (size_t)(uint8_t)bytes.data[at] | (size_t)(uint8_t)bytes.data[at + 1] << 8;
	return true;
}

static bool load_u32(struct weir_str bytes, size_t at, size_t *ret)
{
	if (bytes.length < 4 || at > bytes.length - 4) {
		return false;
	}
	*ret = weir_wire_load32((const uint8_t *)bytes.data + at);
	return true;
}

/* Where the u32 at `at` points to: relative to itself. */
static bool follow(struct weir_str bytes, size_t at, size_t *ret)
{
	size_t offset;

	if (!load_u32(bytes, at, &offset) || offset > bytes.length - at) {
		return false;
	}
	*ret = at + offset;
	return true;
}

static bool table_at(struct weir_str bytes, size_t table, struct flat *ret)
{
	size_t raw;
	int64_t vtable;

	if (!load_u32(bytes, table, &raw)) {
		return false;
	}
	vtable = (int64_t)table - (int64_t)(int32_t)(uint32_t)raw;
	if (vtable < 0 || !load_u16(bytes, (size_t)vtable, &ret->vtable_size) || ret->vtable_size < 4 ||
		ret->vtable_size > bytes.length - (size_t)vtable) {
		return false;
	}
	ret->bytes = bytes;
	ret->table = table;
	ret->vtable = (size_t)vtable;
	return true;
}

enum found { ABSENT, FOUND, BROKEN };

/* Where field `id` of the table lies. */
static enum found field_at(const struct flat *flat, unsigned id, size_t *ret)
{
	size_t slot = 4 + 2 * (size_t)id;
	size_t offset;

	if (slot + 2 > flat->vtable_size) {
		return ABSENT;
	}
	if (!load_u16(flat->bytes, flat->vtable + slot, &offset)) {
		return BROKEN;
	}
	if (offset == 0) {
		return ABSENT;
	}
	*ret = flat->table + offset;
	return FOUND;
}

/* False: broken. An absent field leaves *ret. */
static bool read_string(const struct flat *flat, unsigned id, struct weir_str *ret)
{
	size_t at, string, length;
	enum found found = field_at(flat, id, &at);

	if (found != FOUND) {
		return found == ABSENT;
	}
	if (!follow(flat->bytes, at, &string) || !load_u32(flat->bytes, string, &length) ||
		length > flat->bytes.length - string - 4) {
		return false;
	}
	*ret = weir_str_make(flat->bytes.data + string + 4, length);
	return true;
}

static bool read_flat_labels(const struct flat *flat, struct weir_identity_labels *ret)
{
	size_t at, vector, count;
	enum found found = field_at(flat, 2, &at);

	if (found != FOUND) {
		return found == ABSENT;
	}
	if (!follow(flat->bytes, at, &vector) || !load_u32(flat->bytes, vector, &count) ||
		count > (flat->bytes.length - vector - 4) / 4) {
		return false;
	}
	for (size_t i = 0; i < count && i < LABELS_MAX; i++) {
		struct weir_str key = { NULL, 0 }, value = { NULL, 0 };
		struct flat pair;
		size_t table;

		if (!follow(flat->bytes, vector + 4 + 4 * i, &table) || !table_at(flat->bytes, table, &pair) ||
			!read_string(&pair, 0, &key) || !read_string(&pair, 1, &value)) {
			return false;
		}
		weir_identity_take_label(key, value, ret);
	}
	return true;
}

bool weir_peer_read_flat(struct weir_str bytes, struct weir_node *ret)
{
	struct weir_identity *identity = &ret->identity;
	struct flat flat;
	size_t root;

	return follow(bytes, 0, &root) && table_at(bytes, root, &flat) && read_string(&flat, 0, &identity->pod) &&
	       read_string(&flat, 1, &identity->namespace_) && read_flat_labels(&flat, &ret->labels) &&
	       read_string(&flat, 3, &ret->owner) && read_string(&flat, 4, &identity->workload) &&
	       read_string(&flat, 9, &identity->cluster) && read_string(&flat, 11, &identity->principal);
}

/* ---- Struct with lower-case keys ---------------------------------------- */

bool weir_peer_read_struct(struct weir_str bytes, struct weir_node *ret)
{
	const struct {
		const char *key;
		struct weir_str *field;
	} places[] = {
		{ "workload", &ret->identity.workload },
		{ "namespace", &ret->identity.namespace_ },
		{ "cluster", &ret->identity.cluster },
		{ "name", &ret->identity.pod },
		{ "identity", &ret->identity.principal },
		{ "app", &ret->labels.app },
		{ "version", &ret->labels.version },
		{ "service", &ret->labels.canonical_name },
		{ "revision", &ret->labels.canonical_revision },
	};
	struct weir_wire wire = weir_wire_of(bytes);
	struct weir_struct_entry entry;

	while (weir_struct_next(&wire, &entry)) {
		if (weir_str_is(entry.key, "labels") && !weir_node_read_labels(entry.inner, &ret->labels)) {
			return false;
		}
		for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
			if (weir_str_is(entry.key, places[i].key)) {
				*places[i].field = entry.text;
			}
		}
	}
	return !wire.is_malformed;
}

/* ---- base64 ------------------------------------------------------------- */

struct weir_str weir_peer_decode_base64(struct weir_str text, struct weir_arena *arena)
{
	size_t length;
	char *out;

	if (text.length > WEIR_PEER_BASE64_MAX) {
		return weir_str_make(NULL, 0);
	}
	out = weir_arena_alloc(arena, text.length / 4 * 3 + 3);
	if (!out || weir_base64_read(text, out, &length) != 0) {
		return weir_str_make(NULL, 0);
	}
	return weir_str_make(out, length);
}

bool weir_peer_read(enum weir_peer_form form, struct weir_str metadata, const struct weir_wanted *wanted,
	struct weir_arena *arena, struct weir_node *ret)
{
	bool is_read = false;

	*ret = (struct weir_node){ .labels = { .wanted = wanted } };
	if (form == WEIR_PEER_STRUCT) {
		is_read = weir_peer_read_struct(metadata, ret);
	} else if (form == WEIR_PEER_FLAT) {
		is_read = weir_peer_read_flat(metadata, ret);
	} else if (form == WEIR_PEER_HEADER) {
		struct weir_str bytes = weir_peer_decode_base64(metadata, arena);

		is_read = bytes.data && weir_node_read_metadata(bytes, ret);
	}
	if (!is_read) {
		*ret = (struct weir_node){ 0 };
	}
	return is_read;
}
