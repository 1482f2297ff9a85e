/* test_slots: entries are found by key, kept in order of use and saved as what changed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/slots.h"

struct entry {
	struct weir_slot head;
	uint64_t value;
};

static struct weir_slot_key key_of(uint64_t n)
{
	return (struct weir_slot_key){ n, n * 3 };
}

static void add(struct weir_slots *slots, uint64_t n, uint32_t list)
{
	struct entry *entry = weir_slots_at(slots, weir_slots_add(slots, key_of(n), list, 7));

	entry->value = n * 10;
}

static uint64_t value_of(const struct weir_slots *slots, uint64_t n)
{
	uint32_t slot = weir_slots_find(slots, key_of(n));

	return slot == WEIR_SLOTS_NONE ? 0 : ((const struct entry *)weir_slots_at(slots, slot))->value;
}

static size_t save(struct weir_slots *from, struct weir_slots *to, bool all)
{
	struct weir_blob_reader reader;
	struct weir_buf buf;
	size_t length;

	weir_buf_init(&buf, 0);
	weir_slots_save(from, all, &buf);
	reader.at = (const unsigned char *)buf.data;
	reader.end = reader.at + buf.length;
	reader.is_bad = false;
	assert_int_equal(weir_slots_load(to, &reader), 0);
	assert_ptr_equal(reader.at, reader.end);
	length = buf.length;
	weir_buf_fini(&buf);
	return length;
}

static void entries_are_found_until_they_are_removed(void **state)
{
	struct weir_slots slots;

	(void)state;
	weir_slots_init(&slots, sizeof(struct entry), 1000, 1);
	for (uint64_t i = 1; i <= 1000; i++) {
		add(&slots, i, i % 2);
	}
	for (uint64_t i = 1; i <= 1000; i += 3) {
		weir_slots_remove(&slots, weir_slots_find(&slots, key_of(i)));
	}
	for (uint64_t i = 1; i <= 1000; i++) {
		assert_int_equal(value_of(&slots, i), i % 3 == 1 ? 0 : i * 10);
	}
	assert_int_equal(slots.count, 666);
	weir_slots_fini(&slots);
}

static void entries_of_one_key_are_met_newest_first(void **state)
{
	struct weir_slots slots;
	uint32_t slot;

	(void)state;
	weir_slots_init(&slots, sizeof(struct entry), 10, 1);
	for (uint64_t i = 1; i <= 3; i++) {
		slot = weir_slots_add(&slots, key_of(5), 0, 7);
		((struct entry *)weir_slots_at(&slots, slot))->value = i;
	}
	slot = weir_slots_find(&slots, key_of(5));
	for (uint64_t i = 3; i >= 1; i--) {
		assert_int_equal(((struct entry *)weir_slots_at(&slots, slot))->value, i);
		slot = weir_slots_next(&slots, slot);
	}
	assert_int_equal(slot, WEIR_SLOTS_NONE);
	weir_slots_fini(&slots);
}

static void use_moves_an_entry_to_the_young_end_of_a_list(void **state)
{
	struct weir_slots slots;
	uint32_t first;

	(void)state;
	weir_slots_init(&slots, sizeof(struct entry), 10, 1);
	add(&slots, 1, 0);
	add(&slots, 2, 0);
	first = slots.oldest[0];
	weir_slots_use(&slots, first, 0, 8);
	assert_int_equal(slots.newest[0], first);
	weir_slots_use(&slots, first, 1, 8);
	assert_int_equal(slots.oldest[1], first);
	assert_int_equal(slots.oldest[0], slots.newest[0]);
	weir_slots_fini(&slots);
}

static void what_came_and_went_between_two_cuts_costs_nothing(void **state)
{
	struct weir_slots slots, loaded;
	size_t bare;

	(void)state;
	weir_slots_init(&slots, sizeof(struct entry), 1000, 1);
	weir_slots_init(&loaded, sizeof(struct entry), 1000, 2);
	add(&slots, 1, 0);
	add(&slots, 2, 1);
	save(&slots, &loaded, true);
	bare = save(&slots, &loaded, false);
	for (uint64_t i = 3; i < 100; i++) {
		add(&slots, i, 0);
		weir_slots_remove(&slots, weir_slots_find(&slots, key_of(i)));
	}
	assert_true(save(&slots, &loaded, false) <= bare + 1); /* the next number is longer */
	weir_slots_remove(&slots, weir_slots_find(&slots, key_of(1)));
	add(&slots, 200, 0); /* in the same slot */
	weir_slots_use(&slots, weir_slots_find(&slots, key_of(2)), 0, 9);
	save(&slots, &loaded, false);
	assert_int_equal(value_of(&loaded, 1), 0);
	assert_int_equal(value_of(&loaded, 2), 20);
	assert_int_equal(value_of(&loaded, 200), 2000);
	assert_int_equal(loaded.count, 2);
	assert_int_equal(loaded.oldest[1], WEIR_SLOTS_NONE);
	weir_slots_fini(&slots);
	weir_slots_fini(&loaded);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(entries_are_found_until_they_are_removed),
		cmocka_unit_test(entries_of_one_key_are_met_newest_first),
		cmocka_unit_test(use_moves_an_entry_to_the_young_end_of_a_list),
		cmocka_unit_test(what_came_and_went_between_two_cuts_costs_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
