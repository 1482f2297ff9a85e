/* test_guard_hidden: what is told when guard.c is linked but libgrpc does not
 * see its recvmsg (guard_hidden.map takes it out of the dynamic symbols). */
#include "serve/guard.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/stat.h"
#include "serve/grpc.h"

static void start_finds_that_nothing_is_guarded_and_serves(void **state)
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
	weir_stat_set(WEIR_STAT_HTTP2_GUARDED, 1);
	assert_int_equal(weir_grpc_open(&opts, &grpc), 0);
	assert_int_equal(weir_grpc_start(grpc), 0);
	assert_int_equal(weir_stat_get(WEIR_STAT_HTTP2_GUARDED), 0);
	weir_grpc_close(grpc);
}

int main(void)
{
	const struct CMUnitTest tests[] = { cmocka_unit_test(start_finds_that_nothing_is_guarded_and_serves) };

	return cmocka_run_group_tests_name("guard_hidden", tests, NULL, NULL);
}
