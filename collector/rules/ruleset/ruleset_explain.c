/* ruleset_explain: one record and a rule set, for a person.
 *
 *   rule promhttp (rules/http.yaml:12): matches
 *     istio_requests_total{reporter="source",…} + 1
 *     istio_request_duration_seconds{…} observes 0.012
 *   rule promtcp (rules/tcp.yaml:3): does not match
 *     context.protocol == "tcp" is false; context.protocol is "http"
 *   log stdio: {"level":"info",…}
 *
 * A match that is false is taken apart at its outermost `&&`: the first part
 * that is not true is the reason, with what it read. Parts are compiled anew for
 * that: this is not the path of records. */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "rules/label.h"
#include "rules/ruleset/ruleset_inside.h"
#include "rules/ruleset/split.h"

struct telling {
	const struct weir_ruleset *set;
	const struct weir_rules_record *record;
	struct weir_scratch *scratch;
	struct weir_buf *text;
};

/* ---- why not --------------------------------------------------------------- */

static void value_tell(struct telling *telling, enum weir_attribute attribute)
{
	struct weir_value value;
	struct weir_str text;
	uint32_t used = telling->scratch->used;

	weir_buf_addf(telling->text, "; %s is ", weir_attribute_name(attribute));
	if (weir_attribute_get(telling->record, attribute, telling->scratch, &value) != 0) {
		weir_buf_add_text(telling->text, "unset");
	} else if (value.type == WEIR_TYPE_STRING_MAP) {
		weir_buf_add_text(telling->text, "a map");
	} else {
		text = weir_value_text(&value, telling->scratch);
		weir_buf_addf(telling->text, value.type == WEIR_TYPE_STRING ? "\"%.*s\"" : "%.*s",
			(int)(text.length < 200 ? text.length : 200), text.length > 0 ? text.data : "");
	}
	telling->scratch->used = used;
}

static void entry_tell(struct telling *telling, enum weir_attribute map, struct weir_str key)
{
	struct weir_value value;

	weir_buf_addf(telling->text, "; %s[\"%.*s\"] is ", weir_attribute_name(map), (int)key.length, key.data);
	if (weir_attribute_get_entry(telling->record, map, key, &value) != 0) {
		weir_buf_add_text(telling->text, "unset");
	} else {
		weir_buf_addf(telling->text, "\"%.*s\"", (int)(value.text.length < 200 ? value.text.length : 200),
			value.text.length > 0 ? value.text.data : "");
	}
}

/* What the expression reads, and what it is in this record. */
static void reads_tell(struct telling *telling, const struct weir_expression *expression)
{
	bool is_map_told[WEIR_ATTRIBUTES] = { false };
	enum weir_attribute map;
	struct weir_str key;

	for (uint32_t i = 0; weir_expression_map_key(expression, i, &map, &key); i++) {
		entry_tell(telling, map, key);
		is_map_told[map] = true;
	}
	for (unsigned i = 0; i < WEIR_ATTRIBUTES; i++) {
		if (weir_expression_reads(expression, (enum weir_attribute)i) && !is_map_told[i]) {
			value_tell(telling, (enum weir_attribute)i);
		}
	}
}

#define PARTS_DEEP 16u

/* Says why the expression is not true. False: it is. */
static bool why_not(struct telling *telling, struct weir_arena *arena, struct weir_str text, unsigned depth)
{
	struct weir_str whole = weir_split_bare(text);
	const struct weir_expression *expression;
	struct weir_expression_error error;
	struct weir_value value = { 0 };
	uint32_t used = telling->scratch->used;
	size_t cut = weir_split_at(whole, "||") < whole.length || depth == PARTS_DEEP ? whole.length
										      : weir_split_at(whole, "&&");
	int r;

	if (cut < whole.length) {
		return why_not(telling, arena, weir_str_make(whole.data, cut), depth + 1) ||
		       why_not(telling, arena, weir_str_make(whole.data + cut + 2, whole.length - cut - 2), depth + 1);
	}
	r = weir_expression_compile(arena, whole, WEIR_TYPE_BOOL, &expression, &error);
	if (r != 0) {
		return false; /* a part that is none by itself */
	}
	r = weir_expression_evaluate(expression, telling->record, telling->scratch, &value);
	telling->scratch->used = used;
	if (r == 0 && value.number != 0) {
		return false;
	}
	weir_buf_addf(telling->text, "  %.*s %s", (int)whole.length, whole.data,
		r == 0                   ? "is false"
		: r == WEIR_VALUE_ABSENT ? "cannot be told: an attribute without a default is unset"
					 : "cannot be told: a function was given what it cannot take");
	reads_tell(telling, expression);
	weir_buf_add_char(telling->text, '\n');
	return true;
}

static void mismatch_tell(struct telling *telling, const struct weir_ruleset_rule *rule)
{
	struct weir_arena arena;

	if (rule->protocol != NULL) {
		struct weir_value value = { 0 };

		if (weir_expression_evaluate(rule->protocol, telling->record, telling->scratch, &value) != 0 ||
			value.number == 0) {
			weir_buf_addf(telling->text, "  its label istio-protocol is %s", rule->from->protocol);
			value_tell(telling, WEIR_ATTRIBUTE_PROTOCOL);
			weir_buf_add_char(telling->text, '\n');
			return;
		}
	}
	weir_arena_init(&arena, 16384, 4u << 20);
	if (!why_not(telling, &arena, rule->match.at->text, 0)) {
		weir_buf_addf(telling->text, "  %.*s is not true\n", (int)rule->match.at->text.length,
			rule->match.at->text.data);
	}
	weir_arena_fini(&arena);
}

/* ---- what a match leads to -------------------------------------------------- */

/* The first part of a line that cannot be evaluated, or NULL. */
static const struct weir_ruleset_term *part_missing(
	struct telling *telling, const struct weir_ruleset_instance *instance)
{
	const struct weir_ruleset_term *heads[] = { &instance->timestamp, &instance->severity };

	for (uint32_t i = 0; i < 2 + instance->terms.count; i++) {
		const struct weir_ruleset_term *term = i < 2 ? heads[i] : &instance->terms.at[i - 2];
		uint32_t used = telling->scratch->used;
		struct weir_value ignored;
		int r = term->expression != NULL ? weir_expression_evaluate(term->expression, telling->record,
							   telling->scratch, &ignored)
						 : 0;

		telling->scratch->used = used;
		if (r != 0) {
			return term;
		}
	}
	return NULL;
}

/* The first label that cannot be evaluated, or NULL. */
static const struct weir_ruleset_term *label_missing(struct telling *telling, const struct weir_ruleset_group *group)
{
	for (uint32_t i = 0; i < group->label_count; i++) {
		uint32_t used = telling->scratch->used;
		struct weir_str ignored;
		int r = weir_ruleset_label_text(&group->labels[i], telling->record, telling->scratch, &ignored);

		telling->scratch->used = used;
		if (r != 0) {
			return &group->labels[i];
		}
	}
	return NULL;
}

static void observation_tell(struct telling *telling, const struct weir_metric *metric)
{
	struct weir_observation observation;
	double shown;

	if (!weir_ruleset_value(telling->set, metric, telling->record, telling->scratch, &observation)) {
		weir_buf_add_text(telling->text, " nothing: its value cannot be told, or is below 0\n");
		return;
	}
	shown = metric->unit == WEIR_UNIT_DURATION ? observation.real / 1e9 : observation.real;
	weir_buf_addf(telling->text, " %s %.15g\n",
		metric->kind == WEIR_METRIC_COUNTER ? "+"
		: metric->kind == WEIR_METRIC_GAUGE ? "="
						    : "observes",
		shown);
}

static void metric_tell(struct telling *telling, const struct weir_metric *metric)
{
	const struct weir_ruleset_group *group = &telling->set->groups[metric->group];
	const struct weir_ruleset_term *missing = label_missing(telling, group);
	struct weir_buf labels;

	if (missing != NULL) {
		weir_buf_addf(
			telling->text, "  %s: no series: the label %s cannot be told", metric->name, missing->name);
		reads_tell(telling, missing->expression);
		weir_buf_add_char(telling->text, '\n');
		return;
	}
	weir_buf_init(&labels, 0);
	weir_ruleset_labels(telling->set, metric->group, telling->record, telling->scratch, &labels);
	weir_buf_addf(
		telling->text, "  %s{%.*s}", metric->name, (int)labels.length, labels.length > 0 ? labels.data : "");
	weir_buf_fini(&labels);
	observation_tell(telling, metric);
}

static void no_line_tell(struct telling *telling, const struct weir_ruleset_log *log)
{
	const struct weir_ruleset_term *missing = part_missing(telling, log->instance);

	if (missing == NULL) {
		weir_buf_add_text(telling->text, "no line: its severity is below the handler's outputLevel\n");
		return;
	}
	weir_buf_addf(telling->text, "no line: %s cannot be told", missing->name);
	reads_tell(telling, missing->expression);
	weir_buf_add_char(telling->text, '\n');
}

static void logs_tell(struct telling *telling, uint32_t rule)
{
	for (uint32_t i = 0; i < telling->set->log_count; i++) {
		const struct weir_ruleset_log *log = &telling->set->logs[i];
		const struct weir_ruleset_stdio *output = &telling->set->outputs[log->output];
		struct weir_buf line;

		if (log->rule != rule) {
			continue;
		}
		weir_buf_init(&line, 0);
		weir_buf_addf(telling->text, "  log %s: ", output->output.name);
		if (weir_ruleset_entry_write(output, log, telling->record, telling->scratch, &line)) {
			weir_buf_add_str(telling->text, weir_buf_str(&line));
		} else {
			no_line_tell(telling, log);
		}
		weir_buf_fini(&line);
	}
}

static void match_tell(struct telling *telling, uint32_t at)
{
	const struct weir_ruleset_rule *rule = &telling->set->rules[at];

	for (uint32_t i = 0; i < telling->set->schema.metric_count; i++) {
		if (telling->set->metrics[i].rules[at / 64] & (UINT64_C(1) << (at % 64))) {
			metric_tell(telling, &telling->set->schema.metrics[i]);
		}
	}
	logs_tell(telling, at);
	for (const struct weir_ruleset_action *action = rule->actions; action != NULL; action = action->next) {
		if (action->satisfied != NULL) {
			weir_buf_addf(telling->text, "  %s at %s: %s\n", action->instance->name, action->handler->name,
				action->satisfied);
		}
	}
}

void weir_ruleset_explain(
	const struct weir_ruleset *ruleset, const struct weir_rules_record *record, struct weir_buf *ret_text)
{
	struct weir_scratch *scratch = malloc(sizeof(*scratch));
	struct telling telling = { .set = ruleset, .record = record, .scratch = scratch, .text = ret_text };

	if (scratch == NULL) {
		weir_buf_add_text(ret_text, "out of memory\n");
		return;
	}
	weir_scratch_reset(scratch);
	for (uint32_t i = 0; i < ruleset->rule_count; i++) {
		const struct weir_ruleset_rule *rule = &ruleset->rules[i];
		bool matches = weir_ruleset_rule_matches(rule, record, scratch);

		weir_buf_addf(ret_text, "rule %s (%s:%u): %s\n", rule->from->name, rule->from->at->file->path,
			rule->from->at->line, matches ? "matches" : "does not match");
		if (matches) {
			match_tell(&telling, i);
		} else {
			mismatch_tell(&telling, rule);
		}
	}
	free(scratch);
}
