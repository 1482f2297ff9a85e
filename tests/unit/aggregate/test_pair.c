/* test_pair: calls become edges once, whichever span comes first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/pair.h"

#define T0 1700000000000000000u
#define S 1000000000u

struct world {
	struct weir_text names;
	struct weir_edges edges;
	struct weir_pairs pairs;
};

static void world_init(struct world *world)
{
	weir_text_init(&world->names, 1000, 100000, 1);
	weir_edges_init(&world->edges, &world->names, 1);
	weir_pairs_init(&world->pairs, &world->edges, 1);
}

static void world_fini(struct world *world)
{
	weir_pairs_fini(&world->pairs);
	weir_edges_fini(&world->edges);
	weir_text_fini(&world->names);
}

static struct weir_slot_key key_of(uint64_t id)
{
	uint8_t trace[16] = { 1 }, span[8];

	memcpy(span, &id, sizeof(span));
	return weir_pairs_key(trace, span);
}

static void meet(
	struct world *world, uint64_t id, bool is_caller, const char *service, const char *peer, uint64_t now_ns)
{
	const struct weir_pair_span span = { .key = key_of(id),
		.is_caller = is_caller,
		.service = weir_edges_name(&world->edges, weir_str_of(service)),
		.peer = weir_str_of(peer),
		.duration_us = is_caller ? 3000 : 2000 };

	weir_pairs_meet(&world->pairs, &span, now_ns);
}

/* Calls counted from one service to another by spans. */
static uint64_t calls(const struct world *world, const char *from, const char *to)
{
	for (uint32_t i = 0; i < world->edges.count; i++) {
		const struct weir_edge *edge = &world->edges.rows[i];

		if (weir_str_is(weir_text_str(&world->names, edge->key.source[WEIR_EDGE_SERVICE]), from) &&
			weir_str_is(weir_text_str(&world->names, edge->key.destination[WEIR_EDGE_SERVICE]), to)) {
			return edge->counts[WEIR_EDGE_SPANS]->requests;
		}
	}
	return 0;
}

static void either_span_may_come_first(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	meet(&world, 1, true, "front", "", T0);
	meet(&world, 1, false, "back", "", T0);
	meet(&world, 2, false, "back", "", T0);
	meet(&world, 2, true, "front", "", T0);
	assert_int_equal(calls(&world, "front", "back"), 2);
	assert_int_equal(world.edges.rows[0].counts[WEIR_EDGE_SPANS]->duration_us, 4000);
	assert_int_equal(world.pairs.slots.count, 0);
	world_fini(&world);
}

static void a_call_within_a_service_is_no_edge(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	meet(&world, 1, true, "front", "front", T0);
	meet(&world, 1, false, "front", "", T0);
	assert_int_equal(world.edges.count, 0);
	assert_int_equal(world.pairs.slots.count, 0);
	world_fini(&world);
}

static void an_unmatched_caller_becomes_an_edge_to_its_peer_after_a_minute(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	meet(&world, 1, true, "front", "mysql", T0);
	meet(&world, 2, true, "front", "", T0);
	meet(&world, 3, false, "lonely", "", T0);
	weir_pairs_expire(&world.pairs, T0 + 55 * (uint64_t)S);
	assert_int_equal(world.pairs.slots.count, 3);
	weir_pairs_expire(&world.pairs, T0 + 65 * (uint64_t)S);
	assert_int_equal(world.pairs.slots.count, 0);
	assert_int_equal(calls(&world, "front", "mysql"), 1);
	assert_int_equal(world.edges.count, 1);
	world_fini(&world);
}

static void a_matched_caller_is_not_counted_by_peer_too(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	meet(&world, 1, true, "front", "back-address", T0);
	meet(&world, 1, false, "back", "", T0);
	weir_pairs_expire(&world.pairs, T0 + 90 * (uint64_t)S);
	assert_int_equal(calls(&world, "front", "back"), 1);
	assert_int_equal(world.edges.count, 1);
	world_fini(&world);
}

static void the_same_caller_twice_is_one_call(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	meet(&world, 1, true, "front", "", T0);
	meet(&world, 1, true, "front", "", T0);
	assert_int_equal(world.pairs.slots.count, 1);
	meet(&world, 1, false, "back", "", T0);
	assert_int_equal(calls(&world, "front", "back"), 1);
	world_fini(&world);
}

static void a_message_has_many_consumers_before_and_after_it(void **state)
{
	struct world world;
	struct weir_pair_span span = { .key = key_of(1), .is_message = true };

	(void)state;
	world_init(&world);
	span.service = weir_edges_name(&world.edges, weir_str_of("consumer"));
	weir_pairs_meet(&world.pairs, &span, T0);
	weir_pairs_meet(&world.pairs, &span, T0);
	span.service = weir_edges_name(&world.edges, weir_str_of("producer"));
	span.is_caller = true;
	span.peer = weir_str_of("broker");
	weir_pairs_meet(&world.pairs, &span, T0);
	span.service = weir_edges_name(&world.edges, weir_str_of("consumer"));
	span.is_caller = false;
	weir_pairs_meet(&world.pairs, &span, T0 + S);
	assert_int_equal(calls(&world, "producer", "consumer"), 3);
	weir_pairs_expire(&world.pairs, T0 + 90 * (uint64_t)S);
	assert_int_equal(world.pairs.slots.count, 0);
	assert_int_equal(calls(&world, "producer", "broker"), 0);
	world_fini(&world);
}

static void a_full_table_gives_the_oldest_up_early(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	for (uint64_t i = 1; i <= 65536 + 10; i++) {
		meet(&world, i, true, "front", "mysql", T0);
	}
	assert_int_equal(world.pairs.slots.count, 65536);
	assert_int_equal(calls(&world, "front", "mysql"), 10);
	meet(&world, 1, false, "mysqld", "", T0); /* its caller was given up */
	meet(&world, 65546, false, "mysqld", "", T0);
	assert_int_equal(calls(&world, "front", "mysqld"), 1);
	world_fini(&world);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(either_span_may_come_first),
		cmocka_unit_test(a_call_within_a_service_is_no_edge),
		cmocka_unit_test(an_unmatched_caller_becomes_an_edge_to_its_peer_after_a_minute),
		cmocka_unit_test(a_matched_caller_is_not_counted_by_peer_too),
		cmocka_unit_test(the_same_caller_twice_is_one_call),
		cmocka_unit_test(a_message_has_many_consumers_before_and_after_it),
		cmocka_unit_test(a_full_table_gives_the_oldest_up_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
