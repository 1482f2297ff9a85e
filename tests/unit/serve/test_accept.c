/* test_accept: listeners that survive running out of file descriptors.
 *
 * Linked with collector/accept.c among its own sources, as the binary is.
 * NOFILE is lowered; then twice as many connections as there may be
 * descriptors come in (from a child process, which has its own limit), close
 * again, and the next call must be served. */
#include "serve/accept.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/stat.h"
#include "grpc_client.h"
#include "serve/grpc.h"
#include "serve/http.h"

#define DESCRIPTORS 128u
#define ECHO "/weir.test.Test/Echo"

/* The child that floods on command: it is forked before there is any thread. */
struct flooder {
	pid_t pid;
	int orders, reports;
};

struct order {
	char address[128];
	unsigned count;
};

static struct flooder flooder;

static int connect_to(const char *address)
{
	struct sockaddr_storage place = { 0 };
	socklen_t length;
	int fd;

	if (strncmp(address, "unix:", 5) == 0) {
		struct sockaddr_un un = { .sun_family = AF_UNIX };

		strncpy(un.sun_path, address + 5, sizeof(un.sun_path) - 1);
		memcpy(&place, &un, sizeof(un));
		length = sizeof(un);
	} else {
		struct sockaddr_in in = { .sin_family = AF_INET };

		in.sin_port = htons((uint16_t)atoi(strrchr(address, ':') + 1));
		in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		memcpy(&place, &in, sizeof(in));
		length = sizeof(in);
	}
	fd = socket(place.ss_family, SOCK_STREAM, 0);
	if (fd >= 0 && connect(fd, (struct sockaddr *)&place, length) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static void report(unsigned value)
{
	if (write(flooder.reports, &value, sizeof(value)) != sizeof(value)) {
		_exit(2);
	}
}

/* An order with a count opens connections and keeps them; without, it closes them all. */
static void flood_as_told(void)
{
	static int fds[4096];
	unsigned count = 0;
	struct order order;

	while (read(flooder.orders, &order, sizeof(order)) == sizeof(order)) {
		if (order.count == 0) {
			while (count > 0) {
				close(fds[--count]);
			}
		}
		for (unsigned i = 0; i < order.count; i++) {
			int fd = connect_to(order.address);

			if (fd >= 0) {
				fds[count++] = fd;
			}
		}
		report(count);
	}
	_exit(0);
}

static unsigned flood(const char *address, unsigned count)
{
	struct order order = { .count = count };
	struct pollfd waits = { flooder.reports, POLLIN, 0 };
	unsigned value = 0;

	snprintf(order.address, sizeof(order.address), "%s", address);
	assert_int_equal(write(flooder.orders, &order, sizeof(order)), sizeof(order));
	assert_int_equal(poll(&waits, 1, 60000), 1);
	assert_int_equal(read(flooder.reports, &value, sizeof(value)), sizeof(value));
	return value;
}

static void flooder_start(void)
{
	int down[2], up[2];

	if (pipe(down) != 0 || pipe(up) != 0) {
		exit(2);
	}
	flooder.pid = fork();
	if (flooder.pid == 0) {
		close(down[1]);
		close(up[0]);
		flooder.orders = down[0];
		flooder.reports = up[1];
		flood_as_told();
	}
	close(down[0]);
	close(up[1]);
	flooder.orders = down[1];
	flooder.reports = up[0];
}

/* ---- the servers ------------------------------------------------------------ */

struct fixture {
	struct weir_grpc *grpc;
	struct weir_http *http;
	char folder[32], unix_grpc[64], unix_http[64];
};

static void echo(void *ctx, const struct weir_grpc_peer *peer, struct weir_str message, struct weir_grpc_answer *answer)
{
	(void)ctx;
	(void)peer;
	weir_buf_add_str(&answer->body, message);
}

static void hello(void *ctx, const struct weir_http_request *request, struct weir_http_response *response)
{
	(void)ctx;
	(void)request;
	weir_http_response_text(response, 200, "hello\n");
}

static int start_grpc(struct fixture *fixture, uint32_t max_connections)
{
	const char *addresses[2] = { "127.0.0.1:0", fixture->unix_grpc };
	struct weir_grpc_method method = { .path = ECHO, .unary = echo };
	struct weir_grpc_opts opts = { .addresses = addresses,
		.address_count = 2,
		.methods = &method,
		.method_count = 1,
		.max_message_bytes = 1u << 20,
		.max_connections = max_connections,
		.max_streams = 100,
		.max_metadata_bytes = 16384 };
	int fault = weir_grpc_open(&opts, &fixture->grpc);

	return fault != 0 ? fault : weir_grpc_start(fixture->grpc);
}

static int start_http(struct fixture *fixture)
{
	const char *addresses[2] = { "127.0.0.1:0", fixture->unix_http };
	struct weir_http_route route = { "GET", "/hello", WEIR_ROUTE_QUERY, hello, NULL, NULL, NULL };
	struct weir_http_opts opts = { .addresses = addresses,
		.address_count = 2,
		.routes = &route,
		.route_count = 1,
		.max_body_bytes = 1u << 20,
		.max_header_bytes = 16384,
		.max_connections = 10000,
		.query_threads = 1,
		.query_queue = 10,
		.query_s = 5 };
	int fault = weir_http_open(&opts, &fixture->http);

	return fault != 0 ? fault : weir_http_start(fixture->http);
}

static int setup(void **state)
{
	struct fixture *fixture = calloc(1, sizeof(*fixture));

	strcpy(fixture->folder, "/tmp/weir-test-XXXXXX");
	assert_non_null(mkdtemp(fixture->folder));
	snprintf(fixture->unix_grpc, sizeof(fixture->unix_grpc), "unix:%s/grpc", fixture->folder);
	snprintf(fixture->unix_http, sizeof(fixture->unix_http), "unix:%s/http", fixture->folder);
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	flood("", 0);
	weir_grpc_stop(fixture->grpc, 0);
	weir_grpc_close(fixture->grpc);
	weir_http_stop(fixture->http);
	weir_http_close(fixture->http);
	assert_int_equal(rmdir(fixture->folder), 0);
	free(fixture);
	return 0;
}

static int grpc_code(const char *address)
{
	grpc_channel *channel = client_channel(address, false);
	struct client_result result = client_unary(channel, ECHO, "x", 1, CLIENT_WAIT_MS);

	grpc_channel_destroy(channel);
	return result.code;
}

static int http_status(const char *address)
{
	const char *head = "GET /hello HTTP/1.0\r\nHost: x\r\n\r\n";
	struct timeval most = { .tv_sec = 20 };
	char text[512] = "";
	int fd = connect_to(address), status = 0;

	if (fd < 0) {
		return 0; /* the server still has all descriptors of this process */
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &most, sizeof(most));
	send(fd, head, strlen(head), MSG_NOSIGNAL);
	if (recv(fd, text, sizeof(text) - 1, MSG_WAITALL) > 0) {
		sscanf(text, "HTTP/1.1 %d", &status);
	}
	close(fd);
	return status;
}

static void lower_descriptors(struct rlimit *ret_before)
{
	struct rlimit low;

	assert_int_equal(getrlimit(RLIMIT_NOFILE, ret_before), 0);
	low = *ret_before;
	low.rlim_cur = DESCRIPTORS;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
}

/* ---- tests ------------------------------------------------------------------- */

static void start_proves_that_accept4_and_the_guard_are_ours(void **state)
{
	uint64_t before = weir_accept_calls();

	assert_int_equal(start_grpc(*state, 100), 0);
	assert_true(weir_accept_calls() >= before + 2); /* once for each of the two sockets */
	assert_int_equal(weir_stat_get(WEIR_STAT_HTTP2_GUARDED), 1);
}

static void grpc_floods(struct fixture *fixture, size_t which)
{
	uint64_t shed = weir_stat_get(WEIR_STAT_ACCEPT_SHED);
	char address[128];
	struct rlimit before;

	assert_int_equal(start_grpc(fixture, 10000), 0); /* so that descriptors run out before the cap */
	snprintf(address, sizeof(address), "%s", weir_grpc_address(fixture->grpc, which));
	assert_int_equal(grpc_code(address), 0);
	lower_descriptors(&before);
	for (int round = 0; round < 3; round++) {
		assert_true(flood(address, 2 * DESCRIPTORS) > DESCRIPTORS);
		flood("", 0);
		assert_int_equal(grpc_code(address), 0);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(weir_stat_get(WEIR_STAT_ACCEPT_SHED) > shed);
}

static void grpc_survives_without_descriptors_over_tcp(void **state)
{
	grpc_floods(*state, 0);
}

static void grpc_survives_without_descriptors_over_a_unix_socket(void **state)
{
	grpc_floods(*state, 1);
}

static void http_floods(struct fixture *fixture, size_t which)
{
	uint64_t shed = weir_stat_get(WEIR_STAT_ACCEPT_SHED);
	char address[128];
	uint64_t until_ns;
	struct rlimit before;
	int status;

	assert_int_equal(start_http(fixture), 0);
	snprintf(address, sizeof(address), "%s", weir_http_address(fixture->http, which));
	assert_int_equal(http_status(address), 200);
	lower_descriptors(&before);
	for (int round = 0; round < 3; round++) {
		assert_true(flood(address, 2 * DESCRIPTORS) > DESCRIPTORS);
		flood("", 0);
		until_ns = weir_clock_monotonic_ns() + 20 * UINT64_C(1000000000);
		do { /* the closes are noticed one after the other: a call in between may be shed */
			status = http_status(address);
			assert_true(status == 200 || status == 0);
			assert_true(weir_clock_monotonic_ns() < until_ns);
		} while (status != 200);
	}
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
	assert_true(weir_stat_get(WEIR_STAT_ACCEPT_SHED) > shed);
}

static void http_survives_without_descriptors_over_tcp(void **state)
{
	http_floods(*state, 0);
}

static void http_survives_without_descriptors_over_a_unix_socket(void **state)
{
	http_floods(*state, 1);
}

static void cap_sheds_and_closed_connections_make_room(void **state)
{
	struct fixture *fixture = *state;
	uint64_t shed = weir_stat_get(WEIR_STAT_ACCEPT_SHED), calls;

	assert_int_equal(start_grpc(fixture, 10), 0);
	for (int round = 0; round < 20; round++) {
		calls = weir_accept_calls();
		assert_int_equal(flood(weir_grpc_address(fixture->grpc, 0), 30), 30);
		assert_int_equal(weir_accept_wait(calls, 20000), 0);
		flood("", 0);
		assert_int_equal(grpc_code(weir_grpc_address(fixture->grpc, 0)), 0);
	}
	assert_true(weir_stat_get(WEIR_STAT_ACCEPT_SHED) >= shed + 20);
}

static void other_sockets_go_straight_to_the_kernel(void **state)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int listening = socket(AF_INET, SOCK_STREAM, 0), client, taken;
	uint64_t calls = weir_accept_calls();
	socklen_t length = sizeof(in);

	(void)state;
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(bind(listening, (struct sockaddr *)&in, sizeof(in)), 0);
	assert_int_equal(listen(listening, 1), 0);
	assert_int_equal(getsockname(listening, (struct sockaddr *)&in, &length), 0);
	client = socket(AF_INET, SOCK_STREAM, 0);
	assert_int_equal(connect(client, (struct sockaddr *)&in, sizeof(in)), 0);
	taken = accept4(listening, NULL, NULL, SOCK_CLOEXEC);
	assert_true(taken >= 0);
	assert_int_equal(fcntl(taken, F_GETFD), FD_CLOEXEC);
	assert_int_equal(weir_accept_calls(), calls);
	close(taken);
	close(client);
	close(listening);
	errno = 0;
	assert_int_equal(accept4(-1, NULL, NULL, 0), -1);
	assert_int_equal(errno, EBADF);
}

#define WITH_FLOODER(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FLOODER(start_proves_that_accept4_and_the_guard_are_ours),
		WITH_FLOODER(grpc_survives_without_descriptors_over_tcp),
		WITH_FLOODER(grpc_survives_without_descriptors_over_a_unix_socket),
		WITH_FLOODER(http_survives_without_descriptors_over_tcp),
		WITH_FLOODER(http_survives_without_descriptors_over_a_unix_socket),
		WITH_FLOODER(cap_sheds_and_closed_connections_make_room),
		WITH_FLOODER(other_sockets_go_straight_to_the_kernel),
	};
	int failed;

	signal(SIGPIPE, SIG_IGN);
	flooder_start();
	grpc_init();
	failed = cmocka_run_group_tests_name("accept", tests, NULL, NULL);
	grpc_shutdown_blocking();
	close(flooder.orders);
	waitpid(flooder.pid, NULL, 0);
	return failed;
}
