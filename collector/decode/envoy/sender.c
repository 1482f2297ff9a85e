/* sender: what the first message of a stream says of its proxy.
 *
 * The identifier's node is read where it lies and copied into the stream's own
 * arena, since the later messages of the stream do not repeat it. A second
 * identifier replaces the first; the arena is emptied for it, so a stream that
 * names itself for ever does not grow.
 *
 * Invariant: all texts of the sender lie in sender->arena or are empty; each is at most NAME_MAX_BYTES.
 *
 * One thread: the listener whose stream it is. */
#include "decode/envoy/sender.h"

#include "decode/envoy/node.h"
#include "decode/wire.h"

#define SENDER_CHUNK 2048u
#define SENDER_LIMIT 32768u
#define NAME_MAX_BYTES 1024u /* of one text of an identity */

enum { NODE = 1 << 3 | WEIR_WIRE_BYTES };

void weir_envoy_sender_init(struct weir_envoy_sender *sender)
{
	*sender = (struct weir_envoy_sender){ 0 };
	weir_arena_init(&sender->arena, SENDER_CHUNK, SENDER_LIMIT);
}

void weir_envoy_sender_fini(struct weir_envoy_sender *sender)
{
	weir_arena_fini(&sender->arena);
}

/* A copy for the stream; what is too long to be a name is unset. */
static struct weir_str keep(struct weir_envoy_sender *sender, struct weir_str text)
{
	struct weir_str copy = { NULL, 0 };

	if (text.length > 0 && text.length <= NAME_MAX_BYTES) {
		copy = weir_arena_copy(&sender->arena, text);
	}
	return copy.data ? copy : weir_str_make(NULL, 0);
}

/* `details` in `default.svc.cluster.local`: what callers know this workload by. */
static struct weir_str own_service_host(struct weir_envoy_sender *sender)
{
	struct weir_str name = sender->identity.canonical_service, domain = sender->identity.domain;
	char *text;

	if (name.length == 0 || domain.length == 0) {
		return name;
	}
	text = weir_arena_alloc(&sender->arena, name.length + 1 + domain.length);
	if (!text) {
		return name;
	}
	memcpy(text, name.data, name.length);
	text[name.length] = '.';
	memcpy(text + name.length + 1, domain.data, domain.length);
	return weir_str_make(text, name.length + 1 + domain.length);
}

/* Copies the texts of the identity, which may lie anywhere, into the stream's arena. */
static void identity_keep(struct weir_envoy_sender *sender)
{
	struct weir_identity *identity = &sender->identity;
	struct weir_str *texts[] = { &identity->workload, &identity->namespace_, &identity->app, &identity->version,
		&identity->canonical_service, &identity->canonical_revision, &identity->cluster, &identity->pod,
		&identity->node_id, &identity->principal, &identity->domain, &identity->address,
		&identity->service_account };

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		*texts[i] = keep(sender, *texts[i]);
	}
	for (uint32_t i = 0; i < identity->more.count; i++) {
		identity->more.labels[i].key = keep(sender, identity->more.labels[i].key);
		identity->more.labels[i].value = keep(sender, identity->more.labels[i].value);
	}
	sender->proxy = weir_identity_proxy(identity->node_id);
	sender->service_host = own_service_host(sender);
}

static void learn(struct weir_envoy_sender *sender, struct weir_node *node)
{
	struct weir_identity *identity = &sender->identity;

	sender->tells_workload = node->identity.workload.length > 0 || node->owner.length > 0;
	sender->lacks_labels = !weir_identity_has_labels(&node->labels);
	weir_node_settle(node);
	*identity = node->identity;
	weir_arena_reset(&sender->arena);
	identity_keep(sender);
	sender->node_cluster = keep(sender, node->cluster);
	sender->is_known = identity->node_id.length > 0 || identity->workload.length > 0;
}

bool weir_envoy_sender_find(struct weir_workload_reader *pods, bool tells_workload, struct weir_identity *identity)
{
	const struct weir_workload_row *row = weir_workload_by_name(pods, identity->pod, identity->namespace_, 0);
	struct weir_identity found;

	if (!row) {
		return false;
	}
	weir_pod_identity(row->pod, weir_workload_wanted(pods), &found);
	if (!tells_workload) {
		identity->workload = found.workload;
	}
	identity->app = found.app;
	identity->version = found.version;
	identity->canonical_service = found.canonical_service;
	identity->canonical_revision = found.canonical_revision;
	identity->more = found.more;
	if (identity->service_account.length == 0) {
		identity->service_account = found.service_account;
	}
	return true;
}

/* Once a stream: what the table says then is kept, as what a node tells is. */
void weir_envoy_sender_complete(struct weir_envoy_sender *sender, struct weir_workload_reader *pods)
{
	if (sender->lacks_labels && sender->identity.pod.length > 0 &&
		weir_envoy_sender_find(pods, sender->tells_workload, &sender->identity)) {
		sender->lacks_labels = false;
		identity_keep(sender);
	}
}

bool weir_envoy_sender_read(struct weir_str message, const struct weir_wanted *wanted, struct weir_envoy_sender *sender)
{
	struct weir_wire wire = weir_wire_of(message);
	struct weir_wire_field field;
	struct weir_node node;

	while (weir_wire_next(&wire, &field)) {
		if (field.tag != NODE) {
			continue;
		}
		if (!weir_node_read(field.bytes, wanted, &node)) {
			return false;
		}
		learn(sender, &node);
	}
	return !wire.is_malformed;
}
