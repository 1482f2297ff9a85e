/* cursor: weir_wire_next for messages whose tags and lengths take one or two
 * bytes, as nearly all of an access log's do; the rest goes to decode/wire.h.
 * The same rules, the same outcomes. Private to this folder. */
#ifndef WEIR_DECODE_ENVOY_CURSOR_H
#define WEIR_DECODE_ENVOY_CURSOR_H

#include "decode/wire.h"

/* Out of line, so that the loops around the fast half stay small. */
bool weir_cursor_next_slowly(struct weir_wire *wire, struct weir_wire_field *ret);

__attribute__((always_inline)) static inline bool weir_cursor_next(struct weir_wire *wire, struct weir_wire_field *ret)
{
	const uint8_t *at = wire->at, *const end = wire->end;
	uint32_t tag, value;

	if (end - at < 4) { /* two bytes of tag and two of value can be read blindly */
		return at == end ? false : weir_cursor_next_slowly(wire, ret);
	}
	tag = *at++;
	if (tag & 0x80) {
		tag = (tag & 0x7f) | (uint32_t)*at << 7;
		if (*at++ & 0x80) {
			return weir_cursor_next_slowly(wire, ret);
		}
	}
	value = *at++;
	if (value & 0x80) {
		value = (value & 0x7f) | (uint32_t)*at << 7;
		if (*at++ & 0x80) {
			return weir_cursor_next_slowly(wire, ret);
		}
	}
	ret->tag = tag;
	ret->number = tag >> 3;
	ret->type = tag & 7;
	if (ret->type == WEIR_WIRE_BYTES && tag >= 8 && value <= (size_t)(end - at)) {
		ret->bytes = (struct weir_str){ (const char *)at, value };
		wire->at = at + value;
		return true;
	}
	if (ret->type == WEIR_WIRE_VARINT && tag >= 8) {
		ret->value = value;
		wire->at = at;
		return true;
	}
	return weir_cursor_next_slowly(wire, ret);
}

#endif
