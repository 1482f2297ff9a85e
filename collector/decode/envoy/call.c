/* call: who called whom, as one access log entry tells it.
 *
 * What an entry means depends on the side on which it was written:
 *
 *   reporter      source is       destination is   service is
 *   source        the node        upstream peer    the cluster's host, else the authority
 *                                                  (sidecars only)
 *   destination   downstream peer the node         the SNI's host, the cluster's, else the
 *                                                  node's own; never the authority
 *   waypoint      downstream peer upstream peer    the cluster's host
 *
 * The side is told by the cluster's name; without one (a request that never got
 * that far) by the node's type, the listener's port, and whether a client's
 * certificate was seen. A gateway only ever is a source.
 *
 * Invariant: both sides of a call say the same of it but for the reporter,
 * principals and policy, as far as what was logged allows (peers.c).
 *
 * One thread: the listener's. */
#include "decode/envoy/call.h"

enum {
	PORT_OUTBOUND = 15001, /* where Istio's sidecars listen */
	PORT_INBOUND = 15006,
	PORT_HBONE = 15008,
};

struct service { /* of a call, as text or as what is placed already */
	struct weir_str host, name, namespace_;
};

static enum weir_reporter reporter_of(const struct weir_als_rows *rows, const struct weir_cluster_name *cluster)
{
	const struct weir_identity *own = &rows->sender->identity;
	const struct weir_entry *entry = &rows->entry;
	struct weir_entry_address local;
	struct weir_address ip = { 0 };

	if (own->is_gateway) {
		return WEIR_REPORTER_SOURCE;
	}
	if (cluster->direction == WEIR_CLUSTER_INBOUND_VIP) {
		return WEIR_REPORTER_WAYPOINT;
	}
	if (cluster->direction == WEIR_CLUSTER_INBOUND) {
		return WEIR_REPORTER_DESTINATION;
	}
	/* Both listeners know a BlackHoleCluster; its name does not tell the side. */
	if (cluster->direction == WEIR_CLUSTER_OUTBOUND && !weir_str_is(entry->upstream_cluster, "BlackHoleCluster")) {
		return WEIR_REPORTER_SOURCE;
	}
	if (own->is_waypoint) {
		return WEIR_REPORTER_WAYPOINT;
	}
	if (!weir_entry_read_address(entry->local, &local) || !weir_peers_address(&local, &ip) ||
		ip.port == PORT_OUTBOUND) {
		return entry->peer_san.length > 0 ? WEIR_REPORTER_DESTINATION : WEIR_REPORTER_SOURCE;
	}
	return ip.port == PORT_INBOUND || ip.port == PORT_HBONE || entry->peer_san.length > 0 ||
			       weir_str_equal(local.host, own->address)
		       ? WEIR_REPORTER_DESTINATION
		       : WEIR_REPORTER_SOURCE;
}

/* "ratings:9080" → "ratings"; "[::1]:80" → "[::1]". */
static struct weir_str without_port(struct weir_str authority)
{
	const char *colon = authority.length ? memrchr(authority.data, ':', authority.length) : NULL;
	size_t at = colon ? (size_t)(colon - authority.data) : authority.length;

	if (!colon || (at > 0 && memchr(authority.data, ':', at) && authority.data[at - 1] != ']')) {
		return authority; /* no port, or a bare IPv6 address */
	}
	return weir_str_make(authority.data, at);
}

/* As the caller names it: by the cluster that it chose, else by what it asked for. */
static struct service called_service(const struct weir_als_rows *rows, const struct weir_cluster_name *cluster)
{
	static const char black_hole[] = "BlackHoleCluster", pass_through[] = "PassthroughCluster";
	const struct weir_entry *entry = &rows->entry;
	const char *special = NULL;
	struct service ret = { .host = cluster->host };

	if (cluster->is_special) {
		special = weir_str_is(entry->upstream_cluster, black_hole) ? black_hole : pass_through;
	} else if (entry->upstream_cluster.length == 0 && weir_str_is(entry->route, "block_all")) {
		special = black_hole;
	} else if (entry->upstream_cluster.length == 0 && weir_str_is(entry->route, "allow_any")) {
		special = pass_through;
	}
	if (ret.host.length == 0 && special != black_hole && !rows->sender->identity.is_gateway) {
		ret.host = without_port(entry->authority);
	}
	if (special) {
		ret.host = ret.host.length > 0 ? ret.host : weir_str_of(special);
		ret.name = weir_str_of(special);
		return ret;
	}
	weir_identity_service(ret.host, &ret.name, &ret.namespace_);
	return ret;
}

/* As the callee is known: never by the authority, which any client chooses. */
static struct service served_service(const struct weir_als_rows *rows, const struct weir_cluster_name *cluster)
{
	const struct weir_entry *entry = &rows->entry;
	struct weir_str ignored;
	struct service ret = { .namespace_ = rows->sender->identity.namespace_ };

	if (entry->sni.length > 0) {
		ret.host = weir_identity_cluster(entry->sni).host;
	}
	if (ret.host.length == 0) {
		ret.host = cluster->host.length > 0 ? cluster->host : rows->sender->service_host;
	}
	weir_identity_service(ret.host, &ret.name, &ignored);
	if (cluster->is_special) {
		ret.name = entry->upstream_cluster;
	}
	return ret;
}

/* What cannot be read is as if it were not there. */
static struct weir_entry_address address_of(struct weir_str message)
{
	struct weir_entry_address address;

	return message.length > 0 && weir_entry_read_address(message, &address) ? address
										: (struct weir_entry_address){ 0 };
}

/* The downstream end by who really connected: X-Forwarded-For names somebody further away. */
static struct weir_entry_address peer_address_of(const struct weir_entry *entry, enum weir_reporter reporter)
{
	if (reporter == WEIR_REPORTER_SOURCE) {
		return address_of(entry->upstream);
	}
	return address_of(entry->direct.length > 0 ? entry->direct : entry->remote);
}

static const struct weir_cluster_name *cluster_of(struct weir_als_rows *rows)
{
	struct weir_str text = rows->entry.upstream_cluster;

	if (!weir_str_equal(rows->cluster_text, text)) {
		rows->cluster = weir_identity_cluster(text);
		rows->cluster_text = text;
	}
	return &rows->cluster;
}

static struct weir_peer_row find_caller(struct weir_als_rows *rows)
{
	const struct weir_peer_evidence evidence = {
		.told = &rows->entry.downstream,
		.san = rows->entry.peer_san,
		.host = rows->peer.host,
		.time_ns = rows->entry.start_ns,
	};

	return weir_peers_find(&rows->peers, &evidence);
}

static struct weir_peer_row find_callee(
	struct weir_als_rows *rows, const struct service *service, struct weir_entry_address upstream)
{
	const struct weir_peer_evidence evidence = {
		.told = &rows->entry.upstream_peer,
		.host = upstream.host,
		.service = service->name,
		.service_namespace = service->namespace_,
		.time_ns = rows->entry.start_ns,
	};

	return weir_peers_find(&rows->peers, &evidence);
}

static struct weir_ref place_host(struct weir_als_rows *rows, struct weir_str host)
{
	if (host.data != rows->sender->service_host.data || host.length == 0) {
		return weir_peers_place(rows->draft, host);
	}
	if (rows->own_host.length == 0) {
		rows->own_host = weir_peers_place(rows->draft, host);
	}
	return rows->own_host;
}

/* The service's name is usually the beginning of its host. */
static struct weir_ref place_name(struct weir_als_rows *rows, const struct service *service, struct weir_ref host)
{
	if (service->name.data == service->host.data && service->name.length <= host.length) {
		return (struct weir_ref){ host.offset, (uint32_t)service->name.length };
	}
	return weir_peers_place(rows->draft, service->name);
}

void weir_call_fill(struct weir_als_rows *rows, struct weir_call *call)
{
	const struct weir_entry *entry = &rows->entry;
	const struct weir_cluster_name *cluster = cluster_of(rows);
	enum weir_reporter reporter = reporter_of(rows, cluster);
	struct weir_peer_row caller, callee;
	struct service service;

	service = reporter == WEIR_REPORTER_DESTINATION ? served_service(rows, cluster) : called_service(rows, cluster);
	if (reporter == WEIR_REPORTER_WAYPOINT) {
		service.namespace_ = rows->sender->identity.namespace_;
	}
	rows->peer = peer_address_of(entry, reporter);
	caller = reporter == WEIR_REPORTER_SOURCE ? rows->peers.own_row : find_caller(rows);
	callee = reporter == WEIR_REPORTER_DESTINATION
			 ? rows->peers.own_row
			 : find_callee(rows, &service,
				   reporter == WEIR_REPORTER_SOURCE ? rows->peer : address_of(entry->upstream));

	call->proxy = rows->proxy;
	call->reporter = (uint8_t)reporter;
	call->response_flags = entry->flags;
	call->source = caller.workload;
	call->destination = callee.workload;
	call->service_host = place_host(rows, service.host);
	call->service_name = place_name(rows, &service, call->service_host);
	if (reporter != WEIR_REPORTER_SOURCE && service.namespace_.length > 0) {
		call->service_namespace = rows->peers.own_row.namespace_;
	} else if (service.namespace_.length > 0) {
		call->service_namespace = weir_peers_place(rows->draft, service.namespace_);
	} else if (reporter == WEIR_REPORTER_SOURCE) {
		call->service_namespace = callee.namespace_;
	}
	call->source_principal = reporter == WEIR_REPORTER_SOURCE ? (struct weir_ref){ 0, 0 } : caller.principal;
	call->destination_principal = reporter == WEIR_REPORTER_DESTINATION
					      ? weir_peers_place(rows->draft, entry->local_san)
					      : callee.principal;
	call->security = WEIR_SECURITY_UNKNOWN;
	if (reporter != WEIR_REPORTER_SOURCE) {
		call->security = entry->peer_san.length > 0 && entry->local_san.length > 0 ? WEIR_SECURITY_MUTUAL_TLS
											   : WEIR_SECURITY_NONE;
	}
}
