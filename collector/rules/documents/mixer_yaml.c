/* mixer_yaml: from documents to Mixer's parts.
 *
 *   config.istio.io   instance, handler, rule, attributemanifest       Istio 1.1 and later
 *                     metric, logentry, tracespan, kubernetes          instances of 1.0: the spec is the params
 *                     prometheus, stdio, kubernetesenv, zipkin         handlers of 1.0, likewise
 *                     adapter, template                                noted: descriptors of Mixer's own
 *                     any other                                        a warning; a rule that needs it does nothing
 *   any other group   noted and passed over: a file may hold a whole installation
 *   kind List         its items, as documents
 *
 * A document without a namespace is in whichever one a reference to it names:
 * files are often applied with a namespace on the command line.
 *
 * Invariants
 *  1. Two parts of a sort never have the same name, kind and namespace.
 *  2. What weir does not do is never passed over without a line saying so. */
#include "rules/documents/mixer_yaml.h"

#include <errno.h>
#include <stdio.h>

#include "rules/attribute.h"
#include "rules/sentence.h"

#define NAME_MAX_BYTES 253u /* of a Kubernetes object */

struct reading {
	struct weir_mixer *mixer;
	struct weir_mixer_part **last_instance, **last_handler;
	struct weir_mixer_rule **last_rule;
	struct weir_ruleset_error *error;
};

struct word {
	const char *text;
	int is;
};

static const struct word templates[] = { { "metric", WEIR_TEMPLATE_METRIC }, { "logentry", WEIR_TEMPLATE_LOGENTRY },
	{ "tracespan", WEIR_TEMPLATE_TRACESPAN }, { "kubernetes", WEIR_TEMPLATE_KUBERNETES } };
static const struct word adapters[] = { { "prometheus", WEIR_ADAPTER_PROMETHEUS }, { "stdio", WEIR_ADAPTER_STDIO },
	{ "kubernetesenv", WEIR_ADAPTER_KUBERNETESENV }, { "zipkin", WEIR_ADAPTER_ZIPKIN } };

static int word_find(const struct word *words, size_t count, const char *text, int otherwise)
{
	for (size_t i = 0; i < count; i++) {
		if (strcmp(words[i].text, text) == 0) {
			return words[i].is;
		}
	}
	return otherwise;
}

void weir_mixer_yaml_note(struct weir_buf *notes, const struct weir_node *at, const char *kind, const char *format, ...)
{
	char text[512];
	va_list arguments;

	va_start(arguments, format);
	vsnprintf(text, sizeof(text), format, arguments);
	va_end(arguments);
	weir_sentence_repair(text);
	weir_buf_addf(notes, "%s:%u:%u: %s: %s\n", at->file->path, at->line, at->column, kind, text);
}

int weir_mixer_yaml_fields(
	const struct weir_node *map, const char *const *names, const char *what, struct weir_ruleset_error *ret_error)
{
	uint64_t seen = 0;

	for (const struct weir_node *child = map->first; child != NULL; child = child->next) {
		size_t i = 0;

		while (names[i] != NULL && !weir_node_name_is(child->key, names[i])) {
			i++;
		}
		if (names[i] == NULL) {
			return weir_node_key_wrong(child, ret_error, "%s has no field `%.64s`", what, child->key.data);
		}
		if (seen & (UINT64_C(1) << i)) {
			return weir_node_key_wrong(child, ret_error, "the field `%s` stands here twice", names[i]);
		}
		seen |= UINT64_C(1) << i;
	}
	return 0;
}

/* ---- instances and handlers --------------------------------------------- */

static int name_take(
	struct reading *reading, const struct weir_node *document, const char **ret_name, const char **ret_namespace)
{
	const struct weir_node *metadata = weir_node_get(document, "metadata");
	const char *name = weir_node_get_text(metadata, "name"),
		   *namespace_ = weir_node_get_text(metadata, "namespace");

	if (name == NULL || *name == '\0') {
		return weir_node_wrong(
			metadata != NULL ? metadata : document, reading->error, "a document needs metadata.name");
	}
	if (strlen(name) > NAME_MAX_BYTES) {
		return weir_node_wrong(weir_node_get(metadata, "name"), reading->error,
			"metadata.name is longer than %u bytes", NAME_MAX_BYTES);
	}
	*ret_name = name;
	*ret_namespace = namespace_ != NULL ? namespace_ : "";
	return 0;
}

static int part_add(struct reading *reading, struct weir_mixer_part ***last, struct weir_mixer_part *parts,
	const struct weir_mixer_part *from)
{
	struct weir_mixer_part *part;

	for (const struct weir_mixer_part *other = parts; other != NULL; other = other->next) {
		if (strcmp(other->name, from->name) == 0 && strcmp(other->kind, from->kind) == 0 &&
			strcmp(other->namespace_, from->namespace_) == 0) {
			return weir_node_wrong(from->at, reading->error,
				"%s %s stands here a second time; first in %s:%u", from->kind, from->name,
				other->at->file->path, other->at->line);
		}
	}
	part = weir_arena_alloc(reading->mixer->arena, sizeof(*part));
	if (part == NULL) {
		return -ENOMEM;
	}
	*part = *from;
	**last = part;
	*last = &part->next;
	return 0;
}

static int params_check(struct reading *reading, const struct weir_mixer_part *part)
{
	if (part->params != NULL && part->params->kind != WEIR_NODE_MAP && !part->params->is_null) {
		return weir_node_wrong(
			part->params, reading->error, "%s %s: expected a map of fields", part->kind, part->name);
	}
	return 0;
}

static int instance_add(struct reading *reading, struct weir_mixer_part *part, const struct weir_node *spec)
{
	static const char *const fields[] = { "compiledTemplate", "template", "params", "attributeBindings", NULL };
	int r = 0;

	if (strcmp(part->kind, "instance") != 0) { /* 1.0: the spec is the params, bindings among them */
		part->type = part->kind;
		part->params = spec;
		part->bindings = weir_node_get(spec, "attribute_bindings");
	} else {
		part->type = weir_node_get_text(spec, "compiledTemplate");
		if (part->type == NULL) {
			part->type = weir_node_get_text(spec, "template");
		}
		if (part->type == NULL) {
			return weir_node_wrong(
				part->at, reading->error, "instance %s needs spec.compiledTemplate", part->name);
		}
		r = weir_mixer_yaml_fields(spec, fields, "an instance", reading->error);
		part->params = weir_node_get(spec, "params");
		part->bindings = weir_node_get(spec, "attribute_bindings");
	}
	part->is = word_find(templates, sizeof(templates) / sizeof(templates[0]), part->type, WEIR_TEMPLATE_OTHER);
	if (part->is == WEIR_TEMPLATE_OTHER) {
		weir_mixer_yaml_note(reading->mixer->notes, part->at, "warning",
			"instance %s: weir makes nothing of %s; rules that use it leave it out", part->name,
			part->type);
	}
	r = r != 0 ? r : params_check(reading, part);
	return r != 0 ? r : part_add(reading, &reading->last_instance, reading->mixer->instances, part);
}

static int handler_add(struct reading *reading, struct weir_mixer_part *part, const struct weir_node *spec)
{
	static const char *const fields[] = { "compiledAdapter", "adapter", "params", "connection", NULL };
	int r = 0;

	if (strcmp(part->kind, "handler") != 0) {
		part->type = part->kind;
		part->params = spec;
	} else {
		part->type = weir_node_get_text(spec, "compiledAdapter");
		if (part->type == NULL) {
			part->type = weir_node_get_text(spec, "adapter");
		}
		if (part->type == NULL) {
			return weir_node_wrong(
				part->at, reading->error, "handler %s needs spec.compiledAdapter", part->name);
		}
		r = weir_mixer_yaml_fields(spec, fields, "a handler", reading->error);
		part->params = weir_node_get(spec, "params");
	}
	part->is = word_find(adapters, sizeof(adapters) / sizeof(adapters[0]), part->type, WEIR_ADAPTER_OTHER);
	if (part->is == WEIR_ADAPTER_OTHER) {
		weir_mixer_yaml_note(reading->mixer->notes, part->at, "warning",
			"handler %s: weir has no adapter %s; what rules send to it goes nowhere", part->name,
			part->type);
	}
	r = r != 0 ? r : params_check(reading, part);
	return r != 0 ? r : part_add(reading, &reading->last_handler, reading->mixer->handlers, part);
}

/* A kind of config.istio.io that weir does not know: it may be either. */
static int other_add(struct reading *reading, struct weir_mixer_part *part)
{
	struct weir_mixer_part handler = *part;
	int r;

	weir_mixer_yaml_note(reading->mixer->notes, part->at, "warning",
		"weir makes nothing of a %s; rules that use %s leave it out", part->kind, part->name);
	part->type = handler.type = part->kind;
	part->is = WEIR_TEMPLATE_OTHER;
	handler.is = WEIR_ADAPTER_OTHER;
	r = part_add(reading, &reading->last_instance, reading->mixer->instances, part);
	return r != 0 ? r : part_add(reading, &reading->last_handler, reading->mixer->handlers, &handler);
}

/* Mixer's own namespace, whose rules were everybody's. */
static const char mixers_namespace[] = "istio-system";

/* What of a rule weir does not do. */
static void rule_note(struct reading *reading, const struct weir_mixer_rule *rule)
{
	for (const struct weir_node *child = rule->spec->first; child != NULL; child = child->next) {
		if (weir_node_name_is(child->key, "sampling") || weir_str_ends_with(child->key, "Operations")) {
			weir_mixer_yaml_note(reading->mixer->notes, child, "warning",
				"rule %s: weir does not do `%s`; the rest of the rule works", rule->name,
				child->key.data);
		}
	}
	if (*rule->namespace_ != '\0' && strcmp(rule->namespace_, mixers_namespace) != 0 &&
		strcmp(rule->at->file->path, "builtin") != 0) {
		weir_mixer_yaml_note(reading->mixer->notes, rule->at, "warning",
			"rule %s: Mixer applied it to requests of the namespace %s only, weir applies it to all: say so "
			"in its match, or leave its namespace out",
			rule->name, rule->namespace_);
	}
}

static int rule_add(struct reading *reading, const struct weir_node *document, const struct weir_node *spec)
{
	static const char *const fields[] = { "match", "actions", "requestHeaderOperations", "responseHeaderOperations",
		"sampling", NULL };
	struct weir_mixer_rule *rule = weir_arena_zalloc(reading->mixer->arena, sizeof(*rule));
	int r;

	if (rule == NULL) {
		return -ENOMEM;
	}
	r = name_take(reading, document, &rule->name, &rule->namespace_);
	if (r != 0) {
		return r;
	}
	if (spec == NULL || spec->kind != WEIR_NODE_MAP) {
		return weir_node_wrong(document, reading->error, "rule %s needs a spec with actions", rule->name);
	}
	if (reading->mixer->rule_count++ == WEIR_MIXER_RULES_MAX) {
		return weir_node_wrong(document, reading->error, "more than %u rules", WEIR_MIXER_RULES_MAX);
	}
	r = weir_mixer_yaml_fields(spec, fields, "a rule", reading->error);
	for (const struct weir_mixer_rule *other = reading->mixer->rules; other != NULL && r == 0;
		other = other->next) {
		if (strcmp(other->name, rule->name) == 0 && strcmp(other->namespace_, rule->namespace_) == 0) {
			r = weir_node_wrong(document, reading->error,
				"rule %s stands here a second time; first in %s:%u", rule->name, other->at->file->path,
				other->at->line);
		}
	}
	rule->at = document;
	rule->spec = spec;
	rule->protocol =
		weir_node_get_text(weir_node_get(weir_node_get(document, "metadata"), "labels"), "istio-protocol");
	*reading->last_rule = rule;
	reading->last_rule = &rule->next;
	if (r == 0) {
		rule_note(reading, rule);
	}
	return r;
}

/* ---- manifests ---------------------------------------------------------- */

static int type_find(struct weir_str name, enum weir_type *ret)
{
	for (unsigned type = WEIR_TYPE_STRING; type < WEIR_TYPES; type++) {
		if (weir_str_is(name, weir_type_name(type))) {
			*ret = (enum weir_type)type;
			return 0;
		}
	}
	return -EINVAL;
}

static int attribute_check(struct reading *reading, const struct weir_node *declared)
{
	const struct weir_node *value = weir_node_get(declared, "valueType");
	enum weir_attribute attribute;
	enum weir_type type;

	if (value == NULL || value->kind != WEIR_NODE_TEXT || type_find(value->text, &type) != 0) {
		return weir_node_wrong(value != NULL ? value : declared, reading->error,
			"attribute %.128s needs a valueType: STRING, INT64, DOUBLE, BOOL, TIMESTAMP, IP_ADDRESS, "
			"EMAIL_ADDRESS, URI, DNS_NAME, DURATION or STRING_MAP",
			declared->key.data);
	}
	if (!weir_attribute_find(declared->key, &attribute)) {
		weir_mixer_yaml_note(reading->mixer->notes, declared, "note",
			"attribute %.128s: nothing that weir takes tells it; expressions cannot read it",
			declared->key.data);
	} else if (weir_attribute_type(attribute) != type) {
		return weir_node_wrong(value, reading->error, "attribute %s is of type %s, not %s",
			weir_attribute_name(attribute), weir_type_name(weir_attribute_type(attribute)),
			value->text.data);
	}
	return 0;
}

static int manifest_check(struct reading *reading, const struct weir_node *document, const struct weir_node *spec)
{
	const struct weir_node *attributes = weir_node_get(spec, "attributes");
	int r = 0;

	if (attributes == NULL || attributes->kind != WEIR_NODE_MAP) {
		return weir_node_wrong(attributes != NULL ? attributes : document, reading->error,
			"an attributemanifest needs spec.attributes, a map");
	}
	for (const struct weir_node *child = attributes->first; child != NULL && r == 0; child = child->next) {
		r = attribute_check(reading, child);
	}
	return r;
}

/* ---- documents ---------------------------------------------------------- */

static int document_take(struct reading *reading, const struct weir_node *document, unsigned depth);

static int list_take(struct reading *reading, const struct weir_node *document, unsigned depth)
{
	const struct weir_node *items = weir_node_get(document, "items");
	int r = 0;

	if (depth > 1 || items == NULL || (items->kind != WEIR_NODE_LIST && !items->is_null)) {
		return weir_node_wrong(
			items != NULL ? items : document, reading->error, "a List needs items, no Lists");
	}
	for (const struct weir_node *item = items->first; item != NULL && r == 0; item = item->next) {
		r = document_take(reading, item, depth + 1);
	}
	return r;
}

static int mixer_document_take(struct reading *reading, const struct weir_node *document, const char *kind)
{
	const struct weir_node *spec = weir_node_get(document, "spec");
	struct weir_mixer_part part = { .kind = kind, .at = document };
	int r;

	if (strcmp(kind, "attributemanifest") == 0) {
		return manifest_check(reading, document, spec);
	}
	if (strcmp(kind, "rule") == 0) {
		return rule_add(reading, document, spec);
	}
	if (strcmp(kind, "adapter") == 0 || strcmp(kind, "template") == 0) {
		weir_mixer_yaml_note(reading->mixer->notes, document, "note",
			"%s passed over: it describes what Mixer calls over gRPC", kind);
		return 0;
	}
	r = name_take(reading, document, &part.name, &part.namespace_);
	if (r != 0) {
		return r;
	}
	if (strcmp(kind, "instance") == 0 ||
		word_find(templates, sizeof(templates) / sizeof(templates[0]), kind, -1) >= 0) {
		return instance_add(reading, &part, spec);
	}
	if (strcmp(kind, "handler") == 0 ||
		word_find(adapters, sizeof(adapters) / sizeof(adapters[0]), kind, -1) >= 0) {
		return handler_add(reading, &part, spec);
	}
	return other_add(reading, &part);
}

static const char mixers[] = "config.istio.io/";

/* Where a `---` is missing, two documents are one with two apiVersions. */
static bool is_any_version_mixers(const struct weir_node *document)
{
	for (const struct weir_node *child = document->first; child != NULL; child = child->next) {
		if (weir_str_is(child->key, "apiVersion") && child->kind == WEIR_NODE_TEXT &&
			weir_str_starts_with(child->text, mixers)) {
			return true;
		}
	}
	return false;
}

static int document_take(struct reading *reading, const struct weir_node *document, unsigned depth)
{
	const char *version = weir_node_get_text(document, "apiVersion"), *kind = weir_node_get_text(document, "kind");

	if (document->kind != WEIR_NODE_MAP || version == NULL || kind == NULL) {
		return weir_node_wrong(document, reading->error, "expected a document with apiVersion and kind");
	}
	if (strcmp(kind, "List") == 0) {
		return list_take(reading, document, depth);
	}
	if (document->doubled != NULL && is_any_version_mixers(document)) {
		return weir_node_key_wrong(document->doubled, reading->error,
			"the key `%.64s` stands here twice, first in line %u", document->doubled->key.data,
			document->doubled->doubled_line);
	}
	if (!weir_str_starts_with(weir_str_of(version), mixers)) {
		weir_mixer_yaml_note(
			reading->mixer->notes, document, "note", "%.128s passed over: it is no rule", kind);
		return 0;
	}
	return mixer_document_take(reading, document, kind);
}

int weir_mixer_yaml_read(const struct weir_documents *documents, struct weir_arena *arena, struct weir_buf *notes,
	struct weir_mixer *ret, struct weir_ruleset_error *ret_error)
{
	struct reading reading = { .mixer = ret,
		.last_instance = &ret->instances,
		.last_handler = &ret->handlers,
		.last_rule = &ret->rules,
		.error = ret_error };
	int r = 0;

	*ret = (struct weir_mixer){ .arena = arena, .notes = notes };
	for (const struct weir_node *document = documents->first; document != NULL && r == 0;
		document = document->next) {
		r = document_take(&reading, document, 0);
	}
	return r;
}

/* ---- references --------------------------------------------------------- */

/* Is `rest`, what follows a name (and a kind) in a reference, the part's namespace? */
static bool is_namespace(const struct weir_mixer_part *part, const char *rest, const char *seen_from)
{
	const char *wanted = *rest == '.' ? rest + 1 : seen_from;

	if (*rest != '\0' && *rest != '.') {
		return false;
	}
	return part->namespace_[0] == '\0' || *wanted == '\0' ? strchr(wanted, '.') == NULL
							      : strcmp(part->namespace_, wanted) == 0;
}

static const char *behind(const char *text, const char *prefix)
{
	size_t length = prefix != NULL ? strlen(prefix) : 0;

	return text != NULL && prefix != NULL && strncmp(text, prefix, length) == 0 ? text + length : NULL;
}

static bool is_named_by_kind(const struct weir_mixer_part *part, const char *reference, const char *seen_from)
{
	const char *rest = behind(reference, part->name);
	const char *by_kind = rest != NULL && *rest == '.' ? behind(rest + 1, part->kind) : NULL;
	const char *by_type = rest != NULL && *rest == '.' ? behind(rest + 1, part->type) : NULL;

	return (by_kind != NULL && is_namespace(part, by_kind, seen_from)) ||
	       (by_type != NULL && is_namespace(part, by_type, seen_from));
}

static bool is_named_shortly(const struct weir_mixer_part *part, const char *reference, const char *seen_from)
{
	const char *rest = behind(reference, part->name);

	return rest != NULL && is_namespace(part, rest, seen_from);
}

/* Of those that fit the one of the very namespace that the reference is seen from, else the first. */
static const struct weir_mixer_part *find(const struct weir_mixer_part *parts, const char *reference,
	const char *namespace_, bool (*is_named)(const struct weir_mixer_part *, const char *, const char *))
{
	const struct weir_mixer_part *found = NULL;

	for (const struct weir_mixer_part *part = parts; part != NULL; part = part->next) {
		if (is_named(part, reference, namespace_) &&
			(found == NULL || strcmp(found->namespace_, namespace_) != 0)) {
			found = found == NULL || strcmp(part->namespace_, namespace_) == 0 ? part : found;
		}
	}
	return found;
}

const struct weir_mixer_part *weir_mixer_yaml_find(
	const struct weir_mixer_part *parts, const char *reference, const char *namespace_)
{
	/* `handler.prometheus` names a kind before it may name a namespace. */
	const struct weir_mixer_part *found = find(parts, reference, namespace_, is_named_by_kind);

	return found != NULL ? found : find(parts, reference, namespace_, is_named_shortly);
}
