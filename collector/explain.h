/* explain: a record that a person wrote, as JSON, and what rules make of it. */
#ifndef WEIR_EXPLAIN_H
#define WEIR_EXPLAIN_H

#include "base/buf.h"
#include "rules/ruleset.h"

enum { WEIR_EXPLAIN_BAD = 1 }; /* outcome: *ret_why is one sentence, with file:line:column */

/* The file holds one object: attributes by name, each a value of its type:
 *   {"context.protocol": "http", "response.code": 200, "response.duration": "12ms",
 *    "request.time": "2026-11-23T10:00:00Z", "source.ip": "10.0.0.7", "request.headers": {"x-request-id": "1"}}
 * null is unset. What follows from others need not be told (implied.c); without request.headers and the like, a
 * record of a protocol but tcp has them empty. weir.profile is what the rule set was loaded for when it is not told.
 * 0; WEIR_EXPLAIN_BAD; -ENOMEM. */
int weir_explain(
	const struct weir_ruleset *ruleset, const char *path, struct weir_buf *ret_text, struct weir_buf *ret_why);

#endif
