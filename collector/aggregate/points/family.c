/* family: the families and series of metrics that senders made themselves.
 *
 *   name ─▶ family (TYPE, HELP) ─▶ label text ─▶ series ─▶ cells, a run of words
 *
 * A series' number is its label text's, as in series.c; the text is salted with
 * its family, so the same labels in two families are two series. Cells are of
 * very different length (a gauge has 3 words, an exponential histogram some
 * 330), so each series has its own piece of memory, made when the series is.
 *
 * Which names a family may have: family_name.c. Bounds of histograms:
 * family_bounds.c. How all is saved: family_save.c.
 *
 * Beyond the budget (series, or words of cells) counters and histograms count
 * in one overflow series per family, gauges and summaries in none: a last
 * value of many is no value. Overflow series do not expire.
 *
 * A series that no stream feeds any more expires (point.c says when): text and
 * cells go, what a counter or a histogram counted is added to its family's
 * `expired`. So it is when a histogram begins anew with other bounds. A family
 * without a series goes at the next sweep, unless something expired in it: then
 * its name stays to say how much, until names are short; what it said goes to
 * `lost_…` then.
 *
 * What counts has an exemplar, the newest that came with a point, in a piece of
 * memory of its own: most senders' series never have one. It goes with the cells.
 *
 * Invariants
 *  1. A number is given to the next that needs one when what had it is gone: of
 *     names, helps, labels and bounds the lowest that is free.
 *  2. live_series <= max_series and word_total <= max_words, but for overflow
 *     series, of which a family has one at most, and which have a budget of words
 *     of their own (bounds.h).
 *  3. A series' number is in `dirty` exactly once if is_dirty, and then alone
 *     differs from the last cut, be it gone or made anew; so is a family's in
 *     dirty_rows.
 *  4. labels.live is live_series + overflow_series: a text without cells, or
 *     cells without a text, there is none between two calls.
 *  5. Of a counter or a histogram live + expired + overflow is all that was
 *     added, whatever came and went. */
#include "aggregate/points/family.h"

#include <stdlib.h>
#include <string.h>

#include "aggregate/bounds.h"
#include "aggregate/real.h"
#include "base/err.h"

#define FAMILIES_MAX WEIR_BOUNDS_FAMILIES
#define NAME_BYTES_MAX WEIR_BOUNDS_FAMILY_BYTES
#define BYTES_PER_SERIES WEIR_BOUNDS_POINT_TEXT
#define WORDS_PER_SERIES WEIR_BOUNDS_POINT_WORDS

void weir_families_init(struct weir_families *families, uint32_t max_series, uint64_t seed)
{
	*families = (struct weir_families){ .max_series = max_series,
		.max_words = (uint64_t)max_series * WORDS_PER_SERIES };
	weir_text_init(&families->names, FAMILIES_MAX, NAME_BYTES_MAX, seed);
	weir_text_init(&families->helps, FAMILIES_MAX, NAME_BYTES_MAX, seed);
	weir_text_init(&families->labels, UINT32_MAX / 2, (uint64_t)max_series * BYTES_PER_SERIES, seed);
	weir_buf_init(&families->scratch, 0);
}

void weir_families_fini(struct weir_families *families)
{
	for (uint32_t i = 0; i < families->series_capacity; i++) {
		free(families->series[i].words);
		free(families->series[i].exemplar);
	}
	weir_families_bounds_fini(families);
	weir_text_fini(&families->names);
	weir_text_fini(&families->helps);
	weir_text_fini(&families->labels);
	weir_buf_fini(&families->scratch);
	free(families->rows);
	free(families->dirty_rows);
	free(families->series);
	free(families->dirty);
	families->rows = NULL;
	families->dirty_rows = NULL;
	families->series = NULL;
	families->dirty = NULL;
	families->row_capacity = families->series_capacity = 0;
}

void weir_families_clear(struct weir_families *families)
{
	const struct weir_families was = *families;

	weir_families_fini(families);
	weir_families_init(families, was.max_series, was.names.seed);
	weir_families_retire(families, was.labels.retire);
	memcpy(families->schemas, was.schemas, sizeof(families->schemas));
}

void weir_families_retire(struct weir_families *families, struct weir_retire *retire)
{
	families->names.retire = families->helps.retire = families->labels.retire = retire;
}

/* ---- families ----------------------------------------------------------- */

static void row_room(struct weir_families *families, uint32_t family)
{
	if (family >= families->row_capacity) {
		uint32_t capacity = families->names.capacity;
		struct weir_family *rows = realloc(families->rows, capacity * sizeof(*rows));
		uint32_t *dirty = realloc(families->dirty_rows, capacity * sizeof(*dirty));

		weir_assert(rows != NULL && dirty != NULL); /* bounded by FAMILIES_MAX */
		memset(rows + families->row_capacity, 0, (capacity - families->row_capacity) * sizeof(*rows));
		families->rows = rows;
		families->dirty_rows = dirty;
		families->row_capacity = capacity;
	}
}

void weir_families_row_touch(struct weir_families *families, uint32_t family)
{
	if (!families->rows[family].is_dirty) {
		families->rows[family].is_dirty = true;
		families->dirty_rows[families->dirty_row_count++] = family;
	}
}

void weir_families_row_make(struct weir_families *families, uint32_t family, uint32_t help, uint8_t exposed)
{
	row_room(families, family);
	families->rows[family] = (struct weir_family){ .help = help,
		.overflow = WEIR_NONE,
		.exposed = exposed,
		.is_known = true,
		.is_dirty = families->rows[family].is_dirty };
	families->idle++;
	weir_families_place(families, family);
	weir_families_row_touch(families, family);
}

void weir_families_row_drop(struct weir_families *families, uint32_t family)
{
	struct weir_family *row = &families->rows[family];

	weir_assert(row->is_known && row->series == 0);
	*row = (struct weir_family){ .overflow = WEIR_NONE, .is_dirty = row->is_dirty };
	families->idle--;
	weir_families_row_touch(families, family);
}

static bool is_nothing(const struct weir_family_total *total)
{
	return total->whole == 0 && !(total->real < 0 || total->real > 0);
}

/* The row and its texts. Images before version 4 have helps that several families share; those stay. */
static void family_forget(struct weir_families *families, uint32_t family)
{
	uint32_t help = families->rows[family].help;

	weir_families_row_drop(families, family);
	weir_text_remove(&families->names, family);
	if (help != WEIR_TEXT_EMPTY && families->helps.rows[help].salt == family) {
		weir_text_remove(&families->helps, help);
	}
}

static void total_add(struct weir_family_total *total, const struct weir_family_total *more)
{
	total->whole += more->whole;
	total->real += more->real;
}

/* A name is needed and there is no room: the first family goes that has nothing
 * but what expired. */
static bool family_lose(struct weir_families *families)
{
	for (uint32_t i = 1; i < families->row_capacity && families->idle > 0; i++) {
		struct weir_family *row = &families->rows[i];

		if (row->is_known && row->series == 0) {
			total_add(row->exposed == WEIR_EXPOSED_HISTOGRAM ? &families->lost_histograms
									 : &families->lost_counters,
				&row->expired);
			family_forget(families, i);
			return true;
		}
	}
	return false;
}

void weir_families_sweep(struct weir_families *families)
{
	for (uint32_t i = 1; i < families->row_capacity && families->idle > 0; i++) {
		const struct weir_family *row = &families->rows[i];

		if (row->is_known && row->series == 0 && is_nothing(&row->expired)) {
			family_forget(families, i);
		}
	}
	weir_families_bounds_sweep(families);
}

int weir_families_find(struct weir_families *families, struct weir_str name, struct weir_str help,
	enum weir_exposed exposed, uint32_t *ret_family)
{
	uint32_t family = weir_families_named(families, name), text;

	if (family != WEIR_NONE) {
		*ret_family = family;
		return families->rows[family].exposed == exposed ? 0 : WEIR_FAMILY_CONFLICTS;
	}
	if (name.length == 0 || weir_families_clash(families, name, exposed)) {
		return WEIR_FAMILY_CONFLICTS;
	}
	do {
		family = weir_text_add(&families->names, name, 0, false);
	} while (family == WEIR_TEXT_FULL && family_lose(families));
	if (family == WEIR_TEXT_FULL) {
		return WEIR_FAMILY_FULL;
	}
	text = weir_text_add(&families->helps, help, family, false);
	weir_families_row_make(families, family, text == WEIR_TEXT_FULL ? WEIR_TEXT_EMPTY : text, (uint8_t)exposed);
	*ret_family = family;
	return 0;
}

/* ---- series ------------------------------------------------------------- */

static void series_room(struct weir_families *families, uint32_t number)
{
	if (number >= families->series_capacity) {
		uint32_t capacity = families->labels.capacity, before = families->series_capacity;
		struct weir_family_series *series = realloc(families->series, capacity * sizeof(*series));
		uint32_t *dirty = realloc(families->dirty, capacity * sizeof(*dirty));

		weir_assert(series != NULL && dirty != NULL); /* bounded by the budget */
		memset(series + before, 0, (capacity - before) * sizeof(*series));
		families->series = series;
		families->dirty = dirty;
		families->series_capacity = capacity;
	}
}

/* `words` more of what this series' cells are counted in. */
static void words_count(struct weir_families *families, const struct weir_family_series *series, uint64_t words)
{
	if (series->is_overflow) {
		families->overflow_words += words;
	} else {
		families->word_total += words;
	}
}

void weir_families_series_make(struct weir_families *families, uint32_t number, const struct weir_family_series *made)
{
	struct weir_family *row = &families->rows[made->family];
	struct weir_family_series *series;
	bool is_dirty;

	series_room(families, number);
	series = &families->series[number];
	weir_assert(series->words == NULL);
	is_dirty = series->is_dirty;
	*series = *made;
	series->is_dirty = is_dirty;
	series->words = calloc(made->word_count, sizeof(*series->words));
	weir_assert(series->words != NULL); /* bounded by max_words */
	words_count(families, series, made->word_count);
	weir_families_bounds_hold(families, series);
	if (made->is_overflow) {
		row->overflow = number;
		families->overflow_series++;
	} else {
		families->live_series++;
	}
	families->idle -= row->series == 0 ? 1 : 0;
	row->series++;
	weir_families_touch(families, number);
}

void weir_families_series_drop(struct weir_families *families, uint32_t number)
{
	struct weir_family_series *series = &families->series[number];
	struct weir_family *row = &families->rows[series->family];

	words_count(families, series, 0 - (uint64_t)series->word_count);
	weir_families_bounds_let_go(families, series);
	if (series->is_overflow) {
		row->overflow = WEIR_NONE;
		families->overflow_series--;
	} else {
		families->live_series--;
	}
	row->series--;
	families->idle += row->series == 0 ? 1 : 0;
	free(series->words);
	free(series->exemplar);
	*series = (struct weir_family_series){ .is_dirty = series->is_dirty };
	weir_families_touch(families, number);
}

/* What a counter or a histogram counted, less what is said again, goes to what its family says of the expired. */
static void expired_add(
	struct weir_families *families, const struct weir_family_series *series, const struct weir_family_total *again)
{
	struct weir_family *row = &families->rows[series->family];
	struct weir_family_total more = { 0 };
	struct weir_expo expo;

	if (!weir_families_counts(families, series->family)) {
		return;
	}
	switch (series->cell) {
	case WEIR_CELL_NUMBER:
		more.whole = series->words[WEIR_NUMBER_WHOLE];
		more.real = weir_real_of(series->words[WEIR_NUMBER_REAL]);
		break;
	case WEIR_CELL_HISTOGRAM:
		for (uint32_t i = WEIR_HISTOGRAM_COUNTS; i < series->word_count; i++) {
			more.whole += series->words[i];
		}
		more.real = weir_real_of(series->words[WEIR_HISTOGRAM_SUM]);
		break;
	default:
		memcpy(&expo, series->words, sizeof(expo));
		more.whole = weir_expo_count(&expo);
		more.real = expo.sum;
		break;
	}
	more.whole -= again->whole < more.whole ? again->whole : more.whole;
	more.real -= again->real;
	if (!is_nothing(&more)) {
		total_add(&row->expired, &more);
		weir_families_row_touch(families, series->family);
	}
}

void weir_families_expire(struct weir_families *families, uint32_t number)
{
	const struct weir_family_total nothing = { 0 };

	weir_assert(families->series[number].streams == 0);
	expired_add(families, &families->series[number], &nothing);
	weir_families_series_drop(families, number);
	weir_text_remove(&families->labels, number);
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

	if (!weir_families_counts(families, wish->family)) {
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
	if (number == WEIR_TEXT_FULL || weir_families_is_live(families, number)) {
		return WEIR_NONE; /* no memory; or a sender's own series says that it is one */
	}
	weir_families_series_make(families, number, &made);
	return number;
}

/* A series without labels has a text too: only numbers above 0 are series. */
static struct weir_str labels_of(const struct weir_family_wish *wish)
{
	return wish->labels.length > 0 ? wish->labels : weir_str_of(" ");
}

static uint32_t labels_find(const struct weir_families *families, const struct weir_family_wish *wish)
{
	return weir_text_find(&families->labels, labels_of(wish), (uint16_t)wish->family);
}

bool weir_families_has(const struct weir_families *families, const struct weir_family_wish *wish)
{
	return labels_find(families, wish) != WEIR_TEXT_FULL;
}

uint32_t weir_families_series(struct weir_families *families, const struct weir_family_wish *wish)
{
	struct weir_family_series made = { .created_ns = wish->created_ns,
		.word_count = wish->word_count,
		.family = wish->family,
		.bounds = wish->bounds,
		.cell = (uint8_t)wish->cell };
	uint32_t number = labels_find(families, wish);

	if (number != WEIR_TEXT_FULL) {
		return families->series[number].cell == wish->cell ? number : WEIR_NONE;
	}
	if (families->live_series >= families->max_series ||
		families->word_total + wish->word_count > families->max_words) {
		return overflow_series(families, wish);
	}
	number = weir_text_add(&families->labels, labels_of(wish), (uint16_t)wish->family, false);
	if (number == WEIR_TEXT_FULL) {
		return overflow_series(families, wish);
	}
	weir_families_series_make(families, number, &made);
	return number;
}

void weir_families_exemplar(struct weir_families *families, uint32_t number, const struct weir_exemplar_view *exemplar)
{
	struct weir_family_series *series = &families->series[number];

	if (!weir_families_counts(families, series->family) ||
		(series->exemplar != NULL && series->exemplar->time_ns >= exemplar->time_ns)) {
		return;
	}
	if (series->exemplar == NULL) {
		series->exemplar = malloc(sizeof(*series->exemplar));
		if (series->exemplar == NULL) {
			return; /* an example less; nothing is counted with it */
		}
	}
	*series->exemplar = *exemplar;
	weir_families_touch(families, number);
}

void weir_families_series_shape(
	struct weir_families *families, uint32_t number, uint32_t bounds, uint32_t word_count, uint64_t created_ns)
{
	struct weir_family_series *series = &families->series[number];
	uint64_t *words = calloc(word_count, sizeof(*words));

	weir_assert(words != NULL); /* bounded by max_words */
	words_count(families, series, (uint64_t)word_count - series->word_count);
	free(series->words);
	free(series->exemplar);
	series->exemplar = NULL;
	series->words = words;
	series->word_count = word_count;
	weir_families_bounds_let_go(families, series);
	series->bounds = bounds;
	weir_families_bounds_hold(families, series);
	series->created_ns = created_ns;
	weir_families_touch(families, number);
}

bool weir_families_reshape(struct weir_families *families, uint32_t number, const struct weir_family_wish *shape,
	const struct weir_family_total *again)
{
	const struct weir_family_series *series = &families->series[number];

	if (!series->is_overflow &&
		families->word_total - series->word_count + shape->word_count > families->max_words) {
		return false;
	}
	expired_add(families, series, again);
	weir_families_series_shape(families, number, shape->bounds, shape->word_count, shape->created_ns);
	return true;
}
