/* sender: a small gRPC client over libgrpc's C core and an HTTP one over plain
 * sockets, for the tests' own tools (replay, load). Blocking; one thread each. */
#ifndef WEIR_TESTS_SENDER_H
#define WEIR_TESTS_SENDER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/str.h"

struct weir_sender;

struct weir_sender_opts {
	const char *target; /* "host:port" or "unix:/path" */
	const char *ca;     /* PEM file: TLS, the server's certificate signed by it; NULL: plain */
	bool is_gzip;       /* compresses what it sends */
};

/* A connection of its own; connects lazily. 0, or a fault: `ca` cannot be read. */
int weir_sender_open(const struct weir_sender_opts *opts, struct weir_sender **ret_sender);
void weir_sender_close(struct weir_sender *sender);

/* One unary call. Returns the gRPC status code, 14 when nobody answers within timeout_s. */
int weir_sender_call(struct weir_sender *sender, const char *method, struct weir_str body, unsigned timeout_s);

struct weir_sender_stream;

int weir_sender_stream_open(struct weir_sender *sender, const char *method, struct weir_sender_stream **ret_stream);
/* 0, or -EPIPE when the stream is broken. Waits while flow control holds it back. */
int weir_sender_stream_write(struct weir_sender_stream *stream, struct weir_str body);
/* Half-closes, waits for the status and frees the stream. Returns the code. */
int weir_sender_stream_finish(struct weir_sender_stream *stream);

/* One HTTP POST over the kept connection *fd (-1: none yet). `headers` are whole
 * lines with CRLF, or "". Returns the status, or -errno. */
int weir_sender_post(int *fd, const char *target, const char *path, const char *headers, struct weir_str body);

#endif
