/* test_index: which segments have a trace, under growth, removal and one frequent trace. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "maker.h"
#include "storage/index.h"

#define SEGMENTS 400u
#define TRACES 500u

static uint32_t found(const struct weir_index *index, uint32_t hash, uint32_t segment)
{
	struct weir_buf segments;
	uint32_t count = 0;

	weir_buf_init(&segments, 0);
	weir_index_find(index, hash, &segments);
	for (size_t i = 0; i < segments.length / 4; i++) {
		count += ((const uint32_t *)segments.data)[i] == segment;
	}
	weir_buf_fini(&segments);
	return count;
}

static void hashes_of(uint32_t segment, uint32_t *ret_hashes)
{
	struct maker maker;

	maker_init(&maker, segment + 1);
	for (unsigned i = 0; i < TRACES; i++) {
		ret_hashes[i] = (uint32_t)(maker_random(&maker) >> 32);
	}
	ret_hashes[0] = 0xabcd1234; /* in every segment */
	maker_fini(&maker);
}

static void what_was_added_is_found_until_it_is_removed(void **state)
{
	static uint32_t hashes[TRACES];
	struct weir_index *index;

	(void)state;
	assert_int_equal(weir_index_create(&index), 0);
	for (uint32_t segment = 0; segment < SEGMENTS; segment++) {
		hashes_of(segment, hashes);
		assert_int_equal(weir_index_add(index, hashes, TRACES, segment), 0);
	}
	assert_int_equal(weir_index_entries(index), SEGMENTS * TRACES);
	for (uint32_t segment = 0; segment < SEGMENTS; segment += 2) {
		hashes_of(segment, hashes);
		weir_index_remove(index, hashes, TRACES, segment);
	}
	for (uint32_t segment = 0; segment < SEGMENTS; segment++) {
		hashes_of(segment, hashes);
		for (unsigned i = 0; i < TRACES; i++) {
			assert_int_equal(found(index, hashes[i], segment), segment % 2);
		}
	}
	assert_int_equal(weir_index_entries(index), SEGMENTS / 2 * TRACES);
	weir_index_destroy(index);
}

static void one_trace_in_very_many_segments_is_borne(void **state)
{
	const uint32_t hash = 0x55555555;
	struct weir_index *index;

	(void)state;
	assert_int_equal(weir_index_create(&index), 0);
	for (uint32_t segment = 0; segment < 20000; segment++) {
		assert_int_equal(weir_index_add(index, &hash, 1, segment), 0);
	}
	assert_int_equal(found(index, hash, 19999), 1);
	for (uint32_t segment = 0; segment < 20000; segment++) {
		weir_index_remove(index, &hash, 1, segment);
	}
	assert_int_equal(weir_index_entries(index), 0);
	weir_index_destroy(index);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_was_added_is_found_until_it_is_removed),
		cmocka_unit_test(one_trace_in_very_many_segments_is_borne),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
