/* Tests of Mixer's receiver: what is answered to a Report and to a Check, what is in the ring, what is counted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "mixer/v1/mixer.pb-c.h"

#include "../decode/encode.h"
#include "base/stat.h"
#include "request.h"

static struct bench bench;
static struct weir_mixer *mixer;
static struct weir_grpc_method methods[WEIR_MIXER_METHODS];
static struct weir_buf body;

/* One bag of one attribute: response.code, which every proxy knows as word 30. */
static void bag_add(uint64_t code)
{
	struct weir_buf entry, bag;

	weir_buf_init(&entry, 0);
	weir_buf_init(&bag, 0);
	encode_number(&entry, 1, 30 << 1);
	encode_number(&entry, 2, code);
	encode_nested(&bag, 3, &entry);
	encode_number(&entry, 1, 197 << 1); /* context.reporter.uid */
	encode_number(&entry, 2, 1);        /* the first default word */
	encode_nested(&bag, 2, &entry);
	encode_nested(&body, 1, &bag);
	weir_buf_fini(&entry);
	weir_buf_fini(&bag);
}

static int setup(void **state)
{
	(void)state;
	bench_open(&bench, 1 << 20);
	assert_int_equal(weir_mixer_create(&bench.opts, &mixer), 0);
	weir_mixer_grpc(mixer, methods);
	weir_buf_init(&body, 0);
	bag_add(200);
	bag_add(503);
	encode_text(&body, 2, "kubernetes://a-1.shop");
	encode_number(&body, 4, 1);
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	weir_mixer_destroy(mixer);
	bench_close(&bench);
	weir_buf_fini(&body);
	return 0;
}

/* Reports, checks the code and gives the answer without its body. */
static struct weir_grpc_answer reported(enum weir_grpc_code code)
{
	struct weir_grpc_answer answer = call(&methods[0], weir_buf_str(&body));

	assert_int_equal(answer.code, code);
	assert_int_equal(answer.body.length, 0); /* ReportResponse is empty */
	weir_buf_fini(&answer.body);
	return answer;
}

static void answered_report_is_in_the_ring(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	assert_string_equal(methods[0].path, "/istio.mixer.v1.Mixer/Report");
	reported(WEIR_GRPC_OK);
	batch = bench_next(&bench);
	assert_non_null(batch);
	assert_int_equal(batch->protocol, WEIR_PROTOCOL_MIXER);
	assert_int_equal(batch->signal, WEIR_SIGNAL_MIXER);
	assert_int_equal(batch->offered, 2);
	assert_int_equal(batch->kept, 2);
	assert_true(weir_str_is(weir_batch_str(batch, batch->source), "a-1.shop"));
	assert_int_equal(weir_batch_requests(batch)[1].response_code, 503);
	assert_null(bench_next(&bench));
}

/* No proxy sends a Report again, and the same thing may well happen twice. */
static void equal_reports_are_two(void **state)
{
	static const uint8_t none[16];

	(void)state;
	for (int i = 0; i < 2; i++) {
		const struct weir_batch *batch;

		reported(WEIR_GRPC_OK);
		batch = bench_next(&bench);
		assert_non_null(batch);
		assert_memory_equal(batch->digest, none, sizeof(none));
	}
}

static void answer_waits_for_the_store_when_it_is_to(void **state)
{
	struct weir_mixer *waiting;

	(void)state;
	assert_int_equal(reported(WEIR_GRPC_OK).park_position, 0);
	bench.opts.parks = true;
	assert_int_equal(weir_mixer_create(&bench.opts, &waiting), 0);
	weir_mixer_grpc(waiting, methods);
	assert_true(reported(WEIR_GRPC_OK).park_position > 0);
	weir_mixer_destroy(waiting);
}

static void nameless_proxy_is_its_address(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	weir_buf_clear(&body);
	encode_text(&body, 1, ""); /* an empty bag: dropped, and still a header */
	reported(WEIR_GRPC_OK);
	batch = bench_next(&bench);
	assert_non_null(batch);
	assert_int_equal(batch->offered, 1);
	assert_int_equal(batch->dropped[WEIR_DROP_INVALID], 1);
	assert_true(weir_str_is(weir_batch_str(batch, batch->source), "10.0.0.9"));
}

static void empty_report_is_ok_and_puts_nothing(void **state)
{
	(void)state;
	weir_buf_clear(&body);
	reported(WEIR_GRPC_OK);
	assert_null(bench_next(&bench));
}

static void malformed_report_leaves_no_trace_but_a_count(void **state)
{
	uint64_t refused = weir_stat_refused_get(WEIR_SIGNAL_MIXER, WEIR_REFUSAL_MALFORMED);
	uint64_t malformed = weir_stat_get(WEIR_STAT_MALFORMED_PROTOBUF);

	(void)state;
	body.length--;
	assert_non_null(reported(WEIR_GRPC_INVALID_ARGUMENT).message);
	assert_null(bench_next(&bench));
	assert_int_equal(weir_stat_refused_get(WEIR_SIGNAL_MIXER, WEIR_REFUSAL_MALFORMED), refused + 1);
	assert_int_equal(weir_stat_get(WEIR_STAT_MALFORMED_PROTOBUF), malformed + 1);
}

static void newer_dictionary_is_refused_in_words_that_a_proxy_looks_for(void **state)
{
	static const char prefix[] = "Request could not be processed due to invalid";

	(void)state;
	encode_number(&body, 3, 223);
	assert_memory_equal(reported(WEIR_GRPC_INVALID_ARGUMENT).message, prefix, sizeof(prefix) - 1);
	assert_null(bench_next(&bench));
	encode_number(&body, 3, 111); /* what it then says */
	reported(WEIR_GRPC_OK);
}

static void too_large_report_is_refused(void **state)
{
	uint64_t refused = weir_stat_refused_get(WEIR_SIGNAL_MIXER, WEIR_REFUSAL_TOO_LARGE);
	struct weir_mixer *small;

	(void)state;
	bench.opts.max_message_bytes = body.length - 1;
	assert_int_equal(weir_mixer_create(&bench.opts, &small), 0);
	weir_mixer_grpc(small, methods);
	assert_int_equal(reported(WEIR_GRPC_RESOURCE_EXHAUSTED).retry_delay_ms, 0);
	methods[0].refused(small, WEIR_ROUTE_TOO_LARGE); /* by serve itself */
	assert_int_equal(weir_stat_refused_get(WEIR_SIGNAL_MIXER, WEIR_REFUSAL_TOO_LARGE), refused + 2);
	weir_mixer_destroy(small);
}

static void full_ring_refuses_and_says_when_to_come_again(void **state)
{
	uint64_t refused = weir_stat_refused_get(WEIR_SIGNAL_MIXER, WEIR_REFUSAL_RING_FULL);
	struct weir_grpc_answer answer;
	unsigned puts = 0;

	(void)state;
	do {
		answer = call(&methods[0], weir_buf_str(&body));
		weir_buf_fini(&answer.body);
		puts++;
	} while (answer.code == WEIR_GRPC_OK && puts < 100000);
	assert_int_equal(answer.code, WEIR_GRPC_RESOURCE_EXHAUSTED);
	assert_int_equal(answer.retry_delay_ms, 1000);
	assert_int_equal(weir_stat_refused_get(WEIR_SIGNAL_MIXER, WEIR_REFUSAL_RING_FULL), refused + 2);
	while (bench_next(&bench) != NULL) {
		puts--;
	}
	assert_int_equal(puts, 1); /* what was answered OK is there */
}

static void failing_storage_takes_the_numbers_alone(void **state)
{
	const struct weir_batch *batch;

	(void)state;
	bench.is_failing = true;
	reported(WEIR_GRPC_OK);
	batch = bench_next(&bench);
	assert_non_null(batch);
	assert_int_equal(batch->kept, 0);
	assert_int_equal(batch->thinned[WEIR_THIN_STORAGE], 2);
	assert_int_equal(batch->requests.count, 2);
	assert_int_equal(batch->attrs.count, 0);
	assert_int_equal(weir_batch_requests(batch)[1].response_code, 503);
	assert_true(weir_str_is(weir_batch_str(batch, weir_batch_requests(batch)[0].call.proxy), "a-1.shop"));
}

static void another_sender_than_the_certificate_is_refused_when_asked_for(void **state)
{
	uint64_t refused = weir_stat_refused_get(WEIR_SIGNAL_MIXER, WEIR_REFUSAL_IDENTITY);
	struct weir_grpc_peer peer = { .address = weir_str_of("ipv4:10.0.0.9:4242"),
		.identity = weir_str_of("spiffe://cluster.local/ns/other/sa/a") };
	struct weir_mixer *strict;

	(void)state;
	for (int i = 0; i < 2; i++) {
		struct weir_grpc_answer answer = { .code = WEIR_GRPC_OK };

		bench.opts.rejects_identity = i == 1;
		assert_int_equal(weir_mixer_create(&bench.opts, &strict), 0);
		weir_mixer_grpc(strict, methods);
		weir_buf_init(&answer.body, 0);
		methods[0].unary(strict, &peer, weir_buf_str(&body), &answer);
		assert_int_equal(answer.code, i == 0 ? WEIR_GRPC_OK : WEIR_GRPC_PERMISSION_DENIED);
		weir_buf_fini(&answer.body);
		weir_mixer_destroy(strict);
	}
	assert_int_equal(bench_next(&bench)->mismatched, 2);
	assert_null(bench_next(&bench));
	assert_int_equal(weir_stat_refused_get(WEIR_SIGNAL_MIXER, WEIR_REFUSAL_IDENTITY), refused + 2);
}

/* ---- Check ---------------------------------------------------------------- */

static Istio__Mixer__V1__CheckResponse *checked(void)
{
	struct weir_grpc_answer answer = call(&methods[1], weir_buf_str(&body));
	Istio__Mixer__V1__CheckResponse *response;

	assert_int_equal(answer.code, WEIR_GRPC_OK);
	response = istio__mixer__v1__check_response__unpack(NULL, answer.body.length, (uint8_t *)answer.body.data);
	assert_non_null(response);
	weir_buf_fini(&answer.body);
	return response;
}

static void check_lets_pass_and_may_be_remembered(void **state)
{
	uint64_t before = weir_stat_get(WEIR_STAT_MIXER_CHECKS);
	Istio__Mixer__V1__CheckResponse *response;

	(void)state;
	assert_string_equal(methods[1].path, "/istio.mixer.v1.Mixer/Check");
	weir_buf_clear(&body);
	encode_number(&body, 2, 9999); /* words that nobody knows: an error would deny the request */
	response = checked();
	assert_non_null(response->precondition);
	assert_non_null(response->precondition->status);
	assert_int_equal(response->precondition->status->code, 0);
	assert_int_equal(response->precondition->valid_duration->seconds, 60);
	assert_int_equal(response->precondition->valid_use_count, 10000);
	assert_non_null(response->precondition->referenced_attributes);
	assert_int_equal(response->precondition->referenced_attributes->n_attribute_matches, 0);
	assert_null(response->precondition->route_directive);
	assert_int_equal(response->n_quotas, 0);
	istio__mixer__v1__check_response__free_unpacked(response, NULL);
	assert_int_equal(weir_stat_get(WEIR_STAT_MIXER_CHECKS), before + 1);
	assert_null(bench_next(&bench)); /* a check is no item */
}

static void every_quota_is_granted_in_full(void **state)
{
	Istio__Mixer__V1__CheckResponse *response;
	struct weir_buf quota, params;

	(void)state;
	weir_buf_init(&quota, 0);
	weir_buf_init(&params, 0);
	weir_buf_clear(&body);
	for (int i = 0; i < 6; i++) {
		char name[8] = "quota-0";

		name[6] = (char)('0' + i);
		encode_text(&quota, 1, name);
		encode_number(&params, 1, (uint64_t)i * 100);
		encode_nested(&quota, 2, &params);
		encode_nested(&body, 4, &quota);
	}
	response = checked();
	assert_int_equal(response->n_quotas, 6);
	for (size_t i = 0; i < 6; i++) {
		const Istio__Mixer__V1__CheckResponse__QuotasEntry *entry = response->quotas[i];

		assert_int_equal(entry->key[6], '0' + (int)i);
		assert_int_equal(entry->value->granted_amount, i * 100);
		assert_int_equal(entry->value->valid_duration->seconds, 60);
		assert_non_null(entry->value->referenced_attributes);
		assert_int_equal(entry->value->status->code, 0);
	}
	istio__mixer__v1__check_response__free_unpacked(response, NULL);
	weir_buf_fini(&quota);
	weir_buf_fini(&params);
}

static void malformed_check_is_an_invalid_argument(void **state)
{
	uint64_t malformed = weir_stat_get(WEIR_STAT_MALFORMED_PROTOBUF);
	uint64_t before = weir_stat_get(WEIR_STAT_MIXER_CHECKS);
	struct weir_grpc_answer answer = call(&methods[1], weir_str_of("\x22\x05"));

	(void)state;
	assert_int_equal(answer.code, WEIR_GRPC_INVALID_ARGUMENT);
	assert_non_null(answer.message);
	weir_buf_fini(&answer.body);
	assert_int_equal(weir_stat_get(WEIR_STAT_MALFORMED_PROTOBUF), malformed + 1);
	assert_int_equal(weir_stat_get(WEIR_STAT_MIXER_CHECKS), before);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(answered_report_is_in_the_ring),
		TEST(equal_reports_are_two),
		TEST(answer_waits_for_the_store_when_it_is_to),
		TEST(nameless_proxy_is_its_address),
		TEST(empty_report_is_ok_and_puts_nothing),
		TEST(malformed_report_leaves_no_trace_but_a_count),
		TEST(newer_dictionary_is_refused_in_words_that_a_proxy_looks_for),
		TEST(too_large_report_is_refused),
		TEST(full_ring_refuses_and_says_when_to_come_again),
		TEST(failing_storage_takes_the_numbers_alone),
		TEST(another_sender_than_the_certificate_is_refused_when_asked_for),
		TEST(check_lets_pass_and_may_be_remembered),
		TEST(every_quota_is_granted_in_full),
		TEST(malformed_check_is_an_invalid_argument),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
