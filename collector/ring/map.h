/* map: a ring's file in memory, its data twice side by side; private to the
 * room.
 *
 *   base -> | header page | data            | the same data again |
 *
 * A record begins in the first copy and may run on into the second, so nothing
 * ever wraps. The same record is always reached through the same addresses. */
#ifndef WEIR_RING_MAP_H
#define WEIR_RING_MAP_H

#include "ring/format.h"
#include "ring/ring.h"

struct weir_map {
	struct weir_format_header *header;
	unsigned char *data;
	uint64_t capacity;
	uint64_t salt[2], ring_id; /* read once: the shared page belongs to head and tail */
	char *path;
	size_t mapped_bytes;
	int fd;
};

/* As weir_ring_open. */
int weir_map_open(const struct weir_ring_opts *opts, struct weir_map *ret_map, struct weir_ring_found *ret_found);
void weir_map_close(struct weir_map *map); /* accepts a zeroed map */

static inline struct weir_format_record *weir_map_record(const struct weir_map *map, uint64_t position)
{
	return (void *)(map->data + position % map->capacity);
}

static inline const struct weir_batch *weir_map_batch(const struct weir_format_record *record)
{
	return (const void *)(record + 1);
}

/* The head without the seal. */
static inline uint64_t weir_map_head(const struct weir_map *map)
{
	return atomic_load(&map->header->head) & ~WEIR_FORMAT_SEALED;
}

/* Is there a committed record? Then all of it may be read. */
static inline bool weir_map_is_committed(const struct weir_map *map, uint64_t position)
{
	return atomic_load_explicit(&weir_map_record(map, position)->word, memory_order_acquire) ==
	       weir_format_word(map->salt, position);
}

/* The checksum that belongs to a record: `crc` is that of its batch, or ~0 for
 * padding, which has none. */
uint32_t weir_map_seal_crc(uint32_t crc, uint32_t size_and_kind, uint64_t position);

#endif
