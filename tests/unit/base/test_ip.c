/* test_ip: addresses and their texts. */
#include "base/ip.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_text_is_read_and_written_back(void **state)
{
	static const struct {
		const char *text, *written;
		bool is_v4;
	} cases[] = {
		{ "10.0.0.7", "10.0.0.7", true },
		{ "0.0.0.0", "0.0.0.0", true },
		{ "::ffff:10.0.0.7", "10.0.0.7", true },
		{ "fd00::7", "fd00::7", false },
		{ "FD00:0::0007", "fd00::7", false },
		{ "::", "::", false },
		{ "1111:2222:3333:4444:5555:6666:7777:8888", "1111:2222:3333:4444:5555:6666:7777:8888", false },
	};
	char text[WEIR_IP_TEXT_MAX];
	uint8_t ip[16];

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_true(weir_ip_read(weir_str_of(cases[i].text), ip));
		assert_int_equal(weir_ip_is_v4(ip), cases[i].is_v4);
		weir_ip_write(ip, text);
		assert_string_equal(text, cases[i].written);
	}
}

static void what_is_no_address_leaves_it_as_it_was(void **state)
{
	static const char *const texts[] = { "", "10.0.0", "10.0.0.256", "10.0.0.7:80", "[::1]", "::g", "a",
		"1111:2222:3333:4444:5555:6666:7777:8888:9999:0000" };
	uint8_t ip[16] = { 7 }, before[16] = { 7 };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_false(weir_ip_read(weir_str_of(texts[i]), ip));
		assert_memory_equal(ip, before, sizeof(ip));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_is_read_and_written_back),
		cmocka_unit_test(what_is_no_address_leaves_it_as_it_was),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
