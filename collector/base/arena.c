/* arena: a bump allocator over a list of chunks; see the header.
 *
 * Invariants: 1. `current` is the last chunk in use; chunks behind it are
 * empty. 2. used_bytes is the sum of all chunks' sizes in use or kept, and
 * never exceeds limit_bytes. */
#include "base/arena.h"

#include <stdint.h>
#include <stdlib.h>

struct weir_arena_chunk {
	struct weir_arena_chunk *next;
	size_t size_bytes, used_bytes;
	_Alignas(16) unsigned char data[];
};

void weir_arena_init(struct weir_arena *arena, size_t chunk_bytes, size_t limit_bytes)
{
	*arena = (struct weir_arena){ .limit_bytes = limit_bytes, .chunk_bytes = chunk_bytes };
}

static void chunks_free(struct weir_arena_chunk *chunk)
{
	while (chunk != NULL) {
		struct weir_arena_chunk *next = chunk->next;

		free(chunk);
		chunk = next;
	}
}

void weir_arena_fini(struct weir_arena *arena)
{
	if (arena != NULL) {
		chunks_free(arena->first);
		*arena = (struct weir_arena){ 0 };
	}
}

void weir_arena_reset(struct weir_arena *arena)
{
	struct weir_arena_chunk *first = arena->first;

	if (first == NULL) {
		return;
	}
	chunks_free(first->next);
	first->next = NULL;
	if (first->size_bytes > arena->chunk_bytes) {
		free(first);
		arena->first = arena->current = NULL;
		arena->used_bytes = 0;
		return;
	}
	first->used_bytes = 0;
	arena->current = first;
	arena->used_bytes = first->size_bytes;
}

static struct weir_arena_chunk *chunk_add(struct weir_arena *arena, size_t size_bytes)
{
	size_t want = size_bytes > arena->chunk_bytes ? size_bytes : arena->chunk_bytes;
	struct weir_arena_chunk *chunk;

	if (want > arena->limit_bytes - arena->used_bytes) {
		want = size_bytes;
		if (want > arena->limit_bytes - arena->used_bytes) {
			return NULL;
		}
	}
	chunk = malloc(sizeof(*chunk) + want);
	if (chunk == NULL) {
		return NULL;
	}
	chunk->next = NULL;
	chunk->size_bytes = want;
	chunk->used_bytes = 0;
	if (arena->current != NULL) {
		arena->current->next = chunk;
	} else {
		arena->first = chunk;
	}
	arena->current = chunk;
	arena->used_bytes += want;
	return chunk;
}

void *weir_arena_alloc(struct weir_arena *arena, size_t size_bytes)
{
	struct weir_arena_chunk *chunk = arena->current;
	void *at;

	if (size_bytes > SIZE_MAX - 15) {
		return NULL;
	}
	size_bytes = (size_bytes + 15) & ~(size_t)15;
	if (chunk == NULL || chunk->size_bytes - chunk->used_bytes < size_bytes) {
		chunk = chunk_add(arena, size_bytes);
		if (chunk == NULL) {
			return NULL;
		}
	}
	at = chunk->data + chunk->used_bytes;
	chunk->used_bytes += size_bytes;
	return at;
}

void *weir_arena_zalloc(struct weir_arena *arena, size_t size_bytes)
{
	void *at = weir_arena_alloc(arena, size_bytes);

	return at != NULL ? memset(at, 0, size_bytes) : NULL;
}

struct weir_str weir_arena_copy(struct weir_arena *arena, struct weir_str text)
{
	char *at = weir_arena_alloc(arena, text.length + 1);

	if (at == NULL) {
		return (struct weir_str){ NULL, 0 };
	}
	if (text.length > 0) {
		memcpy(at, text.data, text.length);
	}
	at[text.length] = '\0';
	return (struct weir_str){ at, text.length };
}
