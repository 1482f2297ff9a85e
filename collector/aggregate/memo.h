/* memo: from a record's label inputs to its cells without building a text. Private to the room. */
#ifndef WEIR_AGGREGATE_MEMO_H
#define WEIR_AGGREGATE_MEMO_H

#include <stdint.h>
#include <xxhash.h>

#include "aggregate/series.h"
#include "ring/record.h"
#include "rules/ruleset.h"

#define WEIR_MEMO_KINDS 32u

enum weir_memo_hits { /* what is found of an entry's hits */
	WEIR_MEMO_NONE,
	WEIR_MEMO_RULES, /* but those of metrics that proxies count themselves (metric.h) */
	WEIR_MEMO_ALL,
};

struct weir_memo_entry {
	XXH128_hash_t key;
	uint32_t edge;                                   /* WEIR_NONE: not made yet */
	uint32_t hits;                                   /* first of `hits` */
	uint8_t hit_count, has_hits, is_used, is_beyond; /* has_hits: enum weir_memo_hits; is_beyond: a hit is in … */
	uint32_t changes; /* … an overflow set: holds until the table has another number */
};

struct weir_memo {
	struct weir_memo_entry *entries;
	uint32_t count, capacity, max_capacity;
	struct weir_memo_hit { /* of the entries */
		struct weir_series_hit at;
		uint32_t readings; /* first of those of its mask's metrics */
	} * hits;
	uint32_t hit_count, hit_capacity;
	struct weir_reading *readings;
	uint32_t reading_count, reading_capacity;
	struct { /* readings that came last: whose hits have the same share them */
		uint32_t first, count;
	} kinds[WEIR_MEMO_KINDS];
	uint32_t next_kind;
	uint64_t seed;
	struct weir_memo_workload {
		XXH128_hash_t hash;
		uint32_t is_known;
	} * workloads; /* of the batch at hand */
	uint32_t workload_capacity;
};

/* As many entries as a budget of so many series needs. */
void weir_memo_init(struct weir_memo *memo, uint32_t max_series, uint64_t seed);
void weir_memo_fini(struct weir_memo *memo);
void weir_memo_clear(struct weir_memo *memo); /* numbers of series or edges changed their meaning */

/* Before the first key of a batch. */
void weir_memo_batch(struct weir_memo *memo, const struct weir_batch *batch);
/* What leads to the entry of a record: all that labels, rules or the edge are made of; `beyond`: weir_ruleset_key(). */
XXH128_hash_t weir_memo_key(
	struct weir_memo *memo, const struct weir_rules_record *record, struct weir_ruleset_key beyond);
/* Its entry: known, or with nothing made yet. Valid until the next call of this. */
struct weir_memo_entry *weir_memo_find(struct weir_memo *memo, XXH128_hash_t key);
/* Its hits are to be found again. */
void weir_memo_hits_forget(struct weir_memo_entry *entry);
/* One more place that it leads to; the readings are of the metrics of the hit's
 * mask, one each. The entry's hits are made one after the other. */
void weir_memo_hit_add(struct weir_memo *memo, struct weir_memo_entry *entry, struct weir_series_hit hit,
	const struct weir_reading *readings);

/* The cache is asked for where the entry probably is; in a second step that is
 * looked at. NULL: it is elsewhere, or there is none. */
static inline void weir_memo_prefetch(const struct weir_memo *memo, XXH128_hash_t key)
{
	if (memo->entries != NULL) {
		__builtin_prefetch(&memo->entries[(uint32_t)key.low64 & (memo->capacity - 1)]);
	}
}

static inline const struct weir_memo_entry *weir_memo_peek(const struct weir_memo *memo, XXH128_hash_t key)
{
	const struct weir_memo_entry *entry;

	if (memo->entries == NULL) {
		return NULL;
	}
	entry = &memo->entries[(uint32_t)key.low64 & (memo->capacity - 1)];
	return entry->is_used && entry->key.low64 == key.low64 && entry->key.high64 == key.high64 ? entry : NULL;
}

#endif
