/* fill: see the header. */
#include "fill.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static uint64_t fill_of(const struct weir_ring *ring)
{
	return weir_ring_head(ring) - weir_ring_tail(ring);
}

void fill_up(struct weir_ring *ring, unsigned sixty_fourths)
{
	struct weir_batch batch = { .size_bytes = sizeof(batch), .version = WEIR_BATCH_VERSION };

	while (fill_of(ring) < weir_ring_capacity(ring) / 64 * sixty_fourths) {
		assert_int_equal(weir_ring_put(ring, &batch, NULL), 0);
	}
}

void fill_down(struct weir_ring *ring, unsigned sixty_fourths)
{
	struct weir_ring_entry entry;

	while (fill_of(ring) >= weir_ring_capacity(ring) / 64 * sixty_fourths) {
		assert_int_equal(weir_ring_next(ring, 0, &entry), 0);
		weir_ring_release(ring, entry.end);
	}
}
