/* clock: the two clocks. Only listeners, thread loops and exporters may ask;
 * the fold never does (a batch carries its time of arrival). */
#ifndef WEIR_BASE_CLOCK_H
#define WEIR_BASE_CLOCK_H

#include <stdint.h>
#include <time.h>

uint64_t weir_clock_now_ns(void);       /* since 1970, wall time */
uint64_t weir_clock_monotonic_ns(void); /* for waits and durations */

/* So much later than now on the monotonic clock, which nobody sets: for pthread_cond_clockwait() and its like. */
struct timespec weir_clock_later(uint64_t wait_ns);

#endif
