/* http_accept: the thread that accepts for all HTTP addresses and hands the
 * connections to libmicrohttpd: to its plain daemon, or to the one with TLS.
 *
 * Why not libmicrohttpd's own listeners: it has one a daemon, so several
 * addresses would be several threads, and an ingest handler belongs to one;
 * and out of descriptors its listener spins when it has no connection of its
 * own to wait for. Here, one descriptor in reserve accepts and closes (see
 * listen.c), and when not even that is there the thread waits SHORT_MS.
 *
 * The same thread looks once a second for connections that dawdle: a TLS
 * handshake must be over after greet_ms, a request must have come in whole
 * read_ms after the connection or the last answer, and an answer must have gone
 * out after write_ms, however slowly its bytes drip.
 * (libmicrohttpd's own timeout is for silence.) And for those whose client has
 * left in the middle of a request: libmicrohttpd 0.9.75 reads once an edge of
 * its epoll, and misses an end that comes together with the last bytes. Two
 * looks must have found it so, for what was read may still be on its way to a
 * handler. Such a connection is shut down; libmicrohttpd then sees its end.
 *
 * Invariants: 1. open + handed_over <= max_connections. 2. A connection in the
 * list is open: it is put in by the notice of its start and taken out, under the lock, before libmicrohttpd closes it. */
#include "serve/http_request.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stat.h"

#define LOOK_MS 1000
#define SHORT_MS 50
#define LISTENERS_MOST 64u

static void connection_add(struct weir_http *http, struct MHD_Connection *connection, void **socket_ctx)
{
	int fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
	struct weir_http_connection *socket = calloc(1, sizeof(*socket));
	bool is_tls = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_DAEMON)->daemon == http->tls_daemon;

	if (socket != NULL) {
		socket->http = http;
		socket->fd = fd;
		socket->doing = WEIR_HTTP_READING;
	}
	if (socket == NULL || (is_tls && !weir_http_tls_begin(http, connection, socket))) {
		shutdown(fd, SHUT_RDWR); /* no memory to watch over it */
	}
	pthread_mutex_lock(&http->lock);
	http->open++;
	http->handed_over -= http->handed_over > 0;
	if (socket != NULL) {
		socket->since_ns = weir_clock_monotonic_ns();
		socket->next = http->connections;
		if (socket->next != NULL) {
			socket->next->previous = socket;
		}
		http->connections = socket;
	}
	pthread_mutex_unlock(&http->lock);
	*socket_ctx = socket;
}

void weir_http_accept_notify(
	void *ctx, struct MHD_Connection *connection, void **socket_ctx, enum MHD_ConnectionNotificationCode what)
{
	struct weir_http *http = ctx;
	struct weir_http_connection *socket = *socket_ctx;

	if (what == MHD_CONNECTION_NOTIFY_STARTED) {
		connection_add(http, connection, socket_ctx);
		return;
	}
	pthread_mutex_lock(&http->lock);
	http->open--;
	if (socket != NULL) {
		if (socket->previous != NULL) {
			socket->previous->next = socket->next;
		} else {
			http->connections = socket->next;
		}
		if (socket->next != NULL) {
			socket->next->previous = socket->previous;
		}
	}
	pthread_mutex_unlock(&http->lock);
	if (socket != NULL) {
		weir_http_tls_end(socket);
		free(socket);
	}
	*socket_ctx = NULL;
}

void weir_http_accept_doing(struct weir_http *http, struct weir_http_connection *socket, enum weir_http_doing doing)
{
	if (socket != NULL) {
		pthread_mutex_lock(&http->lock);
		socket->doing = doing;
		socket->since_ns = weir_clock_monotonic_ns();
		pthread_mutex_unlock(&http->lock);
	}
}

static uint64_t limit_ms(const struct weir_http *http, enum weir_http_doing doing)
{
	switch (doing) {
	case WEIR_HTTP_GREETING:
		return http->greet_ms;
	case WEIR_HTTP_READING:
		return http->read_ms;
	default:
		return http->write_ms;
	}
}

/* Has the client sent its end, and is all before it read? */
static bool has_left(const struct weir_http_connection *socket)
{
	struct pollfd wait = { .fd = socket->fd, .events = POLLRDHUP };
	int unread = 0;

	return poll(&wait, 1, 0) == 1 && (wait.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0 &&
	       ioctl(socket->fd, FIONREAD, &unread) == 0 && unread == 0;
}

/* Will this connection do anything but take its place? */
static bool is_over(const struct weir_http *http, struct weir_http_connection *socket, uint64_t now_ns)
{
	bool was_left = socket->left_since_ns == socket->since_ns;

	if (socket->doing == WEIR_HTTP_HANDLING) {
		return false;
	}
	if (now_ns - socket->since_ns > limit_ms(http, socket->doing) * 1000000) {
		return true;
	}
	if (socket->doing == WEIR_HTTP_WRITING || !has_left(socket)) {
		return false;
	}
	socket->left_since_ns = socket->since_ns;
	return was_left;
}

static void cut_dawdlers(struct weir_http *http)
{
	uint64_t now_ns;

	pthread_mutex_lock(&http->lock);
	/* Read under the lock, as since_ns is: an older reading would make a request that has just begun look endless. */
	now_ns = weir_clock_monotonic_ns();
	for (struct weir_http_connection *socket = http->connections; socket != NULL; socket = socket->next) {
		if (is_over(http, socket, now_ns)) {
			socket->is_cut = true;
			shutdown(socket->fd, SHUT_RDWR);
		}
	}
	pthread_mutex_unlock(&http->lock);
}

/* A place for one more. libmicrohttpd's own check must never be reached: in
 * 0.9.75 it forgets to unlock a mutex when it says no. */
static bool place_take(struct weir_http *http)
{
	bool is_room;

	pthread_mutex_lock(&http->lock);
	is_room = (uint64_t)http->open + http->handed_over < http->opts.max_connections;
	http->handed_over += is_room;
	pthread_mutex_unlock(&http->lock);
	return is_room;
}

/* One that was handed over has begun long before this, or failed for want of
 * memory without a notice: then its place comes back here. */
static void places_settle(struct weir_http *http)
{
	pthread_mutex_lock(&http->lock);
	http->handed_over = 0;
	pthread_mutex_unlock(&http->lock);
}

static void hand_over(
	struct weir_http *http, bool is_tls, int fd, const struct sockaddr_storage *address, socklen_t length)
{
	struct MHD_Daemon *daemon = is_tls ? http->tls_daemon : http->daemon;

	if (!place_take(http)) {
		weir_stat_add(WEIR_STAT_ACCEPT_SHED, 1); /* counted before the other side can see it */
		close(fd);
	} else if (MHD_add_connection(daemon, fd, (const struct sockaddr *)address, length) != MHD_YES) {
		weir_stat_add(WEIR_STAT_ACCEPT_SHED, 1); /* no memory; it has closed the socket */
	}
}

/* All that wait on one socket. false: no descriptor, come again in a moment. */
static bool accept_all(struct weir_http *http, const struct weir_http_listener *listener)
{
	for (;;) {
		struct sockaddr_storage address = { 0 };
		socklen_t length = sizeof(address);
		int fd = weir_listen_accept(
			&http->spare, listener->fd, (struct sockaddr *)&address, &length, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd == -EMFILE) {
			return false;
		}
		if (fd == -EAGAIN) {
			return true;
		}
		if (fd < 0) {
			continue; /* that one broke (ECONNABORTED, EPROTO, …); the next may be whole */
		}
		hand_over(http, listener->is_tls, fd, &address, length);
	}
}

static void *accept_loop(void *ctx)
{
	struct weir_http *http = ctx;
	struct pollfd waits[LISTENERS_MOST + 1];
	uint64_t look_at_ns = 0;

	pthread_setname_np(pthread_self(), "weir-http-in");
	for (size_t i = 0; i < http->listener_count; i++) {
		waits[i + 1] = (struct pollfd){ http->listeners[i].fd, POLLIN, 0 };
	}
	waits[0] = (struct pollfd){ http->wake_fd, POLLIN, 0 };
	for (;;) {
		bool is_short = false;
		uint64_t now_ns = weir_clock_monotonic_ns();

		if (now_ns >= look_at_ns) {
			cut_dawdlers(http);
			look_at_ns = now_ns + LOOK_MS * UINT64_C(1000000);
		}
		if (poll(waits, http->listener_count + 1, LOOK_MS) == 0) {
			places_settle(http);
			continue;
		}
		if ((waits[0].revents & POLLIN) != 0) {
			return NULL;
		}
		for (size_t i = 1; i <= http->listener_count; i++) {
			if (waits[i].revents != 0 && !accept_all(http, &http->listeners[i - 1])) {
				is_short = true;
			}
		}
		if (is_short) {
			poll(waits, 1, SHORT_MS);
		}
	}
}

int weir_http_accept_start(struct weir_http *http)
{
	int fault;

	if (http->listener_count > LISTENERS_MOST) {
		return -E2BIG;
	}
	http->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (http->wake_fd < 0) {
		return -errno;
	}
	fault = weir_listen_spare_init(&http->spare);
	if (fault == 0) {
		fault = -pthread_create(&http->acceptor, NULL, accept_loop, http);
	}
	http->is_acceptor_started = fault == 0;
	return fault;
}

void weir_http_accept_stop(struct weir_http *http)
{
	if (http->is_acceptor_started) {
		eventfd_write(http->wake_fd, 1);
		pthread_join(http->acceptor, NULL);
		http->is_acceptor_started = false;
	}
	weir_listen_spare_fini(&http->spare);
	if (http->wake_fd >= 0) {
		close(http->wake_fd);
		http->wake_fd = -1;
	}
}
