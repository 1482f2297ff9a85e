/* pattern: RE2's patterns: what is one, what matches, and that nothing hangs. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "base/clock.h"
#include "exporters/metrics/pattern.h"

struct fixture {
	struct weir_arena arena;
	struct weir_pattern_set *set;
};

static void set_up(struct fixture *fixture, uint64_t deadline_ns)
{
	weir_arena_init(&fixture->arena, 65536, 4u << 20);
	assert_int_equal(weir_pattern_set_create(&fixture->arena, deadline_ns, &fixture->set), 0);
}

static int compile(struct fixture *fixture, struct weir_str pattern, struct weir_pattern **ret_regex)
{
	struct weir_buf why;
	int outcome;

	weir_buf_init(&why, 0);
	outcome = weir_pattern_compile(fixture->set, pattern, &why, ret_regex);
	assert_int_equal(outcome == WEIR_PATTERN_BAD, why.length > 0);
	weir_buf_fini(&why);
	return outcome;
}

static void whole_values_match(void **state)
{
	static const struct {
		const char *pattern, *value;
		int matches;
	} rows[] = {
		{ "", "", 1 }, { "", "a", 0 }, { "a", "a", 1 }, { "a", "ba", 0 }, { "a", "ab", 0 },
		{ "a|ab|abc", "abc", 1 }, /* the longest that fits, not the first */
		{ "foo|bar", "bar", 1 }, { "foo|bar", "foobar", 0 }, { ".*", "", 1 }, { ".+", "", 0 },
		{ "a.b", "a\nb", 1 }, { "5..", "503", 1 }, { "reviews-v[12]", "reviews-v2", 1 },
		{ "reviews-v[12]", "reviews-v3", 0 }, { "[^a]", "\xc3\xa4", 1 }, /* one character, two bytes */
		{ "\\d{3}", "200", 1 }, { "\\d", "\xd9\xa3", 0 },                /* ASCII only */
		{ "(?i)GET", "get", 1 }, { "(?i:G)ET", "gET", 1 }, { "(?i:G)ET", "get", 0 },
		{ "(?P<n>a)(?P<m>b)", "ab", 1 }, { "a{2}", "aa", 1 },
		{ "a{,2}", "a{,2}", 1 }, /* no count: as it stands */
		{ "a{x}", "a{x}", 1 }, { "a+?", "aaa", 1 }, { "a\\.b", "a.b", 1 }, { "a\\.b", "axb", 0 },
		{ "a\\v", "a\x0b", 1 }, { "a\\v", "a\n", 0 }, { "[\\v]", "\x0b", 1 }, { "a\\063", "a3", 1 },
		{ "\\Qa.b*\\E", "a.b*", 1 }, { "\\Qa.b", "a.b", 1 }, { "[]a]", "]", 1 }, { "[[:digit:]]+", "42", 1 },
		{ "[a\\]]", "]", 1 }, { "^a$", "a", 1 }, { "a$", "a\n", 0 }, { "\\x{e4}", "\xc3\xa4", 1 },
		{ "\\pL", "\xc3\xa4", 1 }, { "a|", "", 1 }, { "(a*)*", "aaaa", 1 }, { "(a+)+$", "aaaa", 1 },
		{ ".", "\xff", 0 }, /* no text, no match */
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct fixture fixture;
		struct weir_pattern *regex;

		set_up(&fixture, 0);
		if (compile(&fixture, weir_str_of(rows[i].pattern), &regex) != 0) {
			fail_msg("%s: is no pattern", rows[i].pattern);
		}
		for (unsigned turn = 0; turn < 2; turn++) { /* the second is remembered */
			if (weir_pattern_matches(regex, weir_str_of(rows[i].value)) != rows[i].matches) {
				fail_msg("%s of %s: not %d", rows[i].pattern, rows[i].value, rows[i].matches);
			}
		}
		weir_arena_fini(&fixture.arena);
	}
}

static void what_re2_does_not_have_is_refused(void **state)
{
	static const char *const patterns[] = { "(", ")", "a)", "[", "[a", "*", "+a", "a**", "a++", "a?+", "a{2}{3}",
		"a{2}*", "a{1001}", "a{1,1001}", "a{99999999999}", "(?=a)", "(?!a)", "(?<=a)b", "(?<!a)b", "(?>a)",
		"(?|a)", "(?#a)", "(?R)", "(?1)", "(?&n)", "(?P=n)", "(?P>n)", "(?C1)", "(?'n'a)", "(?(1)a)", "(?x)a",
		"(*UTF)a", "(*COMMIT)", "(*LIMIT_MATCH=1)a", "(a)\\1", "\\12", "\\k{n}", "\\g1", "\\K", "\\G", "\\Z",
		"\\R", "\\X", "\\h", "\\H", "\\N", "\\cA", "\\e", "\\C", "\\E", "a\\", "[\\b]", "[[:<:]]", "[[.a.]]",
		"[[=a=]]", "[[:nothing:]]", "[b-a]", "\\pQ", "\\x{110000}", "\xff", "\\\xc3\xa4",
		"((((a{100}){100}){100}){100})" };

	(void)state;
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		struct fixture fixture;
		struct weir_pattern *regex;

		set_up(&fixture, 0);
		if (compile(&fixture, weir_str_of(patterns[i]), &regex) != WEIR_PATTERN_BAD) {
			fail_msg("%s: is a pattern", patterns[i]);
		}
		weir_arena_fini(&fixture.arena);
	}
}

static void a_pattern_is_as_long_as_it_may_be(void **state)
{
	struct fixture fixture;
	char pattern[WEIR_PATTERN_PATTERN_MAX + 1];
	struct weir_pattern *regex;

	set_up(&fixture, 0);
	(void)state;
	memset(pattern, 'a', sizeof(pattern));
	assert_int_equal(compile(&fixture, weir_str_make(pattern, sizeof(pattern)), &regex), WEIR_PATTERN_BAD);
	assert_int_equal(compile(&fixture, weir_str_make(pattern, sizeof(pattern) - 1), &regex), 0);
	assert_int_equal(weir_pattern_matches(regex, weir_str_make(pattern, sizeof(pattern) - 1)), 1);
	assert_int_equal(weir_pattern_matches(regex, weir_str_make(pattern, sizeof(pattern) - 2)), 0);
	weir_arena_fini(&fixture.arena);
}

/* A backtracking matcher would not come back from the first of these before the stars are cold. */
static void what_backtracks_for_ever_elsewhere_is_answered(void **state)
{
	static const char *const patterns[] = { "(a+)+$", "(a*)*b?", "(a|aa)+", "(a|a)*", "([a-z]+)*",
		"(a?){30}a{270}" };
	struct fixture fixture;
	char value[301];

	(void)state;
	set_up(&fixture, 0);
	memset(value, 'a', sizeof(value));
	value[sizeof(value) - 1] = '!';
	for (size_t i = 0; i < sizeof(patterns) / sizeof(patterns[0]); i++) {
		struct weir_pattern *regex;

		assert_int_equal(compile(&fixture, weir_str_of(patterns[i]), &regex), 0);
		assert_int_equal(weir_pattern_matches(regex, weir_str_make(value, sizeof(value))), 0);
		assert_int_equal(weir_pattern_matches(regex, weir_str_make(value, sizeof(value) - 1)), 1);
	}
	weir_arena_fini(&fixture.arena);
}

static void more_places_than_there_is_room_for_are_a_fault(void **state)
{
	struct fixture fixture;
	struct weir_pattern *regex;

	(void)state;
	set_up(&fixture, 0);
	assert_int_equal(compile(&fixture, weir_str_of("a(b?){900}"), &regex), 0);
	assert_int_equal(weir_pattern_matches(regex, weir_str_of("abbb")), -E2BIG);
	assert_int_equal(weir_pattern_matches(regex, weir_str_of("b")), 0);
	weir_arena_fini(&fixture.arena);
}

static void the_deadline_ends_matching(void **state)
{
	struct fixture fixture;
	struct weir_pattern *regex;

	set_up(&fixture, weir_clock_monotonic_ns() - 1);
	(void)state;
	assert_int_equal(compile(&fixture, weir_str_of("a"), &regex), 0);
	assert_int_equal(weir_pattern_matches(regex, weir_str_of("a")), -ETIMEDOUT);
	weir_arena_fini(&fixture.arena);
}

static void patterns_of_one_set_do_not_answer_for_each_other(void **state)
{
	struct fixture fixture;
	struct weir_pattern *regexes[50];
	char text[16];

	set_up(&fixture, 0);
	(void)state;
	for (int i = 0; i < 50; i++) {
		snprintf(text, sizeof(text), "v%d.*", i);
		assert_int_equal(compile(&fixture, weir_str_of(text), &regexes[i]), 0);
	}
	for (int turn = 0; turn < 2; turn++) {
		for (int value = 0; value < 500; value++) {
			snprintf(text, sizeof(text), "v%d", value);
			for (int i = 0; i < 50; i++) {
				char prefix[16];

				snprintf(prefix, sizeof(prefix), "v%d", i);
				assert_int_equal(weir_pattern_matches(regexes[i], weir_str_of(text)),
					strncmp(text, prefix, strlen(prefix)) == 0);
			}
		}
	}
	weir_arena_fini(&fixture.arena);
}

static void a_full_arena_is_said(void **state)
{
	struct weir_pattern_set *set;
	struct weir_arena arena;
	struct weir_pattern *regex;
	struct weir_buf why;
	int outcome = 0;

	(void)state;
	weir_arena_init(&arena, 4096, 1000);
	assert_int_equal(weir_pattern_set_create(&arena, 0, &set), -ENOMEM);
	weir_arena_fini(&arena);
	weir_arena_init(&arena, 65536, 1u << 20);
	weir_buf_init(&why, 0);
	assert_int_equal(weir_pattern_set_create(&arena, 0, &set), 0);
	for (int i = 0; i < 1000 && outcome == 0; i++) {
		outcome = weir_pattern_compile(set, weir_str_of("(ab){1000}"), &why, &regex);
	}
	assert_int_equal(outcome, -ENOMEM);
	weir_buf_fini(&why);
	weir_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_values_match),
		cmocka_unit_test(what_re2_does_not_have_is_refused),
		cmocka_unit_test(a_pattern_is_as_long_as_it_may_be),
		cmocka_unit_test(what_backtracks_for_ever_elsewhere_is_answered),
		cmocka_unit_test(more_places_than_there_is_room_for_are_a_fault),
		cmocka_unit_test(the_deadline_ends_matching),
		cmocka_unit_test(patterns_of_one_set_do_not_answer_for_each_other),
		cmocka_unit_test(a_full_arena_is_said),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
