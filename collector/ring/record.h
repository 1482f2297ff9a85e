/* record: what flows. One batch is one request of a sender, as plain bytes.
 *
 * A batch is position-independent: every reference in it is an offset from the
 * batch's first byte, so copying it is memcpy and the ring may map it anywhere.
 * Decoders make batches, the ring keeps them, the fold and the segment codec
 * read them, and a segment read back from the store is a batch again: whoever
 * can read one can read them all.
 *
 *   +--------+-----------------------------------------------+--------------+
 *   | batch  | tables: workloads resources spans requests    | pool: string |
 *   | header | connections attrs events links instruments    | bytes        |
 *   |        | points logs (8-aligned)                       |              |
 *   +--------+-----------------------------------------------+--------------+
 *
 * The pool is usually the sender's body as it came (one memcpy), followed by
 * the few strings that had to be changed (unescaped, lower-cased, repaired).
 *
 * Invariants
 *  1. size_bytes is a multiple of 8 and covers all tables and the pool.
 *  2. Every table lies inside the batch and is 8-aligned; every index into a
 *     table is below its count (an end of a call may be WEIR_NONE); every ref
 *     lies inside the batch.
 *  3. offered = kept + sum(dropped) + sum(thinned).
 *  4. Strings that were text on the wire are valid UTF-8.
 *  5. Nothing in a batch depends on anything outside it: identity is resolved,
 *     the time of arrival is in it. Folding it is a pure function.
 *
 * weir_batch_is_sound() checks 1 and 2; recovery runs it on what it finds.
 * Changing a layout here: WEIR_BATCH_VERSION, the ring's version, golden files.
 *
 * Version 2 is read as it lies: its workloads have no labels beyond the known
 * ones, so their rows are shorter (weir_batch_workload()); all else is equal. */
#ifndef WEIR_RING_RECORD_H
#define WEIR_RING_RECORD_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/str.h"

#define WEIR_BATCH_VERSION 3u /* 2 is read as well */
#define WEIR_NONE UINT32_MAX  /* no such row */

struct weir_ref { /* bytes of the same batch; length 0 = unset */
	uint32_t offset, length;
};

struct weir_table { /* rows of one type */
	uint32_t offset, count;
};

enum weir_signal { /* as the `signal` label says it */
	WEIR_SIGNAL_ACCESS_LOG,
	WEIR_SIGNAL_SPAN,
	WEIR_SIGNAL_METRIC_POINT,
	WEIR_SIGNAL_LOG,
	WEIR_SIGNAL_MIXER,
	WEIR_SIGNALS
};

enum weir_protocol {               /* how it came; `protocol` in /api/ledger */
	WEIR_PROTOCOL_ALS_V3,      /* als_v3; numbers are stored: new ones go to the end */
	WEIR_PROTOCOL_OTLP_GRPC,   /* otlp_grpc */
	WEIR_PROTOCOL_OTLP_HTTP,   /* otlp_http */
	WEIR_PROTOCOL_ZIPKIN_HTTP, /* zipkin_http */
	WEIR_PROTOCOL_ALS_V2,      /* als_v2 */
	WEIR_PROTOCOL_MIXER,       /* mixer */
	WEIR_PROTOCOL_METRICS_V2,  /* envoy_metrics_v2 */
	WEIR_PROTOCOL_METRICS_V3,  /* envoy_metrics_v3 */
	WEIR_PROTOCOL_ZIPKIN_GRPC, /* zipkin_grpc */
	WEIR_PROTOCOLS
};

enum weir_drop {                /* received, but not counted at all */
	WEIR_DROP_INVALID,      /* invalid: an id of the wrong length or all zero */
	WEIR_DROP_INTERMEDIATE, /* intermediate: a start or periodic record of an HTTP request that will report its end */
	WEIR_DROP_SUMMARY,      /* summary: Envoy's quantiles of the last interval; the histogram comes beside them */
	WEIR_DROP_NO_VALUE,     /* no_value: a point that says that nothing was recorded */
	WEIR_DROPS
};

enum weir_thin {            /* counted in metrics and graph, its detail shed */
	WEIR_THIN_STORAGE,  /* storage: the store is failing */
	WEIR_THIN_OVERLOAD, /* overload: weir is behind, and the sender cannot come again */
	WEIR_THINS
};

enum weir_refusal { /* never entered the ring; counted per process */
	WEIR_REFUSAL_RING_FULL,
	WEIR_REFUSAL_TOO_LARGE,
	WEIR_REFUSAL_MALFORMED,
	WEIR_REFUSAL_STORAGE,
	WEIR_REFUSAL_STOPPING,
	WEIR_REFUSAL_SOURCE,   /* source: this sender has more than its share of a ring that runs full */
	WEIR_REFUSAL_IDENTITY, /* identity: the records claim another sender than the certificate names */
	WEIR_REFUSALS
};

/* The texts of the labels; NULL beyond the end. */
const char *weir_signal_name(unsigned signal);
const char *weir_protocol_name(unsigned protocol);
const char *weir_drop_name(unsigned reason);
const char *weir_thin_name(unsigned reason);
const char *weir_refusal_name(unsigned reason);

struct weir_batch {
	uint32_t size_bytes;
	uint16_t version;
	uint8_t protocol, signal;
	uint64_t received_ns; /* wall clock at arrival: the only clock of the fold */
	uint8_t digest[16]; /* of source identity, method and body; all zero: a stream, exempt from the repeat check */
	uint32_t offered, kept; /* items, see invariant 3 */
	uint32_t dropped[WEIR_DROPS], thinned[WEIR_THINS];
	uint32_t replaced_utf8; /* strings in which invalid UTF-8 was replaced */
	uint32_t mismatched; /* items that claim another sender than the certificate names (security.identity: mark) */
	struct weir_ref source;    /* who sent it, for the ledger: node id, service name or address */
	struct weir_ref principal; /* the SPIFFE id of the sender's certificate, when it showed one */
	struct weir_table workloads, resources, spans, requests, connections, attrs, events, links;
	struct weir_table instruments, points, logs;
};

/* ---- values ------------------------------------------------------------- */

enum weir_attr_type {
	WEIR_ATTR_STRING,
	WEIR_ATTR_BOOL, /* number is 0 or 1 */
	WEIR_ATTR_INT,
	WEIR_ATTR_DOUBLE,
	WEIR_ATTR_BYTES,
	WEIR_ATTR_JSON,  /* an array or a map, already as JSON text */
	WEIR_ATTR_EMPTY, /* an AnyValue with no member */
};

struct weir_attr {
	struct weir_ref key;
	union {
		struct weir_ref text; /* STRING, BYTES, JSON */
		int64_t number;       /* BOOL, INT */
		double real;          /* DOUBLE */
	} value;
	uint32_t type, padding;
};

/* ---- spans -------------------------------------------------------------- */

enum weir_span_kind { /* OTLP's numbers; Zipkin's absent kind is UNSPECIFIED */
	WEIR_SPAN_UNSPECIFIED,
	WEIR_SPAN_INTERNAL,
	WEIR_SPAN_SERVER,
	WEIR_SPAN_CLIENT,
	WEIR_SPAN_PRODUCER,
	WEIR_SPAN_CONSUMER,
};

enum weir_span_flag {
	WEIR_SPAN_ERROR = 1,  /* status ERROR, or a tag `error` */
	WEIR_SPAN_SHARED = 2, /* Zipkin: the server re-uses the client's id */
	WEIR_SPAN_DEBUG = 4,
	WEIR_SPAN_NO_START = 8,     /* start_ns is not known */
	WEIR_SPAN_NO_DURATION = 16, /* duration_ns is not known */
};

struct weir_address { /* ip is IPv6 or v4-mapped, network order; all zero = unset */
	uint8_t ip[16];
	uint16_t port, padding[3];
};

struct weir_resource {           /* who made spans, points or logs: OTLP resource and scope, Zipkin's local endpoint,
				  * or the node of an Envoy that sends metrics */
	struct weir_ref service; /* lower-cased for Zipkin; service.name for OTLP */
	struct weir_ref proxy;   /* weir_identity_proxy() of an Envoy; else empty */
	struct weir_ref scope_name, scope_version;
	struct weir_address address;
	uint32_t attr_first, attr_count; /* resource attributes, service.name included */
};

struct weir_span {
	uint8_t trace_id[16];             /* 64-bit ids have 8 leading zeros */
	uint8_t span_id[8], parent_id[8]; /* parent all zero = root */
	uint64_t start_ns, duration_ns;
	uint32_t resource; /* row of `resources` */
	uint8_t kind, status /* OTLP: 0 unset, 1 ok, 2 error */, flags /* enum weir_span_flag */, padding;
	uint32_t w3c_flags;
	uint32_t attr_first, attr_count, event_first, event_count, link_first, link_count;
	uint32_t dropped_attrs, dropped_events, dropped_links;
	struct weir_ref name, trace_state, status_message;
	struct weir_ref peer; /* remote service name: Zipkin's remoteEndpoint; for OTLP by wire.md 4.5 */
	struct weir_address peer_address;
};

struct weir_event { /* Zipkin's annotation too */
	uint64_t time_ns;
	struct weir_ref name;
	uint32_t attr_first, attr_count, dropped_attrs, padding;
};

struct weir_link {
	uint8_t trace_id[16], span_id[8];
	struct weir_ref trace_state;
	uint32_t attr_first, attr_count, dropped_attrs, flags;
};

/* ---- requests and connections ------------------------------------------- */

enum weir_reporter { WEIR_REPORTER_SOURCE, WEIR_REPORTER_DESTINATION, WEIR_REPORTER_WAYPOINT };

enum weir_request_protocol { WEIR_REQUEST_HTTP, WEIR_REQUEST_GRPC, WEIR_REQUEST_TCP };

enum weir_security { WEIR_SECURITY_UNKNOWN, WEIR_SECURITY_NONE, WEIR_SECURITY_MUTUAL_TLS };

struct weir_workload { /* one end of a call, resolved; unset fields are empty, not "unknown" */
	struct weir_ref name, namespace_, app, version, canonical_service, canonical_revision, cluster;
	struct weir_ref pod, node_id;
	uint32_t attr_first, attr_count; /* its labels beyond those above, as far as rules want them; since version 3 */
};

#define WEIR_WORKLOAD_BYTES_V2 72u /* of a row in a batch of version 2: all before attr_first */

_Static_assert(sizeof(struct weir_workload) == WEIR_WORKLOAD_BYTES_V2 + 8, "version 2 is the beginning of a row");

struct weir_call {                    /* who called whom, as one proxy saw it: all that labels are made of */
	struct weir_ref proxy;        /* who saw it, by the name that all its signals agree on: weir_identity_proxy() */
	uint32_t source, destination; /* rows of `workloads`; WEIR_NONE: nobody known */
	uint8_t reporter, protocol, security;
	uint8_t is_probe;        /* weir_call_is_probe() of what it asked for; Mixer's rules keep it out of metrics */
	uint32_t response_flags; /* bit N-1 = ALS ResponseFlags field N (wire.md §2); bit 12 = UAEX */
	struct weir_ref service_host, service_name, service_namespace;
	struct weir_ref source_principal, destination_principal;
};

enum weir_http_method { /* ALS RequestMethod's numbers */
	WEIR_METHOD_UNSPECIFIED,
	WEIR_METHOD_GET,
	WEIR_METHOD_HEAD,
	WEIR_METHOD_POST,
	WEIR_METHOD_PUT,
	WEIR_METHOD_DELETE,
	WEIR_METHOD_CONNECT,
	WEIR_METHOD_OPTIONS,
	WEIR_METHOD_TRACE,
	WEIR_METHOD_PATCH,
};

#define WEIR_GRPC_STATUS_NONE (-1)

struct weir_request { /* a finished HTTP or gRPC request */
	struct weir_call call;
	uint64_t start_ns, duration_ns;
	uint64_t request_bytes, response_bytes;       /* on the wire, or headers + body */
	uint64_t request_messages, response_messages; /* gRPC, from grpc_stats */
	int32_t grpc_status;                          /* WEIR_GRPC_STATUS_NONE: empty label */
	uint16_t response_code;                       /* 0: none was sent */
	uint8_t method, http_version;                 /* ALS' numbers */
	uint32_t attempts;                            /* upstream_request_attempt_count */
	uint32_t attr_first, attr_count;              /* logged headers, custom tags */
	struct weir_ref authority, path, user_agent, request_id, route, upstream_cluster, code_details;
	struct weir_ref trace_id; /* 16 or 32 hex digits, when a header or tag told it */
	struct weir_address peer_address;
};

enum weir_connection_state { WEIR_CONNECTION_OPEN, WEIR_CONNECTION_CONTINUE, WEIR_CONNECTION_CLOSE };

struct weir_connection { /* one report about a TCP connection */
	struct weir_call call;
	uint64_t start_ns, duration_ns;
	uint64_t received_bytes, sent_bytes; /* running totals of the connection, or, is_delta, since its last report */
	uint8_t state, is_delta, padding[2];
	uint32_t attr_first, attr_count;
	uint32_t padding2;
	struct weir_ref stream_id, upstream_cluster, sni;
	struct weir_address peer_address;
};

/* ---- metric points ------------------------------------------------------ */

enum weir_instrument_kind {
	WEIR_INSTRUMENT_GAUGE,
	WEIR_INSTRUMENT_SUM,
	WEIR_INSTRUMENT_HISTOGRAM,
	WEIR_INSTRUMENT_EXPONENTIAL,
	WEIR_INSTRUMENT_SUMMARY,
};

enum weir_temporality { /* OTLP's numbers */
	WEIR_TEMPORALITY_UNSPECIFIED,
	WEIR_TEMPORALITY_DELTA,
	WEIR_TEMPORALITY_CUMULATIVE,
};

enum weir_instrument_naming { /* whose names these are; the exposition follows it */
	WEIR_NAMING_OTEL,     /* OpenTelemetry's: unit and `_total` become part of the name */
	WEIR_NAMING_ENVOY,    /* Envoy's own stats: `envoy_` before the name, as its /stats/prometheus has it */
	WEIR_NAMING_VERBATIM, /* Prometheus' already: `istiocustom.istio_requests_total` without its first part */
};

struct weir_instrument { /* one metric of one resource in this batch; its points refer to it */
	struct weir_ref name, description, unit;
	uint32_t resource; /* row of `resources` */
	uint8_t kind, temporality, is_monotonic /* SUM */, naming;
};

enum weir_point_flag {
	WEIR_POINT_IS_INT = 1,  /* GAUGE, SUM: value.integer */
	WEIR_POINT_HAS_SUM = 2, /* HISTOGRAM, EXPONENTIAL, SUMMARY */
	WEIR_POINT_HAS_MIN = 4,
	WEIR_POINT_HAS_MAX = 8,
	WEIR_POINT_HAS_EXEMPLAR = 16,
};

/* Arrays of numbers (`bounds`, `counts`, `negative`) are refs to little-endian
 * 8-byte numbers in the pool, of any alignment: weir_batch_number() reads one.
 *
 *   HISTOGRAM    bounds: n doubles, ascending; counts: n + 1 (or none of both), not cumulative
 *   EXPONENTIAL  counts, negative: dense from positive_offset, negative_offset (wire.md 4.1)
 *   SUMMARY      bounds: quantiles, doubles; counts: their values, doubles */
struct weir_point {
	uint32_t instrument; /* row of `instruments` */
	uint32_t attr_first, attr_count, flags;
	uint64_t start_ns, time_ns; /* 0: unknown */
	union {
		double real;
		int64_t integer;
	} value;
	uint64_t count;
	double sum, min, max;
	struct weir_ref bounds, counts, negative;
	int32_t scale, positive_offset, negative_offset, padding;
	uint64_t zero_count;
	double zero_threshold;
	double exemplar_value; /* the newest exemplar that names a trace */
	uint64_t exemplar_ns;
	uint8_t exemplar_trace[16], exemplar_span[8];
};

/* ---- logs --------------------------------------------------------------- */

struct weir_log {
	uint64_t time_ns, observed_ns; /* 0: unknown */
	uint8_t trace_id[16], span_id[8];
	uint32_t resource; /* row of `resources` */
	uint32_t attr_first, attr_count, dropped_attrs, w3c_flags;
	uint32_t request; /* row of `requests` made of it (an access log with mapped attributes), or WEIR_NONE */
	uint32_t severity, padding; /* SeverityNumber: 0 unset, 1 … 24 */
	struct weir_ref severity_text, event_name;
	struct weir_attr body; /* its key is empty */
};

/* ---- reading ------------------------------------------------------------ */

static inline const void *weir_batch_at(const struct weir_batch *batch, uint32_t offset)
{
	return (const char *)batch + offset;
}

static inline struct weir_str weir_batch_str(const struct weir_batch *batch, struct weir_ref ref)
{
	return (struct weir_str){ (const char *)batch + ref.offset, ref.length };
}

static inline const struct weir_span *weir_batch_spans(const struct weir_batch *batch)
{
	return weir_batch_at(batch, batch->spans.offset);
}

static inline const struct weir_resource *weir_batch_resources(const struct weir_batch *batch)
{
	return weir_batch_at(batch, batch->resources.offset);
}

static inline const struct weir_request *weir_batch_requests(const struct weir_batch *batch)
{
	return weir_batch_at(batch, batch->requests.offset);
}

static inline const struct weir_connection *weir_batch_connections(const struct weir_batch *batch)
{
	return weir_batch_at(batch, batch->connections.offset);
}

/* Of a batch of today's version: whoever reads what may be older takes weir_batch_workload(). */
static inline const struct weir_workload *weir_batch_workloads(const struct weir_batch *batch)
{
	return weir_batch_at(batch, batch->workloads.offset);
}

static inline uint32_t weir_batch_workload_bytes(const struct weir_batch *batch)
{
	return batch->version == 2 ? WEIR_WORKLOAD_BYTES_V2 : (uint32_t)sizeof(struct weir_workload);
}

/* One row, which is below the table's count. Its labels are not to be looked at but by weir_batch_labels(). */
static inline const struct weir_workload *weir_batch_workload(const struct weir_batch *batch, uint32_t row)
{
	return weir_batch_at(batch, batch->workloads.offset + row * weir_batch_workload_bytes(batch));
}

static inline const struct weir_attr *weir_batch_attrs(const struct weir_batch *batch)
{
	return weir_batch_at(batch, batch->attrs.offset);
}

static inline const struct weir_event *weir_batch_events(const struct weir_batch *batch)
{
	return weir_batch_at(batch, batch->events.offset);
}

static inline const struct weir_link *weir_batch_links(const struct weir_batch *batch)
{
	return weir_batch_at(batch, batch->links.offset);
}

static inline const struct weir_instrument *weir_batch_instruments(const struct weir_batch *batch)
{
	return weir_batch_at(batch, batch->instruments.offset);
}

static inline const struct weir_point *weir_batch_points(const struct weir_batch *batch)
{
	return weir_batch_at(batch, batch->points.offset);
}

static inline const struct weir_log *weir_batch_logs(const struct weir_batch *batch)
{
	return weir_batch_at(batch, batch->logs.offset);
}

/* The further labels of a workload; *ret_count 0: none, or the batch is older. */
static inline const struct weir_attr *weir_batch_labels(
	const struct weir_batch *batch, const struct weir_workload *workload, uint32_t *ret_count)
{
	*ret_count = batch->version == 2 ? 0 : workload->attr_count;
	return weir_batch_attrs(batch) + (*ret_count > 0 ? workload->attr_first : 0);
}

/* Number i of an array of a point; the caller knows that it has more than i. */
static inline uint64_t weir_batch_number(const struct weir_batch *batch, struct weir_ref array, uint32_t i)
{
	uint64_t number;

	memcpy(&number, (const char *)batch + array.offset + (size_t)i * 8, sizeof(number));
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
	number = __builtin_bswap64(number);
#endif
	return number;
}

static inline double weir_batch_real(const struct weir_batch *batch, struct weir_ref array, uint32_t i)
{
	uint64_t number = weir_batch_number(batch, array, i);
	double real;

	memcpy(&real, &number, sizeof(real));
	return real;
}

/* Is this a request that only asks whether somebody is there: of the kubelet (kube-probe), of Prometheus (a scrape), or
 * for gRPC's health? Said by both sides alike, and of stored requests again. */
static inline bool weir_call_is_probe(struct weir_str user_agent, struct weir_str path)
{
	return weir_str_starts_with(user_agent, "kube-probe") || weir_str_starts_with(user_agent, "Prometheus") ||
	       weir_str_starts_with(path, "/grpc.health.v1.Health/");
}

/* Are invariants 1, 2 and 3 true of these `size` bytes? */
bool weir_batch_is_sound(const struct weir_batch *batch, uint64_t size);

#endif
