/* logs: OTLP's log records, in one pass over the sender's bytes.
 *
 * The resource and the scope around them are group.c's. A record of an Envoy's
 * access logger stands for a request or a connection as well: access_log.c
 * makes that row, when the record's attributes tell of one.
 *
 * Decisions
 *  - Nothing makes a log record invalid: what its sender wanted to say is in
 *    its body. An id of a wrong length, or all zero, is none.
 *  - Unknown severities are unset.
 *
 * One thread: the listener's. Nothing is allocated outside the draft's arena. */
#include "decode/otlp/logs.h"

#include "decode/otlp/access_log.h"
#include "decode/otlp/group.h"
#include "decode/otlp/value.h"

enum { /* tags */
	LOG_TIME = 1 << 3 | WEIR_WIRE_FIXED64,
	LOG_SEVERITY = 2 << 3 | WEIR_WIRE_VARINT,
	LOG_SEVERITY_TEXT = 3 << 3 | WEIR_WIRE_BYTES,
	LOG_BODY = 5 << 3 | WEIR_WIRE_BYTES,
	LOG_ATTRIBUTES = 6 << 3 | WEIR_WIRE_BYTES,
	LOG_DROPPED_ATTRIBUTES = 7 << 3 | WEIR_WIRE_VARINT,
	LOG_FLAGS = 8 << 3 | WEIR_WIRE_FIXED32,
	LOG_TRACE_ID = 9 << 3 | WEIR_WIRE_BYTES,
	LOG_SPAN_ID = 10 << 3 | WEIR_WIRE_BYTES,
	LOG_OBSERVED = 11 << 3 | WEIR_WIRE_FIXED64,
	LOG_EVENT_NAME = 12 << 3 | WEIR_WIRE_BYTES,
};

#define SEVERITY_LAST 24u

static void id_take(struct weir_str bytes, uint8_t *id, size_t size)
{
	memset(id, 0, size);
	weir_otlp_id_take(bytes, id, size);
}

/* The record's fields. False: malformed, or the arena is full. */
static bool log_fields_decode(struct weir_draft *draft, struct weir_str message, struct weir_log *log)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_str key;
	bool is_ok = true;

	while (is_ok && weir_wire_next(&wire, &field)) {
		switch (field.tag) {
		case LOG_ATTRIBUTES:
			is_ok = weir_otlp_attr_read(draft, field.bytes, &key) != NULL;
			break;
		case LOG_TIME:
			log->time_ns = field.value;
			break;
		case LOG_OBSERVED:
			log->observed_ns = field.value;
			break;
		case LOG_SEVERITY:
			log->severity = field.value <= SEVERITY_LAST ? (uint32_t)field.value : 0;
			break;
		case LOG_SEVERITY_TEXT:
			log->severity_text = weir_draft_text(draft, field.bytes);
			break;
		case LOG_BODY:
			is_ok = weir_otlp_value_read(draft, field.bytes, &log->body);
			break;
		case LOG_DROPPED_ATTRIBUTES:
			log->dropped_attrs = (uint32_t)field.value;
			break;
		case LOG_FLAGS:
			log->w3c_flags = (uint32_t)field.value;
			break;
		case LOG_TRACE_ID:
			id_take(field.bytes, log->trace_id, sizeof(log->trace_id));
			break;
		case LOG_SPAN_ID:
			id_take(field.bytes, log->span_id, sizeof(log->span_id));
			break;
		case LOG_EVENT_NAME:
			log->event_name = weir_draft_text(draft, field.bytes);
			break;
		default:
			break;
		}
	}
	return is_ok && !wire.is_malformed;
}

static bool log_decode(struct weir_otlp_groups *groups, struct weir_str message, uint32_t resource)
{
	struct weir_draft *draft = groups->draft;
	struct weir_log *log = weir_draft_log(draft);

	if (log == NULL) {
		return false;
	}
	draft->offered++;
	log->resource = resource;
	log->attr_first = draft->attrs.count;
	if (!log_fields_decode(draft, message, log)) {
		return false;
	}
	log->attr_count = draft->attrs.count - log->attr_first;
	weir_otlp_access_log_take(groups, log);
	return !draft->is_exhausted;
}

int weir_otlp_logs_decode(struct weir_draft *draft)
{
	struct weir_otlp_groups groups = { .draft = draft, .items = &draft->logs };

	return weir_otlp_request_read(&groups, log_decode, "the body is not a valid ExportLogsServiceRequest");
}
