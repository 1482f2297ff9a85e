/* passthrough: how metrics that senders made themselves are exposed: a family's
 * name, type and help, a series' labels, and target_info. Made once for each
 * new series, never for a point. */
#ifndef WEIR_RULES_PASSTHROUGH_H
#define WEIR_RULES_PASSTHROUGH_H

#include "base/buf.h"
#include "ring/record.h"
#include "rules/metric.h"

#define WEIR_PASSTHROUGH_NAME_MAX 256u /* of a family's name and help, in bytes; longer names are no family */
#define WEIR_PASSTHROUGH_ATTRS_MAX 64u /* of one point; more make no series */
#define WEIR_PASSTHROUGH_TARGET "target_info"

enum weir_exposed { /* a family's TYPE */
	WEIR_EXPOSED_GAUGE,
	WEIR_EXPOSED_COUNTER,
	WEIR_EXPOSED_HISTOGRAM,
	WEIR_EXPOSED_SUMMARY,
	WEIR_EXPOSEDS
};

/* "gauge", "counter", … */
const char *weir_passthrough_type_name(unsigned exposed);

enum weir_exposed weir_passthrough_type(const struct weir_instrument *instrument);
/* Of a metric of the rules. */
enum weir_exposed weir_passthrough_type_of_kind(enum weir_metric_kind kind);

/* The family's name, appended. Nothing when there is no usable one. */
void weir_passthrough_name(
	const struct weir_batch *batch, const struct weir_instrument *instrument, struct weir_buf *ret_name);
/* Its description, or a sentence that says whose it is. */
void weir_passthrough_help(
	const struct weir_batch *batch, const struct weir_instrument *instrument, struct weir_buf *ret_help);

/* May a sender have a family of this name? weir's own and those that Prometheus makes itself are not to be had. */
bool weir_passthrough_is_free(struct weir_str name);

/* The labels, appended to an empty text: job, instance, scope, then the
 * point's attributes by name. How many values were too long, and cut. */
unsigned weir_passthrough_labels(const struct weir_batch *batch, const struct weir_instrument *instrument,
	const struct weir_point *point, struct weir_buf *ret_text);

/* The labels of the resource's target_info, appended to an empty text, and how
 * many values were cut. False: it says nothing but its name. */
bool weir_passthrough_target(const struct weir_batch *batch, const struct weir_resource *resource,
	struct weir_buf *ret_text, unsigned *ret_cut);

/* job and instance alone: whose target_info it is. How many values were cut. */
unsigned weir_passthrough_identity(const struct weir_batch *batch, const struct weir_resource *resource,
	enum weir_instrument_naming naming, struct weir_buf *ret_text);

/* An attribute of the resource or of the point, by name; NULL: not there. */
const struct weir_attr *weir_passthrough_attr(
	const struct weir_batch *batch, uint32_t first, uint32_t count, const char *key);

#endif
