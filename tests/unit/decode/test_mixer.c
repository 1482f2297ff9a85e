/* mixer: what single bags of Mixer's reports become; whole captures are in test_mixer_facts.c. */
#include "mixer_sheet.h"

/* ---- words -------------------------------------------------------------- */

static void dictionary_is_the_proxies_own(void **state)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a over the words, each with a newline */

	(void)state;
	for (uint32_t i = 0; i < WEIR_WORDS_GLOBAL; i++) {
		struct weir_str text = weir_words_global[i].text;

		assert_int_equal(strlen(text.data), text.length);
		for (size_t k = 0; k <= text.length; k++) {
			hash = (hash ^ (uint8_t)(k < text.length ? text.data[k] : '\n')) * UINT64_C(0x100000001b3);
		}
	}
	assert_true(hash == UINT64_C(0x1ce7842d82d1fed2));
	assert_string_equal(weir_words_global[17].text.data, "request.path");
	assert_string_equal(weir_words_global[94].text.data, "'200'");
	assert_string_equal(weir_words_global[218].text.data, "\"-\"");
}

static void global_words_mean_what_their_texts_mean(void **state)
{
	uint32_t named = 0;

	(void)state;
	for (uint32_t i = 0; i < WEIR_WORDS_GLOBAL; i++) {
		const struct weir_word *global = &weir_words_global[i];

		assert_int_equal(global->slot, weir_words_slot(global->text));
		assert_int_equal(global->header, weir_words_header(global->text));
		named += global->slot != WEIR_WORDS_UNRESOLVED;
	}
	assert_int_equal(named, 69);
	for (unsigned i = WEIR_WORDS_SOURCE_UID; i < WEIR_WORDS_KNOWN; i++) {
		assert_true(weir_words_types[i] >= WEIR_WORDS_STRING && weir_words_types[i] <= WEIR_WORDS_MAP);
	}
	assert_int_equal(weir_words_types[WEIR_WORDS_EXTRA], 0);
	assert_int_equal(weir_words_types[WEIR_WORDS_NOWHERE], 0);
}

/* ---- requests ----------------------------------------------------------- */

static void request_has_all_that_its_bag_says(void **state)
{
	struct fixture *f = *state;
	const struct weir_request *row;

	inbound(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	row = request(f, 0);
	assert_int_equal(f->batch->offered, 1);
	assert_int_equal(f->batch->kept, 1);
	same(f, f->batch->source, "ratings-v1-6c9d7c9b6d-k9w2z.default");
	same(f, row->call.proxy, "ratings-v1-6c9d7c9b6d-k9w2z.default");
	assert_int_equal(row->call.reporter, WEIR_REPORTER_DESTINATION);
	assert_int_equal(row->call.protocol, WEIR_REQUEST_HTTP);
	assert_int_equal(row->call.security, WEIR_SECURITY_MUTUAL_TLS);
	assert_int_equal(row->call.response_flags, 0);
	same(f, row->call.service_host, "ratings.default.svc.cluster.local");
	same(f, row->call.service_name, "ratings");
	same(f, row->call.service_namespace, "default");
	same(f, row->call.source_principal, "spiffe://cluster.local/ns/default/sa/reviews");
	same(f, row->call.destination_principal, "spiffe://cluster.local/ns/default/sa/ratings");
	assert_true(row->start_ns == UINT64_C(1700000000000005000));
	assert_int_equal(row->duration_ns, 7000000);
	assert_int_equal(row->request_bytes, 812);
	assert_int_equal(row->response_bytes, 70177);
	assert_int_equal(row->response_code, 200);
	assert_int_equal(row->grpc_status, WEIR_GRPC_STATUS_NONE);
	assert_int_equal(row->method, WEIR_METHOD_GET);
	same(f, row->authority, "ratings:9080");
	same(f, row->path, "/ratings/1?x=2");
	same(f, row->user_agent, "curl/8.5.0");
	same(f, row->request_id, "f00d");
	assert_int_equal(row->peer_address.ip[15], 255);
	assert_int_equal(row->peer_address.ip[11], 0xff);
}

static void rest_of_a_bag_becomes_attributes(void **state)
{
	struct fixture *f = *state;

	inbound(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(request_attr(f, 0, "request.size")->value.number, 12);
	assert_int_equal(request_attr(f, 0, "response.size")->value.number, 70000);
	same(f, request_attr(f, 0, "origin.ip")->value.text, "10.0.0.255");
	same(f, request_attr(f, 0, "request.headers.x-forwarded-proto")->value.text, "http");
	same(f, request_attr(f, 0, "response.headers.server")->value.text, "istio-envoy");
	/* And nothing that the record says itself. */
	assert_int_equal(request(f, 0)->attr_count, 5);
}

static void the_reporters_own_address_is_an_attribute(void **state)
{
	static const uint8_t own[4] = { 10, 0, 0, 2 }, peer[16] = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 3 };
	struct fixture *f = *state;

	say(f, "context.protocol", "http");
	say(f, "context.reporter.kind", "inbound");
	bytes(f, "destination.ip", own, sizeof(own));
	bytes(f, "source.ip", peer, sizeof(peer));
	end_bag(f);
	say(f, "context.protocol", "http");
	say(f, "context.reporter.kind", "outbound");
	bytes(f, "source.ip", own, 3);
	bytes(f, "destination.ip", peer, sizeof(peer));
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(request(f, 0)->attr_count, 1);
	same(f, request_attr(f, 0, "destination.ip")->value.text, "10.0.0.2");
	assert_int_equal(request(f, 0)->peer_address.ip[15], 3);
	assert_int_equal(request(f, 1)->attr_count, 0); /* three bytes are no address */
	assert_int_equal(request(f, 1)->peer_address.ip[15], 3);
}

static void both_ends_are_named_by_their_uids(void **state)
{
	struct fixture *f = *state;
	const struct weir_workload *row;

	inbound(f);
	inbound(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(f->batch->workloads.count, 2);
	row = workload(f, request(f, 1)->call.source);
	same(f, row->name, "reviews-v2");
	same(f, row->namespace_, "default");
	same(f, row->app, "reviews");
	same(f, row->version, "v2");
	same(f, row->canonical_service, "reviews");
	same(f, row->canonical_revision, "v2");
	same(f, row->pod, "reviews-v2-7bf8c5d9b6-t54nr");
	same(f, workload(f, request(f, 0)->call.destination)->name, "ratings-v1");
}

static void attributes_of_kubernetes_win_over_the_uid(void **state)
{
	static const char *const labels[] = { "app", "my-app", "version", "v7", NULL };
	struct fixture *f = *state;
	const struct weir_workload *row;

	say(f, "context.protocol", "http");
	say(f, "source.uid", REVIEWS);
	say(f, "source.workload.name", "told");
	say(f, "source.workload.namespace", "elsewhere");
	map(f, "source.labels", labels);
	say(f, "destination.owner", "kubernetes://apis/apps/v1/namespaces/shop/deployments/owned");
	say(f, "destination.uid", RATINGS);
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	row = workload(f, request(f, 0)->call.source);
	same(f, row->name, "told");
	same(f, row->namespace_, "elsewhere");
	same(f, row->app, "my-app");
	same(f, row->version, "v7");
	row = workload(f, request(f, 0)->call.destination);
	same(f, row->name, "owned");
	same(f, row->namespace_, "shop");
}

static void nobody_known_is_no_workload(void **state)
{
	struct fixture *f = *state;

	say(f, "context.protocol", "http");
	say(f, "source.namespace", "alone");
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(request(f, 0)->call.source, WEIR_NONE);
	assert_int_equal(request(f, 0)->call.destination, WEIR_NONE);
	assert_int_equal(request(f, 0)->response_code, 200);
}

static void outbound_side_knows_no_policy(void **state)
{
	struct fixture *f = *state;
	const struct weir_call *call;

	say(f, "context.reporter.kind", "outbound");
	say(f, "context.protocol", "grpc");
	say(f, "source.uid", REVIEWS);
	say(f, "context.proxy_error_code", "UF,URX");
	say(f, "response.grpc_status", "14");
	number(f, WEIR_WORDS_INT, "response.code", 503);
	number(f, WEIR_WORDS_BOOL, "connection.mtls", 1);
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	call = &request(f, 0)->call;
	assert_int_equal(call->reporter, WEIR_REPORTER_SOURCE);
	assert_int_equal(call->protocol, WEIR_REQUEST_GRPC);
	assert_int_equal(call->security, WEIR_SECURITY_UNKNOWN);
	assert_int_equal(call->response_flags, 1 << 5 | 1 << 15);
	assert_int_equal(request(f, 0)->grpc_status, 14);
	same(f, call->proxy, "reviews-v2-7bf8c5d9b6-t54nr.default"); /* the reporting side's uid */
}

static void service_falls_back_to_what_was_asked_for(void **state)
{
	struct fixture *f = *state;

	say(f, "context.protocol", "http");
	say(f, "destination.service.name", "PassthroughCluster");
	say(f, "request.host", "example.com");
	end_bag(f);
	say(f, "context.protocol", "http");
	say(f, "request.host", "example.com");
	end_bag(f);
	say(f, "context.protocol", "http");
	say(f, "target.service", "old.shop.svc.cluster.local");
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	same(f, request(f, 0)->call.service_host, "example.com");
	same(f, request(f, 0)->call.service_name, "PassthroughCluster");
	same(f, request(f, 1)->call.service_host, "");
	same(f, request(f, 2)->call.service_host, "old.shop.svc.cluster.local");
	same(f, request(f, 2)->call.service_name, "old");
	same(f, request(f, 2)->call.service_namespace, "shop");
}

static void headers_say_what_attributes_do_not(void **state)
{
	static const char *const headers[] = { ":method", "POST", ":path", "/p", ":authority", "h", "user-agent", "ua",
		"traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01", "cookie", "z", NULL };
	struct fixture *f = *state;
	const struct weir_request *row;

	say(f, "context.protocol", "http");
	map(f, "request.headers", headers);
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	row = request(f, 0);
	assert_int_equal(row->method, WEIR_METHOD_POST);
	same(f, row->path, "/p");
	same(f, row->authority, "h");
	same(f, row->user_agent, "ua");
	same(f, row->trace_id, "0af7651916cd43dd8448eb211c80319c");
	assert_int_equal(row->attr_count, 2);
	assert_non_null(request_attr(f, 0, "request.headers.traceparent"));
	assert_non_null(request_attr(f, 0, "request.headers.cookie"));
}

static void attributes_of_ones_own_keep_names_and_types(void **state)
{
	static const char *const claims[] = { "iss", "me", NULL };
	const double real = 0.5;
	uint64_t bits;
	struct fixture *f = *state;

	memcpy(&bits, &real, sizeof(bits));
	say(f, "context.protocol", "http");
	say(f, "my.string", "text");
	number(f, WEIR_WORDS_INT, "my.int", -5);
	number(f, WEIR_WORDS_BOOL, "my.bool", 1);
	encode_number(&f->entry, 1, word(f, "my.double"));
	encode_fixed64(&f->entry, 2, bits);
	encode_nested(&f->bag, WEIR_WORDS_DOUBLE, &f->entry);
	when(f, WEIR_WORDS_TIME, "my.time", 3, 4);
	when(f, WEIR_WORDS_DURATION, "my.duration", 0, 9);
	bytes(f, "my.bytes", "\x01\x02", 2);
	map(f, "request.auth.claims", claims);
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	same(f, request_attr(f, 0, "my.string")->value.text, "text");
	assert_int_equal(request_attr(f, 0, "my.int")->value.number, -5);
	assert_int_equal(request_attr(f, 0, "my.bool")->type, WEIR_ATTR_BOOL);
	assert_true(request_attr(f, 0, "my.double")->value.real > 0.4);
	assert_true(request_attr(f, 0, "my.time")->value.number == 3000000004);
	assert_int_equal(request_attr(f, 0, "my.duration")->value.number, 9);
	assert_int_equal(request_attr(f, 0, "my.bytes")->type, WEIR_ATTR_BYTES);
	same(f, request_attr(f, 0, "request.auth.claims.iss")->value.text, "me");
	assert_int_equal(request(f, 0)->attr_count, 8);
}

/* ---- connections -------------------------------------------------------- */

static void event(struct fixture *f, const char *what, bool has_totals)
{
	say(f, "context.protocol", "tcp");
	say(f, "context.reporter.kind", "outbound");
	say(f, "connection.event", what);
	say(f, "connection.id", "c-1");
	say(f, "connection.requested_server_name", "db.shop");
	number(f, WEIR_WORDS_INT, "connection.received.bytes", 10);
	number(f, WEIR_WORDS_INT, "connection.sent.bytes", 20);
	if (has_totals) {
		number(f, WEIR_WORDS_INT, "connection.received.bytes_total", 110);
		number(f, WEIR_WORDS_INT, "connection.sent.bytes_total", 120);
	}
	when(f, WEIR_WORDS_TIME, "context.time", 1700000010, 0);
	when(f, WEIR_WORDS_DURATION, "connection.duration", 4, 0);
	end_bag(f);
}

static void connection_events_have_states_and_totals(void **state)
{
	struct fixture *f = *state;
	const struct weir_connection *row;

	event(f, "open", true);
	event(f, "continue", true);
	event(f, "close", true);
	event(f, "close", false);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(f->batch->kept, 4);
	assert_int_equal(connection(f, 0)->state, WEIR_CONNECTION_OPEN);
	assert_int_equal(connection(f, 1)->state, WEIR_CONNECTION_CONTINUE);
	row = connection(f, 2);
	assert_int_equal(row->state, WEIR_CONNECTION_CLOSE);
	assert_int_equal(row->call.protocol, WEIR_REQUEST_TCP);
	assert_int_equal(row->is_delta, 0);
	assert_int_equal(row->received_bytes, 110);
	assert_int_equal(row->sent_bytes, 120);
	assert_true(row->start_ns == UINT64_C(1700000006000000000));
	same(f, row->stream_id, "c-1");
	same(f, row->sni, "db.shop");
	assert_int_equal(connection(f, 3)->is_delta, 1);
	assert_int_equal(connection(f, 3)->received_bytes, 10);
	assert_int_equal(connection(f, 3)->sent_bytes, 20);
}

/* ---- spans -------------------------------------------------------------- */

static void traced(struct fixture *f, const char *kind, const char *trace_id, const char *span_id, const char *sampled)
{
	const char *const headers[] = { "x-b3-traceid", trace_id, "x-b3-spanid", span_id, "x-b3-parentspanid",
		"00000000000000c3", "x-b3-sampled", sampled, NULL };

	say(f, "context.protocol", "http");
	say(f, "context.reporter.kind", kind);
	say(f, "source.uid", REVIEWS);
	say(f, "destination.uid", RATINGS);
	say(f, "request.path", "/ratings/1");
	say(f, "request.method", "GET");
	number(f, WEIR_WORDS_INT, "response.code", 503);
	when(f, WEIR_WORDS_TIME, "request.time", 1700000000, 0);
	when(f, WEIR_WORDS_DURATION, "response.duration", 0, 7000);
	map(f, "request.headers", headers);
	end_bag(f);
}

static void both_proxies_tell_one_trace(void **state)
{
	static const uint8_t trace_id[16] = { [15] = 0xa1 }, span_id[8] = { [7] = 0xb2 };
	struct fixture *f = *state;
	const struct weir_span *client, *server;

	traced(f, "outbound", "00000000000000a1", "00000000000000b2", "1");
	traced(f, "inbound", "00000000000000a1", "00000000000000b2", "1");
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(f->batch->kept, 2); /* spans are no items */
	assert_int_equal(f->batch->spans.count, 2);
	client = &weir_batch_spans(f->batch)[0];
	server = &weir_batch_spans(f->batch)[1];
	assert_memory_equal(client->trace_id, trace_id, 16);
	assert_memory_equal(server->trace_id, trace_id, 16);
	assert_memory_equal(client->span_id, span_id, 8);
	assert_memory_equal(server->span_id, span_id, 8);
	assert_int_equal(client->parent_id[7], 0xc3);
	assert_int_equal(client->kind, WEIR_SPAN_CLIENT);
	assert_int_equal(client->flags, WEIR_SPAN_ERROR);
	assert_int_equal(server->kind, WEIR_SPAN_SERVER);
	assert_int_equal(server->flags, WEIR_SPAN_ERROR | WEIR_SPAN_SHARED);
	assert_int_equal(client->duration_ns, 7000);
	same(f, client->name, "/ratings/1");
	same(f, weir_batch_resources(f->batch)[client->resource].service, "reviews.default");
	same(f, client->peer, "ratings.default");
	same(f, weir_batch_resources(f->batch)[server->resource].service, "ratings.default");
	same(f, server->peer, "reviews.default");
	same(f, attr(f, client->attr_first, client->attr_count, "http.method")->value.text, "GET");
	assert_int_equal(attr(f, client->attr_first, client->attr_count, "http.status_code")->value.number, 503);
	same(f, attr(f, client->attr_first, client->attr_count, "http.url")->value.text, "/ratings/1");
	same(f, attr(f, client->attr_first, client->attr_count, "error")->value.text, "true");
	same(f, request(f, 0)->trace_id, "00000000000000a1");
}

static void unsampled_and_unreadable_ids_make_no_span(void **state)
{
	struct fixture *f = *state;

	traced(f, "outbound", "00000000000000a1", "00000000000000b2", "0");
	traced(f, "outbound", "00000000000000a1", "00000000000000bx", "1");
	traced(f, "outbound", "00000000000000a1", "b2", "1");
	traced(f, "outbound", "0000000000000000", "00000000000000b2", "1");
	traced(f, "outbound", "0af7651916cd43dd8448eb211c80319c", "00000000000000b2", "1");
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(f->batch->kept, 5);
	assert_int_equal(f->batch->spans.count, 1);
	assert_int_equal(weir_batch_spans(f->batch)[0].trace_id[0], 0x0a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dictionary_is_the_proxies_own),
		cmocka_unit_test(global_words_mean_what_their_texts_mean),
		TEST(request_has_all_that_its_bag_says),
		TEST(rest_of_a_bag_becomes_attributes),
		TEST(the_reporters_own_address_is_an_attribute),
		TEST(both_ends_are_named_by_their_uids),
		TEST(attributes_of_kubernetes_win_over_the_uid),
		TEST(nobody_known_is_no_workload),
		TEST(outbound_side_knows_no_policy),
		TEST(service_falls_back_to_what_was_asked_for),
		TEST(headers_say_what_attributes_do_not),
		TEST(attributes_of_ones_own_keep_names_and_types),
		TEST(connection_events_have_states_and_totals),
		TEST(both_proxies_tell_one_trace),
		TEST(unsampled_and_unreadable_ids_make_no_span),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
