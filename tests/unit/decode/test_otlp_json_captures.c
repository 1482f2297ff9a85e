/* json: every OTLP request of every capture, as it came and written as JSON in
 * all the ways that senders write it, makes the same rows; and the facts of a
 * real sender of JSON come out. argv[1] is the folder of the captures. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <dirent.h>
#include <zlib.h>

#include "decode/otlp/json.h"
#include "decode/otlp/logs.h"
#include "decode/otlp/metrics.h"
#include "decode/otlp/trace.h"
#include "dump.h"
#include "opentelemetry/proto/collector/logs/v1/logs_service.pb-c.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "tests/support/mtcap.h"
#include "tests/support/otlp_json.h"

#define BODY_MAX (4u << 20)

static const char *folder;

enum sort { TRACE, METRICS, LOGS, SORTS };

static const struct {
	const char *word; /* in the method of a capture */
	enum weir_signal signal;
	int (*decode)(struct weir_draft *draft);
	int (*json_decode)(struct weir_draft *draft);
	const ProtobufCMessageDescriptor *request;
	void (*dump)(const struct weir_batch *batch, struct weir_buf *ret_text);
} sorts[SORTS] = {
	[TRACE] = { "trace", WEIR_SIGNAL_SPAN, weir_otlp_trace_decode, weir_otlp_trace_json_decode,
		&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor, dump_spans },
	[METRICS] = { "metrics", WEIR_SIGNAL_METRIC_POINT, weir_otlp_metrics_decode, weir_otlp_metrics_json_decode,
		&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor,
		dump_points },
	[LOGS] = { "logs", WEIR_SIGNAL_LOG, weir_otlp_logs_decode, weir_otlp_logs_json_decode,
		&opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor, dump_logs },
};

/* ---- decoding ------------------------------------------------------------- */

struct decoded {
	struct weir_arena arena;
	struct weir_draft draft;
	const struct weir_batch *batch; /* NULL: refused */
	int r;
};

static void decode(enum sort sort, bool is_json, struct weir_str body, struct decoded *ret)
{
	struct weir_draft_head head = { .signal = sorts[sort].signal, .source = weir_str_of("test") };

	weir_arena_init(&ret->arena, 1 << 16, 1 << 28);
	weir_draft_init(&ret->draft, &ret->arena, body);
	ret->r = is_json ? sorts[sort].json_decode(&ret->draft) : sorts[sort].decode(&ret->draft);
	ret->batch = ret->r == 0 ? weir_draft_finish(&ret->draft, &head) : NULL;
	if (ret->batch != NULL) {
		assert_true(weir_batch_is_sound(ret->batch, ret->batch->size_bytes));
	}
}

static void decoded_fini(struct decoded *decoded)
{
	weir_arena_fini(&decoded->arena);
}

/* ---- captures ----------------------------------------------------------------------- */

static struct weir_str plain_body(const struct weir_mtcap_record *record, char *buffer)
{
	z_stream zip = { .next_in = (unsigned char *)(uintptr_t)record->payload.data,
		.avail_in = (unsigned)record->payload.length,
		.next_out = (unsigned char *)buffer,
		.avail_out = BODY_MAX };

	if (record->payload.length < 2 || memcmp(record->payload.data, "\x1f\x8b", 2) != 0) {
		return record->payload;
	}
	assert_int_equal(inflateInit2(&zip, 15 + 16), Z_OK);
	assert_int_equal(inflate(&zip, Z_FINISH), Z_STREAM_END);
	inflateEnd(&zip);
	return weir_str_make(buffer, zip.total_out);
}

static enum sort sort_of(struct weir_str method)
{
	char text[256];

	snprintf(text, sizeof(text), "%.*s", (int)method.length, method.data);
	for (unsigned i = 0; i < SORTS; i++) {
		if ((strstr(text, "opentelemetry.proto.collector") != NULL || strstr(text, " /v1/") != NULL) &&
			strstr(text, sorts[i].word) != NULL) {
			return (enum sort)i;
		}
	}
	return SORTS;
}

/* One request in protobuf and, written as `style` says, in JSON. */
static void both_ways_check(enum sort sort, struct weir_str body, unsigned style)
{
	json_t *tree = otlp_json_of_wire(sorts[sort].request, body, style);
	char *json = json_dumps(tree, (style & 1) != 0 ? JSON_COMPACT : JSON_ENSURE_ASCII);
	struct decoded plain, from_json;
	struct weir_buf want, have;

	assert_non_null(json);
	weir_buf_init(&want, 0);
	weir_buf_init(&have, 0);
	decode(sort, false, body, &plain);
	decode(sort, true, weir_str_of(json), &from_json);
	assert_int_equal(plain.r, 0);
	assert_int_equal(from_json.r, 0);
	sorts[sort].dump(plain.batch, &want);
	sorts[sort].dump(from_json.batch, &have);
	if (!weir_str_equal(weir_buf_str(&want), weir_buf_str(&have))) {
		fail_msg("protobuf:\n%.*s\nJSON:\n%.*s", (int)want.length, want.data, (int)have.length, have.data);
	}
	decoded_fini(&plain);
	decoded_fini(&from_json);
	weir_buf_fini(&want);
	weir_buf_fini(&have);
	free(json);
	json_decref(tree);
}

static unsigned capture_check(const char *path, char *buffer)
{
	struct weir_mtcap_record record;
	struct weir_mtcap *mtcap;
	unsigned requests = 0;

	assert_int_equal(weir_mtcap_open(path, &mtcap), 0);
	while (weir_mtcap_next(mtcap, &record) == 0) {
		enum sort sort = sort_of(record.method);

		if (sort != SORTS && (weir_str_is(record.kind, "msg") || weir_str_is(record.kind, "http"))) {
			both_ways_check(sort, plain_body(&record, buffer), requests++ % 16);
		}
	}
	weir_mtcap_close(mtcap);
	return requests;
}

static void both_encodings_of_a_request_are_equal_rows(void **state)
{
	char *buffer = malloc(BODY_MAX), path[2048];
	const struct dirent *entry;
	unsigned requests = 0;
	DIR *dir = opendir(folder);

	(void)state;
	assert_non_null(dir);
	assert_non_null(buffer);
	while ((entry = readdir(dir)) != NULL) {
		size_t length = strlen(entry->d_name);

		if (length > 6 && strcmp(entry->d_name + length - 6, ".mtcap") == 0 &&
			strstr(entry->d_name, "json") == NULL) {
			snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
			requests += capture_check(path, buffer);
		}
	}
	closedir(dir);
	free(buffer);
	assert_true(requests > 300);
}

/* ---- the facts of a sender of JSON ---------------------------------------------------- */

struct row { /* a span, copied out of its batch */
	char service[32];
	uint8_t trace[16], id[8], parent[8], kind, status;
};

struct facts {
	struct row rows[256];
	size_t count;
	double latency_count, latency_sum, hits; /* of the last request */
};

static void spans_take(const struct weir_batch *batch, struct facts *facts)
{
	for (uint32_t i = 0; i < batch->spans.count; i++) {
		const struct weir_span *span = &weir_batch_spans(batch)[i];
		struct weir_str service = weir_batch_str(batch, weir_batch_resources(batch)[span->resource].service);
		struct row *row = &facts->rows[facts->count++];

		assert_true(facts->count <= sizeof(facts->rows) / sizeof(facts->rows[0]));
		*row = (struct row){ .kind = span->kind, .status = span->status };
		snprintf(row->service, sizeof(row->service), "%.*s", (int)service.length, service.data);
		memcpy(row->trace, span->trace_id, sizeof(row->trace));
		memcpy(row->id, span->span_id, sizeof(row->id));
		memcpy(row->parent, span->parent_id, sizeof(row->parent));
	}
}

/* The sums are cumulative: the last request says it all. */
static void points_take(const struct weir_batch *batch, struct facts *facts)
{
	facts->latency_count = facts->latency_sum = facts->hits = 0;
	for (uint32_t i = 0; i < batch->points.count; i++) {
		const struct weir_point *point = &weir_batch_points(batch)[i];
		const struct weir_instrument *instrument = &weir_batch_instruments(batch)[point->instrument];

		assert_int_equal(instrument->temporality, WEIR_TEMPORALITY_CUMULATIVE);
		if (instrument->kind == WEIR_INSTRUMENT_SUM) {
			assert_true(weir_str_is(weir_batch_str(batch, instrument->name), "hits"));
			facts->hits += (point->flags & WEIR_POINT_IS_INT) != 0 ? (double)point->value.integer
									       : point->value.real;
		} else {
			facts->latency_count += (double)point->count;
			facts->latency_sum += point->sum;
		}
	}
}

static void capture_take(const char *path, char *buffer, struct facts *facts)
{
	struct weir_mtcap_record record;
	struct weir_mtcap *mtcap;

	assert_int_equal(weir_mtcap_open(path, &mtcap), 0);
	while (weir_mtcap_next(mtcap, &record) == 0) {
		enum sort sort = sort_of(record.method);
		struct decoded decoded;

		if (sort == SORTS) {
			continue;
		}
		decode(sort, true, plain_body(&record, buffer), &decoded);
		assert_int_equal(decoded.r, 0);
		(sort == TRACE ? spans_take : points_take)(decoded.batch, facts);
		decoded_fini(&decoded);
	}
	weir_mtcap_close(mtcap);
}

static unsigned kind_count(const struct facts *facts, const char *name)
{
	const char *kind = strchr(name, '|') + 1;
	unsigned wanted = strcmp(kind, "SERVER") == 0 ? WEIR_SPAN_SERVER : WEIR_SPAN_CLIENT, n = 0;

	for (size_t i = 0; i < facts->count; i++) {
		n += facts->rows[i].kind == wanted && strlen(facts->rows[i].service) == (size_t)(kind - name - 1) &&
		     memcmp(facts->rows[i].service, name, (size_t)(kind - name - 1)) == 0;
	}
	return n;
}

static unsigned edge_count(const struct facts *facts, const char *name)
{
	unsigned n = 0;

	for (size_t i = 0; i < facts->count; i++) {
		for (size_t k = 0; k < facts->count; k++) {
			const struct row *from = &facts->rows[i], *to = &facts->rows[k];
			char edge[80];

			snprintf(edge, sizeof(edge), "%s->%s", from->service, to->service);
			n += from->kind == WEIR_SPAN_CLIENT && to->kind == WEIR_SPAN_SERVER &&
			     memcmp(from->trace, to->trace, 16) == 0 && memcmp(from->id, to->parent, 8) == 0 &&
			     strcmp(edge, name) == 0;
		}
	}
	return n;
}

static void the_facts_of_a_sender_of_json_come_out(void **state)
{
	char *buffer = malloc(BODY_MAX), path[2048];
	struct facts *have = calloc(1, sizeof(*have));
	unsigned errors = 0;
	const char *name;
	json_t *facts, *value;

	(void)state;
	assert_non_null(buffer);
	assert_non_null(have);
	snprintf(path, sizeof(path), "%s/otel-js-json.facts.json", folder);
	facts = json_load_file(path, 0, NULL);
	assert_non_null(facts);
	snprintf(path, sizeof(path), "%s/otel-js-json.mtcap", folder);
	capture_take(path, buffer, have);
	assert_int_equal(have->count, json_integer_value(json_object_get(facts, "span_total")));
	json_object_foreach(json_object_get(facts, "spans"), name, value)
	{
		assert_int_equal(kind_count(have, name), json_integer_value(value));
	}
	json_object_foreach(json_object_get(facts, "edges"), name, value)
	{
		assert_int_equal(edge_count(have, name), json_integer_value(value));
	}
	for (size_t i = 0; i < have->count; i++) {
		errors += have->rows[i].status == 2;
	}
	assert_int_equal(errors, json_integer_value(json_object_get(facts, "error_spans")));
	/* Two histograms of the same values, one by explicit bounds, one exponential. */
	assert_true(have->hits == 40 && have->latency_count == 80 && have->latency_sum == 2 * 2603.375);
	json_decref(facts);
	free(have);
	free(buffer);
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(both_encodings_of_a_request_are_equal_rows),
		cmocka_unit_test(the_facts_of_a_sender_of_json_come_out),
	};

	if (argc < 2) {
		return 2;
	}
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
