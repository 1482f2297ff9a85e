/* fakes: serve's and storage's side of the routes; see the header. */
#include "fakes.h"

#include <errno.h>
#include <stdio.h>

#include "storage/alive.h"

struct fakes fakes;

struct weir_str weir_http_request_argument(const struct weir_http_request *request, const char *name)
{
	(void)request;
	for (unsigned i = 0; i < FAKES_ARGUMENTS && fakes.arguments[i].name != NULL; i++) {
		if (strcmp(fakes.arguments[i].name, name) == 0) {
			return weir_str_of(fakes.arguments[i].value);
		}
	}
	return weir_str_of(NULL);
}

size_t weir_http_request_arguments(
	const struct weir_http_request *request, const char *name, struct weir_str *ret_values, size_t most)
{
	size_t count = 0;

	(void)request;
	for (unsigned i = 0; i < FAKES_ARGUMENTS && fakes.arguments[i].name != NULL; i++) {
		if (strcmp(fakes.arguments[i].name, name) == 0) {
			if (count < most) {
				ret_values[count] = weir_str_of(fakes.arguments[i].value);
			}
			count++;
		}
	}
	return count;
}

struct weir_str weir_http_request_header(const struct weir_http_request *request, const char *name)
{
	(void)request;
	return weir_str_of(strcmp(name, "If-None-Match") == 0 ? fakes.if_none_match
			   : strcmp(name, "Accept") == 0      ? fakes.accept
							      : NULL);
}

struct weir_str weir_http_request_rest(const struct weir_http_request *request)
{
	(void)request;
	return weir_str_of(fakes.rest);
}

uint64_t weir_http_request_deadline_ns(const struct weir_http_request *request)
{
	(void)request;
	return fakes.deadline_ns;
}

void weir_http_response_pack(struct weir_http_response *response)
{
	(void)response; /* what a test reads stays in the body */
}

void weir_http_response_text(struct weir_http_response *response, unsigned status, const char *text)
{
	response->status = status;
	response->content_type = NULL;
	weir_buf_clear(&response->body);
	weir_buf_add_text(&response->body, text);
}

int weir_query_begin(struct weir_query *query, uint64_t deadline_ns)
{
	(void)query;
	(void)deadline_ns;
	fakes.begun += fakes.begin_result == 0;
	return fakes.begin_result;
}

void weir_query_end(struct weir_query *query)
{
	(void)query;
	fakes.ended++;
}

int64_t weir_query_behind_ms(const struct weir_query *query)
{
	(void)query;
	return 17;
}

int weir_query_open(const struct weir_query_opts *opts, struct weir_query **ret_query)
{
	static char query;

	(void)opts;
	if (fakes.opens_left == 0) {
		return -ENOMEM;
	}
	fakes.opens_left--;
	fakes.opened++;
	*ret_query = (struct weir_query *)&query;
	return 0;
}

void weir_query_close(struct weir_query *query)
{
	(void)query;
	fakes.closed++;
}

const struct weir_snapshot *weir_run_snapshot(struct weir_run *run, unsigned parts, int64_t *ret_behind_ms)
{
	(void)run;
	fakes.parts = parts;
	*ret_behind_ms = 19;
	return fakes.snapshot;
}

void weir_snapshot_let_go(const struct weir_snapshot *snapshot)
{
	(void)snapshot;
	fakes.let_go++;
}

uint64_t weir_run_position(const struct weir_run *run)
{
	(void)run;
	return 90;
}

uint64_t weir_ring_capacity(const struct weir_ring *ring)
{
	(void)ring;
	return 4096;
}

uint64_t weir_ring_head(const struct weir_ring *ring)
{
	(void)ring;
	return 100;
}

uint64_t weir_ring_tail(const struct weir_ring *ring)
{
	(void)ring;
	return 40;
}

enum weir_store_state weir_store_state(const struct weir_store *store)
{
	(void)store;
	return fakes.state;
}

void weir_store_figures(const struct weir_store *store, struct weir_store_figures *ret)
{
	(void)store;
	*ret = (struct weir_store_figures){ .spans = 12, .stored_position = 80 };
}

int weir_alive_create(const struct weir_store *store, struct weir_windows *windows, struct weir_alive **ret_alive)
{
	static char alive;

	(void)store;
	(void)windows;
	fakes.alive_made++;
	*ret_alive = (struct weir_alive *)&alive;
	return 0;
}

void weir_alive_destroy(struct weir_alive *alive)
{
	fakes.alive_freed += alive != NULL;
}

bool weir_alive_has(const struct weir_alive *alive, const uint8_t trace_id[16])
{
	(void)alive;
	return fakes.alive_trace[0] != 0 && memcmp(trace_id, fakes.alive_trace, 16) == 0;
}

static const char *listener(void *ctx, bool is_grpc, size_t i)
{
	(void)ctx;
	return i > 0 ? NULL : is_grpc ? "127.0.0.1:4317" : "unix:/run/weir.sock";
}

static bool is_ready(void *ctx)
{
	(void)ctx;
	return fakes.is_ready;
}

int weir_query_trace(
	struct weir_query *query, const uint8_t trace_id[16], bool is_short, struct weir_query_trace *ret_trace)
{
	(void)query;
	memcpy(fakes.asked_id, trace_id, 16);
	fakes.asked_short = is_short;
	if (fakes.result == 0) {
		*ret_trace = fakes.traces[0];
	}
	return fakes.result;
}

int weir_query_traces(struct weir_query *query, const struct weir_query_search *search,
	struct weir_query_trace **ret_traces, uint32_t *ret_count)
{
	static struct weir_query_trace traces[4];

	(void)query;
	fakes.search = *search;
	snprintf(fakes.search_text, sizeof(fakes.search_text), "%.*s|%.*s|%.*s", (int)search->service.length,
		search->service.data, (int)search->remote_service.length, search->remote_service.data,
		(int)search->span_name.length, search->span_name.data);
	for (uint32_t i = 0; i < search->tag_count; i++) {
		size_t at = strlen(fakes.search_text);

		snprintf(fakes.search_text + at, sizeof(fakes.search_text) - at, "|%.*s%s%.*s",
			(int)search->tags[i].key.length, search->tags[i].key.data, search->tags[i].has_value ? "=" : "",
			(int)search->tags[i].value.length, search->tags[i].has_value ? search->tags[i].value.data : "");
	}
	for (uint32_t i = 0; i < fakes.trace_count; i++) {
		traces[i] = fakes.traces[i];
	}
	*ret_traces = traces;
	*ret_count = fakes.trace_count;
	return fakes.result;
}

static int names_give(struct weir_str **ret_names, uint32_t *ret_count)
{
	static struct weir_str names[8];

	*ret_count = 0;
	for (; fakes.names != NULL && fakes.names[*ret_count] != NULL; (*ret_count)++) {
		names[*ret_count] = weir_str_of(fakes.names[*ret_count]);
	}
	*ret_names = names;
	return fakes.result;
}

static int rows_give(struct weir_query_row **ret_rows, uint32_t *ret_count)
{
	static struct weir_query_row rows[4];

	for (uint32_t i = 0; i < fakes.row_count; i++) {
		rows[i] = fakes.rows[i];
	}
	*ret_rows = rows;
	*ret_count = fakes.row_count;
	return fakes.result;
}

int weir_query_logs(struct weir_query *query, const struct weir_query_log_search *search,
	struct weir_query_row **ret_rows, uint32_t *ret_count)
{
	(void)query;
	fakes.log_search = *search;
	return rows_give(ret_rows, ret_count);
}

int weir_query_requests(struct weir_query *query, const struct weir_query_request_search *search,
	struct weir_query_row **ret_rows, uint32_t *ret_count)
{
	(void)query;
	fakes.request_search = *search;
	return rows_give(ret_rows, ret_count);
}

int weir_query_services(struct weir_query *query, struct weir_str **ret_names, uint32_t *ret_count)
{
	(void)query;
	return names_give(ret_names, ret_count);
}

int weir_query_span_names(
	struct weir_query *query, struct weir_str service, struct weir_str **ret_names, uint32_t *ret_count)
{
	(void)query;
	snprintf(fakes.search_text, sizeof(fakes.search_text), "%.*s", (int)service.length, service.data);
	return names_give(ret_names, ret_count);
}

int weir_query_remote_services(
	struct weir_query *query, struct weir_str service, struct weir_str **ret_names, uint32_t *ret_count)
{
	return weir_query_span_names(query, service, ret_names, ret_count);
}

int weir_query_each_trace(
	struct weir_query *query, uint64_t end_ns, uint64_t lookback_ns, weir_query_trace_fn *fn, void *ctx)
{
	int result = fakes.result;

	(void)query;
	fakes.search.end_ns = end_ns;
	fakes.search.lookback_ns = lookback_ns;
	for (uint32_t i = 0; i < fakes.trace_count && result == 0; i++) {
		result = fn(ctx, &fakes.traces[i]);
	}
	return result;
}

struct weir_exporters *fakes_exporters(void)
{
	static struct weir_exporters exporters;
	static struct weir_query *queries[1];
	static char query;

	queries[0] = (struct weir_query *)&query;
	exporters.opts.query_threads = 1;
	exporters.opts.max_query_bytes = 1u << 20;
	exporters.opts.version = "1.2.3";
	exporters.opts.is_ready = is_ready;
	exporters.opts.listener = listener;
	exporters.free_queries = queries;
	exporters.free_count = 1;
	pthread_mutex_init(&exporters.lock, NULL);
	return &exporters;
}

struct weir_http_response fakes_call(weir_http_fn *fn)
{
	struct weir_http_response response = { .status = 200 };

	fn(fakes_exporters(), NULL, &response);
	weir_buf_add_char(&response.body, '\0');
	return response;
}

void fakes_free(struct weir_http_response *response)
{
	weir_buf_fini(&response->body);
}
