/* pod_json: one Pod of Kubernetes' JSON.
 *
 *   Pod    { "metadata": { "name", "namespace", "uid", "labels": { … }, "ownerReferences": [ … ],
 *                          "creationTimestamp" },
 *            "spec":     { "nodeName", "hostNetwork", "serviceAccountName" },
 *            "status":   { "phase", "podIP", "podIPs": [ { "ip" } … ], "hostIP", "startTime",
 *                          "containerStatuses": [ { "state": { "terminated": { "finishedAt" } } } … ] } }
 *
 * Members come in any order, and most of a pod is passed over: a container's
 * environment is of no interest.
 *
 * Invariants
 *  1. A pod has a name and a namespace, and no more labels, addresses and text
 *     than pod.h allows: labels beyond are left out, a pod beyond too.
 *  2. Texts with escapes are unescaped into `scratch`, which is as long as the
 *     longest pod's texts: what does not fit is unset.
 *
 * Any thread; no state. */
#include "identity/pod_json.h"

#include <errno.h>
#include <time.h>

#include "base/ip.h"

#define SECOND_NS UINT64_C(1000000000)

/* ---- values --------------------------------------------------------------- */

/* A string's value; empty of any other kind. False: malformed. */
bool weir_pod_json_text(struct weir_pod_json *reading, struct weir_str *ret)
{
	struct weir_json_value value;
	char *at = reading->scratch + reading->scratch_used;

	if (weir_json_value(reading->json, &value) != 0) {
		return false;
	}
	*ret = weir_str_make(NULL, 0);
	if (value.kind != WEIR_JSON_STRING) {
		return weir_json_skip_rest(reading->json, &value) == 0;
	}
	if (!value.has_escapes) {
		*ret = value.text;
	} else if (value.text.length <= sizeof(reading->scratch) - reading->scratch_used) {
		*ret = weir_str_make(at, weir_json_unescape(value.text, at));
		reading->scratch_used += ret->length;
	}
	return true;
}

static bool bool_read(struct weir_json *json, bool *ret)
{
	struct weir_json_value value;

	if (weir_json_value(json, &value) != 0) {
		return false;
	}
	*ret = value.kind == WEIR_JSON_TRUE;
	return weir_json_skip_rest(json, &value) == 0;
}

static bool digits_read(struct weir_str text, size_t at, size_t count, int *ret)
{
	*ret = 0;
	for (size_t i = 0; i < count; i++) {
		char c = at + i < text.length ? text.data[at + i] : '\0';

		if (c < '0' || c > '9') {
			return false;
		}
		*ret = *ret * 10 + (c - '0');
	}
	return true;
}

/* "2026-11-29T01:30:00Z", fractions are passed over; 0: no such time. */
static uint64_t time_of(struct weir_str text)
{
	struct tm tm = { 0 };
	time_t seconds;

	if (!digits_read(text, 0, 4, &tm.tm_year) || !digits_read(text, 5, 2, &tm.tm_mon) ||
		!digits_read(text, 8, 2, &tm.tm_mday) || !digits_read(text, 11, 2, &tm.tm_hour) ||
		!digits_read(text, 14, 2, &tm.tm_min) || !digits_read(text, 17, 2, &tm.tm_sec) ||
		text.data[text.length - 1] != 'Z') {
		return 0;
	}
	tm.tm_year -= 1900;
	tm.tm_mon -= 1;
	seconds = timegm(&tm);
	return seconds > 0 ? (uint64_t)seconds * SECOND_NS : 0;
}

static bool time_read(struct weir_pod_json *reading, uint64_t *ret)
{
	struct weir_str text;

	if (!weir_pod_json_text(reading, &text)) {
		return false;
	}
	*ret = time_of(text);
	return true;
}

/* Begins an object or an array; *ret_is false: it is something else, and passed over. False: malformed. */
bool weir_pod_json_opens(struct weir_json *json, enum weir_json_kind kind, bool *ret_is)
{
	struct weir_json_value value;

	if (weir_json_value(json, &value) != 0) {
		return false;
	}
	*ret_is = value.kind == kind;
	return *ret_is || weir_json_skip_rest(json, &value) == 0;
}

typedef bool member_fn(struct weir_pod_json *reading, struct weir_str key);

/* Every member of the next value, if that is an object; `member` reads or skips its value. False: malformed. */
static bool members_read(struct weir_pod_json *reading, member_fn *member)
{
	bool is_object, is_first = true, has_escapes;
	struct weir_str key;
	int r;

	if (!weir_pod_json_opens(reading->json, WEIR_JSON_OBJECT, &is_object)) {
		return false;
	}
	if (!is_object) {
		return true;
	}
	while ((r = weir_json_member(reading->json, &is_first, &key, &has_escapes)) == 0) {
		if (!member(reading, key)) {
			return false;
		}
	}
	return r == WEIR_JSON_END;
}

/* The same of each element of an array of objects. */
static bool elements_read(struct weir_pod_json *reading, bool (*element)(struct weir_pod_json *reading))
{
	bool is_array, is_first = true;
	int r;

	if (!weir_pod_json_opens(reading->json, WEIR_JSON_ARRAY, &is_array)) {
		return false;
	}
	if (!is_array) {
		return true;
	}
	while ((r = weir_json_element(reading->json, &is_first)) == 0) {
		if (!element(reading)) {
			return false;
		}
	}
	return r == WEIR_JSON_END;
}

static bool skip(struct weir_pod_json *reading)
{
	return weir_json_skip(reading->json) == 0;
}

/* ---- a pod ------------------------------------------------------------------ */

static bool label_member(struct weir_pod_json *reading, struct weir_str key)
{
	struct weir_str value;

	if (!weir_pod_json_text(reading, &value)) {
		return false;
	}
	if (weir_str_is(key, "pod-template-hash") || weir_str_is(key, "rollouts-pod-template-hash")) {
		reading->owner.template_hash = value;
	}
	if (reading->pod.label_count < WEIR_POD_LABELS_MAX) {
		reading->labels[reading->pod.label_count++] = (struct weir_identity_label){ key, value };
	}
	return true;
}

struct owner_seen {
	struct weir_str kind, name;
	bool is_controller;
};

/* The controller's reference wins over one that comes before it. */
static bool owner_element(struct weir_pod_json *reading)
{
	struct owner_seen seen = { 0 };
	bool is_object, is_first = true, has_escapes, is_read = true;
	struct weir_str key;
	int r = 0;

	if (!weir_pod_json_opens(reading->json, WEIR_JSON_OBJECT, &is_object)) {
		return false;
	}
	while (is_object && is_read && (r = weir_json_member(reading->json, &is_first, &key, &has_escapes)) == 0) {
		is_read = weir_str_is(key, "kind")         ? weir_pod_json_text(reading, &seen.kind)
			  : weir_str_is(key, "name")       ? weir_pod_json_text(reading, &seen.name)
			  : weir_str_is(key, "controller") ? bool_read(reading->json, &seen.is_controller)
							   : skip(reading);
	}
	if (!is_read || (is_object && r != WEIR_JSON_END)) {
		return false;
	}
	if (seen.name.length > 0 && !reading->has_controller &&
		(seen.is_controller || reading->owner.name.length == 0)) {
		reading->owner.kind = seen.kind;
		reading->owner.name = seen.name;
		reading->has_controller = seen.is_controller;
	}
	return true;
}

static bool metadata_member(struct weir_pod_json *reading, struct weir_str key)
{
	if (weir_str_is(key, "name")) {
		return weir_pod_json_text(reading, &reading->pod.name);
	}
	if (weir_str_is(key, "namespace")) {
		return weir_pod_json_text(reading, &reading->pod.namespace_);
	}
	if (weir_str_is(key, "uid")) {
		return weir_pod_json_text(reading, &reading->pod.uid);
	}
	if (weir_str_is(key, "resourceVersion")) {
		return weir_pod_json_text(reading, &reading->version);
	}
	if (weir_str_is(key, "creationTimestamp")) {
		return time_read(reading, &reading->created_ns);
	}
	if (weir_str_is(key, "labels")) {
		return members_read(reading, label_member);
	}
	return weir_str_is(key, "ownerReferences") ? elements_read(reading, owner_element) : skip(reading);
}

static bool spec_member(struct weir_pod_json *reading, struct weir_str key)
{
	if (weir_str_is(key, "nodeName")) {
		return weir_pod_json_text(reading, &reading->pod.node);
	}
	if (weir_str_is(key, "hostNetwork")) {
		return bool_read(reading->json, &reading->pod.is_host_network);
	}
	if (weir_str_is(key, "serviceAccountName")) {
		return weir_pod_json_text(reading, &reading->account);
	}
	return skip(reading);
}

static void ip_add(struct weir_pod_json *reading, struct weir_str text)
{
	struct weir_pod *pod = &reading->pod;
	uint8_t ip[16];

	if (!weir_ip_read(text, ip)) {
		return;
	}
	for (unsigned i = 0; i < pod->ip_count; i++) {
		if (memcmp(pod->ips[i], ip, sizeof(ip)) == 0) {
			return;
		}
	}
	if (pod->ip_count < WEIR_POD_IPS_MAX) {
		memcpy(pod->ips[pod->ip_count++], ip, sizeof(ip));
	}
}

static bool ip_member(struct weir_pod_json *reading, struct weir_str key)
{
	struct weir_str text;

	if (!weir_str_is(key, "ip")) {
		return skip(reading);
	}
	if (!weir_pod_json_text(reading, &text)) {
		return false;
	}
	ip_add(reading, text);
	return true;
}

static bool ip_element(struct weir_pod_json *reading)
{
	return members_read(reading, ip_member);
}

/* The last container to end is the pod's end. */
static bool terminated_member(struct weir_pod_json *reading, struct weir_str key)
{
	uint64_t finished_ns;

	if (!weir_str_is(key, "finishedAt")) {
		return skip(reading);
	}
	if (!time_read(reading, &finished_ns)) {
		return false;
	}
	reading->pod.ended_ns = finished_ns > reading->pod.ended_ns ? finished_ns : reading->pod.ended_ns;
	return true;
}

static bool state_member(struct weir_pod_json *reading, struct weir_str key)
{
	return weir_str_is(key, "terminated") ? members_read(reading, terminated_member) : skip(reading);
}

static bool container_member(struct weir_pod_json *reading, struct weir_str key)
{
	return weir_str_is(key, "state") ? members_read(reading, state_member) : skip(reading);
}

static bool container_element(struct weir_pod_json *reading)
{
	return members_read(reading, container_member);
}

static bool status_member(struct weir_pod_json *reading, struct weir_str key)
{
	struct weir_str text;

	if (weir_str_is(key, "podIPs")) {
		return elements_read(reading, ip_element);
	}
	if (weir_str_is(key, "containerStatuses")) {
		return elements_read(reading, container_element);
	}
	if (weir_str_is(key, "startTime")) {
		return time_read(reading, &reading->started_ns);
	}
	if (!weir_pod_json_text(reading, &text)) {
		return false;
	}
	if (weir_str_is(key, "phase")) {
		reading->pod.is_over = weir_str_is(text, "Succeeded") || weir_str_is(text, "Failed");
	} else if (weir_str_is(key, "podIP")) {
		ip_add(reading, text);
	} else if (weir_str_is(key, "hostIP")) {
		reading->host_ip = text;
	}
	return true;
}

static bool pod_member(struct weir_pod_json *reading, struct weir_str key)
{
	if (weir_str_is(key, "metadata")) {
		return members_read(reading, metadata_member);
	}
	if (weir_str_is(key, "spec")) {
		return members_read(reading, spec_member);
	}
	return weir_str_is(key, "status") ? members_read(reading, status_member) : skip(reading);
}

bool weir_pod_json_pod(struct weir_pod_json *reading)
{
	return members_read(reading, pod_member);
}

void weir_pod_json_begin(struct weir_pod_json *reading, struct weir_json *json)
{
	reading->json = json;
	memset(&reading->pod, 0, sizeof(reading->pod));
	reading->owner = (struct weir_pod_owner){ 0 };
	reading->has_controller = false;
	reading->account = reading->host_ip = reading->version = weir_str_make(NULL, 0);
	reading->started_ns = reading->created_ns = 0;
	reading->scratch_used = 0;
}

/* A node's own address, too, when the pod does not say that it uses its network. */
static bool is_host_address(const struct weir_pod_json *reading)
{
	uint8_t ip[16];

	return reading->pod.ip_count > 0 && weir_ip_read(reading->host_ip, ip) &&
	       memcmp(ip, reading->pod.ips[0], sizeof(ip)) == 0;
}

/* 0; 1: it cannot be kept; -ENOMEM. */
int weir_pod_json_make(struct weir_pod_json *reading, struct weir_pod **ret_pod)
{
	struct weir_pod *pod = &reading->pod;
	int r;

	if (pod->name.length == 0 || pod->namespace_.length == 0) {
		return 1;
	}
	pod->labels = reading->labels;
	pod->is_host_network = pod->is_host_network || is_host_address(reading);
	/* It may have waited for a node for long, and its address was somebody else's until the kubelet took it. */
	pod->since_ns = reading->started_ns > 0 ? reading->started_ns : reading->created_ns;
	/* Times are whole seconds, cut: what it did within its last one is its own. */
	pod->ended_ns = pod->is_over && pod->ended_ns > 0 ? pod->ended_ns + SECOND_NS : 0;
	r = weir_pod_create(pod, &reading->owner, reading->account, ret_pod);
	return r == -E2BIG ? 1 : r;
}
