/* Tests of the Zipkin v1 JSON decoder: what v2 spans a v1 span becomes. */
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/buf.h"
#include "decode/zipkin/v1.h"
#include "golden.h"

#define IDS "\"traceId\":\"1\",\"id\":\"2\",\"parentId\":\"3\",\"name\":\"GET\""
#define WEB "\"endpoint\":{\"serviceName\":\"web\",\"ipv4\":\"10.0.0.1\",\"port\":1}"
#define APP "\"endpoint\":{\"serviceName\":\"app\",\"ipv4\":\"10.0.0.2\",\"port\":2}"
#define AT(time, value, host) "{\"timestamp\":" #time ",\"value\":\"" value "\"," host "}"
#define TAG(key, value, host) "{\"key\":\"" key "\",\"value\":" value "," host "}"
#define SPAN(members) "[{" IDS "," members "}]"

static struct weir_arena arena;
static struct weir_draft draft;
static struct weir_buf text;

static int setup(void **state)
{
	(void)state;
	weir_arena_init(&arena, 1 << 16, 1 << 24);
	weir_buf_init(&text, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_buf_fini(&text);
	weir_arena_fini(&arena);
	return 0;
}

static const struct weir_batch *decoded(const char *body)
{
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_SPAN };
	const struct weir_batch *batch;

	weir_draft_init(&draft, &arena, weir_str_of(body));
	if (weir_zipkin_v1_decode(&draft) != 0) {
		fail_msg("%s at %zu of %s", draft.error, draft.error_offset, body);
	}
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	return batch;
}

static void add(const struct weir_batch *batch, const char *before, struct weir_ref ref)
{
	weir_buf_add_text(&text, before);
	weir_buf_add(&text, weir_batch_str(batch, ref).data, ref.length);
}

/* Each span as "service KIND start+duration flags >peer tags @annotations", in microseconds. */
static void becomes(const char *body, const char *expected)
{
	static const char *const kinds[] = { "-", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER" };
	const struct weir_batch *batch = decoded(body);

	weir_buf_clear(&text);
	for (uint32_t i = 0; i < batch->spans.count; i++) {
		const struct weir_span *span = &weir_batch_spans(batch)[i];

		assert_int_equal(span->trace_id[15], 1);
		assert_int_equal(span->span_id[7], 2);
		assert_int_equal(span->parent_id[7], 3);
		assert_true(weir_str_is(weir_batch_str(batch, span->name), "get"));
		add(batch, i > 0 ? "; " : "", weir_batch_resources(batch)[span->resource].service);
		weir_buf_addf(&text, " %s %" PRIu64 "+%" PRIu64, kinds[span->kind], span->start_ns / 1000,
			span->duration_ns / 1000);
		weir_buf_add_text(&text, (span->flags & WEIR_SPAN_SHARED) != 0 ? " shared" : "");
		weir_buf_add_text(&text, (span->flags & WEIR_SPAN_DEBUG) != 0 ? " debug" : "");
		weir_buf_add_text(&text, (span->flags & WEIR_SPAN_ERROR) != 0 ? " error" : "");
		if (span->peer.length > 0 || span->peer_address.port != 0) {
			add(batch, " >", span->peer);
			weir_buf_addf(&text, ":%u", span->peer_address.port);
		}
		for (uint32_t k = 0; k < span->attr_count; k++) {
			add(batch, " ", weir_batch_attrs(batch)[span->attr_first + k].key);
			add(batch, "=", weir_batch_attrs(batch)[span->attr_first + k].value.text);
		}
		for (uint32_t k = 0; k < span->event_count; k++) {
			const struct weir_event *event = &weir_batch_events(batch)[span->event_first + k];

			add(batch, " @", event->name);
			weir_buf_addf(&text, ":%" PRIu64, event->time_ns / 1000);
		}
	}
	weir_buf_add_char(&text, '\0');
	assert_string_equal(text.data, expected);
	assert_int_equal(batch->offered, batch->kept);
}

static void malformed_at(const char *body, size_t offset, const char *sentence)
{
	weir_draft_init(&draft, &arena, weir_str_of(body));
	assert_int_equal(weir_zipkin_v1_decode(&draft), WEIR_DECODE_MALFORMED);
	assert_string_equal(draft.error, sentence);
	assert_int_equal(draft.error_offset, offset);
}

static void client_span_lasts_from_cs_to_cr(void **state)
{
	(void)state;
	becomes(SPAN("\"annotations\":[" AT(30, "cr", WEB) "," AT(10, "cs", WEB) "]"), "web CLIENT 10+20");
	becomes(SPAN("\"timestamp\":9,\"duration\":23,\"annotations\":[" AT(10, "cs", WEB) "," AT(30, "cr", WEB) "]"),
		"web CLIENT 9+23");
	becomes(SPAN("\"timestamp\":9,\"annotations\":[" AT(10, "cs", WEB) "," AT(30, "cr", WEB) "]"),
		"web CLIENT 10+20");
}

static void server_span_lasts_from_sr_to_ss(void **state)
{
	(void)state;
	becomes(SPAN("\"timestamp\":10,\"duration\":20,\"annotations\":[" AT(10, "sr", APP) "," AT(30, "ss", APP) "]"),
		"app SERVER 10+20");
}

static void server_span_without_times_of_its_own_is_shared(void **state)
{
	(void)state;
	becomes(SPAN("\"annotations\":[" AT(10, "sr", APP) "," AT(30, "ss", APP) "]"), "app SERVER 10+20 shared");
	becomes(SPAN("\"timestamp\":5,\"annotations\":[" AT(10, "sr", APP) "," AT(30, "ss", APP) "]"),
		"app SERVER 10+20 shared");
	becomes(SPAN("\"timestamp\":5,\"annotations\":[" AT(10, "sr", APP) "]"), "app SERVER 5+0");
	becomes(SPAN("\"annotations\":[" AT(10, "sr", APP) "]"), "app SERVER 10+0 shared");
}

static void both_sides_in_one_span_become_two(void **state)
{
	(void)state;
	becomes(SPAN("\"timestamp\":10,\"duration\":40,\"annotations\":[" AT(10, "cs", WEB) "," AT(20, "sr",
			APP) "," AT(30, "ss", APP) "," AT(50, "cr", WEB) "],\"binaryAnnotations\":[" TAG("a", "\"1\"",
			WEB) "," TAG("b", "\"2\"", APP) "," TAG("sa", "true", APP) "," TAG("ca", "true", WEB) "]"),
		"web CLIENT 10+40 >app:2 a=1; app SERVER 20+10 shared >web:1 b=2");
}

static void service_that_called_itself_has_two_sides(void **state)
{
	(void)state;
	becomes(SPAN("\"annotations\":[" AT(10, "cs", WEB) "," AT(20, "sr", WEB) "," AT(30, "ss", WEB) "," AT(
			40, "cr", WEB) "]"),
		"web CLIENT 10+30; web SERVER 20+10 shared");
}

static void one_way_call_has_no_duration(void **state)
{
	(void)state;
	becomes(SPAN("\"annotations\":[" AT(10, "cs", WEB) "," AT(20, "sr", APP) "]"),
		"web CLIENT 10+0; app SERVER 20+0 shared");
}

static void lone_end_makes_its_start_or_stays_an_annotation(void **state)
{
	(void)state;
	becomes(SPAN("\"timestamp\":10,\"duration\":20,\"annotations\":[" AT(30, "cr", WEB) "]"), "web CLIENT 10+20");
	becomes(SPAN("\"timestamp\":10,\"duration\":20,\"annotations\":[" AT(30, "ss", APP) "]"), "app SERVER 10+20");
	becomes(SPAN("\"annotations\":[" AT(30, "cr", WEB) "," AT(31, "late", WEB) "]"),
		"web CLIENT 0+0 @cr:30 @late:31");
	becomes(SPAN("\"annotations\":[" AT(30, "ss", APP) "]"), "app SERVER 0+0 @ss:30");
}

static void messages_have_a_producer_and_a_consumer(void **state)
{
	(void)state;
	becomes(SPAN("\"annotations\":[" AT(10, "ms", WEB) "," AT(12, "ws", WEB) "],\"binaryAnnotations\":[" TAG(
			"ma", "true", "\"endpoint\":{\"serviceName\":\"kafka\"}") "]"),
		"web PRODUCER 10+2 >kafka:0");
	becomes(SPAN("\"annotations\":[" AT(10, "mr", APP) "," AT(7, "wr", APP) "]"), "app CONSUMER 7+3");
	becomes(SPAN("\"annotations\":[" AT(10, "mr", APP) "]"), "app CONSUMER 10+0");
	becomes(SPAN("\"annotations\":[" AT(10, "ms", WEB) "," AT(20, "mr", APP) "]"),
		"web PRODUCER 10+0; app CONSUMER 20+0 shared");
	becomes(SPAN("\"annotations\":[" AT(10, "ms", WEB) "," AT(20, "mr", WEB) "]"),
		"web PRODUCER 10+0; web CONSUMER 20+0 shared");
	becomes(SPAN("\"annotations\":[" AT(10, "ws", WEB) "," AT(11, "wr", WEB) "]"), "web - 0+0 @ws:10 @wr:11");
}

static void core_annotations_without_host_are_plain_ones(void **state)
{
	(void)state;
	becomes(SPAN("\"annotations\":[{\"timestamp\":10,\"value\":\"cs\"},{\"timestamp\":11,\"value\":\"cr\","
		     "\"endpoint\":{}}]"),
		" - 0+0 @cs:10 @cr:11");
}

static void local_span_is_told_by_lc(void **state)
{
	(void)state;
	becomes(SPAN("\"timestamp\":10,\"duration\":2,\"binaryAnnotations\":[" TAG("lc", "\"\"", WEB) "]"),
		"web - 10+2");
	becomes(SPAN("\"timestamp\":10,\"duration\":2,\"binaryAnnotations\":[" TAG("lc", "\"job\"", WEB) "]"),
		"web - 10+2 lc=job");
}

static void addresses_alone_say_who_is_who(void **state)
{
	(void)state;
	becomes(SPAN("\"binaryAnnotations\":[" TAG("sa", "true", APP) "," TAG("ca", "true", WEB) "]"),
		"web - 0+0 >app:2");
	becomes(SPAN("\"binaryAnnotations\":[" TAG("sa", "\"1\"", APP) "]"), " - 0+0 >app:2");
	becomes(SPAN("\"binaryAnnotations\":[" TAG("ca", "true", WEB) "]"), " SERVER 0+0 >web:1");
	becomes(SPAN("\"binaryAnnotations\":[" TAG("sa", "false", APP) "]"), " - 0+0");
}

static void ca_of_the_servers_own_service_loses_its_name(void **state)
{
	(void)state;
	becomes(SPAN("\"timestamp\":10,\"duration\":20,\"annotations\":[" AT(10, "sr", APP) "," AT(
			30, "ss", APP) "],\"binaryAnnotations\":[" TAG("ca", "true",
			"\"endpoint\":{\"serviceName\":\"app\",\"port\":9}") "]"),
		"app SERVER 10+20 >:9");
	becomes(SPAN("\"timestamp\":10,\"duration\":20,\"annotations\":[" AT(10, "sr", APP) "," AT(
			30, "ss", APP) "],\"binaryAnnotations\":[" TAG("ca", "true", APP) "]"),
		"app SERVER 10+20");
}

static void values_are_text_numbers_and_booleans(void **state)
{
	(void)state;
	becomes(SPAN("\"debug\":true,\"timestamp\":1,\"duration\":1,\"binaryAnnotations\":[" TAG(
			"z", "\"a\\tb\"", WEB) "," TAG("n", "404", WEB) "," TAG("n", "500", WEB) "," TAG("error",
			"true", WEB) "," TAG("o", "{\"x\":[1]}", WEB) "," TAG("nil", "null", WEB) "]"),
		"web - 1+1 debug error error=true n=500 z=a\tb");
}

static void ids_of_128_bits_are_kept_whole(void **state)
{
	static const uint8_t trace[16] = { 0x46, 0x3a, 0xc3, 0x5c, 0x9f, 0x64, 0x13, 0xad, 0x48, 0x48, 0x5a, 0x39, 0x53,
		0xbb, 0x61, 0x24 };

	(void)state;
	assert_memory_equal(
		weir_batch_spans(decoded("[{\"traceId\":\"463ac35c9f6413ad48485a3953bb6124\",\"id\":\"1\"}]"))
			->trace_id,
		trace, 16);
}

static void wrong_spans_refuse_the_list_and_say_where(void **state)
{
	(void)state;
	malformed_at("{}", 0, "Expected a JSON_V1 encoded list");
	malformed_at("[{\"traceId\":\"1\"}]", 1, "a span without traceId or id, or with one of zeros");
	malformed_at("[{\"traceId\":\"0\",\"id\":\"1\"}]", 1, "a span without traceId or id, or with one of zeros");
	malformed_at("[7]", 1, "a span that is no object");
	malformed_at("[{\"annotations\":[{\"value\":\"cs\"}]}]", 17, "an annotation without time or value");
	malformed_at("[{\"annotations\":[{\"timestamp\":1}]}]", 17, "an annotation without time or value");
	malformed_at("[{\"binaryAnnotations\":[{\"value\":\"cs\"}]}]", 23, "a binary annotation without key");
	malformed_at("[{\"binaryAnnotations\":7}]", 22, "binaryAnnotations that are no list");
}

static void members_of_v2_refuse_the_list_in_zipkins_words(void **state)
{
	static const char *const members[] = { "localEndpoint", "remoteEndpoint", "tags" };

	(void)state;
	for (size_t i = 0; i < 3; i++) {
		char body[128];

		snprintf(body, sizeof(body), "[{\"traceId\":\"1\",\"id\":\"2\",\"%s\":{}}]", members[i]);
		malformed_at(body, 28 + strlen(members[i]), "Expected a JSON_V1 encoded list, but received: JSON_V2");
	}
}

static void span_of_too_many_services_is_refused(void **state)
{
	(void)state;
	for (unsigned services = WEIR_ZIPKIN_V1_SIDES; services <= WEIR_ZIPKIN_V1_SIDES + 1; services++) {
		weir_buf_clear(&text);
		weir_buf_add_text(&text, "[{" IDS ",\"annotations\":[");
		for (unsigned i = 0; i < services; i++) {
			weir_buf_addf(&text,
				"%s{\"timestamp\":1,\"value\":\"x\",\"endpoint\":{\"serviceName\":\"s%u\"}}",
				i > 0 ? "," : "", i);
		}
		weir_buf_add_text(&text, "]}]");
		weir_draft_init(&draft, &arena, weir_buf_str(&text));
		assert_int_equal(
			weir_zipkin_v1_decode(&draft), services > WEIR_ZIPKIN_V1_SIDES ? WEIR_DECODE_MALFORMED : 0);
	}
	assert_string_equal(draft.error, "a span of more than 32 services");
	assert_int_equal(draft.error_offset, 1);
}

static void nothing_and_empty_lists_are_no_spans(void **state)
{
	(void)state;
	assert_int_equal(decoded("")->spans.count, 0);
	assert_int_equal(decoded(" [ ] ")->spans.count, 0);
}

static void nulls_are_absent(void **state)
{
	(void)state;
	becomes(SPAN("\"timestamp\":null,\"duration\":null,\"debug\":null,\"annotations\":null,\"binaryAnnotations\":"
		     "null,\"new\":{}"),
		" - 0+0");
	becomes(SPAN("\"annotations\":[{\"timestamp\":1,\"value\":\"x\",\"endpoint\":null}]"), " - 0+0 @x:1");
}

static void real_senders_bodies_are_as_their_dumps(void **state)
{
	(void)state;
	golden_check("zipkin_v1", weir_zipkin_v1_decode);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(client_span_lasts_from_cs_to_cr, setup, teardown),
		cmocka_unit_test_setup_teardown(server_span_lasts_from_sr_to_ss, setup, teardown),
		cmocka_unit_test_setup_teardown(server_span_without_times_of_its_own_is_shared, setup, teardown),
		cmocka_unit_test_setup_teardown(both_sides_in_one_span_become_two, setup, teardown),
		cmocka_unit_test_setup_teardown(service_that_called_itself_has_two_sides, setup, teardown),
		cmocka_unit_test_setup_teardown(one_way_call_has_no_duration, setup, teardown),
		cmocka_unit_test_setup_teardown(lone_end_makes_its_start_or_stays_an_annotation, setup, teardown),
		cmocka_unit_test_setup_teardown(messages_have_a_producer_and_a_consumer, setup, teardown),
		cmocka_unit_test_setup_teardown(core_annotations_without_host_are_plain_ones, setup, teardown),
		cmocka_unit_test_setup_teardown(local_span_is_told_by_lc, setup, teardown),
		cmocka_unit_test_setup_teardown(addresses_alone_say_who_is_who, setup, teardown),
		cmocka_unit_test_setup_teardown(ca_of_the_servers_own_service_loses_its_name, setup, teardown),
		cmocka_unit_test_setup_teardown(values_are_text_numbers_and_booleans, setup, teardown),
		cmocka_unit_test_setup_teardown(ids_of_128_bits_are_kept_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_spans_refuse_the_list_and_say_where, setup, teardown),
		cmocka_unit_test_setup_teardown(members_of_v2_refuse_the_list_in_zipkins_words, setup, teardown),
		cmocka_unit_test_setup_teardown(span_of_too_many_services_is_refused, setup, teardown),
		cmocka_unit_test_setup_teardown(nothing_and_empty_lists_are_no_spans, setup, teardown),
		cmocka_unit_test_setup_teardown(nulls_are_absent, setup, teardown),
		cmocka_unit_test_setup_teardown(real_senders_bodies_are_as_their_dumps, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
