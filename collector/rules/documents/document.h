/* document: rule documents as trees, each node with its place, so that whatever
 * is wrong with one can be said at file:line:column. */
#ifndef WEIR_RULES_DOCUMENT_H
#define WEIR_RULES_DOCUMENT_H

#include <stdarg.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/str.h"
#include "rules/ruleset.h"

#define WEIR_DOCUMENTS_MAX 4096u        /* of a rule set */
#define WEIR_DOCUMENT_NODES_MAX 200000u /* of one text */

enum weir_node_kind { WEIR_NODE_MAP, WEIR_NODE_LIST, WEIR_NODE_TEXT };

struct weir_file { /* where nodes came from */
	const char *path;
	struct weir_str text;
};

struct weir_node {
	enum weir_node_kind kind;
	bool is_null; /* a text that is nothing, ~ or null */
	uint32_t line, column, key_line, key_column;
	uint32_t count;       /* of children */
	struct weir_str text; /* TEXT; NUL-terminated */
	struct weir_str key;  /* a map's child: its key; NUL-terminated */
	const struct weir_file *file;
	struct weir_node *first, *next;
	/* The first child, of it or of what is in it, whose key its map has twice; NULL: none. */
	const struct weir_node *doubled;
	uint32_t doubled_line; /* of such a child: where the key stood before */
};

struct weir_documents { /* the roots of all documents read so far, in order, without empty ones */
	struct weir_node *first, **last;
	uint32_t count;
};

void weir_documents_init(struct weir_documents *documents);

/* Adds a text's documents; it is YAML, of which JSON is a part. Everything lives
 * in the arena; path and text must live as long. 0; WEIR_RULESET_WRONG; -ENOMEM. */
int weir_documents_read(struct weir_documents *documents, struct weir_arena *arena, const char *path,
	struct weir_str text, struct weir_ruleset_error *ret_error);

/* The map's child of this name; NULL: none, or no map. Names are compared
 * without case and `_`: both spellings of a protobuf field, label_names and labelNames. */
const struct weir_node *weir_node_get(const struct weir_node *map, const char *name);
/* Its text; NULL: none, or not a text, or null. */
const char *weir_node_get_text(const struct weir_node *map, const char *name);
bool weir_node_name_is(struct weir_str key, const char *name);
/* Which of the names the text is, or the number of: protobuf's JSON has an
 * enumeration as either. The last name is NULL. Negative: none of them. */
int weir_node_choice(const struct weir_node *node, const char *const *names);

/* Says what is wrong at the node, at its key, or within the text of the node (an
 * expression's error). Always WEIR_RULESET_WRONG. */
int weir_node_wrong(const struct weir_node *node, struct weir_ruleset_error *ret_error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int weir_node_key_wrong(const struct weir_node *node, struct weir_ruleset_error *ret_error, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
int weir_node_text_wrong(const struct weir_node *node, size_t line, size_t column, struct weir_ruleset_error *ret_error,
	const char *why);

#endif
