/* test_split: expressions are taken apart where their operators stand outermost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "rules/ruleset/split.h"

static void brackets_around_the_whole_go(void **state)
{
	static const struct {
		const char *text, *want;
	} cases[] = { { " (a) ", "a" }, { "((a && b))", "a && b" }, { "(a) && (b)", "(a) && (b)" },
		{ "(a == \")\")", "a == \")\"" }, { "(a == \"\\\")\")", "a == \"\\\")\"" },
		{ "(a == `\\`)", "a == `\\`" }, { "", "" }, { "(", "(" }, { "()", "" }, { "(\"", "(\"" } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_str got = weir_split_bare(weir_str_of(cases[i].text));

		assert_true(weir_str_is(got, cases[i].want));
	}
}

static void operators_are_found_outermost(void **state)
{
	static const struct {
		const char *text, *operator_;
		size_t want;
	} cases[] = { { "a && b", "&&", 2 }, { "(a && b) && c", "&&", 9 }, { "a[\"&&\"] && c", "&&", 8 },
		{ "`&&`", "&&", 4 }, { "f(a, b), c", ",", 7 }, { "a | b || c", "||", 6 },
		{ "\"\\\"&&\" && b", "&&", 7 }, { "", "&&", 0 }, { "a", "||", 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(weir_split_at(weir_str_of(cases[i].text), cases[i].operator_), cases[i].want);
	}
}

static void calls_are_taken_apart(void **state)
{
	struct weir_str arguments[3];

	(void)state;
	assert_true(
		weir_split_call(weir_str_of(" (conditional ((a), f(b, c), \"d,)\"))"), "conditional", 3, arguments));
	assert_true(weir_str_is(arguments[0], "a") && weir_str_is(arguments[1], "f(b, c)") &&
		    weir_str_is(arguments[2], "\"d,)\""));
	assert_false(weir_split_call(weir_str_of("conditional(a, b)"), "conditional", 3, arguments));
	assert_false(weir_split_call(weir_str_of("conditional(a, b, c, d)"), "conditional", 3, arguments));
	assert_false(weir_split_call(weir_str_of("conditional(a, b, c) | d"), "conditional", 3, arguments));
	assert_false(weir_split_call(weir_str_of("conditionals(a, b, c)"), "conditional", 3, arguments));
	assert_false(weir_split_call(weir_str_of("conditional"), "conditional", 3, arguments));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(brackets_around_the_whole_go),
		cmocka_unit_test(operators_are_found_outermost),
		cmocka_unit_test(calls_are_taken_apart),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
