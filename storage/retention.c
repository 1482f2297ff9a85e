/* retention: the file is itself a ring: the oldest detail goes first.
 *
 * Beyond max_size (used pages + log) or max_age (by arrival) the segments of the
 * least last arrival are deleted, a few in a transaction, until the deadline;
 * what remains is done in the next slice. Their pages go to SQLite's free list
 * and are used again: no VACUUM, the file does not shrink. The fold's state and
 * the newest segment always stay.
 *
 * When the disk is full below max_size, detail is given up too, but not below a
 * quarter of max_size: then refusing senders is the smaller loss. */
#include "storage/retention.h"

#include <errno.h>
#include <stdlib.h>

#include "base/clock.h"

#define IN_ONE 8u /* segments a transaction */
#define NAMES_EVERY_NS 60000000000ull

struct weir_retention {
	struct weir_store *store;
	struct weir_commit *commit;
	uint64_t names_due_ns;
};

int weir_retention_create(struct weir_store *store, struct weir_commit *commit, struct weir_retention **ret_retention)
{
	struct weir_retention *retention = calloc(1, sizeof(*retention));

	*ret_retention = retention;
	if (retention == NULL) {
		return -ENOMEM;
	}
	retention->store = store;
	retention->commit = commit;
	return 0;
}

void weir_retention_destroy(struct weir_retention *retention)
{
	free(retention);
}

static uint64_t size_of(const struct weir_store *store)
{
	return store->used_bytes + store->wal_bytes;
}

static bool is_too_old(const struct weir_store *store, const struct weir_catalog_entry *entry, uint64_t now_ns)
{
	uint64_t age_ns =
		store->opts.max_age_s > UINT64_MAX / 1000000000u ? UINT64_MAX : store->opts.max_age_s * 1000000000u;

	return age_ns != 0 && entry->max_arrival < now_ns && now_ns - entry->max_arrival > age_ns;
}

/* Deletes the first `count` of the entries in one transaction. */
static int delete_some(struct weir_retention *retention, const struct weir_catalog_entry *entries, uint32_t count)
{
	int result = weir_commit_begin(retention->commit);

	if (result < 0) {
		return result;
	}
	for (uint32_t i = 0; i < count && result == 0; i++) {
		result = weir_commit_delete(retention->commit, entries[i].id);
	}
	result = weir_commit_end(retention->commit, result);
	if (result == 0) {
		retention->store->expired_segments += count;
		result = weir_commit_measure(retention->commit);
	}
	return result;
}

int weir_retention_slice(struct weir_retention *retention, uint64_t now_ns, uint64_t deadline_ns)
{
	struct weir_store *store = retention->store;
	struct weir_catalog_entry oldest[IN_ONE + 1];

	for (;;) {
		uint32_t have = weir_catalog_oldest(store->catalog, oldest, IN_ONE + 1), count = 0;
		uint64_t excess = store->opts.max_size_bytes != 0 && size_of(store) > store->opts.max_size_bytes
					  ? size_of(store) - store->opts.max_size_bytes
					  : 0;
		int result;

		while (count + 1 < have && (excess > 0 || is_too_old(store, &oldest[count], now_ns))) {
			excess = excess > oldest[count].bytes ? excess - oldest[count].bytes : 0;
			count++;
		}
		/* The last one of all goes by age only. */
		if (count == 0 && have == 1 && is_too_old(store, &oldest[0], now_ns)) {
			count = 1;
		}
		if (count == 0) {
			break;
		}
		result = delete_some(retention, oldest, count);
		if (result < 0 || weir_clock_monotonic_ns() >= deadline_ns) {
			return result;
		}
	}
	if (now_ns >= retention->names_due_ns) {
		struct weir_catalog_entry entry;

		retention->names_due_ns = now_ns + NAMES_EVERY_NS;
		if (weir_catalog_oldest(store->catalog, &entry, 1) == 1) {
			return weir_commit_expire_names(retention->commit, entry.min_arrival);
		}
	}
	return 0;
}

int weir_retention_make_room(struct weir_retention *retention)
{
	struct weir_store *store = retention->store;
	struct weir_catalog_entry oldest[IN_ONE];
	uint32_t have = weir_catalog_oldest(store->catalog, oldest, IN_ONE);

	if (have < 2 || store->used_bytes < store->opts.max_size_bytes / 4) {
		return 0;
	}
	return delete_some(retention, oldest, have - 1);
}
