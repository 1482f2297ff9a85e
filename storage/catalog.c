/* catalog: what is known of every segment without reading it.
 *
 * Readers see snapshots of the database, the catalog has no snapshots; so it
 * always knows a little more than any of them:
 *
 *   publish ──▶ COMMIT ──▶ (seen by new snapshots)
 *   COMMIT of the deletion ──▶ retire ──▶ last older reader leaves ──▶ forgotten
 *
 * Invariants
 *  1. A segment that any open snapshot has is known, with all its traces.
 *  2. What is known need not be there: a reader that does not find a segment in
 *     its snapshot passes over it.
 *  3. Entries stand by rising id (ids only grow).
 *
 * A reader takes a ticket before it begins its snapshot; what is retired waits
 * for all smaller tickets. One rwlock guards everything; the writer holds it for
 * the entries of one segment at a time. */
#include "storage/catalog.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "storage/index.h"

#define READERS 256u /* more than the query pool ever has threads */

struct retired {
	struct retired *next;
	uint64_t ticket; /* readers with smaller ones may still see it */
	uint32_t id, trace_count;
	uint32_t traces[];
};

struct weir_catalog {
	pthread_rwlock_t lock;
	struct weir_index *index;
	struct weir_catalog_entry *entries;
	uint32_t count, capacity, other_count; /* other_count: those of which the index has nothing */
	struct retired *retired;
	uint64_t next_ticket;
	uint64_t tickets[READERS]; /* of the readers that are in; 0: free */
};

int weir_catalog_create(struct weir_catalog **ret_catalog)
{
	struct weir_catalog *catalog = calloc(1, sizeof(*catalog));

	*ret_catalog = NULL;
	if (catalog == NULL) {
		return -ENOMEM;
	}
	if (weir_index_create(&catalog->index) < 0) {
		free(catalog);
		return -ENOMEM;
	}
	pthread_rwlock_init(&catalog->lock, NULL);
	catalog->next_ticket = 1;
	*ret_catalog = catalog;
	return 0;
}

void weir_catalog_destroy(struct weir_catalog *catalog)
{
	if (catalog == NULL) {
		return;
	}
	while (catalog->retired != NULL) {
		struct retired *next = catalog->retired->next;

		free(catalog->retired);
		catalog->retired = next;
	}
	weir_index_destroy(catalog->index);
	pthread_rwlock_destroy(&catalog->lock);
	free(catalog->entries);
	free(catalog);
}

/* The place of the first entry whose id is not less. */
static uint32_t place_of(const struct weir_catalog *catalog, uint32_t id)
{
	uint32_t low = 0, high = catalog->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (catalog->entries[middle].id < id) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static void forget(struct weir_catalog *catalog, uint32_t id, const uint32_t *traces, uint32_t trace_count)
{
	uint32_t at = place_of(catalog, id);

	if (at < catalog->count && catalog->entries[at].id == id) {
		if (catalog->entries[at].is_indexed) {
			weir_index_remove(catalog->index, traces, trace_count, id);
		} else {
			catalog->other_count--;
		}
		catalog->count--;
		memmove(catalog->entries + at, catalog->entries + at + 1,
			(catalog->count - at) * sizeof(*catalog->entries));
	}
}

int weir_catalog_publish(struct weir_catalog *catalog, const struct weir_catalog_entry *entry, const uint32_t *traces,
	uint32_t trace_count)
{
	int result = 0;

	pthread_rwlock_wrlock(&catalog->lock);
	if (catalog->count == catalog->capacity) {
		uint32_t capacity = catalog->capacity != 0 ? catalog->capacity * 2 : 64;
		struct weir_catalog_entry *grown = realloc(catalog->entries, capacity * sizeof(*grown));

		if (grown == NULL) {
			result = -ENOMEM;
		} else {
			catalog->entries = grown;
			catalog->capacity = capacity;
		}
	}
	if (result == 0) {
		weir_assert(catalog->count == 0 || catalog->entries[catalog->count - 1].id < entry->id);
		result = entry->is_indexed ? weir_index_add(catalog->index, traces, trace_count, entry->id) : 0;
		if (result == 0) {
			catalog->entries[catalog->count] = *entry;
			catalog->entries[catalog->count++].traces = trace_count;
			catalog->other_count += !entry->is_indexed;
		} else {
			weir_index_remove(catalog->index, traces, trace_count, entry->id);
		}
	}
	pthread_rwlock_unlock(&catalog->lock);
	return result;
}

void weir_catalog_retract(struct weir_catalog *catalog, uint32_t id, const uint32_t *traces, uint32_t trace_count)
{
	pthread_rwlock_wrlock(&catalog->lock);
	forget(catalog, id, traces, trace_count);
	pthread_rwlock_unlock(&catalog->lock);
}

/* Forgets what no reader may still see. Under the write lock. */
static void retired_sweep(struct weir_catalog *catalog)
{
	uint64_t oldest = UINT64_MAX;
	struct retired **link = &catalog->retired;

	for (unsigned i = 0; i < READERS; i++) {
		if (catalog->tickets[i] != 0 && catalog->tickets[i] < oldest) {
			oldest = catalog->tickets[i];
		}
	}
	while (*link != NULL) {
		struct retired *retired = *link;

		if (retired->ticket > oldest) {
			link = &retired->next;
			continue;
		}
		*link = retired->next;
		forget(catalog, retired->id, retired->traces, retired->trace_count);
		free(retired);
	}
}

int weir_catalog_retire(struct weir_catalog *catalog, uint32_t id, const uint32_t *traces, uint32_t trace_count)
{
	struct retired *retired = malloc(sizeof(*retired) + trace_count * sizeof(*traces));

	if (retired == NULL) {
		return -ENOMEM;
	}
	retired->id = id;
	retired->trace_count = trace_count;
	if (trace_count > 0) {
		memcpy(retired->traces, traces, trace_count * sizeof(*traces));
	}
	pthread_rwlock_wrlock(&catalog->lock);
	retired->ticket = catalog->next_ticket;
	retired->next = catalog->retired;
	catalog->retired = retired;
	retired_sweep(catalog);
	pthread_rwlock_unlock(&catalog->lock);
	return 0;
}

void weir_catalog_unindex(struct weir_catalog *catalog, uint32_t id, const uint32_t *traces, uint32_t trace_count)
{
	uint32_t at;

	pthread_rwlock_wrlock(&catalog->lock);
	at = place_of(catalog, id);
	if (at < catalog->count && catalog->entries[at].id == id && catalog->entries[at].is_indexed) {
		weir_index_remove(catalog->index, traces, trace_count, id);
		catalog->entries[at].is_indexed = false;
		catalog->other_count++;
	}
	pthread_rwlock_unlock(&catalog->lock);
}

uint64_t weir_catalog_rows(struct weir_catalog *catalog, enum weir_rows kind, uint64_t *ret_segments)
{
	uint64_t rows = 0;

	*ret_segments = 0;
	pthread_rwlock_rdlock(&catalog->lock);
	for (uint32_t i = 0; i < catalog->count; i++) {
		if (catalog->entries[i].kind == kind) {
			rows += catalog->entries[i].rows;
			(*ret_segments)++;
		}
	}
	pthread_rwlock_unlock(&catalog->lock);
	return rows;
}

static bool is_retired(const struct weir_catalog *catalog, uint32_t id)
{
	for (const struct retired *retired = catalog->retired; retired != NULL; retired = retired->next) {
		if (retired->id == id) {
			return true;
		}
	}
	return false;
}

uint32_t weir_catalog_crowded(struct weir_catalog *catalog, uint64_t most)
{
	const struct weir_catalog_entry *oldest = NULL;
	uint32_t id;

	pthread_rwlock_rdlock(&catalog->lock);
	for (uint32_t i = 0; i < catalog->count && weir_index_entries(catalog->index) > most; i++) {
		const struct weir_catalog_entry *entry = &catalog->entries[i];

		if (entry->is_indexed && entry->traces > 0 && !is_retired(catalog, entry->id) &&
			(oldest == NULL || entry->max_arrival < oldest->max_arrival)) {
			oldest = entry;
		}
	}
	id = oldest != NULL ? oldest->id : 0;
	pthread_rwlock_unlock(&catalog->lock);
	return id;
}

uint32_t weir_catalog_oldest(struct weir_catalog *catalog, struct weir_catalog_entry *ret_entries, uint32_t most)
{
	uint32_t count = 0;

	pthread_rwlock_rdlock(&catalog->lock);
	for (uint32_t i = 0; i < catalog->count; i++) {
		const struct weir_catalog_entry *entry = catalog->entries + i;
		uint32_t at = count;

		if ((count == most && entry->max_arrival >= ret_entries[count - 1].max_arrival) ||
			is_retired(catalog, entry->id)) {
			continue;
		}
		at = count < most ? count++ : count - 1;
		while (at > 0 && ret_entries[at - 1].max_arrival > entry->max_arrival) {
			ret_entries[at] = ret_entries[at - 1];
			at--;
		}
		ret_entries[at] = *entry;
	}
	pthread_rwlock_unlock(&catalog->lock);
	return count;
}

uint64_t weir_catalog_enter(struct weir_catalog *catalog)
{
	uint64_t ticket = 0;

	pthread_rwlock_wrlock(&catalog->lock);
	for (unsigned i = 0; i < READERS && ticket == 0; i++) {
		if (catalog->tickets[i] == 0) {
			ticket = catalog->tickets[i] = catalog->next_ticket++;
		}
	}
	pthread_rwlock_unlock(&catalog->lock);
	weir_assert(ticket != 0);
	return ticket;
}

void weir_catalog_leave(struct weir_catalog *catalog, uint64_t ticket)
{
	pthread_rwlock_wrlock(&catalog->lock);
	for (unsigned i = 0; i < READERS; i++) {
		if (catalog->tickets[i] == ticket) {
			catalog->tickets[i] = 0;
		}
	}
	if (catalog->retired != NULL) {
		retired_sweep(catalog);
	}
	pthread_rwlock_unlock(&catalog->lock);
}

void weir_catalog_find(
	struct weir_catalog *catalog, uint32_t hash, struct weir_buf *ret_segments, struct weir_buf *ret_others)
{
	pthread_rwlock_rdlock(&catalog->lock);
	weir_index_find(catalog->index, hash, ret_segments);
	for (uint32_t i = 0; i < catalog->count && catalog->other_count > 0; i++) {
		const struct weir_catalog_entry *entry = &catalog->entries[i];

		if (!entry->is_indexed && entry->traces > 0) {
			const struct weir_catalog_other other = { entry->id, entry->min_time, entry->max_time };

			weir_buf_add(ret_others, &other, sizeof(other));
		}
	}
	pthread_rwlock_unlock(&catalog->lock);
}

bool weir_catalog_has(struct weir_catalog *catalog, uint32_t hash)
{
	bool has;

	pthread_rwlock_rdlock(&catalog->lock);
	has = weir_index_has(catalog->index, hash);
	pthread_rwlock_unlock(&catalog->lock);
	return has;
}

static int copy(struct weir_catalog *catalog, enum weir_rows kind, bool is_live, struct weir_arena *arena,
	struct weir_catalog_entry **ret_entries, uint32_t *ret_count)
{
	struct weir_catalog_entry *entries;
	uint32_t count = 0;

	pthread_rwlock_rdlock(&catalog->lock);
	entries = weir_arena_alloc(arena, catalog->count * sizeof(*entries) + 1);
	for (uint32_t i = 0; entries != NULL && i < catalog->count; i++) {
		if (catalog->entries[i].kind == kind && !(is_live && is_retired(catalog, catalog->entries[i].id))) {
			entries[count++] = catalog->entries[i];
		}
	}
	pthread_rwlock_unlock(&catalog->lock);
	*ret_entries = entries;
	*ret_count = count;
	return entries != NULL ? 0 : -ENOMEM;
}

int weir_catalog_copy(struct weir_catalog *catalog, enum weir_rows kind, struct weir_arena *arena,
	struct weir_catalog_entry **ret_entries, uint32_t *ret_count)
{
	return copy(catalog, kind, false, arena, ret_entries, ret_count);
}

int weir_catalog_copy_live(struct weir_catalog *catalog, enum weir_rows kind, struct weir_arena *arena,
	struct weir_catalog_entry **ret_entries, uint32_t *ret_count)
{
	return copy(catalog, kind, true, arena, ret_entries, ret_count);
}
