/* snapshot_series: copies of the metrics that weir makes.
 *
 * Sets lie in order of their numbers, metrics are exposed one by one: a count
 * for each metric, then each view is written to its metric's place. Both tables
 * (of the rules, of traces) are copied one behind the other.
 *
 * Invariants: those of snapshot.c. */
#include <stdio.h>
#include <string.h>

#include "aggregate/real.h"
#include "aggregate/snapshot_part.h"

#define NS_PER_S 1e9
#define NAME_MAX_BYTES 512u /* of a metric, with a suffix */
#define GONE_ROWS 2u        /* of a metric, at most */

struct place { /* of a table's metrics in the snapshot's lists */
	uint32_t *counts;
	struct weir_series_view **views;
};

static double exposed_of(enum weir_metric_unit unit, uint64_t word)
{
	return unit == WEIR_UNIT_REAL       ? weir_real_of(word)
	       : unit == WEIR_UNIT_DURATION ? (double)word / NS_PER_S
					    : (double)word;
}

/* The metric's place in the order of the schema. */
static uint32_t index_of(const struct weir_series *series, uint32_t at)
{
	return (uint32_t)(series->order[at] - series->schema->metrics);
}

static const struct weir_series_set *set_of(const struct weir_series *series, uint32_t number)
{
	const struct weir_series_set *set = &series->sets[number];

	return weir_text_is_live(&series->labels, number) && set->words != NULL ? set : NULL;
}

/* ---- room ---------------------------------------------------------------- */

static size_t set_bytes(const struct weir_series *series, const struct weir_series_set *set)
{
	const struct weir_series_group *group = &series->groups[set->group];
	size_t size = 0;

	for (uint32_t rest = set->mask; rest != 0; rest &= rest - 1) {
		const struct weir_series_metric *metric =
			&series->metrics[group->first + (uint32_t)__builtin_ctz(rest)];

		size += sizeof(struct weir_series_view);
		size += metric->kind == WEIR_METRIC_HISTOGRAM ? (metric->bound_count + 1) * sizeof(uint64_t) : 0;
		size += set->exemplars != NULL ? WEIR_SERIES_EXEMPLARS * sizeof(struct weir_exemplar_view) : 0;
	}
	return size;
}

static size_t table_bytes(const struct weir_series *series)
{
	size_t size = series->schema->metric_count *
		      (sizeof(struct weir_metric *) + sizeof(struct weir_series_view *) + sizeof(uint32_t) +
			      GONE_ROWS * (sizeof(struct weir_expired_view) + NAME_MAX_BYTES));

	for (uint32_t i = 1; i < series->labels.count; i++) {
		const struct weir_series_set *set = set_of(series, i);

		size += set != NULL ? set_bytes(series, set) : 0;
	}
	return size;
}

size_t weir_snapshot_series_bytes(const struct weir_fold *fold)
{
	return table_bytes(&fold->series) + table_bytes(&fold->traces) + 5 * sizeof(uint64_t) +
	       weir_snapshot_points_expired_count(fold) * sizeof(struct weir_expired_view) +
	       weir_snapshot_points_expired_bytes(fold);
}

/* ---- copies -------------------------------------------------------------- */

static void value_copy(const struct weir_series_metric *metric, const uint64_t *words, struct weir_series_view *view,
	struct weir_snapshot_room *room)
{
	uint64_t *buckets;

	if (metric->kind != WEIR_METRIC_HISTOGRAM) {
		view->count = metric->unit == WEIR_UNIT_WHOLE ? words[0] : 0;
		view->sum = exposed_of(metric->unit, words[0]);
		return;
	}
	buckets = weir_snapshot_take(room, (metric->bound_count + 1) * sizeof(*buckets));
	memcpy(buckets, words, (metric->bound_count + 1) * sizeof(*buckets));
	for (uint32_t i = 0; i <= metric->bound_count; i++) {
		view->count += buckets[i];
	}
	view->sum = exposed_of(metric->unit, words[metric->bound_count + 1]);
	view->buckets = buckets;
}

static uint32_t bucket_of(const struct weir_series_metric *metric, double value)
{
	uint32_t bucket = 0;

	while (bucket < metric->bound_count && value > metric->bounds[bucket]) {
		bucket++;
	}
	return bucket;
}

/* Is there a newer one in the same bucket? A counter has but the newest. */
static bool is_surpassed(const struct weir_series_metric *metric, const struct weir_exemplar_view *views,
	uint32_t count, const struct weir_exemplar_view *one)
{
	for (uint32_t i = 0; i < count; i++) {
		if (&views[i] != one && views[i].time_ns >= one->time_ns &&
			(views[i].time_ns > one->time_ns || &views[i] < one) &&
			(metric->kind != WEIR_METRIC_HISTOGRAM ||
				bucket_of(metric, views[i].value) == bucket_of(metric, one->value))) {
			return true;
		}
	}
	return false;
}

static void examples_copy(const struct weir_series *series, const struct weir_series_set *set, uint32_t place,
	struct weir_series_view *view, struct weir_snapshot_room *room)
{
	const struct weir_series_group *group = &series->groups[set->group];
	const struct weir_series_metric *metric = &series->metrics[group->first + place];
	struct weir_exemplar_view found[WEIR_SERIES_EXEMPLARS], *kept;
	uint32_t count = 0;

	if (set->exemplars == NULL || metric->kind == WEIR_METRIC_GAUGE) {
		return;
	}
	for (uint32_t i = 0; i < WEIR_SERIES_EXEMPLARS; i++) {
		const uint64_t *words = set->exemplars + (size_t)i * (WEIR_SERIES_EXEMPLAR_HEAD + group->metric_count);

		if (words[3] == 0 || words[WEIR_SERIES_EXEMPLAR_HEAD + place] == UINT64_MAX) {
			continue;
		}
		memcpy(found[count].trace_id, words, 16);
		memcpy(found[count].span_id, words + 2, 8);
		found[count].time_ns = words[3];
		found[count].value = exposed_of(metric->unit, words[WEIR_SERIES_EXEMPLAR_HEAD + place]);
		count++;
	}
	kept = weir_snapshot_take(room, count * sizeof(*kept));
	view->exemplars = kept;
	for (uint32_t i = 0; i < count; i++) {
		if (!is_surpassed(metric, found, count, &found[i])) {
			kept[view->exemplar_count++] = found[i];
		}
	}
}

static void set_copy(
	const struct weir_series *series, uint32_t number, const struct place *place, struct weir_snapshot_room *room)
{
	const struct weir_series_set *set = &series->sets[number];
	const struct weir_series_group *group = &series->groups[set->group];
	struct weir_str labels = weir_text_str(&series->labels, number);

	if (weir_str_is(labels, " ")) {
		labels.length = 0; /* see weir_series_find() */
	}
	for (uint32_t rest = set->mask; rest != 0; rest &= rest - 1) {
		uint32_t at = (uint32_t)__builtin_ctz(rest), metric = index_of(series, group->first + at);
		struct weir_series_view *view = &place->views[metric][place->counts[metric]++];

		*view = (struct weir_series_view){ .labels = labels, .created_ns = set->created_ns };
		if (view->created_ns < series->gone[metric].since_ns) {
			view->created_ns = series->gone[metric].since_ns; /* the metric is younger than the set */
		}
		value_copy(&series->metrics[group->first + at], set->words + series->metrics[group->first + at].word,
			view, room);
		examples_copy(series, set, at, view, room);
	}
}

/* Counts, views of each metric one behind the other, then the sets. */
static void table_copy(const struct weir_series *series, const struct place *place, struct weir_snapshot *snapshot,
	struct weir_snapshot_room *room)
{
	uint32_t metrics = series->schema->metric_count;

	memset(place->counts, 0, metrics * sizeof(*place->counts));
	for (uint32_t i = 1; i < series->labels.count; i++) {
		const struct weir_series_set *set = set_of(series, i);

		for (uint32_t rest = set != NULL ? set->mask : 0; rest != 0; rest &= rest - 1) {
			place->counts[index_of(
				series, series->groups[set->group].first + (uint32_t)__builtin_ctz(rest))]++;
		}
	}
	for (uint32_t i = 0; i < metrics; i++) {
		place->views[i] = weir_snapshot_take(room, place->counts[i] * sizeof(**place->views));
		snapshot->series_total += place->counts[i];
		place->counts[i] = 0;
	}
	for (uint32_t i = 1; i < series->labels.count; i++) {
		if (set_of(series, i) != NULL) {
			set_copy(series, i, place, room);
		}
	}
}

/* ---- what went with expired series ---------------------------------------- */

static struct weir_expired_view *gone_row(struct weir_expired_view *row, const struct weir_metric *metric,
	const char *suffix, uint64_t created_ns, struct weir_snapshot_room *room)
{
	char *name = weir_snapshot_take(room, NAME_MAX_BYTES);
	int length = snprintf(name, NAME_MAX_BYTES, "%s%s", metric->name, suffix);

	row->metric = weir_str_make(name, length < 0 ? 0 : strnlen(name, NAME_MAX_BYTES));
	row->created_ns = created_ns;
	return row;
}

static void gone_copy(const struct weir_series *series, uint64_t since_ns, struct weir_snapshot *snapshot,
	struct weir_expired_view *rows, struct weir_snapshot_room *room)
{
	for (uint32_t i = 0; i < series->schema->metric_count; i++) {
		const struct weir_metric *metric = &series->schema->metrics[i];
		const struct weir_series_gone *gone = &series->gone[i];
		uint64_t created_ns = gone->since_ns > since_ns ? gone->since_ns : since_ns;
		double total = metric->unit == WEIR_UNIT_REAL ? gone->real : exposed_of(metric->unit, gone->number);

		if (metric->kind == WEIR_METRIC_COUNTER) {
			gone_row(&rows[snapshot->expired_count++], metric, "", created_ns, room)->value = total;
		} else if (metric->kind == WEIR_METRIC_HISTOGRAM) {
			gone_row(&rows[snapshot->expired_count++], metric, "_count", created_ns, room)->value =
				(double)gone->count;
			gone_row(&rows[snapshot->expired_count++], metric, "_sum", created_ns, room)->value = total;
		}
	}
}

void weir_snapshot_series_copy(
	const struct weir_fold *fold, struct weir_snapshot *snapshot, struct weir_snapshot_room *room)
{
	const struct weir_series *tables[2] = { &fold->series, &fold->traces };
	uint32_t total = tables[0]->schema->metric_count + tables[1]->schema->metric_count, first = 0;
	size_t rows = GONE_ROWS * total + weir_snapshot_points_expired_count(fold);
	const struct weir_metric **metrics = weir_snapshot_take(room, total * sizeof(*metrics));
	struct weir_series_view **views = weir_snapshot_take(room, total * sizeof(*views));
	uint32_t *counts = weir_snapshot_take(room, total * sizeof(*counts));
	struct weir_expired_view *expired = weir_snapshot_take(room, rows * sizeof(*expired));

	for (unsigned t = 0; t < 2; t++) {
		const struct place place = { counts + first, views + first };

		for (uint32_t i = 0; i < tables[t]->schema->metric_count; i++) {
			metrics[first + i] = &tables[t]->schema->metrics[i];
		}
		table_copy(tables[t], &place, snapshot, room);
		gone_copy(tables[t], fold->counters_since_ns, snapshot, expired, room);
		first += tables[t]->schema->metric_count;
	}
	snapshot->expired_count = weir_snapshot_points_expired_copy(fold, expired, snapshot->expired_count, room);
	snapshot->metric_count = total;
	snapshot->metrics = metrics;
	snapshot->series = views;
	snapshot->series_counts = counts;
	snapshot->expired = expired;
}
