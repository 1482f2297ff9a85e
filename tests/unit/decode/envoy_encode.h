/* envoy_encode: parts of an access log entry and of its node, written for a test. Buffers that are put into others are
 * cleared. */
#ifndef WEIR_TESTS_DECODE_ENVOY_ENCODE_H
#define WEIR_TESTS_DECODE_ENVOY_ENCODE_H

#include "tests/unit/decode/encode.h"

/* One entry of a map<string, string>. */
static inline void encode_map_text(struct weir_buf *out, uint32_t field, const char *key, const char *value)
{
	struct weir_buf pair = { 0 };

	encode_text(&pair, 1, key);
	encode_text(&pair, 2, value);
	encode_nested(out, field, &pair);
	weir_buf_fini(&pair);
}

/* One field of a Struct, whose value is `member` of a Value. */
static inline void encode_struct_field(struct weir_buf *out, const char *key, uint32_t member, struct weir_buf *inner)
{
	struct weir_buf pair = { 0 }, value = { 0 };

	encode_nested(&value, member, inner);
	encode_text(&pair, 1, key);
	encode_nested(&pair, 2, &value);
	encode_nested(out, 1, &pair);
	weir_buf_fini(&pair);
	weir_buf_fini(&value);
}

static inline void encode_struct_text(struct weir_buf *out, const char *key, const char *text)
{
	struct weir_buf inner = { 0 };

	weir_buf_add_text(&inner, text);
	encode_struct_field(out, key, 3, &inner);
	weir_buf_fini(&inner);
}

static inline void encode_struct_struct(struct weir_buf *out, const char *key, struct weir_buf *fields)
{
	encode_struct_field(out, key, 5, fields);
}

/* An Address, as a field of the entry's common properties. */
static inline void encode_address(struct weir_buf *common, uint32_t field, const char *ip, uint32_t port)
{
	struct weir_buf socket = { 0 }, address = { 0 };

	encode_text(&socket, 2, ip);
	encode_number(&socket, 3, port);
	encode_nested(&address, 1, &socket);
	encode_nested(common, field, &address);
	weir_buf_fini(&socket);
	weir_buf_fini(&address);
}

/* A certificate's only name, as a field of TLSProperties. */
static inline void encode_san(struct weir_buf *tls, uint32_t field, const char *uri)
{
	struct weir_buf name = { 0 }, certificate = { 0 };

	encode_text(&name, 1, uri);
	encode_nested(&certificate, 1, &name);
	encode_nested(tls, field, &certificate);
	weir_buf_fini(&name);
	weir_buf_fini(&certificate);
}

#endif
