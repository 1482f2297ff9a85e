/* tree: the spans of one trace, hung where they belong (wire.md 5.7). */
#ifndef WEIR_EXPORTERS_TRACES_TREE_H
#define WEIR_EXPORTERS_TRACES_TREE_H

#include "exporters/traces/merge.h"

#define WEIR_TREE_NONE UINT32_MAX

struct weir_tree_node {                         /* of the span with the same index in the merged trace */
	uint32_t parent;                        /* NONE: the root, or below a root that is not there */
	uint32_t first_child, last_child, next; /* next: its next sibling */
};

struct weir_tree {
	struct weir_tree_node *nodes;
	uint32_t count;
	uint32_t root;   /* NONE: no span is the root; top-most ones have no parent */
	uint32_t *order; /* breadth first; what hangs in a circle is not in it */
	uint32_t order_count;
};

/* All lives in `arena`. 0 or -ENOMEM. */
int weir_tree_build(struct weir_arena *arena, const struct weir_merge_trace *trace, struct weir_tree *ret);

#endif
