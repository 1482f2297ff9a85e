/* ruleset_compile: the expressions of instances and rules.
 *
 * Every instance of a template that weir knows is checked, also one that no rule
 * uses: a wrong document is wrong before somebody needs it.
 *
 *   metric      value INT64, DOUBLE, DURATION or STRING (a number as text: as Mixer's adapter reads it);
 *               dimensions of any type but STRING_MAP
 *   logentry    severity STRING, timestamp TIMESTAMP, variables of any type but STRING_MAP
 *   tracespan   the template's types; weir makes spans of the same headers itself
 *   kubernetes  the template's types; what it would find is in the record already
 *
 * monitored_resource_type and _dimensions are for a product of Google's: accepted. */
#include "rules/ruleset/ruleset_inside.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- one expression ------------------------------------------------------ */

/* Without blanks outside of quoted texts: `a|"b c"`. */
static struct weir_str normalised(struct weir_arena *arena, struct weir_str text)
{
	char *out = weir_arena_alloc(arena, text.length + 1), quote = '\0';
	size_t length = 0;

	for (size_t i = 0; out != NULL && i < text.length; i++) {
		char c = text.data[i];

		if (quote == '\0' && (c == ' ' || c == '\t' || c == '\n' || c == '\r')) {
			continue;
		}
		if (quote == '\0' && (c == '"' || c == '`' || c == '\'')) {
			quote = c;
		} else if (quote == c) {
			quote = '\0';
		} else if (quote != '\0' && quote != '`' && c == '\\' && i + 1 < text.length) {
			out[length++] = c;
			c = text.data[++i];
		}
		out[length++] = c;
	}
	if (out != NULL) {
		out[length] = '\0';
	}
	return weir_str_make(out, length);
}

static bool is_usual_label(struct weir_str key)
{
	static const char *const usual[] = { "app", "version", "service.istio.io/canonical-name",
		"service.istio.io/canonical-revision" };

	for (size_t i = 0; i < sizeof(usual) / sizeof(usual[0]); i++) {
		if (weir_str_is(key, usual[i])) {
			return true;
		}
	}
	return false;
}

static int want_label(struct weir_ruleset *set, struct weir_str key)
{
	struct weir_str copy;

	for (uint32_t i = 0; i < set->wanted_label_count; i++) {
		if (weir_str_is(key, set->wanted_labels[i])) {
			return 0;
		}
	}
	if (is_usual_label(key)) {
		return 0;
	}
	if (set->wanted_label_count == WEIR_RULESET_WANTED_MAX) {
		return WEIR_RULESET_WRONG;
	}
	copy = weir_arena_copy(&set->arena, key);
	if (copy.data == NULL) {
		return -ENOMEM;
	}
	set->wanted_labels[set->wanted_label_count++] = copy.data;
	return 0;
}

static int want_labels(struct weir_ruleset_loading *loading, const struct weir_ruleset_term *term)
{
	enum weir_attribute map;
	struct weir_str key;
	int r = 0;

	for (uint32_t i = 0; r == 0 && weir_expression_map_key(term->expression, i, &map, &key); i++) {
		if (map == WEIR_ATTRIBUTE_SOURCE_LABELS || map == WEIR_ATTRIBUTE_DESTINATION_LABELS) {
			r = want_label(loading->set, key);
		}
	}
	return r == WEIR_RULESET_WRONG
		       ? weir_node_wrong(term->at, loading->error, "the rules read more than %u labels of workloads",
				 WEIR_RULESET_WANTED_MAX)
		       : r;
}

int weir_ruleset_compile(struct weir_ruleset_loading *loading, const struct weir_node *node, enum weir_type wanted,
	struct weir_ruleset_term *ret)
{
	struct weir_ruleset_term term = { .at = node, .name = node->key.data };
	struct weir_expression_error error;
	int r;

	if (node->kind != WEIR_NODE_TEXT || node->is_null) {
		return weir_node_wrong(node, loading->error, "expected an expression");
	}
	r = weir_expression_compile(&loading->set->arena, node->text, wanted, &term.expression, &error);
	if (r == WEIR_EXPRESSION_WRONG) {
		return weir_node_text_wrong(node, error.line, error.column, loading->error, error.why);
	}
	if (r != 0) {
		return r;
	}
	term.text = normalised(&loading->set->arena, node->text);
	if (term.text.data == NULL) {
		return -ENOMEM;
	}
	term.is_keyed = weir_expression_is_keyed(term.expression);
	term.is_path = weir_expression_type(term.expression) == WEIR_TYPE_STRING &&
		       (weir_expression_reads(term.expression, WEIR_ATTRIBUTE_REQUEST_PATH) ||
			       weir_expression_reads(term.expression, WEIR_ATTRIBUTE_REQUEST_URL_PATH));
	*ret = term;
	return want_labels(loading, ret);
}

/* ---- instances ----------------------------------------------------------- */

/* A map's expressions, none of which is a map. */
static int terms_compile(struct weir_ruleset_loading *loading, const struct weir_node *map, uint32_t most,
	const char *what, struct weir_ruleset_terms *ret)
{
	int r = 0;

	if (map == NULL || (map->kind == WEIR_NODE_TEXT && map->is_null)) {
		return 0;
	}
	if (map->kind != WEIR_NODE_MAP) {
		return weir_node_wrong(map, loading->error, "expected a map of %s and expressions", what);
	}
	if (map->count > most) {
		return weir_node_wrong(map, loading->error, "more than %u %s", most, what);
	}
	ret->at = weir_arena_zalloc(&loading->set->arena, (map->count + 1) * sizeof(*ret->at));
	if (ret->at == NULL) {
		return -ENOMEM;
	}
	for (const struct weir_node *child = map->first; child != NULL && r == 0; child = child->next) {
		struct weir_ruleset_term *term = &ret->at[ret->count++];

		r = weir_ruleset_compile(loading, child, WEIR_TYPE_NONE, term);
		if (r == 0 && weir_expression_type(term->expression) == WEIR_TYPE_STRING_MAP) {
			r = weir_node_wrong(child, loading->error,
				"a whole map is no value; name one of its entries: map[\"key\"]");
		}
	}
	return r;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct weir_ruleset_term *)a)->name, ((const struct weir_ruleset_term *)b)->name);
}

static int field_compile(struct weir_ruleset_loading *loading, const struct weir_node *params, const char *name,
	enum weir_type wanted, struct weir_ruleset_term *ret)
{
	const struct weir_node *node = weir_node_get(params, name);

	return node == NULL ? 0 : weir_ruleset_compile(loading, node, wanted, ret);
}

static int resources_check(struct weir_ruleset_loading *loading, const struct weir_node *params)
{
	struct weir_ruleset_term ignored;
	struct weir_ruleset_terms none = { 0 };
	int r = field_compile(loading, params, "monitored_resource_type", WEIR_TYPE_STRING, &ignored);

	return r != 0 ? r
		      : terms_compile(loading, weir_node_get(params, "monitored_resource_dimensions"),
				WEIR_RULESET_VARIABLES_MAX, "dimensions", &none);
}

static int metric_compile(struct weir_ruleset_loading *loading, struct weir_ruleset_instance *instance)
{
	static const char *const fields[] = { "value", "dimensions", "monitored_resource_type",
		"monitored_resource_dimensions", NULL };
	const struct weir_node *params = instance->part->params;
	enum weir_type type;
	int r = weir_mixer_yaml_fields(params, fields, "a metric", loading->error);

	r = r != 0 ? r : field_compile(loading, params, "value", WEIR_TYPE_NONE, &instance->value);
	if (r == 0 && instance->value.expression == NULL) {
		r = weir_node_wrong(params, loading->error, "metric %s needs a value", instance->part->name);
	}
	if (r != 0) {
		return r;
	}
	type = weir_expression_type(instance->value.expression);
	if (type != WEIR_TYPE_INT64 && type != WEIR_TYPE_DOUBLE && type != WEIR_TYPE_DURATION &&
		type != WEIR_TYPE_STRING) {
		return weir_node_wrong(instance->value.at, loading->error,
			"a metric's value is INT64, DOUBLE, DURATION, or a number as STRING; this is %s",
			weir_type_name(type));
	}
	r = terms_compile(
		loading, weir_node_get(params, "dimensions"), WEIR_RULESET_LABELS_MAX, "dimensions", &instance->terms);
	return r != 0 ? r : resources_check(loading, params);
}

static int logentry_compile(struct weir_ruleset_loading *loading, struct weir_ruleset_instance *instance)
{
	static const char *const fields[] = { "variables", "timestamp", "severity", "monitored_resource_type",
		"monitored_resource_dimensions", NULL };
	const struct weir_node *params = instance->part->params;
	int r = weir_mixer_yaml_fields(params, fields, "a logentry", loading->error);

	r = r != 0 ? r : field_compile(loading, params, "severity", WEIR_TYPE_STRING, &instance->severity);
	r = r != 0 ? r : field_compile(loading, params, "timestamp", WEIR_TYPE_TIMESTAMP, &instance->timestamp);
	r = r != 0 ? r
		   : terms_compile(loading, weir_node_get(params, "variables"), WEIR_RULESET_VARIABLES_MAX, "variables",
			     &instance->terms);
	if (r == 0 && instance->terms.count > 1) {
		qsort(instance->terms.at, instance->terms.count, sizeof(*instance->terms.at), by_name);
	}
	return r != 0 ? r : resources_check(loading, params);
}

struct template_field {
	const char *name;
	enum weir_type type;
};

/* Instances that nothing is made of here: are their fields what the template says? */
static int template_check(struct weir_ruleset_loading *loading, const struct weir_mixer_part *part,
	const struct template_field *fields, size_t count)
{
	struct weir_ruleset_term ignored;
	struct weir_ruleset_terms tags = { 0 };
	int r = 0;

	for (const struct weir_node *child = part->params->first; child != NULL && r == 0; child = child->next) {
		size_t i = 0;

		while (i < count && !weir_node_name_is(child->key, fields[i].name)) {
			i++;
		}
		if (weir_node_name_is(child->key, "attribute_bindings")) {
			continue; /* $out is what Mixer's adapter found; weir's records have it already */
		}
		if (i == count) {
			r = weir_node_key_wrong(
				child, loading->error, "a %s has no field `%.64s`", part->type, child->key.data);
		} else if (fields[i].type == WEIR_TYPE_STRING_MAP) {
			r = terms_compile(loading, child, WEIR_RULESET_VARIABLES_MAX, "tags", &tags);
		} else {
			r = weir_ruleset_compile(loading, child, fields[i].type, &ignored);
		}
	}
	return r;
}

static int tracespan_check(struct weir_ruleset_loading *loading, const struct weir_mixer_part *part)
{
	static const struct template_field fields[] = { { "traceId", WEIR_TYPE_STRING }, { "spanId", WEIR_TYPE_STRING },
		{ "parentSpanId", WEIR_TYPE_STRING }, { "spanName", WEIR_TYPE_STRING },
		{ "startTime", WEIR_TYPE_TIMESTAMP }, { "endTime", WEIR_TYPE_TIMESTAMP },
		{ "spanTags", WEIR_TYPE_STRING_MAP }, { "httpStatusCode", WEIR_TYPE_INT64 },
		{ "clientSpan", WEIR_TYPE_BOOL }, { "rewriteClientSpanId", WEIR_TYPE_BOOL },
		{ "sourceName", WEIR_TYPE_STRING }, { "sourceIp", WEIR_TYPE_IP_ADDRESS },
		{ "destinationName", WEIR_TYPE_STRING }, { "destinationIp", WEIR_TYPE_IP_ADDRESS },
		{ "requestSize", WEIR_TYPE_INT64 }, { "requestTotalSize", WEIR_TYPE_INT64 },
		{ "responseSize", WEIR_TYPE_INT64 }, { "responseTotalSize", WEIR_TYPE_INT64 },
		{ "apiProtocol", WEIR_TYPE_STRING } };

	return template_check(loading, part, fields, sizeof(fields) / sizeof(fields[0]));
}

static int kubernetes_check(struct weir_ruleset_loading *loading, const struct weir_mixer_part *part)
{
	static const struct template_field fields[] = { { "source_uid", WEIR_TYPE_STRING },
		{ "source_ip", WEIR_TYPE_IP_ADDRESS }, { "destination_uid", WEIR_TYPE_STRING },
		{ "destination_ip", WEIR_TYPE_IP_ADDRESS }, { "destination_port", WEIR_TYPE_INT64 },
		{ "origin_uid", WEIR_TYPE_STRING }, { "origin_ip", WEIR_TYPE_IP_ADDRESS } };

	return template_check(loading, part, fields, sizeof(fields) / sizeof(fields[0]));
}

static int instance_compile(struct weir_ruleset_loading *loading, const struct weir_mixer_part *part)
{
	struct weir_ruleset_instance *instance;

	if (part->is == WEIR_TEMPLATE_OTHER) {
		return 0;
	}
	if (part->params == NULL || part->params->kind != WEIR_NODE_MAP) {
		return weir_node_wrong(part->params != NULL ? part->params : part->at, loading->error,
			"%s %s: expected a map of fields", part->kind, part->name);
	}
	if (part->is == WEIR_TEMPLATE_TRACESPAN) {
		return tracespan_check(loading, part);
	}
	if (part->is == WEIR_TEMPLATE_KUBERNETES) {
		return kubernetes_check(loading, part);
	}
	instance = weir_arena_zalloc(&loading->set->arena, sizeof(*instance));
	if (instance == NULL) {
		return -ENOMEM;
	}
	instance->part = part;
	instance->next = loading->set->instances;
	loading->set->instances = instance;
	return part->is == WEIR_TEMPLATE_METRIC ? metric_compile(loading, instance)
						: logentry_compile(loading, instance);
}

int weir_ruleset_compile_instances(struct weir_ruleset_loading *loading)
{
	int r = 0;

	for (const struct weir_mixer_part *part = loading->mixer.instances; part != NULL && r == 0; part = part->next) {
		r = instance_compile(loading, part);
	}
	return r;
}

const struct weir_ruleset_instance *weir_ruleset_instance_of(
	const struct weir_ruleset *ruleset, const struct weir_mixer_part *part)
{
	const struct weir_ruleset_instance *instance = ruleset->instances;

	while (instance != NULL && instance->part != part) {
		instance = instance->next;
	}
	return instance;
}

/* ---- rules --------------------------------------------------------------- */

/* What becomes of an instance at a handler; a pair that cannot be is WRONG. */
static int action_judge(struct weir_ruleset_loading *loading, struct weir_ruleset_action *action)
{
	int adapter = action->handler->is, template = action->instance->is;

	if (adapter == WEIR_ADAPTER_OTHER && template != WEIR_TEMPLATE_TRACESPAN) {
		action->satisfied = "nothing: weir has no such adapter";
	} else if (template == WEIR_TEMPLATE_OTHER) {
		action->satisfied = "nothing: weir makes nothing of such an instance";
	} else if (template == WEIR_TEMPLATE_TRACESPAN && adapter != WEIR_ADAPTER_PROMETHEUS) {
		action->satisfied = "weir makes spans of the request's trace headers and keeps them itself";
	} else if (template == WEIR_TEMPLATE_KUBERNETES && adapter == WEIR_ADAPTER_KUBERNETESENV) {
		action->satisfied = "weir knows who source and destination are before rules run";
	} else if (template == WEIR_TEMPLATE_METRIC && adapter == WEIR_ADAPTER_STDIO) {
		action->satisfied = "nothing: weir does not log metrics";
		weir_mixer_yaml_note(&loading->set->notes, action->at, "warning",
			"weir does not log metrics: %s goes nowhere at handler %s", action->instance->name,
			action->handler->name);
	} else if ((template == WEIR_TEMPLATE_METRIC) != (adapter == WEIR_ADAPTER_PROMETHEUS) ||
		   (template == WEIR_TEMPLATE_LOGENTRY) != (adapter == WEIR_ADAPTER_STDIO)) {
		return weir_node_wrong(action->at, loading->error, "a %s is nothing for the adapter %s",
			action->instance->type, action->handler->type);
	}
	return 0;
}

static int action_compile(struct weir_ruleset_loading *loading, struct weir_ruleset_rule *rule,
	const struct weir_mixer_part *handler, const struct weir_node *at)
{
	struct weir_ruleset_action *action = weir_arena_zalloc(&loading->set->arena, sizeof(*action));
	int r;

	if (action == NULL) {
		return -ENOMEM;
	}
	if (at->kind != WEIR_NODE_TEXT || at->is_null) {
		return weir_node_wrong(at, loading->error, "expected the name of an instance");
	}
	action->handler = handler;
	action->at = at;
	action->instance = weir_mixer_yaml_find(loading->mixer.instances, at->text.data, rule->from->namespace_);
	if (action->instance == NULL) {
		return weir_node_wrong(
			at, loading->error, "rule %s: there is no instance %.128s", rule->from->name, at->text.data);
	}
	r = action_judge(loading, action);
	*rule->last_action = action;
	rule->last_action = &action->next;
	return r;
}

static int actions_compile(
	struct weir_ruleset_loading *loading, struct weir_ruleset_rule *rule, const struct weir_node *node)
{
	static const char *const fields[] = { "handler", "instances", "name", NULL };
	const struct weir_node *handler_node = weir_node_get(node, "handler"), *list = weir_node_get(node, "instances");
	const struct weir_mixer_part *handler;
	int r;

	if (node->kind != WEIR_NODE_MAP || handler_node == NULL || handler_node->kind != WEIR_NODE_TEXT) {
		return weir_node_wrong(node, loading->error, "an action has a handler, and instances");
	}
	r = weir_mixer_yaml_fields(node, fields, "an action", loading->error);
	if (r != 0) {
		return r;
	}
	handler = weir_mixer_yaml_find(loading->mixer.handlers, handler_node->text.data, rule->from->namespace_);
	if (handler == NULL) {
		return weir_node_wrong(handler_node, loading->error, "rule %s: there is no handler %.128s",
			rule->from->name, handler_node->text.data);
	}
	if (list != NULL && list->kind != WEIR_NODE_LIST && !list->is_null) {
		return weir_node_wrong(list, loading->error, "expected a list of instances");
	}
	for (const struct weir_node *at = list != NULL ? list->first : NULL; at != NULL && r == 0; at = at->next) {
		r = action_compile(loading, rule, handler, at);
	}
	return r;
}

/* Istio 1.0 tells rules for HTTP from those for TCP by a label, where they have no match. */
static int protocol_compile(struct weir_ruleset_loading *loading, struct weir_ruleset_rule *rule)
{
	const char *protocol = rule->from->protocol, *text;
	struct weir_expression_error error;

	if (protocol == NULL) {
		return 0;
	}
	if (strcmp(protocol, "tcp") == 0) {
		text = "(context.protocol | \"\") == \"tcp\"";
	} else if (strcmp(protocol, "http") == 0) {
		text = "(context.protocol | \"\") != \"tcp\"";
	} else {
		weir_mixer_yaml_note(&loading->set->notes, rule->from->at, "warning",
			"rule %s: the label istio-protocol is http or tcp; %.64s is passed over", rule->from->name,
			protocol);
		return 0;
	}
	return weir_expression_compile(
		&loading->set->arena, weir_str_of(text), WEIR_TYPE_BOOL, &rule->protocol, &error);
}

static int rule_compile(struct weir_ruleset_loading *loading, struct weir_ruleset_rule *rule)
{
	const struct weir_node *match = weir_node_get(rule->from->spec, "match");
	const struct weir_node *actions = weir_node_get(rule->from->spec, "actions");
	int r = protocol_compile(loading, rule);

	rule->last_action = &rule->actions;
	if (r == 0 && match != NULL && !(match->kind == WEIR_NODE_TEXT && match->text.length == 0)) {
		r = weir_ruleset_compile(loading, match, WEIR_TYPE_BOOL, &rule->match);
	}
	if (r == 0 && actions != NULL && actions->kind != WEIR_NODE_LIST && !actions->is_null) {
		r = weir_node_wrong(actions, loading->error, "expected a list of actions");
	}
	for (const struct weir_node *node = actions != NULL ? actions->first : NULL; node != NULL && r == 0;
		node = node->next) {
		r = actions_compile(loading, rule, node);
	}
	return r;
}

int weir_ruleset_compile_rules(struct weir_ruleset_loading *loading)
{
	struct weir_ruleset *set = loading->set;
	int r = 0;

	set->rules = weir_arena_zalloc(&set->arena, (loading->mixer.rule_count + 1) * sizeof(*set->rules));
	if (set->rules == NULL) {
		return -ENOMEM;
	}
	for (const struct weir_mixer_rule *from = loading->mixer.rules; from != NULL && r == 0; from = from->next) {
		struct weir_ruleset_rule *rule = &set->rules[set->rule_count++];

		rule->from = from;
		r = rule_compile(loading, rule);
	}
	return r;
}
