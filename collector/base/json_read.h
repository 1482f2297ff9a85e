/* json_read: a pull reader for JSON that came from outside (RFC 8259).
 *
 * No allocation, no tree: the caller asks for what it expects. Depth is bounded
 * (64), positions are byte offsets for error messages. Strings come as the raw
 * text between the quotes; weir_json_unescape() gives their value when
 * has_escapes. After the first error every call returns WEIR_JSON_MALFORMED. */
#ifndef WEIR_BASE_JSON_READ_H
#define WEIR_BASE_JSON_READ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

#define WEIR_JSON_DEPTH 64u

enum { WEIR_JSON_END = 1, WEIR_JSON_MALFORMED = 2 }; /* outcomes */

enum weir_json_kind {
	WEIR_JSON_OBJECT,
	WEIR_JSON_ARRAY,
	WEIR_JSON_STRING,
	WEIR_JSON_NUMBER,
	WEIR_JSON_TRUE,
	WEIR_JSON_FALSE,
	WEIR_JSON_NULL
};

struct weir_json {
	const char *begin, *at, *end;
	unsigned depth;
	const char *error; /* static sentence, or NULL */
};

struct weir_json_value {
	enum weir_json_kind kind;
	struct weir_str text; /* STRING: raw, without quotes; NUMBER: its characters */
	bool has_escapes;
};

void weir_json_init(struct weir_json *json, struct weir_str text);

/* The next value. Of an object or array only the bracket is consumed: iterate
 * with the calls below, or weir_json_skip_rest() it. 0 or MALFORMED. */
int weir_json_value(struct weir_json *json, struct weir_json_value *ret);

/* Inside an object: the next member's key (raw, as strings are), then its value
 * must be read or skipped. Inside an array: 0 when an element follows. *is_first
 * is true before the first call and kept by the calls. 0, END or MALFORMED. */
int weir_json_member(struct weir_json *json, bool *is_first, struct weir_str *ret_key, bool *ret_key_has_escapes);
int weir_json_element(struct weir_json *json, bool *is_first);

int weir_json_skip(struct weir_json *json); /* the whole next value */
/* Behind the object or array that weir_json_value() just opened and of which
 * nothing was read yet. Of any other value there is no rest: 0. 0 or MALFORMED. */
int weir_json_skip_rest(struct weir_json *json, const struct weir_json_value *opened);
int weir_json_finish(struct weir_json *json); /* nothing but blanks follows */

size_t weir_json_offset(const struct weir_json *json);

/* `out` has room for raw.length bytes; returns the bytes written. Lone
 * surrogates become U+FFFD. The raw text was already checked by the reader. */
size_t weir_json_unescape(struct weir_str raw, char *out);

/* A number's text as an integer; float syntax with an integral value is taken
 * (Envoy 1.12 wrote 1.58e+15). 0, or -EINVAL (no number, or not an integral
 * one), -ERANGE; *ret is set only on success. */
int weir_json_to_i64(struct weir_str number, int64_t *ret);

/* How a character below 0x80 is written that cannot stand for itself: `\"`, `\\`,
 * `\n`, `\r`, `\t`, `\u00hh` for others. Two or six bytes at `to`; returns how many. */
size_t weir_json_escape(unsigned char c, char *to);

#endif
