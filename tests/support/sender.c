/* sender: blocking gRPC calls by a plucked completion queue; see the header. */
#include "tests/support/sender.h"

#include <errno.h>
#include <grpc/byte_buffer.h>
#include <grpc/compression.h>
#include <grpc/grpc.h>
#include <grpc/grpc_security.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/err.h"

struct weir_sender {
	grpc_channel *channel;
	grpc_completion_queue *queue;
};

struct weir_sender_stream {
	struct weir_sender *sender;
	grpc_call *call;
};

/* A whole small file, NUL-terminated; NULL: it cannot be read. */
static char *file_read(const char *path)
{
	enum { MOST = 1 << 20 };
	FILE *file = fopen(path, "rb");
	char *text = file != NULL ? calloc(1, MOST) : NULL;

	if (text != NULL && fread(text, 1, MOST - 1, file) == 0) {
		free(text);
		text = NULL;
	}
	if (file != NULL) {
		fclose(file);
	}
	return text;
}

static grpc_channel_credentials *credentials_make(const char *ca)
{
	grpc_channel_credentials *credentials;
	char *roots;

	if (ca == NULL) {
		return grpc_insecure_credentials_create();
	}
	roots = file_read(ca);
	credentials = roots != NULL ? grpc_ssl_credentials_create_ex(roots, NULL, NULL, NULL) : NULL;
	free(roots);
	return credentials;
}

int weir_sender_open(const struct weir_sender_opts *opts, struct weir_sender **ret_sender)
{
	grpc_arg list[] = {
		{ .type = GRPC_ARG_INTEGER,
			.key = (char *)(uintptr_t)GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL,
			.value.integer = 1 },
		{ .type = GRPC_ARG_INTEGER,
			.key = (char *)(uintptr_t)GRPC_ARG_MAX_SEND_MESSAGE_LENGTH,
			.value.integer = -1 },
		{ .type = GRPC_ARG_INTEGER,
			.key = (char *)(uintptr_t)GRPC_COMPRESSION_CHANNEL_DEFAULT_ALGORITHM,
			.value.integer = opts->is_gzip ? GRPC_COMPRESS_GZIP : GRPC_COMPRESS_NONE },
	};
	grpc_channel_args args = { sizeof(list) / sizeof(list[0]), list };
	grpc_channel_credentials *credentials;
	struct weir_sender *sender = calloc(1, sizeof(*sender));

	if (sender == NULL) {
		return -ENOMEM;
	}
	grpc_init();
	credentials = credentials_make(opts->ca);
	if (credentials == NULL) {
		grpc_shutdown();
		free(sender);
		return -ENOENT;
	}
	sender->channel = grpc_channel_create(opts->target, credentials, &args);
	grpc_channel_credentials_release(credentials);
	sender->queue = grpc_completion_queue_create_for_pluck(NULL);
	*ret_sender = sender;
	return 0;
}

void weir_sender_close(struct weir_sender *sender)
{
	if (sender == NULL) {
		return;
	}
	grpc_channel_destroy(sender->channel);
	grpc_completion_queue_shutdown(sender->queue);
	grpc_completion_queue_destroy(sender->queue);
	grpc_shutdown();
	free(sender);
}

static grpc_call *call_start(struct weir_sender *sender, const char *method, unsigned timeout_s)
{
	gpr_timespec deadline = timeout_s == 0 ? gpr_inf_future(GPR_CLOCK_MONOTONIC)
					       : gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
							 gpr_time_from_seconds(timeout_s, GPR_TIMESPAN));

	grpc_slice path = grpc_slice_from_copied_string(method);
	grpc_call *call = grpc_channel_create_call(
		sender->channel, NULL, GRPC_PROPAGATE_DEFAULTS, sender->queue, path, NULL, deadline, NULL);

	grpc_slice_unref(path);
	return call;
}

/* Runs one batch to its end; false when it failed. */
static bool batch_run(struct weir_sender *sender, grpc_call *call, const grpc_op *ops, size_t count)
{
	void *tag = sender; /* one batch at a time: any tag will do */
	grpc_call_error error = grpc_call_start_batch(call, ops, count, tag, NULL);

	weir_assert(error == GRPC_CALL_OK);
	return grpc_completion_queue_pluck(sender->queue, tag, gpr_inf_future(GPR_CLOCK_MONOTONIC), NULL).success != 0;
}

static grpc_byte_buffer *message_of(struct weir_str body)
{
	grpc_slice slice = grpc_slice_from_copied_buffer(body.data, body.length);
	grpc_byte_buffer *buffer = grpc_raw_byte_buffer_create(&slice, 1);

	grpc_slice_unref(slice);
	return buffer;
}

/* The ops that wait for the answer; returns the status code. */
static int answer_wait(struct weir_sender *sender, grpc_call *call, grpc_op *ops, size_t count)
{
	grpc_metadata_array initial, trailing;
	grpc_byte_buffer *reply = NULL;
	grpc_status_code code = GRPC_STATUS_UNKNOWN;
	grpc_slice details;

	grpc_metadata_array_init(&initial);
	grpc_metadata_array_init(&trailing);
	ops[count].op = GRPC_OP_RECV_INITIAL_METADATA;
	ops[count++].data.recv_initial_metadata.recv_initial_metadata = &initial;
	ops[count].op = GRPC_OP_RECV_MESSAGE;
	ops[count++].data.recv_message.recv_message = &reply;
	ops[count].op = GRPC_OP_RECV_STATUS_ON_CLIENT;
	ops[count].data.recv_status_on_client.trailing_metadata = &trailing;
	ops[count].data.recv_status_on_client.status = &code;
	ops[count++].data.recv_status_on_client.status_details = &details;
	batch_run(sender, call, ops, count);
	if (reply != NULL) {
		grpc_byte_buffer_destroy(reply);
	}
	grpc_slice_unref(details);
	grpc_metadata_array_destroy(&initial);
	grpc_metadata_array_destroy(&trailing);
	return (int)code;
}

int weir_sender_call(struct weir_sender *sender, const char *method, struct weir_str body, unsigned timeout_s)
{
	grpc_call *call = call_start(sender, method, timeout_s);
	grpc_byte_buffer *message = message_of(body);
	grpc_op ops[6] = { 0 };
	int code;

	ops[0].op = GRPC_OP_SEND_INITIAL_METADATA;
	ops[0].flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY;
	ops[1].op = GRPC_OP_SEND_MESSAGE;
	ops[1].data.send_message.send_message = message;
	ops[2].op = GRPC_OP_SEND_CLOSE_FROM_CLIENT;
	code = answer_wait(sender, call, ops, 3);
	grpc_byte_buffer_destroy(message);
	grpc_call_unref(call);
	return code;
}

int weir_sender_stream_open(struct weir_sender *sender, const char *method, struct weir_sender_stream **ret_stream)
{
	struct weir_sender_stream *stream = calloc(1, sizeof(*stream));
	grpc_op op = { .op = GRPC_OP_SEND_INITIAL_METADATA, .flags = GRPC_INITIAL_METADATA_WAIT_FOR_READY };

	if (stream == NULL) {
		return -ENOMEM;
	}
	stream->sender = sender;
	stream->call = call_start(sender, method, 0);
	batch_run(sender, stream->call, &op, 1);
	*ret_stream = stream;
	return 0;
}

int weir_sender_stream_write(struct weir_sender_stream *stream, struct weir_str body)
{
	grpc_byte_buffer *message = message_of(body);
	grpc_op op = { .op = GRPC_OP_SEND_MESSAGE, .data.send_message.send_message = message };
	bool is_sent = batch_run(stream->sender, stream->call, &op, 1);

	grpc_byte_buffer_destroy(message);
	return is_sent ? 0 : -EPIPE;
}

int weir_sender_stream_finish(struct weir_sender_stream *stream)
{
	grpc_op ops[4] = { { .op = GRPC_OP_SEND_CLOSE_FROM_CLIENT } };
	int code = answer_wait(stream->sender, stream->call, ops, 1);

	grpc_call_unref(stream->call);
	free(stream);
	return code;
}

/* ---- HTTP ---------------------------------------------------------------- */

static int http_connect(const char *target)
{
	const char *colon = strrchr(target, ':');
	struct addrinfo hints = { .ai_socktype = SOCK_STREAM }, *found = NULL;
	char host[256];
	int fd = -1, one = 1;

	if (colon == NULL || (size_t)(colon - target) >= sizeof(host)) {
		return -EINVAL;
	}
	memcpy(host, target, (size_t)(colon - target));
	host[colon - target] = '\0';
	if (getaddrinfo(host, colon + 1, &hints, &found) != 0) {
		return -EHOSTUNREACH;
	}
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd >= 0 && connect(fd, found->ai_addr, found->ai_addrlen) < 0) {
		close(fd);
		fd = -1;
	}
	freeaddrinfo(found);
	if (fd >= 0) {
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	}
	return fd >= 0 ? fd : -ECONNREFUSED;
}

static int write_all(int fd, struct weir_str text)
{
	while (text.length > 0) {
		ssize_t n = send(fd, text.data, text.length, MSG_NOSIGNAL);

		if (n < 0) {
			return -errno;
		}
		text.data += n;
		text.length -= (size_t)n;
	}
	return 0;
}

/* Reads a head and its Content-Length of body; returns the status. */
static int answer_read(int fd)
{
	char head[16384];
	size_t have = 0;
	char *end = NULL, *length_at;
	size_t body, got;

	while (end == NULL) {
		ssize_t n = have + 1 < sizeof(head) ? recv(fd, head + have, sizeof(head) - 1 - have, 0) : 0;

		if (n <= 0) {
			return n < 0 ? -errno : -ECONNRESET;
		}
		have += (size_t)n;
		head[have] = '\0';
		end = strstr(head, "\r\n\r\n");
	}
	length_at = strcasestr(head, "content-length:");
	body = length_at != NULL && length_at < end ? strtoul(length_at + 15, NULL, 10) : 0;
	got = have - (size_t)(end + 4 - head);
	while (got < body) {
		char rest[4096];
		ssize_t n = recv(fd, rest, sizeof(rest), 0);

		if (n <= 0) {
			return -ECONNRESET;
		}
		got += (size_t)n;
	}
	return atoi(head + 9);
}

int weir_sender_post(int *fd, const char *target, const char *path, const char *headers, struct weir_str body)
{
	char head[4096];
	int r, n;

	if (*fd < 0) {
		r = http_connect(target);
		if (r < 0) {
			return r;
		}
		*fd = r;
	}
	n = snprintf(head, sizeof(head), "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Length: %zu\r\n%s\r\n", path, target,
		body.length, headers);
	r = n < (int)sizeof(head) ? write_all(*fd, weir_str_make(head, (size_t)n)) : -E2BIG;
	r = r < 0 ? r : write_all(*fd, body);
	r = r < 0 ? r : answer_read(*fd);
	if (r < 0) {
		close(*fd);
		*fd = -1;
	}
	return r;
}
