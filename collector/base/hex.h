/* hex: bytes as hex digits, and back. */
#ifndef WEIR_BASE_HEX_H
#define WEIR_BASE_HEX_H

#include <stdint.h>

#include "base/str.h"

/* 0 … 15, of either case, or -1. */
static inline int weir_hex_digit(int c)
{
	if (c >= '0' && c <= '9') {
		return c - '0';
	}
	c |= 0x20;
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* An even number of digits, at most two for each of the `size` bytes: the last
 * bytes; those before them are 0. False, and all bytes 0: it is not that. */
bool weir_hex_read(struct weir_str text, uint8_t *ret_bytes, size_t size);

/* Two lower-case digits a byte, at `at`; returns what is behind them. */
char *weir_hex_write(char *at, const void *bytes, size_t size);

#endif
