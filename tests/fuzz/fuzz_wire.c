/* fuzz_wire: any bytes through the protobuf cursor, against a plain second
 * reading of the same rules; whatever is handed out lies inside the input. */
#include <stdint.h>

#include "base/err.h"
#include "decode/wire.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct plain { /* the slow, obvious reader */
	const uint8_t *at, *end;
	bool is_bad;
};

static uint64_t plain_varint(struct plain *plain)
{
	uint64_t value = 0;

	for (unsigned i = 0; i < 10; i++) {
		uint8_t byte;

		if (plain->at == plain->end) {
			break;
		}
		byte = *plain->at++;
		value |= (uint64_t)(byte & 0x7f) << (7 * i);
		if ((byte & 0x80) == 0) {
			return value;
		}
	}
	plain->is_bad = true;
	return 0;
}

static void plain_forward(struct plain *plain, uint64_t n)
{
	if (n > (uint64_t)(plain->end - plain->at)) {
		plain->is_bad = true;
	} else {
		plain->at += n;
	}
}

/* Reads one field; `open` is the group that it stands in (0: none). True when it closed that group. */
static bool plain_field(struct plain *plain, uint64_t open, unsigned depth, uint64_t *ret_tag)
{
	uint64_t tag = plain_varint(plain);

	*ret_tag = tag;
	if (plain->is_bad || tag > UINT32_MAX || tag >> 3 == 0 || depth > WEIR_WIRE_DEPTH) {
		plain->is_bad = true;
		return false;
	}
	switch (tag & 7) {
	case WEIR_WIRE_VARINT:
		plain_varint(plain);
		return false;
	case WEIR_WIRE_FIXED64:
		plain_forward(plain, 8);
		return false;
	case WEIR_WIRE_FIXED32:
		plain_forward(plain, 4);
		return false;
	case WEIR_WIRE_BYTES: {
		uint64_t length = plain_varint(plain);

		if (!plain->is_bad) {
			plain_forward(plain, length);
		}
		return false;
	}
	case WEIR_WIRE_GROUP: {
		uint64_t inner;

		if (depth == WEIR_WIRE_DEPTH) {
			plain->is_bad = true;
		}
		while (!plain->is_bad && !plain_field(plain, tag >> 3, depth + 1, &inner)) {
		}
		return false;
	}
	case WEIR_WIRE_GROUP_END:
		plain->is_bad = open == 0 || tag >> 3 != open;
		return !plain->is_bad;
	default:
		plain->is_bad = true;
		return false;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_wire wire = weir_wire_of(weir_str_make((const char *)data, size));
	struct plain plain = { data, data + size, false };
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		uint64_t tag;

		do { /* the cursor hands out no groups */
			weir_assert(plain.at != plain.end);
			plain_field(&plain, 0, 0, &tag);
		} while (!plain.is_bad && (tag & 7) == WEIR_WIRE_GROUP);
		weir_assert(!plain.is_bad && tag == field.tag && plain.at == wire.at);
		if (field.type == WEIR_WIRE_BYTES) {
			weir_assert((const uint8_t *)field.bytes.data + field.bytes.length == wire.at);
		}
	}
	while (!plain.is_bad && plain.at != plain.end) {
		uint64_t tag;

		plain_field(&plain, 0, 0, &tag);
		weir_assert(plain.is_bad || (tag & 7) == WEIR_WIRE_GROUP);
	}
	weir_assert(plain.is_bad == wire.is_malformed);
	return 0;
}
