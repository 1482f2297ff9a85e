/* family_save: families and their series as bytes.
 *
 *   texts          names, helps, labels (text.c)
 *   changed        how many; numbers of series that are gone, made or moved since the last cut; an image: none
 *   families       how many; each: number, type + 1, help, expired; or number, 0: gone
 *   bounds         family_bounds.c
 *   counts         overflowed, conflicting, cut values, what was lost of counters and of histograms
 *   series         how many; each: number, family and shape, created, words, 0 or 1, if 1: exemplar
 *
 * Numbers are given again, so one that changed may be another series of another
 * family now: a reader drops all that changed, then takes the families, then
 * makes what there is.
 *
 * Before version 4 nothing was ever gone: texts; new families in the order of
 * their numbers: help, type; bounds; overflowed, conflicting; series without exemplars. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/points/family.h"
#include "aggregate/real.h"

#define WORDS_MAX (WEIR_EXPO_WORDS + WEIR_FAMILY_BOUNDS_MAX)
#define VERSION_EXPIRING 4u /* of blobs: from here on families and series may be gone */

/* ---- save --------------------------------------------------------------- */

static void total_save(const struct weir_family_total *total, struct weir_buf *buf)
{
	weir_blob_add_varint(buf, total->whole);
	weir_blob_add_u64(buf, weir_real_bits(total->real));
}

static void row_save(const struct weir_families *families, uint32_t family, struct weir_buf *buf)
{
	const struct weir_family *row = &families->rows[family];

	weir_blob_add_varint(buf, family);
	weir_blob_add_varint(buf, row->is_known ? row->exposed + 1u : 0);
	if (row->is_known) {
		weir_blob_add_varint(buf, row->help);
		total_save(&row->expired, buf);
	}
}

static void rows_save(struct weir_families *families, bool all, struct weir_buf *buf)
{
	weir_blob_add_varint(buf, all ? families->names.live : families->dirty_row_count);
	for (uint32_t i = 1; all && i < families->row_capacity; i++) {
		if (families->rows[i].is_known) {
			row_save(families, i, buf);
		}
	}
	for (uint32_t i = 0; !all && i < families->dirty_row_count; i++) {
		row_save(families, families->dirty_rows[i], buf);
	}
}

static void exemplar_save(const struct weir_exemplar_view *exemplar, struct weir_buf *buf)
{
	weir_blob_add_varint(buf, exemplar != NULL);
	if (exemplar != NULL) {
		weir_buf_add(buf, exemplar->trace_id, sizeof(exemplar->trace_id));
		weir_buf_add(buf, exemplar->span_id, sizeof(exemplar->span_id));
		weir_blob_add_varint(buf, exemplar->time_ns);
		weir_blob_add_u64(buf, weir_real_bits(exemplar->value));
	}
}

static void series_save(const struct weir_families *families, uint32_t number, struct weir_buf *buf)
{
	const struct weir_family_series *series = &families->series[number];

	weir_blob_add_varint(buf, number);
	weir_blob_add_varint(buf, series->family);
	weir_blob_add_varint(buf, (uint64_t)series->cell << 1 | series->is_overflow);
	weir_blob_add_varint(buf, series->bounds);
	weir_blob_add_varint(buf, series->created_ns);
	weir_blob_add_varint(buf, series->word_count);
	weir_blob_add_words(buf, series->words, series->word_count);
	exemplar_save(series->exemplar, buf);
}

static void all_series_save(const struct weir_families *families, bool all, struct weir_buf *buf)
{
	uint32_t count = families->live_series + families->overflow_series;

	if (!all) {
		count = 0;
		for (uint32_t i = 0; i < families->dirty_count; i++) {
			count += weir_families_is_live(families, families->dirty[i]);
		}
	}
	weir_blob_add_varint(buf, count);
	for (uint32_t i = 1; all && i < families->series_capacity; i++) {
		if (weir_families_is_live(families, i)) {
			series_save(families, i, buf);
		}
	}
	for (uint32_t i = 0; !all && i < families->dirty_count; i++) {
		if (weir_families_is_live(families, families->dirty[i])) {
			series_save(families, families->dirty[i], buf);
		}
	}
}

/* Nothing differs from the last cut. */
static void changes_forget(struct weir_families *families)
{
	for (uint32_t i = 0; i < families->dirty_count; i++) {
		families->series[families->dirty[i]].is_dirty = false;
	}
	for (uint32_t i = 0; i < families->dirty_row_count; i++) {
		families->rows[families->dirty_rows[i]].is_dirty = false;
	}
	families->dirty_count = families->dirty_row_count = 0;
}

void weir_families_save(struct weir_families *families, bool all, struct weir_buf *buf)
{
	weir_text_save(&families->names, all, buf);
	weir_text_save(&families->helps, all, buf);
	weir_text_save(&families->labels, all, buf);
	weir_blob_add_varint(buf, all ? 0 : families->dirty_count);
	for (uint32_t i = 0; !all && i < families->dirty_count; i++) {
		weir_blob_add_varint(buf, families->dirty[i]);
	}
	rows_save(families, all, buf);
	weir_families_bounds_save(families, all, buf);
	weir_blob_add_varint(buf, families->overflowed);
	weir_blob_add_varint(buf, families->conflicting);
	weir_blob_add_varint(buf, families->cut_values);
	total_save(&families->lost_counters, buf);
	total_save(&families->lost_histograms, buf);
	all_series_save(families, all, buf);
	changes_forget(families);
}

/* ---- load --------------------------------------------------------------- */

static void total_load(struct weir_family_total *total, struct weir_blob_reader *reader)
{
	total->whole = weir_blob_varint(reader);
	total->real = weir_real_of(weir_blob_u64(reader));
}

/* The series that changed, of which those that are there still are made again. */
static int changed_load(struct weir_families *families, struct weir_blob_reader *reader)
{
	uint32_t count = weir_blob_number(reader, WEIR_TEXT_NUMBER_MAX);

	for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
		uint32_t number = weir_blob_number(reader, WEIR_TEXT_NUMBER_MAX);

		if (!reader->is_bad && weir_families_is_live(families, number)) {
			weir_families_series_drop(families, number);
		}
	}
	return reader->is_bad ? -EBADMSG : 0;
}

static int row_load(struct weir_families *families, struct weir_blob_reader *reader)
{
	uint32_t family = weir_blob_number(reader, WEIR_TEXT_NUMBER_MAX);
	uint32_t kind = weir_blob_number(reader, WEIR_EXPOSEDS), help;
	struct weir_family_total expired;
	bool is_known = family < families->row_capacity && families->rows[family].is_known;

	if (reader->is_bad || family == 0 || weir_text_is_live(&families->names, family) != (kind > 0)) {
		return -EBADMSG;
	}
	if (kind == 0) {
		if (is_known && families->rows[family].series > 0) {
			return -EBADMSG;
		}
		if (is_known) {
			weir_families_row_drop(families, family);
		}
		return 0;
	}
	help = weir_blob_number(reader, WEIR_TEXT_NUMBER_MAX);
	total_load(&expired, reader);
	if (reader->is_bad || (help != WEIR_TEXT_EMPTY && !weir_text_is_live(&families->helps, help))) {
		return -EBADMSG;
	}
	if (!is_known) {
		weir_families_row_make(families, family, help, (uint8_t)(kind - 1));
	} else if (families->rows[family].series == 0) {
		/* Perhaps another family, which got the number of one that is gone. */
		weir_families_row_drop(families, family);
		weir_families_row_make(families, family, help, (uint8_t)(kind - 1));
	} else if (families->rows[family].exposed != kind - 1 || families->rows[family].help != help) {
		return -EBADMSG;
	}
	families->rows[family].expired = expired;
	return 0;
}

static int rows_load(struct weir_families *families, struct weir_blob_reader *reader)
{
	uint32_t count = weir_blob_number(reader, WEIR_TEXT_NUMBER_MAX);
	int error = reader->is_bad ? -EBADMSG : 0;

	for (uint32_t i = 0; i < count && error == 0; i++) {
		error = row_load(families, reader);
	}
	return error;
}

static uint32_t count_of(const struct weir_text *text)
{
	return text->count == 0 ? 1 : text->count;
}

/* Of an image before version 4: families from this number on are new. */
static int rows_load_numbered(struct weir_families *families, struct weir_blob_reader *reader, uint32_t family)
{
	for (; family < count_of(&families->names); family++) {
		uint32_t help = weir_blob_number(reader, count_of(&families->helps) - 1);
		uint32_t exposed = weir_blob_number(reader, WEIR_EXPOSEDS - 1);

		if (reader->is_bad) {
			return -EBADMSG;
		}
		weir_families_row_make(families, family, help, (uint8_t)exposed);
	}
	return 0;
}

/* Are these words of that kind of cell? */
static bool is_shape(const struct weir_families *families, const struct weir_family_series *series)
{
	switch (series->cell) {
	case WEIR_CELL_NUMBER:
		return series->word_count == WEIR_NUMBER_WORDS;
	case WEIR_CELL_HISTOGRAM:
		return series->bounds < families->bounds_count && families->bounds[series->bounds].at != NULL &&
		       series->word_count == WEIR_HISTOGRAM_COUNTS + families->bounds[series->bounds].count + 1;
	case WEIR_CELL_EXPONENTIAL:
		return series->word_count == WEIR_EXPO_WORDS;
	case WEIR_CELL_SUMMARY:
		return series->word_count >= WEIR_SUMMARY_QUANTILES &&
		       series->word_count <= WEIR_SUMMARY_QUANTILES + 2 * WEIR_FAMILY_QUANTILES_MAX &&
		       (series->word_count - WEIR_SUMMARY_QUANTILES) % 2 == 0;
	default:
		return false;
	}
}

static bool is_family(const struct weir_families *families, const struct weir_family_series *series)
{
	const struct weir_family *row;

	if (series->family >= families->row_capacity || !families->rows[series->family].is_known) {
		return false;
	}
	row = &families->rows[series->family];
	return !series->is_overflow || row->overflow == WEIR_NONE;
}

/* Of a series that has none. */
static int exemplar_load(struct weir_families *families, uint32_t number, struct weir_blob_reader *reader)
{
	struct weir_family_series *series = &families->series[number];
	struct weir_exemplar_view exemplar;
	const unsigned char *trace_id, *span_id;

	if (weir_blob_number(reader, 1) == 0) {
		return 0;
	}
	trace_id = weir_blob_bytes(reader, sizeof(exemplar.trace_id));
	span_id = weir_blob_bytes(reader, sizeof(exemplar.span_id));
	exemplar.time_ns = weir_blob_varint(reader);
	exemplar.value = weir_real_of(weir_blob_u64(reader));
	if (reader->is_bad || exemplar.time_ns == 0 || !isfinite(exemplar.value) ||
		!weir_families_counts(families, series->family)) {
		return -EBADMSG;
	}
	memcpy(exemplar.trace_id, trace_id, sizeof(exemplar.trace_id));
	memcpy(exemplar.span_id, span_id, sizeof(exemplar.span_id));
	series->exemplar = malloc(sizeof(*series->exemplar));
	if (series->exemplar == NULL) {
		return -ENOMEM;
	}
	*series->exemplar = exemplar;
	return 0;
}

static int series_load(struct weir_families *families, struct weir_blob_reader *reader, bool has_exemplar)
{
	uint32_t number = weir_blob_number(reader, WEIR_TEXT_NUMBER_MAX), kind;
	struct weir_family_series series = { .family = weir_blob_number(reader, WEIR_TEXT_NUMBER_MAX) };
	struct weir_expo expo;

	kind = weir_blob_number(reader, 2 * WEIR_CELLS - 1);
	series.cell = (uint8_t)(kind >> 1);
	series.is_overflow = kind & 1;
	series.bounds = weir_blob_number(reader, UINT32_MAX);
	series.created_ns = weir_blob_varint(reader);
	series.word_count = weir_blob_number(reader, WORDS_MAX);
	if (reader->is_bad || number == 0 || !weir_text_is_live(&families->labels, number) ||
		!is_shape(families, &series)) {
		return -EBADMSG;
	}
	if (!weir_families_is_live(families, number)) {
		if (!is_family(families, &series)) {
			return -EBADMSG;
		}
		weir_families_series_make(families, number, &series);
	} else if (families->series[number].family != series.family || families->series[number].cell != series.cell) {
		return -EBADMSG;
	} else {
		weir_families_series_shape(families, number, series.bounds, series.word_count, series.created_ns);
	}
	weir_blob_words(reader, families->series[number].words, series.word_count);
	if (series.cell == WEIR_CELL_EXPONENTIAL) {
		memcpy(&expo, families->series[number].words, sizeof(expo));
		if (!weir_expo_is_sound(&expo)) {
			return -EBADMSG;
		}
	}
	return has_exemplar ? exemplar_load(families, number, reader) : 0;
}

static int counts_load(struct weir_families *families, struct weir_blob_reader *reader, bool is_expiring)
{
	families->overflowed = weir_blob_varint(reader);
	families->conflicting = weir_blob_varint(reader);
	if (is_expiring) {
		families->cut_values = weir_blob_varint(reader);
		total_load(&families->lost_counters, reader);
		total_load(&families->lost_histograms, reader);
	}
	return reader->is_bad ? -EBADMSG : 0;
}

/* Every text has its row, and every row its text. */
static bool is_closed(const struct weir_families *families)
{
	uint32_t known = 0;

	for (uint32_t i = 1; i < families->row_capacity; i++) {
		known += families->rows[i].is_known && weir_text_is_live(&families->names, i);
	}
	return known == families->names.live &&
	       families->labels.live == families->live_series + families->overflow_series;
}

int weir_families_load(struct weir_families *families, struct weir_blob_reader *reader)
{
	bool is_expiring = reader->version == 0 || reader->version >= VERSION_EXPIRING;
	uint32_t known = count_of(&families->names), count;
	int error = weir_text_load(&families->names, reader);

	error = error != 0 ? error : weir_text_load(&families->helps, reader);
	error = error != 0 ? error : weir_text_load(&families->labels, reader);
	if (is_expiring) {
		error = error != 0 ? error : changed_load(families, reader);
		error = error != 0 ? error : rows_load(families, reader);
	} else {
		error = error != 0 ? error : rows_load_numbered(families, reader, known);
	}
	error = error != 0 ? error : weir_families_bounds_load(families, reader, is_expiring);
	error = error != 0 ? error : counts_load(families, reader, is_expiring);
	if (error != 0) {
		return error;
	}
	count = weir_blob_number(reader, WEIR_TEXT_NUMBER_MAX);
	for (uint32_t i = 0; i < count && error == 0; i++) {
		error = reader->is_bad ? -EBADMSG : series_load(families, reader, is_expiring);
	}
	changes_forget(families);
	return error != 0 ? error : reader->is_bad || !is_closed(families) ? -EBADMSG : 0;
}

static void total_digest(const struct weir_family_total *total, XXH3_state_t *state)
{
	const uint64_t words[2] = { total->whole, weir_real_bits(total->real) };

	XXH3_128bits_update(state, words, sizeof(words));
}

static void exemplar_digest(const struct weir_exemplar_view *exemplar, XXH3_state_t *state)
{
	if (exemplar != NULL) {
		_Static_assert(sizeof(*exemplar) == 40, "no padding");
		XXH3_128bits_update(state, exemplar, sizeof(*exemplar));
	}
}

/* Not what the schemas say: they are no state. */
void weir_families_digest(const struct weir_families *families, XXH3_state_t *state)
{
	const uint64_t own[3] = { families->overflowed, families->conflicting, families->cut_values };

	weir_text_digest(&families->names, state);
	weir_text_digest(&families->helps, state);
	weir_text_digest(&families->labels, state);
	XXH3_128bits_update(state, own, sizeof(own));
	total_digest(&families->lost_counters, state);
	total_digest(&families->lost_histograms, state);
	for (uint32_t i = 1; i < families->row_capacity; i++) {
		const struct weir_family *row = &families->rows[i];
		const uint32_t head[4] = { i, row->help, row->exposed, row->overflow };

		if (row->is_known) {
			XXH3_128bits_update(state, head, sizeof(head));
			total_digest(&row->expired, state);
		}
	}
	weir_families_bounds_digest(families, state);
	for (uint32_t i = 1; i < families->series_capacity; i++) {
		const struct weir_family_series *series = &families->series[i];
		uint64_t head[3] = { series->created_ns, (uint64_t)series->family << 32 | series->bounds,
			(uint64_t)series->cell << 1 | series->is_overflow };

		if (series->words != NULL) {
			XXH3_128bits_update(state, head, sizeof(head));
			XXH3_128bits_update(state, series->words, series->word_count * sizeof(uint64_t));
			exemplar_digest(series->exemplar, state);
		}
	}
}
