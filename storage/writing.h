/* writing: a segment under way, as the files that write it share it: rows noted
 * (segment_writer.c), distinct resources and workloads (shared.c), what will be
 * known of it (summary.c). */
#ifndef WEIR_STORAGE_WRITING_H
#define WEIR_STORAGE_WRITING_H

#include "storage/attrs.h"
#include "storage/segment.h"

struct ZSTD_CCtx_s;

#define WEIR_WRITING_SLOTS (2 * WEIR_SEGMENT_ROWS) /* of ids and pairs: at most half full */
#define WEIR_WRITING_PAIRS 1024u                   /* distinct pairs of names that are reported of one segment */

struct weir_writing_rows { /* of one table: where each is */
	const void **rows;
	const struct weir_batch **batches;
	uint32_t count, capacity;
};

struct weir_segment_writer {
	uint64_t seed;
	enum weir_rows kind;
	struct weir_writing_rows tables[WEIR_ROWS_COUNT];
	uint64_t source_bytes, min_arrival, max_arrival;
	uint64_t *scratch; /* one column */
	uint32_t scratch_capacity;
	struct weir_dictionary strings, values;
	struct weir_attrs attrs;
	struct weir_buf ids, core, rest, plain, data;
	struct ZSTD_CCtx_s *zstd;
	uint32_t foreign_parents, trace_count;
	/* by row of spans */
	uint32_t trace_of[WEIR_SEGMENT_ROWS], resource_of[WEIR_SEGMENT_ROWS];
	uint32_t name_of[WEIR_SEGMENT_ROWS], peer_of[WEIR_SEGMENT_ROWS];
	/* by trace */
	uint64_t trace_start[WEIR_SEGMENT_ROWS];
	uint32_t trace_hashes[WEIR_SEGMENT_ROWS], sorting[WEIR_SEGMENT_ROWS];
	const uint8_t *trace_ids[WEIR_SEGMENT_ROWS];
	/* open addressing, place + 1 */
	uint16_t trace_slots[WEIR_WRITING_SLOTS], span_slots[WEIR_WRITING_SLOTS];
	/* distinct resources and workloads */
	uint32_t *shared_slots, shared_capacity;
	uint32_t *service_ids, service_capacity; /* by resource: its service's string */
	struct weir_segment_pair pairs[WEIR_WRITING_PAIRS];
	uint64_t pair_slots[WEIR_WRITING_SLOTS];
	struct weir_buf pair_text;
	bool is_full; /* sticky: memory ran out */
};

/* Notes rows of a batch as rows of the segment. Sets is_full when memory is out. */
void weir_writing_note(struct weir_segment_writer *writer, enum weir_rows which, const struct weir_batch *batch,
	uint32_t first, uint32_t count);

/* An address as a text of 18 bytes; empty when it is unset. */
struct weir_str weir_shared_address(const struct weir_address *address);
/* For each row of `from` the place of the resource or workload, whose number in
 * its batch lies at `offset`, among the segment's distinct ones. Values of
 * workloads count from 1: 0 is WEIR_NONE. */
void weir_shared_gather(struct weir_segment_writer *writer, enum weir_rows which, const struct weir_writing_rows *from,
	uint32_t offset, uint32_t *ret_places, uint64_t *ret_values);

/* Hashes of traces, filter, names, times. After the columns are written. */
void weir_summary_make(struct weir_segment_writer *writer, struct weir_segment_info *info);

#endif
