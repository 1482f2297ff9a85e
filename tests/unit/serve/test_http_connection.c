/* test_http_connection: connections: many requests on one, more of them than may be, and clients that leave or never end. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/stat.h"
#include "http_scene.h"
#include "serve/http_request.h"

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

static void more_connections_than_the_cap_are_shed_and_service_goes_on(void **state)
{
	struct fixture *fixture = *state;
	uint64_t before = weir_stat_get(WEIR_STAT_ACCEPT_SHED);
	int fds[2 * MAX_CONNECTIONS];
	char byte;

	for (size_t i = 0; i < 2 * MAX_CONNECTIONS; i++) {
		fds[i] = connect_to(weir_http_address(fixture->http, 0));
	}
	for (size_t i = MAX_CONNECTIONS; i < 2 * MAX_CONNECTIONS; i++) { /* those beyond the cap see their end */
		assert_true(recv(fds[i], &byte, 1, 0) <= 0);
	}
	assert_int_equal(weir_stat_get(WEIR_STAT_ACCEPT_SHED), before + MAX_CONNECTIONS);
	for (size_t i = 0; i < 2 * MAX_CONNECTIONS; i++) {
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(connection_serves_one_request_after_the_other),
		WITH_SERVER(more_connections_than_the_cap_are_shed_and_service_goes_on),
		WITH_SERVER(request_that_drips_is_cut_off),
		WITH_SERVER(client_that_leaves_in_mid_request_gives_its_place_back),
		WITH_SERVER(client_that_ended_its_half_still_gets_its_answer),
	};

	return cmocka_run_group_tests_name("http_connection", tests, NULL, NULL);
}
