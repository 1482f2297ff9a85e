/* json_scalar: proto3's JSON values, with OTLP's exceptions (wire.md 4.4).
 *
 *  - Numbers may be strings (json_number.c).
 *  - Ids are hex. What is no hex is written as an id of a wrong length, and so
 *    costs one span or link, as a wrong id in protobuf does, not the request.
 *  - Other bytes are base64, standard or URL-safe, padded or not.
 *  - Text is passed on as it is: the decoders check that it is UTF-8.
 *
 * A string with escapes gets its value in the arena first. */
#include "decode/otlp/json_scalar.h"

#include "base/base64.h"
#include "base/hex.h"
#include "decode/otlp/json_number.h"
#include "decode/wire.h"

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

static bool id_write(struct weir_otlp_json_reader *reader, struct weir_str text)
{
	uint8_t id[1 + ID_MAX], *at;
	size_t length = text.length / 2;

	if (length > ID_MAX || text.length % 2 != 0 || !weir_hex_read(text, id + 1, length)) {
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

static bool base64_write(struct weir_otlp_json_reader *reader, struct weir_str text, const char *where)
{
	uint32_t opened = weir_otlp_json_write_open(&reader->out);
	uint8_t *at = weir_otlp_json_write_reserve(&reader->out, text.length + 3);
	size_t length;

	if (at == NULL) {
		return false;
	}
	switch (weir_base64_read(text, at, &length)) {
	case 0:
		break;
	case WEIR_BASE64_CUT:
		return weir_otlp_json_scalar_fail_at(reader, "not base64: it ends within a byte", where);
	default:
		return weir_otlp_json_scalar_fail_at(reader, "not base64", where);
	}
	weir_otlp_json_write_advance(&reader->out, length);
	weir_otlp_json_write_close(&reader->out, opened);
	return !reader->out.is_full;
}

/* ---- values ------------------------------------------------------------------ */

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
		(value->kind != WEIR_JSON_NUMBER && !is_string) ||
		!weir_otlp_json_number_read(reader, field, value->kind == WEIR_JSON_STRING, text, &number)) {
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
