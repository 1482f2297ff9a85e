/* test_snapshot: a copy has what was asked for and stays as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/state.h"
#include "support/batch_random.h"
#include "support/metric_of.h"

#define T0 1700000000000000000u
#define BEGAN (T0 - 2)
#define RESET (T0 - 1)

struct world {
	struct weir_fold *fold;
	struct batch_maker maker;
	struct batch_random random;
};

static int set_up(void **state)
{
	const struct weir_fold_opts opts = { .max_series = 1000, .hash_seed = 1, .began_ns = BEGAN };
	struct world *world = calloc(1, sizeof(*world));

	world->random = (struct batch_random){ .state = 1, .now_ns = T0, .step_ns = 1000000, .names = 4 };
	assert_int_equal(weir_fold_create(&opts, &world->fold), 0);
	*state = world;
	return 0;
}

static int tear_down(void **state)
{
	struct world *world = *state;

	batch_maker_fini(&world->maker);
	weir_fold_destroy(world->fold);
	free(world);
	return 0;
}

static void fold_some(struct world *world)
{
	for (unsigned i = 0; i < 100; i++) {
		weir_fold_batch(world->fold, batch_random_next(&world->random, &world->maker));
	}
}

static const struct weir_snapshot *look(struct world *world, unsigned parts)
{
	const struct weir_snapshot *snapshot;

	assert_int_equal(weir_snapshot_make(world->fold, parts, 77, 88, &snapshot), 0);
	return snapshot;
}

static void only_what_was_asked_for_is_there(void **state)
{
	struct world *world = *state;
	const struct weir_snapshot *snapshot;

	fold_some(world);
	snapshot = look(world, WEIR_SNAPSHOT_LEDGER);
	assert_int_equal(snapshot->position, 77);
	assert_int_equal(snapshot->made_ns, 88);
	assert_int_equal(snapshot->watermark_ns, world->random.now_ns);
	assert_true(snapshot->ledger_count > 0);
	assert_int_equal(snapshot->metric_count, 0);
	assert_int_equal(snapshot->edge_count, 0);
	weir_snapshot_let_go(snapshot);
	snapshot = look(world, WEIR_SNAPSHOT_SERIES | WEIR_SNAPSHOT_EDGES);
	assert_int_equal(snapshot->ledger_count, 0);
	assert_true(snapshot->metric_count > 10);
	assert_true(snapshot->edge_count > 0);
	weir_snapshot_let_go(snapshot);
}

static void a_copy_does_not_move_when_the_fold_does(void **state)
{
	struct world *world = *state;
	const struct weir_snapshot *snapshot;
	uint64_t series = 0, edges = 0, again = 0;

	fold_some(world);
	snapshot = look(world, 7);
	for (unsigned round = 0; round < 2; round++) {
		again = 0;
		for (uint32_t i = 0; i < snapshot->series_counts[metric_of(snapshot, "istio_requests_total")]; i++) {
			again += snapshot->series[metric_of(snapshot, "istio_requests_total")][i].count;
		}
		assert_true(round == 0 || again == series);
		series = again;
		again = 0;
		for (uint32_t i = 0; i < snapshot->edge_count; i++) {
			const struct weir_edge_counts *counts = snapshot->edges[i].counts[WEIR_EDGE_CLIENT_LOG];

			again += counts != NULL ? counts->requests : 0;
		}
		assert_true(round == 0 || again == edges);
		edges = again;
		fold_some(world);
	}
	assert_true(series > 0 && edges > 0);
	weir_snapshot_let_go(snapshot);
}

static void counts_and_buckets_of_one_moment_agree(void **state)
{
	struct world *world = *state;
	const struct weir_snapshot *snapshot;

	fold_some(world);
	snapshot = look(world, WEIR_SNAPSHOT_SERIES);
	assert_int_equal(snapshot->series_counts[metric_of(snapshot, "istio_requests_total")],
		snapshot->series_counts[metric_of(snapshot, "istio_request_bytes")]);
	for (uint32_t i = 0; i < snapshot->series_counts[metric_of(snapshot, "istio_request_bytes")]; i++) {
		const struct weir_series_view *view = &snapshot->series[metric_of(snapshot, "istio_request_bytes")][i];
		uint64_t sum = 0;

		for (uint32_t k = 0; k <= WEIR_LATENCY_BOUNDS; k++) {
			sum += view->buckets[k];
		}
		assert_int_equal(view->count, sum);
		assert_int_equal(view->count, snapshot->series[metric_of(snapshot, "istio_requests_total")][i].count);
		assert_true(weir_str_equal(
			view->labels, snapshot->series[metric_of(snapshot, "istio_requests_total")][i].labels));
	}
	weir_snapshot_let_go(snapshot);
}

/* With the database, or when they were reset. */
static void counters_began_together(void **state)
{
	struct world *world = *state;

	for (unsigned round = 0; round < 2; round++) {
		const struct weir_snapshot *snapshot;

		fold_some(world);
		snapshot = look(world, WEIR_SNAPSHOT_SERIES | WEIR_SNAPSHOT_LEDGER);
		assert_int_equal(snapshot->began_ns, round == 0 ? BEGAN : RESET);
		assert_true(snapshot->expired_count > 0);
		for (uint32_t i = 0; i < snapshot->expired_count; i++) {
			assert_int_equal(snapshot->expired[i].created_ns, snapshot->began_ns);
		}
		weir_snapshot_let_go(snapshot);
		weir_fold_reset_counters(world->fold, RESET);
	}
}

static void it_lives_until_the_last_holder_lets_go(void **state)
{
	struct world *world = *state;
	const struct weir_snapshot *snapshot = look(world, 7);

	weir_snapshot_hold(snapshot);
	weir_snapshot_let_go(snapshot);
	assert_int_equal(snapshot->position, 77); /* the sanitizer sees it if it is gone */
	weir_snapshot_let_go(snapshot);
	weir_snapshot_let_go(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(only_what_was_asked_for_is_there, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_copy_does_not_move_when_the_fold_does, set_up, tear_down),
		cmocka_unit_test_setup_teardown(counts_and_buckets_of_one_moment_agree, set_up, tear_down),
		cmocka_unit_test_setup_teardown(counters_began_together, set_up, tear_down),
		cmocka_unit_test_setup_teardown(it_lives_until_the_last_holder_lets_go, set_up, tear_down),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
