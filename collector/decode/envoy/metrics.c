/* metrics: Envoy's stats → a resource, instruments and points.
 *
 *   StreamMetricsMessage { 1 identifier   first message of a stream only
 *                          2 MetricFamily { 1 name 2 help 3 type 5 unit
 *                                           4 Metric { 1 labels, its value, 6 timestamp_ms } … } … }
 *
 *   COUNTER          SUM, monotonic    cumulative, or delta by configuration
 *   GAUGE, UNTYPED   GAUGE
 *   HISTOGRAM        HISTOGRAM, or EXPONENTIAL when it is native; over the last
 *                    flush interval only, so always delta
 *   SUMMARY          left out: quantiles of one interval cannot be added up, and
 *                    the histogram of the same name comes beside them
 *   GAUGE_HISTOGRAM  invalid: it says what is, which nobody may add up either
 *
 * Names: Envoy's own stats get `envoy_` in front when they are exposed, as its
 * own /stats/prometheus does it; what Istio makes inside Envoy is called
 * `istiocustom.istio_requests_total` here and istio_requests_total there.
 *
 * Invariants
 *  1. offered = points + dropped: each Metric is counted once.
 *  2. An instrument has at least one point; its points follow each other.
 *  3. A family that cannot be read makes the whole message malformed: nothing
 *     of it counts.
 *  4. Of a repeated histogram of one Metric the last counts; values merge.
 *
 * One thread: the listener's. */
#include "decode/envoy/metrics.h"

#include <math.h>

#include "decode/envoy/attrs.h"
#include "decode/envoy/cursor.h"
#include "decode/envoy/exemplar.h"
#include "decode/envoy/histogram.h"
#include "decode/envoy/peers.h"

enum {
	IDENTIFIER = 1 << 3 | WEIR_WIRE_BYTES,
	FAMILY = 2 << 3 | WEIR_WIRE_BYTES,

	FAMILY_NAME = 1 << 3 | WEIR_WIRE_BYTES,
	FAMILY_HELP = 2 << 3 | WEIR_WIRE_BYTES,
	FAMILY_TYPE = 3 << 3 | WEIR_WIRE_VARINT,
	FAMILY_METRIC = 4 << 3 | WEIR_WIRE_BYTES,
	FAMILY_UNIT = 5 << 3 | WEIR_WIRE_BYTES,

	METRIC_LABEL = 1 << 3 | WEIR_WIRE_BYTES,
	METRIC_GAUGE = 2 << 3 | WEIR_WIRE_BYTES,
	METRIC_COUNTER = 3 << 3 | WEIR_WIRE_BYTES,
	METRIC_UNTYPED = 5 << 3 | WEIR_WIRE_BYTES,
	METRIC_TIMESTAMP = 6 << 3 | WEIR_WIRE_VARINT,
	METRIC_HISTOGRAM = 7 << 3 | WEIR_WIRE_BYTES,

	VALUE = 1 << 3 | WEIR_WIRE_FIXED64,
	COUNTER_EXEMPLAR = 2 << 3 | WEIR_WIRE_BYTES,
	COUNTER_CREATED = 3 << 3 | WEIR_WIRE_BYTES,
};

enum metric_type { COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM };

#define LABELS_MAX 64u /* of one Metric: each is compared with those before it */
#define KEYS_MAX 32u
#define TIMESTAMP_MAX_MS (UINT64_C(1) << 43) /* the year 2248 */
#define NS_PER_MS UINT64_C(1000000)

struct reader { /* of one message */
	struct weir_draft *draft;
	struct weir_histogram_bounds bounds;
	bool counters_are_deltas;
};

struct family {
	struct weir_str name, help, unit;
	uint64_t type;
	uint8_t naming;
	uint32_t instrument; /* row of the last one made for it, or WEIR_NONE */
};

struct metric { /* its labels are in the draft already */
	struct weir_str histogram;
	uint32_t labels;
	bool has_gauge, has_counter, has_untyped;
	double gauge, counter, untyped;
	uint64_t timestamp_ms;
};

/* ---- the resource ------------------------------------------------------- */

static void add_text(struct weir_draft *draft, const char *key, struct weir_ref value)
{
	struct weir_attr *attr = value.length > 0 ? weir_draft_attr(draft) : NULL;

	if (attr) {
		attr->type = WEIR_ATTR_STRING;
		attr->value.text = value;
		attr->key = weir_draft_copy(draft, weir_str_of(key));
	}
}

/* The node under OpenTelemetry's names, where there are any. */
static void add_resource(struct weir_draft *draft, const struct weir_envoy_sender *sender)
{
	const struct weir_identity *own = &sender->identity;
	struct weir_str service = sender->node_cluster.length > 0 ? sender->node_cluster : own->workload;
	struct weir_ref service_ref = weir_peers_place(draft, service);
	struct weir_ref node = weir_peers_place(draft, own->node_id);
	struct weir_resource *row = weir_draft_resource(draft);
	struct weir_str proxy = sender->proxy;

	if (!row) {
		return;
	}
	row->service = service_ref;
	if (proxy.length > 0 && node.length == own->node_id.length) { /* it is a part of the node id */
		row->proxy = (struct weir_ref){ node.offset + (uint32_t)(proxy.data - own->node_id.data),
			(uint32_t)proxy.length };
	}
	row->attr_first = draft->attrs.count;
	add_text(draft, "service.name", service_ref);
	add_text(draft, "service.instance.id", node);
	add_text(draft, "service.version", weir_peers_place(draft, own->version));
	add_text(draft, "k8s.cluster.name", weir_peers_place(draft, own->cluster));
	add_text(draft, "k8s.namespace.name", weir_peers_place(draft, own->namespace_));
	add_text(draft, "k8s.pod.name", weir_peers_place(draft, own->pod));
	add_text(draft, "istio.workload.name", weir_peers_place(draft, own->workload));
	add_text(draft, "istio.app", weir_peers_place(draft, own->app));
	add_text(draft, "istio.canonical_service", weir_peers_place(draft, own->canonical_service));
	add_text(draft, "istio.canonical_revision", weir_peers_place(draft, own->canonical_revision));
	row = draft->resources.data;
	row->attr_count = draft->attrs.count - row->attr_first;
}

/* ---- a metric ----------------------------------------------------------- */

static bool read_value(struct weir_str message, double *ret, struct weir_point *point)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	bool is_ok = true;

	while (is_ok && weir_cursor_next(&wire, &field)) {
		if (field.tag == VALUE) {
			memcpy(ret, &field.value, sizeof(*ret));
		} else if (point && field.tag == COUNTER_EXEMPLAR) {
			is_ok = weir_exemplar_read(field.bytes, point);
		} else if (point && field.tag == COUNTER_CREATED) {
			is_ok = weir_exemplar_read_time(field.bytes, &point->start_ns);
		}
	}
	return is_ok && !wire.is_malformed;
}

/* A LabelPair becomes an attribute; of equal names the last wins. */
static bool add_label(struct weir_draft *draft, struct weir_str message, uint32_t first)
{
	struct weir_attr *attr = draft->attrs.data;
	struct weir_pair pair;
	struct weir_ref key;

	if (!weir_pair_read(message, &pair)) {
		return false;
	}
	key = weir_draft_text(draft, pair.key);
	for (uint32_t i = first; i < draft->attrs.count; i++) {
		if (weir_str_equal(weir_draft_str(draft, attr[i].key), weir_draft_str(draft, key))) {
			attr[i].value.text = weir_draft_text(draft, pair.value);
			return true;
		}
	}
	attr = weir_draft_attr(draft);
	if (attr) {
		attr->key = key;
		attr->type = WEIR_ATTR_STRING;
		attr->value.text = weir_draft_text(draft, pair.value);
	}
	return true;
}

static bool read_metric(struct weir_draft *draft, struct weir_str message, struct metric *ret, struct weir_point *point)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	uint32_t first = draft->attrs.count;
	bool is_ok = true;

	*ret = (struct metric){ 0 };
	while (is_ok && weir_cursor_next(&wire, &field)) {
		switch (field.tag) {
		case METRIC_LABEL:
			is_ok = ++ret->labels > LABELS_MAX || add_label(draft, field.bytes, first);
			break;
		case METRIC_GAUGE:
			ret->has_gauge = true;
			is_ok = read_value(field.bytes, &ret->gauge, NULL);
			break;
		case METRIC_COUNTER:
			ret->has_counter = true;
			is_ok = read_value(field.bytes, &ret->counter, point);
			break;
		case METRIC_UNTYPED:
			ret->has_untyped = true;
			is_ok = read_value(field.bytes, &ret->untyped, NULL);
			break;
		case METRIC_TIMESTAMP:
			ret->timestamp_ms = field.value;
			break;
		case METRIC_HISTOGRAM:
			ret->histogram = field.bytes;
			break;
		default:
			break;
		}
	}
	point->attr_first = first;
	point->attr_count = draft->attrs.count - first;
	return is_ok && !wire.is_malformed;
}

/* ---- points ------------------------------------------------------------- */

/* The row for points of this kind; a family has one, or two when some of its histograms are native. */
static uint32_t instrument_of(struct reader *reader, struct family *family, uint8_t kind, uint8_t temporality)
{
	struct weir_draft *draft = reader->draft;
	struct weir_instrument *row = draft->instruments.data;

	if (family->instrument != WEIR_NONE && row[family->instrument].kind == kind) {
		return family->instrument;
	}
	row = weir_draft_instrument(draft);
	if (!row) {
		return 0; /* the draft is exhausted: nothing of it will be used */
	}
	row->name = weir_draft_text(draft, family->name);
	row->description = weir_draft_text(draft, family->help);
	row->unit = weir_draft_text(draft, family->unit);
	row->kind = kind;
	row->temporality = temporality;
	row->is_monotonic = kind == WEIR_INSTRUMENT_SUM;
	row->naming = family->naming;
	family->instrument = draft->instruments.count - 1;
	return family->instrument;
}

enum taken { TAKEN, INVALID, BROKEN };

/* Fills *point of the value that the family's type asks for. */
static enum taken take_value(
	struct reader *reader, struct family *family, const struct metric *metric, struct weir_point *point)
{
	uint8_t counter_temporality =
		reader->counters_are_deltas ? WEIR_TEMPORALITY_DELTA : WEIR_TEMPORALITY_CUMULATIVE;
	enum weir_histogram_outcome outcome;

	switch (family->type) {
	case COUNTER:
		if (!metric->has_counter || !(metric->counter >= 0) || isinf(metric->counter)) {
			return INVALID;
		}
		point->value.real = metric->counter;
		point->instrument = instrument_of(reader, family, WEIR_INSTRUMENT_SUM, counter_temporality);
		return TAKEN;
	case GAUGE:
	case UNTYPED:
		if (family->type == GAUGE ? !metric->has_gauge : !metric->has_untyped) {
			return INVALID;
		}
		point->value.real = family->type == GAUGE ? metric->gauge : metric->untyped;
		point->instrument = instrument_of(reader, family, WEIR_INSTRUMENT_GAUGE, WEIR_TEMPORALITY_UNSPECIFIED);
		return TAKEN;
	case HISTOGRAM:
		if (!metric->histogram.data) {
			return INVALID;
		}
		outcome = weir_histogram_read(reader->draft, &reader->bounds, metric->histogram, point);
		if (outcome == WEIR_HISTOGRAM_MALFORMED || outcome == WEIR_HISTOGRAM_INVALID) {
			return outcome == WEIR_HISTOGRAM_MALFORMED ? BROKEN : INVALID;
		}
		point->instrument = instrument_of(reader, family,
			outcome == WEIR_HISTOGRAM_NATIVE ? WEIR_INSTRUMENT_EXPONENTIAL : WEIR_INSTRUMENT_HISTOGRAM,
			WEIR_TEMPORALITY_DELTA);
		return TAKEN;
	default:
		return INVALID;
	}
}

static bool take_metric(struct reader *reader, struct family *family, struct weir_str message)
{
	struct weir_draft *draft = reader->draft;
	struct weir_point point = { 0 }, *row;
	uint32_t attrs = draft->attrs.count;
	struct metric metric;
	enum taken taken;

	draft->offered++;
	if (family->type == SUMMARY) {
		draft->dropped[WEIR_DROP_SUMMARY]++;
		return true;
	}
	if (!read_metric(draft, message, &metric, &point)) {
		return false;
	}
	taken = family->name.length == 0 || metric.labels > LABELS_MAX ? INVALID
								       : take_value(reader, family, &metric, &point);
	if (taken == INVALID) {
		draft->attrs.count = attrs;
		draft->dropped[WEIR_DROP_INVALID]++;
	}
	if (taken != TAKEN) {
		return taken == INVALID;
	}
	point.time_ns = metric.timestamp_ms < TIMESTAMP_MAX_MS ? metric.timestamp_ms * NS_PER_MS : 0;
	row = weir_draft_point(draft);
	if (row) {
		*row = point;
	}
	return true;
}

/* ---- families ----------------------------------------------------------- */

static uint8_t naming_of(struct weir_str *name)
{
	static const char prefix[] = "istiocustom.";

	if (weir_str_starts_with(*name, prefix)) {
		*name = weir_str_make(name->data + sizeof(prefix) - 1, name->length - (sizeof(prefix) - 1));
		return WEIR_NAMING_VERBATIM;
	}
	return weir_str_starts_with(*name, "istio_") ? WEIR_NAMING_VERBATIM : WEIR_NAMING_ENVOY;
}

static bool take_family(struct reader *reader, struct weir_str message)
{
	struct weir_wire wire = weir_wire_of(message), again = wire;
	struct family family = { .type = COUNTER, .instrument = WEIR_NONE };
	struct weir_wire_field field;

	while (weir_cursor_next(&wire, &field)) {
		if (field.tag == FAMILY_NAME) {
			family.name = field.bytes;
		} else if (field.tag == FAMILY_HELP) {
			family.help = field.bytes;
		} else if (field.tag == FAMILY_TYPE) {
			family.type = field.value;
		} else if (field.tag == FAMILY_UNIT) {
			family.unit = field.bytes;
		}
	}
	if (wire.is_malformed) {
		return false;
	}
	family.naming = naming_of(&family.name);
	while (!reader->draft->is_exhausted && weir_cursor_next(&again, &field)) {
		if (field.tag == FAMILY_METRIC && !take_metric(reader, &family, field.bytes)) {
			return false;
		}
	}
	return true;
}

/* ---- the message -------------------------------------------------------- */

static int malformed(struct weir_draft *draft, struct weir_str message, const char *at, const char *error)
{
	draft->error = error;
	draft->error_offset = at ? (size_t)(at - message.data) : message.length;
	return WEIR_DECODE_MALFORMED;
}

/* Reads the identifier, if there is one, and finds where the families lie. */
static int find_families(
	struct weir_draft *draft, struct weir_str message, struct weir_envoy_sender *sender, struct weir_str *ret)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	const char *first = NULL, *end = NULL;

	while (weir_cursor_next(&wire, &field)) {
		if (field.tag == IDENTIFIER && !weir_envoy_sender_read(field.bytes, NULL, sender)) {
			return malformed(draft, message, field.bytes.data, "the identifier cannot be read");
		}
		if (field.tag == FAMILY) {
			first = first ? first : field.bytes.data;
			end = field.bytes.data + field.bytes.length;
		}
	}
	if (wire.is_malformed) {
		return malformed(draft, message, NULL, "not a StreamMetricsMessage");
	}
	*ret = first ? weir_str_make(first, (size_t)(end - first)) : weir_str_make(message.data, 0);
	return 0;
}

int weir_envoy_metrics_decode(struct weir_draft *draft, struct weir_envoy_sender *sender, bool counters_are_deltas)
{
	struct weir_str message = draft->body;
	struct weir_wire wire = weir_wire_of(message);
	struct reader reader = { .draft = draft, .counters_are_deltas = counters_are_deltas };
	struct weir_wire_field field;
	int r;

	r = find_families(draft, message, sender, &draft->body);
	if (r != 0 || draft->body.length == 0) {
		return r;
	}
	add_resource(draft, sender);
	while (!draft->is_exhausted && weir_cursor_next(&wire, &field)) {
		if (field.tag == FAMILY && !take_family(&reader, field.bytes)) {
			return malformed(draft, message, field.bytes.data, "a metric family cannot be read");
		}
	}
	if (draft->is_exhausted) {
		return WEIR_DECODE_TOO_LARGE;
	}
	if (draft->points.count == 0) { /* nobody refers to the sender: only the counts are worth a record */
		draft->resources.count = 0;
		draft->instruments.count = 0;
		draft->attrs.count = 0;
	}
	weir_draft_claim(draft, sender->identity.namespace_, sender->identity.service_account, draft->offered);
	return 0;
}
