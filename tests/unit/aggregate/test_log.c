/* test_log: log records are counted by service and severity, within bounds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/state.h"
#include "support/batch_maker.h"

static void logs_of(struct weir_logs *logs, const char *service, uint32_t severity, unsigned count)
{
	struct batch_maker maker = { 0 };

	batch_maker_begin(&maker, WEIR_PROTOCOL_OTLP_GRPC, WEIR_SIGNAL_LOG, "source", 1);
	batch_maker_resource(&maker, service);
	for (unsigned i = 0; i < count; i++) {
		batch_maker_log(&maker)->severity = severity;
	}
	weir_logs_fold(logs, batch_maker_finish(&maker));
	batch_maker_fini(&maker);
}

static uint64_t count_of(const struct weir_logs *logs, const char *service, const char *severity)
{
	uint32_t row = weir_text_find(&logs->services, weir_str_of(service), 0);

	for (unsigned i = 0; i < WEIR_LOG_SEVERITIES; i++) {
		if (strcmp(weir_logs_severity(i), severity) == 0) {
			return logs->rows[row][i];
		}
	}
	return 0;
}

static void four_severities_share_a_name(void **state)
{
	struct weir_logs logs;

	(void)state;
	weir_logs_init(&logs, 1);
	for (uint32_t severity = 0; severity <= 25; severity++) {
		logs_of(&logs, "orders", severity, 1);
	}
	assert_int_equal(count_of(&logs, "orders", "TRACE"), 4);
	assert_int_equal(count_of(&logs, "orders", "ERROR"), 4);
	assert_int_equal(count_of(&logs, "orders", "FATAL"), 4);
	assert_int_equal(count_of(&logs, "orders", "UNSET"), 2); /* 0, and 25, which is none */
	weir_logs_fini(&logs);
}

static void services_beyond_the_bound_share_one_row(void **state)
{
	struct weir_logs logs;
	char name[16];

	(void)state;
	weir_logs_init(&logs, 1);
	for (unsigned i = 0; i < 1500; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		logs_of(&logs, name, 9, 2);
	}
	assert_int_equal(count_of(&logs, "s0", "INFO"), 2);
	assert_int_equal(count_of(&logs, "_overflow", "INFO"), (1500 - 1024) * 2);
	weir_logs_fini(&logs);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(four_severities_share_a_name),
		cmocka_unit_test(services_beyond_the_bound_share_one_row),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
