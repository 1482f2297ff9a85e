/* test_run: the thread folds what is put, shows it at once and replays what was left. */
#include <pthread.h>
#include <unistd.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/run.h"
#include "rules/ruleset.h"
#include "support/batch_maker.h"
#include "support/batch_random.h"
#include "support/ruleset_of.h"

#define T0 1700000000000000000u
#define WAIT_MS 10000 /* bound of every wait; reached only when something is broken */

struct place {
	char directory[64];
	uint8_t id[16];
	struct weir_ring *ring;
	struct weir_fold *fold;
	struct weir_windows *windows;
	struct weir_run *run;
	pthread_t writer;
	pthread_mutex_t storing; /* held: the writer is stuck */
	bool has_writer, is_storing;
	struct weir_fold *follower; /* fed by the deltas only */
	uint64_t stored, batches;
};

static struct weir_fold *fold_make(void)
{
	const struct weir_fold_opts opts = { .max_series = 1000, .hash_seed = 3 };
	struct weir_fold *fold;

	assert_int_equal(weir_fold_create(&opts, &fold), 0);
	return fold;
}

static void *writer(void *arg)
{
	struct place *place = arg;
	struct weir_window *window;

	while ((window = weir_windows_take(place->windows, -1)) != NULL) {
		if (window->delta.length > 0) { /* nothing was folded in those of fill_windows() */
			assert_int_equal(weir_fold_load(place->follower, weir_buf_str(&window->delta)), 0);
		}
		pthread_mutex_lock(&place->storing);
		place->stored = window->end;
		place->batches += window->batch_count;
		weir_ring_release(place->ring, weir_windows_stored(place->windows, window));
		pthread_mutex_unlock(&place->storing);
	}
	return NULL;
}

static void open_ring(struct place *place, uint64_t ring_id)
{
	const struct weir_ring_opts opts = {
		.directory = place->directory, .size_bytes = 8u << 20, .database_id = place->id
	};
	struct weir_ring_found found;
	struct weir_ring_recovery recovery;

	assert_int_equal(weir_ring_open(&opts, &place->ring, &found), 0);
	assert_int_equal(weir_ring_recover(place->ring, ring_id, place->stored, &recovery), 0);
}

/* As many windows as may wait, before the thread that makes them starts. */
static void fill_windows(struct place *place)
{
	for (unsigned i = 0; i < WEIR_WINDOWS_SEALED; i++) {
		struct weir_ring_entry entry = { .batch = NULL };

		assert_int_equal(weir_windows_add(place->windows, &entry, false), 0);
		weir_windows_seal(place->windows);
	}
}

/* is_storing: a writer that stores; else one that is stuck, with all that may wait waiting. */
static void start(struct place *place, bool is_storing)
{
	struct weir_run_opts opts;

	assert_int_equal(weir_windows_create(1, &place->windows), 0);
	opts = (struct weir_run_opts){ .ring = place->ring, .fold = place->fold, .windows = place->windows };
	assert_int_equal(weir_run_create(&opts, &place->run), 0);
	place->has_writer = is_storing;
	if (!is_storing) {
		fill_windows(place);
	} else {
		assert_int_equal(pthread_create(&place->writer, NULL, writer, place), 0);
	}
	assert_int_equal(weir_run_start(place->run), 0);
}

static void stop(struct place *place)
{
	weir_ring_seal(place->ring);
	weir_run_join(place->run);
	weir_windows_stop(place->windows);
	if (place->has_writer) {
		pthread_join(place->writer, NULL);
	}
	weir_run_destroy(place->run);
	weir_windows_destroy(place->windows);
}

static int set_up(void **state)
{
	struct place *place = calloc(1, sizeof(*place));

	snprintf(place->directory, sizeof(place->directory), "/tmp/weir-test-run-XXXXXX");
	assert_non_null(mkdtemp(place->directory));
	pthread_mutex_init(&place->storing, NULL);
	place->id[0] = 1;
	place->fold = fold_make();
	place->follower = fold_make();
	open_ring(place, 0);
	*state = place;
	return 0;
}

static int tear_down(void **state)
{
	struct place *place = *state;

	unlink(weir_ring_path(place->ring));
	weir_ring_close(place->ring);
	rmdir(place->directory);
	weir_fold_destroy(place->fold);
	weir_fold_destroy(place->follower);
	free(place);
	return 0;
}

static void put(struct place *place, const struct weir_batch *batch)
{
	int outcome;

	do {
		outcome = weir_ring_put(place->ring, batch, NULL);
	} while (outcome == WEIR_RING_FULL && weir_run_catch_up(place->run, WAIT_MS) == 0);
	assert_int_equal(outcome, 0);
}

static const struct weir_batch *spans(struct batch_maker *maker, unsigned count)
{
	batch_maker_begin(maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_SPAN, "source", T0);
	for (unsigned i = 0; i < count; i++) {
		batch_maker_resource(maker, "service");
		batch_maker_span(maker)->kind = WEIR_SPAN_INTERNAL;
	}
	return batch_maker_finish(maker);
}

static uint64_t received(struct place *place)
{
	int64_t behind_ms;
	const struct weir_snapshot *snapshot = weir_run_snapshot(place->run, WEIR_SNAPSHOT_LEDGER, &behind_ms);
	uint64_t sum = 0;

	assert_non_null(snapshot);
	for (uint32_t i = 0; i < snapshot->ledger_count; i++) {
		sum += snapshot->ledger[i].received;
	}
	weir_snapshot_let_go(snapshot);
	return sum;
}

static void what_is_put_is_seen_by_the_next_snapshot(void **state)
{
	struct place *place = *state;
	struct batch_maker maker = { 0 };

	start(place, true);
	assert_int_equal(received(place), 0);
	for (unsigned i = 1; i <= 200; i++) {
		put(place, spans(&maker, 3));
		assert_int_equal(weir_run_catch_up(place->run, WAIT_MS), 0);
		assert_int_equal(weir_run_position(place->run), weir_ring_head(place->ring));
		assert_int_equal(received(place), i * 3);
	}
	stop(place);
	batch_maker_fini(&maker);
}

static void what_is_sealed_is_what_was_folded(void **state)
{
	struct place *place = *state;
	struct batch_maker maker = { 0 };
	struct batch_random random = { .state = 8, .now_ns = T0, .step_ns = 100000000, .names = 8 };
	uint8_t digests[2][16];

	start(place, true);
	for (unsigned i = 0; i < 3000; i++) {
		put(place, batch_random_next(&random, &maker));
	}
	stop(place);
	weir_fold_digest(place->fold, digests[0]);
	weir_fold_digest(place->follower, digests[1]);
	assert_memory_equal(digests[0], digests[1], 16);
	assert_int_equal(place->stored, weir_ring_head(place->ring));
	assert_int_equal(weir_ring_tail(place->ring), place->stored);
	batch_maker_fini(&maker);
}

struct asker {
	struct place *place;
	unsigned parts, answers;
};

static void *ask(void *arg)
{
	struct asker *asker = arg;
	uint64_t last = 0;

	for (unsigned i = 0; i < 300; i++) {
		int64_t behind_ms;
		const struct weir_snapshot *snapshot = weir_run_snapshot(asker->place->run, asker->parts, &behind_ms);
		uint64_t requests = 0;

		assert_non_null(snapshot);
		assert_int_equal(snapshot->parts & asker->parts, asker->parts);
		assert_true(snapshot->position >= last);
		last = snapshot->position;
		if ((asker->parts & WEIR_SNAPSHOT_SERIES) != 0) {
			/* Never torn: the histogram of a moment has the counter of that moment. */
			for (uint32_t k = 0; k < snapshot->series_counts[0]; k++) {
				requests += snapshot->series[0][k].count;
				assert_int_equal(snapshot->series[0][k].count, snapshot->series[1][k].count);
			}
		}
		weir_snapshot_let_go(snapshot);
		asker->answers++;
	}
	return NULL;
}

static void snapshots_under_load_are_whole_and_never_go_back(void **state)
{
	struct place *place = *state;
	struct batch_maker maker = { 0 };
	struct batch_random random = { .state = 9, .now_ns = T0, .step_ns = 1000000, .names = 8 };
	struct asker askers[3] = { { place, WEIR_SNAPSHOT_SERIES, 0 }, { place, WEIR_SNAPSHOT_EDGES, 0 },
		{ place, WEIR_SNAPSHOT_SERIES | WEIR_SNAPSHOT_LEDGER, 0 } };
	pthread_t threads[3];

	start(place, true);
	for (unsigned i = 0; i < 3; i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, ask, &askers[i]), 0);
	}
	for (unsigned i = 0; i < 4000; i++) {
		put(place, batch_random_next(&random, &maker));
	}
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(threads[i], NULL);
		assert_int_equal(askers[i].answers, 300);
	}
	stop(place);
	batch_maker_fini(&maker);
}

static void a_stalled_writer_stops_reading_but_askers_are_answered(void **state)
{
	struct place *place = *state;
	struct batch_maker maker = { 0 };
	const struct weir_batch *batch;
	const struct weir_snapshot *snapshot;
	int64_t behind_ms;
	uint64_t size;

	start(place, false);
	snapshot = weir_run_snapshot(place->run, WEIR_SNAPSHOT_LEDGER, &behind_ms);
	assert_non_null(snapshot);
	assert_int_equal(behind_ms, 0);
	weir_snapshot_let_go(snapshot);
	batch = spans(&maker, 3000);
	size = batch->size_bytes;
	for (uint64_t sum = 0; sum < WEIR_WINDOW_BYTES + 2 * size; sum += size) {
		put(place, batch);
	}
	while (weir_run_position(place->run) < WEIR_WINDOW_BYTES) {
		weir_run_catch_up(place->run, 1);
	}
	assert_true(weir_run_catch_up(place->run, 20) > 0);
	assert_true(weir_run_position(place->run) < weir_ring_head(place->ring));
	snapshot = weir_run_snapshot(place->run, WEIR_SNAPSHOT_LEDGER, &behind_ms);
	assert_non_null(snapshot);
	assert_int_equal(snapshot->position, weir_run_position(place->run));
	assert_true(behind_ms > 0);
	weir_snapshot_let_go(snapshot);
	stop(place); /* gives up: the ring keeps what is not stored */
	assert_int_equal(weir_ring_tail(place->ring), 0);
	batch_maker_fini(&maker);
}

static void a_failing_store_does_not_stop_the_counting(void **state)
{
	struct place *place = *state;
	struct batch_maker maker = { 0 };
	const struct weir_batch *batch;
	uint64_t size;

	start(place, false);
	weir_windows_set_failing(place->windows, true);
	batch = spans(&maker, 3000);
	size = batch->size_bytes;
	for (uint64_t sum = 0; sum < WEIR_WINDOW_BYTES + 2 * size; sum += size) {
		put(place, batch);
	}
	assert_int_equal(weir_run_catch_up(place->run, WAIT_MS), 0);
	assert_int_equal(weir_run_position(place->run), weir_ring_head(place->ring));
	assert_int_equal(weir_ring_tail(place->ring), 0);
	/* Back again: all goes on as if nothing had been. */
	weir_windows_set_failing(place->windows, false);
	place->has_writer = true;
	assert_int_equal(pthread_create(&place->writer, NULL, writer, place), 0);
	put(place, batch);
	assert_int_equal(weir_run_catch_up(place->run, WAIT_MS), 0);
	stop(place);
	assert_int_equal(place->stored, weir_ring_head(place->ring));
	batch_maker_fini(&maker);
}

static void a_restart_replays_what_was_not_stored(void **state)
{
	struct place *place = *state;
	struct batch_maker maker = { 0 };
	struct batch_random random = { .state = 10, .now_ns = T0, .step_ns = 100000000, .names = 8 };
	struct weir_fold *unkilled = fold_make();
	uint8_t digests[2][16];
	uint64_t ring_id = weir_ring_id(place->ring);

	for (unsigned i = 0; i < 500; i++) {
		const struct weir_batch *batch = batch_random_next(&random, &maker);

		assert_int_equal(weir_ring_put(place->ring, batch, NULL), 0);
		weir_fold_batch(unkilled, batch);
	}
	weir_ring_close(place->ring); /* as if killed: nothing was read */
	open_ring(place, ring_id);
	start(place, true);
	assert_int_equal(weir_run_position(place->run), weir_ring_head(place->ring));
	stop(place);
	weir_fold_digest(place->follower, digests[0]);
	weir_fold_digest(unkilled, digests[1]);
	assert_memory_equal(digests[0], digests[1], 16);
	weir_fold_destroy(unkilled);
	batch_maker_fini(&maker);
}

static void repeated_and_thinned_batches_have_no_detail(void **state)
{
	struct place *place = *state;
	struct batch_maker maker = { 0 };

	start(place, true);
	spans(&maker, 2);
	maker.made->digest[0] = 7;
	put(place, maker.made);
	put(place, maker.made);
	spans(&maker, 2);
	maker.made->thinned[WEIR_THIN_STORAGE] = 2;
	maker.made->kept = 0;
	put(place, maker.made);
	assert_int_equal(received(place), 6);
	stop(place);
	assert_int_equal(place->batches, 1);
	batch_maker_fini(&maker);
}

/* Rules come from another thread while records and askers do; metrics that stay the same lose nothing. */
static void rules_change_under_load_and_counting_goes_on(void **state)
{
	struct place *place = *state;
	struct batch_maker maker = { 0 };
	struct batch_random random = { .state = 10, .now_ns = T0, .step_ns = 1000000, .names = 8 };
	struct asker asker = { place, WEIR_SNAPSHOT_SERIES, 0 };
	uint8_t digests[2][16];
	pthread_t thread;

	start(place, true);
	assert_int_equal(pthread_create(&thread, NULL, ask, &asker), 0);
	for (unsigned i = 0; i < 3000; i++) {
		put(place, batch_random_next(&random, &maker));
		if (i % 100 == 0) {
			const struct weir_ruleset_opts opts = { .is_both = false };
			const struct weir_ruleset *rules = NULL;
			struct weir_ruleset_error error;

			assert_int_equal(weir_ruleset_load(&opts, &rules, &error), 0);
			weir_run_rules(place->run, rules);
			weir_ruleset_let_go(rules);
		}
	}
	pthread_join(thread, NULL);
	assert_int_equal(asker.answers, 300);
	stop(place);
	weir_fold_digest(place->fold, digests[0]);
	weir_fold_digest(place->follower, digests[1]);
	assert_memory_equal(digests[0], digests[1], 16);
	batch_maker_fini(&maker);
}

static bool has_metric(struct place *place, const char *name)
{
	int64_t behind_ms;
	const struct weir_snapshot *snapshot = weir_run_snapshot(place->run, WEIR_SNAPSHOT_SERIES, &behind_ms);
	bool has = false;

	assert_non_null(snapshot);
	for (uint32_t m = 0; m < snapshot->metric_count; m++) {
		has = has || strcmp(snapshot->metrics[m]->name, name) == 0;
	}
	weir_snapshot_let_go(snapshot);
	return has;
}

/* What the old rules counted is stored before new ones count: a kill in between would count it again by them. */
static void other_rules_wait_until_all_is_stored(void **state)
{
	struct place *place = *state;
	struct batch_maker maker = { 0 };
	struct batch_random random = { .state = 11, .now_ns = T0, .step_ns = 1000000, .names = 8 };
	const struct weir_ruleset *rules = ruleset_of(ruleset_of_one, true);

	start(place, true);
	pthread_mutex_lock(&place->storing);
	for (unsigned i = 0; i < 20; i++) {
		put(place, batch_random_next(&random, &maker));
	}
	assert_false(has_metric(place, "istio_one"));
	weir_run_rules(place->run, rules);
	put(place, batch_random_next(&random, &maker));
	assert_false(has_metric(place, "istio_one"));
	pthread_mutex_unlock(&place->storing);
	put(place, batch_random_next(&random, &maker)); /* the one before may have been read already */
	assert_int_equal(weir_run_catch_up(place->run, WAIT_MS), 0);
	assert_true(has_metric(place, "istio_one"));
	weir_ruleset_let_go(rules);
	stop(place);
	batch_maker_fini(&maker);
}

/* A store that fails is not waited for. */
static void other_rules_do_not_wait_for_a_store_that_fails(void **state)
{
	struct place *place = *state;
	struct batch_maker maker = { 0 };
	struct batch_random random = { .state = 12, .now_ns = T0, .step_ns = 1000000, .names = 8 };
	const struct weir_ruleset *rules = ruleset_of(ruleset_of_one, true);

	start(place, false);
	weir_windows_set_failing(place->windows, true);
	weir_run_rules(place->run, rules);
	for (unsigned i = 0; i < 2; i++) {
		put(place, batch_random_next(&random, &maker));
		assert_int_equal(weir_run_catch_up(place->run, WAIT_MS), 0);
	}
	assert_true(has_metric(place, "istio_one"));
	weir_ruleset_let_go(rules);
	stop(place);
	batch_maker_fini(&maker);
}

static void after_the_end_there_are_no_snapshots(void **state)
{
	struct place *place = *state;
	int64_t behind_ms;

	start(place, true);
	weir_ring_seal(place->ring);
	weir_run_join(place->run);
	assert_null(weir_run_snapshot(place->run, WEIR_SNAPSHOT_EDGES, &behind_ms));
	weir_windows_stop(place->windows);
	pthread_join(place->writer, NULL);
	weir_run_destroy(place->run);
	weir_windows_destroy(place->windows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_put_is_seen_by_the_next_snapshot, set_up, tear_down),
		cmocka_unit_test_setup_teardown(what_is_sealed_is_what_was_folded, set_up, tear_down),
		cmocka_unit_test_setup_teardown(snapshots_under_load_are_whole_and_never_go_back, set_up, tear_down),
		cmocka_unit_test_setup_teardown(
			a_stalled_writer_stops_reading_but_askers_are_answered, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_failing_store_does_not_stop_the_counting, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_restart_replays_what_was_not_stored, set_up, tear_down),
		cmocka_unit_test_setup_teardown(repeated_and_thinned_batches_have_no_detail, set_up, tear_down),
		cmocka_unit_test_setup_teardown(rules_change_under_load_and_counting_goes_on, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_rules_wait_until_all_is_stored, set_up, tear_down),
		cmocka_unit_test_setup_teardown(other_rules_do_not_wait_for_a_store_that_fails, set_up, tear_down),
		cmocka_unit_test_setup_teardown(after_the_end_there_are_no_snapshots, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
