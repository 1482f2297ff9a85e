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
#include "aggregate/point.h"
#include "aggregate/series.h"
#include "aggregate/snapshot.h"

struct weir_fold {
	struct weir_fold_opts opts;
	/* state: saved, and in the digest */
	uint64_t watermark_ns, replaced_utf8, counters_since_ns;
	struct weir_text names; /* of edge ends and services */
	struct weir_series series;
	struct weir_edges edges;
	struct weir_pairs pairs;
	struct weir_flows flows;
	struct weir_digests digests;
	struct weir_ledger ledger;
	struct weir_owners owners;
	struct weir_points points;
	struct weir_logs logs;
	/* caches: neither */
	struct weir_memo memo;
	uint32_t *services; /* resource of the batch at hand → number of its name */
	uint32_t service_capacity;
	struct weir_buf scratch;
	/* of the cuts */
	uint64_t cut_number, image_bytes, delta_bytes;
	uint32_t delta_count;
	bool must_image; /* what a delta cannot say has happened */
};

/* All tables empty, as weir_fold_create leaves them. */
void weir_fold_clear(struct weir_fold *fold);

/* A copy of these parts, held once by the caller. -ENOMEM. */
int weir_snapshot_make(const struct weir_fold *fold, unsigned parts, uint64_t position, uint64_t made_ns,
	const struct weir_snapshot **ret_snapshot);
/* One holder more. */
const struct weir_snapshot *weir_snapshot_hold(const struct weir_snapshot *snapshot);

#endif
