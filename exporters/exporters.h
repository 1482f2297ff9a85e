/* exporters: what the right bank serves: the routes of each exporter. All run
 * on the query pool; each pool thread has its own read connection. */
#ifndef WEIR_EXPORTERS_EXPORTERS_H
#define WEIR_EXPORTERS_EXPORTERS_H

#include "aggregate/run.h"
#include "serve/route.h"
#include "storage/query.h"

struct weir_exporters;

struct weir_exporters_opts {
	struct weir_run *run;
	struct weir_store *store;
	struct weir_windows *windows;
	struct weir_ring *ring;
	uint32_t query_threads;
	uint64_t max_query_bytes;
	uint64_t max_series; /* metrics.max_series: /status says it */
	uint64_t started_ns;
	const char *version;
	bool has_om_created;         /* `_created` lines in OpenMetrics */
	bool (*is_ready)(void *ctx); /* all is open: /ready */
	/* The real address of listener `i`; NULL: that many there are. /status has them. */
	const char *(*listener)(void *ctx, bool is_grpc, size_t i);
	void *ctx;
};

int weir_exporters_create(const struct weir_exporters_opts *opts, struct weir_exporters **ret);
void weir_exporters_destroy(struct weir_exporters *exporters);

/* Every route: /metrics, /federate, /api/v2/… and /zipkin/api/v2/…, /api/graph, /graph,
 * /api/logs, /api/requests, /api/ledger, /status, /healthz, /ready, the page. Lives as long as exporters. */
const struct weir_http_route *weir_exporters_routes(const struct weir_exporters *exporters, size_t *ret_count);

#endif
