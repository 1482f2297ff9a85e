/* servicegraph: the add-on's document, byte for byte. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "exporters/graph/servicegraph.h"

#define NOW_NS 1700000000000000000u /* a whole period of 10 s */
#define HORIZON_NS 100000000000u

static struct weir_edge_end end(const char *app, const char *workload, const char *ns)
{
	return (struct weir_edge_end){
		.workload = weir_str_of(workload), .app = weir_str_of(app), .namespace_ = weir_str_of(ns)
	};
}

static struct weir_edge_counts counts_of(uint64_t amount)
{
	struct weir_edge_counts counts = { .requests = amount, .last_ns = NOW_NS };

	counts.fine_last = NOW_NS / WEIR_EDGE_FINE_NS;
	counts.fine[counts.fine_last % WEIR_EDGE_FINE] = amount;
	return counts;
}

static void assert_document(
	const struct weir_edge_view *views, uint32_t count, struct weir_servicegraph_opts opts, const char *expected)
{
	struct weir_snapshot snapshot = { .edges = views, .edge_count = count };
	struct weir_buf buf = { 0 };
	struct weir_json_write json;
	struct weir_arena arena;

	opts.now_ns = NOW_NS;
	opts.horizon_ns = HORIZON_NS;
	weir_arena_init(&arena, 4096, 1u << 20);
	weir_json_write_init(&json, &buf);
	assert_int_equal(weir_servicegraph_write(&json, &arena, &snapshot, &opts), 0);
	weir_buf_add_char(&buf, '\0');
	assert_string_equal(buf.data, expected);
	weir_buf_fini(&buf);
	weir_arena_fini(&arena);
}

static void rates_of_one_pair_are_summed_over_protocols_and_versions_of_service(void **state)
{
	struct weir_edge_counts http = counts_of(100), grpc = counts_of(23), client = counts_of(999);
	struct weir_edge_end a = end("productpage", "productpage-v1", "default"),
			     b = end("reviews", "reviews-v1", "default");
	struct weir_edge_view views[] = { { a, b, WEIR_REQUEST_HTTP, { &client, &http, NULL } },
		{ a, b, WEIR_REQUEST_GRPC, { NULL, &grpc, NULL } },
		{ b, a, WEIR_REQUEST_HTTP, { &client, NULL, NULL } } };

	(void)state;
	assert_document(views, 3, (struct weir_servicegraph_opts){ 0 },
		"{\"nodes\":{\"productpage (productpage-v1)\":{},\"reviews (reviews-v1)\":{}},\"edges\":["
		"{\"source\":\"productpage (productpage-v1)\",\"target\":\"reviews (reviews-v1)\","
		"\"labels\":{\"reqs/sec\":\"1.230000\"}}]}");
}

static void tcp_is_an_edge_of_its_own_in_bytes(void **state)
{
	struct weir_edge_counts http = counts_of(0), tcp = counts_of(4096);
	struct weir_edge_end a = end("", "", ""), b = end("db", "db-v1", "default");
	struct weir_edge_view views[] = { { a, b, WEIR_REQUEST_TCP, { NULL, &tcp, NULL } },
		{ a, b, WEIR_REQUEST_HTTP, { NULL, &http, NULL } } };

	(void)state;
	assert_document(views, 2, (struct weir_servicegraph_opts){ 0 },
		"{\"nodes\":{\"db (db-v1)\":{},\"unknown (unknown)\":{}},\"edges\":["
		"{\"source\":\"unknown (unknown)\",\"target\":\"db (db-v1)\",\"labels\":{\"reqs/sec\":\"0.000000\"}},"
		"{\"source\":\"unknown (unknown)\",\"target\":\"db (db-v1)\",\"labels\":{\"bytes/sec\":\"40.960000\"}}]}");
	assert_document(views, 2, (struct weir_servicegraph_opts){ .filter_empty = true },
		"{\"nodes\":{\"db (db-v1)\":{},\"unknown (unknown)\":{}},\"edges\":["
		"{\"source\":\"unknown (unknown)\",\"target\":\"db (db-v1)\",\"labels\":{\"bytes/sec\":\"40.960000\"}}]}");
}

static void filters_compare_exactly(void **state)
{
	static const char empty[] = "{\"nodes\":{},\"edges\":[]}";
	struct weir_edge_counts counts = counts_of(10);
	struct weir_edge_view views[] = { { end("a", "a-v1", "n"), end("b", "b-v1", "m"), WEIR_REQUEST_HTTP,
		{ NULL, &counts, NULL } } };
	const struct weir_servicegraph_opts others[] = { { .source_namespace = weir_str_of("m") },
		{ .source_workload = weir_str_of("a") }, { .destination_namespace = weir_str_of("n") },
		{ .destination_workload = weir_str_of("b-v") } };

	(void)state;
	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++) {
		assert_document(views, 1, others[i], empty);
	}
	assert_document(views, 1,
		(struct weir_servicegraph_opts){ .source_namespace = weir_str_of("n"),
			.source_workload = weir_str_of("a-v1"),
			.destination_namespace = weir_str_of("m"),
			.destination_workload = weir_str_of("b-v1") },
		"{\"nodes\":{\"a (a-v1)\":{},\"b (b-v1)\":{}},\"edges\":[{\"source\":\"a (a-v1)\",\"target\":\"b (b-v1)\","
		"\"labels\":{\"reqs/sec\":\"0.100000\"}}]}");
}

static void no_edges_are_an_empty_graph(void **state)
{
	(void)state;
	assert_document(NULL, 0, (struct weir_servicegraph_opts){ 0 }, "{\"nodes\":{},\"edges\":[]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rates_of_one_pair_are_summed_over_protocols_and_versions_of_service),
		cmocka_unit_test(tcp_is_an_edge_of_its_own_in_bytes),
		cmocka_unit_test(filters_compare_exactly),
		cmocka_unit_test(no_edges_are_an_empty_graph),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
