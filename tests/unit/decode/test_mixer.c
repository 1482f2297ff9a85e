/* mixer: what single bags of Mixer's reports become; whole captures are in test_mixer_facts.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/mixer/check.h"
#include "decode/mixer/report.h"
#include "decode/mixer/words.h"
#include "tests/unit/decode/encode.h"

#define REVIEWS "kubernetes://reviews-v2-7bf8c5d9b6-t54nr.default"
#define RATINGS "kubernetes://ratings-v1-6c9d7c9b6d-k9w2z.default"
#define WORDS_MAX 64

enum { DELTA, INDEPENDENT };

struct fixture {
	struct weir_buf body, bag, entry, inner;
	const char *words[WORDS_MAX];
	uint32_t word_count;
	struct weir_arena arena;
	struct weir_draft draft;
	struct weir_str reporter;
	const struct weir_batch *batch;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	weir_arena_init(&f->arena, 1 << 16, 1 << 22);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	weir_buf_fini(&f->body);
	weir_buf_fini(&f->bag);
	weir_buf_fini(&f->entry);
	weir_buf_fini(&f->inner);
	weir_arena_fini(&f->arena);
	free(f);
	return 0;
}

/* ---- writing ------------------------------------------------------------ */

static uint64_t zigzag(int32_t index)
{
	return (uint32_t)index << 1 ^ (uint32_t)(index < 0 ? -1 : 0);
}

/* As a proxy has it: the word it knows by heart, else one of the message's. */
static uint64_t word(struct fixture *f, const char *text)
{
	for (uint32_t i = 0; i < WEIR_WORDS_GLOBAL; i++) {
		if (weir_str_is(weir_words_global[i].text, text)) {
			return zigzag((int32_t)i);
		}
	}
	for (uint32_t i = 0; i < f->word_count; i++) {
		if (strcmp(f->words[i], text) == 0) {
			return zigzag(-(int32_t)i - 1);
		}
	}
	assert_true(f->word_count < WORDS_MAX);
	f->words[f->word_count++] = text;
	return zigzag(-(int32_t)f->word_count);
}

static void say(struct fixture *f, const char *name, const char *value)
{
	encode_number(&f->entry, 1, word(f, name));
	encode_number(&f->entry, 2, word(f, value));
	encode_nested(&f->bag, WEIR_WORDS_STRING, &f->entry);
}

static void number(struct fixture *f, uint32_t type, const char *name, int64_t value)
{
	encode_number(&f->entry, 1, word(f, name));
	encode_number(&f->entry, 2, (uint64_t)value);
	encode_nested(&f->bag, type, &f->entry);
}

static void when(struct fixture *f, uint32_t type, const char *name, uint64_t seconds, uint64_t nanos)
{
	encode_number(&f->entry, 1, word(f, name));
	encode_number(&f->inner, 1, seconds);
	encode_number(&f->inner, 2, nanos);
	encode_nested(&f->entry, 2, &f->inner);
	encode_nested(&f->bag, type, &f->entry);
}

static void bytes(struct fixture *f, const char *name, const void *data, size_t length)
{
	encode_number(&f->entry, 1, word(f, name));
	encode_bytes(&f->entry, 2, data, length);
	encode_nested(&f->bag, WEIR_WORDS_BYTES, &f->entry);
}

/* Keys and values in turn, NULL at the end. */
static void map(struct fixture *f, const char *name, const char *const *pairs)
{
	struct weir_buf pair = { 0 };

	encode_number(&f->entry, 1, word(f, name));
	for (; pairs[0] != NULL; pairs += 2) {
		encode_number(&pair, 1, word(f, pairs[0]));
		encode_number(&pair, 2, word(f, pairs[1]));
		encode_nested(&f->inner, 1, &pair);
	}
	encode_nested(&f->entry, 2, &f->inner);
	encode_nested(&f->bag, WEIR_WORDS_MAP, &f->entry);
	weir_buf_fini(&pair);
}

static void end_bag(struct fixture *f)
{
	encode_nested(&f->body, 1, &f->bag);
}

static int decode(struct fixture *f, uint64_t semantics)
{
	struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_MIXER, .signal = WEIR_SIGNAL_MIXER };
	int r;

	for (uint32_t i = 0; i < f->word_count; i++) {
		encode_text(&f->body, 2, f->words[i]);
	}
	encode_number(&f->body, 4, semantics);
	weir_draft_init(&f->draft, &f->arena, weir_buf_str(&f->body));
	r = weir_report_decode(&f->draft, &f->reporter);
	if (r == 0) {
		head.source = f->reporter;
		f->batch = weir_draft_finish(&f->draft, &head);
		assert_non_null(f->batch);
		assert_true(weir_batch_is_sound(f->batch, f->batch->size_bytes));
	}
	return r;
}

/* ---- reading ------------------------------------------------------------ */

static void same(const struct fixture *f, struct weir_ref ref, const char *want)
{
	struct weir_str have = weir_batch_str(f->batch, ref);
	char text[256];

	snprintf(text, sizeof(text), "%.*s", (int)have.length, ref.length > 0 ? have.data : "");
	assert_string_equal(text, want);
}

static const struct weir_request *request(const struct fixture *f, uint32_t i)
{
	assert_true(i < f->batch->requests.count);
	return &weir_batch_requests(f->batch)[i];
}

static const struct weir_connection *connection(const struct fixture *f, uint32_t i)
{
	assert_true(i < f->batch->connections.count);
	return &weir_batch_connections(f->batch)[i];
}

static const struct weir_workload *workload(const struct fixture *f, uint32_t row)
{
	assert_true(row < f->batch->workloads.count);
	return &weir_batch_workloads(f->batch)[row];
}

static const struct weir_attr *attr(const struct fixture *f, uint32_t first, uint32_t count, const char *key)
{
	for (uint32_t i = 0; i < count; i++) {
		const struct weir_attr *row = &weir_batch_attrs(f->batch)[first + i];

		if (weir_str_is(weir_batch_str(f->batch, row->key), key)) {
			return row;
		}
	}
	return NULL;
}

static const struct weir_attr *request_attr(const struct fixture *f, uint32_t i, const char *key)
{
	return attr(f, request(f, i)->attr_first, request(f, i)->attr_count, key);
}

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

/* What a stock sidecar says of a request that it let in. */
static void inbound(struct fixture *f)
{
	static const char *const headers[] = { ":method", "GET", ":path", "/ratings/1?x=2", ":authority",
		"ratings:9080", "x-request-id", "f00d", "x-forwarded-proto", "http", NULL };
	static const char *const answers[] = { ":status", "200", "server", "istio-envoy", NULL };
	static const uint8_t ip[4] = { 10, 0, 0, 255 };

	say(f, "context.reporter.kind", "inbound");
	say(f, "context.reporter.uid", RATINGS);
	say(f, "context.protocol", "http");
	say(f, "context.proxy_error_code", "-");
	say(f, "source.uid", REVIEWS);
	say(f, "source.principal", "cluster.local/ns/default/sa/reviews");
	say(f, "destination.uid", RATINGS);
	say(f, "destination.principal", "cluster.local/ns/default/sa/ratings");
	say(f, "destination.service.host", "ratings.default.svc.cluster.local");
	say(f, "destination.service.name", "ratings");
	say(f, "destination.service.namespace", "default");
	say(f, "request.method", "GET");
	say(f, "request.path", "/ratings/1?x=2");
	say(f, "request.url_path", "/ratings/1");
	say(f, "request.host", "ratings:9080");
	say(f, "request.useragent", "curl/8.5.0");
	number(f, WEIR_WORDS_INT, "response.code", 200);
	number(f, WEIR_WORDS_INT, "request.size", 12);
	number(f, WEIR_WORDS_INT, "request.total_size", 812);
	number(f, WEIR_WORDS_INT, "response.size", 70000);
	number(f, WEIR_WORDS_INT, "response.total_size", 70177);
	number(f, WEIR_WORDS_BOOL, "connection.mtls", 1);
	number(f, WEIR_WORDS_BOOL, "check.cache_hit", 0);
	when(f, WEIR_WORDS_TIME, "request.time", 1700000000, 5000);
	when(f, WEIR_WORDS_TIME, "response.time", 1700000000, 7005000);
	when(f, WEIR_WORDS_DURATION, "response.duration", 0, 7000000);
	bytes(f, "origin.ip", ip, sizeof(ip));
	bytes(f, "source.ip", ip, sizeof(ip));
	map(f, "request.headers", headers);
	map(f, "response.headers", answers);
	end_bag(f);
}

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

/* ---- encodings ---------------------------------------------------------- */

static void delta_bag_is_what_changed(void **state)
{
	static const char *const first[] = { "a", "1", "b", "2", NULL };
	static const char *const second[] = { "a", "3", NULL };
	struct fixture *f = *state;

	say(f, "context.protocol", "http");
	say(f, "request.path", "/one");
	number(f, WEIR_WORDS_INT, "response.code", 404);
	map(f, "request.headers", first);
	end_bag(f);
	say(f, "request.path", "/two");
	map(f, "request.headers", second);
	end_bag(f);
	end_bag(f);
	assert_int_equal(decode(f, DELTA), 0);
	same(f, request(f, 0)->path, "/one");
	assert_int_equal(request(f, 0)->attr_count, 2);
	same(f, request(f, 1)->path, "/two");
	assert_int_equal(request(f, 1)->response_code, 404);
	/* A map is replaced as a whole. */
	assert_int_equal(request(f, 1)->attr_count, 1);
	same(f, request_attr(f, 1, "request.headers.a")->value.text, "3");
	/* An empty one is another request like the last. */
	same(f, request(f, 2)->path, "/two");
	same(f, request_attr(f, 2, "request.headers.a")->value.text, "3");
}

static void independent_bag_knows_nothing_of_the_last(void **state)
{
	struct fixture *f = *state;

	say(f, "context.protocol", "http");
	say(f, "request.path", "/one");
	end_bag(f);
	say(f, "context.protocol", "http");
	end_bag(f);
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	same(f, request(f, 1)->path, "");
	assert_int_equal(f->batch->requests.count, 2);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 1); /* the empty one is no record of anything */
}

static void own_words_replace_the_default_ones(void **state)
{
	struct fixture *f = *state;

	say(f, "context.protocol", "http");
	say(f, "request.path", "/default");
	end_bag(f);
	/* The same index, with a dictionary of the bag's own; then one word too far. */
	for (int i = 0; i < 2; i++) {
		encode_text(&f->bag, 1, "/own");
		say(f, "context.protocol", "http");
		encode_number(&f->entry, 1, word(f, "request.path"));
		encode_number(&f->entry, 2, zigzag(-1 - i));
		encode_nested(&f->bag, WEIR_WORDS_STRING, &f->entry);
		end_bag(f);
	}
	word(f, "a second default word");
	assert_int_equal(decode(f, INDEPENDENT), 0);
	same(f, request(f, 0)->path, "/default");
	same(f, request(f, 1)->path, "/own");
	assert_int_equal(f->batch->requests.count, 2);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 1);
}

static void words_may_come_behind_what_needs_them(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		say(f, "context.protocol", "http");
		encode_number(&f->entry, 1, word(f, "request.path"));
		encode_number(&f->entry, 2, zigzag(-1));
		encode_nested(&f->bag, WEIR_WORDS_STRING, &f->entry);
		encode_text(&f->bag, 1, i == 0 ? "/late" : "/later");
		end_bag(f);
	}
	assert_int_equal(decode(f, DELTA), 0);
	same(f, request(f, 0)->path, "/late");
	same(f, request(f, 1)->path, "/later");
}

/* ---- what is wrong ------------------------------------------------------ */

static void index_beyond_its_dictionary_drops_that_bag_alone(void **state)
{
	static const int32_t beyond[] = { 222, -2, INT32_MAX, INT32_MIN };
	struct fixture *f = *state;

	for (size_t i = 0; i < 8; i++) {
		bool is_name = i < 4;

		say(f, "context.protocol", "http");
		encode_number(&f->entry, is_name ? 1 : 2, zigzag(beyond[i % 4]));
		encode_number(&f->entry, is_name ? 2 : 1, word(f, "request.path"));
		encode_nested(&f->bag, WEIR_WORDS_STRING, &f->entry);
		end_bag(f);
	}
	say(f, "context.protocol", "http");
	say(f, "request.path", "/good");
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(f->batch->offered, 9);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 8);
	assert_int_equal(f->batch->kept, 1);
	same(f, request(f, 0)->path, "/good");
}

static void attribute_of_two_types_drops_that_bag_alone(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? "response.code" : "my.own";

		say(f, "context.protocol", "http");
		say(f, name, "200");
		number(f, WEIR_WORDS_INT, name, 200);
		end_bag(f);
	}
	say(f, "context.protocol", "http");
	say(f, "response.code", "404"); /* of a type that it never has: as if it were not there */
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 2);
	assert_int_equal(f->batch->kept, 1);
	assert_int_equal(request(f, 0)->response_code, 200);
}

static void delta_goes_on_behind_an_invalid_bag(void **state)
{
	struct fixture *f = *state;

	say(f, "context.protocol", "http");
	say(f, "request.path", "/one");
	say(f, "request.host", "one");
	end_bag(f);
	say(f, "request.host", "two");
	encode_number(&f->entry, 1, word(f, "request.path"));
	encode_number(&f->entry, 2, zigzag(999));
	encode_nested(&f->bag, WEIR_WORDS_STRING, &f->entry);
	end_bag(f);
	number(f, WEIR_WORDS_INT, "response.code", 500);
	end_bag(f);
	assert_int_equal(decode(f, DELTA), 0);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 1);
	assert_int_equal(f->batch->kept, 2);
	same(f, request(f, 1)->authority, "two");
	same(f, request(f, 1)->path, ""); /* it changed, to what nobody knows */
	assert_int_equal(request(f, 1)->response_code, 500);
}

static void unknown_encoding_drops_every_bag(void **state)
{
	struct fixture *f = *state;

	inbound(f);
	inbound(f);
	assert_int_equal(decode(f, 2), 0);
	assert_int_equal(f->batch->offered, 2);
	assert_int_equal(f->batch->kept, 0);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 2);
}

static void more_global_words_than_there_are_is_told_so_that_a_proxy_falls_back(void **state)
{
	static const char prefix[] = "Request could not be processed due to invalid";
	struct fixture *f = *state;

	inbound(f);
	encode_number(&f->body, 3, 222);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	encode_number(&f->body, 3, 223);
	assert_int_equal(decode(f, INDEPENDENT), WEIR_DECODE_MALFORMED);
	assert_memory_equal(f->draft.error, prefix, sizeof(prefix) - 1);
}

static void cut_message_is_malformed_as_a_whole(void **state)
{
	struct fixture *f = *state;
	struct weir_str whole;
	size_t malformed = 0;

	inbound(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	whole = weir_buf_str(&f->body);
	for (size_t length = 1; length < whole.length; length++) {
		weir_arena_reset(&f->arena);
		weir_draft_init(&f->draft, &f->arena, weir_str_make(whole.data, length));
		malformed += weir_report_decode(&f->draft, &f->reporter) == WEIR_DECODE_MALFORMED;
	}
	assert_true(malformed > whole.length / 2); /* the rest ends between two fields */
}

static void full_arena_is_too_large(void **state)
{
	struct fixture *f = *state;

	inbound(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	for (size_t limit = 64; limit < 40000; limit += 512) {
		struct weir_arena arena;
		struct weir_draft draft;
		int r;

		weir_arena_init(&arena, limit, limit);
		weir_draft_init(&draft, &arena, weir_buf_str(&f->body));
		r = weir_report_decode(&draft, &f->reporter);
		assert_true(r == WEIR_DECODE_TOO_LARGE || r == 0);
		assert_true(r == WEIR_DECODE_TOO_LARGE || limit > 20000);
		weir_arena_fini(&arena);
	}
}

static void claims_are_compared_with_the_certificate(void **state)
{
	struct fixture *f = *state;

	inbound(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(f->batch->mismatched, 0);
	for (int i = 0; i < 3; i++) {
		weir_arena_reset(&f->arena);
		weir_draft_init(&f->draft, &f->arena, weir_buf_str(&f->body));
		f->draft.peer_namespace = weir_str_of(i == 1 ? "other" : "default");
		f->draft.peer_account = weir_str_of(i == 2 ? "other" : "ratings");
		assert_int_equal(weir_report_decode(&f->draft, &f->reporter), 0);
		assert_int_equal(f->draft.mismatched, i == 0 ? 0 : 1);
	}
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

/* ---- the small ones ----------------------------------------------------- */

static void quotas_of_a_check_are_read(void **state)
{
	struct fixture *f = *state;
	struct weir_check_quota quota;
	struct weir_wire wire;

	encode_number(&f->inner, 1, 5);
	encode_text(&f->entry, 1, "rate");
	encode_nested(&f->entry, 2, &f->inner);
	encode_nested(&f->body, 4, &f->entry);
	encode_number(&f->body, 2, 999);
	wire = weir_wire_of(weir_buf_str(&f->body));
	assert_true(weir_check_next(&wire, &quota));
	assert_true(weir_str_is(quota.name, "rate"));
	assert_int_equal(quota.amount, 5);
	assert_false(weir_check_next(&wire, &quota));
	assert_false(wire.is_malformed);
	wire = weir_wire_of(weir_str_make(f->body.data, f->body.length - 1));
	assert_true(weir_check_next(&wire, &quota));
	assert_false(weir_check_next(&wire, &quota));
	assert_true(wire.is_malformed);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dictionary_is_the_proxies_own),
		cmocka_unit_test(global_words_mean_what_their_texts_mean),
		TEST(request_has_all_that_its_bag_says),
		TEST(rest_of_a_bag_becomes_attributes),
		TEST(both_ends_are_named_by_their_uids),
		TEST(attributes_of_kubernetes_win_over_the_uid),
		TEST(nobody_known_is_no_workload),
		TEST(outbound_side_knows_no_policy),
		TEST(service_falls_back_to_what_was_asked_for),
		TEST(headers_say_what_attributes_do_not),
		TEST(attributes_of_ones_own_keep_names_and_types),
		TEST(connection_events_have_states_and_totals),
		TEST(delta_bag_is_what_changed),
		TEST(independent_bag_knows_nothing_of_the_last),
		TEST(own_words_replace_the_default_ones),
		TEST(words_may_come_behind_what_needs_them),
		TEST(index_beyond_its_dictionary_drops_that_bag_alone),
		TEST(attribute_of_two_types_drops_that_bag_alone),
		TEST(delta_goes_on_behind_an_invalid_bag),
		TEST(unknown_encoding_drops_every_bag),
		TEST(more_global_words_than_there_are_is_told_so_that_a_proxy_falls_back),
		TEST(cut_message_is_malformed_as_a_whole),
		TEST(full_arena_is_too_large),
		TEST(claims_are_compared_with_the_certificate),
		TEST(both_proxies_tell_one_trace),
		TEST(unsampled_and_unreadable_ids_make_no_span),
		TEST(quotas_of_a_check_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
