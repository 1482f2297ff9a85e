/* flags: Envoy's short names of response flags ("UF,URX", "-") → the bits of struct weir_call. Inside decode only. */
#ifndef WEIR_DECODE_FLAGS_H
#define WEIR_DECODE_FLAGS_H

#include <stdint.h>

#include "base/str.h"

/* Bit N-1 = ALS ResponseFlags field N. Unknown names and "-" set nothing. */
uint32_t weir_flags_parse(struct weir_str text);

#endif
