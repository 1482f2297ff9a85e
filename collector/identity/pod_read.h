/* pod_read: pods as Kubernetes writes them in JSON: a PodList (or kubectl's
 * List), one Pod, an event of a watch. What comes is from outside: bounded,
 * checked, and read where it lies; only pods are allocated. */
#ifndef WEIR_IDENTITY_POD_READ_H
#define WEIR_IDENTITY_POD_READ_H

#include "identity/pod.h"

enum { WEIR_POD_READ_MALFORMED = 1 }; /* outcome: no such JSON; *ret says why and where */

#define WEIR_POD_VERSION_MAX 64u
#define WEIR_POD_CONTINUE_MAX 2048u

struct weir_pod_list { /* what a list says of itself */
	char resource_version[WEIR_POD_VERSION_MAX];
	char continue_token[WEIR_POD_CONTINUE_MAX]; /* not empty: more of it is to be had */
	uint32_t pods, left_out;                    /* those that have no name, or too much text */
	const char *error;                          /* of MALFORMED: a static sentence */
	size_t error_offset;
};

/* Called for each pod, with a reference of its own. */
typedef void weir_pod_fn(void *ctx, struct weir_pod *pod);

/* 0, MALFORMED (some pods may have been given already) or -ENOMEM. One Pod is a list of one. */
int weir_pod_read_list(struct weir_str body, weir_pod_fn *take, void *ctx, struct weir_pod_list *ret_list);

enum weir_pod_event_type {
	WEIR_POD_ADDED,
	WEIR_POD_MODIFIED,
	WEIR_POD_DELETED,
	WEIR_POD_BOOKMARK,
	WEIR_POD_ERROR, /* `code` says which */
	WEIR_POD_OTHER,
};

struct weir_pod_event {
	enum weir_pod_event_type type;
	struct weir_pod *pod; /* of ADDED, MODIFIED, DELETED: the caller's; NULL: it cannot be kept */
	int64_t code;         /* of ERROR: an HTTP status */
	char resource_version[WEIR_POD_VERSION_MAX];
};

/* One line of a watch. 0, MALFORMED or -ENOMEM. */
int weir_pod_read_event(struct weir_str line, struct weir_pod_event *ret_event);

#endif
