/* catalog: what is known of every segment without reading it, shared by the
 * writer and the queries. */
#ifndef WEIR_STORAGE_CATALOG_H
#define WEIR_STORAGE_CATALOG_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/buf.h"
#include "storage/segment.h"

struct weir_catalog;

struct weir_catalog_entry {
	uint32_t id;
	uint32_t rows, bytes;
	uint32_t kind; /* enum weir_rows */
	uint32_t traces;
	bool is_indexed; /* its traces are in the index; else they are to be read (of those beyond store.h's max_indexed) */
	uint64_t min_time, max_time, min_arrival, max_arrival;
	uint8_t filter[WEIR_SEGMENT_FILTER_BYTES];
};

int weir_catalog_create(struct weir_catalog **ret_catalog);
void weir_catalog_destroy(struct weir_catalog *catalog);

/* --- the writer (or main, before it runs) --- */
/* Makes a segment known, before its commit; into the index as the entry says. -ENOMEM. */
int weir_catalog_publish(struct weir_catalog *catalog, const struct weir_catalog_entry *entry, const uint32_t *traces,
	uint32_t trace_count);
/* Its commit failed: forgotten at once (no snapshot can have it). */
void weir_catalog_retract(struct weir_catalog *catalog, uint32_t id, const uint32_t *traces, uint32_t trace_count);
/* It is deleted, and that is committed: forgotten when every reader that may
 * still see it is gone. -ENOMEM: it stays known, which costs a look-up. */
int weir_catalog_retire(struct weir_catalog *catalog, uint32_t id, const uint32_t *traces, uint32_t trace_count);
/* The segment of the least max_arrival that is in the index, if that has more than `most` entries; 0: none. */
uint32_t weir_catalog_crowded(struct weir_catalog *catalog, uint64_t most);
void weir_catalog_unindex(struct weir_catalog *catalog, uint32_t id, const uint32_t *traces, uint32_t trace_count);
uint64_t weir_catalog_rows(struct weir_catalog *catalog, enum weir_rows kind, uint64_t *ret_segments);
/* The entries of the least max_arrival that are not retired, oldest first, at
 * most `most`. Returns how many. */
uint32_t weir_catalog_oldest(struct weir_catalog *catalog, struct weir_catalog_entry *ret_entries, uint32_t most);
/* As weir_catalog_copy, without those that are retired. */
int weir_catalog_copy_live(struct weir_catalog *catalog, enum weir_rows kind, struct weir_arena *arena,
	struct weir_catalog_entry **ret_entries, uint32_t *ret_count);

/* --- readers --- */
/* Before the snapshot is begun; leave after it ended. */
uint64_t weir_catalog_enter(struct weir_catalog *catalog);
void weir_catalog_leave(struct weir_catalog *catalog, uint64_t ticket);
struct weir_catalog_other { /* a segment that is not in the index */
	uint32_t id;
	uint64_t min_time, max_time;
};
/* Appends numbers of segments that may have the trace (uint32_t each), and the others, which may have it too. */
void weir_catalog_find(
	struct weir_catalog *catalog, uint32_t hash, struct weir_buf *ret_segments, struct weir_buf *ret_others);
/* Is there such a segment, as far as the index goes? Needs no ticket. */
bool weir_catalog_has(struct weir_catalog *catalog, uint32_t hash);
/* A copy of all entries of a kind, by rising id. NULL and count 0: none, or the arena is full (-ENOMEM). */
int weir_catalog_copy(struct weir_catalog *catalog, enum weir_rows kind, struct weir_arena *arena,
	struct weir_catalog_entry **ret_entries, uint32_t *ret_count);

#endif
