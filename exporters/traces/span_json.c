/* span_json: a span in Zipkin's words.
 *
 * Fields come in the reference's order: traceId parentId id kind name timestamp
 * duration localEndpoint remoteEndpoint annotations tags debug shared; unset
 * ones are left out. Names are lower-cased. Tags are sorted by key, annotations
 * by time and value, both without doubles, as Zipkin keeps them.
 *
 * A span that came by OTLP follows OpenTelemetry's "Zipkin exporter"
 * transformation:
 *  1. service.name is the local endpoint; the other resource attributes are
 *     tags, a span's own attribute of the same key wins.
 *  2. Attribute values become text; arrays and maps JSON; bytes base64.
 *  3. Status OK or ERROR is the tag otel.status_code; ERROR also sets the tag
 *     `error` to the status' message (or to an `error` attribute's value, or
 *     empty). Since in Zipkin the very presence of `error` means one, an `error`
 *     attribute of a span that is no error (`error=false`) is left out.
 *  4. Scope is otel.scope.name and otel.scope.version; what the sender dropped
 *     is otel.dropped_{attributes,events,links}_count.
 *  5. Events are annotations: the name, or `"name":{attributes}`.
 *  6. Nanoseconds are cut to microseconds; a known duration is at least 1. */
#include "exporters/traces/span_json.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct tag {
	struct weir_str key, value;
	uint32_t order; /* of equal keys the last wins */
};

struct tags {
	struct weir_arena *arena;
	struct tag *items;
	uint32_t count, room;
	int error;
};

struct annotation {
	uint64_t time_us;
	struct weir_str value;
};

static bool is_otlp(const struct weir_batch *batch)
{
	return batch->protocol != WEIR_PROTOCOL_ZIPKIN_HTTP;
}

static void tag_add(struct tags *tags, struct weir_str key, struct weir_str value)
{
	if (tags->count == tags->room) {
		uint32_t room = tags->room != 0 ? tags->room * 2 : 32;
		struct tag *items = weir_arena_alloc(tags->arena, room * sizeof(*items));

		if (items == NULL) {
			tags->error = -ENOMEM;
			return;
		}
		if (tags->count > 0) {
			memcpy(items, tags->items, tags->count * sizeof(*items));
		}
		tags->items = items;
		tags->room = room;
	}
	tags->items[tags->count] = (struct tag){ key, value, tags->count };
	tags->count++;
}

static void tag_add_count(struct tags *tags, const char *key, uint32_t value)
{
	char text[16];
	int n;

	if (value > 0) {
		n = snprintf(text, sizeof(text), "%u", value);
		tag_add(tags, weir_str_of(key), weir_arena_copy(tags->arena, weir_str_make(text, (size_t)n)));
	}
}

static struct weir_str base64(struct weir_arena *arena, struct weir_str bytes)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const unsigned char *from = (const unsigned char *)bytes.data;
	size_t length = (bytes.length + 2) / 3 * 4;
	char *out = weir_arena_alloc(arena, length + 1), *at = out;

	if (out == NULL) {
		return (struct weir_str){ NULL, 0 };
	}
	for (size_t i = 0; i < bytes.length; i += 3) {
		size_t left = bytes.length - i;
		unsigned a = from[i], b = left > 1 ? from[i + 1] : 0, c = left > 2 ? from[i + 2] : 0;

		*at++ = letters[a >> 2];
		*at++ = letters[(a & 3) << 4 | b >> 4];
		*at++ = left > 1 ? letters[(b & 15) << 2 | c >> 6] : '=';
		*at++ = left > 2 ? letters[c & 63] : '=';
	}
	return weir_str_make(out, length);
}

static struct weir_str attr_text(struct weir_arena *arena, const struct weir_batch *batch, const struct weir_attr *attr)
{
	char text[WEIR_JSON_WRITE_NUMBER];
	size_t n;

	switch ((enum weir_attr_type)attr->type) {
	case WEIR_ATTR_STRING:
	case WEIR_ATTR_JSON:
		return weir_batch_str(batch, attr->value.text);
	case WEIR_ATTR_BOOL:
		return weir_str_of(attr->value.number != 0 ? "true" : "false");
	case WEIR_ATTR_INT:
		n = (size_t)snprintf(text, sizeof(text), "%lld", (long long)attr->value.number);
		return weir_arena_copy(arena, weir_str_make(text, n));
	case WEIR_ATTR_DOUBLE:
		n = weir_json_write_number(text, attr->value.real);
		return weir_arena_copy(arena, weir_str_make(text, n));
	case WEIR_ATTR_BYTES:
		return base64(arena, weir_batch_str(batch, attr->value.text));
	case WEIR_ATTR_EMPTY:
		break;
	}
	return weir_str_of("");
}

static void tags_of_attrs(
	struct tags *tags, const struct weir_batch *batch, uint32_t first, uint32_t count, bool leave_error_out)
{
	const struct weir_attr *attrs = weir_batch_attrs(batch) + first;

	for (uint32_t i = 0; i < count; i++) {
		struct weir_str key = weir_batch_str(batch, attrs[i].key);

		if (!leave_error_out || !weir_str_is(key, "error")) {
			tag_add(tags, key, attr_text(tags->arena, batch, &attrs[i]));
		}
	}
}

static void tags_of_resource(struct tags *tags, const struct weir_batch *batch, const struct weir_resource *resource)
{
	const struct weir_attr *attrs = weir_batch_attrs(batch) + resource->attr_first;

	for (uint32_t i = 0; i < resource->attr_count; i++) {
		struct weir_str key = weir_batch_str(batch, attrs[i].key);

		if (!weir_str_is(key, "service.name")) {
			tag_add(tags, key, attr_text(tags->arena, batch, &attrs[i]));
		}
	}
	if (resource->scope_name.length > 0) {
		tag_add(tags, weir_str_of("otel.scope.name"), weir_batch_str(batch, resource->scope_name));
	}
	if (resource->scope_version.length > 0) {
		tag_add(tags, weir_str_of("otel.scope.version"), weir_batch_str(batch, resource->scope_version));
	}
}

static void tags_of_status(struct tags *tags, const struct weir_batch *batch, const struct weir_span *span)
{
	struct weir_str message = weir_batch_str(batch, span->status_message);
	bool has_error = false;

	if (span->status != 1 && span->status != 2) {
		return;
	}
	tag_add(tags, weir_str_of("otel.status_code"), weir_str_of(span->status == 2 ? "ERROR" : "OK"));
	for (uint32_t i = 0; i < tags->count; i++) {
		has_error |= weir_str_is(tags->items[i].key, "error");
	}
	if (span->status == 2 && (message.length > 0 || !has_error)) {
		tag_add(tags, weir_str_of("error"), message);
	}
}

static void tags_of_part(struct tags *tags, const struct weir_query_span *part)
{
	const struct weir_batch *batch = part->batch;
	const struct weir_span *span = part->span;

	if (!is_otlp(batch)) {
		tags_of_attrs(tags, batch, span->attr_first, span->attr_count, false);
		return;
	}
	tags_of_resource(tags, batch, &weir_batch_resources(batch)[span->resource]);
	tags_of_attrs(tags, batch, span->attr_first, span->attr_count, (span->flags & WEIR_SPAN_ERROR) == 0);
	tags_of_status(tags, batch, span);
	tag_add_count(tags, "otel.dropped_attributes_count", span->dropped_attrs);
	tag_add_count(tags, "otel.dropped_events_count", span->dropped_events);
	tag_add_count(tags, "otel.dropped_links_count", span->dropped_links);
}

static int compare_str(struct weir_str a, struct weir_str b)
{
	size_t n = a.length < b.length ? a.length : b.length;
	int order = n > 0 ? memcmp(a.data, b.data, n) : 0;

	return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int compare_tags(const void *left, const void *right)
{
	const struct tag *a = left, *b = right;
	int order = compare_str(a->key, b->key);

	return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

static int write_tags(struct weir_json_write *json, struct weir_arena *arena, const struct weir_merge_span *span)
{
	struct tags tags = { .arena = arena };

	for (uint32_t i = 0; i < span->part_count; i++) {
		tags_of_part(&tags, &span->parts[i]);
	}
	if (tags.count == 0) {
		return tags.error;
	}
	qsort(tags.items, tags.count, sizeof(*tags.items), compare_tags);
	weir_json_write_key(json, "tags");
	weir_json_write_open(json, '{');
	for (uint32_t i = 0; i < tags.count; i++) {
		if (i + 1 == tags.count || !weir_str_equal(tags.items[i].key, tags.items[i + 1].key)) {
			weir_json_write_key_str(json, tags.items[i].key);
			weir_json_write_str(json, tags.items[i].value);
		}
	}
	weir_json_write_close(json, '}');
	return tags.error;
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
		weir_json_write_raw(json, attr_text(arena, batch, attr));
		break;
	case WEIR_ATTR_STRING:
	case WEIR_ATTR_BYTES:
	case WEIR_ATTR_EMPTY:
		weir_json_write_str(json, attr_text(arena, batch, attr));
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
	static const uint8_t nothing[16], mapped[12] = { [10] = 0xff, [11] = 0xff };
	bool has_ip = memcmp(address->ip, nothing, 16) != 0;
	bool is_v4 = memcmp(address->ip, mapped, 12) == 0;
	char text[INET6_ADDRSTRLEN];

	if (service.length == 0 && !has_ip && address->port == 0) {
		return;
	}
	weir_json_write_key(json, key);
	weir_json_write_open(json, '{');
	if (service.length > 0) {
		weir_json_write_key(json, "serviceName");
		weir_json_write_lower(json, service);
	}
	if (has_ip && inet_ntop(is_v4 ? AF_INET : AF_INET6, address->ip + (is_v4 ? 12 : 0), text, sizeof(text))) {
		weir_json_write_key(json, is_v4 ? "ipv4" : "ipv6");
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
