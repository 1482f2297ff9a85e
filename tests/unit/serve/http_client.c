/* http_client: speaks HTTP over plain sockets; see the header. */
#include "http_client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#define ANSWER_BYTES 200000u

int connect_to(const char *address)
{
	struct timeval most = { .tv_sec = HTTP_CLIENT_S };
	int fd;

	if (strncmp(address, "unix:", 5) == 0) {
		struct sockaddr_un un = { .sun_family = AF_UNIX };

		strncpy(un.sun_path, address + 5, sizeof(un.sun_path) - 1);
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	} else {
		struct sockaddr_in in = { .sin_family = AF_INET };

		in.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		fd = socket(AF_INET, SOCK_STREAM, 0);
		assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	}
	assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most)), 0);
	return fd;
}

void send_bytes(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length > 0) {
		ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);

		assert_true(sent > 0);
		at += sent;
		length -= (size_t)sent;
	}
}

void send_text(int fd, const char *text)
{
	send_bytes(fd, text, strlen(text));
}

struct answer receive(int fd, bool has_body)
{
	struct answer answer = { .all = calloc(1, ANSWER_BYTES) };
	size_t length = 0, wanted = SIZE_MAX;

	while (length < wanted) {
		ssize_t got = recv(fd, answer.all + length, ANSWER_BYTES - 1 - length, 0);
		const char *end, *announced;

		if (got <= 0) {
			break;
		}
		length += (size_t)got;
		end = strstr(answer.all, "\r\n\r\n");
		announced = strcasestr(answer.all, "\r\nContent-Length: ");
		if (end != NULL && strncmp(answer.all, "HTTP/1.1 100", 12) == 0) {
			memmove(answer.all, end + 4, length - (size_t)(end + 4 - answer.all) + 1);
			length -= (size_t)(end + 4 - answer.all);
			continue;
		}
		if (end != NULL) {
			wanted = (size_t)(end + 4 - answer.all);
			answer.body = weir_str_make(end + 4, length - wanted);
			if (has_body && announced != NULL && announced < end) {
				wanted += (size_t)atol(announced + 18);
			}
		}
	}
	sscanf(answer.all, "HTTP/1.1 %d", &answer.status);
	answer.body.length = answer.body.data != NULL ? length - (size_t)(answer.body.data - answer.all) : 0;
	return answer;
}

struct answer ask_at(const char *address, const char *head, const void *body, size_t length)
{
	int fd = connect_to(address);
	struct answer answer;

	send_text(fd, head);
	send_bytes(fd, body, length);
	answer = receive(fd, strncmp(head, "HEAD", 4) != 0);
	close(fd);
	return answer;
}

bool has_header(const struct answer *answer, const char *line)
{
	const char *end = strstr(answer->all, "\r\n\r\n");
	size_t length = strlen(line);

	for (const char *at = answer->all; at != NULL && at < end; at = strstr(at, "\r\n")) {
		at += at != answer->all ? 2 : 0;
		if (strncasecmp(at, line, length) == 0) {
			return true;
		}
		at = at == answer->all ? at + 1 : at;
	}
	return false;
}

void expect(struct answer answer, int status)
{
	if (answer.status != status) {
		print_error("%.300s\n", answer.all);
	}
	assert_int_equal(answer.status, status);
	free(answer.all);
}
