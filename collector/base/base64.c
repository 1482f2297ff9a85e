/* base64: bytes as text of 64 letters, and back. */
#include "base/base64.h"

#include <stdint.h>

char *weir_base64_write(char *at, struct weir_str bytes)
{
	static const char letters[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

	for (size_t i = 0; i < bytes.length; i += 3) {
		size_t left = bytes.length - i;
		uint32_t three = (uint32_t)(unsigned char)bytes.data[i] << 16;

		three |= left > 1 ? (uint32_t)(unsigned char)bytes.data[i + 1] << 8 : 0;
		three |= left > 2 ? (uint32_t)(unsigned char)bytes.data[i + 2] : 0;
		*at++ = letters[three >> 18];
		*at++ = letters[three >> 12 & 63];
		*at++ = left > 1 ? letters[three >> 6 & 63] : '=';
		*at++ = left > 2 ? letters[three & 63] : '=';
	}
	return at;
}

/* 0 … 63, or -1. */
static int value_of(char c)
{
	if (c >= 'A' && c <= 'Z') {
		return c - 'A';
	}
	if (c >= 'a' && c <= 'z') {
		return c - 'a' + 26;
	}
	if (c >= '0' && c <= '9') {
		return c - '0' + 52;
	}
	if (c == '+' || c == '-') {
		return 62;
	}
	return c == '/' || c == '_' ? 63 : -1;
}

int weir_base64_read(struct weir_str text, void *ret_bytes, size_t *ret_length)
{
	uint8_t *at = ret_bytes;
	uint32_t bits = 0, bit_count = 0;

	for (unsigned i = 0; i < 2 && text.length > 0 && text.data[text.length - 1] == '='; i++) {
		text.length--;
	}
	if (text.length % 4 == 1) {
		return WEIR_BASE64_CUT;
	}
	for (size_t i = 0; i < text.length; i++) {
		int value = value_of(text.data[i]);

		if (value < 0) {
			return WEIR_BASE64_FOREIGN;
		}
		bits = bits << 6 | (uint32_t)value;
		bit_count += 6;
		if (bit_count >= 8) {
			bit_count -= 8;
			*at++ = (uint8_t)(bits >> bit_count);
		}
	}
	*ret_length = (size_t)(at - (uint8_t *)ret_bytes);
	return 0;
}
