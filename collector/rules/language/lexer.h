/* lexer: the words of an expression. Private to rules. */
#ifndef WEIR_RULES_LEXER_H
#define WEIR_RULES_LEXER_H

#include "base/arena.h"
#include "rules/language/expression.h"

enum weir_token_kind {
	WEIR_TOKEN_END,
	WEIR_TOKEN_NAME,
	WEIR_TOKEN_TEXT,
	WEIR_TOKEN_INT,
	WEIR_TOKEN_DOUBLE,
	WEIR_TOKEN_DOT,
	WEIR_TOKEN_COMMA,
	WEIR_TOKEN_OPEN,        /* ( */
	WEIR_TOKEN_CLOSE,       /* ) */
	WEIR_TOKEN_OPEN_INDEX,  /* [ */
	WEIR_TOKEN_CLOSE_INDEX, /* ] */
	WEIR_TOKEN_FIRST,       /* | */
	WEIR_TOKEN_PLUS,
	WEIR_TOKEN_MINUS,
	WEIR_TOKEN_NOT,
	WEIR_TOKEN_EQUAL,
	WEIR_TOKEN_NOT_EQUAL,
	WEIR_TOKEN_LESS,
	WEIR_TOKEN_LESS_OR_EQUAL,
	WEIR_TOKEN_GREATER,
	WEIR_TOKEN_GREATER_OR_EQUAL,
	WEIR_TOKEN_AND,
	WEIR_TOKEN_OR,
};

struct weir_token {
	enum weir_token_kind kind;
	uint32_t line, column;
	struct weir_str spelling; /* as it stands in the expression */
	struct weir_str text;     /* TEXT: what it means, in the arena */
	int64_t number;           /* INT */
	double real;              /* DOUBLE */
};

struct weir_lexer {
	struct weir_arena *arena;
	struct weir_str source;
	size_t at;
	uint32_t line, column;
	struct weir_expression_error *error;
};

void weir_lexer_init(struct weir_lexer *lexer, struct weir_arena *arena, struct weir_str source,
	struct weir_expression_error *error);

/* 0; WRONG: *error says it; -ENOMEM. After the last word END, as often as it is asked for. */
int weir_lexer_next(struct weir_lexer *lexer, struct weir_token *ret);

/* The error, at a place. Always WRONG. */
int weir_lexer_wrong(struct weir_expression_error *error, uint32_t line, uint32_t column, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
