/* source: who a sender is, from the node metadata of its proxy (wire.md 2.1);
 * and the names hidden in cluster names and SPIFFE ids (2.2). Pure functions
 * over borrowed text; nothing is looked up anywhere else. */
#ifndef WEIR_IDENTITY_SOURCE_H
#define WEIR_IDENTITY_SOURCE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/str.h"
#include "identity/wanted.h"

struct weir_identity_label { /* of a pod */
	struct weir_str key, value;
};

struct weir_identity_more { /* labels beyond the known ones, as far as somebody wants them; each key once */
	struct weir_identity_label labels[WEIR_WANTED_MAX];
	uint32_t count;
};

struct weir_identity { /* one workload; unset parts are empty */
	struct weir_str workload, namespace_, app, version, canonical_service, canonical_revision, cluster;
	struct weir_str pod, node_id, principal;
	bool is_gateway; /* a `router~` node */
	bool is_waypoint;
	struct weir_str domain;  /* the node id's last part: "default.svc.cluster.local" */
	struct weir_str address; /* the node id's second part */
	struct weir_str service_account;
	struct weir_identity_more more;
};

/* `sidecar~<ip>~<pod>.<namespace>~<domain>`: fills pod, namespace, domain, type
 * and, when still unset, the workload guessed from the pod's name. */
void weir_identity_from_node_id(struct weir_str node_id, struct weir_identity *identity);

/* The rules behind the raw parts: canonical service = label → app.kubernetes.io/name
 * → app → workload; revision likewise, else `latest` (wire.md 2.1). */
struct weir_identity_labels {
	struct weir_str app, version, k8s_name, k8s_version, canonical_name, canonical_revision;
	struct weir_identity_more more;
	const struct weir_wanted *wanted; /* which more; NULL: none */
};
/* One pod label: kept when it is one of the six, or wanted. */
void weir_identity_take_label(struct weir_str key, struct weir_str value, struct weir_identity_labels *labels);
bool weir_identity_has_labels(const struct weir_identity_labels *labels); /* is anything told? */
/* Fills what is unset; labels of a key that is there already stay out. */
void weir_identity_apply_labels(const struct weir_identity_labels *labels, struct weir_identity *identity);

/* The name that all signals of one proxy agree on, `<pod>.<namespace>`: of an
 * Envoy its node id's third part, of a Mixer client `kubernetes://…` without
 * the scheme. Anything else is returned as it is. */
struct weir_str weir_identity_proxy(struct weir_str node_id_or_uid);

/* For a peer of whom only a name is known: app and version as the mesh's own
 * convention spells them into the workload (`reviews-v1`, or any `<service>-…`
 * when the service that it serves is known), version `latest` without one; then
 * the rules above. Only fills what is unset. */
void weir_identity_guess_labels(struct weir_identity *identity, struct weir_str service);

/* `kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1`: namespace and workload, when unset. */
void weir_identity_from_owner(struct weir_str owner, struct weir_identity *identity);

/* `reviews-v1-5f8d7c9b6-8xv7d` → `reviews-v1`: without the last two parts of a
 * ReplicaSet's pod, the last one of a DaemonSet's, a Job's or a StatefulSet's. */
struct weir_str weir_identity_workload_of_pod(struct weir_str pod);

enum weir_cluster_direction {
	WEIR_CLUSTER_UNKNOWN,
	WEIR_CLUSTER_INBOUND,
	WEIR_CLUSTER_OUTBOUND,
	WEIR_CLUSTER_INBOUND_VIP
};

struct weir_cluster_name { /* wire.md 2.2 */
	enum weir_cluster_direction direction;
	struct weir_str port, subset, host;
	bool is_special; /* PassthroughCluster, BlackHoleCluster, InboundPassthroughCluster… */
};
struct weir_cluster_name weir_identity_cluster(struct weir_str upstream_cluster);

/* First label and second label of `name.namespace.svc.…`; otherwise the host itself and "". */
void weir_identity_service(struct weir_str host, struct weir_str *ret_name, struct weir_str *ret_namespace);

/* `spiffe://<domain>/ns/<namespace>/sa/<account>`; false when it is not one. */
bool weir_identity_spiffe(struct weir_str uri, struct weir_str *ret_namespace, struct weir_str *ret_account);

#endif
