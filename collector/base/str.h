/* str: a borrowed run of bytes, with its length; never NUL-terminated.
 *
 * Nobody owns a weir_str: whoever hands one out says how long it lives. */
#ifndef WEIR_BASE_STR_H
#define WEIR_BASE_STR_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

struct weir_str {
	const char *data;
	size_t length;
};

/* A weir_str over a string literal or a NUL-terminated string. */
static inline struct weir_str weir_str_of(const char *text)
{
	return (struct weir_str){ text, text ? strlen(text) : 0 };
}

static inline struct weir_str weir_str_make(const char *data, size_t length)
{
	return (struct weir_str){ data, length };
}

static inline bool weir_str_equal(struct weir_str a, struct weir_str b)
{
	return a.length == b.length && (a.length == 0 || memcmp(a.data, b.data, a.length) == 0);
}

static inline bool weir_str_is(struct weir_str a, const char *text)
{
	return weir_str_equal(a, weir_str_of(text));
}

bool weir_str_starts_with(struct weir_str text, const char *prefix);
bool weir_str_ends_with(struct weir_str text, const char *suffix);

/* ASCII only, as header names and Zipkin's names want it. */
bool weir_str_equal_ignoring_case(struct weir_str a, const char *text);

/* ASCII letters in lower case, other bytes as they are. */
static inline char weir_str_lower(char c)
{
	return c >= 'A' && c <= 'Z' ? (char)(c | 0x20) : c;
}
/* The whole text so, to room of its size. */
void weir_str_copy_lower(char *to, struct weir_str text);

/* Splits at the first `separator`: the part before it is returned and *text
 * becomes the part behind it. Without a separator the whole is returned and
 * *text becomes empty (data NULL). */
struct weir_str weir_str_cut(struct weir_str *text, char separator);

/* Without ASCII blanks and tabs at both ends. */
struct weir_str weir_str_trim(struct weir_str text);

/* Decimal digits only (a leading '-' for the signed one), the whole text.
 * 0, or -EINVAL (no number) or -ERANGE; *ret is set only on success. */
int weir_str_to_u64(struct weir_str text, unsigned long long *ret);
int weir_str_to_i64(struct weir_str text, long long *ret);

#endif
