/* test_segment: the format on disk: golden files, filters, hashes.
 *
 * The files in golden were written once by this test (those of the version at
 * hand with WEIR_GOLDEN_WRITE=1); a segment written by any version must be
 * readable for ever. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "maker.h"
#include "storage/extract.h"
#include "storage/segment_reader.h"
#include "storage/segment_writer.h"
#include "support/batch_maker.h"

#define NOW 1700000000000000000u

#define WEIR_TEST_FILTER_BITS 0x1defcu
#define WEIR_TEST_TRACE_HASH 0x2a67162au

static const char *golden;
static const char *const names[2][4] = { { "spans", "requests", "connections", "" },
	{ "spans-2", "requests-2", "connections-2", "logs-2" } };

static struct weir_batch *golden_batch(void)
{
	struct maker maker;
	struct weir_batch *batch;

	maker_init(&maker, 2026);
	batch = maker_wild(&maker, 25, NOW);
	maker_fini(&maker);
	return batch;
}

/* What maker_wild knows nothing of: a log of each sort of body. */
static const struct weir_batch *golden_logs(struct batch_maker *maker)
{
	batch_maker_begin(maker, WEIR_PROTOCOL_OTLP_HTTP, WEIR_SIGNAL_LOG, "golden", NOW);
	batch_maker_resource(maker, "shop");
	batch_maker_tag(maker, "user", "7");
	for (uint32_t i = 0; i < 25; i++) {
		struct weir_ref text = batch_maker_text(maker, i % 2 != 0 ? "{\"a\":[1,2]}" : "ready");
		struct weir_log *log = batch_maker_log(maker);

		log->time_ns = i % 3 != 0 ? NOW - i : 0;
		log->severity = i % 25;
		log->attr_count = i % 2;
		log->body.type = i % (WEIR_ATTR_EMPTY + 1);
		if (log->body.type == WEIR_ATTR_DOUBLE) {
			log->body.value.real = i / 8.0;
		} else if (log->body.type == WEIR_ATTR_INT || log->body.type == WEIR_ATTR_BOOL) {
			log->body.value.number = log->body.type == WEIR_ATTR_BOOL ? 1 : -(int64_t)i;
		} else if (log->body.type != WEIR_ATTR_EMPTY) {
			log->body.value.text = text;
		}
		memset(log->trace_id, (int)(i % 4), sizeof(log->trace_id));
		memset(log->span_id, (int)(i % 2), sizeof(log->span_id));
	}
	return batch_maker_finish(maker);
}

static void logs_compare(const struct weir_batch *have, const struct weir_batch *want)
{
	for (uint32_t i = 0; i < want->logs.count; i++) {
		const struct weir_log *a = weir_batch_logs(have) + i, *b = weir_batch_logs(want) + i;

		assert_true(a->time_ns == b->time_ns && a->observed_ns == NOW && a->severity == b->severity);
		assert_memory_equal(a->trace_id, b->trace_id, sizeof(a->trace_id));
		assert_memory_equal(a->span_id, b->span_id, sizeof(a->span_id));
		assert_int_equal(a->attr_count, b->attr_count);
		assert_int_equal(a->body.type, b->body.type);
		if (b->body.type == WEIR_ATTR_STRING || b->body.type == WEIR_ATTR_JSON ||
			b->body.type == WEIR_ATTR_BYTES) {
			assert_true(weir_str_equal(
				weir_batch_str(have, a->body.value.text), weir_batch_str(want, b->body.value.text)));
		} else {
			assert_true(a->body.value.number == b->body.value.number);
		}
	}
}

static struct weir_str file_read(const char *name, char *bytes, size_t size)
{
	char path[512];
	FILE *file;
	size_t length;

	snprintf(path, sizeof(path), "%s/%s.segment", golden, name);
	file = fopen(path, "rb");
	assert_non_null(file);
	length = fread(bytes, 1, size, file);
	fclose(file);
	assert_true(length < size);
	return weir_str_make(bytes, length);
}

static void file_write(const char *name, struct weir_str data)
{
	char path[512];
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s.segment", golden, name);
	file = fopen(path, "wb");
	assert_non_null(file);
	assert_int_equal(fwrite(data.data, 1, data.length, file), data.length);
	fclose(file);
}

static void segment_write(const char *name, enum weir_rows kind, const struct weir_batch *batch)
{
	struct weir_segment_writer *writer;
	struct weir_segment_info info;
	struct weir_str data;

	assert_int_equal(weir_segment_writer_create(7, &writer), 0);
	weir_segment_writer_begin(writer, kind);
	weir_segment_writer_add(writer, batch, 0);
	assert_int_equal(weir_segment_writer_finish(writer, &data, &info), 0);
	file_write(name, data);
	weir_segment_writer_destroy(writer);
}

static void version_read(unsigned version)
{
	static char bytes[1 << 16];
	struct weir_batch *wild = golden_batch();
	struct weir_segment_reader *reader;
	struct batch_maker maker = { 0 };
	const struct weir_batch *logs = golden_logs(&maker), *back;
	struct weir_arena arena;

	assert_int_equal(weir_segment_reader_create(&reader), 0);
	weir_arena_init(&arena, 1 << 16, 16 << 20);
	for (unsigned i = 0; i < (version == 1 ? 3u : WEIR_COLUMNS_DETAILS); i++) {
		enum weir_rows kind = weir_columns_details[i];
		const char *name = names[version - 1][i];

		if (version == WEIR_SEGMENT_VERSION && getenv("WEIR_GOLDEN_WRITE") != NULL) {
			segment_write(name, kind, kind == WEIR_ROWS_LOGS ? logs : wild);
		}
		assert_int_equal(weir_segment_reader_decode(reader, file_read(name, bytes, sizeof(bytes)),
					 WEIR_SEGMENT_PART_ALL, &arena, &back),
			0);
		assert_int_equal(weir_columns_table_of(back, kind)->count, 25);
		assert_true(weir_batch_is_sound(back, back->size_bytes));
		if (kind == WEIR_ROWS_LOGS) {
			logs_compare(back, logs);
		} else {
			assert_true(maker_is_same(wild, 0, back));
		}
	}
	weir_arena_fini(&arena);
	weir_segment_reader_destroy(reader);
	batch_maker_fini(&maker);
	free(wild);
}

static void a_segment_of_version_1_is_read(void **state)
{
	(void)state;
	version_read(1);
}

static void a_segment_of_version_2_is_read(void **state)
{
	(void)state;
	version_read(2);
}

/* The same batch as an older weir would have left it in the ring: workloads end before their labels. Its rows move
 * together; all refs are of the pool, which stays. */
static struct weir_batch *as_version_2(const struct weir_batch *batch)
{
	struct weir_batch *old = malloc(batch->size_bytes);

	memcpy(old, batch, batch->size_bytes);
	old->version = 2;
	for (uint32_t i = 0; i < batch->workloads.count; i++) {
		memmove((char *)old + batch->workloads.offset + i * WEIR_WORKLOAD_BYTES_V2,
			weir_batch_workload(batch, i), WEIR_WORKLOAD_BYTES_V2);
	}
	assert_true(weir_batch_is_sound(old, old->size_bytes));
	return old;
}

static void batches_of_version_2_become_the_same_rows(void **state)
{
	static const enum weir_rows kinds[] = { WEIR_ROWS_REQUESTS, WEIR_ROWS_CONNECTIONS };
	struct weir_batch *wild = golden_batch(), *old = as_version_2(wild);
	struct weir_segment_writer *writer;
	struct weir_segment_reader *reader;
	struct weir_segment_info info;
	const struct weir_batch *back;
	struct weir_arena arena;
	struct weir_str data;
	uint32_t rows[25];

	(void)state;
	assert_true(wild->workloads.count > 1);
	assert_int_equal(weir_segment_reader_create(&reader), 0);
	assert_int_equal(weir_segment_writer_create(7, &writer), 0);
	weir_arena_init(&arena, 1 << 16, 16 << 20);
	for (unsigned i = 0; i < 2; i++) {
		weir_segment_writer_begin(writer, kinds[i]);
		weir_segment_writer_add(writer, old, 0);
		assert_int_equal(weir_segment_writer_finish(writer, &data, &info), 0);
		assert_int_equal(weir_segment_reader_decode(reader, data, WEIR_SEGMENT_PART_ALL, &arena, &back), 0);
		assert_true(weir_batch_is_sound(back, back->size_bytes));
		assert_int_equal(back->version, WEIR_BATCH_VERSION);
		assert_true(maker_is_same(wild, 0, back));
	}
	for (uint32_t i = 0; i < 25; i++) {
		rows[i] = i;
	}
	back = weir_extract_rows(&arena, old, WEIR_ROWS_REQUESTS, rows, 25);
	assert_non_null(back);
	assert_true(weir_batch_is_sound(back, back->size_bytes));
	assert_true(maker_is_same(wild, 0, back));
	weir_arena_fini(&arena);
	weir_segment_writer_destroy(writer);
	weir_segment_reader_destroy(reader);
	free(old);
	free(wild);
}

static void another_version_is_refused(void **state)
{
	static char bytes[1 << 16];
	struct weir_segment_head head;
	struct weir_str data = file_read("spans-2", bytes, sizeof(bytes));

	(void)state;
	memcpy(&head, data.data, sizeof(head));
	head.version++;
	head.check = weir_codec_check(&head, offsetof(struct weir_segment_head, check));
	memcpy(bytes, &head, sizeof(head));
	assert_int_equal(weir_segment_head_read(data, &head), -EBADMSG);
}

static void the_filter_and_the_trace_hash_are_part_of_the_format(void **state)
{
	uint8_t filter[WEIR_SEGMENT_FILTER_BYTES] = { 0 },
		id[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	struct weir_str service = weir_str_of("Reviews"), name = weir_str_of("GET /x");
	uint32_t bits = 0, hash = weir_segment_trace_hash(id, 42);

	(void)state;
	weir_segment_filter_add(filter, WEIR_SEGMENT_SPAN_NAME, service, name);
	for (unsigned i = 0; i < sizeof(filter); i++) {
		bits = filter[i] != 0 ? bits * 31 + i * 256 + filter[i] : bits;
	}
	assert_int_equal(bits, WEIR_TEST_FILTER_BITS);
	assert_int_equal(hash, WEIR_TEST_TRACE_HASH);
	assert_true(weir_segment_filter_may_have(
		filter, WEIR_SEGMENT_SPAN_NAME, weir_str_of("reviews"), weir_str_of("get /X")));
	assert_false(weir_segment_filter_may_have(filter, WEIR_SEGMENT_REMOTE_NAME, service, name));
	id[0] = 99; /* a short id finds the long ones */
	assert_int_equal(hash, weir_segment_trace_hash(id, 42));
	id[15] = 99;
	assert_int_not_equal(hash, weir_segment_trace_hash(id, 42));
}

static void what_is_known_of_a_segment_is_true(void **state)
{
	struct weir_segment_writer *writer;
	struct weir_batch *batch;
	struct weir_segment_info info;
	struct weir_str data;
	struct maker maker;

	(void)state;
	maker_init(&maker, 5);
	batch = maker_mesh(&maker, 900, NOW);
	assert_int_equal(weir_segment_writer_create(7, &writer), 0);
	weir_segment_writer_begin(writer, WEIR_ROWS_SPANS);
	weir_segment_writer_add(writer, batch, 0);
	assert_int_equal(weir_segment_writer_finish(writer, &data, &info), 0);
	for (uint32_t i = 0; i < 900; i++) {
		const struct weir_span *span = weir_batch_spans(batch) + i;
		uint32_t hash = weir_segment_trace_hash(span->trace_id, 7), found = 0;
		struct weir_str service = weir_batch_str(batch, weir_batch_resources(batch)[span->resource].service);

		for (uint32_t j = 0; j < info.trace_count; j++) {
			found += info.traces[j] == hash;
			assert_true(j == 0 || info.traces[j - 1] < info.traces[j]);
		}
		assert_int_equal(found, 1);
		assert_true(weir_segment_filter_may_have(
			info.filter, WEIR_SEGMENT_SPAN_NAME, service, weir_batch_str(batch, span->name)));
		assert_true(span->start_ns >= info.min_time && span->start_ns <= info.max_time);
	}
	assert_false(weir_segment_filter_may_have(
		info.filter, WEIR_SEGMENT_SPAN_NAME, weir_str_of("nobody"), weir_str_of("nothing")));
	assert_int_equal(info.min_arrival, NOW);
	weir_segment_writer_destroy(writer);
	free(batch);
	maker_fini(&maker);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_segment_of_version_1_is_read),
		cmocka_unit_test(a_segment_of_version_2_is_read),
		cmocka_unit_test(batches_of_version_2_become_the_same_rows),
		cmocka_unit_test(another_version_is_refused),
		cmocka_unit_test(the_filter_and_the_trace_hash_are_part_of_the_format),
		cmocka_unit_test(what_is_known_of_a_segment_is_true),
	};

	golden = argc > 1 ? argv[1] : "golden";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
