/* fold_spans: what spans say: who calls whom (pair.c), and how often and how long
 * (span_count.c).
 *
 *   CLIENT, PRODUCER   waits under its own id
 *   SERVER, CONSUMER   waits under its parent's id, or its own if that is shared
 *   CONSUMER's links   each is a call of its own
 *   others             are counted, and meet nobody
 *
 * Runs on the aggregate thread only. */
#include "aggregate/state.h"

#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define LINKS_MAX 8u /* of one CONSUMER span */
#define AHEAD 16u    /* spans whose entries are asked for before they are needed */

static bool is_zero(const uint8_t id[8])
{
	uint64_t value;

	memcpy(&value, id, sizeof(value));
	return value == 0;
}

static bool is_caller(const struct weir_span *span)
{
	return span->kind == WEIR_SPAN_CLIENT || span->kind == WEIR_SPAN_PRODUCER;
}

/* The calling span's id: whom this span waits for. NULL: for nobody. */
static const uint8_t *calling_id(const struct weir_span *span)
{
	if (is_caller(span)) {
		return span->span_id;
	}
	if (span->kind != WEIR_SPAN_SERVER && span->kind != WEIR_SPAN_CONSUMER) {
		return NULL;
	}
	if ((span->flags & WEIR_SPAN_SHARED) != 0) {
		return span->span_id;
	}
	return is_zero(span->parent_id) ? NULL : span->parent_id;
}

/* It says which database system it calls (wire.md 4.5). */
static bool is_database(const struct weir_batch *batch, const struct weir_span *span)
{
	const struct weir_attr *attrs = weir_batch_attrs(batch) + span->attr_first;

	for (uint32_t i = 0; i < span->attr_count; i++) {
		if ((attrs[i].key.length == 9 || attrs[i].key.length == 14) &&
			(weir_str_is(weir_batch_str(batch, attrs[i].key), "db.system") ||
				weir_str_is(weir_batch_str(batch, attrs[i].key), "db.system.name"))) {
			return true;
		}
	}
	return false;
}

static uint32_t service_of(struct weir_fold *fold, const struct weir_batch *batch, uint32_t resource)
{
	if (fold->services[resource] == WEIR_NONE) {
		fold->services[resource] = weir_edges_name(
			&fold->edges, weir_batch_str(batch, weir_batch_resources(batch)[resource].service));
	}
	return fold->services[resource];
}

/* A consumer names its producers by links too; each is a call of its own. */
static void fold_links(struct weir_fold *fold, const struct weir_batch *batch, const struct weir_span *span,
	struct weir_pair_span *pair, struct weir_slot_key parent)
{
	const struct weir_link *links = weir_batch_links(batch) + span->link_first;

	for (uint32_t i = 0; i < span->link_count && i < LINKS_MAX; i++) {
		struct weir_slot_key key = weir_pairs_key(links[i].trace_id, links[i].span_id);
		bool is_repeated = key.low == parent.low && key.high == parent.high;

		for (uint32_t k = 0; k < i && !is_repeated; k++) {
			is_repeated = memcmp(&links[k], &links[i], 24) == 0;
		}
		if (!is_repeated) {
			pair->key = key;
			weir_pairs_meet(&fold->pairs, pair, fold->watermark_ns);
		}
	}
}

static void fold_span(
	struct weir_fold *fold, const struct weir_batch *batch, const struct weir_span *span, struct weir_slot_key key)
{
	bool is_known = calling_id(span) != NULL;
	struct weir_pair_span pair = { .key = key,
		.is_caller = is_caller(span),
		.is_message = span->kind == WEIR_SPAN_PRODUCER || span->kind == WEIR_SPAN_CONSUMER,
		.is_database = is_caller(span) && span->peer.length > 0 && is_database(batch, span),
		.is_error = (span->flags & WEIR_SPAN_ERROR) != 0,
		.is_shared = !is_caller(span) && (span->flags & WEIR_SPAN_SHARED) != 0,
		.peer = weir_batch_str(batch, span->peer),
		.duration_us = span->duration_ns / 1000 };

	weir_span_count(&fold->span_counts, batch, span, service_of(fold, batch, span->resource), &fold->pairs.moment);
	if (!is_known && (span->kind != WEIR_SPAN_CONSUMER || span->link_count == 0)) {
		return;
	}
	pair.service = service_of(fold, batch, span->resource);
	if ((pair.is_shared || (pair.is_caller && fold->pairs.shared > 0)) && !is_zero(span->parent_id)) {
		pair.has_parent = true;
		pair.parent = weir_pairs_key(span->trace_id, span->parent_id);
	}
	if (is_known) {
		weir_pairs_meet(&fold->pairs, &pair, fold->watermark_ns);
	}
	if (span->kind == WEIR_SPAN_CONSUMER && span->link_count > 0) {
		fold_links(fold, batch, span, &pair, key);
	}
}

/* The batch's services are asked for by number; a name is looked up once. */
static void services_forget(struct weir_fold *fold, uint32_t resources)
{
	if (resources > fold->service_capacity) {
		free(fold->services);
		fold->services = malloc(resources * sizeof(*fold->services));
		weir_assert(fold->services != NULL); /* bounded by the batch, hence by ring/8 */
		fold->service_capacity = resources;
	}
	memset(fold->services, 0xff, resources * sizeof(*fold->services));
}

/* In three passes over a few spans at a time: each asks the cache for what the
 * next one needs. */
void weir_fold_spans(struct weir_fold *fold, const struct weir_batch *batch)
{
	const struct weir_span *spans = weir_batch_spans(batch);
	uint32_t count = batch->spans.count;

	services_forget(fold, batch->resources.count);
	for (uint32_t at = 0; at < count; at += AHEAD) {
		struct weir_slot_key keys[AHEAD];
		uint32_t n = count - at < AHEAD ? count - at : AHEAD;

		for (uint32_t i = 0; i < n; i++) {
			const uint8_t *id = calling_id(&spans[at + i]);

			keys[i] = (struct weir_slot_key){ 0, 0 };
			if (id != NULL) {
				keys[i] = weir_pairs_key(spans[at + i].trace_id, id);
				weir_slots_prefetch(&fold->pairs.slots, keys[i]);
			}
		}
		for (uint32_t i = 0; i < n; i++) {
			weir_slots_prefetch_entry(&fold->pairs.slots, keys[i]);
		}
		for (uint32_t i = 0; i < n; i++) {
			fold_span(fold, batch, &spans[at + i], keys[i]);
		}
	}
}
