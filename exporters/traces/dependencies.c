/* dependencies: Zipkin's links over all traces of a range of time. Traces come
 * one at a time and only their links stay, so memory does not grow with them. */
#include "exporters/traces/dependencies.h"

#include <errno.h>

#include "exporters/answer.h"
#include "exporters/traces/links.h"
#include "exporters/traces/zipkin.h"

#define SCRATCH_CHUNK (64u << 10)

struct counting { /* what the walk over all traces carries */
	struct weir_links links;
	struct weir_arena arena;
};

static int count_trace(void *ctx, const struct weir_query_trace *trace)
{
	struct counting *counting = ctx;
	int result = weir_links_add_trace(&counting->links, &counting->arena, trace);

	weir_arena_reset(&counting->arena);
	return result;
}

static void write_dependencies(
	struct weir_answer *answer, struct weir_http_response *response, const struct weir_query_search *range)
{
	size_t limit = answer->exporters->opts.max_query_bytes;
	struct weir_json_write json;
	struct counting counting;
	int result;

	weir_links_init(&counting.links, limit);
	weir_arena_init(&counting.arena, SCRATCH_CHUNK, limit);
	result = weir_query_each_trace(answer->query, range->end_ns, range->lookback_ns, count_trace, &counting);
	result = result == -ENOMEM ? WEIR_QUERY_TOO_LARGE : result;
	if (!weir_answer_refused(response, result)) {
		weir_answer_json(response, &json);
		weir_links_write(&counting.links, &json);
		weir_answer_json_end(response);
	}
	weir_arena_fini(&counting.arena);
	weir_links_fini(&counting.links);
}

void weir_dependencies_get(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_query_search range = { 0 };
	struct weir_answer answer;

	if (weir_http_request_argument(request, "endTs").length == 0) {
		weir_http_response_text(response, 400, "endTs is required");
		return;
	}
	if (!weir_zipkin_read_numbers(request, response, &range) ||
		!weir_answer_begin(&answer, ctx, request, response)) {
		return;
	}
	write_dependencies(&answer, response, &range);
	weir_answer_end(&answer);
}
