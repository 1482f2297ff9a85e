/* listen: listening sockets, and accepting that survives running out of file
 * descriptors (private to serve, and to the executable's accept.c). */
#ifndef WEIR_SERVE_LISTEN_H
#define WEIR_SERVE_LISTEN_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>

#define WEIR_LISTEN_ADDRESS_BYTES 256u

/* Binds `address` ("host:port", "[v6]:port", "unix:/path") and listens; the
 * socket does not block and closes on exec. Of a host name's addresses the
 * first is taken. ret_real gets the address with the port that it really has.
 * A Unix socket file that nobody answers is removed first; when somebody
 * does, the outcome is -EADDRINUSE. Or -EINVAL (no address), or bind's fault. */
int weir_listen_open(const char *address, int *ret_fd, char ret_real[WEIR_LISTEN_ADDRESS_BYTES]);

/* Could `address` be bound now? 0 or the fault that weir_listen_open() would
 * give. Leaves nothing behind: for a library that binds by itself and does
 * not say why it failed. */
int weir_listen_probe(const char *address);

/* A descriptor kept for the day when there is none left. */
struct weir_listen_spare {
	int fd;
};

int weir_listen_spare_init(struct weir_listen_spare *spare); /* 0 or a fault */
void weir_listen_spare_fini(struct weir_listen_spare *spare);

/* accept4, the system call itself. Out of descriptors, it gives the spare one
 * up to accept and close connections (counted in ACCEPT_SHED) until one fits
 * or none waits. The connection, or
 * -EAGAIN: nothing waits; -EMFILE: something may wait, but there was not even
 * a descriptor to refuse it with: come again in a moment; other faults. */
int weir_listen_accept(struct weir_listen_spare *spare, int fd, struct sockaddr *address, socklen_t *length, int flags);

#endif
