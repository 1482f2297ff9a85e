/* family_bounds: the upper bounds that histograms share.
 *
 * Most histograms of a sender have the same bounds, so series have numbers of
 * them. A number without a series goes at a sweep. Streams remember the hash of
 * the bounds that they spoke with last, since the number may be others' by then.
 *
 * Invariants
 *  1. `series` of a row is how many series of cell HISTOGRAM have its number.
 *  2. A number is the lowest that is free when it is given.
 *
 * Save: how many changed since the last cut, or are there (an image); each: number, how many + 1, doubles; or number,
 * 0: gone. Before version 4 none was ever gone: how many are new; each: how many, doubles. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bounds.h"
#include "aggregate/points/family.h"
#include "base/err.h"

#define SETS_MAX WEIR_BOUNDS_HISTOGRAMS

static void row_set(struct weir_families *families, uint32_t number, const double *at, uint32_t count)
{
	struct weir_family_bounds *row;

	if (families->bounds == NULL) {
		families->bounds = calloc(SETS_MAX, sizeof(*families->bounds));
		weir_assert(families->bounds != NULL);
	}
	row = &families->bounds[number];
	*row = (struct weir_family_bounds){ .at = malloc(count > 0 ? count * sizeof(*at) : 1),
		.count = count,
		.hash = XXH3_64bits(at, count * sizeof(*at)) | 1,
		.is_dirty = true };
	weir_assert(row->at != NULL); /* bounded by SETS_MAX */
	memcpy(row->at, at, count * sizeof(*at));
	families->bounds_count = number >= families->bounds_count ? number + 1 : families->bounds_count;
}

static void row_free(struct weir_families *families, uint32_t number)
{
	free(families->bounds[number].at);
	families->bounds[number] = (struct weir_family_bounds){ .is_dirty = true };
}

uint32_t weir_families_bounds(struct weir_families *families, const double *at, uint32_t count)
{
	uint32_t lowest = families->bounds_count;

	for (uint32_t i = families->bounds_count; i-- > 0;) {
		const struct weir_family_bounds *row = &families->bounds[i];

		if (row->at == NULL) {
			lowest = i;
		} else if (row->count == count && memcmp(row->at, at, count * sizeof(*at)) == 0) {
			return i;
		}
	}
	if (lowest == SETS_MAX) {
		return WEIR_NONE;
	}
	row_set(families, lowest, at, count);
	return lowest;
}

void weir_families_bounds_hold(struct weir_families *families, const struct weir_family_series *series)
{
	if (series->cell == WEIR_CELL_HISTOGRAM) {
		families->bounds[series->bounds].series++;
	}
}

void weir_families_bounds_let_go(struct weir_families *families, const struct weir_family_series *series)
{
	if (series->cell == WEIR_CELL_HISTOGRAM) {
		families->bounds[series->bounds].series--;
	}
}

void weir_families_bounds_sweep(struct weir_families *families)
{
	for (uint32_t i = 0; i < families->bounds_count; i++) {
		if (families->bounds[i].at != NULL && families->bounds[i].series == 0) {
			row_free(families, i);
		}
	}
}

void weir_families_bounds_fini(struct weir_families *families)
{
	for (uint32_t i = 0; i < families->bounds_count; i++) {
		free(families->bounds[i].at);
	}
	free(families->bounds);
	families->bounds = NULL;
	families->bounds_count = 0;
}

/* ---- save and load ------------------------------------------------------ */

static bool is_saved(const struct weir_family_bounds *row, bool all)
{
	return all ? row->at != NULL : row->is_dirty;
}

void weir_families_bounds_save(struct weir_families *families, bool all, struct weir_buf *buf)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < families->bounds_count; i++) {
		count += is_saved(&families->bounds[i], all) ? 1 : 0;
	}
	weir_blob_add_varint(buf, count);
	for (uint32_t i = 0; i < families->bounds_count; i++) {
		struct weir_family_bounds *row = &families->bounds[i];

		if (is_saved(row, all)) {
			weir_blob_add_varint(buf, i);
			weir_blob_add_varint(buf, row->at != NULL ? row->count + 1u : 0);
			weir_buf_add(buf, row->at, row->count * sizeof(double));
		}
		row->is_dirty = false;
	}
}

static int row_load(struct weir_families *families, struct weir_blob_reader *reader, bool is_numbered)
{
	uint32_t number = is_numbered ? weir_blob_number(reader, SETS_MAX - 1) : families->bounds_count;
	uint32_t count = weir_blob_number(reader, WEIR_FAMILY_BOUNDS_MAX + (is_numbered ? 1 : 0));
	bool is_there = !is_numbered || count > 0;
	double at[WEIR_FAMILY_BOUNDS_MAX];
	const unsigned char *bytes;

	count -= is_numbered && is_there ? 1 : 0;
	bytes = weir_blob_bytes(reader, count * sizeof(double));
	if (bytes == NULL || number >= SETS_MAX) {
		return -EBADMSG;
	}
	if (number < families->bounds_count && families->bounds[number].at != NULL) {
		if (families->bounds[number].series > 0) {
			return -EBADMSG;
		}
		row_free(families, number);
	}
	if (is_there) {
		memcpy(at, bytes, count * sizeof(double));
		row_set(families, number, at, count);
	}
	return 0;
}

int weir_families_bounds_load(struct weir_families *families, struct weir_blob_reader *reader, bool is_numbered)
{
	uint32_t count = weir_blob_number(reader, SETS_MAX);
	int error = 0;

	for (uint32_t i = 0; i < count && error == 0; i++) {
		error = row_load(families, reader, is_numbered);
	}
	for (uint32_t i = 0; i < families->bounds_count; i++) {
		families->bounds[i].is_dirty = false;
	}
	return error != 0 ? error : reader->is_bad ? -EBADMSG : 0;
}

void weir_families_bounds_digest(const struct weir_families *families, XXH3_state_t *state)
{
	for (uint32_t i = 0; i < families->bounds_count; i++) {
		const struct weir_family_bounds *row = &families->bounds[i];
		const uint32_t head[2] = { i, row->count };

		if (row->at != NULL) {
			XXH3_128bits_update(state, head, sizeof(head));
			XXH3_128bits_update(state, row->at, row->count * sizeof(double));
		}
	}
}
