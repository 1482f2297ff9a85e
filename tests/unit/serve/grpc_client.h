/* grpc_client: a gRPC client for the tests of serve, over the same C core.
 * One thread, one completion queue a call; every wait has an end. */
#ifndef WEIR_TESTS_SERVE_GRPC_CLIENT_H
#define WEIR_TESTS_SERVE_GRPC_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include <grpc/grpc.h>

#define CLIENT_WAIT_MS 20000

struct client_result {
	int code; /* -1: no status came in time */
	char message[256], body[4096];
	unsigned char details[512];
	size_t body_length, details_length;
};

struct client_stream {
	grpc_call *call;
	grpc_completion_queue *queue;
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *received, *sending;
	grpc_slice details;
	grpc_status_code status;
	unsigned is_done; /* one bit a tag */
	unsigned is_failed;
};

grpc_channel *client_channel(const char *address, bool is_gzip);

struct client_result client_unary(
	grpc_channel *channel, const char *path, const void *body, size_t length, int deadline_ms);

struct client_stream *client_stream_open(grpc_channel *channel, const char *path);
/* true: written (or handed to flow control) within the time. */
bool client_stream_write(struct client_stream *stream, const void *body, size_t length, int wait_ms);
bool client_stream_wait_written(struct client_stream *stream, int wait_ms);
void client_stream_half_close(struct client_stream *stream);
void client_stream_cancel(struct client_stream *stream);
struct client_result client_stream_result(struct client_stream *stream, int wait_ms);
void client_stream_free(struct client_stream *stream);

#endif
