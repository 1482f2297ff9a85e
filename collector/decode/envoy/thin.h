/* thin: an access log's draft without what only detail needs, and a pool
 * without what no row refers to. */
#ifndef WEIR_DECODE_ENVOY_THIN_H
#define WEIR_DECODE_ENVOY_THIN_H

#include "decode/draft.h"

/* After weir_als_decode(): all rows stay, with all that labels, times, bytes and
 * the pairing of reporters are made of; attributes, paths, user agents and the
 * like are cut, and the texts that are left are copied together, equal ones of
 * neighbouring rows once. The draft's body becomes empty. An arena that is full
 * sets is_exhausted as always. */
void weir_als_thin(struct weir_draft *draft);

/* The same without the cut: for a body of which little is referred to. */
void weir_als_pack(struct weir_draft *draft);

#endif
