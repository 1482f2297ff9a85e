/* test_expression: Mixer's expression language, case by case (expressions.tsv: each
 * of its groups is a test), and what bounds an expression. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/language/expression.h"
#include "rules/language/parse.h"
#include "support/expression_case.h"

#define GROUPS_MAX 32u
#define LINE_MAX_BYTES 4096u

/* ---- the table ----------------------------------------------------------- */

struct group {
	char name[64];
	long begin; /* its first line in the file */
};

static FILE *table;

static bool line_read(char line[LINE_MAX_BYTES])
{
	size_t length;

	if (fgets(line, LINE_MAX_BYTES, table) == NULL) {
		return false;
	}
	length = strlen(line);
	if (length == 0 || line[length - 1] != '\n') {
		fail_msg("a line of the table is too long, or has no end: %s", line);
	}
	line[length - 1] = '\0';
	return true;
}

/* The part of the line before a tab, which is taken from it. */
static char *column_take(char **line)
{
	char *column = strsep(line, "\t");

	if (column == NULL) {
		fail_msg("a line of the table has too few columns");
	}
	return column;
}

static void line_check(char *line)
{
	char *expression = column_take(&line), *told = column_take(&line), *expected = column_take(&line);
	char shown[LINE_MAX_BYTES];
	struct weir_buf outcome;
	struct weir_str got;

	(void)snprintf(shown, sizeof(shown), "%s with %s", expression, told);
	weir_buf_init(&outcome, LINE_MAX_BYTES);
	if (!expression_case_run(expression, told, &outcome)) {
		fail_msg("%s: bad attributes", shown);
	}
	got = weir_buf_str(&outcome);
	if (!weir_str_is(got, expected)) {
		fail_msg("%s\n  is        %.*s\n  expected  %s", shown, (int)got.length, got.data, expected);
	}
	weir_buf_fini(&outcome);
}

static void each_case_of_the_group_comes_out(void **state)
{
	const struct group *group = *state;
	char line[LINE_MAX_BYTES];
	unsigned count = 0;

	assert_int_equal(fseek(table, group->begin, SEEK_SET), 0);
	while (line_read(line) && line[0] != '#') {
		if (line[0] != '\0') {
			line_check(line);
			count++;
		}
	}
	assert_true(count > 0);
}

static size_t groups_read(struct group groups[GROUPS_MAX])
{
	char line[LINE_MAX_BYTES];
	size_t count = 0;

	while (line_read(line)) {
		if (strncmp(line, "# ", 2) == 0) {
			assert_true(count < GROUPS_MAX);
			(void)snprintf(groups[count].name, sizeof(groups[count].name), "%.63s", line + 2);
			groups[count++].begin = ftell(table);
		}
	}
	return count;
}

/* ---- what the table does not say ----------------------------------------- */

struct scene {
	struct weir_arena arena;
	struct weir_expression_error error;
	const struct weir_expression *expression;
};

static int compile(struct scene *scene, const char *text, enum weir_type wanted)
{
	memset(scene, 0, sizeof(*scene));
	weir_arena_init(&scene->arena, 4096, 4u << 20);
	return weir_expression_compile(&scene->arena, weir_str_of(text), wanted, &scene->expression, &scene->error);
}

static void wanted_type_makes_a_duration_of_a_text(void **state)
{
	struct scene scene;
	struct weir_value value;
	enum weir_attribute attribute;

	(void)state;
	assert_int_equal(compile(&scene, "\"10ms\"", WEIR_TYPE_DURATION), 0);
	assert_int_equal(weir_expression_type(scene.expression), WEIR_TYPE_DURATION);
	assert_int_equal(weir_expression_form(scene.expression, &attribute, &value), WEIR_EXPRESSION_CONSTANT);
	assert_int_equal(value.number, 10000000);
	weir_arena_fini(&scene.arena);
	assert_int_equal(compile(&scene, "\"10ms\"", WEIR_TYPE_STRING), 0);
	assert_int_equal(weir_expression_type(scene.expression), WEIR_TYPE_STRING);
	weir_arena_fini(&scene.arena);
}

static void another_type_than_the_wanted_is_refused(void **state)
{
	static const struct {
		const char *expression;
		enum weir_type wanted;
		const char *why;
	} rows[] = {
		{ "request.size", WEIR_TYPE_BOOL, "Expected BOOL; the expression is INT64." },
		{ "\"x\" | source.name", WEIR_TYPE_INT64, "Expected INT64; the expression is STRING." },
		{ "\"x\"", WEIR_TYPE_DURATION, "Expected DURATION; the expression is STRING." },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene scene;

		assert_int_equal(compile(&scene, rows[i].expression, rows[i].wanted), WEIR_EXPRESSION_WRONG);
		assert_int_equal(scene.error.line, 1);
		assert_int_equal(scene.error.column, 1);
		assert_string_equal(scene.error.why, rows[i].why);
		weir_arena_fini(&scene.arena);
	}
}

/* `count` times `part`, between `begin` and `end`. */
static char *repeated(const char *begin, const char *part, size_t count, const char *end)
{
	char *text = malloc(strlen(begin) + strlen(part) * count + strlen(end) + 1), *at;

	assert_non_null(text);
	at = stpcpy(text, begin);
	for (size_t i = 0; i < count; i++) {
		at = stpcpy(at, part);
	}
	strcpy(at, end);
	return text;
}

static int compile_repeated(const char *begin, const char *part, size_t count, const char *end, char why[256])
{
	char *text = repeated(begin, part, count, end);
	struct scene scene;
	int r = compile(&scene, text, WEIR_TYPE_NONE);

	memcpy(why, scene.error.why, sizeof(scene.error.why));
	weir_arena_fini(&scene.arena);
	free(text);
	return r;
}

static void length_depth_and_parts_are_bounded(void **state)
{
	char why[256];

	(void)state;
	assert_int_equal(compile_repeated("", " ", 4095, "1", why), 0);
	assert_int_equal(compile_repeated("", " ", 4096, "1", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The expression is 4097 bytes long; at most 4096 are read.");
	assert_int_equal(compile_repeated("", "(", 40, "1", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The expression is nested more than 32 deep.");
	assert_int_equal(compile_repeated("", "!", 40, "true", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The expression is nested more than 32 deep.");
	assert_int_equal(compile_repeated("source.name", ".reverse()", 40, "", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The expression is nested more than 32 deep.");
	assert_int_equal(compile_repeated("true", " == true", 40, "", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The expression is nested more than 32 deep.");
	/* A long list is not deep. */
	assert_int_equal(compile_repeated("true", "||true", 400, "", why), 0);
	assert_int_equal(compile_repeated("true", "||true", 600, "", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The expression has more than 512 parts.");
	assert_int_equal(compile_repeated("`", "a", 1030, "`.matches(\"\")", why), WEIR_EXPRESSION_WRONG);
	assert_string_equal(why, "The pattern is 1030 bytes long; at most 1024 are read.");
}

static void full_arena_is_no_memory(void **state)
{
	char *text = repeated("1", "+1", 200, "");
	struct weir_expression_error error;
	const struct weir_expression *expression;

	(void)state;
	for (size_t limit = 64; limit < 16384; limit += 64) {
		struct weir_arena arena;

		weir_arena_init(&arena, 64, limit);
		assert_int_equal(
			weir_expression_compile(&arena, weir_str_of(text), WEIR_TYPE_NONE, &expression, &error),
			-ENOMEM);
		weir_arena_fini(&arena);
	}
	free(text);
}

static void used_up_scratch_is_unset(void **state)
{
	static struct weir_scratch scratch;
	static struct expression_told told;
	struct weir_rules_record record = { .told = told.values };
	struct weir_value value;
	struct scene scene;

	(void)state;
	assert_true(expression_case_tell(weir_str_of("source.name=abc"), &told));
	assert_int_equal(compile(&scene, "reverse(source.name) | \"none\"", WEIR_TYPE_NONE), 0);
	scratch.used = WEIR_SCRATCH_BYTES - 2;
	assert_int_equal(weir_expression_evaluate(scene.expression, &record, &scratch, &value), 0);
	assert_true(weir_str_is(value.text, "none"));
	weir_arena_fini(&scene.arena);
}

int main(void)
{
	static const struct CMUnitTest others[] = {
		cmocka_unit_test(wanted_type_makes_a_duration_of_a_text),
		cmocka_unit_test(another_type_than_the_wanted_is_refused),
		cmocka_unit_test(length_depth_and_parts_are_bounded),
		cmocka_unit_test(full_arena_is_no_memory),
		cmocka_unit_test(used_up_scratch_is_unset),
	};
	static struct CMUnitTest tests[GROUPS_MAX];
	static struct group groups[GROUPS_MAX];
	size_t count;

	table = fopen(EXPRESSIONS, "r");
	if (table == NULL) {
		perror(EXPRESSIONS);
		return 1;
	}
	count = groups_read(groups);
	for (size_t i = 0; i < count; i++) {
		tests[i] = (struct CMUnitTest){ .name = groups[i].name,
			.test_func = each_case_of_the_group_comes_out,
			.initial_state = &groups[i] };
	}
	return _cmocka_run_group_tests("expressions", tests, count, NULL, NULL) +
	       cmocka_run_group_tests(others, NULL, NULL);
}
