/* http_client: speaks HTTP over plain sockets, as badly as a test asks for. It fails the test when it cannot, and waits
 * for nothing longer than HTTP_CLIENT_S. */
#ifndef WEIR_TESTS_SERVE_HTTP_CLIENT_H
#define WEIR_TESTS_SERVE_HTTP_CLIENT_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

#define HTTP_CLIENT_S 60

struct answer {
	int status; /* 0: the connection ended first */
	char *all;  /* headers and body, NUL-terminated; expect() frees it */
	struct weir_str body;
};

/* `address`: as weir_http_address() says it, of loopback or "unix:PATH". */
int connect_to(const char *address);
void send_bytes(int fd, const void *bytes, size_t length);
void send_text(int fd, const char *text);

/* Reads one answer: to the length that it announces, or (HEAD, 304) to the end of its headers. */
struct answer receive(int fd, bool has_body);
/* One request on a connection of its own. */
struct answer ask_at(const char *address, const char *head, const void *body, size_t length);

/* Is there a header line that begins so? */
bool has_header(const struct answer *answer, const char *line);
/* The answer has this status; it is freed. */
void expect(struct answer answer, int status);

#endif
