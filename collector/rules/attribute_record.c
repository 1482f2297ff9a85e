/* attribute_record: what a sender told that has no field in the record.
 *
 *   signal        where                                a header is
 *   mixer         the request's attributes             request.headers.<name>, response.headers.<name>
 *   access_log    the request's attributes             the same
 *   log           those of the log that the request    the same, or http.request.header.<name>,
 *                 was made of                          http.response.header.<name>
 *
 * Headers that became fields (path, authority, user agent, …) are no attributes
 * beside them, so a field answers where no attribute does.
 *
 * Invariants
 *  1. Time is bounded by the record's attributes; of a request that was made of
 *     a log, by the logs of the batch that are in no access log.
 *  2. Nothing is allocated; a text is the batch's own, or static.
 *
 * Any thread; no state. */
#include "rules/attribute_record.h"

#include "base/ip.h"

struct attrs {
	const struct weir_attr *first;
	uint32_t count;
};

/* ---- where they are ----------------------------------------------------- */

/* The log of which a request was made. Both tables are in the order of the
 * logs, so it is searched by halves, past those that are no access logs. */
static const struct weir_log *log_of(const struct weir_rules_record *record)
{
	const struct weir_batch *batch = record->batch;
	const struct weir_log *logs = weir_batch_logs(batch);
	uint32_t request = (uint32_t)(record->request - weir_batch_requests(batch));
	uint32_t low = request, high = batch->logs.count;

	if (batch->requests.count > batch->logs.count) {
		return NULL;
	}
	if (high > request + (batch->logs.count - batch->requests.count) + 1) {
		high = request + (batch->logs.count - batch->requests.count) + 1;
	}
	while (low < high) {
		uint32_t middle = low + (high - low) / 2, at = logs[low].request == request ? low : middle;

		while (at < high && logs[at].request == WEIR_NONE) {
			at++;
		}
		if (at < high && logs[at].request == request) {
			return &logs[at];
		}
		if (at < high && logs[at].request < request) {
			low = at + 1;
		} else {
			high = middle;
		}
	}
	return NULL;
}

static struct attrs attrs_of(const struct weir_rules_record *record)
{
	const struct weir_attr *all = weir_batch_attrs(record->batch);
	const struct weir_log *log;

	if (record->request == NULL) {
		return record->connection == NULL
			       ? (struct attrs){ NULL, 0 }
			       : (struct attrs){ all + record->connection->attr_first, record->connection->attr_count };
	}
	if (record->request->attr_count == 0 && record->batch->signal == WEIR_SIGNAL_LOG) {
		log = log_of(record);
		return log == NULL ? (struct attrs){ NULL, 0 }
				   : (struct attrs){ all + log->attr_first, log->attr_count };
	}
	return (struct attrs){ all + record->request->attr_first, record->request->attr_count };
}

/* The attribute `<prefix><key>`. What differs first among names is their end. */
static const struct weir_attr *find(
	const struct weir_batch *batch, struct attrs attrs, struct weir_str prefix, struct weir_str key)
{
	for (uint32_t i = 0; i < attrs.count; i++) {
		struct weir_ref ref = attrs.first[i].key;
		const char *name;

		if (ref.length != prefix.length + key.length) {
			continue;
		}
		name = weir_batch_at(batch, ref.offset);
		if (memcmp(name + prefix.length, key.data, key.length) == 0 &&
			memcmp(name, prefix.data, prefix.length) == 0) {
			return &attrs.first[i];
		}
	}
	return NULL;
}

/* ---- one attribute ------------------------------------------------------ */

static bool text_get(const struct weir_batch *batch, const struct weir_attr *attr, struct weir_str *ret)
{
	if (attr->type != WEIR_ATTR_STRING && attr->type != WEIR_ATTR_JSON && attr->type != WEIR_ATTR_BYTES) {
		return false;
	}
	*ret = weir_batch_str(batch, attr->value.text);
	return ret->length > 0;
}

static bool string_get(const struct weir_batch *batch, const struct weir_attr *attr, struct weir_scratch *scratch,
	struct weir_value *ret)
{
	struct weir_value value;

	switch (attr->type) {
	case WEIR_ATTR_BOOL:
		value = (struct weir_value){ .type = WEIR_TYPE_BOOL, .number = attr->value.number };
		break;
	case WEIR_ATTR_INT:
		value = (struct weir_value){ .type = WEIR_TYPE_INT64, .number = attr->value.number };
		break;
	case WEIR_ATTR_DOUBLE:
		value = (struct weir_value){ .type = WEIR_TYPE_DOUBLE, .real = attr->value.real };
		break;
	default:
		return text_get(batch, attr, &ret->text);
	}
	ret->text = weir_value_text(&value, scratch);
	return ret->text.length > 0;
}

static bool number_get(const struct weir_batch *batch, const struct weir_attr *attr, struct weir_value *ret)
{
	struct weir_str text;
	long long number;

	if (attr->type == WEIR_ATTR_INT) {
		ret->number = attr->value.number;
		return true;
	}
	if (!text_get(batch, attr, &text) || weir_str_to_i64(text, &number) < 0) {
		return false;
	}
	ret->number = number;
	return true;
}

static bool bool_get(const struct weir_batch *batch, const struct weir_attr *attr, struct weir_value *ret)
{
	struct weir_str text;

	if (attr->type == WEIR_ATTR_BOOL) {
		ret->number = attr->value.number != 0;
		return true;
	}
	if (!text_get(batch, attr, &text)) {
		return false;
	}
	ret->number = weir_str_is(text, "true");
	return ret->number != 0 || weir_str_is(text, "false");
}

/* Decoders write addresses as text (decode/mixer/detail.c). */
static bool ip_get(const struct weir_batch *batch, const struct weir_attr *attr, struct weir_value *ret)
{
	struct weir_str text;

	return text_get(batch, attr, &text) && weir_ip_read(text, ret->ip);
}

int weir_attribute_record_get(const struct weir_rules_record *record, struct weir_str name, enum weir_type type,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	const struct weir_attr *attr = find(record->batch, attrs_of(record), weir_str_make("", 0), name);
	bool is_set = false;

	if (attr == NULL) {
		return WEIR_VALUE_ABSENT;
	}
	switch (type) {
	case WEIR_TYPE_STRING:
		is_set = string_get(record->batch, attr, scratch, ret);
		break;
	case WEIR_TYPE_INT64:
		is_set = number_get(record->batch, attr, ret);
		break;
	case WEIR_TYPE_BOOL:
		is_set = bool_get(record->batch, attr, ret);
		break;
	case WEIR_TYPE_IP_ADDRESS:
		is_set = ip_get(record->batch, attr, ret);
		break;
	default: /* no attribute of another type is without a field */
		break;
	}
	ret->type = type;
	return is_set ? 0 : WEIR_VALUE_ABSENT;
}

/* ---- fields that are headers -------------------------------------------- */

struct weir_str weir_attribute_record_method(const struct weir_request *request)
{
	static const char *const names[] = { [WEIR_METHOD_GET] = "GET",
		[WEIR_METHOD_HEAD] = "HEAD",
		[WEIR_METHOD_POST] = "POST",
		[WEIR_METHOD_PUT] = "PUT",
		[WEIR_METHOD_DELETE] = "DELETE",
		[WEIR_METHOD_CONNECT] = "CONNECT",
		[WEIR_METHOD_OPTIONS] = "OPTIONS",
		[WEIR_METHOD_TRACE] = "TRACE",
		[WEIR_METHOD_PATCH] = "PATCH" };

	return request->method < sizeof(names) / sizeof(names[0]) ? weir_str_of(names[request->method])
								  : weir_str_make(NULL, 0);
}

static struct weir_str request_header(const struct weir_rules_record *record, struct weir_str key)
{
	const struct weir_request *request = record->request;
	struct weir_ref ref = { 0, 0 };

	if (request == NULL) {
		return weir_str_make(NULL, 0);
	}
	if (weir_str_is(key, ":method")) {
		return weir_attribute_record_method(request);
	}
	if (weir_str_is(key, ":path")) {
		ref = request->path;
	} else if (weir_str_is(key, ":authority") || weir_str_is(key, "host")) {
		ref = request->authority;
	} else if (weir_str_is(key, "user-agent")) {
		ref = request->user_agent;
	} else if (weir_str_is(key, "x-request-id")) {
		ref = request->request_id;
	}
	return weir_batch_str(record->batch, ref);
}

/* The codes that are registered, as text that needs no room. */
static struct weir_str response_header(const struct weir_rules_record *record, struct weir_str key)
{
	static const char codes[] = "100101102103200201202203204205206207208226300301302303304305307308400401402403404"
				    "405406407408409410411412413414415416417418421422423424425426428429431451499500501"
				    "502503504505506507508510511";
	uint32_t code = record->request != NULL ? record->request->response_code : 0;

	if (code == 0 || !weir_str_is(key, ":status")) {
		return weir_str_make(NULL, 0);
	}
	for (size_t i = 0; i + 3 < sizeof(codes); i += 3) {
		if ((uint32_t)((codes[i] - '0') * 100 + (codes[i + 1] - '0') * 10 + codes[i + 2] - '0') == code) {
			return weir_str_make(codes + i, 3);
		}
	}
	return weir_str_make(NULL, 0);
}

/* The value of `key` in the path's query, as it stands there. */
static struct weir_str query_param(const struct weir_rules_record *record, struct weir_str key)
{
	struct weir_str rest =
		record->request != NULL ? weir_batch_str(record->batch, record->request->path) : weir_str_make(NULL, 0);

	(void)weir_str_cut(&rest, '?');
	rest = weir_str_cut(&rest, '#');
	while (rest.length > 0) {
		struct weir_str value = weir_str_cut(&rest, '&');
		struct weir_str name = weir_str_cut(&value, '=');

		if (weir_str_equal(name, key)) {
			return value;
		}
	}
	return weir_str_make(NULL, 0);
}

/* ---- labels ------------------------------------------------------------- */

const struct weir_workload *weir_attribute_record_workload(const struct weir_rules_record *record, bool is_source)
{
	uint32_t row = is_source ? record->call->source : record->call->destination;

	return row == WEIR_NONE ? NULL : weir_batch_workload(record->batch, row);
}

/* A label that has no field in the row. */
static struct weir_str workload_other_label(
	const struct weir_batch *batch, const struct weir_workload *workload, struct weir_str key)
{
	struct attrs labels;
	const struct weir_attr *attr;
	struct weir_str text;

	labels.first = weir_batch_labels(batch, workload, &labels.count);
	attr = find(batch, labels, weir_str_make("", 0), key);
	return attr != NULL && text_get(batch, attr, &text) ? text : weir_str_make(NULL, 0);
}

static struct weir_str label(const struct weir_rules_record *record, bool is_source, struct weir_str key)
{
	const struct weir_workload *workload = weir_attribute_record_workload(record, is_source);

	if (workload == NULL) {
		return weir_str_make(NULL, 0);
	}
	if (weir_str_is(key, "app")) {
		return weir_batch_str(record->batch, workload->app);
	}
	if (weir_str_is(key, "version")) {
		return weir_batch_str(record->batch, workload->version);
	}
	if (weir_str_is(key, "service.istio.io/canonical-name")) {
		return weir_batch_str(record->batch, workload->canonical_service);
	}
	if (weir_str_is(key, "service.istio.io/canonical-revision")) {
		return weir_batch_str(record->batch, workload->canonical_revision);
	}
	return workload_other_label(record->batch, workload, key);
}

/* ---- maps --------------------------------------------------------------- */

/* OpenTelemetry has headers as lists: `["a"]` is the text a. */
static struct weir_str only_element(struct weir_str text)
{
	struct weir_str inner;

	if (text.length < 4 || memcmp(text.data, "[\"", 2) != 0 || memcmp(text.data + text.length - 2, "\"]", 2) != 0) {
		return text;
	}
	inner = weir_str_make(text.data + 2, text.length - 4);
	return memchr(inner.data, '"', inner.length) == NULL && memchr(inner.data, '\\', inner.length) == NULL ? inner
													       : text;
}

static struct weir_str entry_find(const struct weir_rules_record *record, enum weir_attribute map, struct weir_str key)
{
	static const struct weir_str prefixes[][2] = {
		[WEIR_ATTRIBUTE_REQUEST_HEADERS - WEIR_ATTRIBUTE_REQUEST_HEADERS] = { { "request.headers.", 16 },
			{ "http.request.header.", 20 } },
		[WEIR_ATTRIBUTE_RESPONSE_HEADERS - WEIR_ATTRIBUTE_REQUEST_HEADERS] = { { "response.headers.", 17 },
			{ "http.response.header.", 21 } },
		[WEIR_ATTRIBUTE_REQUEST_QUERY_PARAMS -
			WEIR_ATTRIBUTE_REQUEST_HEADERS] = { { "request.query_params.", 21 }, { NULL, 0 } },
		[WEIR_ATTRIBUTE_REQUEST_AUTH_CLAIMS -
			WEIR_ATTRIBUTE_REQUEST_HEADERS] = { { "request.auth.claims.", 20 }, { NULL, 0 } },
	};
	const struct weir_str *prefix = prefixes[map - WEIR_ATTRIBUTE_REQUEST_HEADERS];
	struct attrs attrs = attrs_of(record);
	const struct weir_attr *attr = find(record->batch, attrs, prefix[0], key);
	struct weir_str text;

	if (attr != NULL && text_get(record->batch, attr, &text)) {
		return text;
	}
	attr = prefix[1].length > 0 ? find(record->batch, attrs, prefix[1], key) : NULL;
	if (attr != NULL && text_get(record->batch, attr, &text)) {
		return only_element(text);
	}
	switch (map) {
	case WEIR_ATTRIBUTE_REQUEST_HEADERS:
		return request_header(record, key);
	case WEIR_ATTRIBUTE_RESPONSE_HEADERS:
		return response_header(record, key);
	case WEIR_ATTRIBUTE_REQUEST_QUERY_PARAMS:
		return query_param(record, key);
	default:
		return weir_str_make(NULL, 0);
	}
}

int weir_attribute_record_entry(
	const struct weir_rules_record *record, enum weir_attribute map, struct weir_str key, struct weir_str *ret)
{
	struct weir_str text;

	if (map == WEIR_ATTRIBUTE_SOURCE_LABELS || map == WEIR_ATTRIBUTE_DESTINATION_LABELS) {
		text = label(record, map == WEIR_ATTRIBUTE_SOURCE_LABELS, key);
	} else if (map >= WEIR_ATTRIBUTE_REQUEST_HEADERS && map <= WEIR_ATTRIBUTE_REQUEST_AUTH_CLAIMS) {
		text = entry_find(record, map, key);
	} else {
		return WEIR_VALUE_ABSENT;
	}
	if (text.length == 0) {
		return WEIR_VALUE_ABSENT;
	}
	*ret = text;
	return 0;
}
