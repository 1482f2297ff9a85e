/* scrape: /metrics and /federate. */
#ifndef WEIR_EXPORTERS_METRICS_SCRAPE_H
#define WEIR_EXPORTERS_METRICS_SCRAPE_H

#include "serve/route.h"

/* Each with ctx = struct weir_exporters. */
weir_http_fn weir_scrape_get, weir_scrape_federate;

#endif
