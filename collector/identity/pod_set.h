/* pod_set: the pods that a source knows, as they come and go; what the
 * workload table is made of. Belongs to the source's thread. */
#ifndef WEIR_IDENTITY_POD_SET_H
#define WEIR_IDENTITY_POD_SET_H

#include "identity/workload.h"

#define WEIR_POD_SET_BYTES (UINT64_C(32) << 20)     /* of all pods */
#define WEIR_POD_SET_PEERS 8192u                    /* of other nodes */
#define WEIR_POD_SET_KEEP_NS UINT64_C(600000000000) /* who is gone is known so long: records come late */
#define WEIR_POD_SET_PEER_NS UINT64_C(120000000000) /* a peer is believed so long; then it is asked for again */

struct weir_pod_set;

/* 0 or -ENOMEM. */
int weir_pod_set_create(struct weir_pod_set **ret_set);
void weir_pod_set_destroy(struct weir_pod_set *set);

/* `now_ns` is wall time, as records have it. */

/* A pod as it is now; the set takes the reference. `is_peer`: nobody will tell
 * when it goes. Beyond the bounds the pod is not kept, and counted. */
void weir_pod_set_put(struct weir_pod_set *set, struct weir_pod *pod, bool is_peer, uint64_t now_ns);
/* It is gone. `uid` empty: whichever has the name. */
void weir_pod_set_remove(struct weir_pod_set *set, struct weir_str name, struct weir_str namespace_,
	struct weir_str uid, uint64_t now_ns);

/* A whole list between the two: who is not in it, and no peer, is gone. A list that breaks off is not ended. */
void weir_pod_set_list_begin(struct weir_pod_set *set);
void weir_pod_set_list_end(struct weir_pod_set *set, uint64_t now_ns);

/* Forgets who is gone for long, and peers that nobody asked for. */
void weir_pod_set_expire(struct weir_pod_set *set, uint64_t now_ns);
/* The peer that waits longest to be looked at again, of those that are due and used; its next turn comes later. NULL: none. Borrowed until the next
 * change. */
const struct weir_pod *weir_pod_set_due(struct weir_pod_set *set, uint64_t now_ns);

/* Has anything changed since the last table? */
bool weir_pod_set_is_changed(const struct weir_pod_set *set);
/* A table of all; sets the gauges. 0 or -ENOMEM. */
int weir_pod_set_table(struct weir_pod_set *set, const struct weir_workload_table **ret_table);

#endif
