/* json: the tables against protobuf-c's descriptors; members one by one; what
 * is refused, and where. Whole requests: test_otlp_json_captures.c. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/otlp/json.h"
#include "decode/otlp/json_shape.h"
#include "dump.h"
#include "opentelemetry/proto/collector/logs/v1/logs_service.pb-c.h"
#include "opentelemetry/proto/collector/metrics/v1/metrics_service.pb-c.h"
#include "opentelemetry/proto/collector/trace/v1/trace_service.pb-c.h"
#include "tests/support/otlp_json.h"

/* ---- decoding ------------------------------------------------------------- */

struct decoded {
	struct weir_arena arena;
	struct weir_draft draft;
	const struct weir_batch *batch; /* NULL: refused */
	int r;
};

static void decode(struct weir_str json, struct decoded *ret)
{
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_SPAN, .source = weir_str_of("test") };

	weir_arena_init(&ret->arena, 1 << 16, 1 << 28);
	weir_draft_init(&ret->draft, &ret->arena, json);
	ret->r = weir_otlp_trace_json_decode(&ret->draft);
	ret->batch = ret->r == 0 ? weir_draft_finish(&ret->draft, &head) : NULL;
	if (ret->batch != NULL) {
		assert_true(weir_batch_is_sound(ret->batch, ret->batch->size_bytes));
	}
}

static void decoded_fini(struct decoded *decoded)
{
	weir_arena_fini(&decoded->arena);
}

/* ---- the tables ------------------------------------------------------------ */

static void names_check(const struct weir_otlp_json_name *names, const ProtobufCEnumDescriptor *descriptor)
{
	unsigned count = 0;

	for (; names[count].text != NULL; count++) {
		const ProtobufCEnumValue *value =
			protobuf_c_enum_descriptor_get_value_by_name(descriptor, names[count].text);

		assert_non_null(value);
		assert_int_equal(value->value, names[count].value);
	}
	assert_int_equal(count, descriptor->n_values);
}

static unsigned kind_of(const ProtobufCFieldDescriptor *field)
{
	switch (field->type) {
	case PROTOBUF_C_TYPE_STRING:
		return WEIR_OTLP_JSON_TEXT;
	case PROTOBUF_C_TYPE_BYTES:
		return otlp_json_is_hex(field) ? WEIR_OTLP_JSON_ID : WEIR_OTLP_JSON_BYTES;
	case PROTOBUF_C_TYPE_BOOL:
		return WEIR_OTLP_JSON_BOOL;
	case PROTOBUF_C_TYPE_INT64:
		return WEIR_OTLP_JSON_INT64;
	case PROTOBUF_C_TYPE_UINT64:
		return WEIR_OTLP_JSON_UINT64;
	case PROTOBUF_C_TYPE_UINT32:
		return WEIR_OTLP_JSON_UINT32;
	case PROTOBUF_C_TYPE_SINT32:
		return WEIR_OTLP_JSON_SINT32;
	case PROTOBUF_C_TYPE_ENUM:
		return WEIR_OTLP_JSON_ENUM;
	case PROTOBUF_C_TYPE_FIXED32:
		return WEIR_OTLP_JSON_FIXED32;
	case PROTOBUF_C_TYPE_FIXED64:
		return WEIR_OTLP_JSON_FIXED64;
	case PROTOBUF_C_TYPE_SFIXED64:
		return WEIR_OTLP_JSON_SFIXED64;
	case PROTOBUF_C_TYPE_DOUBLE:
		return WEIR_OTLP_JSON_DOUBLE;
	default:
		assert_int_equal(field->type, PROTOBUF_C_TYPE_MESSAGE);
		return WEIR_OTLP_JSON_OBJECT;
	}
}

static bool is_old_name(const struct weir_otlp_json_field *field)
{
	return strncmp(field->key, "instrumentationLibrary", 22) == 0 || strcmp(field->key, "logs") == 0;
}

/* Every field of the message is in the shape, as it is, and no other but old
 * names; the same for all messages below. AnyValue comes back to itself. */
static void shape_check(const struct weir_otlp_json_shape *shape, const ProtobufCMessageDescriptor *message, int depth)
{
	unsigned wanted = 0, old = 0;

	assert_string_equal(shape->name, message->short_name);
	assert_true(shape->count <= WEIR_OTLP_JSON_FIELDS);
	for (uint32_t i = 0; i < shape->count; i++) {
		old += is_old_name(&shape->fields[i]);
	}
	for (unsigned i = 0; i < message->n_fields && depth < 12; i++) {
		const ProtobufCFieldDescriptor *field = &message->fields[i];
		const struct weir_otlp_json_field *found = NULL;
		char key[64];

		otlp_json_key(field, key);
		for (uint32_t k = 0; k < shape->count; k++) {
			found = strcmp(shape->fields[k].key, key) == 0 ? &shape->fields[k] : found;
		}
		if (otlp_json_is_skipped(message, field)) {
			assert_null(found);
			continue;
		}
		if (found == NULL) {
			fail_msg("%s has no %s", shape->name, key);
		}
		wanted++;
		assert_int_equal(found->number, field->id);
		assert_int_equal(found->is_list, field->label == PROTOBUF_C_LABEL_REPEATED);
		assert_int_equal(found->kind, kind_of(field));
		if (found->kind == WEIR_OTLP_JSON_ENUM) {
			names_check(found->names, field->descriptor);
		}
		if (found->kind == WEIR_OTLP_JSON_OBJECT) {
			shape_check(found->shape, field->descriptor, depth + 1);
		}
	}
	assert_true(depth >= 12 || wanted + old == shape->count);
}

static void the_tables_say_what_the_descriptors_say(void **state)
{
	(void)state;
	shape_check(&weir_otlp_json_trace_request,
		&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor, 0);
	shape_check(&weir_otlp_json_metrics_request,
		&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor, 0);
	shape_check(&weir_otlp_json_logs_request,
		&opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor, 0);
}

/* ---- members one by one ------------------------------------------------------- */

#define TRACE_ID "\"traceId\":\"5b8efff798038103d269b633813fc60c\""
#define SPAN_ID "\"spanId\":\"eee19b7ec3c1b174\""
#define SPANS(members) "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{" members "}]}]}]}"
#define SPAN(members) SPANS(TRACE_ID "," SPAN_ID members)
#define ATTRIBUTE(value) SPAN(",\"attributes\":[{\"key\":\"k\",\"value\":" value "}]")
#define KEPT "offered=1 kept=1 invalid=0 replaced=0\n"

static const struct {
	const char *json, *dumped; /* the dump holds this */
} taken[] = {
	{ "{}", "offered=0 kept=0" },
	{ " { \"resourceSpans\" : [ ] } \n", "offered=0 kept=0" },
	{ "{\"resourceSpans\":null,\"else\":[{\"a\":[1,2]}]}", "offered=0 kept=0" },
	{ SPAN(""), "trace=5b8efff798038103d269b633813fc60c id=eee19b7ec3c1b174 parent=0000000000000000" },
	{ SPANS("\"traceId\":\"5B8EFFF798038103D269B633813FC60C\",\"spanId\":\"EEE19B7EC3C1B174\",\"parentSpanId\":\"00000000000000Ff\""),
		"trace=5b8efff798038103d269b633813fc60c id=eee19b7ec3c1b174 parent=00000000000000ff" },
	{ SPAN(",\"parentSpanId\":\"\""), KEPT },
	{ SPAN(",\"parentSpanId\":null,\"name\":null,\"attributes\":null,\"status\":null"), KEPT },
	{ SPANS(TRACE_ID), "offered=1 kept=0 invalid=1" },
	{ SPANS(TRACE_ID ",\"spanId\":\"eee19b7ec3c1b1\""), "invalid=1" },
	{ SPANS(TRACE_ID ",\"spanId\":\"eee19b7ec3c1b17\""), "invalid=1" },
	{ SPANS(TRACE_ID ",\"spanId\":\"eee19b7ec3c1b17g\""), "invalid=1" },
	{ SPANS(TRACE_ID ",\"spanId\":\"0000000000000000\""), "invalid=1" },
	{ SPANS(SPAN_ID ",\"traceId\":\"W47/95gDgQPSabYzgT/GDA==\""), "invalid=1" },
	{ SPAN(",\"parentSpanId\":\"12\""), "invalid=1" },
	{ SPANS(TRACE_ID ",\"spanId\":\"\\u0065ee19b7ec3c1b174\""), "id=eee19b7ec3c1b174" },
	{ "{\"resourceSpans\":[null,{\"scopeSpans\":[null,{\"spans\":[null]}]}]}", "offered=1 kept=0 invalid=1" },
	{ SPAN(",\"name\":\"a\\u00fc\\ud83d\\ude00\\\"\""), "name=\"a\xc3\xbc\xf0\x9f\x98\x80\"\"" },
	{ SPAN(",\"name\":\"\\ud83d!\""), "name=\"\xef\xbf\xbd!\"" },
	{ SPAN(",\"name\":\"\xff!\""), "replaced=1" },
	{ SPAN(",\"n\\u0061me\":\"told\""), "name=\"told\"" },
	{ SPAN(",\"name\\u0000\":\"untold\""), KEPT },
	{ SPAN(",\"kind\":3,\"kind\":2"), "kind=2" },
	{ SPAN(",\"kind\":\"3\""), "kind=3" },
	{ SPAN(",\"kind\":\"SPAN_KIND_PRODUCER\""), "kind=4" },
	{ SPAN(",\"kind\":\"SPAN_KIND_WHAT\""), "kind=0" },
	{ SPAN(",\"kind\":77"), "kind=0" },
	{ SPAN(",\"kind\":-1"), "kind=0" },
	{ SPAN(",\"startTimeUnixNano\":\"1544712660000000001\",\"endTimeUnixNano\":\"1544712660000000004\""),
		"start=1544712660000000001 duration=3" },
	{ SPAN(",\"startTimeUnixNano\":1544712660000000001,\"endTimeUnixNano\":1.5447126600000001e18"),
		"start=1544712660000000001 duration=99" },
	{ SPAN(",\"startTimeUnixNano\":\"1.5e18\",\"endTimeUnixNano\":\"18446744073709551615\""),
		"start=1500000000000000000 duration=16946744073709551615" },
	{ SPAN(",\"traceState\":\"a=b\",\"flags\":769,\"droppedAttributesCount\":1,\"droppedEventsCount\":\"2\","
	       "\"droppedLinksCount\":3e0"),
		"w3c=769 state=\"a=b\" dropped_attrs=1 dropped_events=2 dropped_links=3" },
	{ SPAN(",\"status\":{\"code\":2,\"message\":\"boom\"}"), "status=2 message=\"boom\" flags=25" },
	{ SPAN(",\"status\":{\"code\":\"STATUS_CODE_OK\"}"), "status=1" },
	{ ATTRIBUTE("{\"stringValue\":\"\"}"), "k = string \"\"" },
	{ ATTRIBUTE("{\"stringValue\":\"x\",\"stringValue\":null}"), "k = empty" },
	{ ATTRIBUTE("{\"boolValue\":true}"), "k = bool true" },
	{ ATTRIBUTE("{\"boolValue\":false}"), "k = bool false" },
	{ ATTRIBUTE("{\"intValue\":\"-9223372036854775808\"}"), "k = int -9223372036854775808" },
	{ ATTRIBUTE("{\"intValue\":12}"), "k = int 12" },
	{ ATTRIBUTE("{\"intValue\":1.2e1}"), "k = int 12" },
	{ ATTRIBUTE("{\"doubleValue\":0.25}"), "k = double 0.25" },
	{ ATTRIBUTE("{\"doubleValue\":3}"), "k = double 3" },
	{ ATTRIBUTE("{\"doubleValue\":\"-1.5e3\"}"), "k = double -1500" },
	{ ATTRIBUTE("{\"doubleValue\":\"NaN\"}"), "k = double nan" },
	{ ATTRIBUTE("{\"doubleValue\":\"-Infinity\"}"), "k = double -inf" },
	{ ATTRIBUTE("{\"doubleValue\":0.000000000000000000000000000000000000000000000000000000000000000000000001}"),
		"k = double 9.9999999999999997e-73" },
	{ ATTRIBUTE("{\"bytesValue\":\"-_8=\"}"), "k = bytes fbff" },
	{ ATTRIBUTE("{\"bytesValue\":\"+\\/8\"}"), "k = bytes fbff" },
	{ ATTRIBUTE("{\"bytesValue\":\"\"}"), "k = bytes \n" },
	{ ATTRIBUTE("{}"), "k = empty" },
	{ ATTRIBUTE("null"), "k = empty" },
	{ ATTRIBUTE(
		  "{\"arrayValue\":{\"values\":[{\"intValue\":\"1\"},{\"stringValue\":\"a\"},null,{\"arrayValue\":{}}]}}"),
		"k = json \"[1,\"a\",null,[]]\"" },
	{ ATTRIBUTE("{\"kvlistValue\":{\"values\":[{\"key\":\"a\",\"value\":{\"doubleValue\":\"NaN\"}},{\"key\":\"b\","
		    "\"value\":{\"bytesValue\":\"AAEC\"}}]}}"),
		"k = json \"{\"a\":\"NaN\",\"b\":\"AAEC\"}\"" },
	{ SPAN(",\"attributes\":[{\"key\":\"a\"}],\"name\":\"n\",\"attributes\":[{\"key\":\"b\"},{\"key\":\"c\"}]"),
		"name=\"n\" flags=24\n  b = empty\n  c = empty\n" },
	{ SPAN(",\"events\":[{\"timeUnixNano\":\"7\",\"name\":\"e\",\"droppedAttributesCount\":2,\"attributes\":[{\"key\":"
	       "\"a\",\"value\":{\"intValue\":1}}]}]"),
		"  event 7 name=\"e\" dropped_attrs=2\n    a = int 1\n" },
	{ SPAN(",\"links\":[{" TRACE_ID "," SPAN_ID ",\"traceState\":\"s\",\"flags\":1},{\"spanId\":\"!\"}]"),
		"dropped_links=1\n  link trace=5b8efff798038103d269b633813fc60c id=eee19b7ec3c1b174 state=\"s\" flags=1" },
	{ SPAN(",\"kind\":3,\"attributes\":[{\"key\":\"peer.service\",\"value\":{\"stringValue\":\"db\"}},"
	       "{\"key\":\"error\",\"value\":{\"boolValue\":true}}]"),
		"flags=25 peer=\"db\"" },
	{ "{\"resourceSpans\":[{\"scopeSpans\":[{\"scope\":{\"name\":\"n\",\"version\":\"v\",\"droppedAttributesCount\":7},\"spans\":[{" TRACE_ID
	  "," SPAN_ID "}],\"schemaUrl\":7}],\"resource\":{\"attributes\":[{\"key\":\"service.name\",\"value\":"
	  "{\"stringValue\":\"shop\"}}]}}]}",
		"resource 0 service=\"shop\" scope=\"n\" version=\"v\"\n  service.name = string \"shop\"" },
	{ "{\"resourceSpans\":[{\"instrumentationLibrarySpans\":[{\"instrumentationLibrary\":{\"name\":\"n\"},\"spans\":[{" TRACE_ID
	  "," SPAN_ID "}]}]}]}",
		"scope=\"n\"" },
};

static void members_mean_what_they_say(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(taken) / sizeof(taken[0]); i++) {
		struct decoded decoded;
		struct weir_buf text;

		decode(weir_str_of(taken[i].json), &decoded);
		if (decoded.r != 0) {
			fail_msg("%s: %s at %zu", taken[i].json, decoded.draft.error, decoded.draft.error_offset);
		}
		weir_buf_init(&text, 0);
		dump_spans(decoded.batch, &text);
		weir_buf_add_char(&text, '\0');
		if (strstr(text.data, taken[i].dumped) == NULL) {
			fail_msg("%s is not in\n%s\nof %s", taken[i].dumped, text.data, taken[i].json);
		}
		weir_buf_fini(&text);
		decoded_fini(&decoded);
	}
}

/* ---- what is refused ------------------------------------------------------------ */

static const struct {
	const char *json, *error, *at; /* where the text goes on when it fails */
} refused[] = {
	{ "", "the text ends where a value should be", "" },
	{ "null", "the body is not an object", "null" },
	{ "[]", "the body is not an object", "[]" },
	{ "{} x", "something follows the value", "x" },
	{ "{\"resourceSpans\":[}", "not a value", "}" },
	{ "{\"resourceSpans\":{}}", "not a list", "{}}" },
	{ "{\"resourceSpans\":[7]}", "not an object", "7]}" },
	{ "{\"x\":[1,}", "not a value", "}" },
	{ SPAN(",\"name\":7"), "not text where text belongs", "7}]}]}]}" },
	{ SPAN(",\"name\":{}"), "not text where text belongs", "{}}]}]}]}" },
	{ SPANS("\"traceId\":7"), "not the hex digits of an id", "7}]}]}]}" },
	{ SPAN(",\"kind\":1.5"), "not the number of an enum", "1.5}]}]}]}" },
	{ SPAN(",\"kind\":2147483648"), "not the number of an enum", "2147483648}]}]}]}" },
	{ SPAN(",\"flags\":4294967296"), "not a whole number of the right size", "4294967296}]}]}]}" },
	{ SPAN(",\"flags\":-1"), "not a whole number of the right size", "-1}]}]}]}" },
	{ SPAN(",\"startTimeUnixNano\":\"-1\""), "not a whole number of the right size", "-1\"}]}]}]}" },
	{ SPAN(",\"startTimeUnixNano\":\"18446744073709551616\""), "not a whole number of the right size",
		"18446744073709551616\"}]}]}]}" },
	{ SPAN(",\"startTimeUnixNano\":\"\""), "not a whole number of the right size", "\"}]}]}]}" },
	{ SPAN(",\"startTimeUnixNano\":true"), "not a whole number of the right size", "true}]}]}]}" },
	{ ATTRIBUTE("{\"intValue\":\"9223372036854775808\"}"), "not a whole number of the right size",
		"9223372036854775808\"}}]}]}]}]}" },
	{ ATTRIBUTE("{\"intValue\":0.5}"), "not a whole number of the right size", "0.5}}]}]}]}]}" },
	{ ATTRIBUTE("{\"doubleValue\":1e309}"), "not a number that a double holds", "1e309}}]}]}]}]}" },
	{ ATTRIBUTE("{\"doubleValue\":\"nan\"}"), "not a number that a double holds", "nan\"}}]}]}]}]}" },
	{ ATTRIBUTE("{\"boolValue\":\"true\"}"), "neither true nor false", "true\"}}]}]}]}]}" },
	{ ATTRIBUTE("{\"bytesValue\":\"AA!A\"}"), "not base64", "AA!A\"}}]}]}]}]}" },
	{ ATTRIBUTE("{\"bytesValue\":\"AAAAA\"}"), "not base64: it ends within a byte", "AAAAA\"}}]}]}]}]}" },
	{ ATTRIBUTE("{\"bytesValue\":\"AA===\"}"), "not base64", "AA===\"}}]}]}]}]}" },
	{ ATTRIBUTE("\"text\""), "not an object", "text\"}]}]}]}]}" },
	{ SPAN(",\"attributes\":{\"k\":\"v\"}"), "not a list", "{\"k\":\"v\"}}]}]}]}" },
};

static void what_is_wrong_is_said_with_its_place(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct decoded decoded;

		decode(weir_str_of(refused[i].json), &decoded);
		if (decoded.r != WEIR_DECODE_MALFORMED) {
			fail_msg("taken: %s", refused[i].json);
		}
		assert_string_equal(decoded.draft.error, refused[i].error);
		assert_string_equal(refused[i].json + decoded.draft.error_offset, refused[i].at);
		decoded_fini(&decoded);
	}
}

static void a_value_nests_no_deeper_than_the_reader_allows(void **state)
{
	struct decoded decoded;
	struct weir_buf body;

	(void)state;
	for (unsigned depth = 15; depth < 80; depth++) {
		weir_buf_init(&body, 0);
		weir_buf_add_text(&body, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{" TRACE_ID "," SPAN_ID
					 ",\"attributes\":[{\"value\":");
		for (unsigned i = 0; i < depth; i++) {
			weir_buf_add_text(&body, "{\"arrayValue\":{\"values\":[");
		}
		for (unsigned i = 0; i < depth; i++) {
			weir_buf_add_text(&body, "]}}");
		}
		weir_buf_add_text(&body, "}]}]}]}]}");
		decode(weir_buf_str(&body), &decoded);
		assert_int_equal(decoded.r, depth <= 18 ? 0 : WEIR_DECODE_MALFORMED);
		decoded_fini(&decoded);
		weir_buf_fini(&body);
	}
}

static void a_full_arena_is_too_large(void **state)
{
	struct weir_arena arena;
	struct weir_draft draft;
	struct weir_buf body;
	unsigned too_large = 0;

	(void)state;
	weir_buf_init(&body, 0);
	weir_buf_add_text(&body, "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[");
	for (unsigned i = 0; i < 100; i++) {
		weir_buf_add_text(&body,
			i > 0 ? ",{" TRACE_ID "," SPAN_ID ",\"name\":\"\\u0041\"}" : "{" TRACE_ID "," SPAN_ID "}");
	}
	weir_buf_add_text(&body, "]}]}]}");
	for (size_t limit = 1; limit < (size_t)1 << 22; limit *= 2) {
		int r;

		weir_arena_init(&arena, limit < 4096 ? limit : 4096, limit);
		weir_draft_init(&draft, &arena, weir_buf_str(&body));
		r = weir_otlp_trace_json_decode(&draft);
		assert_int_equal(r, draft.is_exhausted ? WEIR_DECODE_TOO_LARGE : 0);
		too_large += r == WEIR_DECODE_TOO_LARGE;
		weir_arena_fini(&arena);
	}
	assert_in_range(too_large, 8, 20);
	weir_buf_fini(&body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_tables_say_what_the_descriptors_say),
		cmocka_unit_test(members_mean_what_they_say),
		cmocka_unit_test(what_is_wrong_is_said_with_its_place),
		cmocka_unit_test(a_value_nests_no_deeper_than_the_reader_allows),
		cmocka_unit_test(a_full_arena_is_too_large),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
