/* test_text: texts are kept once, never move and are bounded. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/retire.h"
#include "aggregate/text.h"

static uint32_t add(struct weir_text *text, const char *value)
{
	return weir_text_add(text, weir_str_of(value), 0, false);
}

static void a_text_has_one_number_and_never_moves(void **state)
{
	struct weir_text text;
	const char *first;
	char value[32];

	(void)state;
	weir_text_init(&text, 100000, 10000000, 1);
	assert_int_equal(add(&text, ""), WEIR_TEXT_EMPTY);
	assert_int_equal(add(&text, "one"), 1);
	first = weir_text_str(&text, 1).data;
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(value, sizeof(value), "value-%u", i);
		assert_int_equal(add(&text, value), i + 2);
	}
	for (unsigned i = 0; i < 20000; i++) {
		snprintf(value, sizeof(value), "value-%u", i);
		assert_int_equal(add(&text, value), i + 2);
		assert_true(weir_str_is(weir_text_str(&text, i + 2), value));
	}
	assert_ptr_equal(weir_text_str(&text, 1).data, first);
	weir_text_fini(&text);
}

static void salt_sets_equal_texts_apart(void **state)
{
	struct weir_text text;

	(void)state;
	weir_text_init(&text, 10, 1000, 1);
	assert_int_equal(weir_text_add(&text, weir_str_of("a"), 0, false), 1);
	assert_int_equal(weir_text_add(&text, weir_str_of("a"), 1, false), 2);
	assert_int_equal(weir_text_find(&text, weir_str_of("a"), 2), WEIR_TEXT_FULL);
	weir_text_fini(&text);
}

static void number_bytes_and_length_are_bounded(void **state)
{
	static char value[WEIR_TEXT_LENGTH_MAX + 1];
	struct weir_text text;

	(void)state;
	memset(value, 'x', sizeof(value));
	weir_text_init(&text, 2, 1u << 20, 1);
	assert_int_equal(weir_text_add(&text, weir_str_make(value, sizeof(value)), 0, true), WEIR_TEXT_FULL);
	assert_int_equal(weir_text_add(&text, weir_str_make(value, sizeof(value) - 1), 0, false), 1);
	assert_int_equal(add(&text, "b"), 2);
	assert_int_equal(add(&text, "c"), WEIR_TEXT_FULL);
	assert_int_equal(add(&text, "b"), 2);
	assert_int_equal(weir_text_add(&text, weir_str_of("c"), 0, true), 3);
	weir_text_fini(&text);
	weir_text_init(&text, 100, 10, 1);
	assert_int_equal(add(&text, "12345678"), 1);
	assert_int_equal(add(&text, "123"), WEIR_TEXT_FULL);
	weir_text_fini(&text);
}

static void only_new_texts_are_saved_again(void **state)
{
	struct weir_text text, loaded;
	struct weir_blob_reader reader = { 0 };
	struct weir_buf buf;

	(void)state;
	weir_text_init(&text, 100, 1000, 1);
	weir_text_init(&loaded, 100, 1000, 1);
	weir_buf_init(&buf, 0);
	add(&text, "first");
	for (unsigned i = 0; i < 2; i++) {
		weir_buf_clear(&buf);
		weir_text_save(&text, false, &buf);
		reader.at = (const unsigned char *)buf.data;
		reader.end = reader.at + buf.length;
		assert_int_equal(weir_text_load(&loaded, &reader), 0);
		add(&text, "second");
	}
	assert_null(memmem(buf.data, buf.length, "first", 5));
	assert_true(weir_str_is(weir_text_str(&loaded, 2), "second"));
	weir_buf_fini(&buf);
	weir_text_fini(&text);
	weir_text_fini(&loaded);
}

static void a_removed_text_gives_its_number_to_the_next(void **state)
{
	struct weir_text text;

	(void)state;
	weir_text_init(&text, 100, 1000, 1);
	add(&text, "a");
	add(&text, "b");
	add(&text, "c");
	weir_text_remove(&text, 2);
	weir_text_remove(&text, 1);
	assert_false(weir_text_is_live(&text, 1));
	assert_int_equal(weir_text_find(&text, weir_str_of("b"), 0), WEIR_TEXT_FULL);
	assert_int_equal(text.live, 1);
	assert_int_equal(text.bytes, 1);
	assert_int_equal(add(&text, "d"), 1);
	assert_int_equal(add(&text, "e"), 2);
	assert_int_equal(add(&text, "f"), 4);
	assert_int_equal(add(&text, "c"), 3);
	weir_text_fini(&text);
}

static void carry(struct weir_text *from, struct weir_text *to, bool all)
{
	struct weir_blob_reader reader = { 0 };
	struct weir_buf buf;

	weir_buf_init(&buf, 0);
	weir_text_save(from, all, &buf);
	reader.at = (const unsigned char *)buf.data;
	reader.end = reader.at + buf.length;
	assert_int_equal(weir_text_load(to, &reader), 0);
	assert_ptr_equal(reader.at, reader.end);
	weir_buf_fini(&buf);
}

static XXH128_hash_t digest_of(const struct weir_text *text)
{
	XXH3_state_t *state = XXH3_createState();
	XXH128_hash_t hash;

	XXH3_128bits_reset(state);
	weir_text_digest(text, state);
	hash = XXH3_128bits_digest(state);
	XXH3_freeState(state);
	return hash;
}

/* Adds and removes at random; a table that was loaded goes on as the one that was not. */
static void numbers_are_the_same_whatever_restarts_lay_between(void **state)
{
	struct weir_text text, loaded, fresh;
	unsigned seed = 7;
	char value[32];

	(void)state;
	weir_text_init(&text, 1000, 100000, 1);
	weir_text_init(&loaded, 1000, 100000, 1);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned dice = (unsigned)rand_r(&seed);

		snprintf(value, sizeof(value), "value-%u", dice / 8 % 600);
		if (dice % 2 != 0) {
			assert_int_equal(add(&text, value), add(&loaded, value));
		} else if (weir_text_find(&text, weir_str_of(value), 0) != WEIR_TEXT_FULL) {
			weir_text_remove(&text, weir_text_find(&text, weir_str_of(value), 0));
			weir_text_remove(&loaded, weir_text_find(&loaded, weir_str_of(value), 0));
		}
		if (i % 500 == 0) { /* the other table's changes are in `text`'s delta too */
			carry(&text, &loaded, false);
		}
		if (i % 1700 == 0) {
			weir_text_init(&fresh, 1000, 100000, 1);
			carry(&text, &fresh, true);
			weir_text_fini(&loaded);
			loaded = fresh;
		}
		assert_int_equal(text.live, loaded.live);
	}
	assert_true(XXH128_isEqual(digest_of(&text), digest_of(&loaded)));
	weir_text_fini(&text);
	weir_text_fini(&loaded);
}

static void a_removed_text_stays_for_who_held_it(void **state)
{
	struct weir_retire *retire = weir_retire_create();
	struct weir_retire_bag *first, *second;
	struct weir_text text;
	struct weir_str seen, seen_too;

	(void)state;
	weir_text_init(&text, 100, 1000, 1);
	text.retire = retire;
	add(&text, "kept by the first");
	add(&text, "kept by both");
	first = weir_retire_hold(retire);
	seen = weir_text_str(&text, 1);
	seen_too = weir_text_str(&text, 2);
	weir_text_remove(&text, 1);
	second = weir_retire_hold(retire);
	weir_text_remove(&text, 2);
	weir_retire_turn(retire);
	assert_true(weir_str_is(seen, "kept by the first"));
	weir_retire_let_go(first);
	assert_true(weir_str_is(seen_too, "kept by both"));
	weir_retire_let_go(second); /* under the sanitizers: all of it is freed, and once */
	weir_text_fini(&text);
	weir_retire_destroy(retire);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_text_has_one_number_and_never_moves),
		cmocka_unit_test(salt_sets_equal_texts_apart),
		cmocka_unit_test(number_bytes_and_length_are_bounded),
		cmocka_unit_test(only_new_texts_are_saved_again),
		cmocka_unit_test(a_removed_text_gives_its_number_to_the_next),
		cmocka_unit_test(numbers_are_the_same_whatever_restarts_lay_between),
		cmocka_unit_test(a_removed_text_stays_for_who_held_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
