/* ledger_metrics: what of weir's own is exact over a crash, as families. */
#ifndef WEIR_EXPORTERS_METRICS_LEDGER_METRICS_H
#define WEIR_EXPORTERS_METRICS_LEDGER_METRICS_H

#include "exporters/metrics/exposition.h"

/* The ledger's sums by signal, and what else the fold counts (parts LEDGER,
 * SERIES and POINTS). Signals and reasons that can occur are there from the
 * start, at 0. */
void weir_ledger_metrics_render(struct weir_exposition *out, const struct weir_snapshot *snapshot);

#endif
