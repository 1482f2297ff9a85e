/* json_scan: the grammar of escapes and numbers, in one place: the reader
 * checks them, the readers of their values rely on it. Private to the JSON
 * files; inline, because every number and every escape goes through it. */
#ifndef WEIR_BASE_JSON_SCAN_H
#define WEIR_BASE_JSON_SCAN_H

#include <stddef.h>

#include "base/hex.h"

/* Behind the escape that begins at `at` (a backslash), or NULL. */
static inline const char *weir_json_skip_escape(const char *at, const char *end)
{
	if (end - at < 2) {
		return NULL;
	}
	switch (at[1]) {
	case '"':
	case '\\':
	case '/':
	case 'b':
	case 'f':
	case 'n':
	case 'r':
	case 't':
		return at + 2;
	case 'u':
		if (end - at < 6) {
			return NULL;
		}
		for (int i = 2; i < 6; i++) {
			if (weir_hex_digit(at[i]) < 0) {
				return NULL;
			}
		}
		return at + 6;
	default:
		return NULL;
	}
}

static inline const char *weir_json_skip_digits(const char *at, const char *end)
{
	while (at < end && *at >= '0' && *at <= '9') {
		at++;
	}
	return at;
}

/* Behind the number at `at`, or NULL with *ret_bad where it went wrong. */
static inline const char *weir_json_skip_number(const char *at, const char *end, const char **ret_bad)
{
	const char *digits;

	if (at < end && *at == '-') {
		at++;
	}
	digits = at;
	at = at < end && *at == '0' ? at + 1 : weir_json_skip_digits(at, end);
	if (at == digits) {
		goto bad;
	}
	if (at < end && *at == '.') {
		digits = ++at;
		at = weir_json_skip_digits(at, end);
		if (at == digits) {
			goto bad;
		}
	}
	if (at < end && (*at == 'e' || *at == 'E')) {
		at++;
		if (at < end && (*at == '+' || *at == '-')) {
			at++;
		}
		digits = at;
		at = weir_json_skip_digits(at, end);
		if (at == digits) {
			goto bad;
		}
	}
	return at;
bad:
	*ret_bad = at;
	return NULL;
}

#endif
