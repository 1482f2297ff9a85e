/* test_expression_form: what an expression tells of itself: what it reads, and its short form. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rules/language/expression.h"

struct scene {
	struct weir_arena arena;
	const struct weir_expression *expression;
};

static void compile_well(struct scene *scene, const char *text)
{
	struct weir_expression_error error;

	weir_arena_init(&scene->arena, 4096, 4u << 20);
	if (weir_expression_compile(&scene->arena, weir_str_of(text), WEIR_TYPE_NONE, &scene->expression, &error) !=
		0) {
		fail_msg("%s: %zu:%zu: %s", text, error.line, error.column, error.why);
	}
}

static void forms_are_told(void **state)
{
	static const struct {
		const char *expression;
		enum weir_expression_form form;
		enum weir_attribute attribute;
		const char *value;
	} rows[] = {
		{ "\"a\"", WEIR_EXPRESSION_CONSTANT, 0, "a" },
		{ "(\"a\")", WEIR_EXPRESSION_CONSTANT, 0, "a" },
		{ "toLower(\"A\")", WEIR_EXPRESSION_CONSTANT, 0, "a" },
		{ "ip(\"1.2.3.4\")", WEIR_EXPRESSION_CONSTANT, 0, "1.2.3.4" },
		{ "source.name", WEIR_EXPRESSION_ATTRIBUTE, WEIR_ATTRIBUTE_SOURCE_NAME, NULL },
		{ "source.name | \"u\"", WEIR_EXPRESSION_ATTRIBUTE, WEIR_ATTRIBUTE_SOURCE_NAME, "u" },
		{ "source.name | \"u\" | source.uid", WEIR_EXPRESSION_ATTRIBUTE, WEIR_ATTRIBUTE_SOURCE_NAME, "u" },
		{ "response.duration | \"0ms\"", WEIR_EXPRESSION_ATTRIBUTE, WEIR_ATTRIBUTE_RESPONSE_DURATION, "0s" },
		{ "source.name | source.uid", WEIR_EXPRESSION_OTHER, 0, NULL },
		{ "source.labels[\"app\"] | \"u\"", WEIR_EXPRESSION_OTHER, 0, NULL },
		{ "1 == 1", WEIR_EXPRESSION_OTHER, 0, NULL },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		static struct weir_scratch scratch;
		enum weir_attribute attribute = 0;
		struct weir_value value = { 0 };
		struct scene scene;

		compile_well(&scene, rows[i].expression);
		weir_scratch_reset(&scratch);
		assert_int_equal(weir_expression_form(scene.expression, &attribute, &value), rows[i].form);
		assert_int_equal(attribute, rows[i].attribute);
		assert_int_equal(value.type == WEIR_TYPE_NONE, rows[i].value == NULL);
		assert_true(rows[i].value == NULL || weir_str_is(weir_value_text(&value, &scratch), rows[i].value));
		weir_arena_fini(&scene.arena);
	}
}

static void what_is_read_is_told(void **state)
{
	struct scene scene;
	enum weir_attribute map;
	struct weir_str key;

	(void)state;
	compile_well(&scene, "conditional(connection.mtls, source.labels[\"app\"] | source.labels[\"app\"], "
			     "(source.labels | request.headers)[\"x\"]) | source.labels[source.name]");
	assert_true(weir_expression_reads(scene.expression, WEIR_ATTRIBUTE_CONNECTION_MTLS));
	assert_true(weir_expression_reads(scene.expression, WEIR_ATTRIBUTE_SOURCE_LABELS));
	assert_true(weir_expression_reads(scene.expression, WEIR_ATTRIBUTE_REQUEST_HEADERS));
	assert_true(weir_expression_reads(scene.expression, WEIR_ATTRIBUTE_SOURCE_NAME));
	assert_false(weir_expression_reads(scene.expression, WEIR_ATTRIBUTE_API_PROTOCOL));
	assert_true(weir_expression_map_key(scene.expression, 0, &map, &key));
	assert_int_equal(map, WEIR_ATTRIBUTE_SOURCE_LABELS);
	assert_true(weir_str_is(key, "app"));
	assert_true(weir_expression_map_key(scene.expression, 1, &map, &key));
	assert_int_equal(map, WEIR_ATTRIBUTE_SOURCE_LABELS);
	assert_true(weir_str_is(key, "x"));
	assert_true(weir_expression_map_key(scene.expression, 2, &map, &key));
	assert_int_equal(map, WEIR_ATTRIBUTE_REQUEST_HEADERS);
	assert_true(weir_str_is(key, "x"));
	assert_false(weir_expression_map_key(scene.expression, 3, &map, &key));
	weir_arena_fini(&scene.arena);
}

static void keyed_is_what_reads_only_keyed_attributes(void **state)
{
	static const struct {
		const char *expression;
		bool is_keyed;
	} rows[] = {
		{ "\"a\"", true },
		{ "source.workload.name | \"unknown\"", true },
		{ "source.labels[\"app\"] | \"unknown\"", true },
		{ "source.labels[destination.workload.name]", true },
		{ "source.labels[request.host]", false },
		{ "request.headers[\"x\"]", false },
		{ "response.code | 200", true },
		{ "api.protocol | context.protocol", false },
		{ "true || weir.duration_ms > 5", false },
		{ "weir.probe || connection.event == \"open\"", true },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		struct scene scene;

		compile_well(&scene, rows[i].expression);
		assert_int_equal(weir_expression_is_keyed(scene.expression), rows[i].is_keyed);
		weir_arena_fini(&scene.arena);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms_are_told),
		cmocka_unit_test(what_is_read_is_told),
		cmocka_unit_test(keyed_is_what_reads_only_keyed_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
