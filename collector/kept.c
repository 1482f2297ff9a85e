/* kept: database, ring and state as the last run left them; see the header.
 *
 * A damaged file or ring was set aside by its room; this file says so. */
#include "kept.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/stat.h"
#include "process.h"

static int store_open(const struct weir_conf *conf, struct weir_kept *kept)
{
	struct weir_store_opts opts = {
		.path = conf->storage_path,
		.max_size_bytes = conf->storage_max_size,
		.max_age_s = conf->storage_max_age,
		.max_indexed = WEIR_STORE_INDEXED,
		.sync = strcmp(conf->storage_sync, "always") == 0 ? WEIR_SYNC_ALWAYS : WEIR_SYNC_INTERVAL,
	};
	char holder[128];
	int r = weir_store_open(&opts, &kept->store, &kept->found);

	if (r == WEIR_STORE_BUSY) {
		weir_store_holder(conf->storage_path, holder, sizeof(holder));
		weir_log(WEIR_LOG_ERROR, "main", "cannot start: another weir holds the database path=%s holder=\"%s\"",
			conf->storage_path, holder);
		return -EBUSY;
	}
	if (r < 0) {
		return weir_process_refuse("the database cannot be opened", conf->storage_path, r);
	}
	if (kept->found.replaced_why != NULL) {
		weir_stat_add(WEIR_STAT_SET_ASIDE_DATABASE, 1);
		weir_log(WEIR_LOG_WARN, "main", "database set aside and made anew path=%s why=\"%s\"",
			conf->storage_path, kept->found.replaced_why);
	}
	return 0;
}

/* The first of: ring.path, $RUNTIME_DIRECTORY, /run/weir, /dev/shm/weir-<uid>. */
static void ring_directory(const struct weir_conf *conf, char *ret_path, size_t size)
{
	const char *runtime = getenv("RUNTIME_DIRECTORY");

	if (conf->ring_path[0] != '\0') {
		snprintf(ret_path, size, "%s", conf->ring_path);
	} else if (runtime != NULL && runtime[0] == '/') {
		snprintf(ret_path, size, "%.*s", (int)strcspn(runtime, ":"), runtime);
	} else if (access("/run/weir", W_OK | X_OK) == 0) {
		snprintf(ret_path, size, "/run/weir");
	} else {
		snprintf(ret_path, size, "/dev/shm/weir-%u", (unsigned)getuid());
	}
}

static int ring_open(const struct weir_conf *conf, struct weir_kept *kept)
{
	char directory[4096];
	struct weir_ring_opts opts = {
		.directory = directory,
		.size_bytes = conf->ring_size,
		.database_id = kept->found.database_id,
		.replaced_id = kept->found.has_replaced_id ? kept->found.replaced_id : NULL,
	};
	struct weir_ring_found found = { 0 };
	int r;

	ring_directory(conf, directory, sizeof(directory));
	r = weir_ring_open(&opts, &kept->ring, &found);
	if (r == WEIR_RING_BUSY) {
		weir_log(WEIR_LOG_ERROR, "main", "cannot start: another weir holds the ring path=%s", directory);
		return -EBUSY;
	}
	if (r == WEIR_RING_NO_ROOM) {
		weir_log(WEIR_LOG_ERROR, "main",
			"cannot start: too little room for the ring, lower ring.size path=%s bytes=%llu", directory,
			(unsigned long long)conf->ring_size);
		return -ENOSPC;
	}
	if (r < 0) {
		return weir_process_refuse("the ring cannot be opened", directory, r);
	}
	if (found.replaced_why != NULL) {
		weir_stat_add(WEIR_STAT_SET_ASIDE_RING, 1);
		weir_log(WEIR_LOG_WARN, "main", "ring set aside and made anew path=%s why=\"%s\"",
			weir_ring_path(kept->ring), found.replaced_why);
	}
	return 0;
}

/* Contract 9: counters go on only over an unbroken chain. What breaks it, or NULL. */
static const char *chain_break(
	const struct weir_kept *kept, const struct weir_ring_recovery *recovery, bool is_state_damaged)
{
	if (is_state_damaged) {
		return "the stored state is damaged";
	}
	if (recovery->damaged > 0) { /* it may have been counted, and read, before the end of the last run */
		return "records in the ring are damaged";
	}
	if (kept->found.ring_id == 0) {
		return NULL; /* nothing was stored yet */
	}
	if (kept->found.ring_id != weir_ring_id(kept->ring)) {
		return "the ring is another one";
	}
	if (recovery->has_gap) {
		return "the ring is not where the database ends";
	}
	return kept->found.is_same_boot ? NULL : "the machine was started anew";
}

static void counters_settle(struct weir_kept *kept, const struct weir_ring_recovery *recovery, bool is_state_damaged)
{
	const char *why = chain_break(kept, recovery, is_state_damaged);

	if (why != NULL) {
		weir_fold_reset_counters(kept->fold, weir_clock_now_ns());
		weir_log(WEIR_LOG_WARN, "main", "counters start anew why=\"%s\"", why);
	}
}

static enum weir_fold_istio istio_of(const char *text)
{
	return strcmp(text, "on") == 0    ? WEIR_FOLD_ISTIO_ON
	       : strcmp(text, "off") == 0 ? WEIR_FOLD_ISTIO_OFF
					  : WEIR_FOLD_ISTIO_AUTO;
}

static int state_open(const struct weir_conf *conf, const struct weir_ruleset *ruleset, struct weir_kept *kept)
{
	struct weir_fold_opts fold_opts = {
		.max_series = (uint32_t)conf->metrics_max_series,
		.expiry_ns = conf->metrics_expiry * 1000000000u,
		.ruleset = ruleset,
		.istio = istio_of(conf->metrics_istio),
		.hash_seed = kept->found.hash_seed,
		.began_ns = kept->found.created_ns,
	};
	struct weir_ring_recovery recovery = { 0 };
	bool is_damaged = false;
	int r = weir_fold_create(&fold_opts, &kept->fold);

	if (r == 0) {
		r = weir_store_load_fold(kept->store, kept->fold);
		is_damaged = r == -EBADMSG;
		r = is_damaged ? 0 : r;
	}
	if (r == 0) {
		r = weir_ring_recover(kept->ring, kept->found.ring_id, kept->found.position, &recovery);
	}
	if (r < 0) {
		return weir_process_refuse("the state cannot be read back", conf->storage_path, r);
	}
	counters_settle(kept, &recovery, is_damaged);
	weir_stat_add(WEIR_STAT_SET_ASIDE_STATE, is_damaged);
	weir_stat_add(WEIR_STAT_RING_HOLES, recovery.holes);
	weir_stat_add(WEIR_STAT_RING_DAMAGED, recovery.damaged);
	weir_stat_add(WEIR_STAT_RING_REPLAYED, recovery.records);
	if (recovery.records > 0 || recovery.holes > 0 || recovery.damaged > 0) {
		weir_log(WEIR_LOG_INFO, "main", "replaying the ring records=%llu holes=%llu damaged=%llu",
			(unsigned long long)recovery.records, (unsigned long long)recovery.holes,
			(unsigned long long)recovery.damaged);
	}
	return 0;
}

int weir_kept_open(const struct weir_conf *conf, const struct weir_ruleset *ruleset, struct weir_kept *kept)
{
	int r = store_open(conf, kept);

	r = r < 0 ? r : ring_open(conf, kept);
	return r < 0 ? r : state_open(conf, ruleset, kept);
}

void weir_kept_close(struct weir_kept *kept)
{
	weir_fold_destroy(kept->fold);
	weir_ring_close(kept->ring);
	weir_store_close(kept->store);
}
