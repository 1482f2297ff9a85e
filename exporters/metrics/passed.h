/* passed: metrics that senders made themselves, in the text format 0.0.4. */
#ifndef WEIR_EXPORTERS_METRICS_PASSED_H
#define WEIR_EXPORTERS_METRICS_PASSED_H

#include "aggregate/snapshot.h"
#include "base/buf.h"
#include "exporters/metrics/text.h"

/* Every family of part POINTS that has a point, but for those that stand with
 * a standard metric of their name. */
void weir_passed_render(
	struct weir_buf *text, const struct weir_snapshot *snapshot, const struct weir_text_drain *drain);

/* Do senders have points of this standard metric? */
bool weir_passed_joins(const struct weir_snapshot *snapshot, uint32_t metric);
/* Their samples, to stand below the metric's HELP and TYPE. */
void weir_passed_join(struct weir_buf *text, const struct weir_snapshot *snapshot, uint32_t metric,
	const struct weir_text_drain *drain);

#endif
