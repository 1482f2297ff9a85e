/* test_ruleset_key: keys tell apart what labels and matches tell apart, and no more. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rule_scene.h"

static struct weir_scratch scratch;

static struct weir_ruleset_key key_of(const struct weir_ruleset *ruleset, const struct scene_told *told)
{
	struct weir_ruleset_key key = weir_ruleset_key(ruleset, &told->record, &scratch);

	assert_int_equal(scratch.used, 0);
	return key;
}

static bool are_equal(struct weir_ruleset_key a, struct weir_ruleset_key b)
{
	return a.low == b.low && a.high == b.high;
}

static void keys_differ_where_labels_and_matches_do(void **state)
{
	const struct weir_ruleset *ruleset = ruleset_of(scene_paths_and_agents, false);
	struct scene_told *told = scene_tell("http");
	struct weir_ruleset_key first, next;

	(void)state;
	scene_tell_text(told, "request.host", "a");
	scene_tell_text(told, "request.useragent", "curl/7");
	scene_tell_text(told, "request.path", "/users/1?x=2");
	first = key_of(ruleset, told);
	scene_expect_labels(ruleset, told, "istio_hits", "path=\"/users/{id}\",host=\"a\",app=\"unknown\"");
	scene_tell_text(told, "request.useragent", "curl/8"); /* neither the agent nor the id is told by the key */
	scene_tell_text(told, "request.path", "/users/2");
	assert_true(are_equal(first, key_of(ruleset, told)));
	scene_tell_text(told, "request.useragent", "Mozilla");
	next = key_of(ruleset, told);
	assert_false(are_equal(first, next));
	assert_false(scene_is_hit(ruleset, &told->record, "istio_hits"));
	scene_tell_text(told, "request.useragent", "Opera");
	assert_true(are_equal(next, key_of(ruleset, told)));
	scene_tell_text(told, "request.host", "b");
	assert_false(are_equal(next, key_of(ruleset, told)));
	next = key_of(ruleset, told);
	scene_tell_text(told, "request.host", ""); /* unset: the label cannot be told, and is no empty one */
	assert_false(are_equal(next, key_of(ruleset, told)));
	scene_tell_text(told, "request.useragent", "curl/7");
	assert_false(scene_is_hit(ruleset, &told->record, "istio_hits"));
	scene_tell_text(told, "request.host", "a");
	assert_true(scene_is_hit(ruleset, &told->record, "istio_hits"));
	scene_tell_text(told, "request.path", "");
	next = key_of(ruleset, told);
	scene_tell_text(told, "request.path", "/");
	assert_false(are_equal(next, key_of(ruleset, told)));
	assert_string_equal(weir_ruleset_wanted_label(ruleset, 0), "team");
	assert_null(weir_ruleset_wanted_label(ruleset, 1));
	free(told);
	weir_ruleset_let_go(ruleset);
}

struct seen { /* a key, and what the records that have it come to */
	struct weir_ruleset_key key;
	char text[512];
};

/* A key that was seen before comes to the same. */
static void seen_take(struct seen *seen, unsigned *count, struct weir_ruleset_key key, const char *text)
{
	unsigned found = 0;

	while (found < *count && !are_equal(seen[found].key, key)) {
		found++;
	}
	if (found < *count) {
		assert_string_equal(seen[found].text, text);
	} else {
		seen[*count].key = key;
		snprintf(seen[(*count)++].text, sizeof(seen[0].text), "%s", text);
	}
}

static void equal_keys_are_equal_series(void **state)
{
	static const char *const hosts[] = { "", "a", "b" }, *const paths[] = { "", "/", "/1", "/2", "/x/1", "a" };
	static const char *const agents[] = { "", "curl/1", "curl/2", "wget" };
	const struct weir_ruleset *ruleset = ruleset_of(scene_paths_and_agents, false);
	struct seen seen[256];
	unsigned count = 0;
	struct scene_told *told = scene_tell("http");

	(void)state;
	for (unsigned i = 0; i < 3 * 6 * 4 * 2; i++) {
		struct weir_ruleset_key key;
		struct weir_buf text;

		scene_tell_text(told, "request.host", hosts[i % 3]);
		scene_tell_text(told, "request.path", paths[i / 3 % 6]);
		scene_tell_text(told, "request.useragent", agents[i / 18 % 4]);
		scene_tell_number(told, "response.code", 200);
		key = key_of(ruleset, told);
		weir_buf_init(&text, 0);
		weir_buf_addf(&text, "%d ", scene_is_hit(ruleset, &told->record, "istio_hits"));
		if (text.data[0] == '1') {
			struct weir_buf labels;

			weir_buf_init(&labels, 0);
			weir_ruleset_labels(ruleset, 0, &told->record, &scratch, &labels);
			weir_buf_add_str(&text, weir_buf_str(&labels));
			weir_buf_fini(&labels);
		}
		weir_buf_add_char(&text, '\0');
		seen_take(seen, &count, key, text.data);
		weir_buf_fini(&text);
	}
	assert_int_equal(count, 3 * 5 * 2); /* /1 and /2 are one path; agents count by whether they match */
	free(told);
	weir_ruleset_let_go(ruleset);
}

/* Each is a metric of its own. Keyed: context.protocol, response.code, connection.mtls,
 * destination.service.name. */
static const char *const tricky[] = {
	"",
	"context.protocol == \"http\" && request.size > 1 && (request.host | \"\") != \"a\"",
	"request.size > 1 && context.protocol == \"http\" || response.code == 200",
	"(response.code == 200 || request.host == \"b\") && request.size <= 1",
	"(context.protocol | \"\") != \"tcp\" && ((destination.service.name | \"\") == \"s\" || "
	"(connection.mtls | false) == false && request.host.startsWith(\"a\"))",
	"conditional(response.code == 200, request.size == 1, request.host == \"a\") && (context.protocol | \"\") == \"tcp\"",
	"request.size > 0 || (context.protocol | \"\") == \"tcp\" && request.size == 0",
	"(context.protocol | \"\") == \"tcp\" && (request.host | \"\") == \"ab\"",
};

#define TRICKIES (sizeof(tricky) / sizeof(tricky[0]))

static const struct weir_ruleset *load_tricky(void)
{
	const struct weir_ruleset *ruleset;
	struct weir_buf text;

	weir_buf_init(&text, 0);
	for (size_t i = 0; i < TRICKIES; i++) {
		weir_buf_addf(&text, SCENE_META("metric", "m%zu") "  value: 1\n", i);
		if (i == 0) { /* the one with labels */
			weir_buf_add_text(&text,
				"  dimensions:\n"
				"    x: conditional(response.code == 200, request.host | \"none\", "
				"destination.service.name | \"\")\n"
				"    y: conditional((destination.service.name | \"\") == \"s\", request.host, \"\")\n");
		}
		weir_buf_addf(&text,
			SCENE_META("rule", "r%zu") "  match: '%s'\n  actions:\n  - {handler: p, instances: [m%zu]}\n",
			i, tricky[i], i);
	}
	weir_buf_add_text(&text, SCENE_META("prometheus", "p") "  metrics:\n");
	for (size_t i = 0; i < TRICKIES; i++) {
		weir_buf_addf(&text, "  - {name: m%zu, instance_name: m%zu.metric, kind: COUNTER, label_names: [%s]}\n",
			i, i, i == 0 ? "x, y" : "");
	}
	weir_buf_add_char(&text, '\0');
	ruleset = ruleset_of(text.data, false);
	weir_buf_fini(&text);
	return ruleset;
}

static void outcome_write(const struct weir_ruleset *ruleset, const struct scene_told *told, struct weir_buf *text)
{
	struct weir_ruleset_hit hits[WEIR_GROUPS_MAX];
	uint32_t count = weir_ruleset_match(ruleset, &told->record, &scratch, hits);

	for (uint32_t i = 0; i < count; i++) {
		struct weir_buf labels;

		weir_buf_init(&labels, 0);
		weir_ruleset_labels(ruleset, hits[i].group, &told->record, &scratch, &labels);
		weir_buf_addf(text, "%u %x {%.*s} ", hits[i].group, hits[i].mask, (int)labels.length,
			labels.length > 0 ? labels.data : "");
		weir_buf_fini(&labels);
	}
	weir_buf_add_char(text, '\0');
}

static void equal_keys_of_any_rules_are_equal_series(void **state)
{
	static const char *const protocols[] = { "", "http", "tcp" }, *const services[] = { "", "s", "t" };
	static const char *const hosts[] = { "", "a", "ab", "b", "zz" };
	const struct weir_ruleset *ruleset = load_tricky();
	unsigned outcomes = 0;

	(void)state;
	for (unsigned base = 0; base < 3 * 3 * 3 * 2; base++) { /* the base key's part */
		struct seen seen[64];
		unsigned count = 0;

		for (unsigned rest = 0; rest < 5 * 4; rest++) {
			struct scene_told *told = scene_tell(protocols[base % 3]);
			struct weir_ruleset_key key;
			struct weir_buf text;

			scene_tell_text(told, "destination.service.name", services[base / 3 % 3]);
			if (base / 9 % 3 > 0) {
				scene_tell_number(told, "response.code", base / 9 % 3 == 1 ? 200 : 500);
			}
			scene_tell_text(told, "request.host", hosts[rest % 5]);
			if (rest / 5 > 0) {
				scene_tell_number(told, "request.size", (int64_t)(rest / 5) - 1);
			}
			scene_tell_number(told, "connection.mtls", base / 27);
			key = key_of(ruleset, told);
			weir_buf_init(&text, 0);
			outcome_write(ruleset, told, &text);
			seen_take(seen, &count, key, text.data);
			weir_buf_fini(&text);
			free(told);
		}
		outcomes += count;
	}
	assert_true(outcomes > 54 * 4 && outcomes < 54 * 20); /* some are told apart, not all */
	weir_ruleset_let_go(ruleset);
}

static void what_the_base_key_tells_needs_no_key(void **state)
{
	const struct weir_ruleset *ruleset = ruleset_of(
		SCENE_META("metric", "m") "  value: request.size | 0\n  dimensions: {app: 'source.labels[\"app\"] | \"\"'}\n" SCENE_META(
			"prometheus",
			"p") "  metrics:\n  - {name: x, instance_name: m.metric, kind: GAUGE, label_names: [app]}\n" SCENE_META("rule",
			"r") "  match: response.code == 200\n  actions:\n  - {handler: p.prometheus, instances: [m]}\n",
		false);
	struct scene_told *told = scene_tell("http");

	(void)state;
	scene_tell_number(told, "response.code", 200);
	scene_tell_text(told, "request.path", "/");
	assert_true(are_equal(key_of(ruleset, told), (struct weir_ruleset_key){ 0, 0 }));
	free(told);
	weir_ruleset_let_go(ruleset);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_differ_where_labels_and_matches_do),
		cmocka_unit_test(equal_keys_are_equal_series),
		cmocka_unit_test(equal_keys_of_any_rules_are_equal_series),
		cmocka_unit_test(what_the_base_key_tells_needs_no_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
