/* regex: the patterns of `matches`. Private to rules. */
#ifndef WEIR_RULES_REGEX_H
#define WEIR_RULES_REGEX_H

#include "base/arena.h"
#include "rules/language/expression.h"

struct weir_regex; /* immutable; lives in the arena */

/* RE2's syntax, as Go's. 0; WRONG: `why` says it; -ENOMEM. */
int weir_regex_compile(
	struct weir_arena *arena, struct weir_str pattern, const struct weir_regex **ret, char *why, size_t why_size);

/* Does it match anywhere in the text? 0, or FAILED: it would have taken too
 * long or too much room. Nothing is allocated. Any thread. */
int weir_regex_match(const struct weir_regex *regex, struct weir_str text, bool *ret);

#endif
