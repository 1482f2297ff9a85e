/* metric: families that weir makes itself, and how they share label texts.
 *
 * Metrics whose labels are the same expressions form a group: a label text of a
 * group is one set of cells for all of them (aggregate/series.c). */
#ifndef WEIR_RULES_METRIC_H
#define WEIR_RULES_METRIC_H

#include <stdbool.h>
#include <stdint.h>

enum weir_metric_kind { WEIR_METRIC_COUNTER, WEIR_METRIC_HISTOGRAM, WEIR_METRIC_GAUGE };

enum weir_metric_unit {
	WEIR_UNIT_WHOLE,    /* what is observed is whole; cells are exact */
	WEIR_UNIT_DURATION, /* nanoseconds, exposed as seconds; cells are exact */
	WEIR_UNIT_REAL,     /* doubles */
};

#define WEIR_METRIC_BOUNDS_MAX 63u
#define WEIR_GROUP_METRICS_MAX 32u /* a group's metrics are told by the bits of a mask */
#define WEIR_GROUPS_MAX 64u
#define WEIR_METRICS_MAX 256u

struct weir_metric {
	const char *name, *help; /* as exposed: istio_requests_total */
	enum weir_metric_kind kind;
	enum weir_metric_unit unit;
	const double *bounds; /* histogram: upper bounds as exposed, ascending, without +Inf */
	uint32_t bound_count;
	uint32_t group, place; /* which of the group's metrics it is: bit `place` of a mask */
	uint64_t id; /* of all that makes it what it is: name, kind, unit, bounds, labels, value, match: equal ids are
			one metric, also after a reload or a restart */
};

struct weir_metric_group {
	const struct weir_metric *const *metrics; /* by place */
	uint32_t metric_count;
	const char *const *label_names; /* in the order of the text */
	uint32_t label_count;
	uint64_t id; /* of the label expressions */
	/* A mask: those that proxies count themselves. Where they send them, nobody else's word counts in these. */
	uint32_t proxys;
};

struct weir_observation { /* one value for a metric, in its unit: WHOLE, DURATION: number; REAL: real */
	uint64_t number;
	double real;
};

struct weir_schema {
	const struct weir_metric *metrics; /* in the order of exposition; names are unique */
	uint32_t metric_count;
	const struct weir_metric_group *groups;
	uint32_t group_count;
};

#endif
