/* thin: what stays of an access log when its detail is cut, and that packing alone changes nothing that is said. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "decode/envoy/als.h"
#include "decode/envoy/thin.h"
#include "tests/unit/decode/envoy_encode.h"

#define SIDECAR "sidecar~10.0.0.5~details-v1-0ae45e8bec-cjht9.default~default.svc.cluster.local"
#define ENTRIES 20u

struct fixture {
	struct weir_buf message;
	struct weir_arena arena;
	struct weir_envoy_sender sender;
};

static void add_entry(struct weir_buf *logs, unsigned i)
{
	struct weir_buf entry = { 0 }, part = { 0 };
	char text[64];

	encode_text(&part, 15, i % 2 ? "outbound|9080||reviews.default.svc.cluster.local" : "inbound|9080||");
	encode_text(&part, 19, "default");
	encode_map_text(&part, 22, "tag", i % 3 ? "one" : "two");
	encode_number(&part, 29, 100 + i);
	encode_number(&part, 30, 200 + i);
	encode_nested(&entry, 1, &part);
	encode_text(&part, 3, "reviews:9080");
	snprintf(text, sizeof(text), "/reviews/%u?with=a+long+query", i);
	encode_text(&part, 5, text);
	encode_text(&part, 6, "curl/8.0");
	snprintf(text, sizeof(text), "id-%u", i);
	encode_text(&part, 9, text);
	encode_map_text(&part, 13, "x-b3-traceid", "0af7651916cd43dd8448eb211c80319c");
	encode_map_text(&part, 13, "x-other", i % 3 ? "a" : "b");
	encode_nested(&entry, 3, &part);
	encode_text(&part, 6, "via_upstream");
	encode_nested(&entry, 4, &part);
	encode_nested(logs, 1, &entry);
	weir_buf_fini(&entry);
	weir_buf_fini(&part);
}

static int setup(void **state)
{
	struct fixture *f = calloc(1, sizeof(*f));
	struct weir_buf logs = { 0 }, node = { 0 }, part = { 0 };

	encode_text(&part, 1, SIDECAR);
	encode_nested(&node, 1, &part);
	encode_nested(&f->message, 1, &node);
	for (unsigned i = 0; i < ENTRIES; i++) {
		add_entry(&logs, i);
	}
	encode_nested(&f->message, 2, &logs);
	encode_text(&part, 15, "outbound|3306||mysql.default.svc.cluster.local");
	encode_text(&part, 26, "stream-1");
	encode_nested(&node, 1, &part);
	encode_nested(&logs, 1, &node);
	encode_nested(&f->message, 3, &logs);
	weir_buf_fini(&logs);
	weir_buf_fini(&node);
	weir_buf_fini(&part);
	weir_arena_init(&f->arena, 1 << 16, 1 << 22);
	weir_envoy_sender_init(&f->sender);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	weir_buf_fini(&f->message);
	weir_envoy_sender_fini(&f->sender);
	weir_arena_fini(&f->arena);
	free(f);
	return 0;
}

static const struct weir_batch *make(struct fixture *f, void (*change)(struct weir_draft *draft))
{
	const struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_ALS_V3, .signal = WEIR_SIGNAL_ACCESS_LOG };
	const struct weir_batch *batch;
	struct weir_draft draft;

	weir_draft_init(&draft, &f->arena, weir_buf_str(&f->message));
	assert_int_equal(weir_als_decode(&draft, &f->sender), 0);
	if (change) {
		change(&draft);
	}
	batch = weir_draft_finish(&draft, &head);
	assert_non_null(batch);
	assert_true(weir_batch_is_sound(batch, batch->size_bytes));
	return batch;
}

static void same(const struct weir_batch *a, struct weir_ref in_a, const struct weir_batch *b, struct weir_ref in_b)
{
	assert_true(weir_str_equal(weir_batch_str(a, in_a), weir_batch_str(b, in_b)));
}

static void same_call(const struct weir_batch *a, const struct weir_call *in_a, const struct weir_batch *b,
	const struct weir_call *in_b)
{
	same(a, in_a->proxy, b, in_b->proxy);
	same(a, in_a->service_host, b, in_b->service_host);
	same(a, in_a->service_name, b, in_b->service_name);
	same(a, in_a->service_namespace, b, in_b->service_namespace);
	same(a, in_a->source_principal, b, in_b->source_principal);
	same(a, in_a->destination_principal, b, in_b->destination_principal);
	assert_int_equal(in_a->source, in_b->source);
	assert_int_equal(in_a->destination, in_b->destination);
	assert_true(in_a->proxy.length > 0 && in_a->service_host.length > 0);
}

static void same_workloads(const struct weir_batch *a, const struct weir_batch *b)
{
	assert_int_equal(a->workloads.count, b->workloads.count);
	for (uint32_t i = 0; i < a->workloads.count; i++) {
		const struct weir_workload *one = &weir_batch_workloads(a)[i], *other = &weir_batch_workloads(b)[i];

		same(a, one->name, b, other->name);
		same(a, one->namespace_, b, other->namespace_);
		same(a, one->canonical_service, b, other->canonical_service);
		same(a, one->cluster, b, other->cluster);
		same(a, one->pod, b, other->pod);
		same(a, one->node_id, b, other->node_id);
	}
}

static void packed_draft_says_the_same_in_fewer_bytes(void **state)
{
	struct fixture *f = *state;
	const struct weir_batch *whole = make(f, NULL), *packed = make(f, weir_als_pack);

	assert_true(packed->size_bytes < whole->size_bytes);
	assert_int_equal(packed->requests.count, ENTRIES);
	assert_int_equal(packed->attrs.count, whole->attrs.count);
	assert_int_equal(packed->connections.count, 1);
	same_workloads(whole, packed);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		const struct weir_request *a = &weir_batch_requests(whole)[i], *b = &weir_batch_requests(packed)[i];

		same_call(whole, &a->call, packed, &b->call);
		same(whole, a->authority, packed, b->authority);
		same(whole, a->path, packed, b->path);
		same(whole, a->user_agent, packed, b->user_agent);
		same(whole, a->request_id, packed, b->request_id);
		same(whole, a->route, packed, b->route);
		same(whole, a->upstream_cluster, packed, b->upstream_cluster);
		same(whole, a->code_details, packed, b->code_details);
		same(whole, a->trace_id, packed, b->trace_id);
		for (uint32_t k = 0; k < a->attr_count; k++) {
			const struct weir_attr *one = &weir_batch_attrs(whole)[a->attr_first + k];
			const struct weir_attr *other = &weir_batch_attrs(packed)[b->attr_first + k];

			same(whole, one->key, packed, other->key);
			same(whole, one->value.text, packed, other->value.text);
		}
	}
	same(whole, weir_batch_connections(whole)->stream_id, packed, weir_batch_connections(packed)->stream_id);
	same(whole, weir_batch_connections(whole)->upstream_cluster, packed,
		weir_batch_connections(packed)->upstream_cluster);
}

static void thin_draft_keeps_what_is_counted_and_nothing_else(void **state)
{
	struct fixture *f = *state;
	const struct weir_batch *whole = make(f, NULL), *thin = make(f, weir_als_thin);

	assert_int_equal(thin->requests.count, ENTRIES);
	assert_int_equal(thin->connections.count, 1);
	assert_int_equal(thin->attrs.count, 0);
	same_workloads(whole, thin);
	for (uint32_t i = 0; i < ENTRIES; i++) {
		const struct weir_request *a = &weir_batch_requests(whole)[i], *b = &weir_batch_requests(thin)[i];

		same_call(whole, &a->call, thin, &b->call);
		same(whole, a->request_id, thin, b->request_id);
		same(whole, a->trace_id, thin, b->trace_id);
		assert_int_equal(b->request_bytes, 200 + i);
		assert_int_equal(b->response_bytes, 100 + i);
		assert_int_equal(b->start_ns, a->start_ns);
		assert_int_equal(b->attr_count + b->path.length + b->user_agent.length + b->route.length, 0);
		assert_int_equal(b->authority.length + b->code_details.length + b->upstream_cluster.length, 0);
	}
	same_call(whole, &weir_batch_connections(whole)->call, thin, &weir_batch_connections(thin)->call);
	same(whole, weir_batch_connections(whole)->stream_id, thin, weir_batch_connections(thin)->stream_id);
	assert_int_equal(weir_batch_connections(thin)->upstream_cluster.length, 0);
	/* The rows, and the few texts that differ: nothing of the body. */
	assert_true(thin->size_bytes < sizeof(*thin) + (ENTRIES + 4) * (sizeof(struct weir_request) + 48) +
					       thin->workloads.count * sizeof(struct weir_workload));
}

static void full_arena_leaves_no_half_packed_batch(void **state)
{
	struct fixture *f = *state;
	const struct weir_draft_head head = { .protocol = WEIR_PROTOCOL_ALS_V3, .signal = WEIR_SIGNAL_ACCESS_LOG };
	struct weir_draft_parts parts;
	struct weir_draft draft;

	weir_draft_init(&draft, &f->arena, weir_buf_str(&f->message));
	assert_int_equal(weir_als_decode(&draft, &f->sender), 0);
	while (weir_arena_alloc(&f->arena, 64)) {
	}
	weir_als_pack(&draft);
	assert_true(draft.is_exhausted);
	assert_false(weir_draft_lay(&draft, &head, &parts));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(packed_draft_says_the_same_in_fewer_bytes, setup, teardown),
		cmocka_unit_test_setup_teardown(thin_draft_keeps_what_is_counted_and_nothing_else, setup, teardown),
		cmocka_unit_test_setup_teardown(full_arena_leaves_no_half_packed_batch, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
