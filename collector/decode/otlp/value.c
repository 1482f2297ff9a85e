/* value: OTLP's AnyValue, and its arrays and maps as JSON text.
 *
 * A scalar becomes a typed attribute. An array or map becomes JSON, written
 * straight into the draft's pool: numbers as numbers (NaN and the infinities
 * as strings), bytes as base64, the empty value as null.
 *
 * Protobuf lets a sender write a singular field twice. Then the last member of
 * the oneof wins, and two arrays (or two maps) are joined. In text that is
 * simple: another member cuts the text back to where the value began; the same
 * member takes away the closing bracket and goes on.
 *
 * Invariants
 *  1. While a value is rendered nothing else is appended to the pool, so the
 *     value's text is always the pool's end.
 *  2. Recursion is at most WEIR_WIRE_DEPTH values deep; deeper is malformed.
 *  3. All text in the output is valid UTF-8. */
#include "decode/otlp/value.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base64.h"
#include "base/hex.h"
#include "base/utf8.h"

#define NUMBER_MAX 40u

enum { LIST_ITEM = 1 << 3 | WEIR_WIRE_BYTES }; /* ArrayValue.values, KeyValueList.values */

static bool value_render(struct weir_draft *draft, struct weir_str message, unsigned depth);

static void put(struct weir_draft *draft, const char *text, size_t length)
{
	char *at = weir_draft_reserve(draft, length);

	if (at != NULL) {
		memcpy(at, text, length);
		weir_draft_commit(draft, length);
	}
}

static void put_escaped(struct weir_draft *draft, struct weir_str text)
{
	char *out, *at;

	if (!weir_draft_is_ascii(text) && !weir_utf8_is_valid(text)) {
		char *repaired = weir_arena_alloc(draft->arena, 3 * text.length);

		if (repaired == NULL) {
			draft->is_exhausted = true;
			return;
		}
		draft->replaced_utf8++;
		text = weir_str_make(repaired, weir_utf8_repair(text, repaired));
	}
	out = at = weir_draft_reserve(draft, 6 * text.length + 2);
	if (out == NULL) {
		return;
	}
	*at++ = '"';
	for (size_t i = 0; i < text.length; i++) {
		unsigned char c = (unsigned char)text.data[i];

		if (c < 0x20) {
			memcpy(at, "\\u00", 4);
			at = weir_hex_write(at + 4, &c, 1);
		} else {
			if (c == '"' || c == '\\') {
				*at++ = '\\';
			}
			*at++ = (char)c;
		}
	}
	*at++ = '"';
	weir_draft_commit(draft, (size_t)(at - out));
}

static void put_base64(struct weir_draft *draft, struct weir_str bytes)
{
	char *out = weir_draft_reserve(draft, weir_base64_length(bytes.length) + 2), *at = out;

	if (out == NULL) {
		return;
	}
	*at++ = '"';
	at = weir_base64_write(at, bytes);
	*at++ = '"';
	weir_draft_commit(draft, (size_t)(at - out));
}

static double double_of(uint64_t bits)
{
	double real;

	memcpy(&real, &bits, sizeof(real));
	return real;
}

static void put_double(struct weir_draft *draft, double real)
{
	char text[NUMBER_MAX];

	if (isnan(real)) {
		put(draft, "\"NaN\"", 5);
		return;
	}
	if (isinf(real)) {
		put(draft, real > 0 ? "\"Infinity\"" : "\"-Infinity\"", real > 0 ? 10 : 11);
		return;
	}
	/* The shortest text that reads back as the same number. */
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, real);
		if (strtod(text, NULL) == real) {
			break;
		}
	}
	put(draft, text, strlen(text));
}

static void put_integer(struct weir_draft *draft, int64_t number)
{
	char text[NUMBER_MAX];
	int length = snprintf(text, sizeof(text), "%lld", (long long)number);

	put(draft, text, (size_t)length);
}

/* One KeyValue of a map: the key may stand behind the value, so it is looked
 * for first. */
static bool pair_render(struct weir_draft *draft, struct weir_str message, unsigned depth)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_str key = { NULL, 0 }, value = { NULL, 0 };
	unsigned values = 0;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag == WEIR_OTLP_PAIR_KEY) {
			key = field.bytes;
		} else if (field.tag == WEIR_OTLP_PAIR_VALUE) {
			value = field.bytes;
			values++;
		}
	}
	if (wire.is_malformed) {
		return false;
	}
	if (values > 1) {
		/* Merging messages is joining their bytes; seldom enough for a copy. */
		char *joined = weir_arena_alloc(draft->arena, message.length);
		size_t length = 0;

		if (joined == NULL) {
			draft->is_exhausted = true;
			return false;
		}
		wire = weir_wire_of(message);
		while (weir_wire_next(&wire, &field)) {
			if (field.tag == WEIR_OTLP_PAIR_VALUE && field.bytes.length > 0) {
				memcpy(joined + length, field.bytes.data, field.bytes.length);
				length += field.bytes.length;
			}
		}
		value = weir_str_make(joined, length);
	}
	put_escaped(draft, key);
	put(draft, ":", 1);
	return value_render(draft, value, depth);
}

/* The items of an ArrayValue or KeyValueList, and the closing bracket, behind
 * an opening bracket (`is_empty`) or behind earlier items. */
static bool items_render(
	struct weir_draft *draft, struct weir_str message, bool is_array, bool is_empty, unsigned depth)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag != LIST_ITEM) {
			continue;
		}
		if (!is_empty) {
			put(draft, ",", 1);
		}
		is_empty = false;
		if (!(is_array ? value_render(draft, field.bytes, depth + 1)
			       : pair_render(draft, field.bytes, depth + 1))) {
			return false;
		}
	}
	put(draft, is_array ? "]" : "}", 1);
	return !wire.is_malformed && !draft->is_exhausted;
}

/* A list that begins at `start` of the extra, or goes on there when `is_same`:
 * then the text so far ends with its closing bracket. */
static bool list_render(
	struct weir_draft *draft, struct weir_wire_field field, uint32_t start, bool is_same, unsigned depth)
{
	bool is_array = field.tag == WEIR_OTLP_VALUE_ARRAY;

	if (is_same) {
		draft->extra_length--;
	} else {
		draft->extra_length = start;
		put(draft, is_array ? "[" : "{", 1);
	}
	if (draft->is_exhausted) {
		return false;
	}
	return items_render(draft, field.bytes, is_array, draft->extra_length == start + 1, depth);
}

/* A scalar member as JSON; false when the field is no member. */
static bool scalar_render(struct weir_draft *draft, const struct weir_wire_field *field)
{
	switch (field->tag) {
	case WEIR_OTLP_VALUE_STRING:
		put_escaped(draft, field->bytes);
		return true;
	case WEIR_OTLP_VALUE_BOOL:
		put(draft, field->value != 0 ? "true" : "false", field->value != 0 ? 4 : 5);
		return true;
	case WEIR_OTLP_VALUE_INT:
		put_integer(draft, (int64_t)field->value);
		return true;
	case WEIR_OTLP_VALUE_DOUBLE:
		put_double(draft, double_of(field->value));
		return true;
	case WEIR_OTLP_VALUE_BYTES:
		put_base64(draft, field->bytes);
		return true;
	default:
		return false;
	}
}

/* Appends the JSON of an AnyValue at nesting `depth`. */
static bool value_render(struct weir_draft *draft, struct weir_str message, unsigned depth)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	uint32_t start = draft->extra_length, last = 0;

	if (depth > WEIR_WIRE_DEPTH) {
		return false;
	}
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == WEIR_OTLP_VALUE_ARRAY || field.tag == WEIR_OTLP_VALUE_KVLIST) {
			if (!list_render(draft, field, start, last == field.tag, depth)) {
				return false;
			}
			last = field.tag;
		} else {
			uint32_t end = draft->extra_length;

			if (scalar_render(draft, &field)) {
				/* It replaces what stood there before. */
				if (end > start && !draft->is_exhausted) {
					uint32_t length = draft->extra_length - end;

					memmove(draft->extra + start, draft->extra + end, length);
					draft->extra_length = start + length;
				}
				last = field.tag;
			}
		}
	}
	if (last == 0) {
		put(draft, "null", 4);
	}
	return !wire.is_malformed && !draft->is_exhausted;
}

/* An array or map as the value of an attribute. */
static bool attr_render(struct weir_draft *draft, const struct weir_wire_field *field, struct weir_attr *attr)
{
	char open = field->tag == WEIR_OTLP_VALUE_ARRAY ? '[' : '{';
	uint32_t start = draft->extra_length;
	bool is_same = false;

	if (attr->type == WEIR_ATTR_JSON) {
		struct weir_str before = weir_draft_str(draft, attr->value.text);

		is_same = before.data[0] == open;
		if (is_same) {
			weir_draft_copy(draft, before);
		}
	}
	if (draft->is_exhausted || !list_render(draft, *field, start, is_same, 1)) {
		return false;
	}
	attr->type = WEIR_ATTR_JSON;
	/* It is in the pool already; committing it again only makes the ref. */
	start = draft->extra_length - start;
	draft->extra_length -= start;
	attr->value.text = weir_draft_commit(draft, start);
	return true;
}

bool weir_otlp_value_read(struct weir_draft *draft, struct weir_str message, struct weir_attr *attr)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		switch (field.tag) {
		case WEIR_OTLP_VALUE_STRING:
			attr->type = WEIR_ATTR_STRING;
			attr->value.text = weir_draft_text(draft, field.bytes);
			break;
		case WEIR_OTLP_VALUE_BOOL:
			attr->type = WEIR_ATTR_BOOL;
			attr->value.number = field.value != 0;
			break;
		case WEIR_OTLP_VALUE_INT:
			attr->type = WEIR_ATTR_INT;
			attr->value.number = (int64_t)field.value;
			break;
		case WEIR_OTLP_VALUE_DOUBLE:
			attr->type = WEIR_ATTR_DOUBLE;
			attr->value.real = double_of(field.value);
			break;
		case WEIR_OTLP_VALUE_BYTES:
			attr->type = WEIR_ATTR_BYTES;
			attr->value.text = weir_draft_ref(draft, field.bytes);
			break;
		case WEIR_OTLP_VALUE_ARRAY:
		case WEIR_OTLP_VALUE_KVLIST:
			if (!attr_render(draft, &field, attr)) {
				return false;
			}
			break;
		default:
			break;
		}
	}
	return !wire.is_malformed;
}

struct weir_attr *weir_otlp_attr_read_any(struct weir_draft *draft, struct weir_str message, struct weir_str *ret_key)
{
	struct weir_attr *attr = weir_draft_attr(draft);
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_str key = { NULL, 0 };

	if (attr == NULL) {
		return NULL;
	}
	attr->type = WEIR_ATTR_EMPTY;
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == WEIR_OTLP_PAIR_KEY) {
			key = field.bytes;
		} else if (field.tag == WEIR_OTLP_PAIR_VALUE && !weir_otlp_value_read(draft, field.bytes, attr)) {
			return NULL;
		}
	}
	attr->key = weir_draft_text(draft, key);
	*ret_key = key;
	return wire.is_malformed ? NULL : attr;
}
