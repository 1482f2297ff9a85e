/* How long a server that failed is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "identity/backoff.h"

#define SECOND UINT64_C(1000000000)

static void waits_double_up_to_a_bound_and_begin_again_when_it_went_well(void **state)
{
	struct weir_backoff backoff = weir_backoff_of("node-a");
	uint64_t due = SECOND;

	(void)state;
	for (unsigned i = 0; i < 10; i++) {
		uint64_t wait = weir_backoff_take(&backoff, 0);

		assert_true(wait >= due / 2 && wait < due);
		due = due * 2 < WEIR_BACKOFF_MOST_NS ? due * 2 : WEIR_BACKOFF_MOST_NS;
	}
	weir_backoff_reset(&backoff);
	assert_true(weir_backoff_take(&backoff, 0) < SECOND);
}

static void nodes_do_not_come_back_at_one_moment(void **state)
{
	struct weir_backoff a = weir_backoff_of("node-a"), b = weir_backoff_of("node-b"), none = weir_backoff_of("");

	(void)state;
	assert_int_not_equal(weir_backoff_take(&a, 0), weir_backoff_take(&b, 0));
	assert_true(weir_backoff_take(&none, 0) >= SECOND / 2);
}

static void a_server_may_ask_for_more_but_not_for_ever(void **state)
{
	struct weir_backoff backoff = weir_backoff_of("node-a");

	(void)state;
	assert_int_equal(weir_backoff_take(&backoff, 7), 7 * SECOND);
	assert_true(weir_backoff_take(&backoff, 1) >= SECOND);
	assert_int_equal(weir_backoff_take(&backoff, UINT64_MAX), WEIR_BACKOFF_MOST_NS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(waits_double_up_to_a_bound_and_begin_again_when_it_went_well),
		cmocka_unit_test(nodes_do_not_come_back_at_one_moment),
		cmocka_unit_test(a_server_may_ask_for_more_but_not_for_ever),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
