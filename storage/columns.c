/* columns: the tables of fields, one entry a column.
 *
 * The order of entries is the order on disk: changing it, or a kind, is a new
 * WEIR_SEGMENT_VERSION; a new one says since when it is there, and is zero in
 * what older versions wrote. Fields that are not here (paddings, the first rows
 * of children, which follow from the counts, the request that was made of a
 * log, which is a segment's row of its own, labels of workloads that only
 * metrics are made of, the mark of a probe, which its user agent and path tell)
 * are not kept. */
#include "storage/columns.h"

#include <stddef.h>

#define CALL(row, field) offsetof(struct row, call) + offsetof(struct weir_call, field)

static const struct weir_column spans[] = {
	{ "trace", offsetof(struct weir_span, trace_id), WEIR_COLUMN_TRACE, true, 1 },
	{ "span_id", offsetof(struct weir_span, span_id), WEIR_COLUMN_SPAN_ID, true, 1 },
	{ "parent", offsetof(struct weir_span, parent_id), WEIR_COLUMN_PARENT, true, 1 },
	{ "start", offsetof(struct weir_span, start_ns), WEIR_COLUMN_START, true, 1 },
	{ "duration", offsetof(struct weir_span, duration_ns), WEIR_COLUMN_U64, true, 1 },
	{ "resource", offsetof(struct weir_span, resource), WEIR_COLUMN_RESOURCE, true, 1 },
	{ "kind", offsetof(struct weir_span, kind), WEIR_COLUMN_U8, true, 1 },
	{ "flags", offsetof(struct weir_span, flags), WEIR_COLUMN_U8, true, 1 },
	{ "name", offsetof(struct weir_span, name), WEIR_COLUMN_REF, true, 1 },
	{ "peer", offsetof(struct weir_span, peer), WEIR_COLUMN_REF, true, 1 },
	{ "status", offsetof(struct weir_span, status), WEIR_COLUMN_U8, false, 1 },
	{ "w3c_flags", offsetof(struct weir_span, w3c_flags), WEIR_COLUMN_U32, false, 1 },
	{ "attrs", offsetof(struct weir_span, attr_first), WEIR_COLUMN_ATTRS, false, 1 },
	{ "events", offsetof(struct weir_span, event_first), WEIR_COLUMN_EVENTS, false, 1 },
	{ "links", offsetof(struct weir_span, link_first), WEIR_COLUMN_LINKS, false, 1 },
	{ "dropped_attrs", offsetof(struct weir_span, dropped_attrs), WEIR_COLUMN_U32, false, 1 },
	{ "dropped_events", offsetof(struct weir_span, dropped_events), WEIR_COLUMN_U32, false, 1 },
	{ "dropped_links", offsetof(struct weir_span, dropped_links), WEIR_COLUMN_U32, false, 1 },
	{ "trace_state", offsetof(struct weir_span, trace_state), WEIR_COLUMN_REF, false, 1 },
	{ "status_message", offsetof(struct weir_span, status_message), WEIR_COLUMN_REF, false, 1 },
	{ "peer_address", offsetof(struct weir_span, peer_address), WEIR_COLUMN_ADDRESS, false, 1 },
};

static const struct weir_column requests[] = {
	{ "start", offsetof(struct weir_request, start_ns), WEIR_COLUMN_U64, true, 1 },
	{ "duration", offsetof(struct weir_request, duration_ns), WEIR_COLUMN_U64, true, 1 },
	{ "source", CALL(weir_request, source), WEIR_COLUMN_WORKLOAD, true, 1 },
	{ "destination", CALL(weir_request, destination), WEIR_COLUMN_WORKLOAD, true, 1 },
	{ "reporter", CALL(weir_request, reporter), WEIR_COLUMN_U8, true, 1 },
	{ "protocol", CALL(weir_request, protocol), WEIR_COLUMN_U8, true, 1 },
	{ "security", CALL(weir_request, security), WEIR_COLUMN_U8, true, 1 },
	{ "response_flags", CALL(weir_request, response_flags), WEIR_COLUMN_U32, true, 1 },
	{ "service_host", CALL(weir_request, service_host), WEIR_COLUMN_REF, true, 1 },
	{ "service_name", CALL(weir_request, service_name), WEIR_COLUMN_REF, true, 1 },
	{ "service_namespace", CALL(weir_request, service_namespace), WEIR_COLUMN_REF, true, 1 },
	{ "source_principal", CALL(weir_request, source_principal), WEIR_COLUMN_REF, true, 1 },
	{ "destination_principal", CALL(weir_request, destination_principal), WEIR_COLUMN_REF, true, 1 },
	{ "grpc_status", offsetof(struct weir_request, grpc_status), WEIR_COLUMN_U32, true, 1 },
	{ "response_code", offsetof(struct weir_request, response_code), WEIR_COLUMN_U16, true, 1 },
	{ "method", offsetof(struct weir_request, method), WEIR_COLUMN_U8, true, 1 },
	{ "http_version", offsetof(struct weir_request, http_version), WEIR_COLUMN_U8, false, 1 },
	{ "request_bytes", offsetof(struct weir_request, request_bytes), WEIR_COLUMN_U64, false, 1 },
	{ "response_bytes", offsetof(struct weir_request, response_bytes), WEIR_COLUMN_U64, false, 1 },
	{ "request_messages", offsetof(struct weir_request, request_messages), WEIR_COLUMN_U64, false, 1 },
	{ "response_messages", offsetof(struct weir_request, response_messages), WEIR_COLUMN_U64, false, 1 },
	{ "attempts", offsetof(struct weir_request, attempts), WEIR_COLUMN_U32, false, 1 },
	{ "attrs", offsetof(struct weir_request, attr_first), WEIR_COLUMN_ATTRS, false, 1 },
	{ "authority", offsetof(struct weir_request, authority), WEIR_COLUMN_REF, false, 1 },
	{ "path", offsetof(struct weir_request, path), WEIR_COLUMN_REF, false, 1 },
	{ "user_agent", offsetof(struct weir_request, user_agent), WEIR_COLUMN_REF, false, 1 },
	{ "request_id", offsetof(struct weir_request, request_id), WEIR_COLUMN_REF, false, 1 },
	{ "route", offsetof(struct weir_request, route), WEIR_COLUMN_REF, false, 1 },
	{ "upstream_cluster", offsetof(struct weir_request, upstream_cluster), WEIR_COLUMN_REF, false, 1 },
	{ "code_details", offsetof(struct weir_request, code_details), WEIR_COLUMN_REF, false, 1 },
	{ "trace_id", offsetof(struct weir_request, trace_id), WEIR_COLUMN_REF, false, 1 },
	{ "peer_address", offsetof(struct weir_request, peer_address), WEIR_COLUMN_ADDRESS, false, 1 },
	{ "proxy", CALL(weir_request, proxy), WEIR_COLUMN_REF, false, 2 },
};

static const struct weir_column connections[] = {
	{ "start", offsetof(struct weir_connection, start_ns), WEIR_COLUMN_U64, true, 1 },
	{ "duration", offsetof(struct weir_connection, duration_ns), WEIR_COLUMN_U64, true, 1 },
	{ "source", CALL(weir_connection, source), WEIR_COLUMN_WORKLOAD, true, 1 },
	{ "destination", CALL(weir_connection, destination), WEIR_COLUMN_WORKLOAD, true, 1 },
	{ "reporter", CALL(weir_connection, reporter), WEIR_COLUMN_U8, true, 1 },
	{ "protocol", CALL(weir_connection, protocol), WEIR_COLUMN_U8, true, 1 },
	{ "security", CALL(weir_connection, security), WEIR_COLUMN_U8, true, 1 },
	{ "response_flags", CALL(weir_connection, response_flags), WEIR_COLUMN_U32, true, 1 },
	{ "service_host", CALL(weir_connection, service_host), WEIR_COLUMN_REF, true, 1 },
	{ "service_name", CALL(weir_connection, service_name), WEIR_COLUMN_REF, true, 1 },
	{ "service_namespace", CALL(weir_connection, service_namespace), WEIR_COLUMN_REF, true, 1 },
	{ "source_principal", CALL(weir_connection, source_principal), WEIR_COLUMN_REF, true, 1 },
	{ "destination_principal", CALL(weir_connection, destination_principal), WEIR_COLUMN_REF, true, 1 },
	{ "received_bytes", offsetof(struct weir_connection, received_bytes), WEIR_COLUMN_U64, true, 1 },
	{ "sent_bytes", offsetof(struct weir_connection, sent_bytes), WEIR_COLUMN_U64, true, 1 },
	{ "state", offsetof(struct weir_connection, state), WEIR_COLUMN_U8, true, 1 },
	{ "attrs", offsetof(struct weir_connection, attr_first), WEIR_COLUMN_ATTRS, false, 1 },
	{ "stream_id", offsetof(struct weir_connection, stream_id), WEIR_COLUMN_REF, false, 1 },
	{ "upstream_cluster", offsetof(struct weir_connection, upstream_cluster), WEIR_COLUMN_REF, false, 1 },
	{ "sni", offsetof(struct weir_connection, sni), WEIR_COLUMN_REF, false, 1 },
	{ "peer_address", offsetof(struct weir_connection, peer_address), WEIR_COLUMN_ADDRESS, false, 1 },
	{ "proxy", CALL(weir_connection, proxy), WEIR_COLUMN_REF, false, 2 },
	{ "is_delta", offsetof(struct weir_connection, is_delta), WEIR_COLUMN_U8, true, 2 },
};

static const struct weir_column resources[] = {
	{ "service", offsetof(struct weir_resource, service), WEIR_COLUMN_REF, true, 1 },
	{ "scope_name", offsetof(struct weir_resource, scope_name), WEIR_COLUMN_REF, false, 1 },
	{ "scope_version", offsetof(struct weir_resource, scope_version), WEIR_COLUMN_REF, false, 1 },
	{ "address", offsetof(struct weir_resource, address), WEIR_COLUMN_ADDRESS, false, 1 },
	{ "attrs", offsetof(struct weir_resource, attr_first), WEIR_COLUMN_ATTRS, false, 1 },
};

static const struct weir_column workloads[] = {
	{ "name", offsetof(struct weir_workload, name), WEIR_COLUMN_REF, true, 1 },
	{ "namespace", offsetof(struct weir_workload, namespace_), WEIR_COLUMN_REF, true, 1 },
	{ "app", offsetof(struct weir_workload, app), WEIR_COLUMN_REF, true, 1 },
	{ "version", offsetof(struct weir_workload, version), WEIR_COLUMN_REF, true, 1 },
	{ "canonical_service", offsetof(struct weir_workload, canonical_service), WEIR_COLUMN_REF, true, 1 },
	{ "canonical_revision", offsetof(struct weir_workload, canonical_revision), WEIR_COLUMN_REF, true, 1 },
	{ "cluster", offsetof(struct weir_workload, cluster), WEIR_COLUMN_REF, true, 1 },
	{ "pod", offsetof(struct weir_workload, pod), WEIR_COLUMN_REF, true, 1 },
	{ "node_id", offsetof(struct weir_workload, node_id), WEIR_COLUMN_REF, true, 1 },
};

static const struct weir_column events[] = {
	{ "time", offsetof(struct weir_event, time_ns), WEIR_COLUMN_U64, false, 1 },
	{ "name", offsetof(struct weir_event, name), WEIR_COLUMN_REF, false, 1 },
	{ "attrs", offsetof(struct weir_event, attr_first), WEIR_COLUMN_ATTRS, false, 1 },
	{ "dropped_attrs", offsetof(struct weir_event, dropped_attrs), WEIR_COLUMN_U32, false, 1 },
};

static const struct weir_column links[] = {
	{ "trace_id", offsetof(struct weir_link, trace_id), WEIR_COLUMN_BYTES16, false, 1 },
	{ "span_id", offsetof(struct weir_link, span_id), WEIR_COLUMN_BYTES8, false, 1 },
	{ "trace_state", offsetof(struct weir_link, trace_state), WEIR_COLUMN_REF, false, 1 },
	{ "attrs", offsetof(struct weir_link, attr_first), WEIR_COLUMN_ATTRS, false, 1 },
	{ "dropped_attrs", offsetof(struct weir_link, dropped_attrs), WEIR_COLUMN_U32, false, 1 },
	{ "flags", offsetof(struct weir_link, flags), WEIR_COLUMN_U32, false, 1 },
};

static const struct weir_column logs[] = {
	{ "time", offsetof(struct weir_log, time_ns), WEIR_COLUMN_U64, true, 2 },
	{ "observed", offsetof(struct weir_log, observed_ns), WEIR_COLUMN_SEEN, true, 2 },
	{ "severity", offsetof(struct weir_log, severity), WEIR_COLUMN_U32, true, 2 },
	{ "resource", offsetof(struct weir_log, resource), WEIR_COLUMN_RESOURCE, true, 2 },
	{ "trace_id", offsetof(struct weir_log, trace_id), WEIR_COLUMN_ID16, true, 2 },
	{ "span_id", offsetof(struct weir_log, span_id), WEIR_COLUMN_ID8, true, 2 },
	{ "severity_text", offsetof(struct weir_log, severity_text), WEIR_COLUMN_REF, false, 2 },
	{ "event_name", offsetof(struct weir_log, event_name), WEIR_COLUMN_REF, false, 2 },
	{ "w3c_flags", offsetof(struct weir_log, w3c_flags), WEIR_COLUMN_U32, false, 2 },
	{ "dropped_attrs", offsetof(struct weir_log, dropped_attrs), WEIR_COLUMN_U32, false, 2 },
	{ "attrs", offsetof(struct weir_log, attr_first), WEIR_COLUMN_ATTRS, false, 2 },
	{ "body", offsetof(struct weir_log, body), WEIR_COLUMN_BODY, false, 2 },
};

const enum weir_rows weir_columns_order[WEIR_ROWS_COUNT] = { WEIR_ROWS_SPANS, WEIR_ROWS_REQUESTS, WEIR_ROWS_CONNECTIONS,
	WEIR_ROWS_LOGS, WEIR_ROWS_RESOURCES, WEIR_ROWS_WORKLOADS, WEIR_ROWS_EVENTS, WEIR_ROWS_LINKS };

const enum weir_rows weir_columns_details[WEIR_COLUMNS_DETAILS] = { WEIR_ROWS_SPANS, WEIR_ROWS_REQUESTS,
	WEIR_ROWS_CONNECTIONS, WEIR_ROWS_LOGS };

bool weir_columns_is_detail(uint64_t rows)
{
	return rows <= WEIR_ROWS_CONNECTIONS || rows == WEIR_ROWS_LOGS;
}

#define COUNT(list) (uint32_t)(sizeof(list) / sizeof((list)[0]))

const struct weir_column_list weir_columns[WEIR_ROWS_COUNT] = {
	[WEIR_ROWS_SPANS] = { spans, COUNT(spans), sizeof(struct weir_span), offsetof(struct weir_batch, spans) },
	[WEIR_ROWS_REQUESTS] = { requests, COUNT(requests), sizeof(struct weir_request),
		offsetof(struct weir_batch, requests) },
	[WEIR_ROWS_CONNECTIONS] = { connections, COUNT(connections), sizeof(struct weir_connection),
		offsetof(struct weir_batch, connections) },
	[WEIR_ROWS_RESOURCES] = { resources, COUNT(resources), sizeof(struct weir_resource),
		offsetof(struct weir_batch, resources) },
	[WEIR_ROWS_WORKLOADS] = { workloads, COUNT(workloads), sizeof(struct weir_workload),
		offsetof(struct weir_batch, workloads) },
	[WEIR_ROWS_EVENTS] = { events, COUNT(events), sizeof(struct weir_event), offsetof(struct weir_batch, events) },
	[WEIR_ROWS_LINKS] = { links, COUNT(links), sizeof(struct weir_link), offsetof(struct weir_batch, links) },
	[WEIR_ROWS_LOGS] = { logs, COUNT(logs), sizeof(struct weir_log), offsetof(struct weir_batch, logs) },
};
