/* crash_points: ends the process with SIGKILL at the n-th visit of a named
 * point: WEIR_CRASH=after_reserve:3. Linked into the test binary only. */
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/crash.h"

static char wanted[64];
static _Atomic long left;

static void visit(const char *point)
{
	if (strcmp(point, wanted) == 0 && atomic_fetch_sub(&left, 1) == 1) {
		kill(getpid(), SIGKILL);
		/* Another thread may still run until the signal is delivered; this one goes no further. */
		pause();
	}
}

__attribute__((constructor)) static void set_hook(void)
{
	const char *text = getenv("WEIR_CRASH");
	const char *colon = text != NULL ? strchr(text, ':') : NULL;

	if (colon == NULL || (size_t)(colon - text) >= sizeof(wanted)) {
		return;
	}
	memcpy(wanted, text, (size_t)(colon - text));
	atomic_store(&left, strtol(colon + 1, NULL, 10));
	weir_crash_hook = visit;
}
