/* tree: who is whose parent in a merged trace. The rules:
 *
 *  1. A shared span is a child of the span with its id that is not shared. When
 *     nobody sent that one, its own parent counts as any other span's does: some
 *     libraries call every span of a server without times of its own shared.
 *  2. Another span with a parent id hangs below the shared span of that id on
 *     the same endpoint; else below the span of that id that is not shared;
 *     else below a shared one of that id.
 *  3. The first span (by id) that has no parent and is not shared is the root.
 *  4. All that found no parent hang below the root; without a root they are the
 *     top-most spans of a tree whose root is not there.
 *
 * Spans of a trace come from anyone, so parents may form a circle: a circle is
 * not reachable from the top, hence not in `order`, and nobody walks it.
 *
 * Spans are sorted by id: the ones with a given id are found by bisection and
 * stand together. */
#include "exporters/traces/tree.h"

#include <errno.h>

/* The first span whose id is `id`, or count. */
static uint32_t find_id(const struct weir_merge_trace *trace, const uint8_t id[8])
{
	uint32_t low = 0, high = trace->count;

	while (low < high) {
		uint32_t middle = low + (high - low) / 2;

		if (memcmp(trace->spans[middle].id, id, 8) < 0) {
			low = middle + 1;
		} else {
			high = middle;
		}
	}
	return low;
}

static bool has_id(const struct weir_merge_trace *trace, uint32_t i, const uint8_t id[8])
{
	return i < trace->count && memcmp(trace->spans[i].id, id, 8) == 0;
}

/* Rule 1. */
static uint32_t find_client(const struct weir_merge_trace *trace, const uint8_t id[8])
{
	uint32_t at = find_id(trace, id);

	return has_id(trace, at, id) && !trace->spans[at].is_shared ? at : WEIR_TREE_NONE;
}

/* Rule 2. */
static uint32_t find_parent(const struct weir_merge_trace *trace, const struct weir_merge_span *span)
{
	uint32_t first = find_id(trace, span->parent_id);

	for (uint32_t i = first; has_id(trace, i, span->parent_id); i++) {
		if (trace->spans[i].is_shared && weir_merge_same_endpoint(&trace->spans[i], span)) {
			return i;
		}
	}
	/* Those that are not shared stand first. */
	return has_id(trace, first, span->parent_id) ? first : WEIR_TREE_NONE;
}

static void hang(struct weir_tree *tree, uint32_t child, uint32_t parent)
{
	struct weir_tree_node *node = &tree->nodes[parent];

	tree->nodes[child].parent = parent;
	if (node->last_child == WEIR_TREE_NONE) {
		node->first_child = child;
	} else {
		tree->nodes[node->last_child].next = child;
	}
	node->last_child = child;
}

static void walk(struct weir_tree *tree)
{
	for (uint32_t i = 0; i < tree->count; i++) {
		if (tree->nodes[i].parent == WEIR_TREE_NONE && (tree->root == WEIR_TREE_NONE || tree->root == i)) {
			tree->order[tree->order_count++] = i;
		}
	}
	for (uint32_t at = 0; at < tree->order_count; at++) {
		uint32_t child = tree->nodes[tree->order[at]].first_child;

		for (; child != WEIR_TREE_NONE; child = tree->nodes[child].next) {
			tree->order[tree->order_count++] = child;
		}
	}
}

int weir_tree_build(struct weir_arena *arena, const struct weir_merge_trace *trace, struct weir_tree *ret)
{
	struct weir_tree tree = { .count = trace->count, .root = WEIR_TREE_NONE };

	tree.nodes = weir_arena_alloc(arena, (trace->count + 1) * sizeof(*tree.nodes));
	tree.order = weir_arena_alloc(arena, (trace->count + 1) * sizeof(*tree.order));
	if (tree.nodes == NULL || tree.order == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < tree.count; i++) {
		const struct weir_merge_span *span = &trace->spans[i];

		tree.nodes[i] =
			(struct weir_tree_node){ WEIR_TREE_NONE, WEIR_TREE_NONE, WEIR_TREE_NONE, WEIR_TREE_NONE };
		if (tree.root == WEIR_TREE_NONE && !span->is_shared && !weir_merge_has_parent(span)) {
			tree.root = i;
		}
	}
	for (uint32_t i = 0; i < tree.count; i++) {
		const struct weir_merge_span *span = &trace->spans[i];
		uint32_t parent = WEIR_TREE_NONE;

		if (i == tree.root) {
			continue;
		}
		if (span->is_shared) {
			parent = find_client(trace, span->id);
		}
		if (parent == WEIR_TREE_NONE && weir_merge_has_parent(span)) {
			parent = find_parent(trace, span);
			parent = parent != i ? parent : WEIR_TREE_NONE;
		}
		parent = parent != WEIR_TREE_NONE ? parent : tree.root;
		if (parent != WEIR_TREE_NONE) {
			hang(&tree, i, parent);
		}
	}
	walk(&tree);
	*ret = tree;
	return 0;
}
