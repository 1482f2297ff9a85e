/* accept: what the executable's accept4 (collector/accept.c) offers to grpc.c.
 *
 * libgrpc gives a listener up for ever after most errors of accept4, running
 * out of descriptors among them. The executable therefore defines accept4
 * itself. These functions are weak here: a program that is linked without
 * collector/accept.c (the unit tests) finds them NULL. */
#ifndef WEIR_SERVE_ACCEPT_H
#define WEIR_SERVE_ACCEPT_H

#include <stddef.h>
#include <stdint.h>

/* From now on accept4 on these listening sockets is ours; at most
 * `max_connections` connections that came in by them (and by all others that
 * are watched) are open at a time. 0 or a fault. */
int weir_accept_watch(const int *fds, size_t count, uint32_t max_connections) __attribute__((weak));

/* Before the sockets are closed. */
void weir_accept_unwatch(const int *fds, size_t count) __attribute__((weak));

/* Calls of accept4 on watched sockets so far. */
uint64_t weir_accept_calls(void) __attribute__((weak));

/* Waits until more than `before` calls were made. 0 or -ETIMEDOUT. */
int weir_accept_wait(uint64_t before, uint32_t timeout_ms) __attribute__((weak));

/* Every 200 ms or so, from any thread: looks for connections that have closed,
 * and refuses what had to be left waiting for want of any descriptor. */
void weir_accept_tick(void) __attribute__((weak));

#endif
