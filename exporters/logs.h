/* logs: GET /api/logs. */
#ifndef WEIR_EXPORTERS_LOGS_H
#define WEIR_EXPORTERS_LOGS_H

#include "serve/route.h"

/* service, severity (1 to 24, or TRACE DEBUG INFO WARN ERROR FATAL: at least), traceId, q (a text in the body), endTs,
 * lookback, limit → [{timestamp, observedTimestamp, severityNumber, severityText, service, body, attributes, traceId,
 * spanId, eventName, resource, scope}], newest first; what is not set is left out. ctx: struct weir_exporters. */
void weir_logs_get(void *ctx, const struct weir_http_request *request, struct weir_http_response *response);

#endif
