/* detail: what a bag says beyond a record's own fields, as attributes; and what
 * headers tell of a request. Private to this folder. */
#ifndef WEIR_DECODE_MIXER_DETAIL_H
#define WEIR_DECODE_MIXER_DETAIL_H

#include "decode/mixer/bag.h"

struct weir_detail_headers {                             /* of a request, by enum weir_words_header */
	struct weir_word *requests[WEIR_WORDS_HEADERS];  /* NULL: not among its request headers */
	struct weir_word *responses[WEIR_WORDS_HEADERS]; /* its response headers */
};

/* Looks through both maps of headers. */
void weir_detail_find(const struct weir_bag_reader *reader, struct weir_detail_headers *ret);

/* Appends to the draft's attrs all that the bag says and the record does not.
 * `headers` NULL: of a connection. */
void weir_detail_add(struct weir_bag_reader *reader, const struct weir_detail_headers *headers);

/* One more row of the draft's attrs, or nothing when the arena is full. */
void weir_detail_string(struct weir_draft *draft, struct weir_ref key, struct weir_ref text);
void weir_detail_int(struct weir_draft *draft, struct weir_ref key, int64_t number);

#endif
