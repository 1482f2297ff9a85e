/* test_entries: log lines are Mixer's, in both forms; handlers say where they go. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/stat.h"
#include "rule_scene.h"

static struct weir_scratch scratch;

static void expect_lines(const struct weir_ruleset *ruleset, const struct scene_told *told, uint32_t output,
	uint32_t count, const char *want)
{
	struct weir_buf text;

	weir_buf_init(&text, 0);
	assert_int_equal(weir_ruleset_entries(ruleset, output, &told->record, &scratch, &text), count);
	assert_int_equal(scratch.used, 0);
	weir_buf_add_char(&text, '\0');
	assert_string_equal(text.data, want);
	weir_buf_fini(&text);
}

#define META(kind, name)                                                                                               \
	"---\napiVersion: config.istio.io/v1alpha2\nkind: " kind "\nmetadata: {name: " name                            \
	", namespace: istio-system}\nspec:\n"
#define LOGENTRY                                                                                                          \
	META("instance", "log")                                                                                           \
	"  compiledTemplate: logentry\n  params:\n    severity: conditional(response.code == 500, \"error\", \"Info\")\n" \
	"    timestamp: request.time\n    variables:\n      url: request.path | \"\"\n      code: response.code | 0\n"    \
	"      latency: response.duration | \"0ms\"\n      mtls: connection.mtls | false\n"                               \
	"      ip: source.ip | ip(\"10.0.0.1\")\n      at: response.time | request.time\n      Big: 2.1\n"
#define HANDLER(name, params) META("handler", name) "  compiledAdapter: stdio\n  params: {" params "}\n"
#define RULE(name, match, handler)                                                                                     \
	META("rule", name) "  match: " match "\n  actions:\n  - {handler: " handler ", instances: [log]}\n"

static struct scene_told *some_request(void)
{
	struct scene_told *told = scene_tell("");

	scene_tell_number(told, "request.time", 1537044396009801500);
	scene_tell_number(told, "response.code", 200);
	scene_tell_number(told, "response.duration", 15580000);
	scene_tell_text(told, "request.path", "/a\"\\\n\x01\xc3\x9f");
	return told;
}

static void lines_are_mixers(void **state)
{
	const struct weir_ruleset *ruleset = ruleset_of(LOGENTRY HANDLER("json", "outputAsJson: true") HANDLER(
								"console", "output_as_json: false, logStream: STDERR")
								RULE("a", "", "json") RULE("b", "", "console"),
		false);
	struct scene_told *told = some_request();

	(void)state;
	assert_int_equal(weir_ruleset_output_count(ruleset), 2);
	assert_int_equal(weir_ruleset_output(ruleset, 0)->sink, WEIR_SINK_STDOUT);
	assert_int_equal(weir_ruleset_output(ruleset, 1)->sink, WEIR_SINK_STDERR);
	assert_string_equal(weir_ruleset_output(ruleset, 1)->name, "console");
	assert_null(weir_ruleset_output(ruleset, 2));
	expect_lines(ruleset, told, 0, 1,
		"{\"level\":\"info\",\"time\":\"2018-09-15T20:46:36.009801Z\",\"instance\":\"log.instance.istio-system\","
		"\"Big\":2.1,\"at\":\"2018-09-15T20:46:36.009801Z\",\"code\":200,\"ip\":\"10.0.0.1\","
		"\"latency\":\"15.58ms\",\"mtls\":false,\"url\":\"/a\\\"\\\\\\n\\u0001\xc3\x9f\"}\n");
	expect_lines(ruleset, told, 1, 1,
		"2018-09-15T20:46:36.009801Z\tinfo\tlog.instance.istio-system\t{\"Big\": 2.1, "
		"\"at\": \"2018-09-15T20:46:36.009801Z\", \"code\": 200, \"ip\": \"10.0.0.1\", "
		"\"latency\": \"15.58ms\", \"mtls\": false, \"url\": \"/a\\\"\\\\\\n\\u0001\xc3\x9f\"}\n");
	free(told);
	weir_ruleset_let_go(ruleset);
}

static void matches_and_levels_decide(void **state)
{
	const struct weir_ruleset *ruleset =
		ruleset_of(LOGENTRY HANDLER("h", "outputLevel: WARNING, severityLevels: {Info: WARNING}")
				   HANDLER("errors", "outputLevel: ERROR") RULE("a", "response.code >= 400", "h")
					   RULE("b", "", "errors") RULE("c", "response.code == 200", "h"),
			false);
	struct scene_told *told = some_request();

	(void)state;
	scene_tell_text(told, "request.path", "/");
	expect_lines(ruleset, told, 0, 1,
		"{\"level\":\"warn\",\"time\":\"2018-09-15T20:46:36.009801Z\",\"instance\":\"log.instance.istio-system\","
		"\"Big\":2.1,\"at\":\"2018-09-15T20:46:36.009801Z\",\"code\":200,\"ip\":\"10.0.0.1\","
		"\"latency\":\"15.58ms\",\"mtls\":false,\"url\":\"/\"}\n");
	expect_lines(ruleset, told, 1, 0, "");
	scene_tell_number(told, "response.code", 404);
	expect_lines(ruleset, told, 1, 0, "");
	scene_tell_number(told, "response.code", 302);
	expect_lines(ruleset, told, 0, 0, "");
	scene_tell_number(told, "response.code", 500);
	expect_lines(ruleset, told, 1, 1,
		"{\"level\":\"error\",\"time\":\"2018-09-15T20:46:36.009801Z\",\"instance\":\"log.instance.istio-system\","
		"\"Big\":2.1,\"at\":\"2018-09-15T20:46:36.009801Z\",\"code\":500,\"ip\":\"10.0.0.1\","
		"\"latency\":\"15.58ms\",\"mtls\":false,\"url\":\"/\"}\n");
	free(told);
	weir_ruleset_let_go(ruleset);
}

static void a_line_is_whole_or_not_there(void **state)
{
	const struct weir_ruleset *ruleset = ruleset_of(LOGENTRY HANDLER("h", "") RULE("a", "", "h"), false);
	struct scene_told *told = scene_tell("");
	uint64_t before = weir_stat_get(WEIR_STAT_RULE_FAILED_ENTRY);
	struct weir_buf text;

	(void)state;
	scene_tell_number(told, "response.code", 200);
	weir_buf_init(&text, 0);
	weir_buf_add(&text, "kept", 4);
	assert_int_equal(weir_ruleset_entries(ruleset, 0, &told->record, &scratch, &text), 0);
	assert_int_equal(text.length, 4);
	assert_int_equal(weir_stat_get(WEIR_STAT_RULE_FAILED_ENTRY), before + 1);
	weir_buf_fini(&text);
	free(told);
	weir_ruleset_let_go(ruleset);
}

static void long_values_are_cut_between_characters(void **state)
{
	const struct weir_ruleset *ruleset = ruleset_of(LOGENTRY HANDLER("h", "") RULE("a", "", "h"), false);
	struct scene_told *told = some_request();
	struct weir_buf text;
	char path[10000];

	(void)state;
	memset(path, 'x', sizeof(path));
	memcpy(path + 8191, "\xc3\x9f", 2);
	path[9999] = '\0';
	scene_tell_text(told, "request.path", path);
	weir_buf_init(&text, 0);
	assert_int_equal(weir_ruleset_entries(ruleset, 0, &told->record, &scratch, &text), 1);
	assert_memory_equal(text.data + text.length - 6, "xxx\"}\n", 6);
	assert_int_equal((size_t)(strstr(text.data, "xxx\"}") - strstr(text.data, "\"url\":\"")) + 3 - 7, 8191);
	weir_buf_fini(&text);
	free(told);
	weir_ruleset_let_go(ruleset);
}

static void files_rotate_as_told(void **state)
{
	const struct weir_ruleset *ruleset = ruleset_of(
		LOGENTRY HANDLER("rotated", "logStream: ROTATED_FILE, outputPath: /var/log/a") HANDLER("told",
			"logStream: ROTATED_FILE, outputPath: /var/log/b, maxMegabytesBeforeRotation: 5, maxDaysBeforeRotation: "
			"0, maxRotatedFiles: 3") HANDLER("plain", "logStream: FILE, outputPath: /var/log/c")
			HANDLER("unused", "logStream: STDERR") HANDLER("all",
				"logStream: 3, outputPath: /var/log/d, maxRotatedFiles: 0") RULE("a", "", "rotated")
				RULE("b", "", "told") RULE("c", "", "plain") RULE("d", "", "all"),
		false);
	const struct weir_ruleset_output *output;

	(void)state;
	assert_int_equal(weir_ruleset_output_count(ruleset), 4);
	output = weir_ruleset_output(ruleset, 0);
	assert_int_equal(output->sink, WEIR_SINK_FILE);
	assert_string_equal(output->path, "/var/log/a");
	assert_int_equal(output->max_size_bytes, 100u << 20);
	assert_int_equal(output->max_backups, 1000);
	assert_int_equal(output->max_age_days, 30);
	output = weir_ruleset_output(ruleset, 1);
	assert_int_equal(output->max_size_bytes, 5u << 20);
	assert_int_equal(output->max_backups, 3);
	assert_int_equal(output->max_age_days, 0);
	output = weir_ruleset_output(ruleset, 2);
	assert_int_equal(output->max_size_bytes, 0);
	output = weir_ruleset_output(ruleset, 3);
	assert_int_equal(output->sink, WEIR_SINK_FILE);
	assert_int_equal(output->max_size_bytes, 100u << 20);
	assert_int_equal(output->max_backups, 100000); /* 0: no limit */
	weir_ruleset_let_go(ruleset);
}

static void two_handlers_of_one_file_are_refused(void **state)
{
	const struct weir_ruleset *ruleset = NULL;
	struct weir_ruleset_error error;

	(void)state;
	assert_int_equal(ruleset_try(LOGENTRY HANDLER("a", "logStream: FILE, outputPath: /x") HANDLER("b",
					     "logStream: FILE, outputPath: /x") RULE("a", "", "a") RULE("b", "", "b"),
				 false, &ruleset, &error),
		WEIR_RULESET_WRONG);
	assert_non_null(strstr(error.why, "same file"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_mixers),
		cmocka_unit_test(matches_and_levels_decide),
		cmocka_unit_test(a_line_is_whole_or_not_there),
		cmocka_unit_test(long_values_are_cut_between_characters),
		cmocka_unit_test(files_rotate_as_told),
		cmocka_unit_test(two_handlers_of_one_file_are_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
