/* envoy_histogram: classic and native histograms of Envoy's stats. */
#include "envoy_metrics.h"

#include <math.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(classic_buckets_are_taken_apart, setup, teardown),
		cmocka_unit_test_setup_teardown(
			classic_buckets_that_contradict_themselves_are_invalid, setup, teardown),
		cmocka_unit_test_setup_teardown(histogram_without_buckets_has_count_and_sum_alone, setup, teardown),
		cmocka_unit_test_setup_teardown(native_buckets_are_dense_from_one_index_lower, setup, teardown),
		cmocka_unit_test_setup_teardown(native_histogram_of_reals_is_rounded, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_native_histogram_is_one, setup, teardown),
		cmocka_unit_test_setup_teardown(native_histogram_that_cannot_be_is_invalid, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
