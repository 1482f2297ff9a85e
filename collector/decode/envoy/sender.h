/* sender: what the first message of a stream says of its proxy; the access log
 * service and the metrics service begin alike. */
#ifndef WEIR_DECODE_ENVOY_SENDER_H
#define WEIR_DECODE_ENVOY_SENDER_H

#include "base/arena.h"
#include "identity/known.h"
#include "identity/source.h"
#include "identity/workload.h"

/* Kept for the later messages of the stream. All texts live in `arena`, which belongs to the stream. */
struct weir_envoy_sender {
	struct weir_arena arena;
	struct weir_identity identity;
	bool is_known;
	const struct weir_known *known; /* the other senders of this process, to know peers by; may be NULL */
	struct weir_str service_host;   /* of the sender's own service, as far as its node tells */
	struct weir_str proxy;          /* weir_identity_proxy() of its node id */
	struct weir_str node_cluster;   /* Node.cluster */
	bool tells_workload;            /* its node does, not only its pod's name */
	bool lacks_labels;              /* nobody told its pod's labels yet */
};

void weir_envoy_sender_init(struct weir_envoy_sender *sender);
void weir_envoy_sender_fini(struct weir_envoy_sender *sender);

/* Reads the Identifier of a StreamAccessLogsMessage or a StreamMetricsMessage,
 * v2 or v3; its node becomes the sender's, with the labels that are wanted. False: malformed. */
bool weir_envoy_sender_read(
	struct weir_str identifier, const struct weir_wanted *wanted, struct weir_envoy_sender *sender);

/* What its node did not tell, from its pod in the workload table. Texts are borrowed from there. False: it is not
 * there. */
bool weir_envoy_sender_find(struct weir_workload_reader *pods, bool tells_workload, struct weir_identity *identity);

/* The same of a sender that lacks labels; it keeps the texts. */
void weir_envoy_sender_complete(struct weir_envoy_sender *sender, struct weir_workload_reader *pods);

#endif
