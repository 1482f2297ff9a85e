/* snapshot_part: parts of a snapshot that are filled by a file of their own. Private to the room. */
#ifndef WEIR_AGGREGATE_SNAPSHOT_PART_H
#define WEIR_AGGREGATE_SNAPSHOT_PART_H

#include "aggregate/state.h"
#include "base/err.h"

struct weir_snapshot_room { /* what is left of the allocation */
	char *at, *end;
};

static inline void *weir_snapshot_take(struct weir_snapshot_room *room, size_t size)
{
	void *at = room->at;

	size = (size + 7) & ~(size_t)7;
	weir_assert((size_t)(room->end - room->at) >= size);
	room->at += size;
	return at;
}

/* The metrics that weir makes: of the rules, then of traces (snapshot_series.c). */
size_t weir_snapshot_series_bytes(const struct weir_fold *fold);
void weir_snapshot_series_copy(
	const struct weir_fold *fold, struct weir_snapshot *snapshot, struct weir_snapshot_room *room);

/* Completeness and logs: the room that they need, and the copy. */
size_t weir_snapshot_ledger_bytes(const struct weir_fold *fold);
void weir_snapshot_ledger_copy(
	const struct weir_fold *fold, struct weir_snapshot *snapshot, struct weir_snapshot_room *room);

/* The families that are passed through. */
size_t weir_snapshot_points_bytes(const struct weir_fold *fold);
void weir_snapshot_points_copy(
	const struct weir_fold *fold, struct weir_snapshot *snapshot, struct weir_snapshot_room *room);

/* What expired of passed-through counters and histograms: how many rows at most,
 * the room that their names need, and the rows, behind those that the snapshot
 * has: of weir's own metrics, to which a family of the same name is added. */
size_t weir_snapshot_points_expired_count(const struct weir_fold *fold);
size_t weir_snapshot_points_expired_bytes(const struct weir_fold *fold);
void weir_snapshot_points_expired_copy(const struct weir_fold *fold, struct weir_snapshot *snapshot,
	struct weir_expired_view *rows, struct weir_snapshot_room *room);

#endif
