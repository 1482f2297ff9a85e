/* http: libmicrohttpd without its listeners: one epoll thread for all plain
 * connections and one for all with TLS (each only if an address wants it), one
 * thread of ours that accepts, a few that answer queries.
 *
 * Stopping: accept no more → queries that run finish, those that wait are
 * refused → what is still parked is answered 503 → answers go out (SEND_MS at
 * most) → libmicrohttpd closes what is left. No request is suspended then;
 * libmicrohttpd insists on that.
 *
 * Errors that libmicrohttpd answers by itself (400 for a request that is no
 * HTTP, 414 and 431 beyond its memory for one connection) are not in our
 * counters: it does not tell.
 *
 * Memory of one connection: limits.header and CONNECTION_BYTES for
 * libmicrohttpd's reading, its index of the headers and those of the answer. It
 * clears the whole after each request, so a connection that has served one has
 * all of it: 49 KiB with 16 KiB of headers (81 with twice the rest, for the same
 * CPU when bodies are large). */
#include "serve/http.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/err.h"
#include "serve/http_request.h"

#define CONNECTION_BYTES (32u << 10)
#define SILENCE_S 60u
#define GREET_MS 10000u
#define READ_MS 90000u
#define WRITE_MS 300000u
#define SEND_MS 1000u
#define PRIORITIES "NORMAL:-VERS-TLS1.0:-VERS-TLS1.1:-VERS-DTLS-ALL"

static int listeners_open(struct weir_http *http)
{
	int fault = 0;

	for (size_t i = 0; i < http->opts.address_count && fault == 0; i++) {
		struct weir_http_listener *listener = &http->listeners[i];
		const char *bare;

		listener->is_tls = weir_tls_is_wanted(http->opts.addresses[i], http->opts.tls != NULL, &bare);
		fault = listener->is_tls && http->opts.tls == NULL
				? -EINVAL
				: weir_listen_open(bare, &listener->fd, listener->address);
		http->listener_count += fault == 0;
		if (fault != 0 && http->opts.ret_failed != NULL) {
			*http->opts.ret_failed = http->opts.addresses[i];
		}
	}
	return fault;
}

int weir_http_open(const struct weir_http_opts *opts, struct weir_http **ret_http)
{
	struct weir_http *http = calloc(1, sizeof(*http));
	int fault = 0;

	if (http == NULL) {
		return -ENOMEM;
	}
	http->opts = *opts;
	http->wake_fd = http->spare.fd = -1;
	http->greet_ms = GREET_MS;
	http->read_ms = READ_MS;
	http->write_ms = WRITE_MS;
	pthread_mutex_init(&http->lock, NULL);
	pthread_mutex_init(&http->ingest_lock, NULL);
	pthread_cond_init(&http->is_answered, NULL);
	http->routes = calloc(opts->route_count + 1, sizeof(http->routes[0]));
	http->listeners = calloc(opts->address_count + 1, sizeof(http->listeners[0]));
	if (http->routes == NULL || http->listeners == NULL) {
		fault = -ENOMEM;
	} else {
		for (size_t i = 0; i < opts->route_count; i++) {
			http->routes[i] = opts->routes[i];
		}
		fault = listeners_open(http);
	}
	if (fault == 0 && http->opts.tls != NULL) {
		fault = weir_http_tls_renew(http);
	}
	http->opts.addresses = NULL; /* the caller's from here on */
	http->opts.ret_failed = NULL;
	http->opts.routes = http->routes;
	if (fault != 0) {
		weir_http_close(http);
		return fault;
	}
	*ret_http = http;
	return 0;
}

const char *weir_http_address(const struct weir_http *http, size_t i)
{
	weir_assert(i < http->listener_count);
	return http->listeners[i].address;
}

/* The certificate is only what libmicrohttpd insists on: each connection gets its own (http_tls.c). */
static int daemon_start(struct weir_http *http, bool is_tls, struct MHD_Daemon **ret_daemon)
{
	const struct weir_tls_set *set = is_tls ? weir_http_tls_set(http) : NULL;
	struct MHD_OptionItem with_tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, is_tls ? (void *)(uintptr_t)set->cert : NULL },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, is_tls ? (void *)(uintptr_t)set->key : NULL },
		{ MHD_OPTION_HTTPS_PRIORITIES, 0, (void *)(uintptr_t)PRIORITIES },
		{ MHD_OPTION_END, 0, NULL },
	};
	struct MHD_OptionItem without[] = { { MHD_OPTION_END, 0, NULL } };

	errno = 0;
	*ret_daemon = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC | MHD_USE_NO_LISTEN_SOCKET |
					       MHD_ALLOW_SUSPEND_RESUME | (is_tls ? MHD_USE_TLS : 0u),
		0, NULL, NULL, weir_http_request_access, http, MHD_OPTION_NOTIFY_COMPLETED, weir_http_request_completed,
		http, MHD_OPTION_NOTIFY_CONNECTION, weir_http_accept_notify, http, MHD_OPTION_CONNECTION_LIMIT,
		http->opts.max_connections, MHD_OPTION_CONNECTION_TIMEOUT, SILENCE_S,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, CONNECTION_BYTES + http->opts.max_header_bytes, MHD_OPTION_ARRAY,
		is_tls ? with_tls : without, MHD_OPTION_END);
	if (*ret_daemon == NULL) {
		return errno != 0 ? -errno : -ENOMEM;
	}
	return 0;
}

int weir_http_start(struct weir_http *http)
{
	sigset_t all, before;
	int fault = 0;

	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	http->is_started = true;
	for (size_t i = 0; i < http->listener_count && fault == 0; i++) {
		struct MHD_Daemon **daemon = http->listeners[i].is_tls ? &http->tls_daemon : &http->daemon;

		if (*daemon == NULL) {
			fault = daemon_start(http, http->listeners[i].is_tls, daemon);
		}
	}
	if (fault == 0) {
		fault = weir_http_pool_start(&http->pool, http->opts.query_threads, http->opts.query_queue);
	}
	if (fault == 0) {
		fault = weir_http_accept_start(http);
	}
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (fault != 0) {
		weir_http_stop(http);
	}
	return fault;
}

/* Answers that are made go out; a client that does not read waits in vain. */
static void answers_wait(struct weir_http *http)
{
	const struct timespec until = weir_clock_later(SEND_MS * UINT64_C(1000000));
	int outcome = 0;

	pthread_mutex_lock(&http->lock);
	while (http->answering > 0 && outcome == 0) {
		outcome = pthread_cond_clockwait(&http->is_answered, &http->lock, CLOCK_MONOTONIC, &until);
	}
	pthread_mutex_unlock(&http->lock);
}

int weir_http_renew(struct weir_http *http)
{
	return http->opts.tls != NULL ? weir_http_tls_renew(http) : 0;
}

static void daemon_stop(struct MHD_Daemon **daemon)
{
	if (*daemon != NULL) {
		MHD_stop_daemon(*daemon);
		*daemon = NULL;
	}
}

void weir_http_stop(struct weir_http *http)
{
	if (http == NULL || !http->is_started) {
		return;
	}
	weir_http_accept_stop(http);
	weir_http_pool_stop(&http->pool);
	if (http->daemon != NULL || http->tls_daemon != NULL) {
		weir_http_park_end(http);
		answers_wait(http);
		daemon_stop(&http->daemon);
		daemon_stop(&http->tls_daemon);
	}
	weir_http_pool_fini(&http->pool);
	http->is_started = false;
}

void weir_http_close(struct weir_http *http)
{
	if (http == NULL) {
		return;
	}
	weir_http_stop(http);
	weir_http_request_free_idle(http);
	weir_http_tls_fini(http);
	for (size_t i = 0; i < http->listener_count; i++) {
		struct sockaddr_un un = { 0 };
		socklen_t length = sizeof(un);

		if (getsockname(http->listeners[i].fd, (struct sockaddr *)&un, &length) == 0 &&
			un.sun_family == AF_UNIX) {
			unlink(un.sun_path);
		}
		close(http->listeners[i].fd);
	}
	pthread_cond_destroy(&http->is_answered);
	pthread_mutex_destroy(&http->ingest_lock);
	pthread_mutex_destroy(&http->lock);
	free(http->listeners);
	free(http->routes);
	free(http);
}
