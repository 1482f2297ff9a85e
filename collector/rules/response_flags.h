/* response_flags: what Envoy's response flags are called. */
#ifndef WEIR_RULES_RESPONSE_FLAGS_H
#define WEIR_RULES_RESPONSE_FLAGS_H

#include "base/buf.h"

#define WEIR_RESPONSE_FLAGS_MAX 192u /* bytes that all names and their commas fit in */

/* "UF,URX", or nothing for none; the order of Envoy's table. One flag's text is
 * the table's own, more are written into `text`. Bits without a name are left out. */
struct weir_str weir_response_flags_text(uint32_t response_flags, char text[WEIR_RESPONSE_FLAGS_MAX]);

/* The same, appended; "-" for none. */
void weir_response_flags_add(uint32_t response_flags, struct weir_buf *ret_text);

#endif
