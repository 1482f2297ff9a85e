/* test_admit: levels, their hysteresis, shares of sources, streams. */
#include "receive/admit.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/stat.h"
#include "fill.h"
#include "request.h"

#define S UINT64_C(1000000000)
#define MS UINT64_C(1000000)

struct fixture {
	struct bench bench;
	struct weir_admit *admit;
};

static int setup_with(void **state, uint32_t share)
{
	struct fixture *f = calloc(1, sizeof(*f));

	bench_open(&f->bench, 1 << 20);
	assert_int_equal(weir_admit_create(f->bench.ring, share, &f->admit), 0);
	*state = f;
	return 0;
}

static int setup(void **state)
{
	return setup_with(state, 50);
}

static int setup_uncapped(void **state)
{
	return setup_with(state, 100);
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	weir_admit_destroy(f->admit);
	bench_close(&f->bench);
	free(f);
	return 0;
}

static int put(struct fixture *f, const char *source, uint64_t bytes, uint64_t now_ns)
{
	return weir_admit_unary_at(f->admit, weir_str_of(source), bytes, now_ns);
}

/* ---- levels -------------------------------------------------------------------- */

static void level_follows_the_ring(void **state)
{
	static const struct {
		unsigned from;
		enum weir_admit_level level;
	} steps[] = { { 31, WEIR_ADMIT_OPEN }, { 32, WEIR_ADMIT_SHARE }, { 47, WEIR_ADMIT_SHARE },
		{ 48, WEIR_ADMIT_REFUSE }, { 55, WEIR_ADMIT_REFUSE }, { 56, WEIR_ADMIT_THIN },
		{ 61, WEIR_ADMIT_THIN } };
	struct fixture *f = *state;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		fill_up(f->bench.ring, steps[i].from);
		assert_int_equal(weir_admit_level(f->admit), steps[i].level);
		assert_int_equal(weir_stat_get(WEIR_STAT_OVERLOAD_LEVEL), steps[i].level);
	}
}

static void level_is_left_a_sixteenth_below_where_it_begins(void **state)
{
	static const struct {
		unsigned below;
		enum weir_admit_level level;
	} steps[] = { { 53, WEIR_ADMIT_THIN }, { 52, WEIR_ADMIT_REFUSE }, { 45, WEIR_ADMIT_REFUSE },
		{ 44, WEIR_ADMIT_SHARE }, { 29, WEIR_ADMIT_SHARE }, { 28, WEIR_ADMIT_OPEN } };
	struct fixture *f = *state;

	fill_up(f->bench.ring, 57);
	assert_int_equal(weir_admit_level(f->admit), WEIR_ADMIT_THIN);
	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		fill_down(f->bench.ring, steps[i].below);
		assert_int_equal(weir_admit_level(f->admit), steps[i].level);
	}
	assert_int_equal(weir_stat_get(WEIR_STAT_OVERLOAD_LEVEL), 0);
}

static void level_falls_by_more_than_one_at_once(void **state)
{
	struct fixture *f = *state;

	fill_up(f->bench.ring, 60);
	assert_int_equal(weir_admit_level(f->admit), WEIR_ADMIT_THIN);
	fill_down(f->bench.ring, 1);
	assert_int_equal(weir_admit_level(f->admit), WEIR_ADMIT_OPEN);
}

static void closed_is_only_when_next_to_nothing_fits(void **state)
{
	struct fixture *f = *state;

	fill_up(f->bench.ring, 61);
	assert_false(weir_admit_is_closed(f->admit));
	fill_up(f->bench.ring, 62);
	assert_true(weir_admit_is_closed(f->admit));
	fill_down(f->bench.ring, 60);
	assert_true(weir_admit_is_closed(f->admit));
	fill_down(f->bench.ring, 58);
	assert_false(weir_admit_is_closed(f->admit));
}

static void unary_calls_are_refused_from_three_quarters_on(void **state)
{
	struct fixture *f = *state;

	assert_int_equal(weir_admit_unary(f->admit, weir_str_of("a"), 1000), 0);
	fill_up(f->bench.ring, 48);
	assert_int_equal(weir_admit_unary(f->admit, weir_str_of("a"), 1), WEIR_ADMIT_FULL);
	fill_down(f->bench.ring, 20);
	assert_int_equal(weir_admit_unary(f->admit, weir_str_of("a"), 1), 0);
}

/* ---- shares --------------------------------------------------------------------- */

static void nobody_is_capped_while_there_is_room(void **state)
{
	struct fixture *f = *state;

	for (int i = 0; i < 100; i++) {
		assert_int_equal(put(f, "greedy", 1000, 10 * S), 0);
		assert_int_equal(put(f, "modest", 1, 10 * S), 0);
	}
}

static void source_with_more_than_its_share_is_refused(void **state)
{
	struct fixture *f = *state;

	put(f, "greedy", 6000, 10 * S);
	put(f, "modest", 4000, 10 * S);
	fill_up(f->bench.ring, 33);
	assert_int_equal(put(f, "greedy", 1, 10 * S), WEIR_ADMIT_SOURCE);
	assert_int_equal(put(f, "modest", 1500, 10 * S), 0);
	assert_int_equal(put(f, "another", 1000, 10 * S), 0); /* now it has less than half of what came */
	assert_int_equal(put(f, "greedy", 1, 10 * S), 0);
}

static void source_that_is_alone_is_not_capped(void **state)
{
	struct fixture *f = *state;

	fill_up(f->bench.ring, 33);
	for (int i = 0; i < 100; i++) {
		assert_int_equal(put(f, "only", 1000, 10 * S), 0);
	}
}

static void refused_source_may_come_again_after_two_seconds(void **state)
{
	struct fixture *f = *state;

	put(f, "greedy", 9000, 10 * S);
	put(f, "modest", 100, 10 * S);
	fill_up(f->bench.ring, 33);
	assert_int_equal(put(f, "greedy", 1, 11 * S), WEIR_ADMIT_SOURCE);
	put(f, "modest", 100, 12 * S + S / 2);
	assert_int_equal(
		put(f, "greedy", 1, 12 * S + S / 2), WEIR_ADMIT_SOURCE); /* most of it is not yet two seconds old */
	put(f, "modest", 100, 14 * S);
	assert_int_equal(put(f, "greedy", 1, 14 * S), 0);
}

static void share_of_a_hundred_is_no_cap(void **state)
{
	struct fixture *f = *state;

	put(f, "greedy", 9000, 10 * S);
	put(f, "modest", 1, 10 * S);
	fill_up(f->bench.ring, 33);
	assert_int_equal(put(f, "greedy", 1, 10 * S), 0);
}

static void more_sources_than_the_table_holds_are_served(void **state)
{
	struct fixture *f = *state;
	char name[32];

	fill_up(f->bench.ring, 33);
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 20000; i++) {
			snprintf(name, sizeof(name), "source-%d", i);
			assert_int_equal(put(f, name, 10, (uint64_t)(10 + 4 * round) * S), 0);
		}
	}
	/* Of all those none is near its share; who is comes to be seen, once there is a place again. */
	assert_int_equal(put(f, "greedy", 900000, 30 * S), 0);
	assert_int_equal(put(f, "modest", 1, 30 * S), 0);
	assert_int_equal(put(f, "greedy", 1, 30 * S), WEIR_ADMIT_SOURCE);
}

/* ---- streams --------------------------------------------------------------------- */

static void stream_is_taken_then_held_then_thinned(void **state)
{
	struct fixture *f = *state;
	struct weir_admit_hold hold = { 0 };

	fill_up(f->bench.ring, 55);
	assert_int_equal(weir_admit_stream(f->admit, 7 * S, &hold), WEIR_ADMIT_TAKE);
	fill_up(f->bench.ring, 56);
	assert_int_equal(weir_admit_stream(f->admit, 8 * S, &hold), WEIR_ADMIT_HOLD);
	assert_int_equal(weir_admit_stream(f->admit, 8 * S + 499 * MS, &hold), WEIR_ADMIT_HOLD);
	assert_int_equal(weir_admit_stream(f->admit, 8 * S + 500 * MS, &hold), WEIR_ADMIT_THIN_IT);
	/* The same message, for which there was no room, and those after it are not held anew. */
	assert_int_equal(weir_admit_stream(f->admit, 8 * S + 501 * MS, &hold), WEIR_ADMIT_THIN_IT);
	assert_int_equal(weir_admit_stream(f->admit, 60 * S, &hold), WEIR_ADMIT_THIN_IT);
	fill_down(f->bench.ring, 30);
	assert_int_equal(weir_admit_stream(f->admit, 60 * S + MS, &hold), WEIR_ADMIT_TAKE);
	fill_up(f->bench.ring, 56);
	assert_int_equal(weir_admit_stream(f->admit, 60 * S + 2 * MS, &hold), WEIR_ADMIT_HOLD);
}

static void silent_stream_is_held_again_in_another_spell(void **state)
{
	struct fixture *f = *state;
	struct weir_admit_hold hold = { 0 };

	fill_up(f->bench.ring, 56);
	assert_int_equal(weir_admit_stream(f->admit, 8 * S, &hold), WEIR_ADMIT_HOLD);
	assert_int_equal(weir_admit_stream(f->admit, 9 * S, &hold), WEIR_ADMIT_THIN_IT);
	fill_down(f->bench.ring, 27);
	assert_int_equal(weir_admit_level(f->admit), WEIR_ADMIT_OPEN); /* others ask; it sends nothing meanwhile */
	fill_up(f->bench.ring, 56);
	assert_int_equal(weir_admit_stream(f->admit, 10 * S, &hold), WEIR_ADMIT_HOLD);
}

#define WITH_RING(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_RING(level_follows_the_ring),
		WITH_RING(level_is_left_a_sixteenth_below_where_it_begins),
		WITH_RING(level_falls_by_more_than_one_at_once),
		WITH_RING(closed_is_only_when_next_to_nothing_fits),
		WITH_RING(unary_calls_are_refused_from_three_quarters_on),
		WITH_RING(nobody_is_capped_while_there_is_room),
		WITH_RING(source_with_more_than_its_share_is_refused),
		WITH_RING(source_that_is_alone_is_not_capped),
		WITH_RING(refused_source_may_come_again_after_two_seconds),
		cmocka_unit_test_setup_teardown(share_of_a_hundred_is_no_cap, setup_uncapped, teardown),
		WITH_RING(more_sources_than_the_table_holds_are_served),
		WITH_RING(stream_is_taken_then_held_then_thinned),
		WITH_RING(silent_stream_is_held_again_in_another_spell),
	};

	return cmocka_run_group_tests_name("admit", tests, NULL, NULL);
}
