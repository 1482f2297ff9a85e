/* api: /api/graph: weir's own graph JSON, described by
 * tests/integration/graph.schema.json. */
#ifndef WEIR_EXPORTERS_GRAPH_API_H
#define WEIR_EXPORTERS_GRAPH_API_H

#include "exporters/graph/graph.h"
#include "exporters/json_write.h"
#include "serve/route.h"

weir_http_fn weir_api_graph; /* ctx = struct weir_exporters */

void weir_api_write(struct weir_json_write *json, const struct weir_graph *graph, uint64_t now_ns, uint64_t horizon_ns);

#endif
