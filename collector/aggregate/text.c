/* text: immutable texts, each kept once and known by a number.
 *
 * Labels, service names and the ledger's sources are compared once, when they
 * are new; from then on they are numbers. A text lies where it is until it is
 * removed, and then until no snapshot reads it any more (retire.c).
 *
 * Invariants
 *  1. A new text gets the lowest number that is free, so the same records give
 *     the same numbers, whatever restarts lay between: which is the lowest
 *     depends on the texts in use alone. A number in use never changes.
 *  2. Number 0 is the empty text; it is in no bucket and never removed.
 *  3. Two texts are the same if their 128-bit hashes (keyed with the database's
 *     seed) are: a sender cannot choose colliding ones.
 *  4. live <= max_count and bytes <= max_bytes, but for what is added `beyond`.
 *  5. A number is in `changed` exactly once if is_changed, and then alone
 *     differs from the last cut.
 *
 * Save: how many; then each number, length, and unless that is 0 (removed) salt
 * and bytes. Before version 4: first number, how many, then each salt, length,
 * bytes, in the order of their numbers. */
#include "aggregate/text.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/retire.h"
#include "base/err.h"

#define VERSION_NUMBERED 4u /* of blobs: from here on each text says its number */

void weir_text_init(struct weir_text *text, uint32_t max_count, uint64_t max_bytes, uint64_t seed)
{
	*text = (struct weir_text){ .max_count = max_count, .max_bytes = max_bytes, .seed = seed };
}

void weir_text_fini(struct weir_text *text)
{
	for (uint32_t i = 1; i < text->count; i++) {
		free(text->rows[i].data);
	}
	free(text->rows);
	free(text->buckets);
	free(text->changed);
	free(text->free_numbers);
	text->rows = NULL;
	text->buckets = NULL;
	text->changed = NULL;
	text->free_numbers = NULL;
	text->count = 0;
}

void weir_text_clear(struct weir_text *text)
{
	struct weir_retire *retire = text->retire;

	weir_text_fini(text);
	weir_text_init(text, text->max_count, text->max_bytes, text->seed);
	text->retire = retire;
}

static void bucket_enter(struct weir_text *text, uint32_t id)
{
	uint32_t *head = &text->buckets[text->rows[id].low & (text->bucket_count - 1)];

	text->rows[id].next = *head;
	*head = id;
}

static int buckets_grow(struct weir_text *text)
{
	uint32_t count = text->bucket_count == 0 ? 64 : text->bucket_count * 2;
	uint32_t *buckets = calloc(count, sizeof(*buckets));

	if (buckets == NULL) {
		return -ENOMEM;
	}
	free(text->buckets);
	text->buckets = buckets;
	text->bucket_count = count;
	for (uint32_t i = 1; i < text->count; i++) {
		if (text->rows[i].data != NULL) {
			bucket_enter(text, i);
		}
	}
	return 0;
}

static int rows_grow(struct weir_text *text)
{
	uint32_t capacity = text->capacity == 0 ? 64 : text->capacity * 2;
	struct weir_text_row *rows = realloc(text->rows, capacity * sizeof(*rows));
	uint32_t *changed;
	uint64_t *bits;

	if (rows == NULL) {
		return -ENOMEM;
	}
	text->rows = rows;
	changed = realloc(text->changed, capacity * sizeof(*changed));
	if (changed == NULL) {
		return -ENOMEM;
	}
	text->changed = changed;
	bits = realloc(text->free_numbers, capacity / 64 * sizeof(*bits));
	if (bits == NULL) {
		return -ENOMEM;
	}
	memset(bits + text->capacity / 64, 0, (capacity - text->capacity) / 64 * sizeof(*bits));
	text->free_numbers = bits;
	if (text->capacity == 0) {
		rows[0] = (struct weir_text_row){ .next = 0 };
		text->count = 1;
	}
	text->capacity = capacity;
	return 0;
}

static uint32_t find(const struct weir_text *text, XXH128_hash_t hash)
{
	uint32_t id = text->bucket_count == 0 ? 0 : text->buckets[hash.low64 & (text->bucket_count - 1)];

	while (id != 0 && (text->rows[id].low != hash.low64 || text->rows[id].high != hash.high64)) {
		id = text->rows[id].next;
	}
	return id != 0 ? id : WEIR_TEXT_FULL;
}

uint32_t weir_text_find(const struct weir_text *text, struct weir_str value, uint32_t salt)
{
	if (value.length == 0) {
		return WEIR_TEXT_EMPTY;
	}
	return find(text, XXH3_128bits_withSeed(value.data, value.length, text->seed + salt));
}

/* The lowest number that is free: of those given back, else the next. */
static uint32_t number_lowest(struct weir_text *text)
{
	for (uint32_t words = (text->count + 63) / 64; text->first_free < words; text->first_free++) {
		uint64_t bits = text->free_numbers[text->first_free];

		if (bits != 0) {
			return text->first_free * 64 + (uint32_t)__builtin_ctzll(bits);
		}
	}
	return text->count;
}

static void changed_add(struct weir_text *text, uint32_t id)
{
	if (!text->rows[id].is_changed) {
		text->rows[id].is_changed = true;
		text->changed[text->changed_count++] = id;
	}
}

/* A number that is free, below `count` or `count` itself, gets this text. */
static bool put(struct weir_text *text, uint32_t id, struct weir_str value, uint32_t salt, XXH128_hash_t hash)
{
	char *data = malloc(value.length);
	bool is_changed = id < text->count && text->rows[id].is_changed;

	if (data == NULL) {
		return false;
	}
	memcpy(data, value.data, value.length);
	if (id == text->count) {
		text->count++;
	} else {
		text->free_numbers[id / 64] &= ~(UINT64_C(1) << id % 64);
	}
	text->rows[id] = (struct weir_text_row){ .data = data,
		.length = (uint16_t)value.length,
		.salt = salt,
		.low = hash.low64,
		.high = hash.high64,
		.is_changed = is_changed };
	bucket_enter(text, id);
	text->live++;
	text->bytes += value.length;
	changed_add(text, id);
	return true;
}

uint32_t weir_text_add(struct weir_text *text, struct weir_str value, uint32_t salt, bool beyond)
{
	XXH128_hash_t hash;
	uint32_t id;

	if (value.length == 0) {
		return WEIR_TEXT_EMPTY;
	}
	hash = XXH3_128bits_withSeed(value.data, value.length, text->seed + salt);
	id = find(text, hash);
	if (id != WEIR_TEXT_FULL) {
		return id;
	}
	if (value.length > WEIR_TEXT_LENGTH_MAX ||
		(!beyond && (text->live >= text->max_count || text->bytes + value.length > text->max_bytes)) ||
		(text->live + 1 >= text->bucket_count && buckets_grow(text) != 0)) {
		return WEIR_TEXT_FULL;
	}
	id = number_lowest(text);
	if (id == text->capacity || text->capacity == 0) {
		if (rows_grow(text) != 0) {
			return WEIR_TEXT_FULL;
		}
		id = number_lowest(text);
	}
	return put(text, id, value, salt, hash) ? id : WEIR_TEXT_FULL;
}

void weir_text_remove(struct weir_text *text, uint32_t id)
{
	struct weir_text_row *row = &text->rows[id];
	uint32_t *at = &text->buckets[row->low & (text->bucket_count - 1)];

	weir_assert(id != WEIR_TEXT_EMPTY && weir_text_is_live(text, id));
	while (*at != id) {
		at = &text->rows[*at].next;
	}
	*at = row->next;
	text->live--;
	text->bytes -= row->length;
	weir_retire_add(text->retire, row->data);
	row->data = NULL;
	row->length = 0;
	row->low = row->high = 0;
	text->free_numbers[id / 64] |= UINT64_C(1) << id % 64;
	text->first_free = id / 64 < text->first_free ? id / 64 : text->first_free;
	changed_add(text, id);
}

static void row_save(const struct weir_text *text, uint32_t id, struct weir_buf *buf)
{
	const struct weir_text_row *row = &text->rows[id];

	weir_blob_add_varint(buf, id);
	weir_blob_add_varint(buf, row->length);
	if (row->length > 0) {
		weir_blob_add_varint(buf, row->salt);
		weir_buf_add(buf, row->data, row->length);
	}
}

static void changed_forget(struct weir_text *text)
{
	for (uint32_t i = 0; i < text->changed_count; i++) {
		text->rows[text->changed[i]].is_changed = false;
	}
	text->changed_count = 0;
}

void weir_text_save(struct weir_text *text, bool all, struct weir_buf *buf)
{
	weir_blob_add_varint(buf, all ? text->live : text->changed_count);
	for (uint32_t i = 1; all && i < text->count; i++) {
		if (text->rows[i].data != NULL) {
			row_save(text, i, buf);
		}
	}
	for (uint32_t i = 0; !all && i < text->changed_count; i++) {
		row_save(text, text->changed[i], buf);
	}
	changed_forget(text);
}

/* Makes numbers up to `id` exist; new ones are free. */
static int reach(struct weir_text *text, uint32_t id)
{
	while (id >= text->capacity) {
		if (rows_grow(text) != 0) {
			return -ENOMEM;
		}
	}
	for (; text->count < id; text->count++) {
		text->rows[text->count] = (struct weir_text_row){ .next = 0 };
		text->free_numbers[text->count / 64] |= UINT64_C(1) << text->count % 64;
		text->first_free = text->count / 64 < text->first_free ? text->count / 64 : text->first_free;
	}
	return 0;
}

static int row_load(struct weir_text *text, struct weir_blob_reader *reader, uint32_t id, size_t length)
{
	uint32_t salt = weir_blob_number(reader, UINT32_MAX);
	const unsigned char *data;
	struct weir_str value;
	XXH128_hash_t hash;

	if (reader->version != 0 && reader->version < VERSION_NUMBERED) {
		length = weir_blob_number(reader, WEIR_TEXT_LENGTH_MAX);
	}
	data = weir_blob_bytes(reader, length);
	if (data == NULL || length == 0) {
		return -EBADMSG;
	}
	value = weir_str_make((const char *)data, length);
	hash = XXH3_128bits_withSeed(value.data, value.length, text->seed + salt);
	if (find(text, hash) != WEIR_TEXT_FULL) {
		return -EBADMSG;
	}
	if (reach(text, id) != 0 || (text->live + 1 >= text->bucket_count && buckets_grow(text) != 0) ||
		!put(text, id, value, salt, hash)) {
		return -ENOMEM;
	}
	return 0;
}

static int rows_load_first(struct weir_text *text, struct weir_blob_reader *reader)
{
	uint32_t first = weir_blob_number(reader, UINT32_MAX - 1);
	uint32_t count = weir_blob_number(reader, UINT32_MAX - 1);
	int error = reader->is_bad || first != (text->count == 0 ? 1 : text->count) ? -EBADMSG : 0;

	for (uint32_t i = 0; i < count && error == 0; i++) {
		error = row_load(text, reader, first + i, 0);
	}
	return error;
}

/* Removals first: a text may have come back under another number. */
static int rows_load(struct weir_text *text, struct weir_blob_reader *reader)
{
	uint32_t count = weir_blob_number(reader, UINT32_MAX - 1);
	struct weir_blob_reader again = *reader;

	for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
		uint32_t id = weir_blob_number(reader, WEIR_TEXT_NUMBER_MAX);
		size_t length = weir_blob_number(reader, WEIR_TEXT_LENGTH_MAX);

		if (id == WEIR_TEXT_EMPTY) {
			return -EBADMSG;
		}
		if (weir_text_is_live(text, id)) {
			weir_text_remove(text, id);
		}
		if (length > 0) {
			weir_blob_number(reader, UINT32_MAX);
			weir_blob_bytes(reader, length);
		}
	}
	for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
		uint32_t id = weir_blob_number(&again, WEIR_TEXT_NUMBER_MAX);
		size_t length = weir_blob_number(&again, WEIR_TEXT_LENGTH_MAX);
		int error;

		if (length == 0) {
			continue;
		}
		if (weir_text_is_live(text, id)) {
			return -EBADMSG;
		}
		error = row_load(text, &again, id, length);
		if (error != 0) {
			return error;
		}
	}
	return reader->is_bad || again.is_bad ? -EBADMSG : 0;
}

int weir_text_load(struct weir_text *text, struct weir_blob_reader *reader)
{
	int error = reader->version != 0 && reader->version < VERSION_NUMBERED ? rows_load_first(text, reader)
									       : rows_load(text, reader);

	if (error == 0) {
		changed_forget(text);
	}
	return error;
}

void weir_text_digest(const struct weir_text *text, XXH3_state_t *state)
{
	for (uint32_t i = 1; i < text->count; i++) {
		uint32_t head[3] = { i, text->rows[i].salt, text->rows[i].length };

		if (text->rows[i].data != NULL) {
			XXH3_128bits_update(state, head, sizeof(head));
			XXH3_128bits_update(state, text->rows[i].data, text->rows[i].length);
		}
	}
}
