/* Asks: each once, bounded, and at rest for five seconds behind the answer; the clock is the test's. */
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/stat.h"
#include "identity/asks.h"

#define SECOND UINT64_C(1000000000)

static void count(void *ctx)
{
	++*(unsigned *)ctx;
}

static struct weir_asks *asks_make(unsigned *woken)
{
	struct weir_asks *asks;

	*woken = 0;
	assert_int_equal(weir_asks_create(count, woken, &asks), 0);
	return asks;
}

static void put(struct weir_asks *asks, const char *pod)
{
	weir_asks_put_name(asks, weir_str_of(pod), weir_str_of("shop"));
}

static void an_ask_is_made_once_until_it_is_answered(void **state)
{
	unsigned woken;
	struct weir_asks *asks = asks_make(&woken);
	struct weir_ask ask, none;

	(void)state;
	put(asks, "back-0");
	put(asks, "back-0");
	assert_int_equal(woken, 1);
	assert_true(weir_asks_take(asks, 0, &ask));
	assert_true(weir_str_is(ask.pod, "back-0") && weir_str_is(ask.namespace_, "shop") && !ask.is_address);
	put(asks, "back-0"); /* it is being looked for */
	assert_int_equal(woken, 1);
	assert_false(weir_asks_take(asks, 0, &none));
	weir_asks_destroy(asks);
}

static void what_was_answered_rests_for_five_seconds(void **state)
{
	unsigned woken;
	struct weir_asks *asks = asks_make(&woken);
	struct weir_ask ask;

	(void)state;
	put(asks, "ghost");
	assert_true(weir_asks_take(asks, 10 * SECOND, &ask));
	weir_asks_answer(asks, &ask, 10 * SECOND);
	put(asks, "ghost");
	assert_false(weir_asks_take(asks, 15 * SECOND - 1, &ask));
	put(asks, "ghost");
	assert_int_equal(woken, 1);
	assert_false(weir_asks_take(asks, 15 * SECOND, &ask)); /* its rest ends here */
	put(asks, "ghost");
	assert_int_equal(woken, 2);
	assert_true(weir_asks_take(asks, 15 * SECOND, &ask));
	weir_asks_destroy(asks);
}

static void who_rested_enough_makes_room_also_while_others_ask(void **state)
{
	enum { MANY = 400 };
	unsigned woken;
	struct weir_asks *asks = asks_make(&woken);
	struct weir_ask ask;
	char name[16];
	unsigned made, answered = 0;

	(void)state;
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "first-%u", i);
		put(asks, name);
	}
	made = woken;
	while (answered < made - 1 && weir_asks_take(asks, 0, &ask)) { /* one goes on asking */
		weir_asks_answer(asks, &ask, 0);
		answered++;
	}
	assert_int_equal(answered, made - 1);
	assert_true(weir_asks_take(asks, WEIR_ASKS_REST_NS, &ask));
	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "first-%u", i);
		put(asks, name);
	}
	assert_int_equal(woken, made + made - 1);
	weir_asks_destroy(asks);
}

static void addresses_are_asked_for_but_those_that_no_pod_has(void **state)
{
	static const uint8_t nobody[][16] = {
		{ 0 },
		{ [15] = 1 },
		{ [10] = 0xff, 0xff },
		{ [10] = 0xff, 0xff, 127, 0, 0, 6 },
		{ [10] = 0xff, 0xff, 169, 254, 7, 127 },
		{ [10] = 0xff, 0xff, 224, 0, 0, 1 },
		{ 0xfe, 0x80, [15] = 1 },
		{ 0xff, 2, [15] = 1 },
	};
	static const uint8_t ip[16] = { [10] = 0xff, 0xff, 10, 0, 0, 5 }, ip6[16] = { 0xfd, [15] = 5 };
	unsigned woken;
	struct weir_asks *asks = asks_make(&woken);
	struct weir_ask ask;

	(void)state;
	for (size_t i = 0; i < sizeof(nobody) / sizeof(nobody[0]); i++) {
		weir_asks_put_address(asks, nobody[i]);
	}
	weir_asks_put_address(NULL, ip);
	assert_int_equal(woken, 0);
	weir_asks_put_address(asks, ip);
	assert_true(weir_asks_take(asks, 0, &ask));
	assert_true(ask.is_address);
	assert_memory_equal(ask.ip, ip, 16);
	weir_asks_put_address(asks, ip6);
	assert_true(weir_asks_take(asks, 0, &ask));
	assert_memory_equal(ask.ip, ip6, 16);
	weir_asks_destroy(asks);
}

static void names_that_no_pod_has_are_not_asked_for(void **state)
{
	static char longest[WEIR_ASKS_POD_MAX + 2];
	const char *const bad[] = { "", "A", "a/b", "a?b", "a b", "a%2f", "-a", "..", longest };
	unsigned woken;
	struct weir_asks *asks = asks_make(&woken);

	(void)state;
	memset(longest, 'a', sizeof(longest) - 1);
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		put(asks, bad[i]);
	}
	weir_asks_put_name(asks, weir_str_of("good"), weir_str_of("../x"));
	weir_asks_put_name(NULL, weir_str_of("good"), weir_str_of("shop"));
	assert_int_equal(woken, 0);
	put(asks, longest + 1);
	assert_int_equal(woken, 1);
	weir_asks_destroy(asks);
}

static void more_than_there_is_room_for_is_dropped_and_counted(void **state)
{
	uint64_t before = weir_stat_get(WEIR_STAT_WORKLOAD_ASK_DROPPED);
	unsigned woken, taken = 0;
	struct weir_asks *asks = asks_make(&woken);
	struct weir_ask ask;
	char name[16];

	(void)state;
	for (unsigned i = 0; i < 2 * WEIR_ASKS_SLOTS; i++) {
		snprintf(name, sizeof(name), "pod-%u", i);
		put(asks, name);
	}
	assert_true(woken <= WEIR_ASKS_SLOTS && woken > WEIR_ASKS_SLOTS / 2);
	assert_int_equal(weir_stat_get(WEIR_STAT_WORKLOAD_ASK_DROPPED) - before, 2 * WEIR_ASKS_SLOTS - woken);
	while (weir_asks_take(asks, 0, &ask)) {
		weir_asks_answer(asks, &ask, 0);
		taken++;
	}
	assert_int_equal(taken, woken);
	weir_asks_destroy(asks);
}

#define THREADS 4u
#define EACH 20000u

static void *ask_much(void *ctx)
{
	char name[16];

	for (unsigned i = 0; i < EACH; i++) {
		snprintf(name, sizeof(name), "pod-%u", i % 700);
		put(ctx, name);
	}
	return NULL;
}

static void many_may_ask_while_one_answers(void **state)
{
	struct weir_asks *asks;
	pthread_t threads[THREADS];
	struct weir_ask ask;
	unsigned taken = 0;

	(void)state;
	assert_int_equal(weir_asks_create(NULL, NULL, &asks), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, ask_much, asks), 0);
	}
	for (uint64_t now = 0; taken < 2000; now += WEIR_ASKS_REST_NS) {
		unsigned before = taken;

		while (weir_asks_take(asks, now, &ask)) {
			unsigned number;

			assert_true(weir_str_is(ask.namespace_, "shop") && ask.pod.length <= 7);
			assert_int_equal(sscanf(ask.pod.data, "pod-%u", &number), 1);
			weir_asks_answer(asks, &ask, now);
			taken++;
		}
		if (taken == before) {
			ask_much(asks); /* the others may be done */
		}
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	weir_asks_destroy(asks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_ask_is_made_once_until_it_is_answered),
		cmocka_unit_test(what_was_answered_rests_for_five_seconds),
		cmocka_unit_test(who_rested_enough_makes_room_also_while_others_ask),
		cmocka_unit_test(addresses_are_asked_for_but_those_that_no_pod_has),
		cmocka_unit_test(names_that_no_pod_has_are_not_asked_for),
		cmocka_unit_test(more_than_there_is_room_for_is_dropped_and_counted),
		cmocka_unit_test(many_may_ask_while_one_answers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
