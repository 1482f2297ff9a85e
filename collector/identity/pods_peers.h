/* pods_peers: pods of other nodes, looked up in the API server when somebody asks
 * for them (asks.h), and again while they are used. */
#ifndef WEIR_IDENTITY_PODS_PEERS_H
#define WEIR_IDENTITY_PODS_PEERS_H

#include "identity/fetch.h"
#include "identity/pod_set.h"

struct weir_pods_peers_opts { /* texts stay the caller's, and live as long */
	struct weir_fetches *fetches;
	struct weir_pod_set *set;
	struct weir_asks *asks;
	const char *url;  /* without a slash at its end; at most 1024 bytes */
	const char *node; /* the own one: its share of each backoff */
};

struct weir_pods_peers;

/* 0 or -ENOMEM. */
int weir_pods_peers_create(const struct weir_pods_peers_opts *opts, struct weir_pods_peers **ret_peers);
/* After weir_fetches_destroy(), which cuts off what runs. NULL is nothing. */
void weir_pods_peers_destroy(struct weir_pods_peers *peers);

/* Starts what may start. Both clocks are the caller's. */
void weir_pods_peers_step(struct weir_pods_peers *peers, uint64_t monotonic_ns, uint64_t now_ns);
/* Why nobody can be looked up, once for each pause that it costs; false: nothing new. */
bool weir_pods_peers_failed(struct weir_pods_peers *peers, char ret_why[WEIR_FETCH_WHY_MAX]);

#endif
