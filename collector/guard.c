/* guard: recvmsg and SSL_read, defined by the executable itself, so that what
 * comes in for libgrpc is looked at first (serve/grpc_guard.h has the rules).
 *
 * libgrpc reads plain connections by recvmsg and TLS ones by SSL_read, both
 * through the PLT; like accept4 (accept.c) the executable's own come first. A
 * connection that is refused reads as closed by its peer: libgrpc gives up its
 * streams and closes it.
 *
 * Whose connection is it? recvmsg is everybody's in this process: a state is
 * kept for each descriptor, with the socket's SO_COOKIE, which the kernel never
 * gives twice; another cookie begins anew. Only who is sent HTTP/2's preface is
 * looked at: servers of HTTP/2, and that is libgrpc alone. A TLS connection's
 * state is the session's ex-data and goes with it.
 *
 * The states lie in rows of ROW descriptors, made when the first of a row is
 * read; without memory for one the connection is refused.
 *
 * Threads: libgrpc's; one at a time a connection, but not always the same: the
 * state is looked at under one of LOCKS locks, so that this needs no proof. */
#include <dlfcn.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <openssl/ssl.h>

#include "base/clock.h"
#include "base/err.h"
#include "serve/grpc_guard.h"

#define ROW 1024u
#define ROWS 1024u /* a descriptor beyond ROW * ROWS is refused */

#define LOCKS 16u

/* the initialiser wants each by itself */
#define FOUR PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER, PTHREAD_MUTEX_INITIALIZER

static pthread_mutex_t locks[LOCKS] = { FOUR, FOUR, FOUR, FOUR };

struct seat {
	uint64_t cookie;
	struct weir_grpc_guard guard;
};

static _Atomic(struct seat *) rows[ROWS];

static struct seat *seat_of(int fd)
{
	size_t row = (size_t)fd / ROW;
	struct seat *seats, *none = NULL;

	if (row >= ROWS) {
		return NULL;
	}
	seats = atomic_load_explicit(&rows[row], memory_order_acquire);
	if (seats == NULL) {
		seats = calloc(ROW, sizeof(*seats));
		if (seats != NULL && !atomic_compare_exchange_strong(&rows[row], &none, seats)) {
			free(seats);
			seats = none; /* another thread was quicker */
		}
	}
	return seats != NULL ? &seats[(size_t)fd % ROW] : NULL;
}

/* `who` stands for the connection: its descriptor, or a hash of its session. */
static bool look_locked(struct weir_grpc_guard *guard, size_t who, const void *bytes, size_t length, uint64_t now_ns)
{
	bool is_good;

	pthread_mutex_lock(&locks[who % LOCKS]);
	is_good = weir_grpc_guard_look(guard, bytes, length, now_ns);
	pthread_mutex_unlock(&locks[who % LOCKS]);
	return is_good;
}

/* A descriptor that is another connection's now begins anew. */
static void seat_settle(struct seat *seat, size_t who, uint64_t cookie)
{
	pthread_mutex_lock(&locks[who % LOCKS]);
	if (seat->cookie != cookie) {
		*seat = (struct seat){ .cookie = cookie };
	}
	pthread_mutex_unlock(&locks[who % LOCKS]);
}

/* False: to be refused. */
static bool look(int fd, const struct msghdr *message, size_t length)
{
	uint64_t cookie = 0, now_ns = weir_clock_monotonic_ns();
	socklen_t size = sizeof(cookie);
	struct seat *seat;

	if (getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) != 0) {
		return true; /* no stream socket of libgrpc's */
	}
	seat = seat_of(fd);
	if (seat == NULL) {
		return false;
	}
	seat_settle(seat, (size_t)fd, cookie);
	for (size_t i = 0; i < message->msg_iovlen && length > 0; i++) {
		size_t piece = message->msg_iov[i].iov_len < length ? message->msg_iov[i].iov_len : length;

		if (!look_locked(&seat->guard, (size_t)fd, message->msg_iov[i].iov_base, piece, now_ns)) {
			return false;
		}
		length -= piece;
	}
	return true;
}

__attribute__((visibility("default"))) ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t length = syscall(SYS_recvmsg, fd, message, flags);

	if (length > 0 && (flags & (MSG_PEEK | MSG_ERRQUEUE)) == 0 && !look(fd, message, (size_t)length)) {
		return 0;
	}
	return length;
}

/* ---- TLS ------------------------------------------------------------------ */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static int place = -1; /* of the guard among a session's ex-data */
static int (*real_read)(SSL *, void *, int);

static void guard_free(void *parent, void *guard, CRYPTO_EX_DATA *data, int index, long argument, void *pointer)
{
	(void)parent;
	(void)data;
	(void)index;
	(void)argument;
	(void)pointer;
	free(guard);
}

static void prepare(void)
{
	union {
		void *found;
		int (*read)(SSL *, void *, int);
	} real = { dlsym(RTLD_NEXT, "SSL_read") };

	real_read = real.read;
	place = SSL_get_ex_new_index(0, NULL, NULL, NULL, guard_free);
	weir_assert(real.found != NULL && place >= 0);
}

static struct weir_grpc_guard *guard_of(SSL *session)
{
	struct weir_grpc_guard *guard = SSL_get_ex_data(session, place);

	if (guard == NULL) {
		guard = calloc(1, sizeof(*guard));
		if (guard != NULL && SSL_set_ex_data(session, place, guard) != 1) {
			free(guard);
			guard = NULL;
		}
	}
	return guard;
}

__attribute__((visibility("default"))) int SSL_read(SSL *session, void *buffer, int size)
{
	struct weir_grpc_guard *guard;
	int length;

	pthread_once(&once, prepare);
	length = real_read(session, buffer, size);
	if (length > 0) {
		guard = guard_of(session);
		if (guard == NULL || !look_locked(guard, (size_t)(uintptr_t)session / 64, buffer, (size_t)length,
					     weir_clock_monotonic_ns())) {
			return 0; /* libgrpc asks SSL_get_error: no reason of TLS's, so the connection broke */
		}
	}
	return length;
}
