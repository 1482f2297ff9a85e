/* base64: bytes as text of 64 letters, and back. */
#ifndef WEIR_BASE_BASE64_H
#define WEIR_BASE_BASE64_H

#include "base/str.h"

/* Letters for so many bytes, padding included. */
static inline size_t weir_base64_length(size_t bytes)
{
	return (bytes + 2) / 3 * 4;
}

/* The standard alphabet, padded, at `at`; returns what is behind. */
char *weir_base64_write(char *at, struct weir_str bytes);

enum { WEIR_BASE64_FOREIGN = 1, WEIR_BASE64_CUT = 2 }; /* a letter that is none; it ends within a byte */

/* The standard or the URL alphabet; padding, at most two, may be missing. What remains of the last letter's bits is not
 * looked at. `ret_bytes` has room for three for each four letters that were begun. 0 or an outcome. */
int weir_base64_read(struct weir_str text, void *ret_bytes, size_t *ret_length);

#endif
