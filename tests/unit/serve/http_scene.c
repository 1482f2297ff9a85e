/* http_scene: an HTTP listener with a route of each kind; see the header. */
#include "http_scene.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"

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

/* ---- the listener ---------------------------------------------------------- */

int http_scene_setup(void **state)
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
		.max_connections = MAX_CONNECTIONS,
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

int http_scene_teardown(void **state)
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

void wait_entered(struct fixture *fixture)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += HTTP_CLIENT_S;
	assert_int_equal(sem_timedwait(&fixture->entered, &until), 0);
}

struct answer ask(struct fixture *fixture, const char *head)
{
	return ask_at(weir_http_address(fixture->http, 0), head, "", 0);
}

struct answer post(struct fixture *fixture, const char *headers, const void *body, size_t length)
{
	char head[1024];

	snprintf(head, sizeof(head), "POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: %zu\r\n%s\r\n", length,
		headers);
	return ask_at(weir_http_address(fixture->http, 0), head, body, length);
}
