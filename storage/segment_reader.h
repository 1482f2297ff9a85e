/* segment_reader: a segment's bytes in, a batch out. */
#ifndef WEIR_STORAGE_SEGMENT_READER_H
#define WEIR_STORAGE_SEGMENT_READER_H

#include "storage/segment.h"

struct weir_segment_reader; /* scratch memory and a decompressor; one thread */

int weir_segment_reader_create(struct weir_segment_reader **ret_reader);
void weir_segment_reader_destroy(struct weir_segment_reader *reader);

enum weir_segment_part {
	WEIR_SEGMENT_PART_CORE, /* ids, times, names, services; no attributes, events, links */
	WEIR_SEGMENT_PART_ALL,
};

/* Decodes into `arena`: a sound batch with the segment's rows. 0, -EBADMSG
 * (damaged), -ENOMEM (the arena is full). */
int weir_segment_reader_decode(struct weir_segment_reader *reader, struct weir_str bytes, enum weir_segment_part part,
	struct weir_arena *arena, const struct weir_batch **ret_batch);

#endif
