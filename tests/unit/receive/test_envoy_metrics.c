/* envoy_metrics: what is the service's own; what it shares with access logs is in test_stream.c. */
#include "receive/receive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/stat.h"
#include "request.h"
#include "tests/unit/decode/encode.h"

struct fixture {
	struct bench bench;
	struct weir_envoy_metrics *metrics;
	struct weir_grpc_method methods[WEIR_ENVOY_METRICS_METHODS];
	struct weir_buf message;
};

static int setup_with(void **state, bool counters_are_deltas)
{
	struct fixture *f = calloc(1, sizeof(*f));

	bench_open(&f->bench, 1 << 20);
	f->bench.opts.envoy_counters_are_deltas = counters_are_deltas;
	assert_int_equal(weir_envoy_metrics_create(&f->bench.opts, &f->metrics), 0);
	weir_envoy_metrics_grpc(f->metrics, f->methods);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, false);
}

static int setup_deltas(void **state)
{
	return setup_with(state, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	weir_buf_fini(&f->message);
	weir_envoy_metrics_destroy(f->metrics);
	bench_close(&f->bench);
	free(f);
	return 0;
}

/* A counter family of `count` metrics, its name as long as told. */
static void make(struct fixture *f, unsigned count, size_t name_length)
{
	struct weir_buf family = { 0 }, metric = { 0 }, value = { 0 };
	char *name = malloc(name_length);

	memset(name, 'x', name_length);
	weir_buf_clear(&f->message);
	encode_bytes(&family, 1, name, name_length);
	encode_number(&family, 3, 0);
	for (unsigned i = 0; i < count; i++) {
		encode_fixed64(&value, 1, 0);
		encode_nested(&metric, 3, &value);
		encode_nested(&family, 4, &metric);
	}
	encode_nested(&f->message, 2, &family);
	weir_buf_fini(&family);
	weir_buf_fini(&metric);
	weir_buf_fini(&value);
	free(name);
}

static void *open_stream(struct fixture *f)
{
	struct weir_grpc_peer peer = { 0 };
	void *stream = NULL;

	assert_int_equal(f->methods[0].stream->open(f->methods[0].ctx, &peer, &stream), 0);
	return stream;
}

static enum weir_grpc_code give(struct fixture *f, void *stream)
{
	struct weir_grpc_answer answer = { 0 };

	assert_int_equal(
		f->methods[0].stream->message(f->methods[0].ctx, stream, weir_buf_str(&f->message), &answer), 0);
	return answer.code;
}

static void close_stream(struct fixture *f, void *stream)
{
	f->methods[0].stream->close(f->methods[0].ctx, stream);
}

static void check_temporality(struct fixture *f, enum weir_temporality want)
{
	void *stream = open_stream(f);
	const struct weir_batch *batch;

	make(f, 2, 10);
	assert_int_equal(give(f, stream), WEIR_GRPC_OK);
	batch = bench_next(&f->bench);
	assert_non_null(batch);
	assert_int_equal(batch->signal, WEIR_SIGNAL_METRIC_POINT);
	assert_int_equal(batch->points.count, 2);
	assert_int_equal(weir_batch_instruments(batch)->temporality, want);
	close_stream(f, stream);
}

static void counters_are_cumulative_by_default(void **state)
{
	check_temporality(*state, WEIR_TEMPORALITY_CUMULATIVE);
}

static void counters_are_deltas_when_configured(void **state)
{
	check_temporality(*state, WEIR_TEMPORALITY_DELTA);
}

static void stream_without_a_node_is_unknown_and_counted_once(void **state)
{
	struct fixture *f = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_UNKNOWN_SOURCE);
	void *stream = open_stream(f);

	for (int i = 0; i < 2; i++) {
		const struct weir_batch *batch;

		make(f, 1, 10);
		assert_int_equal(give(f, stream), WEIR_GRPC_OK);
		batch = bench_next(&f->bench);
		assert_true(weir_str_is(weir_batch_str(batch, batch->source), "unknown"));
	}
	assert_int_equal(weir_stat_get(WEIR_STAT_UNKNOWN_SOURCE), before + 1);
	close_stream(f, stream);
}

static void malformed_message_ends_the_stream_and_is_counted(void **state)
{
	struct fixture *f = *state;
	uint64_t before = weir_stat_refused_get(WEIR_SIGNAL_METRIC_POINT, WEIR_REFUSAL_MALFORMED);
	void *stream = open_stream(f);

	make(f, 2, 10);
	f->message.length--;
	assert_int_equal(give(f, stream), WEIR_GRPC_INVALID_ARGUMENT);
	assert_true(weir_stat_refused_get(WEIR_SIGNAL_METRIC_POINT, WEIR_REFUSAL_MALFORMED) > before);
	assert_null(bench_next(&f->bench));
	close_stream(f, stream);
}

static void too_large_a_message_ends_the_stream(void **state)
{
	static const size_t lengths[] = { 200000, (1 << 20) + 1 }; /* beyond an eighth of the ring; beyond the limit */
	struct fixture *f = *state;

	for (size_t i = 0; i < 2; i++) {
		void *stream = open_stream(f);

		make(f, 1, lengths[i]);
		assert_int_equal(give(f, stream), WEIR_GRPC_RESOURCE_EXHAUSTED);
		close_stream(f, stream);
	}
	assert_null(bench_next(&f->bench));
}

static void message_of_which_all_was_dropped_leaves_a_header(void **state)
{
	struct fixture *f = *state;
	void *stream = open_stream(f);
	const struct weir_batch *batch;

	make(f, 3, 0); /* without a name */
	assert_int_equal(give(f, stream), WEIR_GRPC_OK);
	batch = bench_next(&f->bench);
	assert_non_null(batch);
	assert_int_equal(batch->offered, 3);
	assert_int_equal(batch->dropped[WEIR_DROP_INVALID], 3);
	assert_true(batch->size_bytes < 512);
	close_stream(f, stream);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counters_are_cumulative_by_default, setup, teardown),
		cmocka_unit_test_setup_teardown(counters_are_deltas_when_configured, setup_deltas, teardown),
		cmocka_unit_test_setup_teardown(stream_without_a_node_is_unknown_and_counted_once, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_message_ends_the_stream_and_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(too_large_a_message_ends_the_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(message_of_which_all_was_dropped_leaves_a_header, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
