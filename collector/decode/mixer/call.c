/* call: a bag's attributes → what labels are made of (wire.md 1.4).
 *
 *   reporter       context.reporter.kind: outbound is the source's side, all else the destination's
 *   proxy          context.reporter.uid, else the uid of the reporting side
 *   service host   destination.service.host; else, where a service's name is known, what was
 *                  asked for; else the obsolete destination.service
 *   service name   destination.service.name, else the host's first label
 *   … namespace    destination.service.namespace, else the host's second label
 *   security       unknown of the source's side, else by connection.mtls
 *
 * One thread: the listener whose draft it is. */
#include "decode/mixer/call.h"

#include "decode/flags.h"

void weir_calls_init(struct weir_calls *calls, const struct weir_bag_reader *reader)
{
	calls->draft = reader->draft;
	calls->reader = reader;
	calls->source = calls->destination = NULL;
	calls->reporter = (struct weir_str){ NULL, 0 };
	calls->proxy = (struct weir_ref){ 0, 0 };
	weir_ends_init(&calls->ends, reader->draft);
}

/* ---- who ---------------------------------------------------------------- */

static void proxy_find(struct weir_calls *calls, bool is_source)
{
	const struct weir_bag *bag = &calls->reader->bag;
	struct weir_str uid = weir_bag_text(bag, WEIR_WORDS_REPORTER_UID);
	struct weir_word name;

	if (uid.length == 0) {
		uid = weir_bag_text(bag, is_source ? WEIR_WORDS_SOURCE_UID : WEIR_WORDS_DESTINATION_UID);
	}
	if (uid.data == calls->reporter.data && uid.length == calls->reporter.length) {
		return;
	}
	name = (struct weir_word){ .text = weir_identity_proxy(uid) };
	calls->proxy = weir_bag_place(calls->draft, &name);
	calls->reporter = uid;
}

/* What the certificate of the sender is compared with. */
static void claim(struct weir_calls *calls, const struct weir_call *call, bool is_source)
{
	struct weir_draft *draft = calls->draft;
	struct weir_str pod, space = { NULL, 0 }, account = { NULL, 0 }, ignored;

	if (draft->peer_namespace.length == 0 && draft->peer_account.length == 0) {
		return;
	}
	(void)weir_ends_split_uid(calls->reporter, &pod, &space);
	(void)weir_identity_spiffe(
		weir_draft_str(draft, is_source ? call->source_principal : call->destination_principal), &ignored,
		&account);
	weir_draft_claim(draft, space, account, 1);
}

/* ---- what --------------------------------------------------------------- */

/* A part of a text that is in the batch already. */
static struct weir_ref part_of(struct weir_ref whole, struct weir_str text, struct weir_str part)
{
	return part.length > 0
		       ? (struct weir_ref){ whole.offset + (uint32_t)(part.data - text.data), (uint32_t)part.length }
		       : (struct weir_ref){ 0, 0 };
}

static void service_fill(struct weir_calls *calls, struct weir_ref host, struct weir_call *ret)
{
	const struct weir_bag *bag = &calls->reader->bag;
	struct weir_draft *draft = calls->draft;
	struct weir_str name = weir_bag_text(bag, WEIR_WORDS_SERVICE_NAME), text, first, second;

	ret->service_host = weir_bag_text_ref(draft, bag, WEIR_WORDS_SERVICE_HOST);
	if (ret->service_host.length == 0 && name.length > 0 && !weir_str_is(name, "unknown")) {
		ret->service_host = host;
	}
	if (ret->service_host.length == 0) {
		ret->service_host = weir_bag_text_ref(draft, bag, WEIR_WORDS_OLD_SERVICE);
	}
	ret->service_name = weir_bag_text_ref(draft, bag, WEIR_WORDS_SERVICE_NAME);
	ret->service_namespace = weir_bag_text_ref(draft, bag, WEIR_WORDS_SERVICE_NAMESPACE);
	if (ret->service_host.length == 0 || (ret->service_name.length > 0 && ret->service_namespace.length > 0)) {
		return;
	}
	text = weir_draft_str(draft, ret->service_host);
	weir_identity_service(text, &first, &second);
	if (ret->service_name.length == 0) {
		ret->service_name = part_of(ret->service_host, text, first);
	}
	if (ret->service_namespace.length == 0) {
		ret->service_namespace = part_of(ret->service_host, text, second);
	}
}

void weir_calls_fill(struct weir_calls *calls, struct weir_ref host, struct weir_call *ret)
{
	const struct weir_bag *bag = &calls->reader->bag;
	bool is_source = weir_str_is(weir_bag_text(bag, WEIR_WORDS_REPORTER_KIND), "outbound");
	struct weir_str flags;

	calls->source = weir_ends_find(&calls->ends, calls->reader, WEIR_ENDS_SOURCE);
	calls->destination = weir_ends_find(&calls->ends, calls->reader, WEIR_ENDS_DESTINATION);
	ret->source = calls->source->workload;
	ret->destination = calls->destination->workload;
	ret->reporter = is_source ? WEIR_REPORTER_SOURCE : WEIR_REPORTER_DESTINATION;
	ret->security = WEIR_SECURITY_UNKNOWN;
	if (!is_source) {
		ret->security = weir_bag_has(bag, WEIR_WORDS_CONNECTION_MTLS) &&
						bag->values[WEIR_WORDS_CONNECTION_MTLS].number != 0
					? WEIR_SECURITY_MUTUAL_TLS
					: WEIR_SECURITY_NONE;
	}
	flags = weir_bag_text(bag, WEIR_WORDS_PROXY_ERROR_CODE);
	ret->response_flags = flags.length > 1 ? weir_flags_parse(flags) : 0; /* `-` is the usual one */
	service_fill(calls, host, ret);
	ret->source_principal = weir_ends_principal(&calls->ends, bag, WEIR_ENDS_SOURCE);
	ret->destination_principal = weir_ends_principal(&calls->ends, bag, WEIR_ENDS_DESTINATION);
	proxy_find(calls, is_source);
	ret->proxy = calls->proxy;
	claim(calls, ret, is_source);
}
