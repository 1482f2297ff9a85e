/* slots: entries found by key, kept in order of use, bounded.
 *
 * One array of entries, a bucket array for the keys, and up to two lists from
 * the oldest to the newest use. Expiry and eviction take from the old end, so
 * the time of the oldest entry says whether there is anything to do.
 *
 * The order of use is the key to cheap deltas: every use gives the entry a new
 * `seq` and puts it at the new end, so what changed since the last cut is what
 * a walk from the new end meets before `cut_seq`. Only entries that an earlier
 * cut has and that are gone now need a list of their own. An entry that came
 * and went between two cuts is in none: pairs that find each other within a
 * window cost nothing to save.
 *
 * Invariants
 *  1. An entry is live iff seq != 0; then it is in one bucket and one list.
 *  2. Along a list seq and time never go down.
 *  3. An entry's payload changes only through add and use, so seq > cut_seq
 *     marks all that a delta must carry.
 *  4. `gone` holds the slots (each once) whose entry was in the last cut and
 *     was removed since, also when the slot is in use again.
 *  5. What a table does depends on keys, lists and seqs, never on slot numbers,
 *     bucket order or seed: these may differ after a load, behaviour does not.
 *
 * Save: next_seq, the slots gone, then per list the entries by seq:
 * slot, time, seq, key, payload as it lies. */
#include "aggregate/slots.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define PAYLOAD_AT sizeof(struct weir_slot)

static struct weir_slot *head(const struct weir_slots *slots, uint32_t slot)
{
	return weir_slots_at(slots, slot);
}

void weir_slots_init(struct weir_slots *slots, uint32_t entry_bytes, uint32_t max_count, uint64_t seed)
{
	*slots = (struct weir_slots){ .entry_bytes = entry_bytes,
		.payload_bytes = entry_bytes - (uint32_t)PAYLOAD_AT,
		.max_count = max_count,
		.seed = seed,
		.free = WEIR_SLOTS_NONE,
		.next_seq = 1 };
	for (unsigned i = 0; i < WEIR_SLOTS_LISTS; i++) {
		slots->oldest[i] = slots->newest[i] = WEIR_SLOTS_NONE;
	}
}

void weir_slots_fini(struct weir_slots *slots)
{
	free(slots->entries);
	free(slots->buckets);
	free(slots->gone);
	slots->entries = NULL;
	slots->buckets = NULL;
	slots->gone = NULL;
}

static void bucket_enter(struct weir_slots *slots, uint32_t slot)
{
	uint32_t *first = &slots->buckets[weir_slots_bucket(slots, head(slots, slot)->key)];

	head(slots, slot)->next = *first;
	*first = slot;
}

static void bucket_leave(struct weir_slots *slots, uint32_t slot)
{
	uint32_t *at = &slots->buckets[weir_slots_bucket(slots, head(slots, slot)->key)];

	while (*at != slot) {
		at = &head(slots, *at)->next;
	}
	*at = head(slots, slot)->next;
}

static int grow(struct weir_slots *slots, uint32_t at_least)
{
	uint32_t capacity = slots->capacity == 0 ? 64 : slots->capacity, buckets;
	char *entries;
	uint32_t *heads;

	while (capacity < at_least) {
		capacity *= 2;
	}
	buckets = capacity * 2; /* few entries share one: a walk is a cache miss for each */
	entries = realloc(slots->entries, (size_t)capacity * slots->entry_bytes);
	if (entries == NULL) {
		return -ENOMEM;
	}
	slots->entries = entries;
	heads = malloc(buckets * sizeof(*heads));
	if (heads == NULL) {
		return -ENOMEM;
	}
	memset(heads, 0xff, buckets * sizeof(*heads));
	free(slots->buckets);
	slots->buckets = heads;
	slots->bucket_count = buckets;
	slots->capacity = capacity;
	for (unsigned i = 0; i < WEIR_SLOTS_LISTS; i++) {
		for (uint32_t slot = slots->oldest[i]; slot != WEIR_SLOTS_NONE; slot = head(slots, slot)->newer) {
			bucket_enter(slots, slot);
		}
	}
	return 0;
}

static void list_leave(struct weir_slots *slots, uint32_t slot)
{
	struct weir_slot *entry = head(slots, slot);

	if (entry->older != WEIR_SLOTS_NONE) {
		head(slots, entry->older)->newer = entry->newer;
	} else {
		slots->oldest[entry->list] = entry->newer;
	}
	if (entry->newer != WEIR_SLOTS_NONE) {
		head(slots, entry->newer)->older = entry->older;
	} else {
		slots->newest[entry->list] = entry->older;
	}
}

static void list_enter(struct weir_slots *slots, uint32_t slot, uint32_t list)
{
	struct weir_slot *entry = head(slots, slot);

	entry->list = list;
	entry->older = slots->newest[list];
	entry->newer = WEIR_SLOTS_NONE;
	if (entry->older != WEIR_SLOTS_NONE) {
		head(slots, entry->older)->newer = slot;
	} else {
		slots->oldest[list] = slot;
	}
	slots->newest[list] = slot;
}

static bool is_key(const struct weir_slot *entry, struct weir_slot_key key)
{
	return entry->key.low == key.low && entry->key.high == key.high;
}

uint32_t weir_slots_find(const struct weir_slots *slots, struct weir_slot_key key)
{
	uint32_t slot = slots->bucket_count == 0 ? WEIR_SLOTS_NONE : slots->buckets[weir_slots_bucket(slots, key)];

	while (slot != WEIR_SLOTS_NONE && !is_key(head(slots, slot), key)) {
		slot = head(slots, slot)->next;
	}
	return slot;
}

uint32_t weir_slots_next(const struct weir_slots *slots, uint32_t slot)
{
	struct weir_slot_key key = head(slots, slot)->key;

	do {
		slot = head(slots, slot)->next;
	} while (slot != WEIR_SLOTS_NONE && !is_key(head(slots, slot), key));
	return slot;
}

uint32_t weir_slots_add(struct weir_slots *slots, struct weir_slot_key key, uint32_t list, uint32_t time)
{
	uint32_t slot = slots->free;
	struct weir_slot *entry;

	weir_assert(slots->count < slots->max_count);
	if (slot != WEIR_SLOTS_NONE) {
		slots->free = head(slots, slot)->next;
	} else {
		if (slots->used == slots->capacity) {
			weir_assert(grow(slots, slots->capacity + 1) == 0);
		}
		slot = slots->used++;
	}
	entry = head(slots, slot);
	memset(entry, 0, slots->entry_bytes);
	entry->key = key;
	entry->time = time;
	entry->seq = slots->next_seq++;
	slots->count++;
	bucket_enter(slots, slot);
	list_enter(slots, slot, list);
	return slot;
}

/* An entry of an earlier cut leaves that cut's place. */
static void gone_add(struct weir_slots *slots, uint32_t slot)
{
	if (slots->gone_count == slots->gone_capacity) {
		uint32_t capacity = slots->gone_capacity == 0 ? 64 : slots->gone_capacity * 2;
		uint32_t *gone = realloc(slots->gone, capacity * sizeof(*gone));

		weir_assert(gone != NULL);
		slots->gone = gone;
		slots->gone_capacity = capacity;
	}
	slots->gone[slots->gone_count++] = slot;
}

void weir_slots_use(struct weir_slots *slots, uint32_t slot, uint32_t list, uint32_t time)
{
	struct weir_slot *entry = head(slots, slot);

	if (entry->seq <= slots->cut_seq) {
		gone_add(slots, slot);
	}
	list_leave(slots, slot);
	entry->time = time;
	entry->seq = slots->next_seq++;
	list_enter(slots, slot, list);
}

void weir_slots_remove(struct weir_slots *slots, uint32_t slot)
{
	struct weir_slot *entry = head(slots, slot);

	if (entry->seq <= slots->cut_seq) {
		gone_add(slots, slot);
	}
	bucket_leave(slots, slot);
	list_leave(slots, slot);
	entry->seq = 0;
	entry->next = slots->free;
	slots->free = slot;
	slots->count--;
}

/* Where in a list the entries begin that are younger than `seq`, and how many. */
static uint32_t younger(const struct weir_slots *slots, uint32_t list, uint64_t seq, uint32_t *ret_count)
{
	uint32_t first = WEIR_SLOTS_NONE;

	*ret_count = 0;
	for (uint32_t slot = slots->newest[list]; slot != WEIR_SLOTS_NONE && head(slots, slot)->seq > seq;
		slot = head(slots, slot)->older) {
		first = slot;
		++*ret_count;
	}
	return first;
}

void weir_slots_save(struct weir_slots *slots, bool all, struct weir_buf *buf)
{
	uint64_t since = all ? 0 : slots->cut_seq;

	weir_blob_add_varint(buf, slots->next_seq);
	weir_blob_add_varint(buf, all ? 0 : slots->gone_count);
	for (uint32_t i = 0; !all && i < slots->gone_count; i++) {
		weir_blob_add_varint(buf, slots->gone[i]);
	}
	for (uint32_t list = 0; list < WEIR_SLOTS_LISTS; list++) {
		uint32_t count, slot = younger(slots, list, since, &count);

		weir_blob_add_varint(buf, count);
		for (; slot != WEIR_SLOTS_NONE; slot = head(slots, slot)->newer) {
			const struct weir_slot *entry = head(slots, slot);

			weir_blob_add_varint(buf, slot);
			weir_blob_add_varint(buf, entry->time);
			weir_blob_add_varint(buf, entry->seq);
			weir_buf_add(buf, &entry->key, sizeof(entry->key));
			weir_buf_add(buf, (const char *)entry + PAYLOAD_AT, slots->payload_bytes);
		}
	}
	slots->cut_seq = slots->next_seq - 1;
	slots->gone_count = 0;
}

/* Makes entries up to `slot` exist; fresh ones are free, not yet in the free list. */
static int reach(struct weir_slots *slots, uint32_t slot)
{
	int error = slot >= slots->capacity ? grow(slots, slot + 1) : 0;

	if (error != 0) {
		return error;
	}
	while (slots->used <= slot) {
		head(slots, slots->used++)->seq = 0;
	}
	return 0;
}

static int entry_load(struct weir_slots *slots, struct weir_blob_reader *reader, uint32_t list)
{
	uint32_t slot = weir_blob_number(reader, slots->max_count - 1);
	uint32_t time = weir_blob_number(reader, UINT32_MAX);
	uint64_t seq = weir_blob_varint(reader), last;
	const unsigned char *key = weir_blob_bytes(reader, sizeof(struct weir_slot_key));
	const unsigned char *payload = weir_blob_bytes(reader, slots->payload_bytes);
	struct weir_slot *entry;

	if (payload == NULL || key == NULL) {
		return -EBADMSG;
	}
	if (reach(slots, slot) != 0) {
		return -ENOMEM;
	}
	last = slots->newest[list] == WEIR_SLOTS_NONE ? 0 : head(slots, slots->newest[list])->seq;
	entry = head(slots, slot);
	if (entry->seq != 0 || seq <= last || seq >= slots->next_seq) {
		return -EBADMSG;
	}
	memcpy(&entry->key, key, sizeof(entry->key));
	memcpy((char *)entry + PAYLOAD_AT, payload, slots->payload_bytes);
	entry->time = time;
	entry->seq = seq;
	slots->count++;
	bucket_enter(slots, slot);
	list_enter(slots, slot, list);
	return 0;
}

/* The free list anew: after a load every slot that is not live. */
static void free_rebuild(struct weir_slots *slots)
{
	slots->free = WEIR_SLOTS_NONE;
	for (uint32_t slot = slots->used; slot-- > 0;) {
		if (head(slots, slot)->seq == 0) {
			head(slots, slot)->next = slots->free;
			slots->free = slot;
		}
	}
}

int weir_slots_load(struct weir_slots *slots, struct weir_blob_reader *reader)
{
	uint64_t next_seq = weir_blob_varint(reader);
	uint32_t gone = weir_blob_number(reader, UINT32_MAX);
	int error = 0;

	for (uint32_t i = 0; i < gone && !reader->is_bad; i++) {
		uint32_t slot = weir_blob_number(reader, slots->max_count - 1);

		if (reader->is_bad || slot >= slots->used || head(slots, slot)->seq == 0) {
			return -EBADMSG;
		}
		weir_slots_remove(slots, slot);
	}
	if (reader->is_bad || next_seq < slots->next_seq) {
		return -EBADMSG;
	}
	slots->next_seq = next_seq;
	for (uint32_t list = 0; list < WEIR_SLOTS_LISTS && error == 0; list++) {
		uint32_t count = weir_blob_number(reader, slots->max_count);

		for (uint32_t i = 0; i < count && error == 0; i++) {
			error = entry_load(slots, reader, list);
		}
	}
	if (error != 0 || reader->is_bad) {
		return error != 0 ? error : -EBADMSG;
	}
	free_rebuild(slots);
	slots->cut_seq = next_seq - 1;
	slots->gone_count = 0;
	return 0;
}

void weir_slots_digest(const struct weir_slots *slots, XXH3_state_t *state)
{
	XXH3_128bits_update(state, &slots->next_seq, sizeof(slots->next_seq));
	for (uint32_t list = 0; list < WEIR_SLOTS_LISTS; list++) {
		for (uint32_t slot = slots->oldest[list]; slot != WEIR_SLOTS_NONE; slot = head(slots, slot)->newer) {
			const struct weir_slot *entry = head(slots, slot);

			XXH3_128bits_update(state, &entry->seq, sizeof(entry->seq));
			XXH3_128bits_update(state, &entry->time, sizeof(entry->time));
			XXH3_128bits_update(state, &entry->key, sizeof(entry->key));
			XXH3_128bits_update(state, (const char *)entry + PAYLOAD_AT, slots->payload_bytes);
		}
	}
}
