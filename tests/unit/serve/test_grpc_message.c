/* test_grpc_message: slices to bytes, plain and compressed. */
#include "serve/grpc_call.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <grpc/byte_buffer.h>
#include <grpc/slice.h>

#include "base/stat.h"

#define LIMIT 1000u

static struct weir_grpc_calls calls;

static int setup(void **state)
{
	(void)state;
	calls = (struct weir_grpc_calls){ .max_message_bytes = LIMIT };
	weir_buf_init(&calls.message, LIMIT + 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_coding_close(&calls.coding);
	weir_buf_fini(&calls.message);
	return 0;
}

/* In slices of `step` bytes. */
static grpc_byte_buffer *buffer_of(struct weir_str text, size_t step, bool is_gzip)
{
	grpc_slice slices[64];
	grpc_byte_buffer *buffer;
	size_t count = 0;

	for (size_t at = 0; at < text.length; at += step) {
		size_t length = text.length - at < step ? text.length - at : step;

		assert_true(count < 64);
		slices[count++] = grpc_slice_from_copied_buffer(text.data + at, length);
	}
	buffer = is_gzip ? grpc_raw_compressed_byte_buffer_create(slices, count, GRPC_COMPRESS_GZIP)
			 : grpc_raw_byte_buffer_create(slices, count);
	for (size_t i = 0; i < count; i++) {
		grpc_slice_unref(slices[i]);
	}
	return buffer;
}

static int read_once(struct weir_str text, size_t step, bool is_gzip, struct weir_str *ret_message)
{
	grpc_byte_buffer *buffer = buffer_of(text, step, is_gzip);
	int outcome = weir_grpc_message_read(&calls, buffer, ret_message);

	grpc_byte_buffer_destroy(buffer); /* what is read below is a copy: one slice only is borrowed */
	return outcome;
}

static void slices_become_one_piece(void **state)
{
	struct weir_str message;

	(void)state;
	assert_int_equal(read_once(weir_str_of("abcdefghijk"), 3, false, &message), 0);
	assert_true(weir_str_is(message, "abcdefghijk"));
	assert_int_equal(read_once(weir_str_of("xyz1"), 2, false, &message), 0);
	assert_true(weir_str_is(message, "xyz1"));
}

static void no_slices_are_an_empty_message(void **state)
{
	struct weir_str message = { NULL, 7 };

	(void)state;
	assert_int_equal(read_once(weir_str_of(""), 1, false, &message), 0);
	assert_non_null(message.data);
	assert_int_equal(message.length, 0);
}

static void one_byte_beyond_the_limit_is_too_large(void **state)
{
	char text[LIMIT + 1];
	struct weir_str message;

	(void)state;
	memset(text, 'x', sizeof(text));
	assert_int_equal(read_once(weir_str_make(text, LIMIT), 100, false, &message), 0);
	assert_int_equal(message.length, LIMIT);
	assert_int_equal(read_once(weir_str_make(text, LIMIT + 1), 100, false, &message), WEIR_GRPC_MESSAGE_TOO_LARGE);
}

static void compressed_slices_are_inflated(void **state)
{
	char text[LIMIT];
	struct weir_buf small;
	struct weir_str message;

	(void)state;
	memset(text, 'x', sizeof(text));
	weir_buf_init(&small, 0);
	assert_int_equal(weir_coding_gzip(weir_str_make(text, sizeof(text)), &small), 0);
	assert_int_equal(read_once(weir_buf_str(&small), 4, true, &message), 0);
	assert_int_equal(message.length, LIMIT);
	assert_memory_equal(message.data, text, LIMIT);
	weir_buf_fini(&small);
}

static void bomb_stops_at_the_limit(void **state)
{
	struct weir_buf big, small;
	struct weir_str message;

	(void)state;
	weir_buf_init(&big, 0);
	weir_buf_init(&small, 0);
	memset(weir_buf_reserve(&big, 1u << 24), 0, 1u << 24);
	weir_buf_advance(&big, 1u << 24);
	assert_int_equal(weir_coding_gzip(weir_buf_str(&big), &small), 0);
	calls.max_message_bytes = 200000; /* more than the compressed bytes */
	weir_buf_fini(&calls.message);
	weir_buf_init(&calls.message, 200001);
	assert_true(small.length < 200000);
	assert_int_equal(read_once(weir_buf_str(&small), 4096, true, &message), WEIR_GRPC_MESSAGE_TOO_LARGE);
	assert_true(calls.message.capacity <= 200001);
	weir_buf_fini(&big);
	weir_buf_fini(&small);
}

static void what_is_not_gzip_is_malformed_and_counted(void **state)
{
	uint64_t before = weir_stat_get(WEIR_STAT_MALFORMED_GZIP);
	struct weir_buf small;
	struct weir_str message;

	(void)state;
	assert_int_equal(read_once(weir_str_of("not gzip"), 3, true, &message), WEIR_GRPC_MESSAGE_MALFORMED);
	weir_buf_init(&small, 0);
	assert_int_equal(weir_coding_gzip(weir_str_of("broken off"), &small), 0);
	assert_int_equal(
		read_once(weir_str_make(small.data, small.length - 3), 8, true, &message), WEIR_GRPC_MESSAGE_MALFORMED);
	assert_int_equal(weir_stat_get(WEIR_STAT_MALFORMED_GZIP), before + 2);
	weir_buf_fini(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(slices_become_one_piece, setup, teardown),
		cmocka_unit_test_setup_teardown(no_slices_are_an_empty_message, setup, teardown),
		cmocka_unit_test_setup_teardown(one_byte_beyond_the_limit_is_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(compressed_slices_are_inflated, setup, teardown),
		cmocka_unit_test_setup_teardown(bomb_stops_at_the_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_not_gzip_is_malformed_and_counted, setup, teardown),
	};
	int failed;

	grpc_init();
	failed = cmocka_run_group_tests_name("grpc_message", tests, NULL, NULL);
	grpc_shutdown_blocking();
	return failed;
}
