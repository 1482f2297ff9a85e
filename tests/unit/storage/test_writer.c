/* test_writer: commits, positions, and a disk that fails and comes back. */
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
#include "vfs_shim.h"

#define NOW 1700000000000000000u

static struct weir_store_figures figures_of(const struct rig *rig)
{
	struct weir_store_figures figures;

	weir_store_figures(rig->store, &figures);
	return figures;
}

static void wait_state(const struct rig *rig, enum weir_store_state wanted)
{
	uint64_t deadline = weir_clock_monotonic_ns() + 20000000000u;

	while (weir_store_state(rig->store) != wanted) {
		assert_true(weir_clock_monotonic_ns() < deadline);
		clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 1000000 }, NULL);
	}
}

static uint64_t spans_stored(struct rig *rig)
{
	return figures_of(rig).spans;
}

static void a_window_is_stored_with_its_position(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.sync = WEIR_SYNC_ALWAYS;
	rig_open(&rig);
	rig_start(&rig);
	rig_add(&rig, maker_mesh(&rig.maker, 5000, NOW));
	rig_add(&rig, maker_wild(&rig.maker, 50, NOW));
	rig_seal(&rig);
	rig_wait_stored(&rig, 1);
	assert_int_equal(spans_stored(&rig), 5050);
	assert_int_equal(figures_of(&rig).requests, 50);
	assert_int_equal(figures_of(&rig).connections, 50);
	assert_int_equal(figures_of(&rig).stored_position, weir_ring_head(rig.ring));
	rig_stop(&rig);
	assert_true(rig.told > 0);
	rig_open(&rig);
	assert_int_equal(rig.found.window, 1);
	assert_int_equal(rig.found.position, rig.told);
	/* Nothing is replayed: the ring was released up to the position. */
	assert_null(weir_windows_open_one(rig.windows));
	rig_start(&rig);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void what_was_not_stored_is_replayed_and_no_row_twice(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	rig_add(&rig, maker_mesh(&rig.maker, 100, NOW));
	rig_seal(&rig);
	rig_wait_stored(&rig, 1);
	rig_add(&rig, maker_mesh(&rig.maker, 70, NOW));
	rig_stop(&rig); /* the second window was never sealed */
	rig_open(&rig);
	assert_non_null(weir_windows_open_one(rig.windows));
	assert_int_equal(weir_windows_open_one(rig.windows)->number, 2);
	assert_int_equal(weir_windows_open_one(rig.windows)->span_count, 70);
	rig_start(&rig);
	rig_seal(&rig);
	rig_wait_stored(&rig, 2);
	assert_int_equal(spans_stored(&rig), 170);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void fails_and_recovers(enum vfs_shim_fault fault, enum weir_store_state expected)
{
	struct rig rig;
	uint64_t tail;

	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	rig_add(&rig, maker_mesh(&rig.maker, 500, NOW));
	rig_seal(&rig);
	rig_wait_stored(&rig, 1);
	vfs_shim_set_writes(fault);
	tail = weir_ring_tail(rig.ring);
	for (unsigned i = 0; i < 3; i++) {
		rig_add(&rig, maker_mesh(&rig.maker, 500, NOW));
		rig_seal(&rig);
	}
	wait_state(&rig, expected);
	assert_true(figures_of(&rig).failed_commits > 0);
	assert_true(figures_of(&rig).last_error != 0);
	assert_int_equal(figures_of(&rig).stored_window, 1);
	assert_int_equal(weir_ring_tail(rig.ring), tail);
	vfs_shim_set_writes(VFS_SHIM_NONE);
	rig_wait_stored(&rig, 4);
	wait_state(&rig, WEIR_STORE_OK);
	assert_int_equal(spans_stored(&rig), 2000);
	rig_stop(&rig);
	rig_open(&rig);
	assert_int_equal(rig.found.window, 4);
	assert_int_equal(spans_stored(&rig), 2000);
	rig_start(&rig);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void a_full_disk_is_a_state_and_passes(void **state)
{
	(void)state;
	fails_and_recovers(VFS_SHIM_FULL, WEIR_STORE_FULL);
}

static void an_io_error_is_a_state_and_passes(void **state)
{
	(void)state;
	fails_and_recovers(VFS_SHIM_IO, WEIR_STORE_FAILING);
}

static void a_failed_upkeep_passes_without_anything_to_store(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.max_age_s = 1;
	rig_open(&rig);
	rig_start(&rig);
	rig_add(&rig, maker_mesh(&rig.maker, 100, weir_clock_now_ns()));
	rig_seal(&rig);
	rig_wait_stored(&rig, 1);
	/* The window is stored and synced; when it is too old, deleting it fails. */
	vfs_shim_set_writes(VFS_SHIM_IO);
	wait_state(&rig, WEIR_STORE_FAILING);
	vfs_shim_set_writes(VFS_SHIM_NONE);
	/* Spans are refused meanwhile, so no window comes that could show that it works again. */
	wait_state(&rig, WEIR_STORE_OK);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void a_reader_sees_everything_while_the_store_fails(void **state)
{
	struct weir_query_search search = { .end_ns = NOW * 2, .lookback_ns = NOW * 2, .limit = 1000 };
	struct weir_query_trace *traces;
	struct weir_query *query;
	uint32_t count, spans = 0;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	vfs_shim_set_writes(VFS_SHIM_IO);
	rig_add(&rig, maker_mesh(&rig.maker, 300, NOW));
	rig_seal(&rig);
	wait_state(&rig, WEIR_STORE_FAILING);
	rig_query(&rig, &query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(weir_query_traces(query, &search, &traces, &count), 0);
	for (uint32_t i = 0; i < count; i++) {
		spans += traces[i].span_count;
	}
	assert_int_equal(spans, 300);
	weir_query_close(query);
	vfs_shim_set_writes(VFS_SHIM_NONE);
	rig_wait_stored(&rig, 1);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void a_stalled_sync_loses_nothing(void **state)
{
	struct rig rig;
	unsigned syncs = vfs_shim_syncs();
	uint64_t deadline = weir_clock_monotonic_ns() + 20000000000u;

	(void)state;
	rig_init(&rig);
	rig.sync = WEIR_SYNC_ALWAYS;
	rig_open(&rig);
	rig_start(&rig);
	vfs_shim_stall_syncs(true);
	rig_add(&rig, maker_mesh(&rig.maker, 100, NOW));
	rig_seal(&rig);
	while (vfs_shim_syncs() == syncs) {
		assert_true(weir_clock_monotonic_ns() < deadline);
	}
	assert_int_equal(rig.told, 0);
	rig_add(&rig, maker_mesh(&rig.maker, 100, NOW));
	rig_seal(&rig);
	assert_int_equal(rig.told, 0);
	vfs_shim_stall_syncs(false);
	rig_wait_stored(&rig, 2);
	assert_int_equal(spans_stored(&rig), 200);
	rig_stop(&rig);
	assert_true(rig.told > 0);
	rig_fini(&rig);
}

static void stopping_while_the_store_fails_ends_and_keeps_the_ring(void **state)
{
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	rig_add(&rig, maker_mesh(&rig.maker, 100, NOW));
	vfs_shim_set_writes(VFS_SHIM_FULL);
	rig_seal(&rig);
	wait_state(&rig, WEIR_STORE_FULL);
	rig_stop(&rig);
	vfs_shim_set_writes(VFS_SHIM_NONE);
	rig_open(&rig);
	assert_int_equal(weir_windows_open_one(rig.windows)->span_count, 100);
	rig_start(&rig);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void the_position_outside_is_seen_only_by_the_test(void **state)
{
	(void)state;
	assert_false(weir_writer_position_outside);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_window_is_stored_with_its_position),
		cmocka_unit_test(what_was_not_stored_is_replayed_and_no_row_twice),
		cmocka_unit_test(a_full_disk_is_a_state_and_passes),
		cmocka_unit_test(an_io_error_is_a_state_and_passes),
		cmocka_unit_test(a_failed_upkeep_passes_without_anything_to_store),
		cmocka_unit_test(a_reader_sees_everything_while_the_store_fails),
		cmocka_unit_test(a_stalled_sync_loses_nothing),
		cmocka_unit_test(stopping_while_the_store_fails_ends_and_keeps_the_ring),
		cmocka_unit_test(the_position_outside_is_seen_only_by_the_test),
	};

	vfs_shim_install();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
