/* check: the types of a tree, and what it reads. Private to rules. */
#ifndef WEIR_RULES_CHECK_H
#define WEIR_RULES_CHECK_H

#include "rules/language/parse.h"

struct weir_map_key { /* a literal map["key"] */
	enum weir_attribute map;
	struct weir_str key;
	struct weir_map_key *next;
};

#define WEIR_READS_WORDS ((WEIR_ATTRIBUTES + 63u) / 64u)

struct weir_reads {
	uint64_t attributes[WEIR_READS_WORDS]; /* a bit each */
	struct weir_map_key *keys;             /* in the order of the text, each once */
};

/* Every node gets its type, names what they name; calls of literals become
 * literals. `wanted` NONE: any. 0, WRONG, -ENOMEM. */
int weir_check(struct weir_arena *arena, struct weir_node *root, enum weir_type wanted, struct weir_reads *reads,
	struct weir_expression_error *error);

#endif
