/* Facts: what Zipkin's senders sent, decoded, against what they counted
 * themselves: spans by service and kind, shared ones, failed ones.
 *
 * argv[1] is the folder of the captures. */
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <zlib.h>

#include "decode/zipkin/json.h"
#include "decode/zipkin/proto.h"
#include "decode/zipkin/v1.h"
#include "tests/support/facts.h"

#define BODY_MAX (4u << 20)

static const char *folder;

struct told {          /* of a whole capture */
	json_t *spans; /* "service|KIND" → count */
	json_int_t total, shared, failed;
};

static void add(json_t *counts, const char *key, json_int_t n)
{
	json_int_t before = json_integer_value(json_object_get(counts, key));

	assert_int_equal(json_object_set_new(counts, key, json_integer(before + n)), 0);
}

/* ---- what weir makes of it ------------------------------------------------ */

static struct weir_str inflated(struct weir_str body, char *room)
{
	z_stream stream = { .next_in = (Bytef *)(uintptr_t)body.data,
		.avail_in = (uInt)body.length,
		.next_out = (Bytef *)room,
		.avail_out = BODY_MAX };

	assert_int_equal(inflateInit2(&stream, 16 + MAX_WBITS), Z_OK);
	assert_int_equal(inflate(&stream, Z_FINISH), Z_STREAM_END);
	inflateEnd(&stream);
	return weir_str_make(room, stream.total_out);
}

static void tell(const struct weir_batch *batch, struct told *told)
{
	static const char *const kinds[] = { "", "", "SERVER", "CLIENT", "PRODUCER", "CONSUMER" };

	for (uint32_t i = 0; i < batch->spans.count; i++) {
		const struct weir_span *span = &weir_batch_spans(batch)[i];
		struct weir_str service = weir_batch_str(batch, weir_batch_resources(batch)[span->resource].service);
		char key[256];

		snprintf(key, sizeof(key), "%.*s|%s", (int)service.length, service.data, kinds[span->kind]);
		add(told->spans, key, 1);
		told->total++;
		told->shared += (span->flags & WEIR_SPAN_SHARED) != 0;
		told->failed += (span->flags & WEIR_SPAN_ERROR) != 0;
	}
}

static void body_decode(const struct weir_mtcap_record *record, struct weir_str body, struct told *told)
{
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_SPAN };
	const struct weir_batch *batch;
	struct weir_arena arena;
	struct weir_draft draft;
	int r;

	weir_arena_init(&arena, 1 << 20, 1 << 26);
	weir_draft_init(&draft, &arena, body);
	if (weir_str_is(record->method, "POST /api/v1/spans")) {
		r = weir_zipkin_v1_decode(&draft);
	} else if (weir_str_is(record->content_type, "application/json")) {
		r = weir_zipkin_json_decode(&draft);
	} else {
		r = weir_zipkin_proto_decode(&draft);
	}
	if (r != 0) {
		fail_msg("%s at %zu", draft.error, draft.error_offset);
	}
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	assert_int_equal(batch->offered, batch->kept);
	tell(batch, told);
	weir_arena_fini(&arena);
}

static struct told decoded(const char *name)
{
	struct told told = { .spans = json_object() };
	struct weir_mtcap_record record;
	struct weir_mtcap *mtcap;
	char *room = malloc(BODY_MAX);

	assert_non_null(room);
	mtcap = facts_capture(folder, name);
	while (weir_mtcap_next(mtcap, &record) == 0) {
		if (weir_str_is(record.kind, "http") || weir_str_is(record.kind, "msg")) {
			bool is_packed = weir_str_is(record.encoding, "gzip") && weir_str_is(record.kind, "http");

			body_decode(&record, is_packed ? inflated(record.payload, room) : record.payload, &told);
		}
	}
	weir_mtcap_close(mtcap);
	free(room);
	return told;
}

/* ---- what the senders say -------------------------------------------------- */

/* Zipkin lower-cases names of services, not kinds. */
static json_t *want_sdk(const json_t *facts)
{
	json_t *want = json_object(), *n;
	const char *key;
	char lower[256];

	json_object_foreach(json_object_get(facts, "spans"), key, n)
	{
		bool is_service = true;
		size_t i;

		for (i = 0; key[i] != '\0'; i++) {
			is_service = is_service && key[i] != '|';
			lower[i] = is_service ? (char)tolower((unsigned char)key[i]) : key[i];
		}
		lower[i] = '\0';
		add(want, lower, json_integer_value(n));
	}
	return want;
}

/* "app.default.svc…" → "app.default|KIND" of the workload called `name`. */
static void mesh_add(json_t *want, const json_t *facts, const char *name, const char *kind, json_int_t n)
{
	const json_t *workload;
	char key[256];
	size_t i;

	json_array_foreach(json_object_get(facts, "workloads"), i, workload)
	{
		if (strcmp(facts_text(workload, "Name"), name) == 0) {
			const char *service = facts_text(workload, "Service");
			const char *dot = strchr(service, '.');

			assert_non_null(dot);
			snprintf(key, sizeof(key), "%.*s|%s", (int)strcspn(dot + 1, ".") + (int)(dot + 1 - service),
				service, kind);
			add(want, key, n);
			return;
		}
	}
	fail_msg("no workload is called %s", name);
}

/* One SERVER span for each entry of a callee, one CLIENT span for each of a
 * calling sidecar; the gateway has both, but no CLIENT span where it knew no way. */
static json_t *want_mesh(const json_t *facts)
{
	const char *gateway = facts_text(json_array_get(json_object_get(facts, "workloads"), 0), "Name");
	json_t *want = json_object();
	const json_t *edge;
	size_t i;

	json_array_foreach(json_object_get(facts, "edges"), i, edge)
	{
		json_int_t n = facts_number(edge, "n");
		const char *source = facts_text(edge, "source");

		if (strcmp(facts_text(edge, "reporter"), "destination") == 0) {
			mesh_add(want, facts, facts_text(edge, "destination_workload"), "SERVER", n);
		} else if (strcmp(source, gateway) != 0) {
			mesh_add(want, facts, source, "CLIENT", n);
		} else {
			mesh_add(want, facts, source, "SERVER", n);
			if (strcmp(facts_text(edge, "response_flags"), "NR") != 0) {
				mesh_add(want, facts, source, "CLIENT", n);
			}
		}
	}
	return want;
}

static void assert_same(const char *name, json_t *want, json_t *have)
{
	if (!json_equal(want, have)) {
		char *wanted = json_dumps(want, JSON_SORT_KEYS), *had = json_dumps(have, JSON_SORT_KEYS);

		fail_msg("%s: want %s have %s", name, wanted, had);
	}
	json_decref(want);
	json_decref(have);
}

static void check_sdk(const char *name, const char *failed_key)
{
	json_t *facts = facts_load(folder, name);
	struct told told = decoded(name);

	assert_int_equal(told.total, facts_number(facts, "span_total"));
	assert_true(json_object_get(facts, failed_key) != NULL);
	assert_int_equal(told.failed, facts_number(facts, failed_key));
	if (json_object_get(facts, "shared_spans") != NULL) {
		assert_int_equal(told.shared, facts_number(facts, "shared_spans"));
	}
	assert_same(name, want_sdk(facts), told.spans);
	json_decref(facts);
}

static void brave_sent_what_it_counted(void **state)
{
	(void)state;
	check_sdk("zipkin-brave-json", "error_tagged_spans");
	check_sdk("zipkin-brave-proto3", "error_tagged_spans");
	check_sdk("zipkin-brave-jsonv1", "error_tagged_spans");
}

static void zipkin_go_sent_what_it_counted(void **state)
{
	(void)state;
	check_sdk("zipkin-go-json", "error_spans");
	check_sdk("zipkin-go-proto", "error_spans");
	check_sdk("zipkin-grpc", "error_spans");
}

static void py_zipkin_sent_what_it_counted(void **state)
{
	(void)state;
	check_sdk("zipkin-py-v2json", "error_spans");
	check_sdk("zipkin-py-v1json", "error_spans");
}

static void envoys_sent_what_their_load_counted(void **state)
{
	static const char *const names[] = { "envoy-zipkin-json", "envoy-zipkin-proto" };

	(void)state;
	for (size_t i = 0; i < 2; i++) {
		json_t *facts = facts_load(folder, names[i]);

		assert_same(names[i], want_mesh(facts), decoded(names[i]).spans);
		json_decref(facts);
	}
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(brave_sent_what_it_counted),
		cmocka_unit_test(zipkin_go_sent_what_it_counted),
		cmocka_unit_test(py_zipkin_sent_what_it_counted),
		cmocka_unit_test(envoys_sent_what_their_load_counted),
	};

	if (argc != 2) {
		return 2;
	}
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
