/* edge: who calls whom, by evidence.
 *
 * An edge is (source end, destination end, protocol); an end is six names. Its
 * evidence is kept apart, because the two proxies of one call both report it:
 * adding them up would count every request twice. What the counts hold is in
 * snapshot.h; a kind of evidence that never came has no counts.
 *
 * Rates come from slots by time of arrival: `fine` 60 × 10 s, `coarse` 48 ×
 * 30 min. A slot is found by period modulo length; moving on clears those that
 * are passed. A record older than all slots means that the clock was set back:
 * the slots start anew, else there would be no rates until it has caught up.
 *
 * Invariants
 *  1. At most EDGES_MAX edges and one overflow edge for each protocol (ends
 *     named `_overflow`). What is counted in these, and in edges of which a name
 *     is `_overflow` because names have no room, is in `overflowed` too.
 *  2. An edge's number never changes, and an edge is never dropped.
 *  3. Totals only grow until reset.
 *
 * Save: overflowed; each changed edge: number, key, a mask of evidence, then
 * the counts as words. */
#include "aggregate/edge.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bounds.h"
#include "base/err.h"

#define EDGES_MAX WEIR_BOUNDS_EDGES
#define OVERFLOW "_overflow"
#define OVERFLOW_EDGES 4u /* one for each protocol there is */
#define COUNT_WORDS ((uint32_t)(sizeof(struct weir_edge_counts) / sizeof(uint64_t)))
#define KEY_NUMBERS (2u * WEIR_EDGE_NAMES + 1u)

_Static_assert(sizeof(struct weir_edge_counts) % sizeof(uint64_t) == 0, "counts are saved as words");
_Static_assert(sizeof(struct weir_edge_key) == KEY_NUMBERS * sizeof(uint32_t), "a key is hashed as it lies");

void weir_edges_init(struct weir_edges *edges, struct weir_text *names, uint64_t seed)
{
	*edges = (struct weir_edges){ .names = names, .seed = seed };
	weir_histogram_init(&edges->bounds_us, weir_latency_bounds_ms, WEIR_LATENCY_BOUNDS, 1000);
}

void weir_edges_fini(struct weir_edges *edges)
{
	for (uint32_t i = 0; i < edges->count; i++) {
		for (unsigned k = 0; k < WEIR_EDGE_EVIDENCES; k++) {
			free(edges->rows[i].counts[k]);
		}
	}
	free(edges->rows);
	free(edges->buckets);
	free(edges->dirty);
	edges->rows = NULL;
	edges->buckets = NULL;
	edges->dirty = NULL;
	edges->count = 0;
}

void weir_edges_reset(struct weir_edges *edges)
{
	edges->overflowed = 0;
	for (uint32_t i = 0; i < edges->count; i++) {
		for (unsigned k = 0; k < WEIR_EDGE_EVIDENCES; k++) {
			struct weir_edge_counts *counts = edges->rows[i].counts[k];

			if (counts != NULL) {
				counts->requests = counts->errors = counts->duration_us = 0;
				memset(counts->buckets, 0, sizeof(counts->buckets));
				counts->connections_opened = counts->connections_closed = 0;
				counts->sent_bytes = counts->received_bytes = 0;
			}
		}
	}
}

uint32_t weir_edges_name(struct weir_edges *edges, struct weir_str name)
{
	uint32_t id = name.length > WEIR_EDGE_NAME_MAX ? WEIR_TEXT_FULL : weir_text_add(edges->names, name, 0, false);

	if (id == WEIR_TEXT_FULL) {
		id = weir_text_add(edges->names, weir_str_of(OVERFLOW), 0, true);
		weir_assert(id != WEIR_TEXT_FULL);
	}
	return id;
}

static uint32_t bucket_of(const struct weir_edges *edges, const struct weir_edge_key *key)
{
	return (uint32_t)XXH3_64bits_withSeed(key, sizeof(*key), edges->seed) & (edges->bucket_count - 1);
}

static void grow(struct weir_edges *edges)
{
	uint32_t capacity = edges->capacity == 0 ? 32 : edges->capacity * 2;
	struct weir_edge *rows = realloc(edges->rows, capacity * sizeof(*rows));
	uint32_t *dirty = realloc(edges->dirty, capacity * sizeof(*dirty));
	uint32_t *buckets = calloc(capacity, sizeof(*buckets));

	/* Bounded, and small beside the rest; without memory a restart replays. */
	weir_assert(rows != NULL && dirty != NULL && buckets != NULL);
	free(edges->buckets);
	edges->rows = rows;
	edges->dirty = dirty;
	edges->buckets = buckets;
	edges->capacity = edges->bucket_count = capacity;
	for (uint32_t i = 0; i < edges->count; i++) {
		uint32_t *first = &buckets[bucket_of(edges, &rows[i].key)];

		rows[i].next = *first;
		*first = i + 1;
	}
}

static uint32_t find(const struct weir_edges *edges, const struct weir_edge_key *key)
{
	uint32_t row = edges->bucket_count == 0 ? 0 : edges->buckets[bucket_of(edges, key)];

	while (row != 0 && memcmp(&edges->rows[row - 1].key, key, sizeof(*key)) != 0) {
		row = edges->rows[row - 1].next;
	}
	return row == 0 ? WEIR_NONE : row - 1;
}

static bool has_overflowed(const struct weir_edges *edges, const struct weir_edge_key *key)
{
	bool has = false;

	for (unsigned i = 0; i < WEIR_EDGE_NAMES; i++) {
		has = has || weir_str_is(weir_text_str(edges->names, key->source[i]), OVERFLOW) ||
		      weir_str_is(weir_text_str(edges->names, key->destination[i]), OVERFLOW);
	}
	return has;
}

static uint32_t add(struct weir_edges *edges, const struct weir_edge_key *key)
{
	uint32_t row, *first;

	if (edges->count == edges->capacity) {
		grow(edges);
	}
	row = edges->count++;
	first = &edges->buckets[bucket_of(edges, key)];
	edges->rows[row] = (struct weir_edge){ .key = *key, .next = *first, .is_overflow = has_overflowed(edges, key) };
	*first = row + 1;
	return row;
}

uint32_t weir_edges_find(struct weir_edges *edges, const struct weir_edge_key *key)
{
	struct weir_edge_key overflow = { .protocol = key->protocol };
	uint32_t edge = find(edges, key);

	if (edge != WEIR_NONE) {
		return edge;
	}
	if (edges->count < EDGES_MAX) {
		return add(edges, key);
	}
	overflow.source[WEIR_EDGE_WORKLOAD] = weir_text_add(edges->names, weir_str_of(OVERFLOW), 0, true);
	overflow.destination[WEIR_EDGE_WORKLOAD] = overflow.source[WEIR_EDGE_WORKLOAD];
	edge = find(edges, &overflow);
	return edge != WEIR_NONE ? edge : add(edges, &overflow);
}

static struct weir_edge_counts *counts_of(struct weir_edges *edges, uint32_t edge, unsigned evidence)
{
	struct weir_edge *row = &edges->rows[edge];

	if (row->counts[evidence] == NULL) {
		row->counts[evidence] = calloc(1, sizeof(*row->counts[evidence]));
		weir_assert(row->counts[evidence] != NULL);
	}
	return row->counts[evidence];
}

static struct weir_edge_counts *touch(struct weir_edges *edges, uint32_t edge, unsigned evidence)
{
	struct weir_edge *row = &edges->rows[edge];

	if (!row->is_dirty) {
		row->is_dirty = true;
		edges->dirty[edges->dirty_count++] = edge;
	}
	edges->overflowed += row->is_overflow;
	return counts_of(edges, edge, evidence);
}

/* Adds to the slot of `period`, clearing those passed on the way. */
static void slot_add(uint64_t *slots, uint32_t length, uint64_t *last, uint64_t period, uint64_t amount)
{
	if (period > *last) {
		uint64_t passed = period - *last < length ? period - *last : length;

		for (uint64_t i = 0; i < passed; i++) {
			slots[(period - i) % length] = 0;
		}
		*last = period;
	} else if (*last - period >= length) {
		/* Arrivals do not come that late: the clock was set back. */
		memset(slots, 0, length * sizeof(*slots));
		*last = period;
	}
	slots[period % length] += amount;
}

static void rate_add(struct weir_edge_counts *counts, uint64_t time_ns, uint64_t amount)
{
	slot_add(counts->fine, WEIR_EDGE_FINE, &counts->fine_last, time_ns / WEIR_EDGE_FINE_NS, amount);
	slot_add(counts->coarse, WEIR_EDGE_COARSE, &counts->coarse_last, time_ns / WEIR_EDGE_COARSE_NS, amount);
	counts->last_ns = time_ns > counts->last_ns ? time_ns : counts->last_ns;
}

void weir_edges_count_request(
	struct weir_edges *edges, uint32_t edge, unsigned evidence, const struct weir_edge_record *record)
{
	struct weir_edge_counts *counts = touch(edges, edge, evidence);

	counts->requests++;
	counts->errors += record->is_error;
	counts->duration_us += record->duration_us;
	counts->buckets[weir_histogram_bucket(&edges->bounds_us, record->duration_us)]++;
	rate_add(counts, record->time_ns, 1);
}

void weir_edges_count_connection(
	struct weir_edges *edges, uint32_t edge, unsigned evidence, const struct weir_edge_record *record)
{
	struct weir_edge_counts *counts = touch(edges, edge, evidence);

	counts->connections_opened += record->opened;
	counts->connections_closed += record->closed;
	counts->sent_bytes += record->sent_bytes;
	counts->received_bytes += record->received_bytes;
	rate_add(counts, record->time_ns, record->received_bytes);
}

static void edge_save(const struct weir_edges *edges, uint32_t edge, struct weir_buf *buf)
{
	const struct weir_edge *row = &edges->rows[edge];
	uint32_t numbers[KEY_NUMBERS], mask = 0;

	memcpy(numbers, &row->key, sizeof(numbers));
	weir_blob_add_varint(buf, edge);
	for (uint32_t i = 0; i < KEY_NUMBERS; i++) {
		weir_blob_add_varint(buf, numbers[i]);
	}
	for (unsigned i = 0; i < WEIR_EDGE_EVIDENCES; i++) {
		mask |= row->counts[i] != NULL ? 1u << i : 0;
	}
	weir_blob_add_varint(buf, mask);
	for (unsigned i = 0; i < WEIR_EDGE_EVIDENCES; i++) {
		if (row->counts[i] != NULL) {
			weir_blob_add_words(buf, (const uint64_t *)row->counts[i], COUNT_WORDS);
		}
	}
}

void weir_edges_save(struct weir_edges *edges, bool all, struct weir_buf *buf)
{
	uint32_t count = all ? edges->count : edges->dirty_count;

	weir_blob_add_varint(buf, edges->overflowed);
	weir_blob_add_varint(buf, count);
	for (uint32_t i = 0; i < count; i++) {
		edge_save(edges, all ? i : edges->dirty[i], buf);
	}
	for (uint32_t i = 0; i < edges->dirty_count; i++) {
		edges->rows[edges->dirty[i]].is_dirty = false;
	}
	edges->dirty_count = 0;
}

static int edge_load(struct weir_edges *edges, struct weir_blob_reader *reader)
{
	uint32_t edge = weir_blob_number(reader, edges->count);
	uint32_t last = edges->names->count == 0 ? 0 : edges->names->count - 1;
	uint32_t numbers[KEY_NUMBERS], mask;
	struct weir_edge_key key;

	for (uint32_t i = 0; i < KEY_NUMBERS; i++) {
		numbers[i] = weir_blob_number(reader, i + 1 < KEY_NUMBERS ? last : UINT8_MAX);
	}
	mask = weir_blob_number(reader, (1u << WEIR_EDGE_EVIDENCES) - 1);
	memcpy(&key, numbers, sizeof(key));
	if (reader->is_bad || edge >= EDGES_MAX + OVERFLOW_EDGES) {
		return -EBADMSG;
	}
	if (edge == edges->count ? find(edges, &key) != WEIR_NONE || add(edges, &key) != edge
				 : memcmp(&edges->rows[edge].key, &key, sizeof(key)) != 0) {
		return -EBADMSG;
	}
	for (unsigned i = 0; i < WEIR_EDGE_EVIDENCES; i++) {
		if ((mask >> i & 1) != 0) {
			weir_blob_words(reader, (uint64_t *)counts_of(edges, edge, i), COUNT_WORDS);
		}
	}
	return reader->is_bad ? -EBADMSG : 0;
}

int weir_edges_load(struct weir_edges *edges, struct weir_blob_reader *reader)
{
	uint64_t overflowed = weir_blob_varint(reader);
	uint32_t count = weir_blob_number(reader, EDGES_MAX + OVERFLOW_EDGES);

	edges->overflowed = overflowed;
	for (uint32_t i = 0; i < count; i++) {
		int error = edge_load(edges, reader);

		if (error != 0) {
			return error;
		}
	}
	return reader->is_bad ? -EBADMSG : 0;
}

void weir_edges_digest(const struct weir_edges *edges, XXH3_state_t *state)
{
	XXH3_128bits_update(state, &edges->overflowed, sizeof(edges->overflowed));
	for (uint32_t i = 0; i < edges->count; i++) {
		XXH3_128bits_update(state, &edges->rows[i].key, sizeof(edges->rows[i].key));
		for (unsigned k = 0; k < WEIR_EDGE_EVIDENCES; k++) {
			XXH3_128bits_update(state, &k, sizeof(k));
			if (edges->rows[i].counts[k] != NULL) {
				XXH3_128bits_update(state, edges->rows[i].counts[k], sizeof(*edges->rows[i].counts[k]));
			}
		}
	}
}

double weir_edge_rate(const struct weir_edge_counts *counts, uint64_t now_ns, uint64_t horizon_ns)
{
	bool is_fine = horizon_ns <= WEIR_EDGE_FINE * (uint64_t)WEIR_EDGE_FINE_NS;
	uint64_t period_ns = is_fine ? WEIR_EDGE_FINE_NS : WEIR_EDGE_COARSE_NS;
	uint64_t length = is_fine ? WEIR_EDGE_FINE : WEIR_EDGE_COARSE;
	uint64_t last = is_fine ? counts->fine_last : counts->coarse_last;
	const uint64_t *slots = is_fine ? counts->fine : counts->coarse;
	uint64_t now = now_ns / period_ns, whole = (horizon_ns + period_ns / 2) / period_ns, sum = 0;

	/* `whole` finished periods and the one that runs: all of them in the slots. */
	whole = whole < 1 ? 1 : whole >= length ? length - 1 : whole;
	for (uint64_t i = 0; i <= whole && i <= now; i++) {
		uint64_t period = now - i;

		if (period <= last && last - period < length) {
			sum += slots[period % length];
		}
	}
	return (double)sum / ((double)(whole * period_ns + now_ns % period_ns) / 1e9);
}
