/* dependencies: Zipkin's links over all traces of a range of time. */
#ifndef WEIR_EXPORTERS_TRACES_DEPENDENCIES_H
#define WEIR_EXPORTERS_TRACES_DEPENDENCIES_H

#include "serve/route.h"

weir_http_fn weir_dependencies_get; /* ctx = struct weir_exporters */

#endif
