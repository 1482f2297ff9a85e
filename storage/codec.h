/* codec: what segments are written with: varints, packed columns of integers,
 * compressed sections, and a cursor that reads them back and never runs over. */
#ifndef WEIR_STORAGE_CODEC_H
#define WEIR_STORAGE_CODEC_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"

struct weir_codec_cursor { /* over bytes of unknown honesty */
	const uint8_t *at, *end;
	bool is_bad; /* sticky: something was missing; all reads then give 0 */
};

void weir_codec_varint(struct weir_buf *out, uint64_t value);
uint64_t weir_codec_read_varint(struct weir_codec_cursor *in);
/* The next `length` bytes, or NULL (and is_bad). */
const uint8_t *weir_codec_read_bytes(struct weir_codec_cursor *in, size_t length);

static inline uint64_t weir_codec_zigzag(int64_t value)
{
	return ((uint64_t)value << 1) ^ (uint64_t)(value >> 63);
}

static inline int64_t weir_codec_unzigzag(uint64_t value)
{
	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

/* Appends `count` integers as one packed column; `values` is clobbered. */
void weir_codec_pack(struct weir_buf *out, uint64_t *values, uint32_t count);
/* Reads one packed column of `count` integers. A damaged one sets is_bad and gives zeros. */
void weir_codec_unpack(struct weir_codec_cursor *in, uint64_t *ret_values, uint32_t count);

struct weir_codec_section { /* where a section of a segment lies, as in its header */
	uint32_t stored_bytes, raw_bytes, check;
};

struct ZSTD_CCtx_s;
struct ZSTD_DCtx_s;

/* Appends `raw` compressed, or as it is when that is not larger. 0 or -ENOMEM. */
int weir_codec_section_write(
	struct weir_buf *out, struct ZSTD_CCtx_s *zstd, struct weir_str raw, struct weir_codec_section *ret_section);
/* Checks and opens the section whose stored bytes are `stored`; `ret_raw` has
 * room for section->raw_bytes. 0 or -EBADMSG. */
int weir_codec_section_read(
	struct ZSTD_DCtx_s *zstd, struct weir_str stored, const struct weir_codec_section *section, void *ret_raw);
uint32_t weir_codec_check(const void *bytes, size_t length);

#endif
