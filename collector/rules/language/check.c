/* check: types are settled when an expression is loaded, so that evaluation
 * never meets a wrong one.
 *
 *   a | b …, a + b …, a == b     operands of one type
 *   conditional(c, a, b)         a and b of one type
 *   < <= > >=                    STRING, INT64, DOUBLE, TIMESTAMP, DURATION
 *   == !=                        these, BOOL, IP_ADDRESS, DNS_NAME, EMAIL_ADDRESS, URI
 *   +                            STRING, INT64, DOUBLE
 *   && || !                      BOOL
 *   a[b]                         STRING_MAP, STRING → STRING
 *
 * A text that says a duration ("10ms") is a DURATION where one is expected, and
 * else a text. Mixer made a duration of it in any case, so that a label of "0"
 * or a host called "5m" was an error.
 *
 * A function of literals is called here, once; one that cannot make of them
 * what it should will never be able to, and is refused.
 *
 * One thread; nothing is kept but the arena's. */
#include "rules/language/check.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>

#include "rules/language/convert.h"
#include "rules/language/functions.h"
#include "rules/language/regex.h"

struct checker {
	struct weir_arena *arena;
	struct weir_reads *reads;
	struct weir_expression_error *error;
};

static int check(struct checker *checker, struct weir_node *node, unsigned level);

/* ---- errors ------------------------------------------------------------- */

/* The node whose place is the first of the whole. */
static const struct weir_node *leftmost(const struct weir_node *node)
{
	while (node->first != NULL && node->kind != WEIR_NODE_NOT &&
		(node->kind != WEIR_NODE_CALL || node->is_method)) {
		node = node->first;
	}
	return node;
}

/* At the place where the node begins. Always WRONG. */
static int __attribute__((format(printf, 3, 4)))
wrong(struct checker *checker, const struct weir_node *node, const char *format, ...)
{
	const struct weir_node *place = leftmost(node);
	char why[sizeof(checker->error->why)];
	va_list args;

	va_start(args, format);
	(void)vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	return weir_lexer_wrong(checker->error, place->line, place->column, "%s", why);
}

static int name_length(struct weir_str name)
{
	return name.length < 64 ? (int)name.length : 64;
}

/* ---- durations ---------------------------------------------------------- */

static bool is_conditional(const struct weir_node *node)
{
	return node->kind == WEIR_NODE_CALL && node->function->special == WEIR_FUNCTION_CONDITIONAL;
}

/* Are all its literals durations, and nothing else in it? Then `does` makes it one. */
static bool duration_make(struct weir_node *node, bool does)
{
	struct weir_node *operand = node->first;
	int64_t ns;

	if (node->kind == WEIR_NODE_LITERAL) {
		if (node->value.type != WEIR_TYPE_STRING || !weir_convert_duration(node->value.text, &ns)) {
			return false;
		}
		if (does) {
			node->value = (struct weir_value){ .type = WEIR_TYPE_DURATION, .number = ns };
			node->type = WEIR_TYPE_DURATION;
		}
		return true;
	}
	if (node->kind != WEIR_NODE_FIRST && !is_conditional(node)) {
		return false;
	}
	for (operand = is_conditional(node) ? operand->next : operand; operand != NULL; operand = operand->next) {
		if (!duration_make(operand, does)) {
			return false;
		}
	}
	if (does) {
		node->type = WEIR_TYPE_DURATION;
	}
	return true;
}

static bool become(struct weir_node *node, unsigned type)
{
	return type == WEIR_TYPE_DURATION && node->type == WEIR_TYPE_STRING && duration_make(node, false) &&
	       duration_make(node, true);
}

/* Operands from `first` on have one type, which is returned with 0. */
static int unify(struct checker *checker, struct weir_node *first, uint8_t *ret)
{
	uint8_t type = first->type;

	for (struct weir_node *node = first->next; node != NULL; node = node->next) {
		if (node->type == type || become(node, type)) {
			continue;
		}
		if (node->type == WEIR_TYPE_DURATION) { /* what stands before it may have meant one */
			struct weir_node *before = first;

			while (before != node && (before->type == WEIR_TYPE_DURATION || become(before, node->type))) {
				before = before->next;
			}
			if (before == node) {
				type = WEIR_TYPE_DURATION;
				continue;
			}
		}
		return wrong(checker, node, "Expected %s, as on its left; this is %s.", weir_type_name(type),
			weir_type_name(node->type));
	}
	*ret = type;
	return 0;
}

/* ---- names -------------------------------------------------------------- */

static int no_attribute(struct checker *checker, const struct weir_node *node)
{
	const char *nearest = weir_attribute_nearest(node->name);

	if (nearest != NULL) {
		return wrong(checker, node, "There is no attribute %.*s; did you mean %s?", name_length(node->name),
			node->name.data, nearest);
	}
	return wrong(checker, node,
		memchr(node->name.data, '.', node->name.length) != NULL
			? "There is no attribute %.*s."
			: "There is no attribute %.*s; a text stands in quotes.",
		name_length(node->name), node->name.data);
}

static int check_attribute(struct checker *checker, struct weir_node *node)
{
	if (!weir_attribute_find(node->name, &node->attribute)) {
		return weir_function_find(node->name) != NULL
			       ? wrong(checker, node, "%.*s is a function: expected ( behind it.",
					 name_length(node->name), node->name.data)
			       : no_attribute(checker, node);
	}
	node->type = (uint8_t)weir_attribute_type(node->attribute);
	checker->reads->attributes[node->attribute / 64] |= UINT64_C(1) << (node->attribute % 64);
	return 0;
}

static int key_add(struct checker *checker, enum weir_attribute map, struct weir_str key)
{
	struct weir_map_key **at = &checker->reads->keys;

	for (; *at != NULL; at = &(*at)->next) {
		if ((*at)->map == map && weir_str_equal((*at)->key, key)) {
			return 0;
		}
	}
	*at = weir_arena_alloc(checker->arena, sizeof(**at));
	if (*at == NULL) {
		return -ENOMEM;
	}
	**at = (struct weir_map_key){ .map = map, .key = key };
	return 0;
}

/* The key may be looked for in any map that the operand may be. */
static int keys_add(struct checker *checker, const struct weir_node *map, struct weir_str key)
{
	int r = 0;

	if (map->kind == WEIR_NODE_ATTRIBUTE && map->type == WEIR_TYPE_STRING_MAP) {
		return key_add(checker, map->attribute, key);
	}
	if (map->type != WEIR_TYPE_STRING_MAP) {
		return 0;
	}
	for (const struct weir_node *operand = map->first; r == 0 && operand != NULL; operand = operand->next) {
		r = keys_add(checker, operand, key);
	}
	return r;
}

static int check_index(struct checker *checker, struct weir_node *node)
{
	struct weir_node *map = node->first, *key = map->next;

	if (map->type != WEIR_TYPE_STRING_MAP) {
		return wrong(checker, map, "Expected STRING_MAP before [; this is %s.", weir_type_name(map->type));
	}
	if (key->type != WEIR_TYPE_STRING) {
		return wrong(checker, key, "Expected STRING as a key; this is %s.", weir_type_name(key->type));
	}
	node->type = WEIR_TYPE_STRING;
	return key->kind == WEIR_NODE_LITERAL ? keys_add(checker, map, key->value.text) : 0;
}

/* A `|` goes on behind this operand. Of nested ones all but the last have been told already. */
static void ask(struct weir_node *node)
{
	struct weir_node *operand = node->first;

	if (node->kind == WEIR_NODE_INDEX) {
		node->is_asked = true;
		ask(operand);
		ask(operand->next);
	} else if (node->kind == WEIR_NODE_FIRST) {
		while (operand->next != NULL) {
			operand = operand->next;
		}
		ask(operand);
	}
}

static int check_first(struct checker *checker, struct weir_node *node)
{
	for (struct weir_node *operand = node->first; operand->next != NULL; operand = operand->next) {
		ask(operand);
	}
	return unify(checker, node->first, &node->type);
}

/* ---- calls -------------------------------------------------------------- */

static int check_form(struct checker *checker, const struct weir_node *node)
{
	const struct weir_function *function = node->function;
	unsigned form = node->is_method ? WEIR_FUNCTION_METHOD : WEIR_FUNCTION_CALLED;
	uint32_t target = node->is_method ? 1 : 0;

	if (function == NULL) {
		return weir_lexer_wrong(checker->error, node->line, node->column, "There is no %s %.*s.",
			node->is_method ? "method" : "function", name_length(node->name), node->name.data);
	}
	if ((function->forms & form) == 0) {
		return weir_lexer_wrong(checker->error, node->line, node->column,
			node->is_method ? "%s is no method: expected %s(…)."
					: "%s is a method: expected a text and a dot before %s(…).",
			function->name.data, function->name.data);
	}
	if (node->count != function->count) {
		return weir_lexer_wrong(checker->error, node->line, node->column,
			"%s takes %u argument%s; there %s %u.", function->name.data, function->count - target,
			function->count - target == 1 ? "" : "s", node->count - target == 1 ? "is" : "are",
			node->count - target);
	}
	return 0;
}

static int check_arguments(struct checker *checker, struct weir_node *node)
{
	const struct weir_function *function = node->function;
	struct weir_node *argument = node->first;

	for (unsigned i = 0; argument != NULL; i++, argument = argument->next) {
		if (function->arguments[i] == WEIR_TYPE_NONE || function->arguments[i] == argument->type) {
			continue;
		}
		if (node->is_method && i == 0) {
			return wrong(checker, argument, "%s is a method of %s; this is %s.", function->name.data,
				weir_type_name(function->arguments[i]), weir_type_name(argument->type));
		}
		return wrong(checker, argument, "Argument %u of %s is to be %s; this is %s.",
			i + (node->is_method ? 0 : 1), function->name.data, weir_type_name(function->arguments[i]),
			weir_type_name(argument->type));
	}
	node->type = function->type;
	return function->special == WEIR_FUNCTION_CONDITIONAL ? unify(checker, node->first->next, &node->type) : 0;
}

static int check_pattern(struct checker *checker, struct weir_node *node)
{
	const struct weir_node *pattern = node->first;
	char why[200];
	int r;

	if (pattern->kind != WEIR_NODE_LITERAL) {
		return wrong(checker, pattern, "The pattern of matches has to be a literal.");
	}
	r = weir_regex_compile(checker->arena, pattern->value.text, &node->regex, why, sizeof(why));
	return r == WEIR_EXPRESSION_WRONG ? wrong(checker, pattern, "%s", why) : r;
}

/* A call of literals is one. */
static int fold(struct checker *checker, struct weir_node *node)
{
	struct weir_value arguments[WEIR_FUNCTION_ARGUMENTS_MAX], value;
	struct weir_scratch scratch;
	unsigned count = 0;

	for (const struct weir_node *argument = node->first; argument != NULL; argument = argument->next) {
		if (argument->kind != WEIR_NODE_LITERAL) {
			return 0;
		}
		arguments[count++] = argument->value;
	}
	if (count == 0 || node->function->apply == NULL) {
		return 0;
	}
	scratch.used = 0;
	if (node->function->apply(arguments, &scratch, &value) != 0) {
		return wrong(checker, node->first, "%s cannot make %s of this.", node->function->name.data,
			weir_type_name(node->function->type));
	}
	if (value.type == WEIR_TYPE_STRING) {
		value.text = weir_arena_copy(checker->arena, value.text);
		if (value.text.data == NULL && value.text.length > 0) {
			return -ENOMEM;
		}
	}
	node->kind = WEIR_NODE_LITERAL;
	node->value = value;
	node->first = NULL;
	node->count = 0;
	return 0;
}

static int check_call(struct checker *checker, struct weir_node *node)
{
	int r;

	node->function = weir_function_find(node->name);
	r = check_form(checker, node);
	r = r != 0 ? r : check_arguments(checker, node);
	if (r == 0 && node->function->special == WEIR_FUNCTION_MATCHES) {
		return check_pattern(checker, node);
	}
	return r != 0 ? r : fold(checker, node);
}

/* ---- operators ---------------------------------------------------------- */

static int check_sum(struct checker *checker, struct weir_node *node)
{
	int r = unify(checker, node->first, &node->type);

	if (r == 0 && node->type != WEIR_TYPE_STRING && node->type != WEIR_TYPE_INT64 &&
		node->type != WEIR_TYPE_DOUBLE) {
		return wrong(checker, node->first, "+ adds STRING, INT64 or DOUBLE; this is %s.",
			weir_type_name(node->type));
	}
	return r;
}

static int check_comparison(struct checker *checker, struct weir_node *node)
{
	bool is_order = node->sign != WEIR_TOKEN_EQUAL && node->sign != WEIR_TOKEN_NOT_EQUAL;
	uint8_t type;
	int r = unify(checker, node->first, &type);

	if (r != 0) {
		return r;
	}
	node->type = WEIR_TYPE_BOOL;
	if (type == WEIR_TYPE_STRING_MAP) {
		return wrong(checker, node->first, "A STRING_MAP cannot be compared; one of its entries can.");
	}
	if (is_order && type != WEIR_TYPE_STRING && type != WEIR_TYPE_INT64 && type != WEIR_TYPE_DOUBLE &&
		type != WEIR_TYPE_TIMESTAMP && type != WEIR_TYPE_DURATION) {
		return wrong(checker, node->first,
			"Only STRING, INT64, DOUBLE, TIMESTAMP and DURATION have an order; this is %s.",
			weir_type_name(type));
	}
	return 0;
}

static int check_logic(struct checker *checker, struct weir_node *node)
{
	const char *sign = node->kind == WEIR_NODE_AND ? "&&" : node->kind == WEIR_NODE_OR ? "||" : "!";

	for (const struct weir_node *operand = node->first; operand != NULL; operand = operand->next) {
		if (operand->type != WEIR_TYPE_BOOL) {
			return wrong(
				checker, operand, "%s takes BOOL; this is %s.", sign, weir_type_name(operand->type));
		}
	}
	node->type = WEIR_TYPE_BOOL;
	return 0;
}

static int check(struct checker *checker, struct weir_node *node, unsigned level)
{
	int r = 0;

	if (level > WEIR_EXPRESSION_DEPTH_MAX) {
		return wrong(checker, node, "The expression is nested more than %u deep.", WEIR_EXPRESSION_DEPTH_MAX);
	}
	for (struct weir_node *operand = node->first; operand != NULL; operand = operand->next) {
		r = check(checker, operand, level + 1);
		if (r != 0) {
			return r;
		}
	}
	switch ((enum weir_node_kind)node->kind) {
	case WEIR_NODE_LITERAL:
		node->type = (uint8_t)node->value.type;
		return 0;
	case WEIR_NODE_ATTRIBUTE:
		return check_attribute(checker, node);
	case WEIR_NODE_INDEX:
		return check_index(checker, node);
	case WEIR_NODE_CALL:
		return check_call(checker, node);
	case WEIR_NODE_FIRST:
		return check_first(checker, node);
	case WEIR_NODE_ADD:
		return check_sum(checker, node);
	case WEIR_NODE_COMPARE:
		return check_comparison(checker, node);
	case WEIR_NODE_AND:
	case WEIR_NODE_OR:
	case WEIR_NODE_NOT:
		return check_logic(checker, node);
	}
	return -EINVAL;
}

int weir_check(struct weir_arena *arena, struct weir_node *root, enum weir_type wanted, struct weir_reads *reads,
	struct weir_expression_error *error)
{
	struct checker checker = { .arena = arena, .reads = reads, .error = error };
	int r = check(&checker, root, 1);

	if (r == 0 && wanted != WEIR_TYPE_NONE && root->type != wanted && !become(root, wanted)) {
		return wrong(&checker, root, "Expected %s; the expression is %s.", weir_type_name(wanted),
			weir_type_name(root->type));
	}
	return r;
}
