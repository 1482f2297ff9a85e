/* access_log: what an Envoy's OpenTelemetry access logger tells of a request.
 *
 *   resource    node_name, cluster_name, k8s.*  → who the proxy is
 *   record      time = start of the stream      → start
 *   attributes  by access_words, access_entry   → a weir_entry
 *   weir_entry  by the rules of decode/envoy    → a request or a connection
 *
 * So a request that is logged here and over the access log service becomes the
 * same row twice: by the same rules, with the same proxy, request id and start.
 * The body is never read for it: text made for people (Istio's default, in
 * whatever format somebody chose) owns no metrics.
 *
 * The peer is not told: no metadata is exchanged here. It is known by its
 * address, when it is another proxy that logs to this process; by labels, when
 * they are logged.
 *
 * Decisions
 *  - It takes an access logger's resource (node_name), and a response code or
 *    TCP's byte counts: an application's log about a request is no access log.
 *
 * One thread: the listener's. Nothing is allocated outside the draft's arena. */
#include "decode/otlp/access_log.h"

#include "base/hex.h"
#include "decode/address.h"
#include "decode/envoy/rows.h"
#include "decode/otlp/access_entry.h"
#include "identity/known.h"

struct weir_otlp_access_log { /* of the group at hand */
	uint32_t group;
	struct weir_envoy_sender sender;
	struct weir_als_rows *rows;
};

/* ---- the proxy ------------------------------------------------------------ */

/* A copy, since the pool may move while rows are made. */
static struct weir_str kept(struct weir_draft *draft, struct weir_ref ref)
{
	struct weir_str text = weir_draft_str(draft, ref), copy = text;

	if (text.length > 0) {
		copy = weir_arena_copy(draft->arena, text);
		draft->is_exhausted = draft->is_exhausted || copy.data == NULL;
	}
	return copy.data != NULL ? copy : weir_str_make(NULL, 0);
}

/* `details` in `default.svc.cluster.local`, as decode/envoy/sender.c has it. */
static struct weir_str service_host(struct weir_draft *draft, const struct weir_identity *own)
{
	size_t length = own->canonical_service.length + 1 + own->domain.length;
	char *text;

	if (own->canonical_service.length == 0 || own->domain.length == 0) {
		return own->canonical_service;
	}
	text = weir_arena_alloc(draft->arena, length);
	if (text == NULL) {
		draft->is_exhausted = true;
		return own->canonical_service;
	}
	memcpy(text, own->canonical_service.data, own->canonical_service.length);
	text[own->canonical_service.length] = '.';
	memcpy(text + own->canonical_service.length + 1, own->domain.data, own->domain.length);
	return weir_str_make(text, length);
}

/* Its neighbours will know it by its address. */
static void introduce(struct weir_draft *draft, const struct weir_identity *own)
{
	struct weir_address address = { 0 };

	if (!weir_address_parse(own->address, &address)) {
		return;
	}
	for (size_t i = 0; i < sizeof(draft->known) / sizeof(draft->known[0]); i++) {
		if (draft->known[i] != NULL && weir_known_by_node(draft->known[i], own->node_id) == NULL) {
			weir_known_join(draft->known[i], own, address.ip);
		}
	}
}

static void sender_learn(struct weir_otlp_groups *groups, struct weir_envoy_sender *sender)
{
	struct weir_draft *draft = groups->draft;
	const struct weir_otlp_who *who = &groups->who;
	struct weir_identity *own = &sender->identity;
	struct weir_str service = kept(draft, who->cluster_name);

	*sender = (struct weir_envoy_sender){ .known = draft->known[0], .is_known = true };
	own->node_id = kept(draft, who->node_id);
	own->workload = kept(draft, who->workload);
	own->cluster = kept(draft, who->cluster);
	own->service_account = kept(draft, who->account);
	weir_identity_from_node_id(own->node_id, own);
	if (!weir_envoy_sender_find(draft->pods, who->workload.length > 0, own)) {
		/* Istio calls the node's cluster `<app>.<namespace>`. */
		weir_identity_guess_labels(own, weir_str_cut(&service, '.'));
	}
	sender->service_host = service_host(draft, own);
	sender->proxy = weir_identity_proxy(own->node_id);
	introduce(draft, own);
}

/* The group's, made when its first record needs it; NULL when the arena is full. */
static struct weir_otlp_access_log *access_log_of(struct weir_otlp_groups *groups)
{
	struct weir_draft *draft = groups->draft;
	struct weir_otlp_access_log *access_log = groups->access_log;

	if (access_log == NULL) {
		access_log = weir_arena_zalloc(draft->arena, sizeof(*access_log));
		if (access_log == NULL) {
			draft->is_exhausted = true;
			return NULL;
		}
		access_log->rows = weir_als_rows_make(draft);
		groups->access_log = access_log;
	}
	if (access_log->rows == NULL) {
		return NULL;
	}
	if (access_log->group != groups->number) {
		access_log->group = groups->number;
		sender_learn(groups, &access_log->sender);
		weir_als_rows_begin(access_log->rows, &access_log->sender, groups->common.proxy);
	}
	return access_log;
}

/* ---- labels that were logged ------------------------------------------------ */

/* Whatever is told outright of the far end wins over what was found out. */
static void end_override(
	struct weir_draft *draft, const struct weir_access_told *told, enum weir_access_word first, uint32_t *end)
{
	const struct weir_workload *old = draft->workloads.data;
	struct weir_workload workload = { 0 }, *row;
	struct weir_ref *const fields[WEIR_ACCESS_END_WORDS] = { &workload.name, &workload.namespace_, &workload.app,
		&workload.version, &workload.canonical_service, &workload.canonical_revision, &workload.cluster };
	bool is_told = false;

	if (*end != WEIR_NONE) {
		workload = old[*end];
	}
	for (unsigned i = 0; i < WEIR_ACCESS_END_WORDS; i++) {
		struct weir_str text = weir_access_told_text(told, first + i);

		if (text.length > 0 && !weir_str_is(text, "unknown")) {
			*fields[i] = told->by[first + i]->value.text;
			is_told = true;
		}
	}
	row = is_told ? weir_draft_workload(draft) : NULL;
	if (row != NULL) {
		*row = workload;
		*end = draft->workloads.count - 1;
	}
}

static void call_override(struct weir_draft *draft, const struct weir_access_told *told, struct weir_call *call)
{
	static const enum weir_access_word words[] = { WEIR_ACCESS_SERVICE, WEIR_ACCESS_SERVICE_NAME,
		WEIR_ACCESS_SERVICE_NAMESPACE };
	struct weir_ref *const fields[] = { &call->service_host, &call->service_name, &call->service_namespace };

	if (call->reporter != WEIR_REPORTER_SOURCE) {
		end_override(draft, told, WEIR_ACCESS_SOURCE, &call->source);
	}
	if (call->reporter != WEIR_REPORTER_DESTINATION) {
		end_override(draft, told, WEIR_ACCESS_DESTINATION, &call->destination);
	}
	for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
		struct weir_str text = weir_access_told_text(told, words[i]);

		if (text.length > 0 && !weir_str_is(text, "unknown")) {
			*fields[i] = told->by[words[i]]->value.text;
		}
	}
}

/* ---- rows ----------------------------------------------------------------- */

static void trace_id_fill(struct weir_draft *draft, const struct weir_log *log, struct weir_request *request)
{
	static const uint8_t none[16];
	char text[32];

	if (request->trace_id.length > 0 || memcmp(log->trace_id, none, sizeof(none)) == 0) {
		return;
	}
	weir_hex_write(text, log->trace_id, sizeof(log->trace_id));
	request->trace_id = weir_draft_copy(draft, weir_str_make(text, sizeof(text)));
}

void weir_otlp_access_log_take(struct weir_otlp_groups *groups, struct weir_log *log)
{
	struct weir_draft *draft = groups->draft;
	struct weir_otlp_access_log *access_log;
	struct weir_access_told told;
	struct weir_entry *entry;
	bool is_connection;

	if (groups->who.node_id.length == 0 || log->attr_count == 0) {
		return;
	}
	weir_access_told_init(&told, draft, log);
	is_connection = weir_access_entry_is_tcp(&told);
	if (is_connection ? told.by[WEIR_ACCESS_RECEIVED] == NULL || told.by[WEIR_ACCESS_SENT] == NULL
			  : told.by[WEIR_ACCESS_CODE] == NULL) {
		return;
	}
	access_log = access_log_of(groups);
	if (access_log == NULL) {
		return;
	}
	entry = weir_als_rows_entry(access_log->rows);
	weir_access_entry_fill(draft, &told, log, &access_log->sender.identity, entry);
	if (is_connection) {
		if (weir_als_rows_connection(access_log->rows)) {
			struct weir_connection *rows = draft->connections.data;

			call_override(draft, &told, &rows[draft->connections.count - 1].call);
		}
		return;
	}
	weir_access_entry_fill_http(&told, entry);
	if (weir_als_rows_request(access_log->rows)) {
		struct weir_request *request = (struct weir_request *)draft->requests.data + draft->requests.count - 1;

		if (weir_access_entry_is_blocked(&told, &access_log->sender.identity, entry)) {
			request->call.service_host = weir_draft_copy(draft, weir_str_of("BlackHoleCluster"));
			request->call.service_name = request->call.service_host;
			request->call.service_namespace = (struct weir_ref){ 0, 0 };
		}
		call_override(draft, &told, &request->call);
		trace_id_fill(draft, log, request);
		log->request = draft->requests.count - 1;
	}
}
