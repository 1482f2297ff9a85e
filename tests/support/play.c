/* play: plays captures of real senders to a weir: a connection for each recorded
 * connection, a stream for each stream, the recorded order.
 *
 *   play [--now] [--wait=SECONDS] --grpc=HOST:PORT --http=HOST:PORT FILE.mtcap…
 *
 * With --now the times inside are moved so that the capture ends now: start
 * times of access log entries, timestamps of Zipkin's JSON. Everything else
 * stays byte for byte. `./dev run` shows a first user a recorded mesh with it. */
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/clock.h"
#include "envoy/service/accesslog/v3/als.pb-c.h"
#include "tests/support/mtcap.h"
#include "tests/support/sender.h"

#define STREAMS_MAX 4096u

struct player {
	const char *grpc, *http;
	int64_t shift_ns;                                /* added to every time; 0: none */
	struct weir_sender *senders[STREAMS_MAX];        /* by recorded connection */
	struct weir_sender_stream *streams[STREAMS_MAX]; /* by recorded stream */
	struct weir_str methods[STREAMS_MAX];
	int fd;
	unsigned long messages, failures;
};

typedef Envoy__Service__Accesslog__V3__StreamAccessLogsMessage als_message;

static void shift_start(Envoy__Data__Accesslog__V3__AccessLogCommon *common, int64_t shift_ns)
{
	if (common != NULL && common->start_time != NULL) {
		int64_t ns = common->start_time->seconds * 1000000000 + common->start_time->nanos + shift_ns;

		common->start_time->seconds = ns / 1000000000;
		common->start_time->nanos = (int32_t)(ns % 1000000000);
	}
}

/* The message with its times moved, in `moved`; the message itself when it is of another kind. */
static struct weir_str shift_als(struct weir_str body, int64_t shift_ns, struct weir_buf *moved)
{
	als_message *message = envoy__service__accesslog__v3__stream_access_logs_message__unpack(
		NULL, body.length, (const uint8_t *)body.data);
	char *at;
	size_t length;

	if (message == NULL) {
		return body;
	}
	for (size_t i = 0; message->http_logs != NULL && i < message->http_logs->n_log_entry; i++) {
		shift_start(message->http_logs->log_entry[i]->common_properties, shift_ns);
	}
	for (size_t i = 0; message->tcp_logs != NULL && i < message->tcp_logs->n_log_entry; i++) {
		shift_start(message->tcp_logs->log_entry[i]->common_properties, shift_ns);
	}
	length = envoy__service__accesslog__v3__stream_access_logs_message__get_packed_size(message);
	weir_buf_clear(moved);
	at = weir_buf_reserve(moved, length);
	if (at != NULL) {
		envoy__service__accesslog__v3__stream_access_logs_message__pack(message, (uint8_t *)at);
		weir_buf_advance(moved, length);
	}
	envoy__service__accesslog__v3__stream_access_logs_message__free_unpacked(message, NULL);
	return weir_buf_str(moved);
}

/* Rewrites the 16 digits behind every "timestamp": in place of a copy. */
static struct weir_str shift_zipkin(struct weir_str body, int64_t shift_ns, struct weir_buf *moved)
{
	static const char key[] = "\"timestamp\":";
	char *at;

	weir_buf_clear(moved);
	weir_buf_add_str(moved, body);
	weir_buf_add_char(moved, '\0');
	for (at = moved->data; at != NULL && (at = strstr(at, key)) != NULL; at += 16) {
		char digits[24];

		at += sizeof(key) - 1;
		if (strspn(at, "0123456789") != 16) {
			break;
		}
		memcpy(digits, at, 16);
		digits[16] = '\0';
		snprintf(digits, sizeof(digits), "%016" PRId64, (int64_t)strtoll(digits, NULL, 10) + shift_ns / 1000);
		memcpy(at, digits, 16);
	}
	return weir_str_make(moved->data, body.length);
}

static void play_message(struct player *player, const struct weir_mtcap_record *record, struct weir_buf *moved)
{
	struct weir_sender_stream *stream = player->streams[record->stream];
	struct weir_str body = record->payload;

	if (stream == NULL) {
		return;
	}
	if (player->shift_ns != 0 && weir_str_ends_with(player->methods[record->stream], "/StreamAccessLogs")) {
		body = shift_als(body, player->shift_ns, moved);
	}
	player->messages++;
	player->failures += weir_sender_stream_write(stream, body) < 0;
}

static void play_open(struct player *player, const struct weir_mtcap_record *record)
{
	char method[256];

	if (player->senders[record->conn] == NULL) {
		const struct weir_sender_opts opts = { .target = player->grpc };

		weir_sender_open(&opts, &player->senders[record->conn]);
	}
	snprintf(method, sizeof(method), "%.*s", (int)record->method.length, record->method.data);
	weir_sender_stream_open(player->senders[record->conn], method, &player->streams[record->stream]);
	player->methods[record->stream] = record->method;
}

static void play_close(struct player *player, uint32_t stream)
{
	if (player->streams[stream] != NULL) {
		player->failures += weir_sender_stream_finish(player->streams[stream]) != 0;
		player->streams[stream] = NULL;
	}
}

static void play_http(struct player *player, const struct weir_mtcap_record *record, struct weir_buf *moved)
{
	struct weir_str path = record->method, body = record->payload;
	char where[512], headers[512];
	int status;

	weir_str_cut(&path, ' ');
	snprintf(where, sizeof(where), "%.*s", (int)path.length, path.data);
	snprintf(headers, sizeof(headers), "Content-Type: %.*s\r\n%s", (int)record->content_type.length,
		record->content_type.data, record->encoding.length > 0 ? "Content-Encoding: gzip\r\n" : "");
	if (player->shift_ns != 0 && record->encoding.length == 0 && weir_str_is(path, "/api/v2/spans")) {
		body = shift_zipkin(body, player->shift_ns, moved);
	}
	status = weir_sender_post(&player->fd, player->http, where, headers, body);
	player->messages++;
	player->failures += status < 200 || status > 299;
}

static int play_records(struct player *player, struct weir_mtcap *mtcap)
{
	struct weir_mtcap_record record;
	struct weir_buf moved;
	int r;

	weir_buf_init(&moved, 0);
	while ((r = weir_mtcap_next(mtcap, &record)) == 0) {
		if (record.conn >= STREAMS_MAX || record.stream >= STREAMS_MAX) {
			r = -EBADMSG;
			break;
		}
		if (weir_str_is(record.kind, "open")) {
			play_open(player, &record);
		} else if (weir_str_is(record.kind, "msg")) {
			play_message(player, &record, &moved);
		} else if (weir_str_is(record.kind, "close")) {
			play_close(player, record.stream);
		} else if (weir_str_is(record.kind, "http")) {
			play_http(player, &record, &moved);
		}
	}
	for (uint32_t i = 0; i < STREAMS_MAX; i++) {
		play_close(player, i);
		weir_sender_close(player->senders[i]);
		player->senders[i] = NULL;
	}
	weir_buf_fini(&moved);
	return r == WEIR_MTCAP_END ? 0 : r;
}

/* Wall clock of the capture's last record. */
static int64_t end_of(struct weir_mtcap *mtcap)
{
	struct weir_mtcap_record record;
	int64_t start_ns = 0, last_ns = 0;

	while (weir_mtcap_next(mtcap, &record) == 0) {
		start_ns = record.start_ns != 0 ? record.start_ns : start_ns;
		last_ns = record.t_ns > last_ns ? record.t_ns : last_ns;
	}
	weir_mtcap_rewind(mtcap);
	return start_ns + last_ns;
}

static int play_file(struct player *player, const char *path, bool is_now)
{
	struct weir_mtcap *mtcap;
	int r = weir_mtcap_open(path, &mtcap);

	if (r < 0) {
		fprintf(stderr, "play: %s: %s\n", path, strerror(-r));
		return r;
	}
	player->shift_ns = is_now ? (int64_t)weir_clock_now_ns() - end_of(mtcap) : 0;
	r = play_records(player, mtcap);
	weir_mtcap_close(mtcap);
	return r;
}

/* Until somebody answers at the HTTP address, at most `seconds`. */
static bool is_served(const char *http, unsigned long seconds)
{
	uint64_t end_ns = weir_clock_monotonic_ns() + seconds * 1000000000u;

	do {
		int fd = -1;
		int status = weir_sender_post(&fd, http, "/ready", "", weir_str_of(""));

		if (fd >= 0) {
			close(fd);
		}
		if (status > 0) {
			return true;
		}
		usleep(100000);
	} while (weir_clock_monotonic_ns() < end_ns);
	return false;
}

int main(int argc, char **argv)
{
	static struct player player = { .grpc = "127.0.0.1:4317", .http = "127.0.0.1:9411", .fd = -1 };
	unsigned long wait_s = 0;
	bool is_now = false;
	int i = 1, r = 0;

	for (; i < argc && strncmp(argv[i], "--", 2) == 0; i++) {
		if (strcmp(argv[i], "--now") == 0) {
			is_now = true;
		} else if (strncmp(argv[i], "--wait=", 7) == 0) {
			wait_s = strtoul(argv[i] + 7, NULL, 10);
		} else if (strncmp(argv[i], "--grpc=", 7) == 0) {
			player.grpc = argv[i] + 7;
		} else if (strncmp(argv[i], "--http=", 7) == 0) {
			player.http = argv[i] + 7;
		} else {
			fprintf(stderr, "play: not an option: %s\n", argv[i]);
			return 2;
		}
	}
	if (wait_s > 0 && !is_served(player.http, wait_s)) {
		fprintf(stderr, "play: nobody answers at %s\n", player.http);
		return 1;
	}
	for (; i < argc && r == 0; i++) {
		r = play_file(&player, argv[i], is_now);
	}
	fprintf(stderr, "play: %lu messages, %lu failures\n", player.messages, player.failures);
	return r == 0 && player.failures == 0 ? 0 : 1;
}
