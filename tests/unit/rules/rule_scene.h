/* rule_scene: a rule set of a text, and records whose attributes are told. What
 * cannot be fails the test. */
#ifndef WEIR_TESTS_RULE_SCENE_H
#define WEIR_TESTS_RULE_SCENE_H

#include "support/ruleset_of.h"

/* The beginning of a document. */
#define SCENE_META(kind, name)                                                                                         \
	"---\napiVersion: config.istio.io/v1alpha2\nkind: " kind "\nmetadata: {name: " name "}\nspec:\n"

/* `istio_hits` counts by path, host, app and team what curl asked, or got a 500. */
extern const char scene_paths_and_agents[];

/* Of a file (NULL: the standard set): weir_ruleset_let_go() it. Of a text: ruleset_of.h. */
const struct weir_ruleset *scene_load(const char *path, bool is_both);

const struct weir_metric *scene_metric(const struct weir_ruleset *ruleset, const char *name);
/* Does the record count in the metric? */
bool scene_is_hit(const struct weir_ruleset *ruleset, const struct weir_rules_record *record, const char *name);

struct scene_told {
	struct weir_value values[WEIR_ATTRIBUTES];
	struct weir_rules_pair pairs[16];
	struct weir_rules_record record;
};

/* A record of a protocol ("http", "tcp"; "": none is told). The caller frees it. */
struct scene_told *scene_tell(const char *protocol);
void scene_tell_text(struct scene_told *told, const char *name, const char *text); /* "": unset */
void scene_tell_number(struct scene_told *told, const char *name, int64_t number);
void scene_tell_entry(struct scene_told *told, const char *map, const char *key, const char *value);

/* Its labels in the metric have `want` in them. */
void scene_expect_labels(
	const struct weir_ruleset *ruleset, const struct scene_told *told, const char *name, const char *want);

#endif
