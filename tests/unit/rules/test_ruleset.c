/* test_ruleset: what a metric observes, how its labels are written, what makes it
 * the same metric after a reload, and what a person is told of all that. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rule_scene.h"
#include "rules/label.h"

static struct weir_scratch scratch;

/* ---- values, labels, ids ---------------------------------------------------------- */

#define VALUES                                                                                                                       \
	SCENE_META("metric", "whole")                                                                                                \
	"  value: request.size\n" SCENE_META("metric", "real") "  value: 2.5\n" SCENE_META(                                          \
		"metric", "text") "  value: request.headers[\"n\"]\n" SCENE_META("metric",                                           \
		"time") "  value: response.duration | \"2ms\"\n" SCENE_META("prometheus",                                            \
		"p") "  metrics:\n"                                                                                                  \
		     "  - {name: whole, instance_name: whole.metric, kind: COUNTER}\n"                                               \
		     "  - {name: real, instance_name: real.metric, kind: GAUGE}\n"                                                   \
		     "  - {name: text, instance_name: text.metric, kind: DISTRIBUTION}\n"                                            \
		     "  - {name: gauge, namespace: my-ns, instance_name: text.metric, kind: GAUGE}\n"                                \
		     "  - {name: time, instance_name: time.metric, kind: DISTRIBUTION, buckets: {linearBuckets: {numFiniteBuckets: " \
		     "2, width: 0.5}}}\n" SCENE_META(                                                                                \
			     "rule", "r") "  actions:\n  - {handler: p, instances: [whole, real, text, time]}\n"

static bool value_of(const struct weir_ruleset *ruleset, const struct scene_told *told, const char *name,
	struct weir_observation *ret)
{
	return weir_ruleset_value(ruleset, scene_metric(ruleset, name), &told->record, &scratch, ret);
}

static void values_are_observed_in_their_unit(void **state)
{
	const struct weir_ruleset *ruleset = ruleset_of(VALUES, false);
	const struct weir_metric *time = scene_metric(ruleset, "istio_time");
	struct scene_told *told = scene_tell("http");
	struct weir_observation seen;

	(void)state;
	assert_int_equal(scene_metric(ruleset, "istio_whole")->unit, WEIR_UNIT_WHOLE);
	assert_int_equal(scene_metric(ruleset, "istio_real")->unit, WEIR_UNIT_REAL);
	assert_int_equal(scene_metric(ruleset, "istio_text")->unit, WEIR_UNIT_REAL);
	assert_int_equal(time->unit, WEIR_UNIT_DURATION);
	assert_int_equal(time->bound_count, 3);
	assert_true(time->bounds[0] == 0 && time->bounds[1] == 0.5 && time->bounds[2] == 1);
	assert_int_equal(scene_metric(ruleset, "istio_text")->bound_count, 11); /* those of Prometheus' client */
	assert_false(value_of(ruleset, told, "istio_whole", &seen));
	scene_tell_number(told, "request.size", 7);
	assert_true(value_of(ruleset, told, "istio_whole", &seen) && seen.number == 7);
	scene_tell_number(told, "request.size", -7);
	assert_false(value_of(ruleset, told, "istio_whole", &seen));
	assert_true(value_of(ruleset, told, "istio_real", &seen) && seen.real == 2.5);
	assert_true(value_of(ruleset, told, "istio_time", &seen) && seen.number == 2000000);
	scene_tell_number(told, "response.duration", 5);
	assert_true(value_of(ruleset, told, "istio_time", &seen) && seen.number == 5);
	scene_tell_entry(told, "request.headers", "n", "1.5e1");
	assert_true(value_of(ruleset, told, "istio_text", &seen) && seen.real == 15);
	told->pairs[0].value = weir_str_of("-3");
	assert_false(value_of(ruleset, told, "istio_text", &seen));
	assert_true(value_of(ruleset, told, "myns_gauge", &seen) && seen.real == -3);
	told->pairs[0].value = weir_str_of("many");
	assert_false(value_of(ruleset, told, "myns_gauge", &seen));
	free(told);
	weir_ruleset_let_go(ruleset);
}

static void values_are_cut_escaped_and_counted(void **state)
{
	const struct weir_ruleset *ruleset = ruleset_of(scene_paths_and_agents, false);
	struct scene_told *told = scene_tell("http");
	struct weir_buf text;
	char host[5000];

	(void)state;
	memset(host, 'x', sizeof(host));
	host[4999] = '\0';
	host[0] = '\n';
	scene_tell_text(told, "request.host", host);
	weir_buf_init(&text, 0);
	assert_int_equal(weir_ruleset_labels(ruleset, 0, &told->record, &scratch, &text), 1);
	assert_memory_equal(text.data, "host=\"\\nxxx", 11);
	assert_int_equal(text.length, strlen("host=\"\\n\",app=\"unknown\"") + WEIR_LABEL_VALUE_MAX - 1);
	weir_buf_clear(&text);
	scene_tell_text(told, "request.host", "_overflow"); /* weir's own word */
	assert_int_equal(weir_ruleset_labels(ruleset, 0, &told->record, &scratch, &text), 0);
	assert_true(weir_str_is(weir_buf_str(&text), "host=\"__overflow\",app=\"unknown\""));
	weir_buf_fini(&text);
	free(told);
	weir_ruleset_let_go(ruleset);
}

static uint64_t id_of(const char *text, const char *name)
{
	const struct weir_ruleset *ruleset = ruleset_of(text, false);
	uint64_t id = scene_metric(ruleset, name)->id;

	weir_ruleset_let_go(ruleset);
	return id;
}

#define ONE(value, label, buckets, match)                                                                                 \
	SCENE_META("metric", "m")                                                                                         \
	"  value: " value "\n  dimensions: {a: '" label "'}\n" SCENE_META("prometheus",                                   \
		"p") "  metrics:\n  - {name: x, instance_name: m.metric, kind: DISTRIBUTION, label_names: [a], buckets: " \
		     "{explicit_buckets: {bounds: " buckets                                                               \
		     "}}}\n" SCENE_META("rule", "r") "  match: " match                                                    \
						     "\n  actions:\n  - {handler: p.prometheus, instances: [m]}\n"

static void ids_are_of_the_definition(void **state)
{
	uint64_t id = id_of(ONE("request.size", "source.name | \"a b\"", "[1, 2]", "response.code == 200"), "istio_x");

	(void)state;
	assert_true(
		id == id_of(ONE(" request.size", "source.name|\"a b\"", "[1, 2.0]", "response.code==200"), "istio_x"));
	assert_true(
		id != id_of(ONE("request.size", "source.name | \"ab\"", "[1, 2]", "response.code == 200"), "istio_x"));
	assert_true(
		id != id_of(ONE("request.size", "source.name | \"a b\"", "[1, 3]", "response.code == 200"), "istio_x"));
	assert_true(
		id != id_of(ONE("request.size", "source.name | \"a b\"", "[1, 2]", "response.code == 201"), "istio_x"));
	assert_true(id !=
		    id_of(ONE("response.size", "source.name | \"a b\"", "[1, 2]", "response.code == 200"), "istio_x"));
}

static void references_are_counted(void **state)
{
	const struct weir_ruleset *ruleset = scene_load(NULL, true);

	(void)state;
	assert_ptr_equal(weir_ruleset_hold(ruleset), ruleset);
	weir_ruleset_let_go(ruleset);
	assert_int_equal(weir_ruleset_schema(ruleset)->group_count, 3);
	weir_ruleset_let_go(ruleset);
	weir_ruleset_let_go(NULL);
}

/* ---- explained ---------------------------------------------------------------------- */

static void expect_explained(const struct weir_ruleset *ruleset, const struct scene_told *told, const char *want)
{
	struct weir_buf text;

	weir_buf_init(&text, 0);
	weir_ruleset_explain(ruleset, &told->record, &text);
	weir_buf_add_char(&text, '\0');
	if (strstr(text.data, want) == NULL) {
		fail_msg("no\n%s\nin\n%s", want, text.data);
	}
	weir_buf_fini(&text);
}

static void an_explanation_names_series_and_reasons(void **state)
{
	const struct weir_ruleset *ruleset = scene_load(RULES_FOLDER "/istio-1.4.yaml", false),
				  *own = ruleset_of(scene_paths_and_agents, false);
	struct scene_told *told = scene_tell("tcp"), *http = scene_tell("http");

	(void)state;
	scene_tell_text(told, "connection.event", "close");
	scene_tell_number(told, "connection.sent.bytes", 7);
	expect_explained(ruleset, told,
		"does not match\n  context.protocol == \"http\" || context.protocol == \"grpc\" is false; "
		"context.protocol is \"tcp\"\n");
	expect_explained(
		ruleset, told, "(connection.event | \"na\") == \"open\" is false; connection.event is \"close\"\n");
	expect_explained(ruleset, told, "matches\n  istio_tcp_sent_bytes_total{connection_security_policy=\"none\",");
	expect_explained(ruleset, told, "} + 7\n");
	scene_tell_text(told, "context.protocol", "");
	expect_explained(ruleset, told,
		"context.protocol == \"tcp\" cannot be told: an attribute without a default is unset; "
		"context.protocol is unset\n");
	expect_explained(own, http, "does not match");
	scene_tell_text(http, "request.useragent", "curl");
	expect_explained(own, http, "istio_hits: no series: the label host cannot be told; request.host is unset\n");
	scene_tell_text(http, "request.host", "h");
	expect_explained(own, http, "istio_hits{host=\"h\",app=\"unknown\"} + 1\n");
	free(told);
	free(http);
	weir_ruleset_let_go(ruleset);
	weir_ruleset_let_go(own);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(values_are_observed_in_their_unit),
		cmocka_unit_test(values_are_cut_escaped_and_counted),
		cmocka_unit_test(ids_are_of_the_definition),
		cmocka_unit_test(references_are_counted),
		cmocka_unit_test(an_explanation_names_series_and_reasons),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
