/* encode: just enough protobuf writing for tests, byte by byte, so that a test
 * can also write what no encoder would. */
#ifndef WEIR_TESTS_DECODE_ENCODE_H
#define WEIR_TESTS_DECODE_ENCODE_H

#include <stdint.h>
#include <string.h>

#include "base/buf.h"

static inline void encode_varint(struct weir_buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7) {
		weir_buf_add_char(out, (char)(value | 0x80));
	}
	weir_buf_add_char(out, (char)value);
}

static inline void encode_number(struct weir_buf *out, uint32_t field, uint64_t value)
{
	encode_varint(out, (uint64_t)field << 3);
	encode_varint(out, value);
}

static inline void encode_fixed64(struct weir_buf *out, uint32_t field, uint64_t value)
{
	encode_varint(out, (uint64_t)field << 3 | 1);
	weir_buf_add(out, &value, sizeof(value));
}

static inline void encode_fixed32(struct weir_buf *out, uint32_t field, uint32_t value)
{
	encode_varint(out, (uint64_t)field << 3 | 5);
	weir_buf_add(out, &value, sizeof(value));
}

static inline void encode_bytes(struct weir_buf *out, uint32_t field, const void *data, size_t length)
{
	encode_varint(out, (uint64_t)field << 3 | 2);
	encode_varint(out, length);
	weir_buf_add(out, data, length);
}

static inline void encode_text(struct weir_buf *out, uint32_t field, const char *text)
{
	encode_bytes(out, field, text, strlen(text));
}

/* Appends `inner` as a field and clears it for the next one. */
static inline void encode_nested(struct weir_buf *out, uint32_t field, struct weir_buf *inner)
{
	encode_bytes(out, field, inner->data, inner->length);
	weir_buf_clear(inner);
}

/* A KeyValue whose AnyValue is `any` (cleared). */
static inline void encode_pair(struct weir_buf *out, uint32_t field, const char *key, struct weir_buf *any)
{
	struct weir_buf pair;

	weir_buf_init(&pair, 0);
	encode_text(&pair, 1, key);
	encode_nested(&pair, 2, any);
	encode_nested(out, field, &pair);
	weir_buf_fini(&pair);
}

static inline void encode_pair_text(struct weir_buf *out, uint32_t field, const char *key, const char *value)
{
	struct weir_buf any;

	weir_buf_init(&any, 0);
	encode_text(&any, 1, value);
	encode_pair(out, field, key, &any);
	weir_buf_fini(&any);
}

static inline void encode_pair_number(struct weir_buf *out, uint32_t field, const char *key, int64_t value)
{
	struct weir_buf any;

	weir_buf_init(&any, 0);
	encode_number(&any, 3, (uint64_t)value);
	encode_pair(out, field, key, &any);
	weir_buf_fini(&any);
}

/* The two ids and the times of an OTLP span. */
static inline void encode_span_ids(struct weir_buf *span, uint8_t trace, uint8_t id, uint8_t parent)
{
	uint8_t trace_id[16] = { [15] = trace }, span_id[8] = { [7] = id }, parent_id[8] = { [7] = parent };

	encode_bytes(span, 1, trace_id, sizeof(trace_id));
	encode_bytes(span, 2, span_id, sizeof(span_id));
	if (parent != 0) {
		encode_bytes(span, 4, parent_id, sizeof(parent_id));
	}
	encode_fixed64(span, 7, 1000);
	encode_fixed64(span, 8, 3500);
}

/* `span` (cleared) as the only span of a request, its service called `service` (may be NULL). */
static inline void encode_request(struct weir_buf *out, const char *service, struct weir_buf *span)
{
	struct weir_buf group, inner;

	weir_buf_init(&group, 0);
	weir_buf_init(&inner, 0);
	if (service != NULL) {
		encode_pair_text(&inner, 1, "service.name", service);
		encode_nested(&group, 1, &inner);
	}
	encode_nested(&inner, 2, span);
	encode_nested(&group, 2, &inner);
	encode_nested(out, 1, &group);
	weir_buf_fini(&group);
	weir_buf_fini(&inner);
}

#endif
