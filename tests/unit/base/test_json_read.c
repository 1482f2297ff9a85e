/* test_json_read: what is JSON, where it stops being it, and what it means. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/json_read.h"

/* Skips `text` (in a block of its exact size). -1: taken; else the offset of the error. */
static int error_at(const char *text)
{
	size_t length = strlen(text);
	char *copy = malloc(length > 0 ? length : 1);
	struct weir_json json;
	int r;

	memcpy(copy, text, length);
	weir_json_init(&json, weir_str_make(copy, length));
	r = weir_json_skip(&json);
	r = r == 0 ? weir_json_finish(&json) : r;
	assert_true((r == 0 && json.error == NULL) || (r == WEIR_JSON_MALFORMED && json.error != NULL));
	if (r != 0) {
		assert_int_equal(weir_json_skip(&json), WEIR_JSON_MALFORMED);
	}
	r = r == 0 ? -1 : (int)weir_json_offset(&json);
	free(copy);
	return r;
}

static void all_shapes_are_taken(void **state)
{
	(void)state;
	assert_int_equal(error_at("{}"), -1);
	assert_int_equal(error_at(" [ ] "), -1);
	assert_int_equal(error_at("null"), -1);
	assert_int_equal(error_at("\t-0.5e-7\r\n"), -1);
	assert_int_equal(error_at("{\"a\":[1,{\"b\":[]},true],\"c\":{},\"d\":\"\\u00e9\"}"), -1);
	assert_int_equal(error_at("[[],[[]],{}]"), -1);
	assert_int_equal(error_at("\"\xff raw bytes are the decoder's affair\""), -1);
}

static void errors_have_their_offset(void **state)
{
	(void)state;
	assert_int_equal(error_at(""), 0);
	assert_int_equal(error_at("  "), 2);
	assert_int_equal(error_at("[1,]"), 3);
	assert_int_equal(error_at("[,1]"), 1);
	assert_int_equal(error_at("[1 2]"), 3);
	assert_int_equal(error_at("[1"), 2);
	assert_int_equal(error_at("[1}"), 2);
	assert_int_equal(error_at("{\"a\":1,}"), 7);
	assert_int_equal(error_at("{\"a\" 1}"), 5);
	assert_int_equal(error_at("{\"a\":}"), 5);
	assert_int_equal(error_at("{a:1}"), 1);
	assert_int_equal(error_at("{\"a\":1]"), 6);
	assert_int_equal(error_at("[] []"), 3);
	assert_int_equal(error_at("nul"), 0);
	assert_int_equal(error_at("truE"), 0);
	assert_int_equal(error_at("nulll"), 4);
	assert_int_equal(error_at("'a'"), 0);
	assert_int_equal(error_at("\xef\xbb\xbf[]"), 0);
	assert_int_equal(error_at("[1]\v"), 3);
}

static void numbers_follow_the_grammar(void **state)
{
	(void)state;
	assert_int_equal(error_at("01"), 1);
	assert_int_equal(error_at("-"), 1);
	assert_int_equal(error_at("+1"), 0);
	assert_int_equal(error_at(".5"), 0);
	assert_int_equal(error_at("1."), 2);
	assert_int_equal(error_at("1.e1"), 2);
	assert_int_equal(error_at("1e"), 2);
	assert_int_equal(error_at("1e+"), 3);
	assert_int_equal(error_at("0x10"), 1);
	assert_int_equal(error_at("NaN"), 0);
}

static void strings_follow_the_grammar_at_every_length(void **state)
{
	char text[64];

	(void)state;
	assert_int_equal(error_at("\"\\x\""), 1);
	assert_int_equal(error_at("\"\\u12g4\""), 1);
	assert_int_equal(error_at("\"\\u123"), 1);
	assert_int_equal(error_at("\"\\"), 1);
	for (size_t length = 0; length < 40; length++) {
		memset(text, 'a', sizeof(text));
		text[0] = '"';
		text[length + 1] = '\0';
		assert_int_equal(error_at(text), length + 1); /* unclosed */
		strcpy(text + length + 1, "\"");
		assert_int_equal(error_at(text), -1);
		for (size_t at = 1; at <= length; at++) {
			text[at] = '\x1f';
			assert_int_equal(error_at(text), at);
			text[at] = '\x7f';
			assert_int_equal(error_at(text), -1);
			text[at] = '\xc3';
			assert_int_equal(error_at(text), -1);
			text[at] = 'a';
		}
	}
}

static void depth_is_bounded(void **state)
{
	char text[2 * WEIR_JSON_DEPTH + 3];

	(void)state;
	memset(text, '[', WEIR_JSON_DEPTH);
	memset(text + WEIR_JSON_DEPTH, ']', WEIR_JSON_DEPTH);
	text[2 * WEIR_JSON_DEPTH] = '\0';
	assert_int_equal(error_at(text), -1);
	memset(text, '[', WEIR_JSON_DEPTH + 1);
	memset(text + WEIR_JSON_DEPTH + 1, ']', WEIR_JSON_DEPTH + 1);
	text[2 * WEIR_JSON_DEPTH + 2] = '\0';
	assert_int_equal(error_at(text), WEIR_JSON_DEPTH);
}

static void members_and_elements_come_in_order(void **state)
{
	bool is_first = true, is_first_inside = true, has_escapes;
	struct weir_json_value value;
	struct weir_json json;
	struct weir_str key;

	(void)state;
	weir_json_init(&json, weir_str_of("{\"id\":\"x\\n\",\"list\":[7,null], \"rest\":{\"a\":[1]}}"));
	assert_int_equal(weir_json_value(&json, &value), 0);
	assert_int_equal(value.kind, WEIR_JSON_OBJECT);
	assert_int_equal(weir_json_member(&json, &is_first, &key, &has_escapes), 0);
	assert_true(weir_str_is(key, "id"));
	assert_false(has_escapes);
	assert_int_equal(weir_json_value(&json, &value), 0);
	assert_int_equal(value.kind, WEIR_JSON_STRING);
	assert_true(value.has_escapes);
	assert_true(weir_str_is(value.text, "x\\n"));
	assert_int_equal(weir_json_member(&json, &is_first, &key, &has_escapes), 0);
	assert_int_equal(weir_json_value(&json, &value), 0);
	assert_int_equal(value.kind, WEIR_JSON_ARRAY);
	assert_int_equal(weir_json_element(&json, &is_first_inside), 0);
	assert_int_equal(weir_json_value(&json, &value), 0);
	assert_int_equal(value.kind, WEIR_JSON_NUMBER);
	assert_true(weir_str_is(value.text, "7"));
	assert_int_equal(weir_json_element(&json, &is_first_inside), 0);
	assert_int_equal(weir_json_value(&json, &value), 0);
	assert_int_equal(value.kind, WEIR_JSON_NULL);
	assert_int_equal(weir_json_element(&json, &is_first_inside), WEIR_JSON_END);
	assert_int_equal(weir_json_member(&json, &is_first, &key, &has_escapes), 0);
	assert_int_equal(weir_json_value(&json, &value), 0);
	assert_int_equal(weir_json_skip_rest(&json, &value), 0);
	assert_int_equal(weir_json_member(&json, &is_first, &key, &has_escapes), WEIR_JSON_END);
	assert_int_equal(weir_json_finish(&json), 0);
	assert_int_equal(json.depth, 0);
}

static void check_unescape(const char *raw, const char *expected, size_t length)
{
	char *out = malloc(strlen(raw) + 1);

	assert_int_equal(weir_json_unescape(weir_str_of(raw), out), length);
	assert_memory_equal(out, expected, length);
	free(out);
}

static void escapes_become_utf8(void **state)
{
	(void)state;
	check_unescape("", "", 0);
	check_unescape("plain", "plain", 5);
	check_unescape("\\\"\\\\\\/\\b\\f\\n\\r\\t", "\"\\/\b\f\n\r\t", 8);
	check_unescape("a\\u0000b", "a\0b", 3);
	check_unescape("\\u007f\\u00E9\\u20ac", "\x7f\xc3\xa9\xe2\x82\xac", 6);
	check_unescape("\\ud83d\\ude00!", "\xf0\x9f\x98\x80!", 5);
	check_unescape("\\udbff\\udfff", "\xf4\x8f\xbf\xbf", 4);
}

static void half_a_pair_becomes_a_replacement(void **state)
{
	(void)state;
	check_unescape("\\ud83d", "\xef\xbf\xbd", 3);
	check_unescape("\\ude00\\ud83d", "\xef\xbf\xbd\xef\xbf\xbd", 6);
	check_unescape("\\ud83dx", "\xef\xbf\xbdx", 4);
	check_unescape("\\ud83d\\n", "\xef\xbf\xbd\n", 4);
	check_unescape("\\ud83d\\u0041",
		"\xef\xbf\xbd"
		"A",
		4);
	check_unescape("\\ud83d\\ud83d\\ude00", "\xef\xbf\xbd\xf0\x9f\x98\x80", 7);
}

static void integers_may_be_written_as_floats(void **state)
{
	static const struct {
		const char *text;
		int result;
		int64_t value;
	} cases[] = {
		{ "0", 0, 0 },
		{ "-0.0e5", 0, 0 },
		{ "1556604172355737", 0, 1556604172355737 },
		{ "1.58e+15", 0, 1580000000000000 },
		{ "1.556604172355737E15", 0, 1556604172355737 },
		{ "0.0010e4", 0, 10 },
		{ "100e-2", 0, 1 },
		{ "10203.00", 0, 10203 },
		{ "9223372036854775807", 0, INT64_MAX },
		{ "-9223372036854775808", 0, INT64_MIN },
		{ "-9.223372036854775808e18", 0, INT64_MIN },
		{ "9223372036854775808", -ERANGE, 0 },
		{ "-9223372036854775809", -ERANGE, 0 },
		{ "1e19", -ERANGE, 0 },
		{ "1e999999999999999999999", -ERANGE, 0 },
		{ "100000000000000000000000000000000000000001", -ERANGE, 0 },
		{ "0e999999999999999999999", 0, 0 },
		{ "1.5", -EINVAL, 0 },
		{ "101e-2", -EINVAL, 0 },
		{ "1e-999999999999999999999", -EINVAL, 0 },
		{ "0.100000000000000000000000000000000000001", -EINVAL, 0 },
		{ "", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "abc", -EINVAL, 0 },
		{ "0x1", -EINVAL, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int64_t value = 42;

		if (weir_json_to_i64(weir_str_of(cases[i].text), &value) != cases[i].result ||
			value != (cases[i].result == 0 ? cases[i].value : 42)) {
			fail_msg("%s", cases[i].text);
		}
	}
}

static void an_escape_means_the_character_it_is_made_of(void **state)
{
	(void)state;
	for (unsigned c = 0; c < 0x80; c++) {
		char escape[6], meant[6];
		size_t size = weir_json_escape((unsigned char)c, escape);

		assert_int_equal(size, strchr("\"\\\n\r\t", (int)c) != NULL && c != 0 ? 2 : 6);
		assert_int_equal(weir_json_unescape(weir_str_make(escape, size), meant), 1);
		assert_int_equal(meant[0], (char)c);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_shapes_are_taken),
		cmocka_unit_test(errors_have_their_offset),
		cmocka_unit_test(numbers_follow_the_grammar),
		cmocka_unit_test(strings_follow_the_grammar_at_every_length),
		cmocka_unit_test(depth_is_bounded),
		cmocka_unit_test(members_and_elements_come_in_order),
		cmocka_unit_test(escapes_become_utf8),
		cmocka_unit_test(half_a_pair_becomes_a_replacement),
		cmocka_unit_test(integers_may_be_written_as_floats),
		cmocka_unit_test(an_escape_means_the_character_it_is_made_of),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
