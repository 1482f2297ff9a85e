/* scrape: /metrics. */
#ifndef WEIR_EXPORTERS_METRICS_SCRAPE_H
#define WEIR_EXPORTERS_METRICS_SCRAPE_H

#include "serve/route.h"

void weir_scrape_get(void *ctx, const struct weir_http_request *request, struct weir_http_response *response);

#endif
