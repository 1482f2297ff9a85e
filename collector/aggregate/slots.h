/* slots: entries found by key, kept in order of use, bounded: the memory of
 * calls that are not finished yet. Private to the room. */
#ifndef WEIR_AGGREGATE_SLOTS_H
#define WEIR_AGGREGATE_SLOTS_H

#include <stdbool.h>
#include <stdint.h>
#include <xxhash.h>

#include "aggregate/blob.h"

#define WEIR_SLOTS_NONE UINT32_MAX
#define WEIR_SLOTS_LISTS 2u

struct weir_slot_key { /* of content, not keyed: equal in every database */
	uint64_t low, high;
};

struct weir_slot {     /* the head of an entry; the table's own fields, its payload, follow */
	uint32_t next; /* in its bucket, or in the free list */
	uint32_t older, newer;
	uint32_t time; /* of its last use, in units of 2^30 ns (1.07 s) */
	struct weir_slot_key key;
	uint64_t seq; /* order of use over the whole table; 0 is free */
	uint32_t list, padding;
};

struct weir_slots {
	char *entries;
	uint32_t entry_bytes, payload_bytes;       /* payload: what follows the head and is saved */
	uint32_t count, capacity, max_count, free; /* live; allocated; bound; first free one */
	uint32_t used;                             /* entries ever used: above it all are fresh */
	uint32_t *buckets, bucket_count;
	uint32_t oldest[WEIR_SLOTS_LISTS], newest[WEIR_SLOTS_LISTS];
	uint64_t seed, next_seq, cut_seq; /* entries up to cut_seq are in an earlier cut */
	uint32_t *gone, gone_count, gone_capacity;
};

/* Entries are `entry_bytes` long, head included; at most `max_count` live. */
void weir_slots_init(struct weir_slots *slots, uint32_t entry_bytes, uint32_t max_count, uint64_t seed);
void weir_slots_fini(struct weir_slots *slots);

static inline uint32_t weir_slots_bucket(const struct weir_slots *slots, struct weir_slot_key key)
{
	uint64_t mixed = (key.low ^ slots->seed) * 0x9e3779b97f4a7c15u;

	return (uint32_t)(mixed >> 32 ^ key.high) & (slots->bucket_count - 1);
}

static inline void *weir_slots_at(const struct weir_slots *slots, uint32_t slot)
{
	return slots->entries + (size_t)slot * slots->entry_bytes;
}

/* Asks the cache for a key's bucket: passes over a batch hide the misses. */
static inline void weir_slots_prefetch(const struct weir_slots *slots, struct weir_slot_key key)
{
	if (slots->bucket_count != 0) {
		__builtin_prefetch(&slots->buckets[weir_slots_bucket(slots, key)]);
	}
}

/* … and then for the entry that it leads to. */
static inline void weir_slots_prefetch_entry(const struct weir_slots *slots, struct weir_slot_key key)
{
	if (slots->bucket_count != 0) {
		__builtin_prefetch(slots->entries +
				   (size_t)(slots->buckets[weir_slots_bucket(slots, key)] & (slots->capacity - 1)) *
					   slots->entry_bytes);
	}
}

/* The newest entry of this key, or NONE; `next` goes on to older ones of the same key. */
uint32_t weir_slots_find(const struct weir_slots *slots, struct weir_slot_key key);
uint32_t weir_slots_next(const struct weir_slots *slots, uint32_t slot);

/* A new entry, its payload zeroed, newest of `list`. The caller has made room
 * (count < max_count). */
uint32_t weir_slots_add(struct weir_slots *slots, struct weir_slot_key key, uint32_t list, uint32_t time);
/* Its payload changes: it becomes the newest of `list`. */
void weir_slots_use(struct weir_slots *slots, uint32_t slot, uint32_t list, uint32_t time);
void weir_slots_remove(struct weir_slots *slots, uint32_t slot);

/* What was removed or used since the last cut, or all. */
void weir_slots_save(struct weir_slots *slots, bool all, struct weir_buf *buf);
int weir_slots_load(struct weir_slots *slots, struct weir_blob_reader *reader); /* 0, -EBADMSG, -ENOMEM */
void weir_slots_digest(const struct weir_slots *slots, XXH3_state_t *state);

#endif
