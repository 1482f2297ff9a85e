/* attribute_request: the attributes of a request, from its row.
 *
 * Any thread; no state. */
#include "rules/attribute_set.h"

/* The path without its query. */
static int url_path_get(const struct weir_rules_record *record, struct weir_scratch *scratch, struct weir_value *ret)
{
	struct weir_str rest;

	if (weir_attribute_told(record, WEIR_ATTRIBUTE_REQUEST_URL_PATH, scratch, ret) == 0) {
		return 0;
	}
	rest = weir_batch_str(record->batch, record->request->path);
	rest = weir_str_cut(&rest, '?');
	return weir_attribute_set_text(weir_str_cut(&rest, '#'), ret);
}

/* What was told, else the header that says the same. */
static int told_or_header(const struct weir_rules_record *record, enum weir_attribute attribute, const char *header,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	struct weir_str text;

	if (weir_attribute_told(record, attribute, scratch, ret) == 0) {
		return 0;
	}
	if (weir_attribute_record_entry(record, WEIR_ATTRIBUTE_REQUEST_HEADERS, weir_str_of(header), &text) != 0) {
		return WEIR_VALUE_ABSENT;
	}
	return weir_attribute_set_text(text, ret);
}

/* The body's size is beside the record when it is not the whole's. */
static int size_get(const struct weir_rules_record *record, enum weir_attribute attribute, uint64_t whole,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	return weir_attribute_told(record, attribute, scratch, ret) == 0
		       ? 0
		       : weir_attribute_set_number(WEIR_TYPE_INT64, whole, ret);
}

static int response_get(const struct weir_rules_record *record, enum weir_attribute attribute,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	const struct weir_request *request = record->request;
	struct weir_value status = { .type = WEIR_TYPE_INT64, .number = request->grpc_status };

	switch (attribute) {
	case WEIR_ATTRIBUTE_RESPONSE_CODE:
		return weir_attribute_set_number(WEIR_TYPE_INT64, request->response_code, ret);
	case WEIR_ATTRIBUTE_RESPONSE_CODE_DETAILS:
		return weir_attribute_set_ref(record, request->code_details, ret);
	case WEIR_ATTRIBUTE_RESPONSE_GRPC_STATUS:
		return request->grpc_status == WEIR_GRPC_STATUS_NONE
			       ? WEIR_VALUE_ABSENT
			       : weir_attribute_set_text(weir_value_text(&status, scratch), ret);
	case WEIR_ATTRIBUTE_RESPONSE_TIME:
		return weir_attribute_set_time(
			request->start_ns > 0 ? request->start_ns + request->duration_ns : 0, ret);
	case WEIR_ATTRIBUTE_RESPONSE_DURATION:
		return weir_attribute_set_number(WEIR_TYPE_DURATION, request->duration_ns, ret);
	case WEIR_ATTRIBUTE_RESPONSE_SIZE:
		return size_get(record, attribute, request->response_bytes, scratch, ret);
	case WEIR_ATTRIBUTE_RESPONSE_TOTAL_SIZE:
		return weir_attribute_set_number(WEIR_TYPE_INT64, request->response_bytes, ret);
	default:
		return weir_attribute_set_number(WEIR_TYPE_INT64, request->response_messages, ret);
	}
}

int weir_attribute_request_get(const struct weir_rules_record *record, enum weir_attribute attribute,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	static const char *const protocols[] = { "", "HTTP/1.0", "HTTP/1.1", "HTTP/2", "HTTP/3" };
	const struct weir_request *request = record->request;

	if (request == NULL) {
		return WEIR_VALUE_ABSENT;
	}
	switch (attribute) {
	case WEIR_ATTRIBUTE_REQUEST_METHOD:
		return weir_attribute_set_text(weir_attribute_record_method(request), ret);
	case WEIR_ATTRIBUTE_REQUEST_PATH:
		return weir_attribute_set_ref(record, request->path, ret);
	case WEIR_ATTRIBUTE_REQUEST_URL_PATH:
		return url_path_get(record, scratch, ret);
	case WEIR_ATTRIBUTE_REQUEST_HOST:
		return weir_attribute_set_ref(record, request->authority, ret);
	case WEIR_ATTRIBUTE_REQUEST_SCHEME:
		return told_or_header(record, attribute, ":scheme", scratch, ret);
	case WEIR_ATTRIBUTE_REQUEST_REFERER:
		return told_or_header(record, attribute, "referer", scratch, ret);
	case WEIR_ATTRIBUTE_REQUEST_USERAGENT:
		return weir_attribute_set_ref(record, request->user_agent, ret);
	case WEIR_ATTRIBUTE_REQUEST_ID:
		return weir_attribute_set_ref(record, request->request_id, ret);
	case WEIR_ATTRIBUTE_REQUEST_TIME:
		return weir_attribute_set_time(request->start_ns, ret);
	case WEIR_ATTRIBUTE_REQUEST_SIZE:
		return size_get(record, attribute, request->request_bytes, scratch, ret);
	case WEIR_ATTRIBUTE_REQUEST_TOTAL_SIZE:
		return weir_attribute_set_number(WEIR_TYPE_INT64, request->request_bytes, ret);
	case WEIR_ATTRIBUTE_REQUEST_MESSAGES:
		return weir_attribute_set_number(WEIR_TYPE_INT64, request->request_messages, ret);
	case WEIR_ATTRIBUTE_REQUEST_PROTOCOL:
		return weir_attribute_set_name(protocols, 5, request->http_version, ret);
	case WEIR_ATTRIBUTE_REQUEST_ATTEMPTS:
		return weir_attribute_set_number(WEIR_TYPE_INT64, request->attempts, ret);
	case WEIR_ATTRIBUTE_WEIR_ROUTE:
		return weir_attribute_set_ref(record, request->route, ret);
	case WEIR_ATTRIBUTE_WEIR_TRACE_ID:
		return weir_attribute_set_ref(record, request->trace_id, ret);
	default:
		return response_get(record, attribute, scratch, ret);
	}
}
