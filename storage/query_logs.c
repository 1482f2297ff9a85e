/* query_logs: the newest logs and requests that match (newest.c).
 *
 * Logs: the service that wrote it, how severe it is, the trace it belongs to,
 * and a text in its body, ignoring the case of ASCII letters. A body that is no
 * text has none in it, but for arrays and maps, which are searched as JSON.
 *
 * Requests: either end's workload or app, the service called (its host or its
 * name), the code, and the trace or request id.
 *
 * Service and severity are in a segment's core; looking for texts, and for ids
 * of requests, decodes segments whole. Pure but for the reading; the query's
 * thread. */
#include <string.h>

#include "storage/newest.h"

static bool begins_ignoring_case(const char *at, struct weir_str text)
{
	for (size_t i = 0; i < text.length; i++) {
		if ((unsigned char)weir_str_lower(at[i]) != (unsigned char)weir_str_lower(text.data[i])) {
			return false;
		}
	}
	return true;
}

static bool equal_ignoring_case(struct weir_str a, struct weir_str b)
{
	return a.length == b.length && begins_ignoring_case(a.data, b);
}

static bool has_text(struct weir_str in, struct weir_str text)
{
	for (size_t i = 0; i + text.length <= in.length; i++) {
		if (begins_ignoring_case(in.data + i, text)) {
			return true;
		}
	}
	return false;
}

/* ---- logs ------------------------------------------------------------------ */

static uint64_t log_time(const struct weir_batch *batch, uint32_t row)
{
	return weir_columns_log_time(batch, &weir_batch_logs(batch)[row]);
}

static bool has_trace(const struct weir_query_log_search *search, const struct weir_log *log)
{
	return memcmp(log->trace_id + 8, search->trace_id + 8, 8) == 0 &&
	       (search->is_short || memcmp(log->trace_id, search->trace_id, 8) == 0);
}

static bool log_is_wanted(const void *ctx, const struct weir_batch *batch, uint32_t row)
{
	const struct weir_query_log_search *search = ctx;
	const struct weir_log *log = &weir_batch_logs(batch)[row];

	if (log->severity < search->min_severity || (search->has_trace && !has_trace(search, log))) {
		return false;
	}
	if (search->service.length > 0 &&
		!equal_ignoring_case(
			search->service, weir_batch_str(batch, weir_batch_resources(batch)[log->resource].service))) {
		return false;
	}
	return search->text.length == 0 || ((log->body.type == WEIR_ATTR_STRING || log->body.type == WEIR_ATTR_JSON) &&
						   has_text(weir_batch_str(batch, log->body.value.text), search->text));
}

static bool segment_may_have(const void *ctx, const struct weir_catalog_entry *entry)
{
	const struct weir_query_log_search *search = ctx;

	return search->service.length == 0 || weir_segment_filter_may_have(entry->filter, WEIR_SEGMENT_SPAN_NAME,
						      search->service, (struct weir_str){ "", 0 });
}

int weir_query_logs(struct weir_query *query, const struct weir_query_log_search *search,
	struct weir_query_row **ret_rows, uint32_t *ret_count)
{
	struct weir_newest newest = { .kind = WEIR_ROWS_LOGS,
		.end_ns = search->end_ns,
		.lookback_ns = search->lookback_ns,
		.limit = search->limit,
		.needs_all = search->text.length > 0,
		.time_of = log_time,
		.is_wanted = log_is_wanted,
		.may_have = segment_may_have,
		.ctx = search };

	return weir_newest_find(query, &newest, ret_rows, ret_count);
}

/* ---- requests -------------------------------------------------------------- */

static uint64_t request_time(const struct weir_batch *batch, uint32_t row)
{
	return weir_batch_requests(batch)[row].start_ns;
}

static bool is_workload(const struct weir_batch *batch, uint32_t number, struct weir_str name)
{
	const struct weir_workload *workload;

	if (number == WEIR_NONE) {
		return false;
	}
	workload = weir_batch_workload(batch, number);
	return weir_str_equal(weir_batch_str(batch, workload->name), name) ||
	       weir_str_equal(weir_batch_str(batch, workload->app), name);
}

static bool is_service(const struct weir_batch *batch, const struct weir_call *call, struct weir_str name)
{
	return equal_ignoring_case(weir_batch_str(batch, call->service_host), name) ||
	       equal_ignoring_case(weir_batch_str(batch, call->service_name), name);
}

static bool request_is_wanted(const void *ctx, const struct weir_batch *batch, uint32_t row)
{
	const struct weir_query_request_search *search = ctx;
	const struct weir_request *request = &weir_batch_requests(batch)[row];

	return (search->response_code < 0 || request->response_code == search->response_code) &&
	       (search->workload.length == 0 || is_workload(batch, request->call.source, search->workload) ||
		       is_workload(batch, request->call.destination, search->workload)) &&
	       (search->service.length == 0 || is_service(batch, &request->call, search->service)) &&
	       (search->trace_id.length == 0 ||
		       equal_ignoring_case(weir_batch_str(batch, request->trace_id), search->trace_id)) &&
	       (search->request_id.length == 0 ||
		       weir_str_equal(weir_batch_str(batch, request->request_id), search->request_id));
}

int weir_query_requests(struct weir_query *query, const struct weir_query_request_search *search,
	struct weir_query_row **ret_rows, uint32_t *ret_count)
{
	struct weir_newest newest = { .kind = WEIR_ROWS_REQUESTS,
		.end_ns = search->end_ns,
		.lookback_ns = search->lookback_ns,
		.limit = search->limit,
		.needs_all = search->trace_id.length > 0 || search->request_id.length > 0,
		.time_of = request_time,
		.is_wanted = request_is_wanted,
		.ctx = search };

	return weir_newest_find(query, &newest, ret_rows, ret_count);
}
