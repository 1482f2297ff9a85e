/* flow: TCP connections report running totals; metrics want differences. Private to the room. */
#ifndef WEIR_AGGREGATE_FLOW_H
#define WEIR_AGGREGATE_FLOW_H

#include "aggregate/slots.h"
#include "ring/record.h"

struct weir_flow_growth { /* what one report adds */
	uint64_t opened, closed, sent_bytes, received_bytes;
};

struct weir_flows {
	struct weir_slots slots;
	/* Connections that began later were never reported before: 0 until the first batch. */
	uint64_t complete_since_ns;
	uint64_t shortfall_bytes, shortfall_connections; /* of those met midway: what had flowed before */
};

void weir_flows_init(struct weir_flows *flows, uint64_t seed);
void weir_flows_fini(struct weir_flows *flows);

/* What this report adds to the counters. `now_ns` is the watermark. */
void weir_flows_report(struct weir_flows *flows, const struct weir_batch *batch,
	const struct weir_connection *connection, uint64_t now_ns, struct weir_flow_growth *ret_more);
/* The fold begins, or its counters begin anew. */
void weir_flows_begin(struct weir_flows *flows, uint64_t now_ns);
void weir_flows_expire(struct weir_flows *flows, uint64_t now_ns);

#endif
