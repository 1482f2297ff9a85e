/* span_json: a span in Zipkin's words.
 *
 * Fields come in the reference's order: traceId parentId id kind name timestamp
 * duration localEndpoint remoteEndpoint annotations tags debug shared; unset
 * ones are left out. Names are lower-cased. Tags are sorted by key, annotations
 * by time and value, both without doubles, as Zipkin keeps them.
 *
 * A span that came by OTLP follows OpenTelemetry's "Zipkin exporter"
 * transformation: its tags by the rules of tags.c; events are annotations, the
 * name or `"name":{attributes}`; nanoseconds are cut to microseconds, and a
 * known duration is at least 1. */
#include "exporters/traces/span_json.h"

#include <errno.h>
#include <stdlib.h>

#include "base/ip.h"
#include "exporters/traces/tags.h"

struct annotation {
	uint64_t time_us;
	struct weir_str value;
};

static int compare_str(struct weir_str a, struct weir_str b)
{
	size_t n = a.length < b.length ? a.length : b.length;
	int order = n > 0 ? memcmp(a.data, b.data, n) : 0;

	return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int write_tags(struct weir_json_write *json, struct weir_arena *arena, const struct weir_merge_span *span)
{
	struct weir_tags tags;
	int result = weir_tags_of_span(&tags, arena, span);

	if (result != 0 || tags.count == 0) {
		return result;
	}
	weir_json_write_key(json, "tags");
	weir_json_write_open(json, '{');
	for (uint32_t i = 0; i < tags.count; i++) {
		weir_json_write_key_str(json, tags.items[i].key);
		weir_json_write_str(json, tags.items[i].value);
	}
	weir_json_write_close(json, '}');
	return 0;
}

static void write_attr_value(struct weir_json_write *json, struct weir_arena *arena, const struct weir_batch *batch,
	const struct weir_attr *attr)
{
	switch ((enum weir_attr_type)attr->type) {
	case WEIR_ATTR_BOOL:
		weir_json_write_bool(json, attr->value.number != 0);
		break;
	case WEIR_ATTR_DOUBLE:
		weir_json_write_double(json, attr->value.real);
		break;
	case WEIR_ATTR_INT:
	case WEIR_ATTR_JSON:
		weir_json_write_raw(json, weir_tags_text(arena, batch, attr));
		break;
	case WEIR_ATTR_STRING:
	case WEIR_ATTR_BYTES:
	case WEIR_ATTR_EMPTY:
		weir_json_write_str(json, weir_tags_text(arena, batch, attr));
		break;
	}
}

/* Rule 5. Data NULL: the arena is full. */
static struct weir_str event_text(
	struct weir_arena *arena, const struct weir_batch *batch, const struct weir_event *event)
{
	const struct weir_attr *attrs = weir_batch_attrs(batch) + event->attr_first;
	struct weir_str name = weir_batch_str(batch, event->name), value = { NULL, 0 };
	struct weir_json_write json;
	struct weir_buf text;

	if (event->attr_count == 0) {
		return name;
	}
	weir_buf_init(&text, 0);
	weir_json_write_init(&json, &text);
	weir_json_write_key_str(&json, name);
	weir_json_write_open(&json, '{');
	for (uint32_t i = 0; i < event->attr_count; i++) {
		weir_json_write_key_str(&json, weir_batch_str(batch, attrs[i].key));
		write_attr_value(&json, arena, batch, &attrs[i]);
	}
	weir_json_write_close(&json, '}');
	if (weir_buf_error(&text) == 0) {
		value = weir_arena_copy(arena, weir_buf_str(&text));
	}
	weir_buf_fini(&text);
	return value;
}

static int compare_annotations(const void *left, const void *right)
{
	const struct annotation *a = left, *b = right;

	return a->time_us != b->time_us ? (a->time_us < b->time_us ? -1 : 1) : compare_str(a->value, b->value);
}

static int write_annotations(struct weir_json_write *json, struct weir_arena *arena, const struct weir_merge_span *span)
{
	struct annotation *items;
	uint32_t room = 0, count = 0;

	for (uint32_t i = 0; i < span->part_count; i++) {
		room += span->parts[i].span->event_count;
	}
	if (room == 0) {
		return 0;
	}
	items = weir_arena_alloc(arena, room * sizeof(*items));
	if (items == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < span->part_count; i++) {
		const struct weir_query_span *part = &span->parts[i];
		const struct weir_event *events = weir_batch_events(part->batch) + part->span->event_first;

		for (uint32_t j = 0; j < part->span->event_count; j++) {
			items[count].time_us = events[j].time_ns / 1000;
			items[count].value = event_text(arena, part->batch, &events[j]);
			if (items[count++].value.data == NULL) {
				return -ENOMEM;
			}
		}
	}
	qsort(items, count, sizeof(*items), compare_annotations);
	weir_json_write_key(json, "annotations");
	weir_json_write_open(json, '[');
	for (uint32_t i = 0; i < count; i++) {
		if (i > 0 && compare_annotations(&items[i - 1], &items[i]) == 0) {
			continue;
		}
		weir_json_write_open(json, '{');
		weir_json_write_key(json, "timestamp");
		weir_json_write_u64(json, items[i].time_us);
		weir_json_write_key(json, "value");
		weir_json_write_str(json, items[i].value);
		weir_json_write_close(json, '}');
	}
	weir_json_write_close(json, ']');
	return 0;
}

static void write_endpoint(
	struct weir_json_write *json, const char *key, struct weir_str service, const struct weir_address *address)
{
	static const uint8_t nothing[16];
	bool has_ip = memcmp(address->ip, nothing, 16) != 0;
	char text[WEIR_IP_TEXT_MAX];

	if (service.length == 0 && !has_ip && address->port == 0) {
		return;
	}
	weir_json_write_key(json, key);
	weir_json_write_open(json, '{');
	if (service.length > 0) {
		weir_json_write_key(json, "serviceName");
		weir_json_write_lower(json, service);
	}
	if (has_ip) {
		weir_ip_write(address->ip, text);
		weir_json_write_key(json, weir_ip_is_v4(address->ip) ? "ipv4" : "ipv6");
		weir_json_write_text(json, text);
	}
	if (address->port != 0) {
		weir_json_write_key(json, "port");
		weir_json_write_u64(json, address->port);
	}
	weir_json_write_close(json, '}');
}

static void write_head(struct weir_json_write *json, const uint8_t trace_id[16], const struct weir_merge_span *span)
{
	static const char *const kinds[] = { [WEIR_SPAN_SERVER] = "SERVER",
		[WEIR_SPAN_CLIENT] = "CLIENT",
		[WEIR_SPAN_PRODUCER] = "PRODUCER",
		[WEIR_SPAN_CONSUMER] = "CONSUMER" };
	static const uint8_t nothing[8];
	bool is_short = memcmp(trace_id, nothing, 8) == 0;

	weir_json_write_key(json, "traceId");
	weir_json_write_hex(json, trace_id + (is_short ? 8 : 0), is_short ? 8 : 16);
	if (weir_merge_has_parent(span)) {
		weir_json_write_key(json, "parentId");
		weir_json_write_hex(json, span->parent_id, 8);
	}
	weir_json_write_key(json, "id");
	weir_json_write_hex(json, span->id, 8);
	if (span->kind < sizeof(kinds) / sizeof(kinds[0]) && kinds[span->kind] != NULL) {
		weir_json_write_key(json, "kind");
		weir_json_write_text(json, kinds[span->kind]);
	}
	if (span->name.length > 0) {
		weir_json_write_key(json, "name");
		weir_json_write_lower(json, span->name);
	}
	if (span->has_start && span->start_ns >= 1000) {
		weir_json_write_key(json, "timestamp");
		weir_json_write_u64(json, span->start_ns / 1000);
	}
	if (span->has_duration) {
		weir_json_write_key(json, "duration");
		weir_json_write_u64(json, span->duration_ns >= 1000 ? span->duration_ns / 1000 : 1);
	}
}

int weir_span_json_write(struct weir_json_write *json, struct weir_arena *arena, const uint8_t trace_id[16],
	const struct weir_merge_span *span)
{
	int result;

	weir_json_write_open(json, '{');
	write_head(json, trace_id, span);
	write_endpoint(json, "localEndpoint", span->service, &span->address);
	write_endpoint(json, "remoteEndpoint", span->peer, &span->peer_address);
	result = write_annotations(json, arena, span);
	if (result == 0) {
		result = write_tags(json, arena, span);
	}
	if (span->is_debug) {
		weir_json_write_key(json, "debug");
		weir_json_write_bool(json, true);
	}
	if (span->is_shared) {
		weir_json_write_key(json, "shared");
		weir_json_write_bool(json, true);
	}
	weir_json_write_close(json, '}');
	return result;
}
