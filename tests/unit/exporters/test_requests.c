/* requests: /api/requests: its parameters, and requests as JSON. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <string.h>

#include "exporters/requests.h"
#include "fakes.h"
#include "support/batch_maker.h"

static struct batch_maker maker;

static int reset(void **state)
{
	(void)state;
	fakes = (struct fakes){ 0 };
	batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "node", 9);
	return 0;
}

static int forget(void **state)
{
	(void)state;
	batch_maker_fini(&maker);
	return 0;
}

static void assert_call(unsigned status, const char *body)
{
	struct weir_http_response response = fakes_call(weir_requests_get);

	assert_string_equal(response.body.data, body);
	assert_int_equal(response.status, status);
	assert_int_equal(fakes.begun, fakes.ended);
	fakes_free(&response);
}

static void request_is_written_with_both_its_ends(void **state)
{
	struct weir_query_row row = { .time_ns = 7 };
	uint32_t front = batch_maker_workload(&maker, "front-v1", "default", "v1");
	uint32_t back = batch_maker_workload(&maker, "back-v1", "default", "v1");
	struct weir_request *request = batch_maker_request(&maker);

	(void)state;
	request->duration_ns = 1500;
	request->call.source = front;
	request->call.destination = back;
	request->call.reporter = WEIR_REPORTER_DESTINATION;
	request->call.protocol = WEIR_REQUEST_GRPC;
	request->call.security = WEIR_SECURITY_MUTUAL_TLS;
	request->call.response_flags = 1u << 6;
	request->call.service_host = batch_maker_text(&maker, "back.default.svc");
	request->call.proxy = batch_maker_text(&maker, "back-v1.default");
	request->method = WEIR_METHOD_POST;
	request->path = batch_maker_text(&maker, "/a?b");
	request->response_code = 503;
	request->grpc_status = 14;
	request->request_bytes = 10;
	request->attempts = 2;
	request->request_id = batch_maker_text(&maker, "id-1");
	request->trace_id = batch_maker_text(&maker, "ab");
	row.batch = batch_maker_finish(&maker);
	fakes.rows = &row;
	fakes.row_count = 1;
	assert_call(200,
		"[{\"timestamp\":\"7\",\"duration\":\"1500\",\"reporter\":\"destination\",\"protocol\":\"grpc\","
		"\"proxy\":\"back-v1.default\","
		"\"source\":{\"workload\":\"front-v1\",\"namespace\":\"default\",\"app\":\"front-v1\",\"version\":\"v1\","
		"\"cluster\":\"Kubernetes\"},"
		"\"destination\":{\"workload\":\"back-v1\",\"namespace\":\"default\",\"app\":\"back-v1\",\"version\":\"v1\","
		"\"cluster\":\"Kubernetes\"},"
		"\"service\":\"back.default.svc\",\"mutualTls\":true,\"method\":\"POST\",\"path\":\"/a?b\",\"code\":503,"
		"\"flags\":\"UC\",\"grpcStatus\":14,\"requestBytes\":10,\"attempts\":2,\"requestId\":\"id-1\","
		"\"traceId\":\"ab\",\"attributes\":{}}]");
}

static void unknown_ends_are_left_out(void **state)
{
	struct weir_query_row row = { .time_ns = 7 };

	(void)state;
	batch_maker_request(&maker);
	row.batch = batch_maker_finish(&maker);
	fakes.rows = &row;
	fakes.row_count = 1;
	assert_call(200,
		"[{\"timestamp\":\"7\",\"reporter\":\"source\",\"protocol\":\"http\",\"code\":0,\"flags\":\"-\","
		"\"attributes\":{}}]");
}

static void parameters_become_a_search(void **state)
{
	static const char *const arguments[][2] = { { "workload", "back-v1" }, { "service", "back" }, { "code", "503" },
		{ "traceId", "ab" }, { "requestId", "id-1" }, { "limit", "3" } };

	(void)state;
	for (size_t i = 0; i < sizeof(arguments) / sizeof(arguments[0]); i++) {
		fakes.arguments[i].name = arguments[i][0];
		fakes.arguments[i].value = arguments[i][1];
	}
	assert_call(200, "[]");
	assert_true(weir_str_is(fakes.request_search.workload, "back-v1"));
	assert_true(weir_str_is(fakes.request_search.service, "back"));
	assert_true(weir_str_is(fakes.request_search.trace_id, "ab"));
	assert_true(weir_str_is(fakes.request_search.request_id, "id-1"));
	assert_int_equal(fakes.request_search.response_code, 503);
	assert_int_equal(fakes.request_search.limit, 3);
	fakes = (struct fakes){ 0 };
	assert_call(200, "[]");
	assert_int_equal(fakes.request_search.response_code, -1);
}

static void bad_parameters_are_refused(void **state)
{
	static const char *const bad[][2] = { { "code", "1000" }, { "code", "-2" }, { "code", "ok" },
		{ "limit", "0" } };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct weir_http_response response;

		reset(state);
		fakes.arguments[0].name = bad[i][0];
		fakes.arguments[0].value = bad[i][1];
		response = fakes_call(weir_requests_get);
		assert_int_equal(response.status, 400);
		assert_int_equal(fakes.begun, 0);
		fakes_free(&response);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(request_is_written_with_both_its_ends, reset, forget),
		cmocka_unit_test_setup_teardown(unknown_ends_are_left_out, reset, forget),
		cmocka_unit_test_setup_teardown(parameters_become_a_search, reset, forget),
		cmocka_unit_test_setup_teardown(bad_parameters_are_refused, reset, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
