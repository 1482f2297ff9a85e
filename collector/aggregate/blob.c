/* blob: the bytes in which tables are saved.
 *
 *   section:  tag u32 | length u32 | check u64 | payload
 *
 * The check is the XXH3 of the payload, seeded with tag and length, so that a
 * flip in any byte of a section is found before anything of it is applied.
 * Everything is little-endian, as the machine is (asserted below): the same
 * holds for the records in the ring.
 *
 * Invariants
 *  1. A reader never reads past `end`, whatever the bytes say.
 *  2. After is_bad every read gives 0 or NULL and moves nothing. */
#include "aggregate/blob.h"

#include <errno.h>
#include <string.h>
#include <xxhash.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "tables are saved as they lie in memory");

#define SECTION_HEAD 16u
#define VARINT_MAX 10u

static char *varint_put(char *at, uint64_t value)
{
	while (value >= 0x80) {
		*at++ = (char)(unsigned char)(value | 0x80);
		value >>= 7;
	}
	*at++ = (char)(unsigned char)value;
	return at;
}

void weir_blob_add_varint(struct weir_buf *buf, uint64_t value)
{
	char *at = weir_buf_reserve(buf, VARINT_MAX);

	if (at != NULL) {
		weir_buf_advance(buf, (size_t)(varint_put(at, value) - at));
	}
}

void weir_blob_add_u64(struct weir_buf *buf, uint64_t value)
{
	weir_buf_add(buf, &value, sizeof(value));
}

void weir_blob_add_words(struct weir_buf *buf, const uint64_t *words, uint32_t count)
{
	while (count > 0) {
		uint32_t n = count < 64 ? count : 64;
		char *start = weir_buf_reserve(buf, sizeof(uint64_t) + 64 * VARINT_MAX);
		char *at = start;
		uint64_t mask = 0;

		if (start == NULL) {
			return;
		}
		at += n <= 8 ? 1 : sizeof(mask);
		for (uint32_t i = 0; i < n; i++) {
			if (words[i] != 0) {
				mask |= (uint64_t)1 << i;
				at = varint_put(at, words[i]);
			}
		}
		memcpy(start, &mask, n <= 8 ? 1 : sizeof(mask));
		weir_buf_advance(buf, (size_t)(at - start));
		words += n;
		count -= n;
	}
}

size_t weir_blob_begin(struct weir_buf *buf, uint32_t tag)
{
	uint32_t head[SECTION_HEAD / sizeof(uint32_t)] = { tag };
	size_t start = buf->length;

	weir_buf_add(buf, head, sizeof(head));
	return start;
}

static uint64_t section_check(const void *payload, uint32_t tag, uint32_t length)
{
	return XXH3_64bits_withSeed(payload, length, (uint64_t)tag << 32 | length);
}

void weir_blob_end(struct weir_buf *buf, size_t start)
{
	size_t length = buf->length - start - SECTION_HEAD;
	uint32_t tag, stored;
	uint64_t check;

	if (weir_buf_error(buf) != 0) {
		return;
	}
	if (length > UINT32_MAX) {
		buf->error = -EFBIG; /* far beyond every bound of a table */
		return;
	}
	stored = (uint32_t)length;
	memcpy(&tag, buf->data + start, sizeof(tag));
	check = section_check(buf->data + start + SECTION_HEAD, tag, stored);
	memcpy(buf->data + start + 4, &stored, sizeof(stored));
	memcpy(buf->data + start + 8, &check, sizeof(check));
}

uint64_t weir_blob_varint(struct weir_blob_reader *reader)
{
	uint64_t value = 0;

	for (unsigned shift = 0; shift < 64 && !reader->is_bad && reader->at < reader->end; shift += 7) {
		unsigned char byte = *reader->at++;

		value |= (uint64_t)(byte & 0x7f) << shift;
		if (byte < 0x80) {
			return value;
		}
	}
	reader->is_bad = true;
	return 0;
}

uint32_t weir_blob_number(struct weir_blob_reader *reader, uint32_t max)
{
	uint64_t value = weir_blob_varint(reader);

	if (value > max) {
		reader->is_bad = true;
	}
	return reader->is_bad ? 0 : (uint32_t)value;
}

const unsigned char *weir_blob_bytes(struct weir_blob_reader *reader, size_t length)
{
	const unsigned char *at = reader->at;

	if (reader->is_bad || (size_t)(reader->end - reader->at) < length) {
		reader->is_bad = true;
		return NULL;
	}
	reader->at += length;
	return at;
}

uint64_t weir_blob_u64(struct weir_blob_reader *reader)
{
	const unsigned char *at = weir_blob_bytes(reader, sizeof(uint64_t));
	uint64_t value = 0;

	if (at != NULL) {
		memcpy(&value, at, sizeof(value));
	}
	return value;
}

void weir_blob_words(struct weir_blob_reader *reader, uint64_t *words, uint32_t count)
{
	while (count > 0) {
		uint32_t n = count < 64 ? count : 64;
		const unsigned char *at = weir_blob_bytes(reader, n <= 8 ? 1 : sizeof(uint64_t));
		uint64_t mask = 0;

		if (at != NULL) {
			memcpy(&mask, at, n <= 8 ? 1 : sizeof(mask));
		}
		for (uint32_t i = 0; i < n; i++) {
			words[i] = (mask >> i & 1) != 0 ? weir_blob_varint(reader) : 0;
		}
		words += n;
		count -= n;
	}
}

bool weir_blob_section(struct weir_blob_reader *reader, uint32_t *ret_tag, struct weir_blob_reader *ret_payload)
{
	const unsigned char *head, *payload;
	uint32_t tag, length;
	uint64_t check;

	if (reader->is_bad || reader->at == reader->end) {
		return false;
	}
	head = weir_blob_bytes(reader, SECTION_HEAD);
	if (head == NULL) {
		return false;
	}
	memcpy(&tag, head, sizeof(tag));
	memcpy(&length, head + 4, sizeof(length));
	memcpy(&check, head + 8, sizeof(check));
	payload = weir_blob_bytes(reader, length);
	if (payload == NULL) {
		return false;
	}
	if (section_check(payload, tag, length) != check) {
		reader->is_bad = true;
		return false;
	}
	*ret_tag = tag;
	*ret_payload = (struct weir_blob_reader){ .at = payload, .end = payload + length };
	return true;
}
