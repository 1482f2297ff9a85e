/* test_utf8: what is well formed, at every length and place, and the repair. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/utf8.h"

/* A block of its exact size, so that a sanitizer sees a read behind it. */
static bool is_valid(const char *data, size_t length)
{
	char *copy = malloc(length > 0 ? length : 1);
	bool is;

	memcpy(copy, data, length);
	is = weir_utf8_is_valid(weir_str_make(copy, length));
	free(copy);
	return is;
}

static size_t encode(uint32_t point, unsigned char *out)
{
	if (point < 0x80) {
		out[0] = (unsigned char)point;
		return 1;
	}
	if (point < 0x800) {
		out[0] = (unsigned char)(0xc0 | point >> 6);
		out[1] = (unsigned char)(0x80 | (point & 63));
		return 2;
	}
	if (point < 0x10000) {
		out[0] = (unsigned char)(0xe0 | point >> 12);
		out[1] = (unsigned char)(0x80 | (point >> 6 & 63));
		out[2] = (unsigned char)(0x80 | (point & 63));
		return 3;
	}
	out[0] = (unsigned char)(0xf0 | point >> 18);
	out[1] = (unsigned char)(0x80 | (point >> 12 & 63));
	out[2] = (unsigned char)(0x80 | (point >> 6 & 63));
	out[3] = (unsigned char)(0x80 | (point & 63));
	return 4;
}

static void every_code_point_but_surrogates_is_valid(void **state)
{
	(void)state;
	for (uint32_t point = 0; point < 0x120000; point++) {
		unsigned char bytes[4];
		size_t length = encode(point, bytes);
		bool is = weir_utf8_is_valid(weir_str_make((const char *)bytes, length));

		if (is != (point < 0x110000 && !(point >= 0xd800 && point < 0xe000))) {
			fail_msg("U+%04X", point);
		}
	}
}

static void overlong_forms_and_lone_bytes_are_not(void **state)
{
	(void)state;
	assert_false(is_valid("\xc0\x80", 2));
	assert_false(is_valid("\xc1\xbf", 2));
	assert_false(is_valid("\xe0\x9f\xbf", 3));
	assert_false(is_valid("\xf0\x8f\xbf\xbf", 4));
	assert_false(is_valid("\xf5\x80\x80\x80", 4));
	assert_false(is_valid("\x80", 1));
	assert_false(is_valid("\xff", 1));
	assert_false(is_valid("\xe2\x82", 2));
	assert_false(is_valid("\xf0\x9f\x98", 3));
}

static void one_bad_byte_is_found_at_every_place_of_every_length(void **state)
{
	char text[130];

	(void)state;
	for (size_t length = 0; length <= sizeof(text); length++) {
		memset(text, 'a', sizeof(text));
		assert_true(is_valid(text, length));
		for (size_t at = 0; at < length; at++) {
			text[at] = '\xff';
			assert_false(is_valid(text, length));
			text[at] = 'a';
			if (at + 3 <= length) {
				memcpy(text + at, "\xe2\x82\xac", 3);
				assert_true(is_valid(text, length));
				assert_false(is_valid(text, at + 2));
				memset(text + at, 'a', 3);
			}
		}
	}
}

static void check_repair(const char *text, size_t length, const char *expected)
{
	char *out = malloc(3 * length + 1);
	size_t n = weir_utf8_repair(weir_str_make(text, length), out);

	assert_true(n <= 3 * length);
	out[n] = '\0';
	assert_string_equal(out, expected);
	assert_true(weir_utf8_is_valid(weir_str_make(out, n)));
	free(out);
}

/* The example of Unicode 15, tables 3-8 to 3-11. */
static void repair_replaces_each_maximal_part(void **state)
{
	(void)state;
#define R "\xef\xbf\xbd"
	check_repair("", 0, "");
	check_repair("plain", 5, "plain");
	check_repair("\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", 9, R R R R R R R R "A");
	check_repair("\xed\xa0\x80\xed\xbf\xbf\xed\xaf\x41", 9, R R R R R R R R "A");
	check_repair("\xf4\x91\x92\x93\xff\x41\x80\xbf\x42", 9, R R R R R "A" R R "B");
	check_repair("\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", 9, R R R R "A");
	check_repair("a\xe2\x82\xac\xf0\x9f\x98", 7, "a\xe2\x82\xac" R);
#undef R
}

static void every_code_point_is_written_as_itself(void **state)
{
	static const struct {
		uint32_t point;
		const char *text;
	} rows[] = { { 0x24, "$" }, { 0x7f, "\x7f" }, { 0x80, "\xc2\x80" }, { 0x7ff, "\xdf\xbf" },
		{ 0x800, "\xe0\xa0\x80" }, { 0x20ac, "\xe2\x82\xac" }, { 0xffff, "\xef\xbf\xbf" },
		{ 0x10000, "\xf0\x90\x80\x80" }, { 0x10ffff, "\xf4\x8f\xbf\xbf" } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[5] = "";

		assert_int_equal(weir_utf8_write(rows[i].point, text), strlen(rows[i].text));
		assert_string_equal(text, rows[i].text);
	}
}

static void a_cut_is_between_characters(void **state)
{
	static const char text[] = "a\xe2\x82\xac\xc3\xa4";
	static const size_t kept[] = { 0, 1, 1, 1, 4, 4, 6, 6 };

	(void)state;
	for (size_t most = 0; most < 8; most++) {
		struct weir_str cut = weir_utf8_cut(weir_str_of(text), most);

		assert_ptr_equal(cut.data, text);
		assert_int_equal(cut.length, kept[most]);
	}
	assert_int_equal(weir_utf8_cut(weir_str_make("\x80\x80\x80", 3), 2).length, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_code_point_but_surrogates_is_valid),
		cmocka_unit_test(overlong_forms_and_lone_bytes_are_not),
		cmocka_unit_test(one_bad_byte_is_found_at_every_place_of_every_length),
		cmocka_unit_test(repair_replaces_each_maximal_part),
		cmocka_unit_test(every_code_point_is_written_as_itself),
		cmocka_unit_test(a_cut_is_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
