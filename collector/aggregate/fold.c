/* fold: (state, record) → state, pure and deterministic.
 *
 *   batch ─▶ expiry by watermark ─▶ repeated? ─yes─▶ ledger: duplicates
 *                                     └no─▶ ledger, completeness, then each row:
 *
 *   request     ─▶ owner (counted?) ─▶ memo ─▶ series by the rules, edge by the reporter's evidence
 *   connection  ─▶ owner (counted?) ─▶ flow (differences) ─▶ events ─▶ memo ─▶ series by the rules, edge
 *   span        ─▶ span metrics; pair (caller meets callee) ─▶ edge by spans, traces_service_graph_* (fold_spans.c)
 *   point       ─▶ stream ─▶ series of its family; completeness, owner
 *   log         ─▶ count by service and severity
 *
 * Invariants
 *  1. The only time is received_ns; the watermark is its maximum, so it never
 *     goes back, and expiry depends on nothing else.
 *  2. A batch whose digest is known moves the ledger and nothing else.
 *  3. Access logs feed the rules' series and edges, spans edges and metrics of
 *     their own: no request is in istio_* twice, whichever signals tell of it (owner.c).
 *  4. All that crosses records is in the tables of state.h; memo and the
 *     batch's scratch arrays are caches. A sweep that removes a series forgets the
 *     memo, and a set that is made or grows what leads beyond the budget, so what it
 *     says is what the tables would say.
 *
 * Runs on the aggregate thread only. */
#include "aggregate/fold.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bounds.h"
#include "aggregate/state.h"
#include "base/err.h"
#include "rules/traces.h"

#define NAMES_MAX WEIR_BOUNDS_NAMES
#define NAME_BYTES_MAX WEIR_BOUNDS_NAME_BYTES
#define POINTS_SHARE 2u /* of metrics.max_series, for what is passed through; beside it, so Istio's has its own */
#define TRACES_SHARE 4u /* likewise, for metrics of spans */
#define SWEEPS 8u       /* in the time after which a series expires */
#define SWEEP_MAX 8u    /* units of a series' time between two at most */
#define AHEAD 16u       /* requests whose entries are asked for before they are needed */

/* Which names are weir's own, for what senders call theirs. */
static void schemas_tell(struct weir_fold *fold)
{
	const struct weir_schema *schemas[] = { fold->series.schema, fold->traces.schema };

	weir_families_schema(&fold->points.families, schemas, 2);
}

static void tables_init(struct weir_fold *fold)
{
	uint64_t seed = fold->opts.hash_seed;

	weir_text_init(&fold->names, NAMES_MAX, NAME_BYTES_MAX, seed);
	weir_series_init(&fold->series, weir_ruleset_schema(fold->ruleset), fold->opts.max_series, seed);
	weir_series_init(&fold->traces, &weir_traces_schema, fold->opts.max_series / TRACES_SHARE, seed);
	fold->series.labels.retire = fold->retire;
	fold->traces.labels.retire = fold->retire;
	weir_edges_init(&fold->edges, &fold->names, seed);
	weir_span_counts_init(&fold->span_counts, &fold->traces, &fold->names, seed);
	weir_pairs_init(&fold->pairs, &fold->edges, seed);
	fold->pairs.counts = &fold->span_counts;
	weir_flows_init(&fold->flows, seed);
	weir_digests_init(&fold->digests, seed);
	weir_ledger_init(&fold->ledger, seed);
	weir_owners_init(&fold->owners, fold->opts.istio, seed);
	weir_points_init(&fold->points, &fold->owners, fold->opts.max_series / POINTS_SHARE, seed);
	weir_points_retire(&fold->points, fold->retire);
	schemas_tell(fold);
	weir_logs_init(&fold->logs, seed);
	weir_memo_init(&fold->memo, fold->opts.max_series, seed);
}

static void tables_fini(struct weir_fold *fold)
{
	weir_memo_fini(&fold->memo);
	weir_logs_fini(&fold->logs);
	weir_points_fini(&fold->points);
	weir_owners_fini(&fold->owners);
	weir_ledger_fini(&fold->ledger);
	weir_digests_fini(&fold->digests);
	weir_flows_fini(&fold->flows);
	weir_pairs_fini(&fold->pairs);
	weir_span_counts_fini(&fold->span_counts);
	weir_edges_fini(&fold->edges);
	weir_series_fini(&fold->traces);
	weir_series_fini(&fold->series);
	weir_text_fini(&fold->names);
}

uint64_t weir_fold_bytes_max(uint32_t max_series)
{
	return WEIR_BOUNDS_BYTES((uint64_t)max_series);
}

int weir_fold_create(const struct weir_fold_opts *opts, struct weir_fold **ret_fold)
{
	const struct weir_ruleset_opts standard = { 0 };
	struct weir_fold *fold = calloc(1, sizeof(*fold));
	struct weir_ruleset_error wrong;
	int error;

	if (fold == NULL) {
		return -ENOMEM;
	}
	fold->opts = *opts;
	fold->retire = weir_retire_create();
	error = opts->ruleset == NULL ? weir_ruleset_load(&standard, &fold->ruleset, &wrong) : 0;
	if (fold->retire == NULL || error != 0) {
		weir_retire_destroy(fold->retire);
		free(fold);
		return -ENOMEM; /* the standard rules are right */
	}
	if (opts->ruleset != NULL) {
		fold->ruleset = weir_ruleset_hold(opts->ruleset);
	}
	fold->opts.ruleset = NULL;
	weir_buf_init(&fold->scratch, 0);
	tables_init(fold);
	*ret_fold = fold;
	return 0;
}

void weir_fold_destroy(struct weir_fold *fold)
{
	if (fold == NULL) {
		return;
	}
	tables_fini(fold);
	weir_ruleset_let_go(fold->ruleset);
	weir_retire_destroy(fold->retire);
	free(fold->services);
	weir_buf_fini(&fold->scratch);
	free(fold);
}

void weir_fold_clear(struct weir_fold *fold)
{
	tables_fini(fold);
	tables_init(fold);
	fold->watermark_ns = fold->replaced_utf8 = fold->counters_since_ns = 0;
	fold->cut_number = fold->image_bytes = fold->delta_bytes = 0;
	fold->delta_count = 0;
	fold->must_image = false;
}

void weir_fold_rules(struct weir_fold *fold, const struct weir_ruleset *ruleset)
{
	const struct weir_ruleset *old = fold->ruleset;

	weir_series_replace(&fold->series, weir_ruleset_schema(ruleset), weir_fold_since(fold));
	fold->ruleset = weir_ruleset_hold(ruleset);
	fold->must_image = true; /* image.c, 5 */
	schemas_tell(fold);
	weir_memo_clear(&fold->memo);
	weir_ruleset_let_go(old);
}

void weir_fold_watch(struct weir_fold *fold, weir_fold_watch_fn *fn, void *ctx)
{
	fold->watch = fn;
	fold->watch_ctx = ctx;
}

void weir_fold_reset_counters(struct weir_fold *fold, uint64_t now_ns)
{
	weir_series_clear(&fold->series);
	weir_series_clear(&fold->traces);
	weir_span_counts_forget(&fold->span_counts);
	weir_edges_reset(&fold->edges);
	weir_ledger_clear(&fold->ledger);
	weir_points_clear(&fold->points);
	weir_owners_reset(&fold->owners);
	weir_logs_clear(&fold->logs);
	fold->flows.shortfall_bytes = fold->flows.shortfall_connections = 0;
	weir_memo_clear(&fold->memo);
	fold->replaced_utf8 = 0;
	fold->counters_since_ns = now_ns;
	fold->must_image = true;
}

/* --- access logs ---------------------------------------------------------- */

static uint32_t name_of(struct weir_fold *fold, const struct weir_batch *batch, struct weir_ref ref)
{
	return weir_edges_name(&fold->edges, weir_batch_str(batch, ref));
}

static void end_of(struct weir_fold *fold, const struct weir_batch *batch, uint32_t row, uint32_t end[WEIR_EDGE_NAMES])
{
	const struct weir_workload *workload;

	if (row != WEIR_NONE) {
		workload = weir_batch_workload(batch, row);
		end[WEIR_EDGE_WORKLOAD] = name_of(fold, batch, workload->name);
		end[WEIR_EDGE_NAMESPACE] = name_of(fold, batch, workload->namespace_);
		end[WEIR_EDGE_APP] = name_of(fold, batch, workload->app);
		end[WEIR_EDGE_VERSION] = name_of(fold, batch, workload->version);
		end[WEIR_EDGE_CLUSTER] = name_of(fold, batch, workload->cluster);
	}
}

static uint32_t edge_of(struct weir_fold *fold, const struct weir_batch *batch, const struct weir_call *call)
{
	struct weir_edge_key key = { .protocol = call->protocol };

	end_of(fold, batch, call->source, key.source);
	end_of(fold, batch, call->destination, key.destination);
	key.destination[WEIR_EDGE_SERVICE] = name_of(fold, batch, call->service_host);
	return weir_edges_find(&fold->edges, &key);
}

static unsigned evidence_of(const struct weir_call *call)
{
	return call->reporter == WEIR_REPORTER_SOURCE ? WEIR_EDGE_CLIENT_LOG : WEIR_EDGE_SERVER_LOG;
}

/* As Kiali: no answer or 4xx, 5xx; for gRPC also its own status. */
static bool is_error(const struct weir_request *request)
{
	return request->response_code == 0 || request->response_code >= 400 ||
	       (request->call.protocol == WEIR_REQUEST_GRPC && request->grpc_status > 0);
}

/* Whether its sender's rules keep it out of metrics and graph. */
static bool is_left_out(const struct weir_batch *batch, const struct weir_call *call)
{
	return call->is_probe && batch->signal == WEIR_SIGNAL_MIXER;
}

static struct weir_rules_record record_of(
	const struct weir_fold *fold, const struct weir_batch *batch, const struct weir_request *request)
{
	return (struct weir_rules_record){ .batch = batch,
		.call = &request->call,
		.request = request,
		.is_both = weir_ruleset_is_both(fold->ruleset) };
}

static XXH128_hash_t key_of(struct weir_fold *fold, const struct weir_rules_record *record)
{
	weir_scratch_reset(&fold->values);
	return weir_memo_key(&fold->memo, record, weir_ruleset_key(fold->ruleset, record, &fold->values));
}

static void fold_request(
	struct weir_fold *fold, const struct weir_batch *batch, const struct weir_request *request, XXH128_hash_t key)
{
	const struct weir_owner_report report = { .call = &request->call,
		.start_ns = request->start_ns,
		.end_ns = request->start_ns == 0 ? 0 : request->start_ns + request->duration_ns,
		.id = weir_batch_str(batch, request->request_id) };
	const struct weir_rules_record record = record_of(fold, batch, request);
	unsigned counts = weir_owners_judge(&fold->owners, batch, &report, fold->watermark_ns);
	struct weir_memo_entry *memo;
	const struct weir_edge_record edge = {
		.time_ns = batch->received_ns, .is_error = is_error(request), .duration_us = request->duration_ns / 1000
	};

	if (counts == 0) {
		return;
	}
	memo = weir_memo_find(&fold->memo, key);
	if (!is_left_out(batch, &request->call)) {
		if (memo->edge == WEIR_NONE) {
			memo->edge = edge_of(fold, batch, &request->call);
		}
		weir_edges_count_request(&fold->edges, memo->edge, evidence_of(&request->call), &edge);
	}
	weir_fold_count(fold, &record, memo, counts);
}

static void request_prefetch(const struct weir_fold *fold, const struct weir_memo_entry *entry)
{
	if (entry != NULL && entry->hit_count > 0 && entry->edge != WEIR_NONE) {
		weir_series_prefetch(&fold->series, fold->memo.hits[entry->hits].at.set);
		weir_edges_prefetch(&fold->edges, entry->edge);
	}
}

static void request_prefetch_cells(
	const struct weir_fold *fold, const struct weir_memo_entry *entry, const struct weir_call *call)
{
	if (entry != NULL && entry->hit_count > 0 && entry->edge != WEIR_NONE) {
		weir_series_prefetch_cells(&fold->series, fold->memo.hits[entry->hits].at.set);
		weir_edges_prefetch_counts(&fold->edges, entry->edge, evidence_of(call));
	}
}

/* In passes over a few requests at a time: each asks the cache for what the next one needs. */
static void fold_requests(struct weir_fold *fold, const struct weir_batch *batch)
{
	const struct weir_request *requests = weir_batch_requests(batch);

	for (uint32_t at = 0; at < batch->requests.count; at += AHEAD) {
		const struct weir_memo_entry *entries[AHEAD];
		XXH128_hash_t keys[AHEAD];
		uint32_t n = batch->requests.count - at < AHEAD ? batch->requests.count - at : AHEAD;

		for (uint32_t i = 0; i < n; i++) {
			const struct weir_rules_record record = record_of(fold, batch, &requests[at + i]);

			keys[i] = key_of(fold, &record);
			weir_memo_prefetch(&fold->memo, keys[i]);
		}
		for (uint32_t i = 0; i < n; i++) {
			entries[i] = weir_memo_peek(&fold->memo, keys[i]);
			request_prefetch(fold, entries[i]);
		}
		for (uint32_t i = 0; i < n; i++) {
			request_prefetch_cells(fold, entries[i], &requests[at + i].call);
		}
		for (uint32_t i = 0; i < n; i++) {
			fold_request(fold, batch, &requests[at + i], keys[i]);
		}
	}
}

/* Rules see events. A connection of which nothing is known but its end was opened, too. */
static void count_connection(
	struct weir_fold *fold, struct weir_rules_record *record, const struct weir_flow_growth *more, unsigned counts)
{
	if (more->opened > 0 && more->closed > 0) {
		record->event = WEIR_CONNECTION_OPEN;
		weir_fold_count(fold, record, weir_memo_find(&fold->memo, key_of(fold, record)), counts);
	}
	record->event = more->closed > 0   ? WEIR_CONNECTION_CLOSE
			: more->opened > 0 ? WEIR_CONNECTION_OPEN
					   : WEIR_CONNECTION_CONTINUE;
	record->sent_bytes = more->sent_bytes;
	record->received_bytes = more->received_bytes;
	weir_fold_count(fold, record, weir_memo_find(&fold->memo, key_of(fold, record)), counts);
}

static void fold_connection(
	struct weir_fold *fold, const struct weir_batch *batch, const struct weir_connection *connection)
{
	const struct weir_owner_report report = {
		.call = &connection->call, .start_ns = connection->start_ns, .is_connection = true
	};
	struct weir_rules_record record = { .batch = batch,
		.call = &connection->call,
		.connection = connection,
		.is_both = weir_ruleset_is_both(fold->ruleset) };
	unsigned counts = weir_owners_judge(&fold->owners, batch, &report, fold->watermark_ns);
	struct weir_edge_record edge = { .time_ns = batch->received_ns };
	struct weir_flow_growth more;
	struct weir_memo_entry *memo;

	if (counts == 0) {
		return;
	}
	weir_flows_report(&fold->flows, batch, connection, fold->watermark_ns, &more);
	count_connection(fold, &record, &more, counts);
	memo = weir_memo_find(&fold->memo, key_of(fold, &record));
	if (memo->edge == WEIR_NONE) {
		memo->edge = edge_of(fold, batch, &connection->call);
	}
	edge.opened = more.opened;
	edge.closed = more.closed;
	edge.sent_bytes = more.sent_bytes;
	edge.received_bytes = more.received_bytes;
	weir_edges_count_connection(&fold->edges, memo->edge, evidence_of(&connection->call), &edge);
}

/* --- completeness --------------------------------------------------------- */

/* Spans of proxies, counted by resource. */
static void seen_spans(struct weir_fold *fold, const struct weir_batch *batch)
{
	const struct weir_span *spans = weir_batch_spans(batch);
	uint32_t first = 0;

	for (uint32_t i = 1; i <= batch->spans.count; i++) {
		struct weir_ref proxy = weir_batch_resources(batch)[spans[first].resource].proxy;

		if (i < batch->spans.count && spans[i].resource == spans[first].resource) {
			continue;
		}
		if (proxy.length > 0) {
			weir_owners_seen(&fold->owners, weir_owners_row(&fold->owners, batch, proxy),
				WEIR_MEASURE_SPANS, i - first);
		}
		first = i;
	}
}

/* What came of a proxy, for comparison with what it says; requests are counted
 * where they are judged. A batch of access logs is of one proxy: its rows name it. */
static void seen(struct weir_fold *fold, const struct weir_batch *batch)
{
	const struct weir_resource *resources = weir_batch_resources(batch);
	struct weir_owners *owners = &fold->owners;

	if (batch->signal == WEIR_SIGNAL_SPAN) {
		seen_spans(fold, batch);
	} else if (batch->signal == WEIR_SIGNAL_LOG && batch->resources.count > 0 && resources[0].proxy.length > 0) {
		weir_owners_seen(owners, weir_owners_row(owners, batch, resources[0].proxy), WEIR_MEASURE_LOGS,
			batch->logs.count);
	} else if (batch->signal == WEIR_SIGNAL_ACCESS_LOG && batch->requests.count + batch->connections.count > 0) {
		struct weir_ref proxy = batch->requests.count > 0 ? weir_batch_requests(batch)[0].call.proxy
								  : weir_batch_connections(batch)[0].call.proxy;

		weir_owners_seen(
			owners, weir_owners_row(owners, batch, proxy), WEIR_MEASURE_ACCESS_LOGS, batch->offered);
	}
}

/* --- expiry --------------------------------------------------------------- */

/* Series go when the watermark passes from one sweep's time to the next: a
 * function of the batches alone. */
static void sweep(struct weir_fold *fold, uint64_t before_ns)
{
	uint64_t told_ns = weir_ruleset_expiry_ns(fold->ruleset);
	uint64_t expiry_ns = told_ns > 0 ? told_ns : fold->opts.expiry_ns;
	uint32_t expiry = weir_fold_moment(expiry_ns), every = expiry / SWEEPS, now, from;

	every = every > SWEEP_MAX ? SWEEP_MAX : every == 0 ? 1 : every;
	now = weir_fold_moment(fold->watermark_ns);
	if (expiry_ns == 0 || before_ns == 0 || now / every == weir_fold_moment(before_ns) / every) {
		return;
	}
	from = now > expiry ? now - expiry : 0;
	if (weir_series_expire(&fold->series, from) > 0) {
		weir_memo_clear(&fold->memo);
	}
	if (weir_series_expire(&fold->traces, from) > 0) {
		weir_span_counts_forget(&fold->span_counts);
	}
	weir_points_expire(&fold->points, fold->watermark_ns, expiry_ns);
	weir_retire_turn(fold->retire);
}

/* --- a batch -------------------------------------------------------------- */

int weir_fold_batch(struct weir_fold *fold, const struct weir_batch *batch)
{
	const struct weir_connection *connections = weir_batch_connections(batch);
	uint64_t before_ns = fold->watermark_ns;
	bool is_duplicate;

	if (fold->watermark_ns == 0) {
		weir_flows_begin(&fold->flows, batch->received_ns);
	}
	if (batch->received_ns > fold->watermark_ns) {
		fold->watermark_ns = batch->received_ns;
	}
	fold->pairs.moment = (struct weir_span_moment){ weir_fold_created(fold, batch), batch->received_ns,
		weir_fold_moment(fold->watermark_ns) };
	sweep(fold, before_ns);
	weir_digests_expire(&fold->digests, fold->watermark_ns);
	weir_flows_expire(&fold->flows, fold->watermark_ns);
	weir_pairs_expire(&fold->pairs, fold->watermark_ns);
	weir_owners_expire(&fold->owners, fold->watermark_ns);
	is_duplicate = weir_digests_saw(&fold->digests, batch->digest, fold->watermark_ns);
	weir_ledger_book(&fold->ledger, batch, is_duplicate);
	if (is_duplicate) {
		return WEIR_FOLD_DUPLICATE;
	}
	fold->replaced_utf8 += batch->replaced_utf8;
	weir_owners_batch(&fold->owners);
	seen(fold, batch);
	if (batch->requests.count > 0 || batch->connections.count > 0) {
		weir_memo_batch(&fold->memo, batch);
	}
	fold_requests(fold, batch);
	for (uint32_t i = 0; i < batch->connections.count; i++) {
		fold_connection(fold, batch, &connections[i]);
	}
	if (batch->spans.count > 0) {
		weir_fold_spans(fold, batch);
	}
	if (batch->points.count > 0) {
		weir_points_fold(&fold->points, batch, weir_fold_created(fold, batch), fold->watermark_ns);
	}
	if (batch->logs.count > 0) {
		weir_logs_fold(&fold->logs, batch);
	}
	return 0;
}
