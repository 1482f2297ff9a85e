/* ip: addresses and their texts, by libc. */
#include "base/ip.h"

#include <arpa/inet.h>

#include "base/err.h"

static const uint8_t mapped[12] = { [10] = 0xff, [11] = 0xff };

_Static_assert(WEIR_IP_TEXT_MAX >= INET6_ADDRSTRLEN, "every address has room");

bool weir_ip_is_v4(const uint8_t ip[16])
{
	return memcmp(ip, mapped, sizeof(mapped)) == 0;
}

bool weir_ip_read(struct weir_str text, uint8_t ret_ip[16])
{
	char terminated[WEIR_IP_TEXT_MAX];
	uint8_t ip[16];

	if (text.length == 0 || text.length >= sizeof(terminated)) {
		return false;
	}
	memcpy(terminated, text.data, text.length);
	terminated[text.length] = '\0';
	if (inet_pton(AF_INET, terminated, ip + sizeof(mapped)) == 1) {
		memcpy(ip, mapped, sizeof(mapped));
	} else if (inet_pton(AF_INET6, terminated, ip) != 1) {
		return false;
	}
	memcpy(ret_ip, ip, sizeof(ip));
	return true;
}

void weir_ip_write(const uint8_t ip[16], char ret_text[WEIR_IP_TEXT_MAX])
{
	bool is_v4 = weir_ip_is_v4(ip);
	const char *written =
		inet_ntop(is_v4 ? AF_INET : AF_INET6, ip + (is_v4 ? sizeof(mapped) : 0), ret_text, WEIR_IP_TEXT_MAX);

	weir_assert(written != NULL); /* there is room for each */
}
