/* main: the keeper. Builds the parts, starts them, waits for a signal, stops
 * them in order. The only file that sees both banks.
 *
 * Start: lock and database → ring → state (kept.c) → replay → listeners → ready.
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

#include "aggregate/run.h"
#include "base/clock.h"
#include "base/conf.h"
#include "base/err.h"
#include "base/log.h"
#include "certificates.h"
#include "cli.h"
#include "exporters/exporters.h"
#include "kept.h"
#include "memory.h"
#include "pod_source.h"
#include "process.h"
#include "receive/admit.h"
#include "receivers.h"
#include "rulesets.h"
#include "serve/ack.h"
#include "serve/grpc.h"
#include "serve/http.h"
#include "serve/tls.h"
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

	const struct weir_ruleset *ruleset; /* of the start */
	struct weir_kept kept;
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

	return weir_store_state(keeper->kept.store) != WEIR_STORE_OK;
}

static void on_stored(void *ctx, uint64_t position)
{
	struct keeper *keeper = ctx;

	weir_ack_advance(keeper->ack, position);
}

static int entries_start(struct keeper *keeper)
{
	const char *which;
	int r = weir_entries_start(keeper->ruleset, &which, &keeper->entries);

	return r < 0 ? weir_process_refuse("log entries cannot be written", which, r) : 0;
}

static int threads_start(struct keeper *keeper)
{
	struct weir_run_opts run_opts;
	struct weir_writer_opts writer_opts;
	int r = weir_windows_create(keeper->kept.found.window + 1, &keeper->windows);

	run_opts = (struct weir_run_opts){
		.ring = keeper->kept.ring,
		.fold = keeper->kept.fold,
		.windows = keeper->windows,
		.watch = weir_entries_watch,
		.ctx = keeper->entries,
	};
	r = r < 0 ? r : weir_run_create(&run_opts, &keeper->run);
	r = r < 0 ? r : weir_ack_create(PARKED_ANSWERS, &keeper->ack);
	writer_opts = (struct weir_writer_opts){
		.store = keeper->kept.store,
		.windows = keeper->windows,
		.ring = keeper->kept.ring,
		.stored = on_stored,
		.ctx = keeper,
	};
	r = r < 0 ? r : weir_writer_start(&writer_opts, &keeper->writer);
	r = r < 0 ? r : weir_run_start(keeper->run);
	return r < 0 ? weir_process_refuse("the threads cannot be started", "writer", r) : 0;
}

static int receivers_create(struct keeper *keeper)
{
	struct weir_receive_opts opts = {
		.ring = keeper->kept.ring,
		.max_message_bytes = keeper->conf.limits_message,
		.parks = strcmp(keeper->conf.storage_sync, "always") == 0,
		.is_storage_failing = is_storage_failing,
		.ctx = keeper,
		.rejects_identity = strcmp(keeper->conf.security_identity, "reject") == 0,
		.envoy_counters_are_deltas = strcmp(keeper->conf.metrics_envoy_counters, "delta") == 0,
		.workloads = keeper->pod_source.workloads,
	};
	int r = weir_admit_create(keeper->kept.ring, (uint32_t)keeper->conf.limits_source_share, &keeper->admit);

	opts.admit = keeper->admit;
	return r < 0 ? r : weir_receivers_init(&keeper->receivers, &opts);
}

static int exporters_create(struct keeper *keeper)
{
	struct weir_exporters_opts opts = {
		.run = keeper->run,
		.store = keeper->kept.store,
		.windows = keeper->windows,
		.ring = keeper->kept.ring,
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
	return r < 0 ? weir_process_refuse("gRPC cannot listen", which, r) : 0;
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
	return r < 0 ? weir_process_refuse("HTTP cannot listen", which, r) : 0;
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
	printf(" database=%s ring=%s\n", keeper->conf.storage_path, weir_ring_path(keeper->kept.ring));
	fflush(stdout);
}

static int keeper_start(struct keeper *keeper)
{
	int r = weir_memory_settle(&keeper->conf, QUERY_THREADS, &keeper->query_bytes);

	r = r < 0 ? r : weir_certificates_load(&keeper->conf, &keeper->tls);
	r = r < 0 ? r : weir_rulesets_load(&keeper->conf, &keeper->ruleset);
	r = r < 0 ? r : entries_start(keeper);
	r = r < 0 ? r : weir_kept_open(&keeper->conf, keeper->ruleset, &keeper->kept);
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
			weir_process_refuse("the listeners cannot be started", "serve", r);
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
	if (keeper->kept.ring != NULL) {
		weir_ring_seal(keeper->kept.ring);
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
	weir_kept_close(&keeper->kept);
	weir_ruleset_let_go(keeper->ruleset);
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
