/* test_digest: a repeated batch is known for ten minutes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/digest.h"

#define T0 1700000000000000000u
#define S UINT64_C(1000000000)

static bool saw(struct weir_digests *digests, uint64_t number, uint64_t now_ns)
{
	uint8_t digest[16] = { 0 };

	memcpy(digest, &number, sizeof(number));
	weir_digests_expire(digests, now_ns);
	return weir_digests_saw(digests, digest, now_ns);
}

static void a_batch_is_known_the_second_time(void **state)
{
	struct weir_digests digests;

	(void)state;
	weir_digests_init(&digests, 1);
	assert_false(saw(&digests, 5, T0));
	assert_true(saw(&digests, 5, T0));
	assert_false(saw(&digests, 6, T0));
	weir_digests_fini(&digests);
}

static void a_stream_is_never_known(void **state)
{
	struct weir_digests digests;

	(void)state;
	weir_digests_init(&digests, 1);
	assert_false(saw(&digests, 0, T0));
	assert_false(saw(&digests, 0, T0));
	assert_int_equal(digests.slots.count, 0);
	weir_digests_fini(&digests);
}

static void ten_minutes_run_from_the_first_arrival(void **state)
{
	struct weir_digests digests;

	(void)state;
	weir_digests_init(&digests, 1);
	assert_false(saw(&digests, 5, T0));
	assert_true(saw(&digests, 5, T0 + 590 * S));
	assert_false(saw(&digests, 5, T0 + 605 * S));
	weir_digests_fini(&digests);
}

static void a_full_table_forgets_the_oldest(void **state)
{
	struct weir_digests digests;

	(void)state;
	weir_digests_init(&digests, 1);
	for (uint64_t i = 1; i <= 131072 + 1; i++) {
		assert_false(saw(&digests, i, T0));
	}
	assert_int_equal(digests.slots.count, 131072);
	assert_true(saw(&digests, 2, T0));
	assert_false(saw(&digests, 1, T0));
	weir_digests_fini(&digests);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_batch_is_known_the_second_time),
		cmocka_unit_test(a_stream_is_never_known),
		cmocka_unit_test(ten_minutes_run_from_the_first_arrival),
		cmocka_unit_test(a_full_table_forgets_the_oldest),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
