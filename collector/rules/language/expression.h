/* expression: Mixer's expression language (CEXL): checked and compiled once,
 * evaluated for records without allocation. The language, function by
 * function, is in rules/README.md. */
#ifndef WEIR_RULES_EXPRESSION_H
#define WEIR_RULES_EXPRESSION_H

#include "base/arena.h"
#include "rules/attribute.h"

struct weir_expression; /* immutable; lives in the arena that it was compiled into */

struct weir_expression_error {
	size_t line, column; /* from 1, within the expression's text */
	char why[256];       /* a sentence: what was expected, what was there */
};

enum { WEIR_EXPRESSION_WRONG = 1 }; /* outcome */

/* `wanted` NONE: any type. 0; WRONG: *ret_error says where and why; -ENOMEM: the arena is used up. */
int weir_expression_compile(struct weir_arena *arena, struct weir_str text, enum weir_type wanted,
	const struct weir_expression **ret, struct weir_expression_error *ret_error);

enum weir_type weir_expression_type(const struct weir_expression *expression);
/* Is the attribute read? Of maps also with which literal keys: weir_expression_map_key goes through them. */
bool weir_expression_reads(const struct weir_expression *expression, enum weir_attribute attribute);
/* The i-th literal `map["key"]` that it reads; false beyond the last. */
bool weir_expression_map_key(
	const struct weir_expression *expression, uint32_t i, enum weir_attribute *ret_map, struct weir_str *ret_key);
/* Is every attribute that it reads keyed (attribute.h)? */
bool weir_expression_is_keyed(const struct weir_expression *expression);

/* 0 and the value; ABSENT: an attribute without a default is unset; FAILED: a
 * function could not make of its argument what it should. Bounded time; any thread. */
int weir_expression_evaluate(const struct weir_expression *expression, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_value *ret);

/* What an expression is when it is simple; the fold takes a short way then. */
enum weir_expression_form { WEIR_EXPRESSION_CONSTANT, WEIR_EXPRESSION_ATTRIBUTE, WEIR_EXPRESSION_OTHER };
/* CONSTANT: *ret_value. ATTRIBUTE: `a` or `a | literal`: *ret_attribute and *ret_value (type NONE: no default). */
enum weir_expression_form weir_expression_form(
	const struct weir_expression *expression, enum weir_attribute *ret_attribute, struct weir_value *ret_value);

/* Its form for all records of this one's base key: a `conditional` whose
 * condition reads keyed attributes only is the branch that it takes. */
enum weir_expression_form weir_expression_settle(const struct weir_expression *expression,
	const struct weir_rules_record *record, struct weir_scratch *scratch, enum weir_attribute *ret_attribute,
	struct weir_value *ret_value);

#endif
