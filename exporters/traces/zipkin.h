/* zipkin: traces by Zipkin's v2 query API, under /api/v2 and /zipkin/api/v2. */
#ifndef WEIR_EXPORTERS_TRACES_ZIPKIN_H
#define WEIR_EXPORTERS_TRACES_ZIPKIN_H

#include "serve/route.h"
#include "storage/query.h"

/* Each with ctx = struct weir_exporters. */
weir_http_fn weir_zipkin_traces, weir_zipkin_trace, weir_zipkin_trace_many;

/* endTs, lookback, limit, minDuration and maxDuration, checked, with their
 * defaults. False: the response says what is wrong (400). */
bool weir_zipkin_read_numbers(const struct weir_http_request *request, struct weir_http_response *response,
	struct weir_query_search *ret_search);

#endif
