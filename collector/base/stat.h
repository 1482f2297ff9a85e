/* stat: counters of this process, declared once in stat.def, one row each:
 * struct, /metrics and documentation come from it.
 *
 * What must be exact over a crash is fold state (the ledger), not here. Cells
 * are per thread, relaxed, summed on scrape; any thread may add at any time. */
#ifndef WEIR_BASE_STAT_H
#define WEIR_BASE_STAT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WEIR_STAT_THREADS 64u /* threads with cells of their own; further ones share */

enum weir_stat {
#define WEIR_STAT(id, kind, name, labels, help) WEIR_STAT_##id,
#include "base/stat.def"
#undef WEIR_STAT
	WEIR_STATS
};

void weir_stat_add(enum weir_stat stat, uint64_t n);
void weir_stat_set(enum weir_stat stat, uint64_t value); /* gauges only */
uint64_t weir_stat_get(enum weir_stat stat);             /* the sum over all threads */

/* weir_refused_items_total{signal,reason} has two dimensions and a cell each.
 * Base does not know the ring's enumerations: the texts come from whoever
 * starts the process, before other threads run. Only the pointers are copied,
 * so the texts must live on. Without names the family is not there. */
#define WEIR_STAT_SIGNALS 8u
#define WEIR_STAT_REASONS 16u

void weir_stat_name_refusals(
	const char *const *signals, size_t signal_count, const char *const *reasons, size_t reason_count);
void weir_stat_refused(unsigned signal, unsigned refusal, uint64_t items);
uint64_t weir_stat_refused_get(unsigned signal, unsigned refusal);

struct weir_stat_row {
	const char *name, *help; /* static; help: of the first row of a name, "" of the others */
	const char *labels;      /* text between the braces, or ""; for the time of the call */
	bool is_gauge;           /* else a counter */
	uint64_t value;
};

/* Calls `fn` with every row, those of one name one after the other. Any thread. */
typedef void weir_stat_fn(void *ctx, const struct weir_stat_row *row);
void weir_stat_each(weir_stat_fn *fn, void *ctx);

#endif
