/* utf8: the check every string of every span goes through, and the repair.
 *
 * Nearly all strings are short and plain ASCII (keys, hosts, paths), so the
 * check looks for a high bit 32 and then 8 bytes at a time, and reads what has
 * at most 32 bytes by overlapping words instead of byte by byte. Only where a
 * high bit stands is a sequence decoded, by the table of well-formed sequences
 * (Unicode 15, table 3-7):
 *
 *   first    second   third    fourth
 *   00..7F
 *   C2..DF   80..BF
 *   E0       A0..BF   80..BF            (no overlong forms)
 *   E1..EC   80..BF   80..BF
 *   ED       80..9F   80..BF            (no surrogates)
 *   EE..EF   80..BF   80..BF
 *   F0       90..BF   80..BF   80..BF   (no overlong forms)
 *   F1..F3   80..BF   80..BF   80..BF
 *   F4       80..8F   80..BF   80..BF   (not above U+10FFFF)
 *
 * No state, no allocation; any thread. */
#include "base/utf8.h"

#include <stdint.h>

#define HIGH_BITS 0x8080808080808080ull

static uint64_t load8(const unsigned char *at)
{
	uint64_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

static uint32_t load4(const unsigned char *at)
{
	uint32_t word;

	memcpy(&word, at, sizeof(word));
	return word;
}

/* At or up to 7 bytes before the next byte with a high bit; `end`: there is none. */
static const unsigned char *skip_ascii(const unsigned char *at, const unsigned char *end)
{
	size_t length = (size_t)(end - at);

	while (length >= 32) {
		if (((load8(at) | load8(at + 8) | load8(at + 16) | load8(at + 24)) & HIGH_BITS) != 0) {
			break;
		}
		at += 32;
		length -= 32;
	}
	while (length >= 8) {
		if ((load8(at) & HIGH_BITS) != 0) {
			return at;
		}
		at += 8;
		length -= 8;
	}
	while (length > 0 && *at < 0x80) {
		at++;
		length--;
	}
	return at;
}

/* The length of the well-formed sequence at `at`, or 0; then *ret_bad is the
 * length of its maximal invalid part (at least 1). at < end. */
static size_t sequence(const unsigned char *at, const unsigned char *end, size_t *ret_bad)
{
	unsigned char first = at[0], low = 0x80, high = 0xbf;
	size_t length;

	*ret_bad = 1;
	if (first < 0x80) {
		return 1;
	}
	if (first < 0xc2 || first > 0xf4) {
		return 0;
	}
	length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	if (first == 0xe0) {
		low = 0xa0;
	} else if (first == 0xed) {
		high = 0x9f;
	} else if (first == 0xf0) {
		low = 0x90;
	} else if (first == 0xf4) {
		high = 0x8f;
	}
	for (size_t i = 1; i < length; i++) {
		if (at + i == end || at[i] < low || at[i] > high) {
			*ret_bad = i;
			return 0;
		}
		low = 0x80;
		high = 0xbf;
	}
	return length;
}

/* Up to 32 bytes are read whole by overlapping words, without a loop. */
static bool is_short_ascii(const unsigned char *at, size_t length)
{
	const unsigned char *end;

	if (length == 0) {
		return true; /* perhaps of nothing at all */
	}
	end = at + length;
	if (length > 16) {
		return ((load8(at) | load8(at + 8) | load8(end - 16) | load8(end - 8)) & HIGH_BITS) == 0;
	}
	if (length >= 8) {
		return ((load8(at) | load8(end - 8)) & HIGH_BITS) == 0;
	}
	if (length >= 4) {
		return ((load4(at) | load4(end - 4)) & (uint32_t)HIGH_BITS) == 0;
	}
	return (at[0] | at[length / 2] | at[length - 1]) < 0x80;
}

bool weir_utf8_is_valid(struct weir_str text)
{
	const unsigned char *at = (const unsigned char *)text.data, *end;
	size_t length, bad;

	if (text.length <= 32 && is_short_ascii(at, text.length)) {
		return true;
	}
	end = at + text.length;
	while ((at = skip_ascii(at, end)) < end) {
		do { /* foreign scripts come in runs: do not look for ASCII words between their letters */
			length = sequence(at, end, &bad);
			if (length == 0) {
				return false;
			}
			at += length;
		} while (at < end && *at >= 0x80);
	}
	return true;
}

size_t weir_utf8_repair(struct weir_str text, char *out)
{
	const unsigned char *at = (const unsigned char *)text.data, *end;
	char *to = out;

	if (text.length == 0) {
		return 0;
	}
	end = at + text.length;
	while (at < end) {
		const unsigned char *from = at;
		size_t length, bad = 0;

		while ((at = skip_ascii(at, end)) < end && (length = sequence(at, end, &bad)) > 0) {
			at += length;
		}
		memcpy(to, from, (size_t)(at - from));
		to += at - from;
		if (at < end) {
			memcpy(to, "\xef\xbf\xbd", 3);
			to += 3;
			at += bad;
		}
	}
	return (size_t)(to - out);
}

size_t weir_utf8_write(uint32_t point, char *to)
{
	if (point < 0x80) {
		to[0] = (char)point;
		return 1;
	}
	if (point < 0x800) {
		to[0] = (char)(0xc0 | point >> 6);
		to[1] = (char)(0x80 | (point & 0x3f));
		return 2;
	}
	if (point < 0x10000) {
		to[0] = (char)(0xe0 | point >> 12);
		to[1] = (char)(0x80 | (point >> 6 & 0x3f));
		to[2] = (char)(0x80 | (point & 0x3f));
		return 3;
	}
	to[0] = (char)(0xf0 | point >> 18);
	to[1] = (char)(0x80 | (point >> 12 & 0x3f));
	to[2] = (char)(0x80 | (point >> 6 & 0x3f));
	to[3] = (char)(0x80 | (point & 0x3f));
	return 4;
}

struct weir_str weir_utf8_cut(struct weir_str text, size_t most_bytes)
{
	if (text.length <= most_bytes) {
		return text;
	}
	while (most_bytes > 0 && ((unsigned char)text.data[most_bytes] & 0xc0) == 0x80) {
		most_bytes--;
	}
	return weir_str_make(text.data, most_bytes);
}
