/* writer: the thread that stores sealed windows: segments + delta + position in
 * one transaction, then releases the ring; retention and merging in slices of
 * at most 20 ms between commits. */
#ifndef WEIR_STORAGE_WRITER_H
#define WEIR_STORAGE_WRITER_H

#include "storage/store.h"

struct weir_writer;

struct weir_writer_opts {
	struct weir_store *store;
	struct weir_windows *windows;
	struct weir_ring *ring;
	/* Told after each synced commit; for parked answers. May be NULL. */
	void (*stored)(void *ctx, uint64_t position);
	void *ctx;
};

/* For the crash tests only, never set by the product: writes the position in a
 * transaction of its own, before the other, which must make them fail. Set
 * before the start. */
extern bool weir_writer_position_outside;

int weir_writer_start(const struct weir_writer_opts *opts, struct weir_writer **ret_writer);
/* After weir_windows_stop(): stores what is sealed (gives up after a bounded
 * time when the store fails: the ring keeps it), syncs, joins. */
void weir_writer_join(struct weir_writer *writer);

#endif
