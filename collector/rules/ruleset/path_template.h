/* path_template: /users/4711 becomes /users/{id}: a path that may be a label. */
#ifndef WEIR_RULES_PATH_TEMPLATE_H
#define WEIR_RULES_PATH_TEMPLATE_H

#include "rules/value.h"

#define WEIR_PATH_SEGMENTS_MAX 64u
#define WEIR_PATH_LONG_SEGMENT 20u /* bytes; longer ones with a digit in them are taken for ids */

/* Query and fragment are cut off; a segment that names one thing of many becomes
 * `{id}`: digits (with - _ . : , between them), UUIDs, 16 and more hexadecimal
 * digits with a number among them, and what is longer than
 * WEIR_PATH_LONG_SEGMENT with a digit in it. What follows the 64th segment, or
 * does not fit into a label's value, becomes `…`. A text that does not begin
 * with / is no path and stays as it is. The result is in `scratch`, or `path`'s
 * own; data NULL: scratch is used up. */
struct weir_str weir_path_template(struct weir_str path, struct weir_scratch *scratch);

#endif
