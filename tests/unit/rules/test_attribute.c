/* test_attribute: what the attributes of the ends, the call and a connection are of a record. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attribute_scene.h"

static void address_set(struct weir_address *address, uint8_t last, uint16_t port)
{
	static const uint8_t ip[12] = { [10] = 0xff, [11] = 0xff };

	memcpy(address->ip, ip, sizeof(ip));
	memcpy(address->ip + 12, (const uint8_t[]){ 10, 1, 2, last }, 4);
	address->port = port;
}

/* ---- the table ---------------------------------------------------------- */

static void every_attribute_has_its_name_once(void **state)
{
	(void)state;
	for (unsigned i = 0; i < WEIR_ATTRIBUTES; i++) {
		enum weir_attribute found = 0;

		assert_true(weir_attribute_find(weir_str_of(weir_attribute_name(i)), &found));
		assert_int_equal(found, i);
		assert_true(weir_attribute_type(i) > WEIR_TYPE_NONE && weir_attribute_type(i) < WEIR_TYPES);
	}
	assert_false(weir_attribute_find(weir_str_of("source.nam"), &(enum weir_attribute){ 0 }));
	assert_false(weir_attribute_find(weir_str_of(""), &(enum weir_attribute){ 0 }));
}

/* The ends' attributes answer by their distance: a pair must have one name and one type. */
static void destination_mirrors_source(void **state)
{
	(void)state;
	for (unsigned i = 0; i <= WEIR_ATTRIBUTE_SOURCE_LABELS; i++) {
		unsigned other = i + WEIR_ATTRIBUTE_DESTINATION_UID;

		assert_string_equal(strchr(weir_attribute_name(i), '.'), strchr(weir_attribute_name(other), '.'));
		assert_int_equal(weir_attribute_type(i), weir_attribute_type(other));
		assert_int_equal(weir_attribute_is_keyed(i), weir_attribute_is_keyed(other));
	}
}

static void types_have_mixers_names(void **state)
{
	(void)state;
	assert_string_equal(weir_type_name(WEIR_TYPE_STRING_MAP), "STRING_MAP");
	assert_string_equal(weir_type_name(WEIR_TYPE_IP_ADDRESS), "IP_ADDRESS");
	assert_null(weir_type_name(WEIR_TYPES));
}

/* ---- the ends ----------------------------------------------------------- */

static struct weir_request *bookinfo_request(struct attribute_scene *scene)
{
	uint32_t source = batch_maker_workload(&scene->maker, "productpage-v1", "front", "v1"),
		 destination = batch_maker_workload(&scene->maker, "reviews-v2", "back", "v2");
	struct weir_workload *rows = (struct weir_workload *)scene->maker.workloads.data;
	struct weir_request *request = batch_maker_request(&scene->maker);

	rows[destination].pod = attribute_scene_text(scene, "reviews-v2-5f8d-8xv7d");
	rows[destination].canonical_service = attribute_scene_text(scene, "reviews");
	rows[destination].attr_first = scene->maker.attrs.count;
	rows[destination].attr_count = 1;
	batch_maker_tag(&scene->maker, "team", "books");
	request->call.source = source;
	request->call.destination = destination;
	return request;
}

static void ends_are_told_by_their_rows(void **state)
{
	struct attribute_scene scene;
	struct weir_request *request;

	(void)state;
	attribute_scene_begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	request = bookinfo_request(&scene);
	request->call.reporter = WEIR_REPORTER_DESTINATION;
	request->call.source_principal = attribute_scene_text(&scene, "spiffe://cluster.local/ns/front/sa/bookinfo");
	request->call.destination_principal = attribute_scene_text(&scene, "spiffe://cluster.local/gateway");
	request->upstream_cluster = attribute_scene_text(&scene, "inbound|9080||");
	address_set(&request->peer_address, 3, 4711);
	attribute_scene_finish(&scene, true, 0);

	attribute_scene_are(&scene, (const struct attribute_row[]){
					    { "source.uid", NULL },
					    { "source.name", NULL },
					    { "source.workload.name", "productpage-v1" },
					    { "source.workload.namespace", "front" },
					    { "source.namespace", "front" },
					    { "source.workload.uid", "istio://front/workloads/productpage-v1" },
					    { "source.principal", "cluster.local/ns/front/sa/bookinfo" },
					    { "source.user", "cluster.local/ns/front/sa/bookinfo" },
					    { "source.spiffe_id", "spiffe://cluster.local/ns/front/sa/bookinfo" },
					    { "source.serviceAccount", "bookinfo" },
					    { "source.cluster.id", "Kubernetes" },
					    { "source.ip", "10.1.2.3" },
					    { "source.port", "4711" },
					    { "source.labels[app]", "productpage-v1" },
					    { "source.labels[team]", NULL },
					    { "source.owner", NULL },
					    { NULL, NULL },
				    });

	attribute_scene_are(&scene, (const struct attribute_row[]){
					    { "destination.uid", "kubernetes://reviews-v2-5f8d-8xv7d.back" },
					    { "destination.name", "reviews-v2-5f8d-8xv7d" },
					    { "destination.canonical.service", "reviews" },
					    { "destination.canonical.revision", "v2" },
					    { "destination.serviceAccount", NULL },
					    { "destination.ip", NULL },
					    { "destination.port", "9080" },
					    { "destination.labels[version]", "v2" },
					    { "destination.labels[service.istio.io/canonical-name]", "reviews" },
					    { "destination.labels[service.istio.io/canonical-revision]", "v2" },
					    { "destination.labels[team]", "books" },
					    { "destination.labels[tea]", NULL },
					    { "context.reporter.kind", "inbound" },
					    { "context.reporter.uid", "kubernetes://reviews-v2-5f8d-8xv7d.back" },
					    { "weir.reporter", "destination" },
					    { NULL, NULL },
				    });
	batch_maker_fini(&scene.maker);
}

static void a_reporter_knows_its_own_address(void **state)
{
	static const struct {
		const char *node_id, *address;
	} cases[] = { { "sidecar~10.9.8.7~reviews-v2-5f8d-8xv7d.back~back.svc.cluster.local", "10.9.8.7" },
		{ "router~fd00::1~gateway.front~front.svc.cluster.local", "fd00::1" },
		{ "sidecar~~reviews.back~", NULL }, { "kubernetes://reviews-v2-5f8d-8xv7d.back", NULL }, { "", NULL } };

	(void)state;
	for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(cases[0]); i++) {
		bool is_told = i % 2 != 0; /* what was told comes before the node id */
		struct weir_request *request;
		struct weir_workload *rows;
		struct attribute_scene scene;

		attribute_scene_begin(&scene, is_told ? WEIR_SIGNAL_MIXER : WEIR_SIGNAL_ACCESS_LOG);
		request = bookinfo_request(&scene);
		request->call.reporter = WEIR_REPORTER_DESTINATION;
		request->attr_first = scene.maker.attrs.count;
		if (is_told) {
			batch_maker_tag(&scene.maker, "destination.ip", "10.0.0.2");
			request->attr_count = 1;
		}
		address_set(&request->peer_address, 3, 4711);
		rows = (struct weir_workload *)scene.maker.workloads.data;
		rows[request->call.destination].node_id = attribute_scene_text(&scene, cases[i / 2].node_id);
		attribute_scene_finish(&scene, true, 0);
		attribute_scene_are(&scene, (const struct attribute_row[]){
						    { "source.ip", "10.1.2.3" },
						    { "destination.ip", is_told ? "10.0.0.2" : cases[i / 2].address },
						    { NULL, NULL },
					    });
		batch_maker_fini(&scene.maker);
	}
}

static void unknown_ends_have_no_attributes(void **state)
{
	struct attribute_scene scene;
	struct weir_request *request;

	(void)state;
	attribute_scene_begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	request = batch_maker_request(&scene.maker);
	request->call.reporter = WEIR_REPORTER_SOURCE;
	address_set(&request->peer_address, 4, 80);
	attribute_scene_finish(&scene, true, 0);
	for (unsigned i = 0; i < WEIR_ATTRIBUTE_DESTINATION_SERVICE; i++) {
		enum weir_attribute source = i % WEIR_ATTRIBUTE_DESTINATION_UID;

		if (source != WEIR_ATTRIBUTE_SOURCE_IP && source != WEIR_ATTRIBUTE_SOURCE_PORT &&
			weir_attribute_type(i) != WEIR_TYPE_STRING_MAP) {
			attribute_scene_is(&scene, weir_attribute_name(i), NULL);
		}
	}
	attribute_scene_are(&scene, (const struct attribute_row[]){
					    { "source.ip", NULL },
					    { "destination.ip", "10.1.2.4" },
					    { "destination.port", "80" },
					    { "source.labels[app]", NULL },
					    { "context.reporter.kind", "outbound" },
					    { "context.reporter.uid", NULL },
					    { NULL, NULL },
				    });
	batch_maker_fini(&scene.maker);
}

/* ---- the call ----------------------------------------------------------- */

static void calls_are_told_in_mixers_words(void **state)
{
	struct attribute_scene scene;
	struct weir_request *request;

	(void)state;
	attribute_scene_begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	request = batch_maker_request(&scene.maker);
	request->call = (struct weir_call){ .source = WEIR_NONE,
		.destination = WEIR_NONE,
		.reporter = WEIR_REPORTER_WAYPOINT,
		.protocol = WEIR_REQUEST_GRPC,
		.security = WEIR_SECURITY_MUTUAL_TLS,
		.is_probe = 1,
		.response_flags = 1u << 5 | 1u << 15,
		.service_host = attribute_scene_text(&scene, "reviews.back.svc"),
		.service_name = attribute_scene_text(&scene, "reviews"),
		.service_namespace = attribute_scene_text(&scene, "back"),
		.proxy = attribute_scene_text(&scene, "pod.back") };
	attribute_scene_finish(&scene, true, 0);
	scene.record.is_both = true;
	attribute_scene_are(&scene, (const struct attribute_row[]){
					    { "destination.service", "reviews.back.svc" },
					    { "destination.service.host", "reviews.back.svc" },
					    { "destination.service.name", "reviews" },
					    { "destination.service.namespace", "back" },
					    { "destination.service.uid", "istio://back/services/reviews" },
					    { "context.reporter.kind", "inbound" },
					    { "weir.reporter", "waypoint" },
					    { "context.protocol", "grpc" },
					    { "context.proxy_error_code", "UF,URX" },
					    { "connection.mtls", "true" },
					    { "connection.security_policy", "mutual_tls" },
					    { "weir.signal", "access_log" },
					    { "weir.profile", "both" },
					    { "weir.probe", "true" },
					    { "weir.proxy", "pod.back" },
					    { "context.time", "1970-01-01T00:00:00.000000Z" }, /* when it came */
					    { NULL, NULL },
				    });
	batch_maker_fini(&scene.maker);

	attribute_scene_begin(&scene, WEIR_SIGNAL_MIXER);
	(void)batch_maker_request(&scene.maker);
	attribute_scene_finish(&scene, true, 0);
	attribute_scene_are(&scene, (const struct attribute_row[]){
					    { "context.proxy_error_code", NULL },
					    { "connection.mtls", NULL },
					    { "connection.security_policy", "unknown" },
					    { "weir.signal", "mixer" },
					    { "weir.profile", "auto" },
					    { "destination.service.uid", NULL },
					    { NULL, NULL },
				    });
	batch_maker_fini(&scene.maker);
}

/* ---- connections -------------------------------------------------------- */

static void connections_are_told_by_row_and_fold(void **state)
{
	struct attribute_scene scene;
	struct weir_connection *connection;

	(void)state;
	attribute_scene_begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	connection = batch_maker_connection(&scene.maker);
	connection->start_ns = 1000000000;
	connection->duration_ns = 1500000000;
	connection->received_bytes = 100;
	connection->sent_bytes = 200;
	connection->stream_id = attribute_scene_text(&scene, "conn-1");
	connection->sni = attribute_scene_text(&scene, "mongo.back");
	connection->attr_first = scene.maker.attrs.count;
	connection->attr_count = 1;
	batch_maker_tag(&scene.maker, "api.protocol", "mongo");
	attribute_scene_finish(&scene, false, 0);
	scene.record.received_bytes = 10;
	scene.record.sent_bytes = 20;
	scene.record.event = WEIR_CONNECTION_CONTINUE;
	attribute_scene_are(&scene, (const struct attribute_row[]){
					    { "context.protocol", "tcp" },
					    { "api.protocol", "mongo" },
					    { "connection.id", "conn-1" },
					    { "connection.event", "continue" },
					    { "connection.received.bytes", "10" },
					    { "connection.sent.bytes", "20" },
					    { "connection.received.bytes_total", "100" },
					    { "connection.sent.bytes_total", "200" },
					    { "connection.duration", NULL },
					    { "connection.requested_server_name", "mongo.back" },
					    { "context.time", "1970-01-01T00:00:02.500000Z" },
					    { "weir.duration_ms", "1500" },
					    { "request.size", NULL },
					    { "response.code", NULL },
					    { "request.headers[:path]", NULL },
					    { "request.headers", NULL }, /* a request's */
					    { "source.labels", "" },     /* a map, if without entries */
					    { NULL, NULL },
				    });
	scene.record.event = WEIR_CONNECTION_CLOSE;
	attribute_scene_is(&scene, "connection.event", "close");
	attribute_scene_is(&scene, "connection.duration", "1.5s");
	batch_maker_fini(&scene.maker);

	attribute_scene_begin(&scene, WEIR_SIGNAL_MIXER);
	connection = batch_maker_connection(&scene.maker);
	connection->is_delta = 1;
	connection->received_bytes = 100;
	attribute_scene_finish(&scene, false, 0);
	attribute_scene_are(&scene, (const struct attribute_row[]){
					    { "connection.event", "open" },
					    { "connection.received.bytes_total", NULL },
					    { "connection.sent.bytes_total", NULL },
					    { NULL, NULL },
				    });
	batch_maker_fini(&scene.maker);
}

/* ---- told records ------------------------------------------------------- */

static void told_attributes_are_all_that_is_looked_at(void **state)
{
	static struct weir_value told[WEIR_ATTRIBUTES];
	static const struct weir_rules_pair pairs[] = {
		{ WEIR_ATTRIBUTE_SOURCE_LABELS, { "app", 3 }, { "a", 1 } },
		{ WEIR_ATTRIBUTE_REQUEST_HEADERS, { "x", 1 }, { "", 0 } },
	};
	struct attribute_scene scene = { .record = { .told = told, .told_pairs = pairs, .told_pair_count = 2 } };

	(void)state;
	told[WEIR_ATTRIBUTE_SOURCE_NAME] = (struct weir_value){ .type = WEIR_TYPE_STRING, .text = { "n", 1 } };
	told[WEIR_ATTRIBUTE_SOURCE_UID] = (struct weir_value){ .type = WEIR_TYPE_STRING, .text = { "", 0 } };
	told[WEIR_ATTRIBUTE_REQUEST_SIZE] = (struct weir_value){ .type = WEIR_TYPE_INT64, .number = 0 };
	told[WEIR_ATTRIBUTE_RESPONSE_CODE] = (struct weir_value){ .type = WEIR_TYPE_STRING, .text = { "200", 3 } };
	attribute_scene_are(&scene, (const struct attribute_row[]){
					    { "source.name", "n" },
					    { "source.uid", NULL },
					    { "request.size", "0" },
					    { "response.code", NULL }, /* told, but nothing of its type */
					    { "destination.name", NULL },
					    { "source.labels[app]", "a" },
					    { "destination.labels[app]", NULL },
					    { "request.headers[x]", NULL },
					    { NULL, NULL },
				    });
}

static void used_up_scratch_makes_unset(void **state)
{
	struct attribute_scene scene;
	struct weir_request *request;

	(void)state;
	attribute_scene_begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	request = bookinfo_request(&scene);
	request->call.response_flags = 3;
	request->grpc_status = 1;
	attribute_scene_finish(&scene, true, 0);
	scene.scratch.used = WEIR_SCRATCH_BYTES;
	attribute_scene_are(&scene, (const struct attribute_row[]){
					    { "destination.uid", NULL },
					    { "source.workload.uid", NULL },
					    { "context.proxy_error_code", NULL },
					    { "response.grpc_status", NULL },
					    { "destination.name", "reviews-v2-5f8d-8xv7d" },
					    { NULL, NULL },
				    });
	batch_maker_fini(&scene.maker);
}

static void a_slip_is_told_what_was_meant(void **state)
{
	static const struct {
		const char *written, *meant;
	} cases[] = { { "request.hst", "request.host" }, { "destination.service.hostname", "destination.service.host" },
		{ "Source.name", "source.name" }, { "response.cod", "response.code" },
		{ "request.path", "request.path" }, { "source.workload", NULL }, { "foo", NULL }, { "", NULL },
		{ "request.hostrequest.hostrequest.hostrequest.hostrequest.hostrequest.host", NULL } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const char *nearest = weir_attribute_nearest(weir_str_of(cases[i].written));

		if (cases[i].meant == NULL) {
			assert_null(nearest);
		} else {
			assert_non_null(nearest);
			assert_string_equal(nearest, cases[i].meant);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_attribute_has_its_name_once),
		cmocka_unit_test(destination_mirrors_source),
		cmocka_unit_test(types_have_mixers_names),
		cmocka_unit_test(ends_are_told_by_their_rows),
		cmocka_unit_test(a_reporter_knows_its_own_address),
		cmocka_unit_test(unknown_ends_have_no_attributes),
		cmocka_unit_test(calls_are_told_in_mixers_words),
		cmocka_unit_test(connections_are_told_by_row_and_fold),
		cmocka_unit_test(told_attributes_are_all_that_is_looked_at),
		cmocka_unit_test(used_up_scratch_makes_unset),
		cmocka_unit_test(a_slip_is_told_what_was_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
