/* merge: small neighbouring segments become one. */
#ifndef WEIR_STORAGE_MERGE_H
#define WEIR_STORAGE_MERGE_H

#include "storage/commit.h"

struct weir_merge;

int weir_merge_create(struct weir_store *store, struct weir_commit *commit, struct weir_merge **ret_merge);
void weir_merge_destroy(struct weir_merge *merge);

/* Merges what is due until the deadline (monotonic). */
int weir_merge_slice(struct weir_merge *merge, uint64_t deadline_ns);

#endif
