/* test_alive: a trace is here from its first batch until its last segment is gone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include <string.h>

#include "rig.h"
#include "storage/alive.h"
#include "storage/inside.h"

#define NOW 1700000000000000000u

static void id_of(uint8_t *id, uint64_t trace)
{
	memset(id, 0, 16);
	for (unsigned i = 0; i < 8; i++) {
		id[8 + i] = (uint8_t)(trace >> (56 - 8 * i));
	}
}

static void trace_add(struct rig *rig, uint64_t trace)
{
	uint32_t front = maker_resource(&rig->maker, "front");

	maker_span(&rig->maker, trace, trace * 10 + 1, 0, front, "get /", NOW, 5000000);
	maker_span(&rig->maker, trace, trace * 10 + 2, trace * 10 + 1, front, "query", NOW, 5000000);
	rig_add(rig, maker_batch(&rig->maker, NOW));
}

/* Which of the traces 1 … count are here, as bits. */
static unsigned here(const struct weir_alive *alive, unsigned count)
{
	unsigned bits = 0;

	for (unsigned trace = 1; trace <= count; trace++) {
		uint8_t id[16];

		id_of(id, trace);
		bits |= weir_alive_has(alive, id) ? 1u << trace : 0;
	}
	return bits;
}

static void open_sealed_and_stored_traces_are_here_and_others_are_not(void **state)
{
	struct weir_alive *alive;
	struct rig rig;

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	assert_int_equal(weir_alive_create(rig.store, rig.windows, &alive), 0);
	assert_int_equal(here(alive, 4), 0);
	weir_alive_destroy(alive);
	trace_add(&rig, 1);
	rig_seal(&rig); /* nobody stores it yet */
	trace_add(&rig, 2);
	assert_int_equal(weir_alive_create(rig.store, rig.windows, &alive), 0);
	assert_int_equal(here(alive, 4), 1u << 1 | 1u << 2);
	trace_add(&rig, 3); /* too late for this one */
	assert_int_equal(here(alive, 4), 1u << 1 | 1u << 2);
	/* Nothing is held: the writer stores and lets the ring go, and what was here stays here. */
	rig_start(&rig);
	rig_wait_stored(&rig, 1);
	assert_int_equal(here(alive, 4), 1u << 1 | 1u << 2);
	weir_alive_destroy(alive);
	assert_int_equal(weir_alive_create(rig.store, rig.windows, &alive), 0);
	assert_int_equal(here(alive, 4), 1u << 1 | 1u << 2 | 1u << 3);
	weir_alive_destroy(alive);
	weir_alive_destroy(NULL);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void a_trace_is_gone_with_its_segment(void **state)
{
	struct weir_alive *alive;
	struct rig rig;
	uint32_t hash;
	uint8_t id[16];

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	rig_start(&rig);
	trace_add(&rig, 1);
	trace_add(&rig, 2);
	rig_seal(&rig);
	rig_wait_stored(&rig, 1);
	assert_int_equal(weir_alive_create(rig.store, rig.windows, &alive), 0);
	assert_int_equal(here(alive, 4), 1u << 1 | 1u << 2);
	weir_alive_destroy(alive);
	/* Retention retires a segment; here one with trace 3 alone. */
	id_of(id, 3);
	hash = weir_segment_trace_hash(id, rig.store->found.hash_seed);
	assert_int_equal(weir_catalog_publish(rig.store->catalog,
				 &(struct weir_catalog_entry){ .id = 1000, .is_indexed = true }, &hash, 1),
		0);
	assert_int_equal(weir_alive_create(rig.store, rig.windows, &alive), 0);
	assert_int_equal(here(alive, 4), 1u << 1 | 1u << 2 | 1u << 3);
	assert_int_equal(weir_catalog_retire(rig.store->catalog, 1000, &hash, 1), 0);
	assert_int_equal(here(alive, 4), 1u << 1 | 1u << 2);
	weir_alive_destroy(alive);
	rig_stop(&rig);
	rig_fini(&rig);
}

static void many_traces_fit(void **state)
{
	enum { TRACES = 3000 };
	struct weir_alive *alive;
	struct rig rig;
	unsigned wrong = 0;
	uint8_t id[16];

	(void)state;
	rig_init(&rig);
	rig_open(&rig);
	for (uint64_t trace = 1; trace <= TRACES; trace++) {
		trace_add(&rig, trace * 2);
	}
	assert_int_equal(weir_alive_create(rig.store, rig.windows, &alive), 0);
	for (uint64_t trace = 1; trace <= TRACES; trace++) {
		id_of(id, trace * 2);
		assert_true(weir_alive_has(alive, id));
		id_of(id, trace * 2 + 1);
		wrong += weir_alive_has(alive, id);
	}
	assert_true(wrong <= 1); /* hashes of 32 bits */
	weir_alive_destroy(alive);
	rig_stop(&rig);
	rig_fini(&rig);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(open_sealed_and_stored_traces_are_here_and_others_are_not),
		cmocka_unit_test(a_trace_is_gone_with_its_segment),
		cmocka_unit_test(many_traces_fit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
