/* grpc: the gRPC listeners, libgrpc's C core behind ten calls. The only room
 * that knows <grpc/…>. */
#ifndef WEIR_SERVE_GRPC_H
#define WEIR_SERVE_GRPC_H

#include "serve/ack.h"
#include "serve/route.h"
#include "serve/tls.h"

struct weir_grpc;

struct weir_grpc_opts {
	const char *const *addresses; /* "127.0.0.1:4317", "[::1]:0", "unix:/path" */
	size_t address_count;
	const struct weir_grpc_method *methods;
	size_t method_count;
	size_t max_message_bytes; /* inflated; larger: RESOURCE_EXHAUSTED, counted */
	/* Streams: calls of one connection. All connections together: 4 times max_connections, further ones are refused
	 * with RESOURCE_EXHAUSTED and RetryInfo. */
	uint32_t max_connections, max_streams, max_metadata_bytes;
	uint64_t max_connection_age_s, connection_grace_s; /* age 0: for ever */
	struct weir_tls *tls;                              /* NULL: every address is plain; see weir_tls_is_wanted() */
	struct weir_ack *ack;                              /* for parked answers */
	const char **ret_failed;                           /* NULL, or gets the address that could not be bound */
};

/* Binds and listens, serves nothing yet. -EADDRINUSE and the like. */
int weir_grpc_open(const struct weir_grpc_opts *opts, struct weir_grpc **ret_grpc);
/* The real address of listener i: "127.0.0.1:41873". Lives as long as grpc. */
const char *weir_grpc_address(const struct weir_grpc *grpc, size_t i);
/* Starts the one thread. When the program is linked with collector/accept.c, a self-connect to each socket proves
 * that libgrpc uses our accept4; -ENOTSUP: it does not. After a fault only close is left to call. */
int weir_grpc_start(struct weir_grpc *grpc);
/* GOAWAY, read on for up to `grace_ms`, finish streams with OK (UNAVAILABLE where a message is held), cancel the rest,
 * give up parked answers, join: at most grace_ms + 1 s. Without open calls it takes no grace. Its handlers are not
 * called any more afterwards. The writer must go on storing meanwhile if parked answers are to go out. */
void weir_grpc_stop(struct weir_grpc *grpc, uint32_t grace_ms);
void weir_grpc_close(struct weir_grpc *grpc); /* after stop, or instead of start; NULL is ignored */

/* Has libgrpc reported an error of itself since this was asked last? Then the last sentence, NUL-terminated and cut to
 * `size`. Any thread; main logs it. */
bool weir_grpc_complaint(char *ret_last, size_t size);

#endif
