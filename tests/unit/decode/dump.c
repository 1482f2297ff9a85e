/* dump: every field of a batch, one line a row; unset ones are left out. */
#include "dump.h"

#include <arpa/inet.h>
#include <inttypes.h>

static void text_dump(const struct weir_batch *batch, const char *name, struct weir_ref ref, struct weir_buf *out)
{
	struct weir_str text = weir_batch_str(batch, ref);

	if (ref.length > 0) {
		weir_buf_addf(out, " %s=\"%.*s\"", name, (int)text.length, text.data);
	}
}

static void number_dump(const char *name, uint64_t value, struct weir_buf *out)
{
	if (value != 0) {
		weir_buf_addf(out, " %s=%" PRIu64, name, value);
	}
}

static void id_dump(const char *name, const uint8_t *id, size_t size, struct weir_buf *out)
{
	weir_buf_addf(out, " %s=", name);
	weir_buf_add_hex(out, id, size);
}

static void address_dump(const struct weir_address *address, struct weir_buf *out)
{
	static const uint8_t none[16];
	char text[INET6_ADDRSTRLEN];

	if (memcmp(address->ip, none, sizeof(none)) != 0 || address->port != 0) {
		weir_buf_addf(
			out, " address=[%s]:%u", inet_ntop(AF_INET6, address->ip, text, sizeof(text)), address->port);
	}
}

static void value_dump(const struct weir_batch *batch, const struct weir_attr *attr, struct weir_buf *out)
{
	struct weir_str text;

	switch (attr->type) {
	case WEIR_ATTR_BOOL:
		weir_buf_addf(out, "bool %s\n", attr->value.number != 0 ? "true" : "false");
		break;
	case WEIR_ATTR_INT:
		weir_buf_addf(out, "int %" PRId64 "\n", attr->value.number);
		break;
	case WEIR_ATTR_DOUBLE:
		weir_buf_addf(out, "double %.17g\n", attr->value.real);
		break;
	case WEIR_ATTR_EMPTY:
		weir_buf_add_text(out, "empty\n");
		break;
	case WEIR_ATTR_BYTES:
		weir_buf_add_text(out, "bytes ");
		text = weir_batch_str(batch, attr->value.text);
		weir_buf_add_hex(out, text.data, text.length);
		weir_buf_add_char(out, '\n');
		break;
	default:
		text = weir_batch_str(batch, attr->value.text);
		weir_buf_addf(out, "%s \"%.*s\"\n", attr->type == WEIR_ATTR_JSON ? "json" : "string", (int)text.length,
			text.data);
		break;
	}
}

static void attrs_dump(
	const struct weir_batch *batch, const char *indent, uint32_t first, uint32_t count, struct weir_buf *out)
{
	for (uint32_t i = first; i < first + count; i++) {
		const struct weir_attr *attr = &weir_batch_attrs(batch)[i];
		struct weir_str key = weir_batch_str(batch, attr->key);

		weir_buf_addf(out, "%s%.*s = ", indent, (int)key.length, key.data);
		value_dump(batch, attr, out);
	}
}

static void resource_dump(const struct weir_batch *batch, uint32_t row, struct weir_buf *out)
{
	const struct weir_resource *resource = &weir_batch_resources(batch)[row];

	weir_buf_addf(out, "resource %u", row);
	text_dump(batch, "service", resource->service, out);
	text_dump(batch, "scope", resource->scope_name, out);
	text_dump(batch, "version", resource->scope_version, out);
	address_dump(&resource->address, out);
	weir_buf_add_char(out, '\n');
	attrs_dump(batch, "  ", resource->attr_first, resource->attr_count, out);
}

static void events_dump(const struct weir_batch *batch, const struct weir_span *span, struct weir_buf *out)
{
	for (uint32_t i = span->event_first; i < span->event_first + span->event_count; i++) {
		const struct weir_event *event = &weir_batch_events(batch)[i];

		weir_buf_addf(out, "  event %" PRIu64, event->time_ns);
		text_dump(batch, "name", event->name, out);
		number_dump("dropped_attrs", event->dropped_attrs, out);
		weir_buf_add_char(out, '\n');
		attrs_dump(batch, "    ", event->attr_first, event->attr_count, out);
	}
	for (uint32_t i = span->link_first; i < span->link_first + span->link_count; i++) {
		const struct weir_link *link = &weir_batch_links(batch)[i];

		weir_buf_add_text(out, "  link");
		id_dump("trace", link->trace_id, sizeof(link->trace_id), out);
		id_dump("id", link->span_id, sizeof(link->span_id), out);
		text_dump(batch, "state", link->trace_state, out);
		number_dump("flags", link->flags, out);
		number_dump("dropped_attrs", link->dropped_attrs, out);
		weir_buf_add_char(out, '\n');
		attrs_dump(batch, "    ", link->attr_first, link->attr_count, out);
	}
}

static void head_dump(const struct weir_batch *batch, struct weir_buf *out)
{
	weir_buf_addf(out, "offered=%u kept=%u invalid=%u replaced=%u\n", batch->offered, batch->kept,
		batch->dropped[WEIR_DROP_INVALID], batch->replaced_utf8);
	for (uint32_t i = 0; i < batch->resources.count; i++) {
		resource_dump(batch, i, out);
	}
}

void dump_spans(const struct weir_batch *batch, struct weir_buf *ret_text)
{
	head_dump(batch, ret_text);
	for (uint32_t i = 0; i < batch->spans.count; i++) {
		const struct weir_span *span = &weir_batch_spans(batch)[i];

		weir_buf_addf(ret_text, "span resource=%u kind=%u", span->resource, span->kind);
		id_dump("trace", span->trace_id, sizeof(span->trace_id), ret_text);
		id_dump("id", span->span_id, sizeof(span->span_id), ret_text);
		id_dump("parent", span->parent_id, sizeof(span->parent_id), ret_text);
		text_dump(batch, "name", span->name, ret_text);
		number_dump("start", span->start_ns, ret_text);
		number_dump("duration", span->duration_ns, ret_text);
		number_dump("status", span->status, ret_text);
		text_dump(batch, "message", span->status_message, ret_text);
		number_dump("flags", span->flags, ret_text);
		number_dump("w3c", span->w3c_flags, ret_text);
		text_dump(batch, "state", span->trace_state, ret_text);
		text_dump(batch, "peer", span->peer, ret_text);
		address_dump(&span->peer_address, ret_text);
		number_dump("dropped_attrs", span->dropped_attrs, ret_text);
		number_dump("dropped_events", span->dropped_events, ret_text);
		number_dump("dropped_links", span->dropped_links, ret_text);
		weir_buf_add_char(ret_text, '\n');
		attrs_dump(batch, "  ", span->attr_first, span->attr_count, ret_text);
		events_dump(batch, span, ret_text);
	}
}

/* ---- points ----------------------------------------------------------------- */

static void reals_dump(const struct weir_batch *batch, const char *name, struct weir_ref array, struct weir_buf *out)
{
	for (uint32_t i = 0; i < array.length / 8; i++) {
		weir_buf_addf(out, "%s%.17g", i == 0 ? name : ",", weir_batch_real(batch, array, i));
	}
}

static void counts_dump(const struct weir_batch *batch, const char *name, struct weir_ref array, struct weir_buf *out)
{
	for (uint32_t i = 0; i < array.length / 8; i++) {
		weir_buf_addf(out, "%s%" PRIu64, i == 0 ? name : ",", weir_batch_number(batch, array, i));
	}
}

static void point_dump(const struct weir_batch *batch, const struct weir_point *point, struct weir_buf *out)
{
	unsigned kind = weir_batch_instruments(batch)[point->instrument].kind;
	bool is_number = kind == WEIR_INSTRUMENT_GAUGE || kind == WEIR_INSTRUMENT_SUM;

	weir_buf_addf(out, "point instrument=%u flags=%u", point->instrument, point->flags);
	number_dump("start", point->start_ns, out);
	number_dump("time", point->time_ns, out);
	if (is_number && (point->flags & WEIR_POINT_IS_INT) != 0) {
		weir_buf_addf(out, " int=%" PRId64, point->value.integer);
	} else if (is_number) {
		weir_buf_addf(out, " real=%.17g", point->value.real);
	} else {
		weir_buf_addf(out, " count=%" PRIu64 " sum=%.17g min=%.17g max=%.17g", point->count, point->sum,
			point->min, point->max);
	}
	reals_dump(batch, " bounds=", point->bounds, out);
	(kind == WEIR_INSTRUMENT_SUMMARY ? reals_dump : counts_dump)(batch, " counts=", point->counts, out);
	counts_dump(batch, " negative=", point->negative, out);
	if (kind == WEIR_INSTRUMENT_EXPONENTIAL) {
		weir_buf_addf(out, " scale=%d offsets=%d,%d zero=%" PRIu64 " below=%.17g", point->scale,
			point->positive_offset, point->negative_offset, point->zero_count, point->zero_threshold);
	}
	if ((point->flags & WEIR_POINT_HAS_EXEMPLAR) != 0) {
		weir_buf_addf(out, " exemplar=%.17g at=%" PRIu64, point->exemplar_value, point->exemplar_ns);
		id_dump("trace", point->exemplar_trace, sizeof(point->exemplar_trace), out);
		id_dump("span", point->exemplar_span, sizeof(point->exemplar_span), out);
	}
	weir_buf_add_char(out, '\n');
	attrs_dump(batch, "  ", point->attr_first, point->attr_count, out);
}

void dump_points(const struct weir_batch *batch, struct weir_buf *ret_text)
{
	head_dump(batch, ret_text);
	number_dump("no_value", batch->dropped[WEIR_DROP_NO_VALUE], ret_text);
	weir_buf_add_char(ret_text, '\n');
	for (uint32_t i = 0; i < batch->instruments.count; i++) {
		const struct weir_instrument *instrument = &weir_batch_instruments(batch)[i];

		weir_buf_addf(ret_text, "instrument %u resource=%u kind=%u temporality=%u monotonic=%u naming=%u", i,
			instrument->resource, instrument->kind, instrument->temporality, instrument->is_monotonic,
			instrument->naming);
		text_dump(batch, "name", instrument->name, ret_text);
		text_dump(batch, "unit", instrument->unit, ret_text);
		text_dump(batch, "description", instrument->description, ret_text);
		weir_buf_add_char(ret_text, '\n');
	}
	for (uint32_t i = 0; i < batch->points.count; i++) {
		point_dump(batch, &weir_batch_points(batch)[i], ret_text);
	}
}

/* ---- logs ---------------------------------------------------------------------- */

static void call_dump(const struct weir_batch *batch, const struct weir_call *call, struct weir_buf *out)
{
	weir_buf_addf(out, " reporter=%u protocol=%u security=%u", call->reporter, call->protocol, call->security);
	number_dump("response_flags", call->response_flags, out);
	text_dump(batch, "proxy", call->proxy, out);
	text_dump(batch, "host", call->service_host, out);
	text_dump(batch, "service", call->service_name, out);
	text_dump(batch, "namespace", call->service_namespace, out);
	text_dump(batch, "from", call->source_principal, out);
	text_dump(batch, "to", call->destination_principal, out);
	if (call->source != WEIR_NONE) {
		text_dump(batch, "source", weir_batch_workloads(batch)[call->source].name, out);
	}
	if (call->destination != WEIR_NONE) {
		text_dump(batch, "destination", weir_batch_workloads(batch)[call->destination].name, out);
	}
}

static void told_dump(const struct weir_batch *batch, struct weir_buf *out)
{
	for (uint32_t i = 0; i < batch->requests.count; i++) {
		const struct weir_request *request = &weir_batch_requests(batch)[i];

		weir_buf_addf(out,
			"request %u code=%u grpc=%d method=%u start=%" PRIu64 " duration=%" PRIu64 " bytes=%" PRIu64
			",%" PRIu64,
			i, request->response_code, request->grpc_status, request->method, request->start_ns,
			request->duration_ns, request->request_bytes, request->response_bytes);
		call_dump(batch, &request->call, out);
		text_dump(batch, "authority", request->authority, out);
		text_dump(batch, "path", request->path, out);
		text_dump(batch, "cluster", request->upstream_cluster, out);
		text_dump(batch, "details", request->code_details, out);
		text_dump(batch, "trace", request->trace_id, out);
		weir_buf_add_char(out, '\n');
	}
	for (uint32_t i = 0; i < batch->connections.count; i++) {
		const struct weir_connection *connection = &weir_batch_connections(batch)[i];

		weir_buf_addf(out,
			"connection %u state=%u start=%" PRIu64 " duration=%" PRIu64 " bytes=%" PRIu64 ",%" PRIu64, i,
			connection->state, connection->start_ns, connection->duration_ns, connection->received_bytes,
			connection->sent_bytes);
		call_dump(batch, &connection->call, out);
		text_dump(batch, "cluster", connection->upstream_cluster, out);
		weir_buf_add_char(out, '\n');
	}
}

void dump_logs(const struct weir_batch *batch, struct weir_buf *ret_text)
{
	head_dump(batch, ret_text);
	for (uint32_t i = 0; i < batch->logs.count; i++) {
		const struct weir_log *log = &weir_batch_logs(batch)[i];

		weir_buf_addf(ret_text, "log resource=%u severity=%u", log->resource, log->severity);
		number_dump("time", log->time_ns, ret_text);
		number_dump("observed", log->observed_ns, ret_text);
		text_dump(batch, "text", log->severity_text, ret_text);
		text_dump(batch, "event", log->event_name, ret_text);
		id_dump("trace", log->trace_id, sizeof(log->trace_id), ret_text);
		id_dump("span", log->span_id, sizeof(log->span_id), ret_text);
		number_dump("w3c", log->w3c_flags, ret_text);
		number_dump("dropped_attrs", log->dropped_attrs, ret_text);
		if (log->request != WEIR_NONE) {
			weir_buf_addf(ret_text, " request=%u", log->request);
		}
		weir_buf_add_text(ret_text, "\n  body ");
		value_dump(batch, &log->body, ret_text);
		attrs_dump(batch, "  ", log->attr_first, log->attr_count, ret_text);
	}
	told_dump(batch, ret_text);
}
