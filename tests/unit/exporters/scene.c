/* scene: see the header. Strings need a length at compile time, which weir_str_of() has not. */
#include "scene.h"

#include <math.h>

#include "rules/passthrough.h"

#define S(text)                                                                                                        \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}

static const double bounds[] = { 0.5, 1, 5, 1000000 };
static const struct weir_metric requests = {
	.name = "istio_requests_total", .help = "Requests.", .kind = WEIR_METRIC_COUNTER
};
static const struct weir_metric nothing = {
	.name = "istio_nothing_total", .help = "Never seen.", .kind = WEIR_METRIC_COUNTER
};
static const struct weir_metric duration = { .name = "istio_request_duration_milliseconds",
	.help = "A \\ and a\n\"line\".",
	.kind = WEIR_METRIC_HISTOGRAM,
	.bounds = bounds,
	.bound_count = 4 };
static const struct weir_metric joined = {
	.name = "istio_joined_total", .help = "Theirs alone.", .kind = WEIR_METRIC_COUNTER
};
static const struct weir_metric *const metrics[] = { &requests, &nothing, &duration, &joined };

/* The first two are of the trace that is known, the newest of one that is not. */
static const struct weir_exemplar_view request_exemplars[] = {
	{ .trace_id = { 0x11, [15] = 0x01 }, .span_id = { [7] = 0xaa }, .time_ns = 1700000001000000000u, .value = 1 },
	{ .trace_id = { 0x11, [15] = 0x01 }, .time_ns = 1700000002500000000u, .value = 1 },
	{ .trace_id = { 0x22, [15] = 0x02 }, .span_id = { [7] = 0xbb }, .time_ns = 1700000003000000000u, .value = 1 },
};
static const struct weir_exemplar_view duration_exemplars[] = {
	{ .trace_id = { 0x11, [15] = 0x01 },
		.span_id = { [7] = 0xaa },
		.time_ns = 1700000001000000000u,
		.value = 0.25 },
	{ .trace_id = { 0x22, [15] = 0x02 }, .span_id = { [7] = 0xbb }, .time_ns = 1700000001000000000u, .value = 5 },
	{ .trace_id = { 0x11, [15] = 0x01 }, .time_ns = 1700000004125000000u, .value = 1e9 },
};

static const uint64_t buckets[] = { 1, 0, 2, 0, 4 }, no_buckets[] = { 0, 0, 0, 0, 0 };
static struct weir_series_view counters[] = {
	{ .labels = S("reporter=\"source\",response_code=\"200\""),
		.created_ns = SCENE_CREATED_NS,
		.count = UINT64_MAX,
		.exemplars = request_exemplars,
		.exemplar_count = 3 },
	{ .labels = S("reporter=\"a\\\\b\\\"c\\nd=\",response_code=\"\""), .count = 17 },
	{ .labels = S(""), .count = 0 },
};
static struct weir_series_view histograms[] = {
	{ .labels = S("reporter=\"source\""),
		.created_ns = SCENE_CREATED_NS,
		.count = 7,
		.sum = 1234.5,
		.buckets = buckets,
		.exemplars = duration_exemplars,
		.exemplar_count = 3 },
	{ .labels = S(""), .buckets = no_buckets },
};
static struct weir_series_view *const series[] = { counters, NULL, histograms, NULL };
static const uint32_t series_counts[] = { 3, 0, 2, 0 };

/* ---- passed through ----------------------------------------------------- */

static const double their_bounds[] = { 0.5, 5 }, quantiles[] = { 0.5, 3, 0.99, 70.5, 1, NAN };
static const uint64_t their_counts[] = { 1, 2, 3 };
static const uint64_t positive[] = { 1, 2, 0, 0, 0, 4 }, negative[] = { 3 }, lone[] = { 2 };

/* Of traces that begin with 0x11 there is something left; of the others there is not. */
static const struct weir_exemplar_view sold = {
	.trace_id = { 0x11, [15] = 0x01 }, .span_id = { [7] = 0xaa }, .time_ns = 1700000005000000000u, .value = 2.5
};
static const struct weir_exemplar_view waited = {
	.trace_id = { 0x11, [15] = 0x01 }, .span_id = { [7] = 0xbb }, .time_ns = 1700000005500000000u, .value = 5
};
static const struct weir_exemplar_view grown = {
	.trace_id = { 0x11, [15] = 0x01 }, .time_ns = 1700000006000000001u, .value = 3
};
static const struct weir_exemplar_view gone = { .trace_id = { 0x22 }, .time_ns = 1700000006000000000u, .value = 3 };

static const struct weir_point_view theirs[] = {
	{ .labels = S("job=\"a\",reporter=\"source\""), .created_ns = SCENE_CREATED_NS, .whole = 4 },
};
static const struct weir_point_view gauges[] = {
	{ .labels = S("job=\"a\""), .whole = INT64_MIN },
	{ .labels = S("job=\"b\""), .whole = INT64_MAX },
	{ .labels = S("job=\"c\""), .whole = 7, .real = 0.5 },
	{ .labels = S("job=\"d\""), .real = NAN },
	{ .labels = S("job=\"e\""), .real = -INFINITY },
};
static const struct weir_point_view plain_counts[] = {
	{ .labels = S("job=\"a\""), .created_ns = SCENE_CREATED_NS, .whole = 12, .exemplar = &sold },
};
static const struct weir_point_view classic[] = {
	{ .labels = S("job=\"a\""),
		.created_ns = SCENE_CREATED_NS,
		.form = WEIR_POINT_HISTOGRAM,
		.count = 6,
		.sum = 2.5,
		.has_sum = true,
		.bound_count = 2,
		.bounds = their_bounds,
		.counts = their_counts,
		.exemplar = &waited },
	{ .form = WEIR_POINT_HISTOGRAM, .count = 3, .counts = their_counts + 2, .exemplar = &gone },
};
static const struct weir_point_view exponential[] = {
	{ .labels = S("job=\"a\""),
		.created_ns = SCENE_CREATED_NS,
		.form = WEIR_POINT_EXPONENTIAL,
		.count = 15,
		.sum = 20,
		.has_sum = true,
		.scale = 1,
		.zero_count = 5,
		.positive = { 2, 6, positive },
		.negative = { -1, 1, negative },
		.exemplar = &grown },
	{ .labels = S("job=\"b\""),
		.form = WEIR_POINT_EXPONENTIAL,
		.count = 2,
		.sum = 20,
		.has_sum = true,
		.scale = 12,
		.zero_threshold = 0.125,
		.positive = { 12288, 1, lone },
		.exemplar = &gone },
	{ .labels = S("job=\"c\""), .form = WEIR_POINT_EXPONENTIAL, .has_sum = true },
};
static const struct weir_point_view summaries[] = {
	{ .labels = S("a=\"1\""),
		.created_ns = SCENE_CREATED_NS,
		.form = WEIR_POINT_SUMMARY,
		.count = 12,
		.sum = 99,
		.has_sum = true,
		.bound_count = 3,
		.bounds = quantiles },
};
static const struct weir_point_view infos[] = {
	{ .labels = S("job=\"a\",instance=\"1\",os=\"linux\""), .whole = 1 },
	{ .labels = S("job=\"b\",instance=\"1\",os=\"linux\""), .whole = 1 },
};

#define FAMILY(called, said, type, list)                                                                               \
	{                                                                                                              \
		.name = S(called), .help = S(said), .exposed = WEIR_EXPOSED_##type, .metric = WEIR_NONE,               \
		.points = list, .point_count = sizeof(list) / sizeof(list[0])                                          \
	}

static const struct weir_family_view families[] = {
	{ .name = S("istio_joined_total"),
		.help = S("theirs"),
		.exposed = WEIR_EXPOSED_COUNTER,
		.metric = 3,
		.points = theirs,
		.point_count = 1 },
	FAMILY("mem_ratio", "A \\ and a\nline.", GAUGE, gauges),
	FAMILY("envoy_cluster_upstream_rq", "Envoy's upstream_rq", COUNTER, plain_counts),
	FAMILY("envoy_cluster_upstream_rq_total", "Envoy's upstream_rq_total", COUNTER, plain_counts),
	FAMILY("orders_total", "", COUNTER, plain_counts),
	FAMILY("orders", "A gauge beside the counter.", GAUGE, plain_counts),
	FAMILY("io_bytes_total", "Bytes.", COUNTER, plain_counts),
	FAMILY("http_server_request_duration_seconds", "Durations.", HISTOGRAM, classic),
	FAMILY("sizes_bytes", "Exponential.", HISTOGRAM, exponential),
	FAMILY("sizes_bytes_created", "What OpenMetrics cannot have beside it.", GAUGE, plain_counts),
	FAMILY("rpc", "", SUMMARY, summaries),
	{ .name = S("nobody"), .help = S(""), .exposed = WEIR_EXPOSED_GAUGE, .metric = WEIR_NONE },
	FAMILY("target_info", "Who they are.", GAUGE, infos),
};

/* ---- the ledger --------------------------------------------------------- */

static const struct weir_ledger_view ledger[] = {
	{ .source = S("a\"b"),
		.protocol = WEIR_PROTOCOL_ALS_V2,
		.signal = WEIR_SIGNAL_ACCESS_LOG,
		.received = 10,
		.kept = 7,
		.duplicates = 1,
		.dropped = { 2, 0 },
		.mismatched = 2,
		.skew_ns = -1500000000 },
	{ .source = S("c"), .signal = WEIR_SIGNAL_SPAN, .received = 5, .kept = 4, .thinned = { 1, 0 } },
};
static const struct weir_completeness_view completeness[] = {
	{ .source = S("reviews-v1.default"),
		.signal = WEIR_SIGNAL_ACCESS_LOG,
		.seen = 7998,
		.sent = 8000,
		.dropped = 1997,
		.created_ns = 1700000100500000000u },
};
static const struct weir_log_view logs[] = { { S("orders"), "WARN", 5 } };

const struct weir_snapshot scene_snapshot = { .began_ns = 1690000000750000000u,
	.metric_count = 4,
	.metrics = metrics,
	.series = series,
	.series_counts = series_counts,
	.families = families,
	.family_count = sizeof(families) / sizeof(families[0]),
	.ledger = ledger,
	.ledger_count = 2,
	.completeness = completeness,
	.completeness_count = 1,
	.logs = logs,
	.log_count = 1,
	.series_total = 5,
	.points_total = 16,
	.overflowed = 3,
	.overflowed_edges = 6,
	.shortfall_bytes = 77,
	.points_late = 4 };

const struct weir_own scene_own = { .version = "1.2.3",
	.started_ns = 1500000000,
	.ring_size_bytes = 4096,
	.ring_head = 300,
	.ring_tail = 100,
	.ring_folded = 250,
	.store_state = WEIR_STORE_FAILING,
	.store = { .spans = 9, .last_commit_ns = 1700000000500000000u } };

const struct weir_own_process scene_process = {
	.cpu_s = 1.25, .resident_bytes = 100, .virtual_bytes = 200, .open_fds = 7, .max_fds = -1
};
