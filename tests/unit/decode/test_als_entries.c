/* als: every kind of entry that Envoy writes, and what each is taken for; and
 * the proxies that are no sidecars. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/envoy/als.h"
#include "tests/unit/decode/envoy_encode.h"

#define SIDECAR "sidecar~10.0.0.5~details-v1-0ae45e8bec-cjht9.default~default.svc.cluster.local"
#define ROUTER "router~10.0.0.7~istio-ingressgateway-823d1ca45b-tswgp.istio-system~istio-system.svc.cluster.local"
#define WAYPOINT "waypoint~10.0.0.8~waypoint-6d5f8c7b9d-x2x4z.default~default.svc.cluster.local"
#define REVIEWS "sidecar~10.0.0.9~reviews-v2-6d5f8c7b9d-abcde.default~default.svc.cluster.local"

enum { HTTP = 2, TCP = 3 };

struct fixture {
	struct weir_buf message;
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

	weir_buf_fini(&f->message);
	weir_envoy_sender_fini(&f->sender);
	weir_arena_fini(&f->arena);
	free(f);
	return 0;
}

static void identify(struct fixture *f, const char *node_id, const char *account)
{
	struct weir_buf node = { 0 }, identifier = { 0 }, metadata = { 0 };

	encode_text(&node, 1, node_id);
	if (account) {
		encode_struct_text(&metadata, "SERVICE_ACCOUNT", account);
		encode_nested(&node, 3, &metadata);
	}
	encode_text(&node, 5, "1.17.0/Clean"); /* v2's build_version */
	encode_nested(&identifier, 1, &node);
	encode_nested(&f->message, 1, &identifier);
	weir_buf_fini(&node);
	weir_buf_fini(&identifier);
	weir_buf_fini(&metadata);
}

struct given { /* of an entry */
	unsigned type;
	bool is_intermediate;
	const char *id, *cluster, *authority, *upstream_peer;
};

static void add_common(struct weir_buf *entry, const struct given *given)
{
	struct weir_buf common = { 0 }, time = { 0 }, any = { 0 }, state = { 0 };

	encode_number(&time, 1, 1700000000);
	encode_nested(&common, 5, &time);
	if (given->cluster) {
		encode_text(&common, 15, given->cluster);
	}
	if (given->upstream_peer) {
		encode_text(&time, 1, given->upstream_peer);
		encode_text(&any, 1, "type.googleapis.com/google.protobuf.StringValue");
		encode_nested(&any, 2, &time);
		encode_text(&state, 1, "wasm.upstream_peer_id");
		encode_nested(&state, 2, &any);
		encode_nested(&common, 21, &state);
	}
	if (given->id) {
		encode_text(&common, 26, given->id);
	}
	encode_number(&common, 27, given->is_intermediate);
	encode_number(&common, 29, 22); /* wire bytes sent */
	encode_number(&common, 30, 11);
	encode_number(&common, 33, given->type);
	encode_nested(entry, 1, &common);
	weir_buf_fini(&common);
	weir_buf_fini(&time);
	weir_buf_fini(&any);
	weir_buf_fini(&state);
}

static void add(struct fixture *f, uint32_t kind, const struct given *given)
{
	struct weir_buf entry = { 0 }, logs = { 0 }, request = { 0 };

	add_common(&entry, given);
	if (kind == HTTP) {
		encode_text(&request, 3, given->authority ? given->authority : "reviews:9080");
		encode_nested(&entry, 3, &request);
	}
	encode_nested(&logs, 1, &entry);
	encode_nested(&f->message, kind, &logs);
	weir_buf_fini(&entry);
	weir_buf_fini(&logs);
	weir_buf_fini(&request);
}

static void decode(struct fixture *f)
{
	const struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_ALS_V3, .signal = WEIR_SIGNAL_ACCESS_LOG };

	weir_arena_reset(&f->arena);
	weir_draft_init(&f->draft, &f->arena, weir_buf_str(&f->message));
	assert_int_equal(weir_als_decode(&f->draft, &f->sender), 0);
	f->batch = weir_draft_finish(&f->draft, &head);
	assert_non_null(f->batch);
	assert_true(weir_batch_is_sound(f->batch, f->batch->size_bytes));
	weir_buf_clear(&f->message);
}

static bool says(const struct weir_batch *batch, struct weir_ref ref, const char *want)
{
	return weir_str_is(weir_batch_str(batch, ref), want);
}

/* ---- kinds -------------------------------------------------------------- */

enum { DROPPED = -1, REQUEST = -2 }; /* or a connection's state */

static const struct kind {
	const char *name;
	int http, tcp, tcp_without_id;
} kinds[] = {
	[0] = { "NotSet", REQUEST, WEIR_CONNECTION_CLOSE, WEIR_CONNECTION_CLOSE },
	[1] = { "TcpUpstreamConnected", DROPPED, WEIR_CONNECTION_OPEN, DROPPED },
	[2] = { "TcpPeriodic", DROPPED, WEIR_CONNECTION_CONTINUE, DROPPED },
	[3] = { "TcpConnectionEnd", REQUEST, WEIR_CONNECTION_CLOSE, WEIR_CONNECTION_CLOSE },
	[4] = { "DownstreamStart", DROPPED, WEIR_CONNECTION_OPEN, DROPPED },
	[5] = { "DownstreamPeriodic", DROPPED, WEIR_CONNECTION_CONTINUE, DROPPED },
	[6] = { "DownstreamEnd", REQUEST, WEIR_CONNECTION_CLOSE, WEIR_CONNECTION_CLOSE },
	[7] = { "UpstreamPoolReady", DROPPED, DROPPED, DROPPED },
	[8] = { "UpstreamPeriodic", DROPPED, DROPPED, DROPPED },
	[9] = { "UpstreamEnd", DROPPED, DROPPED, DROPPED },
	[10] = { "DownstreamTunnelSuccessfullyEstablished", DROPPED, WEIR_CONNECTION_CONTINUE, DROPPED },
	[11] = { "UdpTunnelUpstreamConnected", DROPPED, WEIR_CONNECTION_OPEN, DROPPED },
	[12] = { "UdpPeriodic", DROPPED, WEIR_CONNECTION_CONTINUE, DROPPED },
	[13] = { "UdpSessionEnd", REQUEST, WEIR_CONNECTION_CLOSE, WEIR_CONNECTION_CLOSE },
	[14] = { "TcpConnectionStart", DROPPED, WEIR_CONNECTION_OPEN, DROPPED },
	[15] = { "one that nobody knows yet", DROPPED, WEIR_CONNECTION_CONTINUE, DROPPED },
};

static void check_kind(struct fixture *f, unsigned type, uint32_t kind, const char *id, int want)
{
	const struct given given = { .type = type, .id = id, .cluster = "inbound|9080||" };

	add(f, kind, &given);
	decode(f);
	print_message("%s, %s%s\n", kinds[type].name, kind == HTTP ? "HTTP" : "TCP", id ? "" : " without an id");
	assert_int_equal(f->batch->offered, 1);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INTERMEDIATE], want == DROPPED);
	assert_int_equal(f->batch->requests.count, want == REQUEST);
	assert_int_equal(f->batch->connections.count, want >= 0);
	if (want >= 0) {
		const struct weir_connection *row = weir_batch_connections(f->batch);

		assert_int_equal(row->state, want);
		assert_int_equal(row->is_delta, 0);
		assert_int_equal(row->start_ns, UINT64_C(1700000000000000000));
		assert_int_equal(row->received_bytes, 11);
		assert_int_equal(row->sent_bytes, 22);
		assert_true(says(f->batch, row->stream_id, id ? id : ""));
	}
}

static void every_kind_of_entry_is_kept_or_dropped_by_its_type(void **state)
{
	struct fixture *f = *state;

	identify(f, SIDECAR, NULL);
	for (unsigned type = 0; type < sizeof(kinds) / sizeof(kinds[0]); type++) {
		check_kind(f, type, HTTP, "id-1", kinds[type].http);
		check_kind(f, type, TCP, "id-1", kinds[type].tcp);
		check_kind(f, type, TCP, NULL, kinds[type].tcp_without_id);
	}
}

static void start_without_an_upstream_is_left_to_the_next_report(void **state)
{
	static const unsigned starts[] = { 4, 14 };
	struct fixture *f = *state;

	identify(f, SIDECAR, NULL);
	for (size_t i = 0; i < 2; i++) {
		const struct given given = { .type = starts[i], .id = "id-1" };

		add(f, TCP, &given);
		decode(f);
		assert_int_equal(f->batch->connections.count, 0);
		assert_int_equal(f->batch->dropped[WEIR_DROP_INTERMEDIATE], 1);
	}
}

static void entry_marked_as_intermediate_is_not_final_whatever_its_type(void **state)
{
	const struct given given = { .type = 6, .is_intermediate = true, .id = "id-1", .cluster = "inbound|9080||" };
	struct fixture *f = *state;

	identify(f, SIDECAR, NULL);
	add(f, HTTP, &given);
	add(f, TCP, &given);
	decode(f);
	assert_int_equal(f->batch->requests.count, 0);
	assert_int_equal(f->batch->connections.count, 1);
	assert_int_equal(weir_batch_connections(f->batch)->state, WEIR_CONNECTION_CONTINUE);
}

static void entries_of_both_kinds_may_come_in_one_message(void **state)
{
	const struct given given = { .type = 0, .cluster = "inbound|9080||" };
	struct fixture *f = *state;

	identify(f, SIDECAR, NULL);
	add(f, TCP, &given);
	add(f, HTTP, &given);
	add(f, TCP, &given);
	decode(f);
	assert_int_equal(f->batch->requests.count, 1);
	assert_int_equal(f->batch->connections.count, 2);
	assert_int_equal(f->batch->kept, 3);
}

/* ---- proxies ------------------------------------------------------------ */

static void proxy_is_named_by_all_its_rows(void **state)
{
	const struct given given = { .type = 0, .cluster = "inbound|9080||" };
	struct fixture *f = *state;

	identify(f, SIDECAR, NULL);
	add(f, TCP, &given);
	add(f, HTTP, &given);
	decode(f);
	assert_true(says(f->batch, weir_batch_requests(f->batch)->call.proxy, "details-v1-0ae45e8bec-cjht9.default"));
	assert_true(
		says(f->batch, weir_batch_connections(f->batch)->call.proxy, "details-v1-0ae45e8bec-cjht9.default"));
	add(f, HTTP, &given); /* a later message without an identifier */
	decode(f);
	assert_true(says(f->batch, weir_batch_requests(f->batch)->call.proxy, "details-v1-0ae45e8bec-cjht9.default"));
}

static void stream_without_a_node_has_no_proxy(void **state)
{
	const struct given given = { .type = 0, .cluster = "inbound|9080||" };
	struct fixture *f = *state;

	add(f, HTTP, &given);
	decode(f);
	assert_int_equal(weir_batch_requests(f->batch)->call.proxy.length, 0);
}

static void gateway_is_a_source_and_never_trusts_the_authority(void **state)
{
	const struct given by_cluster = { .cluster = "outbound|9080|v1|reviews.default.svc.cluster.local" };
	const struct given by_sni = { .cluster = "outbound_.9080_._.ratings.prod.svc.cluster.local" };
	const struct given nowhere = { .authority = "made.up.example" };
	const struct weir_request *rows;
	const struct weir_connection *tcp;
	struct fixture *f = *state;

	identify(f, ROUTER, NULL);
	add(f, HTTP, &by_cluster);
	add(f, HTTP, &nowhere);
	add(f, TCP, &by_sni);
	decode(f);
	rows = weir_batch_requests(f->batch);
	tcp = weir_batch_connections(f->batch);
	assert_int_equal(rows[0].call.reporter, WEIR_REPORTER_SOURCE);
	assert_true(says(f->batch, rows[0].call.service_host, "reviews.default.svc.cluster.local"));
	assert_true(says(f->batch, rows[0].call.service_namespace, "default"));
	assert_int_equal(rows[1].call.reporter, WEIR_REPORTER_SOURCE);
	assert_int_equal(rows[1].call.service_host.length, 0);
	assert_int_equal(tcp[0].call.reporter, WEIR_REPORTER_SOURCE);
	assert_true(says(f->batch, tcp[0].call.service_host, "ratings.prod.svc.cluster.local"));
	assert_true(says(f->batch, tcp[0].call.service_name, "ratings"));
	assert_true(says(f->batch, tcp[0].call.service_namespace, "prod"));
}

static void waypoint_names_the_upstream_as_destination(void **state)
{
	const struct given given = { .cluster = "inbound-vip|9080|http|reviews.default.svc.cluster.local",
		.upstream_peer = REVIEWS };
	const struct weir_workload *workloads;
	const struct weir_request *row;
	struct fixture *f = *state;

	identify(f, WAYPOINT, NULL);
	add(f, HTTP, &given);
	decode(f);
	row = weir_batch_requests(f->batch);
	workloads = weir_batch_workloads(f->batch);
	assert_int_equal(row->call.reporter, WEIR_REPORTER_WAYPOINT);
	assert_true(says(f->batch, workloads[row->call.destination].name, "reviews-v2"));
	assert_true(says(f->batch, row->call.service_host, "reviews.default.svc.cluster.local"));
	assert_true(says(f->batch, row->call.proxy, "waypoint-6d5f8c7b9d-x2x4z.default"));
}

static void claim_of_another_namespace_or_account_is_counted(void **state)
{
	const struct given given = { .type = 0, .cluster = "inbound|9080||" };
	static const struct {
		const char *space, *account;
		uint32_t mismatched;
	} certificates[] = { { "default", "details", 0 }, { "other", "details", 2 }, { "default", "reviews", 2 } };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(certificates) / sizeof(certificates[0]); i++) {
		identify(f, SIDECAR, "details");
		add(f, HTTP, &given);
		add(f, TCP, &given);
		weir_arena_reset(&f->arena);
		weir_draft_init(&f->draft, &f->arena, weir_buf_str(&f->message));
		f->draft.peer_namespace = weir_str_of(certificates[i].space);
		f->draft.peer_account = weir_str_of(certificates[i].account);
		assert_int_equal(weir_als_decode(&f->draft, &f->sender), 0);
		assert_int_equal(f->draft.mismatched, certificates[i].mismatched);
		weir_buf_clear(&f->message);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(every_kind_of_entry_is_kept_or_dropped_by_its_type, setup, teardown),
		cmocka_unit_test_setup_teardown(start_without_an_upstream_is_left_to_the_next_report, setup, teardown),
		cmocka_unit_test_setup_teardown(
			entry_marked_as_intermediate_is_not_final_whatever_its_type, setup, teardown),
		cmocka_unit_test_setup_teardown(entries_of_both_kinds_may_come_in_one_message, setup, teardown),
		cmocka_unit_test_setup_teardown(proxy_is_named_by_all_its_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(stream_without_a_node_has_no_proxy, setup, teardown),
		cmocka_unit_test_setup_teardown(gateway_is_a_source_and_never_trusts_the_authority, setup, teardown),
		cmocka_unit_test_setup_teardown(waypoint_names_the_upstream_as_destination, setup, teardown),
		cmocka_unit_test_setup_teardown(claim_of_another_namespace_or_account_is_counted, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
