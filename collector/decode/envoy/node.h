/* node: a proxy's own description of itself (Node, and the metadata in it), and
 * the place where all descriptions of a workload are gathered. Private to this folder. */
#ifndef WEIR_DECODE_ENVOY_NODE_H
#define WEIR_DECODE_ENVOY_NODE_H

#include "base/str.h"
#include "identity/source.h"

/* What was told about a workload, before the rules of identity/source.h. Texts
 * are borrowed from the bytes that were read. */
struct weir_node {
	struct weir_identity identity;
	struct weir_identity_labels labels;
	struct weir_str owner, instance_ips;
	struct weir_str cluster; /* Node.cluster: Istio says app.namespace */
};

/* A serialized envoy.config.core.v3.Node, with the labels that are wanted. False: malformed. */
bool weir_node_read(struct weir_str node, const struct weir_wanted *wanted, struct weir_node *ret);

/* A serialized Struct of pod labels. Adds to *ret. False: malformed. */
bool weir_node_read_labels(struct weir_str labels, struct weir_identity_labels *ret);

/* A serialized Struct with Istio's upper-case keys: Node.metadata, and what the
 * header x-envoy-peer-metadata holds. Adds to *ret. False: malformed. */
bool weir_node_read_metadata(struct weir_str metadata, struct weir_node *ret);

/* Applies the rules: owner and node id fill what is unset, labels give the
 * canonical names. A workload of which nothing was told stays empty. */
void weir_node_settle(struct weir_node *node);

#endif
