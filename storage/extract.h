/* extract: a few rows of a large batch as a small batch of their own. */
#ifndef WEIR_STORAGE_EXTRACT_H
#define WEIR_STORAGE_EXTRACT_H

#include "base/arena.h"
#include "storage/columns.h"

/* The spans with these row numbers, in this order, with all that they refer
 * to (without attributes, events and links when only the core is wanted), as a
 * sound batch in `arena`. NULL: the arena is full. */
const struct weir_batch *weir_extract_spans(
	struct weir_arena *arena, const struct weir_batch *batch, const uint32_t *rows, uint32_t count, bool is_core);

/* The same for requests or logs, with all that they refer to but the requests made of logs. */
const struct weir_batch *weir_extract_rows(struct weir_arena *arena, const struct weir_batch *batch,
	enum weir_rows kind, const uint32_t *rows, uint32_t count);

#endif
