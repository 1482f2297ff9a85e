/* test_accept_hidden: what start says when accept.c is linked but libgrpc does
 * not see its accept4 (accept_hidden.map takes it out of the dynamic symbols). */
#include "serve/accept.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "serve/grpc.h"

static void start_refuses_when_accept4_is_not_in_use(void **state)
{
	const char *address = "127.0.0.1:0";
	struct weir_grpc_opts opts = { .addresses = &address,
		.address_count = 1,
		.max_message_bytes = 1000,
		.max_connections = 10,
		.max_streams = 10,
		.max_metadata_bytes = 1000 };
	struct weir_grpc *grpc;

	(void)state;
	assert_int_equal(weir_grpc_open(&opts, &grpc), 0);
	assert_int_equal(weir_grpc_start(grpc), -ENOTSUP);
	weir_grpc_close(grpc);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(start_refuses_when_accept4_is_not_in_use) };

	return cmocka_run_group_tests_name("accept_hidden", tests, NULL, NULL);
}
