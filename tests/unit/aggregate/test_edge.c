/* test_edge: edges keep their evidence apart and their rates by time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/edge.h"

#define T0 1700000000000000000u /* a whole number of fine periods */
#define S UINT64_C(1000000000)

struct world {
	struct weir_text names;
	struct weir_edges edges;
};

static void world_init(struct world *world)
{
	weir_text_init(&world->names, 20000, 1000000, 1);
	weir_edges_init(&world->edges, &world->names, 1);
}

static void world_fini(struct world *world)
{
	weir_edges_fini(&world->edges);
	weir_text_fini(&world->names);
}

static uint32_t edge_between(struct world *world, const char *from, const char *to)
{
	struct weir_edge_key key = { .protocol = WEIR_REQUEST_HTTP };

	key.source[WEIR_EDGE_WORKLOAD] = weir_edges_name(&world->edges, weir_str_of(from));
	key.destination[WEIR_EDGE_WORKLOAD] = weir_edges_name(&world->edges, weir_str_of(to));
	return weir_edges_find(&world->edges, &key);
}

static uint32_t edge_to(struct world *world, const char *name)
{
	return edge_between(world, "front", name);
}

static void requests_at(struct world *world, uint32_t edge, uint64_t time_ns, unsigned count)
{
	const struct weir_edge_record record = { .time_ns = time_ns, .duration_us = 700 };

	for (unsigned i = 0; i < count; i++) {
		weir_edges_count_request(&world->edges, edge, WEIR_EDGE_CLIENT_LOG, &record);
	}
}

static bool is_near(double a, double b)
{
	return a - b < 1e-9 && b - a < 1e-9;
}

static void kinds_of_evidence_are_never_added_up(void **state)
{
	const struct weir_edge_record record = { .time_ns = T0, .is_error = true, .duration_us = 700 };
	struct world world;
	uint32_t edge;

	(void)state;
	world_init(&world);
	edge = edge_to(&world, "back");
	requests_at(&world, edge, T0, 2);
	weir_edges_count_request(&world.edges, edge, WEIR_EDGE_SERVER_LOG, &record);
	assert_int_equal(world.edges.rows[edge].counts[WEIR_EDGE_CLIENT_LOG]->requests, 2);
	assert_int_equal(world.edges.rows[edge].counts[WEIR_EDGE_CLIENT_LOG]->errors, 0);
	assert_int_equal(world.edges.rows[edge].counts[WEIR_EDGE_CLIENT_LOG]->buckets[1], 2);
	assert_int_equal(world.edges.rows[edge].counts[WEIR_EDGE_SERVER_LOG]->requests, 1);
	assert_int_equal(world.edges.rows[edge].counts[WEIR_EDGE_SERVER_LOG]->errors, 1);
	assert_null(world.edges.rows[edge].counts[WEIR_EDGE_SPANS]);
	world_fini(&world);
}

static void rates_are_of_the_horizon_and_of_nothing_older(void **state)
{
	const struct weir_edge_counts *counts;
	struct world world;
	uint32_t edge;

	(void)state;
	world_init(&world);
	edge = edge_to(&world, "back");
	requests_at(&world, edge, T0, 100);
	requests_at(&world, edge, T0 + 60 * S, 30);
	counts = world.edges.rows[edge].counts[WEIR_EDGE_CLIENT_LOG];
	assert_true(is_near(weir_edge_rate(counts, T0 + 65 * S, 10 * S), 30.0 / 15));
	assert_true(is_near(weir_edge_rate(counts, T0 + 65 * S, 60 * S), 130.0 / 65));
	assert_true(is_near(weir_edge_rate(counts, T0 + 65 * S, 50 * S), 30.0 / 55));
	assert_true(is_near(weir_edge_rate(counts, T0 + 120 * S, 10 * S), 0));
	/* 24 h come from the coarse slots: 48 would be one more than there are whole ones. */
	assert_true(weir_edge_rate(counts, T0 + 65 * S, 24 * 3600 * S) > 0);
	assert_true(is_near(weir_edge_rate(counts, T0 + 30 * 3600 * S, 24 * 3600 * S), 0));
	world_fini(&world);
}

static void a_slot_is_cleared_when_its_turn_comes_again(void **state)
{
	const struct weir_edge_counts *counts;
	struct world world;
	uint32_t edge;

	(void)state;
	world_init(&world);
	edge = edge_to(&world, "back");
	for (unsigned i = 0; i < 150; i++) {
		requests_at(&world, edge, T0 + i * 10 * S, 1);
	}
	counts = world.edges.rows[edge].counts[WEIR_EDGE_CLIENT_LOG];
	for (unsigned i = 0; i < WEIR_EDGE_FINE; i++) {
		assert_int_equal(counts->fine[i], 1);
	}
	requests_at(&world, edge, T0 + 100 * 10 * S, 1); /* late, but its slot is still there */
	assert_int_equal(counts->fine[(T0 / (10 * S) + 100) % WEIR_EDGE_FINE], 2);
	requests_at(&world, edge, T0 + 9000 * 10 * S, 1); /* a long pause clears all */
	assert_true(is_near(weir_edge_rate(counts, T0 + 9000 * 10 * S, 600 * S), 1.0 / 590));
	world_fini(&world);
}

static void a_clock_set_back_starts_the_rates_anew(void **state)
{
	const struct weir_edge_counts *counts;
	struct world world;
	uint32_t edge;

	(void)state;
	world_init(&world);
	edge = edge_to(&world, "back");
	requests_at(&world, edge, T0 + 3600 * S, 50);
	requests_at(&world, edge, T0, 20);
	counts = world.edges.rows[edge].counts[WEIR_EDGE_CLIENT_LOG];
	assert_int_equal(counts->requests, 70);
	assert_true(is_near(weir_edge_rate(counts, T0 + 5 * S, 10 * S), 20.0 / 15));
	world_fini(&world);
}

static void edges_beyond_the_bound_count_in_one_that_says_so(void **state)
{
	struct world world;
	uint64_t requests = 0;
	char name[16];

	(void)state;
	world_init(&world);
	for (unsigned i = 0; i < 8192 + 50; i++) {
		snprintf(name, sizeof(name), "w%u", i);
		requests_at(&world, edge_to(&world, name), T0, 1);
	}
	assert_int_equal(world.edges.count, 8193);
	assert_true(weir_str_is(
		weir_text_str(&world.names, world.edges.rows[8192].key.destination[WEIR_EDGE_WORKLOAD]), "_overflow"));
	for (uint32_t i = 0; i < world.edges.count; i++) {
		requests += world.edges.rows[i].counts[WEIR_EDGE_CLIENT_LOG]->requests;
	}
	assert_int_equal(requests, 8192 + 50);
	assert_int_equal(world.edges.overflowed, 50);
	world_fini(&world);
}

static void names_that_are_too_long_or_too_many_overflow(void **state)
{
	struct world world;
	char name[WEIR_EDGE_NAME_MAX + 1];
	uint32_t overflow;

	(void)state;
	memset(name, 'x', sizeof(name));
	weir_text_init(&world.names, 3, 1000000, 1);
	weir_edges_init(&world.edges, &world.names, 1);
	overflow = weir_edges_name(&world.edges, weir_str_of("_overflow"));
	assert_int_equal(weir_edges_name(&world.edges, weir_str_make(name, sizeof(name))), overflow);
	assert_int_not_equal(weir_edges_name(&world.edges, weir_str_of("a")), overflow);
	assert_int_not_equal(weir_edges_name(&world.edges, weir_str_of("b")), overflow);
	assert_int_equal(weir_edges_name(&world.edges, weir_str_of("c")), overflow);
	assert_int_not_equal(weir_edges_name(&world.edges, weir_str_of("a")), overflow);
	/* What counts where a name is missing has overflowed, too, however few the edges are. */
	requests_at(&world, edge_between(&world, "a", "b"), T0, 2);
	assert_int_equal(world.edges.overflowed, 0);
	requests_at(&world, edge_between(&world, "a", "d"), T0, 3);
	requests_at(&world, edge_between(&world, "a", "e"), T0, 4);
	assert_int_equal(world.edges.count, 2);
	assert_int_equal(world.edges.overflowed, 7);
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kinds_of_evidence_are_never_added_up),
		cmocka_unit_test(rates_are_of_the_horizon_and_of_nothing_older),
		cmocka_unit_test(a_slot_is_cleared_when_its_turn_comes_again),
		cmocka_unit_test(a_clock_set_back_starts_the_rates_anew),
		cmocka_unit_test(edges_beyond_the_bound_count_in_one_that_says_so),
		cmocka_unit_test(names_that_are_too_long_or_too_many_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
