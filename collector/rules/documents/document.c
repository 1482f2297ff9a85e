/* document: YAML events, kept as a tree.
 *
 * Invariants
 *  1. A key that a map has twice is marked, up to the document: a rule with one
 *     is refused. What is no rule may have them (installations of Istio do).
 *  2. Every node knows its file, line and column; those of a map their key's.
 *  3. A text's tree has at most WEIR_DOCUMENT_NODES_MAX nodes, a rule set
 *     WEIR_DOCUMENTS_MAX documents; the depth is the reader's.
 *
 * Runs while a rule set is loaded: any one thread. */
#include "rules/documents/document.h"

#include <errno.h>
#include <stdio.h>

#include "base/yaml_read.h"
#include "rules/sentence.h"

#define KEYS_COMPARED 1024u /* a map with more keys is refused: duplicates are looked for pair by pair */

struct reading {
	struct weir_arena *arena;
	struct weir_yaml *yaml;
	const struct weir_file *file;
	struct weir_ruleset_error *error;
	uint32_t nodes;
};

void weir_documents_init(struct weir_documents *documents)
{
	*documents = (struct weir_documents){ 0 };
	documents->last = &documents->first;
}

/* ---- what is wrong, and where ------------------------------------------- */

static void say(struct weir_ruleset_error *error, const struct weir_file *file, size_t line, size_t column)
{
	/* The path may be longer than the place is allowed to be: its end says more. */
	size_t length = strlen(file->path), most = sizeof(error->where) - 48;

	snprintf(error->where, sizeof(error->where), "%s:%zu:%zu", file->path + (length > most ? length - most : 0),
		line, column);
}

static int __attribute__((format(printf, 2, 0)))
because(struct weir_ruleset_error *error, const char *format, va_list arguments)
{
	vsnprintf(error->why, sizeof(error->why), format, arguments);
	weir_sentence_repair(error->why);
	return WEIR_RULESET_WRONG;
}

int weir_node_wrong(const struct weir_node *node, struct weir_ruleset_error *ret_error, const char *format, ...)
{
	va_list arguments;
	int r;

	say(ret_error, node->file, node->line, node->column);
	va_start(arguments, format);
	r = because(ret_error, format, arguments);
	va_end(arguments);
	return r;
}

int weir_node_key_wrong(const struct weir_node *node, struct weir_ruleset_error *ret_error, const char *format, ...)
{
	va_list arguments;
	int r;

	say(ret_error, node->file, node->key_line, node->key_column);
	va_start(arguments, format);
	r = because(ret_error, format, arguments);
	va_end(arguments);
	return r;
}

int weir_node_text_wrong(
	const struct weir_node *node, size_t line, size_t column, struct weir_ruleset_error *ret_error, const char *why)
{
	struct weir_yaml_place place = weir_yaml_find(node->file->text,
		(struct weir_yaml_place){ node->line, node->column }, (struct weir_yaml_place){ line, column });

	say(ret_error, node->file, place.line, place.column);
	snprintf(ret_error->why, sizeof(ret_error->why), "%s", why);
	return WEIR_RULESET_WRONG;
}

/* ---- reading ------------------------------------------------------------ */

static int next(struct reading *reading, struct weir_yaml_event *ret)
{
	int r = weir_yaml_next(reading->yaml, ret);

	if (r == WEIR_YAML_MALFORMED) {
		say(reading->error, reading->file, ret->line, ret->column);
		snprintf(reading->error->why, sizeof(reading->error->why), "%.*s", (int)ret->text.length,
			ret->text.data);
		return WEIR_RULESET_WRONG;
	}
	return r;
}

static int node_make(struct reading *reading, const struct weir_yaml_event *event, struct weir_node **ret)
{
	struct weir_node *node = weir_arena_zalloc(reading->arena, sizeof(*node));

	if (node == NULL) {
		return -ENOMEM;
	}
	node->file = reading->file;
	node->line = (uint32_t)event->line;
	node->column = (uint32_t)event->column;
	if (++reading->nodes > WEIR_DOCUMENT_NODES_MAX) {
		return weir_node_wrong(
			node, reading->error, "the file holds more than %u values", WEIR_DOCUMENT_NODES_MAX);
	}
	switch (event->kind) {
	case WEIR_YAML_MAP:
		node->kind = WEIR_NODE_MAP;
		break;
	case WEIR_YAML_LIST:
		node->kind = WEIR_NODE_LIST;
		break;
	default:
		node->kind = WEIR_NODE_TEXT;
		node->is_null = event->is_null;
		if (memchr(event->text.data, '\0', event->text.length) != NULL) {
			return weir_node_wrong(node, reading->error, "a text with a zero byte in it");
		}
		node->text = weir_arena_copy(reading->arena, event->text);
		if (node->text.data == NULL) {
			return -ENOMEM;
		}
		break;
	}
	*ret = node;
	return 0;
}

/* The key that a map's next child has; the event is of that key. */
static int key_take(struct reading *reading, const struct weir_node *map, const struct weir_yaml_event *event,
	struct weir_str *ret_key)
{
	struct weir_node at = {
		.file = reading->file, .line = (uint32_t)event->line, .column = (uint32_t)event->column
	};

	if (event->kind != WEIR_YAML_TEXT || memchr(event->text.data, '\0', event->text.length) != NULL) {
		return weir_node_wrong(&at, reading->error, "expected a key");
	}
	if (map->count >= KEYS_COMPARED) {
		return weir_node_wrong(&at, reading->error, "a map with more than %u keys", KEYS_COMPARED);
	}
	*ret_key = weir_arena_copy(reading->arena, event->text);
	return ret_key->data != NULL ? 0 : -ENOMEM;
}

static void doubled_mark(struct weir_node *map, struct weir_node *child)
{
	for (const struct weir_node *other = map->first; other != child; other = other->next) {
		if (weir_str_equal(other->key, child->key)) {
			child->doubled_line = other->key_line;
			map->doubled = map->doubled != NULL ? map->doubled : child;
			return;
		}
	}
}

/* The children of an opened map or list, up to its end. Recursion is bounded by WEIR_YAML_DEPTH. */
static int children_read(struct reading *reading, struct weir_node *parent)
{
	struct weir_node **last = &parent->first, *child;
	struct weir_yaml_event event;
	int r;

	while ((r = next(reading, &event)) == 0 && event.kind != WEIR_YAML_CLOSE) {
		struct weir_str key = { NULL, 0 };
		uint32_t key_line = (uint32_t)event.line, key_column = (uint32_t)event.column;

		if (parent->kind == WEIR_NODE_MAP) {
			r = key_take(reading, parent, &event, &key);
			r = r != 0 ? r : next(reading, &event);
		}
		r = r != 0 ? r : node_make(reading, &event, &child);
		if (r == 0) {
			child->key = key;
			child->key_line = key_line;
			child->key_column = key_column;
			*last = child;
			last = &child->next;
			parent->count++;
			if (parent->kind == WEIR_NODE_MAP) {
				doubled_mark(parent, child);
			}
		}
		if (r == 0 && child->kind != WEIR_NODE_TEXT) {
			r = children_read(reading, child);
			parent->doubled = parent->doubled != NULL ? parent->doubled : child->doubled;
		}
		if (r != 0) {
			return r;
		}
	}
	return r;
}

static int all_read(struct reading *reading, struct weir_documents *documents)
{
	struct weir_yaml_event event;
	struct weir_node *root = NULL;
	int r;

	while ((r = next(reading, &event)) == 0 && event.kind != WEIR_YAML_END) {
		if (event.kind == WEIR_YAML_DOCUMENT) {
			continue;
		}
		r = node_make(reading, &event, &root);
		if (r == 0 && root->kind != WEIR_NODE_TEXT) {
			r = children_read(reading, root);
		}
		if (r == 0 && documents->count == WEIR_DOCUMENTS_MAX) {
			r = weir_node_wrong(
				root, reading->error, "more than %u documents in the rules", WEIR_DOCUMENTS_MAX);
		}
		if (r != 0) {
			return r;
		}
		if (!root->is_null) {
			*documents->last = root;
			documents->last = &root->next;
			documents->count++;
		}
	}
	return r;
}

int weir_documents_read(struct weir_documents *documents, struct weir_arena *arena, const char *path,
	struct weir_str text, struct weir_ruleset_error *ret_error)
{
	struct weir_file *file = weir_arena_zalloc(arena, sizeof(*file));
	struct reading reading = { .arena = arena, .file = file, .error = ret_error };
	int r;

	if (file == NULL) {
		return -ENOMEM;
	}
	*file = (struct weir_file){ .path = path, .text = text };
	r = weir_yaml_open_all(text, &reading.yaml);
	if (r == 0) {
		r = all_read(&reading, documents);
	}
	weir_yaml_close(reading.yaml);
	return r;
}

/* ---- looking up --------------------------------------------------------- */

bool weir_node_name_is(struct weir_str key, const char *name)
{
	size_t i = 0;

	for (;; i++, name++) {
		while (i < key.length && key.data[i] == '_') {
			i++;
		}
		while (*name == '_') {
			name++;
		}
		if (i >= key.length || *name == '\0') {
			return i >= key.length && *name == '\0';
		}
		if (weir_str_lower(key.data[i]) != weir_str_lower(*name)) {
			return false;
		}
	}
}

const struct weir_node *weir_node_get(const struct weir_node *map, const char *name)
{
	if (map == NULL || map->kind != WEIR_NODE_MAP) {
		return NULL;
	}
	for (const struct weir_node *child = map->first; child != NULL; child = child->next) {
		if (weir_node_name_is(child->key, name)) {
			return child;
		}
	}
	return NULL;
}

const char *weir_node_get_text(const struct weir_node *map, const char *name)
{
	const struct weir_node *node = weir_node_get(map, name);

	return node != NULL && node->kind == WEIR_NODE_TEXT && !node->is_null ? node->text.data : NULL;
}

int weir_node_choice(const struct weir_node *node, const char *const *names)
{
	unsigned long long number;
	int count = 0;

	if (node->kind != WEIR_NODE_TEXT || node->is_null) {
		return -EINVAL;
	}
	for (; names[count] != NULL; count++) {
		if (weir_str_is(node->text, names[count])) {
			return count;
		}
	}
	return weir_str_to_u64(node->text, &number) == 0 && number < (unsigned)count ? (int)number : -EINVAL;
}
