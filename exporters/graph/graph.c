/* graph: from edges as the fold counts them to one graph.
 *
 * The fold keeps an edge for each pair of ends as they were told; one and the
 * same workload may be told in several ways. Which ends are one node:
 *
 *  1. An end with a workload is the node (workload, namespace, cluster).
 *  2. Without a cluster it is the node of that workload and namespace in the
 *     one cluster that is known, if it is one only.
 *  3. An end without a workload is a service node (service, namespace). Without
 *     a service it is one of two: the caller that nobody knows, or the
 *     destination that nobody knows. One node for both would draw a path from
 *     whoever called nowhere to whoever was called by a stranger.
 *  4. A service node that callers' proxies tell (they were not told who is behind
 *     it: TCP without a metadata exchange, a call cut off before the peer gave
 *     its name) is the workload node that callees' proxies show behind the same
 *     host (and namespace, when both tell one), if it is one only: within the
 *     horizon, else at any time. So both sides of one call lie on one edge. Two
 *     versions behind one host: it stays a service, because to pick one would be
 *     a guess.
 *  5. A service name that only spans tell (`reviews.default`, `reviews`) is the
 *     workload node whose app (else workload) and namespace are so called, if it
 *     is one only (and of that version, when the spans tell one); else the
 *     service node so called, if it is one only; else a node of its own. Three
 *     versions of one app and spans that tell no version: a node of its own,
 *     because to pick one would be a guess.
 *
 * Evidence of one kind from several ends that are one node adds up: these are
 * different requests. Evidence of different kinds never does: the two proxies
 * and the spans of one call all report it. An edge is (source, destination,
 * protocol); spans do not know the protocol well, so they join the request edge
 * between their nodes, whichever protocol it has.
 *
 * Invariants
 *  1. `into` of a node names a node whose `into` is itself.
 *  2. An edge is between such nodes, and both are used.
 *
 * Memory: at most two nodes and one edge for each edge of the fold, in the arena. */
#include "exporters/graph/graph.h"

#include <errno.h>

#define NONE UINT32_MAX

struct building {
	struct weir_graph graph;
	struct weir_graph_opts opts;
	uint32_t *node_slots, *edge_slots; /* hash → index + 1 */
	uint32_t mask;
	uint32_t *ends;         /* two for each view: its nodes */
	uint32_t *heads, *next; /* nodes by one of their names: hash → index + 1, and on from there */
};

static uint32_t hash_bytes(uint32_t hash, const void *data, size_t length)
{
	const unsigned char *at = data;

	for (size_t i = 0; i < length; i++) {
		hash = (hash ^ at[i]) * 16777619u;
	}
	return (hash ^ 0xff) * 16777619u;
}

/* Rules 1 and 3: the three texts that make a node, beside which side it is on when nothing is known. */
static void end_key(const struct weir_edge_end *end, struct weir_str ret_key[3])
{
	bool is_workload = end->workload.length > 0;

	ret_key[0] = is_workload ? end->workload : end->service;
	ret_key[1] = end->namespace_;
	ret_key[2] = is_workload ? end->cluster : weir_str_of("");
}

/* Rule 3: who is it? */
static enum weir_graph_kind kind_of(const struct weir_edge_end *end, bool is_source)
{
	if (end->workload.length > 0) {
		return WEIR_GRAPH_WORKLOAD;
	}
	if (end->service.length > 0) {
		return WEIR_GRAPH_SERVICE;
	}
	return is_source ? WEIR_GRAPH_UNKNOWN_CALLER : WEIR_GRAPH_UNKNOWN_DESTINATION;
}

static bool is_same_end(const struct weir_edge_end *a, const struct weir_edge_end *b)
{
	struct weir_str left[3], right[3];

	end_key(a, left);
	end_key(b, right);
	return weir_str_equal(left[0], right[0]) && weir_str_equal(left[1], right[1]) &&
	       weir_str_equal(left[2], right[2]);
}

static void complete(struct weir_str *field, struct weir_str from)
{
	if (field->length == 0) {
		*field = from;
	}
}

static void node_complete(struct weir_edge_end *end, const struct weir_edge_end *from)
{
	complete(&end->namespace_, from->namespace_);
	complete(&end->app, from->app);
	complete(&end->version, from->version);
	complete(&end->service, from->service);
	complete(&end->cluster, from->cluster);
}

static uint32_t node_of(struct building *building, const struct weir_edge_end *end, bool is_source)
{
	enum weir_graph_kind kind = kind_of(end, is_source);
	struct weir_str key[3];
	uint32_t at, hash = 2166136261u + (uint32_t)kind;
	struct weir_graph_node *node;

	end_key(end, key);
	for (unsigned i = 0; i < 3; i++) {
		hash = hash_bytes(hash, key[i].data, key[i].length);
	}
	for (at = hash & building->mask; building->node_slots[at] != 0; at = (at + 1) & building->mask) {
		uint32_t found = building->node_slots[at] - 1;

		node = &building->graph.nodes[found];
		if (node->kind == kind && is_same_end(&node->end, end)) {
			/* The key's own fields are equal already, so the key stays. */
			node_complete(&node->end, end);
			return found;
		}
	}
	node = &building->graph.nodes[building->graph.node_count];
	*node = (struct weir_graph_node){ .end = *end, .kind = kind, .into = building->graph.node_count };
	if (end->workload.length == 0) {
		node->end.cluster = weir_str_of("");
	}
	building->node_slots[at] = ++building->graph.node_count;
	return node->into;
}

static uint32_t *chain_of(struct building *building, struct weir_str name)
{
	return &building->heads[hash_bytes(2166136261u, name.data, name.length) & building->mask];
}

static void chain_add(struct building *building, uint32_t node, struct weir_str name)
{
	uint32_t *head = chain_of(building, name);

	building->next[node] = *head;
	*head = node + 1;
}

/* Rule 2 for one node: the one node that is the same in a known cluster, or NONE. */
static uint32_t find_clustered(struct building *building, const struct weir_edge_end *end)
{
	uint32_t found = NONE;

	for (uint32_t i = *chain_of(building, end->workload); i != 0; i = building->next[i - 1]) {
		const struct weir_edge_end *other = &building->graph.nodes[i - 1].end;

		if (other->cluster.length > 0 && weir_str_equal(other->workload, end->workload) &&
			weir_str_equal(other->namespace_, end->namespace_)) {
			if (found != NONE) {
				return NONE;
			}
			found = i - 1;
		}
	}
	return found;
}

/* Rule 2. */
static void clusters_unify(struct building *building)
{
	struct weir_graph_node *nodes = building->graph.nodes;

	for (uint32_t i = 0; i < building->graph.node_count; i++) {
		chain_add(building, i, nodes[i].end.workload);
	}
	for (uint32_t i = 0; i < building->graph.node_count; i++) {
		uint32_t found = NONE;

		if (nodes[i].end.workload.length > 0 && nodes[i].end.cluster.length == 0) {
			found = find_clustered(building, &nodes[i].end);
		}
		if (found != NONE) {
			nodes[i].into = found;
			node_complete(&nodes[found].end, &nodes[i].end);
		}
	}
}

static bool is_fresh(const struct building *building, const struct weir_edge_counts *counts)
{
	const struct weir_graph_opts *opts = &building->opts;
	uint64_t since_ns = opts->now_ns > opts->horizon_ns ? opts->now_ns - opts->horizon_ns : 0;

	return counts != NULL && counts->last_ns >= since_ns;
}

/* Rule 4 for one server-side edge: what it says of the service nodes of that
 * host. `behind` of a node: NONE, its one workload node, or itself for several. */
static void host_served(struct building *building, uint32_t *behind, const struct weir_str host, uint32_t workload)
{
	const struct weir_graph_node *nodes = building->graph.nodes;

	for (uint32_t i = *chain_of(building, host); i != 0; i = building->next[i - 1]) {
		const struct weir_edge_end *end = &nodes[i - 1].end;

		if (!weir_str_equal(end->service, host) ||
			(end->namespace_.length > 0 && nodes[workload].end.namespace_.length > 0 &&
				!weir_str_equal(end->namespace_, nodes[workload].end.namespace_))) {
			continue;
		}
		behind[i - 1] = behind[i - 1] == NONE || behind[i - 1] == workload ? workload : i - 1;
	}
}

/* Rule 4, once with what is fresh, then for those that are left with all there is. */
static void services_join(
	struct building *building, const struct weir_snapshot *snapshot, uint32_t *behind, bool is_any_time)
{
	struct weir_graph_node *nodes = building->graph.nodes;

	memset(behind, 0xff, building->graph.node_count * sizeof(*behind));
	memset(building->heads, 0, (building->mask + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < building->graph.node_count; i++) {
		if (nodes[i].kind == WEIR_GRAPH_SERVICE && nodes[i].into == i && !nodes[i].is_shared) {
			chain_add(building, i, nodes[i].end.service);
		}
	}
	for (uint32_t i = 0; i < snapshot->edge_count; i++) {
		const struct weir_edge_view *view = &snapshot->edges[i];
		const struct weir_edge_counts *counts = view->counts[WEIR_EDGE_SERVER_LOG];

		if (counts != NULL && view->destination.workload.length > 0 && view->destination.service.length > 0 &&
			(is_any_time || is_fresh(building, counts))) {
			host_served(building, behind, view->destination.service, nodes[building->ends[2 * i + 1]].into);
		}
	}
	for (uint32_t i = 0; i < building->graph.node_count; i++) {
		if (behind[i] == i) {
			nodes[i].is_shared = true;
		} else if (behind[i] != NONE) {
			nodes[i].into = behind[i];
			node_complete(&nodes[behind[i]].end, &nodes[i].end);
		}
	}
}

/* What rule 5 compares a span's service with: the app, or a service's first label. */
static struct weir_str told_name(const struct weir_edge_end *end)
{
	struct weir_str service = end->service;

	if (end->workload.length == 0) {
		return weir_str_cut(&service, '.');
	}
	return end->app.length > 0 ? end->app : end->workload;
}

/* Rule 5: does the node answer to this app, namespace and version? Empty: any. */
static bool answers_to(
	const struct weir_edge_end *end, struct weir_str app, struct weir_str namespace_, struct weir_str version)
{
	return weir_str_equal(told_name(end), app) &&
	       (namespace_.length == 0 || weir_str_equal(namespace_, end->namespace_)) &&
	       (version.length == 0 || end->workload.length == 0 || weir_str_equal(version, end->version));
}

static uint32_t find_told(struct building *building, const struct weir_edge_end *end, bool is_workload)
{
	struct weir_str rest = end->service, app = weir_str_cut(&rest, '.'), namespace_ = end->namespace_;
	uint32_t found = NONE;

	if (rest.length > 0) {
		namespace_ = weir_str_cut(&rest, '.');
	}
	for (uint32_t i = *chain_of(building, app); i != 0; i = building->next[i - 1]) {
		const struct weir_graph_node *node = &building->graph.nodes[i - 1];

		if (node->into != i - 1 || node->kind != (is_workload ? WEIR_GRAPH_WORKLOAD : WEIR_GRAPH_SERVICE) ||
			!answers_to(&node->end, app, namespace_, end->version)) {
			continue;
		}
		if (found != NONE) {
			return NONE;
		}
		found = i - 1;
	}
	return found;
}

static uint32_t node_of_spans(struct building *building, const struct weir_edge_end *end, bool is_source)
{
	uint32_t found = NONE, count = building->graph.node_count;

	if (end->workload.length == 0 && end->service.length > 0) {
		found = find_told(building, end, true);
		found = found != NONE ? found : find_told(building, end, false);
	}
	if (found == NONE) {
		found = building->graph.nodes[node_of(building, end, is_source)].into;
		if (building->graph.node_count > count) {
			chain_add(building, count, told_name(end));
		}
	}
	return found;
}

static bool has_logs(const struct weir_edge_view *view)
{
	return view->counts[WEIR_EDGE_CLIENT_LOG] != NULL || view->counts[WEIR_EDGE_SERVER_LOG] != NULL;
}

/* Logs first: spans' names are looked up among what logs told. */
static void nodes_build(struct building *building, const struct weir_snapshot *snapshot, uint32_t *behind)
{
	for (uint32_t i = 0; i < snapshot->edge_count; i++) {
		if (has_logs(&snapshot->edges[i])) {
			building->ends[2 * i] = node_of(building, &snapshot->edges[i].source, true);
			building->ends[2 * i + 1] = node_of(building, &snapshot->edges[i].destination, false);
		}
	}
	clusters_unify(building);
	services_join(building, snapshot, behind, false);
	services_join(building, snapshot, behind, true);
	memset(building->heads, 0, (building->mask + 1) * sizeof(uint32_t));
	for (uint32_t i = 0; i < building->graph.node_count; i++) {
		chain_add(building, i, told_name(&building->graph.nodes[i].end));
	}
	for (uint32_t i = 0; i < 2 * snapshot->edge_count; i++) {
		if (has_logs(&snapshot->edges[i / 2])) {
			building->ends[i] = building->graph.nodes[building->ends[i]].into;
		}
	}
	for (uint32_t i = 0; i < snapshot->edge_count; i++) {
		if (!has_logs(&snapshot->edges[i])) {
			building->ends[2 * i] = node_of_spans(building, &snapshot->edges[i].source, true);
			building->ends[2 * i + 1] = node_of_spans(building, &snapshot->edges[i].destination, false);
		}
	}
}

/* The slot of this edge; free (0) when there is none. */
static uint32_t *edge_slot(struct building *building, uint32_t source, uint32_t destination, uint8_t protocol)
{
	const uint32_t key[3] = { source, destination, protocol };
	uint32_t at = hash_bytes(2166136261u, key, sizeof(key)) & building->mask;

	for (; building->edge_slots[at] != 0; at = (at + 1) & building->mask) {
		const struct weir_graph_edge *edge = &building->graph.edges[building->edge_slots[at] - 1];

		if (edge->source == source && edge->destination == destination && edge->protocol == protocol) {
			break;
		}
	}
	return &building->edge_slots[at];
}

static struct weir_graph_edge *edge_of(
	struct building *building, uint32_t source, uint32_t destination, uint8_t protocol, bool is_spans)
{
	uint32_t *slot = edge_slot(building, source, destination, protocol);
	struct weir_graph_edge *edge;

	for (uint8_t other = WEIR_REQUEST_HTTP; is_spans && *slot == 0 && other <= WEIR_REQUEST_GRPC; other++) {
		uint32_t *joined = edge_slot(building, source, destination, other);

		slot = *joined != 0 ? joined : slot;
	}
	if (*slot == 0) {
		edge = &building->graph.edges[building->graph.edge_count];
		*edge = (struct weir_graph_edge){ .source = source, .destination = destination, .protocol = protocol };
		building->graph.nodes[source].is_used = true;
		building->graph.nodes[destination].is_used = true;
		*slot = ++building->graph.edge_count;
	}
	return &building->graph.edges[*slot - 1];
}

static void counts_add(
	struct weir_graph_counts *counts, const struct weir_edge_counts *from, const struct weir_graph_opts *opts)
{
	counts->is_there = true;
	counts->requests += from->requests;
	counts->errors += from->errors;
	for (unsigned i = 0; i < WEIR_LATENCY_BUCKETS; i++) {
		counts->buckets[i] += from->buckets[i];
	}
	counts->connections += from->connections_opened;
	counts->sent_bytes += from->sent_bytes;
	counts->received_bytes += from->received_bytes;
	counts->last_ns = from->last_ns > counts->last_ns ? from->last_ns : counts->last_ns;
	counts->rate += weir_edge_rate(from, opts->now_ns, opts->horizon_ns);
}

static bool is_wanted(const struct building *building, uint32_t source, uint32_t destination)
{
	struct weir_str wanted = building->opts.namespace_;

	return wanted.length == 0 || weir_str_equal(building->graph.nodes[source].end.namespace_, wanted) ||
	       weir_str_equal(building->graph.nodes[destination].end.namespace_, wanted);
}

static void edges_build(struct building *building, const struct weir_snapshot *snapshot, bool is_spans)
{
	for (uint32_t i = 0; i < snapshot->edge_count; i++) {
		const struct weir_edge_view *view = &snapshot->edges[i];
		uint32_t source = building->ends[2 * i], destination = building->ends[2 * i + 1];

		if (!is_wanted(building, source, destination)) {
			continue;
		}
		for (unsigned k = 0; k < WEIR_EDGE_EVIDENCES; k++) {
			const struct weir_edge_counts *counts = view->counts[k];

			if ((k == WEIR_EDGE_SPANS) == is_spans && is_fresh(building, counts)) {
				struct weir_graph_edge *edge =
					edge_of(building, source, destination, view->protocol, is_spans);

				counts_add(&edge->counts[k], counts, &building->opts);
			}
		}
	}
}

int weir_graph_build(struct weir_arena *arena, const struct weir_snapshot *snapshot, const struct weir_graph_opts *opts,
	struct weir_graph *ret)
{
	struct building building = { .opts = *opts };
	uint32_t room = 16, *behind;

	while (room < 4 * snapshot->edge_count) {
		room *= 2;
	}
	building.mask = room - 1;
	building.graph.nodes = weir_arena_alloc(arena, (2 * snapshot->edge_count + 1) * sizeof(*building.graph.nodes));
	building.graph.edges = weir_arena_alloc(arena, (snapshot->edge_count + 1) * sizeof(*building.graph.edges));
	building.node_slots = weir_arena_zalloc(arena, room * sizeof(uint32_t));
	building.edge_slots = weir_arena_zalloc(arena, room * sizeof(uint32_t));
	building.heads = weir_arena_zalloc(arena, room * sizeof(uint32_t));
	building.next = weir_arena_zalloc(arena, (2 * snapshot->edge_count + 1) * sizeof(uint32_t));
	building.ends = weir_arena_zalloc(arena, (2 * snapshot->edge_count + 1) * sizeof(uint32_t));
	behind = weir_arena_zalloc(arena, (2 * snapshot->edge_count + 1) * sizeof(uint32_t));
	if (behind == NULL || building.graph.nodes == NULL || building.graph.edges == NULL ||
		building.node_slots == NULL || building.edge_slots == NULL || building.heads == NULL ||
		building.next == NULL || building.ends == NULL) {
		return -ENOMEM;
	}
	nodes_build(&building, snapshot, behind);
	edges_build(&building, snapshot, false);
	edges_build(&building, snapshot, true);
	*ret = building.graph;
	return 0;
}

double weir_graph_quantile(const uint64_t buckets[WEIR_LATENCY_BUCKETS], double quantile)
{
	uint64_t total = 0, before = 0;
	double rank;

	for (unsigned i = 0; i < WEIR_LATENCY_BUCKETS; i++) {
		total += buckets[i];
	}
	if (total == 0) {
		return -1;
	}
	rank = quantile * (double)total;
	for (unsigned i = 0; i < WEIR_LATENCY_BOUNDS; i++) {
		if (buckets[i] > 0 && (double)(before + buckets[i]) >= rank) {
			double low = i > 0 ? weir_latency_bounds_ms[i - 1] : 0, high = weir_latency_bounds_ms[i];

			return low + (high - low) * (rank - (double)before) / (double)buckets[i];
		}
		before += buckets[i];
	}
	return weir_latency_bounds_ms[WEIR_LATENCY_BOUNDS - 1];
}
