/* pods_kube: the pods that the kubelet, or the API server, knows.
 *
 * The kubelet is asked for its pods again and again. Of the API server the own
 * node's pods are listed once and watched from then on; pods of other nodes are
 * looked up when somebody asks (asks.h). */
#ifndef WEIR_IDENTITY_PODS_KUBE_H
#define WEIR_IDENTITY_PODS_KUBE_H

#include "identity/fetch.h"
#include "identity/pods_file.h"

struct weir_pods_kube_opts { /* texts stay the caller's, and live as long */
	struct weir_fetches *fetches;
	struct weir_pod_set *set;
	const char *url;  /* without a slash at its end */
	const char *node; /* whose pods are watched; empty: nobody's, all are peers */
	bool is_kubelet;
	uint32_t interval_s;    /* of the kubelet */
	struct weir_asks *asks; /* NULL: nobody asks */
};

struct weir_pods_kube;

/* 0, -ENOMEM, or -EINVAL: url or node cannot be put into a request. */
int weir_pods_kube_create(const struct weir_pods_kube_opts *opts, struct weir_pods_kube **ret_kube);
/* After weir_fetches_destroy(), which cuts off what runs. NULL is nothing. */
void weir_pods_kube_destroy(struct weir_pods_kube *kube);

/* Starts what is due; returns when the next thing will be, in ms. Both clocks are the caller's. */
int weir_pods_kube_step(struct weir_pods_kube *kube, uint64_t monotonic_ns, uint64_t now_ns);
/* Lists anew, as soon as may be. */
void weir_pods_kube_again(struct weir_pods_kube *kube);
/* How the last list or watch ended, once; NOTHING: none has since. */
void weir_pods_kube_report(struct weir_pods_kube *kube, struct weir_pods_report *ret_report);
/* Why peers cannot be looked at, once for each pause that it costs; false: nothing new. */
bool weir_pods_kube_looks_failed(struct weir_pods_kube *kube, char ret_why[WEIR_FETCH_WHY_MAX]);

#endif
