/* zipkin: spans as Zipkin writes them, parameters as Zipkin checks them. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>

#include "exporters/traces/dependencies.h"
#include "exporters/traces/names.h"
#include "exporters/traces/zipkin.h"
#include "fakes.h"
#include "maker.h"

static int reset(void **state)
{
	(void)state;
	fakes = (struct fakes){ 0 };
	return 0;
}

static void assert_call(weir_http_fn *fn, unsigned status, const char *body)
{
	struct weir_http_response response = fakes_call(fn);

	assert_string_equal(response.body.data, body);
	assert_int_equal(response.status, status);
	assert_int_equal(fakes.begun, fakes.ended);
	fakes_free(&response);
}

static void zipkin_span_comes_back_as_it_was_sent(void **state)
{
	static const struct maker_span spans[MAKER_SPANS] = {
		{ .trace_high = 0x1,
			.trace_low = 0x2,
			.id = 3,
			.parent = 1,
			.kind = WEIR_SPAN_SERVER,
			.service = "back",
			.peer = "front",
			.name = "GET /Api",
			.flags = WEIR_SPAN_SHARED | WEIR_SPAN_DEBUG,
			.start_us = 1700000000000000,
			.duration_ns = 1500000,
			.ip = 7,
			.port = 8080,
			.event = "ws",
			.tags = { { "http.method", "GET", WEIR_ATTR_STRING, 0, 0 },
				{ "a", "1", WEIR_ATTR_STRING, 0, 0 }, { "a", "2", WEIR_ATTR_STRING, 0, 0 } } },
	};
	struct weir_query_trace trace = maker_trace(WEIR_PROTOCOL_ZIPKIN_HTTP, spans);

	(void)state;
	fakes.traces = &trace;
	fakes.rest = "10000000000000002";
	assert_call(weir_zipkin_trace, 200,
		"[{\"traceId\":\"00000000000000010000000000000002\",\"parentId\":\"0000000000000001\","
		"\"id\":\"0000000000000003\",\"kind\":\"SERVER\",\"name\":\"get /api\",\"timestamp\":1700000000000000,"
		"\"duration\":1500,\"localEndpoint\":{\"serviceName\":\"back\",\"ipv4\":\"10.0.0.7\",\"port\":8080},"
		"\"remoteEndpoint\":{\"serviceName\":\"front\"},"
		"\"annotations\":[{\"timestamp\":1700000000000007,\"value\":\"ws\"}],"
		"\"tags\":{\"a\":\"2\",\"http.method\":\"GET\"},\"debug\":true,\"shared\":true}]");
	maker_free(&trace);
}

static void otlp_span_is_transformed(void **state)
{
	static const struct maker_span spans[MAKER_SPANS] = {
		{ .id = 3,
			.kind = WEIR_SPAN_CLIENT,
			.service = "Front",
			.peer = "Back",
			.name = "Do",
			.start_us = 5000,
			.duration_ns = 999,
			.status = 2,
			.message = "boom",
			.scope = "lib",
			.flags = WEIR_SPAN_ERROR,
			.event = "log",
			.event_tags = { { "n", NULL, WEIR_ATTR_INT, -4, 0 }, { "x", "q\"", WEIR_ATTR_STRING, 0, 0 } },
			.resource_tags = { { "service.name", "Front", WEIR_ATTR_STRING, 0, 0 },
				{ "host.name", "h1", WEIR_ATTR_STRING, 0, 0 } },
			.tags = { { "b", NULL, WEIR_ATTR_BOOL, 1, 0 }, { "d", NULL, WEIR_ATTR_DOUBLE, 0, 0.5 },
				{ "j", "[1,\"2\"]", WEIR_ATTR_JSON, 0, 0 }, { "y", "abcd", WEIR_ATTR_BYTES, 0, 0 },
				{ "host.name", "own", WEIR_ATTR_STRING, 0, 0 } } },
	};
	struct weir_query_trace trace = maker_trace(WEIR_PROTOCOL_OTLP_GRPC, spans);

	(void)state;
	fakes.traces = &trace;
	fakes.rest = "1234";
	assert_call(weir_zipkin_trace, 200,
		"[{\"traceId\":\"0000000000001234\",\"id\":\"0000000000000003\",\"kind\":\"CLIENT\",\"name\":\"do\","
		"\"timestamp\":5000,\"duration\":1,\"localEndpoint\":{\"serviceName\":\"front\"},"
		"\"remoteEndpoint\":{\"serviceName\":\"back\"},"
		"\"annotations\":[{\"timestamp\":5007,\"value\":\"\\\"log\\\":{\\\"n\\\":-4,\\\"x\\\":\\\"q\\\\\\\"\\\"}\"}],"
		"\"tags\":{\"b\":\"true\",\"d\":\"0.5\",\"error\":\"boom\",\"host.name\":\"own\",\"j\":\"[1,\\\"2\\\"]\","
		"\"otel.scope.name\":\"lib\",\"otel.status_code\":\"ERROR\",\"y\":\"YWJjZA==\"}}]");
	assert_true(fakes.asked_short);
	assert_int_equal(fakes.asked_id[15], 0x34);
	maker_free(&trace);
}

static void error_tag_is_there_only_when_it_is_one(void **state)
{
	static const struct {
		unsigned status, flags;
		const char *message, *attribute, *tags;
	} rows[] = {
		{ 0, 0, NULL, NULL, "" },
		{ 1, 0, "ignored", NULL, ",\"tags\":{\"otel.status_code\":\"OK\"}" },
		{ 2, WEIR_SPAN_ERROR, NULL, NULL, ",\"tags\":{\"error\":\"\",\"otel.status_code\":\"ERROR\"}" },
		{ 2, WEIR_SPAN_ERROR, NULL, "true", ",\"tags\":{\"error\":\"true\",\"otel.status_code\":\"ERROR\"}" },
		{ 2, WEIR_SPAN_ERROR, "m", "true", ",\"tags\":{\"error\":\"m\",\"otel.status_code\":\"ERROR\"}" },
		{ 0, WEIR_SPAN_ERROR, NULL, "true", ",\"tags\":{\"error\":\"true\"}" },
		{ 0, 0, NULL, "false", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct maker_span spans[MAKER_SPANS] = { { .id = 1,
			.status = rows[i].status,
			.flags = rows[i].flags,
			.message = rows[i].message,
			.duration_ns = 1000 } };
		struct weir_query_trace trace;
		char body[256];

		if (rows[i].attribute != NULL) {
			spans[0].tags[0] = (struct maker_tag){ "error", rows[i].attribute, WEIR_ATTR_STRING, 0, 0 };
		}
		trace = maker_trace(WEIR_PROTOCOL_OTLP_HTTP, spans);
		fakes.traces = &trace;
		fakes.rest = "1234";
		snprintf(body, sizeof(body),
			"[{\"traceId\":\"0000000000001234\",\"id\":\"0000000000000001\",\"duration\":1%s}]",
			rows[i].tags);
		assert_call(weir_zipkin_trace, 200, body);
		maker_free(&trace);
	}
}

static void spans_come_by_start_and_parts_as_one(void **state)
{
	static const struct maker_span spans[MAKER_SPANS] = {
		{ .id = 1, .kind = WEIR_SPAN_CLIENT, .start_us = 9000, .flags = WEIR_SPAN_NO_DURATION },
		{ .id = 2, .parent = 1, .start_us = 8000, .duration_ns = 1000 },
		{ .id = 1, .duration_ns = 7000 },
	};
	struct weir_query_trace trace = maker_trace(WEIR_PROTOCOL_ZIPKIN_HTTP, spans);

	(void)state;
	fakes.traces = &trace;
	fakes.rest = "1234";
	assert_call(weir_zipkin_trace, 200,
		"[{\"traceId\":\"0000000000001234\",\"parentId\":\"0000000000000001\",\"id\":\"0000000000000002\","
		"\"timestamp\":8000,\"duration\":1},"
		"{\"traceId\":\"0000000000001234\",\"id\":\"0000000000000001\",\"kind\":\"CLIENT\",\"timestamp\":9000,"
		"\"duration\":7}]");
	maker_free(&trace);
}

static void a_listed_trace_always_has_a_root(void **state)
{
	static const struct maker_span spans[MAKER_SPANS] = {
		{ .id = 2, .parent = 9, .start_us = 6, .duration_ns = 1000 },
		{ .id = 3, .parent = 8, .start_us = 5, .duration_ns = 1000 },
	};
	struct weir_query_trace trace = maker_trace(WEIR_PROTOCOL_ZIPKIN_HTTP, spans);

	(void)state;
	fakes.traces = &trace;
	fakes.trace_count = 1;
	assert_call(weir_zipkin_traces, 200,
		"[[{\"traceId\":\"0000000000001234\",\"id\":\"0000000000000003\",\"timestamp\":5,\"duration\":1},"
		"{\"traceId\":\"0000000000001234\",\"parentId\":\"0000000000000009\",\"id\":\"0000000000000002\","
		"\"timestamp\":6,\"duration\":1}]]");
	fakes.rest = "1234";
	{
		struct weir_http_response response = fakes_call(weir_zipkin_trace);

		assert_non_null(strstr(response.body.data, "\"parentId\":\"0000000000000008\""));
		assert_int_equal(response.behind_ms, 17);
		fakes_free(&response);
	}
	maker_free(&trace);
}

static void unknown_trace_is_404_and_a_bad_id_400(void **state)
{
	static const struct {
		const char *id;
		unsigned status;
		const char *body;
	} rows[] = {
		{ "abc", 404, "abc not found" },
		{ "ABC", 400, "traceId should be lower-hex encoded with no prefix" },
		{ "0x1", 400, "traceId should be lower-hex encoded with no prefix" },
		{ "0000", 400, "traceId is all zeros" },
		{ "", 400, "traceId is empty" },
		{ "000000000000000000000000000000001", 400, "traceId.length > 32" },
	};

	(void)state;
	fakes.result = WEIR_QUERY_NOT_FOUND;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fakes.rest = rows[i].id;
		assert_call(weir_zipkin_trace, rows[i].status, rows[i].body);
	}
}

static void parameters_are_refused_in_the_references_words(void **state)
{
	static const struct {
		const char *name, *value, *name2, *value2, *body;
	} rows[] = {
		{ "endTs", "0", NULL, NULL, "endTs <= 0" },
		{ "endTs", "-5", NULL, NULL, "endTs <= 0" },
		{ "limit", "0", NULL, NULL, "limit <= 0" },
		{ "lookback", "0", NULL, NULL, "lookback <= 0" },
		{ "minDuration", "0", NULL, NULL, "minDuration <= 0" },
		{ "maxDuration", "5", NULL, NULL, "maxDuration is only valid with minDuration" },
		{ "minDuration", "6", "maxDuration", "5", "maxDuration < minDuration" },
		{ "limit", "ten", NULL, NULL, "limit is not a number: ten\n" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		fakes.arguments[0].name = rows[i].name;
		fakes.arguments[0].value = rows[i].value;
		fakes.arguments[1].name = rows[i].name2;
		fakes.arguments[1].value = rows[i].value2;
		assert_call(weir_zipkin_traces, 400, rows[i].body);
	}
	fakes = (struct fakes){ 0 };
	assert_call(weir_dependencies_get, 400, "endTs is required");
	assert_call(weir_names_spans, 400, "serviceName is required");
	assert_call(weir_names_remote_services, 400, "serviceName is required");
}

static void search_is_handed_on_lower_cased_with_defaults(void **state)
{
	(void)state;
	fakes.arguments[0].name = "serviceName";
	fakes.arguments[0].value = "Front";
	fakes.arguments[1].name = "spanName";
	fakes.arguments[1].value = "ALL";
	fakes.arguments[2].name = "annotationQuery";
	fakes.arguments[2].value = " error and http.method=GET and a=b=c and http.method=PUT";
	fakes.arguments[3].name = "endTs";
	fakes.arguments[3].value = "1700000000000";
	fakes.arguments[4].name = "minDuration";
	fakes.arguments[4].value = "100";
	assert_call(weir_zipkin_traces, 200, "[]");
	assert_string_equal(fakes.search_text, "front|||error|http.method=PUT|a=b=c");
	assert_int_equal(fakes.search.end_ns, 1700000000000000000u);
	assert_int_equal(fakes.search.lookback_ns, 86400000000000u);
	assert_int_equal(fakes.search.limit, 10);
	assert_int_equal(fakes.search.min_duration_us, 100);
	assert_int_equal(fakes.search.max_duration_us, 0);
}

static void names_are_cached_when_more_than_three_services_are_known(void **state)
{
	static const char *const three[] = { "a", "b", "c", NULL }, *const four[] = { "a", "b", "c", "D", NULL };
	struct weir_http_response response;

	(void)state;
	fakes.names = three;
	response = fakes_call(weir_names_services);
	assert_string_equal(response.body.data, "[\"a\",\"b\",\"c\"]");
	assert_null(response.cache_control);
	fakes_free(&response);
	fakes.names = four;
	fakes.arguments[0].name = "serviceName";
	fakes.arguments[0].value = "X";
	response = fakes_call(weir_names_spans);
	assert_string_equal(response.body.data, "[\"a\",\"b\",\"c\",\"d\"]");
	assert_string_equal(response.cache_control, "max-age=300, must-revalidate");
	assert_string_equal(fakes.search_text, "x");
	fakes_free(&response);
	assert_call(weir_names_autocomplete_keys, 200, "[]");
}

static void trace_many_wants_several_different_ids(void **state)
{
	static const char *const bad[] = { "", "1", "1,1", "1,01", "1,x", "1," };
	static const struct maker_span spans[MAKER_SPANS] = { { .id = 1, .duration_ns = 1000 } };
	struct weir_query_trace trace = maker_trace(WEIR_PROTOCOL_ZIPKIN_HTTP, spans);
	struct weir_http_response response;

	(void)state;
	fakes.traces = &trace;
	fakes.arguments[0].name = "traceIds";
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fakes.arguments[0].value = bad[i];
		response = fakes_call(weir_zipkin_trace_many);
		assert_int_equal(response.status, 400);
		fakes_free(&response);
	}
	fakes.arguments[0].value = "1,2";
	response = fakes_call(weir_zipkin_trace_many);
	assert_int_equal(response.status, 200);
	assert_non_null(strstr(response.body.data, "}],[{"));
	fakes_free(&response);
	maker_free(&trace);
}

static void dependencies_are_counted_from_the_traces_of_the_range(void **state)
{
	static const struct maker_span spans[MAKER_SPANS] = {
		{ .id = 1, .kind = WEIR_SPAN_CLIENT, .service = "a", .peer = "b", .flags = WEIR_SPAN_ERROR }
	};
	struct weir_query_trace trace = maker_trace(WEIR_PROTOCOL_ZIPKIN_HTTP, spans);
	struct weir_query_trace both[2] = { trace, trace };

	(void)state;
	fakes.traces = both;
	fakes.trace_count = 2;
	fakes.arguments[0].name = "endTs";
	fakes.arguments[0].value = "1000";
	fakes.arguments[1].name = "lookback";
	fakes.arguments[1].value = "500";
	assert_call(
		weir_dependencies_get, 200, "[{\"parent\":\"a\",\"child\":\"b\",\"callCount\":2,\"errorCount\":2}]");
	assert_int_equal(fakes.search.end_ns, 1000000000);
	assert_int_equal(fakes.search.lookback_ns, 500000000);
	maker_free(&trace);
}

static void huge_numbers_are_bounded(void **state)
{
	(void)state;
	fakes.arguments[0].name = "endTs";
	fakes.arguments[0].value = "9223372036854775807";
	fakes.arguments[1].name = "lookback";
	fakes.arguments[1].value = "9223372036854775807";
	fakes.arguments[2].name = "limit";
	fakes.arguments[2].value = "1000000000";
	assert_call(weir_zipkin_traces, 200, "[]");
	assert_int_equal(fakes.search.end_ns, INT64_MAX);
	assert_int_equal(fakes.search.lookback_ns, INT64_MAX);
	assert_int_equal(fakes.search.limit, 10000);
}

static void a_query_that_cannot_be_answered_is_503_and_given_back(void **state)
{
	struct weir_http_response response;

	(void)state;
	fakes.begin_result = WEIR_QUERY_TIMEOUT;
	response = fakes_call(weir_names_services);
	assert_int_equal(response.status, 503);
	assert_int_equal(response.retry_after_s, 1);
	assert_int_equal(fakes.ended, 0);
	fakes_free(&response);
	fakes.begin_result = 0;
	fakes.result = WEIR_QUERY_TOO_LARGE;
	response = fakes_call(weir_zipkin_traces);
	assert_int_equal(response.status, 400);
	assert_int_equal(fakes.begun, fakes.ended);
	fakes_free(&response);
	fakes.result = -5;
	response = fakes_call(weir_names_services);
	assert_int_equal(response.status, 500);
	fakes_free(&response);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(zipkin_span_comes_back_as_it_was_sent, reset),
		cmocka_unit_test_setup(otlp_span_is_transformed, reset),
		cmocka_unit_test_setup(error_tag_is_there_only_when_it_is_one, reset),
		cmocka_unit_test_setup(spans_come_by_start_and_parts_as_one, reset),
		cmocka_unit_test_setup(a_listed_trace_always_has_a_root, reset),
		cmocka_unit_test_setup(unknown_trace_is_404_and_a_bad_id_400, reset),
		cmocka_unit_test_setup(parameters_are_refused_in_the_references_words, reset),
		cmocka_unit_test_setup(search_is_handed_on_lower_cased_with_defaults, reset),
		cmocka_unit_test_setup(names_are_cached_when_more_than_three_services_are_known, reset),
		cmocka_unit_test_setup(trace_many_wants_several_different_ids, reset),
		cmocka_unit_test_setup(dependencies_are_counted_from_the_traces_of_the_range, reset),
		cmocka_unit_test_setup(huge_numbers_are_bounded, reset),
		cmocka_unit_test_setup(a_query_that_cannot_be_answered_is_503_and_given_back, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
