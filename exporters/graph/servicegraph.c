/* servicegraph: the add-on's graph.
 *
 *   {"nodes":{"reviews (reviews-v1)":{}},
 *    "edges":[{"source":…,"target":…,"labels":{"reqs/sec":"1.234560"}}]}
 *
 * The add-on asked Prometheus for the rate of istio_requests_total (and of TCP
 * bytes received) with reporter="destination", summed by app and workload of
 * both sides. So here: server-side access logs only, all request protocols in
 * one edge, TCP in another. A side that is not known is `unknown (unknown)`.
 * Nodes and edges are sorted by name; the filters compare exactly. */
#include "exporters/graph/servicegraph.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "exporters/answer.h"

#define SCRATCH_CHUNK (64u << 10)
#define HORIZON_NS 300000000000u
#define HORIZON_LEAST_NS 10000000000u
#define HORIZON_MOST_NS 86400000000000u

struct sum {
	struct weir_str source, target; /* node names */
	bool is_tcp;
	double rate;
};

static struct weir_str or_unknown(struct weir_str text)
{
	return text.length > 0 ? text : weir_str_of("unknown");
}

/* `app (workload)`; data NULL: the arena is full. */
static struct weir_str node_name(struct weir_arena *arena, const struct weir_edge_end *end)
{
	struct weir_str app = or_unknown(end->app), workload = or_unknown(end->workload);
	size_t length = app.length + workload.length + 3;
	char *text = weir_arena_alloc(arena, length);

	if (text == NULL) {
		return (struct weir_str){ NULL, 0 };
	}
	memcpy(text, app.data, app.length);
	memcpy(text + app.length, " (", 2);
	memcpy(text + app.length + 2, workload.data, workload.length);
	text[length - 1] = ')';
	return weir_str_make(text, length);
}

static int compare_str(struct weir_str a, struct weir_str b)
{
	size_t n = a.length < b.length ? a.length : b.length;
	int order = n > 0 ? memcmp(a.data, b.data, n) : 0;

	return order != 0 ? order : (a.length > b.length) - (a.length < b.length);
}

static int compare_sums(const void *left, const void *right)
{
	const struct sum *a = left, *b = right;
	int order = compare_str(a->source, b->source);

	order = order != 0 ? order : compare_str(a->target, b->target);
	return order != 0 ? order : (int)a->is_tcp - (int)b->is_tcp;
}

static int compare_names(const void *left, const void *right)
{
	const struct weir_str *a = left, *b = right;

	return compare_str(*a, *b);
}

static bool passes(struct weir_str wanted, struct weir_str value)
{
	return wanted.length == 0 || weir_str_equal(wanted, or_unknown(value));
}

static bool is_wanted(const struct weir_edge_view *view, const struct weir_servicegraph_opts *opts)
{
	return view->counts[WEIR_EDGE_SERVER_LOG] != NULL && passes(opts->source_namespace, view->source.namespace_) &&
	       passes(opts->source_workload, view->source.workload) &&
	       passes(opts->destination_namespace, view->destination.namespace_) &&
	       passes(opts->destination_workload, view->destination.workload);
}

/* One sum for each edge of the add-on, sorted. */
static int sum_up(struct weir_arena *arena, const struct weir_snapshot *snapshot,
	const struct weir_servicegraph_opts *opts, struct sum **ret_sums, uint32_t *ret_count)
{
	struct sum *sums = weir_arena_alloc(arena, (snapshot->edge_count + 1) * sizeof(*sums));
	uint32_t count = 0, kept = 0;

	if (sums == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < snapshot->edge_count; i++) {
		const struct weir_edge_view *view = &snapshot->edges[i];
		struct sum *sum = &sums[count];

		if (!is_wanted(view, opts)) {
			continue;
		}
		*sum = (struct sum){
			.source = node_name(arena, &view->source),
			.target = node_name(arena, &view->destination),
			.is_tcp = view->protocol == WEIR_REQUEST_TCP,
			.rate = weir_edge_rate(view->counts[WEIR_EDGE_SERVER_LOG], opts->now_ns, opts->horizon_ns),
		};
		if (sum->source.data == NULL || sum->target.data == NULL) {
			return -ENOMEM;
		}
		count++;
	}
	qsort(sums, count, sizeof(*sums), compare_sums);
	for (uint32_t i = 0; i < count; i++) {
		if (kept > 0 && compare_sums(&sums[kept - 1], &sums[i]) == 0) {
			sums[kept - 1].rate += sums[i].rate;
		} else {
			sums[kept++] = sums[i];
		}
	}
	*ret_sums = sums;
	*ret_count = kept;
	return 0;
}

static int write_nodes(struct weir_json_write *json, struct weir_arena *arena, const struct sum *sums, uint32_t count)
{
	struct weir_str *names = weir_arena_alloc(arena, (2 * count + 1) * sizeof(*names));

	if (names == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		names[2 * i] = sums[i].source;
		names[2 * i + 1] = sums[i].target;
	}
	qsort(names, 2 * count, sizeof(*names), compare_names);
	weir_json_write_key(json, "nodes");
	weir_json_write_open(json, '{');
	for (uint32_t i = 0; i < 2 * count; i++) {
		if (i == 0 || !weir_str_equal(names[i - 1], names[i])) {
			weir_json_write_key_str(json, names[i]);
			weir_json_write_open(json, '{');
			weir_json_write_close(json, '}');
		}
	}
	weir_json_write_close(json, '}');
	return 0;
}

static void write_edge(struct weir_json_write *json, const struct sum *sum)
{
	char rate[400]; /* %f of the largest double has 316 characters */

	snprintf(rate, sizeof(rate), "%f", sum->rate);
	weir_json_write_open(json, '{');
	weir_json_write_key(json, "source");
	weir_json_write_str(json, sum->source);
	weir_json_write_key(json, "target");
	weir_json_write_str(json, sum->target);
	weir_json_write_key(json, "labels");
	weir_json_write_open(json, '{');
	weir_json_write_key(json, sum->is_tcp ? "bytes/sec" : "reqs/sec");
	weir_json_write_text(json, rate);
	weir_json_write_close(json, '}');
	weir_json_write_close(json, '}');
}

int weir_servicegraph_write(struct weir_json_write *json, struct weir_arena *arena,
	const struct weir_snapshot *snapshot, const struct weir_servicegraph_opts *opts)
{
	struct sum *sums;
	uint32_t count, kept = 0;
	int result = sum_up(arena, snapshot, opts, &sums, &count);

	if (result != 0) {
		return result;
	}
	for (uint32_t i = 0; i < count; i++) {
		if (!opts->filter_empty || sums[i].rate > 0) {
			sums[kept++] = sums[i];
		}
	}
	weir_json_write_open(json, '{');
	result = write_nodes(json, arena, sums, kept);
	weir_json_write_key(json, "edges");
	weir_json_write_open(json, '[');
	for (uint32_t i = 0; i < kept; i++) {
		write_edge(json, &sums[i]);
	}
	weir_json_write_close(json, ']');
	weir_json_write_close(json, '}');
	return result;
}

static void bad_horizon(struct weir_http_response *response, struct weir_str horizon)
{
	char text[128];

	snprintf(text, sizeof(text), "time: invalid duration \"%.*s\"\n",
		(int)(horizon.length < 64 ? horizon.length : 64), horizon.data);
	weir_http_response_text(response, 500, text);
}

static void answer(struct weir_http_response *response, const struct weir_snapshot *snapshot,
	const struct weir_servicegraph_opts *opts, size_t limit_bytes)
{
	struct weir_json_write json;
	struct weir_arena arena;

	weir_arena_init(&arena, SCRATCH_CHUNK, limit_bytes);
	weir_answer_json(response, &json);
	if (weir_servicegraph_write(&json, &arena, snapshot, opts) != 0) {
		weir_buf_fini(&response->body);
		weir_answer_refused(response, WEIR_QUERY_TOO_LARGE);
	} else {
		weir_answer_json_end(response);
	}
	weir_arena_fini(&arena);
}

void weir_servicegraph_graph(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_str horizon = weir_http_request_argument(request, "time_horizon");
	struct weir_servicegraph_opts opts = {
		.now_ns = weir_clock_now_ns(),
		.horizon_ns = HORIZON_NS,
		.filter_empty = weir_str_is(weir_http_request_argument(request, "filter_empty"), "true"),
		.source_namespace = weir_http_request_argument(request, "source_namespace"),
		.source_workload = weir_http_request_argument(request, "source_workload"),
		.destination_namespace = weir_http_request_argument(request, "destination_namespace"),
		.destination_workload = weir_http_request_argument(request, "destination_workload"),
	};
	struct weir_exporters *exporters = ctx;
	const struct weir_snapshot *snapshot;

	if (horizon.length > 0 && weir_answer_duration(horizon, &opts.horizon_ns) != 0) {
		bad_horizon(response, horizon);
		return;
	}
	/* What the fold keeps bounds what can be asked; the nearest is answered. */
	opts.horizon_ns = opts.horizon_ns < HORIZON_LEAST_NS ? HORIZON_LEAST_NS : opts.horizon_ns;
	opts.horizon_ns = opts.horizon_ns > HORIZON_MOST_NS ? HORIZON_MOST_NS : opts.horizon_ns;
	snapshot = weir_answer_snapshot(exporters, WEIR_SNAPSHOT_EDGES, response);
	if (snapshot != NULL) {
		answer(response, snapshot, &opts, exporters->opts.max_query_bytes);
		weir_snapshot_let_go(snapshot);
	}
}
