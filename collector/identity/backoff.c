/* backoff: see the header. Pure but for the struct; any thread, one at a time. */
#include "identity/backoff.h"

#define SECOND_NS UINT64_C(1000000000)

struct weir_backoff weir_backoff_of(const char *asker)
{
	uint64_t share = 5381;

	for (; *asker != '\0'; asker++) {
		share = share * 33 + (uint8_t)*asker;
	}
	return (struct weir_backoff){ .next_ns = WEIR_BACKOFF_FIRST_NS, .share = (uint8_t)(share % 256) };
}

uint64_t weir_backoff_take(struct weir_backoff *backoff, uint64_t retry_s)
{
	uint64_t half_ns = backoff->next_ns / 2, ns = half_ns + half_ns * backoff->share / 256;
	uint64_t asked_ns = retry_s < WEIR_BACKOFF_MOST_NS / SECOND_NS ? retry_s * SECOND_NS : WEIR_BACKOFF_MOST_NS;

	backoff->next_ns *= 2;
	backoff->next_ns = backoff->next_ns < WEIR_BACKOFF_MOST_NS ? backoff->next_ns : WEIR_BACKOFF_MOST_NS;
	return ns > asked_ns ? ns : asked_ns;
}

void weir_backoff_reset(struct weir_backoff *backoff)
{
	backoff->next_ns = WEIR_BACKOFF_FIRST_NS;
}
