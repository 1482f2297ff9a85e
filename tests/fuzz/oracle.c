/* oracle: protobuf-c's generated types as the judge of our OTLP decoders.
 *
 * protobuf-c has no bound on recursion, refuses groups and known fields of a
 * wrong wire type, and lets some odd tags pass. So an input is walked first,
 * by protobuf-c's own descriptors: what is deeper than the bound, or a case on
 * which the two differ on purpose, is only decoded. */
#include "oracle.h"

#include "base/err.h"
#include "base/utf8.h"
#include "decode/wire.h"

#define DEPTH_MAX 40u /* messages in messages that the oracle is trusted with */

typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;

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

/* Repeated numbers in one field: whole ones, each a sound one. */
static bool is_packed(const ProtobufCFieldDescriptor *field, struct weir_str bytes)
{
	const uint8_t *at = (const uint8_t *)bytes.data, *end = at + bytes.length;
	uint64_t number;

	if (is_wanted_type(field, WEIR_WIRE_FIXED64)) {
		return bytes.length % 8 == 0;
	}
	while (at != NULL && at != end) {
		at = weir_wire_varint(at, end, &number);
	}
	return at != NULL;
}

static bool is_taken(const ProtobufCFieldDescriptor *known, const struct weir_wire_field *field)
{
	bool is_number = known->label == PROTOBUF_C_LABEL_REPEATED && !is_wanted_type(known, WEIR_WIRE_BYTES);

	return is_wanted_type(known, field->type) ||
	       (is_number && field->type == WEIR_WIRE_BYTES && is_packed(known, field->bytes));
}

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
		if (!is_taken(known, &field) || strcmp(known->name, "entity_refs") == 0 ||
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

bool oracle_is_id(ProtobufCBinaryData id, size_t size)
{
	uint8_t bits = 0;

	for (size_t i = 0; i < id.len; i++) {
		bits |= id.data[i];
	}
	return id.len == size && bits != 0;
}

/* Text is compared when it is valid; a NUL ends what protobuf-c can tell. */
void oracle_compare_text(const struct weir_batch *batch, struct weir_ref ref, const char *expected)
{
	struct weir_str text = weir_batch_str(batch, ref);

	weir_assert(weir_utf8_is_valid(text));
	if (weir_utf8_is_valid(weir_str_of(expected))) {
		weir_assert(text.length >= strlen(expected) && memcmp(text.data, expected, strlen(expected)) == 0);
	}
}

void oracle_compare_value(const struct weir_batch *batch, const struct weir_attr *attr, const AnyValue *value)
{
	switch (value == NULL ? 0 : (int)value->value_case) {
	case OPENTELEMETRY__PROTO__COMMON__V1__ANY_VALUE__VALUE_STRING_VALUE:
		weir_assert(attr->type == WEIR_ATTR_STRING);
		oracle_compare_text(batch, attr->value.text, value->string_value);
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

void oracle_compare_attrs(
	const struct weir_batch *batch, uint32_t first, uint32_t count, KeyValue *const *pairs, size_t pair_count)
{
	weir_assert(count == pair_count);
	for (uint32_t i = 0; i < count; i++) {
		const struct weir_attr *attr = &weir_batch_attrs(batch)[first + i];

		oracle_compare_text(batch, attr->key, pairs[i]->key);
		oracle_compare_value(batch, attr, pairs[i]->value);
	}
}

bool oracle_is_comparable(const ProtobufCMessageDescriptor *descriptor, struct weir_str message)
{
	return is_comparable(descriptor, message, 0);
}
