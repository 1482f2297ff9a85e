/* ip: an address of 16 bytes in network order, IPv4 as v4-mapped IPv6 (RFC 4291, 2.5.5.2), and its text. */
#ifndef WEIR_BASE_IP_H
#define WEIR_BASE_IP_H

#include <stdint.h>

#include "base/str.h"

#define WEIR_IP_TEXT_MAX 46u /* with the NUL */

bool weir_ip_is_v4(const uint8_t ip[16]); /* its four bytes begin at 12 */

/* An address and nothing else. False, with *ret_ip as it was: it is none. */
bool weir_ip_read(struct weir_str text, uint8_t ret_ip[16]);
/* As inet_ntop() writes it, NUL-terminated. */
void weir_ip_write(const uint8_t ip[16], char ret_text[WEIR_IP_TEXT_MAX]);

#endif
