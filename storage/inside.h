/* inside: the store as the files of this room share it. */
#ifndef WEIR_STORAGE_INSIDE_H
#define WEIR_STORAGE_INSIDE_H

#include <stdatomic.h>

#include "storage/catalog.h"
#include "storage/connection.h"
#include "storage/store.h"

struct weir_store {
	struct weir_store_opts opts; /* path is ours */
	struct weir_store_found found;
	int lock;
	sqlite3 *db; /* main's until the writer starts, then the writer's */
	struct weir_catalog *catalog;
	int64_t next_segment;
	/* Written by the writer, read by anyone: each cell by itself. */
	_Atomic int state;
	_Atomic uint64_t used_bytes, wal_bytes, stored_position, stored_window, last_commit_ns, commits, failed_commits,
		last_error, expired_segments, merged_segments, unreadable_segments;
};

/* Which start of the machine this is. */
void weir_store_boot_id(uint8_t ret_id[16]);
/* A commit met damage: the next start sets the file aside. */
void weir_store_note_damage(const struct weir_store *store);

#endif
