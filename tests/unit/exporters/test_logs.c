/* logs: /api/logs: its parameters, and records as JSON. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "exporters/logs.h"
#include "fakes.h"
#include "support/batch_maker.h"

#define NOW UINT64_C(1700000000000000001)

static struct batch_maker maker;

static int reset(void **state)
{
	(void)state;
	fakes = (struct fakes){ 0 };
	batch_maker_begin(&maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_LOG, "sender", NOW + 9);
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
	struct weir_http_response response = fakes_call(weir_logs_get);

	assert_string_equal(response.body.data, body);
	assert_int_equal(response.status, status);
	assert_int_equal(fakes.begun, fakes.ended);
	fakes_free(&response);
}

static void argument(const char *name, const char *value)
{
	fakes.arguments[0].name = name;
	fakes.arguments[0].value = value;
}

static void record_is_written_in_the_data_models_words(void **state)
{
	struct weir_query_row row = { .time_ns = NOW };
	struct weir_resource *resource;
	struct weir_log *log;

	(void)state;
	batch_maker_resource(&maker, "shop");
	batch_maker_tag(&maker, "pod", "shop-1");
	batch_maker_tag(&maker, "a", "first");
	batch_maker_tag(&maker, "a", "last");
	log = batch_maker_log(&maker);
	log->severity = 17;
	log->severity_text = batch_maker_text(&maker, "ERROR");
	log->event_name = batch_maker_text(&maker, "refused");
	log->body.value.text = batch_maker_text(&maker, "say \"no\"");
	log->attr_first = 1;
	log->attr_count = 2;
	log->observed_ns = NOW + 4;
	log->trace_id[15] = 0x1f;
	log->span_id[7] = 0x2f;
	resource = (struct weir_resource *)maker.resources.data;
	resource->attr_count = 1;
	resource->scope_name = batch_maker_text(&maker, "lib");
	row.batch = batch_maker_finish(&maker);
	fakes.rows = &row;
	fakes.row_count = 1;
	assert_call(200,
		"[{\"timestamp\":\"1700000000000000001\",\"observedTimestamp\":\"1700000000000000005\","
		"\"severityNumber\":17,\"severityText\":\"ERROR\",\"service\":\"shop\",\"body\":\"say \\\"no\\\"\","
		"\"attributes\":{\"a\":\"last\"},\"traceId\":\"0000000000000000000000000000001f\","
		"\"spanId\":\"000000000000002f\",\"eventName\":\"refused\",\"resource\":{\"pod\":\"shop-1\"},"
		"\"scope\":{\"name\":\"lib\"}}]");
}

static void unset_members_are_left_out_and_values_have_their_types(void **state)
{
	static const struct {
		enum weir_attr_type type;
		int64_t number;
		const char *text, *written;
	} bodies[] = { { WEIR_ATTR_EMPTY, 0, "", "null" }, { WEIR_ATTR_INT, -3, "", "-3" },
		{ WEIR_ATTR_BOOL, 1, "", "true" }, { WEIR_ATTR_JSON, 0, "[1,{}]", "[1,{}]" },
		{ WEIR_ATTR_BYTES, 0, "ab", "\"YWI=\"" } };

	for (size_t i = 0; i < sizeof(bodies) / sizeof(bodies[0]); i++) {
		struct weir_query_row row = { .time_ns = 5 };
		char expected[256];
		struct weir_log *log;

		reset(state);
		batch_maker_resource(&maker, "");
		log = batch_maker_log(&maker);
		log->body.type = bodies[i].type;
		if (bodies[i].text[0] != '\0') {
			log->body.value.text = batch_maker_text(&maker, bodies[i].text);
		} else {
			log->body.value.number = bodies[i].number;
		}
		row.batch = batch_maker_finish(&maker);
		fakes.rows = &row;
		fakes.row_count = 1;
		snprintf(expected, sizeof(expected),
			"[{\"timestamp\":\"5\",\"observedTimestamp\":\"1700000000000000010\",\"severityNumber\":0,"
			"\"service\":\"\",\"body\":%s,\"attributes\":{},\"resource\":{}}]",
			bodies[i].written);
		assert_call(200, expected);
	}
}

static void parameters_become_a_search(void **state)
{
	(void)state;
	argument("service", " Shop ");
	fakes.arguments[1].name = "severity";
	fakes.arguments[1].value = "warn";
	fakes.arguments[2].name = "traceId";
	fakes.arguments[2].value = "2f";
	fakes.arguments[3].name = "q";
	fakes.arguments[3].value = "no such";
	fakes.arguments[4].name = "endTs";
	fakes.arguments[4].value = "2000";
	fakes.arguments[5].name = "lookback";
	fakes.arguments[5].value = "500";
	fakes.arguments[6].name = "limit";
	fakes.arguments[6].value = "7";
	assert_call(200, "[]");
	assert_true(weir_str_is(fakes.log_search.service, "Shop"));
	assert_true(weir_str_is(fakes.log_search.text, "no such"));
	assert_int_equal(fakes.log_search.min_severity, 13);
	assert_true(fakes.log_search.has_trace && fakes.log_search.is_short);
	assert_int_equal(fakes.log_search.trace_id[15], 0x2f);
	assert_true(fakes.log_search.end_ns >= 2000000000 && fakes.log_search.end_ns < 2001000000);
	assert_true(fakes.log_search.lookback_ns >= 500000000 && fakes.log_search.lookback_ns < 501000000);
	assert_int_equal(fakes.log_search.limit, 7);
}

static void nothing_asked_is_the_last_hundred_of_a_day(void **state)
{
	(void)state;
	assert_call(200, "[]");
	assert_int_equal(fakes.log_search.limit, 100);
	assert_true(fakes.log_search.lookback_ns >= UINT64_C(86400000000000));
	assert_false(fakes.log_search.has_trace);
	assert_int_equal(fakes.log_search.min_severity, 0);
}

static void bad_parameters_are_refused(void **state)
{
	static const struct {
		const char *name, *value;
	} bad[] = { { "severity", "25" }, { "severity", "0" }, { "severity", "loud" }, { "traceId", "xyz" },
		{ "traceId", "0123456789abcdef0123456789abcdef0" }, { "limit", "0" }, { "limit", "many" },
		{ "endTs", "-1" }, { "lookback", "0" } };

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		struct weir_http_response response;

		reset(state);
		argument(bad[i].name, bad[i].value);
		response = fakes_call(weir_logs_get);
		assert_int_equal(response.status, 400);
		assert_true(response.body.length > 1);
		assert_int_equal(fakes.begun, 0);
		fakes_free(&response);
	}
}

static void searches_that_fail_are_told(void **state)
{
	struct weir_http_response response;

	(void)state;
	fakes.result = WEIR_QUERY_TIMEOUT;
	response = fakes_call(weir_logs_get);
	assert_int_equal(response.status, 503);
	fakes_free(&response);
	fakes.begin_result = WEIR_QUERY_TIMEOUT;
	response = fakes_call(weir_logs_get);
	assert_int_equal(response.status, 503);
	fakes_free(&response);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(record_is_written_in_the_data_models_words, reset, forget),
		cmocka_unit_test_setup_teardown(unset_members_are_left_out_and_values_have_their_types, reset, forget),
		cmocka_unit_test_setup_teardown(parameters_become_a_search, reset, forget),
		cmocka_unit_test_setup_teardown(nothing_asked_is_the_last_hundred_of_a_day, reset, forget),
		cmocka_unit_test_setup_teardown(bad_parameters_are_refused, reset, forget),
		cmocka_unit_test_setup_teardown(searches_that_fail_are_told, reset, forget),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
