/* parse: an expression as a tree. Private to rules. */
#ifndef WEIR_RULES_PARSE_H
#define WEIR_RULES_PARSE_H

#include "base/arena.h"
#include "rules/language/expression.h"
#include "rules/language/lexer.h"

#define WEIR_EXPRESSION_BYTES_MAX 4096u
#define WEIR_EXPRESSION_DEPTH_MAX 32u /* of a tree: evaluation recurses as deep */
#define WEIR_EXPRESSION_NODES_MAX 512u

struct weir_function;
struct weir_regex;

enum weir_node_kind {
	WEIR_NODE_LITERAL,   /* value */
	WEIR_NODE_ATTRIBUTE, /* name, then attribute */
	WEIR_NODE_INDEX,     /* map[key] */
	WEIR_NODE_CALL,      /* function; arguments, of a method its target first */
	WEIR_NODE_FIRST,     /* a | b | … */
	WEIR_NODE_ADD,       /* a + b + … */
	WEIR_NODE_COMPARE,   /* sign */
	WEIR_NODE_AND,       /* a && b && … */
	WEIR_NODE_OR,
	WEIR_NODE_NOT,
};

struct weir_node {
	uint8_t kind, type;             /* type: when it was checked */
	uint8_t sign;                   /* COMPARE: enum weir_token_kind */
	bool is_method;                 /* CALL */
	bool is_asked;                  /* INDEX: a | asks whether there is such an entry; when it was checked */
	uint32_t line, column, count;   /* count: of operands */
	struct weir_node *first, *next; /* its first operand; its neighbour in its parent */
	struct weir_str name;           /* ATTRIBUTE, CALL: as it is spelled; only while it is compiled */
	struct weir_value value;
	enum weir_attribute attribute;
	const struct weir_function *function;
	const struct weir_regex *regex; /* CALL of matches */
};

/* The tree, in the arena. `text` must stay until it was checked. 0, WRONG, -ENOMEM. */
int weir_parse(
	struct weir_arena *arena, struct weir_str text, struct weir_node **ret, struct weir_expression_error *error);

#endif
