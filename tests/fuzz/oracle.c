/* oracle: protobuf-c's generated types as the judge of our OTLP decoders. */
#include "oracle.h"

#include "base/err.h"
#include "base/utf8.h"
#include "comparable.h"

typedef Opentelemetry__Proto__Common__V1__KeyValue KeyValue;
typedef Opentelemetry__Proto__Common__V1__AnyValue AnyValue;

/* Entity references and indices into a dictionary are not read here. */
static bool is_alike(const ProtobufCFieldDescriptor *known, const struct weir_wire_field *field)
{
	(void)field;
	return strcmp(known->name, "entity_refs") != 0 && strstr(known->name, "strindex") == NULL;
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
	return is_comparable(descriptor, message, is_alike);
}
