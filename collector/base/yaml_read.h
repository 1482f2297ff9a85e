/* yaml_read: a pull reader over YAML, for files that an operator wrote.
 *
 * The part of YAML that configuration needs: maps, lists, texts. Anchors,
 * aliases and tags are refused, so a text cannot unfold into more than it is;
 * depth is bounded. Every event knows its line and column. A text is one
 * document, or, opened so, several with `---` between them. */
#ifndef WEIR_BASE_YAML_READ_H
#define WEIR_BASE_YAML_READ_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

#define WEIR_YAML_DEPTH 32u

enum { WEIR_YAML_MALFORMED = 1 }; /* outcome */

enum weir_yaml_kind {
	WEIR_YAML_MAP,   /* keys and values in turn until CLOSE */
	WEIR_YAML_LIST,  /* elements until CLOSE */
	WEIR_YAML_CLOSE, /* of the innermost map or list */
	WEIR_YAML_TEXT,
	WEIR_YAML_DOCUMENT, /* one begins; only of a reader opened with weir_yaml_open_all */
	WEIR_YAML_END       /* of the text; comes again at every further call */
};

struct weir_yaml;

struct weir_yaml_event {
	enum weir_yaml_kind kind;
	struct weir_str text; /* TEXT: its value, good until the next call; MALFORMED: a sentence */
	bool is_null;         /* TEXT: nothing, ~ or null without quotes */
	size_t line, column;  /* from 1 */
};

/* `text` must outlive the reader. 0 or -ENOMEM. */
int weir_yaml_open(struct weir_str text, struct weir_yaml **ret); /* a second document is MALFORMED */
int weir_yaml_open_all(struct weir_str text, struct weir_yaml **ret);
void weir_yaml_close(struct weir_yaml *yaml);

/* 0; MALFORMED (also at every further call; *ret says what and where); -ENOMEM. */
int weir_yaml_next(struct weir_yaml *yaml, struct weir_yaml_event *ret);

struct weir_yaml_place {
	size_t line, column; /* from 1 */
};

/* Where a place within the value of a TEXT stands in the text that was read:
 * `scalar` is where its event was, `within` counts the value's own lines and
 * columns. Exact where the value stands on one line, plain or quoted, and in a
 * literal block (|); in a folded one the line of the block's first text. */
struct weir_yaml_place weir_yaml_find(
	struct weir_str text, struct weir_yaml_place scalar, struct weir_yaml_place within);

#endif
