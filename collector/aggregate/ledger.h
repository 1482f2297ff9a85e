/* ledger: what became of everything that was received. Private to the room. */
#ifndef WEIR_AGGREGATE_LEDGER_H
#define WEIR_AGGREGATE_LEDGER_H

#include "aggregate/text.h"
#include "ring/record.h"

struct weir_ledger_row {
	uint32_t source; /* number of its text */
	uint32_t next;   /* of the same source, + 1 */
	uint8_t protocol, signal, is_dirty, padding[5];
	/* From here on saved as words. */
	uint64_t received, kept, duplicates, last_ns, mismatched;
	uint64_t skew_ns;   /* signed: arrival less the time of the newest record, when it last came */
	uint64_t principal; /* number of its text */
	uint64_t thinned[WEIR_THINS], dropped[WEIR_DROPS];
};

struct weir_ledger {
	struct weir_text sources;
	struct weir_ledger_row *rows;
	uint32_t count, capacity;
	uint32_t *firsts; /* by source: its first row + 1 */
	uint32_t first_capacity;
	uint32_t *dirty, dirty_count;
};

void weir_ledger_init(struct weir_ledger *ledger, uint64_t seed);
void weir_ledger_fini(struct weir_ledger *ledger);
void weir_ledger_clear(struct weir_ledger *ledger);

/* Books one batch: by its header, or, repeated, as duplicates only. */
void weir_ledger_book(struct weir_ledger *ledger, const struct weir_batch *batch, bool is_duplicate);
/* Is received = kept + thinned + dropped + duplicates in every row? */
bool weir_ledger_closes(const struct weir_ledger *ledger);

void weir_ledger_save(struct weir_ledger *ledger, bool all, struct weir_buf *buf);
/* `is_first`: as version 1 of the image wrote it. */
int weir_ledger_load(struct weir_ledger *ledger, struct weir_blob_reader *reader, bool is_first);
void weir_ledger_digest(const struct weir_ledger *ledger, XXH3_state_t *state);

#endif
