/* stream: what both streaming services do alike: overload, certificates, names.
 * The clock of holding stands still until the test moves it. */
#include "receive/receive.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/stat.h"
#include "fill.h"
#include "request.h"
#include "tests/unit/decode/encode.h"

#define NODE "sidecar~10.0.0.5~details-v1-0ae45e8bec-cjht9.default~default.svc.cluster.local"
#define SPIFFE "spiffe://cluster.local/ns/default/sa/details"
#define FOREIGN "spiffe://cluster.local/ns/other/sa/details"
#define ENTRIES 5u

static uint64_t now_ns;

uint64_t __wrap_weir_clock_monotonic_ns(void);

uint64_t __wrap_weir_clock_monotonic_ns(void)
{
	return now_ns;
}

struct fixture {
	struct bench bench;
	struct weir_admit *admit;
	struct weir_als *als;
	struct weir_envoy_metrics *metrics;
	struct weir_grpc_method als_methods[WEIR_ALS_METHODS], metrics_methods[WEIR_ENVOY_METRICS_METHODS];
	struct weir_buf message;
};

static int setup_with(void **state, bool rejects_identity)
{
	struct fixture *f = calloc(1, sizeof(*f));

	now_ns = UINT64_C(1000000000);
	bench_open(&f->bench, 1 << 20);
	assert_int_equal(weir_admit_create(f->bench.ring, 100, &f->admit), 0);
	f->bench.opts.admit = f->admit;
	f->bench.opts.rejects_identity = rejects_identity;
	assert_int_equal(weir_als_create(&f->bench.opts, &f->als), 0);
	assert_int_equal(weir_envoy_metrics_create(&f->bench.opts, &f->metrics), 0);
	weir_als_grpc(f->als, f->als_methods);
	weir_envoy_metrics_grpc(f->metrics, f->metrics_methods);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, false);
}

static int setup_rejecting(void **state)
{
	return setup_with(state, true);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	weir_buf_fini(&f->message);
	weir_als_destroy(f->als);
	weir_envoy_metrics_destroy(f->metrics);
	weir_admit_destroy(f->admit);
	bench_close(&f->bench);
	free(f);
	return 0;
}

static void add_node(struct weir_buf *message)
{
	struct weir_buf node = { 0 }, identifier = { 0 };

	encode_text(&node, 1, NODE);
	encode_nested(&identifier, 1, &node);
	encode_nested(message, 1, &identifier);
	weir_buf_fini(&node);
	weir_buf_fini(&identifier);
}

static void make_logs(struct fixture *f)
{
	struct weir_buf logs = { 0 }, entry = { 0 }, part = { 0 };

	weir_buf_clear(&f->message);
	add_node(&f->message);
	for (unsigned i = 0; i < ENTRIES; i++) {
		encode_text(&part, 15, "inbound|9080||");
		encode_nested(&entry, 1, &part);
		encode_text(&part, 5, "/a/path/that/only/detail/needs");
		encode_text(&part, 9, "a-request-id");
		encode_nested(&entry, 3, &part);
		encode_nested(&logs, 1, &entry);
	}
	encode_nested(&f->message, 2, &logs);
	weir_buf_fini(&logs);
	weir_buf_fini(&entry);
	weir_buf_fini(&part);
}

static void make_points(struct fixture *f)
{
	struct weir_buf family = { 0 }, metric = { 0 }, value = { 0 };

	weir_buf_clear(&f->message);
	add_node(&f->message);
	encode_text(&family, 1, "server.uptime");
	encode_number(&family, 3, 1);
	for (unsigned i = 0; i < ENTRIES; i++) {
		encode_fixed64(&value, 1, 0);
		encode_nested(&metric, 2, &value);
		encode_nested(&family, 4, &metric);
	}
	encode_nested(&f->message, 2, &family);
	weir_buf_fini(&family);
	weir_buf_fini(&metric);
	weir_buf_fini(&value);
}

static void *open_as(const struct weir_grpc_method *method, const char *identity)
{
	struct weir_grpc_peer peer = { .address = weir_str_of("ipv4:10.0.0.5:4242"),
		.identity = weir_str_of(identity) };
	void *stream = NULL;

	assert_int_equal(method->stream->open(method->ctx, &peer, &stream), 0);
	return stream;
}

static int give(struct fixture *f, const struct weir_grpc_method *method, void *stream, enum weir_grpc_code want)
{
	struct weir_grpc_answer answer = { 0 };
	int r = method->stream->message(method->ctx, stream, weir_buf_str(&f->message), &answer);

	assert_int_equal(answer.code, want);
	assert_int_equal(answer.message != NULL, want != WEIR_GRPC_OK);
	return r;
}

/* What was put by the stream, behind what only fills the ring. */
static const struct weir_batch *next_of(struct fixture *f, enum weir_protocol protocol)
{
	const struct weir_batch *batch;

	do {
		batch = bench_next(&f->bench);
	} while (batch && (batch->protocol != protocol || batch->source.length != sizeof(NODE) - 1));
	return batch;
}

/* ---- names -------------------------------------------------------------- */

static void both_versions_are_served_by_their_own_paths(void **state)
{
	static const struct {
		const char *path;
		enum weir_protocol protocol;
		bool is_metrics;
		size_t row;
	} ways[] = {
		{ "/envoy.service.accesslog.v3.AccessLogService/StreamAccessLogs", WEIR_PROTOCOL_ALS_V3, false, 0 },
		{ "/envoy.service.accesslog.v2.AccessLogService/StreamAccessLogs", WEIR_PROTOCOL_ALS_V2, false, 1 },
		{ "/envoy.service.metrics.v3.MetricsService/StreamMetrics", WEIR_PROTOCOL_METRICS_V3, true, 0 },
		{ "/envoy.service.metrics.v2.MetricsService/StreamMetrics", WEIR_PROTOCOL_METRICS_V2, true, 1 },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const struct weir_grpc_method *methods = ways[i].is_metrics ? f->metrics_methods : f->als_methods;
		const struct weir_grpc_method *method = &methods[ways[i].row];
		struct weir_grpc_answer answer = { .code = WEIR_GRPC_INTERNAL };
		const struct weir_batch *batch;
		void *stream;

		assert_string_equal(method->path, ways[i].path);
		assert_non_null(method->refused);
		stream = open_as(method, "");
		(ways[i].is_metrics ? make_points : make_logs)(f);
		assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), 0);
		batch = next_of(f, ways[i].protocol);
		assert_non_null(batch);
		assert_int_equal(batch->kept, ENTRIES);
		assert_int_equal(batch->principal.length, 0);
		method->stream->end(method->ctx, stream, &answer);
		assert_int_equal(answer.code, WEIR_GRPC_OK);
		assert_int_equal(answer.body.length, 0);
		method->stream->close(method->ctx, stream);
	}
}

/* ---- overload ----------------------------------------------------------- */

static void log_is_held_for_its_time_and_then_taken_without_its_detail(void **state)
{
	struct fixture *f = *state;
	const struct weir_grpc_method *method = &f->als_methods[0];
	void *stream = open_as(method, "");
	const struct weir_batch *batch;

	fill_up(f->bench.ring, 57);
	make_logs(f);
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), WEIR_GRPC_HOLD);
	now_ns += WEIR_ADMIT_HOLD_MS * UINT64_C(1000000) - 1;
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), WEIR_GRPC_HOLD);
	now_ns += 1;
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), 0);
	batch = next_of(f, WEIR_PROTOCOL_ALS_V3);
	assert_non_null(batch);
	assert_int_equal(batch->offered, ENTRIES);
	assert_int_equal(batch->kept, 0);
	assert_int_equal(batch->thinned[WEIR_THIN_OVERLOAD], ENTRIES);
	assert_int_equal(batch->thinned[WEIR_THIN_STORAGE], 0);
	assert_int_equal(batch->requests.count, ENTRIES);
	assert_int_equal(weir_batch_requests(batch)->path.length, 0);
	assert_true(weir_str_is(weir_batch_str(batch, weir_batch_requests(batch)->request_id), "a-request-id"));
	assert_null(next_of(f, WEIR_PROTOCOL_ALS_V3)); /* the held offers left nothing */
	method->stream->close(method->ctx, stream);
}

static void stream_that_was_held_once_is_thinned_at_full_speed(void **state)
{
	struct fixture *f = *state;
	const struct weir_grpc_method *method = &f->als_methods[0];
	void *stream = open_as(method, ""), *other = open_as(method, "");

	fill_up(f->bench.ring, 57);
	make_logs(f);
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), WEIR_GRPC_HOLD);
	now_ns += WEIR_ADMIT_HOLD_MS * UINT64_C(1000000);
	for (unsigned i = 0; i < 10; i++) { /* the clock stands still */
		assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), 0);
	}
	assert_int_equal(give(f, method, other, WEIR_GRPC_OK), WEIR_GRPC_HOLD); /* each has its own time */

	/* Taken whole once; then the level is there again, and so is the hold. */
	fill_down(f->bench.ring, 40);
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), 0);
	for (unsigned i = 0; i < 10; i++) {
		const struct weir_batch *batch = next_of(f, WEIR_PROTOCOL_ALS_V3);

		assert_non_null(batch);
		assert_int_equal(batch->thinned[WEIR_THIN_OVERLOAD], ENTRIES);
		assert_int_equal(batch->offered, batch->kept + batch->thinned[WEIR_THIN_OVERLOAD]);
	}
	assert_int_equal(next_of(f, WEIR_PROTOCOL_ALS_V3)->kept, ENTRIES);
	fill_up(f->bench.ring, 57);
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), WEIR_GRPC_HOLD);
	method->stream->close(method->ctx, stream);
	method->stream->close(method->ctx, other);
}

static void log_is_taken_whole_when_there_is_room_again(void **state)
{
	struct fixture *f = *state;
	const struct weir_grpc_method *method = &f->als_methods[1];
	void *stream = open_as(method, "");
	const struct weir_batch *batch;

	fill_up(f->bench.ring, 57);
	make_logs(f);
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), WEIR_GRPC_HOLD);
	fill_down(f->bench.ring, 40);
	now_ns += UINT64_C(10000000000);
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), 0);
	batch = next_of(f, WEIR_PROTOCOL_ALS_V2);
	assert_non_null(batch);
	assert_int_equal(batch->kept, ENTRIES);
	assert_true(weir_batch_requests(batch)->path.length > 0);
	method->stream->close(method->ctx, stream);
}

static void failing_storage_is_the_reason_when_both_are(void **state)
{
	struct fixture *f = *state;
	const struct weir_grpc_method *method = &f->als_methods[0];
	void *stream = open_as(method, "");
	const struct weir_batch *batch;

	f->bench.is_failing = true;
	fill_up(f->bench.ring, 57);
	make_logs(f);
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), WEIR_GRPC_HOLD);
	now_ns += UINT64_C(1000000000);
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), 0);
	batch = next_of(f, WEIR_PROTOCOL_ALS_V3);
	assert_non_null(batch);
	assert_int_equal(batch->thinned[WEIR_THIN_STORAGE], ENTRIES);
	assert_int_equal(batch->thinned[WEIR_THIN_OVERLOAD], 0);
	assert_int_equal(weir_batch_requests(batch)->path.length, 0); /* cut all the same: there is no room for it */
	method->stream->close(method->ctx, stream);
}

static void points_are_held_for_their_time_and_then_taken_whole(void **state)
{
	struct fixture *f = *state;
	const struct weir_grpc_method *method = &f->metrics_methods[0];
	void *stream = open_as(method, "");
	const struct weir_batch *batch;

	f->bench.is_failing = true; /* points have no detail that a store would keep */
	fill_up(f->bench.ring, 57);
	make_points(f);
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), WEIR_GRPC_HOLD);
	now_ns += UINT64_C(1000000000);
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), 0);
	batch = next_of(f, WEIR_PROTOCOL_METRICS_V3);
	assert_non_null(batch);
	assert_int_equal(batch->kept, ENTRIES);
	assert_int_equal(batch->points.count, ENTRIES);
	method->stream->close(method->ctx, stream);
}

static void points_wait_for_a_full_ring_and_lose_nothing(void **state)
{
	struct fixture *f = *state;
	const struct weir_grpc_method *method = &f->metrics_methods[0];
	void *stream = open_as(method, "");
	unsigned taken = 0;
	int r = 0;

	fill_up(f->bench.ring, 62);
	make_points(f);
	now_ns += UINT64_C(1000000000);
	while (r == 0 && taken < 10000) {
		(void)give(f, method, stream, WEIR_GRPC_OK); /* begins to be held */
		now_ns += UINT64_C(1000000000);
		r = give(f, method, stream, WEIR_GRPC_OK);
		taken += r == 0;
	}
	assert_int_equal(r, WEIR_GRPC_HOLD);
	fill_down(f->bench.ring, 40);
	assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), 0);
	method->stream->close(method->ctx, stream);
}

/* ---- certificates ------------------------------------------------------- */

static void certificate_is_told_and_agreement_is_no_mismatch(void **state)
{
	struct fixture *f = *state;

	for (int is_metrics = 0; is_metrics < 2; is_metrics++) {
		const struct weir_grpc_method *method = is_metrics ? f->metrics_methods : f->als_methods;
		void *stream = open_as(method, SPIFFE);
		const struct weir_batch *batch;

		(is_metrics ? make_points : make_logs)(f);
		assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), 0);
		batch = next_of(f, is_metrics ? WEIR_PROTOCOL_METRICS_V3 : WEIR_PROTOCOL_ALS_V3);
		assert_non_null(batch);
		assert_true(weir_str_is(weir_batch_str(batch, batch->principal), SPIFFE));
		assert_int_equal(batch->mismatched, 0);
		method->stream->close(method->ctx, stream);
	}
}

static void another_name_than_the_certificates_is_marked(void **state)
{
	struct fixture *f = *state;

	for (int is_metrics = 0; is_metrics < 2; is_metrics++) {
		const struct weir_grpc_method *method = is_metrics ? f->metrics_methods : f->als_methods;
		void *stream = open_as(method, FOREIGN);
		const struct weir_batch *batch;

		(is_metrics ? make_points : make_logs)(f);
		assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), 0);
		batch = next_of(f, is_metrics ? WEIR_PROTOCOL_METRICS_V3 : WEIR_PROTOCOL_ALS_V3);
		assert_non_null(batch);
		assert_int_equal(batch->mismatched, ENTRIES);
		assert_int_equal(batch->kept, ENTRIES);
		method->stream->close(method->ctx, stream);
	}
}

static void another_name_than_the_certificates_is_refused_when_configured(void **state)
{
	struct fixture *f = *state;

	for (int is_metrics = 0; is_metrics < 2; is_metrics++) {
		const struct weir_grpc_method *method = is_metrics ? f->metrics_methods : f->als_methods;
		enum weir_signal signal = is_metrics ? WEIR_SIGNAL_METRIC_POINT : WEIR_SIGNAL_ACCESS_LOG;
		uint64_t before = weir_stat_refused_get(signal, WEIR_REFUSAL_IDENTITY);
		void *stream = open_as(method, FOREIGN);

		(is_metrics ? make_points : make_logs)(f);
		assert_int_equal(give(f, method, stream, WEIR_GRPC_PERMISSION_DENIED), 0);
		assert_int_equal(weir_stat_refused_get(signal, WEIR_REFUSAL_IDENTITY), before + ENTRIES);
		method->stream->close(method->ctx, stream);
		assert_null(bench_next(&f->bench));

		stream = open_as(method, SPIFFE);
		assert_int_equal(give(f, method, stream, WEIR_GRPC_OK), 0);
		method->stream->close(method->ctx, stream);
		assert_non_null(bench_next(&f->bench));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(both_versions_are_served_by_their_own_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(
			log_is_held_for_its_time_and_then_taken_without_its_detail, setup, teardown),
		cmocka_unit_test_setup_teardown(stream_that_was_held_once_is_thinned_at_full_speed, setup, teardown),
		cmocka_unit_test_setup_teardown(log_is_taken_whole_when_there_is_room_again, setup, teardown),
		cmocka_unit_test_setup_teardown(failing_storage_is_the_reason_when_both_are, setup, teardown),
		cmocka_unit_test_setup_teardown(points_are_held_for_their_time_and_then_taken_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(points_wait_for_a_full_ring_and_lose_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(certificate_is_told_and_agreement_is_no_mismatch, setup, teardown),
		cmocka_unit_test_setup_teardown(another_name_than_the_certificates_is_marked, setup, teardown),
		cmocka_unit_test_setup_teardown(
			another_name_than_the_certificates_is_refused_when_configured, setup_rejecting, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
