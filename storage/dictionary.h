/* dictionary: the distinct strings of one segment, numbered as they come. */
#ifndef WEIR_STORAGE_DICTIONARY_H
#define WEIR_STORAGE_DICTIONARY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct weir_dictionary {
	struct weir_buf bytes; /* all strings, one behind the other */
	uint32_t *offsets;     /* of each in bytes; offsets[count] is the end */
	uint64_t *slots;       /* open addressing: 32 bits of the hash, id + 1 */
	uint32_t count, capacity, slot_mask;
	uint64_t seed;
	bool is_full; /* sticky: memory ran out; ids are then 0 */
};

int weir_dictionary_init(struct weir_dictionary *dictionary, uint64_t seed);
void weir_dictionary_fini(struct weir_dictionary *dictionary);
/* Empties it; the empty string is number 0 of every dictionary. */
void weir_dictionary_clear(struct weir_dictionary *dictionary);

/* The string's number. *ret_is_new: it was not there (its number is then count - 1). */
uint32_t weir_dictionary_add(struct weir_dictionary *dictionary, struct weir_str text, bool *ret_is_new);

static inline struct weir_str weir_dictionary_at(const struct weir_dictionary *dictionary, uint32_t id)
{
	return (struct weir_str){ dictionary->bytes.data + dictionary->offsets[id],
		dictionary->offsets[id + 1] - dictionary->offsets[id] };
}

/* Is the string of that number equal to `text`? */
static inline bool weir_dictionary_is(const struct weir_dictionary *dictionary, uint32_t id, struct weir_str text)
{
	uint32_t offset = dictionary->offsets[id];
	const char *have = dictionary->bytes.data + offset;
	uint64_t a, b, c, d;

	if (dictionary->offsets[id + 1] - offset != text.length) {
		return false;
	}
	if (text.length - 8 > 24) { /* shorter than 8, or longer than 32 */
		return text.length == 0 || memcmp(have, text.data, text.length) == 0;
	}
	/* Two overlapping words at either end: what memcmp's call costs is saved for the usual lengths. */
	memcpy(&a, have, 8);
	memcpy(&b, text.data, 8);
	memcpy(&c, have + text.length - 8, 8);
	memcpy(&d, text.data + text.length - 8, 8);
	if (((a ^ b) | (c ^ d)) != 0) {
		return false;
	}
	return text.length <= 16 || memcmp(have + 8, text.data + 8, text.length - 16) == 0;
}

#endif
