/* links: a trace becomes links between services. The rules, with the numbers of
 * wire.md 5.7, for each node of the tree, breadth first:
 *
 *  1. A CLIENT span with children is skipped: the server's side will link.
 *  2. A span without a kind counts as CLIENT when both names are known, else
 *     it is skipped.
 *  3. SERVER and CONSUMER: child = local, parent = remote; the root without a
 *     remote name is skipped. CLIENT and PRODUCER: parent = local, child = remote.
 *  4. It is an error when the span has the tag `error`.
 *  5. Messaging links only when both names are known (the broker is a node).
 *  6. The nearest ancestor with a kind, if its service A is known: a CLIENT of
 *     another service than A also counts A -> local, without error. For a
 *     SERVER, or when the parent is unknown, the parent is A. A call without an
 *     error of its own whose direct parent is that ancestor, a CLIENT, has the
 *     ancestor's error.
 *  7. With either end unknown it is skipped, else counted.
 *
 * Links of all traces add up. Memory: names and the table, bounded by the
 * arena's limit; one scratch arena is reset after each trace. */
#include "exporters/traces/links.h"

#include <errno.h>
#include <stdlib.h>

#include "exporters/traces/search.h"
#include "exporters/traces/tree.h"

#define FIRST_ROOM 64u

void weir_links_init(struct weir_links *links, size_t limit_bytes)
{
	*links = (struct weir_links){ 0 };
	weir_arena_init(&links->names, 16u << 10, limit_bytes);
}

void weir_links_fini(struct weir_links *links)
{
	if (links != NULL) {
		weir_arena_fini(&links->names);
		free(links->links);
		free(links->slots);
		*links = (struct weir_links){ 0 };
	}
}

static uint32_t hash_name(uint32_t hash, struct weir_str name)
{
	for (size_t i = 0; i < name.length; i++) {
		hash = (hash ^ (unsigned char)weir_str_lower(name.data[i])) * 16777619u;
	}
	return (hash ^ 0xff) * 16777619u;
}

static uint32_t hash_pair(struct weir_str parent, struct weir_str child)
{
	return hash_name(hash_name(2166136261u, parent), child);
}

/* Twice the room, all links placed anew; half of the slots stay free. */
static int grow(struct weir_links *links)
{
	uint32_t room = links->room != 0 ? links->room * 2 : FIRST_ROOM;
	struct weir_links_link *items = realloc(links->links, room * sizeof(*items));
	uint32_t *slots;

	if (items == NULL) {
		return -ENOMEM;
	}
	links->links = items;
	slots = calloc(2 * (size_t)room, sizeof(*slots));
	if (slots == NULL) {
		return -ENOMEM;
	}
	free(links->slots);
	links->slots = slots;
	links->room = room;
	for (uint32_t i = 0; i < links->count; i++) {
		uint32_t at = hash_pair(items[i].parent, items[i].child) & (2 * room - 1);

		while (slots[at] != 0) {
			at = (at + 1) & (2 * room - 1);
		}
		slots[at] = i + 1;
	}
	return 0;
}

static int count_link(struct weir_links *links, struct weir_str parent, struct weir_str child, bool is_error)
{
	struct weir_links_link *link;
	uint32_t at;

	if (links->count == links->room && grow(links) != 0) {
		return -ENOMEM;
	}
	at = hash_pair(parent, child) & (2 * links->room - 1);
	for (; links->slots[at] != 0; at = (at + 1) & (2 * links->room - 1)) {
		link = &links->links[links->slots[at] - 1];
		if (weir_merge_compare_names(link->parent, parent) == 0 &&
			weir_merge_compare_names(link->child, child) == 0) {
			link->calls++;
			link->errors += is_error;
			return 0;
		}
	}
	link = &links->links[links->count];
	*link = (struct weir_links_link){
		.parent = weir_search_lower(&links->names, parent),
		.child = weir_search_lower(&links->names, child),
		.calls = 1,
		.errors = is_error,
	};
	if (link->parent.data == NULL || link->child.data == NULL) {
		return -ENOMEM;
	}
	links->slots[at] = ++links->count;
	return 0;
}

/* Rule 6's ancestor, or NULL. */
static const struct weir_merge_span *remote_ancestor(
	const struct weir_merge_trace *trace, const struct weir_tree *tree, uint32_t node)
{
	for (node = tree->nodes[node].parent; node != WEIR_TREE_NONE; node = tree->nodes[node].parent) {
		if (trace->spans[node].kind != WEIR_SPAN_UNSPECIFIED) {
			return &trace->spans[node];
		}
	}
	return NULL;
}

/* Rules 6 and 7, for a call (no message). */
static int count_call(struct weir_links *links, const struct weir_merge_span *span, uint8_t kind,
	const struct weir_merge_span *ancestor)
{
	bool is_server = kind == WEIR_SPAN_SERVER, is_error = span->is_error;
	struct weir_str parent = is_server ? span->peer : span->service;
	struct weir_str child = is_server ? span->service : span->peer;

	if (ancestor != NULL && ancestor->service.length > 0) {
		if (kind == WEIR_SPAN_CLIENT && span->service.length > 0 &&
			weir_merge_compare_names(ancestor->service, span->service) != 0 &&
			count_link(links, ancestor->service, span->service, false) != 0) {
			return -ENOMEM;
		}
		if (is_server || parent.length == 0) {
			parent = ancestor->service;
		}
		if (!is_error && ancestor->kind == WEIR_SPAN_CLIENT && memcmp(span->parent_id, ancestor->id, 8) == 0) {
			is_error = ancestor->is_error;
		}
	}
	if (parent.length == 0 || child.length == 0) {
		return 0;
	}
	return count_link(links, parent, child, is_error);
}

static int count_node(
	struct weir_links *links, const struct weir_merge_trace *trace, const struct weir_tree *tree, uint32_t node)
{
	const struct weir_merge_span *span = &trace->spans[node];
	uint8_t kind = span->kind;

	if (kind == WEIR_SPAN_CLIENT && tree->nodes[node].first_child != WEIR_TREE_NONE) {
		return 0; /* rule 1 */
	}
	if (kind == WEIR_SPAN_UNSPECIFIED) { /* rule 2 */
		if (span->service.length == 0 || span->peer.length == 0) {
			return 0;
		}
		kind = WEIR_SPAN_CLIENT;
	}
	if ((kind == WEIR_SPAN_SERVER || kind == WEIR_SPAN_CONSUMER) && node == tree->root && span->peer.length == 0) {
		return 0; /* rule 3 */
	}
	if (kind == WEIR_SPAN_PRODUCER || kind == WEIR_SPAN_CONSUMER) { /* rule 5 */
		if (span->service.length == 0 || span->peer.length == 0) {
			return 0;
		}
		return kind == WEIR_SPAN_PRODUCER ? count_link(links, span->service, span->peer, span->is_error)
						  : count_link(links, span->peer, span->service, span->is_error);
	}
	return count_call(links, span, kind, remote_ancestor(trace, tree, node));
}

int weir_links_add_trace(struct weir_links *links, struct weir_arena *arena, const struct weir_query_trace *trace)
{
	struct weir_merge_trace merged;
	struct weir_tree tree;
	int result = weir_merge_spans(arena, trace, &merged);

	if (result == 0) {
		result = weir_tree_build(arena, &merged, &tree);
	}
	for (uint32_t i = 0; result == 0 && i < tree.order_count; i++) {
		result = count_node(links, &merged, &tree, tree.order[i]);
	}
	return result;
}

void weir_links_write(const struct weir_links *links, struct weir_json_write *json)
{
	weir_json_write_open(json, '[');
	for (uint32_t i = 0; i < links->count; i++) {
		const struct weir_links_link *link = &links->links[i];

		weir_json_write_open(json, '{');
		weir_json_write_key(json, "parent");
		weir_json_write_str(json, link->parent);
		weir_json_write_key(json, "child");
		weir_json_write_str(json, link->child);
		weir_json_write_key(json, "callCount");
		weir_json_write_u64(json, link->calls);
		if (link->errors > 0) {
			weir_json_write_key(json, "errorCount");
			weir_json_write_u64(json, link->errors);
		}
		weir_json_write_close(json, '}');
	}
	weir_json_write_close(json, ']');
}
