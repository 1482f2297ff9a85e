/* standard.yaml: the label texts that it gives to hand-made records. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/ruleset.h"

struct made { /* a batch with two workloads and a pool */
	struct weir_batch batch;
	struct weir_workload workloads[2];
	char pool[8192];
	uint32_t used;
	struct weir_buf labels;
	struct weir_scratch scratch;
};

static struct weir_ref text(struct made *made, const char *value)
{
	struct weir_ref ref = { (uint32_t)(offsetof(struct made, pool) + made->used), (uint32_t)strlen(value) };

	assert_true(made->used + ref.length <= sizeof(made->pool));
	memcpy(made->pool + made->used, value, ref.length);
	made->used += ref.length;
	return ref;
}

static struct made *make(void)
{
	struct made *made = calloc(1, sizeof(*made));
	struct weir_workload *w = made->workloads;

	weir_buf_init(&made->labels, 0);
	made->batch.workloads = (struct weir_table){ offsetof(struct made, workloads), 2 };
	w[0].name = text(made, "productpage-v1");
	w[0].namespace_ = text(made, "default");
	w[0].app = text(made, "productpage");
	w[0].version = text(made, "v1");
	w[0].canonical_service = text(made, "productpage");
	w[0].canonical_revision = text(made, "v1");
	w[0].cluster = text(made, "east");
	return made;
}

static void unmake(struct made *made)
{
	weir_buf_fini(&made->labels);
	free(made);
}

static void labels_add(struct made *made, const char *metric, const struct weir_rules_record *record)
{
	const struct weir_ruleset_opts opts = { 0 };
	const struct weir_ruleset *ruleset = NULL;
	const struct weir_schema *schema;
	struct weir_ruleset_error error;
	uint32_t i = 0;

	assert_int_equal(weir_ruleset_load(&opts, &ruleset, &error), 0);
	schema = weir_ruleset_schema(ruleset);
	while (i < schema->metric_count && strcmp(schema->metrics[i].name, metric) != 0) {
		i++;
	}
	assert_true(i < schema->metric_count);
	weir_buf_clear(&made->labels);
	(void)weir_ruleset_labels(ruleset, schema->metrics[i].group, record, &made->scratch, &made->labels);
	weir_buf_add_char(&made->labels, '\0');
	assert_int_equal(weir_buf_error(&made->labels), 0);
	weir_ruleset_let_go(ruleset);
}

static void expect_request(struct made *made, const struct weir_request *request, const char *metric, const char *want)
{
	const struct weir_rules_record record = { .batch = &made->batch, .call = &request->call, .request = request };

	labels_add(made, metric, &record);
	assert_string_equal(made->labels.data, want);
}

static void expect_connection(struct made *made, const struct weir_connection *connection, const char *want)
{
	const struct weir_rules_record record = {
		.batch = &made->batch, .call = &connection->call, .connection = connection
	};

	labels_add(made, "istio_tcp_sent_bytes_total", &record);
	assert_string_equal(made->labels.data, want);
}

static const char both_ends[] =
	"source_workload=\"productpage-v1\",source_canonical_service=\"productpage\",source_canonical_revision=\"v1\","
	"source_workload_namespace=\"default\",source_principal=\"unknown\",source_app=\"productpage\","
	"source_version=\"v1\",source_cluster=\"east\",destination_workload=\"unknown\","
	"destination_workload_namespace=\"unknown\",destination_principal=\"unknown\",destination_app=\"unknown\","
	"destination_version=\"unknown\",destination_service=\"a.b.svc.c\",destination_canonical_service=\"unknown\","
	"destination_canonical_revision=\"latest\",destination_service_name=\"a\",destination_service_namespace=\"b\",";

static char *whole(const char *reporter, const char *rest)
{
	char *all = calloc(1, 4096);

	strcat(strcat(strcat(all, reporter), both_ends), rest);
	return all;
}

static void labels_stand_in_istios_order_with_its_defaults(void **state)
{
	struct made *made = make();
	struct weir_connection connection = { 0 };
	struct weir_request request = { .response_code = 0, .grpc_status = WEIR_GRPC_STATUS_NONE };
	char *want;

	(void)state;
	request.call = (struct weir_call){ .source = 0, .destination = 1, .reporter = WEIR_REPORTER_SOURCE };
	request.call.service_host = text(made, "a.b.svc.c");
	request.call.service_name = text(made, "a");
	request.call.service_namespace = text(made, "b");
	want = whole("reporter=\"source\",", "request_protocol=\"http\",response_code=\"0\",response_flags=\"-\","
					     "connection_security_policy=\"unknown\"");
	expect_request(made, &request, "istio_requests_total", want);
	request.call.destination = WEIR_NONE; /* no row is nobody, too */
	expect_request(made, &request, "istio_requests_total", want);
	free(want);

	request.call.reporter = WEIR_REPORTER_DESTINATION;
	request.call.protocol = WEIR_REQUEST_GRPC;
	request.call.security = WEIR_SECURITY_MUTUAL_TLS;
	request.call.response_flags = 1u << 5 | 1u << 15;
	request.response_code = 503;
	request.grpc_status = 14;
	want = whole("reporter=\"destination\",",
		"request_protocol=\"grpc\",response_code=\"503\",grpc_response_status=\"14\",response_flags=\"UF,URX\","
		"connection_security_policy=\"mutual_tls\"");
	expect_request(made, &request, "istio_requests_total", want);
	free(want);
	want = whole(
		"reporter=\"destination\",", "request_protocol=\"grpc\",connection_security_policy=\"mutual_tls\"");
	expect_request(made, &request, "istio_request_messages_total", want);
	free(want);

	connection.call = request.call;
	connection.call.reporter = WEIR_REPORTER_WAYPOINT;
	connection.call.protocol = WEIR_REQUEST_TCP;
	connection.call.security = WEIR_SECURITY_NONE;
	want = whole("reporter=\"waypoint\",",
		"request_protocol=\"tcp\",response_flags=\"UF,URX\",connection_security_policy=\"none\"");
	expect_connection(made, &connection, want);
	free(want);
	unmake(made);
}

static void values_are_escaped_and_cut_between_characters(void **state)
{
	struct weir_connection connection = { .call = { .source = WEIR_NONE, .destination = WEIR_NONE } };
	struct made *made = make();
	const struct weir_rules_record record = {
		.batch = &made->batch, .call = &connection.call, .connection = &connection
	};
	const char *labels;
	char longer[1200];

	(void)state;
	connection.call.protocol = WEIR_REQUEST_TCP;
	connection.call.service_name = text(made, "a\"b\\c\nd");
	memset(longer, 'x', sizeof(longer));
	memcpy(longer + 1022, "\xe2\x82\xac", 3); /* a euro across the limit */
	longer[1199] = '\0';
	connection.call.service_host = text(made, longer);
	labels_add(made, "istio_tcp_sent_bytes_total", &record);
	labels = made->labels.data;
	assert_non_null(strstr(labels, "destination_service_name=\"a\\\"b\\\\c\\nd\""));
	assert_non_null(strstr(labels, "xx\",destination_canonical_service"));
	assert_null(strstr(labels, "\xe2"));
	assert_int_equal(strcspn(strstr(labels, "destination_service=\"") + 21, "\""), 1022);
	unmake(made);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(labels_stand_in_istios_order_with_its_defaults),
		cmocka_unit_test(values_are_escaped_and_cut_between_characters),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
