/* status: /healthz, /ready, /status and /api/ledger as routes. */
#ifndef WEIR_EXPORTERS_STATUS_H
#define WEIR_EXPORTERS_STATUS_H

#include "serve/route.h"

/* Each with ctx = struct weir_exporters. */
weir_http_fn weir_status_healthz, weir_status_ready, weir_status_status, weir_status_ledger;

#endif
