/* tags: an object of strings, and the list of moments beside it.
 *
 * Of a tag that stands twice the last one counts. Few tags are compared each
 * with each, many are sorted, so that nobody buys quadratic time with a long
 * list. A number or boolean as a value is its text; null leaves the tag out;
 * an object or array is an error. An annotation has a time and a value, or the
 * list is refused, as in the reference. */
#include "decode/zipkin/tags.h"

#include <stdlib.h>

#define FEW_TAGS 16u

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

bool weir_zipkin_tags_settle(struct weir_draft *draft, uint32_t first)
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

bool weir_zipkin_tags_read(struct weir_zipkin_reader *reader, uint32_t first, bool *ret_has_error)
{
	struct weir_draft *draft = reader->draft;
	bool is_first = true, is_null, has_escapes = false;
	struct weir_str key;
	int r = WEIR_JSON_END;

	draft->attrs.count = first;
	*ret_has_error = false;
	if (!weir_zipkin_read_object(reader, "tags that are no object", &is_null)) {
		return false;
	}
	while (!is_null && (r = weir_json_member(&reader->json, &is_first, &key, &has_escapes)) == 0) {
		struct weir_json_value value;
		struct weir_attr *tag;

		if (!weir_zipkin_read_value(reader, &value)) {
			return false;
		}
		if (value.kind == WEIR_JSON_NULL) {
			continue;
		}
		if (value.kind == WEIR_JSON_OBJECT || value.kind == WEIR_JSON_ARRAY) {
			return weir_zipkin_read_fail_at(
				reader, "a tag's value is neither text nor number", value.text.data);
		}
		tag = weir_draft_row(draft, &draft->attrs);
		if (tag == NULL) {
			return false;
		}
		tag->key = weir_zipkin_read_text(draft, key, has_escapes);
		tag->value.text = weir_zipkin_read_text(draft, value.text, value.has_escapes);
		tag->type = WEIR_ATTR_STRING;
		tag->padding = 0;
		if (tag->key.length == 5) {
			*ret_has_error |= weir_str_is(weir_draft_str(draft, tag->key), "error");
		}
	}
	if (r != WEIR_JSON_END) {
		return weir_zipkin_read_fail(reader);
	}
	return weir_zipkin_tags_settle(draft, first);
}

static bool annotation_read(struct weir_zipkin_reader *reader)
{
	struct weir_event *event = weir_draft_event(reader->draft);
	const char *from = reader->json.at;
	char buffer[WEIR_ZIPKIN_KEY_BUFFER];
	bool is_first = true, is_null, is_read = true, has_value = false;
	struct weir_json_value value;
	struct weir_str key;
	int r = WEIR_JSON_END;

	if (event == NULL || !weir_zipkin_read_object(reader, "not an annotation", &is_null)) {
		return false;
	}
	while (!is_null && is_read && (r = weir_zipkin_read_member(reader, &is_first, &key, buffer)) == 0) {
		if (weir_str_is(key, "timestamp")) {
			is_read = weir_zipkin_read_micros(reader, &event->time_ns);
		} else if (weir_str_is(key, "value")) {
			is_read = weir_zipkin_read_value(reader, &value) &&
				  (value.kind == WEIR_JSON_STRING ||
					  weir_zipkin_read_fail_at(
						  reader, "an annotation's value is no text", value.text.data));
			if (is_read) {
				event->name = weir_zipkin_read_text(reader->draft, value.text, value.has_escapes);
				has_value = true;
			}
		} else {
			is_read = weir_zipkin_read_skip(reader);
		}
	}
	if (!is_read || r != WEIR_JSON_END) {
		return false;
	}
	event->attr_first = reader->draft->attrs.count;
	return (has_value && event->time_ns != 0) ||
	       weir_zipkin_read_fail_at(reader, "an annotation without time or value", from);
}

bool weir_zipkin_annotations_read(struct weir_zipkin_reader *reader, uint32_t first)
{
	struct weir_json_value value;
	bool is_first = true;
	int r;

	reader->draft->events.count = first;
	if (!weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_NULL) {
		return true;
	}
	if (value.kind != WEIR_JSON_ARRAY) {
		return weir_zipkin_read_fail_at(reader, "annotations that are no list", value.text.data);
	}
	while ((r = weir_json_element(&reader->json, &is_first)) == 0) {
		if (!annotation_read(reader)) {
			return false;
		}
	}
	return r == WEIR_JSON_END || weir_zipkin_read_fail(reader);
}
