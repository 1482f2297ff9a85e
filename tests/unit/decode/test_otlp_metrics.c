/* Tests of the OTLP metrics decoder. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "decode/otlp/metrics.h"
#include "encode.h"

enum { GAUGE = 5, SUM = 7, HISTOGRAM = 9, EXPONENTIAL = 10, SUMMARY = 11 }; /* members of Metric */

static struct weir_arena arena;
static struct weir_buf body, metric, data, point, inner;
static struct weir_draft draft;
static struct weir_str peer_namespace; /* of the certificate */

static int setup(void **state)
{
	(void)state;
	weir_arena_init(&arena, 1 << 16, 1 << 24);
	weir_buf_init(&body, 0);
	weir_buf_init(&metric, 0);
	weir_buf_init(&data, 0);
	weir_buf_init(&point, 0);
	weir_buf_init(&inner, 0);
	peer_namespace = weir_str_make(NULL, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_arena_fini(&arena);
	weir_buf_fini(&body);
	weir_buf_fini(&metric);
	weir_buf_fini(&data);
	weir_buf_fini(&point);
	weir_buf_fini(&inner);
	return 0;
}

static void encode_double(struct weir_buf *out, uint32_t field, double value)
{
	uint64_t bits;

	memcpy(&bits, &value, sizeof(bits));
	encode_fixed64(out, field, bits);
}

/* `point` (cleared) as a point of `data`. */
static void point_end(void)
{
	encode_nested(&data, 1, &point);
}

/* `data` (cleared) as what `metric` is. */
static void data_end(uint32_t member, int temporality)
{
	if (temporality >= 0) {
		encode_number(&data, 2, (uint64_t)temporality);
	}
	encode_nested(&metric, member, &data);
}

/* `metric` (cleared) as the one metric of service "shop", decoded as a sound batch. */
static const struct weir_batch *decoded(void)
{
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_METRIC_POINT };
	const struct weir_batch *batch;

	if (metric.length > 0) {
		encode_request(&body, "shop", &metric);
	}
	weir_draft_init(&draft, &arena, weir_buf_str(&body));
	draft.peer_namespace = peer_namespace;
	assert_int_equal(weir_otlp_metrics_decode(&draft), 0);
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	weir_buf_clear(&body);
	return batch;
}

/* The only point of a batch of one. */
static const struct weir_point *only(const struct weir_batch *batch)
{
	assert_int_equal(batch->points.count, 1);
	assert_int_equal(batch->instruments.count, 1);
	assert_int_equal(batch->offered, 1);
	assert_int_equal(batch->kept, 1);
	return weir_batch_points(batch);
}

static void is_dropped(enum weir_drop reason)
{
	const struct weir_batch *batch = decoded();

	assert_int_equal(batch->offered, 1);
	assert_int_equal(batch->dropped[reason], 1);
	assert_int_equal(batch->points.count + batch->instruments.count + batch->resources.count, 0);
	assert_int_equal(batch->attrs.count, 0);
}

/* A gauge called "g" whose point has this number. */
static void gauge_encode(int64_t number)
{
	encode_text(&metric, 1, "g");
	encode_fixed64(&point, 6, (uint64_t)number);
	point_end();
	data_end(GAUGE, -1);
}

static void numbers_stay_what_they_are(void **state)
{
	const struct weir_batch *batch;
	const struct weir_point *row;

	(void)state;
	gauge_encode(-7);
	row = only(decoded());
	assert_int_equal(row->flags, WEIR_POINT_IS_INT);
	assert_int_equal(row->value.integer, -7);
	encode_text(&metric, 1, "g");
	encode_text(&metric, 2, "what it is");
	encode_text(&metric, 3, "By");
	encode_fixed64(&point, 2, 11);
	encode_fixed64(&point, 3, 12);
	encode_pair_text(&point, 7, "route", "/cart");
	encode_double(&point, 4, 0.25);
	point_end();
	data_end(GAUGE, -1);
	batch = decoded();
	row = only(batch);
	assert_int_equal(row->flags, 0);
	assert_true(row->value.real == 0.25);
	assert_int_equal(row->start_ns, 11);
	assert_int_equal(row->time_ns, 12);
	assert_int_equal(row->attr_count, 1);
	assert_true(weir_str_is(weir_batch_str(batch, weir_batch_attrs(batch)[row->attr_first].value.text), "/cart"));
	assert_true(weir_str_is(weir_batch_str(batch, weir_batch_instruments(batch)->name), "g"));
	assert_true(weir_str_is(weir_batch_str(batch, weir_batch_instruments(batch)->unit), "By"));
	assert_true(weir_str_is(weir_batch_str(batch, weir_batch_instruments(batch)->description), "what it is"));
	assert_int_equal(weir_batch_instruments(batch)->kind, WEIR_INSTRUMENT_GAUGE);
	assert_int_equal(weir_batch_instruments(batch)->naming, WEIR_NAMING_OTEL);
	assert_true(weir_str_is(weir_batch_str(batch, weir_batch_resources(batch)->service), "shop"));
}

static void what_a_metric_is_may_stand_behind_its_points(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	encode_fixed64(&point, 6, 1);
	point_end();
	encode_number(&data, 3, 1);
	data_end(SUM, WEIR_TEMPORALITY_DELTA);
	encode_text(&metric, 1, "requests");
	batch = decoded();
	only(batch);
	assert_int_equal(weir_batch_instruments(batch)->kind, WEIR_INSTRUMENT_SUM);
	assert_int_equal(weir_batch_instruments(batch)->temporality, WEIR_TEMPORALITY_DELTA);
	assert_int_equal(weir_batch_instruments(batch)->is_monotonic, 1);
	assert_true(weir_str_is(weir_batch_str(batch, weir_batch_instruments(batch)->name), "requests"));
}

static void histogram_encode(const uint64_t *counts, size_t count, const double *bounds, size_t bound_count)
{
	encode_text(&metric, 1, "h");
	encode_fixed64(&point, 4, 6);
	encode_bytes(&point, 6, counts, count * 8);
	encode_bytes(&point, 7, bounds, bound_count * 8);
	point_end();
	data_end(HISTOGRAM, WEIR_TEMPORALITY_CUMULATIVE);
}

static void packed_arrays_stay_where_they_are(void **state)
{
	static const uint64_t counts[] = { 1, 2, 3 };
	static const double bounds[] = { 0.5, 10 };
	const struct weir_batch *batch;
	const struct weir_point *row;

	(void)state;
	histogram_encode(counts, 3, bounds, 2);
	batch = decoded();
	row = only(batch);
	assert_int_equal(row->count, 6);
	assert_int_equal(row->flags, 0); /* no sum, no minimum, no maximum was told */
	assert_int_equal(row->counts.length, 24);
	assert_int_equal(row->bounds.length, 16);
	assert_int_equal(weir_batch_number(batch, row->counts, 2), 3);
	assert_true(weir_batch_real(batch, row->bounds, 0) == 0.5);
	assert_int_equal(draft.extra_length, 0);
}

static void arrays_in_pieces_are_put_together(void **state)
{
	static const double ten = 10;
	const struct weir_batch *batch;
	const struct weir_point *row;

	(void)state;
	encode_text(&metric, 1, "h");
	encode_fixed64(&point, 6, 1);
	encode_double(&point, 7, 0.5);
	encode_fixed64(&point, 6, 2);
	encode_bytes(&point, 7, &ten, 8);
	encode_fixed64(&point, 6, 3);
	encode_double(&point, 5, 0);
	encode_double(&point, 11, -1);
	encode_double(&point, 12, 20);
	point_end();
	data_end(HISTOGRAM, WEIR_TEMPORALITY_DELTA);
	batch = decoded();
	row = only(batch);
	assert_int_equal(row->counts.length, 24);
	assert_int_equal(weir_batch_number(batch, row->counts, 0), 1);
	assert_int_equal(weir_batch_number(batch, row->counts, 2), 3);
	assert_int_equal(row->bounds.length, 16);
	assert_true(weir_batch_real(batch, row->bounds, 1) == 10);
	assert_int_equal(row->flags, WEIR_POINT_HAS_SUM | WEIR_POINT_HAS_MIN | WEIR_POINT_HAS_MAX);
	assert_true(row->min == -1 && row->max == 20);
}

static void buckets_that_do_not_fit_are_invalid(void **state)
{
	static const uint64_t counts[] = { 1, 2, 3 };
	static const double rising[] = { 1, 2, 3 }, level[] = { 1, 1 }, falling[] = { 2, 1 };
	const double odd[] = { 1, NAN }, endless[] = { -INFINITY, 1 }, twice[] = { INFINITY, INFINITY };
	const struct {
		size_t counts, bound_count;
		const double *bounds;
	} rows[] = { { 3, 3, rising }, { 3, 1, rising }, { 0, 1, rising }, { 3, 2, level }, { 3, 2, falling },
		{ 3, 2, odd }, { 3, 2, endless }, { 3, 2, twice } };
	uint64_t *many = calloc(WEIR_OTLP_BOUNDS_MAX + 2, sizeof(*many));
	double *bounds = calloc(WEIR_OTLP_BOUNDS_MAX + 1, sizeof(*bounds));

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		histogram_encode(counts, rows[i].counts, rows[i].bounds, rows[i].bound_count);
		is_dropped(WEIR_DROP_INVALID);
	}
	for (unsigned i = 0; i <= WEIR_OTLP_BOUNDS_MAX; i++) {
		bounds[i] = i;
	}
	histogram_encode(many, WEIR_OTLP_BOUNDS_MAX + 2, bounds, WEIR_OTLP_BOUNDS_MAX + 1);
	is_dropped(WEIR_DROP_INVALID);
	histogram_encode(many, WEIR_OTLP_BOUNDS_MAX + 1, bounds, WEIR_OTLP_BOUNDS_MAX);
	only(decoded());
	/* Neither of the two: a count and perhaps a sum. */
	histogram_encode(counts, 0, rising, 0);
	only(decoded());
	free(many);
	free(bounds);
}

static void a_last_bound_of_infinity_is_left_out(void **state)
{
	static const uint64_t counts[] = { 1, 2, 3 };
	const double bounds[] = { 0.5, INFINITY };
	const struct weir_batch *batch;
	const struct weir_point *row;

	(void)state;
	histogram_encode(counts, 3, bounds, 2);
	row = only(batch = decoded());
	assert_true(row->bounds.length == 8 && row->counts.length == 16);
	assert_int_equal(weir_batch_number(batch, row->counts, 0), 1);
	assert_int_equal(weir_batch_number(batch, row->counts, 1), 5);
	histogram_encode(counts + 1, 2, bounds + 1, 1);
	row = only(batch = decoded());
	assert_true(row->bounds.length == 0 && row->counts.length == 8);
	assert_int_equal(weir_batch_number(batch, row->counts, 0), 5);
}

static void temporality_must_be_told(void **state)
{
	static const uint32_t members[] = { SUM, HISTOGRAM, EXPONENTIAL };
	static const int untold[] = { -1, 0, 3 };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		for (size_t k = 0; k < 3; k++) {
			encode_text(&metric, 1, "m");
			encode_fixed64(&point, 4, 0); /* a value, or a count */
			point_end();
			data_end(members[i], untold[k]);
			is_dropped(WEIR_DROP_INVALID);
		}
	}
}

static void metric_without_name_or_data_is_invalid(void **state)
{
	(void)state;
	encode_fixed64(&point, 6, 1);
	point_end();
	data_end(GAUGE, -1);
	is_dropped(WEIR_DROP_INVALID);
	encode_text(&metric, 1, "of a kind that is not known");
	is_dropped(WEIR_DROP_INVALID);
}

static void point_without_value_is_invalid_unless_it_says_so(void **state)
{
	(void)state;
	encode_text(&metric, 1, "g");
	encode_pair_text(&point, 7, "a", "b");
	point_end();
	data_end(GAUGE, -1);
	is_dropped(WEIR_DROP_INVALID);
	encode_text(&metric, 1, "g");
	encode_pair_text(&point, 7, "a", "b");
	encode_number(&point, 8, 1);
	point_end();
	data_end(GAUGE, -1);
	is_dropped(WEIR_DROP_NO_VALUE);
}

/* Zigzag. */
static uint64_t sint(int32_t value)
{
	return (uint32_t)value << 1 ^ (value < 0 ? UINT32_MAX : 0);
}

static void exponential_encode(int32_t scale, int32_t offset)
{
	static const char packed[] = { 1, 0, (char)0xac, 2 }; /* 1, 0, 300 */

	encode_text(&metric, 1, "e");
	encode_number(&inner, 1, sint(offset));
	encode_bytes(&inner, 2, packed, sizeof(packed));
	encode_nested(&point, 8, &inner);
	encode_number(&inner, 1, sint(2));
	encode_number(&inner, 2, 5);
	encode_number(&inner, 2, 6);
	encode_nested(&point, 9, &inner);
	encode_fixed64(&point, 4, 313);
	encode_number(&point, 6, sint(scale));
	encode_fixed64(&point, 7, 1);
	encode_double(&point, 14, 0.125);
	point_end();
	data_end(EXPONENTIAL, WEIR_TEMPORALITY_DELTA);
}

static void exponential_buckets_are_dense_from_their_offsets(void **state)
{
	const struct weir_batch *batch;
	const struct weir_point *row;

	(void)state;
	exponential_encode(-3, -4);
	batch = decoded();
	row = only(batch);
	assert_int_equal(row->scale, -3);
	assert_int_equal(row->positive_offset, -4);
	assert_int_equal(row->negative_offset, 2);
	assert_int_equal(row->counts.length, 24);
	assert_int_equal(weir_batch_number(batch, row->counts, 0), 1);
	assert_int_equal(weir_batch_number(batch, row->counts, 2), 300);
	assert_int_equal(row->negative.length, 16);
	assert_int_equal(weir_batch_number(batch, row->negative, 1), 6);
	assert_int_equal(row->zero_count, 1);
	assert_true(row->zero_threshold == 0.125);
}

static void impossible_scales_and_indexes_are_invalid(void **state)
{
	(void)state;
	exponential_encode(-11, 0);
	is_dropped(WEIR_DROP_INVALID);
	exponential_encode(21, 0);
	is_dropped(WEIR_DROP_INVALID);
	exponential_encode(0, INT32_MAX - 2);
	is_dropped(WEIR_DROP_INVALID);
	exponential_encode(-10, INT32_MAX - 3);
	only(decoded());
	exponential_encode(20, INT32_MIN);
	only(decoded());
}

static void summary_keeps_quantiles_and_their_values(void **state)
{
	static const double seconds[] = { 1, 1.5, 0.5, 0.25, NAN }; /* quantiles behind 0.5: in range, and ascending? */
	const struct weir_batch *batch;
	const struct weir_point *row;

	(void)state;
	for (size_t i = 0; i < sizeof(seconds) / sizeof(seconds[0]); i++) {
		encode_text(&metric, 1, "s");
		encode_fixed64(&point, 4, 9);
		encode_double(&inner, 1, 0.5);
		encode_double(&inner, 2, 3);
		encode_nested(&point, 6, &inner);
		encode_double(&inner, 1, seconds[i]);
		encode_double(&inner, 2, 8);
		encode_nested(&point, 6, &inner);
		point_end();
		data_end(SUMMARY, -1);
		if (i > 0) {
			is_dropped(WEIR_DROP_INVALID);
			continue;
		}
		batch = decoded();
		row = only(batch);
		assert_int_equal(row->flags, WEIR_POINT_HAS_SUM);
		assert_int_equal(row->count, 9);
		assert_true(weir_batch_real(batch, row->bounds, 1) == 1);
		assert_true(weir_batch_real(batch, row->counts, 0) == 3 && weir_batch_real(batch, row->counts, 1) == 8);
	}
}

static void exemplar_encode(uint64_t time_ns, double value, uint8_t trace, size_t trace_length)
{
	uint8_t id[16] = { [15] = trace };

	encode_fixed64(&inner, 2, time_ns);
	encode_double(&inner, 3, value);
	encode_bytes(&inner, 5, id, trace_length);
	encode_nested(&point, 5, &inner);
}

static void newest_exemplar_with_a_trace_is_kept(void **state)
{
	const struct weir_point *row;

	(void)state;
	encode_text(&metric, 1, "g");
	encode_fixed64(&point, 6, 1);
	exemplar_encode(5, 0.5, 1, 16);
	exemplar_encode(7, 0.7, 2, 16);
	exemplar_encode(6, 0.6, 3, 16);
	exemplar_encode(9, 0.9, 0, 16); /* no trace */
	exemplar_encode(9, 0.9, 1, 8);
	point_end();
	data_end(GAUGE, -1);
	row = only(decoded());
	assert_int_equal(row->flags, WEIR_POINT_IS_INT | WEIR_POINT_HAS_EXEMPLAR);
	assert_int_equal(row->exemplar_ns, 7);
	assert_true(row->exemplar_value == 0.7);
	assert_int_equal(row->exemplar_trace[15], 2);
}

static void last_member_of_a_metric_is_what_it_is(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	encode_text(&metric, 1, "m");
	encode_fixed64(&point, 6, 1);
	point_end();
	data_end(GAUGE, -1);
	encode_fixed64(&point, 6, 2);
	point_end();
	data_end(SUM, WEIR_TEMPORALITY_CUMULATIVE);
	/* The same member once more: one message, in two parts. */
	encode_fixed64(&point, 6, 3);
	point_end();
	data_end(SUM, -1);
	batch = decoded();
	assert_int_equal(batch->points.count, 2);
	assert_int_equal(batch->offered, 2);
	assert_int_equal(weir_batch_instruments(batch)->kind, WEIR_INSTRUMENT_SUM);
	assert_int_equal(weir_batch_points(batch)[0].value.integer, 2);
	assert_int_equal(weir_batch_points(batch)[1].value.integer, 3);
}

/* A gauge of this name in an Envoy's resource, or in another's. */
static const struct weir_batch *named(const char *name, bool is_envoy)
{
	struct weir_buf group;

	weir_buf_init(&group, 0);
	encode_pair_text(&inner, 1, "service.name", "reviews.default");
	encode_pair_text(&inner, 1, "telemetry.sdk.name", is_envoy ? "envoy" : "opentelemetry");
	encode_pair_text(&inner, 1, "k8s.pod.name", "reviews-v1-5f8d7c9b6-8xv7d");
	encode_pair_text(&inner, 1, "k8s.namespace.name", "default");
	encode_nested(&group, 1, &inner);
	encode_text(&metric, 1, name);
	encode_fixed64(&point, 6, 1);
	point_end();
	data_end(GAUGE, -1);
	encode_nested(&inner, 2, &metric);
	encode_nested(&group, 2, &inner);
	encode_nested(&body, 1, &group);
	weir_buf_fini(&group);
	return decoded();
}

static void names_are_spelled_as_their_makers_do(void **state)
{
	static const struct {
		const char *name, *kept;
		bool is_envoy;
		enum weir_instrument_naming naming;
	} cases[] = {
		{ "cluster.upstream_rq", "cluster.upstream_rq", true, WEIR_NAMING_ENVOY },
		{ "cluster.upstream_rq", "cluster.upstream_rq", false, WEIR_NAMING_OTEL },
		{ "istiocustom.istio_requests_total", "istio_requests_total", true, WEIR_NAMING_VERBATIM },
		{ "istio_requests_total", "istio_requests_total", true, WEIR_NAMING_VERBATIM },
		{ "istiocustom.", "istiocustom.", true, WEIR_NAMING_ENVOY },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct weir_batch *batch = named(cases[i].name, cases[i].is_envoy);

		assert_int_equal(weir_batch_instruments(batch)->naming, cases[i].naming);
		assert_true(weir_str_is(weir_batch_str(batch, weir_batch_instruments(batch)->name), cases[i].kept));
	}
}

static void envoy_has_the_name_that_its_signals_agree_on(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	batch = named("server.uptime", true);
	assert_true(weir_str_is(
		weir_batch_str(batch, weir_batch_resources(batch)->proxy), "reviews-v1-5f8d7c9b6-8xv7d.default"));
	batch = named("process.uptime", false);
	assert_int_equal(weir_batch_resources(batch)->proxy.length, 0);
}

static void claim_of_another_namespace_is_counted(void **state)
{
	(void)state;
	peer_namespace = weir_str_of("default");
	assert_int_equal(named("g", false)->mismatched, 0);
	peer_namespace = weir_str_of("shop");
	assert_int_equal(named("g", false)->mismatched, 1);
}

static void malformed_bodies_are_refused(void **state)
{
	static const uint64_t counts[] = { 1, 2, 3 };
	static const double bounds[] = { 1, 2 };

	(void)state;
	histogram_encode(counts, 3, bounds, 2);
	encode_request(&body, "shop", &metric);
	for (size_t length = 1; length < body.length; length++) {
		weir_draft_init(&draft, &arena, weir_str_make(body.data, length));
		assert_int_equal(weir_otlp_metrics_decode(&draft), WEIR_DECODE_MALFORMED);
		assert_non_null(draft.error);
	}
	weir_buf_clear(&body);
	/* An array that ends in the middle of a number. */
	encode_text(&metric, 1, "h");
	encode_bytes(&point, 6, counts, 12);
	point_end();
	data_end(HISTOGRAM, WEIR_TEMPORALITY_DELTA);
	encode_request(&body, "shop", &metric);
	weir_draft_init(&draft, &arena, weir_buf_str(&body));
	assert_int_equal(weir_otlp_metrics_decode(&draft), WEIR_DECODE_MALFORMED);
}

static void full_arena_is_too_large(void **state)
{
	struct weir_arena small;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		gauge_encode(i);
		encode_request(&body, "shop", &metric);
	}
	weir_arena_init(&small, 1 << 12, 1 << 16);
	weir_draft_init(&draft, &small, weir_buf_str(&body));
	assert_int_equal(weir_otlp_metrics_decode(&draft), WEIR_DECODE_TOO_LARGE);
	weir_arena_fini(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(numbers_stay_what_they_are, setup, teardown),
		cmocka_unit_test_setup_teardown(what_a_metric_is_may_stand_behind_its_points, setup, teardown),
		cmocka_unit_test_setup_teardown(packed_arrays_stay_where_they_are, setup, teardown),
		cmocka_unit_test_setup_teardown(arrays_in_pieces_are_put_together, setup, teardown),
		cmocka_unit_test_setup_teardown(buckets_that_do_not_fit_are_invalid, setup, teardown),
		cmocka_unit_test_setup_teardown(a_last_bound_of_infinity_is_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(temporality_must_be_told, setup, teardown),
		cmocka_unit_test_setup_teardown(metric_without_name_or_data_is_invalid, setup, teardown),
		cmocka_unit_test_setup_teardown(point_without_value_is_invalid_unless_it_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(exponential_buckets_are_dense_from_their_offsets, setup, teardown),
		cmocka_unit_test_setup_teardown(impossible_scales_and_indexes_are_invalid, setup, teardown),
		cmocka_unit_test_setup_teardown(summary_keeps_quantiles_and_their_values, setup, teardown),
		cmocka_unit_test_setup_teardown(newest_exemplar_with_a_trace_is_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(last_member_of_a_metric_is_what_it_is, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_spelled_as_their_makers_do, setup, teardown),
		cmocka_unit_test_setup_teardown(envoy_has_the_name_that_its_signals_agree_on, setup, teardown),
		cmocka_unit_test_setup_teardown(claim_of_another_namespace_is_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(malformed_bodies_are_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(full_arena_is_too_large, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
