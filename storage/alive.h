/* alive: which traces are still here, without reading any: for exemplars, which
 * are to lead somewhere.
 *
 * Needs no query and no connection: a scrape has it also when all queries are in
 * use. Any thread; one at a time uses a weir_alive. */
#ifndef WEIR_STORAGE_ALIVE_H
#define WEIR_STORAGE_ALIVE_H

#include "aggregate/window.h"
#include "storage/store.h"

struct weir_alive;

/* Notes the traces of all windows that are not stored yet; nothing is held
 * after it. 0 or -ENOMEM. */
int weir_alive_create(const struct weir_store *store, struct weir_windows *windows, struct weir_alive **ret_alive);
void weir_alive_destroy(struct weir_alive *alive);

/* Has a span of the trace been kept, in a window noted above or in a segment
 * that is there now? By 32-bit hashes: true for one in some thousands of the
 * traces that are gone, when millions are here. */
bool weir_alive_has(const struct weir_alive *alive, const uint8_t trace_id[16]);

#endif
