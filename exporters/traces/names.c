/* names: Zipkin's lists of services, span names and remote services.
 *
 * As the reference does, they may be cached for five minutes once more than
 * three services are known: below that somebody is just getting started, and
 * would wonder where the new one is. */
#include "exporters/traces/names.h"

#include "exporters/answer.h"
#include "exporters/traces/search.h"

#define CACHED_FROM 4u
#define CACHE "max-age=300, must-revalidate"

static void cache_when_known(struct weir_answer *answer, struct weir_http_response *response)
{
	struct weir_str *names;
	uint32_t count;

	if (weir_query_services(answer->query, &names, &count) == 0 && count >= CACHED_FROM) {
		response->cache_control = CACHE;
	}
}

void weir_names_services(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_str *names;
	struct weir_answer answer;
	uint32_t count;

	if (!weir_answer_begin(&answer, ctx, request, response)) {
		return;
	}
	if (!weir_answer_refused(response, weir_query_services(answer.query, &names, &count))) {
		weir_answer_names(response, names, count);
		response->cache_control = count >= CACHED_FROM ? CACHE : NULL;
	}
	weir_answer_end(&answer);
}

typedef int names_fn(
	struct weir_query *query, struct weir_str service, struct weir_str **ret_names, uint32_t *ret_count);

static void names_of_service(
	void *ctx, const struct weir_http_request *request, struct weir_http_response *response, names_fn *fn)
{
	struct weir_str service = weir_str_trim(weir_http_request_argument(request, "serviceName")), *names;
	struct weir_answer answer;
	uint32_t count;

	if (service.data == NULL) {
		weir_http_response_text(response, 400, "serviceName is required");
		return;
	}
	if (!weir_answer_begin(&answer, ctx, request, response)) {
		return;
	}
	service = weir_search_lower(&answer.arena, service);
	if (!weir_answer_refused(response, fn(answer.query, service, &names, &count))) {
		weir_answer_names(response, names, count);
		cache_when_known(&answer, response);
	}
	weir_answer_end(&answer);
}

void weir_names_spans(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	names_of_service(ctx, request, response, weir_query_span_names);
}

void weir_names_remote_services(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	names_of_service(ctx, request, response, weir_query_remote_services);
}

void weir_names_autocomplete_keys(
	void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	(void)ctx;
	(void)request;
	weir_answer_names(response, NULL, 0);
}
