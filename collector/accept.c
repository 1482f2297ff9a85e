/* accept: accept4, defined by the executable itself, for libgrpc's listeners.
 *
 * libgrpc (1.51) treats EINTR, EAGAIN and ECONNABORTED as passing; any other
 * error of accept4, EMFILE among them, ends the listener for ever and without a
 * word. It imports accept4 through the PLT, so the executable's own symbol (of
 * default visibility, and among its sources rather than in an archive) comes
 * before libc's. What is not a watched socket goes straight to the kernel.
 *
 *   watched:  shortage of descriptors → accept and close with the spare one
 *             more than the cap       → close, counted
 *             nothing waits           → EAGAIN
 *             the listener is gone    → the error itself
 *             anything else           → ECONNABORTED, and libgrpc goes on
 *
 * The epoll behind libgrpc is edge-triggered: it hears of the backlog only once
 * and reads until EAGAIN. So no connection may be left in the backlog: what
 * cannot be served is accepted and closed. When there is not even a descriptor
 * for that, or a flood would keep the thread here (SHED_AT_ONCE), `is_stalled`
 * is set, libgrpc is told EAGAIN, and the tick empties the backlog later.
 *
 * Who has closed? libgrpc does not say. Each connection's descriptor is kept
 * with its SO_COOKIE, which the kernel never gives twice; a descriptor that is
 * closed, or has another cookie, was closed. The table is swept at the cap
 * and every SWEEP_MS. A `dup` would be simpler and would keep the connection
 * open.
 *
 * Whoever is let in is announced to the guard (serve/guard.h) first, and taken
 * leave of when the sweep finds the connection closed.
 *
 * Threads: libgrpc may ask from several; one mutex guards all of it.
 * Invariants: 1. open_count <= capacity. 2. At the cap sweeping takes at most a
 * fifth of the time: after one that took t, none for 4 t. */
#include "serve/accept.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/stat.h"
#include "serve/guard.h"
#include "serve/listen.h"

#define WATCHED_MOST 64u
#define SWEEP_MS 200u
#define SHED_AT_ONCE 512u

struct connection {
	int fd;
	uint64_t cookie;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t is_called = PTHREAD_COND_INITIALIZER;
static int watched[WATCHED_MOST];
static size_t watched_count;
static struct connection *connections;
static size_t open_count, capacity;
static uint64_t calls, swept_ns, sweep_cost_ns;
static struct weir_listen_spare spare = { -1 };
static bool is_stalled;

static bool is_watched(int fd)
{
	for (size_t i = 0; i < watched_count; i++) {
		if (watched[i] == fd) {
			return true;
		}
	}
	return false;
}

static uint64_t cookie_of(int fd)
{
	uint64_t cookie = 0;
	socklen_t length = sizeof(cookie);

	return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &length) == 0 ? cookie : 0;
}

static void sweep(void)
{
	uint64_t began_ns = weir_clock_monotonic_ns();
	size_t kept = 0;

	for (size_t i = 0; i < open_count; i++) {
		if (cookie_of(connections[i].fd) == connections[i].cookie) {
			connections[kept++] = connections[i];
		} else if (weir_guard_end != NULL) {
			weir_guard_end(connections[i].fd, connections[i].cookie);
		}
	}
	open_count = kept;
	swept_ns = weir_clock_monotonic_ns();
	sweep_cost_ns = swept_ns - began_ns;
}

static bool is_room(void)
{
	if (open_count == capacity && weir_clock_monotonic_ns() - swept_ns >= 4 * sweep_cost_ns) {
		sweep();
	}
	return open_count < capacity;
}

/* False: it cannot be guarded. */
static bool keep(int fd)
{
	uint64_t cookie = cookie_of(fd);

	if (weir_guard_begin != NULL && !weir_guard_begin(fd, cookie)) {
		return false;
	}
	connections[open_count++] = (struct connection){ fd, cookie };
	return true;
}

static bool is_listener_gone(int fault)
{
	return fault == -EBADF || fault == -EINVAL || fault == -ENOTSOCK || fault == -EOPNOTSUPP;
}

static int accept_watched(int fd, struct sockaddr *address, socklen_t *length, int flags)
{
	socklen_t room = length != NULL ? *length : 0;

	for (unsigned shed = 0; shed < SHED_AT_ONCE; shed++) {
		int taken = weir_listen_accept(&spare, fd, address, length, flags);

		if (taken == -EAGAIN || is_listener_gone(taken)) {
			return taken;
		}
		if (taken == -EMFILE) {
			break;
		}
		if (taken < 0) {
			return -ECONNABORTED;
		}
		if (is_room() && keep(taken)) {
			return taken;
		}
		weir_stat_add(WEIR_STAT_ACCEPT_SHED, 1);
		close(taken);
		if (length != NULL) {
			*length = room;
		}
	}
	is_stalled = true;
	return -EAGAIN;
}

/* glibc's own prototype: the address is a transparent union of pointers. */
__attribute__((visibility("default"))) int accept4(
	int fd, __SOCKADDR_ARG address, socklen_t *restrict length, int flags)
{
	struct sockaddr *plain = address.__sockaddr__;
	int taken;

	pthread_mutex_lock(&lock);
	if (!is_watched(fd)) {
		pthread_mutex_unlock(&lock);
		return (int)syscall(SYS_accept4, fd, plain, length, flags); /* may block: not under the lock */
	}
	calls++;
	pthread_cond_broadcast(&is_called);
	taken = accept_watched(fd, plain, length, flags);
	pthread_mutex_unlock(&lock);
	if (taken < 0) {
		errno = -taken;
		return -1;
	}
	return taken;
}

int weir_accept_watch(const int *fds, size_t count, uint32_t max_connections)
{
	struct connection *wider;
	int fault = 0;

	pthread_mutex_lock(&lock);
	if (watched_count + count > WATCHED_MOST) {
		fault = -E2BIG;
	} else if (spare.fd < 0) {
		fault = weir_listen_spare_init(&spare);
	}
	if (fault == 0 && max_connections > capacity) {
		wider = realloc(connections, max_connections * sizeof(*connections));
		if (wider != NULL) {
			connections = wider;
		} else {
			fault = -ENOMEM;
		}
	}
	if (fault == 0) {
		capacity = max_connections > open_count ? max_connections : open_count;
		for (size_t i = 0; i < count; i++) {
			watched[watched_count++] = fds[i];
		}
	}
	pthread_mutex_unlock(&lock);
	return fault;
}

void weir_accept_unwatch(const int *fds, size_t count)
{
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++) {
		for (size_t j = 0; j < watched_count; j++) {
			if (watched[j] == fds[i]) {
				watched[j] = watched[--watched_count];
				break;
			}
		}
	}
	if (watched_count == 0) {
		weir_listen_spare_fini(&spare);
		free(connections);
		connections = NULL;
		open_count = capacity = 0;
		is_stalled = false;
	}
	pthread_mutex_unlock(&lock);
}

uint64_t weir_accept_calls(void)
{
	uint64_t value;

	pthread_mutex_lock(&lock);
	value = calls;
	pthread_mutex_unlock(&lock);
	return value;
}

int weir_accept_wait(uint64_t before, uint32_t timeout_ms)
{
	const struct timespec until = weir_clock_later(timeout_ms * UINT64_C(1000000));
	int fault = 0;

	pthread_mutex_lock(&lock);
	while (calls <= before && fault == 0) {
		fault = -pthread_cond_clockwait(&is_called, &lock, CLOCK_MONOTONIC, &until);
	}
	pthread_mutex_unlock(&lock);
	return fault;
}

/* Refuses what waits on one socket. true: nothing waits any more. */
static bool shed_all(int fd)
{
	for (unsigned shed = 0; shed < SHED_AT_ONCE; shed++) {
		int taken = weir_listen_accept(&spare, fd, NULL, NULL, SOCK_CLOEXEC);

		if (taken == -EMFILE) {
			return false;
		}
		if (taken == -EAGAIN || is_listener_gone(taken)) {
			return true;
		}
		if (taken >= 0) {
			weir_stat_add(WEIR_STAT_ACCEPT_SHED, 1);
			close(taken);
		}
	}
	return false;
}

void weir_accept_tick(void)
{
	bool is_empty = true;

	pthread_mutex_lock(&lock);
	if (weir_clock_monotonic_ns() - swept_ns >= SWEEP_MS * UINT64_C(1000000)) {
		sweep();
	}
	for (size_t i = 0; i < watched_count && is_stalled; i++) {
		is_empty = shed_all(watched[i]) && is_empty;
	}
	is_stalled = is_stalled && !is_empty;
	pthread_mutex_unlock(&lock);
}
