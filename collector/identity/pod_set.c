/* pod_set: see the header.
 *
 *   entries  { pod, since, until, peer, seen } …      dense: the last one fills a gap
 *   by_name  hash(namespace, name) → the newest entry of the name
 *
 *                put                    gone                       KEEP later
 *   (nobody) ──────────▶ until = ever ─────────▶ until = that moment ─────────▶ (nobody)
 *                         │   put of another uid, or with other addresses (its sandbox was
 *                         │   made anew): gone, and a new entry
 *                         └── a peer that nobody asked for since PEER: (nobody)
 *
 * Invariants
 *  1. Of one name at most one entry has until = ever, and by_name leads to it if
 *     there is one.
 *  2. bytes is the sum over the entries' pods; neither it nor their number
 *     exceeds the bounds: a pod whose new description has no room keeps the old.
 *  3. The index is at most half full.
 *
 * One thread. */
#include "identity/pod_set.h"

#include <errno.h>
#include <stdlib.h>

#include "base/stat.h"

#define ENTRIES_FIRST 256u
#define EMPTY UINT32_MAX
#define FOREVER UINT64_MAX

struct entry {
	struct weir_pod *pod;
	uint64_t since_ns, until_ns;
	uint64_t asked_ns; /* a peer: when it was last looked at */
	uint32_t list;     /* the last list that named it */
	bool is_peer;
};

struct weir_pod_set {
	struct entry *entries;
	uint32_t count, capacity, peers;
	uint32_t *by_name;
	uint32_t mask;
	uint64_t bytes;
	uint32_t list;
	bool is_changed;
};

int weir_pod_set_create(struct weir_pod_set **ret_set)
{
	struct weir_pod_set *set = calloc(1, sizeof(*set));

	if (set == NULL) {
		return -ENOMEM;
	}
	set->capacity = ENTRIES_FIRST;
	set->mask = 2 * ENTRIES_FIRST - 1;
	set->entries = malloc(set->capacity * sizeof(*set->entries));
	set->by_name = malloc(((size_t)set->mask + 1) * sizeof(*set->by_name));
	if (set->entries == NULL || set->by_name == NULL) {
		weir_pod_set_destroy(set);
		return -ENOMEM;
	}
	memset(set->by_name, 0xff, ((size_t)set->mask + 1) * sizeof(*set->by_name));
	set->is_changed = true; /* a table of nobody says that nobody is there */
	*ret_set = set;
	return 0;
}

void weir_pod_set_destroy(struct weir_pod_set *set)
{
	if (set == NULL) {
		return;
	}
	for (uint32_t i = 0; i < set->count; i++) {
		weir_pod_let_go(set->entries[i].pod);
	}
	free(set->entries);
	free(set->by_name);
	free(set);
}

/* ---- by name -------------------------------------------------------------- */

static uint32_t hash_of(struct weir_str name, struct weir_str space)
{
	uint32_t hash = UINT32_C(2166136261);

	for (size_t i = 0; i < name.length; i++) {
		hash = (hash ^ (uint8_t)name.data[i]) * UINT32_C(16777619);
	}
	for (size_t i = 0; i < space.length; i++) {
		hash = (hash ^ (uint8_t)space.data[i]) * UINT32_C(16777619);
	}
	return hash ^ hash >> 15;
}

static void index_add(struct weir_pod_set *set, uint32_t i)
{
	const struct weir_pod *pod = set->entries[i].pod;
	uint32_t at = hash_of(pod->name, pod->namespace_) & set->mask;

	while (set->by_name[at] != EMPTY) {
		at = (at + 1) & set->mask;
	}
	set->by_name[at] = i;
}

static void index_rebuild(struct weir_pod_set *set)
{
	memset(set->by_name, 0xff, ((size_t)set->mask + 1) * sizeof(*set->by_name));
	for (uint32_t i = 0; i < set->count; i++) {
		index_add(set, i);
	}
}

/* The one that is there now, else NULL. */
static struct entry *find(const struct weir_pod_set *set, struct weir_str name, struct weir_str space)
{
	for (uint32_t at = hash_of(name, space) & set->mask; set->by_name[at] != EMPTY; at = (at + 1) & set->mask) {
		struct entry *entry = &set->entries[set->by_name[at]];

		if (entry->until_ns == FOREVER && weir_str_equal(entry->pod->name, name) &&
			weir_str_equal(entry->pod->namespace_, space)) {
			return entry;
		}
	}
	return NULL;
}

static bool grow(struct weir_pod_set *set)
{
	uint32_t capacity = set->capacity * 2;
	struct entry *entries = realloc(set->entries, capacity * sizeof(*entries));
	uint32_t *by_name;

	if (entries == NULL) {
		return false;
	}
	set->entries = entries;
	by_name = malloc(2 * (size_t)capacity * sizeof(*by_name));
	if (by_name == NULL) {
		return false;
	}
	free(set->by_name);
	set->by_name = by_name;
	set->capacity = capacity;
	set->mask = 2 * capacity - 1;
	index_rebuild(set);
	return true;
}

/* ---- coming and going ------------------------------------------------------- */

static void end(struct weir_pod_set *set, struct entry *entry, uint64_t now_ns)
{
	uint64_t ended = entry->pod->ended_ns;

	entry->until_ns = ended > 0 && ended < now_ns ? ended : now_ns;
	entry->until_ns = entry->until_ns > entry->since_ns ? entry->until_ns : entry->since_ns + 1;
	set->is_changed = true;
}

static bool is_same_pod(const struct weir_pod *a, const struct weir_pod *b)
{
	return a->uid.length == 0 || b->uid.length == 0 || weir_str_equal(a->uid, b->uid);
}

/* Does the new description say anything else? Most events of a watch are about what nobody here looks at. */
static bool is_equal(const struct weir_pod *a, const struct weir_pod *b)
{
	if (a->label_count != b->label_count || a->ip_count != b->ip_count || a->is_over != b->is_over ||
		a->is_host_network != b->is_host_network || a->since_ns != b->since_ns ||
		memcmp(a->ips, b->ips, a->ip_count * sizeof(a->ips[0])) != 0 ||
		!weir_str_equal(a->identity.workload, b->identity.workload) ||
		!weir_str_equal(a->identity.service_account, b->identity.service_account) ||
		!weir_str_equal(a->node, b->node) || !weir_str_equal(a->uid, b->uid)) {
		return false;
	}
	for (uint32_t i = 0; i < a->label_count; i++) {
		if (!weir_str_equal(a->labels[i].key, b->labels[i].key) ||
			!weir_str_equal(a->labels[i].value, b->labels[i].value)) {
			return false;
		}
	}
	return true;
}

/* A node that starts again makes its pods' sandboxes anew: their records of before came from the old addresses. */
static bool has_moved(const struct weir_pod *from, const struct weir_pod *to)
{
	return !to->is_over && from->ip_count > 0 && to->ip_count > 0 && memcmp(from->ips[0], to->ips[0], 16) != 0;
}

static bool has_room(struct weir_pod_set *set, const struct weir_pod *pod, bool is_peer)
{
	return set->count < WEIR_WORKLOAD_PODS_MAX && set->bytes + pod->bytes <= WEIR_POD_SET_BYTES &&
	       (!is_peer || set->peers < WEIR_POD_SET_PEERS) && (set->count < set->capacity || grow(set));
}

static void replace(struct weir_pod_set *set, struct entry *entry, struct weir_pod *pod)
{
	bool is_known = is_equal(entry->pod, pod),
	     has_place = set->bytes - entry->pod->bytes + pod->bytes <= WEIR_POD_SET_BYTES;

	if (is_known || !has_place) {
		weir_stat_add(WEIR_STAT_PODS_NOT_KEPT, is_known ? 0 : 1);
		weir_pod_let_go(pod);
		return;
	}
	set->bytes += pod->bytes - entry->pod->bytes;
	weir_pod_let_go(entry->pod);
	entry->pod = pod;
	entry->since_ns = pod->since_ns;
	set->is_changed = true;
}

/* One that ended before it was seen is of use only to records of its time, and as long as those may come. */
static bool is_history(const struct weir_pod_set *set, const struct weir_pod *pod, uint64_t now_ns)
{
	for (uint32_t at = hash_of(pod->name, pod->namespace_) & set->mask; set->by_name[at] != EMPTY;
		at = (at + 1) & set->mask) {
		const struct weir_pod *other = set->entries[set->by_name[at]].pod;

		if (weir_str_equal(other->name, pod->name) && weir_str_equal(other->namespace_, pod->namespace_) &&
			is_same_pod(other, pod)) {
			return false; /* it is known already */
		}
	}
	return pod->ended_ns > 0 && (pod->ended_ns > now_ns || now_ns - pod->ended_ns < WEIR_POD_SET_KEEP_NS);
}

void weir_pod_set_put(struct weir_pod_set *set, struct weir_pod *pod, bool is_peer, uint64_t now_ns)
{
	struct entry *entry = find(set, pod->name, pod->namespace_);

	if (entry != NULL && (!is_same_pod(entry->pod, pod) || has_moved(entry->pod, pod))) {
		is_peer = is_peer && (entry->is_peer || !is_same_pod(entry->pod, pod));
		end(set, entry, now_ns);
		entry = NULL;
	}
	if (entry == NULL && pod->is_over && !is_history(set, pod, now_ns)) {
		weir_pod_let_go(pod);
		return;
	}
	if (entry == NULL) {
		if (!has_room(set, pod, is_peer)) {
			weir_stat_add(WEIR_STAT_PODS_NOT_KEPT, 1);
			weir_pod_let_go(pod);
			return;
		}
		entry = &set->entries[set->count++];
		*entry = (struct entry){
			.pod = pod, .since_ns = pod->since_ns, .until_ns = FOREVER, .is_peer = is_peer
		};
		set->bytes += pod->bytes;
		set->peers += is_peer;
		set->is_changed = true;
		index_add(set, set->count - 1);
	} else {
		replace(set, entry, pod);
		set->peers -= entry->is_peer && !is_peer; /* it is of this node after all */
		entry->is_peer = entry->is_peer && is_peer;
	}
	entry->asked_ns = now_ns;
	entry->list = set->list;
	if (entry->pod->is_over) {
		end(set, entry, now_ns);
	}
}

void weir_pod_set_remove(struct weir_pod_set *set, struct weir_str name, struct weir_str namespace_,
	struct weir_str uid, uint64_t now_ns)
{
	struct entry *entry = find(set, name, namespace_);

	if (entry != NULL && (uid.length == 0 || entry->pod->uid.length == 0 || weir_str_equal(entry->pod->uid, uid))) {
		end(set, entry, now_ns);
	}
}

void weir_pod_set_list_begin(struct weir_pod_set *set)
{
	set->list++;
}

void weir_pod_set_list_end(struct weir_pod_set *set, uint64_t now_ns)
{
	for (uint32_t i = 0; i < set->count; i++) {
		struct entry *entry = &set->entries[i];

		if (!entry->is_peer && entry->until_ns == FOREVER && entry->list != set->list) {
			end(set, entry, now_ns);
		}
	}
}

/* ---- forgetting ------------------------------------------------------------- */

static bool is_forgotten(struct entry *entry, uint64_t now_ns)
{
	if (entry->until_ns != FOREVER) {
		return now_ns > entry->until_ns && now_ns - entry->until_ns > WEIR_POD_SET_KEEP_NS;
	}
	return entry->is_peer && now_ns > entry->asked_ns && now_ns - entry->asked_ns > WEIR_POD_SET_PEER_NS &&
	       !atomic_load_explicit(&entry->pod->is_used, memory_order_relaxed);
}

void weir_pod_set_expire(struct weir_pod_set *set, uint64_t now_ns)
{
	uint32_t before = set->count;

	for (uint32_t i = 0; i < set->count;) {
		struct entry *entry = &set->entries[i];

		if (!is_forgotten(entry, now_ns)) {
			i++;
			continue;
		}
		set->bytes -= entry->pod->bytes;
		set->peers -= entry->is_peer;
		weir_pod_let_go(entry->pod);
		*entry = set->entries[--set->count];
	}
	if (set->count != before) {
		index_rebuild(set);
		set->is_changed = true;
	}
}

const struct weir_pod *weir_pod_set_due(struct weir_pod_set *set, uint64_t now_ns)
{
	struct entry *due = NULL;

	for (uint32_t i = 0; i < set->count; i++) {
		struct entry *entry = &set->entries[i];

		if (entry->is_peer && entry->until_ns == FOREVER && now_ns > entry->asked_ns &&
			now_ns - entry->asked_ns > WEIR_POD_SET_PEER_NS &&
			(due == NULL || entry->asked_ns < due->asked_ns) &&
			atomic_load_explicit(&entry->pod->is_used, memory_order_relaxed)) {
			due = entry;
		}
	}
	if (due == NULL) {
		return NULL;
	}
	atomic_store_explicit(&due->pod->is_used, false, memory_order_relaxed);
	due->asked_ns = now_ns;
	return due->pod;
}

bool weir_pod_set_is_changed(const struct weir_pod_set *set)
{
	return set->is_changed;
}

int weir_pod_set_table(struct weir_pod_set *set, const struct weir_workload_table **ret_table)
{
	struct weir_workload_row *rows = malloc((set->count + 1) * sizeof(*rows));
	int r;

	if (rows == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < set->count; i++) {
		const struct entry *entry = &set->entries[i];

		rows[i] = (struct weir_workload_row){ entry->pod, entry->since_ns, entry->until_ns };
	}
	r = weir_workload_table_create(rows, set->count, ret_table);
	free(rows);
	if (r < 0) {
		return r;
	}
	set->is_changed = false;
	weir_stat_set(WEIR_STAT_PODS, set->count);
	weir_stat_set(WEIR_STAT_PODS_BYTES, set->bytes + weir_workload_table_bytes(*ret_table));
	return 0;
}
