/* ruleset_inside: what a loaded rule set is made of. Private to ruleset. */
#ifndef WEIR_RULES_RULESET_INSIDE_H
#define WEIR_RULES_RULESET_INSIDE_H

#include <stdatomic.h>

#include "rules/language/expression.h"
#include "rules/documents/mixer_yaml.h"
#include "rules/ruleset.h"

#define WEIR_RULESET_LABELS_MAX 64u /* of one metric, or variables of one log entry: 128 */
#define WEIR_RULESET_VARIABLES_MAX 128u
#define WEIR_RULESET_OUTPUTS_MAX 32u
#define WEIR_RULESET_WANTED_MAX 16u /* as many as identity keeps of a workload: WEIR_WANTED_MAX */
#define WEIR_RULESET_GUARDS_MAX 64u
#define WEIR_RULESET_RULE_WORDS (WEIR_MIXER_RULES_MAX / 64u)

struct weir_ruleset_term { /* an expression of an instance, and its name */
	const char *name;
	const struct weir_expression *expression;
	struct weir_str text; /* normalised: what makes two of them one */
	const struct weir_node *at;
	bool is_path;  /* its value is written as a template */
	bool is_keyed; /* told by the base key */
};

struct weir_ruleset_terms {
	struct weir_ruleset_term *at;
	uint32_t count;
};

struct weir_ruleset_instance { /* a metric or a logentry, compiled */
	const struct weir_mixer_part *part;
	struct weir_ruleset_term value, severity, timestamp; /* expression NULL: none */
	struct weir_ruleset_terms terms;                     /* dimensions, or variables in the order of their names */
	struct weir_ruleset_instance *next;
};

struct weir_ruleset_action { /* an instance that a rule sends to a handler */
	const struct weir_mixer_part *handler, *instance;
	const struct weir_node *at;
	const char *satisfied; /* why there is nothing to do for it, or NULL */
	struct weir_ruleset_action *next;
};

struct weir_ruleset_rule {
	const struct weir_mixer_rule *from;
	struct weir_ruleset_term match;         /* expression NULL: always */
	const struct weir_expression *protocol; /* of the label istio-protocol, or NULL */
	bool is_keyed, counts;                  /* counts: metrics hang on it */
	struct weir_ruleset_action *actions, **last_action;
};

enum weir_ruleset_operator {
	WEIR_OPERATOR_EQUAL,
	WEIR_OPERATOR_UNEQUAL,
	WEIR_OPERATOR_BELOW,
	WEIR_OPERATOR_NOT_ABOVE,
	WEIR_OPERATOR_ABOVE,
	WEIR_OPERATOR_NOT_BELOW,
};

struct weir_ruleset_value { /* an expression and what it is when it is simple (weir_expression_form) */
	const struct weir_expression *expression;
	enum weir_expression_form form;
	enum weir_attribute attribute;
	struct weir_value constant;
};

struct weir_ruleset_compare { /* a yes-or-no question about a record */
	const struct weir_expression *expression;
	struct weir_str text;
	bool is_simple; /* `left` is an attribute that is compared with the constant */
	enum weir_ruleset_operator operator_;
	struct weir_ruleset_value left;
	struct weir_value constant;
};

struct weir_ruleset_guard { /* a test that the base key answers: when the answer is `closing`, what it guards is moot */
	uint32_t test;      /* of `guards`; WEIR_RULESET_GUARDS_MAX: none */
	uint32_t closing;
};

struct weir_ruleset_question { /* one that the base key does not answer */
	struct weir_ruleset_compare test;
	struct weir_ruleset_guard guard;
};

struct weir_ruleset_key_label { /* a label that the base key does not tell */
	const struct weir_ruleset_term *label;
	struct weir_ruleset_guard guard;
};

struct weir_ruleset_metric {
	const struct weir_expression *value;
	enum weir_expression_form form;
	enum weir_attribute attribute;
	struct weir_value constant; /* the form's */
	uint64_t rules[WEIR_RULESET_RULE_WORDS];
};

struct weir_ruleset_group {
	struct weir_ruleset_term *labels;
	uint32_t label_count;
};

struct weir_ruleset_log { /* a logentry that a rule sends to an output */
	uint32_t rule, output;
	const struct weir_ruleset_instance *instance;
	const char *name; /* "accesslog.instance.istio-system" */
};

enum weir_ruleset_level { WEIR_LEVEL_INFO, WEIR_LEVEL_WARNING, WEIR_LEVEL_ERROR };

struct weir_ruleset_severity {
	const char *name;
	enum weir_ruleset_level level;
};

struct weir_ruleset_stdio { /* an output, with how its lines are written */
	struct weir_ruleset_output output;
	const struct weir_mixer_part *handler;
	bool is_json;
	enum weir_ruleset_level least;
	struct weir_ruleset_severity *severities;
	uint32_t severity_count;
};

struct weir_ruleset {
	atomic_uint references;
	struct weir_arena arena;
	struct weir_buf notes;
	bool is_both;
	struct weir_schema schema;
	struct weir_ruleset_rule *rules;
	uint32_t rule_count;
	struct weir_ruleset_instance *instances;
	struct weir_ruleset_metric *metrics; /* beside schema.metrics */
	struct weir_ruleset_group *groups;   /* beside schema.groups */
	struct weir_ruleset_stdio *outputs;
	struct weir_ruleset_log *logs;
	uint32_t output_count, log_count;
	/* What the key is made of (ruleset_key.c). */
	struct weir_ruleset_question *questions;
	struct weir_ruleset_compare *guards;
	struct weir_ruleset_key_label *key_labels;
	uint32_t question_count, guard_count, key_label_count;
	uint64_t expiry_ns;
	const char **wanted_labels; /* ended by NULL */
	uint32_t wanted_label_count;
};

struct weir_ruleset_loading {
	struct weir_ruleset *set;
	struct weir_mixer mixer;
	struct weir_ruleset_error *error;
};

/* ---- ruleset_compile.c: expressions, instances, rules -------------------- */

/* The node's text as an expression, into `ret` (name and node too). 0, WRONG, -ENOMEM. */
int weir_ruleset_compile(struct weir_ruleset_loading *loading, const struct weir_node *node, enum weir_type wanted,
	struct weir_ruleset_term *ret);
int weir_ruleset_compile_instances(struct weir_ruleset_loading *loading);
int weir_ruleset_compile_rules(struct weir_ruleset_loading *loading);
const struct weir_ruleset_instance *weir_ruleset_instance_of(
	const struct weir_ruleset *ruleset, const struct weir_mixer_part *part);

/* ---- ruleset_metrics.c, ruleset_outputs.c: handlers ---------------------- */

int weir_ruleset_build_metrics(struct weir_ruleset_loading *loading);
int weir_ruleset_build_outputs(struct weir_ruleset_loading *loading);

/* ---- ruleset_test.c ------------------------------------------------------- */

enum { WEIR_TEST_NO, WEIR_TEST_YES, WEIR_TEST_UNTOLD };

/* The text is an expression of type BOOL, or part of a match that is; it must outlive the arena.
 * 0; above 0: it is none by itself; -ENOMEM. */
int weir_ruleset_compare_make(struct weir_arena *arena, struct weir_str text, struct weir_ruleset_compare *ret);
unsigned weir_ruleset_compare_ask(
	const struct weir_ruleset_compare *test, const struct weir_rules_record *record, struct weir_scratch *scratch);
/* ---- ruleset_key.c -------------------------------------------------------- */

int weir_ruleset_key_prepare(struct weir_ruleset *set);

/* ---- ruleset_match.c ------------------------------------------------------ */

bool weir_ruleset_rule_matches(
	const struct weir_ruleset_rule *rule, const struct weir_rules_record *record, struct weir_scratch *scratch);
/* The label's text: 0 or the outcome of the evaluation. */
int weir_ruleset_label_text(const struct weir_ruleset_term *label, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_str *ret);

/* ---- entry.c --------------------------------------------------------------- */

/* One line of the log, ended by \n. False: it is below the output's level, or a variable cannot be evaluated. */
bool weir_ruleset_entry_write(const struct weir_ruleset_stdio *output, const struct weir_ruleset_log *log,
	const struct weir_rules_record *record, struct weir_scratch *scratch, struct weir_buf *text);

#endif
