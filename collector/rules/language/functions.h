/* functions: what an expression may call. Private to rules. */
#ifndef WEIR_RULES_FUNCTIONS_H
#define WEIR_RULES_FUNCTIONS_H

#include "rules/attribute.h"

#define WEIR_FUNCTION_ARGUMENTS_MAX 3u

/* 0 and the value; ABSENT: the scratch is used up; FAILED: the argument is not what it should be. */
typedef int weir_function_fn(const struct weir_value *arguments, struct weir_scratch *scratch, struct weir_value *ret);

enum weir_function_special { /* which the evaluation does itself */
	WEIR_FUNCTION_PLAIN,
	WEIR_FUNCTION_CONDITIONAL, /* evaluates one of two */
	WEIR_FUNCTION_MATCHES,     /* its pattern was compiled */
};

enum { WEIR_FUNCTION_CALLED = 1, WEIR_FUNCTION_METHOD = 2 }; /* f(x); x.f() */

struct weir_function {
	struct weir_str name;
	uint8_t forms, special, type, count;            /* count: of arguments, a method's target included */
	uint8_t arguments[WEIR_FUNCTION_ARGUMENTS_MAX]; /* types; NONE: any, but the same as its neighbour's */
	weir_function_fn *apply;                        /* NULL: special */
};

/* NULL: there is none of this name. */
const struct weir_function *weir_function_find(struct weir_str name);

#endif
