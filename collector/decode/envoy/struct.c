/* struct: google.protobuf.Struct, one entry after the other.
 *
 *   Struct { 1: repeated { 1: key, 2: Value { 3: string | 5: Struct | … } } }
 *
 * Values of other kinds (numbers, lists) are passed over: no key that says who
 * somebody is has one. Any thread; no state but the cursor. */
#include "decode/envoy/struct.h"

enum {
	FIELDS = 1 << 3 | WEIR_WIRE_BYTES,
	KEY = 1 << 3 | WEIR_WIRE_BYTES,
	VALUE = 2 << 3 | WEIR_WIRE_BYTES,
	TEXT = 3 << 3 | WEIR_WIRE_BYTES,
	INNER = 5 << 3 | WEIR_WIRE_BYTES,
};

static bool read_value(struct weir_str value, struct weir_struct_entry *ret)
{
	struct weir_wire wire = weir_wire_of(value);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		if (field.number > 6) {
			continue;
		}
		/* One of a oneof: the last one counts. */
		ret->text = field.tag == TEXT ? field.bytes : (struct weir_str){ NULL, 0 };
		ret->inner = field.tag == INNER ? field.bytes : (struct weir_str){ NULL, 0 };
	}
	return !wire.is_malformed;
}

static bool read_entry(struct weir_str entry, struct weir_struct_entry *ret)
{
	struct weir_wire wire = weir_wire_of(entry);
	struct weir_wire_field field;

	*ret = (struct weir_struct_entry){ 0 };
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == KEY) {
			ret->key = field.bytes;
		} else if (field.tag == VALUE && !read_value(field.bytes, ret)) {
			return false;
		}
	}
	return !wire.is_malformed;
}

bool weir_struct_next(struct weir_wire *wire, struct weir_struct_entry *ret)
{
	struct weir_wire_field field;

	while (weir_wire_next(wire, &field)) {
		if (field.tag != FIELDS) {
			continue;
		}
		if (!read_entry(field.bytes, ret)) {
			wire->is_malformed = true;
			return false;
		}
		return true;
	}
	return false;
}
