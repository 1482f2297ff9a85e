/* names: which names the database already knows.
 *
 * A set of 64-bit hashes with the minute in which each was last written: a name
 * is written again only after REFRESH_NS, so that a commit usually writes none.
 * Bounded (10,000 of each kind): names come from senders. Expiry goes by the
 * time last written, with REFRESH_NS of grace. The writer's thread only. */
#include "storage/names.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "storage/connection.h"

#define REFRESH_NS 600000000000ull
#define SLOTS 65536u /* twice what three full kinds hold */

_Static_assert(SLOTS >= 2 * WEIR_NAMES_WHATS * WEIR_NAMES_MOST, "the set is at most half full");

struct slot {
	uint64_t hash; /* 0: free */
	uint64_t seen_ns;
};

struct weir_names {
	sqlite3 *db;
	sqlite3_stmt *upsert;
	uint32_t counts[WEIR_NAMES_WHATS];
	struct slot slots[SLOTS];
};

static struct slot *slot_of(struct weir_names *names, enum weir_names_what what, struct weir_str service,
	struct weir_str name, uint64_t *ret_hash)
{
	uint64_t hash = XXH3_64bits_withSeed(service.data, service.length, (uint64_t)what);
	uint32_t at;

	hash = XXH3_64bits_withSeed(name.data, name.length, hash) | 1;
	*ret_hash = hash;
	for (at = (uint32_t)(hash >> 32) % SLOTS; names->slots[at].hash != 0; at = (at + 1) % SLOTS) {
		if (names->slots[at].hash == hash) {
			break;
		}
	}
	return &names->slots[at];
}

static int names_read(struct weir_names *names)
{
	sqlite3_stmt *statement;
	int code, result = weir_connection_prepare(
			  names->db, "SELECT service, what, name, seen_ns FROM names", &statement);

	if (result < 0) {
		return result;
	}
	memset(names->counts, 0, sizeof(names->counts));
	memset(names->slots, 0, sizeof(names->slots));
	while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
		struct weir_str service = weir_connection_blob(statement, 0), name = weir_connection_blob(statement, 2);
		int64_t what = sqlite3_column_int64(statement, 1);
		uint64_t hash;
		struct slot *slot;

		if (what < 0 || what >= WEIR_NAMES_WHATS || names->counts[what] >= WEIR_NAMES_MOST) {
			continue;
		}
		slot = slot_of(names, (enum weir_names_what)what, service, name, &hash);
		names->counts[what] += slot->hash == 0;
		*slot = (struct slot){ hash, (uint64_t)sqlite3_column_int64(statement, 3) };
	}
	sqlite3_finalize(statement);
	return weir_connection_fault(code);
}

int weir_names_create(sqlite3 *db, struct weir_names **ret_names)
{
	struct weir_names *names = calloc(1, sizeof(*names));
	int result;

	*ret_names = NULL;
	if (names == NULL) {
		return -ENOMEM;
	}
	names->db = db;
	result = weir_connection_prepare(db,
		"INSERT INTO names VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET seen_ns = excluded.seen_ns",
		&names->upsert);
	if (result == 0) {
		result = names_read(names);
	}
	if (result < 0) {
		weir_names_destroy(names);
		return result;
	}
	*ret_names = names;
	return 0;
}

void weir_names_destroy(struct weir_names *names)
{
	if (names != NULL) {
		sqlite3_finalize(names->upsert);
		free(names);
	}
}

static int name_write(struct weir_names *names, enum weir_names_what what, struct weir_str service,
	struct weir_str name, uint64_t now_ns)
{
	uint64_t hash;
	struct slot *slot = slot_of(names, what, service, name, &hash);

	if (slot->hash != 0 && now_ns < slot->seen_ns + REFRESH_NS) {
		return 0;
	}
	if (slot->hash == 0) {
		if (names->counts[what] >= WEIR_NAMES_MOST) {
			return 0;
		}
		names->counts[what]++;
	}
	*slot = (struct slot){ hash, now_ns };
	sqlite3_bind_text64(
		names->upsert, 1, service.length > 0 ? service.data : "", service.length, SQLITE_STATIC, SQLITE_UTF8);
	sqlite3_bind_int(names->upsert, 2, (int)what);
	sqlite3_bind_text64(
		names->upsert, 3, name.length > 0 ? name.data : "", name.length, SQLITE_STATIC, SQLITE_UTF8);
	sqlite3_bind_int64(names->upsert, 4, (int64_t)now_ns);
	return weir_connection_run(names->upsert);
}

int weir_names_write(struct weir_names *names, const struct weir_segment_info *info)
{
	struct weir_str none = { "", 0 };

	for (uint32_t i = 0; i < info->pair_count; i++) {
		const struct weir_segment_pair *pair = info->pairs + i;
		int result = name_write(names, WEIR_NAMES_SERVICE, pair->service, none, info->max_arrival);

		if (result == 0 && pair->name.length > 0) {
			result = name_write(names, pair->is_remote ? WEIR_NAMES_REMOTE : WEIR_NAMES_SPAN, pair->service,
				pair->name, info->max_arrival);
		}
		if (result < 0) {
			return result;
		}
	}
	return 0;
}

int weir_names_rollback(struct weir_names *names)
{
	return names_read(names);
}

int weir_names_expire(struct weir_names *names, uint64_t before_ns)
{
	sqlite3_stmt *statement;
	int result;

	if (before_ns < REFRESH_NS) {
		return 0;
	}
	result = weir_connection_prepare(names->db, "DELETE FROM names WHERE seen_ns < ?", &statement);
	if (result == 0) {
		sqlite3_bind_int64(statement, 1, (int64_t)(before_ns - REFRESH_NS));
		result = weir_connection_run(statement);
		sqlite3_finalize(statement);
	}
	if (result == 0 && sqlite3_changes(names->db) > 0) {
		result = names_read(names);
	}
	return result;
}
