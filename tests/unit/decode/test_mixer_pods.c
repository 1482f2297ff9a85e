/* Mixer's reports with a workload table: what is told wins, then the table, then the uid's own spelling. */
#include "tests/unit/decode/mixer_sheet.h"
#include "tests/unit/decode/pods_sheet.h"

#define AT (UINT64_C(1700000000) * 1000000000u) /* of the sheet's request */

static const struct sheet_pod pods[] = {
	{ "reviews-v2-7bf8c5d9b6-t54nr", "default", "the-reviews", "rev", "9", "red", 5, "reviews", 0, 0, false },
	{ "ratings-v1-6c9d7c9b6d-k9w2z", "default", "the-ratings", "rat", "8", "blue", 6, NULL, 0, 0, false },
	{ "past-0", "shop", "past", "past", "1", NULL, 9, NULL, AT - 100, AT - 10, false },
	{ "front-0", "shop", "front", "front", "1", NULL, 9, NULL, AT, AT + 100, false },
};

static const struct weir_attr *label(const struct fixture *f, uint32_t row, const char *key)
{
	return attr(f, workload(f, row)->attr_first, workload(f, row)->attr_count, key);
}

static void uids_are_looked_up(void **state)
{
	struct fixture *f = *state;
	struct sheet sheet;
	const struct weir_call *call;

	sheet_init(&sheet, "east", pods, 4, "team");
	f->pods = sheet.reader;
	inbound(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	call = &request(f, 0)->call;
	same(f, workload(f, call->source)->name, "the-reviews");
	same(f, workload(f, call->source)->app, "rev");
	same(f, workload(f, call->source)->version, "9");
	same(f, workload(f, call->source)->canonical_service, "rev");
	same(f, workload(f, call->source)->canonical_revision, "9");
	same(f, workload(f, call->source)->namespace_, "default");
	same(f, workload(f, call->source)->cluster, "east");
	same(f, workload(f, call->source)->pod, "reviews-v2-7bf8c5d9b6-t54nr");
	same(f, workload(f, call->source)->node_id, REVIEWS);
	same(f, workload(f, call->destination)->name, "the-ratings");
	same(f, label(f, call->source, "team")->value.text, "red");
	same(f, label(f, call->destination, "team")->value.text, "blue");
	assert_int_equal(workload(f, call->source)->attr_count, 1);
	assert_null(request_attr(f, 0, "team")); /* its attributes are its own */
	assert_non_null(request_attr(f, 0, "request.headers.x-forwarded-proto"));
	sheet_fini(&sheet);
}

static void labels_that_nobody_wants_are_not_kept(void **state)
{
	struct fixture *f = *state;
	struct sheet sheet;

	sheet_init(&sheet, "", pods, 4, NULL);
	f->pods = sheet.reader;
	inbound(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(workload(f, request(f, 0)->call.source)->attr_count, 0);
	assert_int_equal(workload(f, request(f, 0)->call.source)->cluster.length, 0);
	sheet_fini(&sheet);
}

static void what_is_told_wins_over_the_table(void **state)
{
	static const char *const labels[] = { "app", "told-app", "team", "told-team", NULL };
	struct fixture *f = *state;
	struct sheet sheet;
	const struct weir_workload *source;

	sheet_init(&sheet, "", pods, 4, "team");
	f->pods = sheet.reader;
	say(f, "context.protocol", "http");
	say(f, "source.uid", REVIEWS);
	say(f, "source.workload.name", "told");
	map(f, "source.labels", labels);
	number(f, WEIR_WORDS_INT, "response.code", 200);
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	source = workload(f, request(f, 0)->call.source);
	same(f, source->name, "told");
	same(f, source->app, "told-app");
	same(f, source->canonical_service, "told-app");
	same(f, source->namespace_, "default"); /* which was not told */
	same(f, source->version, "9");
	assert_int_equal(source->attr_count, 1);
	same(f, label(f, request(f, 0)->call.source, "team")->value.text, "told-team");
	sheet_fini(&sheet);
}

static void told_labels_are_kept_without_a_table(void **state)
{
	static const char *const labels[] = { "app", "a", "team", "told-team", "colour", "x", NULL };
	struct fixture *f = *state;
	struct sheet sheet;

	sheet_init(&sheet, "", NULL, 0, "team");
	f->pods = sheet.reader;
	say(f, "context.protocol", "http");
	say(f, "source.uid", REVIEWS);
	map(f, "source.labels", labels);
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(workload(f, request(f, 0)->call.source)->attr_count, 1);
	same(f, label(f, request(f, 0)->call.source, "team")->value.text, "told-team");
	sheet_fini(&sheet);
}

static void who_is_not_in_the_table_is_spelled(void **state)
{
	struct fixture *f = *state;
	struct sheet sheet;

	sheet_init(&sheet, "", pods + 2, 2, NULL);
	f->pods = sheet.reader;
	inbound(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	same(f, workload(f, request(f, 0)->call.source)->name, "reviews-v2");
	same(f, workload(f, request(f, 0)->call.source)->app, "reviews");
	sheet_fini(&sheet);
}

static void from_address(struct fixture *f, uint64_t seconds, uint64_t nanos, const char *principal)
{
	static const uint8_t ip[4] = { 10, 0, 0, 9 };

	say(f, "context.protocol", "http");
	bytes(f, "source.ip", ip, sizeof(ip));
	if (principal != NULL) {
		say(f, "source.principal", principal);
	}
	when(f, WEIR_WORDS_TIME, "request.time", seconds, nanos);
	number(f, WEIR_WORDS_INT, "response.code", 200);
	end_bag(f);
}

static void an_address_without_a_uid_is_looked_up_at_the_record_s_time(void **state)
{
	struct fixture *f = *state;
	struct sheet sheet;

	sheet_init(&sheet, "", pods, 4, NULL);
	f->pods = sheet.reader;
	from_address(f, 1700000000, 5, NULL);
	from_address(f, 1699999999, 999999950, NULL); /* the same address, 50 ns before */
	from_address(f, 1699999999, 999999995, NULL); /* when it was nobody's */
	from_address(f, 1700000000, 6, NULL);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	same(f, workload(f, request(f, 0)->call.source)->name, "front");
	same(f, workload(f, request(f, 1)->call.source)->name, "past");
	assert_int_equal(request(f, 2)->call.source, WEIR_NONE);
	assert_int_equal(request(f, 3)->call.source, request(f, 0)->call.source);
	sheet_fini(&sheet);
}

static void a_principal_contradicts_an_address_and_names_whom_nobody_names(void **state)
{
	struct fixture *f = *state;
	struct sheet sheet;

	sheet_init(&sheet, "", pods, 4, NULL);
	f->pods = sheet.reader;
	from_address(f, 1700000000, 5, "cluster.local/ns/shop/sa/front");
	from_address(f, 1700000000, 5, "cluster.local/ns/elsewhere/sa/thief");
	from_address(f, 1700000000, 5, "cluster.local/ns//sa/x"); /* none */
	assert_int_equal(decode(f, INDEPENDENT), 0);
	same(f, workload(f, request(f, 0)->call.source)->name, "front");
	same(f, workload(f, request(f, 1)->call.source)->name, "thief");
	same(f, workload(f, request(f, 1)->call.source)->namespace_, "elsewhere");
	same(f, workload(f, request(f, 2)->call.source)->name, "front");
	sheet_fini(&sheet);
}

static void probes_are_told_by_path_too(void **state)
{
	struct fixture *f = *state;

	say(f, "context.protocol", "grpc");
	say(f, "request.path", "/grpc.health.v1.Health/Check");
	end_bag(f);
	say(f, "context.protocol", "http");
	say(f, "request.path", "/healthz");
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(request(f, 0)->call.is_probe, 1);
	assert_int_equal(request(f, 1)->call.is_probe, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(uids_are_looked_up),
		TEST(labels_that_nobody_wants_are_not_kept),
		TEST(what_is_told_wins_over_the_table),
		TEST(told_labels_are_kept_without_a_table),
		TEST(who_is_not_in_the_table_is_spelled),
		TEST(an_address_without_a_uid_is_looked_up_at_the_record_s_time),
		TEST(a_principal_contradicts_an_address_and_names_whom_nobody_names),
		TEST(probes_are_told_by_path_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
