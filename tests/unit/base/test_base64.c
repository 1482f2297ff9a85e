/* test_base64: bytes as text of 64 letters, and back. */
#include "base/base64.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* RFC 4648, 10. */
static const struct {
	const char *bytes, *text;
} sheet[] = { { "", "" }, { "f", "Zg==" }, { "fo", "Zm8=" }, { "foo", "Zm9v" }, { "foob", "Zm9vYg==" },
	{ "fooba", "Zm9vYmE=" }, { "foobar", "Zm9vYmFy" } };

static void bytes_are_written_with_padding(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sheet) / sizeof(sheet[0]); i++) {
		struct weir_str bytes = weir_str_of(sheet[i].bytes);
		char text[16];
		size_t length = (size_t)(weir_base64_write(text, bytes) - text);

		assert_int_equal(length, weir_base64_length(bytes.length));
		assert_true(weir_str_is(weir_str_make(text, length), sheet[i].text));
	}
}

static void text_is_read_with_and_without_its_padding(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(sheet) / sizeof(sheet[0]); i++) {
		struct weir_str text = weir_str_of(sheet[i].text);

		for (;;) {
			char bytes[16];
			size_t length = 99;

			assert_int_equal(weir_base64_read(text, bytes, &length), 0);
			assert_true(weir_str_is(weir_str_make(bytes, length), sheet[i].bytes));
			if (text.length == 0 || text.data[text.length - 1] != '=') {
				break;
			}
			text.length--;
		}
	}
}

static void every_byte_comes_back_in_either_alphabet(void **state)
{
	char bytes[256], text[344];
	size_t length = 0;

	(void)state;
	for (unsigned i = 0; i < 256; i++) {
		bytes[i] = (char)i;
	}
	weir_base64_write(text, weir_str_make(bytes, 256));
	for (unsigned round = 0; round < 2; round++) {
		char *again = malloc(258); /* as large as it is said to be, for who looks beyond */

		assert_non_null(again);
		assert_int_equal(weir_base64_read(weir_str_make(text, sizeof(text)), again, &length), 0);
		assert_int_equal(length, 256);
		assert_memory_equal(again, bytes, 256);
		free(again);
		for (size_t i = 0; i < sizeof(text); i++) {
			text[i] = text[i] == '+' ? '-' : text[i] == '/' ? '_' : text[i];
		}
	}
}

static void what_is_none_is_told(void **state)
{
	static const struct {
		const char *text;
		int outcome;
	} bad[] = { { "A", WEIR_BASE64_CUT }, { "AAAAA", WEIR_BASE64_CUT }, { "AA!A", WEIR_BASE64_FOREIGN },
		{ "AA===", WEIR_BASE64_FOREIGN }, { "A=AA", WEIR_BASE64_FOREIGN }, { "AA A", WEIR_BASE64_FOREIGN } };

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		char bytes[16];
		size_t length;

		assert_int_equal(weir_base64_read(weir_str_of(bad[i].text), bytes, &length), bad[i].outcome);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(bytes_are_written_with_padding),
		cmocka_unit_test(text_is_read_with_and_without_its_padding),
		cmocka_unit_test(every_byte_comes_back_in_either_alphabet),
		cmocka_unit_test(what_is_none_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
