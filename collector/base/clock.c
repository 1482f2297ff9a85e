/* clock: wall time and monotonic time in nanoseconds. */
#include "base/clock.h"

static uint64_t read_clock(clockid_t which)
{
	struct timespec now;

	clock_gettime(which, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t weir_clock_now_ns(void)
{
	return read_clock(CLOCK_REALTIME);
}

uint64_t weir_clock_monotonic_ns(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

struct timespec weir_clock_later(uint64_t wait_ns)
{
	uint64_t then_ns = weir_clock_monotonic_ns() + wait_ns;

	return (struct timespec){ .tv_sec = (time_t)(then_ns / 1000000000u), .tv_nsec = (long)(then_ns % 1000000000u) };
}
