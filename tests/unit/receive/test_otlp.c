/* Tests of the OTLP receiver: what is answered, what is in the ring, what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "google/rpc/status.pb-c.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"

#include "../decode/encode.h"
#include "base/crash.h"
#include "base/stat.h"
#include "request.h"

#define PROTOBUF "application/x-protobuf"

static struct bench bench;
static struct weir_otlp *otlp;
static struct weir_grpc_method methods[WEIR_OTLP_METHODS], method;
static struct weir_http_route routes[WEIR_OTLP_ROUTES], route;
static struct weir_buf body, span;

static int setup(void **state)
{
	(void)state;
	bench_open(&bench, 1 << 20);
	assert_int_equal(weir_otlp_create(&bench.opts, &otlp), 0);
	weir_otlp_grpc(otlp, methods);
	weir_otlp_http(otlp, routes);
	method = methods[0];
	route = routes[0];
	weir_buf_init(&body, 0);
	weir_buf_init(&span, 0);
	encode_span_ids(&span, 1, 2, 0);
	encode_request(&body, "shop", &span);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_otlp_destroy(otlp);
	bench_close(&bench);
	weir_buf_fini(&body);
	weir_buf_fini(&span);
	return 0;
}

/* Calls, checks the code and gives the answer without its body. */
static struct weir_grpc_answer called(enum weir_grpc_code code)
{
	struct weir_grpc_answer answer = call(&method, weir_buf_str(&body));

	assert_int_equal(answer.code, code);
	weir_buf_fini(&answer.body);
	return answer;
}

/* The same over HTTP; an error's body must be a Status that names `code`. */
static struct weir_http_response posted(unsigned status, int code)
{
	struct weir_http_response response = post(&route, weir_buf_str(&body), PROTOBUF);

	assert_int_equal(response.status, status);
	assert_string_equal(response.content_type, PROTOBUF);
	if (status != 200) {
		Google__Rpc__Status *told =
			google__rpc__status__unpack(NULL, response.body.length, (uint8_t *)response.body.data);

		assert_non_null(told);
		assert_int_equal(told->code, code);
		assert_true(strlen(told->message) > 0);
		google__rpc__status__free_unpacked(told, NULL);
	}
	weir_buf_fini(&response.body);
	return response;
}

static void answered_batch_is_in_the_ring(void **state)
{
	static const uint8_t none[16];
	const struct weir_batch *batch;

	(void)state;
	assert_string_equal(method.path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
	called(WEIR_GRPC_OK);
	batch = bench_next(&bench);
	assert_non_null(batch);
	assert_int_equal(batch->protocol, WEIR_PROTOCOL_OTLP_GRPC);
	assert_int_equal(batch->signal, WEIR_SIGNAL_SPAN);
	assert_int_equal(batch->kept, 1);
	assert_true(batch->received_ns > 0);
	assert_true(weir_str_is(weir_batch_str(batch, batch->source), "shop"));
	assert_memory_not_equal(batch->digest, none, sizeof(none));
	posted(200, 0);
	batch = bench_next(&bench);
	assert_non_null(batch);
	assert_int_equal(batch->protocol, WEIR_PROTOCOL_OTLP_HTTP);
	assert_null(bench_next(&bench));
}

static void repeated_body_has_the_same_digest(void **state)
{
	uint8_t first[16];

	(void)state;
	called(WEIR_GRPC_OK);
	memcpy(first, bench_next(&bench)->digest, sizeof(first));
	called(WEIR_GRPC_OK);
	assert_memory_equal(bench_next(&bench)->digest, first, sizeof(first));
	posted(200, 0); /* another method */
	assert_memory_not_equal(bench_next(&bench)->digest, first, sizeof(first));
	encode_span_ids(&span, 1, 3, 0);
	encode_request(&body, "shop", &span);
	called(WEIR_GRPC_OK);
	assert_memory_not_equal(bench_next(&bench)->digest, first, sizeof(first));
}

static void empty_request_is_ok_and_puts_nothing(void **state)
{
	struct weir_grpc_answer answer;

	(void)state;
	weir_buf_clear(&body);
	answer = call(&method, weir_buf_str(&body));
	assert_int_equal(answer.code, WEIR_GRPC_OK);
	assert_int_equal(answer.body.length, 0);
	weir_buf_fini(&answer.body);
	posted(200, 0);
	assert_null(bench_next(&bench));
}

static void nameless_sender_is_its_address(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	weir_buf_clear(&body);
	encode_span_ids(&span, 1, 2, 0);
	encode_request(&body, NULL, &span);
	called(WEIR_GRPC_OK);
	batch = bench_next(&bench);
	assert_true(weir_str_is(weir_batch_str(batch, batch->source), "10.0.0.9"));
}

static void dropped_spans_are_told_and_leave_a_header(void **state)
{
	Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceResponse *told;
	const struct weir_batch *batch;
	struct weir_grpc_answer answer;

	(void)state;
	weir_buf_clear(&body);
	encode_text(&span, 5, "no ids");
	encode_request(&body, "shop", &span);
	answer = call(&method, weir_buf_str(&body));
	assert_int_equal(answer.code, WEIR_GRPC_OK);
	told = opentelemetry__proto__collector__trace__v1__export_trace_service_response__unpack(
		NULL, answer.body.length, (uint8_t *)answer.body.data);
	assert_non_null(told);
	assert_int_equal(told->partial_success->rejected_spans, 1);
	assert_true(strlen(told->partial_success->error_message) > 0);
	opentelemetry__proto__collector__trace__v1__export_trace_service_response__free_unpacked(told, NULL);
	weir_buf_fini(&answer.body);
	batch = bench_next(&bench);
	assert_non_null(batch);
	assert_int_equal(batch->offered, 1);
	assert_int_equal(batch->kept, 0);
	assert_int_equal(batch->dropped[WEIR_DROP_INVALID], 1);
}

static void malformed_body_leaves_no_trace_but_a_count(void **state)
{
	uint64_t before = weir_stat_refused_get(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_MALFORMED);
	uint64_t malformed = weir_stat_get(WEIR_STAT_MALFORMED_PROTOBUF);

	(void)state;
	body.length--;
	assert_non_null(called(WEIR_GRPC_INVALID_ARGUMENT).message);
	assert_int_equal(posted(400, WEIR_GRPC_INVALID_ARGUMENT).retry_after_s, 0);
	assert_null(bench_next(&bench));
	assert_int_equal(weir_stat_refused_get(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_MALFORMED), before + 2);
	assert_int_equal(weir_stat_get(WEIR_STAT_MALFORMED_PROTOBUF), malformed + 2);
}

static void full_ring_refuses_and_counts(void **state)
{
	uint64_t before = weir_stat_refused_get(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_RING_FULL);
	struct weir_grpc_answer answer;
	unsigned puts = 0;

	(void)state;
	weir_buf_clear(&body);
	for (int i = 0; i < 300; i++) {
		encode_span_ids(&span, 1, 2, 0);
		encode_request(&body, "shop", &span);
	}
	while ((answer = call(&method, weir_buf_str(&body))).code == WEIR_GRPC_OK) {
		assert_true(++puts < 100);
	}
	assert_true(puts > 0);
	assert_int_equal(answer.code, WEIR_GRPC_RESOURCE_EXHAUSTED);
	assert_int_equal(answer.retry_delay_ms, 1000);
	assert_int_equal(weir_stat_refused_get(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_RING_FULL), before + 300);
	assert_int_equal(posted(429, WEIR_GRPC_RESOURCE_EXHAUSTED).retry_after_s, 1);
}

static void too_large_is_refused_without_a_time_to_come_again(void **state)
{
	uint64_t before = weir_stat_refused_get(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_TOO_LARGE);

	(void)state;
	/* Larger than an eighth of the ring. */
	weir_buf_clear(&body);
	for (int i = 0; i < 1500; i++) {
		encode_span_ids(&span, 1, 2, 0);
		encode_request(&body, "shop", &span);
	}
	assert_int_equal(called(WEIR_GRPC_RESOURCE_EXHAUSTED).retry_delay_ms, 0);
	assert_int_equal(posted(413, WEIR_GRPC_RESOURCE_EXHAUSTED).retry_after_s, 0);
	assert_true(weir_stat_refused_get(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_TOO_LARGE) >= before + 2);
	/* Larger than a message may be. */
	while (body.length <= bench.opts.max_message_bytes) {
		encode_text(&body, 99, "an unknown field that only takes room");
	}
	assert_int_equal(called(WEIR_GRPC_RESOURCE_EXHAUSTED).retry_delay_ms, 0);
	assert_null(bench_next(&bench));
}

static void failing_storage_refuses_and_counts(void **state)
{
	uint64_t before = weir_stat_refused_get(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_STORAGE);

	(void)state;
	bench.is_failing = true;
	assert_int_equal(called(WEIR_GRPC_RESOURCE_EXHAUSTED).retry_delay_ms, 5000);
	assert_int_equal(posted(503, WEIR_GRPC_RESOURCE_EXHAUSTED).retry_after_s, 5);
	assert_int_equal(weir_stat_refused_get(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_STORAGE), before + 2);
	assert_null(bench_next(&bench));
	bench.is_failing = false;
	called(WEIR_GRPC_OK);
}

static void sealed_ring_is_unavailable(void **state)
{
	(void)state;
	weir_ring_seal(bench.ring);
	called(WEIR_GRPC_UNAVAILABLE);
	posted(503, WEIR_GRPC_UNAVAILABLE);
}

static void answers_are_parked_only_when_asked(void **state)
{
	struct bench always = bench;
	struct weir_otlp *parking;
	uint64_t position;

	(void)state;
	assert_int_equal(called(WEIR_GRPC_OK).park_position, 0);
	always.opts.parks = true;
	assert_int_equal(weir_otlp_create(&always.opts, &parking), 0);
	weir_otlp_grpc(parking, methods);
	weir_otlp_http(parking, routes);
	method = methods[0];
	route = routes[0];
	position = called(WEIR_GRPC_OK).park_position;
	assert_int_equal(position, weir_ring_head(bench.ring));
	position = posted(200, 0).park_position;
	assert_int_equal(position, weir_ring_head(bench.ring));
	weir_otlp_destroy(parking);
}

static unsigned crash_points;

static void crash_seen(const char *point)
{
	if (strcmp(point, "before_answer") == 0) {
		crash_points++;
		assert_non_null(bench_next(&bench));
	}
}

static void crash_point_stands_between_ring_and_answer(void **state)
{
	(void)state;
	crash_points = 0;
	weir_crash_hook = crash_seen;
	called(WEIR_GRPC_OK);
	weir_crash_hook = NULL;
	assert_int_equal(crash_points, 1);
}

static void content_types_are_checked(void **state)
{
	static const char *const taken[] = { "application/x-protobuf; charset=utf-8", "Application/X-Protobuf",
		"application/protobuf" };
	struct weir_http_response response;

	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		response = post(&route, weir_buf_str(&body), taken[i]);
		assert_int_equal(response.status, 200);
		weir_buf_fini(&response.body);
	}
	response = post(&route, weir_str_of("{}"), "application/json;charset=utf-8");
	assert_int_equal(response.status, 200);
	assert_string_equal(response.content_type, "application/json");
	assert_true(weir_str_is(weir_buf_str(&response.body), "{}"));
	weir_buf_fini(&response.body);
	response = post(&route, weir_str_of("x"), NULL);
	assert_int_equal(response.status, 415);
	weir_buf_fini(&response.body);
}

/* ---- three signals ---------------------------------------------------------- */

static const struct {
	enum weir_signal signal;
	const char *method, *path, *items, *rejected;
} signals[] = {
	{ WEIR_SIGNAL_SPAN, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", "/v1/traces",
		"{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"name\":\"x\"},{\"traceId\":"
		"\"0102030405060708090a0b0c0d0e0f10\",\"spanId\":\"0102030405060708\"}]}]}]}",
		"rejectedSpans" },
	{ WEIR_SIGNAL_METRIC_POINT, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", "/v1/metrics",
		"{\"resourceMetrics\":[{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"x\",\"gauge\":{\"dataPoints\":[{},"
		"{\"asInt\":\"5\"},{\"flags\":1}]}}]}]}]}",
		"rejectedDataPoints" },
	{ WEIR_SIGNAL_LOG, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", "/v1/logs",
		"{\"resourceLogs\":[{\"scopeLogs\":[{\"logRecords\":[{\"body\":{\"stringValue\":\"x\"}}]}]}]}", NULL },
};

#define SIGNALS (sizeof(signals) / sizeof(signals[0]))

static void each_signal_has_its_method_and_route(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIGNALS; i++) {
		assert_string_equal(methods[i].path, signals[i].method);
		assert_string_equal(routes[i].path, signals[i].path);
		assert_string_equal(routes[i].method, "POST");
		assert_int_equal(routes[i].kind, WEIR_ROUTE_INGEST);
	}
}

static void json_is_answered_in_json_with_what_was_rejected(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIGNALS; i++) {
		struct weir_http_response response =
			post(&routes[i], weir_str_of(signals[i].items), "application/json; charset=utf-8");
		const struct weir_batch *batch = bench_next(&bench);
		char text[512];

		assert_int_equal(response.status, 200);
		assert_string_equal(response.content_type, "application/json");
		snprintf(text, sizeof(text), "%.*s", (int)response.body.length, response.body.data);
		if (signals[i].rejected != NULL) {
			char want[64];

			snprintf(want, sizeof(want), "\"%s\":\"1\"", signals[i].rejected);
			assert_non_null(strstr(text, want));
			assert_non_null(strstr(text, "\"errorMessage\":\""));
		} else {
			assert_string_equal(text, "{}");
		}
		assert_non_null(batch);
		assert_int_equal(batch->signal, signals[i].signal);
		assert_int_equal(batch->protocol, WEIR_PROTOCOL_OTLP_HTTP);
		assert_int_equal(batch->kept, 1);
		weir_buf_fini(&response.body);
	}
	assert_null(bench_next(&bench));
}

/* A gauge of this kind of point, twice: field 6 is its number, field 8 its flags. */
static void points_encode(uint32_t field, uint64_t value)
{
	struct weir_buf metric, data, point;

	weir_buf_init(&metric, 0);
	weir_buf_init(&data, 0);
	weir_buf_init(&point, 0);
	weir_buf_clear(&body);
	encode_text(&metric, 1, "g");
	for (int i = 0; i < 2; i++) {
		if (field == 6) {
			encode_fixed64(&point, field, value);
		} else {
			encode_number(&point, field, value);
		}
		encode_nested(&data, 1, &point);
	}
	encode_nested(&metric, 5, &data);
	encode_request(&body, "shop", &metric);
	weir_buf_fini(&metric);
	weir_buf_fini(&data);
	weir_buf_fini(&point);
}

static void points_without_value_are_rejected_unless_they_say_so(void **state)
{
	Opentelemetry__Proto__Collector__Metrics__V1__ExportMetricsServiceResponse *told;
	struct weir_grpc_answer answer;

	(void)state;
	points_encode(8, 1); /* the flag: nothing was recorded */
	answer = call(&methods[1], weir_buf_str(&body));
	assert_int_equal(answer.code, WEIR_GRPC_OK);
	assert_int_equal(answer.body.length, 0);
	assert_int_equal(bench_next(&bench)->dropped[WEIR_DROP_NO_VALUE], 2);
	points_encode(8, 0);
	answer = call(&methods[1], weir_buf_str(&body));
	assert_int_equal(answer.code, WEIR_GRPC_OK);
	told = opentelemetry__proto__collector__metrics__v1__export_metrics_service_response__unpack(
		NULL, answer.body.length, (uint8_t *)answer.body.data);
	assert_non_null(told);
	assert_int_equal(told->partial_success->rejected_data_points, 2);
	assert_true(strlen(told->partial_success->error_message) > 0);
	opentelemetry__proto__collector__metrics__v1__export_metrics_service_response__free_unpacked(told, NULL);
	weir_buf_fini(&answer.body);
	assert_int_equal(bench_next(&bench)->dropped[WEIR_DROP_INVALID], 2);
	points_encode(6, 7);
	answer = call(&methods[1], weir_buf_str(&body));
	assert_int_equal(answer.body.length, 0);
	assert_int_equal(bench_next(&bench)->kept, 2);
}

static void refusals_are_counted_by_signal(void **state)
{
	(void)state;
	for (size_t i = 0; i < SIGNALS; i++) {
		uint64_t before[WEIR_SIGNALS];
		uint64_t json = weir_stat_get(WEIR_STAT_MALFORMED_JSON);
		struct weir_http_response response;
		struct weir_grpc_answer answer;

		for (unsigned k = 0; k < WEIR_SIGNALS; k++) {
			before[k] = weir_stat_refused_get(k, WEIR_REFUSAL_MALFORMED);
		}
		answer = call(&methods[i], weir_str_of("\n\x7f"));
		assert_int_equal(answer.code, WEIR_GRPC_INVALID_ARGUMENT);
		response = post(&routes[i], weir_str_of("{\"resource"), "application/json");
		assert_int_equal(response.status, 400);
		assert_string_equal(response.content_type, "application/json");
		assert_true(weir_str_starts_with(weir_buf_str(&response.body), "{\"code\":3,\"message\":\""));
		weir_buf_fini(&response.body);
		response = post(&routes[i], weir_str_of("x"), "text/plain");
		assert_int_equal(response.status, 415);
		weir_buf_fini(&response.body);
		methods[i].refused(methods[i].ctx, WEIR_ROUTE_MALFORMED); /* by serve: gzip, for instance */
		for (unsigned k = 0; k < WEIR_SIGNALS; k++) {
			assert_int_equal(weir_stat_refused_get(k, WEIR_REFUSAL_MALFORMED),
				before[k] + (k == signals[i].signal ? 4 : 0));
		}
		assert_int_equal(weir_stat_get(WEIR_STAT_MALFORMED_JSON), json + 1);
	}
	assert_null(bench_next(&bench));
}

static void errors_are_told_in_the_encoding_of_the_request(void **state)
{
	struct weir_http_response response;

	(void)state;
	bench.is_failing = true;
	response = post(&routes[2], weir_str_of(signals[2].items), "application/json");
	assert_int_equal(response.status, 503);
	assert_int_equal(response.retry_after_s, 5);
	assert_string_equal(response.content_type, "application/json");
	assert_true(weir_str_starts_with(weir_buf_str(&response.body), "{\"code\":8,\"message\":\""));
	weir_buf_fini(&response.body);
}

#define NODE "sidecar~10.0.0.1~reviews-v1-5f8d7c9b6-8xv7d.default~default.svc.cluster.local"

/* A record of an Envoy's access logger, into `body`. */
static void access_log_encode(void)
{
	struct weir_buf group, inner;

	weir_buf_init(&group, 0);
	weir_buf_init(&inner, 0);
	weir_buf_clear(&body);
	encode_pair_text(&inner, 1, "service.name", "reviews.default");
	encode_pair_text(&inner, 1, "node_name", NODE);
	encode_nested(&group, 1, &inner);
	weir_buf_clear(&span);
	encode_fixed64(&span, 1, 7); /* its time */
	encode_pair_text(&span, 6, "response_code", "200");
	encode_pair_text(&span, 6, "method", "GET");
	encode_nested(&inner, 2, &span);
	encode_nested(&group, 2, &inner);
	encode_nested(&body, 1, &group);
	weir_buf_fini(&group);
	weir_buf_fini(&inner);
}

static void envoys_stand_under_their_own_name_in_the_ledger(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	access_log_encode();
	assert_int_equal(call(&methods[2], weir_buf_str(&body)).code, WEIR_GRPC_OK);
	batch = bench_next(&bench);
	assert_true(weir_str_is(weir_batch_str(batch, batch->source), NODE));
	assert_int_equal(batch->requests.count, 1);
	assert_int_equal(batch->kept, 1);
}

static void what_bears_metrics_is_taken_while_the_store_fails(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	bench.is_failing = true;
	points_encode(6, 7);
	assert_int_equal(call(&methods[1], weir_buf_str(&body)).code, WEIR_GRPC_OK);
	assert_int_equal(bench_next(&bench)->kept, 2);
	access_log_encode();
	assert_int_equal(call(&methods[2], weir_buf_str(&body)).code, WEIR_GRPC_OK);
	batch = bench_next(&bench);
	assert_int_equal(batch->requests.count, 1);
	assert_int_equal(batch->thinned[WEIR_THIN_STORAGE], 1);
	assert_int_equal(batch->kept, 0);
}

static void claim_of_another_identity_is_marked_or_rejected(void **state)
{
	struct bench strict = bench;
	struct weir_buf group, inner;
	struct weir_grpc_peer peer = { weir_str_of("ipv4:10.0.0.9:4242"),
		weir_str_of("spiffe://cluster.local/ns/shop/sa/cart") };
	struct weir_grpc_answer answer = { 0 };
	struct weir_otlp *rejecting;

	(void)state;
	weir_buf_init(&group, 0);
	weir_buf_init(&inner, 0);
	weir_buf_clear(&body);
	encode_pair_text(&inner, 1, "k8s.namespace.name", "default");
	encode_nested(&group, 1, &inner);
	encode_span_ids(&span, 1, 2, 0);
	encode_nested(&inner, 2, &span);
	encode_nested(&group, 2, &inner);
	encode_nested(&body, 1, &group);
	methods[0].unary(methods[0].ctx, &peer, weir_buf_str(&body), &answer);
	assert_int_equal(answer.code, WEIR_GRPC_OK);
	assert_int_equal(bench_next(&bench)->mismatched, 1);
	strict.opts.rejects_identity = true;
	assert_int_equal(weir_otlp_create(&strict.opts, &rejecting), 0);
	weir_otlp_grpc(rejecting, methods);
	methods[0].unary(methods[0].ctx, &peer, weir_buf_str(&body), &answer);
	assert_int_equal(answer.code, WEIR_GRPC_PERMISSION_DENIED);
	assert_null(bench_next(&bench));
	weir_otlp_destroy(rejecting);
	weir_buf_fini(&group);
	weir_buf_fini(&inner);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answered_batch_is_in_the_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(repeated_body_has_the_same_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_request_is_ok_and_puts_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(nameless_sender_is_its_address, setup, teardown),
		cmocka_unit_test_setup_teardown(dropped_spans_are_told_and_leave_a_header, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_body_leaves_no_trace_but_a_count, setup, teardown),
		cmocka_unit_test_setup_teardown(full_ring_refuses_and_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(too_large_is_refused_without_a_time_to_come_again, setup, teardown),
		cmocka_unit_test_setup_teardown(failing_storage_refuses_and_counts, setup, teardown),
		cmocka_unit_test_setup_teardown(sealed_ring_is_unavailable, setup, teardown),
		cmocka_unit_test_setup_teardown(answers_are_parked_only_when_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(crash_point_stands_between_ring_and_answer, setup, teardown),
		cmocka_unit_test_setup_teardown(content_types_are_checked, setup, teardown),
		cmocka_unit_test_setup_teardown(each_signal_has_its_method_and_route, setup, teardown),
		cmocka_unit_test_setup_teardown(json_is_answered_in_json_with_what_was_rejected, setup, teardown),
		cmocka_unit_test_setup_teardown(points_without_value_are_rejected_unless_they_say_so, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals_are_counted_by_signal, setup, teardown),
		cmocka_unit_test_setup_teardown(errors_are_told_in_the_encoding_of_the_request, setup, teardown),
		cmocka_unit_test_setup_teardown(envoys_stand_under_their_own_name_in_the_ledger, setup, teardown),
		cmocka_unit_test_setup_teardown(what_bears_metrics_is_taken_while_the_store_fails, setup, teardown),
		cmocka_unit_test_setup_teardown(claim_of_another_identity_is_marked_or_rejected, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
