/* guard: recvmsg and SSL_read, defined by the executable itself, so that what
 * comes in for libgrpc is looked at first (serve/grpc_guard.h has the rules).
 *
 * libgrpc reads plain connections by recvmsg and TLS ones by SSL_read, both
 * through the PLT; like accept4 (accept.c) the executable's own come first. A
 * connection that is refused reads as closed by its peer: libgrpc gives up its
 * streams and closes it.
 *
 * Whose connection is it? recvmsg is everybody's in this process: accept.c says
 * which descriptors are libgrpc's connections, at each accept4, with the
 * socket's SO_COOKIE, which the kernel never gives twice. A seat is begun anew
 * then, before libgrpc knows the descriptor; it ends when the connection is
 * found to be closed (within SWEEP_MS of accept.c; nobody else here uses
 * recvmsg on a stream), unless it was begun anew meanwhile. So a read costs no
 * call of the kernel's beside its own. A TLS connection's state is the session's
 * ex-data and goes with it.
 *
 * The seats lie in rows of ROW descriptors, made when the first of a row is
 * begun; without memory for one the connection is refused.
 *
 * Is it in use? At the start grpc_port.c connects to each port and waits for a
 * read of that connection here; a TLS session that has brought a call must have
 * been read here (grpc_peer.c).
 *
 * Threads: libgrpc's; one at a time a connection, but not always the same: the
 * state is looked at under one of LOCKS locks, so that this needs no proof. */
#include "serve/guard.h"

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
	atomic_bool is_begun;
	uint64_t cookie; /* from here on under the lock */
	struct weir_grpc_guard guard;
};

static _Atomic(struct seat *) rows[ROWS];

static struct seat *seat_find(int fd)
{
	size_t row = (size_t)fd / ROW;
	struct seat *seats;

	if (fd < 0 || row >= ROWS) {
		return NULL;
	}
	seats = atomic_load_explicit(&rows[row], memory_order_acquire);
	return seats != NULL ? &seats[(size_t)fd % ROW] : NULL;
}

static struct seat *seat_make(int fd)
{
	size_t row = (size_t)fd / ROW;
	struct seat *seats, *none = NULL;

	if (row < ROWS && seat_find(fd) == NULL) {
		seats = calloc(ROW, sizeof(*seats));
		if (seats != NULL && !atomic_compare_exchange_strong(&rows[row], &none, seats)) {
			free(seats); /* another thread was quicker */
		}
	}
	return seat_find(fd);
}

static pthread_mutex_t *lock_of(size_t who)
{
	return &locks[who % LOCKS];
}

bool weir_guard_begin(int fd, uint64_t cookie)
{
	struct seat *seat = seat_make(fd);

	if (seat == NULL) {
		return false;
	}
	pthread_mutex_lock(lock_of((size_t)fd));
	seat->cookie = cookie;
	seat->guard = (struct weir_grpc_guard){ 0 };
	atomic_store_explicit(&seat->is_begun, true, memory_order_release);
	pthread_mutex_unlock(lock_of((size_t)fd));
	return true;
}

void weir_guard_end(int fd, uint64_t cookie)
{
	struct seat *seat = seat_find(fd);

	if (seat != NULL) {
		pthread_mutex_lock(lock_of((size_t)fd));
		if (seat->cookie == cookie) {
			atomic_store_explicit(&seat->is_begun, false, memory_order_release);
		}
		pthread_mutex_unlock(lock_of((size_t)fd));
	}
}

/* ---- is it in use? -------------------------------------------------------- */

static pthread_mutex_t proof_lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t is_read = PTHREAD_COND_INITIALIZER;
static atomic_bool is_awaited, has_read_tls;
static uint64_t reads;

uint64_t weir_guard_reads(void)
{
	uint64_t value;

	pthread_mutex_lock(&proof_lock);
	atomic_store_explicit(&is_awaited, true, memory_order_release); /* from now on they are counted */
	value = reads;
	pthread_mutex_unlock(&proof_lock);
	return value;
}

int weir_guard_wait(uint64_t before, uint32_t timeout_ms)
{
	const struct timespec until = weir_clock_later(timeout_ms * UINT64_C(1000000));
	int fault = 0;

	pthread_mutex_lock(&proof_lock);
	while (reads <= before && fault == 0) {
		fault = -pthread_cond_clockwait(&is_read, &proof_lock, CLOCK_MONOTONIC, &until);
	}
	atomic_store_explicit(&is_awaited, false, memory_order_release);
	pthread_mutex_unlock(&proof_lock);
	return fault;
}

static void tell(void)
{
	pthread_mutex_lock(&proof_lock);
	reads++;
	pthread_cond_broadcast(&is_read);
	pthread_mutex_unlock(&proof_lock);
}

bool weir_guard_has_read_tls(void)
{
	return atomic_load_explicit(&has_read_tls, memory_order_relaxed);
}

/* ---- recvmsg -------------------------------------------------------------- */

/* False: to be refused. */
static bool look(struct seat *seat, int fd, const struct msghdr *message, size_t length)
{
	uint64_t now_ns = weir_clock_monotonic_ns();
	bool is_good = true;

	pthread_mutex_lock(lock_of((size_t)fd));
	for (size_t i = 0; i < message->msg_iovlen && length > 0 && is_good; i++) {
		size_t piece = message->msg_iov[i].iov_len < length ? message->msg_iov[i].iov_len : length;

		is_good = weir_grpc_guard_look(&seat->guard, message->msg_iov[i].iov_base, piece, now_ns);
		length -= piece;
	}
	pthread_mutex_unlock(lock_of((size_t)fd));
	return is_good;
}

__attribute__((visibility("default"))) ssize_t recvmsg(int fd, struct msghdr *message, int flags)
{
	ssize_t length = syscall(SYS_recvmsg, fd, message, flags);
	struct seat *seat = seat_find(fd);

	if (seat == NULL || !atomic_load_explicit(&seat->is_begun, memory_order_acquire)) {
		return length; /* no connection of libgrpc's */
	}
	if (atomic_load_explicit(&is_awaited, memory_order_relaxed)) {
		int fault = errno;

		tell();
		errno = fault;
	}
	if (length > 0 && (flags & (MSG_PEEK | MSG_ERRQUEUE)) == 0 && !look(seat, fd, message, (size_t)length)) {
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

/* False: to be refused. */
static bool look_tls(SSL *session, const void *bytes, size_t length)
{
	struct weir_grpc_guard *guard = guard_of(session);
	size_t who = (size_t)(uintptr_t)session / 64;
	bool is_good;

	if (guard == NULL) {
		return false;
	}
	pthread_mutex_lock(lock_of(who));
	is_good = weir_grpc_guard_look(guard, bytes, length, weir_clock_monotonic_ns());
	pthread_mutex_unlock(lock_of(who));
	return is_good;
}

__attribute__((visibility("default"))) int SSL_read(SSL *session, void *buffer, int size)
{
	int length;

	pthread_once(&once, prepare);
	length = real_read(session, buffer, size);
	if (length > 0 && SSL_is_server(session)) { /* a client's is what identity asks others for */
		atomic_store_explicit(&has_read_tls, true, memory_order_relaxed);
		if (!look_tls(session, buffer, (size_t)length)) {
			return 0; /* libgrpc asks SSL_get_error: no reason of TLS's, so the connection broke */
		}
	}
	return length;
}
