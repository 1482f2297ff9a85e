/* test_query: open and sealed windows and the database are one whole. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "rig.h"
#include "storage/view.h"

#define NOW 1700000000000000000u
#define SECOND 1000000000ull

static void id_of(uint8_t *id, uint64_t trace)
{
	memset(id, 0, 16);
	for (unsigned i = 0; i < 8; i++) {
		id[8 + i] = (uint8_t)(trace >> (56 - 8 * i));
	}
}

static uint32_t spans_of(struct weir_query *query, uint64_t trace)
{
	struct weir_query_trace found;
	uint8_t id[16];
	int result;

	id_of(id, trace);
	result = weir_query_trace(query, id, false, &found);
	assert_true(result == 0 || result == WEIR_QUERY_NOT_FOUND);
	return result == 0 ? found.span_count : 0;
}

/* Two spans of a trace: the root, and a child in another service. */
static void two_spans(struct rig *rig, uint64_t trace, uint64_t start_ns)
{
	uint32_t front = maker_resource(&rig->maker, "front"), back = maker_resource(&rig->maker, "back");
	struct weir_span *span = maker_span(&rig->maker, trace, trace * 10 + 1, 0, front, "get /", start_ns, 5000000);

	span->kind = WEIR_SPAN_SERVER;
	span = maker_span(
		&rig->maker, trace, trace * 10 + 2, trace * 10 + 1, back, "query", start_ns + 1000000, 2000000);
	span->peer = maker_text(&rig->maker, "db");
	span->attr_first = maker_attr(&rig->maker, "sql", "select");
	span->attr_count = 1;
	rig_add(rig, maker_batch(&rig->maker, start_ns));
}

static void windows_and_database_answer_alike(void **state)
{
	struct weir_query *query;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	two_spans(&rig, 1, NOW);
	rig_seal(&rig);
	rig_wait_stored(&rig, 1);
	two_spans(&rig, 2, NOW + SECOND); /* stays open */
	rig_query(&rig, &query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	for (uint64_t trace = 1; trace <= 2; trace++) {
		struct weir_query_trace found;
		uint8_t id[16];
		const struct weir_span *child;

		id_of(id, trace);
		assert_int_equal(weir_query_trace(query, id, false, &found), 0);
		assert_int_equal(found.span_count, 2);
		assert_true(found.timestamp_ns == NOW + (trace - 1) * SECOND);
		child = found.spans[1].span;
		assert_int_equal(child->attr_count, 1);
		assert_true(weir_str_is(weir_batch_str(found.spans[1].batch, child->peer), "db"));
		assert_true(weir_batch_is_sound(found.spans[1].batch, found.spans[1].batch->size_bytes));
	}
	assert_int_equal(spans_of(query, 3), 0);
	weir_query_end(query);
	weir_query_close(query);
	rig_stop(&rig);
	rig_fini(&rig);
}

/* All of 20 traces, a late span of the first too, and nothing of a 21st. */
static void all_are_there(struct rig *rig)
{
	struct weir_query *query;

	rig_query(rig, &query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	for (uint64_t trace = 1; trace <= 20; trace++) {
		assert_int_equal(spans_of(query, trace), trace == 1 ? 3 : 2);
	}
	assert_int_equal(spans_of(query, 21), 0);
	weir_query_close(query);
}

/* Memory for the index is bounded; what is older is found by what is stored beside it. */
static void segments_that_left_the_index_are_found_too(void **state)
{
	uint64_t deadline = rig_deadline();
	struct rig rig;
	uint8_t id[16];
	uint32_t hash;

	(void)state;
	rig_init(&rig);
	rig.max_indexed = 4;
	rig_open(&rig);
	rig_start(&rig);
	for (uint64_t trace = 1; trace <= 20; trace++) {
		two_spans(&rig, trace, NOW + trace * 60 * SECOND);
		rig_seal(&rig);
		rig_wait_stored(&rig, trace);
	}
	maker_span(&rig.maker, 1, 13, 11, maker_resource(&rig.maker, "late"), "late", NOW + 65 * SECOND, 5000000);
	rig_add(&rig, maker_batch(&rig.maker, NOW + 21 * 60 * SECOND));
	rig_seal(&rig);
	rig_wait_stored(&rig, 21);
	id_of(id, 2);
	hash = weir_segment_trace_hash(id, rig.found.hash_seed);
	while (weir_catalog_has(rig.store->catalog, hash)) {
		assert_true(weir_clock_monotonic_ns() < deadline);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
	all_are_there(&rig);
	rig_stop(&rig);
	rig_open(&rig);
	assert_false(weir_catalog_has(rig.store->catalog, hash));
	id_of(id, 20);
	assert_true(weir_catalog_has(rig.store->catalog, weir_segment_trace_hash(id, rig.found.hash_seed)));
	all_are_there(&rig);
	rig_start(&rig);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void a_span_stored_twice_is_one(void **state)
{
	struct weir_query *query;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	two_spans(&rig, 7, NOW);
	rig_seal(&rig);
	rig_wait_stored(&rig, 1);
	two_spans(&rig, 7, NOW);
	two_spans(&rig, 7, NOW);
	rig_query(&rig, &query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(spans_of(query, 7), 2);
	weir_query_close(query);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void a_short_id_finds_the_long_one(void **state)
{
	struct weir_query_trace found;
	struct weir_query *query;
	struct rig rig;
	struct weir_span *span;
	uint8_t id[16];

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	span = maker_span(&rig.maker, 77, 1, 0, maker_resource(&rig.maker, "a"), "x", NOW, 1);
	span->trace_id[0] = 9;
	rig_add(&rig, maker_batch(&rig.maker, NOW));
	rig_seal(&rig);
	rig_wait_stored(&rig, 1);
	rig_query(&rig, &query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	id_of(id, 77);
	assert_int_equal(weir_query_trace(query, id, false, &found), WEIR_QUERY_NOT_FOUND);
	assert_int_equal(weir_query_trace(query, id, true, &found), 0);
	assert_int_equal(found.trace_id[0], 9);
	weir_query_close(query);
	rig_stop(&rig);
	rig_fini(&rig);
}

/* ---- searching ---------------------------------------------------------- */

struct expectation {
	const char *what;
	struct weir_query_search search;
	const char *traces; /* numbers of the traces, newest first */
};

static const struct weir_query_tag sql_is[] = { { { "sql", 3 }, { "select", 6 }, true } };
static const struct weir_query_tag sql_not[] = { { { "sql", 3 }, { "insert", 6 }, true } };
static const struct weir_query_tag sql_key[] = { { { "sql", 3 }, { "", 0 }, false } };
static const struct weir_query_tag note[] = { { { "retried", 7 }, { "", 0 }, false } };
static const struct weir_query_tag both[] = { { { "sql", 3 }, { "", 0 }, false },
	{ { "retried", 7 }, { "", 0 }, false } };

#define TEXT(text)                                                                                                     \
	{                                                                                                              \
		text, sizeof(text) - 1                                                                                 \
	}

static const struct expectation expectations[] = {
	{ "all", { .limit = 10 }, "5 4 3 2 1" },
	{ "the newest", { .limit = 2 }, "5 4" },
	{ "of a service", { .service = TEXT("back"), .limit = 10 }, "5 4 3 2 1" },
	{ "case does not matter", { .service = TEXT("BACK"), .limit = 1 }, "5" },
	{ "no such service", { .service = TEXT("nobody"), .limit = 10 }, "" },
	{ "a name", { .span_name = TEXT("query"), .limit = 10 }, "5 4 3 2 1" },
	{ "a name of another service", { .service = TEXT("front"), .span_name = TEXT("query"), .limit = 10 }, "" },
	{ "a remote service", { .service = TEXT("back"), .remote_service = TEXT("db"), .limit = 10 }, "5 4 3 2 1" },
	{ "of the wrong service", { .service = TEXT("front"), .remote_service = TEXT("db"), .limit = 10 }, "" },
	{ "a duration of the service", { .service = TEXT("front"), .min_duration_us = 4000, .limit = 10 },
		"5 4 3 2 1" },
	{ "of the other service", { .service = TEXT("back"), .min_duration_us = 4000, .limit = 10 }, "" },
	{ "between two", { .min_duration_us = 1000, .max_duration_us = 3000, .limit = 2 }, "5 4" },
	{ "a tag", { .tags = sql_is, .tag_count = 1, .limit = 10 }, "5 4 3 2 1" },
	{ "another value", { .tags = sql_not, .tag_count = 1, .limit = 10 }, "" },
	{ "a key", { .tags = sql_key, .tag_count = 1, .limit = 3 }, "5 4 3" },
	{ "a key of another service", { .service = TEXT("front"), .tags = sql_key, .tag_count = 1, .limit = 3 }, "" },
	{ "an annotation", { .tags = note, .tag_count = 1, .limit = 10 }, "3" },
	{ "both", { .tags = both, .tag_count = 2, .limit = 10 }, "3" },
	{ "until", { .end_ns = NOW + 3 * SECOND, .limit = 10 }, "3 2 1" },
	{ "since", { .lookback_ns = 3 * SECOND, .limit = 10 }, "5 4" },
	{ "the root's time counts", { .end_ns = NOW + 3 * SECOND - 1, .lookback_ns = SECOND, .limit = 10 }, "2" },
};

static void searched(struct weir_query *query, const struct expectation *expectation, const char *where)
{
	struct weir_query_search search = expectation->search;
	struct weir_query_trace *traces;
	char text[200] = "";
	uint32_t count;

	search.end_ns = search.end_ns != 0 ? search.end_ns : NOW + 7 * SECOND;
	search.lookback_ns = search.lookback_ns != 0 ? search.lookback_ns : 100 * SECOND;
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(weir_query_traces(query, &search, &traces, &count), 0);
	for (uint32_t i = 0; i < count; i++) {
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%u", i > 0 ? " " : "",
			traces[i].trace_id[15]);
		assert_true(traces[i].span_count >= 2);
	}
	weir_query_end(query);
	if (strcmp(text, expectation->traces) != 0) {
		fail_msg("%s (%s): %s instead of %s", expectation->what, where, text, expectation->traces);
	}
}

static void searches_find_what_zipkin_finds(void **state)
{
	struct weir_query *query;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	rig_query(&rig, &query);
	for (uint64_t trace = 1; trace <= 5; trace++) {
		two_spans(&rig, trace, NOW + trace * SECOND);
		if (trace == 3) { /* and a third span that stands alone */
			uint32_t resource = maker_resource(&rig.maker, "back");
			struct weir_span *span =
				maker_span(&rig.maker, 3, 33, 31, resource, "again", NOW + 6 * SECOND, 1);
			struct weir_event event = { .time_ns = NOW, .name = maker_text(&rig.maker, "retried") };

			weir_buf_add(&rig.maker.events, &event, sizeof(event));
			span->event_count = 1;
			rig_add(&rig, maker_batch(&rig.maker, NOW));
		}
		if (trace == 4) {
			rig_seal(&rig);
			rig_wait_stored(&rig, 1);
		}
	}
	for (unsigned i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
		searched(query, &expectations[i], "window and database");
	}
	rig_seal(&rig);
	rig_wait_stored(&rig, 2);
	for (unsigned i = 0; i < sizeof(expectations) / sizeof(expectations[0]); i++) {
		searched(query, &expectations[i], "database");
	}
	weir_query_close(query);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void names_come_from_both(void **state)
{
	struct weir_query *query;
	struct weir_str *names;
	struct rig rig;
	uint32_t count;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	two_spans(&rig, 1, NOW);
	rig_seal(&rig);
	rig_wait_stored(&rig, 1);
	maker_span(&rig.maker, 9, 9, 0, maker_resource(&rig.maker, "Back"), "Other", NOW, 1);
	rig_add(&rig, maker_batch(&rig.maker, NOW));
	rig_query(&rig, &query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(weir_query_services(query, &names, &count), 0);
	assert_int_equal(count, 2);
	assert_true(weir_str_is(names[0], "back") && weir_str_is(names[1], "front"));
	assert_int_equal(weir_query_span_names(query, weir_str_of("BACK"), &names, &count), 0);
	assert_int_equal(count, 2);
	assert_true(weir_str_is(names[0], "other") && weir_str_is(names[1], "query"));
	assert_int_equal(weir_query_remote_services(query, weir_str_of("back"), &names, &count), 0);
	assert_int_equal(count, 1);
	assert_true(weir_str_is(names[0], "db"));
	weir_query_close(query);
	rig_stop(&rig);
	rig_fini(&rig);
}

static int count_trace(void *ctx, const struct weir_query_trace *trace)
{
	uint32_t *counts = ctx;

	counts[0]++;
	counts[1] += trace->span_count;
	return 0;
}

static void each_trace_comes_once_and_whole(void **state)
{
	struct weir_query_opts opts;
	struct weir_query *query;
	struct rig rig;
	uint32_t counts[2] = { 0, 0 };

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	for (uint64_t trace = 1; trace <= 3000; trace++) {
		two_spans(&rig, trace, NOW + trace);
		if (trace % 1000 == 0) {
			rig_seal(&rig);
			if (trace < 3000) {
				rig_wait_stored(&rig, trace / 1000);
			}
		}
	}
	/* Little memory: several partitions. */
	opts = (struct weir_query_opts){ .store = rig.store, .windows = rig.windows, .max_bytes = 2u << 20 };
	assert_int_equal(weir_query_open(&opts, &query), 0);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(weir_query_each_trace(query, NOW + 10 * SECOND, 60 * SECOND, count_trace, counts), 0);
	assert_int_equal(counts[0], 3000);
	assert_int_equal(counts[1], 6000);
	counts[0] = 0;
	assert_int_equal(weir_query_each_trace(query, NOW + 100, 99, count_trace, counts), 0);
	assert_int_equal(counts[0], 100);
	weir_query_close(query);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void a_slow_query_lets_the_ring_go_and_sees_the_same(void **state)
{
	struct weir_query *query;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	rig_query(&rig, &query);
	two_spans(&rig, 1, NOW);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(query->view_count, 1);
	query->held_ns = 0; /* as if it had begun long ago */
	assert_int_equal(weir_view_tick(query), 0);
	assert_int_equal(query->view_count, 0);
	assert_true(query->is_detached);
	rig_seal(&rig);
	rig_wait_stored(&rig, 1);
	assert_int_equal(weir_windows_releasable(rig.windows), weir_ring_head(rig.ring));
	assert_int_equal(spans_of(query, 1), 2);
	weir_query_close(query);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void a_passed_deadline_is_a_timeout(void **state)
{
	struct weir_query *query;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_query(&rig, &query);
	assert_int_equal(weir_query_begin(query, 1), WEIR_QUERY_TIMEOUT);
	weir_query_close(query);
	rig_start(&rig);
	rig_stop(&rig);
	rig_fini(&rig);
}

/* ---- while the writer commits ------------------------------------------- */

struct watching {
	struct rig *rig;
	_Atomic uint64_t added;
	_Atomic int is_done, wrong;
};

static void *watch(void *ctx)
{
	struct watching *watching = ctx;
	struct weir_query *query;

	rig_query(watching->rig, &query);
	while (!watching->is_done) {
		uint64_t added = watching->added, first = added > 40 ? added - 40 : 1;

		if (weir_query_begin(query, rig_deadline()) != 0) {
			watching->wrong++;
			break;
		}
		for (uint64_t trace = first; trace <= added; trace++) {
			watching->wrong += spans_of(query, trace) != 2;
		}
		weir_query_end(query);
	}
	weir_query_close(query);
	return NULL;
}

static void no_gap_and_no_double_while_the_writer_commits(void **state)
{
	struct watching watching = { 0 };
	pthread_t thread;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	watching.rig = &rig;
	assert_int_equal(pthread_create(&thread, NULL, watch, &watching), 0);
	for (uint64_t trace = 1; trace <= 1500; trace++) {
		two_spans(&rig, trace, NOW + trace);
		watching.added = trace;
		if (trace % 5 == 0) {
			rig_seal(&rig);
		}
	}
	rig_seal(&rig);
	rig_wait_stored(&rig, 300);
	watching.is_done = 1;
	pthread_join(thread, NULL);
	assert_int_equal(watching.wrong, 0);
	rig_stop(&rig);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(windows_and_database_answer_alike),
		cmocka_unit_test(segments_that_left_the_index_are_found_too),
		cmocka_unit_test(a_span_stored_twice_is_one),
		cmocka_unit_test(a_short_id_finds_the_long_one),
		cmocka_unit_test(searches_find_what_zipkin_finds),
		cmocka_unit_test(names_come_from_both),
		cmocka_unit_test(each_trace_comes_once_and_whole),
		cmocka_unit_test(a_slow_query_lets_the_ring_go_and_sees_the_same),
		cmocka_unit_test(a_passed_deadline_is_a_timeout),
		cmocka_unit_test(no_gap_and_no_double_while_the_writer_commits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
