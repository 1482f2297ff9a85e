/* grpc_guard: looks at what comes in on a gRPC connection before libgrpc does,
 * and says when a connection is to be closed (private to serve, and to the
 * executable's guard.c, which holds it before recvmsg and SSL_read). */
#ifndef WEIR_SERVE_GRPC_GUARD_H
#define WEIR_SERVE_GRPC_GUARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct weir_grpc_guard_bucket {
	uint32_t spent;
	uint64_t since_ns;
};

/* One connection; zeroed at its beginning. */
struct weir_grpc_guard {
	uint8_t phase, held; /* held: bytes of the preface, or of a frame's head, so far */
	uint8_t head[9];
	uint32_t left;                      /* of the frame at hand */
	uint32_t block_bytes, block_frames; /* of the header block at hand; 0: none is */
	struct weir_grpc_guard_bucket resets, control, fragments;
};

/* From now on: the largest header block that is let through, and how many streams a connection may have. Any thread. */
void weir_grpc_guard_settle(uint32_t max_metadata_bytes, uint32_t max_streams);

/* The next bytes of the connection, in their order. False: close it, and hand
 * these bytes to nobody; counted by reason, and every later call is false. */
bool weir_grpc_guard_look(struct weir_grpc_guard *guard, const void *bytes, size_t length, uint64_t now_ns);

#endif
