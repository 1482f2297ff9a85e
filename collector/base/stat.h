/* stat: counters of this process, declared once in stat.def, one row each:
 * struct, /metrics and documentation come from it.
 *
 * What must be exact over a crash is fold state (the ledger), not here. Cells
 * are per thread, relaxed, summed on scrape; any thread may add at any time. */
#ifndef WEIR_BASE_STAT_H
#define WEIR_BASE_STAT_H

#include <stdint.h>

#include "base/buf.h"

enum weir_stat {
#define WEIR_STAT(id, kind, name, labels, help) WEIR_STAT_##id,
#include "base/stat.def"
#undef WEIR_STAT
	WEIR_STATS
};

void weir_stat_add(enum weir_stat stat, uint64_t n);
void weir_stat_set(enum weir_stat stat, uint64_t value); /* gauges */
uint64_t weir_stat_get(enum weir_stat stat);             /* the sum over all threads */

/* weir_refused_items_total{signal,reason} has two dimensions and a cell each;
 * also kept per (source, protocol) for /api/ledger, bounded, the rest under "". */
void weir_stat_refused(unsigned signal, unsigned refusal, uint64_t items);
uint64_t weir_stat_refused_get(unsigned signal, unsigned refusal);

/* Text 0.0.4: HELP and TYPE once a family, all rows. */
void weir_stat_render(struct weir_buf *ret_text);

#endif
