/* explain: reads a record of attributes; see the header.
 *
 * The file is at most FILE_MAX bytes; texts are unescaped into a second buffer
 * of the same size, which can only be shorter than what it comes of. */
#include "explain.h"

#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/file.h"
#include "base/ip.h"
#include "base/json_read.h"
#include "implied.h"
#include "rules/language/convert.h"

#define FILE_MAX (1u << 20)
#define PAIRS_MAX 1024u
#define NUMBER_MAX 64u
#define ARENA_CHUNK (64u << 10)
#define ARENA_MAX (32u << 20) /* texts of the file, as often as others follow from them */

struct telling {
	const char *path;
	struct weir_str text;
	struct weir_json json;
	struct weir_value told[WEIR_ATTRIBUTES];
	struct weir_rules_pair pairs[PAIRS_MAX];
	uint32_t pair_count;
	char *texts; /* unescaped */
	size_t used;
	struct weir_buf *why;
};

/* ---- errors ----------------------------------------------------------------- */

static void place_say(struct telling *telling, size_t offset)
{
	size_t line = 1, column = 1;

	for (size_t i = 0; i < offset && i < telling->text.length; i++) {
		if (telling->text.data[i] == '\n') {
			line++;
			column = 1;
		} else if (((unsigned char)telling->text.data[i] & 0xc0) != 0x80) {
			column++;
		}
	}
	weir_buf_addf(telling->why, "%s:%zu:%zu: ", telling->path, line, column);
}

static int malformed(struct telling *telling)
{
	place_say(telling, weir_json_offset(&telling->json));
	weir_buf_add_text(telling->why, telling->json.error != NULL ? telling->json.error : "this is no JSON");
	return WEIR_EXPLAIN_BAD;
}

/* ---- values ----------------------------------------------------------------- */

static struct weir_str text_of(struct telling *telling, struct weir_str raw, bool has_escapes)
{
	char *at = telling->texts + telling->used;
	size_t length;

	if (!has_escapes) {
		return raw;
	}
	length = weir_json_unescape(raw, at);
	telling->used += length;
	return weir_str_make(at, length);
}

static bool real_of(struct weir_str number, double *ret)
{
	char copy[NUMBER_MAX + 1];

	if (number.length > NUMBER_MAX) {
		return false;
	}
	memcpy(copy, number.data, number.length);
	copy[number.length] = '\0';
	*ret = strtod(copy, NULL);
	return isfinite(*ret);
}

static const char *wanted_text(enum weir_type type)
{
	switch (type) {
	case WEIR_TYPE_INT64:
		return "a whole number";
	case WEIR_TYPE_DOUBLE:
		return "a number";
	case WEIR_TYPE_BOOL:
		return "true or false";
	case WEIR_TYPE_TIMESTAMP:
		return "a time as a text: \"2026-11-23T10:00:00Z\"";
	case WEIR_TYPE_DURATION:
		return "a duration as a text: \"12ms\"";
	case WEIR_TYPE_IP_ADDRESS:
		return "an address as a text: \"10.0.0.7\"";
	case WEIR_TYPE_STRING_MAP:
		return "an object of texts";
	default:
		return "a text";
	}
}

static bool value_take(
	struct telling *telling, enum weir_type type, const struct weir_json_value *json, struct weir_value *ret)
{
	bool is_text = json->kind == WEIR_JSON_STRING;
	struct weir_str text = is_text ? text_of(telling, json->text, json->has_escapes) : json->text;

	ret->type = type;
	switch (type) {
	case WEIR_TYPE_INT64:
		return json->kind == WEIR_JSON_NUMBER && weir_json_to_i64(text, &ret->number) == 0;
	case WEIR_TYPE_DOUBLE:
		return json->kind == WEIR_JSON_NUMBER && real_of(text, &ret->real);
	case WEIR_TYPE_BOOL:
		ret->number = json->kind == WEIR_JSON_TRUE;
		return json->kind == WEIR_JSON_TRUE || json->kind == WEIR_JSON_FALSE;
	case WEIR_TYPE_TIMESTAMP:
		return is_text && weir_convert_timestamp(text, &ret->number);
	case WEIR_TYPE_DURATION:
		return is_text && weir_convert_duration(text, &ret->number);
	case WEIR_TYPE_IP_ADDRESS:
		return is_text && weir_ip_read(text, ret->ip);
	default:
		ret->text = text;
		if (is_text && text.length == 0) {
			ret->type = WEIR_TYPE_NONE; /* an empty text is unset */
		}
		return is_text;
	}
}

static int wrong_type(struct telling *telling, size_t offset, enum weir_attribute attribute, const char *wanted)
{
	place_say(telling, offset);
	weir_buf_addf(telling->why, "%s takes %s", weir_attribute_name(attribute), wanted);
	return WEIR_EXPLAIN_BAD;
}

/* The entries of a map whose bracket was just read. */
static int map_take(struct telling *telling, enum weir_attribute map)
{
	bool is_first = true, has_escapes;
	struct weir_json_value json;
	struct weir_str key;
	int r;

	while ((r = weir_json_member(&telling->json, &is_first, &key, &has_escapes)) == 0) {
		struct weir_rules_pair *pair = &telling->pairs[telling->pair_count];
		size_t offset = weir_json_offset(&telling->json);

		if (weir_json_value(&telling->json, &json) != 0) {
			return malformed(telling);
		}
		if (json.kind != WEIR_JSON_STRING) {
			return wrong_type(telling, offset, map, "an object of texts");
		}
		if (telling->pair_count == PAIRS_MAX) {
			return wrong_type(telling, offset, map, "at most 1024 entries, those of all maps together");
		}
		pair->map = map;
		pair->key = text_of(telling, key, has_escapes);
		pair->value = text_of(telling, json.text, json.has_escapes);
		telling->pair_count++;
	}
	return r == WEIR_JSON_END ? 0 : malformed(telling);
}

static int attribute_take(struct telling *telling, struct weir_str key, size_t key_offset)
{
	enum weir_attribute attribute;
	struct weir_json_value json;
	struct weir_value *value;
	enum weir_type type;
	size_t offset;

	if (!weir_attribute_find(key, &attribute)) {
		const char *nearest = weir_attribute_nearest(key);

		place_say(telling, key_offset);
		weir_buf_addf(telling->why, "there is no attribute %.*s", (int)(key.length < 200 ? key.length : 200),
			key.data);
		if (nearest != NULL) {
			weir_buf_addf(telling->why, "; did you mean %s?", nearest);
		}
		return WEIR_EXPLAIN_BAD;
	}
	offset = weir_json_offset(&telling->json);
	if (weir_json_value(&telling->json, &json) != 0) {
		return malformed(telling);
	}
	while (offset < telling->text.length && strchr(" \t\r\n:", telling->text.data[offset]) != NULL) {
		offset++;
	}
	type = weir_attribute_type(attribute);
	value = &telling->told[attribute];
	if (json.kind == WEIR_JSON_NULL) {
		return 0;
	}
	if (type == WEIR_TYPE_STRING_MAP && json.kind == WEIR_JSON_OBJECT) {
		value->type = type;
		value->map = attribute;
		return map_take(telling, attribute);
	}
	if (type == WEIR_TYPE_STRING_MAP || !value_take(telling, type, &json, value)) {
		return wrong_type(telling, offset, attribute, wanted_text(type));
	}
	return 0;
}

static int record_take(struct telling *telling)
{
	bool is_first = true, has_escapes;
	struct weir_json_value json;
	struct weir_str key;
	int r;

	weir_json_init(&telling->json, telling->text);
	if (weir_json_value(&telling->json, &json) != 0) {
		return malformed(telling);
	}
	if (json.kind != WEIR_JSON_OBJECT) {
		place_say(telling, 0);
		weir_buf_add_text(telling->why, "expected an object of attributes by name");
		return WEIR_EXPLAIN_BAD;
	}
	while ((r = weir_json_member(&telling->json, &is_first, &key, &has_escapes)) == 0) {
		size_t offset = (size_t)(key.data - telling->text.data) - 1;

		r = attribute_take(telling, text_of(telling, key, has_escapes), offset);
		if (r != 0) {
			return r;
		}
	}
	return r == WEIR_JSON_END && weir_json_finish(&telling->json) == 0 ? 0 : malformed(telling);
}

/* A request has headers and the like, also when none of them is told. */
static void request_complete(struct telling *telling)
{
	const struct weir_value *protocol = &telling->told[WEIR_ATTRIBUTE_PROTOCOL];

	if (protocol->type != WEIR_TYPE_STRING || weir_str_is(protocol->text, "tcp")) {
		return;
	}
	for (unsigned map = WEIR_ATTRIBUTE_REQUEST_HEADERS; map <= WEIR_ATTRIBUTE_REQUEST_AUTH_CLAIMS; map++) {
		telling->told[map] = (struct weir_value){ .type = WEIR_TYPE_STRING_MAP, .map = map };
	}
}

/* ---- the file ---------------------------------------------------------------- */

static int file_read(const char *path, struct weir_buf *text, struct weir_buf *why)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int r = fd < 0 ? -errno : weir_file_read(fd, FILE_MAX, text);

	if (fd >= 0) {
		close(fd);
	}
	if (r == 0 || r == -ENOMEM) {
		return r;
	}
	weir_buf_addf(why, "%s: %s", path, r == -EFBIG ? "larger than 1 MiB" : strerror(-r));
	return WEIR_EXPLAIN_BAD;
}

int weir_explain(
	const struct weir_ruleset *ruleset, const char *path, struct weir_buf *ret_text, struct weir_buf *ret_why)
{
	struct telling *telling = calloc(1, sizeof(*telling));
	struct weir_value *profile;
	struct weir_arena arena;
	struct weir_buf text;
	int r = telling != NULL ? 0 : -ENOMEM;

	weir_arena_init(&arena, ARENA_CHUNK, ARENA_MAX);
	weir_buf_init(&text, 0);
	r = r != 0 ? r : file_read(path, &text, ret_why);
	if (r == 0) {
		telling->path = path;
		telling->text = weir_buf_str(&text);
		telling->why = ret_why;
		telling->texts = malloc(text.length + 1);
		r = telling->texts != NULL ? record_take(telling) : -ENOMEM;
	}
	if (r == 0) {
		const struct weir_rules_record record = { .told = telling->told,
			.told_pairs = telling->pairs,
			.told_pair_count = telling->pair_count,
			.is_both = weir_ruleset_is_both(ruleset) };

		profile = &telling->told[WEIR_ATTRIBUTE_WEIR_PROFILE];
		if (profile->type == WEIR_TYPE_NONE) {
			profile->type = WEIR_TYPE_STRING;
			profile->text = weir_str_of(record.is_both ? "both" : "auto");
		}
		request_complete(telling);
		r = weir_implied_fill(&arena, &record, telling->told);
		if (r == 0) {
			weir_ruleset_explain(ruleset, &record, ret_text);
		}
	}
	weir_buf_fini(&text);
	weir_arena_fini(&arena);
	if (telling != NULL) {
		free(telling->texts);
	}
	free(telling);
	return r;
}
