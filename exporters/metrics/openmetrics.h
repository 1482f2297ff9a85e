/* openmetrics: the text format of OpenMetrics 1.0. */
#ifndef WEIR_EXPORTERS_METRICS_OPENMETRICS_H
#define WEIR_EXPORTERS_METRICS_OPENMETRICS_H

#include "exporters/metrics/clash.h"
#include "exporters/metrics/line.h"

struct weir_openmetrics {
	struct weir_exposition base; /* first */
	enum weir_clash_form form;   /* of the present family */
	struct weir_str name;        /* as OpenMetrics calls it */
	struct weir_line_bound bounds[WEIR_METRIC_BOUNDS_MAX];
};

/* opts->clash is settled and has met the same families. Families go to
 * &openmetrics->base; weir_exposition_end() writes the last line. Nothing to free. */
void weir_openmetrics_begin(struct weir_openmetrics *openmetrics, const struct weir_exposition_opts *opts);

#endif
