/* source: who a sender is, from the names that a mesh gives to its parts.
 *
 * Istio writes the same few facts again and again, in forms of its own:
 *
 *   node id      sidecar~10.1.2.3~reviews-v1-5f8d7c9b6-8xv7d.default~default.svc.cluster.local
 *                type    address  pod                        .namespace  domain
 *   cluster      outbound|9080|v1|reviews.default.svc.cluster.local
 *   SNI          outbound_.9080_.v1_.reviews.default.svc.cluster.local
 *   SPIFFE id    spiffe://cluster.local/ns/default/sa/bookinfo-reviews
 *
 * All of them come from remote input: nothing here trusts a separator to be
 * there, and an unreadable name is an unset part, never a fault.
 *
 * Invariants
 *  1. Every text that comes out is a part of a text that went in, or static:
 *     it lives as long as its origin. Nothing is allocated.
 *  2. Functions only fill what is unset; a fact told outright wins over one
 *     that was derived from a name.
 *  3. Nothing here knows a clock or another sender: equal text in, equal
 *     names out. What was learned of other senders is in known.c.
 *
 * Any thread. */
#include "identity/source.h"

static const char latest[] = "latest";

/* The last `separator` in `text`, or its length when there is none. */
static size_t last_of(struct weir_str text, char separator)
{
	const char *found = text.length ? memrchr(text.data, separator, text.length) : NULL;

	return found ? (size_t)(found - text.data) : text.length;
}

static void set_if_unset(struct weir_str *field, struct weir_str value)
{
	if (field->length == 0) {
		*field = value;
	}
}

static bool is_only(struct weir_str text, const char *alphabet)
{
	for (size_t i = 0; i < text.length; i++) {
		if (text.data[i] == '\0' || !strchr(alphabet, text.data[i])) {
			return false;
		}
	}
	return text.length > 0;
}

/* Kubernetes draws its random suffixes from this alphabet, without vowels and
 * what could be mistaken for them; hashes of templates are made safe with it. */
static const char safe_alphabet[] = "bcdfghjklmnpqrstvwxz2456789";

static bool is_random_suffix(struct weir_str text)
{
	return text.length == 5 && is_only(text, safe_alphabet);
}

/* A 32-bit hash in safe letters, or (older, and other makers) in hex, which may
 * be shorter. A word of the workload's own name should not look like one: no
 * vowels, or a digit (and, of a short one, a letter: `2024` is none). */
static bool is_template_hash(struct weir_str text)
{
	size_t digits = 0;

	if (text.length < 4 || text.length > 10) {
		return false;
	}
	for (size_t i = 0; i < text.length; i++) {
		digits += text.data[i] >= '0' && text.data[i] <= '9';
	}
	if (text.length < 8) {
		return digits > 0 && digits < text.length && is_only(text, "0123456789abcdef");
	}
	return is_only(text, safe_alphabet) || (digits > 0 && is_only(text, "0123456789abcdef"));
}

static bool is_ordinal(struct weir_str text)
{
	return text.length <= 5 && is_only(text, "0123456789");
}

struct weir_str weir_identity_workload_of_pod(struct weir_str pod)
{
	size_t end = last_of(pod, '-');
	struct weir_str owner, suffix, hash;
	size_t middle;

	if (end == 0 || end == pod.length) {
		return pod;
	}
	owner = weir_str_make(pod.data, end);
	suffix = weir_str_make(pod.data + end + 1, pod.length - end - 1);
	if (is_ordinal(suffix) && !is_random_suffix(suffix)) {
		return owner; /* a StatefulSet's pod: db-0 */
	}
	middle = last_of(owner, '-');
	hash = middle < owner.length ? weir_str_make(owner.data + middle + 1, owner.length - middle - 1)
				     : (struct weir_str){ NULL, 0 };
	if (middle > 0 && is_template_hash(hash)) {
		return weir_str_make(owner.data, middle); /* a ReplicaSet's pod: the hash goes too */
	}
	return is_random_suffix(suffix) ? owner : pod; /* a DaemonSet's or Job's, or a bare pod */
}

void weir_identity_from_node_id(struct weir_str node_id, struct weir_identity *identity)
{
	struct weir_str rest = node_id;
	struct weir_str type, address, name;
	size_t dot;

	identity->node_id = node_id;
	type = weir_str_cut(&rest, '~');
	if (!rest.data) {
		return; /* not of Istio's form: the id is all there is */
	}
	address = weir_str_cut(&rest, '~');
	name = weir_str_cut(&rest, '~');
	identity->is_gateway = weir_str_is(type, "router");
	identity->is_waypoint = weir_str_is(type, "waypoint");
	set_if_unset(&identity->address, address);
	set_if_unset(&identity->domain, rest);
	dot = last_of(name, '.');
	set_if_unset(&identity->pod, weir_str_make(name.data, dot));
	if (dot < name.length) {
		set_if_unset(&identity->namespace_, weir_str_make(name.data + dot + 1, name.length - dot - 1));
	}
	set_if_unset(&identity->workload, weir_identity_workload_of_pod(identity->pod));
}

static struct weir_identity_label *more_find(struct weir_identity_more *more, struct weir_str key)
{
	for (uint32_t i = 0; i < more->count; i++) {
		if (weir_str_equal(more->labels[i].key, key)) {
			return &more->labels[i];
		}
	}
	return NULL;
}

/* The last of two equal keys counts. */
static void more_set(struct weir_identity_more *more, struct weir_str key, struct weir_str value)
{
	struct weir_identity_label *label = more_find(more, key);

	if (label != NULL) {
		label->value = value;
	} else if (more->count < WEIR_WANTED_MAX) {
		more->labels[more->count++] = (struct weir_identity_label){ key, value };
	}
}

void weir_identity_take_label(struct weir_str key, struct weir_str value, struct weir_identity_labels *labels)
{
	const struct {
		const char *key;
		struct weir_str *field;
	} places[] = {
		{ "app", &labels->app },
		{ "version", &labels->version },
		{ "app.kubernetes.io/name", &labels->k8s_name },
		{ "app.kubernetes.io/version", &labels->k8s_version },
		{ "service.istio.io/canonical-name", &labels->canonical_name },
		{ "service.istio.io/canonical-revision", &labels->canonical_revision },
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (weir_str_is(key, places[i].key)) {
			*places[i].field = value;
		}
	}
	if (weir_wanted_has(labels->wanted, key)) {
		more_set(&labels->more, key, value);
	}
}

/* Is anything told? */
bool weir_identity_has_labels(const struct weir_identity_labels *labels)
{
	return labels->app.length + labels->version.length + labels->k8s_name.length + labels->k8s_version.length +
		       labels->canonical_name.length + labels->canonical_revision.length + labels->more.count >
	       0;
}

void weir_identity_apply_labels(const struct weir_identity_labels *labels, struct weir_identity *identity)
{
	set_if_unset(&identity->app, labels->app);
	set_if_unset(&identity->version, labels->version);
	set_if_unset(&identity->canonical_service, labels->canonical_name);
	set_if_unset(&identity->canonical_service, labels->k8s_name);
	set_if_unset(&identity->canonical_service, labels->app);
	set_if_unset(&identity->canonical_service, identity->workload);
	set_if_unset(&identity->canonical_revision, labels->canonical_revision);
	set_if_unset(&identity->canonical_revision, labels->k8s_version);
	set_if_unset(&identity->canonical_revision, labels->version);
	set_if_unset(&identity->canonical_revision, weir_str_make(latest, sizeof(latest) - 1));
	for (uint32_t i = 0; i < labels->more.count; i++) {
		if (more_find(&identity->more, labels->more.labels[i].key) == NULL) {
			more_set(&identity->more, labels->more.labels[i].key, labels->more.labels[i].value);
		}
	}
}

/* v1, v2-1, v2024.11: a `v` and a digit, then anything. */
static bool is_version(struct weir_str text)
{
	return text.length >= 2 && text.data[0] == 'v' && text.data[1] >= '0' && text.data[1] <= '9';
}

/* Where the version begins in a workload's name, or its length. */
static size_t version_of_workload(struct weir_str workload, struct weir_str service)
{
	size_t dash;

	if (service.length > 0 && workload.length > service.length + 1 &&
		memcmp(workload.data, service.data, service.length) == 0 && workload.data[service.length] == '-') {
		return service.length;
	}
	dash = last_of(workload, '-');
	if (dash > 0 && dash < workload.length &&
		is_version(weir_str_make(workload.data + dash + 1, workload.length - dash - 1))) {
		return dash;
	}
	return workload.length;
}

void weir_identity_guess_labels(struct weir_identity *identity, struct weir_str service)
{
	struct weir_identity_labels guess = { .app = identity->workload };
	size_t at;

	if (identity->workload.length == 0) {
		return;
	}
	at = version_of_workload(identity->workload, service);
	guess.version = weir_str_make(latest, sizeof(latest) - 1);
	if (at < identity->workload.length) {
		guess.app = weir_str_make(identity->workload.data, at);
		guess.version = weir_str_make(identity->workload.data + at + 1, identity->workload.length - at - 1);
	}
	weir_identity_apply_labels(&guess, identity);
}

void weir_identity_from_owner(struct weir_str owner, struct weir_identity *identity)
{
	static const char prefix[] = "kubernetes://apis/";
	static const char marker[] = "/namespaces/";
	const char *found;
	struct weir_str rest;
	struct weir_str space, kind;

	if (!weir_str_starts_with(owner, prefix)) {
		return;
	}
	found = memmem(owner.data, owner.length, marker, sizeof(marker) - 1);
	if (!found) {
		return;
	}
	found += sizeof(marker) - 1;
	rest = weir_str_make(found, owner.length - (size_t)(found - owner.data));
	space = weir_str_cut(&rest, '/');
	kind = weir_str_cut(&rest, '/');
	if (kind.length > 0 && rest.length > 0) {
		set_if_unset(&identity->namespace_, space);
		set_if_unset(&identity->workload, rest);
	}
}

static bool is_special_cluster(struct weir_str name)
{
	return weir_str_is(name, "BlackHoleCluster") || weir_str_is(name, "PassthroughCluster") ||
	       weir_str_is(name, "InboundPassthroughCluster") || weir_str_is(name, "InboundPassthroughClusterIpv4") ||
	       weir_str_is(name, "InboundPassthroughClusterIpv6");
}

static enum weir_cluster_direction direction_of(struct weir_str prefix)
{
	if (weir_str_is(prefix, "outbound")) {
		return WEIR_CLUSTER_OUTBOUND;
	}
	if (weir_str_is(prefix, "inbound")) {
		return WEIR_CLUSTER_INBOUND;
	}
	return weir_str_is(prefix, "inbound-vip") ? WEIR_CLUSTER_INBOUND_VIP : WEIR_CLUSTER_UNKNOWN;
}

/* outbound_.<port>_.<subset>_.<host>: what gateways and mutual TLS put into the SNI. */
static bool cut_dotted(struct weir_str *rest, struct weir_str *ret_part)
{
	const char *found = rest->length ? memmem(rest->data, rest->length, "_.", 2) : NULL;

	if (!found) {
		return false;
	}
	*ret_part = weir_str_make(rest->data, (size_t)(found - rest->data));
	*rest = weir_str_make(found + 2, rest->length - ret_part->length - 2);
	return true;
}

static struct weir_cluster_name from_dotted(struct weir_str name)
{
	struct weir_cluster_name ret = { 0 };
	struct weir_str rest = name, prefix;

	if (!cut_dotted(&rest, &prefix) || !weir_str_is(prefix, "outbound") || !cut_dotted(&rest, &ret.port) ||
		!cut_dotted(&rest, &ret.subset)) {
		return (struct weir_cluster_name){ 0 };
	}
	ret.direction = WEIR_CLUSTER_OUTBOUND;
	ret.host = rest;
	return ret;
}

struct weir_cluster_name weir_identity_cluster(struct weir_str upstream_cluster)
{
	struct weir_cluster_name ret = { 0 };
	struct weir_str rest = upstream_cluster;

	if (is_special_cluster(upstream_cluster)) {
		ret.is_special = true;
		ret.direction = weir_str_starts_with(upstream_cluster, "Inbound") ? WEIR_CLUSTER_INBOUND
										  : WEIR_CLUSTER_OUTBOUND;
		return ret;
	}
	ret.direction = direction_of(weir_str_cut(&rest, '|'));
	if (!rest.data || ret.direction == WEIR_CLUSTER_UNKNOWN) {
		return from_dotted(upstream_cluster);
	}
	ret.port = weir_str_cut(&rest, '|');
	ret.subset = weir_str_cut(&rest, '|');
	ret.host = rest;
	return ret;
}

void weir_identity_service(struct weir_str host, struct weir_str *ret_name, struct weir_str *ret_namespace)
{
	struct weir_str rest = host;
	struct weir_str name = weir_str_cut(&rest, '.');
	struct weir_str space = weir_str_cut(&rest, '.');

	if (name.length > 0 && space.length > 0 && (weir_str_is(rest, "svc") || weir_str_starts_with(rest, "svc."))) {
		*ret_name = name;
		*ret_namespace = space;
		return;
	}
	*ret_name = host;
	*ret_namespace = weir_str_make(NULL, 0);
}

bool weir_identity_spiffe(struct weir_str uri, struct weir_str *ret_namespace, struct weir_str *ret_account)
{
	static const char scheme[] = "spiffe://";
	struct weir_str rest = uri;
	struct weir_str space;

	if (!weir_str_starts_with(uri, scheme)) {
		return false;
	}
	rest = weir_str_make(uri.data + sizeof(scheme) - 1, uri.length - (sizeof(scheme) - 1));
	(void)weir_str_cut(&rest, '/'); /* the trust domain */
	if (!weir_str_is(weir_str_cut(&rest, '/'), "ns")) {
		return false;
	}
	space = weir_str_cut(&rest, '/');
	if (space.length == 0 || !weir_str_is(weir_str_cut(&rest, '/'), "sa")) {
		return false;
	}
	*ret_namespace = space;
	*ret_account = rest;
	return true;
}

struct weir_str weir_identity_proxy(struct weir_str node_id_or_uid)
{
	static const char scheme[] = "kubernetes://";
	struct weir_str rest = node_id_or_uid, part;

	if (rest.length > sizeof(scheme) - 1 && memcmp(rest.data, scheme, sizeof(scheme) - 1) == 0) {
		return weir_str_make(rest.data + sizeof(scheme) - 1, rest.length - (sizeof(scheme) - 1));
	}
	weir_str_cut(&rest, '~');
	weir_str_cut(&rest, '~');
	part = weir_str_cut(&rest, '~');
	return part.length > 0 ? part : node_id_or_uid;
}
