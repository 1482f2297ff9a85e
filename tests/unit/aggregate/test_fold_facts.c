/* Facts: a mesh of real Envoys that tell of each request in an access log, in
 * an OpenTelemetry log, in their stats and in spans, all at once; decoded and
 * folded in any order of arrival, also seconds apart, also when a signal begins
 * in mid-stream: istio_requests_total is what the load program asked for.
 *
 * What an OpenTelemetry access log does not tell is left out of the comparison:
 * the caller of the callee's side, the service's domain, the gRPC status; but
 * when the access log service comes first, nothing is.
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

#include "aggregate/state.h"
#include "decode/address.h"
#include "decode/envoy/als.h"
#include "decode/envoy/metrics.h"
#include "decode/otlp/logs.h"
#include "decode/otlp/trace.h"
#include "identity/known.h"
#include "support/batch_random.h"
#include "tests/support/facts.h"
#include "support/metric_of.h"

#define T0 1700000000000000000u
#define MS UINT64_C(1000000)
#define CAPTURE "envoy-all"
#define STREAMS_MAX 1024u
#define MESSAGES_MAX 4096u
#define SEEDS 60u

enum way { ALS, METRICS, LOGS, TRACES, WAYS };

static const char *folder;

/* ---- rows --------------------------------------------------------------- */

/* One row: all of it, or as far as every signal tells. */
static void row_add(struct rows *rows, bool is_whole, const char *reporter, const char *source, const char *end,
	const char *code, const char *flags, const char *grpc, long long n)
{
	bool is_source = strcmp(reporter, "source") == 0;
	char text[1024], sorted[FACTS_FLAGS_BYTES];

	snprintf(sorted, sizeof(sorted), "%s", flags[0] != '\0' ? flags : "-");
	facts_flags_sort(sorted);
	snprintf(text, sizeof(text), "%s %s %.*s %s %s %s", reporter, is_source || is_whole ? source : "",
		(int)(is_whole ? strlen(end) : strcspn(end, ".")), end, code, sorted, is_whole ? grpc : "");
	rows_add(rows, text, n);
}

/* ---- what the facts say ------------------------------------------------- */

static void want_edge(struct rows *rows, const json_t *edge, bool is_whole)
{
	const char *reporter = facts_text(edge, "reporter"), *flags = facts_text(edge, "response_flags");
	const json_t *status = json_object_get(edge, "grpc_status");
	char end[128], code[16], grpc[16] = "";

	facts_end(edge, end, sizeof(end));
	snprintf(code, sizeof(code), "%lld", facts_number(edge, "response_code"));
	if (status != NULL) {
		snprintf(grpc, sizeof(grpc), "%lld", (long long)json_integer_value(status));
	}
	row_add(rows, is_whole, reporter, facts_text(edge, "source"), end, code, flags, grpc, facts_number(edge, "n"));
}

static struct rows *want(bool is_whole)
{
	struct rows *rows = calloc(1, sizeof(*rows));
	json_t *facts = facts_load(folder, CAPTURE);
	const json_t *edge;
	size_t i;

	assert_non_null(rows);
	json_array_foreach(json_object_get(facts, "edges"), i, edge)
	{
		want_edge(rows, edge, is_whole);
	}
	json_decref(facts);
	assert_true(rows->count > 20);
	return rows;
}

/* ---- what the fold says ------------------------------------------------- */

static void label(struct weir_str labels, const char *name, char *value, size_t size)
{
	char key[64], *text = strndup(labels.data, labels.length);
	const char *at;

	assert_non_null(text);
	snprintf(key, sizeof(key), "%s=\"", name);
	at = strstr(text, key);
	value[0] = '\0';
	if (at != NULL) {
		at += strlen(key);
		snprintf(value, size, "%.*s", (int)strcspn(at, "\""), at);
	}
	free(text);
}

static struct rows *have(const struct weir_fold *fold, bool is_whole)
{
	struct rows *rows = calloc(1, sizeof(*rows));
	const struct weir_snapshot *snapshot;

	assert_non_null(rows);
	assert_int_equal(weir_snapshot_make(fold, WEIR_SNAPSHOT_SERIES, 0, T0, &snapshot), 0);
	for (uint32_t i = 0; i < snapshot->series_counts[metric_of(snapshot, "istio_requests_total")]; i++) {
		const struct weir_series_view *view = &snapshot->series[metric_of(snapshot, "istio_requests_total")][i];
		char reporter[32], source[64], end[128], code[16], flags[64], grpc[16];

		label(view->labels, "reporter", reporter, sizeof(reporter));
		label(view->labels, "source_workload", source, sizeof(source));
		label(view->labels, strcmp(reporter, "source") == 0 ? "destination_service" : "destination_workload",
			end, sizeof(end));
		label(view->labels, "response_code", code, sizeof(code));
		label(view->labels, "response_flags", flags, sizeof(flags));
		label(view->labels, "grpc_response_status", grpc, sizeof(grpc));
		row_add(rows, is_whole, reporter, source, end, code, flags, grpc, (long long)view->count);
	}
	weir_snapshot_let_go(snapshot);
	return rows;
}

/* Of one reporter's connections. */
static uint64_t tcp_sum(const struct weir_fold *fold, const char *metric, const char *reporter)
{
	const struct weir_snapshot *snapshot;
	char text[32];
	uint64_t sum = 0;

	assert_int_equal(weir_snapshot_make(fold, WEIR_SNAPSHOT_SERIES, 0, T0, &snapshot), 0);
	for (uint32_t i = 0; i < snapshot->series_counts[metric_of(snapshot, metric)]; i++) {
		label(snapshot->series[metric_of(snapshot, metric)][i].labels, "reporter", text, sizeof(text));
		sum += strcmp(text, reporter) == 0 ? snapshot->series[metric_of(snapshot, metric)][i].count : 0;
	}
	weir_snapshot_let_go(snapshot);
	return sum;
}

/* ---- from messages to tables -------------------------------------------- */

struct capture {
	struct weir_mtcap *mtcap;
	struct weir_mtcap_record messages[MESSAGES_MAX];
	uint32_t first[WAYS][MESSAGES_MAX], counts[WAYS]; /* rows of `messages`, as they were sent */
};

static struct capture *capture_open(void)
{
	static const char *const methods[WAYS] = { "AccessLogService/", "MetricsService/", "LogsService/",
		"TraceService/" };
	struct capture *capture = calloc(1, sizeof(*capture));
	struct weir_mtcap_record record;
	uint32_t count = 0;

	assert_non_null(capture);
	capture->mtcap = facts_capture(folder, CAPTURE);
	while (weir_mtcap_next(capture->mtcap, &record) == 0) {
		for (unsigned way = 0; way < WAYS && weir_str_is(record.kind, "msg"); way++) {
			if (memmem(record.method.data, record.method.length, methods[way], strlen(methods[way]))) {
				assert_true(count < MESSAGES_MAX && record.stream < STREAMS_MAX);
				capture->first[way][capture->counts[way]++] = count;
				capture->messages[count++] = record;
			}
		}
	}
	for (unsigned way = 0; way < WAYS; way++) {
		assert_true(capture->counts[way] > 5);
	}
	return capture;
}

static void capture_close(struct capture *capture)
{
	weir_mtcap_close(capture->mtcap);
	free(capture);
}

struct receivers { /* as collector/receive does it, without a ring */
	struct weir_fold *fold;
	struct weir_arena arena;
	struct weir_envoy_sender senders[STREAMS_MAX];
	bool is_open[STREAMS_MAX];
	struct weir_known *als, *logs[2];
};

static struct receivers *receivers_make(void)
{
	const struct weir_fold_opts opts = { .max_series = 20000, .hash_seed = 42 };
	struct receivers *receivers = calloc(1, sizeof(*receivers));

	assert_non_null(receivers);
	assert_int_equal(weir_fold_create(&opts, &receivers->fold), 0);
	assert_int_equal(weir_known_create(64, &receivers->als), 0);
	assert_int_equal(weir_known_create(64, &receivers->logs[0]), 0);
	assert_int_equal(weir_known_create(64, &receivers->logs[1]), 0);
	weir_arena_init(&receivers->arena, 1 << 20, 1 << 25);
	return receivers;
}

static void receivers_end(struct receivers *receivers)
{
	for (unsigned i = 0; i < STREAMS_MAX; i++) {
		if (receivers->is_open[i]) {
			weir_envoy_sender_fini(&receivers->senders[i]);
		}
	}
	weir_known_destroy(receivers->als);
	weir_known_destroy(receivers->logs[0]);
	weir_known_destroy(receivers->logs[1]);
	weir_arena_fini(&receivers->arena);
	weir_fold_destroy(receivers->fold);
	free(receivers);
}

static int envoy_decode(struct receivers *receivers, struct weir_draft *draft, unsigned way, uint32_t stream)
{
	struct weir_envoy_sender *sender = &receivers->senders[stream];
	struct weir_address address = { 0 };
	bool is_new = !receivers->is_open[stream];
	int r;

	if (is_new) {
		weir_envoy_sender_init(sender);
		sender->known = way == ALS ? receivers->als : NULL;
		receivers->is_open[stream] = true;
	}
	r = way == ALS ? weir_als_decode(draft, sender) : weir_envoy_metrics_decode(draft, sender, false);
	if (r == 0 && is_new && way == ALS) {
		(void)weir_address_parse(sender->identity.address, &address);
		weir_known_join(receivers->als, &sender->identity, address.ip);
	}
	return r;
}

static void take(struct receivers *receivers, const struct weir_mtcap_record *record, unsigned way, uint64_t now_ns)
{
	static const struct weir_draft_head heads[WAYS] = { [ALS] = { .protocol = WEIR_PROTOCOL_ALS_V3,
								    .signal = WEIR_SIGNAL_ACCESS_LOG },
		[METRICS] = { .protocol = WEIR_PROTOCOL_METRICS_V3, .signal = WEIR_SIGNAL_METRIC_POINT },
		[LOGS] = { .protocol = WEIR_PROTOCOL_OTLP_GRPC, .signal = WEIR_SIGNAL_LOG },
		[TRACES] = { .protocol = WEIR_PROTOCOL_OTLP_GRPC, .signal = WEIR_SIGNAL_SPAN } };
	struct weir_draft_head head = heads[way];
	const struct weir_batch *batch;
	struct weir_draft draft;
	int r;

	weir_arena_reset(&receivers->arena);
	weir_draft_init(&draft, &receivers->arena, record->payload);
	draft.known[0] = receivers->logs[0];
	draft.known[1] = receivers->logs[1];
	switch (way) {
	case LOGS:
		r = weir_otlp_logs_decode(&draft);
		break;
	case TRACES:
		r = weir_otlp_trace_decode(&draft);
		break;
	default:
		r = envoy_decode(receivers, &draft, way, record->stream);
		head.source = receivers->senders[record->stream].identity.node_id;
		break;
	}
	assert_int_equal(r, 0);
	head.received_ns = now_ns;
	head.source = head.source.length > 0 ? head.source : weir_str_of("127.0.0.1");
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_int_equal(weir_fold_batch(receivers->fold, batch), 0);
}

static void check(const struct receivers *receivers, bool is_whole)
{
	struct rows *wanted = want(is_whole), *found = have(receivers->fold, is_whole);

	assert_int_equal(rows_differences(wanted, found), 0);
	/* One request fewer is a difference: the comparison can fail. */
	found->row[0].n--;
	assert_int_not_equal(rows_get(wanted, found->row[0].text), found->row[0].n);
	free(wanted);
	free(found);
}

static void check_tcp(const struct receivers *receivers)
{
	json_t *facts = facts_load(folder, CAPTURE),
	       *pair = json_array_get(json_object_get(facts, "tcp_connections"), 0);
	uint64_t connections = (uint64_t)facts_number(pair, "connections");

	assert_int_equal(tcp_sum(receivers->fold, "istio_tcp_connections_closed_total", "source"), connections);
	assert_int_equal(tcp_sum(receivers->fold, "istio_tcp_connections_closed_total", "destination"), connections);
	assert_int_equal(tcp_sum(receivers->fold, "istio_tcp_connections_opened_total", "source"), connections);
	assert_int_equal(tcp_sum(receivers->fold, "istio_tcp_received_bytes_total", "source"),
		facts_number(pair, "bytes_sent_by_source"));
	assert_int_equal(tcp_sum(receivers->fold, "istio_tcp_sent_bytes_total", "source"),
		facts_number(pair, "bytes_sent_by_destination"));
	json_decref(facts);
}

/* ---- orders of arrival -------------------------------------------------- */

/* One signal behind the other, `gap_ns` between them. */
static void each_order_of_signals_gives_the_facts(void **state)
{
	struct capture *capture = capture_open();

	(void)state;
	for (unsigned order = 0; order < 256; order++) {
		const unsigned ways[WAYS] = { order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6 & 3 };
		bool is_als_first = true;

		if ((1u << ways[0] | 1u << ways[1] | 1u << ways[2] | 1u << ways[3]) != 15) {
			continue; /* no permutation */
		}
		for (uint64_t gap_ms = 0; gap_ms <= 15000; gap_ms += 7500) {
			struct receivers *receivers = receivers_make();

			for (unsigned i = 0; i < WAYS; i++) {
				for (uint32_t k = 0; k < capture->counts[ways[i]]; k++) {
					take(receivers, &capture->messages[capture->first[ways[i]][k]], ways[i],
						T0 + i * gap_ms * MS);
				}
			}
			for (unsigned i = 0; i < WAYS && ways[i] != ALS; i++) {
				is_als_first = is_als_first && ways[i] != LOGS;
			}
			check(receivers, is_als_first);
			check_tcp(receivers);
			receivers_end(receivers);
		}
	}
	capture_close(capture);
}

/* Each signal's messages in their order, in pieces; who is next is drawn, and
 * now and then seconds go by. */
static void each_interleaving_gives_the_facts(void **state)
{
	struct capture *capture = capture_open();

	(void)state;
	for (unsigned seed = 0; seed < SEEDS; seed++) {
		struct batch_random random = { .state = seed };
		struct receivers *receivers = receivers_make();
		uint32_t told[WAYS] = { 0 }, left = 0, jumps = 0;
		uint64_t now_ns = T0;

		for (unsigned way = 0; way < WAYS; way++) {
			left += capture->counts[way];
		}
		while (left > 0) {
			unsigned way = (unsigned)batch_random_number(&random, WAYS);
			uint64_t count = 1 + batch_random_number(&random, 1 + seed % 30);

			for (; count > 0 && told[way] < capture->counts[way]; count--, left--) {
				take(receivers, &capture->messages[capture->first[way][told[way]++]], way, now_ns);
			}
			if (jumps < 10 && batch_random_number(&random, 12) == 0) {
				now_ns += batch_random_number(&random, 5000) * MS; /* at most 50 s: see owner.c */
				jumps++;
			}
			now_ns += batch_random_number(&random, 3) * MS;
		}
		check(receivers, false);
		check_tcp(receivers);
		receivers_end(receivers);
	}
	capture_close(capture);
}

/* One signal is all there is up to a point; from there on another tells too. */
static void a_signal_that_begins_in_mid_stream_counts_nothing_twice(void **state)
{
	struct capture *capture = capture_open();

	(void)state;
	for (unsigned seed = 0; seed < SEEDS; seed++) {
		struct batch_random random = { .state = 1000 + seed };
		struct receivers *receivers = receivers_make();
		unsigned first = seed % 2 == 0 ? ALS : LOGS, second = seed % 2 == 0 ? LOGS : ALS;
		uint32_t begins = (uint32_t)batch_random_number(&random, capture->counts[first]), at[WAYS] = { 0 };
		uint64_t now_ns = T0;

		while (at[first] < capture->counts[first] || at[second] < capture->counts[second]) {
			bool is_second = at[first] > begins && batch_random_number(&random, 2) == 0;
			unsigned way = is_second || at[first] == capture->counts[first] ? second : first;

			if (at[way] < capture->counts[way]) {
				take(receivers, &capture->messages[capture->first[way][at[way]++]], way, now_ns);
			}
			now_ns += batch_random_number(&random, 2) * 30 * MS;
		}
		check(receivers, false);
		check_tcp(receivers);
		receivers_end(receivers);
	}
	capture_close(capture);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_order_of_signals_gives_the_facts),
		cmocka_unit_test(each_interleaving_gives_the_facts),
		cmocka_unit_test(a_signal_that_begins_in_mid_stream_counts_nothing_twice),
	};

	folder = argc > 1 ? argv[1] : "tests/captures";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
