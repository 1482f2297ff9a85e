/* test_documents: what is wrong with a rule document is said at its place; what
 * is no rule, or none that weir can do, is passed over with a line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "rules/ruleset.h"

static char folder[] = "/tmp/weir-documents-XXXXXX";
static char path[64];

static void write_file(const char *name, const char *text, size_t length)
{
	FILE *file;

	snprintf(path, sizeof(path), "%s/%s", folder, name);
	file = fopen(path, "w");
	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, length, file), length);
	assert_int_equal(fclose(file), 0);
}

static int load_text(const char *text, const struct weir_ruleset **ret, struct weir_ruleset_error *error)
{
	const char *paths[] = { path };
	const struct weir_ruleset_opts opts = { .paths = paths, .path_count = 1 };

	write_file("rules.yaml", text, strlen(text));
	return weir_ruleset_load(&opts, ret, error);
}

static void expect_wrong(const char *text, const char *place, const char *why)
{
	const struct weir_ruleset *ruleset = NULL;
	struct weir_ruleset_error error;
	char where[128];
	int r = load_text(text, &ruleset, &error);

	snprintf(where, sizeof(where), "%s:%s", path, place);
	if (r != WEIR_RULESET_WRONG || strcmp(error.where, where) != 0 || strstr(error.why, why) == NULL) {
		fail_msg("%s\n%d: got %s: %s\nwanted %s: %s", text, r, error.where, error.why, where, why);
	}
	assert_null(ruleset);
}

/* A small configuration, of which each case replaces a piece. */
#define META(kind, name) "apiVersion: config.istio.io/v1alpha2\nkind: " kind "\nmetadata: {name: " name "}\nspec:\n"
#define METRIC(value, dimensions) META("metric", "m") "  value: " value "\n  dimensions:\n" dimensions "---\n"
#define HANDLER(metrics) META("prometheus", "p") "  metrics:\n" metrics "---\n"
#define RULE(match, handler, instance)                                                                                 \
	META("rule", "r") "  match: " match "\n  actions:\n  - handler: " handler "\n    instances: [" instance "]\n"
#define DIMENSION "    code: response.code | 200\n"
#define COUNTER "  - {name: x_total, instance_name: m.metric, kind: COUNTER, label_names: [code]}\n"
#define GOOD_RULE RULE("response.code == 200", "p.prometheus", "m.metric")

struct wrong {
	const char *text, *place, *why;
};

static void wrong_expressions_are_said_at_their_place(void **state)
{
	static const struct wrong cases[] = {
		{ METRIC("1", "    a: source.x | \"\"\n") HANDLER(COUNTER) GOOD_RULE, "7:8", "source.x" },
		{ METRIC("1", "    a: 'source.name | source.x'\n"), "7:23", "source.x" },
		{ METRIC("1", "    a: \"source.labels[\\\"app\\\"] | source.x\"\n"), "7:34", "source.x" },
		{ METRIC("1", "    a: |\n      source.name |\n      source.x\n"), "9:7", "source.x" },
		{ METRIC("1", "    a: lower(source.name)\n"), "7:8", "lower" },
		{ METRIC("1", "    a: source.name | 5\n"), "7:", "" },
		{ METRIC("1", "    a: source.labels\n"), "7:8", "map" },
		{ METRIC("source.ip", DIMENSION), "5:10", "IP_ADDRESS" },
		{ METRIC("", DIMENSION), "5:", "expression" },
		{ METRIC("[1]", DIMENSION), "5:10", "expression" },
		{ RULE("source.name", "p", "m"), "5:10", "BOOL" },
		{ RULE("response.code == \"200\"", "p", "m"), "5:", "" },
		{ META("logentry", "l") "  severity: 5\n", "5:13", "STRING" },
		{ META("logentry", "l") "  timestamp: source.name\n", "5:14", "TIMESTAMP" },
		{ META("tracespan", "t") "  traceId: response.code\n", "5:12", "STRING" },
		{ META("tracespan", "t") "  traceName: source.name\n", "5:3", "traceName" },
		{ META("kubernetes", "k") "  source_ip: source.name\n", "5:14", "IP_ADDRESS" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct weir_ruleset *ruleset = NULL;
		struct weir_ruleset_error error;
		char where[128];

		if (cases[i].place[strlen(cases[i].place) - 1] != ':') {
			expect_wrong(cases[i].text, cases[i].place, cases[i].why);
			continue;
		}
		assert_int_equal(load_text(cases[i].text, &ruleset, &error), WEIR_RULESET_WRONG);
		snprintf(where, sizeof(where), "%s:%s", path, cases[i].place);
		assert_memory_equal(error.where, where, strlen(where));
		assert_non_null(strstr(error.why, cases[i].why));
	}
}

#define ENTRY(fields) METRIC("1", DIMENSION) HANDLER("  - {" fields "}\n") GOOD_RULE
#define NAMED "name: x, instance_name: m.metric, "
#define BUCKETS(buckets) ENTRY(NAMED "kind: DISTRIBUTION, label_names: [code], buckets: {" buckets "}")

static void wrong_metrics_are_said_at_their_place(void **state)
{
	static const struct wrong cases[] = {
		{ METRIC("1", DIMENSION) HANDLER(COUNTER COUNTER) GOOD_RULE, "15:12", "second time" },
		{ METRIC("1", DIMENSION) HANDLER(
			  "  - {name: x, instance_name: m.metric, kind: DISTRIBUTION, label_names: [code]}\n"
			  "  - {name: x_count, instance_name: m.metric, kind: COUNTER, label_names: [code]}\n")
				GOOD_RULE,
			"15:12", "second time" },
		{ ENTRY(NAMED "kind: COUNTER, label_names: [code, other]"), "14:75", "no dimension" },
		{ ENTRY(NAMED "kind: COUNTER, label_names: [code, code]"), "14:75", "twice" },
		{ ENTRY(NAMED "kind: COUNTER, label_names: []"), "14:68", "code" },
		{ ENTRY(NAMED "kind: COUNTER"), "14:5", "code" },
		{ ENTRY(NAMED "kind: SUMMARY, label_names: [code]"), "14:46", "DISTRIBUTION" },
		{ ENTRY(NAMED "label_names: [code]"), "14:5", "kind" },
		{ ENTRY("name: x, instance_name: other.metric, kind: COUNTER"), "14:30", "other.metric" },
		{ ENTRY("name: x, kind: COUNTER"), "14:5", "instance_name" },
		{ ENTRY("name: \"a b{\", instance_name: m.metric, kind: COUNTER, label_names: [code]"), "14:12",
			"name" },
		{ ENTRY("name: x, namespace: weir, instance_name: m.metric, kind: COUNTER, label_names: [code]"),
			"14:12", "weir's own" },
		{ ENTRY("name: info, namespace: target, instance_name: m.metric, kind: GAUGE, label_names: [code]"),
			"14:12", "target_info" },
		{ ENTRY("name: open_fds, namespace: process, instance_name: m.metric, kind: GAUGE, label_names: [code]"),
			"14:12", "process_open_fds" },
		{ ENTRY(NAMED "kind: COUNTER, labels: [code]"), "14:55", "no field `labels`" },
		{ ENTRY(NAMED "kind: COUNTER, labelNames: [code], label_names: [code]"), "14:75", "twice" },
		{ BUCKETS("explicit_buckets: {bounds: [1, 1]}"), "14:122", "ascend" },
		{ BUCKETS("explicit_buckets: {bounds: [1, x]}"), "14:122", "number" },
		{ BUCKETS("explicit_buckets: {bounds: [1, .inf]}"), "14:122", "number" },
		{ BUCKETS("explicit_buckets: {bounds: []}"), "14:118", "bounds" },
		{ BUCKETS("explicit_buckets: {}"), "14:109", "bounds" },
		{ BUCKETS("linear_buckets: {num_finite_buckets: 3, width: 0}"), "14:138", "above 0" },
		{ BUCKETS("linear_buckets: {width: 1}"), "14:107", "num_finite_buckets" },
		{ BUCKETS("exponentialBuckets: {numFiniteBuckets: 64, scale: 1, growthFactor: 2}"), "14:130", "62" },
		{ BUCKETS("exponentialBuckets: {numFiniteBuckets: 8, scale: 1, growthFactor: 1}"), "14:157",
			"above 1" },
		{ BUCKETS("exponentialBuckets: {numFiniteBuckets: 60, scale: 1, growthFactor: 1e9}"), "14:111",
			"ascend" },
		{ BUCKETS("other: {}"), "14:90", "one of" },
		{ METRIC("1", DIMENSION) META(
			  "prometheus", "p") "  metricsExpirationPolicy: {metricsExpiryDuration: 10 parsecs}\n",
			"13:52", "10m" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect_wrong(cases[i].text, cases[i].place, cases[i].why);
	}
}

static void wrong_references_and_documents_are_said_at_their_place(void **state)
{
	static const struct wrong cases[] = {
		{ METRIC("1", DIMENSION) HANDLER(COUNTER) RULE("", "q", "m"), "22:14", "no handler q" },
		{ METRIC("1", DIMENSION) HANDLER(COUNTER) RULE("", "p", "n.metric"), "23:17", "no instance n.metric" },
		{ METRIC("1", DIMENSION) META("metric", "n") "  value: 1\n---\n" HANDLER(COUNTER) RULE("", "p", "m, n"),
			"29:20", "no metric of the instance n" },
		{ METRIC("1", DIMENSION) META("stdio", "s") "  outputAsJson: maybe\n", "13:17", "true or false" },
		{ META("stdio", "s") "  outputLevel: LOUD\n", "5:16", "INFO, WARNING or ERROR" },
		{ META("stdio", "s") "  logStream: FILE\n", "5:14", "outputPath" },
		{ META("stdio", "s") "  outputPath: /x\n", "5:15", "outputPath" },
		{ META("stdio", "s") "  maxRotatedFiles: -1\n", "5:20", "whole number" },
		{ META("stdio", "s") "  logStream: PRINTER\n", "5:14", "ROTATED_FILE" },
		{ META("logentry", "l") "  severity: '\"a\"'\n---\n" HANDLER(COUNTER), "12:36", "no instance" },
		{ METRIC("1", DIMENSION) METRIC("1", DIMENSION), "9:1", "second time" },
		{ GOOD_RULE "---\n" GOOD_RULE, "10:1", "second time" },
		{ GOOD_RULE, "7:14", "no handler" },
		{ META("metric", "m") "  valu: 1\n", "5:3", "no field `valu`" },
		{ META("rule", "r") "  matches: x\n", "5:3", "no field `matches`" },
		{ META("rule", "r") "  actions: {handler: x}\n", "5:12", "list of actions" },
		{ META("instance", "i") "  params: {value: 1}\n", "1:1", "compiledTemplate" },
		{ META("handler", "i") "  params: {}\n", "1:1", "compiledAdapter" },
		{ "apiVersion: config.istio.io/v1alpha2\nkind: metric\nspec: {value: 1}\n", "1:1", "metadata.name" },
		{ "kind: metric\n", "1:1", "expected a document with apiVersion and kind" },
		{ META("metric", "m") "  value: 1\n  ? [a]\n  : 1\n", "6:5", "expected a key" },
		{ META("rule", "r") "  match: \xff\n", "5:10", "UTF-8" },
		{ META("rule", "\"r\xc3\xa9\"") "  match: a\xc3\n", "5:12", "UTF-8" },
		{ META("metric", "m") "  \"v\\e[31m\\n\": 1\n", "5:3", "no field `v [31m `" },
		{ "just text\n", "1:1", "apiVersion" },
		{ "a: 1\n---\n- b\n", "1:1", "apiVersion" },
		{ "apiVersion: v1\nkind: List\nitems: 5\n", "3:8", "items" },
		{ META("attributemanifest", "a") "  attributes: {source.ip: {valueType: STRING}}\n", "5:39",
			"IP_ADDRESS" },
		{ META("attributemanifest", "a") "  attributes: {source.ip: {valueType: TEXT}}\n", "5:39",
			"valueType" },
		{ META("metric", "m") "  value: 1\n  value: 2\n", "6:3", "twice, first in line 5" },
		{ META("metric", "m") "  value: &a 1\n", "5:10", "anchors" },
		{ META("metric", "m") "  value: \"1\n", "6:1", "" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		expect_wrong(cases[i].text, cases[i].place, cases[i].why);
	}
}

static void expect_notes(const char *text, const char *const *wanted)
{
	const struct weir_ruleset *ruleset = NULL;
	struct weir_ruleset_error error;
	struct weir_str notes;
	char copy[4096];
	int r = load_text(text, &ruleset, &error);

	if (r != 0) {
		fail_msg("%s: %s", error.where, error.why);
	}
	notes = weir_ruleset_notes(ruleset);
	assert_true(notes.length < sizeof(copy));
	memcpy(copy, notes.length > 0 ? notes.data : "", notes.length);
	copy[notes.length] = '\0';
	for (; *wanted != NULL; wanted++) {
		if (strstr(copy, *wanted) == NULL) {
			fail_msg("no \"%s\" in\n%s", *wanted, copy);
		}
	}
	weir_ruleset_let_go(ruleset);
}

static void what_weir_cannot_do_is_passed_over_with_a_line(void **state)
{
	(void)state;
	expect_notes(METRIC("1", DIMENSION) HANDLER(COUNTER) GOOD_RULE
		"---\n" META("denier", "deny") "  status: {code: 7}\n---\n" META(
			"checknothing", "nothing") "---\n" META("rule",
			"denies") "  actions:\n  - {handler: deny.denier, instances: [nothing.checknothing]}\n"
				  "---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: x}\ndata: {a: 1, a: 2}\n",
		(const char *const[]){ "warning: weir makes nothing of a denier", "checknothing",
			"note: ConfigMap passed over", NULL });
	expect_notes(META("\"\\e[2Jdenier\\n\"", "deny") "  status: {code: 7}\n",
		(const char *const[]){ "warning: weir makes nothing of a  [2Jdenier ", NULL });
	expect_notes("\xef\xbb\xbf" META("denier", "deny") "  status: {code: 7}\n", /* a mark of the byte order */
		(const char *const[]){ ":1:1: warning: weir makes nothing of a denier", NULL });
	expect_notes(
		META("handler", "h") "  compiledAdapter: fluentd\n---\n" META("instance",
			"i") "  compiledTemplate: logentry\n  params: {severity: '\"x\"'}\n---\n"
			     "apiVersion: config.istio.io/v1alpha2\nkind: adapter\nmetadata: {name: x}\nspec: {}\n---\n" META(
				     "rule", "r") "  sampling: {}\n  actions:\n  - {handler: h, instances: [i]}\n",
		(const char *const[]){ "warning: handler h: weir has no adapter fluentd", "does not do `sampling`",
			"note: adapter passed over", NULL });
	expect_notes(METRIC("1", DIMENSION) HANDLER(COUNTER),
		(const char *const[]){ "warning: the metric istio_x_total is never counted", NULL });
	expect_notes(META("attributemanifest", "a") "  attributes: {my.own: {valueType: STRING}, source.ip: "
						    "{valueType: IP_ADDRESS}}\n",
		(const char *const[]){ ":5:24: note: attribute my.own", NULL });
}

static void references_have_four_forms(void **state)
{
	static const char *const forms[][2] = { { "p", "m" }, { "p.prometheus", "m.metric" }, { "p.ns", "m.ns" },
		{ "p.prometheus.ns", "m.metric.ns" } };
	char text[2048];

	(void)state;
	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++) {
		const struct weir_ruleset *ruleset = NULL;
		struct weir_ruleset_error error;

		snprintf(text, sizeof(text),
			"apiVersion: config.istio.io/v1alpha2\nkind: metric\nmetadata: {name: m, namespace: ns}\n"
			"spec: {value: 1}\n---\n"
			"apiVersion: config.istio.io/v1alpha2\nkind: stdio\nmetadata: {name: p, namespace: ns}\n---\n"
			"apiVersion: config.istio.io/v1alpha2\nkind: prometheus\nmetadata: {name: p, namespace: ns}\n"
			"spec: {metrics: [{name: x, instance_name: m.metric.ns, kind: GAUGE}]}\n---\n"
			"apiVersion: config.istio.io/v1alpha2\nkind: rule\nmetadata: {name: r, namespace: ns}\n"
			"spec: {actions: [{handler: %s, instances: [%s]}]}\n",
			i == 0 || i == 2 ? "p.prometheus" : forms[i][0], forms[i][1]);
		if (load_text(text, &ruleset, &error) != 0) {
			fail_msg("%s: %s", error.where, error.why);
		}
		assert_int_equal(weir_ruleset_schema(ruleset)->metric_count, 1);
		weir_ruleset_let_go(ruleset);
	}
	expect_wrong(
		META("metric", "m") "  value: 1\n---\n"
				    "apiVersion: config.istio.io/v1alpha2\nkind: stdio\nmetadata: {name: p, namespace: "
				    "other}\n---\n"
				    "apiVersion: config.istio.io/v1alpha2\nkind: rule\nmetadata: {name: r, namespace: "
				    "ns}\nspec: {actions: [{handler: p, instances: [m]}]}\n",
		"14:28", "no handler p");
}

static void json_is_taken_too(void **state)
{
	static const char text[] =
		"{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[\n"
		"\t{\"apiVersion\":\"config.istio.io/v1alpha2\",\"kind\":\"metric\",\"metadata\":{\"name\":\"m\"},"
		"\"spec\":{\"value\":\"source.labels[\\\"a\\u0062\\\"] | 7\"}}]}";
	const struct weir_ruleset *ruleset = NULL;
	struct weir_ruleset_error error;

	(void)state;
	assert_int_equal(load_text(text, &ruleset, &error), WEIR_RULESET_WRONG);
	assert_non_null(strstr(error.where, "rules.yaml:2:"));
	assert_null(strstr(error.why, "apiVersion"));
	expect_wrong("{\"apiVersion\":\"v1\",\"kind\":\"List\",\"items\":[null]}", "1:43", "apiVersion");
}

static void files_are_bounded_and_folders_read_in_order(void **state)
{
	const struct weir_ruleset *ruleset = NULL;
	const char *paths[2] = { folder, NULL };
	struct weir_ruleset_opts opts = { .paths = paths, .path_count = 1 };
	struct weir_ruleset_error error;
	const char *bad = META("rule", "r") "  actions: [{handler: h, instances: []}]\n";
	char *large = malloc((4u << 20) + 1);

	(void)state;
	memset(large, '#', (4u << 20) + 1);
	write_file("rules.yaml", large, (4u << 20) + 1);
	assert_int_equal(weir_ruleset_load(&opts, &ruleset, &error), WEIR_RULESET_WRONG);
	assert_non_null(strstr(error.why, "4 MiB"));
	write_file("rules.yaml", large, 4u << 20); /* a comment to its end: nothing, and that is right */
	assert_int_equal(weir_ruleset_load(&opts, &ruleset, &error), 0);
	weir_ruleset_let_go(ruleset);
	free(large);

	write_file("b.json", bad, strlen(bad));
	write_file(".hidden.yaml", "wrong", 5);
	write_file("notes.txt", "wrong", 5);
	assert_int_equal(weir_ruleset_load(&opts, &ruleset, &error), WEIR_RULESET_WRONG);
	assert_non_null(strstr(error.where, "b.json:5:23"));
	write_file("a.yml", META("stdio", "h"), strlen(META("stdio", "h")));
	assert_int_equal(weir_ruleset_load(&opts, &ruleset, &error), 0);
	weir_ruleset_let_go(ruleset);
	for (const char *const *name =
			(const char *const[]){ "a.yml", "b.json", ".hidden.yaml", "notes.txt", "rules.yaml", NULL };
		*name != NULL; name++) {
		snprintf(path, sizeof(path), "%s/%s", folder, *name);
		assert_int_equal(unlink(path), 0);
	}
	assert_int_equal(weir_ruleset_load(&opts, &ruleset, &error), WEIR_RULESET_WRONG);
	assert_non_null(strstr(error.why, "no *.yaml"));
	paths[0] = "/nowhere/rules.yaml";
	assert_int_equal(weir_ruleset_load(&opts, &ruleset, &error), WEIR_RULESET_WRONG);
	assert_string_equal(error.where, "/nowhere/rules.yaml");
	write_file("rules.yaml", "", 0);
}

static void too_much_is_refused(void **state)
{
	struct weir_buf text;

	(void)state;
	weir_buf_init(&text, 0);
	for (unsigned i = 0; i < 5000; i++) {
		weir_buf_add_text(&text, "---\n{apiVersion: v1, kind: X}\n");
	}
	weir_buf_add_char(&text, '\0');
	expect_wrong(text.data, "8194:1", "4096 documents");
	weir_buf_clear(&text);
	weir_buf_add_text(&text, METRIC("1", "    code: source.name\n") META("prometheus", "p") "  metrics:\n");
	for (unsigned i = 0; i < 33; i++) {
		weir_buf_addf(&text, "  - {name: x%u, instance_name: m.metric, kind: GAUGE, labelNames: [code]}\n", i);
	}
	weir_buf_add_text(&text, "---\n" GOOD_RULE);
	weir_buf_add_char(&text, '\0');
	expect_wrong(text.data, "46:5", "more than 32 metrics of the same labels");
	weir_buf_clear(&text);
	weir_buf_add_text(&text, META("metric", "m") "  value: 1\n  dimensions:\n");
	for (unsigned i = 0; i < 22; i++) { /* of 190 bytes each */
		weir_buf_addf(&text, "    l%0189u: source.name\n", i);
	}
	weir_buf_add_text(&text,
		"---\n" META("prometheus", "p") "  metrics:\n"
						"  - {name: x, instance_name: m.metric, kind: GAUGE, label_names: [");
	for (unsigned i = 0; i < 22; i++) {
		weir_buf_addf(&text, "%sl%0189u", i > 0 ? ", " : "", i);
	}
	weir_buf_add_text(&text, "]}\n---\n" GOOD_RULE);
	weir_buf_add_char(&text, '\0');
	expect_wrong(text.data, "35:66", "names of labels of more than 4096 bytes");
	weir_buf_clear(&text);
	for (unsigned i = 0; i < 257; i++) {
		weir_buf_addf(&text,
			"---\n{apiVersion: config.istio.io/v1, kind: rule, metadata: {name: r%u}, spec: {}}\n", i);
	}
	weir_buf_add_char(&text, '\0');
	expect_wrong(text.data, "514:1", "256 rules");
	weir_buf_clear(&text);
	weir_buf_addf(&text, META("rule", "%0254u") "  actions: []\n", 1);
	weir_buf_add_char(&text, '\0');
	expect_wrong(text.data, "3:18", "metadata.name is longer than 253 bytes");
	weir_buf_clear(&text);
	weir_buf_add_text(&text, "apiVersion: v1\nkind: ConfigMap\ndata:\n");
	for (unsigned i = 0; i < 1025; i++) {
		weir_buf_addf(&text, "  k%u: a\n", i);
	}
	weir_buf_add_char(&text, '\0');
	expect_wrong(text.data, "1028:3", "a map with more than 1024 keys");
	weir_buf_clear(&text);
	weir_buf_add_text(&text, META("metric", "m") "  value: ");
	for (unsigned i = 0; i < 40; i++) {
		weir_buf_add_char(&text, '[');
	}
	weir_buf_add_char(&text, '\0');
	expect_wrong(text.data, "5:40", "deep");
	weir_buf_fini(&text);
}

static void rules_are_told_from_a_configuration(void **state)
{
	static const struct {
		const char *text;
		bool is_rules;
	} cases[] = { { "storage: {path: x}\n", false }, { "", false }, { "kind: x\n", true },
		{ "---\n---\na: {kind: x}\nb: [kind]\napiVersion: v1\n", true }, { "a: {kind: x}\nb: kind\n", false },
		{ "a: 1\n---\nkind: x\n", false }, { "[kind]", false }, { "{\"kind\": \"List\"}", true },
		{ "kind", false } };

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		write_file("rules.yaml", cases[i].text, strlen(cases[i].text));
		assert_int_equal(weir_ruleset_is_file_of_rules(path), cases[i].is_rules);
	}
	assert_true(weir_ruleset_is_file_of_rules(folder));
	assert_false(weir_ruleset_is_file_of_rules("/nowhere/rules.yaml"));
}

static int make_folder(void **state)
{
	(void)state;
	return mkdtemp(folder) != NULL ? 0 : -1;
}

static int drop_folder(void **state)
{
	(void)state;
	snprintf(path, sizeof(path), "%s/rules.yaml", folder);
	unlink(path);
	return rmdir(folder);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(wrong_expressions_are_said_at_their_place),
		cmocka_unit_test(wrong_metrics_are_said_at_their_place),
		cmocka_unit_test(wrong_references_and_documents_are_said_at_their_place),
		cmocka_unit_test(what_weir_cannot_do_is_passed_over_with_a_line),
		cmocka_unit_test(references_have_four_forms),
		cmocka_unit_test(json_is_taken_too),
		cmocka_unit_test(files_are_bounded_and_folders_read_in_order),
		cmocka_unit_test(too_much_is_refused),
		cmocka_unit_test(rules_are_told_from_a_configuration),
	};

	return cmocka_run_group_tests(tests, make_folder, drop_folder);
}
