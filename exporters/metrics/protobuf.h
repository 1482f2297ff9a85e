/* protobuf: io.prometheus.client.MetricFamily, each with its length before it. */
#ifndef WEIR_EXPORTERS_METRICS_PROTOBUF_H
#define WEIR_EXPORTERS_METRICS_PROTOBUF_H

#include "exporters/metrics/exposition.h"

struct weir_protobuf {
	struct weir_exposition base; /* first */
	enum {
		WEIR_PROTOBUF_KEEPING,   /* first pass: metrics are kept, until they are too many */
		WEIR_PROTOBUF_MEASURING, /* first pass, the rest of it: only their size is of interest */
		WEIR_PROTOBUF_WRITING,   /* second pass */
	} state;
	uint64_t metric_bytes, written_bytes; /* of the family's metrics; of those, in the second pass */
	struct weir_buf kept;
	struct weir_buf metric, content; /* the present one; the content of its Histogram or Summary */
	/* What was said of exemplars' traces in the first pass, a bit each: the second must say the same. */
	struct weir_buf answers;
	uint64_t asked;
	bool (*has_trace)(void *ctx, const uint8_t trace_id[16]);
	void *trace_ctx;
};

/* Families go to &protobuf->base from then on. */
void weir_protobuf_begin(struct weir_protobuf *protobuf, const struct weir_exposition_opts *opts);
void weir_protobuf_end(struct weir_protobuf *protobuf); /* frees */

/* Of this room: appends a Histogram's content to protobuf->content. */
void weir_protobuf_histogram(struct weir_exposition *out, const struct weir_exposition_sample *sample);

#endif
