/* tracespan: the span that a request's headers tell of. Private to this folder. */
#ifndef WEIR_DECODE_MIXER_TRACESPAN_H
#define WEIR_DECODE_MIXER_TRACESPAN_H

#include "decode/mixer/detail.h"
#include "decode/mixer/ends.h"

#define WEIR_TRACESPAN_KEYS 8u

struct weir_tracespan { /* of one report */
	struct weir_ref keys[WEIR_TRACESPAN_KEYS], yes;
};

struct weir_tracespan_opts {
	const struct weir_bag *bag;
	const struct weir_detail_headers *headers;
	const struct weir_request *request; /* its row */
	struct weir_ends *ends;
	struct weir_ends_row *source, *destination;
};

/* Adds a span for the request, unless its headers name none or it was not sampled. */
void weir_tracespan_add(struct weir_tracespan *spans, const struct weir_tracespan_opts *opts);

#endif
