/* Tests of the Zipkin proto3 decoder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "decode/zipkin/proto.h"
#include "encode.h"
#include "golden.h"

static struct weir_arena arena;
static struct weir_draft draft;
static struct weir_buf span, inner, body;

static int setup(void **state)
{
	(void)state;
	weir_arena_init(&arena, 1 << 16, 1 << 24);
	weir_buf_init(&span, 0);
	weir_buf_init(&inner, 0);
	weir_buf_init(&body, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_buf_fini(&span);
	weir_buf_fini(&inner);
	weir_buf_fini(&body);
	weir_arena_fini(&arena);
	return 0;
}

/* The ids that every span needs: a short trace id and an id. */
static void ids_add(uint8_t trace, uint8_t id)
{
	uint8_t trace_id[8] = { [7] = trace }, span_id[8] = { [7] = id };

	encode_bytes(&span, 1, trace_id, sizeof(trace_id));
	encode_bytes(&span, 3, span_id, sizeof(span_id));
}

/* The list so far, with `span` as its last one. */
static const struct weir_batch *decoded(void)
{
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_SPAN };
	const struct weir_batch *batch;

	encode_nested(&body, 1, &span);
	weir_draft_init(&draft, &arena, weir_buf_str(&body));
	if (weir_zipkin_proto_decode(&draft) != 0) {
		fail_msg("%s at %zu", draft.error, draft.error_offset);
	}
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	return batch;
}

static void refused(size_t offset)
{
	encode_nested(&body, 1, &span);
	weir_draft_init(&draft, &arena, weir_buf_str(&body));
	assert_int_equal(weir_zipkin_proto_decode(&draft), WEIR_DECODE_MALFORMED);
	assert_non_null(draft.error);
	assert_int_equal(draft.error_offset, offset);
	weir_buf_clear(&body);
}

static void assert_text(const struct weir_batch *batch, struct weir_ref ref, const char *expected)
{
	assert_true(weir_str_is(weir_batch_str(batch, ref), expected));
}

static void ids_of_8_and_16_bytes_are_taken(void **state)
{
	static const uint8_t trace[16] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16 };
	static const uint8_t padded[16] = { [15] = 5 };
	const struct weir_batch *batch;

	(void)state;
	encode_bytes(&span, 1, trace, 16);
	encode_bytes(&span, 2, trace, 8);
	encode_bytes(&span, 3, trace + 8, 8);
	encode_nested(&body, 1, &span);
	ids_add(5, 6);
	batch = decoded();
	assert_int_equal(batch->spans.count, 2);
	assert_memory_equal(weir_batch_spans(batch)[0].trace_id, trace, 16);
	assert_memory_equal(weir_batch_spans(batch)[0].parent_id, trace, 8);
	assert_memory_equal(weir_batch_spans(batch)[0].span_id, trace + 8, 8);
	assert_memory_equal(weir_batch_spans(batch)[1].trace_id, padded, 16);
	assert_int_equal(batch->offered, 2);
}

static void wrong_ids_refuse_the_list_and_say_where(void **state)
{
	static const uint8_t bytes[17] = { 1 };

	(void)state;
	refused(2); /* a span without any field */
	encode_bytes(&span, 1, bytes, 8);
	refused(2);
	encode_bytes(&span, 3, bytes, 8);
	refused(2);
	encode_bytes(&span, 1, bytes + 1, 16);
	encode_bytes(&span, 3, bytes, 8);
	refused(2);
	encode_bytes(&span, 1, bytes, 17);
	refused(4);
	ids_add(1, 1);
	encode_bytes(&span, 2, bytes, 9);
	refused(24);
}

static void parent_of_zeros_or_the_span_itself_is_none(void **state)
{
	static const uint8_t zeros[8], two[8] = { [7] = 2 };
	const struct weir_batch *batch;

	(void)state;
	ids_add(1, 2);
	encode_bytes(&span, 2, zeros, 8);
	encode_nested(&body, 1, &span);
	ids_add(1, 2);
	encode_bytes(&span, 2, two, 8);
	batch = decoded();
	assert_memory_equal(weir_batch_spans(batch)[0].parent_id, zeros, 8);
	assert_memory_equal(weir_batch_spans(batch)[1].parent_id, zeros, 8);
}

static void kinds_have_our_numbers_and_unknown_ones_are_none(void **state)
{
	static const struct {
		uint64_t wire;
		uint8_t kind;
	} kinds[] = { { 0, WEIR_SPAN_UNSPECIFIED }, { 1, WEIR_SPAN_CLIENT }, { 2, WEIR_SPAN_SERVER },
		{ 3, WEIR_SPAN_PRODUCER }, { 4, WEIR_SPAN_CONSUMER }, { 5, WEIR_SPAN_UNSPECIFIED },
		{ UINT64_MAX, WEIR_SPAN_UNSPECIFIED } };

	(void)state;
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		ids_add(1, 1);
		encode_number(&span, 4, kinds[i].wire);
		assert_int_equal(weir_batch_spans(decoded())[0].kind, kinds[i].kind);
		weir_buf_clear(&body);
	}
}

static void microseconds_become_nanoseconds_and_absent_ones_are_flagged(void **state)
{
	const struct weir_span *made;

	(void)state;
	ids_add(1, 1);
	encode_fixed64(&span, 6, 1472470996199000);
	encode_number(&span, 7, 207000);
	made = weir_batch_spans(decoded());
	assert_true(made->start_ns == 1472470996199000000 && made->duration_ns == 207000000);
	assert_int_equal(made->flags, 0);
	weir_buf_clear(&body);
	ids_add(1, 1);
	encode_fixed64(&span, 6, (uint64_t)-5);
	made = weir_batch_spans(decoded());
	assert_int_equal(made->flags, WEIR_SPAN_NO_START | WEIR_SPAN_NO_DURATION);
	weir_buf_clear(&body);
	ids_add(1, 1);
	encode_number(&span, 7, INT64_MAX);
	refused(32); /* 2 of the span, 20 of ids, a tag and 9 of the number */
}

static void shared_means_nothing_on_a_client(void **state)
{
	(void)state;
	ids_add(1, 1);
	encode_number(&span, 4, 2);
	encode_number(&span, 12, 1);
	encode_number(&span, 13, 1);
	encode_nested(&body, 1, &span);
	ids_add(1, 1);
	encode_number(&span, 4, 1);
	encode_number(&span, 13, 1);
	const struct weir_span *spans = weir_batch_spans(decoded());
	uint8_t untimed = WEIR_SPAN_NO_START | WEIR_SPAN_NO_DURATION;

	assert_int_equal(spans[0].flags, untimed | WEIR_SPAN_SHARED | WEIR_SPAN_DEBUG);
	assert_int_equal(spans[1].flags, untimed);
}

static void endpoints_name_both_ends_and_equal_ones_share_a_row(void **state)
{
	static const uint8_t v4[4] = { 10, 0, 0, 7 }, v6[16] = { 0x20, 1, [15] = 9 };
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [15] = 7 };
	const struct weir_batch *batch;

	(void)state;
	for (int i = 0; i < 2; i++) {
		ids_add(1, 1);
		encode_text(&inner, 1, "FrontEnd");
		encode_bytes(&inner, 2, v4, 4);
		encode_bytes(&inner, 3, v6, 16);
		encode_number(&inner, 4, 8080);
		encode_nested(&span, 8, &inner);
		encode_text(&inner, 1, "backend");
		encode_bytes(&inner, 3, v6, 16);
		encode_nested(&span, 9, &inner);
		encode_nested(&body, 1, &span);
	}
	ids_add(1, 1);
	batch = decoded();
	assert_int_equal(batch->resources.count, 2); /* the endpoint, and nobody */
	assert_text(batch, weir_batch_resources(batch)[0].service, "frontend");
	assert_memory_equal(weir_batch_resources(batch)[0].address.ip, mapped, 16);
	assert_int_equal(weir_batch_resources(batch)[0].address.port, 8080);
	assert_int_equal(weir_batch_resources(batch)[1].service.length, 0);
	assert_int_equal(weir_batch_spans(batch)[1].resource, 0);
	assert_int_equal(weir_batch_spans(batch)[2].resource, 1);
	assert_text(batch, weir_batch_spans(batch)[1].peer, "backend");
	assert_memory_equal(weir_batch_spans(batch)[1].peer_address.ip, v6, 16);
	assert_int_equal(weir_batch_spans(batch)[2].peer.length, 0);
}

static void odd_addresses_are_ignored_and_odd_ports_refused(void **state)
{
	static const uint8_t none[16];
	const struct weir_batch *batch;

	(void)state;
	ids_add(1, 1);
	encode_text(&inner, 2, "ten");
	encode_number(&inner, 4, (uint64_t)-1);
	encode_nested(&span, 8, &inner);
	batch = decoded();
	assert_memory_equal(weir_batch_resources(batch)[0].address.ip, none, 16);
	assert_int_equal(weir_batch_resources(batch)[0].address.port, 0);
	weir_buf_clear(&body);
	ids_add(1, 1);
	encode_number(&inner, 4, 65536);
	encode_nested(&span, 8, &inner);
	refused(28);
}

static void tag_add(const char *key, const char *value)
{
	encode_text(&inner, 1, key);
	if (value != NULL) {
		encode_text(&inner, 2, value);
	}
	encode_nested(&span, 11, &inner);
}

static void last_of_equal_tags_counts_and_error_is_flagged(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	ids_add(1, 1);
	tag_add("http.path", "/a");
	tag_add("", "lost");
	tag_add("error", NULL);
	tag_add("http.path", "/b");
	batch = decoded();
	assert_int_equal(weir_batch_spans(batch)[0].attr_count, 2);
	assert_text(batch, weir_batch_attrs(batch)[0].key, "error");
	assert_text(batch, weir_batch_attrs(batch)[1].value.text, "/b");
	assert_true((weir_batch_spans(batch)[0].flags & WEIR_SPAN_ERROR) != 0);
}

static void annotations_without_time_or_value_are_left_out(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	ids_add(1, 1);
	encode_fixed64(&inner, 1, 7);
	encode_text(&inner, 2, "foo");
	encode_nested(&span, 10, &inner);
	encode_fixed64(&inner, 1, 7);
	encode_nested(&span, 10, &inner);
	encode_text(&inner, 2, "bar");
	encode_nested(&span, 10, &inner);
	batch = decoded();
	assert_int_equal(weir_batch_spans(batch)[0].event_count, 1);
	assert_true(weir_batch_events(batch)[0].time_ns == 7000);
	assert_text(batch, weir_batch_events(batch)[0].name, "foo");
}

static void names_are_lower_cased_and_repaired(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	ids_add(1, 1);
	encode_text(&span, 5, "GET \xff");
	batch = decoded();
	assert_text(batch, weir_batch_spans(batch)[0].name, "get \xef\xbf\xbd");
	assert_int_equal(batch->replaced_utf8, 1);
}

static void unknown_fields_are_passed_over(void **state)
{
	(void)state;
	ids_add(1, 1);
	encode_text(&span, 99, "new");
	encode_number(&span, 5, 3); /* a name that is a number */
	encode_number(&body, 7, 1);
	assert_int_equal(decoded()->spans.count, 1);
}

static void every_cut_of_a_list_is_refused_or_whole_spans(void **state)
{
	size_t whole;

	(void)state;
	ids_add(1, 1);
	encode_nested(&body, 1, &span);
	whole = body.length;
	ids_add(1, 2);
	tag_add("a", "b");
	encode_nested(&body, 1, &span);
	for (size_t i = 0; i < body.length; i++) {
		int r;

		weir_draft_init(&draft, &arena, weir_str_make(body.data, i));
		r = weir_zipkin_proto_decode(&draft);
		assert_int_equal(r, i == 0 || i == whole ? 0 : WEIR_DECODE_MALFORMED);
		assert_true(r == 0 || draft.error_offset <= i);
	}
}

static void full_arena_is_told_as_too_large(void **state)
{
	struct weir_arena small;

	(void)state;
	for (int i = 0; i < 2000; i++) {
		ids_add(1, 1);
		encode_nested(&body, 1, &span);
	}
	weir_arena_init(&small, 4096, 65536);
	weir_draft_init(&draft, &small, weir_buf_str(&body));
	assert_int_equal(weir_zipkin_proto_decode(&draft), WEIR_DECODE_TOO_LARGE);
	weir_arena_fini(&small);
}

static void real_senders_bodies_are_as_their_dumps(void **state)
{
	(void)state;
	golden_check("zipkin_proto", weir_zipkin_proto_decode);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(ids_of_8_and_16_bytes_are_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_ids_refuse_the_list_and_say_where, setup, teardown),
		cmocka_unit_test_setup_teardown(parent_of_zeros_or_the_span_itself_is_none, setup, teardown),
		cmocka_unit_test_setup_teardown(kinds_have_our_numbers_and_unknown_ones_are_none, setup, teardown),
		cmocka_unit_test_setup_teardown(
			microseconds_become_nanoseconds_and_absent_ones_are_flagged, setup, teardown),
		cmocka_unit_test_setup_teardown(shared_means_nothing_on_a_client, setup, teardown),
		cmocka_unit_test_setup_teardown(endpoints_name_both_ends_and_equal_ones_share_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_addresses_are_ignored_and_odd_ports_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(last_of_equal_tags_counts_and_error_is_flagged, setup, teardown),
		cmocka_unit_test_setup_teardown(annotations_without_time_or_value_are_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_lower_cased_and_repaired, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_fields_are_passed_over, setup, teardown),
		cmocka_unit_test_setup_teardown(every_cut_of_a_list_is_refused_or_whole_spans, setup, teardown),
		cmocka_unit_test_setup_teardown(full_arena_is_told_as_too_large, setup, teardown),
		cmocka_unit_test_setup_teardown(real_senders_bodies_are_as_their_dumps, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
