/* wire: a cursor over protobuf bytes. One pass, no allocation, bounded depth.
 *
 * The caller loops over fields and takes what it knows; everything else is
 * skipped, groups included (wire.md §0). All of it that runs per field is
 * inline and passes pointers by value, so that a cursor on the caller's stack
 * stays in registers; what is rare (long varints, groups) is in wire.c.
 *
 * Malformed is: a varint of more than 10 bytes or cut short; a tag of more
 * than 32 bits or with field number 0; a length beyond the message; wire types
 * 6 and 7; a group that is not closed by its own number, or deeper than
 * WEIR_WIRE_DEPTH. A known field with an unexpected wire type is the caller's
 * to skip, as an unknown one. */
#ifndef WEIR_DECODE_WIRE_H
#define WEIR_DECODE_WIRE_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

#define WEIR_WIRE_DEPTH 64u

enum weir_wire_type {
	WEIR_WIRE_VARINT,
	WEIR_WIRE_FIXED64,
	WEIR_WIRE_BYTES,
	WEIR_WIRE_GROUP,
	WEIR_WIRE_GROUP_END,
	WEIR_WIRE_FIXED32
};

struct weir_wire { /* a message being read */
	const uint8_t *at, *end;
	bool is_malformed; /* sticky */
};

struct weir_wire_field {
	uint32_t number;
	uint8_t type;
	uint64_t value;        /* VARINT, FIXED64, FIXED32 */
	struct weir_str bytes; /* BYTES */
	uint32_t tag;          /* number << 3 | type: both in one comparison */
};

static inline struct weir_wire weir_wire_of(struct weir_str message)
{
	const uint8_t *at = (const uint8_t *)message.data;

	return (struct weir_wire){ at, at + message.length, false };
}

/* A varint of more than one byte; behind it, or NULL when it is malformed. */
const uint8_t *weir_wire_varint_long(const uint8_t *at, const uint8_t *end, uint64_t *ret);

/* `at` is behind the opening tag of group `number`. Behind its closing tag, or NULL. */
const uint8_t *weir_wire_skip_group(const uint8_t *at, const uint8_t *end, uint32_t number);

/* The varint at `at`; behind it, or NULL when it is malformed. */
__attribute__((always_inline)) static inline const uint8_t *weir_wire_varint(
	const uint8_t *at, const uint8_t *end, uint64_t *ret)
{
	uint64_t value; /* of its own, so that the caller's can stay in a register */

	if (__builtin_expect(at < end && *at < 0x80, 1)) {
		*ret = *at;
		return at + 1;
	}
	at = weir_wire_varint_long(at, end, &value);
	*ret = at != NULL ? value : 0;
	return at;
}

/* Little-endian integers of any alignment. */
static inline uint64_t weir_wire_load64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap64(value);
#endif
	return value;
}

static inline uint32_t weir_wire_load32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	value = __builtin_bswap32(value);
#endif
	return value;
}

/* The next field that is no group; false at the end or when malformed (ask
 * is_malformed). What the type does not use is 0. */
__attribute__((always_inline)) static inline bool weir_wire_next(struct weir_wire *wire, struct weir_wire_field *ret)
{
	const uint8_t *at = wire->at, *const end = wire->end;
	uint64_t n;

	while (at != end) {
		at = weir_wire_varint(at, end, &n);
		if (at == NULL || n > UINT32_MAX || n < 8) {
			wire->is_malformed = true;
			break;
		}
		ret->value = 0;
		ret->bytes = (struct weir_str){ NULL, 0 };
		ret->tag = (uint32_t)n;
		ret->number = (uint32_t)n >> 3;
		ret->type = n & 7;
		if (ret->type == WEIR_WIRE_BYTES) {
			at = weir_wire_varint(at, end, &n);
			if (at == NULL || n > (uint64_t)(end - at)) {
				wire->is_malformed = true;
				break;
			}
			ret->bytes = (struct weir_str){ (const char *)at, n };
			wire->at = at + n;
			return true;
		}
		if (ret->type == WEIR_WIRE_VARINT) {
			at = weir_wire_varint(at, end, &ret->value);
			if (at == NULL) {
				wire->is_malformed = true;
				break;
			}
			wire->at = at;
			return true;
		}
		if (ret->type == WEIR_WIRE_FIXED64 && end - at >= 8) {
			ret->value = weir_wire_load64(at);
			wire->at = at + 8;
			return true;
		}
		if (ret->type == WEIR_WIRE_FIXED32 && end - at >= 4) {
			ret->value = weir_wire_load32(at);
			wire->at = at + 4;
			return true;
		}
		at = ret->type == WEIR_WIRE_GROUP ? weir_wire_skip_group(at, end, ret->number) : NULL;
		if (at == NULL) {
			wire->is_malformed = true;
			break;
		}
	}
	wire->at = end;
	return false;
}

#endif
