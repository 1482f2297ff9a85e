/* envoy_metrics: what single families become; histograms are in
 * test_envoy_histogram.c, whole captures in test_envoy_metrics_facts.c. */
#include "envoy_metrics.h"

#include <math.h>
#include <stdio.h>

#define SIDECAR "sidecar~10.0.0.5~details-v1-0ae45e8bec-cjht9.default~default.svc.cluster.local"
#define TRACE "0af7651916cd43dd8448eb211c80319c"

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
