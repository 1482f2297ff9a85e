/* node: a proxy's own description of itself.
 *
 * Envoy sends its Node once per stream: id, cluster, metadata, and some five
 * hundred `extensions` (60 KB) that nobody here reads; they are skipped by
 * their length. Of the metadata only who it is: the rest (proxy configuration,
 * annotations, ports) is passed over.
 *
 * Invariants
 *  1. Nothing is copied: all texts lie in the bytes that were read.
 *  2. What was told outright wins over what is derived (settle comes last).
 *
 * Any thread; no state. */
#include "decode/envoy/node.h"

#include "decode/envoy/struct.h"

enum {
	NODE_ID = 1 << 3 | WEIR_WIRE_BYTES,
	NODE_CLUSTER = 2 << 3 | WEIR_WIRE_BYTES,
	NODE_METADATA = 3 << 3 | WEIR_WIRE_BYTES,
};

bool weir_node_read_labels(struct weir_str labels, struct weir_identity_labels *ret)
{
	struct weir_wire wire = weir_wire_of(labels);
	struct weir_struct_entry entry;

	while (weir_struct_next(&wire, &entry)) {
		weir_identity_take_label(entry.key, entry.text, ret);
	}
	return !wire.is_malformed;
}

static void take(struct weir_str key, struct weir_str text, struct weir_node *ret)
{
	const struct {
		const char *key;
		struct weir_str *field;
	} places[] = {
		{ "NAMESPACE", &ret->identity.namespace_ },
		{ "WORKLOAD_NAME", &ret->identity.workload },
		{ "CLUSTER_ID", &ret->identity.cluster },
		{ "NAME", &ret->identity.pod },
		{ "OWNER", &ret->owner },
		{ "SERVICE_ACCOUNT", &ret->identity.service_account },
		{ "IDENTITY", &ret->identity.principal },
		{ "INSTANCE_IPS", &ret->instance_ips },
		/* Before Istio 1.4. */
		{ "POD_NAME", &ret->identity.pod },
		{ "CONFIG_NAMESPACE", &ret->identity.namespace_ },
		{ "app", &ret->labels.app },
	};

	for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
		if (weir_str_is(key, places[i].key)) {
			*places[i].field = text;
			return;
		}
	}
}

bool weir_node_read_metadata(struct weir_str metadata, struct weir_node *ret)
{
	struct weir_wire wire = weir_wire_of(metadata);
	struct weir_struct_entry entry;

	while (weir_struct_next(&wire, &entry)) {
		if (weir_str_is(entry.key, "LABELS")) {
			if (!weir_node_read_labels(entry.inner, &ret->labels)) {
				return false;
			}
		} else if (entry.text.length > 0) {
			take(entry.key, entry.text, ret);
		}
	}
	return !wire.is_malformed;
}

bool weir_node_read(struct weir_str node, const struct weir_wanted *wanted, struct weir_node *ret)
{
	struct weir_wire wire = weir_wire_of(node);
	struct weir_wire_field field;

	*ret = (struct weir_node){ .labels = { .wanted = wanted } };
	while (weir_wire_next(&wire, &field)) {
		if (field.tag == NODE_ID) {
			ret->identity.node_id = field.bytes;
		} else if (field.tag == NODE_CLUSTER) {
			ret->cluster = field.bytes;
		} else if (field.tag == NODE_METADATA && !weir_node_read_metadata(field.bytes, ret)) {
			return false;
		}
	}
	return !wire.is_malformed;
}

void weir_node_settle(struct weir_node *node)
{
	struct weir_identity *identity = &node->identity;
	struct weir_str ips = node->instance_ips;

	weir_identity_from_owner(node->owner, identity);
	if (identity->node_id.length > 0) {
		weir_identity_from_node_id(identity->node_id, identity);
	}
	if (identity->workload.length == 0) {
		identity->workload = weir_identity_workload_of_pod(identity->pod);
	}
	if (identity->address.length == 0) {
		identity->address = weir_str_trim(weir_str_cut(&ips, ','));
	}
	if (identity->workload.length > 0 || identity->namespace_.length > 0) {
		weir_identity_apply_labels(&node->labels, identity);
	}
}
