/* ruleset_metrics: prometheus handlers: which metrics there are, in which groups.
 *
 * A handler's entry (name, instance_name, kind, buckets, label_names) and the
 * rules that lead its instance to this handler make a metric. An entry to which
 * no rule leads is no metric: Mixer would never have exposed it. A record
 * counts once in a metric, however many rules lead to it.
 *
 * Invariants
 *  1. Metrics of a group have equal label names and equal label expressions, in
 *     the same order.
 *  2. An id is a hash of the definition alone, so it is the same after a reload
 *     and a restart. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include <xxhash.h>

#include "rules/documents/buckets.h"
#include "rules/language/convert.h"
#include "rules/passthrough.h"
#include "rules/ruleset/ruleset_inside.h"

#define LABEL_NAMES_MAX 4096u /* bytes of a metric's: with short values a label text fits any table */

struct building {
	struct weir_ruleset_loading *loading;
	struct weir_metric *metrics;
	struct weir_metric_group *groups;
	const struct weir_node *places[WEIR_METRICS_MAX]; /* where each metric was told */
	struct weir_buf text;                             /* what is hashed */
};

/* What one entry of a handler says. */
struct entry {
	const struct weir_node *at, *labels;
	const struct weir_mixer_part *handler;
	const struct weir_ruleset_instance *instance;
	const char *name, *help;
	enum weir_metric_kind kind;
};

/* ---- names ---------------------------------------------------------------- */

/* As Mixer's adapter makes a name fit: a `/` at its front and every `-` go, `/`, `.` and blanks become `_`. */
static const char *safe_name(struct weir_arena *arena, const char *prefix, const char *name)
{
	size_t before = prefix != NULL ? strlen(prefix) : 0, length = 0;
	char *safe = weir_arena_alloc(arena, before + strlen(name) + 2);

	if (safe == NULL) {
		return NULL;
	}
	if (before > 0) {
		memcpy(safe, prefix, before);
		safe[before] = '_';
		length = before + 1;
	}
	for (name += *name == '/'; *name != '\0'; name++) {
		if (*name != '-') {
			safe[length++] = *name == '/' || *name == '.' || *name == ' ' ? '_' : *name;
		}
	}
	safe[length] = '\0';
	return safe;
}

static bool is_prometheus_name(const char *name, bool takes_colon)
{
	size_t length = strlen(name);

	for (size_t i = 0; i < length; i++) {
		char c = name[i];
		bool is_letter =
			(c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (takes_colon && c == ':');

		if (!is_letter && (i == 0 || c < '0' || c > '9')) {
			return false;
		}
	}
	return length > 0 && length <= 200;
}

static bool is_made_of(const char *whole, const char *name)
{
	static const char *const endings[] = { "", "_bucket", "_sum", "_count" };
	size_t length = strlen(name);

	for (size_t i = 0; i < sizeof(endings) / sizeof(endings[0]); i++) {
		if (strncmp(whole, name, length) == 0 && strcmp(whole + length, endings[i]) == 0) {
			return true;
		}
	}
	return false;
}

/* No sample of one may look like a sample of another. */
static bool are_alike(const struct weir_metric *a, const char *name, enum weir_metric_kind kind)
{
	return strcmp(a->name, name) == 0 || (a->kind == WEIR_METRIC_HISTOGRAM && is_made_of(name, a->name)) ||
	       (kind == WEIR_METRIC_HISTOGRAM && is_made_of(a->name, name));
}

static int name_check(struct building *building, const struct entry *entry, const struct weir_node *at)
{
	struct weir_schema *schema = &building->loading->set->schema;

	if (!is_prometheus_name(entry->name, true)) {
		return weir_node_wrong(at, building->loading->error, "`%.128s` is no name for a metric", entry->name);
	}
	if (strncmp(entry->name, "weir_", 5) == 0 || strncmp(entry->name, "traces_", 7) == 0) {
		return weir_node_wrong(at, building->loading->error,
			"%s: names that begin with weir_ and traces_ are weir's own", entry->name);
	}
	if (!weir_passthrough_is_free(weir_str_of(entry->name))) {
		return weir_node_wrong(
			at, building->loading->error, "%s: weir or Prometheus has a metric of this name", entry->name);
	}
	for (uint32_t i = 0; i < schema->metric_count; i++) {
		if (are_alike(&schema->metrics[i], entry->name, entry->kind)) {
			const struct weir_node *first = building->places[i];
			bool is_builtin = strcmp(first->file->path, "builtin") == 0;

			return weir_node_wrong(at, building->loading->error,
				"the metric %s stands here a second time; first as %s in %s:%u%s", entry->name,
				schema->metrics[i].name, first->file->path, first->line,
				is_builtin ? "; leave builtin out of metrics.rules to have this one" : "");
		}
	}
	return 0;
}

/* ---- an entry ------------------------------------------------------------- */

static int kind_read(struct building *building, const struct weir_node *at, struct entry *entry)
{
	static const char *const kinds[] = { "UNSPECIFIED", "GAUGE", "COUNTER", "DISTRIBUTION", NULL };
	const struct weir_node *node = weir_node_get(at, "kind");
	int kind = node != NULL ? weir_node_choice(node, kinds) : 0;

	if (kind <= 0) {
		return weir_node_wrong(node != NULL ? node : at, building->loading->error,
			"a metric's kind is COUNTER, GAUGE or DISTRIBUTION");
	}
	entry->kind = kind == 1 ? WEIR_METRIC_GAUGE : kind == 2 ? WEIR_METRIC_COUNTER : WEIR_METRIC_HISTOGRAM;
	return 0;
}

static int instance_find(struct building *building, const struct weir_node *at, struct entry *entry)
{
	const char *name = weir_node_get_text(at, "instance_name");
	const struct weir_node *node = weir_node_get(at, "instance_name");
	const struct weir_mixer_part *part;

	if (name == NULL) {
		return weir_node_wrong(at, building->loading->error, "a metric needs an instance_name");
	}
	part = weir_mixer_yaml_find(building->loading->mixer.instances, name, entry->handler->namespace_);
	if (part == NULL) {
		return weir_node_wrong(node, building->loading->error, "there is no instance %.128s", name);
	}
	if (part->is != WEIR_TEMPLATE_METRIC) {
		return weir_node_wrong(
			node, building->loading->error, "instance %s is a %s, not a metric", part->name, part->type);
	}
	entry->instance = weir_ruleset_instance_of(building->loading->set, part);
	return 0;
}

static int entry_read(struct building *building, const struct weir_node *at, struct entry *entry)
{
	static const char *const fields[] = { "name", "namespace", "instance_name", "description", "kind", "buckets",
		"label_names", NULL };
	struct weir_arena *arena = &building->loading->set->arena;
	const char *name = weir_node_get_text(at, "name"), *namespace_ = weir_node_get_text(at, "namespace");
	const char *help = weir_node_get_text(at, "description");
	int r;

	if (at->kind != WEIR_NODE_MAP) {
		return weir_node_wrong(at, building->loading->error, "a metric is a map of fields");
	}
	entry->at = at;
	entry->labels = weir_node_get(at, "label_names");
	r = weir_mixer_yaml_fields(at, fields, "a metric of a prometheus handler", building->loading->error);
	r = r != 0 ? r : instance_find(building, at, entry);
	r = r != 0 ? r : kind_read(building, at, entry);
	if (r != 0) {
		return r;
	}
	if (name == NULL || *name == '\0') { /* as Mixer does it */
		name = weir_node_get_text(at, "instance_name");
	}
	namespace_ = safe_name(arena, NULL, namespace_ != NULL && *namespace_ != '\0' ? namespace_ : "istio");
	entry->name = namespace_ != NULL ? safe_name(arena, namespace_, name) : NULL;
	entry->help = help != NULL && *help != '\0' ? help : name;
	if (entry->labels != NULL && entry->labels->kind != WEIR_NODE_LIST && !entry->labels->is_null) {
		return weir_node_wrong(entry->labels, building->loading->error, "label_names is a list");
	}
	if (entry->kind != WEIR_METRIC_HISTOGRAM && weir_node_get(at, "buckets") != NULL) {
		weir_mixer_yaml_note(&building->loading->set->notes, weir_node_get(at, "buckets"), "warning",
			"only a DISTRIBUTION has buckets");
	}
	return entry->name != NULL ? 0 : -ENOMEM;
}

/* ---- labels and groups ---------------------------------------------------- */

static int label_find(struct building *building, const struct entry *entry, const struct weir_node *at,
	struct weir_ruleset_term *labels, uint32_t count)
{
	const struct weir_ruleset_terms *terms = &entry->instance->terms;
	struct weir_arena *arena = &building->loading->set->arena;
	const char *name, *dimension;

	if (at->kind != WEIR_NODE_TEXT || at->is_null) {
		return weir_node_wrong(at, building->loading->error, "expected the name of a label");
	}
	name = safe_name(arena, NULL, at->text.data);
	if (name == NULL) {
		return -ENOMEM;
	}
	if (!is_prometheus_name(name, false) || strncmp(name, "__", 2) == 0 ||
		(entry->kind == WEIR_METRIC_HISTOGRAM && strcmp(name, "le") == 0)) {
		return weir_node_wrong(at, building->loading->error, "`%.128s` is no name for a label here", name);
	}
	for (uint32_t i = 0; i < count; i++) {
		if (strcmp(labels[i].name, name) == 0) {
			return weir_node_wrong(at, building->loading->error, "the label %s stands here twice", name);
		}
	}
	for (uint32_t i = 0; i < terms->count; i++) {
		dimension = safe_name(arena, NULL, terms->at[i].name);
		if (dimension == NULL) {
			return -ENOMEM;
		}
		if (strcmp(dimension, name) == 0) {
			labels[count] = terms->at[i];
			labels[count].name = name;
			return 0;
		}
	}
	return weir_node_wrong(at, building->loading->error, "the instance %s has no dimension for the label %s",
		entry->instance->part->name, name);
}

static int labels_find(
	struct building *building, const struct entry *entry, struct weir_ruleset_term **ret, uint32_t *ret_count)
{
	const struct weir_ruleset_terms *terms = &entry->instance->terms;
	const struct weir_node *list = entry->labels;
	uint32_t most = list != NULL ? list->count : 0, count = 0;
	struct weir_ruleset_term *labels;
	size_t bytes = 0;
	int r = 0;

	if (most > WEIR_RULESET_LABELS_MAX) {
		return weir_node_wrong(list, building->loading->error, "more than %u labels", WEIR_RULESET_LABELS_MAX);
	}
	labels = weir_arena_zalloc(&building->loading->set->arena, (most + 1) * sizeof(*labels));
	if (labels == NULL) {
		return -ENOMEM;
	}
	for (const struct weir_node *at = list != NULL ? list->first : NULL; at != NULL && r == 0; at = at->next) {
		r = label_find(building, entry, at, labels, count);
		bytes += r == 0 ? strlen(labels[count].name) : 0;
		count += r == 0;
	}
	if (r == 0 && bytes > LABEL_NAMES_MAX) {
		r = weir_node_wrong(list, building->loading->error, "names of labels of more than %u bytes in all",
			LABEL_NAMES_MAX);
	}
	for (uint32_t i = 0; r == 0 && i < terms->count; i++) {
		bool is_used = false;

		for (uint32_t j = 0; j < count; j++) {
			is_used = is_used || labels[j].expression == terms->at[i].expression;
		}
		if (!is_used) {
			r = weir_node_wrong(list != NULL ? list : entry->at, building->loading->error,
				"the dimension %s of the instance %s is no label of the metric %s", terms->at[i].name,
				entry->instance->part->name, entry->name);
		}
	}
	*ret = labels;
	*ret_count = count;
	return r;
}

static void labels_hash(struct building *building, const struct weir_ruleset_term *labels, uint32_t count)
{
	for (uint32_t i = 0; i < count; i++) {
		weir_buf_add_text(&building->text, labels[i].name);
		weir_buf_add_char(&building->text, '=');
		weir_buf_add_str(&building->text, labels[i].text);
		weir_buf_add_char(&building->text, '\n');
	}
}

/* The group of these labels, which is new if there was none. */
static int group_find(struct building *building, const struct entry *entry, struct weir_ruleset_term *labels,
	uint32_t count, uint32_t *ret)
{
	struct weir_ruleset *set = building->loading->set;
	const char **names;
	uint64_t id;

	weir_buf_clear(&building->text);
	labels_hash(building, labels, count);
	id = XXH3_64bits(building->text.data != NULL ? building->text.data : "", building->text.length);
	for (uint32_t i = 0; i < set->schema.group_count; i++) {
		if (building->groups[i].id == id) {
			*ret = i;
			return 0;
		}
	}
	if (set->schema.group_count == WEIR_GROUPS_MAX) {
		return weir_node_wrong(
			entry->at, building->loading->error, "more than %u different sets of labels", WEIR_GROUPS_MAX);
	}
	names = weir_arena_alloc(&set->arena, (count + 1) * sizeof(*names));
	if (names == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		names[i] = labels[i].name;
	}
	*ret = set->schema.group_count++;
	set->groups[*ret] = (struct weir_ruleset_group){ .labels = labels, .label_count = count };
	building->groups[*ret] = (struct weir_metric_group){ .label_names = names, .label_count = count, .id = id };
	return 0;
}

/* ---- metrics -------------------------------------------------------------- */

/* The rules that lead the instance here. False: none. */
static bool rules_find(struct building *building, const struct entry *entry, struct weir_ruleset_metric *metric)
{
	struct weir_ruleset *set = building->loading->set;
	bool is_led_to = false;

	for (uint32_t i = 0; i < set->rule_count; i++) {
		for (const struct weir_ruleset_action *action = set->rules[i].actions; action != NULL;
			action = action->next) {
			if (action->handler == entry->handler && action->instance == entry->instance->part) {
				metric->rules[i / 64] |= UINT64_C(1) << (i % 64);
				set->rules[i].counts = true;
				is_led_to = true;
			}
		}
	}
	return is_led_to;
}

/* What Istio's proxies count since 1.5; the seconds are what the first of them are to a Mixer. */
static bool is_proxys(const char *name)
{
	static const char *const names[] = { "istio_requests_total", "istio_request_duration_milliseconds",
		"istio_request_duration_seconds", "istio_request_bytes", "istio_response_bytes",
		"istio_request_messages_total", "istio_response_messages_total", "istio_tcp_sent_bytes_total",
		"istio_tcp_received_bytes_total", "istio_tcp_connections_opened_total",
		"istio_tcp_connections_closed_total" };

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			return true;
		}
	}
	return false;
}

static void value_prepare(const struct entry *entry, struct weir_ruleset_metric *metric, struct weir_metric *ret)
{
	enum weir_type type = weir_expression_type(entry->instance->value.expression);

	metric->value = entry->instance->value.expression;
	metric->form = weir_expression_form(metric->value, &metric->attribute, &metric->constant);
	ret->unit = type == WEIR_TYPE_DURATION ? WEIR_UNIT_DURATION
		    : type == WEIR_TYPE_INT64  ? WEIR_UNIT_WHOLE
					       : WEIR_UNIT_REAL;
}

/* Of all that makes the metric what it is. */
static uint64_t metric_id(struct building *building, const struct entry *entry, const struct weir_ruleset_metric *inner,
	const struct weir_metric *metric)
{
	const struct weir_ruleset *set = building->loading->set;
	const struct weir_ruleset_group *group = &set->groups[metric->group];

	weir_buf_clear(&building->text);
	weir_buf_addf(&building->text, "%s\n%d %d\n", metric->name, (int)metric->kind, (int)metric->unit);
	weir_buf_add(&building->text, metric->bounds, metric->bound_count * sizeof(*metric->bounds));
	weir_buf_add_str(&building->text, entry->instance->value.text);
	weir_buf_add_char(&building->text, '\n');
	labels_hash(building, group->labels, group->label_count);
	for (uint32_t i = 0; i < set->rule_count; i++) {
		if (inner->rules[i / 64] & (UINT64_C(1) << (i % 64))) {
			weir_buf_add_text(
				&building->text, set->rules[i].protocol != NULL ? set->rules[i].from->protocol : "");
			weir_buf_add_char(&building->text, '&');
			weir_buf_add_str(&building->text, set->rules[i].match.text);
			weir_buf_add_char(&building->text, '\n');
		}
	}
	return XXH3_64bits(building->text.data, building->text.length);
}

static int metric_add(struct building *building, const struct entry *entry)
{
	struct weir_ruleset *set = building->loading->set;
	struct weir_metric metric = { .name = entry->name, .help = entry->help, .kind = entry->kind };
	const struct weir_node *name = weir_node_get(entry->at, "name");
	struct weir_ruleset_metric inner = { 0 };
	struct weir_ruleset_term *labels = NULL;
	uint32_t label_count = 0;
	int r = name_check(building, entry, name != NULL ? name : entry->at);

	r = r != 0 ? r : labels_find(building, entry, &labels, &label_count);
	if (r == 0 && entry->kind == WEIR_METRIC_HISTOGRAM) {
		r = weir_buckets_read(weir_node_get(entry->at, "buckets"), &set->arena, &metric.bounds,
			&metric.bound_count, building->loading->error);
	}
	if (r == 0 && !rules_find(building, entry, &inner)) {
		weir_mixer_yaml_note(&set->notes, entry->at, "warning",
			"the metric %s is never counted: no rule leads to it", entry->name);
		return 0;
	}
	if (r == 0 && set->schema.metric_count == WEIR_METRICS_MAX) {
		r = weir_node_wrong(entry->at, building->loading->error, "more than %u metrics", WEIR_METRICS_MAX);
	}
	r = r != 0 ? r : group_find(building, entry, labels, label_count, &metric.group);
	if (r == 0 && building->groups[metric.group].metric_count == WEIR_GROUP_METRICS_MAX) {
		r = weir_node_wrong(entry->at, building->loading->error, "more than %u metrics of the same labels",
			WEIR_GROUP_METRICS_MAX);
	}
	if (r != 0) {
		return r;
	}
	metric.place = building->groups[metric.group].metric_count++;
	building->groups[metric.group].proxys |= (uint32_t)is_proxys(entry->name) << metric.place;
	value_prepare(entry, &inner, &metric);
	metric.id = metric_id(building, entry, &inner, &metric);
	building->places[set->schema.metric_count] = entry->at;
	building->metrics[set->schema.metric_count] = metric;
	set->metrics[set->schema.metric_count++] = inner;
	return weir_buf_error(&building->text);
}

/* ---- handlers ------------------------------------------------------------- */

static int expiry_read(struct weir_ruleset_loading *loading, const struct weir_node *policy)
{
	static const char *const fields[] = { "metrics_expiry_duration", "expiry_check_interval_duration", NULL };
	const struct weir_node *node;
	int64_t duration_ns;
	int r;

	if (policy == NULL || policy->is_null) {
		return 0;
	}
	if (policy->kind != WEIR_NODE_MAP) {
		return weir_node_wrong(policy, loading->error, "expected a map with metricsExpiryDuration");
	}
	r = weir_mixer_yaml_fields(policy, fields, "metricsExpirationPolicy", loading->error);
	node = weir_node_get(policy, "metrics_expiry_duration");
	if (r != 0 || node == NULL) {
		return r;
	}
	if (node->kind == WEIR_NODE_TEXT && weir_convert_duration(node->text, &duration_ns) && duration_ns > 0) {
		if ((uint64_t)duration_ns > loading->set->expiry_ns) {
			loading->set->expiry_ns = (uint64_t)duration_ns;
		}
		return 0;
	}
	return weir_node_wrong(node, loading->error, "metricsExpiryDuration is a duration above 0: 10m, 1h30m, 90s");
}

static int handler_build(struct building *building, const struct weir_mixer_part *handler)
{
	static const char *const fields[] = { "metrics", "metrics_expiration_policy", NULL };
	const struct weir_node *params = handler->params, *list = weir_node_get(params, "metrics");
	int r = 0;

	if (params == NULL || params->kind != WEIR_NODE_MAP) {
		return 0;
	}
	r = weir_mixer_yaml_fields(params, fields, "a prometheus handler", building->loading->error);
	r = r != 0 ? r : expiry_read(building->loading, weir_node_get(params, "metrics_expiration_policy"));
	if (r == 0 && list != NULL && list->kind != WEIR_NODE_LIST && !list->is_null) {
		r = weir_node_wrong(list, building->loading->error, "expected a list of metrics");
	}
	for (const struct weir_node *at = list != NULL ? list->first : NULL; at != NULL && r == 0; at = at->next) {
		struct entry entry = { .handler = handler };

		r = entry_read(building, at, &entry);
		r = r != 0 ? r : metric_add(building, &entry);
	}
	return r;
}

/* Is there an entry for every metric that a rule sends to a prometheus handler? */
static int actions_check(struct weir_ruleset_loading *loading, const struct weir_ruleset_action *action)
{
	for (; action != NULL; action = action->next) {
		const struct weir_node *list = weir_node_get(action->handler->params, "metrics");
		bool is_there = action->satisfied != NULL || action->handler->is != WEIR_ADAPTER_PROMETHEUS;

		for (const struct weir_node *at = list != NULL ? list->first : NULL; at != NULL && !is_there;
			at = at->next) {
			const char *name = weir_node_get_text(at, "instance_name");

			is_there = name != NULL && weir_mixer_yaml_find(loading->mixer.instances, name,
							   action->handler->namespace_) == action->instance;
		}
		if (!is_there) {
			return weir_node_wrong(action->at, loading->error,
				"the handler %s has no metric of the instance %s", action->handler->name,
				action->instance->name);
		}
	}
	return 0;
}

/* The metrics of each group by place. */
static int places_fill(struct building *building)
{
	struct weir_schema *schema = &building->loading->set->schema;

	for (uint32_t i = 0; i < schema->group_count; i++) {
		const struct weir_metric **metrics = weir_arena_alloc(
			&building->loading->set->arena, building->groups[i].metric_count * sizeof(*metrics));

		if (metrics == NULL) {
			return -ENOMEM;
		}
		for (uint32_t j = 0; j < schema->metric_count; j++) {
			if (building->metrics[j].group == i) {
				metrics[building->metrics[j].place] = &building->metrics[j];
			}
		}
		building->groups[i].metrics = metrics;
	}
	return 0;
}

int weir_ruleset_build_metrics(struct weir_ruleset_loading *loading)
{
	struct weir_ruleset *set = loading->set;
	struct building *building = weir_arena_zalloc(&set->arena, sizeof(*building));
	int r = 0;

	if (building == NULL) {
		return -ENOMEM;
	}
	building->loading = loading;
	building->metrics = weir_arena_zalloc(&set->arena, WEIR_METRICS_MAX * sizeof(*building->metrics));
	building->groups = weir_arena_zalloc(&set->arena, WEIR_GROUPS_MAX * sizeof(*building->groups));
	set->metrics = weir_arena_zalloc(&set->arena, WEIR_METRICS_MAX * sizeof(*set->metrics));
	set->groups = weir_arena_zalloc(&set->arena, WEIR_GROUPS_MAX * sizeof(*set->groups));
	if (building->metrics == NULL || building->groups == NULL || set->metrics == NULL || set->groups == NULL) {
		return -ENOMEM;
	}
	set->schema.metrics = building->metrics;
	set->schema.groups = building->groups;
	weir_buf_init(&building->text, 0);
	for (const struct weir_mixer_part *part = loading->mixer.handlers; part != NULL && r == 0; part = part->next) {
		if (part->is == WEIR_ADAPTER_PROMETHEUS) {
			r = handler_build(building, part);
		}
	}
	for (uint32_t i = 0; r == 0 && i < set->rule_count; i++) {
		r = actions_check(loading, set->rules[i].actions);
	}
	r = r != 0 ? r : places_fill(building);
	weir_buf_fini(&building->text);
	return r;
}
