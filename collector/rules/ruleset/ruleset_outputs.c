/* ruleset_outputs: stdio handlers, and which log entries go to them.
 *
 * Two handlers that name the same file are refused: their lines would be mixed,
 * and each would rotate under the other. Standard output and standard error may
 * have several. A handler to which no rule leads a logentry is no output. */
#include <errno.h>
#include <stdlib.h>

#include "rules/ruleset/ruleset_inside.h"

#define LOGS_MAX 256u
#define SEVERITIES_MAX 64u
#define MEBIBYTE (UINT64_C(1) << 20)

/* What Mixer's adapter has for want of others. */
#define ROTATE_MEBIBYTES 100u
#define ROTATE_DAYS 30u
#define ROTATE_FILES 1000u
#define ROTATE_FILES_MAX 100000u

static int level_read(struct weir_ruleset_loading *loading, const struct weir_node *node, enum weir_ruleset_level *ret)
{
	static const char *const names[] = { "INFO", "WARNING", "ERROR", NULL };
	int level = weir_node_choice(node, names);

	if (level < 0) {
		return weir_node_wrong(node, loading->error, "a level is INFO, WARNING or ERROR");
	}
	*ret = (enum weir_ruleset_level)level;
	return 0;
}

static int severities_read(
	struct weir_ruleset_loading *loading, const struct weir_node *map, struct weir_ruleset_stdio *stdio_)
{
	int r = 0;

	if (map == NULL || map->is_null) {
		return 0;
	}
	if (map->kind != WEIR_NODE_MAP || map->count > SEVERITIES_MAX) {
		return weir_node_wrong(
			map, loading->error, "expected a map of at most %u severities and levels", SEVERITIES_MAX);
	}
	stdio_->severities = weir_arena_alloc(&loading->set->arena, (map->count + 1) * sizeof(*stdio_->severities));
	if (stdio_->severities == NULL) {
		return -ENOMEM;
	}
	for (const struct weir_node *child = map->first; child != NULL && r == 0; child = child->next) {
		struct weir_ruleset_severity *severity = &stdio_->severities[stdio_->severity_count++];

		severity->name = child->key.data;
		r = level_read(loading, child, &severity->level);
	}
	return r;
}

static int number_read(struct weir_ruleset_loading *loading, const struct weir_node *params, const char *name,
	uint64_t otherwise, uint64_t most, uint64_t *ret)
{
	const struct weir_node *node = weir_node_get(params, name);
	unsigned long long number;

	*ret = otherwise;
	if (node == NULL) {
		return 0;
	}
	if (node->kind != WEIR_NODE_TEXT || weir_str_to_u64(node->text, &number) != 0 || number > most) {
		return weir_node_wrong(
			node, loading->error, "%s is a whole number up to %llu", name, (unsigned long long)most);
	}
	*ret = number;
	return 0;
}

static int stream_read(
	struct weir_ruleset_loading *loading, const struct weir_node *params, struct weir_ruleset_output *output)
{
	static const char *const streams[] = { "STDOUT", "STDERR", "FILE", "ROTATED_FILE", NULL };
	const struct weir_node *node = weir_node_get(params, "log_stream"),
			       *path = weir_node_get(params, "output_path");
	int stream = node != NULL ? weir_node_choice(node, streams) : 0;
	uint64_t mebibytes = 0, files = 0, days = 0;
	int r = 0;

	if (stream < 0) {
		return weir_node_wrong(node, loading->error, "logStream is STDOUT, STDERR, FILE or ROTATED_FILE");
	}
	output->sink = stream == 0 ? WEIR_SINK_STDOUT : stream == 1 ? WEIR_SINK_STDERR : WEIR_SINK_FILE;
	if ((output->sink == WEIR_SINK_FILE) !=
		(path != NULL && path->kind == WEIR_NODE_TEXT && path->text.length > 0)) {
		return weir_node_wrong(path != NULL   ? path
				       : node != NULL ? node
						      : params,
			loading->error, "outputPath stands with logStream FILE and ROTATED_FILE, and only there");
	}
	output->path = output->sink == WEIR_SINK_FILE ? path->text.data : NULL;
	r = number_read(loading, params, "max_megabytes_before_rotation", ROTATE_MEBIBYTES, 1u << 20, &mebibytes);
	r = r != 0 ? r : number_read(loading, params, "max_days_before_rotation", ROTATE_DAYS, 36500, &days);
	r = r != 0 ? r : number_read(loading, params, "max_rotated_files", ROTATE_FILES, ROTATE_FILES_MAX, &files);
	if (stream == 3) {
		output->max_size_bytes = (mebibytes > 0 ? mebibytes : ROTATE_MEBIBYTES) * MEBIBYTE;
		output->max_backups = files > 0 ? (uint32_t)files : ROTATE_FILES_MAX;
		output->max_age_days = (uint32_t)days;
	}
	return r;
}

static int stdio_read(
	struct weir_ruleset_loading *loading, const struct weir_mixer_part *handler, struct weir_ruleset_stdio *ret)
{
	static const char *const fields[] = { "log_stream", "severity_levels", "metric_level", "output_as_json",
		"output_level", "output_path", "max_megabytes_before_rotation", "max_days_before_rotation",
		"max_rotated_files", NULL };
	const struct weir_node *params = handler->params, *json = weir_node_get(params, "output_as_json");
	const struct weir_node *least = weir_node_get(params, "output_level");
	enum weir_ruleset_level ignored;
	int r = 0;

	*ret = (struct weir_ruleset_stdio){ .handler = handler, .is_json = true, .output.name = handler->name };
	if (params == NULL || params->kind != WEIR_NODE_MAP) {
		return 0;
	}
	r = weir_mixer_yaml_fields(params, fields, "a stdio handler", loading->error);
	if (r == 0 && json != NULL) {
		ret->is_json = json->kind == WEIR_NODE_TEXT && weir_str_is(json->text, "true");
		if (!ret->is_json && !(json->kind == WEIR_NODE_TEXT && weir_str_is(json->text, "false"))) {
			r = weir_node_wrong(json, loading->error, "outputAsJson is true or false");
		}
	}
	r = r != 0 || least == NULL ? r : level_read(loading, least, &ret->least);
	r = r != 0 || weir_node_get(params, "metric_level") == NULL
		    ? r
		    : level_read(loading, weir_node_get(params, "metric_level"), &ignored);
	r = r != 0 ? r : severities_read(loading, weir_node_get(params, "severity_levels"), ret);
	return r != 0 ? r : stream_read(loading, params, &ret->output);
}

static int output_add(struct weir_ruleset_loading *loading, const struct weir_ruleset_stdio *stdio_, uint32_t *ret)
{
	struct weir_ruleset *set = loading->set;

	for (uint32_t i = 0; i < set->output_count; i++) {
		const struct weir_ruleset_stdio *other = &set->outputs[i];

		if (other->output.path != NULL && stdio_->output.path != NULL &&
			strcmp(other->output.path, stdio_->output.path) == 0) {
			return weir_node_wrong(stdio_->handler->at, loading->error,
				"handlers %s and %s write to the same file, %.256s", other->output.name,
				stdio_->output.name, stdio_->output.path);
		}
	}
	if (set->output_count == WEIR_RULESET_OUTPUTS_MAX) {
		return weir_node_wrong(stdio_->handler->at, loading->error, "more than %u handlers that write logs",
			WEIR_RULESET_OUTPUTS_MAX);
	}
	*ret = set->output_count++;
	set->outputs[*ret] = *stdio_;
	return 0;
}

/* "accesslog.instance.istio-system": what Mixer calls an instance in its logs. */
static const char *full_name(struct weir_arena *arena, const struct weir_mixer_part *part)
{
	size_t length = strlen(part->name) + strlen(part->kind) + strlen(part->namespace_) + 3;
	char *name = weir_arena_alloc(arena, length);

	if (name != NULL) {
		strcpy(name, part->name);
		strcat(strcat(name, "."), part->kind);
		if (*part->namespace_ != '\0') {
			strcat(strcat(name, "."), part->namespace_);
		}
	}
	return name;
}

static int log_add(
	struct weir_ruleset_loading *loading, uint32_t rule, uint32_t output, const struct weir_ruleset_action *action)
{
	struct weir_ruleset *set = loading->set;
	struct weir_ruleset_log log = { .rule = rule,
		.output = output,
		.instance = weir_ruleset_instance_of(set, action->instance),
		.name = full_name(&set->arena, action->instance) };

	if (log.name == NULL) {
		return -ENOMEM;
	}
	if (set->log_count == LOGS_MAX) {
		return weir_node_wrong(action->at, loading->error, "rules send more than %u log entries", LOGS_MAX);
	}
	set->logs[set->log_count++] = log;
	return 0;
}

static int handler_build(struct weir_ruleset_loading *loading, const struct weir_mixer_part *handler)
{
	struct weir_ruleset *set = loading->set;
	struct weir_ruleset_stdio stdio_;
	uint32_t output = UINT32_MAX;
	int r = stdio_read(loading, handler, &stdio_);

	for (uint32_t i = 0; i < set->rule_count && r == 0; i++) {
		const struct weir_ruleset_action *action = set->rules[i].actions;

		for (; action != NULL && r == 0; action = action->next) {
			if (action->handler != handler || action->satisfied != NULL) {
				continue;
			}
			r = output == UINT32_MAX ? output_add(loading, &stdio_, &output) : 0;
			r = r != 0 ? r : log_add(loading, i, output, action);
		}
	}
	return r;
}

int weir_ruleset_build_outputs(struct weir_ruleset_loading *loading)
{
	struct weir_ruleset *set = loading->set;
	int r = 0;

	set->outputs = weir_arena_zalloc(&set->arena, WEIR_RULESET_OUTPUTS_MAX * sizeof(*set->outputs));
	set->logs = weir_arena_zalloc(&set->arena, LOGS_MAX * sizeof(*set->logs));
	if (set->outputs == NULL || set->logs == NULL) {
		return -ENOMEM;
	}
	for (const struct weir_mixer_part *part = loading->mixer.handlers; part != NULL && r == 0; part = part->next) {
		if (part->is == WEIR_ADAPTER_STDIO) {
			r = handler_build(loading, part);
		}
	}
	return r;
}
