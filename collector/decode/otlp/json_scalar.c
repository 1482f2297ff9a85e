/* json_scalar: proto3's JSON values, with OTLP's exceptions (wire.md 4.4).
 *
 *  - Whole numbers of every width may be numbers or strings, in float syntax
 *    too ("1.5e18"), as long as they are whole and fit.
 *  - Doubles are numbers, or strings: a number's text, "NaN", "Infinity",
 *    "-Infinity". A number beyond the largest double is malformed.
 *  - Enums are numbers; their names do no harm. An unknown name is 0, as an
 *    unknown number is for the decoders.
 *  - Ids are hex. What is no hex is written as an id of a wrong length, and so
 *    costs one span or link, as a wrong id in protobuf does, not the request.
 *  - Other bytes are base64, standard or URL-safe, padded or not.
 *  - Text is passed on as it is: the decoders check that it is UTF-8.
 *
 * A string with escapes gets its value in the arena first. */
#include "decode/otlp/json_scalar.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#include "decode/wire.h"

#define NUMBER_MAX 64u
#define ID_MAX 16u

bool weir_otlp_json_scalar_fail_at(struct weir_otlp_json_reader *reader, const char *sentence, const char *at)
{
	if (reader->draft->error == NULL) {
		reader->draft->error = sentence;
		reader->draft->error_offset = (size_t)(at - reader->json.begin);
	}
	return false;
}

bool weir_otlp_json_scalar_fail(struct weir_otlp_json_reader *reader)
{
	return reader->json.error != NULL ? weir_otlp_json_scalar_fail_at(reader, reader->json.error, reader->json.at)
					  : false;
}

unsigned weir_otlp_json_scalar_wire_type(unsigned kind)
{
	switch (kind) {
	case WEIR_OTLP_JSON_TEXT:
	case WEIR_OTLP_JSON_ID:
	case WEIR_OTLP_JSON_BYTES:
	case WEIR_OTLP_JSON_OBJECT:
		return WEIR_WIRE_BYTES;
	case WEIR_OTLP_JSON_FIXED32:
		return WEIR_WIRE_FIXED32;
	case WEIR_OTLP_JSON_FIXED64:
	case WEIR_OTLP_JSON_SFIXED64:
	case WEIR_OTLP_JSON_DOUBLE:
		return WEIR_WIRE_FIXED64;
	default:
		return WEIR_WIRE_VARINT;
	}
}

/* ---- strings ---------------------------------------------------------------- */

/* The value of a string (or a number's characters); data NULL: the arena is full. */
static struct weir_str plain(struct weir_otlp_json_reader *reader, const struct weir_json_value *value)
{
	char *at;

	if (!value->has_escapes) {
		return value->text;
	}
	at = weir_arena_alloc(reader->draft->arena, value->text.length);
	if (at == NULL) {
		reader->out.is_full = true;
		return weir_str_make(NULL, 0);
	}
	return weir_str_make(at, weir_json_unescape(value->text, at));
}

static bool text_write(struct weir_otlp_json_reader *reader, const struct weir_json_value *value)
{
	uint32_t opened = weir_otlp_json_write_open(&reader->out);
	uint8_t *at = weir_otlp_json_write_reserve(&reader->out, value->text.length);
	size_t length = value->text.length;

	if (at == NULL) {
		return false;
	}
	if (value->has_escapes) {
		length = weir_json_unescape(value->text, (char *)at);
	} else if (length > 0) {
		memcpy(at, value->text.data, length);
	}
	weir_otlp_json_write_advance(&reader->out, length);
	weir_otlp_json_write_close(&reader->out, opened);
	return !reader->out.is_full;
}

static int hex_digit(char c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static bool id_write(struct weir_otlp_json_reader *reader, struct weir_str text)
{
	uint8_t id[1 + ID_MAX] = { 0 }, *at;
	size_t length = text.length / 2;
	bool is_hex = text.length % 2 == 0 && length <= ID_MAX;

	for (size_t i = 0; is_hex && i < length; i++) {
		int high = hex_digit(text.data[2 * i]), low = hex_digit(text.data[2 * i + 1]);

		is_hex = high >= 0 && low >= 0;
		id[1 + i] = is_hex ? (uint8_t)(high << 4 | low) : 0;
	}
	if (!is_hex) {
		id[1] = 0;
		length = 1;
	}
	id[0] = (uint8_t)length;
	at = weir_otlp_json_write_reserve(&reader->out, length + 1);
	if (at == NULL) {
		return false;
	}
	memcpy(at, id, length + 1);
	weir_otlp_json_write_advance(&reader->out, length + 1);
	return true;
}

/* 0 … 63, or -1. */
static int base64_digit(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52;
	}
	if (c == '+' || c == '-') {
		return 62;
	}
	return c == '/' || c == '_' ? 63 : -1;
}

/* What remains of the last digits' bits is not looked at. */
static bool base64_write(struct weir_otlp_json_reader *reader, struct weir_str text, const char *where)
{
	uint32_t opened = weir_otlp_json_write_open(&reader->out), bits = 0, bit_count = 0;
	uint8_t *at = weir_otlp_json_write_reserve(&reader->out, text.length), *to = at;

	if (at == NULL) {
		return false;
	}
	for (unsigned i = 0; i < 2 && text.length > 0 && text.data[text.length - 1] == '='; i++) {
		text.length--;
	}
	if (text.length % 4 == 1) {
		return weir_otlp_json_scalar_fail_at(reader, "not base64: it ends within a byte", where);
	}
	for (size_t i = 0; i < text.length; i++) {
		int digit = base64_digit(text.data[i]);

		if (digit < 0) {
			return weir_otlp_json_scalar_fail_at(reader, "not base64", where);
		}
		bits = bits << 6 | (uint32_t)digit;
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			*to++ = (uint8_t)(bits >> bit_count);
		}
	}
	weir_otlp_json_write_advance(&reader->out, (size_t)(to - at));
	weir_otlp_json_write_close(&reader->out, opened);
	return !reader->out.is_full;
}

/* ---- numbers ---------------------------------------------------------------- */

static bool real_read(struct weir_otlp_json_reader *reader, struct weir_str text, double *ret)
{
	struct weir_json_value number;
	struct weir_json json;
	char buffer[NUMBER_MAX], *terminated = buffer;

	if (weir_str_is(text, "NaN")) {
		*ret = NAN;
		return true;
	}
	if (weir_str_is(text, "Infinity") || weir_str_is(text, "-Infinity")) {
		*ret = text.data[0] == '-' ? -INFINITY : INFINITY;
		return true;
	}
	weir_json_init(&json, text);
	if (weir_json_value(&json, &number) != 0 || number.kind != WEIR_JSON_NUMBER ||
		number.text.length != text.length) {
		return false;
	}
	if (text.length >= NUMBER_MAX) {
		terminated = weir_arena_alloc(reader->draft->arena, text.length + 1);
		if (terminated == NULL) {
			reader->out.is_full = true;
			return false;
		}
	}
	memcpy(terminated, text.data, text.length);
	terminated[text.length] = '\0';
	*ret = strtod(terminated, NULL);
	return !isinf(*ret);
}

/* A whole number in [least, most]; `most` above INT64_MAX only for decimal digits. */
static bool whole_read(struct weir_str text, int64_t least, uint64_t most, uint64_t *ret)
{
	unsigned long long large;
	int64_t number;
	int r = weir_json_to_i64(text, &number);

	if (r == 0 && number >= least && (number < 0 || (uint64_t)number <= most)) {
		*ret = (uint64_t)number;
		return true;
	}
	if (r == -ERANGE && most > INT64_MAX && weir_str_to_u64(text, &large) == 0) {
		*ret = large;
		return true;
	}
	return false;
}

static bool enum_read(const struct weir_otlp_json_field *field, const struct weir_json_value *value,
	struct weir_str text, uint64_t *ret)
{
	if (whole_read(text, INT32_MIN, INT32_MAX, ret)) {
		return true;
	}
	*ret = 0;
	for (const struct weir_otlp_json_name *name = field->names; name->text != NULL; name++) {
		if (weir_str_is(text, name->text)) {
			*ret = name->value;
		}
	}
	return value->kind == WEIR_JSON_STRING;
}

static bool number_read(struct weir_otlp_json_reader *reader, const struct weir_otlp_json_field *field,
	const struct weir_json_value *value, struct weir_str text, uint64_t *ret)
{
	double real = 0;

	switch (field->kind) {
	case WEIR_OTLP_JSON_ENUM:
		return enum_read(field, value, text, ret);
	case WEIR_OTLP_JSON_UINT32:
	case WEIR_OTLP_JSON_FIXED32:
		return whole_read(text, 0, UINT32_MAX, ret);
	case WEIR_OTLP_JSON_UINT64:
	case WEIR_OTLP_JSON_FIXED64:
		return whole_read(text, 0, UINT64_MAX, ret);
	case WEIR_OTLP_JSON_SINT32:
		if (!whole_read(text, INT32_MIN, INT32_MAX, ret)) {
			return false;
		}
		*ret = (*ret << 1 ^ (*ret >> 63 != 0 ? UINT64_MAX : 0)) & UINT32_MAX;
		return true;
	case WEIR_OTLP_JSON_DOUBLE:
		if (!real_read(reader, text, &real)) {
			return false;
		}
		memcpy(ret, &real, sizeof(real));
		return true;
	default:
		return whole_read(text, INT64_MIN, INT64_MAX, ret);
	}
}

static const char *sentence_of(unsigned kind)
{
	switch (kind) {
	case WEIR_OTLP_JSON_TEXT:
		return "not text where text belongs";
	case WEIR_OTLP_JSON_ID:
		return "not the hex digits of an id";
	case WEIR_OTLP_JSON_BYTES:
		return "not base64";
	case WEIR_OTLP_JSON_BOOL:
		return "neither true nor false";
	case WEIR_OTLP_JSON_ENUM:
		return "not the number of an enum";
	case WEIR_OTLP_JSON_DOUBLE:
		return "not a number that a double holds";
	case WEIR_OTLP_JSON_OBJECT:
		return "not an object";
	default:
		return "not a whole number of the right size";
	}
}

bool weir_otlp_json_scalar_write(struct weir_otlp_json_reader *reader, const struct weir_otlp_json_field *field,
	const struct weir_json_value *value)
{
	struct weir_otlp_json_write *out = &reader->out;
	bool is_string = value->kind == WEIR_JSON_STRING;
	uint64_t number = 0;
	struct weir_str text;

	if (field->kind == WEIR_OTLP_JSON_TEXT && is_string) {
		return text_write(reader, value);
	}
	if (field->kind == WEIR_OTLP_JSON_BOOL && (value->kind == WEIR_JSON_TRUE || value->kind == WEIR_JSON_FALSE)) {
		weir_otlp_json_write_varint(out, value->kind == WEIR_JSON_TRUE);
		return !out->is_full;
	}
	text = plain(reader, value);
	if (out->is_full) {
		return false;
	}
	if (field->kind == WEIR_OTLP_JSON_ID && is_string) {
		return id_write(reader, text);
	}
	if (field->kind == WEIR_OTLP_JSON_BYTES && is_string) {
		return base64_write(reader, text, value->text.data);
	}
	if (field->kind < WEIR_OTLP_JSON_INT64 || field->kind == WEIR_OTLP_JSON_OBJECT ||
		(value->kind != WEIR_JSON_NUMBER && !is_string) || !number_read(reader, field, value, text, &number)) {
		return out->is_full ? false
				    : weir_otlp_json_scalar_fail_at(reader, sentence_of(field->kind), value->text.data);
	}
	if (field->kind == WEIR_OTLP_JSON_FIXED32) {
		weir_otlp_json_write_fixed32(out, (uint32_t)number);
	} else if (weir_otlp_json_scalar_wire_type(field->kind) == WEIR_WIRE_FIXED64) {
		weir_otlp_json_write_fixed64(out, number);
	} else {
		weir_otlp_json_write_varint(out, number);
	}
	return !out->is_full;
}
