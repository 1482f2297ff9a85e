/* pods_file: the pods of a file, as `kubectl get pods -A -o json` writes it. */
#ifndef WEIR_IDENTITY_PODS_FILE_H
#define WEIR_IDENTITY_PODS_FILE_H

#include "identity/pod_set.h"

#define WEIR_PODS_WHY_MAX 256u

enum weir_pods_result { WEIR_PODS_NOTHING, WEIR_PODS_USED, WEIR_PODS_FAILED };

struct weir_pods_report { /* of one try to learn who is there */
	enum weir_pods_result result;
	uint32_t pods, left_out;
	char why[WEIR_PODS_WHY_MAX]; /* of FAILED */
};

struct weir_pods_file { /* zeroed at first, but for the path */
	const char *path;
	uint64_t seen[5]; /* of the file when it was last read: device, inode, size, time of its last change */
	bool was_seen;
};

/* Reads the file when it is another one than the last time, or `is_forced`. A file that cannot be read or used leaves
 * the set as it was, but for pods that came before what is wrong. */
void weir_pods_file_step(struct weir_pods_file *file, struct weir_pod_set *set, bool is_forced, uint64_t now_ns,
	struct weir_pods_report *ret_report);

#endif
