/* writer: the thread that stores sealed windows.
 *
 *        ┌────────────── take one, and all others that wait ◀────────────┐
 *        ▼                                                               │
 *   commit (one transaction) ──ok──▶ unlist, release the ring ──▶ upkeep ┘
 *        │ fault
 *        ▼
 *   FULL or FAILING: wait (100 ms, doubling to 2 s), make room, try again
 *
 * Upkeep, in slices of at most 20 ms between commits: checkpoint, retention,
 * merging. With sync=interval a commit is synced when the last sync is a second
 * ago, and an idle second ends with a sync; with sync=always every commit is.
 *
 * Invariants
 *  1. A window is unlisted only after its commit; the ring is released only
 *     behind that. So while the store fails the ring keeps everything, senders
 *     are refused when it is full, and nothing is lost.
 *  2. `stored` is called only with positions that are synced, in rising order.
 *  3. Windows are committed in the order of their numbers. */
#include "storage/writer.h"

#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/log.h"
#include "storage/commit.h"
#include "storage/merge.h"
#include "storage/retention.h"

#define SYNC_NS 1000000000ull
#define IDLE_MS 250
#define BACK_OFF_FIRST_MS 100u
#define BACK_OFF_MOST_MS 2000u
#define GIVE_UP_NS 1000000000ull /* after the stop */
#define UPKEEP_NS 20000000ull

struct weir_writer {
	struct weir_writer_opts opts;
	struct weir_commit *commit;
	struct weir_retention *retention;
	struct weir_merge *merge;
	pthread_t thread;
	pthread_mutex_t mutex;
	pthread_cond_t stopping;
	bool is_stopping;                       /* guarded by mutex */
	uint64_t last_sync_ns, committed, told; /* positions */
	bool is_unsynced;
};

/* Waits on the stop for so long; says whether it came. */
static bool stop_wait(struct weir_writer *writer, uint64_t ms)
{
	const struct timespec until = weir_clock_later(ms * 1000000);
	bool is_stopping;
	int error = 0;

	pthread_mutex_lock(&writer->mutex);
	while (!writer->is_stopping && ms > 0 && error != ETIMEDOUT) {
		error = pthread_cond_clockwait(&writer->stopping, &writer->mutex, CLOCK_MONOTONIC, &until);
	}
	is_stopping = writer->is_stopping;
	pthread_mutex_unlock(&writer->mutex);
	return is_stopping;
}

static void synced(struct weir_writer *writer)
{
	writer->last_sync_ns = weir_clock_monotonic_ns();
	writer->is_unsynced = false;
	if (writer->opts.stored != NULL && writer->committed > writer->told) {
		writer->told = writer->committed;
		writer->opts.stored(writer->opts.ctx, writer->told);
	}
}

static void failed(struct weir_writer *writer, int fault, const char *what)
{
	struct weir_store *store = writer->opts.store;

	store->failed_commits++;
	store->last_error = (uint64_t)-fault;
	if (fault == -EBADMSG) {
		weir_store_note_damage(store);
	}
	store->state = fault == -ENOSPC || fault == -EDQUOT ? WEIR_STORE_FULL : WEIR_STORE_FAILING;
	weir_windows_set_failing(writer->opts.windows, true);
	weir_log(WEIR_LOG_ERROR, "storage", "%s failed, the ring keeps what is not stored error=\"%s\"", what,
		strerror(-fault));
}

static void recovered(struct weir_writer *writer)
{
	struct weir_store *store = writer->opts.store;

	if (store->state != WEIR_STORE_OK) {
		store->state = WEIR_STORE_OK;
		weir_windows_set_failing(writer->opts.windows, false);
		weir_log(WEIR_LOG_INFO, "storage", "storing again failed_commits=%llu",
			(unsigned long long)store->failed_commits);
	}
}

static bool sync_is_due(const struct weir_writer *writer)
{
	return writer->opts.store->opts.sync == WEIR_SYNC_ALWAYS ||
	       weir_clock_monotonic_ns() - writer->last_sync_ns >= SYNC_NS;
}

static int store(struct weir_writer *writer, struct weir_window *const *windows, uint32_t count)
{
	struct weir_store *to = writer->opts.store;
	bool is_synced = sync_is_due(writer);
	uint64_t end = windows[count - 1]->end, number = windows[count - 1]->number, position = 0;
	int result = weir_commit_windows(writer->commit, windows, count, is_synced);

	if (result < 0) {
		return result;
	}
	to->commits++;
	to->last_commit_ns = weir_clock_now_ns();
	to->stored_position = writer->committed = end;
	to->stored_window = number;
	writer->is_unsynced = true;
	for (uint32_t i = 0; i < count; i++) {
		position = weir_windows_stored(writer->opts.windows, windows[i]);
	}
	weir_ring_release(writer->opts.ring, position);
	if (is_synced) {
		synced(writer);
	}
	recovered(writer);
	return 0;
}

/* Tries until it is stored. False: stopped while the store fails. */
static bool store_at_last(struct weir_writer *writer, struct weir_window *const *windows, uint32_t count)
{
	uint64_t wait_ms = BACK_OFF_FIRST_MS, give_up_ns = 0;

	for (;;) {
		int result = store(writer, windows, count);
		uint64_t now = weir_clock_monotonic_ns();

		if (result == 0) {
			return true;
		}
		failed(writer, result, "commit");
		if (result == -ENOSPC) {
			/* The log may have room once it is moved into free pages; the oldest detail goes first. */
			(void)weir_commit_checkpoint(writer->commit, true);
			(void)weir_retention_make_room(writer->retention);
		}
		if (stop_wait(writer, wait_ms)) {
			give_up_ns = give_up_ns != 0 ? give_up_ns : now + GIVE_UP_NS;
			if (now >= give_up_ns) {
				return false;
			}
			clock_nanosleep(
				CLOCK_MONOTONIC, 0, &(struct timespec){ .tv_nsec = BACK_OFF_FIRST_MS * 1000000 }, NULL);
		}
		wait_ms = wait_ms * 2 < BACK_OFF_MOST_MS ? wait_ms * 2 : BACK_OFF_MOST_MS;
	}
}

static void upkeep(struct weir_writer *writer)
{
	uint64_t deadline = weir_clock_monotonic_ns() + UPKEEP_NS;
	int result = weir_commit_checkpoint(writer->commit, false);

	if (result == 0) {
		result = weir_commit_measure(writer->commit);
	}
	if (result == 0) {
		result = weir_retention_slice(writer->retention, weir_clock_now_ns(), deadline);
	}
	if (result == 0) {
		result = weir_merge_slice(writer->merge, deadline);
	}
	if (result == 0) {
		result = weir_commit_trim_index(writer->commit, weir_clock_monotonic_ns() + UPKEEP_NS);
	}
	if (result < 0) {
		failed(writer, result, "upkeep");
	}
}

/* Nothing to store: the sync that is due, and what readers have let go. A store
 * that fails is tried too: while it does, spans are refused, so there may never
 * be a window again that would show that it works. */
static void idle(struct weir_writer *writer)
{
	bool is_failing = writer->opts.store->state != WEIR_STORE_OK;

	if (is_failing || (writer->is_unsynced && sync_is_due(writer))) {
		int result = weir_commit_sync(writer->commit);

		if (result < 0) {
			failed(writer, result, "sync");
		} else {
			recovered(writer);
			synced(writer);
		}
	}
	if (writer->committed > 0) {
		weir_ring_release(writer->opts.ring, weir_windows_releasable(writer->opts.windows));
	}
}

static void *run(void *context)
{
	struct weir_writer *writer = context;
	struct weir_window *windows[WEIR_WINDOW_VIEWS];
	bool is_going = true;

	pthread_setname_np(pthread_self(), "weir-writer");
	while (is_going) {
		uint32_t count = 0;

		windows[0] = weir_windows_take(writer->opts.windows, IDLE_MS);
		while (windows[count] != NULL && ++count < WEIR_WINDOW_VIEWS) {
			windows[count] = weir_windows_take(writer->opts.windows, 0);
		}
		if (count > 0) {
			is_going = store_at_last(writer, windows, count);
		} else {
			idle(writer);
			is_going = !stop_wait(writer, 0);
		}
		if (is_going) {
			upkeep(writer);
		}
	}
	if (writer->is_unsynced && weir_commit_sync(writer->commit) == 0) {
		synced(writer);
	}
	return NULL;
}

static void writer_free(struct weir_writer *writer)
{
	weir_merge_destroy(writer->merge);
	weir_retention_destroy(writer->retention);
	weir_commit_destroy(writer->commit);
	pthread_cond_destroy(&writer->stopping);
	pthread_mutex_destroy(&writer->mutex);
	free(writer);
}

int weir_writer_start(const struct weir_writer_opts *opts, struct weir_writer **ret_writer)
{
	struct weir_writer *writer = calloc(1, sizeof(*writer));
	int result;

	*ret_writer = NULL;
	if (writer == NULL) {
		return -ENOMEM;
	}
	writer->opts = *opts;
	opts->store->stored_position = weir_ring_tail(opts->ring); /* behind what recovery made into padding */
	pthread_mutex_init(&writer->mutex, NULL);
	pthread_cond_init(&writer->stopping, NULL);
	result = weir_commit_create(opts->store, weir_ring_id(opts->ring), &writer->commit);
	if (result == 0) {
		result = weir_retention_create(opts->store, writer->commit, &writer->retention);
	}
	if (result == 0) {
		result = weir_merge_create(opts->store, writer->commit, &writer->merge);
	}
	if (result == 0) {
		result = weir_commit_measure(writer->commit);
	}
	if (result == 0) {
		result = -pthread_create(&writer->thread, NULL, run, writer);
	}
	if (result < 0) {
		writer_free(writer);
		return result;
	}
	*ret_writer = writer;
	return 0;
}

void weir_writer_join(struct weir_writer *writer)
{
	if (writer == NULL) {
		return;
	}
	pthread_mutex_lock(&writer->mutex);
	writer->is_stopping = true;
	pthread_cond_broadcast(&writer->stopping);
	pthread_mutex_unlock(&writer->mutex);
	pthread_join(writer->thread, NULL);
	writer_free(writer);
}
