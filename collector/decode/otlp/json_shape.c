/* json_shape: OTLP's messages as tables (wire.md 4.1, 4.2).
 *
 * Only what a record has a place for is here; every other member is skipped as
 * an unknown one is: schema URLs (but those of a metric's scope), entity
 * references, metadata of a metric, filtered attributes of an exemplar.
 *
 * Old senders' names: `instrumentationLibrary*` up to version 0.18 is written
 * as field 1000, which the decoders read when field 2 is absent, as they do
 * for protobuf. A log record's list was called `logs` before 0.10. */
#include "decode/otlp/json_shape.h"

#include <stddef.h>

#define COUNT(table) (sizeof(table) / sizeof((table)[0]))

/* ---- names of enums --------------------------------------------------------- */

static const struct weir_otlp_json_name span_kinds[] = {
	{ "SPAN_KIND_UNSPECIFIED", 0 },
	{ "SPAN_KIND_INTERNAL", 1 },
	{ "SPAN_KIND_SERVER", 2 },
	{ "SPAN_KIND_CLIENT", 3 },
	{ "SPAN_KIND_PRODUCER", 4 },
	{ "SPAN_KIND_CONSUMER", 5 },
	{ NULL, 0 },
};

static const struct weir_otlp_json_name status_codes[] = {
	{ "STATUS_CODE_UNSET", 0 },
	{ "STATUS_CODE_OK", 1 },
	{ "STATUS_CODE_ERROR", 2 },
	{ NULL, 0 },
};

static const struct weir_otlp_json_name temporalities[] = {
	{ "AGGREGATION_TEMPORALITY_UNSPECIFIED", 0 },
	{ "AGGREGATION_TEMPORALITY_DELTA", 1 },
	{ "AGGREGATION_TEMPORALITY_CUMULATIVE", 2 },
	{ NULL, 0 },
};

static const struct weir_otlp_json_name severities[] = {
	{ "SEVERITY_NUMBER_UNSPECIFIED", 0 },
	{ "SEVERITY_NUMBER_TRACE", 1 },
	{ "SEVERITY_NUMBER_TRACE2", 2 },
	{ "SEVERITY_NUMBER_TRACE3", 3 },
	{ "SEVERITY_NUMBER_TRACE4", 4 },
	{ "SEVERITY_NUMBER_DEBUG", 5 },
	{ "SEVERITY_NUMBER_DEBUG2", 6 },
	{ "SEVERITY_NUMBER_DEBUG3", 7 },
	{ "SEVERITY_NUMBER_DEBUG4", 8 },
	{ "SEVERITY_NUMBER_INFO", 9 },
	{ "SEVERITY_NUMBER_INFO2", 10 },
	{ "SEVERITY_NUMBER_INFO3", 11 },
	{ "SEVERITY_NUMBER_INFO4", 12 },
	{ "SEVERITY_NUMBER_WARN", 13 },
	{ "SEVERITY_NUMBER_WARN2", 14 },
	{ "SEVERITY_NUMBER_WARN3", 15 },
	{ "SEVERITY_NUMBER_WARN4", 16 },
	{ "SEVERITY_NUMBER_ERROR", 17 },
	{ "SEVERITY_NUMBER_ERROR2", 18 },
	{ "SEVERITY_NUMBER_ERROR3", 19 },
	{ "SEVERITY_NUMBER_ERROR4", 20 },
	{ "SEVERITY_NUMBER_FATAL", 21 },
	{ "SEVERITY_NUMBER_FATAL2", 22 },
	{ "SEVERITY_NUMBER_FATAL3", 23 },
	{ "SEVERITY_NUMBER_FATAL4", 24 },
	{ NULL, 0 },
};

/* ---- values and attributes -------------------------------------------------- */

static const struct weir_otlp_json_shape any_value, key_value;

static const struct weir_otlp_json_field any_list_fields[] = {
	{ "values", 1, WEIR_OTLP_JSON_OBJECT, true, &any_value, NULL },
};
static const struct weir_otlp_json_shape any_list = { "ArrayValue", COUNT(any_list_fields), any_list_fields };

static const struct weir_otlp_json_field pair_list_fields[] = {
	{ "values", 1, WEIR_OTLP_JSON_OBJECT, true, &key_value, NULL },
};
static const struct weir_otlp_json_shape pair_list = { "KeyValueList", COUNT(pair_list_fields), pair_list_fields };

static const struct weir_otlp_json_field any_value_fields[] = {
	{ "stringValue", 1, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "intValue", 3, WEIR_OTLP_JSON_INT64, false, NULL, NULL },
	{ "boolValue", 2, WEIR_OTLP_JSON_BOOL, false, NULL, NULL },
	{ "doubleValue", 4, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
	{ "arrayValue", 5, WEIR_OTLP_JSON_OBJECT, false, &any_list, NULL },
	{ "kvlistValue", 6, WEIR_OTLP_JSON_OBJECT, false, &pair_list, NULL },
	{ "bytesValue", 7, WEIR_OTLP_JSON_BYTES, false, NULL, NULL },
};
static const struct weir_otlp_json_shape any_value = { "AnyValue", COUNT(any_value_fields), any_value_fields };

static const struct weir_otlp_json_field key_value_fields[] = {
	{ "key", 1, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "value", 2, WEIR_OTLP_JSON_OBJECT, false, &any_value, NULL },
};
static const struct weir_otlp_json_shape key_value = { "KeyValue", COUNT(key_value_fields), key_value_fields };

static const struct weir_otlp_json_field resource_fields[] = {
	{ "attributes", 1, WEIR_OTLP_JSON_OBJECT, true, &key_value, NULL },
};
static const struct weir_otlp_json_shape resource = { "Resource", COUNT(resource_fields), resource_fields };

static const struct weir_otlp_json_field scope_fields[] = {
	{ "name", 1, WEIR_OTLP_JSON_TEXT, false, NULL, NULL }, { "version", 2, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "attributes", 3, WEIR_OTLP_JSON_OBJECT, true, &key_value, NULL }, /* read of a metric's scope */
};
static const struct weir_otlp_json_shape scope = { "InstrumentationScope", COUNT(scope_fields), scope_fields };

/* ---- traces ------------------------------------------------------------------- */

static const struct weir_otlp_json_field event_fields[] = {
	{ "timeUnixNano", 1, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "name", 2, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "attributes", 3, WEIR_OTLP_JSON_OBJECT, true, &key_value, NULL },
	{ "droppedAttributesCount", 4, WEIR_OTLP_JSON_UINT32, false, NULL, NULL },
};
static const struct weir_otlp_json_shape event = { "Event", COUNT(event_fields), event_fields };

static const struct weir_otlp_json_field link_fields[] = {
	{ "traceId", 1, WEIR_OTLP_JSON_ID, false, NULL, NULL },
	{ "spanId", 2, WEIR_OTLP_JSON_ID, false, NULL, NULL },
	{ "traceState", 3, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "attributes", 4, WEIR_OTLP_JSON_OBJECT, true, &key_value, NULL },
	{ "droppedAttributesCount", 5, WEIR_OTLP_JSON_UINT32, false, NULL, NULL },
	{ "flags", 6, WEIR_OTLP_JSON_FIXED32, false, NULL, NULL },
};
static const struct weir_otlp_json_shape link = { "Link", COUNT(link_fields), link_fields };

static const struct weir_otlp_json_field status_fields[] = {
	{ "message", 2, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "code", 3, WEIR_OTLP_JSON_ENUM, false, NULL, status_codes },
};
static const struct weir_otlp_json_shape status = { "Status", COUNT(status_fields), status_fields };

static const struct weir_otlp_json_field span_fields[] = {
	{ "traceId", 1, WEIR_OTLP_JSON_ID, false, NULL, NULL },
	{ "spanId", 2, WEIR_OTLP_JSON_ID, false, NULL, NULL },
	{ "traceState", 3, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "parentSpanId", 4, WEIR_OTLP_JSON_ID, false, NULL, NULL },
	{ "name", 5, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "kind", 6, WEIR_OTLP_JSON_ENUM, false, NULL, span_kinds },
	{ "startTimeUnixNano", 7, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "endTimeUnixNano", 8, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "attributes", 9, WEIR_OTLP_JSON_OBJECT, true, &key_value, NULL },
	{ "droppedAttributesCount", 10, WEIR_OTLP_JSON_UINT32, false, NULL, NULL },
	{ "events", 11, WEIR_OTLP_JSON_OBJECT, true, &event, NULL },
	{ "droppedEventsCount", 12, WEIR_OTLP_JSON_UINT32, false, NULL, NULL },
	{ "status", 15, WEIR_OTLP_JSON_OBJECT, false, &status, NULL },
	{ "links", 13, WEIR_OTLP_JSON_OBJECT, true, &link, NULL },
	{ "droppedLinksCount", 14, WEIR_OTLP_JSON_UINT32, false, NULL, NULL },
	{ "flags", 16, WEIR_OTLP_JSON_FIXED32, false, NULL, NULL },
};
static const struct weir_otlp_json_shape span = { "Span", COUNT(span_fields), span_fields };

static const struct weir_otlp_json_field scope_spans_fields[] = {
	{ "scope", 1, WEIR_OTLP_JSON_OBJECT, false, &scope, NULL },
	{ "spans", 2, WEIR_OTLP_JSON_OBJECT, true, &span, NULL },
	{ "instrumentationLibrary", 1, WEIR_OTLP_JSON_OBJECT, false, &scope, NULL },
};
static const struct weir_otlp_json_shape scope_spans = { "ScopeSpans", COUNT(scope_spans_fields), scope_spans_fields };

static const struct weir_otlp_json_field resource_spans_fields[] = {
	{ "resource", 1, WEIR_OTLP_JSON_OBJECT, false, &resource, NULL },
	{ "scopeSpans", 2, WEIR_OTLP_JSON_OBJECT, true, &scope_spans, NULL },
	{ "instrumentationLibrarySpans", 1000, WEIR_OTLP_JSON_OBJECT, true, &scope_spans, NULL },
};
static const struct weir_otlp_json_shape resource_spans = { "ResourceSpans", COUNT(resource_spans_fields),
	resource_spans_fields };

static const struct weir_otlp_json_field trace_request_fields[] = {
	{ "resourceSpans", 1, WEIR_OTLP_JSON_OBJECT, true, &resource_spans, NULL },
};
const struct weir_otlp_json_shape weir_otlp_json_trace_request = { "ExportTraceServiceRequest",
	COUNT(trace_request_fields), trace_request_fields };

/* ---- metrics ------------------------------------------------------------------ */

static const struct weir_otlp_json_field exemplar_fields[] = {
	{ "timeUnixNano", 2, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "asDouble", 3, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
	{ "spanId", 4, WEIR_OTLP_JSON_ID, false, NULL, NULL },
	{ "traceId", 5, WEIR_OTLP_JSON_ID, false, NULL, NULL },
	{ "asInt", 6, WEIR_OTLP_JSON_SFIXED64, false, NULL, NULL },
};
static const struct weir_otlp_json_shape exemplar = { "Exemplar", COUNT(exemplar_fields), exemplar_fields };

static const struct weir_otlp_json_field number_point_fields[] = {
	{ "attributes", 7, WEIR_OTLP_JSON_OBJECT, true, &key_value, NULL },
	{ "startTimeUnixNano", 2, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "timeUnixNano", 3, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "asDouble", 4, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
	{ "asInt", 6, WEIR_OTLP_JSON_SFIXED64, false, NULL, NULL },
	{ "exemplars", 5, WEIR_OTLP_JSON_OBJECT, true, &exemplar, NULL },
	{ "flags", 8, WEIR_OTLP_JSON_UINT32, false, NULL, NULL },
};
static const struct weir_otlp_json_shape number_point = { "NumberDataPoint", COUNT(number_point_fields),
	number_point_fields };

static const struct weir_otlp_json_field histogram_point_fields[] = {
	{ "attributes", 9, WEIR_OTLP_JSON_OBJECT, true, &key_value, NULL },
	{ "startTimeUnixNano", 2, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "timeUnixNano", 3, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "count", 4, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "sum", 5, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
	{ "bucketCounts", 6, WEIR_OTLP_JSON_FIXED64, true, NULL, NULL },
	{ "explicitBounds", 7, WEIR_OTLP_JSON_DOUBLE, true, NULL, NULL },
	{ "exemplars", 8, WEIR_OTLP_JSON_OBJECT, true, &exemplar, NULL },
	{ "flags", 10, WEIR_OTLP_JSON_UINT32, false, NULL, NULL },
	{ "min", 11, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
	{ "max", 12, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
};
static const struct weir_otlp_json_shape histogram_point = { "HistogramDataPoint", COUNT(histogram_point_fields),
	histogram_point_fields };

static const struct weir_otlp_json_field buckets_fields[] = {
	{ "offset", 1, WEIR_OTLP_JSON_SINT32, false, NULL, NULL },
	{ "bucketCounts", 2, WEIR_OTLP_JSON_UINT64, true, NULL, NULL },
};
static const struct weir_otlp_json_shape buckets = { "Buckets", COUNT(buckets_fields), buckets_fields };

static const struct weir_otlp_json_field exponential_point_fields[] = {
	{ "attributes", 1, WEIR_OTLP_JSON_OBJECT, true, &key_value, NULL },
	{ "startTimeUnixNano", 2, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "timeUnixNano", 3, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "count", 4, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "sum", 5, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
	{ "scale", 6, WEIR_OTLP_JSON_SINT32, false, NULL, NULL },
	{ "zeroCount", 7, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "positive", 8, WEIR_OTLP_JSON_OBJECT, false, &buckets, NULL },
	{ "negative", 9, WEIR_OTLP_JSON_OBJECT, false, &buckets, NULL },
	{ "flags", 10, WEIR_OTLP_JSON_UINT32, false, NULL, NULL },
	{ "exemplars", 11, WEIR_OTLP_JSON_OBJECT, true, &exemplar, NULL },
	{ "min", 12, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
	{ "max", 13, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
	{ "zeroThreshold", 14, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
};
static const struct weir_otlp_json_shape exponential_point = { "ExponentialHistogramDataPoint",
	COUNT(exponential_point_fields), exponential_point_fields };

static const struct weir_otlp_json_field quantile_fields[] = {
	{ "quantile", 1, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
	{ "value", 2, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
};
static const struct weir_otlp_json_shape quantile = { "ValueAtQuantile", COUNT(quantile_fields), quantile_fields };

static const struct weir_otlp_json_field summary_point_fields[] = {
	{ "attributes", 7, WEIR_OTLP_JSON_OBJECT, true, &key_value, NULL },
	{ "startTimeUnixNano", 2, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "timeUnixNano", 3, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "count", 4, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "sum", 5, WEIR_OTLP_JSON_DOUBLE, false, NULL, NULL },
	{ "quantileValues", 6, WEIR_OTLP_JSON_OBJECT, true, &quantile, NULL },
	{ "flags", 8, WEIR_OTLP_JSON_UINT32, false, NULL, NULL },
};
static const struct weir_otlp_json_shape summary_point = { "SummaryDataPoint", COUNT(summary_point_fields),
	summary_point_fields };

static const struct weir_otlp_json_field gauge_fields[] = {
	{ "dataPoints", 1, WEIR_OTLP_JSON_OBJECT, true, &number_point, NULL },
};
static const struct weir_otlp_json_shape gauge = { "Gauge", COUNT(gauge_fields), gauge_fields };

static const struct weir_otlp_json_field sum_fields[] = {
	{ "dataPoints", 1, WEIR_OTLP_JSON_OBJECT, true, &number_point, NULL },
	{ "aggregationTemporality", 2, WEIR_OTLP_JSON_ENUM, false, NULL, temporalities },
	{ "isMonotonic", 3, WEIR_OTLP_JSON_BOOL, false, NULL, NULL },
};
static const struct weir_otlp_json_shape sum = { "Sum", COUNT(sum_fields), sum_fields };

static const struct weir_otlp_json_field histogram_fields[] = {
	{ "dataPoints", 1, WEIR_OTLP_JSON_OBJECT, true, &histogram_point, NULL },
	{ "aggregationTemporality", 2, WEIR_OTLP_JSON_ENUM, false, NULL, temporalities },
};
static const struct weir_otlp_json_shape histogram = { "Histogram", COUNT(histogram_fields), histogram_fields };

static const struct weir_otlp_json_field exponential_fields[] = {
	{ "dataPoints", 1, WEIR_OTLP_JSON_OBJECT, true, &exponential_point, NULL },
	{ "aggregationTemporality", 2, WEIR_OTLP_JSON_ENUM, false, NULL, temporalities },
};
static const struct weir_otlp_json_shape exponential = { "ExponentialHistogram", COUNT(exponential_fields),
	exponential_fields };

static const struct weir_otlp_json_field summary_fields[] = {
	{ "dataPoints", 1, WEIR_OTLP_JSON_OBJECT, true, &summary_point, NULL },
};
static const struct weir_otlp_json_shape summary = { "Summary", COUNT(summary_fields), summary_fields };

static const struct weir_otlp_json_field metric_fields[] = {
	{ "name", 1, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "description", 2, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "unit", 3, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "gauge", 5, WEIR_OTLP_JSON_OBJECT, false, &gauge, NULL },
	{ "sum", 7, WEIR_OTLP_JSON_OBJECT, false, &sum, NULL },
	{ "histogram", 9, WEIR_OTLP_JSON_OBJECT, false, &histogram, NULL },
	{ "exponentialHistogram", 10, WEIR_OTLP_JSON_OBJECT, false, &exponential, NULL },
	{ "summary", 11, WEIR_OTLP_JSON_OBJECT, false, &summary, NULL },
};
static const struct weir_otlp_json_shape metric = { "Metric", COUNT(metric_fields), metric_fields };

static const struct weir_otlp_json_field scope_metrics_fields[] = {
	{ "scope", 1, WEIR_OTLP_JSON_OBJECT, false, &scope, NULL },
	{ "schemaUrl", 3, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "metrics", 2, WEIR_OTLP_JSON_OBJECT, true, &metric, NULL },
	{ "instrumentationLibrary", 1, WEIR_OTLP_JSON_OBJECT, false, &scope, NULL },
};
static const struct weir_otlp_json_shape scope_metrics = { "ScopeMetrics", COUNT(scope_metrics_fields),
	scope_metrics_fields };

static const struct weir_otlp_json_field resource_metrics_fields[] = {
	{ "resource", 1, WEIR_OTLP_JSON_OBJECT, false, &resource, NULL },
	{ "scopeMetrics", 2, WEIR_OTLP_JSON_OBJECT, true, &scope_metrics, NULL },
	{ "instrumentationLibraryMetrics", 1000, WEIR_OTLP_JSON_OBJECT, true, &scope_metrics, NULL },
};
static const struct weir_otlp_json_shape resource_metrics = { "ResourceMetrics", COUNT(resource_metrics_fields),
	resource_metrics_fields };

static const struct weir_otlp_json_field metrics_request_fields[] = {
	{ "resourceMetrics", 1, WEIR_OTLP_JSON_OBJECT, true, &resource_metrics, NULL },
};
const struct weir_otlp_json_shape weir_otlp_json_metrics_request = { "ExportMetricsServiceRequest",
	COUNT(metrics_request_fields), metrics_request_fields };

/* ---- logs ---------------------------------------------------------------------- */

static const struct weir_otlp_json_field log_fields[] = {
	{ "timeUnixNano", 1, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "observedTimeUnixNano", 11, WEIR_OTLP_JSON_FIXED64, false, NULL, NULL },
	{ "severityNumber", 2, WEIR_OTLP_JSON_ENUM, false, NULL, severities },
	{ "severityText", 3, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
	{ "body", 5, WEIR_OTLP_JSON_OBJECT, false, &any_value, NULL },
	{ "attributes", 6, WEIR_OTLP_JSON_OBJECT, true, &key_value, NULL },
	{ "droppedAttributesCount", 7, WEIR_OTLP_JSON_UINT32, false, NULL, NULL },
	{ "flags", 8, WEIR_OTLP_JSON_FIXED32, false, NULL, NULL },
	{ "traceId", 9, WEIR_OTLP_JSON_ID, false, NULL, NULL },
	{ "spanId", 10, WEIR_OTLP_JSON_ID, false, NULL, NULL },
	{ "eventName", 12, WEIR_OTLP_JSON_TEXT, false, NULL, NULL },
};
static const struct weir_otlp_json_shape log_record = { "LogRecord", COUNT(log_fields), log_fields };

static const struct weir_otlp_json_field scope_logs_fields[] = {
	{ "scope", 1, WEIR_OTLP_JSON_OBJECT, false, &scope, NULL },
	{ "logRecords", 2, WEIR_OTLP_JSON_OBJECT, true, &log_record, NULL },
	{ "instrumentationLibrary", 1, WEIR_OTLP_JSON_OBJECT, false, &scope, NULL },
	{ "logs", 2, WEIR_OTLP_JSON_OBJECT, true, &log_record, NULL },
};
static const struct weir_otlp_json_shape scope_logs = { "ScopeLogs", COUNT(scope_logs_fields), scope_logs_fields };

static const struct weir_otlp_json_field resource_logs_fields[] = {
	{ "resource", 1, WEIR_OTLP_JSON_OBJECT, false, &resource, NULL },
	{ "scopeLogs", 2, WEIR_OTLP_JSON_OBJECT, true, &scope_logs, NULL },
	{ "instrumentationLibraryLogs", 1000, WEIR_OTLP_JSON_OBJECT, true, &scope_logs, NULL },
};
static const struct weir_otlp_json_shape resource_logs = { "ResourceLogs", COUNT(resource_logs_fields),
	resource_logs_fields };

static const struct weir_otlp_json_field logs_request_fields[] = {
	{ "resourceLogs", 1, WEIR_OTLP_JSON_OBJECT, true, &resource_logs, NULL },
};
const struct weir_otlp_json_shape weir_otlp_json_logs_request = { "ExportLogsServiceRequest",
	COUNT(logs_request_fields), logs_request_fields };
