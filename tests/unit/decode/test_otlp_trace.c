/* Tests of the OTLP trace decoder. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "decode/otlp/trace.h"
#include "decode/wire.h"
#include "encode.h"
#include "golden.h"

static struct weir_arena arena;
static struct weir_buf body, span, any, inner;
static struct weir_draft draft;

static int setup(void **state)
{
	(void)state;
	weir_arena_init(&arena, 1 << 16, 1 << 24);
	weir_buf_init(&body, 0);
	weir_buf_init(&span, 0);
	weir_buf_init(&any, 0);
	weir_buf_init(&inner, 0);
	encode_span_ids(&span, 1, 2, 0);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_arena_fini(&arena);
	weir_buf_fini(&body);
	weir_buf_fini(&span);
	weir_buf_fini(&any);
	weir_buf_fini(&inner);
	return 0;
}

/* Decodes `body` as a sound batch, or fails the test. */
static const struct weir_batch *decoded(void)
{
	struct weir_draft_head head = { .signal = WEIR_SIGNAL_SPAN };
	const struct weir_batch *batch;

	weir_draft_init(&draft, &arena, weir_buf_str(&body));
	assert_int_equal(weir_otlp_trace_decode(&draft), 0);
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	return batch;
}

/* `span` as the one span of service "shop". */
static const struct weir_span *decoded_span(const struct weir_batch **ret_batch)
{
	weir_buf_clear(&body);
	encode_request(&body, "shop", &span);
	*ret_batch = decoded();
	assert_int_equal((*ret_batch)->spans.count, 1);
	return weir_batch_spans(*ret_batch);
}

static void malformed_is_expected(void)
{
	weir_draft_init(&draft, &arena, weir_buf_str(&body));
	assert_int_equal(weir_otlp_trace_decode(&draft), WEIR_DECODE_MALFORMED);
	assert_non_null(draft.error);
}

static void assert_text(const struct weir_batch *batch, struct weir_ref ref, const char *expected)
{
	struct weir_str text = weir_batch_str(batch, ref);

	if (!weir_str_is(text, expected)) {
		fail_msg("\"%.*s\" is not \"%s\"", (int)text.length, text.data, expected);
	}
}

static void assert_peer(const char *expected)
{
	const struct weir_batch *batch;
	const struct weir_span *got = decoded_span(&batch);

	assert_text(batch, got->peer, expected);
}

static const struct weir_attr *attr_of(const struct weir_batch *batch, uint32_t first, uint32_t i, const char *key)
{
	const struct weir_attr *attr = &weir_batch_attrs(batch)[first + i];

	assert_text(batch, attr->key, key);
	return attr;
}

static void golden_bodies_decode_to_their_text(void **state)
{
	(void)state;
	golden_check("otlp_trace", weir_otlp_trace_decode);
}

static void empty_request_offers_nothing(void **state)
{
	(void)state;
	assert_int_equal(decoded()->offered, 0);
}

static void scalar_fields_arrive(void **state)
{
	const struct weir_batch *batch;
	const struct weir_span *got;

	(void)state;
	weir_buf_clear(&span);
	encode_span_ids(&span, 1, 2, 3);
	encode_text(&span, 3, "a=b");
	encode_text(&span, 5, "GET /");
	encode_number(&span, 6, 2);
	encode_number(&span, 10, 4);
	encode_number(&span, 12, 5);
	encode_number(&span, 14, 6);
	encode_fixed32(&span, 16, 0x301);
	encode_text(&inner, 2, "went wrong");
	encode_number(&inner, 3, 2);
	encode_nested(&span, 15, &inner);
	got = decoded_span(&batch);
	assert_int_equal(got->trace_id[15], 1);
	assert_int_equal(got->span_id[7], 2);
	assert_int_equal(got->parent_id[7], 3);
	assert_int_equal(got->start_ns, 1000);
	assert_int_equal(got->duration_ns, 2500);
	assert_int_equal(got->kind, WEIR_SPAN_SERVER);
	assert_int_equal(got->status, 2);
	assert_int_equal(got->flags, WEIR_SPAN_ERROR);
	assert_int_equal(got->w3c_flags, 0x301);
	assert_int_equal(got->dropped_attrs, 4);
	assert_int_equal(got->dropped_events, 5);
	assert_int_equal(got->dropped_links, 6);
	assert_text(batch, got->name, "GET /");
	assert_text(batch, got->trace_state, "a=b");
	assert_text(batch, got->status_message, "went wrong");
	assert_text(batch, weir_batch_resources(batch)->service, "shop");
}

static void attributes_keep_their_types(void **state)
{
	const struct weir_batch *batch;
	const struct weir_span *got;
	const double half = 0.5;
	uint64_t bits;

	(void)state;
	memcpy(&bits, &half, sizeof(bits));
	encode_pair_text(&span, 9, "text", "value");
	encode_pair_number(&span, 9, "int", -7);
	encode_number(&any, 2, 1);
	encode_pair(&span, 9, "bool", &any);
	encode_fixed64(&any, 4, bits);
	encode_pair(&span, 9, "double", &any);
	encode_bytes(&any, 7, "\xff\x00\x01", 3);
	encode_pair(&span, 9, "bytes", &any);
	encode_pair(&span, 9, "empty", &any);
	encode_pair_text(&span, 9, "empty text", "");
	encode_pair_text(&span, 9, "", "empty key");
	got = decoded_span(&batch);
	assert_int_equal(got->attr_count, 8);
	assert_text(batch, attr_of(batch, got->attr_first, 0, "text")->value.text, "value");
	assert_int_equal(attr_of(batch, got->attr_first, 1, "int")->value.number, -7);
	assert_int_equal(attr_of(batch, got->attr_first, 2, "bool")->type, WEIR_ATTR_BOOL);
	assert_int_equal(attr_of(batch, got->attr_first, 2, "bool")->value.number, 1);
	assert_true(attr_of(batch, got->attr_first, 3, "double")->value.real == 0.5);
	assert_int_equal(attr_of(batch, got->attr_first, 4, "bytes")->type, WEIR_ATTR_BYTES);
	assert_int_equal(attr_of(batch, got->attr_first, 4, "bytes")->value.text.length, 3);
	assert_int_equal(attr_of(batch, got->attr_first, 5, "empty")->type, WEIR_ATTR_EMPTY);
	assert_int_equal(attr_of(batch, got->attr_first, 6, "empty text")->type, WEIR_ATTR_STRING);
	assert_text(batch, attr_of(batch, got->attr_first, 7, "")->value.text, "empty key");
}

static void long_texts_and_odd_orders_decode_alike(void **state)
{
	const struct weir_batch *batch;
	const struct weir_span *got;
	char text[400];

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	encode_pair_text(&span, 9, "long", text);
	encode_pair_text(&span, 9, text, "long key");
	encode_text(&any, 1, "first the value");
	encode_nested(&inner, 2, &any);
	encode_text(&inner, 1, "then the key");
	encode_nested(&span, 9, &inner);
	encode_text(&inner, 1, "key");
	encode_text(&any, 1, "once");
	encode_nested(&inner, 2, &any);
	encode_number(&any, 3, 2);
	encode_nested(&inner, 2, &any);
	encode_nested(&span, 9, &inner);
	got = decoded_span(&batch);
	assert_text(batch, attr_of(batch, got->attr_first, 0, "long")->value.text, text);
	assert_text(batch, attr_of(batch, got->attr_first, 1, text)->value.text, "long key");
	assert_text(batch, attr_of(batch, got->attr_first, 2, "then the key")->value.text, "first the value");
	assert_int_equal(attr_of(batch, got->attr_first, 3, "key")->type, WEIR_ATTR_INT);
}

static void arrays_and_maps_become_json(void **state)
{
	const struct weir_batch *batch;
	const struct weir_span *got;
	struct weir_buf item;

	(void)state;
	weir_buf_init(&item, 0);
	encode_text(&item, 1, "say \"hi\"\n\xc3\xa9");
	encode_nested(&inner, 1, &item);
	encode_number(&item, 3, (uint64_t)-5);
	encode_nested(&inner, 1, &item);
	encode_number(&item, 2, 0);
	encode_nested(&inner, 1, &item);
	encode_nested(&inner, 1, &item);
	encode_bytes(&item, 7, "\xfa\xfb\xfc\xfd", 4);
	encode_nested(&inner, 1, &item);
	encode_fixed64(&item, 4, UINT64_C(0x3fb999999999999a));
	encode_nested(&inner, 1, &item);
	encode_fixed64(&item, 4, UINT64_C(0x7ff8000000000000));
	encode_nested(&inner, 1, &item);
	encode_pair_text(&item, 1, "k", "v");
	encode_pair_text(&item, 1, "bad \xff key", "w");
	encode_nested(&any, 6, &item);
	encode_nested(&inner, 1, &any);
	encode_nested(&any, 5, &inner);
	encode_pair(&span, 9, "list", &any);
	encode_nested(&any, 6, &inner);
	encode_pair(&span, 9, "empty map", &any);
	got = decoded_span(&batch);
	assert_int_equal(attr_of(batch, got->attr_first, 0, "list")->type, WEIR_ATTR_JSON);
	assert_text(batch, attr_of(batch, got->attr_first, 0, "list")->value.text,
		"[\"say \\\"hi\\\"\\u000a\xc3\xa9\",-5,false,null,\"+vv8/Q==\",0.1,\"NaN\","
		"{\"k\":\"v\",\"bad \xef\xbf\xbd key\":\"w\"}]");
	assert_text(batch, attr_of(batch, got->attr_first, 1, "empty map")->value.text, "{}");
	assert_int_equal(batch->replaced_utf8, 1);
	weir_buf_fini(&item);
}

static void repeated_values_are_merged(void **state)
{
	const struct weir_batch *batch;
	const struct weir_span *got;
	struct weir_buf item;

	(void)state;
	weir_buf_init(&item, 0);
	/* [1] and then [2]: joined. A string between: what was before is gone. */
	encode_text(&inner, 1, "joined");
	for (uint64_t i = 1; i <= 2; i++) {
		encode_number(&item, 3, i);
		encode_nested(&any, 1, &item);
		encode_nested(&item, 5, &any);
		encode_nested(&inner, 2, &item);
	}
	encode_nested(&span, 9, &inner);
	encode_text(&inner, 1, "last");
	encode_number(&item, 3, 1);
	encode_nested(&any, 1, &item);
	encode_nested(&item, 5, &any);
	encode_text(&item, 1, "text");
	encode_nested(&inner, 2, &item);
	encode_nested(&span, 9, &inner);
	got = decoded_span(&batch);
	assert_text(batch, attr_of(batch, got->attr_first, 0, "joined")->value.text, "[1,2]");
	assert_text(batch, attr_of(batch, got->attr_first, 1, "last")->value.text, "text");
	weir_buf_fini(&item);
}

/* An attribute of `depth` nested AnyValues, the innermost an int. */
static void nested_attribute(unsigned depth)
{
	struct weir_buf list;

	weir_buf_init(&list, 0);
	encode_number(&any, 3, 1);
	for (unsigned i = 1; i < depth; i++) {
		encode_nested(&list, 1, &any);
		encode_nested(&any, 5, &list);
	}
	encode_pair(&span, 9, "deep", &any);
	weir_buf_clear(&body);
	encode_request(&body, "shop", &span);
	weir_buf_fini(&list);
}

static void nesting_to_the_bound_decodes(void **state)
{
	(void)state;
	nested_attribute(WEIR_WIRE_DEPTH);
	assert_int_equal(decoded()->spans.count, 1);
}

static void nesting_beyond_the_bound_is_malformed(void **state)
{
	(void)state;
	nested_attribute(WEIR_WIRE_DEPTH + 1);
	malformed_is_expected();
	weir_buf_clear(&span);
	nested_attribute(5000);
	malformed_is_expected();
}

static void events_and_links_own_their_attributes(void **state)
{
	const struct weir_batch *batch;
	const struct weir_event *events;
	const struct weir_link *links;
	const struct weir_span *got;

	(void)state;
	/* The first event stands before the span's attributes. */
	encode_fixed64(&inner, 1, 1500);
	encode_text(&inner, 2, "exception");
	encode_pair_text(&inner, 3, "exception.type", "IOError");
	encode_number(&inner, 4, 9);
	encode_nested(&span, 11, &inner);
	encode_pair_text(&span, 9, "one", "1");
	encode_bytes(&inner, 1, "0123456789abcdef", 16);
	encode_bytes(&inner, 2, "01234567", 8);
	encode_text(&inner, 3, "c=d");
	encode_pair_text(&inner, 4, "linked", "yes");
	encode_number(&inner, 5, 8);
	encode_fixed32(&inner, 6, 1);
	encode_nested(&span, 13, &inner);
	encode_bytes(&inner, 1, "short", 5);
	encode_pair_text(&inner, 4, "gone", "yes");
	encode_nested(&span, 13, &inner);
	encode_text(&inner, 2, "second");
	encode_nested(&span, 11, &inner);
	encode_pair_text(&span, 9, "two", "2");
	got = decoded_span(&batch);
	assert_int_equal(got->attr_count, 2);
	attr_of(batch, got->attr_first, 0, "one");
	attr_of(batch, got->attr_first, 1, "two");
	assert_int_equal(got->event_count, 2);
	events = &weir_batch_events(batch)[got->event_first];
	assert_int_equal(events[0].time_ns, 1500);
	assert_int_equal(events[0].dropped_attrs, 9);
	assert_text(batch, events[0].name, "exception");
	assert_int_equal(events[0].attr_count, 1);
	attr_of(batch, events[0].attr_first, 0, "exception.type");
	assert_text(batch, events[1].name, "second");
	assert_int_equal(events[1].attr_count, 0);
	assert_int_equal(got->link_count, 1);
	assert_int_equal(got->dropped_links, 1);
	links = &weir_batch_links(batch)[got->link_first];
	assert_memory_equal(links->trace_id, "0123456789abcdef", 16);
	assert_memory_equal(links->span_id, "01234567", 8);
	assert_text(batch, links->trace_state, "c=d");
	assert_int_equal(links->dropped_attrs, 8);
	assert_int_equal(links->flags, 1);
	attr_of(batch, links->attr_first, 0, "linked");
}

static void invalid_ids_drop_the_span_and_its_rows(void **state)
{
	static const uint8_t zeros[16];
	const struct weir_batch *batch;
	struct weir_buf group, scoped;

	(void)state;
	weir_buf_init(&group, 0);
	weir_buf_init(&scoped, 0);
	encode_nested(&scoped, 2, &span); /* a good one */
	encode_bytes(&span, 1, zeros, 16);
	encode_bytes(&span, 2, "01234567", 8);
	encode_pair_text(&span, 9, "gone", "yes");
	encode_text(&inner, 2, "gone");
	encode_nested(&span, 11, &inner);
	encode_nested(&scoped, 2, &span);
	encode_span_ids(&span, 1, 2, 0);
	encode_bytes(&span, 2, "short", 5);
	encode_nested(&scoped, 2, &span);
	encode_span_ids(&span, 1, 2, 0);
	encode_bytes(&span, 4, "short", 5);
	encode_nested(&scoped, 2, &span);
	encode_text(&span, 5, "no ids at all");
	encode_nested(&scoped, 2, &span);
	encode_nested(&group, 2, &scoped);
	encode_nested(&body, 1, &group);
	batch = decoded();
	assert_int_equal(batch->offered, 5);
	assert_int_equal(batch->kept, 1);
	assert_int_equal(batch->dropped[WEIR_DROP_INVALID], 4);
	assert_int_equal(batch->attrs.count, 0);
	assert_int_equal(batch->events.count, 0);
	weir_buf_fini(&group);
	weir_buf_fini(&scoped);
}

static void batch_of_dropped_spans_has_no_rows(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	encode_bytes(&span, 1, "short", 5);
	encode_request(&body, "shop", &span);
	batch = decoded();
	assert_int_equal(batch->offered, 1);
	assert_int_equal(batch->kept, 0);
	assert_int_equal(batch->resources.count + batch->attrs.count, 0);
}

static void odd_times_are_told(void **state)
{
	const struct weir_batch *batch;
	const struct weir_span *got;

	(void)state;
	encode_fixed64(&span, 7, 0);
	assert_int_equal(decoded_span(&batch)->flags, WEIR_SPAN_NO_START | WEIR_SPAN_NO_DURATION);
	encode_span_ids(&span, 1, 2, 0);
	encode_fixed64(&span, 8, 0);
	assert_int_equal(decoded_span(&batch)->flags, WEIR_SPAN_NO_DURATION);
	encode_span_ids(&span, 1, 2, 0);
	encode_fixed64(&span, 8, 900); /* before its start */
	got = decoded_span(&batch);
	assert_int_equal(got->flags, 0);
	assert_int_equal(got->duration_ns, 0);
}

static void service_has_a_name_always(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	encode_request(&body, NULL, &span);
	encode_span_ids(&span, 1, 2, 0);
	encode_request(&body, "", &span);
	encode_span_ids(&span, 1, 2, 0);
	encode_request(&body, "shop", &span);
	batch = decoded();
	assert_int_equal(batch->resources.count, 3);
	assert_text(batch, weir_batch_resources(batch)[0].service, "unknown_service");
	assert_text(batch, weir_batch_resources(batch)[1].service, "unknown_service");
	assert_text(batch, weir_batch_resources(batch)[2].service, "shop");
}

static void resource_behind_its_spans_counts_too(void **state)
{
	const struct weir_batch *batch;
	const struct weir_resource *resources;
	struct weir_buf group, scoped;

	(void)state;
	weir_buf_init(&group, 0);
	weir_buf_init(&scoped, 0);
	encode_nested(&scoped, 2, &span);
	encode_text(&inner, 1, "lib");
	encode_text(&inner, 2, "1.2");
	encode_nested(&scoped, 1, &inner);
	encode_nested(&group, 2, &scoped);
	encode_span_ids(&span, 1, 3, 0);
	encode_nested(&scoped, 2, &span);
	encode_nested(&group, 2, &scoped);
	encode_pair_text(&inner, 1, "service.name", "late");
	encode_pair_text(&inner, 1, "host.name", "h");
	encode_nested(&group, 1, &inner);
	encode_nested(&body, 1, &group);
	batch = decoded();
	resources = weir_batch_resources(batch);
	assert_int_equal(batch->resources.count, 2);
	assert_text(batch, resources[0].service, "late");
	assert_text(batch, resources[0].scope_name, "lib");
	assert_text(batch, resources[0].scope_version, "1.2");
	assert_text(batch, resources[1].service, "late");
	assert_int_equal(resources[1].scope_name.length, 0);
	assert_int_equal(resources[0].attr_count, 2);
	assert_int_equal(resources[1].attr_first, resources[0].attr_first);
	assert_int_equal(weir_batch_spans(batch)[1].resource, 1);
	weir_buf_fini(&group);
	weir_buf_fini(&scoped);
}

/* A ResourceSpans with the old field 1000 and, when asked, field 2 beside it. */
static void old_request(bool has_both)
{
	struct weir_buf group, scoped;

	weir_buf_init(&group, 0);
	weir_buf_init(&scoped, 0);
	encode_text(&span, 5, "old");
	encode_nested(&scoped, 2, &span);
	encode_nested(&group, 1000, &scoped);
	if (has_both) {
		encode_span_ids(&span, 1, 2, 0);
		encode_text(&span, 5, "new");
		encode_nested(&scoped, 2, &span);
		encode_nested(&group, 2, &scoped);
	}
	encode_nested(&body, 1, &group);
	weir_buf_fini(&group);
	weir_buf_fini(&scoped);
}

static void old_senders_are_read_only_where_nothing_newer_is(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	old_request(false);
	batch = decoded();
	assert_int_equal(batch->spans.count, 1);
	assert_text(batch, weir_batch_spans(batch)->name, "old");
	weir_buf_clear(&body);
	encode_span_ids(&span, 1, 2, 0);
	old_request(true);
	batch = decoded();
	assert_int_equal(batch->spans.count, 1);
	assert_text(batch, weir_batch_spans(batch)->name, "new");
}

static void best_name_wins_the_peer_whatever_the_order(void **state)
{
	static const char *const keys[] = { "http.host", "net.peer.name", "server.address", "messaging.destination",
		"messaging.destination.name", "db.name", "db.namespace", "peer.service", "service.peer.name" };

	(void)state;
	encode_number(&span, 6, 3);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		struct weir_buf so_far;

		encode_pair_text(&span, 9, keys[i], keys[i]);
		weir_buf_init(&so_far, 0);
		weir_buf_add(&so_far, span.data, span.length);
		assert_peer(keys[i]);
		weir_buf_add(&span, so_far.data, so_far.length);
		weir_buf_fini(&so_far);
	}
	/* A worse one behind changes nothing; nor do empty and numeric ones. */
	encode_pair_text(&span, 9, "http.host", "worse");
	encode_pair_text(&span, 9, "service.peer.name", "");
	encode_pair_number(&span, 9, "service.peer.name", 5);
	assert_peer("service.peer.name");
}

static void only_callers_name_a_peer(void **state)
{
	static const struct {
		uint64_t kind;
		const char *peer;
	} cases[] = { { 0, "" }, { 1, "" }, { 2, "" }, { 3, "cart" }, { 4, "cart" }, { 5, "" }, { 77, "" } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		weir_buf_clear(&span);
		encode_span_ids(&span, 1, 2, 0);
		encode_pair_text(&span, 9, "peer.service", "cart");
		encode_number(&span, 6, cases[i].kind);
		assert_peer(cases[i].peer);
	}
}

static void http_host_loses_its_port(void **state)
{

	(void)state;
	encode_number(&span, 6, 3);
	encode_pair_text(&span, 9, "http.host", "cart:8080");
	assert_peer("cart");
}

static void peer_address_is_an_ip_with_its_own_port(void **state)
{
	static const uint8_t mapped[16] = { [10] = 0xff, [11] = 0xff, [12] = 10, [13] = 1, [14] = 2, [15] = 3 };
	const struct weir_batch *batch;
	const struct weir_span *got;

	(void)state;
	encode_number(&span, 6, 3);
	encode_pair_text(&span, 9, "server.address", "cart.example");
	encode_pair_number(&span, 9, "server.port", 443);
	encode_pair_number(&span, 9, "network.peer.port", 8443);
	encode_pair_text(&span, 9, "network.peer.address", "10.1.2.3");
	got = decoded_span(&batch);
	assert_memory_equal(got->peer_address.ip, mapped, 16);
	assert_int_equal(got->peer_address.port, 8443);
	assert_text(batch, got->peer, "cart.example");
	/* A server's own address is not its peer's. */
	encode_span_ids(&span, 1, 2, 0);
	encode_number(&span, 6, 2);
	encode_pair_text(&span, 9, "server.address", "10.1.2.3");
	got = decoded_span(&batch);
	assert_int_equal(got->peer_address.ip[15], 0);
	encode_span_ids(&span, 1, 2, 0);
	encode_number(&span, 6, 2);
	encode_pair_text(&span, 9, "peer.address", "10.1.2.3");
	assert_memory_equal(decoded_span(&batch)->peer_address.ip, mapped, 16);
}

static void error_tag_of_a_proxy_is_an_error(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	encode_pair_text(&span, 9, "error", "false");
	assert_int_equal(decoded_span(&batch)->flags, 0);
	encode_span_ids(&span, 1, 2, 0);
	encode_pair_text(&span, 9, "error", "true");
	assert_int_equal(decoded_span(&batch)->flags, WEIR_SPAN_ERROR);
	encode_span_ids(&span, 1, 2, 0);
	encode_number(&any, 2, 1);
	encode_pair(&span, 9, "error", &any);
	assert_int_equal(decoded_span(&batch)->flags, WEIR_SPAN_ERROR);
}

static void invalid_utf8_is_replaced_and_counted(void **state)
{
	const struct weir_batch *batch;
	const struct weir_span *got;

	(void)state;
	encode_text(&span, 5, "GET \xff");
	encode_pair_text(&span, 9, "k\xfe", "v\xfd");
	encode_pair_text(&span, 9, "fine", "caf\xc3\xa9");
	got = decoded_span(&batch);
	assert_text(batch, got->name, "GET \xef\xbf\xbd");
	assert_text(batch, attr_of(batch, got->attr_first, 0, "k\xef\xbf\xbd")->value.text, "v\xef\xbf\xbd");
	assert_text(batch, attr_of(batch, got->attr_first, 1, "fine")->value.text, "caf\xc3\xa9");
	assert_int_equal(batch->replaced_utf8, 3);
}

static void wrong_wire_types_are_unknown_fields(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	encode_number(&span, 5, 1);
	encode_text(&span, 6, "kind");
	encode_fixed32(&span, 7, 1);
	encode_number(&span, 99, 1);
	assert_int_equal(decoded_span(&batch)->start_ns, 1000);
	assert_int_equal(weir_batch_spans(batch)->kind, 0);
}

static void cut_anywhere_is_malformed(void **state)
{
	(void)state;
	encode_pair_text(&span, 9, "key", "value");
	encode_number(&any, 3, 300);
	encode_nested(&inner, 1, &any);
	encode_nested(&any, 5, &inner);
	encode_pair(&span, 9, "list", &any);
	encode_text(&inner, 2, "event");
	encode_nested(&span, 11, &inner);
	encode_request(&body, "shop", &span);
	for (size_t length = 1; length < body.length; length++) {
		char *copy = malloc(length);

		assert_non_null(copy);
		memcpy(copy, body.data, length);
		weir_arena_reset(&arena);
		weir_draft_init(&draft, &arena, weir_str_make(copy, length));
		assert_int_equal(weir_otlp_trace_decode(&draft), WEIR_DECODE_MALFORMED);
		free(copy);
	}
}

static void full_arena_is_too_large(void **state)
{
	struct weir_arena small;

	(void)state;
	for (int i = 0; i < 200; i++) {
		encode_pair_text(&span, 9, "key", "value");
	}
	encode_request(&body, "shop", &span);
	weir_arena_init(&small, 1024, 2048);
	weir_draft_init(&draft, &small, weir_buf_str(&body));
	assert_int_equal(weir_otlp_trace_decode(&draft), WEIR_DECODE_TOO_LARGE);
	weir_arena_fini(&small);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(golden_bodies_decode_to_their_text, setup, teardown),
		cmocka_unit_test_setup_teardown(empty_request_offers_nothing, setup, teardown),
		cmocka_unit_test_setup_teardown(scalar_fields_arrive, setup, teardown),
		cmocka_unit_test_setup_teardown(attributes_keep_their_types, setup, teardown),
		cmocka_unit_test_setup_teardown(long_texts_and_odd_orders_decode_alike, setup, teardown),
		cmocka_unit_test_setup_teardown(arrays_and_maps_become_json, setup, teardown),
		cmocka_unit_test_setup_teardown(repeated_values_are_merged, setup, teardown),
		cmocka_unit_test_setup_teardown(nesting_to_the_bound_decodes, setup, teardown),
		cmocka_unit_test_setup_teardown(nesting_beyond_the_bound_is_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(events_and_links_own_their_attributes, setup, teardown),
		cmocka_unit_test_setup_teardown(invalid_ids_drop_the_span_and_its_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(batch_of_dropped_spans_has_no_rows, setup, teardown),
		cmocka_unit_test_setup_teardown(odd_times_are_told, setup, teardown),
		cmocka_unit_test_setup_teardown(service_has_a_name_always, setup, teardown),
		cmocka_unit_test_setup_teardown(resource_behind_its_spans_counts_too, setup, teardown),
		cmocka_unit_test_setup_teardown(old_senders_are_read_only_where_nothing_newer_is, setup, teardown),
		cmocka_unit_test_setup_teardown(best_name_wins_the_peer_whatever_the_order, setup, teardown),
		cmocka_unit_test_setup_teardown(only_callers_name_a_peer, setup, teardown),
		cmocka_unit_test_setup_teardown(http_host_loses_its_port, setup, teardown),
		cmocka_unit_test_setup_teardown(peer_address_is_an_ip_with_its_own_port, setup, teardown),
		cmocka_unit_test_setup_teardown(error_tag_of_a_proxy_is_an_error, setup, teardown),
		cmocka_unit_test_setup_teardown(invalid_utf8_is_replaced_and_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(wrong_wire_types_are_unknown_fields, setup, teardown),
		cmocka_unit_test_setup_teardown(cut_anywhere_is_malformed, setup, teardown),
		cmocka_unit_test_setup_teardown(full_arena_is_too_large, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
