/* arena: memory of one request, given back all at once.
 *
 * Chunks are kept over a reset (up to the first one's size), so a warm arena
 * allocates nothing. A full arena is an ordinary outcome: the request is
 * refused. Not thread-safe: one arena, one thread. */
#ifndef WEIR_BASE_ARENA_H
#define WEIR_BASE_ARENA_H

#include <stddef.h>

#include "base/str.h"

struct weir_arena_chunk;

struct weir_arena {
	struct weir_arena_chunk *first, *current;
	size_t used_bytes, limit_bytes, chunk_bytes;
};

/* Nothing is allocated before the first use. `chunk_bytes` is the usual chunk,
 * and what is kept over a reset; `limit_bytes` bounds the whole. */
void weir_arena_init(struct weir_arena *arena, size_t chunk_bytes, size_t limit_bytes);
void weir_arena_fini(struct weir_arena *arena);
void weir_arena_reset(struct weir_arena *arena);

/* 16-byte aligned, not zeroed. NULL: the limit is reached or memory is out. */
void *weir_arena_alloc(struct weir_arena *arena, size_t size_bytes);
void *weir_arena_zalloc(struct weir_arena *arena, size_t size_bytes);

/* A copy that lives as long as the arena's content; data NULL if it is full. */
struct weir_str weir_arena_copy(struct weir_arena *arena, struct weir_str text);

#endif
