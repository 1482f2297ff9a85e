/* run: the aggregate thread: ring → fold → window, and snapshots for askers.
 * The only file of the room that reads a clock. */
#ifndef WEIR_AGGREGATE_RUN_H
#define WEIR_AGGREGATE_RUN_H

#include "aggregate/fold.h"
#include "aggregate/snapshot.h"
#include "aggregate/window.h"
#include "ring/ring.h"

struct weir_run;

struct weir_run_opts {
	struct weir_ring *ring;
	struct weir_fold *fold; /* owned by the thread once started */
	struct weir_windows *windows;
	/* NULL, or who is told of each record that counts (fold.h); not of what is replayed at the start. */
	weir_fold_watch_fn *watch;
	void *ctx;
};

int weir_run_create(const struct weir_run_opts *opts, struct weir_run **ret_run);
void weir_run_destroy(struct weir_run *run);

/* Before the start: folds all that the ring holds (crash point `in_replay`),
 * sealing as it goes; the writer should run already, for windows to go to (if
 * they go nowhere for two seconds, the thread reads the rest). Nobody may put
 * before it returns. The fold and
 * the ring belong to the thread from now on. Fault: no thread could be made. */
int weir_run_start(struct weir_run *run);
/* After weir_ring_seal(): reads to the end, seals the last window, joins. Waits
 * two seconds at most for a writer that makes no room (half a second if its
 * store fails); the ring keeps the rest. */
void weir_run_join(struct weir_run *run);

/* Any thread: waits up to wait_ms until everything put before this call is
 * folded and its window published. Returns how far behind it still is, in ms
 * (0: all visible). */
int64_t weir_run_catch_up(struct weir_run *run, int64_t wait_ms);

/* Any thread: a snapshot no older than 100 ms that covers all that was put
 * before this call or, when the fold is behind, as much as there is: then
 * *ret_behind_ms says how far, else 0. Let go with weir_snapshot_let_go. NULL:
 * out of memory or stopping. */
const struct weir_snapshot *weir_run_snapshot(struct weir_run *run, unsigned parts, int64_t *ret_behind_ms);

/* Any thread: these rules as soon as all that was folded by the old ones is stored,
 * or at once if the store fails; the run holds a reference. The last of several is used. */
void weir_run_rules(struct weir_run *run, const struct weir_ruleset *ruleset);

uint64_t weir_run_position(const struct weir_run *run); /* folded up to here */

#endif
