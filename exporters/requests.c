/* requests: the newest requests that match, as the proxies logged them; times
 * are nanoseconds, as text. Threads: the query pool's. */
#include "exporters/requests.h"

#include "exporters/detail.h"
#include "rules/response_flags.h"

#define CODES 999

static void number_write(struct weir_json_write *json, const char *key, uint64_t number)
{
	if (number != 0) {
		weir_json_write_key(json, key);
		weir_json_write_u64(json, number);
	}
}

static void workload_write(
	struct weir_json_write *json, const char *key, const struct weir_batch *batch, uint32_t number)
{
	const struct weir_workload *workload;

	if (number == WEIR_NONE) {
		return;
	}
	workload = weir_batch_workload(batch, number);
	weir_json_write_key(json, key);
	weir_json_write_open(json, '{');
	weir_detail_text(json, "workload", weir_batch_str(batch, workload->name));
	weir_detail_text(json, "namespace", weir_batch_str(batch, workload->namespace_));
	weir_detail_text(json, "app", weir_batch_str(batch, workload->app));
	weir_detail_text(json, "version", weir_batch_str(batch, workload->version));
	weir_detail_text(json, "cluster", weir_batch_str(batch, workload->cluster));
	weir_detail_text(json, "pod", weir_batch_str(batch, workload->pod));
	weir_json_write_close(json, '}');
}

static void call_write(struct weir_json_write *json, const struct weir_batch *batch, const struct weir_call *call)
{
	static const char *const reporters[] = { "source", "destination", "waypoint" };
	static const char *const protocols[] = { "http", "grpc", "tcp" };
	struct weir_str host = weir_batch_str(batch, call->service_host);

	if (call->reporter < sizeof(reporters) / sizeof(reporters[0])) {
		weir_json_write_key(json, "reporter");
		weir_json_write_text(json, reporters[call->reporter]);
	}
	if (call->protocol < sizeof(protocols) / sizeof(protocols[0])) {
		weir_json_write_key(json, "protocol");
		weir_json_write_text(json, protocols[call->protocol]);
	}
	weir_detail_text(json, "proxy", weir_batch_str(batch, call->proxy));
	workload_write(json, "source", batch, call->source);
	workload_write(json, "destination", batch, call->destination);
	weir_detail_text(json, "service", host.length > 0 ? host : weir_batch_str(batch, call->service_name));
	weir_detail_text(json, "sourcePrincipal", weir_batch_str(batch, call->source_principal));
	weir_detail_text(json, "destinationPrincipal", weir_batch_str(batch, call->destination_principal));
	if (call->security != WEIR_SECURITY_UNKNOWN) {
		weir_json_write_key(json, "mutualTls");
		weir_json_write_bool(json, call->security == WEIR_SECURITY_MUTUAL_TLS);
	}
}

static void flags_write(struct weir_json_write *json, uint32_t response_flags)
{
	struct weir_buf text;

	weir_buf_init(&text, 0);
	weir_response_flags_add(response_flags, &text);
	weir_detail_text(json, "flags", weir_buf_str(&text));
	weir_buf_fini(&text);
}

/* False: the arena is full. */
static bool request_write(struct weir_json_write *json, struct weir_arena *arena, const struct weir_query_row *row)
{
	static const char *const methods[] = { "", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS",
		"TRACE", "PATCH" };
	const struct weir_batch *batch = row->batch;
	const struct weir_request *request = weir_batch_requests(batch) + row->row;
	bool is_written;

	weir_json_write_open(json, '{');
	weir_detail_ns(json, "timestamp", row->time_ns);
	weir_detail_ns(json, "duration", request->duration_ns);
	call_write(json, batch, &request->call);
	if (request->method < sizeof(methods) / sizeof(methods[0])) {
		weir_detail_text(json, "method", weir_str_of(methods[request->method]));
	}
	weir_detail_text(json, "authority", weir_batch_str(batch, request->authority));
	weir_detail_text(json, "path", weir_batch_str(batch, request->path));
	if (weir_call_is_probe(weir_batch_str(batch, request->user_agent), weir_batch_str(batch, request->path))) {
		weir_json_write_key(json, "probe");
		weir_json_write_bool(json, true);
	}
	weir_json_write_key(json, "code");
	weir_json_write_u64(json, request->response_code);
	flags_write(json, request->call.response_flags);
	weir_detail_text(json, "codeDetails", weir_batch_str(batch, request->code_details));
	if (request->grpc_status >= 0) {
		weir_json_write_key(json, "grpcStatus");
		weir_json_write_u64(json, (uint64_t)request->grpc_status);
	}
	number_write(json, "requestBytes", request->request_bytes);
	number_write(json, "responseBytes", request->response_bytes);
	number_write(json, "requestMessages", request->request_messages);
	number_write(json, "responseMessages", request->response_messages);
	number_write(json, "attempts", request->attempts);
	weir_detail_text(json, "route", weir_batch_str(batch, request->route));
	weir_detail_text(json, "upstreamCluster", weir_batch_str(batch, request->upstream_cluster));
	weir_detail_text(json, "userAgent", weir_batch_str(batch, request->user_agent));
	weir_detail_text(json, "requestId", weir_batch_str(batch, request->request_id));
	weir_detail_text(json, "traceId", weir_batch_str(batch, request->trace_id));
	is_written = weir_detail_attrs(json, "attributes", arena, batch, request->attr_first, request->attr_count);
	weir_json_write_close(json, '}');
	return is_written;
}

/* False: the response says why. */
static bool search_read(const struct weir_http_request *request, struct weir_http_response *response,
	struct weir_query_request_search *search)
{
	struct weir_detail_range range;
	int64_t code = -1;

	search->workload = weir_str_trim(weir_http_request_argument(request, "workload"));
	search->service = weir_str_trim(weir_http_request_argument(request, "service"));
	search->trace_id = weir_str_trim(weir_http_request_argument(request, "traceId"));
	search->request_id = weir_str_trim(weir_http_request_argument(request, "requestId"));
	if (weir_answer_number(request, "code", response, &code) != 0) {
		return false;
	}
	if (code < -1 || code > CODES) {
		weir_http_response_text(response, 400, "code is a number from 0 to 999");
		return false;
	}
	search->response_code = (int32_t)code;
	if (!weir_detail_range(request, response, &range)) {
		return false;
	}
	search->end_ns = range.end_ns;
	search->lookback_ns = range.lookback_ns;
	search->limit = range.limit;
	return true;
}

void weir_requests_get(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_query_request_search search;
	struct weir_query_row *rows;
	struct weir_json_write json;
	struct weir_answer answer;
	bool is_written = true;
	uint32_t count;

	if (!search_read(request, response, &search) || !weir_answer_begin(&answer, ctx, request, response)) {
		return;
	}
	if (!weir_answer_refused(response, weir_query_requests(answer.query, &search, &rows, &count))) {
		weir_answer_json(response, &json);
		weir_json_write_open(&json, '[');
		for (uint32_t i = 0; i < count && is_written; i++) {
			is_written = request_write(&json, &answer.arena, &rows[i]);
		}
		weir_json_write_close(&json, ']');
		weir_detail_end(response, is_written);
	}
	weir_answer_end(&answer);
}
