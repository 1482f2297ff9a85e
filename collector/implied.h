/* implied: attributes of a record that a person wrote and that follow from others in it. */
#ifndef WEIR_IMPLIED_H
#define WEIR_IMPLIED_H

#include "base/arena.h"
#include "rules/attribute.h"

/* Sets in `told` (WEIR_ATTRIBUTES of them, the record's own) what is not told and
 * follows from what is, as it does for a record that came over the wire. Texts
 * are the arena's or the record's. 0; -ENOMEM. */
int weir_implied_fill(struct weir_arena *arena, const struct weir_rules_record *record, struct weir_value *told);

#endif
