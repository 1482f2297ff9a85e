/* fold: (state, record) → state, pure and deterministic.
 *
 * No clock, no randomness, no I/O, no outside table: the only time is the
 * batch's own arrival (the watermark is its maximum). All memory that crosses
 * records is in named tables (series, edge, pair, flow, digest, ledger, owner, point, log), each
 * with its own file, save and load. The same batches in the same order give
 * the same tables, whatever restarts lay between.
 *
 * One thread calls everything here (the aggregate thread); readers get
 * snapshots. */
#ifndef WEIR_AGGREGATE_FOLD_H
#define WEIR_AGGREGATE_FOLD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "ring/record.h"

struct weir_fold;
struct weir_snapshot;
struct weir_ruleset;

enum weir_fold_istio { WEIR_FOLD_ISTIO_AUTO, WEIR_FOLD_ISTIO_ON, WEIR_FOLD_ISTIO_OFF }; /* metrics.istio */

struct weir_fold_opts {
	uint32_t max_series; /* metrics.max_series */
	uint64_t expiry_ns;  /* metrics.expiry; 0: series stay */
	/* Which metrics there are; the fold holds a reference. NULL: the standard ones. */
	const struct weir_ruleset *ruleset;
	enum weir_fold_istio istio;
	uint64_t hash_seed; /* of this database; part of the stored image */
	uint64_t began_ns;  /* when it was made: no counter is older; 0: not known. Snapshots say it, no state has it */
};

/* What all tables take when each of them is full. */
uint64_t weir_fold_bytes_max(uint32_t max_series);
int weir_fold_create(const struct weir_fold_opts *opts, struct weir_fold **ret_fold);
void weir_fold_destroy(struct weir_fold *fold);

enum { WEIR_FOLD_DUPLICATE = 1 }; /* outcome: a repeated batch, counted as duplicates only; its detail is not kept */

/* Other rules from the next batch on: metrics that are the same go on. */
void weir_fold_rules(struct weir_fold *fold, const struct weir_ruleset *ruleset);

struct weir_rules_record;
/* Who is told of each record that rules are asked of, after they were, on the fold's
 * thread: it must be quick and never wait. Nothing of the fold depends on it. */
typedef void weir_fold_watch_fn(void *ctx, const struct weir_rules_record *record);
void weir_fold_watch(struct weir_fold *fold, weir_fold_watch_fn *fn, void *ctx); /* fn NULL: nobody */

/* 0 or WEIR_FOLD_DUPLICATE. Never fails: a full table is counted, not an error. */
int weir_fold_batch(struct weir_fold *fold, const struct weir_batch *batch);

/* What changed since the last cut (or everything, as an image), appended; then
 * nothing is dirty. Format: the essay in image.c. */
int weir_fold_cut(struct weir_fold *fold, bool as_image, struct weir_buf *ret_bytes);
/* Applies one image or delta, in the order in which they were cut.
 * -EBADMSG: damaged; the fold is then as weir_fold_create left it. */
int weir_fold_load(struct weir_fold *fold, struct weir_str bytes);
/* After the last of them, before a batch: metrics that they do not know begin, and
 * what they know of others is gone, as if weir_fold_rules() had come with the last cut. */
void weir_fold_load_end(struct weir_fold *fold);
/* The next cut should be an image (the deltas since the last one outweigh it). */
bool weir_fold_wants_image(const struct weir_fold *fold);

/* All counters start again at 0 with a new created time (contract 9). */
void weir_fold_reset_counters(struct weir_fold *fold, uint64_t now_ns);

/* A 128-bit digest over all tables in a canonical order: equal tables, equal
 * digest. For the crash tests, through `weir state`. */
void weir_fold_digest(const struct weir_fold *fold, uint8_t ret_digest[16]);

#endif
