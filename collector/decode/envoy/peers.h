/* peers: the workloads of one message, each one row: the sender's own, and the
 * other ends of its calls from whatever there is to know them by. Private to this folder. */
#ifndef WEIR_DECODE_ENVOY_PEERS_H
#define WEIR_DECODE_ENVOY_PEERS_H

#include "decode/envoy/entry.h"
#include "identity/known.h"
#include "identity/workload.h"

#define WEIR_PEERS_REMEMBERED 16u

struct weir_peer_evidence { /* of one end of one call; unset parts are zero */
	const struct weir_entry_peer *told;
	struct weir_str san;                        /* its certificate's SPIFFE id */
	struct weir_str host;                       /* where it really is: "ip" or, inside Envoy, "ip:port" */
	struct weir_str service, service_namespace; /* that it serves; for the other end of an outbound call */
	uint64_t time_ns;                           /* of the call: addresses are used again */
};

struct weir_peer_time { /* [since, until) */
	uint64_t since_ns, until_ns;
};

struct weir_peer_row {     /* what became of it */
	uint32_t workload; /* row of the draft's workloads */
	struct weir_ref principal, namespace_;
};

struct weir_peers {
	struct weir_draft *draft;
	struct weir_str cluster;        /* of those who do not tell theirs: the sender's, else the configured one */
	const struct weir_known *known; /* or NULL */
	struct weir_peer_row own_row;
	bool has_nobody;
	uint32_t nobody; /* the one row of all peers of whom nothing is known */
	struct weir_remembered_peer {
		enum weir_peer_form form;
		struct weir_str metadata, id, san, host, service, service_namespace;
		struct weir_peer_time time; /* at which the answer holds */
		struct weir_peer_row row;
	} remembered[WEIR_PEERS_REMEMBERED];
	uint32_t count, next;
};

/* Makes the sender's own row. */
void weir_peers_init(struct weir_peers *peers, struct weir_draft *draft, const struct weir_identity *own,
	const struct weir_known *known);

struct weir_peer_row weir_peers_find(struct weir_peers *peers, const struct weir_peer_evidence *evidence);

/* A ref to any text: inside the body as it is, else copied into the pool;
 * repaired and counted if it is not UTF-8. */
struct weir_ref weir_peers_place(struct weir_draft *draft, struct weir_str text);

/* The IP and port of an address, or false: a pipe, a name, none. */
bool weir_peers_address(const struct weir_entry_address *address, struct weir_address *ret);

#endif
