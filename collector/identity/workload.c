/* workload: the table of pods, and how it is swapped under its readers.
 *
 * A table is two open-addressed indexes over one array of rows:
 *
 *   by_name      hash(namespace, pod) → row      by_address   hash(ip) → row
 *   rows         { pod, since, until }           a row is in by_address once for each of its pod's addresses
 *
 * Keys repeat: an address is used again by the next pod, a StatefulSet's pod
 * comes again under its name. All rows of a key lie in one run of the index;
 * the record's time chooses among them.
 *
 * Publication is by hazard pointers, since a reader's hold is one message long
 * and there are few readers, each with a slot of its own:
 *
 *   reader: do { v = current; held = v } while (current != v)     writer: old = swap(current, new)
 *           … reads v …                                                   free every retired view
 *           held = NULL                                                   that no slot holds
 *
 * Store and load are sequentially consistent: either the writer sees the slot,
 * or the reader sees that current has changed and takes the new one. What is
 * still held when it is retired is freed with a later swap, or at the end.
 *
 * Invariants
 *  1. Nothing of a published view changes.
 *  2. A view that a slot holds is not freed; `retired` is no longer than the
 *     readers are many, and the views of one swap.
 *  3. Both indexes are at most half full, so a probe always ends.
 *  4. An address of the host's network is nobody's: it is in the index, so that
 *     it is not asked for, and leads to no pod.
 *
 * Readers: any thread, a reader by one at a time. Writers take turns by a lock
 * that no reader takes. */
#include "identity/workload.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>

#include "base/err.h"
#include "base/stat.h"

#define EMPTY UINT32_MAX
#define CLUSTER_MAX 256u

/* ---- the table ---------------------------------------------------------- */

struct weir_workload_table {
	struct weir_workload_row *rows;
	uint32_t *by_name, *by_address;
	uint32_t count, mask, address_mask;
};

static uint64_t hash_add(uint64_t hash, const void *bytes, size_t length)
{
	const uint8_t *at = bytes;

	for (size_t i = 0; i < length; i++) {
		hash = (hash ^ at[i]) * UINT64_C(0x100000001b3);
	}
	return hash;
}

static uint32_t hash_end(uint64_t hash)
{
	return (uint32_t)(hash ^ hash >> 32);
}

static uint32_t name_hash(struct weir_str pod, struct weir_str space)
{
	return hash_end(
		hash_add(hash_add(UINT64_C(0xcbf29ce484222325), pod.data, pod.length), space.data, space.length));
}

static uint32_t address_hash(const uint8_t ip[16])
{
	return hash_end(hash_add(UINT64_C(0xcbf29ce484222325), ip, 16));
}

static void index_add(uint32_t *index, uint32_t mask, uint32_t hash, uint32_t row)
{
	uint32_t at = hash & mask;

	while (index[at] != EMPTY) {
		at = (at + 1) & mask;
	}
	index[at] = row;
}

static uint32_t slots_for(uint32_t entries)
{
	uint32_t slots = 8;

	while (slots < 2 * entries) {
		slots *= 2;
	}
	return slots;
}

static void table_free(struct weir_workload_table *table)
{
	for (uint32_t i = 0; table->rows != NULL && i < table->count; i++) {
		weir_pod_let_go(table->rows[i].pod);
	}
	free(table->rows);
	free(table->by_name);
	free(table->by_address);
	free(table);
}

int weir_workload_table_create(
	const struct weir_workload_row *rows, uint32_t count, const struct weir_workload_table **ret_table)
{
	struct weir_workload_table *table;
	uint32_t addresses = 0;

	if (count > WEIR_WORKLOAD_PODS_MAX) {
		return -E2BIG;
	}
	for (uint32_t i = 0; i < count; i++) {
		addresses += rows[i].pod->ip_count;
	}
	table = calloc(1, sizeof(*table));
	if (table == NULL) {
		return -ENOMEM;
	}
	table->mask = slots_for(count) - 1;
	table->address_mask = slots_for(addresses) - 1;
	table->rows = malloc((count + 1) * sizeof(*table->rows));
	table->by_name = malloc(((size_t)table->mask + 1) * sizeof(*table->by_name));
	table->by_address = malloc(((size_t)table->address_mask + 1) * sizeof(*table->by_address));
	if (table->rows == NULL || table->by_name == NULL || table->by_address == NULL) {
		table_free(table);
		return -ENOMEM;
	}
	memset(table->by_name, 0xff, ((size_t)table->mask + 1) * sizeof(*table->by_name));
	memset(table->by_address, 0xff, ((size_t)table->address_mask + 1) * sizeof(*table->by_address));
	for (uint32_t i = 0; i < count; i++) {
		const struct weir_pod *pod = rows[i].pod;

		table->rows[i] = rows[i];
		weir_pod_hold(rows[i].pod);
		index_add(table->by_name, table->mask, name_hash(pod->name, pod->namespace_), i);
		for (uint32_t k = 0; k < pod->ip_count; k++) {
			index_add(table->by_address, table->address_mask, address_hash(pod->ips[k]), i);
		}
	}
	table->count = count;
	*ret_table = table;
	return 0;
}

void weir_workload_table_destroy(const struct weir_workload_table *table)
{
	union {
		const struct weir_workload_table *shared;
		struct weir_workload_table *own;
	} same = { .shared = table };

	if (table != NULL) {
		table_free(same.own);
	}
}

size_t weir_workload_table_bytes(const struct weir_workload_table *table)
{
	return sizeof(*table) + table->count * sizeof(*table->rows) +
	       ((size_t)table->mask + table->address_mask + 2) * sizeof(uint32_t);
}

static bool is_at(const struct weir_workload_row *row, uint64_t time_ns)
{
	return time_ns == 0 ? row->until_ns == UINT64_MAX : row->since_ns <= time_ns && time_ns < row->until_ns;
}

/* How far the time lies outside the row; 0: inside. */
static uint64_t distance(const struct weir_workload_row *row, uint64_t time_ns)
{
	if (is_at(row, time_ns)) {
		return 0;
	}
	if (time_ns == 0) {
		return UINT64_MAX - row->until_ns;
	}
	return time_ns < row->since_ns ? row->since_ns - time_ns : time_ns - row->until_ns + 1;
}

/* Of two rows for one time: the nearer one; of two that hold, the one that began later, since the end of the other may
 * have been seen late. */
static bool is_better(const struct weir_workload_row *row, const struct weir_workload_row *than, uint64_t time_ns)
{
	uint64_t here = distance(row, time_ns), there = distance(than, time_ns);

	return here != there ? here < there : row->since_ns > than->since_ns;
}

const struct weir_workload_row *weir_workload_table_by_name(
	const struct weir_workload_table *table, struct weir_str pod, struct weir_str namespace_, uint64_t time_ns)
{
	const struct weir_workload_row *found = NULL;

	for (uint32_t at = name_hash(pod, namespace_) & table->mask; table->by_name[at] != EMPTY;
		at = (at + 1) & table->mask) {
		const struct weir_workload_row *row = &table->rows[table->by_name[at]];

		if (weir_str_equal(row->pod->name, pod) && weir_str_equal(row->pod->namespace_, namespace_) &&
			(found == NULL || is_better(row, found, time_ns))) {
			found = row;
		}
	}
	return found;
}

static bool has_address(const struct weir_pod *pod, const uint8_t ip[16])
{
	for (uint32_t i = 0; i < pod->ip_count; i++) {
		if (memcmp(pod->ips[i], ip, 16) == 0) {
			return true;
		}
	}
	return false;
}

/* Of a node's own address some pod of its network. */
static const struct weir_workload_row *address_find(
	const struct weir_workload_table *table, const uint8_t ip[16], uint64_t time_ns)
{
	const struct weir_workload_row *found = NULL;

	for (uint32_t at = address_hash(ip) & table->address_mask; table->by_address[at] != EMPTY;
		at = (at + 1) & table->address_mask) {
		const struct weir_workload_row *row = &table->rows[table->by_address[at]];

		if (has_address(row->pod, ip) && is_at(row, time_ns) &&
			(found == NULL || is_better(row, found, time_ns))) {
			found = row;
		}
	}
	return found;
}

static const struct weir_workload_row *not_host(const struct weir_workload_row *row)
{
	return row != NULL && !row->pod->is_host_network ? row : NULL;
}

const struct weir_workload_row *weir_workload_table_by_address(
	const struct weir_workload_table *table, const uint8_t ip[16], uint64_t time_ns)
{
	return not_host(address_find(table, ip, time_ns));
}

/* ---- what is published ---------------------------------------------------- */

struct view {
	const struct weir_workload_table *table; /* or NULL */
	const struct weir_wanted *wanted;        /* or NULL */
	struct view *next_retired;
};

struct weir_workload_reader {
	struct weir_workloads *workloads;
	_Atomic(struct view *) held;
	atomic_bool is_taken;
};

struct weir_workloads {
	_Atomic(struct view *) current; /* NULL: nothing yet */
	struct weir_workload_reader readers[WEIR_WORKLOAD_READERS];
	_Atomic(struct weir_asks *) asks;
	pthread_mutex_t writing; /* guards what follows */
	struct view *retired;
	char cluster[CLUSTER_MAX];
};

int weir_workloads_create(const char *cluster, struct weir_workloads **ret_workloads)
{
	struct weir_workloads *workloads = calloc(1, sizeof(*workloads));
	size_t length = strlen(cluster);

	if (workloads == NULL) {
		return -ENOMEM;
	}
	memcpy(workloads->cluster, cluster, length < CLUSTER_MAX ? length : CLUSTER_MAX - 1);
	for (unsigned i = 0; i < WEIR_WORKLOAD_READERS; i++) {
		workloads->readers[i].workloads = workloads;
	}
	pthread_mutex_init(&workloads->writing, NULL);
	*ret_workloads = workloads;
	return 0;
}

/* A table and a list go with the last view that has them: neighbours in time share them. */
static void view_free(struct weir_workloads *workloads, struct view *view)
{
	const struct view *current = atomic_load(&workloads->current);
	bool is_shared = current != NULL && current->table == view->table;

	for (const struct view *other = workloads->retired; other != NULL; other = other->next_retired) {
		is_shared = is_shared || other->table == view->table;
	}
	if (!is_shared) {
		weir_workload_table_destroy(view->table);
	}
	weir_wanted_let_go(view->wanted);
	free(view);
}

static bool is_held(const struct weir_workloads *workloads, const struct view *view)
{
	for (unsigned i = 0; i < WEIR_WORKLOAD_READERS; i++) {
		if (atomic_load(&workloads->readers[i].held) == view) {
			return true;
		}
	}
	return false;
}

static void retired_free(struct weir_workloads *workloads)
{
	struct view **link = &workloads->retired;

	while (*link != NULL) {
		struct view *view = *link;

		if (is_held(workloads, view)) {
			link = &view->next_retired;
			continue;
		}
		*link = view->next_retired;
		view_free(workloads, view);
	}
}

void weir_workloads_destroy(struct weir_workloads *workloads)
{
	struct view *last;

	if (workloads == NULL) {
		return;
	}
	last = atomic_exchange(&workloads->current, NULL);
	if (last != NULL) {
		last->next_retired = workloads->retired;
		workloads->retired = last;
	}
	retired_free(workloads);
	weir_assert(workloads->retired == NULL); /* a reader would still hold it */
	pthread_mutex_destroy(&workloads->writing);
	free(workloads);
}

/* Under the lock. What *next has is its own. */
static void swap(struct weir_workloads *workloads, struct view *next)
{
	struct view *old = atomic_exchange(&workloads->current, next);

	if (old != NULL) {
		old->next_retired = workloads->retired;
		workloads->retired = old;
	}
	retired_free(workloads);
}

int weir_workloads_publish(struct weir_workloads *workloads, const struct weir_workload_table *table)
{
	struct view *next = calloc(1, sizeof(*next));
	const struct view *old;

	if (next == NULL) {
		weir_workload_table_destroy(table);
		return -ENOMEM;
	}
	pthread_mutex_lock(&workloads->writing);
	old = atomic_load(&workloads->current);
	next->table = table;
	next->wanted = weir_wanted_hold(old != NULL ? old->wanted : NULL);
	swap(workloads, next);
	pthread_mutex_unlock(&workloads->writing);
	return 0;
}

int weir_workloads_want(struct weir_workloads *workloads, const struct weir_wanted *wanted)
{
	struct view *next = calloc(1, sizeof(*next));
	const struct view *old;

	if (next == NULL) {
		return -ENOMEM;
	}
	pthread_mutex_lock(&workloads->writing);
	old = atomic_load(&workloads->current);
	next->table = old != NULL ? old->table : NULL;
	next->wanted = weir_wanted_hold(wanted);
	swap(workloads, next);
	pthread_mutex_unlock(&workloads->writing);
	return 0;
}

void weir_workloads_ask_through(struct weir_workloads *workloads, struct weir_asks *asks)
{
	atomic_store(&workloads->asks, asks);
}

/* ---- reading -------------------------------------------------------------- */

int weir_workload_reader_open(struct weir_workloads *workloads, struct weir_workload_reader **ret_reader)
{
	for (unsigned i = 0; i < WEIR_WORKLOAD_READERS; i++) {
		bool is_taken = false;

		if (atomic_compare_exchange_strong(&workloads->readers[i].is_taken, &is_taken, true)) {
			*ret_reader = &workloads->readers[i];
			return 0;
		}
	}
	return -ENOSPC;
}

void weir_workload_reader_close(struct weir_workload_reader *reader)
{
	if (reader != NULL) {
		weir_assert(atomic_load(&reader->held) == NULL);
		atomic_store(&reader->is_taken, false);
	}
}

void weir_workload_hold(struct weir_workload_reader *reader)
{
	struct view *view;

	if (reader == NULL) {
		return;
	}
	do {
		view = atomic_load(&reader->workloads->current);
		atomic_store(&reader->held, view);
	} while (atomic_load(&reader->workloads->current) != view);
}

void weir_workload_release(struct weir_workload_reader *reader)
{
	if (reader != NULL) {
		atomic_store_explicit(&reader->held, NULL, memory_order_release);
	}
}

/* What this reader holds: nobody else writes its slot. */
static const struct view *view_of(const struct weir_workload_reader *reader)
{
	return reader != NULL ? atomic_load_explicit(&reader->held, memory_order_relaxed) : NULL;
}

/* Notes that a pod is asked for; most were noted already, and a line of the cache that is only read stays shared. */
static void use(const struct weir_workload_row *row)
{
	if (row != NULL && !atomic_load_explicit(&row->pod->is_used, memory_order_relaxed)) {
		atomic_store_explicit(&row->pod->is_used, true, memory_order_relaxed);
	}
}

static void count(const struct weir_workload_row *row)
{
	weir_stat_add(row != NULL ? WEIR_STAT_WORKLOAD_FOUND : WEIR_STAT_WORKLOAD_UNKNOWN, 1);
}

const struct weir_workload_row *weir_workload_by_name(
	struct weir_workload_reader *reader, struct weir_str pod, struct weir_str namespace_, uint64_t time_ns)
{
	const struct view *view = view_of(reader);
	const struct weir_workload_row *row;

	if (view == NULL || view->table == NULL) {
		return NULL;
	}
	row = weir_workload_table_by_name(view->table, pod, namespace_, time_ns);
	use(row);
	count(row);
	if (row == NULL) {
		weir_asks_put_name(
			atomic_load_explicit(&reader->workloads->asks, memory_order_acquire), pod, namespace_);
	}
	return row;
}

const struct weir_workload_row *weir_workload_by_address(
	struct weir_workload_reader *reader, const uint8_t ip[16], uint64_t time_ns)
{
	const struct view *view = view_of(reader);
	const struct weir_workload_row *row;

	if (view == NULL || view->table == NULL) {
		return NULL;
	}
	row = address_find(view->table, ip, time_ns);
	use(row);
	if (row == NULL) {
		weir_asks_put_address(atomic_load_explicit(&reader->workloads->asks, memory_order_acquire), ip);
	}
	row = not_host(row);
	count(row);
	return row;
}

bool weir_workload_is_host_address(const struct weir_workload_reader *reader, const uint8_t ip[16], uint64_t time_ns)
{
	const struct view *view = view_of(reader);
	const struct weir_workload_row *row =
		view != NULL && view->table != NULL ? address_find(view->table, ip, time_ns) : NULL;

	use(row);
	return row != NULL && row->pod->is_host_network;
}

const struct weir_wanted *weir_workload_wanted(const struct weir_workload_reader *reader)
{
	const struct view *view = view_of(reader);

	return view != NULL ? view->wanted : NULL;
}

struct weir_str weir_workload_cluster(const struct weir_workload_reader *reader)
{
	return reader != NULL ? weir_str_of(reader->workloads->cluster) : weir_str_make(NULL, 0);
}
