/* test_http: the HTTP listener: its addresses, its threads, what waits in it, its end. */
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/stat.h"
#include "http_scene.h"

static void all_addresses_ingest_on_one_thread(void **state)
{
	struct fixture *fixture = *state;
	const char *head = "POST /spans HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\n";

	for (size_t i = 0; i < 3; i++) { /* the handler asserts the thread */
		expect(ask_at(weir_http_address(fixture->http, i), head, "abc", 3), 202);
	}
	assert_string_equal(weir_http_address(fixture->http, 2), fixture->unix_address);
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_SERVER(all_addresses_ingest_on_one_thread),
		WITH_SERVER(full_pool_answers_503_and_ingest_goes_on),
		WITH_SERVER(parked_answer_waits_for_its_position),
		WITH_SERVER(stop_answers_what_is_parked),
		WITH_SERVER(stop_finishes_the_query_that_runs),
		WITH_SERVER(address_in_use_is_a_fault),
		WITH_SERVER(socket_file_of_the_dead_is_replaced),
	};

	return cmocka_run_group_tests_name("http", tests, NULL, NULL);
}
