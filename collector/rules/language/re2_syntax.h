/* re2_syntax: is a pattern RE2's, and how PCRE2 has to read it. */
#ifndef WEIR_RULES_RE2_SYNTAX_H
#define WEIR_RULES_RE2_SYNTAX_H

#include "base/str.h"

/* NULL: the pattern is one as far as PCRE2 would not notice by itself, and
 * `ret_text`, with room for as many bytes, has what means the same to PCRE2,
 * byte for byte where it stood. Else what is wrong with it, a constant text, and
 * *ret_at is where. Any thread. */
const char *weir_re2_syntax_read(struct weir_str pattern, char *ret_text, size_t *ret_at);

#endif
