/* fuzz_otlp_trace: any bytes through the OTLP decoder, with protobuf-c's
 * generated types as oracle: both must agree on what is malformed, and on every
 * span's ids, name, attributes and counts.
 *
 * protobuf-c has no bound on recursion, refuses groups and known fields of a
 * wrong wire type, and lets some odd tags pass. So the input is walked first,
 * by protobuf-c's own descriptors: what is deeper than the bound, or a case on
 * which the two differ on purpose, is only decoded. */
#include <stdint.h>

#include "base/err.h"
#include "base/utf8.h"
#include "decode/otlp/trace.h"
#include "decode/wire.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"

#define DEPTH_MAX 40u /* messages in messages that the oracle is trusted with */

typedef Opentelemetry__Proto__Collector__Trace__V1__ExportTraceServiceRequest Request;
typedef Opentelemetry__Proto__Trace__V1__ResourceSpans ResourceSpans;
typedef Opentelemetry__Proto__Trace__V1__Span Span;
typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_wanted_type(const ProtobufCFieldDescriptor *field, uint8_t type)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
	case PROTOBUF_C_TYPE_BYTES:
	case PROTOBUF_C_TYPE_MESSAGE:
		return type == WEIR_WIRE_BYTES;
	case PROTOBUF_C_TYPE_FIXED64:
	case PROTOBUF_C_TYPE_SFIXED64:
	case PROTOBUF_C_TYPE_DOUBLE:
		return type == WEIR_WIRE_FIXED64;
	case PROTOBUF_C_TYPE_FIXED32:
	case PROTOBUF_C_TYPE_SFIXED32:
	case PROTOBUF_C_TYPE_FLOAT:
		return type == WEIR_WIRE_FIXED32;
	default:
		return type == WEIR_WIRE_VARINT;
	}
}

/* May the oracle be asked about this message? No groups, odd tags, wrong types,
 * repeated singular fields (protobuf-c merges oneofs in its own way), bad or
 * too deep sub-messages, entity references (not read here), or field 1000. */
static bool is_comparable(const ProtobufCMessageDescriptor *descriptor, struct weir_str message, unsigned depth)
{
	struct weir_wire wire = weir_wire_of(message);
	const uint8_t *before = wire.at;
	struct weir_wire_field field;
	uint64_t seen = 0;

	if (depth > DEPTH_MAX) {
		return false;
	}
	while (weir_wire_next(&wire, &field)) {
		const ProtobufCFieldDescriptor *known =
			protobuf_c_message_descriptor_get_field(descriptor, field.number);
		uint64_t tag;

		/* A group before it, or a tag in more bytes than it needs. */
		if (weir_wire_varint(before, wire.end, &tag) == NULL || tag != field.tag ||
			weir_wire_varint(before, wire.end, &tag) - before > 5 || field.number >= 1000) {
			return false;
		}
		before = wire.at;
		if (known == NULL) {
			continue;
		}
		if (!is_wanted_type(known, field.type) || strcmp(known->name, "entity_refs") == 0 ||
			strstr(known->name, "strindex") != NULL) {
			return false;
		}
		if (known->label != PROTOBUF_C_LABEL_REPEATED) {
			/* All members of a oneof count as one field. */
			uint64_t bit = UINT64_C(1)
				       << ((known->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0 ? 63 : known->id);

			if ((seen & bit) != 0) {
				return false;
			}
			seen |= bit;
		}
		if (known->type == PROTOBUF_C_TYPE_MESSAGE &&
			!is_comparable(known->descriptor, field.bytes, depth + 1)) {
			return false;
		}
	}
	return !wire.is_malformed && before == wire.end; /* else a group is last */
}

static bool is_id(ProtobufCBinaryData id, size_t size)
{
	uint8_t bits = 0;

	for (size_t i = 0; i < id.len; i++) {
		bits |= id.data[i];
	}
	return id.len == size && bits != 0;
}

/* Text is compared when it is valid; a NUL ends what protobuf-c can tell. */
static void text_compare(const struct weir_batch *batch, struct weir_ref ref, const char *expected)
{
	struct weir_str text = weir_batch_str(batch, ref);

	weir_assert(weir_utf8_is_valid(text));
	if (weir_utf8_is_valid(weir_str_of(expected))) {
		weir_assert(text.length >= strlen(expected) && memcmp(text.data, expected, strlen(expected)) == 0);
	}
}

static void value_compare(const struct weir_batch *batch, const struct weir_attr *attr, const AnyValue *value)
{
	switch (value == NULL ? 0 : (int)value->value_case) {
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE:
		weir_assert(attr->type == WEIR_ATTR_STRING);
		text_compare(batch, attr->value.text, value->string_value);
		break;
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BOOL_VALUE:
		weir_assert(attr->type == WEIR_ATTR_BOOL && attr->value.number == (value->bool_value != 0));
		break;
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_INT_VALUE:
		weir_assert(attr->type == WEIR_ATTR_INT && attr->value.number == value->int_value);
		break;
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_DOUBLE_VALUE:
		weir_assert(attr->type == WEIR_ATTR_DOUBLE &&
			    memcmp(&attr->value.real, &value->double_value, sizeof(double)) == 0);
		break;
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_ARRAY_VALUE:
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_KVLIST_VALUE:
		weir_assert(attr->type == WEIR_ATTR_JSON);
		weir_assert(weir_utf8_is_valid(weir_batch_str(batch, attr->value.text)));
		break;
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_BYTES_VALUE:
		weir_assert(attr->type == WEIR_ATTR_BYTES && attr->value.text.length == value->bytes_value.len);
		break;
	default:
		weir_assert(attr->type == WEIR_ATTR_EMPTY);
		break;
	}
}

static void attrs_compare(
	const struct weir_batch *batch, uint32_t first, uint32_t count, KeyValue *const *pairs, size_t pair_count)
{
	weir_assert(count == pair_count);
	for (uint32_t i = 0; i < count; i++) {
		const struct weir_attr *attr = &weir_batch_attrs(batch)[first + i];

		text_compare(batch, attr->key, pairs[i]->key);
		value_compare(batch, attr, pairs[i]->value);
	}
}

/* True when the oracle's span is one that is kept; then `row` is it. */
static bool span_compare(const struct weir_batch *batch, uint32_t row, const Span *expected)
{
	const struct weir_span *span = &weir_batch_spans(batch)[row];
	uint32_t links = 0;

	if (!is_id(expected->trace_id, 16) || !is_id(expected->span_id, 8) ||
		(expected->parent_span_id.len != 0 && expected->parent_span_id.len != 8)) {
		return false;
	}
	weir_assert(row < batch->spans.count);
	weir_assert(memcmp(span->trace_id, expected->trace_id.data, 16) == 0);
	weir_assert(memcmp(span->span_id, expected->span_id.data, 8) == 0);
	weir_assert(span->start_ns == expected->start_time_unix_nano && span->w3c_flags == expected->flags);
	text_compare(batch, span->name, expected->name);
	text_compare(batch, span->trace_state, expected->trace_state);
	attrs_compare(batch, span->attr_first, span->attr_count, expected->attributes, expected->n_attributes);
	weir_assert(span->event_count == expected->n_events);
	for (uint32_t i = 0; i < span->event_count; i++) {
		const struct weir_event *event = &weir_batch_events(batch)[span->event_first + i];

		text_compare(batch, event->name, expected->events[i]->name);
		attrs_compare(batch, event->attr_first, event->attr_count, expected->events[i]->attributes,
			expected->events[i]->n_attributes);
	}
	for (size_t i = 0; i < expected->n_links; i++) {
		links += is_id(expected->links[i]->trace_id, 16) && is_id(expected->links[i]->span_id, 8);
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
	if (is_comparable(descriptor, body, 0)) {
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
