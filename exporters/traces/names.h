/* names: Zipkin's lists of services, span names and remote services. */
#ifndef WEIR_EXPORTERS_TRACES_NAMES_H
#define WEIR_EXPORTERS_TRACES_NAMES_H

#include "serve/route.h"

/* Each with ctx = struct weir_exporters. */
weir_http_fn weir_names_services, weir_names_spans, weir_names_remote_services, weir_names_autocomplete_keys;

#endif
