/* text: immutable texts, each kept once and known by a number.
 *
 * Labels, service names and the ledger's sources are compared once, when they
 * are new; from then on they are numbers. Texts lie in chunks that never move,
 * so a snapshot may point at them while the fold goes on.
 *
 * Invariants
 *  1. Numbers are given in order of arrival and never change: the same records
 *     give the same numbers, whatever restarts lay between.
 *  2. Number 0 is the empty text; it is in no bucket.
 *  3. Two texts are the same if their 128-bit hashes (keyed with the database's
 *     seed) are: a sender cannot choose colliding ones.
 *  4. count <= max_count and bytes <= max_bytes, but for what is added `beyond`.
 *
 * Save: count of new ones, then each salt, length, bytes. */
#include "aggregate/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHUNK_BYTES (64u * 1024u)

struct weir_text_chunk {
	struct weir_text_chunk *next;
	uint32_t used_bytes;
	char data[];
};

_Static_assert(WEIR_TEXT_LENGTH_MAX <= CHUNK_BYTES && WEIR_TEXT_LENGTH_MAX <= UINT16_MAX, "every text fits a chunk");

void weir_text_init(struct weir_text *text, uint32_t max_count, uint64_t max_bytes, uint64_t seed)
{
	*text = (struct weir_text){ .max_count = max_count, .max_bytes = max_bytes, .seed = seed };
}

void weir_text_fini(struct weir_text *text)
{
	struct weir_text_chunk *chunk = text->chunks;

	while (chunk != NULL) {
		struct weir_text_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
	free(text->rows);
	free(text->buckets);
	text->rows = NULL;
	text->buckets = NULL;
	text->chunks = NULL;
}

void weir_text_clear(struct weir_text *text)
{
	weir_text_fini(text);
	weir_text_init(text, text->max_count, text->max_bytes, text->seed);
}

static int buckets_grow(struct weir_text *text)
{
	uint32_t count = text->bucket_count == 0 ? 64 : text->bucket_count * 2;
	uint32_t *buckets = malloc(count * sizeof(*buckets));

	if (buckets == NULL) {
		return -ENOMEM;
	}
	memset(buckets, 0, count * sizeof(*buckets));
	for (uint32_t i = 1; i < text->count; i++) {
		uint32_t *head = &buckets[text->rows[i].low & (count - 1)];

		text->rows[i].next = *head;
		*head = i;
	}
	free(text->buckets);
	text->buckets = buckets;
	text->bucket_count = count;
	return 0;
}

static int rows_grow(struct weir_text *text)
{
	uint32_t capacity = text->capacity == 0 ? 64 : text->capacity * 2;
	struct weir_text_row *rows = realloc(text->rows, capacity * sizeof(*rows));

	if (rows == NULL) {
		return -ENOMEM;
	}
	if (text->capacity == 0) {
		rows[0] = (struct weir_text_row){ .data = "" };
		text->count = text->cut_count = 1;
	}
	text->rows = rows;
	text->capacity = capacity;
	return 0;
}

static char *bytes_keep(struct weir_text *text, struct weir_str value)
{
	struct weir_text_chunk *chunk = text->chunks;
	char *at;

	if (chunk == NULL || CHUNK_BYTES - chunk->used_bytes < value.length) {
		chunk = malloc(sizeof(*chunk) + CHUNK_BYTES);
		if (chunk == NULL) {
			return NULL;
		}
		chunk->next = text->chunks;
		chunk->used_bytes = 0;
		text->chunks = chunk;
	}
	at = chunk->data + chunk->used_bytes;
	memcpy(at, value.data, value.length);
	chunk->used_bytes += (uint32_t)value.length;
	text->bytes += value.length;
	return at;
}

static uint32_t find(const struct weir_text *text, XXH128_hash_t hash)
{
	uint32_t id = text->bucket_count == 0 ? 0 : text->buckets[hash.low64 & (text->bucket_count - 1)];

	while (id != 0 && (text->rows[id].low != hash.low64 || text->rows[id].high != hash.high64)) {
		id = text->rows[id].next;
	}
	return id != 0 ? id : WEIR_TEXT_FULL;
}

uint32_t weir_text_find(const struct weir_text *text, struct weir_str value, uint16_t salt)
{
	if (value.length == 0) {
		return WEIR_TEXT_EMPTY;
	}
	return find(text, XXH3_128bits_withSeed(value.data, value.length, text->seed + salt));
}

uint32_t weir_text_add(struct weir_text *text, struct weir_str value, uint16_t salt, bool beyond)
{
	XXH128_hash_t hash;
	uint32_t id, *head;
	char *data;

	if (value.length == 0) {
		return WEIR_TEXT_EMPTY;
	}
	hash = XXH3_128bits_withSeed(value.data, value.length, text->seed + salt);
	id = find(text, hash);
	if (id != WEIR_TEXT_FULL) {
		return id;
	}
	if (value.length > WEIR_TEXT_LENGTH_MAX ||
		(!beyond && (text->count > text->max_count || text->bytes + value.length > text->max_bytes)) ||
		(text->count == text->capacity && rows_grow(text) != 0) ||
		(text->count >= text->bucket_count && buckets_grow(text) != 0)) {
		return WEIR_TEXT_FULL;
	}
	data = bytes_keep(text, value);
	if (data == NULL) {
		return WEIR_TEXT_FULL;
	}
	id = text->count++;
	head = &text->buckets[hash.low64 & (text->bucket_count - 1)];
	text->rows[id] = (struct weir_text_row){ .data = data,
		.length = (uint16_t)value.length,
		.salt = salt,
		.next = *head,
		.low = hash.low64,
		.high = hash.high64 };
	*head = id;
	return id;
}

void weir_text_save(struct weir_text *text, bool all, struct weir_buf *buf)
{
	uint32_t first = all || text->cut_count == 0 ? 1 : text->cut_count;
	uint32_t last = text->count == 0 ? 1 : text->count;

	weir_blob_add_varint(buf, first);
	weir_blob_add_varint(buf, last - first);
	for (uint32_t i = first; i < last; i++) {
		weir_blob_add_varint(buf, text->rows[i].salt);
		weir_blob_add_varint(buf, text->rows[i].length);
		weir_buf_add(buf, text->rows[i].data, text->rows[i].length);
	}
	text->cut_count = text->count;
}

int weir_text_load(struct weir_text *text, struct weir_blob_reader *reader)
{
	uint32_t first = weir_blob_number(reader, UINT32_MAX - 1);
	uint32_t count = weir_blob_number(reader, UINT32_MAX - 1);

	if (reader->is_bad || first != (text->count == 0 ? 1 : text->count)) {
		return -EBADMSG;
	}
	for (uint32_t i = 0; i < count; i++) {
		uint16_t salt = (uint16_t)weir_blob_number(reader, UINT16_MAX);
		size_t length = weir_blob_number(reader, WEIR_TEXT_LENGTH_MAX);
		const unsigned char *data = weir_blob_bytes(reader, length);
		uint32_t id;

		if (data == NULL || length == 0) {
			return -EBADMSG;
		}
		id = weir_text_add(text, weir_str_make((const char *)data, length), salt, true);
		if (id == WEIR_TEXT_FULL) {
			return -ENOMEM;
		}
		if (id != first + i) {
			return -EBADMSG;
		}
	}
	text->cut_count = text->count;
	return 0;
}

void weir_text_digest(const struct weir_text *text, XXH3_state_t *state)
{
	for (uint32_t i = 1; i < text->count; i++) {
		uint16_t head[2] = { text->rows[i].salt, text->rows[i].length };

		XXH3_128bits_update(state, head, sizeof(head));
		XXH3_128bits_update(state, text->rows[i].data, text->rows[i].length);
	}
}
