/* columns: the tables of fields, one entry a column.
 *
 * The order of entries is the order on disk: changing it, or a kind, is a new
 * WEIR_SEGMENT_VERSION. Fields that are not here (paddings, the first rows of
 * children, which follow from the counts) are not kept. */
#include "storage/columns.h"

#include <stddef.h>

#define CALL(row, field) offsetof(struct row, call) + offsetof(struct weir_call, field)

static const struct weir_column spans[] = {
	{ "trace", offsetof(struct weir_span, trace_id), WEIR_COLUMN_TRACE, true },
	{ "span_id", offsetof(struct weir_span, span_id), WEIR_COLUMN_SPAN_ID, true },
	{ "parent", offsetof(struct weir_span, parent_id), WEIR_COLUMN_PARENT, true },
	{ "start", offsetof(struct weir_span, start_ns), WEIR_COLUMN_START, true },
	{ "duration", offsetof(struct weir_span, duration_ns), WEIR_COLUMN_U64, true },
	{ "resource", offsetof(struct weir_span, resource), WEIR_COLUMN_RESOURCE, true },
	{ "kind", offsetof(struct weir_span, kind), WEIR_COLUMN_U8, true },
	{ "flags", offsetof(struct weir_span, flags), WEIR_COLUMN_U8, true },
	{ "name", offsetof(struct weir_span, name), WEIR_COLUMN_REF, true },
	{ "peer", offsetof(struct weir_span, peer), WEIR_COLUMN_REF, true },
	{ "status", offsetof(struct weir_span, status), WEIR_COLUMN_U8, false },
	{ "w3c_flags", offsetof(struct weir_span, w3c_flags), WEIR_COLUMN_U32, false },
	{ "attrs", offsetof(struct weir_span, attr_first), WEIR_COLUMN_ATTRS, false },
	{ "events", offsetof(struct weir_span, event_first), WEIR_COLUMN_EVENTS, false },
	{ "links", offsetof(struct weir_span, link_first), WEIR_COLUMN_LINKS, false },
	{ "dropped_attrs", offsetof(struct weir_span, dropped_attrs), WEIR_COLUMN_U32, false },
	{ "dropped_events", offsetof(struct weir_span, dropped_events), WEIR_COLUMN_U32, false },
	{ "dropped_links", offsetof(struct weir_span, dropped_links), WEIR_COLUMN_U32, false },
	{ "trace_state", offsetof(struct weir_span, trace_state), WEIR_COLUMN_REF, false },
	{ "status_message", offsetof(struct weir_span, status_message), WEIR_COLUMN_REF, false },
	{ "peer_address", offsetof(struct weir_span, peer_address), WEIR_COLUMN_ADDRESS, false },
};

static const struct weir_column requests[] = {
	{ "start", offsetof(struct weir_request, start_ns), WEIR_COLUMN_U64, true },
	{ "duration", offsetof(struct weir_request, duration_ns), WEIR_COLUMN_U64, true },
	{ "source", CALL(weir_request, source), WEIR_COLUMN_WORKLOAD, true },
	{ "destination", CALL(weir_request, destination), WEIR_COLUMN_WORKLOAD, true },
	{ "reporter", CALL(weir_request, reporter), WEIR_COLUMN_U8, true },
	{ "protocol", CALL(weir_request, protocol), WEIR_COLUMN_U8, true },
	{ "security", CALL(weir_request, security), WEIR_COLUMN_U8, true },
	{ "response_flags", CALL(weir_request, response_flags), WEIR_COLUMN_U32, true },
	{ "service_host", CALL(weir_request, service_host), WEIR_COLUMN_REF, true },
	{ "service_name", CALL(weir_request, service_name), WEIR_COLUMN_REF, true },
	{ "service_namespace", CALL(weir_request, service_namespace), WEIR_COLUMN_REF, true },
	{ "source_principal", CALL(weir_request, source_principal), WEIR_COLUMN_REF, true },
	{ "destination_principal", CALL(weir_request, destination_principal), WEIR_COLUMN_REF, true },
	{ "grpc_status", offsetof(struct weir_request, grpc_status), WEIR_COLUMN_U32, true },
	{ "response_code", offsetof(struct weir_request, response_code), WEIR_COLUMN_U16, true },
	{ "method", offsetof(struct weir_request, method), WEIR_COLUMN_U8, true },
	{ "http_version", offsetof(struct weir_request, http_version), WEIR_COLUMN_U8, false },
	{ "request_bytes", offsetof(struct weir_request, request_bytes), WEIR_COLUMN_U64, false },
	{ "response_bytes", offsetof(struct weir_request, response_bytes), WEIR_COLUMN_U64, false },
	{ "request_messages", offsetof(struct weir_request, request_messages), WEIR_COLUMN_U64, false },
	{ "response_messages", offsetof(struct weir_request, response_messages), WEIR_COLUMN_U64, false },
	{ "attempts", offsetof(struct weir_request, attempts), WEIR_COLUMN_U32, false },
	{ "attrs", offsetof(struct weir_request, attr_first), WEIR_COLUMN_ATTRS, false },
	{ "authority", offsetof(struct weir_request, authority), WEIR_COLUMN_REF, false },
	{ "path", offsetof(struct weir_request, path), WEIR_COLUMN_REF, false },
	{ "user_agent", offsetof(struct weir_request, user_agent), WEIR_COLUMN_REF, false },
	{ "request_id", offsetof(struct weir_request, request_id), WEIR_COLUMN_REF, false },
	{ "route", offsetof(struct weir_request, route), WEIR_COLUMN_REF, false },
	{ "upstream_cluster", offsetof(struct weir_request, upstream_cluster), WEIR_COLUMN_REF, false },
	{ "code_details", offsetof(struct weir_request, code_details), WEIR_COLUMN_REF, false },
	{ "trace_id", offsetof(struct weir_request, trace_id), WEIR_COLUMN_REF, false },
	{ "peer_address", offsetof(struct weir_request, peer_address), WEIR_COLUMN_ADDRESS, false },
};

static const struct weir_column connections[] = {
	{ "start", offsetof(struct weir_connection, start_ns), WEIR_COLUMN_U64, true },
	{ "duration", offsetof(struct weir_connection, duration_ns), WEIR_COLUMN_U64, true },
	{ "source", CALL(weir_connection, source), WEIR_COLUMN_WORKLOAD, true },
	{ "destination", CALL(weir_connection, destination), WEIR_COLUMN_WORKLOAD, true },
	{ "reporter", CALL(weir_connection, reporter), WEIR_COLUMN_U8, true },
	{ "protocol", CALL(weir_connection, protocol), WEIR_COLUMN_U8, true },
	{ "security", CALL(weir_connection, security), WEIR_COLUMN_U8, true },
	{ "response_flags", CALL(weir_connection, response_flags), WEIR_COLUMN_U32, true },
	{ "service_host", CALL(weir_connection, service_host), WEIR_COLUMN_REF, true },
	{ "service_name", CALL(weir_connection, service_name), WEIR_COLUMN_REF, true },
	{ "service_namespace", CALL(weir_connection, service_namespace), WEIR_COLUMN_REF, true },
	{ "source_principal", CALL(weir_connection, source_principal), WEIR_COLUMN_REF, true },
	{ "destination_principal", CALL(weir_connection, destination_principal), WEIR_COLUMN_REF, true },
	{ "received_bytes", offsetof(struct weir_connection, received_bytes), WEIR_COLUMN_U64, true },
	{ "sent_bytes", offsetof(struct weir_connection, sent_bytes), WEIR_COLUMN_U64, true },
	{ "state", offsetof(struct weir_connection, state), WEIR_COLUMN_U8, true },
	{ "attrs", offsetof(struct weir_connection, attr_first), WEIR_COLUMN_ATTRS, false },
	{ "stream_id", offsetof(struct weir_connection, stream_id), WEIR_COLUMN_REF, false },
	{ "upstream_cluster", offsetof(struct weir_connection, upstream_cluster), WEIR_COLUMN_REF, false },
	{ "sni", offsetof(struct weir_connection, sni), WEIR_COLUMN_REF, false },
	{ "peer_address", offsetof(struct weir_connection, peer_address), WEIR_COLUMN_ADDRESS, false },
};

static const struct weir_column resources[] = {
	{ "service", offsetof(struct weir_resource, service), WEIR_COLUMN_REF, true },
	{ "scope_name", offsetof(struct weir_resource, scope_name), WEIR_COLUMN_REF, false },
	{ "scope_version", offsetof(struct weir_resource, scope_version), WEIR_COLUMN_REF, false },
	{ "address", offsetof(struct weir_resource, address), WEIR_COLUMN_ADDRESS, false },
	{ "attrs", offsetof(struct weir_resource, attr_first), WEIR_COLUMN_ATTRS, false },
};

static const struct weir_column workloads[] = {
	{ "name", offsetof(struct weir_workload, name), WEIR_COLUMN_REF, true },
	{ "namespace", offsetof(struct weir_workload, namespace_), WEIR_COLUMN_REF, true },
	{ "app", offsetof(struct weir_workload, app), WEIR_COLUMN_REF, true },
	{ "version", offsetof(struct weir_workload, version), WEIR_COLUMN_REF, true },
	{ "canonical_service", offsetof(struct weir_workload, canonical_service), WEIR_COLUMN_REF, true },
	{ "canonical_revision", offsetof(struct weir_workload, canonical_revision), WEIR_COLUMN_REF, true },
	{ "cluster", offsetof(struct weir_workload, cluster), WEIR_COLUMN_REF, true },
	{ "pod", offsetof(struct weir_workload, pod), WEIR_COLUMN_REF, true },
	{ "node_id", offsetof(struct weir_workload, node_id), WEIR_COLUMN_REF, true },
};

static const struct weir_column events[] = {
	{ "time", offsetof(struct weir_event, time_ns), WEIR_COLUMN_U64, false },
	{ "name", offsetof(struct weir_event, name), WEIR_COLUMN_REF, false },
	{ "attrs", offsetof(struct weir_event, attr_first), WEIR_COLUMN_ATTRS, false },
	{ "dropped_attrs", offsetof(struct weir_event, dropped_attrs), WEIR_COLUMN_U32, false },
};

static const struct weir_column links[] = {
	{ "trace_id", offsetof(struct weir_link, trace_id), WEIR_COLUMN_BYTES16, false },
	{ "span_id", offsetof(struct weir_link, span_id), WEIR_COLUMN_BYTES8, false },
	{ "trace_state", offsetof(struct weir_link, trace_state), WEIR_COLUMN_REF, false },
	{ "attrs", offsetof(struct weir_link, attr_first), WEIR_COLUMN_ATTRS, false },
	{ "dropped_attrs", offsetof(struct weir_link, dropped_attrs), WEIR_COLUMN_U32, false },
	{ "flags", offsetof(struct weir_link, flags), WEIR_COLUMN_U32, false },
};

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
};
