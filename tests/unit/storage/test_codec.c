/* test_codec: columns, and whole segments of random batches, there and back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

#include "maker.h"
#include "storage/segment_reader.h"
#include "storage/segment_writer.h"

static void column_check(const uint64_t *values, uint32_t count)
{
	struct weir_buf out;
	struct weir_codec_cursor in;
	uint64_t *copy = malloc(count * sizeof(*copy)), *back = malloc(count * sizeof(*back));

	weir_buf_init(&out, 0);
	memcpy(copy, values, count * sizeof(*copy));
	weir_codec_pack(&out, copy, count);
	in = (struct weir_codec_cursor){ (uint8_t *)out.data, (uint8_t *)out.data + out.length, false };
	weir_codec_unpack(&in, back, count);
	assert_false(in.is_bad);
	assert_ptr_equal(in.at, in.end);
	assert_memory_equal(values, back, count * sizeof(*back));
	weir_buf_fini(&out);
	free(copy);
	free(back);
}

static void columns_of_every_kind_come_back(void **state)
{
	uint64_t values[300];
	struct maker maker;

	(void)state;
	maker_init(&maker, 7);
	for (unsigned shift = 0; shift < 64; shift++) {
		for (unsigned i = 0; i < 300; i++) {
			values[i] = maker_random(&maker) >> shift;
		}
		column_check(values, 300);
		column_check(values, 1);
		for (unsigned i = 0; i < 300; i++) {
			values[i] = (values[i] % 100000000) * 1000 + UINT64_MAX / 1000 / 2 * 1000;
		}
		column_check(values, 300);
		for (unsigned i = 0; i < 300; i++) {
			values[i] = 1700000000000000000u + i * 1000003u;
		}
		column_check(values, 300);
	}
	values[0] = UINT64_MAX;
	values[1] = 0;
	column_check(values, 2);
	maker_fini(&maker);
}

static void a_rising_column_takes_a_byte_each(void **state)
{
	uint64_t values[1000];
	struct weir_buf out;

	(void)state;
	weir_buf_init(&out, 0);
	for (unsigned i = 0; i < 1000; i++) {
		values[i] = 100000u + 3 * i;
	}
	weir_codec_pack(&out, values, 1000);
	assert_true(out.length < 1010);
	weir_buf_fini(&out);
}

static struct weir_str segment_of(struct weir_segment_writer *writer, enum weir_rows kind,
	const struct weir_batch *batch, struct weir_segment_info *ret_info)
{
	struct weir_str data;

	weir_segment_writer_begin(writer, kind);
	assert_int_equal(weir_segment_writer_add(writer, batch, 0), weir_columns_table_of(batch, kind)->count);
	assert_int_equal(weir_segment_writer_finish(writer, &data, ret_info), 0);
	return data;
}

static void whatever_a_batch_holds_comes_back(void **state)
{
	struct weir_segment_writer *writer;
	struct weir_segment_reader *reader;
	struct weir_arena arena;

	(void)state;
	assert_int_equal(weir_segment_writer_create(42, &writer), 0);
	assert_int_equal(weir_segment_reader_create(&reader), 0);
	weir_arena_init(&arena, 1 << 16, 64 << 20);
	for (unsigned seed = 1; seed <= 60; seed++) {
		struct maker maker;
		struct weir_batch *batch;

		maker_init(&maker, seed);
		batch = maker_wild(&maker, 1 + seed * 7, 1700000000000000000u);
		for (unsigned kind = WEIR_ROWS_SPANS; kind <= WEIR_ROWS_CONNECTIONS; kind++) {
			struct weir_segment_info info;
			struct weir_str data = segment_of(writer, kind, batch, &info);
			const struct weir_batch *back;

			assert_int_equal(
				weir_segment_reader_decode(reader, data, WEIR_SEGMENT_PART_ALL, &arena, &back), 0);
			assert_true(weir_batch_is_sound(back, back->size_bytes));
			assert_int_equal(weir_columns_table_of(back, kind)->count, info.rows);
			assert_true(maker_is_same(batch, 0, back));
			assert_int_equal(
				weir_segment_reader_decode(reader, data, WEIR_SEGMENT_PART_CORE, &arena, &back), 0);
			assert_true(weir_batch_is_sound(back, back->size_bytes));
			weir_arena_reset(&arena);
		}
		free(batch);
		maker_fini(&maker);
	}
	weir_arena_fini(&arena);
	weir_segment_reader_destroy(reader);
	weir_segment_writer_destroy(writer);
}

static void rows_of_many_batches_share_their_resources(void **state)
{
	struct weir_segment_writer *writer;
	struct weir_batch *batches[50];
	struct weir_segment_head head;
	struct weir_segment_info info;
	struct weir_str data;
	struct maker maker;

	(void)state;
	maker_init(&maker, 3);
	assert_int_equal(weir_segment_writer_create(1, &writer), 0);
	weir_segment_writer_begin(writer, WEIR_ROWS_SPANS);
	for (unsigned i = 0; i < 50; i++) {
		batches[i] = maker_mesh(&maker, 20, 1700000000000000000u);
		assert_int_equal(weir_segment_writer_add(writer, batches[i], 0), 20);
	}
	assert_int_equal(weir_segment_writer_finish(writer, &data, &info), 0);
	assert_int_equal(weir_segment_head_read(data, &head), 0);
	assert_int_equal(head.rows[WEIR_ROWS_RESOURCES], 6);
	assert_int_equal(info.rows, 1000);
	for (unsigned i = 0; i < 50; i++) {
		free(batches[i]);
	}
	weir_segment_writer_destroy(writer);
	maker_fini(&maker);
}

static void a_full_segment_takes_no_more(void **state)
{
	struct weir_segment_writer *writer;
	struct weir_batch *batch;
	struct maker maker;

	(void)state;
	maker_init(&maker, 3);
	batch = maker_mesh(&maker, 3000, 1);
	assert_int_equal(weir_segment_writer_create(1, &writer), 0);
	weir_segment_writer_begin(writer, WEIR_ROWS_SPANS);
	assert_int_equal(weir_segment_writer_add(writer, batch, 0), WEIR_SEGMENT_ROWS);
	assert_int_equal(weir_segment_writer_add(writer, batch, WEIR_SEGMENT_ROWS), 0);
	weir_segment_writer_begin(writer, WEIR_ROWS_SPANS);
	assert_int_equal(weir_segment_writer_add(writer, batch, WEIR_SEGMENT_ROWS), 3000 - WEIR_SEGMENT_ROWS);
	free(batch);
	weir_segment_writer_destroy(writer);
	maker_fini(&maker);
}

/* A head whose own check is right again, so that the checks behind it must find the damage. */
static void head_repair(char *bytes)
{
	struct weir_segment_head head;

	memcpy(&head, bytes, sizeof(head));
	head.check = weir_codec_check(&head, offsetof(struct weir_segment_head, check));
	memcpy(bytes, &head, sizeof(head));
}

static void section_checks_repair(char *bytes, size_t length)
{
	struct weir_segment_head head;

	memcpy(&head, bytes, sizeof(head));
	for (unsigned i = 0; i < WEIR_SEGMENT_SECTIONS; i++) {
		uint64_t at = weir_segment_offset(&head, i);

		if (at + head.sections[i].stored_bytes <= length) {
			head.sections[i].check = weir_codec_check(bytes + at, head.sections[i].stored_bytes);
		}
	}
	memcpy(bytes, &head, sizeof(head));
	head_repair(bytes);
}

static void decode_any(
	struct weir_segment_reader *reader, struct weir_arena *arena, struct weir_str data, bool must_fail)
{
	/* A copy of exactly that length, so that a sanitizer sees a read beyond it. */
	char *bytes = malloc(data.length + 1);
	const struct weir_batch *back;

	memcpy(bytes, data.data, data.length);
	for (int part = WEIR_SEGMENT_PART_CORE; part <= WEIR_SEGMENT_PART_ALL; part++) {
		int result = weir_segment_reader_decode(reader, weir_str_make(bytes, data.length), part, arena, &back);

		if (result == 0) {
			assert_true(weir_batch_is_sound(back, back->size_bytes));
			if (must_fail) {
				assert_int_equal(part, WEIR_SEGMENT_PART_CORE);
			}
		}
		weir_arena_reset(arena);
	}
	free(bytes);
}

static void damaged_bytes_are_refused_and_never_crash(void **state)
{
	struct weir_segment_writer *writer;
	struct weir_segment_reader *reader;
	struct weir_arena arena;
	struct maker maker;

	(void)state;
	maker_init(&maker, 99);
	assert_int_equal(weir_segment_writer_create(42, &writer), 0);
	assert_int_equal(weir_segment_reader_create(&reader), 0);
	weir_arena_init(&arena, 1 << 16, 8 << 20);
	for (unsigned kind = WEIR_ROWS_SPANS; kind <= WEIR_ROWS_CONNECTIONS; kind++) {
		struct weir_batch *batch = maker_wild(&maker, 6, 1700000000000000000u);
		struct weir_segment_info info;
		struct weir_str data = segment_of(writer, kind, batch, &info);
		char *bytes = malloc(data.length);

		for (size_t i = 0; i < data.length; i++) {
			decode_any(reader, &arena, weir_str_make(data.data, i), true);
			for (unsigned bit = 0; bit < 8; bit += 3) {
				memcpy(bytes, data.data, data.length);
				bytes[i] = (char)(bytes[i] ^ 1 << bit);
				decode_any(reader, &arena, weir_str_make(bytes, data.length), true);
				if (i < sizeof(struct weir_segment_head)) {
					head_repair(bytes);
				} else {
					section_checks_repair(bytes, data.length);
				}
				decode_any(reader, &arena, weir_str_make(bytes, data.length), false);
			}
		}
		free(bytes);
		free(batch);
	}
	weir_arena_fini(&arena);
	weir_segment_reader_destroy(reader);
	weir_segment_writer_destroy(writer);
	maker_fini(&maker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(columns_of_every_kind_come_back),
		cmocka_unit_test(a_rising_column_takes_a_byte_each),
		cmocka_unit_test(whatever_a_batch_holds_comes_back),
		cmocka_unit_test(rows_of_many_batches_share_their_resources),
		cmocka_unit_test(a_full_segment_takes_no_more),
		cmocka_unit_test(damaged_bytes_are_refused_and_never_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
