/* tags: a span's tags as Zipkin keeps them: text to text, sorted, each key once. */
#ifndef WEIR_EXPORTERS_TRACES_TAGS_H
#define WEIR_EXPORTERS_TRACES_TAGS_H

#include "exporters/traces/merge.h"

struct weir_tags_tag {
	struct weir_str key, value;
	uint32_t order; /* of equal keys the last wins */
};

struct weir_tags {
	struct weir_arena *arena;
	struct weir_tags_tag *items;
	uint32_t count, room;
	int error;
};

/* All of a merged span's; what is not the span's own text lives in `arena`. 0 or -ENOMEM. */
int weir_tags_of_span(struct weir_tags *ret, struct weir_arena *arena, const struct weir_merge_span *span);

/* An attribute's value as text: numbers decimal, bytes base64, arrays and maps
 * JSON. Data NULL: the arena is full. */
struct weir_str weir_tags_text(struct weir_arena *arena, const struct weir_batch *batch, const struct weir_attr *attr);

#endif
