/* test_memo: a call is known by all that its labels are made of, and by nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

#include "aggregate/bounds.h"
#include "aggregate/memo.h"
#include "support/batch_maker.h"

enum {
	NOTHING,
	SOURCE,
	DESTINATION,
	HOST,
	NAME,
	NAMESPACE,
	FROM,
	TO,
	REPORTER,
	PROTOCOL,
	SECURITY,
	FLAGS,
	LONG,
	LABEL,
	LABEL_KEY,
	NO_LABEL,
	CHANGES
};

/* One call, with one thing changed. */
static const struct weir_batch *call_make(struct batch_maker *maker, unsigned change)
{
	struct weir_request *request;
	struct weir_workload *workload;
	struct weir_attr *label;
	struct weir_call *call;
	char text[200];

	batch_maker_begin(maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, "s", 1);
	batch_maker_workload(maker, change == SOURCE ? "x" : "a", "default", "v1");
	batch_maker_workload(maker, "b", change == DESTINATION ? "x" : "default", "v1");
	label = batch_maker_attr(maker);
	label->key = batch_maker_text(maker, change == LABEL_KEY ? "x" : "team");
	label->value.text = batch_maker_text(maker, change == LABEL ? "x" : "red");
	workload = (struct weir_workload *)(void *)maker->workloads.data;
	workload->attr_count = change != NO_LABEL;
	request = batch_maker_request(maker);
	call = &request->call;
	call->source = 0;
	call->destination = 1;
	call->service_host = batch_maker_text(maker, change == HOST ? "x" : "host");
	call->service_name = batch_maker_text(maker, change == NAME ? "x" : "name");
	call->service_namespace = batch_maker_text(maker, change == NAMESPACE ? "x" : "namespace");
	call->source_principal = batch_maker_text(maker, change == FROM ? "x" : "");
	call->destination_principal = batch_maker_text(maker, change == TO ? "x" : "");
	call->reporter = change == REPORTER;
	call->protocol = change == PROTOCOL;
	call->security = change == SECURITY;
	call->response_flags = change == FLAGS ? 4 : 0;
	if (change == LONG) {
		snprintf(text, sizeof(text), "%0150d", 7);
		call->service_host = batch_maker_text(maker, text);
	}
	return batch_maker_finish(maker);
}

static struct weir_memo_entry *find(
	struct weir_memo *memo, const struct weir_batch *batch, uint32_t code, int32_t status)
{
	struct weir_request request = weir_batch_requests(batch)[0];
	const struct weir_rules_record record = { .batch = batch, .call = &request.call, .request = &request };

	/* More codes than there are, so that there may be more keys. */
	const struct weir_ruleset_key beyond = { code >> 16, 0 };

	request.response_code = (uint16_t)code;
	request.grpc_status = status;
	weir_memo_batch(memo, batch);
	return weir_memo_find(memo, weir_memo_key(memo, &record, beyond));
}

static void everything_that_labels_are_made_of_tells_calls_apart(void **state)
{
	struct batch_maker maker = { 0 };
	struct weir_memo memo;

	(void)state;
	weir_memo_init(&memo, 1000, 1);
	for (unsigned round = 0; round < 2; round++) {
		for (unsigned change = 0; change < CHANGES; change++) {
			struct weir_memo_entry *entry = find(&memo, call_make(&maker, change), 200, -1);

			assert_int_equal(entry->edge, round == 0 ? WEIR_NONE : change);
			entry->edge = change;
		}
	}
	assert_int_equal(find(&memo, call_make(&maker, NOTHING), 404, -1)->edge, WEIR_NONE);
	assert_int_equal(find(&memo, call_make(&maker, NOTHING), 200, 0)->edge, WEIR_NONE);
	weir_memo_clear(&memo);
	assert_int_equal(find(&memo, call_make(&maker, NOTHING), 200, -1)->edge, WEIR_NONE);
	weir_memo_fini(&memo);
	batch_maker_fini(&maker);
}

static void a_pod_does_not_make_a_call_another_one(void **state)
{
	struct batch_maker maker = { 0 };
	struct weir_memo memo;
	struct weir_workload *workload;

	(void)state;
	weir_memo_init(&memo, 1000, 1);
	find(&memo, call_make(&maker, NOTHING), 200, -1)->edge = 5;
	call_make(&maker, NOTHING);
	workload = (struct weir_workload *)((char *)maker.made + maker.made->workloads.offset);
	workload->pod = workload->node_id = workload->name;
	assert_int_equal(find(&memo, maker.made, 200, -1)->edge, 5);
	weir_memo_fini(&memo);
	batch_maker_fini(&maker);
}

static void it_stays_bounded_whatever_comes(void **state)
{
	struct batch_maker maker = { 0 };
	struct weir_memo memo;
	const struct weir_batch *batch = call_make(&maker, NOTHING);

	(void)state;
	weir_memo_init(&memo, 1000, 1);
	for (uint32_t i = 0; i < 300000; i++) {
		find(&memo, batch, i, -1)->edge = i;
		assert_int_equal(find(&memo, batch, i, -1)->edge, i);
	}
	assert_true(memo.capacity <= 131072);
	assert_true(memo.count <= memo.capacity / 2);
	weir_memo_fini(&memo);
	batch_maker_fini(&maker);
}

/* Rules may lead each entry to many places, and what is beyond a budget is found again and again. */
static void places_and_readings_stay_bounded_too(void **state)
{
	struct weir_reading readings[WEIR_GROUP_METRICS_MAX] = { 0 };
	const struct weir_series_hit hit = { 1, UINT32_MAX };
	struct batch_maker maker = { 0 };
	struct weir_memo memo;
	const struct weir_batch *batch = call_make(&maker, NOTHING);
	uint64_t at;

	(void)state;
	weir_memo_init(&memo, 1000, 1);
	for (uint32_t i = 0; i < 100000; i++) {
		struct weir_memo_entry *entry = find(&memo, batch, i % 7, -1);

		weir_memo_hits_forget(entry);
		for (unsigned k = 0; k < 8; k++) {
			readings[k].constant = i / 2; /* some share theirs */
			weir_memo_hit_add(&memo, entry, hit, readings);
			at = memo.readings[memo.hits[memo.hit_count - 1].readings + k].constant;
			assert_int_equal(at, i / 2);
		}
		assert_int_equal(entry->hit_count, 8);
		assert_true(entry->hits + 8 <= memo.hit_count);
	}
	assert_true(memo.hit_capacity <= WEIR_BOUNDS_MEMO_HITS);
	assert_true(memo.reading_capacity <= 2 * WEIR_BOUNDS_MEMO_READINGS);
	weir_memo_fini(&memo);
	batch_maker_fini(&maker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(everything_that_labels_are_made_of_tells_calls_apart),
		cmocka_unit_test(a_pod_does_not_make_a_call_another_one),
		cmocka_unit_test(it_stays_bounded_whatever_comes),
		cmocka_unit_test(places_and_readings_stay_bounded_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
