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

/* One span of Zipkin's: what is shared is keyed by its own id. */
static void meet_zipkin(struct world *world, uint64_t id, uint64_t parent, bool is_caller, bool is_shared,
	const char *service, const char *peer)
{
	const struct weir_pair_span span = { .key = key_of(is_caller || is_shared ? id : parent),
		.is_caller = is_caller,
		.is_shared = is_shared,
		.has_parent = parent != 0,
		.parent = key_of(parent),
		.service = weir_edges_name(&world->edges, weir_str_of(service)),
		.peer = weir_str_of(peer) };

	weir_pairs_meet(&world->pairs, &span, T0);
}

static void who_says_shared_of_an_id_of_its_own_is_met_by_the_caller_that_names_it(void **state)
{
	(void)state;
	for (int order = 0; order < 2; order++) {
		struct world world;

		world_init(&world);
		for (int i = 0; i < 2; i++) {
			if (i == order) {
				meet_zipkin(&world, 2, 1, true, false, "web", "auth");
			} else {
				meet_zipkin(&world, 3, 2, false, true, "auth", "");
			}
		}
		assert_int_equal(calls(&world, "web", "auth"), 1);
		assert_int_equal(world.pairs.slots.count, 0);
		assert_int_equal(world.pairs.shared, 0);
		world_fini(&world);
	}
}

/* a ─1─▶ b ─2─▶ c, both ids shared, in every order of arrival. */
static void who_shares_is_met_by_its_caller_and_not_by_the_one_before(void **state)
{
	(void)state;
	for (int order = 0; order < 256; order++) {
		const int places[4] = { order & 3, order >> 2 & 3, order >> 4 & 3, order >> 6 & 3 };
		struct world world;

		if ((1 << places[0] | 1 << places[1] | 1 << places[2] | 1 << places[3]) != 15) {
			continue;
		}
		world_init(&world);
		for (int i = 0; i < 4; i++) {
			switch (places[i]) {
			case 0:
				meet_zipkin(&world, 1, 9, true, false, "a", "b");
				break;
			case 1:
				meet_zipkin(&world, 1, 9, false, true, "b", "");
				break;
			case 2:
				meet_zipkin(&world, 2, 1, true, false, "b", "");
				break;
			default:
				meet_zipkin(&world, 2, 1, false, true, "c", "");
				break;
			}
		}
		assert_int_equal(calls(&world, "a", "b"), 1);
		assert_int_equal(calls(&world, "b", "c"), 1);
		assert_int_equal(calls(&world, "a", "c"), 0);
		assert_int_equal(world.pairs.slots.count, 0);
		world_fini(&world);
	}
}

static void what_is_shared_and_not_met_is_given_up(void **state)
{
	struct world world;

	(void)state;
	world_init(&world);
	meet_zipkin(&world, 3, 2, false, true, "auth", "");
	meet_zipkin(&world, 2, 1, true, false, "web", "other");
	assert_int_equal(world.pairs.shared, 1);
	world.pairs.shared = 7;
	weir_pairs_recount(&world.pairs);
	assert_int_equal(world.pairs.shared, 1);
	weir_pairs_expire(&world.pairs, T0 + 90 * (uint64_t)S);
	assert_int_equal(world.pairs.shared, 0);
	assert_int_equal(calls(&world, "web", "auth"), 0);
	assert_int_equal(calls(&world, "web", "other"), 1);
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
		cmocka_unit_test(who_says_shared_of_an_id_of_its_own_is_met_by_the_caller_that_names_it),
		cmocka_unit_test(who_shares_is_met_by_its_caller_and_not_by_the_one_before),
		cmocka_unit_test(what_is_shared_and_not_met_is_given_up),
		cmocka_unit_test(a_full_table_gives_the_oldest_up_early),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
