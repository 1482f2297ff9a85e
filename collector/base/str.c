/* str: a borrowed run of bytes; see the header. */
#include "base/str.h"

#include <errno.h>
#include <limits.h>
#include <strings.h>

bool weir_str_starts_with(struct weir_str text, const char *prefix)
{
	size_t n = strlen(prefix);

	return text.length >= n && memcmp(text.data, prefix, n) == 0;
}

bool weir_str_ends_with(struct weir_str text, const char *suffix)
{
	size_t n = strlen(suffix);

	return text.length >= n && memcmp(text.data + text.length - n, suffix, n) == 0;
}

bool weir_str_equal_ignoring_case(struct weir_str a, const char *text)
{
	size_t n = strlen(text);

	return a.length == n && (n == 0 || strncasecmp(a.data, text, n) == 0);
}

void weir_str_copy_lower(char *to, struct weir_str text)
{
	for (size_t i = 0; i < text.length; i++) {
		to[i] = weir_str_lower(text.data[i]);
	}
}

struct weir_str weir_str_cut(struct weir_str *text, char separator)
{
	struct weir_str head = *text;
	const char *at = text->length ? memchr(text->data, separator, text->length) : NULL;

	if (at == NULL) {
		*text = (struct weir_str){ NULL, 0 };
		return head;
	}
	head.length = (size_t)(at - text->data);
	text->data = at + 1;
	text->length -= head.length + 1;
	return head;
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

struct weir_str weir_str_trim(struct weir_str text)
{
	while (text.length > 0 && is_blank(text.data[0])) {
		text.data++;
		text.length--;
	}
	while (text.length > 0 && is_blank(text.data[text.length - 1])) {
		text.length--;
	}
	return text;
}

int weir_str_to_u64(struct weir_str text, unsigned long long *ret)
{
	unsigned long long value = 0;

	if (text.length == 0) {
		return -EINVAL;
	}
	for (size_t i = 0; i < text.length; i++) {
		unsigned digit = (unsigned)(unsigned char)text.data[i] - '0';

		if (digit > 9) {
			return -EINVAL;
		}
		if (value > (ULLONG_MAX - digit) / 10) {
			return -ERANGE;
		}
		value = value * 10 + digit;
	}
	*ret = value;
	return 0;
}

int weir_str_to_i64(struct weir_str text, long long *ret)
{
	bool is_negative = text.length > 0 && text.data[0] == '-';
	unsigned long long value;
	int r;

	if (is_negative) {
		text.data++;
		text.length--;
	}
	r = weir_str_to_u64(text, &value);
	if (r < 0) {
		return r;
	}
	if (value > (unsigned long long)LLONG_MAX + (is_negative ? 1 : 0)) {
		return -ERANGE;
	}
	*ret = (long long)(is_negative ? 0 - value : value);
	return 0;
}
