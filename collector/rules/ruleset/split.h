/* split: an expression's text, taken apart at its outermost operators. For those
 * who look at parts of an expression that compiles as a whole. Private to ruleset. */
#ifndef WEIR_RULES_SPLIT_H
#define WEIR_RULES_SPLIT_H

#include "base/str.h"

/* Without blanks around, and brackets that hold the whole. */
struct weir_str weir_split_bare(struct weir_str text);
/* Where the operator (`&&`, `||`, `,`) first stands outside of brackets and quotes; the text's length: nowhere. */
size_t weir_split_at(struct weir_str text, const char *operator_);
/* Is the text, bare, a call of this function with so many arguments? Then these are they. */
bool weir_split_call(struct weir_str text, const char *function, size_t count, struct weir_str *ret_arguments);

#endif
