/* test_clock: moments to wait for. */
#include "base/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#define S UINT64_C(1000000000)

static uint64_t ns_of(struct timespec moment)
{
	assert_in_range(moment.tv_nsec, 0, S - 1); /* else a wait is EINVAL */
	return (uint64_t)moment.tv_sec * S + (uint64_t)moment.tv_nsec;
}

static void later_is_that_much_later_on_the_monotonic_clock(void **state)
{
	static const uint64_t waits[] = { 0, 1, 1000000, S - 1, S, S + S / 2, 86400 * S };

	(void)state;
	for (size_t i = 0; i < sizeof(waits) / sizeof(waits[0]); i++) {
		uint64_t before = weir_clock_monotonic_ns(), then = ns_of(weir_clock_later(waits[i]));

		assert_in_range(then, before + waits[i], weir_clock_monotonic_ns() + waits[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(later_is_that_much_later_on_the_monotonic_clock),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
