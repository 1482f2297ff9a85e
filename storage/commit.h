/* commit: the transactions of the writer. */
#ifndef WEIR_STORAGE_COMMIT_H
#define WEIR_STORAGE_COMMIT_H

#include "storage/inside.h"
#include "storage/segment_writer.h"

struct weir_commit;

int weir_commit_create(struct weir_store *store, uint64_t ring_id, struct weir_commit **ret_commit);
void weir_commit_destroy(struct weir_commit *commit);

/* All rows of the windows, their deltas and the position, in one transaction,
 * synced if asked. On a fault nothing of it is stored. */
int weir_commit_windows(struct weir_commit *commit, struct weir_window *const *windows, uint32_t count, bool is_synced);
/* Makes sure that what was committed is on the disk. */
int weir_commit_sync(struct weir_commit *commit);

/* For retention and merging: a transaction of one's own. */
int weir_commit_begin(struct weir_commit *commit);
/* Deletes a segment within it; it is retired when `end` succeeds. */
int weir_commit_delete(struct weir_commit *commit, uint32_t id);
/* Outside a transaction: the oldest segments leave the index until it is within its bound, or the deadline is over. */
int weir_commit_trim_index(struct weir_commit *commit, uint64_t deadline_ns);
/* Begins a segment; the caller adds rows, then `add_segment` stores it. */
struct weir_segment_writer *weir_commit_segment(struct weir_commit *commit, enum weir_rows kind);
int weir_commit_add_segment(struct weir_commit *commit, uint64_t window);
/* Commits, or rolls back when `result` is a fault; returns what came of it. */
int weir_commit_end(struct weir_commit *commit, int result);

/* Pages in use and the write-ahead log, into the store's figures. */
int weir_commit_measure(struct weir_commit *commit);
/* Moves the log into the database when it has grown; what readers still need stays. */
int weir_commit_checkpoint(struct weir_commit *commit, bool is_forced);
int weir_commit_expire_names(struct weir_commit *commit, uint64_t before_ns);

#endif
