/* main: the keeper. Builds the parts, starts them, waits for a signal, stops
 * them in order. The only file that sees both banks.
 *
 * Start: lock and database → ring → state and replay → listeners → ready. A
 * damaged file or ring was set aside by its room; this file says so.
 * Stop (design: GOAWAY → read on → seal → fold → commit → HTTP): nothing that
 * was answered can be lost at any of these steps, or between them.
 *
 * All threads but this one run with every signal blocked. */
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "aggregate/run.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "base/stat.h"
#include "certificates.h"
#include "cli.h"
#include "exporters/exporters.h"
#include "memory.h"
#include "pod_source.h"
#include "process.h"
#include "receive/admit.h"
#include "receivers.h"
#include "rulesets.h"
#include "ring/ring.h"
#include "serve/ack.h"
#include "serve/grpc.h"
#include "serve/http.h"
#include "serve/tls.h"
#include "storage/store.h"
#include "storage/writer.h"
#include "validate.h"

#define QUERY_THREADS 4u
#define QUERY_QUEUE 64u
#define PARKED_ANSWERS 8192u
#define GRACE_MS 2000u
#define ROUTES_MAX 96u

struct keeper {
	struct weir_arena arena; /* the configuration's texts */
	struct weir_conf conf;
	uint64_t started_ns, query_bytes;

	struct weir_store *store;
	struct weir_store_found found;
	struct weir_ring *ring;
	const struct weir_ruleset *ruleset; /* of the start */
	struct weir_fold *fold;
	struct weir_windows *windows;
	struct weir_entries *entries;
	struct weir_run *run;
	struct weir_writer *writer;
	struct weir_ack *ack;

	struct weir_tls *tls; /* NULL: none configured */
	struct weir_admit *admit;
	struct weir_pod_source pod_source;
	struct weir_receivers receivers;
	struct weir_exporters *exporters;
	struct weir_grpc *grpc;
	struct weir_http *http;
	struct weir_http_route routes[ROUTES_MAX];
	_Atomic bool is_ready;
};

static bool is_ready(void *ctx)
{
	struct keeper *keeper = ctx;

	return atomic_load(&keeper->is_ready);
}

/* Both banks are opened before a route can be asked, and closed after. */
static const char *listener(void *ctx, bool is_grpc, size_t i)
{
	const struct keeper *keeper = ctx;

	if (i >= (is_grpc ? keeper->conf.listen_grpc.count : keeper->conf.listen_http.count)) {
		return NULL;
	}
	return is_grpc ? weir_grpc_address(keeper->grpc, i) : weir_http_address(keeper->http, i);
}

static bool is_storage_failing(void *ctx)
{
	struct keeper *keeper = ctx;

	return weir_store_state(keeper->store) != WEIR_STORE_OK;
}

static void on_stored(void *ctx, uint64_t position)
{
	struct keeper *keeper = ctx;

	weir_ack_advance(keeper->ack, position);
}

/* One sentence for a start that failed; the fault is returned unchanged. */
static int refuse(const char *what, const char *which, int fault)
{
	weir_log(WEIR_LOG_ERROR, "main", "cannot start: %s which=%s why=\"%s\"", what, which, strerror(-fault));
	return fault;
}

static int store_open(struct keeper *keeper)
{
	const struct weir_conf *conf = &keeper->conf;
	struct weir_store_opts opts = {
		.path = conf->storage_path,
		.max_size_bytes = conf->storage_max_size,
		.max_age_s = conf->storage_max_age,
		.max_indexed = WEIR_STORE_INDEXED,
		.sync = strcmp(conf->storage_sync, "always") == 0 ? WEIR_SYNC_ALWAYS : WEIR_SYNC_INTERVAL,
	};
	char holder[128];
	int r = weir_store_open(&opts, &keeper->store, &keeper->found);

	if (r == WEIR_STORE_BUSY) {
		weir_store_holder(conf->storage_path, holder, sizeof(holder));
		weir_log(WEIR_LOG_ERROR, "main", "cannot start: another weir holds the database path=%s holder=\"%s\"",
			conf->storage_path, holder);
		return -EBUSY;
	}
	if (r < 0) {
		return refuse("the database cannot be opened", conf->storage_path, r);
	}
	if (keeper->found.replaced_why != NULL) {
		weir_stat_add(WEIR_STAT_SET_ASIDE_DATABASE, 1);
		weir_log(WEIR_LOG_WARN, "main", "database set aside and made anew path=%s why=\"%s\"",
			conf->storage_path, keeper->found.replaced_why);
	}
	return 0;
}

/* The first of: ring.path, $RUNTIME_DIRECTORY, /run/weir, /dev/shm/weir-<uid>. */
static void ring_directory(const struct weir_conf *conf, char *ret_path, size_t size)
{
	const char *runtime = getenv("RUNTIME_DIRECTORY");

	if (conf->ring_path[0] != '\0') {
		snprintf(ret_path, size, "%s", conf->ring_path);
	} else if (runtime != NULL && runtime[0] == '/') {
		snprintf(ret_path, size, "%.*s", (int)strcspn(runtime, ":"), runtime);
	} else if (access("/run/weir", W_OK | X_OK) == 0) {
		snprintf(ret_path, size, "/run/weir");
	} else {
		snprintf(ret_path, size, "/dev/shm/weir-%u", (unsigned)getuid());
	}
}

static int ring_open(struct keeper *keeper)
{
	char directory[4096];
	struct weir_ring_opts opts = {
		.directory = directory,
		.size_bytes = keeper->conf.ring_size,
		.database_id = keeper->found.database_id,
		.replaced_id = keeper->found.has_replaced_id ? keeper->found.replaced_id : NULL,
	};
	struct weir_ring_found found = { 0 };
	int r;

	ring_directory(&keeper->conf, directory, sizeof(directory));
	r = weir_ring_open(&opts, &keeper->ring, &found);
	if (r == WEIR_RING_BUSY) {
		weir_log(WEIR_LOG_ERROR, "main", "cannot start: another weir holds the ring path=%s", directory);
		return -EBUSY;
	}
	if (r == WEIR_RING_NO_ROOM) {
		weir_log(WEIR_LOG_ERROR, "main",
			"cannot start: too little room for the ring, lower ring.size path=%s bytes=%llu", directory,
			(unsigned long long)keeper->conf.ring_size);
		return -ENOSPC;
	}
	if (r < 0) {
		return refuse("the ring cannot be opened", directory, r);
	}
	if (found.replaced_why != NULL) {
		weir_stat_add(WEIR_STAT_SET_ASIDE_RING, 1);
		weir_log(WEIR_LOG_WARN, "main", "ring set aside and made anew path=%s why=\"%s\"",
			weir_ring_path(keeper->ring), found.replaced_why);
	}
	return 0;
}

/* Contract 9: counters go on only over an unbroken chain. What breaks it, or NULL. */
static const char *chain_break(
	const struct keeper *keeper, const struct weir_ring_recovery *recovery, bool is_state_damaged)
{
	if (is_state_damaged) {
		return "the stored state is damaged";
	}
	if (recovery->damaged > 0) { /* it may have been counted, and read, before the end of the last run */
		return "records in the ring are damaged";
	}
	if (keeper->found.ring_id == 0) {
		return NULL; /* nothing was stored yet */
	}
	if (keeper->found.ring_id != weir_ring_id(keeper->ring)) {
		return "the ring is another one";
	}
	if (recovery->has_gap) {
		return "the ring is not where the database ends";
	}
	return keeper->found.is_same_boot ? NULL : "the machine was started anew";
}

static void counters_settle(struct keeper *keeper, const struct weir_ring_recovery *recovery, bool is_state_damaged)
{
	const char *why = chain_break(keeper, recovery, is_state_damaged);

	if (why != NULL) {
		weir_fold_reset_counters(keeper->fold, weir_clock_now_ns());
		weir_log(WEIR_LOG_WARN, "main", "counters start anew why=\"%s\"", why);
	}
}

static enum weir_fold_istio istio_of(const char *text)
{
	return strcmp(text, "on") == 0    ? WEIR_FOLD_ISTIO_ON
	       : strcmp(text, "off") == 0 ? WEIR_FOLD_ISTIO_OFF
					  : WEIR_FOLD_ISTIO_AUTO;
}

static int state_open(struct keeper *keeper)
{
	struct weir_fold_opts fold_opts = {
		.max_series = (uint32_t)keeper->conf.metrics_max_series,
		.expiry_ns = keeper->conf.metrics_expiry * 1000000000u,
		.ruleset = keeper->ruleset,
		.istio = istio_of(keeper->conf.metrics_istio),
		.hash_seed = keeper->found.hash_seed,
		.began_ns = keeper->found.created_ns,
	};
	struct weir_ring_recovery recovery = { 0 };
	bool is_damaged = false;
	int r = weir_fold_create(&fold_opts, &keeper->fold);

	if (r == 0) {
		r = weir_store_load_fold(keeper->store, keeper->fold);
		is_damaged = r == -EBADMSG;
		r = is_damaged ? 0 : r;
	}
	if (r == 0) {
		r = weir_ring_recover(keeper->ring, keeper->found.ring_id, keeper->found.position, &recovery);
	}
	if (r < 0) {
		return refuse("the state cannot be read back", keeper->conf.storage_path, r);
	}
	counters_settle(keeper, &recovery, is_damaged);
	weir_stat_add(WEIR_STAT_SET_ASIDE_STATE, is_damaged);
	weir_stat_add(WEIR_STAT_RING_HOLES, recovery.holes);
	weir_stat_add(WEIR_STAT_RING_DAMAGED, recovery.damaged);
	weir_stat_add(WEIR_STAT_RING_REPLAYED, recovery.records);
	if (recovery.records > 0 || recovery.holes > 0 || recovery.damaged > 0) {
		weir_log(WEIR_LOG_INFO, "main", "replaying the ring records=%llu holes=%llu damaged=%llu",
			(unsigned long long)recovery.records, (unsigned long long)recovery.holes,
			(unsigned long long)recovery.damaged);
	}
	return 0;
}

static int entries_start(struct keeper *keeper)
{
	const char *which;
	int r = weir_entries_start(keeper->ruleset, &which, &keeper->entries);

	return r < 0 ? refuse("log entries cannot be written", which, r) : 0;
}

static int threads_start(struct keeper *keeper)
{
	struct weir_run_opts run_opts;
	struct weir_writer_opts writer_opts;
	int r = weir_windows_create(keeper->found.window + 1, &keeper->windows);

	run_opts = (struct weir_run_opts){
		.ring = keeper->ring,
		.fold = keeper->fold,
		.windows = keeper->windows,
		.watch = weir_entries_watch,
		.ctx = keeper->entries,
	};
	r = r < 0 ? r : weir_run_create(&run_opts, &keeper->run);
	r = r < 0 ? r : weir_ack_create(PARKED_ANSWERS, &keeper->ack);
	writer_opts = (struct weir_writer_opts){
		.store = keeper->store,
		.windows = keeper->windows,
		.ring = keeper->ring,
		.stored = on_stored,
		.ctx = keeper,
	};
	r = r < 0 ? r : weir_writer_start(&writer_opts, &keeper->writer);
	r = r < 0 ? r : weir_run_start(keeper->run);
	return r < 0 ? refuse("the threads cannot be started", "writer", r) : 0;
}

static int receivers_create(struct keeper *keeper)
{
	struct weir_receive_opts opts = {
		.ring = keeper->ring,
		.max_message_bytes = keeper->conf.limits_message,
		.parks = strcmp(keeper->conf.storage_sync, "always") == 0,
		.is_storage_failing = is_storage_failing,
		.ctx = keeper,
		.rejects_identity = strcmp(keeper->conf.security_identity, "reject") == 0,
		.envoy_counters_are_deltas = strcmp(keeper->conf.metrics_envoy_counters, "delta") == 0,
		.workloads = keeper->pod_source.workloads,
	};
	int r = weir_admit_create(keeper->ring, (uint32_t)keeper->conf.limits_source_share, &keeper->admit);

	opts.admit = keeper->admit;
	return r < 0 ? r : weir_receivers_init(&keeper->receivers, &opts);
}

static int exporters_create(struct keeper *keeper)
{
	struct weir_exporters_opts opts = {
		.run = keeper->run,
		.store = keeper->store,
		.windows = keeper->windows,
		.ring = keeper->ring,
		.query_threads = QUERY_THREADS,
		.max_query_bytes = keeper->query_bytes,
		.max_series = keeper->conf.metrics_max_series,
		.started_ns = keeper->started_ns,
		.version = WEIR_VERSION,
		.has_om_created = strcmp(keeper->conf.metrics_om_created, "true") == 0,
		.is_ready = is_ready,
		.listener = listener,
		.ctx = keeper,
	};

	return weir_exporters_create(&opts, &keeper->exporters);
}

static int grpc_open(struct keeper *keeper)
{
	const char *which = "listen.grpc";
	struct weir_grpc_opts opts = {
		.addresses = keeper->conf.listen_grpc.items,
		.address_count = keeper->conf.listen_grpc.count,
		.methods = keeper->receivers.methods,
		.method_count = keeper->receivers.method_count,
		.max_message_bytes = keeper->conf.limits_message,
		.max_connections = (uint32_t)keeper->conf.limits_connections,
		.max_streams = (uint32_t)keeper->conf.limits_streams,
		.max_metadata_bytes = (uint32_t)keeper->conf.limits_header,
		.max_connection_age_s = keeper->conf.limits_connection_age,
		.connection_grace_s = keeper->conf.limits_connection_grace,
		.tls = keeper->tls,
		.ack = keeper->ack,
		.ret_failed = &which,
	};
	int r;

	r = weir_grpc_open(&opts, &keeper->grpc);
	return r < 0 ? refuse("gRPC cannot listen", which, r) : 0;
}

static int http_open(struct keeper *keeper)
{
	const char *which = "listen.http";
	size_t from_exporters = 0, count = keeper->receivers.route_count;
	const struct weir_http_route *routes = weir_exporters_routes(keeper->exporters, &from_exporters);
	struct weir_http_opts opts = {
		.addresses = keeper->conf.listen_http.items,
		.address_count = keeper->conf.listen_http.count,
		.routes = keeper->routes,
		.max_body_bytes = keeper->conf.limits_message,
		.max_header_bytes = keeper->conf.limits_header,
		.max_connections = (uint32_t)keeper->conf.limits_connections,
		.tls = keeper->tls,
		.query_threads = QUERY_THREADS,
		.query_queue = QUERY_QUEUE,
		.query_s = (uint32_t)keeper->conf.limits_query_s,
		.ack = keeper->ack,
		.ret_failed = &which,
	};
	int r;

	memcpy(keeper->routes, keeper->receivers.routes, count * sizeof(*routes));
	weir_assert(count + from_exporters <= ROUTES_MAX);
	memcpy(&keeper->routes[count], routes, from_exporters * sizeof(*routes));
	opts.route_count = count + from_exporters;
	r = weir_http_open(&opts, &keeper->http);
	return r < 0 ? refuse("HTTP cannot listen", which, r) : 0;
}

static void say_ready(const struct keeper *keeper)
{
	printf("weir %s ready grpc=", WEIR_VERSION);
	for (size_t i = 0; i < keeper->conf.listen_grpc.count; i++) {
		printf("%s%s", i > 0 ? "," : "", weir_grpc_address(keeper->grpc, i));
	}
	printf(" http=");
	for (size_t i = 0; i < keeper->conf.listen_http.count; i++) {
		printf("%s%s", i > 0 ? "," : "", weir_http_address(keeper->http, i));
	}
	printf(" database=%s ring=%s\n", keeper->conf.storage_path, weir_ring_path(keeper->ring));
	fflush(stdout);
}

static int keeper_start(struct keeper *keeper)
{
	int r = weir_memory_settle(&keeper->conf, QUERY_THREADS, &keeper->query_bytes);

	r = r < 0 ? r : weir_certificates_load(&keeper->conf, &keeper->tls);
	r = r < 0 ? r : weir_rulesets_load(&keeper->conf, &keeper->ruleset);
	r = r < 0 ? r : entries_start(keeper);
	r = r < 0 ? r : store_open(keeper);
	r = r < 0 ? r : ring_open(keeper);
	r = r < 0 ? r : state_open(keeper);
	r = r < 0 ? r : threads_start(keeper);
	r = r < 0 ? r : weir_pod_source_start(&keeper->conf, &keeper->pod_source);
	r = r < 0 ? r : weir_pod_source_want(&keeper->pod_source, keeper->ruleset);
	r = r < 0 ? r : receivers_create(keeper);
	r = r < 0 ? r : exporters_create(keeper);
	r = r < 0 ? r : grpc_open(keeper);
	r = r < 0 ? r : http_open(keeper);
	if (r == 0) {
		r = weir_http_start(keeper->http);
		r = r < 0 ? r : weir_grpc_start(keeper->grpc);
		if (r < 0) {
			refuse("the listeners cannot be started", "serve", r);
		}
	}
	if (r < 0) {
		return r;
	}
	atomic_store(&keeper->is_ready, true);
	weir_health_set_serving(keeper->receivers.health, true);
	say_ready(keeper);
	return 0;
}

/* Undoes what stands; every call takes NULL. */
static void keeper_stop(struct keeper *keeper)
{
	atomic_store(&keeper->is_ready, false);
	if (keeper->receivers.health != NULL) {
		weir_health_set_serving(keeper->receivers.health, false);
	}
	if (keeper->grpc != NULL) {
		weir_grpc_stop(keeper->grpc, GRACE_MS);
	}
	if (keeper->ring != NULL) {
		weir_ring_seal(keeper->ring);
	}
	if (keeper->run != NULL) {
		weir_run_join(keeper->run);
	}
	if (keeper->windows != NULL) {
		weir_windows_stop(keeper->windows);
	}
	if (keeper->writer != NULL) {
		weir_writer_join(keeper->writer);
	}
	if (keeper->http != NULL) {
		weir_http_stop(keeper->http);
	}
	weir_grpc_close(keeper->grpc);
	weir_http_close(keeper->http);
	weir_exporters_destroy(keeper->exporters);
	weir_receivers_fini(&keeper->receivers);
	weir_pod_source_stop(&keeper->pod_source);
	weir_admit_destroy(keeper->admit);
	weir_tls_destroy(keeper->tls);
	weir_entries_stop(keeper->entries);
	weir_run_destroy(keeper->run);
	weir_ack_destroy(keeper->ack);
	weir_windows_destroy(keeper->windows);
	weir_fold_destroy(keeper->fold);
	weir_ruleset_let_go(keeper->ruleset);
	weir_ring_close(keeper->ring);
	weir_store_close(keeper->store);
}

#define TICK_NS 250000000
#define TICKS_A_SECOND 4u

/* Storage that fails, and a ring that runs full, refuse who can come again: what is left to take is served. */
static void health_follow(struct keeper *keeper)
{
	weir_health_set_serving(keeper->receivers.health, !weir_admit_is_closed(keeper->admit));
}

/* libgrpc reports its errors on its own threads. */
static void grpc_complaint_say(void)
{
	char sentence[256];

	if (weir_grpc_complaint(sentence, sizeof(sentence))) {
		weir_log(WEIR_LOG_WARN, "main", "libgrpc reports an error why=\"%s\"", sentence);
	}
}

static void wait_for_the_end(struct keeper *keeper)
{
	const struct timespec tick = { .tv_nsec = TICK_NS };
	sigset_t set;
	unsigned ticks = 0;
	int which;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGHUP);
	for (;;) {
		which = sigtimedwait(&set, NULL, &tick);
		if (which == SIGTERM || which == SIGINT) {
			break;
		}
		if (which == SIGHUP || ++ticks % TICKS_A_SECOND == 0) {
			weir_certificates_reload(keeper->tls, keeper->http, which == SIGHUP);
		}
		if (which == SIGHUP) {
			weir_rulesets_reload(&keeper->conf, keeper->run, keeper->entries, &keeper->pod_source);
			weir_pod_source_reload(&keeper->pod_source);
		}
		health_follow(keeper);
		grpc_complaint_say();
		weir_admit_level(keeper->admit); /* the gauge falls when nobody puts any more */
	}
	weir_log(WEIR_LOG_INFO, "main", "stopping signal=%d", which);
}

static int run(struct keeper *keeper)
{
	int r = weir_process_settle(keeper->conf.log_level);

	keeper->started_ns = weir_clock_now_ns();
	r = r < 0 ? r : keeper_start(keeper);
	if (r == 0) {
		wait_for_the_end(keeper);
	}
	keeper_stop(keeper);
	return r < 0 ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* The file, the environment and the flags; EXIT_FAILURE with the sentence on stderr. */
static int configure(struct keeper *keeper, const struct weir_cli *cli)
{
	struct weir_buf why;
	int r;

	weir_buf_init(&why, 0);
	r = weir_conf_load(&keeper->arena, cli->config, cli->flags, cli->flag_count, &keeper->conf, &why);
	if (r != 0) {
		fprintf(stderr, "weir: %.*s\n", (int)why.length, why.length > 0 ? why.data : "");
		if (why.length == 0) {
			fprintf(stderr, "weir: the configuration cannot be read: %s\n", strerror(r < 0 ? -r : EINVAL));
		}
	}
	weir_buf_fini(&why);
	return r == 0 ? EXIT_SUCCESS : EXIT_FAILURE;
}

int main(int argc, char **argv)
{
	static struct keeper keeper;
	struct weir_cli cli;
	int status = EXIT_SUCCESS;

	if (weir_cli_parse(argc, argv, &cli) < 0) {
		return 2;
	}
	if (cli.command == WEIR_COMMAND_HELP) {
		weir_cli_help();
		return EXIT_SUCCESS;
	}
	if (cli.command == WEIR_COMMAND_SAMPLE) {
		weir_cli_sample();
		return EXIT_SUCCESS;
	}
	if (cli.command == WEIR_COMMAND_ATTRIBUTES) {
		weir_cli_attributes();
		return EXIT_SUCCESS;
	}
	if (cli.command == WEIR_COMMAND_VERSION) {
		printf("weir %s\n", WEIR_VERSION);
		return EXIT_SUCCESS;
	}
	if (cli.command == WEIR_COMMAND_CHECK) {
		return weir_validate(&cli);
	}
	weir_arena_init(&keeper.arena, 16u << 10, 8u << 20);
	status = configure(&keeper, &cli);
	if (status == EXIT_SUCCESS) {
		status = run(&keeper);
	}
	weir_arena_fini(&keeper.arena);
	return status;
}
