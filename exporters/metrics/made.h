/* made: the metrics that weir makes of the mesh's records, as families. */
#ifndef WEIR_EXPORTERS_METRICS_MADE_H
#define WEIR_EXPORTERS_METRICS_MADE_H

#include "exporters/metrics/exposition.h"

/* Every family of part SERIES that has a series, weir's or a sender's (part
 * POINTS); then what went with series that expired. */
void weir_made_render(struct weir_exposition *out, const struct weir_snapshot *snapshot);

#endif
