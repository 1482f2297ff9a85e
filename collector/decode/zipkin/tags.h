/* tags: Zipkin's tags and annotations. Inside decode only. */
#ifndef WEIR_DECODE_ZIPKIN_TAGS_H
#define WEIR_DECODE_ZIPKIN_TAGS_H

#include "decode/zipkin/read.h"

/* Tags → rows of attrs from row `first` on, in place of what stands there (a
 * second "tags" replaces the first). *ret_has_error: one is called `error`. */
bool weir_zipkin_tags_read(struct weir_zipkin_reader *reader, uint32_t first, bool *ret_has_error);

/* Takes out all but the last of equal keys, from row `first` of attrs on.
 * False when the arena is full. */
bool weir_zipkin_tags_settle(struct weir_draft *draft, uint32_t first);

/* Annotations → rows of events, likewise. */
bool weir_zipkin_annotations_read(struct weir_zipkin_reader *reader, uint32_t first);

#endif
