/* alive: the traces of the unstored windows as a set of hashes, those of the
 * segments from the catalog's index.
 *
 *   windows held ─▶ hashes of their spans' traces ─▶ let go    (a copy: rendering takes longer than the ring may wait)
 *   segments     ─▶ weir_catalog_has, whenever one is asked for (of the newest: those in the index)
 *
 * Nothing falls between the two: a window is unlisted only after its commit, and
 * its segment is in the catalog before that.
 *
 * The set: open addressing, 0 is free; a hash of 0 is kept as 1. At most two
 * thirds of it are used. */
#include "storage/alive.h"

#include <errno.h>
#include <stdlib.h>

#include "storage/inside.h"

struct weir_alive {
	const struct weir_store *store;
	uint32_t *hashes;
	uint32_t mask;
};

static uint32_t hash_of(const struct weir_store *store, const uint8_t trace_id[16])
{
	uint32_t hash = weir_segment_trace_hash(trace_id, store->found.hash_seed);

	return hash != 0 ? hash : 1;
}

/* Its place, or the free one where it belongs. */
static uint32_t *place_of(const struct weir_alive *alive, uint32_t hash)
{
	uint32_t at = hash & alive->mask;

	while (alive->hashes[at] != 0 && alive->hashes[at] != hash) {
		at = (at + 1) & alive->mask;
	}
	return &alive->hashes[at];
}

static void batch_note(struct weir_alive *alive, const struct weir_batch *batch)
{
	const struct weir_span *spans = weir_batch_spans(batch);

	for (uint32_t i = 0; i < batch->spans.count; i++) {
		uint32_t hash;

		/* Spans of a trace mostly stand side by side. */
		if (i > 0 && memcmp(spans[i].trace_id, spans[i - 1].trace_id, sizeof(spans[i].trace_id)) == 0) {
			continue;
		}
		hash = hash_of(alive->store, spans[i].trace_id);
		*place_of(alive, hash) = hash;
	}
}

static uint64_t spans_count(const struct weir_window_view *views, uint32_t count)
{
	uint64_t spans = 0;

	for (uint32_t i = 0; i < count; i++) {
		for (uint32_t j = 0; j < views[i].batch_count; j++) {
			spans += views[i].window->batches[j]->spans.count;
		}
	}
	return spans;
}

int weir_alive_create(const struct weir_store *store, struct weir_windows *windows, struct weir_alive **ret_alive)
{
	struct weir_alive *alive = calloc(1, sizeof(*alive));
	struct weir_window_view views[WEIR_WINDOW_VIEWS];
	uint32_t count, places = 64;

	*ret_alive = NULL;
	if (alive == NULL) {
		return -ENOMEM;
	}
	alive->store = store;
	count = weir_windows_hold(windows, views);
	while (places < spans_count(views, count) * 3 / 2) {
		places *= 2;
	}
	alive->mask = places - 1;
	alive->hashes = calloc(places, sizeof(*alive->hashes));
	for (uint32_t i = 0; i < count && alive->hashes != NULL; i++) {
		for (uint32_t j = 0; j < views[i].batch_count; j++) {
			batch_note(alive, views[i].window->batches[j]);
		}
	}
	weir_windows_let_go(windows, views, count);
	if (alive->hashes == NULL) {
		free(alive);
		return -ENOMEM;
	}
	*ret_alive = alive;
	return 0;
}

void weir_alive_destroy(struct weir_alive *alive)
{
	if (alive != NULL) {
		free(alive->hashes);
		free(alive);
	}
}

bool weir_alive_has(const struct weir_alive *alive, const uint8_t trace_id[16])
{
	return *place_of(alive, hash_of(alive->store, trace_id)) != 0 ||
	       weir_catalog_has(
		       alive->store->catalog, weir_segment_trace_hash(trace_id, alive->store->found.hash_seed));
}
