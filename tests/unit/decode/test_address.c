/* Tests of address texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/buf.h"
#include "decode/address.h"

static void check(const char *text, const char *ip, uint16_t port)
{
	struct weir_address address = { .port = 99 };
	struct weir_buf hex;

	weir_buf_init(&hex, 0);
	assert_true(weir_address_parse(weir_str_of(text), &address));
	weir_buf_add_hex(&hex, address.ip, sizeof(address.ip));
	assert_true(weir_str_is(weir_buf_str(&hex), ip));
	assert_int_equal(address.port, port);
	weir_buf_fini(&hex);
}

static void addresses_parse_with_and_without_port(void **state)
{
	(void)state;
	check("10.0.0.1", "00000000000000000000ffff0a000001", 0);
	check("255.255.255.255:65535", "00000000000000000000ffffffffffff", 65535);
	check("::1", "00000000000000000000000000000001", 0);
	check("2001:db8::c001", "20010db800000000000000000000c001", 0);
	check("[::1]", "00000000000000000000000000000001", 0);
	check("[2001:db8::c001]:443", "20010db800000000000000000000c001", 443);
	check("::ffff:10.0.0.1", "00000000000000000000ffff0a000001", 0);
}

static void what_is_no_address_is_left_alone(void **state)
{
	static const char *const texts[] = { "", "a", "10.0.0", "10.0.0.", "10.0.0.256", "10.0.0.01",
		"10.0.0.1:", "10.0.0.1:65536", "10.0.0.1:x", "10.0.0.1 ", "1.2.3.4.5", "reviews:9080", "[::1", "[::1]x",
		"[::1]:", ":::", "[]", "12345678901234567890123456789012345678901234567890::" };
	struct weir_address address = { .port = 99 };

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		if (weir_address_parse(weir_str_of(texts[i]), &address)) {
			fail_msg("\"%s\" was taken", texts[i]);
		}
	}
	assert_false(weir_address_parse(weir_str_make("::1\0", 4), &address));
	assert_int_equal(address.port, 99);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(addresses_parse_with_and_without_port),
		cmocka_unit_test(what_is_no_address_is_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
