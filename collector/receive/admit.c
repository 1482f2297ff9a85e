/* admit: the overload level and the shares of the sources; see the header.
 *
 * The level is made anew at each question from the ring's positions: two loads
 * and two comparisons, no lock. Two threads that ask at once may both move it;
 * each moves it to what the ring says, so the last word is right as well.
 *
 *        ┌─ at least enter[level + 1]: up
 *   fill ┤
 *        └─ below leave[level] = enter[level] - 1/16: down
 *
 * Shares: a table of SOURCES entries, found by a hash of the source's name
 * that is keyed at random, so that nobody can choose whose entry it shares.
 * Each has what it put in the bucket of SPAN_NS at hand and in the one before;
 * "the last two seconds" are the one at hand and, of the one before, the part
 * that is not yet two seconds old. A source that finds all PROBES places taken by others
 * that are active counts among the nameless: it is in the total, and not capped.
 *
 * Invariants: 1. The sums of a bucket's entries are at most its total. 2. An
 * entry of an older bucket than the one before counts for nothing, and may be
 * taken over. 3. Everything of the table is under the lock; a question takes it
 * once, and for PROBES entries at most. */
#include "receive/admit.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/random.h>

#include <xxhash.h>

#include "base/clock.h"
#include "base/stat.h"

#define SOURCES 4096u
#define PROBES 8u
#define SPAN_NS UINT64_C(2000000000)
#define LEVELS 4u

struct pile { /* what was put, in the bucket at hand and in the one before */
	uint64_t bucket, now, before;
};

struct entry {
	uint64_t hash; /* 0: free */
	struct pile pile;
};

struct weir_admit {
	struct weir_ring *ring;
	uint64_t enter[LEVELS], leave[LEVELS], closed_from, closed_below;
	_Atomic int level;
	_Atomic bool is_closed;
	_Atomic uint64_t spells; /* how often THIN was entered */
	uint32_t share;
	uint64_t seed;
	pthread_mutex_t lock;
	struct pile total;
	struct entry entries[SOURCES];
};

int weir_admit_create(struct weir_ring *ring, uint32_t source_share, struct weir_admit **ret_admit)
{
	struct weir_admit *admit = calloc(1, sizeof(*admit));
	uint64_t unit = weir_ring_capacity(ring) / 32;

	if (admit == NULL) {
		return -ENOMEM;
	}
	if (getrandom(&admit->seed, sizeof(admit->seed), 0) != (ssize_t)sizeof(admit->seed)) {
		free(admit);
		return -EIO;
	}
	admit->ring = ring;
	admit->share = source_share;
	admit->enter[WEIR_ADMIT_SHARE] = 16 * unit;
	admit->enter[WEIR_ADMIT_REFUSE] = 24 * unit;
	admit->enter[WEIR_ADMIT_THIN] = 28 * unit;
	for (unsigned i = WEIR_ADMIT_SHARE; i < LEVELS; i++) {
		admit->leave[i] = admit->enter[i] - 2 * unit;
	}
	admit->closed_from = 31 * unit;
	admit->closed_below = 29 * unit;
	pthread_mutex_init(&admit->lock, NULL);
	*ret_admit = admit;
	return 0;
}

void weir_admit_destroy(struct weir_admit *admit)
{
	if (admit != NULL) {
		pthread_mutex_destroy(&admit->lock);
		free(admit);
	}
}

/* The tail first: it never passes a head that is read later. */
static uint64_t fill_of(const struct weir_admit *admit)
{
	uint64_t tail = weir_ring_tail(admit->ring);

	return weir_ring_head(admit->ring) - tail;
}

enum weir_admit_level weir_admit_level(struct weir_admit *admit)
{
	uint64_t fill = fill_of(admit);
	int before = atomic_load_explicit(&admit->level, memory_order_relaxed), level = before;

	while (level < WEIR_ADMIT_THIN && fill >= admit->enter[level + 1]) {
		level++;
	}
	while (level > WEIR_ADMIT_OPEN && fill < admit->leave[level]) {
		level--;
	}
	if (level != before) {
		if (level == WEIR_ADMIT_THIN) {
			atomic_fetch_add_explicit(&admit->spells, 1, memory_order_relaxed);
		}
		atomic_store_explicit(&admit->level, level, memory_order_relaxed);
		weir_stat_set(WEIR_STAT_OVERLOAD_LEVEL, (uint64_t)level);
	}
	return (enum weir_admit_level)level;
}

bool weir_admit_is_closed(struct weir_admit *admit)
{
	uint64_t fill = fill_of(admit);
	bool was_closed = atomic_load_explicit(&admit->is_closed, memory_order_relaxed);
	bool is_closed = fill >= (was_closed ? admit->closed_below : admit->closed_from);

	if (is_closed != was_closed) {
		atomic_store_explicit(&admit->is_closed, is_closed, memory_order_relaxed);
	}
	return is_closed;
}

/* ---- shares ---------------------------------------------------------------- */

static void pile_turn(struct pile *pile, uint64_t bucket)
{
	if (pile->bucket != bucket) {
		pile->before = pile->bucket + 1 == bucket ? pile->now : 0;
		pile->now = 0;
		pile->bucket = bucket;
	}
}

/* The bytes of the last SPAN_NS; `left` of it still lie in the bucket before. */
static uint64_t pile_sum(const struct pile *pile, uint64_t left_ns)
{
	return pile->now + (uint64_t)((double)pile->before * ((double)left_ns / (double)SPAN_NS));
}

/* The entry of this source, turned to the bucket; NULL: no place for it. */
static struct entry *entry_find(struct weir_admit *admit, uint64_t hash, uint64_t bucket)
{
	struct entry *free_one = NULL;

	for (unsigned i = 0; i < PROBES; i++) {
		struct entry *entry = &admit->entries[(hash + i) % SOURCES];

		if (entry->hash == hash) {
			pile_turn(&entry->pile, bucket);
			return entry;
		}
		if (free_one == NULL && (entry->hash == 0 || entry->pile.bucket + 1 < bucket)) {
			free_one = entry;
		}
	}
	if (free_one != NULL) {
		*free_one = (struct entry){ .hash = hash, .pile = { .bucket = bucket } };
	}
	return free_one;
}

int weir_admit_unary_at(struct weir_admit *admit, struct weir_str source, uint64_t bytes, uint64_t now_ns)
{
	enum weir_admit_level level = weir_admit_level(admit);
	uint64_t hash, bucket = now_ns / SPAN_NS, left_ns = SPAN_NS - now_ns % SPAN_NS, own, all;
	struct entry *entry;
	int outcome = 0;

	if (level >= WEIR_ADMIT_REFUSE) {
		return WEIR_ADMIT_FULL;
	}
	if (admit->share >= 100) {
		return 0;
	}
	hash = XXH3_64bits_withSeed(source.data, source.length, admit->seed) | 1;
	pthread_mutex_lock(&admit->lock);
	pile_turn(&admit->total, bucket);
	entry = entry_find(admit, hash, bucket);
	if (entry != NULL && level >= WEIR_ADMIT_SHARE) {
		own = pile_sum(&entry->pile, left_ns);
		all = pile_sum(&admit->total, left_ns);
		outcome = own < all && own > all / 100 * admit->share ? WEIR_ADMIT_SOURCE : 0;
	}
	if (outcome == 0) {
		admit->total.now += bytes;
		if (entry != NULL) {
			entry->pile.now += bytes;
		}
	}
	pthread_mutex_unlock(&admit->lock);
	return outcome;
}

int weir_admit_unary(struct weir_admit *admit, struct weir_str source, uint64_t bytes)
{
	return weir_admit_unary_at(admit, source, bytes, weir_clock_monotonic_ns());
}

/* ---- streams --------------------------------------------------------------- */

enum weir_admit_stream weir_admit_stream(struct weir_admit *admit, uint64_t now_ns, struct weir_admit_hold *hold)
{
	uint64_t spell;

	if (weir_admit_level(admit) < WEIR_ADMIT_THIN) {
		*hold = (struct weir_admit_hold){ 0 };
		return WEIR_ADMIT_TAKE;
	}
	spell = atomic_load_explicit(&admit->spells, memory_order_relaxed);
	if (hold->since_ns == 0 || hold->spell != spell) {
		*hold = (struct weir_admit_hold){ now_ns, spell };
	}
	return now_ns - hold->since_ns < WEIR_ADMIT_HOLD_MS * UINT64_C(1000000) ? WEIR_ADMIT_HOLD : WEIR_ADMIT_THIN_IT;
}
