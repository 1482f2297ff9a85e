/* pods: where the workload table comes from: a thread that learns who is there,
 * from a file, the kubelet or the API server, and publishes it. */
#ifndef WEIR_IDENTITY_PODS_H
#define WEIR_IDENTITY_PODS_H

#include "base/buf.h"
#include "identity/workload.h"

enum weir_pods_kind { WEIR_PODS_FILE, WEIR_PODS_KUBELET, WEIR_PODS_KUBERNETES };

struct weir_pods_opts { /* texts stay the caller's, and live as long */
	struct weir_workloads *workloads;
	enum weir_pods_kind kind;
	const char *file; /* FILE */
	const char *url;  /* KUBELET, KUBERNETES */
	const char *node; /* KUBERNETES: whose pods are watched; empty: all are looked up when they are met */
	const char *token_file, *ca_file;
	bool skips_verification;
	uint32_t interval_s; /* FILE, KUBELET: how often it is looked at */
};

struct weir_pods;

/* Starts the thread and waits for its first try, a second at most, so that the first records find a table. That
 * it failed is no fault: it goes on trying. 0, -ENOMEM, -EINVAL (url or node), or what threads fail with. */
int weir_pods_start(const struct weir_pods_opts *opts, struct weir_pods **ret_pods);
/* Any thread: look again now. */
void weir_pods_again(struct weir_pods *pods);
/* What was published stays. NULL is nothing. Readers may go on, but ask nobody any more. */
void weir_pods_stop(struct weir_pods *pods);

#endif
