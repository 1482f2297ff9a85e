/* graph: which ends are one node, which evidence stands on one edge, and the
 * JSON that comes of it. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>

#include "exporters/graph/api.h"

#define NOW_NS 1700000000000000000u
#define MINUTE_NS 60000000000u

static struct weir_edge_end end(const char *workload, const char *ns, const char *app, const char *version,
	const char *service, const char *cluster)
{
	return (struct weir_edge_end){ weir_str_of(workload), weir_str_of(ns), weir_str_of(app), weir_str_of(version),
		weir_str_of(service), weir_str_of(cluster) };
}

/* `requests` in the period that runs, the last at NOW. */
static struct weir_edge_counts counts_of(uint64_t requests)
{
	struct weir_edge_counts counts = { .requests = requests, .last_ns = NOW_NS };

	counts.fine_last = NOW_NS / WEIR_EDGE_FINE_NS;
	counts.fine[counts.fine_last % WEIR_EDGE_FINE] = requests;
	counts.buckets[4] = requests;
	return counts;
}

struct built {
	struct weir_arena arena;
	struct weir_graph graph;
};

static void build(struct built *built, const struct weir_edge_view *views, uint32_t count, const char *namespace_)
{
	struct weir_snapshot snapshot = { .edges = views, .edge_count = count };
	struct weir_graph_opts opts = { NOW_NS, 5 * (uint64_t)MINUTE_NS, weir_str_of(namespace_) };

	weir_arena_init(&built->arena, 4096, 4u << 20);
	assert_int_equal(weir_graph_build(&built->arena, &snapshot, &opts, &built->graph), 0);
}

static void both_logs_of_a_call_are_one_edge_and_never_added(void **state)
{
	struct weir_edge_counts client = counts_of(10), server = counts_of(9);
	struct weir_edge_end a = end("a-v1", "n", "a", "v1", "", "c1"), b = end("b-v1", "n", "b", "v1", "b", "c1");
	struct weir_edge_view views[] = { { a, b, WEIR_REQUEST_HTTP, { &client, &server, NULL } } };
	const struct weir_graph_edge *edge;
	struct built built;

	(void)state;
	build(&built, views, 1, "");
	assert_int_equal(built.graph.edge_count, 1);
	edge = &built.graph.edges[0];
	assert_int_equal(edge->counts[WEIR_EDGE_CLIENT_LOG].requests, 10);
	assert_int_equal(edge->counts[WEIR_EDGE_SERVER_LOG].requests, 9);
	assert_false(edge->counts[WEIR_EDGE_SPANS].is_there);
	assert_true(fabs(edge->counts[WEIR_EDGE_CLIENT_LOG].rate - 10.0 / 300) < 1e-3);
	weir_arena_fini(&built.arena);
}

static void ends_told_with_other_services_are_one_node_and_add_up(void **state)
{
	struct weir_edge_counts first = counts_of(3), second = counts_of(4);
	struct weir_edge_end a = end("a-v1", "n", "a", "v1", "", "c1");
	struct weir_edge_view views[] = {
		{ a, end("b-v1", "n", "b", "v1", "b", "c1"), WEIR_REQUEST_HTTP, { &first, NULL, NULL } },
		{ a, end("b-v1", "n", "b", "v1", "b-canary", "c1"), WEIR_REQUEST_HTTP, { &second, NULL, NULL } },
	};
	struct built built;

	(void)state;
	build(&built, views, 2, "");
	assert_int_equal(built.graph.edge_count, 1);
	assert_int_equal(built.graph.edges[0].counts[WEIR_EDGE_CLIENT_LOG].requests, 7);
	assert_int_equal(built.graph.edges[0].counts[WEIR_EDGE_CLIENT_LOG].buckets[4], 7);
	weir_arena_fini(&built.arena);
}

static void a_workload_without_cluster_is_the_one_that_is_known(void **state)
{
	struct weir_edge_counts client = counts_of(3), server = counts_of(2), other = counts_of(1);
	struct weir_edge_end a = end("a-v1", "n", "a", "v1", "", "c1");
	struct weir_edge_view views[] = {
		{ a, end("b-v1", "n", "b", "v1", "b", ""), WEIR_REQUEST_HTTP, { &client, NULL, NULL } },
		{ a, end("b-v1", "n", "b", "v1", "b", "c1"), WEIR_REQUEST_HTTP, { NULL, &server, NULL } },
		{ a, end("b-v1", "n", "b", "v1", "b", "c2"), WEIR_REQUEST_HTTP, { NULL, &other, NULL } },
	};
	struct built built;

	(void)state;
	build(&built, views, 2, "");
	assert_int_equal(built.graph.edge_count, 1);
	assert_true(built.graph.edges[0].counts[WEIR_EDGE_CLIENT_LOG].is_there);
	assert_true(built.graph.edges[0].counts[WEIR_EDGE_SERVER_LOG].is_there);
	weir_arena_fini(&built.arena);
	build(&built, views, 3, ""); /* two clusters: to pick one would be a guess */
	assert_int_equal(built.graph.edge_count, 3);
	weir_arena_fini(&built.arena);
}

static void unknown_callers_and_unknown_destinations_are_two_nodes(void **state)
{
	struct weir_edge_counts client = counts_of(8), server = counts_of(4);
	struct weir_edge_end gateway = end("gateway", "n", "gateway", "", "", "c1"),
			     nobody = end("", "", "", "", "", "");
	struct weir_edge_end details = end("details-v1", "n", "details", "v1", "details", "c1");
	struct weir_edge_view views[] = {
		{ gateway, nobody, WEIR_REQUEST_HTTP, { &client, NULL, NULL } },
		{ nobody, details, WEIR_REQUEST_HTTP, { NULL, &server, NULL } },
	};
	struct built built;

	(void)state;
	build(&built, views, 2, "");
	assert_int_equal(built.graph.node_count, 4);
	assert_int_not_equal(built.graph.edges[0].destination, built.graph.edges[1].source);
	weir_arena_fini(&built.arena);
}

static void a_destination_without_workload_is_the_one_that_serves_its_host(void **state)
{
	struct weir_edge_counts cut = counts_of(4), client = counts_of(16), server = counts_of(20), old = counts_of(1);
	struct weir_edge_end a = end("a-v1", "n", "a", "v1", "", "c1"), host = end("", "", "", "", "b.n.svc", "");
	struct weir_edge_end v1 = end("b-v1", "n", "b", "v1", "b.n.svc", "c1");
	struct weir_edge_end v2 = end("b-v2", "n", "b", "v2", "b.n.svc", "c1");
	struct weir_edge_view views[] = {
		{ a, host, WEIR_REQUEST_TCP, { &cut, NULL, NULL } },
		{ a, v1, WEIR_REQUEST_TCP, { &client, &server, NULL } },
		{ a, v2, WEIR_REQUEST_TCP, { NULL, &old, NULL } },
	};
	struct built built;

	(void)state;
	build(&built, views, 2, "");
	assert_int_equal(built.graph.edge_count, 1);
	assert_int_equal(built.graph.edges[0].counts[WEIR_EDGE_CLIENT_LOG].requests, 20);
	assert_int_equal(built.graph.edges[0].counts[WEIR_EDGE_SERVER_LOG].requests, 20);
	weir_arena_fini(&built.arena);
	build(&built, views, 3, ""); /* two versions: to pick one would be a guess */
	assert_int_equal(built.graph.edge_count, 3);
	weir_arena_fini(&built.arena);
	old.last_ns = NOW_NS - 6 * (uint64_t)MINUTE_NS; /* that version has gone */
	build(&built, views, 3, "");
	assert_int_equal(built.graph.edge_count, 1);
	weir_arena_fini(&built.arena);
	server.last_ns = old.last_ns; /* nobody answers any more, and two have */
	build(&built, views, 3, "");
	assert_int_equal(built.graph.edge_count, 2);
	weir_arena_fini(&built.arena);
	views[1].counts[WEIR_EDGE_CLIENT_LOG] = NULL; /* nobody answers any more, and one has */
	build(&built, views, 2, "");
	assert_int_equal(built.graph.edge_count, 1);
	assert_true(weir_str_is(built.graph.nodes[built.graph.edges[0].destination].end.workload, "b-v1"));
	weir_arena_fini(&built.arena);
	views[1].destination.service = weir_str_of("c.n.svc"); /* another host */
	build(&built, views, 2, "");
	assert_true(weir_str_is(built.graph.nodes[built.graph.edges[0].destination].end.workload, ""));
	weir_arena_fini(&built.arena);
}

/* Client logs say what they called, in whatever way they know it; that alone proves nothing. */
static void what_only_callers_tell_does_not_name_a_host(void **state)
{
	struct weir_edge_counts cut = counts_of(4), client = counts_of(16);
	struct weir_edge_end a = end("a-v1", "n", "a", "v1", "", "c1");
	struct weir_edge_view views[] = {
		{ a, end("", "", "", "", "b.n.svc", ""), WEIR_REQUEST_HTTP, { &cut, NULL, NULL } },
		{ a, end("b-v1", "n", "b", "v1", "b.n.svc", "c1"), WEIR_REQUEST_HTTP, { &client, NULL, NULL } },
	};
	struct built built;

	(void)state;
	build(&built, views, 2, "");
	assert_int_equal(built.graph.edge_count, 2);
	weir_arena_fini(&built.arena);
}

struct told {
	const char *what, *source, *target, *version;
	bool is_joined;
};

static void spans_join_the_edge_of_the_logs_when_both_names_are_one_node(void **state)
{
	static const struct told rows[] = {
		{ "app.namespace", "a.n", "b.n", "", true },
		{ "app alone", "a", "b", "", true },
		{ "a host name", "a.n.svc.cluster.local", "b.n", "", true },
		{ "another namespace", "a.other", "b.n", "", false },
		{ "two versions of one app", "a.n", "twice.n", "", false },
		{ "two versions and spans that tell one", "a.n", "twice.n", "v2", true },
		{ "a name that nobody has", "a.n", "httpbin.org", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct weir_edge_counts client = counts_of(3), spans = counts_of(2);
		struct weir_edge_end a = end("a-v1", "n", "a", "v1", "", "c1");
		struct weir_edge_end tv1 = end("twice-v1", "n", "twice", "v1", "twice", "c1");
		struct weir_edge_end tv2 = end("twice-v2", "n", "twice", "v2", "twice", "c1");
		struct weir_edge_view views[] = {
			{ end("", "", "", "", rows[i].source, ""), end("", "", "", rows[i].version, rows[i].target, ""),
				WEIR_REQUEST_HTTP, { NULL, NULL, &spans } },
			{ a, end("b-v1", "n", "b", "v1", "b", "c1"), WEIR_REQUEST_GRPC, { &client, NULL, NULL } },
			{ a, tv1, WEIR_REQUEST_GRPC, { &client, NULL, NULL } },
			{ a, tv2, WEIR_REQUEST_GRPC, { &client, NULL, NULL } },
		};
		struct built built;

		build(&built, views, 4, "");
		if (built.graph.edge_count != (rows[i].is_joined ? 3u : 4u)) {
			fail_msg("%s: %u edges", rows[i].what, built.graph.edge_count);
		}
		weir_arena_fini(&built.arena);
	}
}

static void old_evidence_and_other_namespaces_are_left_out(void **state)
{
	struct weir_edge_counts fresh = counts_of(3), old = counts_of(2);
	struct weir_edge_end a = end("a", "n", "a", "", "", ""), b = end("b", "m", "b", "", "", "");
	struct weir_edge_end c = end("c", "o", "c", "", "", "");
	struct weir_edge_view views[] = { { a, b, WEIR_REQUEST_HTTP, { &fresh, NULL, NULL } },
		{ b, c, WEIR_REQUEST_HTTP, { &old, NULL, NULL } } };
	struct built built;

	(void)state;
	old.last_ns = NOW_NS - 6 * (uint64_t)MINUTE_NS;
	build(&built, views, 2, "");
	assert_int_equal(built.graph.edge_count, 1);
	assert_int_equal(built.graph.node_count, 3);
	assert_false(built.graph.nodes[2].is_used);
	weir_arena_fini(&built.arena);
	old.last_ns = NOW_NS;
	build(&built, views, 2, "o");
	assert_int_equal(built.graph.edge_count, 1);
	assert_true(weir_str_is(built.graph.nodes[built.graph.edges[0].destination].end.workload, "c"));
	weir_arena_fini(&built.arena);
}

static void many_edges_keep_apart(void **state)
{
	static struct weir_edge_view views[1000];
	static char names[1000][16];
	struct weir_edge_counts counts = counts_of(1);
	struct built built;

	(void)state;
	for (uint32_t i = 0; i < 1000; i++) {
		snprintf(names[i], sizeof(names[i]), "w%u", i);
		views[i] = (struct weir_edge_view){ end("root", "n", "", "", "", ""),
			end(names[i], "n", "", "", "", ""), WEIR_REQUEST_HTTP, { &counts, NULL, NULL } };
	}
	build(&built, views, 1000, "");
	assert_int_equal(built.graph.edge_count, 1000);
	assert_int_equal(built.graph.node_count, 1001);
	weir_arena_fini(&built.arena);
}

static void quantiles_are_linear_within_a_bucket(void **state)
{
	uint64_t buckets[WEIR_LATENCY_BUCKETS] = { 0 };

	(void)state;
	assert_true(weir_graph_quantile(buckets, 0.5) < 0);
	buckets[3] = 10; /* 5 to 10 ms */
	assert_true(fabs(weir_graph_quantile(buckets, 0.5) - 7.5) < 1e-9);
	buckets[19] = 90;
	assert_true(weir_graph_quantile(buckets, 0.99) == 3600000);
}

static void the_document_has_its_shape(void **state)
{
	struct weir_edge_counts spans = counts_of(4);
	struct weir_edge_view views[] = { { end("", "", "", "", "a\"", ""), end("", "", "", "", "", ""),
		WEIR_REQUEST_HTTP, { NULL, NULL, &spans } } };
	struct weir_buf buf = { 0 };
	struct weir_json_write json;
	struct built built;

	(void)state;
	spans.errors = 1;
	memset(spans.fine, 0, sizeof(spans.fine));
	build(&built, views, 1, "");
	weir_json_write_init(&json, &buf);
	weir_api_write(&json, &built.graph, NOW_NS, 300000000000u);
	weir_buf_add_char(&buf, '\0');
	assert_string_equal(buf.data,
		"{\"timestamp_unix_ms\":1700000000000,\"horizon_s\":300,\"nodes\":["
		"{\"id\":\"service://a\\\"\",\"name\":\"a\\\"\",\"workload\":\"\",\"namespace\":\"\",\"app\":\"\","
		"\"version\":\"\",\"service\":\"a\\\"\",\"cluster\":\"\"},"
		"{\"id\":\"unknown://destination\",\"name\":\"unknown destination\",\"workload\":\"\",\"namespace\":\"\",\"app\":\"\","
		"\"version\":\"\",\"service\":\"\",\"cluster\":\"\"}],\"edges\":["
		"{\"source\":\"service://a\\\"\",\"target\":\"unknown://destination\",\"protocol\":\"http\","
		"\"client\":null,\"server\":null,\"spans\":{\"requests\":4,\"errors\":1,\"rate_per_s\":0,"
		"\"error_rate\":0.25,\"p50_ms\":17.5,\"p90_ms\":23.5,\"p99_ms\":24.85,\"connections\":0,"
		"\"sent_bytes\":0,\"received_bytes\":0,\"received_bytes_per_s\":0,\"last_unix_ms\":1700000000000}}]}");
	weir_buf_fini(&buf);
	weir_arena_fini(&built.arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_logs_of_a_call_are_one_edge_and_never_added),
		cmocka_unit_test(ends_told_with_other_services_are_one_node_and_add_up),
		cmocka_unit_test(a_workload_without_cluster_is_the_one_that_is_known),
		cmocka_unit_test(unknown_callers_and_unknown_destinations_are_two_nodes),
		cmocka_unit_test(a_destination_without_workload_is_the_one_that_serves_its_host),
		cmocka_unit_test(what_only_callers_tell_does_not_name_a_host),
		cmocka_unit_test(spans_join_the_edge_of_the_logs_when_both_names_are_one_node),
		cmocka_unit_test(old_evidence_and_other_namespaces_are_left_out),
		cmocka_unit_test(many_edges_keep_apart),
		cmocka_unit_test(quantiles_are_linear_within_a_bucket),
		cmocka_unit_test(the_document_has_its_shape),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
