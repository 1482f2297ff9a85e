/* rule_scene: see the header. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "rule_scene.h"

const char scene_paths_and_agents[] = SCENE_META("metric",
	"m") "  value: 1\n  dimensions:\n    path: request.path | \"\"\n    host: request.host\n    app: source.labels[\"app\"] | "
	     "\"unknown\"\n    team: source.labels[\"team\"] | \"\"\n" SCENE_META("prometheus",
		     "p") "  metrics:\n  - {name: hits, instance_name: m.metric, kind: COUNTER, label_names: [path, host, app, team]}\n" SCENE_META("rule",
		     "r") "  match: match(request.useragent | \"\", \"curl*\") || response.code == 500\n"
			  "  actions:\n  - {handler: p.prometheus, instances: [m.metric]}\n";

static struct weir_scratch scratch;

const struct weir_ruleset *scene_load(const char *path, bool is_both)
{
	const struct weir_ruleset_opts opts = { .paths = &path, .path_count = path != NULL, .is_both = is_both };
	const struct weir_ruleset *ruleset = NULL;
	struct weir_ruleset_error error;

	if (weir_ruleset_load(&opts, &ruleset, &error) != 0) {
		fail_msg("%s: %s", error.where, error.why);
	}
	return ruleset;
}

const struct weir_metric *scene_metric(const struct weir_ruleset *ruleset, const char *name)
{
	const struct weir_schema *schema = weir_ruleset_schema(ruleset);

	for (uint32_t i = 0; i < schema->metric_count; i++) {
		if (strcmp(schema->metrics[i].name, name) == 0) {
			return &schema->metrics[i];
		}
	}
	fail_msg("no metric %s", name);
	return NULL;
}

/* Is the metric among the hits? */
bool scene_is_hit(const struct weir_ruleset *ruleset, const struct weir_rules_record *record, const char *name)
{
	const struct weir_metric *metric = scene_metric(ruleset, name);
	struct weir_ruleset_hit hits[WEIR_GROUPS_MAX];
	uint32_t count = weir_ruleset_match(ruleset, record, &scratch, hits);

	assert_int_equal(scratch.used, 0);
	for (uint32_t i = 0; i < count; i++) {
		if (hits[i].group == metric->group) {
			return (hits[i].mask >> metric->place) & 1;
		}
	}
	return false;
}

void scene_tell_text(struct scene_told *told, const char *name, const char *text)
{
	enum weir_attribute attribute;

	assert_true(weir_attribute_find(weir_str_of(name), &attribute));
	told->values[attribute] = (struct weir_value){ .type = WEIR_TYPE_STRING, .text = weir_str_of(text) };
	if (text[0] == '\0') {
		told->values[attribute].type = WEIR_TYPE_NONE;
	}
}

void scene_tell_number(struct scene_told *told, const char *name, int64_t number)
{
	enum weir_attribute attribute;

	assert_true(weir_attribute_find(weir_str_of(name), &attribute));
	told->values[attribute] = (struct weir_value){ .type = weir_attribute_type(attribute), .number = number };
}

void scene_tell_entry(struct scene_told *told, const char *map, const char *key, const char *value)
{
	struct weir_rules_pair *pair = &told->pairs[told->record.told_pair_count++];

	assert_true(weir_attribute_find(weir_str_of(map), &pair->map));
	pair->key = weir_str_of(key);
	pair->value = weir_str_of(value);
	told->values[pair->map] = (struct weir_value){ .type = WEIR_TYPE_STRING_MAP, .map = pair->map };
}

struct scene_told *scene_tell(const char *protocol)
{
	struct scene_told *told = calloc(1, sizeof(*told));

	told->record.told = told->values;
	told->record.told_pairs = told->pairs;
	scene_tell_text(told, "context.protocol", protocol);
	return told;
}

void scene_expect_labels(
	const struct weir_ruleset *ruleset, const struct scene_told *told, const char *name, const char *want)
{
	struct weir_buf text;

	weir_buf_init(&text, 0);
	weir_ruleset_labels(ruleset, scene_metric(ruleset, name)->group, &told->record, &scratch, &text);
	weir_buf_add_char(&text, '\0');
	if (strstr(text.data, want) == NULL) {
		fail_msg("no %s in %s", want, text.data);
	}
	weir_buf_fini(&text);
}
