/* text: immutable texts, each kept once and known by a number. Private to the room. */
#ifndef WEIR_AGGREGATE_TEXT_H
#define WEIR_AGGREGATE_TEXT_H

#include <stdbool.h>
#include <stdint.h>
#include <xxhash.h>

#include "aggregate/blob.h"
#include "base/str.h"

#define WEIR_TEXT_EMPTY 0u         /* the number of "" */
#define WEIR_TEXT_FULL UINT32_MAX  /* no room for a new one: too many, too long, or out of memory */
#define WEIR_TEXT_LENGTH_MAX 8192u /* of one text */
#define WEIR_TEXT_NUMBER_MAX ((1u << 26) - 1)

struct weir_text_row {
	char *data; /* stable while the number is in use; NULL: the number is free */
	uint32_t salt, next;
	uint16_t length;
	bool is_changed;    /* differs from the last cut: it is in `changed` */
	uint64_t low, high; /* hash */
};

struct weir_retire;

struct weir_text {
	struct weir_text_row *rows;
	uint32_t count, capacity; /* numbers below `count` were given once; some may be free again */
	uint32_t live;            /* numbers in use, that of "" not counted */
	uint64_t *free_numbers;   /* a bit each: below `count`, and free */
	uint32_t first_free;      /* no word of free_numbers below this one has a bit */
	uint32_t *changed, changed_count;
	uint32_t *buckets, bucket_count;
	struct weir_retire *retire; /* where removed texts go; NULL: nobody looks at them */
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
uint32_t weir_text_add(struct weir_text *text, struct weir_str value, uint32_t salt, bool beyond);
uint32_t weir_text_find(const struct weir_text *text, struct weir_str value, uint32_t salt); /* or WEIR_TEXT_FULL */
/* Its number is free; whoever counts with it must have forgotten it. */
void weir_text_remove(struct weir_text *text, uint32_t id);

/* Is the number in use? */
static inline bool weir_text_is_live(const struct weir_text *text, uint32_t id)
{
	return id < text->count && text->rows[id].data != NULL;
}

static inline struct weir_str weir_text_str(const struct weir_text *text, uint32_t id)
{
	if (id == WEIR_TEXT_EMPTY) {
		return (struct weir_str){ "", 0 };
	}
	return (struct weir_str){ text->rows[id].data, text->rows[id].length };
}

/* What changed since the last cut, or all. */
void weir_text_save(struct weir_text *text, bool all, struct weir_buf *buf);
int weir_text_load(struct weir_text *text, struct weir_blob_reader *reader); /* 0, -EBADMSG, -ENOMEM */
void weir_text_digest(const struct weir_text *text, XXH3_state_t *state);

#endif
