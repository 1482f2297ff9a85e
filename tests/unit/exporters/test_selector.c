/* selector: a table of selectors, what they choose, and what is none. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>

#include "exporters/metrics/selector.h"

/* The sample that selectors are asked about. */
static struct weir_str value_of(struct weir_str label)
{
	static const char *const labels[][2] = { { "reporter", "source" }, { "code", "503" }, { "empty", "" },
		{ "odd", "a\"b\\c\nd" }, { "letter", "\xc3\xa4" }, { "service.name", "shop" }, { "raw", "\xff" } };

	for (size_t i = 0; i < sizeof(labels) / sizeof(labels[0]); i++) {
		if (weir_str_is(label, labels[i][0])) {
			return weir_str_of(labels[i][1]);
		}
	}
	return weir_str_of("");
}

static int asked(const struct weir_selectors *selectors, const char *name)
{
	struct weir_str values[WEIR_SELECTOR_LABELS_MAX];
	uint64_t mask;
	int result = weir_selectors_of_name(selectors, weir_str_of(name), &mask);

	for (uint32_t i = 0; i < selectors->label_count; i++) {
		values[i] = value_of(selectors->labels[i]);
	}
	return result != 0 ? result : weir_selectors_match(selectors, mask, values);
}

static void selectors_choose(void **state)
{
	static const struct {
		const char *text;
		int chooses; /* requests_total{…} of value_of() */
	} rows[] = {
		{ "requests_total", 1 },
		{ "requests", 0 },
		{ " \t\n requests_total # and so on\n # more", 1 },
		{ "requests_total{}", 1 },
		{ "requests_total{reporter=\"source\"}", 1 },
		{ "requests_total { reporter = 'source' , } ", 1 },
		{ "requests_total{reporter=`source`,code=\"503\"}", 1 },
		{ "requests_total{reporter=\"source\",code=\"200\"}", 0 },
		{ "{reporter=\"source\"}", 1 },
		{ "{\n\treporter # who\n\t=\n\t\"source\",\n}", 1 },
		{ "{reporter!=\"destination\",code=\"503\"}", 1 },
		{ "{reporter!=\"source\",code=\"503\"}", 0 },
		{ "{code=~\"5..\"}", 1 },
		{ "{code=~\"5\"}", 0 },
		{ "{code!~\"2..\",reporter=\"source\"}", 1 },
		{ "{code!~\"5.*\",reporter=\"source\"}", 0 },
		{ "{__name__=\"requests_total\"}", 1 },
		{ "{__name__=~\"requests_.*\"}", 1 },
		{ "{__name__=~\".+_total\",__name__!=\"requests_total\"}", 0 },
		{ "{__name__=~\".+_total\",__name__!~\"bytes.*\"}", 1 },
		{ "{\"requests_total\"}", 1 },
		{ "{\"requests_total\", reporter=\"source\"}", 1 },
		{ "{reporter=\"source\", 'requests_total',}", 1 },
		{ "{\"requests.total\"}", 0 },
		{ "{\"service.name\"=\"shop\"}", 1 },
		{ "{`service.name`=~'s.*'}", 1 },
		{ "requests_total{nothing=\"\"}", 1 }, /* absent is empty */
		{ "requests_total{empty=\"\"}", 1 },
		{ "requests_total{nothing=~\".*\"}", 1 },
		{ "requests_total{nothing!=\"\"}", 0 },
		{ "requests_total{nothing=~\".+\"}", 0 },
		{ "requests_total{reporter!=\"\"}", 1 },
		{ "{odd=\"a\\\"b\\\\c\\nd\"}", 1 },
		{ "{odd='a\"b\\\\c\\nd'}", 1 },
		{ "{odd=`a\"b\\c\nd`}", 1 },
		{ "{odd=\"a\\x22b\\134c\\u000ad\"}", 1 },
		{ "{letter=\"\\u00e4\"}", 1 },
		{ "{letter=\"\\U000000e4\"}", 1 },
		{ "{letter=\"\\xc3\\xa4\"}", 1 },
		{ "{letter=\"\xc3\xa4\"}", 1 },
		{ "{raw=\"\\xff\"}", 1 },
		{ "{letter=\"\\a\\b\\f\\n\\r\\t\\v\"}", 0 },
		{ "a:b:c", 0 },
		{ ":a", 0 },
		{ "sum", 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct weir_selectors selectors;
		struct weir_arena arena;
		struct weir_buf why;

		weir_arena_init(&arena, 65536, 1u << 20);
		weir_buf_init(&why, 0);
		assert_int_equal(weir_selectors_init(&selectors, &arena, 0), 0);
		if (weir_selectors_add(&selectors, weir_str_of(rows[i].text), &why) != 0) {
			fail_msg("%s: %.*s", rows[i].text, (int)why.length, why.data);
		}
		if (asked(&selectors, "requests_total") != rows[i].chooses) {
			fail_msg("%s: not %d", rows[i].text, rows[i].chooses);
		}
		assert_int_equal(why.length, 0);
		weir_buf_fini(&why);
		weir_arena_fini(&arena);
	}
}

static void what_is_none_is_refused_with_its_place(void **state)
{
	static const struct {
		const char *text, *why;
	} rows[] = {
		{ "", "1:1: parse error: unexpected end of input, expected a selector" },
		{ "  # nothing", "1:12: parse error: unexpected end of input, expected a selector" },
		{ "1", "1:1: parse error: unexpected character \"1\", expected a selector" },
		{ "\xc3\xa4", "1:1: parse error: unexpected character \"\xc3\xa4\", expected a selector" },
		{ "foo bar", "1:5: parse error: unexpected character \"b\" behind the selector" },
		{ "foo[5m]", "1:4: parse error: unexpected character \"[\" behind the selector" },
		{ "foo{}{}", "1:6: parse error: unexpected character \"{\" behind the selector" },
		{ "foo-bar", "1:4: parse error: unexpected character \"-\" behind the selector" },
		{ "foo{",
			"1:5: parse error: unexpected end of input inside braces, expected a label, a name or \"}\"" },
		{ "foo{1}",
			"1:5: parse error: unexpected character \"1\" inside braces, expected a label, a name or \"}\"" },
		{ "foo{,}",
			"1:5: parse error: unexpected character \",\" inside braces, expected a label, a name or \"}\"" },
		{ "foo{a:b=\"c\"}",
			"1:6: parse error: unexpected character \":\" in label matching, expected one of = != =~ !~" },
		{ "foo{a}",
			"1:6: parse error: unexpected character \"}\" in label matching, expected one of = != =~ !~" },
		{ "foo{a>\"b\"}",
			"1:6: parse error: unexpected character \">\" in label matching, expected one of = != =~ !~" },
		{ "foo{a!\"b\"}",
			"1:7: parse error: unexpected character \"\"\" in label matching, expected one of = != =~ !~" },
		{ "foo{a==\"b\"}",
			"1:7: parse error: unexpected character \"=\" in label matching, expected a string" },
		{ "foo{a=b}", "1:7: parse error: unexpected character \"b\" in label matching, expected a string" },
		{ "foo{a=", "1:7: parse error: unexpected end of input in label matching, expected a string" },
		{ "foo{a=\"b\" c=\"d\"}",
			"1:11: parse error: unexpected character \"c\" inside braces, expected \",\" or \"}\"" },
		{ "foo{a=\"b\",,}",
			"1:11: parse error: unexpected character \",\" inside braces, expected a label, a name or \"}\"" },
		{ "foo{a=\"b", "1:7: parse error: unterminated quoted string" },
		{ "foo{a=\"b\n\"}", "1:7: parse error: unterminated quoted string" },
		{ "foo{\na=`b", "2:3: parse error: unterminated raw string" },
		{ "foo{a=\"\\", "1:9: parse error: escape sequence not terminated" },
		{ "foo{a=\"\\'\"}", "1:9: parse error: unknown escape sequence" },
		{ "foo{a=\"\\d\"}", "1:9: parse error: unknown escape sequence" },
		{ "foo{a=\"\\x1\"}", "1:11: parse error: illegal character in escape sequence" },
		{ "foo{a=\"\\18\"}", "1:10: parse error: illegal character in escape sequence" },
		{ "foo{a=\"\\400\"}", "1:9: parse error: escape sequence is an invalid Unicode code point" },
		{ "foo{a=\"\\ud800\"}", "1:10: parse error: escape sequence is an invalid Unicode code point" },
		{ "foo{a=\"\\U00110000\"}", "1:10: parse error: escape sequence is an invalid Unicode code point" },
		{ "foo{a=\"\xff\"}", "1:1: parse error: invalid UTF-8" },
		{ "foo{\"\"=\"a\"}", "1:5: parse error: a name must not be empty" },
		{ "{\"\"}", "1:2: parse error: a name must not be empty" },
		{ "{}", "1:1: parse error: vector selector must contain at least one non-empty matcher" },
		{ "{a=\"\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher" },
		{ "{a=~\".*\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher" },
		{ "{a!~\".+\"}", "1:1: parse error: vector selector must contain at least one non-empty matcher" },
		{ "{a!=\"b\",c=~\"d|\"}",
			"1:1: parse error: vector selector must contain at least one non-empty matcher" },
		{ "foo{__name__=\"bar\"}", "1:1: parse error: metric name must not be set twice: \"foo\" or \"bar\"" },
		{ "foo{\"bar\"}", "1:5: parse error: metric name must not be set twice: \"foo\" or \"bar\"" },
		{ "{\"foo\",\"bar\"}", "1:8: parse error: metric name must not be set twice: \"foo\" or \"bar\"" },
		{ "{a=~\"(\"}", "1:5: parse error: error parsing regexp: missing closing parenthesis: `(`" },
		{ "{a=~\"(?=b)\"}",
			"1:5: parse error: error parsing regexp: invalid or unsupported Perl syntax: `(?=b)`" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct weir_selectors selectors;
		struct weir_arena arena;
		struct weir_buf why;

		weir_arena_init(&arena, 65536, 1u << 20);
		weir_buf_init(&why, 0);
		assert_int_equal(weir_selectors_init(&selectors, &arena, 0), 0);
		if (weir_selectors_add(&selectors, weir_str_of(rows[i].text), &why) != WEIR_SELECTOR_BAD) {
			fail_msg("%s: is a selector", rows[i].text);
		}
		weir_buf_add_char(&why, '\0');
		assert_string_equal(why.data, rows[i].why);
		assert_int_equal(selectors.count, 0);
		weir_buf_fini(&why);
		weir_arena_fini(&arena);
	}
}

static void one_of_several_is_enough(void **state)
{
	struct weir_selectors selectors;
	struct weir_arena arena;
	struct weir_buf why;

	(void)state;
	weir_arena_init(&arena, 65536, 1u << 20);
	weir_buf_init(&why, 0);
	assert_int_equal(weir_selectors_init(&selectors, &arena, 0), 0);
	assert_int_equal(asked(&selectors, "requests_total"), 0);
	assert_int_equal(weir_selectors_add(&selectors, weir_str_of("requests_total{code=\"200\"}"), &why), 0);
	assert_int_equal(weir_selectors_add(&selectors, weir_str_of("bytes_total"), &why), 0);
	assert_int_equal(asked(&selectors, "requests_total"), 0);
	assert_int_equal(asked(&selectors, "bytes_total"), 1);
	assert_int_equal(weir_selectors_add(&selectors, weir_str_of("{code=\"503\"}"), &why), 0);
	assert_int_equal(asked(&selectors, "requests_total"), 1);
	assert_int_equal(selectors.label_count, 2);
	weir_buf_fini(&why);
	weir_arena_fini(&arena);
}

static void how_many_there_may_be_is_bounded(void **state)
{
	struct weir_selectors selectors;
	struct weir_arena arena;
	struct weir_buf why;
	char text[64];

	(void)state;
	weir_arena_init(&arena, 65536, 1u << 20);
	weir_buf_init(&why, 0);
	assert_int_equal(weir_selectors_init(&selectors, &arena, 0), 0);
	for (unsigned i = 0; i < WEIR_SELECTORS_MAX; i++) {
		assert_int_equal(weir_selectors_add(&selectors, weir_str_of("{code=\"503\"}"), &why), 0);
	}
	assert_int_equal(asked(&selectors, "requests_total"), 1);
	assert_int_equal(weir_selectors_add(&selectors, weir_str_of("{code=\"503\"}"), &why), WEIR_SELECTOR_BAD);
	weir_buf_clear(&why);
	assert_int_equal(weir_selectors_init(&selectors, &arena, 0), 0);
	for (unsigned i = 1; i <= WEIR_SELECTOR_LABELS_MAX; i++) {
		struct weir_str copy;

		snprintf(text, sizeof(text), "{l%u=\"a\",l%u=\"b\"}", i, i / 2);
		copy = weir_arena_copy(&arena, weir_str_of(text));
		selectors.count = 0;
		assert_int_equal(weir_selectors_add(&selectors, copy, &why),
			i + 1 < WEIR_SELECTOR_LABELS_MAX ? 0 : WEIR_SELECTOR_BAD);
	}
	weir_buf_fini(&why);
	weir_arena_fini(&arena);
	weir_arena_init(&arena, 65536, 200000);
	assert_int_equal(weir_selectors_init(&selectors, &arena, 0), 0);
	weir_buf_init(&why, 0);
	int outcome = 0;
	for (int i = 0; i < 100000 && outcome == 0; i++) {
		selectors.count = 0;
		outcome = weir_selectors_add(&selectors, weir_str_of("{code=\"503\"}"), &why);
	}
	assert_int_equal(outcome, -ENOMEM);
	weir_buf_fini(&why);
	weir_arena_fini(&arena);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(selectors_choose),
		cmocka_unit_test(what_is_none_is_refused_with_its_place),
		cmocka_unit_test(one_of_several_is_enough),
		cmocka_unit_test(how_many_there_may_be_is_bounded),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
