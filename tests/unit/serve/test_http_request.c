/* test_http_request: what is asked for is found, and answered with its headers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/stat.h"
#include "http_scene.h"
#include "serve/coding.h"

static void query_is_answered_with_its_headers(void **state)
{
	struct answer answer = ask(*state, "GET /small?x=1&name=a%20b%22 HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_true(weir_str_is(answer.body, "{\"name\":\"a b\"\",\"peer\":\"127.0.0.1\"}"));
	assert_true(has_header(&answer, "Content-Type: application/json\r"));
	assert_true(has_header(&answer, "X-Content-Type-Options: nosniff"));
	assert_true(has_header(&answer, "Weir-Behind-Ms: 12"));
	assert_true(has_header(&answer, "Cache-Control: no-store"));
	assert_true(has_header(&answer, "Content-Security-Policy: default-src 'self'"));
	assert_false(has_header(&answer, "Retry-After"));
	expect(answer, 200);
}

static void an_argument_that_comes_several_times_is_given_in_order(void **state)
{
	struct answer answer = ask(*state, "GET /small?m%5B%5D=a%20b&n=x&m[]=c&m[]=d HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_true(weir_str_is(answer.body, "3 a b|c")); /* there is room for two */
	expect(answer, 200);
	answer = ask(*state, "GET /small?m[]&M[]=c HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(weir_str_is(answer.body, "1 |"));
	expect(answer, 200);
}

static void prefix_route_gives_the_rest(void **state)
{
	struct answer answer = ask(*state, "GET /trace/abc%2Fd HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_true(weir_str_is(answer.body, "abc/d"));
	expect(answer, 200);
}

static void unknown_path_is_404_and_counted(void **state)
{
	uint64_t before = weir_stat_get(WEIR_STAT_HTTP_4XX);

	expect(ask(*state, "GET /nothing HTTP/1.1\r\nHost: x\r\n\r\n"), 404);
	assert_int_equal(weir_stat_get(WEIR_STAT_HTTP_4XX), before + 1);
}

static void wrong_method_is_405_and_names_the_right_ones(void **state)
{
	struct answer answer = ask(*state, "DELETE /spans HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_true(has_header(&answer, "Allow: POST, GET, HEAD\r"));
	expect(answer, 405);
	answer = ask(*state, "HEAD /only-post HTTP/1.1\r\nHost: x\r\n\r\n");
	assert_true(has_header(&answer, "Allow: POST\r"));
	expect(answer, 405);
}

static void head_has_the_headers_of_get_and_no_body(void **state)
{
	struct answer answer = ask(*state, "HEAD /large HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_true(has_header(&answer, "Content-Length: 100000\r"));
	assert_int_equal(answer.body.length, 0);
	expect(answer, 200);
}

static void large_answer_is_compressed_when_asked(void **state)
{
	struct answer answer = ask(*state, "GET /large HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
	struct weir_coding coding = { 0 };
	struct weir_buf out;

	assert_true(has_header(&answer, "Content-Encoding: gzip"));
	assert_true(has_header(&answer, "Vary: Accept-Encoding"));
	assert_true(answer.body.length < 2000);
	weir_buf_init(&out, 0);
	assert_int_equal(weir_coding_open(&coding), 0);
	assert_int_equal(weir_coding_read(&coding, answer.body, 100000, &out), 0);
	assert_int_equal(weir_coding_finish(&coding), 0);
	assert_int_equal(out.length, 100000);
	weir_coding_close(&coding);
	weir_buf_fini(&out);
	expect(answer, 200);
	answer = ask(*state, "GET /small HTTP/1.1\r\nHost: x\r\nAccept-Encoding: gzip\r\n\r\n");
	assert_false(has_header(&answer, "Content-Encoding"));
	expect(answer, 200);
}

static void known_tag_is_not_sent_again(void **state)
{
	struct answer answer = ask(*state, "GET /page HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_true(has_header(&answer, "ETag: \"abc\""));
	assert_true(has_header(&answer, "Vary: Accept\r"));
	assert_true(has_header(&answer, "Vary: Accept-Encoding"));
	assert_true(weir_str_is(answer.body, "the page"));
	expect(answer, 200);
	answer = ask(*state,
		"GET /page HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"old\", W/\"abc\"\r\nConnection: close\r\n\r\n");
	assert_true(has_header(&answer, "ETag: \"abc\""));
	assert_int_equal(answer.body.length, 0);
	expect(answer, 304);
	expect(ask(*state, "GET /page HTTP/1.1\r\nHost: x\r\nIf-None-Match: \"old\"\r\n\r\n"), 200);
}

static void location_is_sent(void **state)
{
	struct answer answer = ask(*state, "GET /moved HTTP/1.1\r\nHost: x\r\n\r\n");

	assert_true(has_header(&answer, "Location: /elsewhere"));
	expect(answer, 302);
}

static void too_large_headers_are_431(void **state)
{
	char head[MAX_HEADER + 200];
	size_t length = (size_t)snprintf(head, sizeof(head), "GET /small HTTP/1.1\r\nHost: x\r\nX: ");

	memset(head + length, 'y', MAX_HEADER);
	strcpy(head + length + MAX_HEADER, "\r\n\r\n");
	expect(ask(*state, head), 431);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(query_is_answered_with_its_headers),
		WITH_SERVER(an_argument_that_comes_several_times_is_given_in_order),
		WITH_SERVER(prefix_route_gives_the_rest),
		WITH_SERVER(unknown_path_is_404_and_counted),
		WITH_SERVER(wrong_method_is_405_and_names_the_right_ones),
		WITH_SERVER(head_has_the_headers_of_get_and_no_body),
		WITH_SERVER(large_answer_is_compressed_when_asked),
		WITH_SERVER(known_tag_is_not_sent_again),
		WITH_SERVER(location_is_sent),
		WITH_SERVER(too_large_headers_are_431),
	};

	return cmocka_run_group_tests_name("http_request", tests, NULL, NULL);
}
