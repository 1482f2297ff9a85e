/* series_image: the series table as bytes.
 *
 * Payload: the layout: how many groups; each id, how many metrics; each of
 * these id, words | the texts | overflowed, cut values | what went: how many; each metric's
 * id, count, number, bits of the real, since when it is there | the sets: how many; each number, group
 * and overflow, created, used, mask, words, and whether there are examples, then
 * their words.
 *
 * The layout is the one that was in use when the bytes were written. Loading
 * takes groups and metrics by their ids: what the table at hand does not have is
 * passed over, so that a weir with other rules goes on with what is the same. Cuts
 * of one row are of one layout (weir_fold_rules(), weir_fold_load()): a delta that
 * does not know a metric would leave what it was, for whoever knows it again.
 *
 * Invariants
 *  1. A set of a number that was removed, or given to another text, since the
 *     last cut is gone before the rest is read.
 *  2. Nothing of the bytes is believed: numbers are of texts in use, masks of
 *     their group's metrics. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/real.h"
#include "aggregate/series_part.h"
#include "base/err.h"

#define VERSION_LAID_OUT 4u /* of blobs: before it groups were fixed, and labels written otherwise */

/* ---- saving -------------------------------------------------------------- */

static void layout_save(const struct weir_series *series, struct weir_buf *buf)
{
	weir_blob_add_varint(buf, series->schema->group_count);
	for (uint32_t g = 0; g < series->schema->group_count; g++) {
		const struct weir_series_group *group = &series->groups[g];

		weir_blob_add_u64(buf, group->id);
		weir_blob_add_varint(buf, group->metric_count);
		for (uint32_t i = 0; i < group->metric_count; i++) {
			weir_blob_add_u64(buf, series->order[group->first + i]->id);
			weir_blob_add_varint(buf, series->metrics[group->first + i].words);
		}
	}
}

static void gone_save(const struct weir_series *series, struct weir_buf *buf)
{
	weir_blob_add_varint(buf, series->schema->metric_count);
	for (uint32_t i = 0; i < series->schema->metric_count; i++) {
		const struct weir_series_gone *gone = &series->gone[i];

		weir_blob_add_u64(buf, gone->id);
		weir_blob_add_varint(buf, gone->count);
		weir_blob_add_varint(buf, gone->number);
		weir_blob_add_varint(buf, weir_real_bits(gone->real));
		weir_blob_add_varint(buf, gone->since_ns);
	}
}

static void set_save(const struct weir_series *series, uint32_t number, struct weir_buf *buf)
{
	const struct weir_series_set *set = &series->sets[number];
	const struct weir_series_group *group = &series->groups[set->group];

	weir_blob_add_varint(buf, number);
	weir_blob_add_varint(buf, (uint64_t)set->group << 1 | set->is_overflow);
	weir_blob_add_varint(buf, set->created_ns);
	weir_blob_add_varint(buf, set->used);
	weir_blob_add_varint(buf, set->mask);
	weir_blob_add_words(buf, set->words, group->words);
	weir_blob_add_varint(buf, set->exemplars != NULL);
	if (set->exemplars != NULL) {
		weir_blob_add_words(buf, set->exemplars, group->exemplar_words);
	}
}

/* Is this one of those that are written? */
static bool is_set(const struct weir_series *series, uint32_t number)
{
	return weir_text_is_live(&series->labels, number) && series->sets[number].words != NULL;
}

void weir_series_save(struct weir_series *series, bool all, struct weir_buf *buf)
{
	uint32_t last = all ? series->labels.count : series->dirty_count, count = 0;

	layout_save(series, buf);
	weir_text_save(&series->labels, all, buf);
	weir_blob_add_varint(buf, series->overflowed);
	weir_blob_add_varint(buf, series->cut_values);
	gone_save(series, buf);
	for (uint32_t i = all ? 1 : 0; i < last; i++) {
		count += is_set(series, all ? i : series->dirty[i]);
	}
	weir_blob_add_varint(buf, count);
	for (uint32_t i = all ? 1 : 0; i < last; i++) {
		if (is_set(series, all ? i : series->dirty[i])) {
			set_save(series, all ? i : series->dirty[i], buf);
		}
	}
	for (uint32_t i = 0; i < series->dirty_count; i++) {
		series->sets[series->dirty[i]].is_dirty = false;
	}
	series->dirty_count = 0;
}

/* ---- loading ------------------------------------------------------------- */

struct told_metric {           /* of the bytes' layout */
	uint32_t words, place; /* WEIR_NONE: there is none of this id here */
};

struct told_group {
	uint32_t group, metric_count, words; /* group: WEIR_NONE likewise */
	struct told_metric metrics[WEIR_GROUP_METRICS_MAX];
};

struct told {
	struct told_group groups[WEIR_GROUPS_MAX];
	uint32_t group_count;
};

static uint32_t group_find(const struct weir_series *series, uint64_t id)
{
	for (uint32_t g = 0; g < series->schema->group_count; g++) {
		if (series->groups[g].id == id) {
			return g;
		}
	}
	return WEIR_NONE;
}

static uint32_t place_find(const struct weir_series *series, uint32_t group, uint64_t id, uint32_t words)
{
	const struct weir_series_group *row = group == WEIR_NONE ? NULL : &series->groups[group];

	for (uint32_t i = 0; row != NULL && i < row->metric_count; i++) {
		if (series->order[row->first + i]->id == id && series->metrics[row->first + i].words == words) {
			return i;
		}
	}
	return WEIR_NONE;
}

static int layout_load(struct weir_series *series, struct weir_blob_reader *reader, struct told *ret)
{
	ret->group_count = weir_blob_number(reader, WEIR_GROUPS_MAX);
	for (uint32_t g = 0; g < ret->group_count && !reader->is_bad; g++) {
		struct told_group *group = &ret->groups[g];

		group->group = group_find(series, weir_blob_u64(reader));
		group->metric_count = weir_blob_number(reader, WEIR_GROUP_METRICS_MAX);
		group->words = 0;
		for (uint32_t i = 0; i < group->metric_count && !reader->is_bad; i++) {
			uint64_t id = weir_blob_u64(reader);
			uint32_t words = weir_blob_number(reader, WEIR_METRIC_BOUNDS_MAX + 2);

			group->metrics[i] = (struct told_metric){ words, place_find(series, group->group, id, words) };
			group->words += words;
			series->has_strange = series->has_strange || group->metrics[i].place == WEIR_NONE;
		}
	}
	return reader->is_bad ? -EBADMSG : 0;
}

static int gone_load(struct weir_series *series, struct weir_blob_reader *reader)
{
	uint32_t count = weir_blob_number(reader, WEIR_METRICS_MAX);

	for (uint32_t i = 0; i < series->schema->metric_count; i++) {
		series->gone[i].since_ns = WEIR_SERIES_UNTOLD;
	}
	for (uint32_t i = 0; i < count && !reader->is_bad; i++) {
		struct weir_series_gone gone = { .id = weir_blob_u64(reader) };

		gone.count = weir_blob_varint(reader);
		gone.number = weir_blob_varint(reader);
		gone.real = weir_real_of(weir_blob_varint(reader));
		gone.since_ns = weir_blob_varint(reader);
		for (uint32_t k = 0; k < series->schema->metric_count; k++) {
			if (series->gone[k].id == gone.id) {
				series->gone[k] = gone;
			}
		}
	}
	return reader->is_bad ? -EBADMSG : 0;
}

/* Sets whose text went, or whose number has another one now. */
static void sets_settle(struct weir_series *series, const uint64_t *before, uint32_t count)
{
	weir_series_room(series);
	for (uint32_t i = 1; i < series->set_capacity; i++) {
		bool is_same =
			i < count && weir_text_is_live(&series->labels, i) && series->labels.rows[i].low == before[i];

		if (series->sets[i].words != NULL && !is_same) {
			weir_series_unmake(series, i);
		}
	}
}

/* The hashes of the texts by number: before a load, to see whose number is whose after it. */
static int texts_load(struct weir_series *series, struct weir_blob_reader *reader)
{
	uint32_t count = series->labels.count;
	uint64_t *before = calloc((size_t)count + 1, sizeof(*before));
	int error;

	if (before == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 1; i < count; i++) {
		before[i] = series->labels.rows[i].low;
	}
	error = weir_text_load(&series->labels, reader);
	if (error == 0) {
		sets_settle(series, before, count);
	}
	free(before);
	return error;
}

static void words_take(
	struct weir_series *series, uint32_t number, const struct told_group *told, const uint64_t *words)
{
	struct weir_series_set *set = &series->sets[number];
	const struct weir_series_group *group = &series->groups[set->group];
	uint32_t at = 0;

	for (uint32_t i = 0; i < told->metric_count; i++) {
		const struct told_metric *metric = &told->metrics[i];

		if (metric->place != WEIR_NONE) {
			memcpy(set->words + series->metrics[group->first + metric->place].word, words + at,
				metric->words * sizeof(*words));
		}
		at += metric->words;
	}
}

static uint32_t mask_of(const struct told_group *told, uint32_t mask)
{
	uint32_t ret = 0;

	for (uint32_t i = 0; i < told->metric_count; i++) {
		if ((mask >> i & 1) != 0 && told->metrics[i].place != WEIR_NONE) {
			ret |= UINT32_C(1) << told->metrics[i].place;
		}
	}
	return ret;
}

/* Are the metrics the same, so that examples fit? */
static bool is_same_layout(const struct weir_series *series, const struct told_group *told)
{
	bool is_same = told->metric_count == series->groups[told->group].metric_count;

	for (uint32_t i = 0; i < told->metric_count && is_same; i++) {
		is_same = told->metrics[i].place == i;
	}
	return is_same;
}

static int examples_load(
	struct weir_series *series, struct weir_blob_reader *reader, uint32_t number, const struct told_group *told)
{
	uint64_t words[WEIR_SERIES_EXEMPLARS * (WEIR_SERIES_EXEMPLAR_HEAD + WEIR_GROUP_METRICS_MAX)];
	uint32_t count = WEIR_SERIES_EXEMPLARS * (WEIR_SERIES_EXEMPLAR_HEAD + told->metric_count);
	struct weir_series_set *set = number == WEIR_NONE ? NULL : &series->sets[number];

	if (weir_blob_number(reader, 1) == 0) {
		return reader->is_bad ? -EBADMSG : 0;
	}
	weir_blob_words(reader, words, count);
	if (reader->is_bad) {
		return -EBADMSG;
	}
	if (set != NULL && is_same_layout(series, told)) {
		if (set->exemplars == NULL) {
			set->exemplars = malloc(count * sizeof(*words));
		}
		if (set->exemplars == NULL) {
			return -ENOMEM;
		}
		memcpy(set->exemplars, words, count * sizeof(*words));
		for (uint32_t i = 0; i < WEIR_SERIES_EXEMPLARS; i++) {
			uint64_t time_ns = words[i * (WEIR_SERIES_EXEMPLAR_HEAD + told->metric_count) + 3];

			set->example_ns = time_ns > set->example_ns ? time_ns : set->example_ns;
		}
	}
	return 0;
}

static int set_load(
	struct weir_series *series, struct weir_blob_reader *reader, const struct told *told, uint64_t *words)
{
	uint32_t number = weir_blob_number(reader, series->labels.count == 0 ? 0 : series->labels.count - 1);
	uint32_t kind = weir_blob_number(reader, 2 * WEIR_GROUPS_MAX - 1);
	const struct told_group *group = &told->groups[kind >> 1];
	struct weir_series_set made = { .created_ns = weir_blob_varint(reader), .is_overflow = kind & 1 };

	made.used = weir_blob_number(reader, UINT32_MAX);
	made.mask = weir_blob_number(reader, UINT32_MAX);
	if (reader->is_bad || kind >> 1 >= told->group_count || !weir_text_is_live(&series->labels, number)) {
		return -EBADMSG;
	}
	weir_blob_words(reader, words, group->words);
	made.mask = mask_of(group, made.mask);
	if (series->sets[number].words != NULL) {
		weir_series_unmake(series, number);
	}
	if (group->group == WEIR_NONE || made.mask == 0) {
		return examples_load(series, reader, WEIR_NONE, group);
	}
	made.group = (uint16_t)group->group;
	weir_series_make(series, number, &made);
	words_take(series, number, group, words);
	return examples_load(series, reader, number, group);
}

static int sets_load(struct weir_series *series, struct weir_blob_reader *reader, const struct told *told)
{
	uint32_t count = weir_blob_number(reader, UINT32_MAX - 1), most = 1;
	uint64_t *words;
	int error = 0;

	for (uint32_t g = 0; g < told->group_count; g++) {
		most = told->groups[g].words > most ? told->groups[g].words : most;
	}
	words = malloc(most * sizeof(*words));
	if (words == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count && error == 0; i++) {
		error = set_load(series, reader, told, words);
	}
	free(words);
	return error;
}

int weir_series_load(struct weir_series *series, struct weir_blob_reader *reader)
{
	struct told *told;
	int error;

	if (reader->version != 0 && reader->version < VERSION_LAID_OUT) {
		reader->at = reader->end; /* its metrics are none of today's: they begin anew */
		return 0;
	}
	told = malloc(sizeof(*told));
	if (told == NULL) {
		return -ENOMEM;
	}
	error = layout_load(series, reader, told);
	error = error != 0 ? error : texts_load(series, reader);
	if (error == 0) {
		series->overflowed = weir_blob_varint(reader);
		series->cut_values = weir_blob_varint(reader);
		error = gone_load(series, reader);
	}
	error = error != 0 ? error : sets_load(series, reader, told);
	free(told);
	for (uint32_t i = 0; i < series->dirty_count; i++) {
		series->sets[series->dirty[i]].is_dirty = false;
	}
	series->dirty_count = 0;
	return error != 0 ? error : reader->is_bad ? -EBADMSG : 0;
}

void weir_series_digest(const struct weir_series *series, XXH3_state_t *state)
{
	weir_text_digest(&series->labels, state);
	XXH3_128bits_update(state, &series->overflowed, sizeof(series->overflowed));
	XXH3_128bits_update(state, &series->cut_values, sizeof(series->cut_values));
	XXH3_128bits_update(state, series->gone, series->schema->metric_count * sizeof(*series->gone));
	for (uint32_t i = 1; i < series->labels.count; i++) {
		const struct weir_series_set *set = &series->sets[i];
		const struct weir_series_group *group = &series->groups[set->group];
		uint64_t head[5] = { group->id, set->created_ns, set->used, set->mask, set->is_overflow };

		if (!is_set(series, i)) {
			continue;
		}
		XXH3_128bits_update(state, head, sizeof(head));
		XXH3_128bits_update(state, set->words, group->words * sizeof(uint64_t));
		if (set->exemplars != NULL) {
			XXH3_128bits_update(state, set->exemplars, group->exemplar_words * sizeof(uint64_t));
		}
	}
}
