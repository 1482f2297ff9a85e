/* text: immutable texts, each kept once and known by a number. Private to the room. */
#ifndef WEIR_AGGREGATE_TEXT_H
#define WEIR_AGGREGATE_TEXT_H

#include <stdint.h>
#include <xxhash.h>

#include "aggregate/blob.h"
#include "base/str.h"

#define WEIR_TEXT_EMPTY 0u         /* the number of "" */
#define WEIR_TEXT_FULL UINT32_MAX  /* no room for a new one: too many, too long, or out of memory */
#define WEIR_TEXT_LENGTH_MAX 8192u /* of one text */

struct weir_text_row {
	const char *data; /* stable until fini or clear */
	uint16_t length, salt;
	uint32_t next;
	uint64_t low, high; /* hash */
};

struct weir_text_chunk;

struct weir_text {
	struct weir_text_row *rows;
	uint32_t count, capacity, cut_count; /* rows below cut_count are in an earlier cut */
	uint32_t *buckets, bucket_count;
	struct weir_text_chunk *chunks;
	uint64_t bytes, seed;
	uint32_t max_count;
	uint64_t max_bytes;
};

/* Nothing is allocated before the first text. */
void weir_text_init(struct weir_text *text, uint32_t max_count, uint64_t max_bytes, uint64_t seed);
void weir_text_fini(struct weir_text *text);
void weir_text_clear(struct weir_text *text); /* empty, as after init */

/* The number of this text, adding it when it is new; texts of different salt
 * are different. With `beyond` the bounds of number and bytes do not hold. */
uint32_t weir_text_add(struct weir_text *text, struct weir_str value, uint16_t salt, bool beyond);
uint32_t weir_text_find(const struct weir_text *text, struct weir_str value, uint16_t salt); /* or WEIR_TEXT_FULL */

static inline struct weir_str weir_text_str(const struct weir_text *text, uint32_t id)
{
	if (id == WEIR_TEXT_EMPTY) {
		return (struct weir_str){ "", 0 };
	}
	return (struct weir_str){ text->rows[id].data, text->rows[id].length };
}

/* The texts since the last cut, or all. */
void weir_text_save(struct weir_text *text, bool all, struct weir_buf *buf);
int weir_text_load(struct weir_text *text, struct weir_blob_reader *reader); /* 0, -EBADMSG, -ENOMEM */
void weir_text_digest(const struct weir_text *text, XXH3_state_t *state);

#endif
