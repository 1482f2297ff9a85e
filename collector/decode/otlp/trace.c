/* trace: OTLP's spans, in one pass over the sender's bytes.
 *
 *   span ├ attributes → attrs
 *        ├ events*    → events, attrs   (second pass)
 *        └ links*     → links, attrs    (second pass)
 *
 * The resource and the scope around them are group.c's. A reader of the batch
 * wants one owner's attributes side by side, and protobuf allows fields in any
 * order. So a span is walked for its own fields first; only one that has
 * events or links is walked again.
 *
 * Decisions
 *  - A span is read to its end before it is judged: a malformed byte refuses
 *    the request even in a span that would be dropped.
 *  - Ids of a wrong length or all zero: dropped (invalid), rows taken back. A
 *    parent id is 8 bytes or absent; all zero means absent. A link with such
 *    ids is left out and counted in dropped_links.
 *  - Start 0: NO_START and NO_DURATION. End 0: NO_DURATION. An end before its
 *    start (a clock that was set back): a known duration of 0, so that the
 *    span counts in every number.
 *  - Unknown kinds are UNSPECIFIED, unknown status codes UNSET.
 *  - What attributes say about the peer and about errors: peer.c.
 *
 * One thread: the listener's. Nothing is allocated outside the draft's arena. */
#include "decode/otlp/trace.h"

#include "decode/otlp/group.h"
#include "decode/otlp/peer.h"
#include "decode/otlp/value.h"

enum { /* tags */
	SPAN_TRACE_ID = 1 << 3 | WEIR_WIRE_BYTES,
	SPAN_ID = 2 << 3 | WEIR_WIRE_BYTES,
	SPAN_TRACE_STATE = 3 << 3 | WEIR_WIRE_BYTES,
	SPAN_PARENT_ID = 4 << 3 | WEIR_WIRE_BYTES,
	SPAN_NAME = 5 << 3 | WEIR_WIRE_BYTES,
	SPAN_KIND = 6 << 3 | WEIR_WIRE_VARINT,
	SPAN_START = 7 << 3 | WEIR_WIRE_FIXED64,
	SPAN_END = 8 << 3 | WEIR_WIRE_FIXED64,
	SPAN_ATTRIBUTES = 9 << 3 | WEIR_WIRE_BYTES,
	SPAN_DROPPED_ATTRIBUTES = 10 << 3 | WEIR_WIRE_VARINT,
	SPAN_EVENTS = 11 << 3 | WEIR_WIRE_BYTES,
	SPAN_DROPPED_EVENTS = 12 << 3 | WEIR_WIRE_VARINT,
	SPAN_LINKS = 13 << 3 | WEIR_WIRE_BYTES,
	SPAN_DROPPED_LINKS = 14 << 3 | WEIR_WIRE_VARINT,
	SPAN_STATUS = 15 << 3 | WEIR_WIRE_BYTES,
	SPAN_FLAGS = 16 << 3 | WEIR_WIRE_FIXED32,
	STATUS_MESSAGE = 2 << 3 | WEIR_WIRE_BYTES,
	STATUS_CODE = 3 << 3 | WEIR_WIRE_VARINT,
	EVENT_TIME = 1 << 3 | WEIR_WIRE_FIXED64,
	EVENT_NAME = 2 << 3 | WEIR_WIRE_BYTES,
	EVENT_ATTRIBUTES = 3 << 3 | WEIR_WIRE_BYTES,
	EVENT_DROPPED_ATTRIBUTES = 4 << 3 | WEIR_WIRE_VARINT,
	LINK_TRACE_ID = 1 << 3 | WEIR_WIRE_BYTES,
	LINK_SPAN_ID = 2 << 3 | WEIR_WIRE_BYTES,
	LINK_TRACE_STATE = 3 << 3 | WEIR_WIRE_BYTES,
	LINK_ATTRIBUTES = 4 << 3 | WEIR_WIRE_BYTES,
	LINK_DROPPED_ATTRIBUTES = 5 << 3 | WEIR_WIRE_VARINT,
	LINK_FLAGS = 6 << 3 | WEIR_WIRE_FIXED32,
};

enum { STATUS_OK = 1, STATUS_ERROR = 2 };

/* ---- events and links ----------------------------------------------------- */

static bool event_decode(struct weir_draft *draft, struct weir_str message)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_event *event = weir_draft_event(draft);
	struct weir_str key;

	if (event == NULL) {
		return false;
	}
	event->attr_first = draft->attrs.count;
	while (weir_wire_next(&wire, &field)) {
		switch (field.tag) {
		case EVENT_TIME:
			event->time_ns = field.value;
			break;
		case EVENT_NAME:
			event->name = weir_draft_text(draft, field.bytes);
			break;
		case EVENT_ATTRIBUTES:
			if (weir_otlp_attr_read(draft, field.bytes, &key) == NULL) {
				return false;
			}
			break;
		case EVENT_DROPPED_ATTRIBUTES:
			event->dropped_attrs = (uint32_t)field.value;
			break;
		default:
			break;
		}
	}
	event->attr_count = draft->attrs.count - event->attr_first;
	return !wire.is_malformed;
}

/* *ret_is_valid: both ids are well formed. The row is there either way. */
static bool link_decode(struct weir_draft *draft, struct weir_str message, bool *ret_is_valid)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_link *link = weir_draft_link(draft);
	bool has_trace_id = false, has_span_id = false;
	struct weir_str key;

	if (link == NULL) {
		return false;
	}
	link->attr_first = draft->attrs.count;
	while (weir_wire_next(&wire, &field)) {
		switch (field.tag) {
		case LINK_TRACE_ID:
			has_trace_id = weir_otlp_id_take(field.bytes, link->trace_id, sizeof(link->trace_id));
			break;
		case LINK_SPAN_ID:
			has_span_id = weir_otlp_id_take(field.bytes, link->span_id, sizeof(link->span_id));
			break;
		case LINK_TRACE_STATE:
			link->trace_state = weir_draft_text(draft, field.bytes);
			break;
		case LINK_ATTRIBUTES:
			if (weir_otlp_attr_read(draft, field.bytes, &key) == NULL) {
				return false;
			}
			break;
		case LINK_DROPPED_ATTRIBUTES:
			link->dropped_attrs = (uint32_t)field.value;
			break;
		case LINK_FLAGS:
			link->flags = (uint32_t)field.value;
			break;
		default:
			break;
		}
	}
	link->attr_count = draft->attrs.count - link->attr_first;
	*ret_is_valid = has_trace_id && has_span_id;
	return !wire.is_malformed;
}

/* The span's second pass. */
static bool events_and_links_decode(struct weir_draft *draft, struct weir_str message, struct weir_span *span)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag == SPAN_EVENTS) {
			if (!event_decode(draft, field.bytes)) {
				return false;
			}
		} else if (field.tag == SPAN_LINKS) {
			bool is_valid = false;

			if (!link_decode(draft, field.bytes, &is_valid)) {
				return false;
			}
			if (!is_valid) {
				draft->links.count--;
				span->dropped_links++;
			}
		}
	}
	span->event_count = draft->events.count - span->event_first;
	span->link_count = draft->links.count - span->link_first;
	return true;
}

/* ---- spans ---------------------------------------------------------------- */

struct span_seen {
	bool is_valid; /* its ids are */
	bool has_events_or_links;
};

static bool status_decode(struct weir_draft *draft, struct weir_str message, struct weir_span *span)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag == STATUS_MESSAGE) {
			span->status_message = weir_draft_text(draft, field.bytes);
		} else if (field.tag == STATUS_CODE) {
			span->status =
				field.value == STATUS_OK || field.value == STATUS_ERROR ? (uint8_t)field.value : 0;
		}
	}
	return !wire.is_malformed;
}

static void times_settle(struct weir_span *span, uint64_t end_ns)
{
	if (span->start_ns == 0) {
		span->flags |= WEIR_SPAN_NO_START | WEIR_SPAN_NO_DURATION;
	} else if (end_ns == 0) {
		span->flags |= WEIR_SPAN_NO_DURATION;
	} else if (end_ns > span->start_ns) {
		span->duration_ns = end_ns - span->start_ns;
	}
}

/* Numbers that most spans do not have. */
static void rare_take(const struct weir_wire_field *field, struct weir_span *span)
{
	switch (field->tag) {
	case SPAN_DROPPED_ATTRIBUTES:
		span->dropped_attrs = (uint32_t)field->value;
		break;
	case SPAN_DROPPED_EVENTS:
		span->dropped_events = (uint32_t)field->value;
		break;
	case SPAN_DROPPED_LINKS:
		span->dropped_links = (uint32_t)field->value;
		break;
	case SPAN_FLAGS:
		span->w3c_flags = (uint32_t)field->value;
		break;
	default:
		break;
	}
}

/* The span's own fields. */
static bool span_fields_decode(
	struct weir_draft *draft, struct weir_str message, struct weir_span *span, struct span_seen *ret_seen)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_otlp_peer peer;
	bool has_trace_id = false, has_span_id = false, has_sound_parent = true, has_more = false;
	const struct weir_attr *attr;
	struct weir_str key;
	uint64_t end_ns = 0;

	weir_otlp_peer_init(&peer);
	while (weir_wire_next(&wire, &field)) {
		switch (field.tag) {
		case SPAN_ATTRIBUTES:
			attr = weir_otlp_attr_read(draft, field.bytes, &key);
			if (attr == NULL) {
				return false;
			}
			weir_otlp_peer_observe(draft, attr, key, &peer);
			break;
		case SPAN_TRACE_ID:
			has_trace_id = weir_otlp_id_take(field.bytes, span->trace_id, sizeof(span->trace_id));
			break;
		case SPAN_ID:
			has_span_id = weir_otlp_id_take(field.bytes, span->span_id, sizeof(span->span_id));
			break;
		case SPAN_PARENT_ID:
			memset(span->parent_id, 0, sizeof(span->parent_id));
			weir_otlp_id_take(field.bytes, span->parent_id, sizeof(span->parent_id));
			has_sound_parent = field.bytes.length == 0 || field.bytes.length == sizeof(span->parent_id);
			break;
		case SPAN_TRACE_STATE:
			span->trace_state = weir_draft_text(draft, field.bytes);
			break;
		case SPAN_NAME:
			span->name = weir_draft_text(draft, field.bytes);
			break;
		case SPAN_KIND:
			span->kind = field.value <= WEIR_SPAN_CONSUMER ? (uint8_t)field.value : WEIR_SPAN_UNSPECIFIED;
			break;
		case SPAN_START:
			span->start_ns = field.value;
			break;
		case SPAN_END:
			end_ns = field.value;
			break;
		case SPAN_STATUS:
			if (!status_decode(draft, field.bytes, span)) {
				return false;
			}
			break;
		case SPAN_EVENTS:
		case SPAN_LINKS:
			has_more = true;
			break;
		default:
			rare_take(&field, span);
			break;
		}
	}
	times_settle(span, end_ns);
	span->flags |= peer.is_error || span->status == STATUS_ERROR ? WEIR_SPAN_ERROR : 0;
	weir_otlp_peer_settle(draft, &peer, span);
	*ret_seen = (struct span_seen){ has_trace_id && has_span_id && has_sound_parent, has_more };
	return !wire.is_malformed;
}

static bool span_decode(struct weir_otlp_groups *groups, struct weir_str message, uint32_t resource)
{
	struct weir_draft *draft = groups->draft;
	struct weir_span *span = weir_draft_span(draft);
	struct span_seen seen;

	if (span == NULL) {
		return false;
	}
	draft->offered++;
	span->resource = resource;
	span->attr_first = draft->attrs.count;
	span->event_first = draft->events.count;
	span->link_first = draft->links.count;
	if (!span_fields_decode(draft, message, span, &seen)) {
		return false;
	}
	span->attr_count = draft->attrs.count - span->attr_first;
	if (seen.has_events_or_links && !events_and_links_decode(draft, message, span)) {
		return false;
	}
	if (!seen.is_valid) {
		draft->dropped[WEIR_DROP_INVALID]++;
		draft->attrs.count = span->attr_first;
		draft->events.count = span->event_first;
		draft->links.count = span->link_first;
		draft->spans.count--;
	}
	return true;
}

int weir_otlp_trace_decode(struct weir_draft *draft)
{
	struct weir_otlp_groups groups = { .draft = draft, .items = &draft->spans };

	return weir_otlp_request_read(&groups, span_decode, "the body is not a valid ExportTraceServiceRequest");
}
