/* test_ruleset_standard: the standard metrics, of weir's own set and of Istio's
 * stock configurations, are what they were as a table and as Mixer made them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rule_scene.h"
#include "support/batch_random.h"
#include "support/standard_table.h"

static struct weir_scratch scratch;

/* ---- the standard set ------------------------------------------------------- */

static void the_standard_set_has_istios_families(void **state)
{
	static const char *const names[] = { "istio_requests_total", "istio_request_duration_milliseconds",
		"istio_request_duration_seconds", "istio_request_bytes", "istio_response_bytes",
		"istio_request_messages_total", "istio_response_messages_total", "istio_tcp_connections_opened_total",
		"istio_tcp_connections_closed_total", "istio_tcp_sent_bytes_total", "istio_tcp_received_bytes_total" };
	const struct weir_ruleset *ruleset = scene_load(NULL, false);
	const struct weir_schema *schema = weir_ruleset_schema(ruleset);

	(void)state;
	assert_int_equal(schema->metric_count, 11);
	assert_int_equal(schema->group_count, 3);
	for (uint32_t i = 0; i < schema->metric_count; i++) {
		const struct weir_metric *metric = &schema->metrics[i];

		assert_string_equal(metric->name, names[i]);
		assert_ptr_equal(schema->groups[metric->group].metrics[metric->place], metric);
		assert_int_equal(metric->unit, strstr(metric->name, "_seconds") && !strstr(metric->name, "milli")
						       ? WEIR_UNIT_DURATION
						       : WEIR_UNIT_WHOLE);
	}
	for (unsigned i = 0; i < STANDARD_TABLE_METRICS; i++) {
		const struct standard_table_family *family = &standard_table_families[i];
		const struct weir_metric *metric = scene_metric(ruleset, family->name);

		assert_string_equal(metric->help, family->help);
		assert_int_equal(metric->kind, family->is_histogram ? WEIR_METRIC_HISTOGRAM : WEIR_METRIC_COUNTER);
		if (family->is_histogram) {
			assert_int_equal(metric->bound_count, STANDARD_TABLE_BOUNDS);
			assert_memory_equal(metric->bounds, standard_table_bounds, sizeof(standard_table_bounds));
		}
	}
	weir_ruleset_let_go(ruleset);
}

/* Removes labels of empty values: `a="",`. */
static void without_empty(char *text)
{
	char *at;

	while ((at = strstr(text, "=\"\"")) != NULL && (at[3] == ',' || at[3] == '\0')) {
		char *begin = at;

		while (begin > text && begin[-1] != ',') {
			begin--;
		}
		memmove(begin, at + (at[3] == ',' ? 4 : 3), strlen(at + (at[3] == ',' ? 4 : 3)) + 1);
	}
}

static void expect_as_before(
	const struct weir_ruleset *ruleset, const struct weir_rules_record *record, uint32_t group, bool is_message)
{
	struct weir_buf now, before;

	weir_buf_init(&now, 0);
	weir_buf_init(&before, 0);
	weir_ruleset_labels(ruleset, group, record, &scratch, &now);
	standard_table_labels(record->batch, record->call, record->request, is_message, &before);
	weir_buf_add_char(&now, '\0');
	weir_buf_add_char(&before, '\0');
	without_empty(before.data);
	assert_string_equal(now.data, before.data);
	weir_buf_fini(&now);
	weir_buf_fini(&before);
}

/* Takes something away, or makes it a rare one. */
static void call_change(struct batch_random *random, struct batch_maker *maker, struct weir_call *call)
{
	struct weir_ref none = { 0, 0 }, principal = batch_maker_text(maker, "spiffe://td/ns/a/sa/\"b\\\n");

	switch (batch_random_number(random, 8)) {
	case 0:
		call->reporter = WEIR_REPORTER_WAYPOINT;
		break;
	case 1:
		call->source = WEIR_NONE;
		break;
	case 2:
		call->destination = WEIR_NONE;
		call->service_host = none;
		break;
	case 3:
		call->service_name = call->service_namespace = none;
		break;
	case 4:
		call->source_principal = call->destination_principal = principal;
		break;
	case 5:
		call->response_flags = (uint32_t)batch_random_number(random, 1u << 28);
		break;
	default:
		break;
	}
}

static void workloads_change(struct batch_random *random, struct weir_batch *batch)
{
	struct weir_workload *workloads = (struct weir_workload *)((char *)batch + batch->workloads.offset);

	for (uint32_t i = 0; i < batch->workloads.count; i++) {
		struct weir_ref *fields[] = { &workloads[i].name, &workloads[i].namespace_, &workloads[i].app,
			&workloads[i].version, &workloads[i].canonical_service, &workloads[i].canonical_revision,
			&workloads[i].cluster };

		for (size_t j = 0; j < 7; j++) {
			if (batch_random_number(random, 5) == 0) {
				*fields[j] = (struct weir_ref){ 0, 0 };
			}
		}
	}
}

static void batch_change(struct batch_random *random, struct weir_batch *batch)
{
	struct weir_request *requests = (struct weir_request *)((char *)batch + batch->requests.offset);
	struct weir_connection *connections = (struct weir_connection *)((char *)batch + batch->connections.offset);

	for (uint32_t i = 0; i < batch->requests.count; i++) {
		requests[i].grpc_status = requests[i].call.protocol == WEIR_REQUEST_GRPC ? requests[i].grpc_status
											 : WEIR_GRPC_STATUS_NONE;
	}
	for (uint32_t i = 0; i < batch->connections.count; i++) {
		connections[i].call.protocol = WEIR_REQUEST_TCP;
	}
	workloads_change(random, batch);
}

static void non_mixer_series_are_as_the_table_made_them(void **state)
{
	const struct weir_ruleset *ruleset = scene_load("builtin", false);
	struct batch_random random = { .state = 5, .now_ns = 1u << 30, .step_ns = 1000000, .names = 5 };
	uint32_t of_requests = scene_metric(ruleset, "istio_requests_total")->group;
	uint32_t of_messages = scene_metric(ruleset, "istio_request_messages_total")->group;
	uint32_t of_tcp = scene_metric(ruleset, "istio_tcp_sent_bytes_total")->group;
	struct batch_maker maker = { 0 };
	unsigned seen = 0;

	(void)state;
	for (unsigned round = 0; round < 600; round++) {
		struct weir_batch *batch = (struct weir_batch *)(uintptr_t)batch_random_next(&random, &maker);
		const struct weir_request *requests = weir_batch_requests(batch);
		const struct weir_connection *connections = weir_batch_connections(batch);

		batch_change(&random, batch);
		for (uint32_t i = 0; i < batch->requests.count; i++) {
			const struct weir_rules_record record = {
				.batch = batch, .call = &requests[i].call, .request = &requests[i]
			};
			bool has_messages = requests[i].request_messages > 0 || requests[i].response_messages > 0;

			if (batch->signal == WEIR_SIGNAL_MIXER) {
				continue;
			}
			assert_true(scene_is_hit(ruleset, &record, "istio_requests_total"));
			assert_true(scene_is_hit(ruleset, &record, "istio_request_duration_milliseconds"));
			assert_false(scene_is_hit(ruleset, &record, "istio_request_duration_seconds"));
			assert_false(scene_is_hit(ruleset, &record, "istio_tcp_sent_bytes_total"));
			assert_int_equal(scene_is_hit(ruleset, &record, "istio_request_messages_total"), has_messages);
			expect_as_before(ruleset, &record, of_requests, false);
			expect_as_before(ruleset, &record, of_messages, true);
			seen |= 1;
		}
		for (uint32_t i = 0; i < batch->connections.count; i++) {
			const struct weir_rules_record record = { .batch = batch,
				.call = &connections[i].call,
				.connection = &connections[i],
				.event = connections[i].state };

			assert_int_equal(scene_is_hit(ruleset, &record, "istio_tcp_connections_opened_total"),
				connections[i].state == WEIR_CONNECTION_OPEN);
			assert_int_equal(scene_is_hit(ruleset, &record, "istio_tcp_connections_closed_total"),
				connections[i].state == WEIR_CONNECTION_CLOSE);
			assert_true(scene_is_hit(ruleset, &record, "istio_tcp_sent_bytes_total"));
			assert_false(scene_is_hit(ruleset, &record, "istio_requests_total"));
			expect_as_before(ruleset, &record, of_tcp, false);
			seen |= 2;
		}
	}
	assert_int_equal(seen, 3);
	batch_maker_fini(&maker);
	weir_ruleset_let_go(ruleset);
}

static void rare_calls_are_as_the_table_made_them(void **state)
{
	const struct weir_ruleset *ruleset = scene_load("builtin", false);
	uint32_t of_requests = scene_metric(ruleset, "istio_requests_total")->group;
	struct batch_random random = { .state = 9, .names = 5 };
	struct batch_maker maker = { 0 };

	(void)state;
	for (unsigned round = 0; round < 400; round++) {
		const struct weir_batch *batch;
		struct weir_request *request;
		struct weir_rules_record record = { 0 };

		batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "a", 1);
		batch_maker_workload(&maker, "w1", "default", "v1");
		batch_maker_workload(&maker, "w2", "default", "v2");
		request = batch_maker_request(&maker);
		request->call.destination = 1;
		request->call.security = (uint8_t)batch_random_number(&random, 3);
		request->call.service_host = batch_maker_text(&maker, "h.ns.svc");
		request->call.service_name = batch_maker_text(&maker, "h");
		request->grpc_status = (int32_t)batch_random_number(&random, 4) - 1;
		request->response_code = (uint16_t)batch_random_number(&random, 600);
		for (unsigned i = 0; i < 3; i++) {
			call_change(&random, &maker, &request->call);
		}
		batch = batch_maker_finish(&maker);
		record.batch = batch;
		record.request = weir_batch_requests(batch);
		record.call = &record.request->call;
		expect_as_before(ruleset, &record, of_requests, false);
	}
	batch_maker_fini(&maker);
	weir_ruleset_let_go(ruleset);
}

static void mixers_sources_get_what_mixer_made(void **state)
{
	const struct weir_ruleset *ruleset = scene_load(NULL, false);
	struct scene_told *told = scene_tell("http");
	struct weir_observation seen;

	(void)state;
	scene_tell_text(told, "weir.signal", "mixer");
	scene_tell_number(told, "response.code", 0);
	scene_tell_number(told, "response.duration", 12345678);
	scene_tell_number(told, "request.size", 10);
	scene_tell_number(told, "request.total_size", 500);
	scene_expect_labels(ruleset, told, "istio_requests_total",
		"response_code=\"0\",response_flags=\"-\",connection_security_policy=\"unknown\","
		"permissive_response_code=\"none\",permissive_response_policyid=\"none\"");
	scene_tell_text(told, "rbac.permissive.response_code", "403");
	scene_expect_labels(ruleset, told, "istio_requests_total", "permissive_response_code=\"403\"");
	assert_true(scene_is_hit(ruleset, &told->record, "istio_requests_total"));
	assert_true(scene_is_hit(ruleset, &told->record, "istio_request_duration_seconds"));
	assert_false(scene_is_hit(ruleset, &told->record, "istio_request_duration_milliseconds"));
	assert_true(weir_ruleset_value(
		ruleset, scene_metric(ruleset, "istio_request_duration_seconds"), &told->record, &scratch, &seen));
	assert_int_equal(seen.number, 12345678);
	assert_true(weir_ruleset_value(
		ruleset, scene_metric(ruleset, "istio_request_bytes"), &told->record, &scratch, &seen));
	assert_int_equal(seen.number, 10);
	scene_tell_text(told, "weir.signal", "access_log");
	assert_true(weir_ruleset_value(
		ruleset, scene_metric(ruleset, "istio_request_bytes"), &told->record, &scratch, &seen));
	assert_int_equal(seen.number, 500);
	scene_expect_labels(ruleset, told, "istio_requests_total", "response_code=\"0\"");

	scene_tell_text(told, "weir.profile", "both");
	assert_true(scene_is_hit(ruleset, &told->record, "istio_request_duration_seconds"));
	assert_true(scene_is_hit(ruleset, &told->record, "istio_request_duration_milliseconds"));
	scene_tell_number(told, "weir.probe", 1);
	assert_true(scene_is_hit(ruleset, &told->record, "istio_requests_total")); /* flagged, not dropped */
	scene_tell_text(told, "weir.signal", "mixer");
	assert_false(scene_is_hit(ruleset, &told->record, "istio_requests_total"));
	assert_false(scene_is_hit(ruleset, &told->record, "istio_request_duration_seconds"));
	free(told);
	weir_ruleset_let_go(ruleset);
}

/* ---- stock configurations ----------------------------------------------------- */

static void stock_configurations_yield_the_standard_metrics(void **state)
{
	static const char *const files[] = { RULES_FOLDER "/istio-1.0.yaml", RULES_FOLDER "/istio-1.1.yaml",
		RULES_FOLDER "/istio-1.4.yaml" };
	static const char *const names[] = { "istio_requests_total", "istio_request_duration_seconds",
		"istio_request_bytes", "istio_response_bytes", "istio_tcp_sent_bytes_total",
		"istio_tcp_received_bytes_total", "istio_tcp_connections_opened_total",
		"istio_tcp_connections_closed_total" };

	(void)state;
	for (size_t file = 0; file < 3; file++) {
		const struct weir_ruleset *ruleset = scene_load(files[file], false);
		struct scene_told *http = scene_tell("http"), *tcp = scene_tell("tcp");

		assert_int_equal(weir_ruleset_schema(ruleset)->metric_count, 8);
		assert_int_equal(weir_ruleset_schema(ruleset)->group_count, 2);
		assert_int_equal(weir_ruleset_expiry_ns(ruleset), file == 0 ? 0 : 600000000000);
		assert_int_equal(weir_ruleset_output_count(ruleset), 1);
		assert_int_equal(scene_metric(ruleset, "istio_request_duration_seconds")->bound_count, 11);
		assert_int_equal(scene_metric(ruleset, "istio_request_bytes")->bound_count, 9);
		assert_true(scene_metric(ruleset, "istio_request_bytes")->bounds[8] == 1e8);
		scene_tell_text(tcp, "connection.event", "open");
		for (size_t i = 0; i < 8; i++) {
			assert_int_equal(scene_is_hit(ruleset, &http->record, names[i]), i < 4);
			assert_int_equal(scene_is_hit(ruleset, &tcp->record, names[i]), i >= 4 && i != 7);
		}
		scene_tell_text(http, "request.useragent", "kube-probe/1.14");
		assert_int_equal(scene_is_hit(ruleset, &http->record, "istio_requests_total"), file == 0);
		scene_tell_text(http, "request.useragent", "Prometheus/2.8");
		assert_int_equal(scene_is_hit(ruleset, &http->record, "istio_requests_total"), file < 2);
		scene_tell_text(http, "context.reporter.kind", "outbound");
		scene_tell_entry(http, "source.labels", "app", "reviews");
		scene_tell_text(http, "destination.service.name", "details");
		scene_tell_text(http, "request.host", "details:9080");
		scene_expect_labels(ruleset, http, "istio_requests_total", "reporter=\"source\"");
		scene_expect_labels(ruleset, http, "istio_requests_total", "source_app=\"reviews\"");
		scene_expect_labels(ruleset, http, "istio_requests_total", "destination_service=\"details:9080\"");
		scene_expect_labels(ruleset, http, "istio_requests_total", "response_code=\"200\"");
		scene_expect_labels(ruleset, tcp, "istio_tcp_sent_bytes_total", "reporter=\"destination\"");
		free(http);
		free(tcp);
		weir_ruleset_let_go(ruleset);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_standard_set_has_istios_families),
		cmocka_unit_test(non_mixer_series_are_as_the_table_made_them),
		cmocka_unit_test(rare_calls_are_as_the_table_made_them),
		cmocka_unit_test(mixers_sources_get_what_mixer_made),
		cmocka_unit_test(stock_configurations_yield_the_standard_metrics),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
