/* hex: bytes as hex digits, and back; see the header. */
#include "base/hex.h"

bool weir_hex_read(struct weir_str text, uint8_t *ret_bytes, size_t size)
{
	uint8_t *at;

	memset(ret_bytes, 0, size);
	if (text.length % 2 != 0 || text.length > 2 * size) {
		return false;
	}
	at = ret_bytes + size - text.length / 2;
	for (size_t i = 0; i < text.length; i += 2) {
		int high = weir_hex_digit(text.data[i]), low = weir_hex_digit(text.data[i + 1]);

		if (high < 0 || low < 0) {
			memset(ret_bytes, 0, size);
			return false;
		}
		*at++ = (uint8_t)(high << 4 | low);
	}
	return true;
}

char *weir_hex_write(char *at, const void *bytes, size_t size)
{
	static const char digits[] = "0123456789abcdef";
	const uint8_t *from = bytes;

	for (size_t i = 0; i < size; i++) {
		*at++ = digits[from[i] >> 4];
		*at++ = digits[from[i] & 15];
	}
	return at;
}
