/* series_status: what of all live series costs most: for /status. */
#ifndef WEIR_EXPORTERS_SERIES_STATUS_H
#define WEIR_EXPORTERS_SERIES_STATUS_H

#include "aggregate/snapshot.h"
#include "exporters/json_write.h"

#define WEIR_SERIES_STATUS_ROWS 10u /* of each list */

struct weir_series_status_opts {
	uint64_t budget;      /* metrics.max_series */
	size_t max_bytes;     /* of memory while it counts */
	uint64_t deadline_ns; /* monotonic; 0: none */
};

/* A value: the object `series` of /status, of a snapshot with parts SERIES and POINTS. */
void weir_series_status_render(
	struct weir_json_write *json, const struct weir_snapshot *snapshot, const struct weir_series_status_opts *opts);

#endif
