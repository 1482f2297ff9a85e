/* segment_writer: rows of batches in, one segment out. */
#ifndef WEIR_STORAGE_SEGMENT_WRITER_H
#define WEIR_STORAGE_SEGMENT_WRITER_H

#include "storage/segment.h"

struct weir_segment_writer;

int weir_segment_writer_create(uint64_t seed, struct weir_segment_writer **ret_writer);
void weir_segment_writer_destroy(struct weir_segment_writer *writer);

void weir_segment_writer_begin(struct weir_segment_writer *writer, enum weir_rows kind);
/* Takes rows of the kind from row `first` on; returns how many (0: the segment
 * is full). The batch must stay until finish. */
uint32_t weir_segment_writer_add(struct weir_segment_writer *writer, const struct weir_batch *batch, uint32_t first);
uint32_t weir_segment_writer_rows(const struct weir_segment_writer *writer);
/* Writes what was added. Data and info live until the next begin. 0 or -ENOMEM. */
int weir_segment_writer_finish(
	struct weir_segment_writer *writer, struct weir_str *ret_data, struct weir_segment_info *ret_info);

#endif
