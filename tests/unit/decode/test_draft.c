/* Tests of drafts: refs, growth, and the layout of the finished batch. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

#include "decode/draft.h"

static struct weir_arena arena;

static int setup(void **state)
{
	(void)state;
	weir_arena_init(&arena, 1 << 14, 1 << 20);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_arena_fini(&arena);
	return 0;
}

static struct weir_draft draft_of(const char *body)
{
	struct weir_draft draft;

	weir_draft_init(&draft, &arena, weir_str_of(body));
	return draft;
}

static const struct weir_draft_head span_head = {
	.protocol = WEIR_PROTOCOL_OTLP_HTTP, .signal = WEIR_SIGNAL_SPAN, .received_ns = 77, .source = { "sender", 6 }
};

static struct weir_span *span_add(struct weir_draft *draft)
{
	struct weir_span *span = weir_draft_span(draft);

	assert_non_null(span);
	draft->offered++;
	return span;
}

static void refs_to_body_and_pool_hold_in_the_batch(void **state)
{
	struct weir_draft draft = draft_of("GET /reviews/0");
	const struct weir_batch *batch;
	struct weir_span *span;

	(void)state;
	assert_non_null(weir_draft_resource(&draft));
	span = span_add(&draft);
	span->name = weir_draft_ref(&draft, weir_str_make(draft.body.data + 4, 10));
	span->peer = weir_draft_copy(&draft, weir_str_of("reviews"));
	span->status_message = weir_draft_copy(&draft, weir_str_of("x"));
	assert_true(weir_str_is(weir_draft_str(&draft, span->name), "/reviews/0"));
	assert_true(weir_str_is(weir_draft_str(&draft, span->peer), "reviews"));
	batch = weir_draft_finish(&draft, &span_head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	span = (struct weir_span *)(uintptr_t)weir_batch_spans(batch);
	assert_true(weir_str_is(weir_batch_str(batch, span->name), "/reviews/0"));
	assert_true(weir_str_is(weir_batch_str(batch, span->peer), "reviews"));
	assert_true(weir_str_is(weir_batch_str(batch, span->status_message), "x"));
	assert_true(weir_str_is(weir_batch_str(batch, batch->source), "sender"));
	assert_int_equal(batch->protocol, WEIR_PROTOCOL_OTLP_HTTP);
	assert_int_equal(batch->received_ns, 77);
	assert_int_equal(batch->offered, 1);
	assert_int_equal(batch->kept, 1);
}

static void tables_grow_and_keep_their_rows(void **state)
{
	struct weir_draft draft = draft_of("body");
	const struct weir_batch *batch;

	(void)state;
	assert_non_null(weir_draft_resource(&draft));
	for (uint32_t i = 0; i < 1000; i++) {
		span_add(&draft)->start_ns = i;
	}
	batch = weir_draft_finish(&draft, &span_head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	assert_int_equal(batch->spans.count, 1000);
	for (uint32_t i = 0; i < 1000; i++) {
		assert_int_equal(weir_batch_spans(batch)[i].start_ns, i);
	}
}

static void pool_grows_and_keeps_its_refs(void **state)
{
	struct weir_draft draft = draft_of("body");
	struct weir_ref refs[200];
	char text[40];

	(void)state;
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "the text number %d", i);
		refs[i] = weir_draft_copy(&draft, weir_str_of(text));
	}
	for (int i = 0; i < 200; i++) {
		snprintf(text, sizeof(text), "the text number %d", i);
		assert_true(weir_str_is(weir_draft_str(&draft, refs[i]), text));
	}
}

static void rows_start_at_zero(void **state)
{
	static const struct weir_connection zero;
	struct weir_draft draft = draft_of("body");

	(void)state;
	memset(weir_arena_alloc(&arena, 4096), 0xff, 4096);
	weir_arena_reset(&arena);
	assert_memory_equal(weir_draft_connection(&draft), &zero, sizeof(zero));
}

static void batch_without_rows_is_header_and_source(void **state)
{
	struct weir_draft draft = draft_of("a body that nobody refers to, of some length");
	const struct weir_batch *batch;

	(void)state;
	draft.offered = 3;
	draft.dropped[WEIR_DROP_INVALID] = 3;
	batch = weir_draft_finish(&draft, &span_head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	assert_int_equal(batch->size_bytes, sizeof(struct weir_batch) + 8);
	assert_int_equal(batch->offered, 3);
	assert_int_equal(batch->kept, 0);
	assert_true(weir_str_is(weir_batch_str(batch, batch->source), "sender"));
}

static void thinned_rows_are_not_kept(void **state)
{
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_ACCESS_LOG };
	struct weir_draft draft = draft_of("body");
	const struct weir_batch *batch;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct weir_request *request = weir_draft_request(&draft);

		assert_non_null(request);
		assert_non_null(weir_draft_workload(&draft));
		request->call.source = request->call.destination = 0;
	}
	draft.offered = 2;
	draft.thinned[WEIR_THIN_STORAGE] = 2;
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	assert_int_equal(batch->kept, 0);
	assert_int_equal(batch->thinned[WEIR_THIN_STORAGE], 2);
}

static void invalid_utf8_is_repaired_and_counted(void **state)
{
	struct weir_draft draft = draft_of("plain\xff"
					   "broken");
	struct weir_ref plain = weir_draft_text(&draft, weir_str_make(draft.body.data, 5));
	struct weir_ref broken = weir_draft_text(&draft, draft.body);

	(void)state;
	assert_true(weir_str_is(weir_draft_str(&draft, plain), "plain"));
	assert_true(weir_str_is(weir_draft_str(&draft, broken), "plain\xef\xbf\xbd"
								"broken"));
	assert_int_equal(draft.replaced_utf8, 1);
}

static void ascii_is_seen_at_every_length_and_place(void **state)
{
	char text[80];

	(void)state;
	assert_true(weir_draft_is_ascii(weir_str_make(NULL, 0)));
	for (size_t length = 0; length <= sizeof(text); length++) {
		memset(text, 'a', sizeof(text));
		assert_true(weir_draft_is_ascii(weir_str_make(text, length)));
		for (size_t i = 0; i < sizeof(text); i++) {
			text[i] = (char)0x80;
			assert_int_equal(weir_draft_is_ascii(weir_str_make(text, length)), i >= length);
			text[i] = 'a';
		}
	}
}

static void full_arena_is_an_outcome(void **state)
{
	struct weir_arena small;
	struct weir_draft draft;
	unsigned rows = 0;

	(void)state;
	weir_arena_init(&small, 4096, 8192);
	weir_draft_init(&draft, &small, weir_str_of("body"));
	while (weir_draft_span(&draft) != NULL) {
		assert_true(++rows < 1000);
		draft.offered++;
	}
	assert_true(rows > 0);
	assert_true(draft.is_exhausted);
	assert_null(weir_draft_finish(&draft, &span_head));
	weir_arena_fini(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(refs_to_body_and_pool_hold_in_the_batch, setup, teardown),
		cmocka_unit_test_setup_teardown(tables_grow_and_keep_their_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(pool_grows_and_keeps_its_refs, setup, teardown),
		cmocka_unit_test_setup_teardown(rows_start_at_zero, setup, teardown),
		cmocka_unit_test_setup_teardown(batch_without_rows_is_header_and_source, setup, teardown),
		cmocka_unit_test_setup_teardown(thinned_rows_are_not_kept, setup, teardown),
		cmocka_unit_test_setup_teardown(invalid_utf8_is_repaired_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(ascii_is_seen_at_every_length_and_place, setup, teardown),
		cmocka_unit_test_setup_teardown(full_arena_is_an_outcome, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
