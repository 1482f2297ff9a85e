/* scope: what a metric's scope says of itself beside its name and version, as
 * attributes of its points: `otel_scope_<key>`, and `otel_scope_schema_url`.
 * Inside decode only.
 *
 * A scope is name, version, schema URL and attributes together: points of two
 * that differ in one of them are two streams. */
#ifndef WEIR_DECODE_OTLP_SCOPE_H
#define WEIR_DECODE_OTLP_SCOPE_H

#include "decode/draft.h"

struct weir_otlp_scope { /* rows of draft->attrs that no record refers to */
	uint32_t attr_first, attr_count;
};

/* Reads the scope and the schema URL of `message`, a ScopeMetrics, wherever in it they stand. False: malformed, or the
 * arena is full. */
bool weir_otlp_scope_survey(struct weir_draft *draft, struct weir_str message, struct weir_otlp_scope *ret_scope);

/* Copies them behind the attributes of the draft's last point, which are the draft's last. False: the arena is full. */
bool weir_otlp_scope_add(struct weir_draft *draft, const struct weir_otlp_scope *scope);

#endif
