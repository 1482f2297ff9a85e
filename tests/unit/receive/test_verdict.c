/* test_verdict: what each outcome is called, in gRPC and in HTTP. */
#include "receive/verdict.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>

#include <cmocka.h>

static const struct weir_verdict_words words = {
	.source = "too often", .too_large = "too much", .identity = "not you"
};

static void every_outcome_has_its_codes_and_a_sentence(void **state)
{
	static const struct {
		enum weir_offer_outcome outcome;
		enum weir_grpc_code code;
		unsigned http_status, retry_s;
		const char *message;
	} sheet[] = {
		{ WEIR_OFFER_FULL, WEIR_GRPC_RESOURCE_EXHAUSTED, 429, 1, "the ring is full" },
		{ WEIR_OFFER_SOURCE, WEIR_GRPC_RESOURCE_EXHAUSTED, 429, 3, "too often" },
		{ WEIR_OFFER_STORAGE, WEIR_GRPC_RESOURCE_EXHAUSTED, 503, 5, "the storage is failing" },
		{ WEIR_OFFER_TOO_LARGE, WEIR_GRPC_RESOURCE_EXHAUSTED, 413, 0, "too much" },
		{ WEIR_OFFER_STOPPING, WEIR_GRPC_UNAVAILABLE, 503, 1, "weir is stopping" },
		{ WEIR_OFFER_IDENTITY, WEIR_GRPC_PERMISSION_DENIED, 403, 0, "not you" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(sheet) / sizeof(sheet[0]); i++) {
		struct weir_verdict verdict = weir_verdict_of(sheet[i].outcome, &words, 77);

		assert_int_equal(verdict.code, sheet[i].code);
		assert_int_equal(verdict.http_status, sheet[i].http_status);
		assert_int_equal(verdict.retry_s, sheet[i].retry_s);
		assert_string_equal(verdict.message, sheet[i].message);
		assert_int_equal(verdict.park_position, 0); /* a refusal is said at once */
	}
}

static void what_was_taken_may_wait_for_its_place_on_disk(void **state)
{
	struct weir_verdict verdict = weir_verdict_of(WEIR_OFFER_TAKEN, &words, 77);
	struct weir_grpc_answer answer = { 0 };

	(void)state;
	assert_int_equal(verdict.http_status, 200);
	assert_null(verdict.message);
	weir_verdict_grpc(&verdict, &answer);
	assert_int_equal(answer.code, WEIR_GRPC_OK);
	assert_int_equal(answer.park_position, 77);
}

static void grpc_is_told_when_to_come_again(void **state)
{
	struct weir_verdict full = weir_verdict_of(WEIR_OFFER_FULL, &words, 0);
	struct weir_verdict stopping = weir_verdict_of(WEIR_OFFER_STOPPING, &words, 0);
	struct weir_verdict malformed = weir_verdict_malformed("no list");
	struct weir_grpc_answer answer = { 0 };

	(void)state;
	weir_verdict_grpc(&stopping, &answer);
	assert_int_equal(answer.code, WEIR_GRPC_UNAVAILABLE);
	assert_int_equal(answer.retry_delay_ms, 0); /* somewhere else */
	weir_verdict_grpc(&malformed, &answer);
	assert_int_equal(answer.code, WEIR_GRPC_INVALID_ARGUMENT);
	assert_string_equal(answer.message, "no list");
	assert_int_equal(answer.retry_delay_ms, 0);
	weir_verdict_grpc(&full, &answer);
	assert_int_equal(answer.retry_delay_ms, 1000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_outcome_has_its_codes_and_a_sentence),
		cmocka_unit_test(what_was_taken_may_wait_for_its_place_on_disk),
		cmocka_unit_test(grpc_is_told_when_to_come_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
