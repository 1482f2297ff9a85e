/* v1: Zipkin's v1 JSON list of spans, read once with the pull reader.
 *
 *   [ { "traceId", "id", "parentId", "name", "timestamp", "duration", "debug",
 *       "annotations":       [ { "timestamp", "value", "endpoint" } … ],
 *       "binaryAnnotations": [ { "key", "value", "endpoint", "type" } … ],
 *       …unknown } … ]
 *
 * A v1 span belongs to nobody in particular: each annotation tells which host
 * wrote it. So a span is first read as it is, and what spans it becomes is
 * worked out when it is whole (sides.c).
 *
 * Of a member that stands twice the last one counts; a known member of a wrong
 * type is an error, an unknown one is skipped, null is absent. An annotation has
 * a time and a value, a binary annotation a key, or the list is refused, as in
 * the reference. A binary annotation's value is text; a number or boolean is its
 * text, but for the three addresses (`ca`, `sa`, `ma`), which are true or text
 * and are left out when they are anything else. Objects and arrays as a value
 * leave it out. An endpoint of which nothing was told is none.
 *
 * A member of v2 alone (localEndpoint, remoteEndpoint, tags) refuses the list
 * with the sentence that Zipkin gives.
 *
 * The rows of moments and marks are the reader's own: they lie in the arena and
 * are used again for each span.
 *
 * One thread: the listener's. */
#include "decode/zipkin/v1.h"

#include "decode/zipkin/endpoint.h"
#include "decode/zipkin/sides.h"

#define EXPECTED "Expected a JSON_V1 encoded list"

static bool host_read(struct weir_zipkin_reader *reader, struct weir_zipkin_host *ret)
{
	static const struct weir_address none;
	struct weir_zipkin_endpoint *endpoint;

	if (!weir_zipkin_endpoint_read(reader, &endpoint)) {
		return false;
	}
	*ret = (struct weir_zipkin_host){ .service = endpoint->service, .address = endpoint->address };
	ret->is_set = ret->service.length > 0 || memcmp(&ret->address, &none, sizeof(none)) != 0;
	return true;
}

/* ---- annotations ----------------------------------------------------------- */

static bool moment_read(struct weir_zipkin_reader *reader, struct weir_zipkin_moment *moment)
{
	const char *from = reader->json.at;
	char buffer[WEIR_ZIPKIN_KEY_BUFFER];
	bool is_first = true, is_null, is_read = true, has_time = false, has_value = false;
	struct weir_json_value value;
	struct weir_str key;
	int r = WEIR_JSON_END;

	*moment = (struct weir_zipkin_moment){ .side = WEIR_NONE };
	if (!weir_zipkin_read_object(reader, "not an annotation", &is_null)) {
		return false;
	}
	while (!is_null && is_read && (r = weir_zipkin_read_member(reader, &is_first, &key, buffer)) == 0) {
		if (weir_str_is(key, "timestamp")) {
			has_time = true;
			is_read = weir_zipkin_read_micros(reader, &moment->time_ns);
		} else if (weir_str_is(key, "value")) {
			has_value = true;
			is_read = weir_zipkin_read_value(reader, &value) &&
				  (value.kind == WEIR_JSON_STRING ||
					  weir_zipkin_read_fail_at(
						  reader, "an annotation's value is no text", value.text.data));
			if (is_read) {
				moment->value = weir_zipkin_read_text(reader->draft, value.text, value.has_escapes);
			}
		} else if (weir_str_is(key, "endpoint")) {
			is_read = host_read(reader, &moment->host);
		} else {
			is_read = weir_zipkin_read_skip(reader);
		}
	}
	if (!is_read || r != WEIR_JSON_END) {
		return false;
	}
	return (has_time && has_value) || weir_zipkin_read_fail_at(reader, "an annotation without time or value", from);
}

/* ---- binary annotations ---------------------------------------------------- */

struct mark_seen {
	bool has_key, has_value, is_true, is_text;
};

static bool mark_value_read(struct weir_zipkin_reader *reader, struct weir_zipkin_mark *mark, struct mark_seen *seen)
{
	struct weir_json_value value;

	if (!weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	if (value.kind == WEIR_JSON_OBJECT || value.kind == WEIR_JSON_ARRAY) {
		return weir_json_skip_rest(&reader->json, &value) == 0 || weir_zipkin_read_fail(reader);
	}
	if (value.kind != WEIR_JSON_NULL) {
		seen->has_value = true;
		seen->is_true = value.kind == WEIR_JSON_TRUE;
		seen->is_text = value.kind == WEIR_JSON_STRING;
		mark->value = weir_zipkin_read_text(reader->draft, value.text, value.has_escapes);
	}
	return true;
}

static bool is_address(struct weir_str key)
{
	return weir_str_is(key, "ca") || weir_str_is(key, "sa") || weir_str_is(key, "ma");
}

/* *ret_is_kept: it says something. */
static bool mark_read(struct weir_zipkin_reader *reader, struct weir_zipkin_mark *mark, bool *ret_is_kept)
{
	const char *from = reader->json.at;
	char buffer[WEIR_ZIPKIN_KEY_BUFFER];
	bool is_first = true, is_null, is_read = true;
	struct mark_seen seen = { 0 };
	struct weir_json_value value;
	struct weir_str key;
	int r = WEIR_JSON_END;

	*mark = (struct weir_zipkin_mark){ .side = WEIR_NONE };
	if (!weir_zipkin_read_object(reader, "not a binary annotation", &is_null)) {
		return false;
	}
	while (!is_null && is_read && (r = weir_zipkin_read_member(reader, &is_first, &key, buffer)) == 0) {
		if (weir_str_is(key, "key")) {
			is_read = weir_zipkin_read_value(reader, &value) &&
				  (value.kind == WEIR_JSON_STRING ||
					  weir_zipkin_read_fail_at(reader, "a key that is no text", value.text.data));
			if (is_read) {
				mark->key = weir_zipkin_read_text(reader->draft, value.text, value.has_escapes);
				seen.has_key = true;
			}
		} else if (weir_str_is(key, "value")) {
			is_read = mark_value_read(reader, mark, &seen);
		} else if (weir_str_is(key, "endpoint")) {
			is_read = host_read(reader, &mark->host);
		} else {
			is_read = weir_zipkin_read_skip(reader);
		}
	}
	if (!is_read || r != WEIR_JSON_END) {
		return false;
	}
	if (!seen.has_key) {
		return weir_zipkin_read_fail_at(reader, "a binary annotation without key", from);
	}
	*ret_is_kept = seen.has_value;
	if (is_address(weir_draft_str(reader->draft, mark->key))) {
		*ret_is_kept = seen.is_text || (seen.is_true && mark->host.is_set);
	}
	return true;
}

/* ---- lists ----------------------------------------------------------------- */

/* An opening bracket or null (*ret_is_null); anything else fails with `sentence`. */
static bool list_open(struct weir_zipkin_reader *reader, const char *sentence, bool *ret_is_null)
{
	struct weir_json_value value;

	if (!weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	*ret_is_null = value.kind == WEIR_JSON_NULL;
	return *ret_is_null || value.kind == WEIR_JSON_ARRAY ||
	       weir_zipkin_read_fail_at(reader, sentence, value.text.data);
}

static bool moments_read(struct weir_zipkin_reader *reader, struct weir_rows *moments)
{
	bool is_first = true, is_null;
	int r;

	moments->count = 0;
	if (!list_open(reader, "annotations that are no list", &is_null)) {
		return false;
	}
	if (is_null) {
		return true;
	}
	while ((r = weir_json_element(&reader->json, &is_first)) == 0) {
		struct weir_zipkin_moment *moment = weir_draft_row(reader->draft, moments);

		if (moment == NULL || !moment_read(reader, moment)) {
			return false;
		}
	}
	return r == WEIR_JSON_END || weir_zipkin_read_fail(reader);
}

static bool marks_read(struct weir_zipkin_reader *reader, struct weir_rows *marks)
{
	bool is_first = true, is_null, is_kept = false;
	int r;

	marks->count = 0;
	if (!list_open(reader, "binaryAnnotations that are no list", &is_null)) {
		return false;
	}
	if (is_null) {
		return true;
	}
	while ((r = weir_json_element(&reader->json, &is_first)) == 0) {
		struct weir_zipkin_mark *mark = weir_draft_row(reader->draft, marks);

		if (mark == NULL || !mark_read(reader, mark, &is_kept)) {
			return false;
		}
		mark->position = marks->count;
		marks->count -= is_kept ? 0 : 1;
	}
	return r == WEIR_JSON_END || weir_zipkin_read_fail(reader);
}

/* ---- spans ----------------------------------------------------------------- */

struct span_seen { /* what settles once the whole span is read */
	bool has_trace_id, has_id, has_parent;
};

static bool member_read(struct weir_zipkin_reader *reader, struct weir_str key, struct weir_zipkin_v1_span *span,
	struct span_seen *seen)
{
	if (weir_str_is(key, "traceId")) {
		return weir_zipkin_read_id(reader, span->trace_id, sizeof(span->trace_id), &seen->has_trace_id);
	}
	if (weir_str_is(key, "id")) {
		return weir_zipkin_read_id(reader, span->span_id, sizeof(span->span_id), &seen->has_id);
	}
	if (weir_str_is(key, "parentId")) {
		return weir_zipkin_read_id(reader, span->parent_id, sizeof(span->parent_id), &seen->has_parent);
	}
	if (weir_str_is(key, "name")) {
		return weir_zipkin_read_name(reader, "not the name of a span", &span->name);
	}
	if (weir_str_is(key, "timestamp")) {
		return weir_zipkin_read_micros(reader, &span->start_ns);
	}
	if (weir_str_is(key, "duration")) {
		return weir_zipkin_read_micros(reader, &span->duration_ns);
	}
	if (weir_str_is(key, "annotations")) {
		return moments_read(reader, &span->moments);
	}
	if (weir_str_is(key, "binaryAnnotations")) {
		return marks_read(reader, &span->marks);
	}
	if (weir_str_is(key, "debug")) {
		return weir_zipkin_read_bool(reader, &span->is_debug);
	}
	if (weir_str_is(key, "localEndpoint") || weir_str_is(key, "remoteEndpoint") || weir_str_is(key, "tags")) {
		return weir_zipkin_read_fail_at(reader, EXPECTED ", but received: JSON_V2", reader->json.at);
	}
	return weir_zipkin_read_skip(reader);
}

/* `ctx`: a span, which keeps its tables from span to span. */
static bool span_read(struct weir_zipkin_reader *reader, void *ctx)
{
	struct weir_zipkin_v1_span *span = ctx;
	struct span_seen seen = { 0 };
	char buffer[WEIR_ZIPKIN_KEY_BUFFER];
	struct weir_json_value value;
	bool is_first = true;
	struct weir_str key;
	int r;

	*span = (struct weir_zipkin_v1_span){ .moments = span->moments, .marks = span->marks };
	span->moments.count = span->marks.count = 0;
	if (!weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	if (value.kind != WEIR_JSON_OBJECT) {
		return weir_zipkin_read_fail_at(reader, "a span that is no object", value.text.data);
	}
	while ((r = weir_zipkin_read_member(reader, &is_first, &key, buffer)) == 0) {
		if (!member_read(reader, key, span, &seen)) {
			return false;
		}
	}
	if (r != WEIR_JSON_END) {
		return false;
	}
	if (!seen.has_trace_id || !seen.has_id) {
		return weir_zipkin_read_fail_at(
			reader, "a span without traceId or id, or with one of zeros", value.text.data);
	}
	if (memcmp(span->parent_id, span->span_id, sizeof(span->span_id)) == 0) {
		memset(span->parent_id, 0, sizeof(span->parent_id));
	}
	return weir_zipkin_sides_write(reader, span, value.text.data);
}

int weir_zipkin_v1_decode(struct weir_draft *draft)
{
	struct weir_zipkin_v1_span span = { .moments = { .row_bytes = sizeof(struct weir_zipkin_moment) },
		.marks = { .row_bytes = sizeof(struct weir_zipkin_mark) } };

	return weir_zipkin_read_list(draft, EXPECTED, span_read, &span);
}
