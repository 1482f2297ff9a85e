/* pods: the thread of the workload table.
 *
 *   step (file, kubelet, API server) ─▶ pod_set ─▶ a table, when it changed ─▶ workloads
 *        ▲                                                                        │
 *        └───────────── asks: whom the receivers did not find ◀───────────────────┘
 *
 * The thread sleeps in weir_fetches_wait(), also when it only looks at a file:
 * that is where it can be woken, by an ask, by weir_pods_again(), by the end.
 *
 * Changes come in crowds (a rollout, the first list of a page each), and a
 * table is built whole: so at most one in PUBLISH_NS.
 *
 * Invariants
 *  1. Set, fetches and source are touched by the thread alone, from its start
 *     to its end; others only set a flag and wake it.
 *  2. A try that failed leaves the published table.
 *  3. `has_tried` is set once, behind the first publication or failure.
 *
 * One thread of its own; it logs. */
#include "identity/pods.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stat.h"
#include "identity/pods_kube.h"

#define PUBLISH_NS UINT64_C(100000000)
#define EXPIRE_NS UINT64_C(5000000000)
#define FIRST_TRY_S 1 /* a start takes two seconds at most */
#define SECOND_NS UINT64_C(1000000000)

struct weir_pods {
	struct weir_pods_opts opts;
	struct weir_fetches *fetches;
	struct weir_asks *asks; /* KUBERNETES; else NULL */
	struct weir_pod_set *set;
	struct weir_pods_file file;
	struct weir_pods_kube *kube;                  /* NULL: a file */
	uint64_t looked_ns, published_ns, expired_ns; /* monotonic */
	atomic_bool is_stopping, is_again;
	pthread_t thread;
	bool is_started, was_failing;
	pthread_mutex_t mutex; /* guards has_tried */
	pthread_cond_t tried;
	bool has_tried;
};

static void wake(void *ctx)
{
	weir_fetches_wake(ctx);
}

static int source_create(struct weir_pods *pods)
{
	const struct weir_pods_opts *opts = &pods->opts;
	const struct weir_fetches_opts fetches_opts = { opts->token_file, opts->ca_file, opts->skips_verification };
	struct weir_pods_kube_opts kube_opts;
	int r = weir_fetches_create(&fetches_opts, &pods->fetches);

	r = r < 0 ? r : weir_pod_set_create(&pods->set);
	if (r == 0 && opts->kind == WEIR_PODS_KUBERNETES) {
		r = weir_asks_create(wake, pods->fetches, &pods->asks);
	}
	if (r < 0 || opts->kind == WEIR_PODS_FILE) {
		pods->file.path = opts->file;
		return r;
	}
	kube_opts = (struct weir_pods_kube_opts){ .fetches = pods->fetches,
		.set = pods->set,
		.url = opts->url,
		.node = opts->node,
		.is_kubelet = opts->kind == WEIR_PODS_KUBELET,
		.interval_s = opts->interval_s,
		.asks = pods->asks };
	return weir_pods_kube_create(&kube_opts, &pods->kube);
}

static void source_destroy(struct weir_pods *pods)
{
	weir_fetches_destroy(pods->fetches);
	weir_pods_kube_destroy(pods->kube);
	weir_asks_destroy(pods->asks);
	weir_pod_set_destroy(pods->set);
}

/* ---- the thread ------------------------------------------------------------------ */

static void tried(struct weir_pods *pods)
{
	pthread_mutex_lock(&pods->mutex);
	pods->has_tried = true;
	pthread_cond_broadcast(&pods->tried);
	pthread_mutex_unlock(&pods->mutex);
}

static void publish(struct weir_pods *pods, uint64_t monotonic_ns)
{
	const struct weir_workload_table *table;
	int r = weir_pod_set_table(pods->set, &table);

	r = r < 0 ? r : weir_workloads_publish(pods->opts.workloads, table);
	if (r < 0) {
		weir_log(WEIR_LOG_WARN, "identity", "the table of pods cannot be renewed why=\"%s\"", strerror(-r));
	}
	pods->published_ns = monotonic_ns;
}

/* What became of a try, for counters, log, and who waits for the first. */
static void account(struct weir_pods *pods, const struct weir_pods_report *report)
{
	const char *from = pods->opts.kind == WEIR_PODS_FILE ? pods->opts.file : pods->opts.url;

	if (report->result == WEIR_PODS_NOTHING) {
		return;
	}
	if (report->result == WEIR_PODS_USED) {
		weir_stat_add(WEIR_STAT_PODS_REFRESHED, 1);
		weir_stat_set(WEIR_STAT_PODS_REFRESHED_AT, weir_clock_now_ns() / SECOND_NS);
		publish(pods, weir_clock_monotonic_ns());
		if (!pods->has_tried || pods->was_failing) {
			weir_log(WEIR_LOG_INFO, "identity", "pods are known from=%s pods=%u left_out=%u", from,
				report->pods, report->left_out);
		}
	} else {
		weir_stat_add(WEIR_STAT_PODS_REFRESH_FAILED, 1);
		weir_log(WEIR_LOG_WARN, "identity", "pods cannot be learned, what is known stays from=%s why=\"%s\"",
			from, report->why);
	}
	pods->was_failing = report->result == WEIR_PODS_FAILED;
	if (!pods->has_tried) { /* nobody else writes it */
		tried(pods);
	}
}

/* How long nothing is due, in ms. */
static int step(struct weir_pods *pods, uint64_t monotonic_ns, uint64_t now_ns)
{
	bool is_again = atomic_exchange(&pods->is_again, false);
	uint64_t interval_ns = pods->opts.interval_s * SECOND_NS;
	struct weir_pods_report report = { 0 };
	char why[WEIR_FETCH_WHY_MAX];
	int wait_ms = 1000;

	if (pods->kube != NULL) {
		if (is_again) {
			weir_pods_kube_again(pods->kube);
		}
		wait_ms = weir_pods_kube_step(pods->kube, monotonic_ns, now_ns);
		weir_pods_kube_report(pods->kube, &report);
		if (weir_pods_kube_looks_failed(pods->kube, why)) {
			weir_log(WEIR_LOG_WARN, "identity", "peers cannot be looked up from=%s why=\"%s\"",
				pods->opts.url, why);
		}
	} else if (is_again || pods->looked_ns == 0 || monotonic_ns - pods->looked_ns >= interval_ns) {
		pods->looked_ns = monotonic_ns;
		weir_pods_file_step(&pods->file, pods->set, is_again, now_ns, &report);
	}
	account(pods, &report);
	if (monotonic_ns - pods->expired_ns >= EXPIRE_NS) {
		pods->expired_ns = monotonic_ns;
		weir_pod_set_expire(pods->set, now_ns);
	}
	if (!weir_pod_set_is_changed(pods->set)) {
		return wait_ms;
	}
	if (monotonic_ns - pods->published_ns >= PUBLISH_NS) {
		publish(pods, monotonic_ns);
		return wait_ms;
	}
	return wait_ms < (int)(PUBLISH_NS / 1000000) ? wait_ms : (int)(PUBLISH_NS / 1000000);
}

static void *loop(void *arg)
{
	struct weir_pods *pods = arg;

	pthread_setname_np(pthread_self(), "weir-pods");
	while (!atomic_load(&pods->is_stopping)) {
		int wait_ms = step(pods, weir_clock_monotonic_ns(), weir_clock_now_ns());

		weir_fetches_wait(pods->fetches, wait_ms);
	}
	return NULL;
}

/* ---- from outside ---------------------------------------------------------------- */

/* Without a node there is no first try: peers are looked up when they are met, in a table of nobody. */
static void first_try_wait(struct weir_pods *pods)
{
	const struct timespec until = weir_clock_later(FIRST_TRY_S * SECOND_NS);

	pthread_mutex_lock(&pods->mutex);
	while (!pods->has_tried && pthread_cond_clockwait(&pods->tried, &pods->mutex, CLOCK_MONOTONIC, &until) == 0) {
	}
	pthread_mutex_unlock(&pods->mutex);
}

int weir_pods_start(const struct weir_pods_opts *opts, struct weir_pods **ret_pods)
{
	struct weir_pods *pods = calloc(1, sizeof(*pods));
	int r;

	if (pods == NULL) {
		return -ENOMEM;
	}
	pods->opts = *opts;
	pthread_mutex_init(&pods->mutex, NULL);
	pthread_cond_init(&pods->tried, NULL);
	r = source_create(pods);
	if (r == 0) {
		publish(pods, 0);
		weir_workloads_ask_through(opts->workloads, pods->asks);
		r = -pthread_create(&pods->thread, NULL, loop, pods);
		pods->is_started = r == 0;
	}
	if (r < 0) {
		weir_pods_stop(pods);
		return r;
	}
	if (opts->kind != WEIR_PODS_KUBERNETES || opts->node[0] != '\0') {
		first_try_wait(pods);
	}
	*ret_pods = pods;
	return 0;
}

void weir_pods_again(struct weir_pods *pods)
{
	if (pods != NULL) {
		atomic_store(&pods->is_again, true);
		weir_fetches_wake(pods->fetches);
	}
}

void weir_pods_stop(struct weir_pods *pods)
{
	if (pods == NULL) {
		return;
	}
	if (pods->is_started) {
		atomic_store(&pods->is_stopping, true);
		weir_fetches_wake(pods->fetches);
		pthread_join(pods->thread, NULL);
	}
	weir_workloads_ask_through(pods->opts.workloads, NULL);
	source_destroy(pods);
	pthread_cond_destroy(&pods->tried);
	pthread_mutex_destroy(&pods->mutex);
	free(pods);
}
