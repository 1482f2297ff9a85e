/* yaml_read: a pull reader over one YAML document, for files that an operator wrote.
 *
 * The part of YAML that configuration needs: maps, lists, texts. Anchors,
 * aliases, tags and further documents are refused, so a text cannot unfold into
 * more than it is; depth is bounded. Every event knows its line and column. */
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
	WEIR_YAML_END /* of the document; comes again at every further call */
};

struct weir_yaml;

struct weir_yaml_event {
	enum weir_yaml_kind kind;
	struct weir_str text; /* TEXT: its value, good until the next call; MALFORMED: a sentence */
	bool is_null;         /* TEXT: nothing, ~ or null without quotes */
	size_t line, column;  /* from 1 */
};

/* `text` must outlive the reader. 0 or -ENOMEM. */
int weir_yaml_open(struct weir_str text, struct weir_yaml **ret);
void weir_yaml_close(struct weir_yaml *yaml);

/* 0; MALFORMED (also at every further call; *ret says what and where); -ENOMEM. */
int weir_yaml_next(struct weir_yaml *yaml, struct weir_yaml_event *ret);

#endif
