/* program: a checked tree, evaluated. Private to rules. */
#ifndef WEIR_RULES_PROGRAM_H
#define WEIR_RULES_PROGRAM_H

#include "rules/language/parse.h"

/* As weir_expression_evaluate. Recurses as deep as the tree is. */
int weir_program_run(const struct weir_node *node, const struct weir_rules_record *record, struct weir_scratch *scratch,
	struct weir_value *ret);

#endif
