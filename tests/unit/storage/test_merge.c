/* test_merge: small segments become one, and nobody notices. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "rig.h"

#define NOW 1700000000000000000u

static struct weir_store_figures figures_of(const struct rig *rig)
{
	struct weir_store_figures figures;

	weir_store_figures(rig->store, &figures);
	return figures;
}

static void wait_merged(const struct rig *rig, uint64_t segments)
{
	uint64_t deadline = weir_clock_monotonic_ns() + 30000000000u;

	while (figures_of(rig).merged_segments < segments) {
		assert_true(weir_clock_monotonic_ns() < deadline);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

static void one_each(struct rig *rig, unsigned first, unsigned last)
{
	for (unsigned i = first; i <= last; i++) {
		uint32_t resource = maker_resource(&rig->maker, "a");

		maker_span(&rig->maker, i, i, 0, resource, "x", NOW + i, 1);
		rig_add(rig, maker_batch(&rig->maker, NOW + i));
		rig_seal(rig);
		rig_wait_stored(rig, i);
	}
}

static uint32_t found_count(struct weir_query *query, unsigned first, unsigned last)
{
	uint32_t spans = 0;

	for (unsigned i = first; i <= last; i++) {
		struct weir_query_trace found;
		uint8_t id[16] = { 0 };

		id[15] = (uint8_t)i;
		spans += weir_query_trace(query, id, false, &found) == 0 ? found.span_count : 0;
	}
	return spans;
}

static void small_segments_become_one_and_are_found(void **state)
{
	struct weir_query *query;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	one_each(&rig, 1, 40);
	wait_merged(&rig, 32);
	assert_int_equal(figures_of(&rig).spans, 40);
	assert_true(figures_of(&rig).segments <= 16);
	rig_query(&rig, &query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(found_count(query, 1, 40), 40);
	weir_query_close(query);
	rig_stop(&rig);
	rig_open(&rig); /* and after a start from what is on disk */
	assert_int_equal(figures_of(&rig).spans, 40);
	rig_query(&rig, &query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(found_count(query, 1, 40), 40);
	weir_query_close(query);
	rig_start(&rig);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void a_reader_from_before_the_merge_still_finds_all_once(void **state)
{
	struct weir_query *query;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	one_each(&rig, 1, 7);
	rig_query(&rig, &query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	one_each(&rig, 8, 24);
	wait_merged(&rig, 8);
	assert_int_equal(found_count(query, 1, 7), 7);
	assert_int_equal(found_count(query, 8, 24), 0); /* stored after its view was taken */
	weir_query_end(query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(found_count(query, 1, 24), 24);
	weir_query_close(query);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void large_segments_stay(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	for (unsigned i = 1; i <= 12; i++) {
		rig_add(&rig, maker_mesh(&rig.maker, 600, NOW + i));
		rig_seal(&rig);
		rig_wait_stored(&rig, i);
	}
	one_each(&rig, 13, 24);
	wait_merged(&rig, 8);
	assert_int_equal(figures_of(&rig).spans, 12 * 600 + 12);
	assert_true(figures_of(&rig).segments >= 13);
	rig_stop(&rig);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(small_segments_become_one_and_are_found),
		cmocka_unit_test(a_reader_from_before_the_merge_still_finds_all_once),
		cmocka_unit_test(large_segments_stay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
