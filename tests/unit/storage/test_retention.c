/* test_retention: the oldest goes first, by size and by age, and room is used again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <sys/stat.h>
#include <time.h>

#include "base/clock.h"
#include "rig.h"

static struct weir_store_figures figures_of(const struct rig *rig)
{
	struct weir_store_figures figures;

	weir_store_figures(rig->store, &figures);
	return figures;
}

static void pause_briefly(uint64_t deadline)
{
	assert_true(weir_clock_monotonic_ns() < deadline);
	clock_nanosleep(CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = 1000000 }, NULL);
}

static void the_file_keeps_within_its_size_and_the_newest_stay(void **state)
{
	struct weir_query_search search = { .end_ns = UINT64_MAX / 2, .lookback_ns = UINT64_MAX / 2, .limit = 1 };
	struct weir_query_trace *traces;
	struct weir_query *query;
	uint64_t now = weir_clock_now_ns(), deadline = weir_clock_monotonic_ns() + 30000000000u;
	struct rig rig;
	struct stat file;
	uint32_t count;

	(void)state;
	rig_init(&rig);
	rig.max_size = 4u << 20;
	rig_open(&rig);
	rig_start(&rig);
	for (unsigned i = 1; i <= 200; i++) { /* about 8 MiB of segments */
		rig_add(&rig, maker_mesh(&rig.maker, 2000, now + i * 1000000u));
		rig_seal(&rig);
		rig_wait_stored(&rig, i);
	}
	while (figures_of(&rig).used_bytes + figures_of(&rig).wal_bytes > rig.max_size) {
		pause_briefly(deadline);
	}
	assert_true(figures_of(&rig).expired_segments > 0);
	assert_true(figures_of(&rig).segments > 5);
	assert_true(figures_of(&rig).oldest_ns > now + 1000000u);
	rig_query(&rig, &query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(weir_query_traces(query, &search, &traces, &count), 0);
	assert_int_equal(count, 1);
	assert_true(traces[0].timestamp_ns > now + 200 * 1000000u);
	weir_query_close(query);
	rig_stop(&rig);
	assert_int_equal(stat(rig.path, &file), 0);
	assert_true(file.st_size <= (5 << 20)); /* free pages were used again */
	rig_fini(&rig);
}

static void what_is_too_old_goes(void **state)
{
	uint64_t now = weir_clock_now_ns(), deadline = weir_clock_monotonic_ns() + 30000000000u;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig.max_age_s = 3600;
	rig_open(&rig);
	rig_start(&rig);
	rig_add(&rig, maker_mesh(&rig.maker, 600, now - 7200000000000u));
	rig_seal(&rig);
	rig_add(&rig, maker_mesh(&rig.maker, 700, now));
	rig_seal(&rig);
	while (figures_of(&rig).spans != 700 || figures_of(&rig).expired_segments != 1) {
		pause_briefly(deadline);
	}
	rig_stop(&rig);
	rig_open(&rig);
	assert_int_equal(figures_of(&rig).spans, 700);
	rig_start(&rig);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void a_reader_keeps_what_its_snapshot_has(void **state)
{
	uint64_t now = weir_clock_now_ns(), deadline = weir_clock_monotonic_ns() + 30000000000u;
	struct weir_query_trace found;
	struct weir_query *query;
	struct weir_batch *batch;
	uint8_t id[16];
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	batch = maker_mesh(&rig.maker, 600, now - 7200000000000u);
	for (unsigned i = 0; i < 16; i++) {
		id[i] = weir_batch_spans(batch)[0].trace_id[i];
	}
	rig_start(&rig);
	rig_add(&rig, batch);
	rig_seal(&rig);
	rig_wait_stored(&rig, 1);
	rig_stop(&rig);
	rig.max_age_s = 3600; /* from now on it is too old */
	rig_open(&rig);
	rig_query(&rig, &query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	rig_start(&rig);
	while (figures_of(&rig).expired_segments != 1) {
		pause_briefly(deadline);
	}
	assert_int_equal(weir_query_trace(query, id, false, &found), 0);
	weir_query_end(query);
	assert_int_equal(weir_query_begin(query, rig_deadline()), 0);
	assert_int_equal(weir_query_trace(query, id, false, &found), WEIR_QUERY_NOT_FOUND);
	weir_query_end(query);
	assert_int_equal(figures_of(&rig).segments, 0);
	weir_query_close(query);
	rig_stop(&rig);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_file_keeps_within_its_size_and_the_newest_stay),
		cmocka_unit_test(what_is_too_old_goes),
		cmocka_unit_test(a_reader_keeps_what_its_snapshot_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
