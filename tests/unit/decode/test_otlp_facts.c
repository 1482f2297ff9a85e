/* Facts: the captures of real SDKs and Envoys that speak OTLP, decoded, against
 * what their load programs counted: log records by severity, points, the final
 * value of each metric, and the requests and connections of access logs.
 *
 * Of an access log over OTLP two things cannot be told, because the logger was
 * not asked to say them: the gRPC status, and who called (but by its address,
 * when that is another proxy's). The facts are compared without the one, and
 * with the other as far as it is known.
 *
 * argv[1] is the folder of the captures. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/envoy/als.h"
#include "decode/otlp/logs.h"
#include "decode/otlp/metrics.h"
#include "identity/known.h"
#include "rules/response_flags.h"
#include "tests/support/facts.h"

#define CELLS_MAX 512

static const char *folder;

/* ---- playing -------------------------------------------------------------- */

typedef void each_fn(void *ctx, const struct weir_batch *batch);

/* Every body of a capture that goes to `service` (or the path of it), decoded. */
static void play(const char *name, const char *service, const char *path_end, enum weir_signal signal,
	int (*decode)(struct weir_draft *), struct weir_known *known, each_fn *each, void *ctx)
{
	const struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_OTLP_GRPC, .signal = signal };
	struct weir_mtcap_record record;
	struct weir_mtcap *mtcap;
	struct weir_arena arena;
	unsigned bodies = 0;

	mtcap = facts_capture(folder, name);
	weir_arena_init(&arena, 1 << 20, 1 << 26);
	while (weir_mtcap_next(mtcap, &record) == 0) {
		const struct weir_batch *batch;
		struct weir_draft draft;
		bool is_message = weir_str_is(record.kind, "msg") && weir_str_ends_with(record.method, service);
		bool is_post = weir_str_is(record.kind, "http") && weir_str_ends_with(record.method, path_end);

		if (!is_message && !is_post) {
			continue;
		}
		assert_true(is_message || record.encoding.length == 0);
		weir_arena_reset(&arena);
		weir_draft_init(&draft, &arena, record.payload);
		draft.known[0] = draft.known[1] = known;
		assert_int_equal(decode(&draft), 0);
		batch = weir_draft_finish(&draft, &head);
		assert_non_null(batch);
		assert_true(weir_batch_is_sound(batch, batch->size_bytes));
		assert_int_equal(batch->replaced_utf8, 0);
		each(ctx, batch);
		bodies++;
	}
	assert_true(bodies > 0);
	weir_arena_fini(&arena);
	weir_mtcap_close(mtcap);
}

static void play_logs(const char *name, struct weir_known *known, each_fn *each, void *ctx)
{
	play(name, "LogsService/Export", "/v1/logs", WEIR_SIGNAL_LOG, weir_otlp_logs_decode, known, each, ctx);
}

static void play_metrics(const char *name, each_fn *each, void *ctx)
{
	play(name, "MetricsService/Export", "/v1/metrics", WEIR_SIGNAL_METRIC_POINT, weir_otlp_metrics_decode, NULL,
		each, ctx);
}

/* ---- logs of SDKs ----------------------------------------------------------- */

static void tell_severity(void *ctx, const struct weir_batch *batch)
{
	static const char *const names[] = { "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL" };

	for (uint32_t i = 0; i < batch->logs.count; i++) {
		const struct weir_log *log = &weir_batch_logs(batch)[i];

		assert_in_range(log->severity, 1, 24);
		assert_int_equal(log->body.type, WEIR_ATTR_STRING);
		assert_true(log->body.value.text.length > 0);
		assert_int_equal(log->request, WEIR_NONE);
		rows_add(ctx, names[(log->severity - 1) / 4], 1);
	}
}

static void log_records_of_sdks_are_the_facts(void **state)
{
	static const char *const captures[] = { "otel-go-grpc", "otel-go-http-delta", "otel-python-grpc",
		"otel-python-http-delta" };

	(void)state;
	for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
		struct rows *want = calloc(1, sizeof(*want)), *have = calloc(1, sizeof(*have));
		json_t *facts = facts_load(folder, captures[i]), *n;
		const char *severity;

		json_object_foreach(json_object_get(facts, "logs"), severity, n)
		{
			rows_add(want, severity, json_integer_value(n));
		}
		assert_true(want->count == 2);
		play_logs(captures[i], NULL, tell_severity, have);
		assert_int_equal(rows_differences(want, have), 0);
		free(want);
		free(have);
		json_decref(facts);
	}
}

/* ---- points ----------------------------------------------------------------- */

static void tell_offered(void *ctx, const struct weir_batch *batch)
{
	unsigned *points = ctx;

	*points += batch->offered;
	assert_int_equal(batch->points.count + batch->dropped[WEIR_DROP_NO_VALUE], batch->offered);
}

static void all_points_are_taken(void **state)
{
	static const struct {
		const char *capture;
		unsigned points;
	} want[] = { { "envoy-metrics-otlp", 4399 }, { "envoy-metrics-otlp-delta", 2995 }, { "otel-go-grpc", 14 },
		{ "otel-go-http-delta", 16 }, { "otel-python-grpc", 18 }, { "otel-python-http-delta", 18 } };

	(void)state;
	for (size_t i = 0; i < sizeof(want) / sizeof(want[0]); i++) {
		unsigned points = 0;

		play_metrics(want[i].capture, tell_offered, &points);
		assert_int_equal(points, want[i].points);
	}
}

struct cell { /* one series */
	char name[128], attrs[512];
	double value, sum;
	uint64_t count;
};

struct cells {
	struct cell cell[CELLS_MAX];
	size_t count;
};

static struct cell *cell_of(struct cells *cells, const struct weir_batch *batch, const struct weir_point *point)
{
	const struct weir_instrument *instrument = &weir_batch_instruments(batch)[point->instrument];
	const struct weir_resource *resource = &weir_batch_resources(batch)[instrument->resource];
	struct weir_str name = weir_batch_str(batch, instrument->name);
	struct weir_str service = weir_batch_str(batch, resource->service);
	char attrs[512];
	size_t length, i = 0;

	length = (size_t)snprintf(attrs, sizeof(attrs), "%.*s", (int)service.length, service.data);
	for (uint32_t k = 0; k < point->attr_count; k++) {
		const struct weir_attr *attr = &weir_batch_attrs(batch)[point->attr_first + k];
		struct weir_str text =
			attr->type == WEIR_ATTR_STRING ? weir_batch_str(batch, attr->value.text) : weir_str_of("");

		length += (size_t)snprintf(attrs + length, sizeof(attrs) - length, " %.*s/%lld", (int)text.length,
			text.data, attr->type == WEIR_ATTR_INT ? (long long)attr->value.number : 0);
		assert_true(length < sizeof(attrs));
	}
	while (i < cells->count &&
		(strncmp(cells->cell[i].name, name.data, name.length) != 0 ||
			strlen(cells->cell[i].name) != name.length || strcmp(cells->cell[i].attrs, attrs) != 0)) {
		i++;
	}
	assert_true(i < CELLS_MAX);
	if (i == cells->count) {
		cells->count++;
		snprintf(cells->cell[i].name, sizeof(cells->cell[i].name), "%.*s", (int)name.length, name.data);
		snprintf(cells->cell[i].attrs, sizeof(cells->cell[i].attrs), "%s", attrs);
	}
	return &cells->cell[i];
}

static uint64_t buckets_sum(const struct weir_batch *batch, struct weir_ref counts)
{
	uint64_t sum = 0;

	for (uint32_t i = 0; i < counts.length / 8; i++) {
		sum += weir_batch_number(batch, counts, i);
	}
	return sum;
}

/* Deltas add up, what is cumulative replaces. */
static void tell_points(void *ctx, const struct weir_batch *batch)
{
	assert_int_equal(batch->points.count, batch->offered);
	for (uint32_t i = 0; i < batch->points.count; i++) {
		const struct weir_point *point = &weir_batch_points(batch)[i];
		const struct weir_instrument *instrument = &weir_batch_instruments(batch)[point->instrument];
		struct cell *cell = cell_of(ctx, batch, point);
		bool is_delta = instrument->temporality == WEIR_TEMPORALITY_DELTA;
		double value =
			(point->flags & WEIR_POINT_IS_INT) != 0 ? (double)point->value.integer : point->value.real;

		assert_true(point->time_ns > 0);
		if (instrument->kind == WEIR_INSTRUMENT_GAUGE || instrument->kind == WEIR_INSTRUMENT_SUM) {
			cell->value = is_delta ? cell->value + value : value;
			continue;
		}
		assert_true((point->flags & WEIR_POINT_HAS_SUM) != 0);
		cell->sum = is_delta ? cell->sum + point->sum : point->sum;
		cell->count = is_delta ? cell->count + point->count : point->count;
		if (instrument->kind == WEIR_INSTRUMENT_HISTOGRAM) {
			assert_int_equal(point->counts.length, point->bounds.length + 8);
			assert_int_equal(buckets_sum(batch, point->counts), point->count);
		} else {
			assert_int_equal(buckets_sum(batch, point->counts) + buckets_sum(batch, point->negative) +
						 point->zero_count,
				point->count);
		}
	}
}

static double json_sum(json_t *value)
{
	const json_t *part;
	const char *key;
	double sum = 0;

	if (!json_is_object(value)) {
		return json_number_value(value);
	}
	json_object_foreach(value, key, part)
	{
		sum += json_number_value(part);
	}
	return sum;
}

static void final_values_of_sdks_are_the_facts(void **state)
{
	static const char *const captures[] = { "otel-go-grpc", "otel-go-http-delta", "otel-python-grpc",
		"otel-python-http-delta" };

	(void)state;
	for (size_t i = 0; i < sizeof(captures) / sizeof(captures[0]); i++) {
		struct cells *cells = calloc(1, sizeof(*cells));
		json_t *facts = facts_load(folder, captures[i]), *want;
		const char *name;
		size_t metrics = 0;

		play_metrics(captures[i], tell_points, cells);
		json_object_foreach(json_object_get(facts, "metrics"), name, want)
		{
			bool is_histogram = json_object_get(want, "count") != NULL;
			double value = 0, sum = 0;
			uint64_t count = 0;

			for (size_t k = 0; k < cells->count; k++) {
				if (strcmp(cells->cell[k].name, name) == 0) {
					value += cells->cell[k].value;
					sum += cells->cell[k].sum;
					count += cells->cell[k].count;
				}
			}
			if (is_histogram) {
				assert_int_equal(count, facts_number(want, "count"));
				assert_true(fabs(sum - json_number_value(json_object_get(want, "sum"))) < 1e-6);
			} else if (fabs(value - json_sum(want)) > 1e-9) {
				print_error("%s: %s is %g, not %g\n", captures[i], name, value, json_sum(want));
				fail();
			}
			metrics++;
		}
		assert_true(metrics >= 5);
		free(cells);
		json_decref(facts);
	}
}

/* ---- access logs ------------------------------------------------------------ */

struct told {
	struct rows edges, tcp; /* without the caller on the callee's side, unless has_callers */
	bool has_callers;
	uint32_t logs, requests, connections;
};

static struct weir_str or_unknown(struct weir_str text)
{
	return text.length > 0 ? text : weir_str_of("unknown");
}

static struct weir_str workload_of(const struct weir_batch *batch, uint32_t row)
{
	return or_unknown(row < batch->workloads.count ? weir_batch_str(batch, weir_batch_workloads(batch)[row].name)
						       : (struct weir_str){ NULL, 0 });
}

/* "reporter caller end": the end is the service at the caller's side, the workload at the callee's. */
static void call_tell(const struct weir_batch *batch, const struct weir_call *call, bool has_caller, char text[512])
{
	bool is_source = call->reporter == WEIR_REPORTER_SOURCE;
	struct weir_str source = is_source || has_caller ? workload_of(batch, call->source) : weir_str_of("*");
	struct weir_str end = is_source ? or_unknown(weir_batch_str(batch, call->service_host))
					: workload_of(batch, call->destination);

	snprintf(text, 512, "%s %.*s %.*s", is_source ? "source" : "destination", (int)source.length, source.data,
		(int)end.length, end.data);
}

static void tell_access(void *ctx, const struct weir_batch *batch)
{
	struct told *told = ctx;

	told->logs += batch->logs.count;
	told->requests += batch->requests.count;
	told->connections += batch->connections.count;
	for (uint32_t i = 0; i < batch->requests.count; i++) {
		const struct weir_request *request = &weir_batch_requests(batch)[i];
		char call[512], flags[FACTS_FLAGS_BYTES], text[1024];
		struct weir_buf buf;

		weir_buf_init(&buf, 0);
		weir_response_flags_add(request->call.response_flags, &buf);
		snprintf(flags, sizeof(flags), "%.*s", (int)buf.length, buf.data);
		weir_buf_fini(&buf);
		facts_flags_sort(flags);
		call_tell(batch, &request->call, told->has_callers, call);
		snprintf(text, sizeof(text), "%s %u %s", call, request->response_code, flags);
		rows_add(&told->edges, text, 1);
	}
	for (uint32_t i = 0; i < batch->connections.count; i++) {
		const struct weir_connection *connection = &weir_batch_connections(batch)[i];
		char call[512], text[1024];

		assert_int_equal(connection->state, WEIR_CONNECTION_CLOSE);
		call_tell(batch, &connection->call, told->has_callers, call);
		snprintf(text, sizeof(text), "%s n", call);
		rows_add(&told->tcp, text, 1);
		snprintf(text, sizeof(text), "%s received", call);
		rows_add(&told->tcp, text, (long long)connection->received_bytes);
		snprintf(text, sizeof(text), "%s sent", call);
		rows_add(&told->tcp, text, (long long)connection->sent_bytes);
	}
	for (uint32_t i = 0; i < batch->logs.count; i++) {
		const struct weir_log *log = &weir_batch_logs(batch)[i];

		if (log->request != WEIR_NONE) {
			assert_int_equal(log->time_ns, weir_batch_requests(batch)[log->request].start_ns);
		}
	}
}

/* A caller is only known by its own address: not the gateway, behind which the client's stands. */
static const char *caller_of(const char *source)
{
	return strcmp(source, "istio-ingressgateway") == 0 ? "unknown" : source;
}

static void want_access(const json_t *facts, struct told *told)
{
	const json_t *edge, *pair;
	size_t i;

	json_array_foreach(json_object_get(facts, "edges"), i, edge)
	{
		bool is_source = strcmp(facts_text(edge, "reporter"), "source") == 0;
		const char *flags = facts_text(edge, "response_flags"), *source = facts_text(edge, "source");
		const char *end = facts_text(edge, is_source ? "destination_service" : "destination_workload");
		char text[512];

		if (is_source && end[0] == '\0') {
			end = strcmp(flags, "NR") == 0 ? "unknown" : "BlackHoleCluster";
		}
		source = is_source ? source : told->has_callers ? caller_of(source) : "*";
		snprintf(text, sizeof(text), "%s %s %s %lld %s", facts_text(edge, "reporter"), source, end,
			facts_number(edge, "response_code"), flags[0] ? flags : "-");
		rows_add(&told->edges, text, facts_number(edge, "n"));
	}
	json_array_foreach(json_object_get(facts, "tcp_connections"), i, pair)
	{
		const char *workload = "mysqldb-v1", *source = facts_text(pair, "source");
		long long n = facts_number(pair, "connections");
		long long received = facts_number(pair, "bytes_sent_by_source");
		long long sent = facts_number(pair, "bytes_sent_by_destination");
		char call[2][400], text[1024];

		snprintf(call[0], sizeof(call[0]), "source %s %s", source, facts_text(pair, "destination_service"));
		snprintf(call[1], sizeof(call[1]), "destination %s %s", told->has_callers ? source : "*", workload);
		for (size_t k = 0; k < 2; k++) {
			snprintf(text, sizeof(text), "%s n", call[k]);
			rows_add(&told->tcp, text, n);
			snprintf(text, sizeof(text), "%s received", call[k]);
			rows_add(&told->tcp, text, received);
			snprintf(text, sizeof(text), "%s sent", call[k]);
			rows_add(&told->tcp, text, sent);
		}
	}
}

static void check_access(const char *name, uint32_t logs, uint32_t connections)
{
	json_t *facts = facts_load(folder, name);
	struct weir_known *known;

	assert_int_equal(weir_known_create(64, &known), 0);
	/* The second time all proxies have introduced themselves: now callers are known too. */
	for (unsigned pass = 0; pass < 2; pass++) {
		struct told *want = calloc(1, sizeof(*want)), *have = calloc(1, sizeof(*have));

		want->has_callers = have->has_callers = pass > 0;
		want_access(facts, want);
		play_logs(name, known, tell_access, have);
		assert_int_equal(have->logs, logs);
		assert_int_equal(have->connections, connections);
		assert_int_equal(have->requests, logs - connections);
		assert_true(want->edges.count > 15);
		assert_int_equal(rows_differences(&want->edges, &have->edges), 0);
		assert_true(want->tcp.count > 0);
		assert_int_equal(rows_differences(&want->tcp, &have->tcp), 0);
		free(want);
		free(have);
	}
	weir_known_destroy(known);
	json_decref(facts);
}

static void access_logs_over_otlp_are_the_facts(void **state)
{
	(void)state;
	check_access("envoy-otel-access-log", 353, 18);
	check_access("envoy-all", 257, 18);
}

/* ---- the same request, told twice --------------------------------------------- */

#define TWICE_MAX 512

struct twice { /* the requests of one signal */
	struct {
		char key[256], rest[256];
		bool is_matched;
	} row[TWICE_MAX];
	size_t count;
};

static void twice_add(struct twice *twice, const struct weir_batch *batch)
{
	for (uint32_t i = 0; i < batch->requests.count; i++) {
		const struct weir_request *request = &weir_batch_requests(batch)[i];
		struct weir_str proxy = weir_batch_str(batch, request->call.proxy);
		struct weir_str id = weir_batch_str(batch, request->request_id);
		struct weir_str own =
			workload_of(batch, request->call.reporter == WEIR_REPORTER_SOURCE ? request->call.source
											  : request->call.destination);
		struct weir_str name = weir_batch_str(batch, request->call.service_name);

		assert_true(twice->count < TWICE_MAX && proxy.length > 0);
		snprintf(twice->row[twice->count].key, 256, "%.*s %.*s %llu", (int)proxy.length, proxy.data,
			(int)id.length, id.data, (unsigned long long)request->start_ns);
		/* Milliseconds: the attribute says no more. */
		snprintf(twice->row[twice->count].rest, 256, "%u %.*s %.*s %u %u %u %u %llu", request->call.reporter,
			(int)own.length, own.data, (int)name.length, name.data, request->response_code,
			request->call.response_flags, request->method, request->http_version,
			(unsigned long long)request->duration_ns / 1000000);
		twice->count++;
	}
}

static void tell_twice(void *ctx, const struct weir_batch *batch)
{
	twice_add(ctx, batch);
}

static void als_tell(struct twice *twice)
{
	const struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_ALS_V3, .signal = WEIR_SIGNAL_ACCESS_LOG };
	static struct weir_envoy_sender senders[256];
	static bool is_open[256];
	struct weir_mtcap_record record;
	struct weir_mtcap *mtcap;
	struct weir_arena arena;

	mtcap = facts_capture(folder, "envoy-all");
	weir_arena_init(&arena, 1 << 20, 1 << 26);
	while (weir_mtcap_next(mtcap, &record) == 0) {
		struct weir_draft draft;

		if (!weir_str_is(record.kind, "msg") || !weir_str_ends_with(record.method, "StreamAccessLogs")) {
			continue;
		}
		assert_true(record.stream < 256);
		if (!is_open[record.stream]) {
			weir_envoy_sender_init(&senders[record.stream]);
			is_open[record.stream] = true;
		}
		weir_arena_reset(&arena);
		weir_draft_init(&draft, &arena, record.payload);
		assert_int_equal(weir_als_decode(&draft, &senders[record.stream]), 0);
		twice_add(twice, weir_draft_finish(&draft, &head));
	}
	for (size_t i = 0; i < 256; i++) {
		if (is_open[i]) {
			weir_envoy_sender_fini(&senders[i]);
		}
	}
	weir_arena_fini(&arena);
	weir_mtcap_close(mtcap);
}

static void request_of_two_signals_is_told_alike(void **state)
{
	struct twice *als = calloc(1, sizeof(*als)), *otlp = calloc(1, sizeof(*otlp));
	size_t matched = 0, like = 0;

	(void)state;
	als_tell(als);
	play_logs("envoy-all", NULL, tell_twice, otlp);
	assert_int_equal(als->count, 239);
	assert_int_equal(otlp->count, 239);
	for (size_t i = 0; i < otlp->count; i++) {
		for (size_t k = 0; k < als->count; k++) {
			if (als->row[k].is_matched || strcmp(als->row[k].key, otlp->row[i].key) != 0) {
				continue;
			}
			als->row[k].is_matched = true;
			matched++;
			/* A fault that was injected chose no cluster, which only the access log service says. */
			if (strcmp(als->row[k].rest, otlp->row[i].rest) == 0) {
				like++;
			} else if (strstr(otlp->row[i].rest, " 429 1024 ") == NULL) {
				print_error("%s\n  %s\n  %s\n", als->row[k].key, als->row[k].rest, otlp->row[i].rest);
				fail();
			}
			break;
		}
	}
	assert_int_equal(matched, 239);
	assert_true(like >= 235);
	free(als);
	free(otlp);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(log_records_of_sdks_are_the_facts),
		cmocka_unit_test(all_points_are_taken),
		cmocka_unit_test(final_values_of_sdks_are_the_facts),
		cmocka_unit_test(access_logs_over_otlp_are_the_facts),
		cmocka_unit_test(request_of_two_signals_is_told_alike),
	};

	folder = argc > 1 ? argv[1] : "tests/captures";
	return cmocka_run_group_tests(tests, NULL, NULL);
}
