/* wire: a cursor over protobuf bytes. One pass, no allocation, bounded depth.
 *
 * The caller loops over fields and takes what it knows; everything else is
 * skipped, groups included (wire.md §0). */
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
};

static inline struct weir_wire weir_wire_of(struct weir_str message)
{
	const uint8_t *at = (const uint8_t *)message.data;

	return (struct weir_wire){ at, at + message.length, false };
}

/* The next field; false at the end or when malformed (ask is_malformed). */
bool weir_wire_next(struct weir_wire *wire, struct weir_wire_field *ret);

#endif
