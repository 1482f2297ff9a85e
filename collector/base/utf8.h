/* utf8: is it, and if not, make it (RFC 3629: no surrogates, no overlong forms). */
#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

#include "base/str.h"

bool weir_utf8_is_valid(struct weir_str text);

/* Writes `text` to `out` with U+FFFD for each maximal invalid part (Unicode 15,
 * section 3.9). `out` has room for 3 * length bytes. Returns the bytes written. */
size_t weir_utf8_repair(struct weir_str text, char *out);

#endif
