/* wire: the rare half of the protobuf cursor (long varints, groups); the
 * header says what is malformed. Pure functions over the caller's bytes. */
#include "decode/wire.h"

const uint8_t *weir_wire_varint_long(const uint8_t *at, const uint8_t *end, uint64_t *ret)
{
	uint64_t value = 0;

	/* Ten bytes carry 70 bits; the upper six are dropped, as everyone does. */
	for (unsigned shift = 0; shift < 70 && at != end; shift += 7) {
		uint8_t byte = *at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			*ret = value;
			return at;
		}
	}
	return NULL;
}

/* Behind the value of a field that opens no group, or NULL. */
static const uint8_t *value_skip(const uint8_t *at, const uint8_t *end, uint64_t tag)
{
	uint64_t n;

	switch (tag & 7) {
	case WEIR_WIRE_VARINT:
		return weir_wire_varint(at, end, &n);
	case WEIR_WIRE_FIXED64:
		return end - at >= 8 ? at + 8 : NULL;
	case WEIR_WIRE_FIXED32:
		return end - at >= 4 ? at + 4 : NULL;
	case WEIR_WIRE_BYTES:
		at = weir_wire_varint(at, end, &n);
		return at != NULL && n <= (uint64_t)(end - at) ? at + n : NULL;
	default:
		return NULL;
	}
}

const uint8_t *weir_wire_skip_group(const uint8_t *at, const uint8_t *end, uint32_t number)
{
	uint32_t open[WEIR_WIRE_DEPTH] = { number };
	unsigned depth = 1;
	uint64_t tag;

	while (depth > 0) {
		at = weir_wire_varint(at, end, &tag);
		if (at == NULL || tag > UINT32_MAX || tag < 8) {
			return NULL;
		}
		if ((tag & 7) == WEIR_WIRE_GROUP) {
			if (depth == WEIR_WIRE_DEPTH) {
				return NULL;
			}
			open[depth++] = (uint32_t)tag >> 3;
		} else if ((tag & 7) == WEIR_WIRE_GROUP_END) {
			if (open[--depth] != (uint32_t)tag >> 3) {
				return NULL;
			}
		} else {
			at = value_skip(at, end, tag);
			if (at == NULL) {
				return NULL;
			}
		}
	}
	return at;
}
