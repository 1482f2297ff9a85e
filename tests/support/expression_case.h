/* expression_case: an expression, attributes and what comes of them, as lines of text.
 *
 *   attributes   name=value; map[key]=value
 *   outcome      STRING =value | STRING absent | STRING failed | refused line:column why
 *
 * Characters below the blank stand in all of these as their pictures (U+2400 to U+241F), so that a case is one line. */
#ifndef WEIR_TESTS_EXPRESSION_CASE_H
#define WEIR_TESTS_EXPRESSION_CASE_H

#include "base/buf.h"
#include "rules/attribute.h"

#define EXPRESSION_CASE_PAIRS_MAX 16u

struct expression_told {
	struct weir_value values[WEIR_ATTRIBUTES];
	struct weir_rules_pair pairs[EXPRESSION_CASE_PAIRS_MAX];
	uint32_t pair_count;
};

/* Texts are those of `text`, which has no pictures. False: an attribute or a value that there is not. */
bool expression_case_tell(struct weir_str text, struct expression_told *ret);

/* The outcome of the expression for the attributes. Both lose their pictures in place. False: bad attributes. */
bool expression_case_run(char *expression, char *told, struct weir_buf *ret_outcome);

#endif
