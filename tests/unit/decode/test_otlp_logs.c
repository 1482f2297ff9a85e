/* Tests of the OTLP logs decoder: records, and what an Envoy's access logs tell besides. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "decode/flags.h"
#include "decode/otlp/access_words.h"
#include "decode/otlp/logs.h"
#include "encode.h"
#include "identity/known.h"

#define NODE "sidecar~10.0.0.1~productpage-v1-5f8d7c9b6-8xv7d.default~default.svc.cluster.local"
#define CALLEE "sidecar~10.0.0.2~reviews-v2-6c7d8f9b5-2xk4m.default~default.svc.cluster.local"
#define GATEWAY "router~10.0.0.3~gateway-7f9c8d6b5-9zx2w.istio-system~istio-system.svc.cluster.local"

static struct weir_arena arena;
static struct weir_buf body, record, inner, group;
static struct weir_draft draft;
static struct weir_known *known;

static int setup(void **state)
{
	(void)state;
	weir_arena_init(&arena, 1 << 16, 1 << 24);
	weir_buf_init(&body, 0);
	weir_buf_init(&record, 0);
	weir_buf_init(&inner, 0);
	weir_buf_init(&group, 0);
	return weir_known_create(8, &known);
}

static int teardown(void **state)
{
	(void)state;
	weir_arena_fini(&arena);
	weir_buf_fini(&body);
	weir_buf_fini(&record);
	weir_buf_fini(&inner);
	weir_buf_fini(&group);
	weir_known_destroy(known);
	return 0;
}

/* `body` (cleared) as a sound batch. */
static const struct weir_batch *decoded(void)
{
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_LOG };
	const struct weir_batch *batch;

	weir_draft_init(&draft, &arena, weir_buf_str(&body));
	draft.known[0] = draft.known[1] = known;
	assert_int_equal(weir_otlp_logs_decode(&draft), 0);
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	weir_buf_clear(&body);
	return batch;
}

/* `record` (cleared) as the only one of this node's access logger; NULL: of an application. */
static const struct weir_batch *logged_by(const char *node)
{
	if (node != NULL) {
		encode_pair_text(&inner, 1, "log_name", "otel_envoy_accesslog");
		encode_pair_text(&inner, 1, "cluster_name", "productpage.default");
		encode_pair_text(&inner, 1, "node_name", node);
		encode_nested(&group, 1, &inner);
	}
	encode_nested(&inner, 2, &record);
	encode_nested(&group, 2, &inner);
	encode_nested(&body, 1, &group);
	return decoded();
}

static bool says(const struct weir_batch *batch, struct weir_ref ref, const char *text)
{
	return weir_str_is(weir_batch_str(batch, ref), text);
}

static const struct weir_workload *end_of(const struct weir_batch *batch, uint32_t row)
{
	assert_true(row < batch->workloads.count);
	return &weir_batch_workloads(batch)[row];
}

/* ---- records ---------------------------------------------------------------- */

static void record_keeps_all_that_it_says(void **state)
{
	static const uint8_t trace[16] = { 1, 2 }, id[8] = { 3, 4 };
	const struct weir_batch *batch;
	const struct weir_log *log;

	(void)state;
	encode_fixed64(&record, 1, 100);
	encode_number(&record, 2, 17);
	encode_text(&record, 3, "ERROR");
	encode_text(&inner, 1, "payment failed");
	encode_nested(&record, 5, &inner);
	encode_pair_number(&record, 6, "attempt", 3);
	encode_number(&record, 7, 2);
	encode_fixed32(&record, 8, 1);
	encode_bytes(&record, 9, trace, sizeof(trace));
	encode_bytes(&record, 10, id, sizeof(id));
	encode_fixed64(&record, 11, 105);
	encode_text(&record, 12, "payment");
	batch = logged_by(NULL);
	assert_int_equal(batch->offered, 1);
	assert_int_equal(batch->kept, 1);
	log = weir_batch_logs(batch);
	assert_int_equal(log->time_ns, 100);
	assert_int_equal(log->observed_ns, 105);
	assert_int_equal(log->severity, 17);
	assert_true(says(batch, log->severity_text, "ERROR"));
	assert_true(says(batch, log->event_name, "payment"));
	assert_int_equal(log->body.type, WEIR_ATTR_STRING);
	assert_true(says(batch, log->body.value.text, "payment failed"));
	assert_int_equal(log->attr_count, 1);
	assert_int_equal(weir_batch_attrs(batch)[log->attr_first].value.number, 3);
	assert_int_equal(log->dropped_attrs, 2);
	assert_int_equal(log->w3c_flags, 1);
	assert_memory_equal(log->trace_id, trace, sizeof(trace));
	assert_memory_equal(log->span_id, id, sizeof(id));
	assert_int_equal(log->request, WEIR_NONE);
	assert_true(says(batch, weir_batch_resources(batch)->service, "unknown_service"));
}

static void body_may_be_anything(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	encode_pair_number(&inner, 1, "items", 3);
	encode_nested(&group, 6, &inner);
	encode_nested(&record, 5, &group);
	batch = logged_by(NULL);
	assert_int_equal(weir_batch_logs(batch)->body.type, WEIR_ATTR_JSON);
	assert_true(says(batch, weir_batch_logs(batch)->body.value.text, "{\"items\":3}"));
	encode_fixed64(&record, 1, 5);
	batch = logged_by(NULL);
	assert_int_equal(weir_batch_logs(batch)->body.type, WEIR_ATTR_EMPTY);
}

static void bad_ids_and_severities_are_none(void **state)
{
	static const uint8_t none[16], some[16] = { 1 };
	const struct weir_log *log;

	(void)state;
	encode_number(&record, 2, 25);
	encode_bytes(&record, 9, some, 15);
	encode_bytes(&record, 10, none, 8);
	log = weir_batch_logs(logged_by(NULL));
	assert_int_equal(log->severity, 0);
	assert_memory_equal(log->trace_id, none, 16);
	assert_memory_equal(log->span_id, none, 8);
	/* The last one counts, even when it is none. */
	encode_bytes(&record, 9, some, 16);
	encode_bytes(&record, 9, some, 3);
	log = weir_batch_logs(logged_by(NULL));
	assert_memory_equal(log->trace_id, none, 16);
}

static void malformed_bodies_are_refused(void **state)
{
	(void)state;
	encode_fixed64(&record, 1, 5);
	encode_pair_text(&record, 6, "a", "b");
	encode_request(&body, "shop", &record);
	for (size_t length = 1; length < body.length; length++) {
		weir_draft_init(&draft, &arena, weir_str_make(body.data, length));
		assert_int_equal(weir_otlp_logs_decode(&draft), WEIR_DECODE_MALFORMED);
		assert_non_null(draft.error);
	}
}

static void full_arena_is_too_large(void **state)
{
	struct weir_arena small;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		encode_fixed64(&record, 1, 5);
		encode_request(&body, "shop", &record);
	}
	weir_arena_init(&small, 1 << 12, 1 << 16);
	weir_draft_init(&draft, &small, weir_buf_str(&body));
	assert_int_equal(weir_otlp_logs_decode(&draft), WEIR_DECODE_TOO_LARGE);
	weir_arena_fini(&small);
}

/* ---- access logs ------------------------------------------------------------ */

static void fields_encode(const char *const (*fields)[2], size_t count)
{
	encode_fixed64(&record, 1, 7000);
	for (size_t i = 0; i < count; i++) {
		encode_pair_text(&record, 6, fields[i][0], fields[i][1]);
	}
}

static const char *const outbound[][2] = {
	{ "direction", "outbound" },
	{ "response_code", "503" },
	{ "response_flags", "URX,UF" },
	{ "upstream_cluster", "outbound|9080|v2|reviews.default.svc.cluster.local" },
	{ "bytes_received", "12" },
	{ "bytes_sent", "34" },
	{ "duration", "56" },
	{ "upstream_host", "10.0.0.2:15006" },
	{ "downstream_remote_address", "10.0.0.1:41352" },
	{ "access_log_type", "DownstreamEnd" },
	{ "method", "GET" },
	{ "path", "/reviews/0" },
	{ "authority", "reviews:9080" },
	{ "request_id", "ad0f-1" },
	{ "protocol", "HTTP/1.1" },
	{ "trace_id", "-" },
};

#define COUNT(fields) (sizeof(fields) / sizeof((fields)[0]))

static void mapped_attributes_become_a_request(void **state)
{
	const struct weir_request *request;
	const struct weir_batch *batch;

	(void)state;
	fields_encode(outbound, COUNT(outbound));
	batch = logged_by(NODE);
	assert_int_equal(batch->kept, 1); /* one item: the request is not another */
	assert_int_equal(batch->requests.count, 1);
	assert_int_equal(weir_batch_logs(batch)->request, 0);
	assert_int_equal(weir_batch_logs(batch)->attr_count, COUNT(outbound));
	request = weir_batch_requests(batch);
	assert_int_equal(request->start_ns, 7000);
	assert_int_equal(request->duration_ns, 56000000);
	assert_int_equal(request->response_code, 503);
	assert_int_equal(request->call.response_flags, UINT32_C(1) << 15 | UINT32_C(1) << 5);
	assert_int_equal(request->call.reporter, WEIR_REPORTER_SOURCE);
	assert_int_equal(request->request_bytes, 12);
	assert_int_equal(request->response_bytes, 34);
	assert_int_equal(request->method, WEIR_METHOD_GET);
	assert_int_equal(request->http_version, 2);
	assert_int_equal(request->grpc_status, WEIR_GRPC_STATUS_NONE);
	assert_int_equal(request->attr_count, 0);
	assert_int_equal(request->trace_id.length, 0);
	assert_true(says(batch, request->request_id, "ad0f-1"));
	assert_true(says(batch, request->path, "/reviews/0"));
	assert_true(says(batch, request->call.proxy, "productpage-v1-5f8d7c9b6-8xv7d.default"));
	assert_true(says(batch, request->call.service_host, "reviews.default.svc.cluster.local"));
	assert_true(says(batch, request->call.service_name, "reviews"));
	assert_true(says(batch, request->call.service_namespace, "default"));
	assert_true(says(batch, end_of(batch, request->call.source)->name, "productpage-v1"));
	assert_true(says(batch, end_of(batch, request->call.source)->app, "productpage"));
	assert_true(says(batch, end_of(batch, request->call.source)->version, "v1"));
	assert_true(says(batch, weir_batch_resources(batch)->proxy, "productpage-v1-5f8d7c9b6-8xv7d.default"));
}

static void text_alone_owns_no_request(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	encode_text(&inner, 1, "[2026-11-23T00:08:48.430Z] \"GET /x HTTP/1.1\" 200 - via_upstream");
	encode_nested(&record, 5, &inner);
	batch = logged_by(NODE);
	assert_int_equal(batch->requests.count + batch->connections.count + batch->workloads.count, 0);
	/* Nor do attributes that do not say how it ended. */
	encode_pair_text(&record, 6, "method", "GET");
	encode_pair_text(&record, 6, "path", "/x");
	batch = logged_by(NODE);
	assert_int_equal(batch->requests.count, 0);
	/* Nor an application's log about a request. */
	fields_encode(outbound, COUNT(outbound));
	batch = logged_by(NULL);
	assert_int_equal(batch->requests.count, 0);
	assert_int_equal(weir_batch_logs(batch)->request, WEIR_NONE);
}

static void intermediate_record_is_a_log_but_no_request(void **state)
{
	static const char *const fields[][2] = { { "response_code", "0" }, { "method", "GET" },
		{ "access_log_type", "DownstreamPeriodic" } };
	const struct weir_batch *batch;

	(void)state;
	fields_encode(fields, COUNT(fields));
	batch = logged_by(NODE);
	assert_int_equal(batch->logs.count, 1);
	assert_int_equal(batch->kept, 1);
	assert_int_equal(batch->requests.count, 0);
	assert_int_equal(weir_batch_logs(batch)->request, WEIR_NONE);
}

static void byte_counts_without_a_request_are_a_connection(void **state)
{
	static const char *const fields[][2] = { { "direction", "inbound" }, { "response_code", "0" },
		{ "upstream_cluster", "inbound|3306||" }, { "bytes_received", "72" }, { "bytes_sent", "144" },
		{ "duration", "4" }, { "downstream_remote_address", "10.0.0.9:40568" },
		{ "access_log_type", "TcpConnectionEnd" } };
	const struct weir_connection *connection;
	const struct weir_batch *batch;

	(void)state;
	fields_encode(fields, COUNT(fields));
	batch = logged_by(NODE);
	assert_int_equal(batch->connections.count, 1);
	assert_int_equal(batch->requests.count, 0);
	assert_int_equal(weir_batch_logs(batch)->request, WEIR_NONE);
	connection = weir_batch_connections(batch);
	assert_int_equal(connection->received_bytes, 72);
	assert_int_equal(connection->sent_bytes, 144);
	assert_int_equal(connection->state, WEIR_CONNECTION_CLOSE);
	assert_int_equal(connection->call.reporter, WEIR_REPORTER_DESTINATION);
	assert_int_equal(connection->call.protocol, WEIR_REQUEST_TCP);
	assert_int_equal(end_of(batch, connection->call.source)->name.length, 0);
}

/* An inbound record of the callee, called from `remote`. */
static const struct weir_batch *called_from(const char *remote)
{
	const char *const fields[][2] = { { "direction", "inbound" }, { "response_code", "200" },
		{ "upstream_cluster", "inbound|9080||" }, { "downstream_remote_address", remote },
		{ "method", "GET" } };

	fields_encode(fields, COUNT(fields));
	return logged_by(CALLEE);
}

static void caller_is_known_by_its_address_once_it_logged(void **state)
{
	const struct weir_batch *batch;
	const struct weir_call *call;

	(void)state;
	batch = called_from("10.0.0.1:41352");
	call = &weir_batch_requests(batch)->call;
	assert_int_equal(end_of(batch, call->source)->name.length, 0);
	fields_encode(outbound, COUNT(outbound));
	batch = logged_by(NODE);
	/* The callee logged first, so the caller's proxy knows it. */
	call = &weir_batch_requests(batch)->call;
	assert_true(says(batch, end_of(batch, call->destination)->name, "reviews-v2"));
	batch = called_from("10.0.0.1:41352");
	call = &weir_batch_requests(batch)->call;
	assert_int_equal(call->reporter, WEIR_REPORTER_DESTINATION);
	assert_true(says(batch, end_of(batch, call->source)->name, "productpage-v1"));
	assert_true(says(batch, end_of(batch, call->destination)->name, "reviews-v2"));
	assert_true(says(batch, call->service_host, "reviews.default.svc.cluster.local"));
	/* From X-Forwarded-For: somebody further away. */
	batch = called_from("10.0.0.1:0");
	assert_int_equal(end_of(batch, weir_batch_requests(batch)->call.source)->name.length, 0);
}

static void labels_that_are_logged_win(void **state)
{
	static const char *const fields[][2] = { { "reporter", "destination" }, { "response_code", "200" },
		{ "source_workload", "cart-v3" }, { "source_workload_namespace", "shop" },
		{ "source.principal", "cluster.local/ns/shop/sa/cart" }, { "destination_workload", "not-me" },
		{ "destination.service.host", "reviews.default.svc.cluster.local" },
		{ "destination_service_name", "reviews" }, { "method", "POST" } };
	const struct weir_batch *batch;
	const struct weir_call *call;

	(void)state;
	fields_encode(fields, COUNT(fields));
	batch = logged_by(CALLEE);
	call = &weir_batch_requests(batch)->call;
	assert_int_equal(call->reporter, WEIR_REPORTER_DESTINATION);
	assert_true(says(batch, end_of(batch, call->source)->name, "cart-v3"));
	assert_true(says(batch, end_of(batch, call->source)->namespace_, "shop"));
	assert_true(says(batch, call->source_principal, "cluster.local/ns/shop/sa/cart"));
	/* Who the proxy itself is, its node says. */
	assert_true(says(batch, end_of(batch, call->destination)->name, "reviews-v2"));
	assert_true(says(batch, call->service_host, "reviews.default.svc.cluster.local"));
	assert_true(says(batch, call->service_name, "reviews"));
}

static void conventions_and_mixer_words_are_understood_too(void **state)
{
	const struct weir_request *request;
	const struct weir_batch *batch;

	(void)state;
	encode_fixed64(&record, 1, 7000);
	encode_pair_text(&record, 6, "context.reporter.kind", "outbound");
	encode_pair_number(&record, 6, "http.response.status_code", 404);
	encode_pair_text(&record, 6, "http.request.method", "DELETE");
	encode_pair_text(&record, 6, "url.path", "/cart/7");
	encode_pair_text(&record, 6, "request.host", "cart:80");
	encode_pair_text(&record, 6, "context.proxy_error_code", "NR");
	encode_pair_number(&record, 6, "request.total_size", 900);
	encode_pair_text(&record, 6, "response.grpc_status", "5");
	encode_pair_text(&record, 6, "response.duration", "0.25s");
	batch = logged_by(NODE);
	assert_int_equal(batch->requests.count, 1);
	request = weir_batch_requests(batch);
	assert_int_equal(request->response_code, 404);
	assert_int_equal(request->method, WEIR_METHOD_DELETE);
	assert_int_equal(request->call.response_flags, UINT32_C(1) << 8);
	assert_int_equal(request->request_bytes, 900);
	assert_int_equal(request->grpc_status, 5);
	assert_int_equal(request->call.protocol, WEIR_REQUEST_GRPC);
	assert_int_equal(request->duration_ns, 250000000);
	assert_true(says(batch, request->path, "/cart/7"));
	assert_true(says(batch, request->call.service_host, "cart")); /* no cluster: as it was asked for */
}

static void gateway_is_always_a_source_and_believes_no_authority(void **state)
{
	static const char *const fields[][2] = { { "direction", "inbound" }, { "response_code", "404" },
		{ "response_flags", "NR" }, { "upstream_cluster", "-" }, { "authority", "shop.example" },
		{ "method", "GET" } };
	const struct weir_batch *batch;

	(void)state;
	fields_encode(fields, COUNT(fields));
	batch = logged_by(GATEWAY);
	assert_int_equal(weir_batch_requests(batch)->call.reporter, WEIR_REPORTER_SOURCE);
	assert_int_equal(weir_batch_requests(batch)->call.service_host.length, 0);
}

static void unknown_host_is_the_black_hole(void **state)
{
	static const char *const fields[][2] = { { "direction", "outbound" }, { "response_code", "502" },
		{ "response_flags", "-" }, { "upstream_cluster", "-" }, { "upstream_host", "-" },
		{ "authority", "nosuch:9080" }, { "method", "GET" } };
	const struct weir_batch *batch;

	(void)state;
	fields_encode(fields, COUNT(fields));
	batch = logged_by(NODE);
	assert_true(says(batch, weir_batch_requests(batch)->call.service_host, "BlackHoleCluster"));
	/* With any flag it is another 502. */
	fields_encode(fields, COUNT(fields));
	encode_pair_text(&record, 6, "response_flags", "FI");
	batch = logged_by(NODE);
	assert_true(says(batch, weir_batch_requests(batch)->call.service_host, "nosuch"));
}

static void trace_of_the_record_is_the_requests(void **state)
{
	static const uint8_t trace[16] = { 0xab, 0xcd };
	const struct weir_batch *batch;

	(void)state;
	fields_encode(outbound, COUNT(outbound));
	encode_bytes(&record, 9, trace, sizeof(trace));
	batch = logged_by(NODE);
	assert_true(says(batch, weir_batch_requests(batch)->trace_id, "abcd0000000000000000000000000000"));
}

static void text_that_is_no_utf8_names_nobody(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	fields_encode(outbound, COUNT(outbound));
	encode_pair_text(&record, 6, "request_id", "\xff\xfe");
	encode_pair_text(&record, 6, "authority", "\xff");
	batch = logged_by(NODE);
	assert_int_equal(batch->requests.count, 1);
	assert_int_equal(weir_batch_requests(batch)->request_id.length, 0);
	assert_int_equal(batch->replaced_utf8, 2);
}

/* ---- words ------------------------------------------------------------------ */

static void flags_are_read_by_name(void **state)
{
	(void)state;
	assert_int_equal(weir_flags_parse(weir_str_of("-")), 0);
	assert_int_equal(weir_flags_parse(weir_str_of("LH")), 1);
	assert_int_equal(weir_flags_parse(weir_str_of("DR, UAEX,XX")), UINT32_C(1) << 27 | UINT32_C(1) << 12);
	assert_int_equal(weir_flags_parse(weir_str_make(NULL, 0)), 0);
}

static void grpc_statuses_are_read_in_every_spelling(void **state)
{
	static const char *const five[] = { "5", "NotFound", "NOT_FOUND" };
	int32_t status = -1;

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		status = -1;
		assert_true(weir_access_grpc_status(weir_str_of(five[i]), &status));
		assert_int_equal(status, 5);
	}
	assert_true(weir_access_grpc_status(weir_str_of("CANCELLED"), &status));
	assert_int_equal(status, 1);
	assert_true(weir_access_grpc_status(weir_str_of("OK"), &status));
	assert_int_equal(status, 0);
	assert_false(weir_access_grpc_status(weir_str_of("NotFoundAtAll"), &status));
	assert_false(weir_access_grpc_status(weir_str_make(NULL, 0), &status));
}

static void every_word_is_found(void **state)
{
	(void)state;
	assert_int_equal(weir_access_word_of(weir_str_of("path")), WEIR_ACCESS_PATH);
	assert_int_equal(weir_access_word_of(weir_str_of("response_code")), WEIR_ACCESS_CODE);
	assert_int_equal(weir_access_word_of(weir_str_of("downstream_direct_remote_address")), WEIR_ACCESS_DIRECT);
	assert_int_equal(weir_access_word_of(weir_str_of("Path")), WEIR_ACCESS_WORDS);
	assert_int_equal(weir_access_word_of(weir_str_of("")), WEIR_ACCESS_WORDS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(record_keeps_all_that_it_says, setup, teardown),
		cmocka_unit_test_setup_teardown(body_may_be_anything, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_ids_and_severities_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_bodies_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(full_arena_is_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(mapped_attributes_become_a_request, setup, teardown),
		cmocka_unit_test_setup_teardown(text_alone_owns_no_request, setup, teardown),
		cmocka_unit_test_setup_teardown(intermediate_record_is_a_log_but_no_request, setup, teardown),
		cmocka_unit_test_setup_teardown(byte_counts_without_a_request_are_a_connection, setup, teardown),
		cmocka_unit_test_setup_teardown(caller_is_known_by_its_address_once_it_logged, setup, teardown),
		cmocka_unit_test_setup_teardown(labels_that_are_logged_win, setup, teardown),
		cmocka_unit_test_setup_teardown(conventions_and_mixer_words_are_understood_too, setup, teardown),
		cmocka_unit_test_setup_teardown(gateway_is_always_a_source_and_believes_no_authority, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_host_is_the_black_hole, setup, teardown),
		cmocka_unit_test_setup_teardown(trace_of_the_record_is_the_requests, setup, teardown),
		cmocka_unit_test_setup_teardown(text_that_is_no_utf8_names_nobody, setup, teardown),
		cmocka_unit_test(flags_are_read_by_name),
		cmocka_unit_test(grpc_statuses_are_read_in_every_spelling),
		cmocka_unit_test(every_word_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
