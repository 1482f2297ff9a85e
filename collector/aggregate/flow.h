/* flow: TCP connections report running totals; metrics want differences. Private to the room. */
#ifndef WEIR_AGGREGATE_FLOW_H
#define WEIR_AGGREGATE_FLOW_H

#include "aggregate/series.h"
#include "aggregate/slots.h"

struct weir_flows {
	struct weir_slots slots;
};

void weir_flows_init(struct weir_flows *flows, uint64_t seed);
void weir_flows_fini(struct weir_flows *flows);
void weir_flows_clear(struct weir_flows *flows);

/* What this report adds to the counters. `now_ns` is the watermark. */
void weir_flows_report(struct weir_flows *flows, const struct weir_batch *batch,
	const struct weir_connection *connection, uint64_t now_ns, struct weir_series_tcp *ret_more);
void weir_flows_expire(struct weir_flows *flows, uint64_t now_ns);

#endif
