/* proto: Zipkin's ListOfSpans, read once with the wire cursor.
 *
 *   ListOfSpans ─ spans* ─ Span ┬ ids, kind, name, times, flags → spans
 *                               ├ local_endpoint               → resources
 *                               ├ remote_endpoint              → peer, peer_address
 *                               ├ annotations*                 → events
 *                               └ tags*                        → attrs
 *
 * The same spans as those of json.c, so the same decisions: names are
 * lower-cased, of a tag that stands twice the last one counts, any tag `error`
 * sets the ERROR flag, `shared` means nothing on a CLIENT, a parent that is all
 * zero or the span itself is none, and one bad span refuses the list.
 *
 * What the reference leaves out silently is left out here too: a tag without a
 * key, an annotation without time or value, an address that is not 4 or 16
 * bytes long, an unknown kind. Ids shorter than they should be are padded on
 * the left, longer ones refuse the list.
 *
 * Senders repeat the same few endpoints byte for byte: the last ones are
 * remembered, and one that comes again shares its row.
 *
 * Invariants
 *  1. attrs and events of one span are adjacent: only tags make attrs here, and
 *     only annotations make events.
 *  2. The first failure sets draft->error; everything then returns at once.
 *
 * One thread: the listener's. */
#include "decode/zipkin/proto.h"

#include "decode/wire.h"
#include "decode/zipkin/endpoint.h"
#include "decode/zipkin/read.h"
#include "decode/zipkin/tags.h"

enum { /* tags */
	LIST_SPANS = 1 << 3 | WEIR_WIRE_BYTES,
	SPAN_TRACE_ID = 1 << 3 | WEIR_WIRE_BYTES,
	SPAN_PARENT_ID = 2 << 3 | WEIR_WIRE_BYTES,
	SPAN_ID = 3 << 3 | WEIR_WIRE_BYTES,
	SPAN_KIND = 4 << 3 | WEIR_WIRE_VARINT,
	SPAN_NAME = 5 << 3 | WEIR_WIRE_BYTES,
	SPAN_TIMESTAMP = 6 << 3 | WEIR_WIRE_FIXED64,
	SPAN_DURATION = 7 << 3 | WEIR_WIRE_VARINT,
	SPAN_LOCAL_ENDPOINT = 8 << 3 | WEIR_WIRE_BYTES,
	SPAN_REMOTE_ENDPOINT = 9 << 3 | WEIR_WIRE_BYTES,
	SPAN_ANNOTATIONS = 10 << 3 | WEIR_WIRE_BYTES,
	SPAN_TAGS = 11 << 3 | WEIR_WIRE_BYTES,
	SPAN_DEBUG = 12 << 3 | WEIR_WIRE_VARINT,
	SPAN_SHARED = 13 << 3 | WEIR_WIRE_VARINT,
	ENDPOINT_SERVICE = 1 << 3 | WEIR_WIRE_BYTES,
	ENDPOINT_IPV4 = 2 << 3 | WEIR_WIRE_BYTES,
	ENDPOINT_IPV6 = 3 << 3 | WEIR_WIRE_BYTES,
	ENDPOINT_PORT = 4 << 3 | WEIR_WIRE_VARINT,
	ANNOTATION_TIMESTAMP = 1 << 3 | WEIR_WIRE_FIXED64,
	ANNOTATION_VALUE = 2 << 3 | WEIR_WIRE_BYTES,
	TAG_KEY = 1 << 3 | WEIR_WIRE_BYTES,
	TAG_VALUE = 2 << 3 | WEIR_WIRE_BYTES,
};

static const uint8_t kinds[] = { /* Zipkin's numbers */
	WEIR_SPAN_UNSPECIFIED, WEIR_SPAN_CLIENT, WEIR_SPAN_SERVER, WEIR_SPAN_PRODUCER, WEIR_SPAN_CONSUMER
};

struct span_seen { /* what settles once the whole span is read */
	bool has_trace_id, has_id, has_error, is_debug, is_shared;
};

static const char cut_short[] = "a field that is cut short or is none";

/* ---- scalars --------------------------------------------------------------- */

/* Up to `size` bytes, padded on the left with zeros; *ret_is_set: not all zero. */
static bool id_take(
	struct weir_zipkin_reader *reader, struct weir_str bytes, uint8_t *id, size_t size, bool *ret_is_set)
{
	uint8_t bits = 0;

	if (bytes.length > size) {
		return weir_zipkin_read_fail_at(reader, "an id of too many bytes", bytes.data);
	}
	memset(id, 0, size);
	for (size_t i = 0; i < bytes.length; i++) {
		id[size - bytes.length + i] = (uint8_t)bytes.data[i];
		bits |= (uint8_t)bytes.data[i];
	}
	*ret_is_set = bits != 0;
	return true;
}

/* Positive microseconds as nanoseconds; 0 for 0 and negative ones. */
static bool micros_take(struct weir_zipkin_reader *reader, uint64_t value, const uint8_t *behind, uint64_t *ret_ns)
{
	if (value > INT64_MAX) {
		*ret_ns = 0;
		return true;
	}
	if (value > INT64_MAX / 1000) {
		return weir_zipkin_read_fail_at(reader, "microseconds beyond the year 2262", (const char *)behind);
	}
	*ret_ns = value * 1000;
	return true;
}

/* ---- endpoints ------------------------------------------------------------- */

/* As the reference: 4 or 16 bytes, anything else is ignored. */
static void ip_take(struct weir_str bytes, uint8_t *v4, uint8_t *v6)
{
	if (bytes.length == 4) {
		memset(v4, 0, 10);
		memset(v4 + 10, 0xff, 2);
		memcpy(v4 + 12, bytes.data, 4);
	} else if (bytes.length == 16) {
		memcpy(v6, bytes.data, 16);
	}
}

static bool endpoint_parse(struct weir_zipkin_reader *reader, struct weir_str message, struct weir_zipkin_endpoint *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	uint8_t v4[16] = { 0 }, v6[16] = { 0 };
	int32_t port;

	while (weir_wire_next(&wire, &field)) {
		switch (field.tag) {
		case ENDPOINT_SERVICE:
			ret->service = weir_zipkin_read_lower(reader->draft, field.bytes, false);
			break;
		case ENDPOINT_IPV4:
		case ENDPOINT_IPV6:
			ip_take(field.bytes, v4, v6);
			break;
		case ENDPOINT_PORT:
			port = (int32_t)field.value;
			if (port > UINT16_MAX) {
				return weir_zipkin_read_fail_at(reader, "not a port", (const char *)wire.at);
			}
			ret->address.port = port > 0 ? (uint16_t)port : 0;
			break;
		default:
			break;
		}
	}
	/* Of both the record keeps one: ipv4, whose mapped form is never all zero. */
	memcpy(ret->address.ip, v4[10] != 0 ? v4 : v6, sizeof(ret->address.ip));
	return !wire.is_malformed || weir_zipkin_read_fail_at(reader, cut_short, message.data);
}

/* *ret is good until the next call; NULL for an empty message. */
static bool endpoint_take(struct weir_zipkin_reader *reader, struct weir_str message, struct weir_zipkin_endpoint **ret)
{
	struct weir_zipkin_endpoint *endpoint;

	*ret = NULL;
	if (message.length == 0) {
		return true;
	}
	for (unsigned i = 0; i < WEIR_ZIPKIN_ENDPOINTS; i++) {
		endpoint = &reader->endpoints[i];
		if (weir_str_equal(endpoint->text, message)) {
			*ret = endpoint;
			return true;
		}
	}
	endpoint = &reader->endpoints[reader->next_endpoint++ % WEIR_ZIPKIN_ENDPOINTS];
	*endpoint = (struct weir_zipkin_endpoint){ .resource = WEIR_NONE };
	if (!endpoint_parse(reader, message, endpoint)) {
		return false;
	}
	endpoint->text = message;
	*ret = endpoint;
	return true;
}

/* The row of a local endpoint; spans without one share a row that names nobody. */
static bool local_take(struct weir_zipkin_reader *reader, struct weir_str message, struct weir_span *span)
{
	struct weir_zipkin_endpoint nobody = { .resource = reader->nameless }, *endpoint;

	if (!endpoint_take(reader, message, &endpoint)) {
		return false;
	}
	if (endpoint != NULL) {
		return weir_zipkin_endpoint_resource(reader, endpoint, &span->resource);
	}
	if (!weir_zipkin_endpoint_resource(reader, &nobody, &span->resource)) {
		return false;
	}
	reader->nameless = nobody.resource;
	return true;
}

static bool remote_take(struct weir_zipkin_reader *reader, struct weir_str message, struct weir_span *span)
{
	struct weir_zipkin_endpoint *endpoint;

	if (!endpoint_take(reader, message, &endpoint)) {
		return false;
	}
	if (endpoint != NULL) {
		span->peer = endpoint->service;
		span->peer_address = endpoint->address;
	}
	return true;
}

/* ---- tags and annotations -------------------------------------------------- */

static bool tag_take(struct weir_zipkin_reader *reader, struct weir_str message, bool *ret_is_error)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_str key = { NULL, 0 }, value = { NULL, 0 };
	struct weir_attr *tag;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag == TAG_KEY) {
			key = field.bytes;
		} else if (field.tag == TAG_VALUE) {
			value = field.bytes;
		}
	}
	if (wire.is_malformed) {
		return weir_zipkin_read_fail_at(reader, cut_short, message.data);
	}
	if (key.length == 0) {
		return true;
	}
	tag = weir_draft_row(reader->draft, &reader->draft->attrs);
	if (tag == NULL) {
		return false;
	}
	tag->key = weir_draft_text(reader->draft, key);
	tag->value.text = weir_draft_text(reader->draft, value);
	tag->type = WEIR_ATTR_STRING;
	tag->padding = 0;
	*ret_is_error |= weir_str_is(key, "error");
	return true;
}

static bool annotation_take(struct weir_zipkin_reader *reader, struct weir_str message)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_str value = { NULL, 0 };
	struct weir_event *event;
	uint64_t time_ns = 0;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag == ANNOTATION_TIMESTAMP) {
			if (!micros_take(reader, field.value, wire.at, &time_ns)) {
				return false;
			}
		} else if (field.tag == ANNOTATION_VALUE) {
			value = field.bytes;
		}
	}
	if (wire.is_malformed) {
		return weir_zipkin_read_fail_at(reader, cut_short, message.data);
	}
	if (time_ns == 0 || value.length == 0) {
		return true;
	}
	event = weir_draft_event(reader->draft);
	if (event == NULL) {
		return false;
	}
	event->time_ns = time_ns;
	event->name = weir_draft_text(reader->draft, value);
	event->attr_first = reader->draft->attrs.count;
	return true;
}

/* ---- spans ----------------------------------------------------------------- */

static bool field_take(struct weir_zipkin_reader *reader, const struct weir_wire_field *field, const uint8_t *behind,
	struct weir_span *span, struct span_seen *seen)
{
	bool has_parent;

	switch (field->tag) {
	case SPAN_TAGS:
		return tag_take(reader, field->bytes, &seen->has_error);
	case SPAN_ANNOTATIONS:
		return annotation_take(reader, field->bytes);
	case SPAN_TRACE_ID:
		return id_take(reader, field->bytes, span->trace_id, sizeof(span->trace_id), &seen->has_trace_id);
	case SPAN_PARENT_ID:
		return id_take(reader, field->bytes, span->parent_id, sizeof(span->parent_id), &has_parent);
	case SPAN_ID:
		return id_take(reader, field->bytes, span->span_id, sizeof(span->span_id), &seen->has_id);
	case SPAN_LOCAL_ENDPOINT:
		return local_take(reader, field->bytes, span);
	case SPAN_REMOTE_ENDPOINT:
		return remote_take(reader, field->bytes, span);
	case SPAN_TIMESTAMP:
		return micros_take(reader, field->value, behind, &span->start_ns);
	case SPAN_DURATION:
		return micros_take(reader, field->value, behind, &span->duration_ns);
	case SPAN_NAME:
		span->name = weir_zipkin_read_lower(reader->draft, field->bytes, false);
		return true;
	case SPAN_KIND:
		span->kind = field->value < sizeof(kinds) ? kinds[field->value] : WEIR_SPAN_UNSPECIFIED;
		return true;
	case SPAN_DEBUG:
		seen->is_debug = field->value != 0;
		return true;
	case SPAN_SHARED:
		seen->is_shared = field->value != 0;
		return true;
	default:
		return true;
	}
}

static bool span_settle(struct weir_zipkin_reader *reader, struct weir_span *span, const struct span_seen *seen)
{
	struct weir_draft *draft = reader->draft;

	if (!weir_zipkin_tags_settle(draft, span->attr_first)) {
		return false;
	}
	span->attr_count = draft->attrs.count - span->attr_first;
	span->event_count = draft->events.count - span->event_first;
	span->flags |= span->start_ns == 0 ? WEIR_SPAN_NO_START : 0;
	span->flags |= span->duration_ns == 0 ? WEIR_SPAN_NO_DURATION : 0;
	span->flags |= seen->has_error ? WEIR_SPAN_ERROR : 0;
	span->flags |= seen->is_debug ? WEIR_SPAN_DEBUG : 0;
	span->flags |= seen->is_shared && span->kind != WEIR_SPAN_CLIENT ? WEIR_SPAN_SHARED : 0;
	if (memcmp(span->parent_id, span->span_id, sizeof(span->span_id)) == 0) {
		memset(span->parent_id, 0, sizeof(span->parent_id));
	}
	return span->resource != WEIR_NONE || local_take(reader, weir_str_make(NULL, 0), span);
}

static bool span_take(struct weir_zipkin_reader *reader, struct weir_str message)
{
	struct weir_draft *draft = reader->draft;
	struct weir_wire wire = weir_wire_of(message);
	struct weir_span *span = weir_draft_span(draft);
	struct span_seen seen = { 0 };
	struct weir_wire_field field;

	if (span == NULL) {
		return false;
	}
	draft->offered++;
	span->resource = WEIR_NONE;
	span->attr_first = draft->attrs.count;
	span->event_first = draft->events.count;
	span->link_first = draft->links.count;
	while (weir_wire_next(&wire, &field)) {
		if (!field_take(reader, &field, wire.at, span, &seen)) {
			return false;
		}
	}
	if (wire.is_malformed) {
		return weir_zipkin_read_fail_at(reader, cut_short, message.data);
	}
	if (!seen.has_trace_id || !seen.has_id) {
		return weir_zipkin_read_fail_at(
			reader, "a span without trace_id or id, or with one of zeros", message.data);
	}
	return span_settle(reader, span, &seen);
}

int weir_zipkin_proto_decode(struct weir_draft *draft)
{
	struct weir_zipkin_reader reader = { .draft = draft, .nameless = WEIR_NONE };
	struct weir_wire wire = weir_wire_of(draft->body);
	struct weir_wire_field field;
	bool is_read = true;

	while (is_read && !draft->is_exhausted && weir_wire_next(&wire, &field)) {
		if (field.tag == LIST_SPANS) {
			is_read = span_take(&reader, field.bytes);
		}
	}
	if (draft->is_exhausted) {
		return WEIR_DECODE_TOO_LARGE;
	}
	if (wire.is_malformed && is_read) {
		is_read = weir_zipkin_read_fail_at(&reader, cut_short, draft->body.data + draft->body.length);
	}
	if (!is_read) {
		weir_assert(draft->error != NULL);
		return WEIR_DECODE_MALFORMED;
	}
	return 0;
}
