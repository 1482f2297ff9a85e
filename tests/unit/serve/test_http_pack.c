/* test_http_pack: an answer too long to be kept as it is goes out whole, as gzip
 * and as it was, and what does not fit packed is refused. */
#include "serve/http.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "http_client.h"
#include "serve/coding.h"

#define LINES 400000u /* of some 50 bytes each: 20 MB */
#define NOISE (40u << 20)

static void query_long(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	(void)ctx;
	(void)request;
	for (unsigned i = 0; i < LINES; i++) {
		weir_buf_addf(&response->body, "a_long_metric_total{instance=\"reviews-v1\"} %u\n", i);
		weir_http_response_pack(response);
		assert_true(response->body.length < 9u << 20);
	}
}

/* Random bytes do not become fewer. */
static void query_noise(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	uint64_t z = 1;

	(void)ctx;
	(void)request;
	for (unsigned i = 0; i < NOISE / 8; i++) {
		z = (z ^ z >> 12) * 0x9e3779b97f4a7c15u + i;
		weir_buf_add(&response->body, &z, sizeof(z));
		weir_http_response_pack(response);
	}
}

static int setup(void **state)
{
	static const char *const addresses[] = { "127.0.0.1:0" };
	struct weir_http_route routes[] = {
		{ .method = "GET", .path = "/long", .kind = WEIR_ROUTE_QUERY, .fn = query_long },
		{ .method = "GET", .path = "/noise", .kind = WEIR_ROUTE_QUERY, .fn = query_noise },
	};
	struct weir_http_opts opts = { .addresses = addresses,
		.address_count = 1,
		.routes = routes,
		.route_count = 2,
		.max_body_bytes = 1000,
		.max_header_bytes = 4000,
		.max_connections = 4,
		.query_threads = 1,
		.query_queue = 1,
		.query_s = 60 };
	struct weir_http *http;

	assert_int_equal(weir_http_open(&opts, &http), 0);
	assert_int_equal(weir_http_start(http), 0);
	*state = http;
	return 0;
}

static int teardown(void **state)
{
	weir_http_stop(*state);
	weir_http_close(*state);
	return 0;
}

/* The whole answer to a request that closes its connection. */
static void ask(const struct weir_http *http, const char *path, const char *headers, struct weir_buf *ret_answer)
{
	int fd = connect_to(weir_http_address(http, 0));
	char head[256];
	ssize_t got = 1;

	snprintf(head, sizeof(head), "GET %s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n%s\r\n", path, headers);
	send_text(fd, head);
	while (got > 0) {
		char *at = weir_buf_reserve(ret_answer, 65536);

		assert_non_null(at);
		got = recv(fd, at, 65536, 0);
		weir_buf_advance(ret_answer, got > 0 ? (size_t)got : 0);
	}
	weir_buf_add_char(ret_answer, '\0');
	close(fd);
}

static void assert_whole(struct weir_str body)
{
	char line[96];

	for (unsigned i = 0; i < LINES; i++) {
		int n = snprintf(line, sizeof(line), "a_long_metric_total{instance=\"reviews-v1\"} %u\n", i);

		assert_true(body.length >= (size_t)n);
		assert_memory_equal(body.data, line, (size_t)n);
		body = weir_str_make(body.data + n, body.length - (size_t)n);
	}
	assert_int_equal(body.length, 0);
}

static struct weir_str body_of(const struct weir_buf *answer)
{
	const char *end = strstr(answer->data, "\r\n\r\n");

	assert_non_null(end);
	end += 4;
	return weir_str_make(end, answer->length - 1 - (size_t)(end - answer->data));
}

static void a_long_answer_goes_out_as_it_was(void **state)
{
	struct weir_buf answer = { 0 };

	ask(*state, "/long", "", &answer);
	assert_non_null(strstr(answer.data, "200 OK"));
	assert_null(strcasestr(answer.data, "content-encoding"));
	assert_whole(body_of(&answer));
	weir_buf_fini(&answer);
}

static void a_long_answer_goes_out_as_gzip(void **state)
{
	struct weir_buf answer = { 0 }, plain = { 0 };
	struct weir_coding coding = { 0 };

	ask(*state, "/long", "Accept-Encoding: gzip\r\n", &answer);
	assert_non_null(strcasestr(answer.data, "content-encoding: gzip"));
	assert_true(answer.length < 4u << 20);
	assert_int_equal(weir_coding_open(&coding), 0);
	assert_int_equal(weir_coding_read(&coding, body_of(&answer), SIZE_MAX / 2, &plain), 0);
	assert_int_equal(weir_coding_finish(&coding), 0);
	assert_whole(weir_buf_str(&plain));
	weir_coding_close(&coding);
	weir_buf_fini(&plain);
	weir_buf_fini(&answer);
}

static void what_does_not_fit_packed_is_refused(void **state)
{
	struct weir_buf answer = { 0 };

	ask(*state, "/noise", "", &answer);
	assert_non_null(strstr(answer.data, " 500 "));
	assert_non_null(strstr(answer.data, "did not fit"));
	weir_buf_fini(&answer);
	ask(*state, "/long", "", &answer); /* and the next one is served */
	assert_whole(body_of(&answer));
	weir_buf_fini(&answer);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_long_answer_goes_out_as_it_was, setup, teardown),
		cmocka_unit_test_setup_teardown(a_long_answer_goes_out_as_gzip, setup, teardown),
		cmocka_unit_test_setup_teardown(what_does_not_fit_packed_is_refused, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
