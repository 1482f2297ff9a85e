/* run: the aggregate thread: ring → fold → window, and snapshots for askers.
 *
 *   ring ─next─▶ fold ─▶ open window ─(1 s or 4 MiB)─▶ cut ─▶ sealed, for the writer
 *                 └─ between two records: snapshots, who waits to catch up
 *
 * The loop sleeps in the ring until a record comes, a seal is due, or an asker
 * wakes it. While WEIR_WINDOWS_SEALED windows wait for the writer and the next
 * seal is due, it reads no further (the ring fills, producers are refused) and
 * sleeps on its own condition, so that askers are still served. While the store
 * says that it fails, it does read on, into a window that is longer than usual:
 * then only streams come in, without their detail, and their numbers go on.
 * Other rules wait until all that was folded is stored (rules_take()).
 *
 * Askers: `asked` counts questions; the loop answers all that it finds with
 * one copy. A copy is shared for SHARE_NS by all whose records it covers.
 *
 * Invariants
 *  1. `position` is stored (seq_cst) after the window is published; `waiters`
 *     is read after it. A waiter raises `waiters` before it reads `position`:
 *     one of the two sees the other.
 *  2. The fold is touched by the thread only, or before it starts and after it
 *     is joined.
 *  3. A snapshot's position is that of the fold when it was copied.
 *  4. Stopping never hangs on a store that fails: after STOP_NS without room
 *     the open window stays unsealed; the ring still has it. */
#include "aggregate/run.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <time.h>

#include "aggregate/state.h"
#include "base/clock.h"
#include "base/crash.h"
#include "base/err.h"
#include "base/log.h"

#define MS 1000000u                      /* ns */
#define SHARE_NS (100u * MS)             /* a copy is shared this long */
#define KEEP_NS (1000u * MS)             /* and kept this long, lest idle memory is large */
#define CATCH_UP_MS 100                  /* what a snapshot waits for the fold */
#define STALLED_NS (10u * MS)            /* how often a stalled loop looks for room */
#define IDLE_MS 1000                     /* how long it sleeps without a window */
#define STOP_NS (2000u * (uint64_t)MS)   /* how long the end waits for the writer */
#define STOP_FAILING_NS (500u * MS)      /* and for one whose store fails */
#define REPLAY_NS (2000u * (uint64_t)MS) /* and the start */

struct weir_run {
	struct weir_run_opts opts;
	pthread_t thread;
	bool is_started;

	uint64_t position;         /* atomic */
	uint32_t waiters;          /* atomic */
	uint32_t asks;             /* atomic: snapshots asked for and not answered; so the loop looks only at need */
	uint32_t has_rules;        /* atomic: next_rules is set */
	uint64_t stalled_since_ns; /* atomic: monotonic; 0: not stalled */
	bool is_stopping;          /* atomic: join was called */

	pthread_mutex_t mutex;    /* guards all below */
	pthread_cond_t changed;   /* position, an answer, the end: for askers */
	pthread_cond_t asked_for; /* for a stalled loop */
	uint64_t asked, answered; /* questions so far, and how many of them have their answer */
	unsigned wanted_parts;
	const struct weir_snapshot *shared;
	uint64_t shared_ns;                    /* monotonic */
	const struct weir_ruleset *next_rules; /* held; NULL: none */
	bool is_stopped;                       /* the thread answers nothing any more */

	/* the thread's own */
	uint64_t seal_due_ns;    /* monotonic; 0: no window is open */
	uint64_t answer_from_ns; /* monotonic: no copy before */
	uint64_t give_up_ns;     /* monotonic; 0: not waiting for the end */
	bool is_sealing;         /* the ring is read to its end */
};

int weir_run_create(const struct weir_run_opts *opts, struct weir_run **ret_run)
{
	struct weir_run *run = calloc(1, sizeof(*run));

	if (run == NULL) {
		return -ENOMEM;
	}
	run->opts = *opts;
	pthread_mutex_init(&run->mutex, NULL);
	pthread_cond_init(&run->changed, NULL);
	pthread_cond_init(&run->asked_for, NULL);
	*ret_run = run;
	return 0;
}

void weir_run_destroy(struct weir_run *run)
{
	if (run == NULL) {
		return;
	}
	weir_assert(!run->is_started);
	weir_snapshot_let_go(run->shared);
	weir_ruleset_let_go(run->next_rules);
	pthread_cond_destroy(&run->changed);
	pthread_cond_destroy(&run->asked_for);
	pthread_mutex_destroy(&run->mutex);
	free(run);
}

/* --- the loop: folding and sealing ---------------------------------------- */

static void position_publish(struct weir_run *run, uint64_t position)
{
	__atomic_store_n(&run->position, position, __ATOMIC_SEQ_CST);
	if (__atomic_load_n(&run->waiters, __ATOMIC_SEQ_CST) != 0) {
		pthread_mutex_lock(&run->mutex);
		pthread_cond_broadcast(&run->changed);
		pthread_mutex_unlock(&run->mutex);
	}
}

static bool is_thinned(const struct weir_batch *batch)
{
	uint64_t thinned = 0;

	for (unsigned i = 0; i < WEIR_THINS; i++) {
		thinned += batch->thinned[i];
	}
	return thinned != 0;
}

static void entry_fold(struct weir_run *run, const struct weir_ring_entry *entry)
{
	bool keeps_detail = weir_fold_batch(run->opts.fold, entry->batch) == 0 && !is_thinned(entry->batch);
	int error = weir_windows_add(run->opts.windows, entry, keeps_detail);

	/* A window's memory is fixed and small, and it is sealed before it is full. */
	weir_assert(error == 0);
	if (run->seal_due_ns == 0) {
		run->seal_due_ns = weir_clock_monotonic_ns() + WEIR_WINDOW_NS;
	}
	position_publish(run, entry->end);
}

static bool is_seal_due(struct weir_run *run)
{
	const struct weir_window *window = weir_windows_open_one(run->opts.windows);

	return window != NULL && (run->is_sealing || window->end - window->begin >= WEIR_WINDOW_BYTES ||
					 weir_clock_monotonic_ns() >= run->seal_due_ns);
}

static void seal(struct weir_run *run)
{
	struct weir_window *window = weir_windows_open_one(run->opts.windows);
	int error;

	window->is_image = weir_fold_wants_image(run->opts.fold);
	error = weir_fold_cut(run->opts.fold, window->is_image, &window->delta);
	weir_assert(error == 0); /* bounded by the tables; without it nothing could be stored */
	weir_crash_point("at_seal");
	weir_windows_seal(run->opts.windows);
	run->seal_due_ns = 0;
}

static bool has_room(struct weir_run *run)
{
	return weir_windows_sealed(run->opts.windows) < WEIR_WINDOWS_SEALED;
}

/* --- the loop: answering -------------------------------------------------- */

static void answer(struct weir_run *run)
{
	const struct weir_snapshot *made = NULL, *old = NULL;
	uint64_t asked;
	unsigned parts;
	int error;

	pthread_mutex_lock(&run->mutex);
	asked = run->asked;
	parts = run->wanted_parts;
	run->wanted_parts = 0;
	__atomic_store_n(&run->asks, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&run->mutex);

	/* The copy itself is made with no lock held. */
	error = weir_snapshot_make(run->opts.fold, parts, run->position, weir_clock_now_ns(), &made);
	pthread_mutex_lock(&run->mutex);
	old = run->shared;
	run->shared = error == 0 ? made : NULL;
	run->shared_ns = weir_clock_monotonic_ns();
	run->answered = asked;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->mutex);
	weir_snapshot_let_go(old);
}

static void shared_drop(struct weir_run *run, uint64_t now_ns)
{
	const struct weir_snapshot *old = NULL;

	pthread_mutex_lock(&run->mutex);
	if (run->shared != NULL && now_ns - run->shared_ns > KEEP_NS) {
		old = run->shared;
		run->shared = NULL;
	}
	pthread_mutex_unlock(&run->mutex);
	weir_snapshot_let_go(old);
}

/* Copies cost at most a fifth of the thread's time: after one, four times as long without. */
static void answer_if_asked(struct weir_run *run)
{
	uint64_t begin_ns, end_ns, rest_ns;

	if (__atomic_load_n(&run->asks, __ATOMIC_ACQUIRE) == 0) {
		return;
	}
	begin_ns = weir_clock_monotonic_ns();
	if (begin_ns < run->answer_from_ns) {
		return;
	}
	answer(run);
	end_ns = weir_clock_monotonic_ns();
	rest_ns = (end_ns - begin_ns) * 4;
	run->answer_from_ns = end_ns + (rest_ns < SHARE_NS ? rest_ns : SHARE_NS);
}

/* A seal is due and there is no room for it: sleeps until it is worth looking again. */
static void stall(struct weir_run *run)
{
	const struct timespec until = weir_clock_later(STALLED_NS);

	if (__atomic_load_n(&run->stalled_since_ns, __ATOMIC_RELAXED) == 0) {
		__atomic_store_n(&run->stalled_since_ns, weir_clock_monotonic_ns(), __ATOMIC_RELAXED);
	}
	pthread_mutex_lock(&run->mutex);
	if (run->asked == run->answered) {
		pthread_cond_clockwait(&run->asked_for, &run->mutex, CLOCK_MONOTONIC, &until);
	}
	pthread_mutex_unlock(&run->mutex);
}

/* Seals if it is due and there is room. False: due, but no room. */
static bool seal_if_due(struct weir_run *run)
{
	if (!is_seal_due(run)) {
		return true;
	}
	if (!has_room(run)) {
		return false;
	}
	if (__atomic_load_n(&run->stalled_since_ns, __ATOMIC_RELAXED) != 0) {
		__atomic_store_n(&run->stalled_since_ns, 0, __ATOMIC_RELAXED);
	}
	seal(run);
	shared_drop(run, weir_clock_monotonic_ns());
	return true;
}

static int64_t wait_ms(const struct weir_run *run)
{
	uint64_t now_ns, until_ns = run->seal_due_ns;

	if (__atomic_load_n(&run->asks, __ATOMIC_RELAXED) != 0 && (until_ns == 0 || run->answer_from_ns < until_ns)) {
		until_ns = run->answer_from_ns;
	}
	if (until_ns == 0) {
		return IDLE_MS;
	}
	now_ns = weir_clock_monotonic_ns();
	return now_ns >= until_ns ? 0 : (int64_t)((until_ns - now_ns + MS - 1) / MS);
}

/* No more water is coming, and the writer has not made room for long. */
static bool gives_up(struct weir_run *run)
{
	uint64_t now_ns = weir_clock_monotonic_ns();

	if (!run->is_sealing && !__atomic_load_n(&run->is_stopping, __ATOMIC_RELAXED)) {
		return false;
	}
	if (run->give_up_ns == 0) {
		run->give_up_ns = now_ns + (weir_windows_is_failing(run->opts.windows) ? STOP_FAILING_NS : STOP_NS);
	}
	return now_ns >= run->give_up_ns;
}

/* Other rules. What was counted by the old ones is stored first: a replay after a
 * kill then begins with the new ones where they began. A store that fails is not
 * waited for. False: they wait, and so does what is to be read. */
static bool rules_take(struct weir_run *run)
{
	const struct weir_ruleset *rules;

	if (__atomic_load_n(&run->has_rules, __ATOMIC_ACQUIRE) == 0) {
		return true;
	}
	if (weir_windows_open_one(run->opts.windows) != NULL && has_room(run)) {
		seal(run);
	}
	if (!weir_windows_is_empty(run->opts.windows) && !weir_windows_is_failing(run->opts.windows)) {
		return false;
	}
	pthread_mutex_lock(&run->mutex);
	rules = run->next_rules;
	run->next_rules = NULL;
	__atomic_store_n(&run->has_rules, 0, __ATOMIC_RELAXED);
	pthread_mutex_unlock(&run->mutex);
	weir_fold_rules(run->opts.fold, rules);
	weir_ruleset_let_go(rules);
	__atomic_store_n(&run->stalled_since_ns, 0, __ATOMIC_RELAXED);
	return true;
}

static void *loop(void *arg)
{
	struct weir_run *run = arg;
	struct weir_ring_entry entry;

	pthread_setname_np(pthread_self(), "weir-aggregate");
	weir_fold_watch(run->opts.fold, run->opts.watch, run->opts.ctx);
	for (;;) {
		bool has_sealed;
		int outcome;

		answer_if_asked(run);
		if (!rules_take(run) && !__atomic_load_n(&run->is_stopping, __ATOMIC_RELAXED)) {
			stall(run);
			continue;
		}
		has_sealed = seal_if_due(run);
		if (!has_sealed) {
			if (gives_up(run)) {
				weir_log(WEIR_LOG_WARN, "aggregate",
					"stops before the end: what is not stored stays in the ring");
				break;
			}
			if (run->is_sealing || !weir_windows_may_grow(run->opts.windows)) {
				stall(run);
				continue;
			}
		}
		if (run->is_sealing) {
			break;
		}
		outcome =
			weir_ring_next(run->opts.ring, has_sealed ? wait_ms(run) : (int64_t)(STALLED_NS / MS), &entry);
		if (outcome == 0) {
			entry_fold(run, &entry);
		} else if (outcome == WEIR_RING_SEALED) {
			run->is_sealing = true;
		} else if (run->seal_due_ns == 0) {
			shared_drop(run, weir_clock_monotonic_ns());
		}
	}
	pthread_mutex_lock(&run->mutex);
	run->is_stopped = true;
	pthread_cond_broadcast(&run->changed);
	pthread_mutex_unlock(&run->mutex);
	return NULL;
}

/* What an earlier run left in the ring. If the writer makes no room for too
 * long, the thread reads on where this stops. */
static void replay(struct weir_run *run)
{
	uint64_t head = weir_ring_head(run->opts.ring), give_up_ns = weir_clock_monotonic_ns() + REPLAY_NS;
	struct weir_ring_entry entry;
	int error;

	while (run->position < head) {
		if (!seal_if_due(run)) {
			if (weir_clock_monotonic_ns() >= give_up_ns) {
				return;
			}
			stall(run);
			continue;
		}
		error = weir_ring_next(run->opts.ring, 0, &entry);
		weir_assert(error == 0); /* recovery left nothing else up to the head */
		weir_crash_point("in_replay");
		entry_fold(run, &entry);
	}
}

int weir_run_start(struct weir_run *run)
{
	int error;

	position_publish(run, weir_ring_tail(run->opts.ring));
	replay(run);
	error = pthread_create(&run->thread, NULL, loop, run);
	run->is_started = error == 0;
	return -error;
}

void weir_run_join(struct weir_run *run)
{
	if (run != NULL && run->is_started) {
		__atomic_store_n(&run->is_stopping, true, __ATOMIC_RELAXED);
		weir_ring_wake(run->opts.ring);
		pthread_join(run->thread, NULL);
		run->is_started = false;
	}
}

/* --- askers: any thread ---------------------------------------------------- */

uint64_t weir_run_position(const struct weir_run *run)
{
	return __atomic_load_n(&run->position, __ATOMIC_SEQ_CST);
}

static int64_t behind_ms(const struct weir_run *run, uint64_t asked_ns)
{
	uint64_t since_ns = __atomic_load_n(&run->stalled_since_ns, __ATOMIC_RELAXED);
	uint64_t now_ns = weir_clock_monotonic_ns();

	since_ns = since_ns != 0 && since_ns < asked_ns ? since_ns : asked_ns;
	return 1 + (int64_t)((now_ns - since_ns) / MS);
}

static int64_t catch_up_to(struct weir_run *run, uint64_t head, int64_t wait_for_ms)
{
	uint64_t asked_ns;
	struct timespec until;
	int error = 0;

	if (weir_run_position(run) >= head) {
		return 0;
	}
	asked_ns = weir_clock_monotonic_ns();
	until = weir_clock_later((uint64_t)(wait_for_ms > 0 ? wait_for_ms : 0) * MS);
	__atomic_add_fetch(&run->waiters, 1, __ATOMIC_SEQ_CST);
	weir_ring_wake(run->opts.ring); /* it may linger */
	pthread_mutex_lock(&run->mutex);
	while (weir_run_position(run) < head && !run->is_stopped && error != ETIMEDOUT) {
		error = pthread_cond_clockwait(&run->changed, &run->mutex, CLOCK_MONOTONIC, &until);
	}
	pthread_mutex_unlock(&run->mutex);
	__atomic_sub_fetch(&run->waiters, 1, __ATOMIC_SEQ_CST);
	return weir_run_position(run) >= head ? 0 : behind_ms(run, asked_ns);
}

void weir_run_rules(struct weir_run *run, const struct weir_ruleset *ruleset)
{
	const struct weir_ruleset *old;

	pthread_mutex_lock(&run->mutex);
	old = run->next_rules;
	run->next_rules = weir_ruleset_hold(ruleset);
	__atomic_store_n(&run->has_rules, 1, __ATOMIC_RELEASE);
	pthread_cond_signal(&run->asked_for);
	pthread_mutex_unlock(&run->mutex);
	weir_ruleset_let_go(old);
	weir_ring_wake(run->opts.ring);
}

int64_t weir_run_catch_up(struct weir_run *run, int64_t wait_for_ms)
{
	return catch_up_to(run, weir_ring_head(run->opts.ring), wait_for_ms);
}

/* The shared copy, held, if it has these parts and covers `position`. */
static const struct weir_snapshot *shared_hold(struct weir_run *run, unsigned parts, uint64_t position)
{
	if (run->shared == NULL || (run->shared->parts & parts) != parts || run->shared->position < position ||
		weir_clock_monotonic_ns() - run->shared_ns > SHARE_NS) {
		return NULL;
	}
	return weir_snapshot_hold(run->shared);
}

const struct weir_snapshot *weir_run_snapshot(struct weir_run *run, unsigned parts, int64_t *ret_behind_ms)
{
	uint64_t head = weir_ring_head(run->opts.ring), position, question;
	const struct weir_snapshot *snapshot = NULL;
	bool has_failed = false;

	*ret_behind_ms = catch_up_to(run, head, CATCH_UP_MS);
	position = weir_run_position(run);
	position = position < head ? position : head;
	pthread_mutex_lock(&run->mutex);
	snapshot = shared_hold(run, parts, position);
	while (snapshot == NULL && !run->is_stopped && !has_failed) {
		question = ++run->asked;
		run->wanted_parts |= parts;
		__atomic_store_n(&run->asks, 1, __ATOMIC_RELEASE);
		pthread_cond_signal(&run->asked_for);
		weir_ring_wake(run->opts.ring);
		while (run->answered < question && !run->is_stopped) {
			pthread_cond_wait(&run->changed, &run->mutex);
		}
		/* Asks again if another answer, of other parts, came in between. */
		has_failed = run->answered >= question && run->shared == NULL;
		snapshot = shared_hold(run, parts, position);
	}
	pthread_mutex_unlock(&run->mutex);
	if (snapshot != NULL && snapshot->position >= head) {
		*ret_behind_ms = 0; /* it caught up while the copy was made */
	}
	return snapshot;
}
