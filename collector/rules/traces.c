/* traces: the metrics that weir makes of spans.
 *
 *   traces_spanmetrics_calls_total, _latency     each span, by service, name, kind, status
 *   traces_service_graph_request_total, …        each call whose two spans met, by client and server
 *
 * Names, labels and buckets are Tempo's (consumers.md §2: Grafana's service map
 * reads them). Span names come from applications, so these series have a budget
 * of their own.
 *
 * Constant; any thread. */
#include "rules/traces.h"

#include "rules/label.h"

static const double latency_bounds[] = { 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.024, 2.048,
	4.096, 8.192, 16.384 };
static const double call_bounds[] = { 0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8 };

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))
#define ID(n) (UINT64_C(0x7472616365730000) + (n)) /* "traces", and which: told in what is saved */

static const struct weir_metric metrics[] = {
	{ "traces_spanmetrics_calls_total", "Spans.", WEIR_METRIC_COUNTER, WEIR_UNIT_WHOLE, NULL, 0, WEIR_TRACES_SPANS,
		WEIR_TRACES_SPAN_CALLS, ID(1) },
	{ "traces_spanmetrics_latency", "Duration of spans, in seconds.", WEIR_METRIC_HISTOGRAM, WEIR_UNIT_DURATION,
		latency_bounds, COUNT(latency_bounds), WEIR_TRACES_SPANS, WEIR_TRACES_SPAN_LATENCY, ID(2) },
	{ "traces_service_graph_request_total", "Calls between two services, by spans of both.", WEIR_METRIC_COUNTER,
		WEIR_UNIT_WHOLE, NULL, 0, WEIR_TRACES_CALLS, WEIR_TRACES_CALL_TOTAL, ID(3) },
	{ "traces_service_graph_request_failed_total", "Those of which either span is an error.", WEIR_METRIC_COUNTER,
		WEIR_UNIT_WHOLE, NULL, 0, WEIR_TRACES_CALLS, WEIR_TRACES_CALL_FAILED, ID(4) },
	{ "traces_service_graph_request_server_seconds", "Their duration as the server saw it.", WEIR_METRIC_HISTOGRAM,
		WEIR_UNIT_DURATION, call_bounds, COUNT(call_bounds), WEIR_TRACES_CALLS, WEIR_TRACES_CALL_SERVER,
		ID(5) },
	{ "traces_service_graph_request_client_seconds", "Their duration as the client saw it.", WEIR_METRIC_HISTOGRAM,
		WEIR_UNIT_DURATION, call_bounds, COUNT(call_bounds), WEIR_TRACES_CALLS, WEIR_TRACES_CALL_CLIENT,
		ID(6) },
	{ "traces_service_graph_unpaired_spans_total", "Spans of a call whose other side did not come.",
		WEIR_METRIC_COUNTER, WEIR_UNIT_WHOLE, NULL, 0, WEIR_TRACES_CALLS, WEIR_TRACES_CALL_UNPAIRED, ID(7) },
};

static const struct weir_metric *const span_metrics[] = { &metrics[0], &metrics[1] };
static const struct weir_metric *const call_metrics[] = { &metrics[2], &metrics[3], &metrics[4], &metrics[5],
	&metrics[6] };
static const char *const span_labels[] = { "service", "span_name", "span_kind", "status_code" };
static const char *const call_labels[] = { "client", "server", "connection_type" };

_Static_assert(COUNT(span_metrics) == WEIR_TRACES_SPAN_METRICS && COUNT(call_metrics) == WEIR_TRACES_CALL_METRICS,
	"every place has its metric");

static const struct weir_metric_group groups[WEIR_TRACES_GROUPS] = {
	[WEIR_TRACES_SPANS] = { span_metrics, COUNT(span_metrics), span_labels, COUNT(span_labels), ID(0x101), 0 },
	[WEIR_TRACES_CALLS] = { call_metrics, COUNT(call_metrics), call_labels, COUNT(call_labels), ID(0x102), 0 },
};

const struct weir_schema weir_traces_schema = { metrics, COUNT(metrics), groups, WEIR_TRACES_GROUPS };

static const char *const kind_names[] = { "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER",
	"SPAN_KIND_CLIENT", "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER" };
static const char *const status_names[] = { "STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR" };
static const char *const connection_names[] = { "", "messaging_system", "database", "virtual_node" };

uint32_t weir_traces_span_labels(const struct weir_traces_span *span, struct weir_buf *ret_text)
{
	uint32_t cut = weir_label_add(ret_text, weir_str_of("service"), span->service);

	cut += weir_label_add(ret_text, weir_str_of("span_name"), span->name);
	weir_label_add(ret_text, weir_str_of("span_kind"),
		weir_str_of(kind_names[span->kind < COUNT(kind_names) ? span->kind : 0]));
	weir_label_add(ret_text, weir_str_of("status_code"),
		weir_str_of(status_names[span->status < COUNT(status_names) ? span->status : 0]));
	return cut;
}

uint32_t weir_traces_call_labels(struct weir_str client, struct weir_str server, enum weir_traces_connection connection,
	struct weir_buf *ret_text)
{
	uint32_t cut = weir_label_add(ret_text, weir_str_of("client"), client);

	cut += weir_label_add(ret_text, weir_str_of("server"), server);
	if (connection != WEIR_TRACES_DIRECT) {
		weir_label_add(ret_text, weir_str_of("connection_type"), weir_str_of(connection_names[connection]));
	}
	return cut;
}
