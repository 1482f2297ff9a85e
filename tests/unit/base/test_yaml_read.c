/* test_yaml_read: events come with their places, and end for good. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/yaml_read.h"

static void expect(struct weir_yaml *yaml, enum weir_yaml_kind kind, const char *text, size_t line, size_t column)
{
	struct weir_yaml_event event;

	assert_int_equal(weir_yaml_next(yaml, &event), 0);
	assert_int_equal(event.kind, kind);
	if (text != NULL) {
		assert_true(weir_str_is(event.text, text));
	}
	assert_int_equal(event.line, line);
	assert_int_equal(event.column, column);
}

static void events_come_in_order_with_their_places(void **state)
{
	struct weir_yaml_event event;
	struct weir_yaml *yaml;

	(void)state;
	assert_int_equal(weir_yaml_open(weir_str_of("a:\n  - \"b c\"\n  - {d: }\n"), &yaml), 0);
	expect(yaml, WEIR_YAML_MAP, NULL, 1, 1);
	expect(yaml, WEIR_YAML_TEXT, "a", 1, 1);
	expect(yaml, WEIR_YAML_LIST, NULL, 2, 3);
	expect(yaml, WEIR_YAML_TEXT, "b c", 2, 5);
	expect(yaml, WEIR_YAML_MAP, NULL, 3, 5);
	expect(yaml, WEIR_YAML_TEXT, "d", 3, 6);
	assert_int_equal(weir_yaml_next(yaml, &event), 0);
	assert_int_equal(event.kind, WEIR_YAML_TEXT);
	assert_true(event.is_null);
	for (int i = 0; i < 3; i++) {
		assert_int_equal(weir_yaml_next(yaml, &event), 0);
		assert_int_equal(event.kind, WEIR_YAML_CLOSE);
	}
	for (int i = 0; i < 3; i++) {
		assert_int_equal(weir_yaml_next(yaml, &event), 0);
		assert_int_equal(event.kind, WEIR_YAML_END);
	}
	weir_yaml_close(yaml);
	weir_yaml_close(NULL);
}

static void only_plain_nothing_is_null(void **state)
{
	struct weir_yaml_event event;
	struct weir_yaml *yaml;

	(void)state;
	assert_int_equal(weir_yaml_open(weir_str_of("[~, null, 'null', \"\", nil]"), &yaml), 0);
	expect(yaml, WEIR_YAML_LIST, NULL, 1, 1);
	for (int i = 0; i < 5; i++) {
		assert_int_equal(weir_yaml_next(yaml, &event), 0);
		assert_int_equal(event.is_null, i < 2);
	}
	weir_yaml_close(yaml);
}

static void depth_is_bounded_and_the_error_stays(void **state)
{
	struct weir_yaml_event event;
	struct weir_yaml *yaml;
	char text[4 * WEIR_YAML_DEPTH];

	(void)state;
	memset(text, '[', sizeof(text));
	assert_int_equal(weir_yaml_open(weir_str_make(text, sizeof(text)), &yaml), 0);
	for (size_t i = 0; i < WEIR_YAML_DEPTH; i++) {
		expect(yaml, WEIR_YAML_LIST, NULL, 1, i + 1);
	}
	for (int i = 0; i < 2; i++) {
		assert_int_equal(weir_yaml_next(yaml, &event), WEIR_YAML_MALFORMED);
		assert_true(weir_str_is(event.text, "nested too deeply"));
		assert_int_equal(event.column, WEIR_YAML_DEPTH + 1);
	}
	weir_yaml_close(yaml);
}

static void what_is_no_text_is_said_at_its_place(void **state)
{
	static const struct {
		const char *text;
		size_t length, line, column;
	} rows[] = {
		{ "\xff", 1, 1, 1 },
		{ "a: 1\nb: \xff\n", 10, 2, 4 },
		{ "\xef\xbb\xbf"
		  "a: \xff\n",
			8, 1, 4 },
		{ "\xc3\xa9: \xc3\xa9\xc3", 7, 1, 5 },
		{ "a: 1\nb: \0\n", 10, 2, 4 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct weir_yaml_event event;
		struct weir_yaml *yaml;
		int r;

		assert_int_equal(weir_yaml_open(weir_str_make(rows[i].text, rows[i].length), &yaml), 0);
		while ((r = weir_yaml_next(yaml, &event)) == 0 && event.kind != WEIR_YAML_END) {
		}
		assert_int_equal(r, WEIR_YAML_MALFORMED);
		assert_int_equal(event.line, rows[i].line);
		assert_int_equal(event.column, rows[i].column);
		weir_yaml_close(yaml);
	}
}

static void a_mark_of_the_byte_order_is_passed_over(void **state)
{
	struct weir_yaml *yaml;

	(void)state;
	assert_int_equal(weir_yaml_open(weir_str_of("\xef\xbb\xbf"
						    "a: 1\n"),
				 &yaml),
		0);
	expect(yaml, WEIR_YAML_MAP, NULL, 1, 1);
	expect(yaml, WEIR_YAML_TEXT, "a", 1, 1);
	weir_yaml_close(yaml);
}

static void several_documents_come_with_their_bounds(void **state)
{
	struct weir_yaml_event event;
	struct weir_yaml *yaml;

	(void)state;
	assert_int_equal(weir_yaml_open_all(weir_str_of("---\na: 1\n---\n---\n- b\n...\n"), &yaml), 0);
	expect(yaml, WEIR_YAML_DOCUMENT, NULL, 1, 1);
	expect(yaml, WEIR_YAML_MAP, NULL, 2, 1);
	expect(yaml, WEIR_YAML_TEXT, "a", 2, 1);
	expect(yaml, WEIR_YAML_TEXT, "1", 2, 4);
	assert_int_equal(weir_yaml_next(yaml, &event), 0);
	assert_int_equal(event.kind, WEIR_YAML_CLOSE);
	expect(yaml, WEIR_YAML_DOCUMENT, NULL, 3, 1);
	assert_int_equal(weir_yaml_next(yaml, &event), 0);
	assert_true(event.kind == WEIR_YAML_TEXT && event.is_null);
	expect(yaml, WEIR_YAML_DOCUMENT, NULL, 4, 1);
	expect(yaml, WEIR_YAML_LIST, NULL, 5, 1);
	expect(yaml, WEIR_YAML_TEXT, "b", 5, 3);
	assert_int_equal(weir_yaml_next(yaml, &event), 0);
	assert_int_equal(event.kind, WEIR_YAML_CLOSE);
	for (int i = 0; i < 2; i++) {
		assert_int_equal(weir_yaml_next(yaml, &event), 0);
		assert_int_equal(event.kind, WEIR_YAML_END);
	}
	weir_yaml_close(yaml);

	assert_int_equal(weir_yaml_open_all(weir_str_of(""), &yaml), 0);
	assert_int_equal(weir_yaml_next(yaml, &event), 0);
	assert_int_equal(event.kind, WEIR_YAML_END);
	weir_yaml_close(yaml);
}

static void places_within_a_text_are_found_in_the_file(void **state)
{
	/* Each text is a document `a: <scalar>`; the value's place is to be the one of the X in the file. */
	static const struct {
		const char *text;
		size_t line, column, want_line, want_column;
	} cases[] = {
		{ "a: bcX", 1, 3, 1, 6 },
		{ "a: 'bcX'", 1, 3, 1, 7 },
		{ "a: 'it''sX'", 1, 5, 1, 10 },
		{ "a: \"b\\\"X\"", 1, 3, 1, 8 },
		{ "a: \"\\u00e9X\"", 1, 2, 1, 11 },
		{ "a: \"\xc3\xa9X\"", 1, 3, 1, 7 },
		{ "a: |\n  b\n  cX\n", 2, 2, 3, 4 },
		{ "a: |-\n    b\n\n    cX\n", 3, 2, 4, 6 },
		{ "a: >\n  X b\n  c\n", 1, 1, 2, 3 },
		{ "a: >\n  X b\n  c\n", 1, 4, 2, 3 },
		{ "a: 'b", 1, 90, 1, 6 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_yaml_place found = weir_yaml_find(weir_str_of(cases[i].text),
			(struct weir_yaml_place){ 1, 4 }, (struct weir_yaml_place){ cases[i].line, cases[i].column });

		assert_int_equal(found.line, cases[i].want_line);
		assert_int_equal(found.column, cases[i].want_column);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(events_come_in_order_with_their_places),
		cmocka_unit_test(only_plain_nothing_is_null),
		cmocka_unit_test(depth_is_bounded_and_the_error_stays),
		cmocka_unit_test(what_is_no_text_is_said_at_its_place),
		cmocka_unit_test(a_mark_of_the_byte_order_is_passed_over),
		cmocka_unit_test(several_documents_come_with_their_bounds),
		cmocka_unit_test(places_within_a_text_are_found_in_the_file),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
