/* test_coding: gzip both ways, bounded, piece by piece. */
#include "serve/coding.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct weir_buf gzip_of(const char *text, size_t length)
{
	struct weir_buf out;

	weir_buf_init(&out, 0);
	assert_int_equal(weir_coding_gzip(weir_str_make(text, length), &out), 0);
	return out;
}

/* Fed in pieces of `step`; the outcome of the first that is not 0, or of the end. */
static int read_in_pieces(struct weir_str text, size_t step, size_t limit, struct weir_buf *out)
{
	struct weir_coding coding = { 0 };
	int outcome;

	weir_buf_init(out, limit + 1);
	assert_int_equal(weir_coding_open(&coding), 0);
	for (size_t at = 0; at < text.length; at += step) {
		size_t length = text.length - at < step ? text.length - at : step;

		outcome = weir_coding_read(&coding, weir_str_make(text.data + at, length), limit, out);
		assert_true(out->length <= limit);
		if (outcome != 0) {
			weir_coding_close(&coding);
			return outcome;
		}
	}
	outcome = weir_coding_finish(&coding);
	weir_coding_close(&coding);
	return outcome;
}

static void every_cut_gives_the_text_back(void **state)
{
	char text[100000];
	struct weir_buf small, out;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++) {
		text[i] = (char)((i * i) >> 7);
	}
	small = gzip_of(text, sizeof(text));
	for (size_t step = 1; step < 100; step += 7) {
		assert_int_equal(read_in_pieces(weir_buf_str(&small), step, sizeof(text), &out), 0);
		assert_int_equal(out.length, sizeof(text));
		assert_memory_equal(out.data, text, sizeof(text));
		weir_buf_fini(&out);
	}
	weir_buf_fini(&small);
}

/* Also where a piece ends just when the room that inflate was given is full. */
static void every_two_pieces_give_the_text_back(void **state)
{
	char text[100000];
	struct weir_buf small, out;
	uint32_t random = 1;

	(void)state;
	for (size_t i = 0; i < sizeof(text); i++) { /* many bytes of text for one of gzip: long matches */
		random = i % 200 == 0 ? random * 1103515245 + 12345 : random;
		text[i] = (char)(random >> 16 & 0xf);
	}
	small = gzip_of(text, sizeof(text));
	for (size_t first = 1; first < small.length; first++) {
		struct weir_coding coding = { 0 };

		weir_buf_init(&out, sizeof(text) + 1);
		assert_int_equal(weir_coding_open(&coding), 0);
		assert_int_equal(weir_coding_read(&coding, weir_str_make(small.data, first), sizeof(text), &out), 0);
		assert_int_equal(weir_coding_read(&coding, weir_str_make(small.data + first, small.length - first),
					 sizeof(text), &out),
			0);
		assert_int_equal(weir_coding_finish(&coding), 0);
		assert_int_equal(out.length, sizeof(text));
		assert_memory_equal(out.data, text, sizeof(text));
		weir_coding_close(&coding);
		weir_buf_fini(&out);
	}
	weir_buf_fini(&small);
}

static void limit_is_exact(void **state)
{
	char text[70000] = { 0 };
	struct weir_buf small = gzip_of(text, sizeof(text)), out;

	(void)state;
	assert_int_equal(read_in_pieces(weir_buf_str(&small), 1000, sizeof(text), &out), 0);
	weir_buf_fini(&out);
	assert_int_equal(read_in_pieces(weir_buf_str(&small), 1000, sizeof(text) - 1, &out), WEIR_CODING_TOO_LARGE);
	weir_buf_fini(&out);
	assert_int_equal(read_in_pieces(weir_buf_str(&small), 1000, 0, &out), WEIR_CODING_TOO_LARGE);
	weir_buf_fini(&out);
	weir_buf_fini(&small);
}

static void bomb_takes_no_more_memory_than_its_limit(void **state)
{
	size_t size = 32u << 20;
	char *text = calloc(1, size);
	struct weir_buf small = gzip_of(text, size), out;

	(void)state;
	free(text);
	assert_int_equal(read_in_pieces(weir_buf_str(&small), 65536, 100000, &out), WEIR_CODING_TOO_LARGE);
	assert_true(out.capacity <= 100001);
	weir_buf_fini(&out);
	weir_buf_fini(&small);
}

static void cut_off_text_is_malformed(void **state)
{
	struct weir_buf small = gzip_of("hello, hello, hello", 19), out;

	(void)state;
	for (size_t length = 0; length < small.length; length++) {
		assert_int_equal(
			read_in_pieces(weir_str_make(small.data, length), 5, 100, &out), WEIR_CODING_MALFORMED);
		weir_buf_fini(&out);
	}
	weir_buf_fini(&small);
}

static void changed_bytes_are_malformed(void **state)
{
	struct weir_buf small = gzip_of("hello, hello, hello", 19), out;

	(void)state;
	small.data[small.length - 6] = (char)(small.data[small.length - 6] ^ 1); /* in the checksum */
	assert_int_equal(read_in_pieces(weir_buf_str(&small), 100, 100, &out), WEIR_CODING_MALFORMED);
	weir_buf_fini(&out);
	assert_int_equal(read_in_pieces(weir_str_of("plain text"), 100, 100, &out), WEIR_CODING_MALFORMED);
	weir_buf_fini(&out);
	weir_buf_fini(&small);
}

static void members_one_after_the_other_are_one_text(void **state)
{
	struct weir_buf small = gzip_of("one ", 4), second = gzip_of("two", 3), out;

	(void)state;
	weir_buf_add_str(&small, weir_buf_str(&second));
	for (size_t step = 1; step < 60; step++) {
		assert_int_equal(read_in_pieces(weir_buf_str(&small), step, 7, &out), 0);
		assert_true(weir_str_is(weir_buf_str(&out), "one two"));
		weir_buf_fini(&out);
	}
	weir_buf_add_text(&small, "rubbish");
	assert_int_equal(read_in_pieces(weir_buf_str(&small), 100, 7, &out), WEIR_CODING_MALFORMED);
	weir_buf_fini(&out);
	weir_buf_fini(&small);
	weir_buf_fini(&second);
}

static void empty_text_inside_gzip_is_a_text(void **state)
{
	struct weir_buf small = gzip_of("", 0), out;

	(void)state;
	assert_int_equal(read_in_pieces(weir_buf_str(&small), 3, 0, &out), 0);
	assert_int_equal(out.length, 0);
	weir_buf_fini(&out);
	weir_buf_fini(&small);
}

static void accept_encoding_is_read_as_written(void **state)
{
	(void)state;
	assert_true(weir_coding_accepts_gzip(weir_str_of("gzip")));
	assert_true(weir_coding_accepts_gzip(weir_str_of("deflate, GZIP;q=0.5, br")));
	assert_true(weir_coding_accepts_gzip(weir_str_of("*")));
	assert_true(weir_coding_accepts_gzip(weir_str_of("br;q=1.0, *;q=0.1")));
	assert_false(weir_coding_accepts_gzip(weir_str_of("")));
	assert_false(weir_coding_accepts_gzip(weir_str_of("identity")));
	assert_false(weir_coding_accepts_gzip(weir_str_of("gzip;q=0")));
	assert_false(weir_coding_accepts_gzip(weir_str_of("gzip; q=0.000, *")));
	assert_false(weir_coding_accepts_gzip(weir_str_of("*;q=0")));
	assert_false(weir_coding_accepts_gzip(weir_str_of("gzipped")));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_cut_gives_the_text_back),
		cmocka_unit_test(every_two_pieces_give_the_text_back),
		cmocka_unit_test(limit_is_exact),
		cmocka_unit_test(bomb_takes_no_more_memory_than_its_limit),
		cmocka_unit_test(cut_off_text_is_malformed),
		cmocka_unit_test(changed_bytes_are_malformed),
		cmocka_unit_test(members_one_after_the_other_are_one_text),
		cmocka_unit_test(empty_text_inside_gzip_is_a_text),
		cmocka_unit_test(accept_encoding_is_read_as_written),
	};

	return cmocka_run_group_tests_name("coding", tests, NULL, NULL);
}
