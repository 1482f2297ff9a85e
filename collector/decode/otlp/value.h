/* value: OTLP's AnyValue and KeyValue → attributes of a draft. Inside decode
 * only: traces use it, metrics and logs will. */
#ifndef WEIR_DECODE_OTLP_VALUE_H
#define WEIR_DECODE_OTLP_VALUE_H

#include "decode/draft.h"
#include "decode/wire.h"

enum { /* tags of AnyValue and KeyValue */
	WEIR_OTLP_VALUE_STRING = 1 << 3 | WEIR_WIRE_BYTES,
	WEIR_OTLP_VALUE_BOOL = 2 << 3 | WEIR_WIRE_VARINT,
	WEIR_OTLP_VALUE_INT = 3 << 3 | WEIR_WIRE_VARINT,
	WEIR_OTLP_VALUE_DOUBLE = 4 << 3 | WEIR_WIRE_FIXED64,
	WEIR_OTLP_VALUE_ARRAY = 5 << 3 | WEIR_WIRE_BYTES,
	WEIR_OTLP_VALUE_KVLIST = 6 << 3 | WEIR_WIRE_BYTES,
	WEIR_OTLP_VALUE_BYTES = 7 << 3 | WEIR_WIRE_BYTES,
	WEIR_OTLP_PAIR_KEY = 1 << 3 | WEIR_WIRE_BYTES,
	WEIR_OTLP_PAIR_VALUE = 2 << 3 | WEIR_WIRE_BYTES,
};

/* Reads `message`, an AnyValue at nesting depth 1, into type and value of
 * `attr`, on top of what they hold (a repeated value is merged: the last
 * member wins, arrays and maps are joined). Arrays and maps become JSON text
 * in the pool. False: malformed, or nested deeper than WEIR_WIRE_DEPTH. A full
 * arena shows as draft->is_exhausted. */
bool weir_otlp_value_read(struct weir_draft *draft, struct weir_str message, struct weir_attr *attr);

/* The long way of weir_otlp_attr_read(). */
struct weir_attr *weir_otlp_attr_read_any(struct weir_draft *draft, struct weir_str message, struct weir_str *ret_key);

/* Reads `message`, a KeyValue, into a new row of draft->attrs. *ret_key is the
 * key as it came. NULL: malformed or the arena is full.
 *
 * Nearly every attribute is a short string under a short key:
 *
 *   0a n <key> 12 m 0a m-2 <text>      all lengths below 128
 *
 * It is recognised as a whole, and as its tags and lengths are ASCII too, one
 * look over the message proves both strings to be. */
__attribute__((always_inline)) static inline struct weir_attr *weir_otlp_attr_read(
	struct weir_draft *draft, struct weir_str message, struct weir_str *ret_key)
{
	const uint8_t *at = (const uint8_t *)message.data, *value;
	size_t n = message.length, key_length;
	struct weir_attr *attr;
	uint32_t offset;

	if (n < 6 || at[0] != WEIR_OTLP_PAIR_KEY || at[1] + (size_t)6 > n) {
		return weir_otlp_attr_read_any(draft, message, ret_key);
	}
	key_length = at[1];
	value = at + 2 + key_length;
	if (value[0] != WEIR_OTLP_PAIR_VALUE || value[1] + key_length + 4 != n || value[2] != WEIR_OTLP_VALUE_STRING ||
		value[3] + 2 != value[1] || key_length == 0 || value[3] == 0 || !weir_draft_is_ascii(message)) {
		return weir_otlp_attr_read_any(draft, message, ret_key);
	}
	attr = weir_draft_row(draft, &draft->attrs);
	if (__builtin_expect(attr == NULL, 0)) {
		return NULL;
	}
	offset = weir_draft_ref(draft, message).offset;
	attr->key = (struct weir_ref){ offset + 2, (uint32_t)key_length };
	attr->value.text = (struct weir_ref){ offset + 6 + (uint32_t)key_length, value[3] };
	attr->type = WEIR_ATTR_STRING;
	attr->padding = 0;
	*ret_key = weir_str_make(message.data + 2, key_length);
	return attr;
}

#endif
