/* zipkin: Zipkin's v2 query API, under /api/v2 and /zipkin/api/v2. */
#ifndef WEIR_EXPORTERS_TRACES_ZIPKIN_H
#define WEIR_EXPORTERS_TRACES_ZIPKIN_H

#include "exporters/json_write.h"
#include "serve/route.h"
#include "storage/query.h"

/* Each with ctx = struct weir_exporters. */
weir_http_fn weir_zipkin_services, weir_zipkin_spans, weir_zipkin_remote_services, weir_zipkin_traces,
	weir_zipkin_trace, weir_zipkin_trace_many, weir_zipkin_dependencies, weir_zipkin_autocomplete_keys;

/* One trace as an array of spans, merged, by start. Scratch comes from `arena`.
 * `needs_root`: when every span has a parent that is not here, the earliest is
 * written without one, since clients of the list (Grafana) look for a root and
 * fail without. 0 or -ENOMEM. */
int weir_zipkin_write_trace(
	struct weir_json_write *json, struct weir_arena *arena, const struct weir_query_trace *trace, bool needs_root);

#endif
