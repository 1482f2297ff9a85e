/* rig: a store with its ring, windows and writer in a folder of its own, and
 * the aggregate thread's part played by the test. */
#ifndef WEIR_TESTS_STORAGE_RIG_H
#define WEIR_TESTS_STORAGE_RIG_H

#include "maker.h"
#include "storage/query.h"
#include "storage/writer.h"

struct rig {
	char folder[64], path[96];
	struct weir_store *store;
	struct weir_store_found found;
	struct weir_ring *ring;
	struct weir_windows *windows;
	struct weir_writer *writer;
	struct maker maker;
	_Atomic uint64_t told; /* by the writer's callback */
	uint64_t max_size, max_age_s, max_indexed;
	enum weir_sync sync;
};

void rig_init(struct rig *rig);  /* makes the folder; defaults */
void rig_open(struct rig *rig);  /* store, ring, windows; folds what the ring holds into one window */
void rig_start(struct rig *rig); /* the writer */
void rig_stop(struct rig *rig);  /* stores what is sealed, joins, closes */
void rig_fini(struct rig *rig);  /* removes the folder */

/* Puts a batch into the ring and adds it to the open window; frees it. */
void rig_add(struct rig *rig, struct weir_batch *batch);
void rig_seal(struct rig *rig);
/* Waits, bounded, until so many windows in all are stored. */
void rig_wait_stored(struct rig *rig, uint64_t window);
void rig_query(struct rig *rig, struct weir_query **ret_query);
uint64_t rig_deadline(void);

#endif
