/* fuzz_otlp_trace: any bytes through the OTLP decoder, with protobuf-c's
 * generated types as oracle: both must agree on what is malformed, and on every
 * span's ids, name, attributes and counts. What cannot be compared (oracle.h)
 * is only decoded. */
#include <stdint.h>

#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"

#include "base/err.h"
#include "decode/otlp/trace.h"
#include "oracle.h"

typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest Request;
typedef Opentelemetry__Proto__Trace__V1__ResourceSpans ResourceSpans;
typedef Opentelemetry__Proto__Trace__V1__Span Span;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* True when the oracle's span is one that is kept; then `row` is it. */
static bool span_compare(const struct weir_batch *batch, uint32_t row, const Span *expected)
{
	const struct weir_span *span = &weir_batch_spans(batch)[row];
	uint32_t links = 0;

	if (!oracle_is_id(expected->trace_id, 16) || !oracle_is_id(expected->span_id, 8) ||
		(expected->parent_span_id.len != 0 && expected->parent_span_id.len != 8)) {
		return false;
	}
	weir_assert(row < batch->spans.count);
	weir_assert(memcmp(span->trace_id, expected->trace_id.data, 16) == 0);
	weir_assert(memcmp(span->span_id, expected->span_id.data, 8) == 0);
	weir_assert(span->start_ns == expected->start_time_unix_nano && span->w3c_flags == expected->flags);
	oracle_compare_text(batch, span->name, expected->name);
	oracle_compare_text(batch, span->trace_state, expected->trace_state);
	oracle_compare_attrs(batch, span->attr_first, span->attr_count, expected->attributes, expected->n_attributes);
	weir_assert(span->event_count == expected->n_events);
	for (uint32_t i = 0; i < span->event_count; i++) {
		const struct weir_event *event = &weir_batch_events(batch)[span->event_first + i];

		oracle_compare_text(batch, event->name, expected->events[i]->name);
		oracle_compare_attrs(batch, event->attr_first, event->attr_count, expected->events[i]->attributes,
			expected->events[i]->n_attributes);
	}
	for (size_t i = 0; i < expected->n_links; i++) {
		links += oracle_is_id(expected->links[i]->trace_id, 16) && oracle_is_id(expected->links[i]->span_id, 8);
	}
	weir_assert(span->link_count == links);
	return true;
}

static void request_compare(const struct weir_batch *batch, const Request *request)
{
	uint32_t row = 0, offered = 0;

	for (size_t i = 0; i < request->n_resource_spans; i++) {
		const ResourceSpans *group = request->resource_spans[i];

		for (size_t k = 0; k < group->n_scope_spans; k++) {
			for (size_t n = 0; n < group->scope_spans[k]->n_spans; n++) {
				offered++;
				row += span_compare(batch, row, group->scope_spans[k]->spans[n]);
			}
		}
	}
	weir_assert(batch->offered == offered && batch->spans.count == row && batch->kept == row);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const ProtobufCMessageDescriptor *descriptor =
		&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor;
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_SPAN };
	struct weir_str body = weir_str_make((const char *)data, size);
	const struct weir_batch *batch = NULL;
	struct weir_arena arena;
	struct weir_draft draft;
	int r;

	weir_arena_init(&arena, 1 << 16, 1 << 26);
	weir_draft_init(&draft, &arena, body);
	r = weir_otlp_trace_decode(&draft);
	if (r == 0) {
		batch = weir_draft_finish(&draft, &head);
		weir_assert(batch == NULL || weir_batch_is_sound(batch, batch->size_bytes));
	}
	weir_assert(r != WEIR_DECODE_MALFORMED || draft.error != NULL);
	if (oracle_is_comparable(descriptor, body)) {
		Request *request = opentelemetry__proto__collector__trace__v1__export_trace_service_request__unpack(
			NULL, size, data);

		weir_assert(request != NULL && r != WEIR_DECODE_MALFORMED);
		if (batch != NULL) {
			request_compare(batch, request);
		}
		opentelemetry__proto__collector__trace__v1__export_trace_service_request__free_unpacked(request, NULL);
	}
	weir_arena_fini(&arena);
	return 0;
}
