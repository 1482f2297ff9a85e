/* read: the scalars of Zipkin's JSON, with Zipkin's leniencies.
 *
 *  - Names are lower-cased where they are ASCII; other letters stay.
 *  - Numbers may be in quotes and in float syntax (Envoy 1.12); a fraction of a
 *    microsecond is cut off, but a duration never becomes 0 by that.
 *  - Hex digits may be upper case.
 *
 * Text that stays as it came is a ref into the body; only what had escapes,
 * capitals or bytes that are no UTF-8 is written anew. */
#include "decode/zipkin/read.h"

#include <stdlib.h>

#include "base/err.h"
#include "base/utf8.h"

#define NUMBER_MAX 64u
#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

/* ---- failing --------------------------------------------------------------- */

bool weir_zipkin_read_fail_at(struct weir_zipkin_reader *reader, const char *sentence, const char *at)
{
	if (reader->draft->error == NULL) {
		reader->draft->error = sentence;
		reader->draft->error_offset = (size_t)(at - reader->draft->body.data);
	}
	return false;
}

/* What the JSON reader found, or that the arena is full. */
bool weir_zipkin_read_fail(struct weir_zipkin_reader *reader)
{
	return reader->json.error != NULL ? weir_zipkin_read_fail_at(reader, reader->json.error, reader->json.at)
					  : false;
}

/* ---- scalars --------------------------------------------------------------- */

bool weir_zipkin_read_value(struct weir_zipkin_reader *reader, struct weir_json_value *ret)
{
	return weir_json_value(&reader->json, ret) == 0 || weir_zipkin_read_fail(reader);
}

/* Is there an ASCII capital? Eight bytes at a time. */
static bool has_capital(struct weir_str text)
{
	size_t left = text.length;
	const char *at = text.data;

	for (; left >= 8; left -= 8, at += 8) {
		uint64_t word, low;

		memcpy(&word, at, 8);
		low = word & ~HIGHS;
		if ((((low + (0x80 - 'A') * ONES) ^ (low + (0x7f - 'Z') * ONES)) & ~word & HIGHS) != 0) {
			return true;
		}
	}
	for (; left > 0; left--, at++) {
		if ((unsigned char)(*at - 'A') < 26) {
			return true;
		}
	}
	return false;
}

static void make_lower(char *text, size_t length)
{
	for (size_t i = 0; i < length; i++) {
		if ((unsigned char)(text[i] - 'A') < 26) {
			text[i] = (char)(text[i] + ('a' - 'A'));
		}
	}
}

/* A string that cannot stay as it stands in the body. */
static struct weir_ref text_changed(struct weir_draft *draft, struct weir_str raw, bool has_escapes, bool lower)
{
	/* Unescaping never grows a string; repairing may make three of one byte. */
	char *out = weir_draft_reserve(draft, 4 * raw.length);
	char *plain = out != NULL ? out + 3 * raw.length : NULL;
	struct weir_str text = raw;
	size_t length;

	if (out == NULL) {
		return (struct weir_ref){ 0, 0 };
	}
	if (has_escapes) {
		text = weir_str_make(plain, weir_json_unescape(raw, plain));
	}
	if (weir_draft_is_ascii(text) || weir_utf8_is_valid(text)) {
		length = text.length;
		memmove(out, text.data, length);
	} else {
		draft->replaced_utf8++;
		length = weir_utf8_repair(text, out);
	}
	if (lower) {
		make_lower(out, length);
	}
	return weir_draft_commit(draft, length);
}

struct weir_ref weir_zipkin_read_text(struct weir_draft *draft, struct weir_str raw, bool has_escapes)
{
	return has_escapes ? text_changed(draft, raw, true, false) : weir_draft_text(draft, raw);
}

struct weir_ref weir_zipkin_read_lower(struct weir_draft *draft, struct weir_str raw, bool has_escapes)
{
	return has_escapes || has_capital(raw) ? text_changed(draft, raw, has_escapes, true)
					       : weir_draft_text(draft, raw);
}

/* A lower-cased name member; null leaves *ret. */
bool weir_zipkin_read_name(struct weir_zipkin_reader *reader, const char *sentence, struct weir_ref *ret)
{
	struct weir_json_value value;

	if (!weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_NULL) {
		return true;
	}
	if (value.kind != WEIR_JSON_STRING) {
		return weir_zipkin_read_fail_at(reader, sentence, value.text.data);
	}
	*ret = weir_zipkin_read_lower(reader->draft, value.text, value.has_escapes);
	return true;
}

bool weir_zipkin_read_bool(struct weir_zipkin_reader *reader, bool *ret)
{
	struct weir_json_value value;

	if (!weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	if (value.kind > WEIR_JSON_NULL || value.kind < WEIR_JSON_TRUE) {
		return weir_zipkin_read_fail_at(reader, "not true or false", value.text.data);
	}
	*ret = value.kind == WEIR_JSON_TRUE;
	return true;
}

/* A fraction: cut off, but nothing positive becomes 0. */
static bool fraction_read(struct weir_str text, int64_t *ret)
{
	char terminated[NUMBER_MAX + 1], *end;
	double real;

	if (text.length > NUMBER_MAX) {
		return false;
	}
	memcpy(terminated, text.data, text.length);
	terminated[text.length] = '\0';
	real = strtod(terminated, &end);
	if (end != terminated + text.length || !(real > -9e18 && real < 9e18)) {
		return false;
	}
	*ret = real > 0 && real < 1 ? 1 : (int64_t)real;
	return true;
}

/* Positive microseconds as nanoseconds; 0 for 0, negative ones and null. */
bool weir_zipkin_read_micros(struct weir_zipkin_reader *reader, uint64_t *ret_ns)
{
	struct weir_json_value value;
	int64_t micros = 0;

	if (!weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_NULL) {
		*ret_ns = 0;
		return true;
	}
	if ((value.kind != WEIR_JSON_NUMBER && value.kind != WEIR_JSON_STRING) ||
		(weir_json_to_i64(value.text, &micros) != 0 && !fraction_read(value.text, &micros))) {
		return weir_zipkin_read_fail_at(reader, "not a number of microseconds", value.text.data);
	}
	if (micros > INT64_MAX / 1000) {
		return weir_zipkin_read_fail_at(reader, "microseconds beyond the year 2262", value.text.data);
	}
	*ret_ns = micros > 0 ? (uint64_t)micros * 1000 : 0;
	return true;
}

/* 0x10 + the value of a hex digit of either case; 0 for other bytes. */
static const uint8_t hex_digits[256] = { ['0'] = 0x10,
	0x11,
	0x12,
	0x13,
	0x14,
	0x15,
	0x16,
	0x17,
	0x18,
	0x19,
	['A'] = 0x1a,
	0x1b,
	0x1c,
	0x1d,
	0x1e,
	0x1f,
	['a'] = 0x1a,
	0x1b,
	0x1c,
	0x1d,
	0x1e,
	0x1f };

/* Up to 2 × size hex digits, padded on the left with zeros; *ret_is_set: not all zero. */
bool weir_zipkin_read_id(struct weir_zipkin_reader *reader, uint8_t *id, size_t size, bool *ret_is_set)
{
	struct weir_json_value value;
	uint8_t bits = 0, all;
	size_t length;

	if (!weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	memset(id, 0, size);
	*ret_is_set = false;
	if (value.kind == WEIR_JSON_NULL) {
		return true;
	}
	length = value.text.length;
	if (value.kind != WEIR_JSON_STRING || length == 0 || length > 2 * size) {
		return weir_zipkin_read_fail_at(reader, "not an id of hex digits of the right length", value.text.data);
	}
	all = 0x10;
	for (size_t i = 0, at = 2 * size - length; i < length; i++, at++) {
		uint8_t digit = hex_digits[(unsigned char)value.text.data[i]];

		all &= digit;
		bits |= digit;
		id[at / 2] = (uint8_t)(id[at / 2] << 4 | (digit & 0xf));
	}
	if (all == 0) {
		return weir_zipkin_read_fail_at(reader, "not a hex digit in an id", value.text.data);
	}
	*ret_is_set = (bits & 0xf) != 0;
	return true;
}

/* ---- objects ----------------------------------------------------------------- */

/* The next member's name, unescaped when it is short enough to be one that we
 * know. 0: a member; WEIR_JSON_END; MALFORMED (draft->error is set). */
int weir_zipkin_read_member(struct weir_zipkin_reader *reader, bool *is_first, struct weir_str *ret_key, char *buffer)
{
	bool has_escapes = false;
	int r = weir_json_member(&reader->json, is_first, ret_key, &has_escapes);

	if (r == WEIR_JSON_MALFORMED) {
		weir_zipkin_read_fail(reader);
	} else if (r == 0 && has_escapes && ret_key->length <= WEIR_ZIPKIN_KEY_BUFFER) {
		*ret_key = weir_str_make(buffer, weir_json_unescape(*ret_key, buffer));
	}
	return r;
}

bool weir_zipkin_read_skip(struct weir_zipkin_reader *reader)
{
	return weir_json_skip(&reader->json) == 0 || weir_zipkin_read_fail(reader);
}

/* An object or null (*ret_is_null); anything else fails with `sentence`. */
bool weir_zipkin_read_object(struct weir_zipkin_reader *reader, const char *sentence, bool *ret_is_null)
{
	struct weir_json_value value;

	if (!weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	*ret_is_null = value.kind == WEIR_JSON_NULL;
	return *ret_is_null || value.kind == WEIR_JSON_OBJECT ||
	       weir_zipkin_read_fail_at(reader, sentence, value.text.data);
}

/* ---- the list -------------------------------------------------------------- */

static bool list_read(
	struct weir_zipkin_reader *reader, const char *expected, weir_zipkin_span_fn *span_read, void *ctx)
{
	struct weir_json_value value;
	bool is_first = true;
	int r;

	if (!weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	if (value.kind != WEIR_JSON_ARRAY) {
		return weir_zipkin_read_fail_at(reader, expected, value.text.data);
	}
	while ((r = weir_json_element(&reader->json, &is_first)) == 0) {
		if (!span_read(reader, ctx)) {
			return false;
		}
	}
	return (r == WEIR_JSON_END && weir_json_finish(&reader->json) == 0) || weir_zipkin_read_fail(reader);
}

int weir_zipkin_read_list(struct weir_draft *draft, const char *expected, weir_zipkin_span_fn *span_read, void *ctx)
{
	struct weir_zipkin_reader reader = { .draft = draft, .nameless = WEIR_NONE };
	bool is_read;

	if (draft->body.length == 0) {
		return 0;
	}
	weir_json_init(&reader.json, draft->body);
	is_read = list_read(&reader, expected, span_read, ctx);
	if (draft->is_exhausted) {
		return WEIR_DECODE_TOO_LARGE;
	}
	if (!is_read) {
		weir_assert(draft->error != NULL);
		return WEIR_DECODE_MALFORMED;
	}
	return 0;
}
