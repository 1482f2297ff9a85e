/* escape: what stands behind a backslash; see the header.
 *
 *   \a \b \f \n \r \t \v \\ and the quote     that character
 *   \ooo  \xhh                                a byte, by three octal or two hex digits
 *   \uhhhh  \Uhhhhhhhh                        a character, as UTF-8; no surrogate
 *
 * Any thread; no state. */
#include "rules/language/escape.h"

#include "base/hex.h"
#include "base/utf8.h"

/* `count` digits, the first at `*at`; -1: one is missing, and *at is where. */
static int64_t digits_read(struct weir_str text, size_t *at, unsigned count, int base)
{
	int64_t number = 0;

	for (unsigned i = 0; i < count; i++, (*at)++) {
		int digit = *at < text.length ? weir_hex_digit((unsigned char)text.data[*at]) : -1;

		if (digit < 0 || digit >= base) {
			return -1;
		}
		number = number * base + digit;
	}
	return number;
}

int weir_escape_read(struct weir_str text, char quote, char *to, size_t *ret_size, size_t *ret_read)
{
	static const char names[] = "abfnrtv\\", meanings[] = "\a\b\f\n\r\t\v\\";
	char c = text.length > 0 ? text.data[0] : '\0';
	const char *name = c != '\0' ? strchr(names, c) : NULL;
	bool is_octal = c >= '0' && c <= '7', is_byte = is_octal || c == 'x';
	size_t begin = is_octal ? 0 : 1, at = begin;
	int64_t number;

	if (name != NULL || (c == quote && text.length > 0)) {
		to[0] = name != NULL ? meanings[name - names] : quote;
		*ret_size = *ret_read = 1;
		return 0;
	}
	if (!is_byte && c != 'u' && c != 'U') {
		*ret_read = 0;
		return WEIR_ESCAPE_UNKNOWN;
	}
	number = digits_read(text, &at, is_octal ? 3 : c == 'x' ? 2 : c == 'u' ? 4 : 8, is_octal ? 8 : 16);
	if (number < 0) {
		*ret_read = at;
		return WEIR_ESCAPE_DIGITS;
	}
	if (number > (is_byte ? 0xff : 0x10ffff) || (number >= 0xd800 && number < 0xe000)) {
		*ret_read = begin;
		return WEIR_ESCAPE_CHARACTER;
	}
	to[0] = (char)number;
	*ret_size = is_byte ? 1 : weir_utf8_write((uint32_t)number, to);
	*ret_read = at;
	return 0;
}
