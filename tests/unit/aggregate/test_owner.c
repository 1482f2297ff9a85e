/* test_owner: each request is counted once, whichever signals tell of it, in any order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "aggregate/state.h"
#include "support/batch_maker.h"
#include "support/batch_random.h"
#include "support/ruleset_of.h"
#include "support/metric_of.h"

#define T0 1700000000000000000u
#define S 1000000000u
#define REQUESTS 40u

static struct weir_fold *fold_make(enum weir_fold_istio istio)
{
	const struct weir_fold_opts opts = { .max_series = 1000, .hash_seed = 42, .istio = istio };
	struct weir_fold *fold;

	assert_int_equal(weir_fold_create(&opts, &fold), 0);
	return fold;
}

/* Requests from `first` on, which ended at `end_ns`, as `signal` tells of them; 0: each at a time of its own before T0. */
static void tell(
	struct weir_fold *fold, unsigned signal, unsigned first, unsigned count, uint64_t end_ns, uint64_t now_ns)
{
	static const uint8_t protocols[WEIR_SIGNALS] = { [WEIR_SIGNAL_ACCESS_LOG] = WEIR_PROTOCOL_ALS_V3,
		[WEIR_SIGNAL_LOG] = WEIR_PROTOCOL_OTLP_GRPC,
		[WEIR_SIGNAL_MIXER] = WEIR_PROTOCOL_MIXER };
	struct batch_maker maker = { 0 };
	char id[32];

	batch_maker_begin(&maker, protocols[signal], signal, "node", now_ns);
	batch_maker_workload(&maker, "productpage", "default", "v1");
	batch_maker_resource(&maker, "productpage");
	for (unsigned i = first; i < first + count; i++) {
		struct weir_request *request = batch_maker_request(&maker);

		snprintf(id, sizeof(id), "id-%u", i / 2); /* two of one id differ in their start */
		request->call.proxy = batch_maker_text(&maker, "productpage-v1.default");
		request->call.source = 0;
		request->start_ns = end_ns != 0 ? end_ns - (uint64_t)i * 1000 : T0 - 5000 - (uint64_t)i * 1000;
		request->duration_ns = end_ns != 0 ? end_ns - request->start_ns : 0;
		request->request_id = batch_maker_text(&maker, id);
		request->response_code = 200;
		request = batch_maker_request(&maker); /* the same, as the callee's side of the proxy saw it */
		*request = *(request - 1);
		request->call.reporter = WEIR_REPORTER_DESTINATION;
		if (signal == WEIR_SIGNAL_LOG) {
			batch_maker_log(&maker);
			batch_maker_log(&maker);
		}
	}
	assert_int_equal(weir_fold_batch(fold, batch_maker_finish(&maker)), 0);
	batch_maker_fini(&maker);
}

static void tell_of(struct weir_fold *fold, unsigned signal, unsigned first, unsigned count, uint64_t now_ns)
{
	tell(fold, signal, first, count, 0, now_ns);
}

/* … which ended as they are told of. */
static void tell_at(struct weir_fold *fold, unsigned signal, unsigned first, unsigned count, uint64_t now_ns)
{
	tell(fold, signal, first, count, now_ns, now_ns);
}

static uint64_t sum_of(const struct weir_fold *fold, const char *metric)
{
	const struct weir_snapshot *snapshot;
	uint64_t sum = 0;

	assert_int_equal(weir_snapshot_make(fold, WEIR_SNAPSHOT_SERIES, 0, T0, &snapshot), 0);
	for (uint32_t i = 0; i < snapshot->series_counts[metric_of(snapshot, metric)]; i++) {
		sum += snapshot->series[metric_of(snapshot, metric)][i].count;
	}
	weir_snapshot_let_go(snapshot);
	return sum;
}

static uint64_t edge_sum(const struct weir_fold *fold, unsigned evidence)
{
	const struct weir_edge_counts *counts = fold->edges.count > 0 ? fold->edges.rows[0].counts[evidence] : NULL;

	return counts != NULL ? counts->requests : 0;
}

static void access_logs_alone_are_counted_and_not_remembered(void **state)
{
	struct weir_fold *fold = fold_make(WEIR_FOLD_ISTIO_AUTO);

	(void)state;
	tell_of(fold, WEIR_SIGNAL_ACCESS_LOG, 0, REQUESTS, T0);
	tell_of(fold, WEIR_SIGNAL_ACCESS_LOG, REQUESTS, REQUESTS, T0 + S);
	assert_int_equal(sum_of(fold, "istio_requests_total"), 4 * REQUESTS);
	assert_int_equal(fold->owners.slots.count, 0);
	weir_fold_destroy(fold);
}

/* Three signals, one after another, in every order, within a second and far apart. */
static void each_order_of_signals_counts_each_request_once(void **state)
{
	static const uint8_t orders[6][3] = { { WEIR_SIGNAL_ACCESS_LOG, WEIR_SIGNAL_LOG, WEIR_SIGNAL_MIXER },
		{ WEIR_SIGNAL_ACCESS_LOG, WEIR_SIGNAL_MIXER, WEIR_SIGNAL_LOG },
		{ WEIR_SIGNAL_LOG, WEIR_SIGNAL_ACCESS_LOG, WEIR_SIGNAL_MIXER },
		{ WEIR_SIGNAL_LOG, WEIR_SIGNAL_MIXER, WEIR_SIGNAL_ACCESS_LOG },
		{ WEIR_SIGNAL_MIXER, WEIR_SIGNAL_ACCESS_LOG, WEIR_SIGNAL_LOG },
		{ WEIR_SIGNAL_MIXER, WEIR_SIGNAL_LOG, WEIR_SIGNAL_ACCESS_LOG } };

	(void)state;
	for (unsigned i = 0; i < 6; i++) {
		for (uint64_t gap = 0; gap < 16; gap += 5) {
			struct weir_fold *fold = fold_make(WEIR_FOLD_ISTIO_AUTO);

			for (unsigned k = 0; k < 3; k++) {
				tell_of(fold, orders[i][k], 0, REQUESTS, T0 + k * gap * S);
			}
			assert_int_equal(sum_of(fold, "istio_requests_total"), 2 * REQUESTS);
			assert_int_equal(edge_sum(fold, WEIR_EDGE_CLIENT_LOG), REQUESTS);
			assert_int_equal(edge_sum(fold, WEIR_EDGE_SERVER_LOG), REQUESTS);
			weir_fold_destroy(fold);
		}
	}
}

/* Each signal tells of all requests in order, in pieces; who comes next is drawn. */
static void each_interleaving_counts_each_request_once(void **state)
{
	static const uint8_t signals[3] = { WEIR_SIGNAL_ACCESS_LOG, WEIR_SIGNAL_LOG, WEIR_SIGNAL_MIXER };

	(void)state;
	for (unsigned seed = 0; seed < 300; seed++) {
		struct batch_random random = { .state = seed };
		struct weir_fold *fold = fold_make(WEIR_FOLD_ISTIO_AUTO);
		unsigned told[3] = { 0 }, kinds = 2 + seed % 2;
		uint64_t now_ns = T0;

		while (told[0] < REQUESTS || told[1] < REQUESTS || (kinds == 3 && told[2] < REQUESTS)) {
			unsigned who = (unsigned)batch_random_number(&random, kinds);
			unsigned count = 1 + (unsigned)batch_random_number(&random, 6);

			count = count < REQUESTS - told[who] ? count : REQUESTS - told[who];
			if (count > 0) {
				tell_of(fold, signals[who], told[who], count, now_ns);
				told[who] += count;
			}
			now_ns += seed % 3 == 0 ? 0 : batch_random_number(&random, S);
		}
		assert_int_equal(sum_of(fold, "istio_requests_total"), 2 * REQUESTS);
		weir_fold_destroy(fold);
	}
}

/* Also when the tables are saved and loaded in between. */
static void a_restart_around_a_change_counts_no_request_twice(void **state)
{
	struct weir_fold *fold = fold_make(WEIR_FOLD_ISTIO_AUTO), *restarted = fold_make(WEIR_FOLD_ISTIO_AUTO);
	struct weir_buf image;

	(void)state;
	tell_of(fold, WEIR_SIGNAL_LOG, 0, REQUESTS, T0);
	tell_of(fold, WEIR_SIGNAL_ACCESS_LOG, 0, 10, T0 + 5 * (uint64_t)S);
	weir_buf_init(&image, 0);
	assert_int_equal(weir_fold_cut(fold, true, &image), 0);
	assert_int_equal(weir_fold_load(restarted, weir_buf_str(&image)), 0);
	tell_of(restarted, WEIR_SIGNAL_ACCESS_LOG, 10, REQUESTS - 10, T0 + 9 * (uint64_t)S);
	tell_of(restarted, WEIR_SIGNAL_ACCESS_LOG, REQUESTS, 7, T0 + 10 * (uint64_t)S);
	assert_int_equal(sum_of(restarted, "istio_requests_total"), 2 * (REQUESTS + 7));
	weir_buf_fini(&image);
	weir_fold_destroy(fold);
	weir_fold_destroy(restarted);
}

/* The proxy's own istio_requests_total, for one side, as it was at time_ns. */
static void own_at(struct weir_fold *fold, const char *reporter, int64_t value, uint64_t time_ns, uint64_t now_ns)
{
	struct batch_maker maker = { 0 };
	struct weir_point *point;
	uint32_t instrument;

	batch_maker_begin(&maker, WEIR_PROTOCOL_METRICS_V3, WEIR_SIGNAL_METRIC_POINT, "node", now_ns);
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
	batch_maker_tag(&maker, "reporter", reporter);
	assert_int_equal(weir_fold_batch(fold, batch_maker_finish(&maker)), 0);
	batch_maker_fini(&maker);
}

static void own(struct weir_fold *fold, const char *reporter, int64_t value, uint64_t now_ns)
{
	own_at(fold, reporter, value, now_ns, now_ns);
}

static int64_t own_sum(const struct weir_fold *fold)
{
	const struct weir_snapshot *snapshot;
	int64_t sum = 0;

	assert_int_equal(weir_snapshot_make(fold, WEIR_SNAPSHOT_POINTS, 0, T0, &snapshot), 0);
	for (uint32_t i = 0; i < snapshot->family_count; i++) {
		assert_int_not_equal(snapshot->families[i].metric, WEIR_NONE);
		for (uint32_t k = 0; k < snapshot->families[i].point_count; k++) {
			sum += snapshot->families[i].points[k].whole;
		}
	}
	weir_snapshot_let_go(snapshot);
	return sum;
}

static void a_proxys_own_metrics_own_from_the_first_flush_after_the_next_second(void **state)
{
	struct weir_fold *fold = fold_make(WEIR_FOLD_ISTIO_AUTO);

	(void)state;
	tell_at(fold, WEIR_SIGNAL_ACCESS_LOG, 0, 10, T0);
	own(fold, "source", 1000, T0); /* what was before is not counted again */
	tell_at(fold, WEIR_SIGNAL_ACCESS_LOG, 10, 10, T0 + S / 2);
	assert_int_equal(own_sum(fold), 0);
	own(fold, "source", 1030, T0 + 2 * (uint64_t)S); /* nor what logs tell of up to here */
	tell_of(fold, WEIR_SIGNAL_ACCESS_LOG, 20, 10, T0 + 2 * (uint64_t)S + S / 10);
	tell_at(fold, WEIR_SIGNAL_ACCESS_LOG, 30, 10, T0 + 3 * (uint64_t)S);
	own(fold, "source", 1040, T0 + 4 * (uint64_t)S);
	assert_int_equal(own_sum(fold), 10);
	assert_int_equal(sum_of(fold, "istio_requests_total"), 30 + 40); /* source up to then; destination has no own */
	assert_int_equal(edge_sum(fold, WEIR_EDGE_CLIENT_LOG), 40);      /* edges go on */
	weir_fold_destroy(fold);
}

/* Counted by logs: requests that ended after this flush. Then it is not where its own begin. */
static void a_flush_that_logs_have_overtaken_is_not_where_own_metrics_begin(void **state)
{
	struct weir_fold *fold = fold_make(WEIR_FOLD_ISTIO_AUTO);

	(void)state;
	tell_at(fold, WEIR_SIGNAL_ACCESS_LOG, 0, 10, T0);
	own(fold, "source", 10, T0);
	tell_at(fold, WEIR_SIGNAL_ACCESS_LOG, 10, 10, T0 + 2 * (uint64_t)S);
	own_at(fold, "source", 10, T0 + S, T0 + 2 * (uint64_t)S); /* made before them, comes after them */
	own(fold, "source", 20, T0 + 3 * (uint64_t)S);
	own(fold, "source", 27, T0 + 4 * (uint64_t)S);
	tell_at(fold, WEIR_SIGNAL_ACCESS_LOG, 20, 7, T0 + 4 * (uint64_t)S);
	assert_int_equal(own_sum(fold), 7);
	assert_int_equal(sum_of(fold, "istio_requests_total"), 20 + 27);
	weir_fold_destroy(fold);
}

static void own_metrics_that_come_first_own_at_once(void **state)
{
	struct weir_fold *fold = fold_make(WEIR_FOLD_ISTIO_AUTO);

	(void)state;
	own(fold, "source", 7, T0);
	own(fold, "destination", 8, T0);
	tell_of(fold, WEIR_SIGNAL_ACCESS_LOG, 0, 10, T0);
	assert_int_equal(own_sum(fold), 15);
	assert_int_equal(sum_of(fold, "istio_requests_total"), 0);
	weir_fold_destroy(fold);
}

static void on_counts_logs_and_off_counts_none(void **state)
{
	struct weir_fold *on = fold_make(WEIR_FOLD_ISTIO_ON), *off = fold_make(WEIR_FOLD_ISTIO_OFF);

	(void)state;
	tell_of(on, WEIR_SIGNAL_ACCESS_LOG, 0, 10, T0);
	own(on, "source", 7, T0 + 5 * (uint64_t)S);
	tell_of(on, WEIR_SIGNAL_ACCESS_LOG, 10, 10, T0 + 9 * (uint64_t)S);
	assert_int_equal(sum_of(on, "istio_requests_total"), 40);
	assert_int_equal(own_sum(on), 0);
	tell_of(off, WEIR_SIGNAL_ACCESS_LOG, 0, 10, T0);
	own(off, "source", 7, T0);
	assert_int_equal(sum_of(off, "istio_requests_total"), 0);
	assert_int_equal(edge_sum(off, WEIR_EDGE_CLIENT_LOG), 10);
	assert_int_equal(own_sum(off), 7);
	weir_fold_destroy(on);
	weir_fold_destroy(off);
}

static void report(struct weir_fold *fold, unsigned signal, unsigned connection_state, uint64_t bytes, uint64_t now_ns)
{
	struct batch_maker maker = { 0 };
	struct weir_connection *connection;

	batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, signal, "node", now_ns);
	batch_maker_resource(&maker, "mysqldb");
	if (signal == WEIR_SIGNAL_LOG) {
		batch_maker_log(&maker);
	}
	connection = batch_maker_connection(&maker);
	connection->call.proxy = batch_maker_text(&maker, "mysqldb-v1.default");
	connection->start_ns = T0 - 7000;
	connection->state = (uint8_t)connection_state;
	connection->sent_bytes = bytes;
	if (signal == WEIR_SIGNAL_ACCESS_LOG) {
		connection->stream_id = batch_maker_text(&maker, "stream-1");
	}
	weir_fold_batch(fold, batch_maker_finish(&maker));
	batch_maker_fini(&maker);
}

/* One instance, of which istio_requests_total and a metric of one's own are made. */
static const char of_ones_own[] =
	"{kind: metric, apiVersion: config.istio.io/v1alpha2, metadata: {name: m}, spec: {value: '1', dimensions: {code: "
	"response.code | 0}}}\n---\n"
	"{kind: prometheus, apiVersion: config.istio.io/v1alpha2, metadata: {name: p}, spec: {metrics: [{name: "
	"requests_total, instance_name: m.metric, kind: COUNTER, label_names: [code]}, {name: mine_total, instance_name: "
	"m.metric, kind: COUNTER, label_names: [code]}]}}\n---\n"
	"{kind: rule, apiVersion: config.istio.io/v1alpha2, metadata: {name: r}, spec: {actions: [{handler: p.prometheus, "
	"instances: [m.metric]}]}}\n";

static struct weir_fold *fold_of_ones_own(enum weir_fold_istio istio)
{
	const struct weir_fold_opts opts = {
		.max_series = 1000, .hash_seed = 42, .istio = istio, .ruleset = ruleset_of(of_ones_own, false)
	};
	struct weir_fold *fold;

	assert_int_equal(weir_fold_create(&opts, &fold), 0);
	weir_ruleset_let_go(opts.ruleset);
	return fold;
}

static uint32_t series_of(const struct weir_fold *fold, const char *metric)
{
	const struct weir_snapshot *snapshot;
	uint32_t count;

	assert_int_equal(weir_snapshot_make(fold, WEIR_SNAPSHOT_SERIES, 0, T0, &snapshot), 0);
	count = snapshot->series_counts[metric_of(snapshot, metric)];
	weir_snapshot_let_go(snapshot);
	return count;
}

static void count_record(void *ctx, const struct weir_rules_record *record)
{
	assert_non_null(record->call);
	++*(unsigned *)ctx;
}

/* Nobody but the logs tells what these are: metrics of other names, and lines of log. */
static void other_rules_go_on_where_a_proxy_counts_itself(void **state)
{
	struct weir_fold *fold = fold_of_ones_own(WEIR_FOLD_ISTIO_AUTO), *off = fold_of_ones_own(WEIR_FOLD_ISTIO_OFF);
	unsigned watched = 0;

	(void)state;
	weir_fold_watch(fold, count_record, &watched);
	own(fold, "source", 7, T0);
	own(fold, "destination", 8, T0);
	tell_at(fold, WEIR_SIGNAL_ACCESS_LOG, 0, 10, T0);
	assert_int_equal(own_sum(fold), 15);
	assert_int_equal(series_of(fold, "istio_requests_total"), 0);
	assert_int_equal(sum_of(fold, "istio_mine_total"), 20);
	assert_int_equal(watched, 20);
	/* It falls silent, so logs count from the next second on; it comes again, and they do not. */
	tell_at(fold, WEIR_SIGNAL_ACCESS_LOG, 10, 10, T0 + 70 * (uint64_t)S);
	tell_at(fold, WEIR_SIGNAL_ACCESS_LOG, 20, 10, T0 + 75 * (uint64_t)S);
	assert_int_equal(sum_of(fold, "istio_requests_total"), 20);
	assert_int_equal(sum_of(fold, "istio_mine_total"), 60);
	for (unsigned i = 0; i < 2; i++) {
		own(fold, "source", 50, T0 + (80 + i * 5) * (uint64_t)S);
		own(fold, "destination", 50, T0 + (80 + i * 5) * (uint64_t)S);
	}
	tell_at(fold, WEIR_SIGNAL_ACCESS_LOG, 30, 10, T0 + 90 * (uint64_t)S);
	assert_int_equal(sum_of(fold, "istio_requests_total"), 20);
	assert_int_equal(sum_of(fold, "istio_mine_total"), 80);
	assert_int_equal(watched, 80);
	tell_of(off, WEIR_SIGNAL_MIXER, 0, 10, T0);
	report(off, WEIR_SIGNAL_ACCESS_LOG, WEIR_CONNECTION_CLOSE, 5, T0);
	assert_int_equal(series_of(off, "istio_requests_total"), 0);
	assert_int_equal(sum_of(off, "istio_mine_total"), 20 + 2); /* it opened and closed */
	weir_fold_destroy(fold);
	weir_fold_destroy(off);
}

static void a_connection_is_counted_by_whoever_was_first_to_be_counted(void **state)
{
	(void)state;
	for (unsigned order = 0; order < 4; order++) {
		struct weir_fold *fold = fold_make(WEIR_FOLD_ISTIO_AUTO);
		uint64_t gap = order < 2 ? 0 : 5 * (uint64_t)S;

		if (order % 2 == 0) {
			report(fold, WEIR_SIGNAL_LOG, WEIR_CONNECTION_CLOSE, 500, T0);
			report(fold, WEIR_SIGNAL_ACCESS_LOG, WEIR_CONNECTION_OPEN, 0, T0 + gap);
			report(fold, WEIR_SIGNAL_ACCESS_LOG, WEIR_CONNECTION_CLOSE, 500, T0 + 2 * gap);
		} else {
			report(fold, WEIR_SIGNAL_ACCESS_LOG, WEIR_CONNECTION_OPEN, 0, T0);
			report(fold, WEIR_SIGNAL_LOG, WEIR_CONNECTION_CLOSE, 500, T0 + gap);
			report(fold, WEIR_SIGNAL_ACCESS_LOG, WEIR_CONNECTION_CLOSE, 500, T0 + 2 * gap);
		}
		assert_int_equal(sum_of(fold, "istio_tcp_connections_opened_total"), 1);
		assert_int_equal(sum_of(fold, "istio_tcp_connections_closed_total"), 1);
		assert_int_equal(sum_of(fold, "istio_tcp_sent_bytes_total"), 500);
		weir_fold_destroy(fold);
	}
}

static void says(struct weir_fold *fold, const char *name, int64_t value, uint64_t now_ns)
{
	struct batch_maker maker = { 0 };
	struct weir_point *point;
	uint32_t instrument;

	batch_maker_begin(&maker, WEIR_PROTOCOL_METRICS_V3, WEIR_SIGNAL_METRIC_POINT, "node", now_ns);
	batch_maker_resource(&maker, "productpage");
	((struct weir_resource *)maker.resources.data)->proxy = batch_maker_text(&maker, "productpage-v1.default");
	instrument = batch_maker_instrument(&maker, name, WEIR_INSTRUMENT_SUM, WEIR_TEMPORALITY_CUMULATIVE);
	batch_maker_instrument_row(&maker, instrument)->naming = WEIR_NAMING_ENVOY;
	point = batch_maker_point(&maker, instrument);
	point->flags = WEIR_POINT_IS_INT;
	point->time_ns = now_ns;
	point->value.integer = value;
	assert_int_equal(weir_fold_batch(fold, batch_maker_finish(&maker)), 0);
	batch_maker_fini(&maker);
}

static void completeness_begins_when_a_proxy_first_says_what_it_sent(void **state)
{
	struct weir_fold *fold = fold_make(WEIR_FOLD_ISTIO_AUTO);
	const struct weir_snapshot *snapshot;

	(void)state;
	tell_of(fold, WEIR_SIGNAL_ACCESS_LOG, 0, 10, T0);
	says(fold, "http.inbound_0.0.0.0_9080.downstream_rq_completed", 20, T0);
	says(fold, "http.admin.downstream_rq_completed", 20, T0);
	tell_of(fold, WEIR_SIGNAL_ACCESS_LOG, 10, 10, T0 + 5 * (uint64_t)S);
	says(fold, "http.inbound_0.0.0.0_9080.downstream_rq_completed", 37, T0 + 5 * (uint64_t)S);
	says(fold, "http.outbound_0.0.0.0_15001.downstream_rq_completed", 5, T0 + 5 * (uint64_t)S); /* new since */
	assert_int_equal(weir_snapshot_make(fold, WEIR_SNAPSHOT_LEDGER, 0, T0, &snapshot), 0);
	assert_int_equal(snapshot->completeness_count, 1);
	assert_true(weir_str_is(snapshot->completeness[0].source, "productpage-v1.default"));
	assert_int_equal(snapshot->completeness[0].signal, WEIR_SIGNAL_ACCESS_LOG);
	assert_int_equal(snapshot->completeness[0].seen, 20);
	assert_int_equal(snapshot->completeness[0].sent, 22);
	weir_snapshot_let_go(snapshot);
	/* What was written to the log service is worth more than what was requested. */
	says(fold, "access_logs.grpc_access_log.logs_written", 1000, T0 + 6 * (uint64_t)S);
	says(fold, "access_logs.grpc_access_log.logs_dropped", 3, T0 + 6 * (uint64_t)S);
	tell_of(fold, WEIR_SIGNAL_ACCESS_LOG, 20, 5, T0 + 7 * (uint64_t)S);
	says(fold, "access_logs.grpc_access_log.logs_written", 1010, T0 + 8 * (uint64_t)S);
	says(fold, "access_logs.grpc_access_log.logs_dropped", 5, T0 + 8 * (uint64_t)S);
	assert_int_equal(weir_snapshot_make(fold, WEIR_SNAPSHOT_LEDGER, 0, T0, &snapshot), 0);
	assert_int_equal(snapshot->completeness_count, 1);
	assert_int_equal(snapshot->completeness[0].seen, 10);
	assert_int_equal(snapshot->completeness[0].sent, 10);
	assert_int_equal(snapshot->completeness[0].dropped, 2);
	weir_snapshot_let_go(snapshot);
	weir_fold_destroy(fold);
}

/* Whoever tells of a request: it was seen, once. */
static void a_request_is_seen_once_for_completeness(void **state)
{
	struct weir_fold *fold = fold_make(WEIR_FOLD_ISTIO_AUTO);
	const struct weir_snapshot *snapshot;

	(void)state;
	says(fold, "http.inbound_0.0.0.0_9080.downstream_rq_completed", 20, T0);
	tell_of(fold, WEIR_SIGNAL_LOG, 0, 10, T0 + 2 * (uint64_t)S);
	tell_of(fold, WEIR_SIGNAL_ACCESS_LOG, 0, 10, T0 + 4 * (uint64_t)S);
	says(fold, "http.inbound_0.0.0.0_9080.downstream_rq_completed", 40, T0 + 5 * (uint64_t)S);
	assert_int_equal(weir_snapshot_make(fold, WEIR_SNAPSHOT_LEDGER, 0, T0, &snapshot), 0);
	assert_int_equal(snapshot->completeness_count, 1);
	assert_int_equal(snapshot->completeness[0].seen, 20);
	assert_int_equal(snapshot->completeness[0].sent, 20);
	weir_snapshot_let_go(snapshot);
	weir_fold_destroy(fold);
}

static void what_is_known_of_requests_is_bounded_and_expires(void **state)
{
	struct weir_fold *fold = fold_make(WEIR_FOLD_ISTIO_AUTO);

	(void)state;
	for (unsigned i = 0; i < 70; i++) {
		tell_of(fold, WEIR_SIGNAL_LOG, i * 1000, 1000, T0);
	}
	assert_int_equal(fold->owners.slots.count, 131072);
	tell_of(fold, WEIR_SIGNAL_LOG, 0, 1, T0 + 70 * (uint64_t)S);
	assert_int_equal(fold->owners.slots.count, 2);
	weir_fold_destroy(fold);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(access_logs_alone_are_counted_and_not_remembered),
		cmocka_unit_test(each_order_of_signals_counts_each_request_once),
		cmocka_unit_test(each_interleaving_counts_each_request_once),
		cmocka_unit_test(a_restart_around_a_change_counts_no_request_twice),
		cmocka_unit_test(a_proxys_own_metrics_own_from_the_first_flush_after_the_next_second),
		cmocka_unit_test(a_flush_that_logs_have_overtaken_is_not_where_own_metrics_begin),
		cmocka_unit_test(own_metrics_that_come_first_own_at_once),
		cmocka_unit_test(on_counts_logs_and_off_counts_none),
		cmocka_unit_test(other_rules_go_on_where_a_proxy_counts_itself),
		cmocka_unit_test(a_connection_is_counted_by_whoever_was_first_to_be_counted),
		cmocka_unit_test(completeness_begins_when_a_proxy_first_says_what_it_sent),
		cmocka_unit_test(a_request_is_seen_once_for_completeness),
		cmocka_unit_test(what_is_known_of_requests_is_bounded_and_expires),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
