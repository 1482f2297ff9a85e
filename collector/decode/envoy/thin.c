/* thin: an access log's draft made small.
 *
 *   before   body as it came | changed strings       rows ─▶ anywhere in both
 *   after                      the strings of rows   rows ─▶ each once per run of equals
 *
 * The entries of one proxy say the same in row after row (its clusters, its
 * routes, who calls it), so each column remembers its last text: an equal one
 * gets the same ref.
 *
 * Invariants
 *  1. Every ref of a row that was not empty says the same as before, unless it
 *     was cut.
 *  2. What the fold makes metrics, edges and pairs of is never cut: calls,
 *     numbers, times, the request's id and its trace's.
 *
 * One thread: the listener whose draft it is. */
#include "decode/envoy/thin.h"

enum column {
	PROXY,
	SERVICE_HOST,
	SERVICE_NAME,
	SERVICE_NAMESPACE,
	SOURCE_PRINCIPAL,
	DESTINATION_PRINCIPAL,
	AUTHORITY,
	PATH,
	USER_AGENT,
	ROUTE,
	UPSTREAM_CLUSTER,
	CODE_DETAILS,
	SNI,
	WORKLOAD_CLUSTER,
	WORKLOAD_NAMESPACE,
	UNIQUE, /* not looked for: ids, which are all different */
	COLUMNS = UNIQUE
};

struct packer {
	struct weir_draft *draft;
	struct weir_draft old; /* as it was: where the old refs are read */
	struct {
		struct weir_ref from, to;
	} last[COLUMNS];
};

static void move(struct packer *packer, enum column column, struct weir_ref *ref)
{
	struct weir_str text;

	if (ref->length == 0) {
		return;
	}
	text = weir_draft_str(&packer->old, *ref);
	if (column != UNIQUE && packer->last[column].from.length == ref->length &&
		(packer->last[column].from.offset == ref->offset ||
			weir_str_equal(weir_draft_str(&packer->old, packer->last[column].from), text))) {
		packer->last[column].from = *ref;
		*ref = packer->last[column].to;
		return;
	}
	if (column != UNIQUE) {
		packer->last[column].from = *ref;
	}
	*ref = weir_draft_copy(packer->draft, text);
	if (column != UNIQUE) {
		packer->last[column].to = *ref;
	}
}

static void move_call(struct packer *packer, struct weir_call *call)
{
	struct weir_ref host = call->service_host, *name = &call->service_name;

	move(packer, PROXY, &call->proxy);
	move(packer, SERVICE_HOST, &call->service_host);
	if (name->length > 0 && name->offset == host.offset && name->length <= host.length) {
		name->offset = call->service_host.offset; /* the beginning of the host */
	} else {
		move(packer, SERVICE_NAME, name);
	}
	move(packer, SERVICE_NAMESPACE, &call->service_namespace);
	move(packer, SOURCE_PRINCIPAL, &call->source_principal);
	move(packer, DESTINATION_PRINCIPAL, &call->destination_principal);
}

static void move_workloads(struct packer *packer)
{
	struct weir_workload *row = packer->draft->workloads.data;

	for (uint32_t i = 0; i < packer->draft->workloads.count; i++, row++) {
		move(packer, UNIQUE, &row->name);
		move(packer, WORKLOAD_NAMESPACE, &row->namespace_);
		move(packer, UNIQUE, &row->app);
		move(packer, UNIQUE, &row->version);
		move(packer, UNIQUE, &row->canonical_service);
		move(packer, UNIQUE, &row->canonical_revision);
		move(packer, WORKLOAD_CLUSTER, &row->cluster);
		move(packer, UNIQUE, &row->pod);
		move(packer, UNIQUE, &row->node_id);
	}
}

static void move_requests(struct packer *packer)
{
	struct weir_request *row = packer->draft->requests.data;

	for (uint32_t i = 0; i < packer->draft->requests.count; i++, row++) {
		move_call(packer, &row->call);
		move(packer, AUTHORITY, &row->authority);
		move(packer, PATH, &row->path);
		move(packer, USER_AGENT, &row->user_agent);
		move(packer, UNIQUE, &row->request_id);
		move(packer, ROUTE, &row->route);
		move(packer, UPSTREAM_CLUSTER, &row->upstream_cluster);
		move(packer, CODE_DETAILS, &row->code_details);
		move(packer, UNIQUE, &row->trace_id);
	}
}

static void move_connections(struct packer *packer)
{
	struct weir_connection *row = packer->draft->connections.data;

	for (uint32_t i = 0; i < packer->draft->connections.count; i++, row++) {
		move_call(packer, &row->call);
		move(packer, UNIQUE, &row->stream_id);
		move(packer, UPSTREAM_CLUSTER, &row->upstream_cluster);
		move(packer, SNI, &row->sni);
	}
}

/* Keys are in the extra, once per message: equal ones have equal refs. */
static void move_attrs(struct packer *packer)
{
	struct weir_attr *row = packer->draft->attrs.data;
	struct {
		struct weir_ref from, to;
	} keys[32];
	uint32_t count = 0, next = 0;

	for (uint32_t i = 0; i < packer->draft->attrs.count; i++, row++) {
		uint32_t k = 0, at = 0;

		move(packer, UNIQUE, &row->value.text);
		for (; k < count; k++) {
			at = next + k < count ? next + k : next + k - count;
			if (keys[at].from.offset == row->key.offset) {
				break;
			}
		}
		if (k < count) {
			row->key = keys[at].to;
			next = at + 1 < count ? at + 1 : 0;
			continue;
		}
		if (count < sizeof(keys) / sizeof(keys[0])) {
			keys[count].from = row->key;
			move(packer, UNIQUE, &row->key);
			keys[count++].to = row->key;
		} else {
			move(packer, UNIQUE, &row->key);
		}
	}
}

void weir_als_pack(struct weir_draft *draft)
{
	struct packer packer = { .draft = draft, .old = *draft };

	draft->body = weir_str_make(draft->body.data, 0);
	draft->extra = NULL;
	draft->extra_length = 0;
	draft->extra_capacity = 0;
	(void)weir_draft_reserve(
		draft, packer.old.body.length / 2 + packer.old.extra_length); /* at once, not doubling */
	move_workloads(&packer);
	move_requests(&packer);
	move_connections(&packer);
	move_attrs(&packer);
}

/* Of all attributes only the labels of workloads, which metrics are made of. Their lists lie in the order of the rows
 * and do not overlap, unless two rows share one. */
static void labels_keep(struct weir_draft *draft)
{
	struct weir_workload *row = draft->workloads.data;
	struct weir_attr *attrs = draft->attrs.data;
	uint32_t kept = 0, from = WEIR_NONE, to = 0;

	for (uint32_t i = 0; i < draft->workloads.count; i++, row++) {
		if (row->attr_count > 0 && row->attr_first != from) {
			weir_assert(row->attr_first >= kept);
			memmove(attrs + kept, attrs + row->attr_first, row->attr_count * sizeof(*attrs));
			from = row->attr_first;
			to = kept;
			kept += row->attr_count;
		}
		row->attr_first = row->attr_count > 0 ? to : 0;
	}
	draft->attrs.count = kept;
}

void weir_als_thin(struct weir_draft *draft)
{
	static const struct weir_ref none = { 0, 0 };
	struct weir_request *request = draft->requests.data;
	struct weir_connection *connection = draft->connections.data;

	labels_keep(draft);
	for (uint32_t i = 0; i < draft->requests.count; i++, request++) {
		request->attr_first = 0;
		request->attr_count = 0;
		request->authority = none;
		request->path = none;
		request->user_agent = none;
		request->route = none;
		request->upstream_cluster = none;
		request->code_details = none;
	}
	for (uint32_t i = 0; i < draft->connections.count; i++, connection++) {
		connection->attr_first = 0;
		connection->attr_count = 0;
		connection->upstream_cluster = none;
		connection->sni = none;
	}
	weir_als_pack(draft);
}
