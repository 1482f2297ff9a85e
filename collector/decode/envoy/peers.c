/* peers: the workloads of one message, each one row.
 *
 * Who the other end is, in this order; each step only fills what is unset:
 *
 *   1  peer metadata of the entry      Struct, else FlatNode, else header
 *   2  its node id                     ─▶ a proxy that streams here (known)
 *                                      ─▶ else the id's own spelling, and a guess
 *   3  its address                     ─▶ a proxy that streams here now, unless
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
 *     another is equal.
 *  2. A row with a namespace has a workload; a cluster is only written beside a
 *     namespace (of the workload, or of the service that it serves).
 *
 * One thread: the listener whose draft it is. */
#include "decode/envoy/peers.h"

#include "base/utf8.h"
#include "decode/address.h"

struct weir_ref weir_peers_place(struct weir_draft *draft, struct weir_str text)
{
	uintptr_t at = (uintptr_t)text.data, body = (uintptr_t)draft->body.data;
	char *room;

	if (text.length == 0) {
		return (struct weir_ref){ 0, 0 };
	}
	if (at >= body && at - body < draft->body.length) {
		return weir_draft_text(draft, text);
	}
	if (weir_draft_is_ascii(text) || weir_utf8_is_valid(text)) {
		return weir_draft_copy(draft, text);
	}
	draft->replaced_utf8++;
	room = weir_draft_reserve(draft, 3 * text.length);
	return room ? weir_draft_commit(draft, weir_utf8_repair(text, room)) : (struct weir_ref){ 0, 0 };
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
	peers->draft = draft;
	peers->own = own;
	peers->known = known;
	peers->count = 0;
	peers->next = 0;
	peers->has_nobody = false;
	peers->own_row = add_row(peers, own);
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

static void from_node_id(
	const struct weir_peers *peers, const struct weir_peer_evidence *evidence, struct weir_identity *identity)
{
	struct weir_str id = evidence->told->id;
	const struct weir_identity *known = peers->known ? weir_known_by_node(peers->known, id) : NULL;

	if (identity->workload.length > 0) {
		identity->node_id = id; /* metadata said more; the id adds only itself and the pod */
		weir_identity_from_node_id(id, identity);
	} else if (known) {
		*identity = *known;
	} else {
		weir_identity_from_node_id(id, identity);
		weir_identity_guess_labels(identity, evidence->service);
	}
}

static void from_address(
	const struct weir_peers *peers, const struct weir_peer_evidence *evidence, struct weir_identity *identity)
{
	const struct weir_identity *known;
	struct weir_address address = { 0 };
	struct weir_str space, account;

	if (!peers->known || !weir_address_parse(evidence->host, &address)) {
		return;
	}
	known = weir_known_by_address(peers->known, address.ip);
	if (!known || (evidence->service_namespace.length > 0 &&
			      !weir_str_equal(evidence->service_namespace, known->namespace_))) {
		return;
	}
	if (weir_identity_spiffe(evidence->san, &space, &account) &&
		(!weir_str_equal(space, known->namespace_) ||
			(known->service_account.length > 0 && !weir_str_equal(account, known->service_account)))) {
		return;
	}
	*identity = *known;
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

static void resolve(
	const struct weir_peers *peers, const struct weir_peer_evidence *evidence, struct weir_identity *identity)
{
	const struct weir_entry_peer *told = evidence->told;
	struct weir_node node = { 0 };

	if (told->form != WEIR_PEER_NONE && weir_peer_read(told->form, told->metadata, peers->draft->arena, &node)) {
		weir_node_settle(&node);
	}
	*identity = node.identity;
	if (is_node_id(told->id)) {
		from_node_id(peers, evidence, identity);
	}
	if (identity->workload.length == 0 && uses_address(evidence)) {
		from_address(peers, evidence, identity);
	}
	from_certificate(evidence->san, identity);
	if (identity->workload.length == 0) {
		identity->namespace_ = weir_str_make(NULL, 0);
	}
	if (identity->cluster.length == 0 &&
		(identity->namespace_.length > 0 || evidence->service_namespace.length > 0)) {
		identity->cluster = peers->own->cluster;
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
		if (is_same(&peers->remembered[i], &asked)) {
			return peers->remembered[i].row;
		}
	}
	resolve(peers, evidence, &identity);
	asked.row = add_row(peers, &identity);
	peers->remembered[peers->next] = asked;
	peers->next = (peers->next + 1) % WEIR_PEERS_REMEMBERED;
	peers->count += peers->count < WEIR_PEERS_REMEMBERED ? 1 : 0;
	return asked.row;
}
