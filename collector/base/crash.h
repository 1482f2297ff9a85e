/* crash: named points at which a test may end the process.
 *
 * The product never sets the hook, so a point costs one load. The test binary
 * (tests/support/crash_points.c) sets it and raises SIGKILL at the n-th visit,
 * to prove that what was answered is kept at every one of them. */
#ifndef WEIR_BASE_CRASH_H
#define WEIR_BASE_CRASH_H

#include <stddef.h>

extern void (*weir_crash_hook)(const char *point);

static inline void weir_crash_point(const char *point)
{
	if (__builtin_expect(weir_crash_hook != NULL, 0)) {
		weir_crash_hook(point);
	}
}

#endif
