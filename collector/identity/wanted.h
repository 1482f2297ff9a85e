/* wanted: the keys of pod labels that rules read beyond those every record
 * carries (source.labels["team"]): decoders keep these and no others.
 *
 * Immutable; shared by counted references; swapped whole with the workload
 * table (workload.h). No list, or an empty one, costs nothing. */
#ifndef WEIR_IDENTITY_WANTED_H
#define WEIR_IDENTITY_WANTED_H

#include <stdint.h>

#include "base/str.h"

#define WEIR_WANTED_MAX 16u
#define WEIR_WANTED_KEY_MAX 317u /* Kubernetes' own bound: a prefix of 253, a slash, a name of 63 */

struct weir_wanted;

enum { WEIR_WANTED_CUT = 1 }; /* outcome: more than there is room for, or a key that is too long; the others are kept */

/* Equal keys are one. 0 or CUT: the caller holds one reference; -ENOMEM. */
int weir_wanted_create(const char *const *keys, size_t count, const struct weir_wanted **ret_wanted);
const struct weir_wanted *weir_wanted_hold(const struct weir_wanted *wanted); /* NULL is nobody's list */
void weir_wanted_let_go(const struct weir_wanted *wanted);

/* False of NULL. */
bool weir_wanted_has(const struct weir_wanted *wanted, struct weir_str key);

#endif
