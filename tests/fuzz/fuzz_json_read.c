/* fuzz_json_read: any bytes through the JSON reader, with jansson as oracle.
 *
 * Three things must agree: reading value by value, skipping the whole, and
 * jansson, on acceptance and on every value. Where the two libraries differ on
 * purpose, only the first two are compared:
 *   - bytes that are not UTF-8 (the reader leaves them to the decoder);
 *   - a NUL byte (jansson 2.14 takes one behind a number);
 *   - half a surrogate pair in an escape (the reader makes it U+FFFD);
 *   - a name with a NUL in it, and numbers beyond jansson's;
 *   - nesting beyond WEIR_JSON_DEPTH;
 *   - an object that names a member twice: jansson keeps the last one. */
#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/json_read.h"
#include "base/utf8.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct walk {
	struct weir_json json;
	unsigned differences;  /* values that are not what the oracle says */
	bool is_beyond_oracle; /* something here that jansson refuses */
};

static int walk_value(struct walk *walk, const json_t *oracle);

/* The text's value, NUL-terminated and to be freed. */
static char *unescaped(struct walk *walk, struct weir_str raw, size_t *ret_length)
{
	char *out = malloc(raw.length + 1);

	weir_assert(out != NULL);
	*ret_length = weir_json_unescape(raw, out);
	weir_assert(*ret_length <= raw.length);
	out[*ret_length] = '\0';
	if (weir_utf8_is_valid(raw)) {
		weir_assert(weir_utf8_is_valid(weir_str_make(out, *ret_length)));
	}
	if (memchr(out, '\0', *ret_length) != NULL || memmem(out, *ret_length, "\xef\xbf\xbd", 3) != NULL) {
		walk->is_beyond_oracle = true;
	}
	return out;
}

static void compare_string(struct walk *walk, struct weir_str raw, const json_t *oracle)
{
	size_t length;
	char *text = unescaped(walk, raw, &length);

	if (oracle != NULL && (!json_is_string(oracle) || json_string_length(oracle) != length ||
				      memcmp(json_string_value(oracle), text, length) != 0)) {
		walk->differences++;
	}
	free(text);
}

static void compare_number(struct walk *walk, struct weir_str text, const json_t *oracle)
{
	int64_t value = 0;
	int r = weir_json_to_i64(text, &value);

	if (r == -ERANGE) {
		walk->is_beyond_oracle = true;
	}
	if (oracle == NULL) {
		return;
	}
	if (json_is_integer(oracle)) {
		walk->differences += r != 0 || json_integer_value(oracle) != value;
	} else if (json_is_real(oracle)) {
		double real = json_real_value(oracle);

		walk->differences += r == 0 && (double)value != real;
		walk->differences += r == -ERANGE && real > -9.2e18 && real < 9.2e18;
	} else {
		walk->differences++;
	}
}

static int walk_object(struct walk *walk, const json_t *oracle)
{
	unsigned differences = walk->differences;
	bool is_first = true, has_escapes;
	size_t members = 0, length;
	struct weir_str key;
	int r;

	while ((r = weir_json_member(&walk->json, &is_first, &key, &has_escapes)) == 0) {
		char *name = unescaped(walk, key, &length);
		const json_t *value = oracle != NULL ? json_object_get(oracle, name) : NULL;

		weir_assert(has_escapes == (memchr(key.data, '\\', key.length) != NULL));
		walk->differences += oracle != NULL && value == NULL;
		free(name);
		members++;
		r = walk_value(walk, value);
		if (r != 0) {
			return r;
		}
	}
	if (oracle != NULL && json_object_size(oracle) != members) {
		weir_assert(!json_is_object(oracle) || json_object_size(oracle) < members);
		walk->differences = differences; /* a name stands there twice */
	}
	return r == WEIR_JSON_END ? 0 : r;
}

static int walk_array(struct walk *walk, const json_t *oracle)
{
	bool is_first = true;
	size_t elements = 0;
	int r;

	while ((r = weir_json_element(&walk->json, &is_first)) == 0) {
		const json_t *element = oracle != NULL ? json_array_get(oracle, elements) : NULL;

		elements++;
		walk->differences += oracle != NULL && element == NULL;
		r = walk_value(walk, element);
		if (r != 0) {
			return r;
		}
	}
	walk->differences += r == WEIR_JSON_END && oracle != NULL && json_array_size(oracle) != elements;
	return r == WEIR_JSON_END ? 0 : r;
}

static int walk_value(struct walk *walk, const json_t *oracle)
{
	struct weir_json_value value;
	int r = weir_json_value(&walk->json, &value);

	if (r != 0) {
		return r;
	}
	weir_assert(walk->json.depth <= WEIR_JSON_DEPTH);
	switch (value.kind) {
	case WEIR_JSON_OBJECT:
		walk->differences += oracle != NULL && !json_is_object(oracle);
		return walk_object(walk, oracle);
	case WEIR_JSON_ARRAY:
		walk->differences += oracle != NULL && !json_is_array(oracle);
		return walk_array(walk, oracle);
	case WEIR_JSON_STRING:
		compare_string(walk, value.text, oracle);
		return 0;
	case WEIR_JSON_NUMBER:
		compare_number(walk, value.text, oracle);
		return 0;
	case WEIR_JSON_TRUE:
		walk->differences += oracle != NULL && !json_is_true(oracle);
		return 0;
	case WEIR_JSON_FALSE:
		walk->differences += oracle != NULL && !json_is_false(oracle);
		return 0;
	default:
		walk->differences += oracle != NULL && !json_is_null(oracle);
		return 0;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct weir_str text = { (const char *)data, size };
	bool has_oracle = weir_utf8_is_valid(text) && (size == 0 || memchr(data, '\0', size) == NULL);
	bool is_accepted, is_too_deep;
	struct weir_json skip;
	struct walk walk = { 0 };
	json_t *oracle = NULL;
	json_error_t error;
	int r;

	if (has_oracle) {
		oracle = json_loadb((const char *)data, size, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
	}
	weir_json_init(&walk.json, text);
	r = walk_value(&walk, oracle);
	is_accepted = r == 0 && weir_json_finish(&walk.json) == 0;
	is_too_deep = walk.json.error != NULL && strcmp(walk.json.error, "nested too deeply") == 0;
	weir_assert(is_accepted == (walk.json.error == NULL));
	weir_assert(weir_json_offset(&walk.json) <= size);

	weir_json_init(&skip, text);
	weir_assert((weir_json_skip(&skip) == 0 && weir_json_finish(&skip) == 0) == is_accepted);
	weir_assert(weir_json_offset(&skip) == weir_json_offset(&walk.json) && skip.error == walk.json.error);

	if (has_oracle) {
		weir_assert(oracle == NULL || is_accepted || is_too_deep);
		weir_assert(oracle != NULL || !is_accepted || walk.is_beyond_oracle);
		weir_assert(oracle == NULL || is_too_deep || walk.differences == 0);
	}
	json_decref(oracle);
	return 0;
}
