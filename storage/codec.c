/* codec: varints, packed columns and compressed sections.
 *
 * A packed column of n integers
 *
 *   +------+-----------+--------+-----------------------------+
 *   | mode | varint min| varint | width planes of n bytes each |
 *   |      |           | first  | (lowest byte first)          |
 *   +------+-----------+--------+-----------------------------+
 *     mode: bits 0-3 width 0..8, bit 4 DELTA, bit 5 MICROS
 *
 * Plain: value = min + plane bytes. DELTA: value = the one before + zigzag of
 * the plane bytes, `first` being the one before the first (only then present).
 * MICROS: what was packed are the values / 1000. Width 0: all are equal.
 * Planes, because equal high bytes then lie side by side, which costs the
 * compressor nothing, and because they are written without a branch.
 *
 * A section is compressed with zstd's level 1 when that makes it smaller
 * (stored_bytes < raw_bytes), else stored as it is; `check` covers the stored
 * bytes, so that nothing damaged reaches the decompressor. */
#include "storage/codec.h"

#include <errno.h>
#include <string.h>

#include <zstd.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

#define MODE_WIDTH 0x0fu
#define MODE_DELTA 0x10u
#define MODE_MICROS 0x20u
#define MICROS_FROM_WIDTH 3u /* narrower columns gain nothing from it */

void weir_codec_varint(struct weir_buf *out, uint64_t value)
{
	uint8_t *at = (uint8_t *)weir_buf_reserve(out, 10);
	size_t length = 0;

	if (at == NULL) {
		return;
	}
	while (value >= 0x80) {
		at[length++] = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	at[length++] = (uint8_t)value;
	weir_buf_advance(out, length);
}

uint64_t weir_codec_read_varint(struct weir_codec_cursor *in)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte;

		if (in->at >= in->end) {
			break;
		}
		byte = *in->at++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			return value;
		}
	}
	in->is_bad = true;
	in->at = in->end;
	return 0;
}

const uint8_t *weir_codec_read_bytes(struct weir_codec_cursor *in, size_t length)
{
	const uint8_t *at = in->at;

	if (length > (size_t)(in->end - in->at)) {
		in->is_bad = true;
		in->at = in->end;
		return NULL;
	}
	in->at += length;
	return at;
}

static unsigned width_of(uint64_t largest)
{
	return largest == 0 ? 0 : (71u - (unsigned)__builtin_clzll(largest)) / 8;
}

static void planes_write(struct weir_buf *out, const uint64_t *values, uint32_t count, unsigned width)
{
	uint8_t *at = (uint8_t *)weir_buf_reserve(out, (size_t)width * count);

	if (at == NULL) {
		return;
	}
	for (unsigned plane = 0; plane < width; plane++) {
		unsigned shift = 8 * plane;

		for (uint32_t i = 0; i < count; i++) {
			at[i] = (uint8_t)(values[i] >> shift);
		}
		at += count;
	}
	weir_buf_advance(out, (size_t)width * count);
}

static bool all_are_micros(const uint64_t *values, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		if (values[i] % 1000 != 0) {
			return false;
		}
	}
	return true;
}

void weir_codec_pack(struct weir_buf *out, uint64_t *values, uint32_t count)
{
	uint64_t low = UINT64_MAX, high = 0, jumps = 0, before;
	unsigned width, delta_width, mode = 0;

	if (count == 0) {
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		low = values[i] < low ? values[i] : low;
		high = values[i] > high ? values[i] : high;
	}
	width = width_of(high - low);
	if (width >= MICROS_FROM_WIDTH && all_are_micros(values, count)) {
		for (uint32_t i = 0; i < count; i++) {
			values[i] /= 1000;
		}
		low /= 1000;
		high /= 1000;
		mode |= MODE_MICROS;
		width = width_of(high - low);
	}
	delta_width = width;
	if (width > 1) {
		before = values[0];
		for (uint32_t i = 1; i < count; i++) {
			jumps |= weir_codec_zigzag((int64_t)(values[i] - before));
			before = values[i];
		}
		delta_width = width_of(jumps);
	}
	if (delta_width < width) {
		before = values[0];
		weir_codec_varint(out, mode | MODE_DELTA | delta_width);
		weir_codec_varint(out, before);
		for (uint32_t i = 0; i < count; i++) {
			uint64_t value = values[i];

			values[i] = weir_codec_zigzag((int64_t)(value - before));
			before = value;
		}
		planes_write(out, values, count, delta_width);
		return;
	}
	weir_codec_varint(out, mode | width);
	weir_codec_varint(out, low);
	for (uint32_t i = 0; width > 0 && i < count; i++) {
		values[i] -= low;
	}
	planes_write(out, values, count, width);
}

void weir_codec_unpack(struct weir_codec_cursor *in, uint64_t *ret_values, uint32_t count)
{
	unsigned mode, width;
	uint64_t base;
	const uint8_t *planes;

	memset(ret_values, 0, sizeof(*ret_values) * count);
	if (count == 0) {
		return;
	}
	mode = (unsigned)weir_codec_read_varint(in);
	width = mode & MODE_WIDTH;
	base = weir_codec_read_varint(in);
	if (width > 8 || mode > (MODE_WIDTH | MODE_DELTA | MODE_MICROS)) {
		in->is_bad = true;
		return;
	}
	planes = weir_codec_read_bytes(in, (size_t)width * count);
	if (planes == NULL) {
		return;
	}
	for (unsigned plane = 0; plane < width; plane++) {
		unsigned shift = 8 * plane;

		for (uint32_t i = 0; i < count; i++) {
			ret_values[i] |= (uint64_t)planes[i] << shift;
		}
		planes += count;
	}
	for (uint32_t i = 0; i < count; i++) {
		if ((mode & MODE_DELTA) != 0) {
			base += (uint64_t)weir_codec_unzigzag(ret_values[i]);
			ret_values[i] = base;
		} else {
			ret_values[i] += base;
		}
	}
	for (uint32_t i = 0; (mode & MODE_MICROS) != 0 && i < count; i++) {
		ret_values[i] *= 1000;
	}
}

uint32_t weir_codec_check(const void *bytes, size_t length)
{
	return (uint32_t)XXH3_64bits(bytes, length);
}

int weir_codec_section_write(
	struct weir_buf *out, struct ZSTD_CCtx_s *zstd, struct weir_str raw, struct weir_codec_section *ret_section)
{
	size_t stored = raw.length;
	char *at;

	*ret_section = (struct weir_codec_section){ .raw_bytes = (uint32_t)raw.length };
	if (raw.length > UINT32_MAX) {
		return -EFBIG;
	}
	if (raw.length == 0) {
		ret_section->check = weir_codec_check("", 0);
		return 0;
	}
	at = weir_buf_reserve(out, zstd != NULL ? ZSTD_compressBound(raw.length) : raw.length);
	if (at == NULL) {
		return weir_buf_error(out);
	}
	if (zstd != NULL) {
		stored = ZSTD_compressCCtx(zstd, at, ZSTD_compressBound(raw.length), raw.data, raw.length, 1);
	}
	if (zstd == NULL || ZSTD_isError(stored) || stored >= raw.length) {
		stored = raw.length;
		memcpy(at, raw.data, raw.length);
	}
	ret_section->stored_bytes = (uint32_t)stored;
	ret_section->check = weir_codec_check(at, stored);
	weir_buf_advance(out, stored);
	return 0;
}

int weir_codec_section_read(
	struct ZSTD_DCtx_s *zstd, struct weir_str stored, const struct weir_codec_section *section, void *ret_raw)
{
	size_t got;

	if (stored.length != section->stored_bytes || section->stored_bytes > section->raw_bytes ||
		weir_codec_check(stored.data, stored.length) != section->check) {
		return -EBADMSG;
	}
	if (section->stored_bytes == section->raw_bytes) {
		if (section->raw_bytes > 0) {
			memcpy(ret_raw, stored.data, section->raw_bytes);
		}
		return 0;
	}
	got = ZSTD_decompressDCtx(zstd, ret_raw, section->raw_bytes, stored.data, stored.length);
	return ZSTD_isError(got) || got != section->raw_bytes ? -EBADMSG : 0;
}
