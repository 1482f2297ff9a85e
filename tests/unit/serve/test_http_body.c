/* test_http_body: bodies, in one piece or in chunks, as they are or packed, up to their limit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/stat.h"
#include "http_scene.h"
#include "serve/coding.h"

static void body_reaches_the_ingest_route(void **state)
{
	char body[MAX_BODY];
	struct answer answer;

	memset(body, 'x', sizeof(body));
	answer = post(*state, "", body, sizeof(body));
	assert_true(weir_str_is(answer.body, "50000 bytes"));
	expect(answer, 202);
	answer = post(*state, "", "", 0);
	assert_true(weir_str_is(answer.body, "0 bytes"));
	expect(answer, 202);
}

static void chunked_body_reaches_the_ingest_route(void **state)
{
	struct fixture *fixture = *state;
	const char *head = "POST /spans HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n"
			   "5\r\nhello\r\n4\r\n you\r\n0\r\n\r\n";
	struct answer answer = ask_at(weir_http_address(fixture->http, 0), head, "", 0);

	assert_true(weir_str_is(answer.body, "9 bytes"));
	expect(answer, 202);
}

static void refusal_says_when_to_come_again(void **state)
{
	struct answer answer = post(*state, "", "full", 4);

	assert_true(has_header(&answer, "Retry-After: 2\r"));
	assert_true(weir_str_is(answer.body, "full\n"));
	expect(answer, 429);
}

static void announced_too_large_a_body_is_refused_unread(void **state)
{
	struct fixture *fixture = *state;
	const char *head = "POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: 50001\r\nExpect: 100-continue\r\n\r\n";

	expect(ask_at(weir_http_address(fixture->http, 0), head, "", 0), 413);
	head = "POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: 50000000\r\n\r\n";
	expect(ask_at(weir_http_address(fixture->http, 0), head, "", 0), 413);
	head = "POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999999999999999999\r\n\r\n";
	expect(ask_at(weir_http_address(fixture->http, 0), head, "", 0), 413);
}

static void a_refusal_is_spelled_as_its_route_likes_it(void **state)
{
	struct fixture *fixture = *state;
	const char *head =
		"POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: 50001\r\nContent-Type: odd\r\nExpect: 100-continue\r\n\r\n";
	struct answer answer = ask_at(weir_http_address(fixture->http, 0), head, "", 0);

	assert_true(weir_str_is(answer.body, "<413 the body is larger than limits.message\n>"));
	assert_non_null(strstr(answer.all, "Content-Type: odd\r\n"));
	expect(answer, 413);
	answer = post(fixture, "Content-Type: odd\r\nContent-Encoding: gzip\r\n", "no gzip at all", 14);
	assert_true(weir_str_is(answer.body, "<400 the body is not what its Content-Encoding says\n>"));
	expect(answer, 400);
}

static void too_large_a_body_that_comes_anyway_is_read_before_the_refusal(void **state)
{
	char *body = calloc(1, 50001);

	expect(post(*state, "", body, 50001), 413);
	free(body);
}

static void unannounced_too_large_a_body_is_refused(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(weir_http_address(fixture->http, 0));
	char chunk[10000];

	memset(chunk, 'x', sizeof(chunk));
	send_text(fd, "POST /spans HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 6; i++) {
		send_text(fd, "2710\r\n");
		send_bytes(fd, chunk, sizeof(chunk));
		send_text(fd, "\r\n");
	}
	send_text(fd, "0\r\n\r\n");
	expect(receive(fd, true), 413);
	close(fd);
}

static void compressed_body_is_inflated(void **state)
{
	char body[MAX_BODY] = { 0 };
	struct weir_buf small;
	struct answer answer;

	weir_buf_init(&small, 0);
	assert_int_equal(weir_coding_gzip(weir_str_make(body, sizeof(body)), &small), 0);
	answer = post(*state, "Content-Encoding: gzip\r\n", small.data, small.length);
	assert_true(weir_str_is(answer.body, "50000 bytes"));
	expect(answer, 202);
	weir_buf_fini(&small);
}

static void bomb_is_refused_inflated(void **state)
{
	struct weir_buf big, small;
	size_t size = 16u << 20;

	weir_buf_init(&big, 0);
	weir_buf_init(&small, 0);
	memset(weir_buf_reserve(&big, size), 0, size);
	weir_buf_advance(&big, size);
	assert_int_equal(weir_coding_gzip(weir_buf_str(&big), &small), 0);
	weir_buf_fini(&big);
	assert_int_equal(weir_coding_gzip(weir_buf_str(&small), &big), 0); /* gzip in gzip is not unpacked twice */
	expect(post(*state, "Content-Encoding: gzip\r\n", big.data, big.length), small.length > MAX_BODY ? 413 : 202);
	weir_buf_fini(&big);
	weir_buf_init(&big, 0);
	memset(weir_buf_reserve(&big, MAX_BODY + 1), 0, MAX_BODY + 1);
	weir_buf_advance(&big, MAX_BODY + 1);
	weir_buf_clear(&small);
	assert_int_equal(weir_coding_gzip(weir_buf_str(&big), &small), 0);
	expect(post(*state, "Content-Encoding: gzip\r\n", small.data, small.length), 413);
	weir_buf_fini(&small);
	weir_buf_fini(&big);
}

static void broken_gzip_is_400_and_counted(void **state)
{
	uint64_t before = weir_stat_get(WEIR_STAT_MALFORMED_GZIP);
	struct weir_buf small;

	weir_buf_init(&small, 0);
	assert_int_equal(weir_coding_gzip(weir_str_of("some text"), &small), 0);
	expect(post(*state, "Content-Encoding: gzip\r\n", "no gzip at all", 14), 400);
	expect(post(*state, "Content-Encoding: gzip\r\n", small.data, small.length - 2), 400);
	expect(post(*state, "Content-Encoding: gzip\r\n", "", 0), 400);
	assert_int_equal(weir_stat_get(WEIR_STAT_MALFORMED_GZIP), before + 3);
	weir_buf_fini(&small);
}

static void unknown_coding_is_415(void **state)
{
	expect(post(*state, "Content-Encoding: br\r\n", "xx", 2), 415);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(body_reaches_the_ingest_route),
		WITH_SERVER(chunked_body_reaches_the_ingest_route),
		WITH_SERVER(refusal_says_when_to_come_again),
		WITH_SERVER(announced_too_large_a_body_is_refused_unread),
		WITH_SERVER(a_refusal_is_spelled_as_its_route_likes_it),
		WITH_SERVER(too_large_a_body_that_comes_anyway_is_read_before_the_refusal),
		WITH_SERVER(unannounced_too_large_a_body_is_refused),
		WITH_SERVER(compressed_body_is_inflated),
		WITH_SERVER(bomb_is_refused_inflated),
		WITH_SERVER(broken_gzip_is_400_and_counted),
		WITH_SERVER(unknown_coding_is_415),
	};

	return cmocka_run_group_tests_name("http_body", tests, NULL, NULL);
}
