/* hex: digits of either case are read, lower case is written, and nothing else is an id. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/hex.h"

static bool read_one(const char *text, uint8_t *bytes, size_t size)
{
	return weir_hex_read(weir_str_of(text), bytes, size);
}

static void a_digit_is_of_either_case(void **state)
{
	(void)state;
	for (int c = -1; c < 256; c++) {
		const char *digits = "0123456789abcdefABCDEF", *at = c > 0 ? strchr(digits, c) : NULL;
		int value = at == NULL ? -1 : (int)(at - digits) - (at - digits > 15 ? 6 : 0);

		assert_int_equal(weir_hex_digit(c), value);
	}
}

static void what_is_short_stands_at_the_end(void **state)
{
	static const uint8_t whole[] = { 0x0a, 0xbc, 0xde, 0xff }, half[] = { 0, 0, 0x01, 0xa2 }, none[4] = { 0 };
	uint8_t bytes[4];

	(void)state;
	assert_true(read_one("0aBCdeFF", bytes, 4));
	assert_memory_equal(bytes, whole, 4);
	assert_true(read_one("01a2", bytes, 4));
	assert_memory_equal(bytes, half, 4);
	assert_true(read_one("", bytes, 4));
	assert_memory_equal(bytes, none, 4);
}

static void what_is_no_hex_leaves_zeros(void **state)
{
	static const char *const texts[] = { "0", "012", "0g", "abcdef0123", "01 2", "0x01", "abcdefg0" };
	static const uint8_t none[4] = { 0 };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		uint8_t bytes[4] = { 1, 2, 3, 4 };

		assert_false(read_one(texts[i], bytes, 4));
		assert_memory_equal(bytes, none, 4);
	}
}

static void bytes_are_written_in_lower_case(void **state)
{
	static const uint8_t bytes[] = { 0x00, 0x9a, 0xff };
	char text[8] = "";

	(void)state;
	assert_ptr_equal(weir_hex_write(text, bytes, 3), text + 6);
	assert_string_equal(text, "009aff");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_digit_is_of_either_case),
		cmocka_unit_test(what_is_short_stands_at_the_end),
		cmocka_unit_test(what_is_no_hex_leaves_zeros),
		cmocka_unit_test(bytes_are_written_in_lower_case),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
