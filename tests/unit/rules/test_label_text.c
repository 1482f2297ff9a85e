/* label_text: reads back what rules/label.h writes. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>

#include "rules/label_text.h"
#include "rules/label.h"

static void what_was_written_is_read(void **state)
{
	static const char *const values[] = { "", "plain", "a\"b", "\\", "\n", "ends\\", "\\n", "a,b=\"c\"}",
		"\xc3\xa4" };
	enum { COUNT = sizeof(values) / sizeof(values[0]) };
	struct weir_buf text, room;
	struct weir_label_text label;
	struct weir_str rest;

	(void)state;
	weir_buf_init(&text, 0);
	weir_buf_init(&room, 0);
	for (size_t i = 0; i < COUNT; i++) {
		weir_label_add(&text, weir_str_of("name"), weir_str_of(values[i]));
	}
	weir_buf_reserve(&room, text.length);
	rest = weir_buf_str(&text);
	for (size_t i = 0; i < COUNT; i++) {
		struct weir_str value;

		assert_int_equal(weir_label_text_next(&rest, &label), 1);
		assert_true(weir_str_is(label.name, "name"));
		value = weir_label_text_unescape(&room, label.value);
		assert_true(weir_str_is(value, values[i]));
		assert_int_equal(weir_label_text_length(label.value), value.length);
	}
	assert_int_equal(weir_label_text_next(&rest, &label), 0);
	assert_int_equal(rest.length, 0);
	weir_buf_fini(&room);
	weir_buf_fini(&text);
}

static void a_brace_ends_it_and_the_rest_stays(void **state)
{
	struct weir_str rest = weir_str_of("a=\"1\",b=\"2\"} 17");
	struct weir_label_text label;

	(void)state;
	assert_int_equal(weir_label_text_next(&rest, &label), 1);
	assert_int_equal(weir_label_text_next(&rest, &label), 1);
	assert_true(weir_str_is(label.value, "2"));
	assert_int_equal(weir_label_text_next(&rest, &label), 0);
	assert_true(weir_str_is(rest, "} 17"));
}

static void what_is_no_label_is_a_fault(void **state)
{
	static const char *const texts[] = { "a", "a=", "a=b", "a=\"", "a=\"b", "a=\"b\\\"", "a=\"b\\", "=\"b\"" };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		struct weir_str rest = weir_str_of(texts[i]);
		struct weir_label_text label;

		assert_int_equal(weir_label_text_next(&rest, &label), -EINVAL);
		assert_int_equal(rest.length, strlen(texts[i]));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_written_is_read),
		cmocka_unit_test(a_brace_ends_it_and_the_rest_stays),
		cmocka_unit_test(what_is_no_label_is_a_fault),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
