/* exporters: the table of routes, and what weir says about itself. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "exporters/graph/api.h"
#include "exporters/graph/servicegraph.h"
#include "exporters/metrics/scrape.h"
#include "exporters/status.h"
#include "fakes.h"

static int reset(void **state)
{
	(void)state;
	fakes = (struct fakes){ .opens_left = 4 };
	return 0;
}

static bool never(void *ctx)
{
	(void)ctx;
	return false;
}

static const char *none(void *ctx, bool is_grpc, size_t i)
{
	(void)ctx;
	(void)is_grpc;
	(void)i;
	return NULL;
}

static const struct weir_exporters_opts opts = { .query_threads = 2, .is_ready = never, .listener = none };

static void routes_are_distinct_and_only_what_waits_for_nothing_skips_the_pool(void **state)
{
	static const char *const direct[] = { "/healthz", "/ready", "/", "/page/*" };
	const struct weir_http_route *routes;
	struct weir_exporters *exporters;
	size_t count;

	(void)state;
	assert_int_equal(weir_exporters_create(&opts, &exporters), 0);
	routes = weir_exporters_routes(exporters, &count);
	assert_true(count > 20);
	for (size_t i = 0; i < count; i++) {
		bool is_direct = false;

		for (size_t j = 0; j < sizeof(direct) / sizeof(direct[0]); j++) {
			is_direct |= strcmp(routes[i].path, direct[j]) == 0;
		}
		assert_int_equal(routes[i].kind, is_direct ? WEIR_ROUTE_INGEST : WEIR_ROUTE_QUERY);
		assert_string_equal(routes[i].method, "GET");
		assert_ptr_equal(routes[i].ctx, exporters);
		for (size_t j = 0; j < i; j++) {
			assert_string_not_equal(routes[i].path, routes[j].path);
		}
	}
	weir_exporters_destroy(exporters);
	assert_int_equal(fakes.opened, 2);
	assert_int_equal(fakes.closed, 2);
}

static void failed_open_closes_what_was_opened(void **state)
{
	struct weir_exporters *exporters = NULL;

	(void)state;
	fakes.opens_left = 1;
	assert_true(weir_exporters_create(&opts, &exporters) < 0);
	assert_null(exporters);
	assert_int_equal(fakes.opened, 1);
	assert_int_equal(fakes.closed, 1);
	weir_exporters_destroy(NULL);
}

static void assert_status(weir_http_fn *fn, unsigned status, const char *part)
{
	struct weir_http_response response = fakes_call(fn);

	assert_int_equal(response.status, status);
	assert_non_null(strstr(response.body.data, part));
	fakes_free(&response);
}

static void health_names_the_stores_state(void **state)
{
	(void)state;
	assert_status(weir_status_healthz, 200, "ok");
	fakes.state = WEIR_STORE_FULL;
	assert_status(weir_status_healthz, 503, "full");
	fakes.state = WEIR_STORE_FAILING;
	assert_status(weir_status_healthz, 503, "failing");
}

static void ready_says_what_it_is_told(void **state)
{
	(void)state;
	assert_status(weir_status_ready, 503, "not ready");
	fakes.is_ready = true;
	assert_status(weir_status_ready, 200, "ready");
}

static void documents_come_from_one_snapshot_that_is_let_go(void **state)
{
	static const struct weir_snapshot empty;

	(void)state;
	fakes.snapshot = &empty;
	assert_status(weir_scrape_get, 200, "\nweir_ring_used_bytes 60\n");
	assert_int_equal(fakes.parts, WEIR_SNAPSHOT_SERIES | WEIR_SNAPSHOT_LEDGER | WEIR_SNAPSHOT_POINTS);
	assert_status(weir_scrape_get, 200, "\nweir_ring_unfolded_bytes 10\n");
	assert_status(weir_status_ledger, 200, "{\"closes\":true,\"rows\":[],\"completeness\":[]}");
	assert_status(weir_status_status, 200,
		"{\"version\":\"1.2.3\",\"ready\":false,\"listen\":{\"grpc\":[\"127.0.0.1:4317\"],\"http\":[\"unix:/run/weir.sock\"]}");
	assert_int_equal(fakes.parts, WEIR_SNAPSHOT_SERIES | WEIR_SNAPSHOT_LEDGER | WEIR_SNAPSHOT_POINTS);
	assert_status(weir_status_status, 200, "\"series\":{\"budget\":");
	fakes.arguments[0].name = "series";
	fakes.arguments[0].value = "0";
	assert_status(weir_status_status, 200, "\"oldest_unix_ms\":0}}");
	assert_int_equal(fakes.parts, WEIR_SNAPSHOT_LEDGER);
	fakes.arguments[0].name = NULL;
	assert_status(weir_api_graph, 200, "\"nodes\":[],\"edges\":[]");
	assert_int_equal(fakes.parts, WEIR_SNAPSHOT_EDGES);
	assert_status(weir_servicegraph_graph, 200, "{\"nodes\":{},\"edges\":[]}");
	assert_int_equal(fakes.let_go, 8);
}

/* Contract 12: who is answered with less than was acknowledged is told. */
static void documents_say_how_far_behind_they_are(void **state)
{
	static const struct weir_snapshot empty;
	static weir_http_fn *const fns[] = { weir_scrape_get, weir_status_ledger, weir_status_status, weir_api_graph,
		weir_servicegraph_graph };

	(void)state;
	fakes.snapshot = &empty;
	for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		struct weir_http_response response = fakes_call(fns[i]);

		assert_int_equal(response.status != 0 ? response.status : 200, 200);
		assert_int_equal(response.behind_ms, 19);
		fakes_free(&response);
	}
}

/* One series with an exemplar, and which of its trace is asked. */
static void metrics_come_in_the_form_that_is_asked_for(void **state)
{
	static const struct weir_exemplar_view exemplar = { .trace_id = { 9 }, .time_ns = 5000000000u, .value = 1 };
	static const struct weir_metric metric = {
		.name = "istio_requests_total", .help = "Requests.", .kind = WEIR_METRIC_COUNTER
	};
	static const struct weir_metric *const metrics[] = { &metric };
	static struct weir_series_view views[] = {
		{ .created_ns = 1500000000u, .count = 3, .exemplars = &exemplar, .exemplar_count = 1 }
	};
	static struct weir_series_view *const series[] = { views };
	static const uint32_t counts[] = { 1 };
	static const struct weir_snapshot snapshot = {
		.metric_count = 1, .metrics = metrics, .series = series, .series_counts = counts
	};
	struct weir_http_response response;

	(void)state;
	fakes.snapshot = &snapshot;
	fakes.alive_trace[0] = 9;
	response = fakes_call(weir_scrape_get);
	assert_string_equal(response.content_type, "text/plain; version=0.0.4; charset=utf-8");
	assert_string_equal(response.vary, "Accept");
	assert_non_null(strstr(response.body.data, "\nistio_requests_total 3\n"));
	assert_non_null(strstr(response.body.data, "\nweir_openmetrics_left_out_families 0\n"));
	assert_int_equal(fakes.alive_made, 0); /* text has no exemplars: nobody asked */
	fakes_free(&response);
	fakes.accept = "application/openmetrics-text";
	response = fakes_call(weir_scrape_get);
	assert_string_equal(response.content_type, "application/openmetrics-text; version=1.0.0; charset=utf-8");
	assert_non_null(strstr(response.body.data,
		"\nistio_requests_total 3 # {trace_id=\"09000000000000000000000000000000\"} 1 5\n"));
	assert_null(strstr(response.body.data, "_created"));
	assert_string_equal(response.body.data + response.body.length - 7, "# EOF\n");
	fakes_free(&response);
	fakes.alive_trace[0] = 8;
	fakes_exporters()->opts.has_om_created = true;
	response = fakes_call(weir_scrape_get);
	assert_non_null(strstr(response.body.data, "\nistio_requests_total 3\nistio_requests_created 1.5\n"));
	fakes_exporters()->opts.has_om_created = false;
	fakes_free(&response);
	fakes.accept = "application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited";
	response = fakes_call(weir_scrape_get);
	assert_string_equal(response.content_type,
		"application/vnd.google.protobuf; proto=io.prometheus.client.MetricFamily; encoding=delimited");
	assert_memory_equal(response.body.data + 1, "\x0a\x14istio_requests_total", 22);
	fakes_free(&response);
	assert_int_equal(fakes.alive_made, 3);
	assert_int_equal(fakes.alive_freed, 3);
	assert_int_equal(fakes.begun, 0); /* no query: a scrape needs none */
	assert_int_equal(fakes.let_go, 4);
}

static void without_a_snapshot_it_is_503(void **state)
{
	static weir_http_fn *const fns[] = { weir_scrape_get, weir_status_ledger, weir_status_status, weir_api_graph,
		weir_servicegraph_graph };

	(void)state;
	for (size_t i = 0; i < sizeof(fns) / sizeof(fns[0]); i++) {
		assert_status(fns[i], 503, "stopping");
	}
	assert_int_equal(fakes.let_go, 0);
}

static void wrong_horizons_are_refused_as_each_client_expects(void **state)
{
	static const char *const bad[] = { "soon", "9s", "25h", "-5m" };

	(void)state;
	fakes.arguments[0].name = "horizon";
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		fakes.arguments[0].value = bad[i];
		assert_status(weir_api_graph, 400, "horizon is a duration");
	}
	fakes.arguments[0].name = "time_horizon";
	fakes.arguments[0].value = "soon";
	assert_status(weir_servicegraph_graph, 500, "time: invalid duration \"soon\"");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(routes_are_distinct_and_only_what_waits_for_nothing_skips_the_pool, reset),
		cmocka_unit_test_setup(failed_open_closes_what_was_opened, reset),
		cmocka_unit_test_setup(health_names_the_stores_state, reset),
		cmocka_unit_test_setup(ready_says_what_it_is_told, reset),
		cmocka_unit_test_setup(documents_come_from_one_snapshot_that_is_let_go, reset),
		cmocka_unit_test_setup(documents_say_how_far_behind_they_are, reset),
		cmocka_unit_test_setup(metrics_come_in_the_form_that_is_asked_for, reset),
		cmocka_unit_test_setup(without_a_snapshot_it_is_503, reset),
		cmocka_unit_test_setup(wrong_horizons_are_refused_as_each_client_expects, reset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
