/* json_read: a pull reader over one text in memory.
 *
 * The reader keeps a position, a depth and the first error; the caller keeps
 * the shape: it knows whether it is inside an object or an array, because it
 * opened it. So there is no stack, and reading costs what the bytes cost.
 *
 *            weir_json_value()
 *   [start] ------------------> scalar: behind it
 *                     |-------> '{' : depth + 1, then weir_json_member() + value, until END
 *                     `-------> '[' : depth + 1, then weir_json_element() + value, until END
 *
 * Invariants
 *  1. begin <= at <= end, and nothing at or behind `end` is ever read.
 *  2. depth is the number of open brackets, at most WEIR_JSON_DEPTH.
 *  3. Once `error` is set nothing moves: `at` is where the error was found.
 *  4. A string that was handed out has no raw control character and only whole,
 *     known escapes, so weir_json_unescape() need not fail. Its bytes need not
 *     be UTF-8: the decoder checks that, since it repairs and counts.
 *
 * Strings are most of the bytes: they are searched eight at a time. */
#include "base/json_read.h"

#include "base/err.h"
#include "base/json_scan.h"

#define ONES 0x0101010101010101ull
#define HIGHS 0x8080808080808080ull

void weir_json_init(struct weir_json *json, struct weir_str text)
{
	*json = (struct weir_json){ .begin = text.data, .at = text.data, .end = text.data };
	if (text.length > 0) {
		json->end += text.length;
	}
}

size_t weir_json_offset(const struct weir_json *json)
{
	return json->at == json->begin ? 0 : (size_t)(json->at - json->begin);
}

static int malformed(struct weir_json *json, const char *at, const char *sentence)
{
	json->at = at;
	json->error = sentence;
	return WEIR_JSON_MALFORMED;
}

static const char *skip_blanks(const char *at, const char *end)
{
	while (at < end && (unsigned char)*at <= ' ' && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t')) {
		at++;
	}
	return at;
}

/* ---- scanning ------------------------------------------------------------ */

/* The first quote, backslash or control character at or behind `at`, or `end`. */
static inline const char *find_special(const char *at, const char *end)
{
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
	while (end - at >= 8) {
		uint64_t word, quote, slash, found;

		memcpy(&word, at, sizeof(word));
		quote = word ^ (ONES * '"');
		slash = word ^ (ONES * '\\');
		/* A borrow can only mark bytes above a byte that is truly marked: the lowest mark is right. */
		found = (((quote - ONES) & ~quote) | ((slash - ONES) & ~slash) | ((word - ONES * 0x20) & ~word)) &
			HIGHS;
		if (found != 0) {
			return at + (__builtin_ctzll(found) >> 3);
		}
		at += 8;
	}
#endif
	while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20) {
		at++;
	}
	return at;
}

/* A string whose opening quote is at json->at. */
static int read_string(struct weir_json *json, struct weir_str *ret_raw, bool *ret_has_escapes)
{
	const char *from = json->at + 1, *at = find_special(from, json->end), *next;
	bool has_escapes = false;

	while (at < json->end && *at == '\\') {
		has_escapes = true;
		next = weir_json_skip_escape(at, json->end);
		if (next == NULL) {
			return malformed(json, at, "not an escape that JSON knows");
		}
		at = find_special(next, json->end);
	}
	if (at == json->end) {
		return malformed(json, at, "the text ends inside a string");
	}
	if (*at != '"') {
		return malformed(json, at, "a control character inside a string");
	}
	*ret_raw = (struct weir_str){ from, (size_t)(at - from) };
	*ret_has_escapes = has_escapes;
	json->at = at + 1;
	return 0;
}

/* ---- values -------------------------------------------------------------- */

static int read_word(struct weir_json *json, const char *word, enum weir_json_kind kind, struct weir_json_value *ret)
{
	size_t length = strlen(word);

	if ((size_t)(json->end - json->at) < length || memcmp(json->at, word, length) != 0) {
		return malformed(json, json->at, "not a value");
	}
	ret->kind = kind;
	ret->text = (struct weir_str){ json->at, length };
	ret->has_escapes = false;
	json->at += length;
	return 0;
}

static int read_number(struct weir_json *json, struct weir_json_value *ret)
{
	const char *bad = NULL, *behind = weir_json_skip_number(json->at, json->end, &bad);

	if (behind == NULL) {
		return malformed(json, bad, "not a number");
	}
	ret->kind = WEIR_JSON_NUMBER;
	ret->text = (struct weir_str){ json->at, (size_t)(behind - json->at) };
	ret->has_escapes = false;
	json->at = behind;
	return 0;
}

static int open_bracket(struct weir_json *json, enum weir_json_kind kind, struct weir_json_value *ret)
{
	if (json->depth == WEIR_JSON_DEPTH) {
		return malformed(json, json->at, "nested too deeply");
	}
	ret->kind = kind;
	ret->text = (struct weir_str){ json->at, 1 };
	ret->has_escapes = false;
	json->depth++;
	json->at++;
	return 0;
}

int weir_json_value(struct weir_json *json, struct weir_json_value *ret)
{
	if (json->error != NULL) {
		return WEIR_JSON_MALFORMED;
	}
	json->at = skip_blanks(json->at, json->end);
	if (json->at == json->end) {
		return malformed(json, json->at, "the text ends where a value should be");
	}
	switch (*json->at) {
	case '"':
		ret->kind = WEIR_JSON_STRING;
		return read_string(json, &ret->text, &ret->has_escapes);
	case '{':
		return open_bracket(json, WEIR_JSON_OBJECT, ret);
	case '[':
		return open_bracket(json, WEIR_JSON_ARRAY, ret);
	case 't':
		return read_word(json, "true", WEIR_JSON_TRUE, ret);
	case 'f':
		return read_word(json, "false", WEIR_JSON_FALSE, ret);
	case 'n':
		return read_word(json, "null", WEIR_JSON_NULL, ret);
	case '-':
	case '0':
	case '1':
	case '2':
	case '3':
	case '4':
	case '5':
	case '6':
	case '7':
	case '8':
	case '9':
		return read_number(json, ret);
	default:
		return malformed(json, json->at, "not a value");
	}
}

/* Before a member or an element: 0 when one follows, END behind the closing
 * bracket, or MALFORMED. json->at is then at the next thing's first byte. */
static int next_inside(struct weir_json *json, bool *is_first, char closing)
{
	const char *at;

	if (json->error != NULL) {
		return WEIR_JSON_MALFORMED;
	}
	weir_assert(json->depth > 0);
	at = skip_blanks(json->at, json->end);
	if (at == json->end) {
		return malformed(json, at, "the text ends inside an object or an array");
	}
	if (*at == closing) {
		json->at = at + 1;
		json->depth--;
		return WEIR_JSON_END;
	}
	if (!*is_first) {
		if (*at != ',') {
			return malformed(json, at, "neither a comma nor a closing bracket");
		}
		at = skip_blanks(at + 1, json->end);
	}
	*is_first = false;
	json->at = at;
	return 0;
}

int weir_json_member(struct weir_json *json, bool *is_first, struct weir_str *ret_key, bool *ret_key_has_escapes)
{
	int r = next_inside(json, is_first, '}');

	if (r != 0) {
		return r;
	}
	if (json->at == json->end || *json->at != '"') {
		return malformed(json, json->at, "not a member's name in quotes");
	}
	r = read_string(json, ret_key, ret_key_has_escapes);
	if (r != 0) {
		return WEIR_JSON_MALFORMED;
	}
	json->at = skip_blanks(json->at, json->end);
	if (json->at == json->end || *json->at != ':') {
		return malformed(json, json->at, "no colon behind a member's name");
	}
	json->at++;
	return 0;
}

int weir_json_element(struct weir_json *json, bool *is_first)
{
	return next_inside(json, is_first, ']');
}

int weir_json_skip_rest(struct weir_json *json, const struct weir_json_value *opened)
{
	uint64_t objects = 0; /* bit d - 1: is the bracket at depth d a brace? */
	struct weir_json_value value = *opened;
	unsigned outside = json->depth - 1;
	bool is_first = true, has_escapes;
	struct weir_str key;
	int r;

	if (json->error != NULL) {
		return WEIR_JSON_MALFORMED;
	}
	if (opened->kind != WEIR_JSON_OBJECT && opened->kind != WEIR_JSON_ARRAY) {
		return 0;
	}
	weir_assert(json->depth > 0);
	do {
		if (value.kind == WEIR_JSON_OBJECT || value.kind == WEIR_JSON_ARRAY) {
			uint64_t bit = 1ull << (json->depth - 1);

			objects = value.kind == WEIR_JSON_OBJECT ? objects | bit : objects & ~bit;
			is_first = true;
		}
		while ((r = (objects >> (json->depth - 1) & 1) != 0
				       ? weir_json_member(json, &is_first, &key, &has_escapes)
				       : weir_json_element(json, &is_first)) == WEIR_JSON_END) {
			is_first = false;
			if (json->depth == outside) {
				return 0;
			}
		}
		r = r == 0 ? weir_json_value(json, &value) : r;
	} while (r == 0);
	return WEIR_JSON_MALFORMED;
}

_Static_assert(WEIR_JSON_DEPTH <= 64, "weir_json_skip_rest keeps a bit per depth");

int weir_json_skip(struct weir_json *json)
{
	struct weir_json_value value;

	if (weir_json_value(json, &value) != 0) {
		return WEIR_JSON_MALFORMED;
	}
	return weir_json_skip_rest(json, &value);
}

int weir_json_finish(struct weir_json *json)
{
	if (json->error != NULL) {
		return WEIR_JSON_MALFORMED;
	}
	json->at = skip_blanks(json->at, json->end);
	if (json->at != json->end) {
		return malformed(json, json->at, "something follows the value");
	}
	return 0;
}
