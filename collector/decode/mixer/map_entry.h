/* map_entry: the entries of a protobuf map with a word as its key, the way they
 * lie on the wire. All of it is inline: it runs once an attribute. Private to
 * this folder.
 *
 *   tag  length  08 key  10 value                 numbers, words: varints
 *                        12 length bytes          all that is a message or bytes
 *
 * Every encoder writes the two in this order, but none has to: what does not
 * look so is read field by field. */
#ifndef WEIR_DECODE_MIXER_MAP_ENTRY_H
#define WEIR_DECODE_MIXER_MAP_ENTRY_H

#include "decode/wire.h"

enum {
	WEIR_MAP_ENTRY_KEY = 1 << 3 | WEIR_WIRE_VARINT,
	WEIR_MAP_ENTRY_VARINT = 2 << 3 | WEIR_WIRE_VARINT,
	WEIR_MAP_ENTRY_FIXED64 = 2 << 3 | WEIR_WIRE_FIXED64,
	WEIR_MAP_ENTRY_BYTES = 2 << 3 | WEIR_WIRE_BYTES,
};

struct weir_map_entry { /* what is absent is 0 */
	uint64_t key, value;
	struct weir_str bytes;
};

/* Any entry, in any order; the value is of type `value_tag`. False: malformed. */
bool weir_map_entry_read_any(struct weir_str message, uint32_t value_tag, struct weir_map_entry *ret);

/* Timestamp and Duration alike. What is negative or beyond all reason is 0.
 * `limit`: up to where may be read. False: malformed. */
bool weir_map_entry_read_time(struct weir_str message, const uint8_t *limit, uint64_t *ret_ns);

/* The next field: of one byte of tag and one or two of length, or as wire.h has it. */
__attribute__((always_inline)) static inline bool weir_map_entry_next(
	struct weir_wire *wire, struct weir_wire_field *ret)
{
	const uint8_t *at = wire->at;
	size_t left = (size_t)(wire->end - at);

	if (__builtin_expect(left >= 3, 1)) {
		uint32_t more = at[1] >> 7;
		size_t length = (at[1] & 0x7fu) | ((uint32_t)at[2] << 7 & (0 - more));

		if (__builtin_expect((at[0] & 0x87) == WEIR_WIRE_BYTES && at[0] >= 8 && (at[2] & more << 7) == 0 &&
					     length <= left - 2 - more,
			    1)) {
			ret->type = WEIR_WIRE_BYTES;
			ret->number = at[0] >> 3;
			ret->tag = at[0];
			ret->bytes = (struct weir_str){ (const char *)at + 2 + more, length };
			wire->at = at + 2 + more + length;
			return true;
		}
	}
	return weir_wire_next(wire, ret);
}

/* The field at `at` when it is `tag` and an entry of two varints of one or two
 * bytes, as most are; which of the two nobody can predict, so nothing branches
 * on it. Behind it, or NULL: to be read in another way. */
__attribute__((always_inline)) static inline const uint8_t *weir_map_entry_read_short(
	const uint8_t *at, const uint8_t *end, uint32_t tag, uint32_t *ret_key, uint32_t *ret_value)
{
	const uint8_t *value;
	uint32_t more_key, more_value, last_key, last_value;

	if (__builtin_expect(end - at < 8, 0)) {
		return NULL;
	}
	more_key = at[3] >> 7;
	value = at + 4 + more_key; /* its tag */
	more_value = value[1] >> 7;
	last_key = value[-1];
	last_value = value[1 + more_value];
	if (__builtin_expect(
		    ((at[0] ^ tag) | (at[1] ^ (4 + more_key + more_value)) | (at[2] ^ (uint32_t)WEIR_MAP_ENTRY_KEY) |
			    (value[0] ^ (uint32_t)WEIR_MAP_ENTRY_VARINT) | ((last_key | last_value) & 0x80)) != 0,
		    0)) {
		return NULL;
	}
	*ret_key = (at[3] & 0x7fu) | (last_key << 7 & (0 - more_key));
	*ret_value = (value[1] & 0x7fu) | (last_value << 7 & (0 - more_value));
	return value + 2 + more_value;
}

/* Two varints, of any length. False: malformed. */
static inline bool weir_map_entry_read_numbers(struct weir_str message, struct weir_map_entry *ret)
{
	const uint8_t *at = (const uint8_t *)message.data, *const end = at + message.length;
	uint64_t key, value;

	if (message.length < 4 || *at != WEIR_MAP_ENTRY_KEY) {
		return weir_map_entry_read_any(message, WEIR_MAP_ENTRY_VARINT, ret);
	}
	at = weir_wire_varint(at + 1, end, &key);
	if (at == NULL || at == end || *at != WEIR_MAP_ENTRY_VARINT) {
		return weir_map_entry_read_any(message, WEIR_MAP_ENTRY_VARINT, ret);
	}
	at = weir_wire_varint(at + 1, end, &value);
	if (at != end) {
		return weir_map_entry_read_any(message, WEIR_MAP_ENTRY_VARINT, ret);
	}
	ret->key = key;
	ret->value = value;
	return true;
}

/* A varint and bytes. False: malformed. */
static inline bool weir_map_entry_read_bytes(struct weir_str message, struct weir_map_entry *ret)
{
	const uint8_t *at = (const uint8_t *)message.data, *const end = at + message.length;
	uint64_t key, length;

	if (message.length < 4 || *at != WEIR_MAP_ENTRY_KEY) {
		return weir_map_entry_read_any(message, WEIR_MAP_ENTRY_BYTES, ret);
	}
	at = weir_wire_varint(at + 1, end, &key);
	if (at == NULL || at == end || *at != WEIR_MAP_ENTRY_BYTES) {
		return weir_map_entry_read_any(message, WEIR_MAP_ENTRY_BYTES, ret);
	}
	at = weir_wire_varint(at + 1, end, &length);
	if (at == NULL || length != (uint64_t)(end - at)) {
		return weir_map_entry_read_any(message, WEIR_MAP_ENTRY_BYTES, ret);
	}
	ret->key = key;
	ret->bytes = (struct weir_str){ (const char *)at, length };
	return true;
}

#endif
