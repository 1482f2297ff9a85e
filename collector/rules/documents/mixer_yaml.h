/* mixer_yaml: Mixer's configuration as documents say it, in both generations:
 * instances (what is made of a record), handlers (where it goes) and rules
 * (when). Expressions are not compiled here; references are found here. */
#ifndef WEIR_RULES_MIXER_YAML_H
#define WEIR_RULES_MIXER_YAML_H

#include "rules/documents/document.h"

#define WEIR_MIXER_RULES_MAX 256u

enum weir_mixer_template { /* what an instance is */
	WEIR_TEMPLATE_METRIC,
	WEIR_TEMPLATE_LOGENTRY,
	WEIR_TEMPLATE_TRACESPAN,
	WEIR_TEMPLATE_KUBERNETES,
	WEIR_TEMPLATE_OTHER, /* one that weir makes nothing of */
};

enum weir_mixer_adapter { /* what a handler is */
	WEIR_ADAPTER_PROMETHEUS,
	WEIR_ADAPTER_STDIO,
	WEIR_ADAPTER_KUBERNETESENV,
	WEIR_ADAPTER_ZIPKIN,
	WEIR_ADAPTER_OTHER, /* one that weir does not have */
};

struct weir_mixer_part {                  /* an instance or a handler */
	const char *name, *namespace_;    /* namespace: "" when the document names none */
	const char *kind;                 /* of the document: metric, instance, prometheus, handler, … */
	const char *type;                 /* of the template or adapter: metric, prometheus, … */
	int is;                           /* enum weir_mixer_template, or _adapter */
	const struct weir_node *at;       /* the document */
	const struct weir_node *params;   /* NULL: none */
	const struct weir_node *bindings; /* attribute bindings of an instance, or NULL */
	struct weir_mixer_part *next;
};

struct weir_mixer_rule {
	const char *name, *namespace_;
	const char *protocol; /* the label istio-protocol of Istio 1.0: only these records; NULL: all */
	const struct weir_node *at, *spec;
	struct weir_mixer_rule *next;
};

struct weir_mixer {
	struct weir_mixer_part *instances, *handlers;
	struct weir_mixer_rule *rules;
	uint32_t rule_count;
	struct weir_buf *notes; /* of who loads: a line for whatever is passed over */
	struct weir_arena *arena;
};

/* Everything lives in the arena and the documents. Notes are added to `notes`:
 * "FILE:LINE:COLUMN: note: …" or "…: warning: …". 0; WEIR_RULESET_WRONG; -ENOMEM. */
int weir_mixer_yaml_read(const struct weir_documents *documents, struct weir_arena *arena, struct weir_buf *notes,
	struct weir_mixer *ret, struct weir_ruleset_error *ret_error);

/* What a reference names, seen from a namespace: `name`, `name.kind`,
 * `name.namespace` or `name.kind.namespace`. NULL: nothing. */
const struct weir_mixer_part *weir_mixer_yaml_find(
	const struct weir_mixer_part *parts, const char *reference, const char *namespace_);

/* Is every key of the map among the names (NULL ends them), and none twice?
 * `what` is said in the error. 0 or WEIR_RULESET_WRONG. */
int weir_mixer_yaml_fields(
	const struct weir_node *map, const char *const *names, const char *what, struct weir_ruleset_error *ret_error);

void weir_mixer_yaml_note(struct weir_buf *notes, const struct weir_node *at, const char *kind, const char *format, ...)
	__attribute__((format(printf, 4, 5)));

#endif
