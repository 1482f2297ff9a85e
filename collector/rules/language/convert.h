/* convert: texts that are something more: addresses, times, names. Private to rules. */
#ifndef WEIR_RULES_CONVERT_H
#define WEIR_RULES_CONVERT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"

/* False: the text is no such thing; then *ret is not set. */
bool weir_convert_timestamp(struct weir_str text, int64_t *ret_ns); /* RFC 3339, 1678 to 2261 */
bool weir_convert_duration(struct weir_str text, int64_t *ret_ns);  /* as Go reads it: 0, 1.5s, -2h3m */

/* Is it one? What is one stays the text that it was. */
bool weir_convert_is_dns_name(struct weir_str text);
bool weir_convert_is_email(struct weir_str text);
bool weir_convert_is_uri(struct weir_str text);

/* Do both mean the same? Of DNS names neither case nor a dot at the end
 * matters, of e-mail addresses not those of the domain, of URIs not the
 * scheme's case and, for http and https, not those of the host. */
bool weir_convert_dns_name_equal(struct weir_str a, struct weir_str b);
bool weir_convert_email_equal(struct weir_str a, struct weir_str b);
bool weir_convert_uri_equal(struct weir_str a, struct weir_str b);

#endif
