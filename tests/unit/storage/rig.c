/* rig: see the header. */
#include "rig.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"

void rig_init(struct rig *rig)
{
	memset(rig, 0, sizeof(*rig));
	snprintf(rig->folder, sizeof(rig->folder), "/tmp/weir-storage-XXXXXX");
	weir_assert(mkdtemp(rig->folder) != NULL);
	snprintf(rig->path, sizeof(rig->path), "%s/weir.db", rig->folder);
	rig->max_size = 1u << 30;
	rig->max_age_s = 1u << 30;
	rig->max_indexed = WEIR_STORE_INDEXED;
	maker_init(&rig->maker, 1);
}

static void ring_read(struct rig *rig)
{
	struct weir_ring_entry entry;

	while (weir_ring_next(rig->ring, 0, &entry) == 0) {
		weir_assert(weir_windows_add(rig->windows, &entry, true) == 0);
	}
}

void rig_open(struct rig *rig)
{
	struct weir_store_opts opts = { .path = rig->path,
		.max_size_bytes = rig->max_size,
		.max_age_s = rig->max_age_s,
		.max_indexed = rig->max_indexed,
		.sync = rig->sync };
	struct weir_ring_opts ring_opts = { .directory = rig->folder, .size_bytes = 48u << 20 };
	struct weir_ring_recovery recovery;
	struct weir_ring_found ring_found;

	weir_assert(weir_store_open(&opts, &rig->store, &rig->found) == 0);
	ring_opts.database_id = rig->found.database_id;
	weir_assert(weir_ring_open(&ring_opts, &rig->ring, &ring_found) == 0);
	weir_assert(weir_ring_recover(rig->ring, rig->found.ring_id, rig->found.position, &recovery) == 0);
	weir_assert(weir_windows_create(rig->found.window + 1, &rig->windows) == 0);
	ring_read(rig);
}

static void stored(void *ctx, uint64_t position)
{
	struct rig *rig = ctx;

	rig->told = position;
}

void rig_start(struct rig *rig)
{
	struct weir_writer_opts opts = {
		.store = rig->store, .windows = rig->windows, .ring = rig->ring, .stored = stored, .ctx = rig
	};

	weir_assert(weir_writer_start(&opts, &rig->writer) == 0);
}

void rig_stop(struct rig *rig)
{
	weir_windows_stop(rig->windows);
	weir_writer_join(rig->writer);
	rig->writer = NULL;
	weir_store_close(rig->store);
	weir_ring_close(rig->ring);
	weir_windows_destroy(rig->windows);
}

void rig_fini(struct rig *rig)
{
	DIR *folder = opendir(rig->folder);
	struct dirent *entry;

	while (folder != NULL && (entry = readdir(folder)) != NULL) {
		if (entry->d_name[0] != '.') {
			unlinkat(dirfd(folder), entry->d_name, 0);
		}
	}
	if (folder != NULL) {
		closedir(folder);
	}
	rmdir(rig->folder);
	maker_fini(&rig->maker);
}

void rig_add(struct rig *rig, struct weir_batch *batch)
{
	weir_assert(weir_ring_put(rig->ring, batch, NULL) == 0);
	free(batch);
	ring_read(rig);
}

void rig_seal(struct rig *rig)
{
	weir_windows_seal(rig->windows);
}

void rig_wait_stored(struct rig *rig, uint64_t window)
{
	uint64_t deadline = weir_clock_monotonic_ns() + 20000000000u;
	struct weir_store_figures figures;

	do {
		weir_store_figures(rig->store, &figures);
		weir_assert(weir_clock_monotonic_ns() < deadline);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 200000 }, NULL);
	} while (figures.stored_window < window);
}

uint64_t rig_deadline(void)
{
	return weir_clock_monotonic_ns() + 30000000000u;
}

void rig_query(struct rig *rig, struct weir_query **ret_query)
{
	struct weir_query_opts opts = { .store = rig->store, .windows = rig->windows, .max_bytes = 64u << 20 };

	weir_assert(weir_query_open(&opts, ret_query) == 0);
}
