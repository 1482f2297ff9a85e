/* snapshot: what a scrape, the graph and the ledger are drawn from: a copy of
 * the fold's cells, made by the aggregate thread between two records, shared
 * by all who ask within 100 ms, never torn. */
#ifndef WEIR_AGGREGATE_SNAPSHOT_H
#define WEIR_AGGREGATE_SNAPSHOT_H

#include <stdbool.h>
#include <stdint.h>

#include "aggregate/latency.h"
#include "base/str.h"
#include "ring/record.h"
#include "rules/metric.h"

struct weir_exemplar_view {               /* a trace that is an example of what was observed */
	uint8_t trace_id[16], span_id[8]; /* span_id all zero: not known */
	uint64_t time_ns;                 /* of arrival; of one that a sender made: as it says, not after its arrival */
	double value;                     /* in the metric's unit as exposed; of a counter that weir makes: 1 */
};

struct weir_series_view {
	/* `reporter="source",…` escaped, without braces; immutable while the snapshot is held */
	struct weir_str labels;
	uint64_t created_ns;
	uint64_t count;          /* histogram: observations; counter of unit WHOLE: its value */
	double sum;              /* histogram; counter of another unit, gauge: its value, as exposed */
	const uint64_t *buckets; /* histogram: bound_count + 1 counts, not cumulative; the last is +Inf */
	const struct weir_exemplar_view *exemplars; /* the newest; of a histogram at most one a bucket */
	uint32_t exemplar_count;
};

struct weir_expired_view {      /* of one metric: its series that expired, since counters began */
	struct weir_str metric; /* a histogram has two rows: `x_count` and `x_sum` */
	double value;
	uint64_t created_ns; /* 0: not known */
};

struct weir_edge_end { /* a node of the graph; unset fields empty */
	struct weir_str workload, namespace_, app, version, service, cluster;
};

#define WEIR_EDGE_FINE 60u
#define WEIR_EDGE_COARSE 48u
#define WEIR_EDGE_FINE_NS 10000000000u
#define WEIR_EDGE_COARSE_NS 1800000000000u

struct weir_edge_counts {
	uint64_t requests, errors;                                                   /* HTTP and gRPC */
	uint64_t duration_us;                                                        /* sum */
	uint64_t buckets[WEIR_LATENCY_BUCKETS];                                      /* not cumulative */
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
	struct weir_str source, principal /* of its certificate, as last seen */;
	uint8_t protocol, signal;
	uint64_t received, kept, duplicates, thinned[WEIR_THINS], dropped[WEIR_DROPS];
	uint64_t last_ns, mismatched;
	int64_t skew_ns; /* arrival less the time of the newest record, when it last came */
};

enum weir_measure {               /* what a proxy says that it sent, and what of it came */
	WEIR_MEASURE_ACCESS_LOGS, /* entries of its gRPC access log: logs_written, logs_dropped */
	WEIR_MEASURE_REQUESTS,    /* requests that were counted, by whichever signal: downstream_rq_completed */
	WEIR_MEASURE_LOGS,        /* records of its OpenTelemetry access log: logs_written, logs_dropped */
	WEIR_MEASURE_SPANS,       /* spans_sent */
	WEIR_MEASURES
};

struct weir_completeness_view { /* since the proxy first said how much it sent */
	struct weir_str source; /* the proxy, by the name that its signals agree on */
	uint8_t measure, signal;
	uint64_t seen, sent, dropped; /* dropped: by the proxy itself */
};

struct weir_log_view { /* log records by service and severity */
	struct weir_str service;
	const char *severity; /* "TRACE" … "FATAL", "UNSET" */
	uint64_t count;
};

struct weir_point_buckets { /* of an exponential histogram: bucket k is (base^(first+k), base^(first+k+1)] */
	int64_t first;
	uint32_t count;
	const uint64_t *counts;
};

enum weir_point_form { WEIR_POINT_NUMBER, WEIR_POINT_HISTOGRAM, WEIR_POINT_EXPONENTIAL, WEIR_POINT_SUMMARY };

struct weir_point_view {        /* one series of a passed-through metric */
	struct weir_str labels; /* as those of weir_series_view */
	uint64_t created_ns;
	enum weir_point_form form;
	int64_t whole; /* NUMBER: its value is whole + real */
	double real;
	uint64_t count; /* of observations */
	double sum;
	bool has_sum;
	uint32_t bound_count;   /* HISTOGRAM; SUMMARY: quantiles */
	const double *bounds;   /* upper bounds, without +Inf; SUMMARY: quantile, value, … */
	const uint64_t *counts; /* HISTOGRAM: bound_count + 1, not cumulative */
	int64_t scale;          /* EXPONENTIAL: base = 2^(2^-scale) */
	uint64_t zero_count;
	double zero_threshold;
	struct weir_point_buckets positive, negative;
	const struct weir_exemplar_view *exemplar; /* of what counts, the newest; NULL: none */
};

struct weir_family_view { /* one passed-through metric */
	struct weir_str name, help;
	uint8_t exposed; /* enum weir_exposed of rules/passthrough.h */
	/* In `metrics`: weir's own of the same name and type, whose HELP and TYPE it shares; or WEIR_NONE. */
	uint32_t metric;
	const struct weir_point_view *points;
	uint32_t point_count;
};

enum weir_snapshot_part {
	WEIR_SNAPSHOT_SERIES = 1,
	WEIR_SNAPSHOT_EDGES = 2,
	WEIR_SNAPSHOT_LEDGER = 4, /* and completeness, logs */
	WEIR_SNAPSHOT_POINTS = 8,
};

struct weir_snapshot {
	unsigned parts; /* what is filled; the rest is zero */
	uint64_t made_ns, watermark_ns;
	uint64_t position; /* ring position folded when it was made */
	/* Metrics that weir makes: of the rules, then of traces; unique names. */
	uint32_t metric_count;
	const struct weir_metric *const *metrics;
	struct weir_series_view *const *series;  /* per metric */
	const uint32_t *series_counts;           /* per metric */
	const struct weir_expired_view *expired; /* what went with series that expired */
	uint32_t expired_count;
	const struct weir_edge_view *edges;
	uint32_t edge_count;
	const struct weir_ledger_view *ledger;
	uint32_t ledger_count;
	uint64_t replaced_utf8, overflowed, series_total; /* overflowed: records counted in an overflow series */
	uint64_t overflowed_edges; /* records counted in an overflow edge (both ends' workload `_overflow`) */
	const struct weir_completeness_view *completeness;
	uint32_t completeness_count;
	const struct weir_log_view *logs;
	uint32_t log_count;
	uint64_t shortfall_bytes, shortfall_connections; /* of TCP connections met midway: what had flowed before */
	const struct weir_family_view *families;         /* part POINTS */
	uint32_t family_count;
	uint64_t points_total; /* series of passed-through metrics */
	uint64_t points_overflowed, points_conflicting, points_late;
	uint64_t points_midway;    /* streams whose first value was where they began, since it may have been counted */
	uint64_t label_values_cut; /* label values of passed-through series that were too long */
};

void weir_snapshot_let_go(const struct weir_snapshot *snapshot); /* ref-counted */

#endif
