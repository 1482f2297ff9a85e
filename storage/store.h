/* store: the one SQLite file: segments of detail, the fold's state and the
 * ring position, all moved forward in one transaction. WAL mode; one writing
 * connection (the writer's), one read-only connection for each reader. */
#ifndef WEIR_STORAGE_STORE_H
#define WEIR_STORAGE_STORE_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/fold.h"
#include "aggregate/run.h"
#include "aggregate/window.h"

struct weir_store;

enum weir_sync { WEIR_SYNC_INTERVAL, WEIR_SYNC_ALWAYS };

/* 4 to 5 MiB: just below where all pages of the index would split at about the same time (index.c). */
#define WEIR_STORE_INDEXED 400000u

struct weir_store_opts {
	const char *path;
	uint64_t max_size_bytes; /* used pages + WAL */
	uint64_t max_age_s;
	uint64_t max_indexed; /* traces of segments that are found without reading; the oldest are looked for on disk */
	enum weir_sync sync;
};

enum {                       /* outcomes of open */
	WEIR_STORE_BUSY = 1, /* another weir holds the database: weir_store_holder() names it */
};

struct weir_store_found {
	bool is_new;
	const char *replaced_why; /* a damaged file was set aside as *.bad-<time>; static text or NULL */
	uint8_t database_id[16];
	uint64_t hash_seed;
	uint8_t boot_id[16];        /* of the run that stored last */
	uint64_t ring_id, position; /* 0, 0: nothing stored */
	uint64_t window;            /* number of the last stored window */
	uint64_t created_ns;        /* of the counters */
	bool is_same_boot;          /* boot_id is that of the machine as it runs now */
	bool has_replaced_id;       /* replaced_id is that of the database set aside */
	uint8_t replaced_id[16];
};

/* Locks (path-lock beside the file, naming the pid), opens or makes the file,
 * migrates, checks it quickly. 0, WEIR_STORE_BUSY, or a fault (cannot be
 * written at all). */
int weir_store_open(
	const struct weir_store_opts *opts, struct weir_store **ret_store, struct weir_store_found *ret_found);
void weir_store_close(struct weir_store *store);

/* After WEIR_STORE_BUSY: "pid 1234 (weir)" for the refusal's sentence. */
void weir_store_holder(const char *path, char *ret_text, size_t size);

/* Gives the stored image and deltas to the fold, in order. -EBADMSG: damaged,
 * the fold is empty and the caller starts counters anew. */
int weir_store_load_fold(struct weir_store *store, struct weir_fold *fold);

/* What the rest of the process may ask at any time, from any thread. */
enum weir_store_state { WEIR_STORE_OK, WEIR_STORE_FULL, WEIR_STORE_FAILING };
enum weir_store_state weir_store_state(const struct weir_store *store);

struct weir_store_figures {
	uint64_t used_bytes, wal_bytes, segments, spans, requests, connections;
	uint64_t stored_position, stored_window, last_commit_ns, commits, failed_commits, last_error;
	uint64_t oldest_ns, expired_segments, merged_segments, unreadable_segments;
	uint64_t logs;
};
void weir_store_figures(const struct weir_store *store, struct weir_store_figures *ret);

#endif
