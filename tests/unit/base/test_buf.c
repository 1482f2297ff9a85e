/* test_buf: a buffer grows to its limit and keeps its first error. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/buf.h"

static void pieces_stand_one_behind_the_other(void **state)
{
	struct weir_buf buf;

	(void)state;
	weir_buf_init(&buf, 0);
	weir_buf_add_text(&buf, "a=");
	weir_buf_add_u64(&buf, 0);
	weir_buf_add_char(&buf, ' ');
	weir_buf_add_u64(&buf, UINT64_MAX);
	weir_buf_add_char(&buf, ' ');
	weir_buf_add_hex(&buf, "\x00\xab\xff", 3);
	weir_buf_addf(&buf, " %s%d", "x", -1);
	weir_buf_add_str(&buf, weir_str_of(""));
	assert_true(weir_str_is(weir_buf_str(&buf), "a=0 18446744073709551615 00abff x-1"));
	assert_int_equal(weir_buf_error(&buf), 0);
	weir_buf_fini(&buf);
}

static void long_formats_are_whole(void **state)
{
	struct weir_buf buf;
	char text[1001];

	(void)state;
	memset(text, 'x', 1000);
	text[1000] = '\0';
	weir_buf_init(&buf, 0);
	weir_buf_addf(&buf, "%s", text);
	weir_buf_addf(&buf, "%.255s", text);
	weir_buf_addf(&buf, "%.256s", text);
	assert_int_equal(buf.length, 1511);
	for (size_t i = 0; i < buf.length; i++) {
		assert_int_equal(buf.data[i], 'x');
	}
	weir_buf_fini(&buf);
}

static void limit_is_sticky_and_keeps_what_was_there(void **state)
{
	struct weir_buf buf;

	(void)state;
	weir_buf_init(&buf, 4);
	weir_buf_add_text(&buf, "abc");
	weir_buf_add_text(&buf, "de");
	assert_int_equal(weir_buf_error(&buf), -EFBIG);
	weir_buf_add_char(&buf, 'd');
	assert_true(weir_str_is(weir_buf_str(&buf), "abc"));
	assert_null(weir_buf_reserve(&buf, 1));
	weir_buf_clear(&buf);
	assert_int_equal(weir_buf_error(&buf), 0);
	weir_buf_add_text(&buf, "abcd");
	assert_int_equal(weir_buf_error(&buf), 0);
	assert_true(weir_str_is(weir_buf_str(&buf), "abcd"));
	weir_buf_fini(&buf);
}

static void reserved_room_counts_when_advanced(void **state)
{
	struct weir_buf buf;
	char *at;

	(void)state;
	weir_buf_init(&buf, 0);
	at = weir_buf_reserve(&buf, 10000);
	assert_non_null(at);
	memset(at, 'y', 10000);
	assert_int_equal(buf.length, 0);
	weir_buf_advance(&buf, 3);
	assert_true(weir_str_is(weir_buf_str(&buf), "yyy"));
	weir_buf_fini(&buf);
	weir_buf_fini(&buf);
	weir_buf_fini(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pieces_stand_one_behind_the_other),
		cmocka_unit_test(long_formats_are_whole),
		cmocka_unit_test(limit_is_sticky_and_keeps_what_was_there),
		cmocka_unit_test(reserved_room_counts_when_advanced),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
