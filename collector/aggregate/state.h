/* state: the fold's tables, in one place. Private to the room. */
#ifndef WEIR_AGGREGATE_STATE_H
#define WEIR_AGGREGATE_STATE_H

#include "aggregate/digest.h"
#include "aggregate/edge.h"
#include "aggregate/flow.h"
#include "aggregate/fold.h"
#include "aggregate/ledger.h"
#include "aggregate/log.h"
#include "aggregate/memo.h"
#include "aggregate/owner.h"
#include "aggregate/pair.h"
#include "aggregate/points/point.h"
#include "aggregate/retire.h"
#include "aggregate/series.h"
#include "aggregate/snapshot.h"
#include "rules/ruleset.h"

struct weir_fold {
	struct weir_fold_opts opts;
	/* state: saved, and in the digest */
	uint64_t watermark_ns, replaced_utf8, counters_since_ns;
	struct weir_text names;    /* of edge ends and services */
	struct weir_series series; /* of the rules */
	struct weir_series traces; /* of spans and their pairs */
	struct weir_edges edges;
	struct weir_pairs pairs;
	struct weir_flows flows;
	struct weir_digests digests;
	struct weir_ledger ledger;
	struct weir_owners owners;
	struct weir_points points;
	struct weir_logs logs;
	/* caches: neither */
	const struct weir_ruleset *ruleset; /* held */
	struct weir_retire *retire;
	struct weir_memo memo;
	struct weir_span_counts span_counts;
	struct weir_scratch values; /* of an evaluation */
	uint32_t *services;         /* resource of the batch at hand → number of its name */
	uint32_t service_capacity;
	struct weir_buf scratch;
	weir_fold_watch_fn *watch;
	void *watch_ctx;
	/* of the cuts */
	uint64_t cut_number, image_bytes, delta_bytes;
	uint32_t delta_count;
	bool must_image; /* what a delta cannot say has happened */
};

/* Counts a record in the series that the rules say; `key` is its memo's (fold_count.c). */
void weir_fold_count(
	struct weir_fold *fold, const struct weir_rules_record *record, struct weir_memo_entry *memo, unsigned counts);
/* The batch's spans, of which there are some (fold_spans.c). */
void weir_fold_spans(struct weir_fold *fold, const struct weir_batch *batch);
/* When a series that is new now began. */
uint64_t weir_fold_created(const struct weir_fold *fold, const struct weir_batch *batch);
/* Later than all that began until now. */
static inline uint64_t weir_fold_since(const struct weir_fold *fold)
{
	return 1 + (fold->watermark_ns > fold->counters_since_ns ? fold->watermark_ns : fold->counters_since_ns);
}
/* When all counters began that have no time of their own; 0: not known. */
static inline uint64_t weir_fold_began(const struct weir_fold *fold)
{
	return fold->counters_since_ns > fold->opts.began_ns ? fold->counters_since_ns : fold->opts.began_ns;
}
/* The watermark in the units of series. */
static inline uint32_t weir_fold_moment(uint64_t watermark_ns)
{
	return (uint32_t)(watermark_ns >> WEIR_SERIES_USED_SHIFT);
}

/* All tables empty, as weir_fold_create leaves them. */
void weir_fold_clear(struct weir_fold *fold);

/* A copy of these parts, held once by the caller. -ENOMEM. */
int weir_snapshot_make(const struct weir_fold *fold, unsigned parts, uint64_t position, uint64_t made_ns,
	const struct weir_snapshot **ret_snapshot);
/* One holder more. */
const struct weir_snapshot *weir_snapshot_hold(const struct weir_snapshot *snapshot);

#endif
