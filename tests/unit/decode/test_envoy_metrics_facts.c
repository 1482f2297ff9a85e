/* Facts: the stats of real Envoys, decoded, against the captures' table of
 * what they hold and against what the load program counted.
 *
 * argv[1] is the folder of the captures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/envoy/metrics.h"
#include "tests/support/facts.h"

#define STREAMS_MAX 256
#define CALLS_MAX 256

static const char *folder;

struct calls { /* of one proxy to one cluster */
	char proxy[128], cluster[256];
	double total, retried;
};

struct told {
	uint32_t sums, gauges, histograms, exponentials, summaries, other_drops, offered, labelled;
	uint64_t observations; /* in all histograms */
	struct calls calls[CALLS_MAX];
	size_t call_count;
};

static const char *text_at(const struct weir_batch *batch, struct weir_ref ref, char *room, size_t size)
{
	struct weir_str text = weir_batch_str(batch, ref);

	assert_true(text.length < size);
	memcpy(room, text.data, text.length);
	room[text.length] = '\0';
	return room;
}

static const char *label_of(
	const struct weir_batch *batch, const struct weir_point *point, const char *key, char *room, size_t size)
{
	room[0] = '\0';
	for (uint32_t i = 0; i < point->attr_count; i++) {
		const struct weir_attr *attr = &weir_batch_attrs(batch)[point->attr_first + i];

		assert_int_equal(attr->type, WEIR_ATTR_STRING);
		if (weir_str_is(weir_batch_str(batch, attr->key), key)) {
			return text_at(batch, attr->value.text, room, size);
		}
	}
	return room;
}

static struct calls *calls_of(struct told *told, const char *proxy, const char *cluster)
{
	size_t i = 0;

	while (i < told->call_count &&
		(strcmp(told->calls[i].proxy, proxy) != 0 || strcmp(told->calls[i].cluster, cluster) != 0)) {
		i++;
	}
	assert_true(i < CALLS_MAX);
	if (i == told->call_count) {
		snprintf(told->calls[i].proxy, sizeof(told->calls[i].proxy), "%s", proxy);
		snprintf(told->calls[i].cluster, sizeof(told->calls[i].cluster), "%s", cluster);
		told->call_count++;
	}
	return &told->calls[i];
}

static void tell_sum(const struct weir_batch *batch, const struct weir_instrument *instrument,
	const struct weir_point *point, struct told *told)
{
	const struct weir_resource *resource = &weir_batch_resources(batch)[instrument->resource];
	struct weir_str name = weir_batch_str(batch, instrument->name);
	char proxy[128], cluster[256];

	told->sums++;
	assert_true(instrument->is_monotonic);
	text_at(batch, resource->proxy, proxy, sizeof(proxy));
	label_of(batch, point, "envoy.cluster_name", cluster, sizeof(cluster));
	if (cluster[0] != '\0' && weir_str_ends_with(name, ".upstream_rq_total")) {
		calls_of(told, proxy, cluster)->total += point->value.real;
	} else if (cluster[0] != '\0' && weir_str_ends_with(name, ".upstream_rq_retry")) {
		calls_of(told, proxy, cluster)->retried += point->value.real;
	}
}

static void tell_histogram(const struct weir_batch *batch, const struct weir_point *point, struct told *told)
{
	uint32_t buckets = point->bounds.length / 8;
	uint64_t sum = 0;

	told->histograms++;
	told->observations += point->count;
	assert_int_equal(buckets, 19);
	assert_int_equal(point->counts.length, point->bounds.length + 8);
	for (uint32_t i = 0; i <= buckets; i++) {
		sum += weir_batch_number(batch, point->counts, i);
	}
	assert_int_equal(sum, point->count);
	assert_true(weir_batch_real(batch, point->bounds, 0) == 0.5);
	assert_true(weir_batch_real(batch, point->bounds, 18) == 3600000);
	assert_true((point->flags & WEIR_POINT_HAS_SUM) != 0);
}

static void tell_batch(const struct weir_batch *batch, struct told *told)
{
	told->offered += batch->offered;
	told->summaries += batch->dropped[WEIR_DROP_SUMMARY];
	told->other_drops += batch->offered - batch->kept - batch->dropped[WEIR_DROP_SUMMARY];
	assert_int_equal(batch->kept, batch->points.count);
	assert_int_equal(batch->replaced_utf8, 0);
	assert_int_equal(batch->resources.count, batch->points.count > 0 ? 1 : 0);
	for (uint32_t i = 0; i < batch->points.count; i++) {
		const struct weir_point *point = &weir_batch_points(batch)[i];
		const struct weir_instrument *instrument = &weir_batch_instruments(batch)[point->instrument];

		assert_int_equal(instrument->naming, WEIR_NAMING_ENVOY);
		assert_true(instrument->name.length > 0);
		assert_true(point->time_ns > UINT64_C(1600000000000000000));
		told->labelled += point->attr_count > 0;
		switch (instrument->kind) {
		case WEIR_INSTRUMENT_SUM:
			tell_sum(batch, instrument, point, told);
			break;
		case WEIR_INSTRUMENT_GAUGE:
			told->gauges++;
			break;
		case WEIR_INSTRUMENT_HISTOGRAM:
			tell_histogram(batch, point, told);
			break;
		default:
			told->exponentials++;
			break;
		}
	}
}

static struct told *tell(const char *name, bool counters_are_deltas)
{
	struct weir_envoy_sender *senders = calloc(STREAMS_MAX, sizeof(*senders));
	const struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_METRICS_V3,
		.signal = WEIR_SIGNAL_METRIC_POINT };
	struct told *told = calloc(1, sizeof(*told));
	struct weir_mtcap_record record;
	struct weir_mtcap *mtcap;
	struct weir_arena arena;
	int r;

	mtcap = facts_capture(folder, name);
	weir_arena_init(&arena, 1 << 20, 1 << 24);
	for (size_t i = 0; i < STREAMS_MAX; i++) {
		weir_envoy_sender_init(&senders[i]);
	}
	while ((r = weir_mtcap_next(mtcap, &record)) == 0) {
		const struct weir_batch *batch;
		struct weir_draft draft;

		if (!weir_str_is(record.kind, "msg") || !weir_str_ends_with(record.method, "/StreamMetrics")) {
			continue;
		}
		assert_true(record.stream < STREAMS_MAX);
		weir_arena_reset(&arena);
		weir_draft_init(&draft, &arena, record.payload);
		assert_int_equal(weir_envoy_metrics_decode(&draft, &senders[record.stream], counters_are_deltas), 0);
		batch = weir_draft_finish(&draft, &head);
		assert_non_null(batch);
		assert_true(weir_batch_is_sound(batch, batch->size_bytes));
		tell_batch(batch, told);
	}
	assert_int_equal(r, WEIR_MTCAP_END);
	for (size_t i = 0; i < STREAMS_MAX; i++) {
		weir_envoy_sender_fini(&senders[i]);
	}
	free(senders);
	weir_arena_fini(&arena);
	weir_mtcap_close(mtcap);
	return told;
}

static void points_of_each_kind_are_the_captures_table(void **state)
{
	static const struct {
		const char *name;
		uint32_t sums, gauges, histograms, summaries;
	} table[] = {
		{ "envoy-metrics-service-v2", 1070, 1340, 75, 75 },
		{ "envoy-metrics-service-delta", 3017, 3148, 292, 0 },
		{ "envoy-all", 1070, 1340, 75, 75 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct told *told = tell(table[i].name, i == 1);

		assert_int_equal(told->sums, table[i].sums);
		assert_int_equal(told->gauges, table[i].gauges);
		assert_int_equal(told->histograms, table[i].histograms);
		assert_int_equal(told->summaries, table[i].summaries);
		assert_int_equal(told->exponentials, 0);
		assert_int_equal(told->other_drops, 0);
		assert_int_equal(told->offered, told->sums + told->gauges + told->histograms + told->summaries);
		assert_int_equal(told->labelled, i == 1 ? 5612 : 0);
		assert_true(told->observations > 0);
		free(told);
	}
}

/* ---- against the load --------------------------------------------------- */

static bool is_proxy_of(const struct calls *calls, const char *workload)
{
	size_t length = strlen(workload);

	return strncmp(calls->proxy, workload, length) == 0 && calls->proxy[length] == '-';
}

/* "outbound|9080|v1|reviews" is of "reviews.default.svc.cluster.local". */
static bool is_cluster_of(const struct calls *calls, const char *service)
{
	const char *name = strrchr(calls->cluster, '|') + 1;
	size_t length = strlen(name);

	return strncmp(calls->cluster, "outbound|", 9) == 0 && strncmp(service, name, length) == 0 &&
	       service[length] == '.';
}

/* What a callee's proxy passed on to its application: one for each of its log entries. */
static void check_inbound(const struct told *told, const json_t *facts, const char *workload)
{
	double want = 0, have = 0;
	const json_t *edge;
	size_t i;

	json_array_foreach(json_object_get(facts, "edges"), i, edge)
	{
		if (strcmp(facts_text(edge, "reporter"), "destination") == 0 &&
			strcmp(facts_text(edge, "destination_workload"), workload) == 0) {
			want += (double)facts_number(edge, "n");
		}
	}
	for (i = 0; i < told->call_count; i++) {
		if (is_proxy_of(&told->calls[i], workload) && strncmp(told->calls[i].cluster, "inbound|", 8) == 0) {
			have += told->calls[i].total - told->calls[i].retried;
		}
	}
	if (want != have) {
		print_error("%s: want %g have %g\n", workload, want, have);
	}
	assert_true(want > 0 && want == have);
}

/* What a caller's proxy sent to a service: its log entries, and each retry once more. */
static void check_outbound(const struct told *told, const json_t *facts, const char *workload, const char *service)
{
	double want = 0, have = 0;
	const json_t *edge;
	size_t i;

	json_array_foreach(json_object_get(facts, "edges"), i, edge)
	{
		const char *flags = facts_text(edge, "response_flags");

		/* An answer of the fault filter, or no connection: never sent. */
		if (strcmp(facts_text(edge, "reporter"), "source") == 0 &&
			strcmp(facts_text(edge, "source"), workload) == 0 &&
			strcmp(facts_text(edge, "destination_service"), service) == 0 && !strstr(flags, "FI") &&
			!strstr(flags, "UF")) {
			want += (double)facts_number(edge, "n");
		}
	}
	for (i = 0; i < told->call_count; i++) {
		if (is_proxy_of(&told->calls[i], workload) && is_cluster_of(&told->calls[i], service)) {
			have += told->calls[i].total - told->calls[i].retried;
		}
	}
	if (want != have) {
		print_error("%s to %s: want %g have %g\n", workload, service, want, have);
	}
	assert_true(want > 0 && want == have);
}

static void counter_deltas_add_up_to_the_load(void **state)
{
	struct told *told = tell("envoy-metrics-service-delta", true);
	json_t *facts = facts_load(folder, "envoy-metrics-service-delta");

	(void)state;
	check_inbound(told, facts, "productpage-v1");
	check_inbound(told, facts, "reviews-v1");
	check_inbound(told, facts, "reviews-v2");
	check_inbound(told, facts, "ratings-v1");
	check_inbound(told, facts, "ledger-v1");
	check_inbound(told, facts, "details-v1");
	check_outbound(told, facts, "istio-ingressgateway", "productpage.default.svc.cluster.local");
	check_outbound(told, facts, "productpage-v1", "details.default.svc.cluster.local");
	check_outbound(told, facts, "productpage-v1", "reviews.default.svc.cluster.local");
	check_outbound(told, facts, "productpage-v1", "ratings.default.svc.cluster.local");
	check_outbound(told, facts, "productpage-v1", "ledger.default.svc.cluster.local");
	check_outbound(told, facts, "reviews-v2", "ratings.default.svc.cluster.local");
	json_decref(facts);
	free(told);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(points_of_each_kind_are_the_captures_table),
		cmocka_unit_test(counter_deltas_add_up_to_the_load),
	};

	folder = argc > 1 ? argv[1] : "tests/captures";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
