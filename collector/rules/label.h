/* label: one label of a series as text, and names made fit for Prometheus. */
#ifndef WEIR_RULES_LABEL_H
#define WEIR_RULES_LABEL_H

#include <stdbool.h>

#include "base/buf.h"
#include "base/str.h"

#define WEIR_LABEL_VALUE_MAX 1024u /* bytes of a value before escaping */

/* Backslashes and line ends escaped, and quotes if `has_quotes`, appended. */
void weir_label_escape(struct weir_buf *text, struct weir_str value, bool has_quotes);

/* `name="value"`, escaped, with a comma before it when `text` is not empty. The
 * value is cut to WEIR_LABEL_VALUE_MAX, between UTF-8 characters. True: it was too long. */
bool weir_label_add(struct weir_buf *text, struct weir_str name, struct weir_str value);

enum weir_label_style {
	WEIR_LABEL_PLAIN,    /* every foreign character becomes one `_` */
	WEIR_LABEL_SQUEEZED, /* a run of them, and of `_`, becomes one `_` */
};

/* Adds `name` with only letters, digits and `_` in it. `keeps_colon`: as a
 * metric's name may have. A digit that would be first gets `_` before it. */
void weir_label_add_name(struct weir_buf *text, struct weir_str name, enum weir_label_style style, bool keeps_colon);

#endif
