/* escape: Go's escapes: what each means, how much of the text it takes, and where a wrong one is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/language/escape.h"

static void each_escape_means_its_bytes(void **state)
{
	static const struct {
		const char *text, *means; /* behind the backslash */
		size_t read;
	} rows[] = { { "n", "\n", 1 }, { "nn", "\n", 1 }, { "a", "\a", 1 }, { "\\", "\\", 1 }, { "\"", "\"", 1 },
		{ "1019", "A", 3 }, { "377", "\xff", 3 }, { "x410", "A", 3 }, { "xfF", "\xff", 3 },
		{ "u00e4e", "\xc3\xa4", 5 }, { "u20AC", "\xe2\x82\xac", 5 }, { "U0010ffff", "\xf4\x8f\xbf\xbf", 9 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char to[WEIR_ESCAPE_MAX + 1] = "";
		size_t size = 0, read = 0;

		assert_int_equal(weir_escape_read(weir_str_of(rows[i].text), '"', to, &size, &read), 0);
		assert_int_equal(size, strlen(rows[i].means));
		assert_string_equal(to, rows[i].means);
		assert_int_equal(read, rows[i].read);
		assert_true(size <= read + 1); /* the backslash is one byte more */
	}
}

static void a_wrong_one_is_told_with_its_place(void **state)
{
	static const struct {
		const char *text;
		int outcome;
		size_t at;
	} rows[] = { { "", WEIR_ESCAPE_UNKNOWN, 0 }, { "q", WEIR_ESCAPE_UNKNOWN, 0 }, { "'", WEIR_ESCAPE_UNKNOWN, 0 },
		{ "8", WEIR_ESCAPE_UNKNOWN, 0 }, { "12", WEIR_ESCAPE_DIGITS, 2 }, { "128", WEIR_ESCAPE_DIGITS, 2 },
		{ "x4", WEIR_ESCAPE_DIGITS, 2 }, { "xg0", WEIR_ESCAPE_DIGITS, 1 }, { "u12 4", WEIR_ESCAPE_DIGITS, 3 },
		{ "400", WEIR_ESCAPE_CHARACTER, 0 }, { "ud800", WEIR_ESCAPE_CHARACTER, 1 },
		{ "Uffffffff", WEIR_ESCAPE_CHARACTER, 1 }, { "U00110000", WEIR_ESCAPE_CHARACTER, 1 } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char to[WEIR_ESCAPE_MAX];
		size_t size = 0, read = 99;

		assert_int_equal(weir_escape_read(weir_str_of(rows[i].text), '"', to, &size, &read), rows[i].outcome);
		assert_int_equal(read, rows[i].at);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_escape_means_its_bytes),
		cmocka_unit_test(a_wrong_one_is_told_with_its_place),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
