/* escape: what stands behind a backslash in a text between quotes, as Go has it:
 * in expressions, and in selectors, whose language took it over. */
#ifndef WEIR_RULES_ESCAPE_H
#define WEIR_RULES_ESCAPE_H

#include "base/str.h"

#define WEIR_ESCAPE_MAX 4u /* bytes that one stands for; never more than it is written with */

enum {                             /* outcomes */
	WEIR_ESCAPE_UNKNOWN = 1,   /* no escape begins so */
	WEIR_ESCAPE_DIGITS = 2,    /* fewer digits than it takes */
	WEIR_ESCAPE_CHARACTER = 3, /* the number is no byte, or no character */
};

/* `text` begins behind the backslash and may go on; `quote` is the one that may
 * be escaped. 0: *ret_size bytes at `to` (room for WEIR_ESCAPE_MAX) are meant by
 * *ret_read bytes. Else an outcome, and *ret_read is where in `text` it is wrong. */
int weir_escape_read(struct weir_str text, char quote, char *to, size_t *ret_size, size_t *ret_read);

#endif
