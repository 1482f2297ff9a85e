/* Tests of the Zipkin receiver: what is answered, what is in the ring, what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/stat.h"
#include "request.h"

#define SPAN                                                                                                           \
	"{\"traceId\":\"463ac35c9f6413ad\",\"id\":\"72485a3953bb6124\",\"localEndpoint\":{\"serviceName\":\"Shop\"}}"

static struct bench bench;
static struct weir_zipkin *zipkin;
static struct weir_http_route routes[WEIR_ZIPKIN_ROUTES];
static struct weir_grpc_method method;

/* A list of one span: trace id 1, id 2. */
static const char proto[] = "\n\x14\n\b\0\0\0\0\0\0\0\1\x1a\b\0\0\0\0\0\0\0\2";

static int setup(void **state)
{
	(void)state;
	bench_open(&bench, 1 << 20);
	assert_int_equal(weir_zipkin_create(&bench.opts, &zipkin), 0);
	weir_zipkin_http(zipkin, routes);
	weir_zipkin_grpc(zipkin, &method);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_zipkin_destroy(zipkin);
	bench_close(&bench);
	return 0;
}

static struct weir_http_response posted(const char *body, unsigned status)
{
	struct weir_http_response response = post(&routes[0], weir_str_of(body), "application/json");

	assert_int_equal(response.status, status);
	weir_buf_fini(&response.body);
	return response;
}

static void answered_batch_is_in_the_ring(void **state)
{
	const struct weir_batch *batch;
	struct weir_http_response response;

	(void)state;
	assert_string_equal(routes[0].path, "/api/v2/spans");
	assert_string_equal(routes[1].path, "/zipkin/api/v2/spans");
	response = post(&routes[1], weir_str_of("[" SPAN "]"), NULL);
	assert_int_equal(response.status, 202);
	assert_int_equal(response.body.length, 0);
	assert_int_equal(response.park_position, 0);
	weir_buf_fini(&response.body);
	batch = bench_next(&bench);
	assert_non_null(batch);
	assert_int_equal(batch->protocol, WEIR_PROTOCOL_ZIPKIN_HTTP);
	assert_int_equal(batch->kept, 1);
	assert_true(weir_str_is(weir_batch_str(batch, batch->source), "shop"));
}

static void both_paths_give_a_repeat_the_same_digest(void **state)
{
	struct weir_http_response response;
	uint8_t first[16];

	(void)state;
	posted("[" SPAN "]", 202);
	memcpy(first, bench_next(&bench)->digest, sizeof(first));
	response = post(&routes[1], weir_str_of("[" SPAN "]"), "application/json");
	weir_buf_fini(&response.body);
	assert_memory_equal(bench_next(&bench)->digest, first, sizeof(first));
}

static void empty_lists_are_accepted_and_put_nothing(void **state)
{
	(void)state;
	posted("", 202);
	posted("[]", 202);
	assert_null(bench_next(&bench));
}

static void malformed_list_is_refused_whole_in_zipkins_words(void **state)
{
	uint64_t before = weir_stat_refused_get(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_MALFORMED);
	uint64_t malformed = weir_stat_get(WEIR_STAT_MALFORMED_JSON);
	struct weir_http_response response = post(&routes[0], weir_str_of("[" SPAN ",7]"), NULL);
	char expected[128];

	(void)state;
	assert_int_equal(response.status, 400);
	snprintf(expected, sizeof(expected),
		"Malformed reading List<Span> from json: a span that is no object at byte %zu\n", strlen("[" SPAN ","));
	assert_true(weir_str_is(weir_buf_str(&response.body), expected));
	weir_buf_fini(&response.body);
	assert_null(bench_next(&bench));
	assert_int_equal(weir_stat_refused_get(WEIR_SIGNAL_SPAN, WEIR_REFUSAL_MALFORMED), before + 1);
	assert_int_equal(weir_stat_get(WEIR_STAT_MALFORMED_JSON), malformed + 1);
}

static void said(
	const struct weir_http_route *route, const char *body, const char *type, unsigned status, const char *expected)
{
	struct weir_http_response response = post(route, weir_str_of(body), type);

	assert_int_equal(response.status, status);
	if (!weir_str_is(weir_buf_str(&response.body), expected)) {
		fail_msg("%.*s", (int)response.body.length, response.body.data);
	}
	weir_buf_fini(&response.body);
	assert_null(bench_next(&bench));
}

static void other_encodings_than_the_paths_are_told(void **state)
{
	(void)state;
	said(&routes[0], "{}", NULL, 400, "Expected a JSON_V2 encoded list\n");
	said(&routes[0], "[{\"binaryAnnotations\":[]}]", NULL, 400,
		"Expected a JSON_V2 encoded list, but received: JSON_V1\n");
	said(&routes[2], "[{\"tags\":{}}]", "application/json", 400,
		"Expected a JSON_V1 encoded list, but received: JSON_V2\n");
	said(&routes[2], "\f", "application/x-thrift", 415,
		"Expected a JSON_V1 encoded list: weir does not read thrift; let the reporter send JSON, or "
		"/api/v2/spans\n");
	said(&routes[0], "\n\5", "application/x-protobuf", 400,
		"Malformed reading List<Span> from proto3: a field that is cut short or is none at byte 2\n");
}

static void every_path_has_its_encodings(void **state)
{
	static const char *const paths[] = { "/api/v2/spans", "/zipkin/api/v2/spans", "/api/v1/spans",
		"/zipkin/api/v1/spans" };
	struct weir_http_response response;

	(void)state;
	for (size_t i = 0; i < WEIR_ZIPKIN_ROUTES; i++) {
		assert_string_equal(routes[i].path, paths[i]);
		response = post(&routes[i], weir_str_of("[{\"traceId\":\"1\",\"id\":\"2\"}]"),
			"application/json; charset=utf-8");
		assert_int_equal(response.status, 202);
		weir_buf_fini(&response.body);
		assert_int_equal(bench_next(&bench)->kept, 1);
	}
	response = post(&routes[1], weir_str_make(proto, sizeof(proto) - 1), "application/x-protobuf");
	assert_int_equal(response.status, 202);
	weir_buf_fini(&response.body);
	assert_int_equal(bench_next(&bench)->protocol, WEIR_PROTOCOL_ZIPKIN_HTTP);
}

static void v1_span_of_two_services_is_two(void **state)
{
	struct weir_http_response response = post(&routes[2],
		weir_str_of("[{\"traceId\":\"1\",\"id\":\"2\",\"annotations\":[{\"timestamp\":1,\"value\":\"cs\","
			    "\"endpoint\":{\"serviceName\":\"a\"}},{\"timestamp\":2,\"value\":\"sr\",\"endpoint\":"
			    "{\"serviceName\":\"b\"}}]}]"),
		"application/json");

	(void)state;
	assert_int_equal(response.status, 202);
	weir_buf_fini(&response.body);
	assert_int_equal(bench_next(&bench)->kept, 2);
}

static void report_puts_spans_and_answers_an_empty_message(void **state)
{
	struct weir_grpc_answer answer;
	const struct weir_batch *batch;

	(void)state;
	assert_string_equal(method.path, "/zipkin.proto3.SpanService/Report");
	answer = call(&method, weir_str_make(proto, sizeof(proto) - 1));
	assert_int_equal(answer.code, WEIR_GRPC_OK);
	assert_int_equal(answer.body.length, 0);
	weir_buf_fini(&answer.body);
	batch = bench_next(&bench);
	assert_non_null(batch);
	assert_int_equal(batch->protocol, WEIR_PROTOCOL_ZIPKIN_GRPC);
	assert_int_equal(batch->signal, WEIR_SIGNAL_SPAN);
	assert_true(weir_str_is(weir_batch_str(batch, batch->source), "10.0.0.9"));
}

static void refused_reports_say_why_and_when_to_come_again(void **state)
{
	uint64_t malformed = weir_stat_get(WEIR_STAT_MALFORMED_PROTOBUF);
	struct weir_grpc_answer answer = call(&method, weir_str_of("\n\5"));

	(void)state;
	assert_int_equal(answer.code, WEIR_GRPC_INVALID_ARGUMENT);
	assert_string_equal(answer.message,
		"Malformed reading List<Span> from proto3: a field that is cut short or is none at byte 2");
	assert_int_equal(answer.retry_delay_ms, 0);
	weir_buf_fini(&answer.body);
	assert_int_equal(weir_stat_get(WEIR_STAT_MALFORMED_PROTOBUF), malformed + 1);
	bench.is_failing = true;
	answer = call(&method, weir_str_make(proto, sizeof(proto) - 1));
	assert_int_equal(answer.code, WEIR_GRPC_RESOURCE_EXHAUSTED);
	assert_int_equal(answer.retry_delay_ms, 5000);
	weir_buf_fini(&answer.body);
	bench.is_failing = false;
	weir_ring_seal(bench.ring);
	answer = call(&method, weir_str_make(proto, sizeof(proto) - 1));
	assert_int_equal(answer.code, WEIR_GRPC_UNAVAILABLE);
	weir_buf_fini(&answer.body);
}

static void refusals_tell_when_to_come_again(void **state)
{
	struct weir_buf list;
	unsigned puts = 0;
	struct weir_http_response response;

	(void)state;
	weir_buf_init(&list, 0);
	bench.is_failing = true;
	assert_int_equal(posted("[" SPAN "]", 503).retry_after_s, 5);
	bench.is_failing = false;
	weir_buf_add_text(&list, "[" SPAN);
	for (int i = 0; i < 200; i++) {
		weir_buf_add_text(&list, "," SPAN);
	}
	weir_buf_add_text(&list, "]");
	do {
		response = post(&routes[0], weir_buf_str(&list), NULL);
		weir_buf_fini(&response.body);
	} while (response.status == 202 && ++puts < 100);
	assert_true(puts > 0);
	assert_int_equal(response.status, 429);
	assert_int_equal(response.retry_after_s, 1);
	while (list.length <= bench.opts.max_message_bytes) {
		weir_buf_add_text(&list, "                                        ");
	}
	response = post(&routes[0], weir_buf_str(&list), NULL);
	assert_int_equal(response.status, 413);
	assert_int_equal(response.retry_after_s, 0);
	weir_buf_fini(&response.body);
	weir_buf_fini(&list);
	weir_ring_seal(bench.ring);
	assert_int_equal(posted("[" SPAN "]", 503).retry_after_s, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(answered_batch_is_in_the_ring, setup, teardown),
		cmocka_unit_test_setup_teardown(both_paths_give_a_repeat_the_same_digest, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_lists_are_accepted_and_put_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_list_is_refused_whole_in_zipkins_words, setup, teardown),
		cmocka_unit_test_setup_teardown(other_encodings_than_the_paths_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(every_path_has_its_encodings, setup, teardown),
		cmocka_unit_test_setup_teardown(v1_span_of_two_services_is_two, setup, teardown),
		cmocka_unit_test_setup_teardown(report_puts_spans_and_answers_an_empty_message, setup, teardown),
		cmocka_unit_test_setup_teardown(refused_reports_say_why_and_when_to_come_again, setup, teardown),
		cmocka_unit_test_setup_teardown(refusals_tell_when_to_come_again, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
