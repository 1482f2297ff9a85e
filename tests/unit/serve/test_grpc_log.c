/* test_grpc_log: what libgrpc says of itself is counted, and kept until main asks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>
#include <grpc/support/log.h>

#include "base/stat.h"
#include "serve/grpc.h"
#include "serve/grpc_log.h"

static int setup(void **state)
{
	(void)state;
	weir_grpc_log_take();
	return 0;
}

static void an_error_is_counted_and_told_once(void **state)
{
	uint64_t before = weir_stat_get(WEIR_STAT_GRPC_LIBRARY_ERRORS);
	char sentence[256] = "";

	(void)state;
	assert_false(weir_grpc_complaint(sentence, sizeof(sentence)));
	gpr_log(GPR_ERROR, "the first of %d", 2);
	gpr_log(GPR_ERROR, "the last of %d", 2);
	assert_int_equal(weir_stat_get(WEIR_STAT_GRPC_LIBRARY_ERRORS), before + 2);
	assert_true(weir_grpc_complaint(sentence, sizeof(sentence)));
	assert_string_equal(sentence, "the last of 2");
	assert_false(weir_grpc_complaint(sentence, sizeof(sentence)));
}

static void a_long_one_is_cut(void **state)
{
	char sentence[8];

	(void)state;
	gpr_log(GPR_ERROR, "%0500d", 1);
	assert_true(weir_grpc_complaint(sentence, sizeof(sentence)));
	assert_string_equal(sentence, "0000000");
}

/* Whoever connects can bring these about; those of handshakes are counted by their reason. */
static void what_is_no_error_is_no_complaint(void **state)
{
	uint64_t before = weir_stat_get(WEIR_STAT_GRPC_LIBRARY_ERRORS);
	uint64_t refused = weir_stat_get(WEIR_STAT_TLS_REFUSED_PROTOCOL);
	char sentence[256];

	(void)state;
	gpr_log(GPR_INFO, "by the way");
	gpr_log(GPR_ERROR, "Handshake failed with fatal error SSL_ERROR_SSL: wrong version number.");
	assert_int_equal(weir_stat_get(WEIR_STAT_TLS_REFUSED_PROTOCOL), refused + 1);
	assert_int_equal(weir_stat_get(WEIR_STAT_GRPC_LIBRARY_ERRORS), before);
	assert_false(weir_grpc_complaint(sentence, sizeof(sentence)));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_error_is_counted_and_told_once),
		cmocka_unit_test(a_long_one_is_cut),
		cmocka_unit_test(what_is_no_error_is_no_complaint),
	};

	return cmocka_run_group_tests(tests, setup, NULL);
}
