/* address: the text of an IP address → weir_address. */
#ifndef WEIR_DECODE_ADDRESS_H
#define WEIR_DECODE_ADDRESS_H

#include "ring/record.h"

/* Takes "10.0.0.1", "10.0.0.1:80", "::1", "[::1]" and "[::1]:80". IPv4 becomes
 * v4-mapped IPv6. False (and *ret untouched) when it is something else, a name
 * for instance; without a port in the text ret->port becomes 0. */
bool weir_address_parse(struct weir_str text, struct weir_address *ret);

#endif
