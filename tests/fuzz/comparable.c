/* comparable: may protobuf-c's generated types be asked about these bytes? See the header. */
#include "comparable.h"

#include "tests/support/wire_type.h"

#define DEPTH_MAX 40u    /* messages in messages that the oracle is trusted with */
#define NUMBER_MAX 1000u /* fields from here on are none of ours */
#define ONEOF_BIT 63u    /* all members of a oneof count as one field */

/* Repeated numbers in one field: whole ones, each a sound one. */
static bool is_packed(uint8_t type, struct weir_str bytes)
{
	const uint8_t *at = (const uint8_t *)bytes.data, *end = at + bytes.length;
	uint64_t number;

	if (type == WEIR_WIRE_FIXED64 || type == WEIR_WIRE_FIXED32) {
		return bytes.length % (type == WEIR_WIRE_FIXED64 ? 8 : 4) == 0;
	}
	while (at != NULL && at != end) {
		at = weir_wire_varint(at, end, &number);
	}
	return at != NULL;
}

static bool is_taken(const ProtobufCFieldDescriptor *known, const struct weir_wire_field *field)
{
	uint8_t type = wire_type_of(known);
	bool is_list = known->label == PROTOBUF_C_LABEL_REPEATED && type != WEIR_WIRE_BYTES;

	return field->type == type || (is_list && field->type == WEIR_WIRE_BYTES && is_packed(type, field->bytes));
}

/* No group before this field, and no tag in more bytes than it needs. */
static bool is_plain_tag(const uint8_t *at, const struct weir_wire *wire, const struct weir_wire_field *field)
{
	uint64_t tag;
	const uint8_t *behind = weir_wire_varint(at, wire->end, &tag);

	return behind != NULL && tag == field->tag && behind - at <= 5;
}

static bool walk(
	const ProtobufCMessageDescriptor *descriptor, struct weir_str message, comparable_fn *is_alike, unsigned depth)
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

		if (!is_plain_tag(before, &wire, &field) || field.number >= NUMBER_MAX) {
			return false;
		}
		before = wire.at;
		if (known == NULL) {
			continue;
		}
		if (!is_taken(known, &field) || (is_alike != NULL && !is_alike(known, &field))) {
			return false;
		}
		if (known->label != PROTOBUF_C_LABEL_REPEATED) {
			bool is_one = (known->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
			uint64_t bit = UINT64_C(1) << (is_one ? ONEOF_BIT : known->id);

			if ((seen & bit) != 0) {
				return false;
			}
			seen |= bit;
		}
		if (known->type == PROTOBUF_C_TYPE_MESSAGE &&
			!walk(known->descriptor, field.bytes, is_alike, depth + 1)) {
			return false;
		}
	}
	return !wire.is_malformed && before == wire.end; /* else a group is last */
}

bool is_comparable(const ProtobufCMessageDescriptor *descriptor, struct weir_str message, comparable_fn *is_alike)
{
	return walk(descriptor, message, is_alike, 0);
}
