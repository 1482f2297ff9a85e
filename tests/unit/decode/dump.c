/* dump: every field of a span batch, one line a row; unset ones are left out. */
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

static void attrs_dump(
	const struct weir_batch *batch, const char *indent, uint32_t first, uint32_t count, struct weir_buf *out)
{
	for (uint32_t i = first; i < first + count; i++) {
		const struct weir_attr *attr = &weir_batch_attrs(batch)[i];
		struct weir_str key = weir_batch_str(batch, attr->key), text;

		weir_buf_addf(out, "%s%.*s = ", indent, (int)key.length, key.data);
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
			weir_buf_addf(out, "%s \"%.*s\"\n", attr->type == WEIR_ATTR_JSON ? "json" : "string",
				(int)text.length, text.data);
			break;
		}
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

void dump_spans(const struct weir_batch *batch, struct weir_buf *ret_text)
{
	weir_buf_addf(ret_text, "offered=%u kept=%u invalid=%u replaced=%u\n", batch->offered, batch->kept,
		batch->dropped[WEIR_DROP_INVALID], batch->replaced_utf8);
	for (uint32_t i = 0; i < batch->resources.count; i++) {
		resource_dump(batch, i, ret_text);
	}
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
