/* requests: GET /api/requests. */
#ifndef WEIR_EXPORTERS_REQUESTS_H
#define WEIR_EXPORTERS_REQUESTS_H

#include "serve/route.h"

/* workload (either end's name or app), service (called: host or name), code, traceId, requestId, endTs, lookback, limit
 * → [{timestamp, duration, reporter, protocol, source, destination, service, method, authority, path, code, …}], newest
 * first; what is not set is left out. ctx: struct weir_exporters. */
void weir_requests_get(void *ctx, const struct weir_http_request *request, struct weir_http_response *response);

#endif
