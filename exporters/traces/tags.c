/* tags: what becomes a tag. Zipkin's own spans keep theirs; a span that came by
 * OTLP follows OpenTelemetry's "Zipkin exporter" transformation:
 *
 *  1. Resource attributes are tags but for service.name (it is the local
 *     endpoint); a span's own attribute of the same key wins.
 *  2. Attribute values become text; arrays and maps JSON; bytes base64.
 *  3. Status OK or ERROR is the tag otel.status_code; ERROR also sets the tag
 *     `error` to the status' message (or to an `error` attribute's value, or
 *     empty). Since in Zipkin the very presence of `error` means one, an `error`
 *     attribute of a span that is no error (`error=false`) is left out.
 *  4. Scope is otel.scope.name and otel.scope.version; what the sender dropped
 *     is otel.dropped_{attributes,events,links}_count. */
#include "exporters/traces/tags.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "exporters/json_write.h"

static bool is_otlp(const struct weir_batch *batch)
{
	return batch->protocol != WEIR_PROTOCOL_ZIPKIN_HTTP && batch->protocol != WEIR_PROTOCOL_ZIPKIN_GRPC;
}

static void tag_add(struct weir_tags *tags, struct weir_str key, struct weir_str value)
{
	if (tags->count == tags->room) {
		uint32_t room = tags->room != 0 ? tags->room * 2 : 32;
		struct weir_tags_tag *items = weir_arena_alloc(tags->arena, room * sizeof(*items));

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
	tags->items[tags->count] = (struct weir_tags_tag){ key, value, tags->count };
	tags->count++;
}

static void tag_add_count(struct weir_tags *tags, const char *key, uint32_t value)
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
	size_t length = weir_base64_length(bytes.length);
	char *out = weir_arena_alloc(arena, length + 1);

	if (out == NULL) {
		return (struct weir_str){ NULL, 0 };
	}
	weir_base64_write(out, bytes);
	return weir_str_make(out, length);
}

struct weir_str weir_tags_text(struct weir_arena *arena, const struct weir_batch *batch, const struct weir_attr *attr)
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
	struct weir_tags *tags, const struct weir_batch *batch, uint32_t first, uint32_t count, bool leave_error_out)
{
	const struct weir_attr *attrs = weir_batch_attrs(batch) + first;

	for (uint32_t i = 0; i < count; i++) {
		struct weir_str key = weir_batch_str(batch, attrs[i].key);

		if (!leave_error_out || !weir_str_is(key, "error")) {
			tag_add(tags, key, weir_tags_text(tags->arena, batch, &attrs[i]));
		}
	}
}

static void tags_of_resource(
	struct weir_tags *tags, const struct weir_batch *batch, const struct weir_resource *resource)
{
	const struct weir_attr *attrs = weir_batch_attrs(batch) + resource->attr_first;

	for (uint32_t i = 0; i < resource->attr_count; i++) {
		struct weir_str key = weir_batch_str(batch, attrs[i].key);

		if (!weir_str_is(key, "service.name")) {
			tag_add(tags, key, weir_tags_text(tags->arena, batch, &attrs[i]));
		}
	}
	if (resource->scope_name.length > 0) {
		tag_add(tags, weir_str_of("otel.scope.name"), weir_batch_str(batch, resource->scope_name));
	}
	if (resource->scope_version.length > 0) {
		tag_add(tags, weir_str_of("otel.scope.version"), weir_batch_str(batch, resource->scope_version));
	}
}

static void tags_of_status(struct weir_tags *tags, const struct weir_batch *batch, const struct weir_span *span)
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

static void tags_of_part(struct weir_tags *tags, const struct weir_query_span *part)
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
	const struct weir_tags_tag *a = left, *b = right;
	int order = compare_str(a->key, b->key);

	return order != 0 ? order : (a->order > b->order) - (a->order < b->order);
}

int weir_tags_of_span(struct weir_tags *ret, struct weir_arena *arena, const struct weir_merge_span *span)
{
	uint32_t kept = 0;

	*ret = (struct weir_tags){ .arena = arena };
	for (uint32_t i = 0; i < span->part_count; i++) {
		tags_of_part(ret, &span->parts[i]);
	}
	if (ret->error != 0 || ret->count == 0) {
		return ret->error;
	}
	qsort(ret->items, ret->count, sizeof(*ret->items), compare_tags);
	for (uint32_t i = 0; i < ret->count; i++) {
		if (i + 1 == ret->count || !weir_str_equal(ret->items[i].key, ret->items[i + 1].key)) {
			ret->items[kept++] = ret->items[i];
		}
	}
	ret->count = kept;
	return 0;
}
