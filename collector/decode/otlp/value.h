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

/* Reads `message`, a KeyValue, into a new row of draft->attrs. *ret_key (may
 * be NULL) is the key as it came. False: malformed or the arena is full. */
__attribute__((always_inline)) static inline struct weir_attr *weir_otlp_attr_read(
	struct weir_draft *draft, struct weir_str message, struct weir_str *ret_key)
{
	struct weir_attr *attr = weir_draft_row(draft, &draft->attrs);
	struct weir_wire wire = weir_wire_of(message), inner;
	struct weir_wire_field field;
	struct weir_str key = { NULL, 0 };

	if (__builtin_expect(attr == NULL, 0)) {
		return NULL;
	}
	*attr = (struct weir_attr){ .type = WEIR_ATTR_EMPTY };
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == WEIR_OTLP_PAIR_KEY) {
			key = field.bytes;
		} else if (field.tag == WEIR_OTLP_PAIR_VALUE) {
			struct weir_str value = field.bytes;

			/* A single string is nearly all there is; the rest goes the long way. */
			inner = weir_wire_of(value);
			if (attr->type == WEIR_ATTR_EMPTY && weir_wire_next(&inner, &field) &&
				field.tag == WEIR_OTLP_VALUE_STRING && inner.at == inner.end) {
				attr->type = WEIR_ATTR_STRING;
				attr->value.text = weir_draft_text(draft, field.bytes);
			} else if (!weir_otlp_value_read(draft, value, attr)) {
				return NULL;
			}
		}
	}
	attr->key = weir_draft_text(draft, key);
	*ret_key = key;
	return wire.is_malformed ? NULL : attr;
}

#endif
