/* passed: metrics that senders made themselves, as families. */
#ifndef WEIR_EXPORTERS_METRICS_PASSED_H
#define WEIR_EXPORTERS_METRICS_PASSED_H

#include "exporters/metrics/exposition.h"

/* Every family of part POINTS that has a point, but for those that stand with
 * a standard metric of their name. */
void weir_passed_render(struct weir_exposition *out, const struct weir_snapshot *snapshot);

/* Do senders have points of this standard metric? */
bool weir_passed_joins(const struct weir_snapshot *snapshot, uint32_t metric);
/* Their samples, to stand in the metric's family. */
void weir_passed_join(struct weir_exposition *out, const struct weir_snapshot *snapshot, uint32_t metric);

#endif
