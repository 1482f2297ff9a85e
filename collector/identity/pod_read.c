/* pod_read: see the header.
 *
 *   List   { "items": [ Pod … ], "metadata": { "resourceVersion", "continue" } }
 *   Pod    { "metadata": { "name", "namespace", "uid", "labels": { … }, "ownerReferences": [ … ],
 *                          "creationTimestamp" },
 *            "spec":     { "nodeName", "hostNetwork", "serviceAccountName" },
 *            "status":   { "phase", "podIP", "podIPs": [ { "ip" } … ], "hostIP", "startTime",
 *                          "containerStatuses": [ { "state": { "terminated": { "finishedAt" } } } … ] } }
 *   event  { "type": "ADDED" …, "object": a Pod, or a Status { "code" } }
 *
 * Members come in any order (kubectl sorts them, the API server does not), and
 * most of a pod is passed over: a container's environment is of no interest.
 * The reader of base/json_read.h bounds the depth, the caller the length.
 *
 * Invariants
 *  1. A pod has a name and a namespace, and no more labels, addresses and text
 *     than pod.h allows: labels beyond are left out, a pod beyond too.
 *  2. Texts with escapes are unescaped into `scratch`, which is as long as the
 *     longest pod's texts: what does not fit is unset.
 *
 * Any thread; no state. */
#include "identity/pod_read.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "base/json_read.h"

struct reading { /* of one pod */
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

/* ---- values --------------------------------------------------------------- */

/* A string's value; empty of any other kind. False: malformed. */
static bool text_read(struct reading *reading, struct weir_str *ret)
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
	return seconds > 0 ? (uint64_t)seconds * UINT64_C(1000000000) : 0;
}

static bool time_read(struct reading *reading, uint64_t *ret)
{
	struct weir_str text;

	if (!text_read(reading, &text)) {
		return false;
	}
	*ret = time_of(text);
	return true;
}

/* Begins an object or an array; *ret_is false: it is something else, and passed over. False: malformed. */
static bool opens(struct weir_json *json, enum weir_json_kind kind, bool *ret_is)
{
	struct weir_json_value value;

	if (weir_json_value(json, &value) != 0) {
		return false;
	}
	*ret_is = value.kind == kind;
	return *ret_is || weir_json_skip_rest(json, &value) == 0;
}

typedef bool member_fn(struct reading *reading, struct weir_str key);

/* Every member of the next value, if that is an object; `member` reads or skips its value. False: malformed. */
static bool members_read(struct reading *reading, member_fn *member)
{
	bool is_object, is_first = true, has_escapes;
	struct weir_str key;
	int r;

	if (!opens(reading->json, WEIR_JSON_OBJECT, &is_object)) {
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
static bool elements_read(struct reading *reading, bool (*element)(struct reading *reading))
{
	bool is_array, is_first = true;
	int r;

	if (!opens(reading->json, WEIR_JSON_ARRAY, &is_array)) {
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

static bool skip(struct reading *reading)
{
	return weir_json_skip(reading->json) == 0;
}

/* ---- a pod ------------------------------------------------------------------ */

static bool label_member(struct reading *reading, struct weir_str key)
{
	struct weir_str value;

	if (!text_read(reading, &value)) {
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
static bool owner_element(struct reading *reading)
{
	struct owner_seen seen = { 0 };
	bool is_object, is_first = true, has_escapes, is_read = true;
	struct weir_str key;
	int r = 0;

	if (!opens(reading->json, WEIR_JSON_OBJECT, &is_object)) {
		return false;
	}
	while (is_object && is_read && (r = weir_json_member(reading->json, &is_first, &key, &has_escapes)) == 0) {
		is_read = weir_str_is(key, "kind")         ? text_read(reading, &seen.kind)
			  : weir_str_is(key, "name")       ? text_read(reading, &seen.name)
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

static bool metadata_member(struct reading *reading, struct weir_str key)
{
	if (weir_str_is(key, "name")) {
		return text_read(reading, &reading->pod.name);
	}
	if (weir_str_is(key, "namespace")) {
		return text_read(reading, &reading->pod.namespace_);
	}
	if (weir_str_is(key, "uid")) {
		return text_read(reading, &reading->pod.uid);
	}
	if (weir_str_is(key, "resourceVersion")) {
		return text_read(reading, &reading->version);
	}
	if (weir_str_is(key, "creationTimestamp")) {
		return time_read(reading, &reading->created_ns);
	}
	if (weir_str_is(key, "labels")) {
		return members_read(reading, label_member);
	}
	return weir_str_is(key, "ownerReferences") ? elements_read(reading, owner_element) : skip(reading);
}

static bool spec_member(struct reading *reading, struct weir_str key)
{
	if (weir_str_is(key, "nodeName")) {
		return text_read(reading, &reading->pod.node);
	}
	if (weir_str_is(key, "hostNetwork")) {
		return bool_read(reading->json, &reading->pod.is_host_network);
	}
	if (weir_str_is(key, "serviceAccountName")) {
		return text_read(reading, &reading->account);
	}
	return skip(reading);
}

/* IPv6, or v4-mapped. False: no address. */
static bool ip_parse(struct weir_str text, uint8_t ret_ip[16])
{
	char copy[INET6_ADDRSTRLEN];

	if (text.length == 0 || text.length >= sizeof(copy)) {
		return false;
	}
	memcpy(copy, text.data, text.length);
	copy[text.length] = '\0';
	memset(ret_ip, 0, 16);
	if (inet_pton(AF_INET, copy, ret_ip + 12) == 1) {
		ret_ip[10] = ret_ip[11] = 0xff;
		return true;
	}
	return inet_pton(AF_INET6, copy, ret_ip) == 1;
}

static void ip_add(struct reading *reading, struct weir_str text)
{
	struct weir_pod *pod = &reading->pod;
	uint8_t ip[16];

	if (!ip_parse(text, ip)) {
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

static bool ip_member(struct reading *reading, struct weir_str key)
{
	struct weir_str text;

	if (!weir_str_is(key, "ip")) {
		return skip(reading);
	}
	if (!text_read(reading, &text)) {
		return false;
	}
	ip_add(reading, text);
	return true;
}

static bool ip_element(struct reading *reading)
{
	return members_read(reading, ip_member);
}

/* The last container to end is the pod's end. */
static bool terminated_member(struct reading *reading, struct weir_str key)
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

static bool state_member(struct reading *reading, struct weir_str key)
{
	return weir_str_is(key, "terminated") ? members_read(reading, terminated_member) : skip(reading);
}

static bool container_member(struct reading *reading, struct weir_str key)
{
	return weir_str_is(key, "state") ? members_read(reading, state_member) : skip(reading);
}

static bool container_element(struct reading *reading)
{
	return members_read(reading, container_member);
}

static bool status_member(struct reading *reading, struct weir_str key)
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
	if (!text_read(reading, &text)) {
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

static bool pod_member(struct reading *reading, struct weir_str key)
{
	if (weir_str_is(key, "metadata")) {
		return members_read(reading, metadata_member);
	}
	if (weir_str_is(key, "spec")) {
		return members_read(reading, spec_member);
	}
	return weir_str_is(key, "status") ? members_read(reading, status_member) : skip(reading);
}

static void reading_init(struct reading *reading, struct weir_json *json)
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
static bool is_host_address(const struct reading *reading)
{
	uint8_t ip[16];

	return reading->pod.ip_count > 0 && ip_parse(reading->host_ip, ip) &&
	       memcmp(ip, reading->pod.ips[0], sizeof(ip)) == 0;
}

/* 0; 1: it cannot be kept; -ENOMEM. */
static int pod_make(struct reading *reading, struct weir_pod **ret_pod)
{
	struct weir_pod *pod = &reading->pod;
	int r;

	if (pod->name.length == 0 || pod->namespace_.length == 0) {
		return 1;
	}
	pod->labels = reading->labels;
	pod->is_host_network = pod->is_host_network || is_host_address(reading);
	pod->since_ns = reading->created_ns > 0 ? reading->created_ns : reading->started_ns;
	pod->ended_ns = pod->is_over ? pod->ended_ns : 0;
	r = weir_pod_create(pod, &reading->owner, reading->account, ret_pod);
	return r == -E2BIG ? 1 : r;
}

/* ---- lists ------------------------------------------------------------------ */

struct list_reading {
	struct reading *reading;
	weir_pod_fn *take;
	void *ctx;
	struct weir_pod_list *list;
	int fault;
};

/* False: malformed, or a fault. */
static bool item_read(struct list_reading *list)
{
	struct weir_pod *pod;
	int r;

	reading_init(list->reading, list->reading->json);
	if (!members_read(list->reading, pod_member)) {
		return false;
	}
	r = pod_make(list->reading, &pod);
	if (r < 0) {
		list->fault = r;
		return false;
	}
	if (r == 0) {
		list->list->pods++;
		list->take(list->ctx, pod);
	}
	list->list->left_out += r == 1;
	return true;
}

static bool items_read(struct list_reading *list)
{
	bool is_array, is_first = true;
	int r;

	if (!opens(list->reading->json, WEIR_JSON_ARRAY, &is_array)) {
		return false;
	}
	while ((r = is_array ? weir_json_element(list->reading->json, &is_first) : WEIR_JSON_END) == 0) {
		if (!item_read(list)) {
			return false;
		}
	}
	return r == WEIR_JSON_END;
}

static void text_keep(char *to, size_t size, struct weir_str text)
{
	if (text.length < size) {
		memcpy(to, text.data != NULL ? text.data : "", text.length);
		to[text.length] = '\0';
	}
}

/* The list's own metadata; of a single Pod the whole is one item, so its members come by again. */
static bool list_metadata_read(struct list_reading *list)
{
	bool is_object, is_first = true, has_escapes, is_read = true;
	struct weir_str key, text;
	int r = WEIR_JSON_END;

	reading_init(list->reading, list->reading->json);
	if (!opens(list->reading->json, WEIR_JSON_OBJECT, &is_object)) {
		return false;
	}
	while (is_object && is_read &&
		(r = weir_json_member(list->reading->json, &is_first, &key, &has_escapes)) == 0) {
		if (weir_str_is(key, "resourceVersion")) {
			is_read = text_read(list->reading, &text);
			text_keep(list->list->resource_version, sizeof(list->list->resource_version), text);
		} else if (weir_str_is(key, "continue")) {
			is_read = text_read(list->reading, &text);
			text_keep(list->list->continue_token, sizeof(list->list->continue_token), text);
		} else {
			is_read = skip(list->reading);
		}
	}
	return is_read && r == WEIR_JSON_END;
}

/* Kind and items; *ret_is_pod: it is a Pod instead. False: malformed, or a fault. */
static bool list_read(struct list_reading *list, bool *ret_is_pod, bool *ret_has_items)
{
	struct weir_json *json = list->reading->json;
	bool is_object, is_first = true, has_escapes, is_read = true;
	struct weir_str key, kind;
	int r = 0;

	*ret_is_pod = *ret_has_items = false;
	if (!opens(json, WEIR_JSON_OBJECT, &is_object) || !is_object) {
		return false;
	}
	while (is_read && (r = weir_json_member(json, &is_first, &key, &has_escapes)) == 0) {
		if (weir_str_is(key, "items")) {
			*ret_has_items = true;
			is_read = items_read(list);
		} else if (weir_str_is(key, "metadata")) {
			is_read = list_metadata_read(list);
		} else if (weir_str_is(key, "kind")) {
			reading_init(list->reading, json);
			is_read = text_read(list->reading, &kind);
			*ret_is_pod = weir_str_is(kind, "Pod");
		} else {
			is_read = skip(list->reading);
		}
	}
	return is_read && r == WEIR_JSON_END && weir_json_finish(json) == 0;
}

static int malformed(struct weir_pod_list *list, const struct weir_json *json, const char *otherwise)
{
	list->error = json->error != NULL ? json->error : otherwise;
	list->error_offset = weir_json_offset(json);
	return WEIR_POD_READ_MALFORMED;
}

int weir_pod_read_list(struct weir_str body, weir_pod_fn *take, void *ctx, struct weir_pod_list *ret_list)
{
	struct weir_json json;
	struct list_reading list = { .take = take, .ctx = ctx, .list = ret_list };
	bool is_pod, has_items, is_read;
	int r = 0;

	*ret_list = (struct weir_pod_list){ 0 };
	list.reading = malloc(sizeof(*list.reading));
	if (list.reading == NULL) {
		return -ENOMEM;
	}
	list.reading->json = &json;
	weir_json_init(&json, body);
	is_read = list_read(&list, &is_pod, &has_items);
	if (is_read && is_pod && !has_items) {
		weir_json_init(&json, body);
		is_read = item_read(&list);
	}
	if (list.fault < 0) {
		r = list.fault;
	} else if (!is_read) {
		r = malformed(ret_list, &json, "no list of pods");
	} else if (!is_pod && !has_items) {
		r = malformed(ret_list, &json, "a list without items");
	}
	free(list.reading);
	return r;
}

/* ---- events ----------------------------------------------------------------- */

static enum weir_pod_event_type type_of(struct weir_str text)
{
	static const char *const names[] = { "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR" };

	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (weir_str_is(text, names[i])) {
			return (enum weir_pod_event_type)i;
		}
	}
	return WEIR_POD_OTHER;
}

/* The code of a Status. */
static bool status_read(struct reading *reading, int64_t *ret_code)
{
	bool is_object, is_first = true, has_escapes;
	struct weir_json_value value;
	struct weir_str key;
	int r = 0;

	*ret_code = 0;
	if (!opens(reading->json, WEIR_JSON_OBJECT, &is_object)) {
		return false;
	}
	while (is_object && (r = weir_json_member(reading->json, &is_first, &key, &has_escapes)) == 0) {
		if (!weir_str_is(key, "code")) {
			if (!skip(reading)) {
				return false;
			}
			continue;
		}
		if (weir_json_value(reading->json, &value) != 0 || weir_json_skip_rest(reading->json, &value) != 0) {
			return false;
		}
		if (value.kind == WEIR_JSON_NUMBER) {
			(void)weir_json_to_i64(value.text, ret_code); /* no whole number: no code */
		}
	}
	return !is_object || r == WEIR_JSON_END;
}

/* Where the object is, and the type, in whichever order. False: malformed. */
static bool event_survey(struct reading *reading, struct weir_pod_event *ret_event, struct weir_str *ret_object)
{
	struct weir_json *json = reading->json;
	bool is_object, is_first = true, has_escapes;
	struct weir_str key, text;
	int r;

	if (!opens(json, WEIR_JSON_OBJECT, &is_object) || !is_object) {
		return false;
	}
	while ((r = weir_json_member(json, &is_first, &key, &has_escapes)) == 0) {
		if (weir_str_is(key, "type")) {
			if (!text_read(reading, &text)) {
				return false;
			}
			ret_event->type = type_of(text);
		} else {
			const char *begin = json->at;

			if (weir_json_skip(json) != 0) {
				return false;
			}
			if (weir_str_is(key, "object")) {
				*ret_object = weir_str_make(begin, (size_t)(json->at - begin));
			}
		}
	}
	return r == WEIR_JSON_END && weir_json_finish(json) == 0;
}

int weir_pod_read_event(struct weir_str line, struct weir_pod_event *ret_event)
{
	struct reading *reading = malloc(sizeof(*reading));
	struct weir_str object = { NULL, 0 };
	struct weir_json json;
	bool is_read;
	int r = 0;

	*ret_event = (struct weir_pod_event){ .type = WEIR_POD_OTHER };
	if (reading == NULL) {
		return -ENOMEM;
	}
	weir_json_init(&json, line);
	reading_init(reading, &json);
	is_read = event_survey(reading, ret_event, &object);
	if (is_read && ret_event->type != WEIR_POD_OTHER) {
		weir_json_init(&json, object);
		reading_init(reading, &json);
		is_read =
			object.length > 0 && (ret_event->type == WEIR_POD_ERROR ? status_read(reading, &ret_event->code)
										: members_read(reading, pod_member));
		text_keep(ret_event->resource_version, sizeof(ret_event->resource_version), reading->version);
	}
	if (is_read && ret_event->type <= WEIR_POD_DELETED) {
		r = pod_make(reading, &ret_event->pod);
		r = r == 1 ? 0 : r;
	}
	free(reading);
	return is_read ? r : WEIR_POD_READ_MALFORMED;
}
