/* family: the families and series of metrics that senders made themselves.
 *
 *   name ─▶ family (TYPE, HELP) ─▶ label text ─▶ series ─▶ cells, a run of words
 *
 * A series' number is its label text's, as in series.c; the text is salted with
 * its family, so the same labels in two families are two series. Cells are of
 * very different length (a gauge has 3 words, an exponential histogram some
 * 330), so each series has its own piece of memory, made when the series is.
 *
 * A name has one type: the first. A family also takes the names that its
 * samples have (a histogram's _bucket, _sum, _count), and a family cannot be
 * made of a name that is such a sample's already. A name of weir's own cannot
 * be had; one of Istio's standard metrics is joined if the type is the same.
 *
 * Beyond the budget (series, or words of cells) counters and histograms count
 * in one overflow series per family, gauges and summaries in none: a last
 * value of many is no value.
 *
 * Invariants
 *  1. Numbers of families, series and bounds never change and are given in
 *     order of arrival.
 *  2. live_series <= max_series and word_total <= max_words, but for overflow
 *     series, of which a family has one at most, and which have a budget of words
 *     of their own (bounds.h).
 *  3. A series is in `dirty` exactly once if is_dirty, and then alone differs
 *     from the last cut.
 *
 * Save: texts; new families: help, standard is found again, exposed; new bounds;
 * overflowed, conflicting; dirty series: number, family and shape, created, words. */
#include "aggregate/family.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bounds.h"
#include "base/err.h"

#define FAMILIES_MAX WEIR_BOUNDS_FAMILIES
#define NAME_BYTES_MAX WEIR_BOUNDS_FAMILY_BYTES
#define BOUNDS_SETS_MAX WEIR_BOUNDS_HISTOGRAMS
#define BYTES_PER_SERIES WEIR_BOUNDS_POINT_TEXT
#define WORDS_PER_SERIES WEIR_BOUNDS_POINT_WORDS
#define WORDS_MAX (WEIR_EXPO_WORDS + WEIR_FAMILY_BOUNDS_MAX)

void weir_families_init(struct weir_families *families, uint32_t max_series, uint64_t seed)
{
	*families = (struct weir_families){ .max_series = max_series,
		.max_words = (uint64_t)max_series * WORDS_PER_SERIES };
	weir_text_init(&families->names, FAMILIES_MAX, NAME_BYTES_MAX, seed);
	weir_text_init(&families->helps, FAMILIES_MAX, NAME_BYTES_MAX, seed);
	weir_text_init(&families->labels, UINT32_MAX / 2, (uint64_t)max_series * BYTES_PER_SERIES, seed);
	weir_buf_init(&families->scratch, 0);
}

static void cells_free(struct weir_families *families)
{
	for (uint32_t i = 1; i < families->labels.count; i++) {
		free(families->series[i].words);
	}
	for (uint32_t i = 0; i < families->bounds_count; i++) {
		free(families->bounds[i].at);
	}
}

void weir_families_fini(struct weir_families *families)
{
	cells_free(families);
	weir_text_fini(&families->names);
	weir_text_fini(&families->helps);
	weir_text_fini(&families->labels);
	weir_buf_fini(&families->scratch);
	free(families->rows);
	free(families->series);
	free(families->dirty);
	free(families->bounds);
	families->rows = NULL;
	families->series = NULL;
	families->dirty = NULL;
	families->bounds = NULL;
}

void weir_families_clear(struct weir_families *families)
{
	uint32_t max_series = families->max_series;
	uint64_t seed = families->names.seed;

	weir_families_fini(families);
	weir_families_init(families, max_series, seed);
}

/* ---- families ----------------------------------------------------------- */

static uint32_t standard_of(struct weir_str name)
{
	for (uint32_t i = 0; i < WEIR_STANDARD_METRICS; i++) {
		if (weir_str_is(name, weir_standard_families[i].name)) {
			return i;
		}
	}
	return WEIR_NONE;
}

static uint32_t name_find(const struct weir_families *families, struct weir_str name)
{
	uint32_t id = weir_text_find(&families->names, name, 0);

	return id != WEIR_TEXT_FULL && id != WEIR_TEXT_EMPTY ? id : WEIR_NONE;
}

static bool has_samples(enum weir_exposed exposed)
{
	return exposed == WEIR_EXPOSED_HISTOGRAM || exposed == WEIR_EXPOSED_SUMMARY;
}

static const char *const sample_suffixes[] = { "_bucket", "_sum", "_count" };

#define SUFFIXES (sizeof(sample_suffixes) / sizeof(sample_suffixes[0]))

/* Is there a family, ours or a sender's, of this name, with samples of other names? */
static bool is_base(const struct weir_families *families, struct weir_str name)
{
	uint32_t family = name_find(families, name), standard = standard_of(name);

	return (family != WEIR_NONE && has_samples(families->rows[family].exposed)) ||
	       (standard != WEIR_NONE && weir_standard_families[standard].is_histogram);
}

/* Would a family of this name and type have a sample of a name that another has? */
static bool clashes(struct weir_families *families, struct weir_str name, enum weir_exposed exposed)
{
	for (size_t i = 0; i < SUFFIXES; i++) {
		struct weir_str base = name;

		if (weir_str_ends_with(name, sample_suffixes[i])) {
			base.length -= strlen(sample_suffixes[i]);
			if (is_base(families, base)) {
				return true;
			}
		}
		if (has_samples(exposed)) {
			weir_buf_clear(&families->scratch);
			weir_buf_add_str(&families->scratch, name);
			weir_buf_add_text(&families->scratch, sample_suffixes[i]);
			if (name_find(families, weir_buf_str(&families->scratch)) != WEIR_NONE) {
				return true;
			}
		}
	}
	return false;
}

static bool is_standard_type(uint32_t standard, enum weir_exposed exposed)
{
	return standard == WEIR_NONE ||
	       exposed ==
		       (weir_standard_families[standard].is_histogram ? WEIR_EXPOSED_HISTOGRAM : WEIR_EXPOSED_COUNTER);
}

static void row_room(struct weir_families *families, uint32_t family)
{
	if (family >= families->row_capacity) {
		uint32_t capacity = families->names.capacity;
		struct weir_family *rows = realloc(families->rows, capacity * sizeof(*rows));

		weir_assert(rows != NULL); /* bounded by FAMILIES_MAX */
		memset(rows + families->row_capacity, 0, (capacity - families->row_capacity) * sizeof(*rows));
		families->rows = rows;
		families->row_capacity = capacity;
	}
}

static void family_make(struct weir_families *families, uint32_t family, uint32_t help, uint8_t exposed)
{
	row_room(families, family);
	families->rows[family] = (struct weir_family){ .help = help,
		.overflow = WEIR_NONE,
		.standard = standard_of(weir_text_str(&families->names, family)),
		.exposed = exposed,
		.is_known = true };
}

uint32_t weir_families_find(
	struct weir_families *families, struct weir_str name, struct weir_str help, enum weir_exposed exposed)
{
	uint32_t family = name_find(families, name), text;

	if (family != WEIR_NONE) {
		families->conflicting += families->rows[family].exposed != exposed;
		return families->rows[family].exposed == exposed ? family : WEIR_NONE;
	}
	if (!is_standard_type(standard_of(name), exposed) || clashes(families, name, exposed)) {
		families->conflicting++;
		return WEIR_NONE;
	}
	text = weir_text_add(&families->helps, help, 0, false);
	family = weir_text_add(&families->names, name, 0, false);
	if (family == WEIR_TEXT_FULL || family == WEIR_TEXT_EMPTY) {
		return WEIR_NONE;
	}
	family_make(families, family, text == WEIR_TEXT_FULL ? WEIR_TEXT_EMPTY : text, (uint8_t)exposed);
	return family;
}

/* ---- series ------------------------------------------------------------- */

static void series_room(struct weir_families *families, uint32_t number)
{
	if (number >= families->series_capacity) {
		uint32_t capacity = families->labels.capacity;
		struct weir_family_series *series = realloc(families->series, capacity * sizeof(*series));
		uint32_t *dirty = realloc(families->dirty, capacity * sizeof(*dirty));

		weir_assert(series != NULL && dirty != NULL); /* bounded by the budget */
		families->series = series;
		families->dirty = dirty;
		families->series_capacity = capacity;
	}
}

static void series_make(struct weir_families *families, uint32_t number, const struct weir_family_series *made)
{
	struct weir_family_series *series;

	series_room(families, number);
	series = &families->series[number];
	*series = *made;
	series->is_dirty = false;
	series->words = calloc(made->word_count, sizeof(*series->words));
	weir_assert(series->words != NULL); /* bounded by max_words */
	if (made->is_overflow) {
		families->rows[made->family].overflow = number;
		families->overflow_words += made->word_count;
	} else {
		families->live_series++;
		families->word_total += made->word_count;
	}
	weir_families_touch(families, number);
}

static uint32_t overflow_series(struct weir_families *families, const struct weir_family_wish *wish)
{
	const struct weir_family *family = &families->rows[wish->family];
	struct weir_family_series made = { .created_ns = wish->created_ns,
		.word_count = wish->word_count,
		.family = wish->family,
		.bounds = wish->bounds,
		.cell = (uint8_t)wish->cell,
		.is_overflow = true };
	uint32_t number;

	if (family->exposed != WEIR_EXPOSED_COUNTER && family->exposed != WEIR_EXPOSED_HISTOGRAM) {
		return WEIR_NONE;
	}
	if (family->overflow != WEIR_NONE) {
		return families->series[family->overflow].cell == wish->cell ? family->overflow : WEIR_NONE;
	}
	if (families->overflow_words + wish->word_count > WEIR_BOUNDS_OVERFLOW_WORDS) {
		return WEIR_NONE;
	}
	number = weir_text_add(
		&families->labels, weir_str_of("otel_metric_overflow=\"true\""), (uint16_t)wish->family, true);
	if (number == WEIR_TEXT_FULL) {
		return WEIR_NONE;
	}
	series_make(families, number, &made);
	return number;
}

uint32_t weir_families_series(struct weir_families *families, const struct weir_family_wish *wish)
{
	struct weir_family_series made = { .created_ns = wish->created_ns,
		.word_count = wish->word_count,
		.family = wish->family,
		.bounds = wish->bounds,
		.cell = (uint8_t)wish->cell };
	/* A series without labels has a text too: only numbers above 0 are series. */
	struct weir_str labels = wish->labels.length > 0 ? wish->labels : weir_str_of(" ");
	uint32_t number = weir_text_find(&families->labels, labels, (uint16_t)wish->family);

	if (number != WEIR_TEXT_FULL) {
		return families->series[number].cell == wish->cell ? number : WEIR_NONE;
	}
	if (families->live_series >= families->max_series ||
		families->word_total + wish->word_count > families->max_words) {
		return overflow_series(families, wish);
	}
	number = weir_text_add(&families->labels, labels, (uint16_t)wish->family, false);
	if (number == WEIR_TEXT_FULL) {
		return overflow_series(families, wish);
	}
	series_make(families, number, &made);
	return number;
}

bool weir_families_reshape(
	struct weir_families *families, uint32_t number, uint32_t bounds, uint32_t word_count, uint64_t created_ns)
{
	struct weir_family_series *series = &families->series[number];
	uint64_t *words;

	if (!series->is_overflow) {
		if (families->word_total - series->word_count + word_count > families->max_words) {
			return false;
		}
		families->word_total += word_count;
		families->word_total -= series->word_count;
	}
	words = calloc(word_count, sizeof(*words));
	weir_assert(words != NULL);
	free(series->words);
	series->words = words;
	series->word_count = word_count;
	series->bounds = bounds;
	series->created_ns = created_ns;
	weir_families_touch(families, number);
	return true;
}

uint32_t weir_families_bounds(struct weir_families *families, const double *at, uint32_t count)
{
	struct weir_family_bounds *rows = families->bounds, *row;

	for (uint32_t i = 0; i < families->bounds_count; i++) {
		if (rows[i].count == count && (count == 0 || memcmp(rows[i].at, at, count * sizeof(*at)) == 0)) {
			return i;
		}
	}
	if (families->bounds_count == BOUNDS_SETS_MAX) {
		return WEIR_NONE;
	}
	if (rows == NULL) {
		rows = calloc(BOUNDS_SETS_MAX, sizeof(*rows));
		weir_assert(rows != NULL);
		families->bounds = rows;
	}
	row = &rows[families->bounds_count];
	row->count = count;
	row->at = malloc(count > 0 ? count * sizeof(*at) : 1);
	weir_assert(row->at != NULL);
	if (count > 0) {
		memcpy(row->at, at, count * sizeof(*at));
	}
	return families->bounds_count++;
}

/* ---- save and load ------------------------------------------------------ */

static uint32_t count_of(const struct weir_text *text)
{
	return text->count == 0 ? 1 : text->count;
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
}

void weir_families_save(struct weir_families *families, bool all, struct weir_buf *buf)
{
	uint32_t family = all || families->cut_families == 0 ? 1 : families->cut_families;
	uint32_t bounds = all ? 0 : families->cut_bounds;
	uint32_t count = all ? count_of(&families->labels) - 1 : families->dirty_count;

	weir_text_save(&families->names, all, buf);
	weir_text_save(&families->helps, all, buf);
	weir_text_save(&families->labels, all, buf);
	for (; family < count_of(&families->names); family++) {
		weir_blob_add_varint(buf, families->rows[family].help);
		weir_blob_add_varint(buf, families->rows[family].exposed);
	}
	weir_blob_add_varint(buf, families->bounds_count - bounds);
	for (; bounds < families->bounds_count; bounds++) {
		weir_blob_add_varint(buf, families->bounds[bounds].count);
		weir_buf_add(buf, families->bounds[bounds].at, families->bounds[bounds].count * sizeof(double));
	}
	weir_blob_add_varint(buf, families->overflowed);
	weir_blob_add_varint(buf, families->conflicting);
	weir_blob_add_varint(buf, count);
	for (uint32_t i = 0; i < count; i++) {
		series_save(families, all ? i + 1 : families->dirty[i], buf);
	}
	for (uint32_t i = 0; i < families->dirty_count; i++) {
		families->series[families->dirty[i]].is_dirty = false;
	}
	families->dirty_count = 0;
	families->cut_families = count_of(&families->names);
	families->cut_bounds = families->bounds_count;
}

static int bounds_load(struct weir_families *families, struct weir_blob_reader *reader)
{
	uint32_t sets = weir_blob_number(reader, BOUNDS_SETS_MAX - families->bounds_count);

	for (uint32_t i = 0; i < sets && !reader->is_bad; i++) {
		uint32_t count = weir_blob_number(reader, WEIR_FAMILY_BOUNDS_MAX);
		const unsigned char *bytes = weir_blob_bytes(reader, count * sizeof(double));
		double at[WEIR_FAMILY_BOUNDS_MAX];
		uint32_t number = families->bounds_count;

		if (bytes == NULL) {
			return -EBADMSG;
		}
		memcpy(at, bytes, count * sizeof(double));
		if (weir_families_bounds(families, at, count) != number) {
			return -EBADMSG;
		}
	}
	return reader->is_bad ? -EBADMSG : 0;
}

/* Are these words of that kind of cell? */
static bool is_shape(const struct weir_families *families, const struct weir_family_series *series)
{
	switch (series->cell) {
	case WEIR_CELL_NUMBER:
		return series->word_count == WEIR_NUMBER_WORDS;
	case WEIR_CELL_HISTOGRAM:
		return series->bounds < families->bounds_count &&
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

static int series_load(struct weir_families *families, struct weir_blob_reader *reader, uint32_t *made)
{
	uint32_t number = weir_blob_number(reader, count_of(&families->labels) - 1), kind;
	struct weir_family_series series = { .family = weir_blob_number(reader, count_of(&families->names) - 1) };
	struct weir_expo expo;

	kind = weir_blob_number(reader, 2 * WEIR_CELLS - 1);
	series.cell = (uint8_t)(kind >> 1);
	series.is_overflow = kind & 1;
	series.bounds = weir_blob_number(reader, UINT32_MAX);
	series.created_ns = weir_blob_varint(reader);
	series.word_count = weir_blob_number(reader, WORDS_MAX);
	/* New series come in the order of their numbers, so none is without cells. */
	if (reader->is_bad || number == 0 || number > *made || series.family == 0 || !is_shape(families, &series)) {
		return -EBADMSG;
	}
	if (number == *made) {
		series_make(families, number, &series);
		++*made;
	} else if (families->series[number].family != series.family || families->series[number].cell != series.cell) {
		return -EBADMSG;
	} else if (!weir_families_reshape(families, number, series.bounds, series.word_count, series.created_ns)) {
		return -EBADMSG;
	}
	weir_blob_words(reader, families->series[number].words, series.word_count);
	if (series.cell == WEIR_CELL_EXPONENTIAL) {
		memcpy(&expo, families->series[number].words, sizeof(expo));
		return weir_expo_is_sound(&expo) ? 0 : -EBADMSG;
	}
	return 0;
}

int weir_families_load(struct weir_families *families, struct weir_blob_reader *reader)
{
	uint32_t family = count_of(&families->names), made = count_of(&families->labels), count;
	int error = weir_text_load(&families->names, reader);

	error = error != 0 ? error : weir_text_load(&families->helps, reader);
	error = error != 0 ? error : weir_text_load(&families->labels, reader);
	for (; error == 0 && family < count_of(&families->names); family++) {
		uint32_t help = weir_blob_number(reader, count_of(&families->helps) - 1);
		uint32_t exposed = weir_blob_number(reader, WEIR_EXPOSEDS - 1);

		family_make(families, family, help, (uint8_t)exposed);
	}
	error = error != 0 ? error : bounds_load(families, reader);
	if (error != 0) {
		return error;
	}
	families->overflowed = weir_blob_varint(reader);
	families->conflicting = weir_blob_varint(reader);
	count = weir_blob_number(reader, UINT32_MAX - 1);
	for (uint32_t i = 0; i < count && error == 0; i++) {
		error = reader->is_bad ? -EBADMSG : series_load(families, reader, &made);
	}
	for (uint32_t i = 0; i < families->dirty_count; i++) {
		families->series[families->dirty[i]].is_dirty = false;
	}
	families->dirty_count = 0;
	families->cut_families = count_of(&families->names);
	families->cut_bounds = families->bounds_count;
	return error != 0 ? error : reader->is_bad || made != count_of(&families->labels) ? -EBADMSG : 0;
}

void weir_families_digest(const struct weir_families *families, XXH3_state_t *state)
{
	const uint64_t own[2] = { families->overflowed, families->conflicting };

	weir_text_digest(&families->names, state);
	weir_text_digest(&families->helps, state);
	weir_text_digest(&families->labels, state);
	XXH3_128bits_update(state, own, sizeof(own));
	for (uint32_t i = 0; i < families->bounds_count; i++) {
		XXH3_128bits_update(state, families->bounds[i].at, families->bounds[i].count * sizeof(double));
	}
	for (uint32_t i = 1; i < families->labels.count; i++) {
		const struct weir_family_series *series = &families->series[i];
		uint64_t head[3] = { series->created_ns, (uint64_t)series->family << 32 | series->bounds,
			(uint64_t)series->cell << 1 | series->is_overflow };

		XXH3_128bits_update(state, head, sizeof(head));
		XXH3_128bits_update(state, series->words, series->word_count * sizeof(uint64_t));
	}
}
