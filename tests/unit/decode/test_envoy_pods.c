/* Access logs, by either way, with a workload table: peers of whom only an address or a name is known, a node that tells
 * no labels, and the labels that rules want. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/envoy/als.h"
#include "decode/envoy/thin.h"
#include "decode/otlp/logs.h"
#include "tests/unit/decode/envoy_encode.h"
#include "tests/unit/decode/pods_sheet.h"

#define SIDECAR "sidecar~10.0.0.5~details-0.default~default.svc.cluster.local"
#define CALLER "sidecar~10.0.0.6~front-0.default~default.svc.cluster.local"
#define AT UINT64_C(1700000000)
#define AT_NS (AT * 1000000000u)

static const struct sheet_pod pods[] = {
	{ "details-0", "default", "the-details", "det", "3", "red", 5, "details", 0, 0, false },
	{ "front-0", "default", "the-front", "fro", "4", "blue", 6, "front", 0, 0, false },
	{ "past-0", "default", "past", "past", "1", NULL, 7, NULL, AT_NS - 100, AT_NS - 10, false },
	{ "other-0", "other", "other", "oth", "1", NULL, 8, "other", 0, 0, false },
	{ "gateway-0", "edge", "gateway", "gw", "1", NULL, 9, "gateway", 0, 0, true },
};

struct fixture {
	struct weir_buf whole, logs, common, request, inner, pair, metadata;
	struct weir_arena arena;
	struct weir_draft draft;
	struct weir_envoy_sender sender;
	struct sheet sheet;
	const struct weir_batch *batch;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	weir_arena_init(&f->arena, 1 << 16, 1 << 22);
	weir_envoy_sender_init(&f->sender);
	sheet_init(&f->sheet, "east", pods, sizeof(pods) / sizeof(pods[0]), "team");
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct weir_buf *bufs[] = { &f->whole, &f->logs, &f->common, &f->request, &f->inner, &f->pair, &f->metadata };

	for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++) {
		weir_buf_fini(bufs[i]);
	}
	weir_envoy_sender_fini(&f->sender);
	sheet_fini(&f->sheet);
	weir_arena_fini(&f->arena);
	free(f);
	return 0;
}

/* ---- writing ---------------------------------------------------------------- */

/* With labels, if `team` is one. */
static void identify(struct fixture *f, const char *team)
{
	struct weir_buf labels = { 0 };

	encode_text(&f->inner, 1, SIDECAR);
	if (team != NULL) {
		encode_struct_text(&labels, "app", "told");
		encode_struct_text(&labels, "team", team);
		encode_struct_text(&labels, "colour", "any");
		encode_struct_struct(&f->metadata, "LABELS", &labels);
		encode_nested(&f->inner, 3, &f->metadata);
	}
	encode_nested(&f->pair, 1, &f->inner);
	encode_nested(&f->whole, 1, &f->pair);
	weir_buf_fini(&labels);
}

static void peer_is(struct fixture *f, const char *uri)
{
	encode_san(&f->inner, 5, uri);
	encode_nested(&f->common, 4, &f->inner);
}

/* An entry of the side that the cluster names, which began so long before or after AT. */
static void entry(struct fixture *f, const char *cluster, int64_t nanos)
{
	encode_number(&f->inner, 1, nanos < 0 ? AT - 1 : AT);
	encode_number(&f->inner, 2, (uint64_t)(nanos < 0 ? 1000000000 + nanos : nanos));
	encode_nested(&f->common, 5, &f->inner);
	encode_text(&f->common, 15, cluster);
	encode_nested(&f->inner, 1, &f->common);
	encode_nested(&f->inner, 3, &f->request);
	encode_nested(&f->logs, 1, &f->inner);
}

static void held_decode(struct fixture *f)
{
	encode_nested(&f->whole, 2, &f->logs);
	weir_draft_init(&f->draft, &f->arena, weir_buf_str(&f->whole));
	f->draft.pods = f->sheet.reader;
	weir_workload_hold(f->sheet.reader);
	assert_int_equal(weir_als_decode(&f->draft, &f->sender), 0);
	weir_workload_release(f->sheet.reader);
}

static void finish(struct fixture *f)
{
	const struct weir_draft_head head = { .signal = WEIR_SIGNAL_ACCESS_LOG };

	f->batch = weir_draft_finish(&f->draft, &head);
	assert_non_null(f->batch);
	assert_true(weir_batch_is_sound(f->batch, f->batch->size_bytes));
}

static void decode(struct fixture *f)
{
	held_decode(f);
	finish(f);
}

static void again(struct fixture *f)
{
	weir_buf_clear(&f->whole);
	weir_arena_reset(&f->arena);
}

/* ---- reading ---------------------------------------------------------------- */

static void is_text(const struct fixture *f, struct weir_ref ref, const char *want)
{
	struct weir_str have = weir_batch_str(f->batch, ref);

	if (!weir_str_is(have, want)) {
		fail_msg("have \"%.*s\", want \"%s\"", (int)have.length, have.data, want);
	}
}

static const struct weir_call *call(const struct fixture *f, uint32_t i)
{
	assert_true(i < f->batch->requests.count);
	return &weir_batch_requests(f->batch)[i].call;
}

static const struct weir_workload *end(const struct fixture *f, uint32_t row)
{
	assert_true(row < f->batch->workloads.count);
	return weir_batch_workload(f->batch, row);
}

/* Its only further label. */
static void is_team(const struct fixture *f, uint32_t row, const char *team)
{
	uint32_t count;
	const struct weir_attr *labels = weir_batch_labels(f->batch, end(f, row), &count);

	assert_int_equal(count, 1);
	is_text(f, labels->key, "team");
	is_text(f, labels->value.text, team);
}

/* ---- tests ------------------------------------------------------------------ */

static void a_caller_is_known_by_its_address(void **state)
{
	struct fixture *f = *state;
	const struct weir_workload *source;

	identify(f, "told-team");
	encode_address(&f->common, 2, "10.0.0.6", 4242);
	entry(f, "inbound|9080||", 0);
	decode(f);
	source = end(f, call(f, 0)->source);
	is_text(f, source->name, "the-front");
	is_text(f, source->app, "fro");
	is_text(f, source->version, "4");
	is_text(f, source->canonical_service, "fro");
	is_text(f, source->namespace_, "default");
	is_text(f, source->cluster, "east");
	is_team(f, call(f, 0)->source, "blue");
	is_team(f, call(f, 0)->destination, "told-team"); /* what the node tells wins over its pod */
	is_text(f, end(f, call(f, 0)->destination)->app, "told");
	is_text(f, end(f, call(f, 0)->destination)->name, "details"); /* by the pod's name: the node tells labels */
}

static void a_callee_is_known_by_its_address_unless_its_service_is_another_s(void **state)
{
	struct fixture *f = *state;

	identify(f, NULL);
	encode_address(&f->common, 13, "10.0.0.6", 4242);
	entry(f, "outbound|80||front.default.svc.cluster.local", 0);
	encode_address(&f->common, 13, "10.0.0.8", 4242);
	entry(f, "outbound|80||front.default.svc.cluster.local", 0);
	encode_address(&f->common, 13, "10.0.0.8", 4242);
	entry(f, "outbound|80||other.other.svc.cluster.local", 0);
	decode(f);
	is_text(f, end(f, call(f, 0)->destination)->name, "the-front");
	is_text(f, end(f, call(f, 1)->destination)->name, "");
	is_text(f, end(f, call(f, 2)->destination)->name, "other");
}

static void an_address_is_who_had_it_at_that_time(void **state)
{
	struct fixture *f = *state;

	identify(f, NULL);
	encode_address(&f->common, 2, "10.0.0.7", 4242);
	entry(f, "inbound|9080||", 0);
	encode_address(&f->common, 2, "10.0.0.7", 4242);
	entry(f, "inbound|9080||", -50);
	decode(f);
	is_text(f, end(f, call(f, 0)->source)->name, "");
	is_text(f, end(f, call(f, 1)->source)->name, "past");
}

static void a_certificate_contradicts_an_address(void **state)
{
	struct fixture *f = *state;

	identify(f, NULL);
	encode_address(&f->common, 2, "10.0.0.6", 4242);
	peer_is(f, "spiffe://td/ns/default/sa/front");
	entry(f, "inbound|9080||", 0);
	encode_address(&f->common, 2, "10.0.0.6", 4242);
	peer_is(f, "spiffe://td/ns/default/sa/thief");
	entry(f, "inbound|9080||", 0);
	decode(f);
	is_text(f, end(f, call(f, 0)->source)->name, "the-front");
	is_text(f, end(f, call(f, 1)->source)->name, "thief"); /* the account, where nothing else is known */
}

/* A gateway on its node's network streams here; the kubelet's probes come from the same address. */
static void a_proxy_that_has_its_nodes_address_is_not_known_by_it(void **state)
{
	static const uint8_t node[16] = { [10] = 0xff, 0xff, 10, 0, 0, 9 },
			     pod[16] = { [10] = 0xff, 0xff, 10, 0, 0, 10 };
	const struct weir_identity gateway = { .workload = weir_str_of("gateway"),
		.namespace_ = weir_str_of("edge"),
		.node_id = weir_str_of("router~10.0.0.9~gateway-0.edge~x") };
	const struct weir_identity other = { .workload = weir_str_of("other"),
		.namespace_ = weir_str_of("edge"),
		.node_id = weir_str_of("sidecar~10.0.0.10~other-0.edge~x") };
	struct fixture *f = *state;
	struct weir_known *known;

	assert_int_equal(weir_known_create(4, &known), 0);
	weir_known_join(known, &gateway, node);
	weir_known_join(known, &other, pod);
	identify(f, NULL);
	f->sender.known = known;
	encode_address(&f->common, 2, "10.0.0.9", 4242);
	entry(f, "inbound|9080||", 0);
	encode_address(&f->common, 2, "10.0.0.10", 4242);
	entry(f, "inbound|9080||", 0);
	decode(f);
	is_text(f, end(f, call(f, 0)->source)->name, "");
	is_text(f, end(f, call(f, 1)->source)->name, "other");
	weir_known_destroy(known);
}

static void a_peer_s_node_id_is_looked_up(void **state)
{
	struct fixture *f = *state;

	identify(f, NULL);
	encode_text(&f->pair, 1, "x-envoy-peer-metadata-id");
	encode_text(&f->pair, 2, CALLER);
	encode_nested(&f->request, 13, &f->pair);
	entry(f, "inbound|9080||", 0);
	decode(f);
	is_text(f, end(f, call(f, 0)->source)->name, "the-front");
	is_text(f, end(f, call(f, 0)->source)->node_id, CALLER);
	is_team(f, call(f, 0)->source, "blue");
}

static void a_node_without_labels_is_completed_and_stays_so(void **state)
{
	struct fixture *f = *state;

	identify(f, NULL);
	entry(f, "inbound|9080||", 0);
	decode(f);
	is_text(f, end(f, call(f, 0)->destination)->name, "the-details");
	is_text(f, end(f, call(f, 0)->destination)->app, "det");
	is_text(f, call(f, 0)->service_host, "det.default.svc.cluster.local");
	is_team(f, call(f, 0)->destination, "red");
	again(f);
	assert_int_equal(weir_workloads_publish(f->sheet.workloads, NULL), 0); /* the sender keeps its own texts */
	entry(f, "inbound|9080||", 0);
	decode(f);
	is_text(f, end(f, call(f, 0)->destination)->name, "the-details");
	is_team(f, call(f, 0)->destination, "red");
}

static void labels_of_peers_are_no_attributes_of_the_request(void **state)
{
	struct fixture *f = *state;
	const struct weir_request *request;

	identify(f, NULL);
	encode_address(&f->common, 2, "10.0.0.6", 4242);
	encode_text(&f->pair, 1, "x-colour");
	encode_text(&f->pair, 2, "green");
	encode_nested(&f->request, 13, &f->pair);
	entry(f, "inbound|9080||", 0);
	decode(f);
	request = weir_batch_requests(f->batch);
	assert_int_equal(request->attr_count, 1);
	is_text(f, weir_batch_attrs(f->batch)[request->attr_first].key, "request.headers.x-colour");
	is_team(f, request->call.source, "blue");
}

static void packed_and_thinned_drafts_keep_the_labels(void **state)
{
	for (unsigned is_thin = 0; is_thin < 2; is_thin++) {
		struct fixture *f;

		setup((void **)&f);
		identify(f, NULL);
		for (unsigned i = 0; i < 3; i++) {
			encode_address(&f->common, 2, i == 1 ? "10.0.0.8" : "10.0.0.6", 4242);
			encode_text(&f->pair, 1, "x-colour");
			encode_text(&f->pair, 2, "green");
			encode_nested(&f->request, 13, &f->pair);
			entry(f, "inbound|9080||", 0);
		}
		held_decode(f);
		if (is_thin) {
			weir_als_thin(&f->draft);
			assert_int_equal(f->draft.attrs.count, 2);
		} else {
			weir_als_pack(&f->draft);
			assert_int_equal(f->draft.attrs.count, 5);
		}
		finish(f);
		for (unsigned i = 0; i < 3; i++) {
			is_text(f, end(f, call(f, i)->source)->name, i == 1 ? "other" : "the-front");
			is_team(f, call(f, i)->destination, "red");
		}
		is_team(f, call(f, 2)->source, "blue");
		teardown((void **)&f);
	}
	(void)state;
}

static void peer_metadata_tells_its_labels(void **state)
{
	struct fixture *f = *state;
	struct weir_buf peer = { 0 }, labels = { 0 }, any = { 0 };

	identify(f, NULL);
	encode_struct_text(&peer, "workload", "teller");
	encode_struct_text(&peer, "namespace", "default");
	encode_struct_text(&labels, "team", "green");
	encode_struct_text(&labels, "colour", "any");
	encode_struct_struct(&peer, "labels", &labels);
	encode_text(&any, 1, "type.googleapis.com/google.protobuf.Struct");
	encode_nested(&any, 2, &peer);
	encode_text(&f->pair, 1, "downstream_peer");
	encode_nested(&f->pair, 2, &any);
	encode_nested(&f->common, 21, &f->pair);
	encode_address(&f->common, 2, "10.0.0.6", 4242); /* who tells is not looked up */
	entry(f, "inbound|9080||", 0);
	decode(f);
	is_text(f, end(f, call(f, 0)->source)->name, "teller");
	is_team(f, call(f, 0)->source, "green");
	weir_buf_fini(&peer);
	weir_buf_fini(&labels);
	weir_buf_fini(&any);
}

static void probes_are_marked(void **state)
{
	static const char *const agents[] = { "kube-probe/1.29", "Prometheus/3.0", "curl/8", NULL };
	struct fixture *f = *state;

	identify(f, NULL);
	for (unsigned i = 0; i < 4; i++) {
		encode_text(&f->request, 5, i == 3 ? "/grpc.health.v1.Health/Check" : "/ready");
		if (agents[i] != NULL) {
			encode_text(&f->request, 6, agents[i]);
		}
		entry(f, "inbound|9080||", 0);
	}
	decode(f);
	for (unsigned i = 0; i < 4; i++) {
		assert_int_equal(call(f, i)->is_probe, i != 2);
	}
}

/* ---- the same, logged by OpenTelemetry's access logger ------------------------ */

static void otel_access_logs_know_their_ends_too(void **state)
{
	struct fixture *f = *state;
	struct weir_buf record = { 0 }, group = { 0 };
	const struct weir_draft_head head = { .signal = WEIR_SIGNAL_LOG };

	encode_pair_text(&f->inner, 1, "log_name", "otel_envoy_accesslog");
	encode_pair_text(&f->inner, 1, "node_name", SIDECAR);
	encode_nested(&group, 1, &f->inner);
	encode_fixed64(&record, 1, AT_NS);
	encode_pair_text(&record, 6, "response_code", "200");
	encode_pair_text(&record, 6, "upstream_cluster", "inbound|9080||");
	encode_pair_text(&record, 6, "downstream_remote_address", "10.0.0.6:4242");
	encode_pair_text(&record, 6, "user_agent", "kube-probe/1.29");
	encode_nested(&f->inner, 2, &record);
	encode_nested(&group, 2, &f->inner);
	encode_nested(&f->whole, 1, &group);
	weir_draft_init(&f->draft, &f->arena, weir_buf_str(&f->whole));
	f->draft.pods = f->sheet.reader;
	weir_workload_hold(f->sheet.reader);
	assert_int_equal(weir_otlp_logs_decode(&f->draft), 0);
	weir_workload_release(f->sheet.reader);
	f->batch = weir_draft_finish(&f->draft, &head);
	assert_non_null(f->batch);
	assert_true(weir_batch_is_sound(f->batch, f->batch->size_bytes));
	is_text(f, end(f, call(f, 0)->source)->name, "the-front");
	is_text(f, end(f, call(f, 0)->source)->cluster, "east");
	is_text(f, end(f, call(f, 0)->destination)->name, "the-details");
	is_text(f, end(f, call(f, 0)->destination)->version, "3");
	is_team(f, call(f, 0)->source, "blue");
	is_team(f, call(f, 0)->destination, "red");
	assert_int_equal(call(f, 0)->is_probe, 1);
	assert_int_equal(weir_batch_logs(f->batch)->attr_count, 4);
	weir_buf_fini(&record);
	weir_buf_fini(&group);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_caller_is_known_by_its_address),
		TEST(a_callee_is_known_by_its_address_unless_its_service_is_another_s),
		TEST(an_address_is_who_had_it_at_that_time),
		TEST(a_certificate_contradicts_an_address),
		TEST(a_proxy_that_has_its_nodes_address_is_not_known_by_it),
		TEST(a_peer_s_node_id_is_looked_up),
		TEST(a_node_without_labels_is_completed_and_stays_so),
		TEST(labels_of_peers_are_no_attributes_of_the_request),
		TEST(packed_and_thinned_drafts_keep_the_labels),
		TEST(peer_metadata_tells_its_labels),
		TEST(probes_are_marked),
		TEST(otel_access_logs_know_their_ends_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
