/* index: which segments have spans of a trace, in memory. */
#ifndef WEIR_STORAGE_INDEX_H
#define WEIR_STORAGE_INDEX_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"

struct weir_index;

int weir_index_create(struct weir_index **ret_index);
void weir_index_destroy(struct weir_index *index);

/* One segment's hashes in, or out. Adding: 0 or -ENOMEM (some may be in). */
int weir_index_add(struct weir_index *index, const uint32_t *hashes, uint32_t count, uint32_t segment);
void weir_index_remove(struct weir_index *index, const uint32_t *hashes, uint32_t count, uint32_t segment);

/* Appends the numbers of the segments (uint32_t each, in no order). */
void weir_index_find(const struct weir_index *index, uint32_t hash, struct weir_buf *ret_segments);
bool weir_index_has(const struct weir_index *index, uint32_t hash);
uint64_t weir_index_entries(const struct weir_index *index);

#endif
