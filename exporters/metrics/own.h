/* own: weir about itself: ring, store, fold and process, for /metrics and /status. */
#ifndef WEIR_EXPORTERS_METRICS_OWN_H
#define WEIR_EXPORTERS_METRICS_OWN_H

#include "exporters/metrics/exposition.h"
#include "exporters/exporters.h"

struct weir_own { /* read at one moment */
	const char *version;
	uint64_t started_ns;
	uint64_t ring_size_bytes, ring_head, ring_tail, ring_folded; /* positions: bytes since the ring was made */
	enum weir_store_state store_state;
	struct weir_store_figures store;
	uint32_t left_out_families; /* of OpenMetrics, see clash.h */
};

struct weir_own_process { /* of the kernel; what could not be read is negative */
	double cpu_s;
	int64_t resident_bytes, virtual_bytes, open_fds, max_fds;
};

/* All but left_out_families. */
void weir_own_read(const struct weir_exporters_opts *opts, struct weir_own *ret_own);
void weir_own_process_read(struct weir_own_process *ret_process);

void weir_own_render(struct weir_exposition *out, const struct weir_own *own);
void weir_own_stats_render(struct weir_exposition *out, uint64_t started_ns); /* the counters of stat.def */
void weir_own_process_render(struct weir_exposition *out, const struct weir_own_process *process, uint64_t started_ns);

#endif
