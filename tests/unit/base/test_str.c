/* test_str: borrowed texts are cut, trimmed and turned into numbers. */
#include <errno.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"

static void equality_is_of_length_and_bytes(void **state)
{
	(void)state;
	assert_true(weir_str_is(weir_str_of("weir"), "weir"));
	assert_false(weir_str_is(weir_str_of("weir"), "weird"));
	assert_false(weir_str_is(weir_str_of("weir"), "wear"));
	assert_true(weir_str_equal(weir_str_of(NULL), weir_str_of("")));
	assert_true(weir_str_equal_ignoring_case(weir_str_of("Content-Type"), "content-type"));
	assert_false(weir_str_equal_ignoring_case(weir_str_of("Content-Typ"), "content-type"));
}

static void prefixes_and_suffixes_may_be_the_whole(void **state)
{
	(void)state;
	assert_true(weir_str_starts_with(weir_str_of("unix:/run"), "unix:"));
	assert_true(weir_str_starts_with(weir_str_of("unix:"), "unix:"));
	assert_false(weir_str_starts_with(weir_str_of("unix"), "unix:"));
	assert_true(weir_str_ends_with(weir_str_of("a.b"), ".b"));
	assert_false(weir_str_ends_with(weir_str_of("b"), ".b"));
}

static void cutting_ends_with_a_null_rest(void **state)
{
	struct weir_str rest = weir_str_of("a,,b");

	(void)state;
	assert_true(weir_str_is(weir_str_cut(&rest, ','), "a"));
	assert_true(weir_str_is(weir_str_cut(&rest, ','), ""));
	assert_non_null(rest.data);
	assert_true(weir_str_is(weir_str_cut(&rest, ','), "b"));
	assert_null(rest.data);
	assert_true(weir_str_is(weir_str_cut(&rest, ','), ""));
}

static void cutting_at_the_end_leaves_an_empty_rest(void **state)
{
	struct weir_str rest = weir_str_of("a=");

	(void)state;
	assert_true(weir_str_is(weir_str_cut(&rest, '='), "a"));
	assert_non_null(rest.data);
	assert_int_equal(rest.length, 0);
}

static void trimming_takes_blanks_and_tabs_only(void **state)
{
	(void)state;
	assert_true(weir_str_is(weir_str_trim(weir_str_of(" \t a b\t ")), "a b"));
	assert_true(weir_str_is(weir_str_trim(weir_str_of(" \t ")), ""));
	assert_true(weir_str_is(weir_str_trim(weir_str_of("\na")), "\na"));
}

static void numbers_take_the_whole_text_or_fail(void **state)
{
	unsigned long long u = 7;
	long long i = 7;

	(void)state;
	assert_int_equal(weir_str_to_u64(weir_str_of("18446744073709551615"), &u), 0);
	assert_true(u == ULLONG_MAX);
	u = 7;
	assert_int_equal(weir_str_to_u64(weir_str_of("18446744073709551616"), &u), -ERANGE);
	assert_int_equal(weir_str_to_u64(weir_str_of(""), &u), -EINVAL);
	assert_int_equal(weir_str_to_u64(weir_str_of("1 "), &u), -EINVAL);
	assert_int_equal(weir_str_to_u64(weir_str_of("+1"), &u), -EINVAL);
	assert_true(u == 7);
	assert_int_equal(weir_str_to_i64(weir_str_of("-9223372036854775807"), &i), 0);
	assert_true(i == -LLONG_MAX);
	i = 7;
	assert_int_equal(weir_str_to_i64(weir_str_of("9223372036854775808"), &i), -ERANGE);
	assert_int_equal(weir_str_to_i64(weir_str_of("-"), &i), -EINVAL);
	assert_int_equal(weir_str_to_i64(weir_str_of("--1"), &i), -EINVAL);
	assert_true(i == 7);
}

static void the_least_i64_is_a_number_too(void **state)
{
	long long i = 7;

	(void)state;
	assert_int_equal(weir_str_to_i64(weir_str_of("-9223372036854775808"), &i), 0);
	assert_true(i == LLONG_MIN);
	assert_int_equal(weir_str_to_i64(weir_str_of("-9223372036854775809"), &i), -ERANGE);
}

static void only_ascii_letters_are_lowered(void **state)
{
	char out[12] = "";

	(void)state;
	weir_str_copy_lower(out, weir_str_of("AZ@[az\xc3\x84 09"));
	assert_string_equal(out, "az@[az\xc3\x84 09");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(equality_is_of_length_and_bytes),
		cmocka_unit_test(prefixes_and_suffixes_may_be_the_whole),
		cmocka_unit_test(cutting_ends_with_a_null_rest),
		cmocka_unit_test(cutting_at_the_end_leaves_an_empty_rest),
		cmocka_unit_test(trimming_takes_blanks_and_tabs_only),
		cmocka_unit_test(numbers_take_the_whole_text_or_fail),
		cmocka_unit_test(the_least_i64_is_a_number_too),
		cmocka_unit_test(only_ascii_letters_are_lowered),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
