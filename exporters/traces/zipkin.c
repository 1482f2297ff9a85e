/* zipkin: the routes of Zipkin's v2 query API (wire.md 5.6).
 *
 * Each answer is: parameters → checks in the reference's words (400) → a query
 * → JSON. Reading a trace applies the reference's merge (merge.c), so a span
 * that was sent in parts is one, and both sides of a shared id are two.
 *
 * Names are in names.c, dependencies in dependencies.c. Threads: the query pool's. */
#include "exporters/traces/zipkin.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "exporters/answer.h"
#include "exporters/traces/merge.h"
#include "exporters/traces/search.h"
#include "exporters/traces/span_json.h"

#define LOOKBACK_MS 86400000
#define LIMIT 10

static void bad_request(struct weir_http_response *response, const char *why)
{
	weir_http_response_text(response, 400, why);
}

static int compare_starts(const void *left, const void *right)
{
	const struct weir_merge_span *const *a = left, *const *b = right;

	if ((*a)->has_start != (*b)->has_start) {
		return (*a)->has_start ? -1 : 1;
	}
	if ((*a)->has_start && (*a)->start_ns != (*b)->start_ns) {
		return (*a)->start_ns < (*b)->start_ns ? -1 : 1;
	}
	return (*a > *b) - (*a < *b);
}

/* One trace as an array of spans, merged, by start. Scratch comes from `arena`.
 * `needs_root`: when every span has a parent that is not here, the earliest is
 * written without one, since clients of the list (Grafana) look for a root and
 * fail without. 0 or -ENOMEM. */
static int trace_write(
	struct weir_json_write *json, struct weir_arena *arena, const struct weir_query_trace *trace, bool needs_root)
{
	struct weir_merge_trace merged;
	struct weir_merge_span **order;
	bool has_root = false;
	int result = weir_merge_spans(arena, trace, &merged);

	order = weir_arena_alloc(arena, (merged.count + 1) * sizeof(struct weir_merge_span *));
	if (result != 0 || order == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < merged.count; i++) {
		order[i] = &merged.spans[i];
		has_root |= !weir_merge_has_parent(order[i]);
	}
	qsort(order, merged.count, sizeof(struct weir_merge_span *), compare_starts);
	if (needs_root && !has_root && merged.count > 0) {
		memset(order[0]->parent_id, 0, 8);
	}
	weir_json_write_open(json, '[');
	for (uint32_t i = 0; i < merged.count && result == 0; i++) {
		result = weir_span_json_write(json, arena, merged.trace_id, order[i]);
	}
	weir_json_write_close(json, ']');
	return result;
}

/* The end of an answer of traces: cut short means refused. */
static void traces_end(struct weir_http_response *response, int result)
{
	if (result != 0) {
		weir_buf_fini(&response->body);
		weir_answer_refused(response, WEIR_QUERY_TOO_LARGE);
		return;
	}
	weir_answer_json_end(response);
}

bool weir_zipkin_read_numbers(const struct weir_http_request *request, struct weir_http_response *response,
	struct weir_query_search *ret_search)
{
	struct weir_search_numbers numbers = {
		.end_ms = (int64_t)(weir_clock_now_ns() / 1000000) + 1, /* what began within this one is inside */
		.lookback_ms = LOOKBACK_MS,
		.limit = LIMIT,
	};
	const char *why;

	numbers.has_min = weir_http_request_argument(request, "minDuration").length > 0;
	numbers.has_max = weir_http_request_argument(request, "maxDuration").length > 0;
	if (weir_answer_number(request, "endTs", response, &numbers.end_ms) != 0 ||
		weir_answer_number(request, "lookback", response, &numbers.lookback_ms) != 0 ||
		weir_answer_number(request, "limit", response, &numbers.limit) != 0 ||
		weir_answer_number(request, "minDuration", response, &numbers.min_us) != 0 ||
		weir_answer_number(request, "maxDuration", response, &numbers.max_us) != 0) {
		return false;
	}
	why = weir_search_numbers(&numbers, ret_search);
	if (why != NULL) {
		bad_request(response, why);
	}
	return why == NULL;
}

static const char *read_names(
	struct weir_arena *arena, const struct weir_http_request *request, struct weir_query_search *search)
{
	search->service = weir_search_lower(arena, weir_str_trim(weir_http_request_argument(request, "serviceName")));
	search->remote_service =
		weir_search_lower(arena, weir_str_trim(weir_http_request_argument(request, "remoteServiceName")));
	search->span_name = weir_search_lower(arena, weir_str_trim(weir_http_request_argument(request, "spanName")));
	if (weir_str_is(search->span_name, "all")) {
		search->span_name = weir_str_of("");
	}
	return weir_search_annotations(arena, weir_http_request_argument(request, "annotationQuery"), search);
}

static void write_traces(struct weir_answer *answer, struct weir_http_response *response,
	struct weir_query_trace *traces, uint32_t count)
{
	struct weir_json_write json;
	int result = 0;

	weir_answer_json(response, &json);
	weir_json_write_open(&json, '[');
	for (uint32_t i = 0; i < count && result == 0; i++) {
		result = trace_write(&json, &answer->arena, &traces[i], true);
		weir_arena_reset(&answer->arena);
	}
	weir_json_write_close(&json, ']');
	traces_end(response, result);
}

void weir_zipkin_traces(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_query_search search = { 0 };
	struct weir_query_trace *traces;
	struct weir_answer answer;
	const char *why;
	uint32_t count;

	if (!weir_zipkin_read_numbers(request, response, &search) ||
		!weir_answer_begin(&answer, ctx, request, response)) {
		return;
	}
	why = read_names(&answer.arena, request, &search);
	if (why != NULL) {
		bad_request(response, why);
	} else if (!weir_answer_refused(response, weir_query_traces(answer.query, &search, &traces, &count))) {
		write_traces(&answer, response, traces, count);
	}
	weir_answer_end(&answer);
}

static void not_found(struct weir_http_response *response, struct weir_str id)
{
	char text[64];

	snprintf(text, sizeof(text), "%.*s not found", (int)id.length, id.data);
	weir_http_response_text(response, 404, text);
}

void weir_zipkin_trace(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_str text = weir_http_request_rest(request);
	struct weir_query_trace trace;
	struct weir_json_write json;
	struct weir_answer answer;
	uint8_t id[16];
	const char *why;
	bool is_short;
	int result;

	why = weir_search_trace_id(text, id, &is_short);
	if (why != NULL) {
		bad_request(response, why);
		return;
	}
	if (!weir_answer_begin(&answer, ctx, request, response)) {
		return;
	}
	result = weir_query_trace(answer.query, id, is_short, &trace);
	if (result == WEIR_QUERY_NOT_FOUND) {
		not_found(response, text);
	} else if (!weir_answer_refused(response, result)) {
		weir_answer_json(response, &json);
		traces_end(response, trace_write(&json, &answer.arena, &trace, false));
	}
	weir_answer_end(&answer);
}

struct wanted { /* the ids of traceMany */
	uint8_t ids[WEIR_SEARCH_IDS][16];
	bool is_short[WEIR_SEARCH_IDS];
	uint32_t count;
};

static const char *read_ids(struct weir_str text, struct wanted *ret)
{
	if (text.length == 0) {
		return "traceIds parameter is empty";
	}
	if (memchr(text.data, ',', text.length) == NULL) {
		return "traceIds needs two ids or more: use /api/v2/trace/{traceId} for one";
	}
	ret->count = 0;
	while (text.data != NULL) {
		struct weir_str part = weir_str_trim(weir_str_cut(&text, ','));
		const char *why;

		if (ret->count == WEIR_SEARCH_IDS) {
			return "too many traceIds";
		}
		why = weir_search_trace_id(part, ret->ids[ret->count], &ret->is_short[ret->count]);
		if (why != NULL) {
			return why;
		}
		for (uint32_t i = 0; i < ret->count; i++) {
			if (memcmp(ret->ids[i], ret->ids[ret->count], 16) == 0) {
				return "redundant trace id";
			}
		}
		ret->count++;
	}
	return NULL;
}

void weir_zipkin_trace_many(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_query_trace trace;
	struct weir_json_write json;
	struct wanted wanted;
	struct weir_answer answer;
	const char *why;
	int result = 0;

	why = read_ids(weir_http_request_argument(request, "traceIds"), &wanted);
	if (why != NULL) {
		bad_request(response, why);
		return;
	}
	if (!weir_answer_begin(&answer, ctx, request, response)) {
		return;
	}
	weir_answer_json(response, &json);
	weir_json_write_open(&json, '[');
	for (uint32_t i = 0; i < wanted.count && result == 0; i++) {
		result = weir_query_trace(answer.query, wanted.ids[i], wanted.is_short[i], &trace);
		if (result == 0) {
			result = trace_write(&json, &answer.arena, &trace, true);
			weir_arena_reset(&answer.arena);
			result = result != 0 ? WEIR_QUERY_TOO_LARGE : 0;
		}
		result = result == WEIR_QUERY_NOT_FOUND ? 0 : result;
	}
	weir_json_write_close(&json, ']');
	if (result != 0) {
		weir_buf_fini(&response->body);
		weir_answer_refused(response, result);
	}
	weir_answer_end(&answer);
}
