/* test_attribute: what each attribute is of a record, whoever sent it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/attribute.h"
#include "support/batch_maker.h"

struct scene {
	struct batch_maker maker;
	struct weir_rules_record record;
	struct weir_scratch scratch;
};

static void begin(struct scene *scene, enum weir_signal signal)
{
	memset(&scene->maker, 0, sizeof(scene->maker));
	batch_maker_begin(&scene->maker, WEIR_PROTOCOL_ALS_V3, signal, "source", 99);
}

/* Row `row` of the requests, or of the connections. */
static void finish(struct scene *scene, bool is_request, uint32_t row)
{
	const struct weir_batch *batch = batch_maker_finish(&scene->maker);

	scene->record = (struct weir_rules_record){ .batch = batch };
	if (is_request) {
		scene->record.request = weir_batch_requests(batch) + row;
		scene->record.call = &scene->record.request->call;
	} else {
		scene->record.connection = weir_batch_connections(batch) + row;
		scene->record.call = &scene->record.connection->call;
	}
	weir_scratch_reset(&scene->scratch);
}

static enum weir_attribute named(const char *name)
{
	enum weir_attribute attribute = 0;

	if (!weir_attribute_find(weir_str_of(name), &attribute)) {
		fail_msg("no attribute %s", name);
	}
	return attribute;
}

/* As text; NULL: it is unset. `map[key]` is an entry. */
static void assert_is(struct scene *scene, const char *name, const char *expected)
{
	struct weir_str key = weir_str_of(name), text;
	struct weir_str map = weir_str_cut(&key, '[');
	char attribute[64];
	struct weir_value value;
	int r;

	(void)snprintf(attribute, sizeof(attribute), "%.*s", (int)map.length, map.data);
	r = key.length > 0 ? weir_attribute_get_entry(
				     &scene->record, named(attribute), weir_str_make(key.data, key.length - 1), &value)
			   : weir_attribute_get(&scene->record, named(attribute), &scene->scratch, &value);
	if (expected == NULL) {
		if (r != WEIR_VALUE_ABSENT) {
			fail_msg("%s is set", name);
		}
		return;
	}
	if (r != 0) {
		fail_msg("%s: outcome %d", name, r);
	}
	assert_int_equal(value.type, key.length > 0 ? WEIR_TYPE_STRING : weir_attribute_type(named(attribute)));
	text = weir_value_text(&value, &scene->scratch);
	if (!weir_str_is(text, expected)) {
		fail_msg("%s is %.*s, not %s", name, (int)text.length, text.data, expected);
	}
}

static struct weir_ref text(struct scene *scene, const char *bytes)
{
	return batch_maker_text(&scene->maker, bytes);
}

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

static struct weir_request *bookinfo_request(struct scene *scene)
{
	uint32_t source = batch_maker_workload(&scene->maker, "productpage-v1", "front", "v1"),
		 destination = batch_maker_workload(&scene->maker, "reviews-v2", "back", "v2");
	struct weir_workload *rows = (struct weir_workload *)scene->maker.workloads.data;
	struct weir_request *request = batch_maker_request(&scene->maker);

	rows[destination].pod = text(scene, "reviews-v2-5f8d-8xv7d");
	rows[destination].canonical_service = text(scene, "reviews");
	rows[destination].attr_first = scene->maker.attrs.count;
	rows[destination].attr_count = 1;
	batch_maker_tag(&scene->maker, "team", "books");
	request->call.source = source;
	request->call.destination = destination;
	return request;
}

static void ends_are_told_by_their_rows(void **state)
{
	struct scene scene;
	struct weir_request *request;

	(void)state;
	begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	request = bookinfo_request(&scene);
	request->call.reporter = WEIR_REPORTER_DESTINATION;
	request->call.source_principal = text(&scene, "spiffe://cluster.local/ns/front/sa/bookinfo");
	request->call.destination_principal = text(&scene, "spiffe://cluster.local/gateway");
	request->upstream_cluster = text(&scene, "inbound|9080||");
	address_set(&request->peer_address, 3, 4711);
	finish(&scene, true, 0);

	assert_is(&scene, "source.uid", NULL);
	assert_is(&scene, "source.name", NULL);
	assert_is(&scene, "source.workload.name", "productpage-v1");
	assert_is(&scene, "source.workload.namespace", "front");
	assert_is(&scene, "source.namespace", "front");
	assert_is(&scene, "source.workload.uid", "istio://front/workloads/productpage-v1");
	assert_is(&scene, "source.principal", "cluster.local/ns/front/sa/bookinfo");
	assert_is(&scene, "source.user", "cluster.local/ns/front/sa/bookinfo");
	assert_is(&scene, "source.spiffe_id", "spiffe://cluster.local/ns/front/sa/bookinfo");
	assert_is(&scene, "source.serviceAccount", "bookinfo");
	assert_is(&scene, "source.cluster.id", "Kubernetes");
	assert_is(&scene, "source.ip", "10.1.2.3");
	assert_is(&scene, "source.port", "4711");
	assert_is(&scene, "source.labels[app]", "productpage-v1");
	assert_is(&scene, "source.labels[team]", NULL);
	assert_is(&scene, "source.owner", NULL);

	assert_is(&scene, "destination.uid", "kubernetes://reviews-v2-5f8d-8xv7d.back");
	assert_is(&scene, "destination.name", "reviews-v2-5f8d-8xv7d");
	assert_is(&scene, "destination.canonical.service", "reviews");
	assert_is(&scene, "destination.canonical.revision", "v2");
	assert_is(&scene, "destination.serviceAccount", NULL);
	assert_is(&scene, "destination.ip", NULL);
	assert_is(&scene, "destination.port", "9080");
	assert_is(&scene, "destination.labels[version]", "v2");
	assert_is(&scene, "destination.labels[service.istio.io/canonical-name]", "reviews");
	assert_is(&scene, "destination.labels[service.istio.io/canonical-revision]", "v2");
	assert_is(&scene, "destination.labels[team]", "books");
	assert_is(&scene, "destination.labels[tea]", NULL);
	assert_is(&scene, "context.reporter.kind", "inbound");
	assert_is(&scene, "context.reporter.uid", "kubernetes://reviews-v2-5f8d-8xv7d.back");
	assert_is(&scene, "weir.reporter", "destination");
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
		struct scene scene;

		begin(&scene, is_told ? WEIR_SIGNAL_MIXER : WEIR_SIGNAL_ACCESS_LOG);
		request = bookinfo_request(&scene);
		request->call.reporter = WEIR_REPORTER_DESTINATION;
		request->attr_first = scene.maker.attrs.count;
		if (is_told) {
			batch_maker_tag(&scene.maker, "destination.ip", "10.0.0.2");
			request->attr_count = 1;
		}
		address_set(&request->peer_address, 3, 4711);
		rows = (struct weir_workload *)scene.maker.workloads.data;
		rows[request->call.destination].node_id = text(&scene, cases[i / 2].node_id);
		finish(&scene, true, 0);
		assert_is(&scene, "source.ip", "10.1.2.3");
		assert_is(&scene, "destination.ip", is_told ? "10.0.0.2" : cases[i / 2].address);
		batch_maker_fini(&scene.maker);
	}
}

static void unknown_ends_have_no_attributes(void **state)
{
	struct scene scene;
	struct weir_request *request;

	(void)state;
	begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	request = batch_maker_request(&scene.maker);
	request->call.reporter = WEIR_REPORTER_SOURCE;
	address_set(&request->peer_address, 4, 80);
	finish(&scene, true, 0);
	for (unsigned i = 0; i < WEIR_ATTRIBUTE_DESTINATION_SERVICE; i++) {
		enum weir_attribute source = i % WEIR_ATTRIBUTE_DESTINATION_UID;

		if (source != WEIR_ATTRIBUTE_SOURCE_IP && source != WEIR_ATTRIBUTE_SOURCE_PORT &&
			weir_attribute_type(i) != WEIR_TYPE_STRING_MAP) {
			assert_is(&scene, weir_attribute_name(i), NULL);
		}
	}
	assert_is(&scene, "source.ip", NULL);
	assert_is(&scene, "destination.ip", "10.1.2.4");
	assert_is(&scene, "destination.port", "80");
	assert_is(&scene, "source.labels[app]", NULL);
	assert_is(&scene, "context.reporter.kind", "outbound");
	assert_is(&scene, "context.reporter.uid", NULL);
	batch_maker_fini(&scene.maker);
}

/* ---- the call ----------------------------------------------------------- */

static void calls_are_told_in_mixers_words(void **state)
{
	struct scene scene;
	struct weir_request *request;

	(void)state;
	begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	request = batch_maker_request(&scene.maker);
	request->call = (struct weir_call){ .source = WEIR_NONE,
		.destination = WEIR_NONE,
		.reporter = WEIR_REPORTER_WAYPOINT,
		.protocol = WEIR_REQUEST_GRPC,
		.security = WEIR_SECURITY_MUTUAL_TLS,
		.is_probe = 1,
		.response_flags = 1u << 5 | 1u << 15,
		.service_host = text(&scene, "reviews.back.svc"),
		.service_name = text(&scene, "reviews"),
		.service_namespace = text(&scene, "back"),
		.proxy = text(&scene, "pod.back") };
	finish(&scene, true, 0);
	scene.record.is_both = true;
	assert_is(&scene, "destination.service", "reviews.back.svc");
	assert_is(&scene, "destination.service.host", "reviews.back.svc");
	assert_is(&scene, "destination.service.name", "reviews");
	assert_is(&scene, "destination.service.namespace", "back");
	assert_is(&scene, "destination.service.uid", "istio://back/services/reviews");
	assert_is(&scene, "context.reporter.kind", "inbound");
	assert_is(&scene, "weir.reporter", "waypoint");
	assert_is(&scene, "context.protocol", "grpc");
	assert_is(&scene, "context.proxy_error_code", "UF,URX");
	assert_is(&scene, "connection.mtls", "true");
	assert_is(&scene, "connection.security_policy", "mutual_tls");
	assert_is(&scene, "weir.signal", "access_log");
	assert_is(&scene, "weir.profile", "both");
	assert_is(&scene, "weir.probe", "true");
	assert_is(&scene, "weir.proxy", "pod.back");
	assert_is(&scene, "context.time", "1970-01-01T00:00:00.000000099Z"); /* when it came */
	batch_maker_fini(&scene.maker);

	begin(&scene, WEIR_SIGNAL_MIXER);
	(void)batch_maker_request(&scene.maker);
	finish(&scene, true, 0);
	assert_is(&scene, "context.proxy_error_code", NULL);
	assert_is(&scene, "connection.mtls", NULL);
	assert_is(&scene, "connection.security_policy", "unknown");
	assert_is(&scene, "weir.signal", "mixer");
	assert_is(&scene, "weir.profile", "auto");
	assert_is(&scene, "destination.service.uid", NULL);
	batch_maker_fini(&scene.maker);
}

/* ---- requests ----------------------------------------------------------- */

static void requests_are_told_by_their_row(void **state)
{
	struct scene scene;
	struct weir_request *request;

	(void)state;
	begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	request = batch_maker_request(&scene.maker);
	request->start_ns = 1000000000;
	request->duration_ns = 2500000;
	request->request_bytes = 17;
	request->response_bytes = 1234;
	request->request_messages = 2;
	request->response_messages = 3;
	request->grpc_status = 14;
	request->response_code = 503;
	request->method = WEIR_METHOD_POST;
	request->http_version = 3;
	request->attempts = 2;
	request->authority = text(&scene, "reviews:9080");
	request->path = text(&scene, "/a/b?x=1&y=&z#frag");
	request->user_agent = text(&scene, "curl/8");
	request->request_id = text(&scene, "id-1");
	request->route = text(&scene, "default");
	request->code_details = text(&scene, "via_upstream");
	request->trace_id = text(&scene, "0af7651916cd43dd");
	finish(&scene, true, 0);
	assert_is(&scene, "request.method", "POST");
	assert_is(&scene, "request.path", "/a/b?x=1&y=&z#frag");
	assert_is(&scene, "request.url_path", "/a/b");
	assert_is(&scene, "request.query_params[x]", "1");
	assert_is(&scene, "request.query_params[y]", NULL);
	assert_is(&scene, "request.query_params[z]", NULL);
	assert_is(&scene, "request.host", "reviews:9080");
	assert_is(&scene, "request.useragent", "curl/8");
	assert_is(&scene, "request.id", "id-1");
	assert_is(&scene, "request.time", "1970-01-01T00:00:01Z");
	assert_is(&scene, "response.time", "1970-01-01T00:00:01.0025Z");
	assert_is(&scene, "context.time", "1970-01-01T00:00:01.0025Z");
	assert_is(&scene, "response.duration", "2.5ms");
	assert_is(&scene, "weir.duration_ms", "2");
	assert_is(&scene, "request.size", "17");
	assert_is(&scene, "request.total_size", "17");
	assert_is(&scene, "response.size", "1234");
	assert_is(&scene, "response.total_size", "1234");
	assert_is(&scene, "request.messages", "2");
	assert_is(&scene, "response.messages", "3");
	assert_is(&scene, "response.code", "503");
	assert_is(&scene, "response.grpc_status", "14");
	assert_is(&scene, "response.code_details", "via_upstream");
	assert_is(&scene, "request.protocol", "HTTP/2");
	assert_is(&scene, "request.attempts", "2");
	assert_is(&scene, "weir.route", "default");
	assert_is(&scene, "weir.trace_id", "0af7651916cd43dd");
	assert_is(&scene, "connection.id", NULL);
	assert_is(&scene, "connection.sent.bytes", NULL);
	/* What is a field is no attribute beside it: the header is the field. */
	assert_is(&scene, "request.headers[:path]", "/a/b?x=1&y=&z#frag");
	assert_is(&scene, "request.headers[:method]", "POST");
	assert_is(&scene, "request.headers[:authority]", "reviews:9080");
	assert_is(&scene, "request.headers[user-agent]", "curl/8");
	assert_is(&scene, "request.headers[x-request-id]", "id-1");
	assert_is(&scene, "request.headers[x-other]", NULL);
	assert_is(&scene, "response.headers[:status]", "503");
	batch_maker_fini(&scene.maker);
}

static void empty_texts_are_unset_and_numbers_are_not(void **state)
{
	struct scene scene;

	(void)state;
	begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	(void)batch_maker_request(&scene.maker);
	finish(&scene, true, 0);
	assert_is(&scene, "request.method", NULL);
	assert_is(&scene, "request.path", NULL);
	assert_is(&scene, "request.url_path", NULL);
	assert_is(&scene, "request.protocol", NULL);
	assert_is(&scene, "request.time", NULL);
	assert_is(&scene, "response.time", NULL);
	assert_is(&scene, "response.grpc_status", NULL);
	assert_is(&scene, "response.code", "0");
	assert_is(&scene, "request.size", "0");
	assert_is(&scene, "response.duration", "0s");
	assert_is(&scene, "response.headers[:status]", NULL);
	batch_maker_fini(&scene.maker);
}

static void attrs_take(struct scene *scene, uint32_t *first, uint32_t *count)
{
	struct weir_attr *attr;

	*first = scene->maker.attrs.count;
	batch_maker_tag(&scene->maker, "request.headers.x", "hx");
	batch_maker_tag(&scene->maker, "response.headers.x", "rx");
	batch_maker_tag(&scene->maker, "http.request.header.y", "[\"hy\"]");
	batch_maker_tag(&scene->maker, "http.response.header.y", "[\"a\",\"b\"]");
	batch_maker_tag(&scene->maker, "request.auth.claims.sub", "me");
	batch_maker_tag(&scene->maker, "request.query_params.q", "1");
	batch_maker_tag(&scene->maker, "request.headers.referer", "http://r/");
	batch_maker_tag(&scene->maker, "request.url_path", "/raw");
	batch_maker_tag(&scene->maker, "api.service", "svc");
	batch_maker_tag(&scene->maker, "api.version", "");
	batch_maker_tag(&scene->maker, "origin.ip", "fd00::7");
	batch_maker_tag(&scene->maker, "check.error_code", "12");
	batch_maker_tag(&scene->maker, "context.reporter.local", "true");
	batch_maker_tag(&scene->maker, "context.proxy_version", "1.4.10");
	batch_maker_tag(&scene->maker, "connection.id", "c1");
	batch_maker_tag(&scene->maker, "connection.event", "open");
	attr = batch_maker_attr(&scene->maker);
	attr->key = text(scene, "request.size");
	attr->type = WEIR_ATTR_INT;
	attr->value.number = 5;
	attr = batch_maker_attr(&scene->maker);
	attr->key = text(scene, "check.cache_hit");
	attr->type = WEIR_ATTR_BOOL;
	attr->value.number = 1;
	attr = batch_maker_attr(&scene->maker);
	attr->key = text(scene, "rbac.permissive.response_code");
	attr->type = WEIR_ATTR_INT;
	attr->value.number = 403;
	attr = batch_maker_attr(&scene->maker);
	attr->key = text(scene, "check.error_message");
	attr->type = WEIR_ATTR_DOUBLE;
	attr->value.real = 1.5;
	*count = scene->maker.attrs.count - *first;
}

static void assert_attrs_are_found(struct scene *scene)
{
	assert_is(scene, "request.headers[x]", "hx");
	assert_is(scene, "response.headers[x]", "rx");
	assert_is(scene, "request.headers[y]", "hy");
	assert_is(scene, "response.headers[y]", "[\"a\",\"b\"]");
	assert_is(scene, "request.headers[z]", NULL);
	assert_is(scene, "request.headers[]", NULL);
	assert_is(scene, "request.auth.claims[sub]", "me");
	assert_is(scene, "request.query_params[q]", "1");
	assert_is(scene, "request.referer", "http://r/");
	assert_is(scene, "request.scheme", NULL);
	assert_is(scene, "request.url_path", "/raw");
	assert_is(scene, "api.service", "svc");
	assert_is(scene, "api.version", NULL);
	assert_is(scene, "api.protocol", NULL);
	assert_is(scene, "origin.ip", "fd00::7");
	assert_is(scene, "check.error_code", "12");
	assert_is(scene, "context.reporter.local", "true");
	assert_is(scene, "context.proxy_version", "1.4.10");
	assert_is(scene, "connection.id", "c1");
	assert_is(scene, "connection.event", NULL); /* the memo's key has it of connections only */
	assert_is(scene, "request.size", "5");
	assert_is(scene, "request.total_size", "17");
	assert_is(scene, "check.cache_hit", "true");
	assert_is(scene, "quota.cache_hit", NULL);
	assert_is(scene, "rbac.permissive.response_code", "403");
	assert_is(scene, "check.error_message", "1.5");
}

static void what_has_no_field_is_among_the_attributes(void **state)
{
	struct scene scene;
	struct weir_request *request;

	(void)state;
	begin(&scene, WEIR_SIGNAL_MIXER);
	request = batch_maker_request(&scene.maker);
	request->request_bytes = 17;
	attrs_take(&scene, &request->attr_first, &request->attr_count);
	finish(&scene, true, 0);
	assert_attrs_are_found(&scene);
	batch_maker_fini(&scene.maker);
}

/* Of every pattern of access logs and others among 12 logs, each request finds its own. */
static void requests_of_logs_have_the_logs_attributes(void **state)
{
	struct scene scene;

	(void)state;
	for (unsigned pattern = 1; pattern < 1u << 12; pattern += 7) {
		uint32_t count = 0;

		begin(&scene, WEIR_SIGNAL_LOG);
		for (unsigned i = 0; i < 12; i++) {
			struct weir_log *log = batch_maker_log(&scene.maker);
			char name[16];

			log->attr_first = i;
			log->attr_count = 1;
			(void)snprintf(name, sizeof(name), "log-%u", i);
			batch_maker_tag(&scene.maker, "request.headers.x", name);
			if ((pattern >> i & 1) != 0) {
				log->request = count++;
				(void)batch_maker_request(&scene.maker);
			}
		}
		for (uint32_t row = 0, i = 0; row < count; row++, i++) {
			char name[16];

			while ((pattern >> i & 1) == 0) {
				i++;
			}
			(void)snprintf(name, sizeof(name), "log-%u", i);
			if (row == 0) {
				finish(&scene, true, 0);
			}
			scene.record.request = weir_batch_requests(scene.record.batch) + row;
			assert_is(&scene, "request.headers[x]", name);
		}
		batch_maker_fini(&scene.maker);
	}
}

static void access_logs_have_all_of_a_logs_attributes(void **state)
{
	struct scene scene;
	struct weir_request *request;
	struct weir_log *log;

	(void)state;
	begin(&scene, WEIR_SIGNAL_LOG);
	(void)batch_maker_log(&scene.maker);
	log = batch_maker_log(&scene.maker);
	log->request = 0;
	attrs_take(&scene, &log->attr_first, &log->attr_count);
	request = batch_maker_request(&scene.maker);
	request->request_bytes = 17;
	finish(&scene, true, 0);
	assert_attrs_are_found(&scene);
	batch_maker_fini(&scene.maker);
}

/* ---- connections -------------------------------------------------------- */

static void connections_are_told_by_row_and_fold(void **state)
{
	struct scene scene;
	struct weir_connection *connection;

	(void)state;
	begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	connection = batch_maker_connection(&scene.maker);
	connection->start_ns = 1000000000;
	connection->duration_ns = 1500000000;
	connection->received_bytes = 100;
	connection->sent_bytes = 200;
	connection->stream_id = text(&scene, "conn-1");
	connection->sni = text(&scene, "mongo.back");
	connection->attr_first = scene.maker.attrs.count;
	connection->attr_count = 1;
	batch_maker_tag(&scene.maker, "api.protocol", "mongo");
	finish(&scene, false, 0);
	scene.record.received_bytes = 10;
	scene.record.sent_bytes = 20;
	scene.record.event = WEIR_CONNECTION_CONTINUE;
	assert_is(&scene, "context.protocol", "tcp");
	assert_is(&scene, "api.protocol", "mongo");
	assert_is(&scene, "connection.id", "conn-1");
	assert_is(&scene, "connection.event", "continue");
	assert_is(&scene, "connection.received.bytes", "10");
	assert_is(&scene, "connection.sent.bytes", "20");
	assert_is(&scene, "connection.received.bytes_total", "100");
	assert_is(&scene, "connection.sent.bytes_total", "200");
	assert_is(&scene, "connection.duration", NULL);
	assert_is(&scene, "connection.requested_server_name", "mongo.back");
	assert_is(&scene, "context.time", "1970-01-01T00:00:02.5Z");
	assert_is(&scene, "weir.duration_ms", "1500");
	assert_is(&scene, "request.size", NULL);
	assert_is(&scene, "response.code", NULL);
	assert_is(&scene, "request.headers[:path]", NULL);
	scene.record.event = WEIR_CONNECTION_CLOSE;
	assert_is(&scene, "connection.event", "close");
	assert_is(&scene, "connection.duration", "1.5s");
	batch_maker_fini(&scene.maker);

	begin(&scene, WEIR_SIGNAL_MIXER);
	connection = batch_maker_connection(&scene.maker);
	connection->is_delta = 1;
	connection->received_bytes = 100;
	finish(&scene, false, 0);
	assert_is(&scene, "connection.event", "open");
	assert_is(&scene, "connection.received.bytes_total", NULL);
	assert_is(&scene, "connection.sent.bytes_total", NULL);
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
	struct scene scene = { .record = { .told = told, .told_pairs = pairs, .told_pair_count = 2 } };

	(void)state;
	told[WEIR_ATTRIBUTE_SOURCE_NAME] = (struct weir_value){ .type = WEIR_TYPE_STRING, .text = { "n", 1 } };
	told[WEIR_ATTRIBUTE_SOURCE_UID] = (struct weir_value){ .type = WEIR_TYPE_STRING, .text = { "", 0 } };
	told[WEIR_ATTRIBUTE_REQUEST_SIZE] = (struct weir_value){ .type = WEIR_TYPE_INT64, .number = 0 };
	told[WEIR_ATTRIBUTE_RESPONSE_CODE] = (struct weir_value){ .type = WEIR_TYPE_STRING, .text = { "200", 3 } };
	assert_is(&scene, "source.name", "n");
	assert_is(&scene, "source.uid", NULL);
	assert_is(&scene, "request.size", "0");
	assert_is(&scene, "response.code", NULL); /* told, but nothing of its type */
	assert_is(&scene, "destination.name", NULL);
	assert_is(&scene, "source.labels[app]", "a");
	assert_is(&scene, "destination.labels[app]", NULL);
	assert_is(&scene, "request.headers[x]", NULL);
}

static void used_up_scratch_makes_unset(void **state)
{
	struct scene scene;
	struct weir_request *request;

	(void)state;
	begin(&scene, WEIR_SIGNAL_ACCESS_LOG);
	request = bookinfo_request(&scene);
	request->call.response_flags = 3;
	request->grpc_status = 1;
	finish(&scene, true, 0);
	scene.scratch.used = WEIR_SCRATCH_BYTES;
	assert_is(&scene, "destination.uid", NULL);
	assert_is(&scene, "source.workload.uid", NULL);
	assert_is(&scene, "context.proxy_error_code", NULL);
	assert_is(&scene, "response.grpc_status", NULL);
	assert_is(&scene, "destination.name", "reviews-v2-5f8d-8xv7d");
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
		cmocka_unit_test(requests_are_told_by_their_row),
		cmocka_unit_test(empty_texts_are_unset_and_numbers_are_not),
		cmocka_unit_test(what_has_no_field_is_among_the_attributes),
		cmocka_unit_test(requests_of_logs_have_the_logs_attributes),
		cmocka_unit_test(access_logs_have_all_of_a_logs_attributes),
		cmocka_unit_test(connections_are_told_by_row_and_fold),
		cmocka_unit_test(told_attributes_are_all_that_is_looked_at),
		cmocka_unit_test(used_up_scratch_makes_unset),
		cmocka_unit_test(a_slip_is_told_what_was_meant),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
