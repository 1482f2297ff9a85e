/* test_owner_silent: an owner that falls silent gives up, and takes over again when it comes back; nothing is
 * counted twice on the way, also when weir restarts at any moment of it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/state.h"
#include "support/batch_maker.h"
#include "support/metric_of.h"

#define T0 1700000000000000000u
#define S 1000000000u
#define MS 1000000u
#define SECONDS 240u
#define SILENT_FROM 20u
#define SILENT_TO 120u

static struct weir_fold *fold_make(void)
{
	const struct weir_fold_opts opts = { .max_series = 1000, .hash_seed = 42 };
	struct weir_fold *fold;

	assert_int_equal(weir_fold_create(&opts, &fold), 0);
	return fold;
}

/* What a restart does: only what is saved goes on. */
static void restart(struct weir_fold **fold)
{
	struct weir_buf image;

	weir_buf_init(&image, 0);
	assert_int_equal(weir_fold_cut(*fold, true, &image), 0);
	weir_fold_destroy(*fold);
	*fold = fold_make();
	assert_int_equal(weir_fold_load(*fold, weir_buf_str(&image)), 0);
	weir_buf_fini(&image);
}

/* The request of this second, which ended 300 ms into it. */
static void tell(struct weir_fold *fold, unsigned signal, unsigned second, uint64_t now_ns)
{
	static const uint8_t protocols[WEIR_SIGNALS] = { [WEIR_SIGNAL_ACCESS_LOG] = WEIR_PROTOCOL_ALS_V3,
		[WEIR_SIGNAL_LOG] = WEIR_PROTOCOL_OTLP_GRPC,
		[WEIR_SIGNAL_MIXER] = WEIR_PROTOCOL_MIXER };
	struct batch_maker maker = { 0 };
	struct weir_request *request;
	char id[32];

	batch_maker_begin(&maker, protocols[signal], signal, "node", now_ns);
	batch_maker_workload(&maker, "productpage", "default", "v1");
	batch_maker_resource(&maker, "productpage");
	request = batch_maker_request(&maker);
	snprintf(id, sizeof(id), "id-%u", second);
	request->call.proxy = batch_maker_text(&maker, "productpage-v1.default");
	request->call.source = 0;
	request->start_ns = T0 + second * (uint64_t)S + 100 * MS;
	request->duration_ns = 200 * MS;
	request->request_id = batch_maker_text(&maker, id);
	request->response_code = 200;
	if (signal == WEIR_SIGNAL_LOG) {
		batch_maker_log(&maker);
	}
	assert_int_equal(weir_fold_batch(fold, batch_maker_finish(&maker)), 0);
	batch_maker_fini(&maker);
}

/* The proxy's own count of requests so far, as it was at time_ns. */
static void own(struct weir_fold *fold, int64_t value, uint64_t time_ns)
{
	struct batch_maker maker = { 0 };
	struct weir_point *point;
	uint32_t instrument;

	batch_maker_begin(&maker, WEIR_PROTOCOL_METRICS_V3, WEIR_SIGNAL_METRIC_POINT, "node", time_ns + 50 * MS);
	batch_maker_resource(&maker, "productpage");
	((struct weir_resource *)maker.resources.data)->proxy = batch_maker_text(&maker, "productpage-v1.default");
	instrument = batch_maker_instrument(
		&maker, "istio_requests_total", WEIR_INSTRUMENT_SUM, WEIR_TEMPORALITY_CUMULATIVE);
	batch_maker_instrument_row(&maker, instrument)->naming = WEIR_NAMING_VERBATIM;
	point = batch_maker_point(&maker, instrument);
	point->flags = WEIR_POINT_IS_INT;
	point->time_ns = time_ns;
	point->value.integer = value;
	point->attr_count = 1;
	batch_maker_tag(&maker, "reporter", "source");
	assert_int_equal(weir_fold_batch(fold, batch_maker_finish(&maker)), 0);
	batch_maker_fini(&maker);
}

/* istio_requests_total, whoever counted: from logs, and passed on. */
static uint64_t requests_of(const struct weir_fold *fold)
{
	const struct weir_snapshot *snapshot;
	uint64_t sum = 0;

	assert_int_equal(weir_snapshot_make(fold, WEIR_SNAPSHOT_SERIES | WEIR_SNAPSHOT_POINTS, 0, T0, &snapshot), 0);
	for (uint32_t i = 0; i < snapshot->series_counts[metric_of(snapshot, "istio_requests_total")]; i++) {
		sum += snapshot->series[metric_of(snapshot, "istio_requests_total")][i].count;
	}
	for (uint32_t i = 0; i < snapshot->family_count; i++) {
		assert_int_not_equal(snapshot->families[i].metric, WEIR_NONE);
		for (uint32_t k = 0; k < snapshot->families[i].point_count; k++) {
			sum += (uint64_t)snapshot->families[i].points[k].whole;
		}
	}
	weir_snapshot_let_go(snapshot);
	return sum;
}

/* ALS is silent from SILENT_FROM to SILENT_TO, another log is not: after a
 * minute that one counts, until ALS is back. ALS comes `als_ms` into a second
 * or later, the other at 600 ms. */
static uint64_t als_falls_silent(unsigned other, uint64_t als_ms, unsigned restart_at)
{
	struct weir_fold *fold = fold_make();
	uint64_t sum;

	for (uint64_t ms = 0; ms < (SECONDS + 20) * 1000; ms += 100) {
		uint64_t als = ms - als_ms, log = ms - 600;
		bool has_als = ms >= als_ms && als % 1000 == 0 && als / 1000 < SECONDS &&
			       (als / 1000 < SILENT_FROM || als / 1000 >= SILENT_TO);

		if (has_als) {
			tell(fold, WEIR_SIGNAL_ACCESS_LOG, (unsigned)(als / 1000), T0 + ms * MS);
		}
		if (ms >= 600 && log % 1000 == 0 && log / 1000 < SECONDS) {
			tell(fold, other, (unsigned)(log / 1000), T0 + ms * MS);
		}
		if (ms == restart_at * 1000u + 700) {
			restart(&fold);
		}
	}
	sum = requests_of(fold);
	weir_fold_destroy(fold);
	return sum;
}

static void a_log_counts_while_als_is_silent_and_each_request_once(void **state)
{
	static const uint16_t delays_ms[] = { 400, 900, 3400, 9900 };

	(void)state;
	for (unsigned i = 0; i < sizeof(delays_ms) / sizeof(delays_ms[0]); i++) {
		uint64_t late_s = delays_ms[i] / 1000, sum = als_falls_silent(WEIR_SIGNAL_LOG, delays_ms[i], SECONDS);

		/* A minute after ALS came last, to the next edge, nobody is there to count. */
		assert_int_equal(sum, SECONDS - 60 - late_s);
		assert_int_equal(sum, als_falls_silent(WEIR_SIGNAL_MIXER, delays_ms[i], SECONDS));
		/* A restart at any moment around the edges changes nothing. */
		for (unsigned at = SILENT_FROM - 1; at < SECONDS; at += at % 7 == 0 ? 5 : 1) {
			assert_int_equal(als_falls_silent(WEIR_SIGNAL_LOG, delays_ms[i], at), sum);
		}
	}
}

static void the_best_that_is_heard_takes_over(void **state)
{
	struct weir_fold *fold = fold_make();

	(void)state;
	for (unsigned second = 0; second < 100; second++) {
		uint64_t now_ns = T0 + second * (uint64_t)S + 500 * MS;

		if (second < 10) {
			tell(fold, WEIR_SIGNAL_ACCESS_LOG, second, now_ns);
		}
		tell(fold, WEIR_SIGNAL_MIXER, second, now_ns);
		tell(fold, WEIR_SIGNAL_LOG, second, now_ns);
	}
	assert_int_equal(fold->owners.rows[1].sides[WEIR_REPORTER_SOURCE].rank, WEIR_OWNER_LOG);
	/* The edge after a minute's silence: 69.5 s is the first report after it, 70 s the edge. */
	assert_int_equal(requests_of(fold), 10 + 30);
	weir_fold_destroy(fold);
}

static void an_owner_that_is_back_before_the_edge_goes_on(void **state)
{
	struct weir_fold *fold = fold_make();

	(void)state;
	tell(fold, WEIR_SIGNAL_ACCESS_LOG, 0, T0 + 500 * MS);
	tell(fold, WEIR_SIGNAL_LOG, 70, T0 + 70 * (uint64_t)S + 300 * MS);
	assert_int_not_equal(fold->owners.rows[1].sides[WEIR_REPORTER_SOURCE].edge_ns, 0);
	tell(fold, WEIR_SIGNAL_ACCESS_LOG, 70, T0 + 70 * (uint64_t)S + 500 * MS);
	assert_int_equal(fold->owners.rows[1].sides[WEIR_REPORTER_SOURCE].edge_ns, 0);
	tell(fold, WEIR_SIGNAL_LOG, 71, T0 + 71 * (uint64_t)S + 500 * MS);
	tell(fold, WEIR_SIGNAL_ACCESS_LOG, 71, T0 + 71 * (uint64_t)S + 500 * MS);
	assert_int_equal(fold->owners.rows[1].sides[WEIR_REPORTER_SOURCE].rank, WEIR_OWNER_ALS);
	assert_int_equal(requests_of(fold), 3);
	weir_fold_destroy(fold);
}

static void an_owner_that_is_alone_is_never_given_up(void **state)
{
	struct weir_fold *fold = fold_make();

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		tell(fold, WEIR_SIGNAL_ACCESS_LOG, i * 600, T0 + i * 600 * (uint64_t)S);
	}
	assert_int_equal(requests_of(fold), 10);
	weir_fold_destroy(fold);
}

/* Its own counters go on inside the proxy, and are flushed every 5 s, but for a while. */
static uint64_t own_falls_silent(unsigned restart_at)
{
	struct weir_fold *fold = fold_make();
	uint64_t sum;

	for (unsigned second = 0; second <= SECONDS; second++) {
		if (second % 5 == 0 && (second < SILENT_FROM || second >= SILENT_TO)) {
			own(fold, second, T0 + second * (uint64_t)S);
		}
		if (second < SECONDS) {
			tell(fold, WEIR_SIGNAL_ACCESS_LOG, second, T0 + second * (uint64_t)S + 800 * MS);
		}
		if (second == restart_at) {
			restart(&fold);
		}
	}
	assert_int_equal(fold->edges.rows[0].counts[WEIR_EDGE_CLIENT_LOG]->requests, SECONDS);
	sum = requests_of(fold);
	weir_fold_destroy(fold);
	return sum;
}

static void logs_count_while_own_metrics_are_silent_and_each_request_once(void **state)
{
	(void)state;
	/* The last flush is of 15 s; a minute later, 75.8 s is the first report, 76 s the edge. What came between is
	 * in no flush that is counted: own begin again with the flush of 125 s. */
	assert_int_equal(own_falls_silent(SECONDS + 1), SECONDS - (76 - 15));
	for (unsigned at = 0; at <= SECONDS; at++) {
		assert_int_equal(own_falls_silent(at), SECONDS - (76 - 15));
	}
}

static void own_metrics_that_nobody_stands_in_for_lose_nothing(void **state)
{
	struct weir_fold *fold = fold_make();

	(void)state;
	own(fold, 5, T0);
	own(fold, 9, T0 + 300 * (uint64_t)S);
	assert_int_equal(requests_of(fold), 9);
	tell(fold, WEIR_SIGNAL_ACCESS_LOG, 400, T0 + 400 * (uint64_t)S + 800 * MS);
	own(fold, 10, T0 + 400 * (uint64_t)S + 900 * MS); /* before the edge */
	tell(fold, WEIR_SIGNAL_ACCESS_LOG, 401, T0 + 401 * (uint64_t)S + 800 * MS);
	own(fold, 11, T0 + 402 * (uint64_t)S);
	assert_int_equal(requests_of(fold), 11);
	weir_fold_destroy(fold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_log_counts_while_als_is_silent_and_each_request_once),
		cmocka_unit_test(the_best_that_is_heard_takes_over),
		cmocka_unit_test(an_owner_that_is_back_before_the_edge_goes_on),
		cmocka_unit_test(an_owner_that_is_alone_is_never_given_up),
		cmocka_unit_test(logs_count_while_own_metrics_are_silent_and_each_request_once),
		cmocka_unit_test(own_metrics_that_nobody_stands_in_for_lose_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
