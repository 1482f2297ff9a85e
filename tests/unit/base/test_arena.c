/* test_arena: memory of a request is aligned, bounded and given back at once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/arena.h"

static void blocks_are_aligned_and_apart(void **state)
{
	struct weir_arena arena;
	char *a, *b;

	(void)state;
	weir_arena_init(&arena, 256, 4096);
	a = weir_arena_alloc(&arena, 1);
	b = weir_arena_alloc(&arena, 17);
	assert_int_equal((uintptr_t)a % 16, 0);
	assert_int_equal((uintptr_t)b % 16, 0);
	assert_true(b >= a + 16);
	memset(a, 1, 1);
	memset(b, 2, 17);
	assert_int_equal(a[0], 1);
	weir_arena_fini(&arena);
}

static void full_arena_refuses_and_goes_on_after_reset(void **state)
{
	struct weir_arena arena;

	(void)state;
	weir_arena_init(&arena, 256, 1024);
	assert_non_null(weir_arena_alloc(&arena, 1024));
	assert_null(weir_arena_alloc(&arena, 1));
	assert_null(weir_arena_copy(&arena, weir_str_of("x")).data);
	weir_arena_reset(&arena);
	assert_non_null(weir_arena_alloc(&arena, 1024));
	weir_arena_reset(&arena);
	assert_null(weir_arena_alloc(&arena, 1025));
	assert_null(weir_arena_alloc(&arena, SIZE_MAX));
	assert_non_null(weir_arena_alloc(&arena, 16));
	weir_arena_fini(&arena);
}

static void warm_arena_keeps_its_first_chunk(void **state)
{
	struct weir_arena arena;
	void *first;

	(void)state;
	weir_arena_init(&arena, 256, 1 << 20);
	first = weir_arena_alloc(&arena, 100);
	for (int i = 0; i < 100; i++) {
		assert_non_null(weir_arena_alloc(&arena, 200));
	}
	weir_arena_reset(&arena);
	assert_ptr_equal(weir_arena_alloc(&arena, 100), first);
	assert_int_equal(arena.used_bytes, 256);
	weir_arena_fini(&arena);
}

static void limit_counts_all_chunks(void **state)
{
	struct weir_arena arena;
	size_t blocks = 0;

	(void)state;
	weir_arena_init(&arena, 256, 2048);
	while (weir_arena_alloc(&arena, 64) != NULL) {
		blocks++;
	}
	assert_int_equal(blocks, 2048 / 64);
	weir_arena_fini(&arena);
}

static void zeroed_memory_is_zero_after_use(void **state)
{
	struct weir_arena arena;
	unsigned char *block;

	(void)state;
	weir_arena_init(&arena, 256, 1024);
	memset(weir_arena_alloc(&arena, 64), 0xff, 64);
	weir_arena_reset(&arena);
	block = weir_arena_zalloc(&arena, 64);
	for (size_t i = 0; i < 64; i++) {
		assert_int_equal(block[i], 0);
	}
	weir_arena_fini(&arena);
}

static void copies_end_with_a_nul_and_outlive_the_text(void **state)
{
	struct weir_arena arena;
	char text[] = "weir";
	struct weir_str copy, empty;

	(void)state;
	weir_arena_init(&arena, 256, 1024);
	copy = weir_arena_copy(&arena, weir_str_of(text));
	empty = weir_arena_copy(&arena, weir_str_of(NULL));
	text[0] = 'x';
	assert_string_equal(copy.data, "weir");
	assert_int_equal(copy.length, 4);
	assert_non_null(empty.data);
	assert_int_equal(empty.length, 0);
	weir_arena_fini(&arena);
	weir_arena_fini(&arena);
	weir_arena_fini(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blocks_are_aligned_and_apart),
		cmocka_unit_test(full_arena_refuses_and_goes_on_after_reset),
		cmocka_unit_test(warm_arena_keeps_its_first_chunk),
		cmocka_unit_test(limit_counts_all_chunks),
		cmocka_unit_test(zeroed_memory_is_zero_after_use),
		cmocka_unit_test(copies_end_with_a_nul_and_outlive_the_text),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
