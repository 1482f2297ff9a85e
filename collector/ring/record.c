/* record: the texts of the labels, and whether a batch may be believed.
 *
 * The check is for bytes that come back from outside the process: from the ring
 * after a kill, from a segment of the store. It asks for no more than readers
 * rely on without looking: tables in bounds and aligned, indexes below their
 * counts, refs in bounds, numbers that choose a row of the ledger in range, the
 * header's sum. It reads each row once and trusts no sum to stay below 2^32.
 * Pure functions, any thread. */
#include "ring/record.h"

#include <stddef.h>

static const char *const signal_names[] = {
	[WEIR_SIGNAL_ACCESS_LOG] = "access_log",
	[WEIR_SIGNAL_SPAN] = "span",
	[WEIR_SIGNAL_METRIC_POINT] = "metric_point",
	[WEIR_SIGNAL_LOG] = "log",
	[WEIR_SIGNAL_MIXER] = "mixer",
};

static const char *const protocol_names[] = {
	[WEIR_PROTOCOL_ALS_V3] = "als_v3",
	[WEIR_PROTOCOL_OTLP_GRPC] = "otlp_grpc",
	[WEIR_PROTOCOL_OTLP_HTTP] = "otlp_http",
	[WEIR_PROTOCOL_ZIPKIN_HTTP] = "zipkin_http",
	[WEIR_PROTOCOL_ALS_V2] = "als_v2",
	[WEIR_PROTOCOL_MIXER] = "mixer",
	[WEIR_PROTOCOL_METRICS_V2] = "envoy_metrics_v2",
	[WEIR_PROTOCOL_METRICS_V3] = "envoy_metrics_v3",
	[WEIR_PROTOCOL_ZIPKIN_GRPC] = "zipkin_grpc",
};

static const char *const drop_names[] = {
	[WEIR_DROP_INVALID] = "invalid",
	[WEIR_DROP_INTERMEDIATE] = "intermediate",
	[WEIR_DROP_SUMMARY] = "summary",
	[WEIR_DROP_NO_VALUE] = "no_value",
};

static const char *const thin_names[] = {
	[WEIR_THIN_STORAGE] = "storage",
	[WEIR_THIN_OVERLOAD] = "overload",
};

static const char *const refusal_names[] = {
	[WEIR_REFUSAL_RING_FULL] = "ring_full",
	[WEIR_REFUSAL_TOO_LARGE] = "too_large",
	[WEIR_REFUSAL_MALFORMED] = "malformed",
	[WEIR_REFUSAL_STORAGE] = "storage",
	[WEIR_REFUSAL_STOPPING] = "stopping",
	[WEIR_REFUSAL_SOURCE] = "source",
	[WEIR_REFUSAL_IDENTITY] = "identity",
};

_Static_assert(sizeof(signal_names) / sizeof(signal_names[0]) == WEIR_SIGNALS, "every signal has a name");
_Static_assert(sizeof(protocol_names) / sizeof(protocol_names[0]) == WEIR_PROTOCOLS, "every protocol has a name");
_Static_assert(sizeof(drop_names) / sizeof(drop_names[0]) == WEIR_DROPS, "every drop has a name");
_Static_assert(sizeof(thin_names) / sizeof(thin_names[0]) == WEIR_THINS, "every thinning has a name");
_Static_assert(sizeof(refusal_names) / sizeof(refusal_names[0]) == WEIR_REFUSALS, "every refusal has a name");

const char *weir_signal_name(unsigned signal)
{
	return signal < WEIR_SIGNALS ? signal_names[signal] : NULL;
}

const char *weir_protocol_name(unsigned protocol)
{
	return protocol < WEIR_PROTOCOLS ? protocol_names[protocol] : NULL;
}

const char *weir_drop_name(unsigned reason)
{
	return reason < WEIR_DROPS ? drop_names[reason] : NULL;
}

const char *weir_thin_name(unsigned reason)
{
	return reason < WEIR_THINS ? thin_names[reason] : NULL;
}

const char *weir_refusal_name(unsigned reason)
{
	return reason < WEIR_REFUSALS ? refusal_names[reason] : NULL;
}

/* ---- is it sound? ------------------------------------------------------- */

static bool is_table_inside(const struct weir_batch *batch, struct weir_table table, size_t row_bytes)
{
	uint64_t end = (uint64_t)table.offset + (uint64_t)table.count * row_bytes;

	if (end > batch->size_bytes) {
		return false;
	}
	return table.count == 0 || (table.offset % 8 == 0 && table.offset >= sizeof(*batch));
}

static bool is_ref_inside(const struct weir_batch *batch, struct weir_ref ref)
{
	return (uint64_t)ref.offset + ref.length <= batch->size_bytes;
}

static bool are_refs_inside(const struct weir_batch *batch, const struct weir_ref *refs, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		if (!is_ref_inside(batch, refs[i])) {
			return false;
		}
	}
	return true;
}

/* Rows [first, first + count) of a table; none at all may start anywhere. */
static bool is_range_inside(struct weir_table table, uint32_t first, uint32_t count)
{
	return count == 0 || (uint64_t)first + count <= table.count;
}

static bool is_attr_sound(const struct weir_batch *batch, const struct weir_attr *attr)
{
	bool is_text = attr->type == WEIR_ATTR_STRING || attr->type == WEIR_ATTR_BYTES || attr->type == WEIR_ATTR_JSON;

	return attr->type <= WEIR_ATTR_EMPTY && is_ref_inside(batch, attr->key) &&
	       (!is_text || is_ref_inside(batch, attr->value.text));
}

static bool are_attrs_sound(const struct weir_batch *batch)
{
	const struct weir_attr *attrs = weir_batch_attrs(batch);

	for (uint32_t i = 0; i < batch->attrs.count; i++) {
		if (!is_attr_sound(batch, &attrs[i])) {
			return false;
		}
	}
	return true;
}

static bool are_workloads_sound(const struct weir_batch *batch)
{
	for (uint32_t i = 0; i < batch->workloads.count; i++) {
		const struct weir_workload *workload = weir_batch_workload(batch, i);
		const struct weir_ref refs[] = { workload->name, workload->namespace_, workload->app, workload->version,
			workload->canonical_service, workload->canonical_revision, workload->cluster, workload->pod,
			workload->node_id };
		bool has_labels = batch->version > 2;

		if ((has_labels && !is_range_inside(batch->attrs, workload->attr_first, workload->attr_count)) ||
			!are_refs_inside(batch, refs, sizeof(refs) / sizeof(refs[0]))) {
			return false;
		}
	}
	return true;
}

static bool are_resources_sound(const struct weir_batch *batch)
{
	const struct weir_resource *resources = weir_batch_resources(batch);

	for (uint32_t i = 0; i < batch->resources.count; i++) {
		const struct weir_resource *resource = &resources[i];
		const struct weir_ref refs[] = { resource->service, resource->proxy, resource->scope_name,
			resource->scope_version };

		if (!is_range_inside(batch->attrs, resource->attr_first, resource->attr_count) ||
			!are_refs_inside(batch, refs, sizeof(refs) / sizeof(refs[0]))) {
			return false;
		}
	}
	return true;
}

static bool are_spans_sound(const struct weir_batch *batch)
{
	const struct weir_span *spans = weir_batch_spans(batch);

	for (uint32_t i = 0; i < batch->spans.count; i++) {
		const struct weir_span *span = &spans[i];
		const struct weir_ref refs[] = { span->name, span->trace_state, span->status_message, span->peer };

		if (span->resource >= batch->resources.count ||
			!is_range_inside(batch->attrs, span->attr_first, span->attr_count) ||
			!is_range_inside(batch->events, span->event_first, span->event_count) ||
			!is_range_inside(batch->links, span->link_first, span->link_count) ||
			!are_refs_inside(batch, refs, sizeof(refs) / sizeof(refs[0]))) {
			return false;
		}
	}
	return true;
}

static bool are_events_and_links_sound(const struct weir_batch *batch)
{
	const struct weir_event *events = weir_batch_events(batch);
	const struct weir_link *links = weir_batch_links(batch);

	for (uint32_t i = 0; i < batch->events.count; i++) {
		if (!is_range_inside(batch->attrs, events[i].attr_first, events[i].attr_count) ||
			!is_ref_inside(batch, events[i].name)) {
			return false;
		}
	}
	for (uint32_t i = 0; i < batch->links.count; i++) {
		if (!is_range_inside(batch->attrs, links[i].attr_first, links[i].attr_count) ||
			!is_ref_inside(batch, links[i].trace_state)) {
			return false;
		}
	}
	return true;
}

/* An end of a call may be nobody known. */
static bool is_workload_inside(const struct weir_batch *batch, uint32_t row)
{
	return row < batch->workloads.count || row == WEIR_NONE;
}

static bool is_call_sound(const struct weir_batch *batch, const struct weir_call *call)
{
	const struct weir_ref refs[] = { call->proxy, call->service_host, call->service_name, call->service_namespace,
		call->source_principal, call->destination_principal };

	return is_workload_inside(batch, call->source) && is_workload_inside(batch, call->destination) &&
	       are_refs_inside(batch, refs, sizeof(refs) / sizeof(refs[0]));
}

static bool are_requests_sound(const struct weir_batch *batch)
{
	const struct weir_request *requests = weir_batch_requests(batch);

	for (uint32_t i = 0; i < batch->requests.count; i++) {
		const struct weir_request *request = &requests[i];
		const struct weir_ref refs[] = { request->authority, request->path, request->user_agent,
			request->request_id, request->route, request->upstream_cluster, request->code_details,
			request->trace_id };

		if (!is_call_sound(batch, &request->call) ||
			!is_range_inside(batch->attrs, request->attr_first, request->attr_count) ||
			!are_refs_inside(batch, refs, sizeof(refs) / sizeof(refs[0]))) {
			return false;
		}
	}
	return true;
}

static bool are_connections_sound(const struct weir_batch *batch)
{
	const struct weir_connection *connections = weir_batch_connections(batch);

	for (uint32_t i = 0; i < batch->connections.count; i++) {
		const struct weir_connection *connection = &connections[i];
		const struct weir_ref refs[] = { connection->stream_id, connection->upstream_cluster, connection->sni };

		if (!is_call_sound(batch, &connection->call) ||
			!is_range_inside(batch->attrs, connection->attr_first, connection->attr_count) ||
			!are_refs_inside(batch, refs, sizeof(refs) / sizeof(refs[0]))) {
			return false;
		}
	}
	return true;
}

static bool are_instruments_sound(const struct weir_batch *batch)
{
	const struct weir_instrument *instruments = weir_batch_instruments(batch);

	for (uint32_t i = 0; i < batch->instruments.count; i++) {
		const struct weir_instrument *instrument = &instruments[i];

		if (instrument->resource >= batch->resources.count || instrument->kind > WEIR_INSTRUMENT_SUMMARY ||
			instrument->temporality > WEIR_TEMPORALITY_CUMULATIVE ||
			instrument->naming > WEIR_NAMING_VERBATIM || !is_ref_inside(batch, instrument->name) ||
			!is_ref_inside(batch, instrument->description) || !is_ref_inside(batch, instrument->unit)) {
			return false;
		}
	}
	return true;
}

/* Do the arrays of a point belong together, as its kind says? */
static bool are_numbers_sound(const struct weir_point *point, unsigned kind)
{
	uint32_t bounds = point->bounds.length, counts = point->counts.length;

	if (bounds % 8 != 0 || counts % 8 != 0 || point->negative.length % 8 != 0) {
		return false;
	}
	if (kind == WEIR_INSTRUMENT_HISTOGRAM) {
		return counts == 0 ? bounds == 0 : counts == bounds + 8;
	}
	return kind != WEIR_INSTRUMENT_SUMMARY || counts == bounds;
}

static bool are_points_sound(const struct weir_batch *batch)
{
	const struct weir_point *points = weir_batch_points(batch);

	for (uint32_t i = 0; i < batch->points.count; i++) {
		const struct weir_point *point = &points[i];

		if (point->instrument >= batch->instruments.count ||
			!is_range_inside(batch->attrs, point->attr_first, point->attr_count) ||
			!is_ref_inside(batch, point->bounds) || !is_ref_inside(batch, point->counts) ||
			!is_ref_inside(batch, point->negative) ||
			!are_numbers_sound(point, weir_batch_instruments(batch)[point->instrument].kind)) {
			return false;
		}
	}
	return true;
}

static bool are_logs_sound(const struct weir_batch *batch)
{
	const struct weir_log *logs = weir_batch_logs(batch);

	for (uint32_t i = 0; i < batch->logs.count; i++) {
		const struct weir_log *log = &logs[i];

		if (log->resource >= batch->resources.count || !is_attr_sound(batch, &log->body) ||
			(log->request != WEIR_NONE && log->request >= batch->requests.count) ||
			!is_range_inside(batch->attrs, log->attr_first, log->attr_count) ||
			!is_ref_inside(batch, log->severity_text) || !is_ref_inside(batch, log->event_name)) {
			return false;
		}
	}
	return true;
}

static bool is_header_sound(const struct weir_batch *batch)
{
	uint64_t sum = batch->kept;

	for (unsigned i = 0; i < WEIR_DROPS; i++) {
		sum += batch->dropped[i];
	}
	for (unsigned i = 0; i < WEIR_THINS; i++) {
		sum += batch->thinned[i];
	}
	return (batch->version == WEIR_BATCH_VERSION || batch->version == 2) && batch->protocol < WEIR_PROTOCOLS &&
	       batch->signal < WEIR_SIGNALS && batch->offered == sum && is_ref_inside(batch, batch->source) &&
	       is_ref_inside(batch, batch->principal);
}

bool weir_batch_is_sound(const struct weir_batch *batch, uint64_t size)
{
	if (size < sizeof(*batch) || size % 8 != 0 || batch->size_bytes != size || !is_header_sound(batch)) {
		return false;
	}
	if (!is_table_inside(batch, batch->workloads, weir_batch_workload_bytes(batch)) ||
		!is_table_inside(batch, batch->resources, sizeof(struct weir_resource)) ||
		!is_table_inside(batch, batch->spans, sizeof(struct weir_span)) ||
		!is_table_inside(batch, batch->requests, sizeof(struct weir_request)) ||
		!is_table_inside(batch, batch->connections, sizeof(struct weir_connection)) ||
		!is_table_inside(batch, batch->attrs, sizeof(struct weir_attr)) ||
		!is_table_inside(batch, batch->events, sizeof(struct weir_event)) ||
		!is_table_inside(batch, batch->links, sizeof(struct weir_link)) ||
		!is_table_inside(batch, batch->instruments, sizeof(struct weir_instrument)) ||
		!is_table_inside(batch, batch->points, sizeof(struct weir_point)) ||
		!is_table_inside(batch, batch->logs, sizeof(struct weir_log))) {
		return false;
	}
	return are_attrs_sound(batch) && are_workloads_sound(batch) && are_resources_sound(batch) &&
	       are_spans_sound(batch) && are_events_and_links_sound(batch) && are_requests_sound(batch) &&
	       are_connections_sound(batch) && are_instruments_sound(batch) && are_points_sound(batch) &&
	       are_logs_sound(batch);
}
