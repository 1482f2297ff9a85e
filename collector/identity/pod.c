/* pod: one pod, and the names that follow from what it says.
 *
 *   one allocation   | struct weir_pod | labels | texts |
 *
 * A pod does not name its workload but its controller, and the controller is
 * often one that something else made:
 *
 *   ReplicaSet reviews-v1-5f8d7c9b6    Deployment reviews-v1    the hash is a label of the pod
 *   Job        backup-28374650         CronJob backup           the minute it was due
 *   StatefulSet, DaemonSet, any other  itself
 *   Node (a static pod), none          the pod
 *
 * Invariants
 *  1. Nothing of a pod changes after create() but the count of references and
 *     is_used.
 *  2. All texts lie in the pod's own allocation.
 *
 * Any thread. */
#include "identity/pod.h"

#include <errno.h>
#include <stdlib.h>

#define CRON_DIGITS_MIN 8u /* minutes since 1970; seconds with older ones: 10 */
#define CRON_DIGITS_MAX 11u

/* The text without `-suffix`; the whole when it does not end so. */
static struct weir_str without_suffix(struct weir_str text, struct weir_str suffix)
{
	size_t cut = suffix.length + 1;

	if (suffix.length == 0 || text.length <= cut || text.data[text.length - cut] != '-' ||
		memcmp(text.data + text.length - suffix.length, suffix.data, suffix.length) != 0) {
		return text;
	}
	return weir_str_make(text.data, text.length - cut);
}

static struct weir_str last_part(struct weir_str text)
{
	const char *dash = text.length > 0 ? memrchr(text.data, '-', text.length) : NULL;

	return dash != NULL ? weir_str_make(dash + 1, (size_t)(text.data + text.length - dash) - 1)
			    : weir_str_make(NULL, 0);
}

static bool is_due_time(struct weir_str text)
{
	for (size_t i = 0; i < text.length; i++) {
		if (text.data[i] < '0' || text.data[i] > '9') {
			return false;
		}
	}
	return text.length >= CRON_DIGITS_MIN && text.length <= CRON_DIGITS_MAX;
}

struct weir_str weir_pod_workload(struct weir_str pod, const struct weir_pod_owner *owner)
{
	struct weir_str last = last_part(owner->name);

	if (owner->name.length == 0 || weir_str_is(owner->kind, "Node")) {
		return pod;
	}
	if (weir_str_is(owner->kind, "ReplicaSet")) {
		/* Without the label it is by the pod's name that a mesh would go. */
		return owner->template_hash.length > 0 ? without_suffix(owner->name, owner->template_hash)
						       : weir_identity_workload_of_pod(pod);
	}
	if (weir_str_is(owner->kind, "Job") && is_due_time(last)) {
		return without_suffix(owner->name, last);
	}
	return owner->name;
}

static struct weir_str keep(char **at, struct weir_str text)
{
	struct weir_str kept = weir_str_make(*at, text.length);

	if (text.length > 0) {
		memcpy(*at, text.data, text.length);
	}
	*at += text.length;
	return kept;
}

static void names_follow(struct weir_pod *pod, struct weir_str workload, struct weir_str account)
{
	struct weir_identity_labels labels = { 0 };

	pod->identity = (struct weir_identity){
		.workload = workload, .namespace_ = pod->namespace_, .pod = pod->name, .service_account = account
	};
	for (uint32_t i = 0; i < pod->label_count; i++) {
		weir_identity_take_label(pod->labels[i].key, pod->labels[i].value, &labels);
	}
	weir_identity_apply_labels(&labels, &pod->identity);
}

int weir_pod_create(const struct weir_pod *from, const struct weir_pod_owner *owner, struct weir_str account,
	struct weir_pod **ret_pod)
{
	struct weir_str workload = weir_pod_workload(from->name, owner);
	size_t texts = from->name.length + from->namespace_.length + from->uid.length + from->node.length +
		       workload.length + account.length;
	size_t label_bytes = from->label_count * sizeof(struct weir_identity_label);
	struct weir_identity_label *labels;
	struct weir_pod *pod;
	char *at;

	for (uint32_t i = 0; i < from->label_count; i++) {
		texts += from->labels[i].key.length + from->labels[i].value.length;
	}
	if (texts > WEIR_POD_TEXT_MAX || from->label_count > WEIR_POD_LABELS_MAX) {
		return -E2BIG;
	}
	pod = malloc(sizeof(*pod) + label_bytes + texts);
	if (pod == NULL) {
		return -ENOMEM;
	}
	memcpy(pod, from, sizeof(*pod));
	labels = (struct weir_identity_label *)(pod + 1);
	at = (char *)labels + label_bytes;
	pod->name = keep(&at, from->name);
	pod->namespace_ = keep(&at, from->namespace_);
	pod->uid = keep(&at, from->uid);
	pod->node = keep(&at, from->node);
	for (uint32_t i = 0; i < from->label_count; i++) {
		labels[i].key = keep(&at, from->labels[i].key);
		labels[i].value = keep(&at, from->labels[i].value);
	}
	pod->labels = labels;
	workload = keep(&at, workload);
	names_follow(pod, workload, keep(&at, account));
	pod->bytes = sizeof(*pod) + label_bytes + texts;
	atomic_init(&pod->references, 1);
	atomic_init(&pod->is_used, false);
	*ret_pod = pod;
	return 0;
}

struct weir_pod *weir_pod_hold(struct weir_pod *pod)
{
	atomic_fetch_add_explicit(&pod->references, 1, memory_order_relaxed);
	return pod;
}

void weir_pod_let_go(struct weir_pod *pod)
{
	if (pod != NULL && atomic_fetch_sub_explicit(&pod->references, 1, memory_order_acq_rel) == 1) {
		free(pod);
	}
}

void weir_pod_identity(const struct weir_pod *pod, const struct weir_wanted *wanted, struct weir_identity *ret)
{
	struct weir_identity_labels labels = { .wanted = wanted };

	*ret = pod->identity;
	for (uint32_t i = 0; wanted != NULL && i < pod->label_count; i++) {
		weir_identity_take_label(pod->labels[i].key, pod->labels[i].value, &labels);
	}
	if (wanted != NULL) {
		weir_identity_apply_labels(&labels, ret);
	}
}
