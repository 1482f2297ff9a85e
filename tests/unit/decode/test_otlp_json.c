/* json: the tables against protobuf-c's descriptors; members one by one; what
 * is refused, and where; every OTLP request of every capture in both encodings;
 * and the facts of a browser-like sender. argv[1] is the folder of the captures. */
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
#include "decode/otlp/json_shape.h"
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
	const struct weir_otlp_json_shape *shape;
	void (*dump)(const struct weir_batch *batch, struct weir_buf *ret_text);
} sorts[SORTS] = {
	[TRACE] = { "trace", WEIR_SIGNAL_SPAN, weir_otlp_trace_decode, weir_otlp_trace_json_decode,
		&opentelemetry__proto__collector__trace__v1__export_trace_service_request__descriptor,
		&weir_otlp_json_trace_request, dump_spans },
	[METRICS] = { "metrics", WEIR_SIGNAL_METRIC_POINT, weir_otlp_metrics_decode, weir_otlp_metrics_json_decode,
		&opentelemetry__proto__collector__metrics__v1__export_metrics_service_request__descriptor,
		&weir_otlp_json_metrics_request, dump_points },
	[LOGS] = { "logs", WEIR_SIGNAL_LOG, weir_otlp_logs_decode, weir_otlp_logs_json_decode,
		&opentelemetry__proto__collector__logs__v1__export_logs_service_request__descriptor,
		&weir_otlp_json_logs_request, dump_logs },
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
	for (unsigned i = 0; i < SORTS; i++) {
		shape_check(sorts[i].shape, sorts[i].request, 0);
	}
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
	{ "{\"resourceSpans\":[{\"scopeSpans\":[{\"scope\":{\"name\":\"n\",\"version\":\"v\",\"attributes\":7},\"spans\":[{" TRACE_ID
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

		decode(TRACE, true, weir_str_of(taken[i].json), &decoded);
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

		decode(TRACE, true, weir_str_of(refused[i].json), &decoded);
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
		decode(TRACE, true, weir_buf_str(&body), &decoded);
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
		cmocka_unit_test(the_tables_say_what_the_descriptors_say),
		cmocka_unit_test(members_mean_what_they_say),
		cmocka_unit_test(what_is_wrong_is_said_with_its_place),
		cmocka_unit_test(a_value_nests_no_deeper_than_the_reader_allows),
		cmocka_unit_test(a_full_arena_is_too_large),
		cmocka_unit_test(both_encodings_of_a_request_are_equal_rows),
		cmocka_unit_test(the_facts_of_a_sender_of_json_come_out),
	};

	if (argc < 2) {
		return 2;
	}
	folder = argv[1];
	return cmocka_run_group_tests(tests, NULL, NULL);
}
