/* json_write: commas, escapes and numbers. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdlib.h>

#include "exporters/json_write.h"

static void assert_text(struct weir_buf *buf, const char *expected)
{
	assert_int_equal(weir_buf_error(buf), 0);
	weir_buf_add_char(buf, '\0');
	assert_string_equal(buf->data, expected);
	weir_buf_fini(buf);
}

static void commas_stand_between_values_only(void **state)
{
	struct weir_buf buf = { 0 };
	struct weir_json_write json;

	(void)state;
	weir_json_write_init(&json, &buf);
	weir_json_write_open(&json, '{');
	weir_json_write_key(&json, "a");
	weir_json_write_open(&json, '[');
	weir_json_write_close(&json, ']');
	weir_json_write_key(&json, "b");
	weir_json_write_open(&json, '[');
	weir_json_write_u64(&json, 1);
	weir_json_write_bool(&json, true);
	weir_json_write_open(&json, '{');
	weir_json_write_close(&json, '}');
	weir_json_write_raw(&json, weir_str_of("null"));
	weir_json_write_close(&json, ']');
	weir_json_write_key_str(&json, weir_str_of("c\""));
	weir_json_write_double(&json, 1.5);
	weir_json_write_close(&json, '}');
	assert_text(&buf, "{\"a\":[],\"b\":[1,true,{},null],\"c\\\"\":1.5}");
}

static void control_characters_and_quotes_are_escaped(void **state)
{
	struct weir_buf buf = { 0 };
	struct weir_json_write json;

	(void)state;
	weir_json_write_init(&json, &buf);
	weir_json_write_str(&json, weir_str_make("a\"b\\c\n\r\t\x01\x1f\0é", 13));
	assert_text(&buf, "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u001f\\u0000é\"");
}

static void invalid_utf8_is_replaced(void **state)
{
	struct weir_buf buf = { 0 };
	struct weir_json_write json;

	(void)state;
	weir_json_write_init(&json, &buf);
	weir_json_write_str(&json, weir_str_of("a\xff\"z"));
	assert_text(&buf, "\"a\xef\xbf\xbd\\\"z\"");
}

static void lowering_leaves_other_letters_alone(void **state)
{
	struct weir_buf buf = { 0 };
	struct weir_json_write json;
	char longer[600];

	(void)state;
	weir_json_write_init(&json, &buf);
	weir_json_write_lower(&json, weir_str_of("GET /Ä"));
	weir_buf_add_char(&buf, '\0');
	assert_string_equal(buf.data, "\"get /Ä\"");
	weir_buf_clear(&buf);
	json.needs_comma = false;
	memset(longer, 'A', sizeof(longer));
	weir_json_write_lower(&json, weir_str_make(longer, sizeof(longer)));
	assert_int_equal(buf.length, sizeof(longer) + 2);
	assert_int_equal(buf.data[sizeof(longer)], 'a');
	weir_buf_fini(&buf);
}

static void numbers_read_back_as_themselves(void **state)
{
	static const struct {
		double value;
		const char *text;
	} rows[] = { { 0, "0" }, { -3, "-3" }, { 0.5, "0.5" }, { 0.1, "0.1" }, { 1e21, "1e+21" },
		{ 9007199254740991.0, "9007199254740991" }, { 123456.789, "123456.789" }, { NAN, "NaN" },
		{ INFINITY, "+Inf" }, { -INFINITY, "-Inf" }, { 1.0 / 3, "0.3333333333333333" } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		char text[WEIR_JSON_WRITE_NUMBER + 1];
		size_t n = weir_json_write_number(text, rows[i].value);

		text[n] = '\0';
		assert_string_equal(text, rows[i].text);
		if (!isnan(rows[i].value)) {
			assert_true(strtod(text, NULL) == rows[i].value);
		}
	}
}

static void rounded_numbers_have_six_decimals_at_most(void **state)
{
	static const double values[] = { 0, 1, 1.5, 0.0000014, 0.9999999, 1234.000001, 1e15, 17.25 };
	struct weir_buf buf = { 0 };
	struct weir_json_write json;

	(void)state;
	weir_json_write_init(&json, &buf);
	weir_json_write_open(&json, '[');
	for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
		weir_json_write_rounded(&json, values[i]);
	}
	weir_json_write_close(&json, ']');
	assert_text(&buf, "[0,1,1.5,0.000001,1,1234.000001,1000000000000000,17.25]");
}

static void what_is_not_finite_is_null_in_json(void **state)
{
	struct weir_buf buf = { 0 };
	struct weir_json_write json;

	(void)state;
	weir_json_write_init(&json, &buf);
	weir_json_write_double(&json, NAN);
	assert_text(&buf, "null");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(commas_stand_between_values_only),
		cmocka_unit_test(control_characters_and_quotes_are_escaped),
		cmocka_unit_test(invalid_utf8_is_replaced),
		cmocka_unit_test(lowering_leaves_other_letters_alone),
		cmocka_unit_test(numbers_read_back_as_themselves),
		cmocka_unit_test(rounded_numbers_have_six_decimals_at_most),
		cmocka_unit_test(what_is_not_finite_is_null_in_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
