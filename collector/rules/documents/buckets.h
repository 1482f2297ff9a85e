/* buckets: the bounds of a histogram, as Mixer's prometheus handler tells them. */
#ifndef WEIR_RULES_BUCKETS_H
#define WEIR_RULES_BUCKETS_H

#include "rules/documents/document.h"

/* `node` NULL: the bounds that Prometheus' client has for want of others. The
 * bounds live in the arena: finite, ascending, without +Inf, at most
 * WEIR_METRIC_BOUNDS_MAX. 0; WEIR_RULESET_WRONG; -ENOMEM. */
int weir_buckets_read(const struct weir_node *node, struct weir_arena *arena, const double **ret_bounds,
	uint32_t *ret_count, struct weir_ruleset_error *ret_error);

/* The whole text as a finite number. */
bool weir_buckets_number(struct weir_str text, double *ret);

#endif
