/* Tests of the Zipkin v2 JSON decoder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "decode/zipkin/json.h"
#include "golden.h"

#define IDS "\"traceId\":\"463ac35c9f6413ad\",\"id\":\"72485a3953bb6124\""

static struct weir_arena arena;
static struct weir_draft draft;

static int setup(void **state)
{
	(void)state;
	weir_arena_init(&arena, 1 << 16, 1 << 24);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_arena_fini(&arena);
	return 0;
}

static const struct weir_batch *decoded(const char *body)
{
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_SPAN };
	const struct weir_batch *batch;

	weir_draft_init(&draft, &arena, weir_str_of(body));
	if (weir_zipkin_json_decode(&draft) != 0) {
		fail_msg("%s at %zu of %s", draft.error, draft.error_offset, body);
	}
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	return batch;
}

static void malformed_at(const char *body, size_t offset)
{
	weir_draft_init(&draft, &arena, weir_str_of(body));
	assert_int_equal(weir_zipkin_json_decode(&draft), WEIR_DECODE_MALFORMED);
	assert_non_null(draft.error);
	if (draft.error_offset != offset) {
		fail_msg("%s at %zu, not %zu, of %s", draft.error, draft.error_offset, offset, body);
	}
}

static void assert_text(const struct weir_batch *batch, struct weir_ref ref, const char *expected)
{
	struct weir_str text = weir_batch_str(batch, ref);

	if (!weir_str_is(text, expected)) {
		fail_msg("\"%.*s\" is not \"%s\"", (int)text.length, text.data, expected);
	}
}

static void assert_tag(const struct weir_batch *batch, uint32_t i, const char *key, const char *value)
{
	const struct weir_attr *tag = &weir_batch_attrs(batch)[weir_batch_spans(batch)->attr_first + i];

	assert_text(batch, tag->key, key);
	assert_int_equal(tag->type, WEIR_ATTR_STRING);
	assert_text(batch, tag->value.text, value);
}

static void assert_hex(const uint8_t *id, size_t size, const char *expected)
{
	struct weir_buf text;

	weir_buf_init(&text, 0);
	weir_buf_add_hex(&text, id, size);
	assert_true(weir_str_is(weir_buf_str(&text), expected));
	weir_buf_fini(&text);
}

static void golden_bodies_decode_to_their_text(void **state)
{
	(void)state;
	golden_check("zipkin_json", weir_zipkin_json_decode);
}

static void empty_bodies_and_lists_offer_nothing(void **state)
{
	(void)state;
	assert_int_equal(decoded("")->offered, 0);
	assert_int_equal(decoded(" [ ] ")->offered, 0);
}

static void every_field_arrives(void **state)
{
	const struct weir_batch *batch =
		decoded("[{\"traceId\":\"463ac35c9f6413ad48485a3953bb6124\",\"parentId\":\"6b221d5bc9e6496c\","
			"\"id\":\"72485a3953bb6124\",\"kind\":\"CLIENT\",\"name\":\"get /api\","
			"\"timestamp\":1556604172355737,\"duration\":1431,"
			"\"localEndpoint\":{\"serviceName\":\"backend\",\"ipv4\":\"192.168.99.1\",\"port\":3306},"
			"\"remoteEndpoint\":{\"serviceName\":\"db\",\"ipv6\":\"2001:db8::c001\",\"port\":3307},"
			"\"annotations\":[{\"timestamp\":1556604172355800,\"value\":\"ws\"}],"
			"\"tags\":{\"http.path\":\"/api\"},\"debug\":true,\"shared\":true}]");
	const struct weir_span *span = weir_batch_spans(batch);
	const struct weir_resource *resource = weir_batch_resources(batch);

	(void)state;
	assert_int_equal(batch->offered, 1);
	assert_hex(span->trace_id, 16, "463ac35c9f6413ad48485a3953bb6124");
	assert_hex(span->parent_id, 8, "6b221d5bc9e6496c");
	assert_hex(span->span_id, 8, "72485a3953bb6124");
	assert_int_equal(span->kind, WEIR_SPAN_CLIENT);
	assert_text(batch, span->name, "get /api");
	assert_int_equal(span->start_ns, UINT64_C(1556604172355737000));
	assert_int_equal(span->duration_ns, 1431000);
	assert_text(batch, resource->service, "backend");
	assert_int_equal(resource->address.port, 3306);
	assert_hex(resource->address.ip, 16, "00000000000000000000ffffc0a86301");
	assert_text(batch, span->peer, "db");
	assert_hex(span->peer_address.ip, 16, "20010db800000000000000000000c001");
	assert_int_equal(span->peer_address.port, 3307);
	assert_int_equal(span->event_count, 1);
	assert_int_equal(weir_batch_events(batch)->time_ns, UINT64_C(1556604172355800000));
	assert_text(batch, weir_batch_events(batch)->name, "ws");
	assert_tag(batch, 0, "http.path", "/api");
	assert_int_equal(span->flags, WEIR_SPAN_DEBUG); /* shared means nothing on a client */
}

static void bare_span_is_local_and_timeless(void **state)
{
	const struct weir_batch *batch = decoded("[{" IDS "},{" IDS ",\"shared\":true,\"kind\":\"SERVER\"}]");
	const struct weir_span *spans = weir_batch_spans(batch);

	(void)state;
	assert_int_equal(spans[0].kind, WEIR_SPAN_UNSPECIFIED);
	assert_int_equal(spans[0].flags, WEIR_SPAN_NO_START | WEIR_SPAN_NO_DURATION);
	assert_int_equal(spans[1].flags, WEIR_SPAN_NO_START | WEIR_SPAN_NO_DURATION | WEIR_SPAN_SHARED);
	assert_int_equal(batch->resources.count, 1);
	assert_int_equal(weir_batch_resources(batch)->service.length, 0);
}

static void ids_are_padded_and_lowered(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	batch = decoded("[{\"traceId\":\"A\",\"id\":\"bC\",\"parentId\":\"0\"}]");
	assert_hex(weir_batch_spans(batch)->trace_id, 16, "0000000000000000000000000000000a");
	assert_hex(weir_batch_spans(batch)->span_id, 8, "00000000000000bc");
	assert_hex(weir_batch_spans(batch)->parent_id, 8, "0000000000000000");
	batch = decoded("[{\"traceId\":\"12345678901234567\",\"id\":\"1\",\"parentId\":\"0001\"}]");
	assert_hex(weir_batch_spans(batch)->trace_id, 16, "00000000000000012345678901234567");
	assert_hex(weir_batch_spans(batch)->parent_id, 8, "0000000000000000"); /* its own id */
}

static void bad_ids_are_refused_with_their_place(void **state)
{
	(void)state;
	malformed_at("[{\"traceId\":\"1\"}]", 1);
	malformed_at("[{\"id\":\"1\"}]", 1);
	malformed_at("[{\"traceId\":\"0000\",\"id\":\"1\"}]", 1);
	malformed_at("[{\"traceId\":\"1\",\"id\":\"0\"}]", 1);
	malformed_at("[{\"traceId\":\"\",\"id\":\"1\"}]", 13);
	malformed_at("[{\"traceId\":\"g\",\"id\":\"1\"}]", 13);
	malformed_at("[{\"traceId\":5,\"id\":\"1\"}]", 12);
	malformed_at("[{\"traceId\":\"463ac35c9f6413ad48485a3953bb61241\",\"id\":\"1\"}]", 13);
	malformed_at("[{\"traceId\":\"1\",\"id\":\"12345678901234567\"}]", 22);
}

static void names_are_lowered_and_unescaped(void **state)
{
	const struct weir_batch *batch =
		decoded("[{" IDS ",\"name\":\"GET \\/Api\\u00C9\",\"localEndpoint\":{\"serviceName\":\"FrontEnd\"},"
			"\"remoteEndpoint\":{\"serviceName\":\"a-name-of-more-than-eight-B\"}}]");

	(void)state;
	assert_text(batch, weir_batch_spans(batch)->name, "get /api\xc3\x89");
	assert_text(batch, weir_batch_resources(batch)->service, "frontend");
	assert_text(batch, weir_batch_spans(batch)->peer, "a-name-of-more-than-eight-b");
}

static void numbers_come_in_many_spellings(void **state)
{
	static const struct {
		const char *timestamp, *duration;
		uint64_t start_ns, duration_ns;
	} cases[] = {
		{ "1.58432429547687e+15", "1e3", UINT64_C(1584324295476870000), 1000000 },
		{ "\"1584324295476870\"", "\"15\"", UINT64_C(1584324295476870000), 15000 },
		{ "0", "0", 0, 0 },
		{ "-5", "-1", 0, 0 },
		{ "null", "null", 0, 0 },
		{ "7.9", "0.2", 7000, 1000 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct weir_batch *batch;
		char body[256];

		snprintf(body, sizeof(body), "[{" IDS ",\"timestamp\":%s,\"duration\":%s}]", cases[i].timestamp,
			cases[i].duration);
		batch = decoded(body);
		assert_int_equal(weir_batch_spans(batch)->start_ns, cases[i].start_ns);
		assert_int_equal(weir_batch_spans(batch)->duration_ns, cases[i].duration_ns);
	}
	malformed_at("[{" IDS ",\"timestamp\":1e30}]", 67);
	malformed_at("[{" IDS ",\"duration\":\"soon\"}]", 67);
	malformed_at("[{" IDS ",\"timestamp\":9223372036854775807}]", 67);
}

static void tags_of_other_types_become_text(void **state)
{
	const struct weir_batch *batch = decoded(
		"[{" IDS
		",\"tags\":{\"s\":\"a\\tb\",\"n\":1.5e3,\"t\":true,\"f\":false,\"z\":null,\"k\\u0041\":\"v\"}}]");

	(void)state;
	assert_int_equal(weir_batch_spans(batch)->attr_count, 5);
	assert_tag(batch, 0, "s", "a\tb");
	assert_tag(batch, 1, "n", "1.5e3");
	assert_tag(batch, 2, "t", "true");
	assert_tag(batch, 3, "f", "false");
	assert_tag(batch, 4, "kA", "v");
	malformed_at("[{" IDS ",\"tags\":{\"a\":{}}}]", 67);
	malformed_at("[{" IDS ",\"tags\":[]}]", 62);
}

static void last_of_equal_members_wins(void **state)
{
	const struct weir_batch *batch;
	struct weir_buf body;

	(void)state;
	batch = decoded(
		"[{" IDS ",\"name\":\"a\",\"name\":\"b\",\"tags\":{\"x\":\"0\"},"
		"\"tags\":{\"k\":\"1\",\"l\":\"2\",\"k\":\"3\"},\"annotations\":[{\"timestamp\":1,\"value\":\"a\"}],"
		"\"annotations\":[],\"kind\":\"CLIENT\",\"kind\":\"SERVER\"}]");
	assert_text(batch, weir_batch_spans(batch)->name, "b");
	assert_int_equal(weir_batch_spans(batch)->kind, WEIR_SPAN_SERVER);
	assert_int_equal(weir_batch_spans(batch)->attr_count, 2);
	assert_int_equal(weir_batch_spans(batch)->event_count, 0);
	assert_tag(batch, 0, "l", "2");
	assert_tag(batch, 1, "k", "3");
	/* So many that they are sorted instead of compared. */
	weir_buf_init(&body, 0);
	weir_buf_add_text(&body, "[{" IDS ",\"tags\":{");
	for (int i = 0; i < 3000; i++) {
		weir_buf_addf(&body, "\"k%d\":\"%d\",", i % 1000, i);
	}
	weir_buf_add_text(&body, "\"last\":\"\"}}]");
	weir_buf_add_char(&body, '\0');
	batch = decoded(body.data);
	assert_int_equal(weir_batch_spans(batch)->attr_count, 1001);
	assert_tag(batch, 0, "k0", "2000");
	assert_tag(batch, 999, "k999", "2999");
	weir_buf_fini(&body);
}

static void error_tag_sets_the_flag_whatever_it_says(void **state)
{
	(void)state;
	assert_true(weir_batch_spans(decoded("[{" IDS ",\"tags\":{\"error\":\"\"}}]"))->flags & WEIR_SPAN_ERROR);
	assert_true(weir_batch_spans(decoded("[{" IDS ",\"tags\":{\"error\":\"no\"}}]"))->flags & WEIR_SPAN_ERROR);
	assert_false(weir_batch_spans(decoded("[{" IDS ",\"tags\":{\"errors\":\"1\"}}]"))->flags & WEIR_SPAN_ERROR);
}

static void equal_endpoints_share_a_row(void **state)
{
	const struct weir_batch *batch = decoded("[{" IDS ",\"localEndpoint\":{\"serviceName\":\"a\"}},"
						 "{" IDS ",\"localEndpoint\":{\"serviceName\":\"b\"}},"
						 "{" IDS ",\"localEndpoint\":{\"serviceName\":\"a\"},"
						 "\"remoteEndpoint\":{\"serviceName\":\"b\"}},{" IDS "},"
						 "{" IDS ",\"localEndpoint\":null}]");
	const struct weir_span *spans = weir_batch_spans(batch);

	(void)state;
	assert_int_equal(spans[0].resource, spans[2].resource);
	assert_int_not_equal(spans[0].resource, spans[1].resource);
	assert_text(batch, spans[2].peer, "b");
	assert_int_equal(weir_batch_resources(batch)[spans[3].resource].service.length, 0);
	assert_int_equal(weir_batch_resources(batch)[spans[4].resource].service.length, 0);
	assert_int_equal(batch->spans.count, 5);
}

static void odd_endpoints_are_taken_or_refused(void **state)
{
	const struct weir_batch *batch =
		decoded("[{" IDS ",\"remoteEndpoint\":{\"serviceName\":null,\"ipv4\":\"300.1.1.1\",\"ipv6\":null,"
			"\"port\":-1,\"more\":[{}]}}]");

	(void)state;
	assert_int_equal(weir_batch_spans(batch)->peer.length, 0);
	assert_int_equal(weir_batch_spans(batch)->peer_address.ip[11], 0);
	malformed_at("[{" IDS ",\"localEndpoint\":{\"port\":65536}}]", 79);
	malformed_at("[{" IDS ",\"localEndpoint\":7}]", 71);
}

static void unknown_members_and_nulls_are_passed_by(void **state)
{
	const struct weir_batch *batch = decoded(
		"[{\"x\":{\"y\":[1,{}]}," IDS ",\"name\":null,\"kind\":null,\"tags\":null,\"annotations\":null,"
		"\"localEndpoint\":null,\"remoteEndpoint\":null,\"debug\":null,\"shared\":null,\"parentId\":null}]");

	(void)state;
	assert_int_equal(batch->spans.count, 1);
}

static void what_is_no_list_of_spans_is_refused_with_its_place(void **state)
{
	(void)state;
	malformed_at("{}", 0);
	malformed_at("[1]", 1);
	malformed_at("[null]", 1);
	malformed_at("[{" IDS "}", 55);
	malformed_at("[{" IDS "}] x", 57);
	malformed_at("[{" IDS ",}]", 55);
	malformed_at("[{" IDS ",\"kind\":\"client\"}]", 63);
	malformed_at("[{" IDS ",\"name\":3}]", 62);
	malformed_at("[{" IDS ",\"debug\":\"yes\"}]", 64);
	malformed_at("[{" IDS ",\"annotations\":{}}]", 69);
	malformed_at("[{" IDS ",\"annotations\":[{\"value\":\"no time\"}]}]", 70);
	malformed_at("[{" IDS ",\"annotations\":[{\"timestamp\":1,\"value\":2}]}]", 93);
}

static void nesting_beyond_the_bound_is_malformed(void **state)
{
	char body[200] = "[{\"x\":";

	(void)state;
	memset(body + 6, '[', 100);
	malformed_at(body, 6 + 62);
}

static void invalid_utf8_is_replaced_and_counted(void **state)
{
	const struct weir_batch *batch = decoded("[{" IDS ",\"name\":\"A\xff\",\"tags\":{\"k\\n\xfe\":\"v\xfd\"}}]");

	(void)state;
	assert_text(batch, weir_batch_spans(batch)->name, "a\xef\xbf\xbd");
	assert_tag(batch, 0, "k\n\xef\xbf\xbd", "v\xef\xbf\xbd");
	assert_int_equal(batch->replaced_utf8, 3);
}

static void cut_anywhere_is_malformed(void **state)
{
	static const char whole[] = "[{" IDS ",\"name\":\"A\\u0041\",\"timestamp\":1e3,\"localEndpoint\":"
				    "{\"serviceName\":\"a\",\"ipv4\":\"1.2.3.4\",\"port\":1},\"remoteEndpoint\":"
				    "{\"serviceName\":\"a\",\"ipv4\":\"1.2.3.4\",\"port\":1},\"tags\":{\"k\":\"v\"},"
				    "\"annotations\":[{\"timestamp\":1,\"value\":\"a\"}]}]";

	(void)state;
	assert_int_equal(decoded(whole)->spans.count, 1);
	for (size_t length = 1; length < sizeof(whole) - 1; length++) {
		char *copy = malloc(length);

		assert_non_null(copy);
		memcpy(copy, whole, length);
		weir_arena_reset(&arena);
		weir_draft_init(&draft, &arena, weir_str_make(copy, length));
		assert_int_equal(weir_zipkin_json_decode(&draft), WEIR_DECODE_MALFORMED);
		free(copy);
	}
}

static void full_arena_is_too_large(void **state)
{
	struct weir_arena small;
	struct weir_buf body;

	(void)state;
	weir_buf_init(&body, 0);
	weir_buf_add_text(&body, "[{" IDS "}");
	for (int i = 0; i < 50; i++) {
		weir_buf_add_text(&body, ",{" IDS "}");
	}
	weir_buf_add_char(&body, ']');
	weir_arena_init(&small, 1024, 2048);
	weir_draft_init(&draft, &small, weir_buf_str(&body));
	assert_int_equal(weir_zipkin_json_decode(&draft), WEIR_DECODE_TOO_LARGE);
	weir_arena_fini(&small);
	weir_buf_fini(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(golden_bodies_decode_to_their_text, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_bodies_and_lists_offer_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(every_field_arrives, setup, teardown),
		cmocka_unit_test_setup_teardown(bare_span_is_local_and_timeless, setup, teardown),
		cmocka_unit_test_setup_teardown(ids_are_padded_and_lowered, setup, teardown),
		cmocka_unit_test_setup_teardown(bad_ids_are_refused_with_their_place, setup, teardown),
		cmocka_unit_test_setup_teardown(names_are_lowered_and_unescaped, setup, teardown),
		cmocka_unit_test_setup_teardown(numbers_come_in_many_spellings, setup, teardown),
		cmocka_unit_test_setup_teardown(tags_of_other_types_become_text, setup, teardown),
		cmocka_unit_test_setup_teardown(last_of_equal_members_wins, setup, teardown),
		cmocka_unit_test_setup_teardown(error_tag_sets_the_flag_whatever_it_says, setup, teardown),
		cmocka_unit_test_setup_teardown(equal_endpoints_share_a_row, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_endpoints_are_taken_or_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(unknown_members_and_nulls_are_passed_by, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_no_list_of_spans_is_refused_with_its_place, setup, teardown),
		cmocka_unit_test_setup_teardown(nesting_beyond_the_bound_is_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(invalid_utf8_is_replaced_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_anywhere_is_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(full_arena_is_too_large, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
