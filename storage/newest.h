/* newest: the newest rows that are wanted, from everywhere. Inside storage only. */
#ifndef WEIR_STORAGE_NEWEST_H
#define WEIR_STORAGE_NEWEST_H

#include "storage/view.h"

struct weir_newest { /* what is looked for, among REQUESTS or LOGS */
	enum weir_rows kind;
	uint64_t end_ns, lookback_ns;
	uint32_t limit;
	bool needs_all; /* is_wanted reads more than the core */
	uint64_t (*time_of)(const struct weir_batch *batch, uint32_t row);
	bool (*is_wanted)(const void *ctx, const struct weir_batch *batch, uint32_t row);
	bool (*may_have)(const void *ctx, const struct weir_catalog_entry *entry); /* NULL: any segment may */
	const void *ctx;
};

/* Newest first, in the query's arena, whole. 0, TIMEOUT, TOO_LARGE, or a fault. */
int weir_newest_find(struct weir_query *query, const struct weir_newest *newest, struct weir_query_row **ret_rows,
	uint32_t *ret_count);

#endif
