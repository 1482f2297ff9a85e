/* accept: which form of the metrics a scraper's Accept header asks for. */
#ifndef WEIR_EXPORTERS_METRICS_ACCEPT_H
#define WEIR_EXPORTERS_METRICS_ACCEPT_H

#include "base/str.h"

enum weir_accept_format { WEIR_ACCEPT_TEXT, WEIR_ACCEPT_OPENMETRICS, WEIR_ACCEPT_PROTOBUF };

struct weir_accept {
	enum weir_accept_format format;
	const char *content_type; /* static: of the answer, with version and escaping as asked */
};

/* `header` may be absent. Without anything that weir can make, or without a
 * header: text 0.0.4, which everybody reads. */
struct weir_accept weir_accept_choose(struct weir_str header);

#endif
