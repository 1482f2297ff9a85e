/* exporters: the table of all routes of this room, and what they share: one
 * query (a read-only connection) for each thread of the query pool.
 *
 * Zipkin's API stands under two prefixes, since its user interface asks below
 * /zipkin/. The page's parts are files of their own because its content
 * security policy allows nothing inline. */
#include "exporters/exporters.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"
#include "exporters/answer.h"
#include "exporters/graph/api.h"
#include "exporters/graph/servicegraph.h"
#include "exporters/logs.h"
#include "exporters/metrics/scrape.h"
#include "exporters/page.h"
#include "exporters/requests.h"
#include "exporters/status.h"
#include "exporters/traces/dependencies.h"
#include "exporters/traces/names.h"
#include "exporters/traces/zipkin.h"

static void route(struct weir_exporters *exporters, enum weir_route_kind kind, const char *path, weir_http_fn *fn)
{
	weir_assert(exporters->route_count < WEIR_ANSWER_ROUTES);
	exporters->routes[exporters->route_count++] = (struct weir_http_route){
		.method = "GET",
		.path = path,
		.kind = kind,
		.fn = fn,
		.ctx = exporters,
	};
}

static void routes_add(struct weir_exporters *exporters)
{
	route(exporters, WEIR_ROUTE_INGEST, "/healthz", weir_status_healthz);
	route(exporters, WEIR_ROUTE_INGEST, "/ready", weir_status_ready);
	route(exporters, WEIR_ROUTE_QUERY, "/status", weir_status_status);
	route(exporters, WEIR_ROUTE_QUERY, "/metrics", weir_scrape_get);
	route(exporters, WEIR_ROUTE_QUERY, "/federate", weir_scrape_federate);
	route(exporters, WEIR_ROUTE_QUERY, "/api/ledger", weir_status_ledger);
	route(exporters, WEIR_ROUTE_QUERY, "/api/graph", weir_api_graph);
	route(exporters, WEIR_ROUTE_QUERY, "/api/logs", weir_logs_get);
	route(exporters, WEIR_ROUTE_QUERY, "/api/requests", weir_requests_get);
	route(exporters, WEIR_ROUTE_QUERY, "/graph", weir_servicegraph_graph);
	route(exporters, WEIR_ROUTE_INGEST, "/", weir_page_index);
	route(exporters, WEIR_ROUTE_INGEST, "/page/*", weir_page_file);
}

static void routes_add_zipkin(struct weir_exporters *exporters)
{
	static const struct {
		const char *path, *ui_path;
		weir_http_fn *fn;
	} rows[] = {
		{ "/api/v2/services", "/zipkin/api/v2/services", weir_names_services },
		{ "/api/v2/spans", "/zipkin/api/v2/spans", weir_names_spans },
		{ "/api/v2/remoteServices", "/zipkin/api/v2/remoteServices", weir_names_remote_services },
		{ "/api/v2/traces", "/zipkin/api/v2/traces", weir_zipkin_traces },
		{ "/api/v2/trace/*", "/zipkin/api/v2/trace/*", weir_zipkin_trace },
		{ "/api/v2/traceMany", "/zipkin/api/v2/traceMany", weir_zipkin_trace_many },
		{ "/api/v2/dependencies", "/zipkin/api/v2/dependencies", weir_dependencies_get },
		{ "/api/v2/autocompleteKeys", "/zipkin/api/v2/autocompleteKeys", weir_names_autocomplete_keys },
	};

	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		route(exporters, WEIR_ROUTE_QUERY, rows[i].path, rows[i].fn);
		route(exporters, WEIR_ROUTE_QUERY, rows[i].ui_path, rows[i].fn);
	}
}

static int queries_open(struct weir_exporters *exporters)
{
	const struct weir_query_opts opts = {
		.store = exporters->opts.store,
		.windows = exporters->opts.windows,
		.run = exporters->opts.run,
		.max_bytes = exporters->opts.max_query_bytes,
	};
	uint32_t count = exporters->opts.query_threads;

	exporters->queries = calloc(count, sizeof(struct weir_query *));
	exporters->free_queries = calloc(count, sizeof(struct weir_query *));
	if (exporters->queries == NULL || exporters->free_queries == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		int result = weir_query_open(&opts, &exporters->queries[i]);

		if (result != 0) {
			return result < 0 ? result : -EIO;
		}
		exporters->free_queries[exporters->free_count++] = exporters->queries[i];
	}
	return 0;
}

int weir_exporters_create(const struct weir_exporters_opts *opts, struct weir_exporters **ret)
{
	struct weir_exporters *exporters = calloc(1, sizeof(*exporters));
	int result;

	weir_assert(opts->query_threads > 0 && opts->is_ready != NULL && opts->listener != NULL);
	if (exporters == NULL) {
		return -ENOMEM;
	}
	exporters->opts = *opts;
	pthread_mutex_init(&exporters->lock, NULL);
	result = queries_open(exporters);
	if (result != 0) {
		weir_exporters_destroy(exporters);
		return result;
	}
	routes_add(exporters);
	routes_add_zipkin(exporters);
	*ret = exporters;
	return 0;
}

void weir_exporters_destroy(struct weir_exporters *exporters)
{
	if (exporters == NULL) {
		return;
	}
	for (uint32_t i = 0; exporters->queries != NULL && i < exporters->opts.query_threads; i++) {
		if (exporters->queries[i] != NULL) {
			weir_query_close(exporters->queries[i]);
		}
	}
	pthread_mutex_destroy(&exporters->lock);
	free(exporters->free_queries);
	free(exporters->queries);
	free(exporters);
}

const struct weir_http_route *weir_exporters_routes(const struct weir_exporters *exporters, size_t *ret_count)
{
	*ret_count = exporters->route_count;
	return exporters->routes;
}
