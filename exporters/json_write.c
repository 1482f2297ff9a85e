/* json_write: JSON into a buffer; see the header.
 *
 * One flag is state enough: a comma is due exactly when a value (or a closed
 * bracket) stands directly before. A key clears it, an opening bracket clears
 * it, each value sets it. */
#include "exporters/json_write.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/json_read.h"
#include "base/utf8.h"

void weir_json_write_init(struct weir_json_write *json, struct weir_buf *buf)
{
	*json = (struct weir_json_write){ .buf = buf };
}

static void comma(struct weir_json_write *json)
{
	if (json->needs_comma) {
		weir_buf_add_char(json->buf, ',');
	}
	json->needs_comma = true;
}

void weir_json_write_open(struct weir_json_write *json, char bracket)
{
	comma(json);
	weir_buf_add_char(json->buf, bracket);
	json->needs_comma = false;
}

void weir_json_write_close(struct weir_json_write *json, char bracket)
{
	weir_buf_add_char(json->buf, bracket);
	json->needs_comma = true;
}

/* Bytes that cannot stand in a JSON string as they are. */
static bool must_escape(unsigned char c)
{
	return c < 0x20 || c == '"' || c == '\\';
}

static void add_valid(struct weir_buf *buf, struct weir_str text)
{
	char escape[6];
	size_t begin = 0;

	for (size_t i = 0; i < text.length; i++) {
		if (must_escape((unsigned char)text.data[i])) {
			weir_buf_add(buf, text.data + begin, i - begin);
			weir_buf_add(buf, escape, weir_json_escape((unsigned char)text.data[i], escape));
			begin = i + 1;
		}
	}
	weir_buf_add(buf, text.data + begin, text.length - begin);
}

void weir_json_write_piece(struct weir_json_write *json, struct weir_str text)
{
	char *repaired;

	if (text.length == 0) {
		return;
	}
	if (weir_utf8_is_valid(text)) {
		add_valid(json->buf, text);
		return;
	}
	repaired = malloc(3 * text.length);
	if (repaired == NULL) {
		json->buf->error = json->buf->error != 0 ? json->buf->error : -ENOMEM;
		return;
	}
	add_valid(json->buf, weir_str_make(repaired, weir_utf8_repair(text, repaired)));
	free(repaired);
}

void weir_json_write_string_begin(struct weir_json_write *json)
{
	comma(json);
	weir_buf_add_char(json->buf, '"');
}

void weir_json_write_string_end(struct weir_json_write *json)
{
	weir_buf_add_char(json->buf, '"');
}

void weir_json_write_key(struct weir_json_write *json, const char *key)
{
	comma(json);
	weir_buf_add_char(json->buf, '"');
	weir_buf_add_text(json->buf, key);
	weir_buf_add(json->buf, "\":", 2);
	json->needs_comma = false;
}

void weir_json_write_key_str(struct weir_json_write *json, struct weir_str key)
{
	weir_json_write_str(json, key);
	weir_buf_add_char(json->buf, ':');
	json->needs_comma = false;
}

void weir_json_write_str(struct weir_json_write *json, struct weir_str text)
{
	weir_json_write_string_begin(json);
	weir_json_write_piece(json, text);
	weir_json_write_string_end(json);
}

void weir_json_write_text(struct weir_json_write *json, const char *text)
{
	weir_json_write_str(json, weir_str_of(text));
}

void weir_json_write_lower(struct weir_json_write *json, struct weir_str text)
{
	char piece[256];

	weir_json_write_string_begin(json);
	/* ASCII letters only are lowered, so the rest is valid as it stands; the
	 * pieces may end inside a character, hence the bytes go in unchecked. */
	for (size_t at = 0; at < text.length;) {
		size_t n = text.length - at < sizeof(piece) ? text.length - at : sizeof(piece);

		weir_str_copy_lower(piece, weir_str_make(text.data + at, n));
		add_valid(json->buf, weir_str_make(piece, n));
		at += n;
	}
	weir_json_write_string_end(json);
}

void weir_json_write_hex(struct weir_json_write *json, const uint8_t *bytes, size_t length)
{
	weir_json_write_string_begin(json);
	weir_buf_add_hex(json->buf, bytes, length);
	weir_json_write_string_end(json);
}

void weir_json_write_u64(struct weir_json_write *json, uint64_t value)
{
	comma(json);
	weir_buf_add_u64(json->buf, value);
}

void weir_json_write_double(struct weir_json_write *json, double value)
{
	char text[WEIR_JSON_WRITE_NUMBER];

	comma(json);
	if (isfinite(value)) {
		weir_buf_add(json->buf, text, weir_json_write_number(text, value));
	} else {
		weir_buf_add(json->buf, "null", 4);
	}
}

void weir_json_write_rounded(struct weir_json_write *json, double value)
{
	char digits[7] = { '.' };
	uint64_t millionths, rest;
	size_t length = 7;

	if (!(value >= 0 && value < 1e12)) {
		weir_json_write_double(json, value);
		return;
	}
	comma(json);
	millionths = (uint64_t)(value * 1e6 + 0.5);
	weir_buf_add_u64(json->buf, millionths / 1000000);
	rest = millionths % 1000000;
	for (size_t i = 6; i > 0; i--) {
		digits[i] = (char)('0' + rest % 10);
		rest /= 10;
	}
	while (length > 1 && digits[length - 1] == '0') {
		length--;
	}
	weir_buf_add(json->buf, digits, length > 1 ? length : 0);
}

void weir_json_write_bool(struct weir_json_write *json, bool value)
{
	comma(json);
	weir_buf_add_text(json->buf, value ? "true" : "false");
}

void weir_json_write_raw(struct weir_json_write *json, struct weir_str value)
{
	comma(json);
	weir_buf_add_str(json->buf, value);
}

size_t weir_json_write_number(char out[WEIR_JSON_WRITE_NUMBER], double value)
{
	int n = 0;

	if (!isfinite(value)) {
		memcpy(out, isnan(value) ? "NaN" : value > 0 ? "+Inf" : "-Inf", 4);
		return isnan(value) ? 3 : 4;
	}
	if (fabs(value) < 9007199254740992.0 && value == trunc(value)) {
		return (size_t)snprintf(out, WEIR_JSON_WRITE_NUMBER, "%lld", (long long)value);
	}
	for (int digits = 15; digits <= 17; digits++) {
		n = snprintf(out, WEIR_JSON_WRITE_NUMBER, "%.*g", digits, value);
		if (strtod(out, NULL) == value) {
			break;
		}
	}
	return (size_t)n;
}
