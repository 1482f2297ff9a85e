/* Tests of the protobuf cursor. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "decode/wire.h"
#include "encode.h"

/* A copy of exactly these bytes on the heap, so that a sanitizer sees a read behind them. */
static struct weir_str exact(const void *bytes, size_t length)
{
	char *copy = malloc(length + (length == 0));

	assert_non_null(copy);
	memcpy(copy, bytes, length);
	return weir_str_make(copy, length);
}

static void release(struct weir_str text)
{
	free((void *)(uintptr_t)text.data);
}

/* How many fields come, or -1 when the bytes are malformed. */
static int count(const void *bytes, size_t length)
{
	struct weir_str message = exact(bytes, length);
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	int fields = 0;

	while (weir_wire_next(&wire, &field)) {
		fields++;
	}
	assert_ptr_equal(wire.at, wire.end);
	assert_false(weir_wire_next(&wire, &field));
	release(message);
	return wire.is_malformed ? -1 : fields;
}

static void every_type_comes_with_its_value(void **state)
{
	struct weir_wire_field field;
	struct weir_wire wire;
	struct weir_buf out;

	(void)state;
	weir_buf_init(&out, 0);
	encode_number(&out, 1, UINT64_MAX);
	encode_fixed64(&out, 2, UINT64_C(0x0102030405060708));
	encode_text(&out, 3, "text");
	encode_fixed32(&out, 4, 0x01020304);
	encode_number(&out, 536870911, 300);
	wire = weir_wire_of(weir_buf_str(&out));
	assert_true(weir_wire_next(&wire, &field));
	assert_int_equal(field.number, 1);
	assert_int_equal(field.type, WEIR_WIRE_VARINT);
	assert_true(field.value == UINT64_MAX);
	assert_true(weir_wire_next(&wire, &field));
	assert_int_equal(field.tag, 2 << 3 | WEIR_WIRE_FIXED64);
	assert_true(field.value == UINT64_C(0x0102030405060708));
	assert_true(weir_wire_next(&wire, &field));
	assert_int_equal(field.number, 3);
	assert_true(weir_str_is(field.bytes, "text"));
	assert_true(weir_wire_next(&wire, &field));
	assert_int_equal(field.type, WEIR_WIRE_FIXED32);
	assert_int_equal(field.value, 0x01020304);
	assert_int_equal(field.bytes.length, 0);
	assert_true(weir_wire_next(&wire, &field));
	assert_int_equal(field.number, 536870911);
	assert_int_equal(field.value, 300);
	assert_false(weir_wire_next(&wire, &field));
	assert_false(wire.is_malformed);
	weir_buf_fini(&out);
}

static void empty_message_has_no_fields(void **state)
{
	(void)state;
	assert_int_equal(count("", 0), 0);
}

static void what_ends_too_early_is_malformed(void **state)
{
	static const uint8_t whole[] = { 0x08, 0x96, 0x01, 0x11, 1, 2, 3, 4, 5, 6, 7, 8, 0x1a, 2, 'h', 'i', 0x25, 1, 2,
		3, 4 };

	(void)state;
	assert_int_equal(count(whole, sizeof(whole)), 4);
	for (size_t length = 1; length < sizeof(whole); length++) {
		int expected = length == 3 ? 1 : length == 12 ? 2 : length == 16 ? 3 : -1;

		assert_int_equal(count(whole, length), expected);
	}
}

static void impossible_tags_are_malformed(void **state)
{
	(void)state;
	assert_int_equal(count("\x00\x01", 2), -1);                 /* field number 0 */
	assert_int_equal(count("\x02\x00", 2), -1);                 /* field number 0, a string */
	assert_int_equal(count("\x0e\x01", 2), -1);                 /* wire type 6 */
	assert_int_equal(count("\x0f\x01", 2), -1);                 /* wire type 7 */
	assert_int_equal(count("\xf8\xff\xff\xff\x1f\x01", 6), -1); /* more than 32 bits */
	assert_int_equal(count("\xf8\xff\xff\xff\x0f\x01", 6), 1);  /* the largest number */
	assert_int_equal(count("\x0c", 1), -1);                     /* the end of no group */
}

static void varint_takes_ten_bytes_and_no_more(void **state)
{
	(void)state;
	assert_int_equal(count("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 11), 1);
	assert_int_equal(count("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01", 12), -1);
}

static void length_beyond_the_message_is_malformed(void **state)
{
	(void)state;
	assert_int_equal(count("\x0a\x03hi", 4), -1);
	assert_int_equal(count("\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01hi", 13), -1);
}

static void groups_are_skipped_whole(void **state)
{
	(void)state;
	/* group 1 { 2: 5, group 3 { 4: "x" } } 5: 7 */
	assert_int_equal(count("\x0b\x10\x05\x1b\x22\x01x\x1c\x0c\x28\x07", 11), 1);
	assert_int_equal(count("\x0b\x0c", 2), 0);
	assert_int_equal(count("\x0b\x14", 2), -1); /* closed by another number */
	assert_int_equal(count("\x0b\x10", 2), -1); /* cut short inside */
	assert_int_equal(count("\x0b", 1), -1);     /* never closed */
}

static void groups_nest_to_the_bound(void **state)
{
	uint8_t bytes[2 * (WEIR_WIRE_DEPTH + 1)];

	(void)state;
	memset(bytes, 0x0b, WEIR_WIRE_DEPTH);
	memset(bytes + WEIR_WIRE_DEPTH, 0x0c, WEIR_WIRE_DEPTH);
	assert_int_equal(count(bytes, 2 * WEIR_WIRE_DEPTH), 0);
	memset(bytes, 0x0b, WEIR_WIRE_DEPTH + 1);
	memset(bytes + WEIR_WIRE_DEPTH + 1, 0x0c, WEIR_WIRE_DEPTH + 1);
	assert_int_equal(count(bytes, sizeof(bytes)), -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_type_comes_with_its_value),
		cmocka_unit_test(empty_message_has_no_fields),
		cmocka_unit_test(what_ends_too_early_is_malformed),
		cmocka_unit_test(impossible_tags_are_malformed),
		cmocka_unit_test(varint_takes_ten_bytes_and_no_more),
		cmocka_unit_test(length_beyond_the_message_is_malformed),
		cmocka_unit_test(groups_are_skipped_whole),
		cmocka_unit_test(groups_nest_to_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
