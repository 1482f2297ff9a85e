/* envoy_metrics: what single families become; whole captures are in
 * test_envoy_metrics_facts.c. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/envoy/metrics.h"
#include "tests/unit/decode/encode.h"

#define SIDECAR "sidecar~10.0.0.5~details-v1-0ae45e8bec-cjht9.default~default.svc.cluster.local"
#define TRACE "0af7651916cd43dd8448eb211c80319c"

enum { COUNTER, GAUGE, SUMMARY, UNTYPED, HISTOGRAM, GAUGE_HISTOGRAM };
enum { AS_GAUGE = 2, AS_COUNTER = 3, AS_SUMMARY = 4, AS_UNTYPED = 5, AS_HISTOGRAM = 7 };

struct fixture {
	struct weir_buf message, metrics, metric, value, inner, label;
	struct weir_arena arena;
	struct weir_draft draft;
	struct weir_envoy_sender sender;
	const struct weir_batch *batch;
};

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));

	weir_arena_init(&f->arena, 1 << 16, 1 << 22);
	weir_envoy_sender_init(&f->sender);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;
	struct weir_buf *bufs[] = { &f->message, &f->metrics, &f->metric, &f->value, &f->inner, &f->label };

	for (size_t i = 0; i < sizeof(bufs) / sizeof(bufs[0]); i++) {
		weir_buf_fini(bufs[i]);
	}
	weir_envoy_sender_fini(&f->sender);
	weir_arena_fini(&f->arena);
	free(f);
	return 0;
}

/* ---- writing ------------------------------------------------------------ */

static void real(struct weir_buf *out, uint32_t field, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	encode_fixed64(out, field, bits);
}

static uint64_t zigzag(int64_t value)
{
	return (uint64_t)value << 1 ^ (uint64_t)(value >> 63);
}

static void identify(struct fixture *f, const char *node_id, const char *cluster)
{
	encode_text(&f->inner, 1, node_id);
	encode_text(&f->inner, 2, cluster);
	for (int i = 0; i < 600; i++) { /* extensions, which nobody reads */
		encode_text(&f->inner, 9, "an extension of about the size that Envoy's own have");
	}
	encode_nested(&f->value, 1, &f->inner);
	encode_nested(&f->message, 1, &f->value);
}

static void label(struct fixture *f, const char *name, const char *value)
{
	encode_text(&f->label, 1, name);
	encode_text(&f->label, 2, value);
	encode_nested(&f->metric, 1, &f->label);
}

/* f->value becomes the metric's value of this kind, the metric one of the family at hand. */
static void end_metric(struct fixture *f, uint32_t as, int64_t timestamp_ms)
{
	encode_nested(&f->metric, as, &f->value);
	encode_number(&f->metric, 6, (uint64_t)timestamp_ms);
	encode_nested(&f->metrics, 4, &f->metric);
}

static void end_family(struct fixture *f, const char *name, unsigned type)
{
	struct weir_buf family = { 0 };

	weir_buf_add(&family, f->metrics.data, f->metrics.length); /* metrics before their type: any order is good */
	weir_buf_clear(&f->metrics);
	encode_text(&family, 1, name);
	encode_text(&family, 2, "what it is");
	encode_number(&family, 3, type);
	encode_text(&family, 5, "ms");
	encode_nested(&f->message, 2, &family);
	weir_buf_fini(&family);
}

static void bucket(struct fixture *f, uint64_t cumulative, double bound)
{
	encode_number(&f->inner, 1, cumulative);
	real(&f->inner, 2, bound);
	encode_nested(&f->value, 3, &f->inner);
}

static void span(struct fixture *f, uint32_t field, int64_t offset, uint64_t length)
{
	encode_number(&f->inner, 1, zigzag(offset));
	encode_number(&f->inner, 2, length);
	encode_nested(&f->value, field, &f->inner);
}

static int try(struct fixture *f, bool counters_are_deltas)
{
	const struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_METRICS_V3,
		.signal = WEIR_SIGNAL_METRIC_POINT };
	int r;

	weir_arena_reset(&f->arena);
	weir_draft_init(&f->draft, &f->arena, weir_buf_str(&f->message));
	r = weir_envoy_metrics_decode(&f->draft, &f->sender, counters_are_deltas);
	f->batch = r == 0 ? weir_draft_finish(&f->draft, &head) : NULL;
	assert_true(r != 0 || weir_batch_is_sound(f->batch, f->batch->size_bytes));
	weir_buf_clear(&f->message);
	return r;
}

static const struct weir_point *decode(struct fixture *f, bool counters_are_deltas)
{
	assert_int_equal(try(f, counters_are_deltas), 0);
	return weir_batch_points(f->batch);
}

static bool says(struct fixture *f, struct weir_ref ref, const char *want)
{
	return weir_str_is(weir_batch_str(f->batch, ref), want);
}

static const struct weir_instrument *instrument(struct fixture *f, uint32_t i)
{
	assert_true(i < f->batch->instruments.count);
	return &weir_batch_instruments(f->batch)[i];
}

/* ---- kinds -------------------------------------------------------------- */

static void counter_is_a_sum_cumulative_unless_configured(void **state)
{
	struct fixture *f = *state;

	for (int are_deltas = 0; are_deltas < 2; are_deltas++) {
		const struct weir_point *point;

		real(&f->value, 1, 42);
		end_metric(f, AS_COUNTER, 1700000000123);
		end_family(f, "cluster.upstream_rq", COUNTER);
		point = decode(f, are_deltas);
		assert_int_equal(f->batch->points.count, 1);
		assert_true(point->value.real == 42);
		assert_int_equal(point->flags, 0);
		assert_int_equal(point->time_ns, UINT64_C(1700000000123000000));
		assert_int_equal(point->start_ns, 0);
		assert_int_equal(instrument(f, 0)->kind, WEIR_INSTRUMENT_SUM);
		assert_int_equal(instrument(f, 0)->is_monotonic, 1);
		assert_int_equal(instrument(f, 0)->naming, WEIR_NAMING_ENVOY);
		assert_int_equal(instrument(f, 0)->temporality,
			are_deltas ? WEIR_TEMPORALITY_DELTA : WEIR_TEMPORALITY_CUMULATIVE);
		assert_true(says(f, instrument(f, 0)->name, "cluster.upstream_rq"));
		assert_true(says(f, instrument(f, 0)->description, "what it is"));
		assert_true(says(f, instrument(f, 0)->unit, "ms"));
	}
}

static void gauge_and_untyped_are_gauges_with_their_labels(void **state)
{
	struct fixture *f = *state;
	const struct weir_point *points;
	const struct weir_attr *attrs;

	label(f, "envoy.cluster_name", "a");
	label(f, "zone", "east");
	label(f, "zone", "west");
	real(&f->value, 1, -1.5);
	end_metric(f, AS_GAUGE, 1);
	real(&f->value, 1, 3);
	end_metric(f, AS_GAUGE, 1);
	end_family(f, "cluster.active", GAUGE);
	real(&f->value, 1, 7);
	end_metric(f, AS_UNTYPED, 1);
	end_family(f, "other", UNTYPED);
	points = decode(f, false);
	attrs = weir_batch_attrs(f->batch);
	assert_int_equal(f->batch->points.count, 3);
	assert_int_equal(f->batch->instruments.count, 2);
	assert_int_equal(instrument(f, 0)->kind, WEIR_INSTRUMENT_GAUGE);
	assert_int_equal(instrument(f, 1)->kind, WEIR_INSTRUMENT_GAUGE);
	assert_true(points[0].value.real == -1.5 && points[1].value.real == 3 && points[2].value.real == 7);
	assert_int_equal(points[1].instrument, 0);
	assert_int_equal(points[2].instrument, 1);
	assert_int_equal(points[0].attr_count, 2); /* of equal names the last one */
	assert_int_equal(points[1].attr_count, 0);
	assert_true(says(f, attrs[points[0].attr_first].key, "envoy.cluster_name"));
	assert_true(says(f, attrs[points[0].attr_first].value.text, "a"));
	assert_true(says(f, attrs[points[0].attr_first + 1].value.text, "west"));
}

static void summaries_are_left_out_and_counted(void **state)
{
	struct fixture *f = *state;

	encode_number(&f->value, 1, 10);
	end_metric(f, AS_SUMMARY, 1);
	encode_number(&f->value, 1, 11);
	end_metric(f, AS_SUMMARY, 1);
	end_family(f, "cluster.upstream_rq_time", SUMMARY);
	decode(f, false);
	assert_int_equal(f->batch->offered, 2);
	assert_int_equal(f->batch->kept, 0);
	assert_int_equal(f->batch->dropped[WEIR_DROP_SUMMARY], 2);
	assert_int_equal(f->batch->instruments.count + f->batch->resources.count + f->batch->attrs.count, 0);
}

static void value_that_the_type_does_not_ask_for_is_invalid(void **state)
{
	static const struct {
		unsigned type, as;
	} wrong[] = { { COUNTER, AS_GAUGE }, { GAUGE, AS_COUNTER }, { UNTYPED, AS_GAUGE }, { HISTOGRAM, AS_COUNTER },
		{ GAUGE_HISTOGRAM, AS_HISTOGRAM }, { 6, AS_GAUGE }, { 1000, AS_COUNTER } };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		label(f, "a", "b");
		real(&f->value, 1, 1);
		end_metric(f, wrong[i].as, 1);
		end_family(f, "name", wrong[i].type);
		decode(f, false);
		assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 1);
		assert_int_equal(f->batch->kept + f->batch->attrs.count, 0);
	}
}

static void counter_that_is_no_count_is_invalid(void **state)
{
	static const double values[] = { -1, NAN, INFINITY };
	struct fixture *f = *state;

	for (size_t i = 0; i < 3; i++) {
		real(&f->value, 1, values[i]);
		end_metric(f, AS_COUNTER, 1);
		end_family(f, "name", COUNTER);
		decode(f, false);
		assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 1);
	}
	real(&f->value, 1, 1);
	end_metric(f, AS_COUNTER, 1);
	end_family(f, "", COUNTER);
	decode(f, false);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 1);
}

/* ---- histograms --------------------------------------------------------- */

static void classic_buckets_are_taken_apart(void **state)
{
	static const uint64_t want[] = { 2, 0, 3, 4 };
	struct fixture *f = *state;
	const struct weir_point *points;

	for (int i = 0; i < 2; i++) {
		encode_number(&f->value, 1, 9);
		real(&f->value, 2, 12.5);
		bucket(f, 2, 0.5);
		bucket(f, 2, 1);
		bucket(f, 5, 10);
		if (i == 1) {
			bucket(f, 9, INFINITY);
		}
		end_metric(f, AS_HISTOGRAM, 1700000000000);
		end_family(f, "cluster.upstream_rq_time", HISTOGRAM);
	}
	points = decode(f, false);
	assert_int_equal(instrument(f, 0)->kind, WEIR_INSTRUMENT_HISTOGRAM);
	assert_int_equal(instrument(f, 0)->temporality, WEIR_TEMPORALITY_DELTA); /* whatever counters are */
	for (int i = 0; i < 2; i++) {
		assert_int_equal(points[i].count, 9);
		assert_true((points[i].flags & WEIR_POINT_HAS_SUM) != 0 && points[i].sum == 12.5);
		assert_int_equal(points[i].bounds.length, 3 * 8);
		assert_int_equal(points[i].counts.length, 4 * 8);
		assert_true(weir_batch_real(f->batch, points[i].bounds, 0) == 0.5);
		assert_true(weir_batch_real(f->batch, points[i].bounds, 2) == 10);
		for (uint32_t k = 0; k < 4; k++) {
			assert_int_equal(weir_batch_number(f->batch, points[i].counts, k), want[k]);
		}
	}
	assert_int_equal(points[0].bounds.offset, points[1].bounds.offset); /* equal bounds are there once */
}

static void classic_buckets_that_contradict_themselves_are_invalid(void **state)
{
	static const struct {
		uint64_t count, first, second;
		double first_bound, second_bound;
	} wrong[] = {
		{ 9, 5, 2, 1, 2 },         /* falls */
		{ 9, 1, 2, 2, 1 },         /* bounds fall */
		{ 9, 1, 2, 1, 1 },         /* the same bound twice */
		{ 9, 1, 2, 1, NAN },       /* no bound */
		{ 9, 1, 2, -INFINITY, 1 }, /* nothing lies below it */
		{ 9, 9, 9, INFINITY, 1 },  /* behind the last */
		{ 1, 1, 2, 1, 2 },         /* more than all */
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
		encode_number(&f->value, 1, wrong[i].count);
		bucket(f, wrong[i].first, wrong[i].first_bound);
		bucket(f, wrong[i].second, wrong[i].second_bound);
		end_metric(f, AS_HISTOGRAM, 1);
		end_family(f, "name", HISTOGRAM);
		decode(f, false);
		assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 1);
		assert_int_equal(f->batch->kept, 0);
	}
}

static void histogram_without_buckets_has_count_and_sum_alone(void **state)
{
	struct fixture *f = *state;
	const struct weir_point *point;

	encode_number(&f->value, 1, 4);
	real(&f->value, 2, NAN);
	end_metric(f, AS_HISTOGRAM, 1);
	end_family(f, "name", HISTOGRAM);
	point = decode(f, false);
	assert_int_equal(point->count, 4);
	assert_int_equal(point->bounds.length + point->counts.length, 0);
	assert_int_equal(point->flags & WEIR_POINT_HAS_SUM, 0);
}

static void native_buckets_are_dense_from_one_index_lower(void **state)
{
	static const uint64_t want[] = { 1, 3, 0, 0, 2 };
	struct fixture *f = *state;
	const struct weir_point *point;

	encode_number(&f->value, 1, 14);
	real(&f->value, 2, 100);
	encode_number(&f->value, 5, zigzag(3));
	real(&f->value, 6, 0.001);
	encode_number(&f->value, 7, 2);
	span(f, 12, -1, 2); /* Prometheus' buckets -1 and 0 */
	span(f, 12, 2, 1);  /* and 3 */
	encode_number(&f->value, 13, zigzag(1));
	encode_number(&f->value, 13, zigzag(2));
	encode_number(&f->value, 13, zigzag(-1));
	span(f, 9, 7, 1);
	encode_varint(&f->inner, zigzag(6));
	encode_nested(&f->value, 10, &f->inner); /* packed */
	end_metric(f, AS_HISTOGRAM, 1);
	end_family(f, "name", HISTOGRAM);
	point = decode(f, false);
	assert_int_equal(f->batch->points.count, 1);
	assert_int_equal(instrument(f, 0)->kind, WEIR_INSTRUMENT_EXPONENTIAL);
	assert_int_equal(instrument(f, 0)->temporality, WEIR_TEMPORALITY_DELTA);
	assert_int_equal(point->scale, 3);
	assert_int_equal(point->count, 14);
	assert_int_equal(point->zero_count, 2);
	assert_true(point->zero_threshold == 0.001);
	assert_int_equal(point->positive_offset, -2);
	assert_int_equal(point->counts.length, sizeof(want));
	for (uint32_t k = 0; k < 5; k++) {
		assert_int_equal(weir_batch_number(f->batch, point->counts, k), want[k]);
	}
	assert_int_equal(point->negative_offset, 6);
	assert_int_equal(point->negative.length, 8);
	assert_int_equal(weir_batch_number(f->batch, point->negative, 0), 6);
}

static void native_histogram_of_reals_is_rounded(void **state)
{
	struct fixture *f = *state;
	const struct weir_point *point;

	real(&f->value, 4, 5.6);
	encode_number(&f->value, 5, zigzag(0));
	real(&f->value, 8, 0.4);
	span(f, 12, 1, 2);
	real(&f->value, 14, 2.5);
	real(&f->value, 14, 2.7);
	end_metric(f, AS_HISTOGRAM, 1);
	end_family(f, "name", HISTOGRAM);
	point = decode(f, false);
	assert_int_equal(f->batch->points.count, 1);
	assert_int_equal(point->count, 6);
	assert_int_equal(point->zero_count, 0);
	assert_int_equal(point->positive_offset, 0);
	assert_int_equal(weir_batch_number(f->batch, point->counts, 0), 3);
	assert_int_equal(weir_batch_number(f->batch, point->counts, 1), 3);
}

static void empty_native_histogram_is_one(void **state)
{
	struct fixture *f = *state;
	const struct weir_point *point;

	encode_number(&f->value, 1, 0);
	encode_number(&f->value, 5, zigzag(2));
	span(f, 12, 0, 0);
	end_metric(f, AS_HISTOGRAM, 1);
	end_family(f, "name", HISTOGRAM);
	point = decode(f, false);
	assert_int_equal(instrument(f, 0)->kind, WEIR_INSTRUMENT_EXPONENTIAL);
	assert_int_equal(point->count + point->counts.length, 0);
}

/* A native histogram of one span with one delta. */
static void native(struct fixture *f, int64_t schema, int64_t offset, uint64_t length, int64_t delta)
{
	encode_number(&f->value, 1, 100000);
	encode_number(&f->value, 5, zigzag(schema));
	span(f, 12, offset, length);
	encode_number(&f->value, 13, zigzag(delta));
}

static void native_histogram_that_cannot_be_is_invalid(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 10; i++) {
		switch (i) {
		case 0:
			native(f, 9, 0, 1, 1); /* no such schema */
			break;
		case 1:
			native(f, -5, 0, 1, 1);
			break;
		case 2:
			native(f, 0, 0, 2, 1); /* fewer counts than buckets */
			break;
		case 3:
			native(f, 0, 0, 0, 1); /* more */
			break;
		case 4:
			native(f, 0, 0, 1, -1); /* below none */
			break;
		case 5:
			native(f, 0, 0, 1, 100001); /* more than all */
			break;
		case 6:
			native(f, 0, 0, 1, 1); /* too wide a gap */
			span(f, 12, 4096, 1);
			encode_number(&f->value, 13, zigzag(1));
			break;
		case 7:
			native(f, 0, 0, 1, 1); /* backwards */
			span(f, 12, -1, 1);
			encode_number(&f->value, 13, zigzag(1));
			break;
		case 8:
			native(f, 0, INT32_MIN, 1, 1); /* one lower does not fit */
			break;
		default:
			native(f, 0, 0, UINT64_C(1) << 40, 1);
			break;
		}
		end_metric(f, AS_HISTOGRAM, 1);
		end_family(f, "name", HISTOGRAM);
		decode(f, false);
		assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 1);
		assert_int_equal(f->batch->kept, 0);
	}
	native(f, 0, 0, 1, 1); /* as wide as it may be */
	span(f, 12, 4094, 1);
	encode_number(&f->value, 13, zigzag(0));
	end_metric(f, AS_HISTOGRAM, 1);
	end_family(f, "name", HISTOGRAM);
	assert_int_equal(decode(f, false)->counts.length, 4096 * 8);
}

static void newest_exemplar_that_names_a_trace_is_kept(void **state)
{
	static const char *const traces[] = { TRACE, "00000000000000000000000000000001", "not hex" };
	static const uint64_t seconds[] = { 1700000002, 1700000001, 1700000003 };
	struct fixture *f = *state;
	const struct weir_point *point;
	struct weir_buf exemplar = { 0 };

	real(&f->value, 1, 3);
	for (int i = 0; i < 3; i++) {
		encode_text(&f->label, 1, "trace_id");
		encode_text(&f->label, 2, traces[i]);
		encode_nested(&exemplar, 1, &f->label);
		encode_text(&f->label, 1, "span_id");
		encode_text(&f->label, 2, "b7ad6b7169203331");
		encode_nested(&exemplar, 1, &f->label);
		real(&exemplar, 2, 0.25);
		encode_number(&f->inner, 1, seconds[i]);
		encode_nested(&exemplar, 3, &f->inner);
		encode_nested(&f->value, 2, &exemplar);
	}
	end_metric(f, AS_COUNTER, 1);
	end_family(f, "name", COUNTER);
	point = decode(f, false);
	assert_int_equal(point->flags, WEIR_POINT_HAS_EXEMPLAR);
	assert_int_equal(point->exemplar_trace[0], 0x0a);
	assert_int_equal(point->exemplar_trace[15], 0x9c);
	assert_int_equal(point->exemplar_span[7], 0x31);
	assert_int_equal(point->exemplar_ns, UINT64_C(1700000002000000000));
	assert_true(point->exemplar_value == 0.25);
	weir_buf_fini(&exemplar);
}

/* ---- names, senders ----------------------------------------------------- */

static void istios_names_are_as_prometheus_knows_them(void **state)
{
	static const struct {
		const char *name, *want;
		unsigned naming;
	} names[] = {
		{ "istiocustom.istio_requests_total", "istio_requests_total", WEIR_NAMING_VERBATIM },
		{ "istio_build", "istio_build", WEIR_NAMING_VERBATIM },
		{ "server.live", "server.live", WEIR_NAMING_ENVOY },
		{ "istiocustomers", "istiocustomers", WEIR_NAMING_ENVOY },
	};
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		real(&f->value, 1, 1);
		end_metric(f, AS_COUNTER, 1);
		end_family(f, names[i].name, COUNTER);
	}
	decode(f, false);
	for (uint32_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_true(says(f, instrument(f, i)->name, names[i].want));
		assert_int_equal(instrument(f, i)->naming, names[i].naming);
	}
}

static bool has_attr(struct fixture *f, const struct weir_resource *resource, const char *key, const char *value)
{
	for (uint32_t i = 0; i < resource->attr_count; i++) {
		const struct weir_attr *attr = &weir_batch_attrs(f->batch)[resource->attr_first + i];

		if (says(f, attr->key, key)) {
			return says(f, attr->value.text, value);
		}
	}
	return false;
}

static void node_is_the_resource_of_all_messages_of_a_stream(void **state)
{
	struct fixture *f = *state;

	identify(f, SIDECAR, "details.default");
	for (int i = 0; i < 2; i++) {
		const struct weir_resource *resource;

		real(&f->value, 1, 1);
		end_metric(f, AS_COUNTER, 1);
		end_family(f, "name", COUNTER);
		decode(f, false);
		assert_int_equal(f->batch->resources.count, 1);
		resource = weir_batch_resources(f->batch);
		assert_true(says(f, resource->service, "details.default"));
		assert_true(says(f, resource->proxy, "details-v1-0ae45e8bec-cjht9.default"));
		assert_true(has_attr(f, resource, "service.name", "details.default"));
		assert_true(has_attr(f, resource, "service.instance.id", SIDECAR));
		assert_true(has_attr(f, resource, "k8s.namespace.name", "default"));
		assert_true(has_attr(f, resource, "istio.workload.name", "details-v1"));
		assert_true(f->batch->size_bytes < 4096); /* none of the node's 30 KiB of extensions */
	}
}

static void stream_without_a_node_has_a_nameless_resource(void **state)
{
	struct fixture *f = *state;

	real(&f->value, 1, 1);
	end_metric(f, AS_COUNTER, 1);
	end_family(f, "name", COUNTER);
	decode(f, false);
	assert_false(f->sender.is_known);
	assert_int_equal(weir_batch_resources(f->batch)->service.length, 0);
	assert_int_equal(weir_batch_resources(f->batch)->attr_count, 0);
	assert_int_equal(f->batch->kept, 1);
}

static void identifier_alone_offers_nothing(void **state)
{
	struct fixture *f = *state;

	identify(f, SIDECAR, "details.default");
	assert_int_equal(try(f, false), 0);
	assert_int_equal(f->batch->offered, 0);
	assert_true(f->sender.is_known);
}

/* ---- hostile ------------------------------------------------------------ */

static void too_many_labels_are_invalid(void **state)
{
	struct fixture *f = *state;

	for (int n = 64; n <= 65; n++) {
		for (int i = 0; i < n; i++) {
			char name[16];

			snprintf(name, sizeof(name), "l%d", i);
			label(f, name, "x");
		}
		real(&f->value, 1, 1);
		end_metric(f, AS_COUNTER, 1);
		end_family(f, "name", COUNTER);
		decode(f, false);
		assert_int_equal(f->batch->kept, n == 64);
		assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], n == 65);
	}
}

static void malformed_family_spoils_the_message(void **state)
{
	struct fixture *f = *state;

	real(&f->value, 1, 1);
	end_metric(f, AS_COUNTER, 1);
	end_family(f, "name", COUNTER);
	encode_bytes(&f->message, 2, "\x22\x05\x07", 3); /* a metric that is longer than its family */
	assert_int_equal(try(f, false), WEIR_DECODE_MALFORMED);
	assert_non_null(f->draft.error);
	encode_bytes(&f->message, 1, "\x0a\x7f", 2);
	assert_int_equal(try(f, false), WEIR_DECODE_MALFORMED);
}

static void invalid_text_is_repaired_and_counted(void **state)
{
	struct fixture *f = *state;

	label(f, "a", "\xff");
	real(&f->value, 1, 1);
	end_metric(f, AS_COUNTER, 1);
	end_family(f, "na\xfeme", COUNTER);
	decode(f, false);
	assert_int_equal(f->batch->replaced_utf8, 2);
	assert_true(says(f, instrument(f, 0)->name, "na\xef\xbf\xbdme"));
}

static void full_arena_is_too_large(void **state)
{
	struct fixture *f = *state;

	weir_arena_fini(&f->arena);
	weir_arena_init(&f->arena, 256, 4096);
	for (int i = 0; i < 100; i++) {
		real(&f->value, 1, 1);
		end_metric(f, AS_COUNTER, 1);
		end_family(f, "name", COUNTER);
	}
	assert_int_equal(try(f, false), WEIR_DECODE_TOO_LARGE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(counter_is_a_sum_cumulative_unless_configured, setup, teardown),
		cmocka_unit_test_setup_teardown(gauge_and_untyped_are_gauges_with_their_labels, setup, teardown),
		cmocka_unit_test_setup_teardown(summaries_are_left_out_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(value_that_the_type_does_not_ask_for_is_invalid, setup, teardown),
		cmocka_unit_test_setup_teardown(counter_that_is_no_count_is_invalid, setup, teardown),
		cmocka_unit_test_setup_teardown(classic_buckets_are_taken_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(
			classic_buckets_that_contradict_themselves_are_invalid, setup, teardown),
		cmocka_unit_test_setup_teardown(histogram_without_buckets_has_count_and_sum_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(native_buckets_are_dense_from_one_index_lower, setup, teardown),
		cmocka_unit_test_setup_teardown(native_histogram_of_reals_is_rounded, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_native_histogram_is_one, setup, teardown),
		cmocka_unit_test_setup_teardown(native_histogram_that_cannot_be_is_invalid, setup, teardown),
		cmocka_unit_test_setup_teardown(newest_exemplar_that_names_a_trace_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(istios_names_are_as_prometheus_knows_them, setup, teardown),
		cmocka_unit_test_setup_teardown(node_is_the_resource_of_all_messages_of_a_stream, setup, teardown),
		cmocka_unit_test_setup_teardown(stream_without_a_node_has_a_nameless_resource, setup, teardown),
		cmocka_unit_test_setup_teardown(identifier_alone_offers_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(too_many_labels_are_invalid, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_family_spoils_the_message, setup, teardown),
		cmocka_unit_test_setup_teardown(invalid_text_is_repaired_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(full_arena_is_too_large, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
