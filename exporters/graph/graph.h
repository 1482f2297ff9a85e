/* graph: the snapshot's edges as one graph: which ends are the same node, and
 * which evidence stands on the same edge. */
#ifndef WEIR_EXPORTERS_GRAPH_GRAPH_H
#define WEIR_EXPORTERS_GRAPH_GRAPH_H

#include "aggregate/snapshot.h"
#include "base/arena.h"

enum weir_graph_kind {
	WEIR_GRAPH_WORKLOAD,
	WEIR_GRAPH_SERVICE, /* a host, behind which nobody told a workload */
	WEIR_GRAPH_UNKNOWN_CALLER,
	WEIR_GRAPH_UNKNOWN_DESTINATION,
};

struct weir_graph_node {
	struct weir_edge_end end; /* what is known of it; the first that knew a field */
	enum weir_graph_kind kind;
	bool is_used;   /* an edge within the horizon has it */
	bool is_shared; /* a service with several workloads behind it */
	uint32_t into;  /* the node that it is; itself when it is one */
};

struct weir_graph_counts { /* one kind of evidence on one edge */
	bool is_there;
	uint64_t requests, errors, buckets[WEIR_LATENCY_BUCKETS], connections, sent_bytes, received_bytes, last_ns;
	double rate; /* per second over the horizon: requests, or bytes received (TCP) */
};

struct weir_graph_edge {
	uint32_t source, destination; /* nodes */
	uint8_t protocol;             /* enum weir_request_protocol */
	struct weir_graph_counts counts[WEIR_EDGE_EVIDENCES];
};

struct weir_graph {
	struct weir_graph_node *nodes;
	struct weir_graph_edge *edges;
	uint32_t node_count, edge_count;
};

struct weir_graph_opts {
	uint64_t now_ns, horizon_ns; /* evidence that last came before now - horizon is left out */
	struct weir_str namespace_;  /* empty: all; else edges of which one end is in it */
};

/* Part EDGES of the snapshot; lives in `arena`, strings stay the snapshot's. 0 or -ENOMEM. */
int weir_graph_build(struct weir_arena *arena, const struct weir_snapshot *snapshot, const struct weir_graph_opts *opts,
	struct weir_graph *ret);

/* The duration in ms below which `quantile` of the requests lie, linear within
 * a bucket as Prometheus has it; beyond the last bound: that bound. Negative:
 * no requests. */
double weir_graph_quantile(const uint64_t buckets[WEIR_LATENCY_BUCKETS], double quantile);

#endif
