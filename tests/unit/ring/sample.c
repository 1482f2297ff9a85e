/* sample: rings and batches for the tests of the ring. */
#include "sample.h"

#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

const uint8_t sample_database_id[16] = { 0xda, 0x7a, 0xba, 0x5e, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12 };

const char *sample_folder(void)
{
	const char *parent = getenv("TMPDIR");
	char *path = NULL;

	assert_true(asprintf(&path, "%s/weir-ring-XXXXXX", parent != NULL ? parent : "/tmp") > 0);
	assert_non_null(mkdtemp(path));
	return path;
}

void sample_folder_remove(const char *folder)
{
	DIR *dir = opendir(folder);
	const struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
			if (unlinkat(dirfd(dir), entry->d_name, 0) < 0) {
				assert_int_equal(unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR), 0);
			}
		}
	}
	closedir(dir);
	assert_int_equal(rmdir(folder), 0);
	free((void *)(uintptr_t)folder);
}

struct weir_ring *sample_open(const char *folder, uint64_t size_bytes, struct weir_ring_found *ret_found)
{
	struct weir_ring_opts opts = { folder, size_bytes, sample_database_id, NULL };
	struct weir_ring *ring = NULL;

	assert_int_equal(weir_ring_open(&opts, &ring, ret_found), 0);
	return ring;
}

struct weir_ring *sample_open_ready(const char *folder)
{
	struct weir_ring_found found;
	struct weir_ring_recovery recovery;
	struct weir_ring *ring = sample_open(folder, SAMPLE_RING_BYTES, &found);

	assert_int_equal(weir_ring_recover(ring, 0, 0, &recovery), 0);
	return ring;
}

uint32_t sample_size(uint32_t producer, uint32_t number)
{
	uint32_t mixed = (producer * 2654435761u) ^ (number * 2246822519u);

	mixed ^= mixed >> 15;
	/* Mostly small, now and then a few pages. */
	mixed = mixed % 8 == 0 ? mixed % 9000 : mixed % 400;
	return (uint32_t)sizeof(struct weir_batch) + mixed / 8 * 8;
}

static uint64_t pattern(uint32_t producer, uint32_t number, uint32_t offset)
{
	uint64_t x = ((uint64_t)producer << 32 | number) * UINT64_C(0x9e3779b97f4a7c15) + offset;

	return x ^ (x >> 29);
}

const struct weir_batch *sample_batch(void *room, uint32_t producer, uint32_t number, uint32_t size_bytes)
{
	struct weir_batch *batch = room;

	assert_true(size_bytes <= SAMPLE_BATCH_MAX && size_bytes % 8 == 0);
	memset(batch, 0, sizeof(*batch));
	batch->size_bytes = size_bytes;
	batch->version = WEIR_BATCH_VERSION;
	batch->received_ns = (uint64_t)producer << 32 | number;
	batch->source = (struct weir_ref){ sizeof(*batch), size_bytes - (uint32_t)sizeof(*batch) };
	for (uint32_t at = sizeof(*batch); at < size_bytes; at += 8) {
		uint64_t value = pattern(producer, number, at);

		memcpy((char *)room + at, &value, sizeof(value));
	}
	return batch;
}

bool sample_is_whole(const struct weir_batch *batch, uint32_t *ret_producer, uint32_t *ret_number)
{
	uint32_t producer = (uint32_t)(batch->received_ns >> 32), number = (uint32_t)batch->received_ns;

	if (!weir_batch_is_sound(batch, batch->size_bytes)) {
		return false;
	}
	for (uint32_t at = sizeof(*batch); at < batch->size_bytes; at += 8) {
		uint64_t value = pattern(producer, number, at);

		if (memcmp((const char *)batch + at, &value, sizeof(value)) != 0) {
			return false;
		}
	}
	*ret_producer = producer;
	*ret_number = number;
	return true;
}

int sample_put(struct weir_ring *ring, uint32_t number)
{
	static _Thread_local uint64_t room[SAMPLE_BATCH_MAX / 8];

	return weir_ring_put(ring, sample_batch(room, 0, number, sample_size(0, number)), NULL);
}

uint32_t sample_next(struct weir_ring *ring, struct weir_ring_entry *ret_entry)
{
	uint32_t producer, number;

	assert_int_equal(weir_ring_next(ring, 0, ret_entry), 0);
	assert_true(sample_is_whole(ret_entry->batch, &producer, &number));
	return number;
}
