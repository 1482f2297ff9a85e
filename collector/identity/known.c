/* known: the proxies that stream to this process, by node id and by address.
 *
 * Two open-addressed indexes over one array of entries:
 *
 *   by_node   hash(node id) → entry      by_address   hash(ip) → entry
 *   entries   { identity, texts, streams, ip, gone_at }
 *
 * A node has some thousand neighbours at most and joins are rare (a stream
 * opens), lookups happen once per distinct peer of a message. So an index is
 * simply rebuilt when an entry goes, and never shrinks in place.
 *
 * Invariants
 *  1. Every entry in use is found by its node id; at most one entry has it.
 *  2. An entry's identity points into its own `texts` only.
 *  3. `streams` is joins minus leaves; an address leads to an entry only while
 *     streams > 0, and only if no other such entry has the same address.
 *  4. Both indexes are at most half full, so a probe always ends.
 *
 * One thread: that of the gRPC listener, which owns the receiver. */
#include "identity/known.h"

#include <errno.h>
#include <stdlib.h>

#include "base/err.h"

#define TEXT_MAX 4096u /* of one identity; a node id is below 400, a label value below 64 */
#define EMPTY UINT32_MAX

struct entry {
	struct weir_identity identity;
	char *texts;
	uint32_t streams;
	uint64_t gone_at; /* of the table's own count of leaves; orders what may be forgotten */
	uint8_t ip[16];
	bool has_ip;
};

struct weir_known {
	struct entry *entries;
	uint32_t *by_node, *by_address;
	uint32_t count, capacity, mask;
	uint64_t leaves;
};

static const uint8_t no_ip[16];

static uint32_t hash_of(const void *bytes, size_t length)
{
	const uint8_t *at = bytes;
	uint32_t hash = UINT32_C(2166136261);

	for (size_t i = 0; i < length; i++) {
		hash = (hash ^ at[i]) * UINT32_C(16777619);
	}
	return hash ^ hash >> 15;
}

int weir_known_create(uint32_t capacity, struct weir_known **ret_known)
{
	struct weir_known *known = calloc(1, sizeof(*known));
	uint32_t slots = 8;

	if (!known) {
		return -ENOMEM;
	}
	while (slots < capacity * 2) {
		slots *= 2;
	}
	known->capacity = capacity;
	known->mask = slots - 1;
	known->entries = calloc(capacity, sizeof(*known->entries));
	known->by_node = malloc(slots * sizeof(*known->by_node));
	known->by_address = malloc(slots * sizeof(*known->by_address));
	if (!known->entries || !known->by_node || !known->by_address) {
		weir_known_destroy(known);
		return -ENOMEM;
	}
	memset(known->by_node, 0xff, slots * sizeof(*known->by_node));
	memset(known->by_address, 0xff, slots * sizeof(*known->by_address));
	*ret_known = known;
	return 0;
}

void weir_known_destroy(struct weir_known *known)
{
	if (!known) {
		return;
	}
	for (uint32_t i = 0; known->entries && i < known->count; i++) {
		free(known->entries[i].texts);
	}
	free(known->entries);
	free(known->by_node);
	free(known->by_address);
	free(known);
}

static struct entry *find_node(const struct weir_known *known, struct weir_str node_id)
{
	for (uint32_t at = hash_of(node_id.data, node_id.length) & known->mask; known->by_node[at] != EMPTY;
		at = (at + 1) & known->mask) {
		struct entry *entry = &known->entries[known->by_node[at]];

		if (weir_str_equal(entry->identity.node_id, node_id)) {
			return entry;
		}
	}
	return NULL;
}

static void index_add(uint32_t *index, uint32_t mask, uint32_t hash, uint32_t value)
{
	uint32_t at = hash & mask;

	while (index[at] != EMPTY) {
		at = (at + 1) & mask;
	}
	index[at] = value;
}

static void index_entry(struct weir_known *known, uint32_t i)
{
	const struct entry *entry = &known->entries[i];

	index_add(
		known->by_node, known->mask, hash_of(entry->identity.node_id.data, entry->identity.node_id.length), i);
	if (entry->has_ip) {
		index_add(known->by_address, known->mask, hash_of(entry->ip, sizeof(entry->ip)), i);
	}
}

static void index_rebuild(struct weir_known *known)
{
	size_t bytes = ((size_t)known->mask + 1) * sizeof(uint32_t);

	memset(known->by_node, 0xff, bytes);
	memset(known->by_address, 0xff, bytes);
	for (uint32_t i = 0; i < known->count; i++) {
		index_entry(known, i);
	}
}

static size_t texts_bytes(const struct weir_identity *identity, struct weir_str *const *fields, size_t count)
{
	size_t size = 0;

	for (size_t i = 0; i < count; i++) {
		size += fields[i]->length;
	}
	for (uint32_t i = 0; i < identity->more.count; i++) {
		size += identity->more.labels[i].key.length + identity->more.labels[i].value.length;
	}
	return size;
}

/* Moves a text to *at, behind which the next one goes. */
static void text_move(struct weir_str *text, char **at)
{
	if (text->length > 0) {
		memcpy(*at, text->data, text->length);
	}
	text->data = *at;
	*at += text->length;
}

/* Copies all texts of `from` into one allocation; -E2BIG or -ENOMEM leave *entry as it was. */
static int copy_identity(const struct weir_identity *from, struct entry *entry)
{
	struct weir_identity copy = *from;
	struct weir_str *fields[] = { &copy.workload, &copy.namespace_, &copy.app, &copy.version,
		&copy.canonical_service, &copy.canonical_revision, &copy.cluster, &copy.pod, &copy.node_id,
		&copy.principal, &copy.domain, &copy.address, &copy.service_account };
	size_t size = texts_bytes(&copy, fields, sizeof(fields) / sizeof(fields[0]));
	char *texts, *at;

	if (size > TEXT_MAX) {
		return -E2BIG;
	}
	texts = malloc(size > 0 ? size : 1);
	if (!texts) {
		return -ENOMEM;
	}
	at = texts;
	for (size_t i = 0; i < sizeof(fields) / sizeof(fields[0]); i++) {
		text_move(fields[i], &at);
	}
	for (uint32_t i = 0; i < copy.more.count; i++) {
		text_move(&copy.more.labels[i].key, &at);
		text_move(&copy.more.labels[i].value, &at);
	}
	free(entry->texts);
	entry->texts = texts;
	entry->identity = copy;
	return 0;
}

/* A free entry, or the one that is gone for longest; NULL when all are streaming. */
static struct entry *take_entry(struct weir_known *known)
{
	struct entry *oldest = NULL;

	if (known->count < known->capacity) {
		return &known->entries[known->count];
	}
	for (uint32_t i = 0; i < known->count; i++) {
		struct entry *entry = &known->entries[i];

		if (entry->streams == 0 && (!oldest || entry->gone_at < oldest->gone_at)) {
			oldest = entry;
		}
	}
	return oldest;
}

void weir_known_join(struct weir_known *known, const struct weir_identity *identity, const uint8_t ip[16])
{
	struct entry *entry;
	bool is_new;

	if (identity->node_id.length == 0) {
		return;
	}
	entry = find_node(known, identity->node_id);
	is_new = !entry;
	if (is_new) {
		entry = take_entry(known);
	}
	/* Too long, or no memory: an old entry keeps what it said before, a new one is not kept. */
	if (!entry || (copy_identity(identity, entry) < 0 && is_new)) {
		return;
	}
	if (is_new) {
		entry->streams = 0;
		known->count += entry == &known->entries[known->count] ? 1 : 0;
	}
	entry->streams++;
	memcpy(entry->ip, ip, sizeof(entry->ip));
	entry->has_ip = memcmp(ip, no_ip, sizeof(no_ip)) != 0;
	index_rebuild(known);
}

void weir_known_leave(struct weir_known *known, struct weir_str node_id)
{
	struct entry *entry = node_id.length > 0 ? find_node(known, node_id) : NULL;

	if (entry && entry->streams > 0) { /* one that was never kept leaves without a trace */
		entry->streams--;
		entry->gone_at = ++known->leaves;
	}
}

const struct weir_identity *weir_known_by_node(const struct weir_known *known, struct weir_str node_id)
{
	const struct entry *entry = node_id.length > 0 ? find_node(known, node_id) : NULL;

	return entry ? &entry->identity : NULL;
}

const struct weir_identity *weir_known_by_address(const struct weir_known *known, const uint8_t ip[16])
{
	const struct entry *found = NULL;

	for (uint32_t at = hash_of(ip, 16) & known->mask; known->by_address[at] != EMPTY; at = (at + 1) & known->mask) {
		const struct entry *entry = &known->entries[known->by_address[at]];

		if (entry->streams == 0 || memcmp(entry->ip, ip, sizeof(entry->ip)) != 0) {
			continue;
		}
		if (found) {
			return NULL; /* two pods on the host's network */
		}
		found = entry;
	}
	return found ? &found->identity : NULL;
}
