/* json: Zipkin's v2 JSON list of spans, read once with the pull reader.
 *
 *   [ { "traceId", "id", "parentId", "kind", "name", "timestamp", "duration",
 *       "localEndpoint", "remoteEndpoint", "annotations", "tags", "debug",
 *       "shared", …unknown } … ]
 *
 *   span → spans, local endpoint → resources, tags → attrs, annotations → events
 *
 * Decisions, beyond wire.md 5.1
 *  - Of a member that stands twice the last one counts; so it is with tags.
 *    Few tags are compared each with each, many are sorted, so that nobody
 *    buys quadratic time with a long list.
 *  - Names are lower-cased where they are ASCII; other letters stay.
 *  - Numbers may be in quotes and in float syntax (Envoy 1.12); a fraction of a
 *    microsecond is cut off, but a duration never becomes 0 by that.
 *  - A number or boolean as a tag's value is its text; null leaves the tag out;
 *    an object or array is an error, as every wrong type of a known member is.
 *  - An address that does not parse is ignored, as in the reference. Of ipv4
 *    and ipv6 the record keeps one: ipv4.
 *  - Any tag `error` sets the ERROR flag, whatever its value.
 *
 * Proxies write the same few endpoints over and over, byte for byte: the last
 * ENDPOINTS texts are remembered, and one that comes again is stepped over and
 * shares its row.
 *
 * Invariants
 *  1. attrs and events of one span are adjacent: only tags make attrs here, and
 *     a second "tags" starts again where the first began.
 *  2. The first failure sets draft->error; everything then returns at once.
 *
 * One thread: the listener's. */
#include "decode/zipkin/json.h"

#include <errno.h>
#include <stdlib.h>

#include "base/json_read.h"
#include "base/utf8.h"
#include "decode/address.h"

#define ENDPOINTS 8u
#define FEW_TAGS 16u
#define NUMBER_MAX 64u
#define KEY_MAX 16u /* longer than every member's name */
#define ONES UINT64_C(0x0101010101010101)
#define HIGHS UINT64_C(0x8080808080808080)

struct endpoint {
	struct weir_str text; /* as it stands in the body, braces included */
	struct weir_ref service;
	struct weir_address address;
	uint32_t resource; /* the row that says the same, or WEIR_NONE */
};

struct reader {
	struct weir_draft *draft;
	struct weir_json json;
	struct endpoint endpoints[ENDPOINTS]; /* text empty: free */
	unsigned next_endpoint;
	uint32_t nameless; /* resource row of spans without local endpoint, or WEIR_NONE */
};

/* ---- failing --------------------------------------------------------------- */

static bool fail_at(struct reader *reader, const char *sentence, const char *at)
{
	if (reader->draft->error == NULL) {
		reader->draft->error = sentence;
		reader->draft->error_offset = (size_t)(at - reader->draft->body.data);
	}
	return false;
}

/* What the JSON reader found, or that the arena is full. */
static bool fail(struct reader *reader)
{
	return reader->json.error != NULL ? fail_at(reader, reader->json.error, reader->json.at) : false;
}

/* ---- scalars --------------------------------------------------------------- */

static bool value_next(struct reader *reader, struct weir_json_value *ret)
{
	return weir_json_value(&reader->json, ret) == 0 || fail(reader);
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

static struct weir_ref text_of(struct weir_draft *draft, struct weir_str raw, bool has_escapes)
{
	return has_escapes ? text_changed(draft, raw, true, false) : weir_draft_text(draft, raw);
}

/* A lower-cased name member; null leaves *ret. */
static bool name_read(struct reader *reader, const char *sentence, struct weir_ref *ret)
{
	struct weir_json_value value;

	if (!value_next(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_NULL) {
		return true;
	}
	if (value.kind != WEIR_JSON_STRING) {
		return fail_at(reader, sentence, value.text.data);
	}
	*ret = value.has_escapes || has_capital(value.text)
		       ? text_changed(reader->draft, value.text, value.has_escapes, true)
		       : weir_draft_text(reader->draft, value.text);
	return true;
}

static bool bool_read(struct reader *reader, bool *ret)
{
	struct weir_json_value value;

	if (!value_next(reader, &value)) {
		return false;
	}
	if (value.kind > WEIR_JSON_NULL || value.kind < WEIR_JSON_TRUE) {
		return fail_at(reader, "not true or false", value.text.data);
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
static bool micros_read(struct reader *reader, uint64_t *ret_ns)
{
	struct weir_json_value value;
	int64_t micros = 0;

	if (!value_next(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_NULL) {
		*ret_ns = 0;
		return true;
	}
	if ((value.kind != WEIR_JSON_NUMBER && value.kind != WEIR_JSON_STRING) ||
		(weir_json_to_i64(value.text, &micros) != 0 && !fraction_read(value.text, &micros))) {
		return fail_at(reader, "not a number of microseconds", value.text.data);
	}
	if (micros > INT64_MAX / 1000) {
		return fail_at(reader, "microseconds beyond the year 2262", value.text.data);
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
static bool id_read(struct reader *reader, uint8_t *id, size_t size, bool *ret_is_set)
{
	struct weir_json_value value;
	uint8_t bits = 0, all;
	size_t length;

	if (!value_next(reader, &value)) {
		return false;
	}
	memset(id, 0, size);
	*ret_is_set = false;
	if (value.kind == WEIR_JSON_NULL) {
		return true;
	}
	length = value.text.length;
	if (value.kind != WEIR_JSON_STRING || length == 0 || length > 2 * size) {
		return fail_at(reader, "not an id of hex digits of the right length", value.text.data);
	}
	all = 0x10;
	for (size_t i = 0, at = 2 * size - length; i < length; i++, at++) {
		uint8_t digit = hex_digits[(unsigned char)value.text.data[i]];

		all &= digit;
		bits |= digit;
		id[at / 2] = (uint8_t)(id[at / 2] << 4 | (digit & 0xf));
	}
	if (all == 0) {
		return fail_at(reader, "not a hex digit in an id", value.text.data);
	}
	*ret_is_set = (bits & 0xf) != 0;
	return true;
}

static bool kind_read(struct reader *reader, uint8_t *ret)
{
	struct weir_json_value value;

	if (!value_next(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_NULL) {
		*ret = WEIR_SPAN_UNSPECIFIED;
		return true;
	}
	if (value.kind == WEIR_JSON_STRING) {
		if (weir_str_is(value.text, "CLIENT")) {
			*ret = WEIR_SPAN_CLIENT;
			return true;
		}
		if (weir_str_is(value.text, "SERVER")) {
			*ret = WEIR_SPAN_SERVER;
			return true;
		}
		if (weir_str_is(value.text, "PRODUCER")) {
			*ret = WEIR_SPAN_PRODUCER;
			return true;
		}
		if (weir_str_is(value.text, "CONSUMER")) {
			*ret = WEIR_SPAN_CONSUMER;
			return true;
		}
	}
	return fail_at(reader, "not a kind of span", value.text.data);
}

/* ---- objects ----------------------------------------------------------------- */

/* The next member's name, unescaped when it is short enough to be one that we
 * know. 0: a member; WEIR_JSON_END; MALFORMED (draft->error is set). */
static int member_next(struct reader *reader, bool *is_first, struct weir_str *ret_key, char *buffer)
{
	bool has_escapes = false;
	int r = weir_json_member(&reader->json, is_first, ret_key, &has_escapes);

	if (r == WEIR_JSON_MALFORMED) {
		fail(reader);
	} else if (r == 0 && has_escapes && ret_key->length <= 6 * KEY_MAX) {
		*ret_key = weir_str_make(buffer, weir_json_unescape(*ret_key, buffer));
	}
	return r;
}

static bool skip(struct reader *reader)
{
	return weir_json_skip(&reader->json) == 0 || fail(reader);
}

/* An object or null (*ret_is_null); anything else fails with `sentence`. */
static bool object_open(struct reader *reader, const char *sentence, bool *ret_is_null)
{
	struct weir_json_value value;

	if (!value_next(reader, &value)) {
		return false;
	}
	*ret_is_null = value.kind == WEIR_JSON_NULL;
	return *ret_is_null || value.kind == WEIR_JSON_OBJECT || fail_at(reader, sentence, value.text.data);
}

static bool address_read(struct reader *reader, struct weir_address *ret)
{
	struct weir_json_value value;
	struct weir_address address;

	if (!value_next(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_NULL) {
		return true;
	}
	if (value.kind != WEIR_JSON_STRING) {
		return fail_at(reader, "not the text of an address", value.text.data);
	}
	if (weir_address_parse(value.text, &address)) {
		memcpy(ret->ip, address.ip, sizeof(ret->ip));
	}
	return true;
}

static bool port_read(struct reader *reader, uint16_t *ret)
{
	struct weir_json_value value;
	int64_t port = 0;

	if (!value_next(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_NULL) {
		return true;
	}
	if ((value.kind != WEIR_JSON_NUMBER && value.kind != WEIR_JSON_STRING) ||
		weir_json_to_i64(value.text, &port) != 0 || port > UINT16_MAX) {
		return fail_at(reader, "not a port", value.text.data);
	}
	*ret = port > 0 ? (uint16_t)port : 0;
	return true;
}

static bool is_set(const struct weir_address *address)
{
	static const uint8_t none[16];

	return memcmp(address->ip, none, sizeof(none)) != 0;
}

static bool endpoint_parse(struct reader *reader, struct endpoint *ret)
{
	struct weir_address v4 = { 0 }, v6 = { 0 };
	char buffer[6 * KEY_MAX];
	bool is_first = true, is_null, is_read = true;
	struct weir_str key;
	int r = WEIR_JSON_END;

	if (!object_open(reader, "not an endpoint", &is_null)) {
		return false;
	}
	while (!is_null && is_read && (r = member_next(reader, &is_first, &key, buffer)) == 0) {
		if (weir_str_is(key, "serviceName")) {
			is_read = name_read(reader, "not the name of a service", &ret->service);
		} else if (weir_str_is(key, "ipv4")) {
			is_read = address_read(reader, &v4);
		} else if (weir_str_is(key, "ipv6")) {
			is_read = address_read(reader, &v6);
		} else if (weir_str_is(key, "port")) {
			is_read = port_read(reader, &v4.port);
		} else {
			is_read = skip(reader);
		}
	}
	memcpy(ret->address.ip, is_set(&v4) ? v4.ip : v6.ip, sizeof(ret->address.ip));
	ret->address.port = v4.port;
	return is_read && r == WEIR_JSON_END;
}

/* The endpoint at hand; *ret is good until the next call. */
static bool endpoint_read(struct reader *reader, struct endpoint **ret)
{
	const char *at = reader->json.at;
	size_t left = (size_t)(reader->json.end - at);
	struct endpoint *endpoint;

	for (unsigned i = 0; i < ENDPOINTS; i++) {
		endpoint = &reader->endpoints[i];
		if (endpoint->text.length - 1 < left && memcmp(at, endpoint->text.data, endpoint->text.length) == 0) {
			reader->json.at += endpoint->text.length;
			*ret = endpoint;
			return true;
		}
	}
	endpoint = &reader->endpoints[reader->next_endpoint++ % ENDPOINTS];
	*endpoint = (struct endpoint){ .resource = WEIR_NONE };
	if (!endpoint_parse(reader, endpoint)) {
		return false;
	}
	/* Only what begins with its brace ends with it, whatever follows. */
	if (*at == '{') {
		endpoint->text = weir_str_make(at, (size_t)(reader->json.at - at));
	}
	*ret = endpoint;
	return true;
}

/* The row of a local endpoint. */
static bool resource_take(struct reader *reader, struct endpoint *endpoint, uint32_t *ret_row)
{
	if (endpoint->resource == WEIR_NONE) {
		struct weir_resource *resource = weir_draft_resource(reader->draft);

		if (resource == NULL) {
			return false;
		}
		resource->service = endpoint->service;
		resource->address = endpoint->address;
		endpoint->resource = reader->draft->resources.count - 1;
	}
	*ret_row = endpoint->resource;
	return true;
}

/* ---- tags and annotations ------------------------------------------------------ */

struct tag_place { /* for sorting many tags */
	struct weir_str key;
	uint32_t row;
};

static int places_compare(const void *left, const void *right)
{
	const struct tag_place *a = left, *b = right;
	size_t n = a->key.length < b->key.length ? a->key.length : b->key.length;
	int r = n > 0 ? memcmp(a->key.data, b->key.data, n) : 0;

	if (r == 0) {
		r = (a->key.length > b->key.length) - (a->key.length < b->key.length);
	}
	return r != 0 ? r : (a->row > b->row) - (a->row < b->row);
}

/* Marks all but the last of equal keys by sorting; false when the arena is full. */
static bool many_mark(struct weir_draft *draft, struct weir_attr *tags, uint32_t count)
{
	struct tag_place *places = weir_arena_alloc(draft->arena, count * sizeof(*places));

	if (places == NULL) {
		draft->is_exhausted = true;
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		places[i] = (struct tag_place){ weir_draft_str(draft, tags[i].key), i };
	}
	qsort(places, count, sizeof(*places), places_compare);
	for (uint32_t i = 0; i + 1 < count; i++) {
		if (weir_str_equal(places[i].key, places[i + 1].key)) {
			tags[places[i].row].type = WEIR_NONE;
		}
	}
	return true;
}

/* Takes out all but the last of equal keys. */
static bool tags_settle(struct weir_draft *draft, uint32_t first)
{
	struct weir_attr *tags = (struct weir_attr *)draft->attrs.data + first;
	uint32_t count = draft->attrs.count - first, kept = 0;

	if (count > FEW_TAGS) {
		if (!many_mark(draft, tags, count)) {
			return false;
		}
	} else {
		for (uint32_t i = 1; i < count; i++) {
			for (uint32_t k = 0; k < i; k++) {
				if (tags[k].key.length == tags[i].key.length &&
					weir_str_equal(weir_draft_str(draft, tags[k].key),
						weir_draft_str(draft, tags[i].key))) {
					tags[k].type = WEIR_NONE;
				}
			}
		}
	}
	for (uint32_t i = 0; i < count; i++) {
		if (tags[i].type != WEIR_NONE) {
			tags[kept++] = tags[i];
		}
	}
	draft->attrs.count = first + kept;
	return true;
}

static bool tags_read(struct reader *reader, uint32_t first, bool *ret_has_error)
{
	struct weir_draft *draft = reader->draft;
	bool is_first = true, is_null, has_escapes = false;
	struct weir_str key;
	int r = WEIR_JSON_END;

	draft->attrs.count = first;
	*ret_has_error = false;
	if (!object_open(reader, "tags that are no object", &is_null)) {
		return false;
	}
	while (!is_null && (r = weir_json_member(&reader->json, &is_first, &key, &has_escapes)) == 0) {
		struct weir_json_value value;
		struct weir_attr *tag;

		if (!value_next(reader, &value)) {
			return false;
		}
		if (value.kind == WEIR_JSON_NULL) {
			continue;
		}
		if (value.kind == WEIR_JSON_OBJECT || value.kind == WEIR_JSON_ARRAY) {
			return fail_at(reader, "a tag's value is neither text nor number", value.text.data);
		}
		tag = weir_draft_row(draft, &draft->attrs);
		if (tag == NULL) {
			return false;
		}
		tag->key = text_of(draft, key, has_escapes);
		tag->value.text = text_of(draft, value.text, value.has_escapes);
		tag->type = WEIR_ATTR_STRING;
		tag->padding = 0;
		if (tag->key.length == 5) {
			*ret_has_error |= weir_str_is(weir_draft_str(draft, tag->key), "error");
		}
	}
	if (r != WEIR_JSON_END) {
		return fail(reader);
	}
	return tags_settle(draft, first);
}

static bool annotation_read(struct reader *reader)
{
	struct weir_event *event = weir_draft_event(reader->draft);
	const char *from = reader->json.at;
	char buffer[6 * KEY_MAX];
	bool is_first = true, is_null, is_read = true, has_value = false;
	struct weir_json_value value;
	struct weir_str key;
	int r = WEIR_JSON_END;

	if (event == NULL || !object_open(reader, "not an annotation", &is_null)) {
		return false;
	}
	while (!is_null && is_read && (r = member_next(reader, &is_first, &key, buffer)) == 0) {
		if (weir_str_is(key, "timestamp")) {
			is_read = micros_read(reader, &event->time_ns);
		} else if (weir_str_is(key, "value")) {
			is_read = value_next(reader, &value) &&
				  (value.kind == WEIR_JSON_STRING ||
					  fail_at(reader, "an annotation's value is no text", value.text.data));
			if (is_read) {
				event->name = text_of(reader->draft, value.text, value.has_escapes);
				has_value = true;
			}
		} else {
			is_read = skip(reader);
		}
	}
	if (!is_read || r != WEIR_JSON_END) {
		return false;
	}
	event->attr_first = reader->draft->attrs.count;
	return (has_value && event->time_ns != 0) || fail_at(reader, "an annotation without time or value", from);
}

static bool annotations_read(struct reader *reader, uint32_t first)
{
	struct weir_json_value value;
	bool is_first = true;
	int r;

	reader->draft->events.count = first;
	if (!value_next(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_NULL) {
		return true;
	}
	if (value.kind != WEIR_JSON_ARRAY) {
		return fail_at(reader, "annotations that are no list", value.text.data);
	}
	while ((r = weir_json_element(&reader->json, &is_first)) == 0) {
		if (!annotation_read(reader)) {
			return false;
		}
	}
	return r == WEIR_JSON_END || fail(reader);
}

/* ---- spans ------------------------------------------------------------------------ */

struct span_seen { /* what settles once the whole span is read */
	bool has_trace_id, has_id, has_parent, has_error, is_debug, is_shared;
};

static bool remote_read(struct reader *reader, struct weir_span *span)
{
	struct endpoint *endpoint;

	if (!endpoint_read(reader, &endpoint)) {
		return false;
	}
	span->peer = endpoint->service;
	span->peer_address = endpoint->address;
	return true;
}

static bool local_read(struct reader *reader, struct weir_span *span)
{
	struct endpoint *endpoint;

	return endpoint_read(reader, &endpoint) && resource_take(reader, endpoint, &span->resource);
}

static bool member_read(struct reader *reader, struct weir_str key, struct weir_span *span, struct span_seen *seen)
{
	switch (key.length) {
	case 2:
		if (memcmp(key.data, "id", 2) == 0) {
			return id_read(reader, span->span_id, sizeof(span->span_id), &seen->has_id);
		}
		break;
	case 4:
		if (memcmp(key.data, "tags", 4) == 0) {
			return tags_read(reader, span->attr_first, &seen->has_error);
		}
		if (memcmp(key.data, "name", 4) == 0) {
			return name_read(reader, "not the name of a span", &span->name);
		}
		if (memcmp(key.data, "kind", 4) == 0) {
			return kind_read(reader, &span->kind);
		}
		break;
	case 5:
		if (memcmp(key.data, "debug", 5) == 0) {
			return bool_read(reader, &seen->is_debug);
		}
		break;
	case 6:
		if (memcmp(key.data, "shared", 6) == 0) {
			return bool_read(reader, &seen->is_shared);
		}
		break;
	case 7:
		if (memcmp(key.data, "traceId", 7) == 0) {
			return id_read(reader, span->trace_id, sizeof(span->trace_id), &seen->has_trace_id);
		}
		break;
	case 8:
		if (memcmp(key.data, "parentId", 8) == 0) {
			return id_read(reader, span->parent_id, sizeof(span->parent_id), &seen->has_parent);
		}
		if (memcmp(key.data, "duration", 8) == 0) {
			return micros_read(reader, &span->duration_ns);
		}
		break;
	case 9:
		if (memcmp(key.data, "timestamp", 9) == 0) {
			return micros_read(reader, &span->start_ns);
		}
		break;
	case 11:
		if (memcmp(key.data, "annotations", 11) == 0) {
			return annotations_read(reader, span->event_first);
		}
		break;
	case 13:
		if (memcmp(key.data, "localEndpoint", 13) == 0) {
			return local_read(reader, span);
		}
		break;
	case 14:
		if (memcmp(key.data, "remoteEndpoint", 14) == 0) {
			return remote_read(reader, span);
		}
		break;
	default:
		break;
	}
	return skip(reader);
}

static void span_settle(struct reader *reader, struct weir_span *span, const struct span_seen *seen)
{
	span->attr_count = reader->draft->attrs.count - span->attr_first;
	span->event_count = reader->draft->events.count - span->event_first;
	span->flags |= span->start_ns == 0 ? WEIR_SPAN_NO_START : 0;
	span->flags |= span->duration_ns == 0 ? WEIR_SPAN_NO_DURATION : 0;
	span->flags |= seen->has_error ? WEIR_SPAN_ERROR : 0;
	span->flags |= seen->is_debug ? WEIR_SPAN_DEBUG : 0;
	span->flags |= seen->is_shared && span->kind != WEIR_SPAN_CLIENT ? WEIR_SPAN_SHARED : 0;
	if (memcmp(span->parent_id, span->span_id, sizeof(span->span_id)) == 0) {
		memset(span->parent_id, 0, sizeof(span->parent_id));
	}
}

/* Spans without a local endpoint share a row that names nobody. */
static bool nameless_take(struct reader *reader, struct weir_span *span)
{
	struct endpoint nobody = { .resource = reader->nameless };

	if (span->resource != WEIR_NONE) {
		return true;
	}
	if (!resource_take(reader, &nobody, &span->resource)) {
		return false;
	}
	reader->nameless = nobody.resource;
	return true;
}

static bool span_read(struct reader *reader)
{
	struct weir_draft *draft = reader->draft;
	struct weir_span *span = weir_draft_span(draft);
	struct span_seen seen = { 0 };
	char buffer[6 * KEY_MAX];
	struct weir_json_value value;
	bool is_first = true;
	struct weir_str key;
	int r;

	if (span == NULL || !value_next(reader, &value)) {
		return false;
	}
	if (value.kind != WEIR_JSON_OBJECT) {
		return fail_at(reader, "a span that is no object", value.text.data);
	}
	draft->offered++;
	span->resource = WEIR_NONE;
	span->attr_first = draft->attrs.count;
	span->event_first = draft->events.count;
	span->link_first = draft->links.count;
	while ((r = member_next(reader, &is_first, &key, buffer)) == 0) {
		if (!member_read(reader, key, span, &seen)) {
			return false;
		}
	}
	if (r != WEIR_JSON_END) {
		return false;
	}
	if (!seen.has_trace_id || !seen.has_id) {
		return fail_at(reader, "a span without traceId or id, or with one of zeros", value.text.data);
	}
	span_settle(reader, span, &seen);
	return nameless_take(reader, span);
}

static bool list_read(struct reader *reader)
{
	struct weir_json_value value;
	bool is_first = true;
	int r;

	if (!value_next(reader, &value)) {
		return false;
	}
	if (value.kind != WEIR_JSON_ARRAY) {
		return fail_at(reader, "not a list of spans", value.text.data);
	}
	while ((r = weir_json_element(&reader->json, &is_first)) == 0) {
		if (!span_read(reader)) {
			return false;
		}
	}
	return (r == WEIR_JSON_END && weir_json_finish(&reader->json) == 0) || fail(reader);
}

int weir_zipkin_json_decode(struct weir_draft *draft)
{
	struct reader reader = { .draft = draft, .nameless = WEIR_NONE };
	bool is_read;

	if (draft->body.length == 0) {
		return 0;
	}
	weir_json_init(&reader.json, draft->body);
	is_read = list_read(&reader);
	if (draft->is_exhausted) {
		return WEIR_DECODE_TOO_LARGE;
	}
	if (!is_read) {
		weir_assert(draft->error != NULL);
		return WEIR_DECODE_MALFORMED;
	}
	return 0;
}
