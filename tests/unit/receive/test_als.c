/* als: a stream's life against a real ring: taken, held, refused, thinned. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/stat.h"
#include "receive/receive.h"
#include "tests/unit/decode/encode.h"

#define NODE "sidecar~10.0.0.5~details-v1-0ae45e8bec-cjht9.default~default.svc.cluster.local"

struct fixture {
	char directory[64];
	struct weir_ring *ring;
	struct weir_als *als;
	struct weir_grpc_method method, methods[WEIR_ALS_METHODS];
	bool is_failing;
	struct weir_buf message;
};

static bool is_failing(void *ctx)
{
	return ((struct fixture *)ctx)->is_failing;
}

static int setup(void **state)
{
	static const uint8_t database[16] = { 1 };
	struct fixture *f = calloc(1, sizeof(*f));
	struct weir_ring_opts ring = { .size_bytes = 1 << 20, .database_id = database };
	struct weir_receive_opts opts = { .max_message_bytes = 1 << 19, .is_storage_failing = is_failing, .ctx = f };
	struct weir_ring_found found;
	struct weir_ring_recovery recovery;

	strcpy(f->directory, "/tmp/weir-test-als-XXXXXX");
	assert_non_null(mkdtemp(f->directory));
	ring.directory = f->directory;
	assert_int_equal(weir_ring_open(&ring, &f->ring, &found), 0);
	assert_int_equal(weir_ring_recover(f->ring, 0, 0, &recovery), 0);
	opts.ring = f->ring;
	assert_int_equal(weir_als_create(&opts, &f->als), 0);
	weir_als_grpc(f->als, f->methods);
	f->method = f->methods[0];
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	weir_buf_fini(&f->message);
	weir_als_destroy(f->als);
	unlink(weir_ring_path(f->ring));
	weir_ring_close(f->ring);
	rmdir(f->directory);
	free(f);
	return 0;
}

/* A message of `count` entries, each padded by `padding` bytes of path. */
static void make(struct fixture *f, const char *node, unsigned count, size_t padding)
{
	struct weir_buf logs = { 0 }, entry = { 0 }, part = { 0 };
	char *path = malloc(padding + 1);

	memset(path, 'x', padding);
	path[padding] = '\0';
	weir_buf_clear(&f->message);
	if (node) {
		encode_text(&part, 1, node);
		encode_nested(&entry, 1, &part);
		encode_nested(&f->message, 1, &entry);
	}
	for (unsigned i = 0; i < count; i++) {
		encode_text(&part, 15, "inbound|9080||");
		encode_nested(&entry, 1, &part);
		encode_text(&part, 5, path);
		encode_nested(&entry, 3, &part);
		encode_nested(&logs, 1, &entry);
	}
	encode_nested(&f->message, 2, &logs);
	weir_buf_fini(&logs);
	weir_buf_fini(&entry);
	weir_buf_fini(&part);
	free(path);
}

static void *open_stream(struct fixture *f)
{
	struct weir_grpc_peer peer = { 0 };
	void *stream = NULL;

	assert_int_equal(f->method.stream->open(f->method.ctx, &peer, &stream), 0);
	return stream;
}

static int send_message(struct fixture *f, void *stream, struct weir_grpc_answer *answer)
{
	*answer = (struct weir_grpc_answer){ 0 };
	return f->method.stream->message(f->method.ctx, stream, weir_buf_str(&f->message), answer);
}

static const struct weir_batch *next(struct fixture *f)
{
	struct weir_ring_entry entry;

	assert_int_equal(weir_ring_next(f->ring, 0, &entry), 0);
	assert_true(weir_batch_is_sound(entry.batch, entry.batch->size_bytes));
	return entry.batch;
}

static void is_empty(struct fixture *f)
{
	struct weir_ring_entry entry;

	assert_int_equal(weir_ring_next(f->ring, 0, &entry), WEIR_RING_EMPTY);
}

static void messages_become_batches_of_their_node(void **state)
{
	struct fixture *f = *state;
	struct weir_grpc_answer answer;
	const struct weir_batch *batch;
	void *stream = open_stream(f);

	assert_string_equal(f->method.path, "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs");
	for (int i = 0; i < 2; i++) {
		make(f, i == 0 ? NODE : NULL, 3, 10);
		assert_int_equal(send_message(f, stream, &answer), 0);
		assert_int_equal(answer.code, WEIR_GRPC_OK);
		batch = next(f);
		assert_int_equal(batch->kept, 3);
		assert_int_equal(batch->protocol, WEIR_PROTOCOL_ALS_V3);
		assert_int_equal(batch->signal, WEIR_SIGNAL_ACCESS_LOG);
		assert_true(weir_str_is(weir_batch_str(batch, batch->source), NODE));
		for (size_t b = 0; b < sizeof(batch->digest); b++) {
			assert_int_equal(batch->digest[b], 0); /* a stream is exempt from the repeat check */
		}
		assert_true(batch->received_ns > 0);
	}
	f->method.stream->end(f->method.ctx, stream, &answer);
	assert_int_equal(answer.code, WEIR_GRPC_OK);
	assert_int_equal(answer.body.length, 0);
	f->method.stream->close(f->method.ctx, stream);
	is_empty(f);
}

static void stream_without_a_node_is_unknown_and_counted_once(void **state)
{
	struct fixture *f = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_UNKNOWN_SOURCE);
	struct weir_grpc_answer answer;
	void *stream = open_stream(f);

	for (int i = 0; i < 2; i++) {
		const struct weir_batch *batch;

		make(f, NULL, 1, 10);
		assert_int_equal(send_message(f, stream, &answer), 0);
		batch = next(f);
		assert_true(weir_str_is(weir_batch_str(batch, batch->source), "unknown"));
	}
	assert_int_equal(weir_stat_get(WEIR_STAT_UNKNOWN_SOURCE), before + 1);
	f->method.stream->close(f->method.ctx, stream);
}

static void full_ring_holds_the_stream_and_takes_the_same_message_later(void **state)
{
	struct fixture *f = *state;
	struct weir_grpc_answer answer;
	struct weir_ring_entry entry = { 0 };
	void *stream = open_stream(f);
	unsigned taken = 0, read = 0;
	int r = 0;

	make(f, NODE, 10, 4000);
	while (r == 0 && taken < 1000) {
		r = send_message(f, stream, &answer);
		taken += r == 0;
	}
	assert_int_equal(r, WEIR_GRPC_HOLD);
	assert_int_equal(answer.code, WEIR_GRPC_OK);
	while (weir_ring_next(f->ring, 0, &entry) == 0) {
		read++;
	}
	assert_int_equal(read, taken); /* the held one left no trace */
	weir_ring_release(f->ring, entry.end);
	assert_int_equal(send_message(f, stream, &answer), 0);
	assert_int_equal(next(f)->kept, 10);
	f->method.stream->close(f->method.ctx, stream);
}

static void malformed_message_ends_the_stream(void **state)
{
	struct fixture *f = *state;
	uint64_t before = weir_stat_refused_get(WEIR_SIGNAL_ACCESS_LOG, WEIR_REFUSAL_MALFORMED);
	struct weir_grpc_answer answer;
	void *stream = open_stream(f);

	make(f, NODE, 2, 10);
	f->message.length--;
	assert_int_equal(send_message(f, stream, &answer), 0);
	assert_int_equal(answer.code, WEIR_GRPC_INVALID_ARGUMENT);
	assert_non_null(answer.message);
	assert_true(weir_stat_refused_get(WEIR_SIGNAL_ACCESS_LOG, WEIR_REFUSAL_MALFORMED) > before);
	is_empty(f);
	f->method.stream->close(f->method.ctx, stream);
}

static void too_large_a_message_ends_the_stream(void **state)
{
	static const size_t paddings[] = { 200000, 600000 }; /* beyond an eighth of the ring; beyond the limit */
	struct fixture *f = *state;
	struct weir_grpc_answer answer;

	for (size_t i = 0; i < 2; i++) {
		void *stream = open_stream(f);

		make(f, NODE, 1, paddings[i]);
		assert_int_equal(send_message(f, stream, &answer), 0);
		assert_int_equal(answer.code, WEIR_GRPC_RESOURCE_EXHAUSTED);
		f->method.stream->close(f->method.ctx, stream);
	}
	is_empty(f);
}

static void failing_storage_thins_the_detail_and_keeps_the_rows(void **state)
{
	struct fixture *f = *state;
	struct weir_grpc_answer answer;
	const struct weir_batch *batch;
	void *stream = open_stream(f);

	f->is_failing = true;
	make(f, NODE, 4, 10);
	assert_int_equal(send_message(f, stream, &answer), 0);
	assert_int_equal(answer.code, WEIR_GRPC_OK);
	batch = next(f);
	assert_int_equal(batch->offered, 4);
	assert_int_equal(batch->kept, 0);
	assert_int_equal(batch->thinned[WEIR_THIN_STORAGE], 4);
	assert_int_equal(batch->requests.count, 4);
	f->method.stream->close(f->method.ctx, stream);
}

static void sealed_ring_ends_the_stream(void **state)
{
	struct fixture *f = *state;
	struct weir_grpc_answer answer;
	void *stream = open_stream(f);

	weir_ring_seal(f->ring);
	make(f, NODE, 1, 10);
	assert_int_equal(send_message(f, stream, &answer), 0);
	assert_int_equal(answer.code, WEIR_GRPC_UNAVAILABLE);
	f->method.stream->close(f->method.ctx, stream);
}

static void identifier_alone_puts_nothing(void **state)
{
	struct fixture *f = *state;
	struct weir_grpc_answer answer;
	void *stream = open_stream(f);

	make(f, NODE, 0, 0);
	assert_int_equal(send_message(f, stream, &answer), 0);
	assert_int_equal(answer.code, WEIR_GRPC_OK);
	is_empty(f);
	f->method.stream->close(f->method.ctx, stream);
	f->method.stream->close(f->method.ctx, NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(messages_become_batches_of_their_node, setup, teardown),
		cmocka_unit_test_setup_teardown(stream_without_a_node_is_unknown_and_counted_once, setup, teardown),
		cmocka_unit_test_setup_teardown(
			full_ring_holds_the_stream_and_takes_the_same_message_later, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_message_ends_the_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(too_large_a_message_ends_the_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(failing_storage_thins_the_detail_and_keeps_the_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(sealed_ring_ends_the_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(identifier_alone_puts_nothing, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
