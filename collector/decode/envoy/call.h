/* call: who called whom, as one access log entry tells it; and what the entries
 * of one message share while they are read. Private to this folder. */
#ifndef WEIR_DECODE_ENVOY_CALL_H
#define WEIR_DECODE_ENVOY_CALL_H

#include "decode/envoy/peers.h"
#include "decode/envoy/rows.h"
#include "decode/envoy/sender.h"

struct weir_als_rows { /* of one message */
	struct weir_draft *draft;
	const struct weir_envoy_sender *sender;
	struct weir_peers peers;
	struct weir_entry entry;        /* the one at hand */
	struct weir_ref proxy;          /* of the sender, in its node id */
	struct weir_ref own_host;       /* placed when first needed */
	struct weir_entry_address peer; /* where the entry's other end is */
	struct weir_str cluster_text;   /* of the last entry: the next one usually has the same */
	struct weir_cluster_name cluster;
};

/* Fills all of *call but its protocol, and rows->peer, of rows->entry. */
void weir_call_fill(struct weir_als_rows *rows, struct weir_call *call);

#endif
