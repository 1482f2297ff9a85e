/* group: who the resource of some spans, points or logs is.
 *
 * A reader of the batch wants one owner's attributes side by side, and
 * protobuf allows fields in any order. So a group is walked for its resource
 * first (a handful of fields), and for its scopes afterwards.
 *
 * Decisions
 *  - No service.name, an empty one or no string: "unknown_service".
 *  - Scope attributes and schema URLs have no place in the record.
 *  - A proxy has a name of its own, on which all its signals agree: from the
 *    node id that its access logger sends, else, when an Envoy says that it is
 *    one, from its pod and namespace.
 *  - What is claimed: the Kubernetes namespace of the resource; of an access
 *    logger the one in its node id; without either, service.namespace.
 *
 * One thread: the listener's. Nothing is allocated outside the draft's arena. */
#include "decode/otlp/group.h"

#include "decode/otlp/value.h"
#include "identity/source.h"

enum { /* tags */
	RESOURCE_ATTRIBUTES = 1 << 3 | WEIR_WIRE_BYTES,
};

__attribute__((always_inline)) static inline bool key_is(struct weir_str key, const char *name)
{
	return memcmp(key.data, name, strlen(name)) == 0;
}

/* Keys of one length stand together, so that most attributes cost one jump. */
static struct weir_ref *place_of(struct weir_otlp_groups *groups, struct weir_str key)
{
	struct weir_otlp_who *who = &groups->who;

	switch (key.length) {
	case 8:
		return key_is(key, "log_name") ? &who->log_name : NULL;
	case 9:
		return key_is(key, "node_name") ? &who->node_id : NULL;
	case 12:
		if (key_is(key, "service.name")) {
			return &groups->common.service;
		}
		return key_is(key, "k8s.pod.name")   ? &who->pod
		       : key_is(key, "cluster_name") ? &who->cluster_name
						     : NULL;
	case 16:
		return key_is(key, "k8s.cluster.name") ? &who->cluster : NULL;
	case 17:
		return key_is(key, "service.namespace")   ? &who->service_namespace
		       : key_is(key, "k8s.workload.name") ? &who->workload
							  : NULL;
	case 18:
		return key_is(key, "k8s.namespace.name")   ? &who->namespace_
		       : key_is(key, "telemetry.sdk.name") ? &who->sdk
							   : NULL;
	case 19:
		return key_is(key, "k8s.deployment.name") ? &who->workload : NULL;
	case 24:
		return key_is(key, "k8s.service_account.name") ? &who->account : NULL;
	default:
		return NULL;
	}
}

static bool resource_read(struct weir_otlp_groups *groups, struct weir_str message)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	while (weir_wire_next(&wire, &field)) {
		const struct weir_attr *attr;
		struct weir_ref *to;
		struct weir_str key;

		if (field.tag != RESOURCE_ATTRIBUTES) {
			continue;
		}
		attr = weir_otlp_attr_read(groups->draft, field.bytes, &key);
		if (attr == NULL) {
			return false;
		}
		to = attr->type == WEIR_ATTR_STRING ? place_of(groups, key) : NULL;
		if (to != NULL) {
			*to = attr->value.text;
		}
	}
	return !wire.is_malformed;
}

/* `<pod>.<namespace>`: a part of the node id, or put together. */
static struct weir_ref proxy_of(struct weir_draft *draft, const struct weir_otlp_who *who)
{
	struct weir_ref ref = { 0, 0 };

	if (who->node_id.length > 0) {
		struct weir_str id = weir_draft_str(draft, who->node_id), name = weir_identity_proxy(id);

		ref.offset = who->node_id.offset + (uint32_t)(name.data - id.data);
		ref.length = (uint32_t)name.length;
	} else if (who->is_envoy && who->pod.length > 0 && who->namespace_.length > 0) {
		char *at = weir_draft_reserve(draft, (size_t)who->pod.length + 1 + who->namespace_.length);

		if (at != NULL) {
			memcpy(at, weir_draft_str(draft, who->pod).data, who->pod.length);
			at[who->pod.length] = '.';
			memcpy(at + who->pod.length + 1, weir_draft_str(draft, who->namespace_).data,
				who->namespace_.length);
			ref = weir_draft_commit(draft, (size_t)who->pod.length + 1 + who->namespace_.length);
		}
	}
	return ref;
}

bool weir_otlp_group_open(struct weir_otlp_groups *groups, struct weir_str message)
{
	struct weir_draft *draft = groups->draft;
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;

	groups->number++;
	groups->common = (struct weir_resource){ .attr_first = draft->attrs.count };
	groups->who = (struct weir_otlp_who){ 0 };
	groups->tag = WEIR_OTLP_GROUP_LIBRARY;
	groups->first_item = groups->items->count;
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == WEIR_OTLP_GROUP_RESOURCE) {
			if (!resource_read(groups, field.bytes)) {
				return false;
			}
		} else if (field.tag == WEIR_OTLP_GROUP_SCOPED) {
			groups->tag = WEIR_OTLP_GROUP_SCOPED;
		}
	}
	if (wire.is_malformed) {
		return false;
	}
	groups->common.attr_count = draft->attrs.count - groups->common.attr_first;
	if (draft->service.length == 0) {
		draft->service = groups->common.service;
	}
	if (groups->common.service.length == 0) {
		if (groups->unknown_service.length == 0) {
			groups->unknown_service = weir_draft_copy(draft, weir_str_of("unknown_service"));
		}
		groups->common.service = groups->unknown_service;
	}
	if (groups->who.node_id.length > 0 || groups->who.sdk.length == strlen("envoy")) {
		groups->who.is_envoy = weir_str_is(weir_draft_str(draft, groups->who.sdk), "envoy");
		groups->common.proxy = proxy_of(draft, &groups->who);
	}
	return true;
}

static void claim(struct weir_draft *draft, const struct weir_otlp_who *who, uint32_t items)
{
	struct weir_str claimed = weir_draft_str(draft, who->namespace_);
	struct weir_identity identity = { 0 };

	if (who->node_id.length > 0) {
		weir_identity_from_node_id(weir_draft_str(draft, who->node_id), &identity);
		claimed = identity.namespace_;
	} else if (claimed.length == 0) {
		claimed = weir_draft_str(draft, who->service_namespace);
	}
	weir_draft_claim(draft, claimed, weir_draft_str(draft, who->account), items);
}

void weir_otlp_group_close(struct weir_otlp_groups *groups)
{
	struct weir_draft *draft = groups->draft;
	uint32_t items = groups->items->count - groups->first_item;

	if (items == 0) {
		draft->attrs.count = groups->common.attr_first;
	} else if (draft->peer_namespace.length + draft->peer_account.length > 0) {
		claim(draft, &groups->who, items);
	}
}
