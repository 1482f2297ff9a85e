/* snapshot: a copy of the fold's cells, made between two records.
 *
 * Everything copied lies in one allocation, behind the snapshot itself:
 *
 *   kept | metrics | series lists | views | buckets | examples | edges | counts | ledger | completeness | logs | points
 *
 * Texts are not copied: they are immutable and never move, and what leaves a
 * table stays for the snapshots made before (retire.c). So do metrics: a
 * snapshot holds its rule set.
 *
 * Invariants
 *  1. Made by the aggregate thread, never changed after; the reference count
 *     is the only thing in it that moves (atomic).
 *  2. All sums in it are of the same moment: nothing is torn.
 *  3. Who holds it delays nobody: no lock, and the fold goes on.
 *  4. It may be let go after the fold was destroyed, but not be read. */
#include "aggregate/snapshot.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/snapshot_part.h"
#include "base/err.h"

struct kept_snapshot {
	struct weir_snapshot snapshot; /* first: this is what is handed out */
	uint32_t holders;
	struct weir_retire_bag *bag;        /* held */
	const struct weir_ruleset *ruleset; /* held */
};

static struct kept_snapshot *kept_of(const struct weir_snapshot *snapshot)
{
	/* The holder's view is const; the reference count behind it is ours. */
	return (struct kept_snapshot *)(uintptr_t)snapshot;
}

const struct weir_snapshot *weir_snapshot_hold(const struct weir_snapshot *snapshot)
{
	__atomic_add_fetch(&kept_of(snapshot)->holders, 1, __ATOMIC_RELAXED);
	return snapshot;
}

void weir_snapshot_let_go(const struct weir_snapshot *snapshot)
{
	if (snapshot != NULL && __atomic_sub_fetch(&kept_of(snapshot)->holders, 1, __ATOMIC_ACQ_REL) == 0) {
		weir_retire_let_go(kept_of(snapshot)->bag);
		weir_ruleset_let_go(kept_of(snapshot)->ruleset);
		free(kept_of(snapshot));
	}
}

static size_t edges_bytes(const struct weir_edges *edges)
{
	size_t size = edges->count * sizeof(struct weir_edge_view);

	for (uint32_t i = 0; i < edges->count; i++) {
		for (unsigned k = 0; k < WEIR_EDGE_EVIDENCES; k++) {
			size += edges->rows[i].counts[k] != NULL ? sizeof(struct weir_edge_counts) : 0;
		}
	}
	return size;
}

static struct weir_edge_end end_copy(const struct weir_text *names, const uint32_t end[WEIR_EDGE_NAMES])
{
	return (struct weir_edge_end){ .workload = weir_text_str(names, end[WEIR_EDGE_WORKLOAD]),
		.namespace_ = weir_text_str(names, end[WEIR_EDGE_NAMESPACE]),
		.app = weir_text_str(names, end[WEIR_EDGE_APP]),
		.version = weir_text_str(names, end[WEIR_EDGE_VERSION]),
		.service = weir_text_str(names, end[WEIR_EDGE_SERVICE]),
		.cluster = weir_text_str(names, end[WEIR_EDGE_CLUSTER]) };
}

static void edges_copy(const struct weir_edges *edges, struct weir_snapshot *snapshot, struct weir_snapshot_room *room)
{
	struct weir_edge_view *views = weir_snapshot_take(room, edges->count * sizeof(*views));

	for (uint32_t i = 0; i < edges->count; i++) {
		const struct weir_edge *edge = &edges->rows[i];

		views[i] = (struct weir_edge_view){ .source = end_copy(edges->names, edge->key.source),
			.destination = end_copy(edges->names, edge->key.destination),
			.protocol = (uint8_t)edge->key.protocol };
		for (unsigned k = 0; k < WEIR_EDGE_EVIDENCES; k++) {
			if (edge->counts[k] != NULL) {
				struct weir_edge_counts *counts = weir_snapshot_take(room, sizeof(*counts));

				*counts = *edge->counts[k];
				views[i].counts[k] = counts;
			}
		}
	}
	snapshot->edges = views;
	snapshot->edge_count = edges->count;
}

static void ledger_copy(
	const struct weir_ledger *ledger, struct weir_snapshot *snapshot, struct weir_snapshot_room *room)
{
	struct weir_ledger_view *views = weir_snapshot_take(room, ledger->count * sizeof(*views));

	for (uint32_t i = 0; i < ledger->count; i++) {
		const struct weir_ledger_row *row = &ledger->rows[i];

		views[i] = (struct weir_ledger_view){ .source = weir_text_str(&ledger->sources, row->source),
			.protocol = row->protocol,
			.signal = row->signal,
			.received = row->received,
			.kept = row->kept,
			.duplicates = row->duplicates,
			.principal = weir_text_str(&ledger->sources, (uint32_t)row->principal),
			.mismatched = row->mismatched,
			.skew_ns = (int64_t)row->skew_ns,
			.last_ns = row->last_ns };
		memcpy(views[i].thinned, row->thinned, sizeof(row->thinned));
		memcpy(views[i].dropped, row->dropped, sizeof(row->dropped));
	}
	snapshot->ledger = views;
	snapshot->ledger_count = ledger->count;
}

int weir_snapshot_make(const struct weir_fold *fold, unsigned parts, uint64_t position, uint64_t made_ns,
	const struct weir_snapshot **ret_snapshot)
{
	size_t size = sizeof(struct kept_snapshot);
	struct kept_snapshot *kept;
	struct weir_snapshot_room room;

	size += (parts & WEIR_SNAPSHOT_SERIES) != 0 ? weir_snapshot_series_bytes(fold) : 0;
	size += (parts & WEIR_SNAPSHOT_EDGES) != 0 ? edges_bytes(&fold->edges) : 0;
	size += (parts & WEIR_SNAPSHOT_LEDGER) != 0 ? fold->ledger.count * sizeof(struct weir_ledger_view) : 0;
	size += (parts & WEIR_SNAPSHOT_LEDGER) != 0 ? weir_snapshot_ledger_bytes(fold) : 0;
	size += (parts & WEIR_SNAPSHOT_POINTS) != 0 ? weir_snapshot_points_bytes(fold) : 0;
	kept = malloc(size);
	if (kept == NULL) {
		return -ENOMEM;
	}
	*kept = (struct kept_snapshot){ .holders = 1, .bag = weir_retire_hold(fold->retire) };
	if (kept->bag == NULL) {
		free(kept);
		return -ENOMEM;
	}
	kept->ruleset = weir_ruleset_hold(fold->ruleset);
	kept->snapshot = (struct weir_snapshot){ .parts = parts,
		.made_ns = made_ns,
		.watermark_ns = fold->watermark_ns,
		.position = position,
		.began_ns = weir_fold_began(fold),
		.replaced_utf8 = fold->replaced_utf8,
		.overflowed = fold->series.overflowed + fold->traces.overflowed,
		.overflowed_edges = fold->edges.overflowed };
	kept->snapshot.shortfall_bytes = fold->flows.shortfall_bytes;
	kept->snapshot.shortfall_connections = fold->flows.shortfall_connections;
	kept->snapshot.label_values_cut =
		fold->series.cut_values + fold->traces.cut_values + fold->points.families.cut_values;
	kept->snapshot.points_total = fold->points.families.live_series;
	kept->snapshot.points_overflowed = fold->points.families.overflowed;
	kept->snapshot.points_conflicting = fold->points.families.conflicting;
	kept->snapshot.points_late = fold->points.late;
	room = (struct weir_snapshot_room){ .at = (char *)(kept + 1), .end = (char *)kept + size };
	if ((parts & WEIR_SNAPSHOT_SERIES) != 0) {
		weir_snapshot_series_copy(fold, &kept->snapshot, &room);
	}
	if ((parts & WEIR_SNAPSHOT_EDGES) != 0) {
		edges_copy(&fold->edges, &kept->snapshot, &room);
	}
	if ((parts & WEIR_SNAPSHOT_LEDGER) != 0) {
		ledger_copy(&fold->ledger, &kept->snapshot, &room);
		weir_snapshot_ledger_copy(fold, &kept->snapshot, &room);
	}
	if ((parts & WEIR_SNAPSHOT_POINTS) != 0) {
		weir_snapshot_points_copy(fold, &kept->snapshot, &room);
	}
	*ret_snapshot = &kept->snapshot;
	return 0;
}
