/* test_listen: addresses, sockets, and accepting with nothing left. */
#include "serve/listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/stat.h"

static char real[WEIR_LISTEN_ADDRESS_BYTES];

/* Listens at `host` with a port of the kernel's choice, and keeps a second one out. */
static void assert_listens(const char *host)
{
	size_t length = strlen(host);
	char address[64];
	int fd;

	snprintf(address, sizeof(address), "%s:0", host);
	assert_int_equal(weir_listen_open(address, &fd, real), 0);
	assert_memory_equal(real, host, length);
	assert_int_equal(real[length], ':');
	assert_true(atoi(real + length + 1) > 0);
	assert_int_equal(weir_listen_probe(real), -EADDRINUSE);
	close(fd);
	assert_int_equal(weir_listen_probe(real), 0);
}

static void every_spelling_of_an_address_listens(void **state)
{
	(void)state;
	assert_listens("127.0.0.1");
	assert_listens("localhost");
	assert_listens("0.0.0.0");
	assert_listens("");
}

static void what_is_no_address_is_invalid(void **state)
{
	static const char *const bad[] = { "", "localhost", "localhost:", "localhost:http", "localhost:-1",
		"localhost:65536", "unix:", "[::1:0", "300.1.2.3:0" };
	int fd;

	(void)state;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
		assert_int_equal(weir_listen_open(bad[i], &fd, real), -EINVAL);
	}
}

static void file_that_is_no_socket_is_left_alone(void **state)
{
	char path[] = "/tmp/weir-test-XXXXXX", address[64];
	int file = mkstemp(path), fd;

	(void)state;
	assert_true(file >= 0);
	snprintf(address, sizeof(address), "unix:%s", path);
	assert_int_equal(weir_listen_open(address, &fd, real), -EADDRINUSE);
	assert_int_equal(access(path, F_OK), 0);
	close(file);
	unlink(path);
}

static void probe_leaves_no_socket_file_behind(void **state)
{
	char folder[] = "/tmp/weir-test-XXXXXX", address[64];

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(address, sizeof(address), "unix:%s/socket", folder);
	assert_int_equal(weir_listen_probe(address), 0);
	assert_int_equal(rmdir(folder), 0);
}

static int connect_to_real(void)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	in.sin_port = htons((uint16_t)atoi(strrchr(real, ':') + 1));
	in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(connect(fd, (struct sockaddr *)&in, sizeof(in)), 0);
	return fd;
}

static void accept_without_descriptors_refuses_and_keeps_its_spare(void **state)
{
	uint64_t before = weir_stat_get(WEIR_STAT_ACCEPT_SHED);
	struct weir_listen_spare spare;
	struct rlimit limit, low;
	int clients[4], fd, top;

	(void)state;
	assert_int_equal(weir_listen_open("127.0.0.1:0", &fd, real), 0);
	assert_int_equal(weir_listen_spare_init(&spare), 0);
	for (size_t i = 0; i < 3; i++) {
		clients[i] = connect_to_real();
	}
	top = dup(fd); /* the lowest that is free: the limit makes it the first that is not */
	close(top);
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
	low = limit;
	low.rlim_cur = (rlim_t)top;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &low), 0);
	assert_int_equal(weir_listen_accept(&spare, fd, NULL, NULL, SOCK_CLOEXEC), -EAGAIN); /* all refused */
	assert_true(spare.fd >= 0);
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
	assert_int_equal(weir_stat_get(WEIR_STAT_ACCEPT_SHED), before + 3);
	clients[3] = connect_to_real();
	top = weir_listen_accept(&spare, fd, NULL, NULL, SOCK_CLOEXEC);
	assert_true(top >= 0);
	assert_int_equal(fcntl(top, F_GETFD), FD_CLOEXEC);
	close(top);
	for (size_t i = 0; i < 4; i++) {
		close(clients[i]);
	}
	weir_listen_spare_fini(&spare);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_spelling_of_an_address_listens),
		cmocka_unit_test(what_is_no_address_is_invalid),
		cmocka_unit_test(file_that_is_no_socket_is_left_alone),
		cmocka_unit_test(probe_leaves_no_socket_file_behind),
		cmocka_unit_test(accept_without_descriptors_refuses_and_keeps_its_spare),
	};

	return cmocka_run_group_tests_name("listen", tests, NULL, NULL);
}
