/* pod: one pod, as Kubernetes describes it: who runs in it. Immutable once it
 * is made, and shared by counted references. */
#ifndef WEIR_IDENTITY_POD_H
#define WEIR_IDENTITY_POD_H

#include <stdatomic.h>

#include "identity/source.h"

#define WEIR_POD_LABELS_MAX 64u
#define WEIR_POD_IPS_MAX 4u
#define WEIR_POD_TEXT_MAX 16384u /* of all its texts */

struct weir_pod {
	/* Texts are the pod's own; unset parts are empty. */
	struct weir_str name, namespace_, uid, node;
	struct weir_identity identity; /* workload, namespace, app … service account; without further labels */
	const struct weir_identity_label *labels;
	uint32_t label_count;
	bool is_host_network; /* its address is its node's: nobody is known by it */
	bool is_over;         /* it ended: Succeeded or Failed; its address may be somebody else's */
	uint8_t ip_count;
	uint8_t ips[WEIR_POD_IPS_MAX][16]; /* IPv6 or v4-mapped */
	uint64_t since_ns;                 /* when it began; 0: unknown */
	uint64_t ended_ns;                 /* is_over: when, as far as it tells; else 0 */
	size_t bytes;                      /* of memory */
	_Atomic uint32_t references;
	_Atomic bool is_used; /* somebody asked for it since this was last cleared: what nobody asks for is forgotten */
};

struct weir_pod_owner { /* what a pod says of who made it */
	struct weir_str kind, name;
	struct weir_str template_hash; /* label pod-template-hash, or rollouts-pod-template-hash */
};

/* The workload, as the mesh names it: a ReplicaSet's Deployment, a Job's
 * CronJob, else the owner itself; of a pod without one its own name. */
struct weir_str weir_pod_workload(struct weir_str pod, const struct weir_pod_owner *owner);

/* What a new pod is made of; all texts are copied. `from->identity` is left
 * alone: it follows from the labels and the owner. 0 and one reference; -E2BIG: its texts are
 * longer than a pod's may be; -ENOMEM. */
int weir_pod_create(const struct weir_pod *from, const struct weir_pod_owner *owner, struct weir_str account,
	struct weir_pod **ret_pod);
struct weir_pod *weir_pod_hold(struct weir_pod *pod);
void weir_pod_let_go(struct weir_pod *pod); /* NULL is nothing */

/* Who runs in it, with the labels that are wanted. Texts are the pod's. */
void weir_pod_identity(const struct weir_pod *pod, const struct weir_wanted *wanted, struct weir_identity *ret);

#endif
