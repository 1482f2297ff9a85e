/* otlp_json: see the header. Descriptors know names, numbers and types; what
 * OTLP adds to proto3's JSON is that three kinds of ids are hex. */
#include "tests/support/otlp_json.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "tests/support/wire_type.h"

#define SAFE_INTEGER 9007199254740992.0 /* every whole number up to here is a double */

bool otlp_json_is_hex(const ProtobufCFieldDescriptor *field)
{
	return field->type == PROTOBUF_C_TYPE_BYTES &&
	       (strcmp(field->name, "trace_id") == 0 || strcmp(field->name, "span_id") == 0 ||
		       strcmp(field->name, "parent_span_id") == 0);
}

bool otlp_json_is_skipped(const ProtobufCMessageDescriptor *message, const ProtobufCFieldDescriptor *field)
{
	static const char *const names[] = { "entity_refs", "metadata", "filtered_attributes", "key_strindex",
		"string_value_strindex" };
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(field->name, names[i]) == 0) {
			return true;
		}
	}
	if (strcmp(field->name, "schema_url") == 0) {
		return strcmp(message->short_name, "ScopeMetrics") != 0;
	}
	return strcmp(field->name, "dropped_attributes_count") == 0 &&
	       (strcmp(message->short_name, "InstrumentationScope") == 0 ||
		       strcmp(message->short_name, "Resource") == 0);
}

void otlp_json_key(const ProtobufCFieldDescriptor *field, char key[64])
{
	size_t n = 0;

	for (const char *at = field->name; *at != '\0' && n < 63; at++) {
		if (*at == '_') {
			at++;
			key[n++] = (char)(*at - ('a' - 'A'));
		} else {
			key[n++] = *at;
		}
	}
	key[n] = '\0';
}

/* ---- JSON → protobuf ---------------------------------------------------------- */

static void varint_add(struct weir_buf *out, uint64_t value)
{
	for (; value >= 0x80; value >>= 7) {
		weir_buf_add_char(out, (char)(value | 0x80));
	}
	weir_buf_add_char(out, (char)value);
}

static void bytes_add(struct weir_buf *out, const void *data, size_t length)
{
	varint_add(out, length);
	weir_buf_add(out, data, length);
}

static int hex_add(const char *text, size_t length, struct weir_buf *out)
{
	char id[16];

	if (length % 2 != 0 || length > 32 || strspn(text, "0123456789abcdefABCDEF") != length) {
		bytes_add(out, "", 1);
		return 0;
	}
	for (size_t i = 0; i < length / 2; i++) {
		char digits[3] = { text[2 * i], text[2 * i + 1], '\0' };

		id[i] = (char)strtol(digits, NULL, 16);
	}
	bytes_add(out, id, length / 2);
	return 0;
}

static int base64_add(const char *text, size_t length, struct weir_buf *out)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	struct weir_buf bytes;
	uint32_t word = 0;
	int r = 0;

	weir_buf_init(&bytes, 0);
	length -= length > 0 && text[length - 1] == '=';
	length -= length > 0 && text[length - 1] == '=';
	for (size_t i = 0; r == 0 && i < length; i++) {
		char c = (char)(text[i] == '-' ? '+' : text[i] == '_' ? '/' : text[i]);
		const char *at = c != '\0' ? strchr(alphabet, c) : NULL;

		r = at == NULL ? OTLP_JSON_WRONG : 0;
		word = word << 6 | (at != NULL ? (uint32_t)(at - alphabet) : 0);
		if (i % 4 > 0) {
			weir_buf_add_char(&bytes, (char)(word >> (6 - 2 * (i % 4))));
		}
	}
	r = length % 4 == 1 ? OTLP_JSON_WRONG : r;
	bytes_add(out, bytes.data, bytes.length);
	weir_buf_fini(&bytes);
	return r;
}

/* The text of a string as a JSON number; anything else is none. */
static json_t *number_of(const json_t *value)
{
	json_t *number;

	if (!json_is_string(value)) {
		return json_incref((json_t *)(uintptr_t)value);
	}
	/* A number alone has no blanks around it. */
	if (json_string_length(value) != strcspn(json_string_value(value), " \t\r\n") ||
		json_string_length(value) != strlen(json_string_value(value))) {
		return json_null();
	}
	number = json_loads(json_string_value(value), JSON_DECODE_ANY, NULL);
	if (number != NULL && !json_is_number(number)) {
		json_decref(number);
		number = NULL;
	}
	return number != NULL ? number : json_null();
}

/* jansson refuses what no int64 or double holds: then it is for nobody here to judge. */
static bool is_great(const json_t *value)
{
	const char *text = json_string_value(value);

	return text != NULL && (strlen(text) > 15 || strpbrk(text, "eE") != NULL);
}

static int whole_of(const ProtobufCFieldDescriptor *field, const json_t *value, int64_t *ret)
{
	json_t *number = number_of(value);
	double real = json_is_real(number) ? json_real_value(number) : 0;
	int r = 0;

	*ret = 0;
	if (json_is_integer(number)) {
		*ret = json_integer_value(number);
	} else if (!json_is_real(number)) {
		r = is_great(value) ? OTLP_JSON_ODD : OTLP_JSON_WRONG;
	} else if (fabs(real) >= SAFE_INTEGER || (real != 0 && fabs(real) < 1e-300)) {
		r = OTLP_JSON_ODD;
	} else {
		r = real == floor(real) ? 0 : OTLP_JSON_WRONG;
		/* Digits behind the point may be more than a double holds. */
		r = json_is_string(value) || floor(real) != real ? r : OTLP_JSON_ODD;
		*ret = r == 0 ? (int64_t)real : 0;
	}
	json_decref(number);
	switch (field->type) {
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return r == 0 && (*ret < 0 || *ret > UINT32_MAX) ? OTLP_JSON_WRONG : r;
	case PROTOBUF_C_TYPE_SINT32:
	case PROTOBUF_C_TYPE_ENUM:
		return r == 0 && (*ret < INT32_MIN || *ret > INT32_MAX) ? OTLP_JSON_WRONG : r;
	case PROTOBUF_C_TYPE_UINT64:
	case PROTOBUF_C_TYPE_FIXED64:
		return r == 0 && *ret < 0 ? OTLP_JSON_WRONG : r;
	default:
		return r;
	}
}

static int double_of(const json_t *value, uint64_t *ret)
{
	const char *text = json_string_value(value);
	double real = NAN;
	int r = 0;

	if (text != NULL && strcmp(text, "Infinity") == 0) {
		real = INFINITY;
	} else if (text != NULL && strcmp(text, "-Infinity") == 0) {
		real = -INFINITY;
	} else if (text == NULL || strcmp(text, "NaN") != 0) {
		json_t *number = number_of(value);

		real = json_number_value(number);
		r = json_is_number(number) ? 0 : is_great(value) ? OTLP_JSON_ODD : OTLP_JSON_WRONG;
		/* A whole number that an int64 holds may still be rounded differently. */
		r = r == 0 && fabs(real) >= SAFE_INTEGER ? OTLP_JSON_ODD : r;
		/* jansson's integers know no -0. */
		r = r == 0 && json_is_integer(number) && real == 0 ? OTLP_JSON_ODD : r;
		json_decref(number);
	}
	memcpy(ret, &real, sizeof(real));
	return r;
}

static int number_add(const ProtobufCFieldDescriptor *field, const json_t *value, struct weir_buf *out)
{
	uint64_t bits = 0;
	int r;

	if (field->type == PROTOBUF_C_TYPE_BOOL) {
		varint_add(out, json_is_true(value));
		return json_is_boolean(value) ? 0 : OTLP_JSON_WRONG;
	}
	if (!json_is_number(value) && !json_is_string(value)) {
		return OTLP_JSON_WRONG;
	}
	if (field->type == PROTOBUF_C_TYPE_DOUBLE) {
		r = double_of(value, &bits);
	} else {
		r = whole_of(field, value, (int64_t *)&bits);
	}
	if (field->type == PROTOBUF_C_TYPE_ENUM && json_is_string(value) && r != 0) {
		const ProtobufCEnumValue *named =
			protobuf_c_enum_descriptor_get_value_by_name(field->descriptor, json_string_value(value));

		bits = named != NULL ? (uint64_t)named->value : 0;
		r = 0;
	}
	if (wire_type_of(field) == WEIR_WIRE_FIXED64) {
		weir_buf_add(out, &bits, 8);
	} else if (wire_type_of(field) == WEIR_WIRE_FIXED32) {
		weir_buf_add(out, &bits, 4);
	} else if (field->type == PROTOBUF_C_TYPE_SINT32) {
		varint_add(out, (int64_t)bits < 0 ? ~bits * 2 + 1 : bits * 2);
	} else {
		varint_add(out, bits);
	}
	return r;
}

static int value_add(const ProtobufCFieldDescriptor *field, const json_t *value, struct weir_buf *out)
{
	struct weir_buf inner;
	int r;

	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		bytes_add(out, json_string_value(value), json_string_length(value));
		return json_is_string(value) ? 0 : OTLP_JSON_WRONG;
	case PROTOBUF_C_TYPE_BYTES:
		if (!json_is_string(value)) {
			return OTLP_JSON_WRONG;
		}
		return (otlp_json_is_hex(field) ? hex_add : base64_add)(
			json_string_value(value), json_string_length(value), out);
	case PROTOBUF_C_TYPE_MESSAGE:
		weir_buf_init(&inner, 0);
		r = json_is_null(value) ? 0 : otlp_json_to_wire(field->descriptor, value, &inner);
		bytes_add(out, inner.data, inner.length);
		weir_buf_fini(&inner);
		return r;
	default:
		return number_add(field, value, out);
	}
}

static int member_add(const ProtobufCFieldDescriptor *field, const json_t *value, struct weir_buf *out)
{
	uint64_t tag = (uint64_t)field->id << 3 | wire_type_of(field);
	bool is_packed = field->type != PROTOBUF_C_TYPE_MESSAGE;
	struct weir_buf inner;
	const json_t *item;
	size_t i;
	int r = 0;

	if (field->label != PROTOBUF_C_LABEL_REPEATED) {
		varint_add(out, tag);
		return value_add(field, value, out);
	}
	if (!json_is_array(value)) {
		return OTLP_JSON_WRONG;
	}
	weir_buf_init(&inner, 0);
	json_array_foreach(value, i, item)
	{
		int item_r;

		if (!is_packed) {
			varint_add(out, tag);
		}
		item_r = value_add(field, item, is_packed ? &inner : out);
		r = r > item_r ? r : item_r;
	}
	if (is_packed) {
		varint_add(out, (uint64_t)field->id << 3 | WEIR_WIRE_BYTES);
		bytes_add(out, inner.data, inner.length);
	}
	weir_buf_fini(&inner);
	return r;
}

int otlp_json_to_wire(const ProtobufCMessageDescriptor *message, const json_t *object, struct weir_buf *out)
{
	unsigned of_oneof = 0;
	const char *name;
	json_t *value;
	int r = 0;

	if (!json_is_object(object)) {
		return OTLP_JSON_WRONG;
	}
	json_object_foreach((json_t *)(uintptr_t)object, name, value)
	{
		if (strncmp(name, "instrumentationLibrary", 22) == 0 || strcmp(name, "logs") == 0) {
			return OTLP_JSON_ODD;
		}
		for (unsigned i = 0; i < message->n_fields; i++) {
			const ProtobufCFieldDescriptor *field = &message->fields[i];
			char key[64];
			int field_r;

			otlp_json_key(field, key);
			if (strcmp(name, key) == 0 && !json_is_null(value) && !otlp_json_is_skipped(message, field)) {
				of_oneof += (field->flags & PROTOBUF_C_FIELD_FLAG_ONEOF) != 0;
				field_r = member_add(field, value, out);
				/* Odd beats wrong: it may be right after all. */
				r = r > field_r ? r : field_r;
			}
		}
	}
	return of_oneof > 1 ? OTLP_JSON_ODD : r;
}

/* ---- protobuf → JSON ------------------------------------------------------------ */

static json_t *hex_of(struct weir_str bytes, unsigned style)
{
	const char *digits = (style & OTLP_JSON_UPPER_HEX) != 0 ? "0123456789ABCDEF" : "0123456789abcdef";
	json_t *text;
	struct weir_buf out;

	weir_buf_init(&out, 0);
	for (size_t i = 0; i < bytes.length; i++) {
		weir_buf_add_char(&out, digits[(unsigned char)bytes.data[i] >> 4]);
		weir_buf_add_char(&out, digits[bytes.data[i] & 15]);
	}
	text = json_stringn(out.data != NULL ? out.data : "", out.length);
	weir_buf_fini(&out);
	return text;
}

static json_t *base64_of(struct weir_str bytes, unsigned style)
{
	bool is_url_safe = (style & OTLP_JSON_URL_SAFE) != 0;
	const char *last = is_url_safe ? "-_" : "+/";
	json_t *text;
	struct weir_buf out;

	weir_buf_init(&out, 0);
	for (size_t bit = 0; bit < bytes.length * 8; bit += 6) {
		unsigned high = (unsigned char)bytes.data[bit / 8];
		unsigned low = bit / 8 + 1 < bytes.length ? (unsigned char)bytes.data[bit / 8 + 1] : 0;
		unsigned six = (high << 8 | low) >> (10 - bit % 8) & 63;

		weir_buf_add_char(&out, (char)(six < 26    ? 'A' + six
						: six < 52 ? 'a' + six - 26
						: six < 62 ? '0' + six - 52
							   : (unsigned char)last[six - 62]));
	}
	while (!is_url_safe && out.length % 4 != 0) {
		weir_buf_add_char(&out, '=');
	}
	text = json_stringn(out.data != NULL ? out.data : "", out.length);
	weir_buf_fini(&out);
	return text;
}

static json_t *double_json(uint64_t bits)
{
	double real;

	memcpy(&real, &bits, sizeof(real));
	if (isnan(real)) {
		return json_string("NaN");
	}
	return isinf(real) ? json_string(real > 0 ? "Infinity" : "-Infinity") : json_real(real);
}

static json_t *number_json(const ProtobufCFieldDescriptor *field, uint64_t bits, unsigned style)
{
	const ProtobufCEnumValue *named;
	bool is_signed = field->type == PROTOBUF_C_TYPE_INT64 || field->type == PROTOBUF_C_TYPE_SFIXED64;

	switch (field->type) {
	case PROTOBUF_C_TYPE_BOOL:
		return json_boolean(bits != 0);
	case PROTOBUF_C_TYPE_DOUBLE:
		return double_json(bits);
	case PROTOBUF_C_TYPE_ENUM:
		named = (style & OTLP_JSON_NAMES) != 0
				? protobuf_c_enum_descriptor_get_value(field->descriptor, (int)bits)
				: NULL;
		return named != NULL ? json_string(named->name) : json_integer((json_int_t)bits);
	case PROTOBUF_C_TYPE_SINT32:
		return json_integer((bits & 1) != 0 ? (json_int_t) ~(bits >> 1) : (json_int_t)(bits >> 1));
	case PROTOBUF_C_TYPE_UINT32:
	case PROTOBUF_C_TYPE_FIXED32:
		return json_integer((json_int_t)bits);
	default:
		if ((style & OTLP_JSON_NUMBERS) != 0 && (is_signed || bits <= INT64_MAX)) {
			return json_integer((json_int_t)bits);
		}
		return is_signed ? json_sprintf("%lld", (long long)bits)
				 : json_sprintf("%llu", (unsigned long long)bits);
	}
}

static json_t *value_json(const ProtobufCFieldDescriptor *field, const struct weir_wire_field *at, unsigned style)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return json_stringn(at->bytes.length > 0 ? at->bytes.data : "", at->bytes.length);
	case PROTOBUF_C_TYPE_BYTES:
		return otlp_json_is_hex(field) ? hex_of(at->bytes, style) : base64_of(at->bytes, style);
	case PROTOBUF_C_TYPE_MESSAGE:
		return otlp_json_of_wire(field->descriptor, at->bytes, style);
	default:
		return number_json(field, at->value, style);
	}
}

/* The numbers of a packed list. */
static void packed_json(const ProtobufCFieldDescriptor *field, struct weir_str bytes, unsigned style, json_t *list)
{
	const uint8_t *at = (const uint8_t *)bytes.data, *end = at + bytes.length;

	while (at < end) {
		uint64_t bits = 0;

		if (wire_type_of(field) == WEIR_WIRE_FIXED64) {
			bits = weir_wire_load64(at);
			at += 8;
		} else {
			at = weir_wire_varint(at, end, &bits);
			weir_assert(at != NULL);
		}
		json_array_append_new(list, number_json(field, bits, style));
	}
}

json_t *otlp_json_of_wire(const ProtobufCMessageDescriptor *message, struct weir_str bytes, unsigned style)
{
	struct weir_wire wire = weir_wire_of(bytes);
	json_t *object = json_object();
	struct weir_wire_field at;

	while (weir_wire_next(&wire, &at)) {
		const ProtobufCFieldDescriptor *field = protobuf_c_message_descriptor_get_field(message, at.number);
		json_t *list;
		char key[64];

		weir_assert(field != NULL);
		otlp_json_key(field, key);
		if (field->label != PROTOBUF_C_LABEL_REPEATED) {
			json_object_set_new(object, key, value_json(field, &at, style));
			continue;
		}
		list = json_object_get(object, key);
		if (list == NULL) {
			list = json_array();
			json_object_set_new(object, key, list);
		}
		if (wire_type_of(field) != WEIR_WIRE_BYTES && at.type == WEIR_WIRE_BYTES) {
			packed_json(field, at.bytes, style, list);
		} else {
			json_array_append_new(list, value_json(field, &at, style));
		}
	}
	weir_assert(!wire.is_malformed);
	return object;
}
