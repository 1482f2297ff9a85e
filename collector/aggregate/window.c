/* window: what arrived in about a second, as a stretch of the ring.
 *
 *   aggregate thread      writer            readers
 *   add … add, seal ──▶ take, stored     hold … let_go
 *
 *   open ──seal──▶ sealed ──take──▶ taken ──stored──▶ (held: limbo) ──▶ gone
 *
 * All windows that are not stored are in `listed`, oldest first; the last may
 * be open. A stored window that a reader still holds waits in limbo, off the
 * list, so the writer never waits for a reader; only the ring's release does.
 *
 * Invariants
 *  1. listed holds at most LISTED_MAX windows, at most WEIR_WINDOWS_SEALED of
 *     them sealed and not taken.
 *  2. batches[0 … batch_count) of a window never change once published; the
 *     array is allocated whole, so it never moves under a reader (untouched
 *     pages cost nothing).
 *  3. batch_count is stored last (release) and read first (acquire).
 *  4. What weir_windows_stored returns never goes down, and lies at or before
 *     the begin of every window that is listed or held.
 *
 * The mutex guards the list, the states and the reference counts; adding to an
 * open window takes it only when the window is new. */
#include "aggregate/window.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/err.h"

#define LISTED_MAX (WEIR_WINDOW_VIEWS - 1u)
/* No batch is smaller than its header, and a window is sealed once it has WEIR_WINDOW_BYTES
 * (while the store fails, once this list is full). */
#define BATCHES_MAX (WEIR_WINDOW_BYTES / sizeof(struct weir_batch) + 1u)

struct kept_window {
	struct weir_window window; /* first: readers and writer see this */
	struct kept_window *next;  /* in limbo */
	uint32_t holders;
	bool is_sealed, is_taken;
};

struct weir_windows {
	pthread_mutex_t mutex;
	pthread_cond_t sealed, stored; /* a window was sealed; one was stored, or stop */
	struct kept_window *listed[LISTED_MAX];
	uint32_t listed_count, waiting_count;
	struct kept_window *open; /* the aggregate thread's own; the last of listed, or NULL */
	struct kept_window *limbo;
	uint64_t next_number, stored_end, released;
	bool is_failing; /* atomic: as the writer said last */
	bool is_stopped;
};

int weir_windows_create(uint64_t first_number, struct weir_windows **ret_windows)
{
	struct weir_windows *windows = calloc(1, sizeof(*windows));

	if (windows == NULL) {
		return -ENOMEM;
	}
	pthread_mutex_init(&windows->mutex, NULL);
	pthread_cond_init(&windows->sealed, NULL);
	pthread_cond_init(&windows->stored, NULL);
	windows->next_number = first_number;
	*ret_windows = windows;
	return 0;
}

static void kept_free(struct kept_window *kept)
{
	weir_buf_fini(&kept->window.delta);
	free(kept->window.batches);
	free(kept);
}

void weir_windows_destroy(struct weir_windows *windows)
{
	if (windows == NULL) {
		return;
	}
	for (uint32_t i = 0; i < windows->listed_count; i++) {
		kept_free(windows->listed[i]);
	}
	while (windows->limbo != NULL) {
		struct kept_window *next = windows->limbo->next;

		kept_free(windows->limbo);
		windows->limbo = next;
	}
	pthread_cond_destroy(&windows->sealed);
	pthread_cond_destroy(&windows->stored);
	pthread_mutex_destroy(&windows->mutex);
	free(windows);
}

/* --- the aggregate thread ------------------------------------------------- */

static int window_open(struct weir_windows *windows, const struct weir_ring_entry *entry)
{
	struct kept_window *kept = calloc(1, sizeof(*kept));

	if (kept == NULL) {
		return -ENOMEM;
	}
	kept->window.batches = malloc(BATCHES_MAX * sizeof(*kept->window.batches));
	if (kept->window.batches == NULL) {
		free(kept);
		return -ENOMEM;
	}
	weir_buf_init(&kept->window.delta, 0);
	kept->window.begin = kept->window.end = entry->begin;
	kept->window.opened_ns = entry->batch != NULL ? entry->batch->received_ns : 0;
	pthread_mutex_lock(&windows->mutex);
	/* A seal makes sure of room for the next window. */
	weir_assert(windows->listed_count < LISTED_MAX);
	kept->window.number = windows->next_number++;
	windows->listed[windows->listed_count++] = kept;
	windows->open = kept;
	pthread_mutex_unlock(&windows->mutex);
	return 0;
}

int weir_windows_add(struct weir_windows *windows, const struct weir_ring_entry *entry, bool keeps_detail)
{
	struct weir_window *window;
	uint32_t count;
	int error;

	if (windows->open == NULL) {
		error = window_open(windows, entry);
		if (error != 0) {
			return error;
		}
	}
	window = &windows->open->window;
	count = window->batch_count;
	if (entry->batch != NULL && keeps_detail) {
		if (count == BATCHES_MAX) {
			return -ENOMEM;
		}
		window->batches[count] = entry->batch;
		window->span_count += entry->batch->spans.count;
		window->request_count += entry->batch->requests.count;
		window->connection_count += entry->batch->connections.count;
		count++;
	}
	window->end = entry->end;
	__atomic_store_n(&window->batch_count, count, __ATOMIC_RELEASE);
	return 0;
}

struct weir_window *weir_windows_open_one(struct weir_windows *windows)
{
	return windows->open != NULL ? &windows->open->window : NULL;
}

static bool has_room(const struct weir_windows *windows)
{
	return windows->waiting_count < WEIR_WINDOWS_SEALED && windows->listed_count < LISTED_MAX;
}

void weir_windows_seal(struct weir_windows *windows)
{
	if (windows->open == NULL) {
		return;
	}
	pthread_mutex_lock(&windows->mutex);
	while (!has_room(windows) && !windows->is_stopped) {
		pthread_cond_wait(&windows->stored, &windows->mutex);
	}
	if (has_room(windows)) {
		windows->open->is_sealed = true;
		windows->open = NULL;
		windows->waiting_count++;
		pthread_cond_broadcast(&windows->sealed);
	}
	pthread_mutex_unlock(&windows->mutex);
}

uint32_t weir_windows_sealed(struct weir_windows *windows)
{
	uint32_t count;

	pthread_mutex_lock(&windows->mutex);
	count = has_room(windows) ? windows->waiting_count : WEIR_WINDOWS_SEALED;
	pthread_mutex_unlock(&windows->mutex);
	return count;
}

bool weir_windows_is_empty(struct weir_windows *windows)
{
	bool is_empty;

	pthread_mutex_lock(&windows->mutex);
	is_empty = windows->listed_count == 0;
	pthread_mutex_unlock(&windows->mutex);
	return is_empty;
}

bool weir_windows_is_failing(const struct weir_windows *windows)
{
	return __atomic_load_n(&windows->is_failing, __ATOMIC_RELAXED);
}

bool weir_windows_may_grow(const struct weir_windows *windows)
{
	return weir_windows_is_failing(windows) && windows->open != NULL &&
	       windows->open->window.batch_count < BATCHES_MAX;
}

/* --- the writer ----------------------------------------------------------- */

static struct kept_window *take_oldest(struct weir_windows *windows)
{
	for (uint32_t i = 0; i < windows->listed_count; i++) {
		struct kept_window *kept = windows->listed[i];

		if (kept->is_sealed && !kept->is_taken) {
			kept->is_taken = true;
			windows->waiting_count--;
			pthread_cond_broadcast(&windows->stored);
			return kept;
		}
	}
	return NULL;
}

struct weir_window *weir_windows_take(struct weir_windows *windows, int64_t wait_ms)
{
	struct kept_window *kept;
	const struct timespec until = weir_clock_later((uint64_t)(wait_ms > 0 ? wait_ms : 0) * 1000000u);
	int error = 0;

	pthread_mutex_lock(&windows->mutex);
	kept = take_oldest(windows);
	while (kept == NULL && !windows->is_stopped && wait_ms != 0 && error != ETIMEDOUT) {
		error = wait_ms < 0
				? pthread_cond_wait(&windows->sealed, &windows->mutex)
				: pthread_cond_clockwait(&windows->sealed, &windows->mutex, CLOCK_MONOTONIC, &until);
		kept = take_oldest(windows);
	}
	pthread_mutex_unlock(&windows->mutex);
	return kept != NULL ? &kept->window : NULL;
}

static uint64_t releasable(struct weir_windows *windows)
{
	uint64_t position = windows->stored_end;

	if (windows->listed_count > 0 && windows->listed[0]->window.begin < position) {
		position = windows->listed[0]->window.begin;
	}
	for (const struct kept_window *kept = windows->limbo; kept != NULL; kept = kept->next) {
		position = kept->window.begin < position ? kept->window.begin : position;
	}
	if (position > windows->released) {
		windows->released = position;
	}
	return windows->released;
}

uint64_t weir_windows_stored(struct weir_windows *windows, struct weir_window *window)
{
	struct kept_window *kept = NULL;
	uint64_t position;
	uint32_t i = 0;

	pthread_mutex_lock(&windows->mutex);
	while (i < windows->listed_count && &windows->listed[i]->window != window) {
		i++;
	}
	weir_assert(i < windows->listed_count && windows->listed[i]->is_taken);
	kept = windows->listed[i];
	windows->listed_count--;
	memmove(&windows->listed[i], &windows->listed[i + 1], (windows->listed_count - i) * sizeof(windows->listed[0]));
	if (window->end > windows->stored_end) {
		windows->stored_end = window->end;
	}
	if (kept->holders > 0) {
		kept->next = windows->limbo;
		windows->limbo = kept;
		weir_buf_fini(&kept->window.delta);
		kept = NULL;
	}
	position = releasable(windows);
	pthread_cond_broadcast(&windows->stored);
	pthread_mutex_unlock(&windows->mutex);
	if (kept != NULL) {
		kept_free(kept);
	}
	return position;
}

uint64_t weir_windows_releasable(struct weir_windows *windows)
{
	uint64_t position;

	pthread_mutex_lock(&windows->mutex);
	position = releasable(windows);
	pthread_mutex_unlock(&windows->mutex);
	return position;
}

void weir_windows_set_failing(struct weir_windows *windows, bool is_failing)
{
	__atomic_store_n(&windows->is_failing, is_failing, __ATOMIC_RELAXED);
}

void weir_windows_stop(struct weir_windows *windows)
{
	pthread_mutex_lock(&windows->mutex);
	windows->is_stopped = true;
	pthread_cond_broadcast(&windows->sealed);
	pthread_cond_broadcast(&windows->stored);
	pthread_mutex_unlock(&windows->mutex);
}

/* --- readers -------------------------------------------------------------- */

uint32_t weir_windows_hold(struct weir_windows *windows, struct weir_window_view views[WEIR_WINDOW_VIEWS])
{
	uint32_t count;

	pthread_mutex_lock(&windows->mutex);
	count = windows->listed_count;
	for (uint32_t i = 0; i < count; i++) {
		struct kept_window *kept = windows->listed[i];

		kept->holders++;
		views[i].window = &kept->window;
		views[i].batch_count = __atomic_load_n(&kept->window.batch_count, __ATOMIC_ACQUIRE);
	}
	pthread_mutex_unlock(&windows->mutex);
	return count;
}

/* Out of limbo, if it is there: the stored window that its last reader let go. */
static struct kept_window *limbo_leave(struct weir_windows *windows, const struct weir_window *window)
{
	for (struct kept_window **at = &windows->limbo; *at != NULL; at = &(*at)->next) {
		struct kept_window *kept = *at;

		if (&kept->window == window) {
			*at = kept->next;
			return kept;
		}
	}
	return NULL;
}

static struct kept_window *kept_find(const struct weir_windows *windows, const struct weir_window *window)
{
	for (uint32_t i = 0; i < windows->listed_count; i++) {
		if (&windows->listed[i]->window == window) {
			return windows->listed[i];
		}
	}
	for (struct kept_window *kept = windows->limbo; kept != NULL; kept = kept->next) {
		if (&kept->window == window) {
			return kept;
		}
	}
	return NULL;
}

void weir_windows_let_go(struct weir_windows *windows, const struct weir_window_view *views, uint32_t count)
{
	pthread_mutex_lock(&windows->mutex);
	for (uint32_t i = 0; i < count; i++) {
		struct kept_window *kept = kept_find(windows, views[i].window);

		weir_assert(kept != NULL && kept->holders > 0);
		if (--kept->holders == 0) {
			kept = limbo_leave(windows, views[i].window);
			if (kept != NULL) {
				kept_free(kept);
			}
		}
	}
	pthread_mutex_unlock(&windows->mutex);
}
