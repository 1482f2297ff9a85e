/* ledger: /api/ledger: who sent what, and what became of it. */
#ifndef WEIR_EXPORTERS_LEDGER_H
#define WEIR_EXPORTERS_LEDGER_H

#include "aggregate/snapshot.h"
#include "exporters/json_write.h"

/* Refused items by signal and reason, of this process. */
struct weir_ledger_refused {
	uint64_t items[WEIR_SIGNALS][WEIR_REFUSALS];
};

/* Does every row close: received = kept + duplicates + thinned + dropped? */
bool weir_ledger_view_closes(const struct weir_snapshot *snapshot);

/* The document of design.md §2.4, one row per (source, protocol, signal).
 * Refused items never entered, so they belong to no source that is known: a
 * row with an empty source and protocol names them by signal. Beside the rows,
 * completeness: of what a proxy says that it sent, how much came. */
void weir_ledger_render(
	struct weir_json_write *json, const struct weir_snapshot *snapshot, const struct weir_ledger_refused *refused);

#endif
