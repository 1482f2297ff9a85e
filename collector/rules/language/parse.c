/* parse: Go's grammar of expressions, as far as Mixer used it.
 *
 *   binding, weakest first     operators of one row: from the left
 *     1   ||
 *     2   &&
 *     3   == != < <= > >=
 *     4   | +
 *   unary   ! and, before a number, -
 *   postfix map[key], .method(…)
 *   primary literal, attribute.name, function(…), (…)
 *
 * A run of the same ||, &&, | or + becomes one node, so that a tree's depth is
 * what brackets and calls make of it, not how long a list is.
 *
 * Invariants
 *  1. No tree is deeper than DEPTH_MAX or has more nodes than NODES_MAX.
 *  2. Every node knows the place of its first character; an operator's node,
 *     that of the operator.
 *
 * One thread; nothing is kept but the arena's. */
#include "rules/language/parse.h"

#include <errno.h>

struct parser {
	struct weir_arena *arena;
	struct weir_lexer lexer;
	struct weir_token token; /* not yet taken */
	struct weir_expression_error *error;
	uint32_t depth, nodes;
};

static int expression_parse(struct parser *parser, unsigned binding, struct weir_node **ret);

/* ---- words -------------------------------------------------------------- */

static int next(struct parser *parser)
{
	return weir_lexer_next(&parser->lexer, &parser->token);
}

static int wrong_token(struct parser *parser, const char *expected)
{
	const struct weir_token *token = &parser->token;
	int length = token->spelling.length < 48 ? (int)token->spelling.length : 48;

	if (token->kind == WEIR_TOKEN_END) {
		return weir_lexer_wrong(
			parser->error, token->line, token->column, "Expected %s; the expression ends here.", expected);
	}
	return weir_lexer_wrong(parser->error, token->line, token->column, "Expected %s; there is %.*s.", expected,
		length, token->spelling.data);
}

static int take(struct parser *parser, enum weir_token_kind kind, const char *expected)
{
	return parser->token.kind == kind ? next(parser) : wrong_token(parser, expected);
}

/* ---- nodes -------------------------------------------------------------- */

/* At the place of the token that is next. */
static int node_make(struct parser *parser, enum weir_node_kind kind, struct weir_node **ret)
{
	struct weir_node *node;

	if (++parser->nodes > WEIR_EXPRESSION_NODES_MAX) {
		return weir_lexer_wrong(parser->error, parser->token.line, parser->token.column,
			"The expression has more than %u parts.", WEIR_EXPRESSION_NODES_MAX);
	}
	node = weir_arena_zalloc(parser->arena, sizeof(*node));
	if (node == NULL) {
		return -ENOMEM;
	}
	node->kind = (uint8_t)kind;
	node->line = parser->token.line;
	node->column = parser->token.column;
	*ret = node;
	return 0;
}

static void operand_add(struct weir_node *node, struct weir_node *operand)
{
	struct weir_node **at = &node->first;

	while (*at != NULL) {
		at = &(*at)->next;
	}
	*at = operand;
	node->count++;
}

static int deeper(struct parser *parser)
{
	if (++parser->depth > WEIR_EXPRESSION_DEPTH_MAX) {
		return weir_lexer_wrong(parser->error, parser->token.line, parser->token.column,
			"The expression is nested more than %u deep.", WEIR_EXPRESSION_DEPTH_MAX);
	}
	return 0;
}

/* ---- primaries ---------------------------------------------------------- */

static int literal_parse(struct parser *parser, struct weir_node **ret)
{
	const struct weir_token *token = &parser->token;
	struct weir_node *node;
	int r = node_make(parser, WEIR_NODE_LITERAL, &node);

	if (r != 0) {
		return r;
	}
	if (token->kind == WEIR_TOKEN_TEXT) {
		node->value = (struct weir_value){ .type = WEIR_TYPE_STRING, .text = token->text };
	} else if (token->kind == WEIR_TOKEN_INT) {
		node->value = (struct weir_value){ .type = WEIR_TYPE_INT64, .number = token->number };
	} else {
		node->value = (struct weir_value){ .type = WEIR_TYPE_DOUBLE, .real = token->real };
	}
	*ret = node;
	return next(parser);
}

/* The arguments of a call, behind its opening bracket. */
static int arguments_parse(struct parser *parser, struct weir_node *call)
{
	int r = deeper(parser);

	if (r == 0) {
		r = next(parser);
	}
	while (r == 0 && parser->token.kind != WEIR_TOKEN_CLOSE) {
		struct weir_node *argument;

		r = expression_parse(parser, 1, &argument);
		if (r != 0) {
			return r;
		}
		operand_add(call, argument);
		if (parser->token.kind != WEIR_TOKEN_COMMA) {
			break;
		}
		r = next(parser);
	}
	parser->depth--;
	return r != 0 ? r : take(parser, WEIR_TOKEN_CLOSE, "a comma or )");
}

/* `.method(…)` of `target`; the name is taken, the bracket is next. */
static int method_parse(
	struct parser *parser, const struct weir_token *name, struct weir_node *target, struct weir_node **ret)
{
	struct weir_node *call;
	int r = node_make(parser, WEIR_NODE_CALL, &call);

	if (r != 0) {
		return r;
	}
	call->line = name->line;
	call->column = name->column;
	call->name = name->spelling;
	call->is_method = true;
	operand_add(call, target);
	*ret = call;
	return arguments_parse(parser, call);
}

/* What a name is that is no method's: true, false, a function, an attribute. */
static int name_end(struct parser *parser, struct weir_node *node)
{
	bool is_true = weir_str_equal_ignoring_case(node->name, "true");

	if (is_true || weir_str_equal_ignoring_case(node->name, "false")) {
		node->kind = WEIR_NODE_LITERAL;
		node->value = (struct weir_value){ .type = WEIR_TYPE_BOOL, .number = is_true };
		return 0;
	}
	if (parser->token.kind != WEIR_TOKEN_OPEN) {
		return 0;
	}
	node->kind = WEIR_NODE_CALL;
	return arguments_parse(parser, node);
}

/* function(…), attribute.name, attribute.name.method(…) */
static int name_parse(struct parser *parser, struct weir_node **ret)
{
	struct weir_node *node;
	int r = node_make(parser, WEIR_NODE_ATTRIBUTE, &node);

	if (r != 0) {
		return r;
	}
	*ret = node;
	node->name = parser->token.spelling;
	r = next(parser);
	if (r != 0 || parser->token.kind != WEIR_TOKEN_DOT) {
		return r != 0 ? r : name_end(parser, node);
	}
	while (parser->token.kind == WEIR_TOKEN_DOT) {
		struct weir_token member;

		r = next(parser);
		if (r != 0 || parser->token.kind != WEIR_TOKEN_NAME) {
			return r != 0 ? r : wrong_token(parser, "a name after the dot");
		}
		member = parser->token;
		r = next(parser);
		if (r != 0) {
			return r;
		}
		if (parser->token.kind == WEIR_TOKEN_OPEN) {
			return method_parse(parser, &member, node, ret);
		}
		/* Blanks around the dots are no part of the name: what has them is no attribute. */
		node->name.length = (size_t)(member.spelling.data + member.spelling.length - node->name.data);
	}
	return 0;
}

static int primary_parse(struct parser *parser, struct weir_node **ret)
{
	int r;

	switch (parser->token.kind) {
	case WEIR_TOKEN_TEXT:
	case WEIR_TOKEN_INT:
	case WEIR_TOKEN_DOUBLE:
		return literal_parse(parser, ret);
	case WEIR_TOKEN_NAME:
		return name_parse(parser, ret);
	case WEIR_TOKEN_OPEN:
		r = deeper(parser);
		r = r != 0 ? r : next(parser);
		r = r != 0 ? r : expression_parse(parser, 1, ret);
		parser->depth--;
		return r != 0 ? r : take(parser, WEIR_TOKEN_CLOSE, "an operator or )");
	default:
		return wrong_token(parser, "a literal, an attribute, a function or (");
	}
}

/* ---- operators ---------------------------------------------------------- */

static int index_parse(struct parser *parser, struct weir_node *map, struct weir_node **ret)
{
	struct weir_node *index, *key;
	int r = node_make(parser, WEIR_NODE_INDEX, &index);

	r = r != 0 ? r : deeper(parser);
	r = r != 0 ? r : next(parser);
	r = r != 0 ? r : expression_parse(parser, 1, &key);
	if (r != 0) {
		return r;
	}
	parser->depth--;
	operand_add(index, map);
	operand_add(index, key);
	*ret = index;
	return take(parser, WEIR_TOKEN_CLOSE_INDEX, "an operator or ]");
}

static int postfix_parse(struct parser *parser, struct weir_node **ret)
{
	uint32_t depth = parser->depth;
	int r = primary_parse(parser, ret);

	while (r == 0) {
		struct weir_token name;

		if (parser->token.kind == WEIR_TOKEN_OPEN_INDEX) {
			r = index_parse(parser, *ret, ret);
		} else if (parser->token.kind == WEIR_TOKEN_DOT) {
			r = next(parser);
			if (r == 0 && parser->token.kind != WEIR_TOKEN_NAME) {
				return wrong_token(parser, "a method's name after the dot");
			}
			name = parser->token;
			r = r != 0 ? r : next(parser);
			if (r == 0 && parser->token.kind != WEIR_TOKEN_OPEN) {
				return wrong_token(parser, "( after a method's name");
			}
			r = r != 0 ? r : method_parse(parser, &name, *ret, ret);
		} else {
			break;
		}
		r = r != 0 ? r : deeper(parser); /* a chain of them is a deep tree */
	}
	parser->depth = depth;
	return r;
}

/* `-` before a number. */
static int minus_parse(struct parser *parser, struct weir_node **ret)
{
	struct weir_token minus = parser->token;
	int r = next(parser);

	if (r == 0 && parser->token.kind != WEIR_TOKEN_INT && parser->token.kind != WEIR_TOKEN_DOUBLE) {
		return wrong_token(parser, "a number after -");
	}
	r = r != 0 ? r : literal_parse(parser, ret);
	if (r != 0) {
		return r;
	}
	(*ret)->line = minus.line;
	(*ret)->column = minus.column;
	if ((*ret)->value.type == WEIR_TYPE_INT64) {
		(*ret)->value.number = -(*ret)->value.number;
	} else {
		(*ret)->value.real = -(*ret)->value.real;
	}
	return 0;
}

static int unary_parse(struct parser *parser, struct weir_node **ret)
{
	struct weir_node *node, *operand;
	int r;

	if (parser->token.kind == WEIR_TOKEN_MINUS) {
		return minus_parse(parser, ret);
	}
	if (parser->token.kind != WEIR_TOKEN_NOT) {
		return postfix_parse(parser, ret);
	}
	r = node_make(parser, WEIR_NODE_NOT, &node);
	r = r != 0 ? r : deeper(parser);
	r = r != 0 ? r : next(parser);
	r = r != 0 ? r : unary_parse(parser, &operand);
	if (r != 0) {
		return r;
	}
	parser->depth--;
	operand_add(node, operand);
	*ret = node;
	return 0;
}

/* How strongly a sign binds, and what node it makes. 0: it is no operator between two. */
static unsigned binding_of(enum weir_token_kind kind, enum weir_node_kind *ret)
{
	switch (kind) {
	case WEIR_TOKEN_OR:
		*ret = WEIR_NODE_OR;
		return 1;
	case WEIR_TOKEN_AND:
		*ret = WEIR_NODE_AND;
		return 2;
	case WEIR_TOKEN_EQUAL:
	case WEIR_TOKEN_NOT_EQUAL:
	case WEIR_TOKEN_LESS:
	case WEIR_TOKEN_LESS_OR_EQUAL:
	case WEIR_TOKEN_GREATER:
	case WEIR_TOKEN_GREATER_OR_EQUAL:
		*ret = WEIR_NODE_COMPARE;
		return 3;
	case WEIR_TOKEN_FIRST:
		*ret = WEIR_NODE_FIRST;
		return 4;
	case WEIR_TOKEN_PLUS:
		*ret = WEIR_NODE_ADD;
		return 4;
	default:
		return 0;
	}
}

/* `left` and whatever follows it that binds at least as strongly as `binding`. */
static int expression_parse(struct parser *parser, unsigned binding, struct weir_node **ret)
{
	uint32_t depth = parser->depth;
	struct weir_node *left, *right, *node;
	struct weir_node *run = NULL; /* made here of this very operator: it may take another operand */
	int r = unary_parse(parser, &left);

	while (r == 0) {
		enum weir_node_kind kind;
		unsigned own = binding_of(parser->token.kind, &kind);

		if (own == 0 || own < binding) {
			break;
		}
		node = run;
		if (run == NULL || run->kind != kind || kind == WEIR_NODE_COMPARE) {
			r = node_make(parser, kind, &node);
			r = r != 0 ? r : deeper(parser);
			if (r != 0) {
				return r;
			}
			node->sign = (uint8_t)parser->token.kind;
			operand_add(node, left);
		}
		r = next(parser);
		r = r != 0 ? r : expression_parse(parser, own + 1, &right);
		if (r == 0) {
			operand_add(node, right);
			left = run = node;
		}
	}
	parser->depth = depth;
	*ret = left;
	return r;
}

int weir_parse(
	struct weir_arena *arena, struct weir_str text, struct weir_node **ret, struct weir_expression_error *error)
{
	struct parser parser = { .arena = arena, .error = error };
	int r;

	if (text.length > WEIR_EXPRESSION_BYTES_MAX) {
		return weir_lexer_wrong(error, 1, 1, "The expression is %zu bytes long; at most %u are read.",
			text.length, WEIR_EXPRESSION_BYTES_MAX);
	}
	weir_lexer_init(&parser.lexer, arena, text, error);
	r = next(&parser);
	r = r != 0 ? r : expression_parse(&parser, 1, ret);
	if (r == 0 && parser.token.kind != WEIR_TOKEN_END) {
		return wrong_token(&parser, "an operator or the end");
	}
	return r;
}
