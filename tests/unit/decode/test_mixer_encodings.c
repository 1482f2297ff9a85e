/* mixer: its two encodings, its dictionaries, and what can be wrong with them; and the quotas of a Check. */
#include "mixer_sheet.h"

#include "decode/mixer/check.h"

/* ---- encodings ---------------------------------------------------------- */

static void delta_bag_is_what_changed(void **state)
{
	static const char *const first[] = { "a", "1", "b", "2", NULL };
	static const char *const second[] = { "a", "3", NULL };
	struct fixture *f = *state;

	say(f, "context.protocol", "http");
	say(f, "request.path", "/one");
	number(f, WEIR_WORDS_INT, "response.code", 404);
	map(f, "request.headers", first);
	end_bag(f);
	say(f, "request.path", "/two");
	map(f, "request.headers", second);
	end_bag(f);
	end_bag(f);
	assert_int_equal(decode(f, DELTA), 0);
	same(f, request(f, 0)->path, "/one");
	assert_int_equal(request(f, 0)->attr_count, 2);
	same(f, request(f, 1)->path, "/two");
	assert_int_equal(request(f, 1)->response_code, 404);
	/* A map is replaced as a whole. */
	assert_int_equal(request(f, 1)->attr_count, 1);
	same(f, request_attr(f, 1, "request.headers.a")->value.text, "3");
	/* An empty one is another request like the last. */
	same(f, request(f, 2)->path, "/two");
	same(f, request_attr(f, 2, "request.headers.a")->value.text, "3");
}

static void independent_bag_knows_nothing_of_the_last(void **state)
{
	struct fixture *f = *state;

	say(f, "context.protocol", "http");
	say(f, "request.path", "/one");
	end_bag(f);
	say(f, "context.protocol", "http");
	end_bag(f);
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	same(f, request(f, 1)->path, "");
	assert_int_equal(f->batch->requests.count, 2);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 1); /* the empty one is no record of anything */
}

static void own_words_replace_the_default_ones(void **state)
{
	struct fixture *f = *state;

	say(f, "context.protocol", "http");
	say(f, "request.path", "/default");
	end_bag(f);
	/* The same index, with a dictionary of the bag's own; then one word too far. */
	for (int i = 0; i < 2; i++) {
		encode_text(&f->bag, 1, "/own");
		say(f, "context.protocol", "http");
		encode_number(&f->entry, 1, word(f, "request.path"));
		encode_number(&f->entry, 2, zigzag(-1 - i));
		encode_nested(&f->bag, WEIR_WORDS_STRING, &f->entry);
		end_bag(f);
	}
	word(f, "a second default word");
	assert_int_equal(decode(f, INDEPENDENT), 0);
	same(f, request(f, 0)->path, "/default");
	same(f, request(f, 1)->path, "/own");
	assert_int_equal(f->batch->requests.count, 2);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 1);
}

static void words_may_come_behind_what_needs_them(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		say(f, "context.protocol", "http");
		encode_number(&f->entry, 1, word(f, "request.path"));
		encode_number(&f->entry, 2, zigzag(-1));
		encode_nested(&f->bag, WEIR_WORDS_STRING, &f->entry);
		encode_text(&f->bag, 1, i == 0 ? "/late" : "/later");
		end_bag(f);
	}
	assert_int_equal(decode(f, DELTA), 0);
	same(f, request(f, 0)->path, "/late");
	same(f, request(f, 1)->path, "/later");
}

/* ---- what is wrong ------------------------------------------------------ */

static void index_beyond_its_dictionary_drops_that_bag_alone(void **state)
{
	static const int32_t beyond[] = { 222, -2, INT32_MAX, INT32_MIN };
	struct fixture *f = *state;

	for (size_t i = 0; i < 8; i++) {
		bool is_name = i < 4;

		say(f, "context.protocol", "http");
		encode_number(&f->entry, is_name ? 1 : 2, zigzag(beyond[i % 4]));
		encode_number(&f->entry, is_name ? 2 : 1, word(f, "request.path"));
		encode_nested(&f->bag, WEIR_WORDS_STRING, &f->entry);
		end_bag(f);
	}
	say(f, "context.protocol", "http");
	say(f, "request.path", "/good");
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(f->batch->offered, 9);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 8);
	assert_int_equal(f->batch->kept, 1);
	same(f, request(f, 0)->path, "/good");
}

static void attribute_of_two_types_drops_that_bag_alone(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 2; i++) {
		const char *name = i == 0 ? "response.code" : "my.own";

		say(f, "context.protocol", "http");
		say(f, name, "200");
		number(f, WEIR_WORDS_INT, name, 200);
		end_bag(f);
	}
	say(f, "context.protocol", "http");
	say(f, "response.code", "404"); /* of a type that it never has: as if it were not there */
	end_bag(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 2);
	assert_int_equal(f->batch->kept, 1);
	assert_int_equal(request(f, 0)->response_code, 200);
}

static void delta_goes_on_behind_an_invalid_bag(void **state)
{
	struct fixture *f = *state;

	say(f, "context.protocol", "http");
	say(f, "request.path", "/one");
	say(f, "request.host", "one");
	end_bag(f);
	say(f, "request.host", "two");
	encode_number(&f->entry, 1, word(f, "request.path"));
	encode_number(&f->entry, 2, zigzag(999));
	encode_nested(&f->bag, WEIR_WORDS_STRING, &f->entry);
	end_bag(f);
	number(f, WEIR_WORDS_INT, "response.code", 500);
	end_bag(f);
	assert_int_equal(decode(f, DELTA), 0);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 1);
	assert_int_equal(f->batch->kept, 2);
	same(f, request(f, 1)->authority, "two");
	same(f, request(f, 1)->path, ""); /* it changed, to what nobody knows */
	assert_int_equal(request(f, 1)->response_code, 500);
}

static void unknown_encoding_drops_every_bag(void **state)
{
	struct fixture *f = *state;

	inbound(f);
	inbound(f);
	assert_int_equal(decode(f, 2), 0);
	assert_int_equal(f->batch->offered, 2);
	assert_int_equal(f->batch->kept, 0);
	assert_int_equal(f->batch->dropped[WEIR_DROP_INVALID], 2);
}

static void more_global_words_than_there_are_is_told_so_that_a_proxy_falls_back(void **state)
{
	static const char prefix[] = "Request could not be processed due to invalid";
	struct fixture *f = *state;

	inbound(f);
	encode_number(&f->body, 3, 222);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	encode_number(&f->body, 3, 223);
	assert_int_equal(decode(f, INDEPENDENT), WEIR_DECODE_MALFORMED);
	assert_memory_equal(f->draft.error, prefix, sizeof(prefix) - 1);
}

static void cut_message_is_malformed_as_a_whole(void **state)
{
	struct fixture *f = *state;
	struct weir_str whole;
	size_t malformed = 0;

	inbound(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	whole = weir_buf_str(&f->body);
	for (size_t length = 1; length < whole.length; length++) {
		weir_arena_reset(&f->arena);
		weir_draft_init(&f->draft, &f->arena, weir_str_make(whole.data, length));
		malformed += weir_report_decode(&f->draft, &f->reporter) == WEIR_DECODE_MALFORMED;
	}
	assert_true(malformed > whole.length / 2); /* the rest ends between two fields */
}

static void full_arena_is_too_large(void **state)
{
	struct fixture *f = *state;

	inbound(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	for (size_t limit = 64; limit < 40000; limit += 512) {
		struct weir_arena arena;
		struct weir_draft draft;
		int r;

		weir_arena_init(&arena, limit, limit);
		weir_draft_init(&draft, &arena, weir_buf_str(&f->body));
		r = weir_report_decode(&draft, &f->reporter);
		assert_true(r == WEIR_DECODE_TOO_LARGE || r == 0);
		assert_true(r == WEIR_DECODE_TOO_LARGE || limit > 20000);
		weir_arena_fini(&arena);
	}
}

static void claims_are_compared_with_the_certificate(void **state)
{
	struct fixture *f = *state;

	inbound(f);
	assert_int_equal(decode(f, INDEPENDENT), 0);
	assert_int_equal(f->batch->mismatched, 0);
	for (int i = 0; i < 3; i++) {
		weir_arena_reset(&f->arena);
		weir_draft_init(&f->draft, &f->arena, weir_buf_str(&f->body));
		f->draft.peer_namespace = weir_str_of(i == 1 ? "other" : "default");
		f->draft.peer_account = weir_str_of(i == 2 ? "other" : "ratings");
		assert_int_equal(weir_report_decode(&f->draft, &f->reporter), 0);
		assert_int_equal(f->draft.mismatched, i == 0 ? 0 : 1);
	}
}

/* ---- checks ----------------------------------------------------------- */

static void quotas_of_a_check_are_read(void **state)
{
	struct fixture *f = *state;
	struct weir_check_quota quota;
	struct weir_wire wire;

	encode_number(&f->inner, 1, 5);
	encode_text(&f->entry, 1, "rate");
	encode_nested(&f->entry, 2, &f->inner);
	encode_nested(&f->body, 4, &f->entry);
	encode_number(&f->body, 2, 999);
	wire = weir_wire_of(weir_buf_str(&f->body));
	assert_true(weir_check_next(&wire, &quota));
	assert_true(weir_str_is(quota.name, "rate"));
	assert_int_equal(quota.amount, 5);
	assert_false(weir_check_next(&wire, &quota));
	assert_false(wire.is_malformed);
	wire = weir_wire_of(weir_str_make(f->body.data, f->body.length - 1));
	assert_true(weir_check_next(&wire, &quota));
	assert_false(weir_check_next(&wire, &quota));
	assert_true(wire.is_malformed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(delta_bag_is_what_changed),
		TEST(independent_bag_knows_nothing_of_the_last),
		TEST(own_words_replace_the_default_ones),
		TEST(words_may_come_behind_what_needs_them),
		TEST(index_beyond_its_dictionary_drops_that_bag_alone),
		TEST(attribute_of_two_types_drops_that_bag_alone),
		TEST(delta_goes_on_behind_an_invalid_bag),
		TEST(unknown_encoding_drops_every_bag),
		TEST(more_global_words_than_there_are_is_told_so_that_a_proxy_falls_back),
		TEST(cut_message_is_malformed_as_a_whole),
		TEST(full_arena_is_too_large),
		TEST(claims_are_compared_with_the_certificate),
		TEST(quotas_of_a_check_are_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
