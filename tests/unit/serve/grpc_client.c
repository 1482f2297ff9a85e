/* grpc_client: see the header. */
#include "grpc_client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <grpc/byte_buffer.h>
#include <grpc/byte_buffer_reader.h>
#include <grpc/compression.h>
#include <grpc/grpc_security.h>
#include <grpc/slice.h>
#include <grpc/support/time.h>

enum { TAG_START = 1, TAG_STATUS = 2, TAG_WRITTEN = 3, TAG_CLOSED = 4 };

static void *tag_of(int tag)
{
	static char tags[8];

	return &tags[tag];
}

static gpr_timespec in_ms(int ms)
{
	return gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC), gpr_time_from_millis(ms, GPR_TIMESPAN));
}

grpc_channel *client_channel(const char *address, bool is_gzip)
{
	grpc_channel_credentials *credentials = grpc_insecure_credentials_create();
	char initial[] = GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, most[] = GRPC_ARG_MAX_RECONNECT_BACKOFF_MS;
	char least[] = GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, own[] = GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL;
	char coding[] = GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM;
	grpc_arg args[5] = { { .type = GRPC_ARG_INTEGER, .key = initial, .value.integer = 50 },
		{ .type = GRPC_ARG_INTEGER, .key = most, .value.integer = 200 },
		{ .type = GRPC_ARG_INTEGER, .key = least, .value.integer = 1000 },
		{ .type = GRPC_ARG_INTEGER, .key = own, .value.integer = 1 },
		{ .type = GRPC_ARG_INTEGER,
			.key = coding,
			.value.integer = is_gzip ? GRPC_COMPRESS_GZIP : GRPC_COMPRESS_NONE } };
	grpc_channel_args all = { 5, args };
	grpc_channel *channel = grpc_channel_create(address, credentials, &all);

	grpc_channel_credentials_release(credentials);
	return channel;
}

static struct client_stream *stream_new(grpc_channel *channel, const char *path, int deadline_ms)
{
	struct client_stream *stream = calloc(1, sizeof(*stream));
	grpc_slice method = grpc_slice_from_copied_string(path);

	stream->queue = grpc_completion_queue_create_for_next(NULL);
	stream->call = grpc_channel_create_call(
		channel, NULL, GRPC_PROPAGATE_DEFAULTS, stream->queue, method, NULL, in_ms(deadline_ms), NULL);
	grpc_slice_unref(method);
	grpc_metadata_array_init(&stream->initial);
	grpc_metadata_array_init(&stream->trailing);
	stream->details = grpc_empty_slice();
	return stream;
}

static bool wait_for(struct client_stream *stream, int tag, int wait_ms)
{
	gpr_timespec until = in_ms(wait_ms);

	while ((stream->is_done & (1u << tag)) == 0) {
		grpc_event event = grpc_completion_queue_next(stream->queue, until, NULL);
		unsigned bit;

		if (event.type != GRPC_OP_COMPLETE) {
			return false;
		}
		bit = 1u << ((char *)event.tag - (char *)tag_of(0));
		stream->is_done |= bit;
		stream->is_failed |= event.success ? 0 : bit;
	}
	return true;
}

static void start(struct client_stream *stream, const grpc_op *ops, size_t count, int tag)
{
	grpc_call_error error = grpc_call_start_batch(stream->call, ops, count, tag_of(tag), NULL);

	if (error != GRPC_CALL_OK) {
		fprintf(stderr, "client: batch %d refused with %d\n", tag, (int)error);
		abort();
	}
}

static void receive_start(struct client_stream *stream)
{
	grpc_op ops[3] = { { 0 } };

	ops[0].op = GRPC_OP_RECV_INITIAL_METADATA;
	ops[0].data.recv_initial_metadata.recv_initial_metadata = &stream->initial;
	ops[1].op = GRPC_OP_RECV_MESSAGE;
	ops[1].data.recv_message.recv_message = &stream->received;
	ops[2].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
	ops[2].data.recv_status_on_client.trailing_metadata = &stream->trailing;
	ops[2].data.recv_status_on_client.status = &stream->status;
	ops[2].data.recv_status_on_client.status_details = &stream->details;
	start(stream, ops, 3, TAG_STATUS);
}

static void copy_body(grpc_byte_buffer *buffer, struct client_result *result)
{
	grpc_byte_buffer_reader reader;
	grpc_slice all;

	if (buffer == NULL || !grpc_byte_buffer_reader_init(&reader, buffer)) {
		return;
	}
	all = grpc_byte_buffer_reader_readall(&reader);
	result->body_length = GRPC_SLICE_LENGTH(all);
	if (result->body_length < sizeof(result->body)) {
		memcpy(result->body, GRPC_SLICE_START_PTR(all), result->body_length);
	}
	grpc_slice_unref(all);
	grpc_byte_buffer_reader_destroy(&reader);
}

struct client_result client_stream_result(struct client_stream *stream, int wait_ms)
{
	struct client_result result = { .code = -1 };
	size_t length;

	if (!wait_for(stream, TAG_STATUS, wait_ms)) {
		return result;
	}
	result.code = (int)stream->status;
	length = GRPC_SLICE_LENGTH(stream->details);
	length = length < sizeof(result.message) - 1 ? length : sizeof(result.message) - 1;
	memcpy(result.message, GRPC_SLICE_START_PTR(stream->details), length);
	copy_body(stream->received, &result);
	for (size_t i = 0; i < stream->trailing.count; i++) {
		grpc_metadata *metadata = &stream->trailing.metadata[i];

		if (grpc_slice_str_cmp(metadata->key, "grpc-status-details-bin") == 0) {
			result.details_length = GRPC_SLICE_LENGTH(metadata->value);
			memcpy(result.details, GRPC_SLICE_START_PTR(metadata->value), result.details_length);
		}
	}
	return result;
}

static grpc_byte_buffer *buffer_of(const void *body, size_t length)
{
	grpc_slice slice = grpc_slice_from_copied_buffer(body, length);
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);

	grpc_slice_unref(slice);
	return buffer;
}

struct client_result client_unary(
	grpc_channel *channel, const char *path, const void *body, size_t length, int deadline_ms)
{
	struct client_stream *stream = stream_new(channel, path, deadline_ms);
	struct client_result result;
	grpc_op ops[3] = { { 0 } };

	ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
	ops[0].flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY;
	stream->sending = buffer_of(body, length);
	ops[1].op = GRPC_OP_SEND_MESSAGE;
	ops[1].data.send_message.send_message = stream->sending;
	ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	start(stream, ops, 3, TAG_START);
	receive_start(stream);
	result = client_stream_result(stream, deadline_ms + 5000);
	client_stream_free(stream);
	return result;
}

struct client_stream *client_stream_open(grpc_channel *channel, const char *path)
{
	struct client_stream *stream = stream_new(channel, path, 60000);
	grpc_op op = { .op = GRPC_OP_SEND_INITIAL_METADATA, .flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY };

	start(stream, &op, 1, TAG_START);
	receive_start(stream);
	return stream;
}

bool client_stream_wait_written(struct client_stream *stream, int wait_ms)
{
	if (!wait_for(stream, TAG_WRITTEN, wait_ms)) {
		return false;
	}
	if (stream->sending != NULL) {
		grpc_byte_buffer_destroy(stream->sending);
		stream->sending = NULL;
	}
	return (stream->is_failed & (1u << TAG_WRITTEN)) == 0;
}

bool client_stream_write(struct client_stream *stream, const void *body, size_t length, int wait_ms)
{
	grpc_op op = { .op = GRPC_OP_SEND_MESSAGE };

	stream->is_done &= ~(1u << TAG_WRITTEN);
	stream->sending = buffer_of(body, length);
	op.data.send_message.send_message = stream->sending;
	start(stream, &op, 1, TAG_WRITTEN);
	return client_stream_wait_written(stream, wait_ms);
}

void client_stream_half_close(struct client_stream *stream)
{
	grpc_op op = { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT };

	start(stream, &op, 1, TAG_CLOSED);
}

void client_stream_cancel(struct client_stream *stream)
{
	grpc_call_cancel(stream->call, NULL);
}

void client_stream_free(struct client_stream *stream)
{
	grpc_call_cancel(stream->call, NULL);
	grpc_call_unref(stream->call);
	grpc_completion_queue_shutdown(stream->queue);
	while (grpc_completion_queue_next(stream->queue, in_ms(CLIENT_WAIT_MS), NULL).type == GRPC_OP_COMPLETE) {
	}
	grpc_completion_queue_destroy(stream->queue);
	grpc_metadata_array_destroy(&stream->initial);
	grpc_metadata_array_destroy(&stream->trailing);
	if (stream->received != NULL) {
		grpc_byte_buffer_destroy(stream->received);
	}
	if (stream->sending != NULL) {
		grpc_byte_buffer_destroy(stream->sending);
	}
	grpc_slice_unref(stream->details);
	free(stream);
}
