/* memo: from a record's label inputs to its cells without building a text.
 *
 * A record's labels are made of some twenty strings. Instead of evaluating rules,
 * building and comparing texts, their bytes are hashed once (128 bits, keyed with
 * the database's seed) and the hash leads to the series sets where the record
 * counts, with the metrics that count it, and to the edge. What rules read
 * beyond these bytes comes as a key from the rule set. Workloads are hashed once
 * for each batch: many calls share them.
 *
 * A cache, no state: an entry that is lost is found again by its text, with the
 * same result. It is not saved and not in the digest.
 *
 * Invariants
 *  1. All that labels or edge are made of is in the key, and all attributes that
 *     rules/vocabulary.def says to be keyed; nothing else is (pod and node id are
 *     not: they would multiply the entries).
 *  2. It is at most half full: it grows to max_capacity, then starts anew, which
 *     costs each live label set one text; so it does when its entries lead to
 *     more places or metrics than a memo of this size may (bounds.h).
 *  3. What leads beyond the budget holds only until a set is made or grows. */
#include "aggregate/memo.h"

#include <stdlib.h>
#include <string.h>

#include "aggregate/bounds.h"
#include "base/err.h"

#define CAPACITY_MIN 256u
#define STRINGS 5u
#define INLINE_BYTES 640u

void weir_memo_init(struct weir_memo *memo, uint32_t max_series, uint64_t seed)
{
	*memo = (struct weir_memo){ .seed = seed, .max_capacity = WEIR_BOUNDS_MEMO };
	while (memo->max_capacity < max_series) {
		memo->max_capacity *= 2;
	}
}

void weir_memo_fini(struct weir_memo *memo)
{
	free(memo->entries);
	free(memo->workloads);
	free(memo->hits);
	free(memo->readings);
	memo->readings = NULL;
	memo->entries = NULL;
	memo->hits = NULL;
	memo->workloads = NULL;
}

void weir_memo_clear(struct weir_memo *memo)
{
	if (memo->entries != NULL) {
		memset(memo->entries, 0, memo->capacity * sizeof(*memo->entries));
	}
	memo->count = 0;
	memo->hit_count = 0;
	memo->reading_count = 0;
	memset(memo->kinds, 0, sizeof(memo->kinds));
}

void weir_memo_batch(struct weir_memo *memo, const struct weir_batch *batch)
{
	uint32_t count = batch->workloads.count;

	if (count > memo->workload_capacity) {
		free(memo->workloads);
		memo->workloads = malloc(count * sizeof(*memo->workloads));
		weir_assert(memo->workloads != NULL); /* bounded by the batch, hence by ring/8 */
		memo->workload_capacity = count;
	}
	for (uint32_t i = 0; i < count; i++) {
		memo->workloads[i].is_known = false;
	}
}

struct key_bytes { /* strings, each behind its length, and what does not fit as a hash */
	uint32_t length;
	char bytes[INLINE_BYTES];
};

static inline void add(struct key_bytes *key, const void *data, uint32_t length)
{
	memcpy(key->bytes + key->length, data, length);
	key->length += length;
}

/* As memcpy does it, without a call: texts are short, and there are many. */
static inline void copy(char *to, const char *from, uint32_t length)
{
	if (length >= 16) {
		for (uint32_t at = 0; at + 16 < length; at += 16) {
			memcpy(to + at, from + at, 16);
		}
		memcpy(to + length - 16, from + length - 16, 16);
	} else if (length >= 8) {
		memcpy(to, from, 8);
		memcpy(to + length - 8, from + length - 8, 8);
	} else if (length >= 4) {
		memcpy(to, from, 4);
		memcpy(to + length - 4, from + length - 4, 4);
	} else {
		for (uint32_t at = 0; at < length; at++) {
			to[at] = from[at];
		}
	}
}

struct texts { /* where refs point, and the seed of what does not fit: clients choose some of them */
	const struct weir_batch *batch;
	uint64_t seed;
};

static inline void add_ref(struct key_bytes *key, const struct texts *texts, struct weir_ref ref, uint32_t share)
{
	uint32_t length = ref.length;

	add(key, &length, sizeof(length));
	if (length <= share) {
		copy(key->bytes + key->length, weir_batch_at(texts->batch, ref.offset), length);
		key->length += length;
	} else {
		XXH128_hash_t hash =
			XXH3_128bits_withSeed(weir_batch_at(texts->batch, ref.offset), length, texts->seed);

		add(key, &hash, sizeof(hash));
	}
}

/* The labels beyond the known ones, which rules may read: their hash, or nothing when there are none. */
static void add_labels(
	struct key_bytes *key, const struct weir_batch *batch, const struct weir_workload *workload, uint64_t seed)
{
	uint32_t count;
	const struct weir_attr *labels = weir_batch_labels(batch, workload, &count);
	XXH128_hash_t hash = { 0, 0 };

	for (uint32_t i = 0; i < count; i++) {
		struct {
			XXH128_hash_t before, key, value;
		} link = { .before = hash };

		link.key =
			XXH3_128bits_withSeed(weir_batch_at(batch, labels[i].key.offset), labels[i].key.length, seed);
		link.value = XXH3_128bits_withSeed(
			weir_batch_at(batch, labels[i].value.text.offset), labels[i].value.text.length, seed);
		hash = XXH3_128bits_withSeed(&link, sizeof(link), seed);
	}
	if (count > 0) {
		add(key, &hash, sizeof(hash));
	}
}

static XXH128_hash_t workload_hash(struct weir_memo *memo, const struct weir_batch *batch, uint32_t row)
{
	const struct texts texts = { batch, memo->seed };
	struct weir_memo_workload *known;
	const struct weir_workload *workload;
	struct key_bytes key;

	if (row == WEIR_NONE) {
		return (XXH128_hash_t){ 0, 0 };
	}
	known = &memo->workloads[row];
	if (!known->is_known) {
		workload = weir_batch_workload(batch, row);
		key.length = 0;
		add_ref(&key, &texts, workload->name, 64);
		add_ref(&key, &texts, workload->namespace_, 64);
		add_ref(&key, &texts, workload->app, 64);
		add_ref(&key, &texts, workload->version, 64);
		add_ref(&key, &texts, workload->canonical_service, 64);
		add_ref(&key, &texts, workload->canonical_revision, 64);
		add_ref(&key, &texts, workload->cluster, 64);
		add_labels(&key, batch, workload, memo->seed);
		known->hash = XXH3_128bits_withSeed(key.bytes, key.length, memo->seed);
		known->is_known = true;
	}
	return known->hash;
}

XXH128_hash_t weir_memo_key(
	struct weir_memo *memo, const struct weir_rules_record *record, struct weir_ruleset_key beyond)
{
	const struct weir_batch *batch = record->batch;
	const struct texts texts = { batch, memo->seed };
	const struct weir_call *call = record->call;
	const struct weir_request *request = record->request;
	struct key_bytes key;
	struct {
		XXH128_hash_t source, destination;
		struct weir_ruleset_key beyond;
		uint32_t flags, response_code;
		int32_t grpc_status;
		uint8_t reporter, protocol, security, signal;
		uint8_t is_connection, event, is_probe, has_messages;
		uint32_t zero;
	} head = { .source = workload_hash(memo, batch, call->source),
		.destination = workload_hash(memo, batch, call->destination),
		.beyond = beyond,
		.flags = call->response_flags,
		.response_code = request == NULL ? 0 : request->response_code,
		.grpc_status = request == NULL ? WEIR_GRPC_STATUS_NONE : request->grpc_status,
		.reporter = call->reporter,
		.protocol = call->protocol,
		.security = call->security,
		.signal = batch->signal,
		.is_connection = request == NULL,
		.event = record->event,
		.is_probe = call->is_probe,
		.has_messages = request != NULL && (request->request_messages > 0 || request->response_messages > 0) };

	_Static_assert(sizeof(head) + STRINGS * (sizeof(uint32_t) + 88) <= INLINE_BYTES, "a call's key fits");
	key.length = 0;
	add(&key, &head, sizeof(head));
	add_ref(&key, &texts, call->service_host, 88);
	add_ref(&key, &texts, call->service_name, 88);
	add_ref(&key, &texts, call->service_namespace, 88);
	add_ref(&key, &texts, call->source_principal, 88);
	add_ref(&key, &texts, call->destination_principal, 88);
	return XXH3_128bits_withSeed(key.bytes, key.length, memo->seed);
}

/* The entry of this key, or the free one where it belongs. */
static struct weir_memo_entry *place(const struct weir_memo *memo, XXH128_hash_t key)
{
	uint32_t at = (uint32_t)key.low64 & (memo->capacity - 1);

	while (memo->entries[at].is_used &&
		(memo->entries[at].key.low64 != key.low64 || memo->entries[at].key.high64 != key.high64)) {
		at = (at + 1) & (memo->capacity - 1);
	}
	return &memo->entries[at];
}

static void grow(struct weir_memo *memo)
{
	struct weir_memo_entry *old = memo->entries;
	uint32_t old_capacity = old == NULL ? 0 : memo->capacity;
	uint32_t capacity = old_capacity == 0 ? CAPACITY_MIN : old_capacity * 2;
	struct weir_memo_entry *entries = calloc(capacity, sizeof(*entries));

	weir_assert(entries != NULL); /* small beside the tables that it leads to */
	memo->entries = entries;
	memo->capacity = capacity;
	memo->count = 0;
	for (uint32_t i = 0; i < old_capacity; i++) {
		if (old[i].is_used) {
			*place(memo, old[i].key) = old[i];
			memo->count++;
		}
	}
	free(old);
}

struct weir_memo_entry *weir_memo_find(struct weir_memo *memo, XXH128_hash_t key)
{
	uint32_t times = memo->max_capacity / WEIR_BOUNDS_MEMO;
	struct weir_memo_entry *entry;

	if (memo->hit_count >= times * WEIR_BOUNDS_MEMO_HITS ||
		memo->reading_count >= times * WEIR_BOUNDS_MEMO_READINGS) {
		weir_memo_clear(memo);
	}
	if (memo->entries != NULL) {
		entry = place(memo, key);
		if (entry->is_used) {
			return entry;
		}
	}
	if (memo->count >= memo->capacity / 2) {
		if (memo->capacity == memo->max_capacity) {
			weir_memo_clear(memo);
		} else {
			grow(memo);
		}
	}
	entry = place(memo, key);
	*entry = (struct weir_memo_entry){ .key = key, .edge = WEIR_NONE, .is_used = true };
	memo->count++;
	return entry;
}

/* Room for `more` rows of `size` bytes behind `count`. */
static void *room_grow(void *rows, size_t size, uint32_t count, uint32_t more, uint32_t *capacity)
{
	uint32_t wanted = *capacity == 0 ? CAPACITY_MIN : *capacity;

	while (wanted - count < more) {
		wanted *= 2;
	}
	if (wanted != *capacity) {
		rows = realloc(rows, wanted * size);
		weir_assert(rows != NULL); /* bounded: see the invariants */
		*capacity = wanted;
	}
	return rows;
}

void weir_memo_hits_forget(struct weir_memo_entry *entry)
{
	entry->has_hits = WEIR_MEMO_NONE;
	entry->is_beyond = false;
	entry->hit_count = 0;
}

/* Where these readings are already: there are few kinds of records. WEIR_NONE: nowhere that is remembered. */
static uint32_t readings_find(const struct weir_memo *memo, const struct weir_reading *readings, uint32_t count)
{
	for (uint32_t kind = 0; kind < WEIR_MEMO_KINDS; kind++) {
		const struct weir_reading *known;
		uint32_t same = 0;

		if (memo->kinds[kind].count != count) {
			continue;
		}
		known = memo->readings + memo->kinds[kind].first;
		while (same < count && known[same].kind == readings[same].kind &&
			known[same].constant == readings[same].constant) {
			same++;
		}
		if (same == count) {
			return memo->kinds[kind].first;
		}
	}
	return WEIR_NONE;
}

static uint32_t readings_keep(struct weir_memo *memo, const struct weir_reading *readings, uint32_t count)
{
	uint32_t at = readings_find(memo, readings, count);

	if (at == WEIR_NONE) {
		at = memo->reading_count;
		memo->readings = room_grow(memo->readings, sizeof(*memo->readings), at, count, &memo->reading_capacity);
		memcpy(memo->readings + at, readings, count * sizeof(*readings));
		memo->reading_count += count;
		memo->kinds[memo->next_kind].first = at;
		memo->kinds[memo->next_kind].count = count;
		memo->next_kind = (memo->next_kind + 1) % WEIR_MEMO_KINDS;
	}
	return at;
}

void weir_memo_hit_add(struct weir_memo *memo, struct weir_memo_entry *entry, struct weir_series_hit hit,
	const struct weir_reading *readings)
{
	uint32_t at = readings_keep(memo, readings, (uint32_t)__builtin_popcount(hit.mask));

	memo->hits = room_grow(memo->hits, sizeof(*memo->hits), memo->hit_count, 1, &memo->hit_capacity);
	if (entry->hit_count == 0) {
		entry->hits = memo->hit_count;
	}
	memo->hits[memo->hit_count++] = (struct weir_memo_hit){ hit, at };
	entry->hit_count++;
}
