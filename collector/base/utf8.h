/* utf8: is it, and if not, make it (RFC 3629: no surrogates, no overlong forms). */
#ifndef WEIR_BASE_UTF8_H
#define WEIR_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/str.h"

bool weir_utf8_is_valid(struct weir_str text);

/* Writes `text` to `out` with U+FFFD for each maximal invalid part (Unicode 15,
 * section 3.9). `out` has room for 3 * length bytes. Returns the bytes written. */
size_t weir_utf8_repair(struct weir_str text, char *out);

/* A code point (not above 0x10ffff) as UTF-8, at `to`: one to four bytes; returns how many. */
size_t weir_utf8_write(uint32_t point, char *to);

/* At most `most_bytes` of the text, cut between characters. */
struct weir_str weir_utf8_cut(struct weir_str text, size_t most_bytes);

#endif
