/* json_write: protobuf, written forwards.
 *
 * A message inside a message has its length in front, and that is not known
 * before its end. One byte is left for it; a message of 128 bytes or more is
 * moved up when it is closed. So a byte moves at most as often as it is nested,
 * a handful of times, and every length takes the fewest bytes, as the fast
 * ways of the decoders like it. */
#include "decode/otlp/json_write.h"

#include <string.h>

#define LENGTH_MAX (UINT32_C(1) << 30)
#define VARINT_MAX 10u
#define FIRST_CAPACITY 256u

void weir_otlp_json_write_init(struct weir_otlp_json_write *out, struct weir_arena *arena, size_t expected)
{
	*out = (struct weir_otlp_json_write){ .arena = arena };
	weir_otlp_json_write_reserve(out, expected > FIRST_CAPACITY ? expected : FIRST_CAPACITY);
}

uint8_t *weir_otlp_json_write_reserve(struct weir_otlp_json_write *out, size_t size)
{
	size_t need = out->length + size, capacity = out->capacity > 0 ? (size_t)out->capacity * 2 : size;
	uint8_t *data = NULL;

	if (out->is_full) {
		return NULL;
	}
	if (need <= out->capacity) {
		return out->data + out->length;
	}
	if (size <= LENGTH_MAX && need <= LENGTH_MAX) {
		capacity = capacity < need ? need : capacity;
		capacity = capacity > LENGTH_MAX ? LENGTH_MAX : capacity;
		data = weir_arena_alloc(out->arena, capacity);
	}
	if (data == NULL) {
		out->is_full = true;
		return NULL;
	}
	if (out->length > 0) {
		memcpy(data, out->data, out->length);
	}
	out->data = data;
	out->capacity = (uint32_t)capacity;
	return data + out->length;
}

void weir_otlp_json_write_advance(struct weir_otlp_json_write *out, size_t size)
{
	out->length += (uint32_t)size;
}

static size_t varint_put(uint8_t *at, uint64_t value)
{
	size_t n = 0;

	for (; value >= 0x80; value >>= 7) {
		at[n++] = (uint8_t)(value | 0x80);
	}
	at[n++] = (uint8_t)value;
	return n;
}

void weir_otlp_json_write_varint(struct weir_otlp_json_write *out, uint64_t value)
{
	uint8_t *at = weir_otlp_json_write_reserve(out, VARINT_MAX);

	if (at != NULL) {
		weir_otlp_json_write_advance(out, varint_put(at, value));
	}
}

static void little_endian_put(struct weir_otlp_json_write *out, uint64_t value, size_t size)
{
	uint8_t *at = weir_otlp_json_write_reserve(out, size);

	if (at != NULL) {
		for (size_t i = 0; i < size; i++) {
			at[i] = (uint8_t)(value >> 8 * i);
		}
		weir_otlp_json_write_advance(out, size);
	}
}

void weir_otlp_json_write_fixed32(struct weir_otlp_json_write *out, uint32_t value)
{
	little_endian_put(out, value, sizeof(value));
}

void weir_otlp_json_write_fixed64(struct weir_otlp_json_write *out, uint64_t value)
{
	little_endian_put(out, value, sizeof(value));
}

uint32_t weir_otlp_json_write_open(struct weir_otlp_json_write *out)
{
	uint32_t opened = out->length;

	if (weir_otlp_json_write_reserve(out, 1) != NULL) {
		weir_otlp_json_write_advance(out, 1);
	}
	return opened;
}

void weir_otlp_json_write_close(struct weir_otlp_json_write *out, uint32_t opened)
{
	uint8_t prefix[VARINT_MAX];
	size_t more;
	uint32_t length;

	if (out->is_full) {
		return;
	}
	length = out->length - opened - 1;
	more = varint_put(prefix, length) - 1;
	if (more > 0) {
		if (weir_otlp_json_write_reserve(out, more) == NULL) {
			return;
		}
		memmove(out->data + opened + 1 + more, out->data + opened + 1, length);
		weir_otlp_json_write_advance(out, more);
	}
	memcpy(out->data + opened, prefix, more + 1);
}

void weir_otlp_json_write_remove(struct weir_otlp_json_write *out, uint32_t from, uint32_t to)
{
	if (!out->is_full && to > from) {
		memmove(out->data + from, out->data + to, out->length - to);
		out->length -= to - from;
	}
}
