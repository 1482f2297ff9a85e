/* grpc: libgrpc's server, its completion queue and the one polling thread.
 *
 * The thread takes tags off the queue and hands them to grpc_call.c; between
 * tags it offers held messages again (every RETRY_MS while there are any) and
 * lets the accept table sweep. All reading, deflating, decoding and answering
 * of gRPC happens on this thread: a second one costs more than it brings
 * (design.md §5).
 *
 * Stopping, as the thread sees it:
 *
 *   SERVING ─stop()→ DRAINING ─grace over→ ENDING ─END_MS→ CANCELLED ─→ joined
 *      │ GOAWAY is out, new     │ streams get `end`   │ the rest is cut,
 *      │ calls are refused,     │ and their status    │ parked answers are
 *      │ open ones read on      │                     │ given up
 *      └─ from DRAINING on, "everything is over" (the server's own tag is back
 *         and no call is left) ends the thread at once.
 *
 * Invariants: 1. Only the polling thread touches `calls` between start and the
 * join; before and after it is main's. 2. Signals are blocked while libgrpc
 * makes its threads and in ours. 3. The core's resource quota is a ceiling
 * for memory that is far above the usual; the throttle is the number of armed
 * calls. 4. The core's own limit of a message is off and ours on: the core
 * (1.51) holds the whole message before it looks, and does not say that it
 * refused, so that nothing could be counted.
 *
 * The windows are fixed (the probe of the bandwidth-delay product grows them
 * without asking): WINDOW_BYTES is measured, see README. */
#include "serve/grpc.h"

#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>

#include <grpc/grpc.h>
#include <grpc/support/time.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/log.h"
#include "base/stat.h"
#include "serve/accept.h"
#include "serve/grpc_call.h"
#include "serve/grpc_guard.h"
#include "serve/grpc_log.h"
#include "serve/grpc_port.h"
#include "serve/guard.h"

#define ARMED_UNARY 4u
#define CALLS_A_CONNECTION 4u /* a proxy has two streams, an SDK a call for each signal */
#define ARMED_STREAM 2u
#define ARMED_UNKNOWN 1u
#define WINDOW_BYTES (64 * 1024)
#define UNREAD_BYTES (16 * 1024) /* of a stream's answers that its client does not read */
#define QUOTA_BASE_BYTES (32u << 20)
#define QUOTA_MESSAGES 8u
#define HANDSHAKE_MS 10000
#define AGE_JITTER_PER_MILLE 100u /* the core's, at most */
#define IDLE_MS (15 * 60 * 1000)  /* a connection without calls, whose client may come again */
#define KEEPALIVE_MS 60000
#define KEEPALIVE_ANSWER_MS 20000
#define PING_INTERVAL_MS 10000 /* clients that ping more often are told to calm down */
#define RETRY_MS 5u
#define TICK_MS 200u
#define END_MS 300u
#define PROVE_MS 2000u

enum phase { SERVING, DRAINING, ENDING, CANCELLED };

struct weir_grpc {
	struct weir_grpc_calls calls;
	struct weir_grpc_ports ports;
	struct weir_grpc_method *methods; /* a copy */
	struct weir_grpc_served *served;
	uint32_t max_connections;
	pthread_t thread;
	bool is_started;       /* main's */
	atomic_bool is_proved; /* WEIR_STAT_HTTP2_GUARDED says the truth */
	atomic_uint stop_plus; /* 1 + grace_ms once main asked to stop */
	/* the polling thread's */
	enum phase phase;
	bool is_server_over, is_unguarded_said;
	uint64_t phase_until_ns, retry_at_ns, tick_at_ns;
};

static grpc_arg integer_arg(const char *key, int value)
{
	grpc_arg arg = { .type = GRPC_ARG_INTEGER };

	arg.key = (char *)(uintptr_t)key; /* the core takes it for reading only */
	arg.value.integer = value;
	return arg;
}

/* As the core takes it: INT_MAX is never, and so is 0 of ours. */
static int milliseconds(uint64_t seconds)
{
	return seconds == 0 || seconds > INT_MAX / 1000 ? INT_MAX : (int)(seconds * 1000);
}

static grpc_server *server_create(const struct weir_grpc_opts *opts)
{
	grpc_resource_quota *quota = grpc_resource_quota_create("weir");
	grpc_arg args[] = {
		integer_arg(GRPC_ARG_MAX_RECEIVE_MESSAGE_LENGTH, -1),
		integer_arg(GRPC_ARG_ENABLE_PER_MESSAGE_DECOMPRESSION, 0),
		integer_arg(GRPC_ARG_MAX_METADATA_SIZE, (int)opts->max_metadata_bytes),
		integer_arg(GRPC_ARG_MAX_CONCURRENT_STREAMS, (int)opts->max_streams),
		integer_arg(GRPC_ARG_KEEPALIVE_TIME_MS, KEEPALIVE_MS),
		integer_arg(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, KEEPALIVE_ANSWER_MS),
		integer_arg(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1),
		integer_arg(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS, PING_INTERVAL_MS),
		integer_arg(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, HANDSHAKE_MS),
		integer_arg(GRPC_ARG_MAX_CONNECTION_AGE_MS, milliseconds(opts->max_connection_age_s)),
		integer_arg(GRPC_ARG_MAX_CONNECTION_AGE_GRACE_MS, INT_MAX), /* ours: grpc_peer.c */
		integer_arg(GRPC_ARG_MAX_CONNECTION_IDLE_MS, IDLE_MS),
		integer_arg(GRPC_ARG_HTTP2_BDP_PROBE, 0),
		integer_arg(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, WINDOW_BYTES),
		integer_arg(GRPC_ARG_HTTP2_WRITE_BUFFER_SIZE, UNREAD_BYTES),
		integer_arg(GRPC_ARG_ALLOW_REUSEPORT, 0), /* a second weir on the same port must fail */
		integer_arg(GRPC_ARG_ENABLE_CHANNELZ, 0),
		{ .type = GRPC_ARG_POINTER },
	};
	size_t count = sizeof(args) / sizeof(args[0]);
	grpc_channel_args all = { count, args };
	grpc_server *server;

	grpc_resource_quota_resize(quota, QUOTA_BASE_BYTES + QUOTA_MESSAGES * opts->max_message_bytes);
	args[count - 1].key = integer_arg(GRPC_ARG_RESOURCE_QUOTA, 0).key;
	args[count - 1].value.pointer.p = quota;
	args[count - 1].value.pointer.vtable = grpc_resource_quota_arg_vtable();
	server = grpc_server_create(&all, NULL);
	grpc_resource_quota_unref(quota);
	return server;
}

static void methods_register(struct weir_grpc *grpc)
{
	for (size_t i = 0; i + 1 < grpc->calls.served_count; i++) {
		struct weir_grpc_served *served = &grpc->served[i];
		const struct weir_grpc_method *method = &grpc->methods[i];

		served->method = method;
		served->target = method->unary != NULL ? ARMED_UNARY : ARMED_STREAM;
		served->registered =
			grpc_server_register_method(grpc->calls.server, method->path, NULL, GRPC_SRM_PAYLOAD_NONE, 0);
		weir_assert(served->registered != NULL); /* no path twice */
	}
	grpc->served[grpc->calls.served_count - 1].target = ARMED_UNKNOWN;
}

static int parts_create(const struct weir_grpc_opts *opts, struct weir_grpc *grpc)
{
	int fault;

	grpc->methods = calloc(opts->method_count + 1, sizeof(grpc->methods[0]));
	grpc->served = calloc(opts->method_count + 1, sizeof(grpc->served[0]));
	if (grpc->methods == NULL || grpc->served == NULL) {
		return -ENOMEM;
	}
	for (size_t i = 0; i < opts->method_count; i++) {
		grpc->methods[i] = opts->methods[i];
	}
	grpc->max_connections = opts->max_connections;
	grpc->calls.served = grpc->served;
	grpc->calls.served_count = opts->method_count + 1;
	grpc->calls.ack = opts->ack;
	grpc->calls.max_message_bytes = opts->max_message_bytes;
	weir_grpc_guard_settle(opts->max_metadata_bytes, opts->max_streams);
	grpc->calls.talk_limit = opts->max_connections;
	grpc->calls.live_limit = CALLS_A_CONNECTION * opts->max_connections;
	if (grpc->calls.live_limit < opts->max_streams) {
		grpc->calls.live_limit = opts->max_streams; /* one connection may have all of its own */
	}
	if (opts->max_connection_age_s > 0) { /* with all of the core's jitter; see grpc_peer.c */
		grpc->calls.stream_age_ns =
			opts->max_connection_age_s * (1000 + AGE_JITTER_PER_MILLE) * UINT64_C(1000000) +
			opts->connection_grace_s * UINT64_C(1000000000);
	}
	grpc->calls.has_tls = opts->tls != NULL;
	weir_buf_init(&grpc->calls.message, opts->max_message_bytes + 1); /* one byte to see that there is more */
	grpc->calls.queue = grpc_completion_queue_create_for_next(NULL);
	grpc->calls.server = server_create(opts);
	grpc_server_register_completion_queue(grpc->calls.server, grpc->calls.queue, NULL);
	methods_register(grpc);
	fault = weir_grpc_port_add(grpc->calls.server, opts->addresses, opts->address_count, opts->tls, &grpc->ports);
	if (fault != 0 && opts->ret_failed != NULL && grpc->ports.address_count < opts->address_count) {
		*opts->ret_failed = opts->addresses[grpc->ports.address_count];
	}
	return fault;
}

static void signals_block(sigset_t *ret_before)
{
	sigset_t all;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, ret_before);
}

int weir_grpc_open(const struct weir_grpc_opts *opts, struct weir_grpc **ret_grpc)
{
	struct weir_grpc *grpc = calloc(1, sizeof(*grpc));
	sigset_t before;
	int fault;

	if (grpc == NULL) {
		return -ENOMEM;
	}
	pthread_mutex_init(&grpc->calls.talk_lock, NULL);
	signals_block(&before);
	weir_grpc_log_take();
	grpc_init();
	fault = parts_create(opts, grpc);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (fault == 0 && weir_accept_watch != NULL) {
		fault = weir_accept_watch(grpc->ports.sockets, grpc->ports.socket_count, grpc->max_connections);
	}
	if (fault != 0) {
		weir_grpc_close(grpc);
		return fault;
	}
	*ret_grpc = grpc;
	return 0;
}

const char *weir_grpc_address(const struct weir_grpc *grpc, size_t i)
{
	weir_assert(i < grpc->ports.address_count);
	return grpc->ports.addresses[i];
}

/* DRAINING begins when main asked; each later phase when its time is up. */
static void phase_advance(struct weir_grpc *grpc, uint64_t now_ns)
{
	unsigned stop_plus = atomic_load_explicit(&grpc->stop_plus, memory_order_acquire);

	if (grpc->phase == SERVING && stop_plus > 0) {
		grpc->phase = DRAINING;
		grpc->phase_until_ns = now_ns + (stop_plus - 1) * UINT64_C(1000000);
		grpc->calls.is_stopping = true;
	}
	if (grpc->phase == SERVING || grpc->phase == CANCELLED || now_ns < grpc->phase_until_ns) {
		return;
	}
	if (grpc->phase == DRAINING) {
		grpc->phase = ENDING;
		grpc->phase_until_ns = now_ns + END_MS * UINT64_C(1000000);
		weir_grpc_stream_retry_held(&grpc->calls);
		weir_grpc_stream_end_all(&grpc->calls);
	} else {
		grpc->phase = CANCELLED;
		grpc_server_cancel_all_calls(grpc->calls.server);
		weir_grpc_call_forget_parked(&grpc->calls);
	}
}

static gpr_timespec wait_until(const struct weir_grpc *grpc, uint64_t now_ns)
{
	uint64_t until_ns = grpc->tick_at_ns;

	if (grpc->calls.held_first != NULL && grpc->retry_at_ns < until_ns) {
		until_ns = grpc->retry_at_ns;
	}
	if (grpc->phase != SERVING && grpc->phase != CANCELLED && grpc->phase_until_ns < until_ns) {
		until_ns = grpc->phase_until_ns;
	}
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
		gpr_time_from_nanos(until_ns > now_ns ? (int64_t)(until_ns - now_ns) : 0, GPR_TIMESPAN));
}

/* The program is meant to have its guard, and has not. Said once. */
static void say_unguarded(struct weir_grpc *grpc)
{
	if (weir_guard_wait != NULL && !grpc->is_unguarded_said && weir_stat_get(WEIR_STAT_HTTP2_GUARDED) == 0 &&
		atomic_load_explicit(&grpc->is_proved, memory_order_acquire)) {
		grpc->is_unguarded_said = true;
		weir_log(WEIR_LOG_WARN, "serve", "libgrpc reads past the guard, hostile clients are not held in check");
	}
}

/* What is due between two tags. */
static void turn(struct weir_grpc *grpc, uint64_t now_ns)
{
	if (grpc->calls.held_first != NULL && now_ns >= grpc->retry_at_ns) {
		weir_grpc_stream_retry_held(&grpc->calls);
		grpc->retry_at_ns = now_ns + RETRY_MS * UINT64_C(1000000);
	}
	if (now_ns >= grpc->tick_at_ns) {
		if (weir_accept_tick != NULL) {
			weir_accept_tick();
		}
		weir_grpc_call_sweep(&grpc->calls, now_ns);
		say_unguarded(grpc);
		weir_grpc_call_arm_all(&grpc->calls); /* what memory was short for; else nothing to do */
		grpc->tick_at_ns = now_ns + TICK_MS * UINT64_C(1000000);
	}
	phase_advance(grpc, now_ns);
}

static void *poll_queue(void *ctx)
{
	struct weir_grpc *grpc = ctx;

	pthread_setname_np(pthread_self(), "weir-grpc");
	for (;;) {
		uint64_t now_ns = weir_clock_monotonic_ns();
		grpc_event event;

		turn(grpc, now_ns);
		if (grpc->phase != SERVING && grpc->is_server_over && !weir_grpc_call_is_any_left(&grpc->calls)) {
			return NULL;
		}
		event = grpc_completion_queue_next(grpc->calls.queue, wait_until(grpc, now_ns), NULL);
		if (event.type != GRPC_OP_COMPLETE) {
			continue;
		}
		if (event.tag == grpc) {
			grpc->is_server_over = true;
		} else {
			weir_grpc_call_completed(event.tag, event.success != 0);
		}
	}
}

int weir_grpc_start(struct weir_grpc *grpc)
{
	sigset_t before;
	int fault;

	signals_block(&before);
	grpc_server_start(grpc->calls.server);
	fault = weir_grpc_call_arm_all(&grpc->calls);
	if (fault == 0) {
		fault = -pthread_create(&grpc->thread, NULL, poll_queue, grpc);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (fault != 0) {
		return fault;
	}
	grpc->is_started = true;
	fault = weir_grpc_port_prove(&grpc->ports, PROVE_MS);
	atomic_store_explicit(&grpc->is_proved, true, memory_order_release);
	if (fault != 0) {
		weir_grpc_stop(grpc, 0);
	}
	return fault;
}

void weir_grpc_stop(struct weir_grpc *grpc, uint32_t grace_ms)
{
	if (grpc == NULL || !grpc->is_started) {
		return;
	}
	atomic_store_explicit(&grpc->stop_plus, grace_ms + 1, memory_order_release);
	if (weir_accept_unwatch != NULL) {
		weir_accept_unwatch(grpc->ports.sockets, grpc->ports.socket_count);
	}
	/* GOAWAY; it also fails the armed calls, and their tags wake the thread */
	grpc_server_shutdown_and_notify(grpc->calls.server, grpc->calls.queue, grpc);
	pthread_join(grpc->thread, NULL);
	grpc->is_started = false;
}

/* A server that never had its thread, or could not be started, is shut down here. */
static void server_end(struct weir_grpc *grpc)
{
	grpc_event event;

	if (grpc->calls.server != NULL && !grpc->is_server_over) {
		if (weir_accept_unwatch != NULL) {
			weir_accept_unwatch(grpc->ports.sockets, grpc->ports.socket_count);
		}
		grpc->calls.is_stopping = true;
		grpc_server_shutdown_and_notify(grpc->calls.server, grpc->calls.queue, grpc);
		grpc_server_cancel_all_calls(grpc->calls.server);
		do {
			event = grpc_completion_queue_next(
				grpc->calls.queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
			if (event.tag != grpc) {
				weir_grpc_call_completed(event.tag, event.success != 0);
			}
		} while (event.tag != grpc);
	}
	if (grpc->calls.server != NULL) {
		grpc_server_destroy(grpc->calls.server);
	}
	if (grpc->calls.queue != NULL) {
		grpc_completion_queue_shutdown(grpc->calls.queue);
		do {
			event = grpc_completion_queue_next(
				grpc->calls.queue, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL);
			if (event.type == GRPC_OP_COMPLETE && event.tag != grpc) {
				weir_grpc_call_completed(event.tag, event.success != 0);
			}
		} while (event.type != GRPC_QUEUE_SHUTDOWN);
		grpc_completion_queue_destroy(grpc->calls.queue);
	}
}

void weir_grpc_close(struct weir_grpc *grpc)
{
	if (grpc == NULL) {
		return;
	}
	weir_grpc_stop(grpc, 0);
	server_end(grpc);
	weir_grpc_call_free_idle(&grpc->calls);
	pthread_mutex_destroy(&grpc->calls.talk_lock);
	weir_coding_close(&grpc->calls.coding);
	weir_buf_fini(&grpc->calls.message);
	weir_grpc_port_fini(&grpc->ports);
	free(grpc->methods);
	free(grpc->served);
	free(grpc);
	grpc_shutdown_blocking();
}
