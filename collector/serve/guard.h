/* guard: what the executable's recvmsg and SSL_read (collector/guard.c) offer
 * to those who accept, and to grpc.c.
 *
 * These functions are weak here: a program that is linked without
 * collector/guard.c (most unit tests) finds them NULL, and nothing is looked at. */
#ifndef WEIR_SERVE_GUARD_H
#define WEIR_SERVE_GUARD_H

#include <stdbool.h>
#include <stdint.h>

/* From now on, what recvmsg reads from this descriptor is a new connection's of libgrpc's; `cookie` is the socket's.
 * False: it cannot be looked at, and is to be closed. */
bool weir_guard_begin(int fd, uint64_t cookie) __attribute__((weak));

/* That connection has closed; nothing happens when the descriptor is another one's by now. */
void weir_guard_end(int fd, uint64_t cookie) __attribute__((weak));

/* Reads of such connections while somebody waits for one, so far. */
uint64_t weir_guard_reads(void) __attribute__((weak));
/* Waits until there were more than `before`. 0 or -ETIMEDOUT. One at a time. */
int weir_guard_wait(uint64_t before, uint32_t timeout_ms) __attribute__((weak));

/* Was a TLS session of this process read through SSL_read here? */
bool weir_guard_has_read_tls(void) __attribute__((weak));

#endif
