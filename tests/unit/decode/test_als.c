/* als: what single access log entries become; whole captures are in test_als_facts.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/address.h"
#include "decode/envoy/als.h"
#include "tests/unit/decode/envoy_encode.h"

#define SIDECAR "sidecar~10.0.0.5~details-v1-0ae45e8bec-cjht9.default~default.svc.cluster.local"
#define CALLER "sidecar~10.0.0.6~productpage-v1-8892ba1ac5-47vck.default~default.svc.cluster.local"
#define ROUTER "router~10.0.0.7~istio-ingressgateway-823d1ca45b-tswgp.istio-system~istio-system.svc.cluster.local"
#define TYPES "type.googleapis.com/"

/* A message in the making: an identifier, and entries of one kind. */
struct message {
	struct weir_buf whole, logs, common, request, response, entry, inner, pair;
};

struct fixture {
	struct message m;
	struct weir_arena arena;
	struct weir_draft draft;
	struct weir_envoy_sender sender;
	const struct weir_batch *batch;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	weir_arena_init(&f->arena, 1 << 16, 1 << 22);
	weir_envoy_sender_init(&f->sender);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct weir_buf *bufs[] = { &f->m.whole, &f->m.logs, &f->m.common, &f->m.request, &f->m.response, &f->m.entry,
		&f->m.inner, &f->m.pair };

	for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++) {
		weir_buf_fini(bufs[i]);
	}
	weir_envoy_sender_fini(&f->sender);
	weir_arena_fini(&f->arena);
	free(f);
	return 0;
}

/* ---- writing ------------------------------------------------------------ */

static void identify(struct fixture *f, const char *node_id, const char *workload)
{
	struct weir_buf node = { 0 }, metadata = { 0 }, labels = { 0 }, identifier = { 0 };

	encode_text(&node, 1, node_id);
	if (workload) {
		encode_struct_text(&metadata, "WORKLOAD_NAME", workload);
		encode_struct_text(&metadata, "NAMESPACE", "default");
		encode_struct_text(&metadata, "CLUSTER_ID", "east");
		encode_struct_text(&labels, "app", "details");
		encode_struct_text(&labels, "version", "v1");
		encode_struct_struct(&metadata, "LABELS", &labels);
		encode_nested(&node, 3, &metadata);
	}
	for (int i = 0; i < 600; i++) { /* what nobody reads */
		encode_text(&metadata, 1, "envoy.filters.http.something.of.the.real.size");
		encode_nested(&node, 9, &metadata);
	}
	encode_nested(&identifier, 1, &node);
	encode_nested(&f->m.whole, 1, &identifier);
	weir_buf_fini(&node);
	weir_buf_fini(&metadata);
	weir_buf_fini(&labels);
	weir_buf_fini(&identifier);
}

static void tls(struct fixture *f, const char *sni, const char *local, const char *peer)
{
	if (sni) {
		encode_text(&f->m.inner, 3, sni);
	}
	encode_san(&f->m.inner, 4, local);
	encode_san(&f->m.inner, 5, peer);
	encode_nested(&f->m.common, 4, &f->m.inner);
}

static void filter_state(struct fixture *f, const char *key, const char *type, struct weir_buf *value)
{
	struct weir_buf any = { 0 };

	encode_text(&any, 1, type);
	encode_nested(&any, 2, value);
	encode_text(&f->m.pair, 1, key);
	encode_nested(&f->m.pair, 2, &any);
	encode_nested(&f->m.common, 21, &f->m.pair);
	weir_buf_fini(&any);
}

/* Closes the entry that common, request and response make. */
static void http(struct fixture *f, uint32_t code)
{
	if (code > 0) {
		encode_number(&f->m.inner, 1, code);
		encode_nested(&f->m.response, 1, &f->m.inner);
	}
	encode_nested(&f->m.entry, 1, &f->m.common);
	encode_nested(&f->m.entry, 3, &f->m.request);
	encode_nested(&f->m.entry, 4, &f->m.response);
	encode_nested(&f->m.logs, 1, &f->m.entry);
}

static void tcp(struct fixture *f, const char *stream_id, uint32_t type, bool is_intermediate, uint64_t received)
{
	encode_text(&f->m.common, 15, "inbound|3306||");
	encode_text(&f->m.common, 26, stream_id);
	encode_number(&f->m.common, 27, is_intermediate);
	encode_number(&f->m.common, 33, type);
	encode_nested(&f->m.entry, 1, &f->m.common);
	encode_number(&f->m.inner, 1, received);
	encode_number(&f->m.inner, 2, 2 * received);
	encode_nested(&f->m.entry, 2, &f->m.inner);
	encode_nested(&f->m.logs, 1, &f->m.entry);
}

static int decode(struct fixture *f, uint32_t logs_field)
{
	const struct weir_draft_head head = { .signal = WEIR_SIGNAL_ACCESS_LOG };
	int r;

	encode_nested(&f->m.whole, logs_field, &f->m.logs);
	weir_draft_init(&f->draft, &f->arena, weir_buf_str(&f->m.whole));
	r = weir_als_decode(&f->draft, &f->sender);
	if (r == 0) {
		f->batch = weir_draft_finish(&f->draft, &head);
		assert_non_null(f->batch);
		assert_true(weir_batch_is_sound(f->batch, f->batch->size_bytes));
	}
	return r;
}

static void again(struct fixture *f)
{
	weir_buf_clear(&f->m.whole);
	weir_arena_reset(&f->arena);
}

static void is_text(const struct fixture *f, struct weir_ref ref, const char *want)
{
	struct weir_str have = weir_batch_str(f->batch, ref);

	if (!weir_str_is(have, want)) {
		fail_msg("have \"%.*s\", want \"%s\"", (int)have.length, have.data, want);
	}
}

static const struct weir_request *request(const struct fixture *f, uint32_t i)
{
	assert_true(i < f->batch->requests.count);
	return &weir_batch_requests(f->batch)[i];
}

static const struct weir_workload *workload(const struct fixture *f, uint32_t row)
{
	assert_true(row < f->batch->workloads.count);
	return &weir_batch_workloads(f->batch)[row];
}

/* ---- tests -------------------------------------------------------------- */

static void inbound_entry_is_the_destinations(void **state)
{
	struct fixture *f = *state;
	const struct weir_request *r;

	identify(f, SIDECAR, "details-v1");
	encode_text(&f->m.common, 15, "inbound|9080||");
	tls(f, "outbound_.9080_._.details.default.svc.cluster.local", "spiffe://td/ns/default/sa/details",
		"spiffe://td/ns/default/sa/productpage");
	encode_map_text(&f->m.request, 13, "x-envoy-peer-metadata-id", CALLER);
	encode_map_text(
		&f->m.response, 4, "x-envoy-peer-metadata-id", SIDECAR); /* its own: says nothing of the caller */
	encode_text(&f->m.request, 3, "anything.the.client.likes:80");
	http(f, 200);
	assert_int_equal(decode(f, 2), 0);
	r = request(f, 0);
	assert_int_equal(r->call.reporter, WEIR_REPORTER_DESTINATION);
	assert_int_equal(r->call.security, WEIR_SECURITY_MUTUAL_TLS);
	is_text(f, r->call.service_host, "details.default.svc.cluster.local");
	is_text(f, r->call.service_name, "details");
	is_text(f, r->call.service_namespace, "default");
	is_text(f, r->call.source_principal, "spiffe://td/ns/default/sa/productpage");
	is_text(f, r->call.destination_principal, "spiffe://td/ns/default/sa/details");
	is_text(f, workload(f, r->call.source)->name, "productpage-v1");
	is_text(f, workload(f, r->call.source)->app, "productpage");
	is_text(f, workload(f, r->call.source)->version, "v1");
	is_text(f, workload(f, r->call.source)->cluster, "east");
	is_text(f, workload(f, r->call.destination)->name, "details-v1");
	is_text(f, workload(f, r->call.destination)->canonical_service, "details");
	assert_int_equal(r->attr_count, 0); /* the peers' ids are no attributes */
}

static void identifier_holds_for_the_streams_later_messages(void **state)
{
	struct fixture *f = *state;

	identify(f, SIDECAR, "details-v1");
	assert_int_equal(decode(f, 2), 0);
	assert_true(f->sender.is_known);
	assert_int_equal(f->batch->offered, 0);
	again(f);
	encode_text(&f->m.common, 15, "inbound|9080||");
	http(f, 404);
	assert_int_equal(decode(f, 2), 0);
	is_text(f, workload(f, request(f, 0)->call.destination)->name, "details-v1");
	/* No SNI, no host in the cluster's name: the node's own service. */
	is_text(f, request(f, 0)->call.service_host, "details.default.svc.cluster.local");
	assert_int_equal(request(f, 0)->call.security, WEIR_SECURITY_NONE);
}

static void node_is_not_carried_into_the_batch(void **state)
{
	struct fixture *f = *state;

	identify(f, SIDECAR, "details-v1");
	encode_text(&f->m.common, 15, "inbound|9080||");
	http(f, 200);
	assert_int_equal(decode(f, 2), 0);
	assert_true(f->m.whole.length > 20000);
	assert_true(f->batch->size_bytes < 4000);
}

static void outbound_service_is_the_clusters_host_or_the_authority(void **state)
{
	static const struct {
		const char *node, *cluster, *route, *authority, *host, *name, *space;
	} cases[] = {
		{ SIDECAR, "outbound|9080|v1|reviews.default.svc.cluster.local", "v1", "x",
			"reviews.default.svc.cluster.local", "reviews", "default" },
		{ SIDECAR, "outbound|443||api.example.com", "", "x", "api.example.com", "api.example.com", "" },
		{ SIDECAR, "", "default", "ratings:9080", "ratings", "ratings", "" },
		{ SIDECAR, "", "block_all", "nosuch:9080", "BlackHoleCluster", "BlackHoleCluster", "" },
		{ SIDECAR, "BlackHoleCluster", "", "nosuch", "BlackHoleCluster", "BlackHoleCluster", "" },
		{ SIDECAR, "PassthroughCluster", "allow_any", "a.example:443", "a.example", "PassthroughCluster", "" },
		{ ROUTER, "", "", "shop.example", "", "", "" },
		{ ROUTER, "outbound|9080||productpage.default.svc.cluster.local", "default", "shop.example",
			"productpage.default.svc.cluster.local", "productpage", "default" },
		{ ROUTER, "inbound|9080||", "", "shop.example", "", "", "" },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f;

		setup((void **)&f);
		identify(f, cases[i].node, NULL);
		encode_address(&f->m.common, 3, "10.0.0.5", 15001);
		encode_text(&f->m.common, 15, cases[i].cluster);
		encode_text(&f->m.common, 19, cases[i].route);
		encode_text(&f->m.request, 3, cases[i].authority);
		http(f, 200);
		assert_int_equal(decode(f, 2), 0);
		assert_int_equal(request(f, 0)->call.reporter, WEIR_REPORTER_SOURCE);
		is_text(f, request(f, 0)->call.service_host, cases[i].host);
		is_text(f, request(f, 0)->call.service_name, cases[i].name);
		is_text(f, request(f, 0)->call.service_namespace, cases[i].space);
		assert_int_equal(request(f, 0)->call.security, WEIR_SECURITY_UNKNOWN);
		teardown((void **)&f);
	}
	(void)state;
}

static void waypoint_reports_the_real_destination(void **state)
{
	struct fixture *f = *state;
	struct weir_buf peer = { 0 };
	const struct weir_request *r;

	identify(f, "waypoint~10.0.0.9~way-1-5d4f7c9b6-x8c7d.default~default.svc.cluster.local", NULL);
	encode_text(&f->m.common, 15, "inbound-vip|9080|http|reviews.default.svc.cluster.local");
	encode_struct_text(&peer, "workload", "reviews-v2");
	encode_struct_text(&peer, "namespace", "default");
	encode_struct_text(&peer, "cluster", "west");
	filter_state(f, "upstream_peer", TYPES "google.protobuf.Struct", &peer);
	http(f, 200);
	assert_int_equal(decode(f, 2), 0);
	r = request(f, 0);
	assert_int_equal(r->call.reporter, WEIR_REPORTER_WAYPOINT);
	is_text(f, workload(f, r->call.destination)->name, "reviews-v2");
	is_text(f, workload(f, r->call.destination)->cluster, "west");
	is_text(f, workload(f, r->call.source)->name, "");
	is_text(f, r->call.service_host, "reviews.default.svc.cluster.local");
	weir_buf_fini(&peer);
}

static void namespace_of_a_certificate_comes_with_its_account(void **state)
{
	struct fixture *f = *state;

	identify(f, SIDECAR, "details-v1");
	encode_text(&f->m.common, 15, "inbound|9080||");
	tls(f, NULL, "spiffe://td/ns/default/sa/details", "spiffe://td/ns/shop/sa/cart");
	http(f, 200);
	assert_int_equal(decode(f, 2), 0);
	is_text(f, workload(f, request(f, 0)->call.source)->namespace_, "shop");
	is_text(f, workload(f, request(f, 0)->call.source)->name, "cart");
	is_text(f, workload(f, request(f, 0)->call.source)->canonical_revision, "latest");
}

static void known_sender_is_found_by_its_address_unless_contradicted(void **state)
{
	static const struct {
		const char *peer_san, *want;
	} cases[] = { { "spiffe://td/ns/default/sa/ratings", "ratings-v1" },
		{ "spiffe://td/ns/shop/sa/cart", "cart" } };
	struct weir_identity ratings = { .workload = weir_str_of("ratings-v1"),
		.namespace_ = weir_str_of("default"),
		.node_id = weir_str_of("sidecar~10.0.0.8~ratings-v1-x.default~d") };
	struct weir_address ip = { 0 };
	struct weir_known *known;

	assert_int_equal(weir_known_create(8, &known), 0);
	assert_true(weir_address_parse(weir_str_of("10.0.0.8"), &ip));
	weir_known_join(known, &ratings, ip.ip);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f;

		setup((void **)&f);
		f->sender.known = known;
		identify(f, SIDECAR, "details-v1");
		encode_text(&f->m.common, 15, "inbound|9080||");
		encode_address(&f->m.common, 2, "203.0.113.9", 0); /* who X-Forwarded-For names */
		encode_address(&f->m.common, 20, "10.0.0.8", 40000);
		tls(f, NULL, "spiffe://td/ns/default/sa/details", cases[i].peer_san);
		http(f, 200);
		assert_int_equal(decode(f, 2), 0);
		is_text(f, workload(f, request(f, 0)->call.source)->name, cases[i].want);
		teardown((void **)&f);
	}
	weir_known_destroy(known);
	(void)state;
}

static void intermediate_requests_are_dropped_and_counted(void **state)
{
	struct fixture *f = *state;
	static const struct {
		uint32_t type;
		bool is_intermediate, is_kept;
	} cases[] = { { 0, false, true }, { 0, true, false }, { 4, true, false }, { 5, true, false },
		{ 6, false, true }, { 7, false, false }, { 9, false, false }, { 10, false, false } };
	uint32_t kept = 0;

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		encode_number(&f->m.common, 33, cases[i].type);
		encode_number(&f->m.common, 27, cases[i].is_intermediate);
		encode_map_text(&f->m.common, 22, "tag", "value");
		http(f, 200);
		kept += cases[i].is_kept;
	}
	assert_int_equal(decode(f, 2), 0);
	assert_int_equal(f->batch->offered, 8);
	assert_int_equal(f->batch->kept, kept);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INTERMEDIATE], 8 - kept);
	assert_int_equal(f->batch->attrs.count, kept);
}

static void connections_keep_their_reports(void **state)
{
	struct fixture *f = *state;
	const struct weir_connection *rows;

	tcp(f, "id-1", 14, true, 0);
	tcp(f, "id-1", 2, true, 80);
	tcp(f, "id-1", 3, false, 200);
	tcp(f, "", 2, true, 80);     /* no id: no difference can be taken */
	tcp(f, "id-1", 8, true, 80); /* the upstream side's own log */
	tcp(f, "", 0, false, 7);     /* old Envoy: the one entry at the end */
	assert_int_equal(decode(f, 3), 0);
	assert_int_equal(f->batch->connections.count, 4);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INTERMEDIATE], 2);
	rows = weir_batch_connections(f->batch);
	assert_int_equal(rows[0].state, WEIR_CONNECTION_OPEN);
	assert_int_equal(rows[1].state, WEIR_CONNECTION_CONTINUE);
	assert_int_equal(rows[1].received_bytes, 80);
	assert_int_equal(rows[2].state, WEIR_CONNECTION_CLOSE);
	assert_int_equal(rows[2].sent_bytes, 400);
	assert_int_equal(rows[3].received_bytes, 7);
	assert_int_equal(rows[0].call.protocol, WEIR_REQUEST_TCP);
}

static void protocol_is_grpc_only_by_evidence(void **state)
{
	static const struct {
		const char *content_type, *trailer, *header, *agent, *path;
		int version, method, want, status;
	} cases[] = {
		{ "application/grpc+proto", NULL, NULL, "", "/", 2, 1, WEIR_REQUEST_GRPC, -1 },
		{ NULL, "5", NULL, "", "/", 2, 1, WEIR_REQUEST_GRPC, 5 },
		{ NULL, NULL, "0", "", "/", 2, 1, WEIR_REQUEST_GRPC, 0 },
		{ NULL, "5", "0", "", "/", 2, 1, WEIR_REQUEST_GRPC, 5 },
		{ NULL, NULL, NULL, "grpc-go/1.85", "/pkg.Service/Method", 3, 3, WEIR_REQUEST_GRPC, -1 },
		{ NULL, NULL, NULL, "grpc-go/1.85", "/pkg.Service/Method", 2, 3, WEIR_REQUEST_HTTP, -1 },
		{ NULL, NULL, NULL, "grpc-go/1.85", "/pkg.Service/Method/x", 3, 3, WEIR_REQUEST_HTTP, -1 },
		{ NULL, NULL, NULL, "curl", "/pkg.Service/Method", 3, 3, WEIR_REQUEST_HTTP, -1 },
		{ "application/json", NULL, NULL, "", "/", 3, 3, WEIR_REQUEST_HTTP, -1 },
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct fixture *f;

		setup((void **)&f);
		encode_number(&f->m.entry, 2, (uint64_t)cases[i].version);
		encode_number(&f->m.request, 1, (uint64_t)cases[i].method);
		encode_text(&f->m.request, 5, cases[i].path);
		encode_text(&f->m.request, 6, cases[i].agent);
		if (cases[i].content_type) {
			encode_map_text(&f->m.request, 13, "content-type", cases[i].content_type);
		}
		if (cases[i].trailer) {
			encode_map_text(&f->m.response, 5, "grpc-status", cases[i].trailer);
		}
		if (cases[i].header) {
			encode_map_text(&f->m.response, 4, "grpc-status", cases[i].header);
		}
		http(f, 200);
		assert_int_equal(decode(f, 2), 0);
		assert_int_equal(request(f, 0)->call.protocol, cases[i].want);
		assert_int_equal(request(f, 0)->grpc_status, cases[i].status);
		teardown((void **)&f);
	}
	(void)state;
}

static void duration_and_bytes_fall_back(void **state)
{
	struct fixture *f = *state;

	/* 0: as told; 1: the last byte downstream; 2: the largest offset. */
	encode_number(&f->m.inner, 2, 5000);
	encode_nested(&f->m.common, 23, &f->m.inner);
	encode_number(&f->m.common, 30, 111);
	encode_number(&f->m.common, 29, 222);
	encode_number(&f->m.request, 11, 1);
	http(f, 200);
	encode_number(&f->m.inner, 2, 900);
	encode_nested(&f->m.common, 10, &f->m.inner);
	encode_number(&f->m.inner, 2, 700);
	encode_nested(&f->m.common, 12, &f->m.inner);
	encode_number(&f->m.request, 11, 30);
	encode_number(&f->m.request, 12, 4);
	encode_number(&f->m.response, 2, 50);
	encode_number(&f->m.response, 3, 6);
	http(f, 0);
	encode_number(&f->m.inner, 2, 900);
	encode_nested(&f->m.common, 10, &f->m.inner);
	encode_number(&f->m.inner, 2, 800);
	encode_nested(&f->m.common, 6, &f->m.inner);
	http(f, 0);
	assert_int_equal(decode(f, 2), 0);
	assert_int_equal(request(f, 0)->duration_ns, 5000);
	assert_int_equal(request(f, 0)->request_bytes, 111);
	assert_int_equal(request(f, 0)->response_bytes, 222);
	assert_int_equal(request(f, 1)->duration_ns, 700);
	assert_int_equal(request(f, 1)->request_bytes, 34);
	assert_int_equal(request(f, 1)->response_bytes, 56);
	assert_int_equal(request(f, 1)->response_code, 0);
	assert_int_equal(request(f, 2)->duration_ns, 900);
}

static void flags_are_bits_and_the_thirteenth_needs_its_reason(void **state)
{
	struct fixture *f = *state;

	encode_number(&f->m.inner, 6, 1);
	encode_number(&f->m.inner, 16, 1);
	encode_number(&f->m.inner, 28, 1);
	encode_number(&f->m.inner, 60, 1); /* of an Envoy to come */
	encode_number(&f->m.pair, 1, 1);
	encode_nested(&f->m.inner, 13, &f->m.pair);
	encode_nested(&f->m.common, 16, &f->m.inner);
	http(f, 503);
	encode_nested(&f->m.inner, 13, &f->m.pair); /* REASON_UNSPECIFIED */
	encode_nested(&f->m.common, 16, &f->m.inner);
	http(f, 403);
	assert_int_equal(decode(f, 2), 0);
	assert_int_equal(request(f, 0)->call.response_flags, 1u << 5 | 1u << 15 | 1u << 27 | 1u << 12);
	assert_int_equal(request(f, 1)->call.response_flags, 0);
}

static void grpc_messages_come_from_filter_state(void **state)
{
	struct fixture *f = *state;
	struct weir_buf stats = { 0 };

	encode_number(&stats, 1, 3);
	encode_number(&stats, 2, 4);
	filter_state(f, "envoy.filters.http.grpc_stats",
		TYPES "envoy.extensions.filters.http.grpc_stats.v3.FilterObject", &stats);
	http(f, 200);
	assert_int_equal(decode(f, 2), 0);
	assert_int_equal(request(f, 0)->request_messages, 3);
	assert_int_equal(request(f, 0)->response_messages, 4);
	weir_buf_fini(&stats);
}

static void address_inside_envoy_is_read(void **state)
{
	struct fixture *f = *state;

	encode_text(&f->m.common, 15, "outbound|80||a.default.svc.cluster.local");
	encode_text(&f->m.pair, 1, "connect_originate");
	encode_text(&f->m.pair, 2, "10.1.2.3:8080");
	encode_nested(&f->m.inner, 3, &f->m.pair);
	encode_nested(&f->m.common, 13, &f->m.inner);
	http(f, 200);
	assert_int_equal(decode(f, 2), 0);
	assert_int_equal(request(f, 0)->peer_address.port, 8080);
	assert_int_equal(request(f, 0)->peer_address.ip[15], 3);
}

static void headers_and_tags_become_attributes_once(void **state)
{
	struct fixture *f = *state;
	const struct weir_attr *attrs;

	for (int i = 0; i < 2; i++) {
		encode_map_text(&f->m.common, 22, "mesh_id", "m");
		encode_map_text(&f->m.common, 22, "mesh_id", "last wins");
		encode_map_text(
			&f->m.request, 13, "traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01");
		encode_map_text(&f->m.response, 4, "content-type", "\xff");
		http(f, 200);
	}
	assert_int_equal(decode(f, 2), 0);
	assert_int_equal(f->batch->attrs.count, 6);
	attrs = weir_batch_attrs(f->batch);
	is_text(f, attrs[0].key, "mesh_id");
	is_text(f, attrs[0].value.text, "last wins");
	is_text(f, attrs[1].key, "request.headers.traceparent");
	is_text(f, attrs[5].key, "response.headers.content-type");
	is_text(f, attrs[5].value.text, "\xef\xbf\xbd");
	assert_int_equal(attrs[1].key.offset, attrs[4].key.offset);
	assert_int_equal(f->batch->replaced_utf8, 2);
	is_text(f, request(f, 1)->trace_id, "0af7651916cd43dd8448eb211c80319c");
}

static void probes_and_scrapes_are_marked(void **state)
{
	static const struct {
		const char *agent, *path;
		uint8_t is_probe;
	} cases[] = { { "kube-probe/1.31", "/healthz", 1 }, { "Prometheus/3.1.0", "/metrics", 1 },
		{ "grpc-go/1.60.0", "/grpc.health.v1.Health/Check", 1 }, { "grpc-go/1.60.0", "/shop.Health/Check", 0 },
		{ "my kube-probe", "/grpc.health.v1.Health", 0 }, { "", "", 0 } };
	enum { CASES = sizeof(cases) / sizeof(cases[0]) };
	struct fixture *f = *state;

	identify(f, SIDECAR, "details-v1");
	for (unsigned i = 0; i < CASES; i++) {
		encode_text(&f->m.common, 15, "inbound|9080||");
		encode_text(&f->m.request, 5, cases[i].path);
		encode_text(&f->m.request, 6, cases[i].agent);
		http(f, 200);
	}
	assert_int_equal(decode(f, 2), 0);
	for (unsigned i = 0; i < CASES; i++) {
		assert_int_equal(request(f, i)->call.is_probe, cases[i].is_probe);
	}
}

static void malformed_entry_spoils_the_message(void **state)
{
	struct fixture *f = *state;

	http(f, 200);
	encode_bytes(&f->m.logs, 1, "\x0a\x05x", 3); /* a submessage longer than its entry */
	assert_int_equal(decode(f, 2), WEIR_DECODE_MALFORMED);
	assert_non_null(f->draft.error);
	assert_true(f->draft.error_offset > 0);
}

static void full_arena_is_too_large(void **state)
{
	struct fixture *f = *state;

	weir_arena_fini(&f->arena);
	weir_arena_init(&f->arena, 1024, 8192);
	for (int i = 0; i < 200; i++) {
		http(f, 200);
	}
	assert_int_equal(decode(f, 2), WEIR_DECODE_TOO_LARGE);
}

static void stream_without_a_node_has_unknown_ends(void **state)
{
	struct fixture *f = *state;

	encode_text(&f->m.common, 15, "outbound|80||a.default.svc.cluster.local");
	http(f, 200);
	assert_int_equal(decode(f, 2), 0);
	assert_false(f->sender.is_known);
	is_text(f, workload(f, request(f, 0)->call.source)->name, "");
	is_text(f, request(f, 0)->call.service_host, "a.default.svc.cluster.local");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(inbound_entry_is_the_destinations, setup, teardown),
		cmocka_unit_test_setup_teardown(identifier_holds_for_the_streams_later_messages, setup, teardown),
		cmocka_unit_test_setup_teardown(node_is_not_carried_into_the_batch, setup, teardown),
		cmocka_unit_test(outbound_service_is_the_clusters_host_or_the_authority),
		cmocka_unit_test_setup_teardown(waypoint_reports_the_real_destination, setup, teardown),
		cmocka_unit_test_setup_teardown(namespace_of_a_certificate_comes_with_its_account, setup, teardown),
		cmocka_unit_test(known_sender_is_found_by_its_address_unless_contradicted),
		cmocka_unit_test_setup_teardown(intermediate_requests_are_dropped_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(connections_keep_their_reports, setup, teardown),
		cmocka_unit_test(protocol_is_grpc_only_by_evidence),
		cmocka_unit_test_setup_teardown(duration_and_bytes_fall_back, setup, teardown),
		cmocka_unit_test_setup_teardown(flags_are_bits_and_the_thirteenth_needs_its_reason, setup, teardown),
		cmocka_unit_test_setup_teardown(grpc_messages_come_from_filter_state, setup, teardown),
		cmocka_unit_test_setup_teardown(address_inside_envoy_is_read, setup, teardown),
		cmocka_unit_test_setup_teardown(headers_and_tags_become_attributes_once, setup, teardown),
		cmocka_unit_test_setup_teardown(probes_and_scrapes_are_marked, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_entry_spoils_the_message, setup, teardown),
		cmocka_unit_test_setup_teardown(full_arena_is_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(stream_without_a_node_has_unknown_ends, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
