/* peers: the workloads of one message, each one row.
 *
 * Who the other end is, in this order; each step only fills what is unset:
 *
 *   1  peer metadata of the entry      Struct, else FlatNode, else header
 *   2  its node id                     ─▶ a proxy that streams here (known)
 *                                      ─▶ else its pod, in the workload table
 *                                      ─▶ else the id's own spelling, and a guess
 *   3  its address, unless a node's    ─▶ a proxy that streams here now, else the
 *                                         pod that had it at that time, unless
 *                                         certificate or service contradict
 *   4  its certificate's SPIFFE id     the namespace wins over 1 to 3 (it is
 *                                      proven); the account is the workload only
 *                                      where nothing else is known
 *   5  nothing: the row of nobody, whose labels are `unknown`
 *
 * A message names the same few peers over and over, so what was found is
 * remembered by the raw bytes it was found by: base64 and FlatBuffers are read
 * once per message and peer, and each workload is one row.
 *
 * Invariants
 *  1. A remembered answer is used only when all evidence that could have led to
 *     another is equal, and for times at which the workload table says the same.
 *  2. A row with a namespace has a workload; a cluster is only written beside a
 *     namespace (of the workload, or of the service that it serves).
 *
 * One thread: the listener whose draft it is. */
#include "decode/envoy/peers.h"

#include "decode/address.h"

struct weir_ref weir_peers_place(struct weir_draft *draft, struct weir_str text)
{
	return weir_draft_place(draft, text);
}

bool weir_peers_address(const struct weir_entry_address *address, struct weir_address *ret)
{
	if (address->host.length == 0 || !weir_address_parse(address->host, ret)) {
		return false;
	}
	if (ret->port == 0 && address->port <= UINT16_MAX) {
		ret->port = (uint16_t)address->port;
	}
	return true;
}

static uint32_t add_workload(struct weir_draft *draft, const struct weir_identity *identity, struct weir_ref space)
{
	struct weir_workload *row = weir_draft_workload(draft);

	if (!row) {
		return 0; /* the draft is exhausted: nothing of it will be used */
	}
	row->name = weir_peers_place(draft, identity->workload);
	row->namespace_ = space;
	row->app = weir_peers_place(draft, identity->app);
	row->version = weir_peers_place(draft, identity->version);
	row->canonical_service = weir_peers_place(draft, identity->canonical_service);
	row->canonical_revision = weir_peers_place(draft, identity->canonical_revision);
	row->cluster = weir_peers_place(draft, identity->cluster);
	row->pod = weir_peers_place(draft, identity->pod);
	row->node_id = weir_peers_place(draft, identity->node_id);
	weir_draft_labels(draft, &identity->more, row);
	return draft->workloads.count - 1;
}

static struct weir_peer_row add_row(struct weir_peers *peers, const struct weir_identity *identity)
{
	struct weir_peer_row ret = {
		.principal = weir_peers_place(peers->draft, identity->principal),
		.namespace_ = weir_peers_place(peers->draft, identity->namespace_),
	};
	bool is_nobody =
		identity->workload.length == 0 && identity->cluster.length == 0 && identity->node_id.length == 0;

	if (is_nobody && peers->has_nobody) {
		ret.workload = peers->nobody;
		return ret;
	}
	ret.workload = add_workload(peers->draft, identity, ret.namespace_);
	if (is_nobody) {
		peers->has_nobody = true;
		peers->nobody = ret.workload;
	}
	return ret;
}

void weir_peers_init(struct weir_peers *peers, struct weir_draft *draft, const struct weir_identity *own,
	const struct weir_known *known)
{
	struct weir_identity named = *own;

	peers->draft = draft;
	peers->cluster = own->cluster.length > 0 ? own->cluster : weir_workload_cluster(draft->pods);
	if (own->namespace_.length > 0) {
		named.cluster = peers->cluster;
	}
	peers->known = known;
	peers->count = 0;
	peers->next = 0;
	peers->has_nobody = false;
	peers->own_row = add_row(peers, &named);
}

/* ---- from evidence to a workload ---------------------------------------- */

/* A node id that names nobody ("unknown") is none. */
static bool is_node_id(struct weir_str id)
{
	return id.length > 0 && memchr(id.data, '~', id.length);
}

/* An address (and so the memory of it) only matters without a name. */
static bool uses_address(const struct weir_peer_evidence *evidence)
{
	return evidence->host.length > 0 && !is_node_id(evidence->told->id);
}

/* For which times the table's answer holds; of no answer only for that one. */
static struct weir_peer_time time_of(const struct weir_workload_row *row, uint64_t time_ns)
{
	if (row && time_ns != 0) {
		return (struct weir_peer_time){ row->since_ns, row->until_ns };
	}
	return (struct weir_peer_time){ time_ns, time_ns + 1 };
}

static void from_pod(
	const struct weir_peers *peers, const struct weir_workload_row *row, struct weir_identity *identity)
{
	weir_pod_identity(row->pod, weir_workload_wanted(peers->draft->pods), identity);
}

static void from_node_id(
	const struct weir_peers *peers, const struct weir_peer_evidence *evidence, struct weir_identity *identity)
{
	struct weir_str id = evidence->told->id;
	const struct weir_identity *known = peers->known ? weir_known_by_node(peers->known, id) : NULL;
	const struct weir_workload_row *row;

	if (identity->workload.length > 0) {
		identity->node_id = id; /* metadata said more; the id adds only itself and the pod */
		weir_identity_from_node_id(id, identity);
	} else if (known) {
		*identity = *known;
	} else {
		weir_identity_from_node_id(id, identity);
		row = weir_workload_by_name(peers->draft->pods, identity->pod, identity->namespace_, evidence->time_ns);
		if (row) {
			from_pod(peers, row, identity);
			identity->node_id = id;
		} else {
			weir_identity_guess_labels(identity, evidence->service);
		}
	}
}

/* Does the certificate, or the service that is called, speak against it? */
static bool is_contradicted(const struct weir_peer_evidence *evidence, const struct weir_identity *identity)
{
	struct weir_str space, account;

	if (evidence->service_namespace.length > 0 &&
		!weir_str_equal(evidence->service_namespace, identity->namespace_)) {
		return true;
	}
	return weir_identity_spiffe(evidence->san, &space, &account) &&
	       (!weir_str_equal(space, identity->namespace_) ||
		       (identity->service_account.length > 0 && !weir_str_equal(account, identity->service_account)));
}

static void from_address(struct weir_peers *peers, const struct weir_peer_evidence *evidence,
	struct weir_identity *identity, struct weir_peer_time *ret_time)
{
	const struct weir_identity *known;
	const struct weir_workload_row *row;
	struct weir_address address = { 0 };

	if ((!peers->known && !peers->draft->pods) || !weir_address_parse(evidence->host, &address)) {
		return;
	}
	known = peers->known ? weir_known_by_address(peers->known, address.ip) : NULL;
	if (known && !weir_workload_is_host_address(peers->draft->pods, address.ip, evidence->time_ns)) {
		if (!is_contradicted(evidence, known)) {
			*identity = *known;
		}
		return;
	}
	row = weir_workload_by_address(peers->draft->pods, address.ip, evidence->time_ns);
	*ret_time = time_of(row, evidence->time_ns);
	if (row && !is_contradicted(evidence, &row->pod->identity)) {
		from_pod(peers, row, identity);
	}
}

static void from_certificate(struct weir_str san, struct weir_identity *identity)
{
	struct weir_str space, account;

	if (san.length == 0) {
		return;
	}
	identity->principal = san;
	if (!weir_identity_spiffe(san, &space, &account)) {
		return;
	}
	identity->namespace_ = space;
	if (identity->workload.length == 0) {
		struct weir_identity_labels none = { 0 };

		identity->workload = account;
		weir_identity_apply_labels(&none, identity);
	}
}

static void resolve(struct weir_peers *peers, const struct weir_peer_evidence *evidence, struct weir_identity *identity,
	struct weir_peer_time *ret_time)
{
	const struct weir_entry_peer *told = evidence->told;
	const struct weir_wanted *wanted = weir_workload_wanted(peers->draft->pods);
	struct weir_node node = { 0 };

	*ret_time = (struct weir_peer_time){ 0, UINT64_MAX };
	if (told->form != WEIR_PEER_NONE &&
		weir_peer_read(told->form, told->metadata, wanted, peers->draft->arena, &node)) {
		weir_node_settle(&node);
	}
	*identity = node.identity;
	if (is_node_id(told->id)) {
		from_node_id(peers, evidence, identity);
	}
	if (identity->workload.length == 0 && uses_address(evidence)) {
		from_address(peers, evidence, identity, ret_time);
	}
	from_certificate(evidence->san, identity);
	if (identity->workload.length == 0) {
		identity->namespace_ = weir_str_make(NULL, 0);
	}
	if (identity->cluster.length == 0 &&
		(identity->namespace_.length > 0 || evidence->service_namespace.length > 0)) {
		identity->cluster = peers->cluster;
	}
}

/* ---- remembering -------------------------------------------------------- */

static bool is_same(const struct weir_remembered_peer *remembered, const struct weir_remembered_peer *asked)
{
	return remembered->form == asked->form && weir_str_equal(remembered->id, asked->id) &&
	       weir_str_equal(remembered->metadata, asked->metadata) && weir_str_equal(remembered->san, asked->san) &&
	       weir_str_equal(remembered->host, asked->host) && weir_str_equal(remembered->service, asked->service) &&
	       weir_str_equal(remembered->service_namespace, asked->service_namespace);
}

struct weir_peer_row weir_peers_find(struct weir_peers *peers, const struct weir_peer_evidence *evidence)
{
	struct weir_remembered_peer asked = {
		.form = evidence->told->form,
		.metadata = evidence->told->metadata,
		.id = evidence->told->id,
		.san = evidence->san,
		.service = evidence->service,
		.service_namespace = evidence->service_namespace,
	};
	struct weir_identity identity;

	if (uses_address(evidence)) {
		asked.host = evidence->host;
	}
	for (uint32_t i = 0; i < peers->count; i++) {
		const struct weir_peer_time *holds = &peers->remembered[i].time;

		if (evidence->time_ns >= holds->since_ns && evidence->time_ns < holds->until_ns &&
			is_same(&peers->remembered[i], &asked)) {
			return peers->remembered[i].row;
		}
	}
	resolve(peers, evidence, &identity, &asked.time);
	asked.row = add_row(peers, &identity);
	peers->remembered[peers->next] = asked;
	peers->next = (peers->next + 1) % WEIR_PEERS_REMEMBERED;
	peers->count += peers->count < WEIR_PEERS_REMEMBERED ? 1 : 0;
	return asked.row;
}
