/* json: Zipkin's v2 JSON list of spans, read once with the pull reader.
 *
 *   [ { "traceId", "id", "parentId", "kind", "name", "timestamp", "duration",
 *       "localEndpoint", "remoteEndpoint", "annotations", "tags", "debug",
 *       "shared", …unknown } … ]
 *
 *   span → spans, local endpoint → resources, tags → attrs, annotations → events
 *
 * Of a member that stands twice the last one counts; a known member of a wrong
 * type is an error, an unknown one is skipped, null is absent. Any tag `error`
 * sets the ERROR flag, whatever its value. `shared` means nothing on a CLIENT.
 * `binaryAnnotations`, which only v1 has, refuses the list with the sentence
 * that Zipkin gives: half of each span would be lost.
 * The scalars' rules are in read.c, the endpoints' in endpoint.c, the tags' in
 * tags.c.
 *
 * Invariants
 *  1. attrs and events of one span are adjacent: only tags make attrs here, and
 *     a second "tags" starts again where the first began.
 *  2. The first failure sets draft->error; everything then returns at once.
 *
 * One thread: the listener's. */
#include "decode/zipkin/json.h"

#include "decode/zipkin/endpoint.h"
#include "decode/zipkin/read.h"
#include "decode/zipkin/tags.h"

#define EXPECTED "Expected a JSON_V2 encoded list"

static bool kind_read(struct weir_zipkin_reader *reader, uint8_t *ret)
{
	struct weir_json_value value;

	if (!weir_zipkin_read_value(reader, &value)) {
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
	return weir_zipkin_read_fail_at(reader, "not a kind of span", value.text.data);
}

struct span_seen { /* what settles once the whole span is read */
	bool has_trace_id, has_id, has_parent, has_error, is_debug, is_shared;
};

static bool remote_read(struct weir_zipkin_reader *reader, struct weir_span *span)
{
	struct weir_zipkin_endpoint *endpoint;

	if (!weir_zipkin_endpoint_read(reader, &endpoint)) {
		return false;
	}
	span->peer = endpoint->service;
	span->peer_address = endpoint->address;
	return true;
}

static bool local_read(struct weir_zipkin_reader *reader, struct weir_span *span)
{
	struct weir_zipkin_endpoint *endpoint;

	return weir_zipkin_endpoint_read(reader, &endpoint) &&
	       weir_zipkin_endpoint_resource(reader, endpoint, &span->resource);
}

static bool member_read(
	struct weir_zipkin_reader *reader, struct weir_str key, struct weir_span *span, struct span_seen *seen)
{
	switch (key.length) {
	case 2:
		if (memcmp(key.data, "id", 2) == 0) {
			return weir_zipkin_read_id(reader, span->span_id, sizeof(span->span_id), &seen->has_id);
		}
		break;
	case 4:
		if (memcmp(key.data, "tags", 4) == 0) {
			return weir_zipkin_tags_read(reader, span->attr_first, &seen->has_error);
		}
		if (memcmp(key.data, "name", 4) == 0) {
			return weir_zipkin_read_name(reader, "not the name of a span", &span->name);
		}
		if (memcmp(key.data, "kind", 4) == 0) {
			return kind_read(reader, &span->kind);
		}
		break;
	case 5:
		if (memcmp(key.data, "debug", 5) == 0) {
			return weir_zipkin_read_bool(reader, &seen->is_debug);
		}
		break;
	case 6:
		if (memcmp(key.data, "shared", 6) == 0) {
			return weir_zipkin_read_bool(reader, &seen->is_shared);
		}
		break;
	case 7:
		if (memcmp(key.data, "traceId", 7) == 0) {
			return weir_zipkin_read_id(reader, span->trace_id, sizeof(span->trace_id), &seen->has_trace_id);
		}
		break;
	case 8:
		if (memcmp(key.data, "parentId", 8) == 0) {
			return weir_zipkin_read_id(reader, span->parent_id, sizeof(span->parent_id), &seen->has_parent);
		}
		if (memcmp(key.data, "duration", 8) == 0) {
			return weir_zipkin_read_micros(reader, &span->duration_ns);
		}
		break;
	case 9:
		if (memcmp(key.data, "timestamp", 9) == 0) {
			return weir_zipkin_read_micros(reader, &span->start_ns);
		}
		break;
	case 11:
		if (memcmp(key.data, "annotations", 11) == 0) {
			return weir_zipkin_annotations_read(reader, span->event_first);
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
	case 17:
		if (memcmp(key.data, "binaryAnnotations", 17) == 0) {
			return weir_zipkin_read_fail_at(reader, EXPECTED ", but received: JSON_V1", reader->json.at);
		}
		break;
	}
	return weir_zipkin_read_skip(reader);
}

static void span_settle(struct weir_zipkin_reader *reader, struct weir_span *span, const struct span_seen *seen)
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
static bool nameless_take(struct weir_zipkin_reader *reader, struct weir_span *span)
{
	struct weir_zipkin_endpoint nobody = { .resource = reader->nameless };

	if (span->resource != WEIR_NONE) {
		return true;
	}
	if (!weir_zipkin_endpoint_resource(reader, &nobody, &span->resource)) {
		return false;
	}
	reader->nameless = nobody.resource;
	return true;
}

static bool span_read(struct weir_zipkin_reader *reader, void *ctx)
{
	struct weir_draft *draft = reader->draft;
	struct weir_span *span = weir_draft_span(draft);
	struct span_seen seen = { 0 };
	char buffer[WEIR_ZIPKIN_KEY_BUFFER];
	struct weir_json_value value;
	bool is_first = true;
	struct weir_str key;
	int r;

	(void)ctx;
	if (span == NULL || !weir_zipkin_read_value(reader, &value)) {
		return false;
	}
	if (value.kind != WEIR_JSON_OBJECT) {
		return weir_zipkin_read_fail_at(reader, "a span that is no object", value.text.data);
	}
	draft->offered++;
	span->resource = WEIR_NONE;
	span->attr_first = draft->attrs.count;
	span->event_first = draft->events.count;
	span->link_first = draft->links.count;
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
	span_settle(reader, span, &seen);
	return nameless_take(reader, span);
}

int weir_zipkin_json_decode(struct weir_draft *draft)
{
	return weir_zipkin_read_list(draft, EXPECTED, span_read, NULL);
}
