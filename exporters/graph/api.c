/* api: the graph as JSON.
 *
 *   {"timestamp_unix_ms","horizon_s","nodes":[…],"edges":[{"source","target",
 *    "protocol","client":{…}|null,"server":{…}|null,"spans":{…}|null}]}
 *
 * `client` is what the caller's proxy logged, `server` what the callee's did,
 * `spans` what pairs of spans tell: three views of the same calls, for the
 * reader to compare and never to add. Totals are since the counters' start;
 * rates are over the horizon. Parameters: horizon (Go duration, 10s to 24h,
 * default 5m), namespace. */
#include "exporters/graph/api.h"

#include <errno.h>

#include "base/clock.h"
#include "exporters/answer.h"

#define SCRATCH_CHUNK (256u << 10)
#define HORIZON_NS 300000000000u
#define HORIZON_LEAST_NS 10000000000u
#define HORIZON_MOST_NS 86400000000000u

static const char *protocol_name(uint8_t protocol)
{
	switch ((enum weir_request_protocol)protocol) {
	case WEIR_REQUEST_HTTP:
		return "http";
	case WEIR_REQUEST_GRPC:
		return "grpc";
	case WEIR_REQUEST_TCP:
		return "tcp";
	}
	return "unknown";
}

static void write_field(struct weir_json_write *json, const char *key, struct weir_str value)
{
	weir_json_write_key(json, key);
	weir_json_write_str(json, value);
}

static struct weir_str node_name(const struct weir_graph_node *node)
{
	switch (node->kind) {
	case WEIR_GRAPH_WORKLOAD:
		return node->end.workload;
	case WEIR_GRAPH_SERVICE:
		return node->end.service;
	case WEIR_GRAPH_UNKNOWN_CALLER:
		return weir_str_of("unknown caller");
	case WEIR_GRAPH_UNKNOWN_DESTINATION:
		return weir_str_of("unknown destination");
	}
	return weir_str_of("unknown");
}

/* `workload:cluster/namespace/name`: the same in every answer. */
static void write_id(struct weir_json_write *json, const struct weir_graph_node *node)
{
	static const char *const kinds[] = { "workload:", "service:", "unknown:", "unknown:" };
	bool is_unknown = node->kind >= WEIR_GRAPH_UNKNOWN_CALLER;
	struct weir_str name = weir_str_of(node->kind == WEIR_GRAPH_UNKNOWN_CALLER ? "caller" : "destination");

	weir_json_write_string_begin(json);
	weir_json_write_piece(json, weir_str_of(kinds[node->kind]));
	weir_json_write_piece(json, node->end.cluster);
	weir_json_write_piece(json, weir_str_of("/"));
	weir_json_write_piece(json, node->end.namespace_);
	weir_json_write_piece(json, weir_str_of("/"));
	weir_json_write_piece(json, is_unknown ? name : node_name(node));
	weir_json_write_string_end(json);
}

static void write_node(struct weir_json_write *json, const struct weir_graph_node *node)
{
	const struct weir_edge_end *end = &node->end;

	weir_json_write_open(json, '{');
	weir_json_write_key(json, "id");
	write_id(json, node);
	write_field(json, "name", node_name(node));
	write_field(json, "workload", end->workload);
	write_field(json, "namespace", end->namespace_);
	write_field(json, "app", end->app);
	write_field(json, "version", end->version);
	write_field(json, "service", end->service);
	write_field(json, "cluster", end->cluster);
	weir_json_write_close(json, '}');
}

static void write_quantile(
	struct weir_json_write *json, const char *key, const struct weir_graph_counts *counts, double quantile)
{
	double value = weir_graph_quantile(counts->buckets, quantile);

	weir_json_write_key(json, key);
	if (value < 0) {
		weir_json_write_raw(json, weir_str_of("null"));
	} else {
		weir_json_write_rounded(json, value);
	}
}

static void write_u64(struct weir_json_write *json, const char *key, uint64_t value)
{
	weir_json_write_key(json, key);
	weir_json_write_u64(json, value);
}

static void write_double(struct weir_json_write *json, const char *key, double value)
{
	weir_json_write_key(json, key);
	weir_json_write_rounded(json, value);
}

static void write_counts(
	struct weir_json_write *json, const char *key, const struct weir_graph_counts *counts, uint8_t protocol)
{
	bool is_tcp = protocol == WEIR_REQUEST_TCP;

	weir_json_write_key(json, key);
	if (!counts->is_there) {
		weir_json_write_raw(json, weir_str_of("null"));
		return;
	}
	weir_json_write_open(json, '{');
	write_u64(json, "requests", counts->requests);
	write_u64(json, "errors", counts->errors);
	write_double(json, "rate_per_s", is_tcp ? 0 : counts->rate);
	write_double(json, "error_rate", counts->requests > 0 ? (double)counts->errors / (double)counts->requests : 0);
	write_quantile(json, "p50_ms", counts, 0.5);
	write_quantile(json, "p90_ms", counts, 0.9);
	write_quantile(json, "p99_ms", counts, 0.99);
	write_u64(json, "connections", counts->connections);
	write_u64(json, "sent_bytes", counts->sent_bytes);
	write_u64(json, "received_bytes", counts->received_bytes);
	write_double(json, "received_bytes_per_s", is_tcp ? counts->rate : 0);
	write_u64(json, "last_unix_ms", counts->last_ns / 1000000);
	weir_json_write_close(json, '}');
}

static void write_edge(struct weir_json_write *json, const struct weir_graph *graph, const struct weir_graph_edge *edge)
{
	weir_json_write_open(json, '{');
	weir_json_write_key(json, "source");
	write_id(json, &graph->nodes[edge->source]);
	weir_json_write_key(json, "target");
	write_id(json, &graph->nodes[edge->destination]);
	weir_json_write_key(json, "protocol");
	weir_json_write_text(json, protocol_name(edge->protocol));
	write_counts(json, "client", &edge->counts[WEIR_EDGE_CLIENT_LOG], edge->protocol);
	write_counts(json, "server", &edge->counts[WEIR_EDGE_SERVER_LOG], edge->protocol);
	write_counts(json, "spans", &edge->counts[WEIR_EDGE_SPANS], edge->protocol);
	weir_json_write_close(json, '}');
}

void weir_api_write(struct weir_json_write *json, const struct weir_graph *graph, uint64_t now_ns, uint64_t horizon_ns)
{
	weir_json_write_open(json, '{');
	write_u64(json, "timestamp_unix_ms", now_ns / 1000000);
	write_u64(json, "horizon_s", horizon_ns / 1000000000);
	weir_json_write_key(json, "nodes");
	weir_json_write_open(json, '[');
	for (uint32_t i = 0; i < graph->node_count; i++) {
		if (graph->nodes[i].is_used) {
			write_node(json, &graph->nodes[i]);
		}
	}
	weir_json_write_close(json, ']');
	weir_json_write_key(json, "edges");
	weir_json_write_open(json, '[');
	for (uint32_t i = 0; i < graph->edge_count; i++) {
		write_edge(json, graph, &graph->edges[i]);
	}
	weir_json_write_close(json, ']');
	weir_json_write_close(json, '}');
}

static void answer(struct weir_http_response *response, const struct weir_snapshot *snapshot,
	const struct weir_graph_opts *opts, size_t limit_bytes)
{
	struct weir_json_write json;
	struct weir_graph graph;
	struct weir_arena arena;

	weir_arena_init(&arena, SCRATCH_CHUNK, limit_bytes);
	if (weir_graph_build(&arena, snapshot, opts, &graph) != 0) {
		weir_answer_refused(response, WEIR_QUERY_TOO_LARGE);
	} else {
		weir_answer_json(response, &json);
		weir_api_write(&json, &graph, opts->now_ns, opts->horizon_ns);
		weir_answer_json_end(response);
	}
	weir_arena_fini(&arena);
}

void weir_api_graph(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_str horizon = weir_http_request_argument(request, "horizon");
	struct weir_graph_opts opts = {
		.now_ns = weir_clock_now_ns(),
		.horizon_ns = HORIZON_NS,
		.namespace_ = weir_http_request_argument(request, "namespace"),
	};
	struct weir_exporters *exporters = ctx;
	const struct weir_snapshot *snapshot;

	if (horizon.length > 0 && (weir_answer_duration(horizon, &opts.horizon_ns) != 0 ||
					  opts.horizon_ns < HORIZON_LEAST_NS || opts.horizon_ns > HORIZON_MOST_NS)) {
		weir_http_response_text(response, 400, "horizon is a duration from 10s to 24h, as 5m");
		return;
	}
	snapshot = weir_answer_snapshot(exporters, WEIR_SNAPSHOT_EDGES, response);
	if (snapshot != NULL) {
		response->cache_control = "no-store";
		answer(response, snapshot, &opts, exporters->opts.max_query_bytes);
		weir_snapshot_let_go(snapshot);
	}
}
