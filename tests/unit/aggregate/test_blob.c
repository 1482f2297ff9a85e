/* test_blob: what is written is read, and nothing is read past the end. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/blob.h"

static struct weir_blob_reader reader_of(const struct weir_buf *buf)
{
	const unsigned char *at = (const unsigned char *)buf->data;

	return (struct weir_blob_reader){ .at = at, .end = at + buf->length };
}

static void numbers_come_back_at_every_size(void **state)
{
	struct weir_blob_reader reader;
	struct weir_buf buf;

	(void)state;
	weir_buf_init(&buf, 0);
	for (unsigned shift = 0; shift < 64; shift++) {
		weir_blob_add_varint(&buf, (uint64_t)1 << shift);
		weir_blob_add_varint(&buf, ((uint64_t)1 << shift) - 1);
	}
	weir_blob_add_varint(&buf, UINT64_MAX);
	weir_blob_add_u64(&buf, UINT64_MAX - 1);
	reader = reader_of(&buf);
	for (unsigned shift = 0; shift < 64; shift++) {
		assert_true(weir_blob_varint(&reader) == (uint64_t)1 << shift);
		assert_true(weir_blob_varint(&reader) == ((uint64_t)1 << shift) - 1);
	}
	assert_true(weir_blob_varint(&reader) == UINT64_MAX);
	assert_true(weir_blob_u64(&reader) == UINT64_MAX - 1);
	assert_false(reader.is_bad);
	assert_int_equal(weir_blob_varint(&reader), 0);
	assert_true(reader.is_bad);
	weir_buf_fini(&buf);
}

static void sparse_words_come_back_at_every_count(void **state)
{
	uint64_t words[150], back[150];
	struct weir_blob_reader reader;
	struct weir_buf buf;

	(void)state;
	weir_buf_init(&buf, 0);
	for (uint32_t count = 0; count <= 150; count++) {
		for (uint32_t i = 0; i < count; i++) {
			words[i] = (i * 7 + count) % 3 == 0 ? (uint64_t)i << i % 60 : 0;
		}
		weir_buf_clear(&buf);
		weir_blob_add_words(&buf, words, count);
		reader = reader_of(&buf);
		weir_blob_words(&reader, back, count);
		assert_false(reader.is_bad);
		assert_ptr_equal(reader.at, reader.end);
		assert_memory_equal(words, back, count * sizeof(words[0]));
	}
	weir_buf_fini(&buf);
}

static void cut_off_bytes_are_bad_and_never_read(void **state)
{
	const uint64_t words[] = { 1, 0, UINT64_MAX, 77, 1u << 20 };
	struct weir_buf buf;

	(void)state;
	weir_buf_init(&buf, 0);
	weir_blob_add_words(&buf, words, 5);
	for (size_t length = 0; length < buf.length; length++) {
		/* Its own allocation: the sanitizer sees a read past the end. */
		unsigned char *part = malloc(length + 1);
		struct weir_blob_reader reader = { .at = part, .end = part + length };
		uint64_t back[5];

		memcpy(part, buf.data, length);
		weir_blob_words(&reader, back, 5);
		assert_true(reader.is_bad);
		free(part);
	}
	weir_buf_fini(&buf);
}

static void a_number_above_its_bound_is_bad(void **state)
{
	struct weir_blob_reader reader;
	struct weir_buf buf;

	(void)state;
	weir_buf_init(&buf, 0);
	weir_blob_add_varint(&buf, 300);
	reader = reader_of(&buf);
	assert_int_equal(weir_blob_number(&reader, 299), 0);
	assert_true(reader.is_bad);
	reader = reader_of(&buf);
	assert_int_equal(weir_blob_number(&reader, 300), 300);
	weir_buf_fini(&buf);
}

static void a_section_with_any_byte_changed_is_refused(void **state)
{
	struct weir_blob_reader reader, payload;
	struct weir_buf buf;
	uint32_t tag;
	size_t start;

	(void)state;
	weir_buf_init(&buf, 0);
	start = weir_blob_begin(&buf, 77);
	weir_blob_add_varint(&buf, 12345);
	weir_blob_end(&buf, start);
	for (size_t i = 0; i < buf.length; i++) {
		buf.data[i] = (char)(buf.data[i] ^ 4);
		reader = reader_of(&buf);
		assert_false(weir_blob_section(&reader, &tag, &payload));
		assert_true(reader.is_bad);
		buf.data[i] = (char)(buf.data[i] ^ 4);
	}
	reader = reader_of(&buf);
	assert_true(weir_blob_section(&reader, &tag, &payload));
	assert_int_equal(tag, 77);
	assert_int_equal(weir_blob_varint(&payload), 12345);
	assert_false(weir_blob_section(&reader, &tag, &payload));
	assert_false(reader.is_bad);
	weir_buf_fini(&buf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers_come_back_at_every_size),
		cmocka_unit_test(sparse_words_come_back_at_every_count),
		cmocka_unit_test(cut_off_bytes_are_bad_and_never_read),
		cmocka_unit_test(a_number_above_its_bound_is_bad),
		cmocka_unit_test(a_section_with_any_byte_changed_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
