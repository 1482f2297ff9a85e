/* maker: traces for the tests of this room; see the header. The tables lie one
 * behind the other in a block that is large enough for any test. */
#include "maker.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define BLOCK (64u << 10)

struct making {
	struct weir_batch *batch;
	struct weir_span *spans;
	struct weir_resource *resources;
	struct weir_attr *attrs;
	struct weir_event *events;
	uint32_t pool;
};

static struct weir_ref text_add(struct making *making, const char *text)
{
	struct weir_ref ref = { making->pool, text != NULL ? (uint32_t)strlen(text) : 0 };

	weir_assert(making->pool + ref.length <= BLOCK);
	if (ref.length > 0) {
		memcpy((char *)making->batch + ref.offset, text, ref.length);
	}
	making->pool += ref.length;
	return ref;
}

static uint32_t tags_add(struct making *making, const struct maker_tag *tags, uint32_t most, uint32_t *ret_count)
{
	uint32_t first = making->batch->attrs.count;

	for (uint32_t i = 0; i < most && tags[i].key != NULL; i++) {
		struct weir_attr *attr = &making->attrs[making->batch->attrs.count++];

		attr->key = text_add(making, tags[i].key);
		attr->type = tags[i].type;
		if (tags[i].text != NULL) {
			attr->value.text = text_add(making, tags[i].text);
		} else if (tags[i].type == WEIR_ATTR_DOUBLE) {
			attr->value.real = tags[i].real;
		} else {
			attr->value.number = tags[i].number;
		}
	}
	*ret_count = making->batch->attrs.count - first;
	return first;
}

static void put_big(uint8_t *out, uint64_t value)
{
	for (unsigned i = 0; i < 8; i++) {
		out[i] = (uint8_t)(value >> (56 - 8 * i));
	}
}

static void resource_add(struct making *making, const struct maker_span *from)
{
	struct weir_resource *resource = &making->resources[making->batch->resources.count++];

	resource->service = text_add(making, from->service);
	resource->scope_name = text_add(making, from->scope);
	resource->address.port = (uint16_t)from->port;
	if (from->ip != 0) {
		const uint8_t ip[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = (uint8_t)from->ip };

		memcpy(resource->address.ip, ip, 16);
	}
	resource->attr_first = tags_add(making, from->resource_tags, 2, &resource->attr_count);
}

static void span_add(struct making *making, const struct maker_span *from)
{
	struct weir_span *span = &making->spans[making->batch->spans.count++];

	span->resource = making->batch->resources.count;
	resource_add(making, from);
	put_big(span->trace_id, from->trace_high);
	put_big(span->trace_id + 8, from->trace_high == 0 && from->trace_low == 0 ? 0x1234 : from->trace_low);
	put_big(span->span_id, from->id);
	put_big(span->parent_id, from->parent);
	span->kind = (uint8_t)from->kind;
	span->status = (uint8_t)from->status;
	span->flags = (uint8_t)(from->flags | (from->start_us == 0 ? WEIR_SPAN_NO_START : 0u));
	span->start_ns = from->start_us * 1000;
	span->duration_ns = from->duration_ns;
	span->name = text_add(making, from->name);
	span->peer = text_add(making, from->peer);
	span->status_message = text_add(making, from->message);
	span->attr_first = tags_add(making, from->tags, 6, &span->attr_count);
	span->event_first = making->batch->events.count;
	if (from->event != NULL) {
		struct weir_event *event = &making->events[making->batch->events.count++];

		span->event_count = 1;
		event->time_ns = span->start_ns + 7000;
		event->name = text_add(making, from->event);
		event->attr_first = tags_add(making, from->event_tags, 2, &event->attr_count);
	}
}

struct weir_query_trace maker_trace(enum weir_protocol protocol, const struct maker_span spans[MAKER_SPANS])
{
	struct weir_query_trace trace = { 0 };
	struct making making = { .batch = calloc(1, BLOCK) };
	uint32_t at = sizeof(struct weir_batch);

	weir_assert(making.batch != NULL);
	making.batch->version = WEIR_BATCH_VERSION;
	making.batch->size_bytes = BLOCK;
	making.batch->protocol = (uint8_t)protocol;
	making.batch->signal = WEIR_SIGNAL_SPAN;
	making.batch->spans.offset = at;
	making.spans = (struct weir_span *)((char *)making.batch + at);
	at += MAKER_SPANS * sizeof(struct weir_span);
	making.batch->resources.offset = at;
	making.resources = (struct weir_resource *)((char *)making.batch + at);
	at += MAKER_SPANS * sizeof(struct weir_resource);
	making.batch->attrs.offset = at;
	making.attrs = (struct weir_attr *)((char *)making.batch + at);
	at += 10 * MAKER_SPANS * sizeof(struct weir_attr);
	making.batch->events.offset = at;
	making.events = (struct weir_event *)((char *)making.batch + at);
	making.pool = at + MAKER_SPANS * (uint32_t)sizeof(struct weir_event);
	trace.spans = calloc(MAKER_SPANS, sizeof(*trace.spans));
	weir_assert(trace.spans != NULL);
	for (uint32_t i = 0; i < MAKER_SPANS && spans[i].id != 0; i++) {
		span_add(&making, &spans[i]);
		trace.spans[i] = (struct weir_query_span){ making.batch, &making.spans[i] };
		trace.span_count++;
	}
	memcpy(trace.trace_id, making.spans[0].trace_id, 16);
	return trace;
}

void maker_free(struct weir_query_trace *trace)
{
	if (trace->spans != NULL && trace->span_count > 0) {
		/* The batch is ours: const only for its readers. */
		const void *batch = trace->spans[0].batch;
		void *own;

		memcpy(&own, &batch, sizeof(own));
		free(own);
	}
	free(trace->spans);
	*trace = (struct weir_query_trace){ 0 };
}
