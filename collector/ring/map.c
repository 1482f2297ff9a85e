/* map: maps a ring's file, its data twice.
 *
 * One range of addresses is reserved first and the file mapped over it, so that
 * no other thread's mapping can come between the two copies. All pages are
 * mapped at once: the first lap then costs no page fault per 4 KiB, and the
 * memory is taken at the start, where a refusal has a name.
 *
 * Runs in main, before the threads and after them. */
#include "ring/map.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/err.h"
#include "ring/crc.h"
#include "ring/file.h"

static int map_twice(int fd, uint64_t header_bytes, struct weir_map *map)
{
	int access = PROT_READ | PROT_WRITE, kind = MAP_SHARED | MAP_FIXED;
	size_t mapped = header_bytes + 2 * map->capacity;
	unsigned char *base = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	if (base == MAP_FAILED) {
		return -errno;
	}
	if (mmap(base, header_bytes + map->capacity, access, kind, fd, 0) == MAP_FAILED ||
		mmap(base + header_bytes + map->capacity, map->capacity, access, kind, fd, (off_t)header_bytes) ==
			MAP_FAILED) {
		int r = -errno;

		munmap(base, mapped);
		return r;
	}
	map->header = (void *)base;
	map->data = base + header_bytes;
	map->mapped_bytes = mapped;
	return 0;
}

int weir_map_open(const struct weir_ring_opts *opts, struct weir_map *ret_map, struct weir_ring_found *ret_found)
{
	struct weir_map map = { .fd = -1 };
	struct weir_file file;
	int r = weir_file_open(opts, &file);

	if (r != 0) {
		return r;
	}
	map.capacity = file.header.capacity;
	map.ring_id = file.header.ring_id;
	memcpy(map.salt, file.header.salt, sizeof(map.salt));
	map.fd = file.fd;
	map.path = file.path;
	r = map_twice(file.fd, file.header.header_bytes, &map);
	if (r != 0) {
		weir_map_close(&map);
		return r;
	}
	/* The seal belongs to the process that set it. */
	atomic_fetch_and(&map.header->head, ~WEIR_FORMAT_SEALED);
	*ret_map = map;
	*ret_found = (struct weir_ring_found){ .is_new = file.is_new, .replaced_why = file.replaced_why };
	return 0;
}

void weir_map_close(struct weir_map *map)
{
	if (map->header != NULL) {
		munmap(map->header, map->mapped_bytes);
	}
	if (map->path != NULL) {
		close(map->fd);
		free(map->path);
	}
	memset(map, 0, sizeof(*map));
}

uint32_t weir_map_seal_crc(uint32_t crc, uint32_t size_and_kind, uint64_t position)
{
	struct {
		uint64_t position, size_and_kind;
	} end = { position, size_and_kind };

	return ~weir_crc_add(crc, &end, sizeof(end));
}
