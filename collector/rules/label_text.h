/* label_text: reads label texts: `reporter="source",path="a\\b",…`. */
#ifndef WEIR_RULES_LABEL_TEXT_H
#define WEIR_RULES_LABEL_TEXT_H

#include "base/buf.h"
#include "base/str.h"

struct weir_label_text {
	struct weir_str name, value; /* the value as it stands between its quotes */
};

/* The next label, which is cut off with its comma. 1; 0 at the text's end, or
 * at the `}` that ends it in a line; -EINVAL: it is no label text. */
int weir_label_text_next(struct weir_str *text, struct weir_label_text *ret_label);

/* A value without its escapes: where it lies when it has none, else appended to
 * `room` (data NULL when that fails). */
struct weir_str weir_label_text_unescape(struct weir_buf *room, struct weir_str value);

/* Its bytes without its escapes. */
size_t weir_label_text_length(struct weir_str value);

#endif
