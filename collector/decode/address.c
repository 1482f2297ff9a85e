/* address: IPv4 by hand, since proxies put one on every span; IPv6 by libc. */
#include "decode/address.h"

#include <arpa/inet.h>

#define IPV6_TEXT_MAX 45u

/* Decimal digits, at most `max`, no leading zeros; the digits read, or 0. */
static size_t number_read(const char *at, const char *end, unsigned max, unsigned *ret)
{
	unsigned value = 0;
	size_t n = 0;

	while (at + n < end && n < 5 && (unsigned char)(at[n] - '0') < 10) {
		value = value * 10 + (unsigned)(at[n++] - '0');
	}
	if (value > max || (n > 1 && at[0] == '0')) {
		return 0;
	}
	*ret = value;
	return n;
}

/* ":80" or nothing; false for anything else. */
static bool port_read(const char *at, const char *end, uint16_t *ret)
{
	unsigned port = 0;

	if (at != end) {
		if (*at != ':' || number_read(at + 1, end, UINT16_MAX, &port) != (size_t)(end - at - 1) ||
			end - at == 1) {
			return false;
		}
	}
	*ret = (uint16_t)port;
	return true;
}

static bool ipv4_parse(struct weir_str text, struct weir_address *ret)
{
	const char *at = text.data, *end = at + text.length;
	struct weir_address address = { .ip = { [10] = 0xff, [11] = 0xff } };

	for (unsigned i = 0; i < 4; i++) {
		unsigned byte = 0;
		size_t n = number_read(at, end, 255, &byte);

		if (n == 0) {
			return false;
		}
		address.ip[12 + i] = (uint8_t)byte;
		at += n;
		if (i < 3 && (at == end || *at++ != '.')) {
			return false;
		}
	}
	if (!port_read(at, end, &address.port)) {
		return false;
	}
	*ret = address;
	return true;
}

static bool ipv6_parse(struct weir_str text, struct weir_address *ret)
{
	struct weir_address address = { 0 };
	char terminated[IPV6_TEXT_MAX + 1];

	if (text.length > 0 && text.data[0] == '[') {
		const char *close = memchr(text.data, ']', text.length);

		if (close == NULL || !port_read(close + 1, text.data + text.length, &address.port)) {
			return false;
		}
		text = weir_str_make(text.data + 1, (size_t)(close - text.data - 1));
	}
	if (text.length < 2 || text.length > IPV6_TEXT_MAX || memchr(text.data, '\0', text.length) != NULL) {
		return false;
	}
	memcpy(terminated, text.data, text.length);
	terminated[text.length] = '\0';
	if (inet_pton(AF_INET6, terminated, address.ip) != 1) {
		return false;
	}
	*ret = address;
	return true;
}

bool weir_address_parse(struct weir_str text, struct weir_address *ret)
{
	if (text.length > 0 && (unsigned char)(text.data[0] - '0') < 10 && ipv4_parse(text, ret)) {
		return true;
	}
	return text.length > 0 && memchr(text.data, ':', text.length) != NULL && ipv6_parse(text, ret);
}
