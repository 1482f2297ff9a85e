/* json_number: proto3's numbers as JSON writes them (wire.md 4.4).
 *
 *  - Whole numbers of every width may be numbers or strings, in float syntax
 *    too ("1.5e18"), as long as they are whole and fit.
 *  - Doubles are numbers, or strings: a number's text, "NaN", "Infinity",
 *    "-Infinity". A number beyond the largest double is malformed.
 *  - Enums are numbers; their names do no harm. An unknown name is 0, as an
 *    unknown number is for the decoders. */
#include "decode/otlp/json_number.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>

#define NUMBER_MAX 64u

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

static bool enum_read(const struct weir_otlp_json_field *field, bool is_string, struct weir_str text, uint64_t *ret)
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
	return is_string;
}

bool weir_otlp_json_number_read(struct weir_otlp_json_reader *reader, const struct weir_otlp_json_field *field,
	bool is_string, struct weir_str text, uint64_t *ret)
{
	double real = 0;

	switch (field->kind) {
	case WEIR_OTLP_JSON_ENUM:
		return enum_read(field, is_string, text, ret);
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
