/* response_flags: what Envoy's response flags are called. */
#ifndef WEIR_RULES_RESPONSE_FLAGS_H
#define WEIR_RULES_RESPONSE_FLAGS_H

#include "base/buf.h"

/* "UF,URX", or "-" for none, appended; the order of Envoy's table. */
void weir_response_flags_add(uint32_t response_flags, struct weir_buf *ret_text);

#endif
