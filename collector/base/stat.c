/* stat: this process' counters, a set of cells per thread.
 *
 * A thread claims a set at its first count and keeps it for the life of the
 * process: what a thread that has ended counted must stay in the sum. After
 * WEIR_STAT_THREADS claims all further threads share the last set. Adding is
 * one relaxed atomic add on a cache line that (but for the shared set) no
 * other thread writes; reading sums all sets.
 *
 * Invariants
 *  1. A cell of a counter only grows, so a sum never falls from one scrape to
 *     the next (each cell is read after what it was read before).
 *  2. Nothing is ordered between two counters: a scrape may see the second of
 *     two adds and not the first. What must be exact is fold state.
 *  3. Gauges that are set live in one cell of their own; one that goes up and
 *     down by weir_stat_add (with a wrapped negative) is summed like a counter.
 *  4. The label texts of refusals are written before the threads start. */
#include "base/stat.h"

#include <stdatomic.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include "base/err.h"

struct cells {
	_Alignas(64) _Atomic uint64_t stats[WEIR_STATS];
	_Atomic uint64_t refused[WEIR_STAT_SIGNALS][WEIR_STAT_REASONS];
};

struct row {
	const char *name, *labels, *help, *kind;
};

#define WEIR_STAT(id, kind, name, labels, help) { name, labels, help, #kind },
static const struct row rows[WEIR_STATS] = {
#include "base/stat.def"
};
#undef WEIR_STAT

static struct cells sets[WEIR_STAT_THREADS + 1]; /* the last one is shared */
static _Atomic size_t claimed;
static _Thread_local struct cells *mine;
static _Atomic uint64_t gauges[WEIR_STATS];
static const char *signal_names[WEIR_STAT_SIGNALS], *reason_names[WEIR_STAT_REASONS];
static size_t signal_count, reason_count;

static struct cells *cells_of_thread(void)
{
	if (mine == NULL) {
		size_t at = atomic_fetch_add_explicit(&claimed, 1, memory_order_relaxed);

		mine = &sets[at < WEIR_STAT_THREADS ? at : WEIR_STAT_THREADS];
	}
	return mine;
}

void weir_stat_add(enum weir_stat stat, uint64_t n)
{
	weir_assert((unsigned)stat < WEIR_STATS);
	atomic_fetch_add_explicit(&cells_of_thread()->stats[stat], n, memory_order_relaxed);
}

void weir_stat_set(enum weir_stat stat, uint64_t value)
{
	weir_assert((unsigned)stat < WEIR_STATS && strcmp(rows[stat].kind, "gauge") == 0);
	atomic_store_explicit(&gauges[stat], value, memory_order_relaxed);
}

uint64_t weir_stat_get(enum weir_stat stat)
{
	uint64_t sum;

	weir_assert((unsigned)stat < WEIR_STATS);
	sum = atomic_load_explicit(&gauges[stat], memory_order_relaxed);
	for (size_t i = 0; i <= WEIR_STAT_THREADS; i++) {
		sum += atomic_load_explicit(&sets[i].stats[stat], memory_order_relaxed);
	}
	return sum;
}

void weir_stat_name_refusals(
	const char *const *signals, size_t signal_length, const char *const *reasons, size_t reason_length)
{
	weir_assert(signal_length <= WEIR_STAT_SIGNALS && reason_length <= WEIR_STAT_REASONS);
	for (size_t i = 0; i < signal_length; i++) {
		signal_names[i] = signals[i];
	}
	for (size_t i = 0; i < reason_length; i++) {
		reason_names[i] = reasons[i];
	}
	signal_count = signal_length;
	reason_count = reason_length;
}

void weir_stat_refused(unsigned signal, unsigned refusal, uint64_t items)
{
	weir_assert(signal < WEIR_STAT_SIGNALS && refusal < WEIR_STAT_REASONS);
	atomic_fetch_add_explicit(&cells_of_thread()->refused[signal][refusal], items, memory_order_relaxed);
}

uint64_t weir_stat_refused_get(unsigned signal, unsigned refusal)
{
	uint64_t sum = 0;

	weir_assert(signal < WEIR_STAT_SIGNALS && refusal < WEIR_STAT_REASONS);
	for (size_t i = 0; i <= WEIR_STAT_THREADS; i++) {
		sum += atomic_load_explicit(&sets[i].refused[signal][refusal], memory_order_relaxed);
	}
	return sum;
}

static void each_refusal(weir_stat_fn *fn, void *ctx)
{
	struct weir_stat_row row = { .name = "weir_refused_items_total" };
	char labels[160];

	for (unsigned s = 0; s < signal_count; s++) {
		for (unsigned r = 0; r < reason_count; r++) {
			snprintf(labels, sizeof(labels), "signal=\"%s\",reason=\"%s\"", signal_names[s],
				reason_names[r]);
			row.labels = labels;
			row.help = s == 0 && r == 0 ? "Items of requests that were refused and never entered the ring."
						    : "";
			row.value = weir_stat_refused_get(s, r);
			fn(ctx, &row);
		}
	}
}

void weir_stat_each(weir_stat_fn *fn, void *ctx)
{
	for (size_t i = 0; i < WEIR_STATS; i++) {
		const struct weir_stat_row row = {
			.name = rows[i].name,
			.help = rows[i].help,
			.labels = rows[i].labels,
			.is_gauge = strcmp(rows[i].kind, "gauge") == 0,
			.value = weir_stat_get((enum weir_stat)i),
		};

		fn(ctx, &row);
	}
	each_refusal(fn, ctx);
}
