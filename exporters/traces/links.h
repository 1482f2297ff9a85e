/* links: who calls whom, counted from traces by Zipkin's rules (wire.md 5.7). */
#ifndef WEIR_EXPORTERS_TRACES_LINKS_H
#define WEIR_EXPORTERS_TRACES_LINKS_H

#include "exporters/json_write.h"
#include "exporters/traces/merge.h"

struct weir_links_link {
	struct weir_str parent, child; /* lower-cased */
	uint64_t calls, errors;
};

struct weir_links {
	struct weir_arena names;
	struct weir_links_link *links; /* in the order in which they were first seen */
	uint32_t *slots;               /* hash → index + 1; 0: free */
	uint32_t count, room;
};

void weir_links_init(struct weir_links *links, size_t limit_bytes);
void weir_links_fini(struct weir_links *links);

/* Counts one trace's links. Scratch comes from `arena`. 0 or -ENOMEM (then some
 * of the trace's links may be counted: give the whole up). */
int weir_links_add_trace(struct weir_links *links, struct weir_arena *arena, const struct weir_query_trace *trace);

/* [{"parent","child","callCount","errorCount"}], errorCount only when it is not 0. */
void weir_links_write(const struct weir_links *links, struct weir_json_write *json);

#endif
