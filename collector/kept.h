/* kept: what outlives the process, opened at the start in the order that contract
 * 8 gives: lock and database, ring, state. */
#ifndef WEIR_KEPT_H
#define WEIR_KEPT_H

#include "aggregate/fold.h"
#include "base/conf.h"
#include "ring/ring.h"
#include "rules/ruleset.h"
#include "storage/store.h"

struct weir_kept {
	struct weir_store *store;
	struct weir_store_found found;
	struct weir_ring *ring; /* recovered: to be replayed from its tail */
	struct weir_fold
		*fold; /* as of that position; its counters begin anew where the chain is broken (contract 9) */
};

/* Says itself why it cannot start, and what was set aside. The fold keeps the ruleset for itself. 0 or a fault; to be
 * closed in both cases. */
int weir_kept_open(const struct weir_conf *conf, const struct weir_ruleset *ruleset, struct weir_kept *kept);
/* Once all threads are gone. Of a zeroed one: nothing. */
void weir_kept_close(struct weir_kept *kept);

#endif
