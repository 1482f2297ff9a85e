/* servicegraph: /graph as the servicegraph add-on of Istio 1.0 and 1.1 had it
 * (consumers.md §4). */
#ifndef WEIR_EXPORTERS_GRAPH_SERVICEGRAPH_H
#define WEIR_EXPORTERS_GRAPH_SERVICEGRAPH_H

#include "aggregate/snapshot.h"
#include "base/arena.h"
#include "exporters/json_write.h"
#include "serve/route.h"

weir_http_fn weir_servicegraph_graph; /* ctx = struct weir_exporters */

struct weir_servicegraph_opts {
	uint64_t now_ns, horizon_ns;
	bool filter_empty; /* leave edges without traffic in the horizon out */
	struct weir_str source_namespace, source_workload, destination_namespace, destination_workload; /* empty: any */
};

/* Part EDGES. Scratch comes from `arena`. 0 or -ENOMEM. */
int weir_servicegraph_write(struct weir_json_write *json, struct weir_arena *arena,
	const struct weir_snapshot *snapshot, const struct weir_servicegraph_opts *opts);

#endif
