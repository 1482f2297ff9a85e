/* cpu: what the process has spent so far, user and system, of all its threads. */
#ifndef WEIR_BENCH_CPU_H
#define WEIR_BENCH_CPU_H

#include <time.h>

static inline double cpu_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
	return (double)now.tv_sec * 1e9 + (double)now.tv_nsec;
}

#endif
