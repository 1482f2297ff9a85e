/* test_ack: parked answers, in order, once, never lost. */
#include "serve/ack.h"

#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

struct note {
	uint64_t position;
	unsigned order; /* 0: has not run */
};

static unsigned ran;

static void run(void *ctx)
{
	struct note *note = ctx;

	assert_int_equal(note->order, 0);
	note->order = ++ran;
}

static int setup(void **state)
{
	struct weir_ack *ack;

	ran = 0;
	assert_int_equal(weir_ack_create(4, &ack), 0);
	*state = ack;
	return 0;
}

static int teardown(void **state)
{
	weir_ack_destroy(*state);
	return 0;
}

static void stored_position_runs_at_once(void **state)
{
	struct note note = { 0 };

	weir_ack_advance(*state, 10);
	assert_int_equal(weir_ack_park(*state, 10, run, &note), 0);
	assert_int_equal(note.order, 1);
}

static void later_position_waits_for_the_advance(void **state)
{
	struct note note = { 0 };

	assert_int_equal(weir_ack_park(*state, 10, run, &note), 0);
	weir_ack_advance(*state, 9);
	assert_int_equal(note.order, 0);
	weir_ack_advance(*state, 10);
	assert_int_equal(note.order, 1);
	weir_ack_advance(*state, 11);
	assert_int_equal(ran, 1);
}

static void completions_run_in_order_of_position(void **state)
{
	static const uint64_t positions[4] = { 30, 10, 40, 20 };
	struct note notes[4] = { { 0 } };

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(weir_ack_park(*state, positions[i], run, &notes[i]), 0);
	}
	weir_ack_advance(*state, 35);
	assert_int_equal(notes[1].order, 1);
	assert_int_equal(notes[3].order, 2);
	assert_int_equal(notes[0].order, 3);
	assert_int_equal(notes[2].order, 0);
	weir_ack_advance(*state, 40);
	assert_int_equal(notes[2].order, 4);
}

static void full_ack_refuses_until_something_ran(void **state)
{
	struct note notes[6] = { { 0 } };

	for (size_t i = 0; i < 4; i++) {
		assert_int_equal(weir_ack_park(*state, 10 + i, run, &notes[i]), 0);
	}
	assert_int_equal(weir_ack_park(*state, 5, run, &notes[4]), WEIR_ACK_FULL);
	assert_int_equal(notes[4].order, 0);
	weir_ack_advance(*state, 10);
	assert_int_equal(weir_ack_park(*state, 50, run, &notes[5]), 0);
	weir_ack_advance(*state, 50);
	assert_int_equal(ran, 5);
}

static void forgotten_completion_never_runs(void **state)
{
	struct note notes[3] = { { 0 } };

	for (size_t i = 0; i < 3; i++) {
		assert_int_equal(weir_ack_park(*state, 10 + i, run, &notes[i]), 0);
	}
	assert_true(weir_ack_forget(*state, &notes[0]));
	assert_false(weir_ack_forget(*state, &notes[0]));
	weir_ack_advance(*state, 100);
	assert_int_equal(notes[0].order, 0);
	assert_int_equal(notes[1].order, 1);
	assert_int_equal(notes[2].order, 2);
	assert_false(weir_ack_forget(*state, &notes[2]));
}

static void position_that_goes_back_changes_nothing(void **state)
{
	struct note note = { 0 };

	weir_ack_advance(*state, 10);
	weir_ack_advance(*state, 5);
	assert_int_equal(weir_ack_park(*state, 8, run, &note), 0);
	assert_int_equal(note.order, 1);
}

#define THREADS 4u
#define PARKS 20000u

struct crowd {
	struct weir_ack *ack;
	atomic_uint_fast64_t next;
	atomic_uint completed, refused, forgotten;
};

static void complete(void *ctx)
{
	atomic_fetch_add(&((struct crowd *)ctx)->completed, 1);
}

static void *park_many(void *ctx)
{
	struct crowd *crowd = ctx;

	for (unsigned i = 0; i < PARKS; i++) {
		uint64_t position = atomic_fetch_add(&crowd->next, 1);

		if (weir_ack_park(crowd->ack, position, complete, crowd) == WEIR_ACK_FULL) {
			atomic_fetch_add(&crowd->refused, 1);
		} else if (i % 16 == 0 && weir_ack_forget(crowd->ack, crowd)) {
			atomic_fetch_add(&crowd->forgotten, 1); /* anybody's: all have the same context */
		}
	}
	return NULL;
}

static void each_park_of_many_threads_ends_in_one_way(void **state)
{
	struct crowd crowd = { .next = 1 };
	pthread_t threads[THREADS];

	(void)state;
	assert_int_equal(weir_ack_create(64, &crowd.ack), 0);
	for (unsigned i = 0; i < THREADS; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, park_many, &crowd), 0);
	}
	while (atomic_load(&crowd.next) <= THREADS * PARKS / 2) {
		weir_ack_advance(crowd.ack, atomic_load(&crowd.next) - 1);
	}
	for (unsigned i = 0; i < THREADS; i++) {
		pthread_join(threads[i], NULL);
	}
	weir_ack_advance(crowd.ack, UINT64_MAX);
	assert_int_equal(atomic_load(&crowd.completed) + atomic_load(&crowd.refused) + atomic_load(&crowd.forgotten),
		THREADS * PARKS);
	weir_ack_destroy(crowd.ack);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(stored_position_runs_at_once, setup, teardown),
		cmocka_unit_test_setup_teardown(later_position_waits_for_the_advance, setup, teardown),
		cmocka_unit_test_setup_teardown(completions_run_in_order_of_position, setup, teardown),
		cmocka_unit_test_setup_teardown(full_ack_refuses_until_something_ran, setup, teardown),
		cmocka_unit_test_setup_teardown(forgotten_completion_never_runs, setup, teardown),
		cmocka_unit_test_setup_teardown(position_that_goes_back_changes_nothing, setup, teardown),
		cmocka_unit_test(each_park_of_many_threads_ends_in_one_way),
	};

	return cmocka_run_group_tests_name("ack", tests, NULL, NULL);
}
