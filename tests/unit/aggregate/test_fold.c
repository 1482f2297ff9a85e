/* test_fold: batches move exactly the counters that they should. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/state.h"
#include "support/batch_maker.h"
#include "support/batch_random.h"
#include "support/metric_of.h"

#define T0 1700000000000000000u

static struct weir_fold *fold_make(uint32_t max_series)
{
	const struct weir_fold_opts opts = { .max_series = max_series, .hash_seed = 42 };
	struct weir_fold *fold;

	assert_int_equal(weir_fold_create(&opts, &fold), 0);
	return fold;
}

static const struct weir_snapshot *look(const struct weir_fold *fold)
{
	const struct weir_snapshot *snapshot;

	assert_int_equal(weir_snapshot_make(fold, 7, 0, T0, &snapshot), 0);
	return snapshot;
}

static bool has(struct weir_str labels, const char *part)
{
	return memmem(labels.data, labels.length, part, strlen(part)) != NULL;
}

/* The only series of `metric` whose labels have all three parts. */
static const struct weir_series_view *series_of(
	const struct weir_snapshot *snapshot, const char *metric, const char *a, const char *b)
{
	const struct weir_series_view *found = NULL;

	for (uint32_t i = 0; i < snapshot->series_counts[metric_of(snapshot, metric)]; i++) {
		const struct weir_series_view *view = &snapshot->series[metric_of(snapshot, metric)][i];

		if (has(view->labels, a) && has(view->labels, b)) {
			assert_null(found);
			found = view;
		}
	}
	return found;
}

static struct weir_request *request_add(struct batch_maker *maker, unsigned reporter, const char *from, const char *to)
{
	uint32_t source = batch_maker_workload(maker, from, "default", "v1");
	uint32_t destination = batch_maker_workload(maker, to, "default", "v2");
	struct weir_request *request = batch_maker_request(maker);

	request->call.source = source;
	request->call.destination = destination;
	request->call.reporter = (uint8_t)reporter;
	request->call.service_host = batch_maker_text(maker, "reviews.default.svc.cluster.local");
	request->call.service_name = batch_maker_text(maker, "reviews");
	request->call.service_namespace = batch_maker_text(maker, "default");
	request->response_code = 200;
	request->duration_ns = 7900000;
	request->request_bytes = 100;
	request->response_bytes = 2000;
	return request;
}

static void a_request_counts_in_four_metrics_of_one_label_set(void **state)
{
	struct weir_fold *fold = fold_make(1000);
	struct batch_maker maker = { 0 };
	const struct weir_snapshot *snapshot;
	const struct weir_series_view *view;

	(void)state;
	batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "node", T0);
	request_add(&maker, WEIR_REPORTER_SOURCE, "productpage", "reviews");
	request_add(&maker, WEIR_REPORTER_SOURCE, "productpage", "reviews");
	assert_int_equal(weir_fold_batch(fold, batch_maker_finish(&maker)), 0);
	snapshot = look(fold);
	assert_int_equal(snapshot->series_total, 4);
	view = series_of(snapshot, "istio_requests_total", "reporter=\"source\"", "response_code=\"200\"");
	assert_non_null(view);
	assert_int_equal(view->count, 2);
	assert_int_equal(view->created_ns, T0);
	view = series_of(snapshot, "istio_request_duration_milliseconds", "reporter=\"source\"", "");
	assert_int_equal(view->count, 2);
	assert_true(view->sum == 14.0); /* whole milliseconds */
	assert_int_equal(view->buckets[3], 2);
	view = series_of(snapshot, "istio_response_bytes", "", "");
	assert_true(view->sum == 4000.0);
	assert_int_equal(snapshot->series_counts[metric_of(snapshot, "istio_request_messages_total")], 0);
	weir_snapshot_let_go(snapshot);
	batch_maker_fini(&maker);
	weir_fold_destroy(fold);
}

static void a_probe_is_seen_and_in_no_metric_and_no_edge(void **state)
{
	struct weir_fold *fold = fold_make(1000);
	struct batch_maker maker = { 0 };
	const struct weir_snapshot *snapshot;

	(void)state;
	batch_maker_begin(&maker, WEIR_PROTOCOL_MIXER, WEIR_SIGNAL_MIXER, "node", T0);
	request_add(&maker, WEIR_REPORTER_DESTINATION, "unknown", "reviews")->call.is_probe = 1;
	assert_int_equal(weir_fold_batch(fold, batch_maker_finish(&maker)), 0);
	snapshot = look(fold);
	assert_int_equal(snapshot->series_total, 0);
	assert_int_equal(snapshot->edge_count, 0);
	assert_int_equal(snapshot->ledger[0].kept, 1);
	weir_snapshot_let_go(snapshot);
	batch_maker_fini(&maker);
	weir_fold_destroy(fold);
}

static void a_probe_of_an_access_log_counts_as_its_mesh_counts_it(void **state)
{
	struct weir_fold *fold = fold_make(1000);
	struct batch_maker maker = { 0 };
	const struct weir_snapshot *snapshot;

	(void)state;
	batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "node", T0);
	request_add(&maker, WEIR_REPORTER_DESTINATION, "unknown", "reviews")->call.is_probe = 1;
	assert_int_equal(weir_fold_batch(fold, batch_maker_finish(&maker)), 0);
	snapshot = look(fold);
	assert_true(snapshot->series_total > 0);
	assert_int_equal(snapshot->edge_count, 1);
	weir_snapshot_let_go(snapshot);
	batch_maker_fini(&maker);
	weir_fold_destroy(fold);
}

static void both_reporters_are_two_series_and_one_edge_with_two_kinds_of_evidence(void **state)
{
	struct weir_fold *fold = fold_make(1000);
	struct batch_maker maker = { 0 };
	const struct weir_snapshot *snapshot;

	(void)state;
	batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "node", T0);
	request_add(&maker, WEIR_REPORTER_SOURCE, "productpage", "reviews");
	request_add(&maker, WEIR_REPORTER_DESTINATION, "productpage", "reviews")->response_code = 503;
	request_add(&maker, WEIR_REPORTER_DESTINATION, "productpage", "reviews");
	weir_fold_batch(fold, batch_maker_finish(&maker));
	snapshot = look(fold);
	assert_int_equal(snapshot->series_counts[metric_of(snapshot, "istio_requests_total")], 3);
	assert_int_equal(snapshot->edge_count, 1);
	assert_true(weir_str_is(snapshot->edges[0].destination.service, "reviews.default.svc.cluster.local"));
	assert_true(weir_str_is(snapshot->edges[0].source.workload, "productpage"));
	assert_int_equal(snapshot->edges[0].counts[WEIR_EDGE_CLIENT_LOG]->requests, 1);
	assert_int_equal(snapshot->edges[0].counts[WEIR_EDGE_CLIENT_LOG]->errors, 0);
	assert_int_equal(snapshot->edges[0].counts[WEIR_EDGE_SERVER_LOG]->requests, 2);
	assert_int_equal(snapshot->edges[0].counts[WEIR_EDGE_SERVER_LOG]->errors, 1);
	assert_null(snapshot->edges[0].counts[WEIR_EDGE_SPANS]);
	weir_snapshot_let_go(snapshot);
	batch_maker_fini(&maker);
	weir_fold_destroy(fold);
}

static void errors_are_no_answer_and_4xx_and_5xx_and_a_grpc_status(void **state)
{
	static const struct {
		uint16_t code;
		uint8_t protocol;
		int32_t status;
		bool is_error;
	} rows[] = { { 200, WEIR_REQUEST_HTTP, -1, false }, { 301, WEIR_REQUEST_HTTP, -1, false },
		{ 0, WEIR_REQUEST_HTTP, -1, true }, { 404, WEIR_REQUEST_HTTP, -1, true },
		{ 200, WEIR_REQUEST_GRPC, 0, false }, { 200, WEIR_REQUEST_GRPC, 14, true },
		{ 200, WEIR_REQUEST_GRPC, -1, false }, { 503, WEIR_REQUEST_GRPC, 0, true } };

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct weir_fold *fold = fold_make(1000);
		struct batch_maker maker = { 0 };
		struct weir_request *request;
		const struct weir_snapshot *snapshot;

		batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "node", T0);
		request = request_add(&maker, WEIR_REPORTER_SOURCE, "a", "b");
		request->response_code = rows[i].code;
		request->call.protocol = rows[i].protocol;
		request->grpc_status = rows[i].status;
		weir_fold_batch(fold, batch_maker_finish(&maker));
		snapshot = look(fold);
		assert_int_equal(snapshot->edges[0].counts[WEIR_EDGE_CLIENT_LOG]->errors, rows[i].is_error);
		weir_snapshot_let_go(snapshot);
		batch_maker_fini(&maker);
		weir_fold_destroy(fold);
	}
}

static void grpc_messages_have_series_only_when_there_were_any(void **state)
{
	struct weir_fold *fold = fold_make(1000);
	struct batch_maker maker = { 0 };
	struct weir_request *request;
	const struct weir_snapshot *snapshot;

	(void)state;
	batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "node", T0);
	request = request_add(&maker, WEIR_REPORTER_SOURCE, "a", "b");
	request->call.protocol = WEIR_REQUEST_GRPC;
	request->grpc_status = 0;
	request->request_messages = 3;
	request->response_messages = 5;
	weir_fold_batch(fold, batch_maker_finish(&maker));
	snapshot = look(fold);
	assert_int_equal(snapshot->series[metric_of(snapshot, "istio_request_messages_total")][0].count, 3);
	assert_int_equal(snapshot->series[metric_of(snapshot, "istio_response_messages_total")][0].count, 5);
	assert_false(
		has(snapshot->series[metric_of(snapshot, "istio_request_messages_total")][0].labels, "response_code"));
	weir_snapshot_let_go(snapshot);
	batch_maker_fini(&maker);
	weir_fold_destroy(fold);
}

static void beyond_the_budget_live_and_overflow_together_are_everything(void **state)
{
	struct weir_fold *fold = fold_make(40); /* ten label sets of requests */
	struct batch_maker maker = { 0 };
	const struct weir_snapshot *snapshot;
	const struct weir_series_view *overflow;
	uint64_t total = 0;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 25; i++) {
		snprintf(name, sizeof(name), "w%u", i);
		batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "node", T0 + i);
		request_add(&maker, WEIR_REPORTER_SOURCE, name, "reviews");
		request_add(&maker, WEIR_REPORTER_SOURCE, name, "reviews");
		weir_fold_batch(fold, batch_maker_finish(&maker));
	}
	snapshot = look(fold);
	assert_int_equal(snapshot->series_counts[metric_of(snapshot, "istio_requests_total")], 11);
	for (uint32_t i = 0; i < 11; i++) {
		total += snapshot->series[metric_of(snapshot, "istio_requests_total")][i].count;
	}
	assert_int_equal(total, 50);
	overflow = series_of(snapshot, "istio_requests_total", "source_workload=\"_overflow\"", "reporter=\"source\"");
	assert_non_null(overflow);
	assert_true(has(overflow->labels, "response_code=\"200\""));
	assert_true(has(overflow->labels, "request_protocol=\"http\""));
	assert_true(has(overflow->labels, "destination_workload=\"_overflow\""));
	assert_int_equal(overflow->count, 30);
	assert_int_equal(snapshot->overflowed, 30);
	weir_snapshot_let_go(snapshot);
	batch_maker_fini(&maker);
	weir_fold_destroy(fold);
}

static void a_repeated_batch_moves_the_ledger_only(void **state)
{
	struct weir_fold *fold = fold_make(1000);
	struct batch_maker maker = { 0 };
	const struct weir_snapshot *snapshot;

	(void)state;
	batch_maker_begin(&maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_ACCESS_LOG, "node", T0);
	maker.head.digest[3] = 1;
	maker.head.dropped[WEIR_DROP_INTERMEDIATE] = 2;
	request_add(&maker, WEIR_REPORTER_SOURCE, "a", "b");
	assert_int_equal(weir_fold_batch(fold, batch_maker_finish(&maker)), 0);
	assert_int_equal(weir_fold_batch(fold, maker.made), WEIR_FOLD_DUPLICATE);
	snapshot = look(fold);
	assert_int_equal(snapshot->series[metric_of(snapshot, "istio_requests_total")][0].count, 1);
	assert_int_equal(snapshot->ledger_count, 1);
	assert_int_equal(snapshot->ledger[0].received, 6);
	assert_int_equal(snapshot->ledger[0].kept, 1);
	assert_int_equal(snapshot->ledger[0].dropped[WEIR_DROP_INTERMEDIATE], 2);
	assert_int_equal(snapshot->ledger[0].duplicates, 3);
	weir_snapshot_let_go(snapshot);
	batch_maker_fini(&maker);
	weir_fold_destroy(fold);
}

static struct weir_span *span_add(struct batch_maker *maker, unsigned kind, const char *service, uint8_t id)
{
	uint32_t resource = batch_maker_resource(maker, service);
	struct weir_span *span = batch_maker_span(maker);

	span->kind = (uint8_t)kind;
	span->resource = resource;
	span->trace_id[0] = 1;
	span->span_id[0] = id;
	return span;
}

static uint64_t calls(const struct weir_snapshot *snapshot, const char *from, const char *to)
{
	for (uint32_t i = 0; i < snapshot->edge_count; i++) {
		if (weir_str_is(snapshot->edges[i].source.service, from) &&
			weir_str_is(snapshot->edges[i].destination.service, to)) {
			return snapshot->edges[i].counts[WEIR_EDGE_SPANS]->requests;
		}
	}
	return 0;
}

static void spans_find_each_other_by_parent_by_shared_id_and_by_link(void **state)
{
	struct weir_fold *fold = fold_make(1000);
	struct batch_maker maker = { 0 };
	const struct weir_snapshot *snapshot;
	struct weir_link *link;
	struct weir_span *span;

	(void)state;
	batch_maker_begin(&maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_SPAN, "sdk", T0);
	span_add(&maker, WEIR_SPAN_CLIENT, "a", 1);
	span_add(&maker, WEIR_SPAN_SERVER, "b", 2)->parent_id[0] = 1;
	span_add(&maker, WEIR_SPAN_CLIENT, "b", 3);
	span_add(&maker, WEIR_SPAN_SERVER, "c", 3)->flags = WEIR_SPAN_SHARED;
	span_add(&maker, WEIR_SPAN_PRODUCER, "c", 4);
	span = span_add(&maker, WEIR_SPAN_CONSUMER, "d", 5);
	span->link_count = 2; /* the same link twice is one call */
	for (unsigned i = 0; i < 2; i++) {
		link = batch_maker_link(&maker);
		link->trace_id[0] = 1;
		link->span_id[0] = 4;
	}
	span_add(&maker, WEIR_SPAN_INTERNAL, "d", 6)->parent_id[0] = 5;
	span_add(&maker, WEIR_SPAN_SERVER, "a", 7); /* a root */
	weir_fold_batch(fold, batch_maker_finish(&maker));
	snapshot = look(fold);
	assert_int_equal(calls(snapshot, "a", "b"), 1);
	assert_int_equal(calls(snapshot, "b", "c"), 1);
	assert_int_equal(calls(snapshot, "c", "d"), 1);
	assert_int_equal(snapshot->edge_count, 3);
	assert_int_equal(series_named(snapshot, "istio_"), 0); /* spans feed no istio_* */
	assert_int_equal(snapshot->series_counts[metric_of(snapshot, "traces_service_graph_request_total")], 3);
	assert_int_equal(snapshot->series_counts[metric_of(snapshot, "traces_spanmetrics_calls_total")], 8);
	weir_snapshot_let_go(snapshot);
	batch_maker_fini(&maker);
	weir_fold_destroy(fold);
}

static void what_waits_expires_by_the_arrival_of_later_batches(void **state)
{
	struct weir_fold *fold = fold_make(1000);
	struct batch_maker maker = { 0 };
	const struct weir_snapshot *snapshot;
	struct weir_span *span;

	(void)state;
	batch_maker_begin(&maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_SPAN, "sdk", T0);
	maker.head.digest[0] = 9;
	span = span_add(&maker, WEIR_SPAN_CLIENT, "a", 1);
	span->peer = batch_maker_text(&maker, "mysql");
	weir_fold_batch(fold, batch_maker_finish(&maker));
	batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "node", T0);
	batch_maker_connection(&maker)->stream_id = batch_maker_text(&maker, "stream");
	weir_fold_batch(fold, batch_maker_finish(&maker));
	assert_int_equal(fold->pairs.slots.count, 1);
	assert_int_equal(fold->flows.slots.count, 1);
	assert_int_equal(fold->digests.slots.count, 1);
	batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "node", T0 + 4000000000000);
	weir_fold_batch(fold, batch_maker_finish(&maker));
	assert_int_equal(fold->pairs.slots.count, 0);
	assert_int_equal(fold->flows.slots.count, 0);
	assert_int_equal(fold->digests.slots.count, 0);
	snapshot = look(fold);
	assert_int_equal(calls(snapshot, "a", "mysql"), 1);
	weir_snapshot_let_go(snapshot);
	batch_maker_fini(&maker);
	weir_fold_destroy(fold);
}

static void a_reset_starts_all_counters_at_0_with_a_new_created_time(void **state)
{
	struct weir_fold *fold = fold_make(1000);
	struct batch_maker maker = { 0 };
	const struct weir_snapshot *snapshot;

	(void)state;
	batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "node", T0);
	request_add(&maker, WEIR_REPORTER_SOURCE, "a", "b");
	weir_fold_batch(fold, batch_maker_finish(&maker));
	weir_fold_reset_counters(fold, T0 + 5);
	assert_true(weir_fold_wants_image(fold));
	snapshot = look(fold);
	assert_int_equal(snapshot->series_total, 0);
	assert_int_equal(snapshot->ledger_count, 0);
	assert_int_equal(snapshot->edges[0].counts[WEIR_EDGE_CLIENT_LOG]->requests, 0);
	weir_snapshot_let_go(snapshot);
	weir_fold_batch(fold, maker.made);
	snapshot = look(fold);
	assert_int_equal(snapshot->series[metric_of(snapshot, "istio_requests_total")][0].count, 1);
	assert_int_equal(snapshot->series[metric_of(snapshot, "istio_requests_total")][0].created_ns, T0 + 5);
	weir_snapshot_let_go(snapshot);
	batch_maker_fini(&maker);
	weir_fold_destroy(fold);
}

static void the_same_batches_give_the_same_tables_and_the_ledger_closes(void **state)
{
	uint8_t digests[2][16];

	(void)state;
	for (unsigned run = 0; run < 2; run++) {
		/* Another seed of the hash: the tables must not depend on it. */
		const struct weir_fold_opts opts = { .max_series = 300, .hash_seed = run * 77 };
		struct batch_random random = { .state = 5, .now_ns = T0, .step_ns = 2000000000, .names = 9 };
		struct batch_maker maker = { 0 };
		struct weir_fold *fold;

		assert_int_equal(weir_fold_create(&opts, &fold), 0);
		for (unsigned i = 0; i < 1500; i++) {
			weir_fold_batch(fold, batch_random_next(&random, &maker));
			assert_true(weir_ledger_closes(&fold->ledger));
		}
		weir_fold_digest(fold, digests[run]);
		weir_fold_batch(fold, batch_random_next(&random, &maker));
		batch_maker_fini(&maker);
		weir_fold_destroy(fold);
	}
	assert_memory_equal(digests[0], digests[1], 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_request_counts_in_four_metrics_of_one_label_set),
		cmocka_unit_test(a_probe_is_seen_and_in_no_metric_and_no_edge),
		cmocka_unit_test(a_probe_of_an_access_log_counts_as_its_mesh_counts_it),
		cmocka_unit_test(both_reporters_are_two_series_and_one_edge_with_two_kinds_of_evidence),
		cmocka_unit_test(errors_are_no_answer_and_4xx_and_5xx_and_a_grpc_status),
		cmocka_unit_test(grpc_messages_have_series_only_when_there_were_any),
		cmocka_unit_test(beyond_the_budget_live_and_overflow_together_are_everything),
		cmocka_unit_test(a_repeated_batch_moves_the_ledger_only),
		cmocka_unit_test(spans_find_each_other_by_parent_by_shared_id_and_by_link),
		cmocka_unit_test(what_waits_expires_by_the_arrival_of_later_batches),
		cmocka_unit_test(a_reset_starts_all_counters_at_0_with_a_new_created_time),
		cmocka_unit_test(the_same_batches_give_the_same_tables_and_the_ledger_closes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
