/* test_ruleset: what rule sets make of records: the standard metrics are what
 * they were as a table; keys tell apart what labels tell apart, and no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "rules/label.h"
#include "rules/ruleset.h"
#include "support/batch_random.h"
#include "support/standard_table.h"

static struct weir_scratch scratch;

static const struct weir_ruleset *load(const char *path, bool is_both)
{
	const struct weir_ruleset_opts opts = { .paths = &path, .path_count = path != NULL, .is_both = is_both };
	const struct weir_ruleset *ruleset = NULL;
	struct weir_ruleset_error error;

	if (weir_ruleset_load(&opts, &ruleset, &error) != 0) {
		fail_msg("%s: %s", error.where, error.why);
	}
	return ruleset;
}

static const struct weir_ruleset *load_text(const char *text)
{
	char path[] = "/tmp/weir-ruleset-XXXXXX";
	int fd = mkstemp(path);
	const struct weir_ruleset *ruleset;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	ruleset = load(path, false);
	unlink(path);
	return ruleset;
}

static const struct weir_metric *metric_of(const struct weir_ruleset *ruleset, const char *name)
{
	const struct weir_schema *schema = weir_ruleset_schema(ruleset);

	for (uint32_t i = 0; i < schema->metric_count; i++) {
		if (strcmp(schema->metrics[i].name, name) == 0) {
			return &schema->metrics[i];
		}
	}
	fail_msg("no metric %s", name);
	return NULL;
}

/* Is the metric among the hits? */
static bool is_hit(const struct weir_ruleset *ruleset, const struct weir_rules_record *record, const char *name)
{
	const struct weir_metric *metric = metric_of(ruleset, name);
	struct weir_ruleset_hit hits[WEIR_GROUPS_MAX];
	uint32_t count = weir_ruleset_match(ruleset, record, &scratch, hits);

	assert_int_equal(scratch.used, 0);
	for (uint32_t i = 0; i < count; i++) {
		if (hits[i].group == metric->group) {
			return (hits[i].mask >> metric->place) & 1;
		}
	}
	return false;
}

/* ---- the standard set ------------------------------------------------------- */

static void the_standard_set_has_istios_families(void **state)
{
	static const char *const names[] = { "istio_requests_total", "istio_request_duration_milliseconds",
		"istio_request_duration_seconds", "istio_request_bytes", "istio_response_bytes",
		"istio_request_messages_total", "istio_response_messages_total", "istio_tcp_connections_opened_total",
		"istio_tcp_connections_closed_total", "istio_tcp_sent_bytes_total", "istio_tcp_received_bytes_total" };
	const struct weir_ruleset *ruleset = load(NULL, false);
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
		const struct weir_metric *metric = metric_of(ruleset, family->name);

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
	const struct weir_ruleset *ruleset = load("builtin", false);
	struct batch_random random = { .state = 5, .now_ns = 1u << 30, .step_ns = 1000000, .names = 5 };
	uint32_t of_requests = metric_of(ruleset, "istio_requests_total")->group;
	uint32_t of_messages = metric_of(ruleset, "istio_request_messages_total")->group;
	uint32_t of_tcp = metric_of(ruleset, "istio_tcp_sent_bytes_total")->group;
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
			assert_true(is_hit(ruleset, &record, "istio_requests_total"));
			assert_true(is_hit(ruleset, &record, "istio_request_duration_milliseconds"));
			assert_false(is_hit(ruleset, &record, "istio_request_duration_seconds"));
			assert_false(is_hit(ruleset, &record, "istio_tcp_sent_bytes_total"));
			assert_int_equal(is_hit(ruleset, &record, "istio_request_messages_total"), has_messages);
			expect_as_before(ruleset, &record, of_requests, false);
			expect_as_before(ruleset, &record, of_messages, true);
			seen |= 1;
		}
		for (uint32_t i = 0; i < batch->connections.count; i++) {
			const struct weir_rules_record record = { .batch = batch,
				.call = &connections[i].call,
				.connection = &connections[i],
				.event = connections[i].state };

			assert_int_equal(is_hit(ruleset, &record, "istio_tcp_connections_opened_total"),
				connections[i].state == WEIR_CONNECTION_OPEN);
			assert_int_equal(is_hit(ruleset, &record, "istio_tcp_connections_closed_total"),
				connections[i].state == WEIR_CONNECTION_CLOSE);
			assert_true(is_hit(ruleset, &record, "istio_tcp_sent_bytes_total"));
			assert_false(is_hit(ruleset, &record, "istio_requests_total"));
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
	const struct weir_ruleset *ruleset = load("builtin", false);
	uint32_t of_requests = metric_of(ruleset, "istio_requests_total")->group;
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

/* ---- records that are told -------------------------------------------------- */

struct told {
	struct weir_value values[WEIR_ATTRIBUTES];
	struct weir_rules_pair pairs[16];
	struct weir_rules_record record;
};

static void tell_text(struct told *told, const char *name, const char *text)
{
	enum weir_attribute attribute;

	assert_true(weir_attribute_find(weir_str_of(name), &attribute));
	told->values[attribute] = (struct weir_value){ .type = WEIR_TYPE_STRING, .text = weir_str_of(text) };
	if (text[0] == '\0') {
		told->values[attribute].type = WEIR_TYPE_NONE;
	}
}

static void tell_number(struct told *told, const char *name, int64_t number)
{
	enum weir_attribute attribute;

	assert_true(weir_attribute_find(weir_str_of(name), &attribute));
	told->values[attribute] = (struct weir_value){ .type = weir_attribute_type(attribute), .number = number };
}

static void tell_entry(struct told *told, const char *map, const char *key, const char *value)
{
	struct weir_rules_pair *pair = &told->pairs[told->record.told_pair_count++];

	assert_true(weir_attribute_find(weir_str_of(map), &pair->map));
	pair->key = weir_str_of(key);
	pair->value = weir_str_of(value);
	told->values[pair->map] = (struct weir_value){ .type = WEIR_TYPE_STRING_MAP, .map = pair->map };
}

static struct told *tell(const char *protocol)
{
	struct told *told = calloc(1, sizeof(*told));

	told->record.told = told->values;
	told->record.told_pairs = told->pairs;
	tell_text(told, "context.protocol", protocol);
	return told;
}

static void expect_labels(
	const struct weir_ruleset *ruleset, const struct told *told, const char *name, const char *want)
{
	struct weir_buf text;

	weir_buf_init(&text, 0);
	weir_ruleset_labels(ruleset, metric_of(ruleset, name)->group, &told->record, &scratch, &text);
	weir_buf_add_char(&text, '\0');
	if (strstr(text.data, want) == NULL) {
		fail_msg("no %s in %s", want, text.data);
	}
	weir_buf_fini(&text);
}

static void mixers_sources_get_what_mixer_made(void **state)
{
	const struct weir_ruleset *ruleset = load(NULL, false);
	struct told *told = tell("http");
	struct weir_observation seen;

	(void)state;
	tell_text(told, "weir.signal", "mixer");
	tell_number(told, "response.code", 0);
	tell_number(told, "response.duration", 12345678);
	tell_number(told, "request.size", 10);
	tell_number(told, "request.total_size", 500);
	expect_labels(ruleset, told, "istio_requests_total",
		"response_code=\"0\",response_flags=\"-\",connection_security_policy=\"unknown\","
		"permissive_response_code=\"none\",permissive_response_policyid=\"none\"");
	tell_text(told, "rbac.permissive.response_code", "403");
	expect_labels(ruleset, told, "istio_requests_total", "permissive_response_code=\"403\"");
	assert_true(is_hit(ruleset, &told->record, "istio_requests_total"));
	assert_true(is_hit(ruleset, &told->record, "istio_request_duration_seconds"));
	assert_false(is_hit(ruleset, &told->record, "istio_request_duration_milliseconds"));
	assert_true(weir_ruleset_value(
		ruleset, metric_of(ruleset, "istio_request_duration_seconds"), &told->record, &scratch, &seen));
	assert_int_equal(seen.number, 12345678);
	assert_true(
		weir_ruleset_value(ruleset, metric_of(ruleset, "istio_request_bytes"), &told->record, &scratch, &seen));
	assert_int_equal(seen.number, 10);
	tell_text(told, "weir.signal", "access_log");
	assert_true(
		weir_ruleset_value(ruleset, metric_of(ruleset, "istio_request_bytes"), &told->record, &scratch, &seen));
	assert_int_equal(seen.number, 500);
	expect_labels(ruleset, told, "istio_requests_total", "response_code=\"0\"");

	tell_text(told, "weir.profile", "both");
	assert_true(is_hit(ruleset, &told->record, "istio_request_duration_seconds"));
	assert_true(is_hit(ruleset, &told->record, "istio_request_duration_milliseconds"));
	tell_number(told, "weir.probe", 1);
	assert_true(is_hit(ruleset, &told->record, "istio_requests_total")); /* flagged, not dropped */
	tell_text(told, "weir.signal", "mixer");
	assert_false(is_hit(ruleset, &told->record, "istio_requests_total"));
	assert_false(is_hit(ruleset, &told->record, "istio_request_duration_seconds"));
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
		const struct weir_ruleset *ruleset = load(files[file], false);
		struct told *http = tell("http"), *tcp = tell("tcp");

		assert_int_equal(weir_ruleset_schema(ruleset)->metric_count, 8);
		assert_int_equal(weir_ruleset_schema(ruleset)->group_count, 2);
		assert_int_equal(weir_ruleset_expiry_ns(ruleset), file == 0 ? 0 : 600000000000);
		assert_int_equal(weir_ruleset_output_count(ruleset), 1);
		assert_int_equal(metric_of(ruleset, "istio_request_duration_seconds")->bound_count, 11);
		assert_int_equal(metric_of(ruleset, "istio_request_bytes")->bound_count, 9);
		assert_true(metric_of(ruleset, "istio_request_bytes")->bounds[8] == 1e8);
		tell_text(tcp, "connection.event", "open");
		for (size_t i = 0; i < 8; i++) {
			assert_int_equal(is_hit(ruleset, &http->record, names[i]), i < 4);
			assert_int_equal(is_hit(ruleset, &tcp->record, names[i]), i >= 4 && i != 7);
		}
		tell_text(http, "request.useragent", "kube-probe/1.14");
		assert_int_equal(is_hit(ruleset, &http->record, "istio_requests_total"), file == 0);
		tell_text(http, "request.useragent", "Prometheus/2.8");
		assert_int_equal(is_hit(ruleset, &http->record, "istio_requests_total"), file < 2);
		tell_text(http, "context.reporter.kind", "outbound");
		tell_entry(http, "source.labels", "app", "reviews");
		tell_text(http, "destination.service.name", "details");
		tell_text(http, "request.host", "details:9080");
		expect_labels(ruleset, http, "istio_requests_total", "reporter=\"source\"");
		expect_labels(ruleset, http, "istio_requests_total", "source_app=\"reviews\"");
		expect_labels(ruleset, http, "istio_requests_total", "destination_service=\"details:9080\"");
		expect_labels(ruleset, http, "istio_requests_total", "response_code=\"200\"");
		expect_labels(ruleset, tcp, "istio_tcp_sent_bytes_total", "reporter=\"destination\"");
		free(http);
		free(tcp);
		weir_ruleset_let_go(ruleset);
	}
}

/* ---- keys ---------------------------------------------------------------------- */

#define META(kind, name)                                                                                               \
	"---\napiVersion: config.istio.io/v1alpha2\nkind: " kind "\nmetadata: {name: " name "}\nspec:\n"

static const char paths_and_agents[] = META("metric",
	"m") "  value: 1\n  dimensions:\n    path: request.path | \"\"\n    host: request.host\n    app: source.labels[\"app\"] | "
	     "\"unknown\"\n    team: source.labels[\"team\"] | \"\"\n" META("prometheus",
		     "p") "  metrics:\n  - {name: hits, instance_name: m.metric, kind: COUNTER, label_names: [path, host, app, team]}\n" META("rule",
		     "r") "  match: match(request.useragent | \"\", \"curl*\") || response.code == 500\n"
			  "  actions:\n  - {handler: p.prometheus, instances: [m.metric]}\n";

static struct weir_ruleset_key key_of(const struct weir_ruleset *ruleset, const struct told *told)
{
	struct weir_ruleset_key key = weir_ruleset_key(ruleset, &told->record, &scratch);

	assert_int_equal(scratch.used, 0);
	return key;
}

static bool are_equal(struct weir_ruleset_key a, struct weir_ruleset_key b)
{
	return a.low == b.low && a.high == b.high;
}

static void keys_differ_where_labels_and_matches_do(void **state)
{
	const struct weir_ruleset *ruleset = load_text(paths_and_agents);
	struct told *told = tell("http");
	struct weir_ruleset_key first, next;

	(void)state;
	tell_text(told, "request.host", "a");
	tell_text(told, "request.useragent", "curl/7");
	tell_text(told, "request.path", "/users/1?x=2");
	first = key_of(ruleset, told);
	expect_labels(ruleset, told, "istio_hits", "path=\"/users/{id}\",host=\"a\",app=\"unknown\"");
	tell_text(told, "request.useragent", "curl/8"); /* neither the agent nor the id is told by the key */
	tell_text(told, "request.path", "/users/2");
	assert_true(are_equal(first, key_of(ruleset, told)));
	tell_text(told, "request.useragent", "Mozilla");
	next = key_of(ruleset, told);
	assert_false(are_equal(first, next));
	assert_false(is_hit(ruleset, &told->record, "istio_hits"));
	tell_text(told, "request.useragent", "Opera");
	assert_true(are_equal(next, key_of(ruleset, told)));
	tell_text(told, "request.host", "b");
	assert_false(are_equal(next, key_of(ruleset, told)));
	next = key_of(ruleset, told);
	tell_text(told, "request.host", ""); /* unset: the label cannot be told, and is no empty one */
	assert_false(are_equal(next, key_of(ruleset, told)));
	tell_text(told, "request.useragent", "curl/7");
	assert_false(is_hit(ruleset, &told->record, "istio_hits"));
	tell_text(told, "request.host", "a");
	assert_true(is_hit(ruleset, &told->record, "istio_hits"));
	tell_text(told, "request.path", "");
	next = key_of(ruleset, told);
	tell_text(told, "request.path", "/");
	assert_false(are_equal(next, key_of(ruleset, told)));
	assert_string_equal(weir_ruleset_wanted_label(ruleset, 0), "team");
	assert_null(weir_ruleset_wanted_label(ruleset, 1));
	free(told);
	weir_ruleset_let_go(ruleset);
}

static void equal_keys_are_equal_series(void **state)
{
	static const char *const hosts[] = { "", "a", "b" }, *const paths[] = { "", "/", "/1", "/2", "/x/1", "a" };
	static const char *const agents[] = { "", "curl/1", "curl/2", "wget" };
	const struct weir_ruleset *ruleset = load_text(paths_and_agents);
	struct {
		struct weir_ruleset_key key;
		char text[256];
	} seen[256];
	unsigned count = 0;
	struct told *told = tell("http");

	(void)state;
	for (unsigned i = 0; i < 3 * 6 * 4 * 2; i++) {
		struct weir_ruleset_key key;
		struct weir_buf text;
		unsigned found = 0;

		tell_text(told, "request.host", hosts[i % 3]);
		tell_text(told, "request.path", paths[i / 3 % 6]);
		tell_text(told, "request.useragent", agents[i / 18 % 4]);
		tell_number(told, "response.code", 200);
		key = key_of(ruleset, told);
		weir_buf_init(&text, 0);
		weir_buf_addf(&text, "%d ", is_hit(ruleset, &told->record, "istio_hits"));
		if (text.data[0] == '1') {
			struct weir_buf labels;

			weir_buf_init(&labels, 0);
			weir_ruleset_labels(ruleset, 0, &told->record, &scratch, &labels);
			weir_buf_add_str(&text, weir_buf_str(&labels));
			weir_buf_fini(&labels);
		}
		weir_buf_add_char(&text, '\0');
		while (found < count && !are_equal(seen[found].key, key)) {
			found++;
		}
		if (found < count) {
			assert_string_equal(seen[found].text, text.data);
		} else {
			seen[count].key = key;
			snprintf(seen[count++].text, sizeof(seen[0].text), "%s", text.data);
		}
		weir_buf_fini(&text);
	}
	assert_int_equal(count, 3 * 5 * 2); /* /1 and /2 are one path; agents count by whether they match */
	free(told);
	weir_ruleset_let_go(ruleset);
}

/* Each is a metric of its own. Keyed: context.protocol, response.code, connection.mtls,
 * destination.service.name. */
static const char *const tricky[] = {
	"",
	"context.protocol == \"http\" && request.size > 1 && (request.host | \"\") != \"a\"",
	"request.size > 1 && context.protocol == \"http\" || response.code == 200",
	"(response.code == 200 || request.host == \"b\") && request.size <= 1",
	"(context.protocol | \"\") != \"tcp\" && ((destination.service.name | \"\") == \"s\" || "
	"(connection.mtls | false) == false && request.host.startsWith(\"a\"))",
	"conditional(response.code == 200, request.size == 1, request.host == \"a\") && (context.protocol | \"\") == \"tcp\"",
	"request.size > 0 || (context.protocol | \"\") == \"tcp\" && request.size == 0",
	"(context.protocol | \"\") == \"tcp\" && (request.host | \"\") == \"ab\"",
};

#define TRICKIES (sizeof(tricky) / sizeof(tricky[0]))

static const struct weir_ruleset *load_tricky(void)
{
	const struct weir_ruleset *ruleset;
	struct weir_buf text;

	weir_buf_init(&text, 0);
	for (size_t i = 0; i < TRICKIES; i++) {
		weir_buf_addf(&text, META("metric", "m%zu") "  value: 1\n", i);
		if (i == 0) { /* the one with labels */
			weir_buf_add_text(&text,
				"  dimensions:\n"
				"    x: conditional(response.code == 200, request.host | \"none\", "
				"destination.service.name | \"\")\n"
				"    y: conditional((destination.service.name | \"\") == \"s\", request.host, \"\")\n");
		}
		weir_buf_addf(&text,
			META("rule", "r%zu") "  match: '%s'\n  actions:\n  - {handler: p, instances: [m%zu]}\n", i,
			tricky[i], i);
	}
	weir_buf_add_text(&text, META("prometheus", "p") "  metrics:\n");
	for (size_t i = 0; i < TRICKIES; i++) {
		weir_buf_addf(&text, "  - {name: m%zu, instance_name: m%zu.metric, kind: COUNTER, label_names: [%s]}\n",
			i, i, i == 0 ? "x, y" : "");
	}
	weir_buf_add_char(&text, '\0');
	ruleset = load_text(text.data);
	weir_buf_fini(&text);
	return ruleset;
}

static void outcome_write(const struct weir_ruleset *ruleset, const struct told *told, struct weir_buf *text)
{
	struct weir_ruleset_hit hits[WEIR_GROUPS_MAX];
	uint32_t count = weir_ruleset_match(ruleset, &told->record, &scratch, hits);

	for (uint32_t i = 0; i < count; i++) {
		struct weir_buf labels;

		weir_buf_init(&labels, 0);
		weir_ruleset_labels(ruleset, hits[i].group, &told->record, &scratch, &labels);
		weir_buf_addf(text, "%u %x {%.*s} ", hits[i].group, hits[i].mask, (int)labels.length,
			labels.length > 0 ? labels.data : "");
		weir_buf_fini(&labels);
	}
	weir_buf_add_char(text, '\0');
}

static void equal_keys_of_any_rules_are_equal_series(void **state)
{
	static const char *const protocols[] = { "", "http", "tcp" }, *const services[] = { "", "s", "t" };
	static const char *const hosts[] = { "", "a", "ab", "b", "zz" };
	const struct weir_ruleset *ruleset = load_tricky();
	unsigned outcomes = 0;

	(void)state;
	for (unsigned base = 0; base < 3 * 3 * 3 * 2; base++) { /* the base key's part */
		struct {
			struct weir_ruleset_key key;
			char text[512];
		} seen[64];
		unsigned count = 0;

		for (unsigned rest = 0; rest < 5 * 4; rest++) {
			struct told *told = tell(protocols[base % 3]);
			struct weir_ruleset_key key;
			struct weir_buf text;
			unsigned found = 0;

			tell_text(told, "destination.service.name", services[base / 3 % 3]);
			if (base / 9 % 3 > 0) {
				tell_number(told, "response.code", base / 9 % 3 == 1 ? 200 : 500);
			}
			tell_text(told, "request.host", hosts[rest % 5]);
			if (rest / 5 > 0) {
				tell_number(told, "request.size", (int64_t)(rest / 5) - 1);
			}
			tell_number(told, "connection.mtls", base / 27);
			key = key_of(ruleset, told);
			weir_buf_init(&text, 0);
			outcome_write(ruleset, told, &text);
			while (found < count && !are_equal(seen[found].key, key)) {
				found++;
			}
			if (found < count) {
				assert_string_equal(seen[found].text, text.data);
			} else {
				seen[count].key = key;
				snprintf(seen[count++].text, sizeof(seen[0].text), "%s", text.data);
			}
			weir_buf_fini(&text);
			free(told);
		}
		outcomes += count;
	}
	assert_true(outcomes > 54 * 4 && outcomes < 54 * 20); /* some are told apart, not all */
	weir_ruleset_let_go(ruleset);
}

static void what_the_base_key_tells_needs_no_key(void **state)
{
	const struct weir_ruleset *ruleset = load_text(META("metric",
		"m") "  value: request.size | 0\n  dimensions: {app: 'source.labels[\"app\"] | \"\"'}\n" META("prometheus",
		"p") "  metrics:\n  - {name: x, instance_name: m.metric, kind: GAUGE, label_names: [app]}\n" META("rule",
		"r") "  match: response.code == 200\n  actions:\n  - {handler: p.prometheus, instances: [m]}\n");
	struct told *told = tell("http");

	(void)state;
	tell_number(told, "response.code", 200);
	tell_text(told, "request.path", "/");
	assert_true(are_equal(key_of(ruleset, told), (struct weir_ruleset_key){ 0, 0 }));
	free(told);
	weir_ruleset_let_go(ruleset);
}

/* ---- values, labels, ids ---------------------------------------------------------- */

#define VALUES                                                                                                                       \
	META("metric", "whole")                                                                                                      \
	"  value: request.size\n" META("metric", "real") "  value: 2.5\n" META(                                                      \
		"metric", "text") "  value: request.headers[\"n\"]\n" META("metric",                                                 \
		"time") "  value: response.duration | \"2ms\"\n" META("prometheus",                                                  \
		"p") "  metrics:\n"                                                                                                  \
		     "  - {name: whole, instance_name: whole.metric, kind: COUNTER}\n"                                               \
		     "  - {name: real, instance_name: real.metric, kind: GAUGE}\n"                                                   \
		     "  - {name: text, instance_name: text.metric, kind: DISTRIBUTION}\n"                                            \
		     "  - {name: gauge, namespace: my-ns, instance_name: text.metric, kind: GAUGE}\n"                                \
		     "  - {name: time, instance_name: time.metric, kind: DISTRIBUTION, buckets: {linearBuckets: {numFiniteBuckets: " \
		     "2, width: 0.5}}}\n" META(                                                                                      \
			     "rule", "r") "  actions:\n  - {handler: p, instances: [whole, real, text, time]}\n"

static bool value_of(
	const struct weir_ruleset *ruleset, const struct told *told, const char *name, struct weir_observation *ret)
{
	return weir_ruleset_value(ruleset, metric_of(ruleset, name), &told->record, &scratch, ret);
}

static void values_are_observed_in_their_unit(void **state)
{
	const struct weir_ruleset *ruleset = load_text(VALUES);
	const struct weir_metric *time = metric_of(ruleset, "istio_time");
	struct told *told = tell("http");
	struct weir_observation seen;

	(void)state;
	assert_int_equal(metric_of(ruleset, "istio_whole")->unit, WEIR_UNIT_WHOLE);
	assert_int_equal(metric_of(ruleset, "istio_real")->unit, WEIR_UNIT_REAL);
	assert_int_equal(metric_of(ruleset, "istio_text")->unit, WEIR_UNIT_REAL);
	assert_int_equal(time->unit, WEIR_UNIT_DURATION);
	assert_int_equal(time->bound_count, 3);
	assert_true(time->bounds[0] == 0 && time->bounds[1] == 0.5 && time->bounds[2] == 1);
	assert_int_equal(metric_of(ruleset, "istio_text")->bound_count, 11); /* those of Prometheus' client */
	assert_false(value_of(ruleset, told, "istio_whole", &seen));
	tell_number(told, "request.size", 7);
	assert_true(value_of(ruleset, told, "istio_whole", &seen) && seen.number == 7);
	tell_number(told, "request.size", -7);
	assert_false(value_of(ruleset, told, "istio_whole", &seen));
	assert_true(value_of(ruleset, told, "istio_real", &seen) && seen.real == 2.5);
	assert_true(value_of(ruleset, told, "istio_time", &seen) && seen.number == 2000000);
	tell_number(told, "response.duration", 5);
	assert_true(value_of(ruleset, told, "istio_time", &seen) && seen.number == 5);
	tell_entry(told, "request.headers", "n", "1.5e1");
	assert_true(value_of(ruleset, told, "istio_text", &seen) && seen.real == 15);
	told->pairs[0].value = weir_str_of("-3");
	assert_false(value_of(ruleset, told, "istio_text", &seen));
	assert_true(value_of(ruleset, told, "myns_gauge", &seen) && seen.real == -3);
	told->pairs[0].value = weir_str_of("many");
	assert_false(value_of(ruleset, told, "myns_gauge", &seen));
	free(told);
	weir_ruleset_let_go(ruleset);
}

static void values_are_cut_escaped_and_counted(void **state)
{
	const struct weir_ruleset *ruleset = load_text(paths_and_agents);
	struct told *told = tell("http");
	struct weir_buf text;
	char host[5000];

	(void)state;
	memset(host, 'x', sizeof(host));
	host[4999] = '\0';
	host[0] = '\n';
	tell_text(told, "request.host", host);
	weir_buf_init(&text, 0);
	assert_int_equal(weir_ruleset_labels(ruleset, 0, &told->record, &scratch, &text), 1);
	assert_memory_equal(text.data, "host=\"\\nxxx", 11);
	assert_int_equal(text.length, strlen("host=\"\\n\",app=\"unknown\"") + WEIR_LABEL_VALUE_MAX - 1);
	weir_buf_clear(&text);
	tell_text(told, "request.host", "_overflow"); /* weir's own word */
	assert_int_equal(weir_ruleset_labels(ruleset, 0, &told->record, &scratch, &text), 0);
	assert_true(weir_str_is(weir_buf_str(&text), "host=\"__overflow\",app=\"unknown\""));
	weir_buf_fini(&text);
	free(told);
	weir_ruleset_let_go(ruleset);
}

static uint64_t id_of(const char *text, const char *name)
{
	const struct weir_ruleset *ruleset = load_text(text);
	uint64_t id = metric_of(ruleset, name)->id;

	weir_ruleset_let_go(ruleset);
	return id;
}

#define ONE(value, label, buckets, match)                                                                                 \
	META("metric", "m")                                                                                               \
	"  value: " value "\n  dimensions: {a: '" label "'}\n" META("prometheus",                                         \
		"p") "  metrics:\n  - {name: x, instance_name: m.metric, kind: DISTRIBUTION, label_names: [a], buckets: " \
		     "{explicit_buckets: {bounds: " buckets                                                               \
		     "}}}\n" META("rule", "r") "  match: " match                                                          \
					       "\n  actions:\n  - {handler: p.prometheus, instances: [m]}\n"

static void ids_are_of_the_definition(void **state)
{
	uint64_t id = id_of(ONE("request.size", "source.name | \"a b\"", "[1, 2]", "response.code == 200"), "istio_x");

	(void)state;
	assert_true(
		id == id_of(ONE(" request.size", "source.name|\"a b\"", "[1, 2.0]", "response.code==200"), "istio_x"));
	assert_true(
		id != id_of(ONE("request.size", "source.name | \"ab\"", "[1, 2]", "response.code == 200"), "istio_x"));
	assert_true(
		id != id_of(ONE("request.size", "source.name | \"a b\"", "[1, 3]", "response.code == 200"), "istio_x"));
	assert_true(
		id != id_of(ONE("request.size", "source.name | \"a b\"", "[1, 2]", "response.code == 201"), "istio_x"));
	assert_true(id !=
		    id_of(ONE("response.size", "source.name | \"a b\"", "[1, 2]", "response.code == 200"), "istio_x"));
}

static void references_are_counted(void **state)
{
	const struct weir_ruleset *ruleset = load(NULL, true);

	(void)state;
	assert_ptr_equal(weir_ruleset_hold(ruleset), ruleset);
	weir_ruleset_let_go(ruleset);
	assert_int_equal(weir_ruleset_schema(ruleset)->group_count, 3);
	weir_ruleset_let_go(ruleset);
	weir_ruleset_let_go(NULL);
}

/* ---- explained ---------------------------------------------------------------------- */

static void expect_explained(const struct weir_ruleset *ruleset, const struct told *told, const char *want)
{
	struct weir_buf text;

	weir_buf_init(&text, 0);
	weir_ruleset_explain(ruleset, &told->record, &text);
	weir_buf_add_char(&text, '\0');
	if (strstr(text.data, want) == NULL) {
		fail_msg("no\n%s\nin\n%s", want, text.data);
	}
	weir_buf_fini(&text);
}

static void an_explanation_names_series_and_reasons(void **state)
{
	const struct weir_ruleset *ruleset = load(RULES_FOLDER "/istio-1.4.yaml", false),
				  *own = load_text(paths_and_agents);
	struct told *told = tell("tcp"), *http = tell("http");

	(void)state;
	tell_text(told, "connection.event", "close");
	tell_number(told, "connection.sent.bytes", 7);
	expect_explained(ruleset, told,
		"does not match\n  context.protocol == \"http\" || context.protocol == \"grpc\" is false; "
		"context.protocol is \"tcp\"\n");
	expect_explained(
		ruleset, told, "(connection.event | \"na\") == \"open\" is false; connection.event is \"close\"\n");
	expect_explained(ruleset, told, "matches\n  istio_tcp_sent_bytes_total{connection_security_policy=\"none\",");
	expect_explained(ruleset, told, "} + 7\n");
	tell_text(told, "context.protocol", "");
	expect_explained(ruleset, told,
		"context.protocol == \"tcp\" cannot be told: an attribute without a default is unset; "
		"context.protocol is unset\n");
	expect_explained(own, http, "does not match");
	tell_text(http, "request.useragent", "curl");
	expect_explained(own, http, "istio_hits: no series: the label host cannot be told; request.host is unset\n");
	tell_text(http, "request.host", "h");
	expect_explained(own, http, "istio_hits{host=\"h\",app=\"unknown\"} + 1\n");
	free(told);
	free(http);
	weir_ruleset_let_go(ruleset);
	weir_ruleset_let_go(own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_standard_set_has_istios_families),
		cmocka_unit_test(non_mixer_series_are_as_the_table_made_them),
		cmocka_unit_test(rare_calls_are_as_the_table_made_them),
		cmocka_unit_test(mixers_sources_get_what_mixer_made),
		cmocka_unit_test(stock_configurations_yield_the_standard_metrics),
		cmocka_unit_test(keys_differ_where_labels_and_matches_do),
		cmocka_unit_test(equal_keys_are_equal_series),
		cmocka_unit_test(equal_keys_of_any_rules_are_equal_series),
		cmocka_unit_test(what_the_base_key_tells_needs_no_key),
		cmocka_unit_test(values_are_observed_in_their_unit),
		cmocka_unit_test(values_are_cut_escaped_and_counted),
		cmocka_unit_test(ids_are_of_the_definition),
		cmocka_unit_test(references_are_counted),
		cmocka_unit_test(an_explanation_names_series_and_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
