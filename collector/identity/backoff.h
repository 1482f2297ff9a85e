/* backoff: how long to wait before a server that failed is asked again: 1 s, 2 s
 * … 30 s. A part of each wait is the asker's own, so that a thousand nodes do
 * not come back at one moment. */
#ifndef WEIR_IDENTITY_BACKOFF_H
#define WEIR_IDENTITY_BACKOFF_H

#include <stdint.h>

#define WEIR_BACKOFF_FIRST_NS UINT64_C(1000000000)
#define WEIR_BACKOFF_MOST_NS UINT64_C(30000000000) /* also of what a server asks for */

struct weir_backoff {
	uint64_t next_ns;
	uint8_t share; /* of 256: the asker's own */
};

struct weir_backoff weir_backoff_of(const char *asker);

/* How long to wait now, at least half of what is due; longer the next time. `retry_s`: what the server asks for, or 0. */
uint64_t weir_backoff_take(struct weir_backoff *backoff, uint64_t retry_s);
/* It went well: the next wait is the first again. */
void weir_backoff_reset(struct weir_backoff *backoff);

#endif
