/* snapshot: what a scrape, the graph and the ledger are drawn from: a copy of
 * the fold's cells, made by the aggregate thread between two records, shared
 * by all who ask within 100 ms, never torn. */
#ifndef WEIR_AGGREGATE_SNAPSHOT_H
#define WEIR_AGGREGATE_SNAPSHOT_H

#include <stdint.h>

#include "base/str.h"
#include "ring/record.h"

enum weir_metric_kind { WEIR_METRIC_COUNTER, WEIR_METRIC_HISTOGRAM };

struct weir_metric { /* a family; static, from rules/standard */
	const char *name, *help;
	enum weir_metric_kind kind;
	const double *bounds; /* histogram: upper bounds, ascending, without +Inf */
	uint32_t bound_count;
};

struct weir_series_view {
	struct weir_str
		labels; /* `reporter="source",…` escaped, without braces; immutable while the snapshot is held */
	uint64_t created_ns;
	uint64_t count;          /* counter: its value; histogram: observations */
	double sum;              /* histogram */
	const uint64_t *buckets; /* histogram: bound_count + 1 counts, not cumulative; the last is +Inf */
};

struct weir_edge_end { /* a node of the graph; unset fields empty */
	struct weir_str workload, namespace_, app, version, service, cluster;
};

#define WEIR_EDGE_FINE 60u
#define WEIR_EDGE_COARSE 48u
#define WEIR_EDGE_FINE_NS 10000000000u
#define WEIR_EDGE_COARSE_NS 1800000000000u

struct weir_edge_counts {
	uint64_t requests, errors; /* HTTP and gRPC */
	uint64_t duration_us;      /* sum */
	uint64_t buckets[20];      /* latency, bounds of wire.md 1.5 (ms), last +Inf */
	uint64_t connections_opened, connections_closed, sent_bytes, received_bytes; /* TCP */
	uint64_t last_ns;                                                            /* arrival of the last record */
	/* What rates are made of: requests (TCP edges: bytes received) by time of
	 * arrival. Slot i of `fine` holds the 10 s period p with p % 60 == i, for
	 * the 60 periods up to fine_last; `coarse` the same with 30 min and 48. */
	uint64_t fine[WEIR_EDGE_FINE], coarse[WEIR_EDGE_COARSE], fine_last, coarse_last;
};

/* Per second, over the last `horizon_ns` before `now_ns` (10 s … 24 h; to the
 * nearest whole period). */
double weir_edge_rate(const struct weir_edge_counts *counts, uint64_t now_ns, uint64_t horizon_ns);

enum weir_edge_evidence {     /* never added up */
	WEIR_EDGE_CLIENT_LOG, /* access logs of the caller's proxy (reporter source) */
	WEIR_EDGE_SERVER_LOG, /* of the callee's (destination, waypoint) */
	WEIR_EDGE_SPANS,      /* pairs of spans */
	WEIR_EDGE_EVIDENCES
};

struct weir_edge_view {
	struct weir_edge_end source, destination;
	uint8_t protocol;                                           /* enum weir_request_protocol */
	const struct weir_edge_counts *counts[WEIR_EDGE_EVIDENCES]; /* NULL: no such evidence */
};

struct weir_ledger_view { /* one row of /api/ledger */
	struct weir_str source;
	uint8_t protocol, signal;
	uint64_t received, kept, duplicates, thinned[WEIR_THINS], dropped[WEIR_DROPS];
	uint64_t last_ns;
};

enum weir_snapshot_part { WEIR_SNAPSHOT_SERIES = 1, WEIR_SNAPSHOT_EDGES = 2, WEIR_SNAPSHOT_LEDGER = 4 };

struct weir_snapshot {
	unsigned parts; /* what is filled; the rest is zero */
	uint64_t made_ns, watermark_ns;
	uint64_t position; /* ring position folded when it was made */
	uint32_t metric_count;
	const struct weir_metric *const *metrics;
	struct weir_series_view *const *series; /* per metric */
	const uint32_t *series_counts;          /* per metric */
	const struct weir_edge_view *edges;
	uint32_t edge_count;
	const struct weir_ledger_view *ledger;
	uint32_t ledger_count;
	uint64_t replaced_utf8, overflowed, series_total; /* overflowed: records counted in an overflow series */
	uint64_t overflowed_edges; /* records counted in an overflow edge (both ends' workload `_overflow`) */
};

void weir_snapshot_let_go(const struct weir_snapshot *snapshot); /* ref-counted */

#endif
