/* text: the Prometheus text format, 0.0.4; also what 1.0.0 of it says, as all names are legacy names. */
#ifndef WEIR_EXPORTERS_METRICS_TEXT_H
#define WEIR_EXPORTERS_METRICS_TEXT_H

#include "exporters/metrics/line.h"

struct weir_text_exposition {
	struct weir_exposition base; /* first */
	struct weir_line_bound bounds[WEIR_METRIC_BOUNDS_MAX];
};

/* Families go to &text->base from then on. Nothing to free. */
void weir_text_exposition_begin(struct weir_text_exposition *text, const struct weir_exposition_opts *opts);

#endif
