/* json_text: what a string's and a number's text mean.
 *
 * A string: bytes as they are, escapes as UTF-8. A value is never longer than
 * its text (six bytes of an escape become at most three, twelve become four),
 * so the caller's block of the text's size is enough.
 *
 * A number: digits * 10^scale, with the zeros at the digits' end put into the
 * scale. It is an integer exactly if the scale is not negative then, and that
 * is found out without a double, which would lose the last digits of a
 * timestamp.
 *
 * No state, no allocation; any thread. */
#include "base/json_read.h"

#include <errno.h>

#include "base/err.h"
#include "base/json_scan.h"
#include "base/utf8.h"

/* The four digits were checked by the reader (invariant 4). */
static uint32_t hex4(const char *at)
{
	uint32_t unit = 0;

	for (int i = 0; i < 4; i++) {
		int digit = weir_hex_digit(at[i]);

		weir_assert(digit >= 0);
		unit = unit << 4 | (uint32_t)digit;
	}
	return unit;
}

/* `at` is at "\uXXXX", and may be the first half of a surrogate pair. */
static const char *unescape_unit(const char *at, const char *end, char **to)
{
	uint32_t point = hex4(at + 2), low;

	at += 6;
	if (point >= 0xd800 && point < 0xe000) {
		low = point < 0xdc00 && end - at >= 6 && at[0] == '\\' && at[1] == 'u' ? hex4(at + 2) : 0;
		if (low >= 0xdc00 && low < 0xe000) {
			point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
			at += 6;
		} else {
			point = 0xfffd; /* half a pair means nothing */
		}
	}
	*to += weir_utf8_write(point, *to);
	return at;
}

size_t weir_json_unescape(struct weir_str raw, char *out)
{
	static const char letters[] = "\"\\/bfnrt", values[] = "\"\\/\b\f\n\r\t";
	const char *at = raw.data, *end;
	char *to = out;

	if (raw.length == 0) {
		return 0;
	}
	end = at + raw.length;
	while (at < end) {
		const char *slash = memchr(at, '\\', (size_t)(end - at)), *until = slash != NULL ? slash : end;

		memcpy(to, at, (size_t)(until - at));
		to += until - at;
		at = until;
		if (at == end) {
			break;
		}
		weir_assert(weir_json_skip_escape(at, end) != NULL);
		if (at[1] == 'u') {
			at = unescape_unit(at, end, &to);
		} else {
			*to++ = values[strchr(letters, at[1]) - letters];
			at += 2;
		}
	}
	return (size_t)(to - out);
}

size_t weir_json_escape(unsigned char c, char *to)
{
	static const char values[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
	const char *value = c != '\0' ? strchr(values, c) : NULL;

	to[0] = '\\';
	if (value != NULL) {
		to[1] = letters[value - values];
		return 2;
	}
	memcpy(to + 1, "u00", 3);
	weir_hex_write(to + 4, &c, 1);
	return 6;
}

/* The exponent's value; beyond anything that an int64_t can make use of it
 * stays where it is, since a text is far shorter than that. */
static int64_t exponent_of(const char *at, const char *end)
{
	bool is_negative = at < end && *at == '-';
	int64_t value = 0;

	if (at < end && (*at == '-' || *at == '+')) {
		at++;
	}
	for (; at < end; at++) {
		if (value < (int64_t)1 << 50) {
			value = value * 10 + (*at - '0');
		}
	}
	return is_negative ? -value : value;
}

/* The number is digits * 10^scale, digits without zeros at its end. */
static bool significant_digits(const char *at, const char *end, uint64_t *ret_digits, int64_t *ret_scale)
{
	uint64_t digits = 0;
	int64_t zeros = 0, fraction = 0;
	bool is_fraction = false, fits = true;

	for (; at < end && *at != 'e' && *at != 'E'; at++) {
		if (*at == '.') {
			is_fraction = true;
			continue;
		}
		fraction += is_fraction ? 1 : 0;
		if (*at == '0') {
			zeros++;
			continue;
		}
		/* Zeros before the first digit mean nothing; those between count now. */
		for (zeros = digits != 0 ? zeros + 1 : 0; fits && zeros > 0; zeros--) {
			fits = !__builtin_mul_overflow(digits, 10u, &digits);
		}
		zeros = 0;
		fits = fits && !__builtin_add_overflow(digits, (uint64_t)(*at - '0'), &digits);
	}
	*ret_digits = digits;
	*ret_scale = zeros - fraction + (at < end ? exponent_of(at + 1, end) : 0);
	return fits;
}

int weir_json_to_i64(struct weir_str number, int64_t *ret)
{
	const char *at = number.data, *end, *bad = NULL;
	bool is_negative, fits;
	uint64_t digits;
	int64_t scale;

	if (number.length == 0) {
		return -EINVAL;
	}
	end = at + number.length;
	if (weir_json_skip_number(at, end, &bad) != end) {
		return -EINVAL;
	}
	is_negative = *at == '-';
	fits = significant_digits(at + is_negative, end, &digits, &scale);
	if (digits == 0 && fits) {
		*ret = 0;
		return 0;
	}
	if (scale < 0) {
		return -EINVAL;
	}
	for (; fits && scale > 0; scale--) {
		fits = !__builtin_mul_overflow(digits, 10u, &digits);
	}
	if (!fits || digits > (uint64_t)INT64_MAX + (is_negative ? 1 : 0)) {
		return -ERANGE;
	}
	*ret = is_negative ? (int64_t)(0 - digits) : (int64_t)digits;
	return 0;
}
