/* series: the metrics' cells, by label text.
 *
 * Metrics that share their labels are a group of the schema (rules/metric.h),
 * and a label text of a group is one *set*: its text is kept once, the cells of
 * all its metrics lie side by side, so that a request touches neighbouring
 * lines. A counter or a gauge has one word; a histogram a word for each bucket
 * and one for the sum. Words are whole numbers, or the bits of a double where
 * the metric's unit is REAL.
 *
 * A set's number is its text's number. Which of its group's metrics a set has is
 * told by its mask: a metric is there from the first record on that its rules
 * count. The budget counts those. What does not fit counts in the overflow set
 * of its group: the same label names, with the values of all but `reporter`,
 * `response_code` and `request_protocol` replaced by `_overflow`. The response
 * code comes from outside, so from OVERFLOW_SETS on it is replaced too: what
 * lies beyond the budget is bounded as well, and expires like the rest.
 *
 * A set that has not counted for long is removed, its number given back, and
 * what its counters had is added to the metric's `gone`. The same labels later
 * are a new set, from 0, with a new created time.
 *
 * Invariants
 *  1. Cells only grow within one created time: a counter never goes down.
 *  2. A set is in `dirty` at most once, if is_dirty; what is not dirty is as at
 *     the last cut.
 *  3. live_series <= max_series, overflow sets not counted; words likewise.
 *  4. Live, gone and overflow together hold every record once.
 *  5. A text of `labels` is a set's; only loads leave some without, until weir_series_begin().
 *  6. A metric that comes with other rules begins then, also in sets that are
 *     older: `since_ns`, later than any that it had before.
 *
 * Saving is in series_image.c. */
#include "aggregate/series.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "aggregate/bounds.h"
#include "aggregate/real.h"
#include "aggregate/series_part.h"
#include "base/err.h"

#define BYTES_PER_SERIES WEIR_BOUNDS_SERIES_TEXT
#define NS_PER_S 1e9

/* ---- the schema, laid out ------------------------------------------------ */

static void metric_lay(struct weir_series_metric *laid, const struct weir_metric *metric, uint32_t word)
{
	bool is_histogram = metric->kind == WEIR_METRIC_HISTOGRAM;

	*laid = (struct weir_series_metric){ .word = word,
		.words = is_histogram ? metric->bound_count + 2 : 1,
		.kind = metric->kind,
		.unit = metric->unit,
		.bounds = metric->bounds,
		.bound_count = is_histogram ? metric->bound_count : 0 };
	weir_histogram_init(&laid->whole_bounds, metric->bounds, laid->bound_count,
		metric->unit == WEIR_UNIT_DURATION ? NS_PER_S : 1);
}

static void schema_lay(struct weir_series *series, const struct weir_schema *schema)
{
	uint32_t groups = schema->group_count, metrics = schema->metric_count, at = 0;

	series->schema = schema;
	series->groups = calloc(groups + 1, sizeof(*series->groups));
	series->metrics = calloc(metrics + 1, sizeof(*series->metrics));
	series->order = calloc(metrics + 1, sizeof(*series->order));
	series->gone = calloc(metrics + 1, sizeof(*series->gone));
	weir_assert(series->groups != NULL && series->metrics != NULL && series->order != NULL &&
		    series->gone != NULL); /* bounded by WEIR_METRICS_MAX */
	for (uint32_t g = 0; g < groups; g++) {
		const struct weir_metric_group *group = &schema->groups[g];
		struct weir_series_group *laid = &series->groups[g];

		*laid = (struct weir_series_group){ .id = group->id, .metric_count = group->metric_count, .first = at };
		for (uint32_t i = 0; i < group->metric_count; i++, at++) {
			metric_lay(&series->metrics[at], group->metrics[i], laid->words);
			series->order[at] = group->metrics[i];
			laid->words += series->metrics[at].words;
		}
		laid->exemplar_words = WEIR_SERIES_EXEMPLARS * (WEIR_SERIES_EXEMPLAR_HEAD + laid->metric_count);
	}
	for (uint32_t i = 0; i < metrics; i++) {
		series->gone[i].id = schema->metrics[i].id;
	}
}

static void layout_free(struct weir_series *series)
{
	free(series->groups);
	free(series->metrics);
	free(series->order);
	free(series->gone);
	series->groups = NULL;
	series->metrics = NULL;
	series->order = NULL;
	series->gone = NULL;
}

void weir_series_init(struct weir_series *series, const struct weir_schema *schema, uint32_t max_series, uint64_t seed)
{
	*series = (struct weir_series){ .max_series = max_series,
		.max_words = (uint64_t)max_series * WEIR_BOUNDS_SERIES_WORDS };
	/* Numbers are bounded by the budget of series; the text table only bounds the bytes. */
	weir_text_init(&series->labels, UINT32_MAX / 2, (uint64_t)max_series * BYTES_PER_SERIES, seed);
	weir_buf_init(&series->scratch, 0);
	schema_lay(series, schema);
}

static void sets_free(struct weir_series *series)
{
	for (uint32_t i = 1; i < series->labels.count; i++) {
		free(series->sets[i].words);
		free(series->sets[i].exemplars);
	}
	free(series->sets);
	free(series->dirty);
	series->sets = NULL;
	series->dirty = NULL;
	series->set_capacity = series->dirty_count = 0;
	series->live_series = series->overflow_sets = 0;
	series->words = series->overflow_words = 0;
}

void weir_series_fini(struct weir_series *series)
{
	sets_free(series);
	weir_text_fini(&series->labels);
	weir_buf_fini(&series->scratch);
	layout_free(series);
}

void weir_series_clear(struct weir_series *series)
{
	sets_free(series);
	weir_text_clear(&series->labels);
	series->overflowed = series->cut_values = 0;
	for (uint32_t i = 0; i < series->schema->metric_count; i++) {
		series->gone[i] =
			(struct weir_series_gone){ .id = series->gone[i].id, .since_ns = series->gone[i].since_ns };
	}
}

/* ---- sets ---------------------------------------------------------------- */

/* Room for sets of all numbers that texts have. */
void weir_series_room(struct weir_series *series)
{
	uint32_t capacity = series->labels.capacity;
	struct weir_series_set *sets;
	uint32_t *dirty;

	if (series->set_capacity >= capacity) {
		return;
	}
	sets = realloc(series->sets, capacity * sizeof(*sets));
	dirty = realloc(series->dirty, capacity * sizeof(*dirty));
	/* Tables are bounded, so memory for them does not run out; if it did, going
	 * on would count wrongly, while a restart replays. */
	weir_assert(sets != NULL && dirty != NULL);
	memset(sets + series->set_capacity, 0, (capacity - series->set_capacity) * sizeof(*sets));
	series->sets = sets;
	series->dirty = dirty;
	series->set_capacity = capacity;
}

void weir_series_touch(struct weir_series *series, uint32_t set)
{
	if (!series->sets[set].is_dirty) {
		series->sets[set].is_dirty = true;
		series->dirty[series->dirty_count++] = set;
	}
}

static void budget_take(struct weir_series *series, const struct weir_series_set *set)
{
	series->overflow_sets += set->is_overflow;
	*(set->is_overflow ? &series->overflow_words : &series->words) += weir_series_words(series, set->group);
	series->live_series += set->is_overflow ? 0 : weir_series_bits(set->mask);
}

static void budget_give_back(struct weir_series *series, const struct weir_series_set *set)
{
	series->overflow_sets -= set->is_overflow;
	*(set->is_overflow ? &series->overflow_words : &series->words) -= weir_series_words(series, set->group);
	series->live_series -= set->is_overflow ? 0 : weir_series_bits(set->mask);
}

void weir_series_make(struct weir_series *series, uint32_t set, const struct weir_series_set *made)
{
	struct weir_series_set *row;

	weir_series_room(series);
	row = &series->sets[set];
	weir_assert(row->words == NULL);
	*row = (struct weir_series_set){ .created_ns = made->created_ns,
		.words = calloc(series->groups[made->group].words + 1, sizeof(uint64_t)),
		.mask = made->mask,
		.used = made->used,
		.group = made->group,
		.is_dirty = row->is_dirty,
		.is_overflow = made->is_overflow };
	weir_assert(row->words != NULL);
	budget_take(series, row);
	weir_series_touch(series, set);
}

/* Its cells are given back; the text stays the caller's business. */
void weir_series_unmake(struct weir_series *series, uint32_t set)
{
	struct weir_series_set *row = &series->sets[set];

	budget_give_back(series, row);
	free(row->words);
	free(row->exemplars);
	*row = (struct weir_series_set){ .is_dirty = row->is_dirty };
}

/* ---- counting ------------------------------------------------------------ */

static uint32_t bucket_of(const struct weir_series_metric *metric, const struct weir_observation *observed)
{
	uint32_t bucket = 0;

	if (metric->unit != WEIR_UNIT_REAL) {
		return weir_histogram_bucket(&metric->whole_bounds, observed->number);
	}
	while (bucket < metric->bound_count && observed->real > metric->bounds[bucket]) {
		bucket++;
	}
	return bucket;
}

/* What is gone is only ever added up: a total that no word holds stays at the end. */
static void whole_add(uint64_t *word, uint64_t more)
{
	if (__builtin_add_overflow(*word, more, word)) {
		*word = UINT64_MAX;
	}
}

static struct weir_series_gone *gone_of(struct weir_series *series, uint64_t id)
{
	for (uint32_t i = 0; i < series->schema->metric_count; i++) {
		if (series->gone[i].id == id) {
			return &series->gone[i];
		}
	}
	return NULL;
}

static void gone_add(struct weir_series *series, const struct weir_series_set *set)
{
	const struct weir_series_group *group = &series->groups[set->group];

	for (uint32_t i = 0; i < group->metric_count; i++) {
		const struct weir_series_metric *metric = &series->metrics[group->first + i];
		struct weir_series_gone *gone = gone_of(series, series->order[group->first + i]->id);
		const uint64_t *words = set->words + metric->word;

		if ((set->mask >> i & 1) == 0 || metric->kind == WEIR_METRIC_GAUGE) {
			continue;
		}
		for (uint32_t k = 0; k + 1 < metric->words; k++) {
			gone->count += words[k];
		}
		if (metric->unit == WEIR_UNIT_REAL) {
			gone->real += weir_real_of(words[metric->words - 1]);
		} else {
			whole_add(&gone->number, words[metric->words - 1]);
		}
	}
}

/* A sum that no word holds would go round, and one that stays would hide all that
 * comes (a sender may say anything of sizes and durations). So what the set counted
 * goes where that of expired ones is, and it begins anew. */
__attribute__((cold, noinline)) static void set_restart(
	struct weir_series *series, struct weir_series_set *set, uint32_t now)
{
	const struct weir_series_group *group = &series->groups[set->group];
	uint64_t now_ns = (uint64_t)now << WEIR_SERIES_USED_SHIFT;

	gone_add(series, set);
	for (uint32_t i = 0; i < group->metric_count; i++) {
		const struct weir_series_metric *metric = &series->metrics[group->first + i];

		if (metric->kind != WEIR_METRIC_GAUGE) {
			memset(set->words + metric->word, 0, metric->words * sizeof(*set->words));
		}
	}
	set->created_ns = now_ns > set->created_ns ? now_ns : set->created_ns + 1;
}

static inline void observe(struct weir_series *series, struct weir_series_set *set,
	const struct weir_series_metric *metric, const struct weir_observation *observed, uint32_t now)
{
	bool is_histogram = metric->kind == WEIR_METRIC_HISTOGRAM;
	uint64_t *words = set->words + metric->word, *total = is_histogram ? &words[metric->bound_count + 1] : words;

	if (metric->kind == WEIR_METRIC_GAUGE) {
		*total = 0;
	}
	if (metric->unit != WEIR_UNIT_REAL && *total + observed->number < *total) {
		set_restart(series, set, now);
	}
	if (is_histogram) {
		words[bucket_of(metric, observed)]++;
	}
	if (metric->unit == WEIR_UNIT_REAL) {
		weir_real_add(total, observed->real);
	} else {
		*total += observed->number;
	}
}

void weir_series_count(
	struct weir_series *series, struct weir_series_hit hit, const struct weir_observation *observed, uint32_t now)
{
	struct weir_series_set *set = &series->sets[hit.set];
	const struct weir_series_metric *metrics = &series->metrics[series->groups[set->group].first];

	for (uint32_t rest = hit.mask; rest != 0; rest &= rest - 1) {
		uint32_t place = (uint32_t)__builtin_ctz(rest);

		observe(series, set, &metrics[place], &observed[place], now);
	}
	set->used = now;
	series->overflowed += set->is_overflow;
	weir_series_touch(series, hit.set);
}

/* Which of a set's examples this one replaces: neighbouring buckets of its first histogram have two. */
static uint32_t example_place(
	const struct weir_series_metric *metrics, uint32_t mask, const struct weir_observation *observed)
{
	for (uint32_t rest = mask; rest != 0; rest &= rest - 1) {
		uint32_t place = (uint32_t)__builtin_ctz(rest);

		if (metrics[place].kind == WEIR_METRIC_HISTOGRAM) {
			return bucket_of(&metrics[place], &observed[place]) % WEIR_SERIES_EXEMPLARS;
		}
	}
	return 0;
}

void weir_series_exemplar(struct weir_series *series, struct weir_series_hit hit,
	const struct weir_observation *observed, const struct weir_series_example *example)
{
	struct weir_series_set *set = &series->sets[hit.set];
	const struct weir_series_group *group = &series->groups[set->group];
	const struct weir_series_metric *metrics = &series->metrics[group->first];
	uint64_t *words;

	if (example->time_ns <= set->example_ns) {
		return;
	}
	set->example_ns = example->time_ns;
	if (set->exemplars == NULL) {
		set->exemplars = calloc(group->exemplar_words, sizeof(*set->exemplars));
		if (set->exemplars == NULL) {
			return; /* an example less; nothing is counted with it */
		}
	}
	words = set->exemplars +
		(size_t)example_place(metrics, hit.mask, observed) * (WEIR_SERIES_EXEMPLAR_HEAD + group->metric_count);
	memcpy(words, example->trace_id, 16);
	memcpy(words + 2, example->span_id, 8);
	words[3] = example->time_ns;
	for (uint32_t i = 0; i < group->metric_count; i++) {
		words[WEIR_SERIES_EXEMPLAR_HEAD + i] = (hit.mask >> i & 1) == 0 ? UINT64_MAX
						       : metrics[i].unit == WEIR_UNIT_REAL
							       ? weir_real_bits(observed[i].real)
							       : observed[i].number;
	}
	weir_series_touch(series, hit.set);
}

/* ---- expiry and another schema ------------------------------------------- */

uint32_t weir_series_expire(struct weir_series *series, uint32_t from)
{
	uint32_t count = 0;

	for (uint32_t i = 1; i < series->labels.count; i++) {
		if (!weir_text_is_live(&series->labels, i) || series->sets[i].used >= from) {
			continue;
		}
		gone_add(series, &series->sets[i]);
		weir_series_unmake(series, i);
		weir_text_remove(&series->labels, i);
		count++;
	}
	return count;
}

/* Where the metric of this id is in another layout's group; NONE: it is not. */
static uint32_t place_of(const struct weir_series *series, const struct weir_series_group *group, uint64_t id)
{
	for (uint32_t i = 0; i < group->metric_count; i++) {
		if (series->order[group->first + i]->id == id) {
			return i;
		}
	}
	return WEIR_NONE;
}

/* Are the metrics the same, so that examples fit? */
static bool is_same_group(const struct weir_series *to, const struct weir_series_group *group,
	const struct weir_series *from, const struct weir_series_group *old)
{
	bool is_same = group->metric_count == old->metric_count;

	for (uint32_t i = 0; i < old->metric_count && is_same; i++) {
		is_same = to->order[group->first + i]->id == from->order[old->first + i]->id;
	}
	return is_same;
}

/* The set's cells as the new layout has them; false: nothing of it is left. */
static bool set_move(struct weir_series *to, const struct weir_series *from, struct weir_series_set *set)
{
	const struct weir_series_group *old = &from->groups[set->group], *new_ = NULL;
	uint32_t mask = 0;
	uint64_t *words;

	for (uint32_t g = 0; g < to->schema->group_count && new_ == NULL; g++) {
		new_ = to->groups[g].id == old->id ? &to->groups[g] : NULL;
	}
	if (new_ == NULL) {
		return false;
	}
	words = calloc(new_->words + 1, sizeof(*words));
	weir_assert(words != NULL);
	for (uint32_t i = 0; i < old->metric_count; i++) {
		uint32_t place = place_of(to, new_, from->order[old->first + i]->id);

		if ((set->mask >> i & 1) == 0 || place == WEIR_NONE) {
			continue;
		}
		memcpy(words + to->metrics[new_->first + place].word, set->words + from->metrics[old->first + i].word,
			from->metrics[old->first + i].words * sizeof(*words));
		mask |= UINT32_C(1) << place;
	}
	free(set->words);
	set->words = words;
	if (!is_same_group(to, new_, from, old)) {
		free(set->exemplars); /* they are refreshed soon enough */
		set->exemplars = NULL;
		set->example_ns = 0;
	}
	set->mask = mask;
	set->group = (uint16_t)(new_ - to->groups);
	return mask != 0;
}

/* What is left of a set under the new schema; its budget is given back before, under the old one. */
static void set_replace(struct weir_series *series, const struct weir_series *old, uint32_t number)
{
	struct weir_series_set *set = &series->sets[number];

	if (set_move(series, old, set)) {
		budget_take(series, set);
		weir_series_touch(series, number);
		return;
	}
	free(set->words);
	free(set->exemplars);
	*set = (struct weir_series_set){ .is_dirty = set->is_dirty };
	weir_text_remove(&series->labels, number);
}

void weir_series_replace(struct weir_series *series, const struct weir_schema *schema, uint64_t since_ns)
{
	struct weir_series old = *series;

	schema_lay(series, schema);
	for (uint32_t i = 0; i < schema->metric_count; i++) {
		series->gone[i].since_ns = since_ns;
	}
	for (uint32_t i = 0; i < old.schema->metric_count; i++) {
		struct weir_series_gone *gone = gone_of(series, old.gone[i].id);

		if (gone != NULL) {
			*gone = old.gone[i];
		}
	}
	series->live_series = series->overflow_sets = 0;
	series->words = series->overflow_words = 0;
	for (uint32_t i = 1; i < series->labels.count; i++) {
		if (i < series->set_capacity && series->sets[i].words != NULL) {
			set_replace(series, &old, i);
		}
	}
	series->changes++;
	layout_free(&old);
}

bool weir_series_begin(struct weir_series *series, uint64_t since_ns)
{
	bool has_others = series->has_strange;

	for (uint32_t i = 0; i < series->schema->metric_count; i++) {
		if (series->gone[i].since_ns == WEIR_SERIES_UNTOLD) {
			series->gone[i].since_ns = since_ns;
			has_others = true;
		}
	}
	for (uint32_t i = 1; i < series->labels.count; i++) {
		if (weir_text_is_live(&series->labels, i) && series->sets[i].words == NULL) {
			weir_text_remove(&series->labels, i); /* of what was loaded and is not here */
		}
	}
	return has_others;
}
