/* test_http: the HTTP listener, spoken to over plain sockets. */
#include "serve/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/stat.h"
#include "serve/coding.h"
#include "serve/http_request.h"

#define MAX_BODY 50000u
#define MAX_HEADER 4000u
#define ANSWER_BYTES 200000u

struct fixture {
	struct weir_http *http;
	struct weir_ack *ack;
	sem_t entered, leave; /* of the slow query */
	char folder[32], unix_address[64];
	pthread_t ingest_thread;
	bool has_ingested;
};

struct answer {
	int status;
	char *all; /* headers and body, NUL-terminated */
	struct weir_str body;
};

/* ---- the routes ----------------------------------------------------------- */

static void query_small(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct weir_str name = weir_http_request_argument(request, "name"), many[2] = { { NULL, 0 }, { NULL, 0 } };
	size_t count = weir_http_request_arguments(request, "m[]", many, 2);

	(void)ctx;
	if (count > 0) {
		weir_buf_addf(&response->body, "%zu %.*s|%.*s", count, (int)many[0].length, many[0].data,
			(int)many[1].length, many[1].data != NULL ? many[1].data : "");
		return;
	}
	assert_true(weir_http_request_deadline_ns(request) > weir_clock_monotonic_ns());
	response->content_type = "application/json";
	response->behind_ms = 12;
	response->cache_control = "no-store";
	response->content_security_policy = "default-src 'self'";
	weir_buf_addf(&response->body, "{\"name\":\"%.*s\",\"peer\":\"%.*s\"}", (int)name.length,
		name.data != NULL ? name.data : "", (int)weir_http_request_peer(request).length,
		weir_http_request_peer(request).data);
}

static void query_large(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	(void)ctx;
	(void)request;
	for (int i = 0; i < 10000; i++) {
		weir_buf_add_text(&response->body, "0123456789");
	}
}

static void query_rest(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	(void)ctx;
	weir_buf_add_str(&response->body, weir_http_request_rest(request));
}

static void query_tagged(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	(void)ctx;
	(void)request;
	response->etag = "\"abc\"";
	response->vary = "Accept";
	weir_buf_add_text(&response->body, "the page");
}

static void query_moved(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	(void)ctx;
	(void)request;
	response->location = "/elsewhere";
	weir_http_response_text(response, 302, "moved\n");
}

static void query_slow(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct fixture *fixture = ctx;

	(void)request;
	sem_post(&fixture->entered);
	while (sem_wait(&fixture->leave) != 0) {
	}
	weir_http_response_text(response, 200, "slow\n");
}

static void ingest(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	struct fixture *fixture = ctx;
	struct weir_str body = weir_http_request_body(request);

	if (fixture->has_ingested) {
		assert_true(pthread_equal(fixture->ingest_thread, pthread_self()));
	}
	fixture->ingest_thread = pthread_self();
	fixture->has_ingested = true;
	response->status = 202;
	if (weir_str_is(body, "full")) {
		response->retry_after_s = 2;
		weir_http_response_text(response, 429, "full\n");
		return;
	}
	response->park_position = weir_str_is(body, "park") ? 100 : 0;
	weir_buf_addf(&response->body, "%zu bytes", body.length);
	sem_post(&fixture->entered);
}

static void spell(void *ctx, const struct weir_http_request *request, unsigned status, const char *text,
	struct weir_http_response *response)
{
	(void)ctx;
	if (weir_str_is(weir_http_request_header(request, "Content-Type"), "odd")) {
		response->content_type = "odd";
		weir_buf_clear(&response->body);
		weir_buf_addf(&response->body, "<%u %s>", status, text);
	}
}

/* ---- fixture --------------------------------------------------------------- */

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	const char *addresses[3] = { "127.0.0.1:0", "127.0.0.1:0", fixture->unix_address };
	struct weir_http_route routes[] = {
		{ "GET", "/small", WEIR_ROUTE_QUERY, query_small, fixture, NULL, NULL },
		{ "GET", "/large", WEIR_ROUTE_QUERY, query_large, fixture, NULL, NULL },
		{ "GET", "/trace/*", WEIR_ROUTE_QUERY, query_rest, fixture, NULL, NULL },
		{ "GET", "/page", WEIR_ROUTE_QUERY, query_tagged, fixture, NULL, NULL },
		{ "GET", "/moved", WEIR_ROUTE_QUERY, query_moved, fixture, NULL, NULL },
		{ "GET", "/slow", WEIR_ROUTE_QUERY, query_slow, fixture, NULL, NULL },
		{ "POST", "/spans", WEIR_ROUTE_INGEST, ingest, fixture, NULL, spell },
		{ "GET", "/spans", WEIR_ROUTE_QUERY, query_small, fixture, NULL, NULL },
		{ "POST", "/only-post", WEIR_ROUTE_INGEST, ingest, fixture, NULL, NULL },
	};
	struct weir_http_opts opts = { .addresses = addresses,
		.address_count = 3,
		.routes = routes,
		.route_count = sizeof(routes) / sizeof(routes[0]),
		.max_body_bytes = MAX_BODY,
		.max_header_bytes = MAX_HEADER,
		.max_connections = 20,
		.query_threads = 1,
		.query_queue = 1,
		.query_s = 5 };

	strcpy(fixture->folder, "/tmp/weir-test-XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->unix_address, sizeof(fixture->unix_address), "unix:%s/http", fixture->folder);
	sem_init(&fixture->entered, 0, 0);
	sem_init(&fixture->leave, 0, 0);
	assert_int_equal(weir_ack_create(1, &fixture->ack), 0);
	opts.ack = fixture->ack;
	assert_int_equal(weir_http_open(&opts, &fixture->http), 0);
	assert_int_equal(weir_http_start(fixture->http), 0);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	weir_http_stop(fixture->http);
	weir_http_close(fixture->http);
	weir_ack_destroy(fixture->ack);
	sem_destroy(&fixture->entered);
	sem_destroy(&fixture->leave);
	assert_int_equal(rmdir(fixture->folder), 0); /* the socket file is gone with its owner */
	free(fixture);
	return 0;
}

static void wait_entered(struct fixture *fixture)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += 20;
	assert_int_equal(sem_timedwait(&fixture->entered, &until), 0);
}

/* ---- the client ------------------------------------------------------------ */

static int connect_to(const char *address)
{
	struct timeval most = { .tv_sec = 20 };
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

static void send_bytes(int fd, const void *bytes, size_t length)
{
	const char *at = bytes;

	while (length > 0) {
		ssize_t sent = send(fd, at, length, MSG_NOSIGNAL);

		assert_true(sent > 0);
		at += sent;
		length -= (size_t)sent;
	}
}

static void send_text(int fd, const char *text)
{
	send_bytes(fd, text, strlen(text));
}

static bool has_header(const struct answer *answer, const char *line)
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

/* Reads one answer: to the length that it announces, or (HEAD, 304) to the
 * end of its headers. */
static struct answer receive(int fd, bool has_body)
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

static struct answer ask_at(const char *address, const char *head, const void *body, size_t length)
{
	int fd = connect_to(address);
	struct answer answer;

	send_text(fd, head);
	send_bytes(fd, body, length);
	answer = receive(fd, strncmp(head, "HEAD", 4) != 0);
	close(fd);
	return answer;
}

static struct answer ask(struct fixture *fixture, const char *head)
{
	return ask_at(weir_http_address(fixture->http, 0), head, "", 0);
}

static struct answer post(struct fixture *fixture, const char *headers, const void *body, size_t length)
{
	char head[1024];

	snprintf(head, sizeof(head), "POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n%s\r\n", length,
		headers);
	return ask_at(weir_http_address(fixture->http, 0), head, body, length);
}

static void expect(struct answer answer, int status)
{
	if (answer.status != status) {
		print_error("%.300s\n", answer.all);
	}
	assert_int_equal(answer.status, status);
	free(answer.all);
}

/* ---- tests ------------------------------------------------------------------ */

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

static void connection_serves_one_request_after_the_other(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(weir_http_address(fixture->http, 1));

	for (int i = 0; i < 20; i++) {
		send_text(fd, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n");
		expect(receive(fd, true), 200);
		send_text(fd, "POST /nothing HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody");
		expect(receive(fd, true), 404); /* the body of a refused request is read away */
	}
	close(fd);
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

static void all_addresses_ingest_on_one_thread(void **state)
{
	struct fixture *fixture = *state;
	const char *head = "POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";

	for (size_t i = 0; i < 3; i++) { /* the handler asserts the thread */
		expect(ask_at(weir_http_address(fixture->http, i), head, "abc", 3), 202);
	}
	assert_string_equal(weir_http_address(fixture->http, 2), fixture->unix_address);
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

static void too_large_headers_are_431(void **state)
{
	char head[MAX_HEADER + 200];
	size_t length = (size_t)snprintf(head, sizeof(head), "GET /small HTTP/1.1\r\nHost: x\r\nX: ");

	memset(head + length, 'y', MAX_HEADER);
	strcpy(head + length + MAX_HEADER, "\r\n\r\n");
	expect(ask(*state, head), 431);
}

static void full_pool_answers_503_and_ingest_goes_on(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_QUERY_SHED);
	int runs = connect_to(weir_http_address(fixture->http, 0));
	struct pollfd two[2];
	struct answer answer;
	size_t refused;

	send_text(runs, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_entered(fixture);
	for (size_t i = 0; i < 2; i++) { /* one may wait; the other, whichever it is, is refused at once */
		two[i] = (struct pollfd){ connect_to(weir_http_address(fixture->http, 0)), POLLIN, 0 };
		send_text(two[i].fd, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
	}
	assert_int_equal(poll(two, 2, 20000), 1);
	refused = two[0].revents != 0 ? 0 : 1;
	answer = receive(two[refused].fd, true);
	assert_true(has_header(&answer, "Retry-After: 1"));
	expect(answer, 503);
	assert_int_equal(weir_stat_get(WEIR_STAT_QUERY_SHED), before + 1);
	expect(post(fixture, "", "abc", 3), 202);
	sem_post(&fixture->leave);
	sem_post(&fixture->leave);
	expect(receive(runs, true), 200);
	expect(receive(two[1 - refused].fd, true), 200);
	close(runs);
	close(two[0].fd);
	close(two[1].fd);
}

static void parked_answer_waits_for_its_position(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(weir_http_address(fixture->http, 0));
	struct answer answer;

	send_text(fd, "POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\npark");
	wait_entered(fixture);
	answer = post(fixture, "", "park", 4); /* the one place is taken: the first is parked */
	assert_true(has_header(&answer, "Retry-After: 1"));
	expect(answer, 503);
	weir_ack_advance(fixture->ack, 99);
	weir_ack_advance(fixture->ack, 100);
	answer = receive(fd, true);
	assert_true(weir_str_is(answer.body, "4 bytes"));
	expect(answer, 202);
	expect(post(fixture, "", "park", 4), 202); /* stored already: at once */
	close(fd);
}

static void stop_answers_what_is_parked(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(weir_http_address(fixture->http, 0));

	send_text(fd, "POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\npark");
	wait_entered(fixture);
	weir_http_stop(fixture->http);
	expect(receive(fd, true), 503);
	close(fd);
}

static void *stop_http(void *ctx)
{
	weir_http_stop(((struct fixture *)ctx)->http);
	return NULL;
}

static void stop_finishes_the_query_that_runs(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(weir_http_address(fixture->http, 0));
	pthread_t stopper;

	send_text(fd, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
	wait_entered(fixture);
	assert_int_equal(pthread_create(&stopper, NULL, stop_http, fixture), 0);
	sem_post(&fixture->leave);
	expect(receive(fd, true), 200);
	pthread_join(stopper, NULL);
	close(fd);
}

static void more_connections_than_the_cap_are_shed_and_service_goes_on(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_ACCEPT_SHED);
	int fds[40];
	char byte;

	for (size_t i = 0; i < 40; i++) {
		fds[i] = connect_to(weir_http_address(fixture->http, 0));
	}
	for (size_t i = 20; i < 40; i++) { /* those beyond the cap of 20 see their end */
		assert_true(recv(fds[i], &byte, 1, 0) <= 0);
	}
	assert_int_equal(weir_stat_get(WEIR_STAT_ACCEPT_SHED), before + 20);
	for (size_t i = 0; i < 40; i++) {
		shutdown(fds[i], SHUT_WR);
		recv(fds[i], &byte, 1, 0); /* the other side has closed too */
		close(fds[i]);
	}
	for (int status = 0; status != 200;) { /* the last close is counted a moment after it is seen */
		struct answer answer = ask(fixture, "GET /small HTTP/1.1\r\nHost: x\r\n\r\n");

		status = answer.status;
		assert_true(status == 200 || status == 0);
		free(answer.all);
	}
}

static void request_that_drips_is_cut_off(void **state)
{
	struct fixture *fixture = *state;
	int fd = connect_to(weir_http_address(fixture->http, 0));
	ssize_t got;
	char text[200];

	send_text(fd, "POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf");
	pthread_mutex_lock(&fixture->http->lock);
	fixture->http->read_ms = 1;
	pthread_mutex_unlock(&fixture->http->lock);
	got = recv(fd, text, sizeof(text), 0);
	assert_true(got == 0 || (got < 0 && errno == ECONNRESET)); /* the end, not the client's time-out */
	assert_false(fixture->has_ingested);
	close(fd);
}

/* The end comes together with the last bytes, in the middle of a request. */
static void client_that_leaves_in_mid_request_gives_its_place_back(void **state)
{
	static const char *const halves[] = { "POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nhalf",
		"GET /small HT", "GET /small HTTP/1.1\r\nHost:" };
	struct fixture *fixture = *state;
	int fds[15];

	for (int i = 0; i < 15; i++) {
		fds[i] = connect_to(weir_http_address(fixture->http, 0));
		send_text(fds[i], halves[i % 3]);
		shutdown(fds[i], SHUT_WR);
	}
	for (int i = 0; i < 15; i++) {
		ssize_t got;
		char text[200];

		while ((got = recv(fds[i], text, sizeof(text), 0)) > 0) {
		}
		assert_true(got == 0 || errno == ECONNRESET); /* the end, not the client's time-out */
		close(fds[i]);
	}
	expect(ask(fixture, "GET /small?name=x HTTP/1.1\r\nHost: x\r\n\r\n"), 200);
	assert_false(fixture->has_ingested);
}

static void client_that_ended_its_half_still_gets_its_answer(void **state)
{
	struct fixture *fixture = *state;

	for (int i = 0; i < 10; i++) {
		int fd = connect_to(weir_http_address(fixture->http, 0));

		send_text(fd, "GET /slow HTTP/1.1\r\nHost: x\r\n\r\n");
		shutdown(fd, SHUT_WR);
		wait_entered(fixture); /* the end is there before the answer */
		sem_post(&fixture->leave);
		expect(receive(fd, true), 200);
		close(fd);
	}
}

static int open_only(const char *address, struct weir_http **ret_http)
{
	struct weir_http_opts opts = { .addresses = &address, .address_count = 1, .max_connections = 1 };

	return weir_http_open(&opts, ret_http);
}

static void address_in_use_is_a_fault(void **state)
{
	struct fixture *fixture = *state;
	struct weir_http *second = NULL;

	assert_int_equal(open_only(weir_http_address(fixture->http, 0), &second), -EADDRINUSE);
	assert_int_equal(open_only(fixture->unix_address, &second), -EADDRINUSE);
	assert_int_equal(open_only("nonsense", &second), -EINVAL);
	assert_int_equal(open_only("127.0.0.1:99999", &second), -EINVAL);
	assert_int_equal(open_only("unix:", &second), -EINVAL);
	assert_null(second);
}

static void socket_file_of_the_dead_is_replaced(void **state)
{
	struct fixture *fixture = *state;
	struct sockaddr_un un = { .sun_family = AF_UNIX };
	struct weir_http *http;
	char address[128];
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);

	snprintf(un.sun_path, sizeof(un.sun_path), "%s/dead", fixture->folder);
	snprintf(address, sizeof(address), "unix:%s/dead", fixture->folder);
	assert_int_equal(bind(fd, (struct sockaddr *)&un, sizeof(un)), 0);
	close(fd); /* the file stays, as after a kill */
	assert_int_equal(access(un.sun_path, F_OK), 0);
	assert_int_equal(open_only(address, &http), 0);
	weir_http_close(http);
	assert_int_equal(access(un.sun_path, F_OK), -1);
}

#define WITH_SERVER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(query_is_answered_with_its_headers),
		WITH_SERVER(an_argument_that_comes_several_times_is_given_in_order),
		WITH_SERVER(prefix_route_gives_the_rest),
		WITH_SERVER(unknown_path_is_404_and_counted),
		WITH_SERVER(wrong_method_is_405_and_names_the_right_ones),
		WITH_SERVER(head_has_the_headers_of_get_and_no_body),
		WITH_SERVER(connection_serves_one_request_after_the_other),
		WITH_SERVER(large_answer_is_compressed_when_asked),
		WITH_SERVER(known_tag_is_not_sent_again),
		WITH_SERVER(location_is_sent),
		WITH_SERVER(body_reaches_the_ingest_route),
		WITH_SERVER(chunked_body_reaches_the_ingest_route),
		WITH_SERVER(all_addresses_ingest_on_one_thread),
		WITH_SERVER(refusal_says_when_to_come_again),
		WITH_SERVER(announced_too_large_a_body_is_refused_unread),
		WITH_SERVER(a_refusal_is_spelled_as_its_route_likes_it),
		WITH_SERVER(too_large_a_body_that_comes_anyway_is_read_before_the_refusal),
		WITH_SERVER(unannounced_too_large_a_body_is_refused),
		WITH_SERVER(compressed_body_is_inflated),
		WITH_SERVER(bomb_is_refused_inflated),
		WITH_SERVER(broken_gzip_is_400_and_counted),
		WITH_SERVER(unknown_coding_is_415),
		WITH_SERVER(too_large_headers_are_431),
		WITH_SERVER(full_pool_answers_503_and_ingest_goes_on),
		WITH_SERVER(parked_answer_waits_for_its_position),
		WITH_SERVER(stop_answers_what_is_parked),
		WITH_SERVER(stop_finishes_the_query_that_runs),
		WITH_SERVER(more_connections_than_the_cap_are_shed_and_service_goes_on),
		WITH_SERVER(request_that_drips_is_cut_off),
		WITH_SERVER(client_that_leaves_in_mid_request_gives_its_place_back),
		WITH_SERVER(client_that_ended_its_half_still_gets_its_answer),
		WITH_SERVER(address_in_use_is_a_fault),
		WITH_SERVER(socket_file_of_the_dead_is_replaced),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
