/* expression: text → words (lexer) → tree (parse) → typed tree (check), which
 * is what is evaluated (program). Functions are rows of functions.c.
 *
 * Invariants
 *  1. A compiled expression refers to nothing but its arena.
 *  2. Compiling and evaluating take bounded time, room and stack: the bounds
 *     are those of parse.h and regex.c.
 *
 * Compiling: one thread. Evaluating: any. */
#include "rules/language/expression.h"

#include <errno.h>

#include "rules/language/check.h"
#include "rules/language/functions.h"
#include "rules/language/program.h"

struct weir_expression {
	const struct weir_node *root;
	struct weir_reads reads;
	bool is_keyed;
	enum weir_expression_form form;
	enum weir_attribute attribute; /* form ATTRIBUTE */
	struct weir_value value;       /* forms CONSTANT, ATTRIBUTE */
};

static bool is_keyed(const struct weir_expression *expression)
{
	for (unsigned i = 0; i < WEIR_ATTRIBUTES; i++) {
		if (weir_expression_reads(expression, i) && !weir_attribute_is_keyed(i)) {
			return false;
		}
	}
	return true;
}

static enum weir_expression_form form_of(
	const struct weir_node *node, enum weir_attribute *ret_attribute, struct weir_value *ret_value)
{
	const struct weir_node *first = node->first;

	*ret_value = (struct weir_value){ .type = WEIR_TYPE_NONE };
	if (node->kind == WEIR_NODE_LITERAL) {
		*ret_value = node->value;
		return WEIR_EXPRESSION_CONSTANT;
	}
	if (node->kind == WEIR_NODE_ATTRIBUTE) {
		*ret_attribute = node->attribute;
		return WEIR_EXPRESSION_ATTRIBUTE;
	}
	if (node->kind == WEIR_NODE_FIRST && first->kind == WEIR_NODE_ATTRIBUTE &&
		first->next->kind == WEIR_NODE_LITERAL) { /* what follows a literal is never asked */
		*ret_attribute = first->attribute;
		*ret_value = first->next->value;
		return WEIR_EXPRESSION_ATTRIBUTE;
	}
	return WEIR_EXPRESSION_OTHER;
}

/* As deep as WEIR_EXPRESSION_DEPTH_MAX. */
static bool is_node_keyed(const struct weir_node *node)
{
	if (node->kind == WEIR_NODE_ATTRIBUTE && !weir_attribute_is_keyed(node->attribute)) {
		return false;
	}
	for (const struct weir_node *operand = node->first; operand != NULL; operand = operand->next) {
		if (!is_node_keyed(operand)) {
			return false;
		}
	}
	return true;
}

int weir_expression_compile(struct weir_arena *arena, struct weir_str text, enum weir_type wanted,
	const struct weir_expression **ret, struct weir_expression_error *ret_error)
{
	struct weir_expression *expression = weir_arena_zalloc(arena, sizeof(*expression));
	struct weir_node *root;
	int r;

	if (expression == NULL) {
		return -ENOMEM;
	}
	r = weir_parse(arena, text, &root, ret_error);
	r = r != 0 ? r : weir_check(arena, root, wanted, &expression->reads, ret_error);
	if (r != 0) {
		return r;
	}
	expression->root = root;
	expression->is_keyed = is_keyed(expression);
	expression->form = form_of(root, &expression->attribute, &expression->value);
	*ret = expression;
	return 0;
}

enum weir_type weir_expression_type(const struct weir_expression *expression)
{
	return expression->root->type;
}

bool weir_expression_reads(const struct weir_expression *expression, enum weir_attribute attribute)
{
	return (expression->reads.attributes[attribute / 64] >> (attribute % 64) & 1) != 0;
}

bool weir_expression_map_key(
	const struct weir_expression *expression, uint32_t i, enum weir_attribute *ret_map, struct weir_str *ret_key)
{
	const struct weir_map_key *key = expression->reads.keys;

	while (key != NULL && i > 0) {
		key = key->next;
		i--;
	}
	if (key == NULL) {
		return false;
	}
	*ret_map = key->map;
	*ret_key = key->key;
	return true;
}

bool weir_expression_is_keyed(const struct weir_expression *expression)
{
	return expression->is_keyed;
}

int weir_expression_evaluate(const struct weir_expression *expression, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	struct weir_value value;
	int r = weir_program_run(expression->root, record, scratch, &value);

	if (r == 0) {
		*ret = value;
	}
	return r;
}

enum weir_expression_form weir_expression_form(
	const struct weir_expression *expression, enum weir_attribute *ret_attribute, struct weir_value *ret_value)
{
	if (expression->form != WEIR_EXPRESSION_OTHER) {
		*ret_value = expression->value;
	}
	if (expression->form == WEIR_EXPRESSION_ATTRIBUTE) {
		*ret_attribute = expression->attribute;
	}
	return expression->form;
}

enum weir_expression_form weir_expression_settle(const struct weir_expression *expression,
	const struct weir_rules_record *record, struct weir_scratch *scratch, enum weir_attribute *ret_attribute,
	struct weir_value *ret_value)
{
	const struct weir_node *node = expression->root;

	while (node->kind == WEIR_NODE_CALL && node->function->special == WEIR_FUNCTION_CONDITIONAL &&
		is_node_keyed(node->first)) {
		struct weir_value condition;

		if (weir_program_run(node->first, record, scratch, &condition) != 0) {
			return WEIR_EXPRESSION_OTHER;
		}
		node = condition.number != 0 ? node->first->next : node->first->next->next;
	}
	return form_of(node, ret_attribute, ret_value);
}
