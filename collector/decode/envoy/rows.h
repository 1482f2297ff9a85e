/* rows: requests and connections of access log entries, by the same rules
 * whichever way they came. Inside decode only. */
#ifndef WEIR_DECODE_ENVOY_ROWS_H
#define WEIR_DECODE_ENVOY_ROWS_H

#include "decode/draft.h"
#include "decode/envoy/entry.h"
#include "decode/envoy/sender.h"

struct weir_als_rows;

/* In the draft's arena; NULL when that is full. */
struct weir_als_rows *weir_als_rows_make(struct weir_draft *draft);

/* What follows are entries of this sender, which must live as long; `proxy` is its name, in the pool. */
void weir_als_rows_begin(struct weir_als_rows *rows, const struct weir_envoy_sender *sender, struct weir_ref proxy);

/* The entry to be filled in, without anything in it. Its texts must lie in the
 * draft's body, but for addresses. */
struct weir_entry *weir_als_rows_entry(struct weir_als_rows *rows);

/* Makes the entry a row, with the attributes that were added behind its
 * attr_first. False: it is an intermediate one, or the arena is full. */
bool weir_als_rows_request(struct weir_als_rows *rows);
bool weir_als_rows_connection(struct weir_als_rows *rows);

#endif
