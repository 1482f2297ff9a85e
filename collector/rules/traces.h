/* traces: the metrics that weir makes of spans: names and labels as Tempo's
 * metrics generator has them, so that its dashboards and Grafana's service map work. */
#ifndef WEIR_RULES_TRACES_H
#define WEIR_RULES_TRACES_H

#include "base/buf.h"
#include "rules/metric.h"

enum weir_traces_group {
	WEIR_TRACES_SPANS, /* span metrics: calls, latency */
	WEIR_TRACES_CALLS, /* the service graph */
	WEIR_TRACES_GROUPS
};

enum { WEIR_TRACES_SPAN_CALLS, WEIR_TRACES_SPAN_LATENCY, WEIR_TRACES_SPAN_METRICS }; /* places in SPANS */

enum { /* places in CALLS */
	WEIR_TRACES_CALL_TOTAL,
	WEIR_TRACES_CALL_FAILED,
	WEIR_TRACES_CALL_SERVER,
	WEIR_TRACES_CALL_CLIENT,
	WEIR_TRACES_CALL_UNPAIRED,
	WEIR_TRACES_CALL_METRICS
};

enum weir_traces_connection { /* what is between the two */
	WEIR_TRACES_DIRECT,
	WEIR_TRACES_MESSAGING,
	WEIR_TRACES_DATABASE,
	WEIR_TRACES_VIRTUAL, /* only one of the two was traced */
};

extern const struct weir_schema weir_traces_schema;

/* `service="…",span_name="…",span_kind="SPAN_KIND_…",status_code="STATUS_CODE_…"`; kind and status are
 * OTLP's numbers. Returns how many values were cut (rules/label.h); so does the next. */
struct weir_traces_span {
	struct weir_str service, name;
	uint8_t kind, status;
};
uint32_t weir_traces_span_labels(const struct weir_traces_span *span, struct weir_buf *ret_text);

/* `client="…",server="…"`, and connection_type unless it is direct. */
uint32_t weir_traces_call_labels(struct weir_str client, struct weir_str server, enum weir_traces_connection connection,
	struct weir_buf *ret_text);

#endif
