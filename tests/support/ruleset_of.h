/* ruleset_of: a rule set of a text, as if it stood in a file. What cannot be fails the test. */
#ifndef WEIR_TESTS_RULESET_OF_H
#define WEIR_TESTS_RULESET_OF_H

#include "rules/ruleset.h"

/* One counter, `istio_one`, of all records by the source's workload (label w). */
extern const char ruleset_of_one[];

/* weir_ruleset_let_go() it. has_builtin: the standard set beside it. */
const struct weir_ruleset *ruleset_of(const char *text, bool has_builtin);
/* What weir_ruleset_load() says of the text. */
int ruleset_try(
	const char *text, bool has_builtin, const struct weir_ruleset **ret, struct weir_ruleset_error *ret_error);

#endif
