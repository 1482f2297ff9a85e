/* retention: the file is itself a ring: the oldest detail goes first. */
#ifndef WEIR_STORAGE_RETENTION_H
#define WEIR_STORAGE_RETENTION_H

#include "storage/commit.h"

struct weir_retention;

int weir_retention_create(struct weir_store *store, struct weir_commit *commit, struct weir_retention **ret_retention);
void weir_retention_destroy(struct weir_retention *retention);

/* Deletes what is beyond max_size or max_age until the deadline (monotonic). */
int weir_retention_slice(struct weir_retention *retention, uint64_t now_ns, uint64_t deadline_ns);
/* The disk is full: deletes a slice of the oldest, unless little is left. */
int weir_retention_make_room(struct weir_retention *retention);

#endif
