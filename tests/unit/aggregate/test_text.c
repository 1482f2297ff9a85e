/* test_text: texts are kept once, never move and are bounded. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/text.h"

static uint32_t add(struct weir_text *text, const char *value)
{
	return weir_text_add(text, weir_str_of(value), 0, false);
}

static void a_text_has_one_number_and_never_moves(void **state)
{
	struct weir_text text;
	const char *first;
	char value[32];

	(void)state;
	weir_text_init(&text, 100000, 10000000, 1);
	assert_int_equal(add(&text, ""), WEIR_TEXT_EMPTY);
	assert_int_equal(add(&text, "one"), 1);
	first = weir_text_str(&text, 1).data;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(value, sizeof(value), "value-%u", i);
		assert_int_equal(add(&text, value), i + 2);
	}
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(value, sizeof(value), "value-%u", i);
		assert_int_equal(add(&text, value), i + 2);
		assert_true(weir_str_is(weir_text_str(&text, i + 2), value));
	}
	assert_ptr_equal(weir_text_str(&text, 1).data, first);
	weir_text_fini(&text);
}

static void salt_sets_equal_texts_apart(void **state)
{
	struct weir_text text;

	(void)state;
	weir_text_init(&text, 10, 1000, 1);
	assert_int_equal(weir_text_add(&text, weir_str_of("a"), 0, false), 1);
	assert_int_equal(weir_text_add(&text, weir_str_of("a"), 1, false), 2);
	assert_int_equal(weir_text_find(&text, weir_str_of("a"), 2), WEIR_TEXT_FULL);
	weir_text_fini(&text);
}

static void number_bytes_and_length_are_bounded(void **state)
{
	static char value[WEIR_TEXT_LENGTH_MAX + 1];
	struct weir_text text;

	(void)state;
	memset(value, 'x', sizeof(value));
	weir_text_init(&text, 2, 1u << 20, 1);
	assert_int_equal(weir_text_add(&text, weir_str_make(value, sizeof(value)), 0, true), WEIR_TEXT_FULL);
	assert_int_equal(weir_text_add(&text, weir_str_make(value, sizeof(value) - 1), 0, false), 1);
	assert_int_equal(add(&text, "b"), 2);
	assert_int_equal(add(&text, "c"), WEIR_TEXT_FULL);
	assert_int_equal(add(&text, "b"), 2);
	assert_int_equal(weir_text_add(&text, weir_str_of("c"), 0, true), 3);
	weir_text_fini(&text);
	weir_text_init(&text, 100, 10, 1);
	assert_int_equal(add(&text, "12345678"), 1);
	assert_int_equal(add(&text, "123"), WEIR_TEXT_FULL);
	weir_text_fini(&text);
}

static void only_new_texts_are_saved_again(void **state)
{
	struct weir_text text, loaded;
	struct weir_blob_reader reader = { 0 };
	struct weir_buf buf;

	(void)state;
	weir_text_init(&text, 100, 1000, 1);
	weir_text_init(&loaded, 100, 1000, 1);
	weir_buf_init(&buf, 0);
	add(&text, "first");
	for (unsigned i = 0; i < 2; i++) {
		weir_buf_clear(&buf);
		weir_text_save(&text, false, &buf);
		reader.at = (const unsigned char *)buf.data;
		reader.end = reader.at + buf.length;
		assert_int_equal(weir_text_load(&loaded, &reader), 0);
		add(&text, "second");
	}
	assert_null(memmem(buf.data, buf.length, "first", 5));
	assert_true(weir_str_is(weir_text_str(&loaded, 2), "second"));
	/* The same once more does not fit behind it. */
	reader.at = (const unsigned char *)buf.data;
	assert_int_equal(weir_text_load(&loaded, &reader), -EBADMSG);
	weir_buf_fini(&buf);
	weir_text_fini(&text);
	weir_text_fini(&loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_has_one_number_and_never_moves),
		cmocka_unit_test(salt_sets_equal_texts_apart),
		cmocka_unit_test(number_bytes_and_length_are_bounded),
		cmocka_unit_test(only_new_texts_are_saved_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
