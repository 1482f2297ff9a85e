/* window: what arrived in about a second, as a stretch of the ring.
 *
 * A window copies nothing: it lists the batches that lie in the ring between
 * two positions. They stay there until the window is stored and released.
 *
 * States: open (the aggregate thread appends, readers see the published
 * length) → sealed (immutable, carries the delta of the fold's tables, waits
 * for the writer) → stored (committed; gone when the last reader lets go).
 * The ring is released up to the end of the last window that is stored and
 * held by nobody. At most WEIR_WINDOWS_SEALED wait; then the aggregate thread
 * stops reading and the ring fills. Only while the store fails (and whoever can
 * come again is refused) does it read on, so that streams are still counted:
 * the open window grows until the ring is full. */
#ifndef WEIR_AGGREGATE_WINDOW_H
#define WEIR_AGGREGATE_WINDOW_H

#include <stdbool.h>
#include <stdint.h>

#include "base/buf.h"
#include "ring/ring.h"

#define WEIR_WINDOWS_SEALED 4u
#define WEIR_WINDOW_BYTES (4u << 20)
#define WEIR_WINDOW_NS 1000000000u

struct weir_window {
	uint64_t number;      /* 1, 2, …; continues over restarts from the stored one */
	uint64_t begin, end;  /* ring positions; `end` grows while open */
	uint64_t opened_ns;   /* arrival of its first batch */
	uint32_t batch_count; /* while open read it through weir_window_view */
	uint64_t span_count, request_count, connection_count;
	const struct weir_batch **batches; /* without repeated ones; thinned ones are left out too */
	struct weir_buf delta;             /* changes of the fold's tables, cut at the seal */
	bool is_image;                     /* delta is a full image instead */
};

struct weir_windows;

int weir_windows_create(uint64_t first_number, struct weir_windows **ret_windows);
void weir_windows_destroy(struct weir_windows *windows);

/* --- the aggregate thread --- */
/* Adds to the open window (opening one when there is none) and publishes. NULL
 * batch: only the position moves. -ENOMEM. */
int weir_windows_add(struct weir_windows *windows, const struct weir_ring_entry *entry, bool keeps_detail);
struct weir_window *weir_windows_open_one(struct weir_windows *windows); /* NULL: nothing since the last seal */
/* Hands the open window to the writer. Waits while WEIR_WINDOWS_SEALED wait. */
void weir_windows_seal(struct weir_windows *windows);
uint32_t weir_windows_sealed(struct weir_windows *windows); /* how many wait */
bool weir_windows_is_empty(struct weir_windows *windows);   /* none is open, and all are stored */
/* No room, but the store is failing, and the open window can take another
 * batch: numbers go on, in a window that is longer than usual. */
bool weir_windows_may_grow(const struct weir_windows *windows);
bool weir_windows_is_failing(const struct weir_windows *windows); /* as the writer said last */

/* --- the writer --- */
/* The oldest sealed window, or NULL within wait_ms. Stays listed for readers. */
struct weir_window *weir_windows_take(struct weir_windows *windows, int64_t wait_ms);
/* It is committed: unlists it. Returns the ring position up to which nobody holds anything. */
uint64_t weir_windows_stored(struct weir_windows *windows, struct weir_window *window);
/* The same position without storing anything: it moves when a reader lets go.
 * The writer asks when take gave NULL, else a ring that filled up while a
 * reader held its oldest part would stay full. */
uint64_t weir_windows_releasable(struct weir_windows *windows);
/* The store fails, or stores again: see weir_windows_may_grow(). */
void weir_windows_set_failing(struct weir_windows *windows, bool is_failing);
void weir_windows_stop(struct weir_windows *windows); /* take returns NULL at once when none is left */

/* --- readers --- */
struct weir_window_view { /* one window as it was when asked */
	const struct weir_window *window;
	uint32_t batch_count;
};

#define WEIR_WINDOW_VIEWS (WEIR_WINDOWS_SEALED + 3u)

/* All unstored windows, oldest first, held until let go. Hold them for
 * milliseconds only: copy what you need. Returns how many. */
uint32_t weir_windows_hold(struct weir_windows *windows, struct weir_window_view views[WEIR_WINDOW_VIEWS]);
/* Lets go; returns nothing. The writer learns of it at its next release. */
void weir_windows_let_go(struct weir_windows *windows, const struct weir_window_view *views, uint32_t count);

#endif
