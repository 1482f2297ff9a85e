/* logs: the newest log records that match, as JSON, in the words of
 * OpenTelemetry's data model; times are nanoseconds, as text.
 *
 * A record that an Envoy's access logger sent is here as it came; what was made
 * of it, a request, is in requests.c. Threads: the query pool's. */
#include "exporters/logs.h"

#include "exporters/detail.h"
#include "exporters/traces/search.h"

#define SEVERITIES 24

/* 0 and *ret, or -1. Names are the first of each four numbers. */
static int severity_read(struct weir_str text, uint32_t *ret)
{
	static const char *const names[] = { "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL" };
	long long number;

	*ret = 0;
	if (text.length == 0) {
		return 0;
	}
	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (weir_str_equal_ignoring_case(text, names[i])) {
			*ret = 4 * i + 1;
			return 0;
		}
	}
	if (weir_str_to_i64(text, &number) != 0 || number < 1 || number > SEVERITIES) {
		return -1;
	}
	*ret = (uint32_t)number;
	return 0;
}

/* NULL, or the sentence of the refusal. */
static const char *search_read(const struct weir_http_request *request, struct weir_query_log_search *search)
{
	struct weir_str trace = weir_str_trim(weir_http_request_argument(request, "traceId"));

	search->service = weir_str_trim(weir_http_request_argument(request, "service"));
	search->text = weir_http_request_argument(request, "q");
	if (severity_read(weir_str_trim(weir_http_request_argument(request, "severity")), &search->min_severity) != 0) {
		return "severity is a number from 1 to 24, or TRACE, DEBUG, INFO, WARN, ERROR or FATAL";
	}
	search->has_trace = trace.length > 0;
	return search->has_trace ? weir_search_trace_id(trace, search->trace_id, &search->is_short) : NULL;
}

static void id_write(struct weir_json_write *json, const char *key, const uint8_t *id, size_t size)
{
	static const uint8_t none[16];

	if (memcmp(id, none, size) != 0) {
		weir_json_write_key(json, key);
		weir_json_write_hex(json, id, size);
	}
}

static void scope_write(
	struct weir_json_write *json, const struct weir_batch *batch, const struct weir_resource *resource)
{
	if (resource->scope_name.length > 0 || resource->scope_version.length > 0) {
		weir_json_write_key(json, "scope");
		weir_json_write_open(json, '{');
		weir_detail_text(json, "name", weir_batch_str(batch, resource->scope_name));
		weir_detail_text(json, "version", weir_batch_str(batch, resource->scope_version));
		weir_json_write_close(json, '}');
	}
}

/* False: the arena is full. */
static bool log_write(struct weir_json_write *json, struct weir_arena *arena, const struct weir_query_row *row)
{
	const struct weir_batch *batch = row->batch;
	const struct weir_log *log = weir_batch_logs(batch) + row->row;
	const struct weir_resource *resource = weir_batch_resources(batch) + log->resource;
	bool is_written;

	weir_json_write_open(json, '{');
	weir_detail_ns(json, "timestamp", row->time_ns);
	weir_detail_ns(json, "observedTimestamp", log->observed_ns != 0 ? log->observed_ns : batch->received_ns);
	weir_json_write_key(json, "severityNumber");
	weir_json_write_u64(json, log->severity);
	weir_detail_text(json, "severityText", weir_batch_str(batch, log->severity_text));
	weir_json_write_key(json, "service");
	weir_json_write_str(json, weir_batch_str(batch, resource->service));
	weir_json_write_key(json, "body");
	is_written = weir_detail_value(json, arena, batch, &log->body) &&
		     weir_detail_attrs(json, "attributes", arena, batch, log->attr_first, log->attr_count);
	id_write(json, "traceId", log->trace_id, sizeof(log->trace_id));
	id_write(json, "spanId", log->span_id, sizeof(log->span_id));
	weir_detail_text(json, "eventName", weir_batch_str(batch, log->event_name));
	is_written = is_written &&
		     weir_detail_attrs(json, "resource", arena, batch, resource->attr_first, resource->attr_count);
	scope_write(json, batch, resource);
	weir_json_write_close(json, '}');
	return is_written;
}

void weir_logs_get(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_query_log_search search = { 0 };
	struct weir_detail_range range;
	const char *why = search_read(request, &search);
	struct weir_query_row *rows;
	struct weir_json_write json;
	struct weir_answer answer;
	bool is_written = true;
	uint32_t count;

	if (why != NULL) {
		weir_http_response_text(response, 400, why);
		return;
	}
	if (!weir_detail_range(request, response, &range) || !weir_answer_begin(&answer, ctx, request, response)) {
		return;
	}
	search.end_ns = range.end_ns;
	search.lookback_ns = range.lookback_ns;
	search.limit = range.limit;
	if (!weir_answer_refused(response, weir_query_logs(answer.query, &search, &rows, &count))) {
		weir_answer_json(response, &json);
		weir_json_write_open(&json, '[');
		for (uint32_t i = 0; i < count && is_written; i++) {
			is_written = log_write(&json, &answer.arena, &rows[i]);
		}
		weir_json_write_close(&json, ']');
		weir_detail_end(response, is_written);
	}
	weir_answer_end(&answer);
}
