/* status: what weir says about itself over HTTP.
 *
 *   /healthz  200 `ok`, or 503 naming the store's state: the process works, but
 *             new detail is not kept
 *   /ready    200 when all listeners are open, else 503
 *   /status   a page of JSON for a human with curl; who asks often says series=0
 *             and is spared the counting of labels
 *
 * /healthz and /ready do not wait for anything, so they run on the listener's
 * thread and answer also when the query pool is full. */
#include "exporters/status.h"

#include "base/clock.h"
#include "base/stat.h"
#include "exporters/answer.h"
#include "exporters/ledger.h"
#include "exporters/metrics/own.h"
#include "exporters/series_status.h"

static const char *state_name(enum weir_store_state state)
{
	switch (state) {
	case WEIR_STORE_OK:
		return "ok";
	case WEIR_STORE_FULL:
		return "full";
	case WEIR_STORE_FAILING:
		return "failing";
	}
	return "unknown";
}

void weir_status_healthz(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_exporters *exporters = ctx;
	enum weir_store_state state = weir_store_state(exporters->opts.store);

	(void)request;
	response->cache_control = "no-store";
	switch (state) {
	case WEIR_STORE_OK:
		weir_http_response_text(response, 200, "ok\n");
		return;
	case WEIR_STORE_FULL:
		weir_http_response_text(response, 503, "storage is full: metrics go on, detail is thinned\n");
		return;
	case WEIR_STORE_FAILING:
		weir_http_response_text(response, 503, "storage is failing: metrics go on, detail is thinned\n");
		return;
	}
}

void weir_status_ready(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_exporters *exporters = ctx;

	(void)request;
	response->cache_control = "no-store";
	if (exporters->opts.is_ready(exporters->opts.ctx)) {
		weir_http_response_text(response, 200, "ready\n");
	} else {
		weir_http_response_text(response, 503, "not ready\n");
	}
}

void weir_status_ledger(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	const struct weir_snapshot *snapshot = weir_answer_snapshot(ctx, WEIR_SNAPSHOT_LEDGER, response);
	struct weir_ledger_refused refused;
	struct weir_json_write json;

	(void)request;
	if (snapshot == NULL) {
		return;
	}
	for (unsigned s = 0; s < WEIR_SIGNALS; s++) {
		for (unsigned r = 0; r < WEIR_REFUSALS; r++) {
			refused.items[s][r] = weir_stat_refused_get(s, r);
		}
	}
	weir_answer_json(response, &json);
	weir_ledger_render(&json, snapshot, &refused);
	weir_snapshot_let_go(snapshot);
	weir_answer_json_end(response);
}

static void figure(struct weir_json_write *json, const char *key, uint64_t value)
{
	weir_json_write_key(json, key);
	weir_json_write_u64(json, value);
}

static void render_listeners(struct weir_json_write *json, const struct weir_exporters_opts *opts)
{
	weir_json_write_key(json, "listen");
	weir_json_write_open(json, '{');
	for (unsigned is_grpc = 2; is_grpc-- > 0;) {
		const char *address;

		weir_json_write_key(json, is_grpc ? "grpc" : "http");
		weir_json_write_open(json, '[');
		for (size_t i = 0; (address = opts->listener(opts->ctx, is_grpc, i)) != NULL; i++) {
			weir_json_write_text(json, address);
		}
		weir_json_write_close(json, ']');
	}
	weir_json_write_close(json, '}');
}

static void render_ring(struct weir_json_write *json, const struct weir_own *own)
{
	weir_json_write_key(json, "ring");
	weir_json_write_open(json, '{');
	figure(json, "size_bytes", own->ring_size_bytes);
	figure(json, "used_bytes", own->ring_head - own->ring_tail);
	figure(json, "head", own->ring_head);
	figure(json, "folded", own->ring_folded);
	figure(json, "stored", own->store.stored_position);
	figure(json, "released", own->ring_tail);
	weir_json_write_close(json, '}');
}

static void render_store(struct weir_json_write *json, const struct weir_own *own)
{
	const struct weir_store_figures *store = &own->store;

	weir_json_write_key(json, "storage");
	weir_json_write_open(json, '{');
	weir_json_write_key(json, "state");
	weir_json_write_text(json, state_name(own->store_state));
	figure(json, "used_bytes", store->used_bytes);
	figure(json, "wal_bytes", store->wal_bytes);
	figure(json, "segments", store->segments);
	figure(json, "spans", store->spans);
	figure(json, "requests", store->requests);
	figure(json, "connections", store->connections);
	figure(json, "logs", store->logs);
	figure(json, "window", store->stored_window);
	figure(json, "commits", store->commits);
	figure(json, "failed_commits", store->failed_commits);
	figure(json, "last_error", store->last_error);
	figure(json, "last_commit_unix_ms", store->last_commit_ns / 1000000);
	figure(json, "oldest_unix_ms", store->oldest_ns / 1000000);
	weir_json_write_close(json, '}');
}

void weir_status_status(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_exporters *exporters = ctx;
	bool has_series = !weir_str_is(weir_http_request_argument(request, "series"), "0");
	unsigned parts = WEIR_SNAPSHOT_LEDGER | (has_series ? WEIR_SNAPSHOT_SERIES | WEIR_SNAPSHOT_POINTS : 0u);
	const struct weir_snapshot *snapshot = weir_answer_snapshot(exporters, parts, response);
	uint64_t now_ns = weir_clock_now_ns();
	struct weir_own_process process;
	struct weir_json_write json;
	struct weir_own own;

	if (snapshot == NULL) {
		return;
	}
	weir_own_read(&exporters->opts, &own);
	weir_own_process_read(&process);
	response->cache_control = "no-store";
	weir_answer_json(response, &json);
	weir_json_write_open(&json, '{');
	weir_json_write_key(&json, "version");
	weir_json_write_text(&json, own.version);
	weir_json_write_key(&json, "ready");
	weir_json_write_bool(&json, exporters->opts.is_ready(exporters->opts.ctx));
	render_listeners(&json, &exporters->opts);
	figure(&json, "started_unix_ms", own.started_ns / 1000000);
	figure(&json, "up_s", now_ns > own.started_ns ? (now_ns - own.started_ns) / 1000000000 : 0);
	weir_json_write_key(&json, "ledger_closes");
	weir_json_write_bool(&json, weir_ledger_view_closes(snapshot));
	figure(&json, "sources", snapshot->ledger_count);
	figure(&json, "watermark_unix_ms", snapshot->watermark_ns / 1000000);
	figure(&json, "resident_bytes", process.resident_bytes > 0 ? (uint64_t)process.resident_bytes : 0);
	render_ring(&json, &own);
	render_store(&json, &own);
	if (has_series) {
		weir_json_write_key(&json, "series");
		weir_series_status_render(&json, snapshot,
			&(struct weir_series_status_opts){ .budget = exporters->opts.max_series,
				.max_bytes = exporters->opts.max_query_bytes,
				.deadline_ns = weir_http_request_deadline_ns(request) });
	}
	weir_json_write_close(&json, '}');
	weir_snapshot_let_go(snapshot);
	weir_answer_json_end(response);
}
