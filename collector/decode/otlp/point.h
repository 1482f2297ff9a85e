/* point: one data point of any of OTLP's five kinds → a row of a draft's points. Inside decode only. */
#ifndef WEIR_DECODE_OTLP_POINT_H
#define WEIR_DECODE_OTLP_POINT_H

#include "decode/draft.h"

/* Reads `message`, a data point of an instrument of this kind (row `instrument`).
 * Counts it as offered; it becomes a row unless it is dropped: without a value,
 * or because what it says is impossible or its instrument `is_valid` not.
 * False: malformed, or the arena is full. */
bool weir_otlp_point_read(struct weir_draft *draft, struct weir_str message, uint32_t instrument,
	enum weir_instrument_kind kind, bool is_valid);

#endif
