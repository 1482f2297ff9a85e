/* pod_json: one Pod of Kubernetes' JSON, member by member. Private to this room. */
#ifndef WEIR_IDENTITY_POD_JSON_H
#define WEIR_IDENTITY_POD_JSON_H

#include "base/json_read.h"
#include "identity/pod.h"

struct weir_pod_json { /* a pod that is being read; 20 KB */
	struct weir_json *json;
	struct weir_pod pod; /* texts lie in the body or in scratch */
	struct weir_identity_label labels[WEIR_POD_LABELS_MAX];
	struct weir_pod_owner owner;
	bool has_controller;
	struct weir_str account, host_ip, version;
	uint64_t started_ns, created_ns;
	size_t scratch_used;
	char scratch[WEIR_POD_TEXT_MAX];
};

/* Ready for another pod of the same text. */
void weir_pod_json_begin(struct weir_pod_json *reading, struct weir_json *json);
/* The next value, a Pod, or any other, of which nothing is taken. False: malformed. */
bool weir_pod_json_pod(struct weir_pod_json *reading);
/* 0 and a reference; 1: it cannot be kept, having no name, or too much text; -ENOMEM. */
int weir_pod_json_make(struct weir_pod_json *reading, struct weir_pod **ret_pod);

/* A string's value, good until the next begin(); empty of any other kind. False: malformed. */
bool weir_pod_json_text(struct weir_pod_json *reading, struct weir_str *ret);
/* Begins an object or an array; *ret_is false: it is something else, and passed over. False: malformed. */
bool weir_pod_json_opens(struct weir_json *json, enum weir_json_kind kind, bool *ret_is);

#endif
