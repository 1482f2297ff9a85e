/* The checksum: known answers, and both ways equal over lengths and alignments. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "ring/crc.h"

static void known_answers_are_given(void **state)
{
	unsigned char bytes[32];

	(void)state;
	assert_int_equal(~weir_crc_add(~0u, "123456789", 9), 0xe3069283u);
	assert_int_equal(~weir_crc_add_by_table(~0u, "123456789", 9), 0xe3069283u);
	memset(bytes, 0, sizeof(bytes)); /* RFC 3720, B.4 */
	assert_int_equal(~weir_crc_add(~0u, bytes, sizeof(bytes)), 0x8a9136aau);
	memset(bytes, 0xff, sizeof(bytes));
	assert_int_equal(~weir_crc_add(~0u, bytes, sizeof(bytes)), 0x62a8ab43u);
	assert_int_equal(weir_crc_add(7, bytes, 0), 7);
}

static void instruction_and_table_agree(void **state)
{
	enum { SIZE = 8192 };
	unsigned char *bytes = malloc(SIZE + 16);
	uint32_t seed = 1;

	(void)state;
	assert_non_null(bytes);
	for (size_t i = 0; i < SIZE + 16; i++) {
		seed = seed * 1664525u + 1013904223u;
		bytes[i] = (unsigned char)(seed >> 24);
	}
	for (size_t length = 0; length <= SIZE; length += length < 2100 ? 1 : 61) {
		const unsigned char *at = bytes + length % 16;

		assert_int_equal(weir_crc_add(seed, at, length), weir_crc_add_by_table(seed, at, length));
	}
	free(bytes);
}

static void pieces_make_the_whole(void **state)
{
	unsigned char bytes[4000];

	(void)state;
	for (size_t i = 0; i < sizeof(bytes); i++) {
		bytes[i] = (unsigned char)(i * 31 + (i >> 8));
	}
	for (size_t cut = 0; cut <= sizeof(bytes); cut += 37) {
		uint32_t crc = weir_crc_add(~0u, bytes, cut);

		assert_int_equal(weir_crc_add(crc, bytes + cut, sizeof(bytes) - cut),
			weir_crc_add_by_table(~0u, bytes, sizeof(bytes)));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(known_answers_are_given),
		cmocka_unit_test(instruction_and_table_agree),
		cmocka_unit_test(pieces_make_the_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
