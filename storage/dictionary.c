/* dictionary: the distinct strings of one segment; see the header.
 *
 * Open addressing with linear probing, at most half full. A slot holds the
 * upper half of the string's hash beside its number, so that a probe that
 * misses touches the slots only. The hash is seeded per database, so that no
 * sender can choose strings that collide.
 *
 * Invariants: 1. offsets[0] = 0 and offsets[1] = 0: number 0 is the empty
 * string. 2. offsets[count] = bytes.length. 3. 2 * count <= slots. */
#include "storage/dictionary.h"

#include <errno.h>
#include <stdlib.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#define FIRST_CAPACITY 4096u

int weir_dictionary_init(struct weir_dictionary *dictionary, uint64_t seed)
{
	*dictionary = (struct weir_dictionary){ .capacity = FIRST_CAPACITY, .slot_mask = 2 * FIRST_CAPACITY - 1 };
	dictionary->seed = seed;
	weir_buf_init(&dictionary->bytes, UINT32_MAX);
	dictionary->offsets = malloc((FIRST_CAPACITY + 1) * sizeof(*dictionary->offsets));
	dictionary->slots = malloc(2 * FIRST_CAPACITY * sizeof(*dictionary->slots));
	if (dictionary->offsets == NULL || dictionary->slots == NULL ||
		weir_buf_reserve(&dictionary->bytes, 64) == NULL) {
		weir_dictionary_fini(dictionary);
		return -ENOMEM;
	}
	weir_dictionary_clear(dictionary);
	return 0;
}

void weir_dictionary_fini(struct weir_dictionary *dictionary)
{
	free(dictionary->offsets);
	free(dictionary->slots);
	weir_buf_fini(&dictionary->bytes);
	*dictionary = (struct weir_dictionary){ 0 };
}

void weir_dictionary_clear(struct weir_dictionary *dictionary)
{
	memset(dictionary->slots, 0, ((size_t)dictionary->slot_mask + 1) * sizeof(*dictionary->slots));
	weir_buf_clear(&dictionary->bytes);
	dictionary->offsets[0] = dictionary->offsets[1] = 0;
	dictionary->count = 1;
	dictionary->is_full = false;
}

static int grow(struct weir_dictionary *dictionary)
{
	uint32_t capacity = dictionary->capacity * 2, mask = 2 * capacity - 1;
	uint32_t *offsets = realloc(dictionary->offsets, ((size_t)capacity + 1) * sizeof(*offsets));
	uint64_t *slots = calloc((size_t)mask + 1, sizeof(*slots));

	if (offsets != NULL) {
		dictionary->offsets = offsets;
	}
	if (offsets == NULL || slots == NULL) {
		free(slots);
		return -ENOMEM;
	}
	for (uint32_t id = 1; id < dictionary->count; id++) {
		struct weir_str text = weir_dictionary_at(dictionary, id);
		uint64_t hash = XXH3_64bits_withSeed(text.data, text.length, dictionary->seed);
		uint32_t at = (uint32_t)hash & mask;

		while (slots[at] != 0) {
			at = (at + 1) & mask;
		}
		slots[at] = (hash & 0xffffffff00000000u) | (id + 1);
	}
	free(dictionary->slots);
	dictionary->slots = slots;
	dictionary->capacity = capacity;
	dictionary->slot_mask = mask;
	return 0;
}

uint32_t weir_dictionary_add(struct weir_dictionary *dictionary, struct weir_str text, bool *ret_is_new)
{
	uint64_t hash;
	uint32_t at, id;

	*ret_is_new = false;
	if (text.length == 0) {
		return 0;
	}
	hash = XXH3_64bits_withSeed(text.data, text.length, dictionary->seed);
	at = (uint32_t)hash & dictionary->slot_mask;
	while (dictionary->slots[at] != 0) {
		if (dictionary->slots[at] >> 32 == hash >> 32 &&
			weir_dictionary_is(dictionary, (uint32_t)dictionary->slots[at] - 1, text)) {
			return (uint32_t)dictionary->slots[at] - 1;
		}
		at = (at + 1) & dictionary->slot_mask;
	}
	if (dictionary->count == dictionary->capacity) {
		if (grow(dictionary) < 0) {
			dictionary->is_full = true;
			return 0;
		}
		at = (uint32_t)hash & dictionary->slot_mask;
		while (dictionary->slots[at] != 0) {
			at = (at + 1) & dictionary->slot_mask;
		}
	}
	weir_buf_add(&dictionary->bytes, text.data, text.length);
	if (weir_buf_error(&dictionary->bytes) != 0) {
		dictionary->is_full = true;
		return 0;
	}
	id = dictionary->count++;
	dictionary->offsets[id + 1] = (uint32_t)dictionary->bytes.length;
	dictionary->slots[at] = (hash & 0xffffffff00000000u) | (id + 1);
	*ret_is_new = true;
	return id;
}
