/* snapshot_part: copies of completeness, logs and passed-through metrics.
 *
 * Series lie in order of their numbers, families are exposed one by one: a
 * count for each family, then each view is written to its family's place. Some
 * numbers of families and series are free.
 *
 * Invariants: those of snapshot.c. */
#include "aggregate/snapshot_part.h"

#include <string.h>

#include "aggregate/real.h"

static const uint8_t signals[WEIR_MEASURES] = { WEIR_SIGNAL_ACCESS_LOG, WEIR_SIGNAL_ACCESS_LOG, WEIR_SIGNAL_LOG,
	WEIR_SIGNAL_SPAN };

/* ---- completeness and logs ---------------------------------------------- */

static uint32_t owner_count(const struct weir_owners *owners)
{
	return owners->names.count < owners->row_capacity ? owners->names.count : owners->row_capacity;
}

/* Entries that were written are worth more than requests that were completed. */
static bool is_shown(const struct weir_owner *row, unsigned measure)
{
	return row->measures[measure].since_ns != 0 &&
	       (measure != WEIR_MEASURE_REQUESTS || row->measures[WEIR_MEASURE_ACCESS_LOGS].since_ns == 0);
}

size_t weir_snapshot_ledger_bytes(const struct weir_fold *fold)
{
	size_t size = 0;

	for (uint32_t i = 0; i < owner_count(&fold->owners); i++) {
		for (unsigned m = 0; m < WEIR_MEASURES; m++) {
			size += is_shown(&fold->owners.rows[i], m) ? sizeof(struct weir_completeness_view) : 0;
		}
	}
	for (uint32_t i = 0; i < fold->logs.capacity; i++) {
		for (unsigned s = 0; s < WEIR_LOG_SEVERITIES; s++) {
			size += fold->logs.rows[i][s] != 0 ? sizeof(struct weir_log_view) : 0;
		}
	}
	return size;
}

static void completeness_copy(
	const struct weir_owners *owners, struct weir_snapshot *snapshot, struct weir_snapshot_room *room)
{
	snapshot->completeness = (const struct weir_completeness_view *)room->at;
	for (uint32_t i = 0; i < owner_count(owners); i++) {
		for (unsigned m = 0; m < WEIR_MEASURES; m++) {
			const struct weir_owner_measure *measure = &owners->rows[i].measures[m];

			if (is_shown(&owners->rows[i], m)) {
				struct weir_completeness_view *view = weir_snapshot_take(room, sizeof(*view));

				*view = (struct weir_completeness_view){ .source = weir_text_str(&owners->names, i),
					.measure = (uint8_t)m,
					.signal = signals[m],
					.seen = measure->seen,
					.sent = measure->sent,
					.dropped = measure->dropped };
				snapshot->completeness_count++;
			}
		}
	}
}

void weir_snapshot_ledger_copy(
	const struct weir_fold *fold, struct weir_snapshot *snapshot, struct weir_snapshot_room *room)
{
	completeness_copy(&fold->owners, snapshot, room);
	snapshot->logs = (const struct weir_log_view *)room->at;
	for (uint32_t i = 0; i < fold->logs.capacity; i++) {
		for (unsigned s = 0; s < WEIR_LOG_SEVERITIES; s++) {
			if (fold->logs.rows[i][s] != 0) {
				struct weir_log_view *view = weir_snapshot_take(room, sizeof(*view));

				*view = (struct weir_log_view){ .service = weir_text_str(&fold->logs.services, i),
					.severity = weir_logs_severity(s),
					.count = fold->logs.rows[i][s] };
				snapshot->log_count++;
			}
		}
	}
}

/* ---- passed-through metrics --------------------------------------------- */

static uint32_t series_count(const struct weir_families *families)
{
	return families->live_series + families->overflow_series;
}

/* Words of a series that its view points at. */
static uint32_t words_of(const struct weir_family_series *series)
{
	switch (series->cell) {
	case WEIR_CELL_HISTOGRAM:
		return series->word_count - WEIR_HISTOGRAM_COUNTS;
	case WEIR_CELL_EXPONENTIAL:
		return 2 * WEIR_EXPO_BUCKETS;
	case WEIR_CELL_SUMMARY:
		return series->word_count - WEIR_SUMMARY_QUANTILES;
	default:
		return 0;
	}
}

size_t weir_snapshot_points_bytes(const struct weir_fold *fold)
{
	const struct weir_families *families = &fold->points.families;
	size_t size = families->names.count * (sizeof(struct weir_family_view) + sizeof(uint32_t)) + sizeof(uint64_t);

	for (uint32_t i = 1; i < families->series_capacity; i++) {
		if (weir_families_is_live(families, i)) {
			size += sizeof(struct weir_point_view) + words_of(&families->series[i]) * sizeof(uint64_t);
			size += families->series[i].exemplar != NULL ? sizeof(struct weir_exemplar_view) : 0;
		}
	}
	for (uint32_t i = 0; i < families->bounds_count; i++) {
		size += families->bounds[i].count * sizeof(double);
	}
	return size + families->bounds_count * sizeof(double *);
}

static void exponential_copy(
	const struct weir_family_series *series, struct weir_point_view *view, struct weir_snapshot_room *room)
{
	struct weir_expo expo;
	uint64_t *counts[WEIR_EXPO_SIDES];

	memcpy(&expo, series->words, sizeof(expo));
	for (unsigned side = 0; side < WEIR_EXPO_SIDES; side++) {
		counts[side] = weir_snapshot_take(room, WEIR_EXPO_BUCKETS * sizeof(uint64_t));
		memcpy(counts[side], expo.buckets[side], expo.count[side] * sizeof(uint64_t));
	}
	view->form = WEIR_POINT_EXPONENTIAL;
	view->count = weir_expo_count(&expo);
	view->sum = expo.sum;
	view->has_sum = true;
	view->scale = expo.scale;
	view->zero_count = expo.zero_count;
	view->zero_threshold = expo.zero_threshold;
	view->positive = (struct weir_point_buckets){ expo.first[0], (uint32_t)expo.count[0], counts[0] };
	view->negative = (struct weir_point_buckets){ expo.first[1], (uint32_t)expo.count[1], counts[1] };
}

static void histogram_copy(const struct weir_family_series *series, uint32_t bound_count, const double *bounds,
	struct weir_point_view *view, struct weir_snapshot_room *room)
{
	uint64_t *counts = weir_snapshot_take(room, (bound_count + 1) * sizeof(*counts));

	memcpy(counts, series->words + WEIR_HISTOGRAM_COUNTS, (bound_count + 1) * sizeof(*counts));
	view->form = WEIR_POINT_HISTOGRAM;
	view->sum = weir_real_of(series->words[WEIR_HISTOGRAM_SUM]);
	view->has_sum = series->words[WEIR_HISTOGRAM_HAS_SUM] != 0;
	view->bound_count = bound_count;
	view->bounds = bounds;
	view->counts = counts;
	for (uint32_t i = 0; i <= bound_count; i++) {
		view->count += counts[i];
	}
}

static void summary_copy(
	const struct weir_family_series *series, struct weir_point_view *view, struct weir_snapshot_room *room)
{
	uint32_t words = words_of(series);
	double *pairs = weir_snapshot_take(room, words * sizeof(*pairs));

	memcpy(pairs, series->words + WEIR_SUMMARY_QUANTILES, words * sizeof(*pairs));
	view->form = WEIR_POINT_SUMMARY;
	view->count = series->words[WEIR_SUMMARY_COUNT];
	view->sum = weir_real_of(series->words[WEIR_SUMMARY_SUM]);
	view->has_sum = true;
	view->bound_count = words / 2;
	view->bounds = pairs;
}

static void point_copy(const struct weir_families *families, uint32_t number, const double *const *bounds,
	struct weir_point_view *view, struct weir_snapshot_room *room)
{
	const struct weir_family_series *series = &families->series[number];

	*view = (struct weir_point_view){ .labels = weir_text_str(&families->labels, number),
		.created_ns = series->created_ns };
	if (weir_str_is(view->labels, " ")) {
		view->labels.length = 0; /* see weir_families_series() */
	}
	switch (series->cell) {
	case WEIR_CELL_HISTOGRAM:
		histogram_copy(series, families->bounds[series->bounds].count, bounds[series->bounds], view, room);
		break;
	case WEIR_CELL_EXPONENTIAL:
		exponential_copy(series, view, room);
		break;
	case WEIR_CELL_SUMMARY:
		summary_copy(series, view, room);
		break;
	default:
		view->form = WEIR_POINT_NUMBER;
		view->whole = (int64_t)series->words[WEIR_NUMBER_WHOLE];
		view->real = weir_real_of(series->words[WEIR_NUMBER_REAL]);
		break;
	}
	if (series->exemplar != NULL) {
		struct weir_exemplar_view *exemplar = weir_snapshot_take(room, sizeof(*exemplar));

		*exemplar = *series->exemplar;
		view->exemplar = exemplar;
	}
}

/* Shown: all but the target_info that another has followed, and families whose
 * name is weir's while the rules are what they are. */
static bool is_point_shown(const struct weir_families *families, uint32_t number, uint32_t target)
{
	const struct weir_family_series *series = &families->series[number];

	return series->words != NULL && !families->rows[series->family].is_hidden &&
	       (series->family != target || series->words[WEIR_NUMBER_WHOLE] != 0);
}

/* The families, and for each of them where its series will stand. */
static uint32_t families_copy(const struct weir_families *families, struct weir_family_view *views,
	const struct weir_point_view *points, uint32_t *places)
{
	uint32_t count = 0, first = 0;

	for (uint32_t i = 1; i < families->names.count; i++) {
		if (!families->rows[i].is_known || families->rows[i].is_hidden) {
			continue;
		}
		views[count++] = (struct weir_family_view){ .name = weir_text_str(&families->names, i),
			.help = weir_text_str(&families->helps, families->rows[i].help),
			.exposed = families->rows[i].exposed,
			.metric = families->rows[i].metric,
			.points = points + first,
			.point_count = places[i] };
		first += places[i];
		places[i] = first - places[i];
	}
	return count;
}

void weir_snapshot_points_copy(
	const struct weir_fold *fold, struct weir_snapshot *snapshot, struct weir_snapshot_room *room)
{
	const struct weir_families *families = &fold->points.families;
	uint32_t names = families->names.count;
	struct weir_family_view *views = weir_snapshot_take(room, names * sizeof(*views));
	uint32_t *places = weir_snapshot_take(room, names * sizeof(*places));
	const double **bounds = weir_snapshot_take(room, families->bounds_count * sizeof(*bounds));
	struct weir_point_view *points = weir_snapshot_take(room, series_count(families) * sizeof(*points));
	uint32_t target = weir_text_find(&families->names, weir_str_of(WEIR_PASSTHROUGH_TARGET), 0);

	for (uint32_t i = 0; i < families->bounds_count; i++) {
		double *at = weir_snapshot_take(room, families->bounds[i].count * sizeof(*at));

		if (families->bounds[i].at != NULL) {
			memcpy(at, families->bounds[i].at, families->bounds[i].count * sizeof(*at));
		}
		bounds[i] = at;
	}
	for (uint32_t i = 0; i < names; i++) {
		places[i] = 0;
	}
	for (uint32_t i = 1; i < families->series_capacity; i++) {
		if (is_point_shown(families, i, target)) {
			places[families->series[i].family]++;
		}
	}
	snapshot->families = views;
	snapshot->family_count = families_copy(families, views, points, places);
	for (uint32_t i = 1; i < families->series_capacity; i++) {
		if (is_point_shown(families, i, target)) {
			point_copy(families, i, bounds, &points[places[families->series[i].family]++], room);
		}
	}
	snapshot->points_midway = fold->points.midway;
}

/* ---- what expired of them ----------------------------------------------- */

#define LOST_NAME "_overflow" /* families that had to make room */

static bool has_expired(const struct weir_family_total *total)
{
	return total->whole != 0 || total->real < 0 || total->real > 0;
}

size_t weir_snapshot_points_expired_count(const struct weir_fold *fold)
{
	const struct weir_families *families = &fold->points.families;
	size_t count = 3;

	for (uint32_t i = 1; i < families->row_capacity; i++) {
		count += has_expired(&families->rows[i].expired) ? 2 : 0;
	}
	return count;
}

size_t weir_snapshot_points_expired_bytes(const struct weir_fold *fold)
{
	const struct weir_families *families = &fold->points.families;
	size_t size = 4 * sizeof(LOST_NAME "_count");

	for (uint32_t i = 1; i < families->row_capacity; i++) {
		if (has_expired(&families->rows[i].expired)) {
			size += 2 * (families->names.rows[i].length + sizeof("_count") + 7);
		}
	}
	return size;
}

struct expired { /* the rows so far */
	struct weir_expired_view *rows;
	uint32_t first_count, count; /* the first are those of weir's own metrics */
	uint64_t created_ns;
	struct weir_snapshot_room *room;
};

/* A row of this name, unless one of weir's own metrics has it: then it is part of that. */
static void row_add(struct expired *expired, struct weir_str name, const char *suffix, double value)
{
	size_t length = name.length + strlen(suffix);
	char *text = weir_snapshot_take(expired->room, length);
	struct weir_str metric = weir_str_make(text, length);

	memcpy(text, name.data, name.length);
	memcpy(text + name.length, suffix, length - name.length);
	for (uint32_t i = 0; i < expired->first_count; i++) {
		if (weir_str_equal(expired->rows[i].metric, metric)) {
			expired->rows[i].value += value;
			return;
		}
	}
	expired->rows[expired->count++] =
		(struct weir_expired_view){ .metric = metric, .value = value, .created_ns = expired->created_ns };
}

static void total_copy(
	struct expired *expired, struct weir_str name, bool is_histogram, const struct weir_family_total *total)
{
	if (!has_expired(total)) {
		return;
	}
	if (is_histogram) {
		row_add(expired, name, "_count", (double)total->whole);
		row_add(expired, name, "_sum", total->real);
	} else {
		row_add(expired, name, "", (double)total->whole + total->real);
	}
}

uint32_t weir_snapshot_points_expired_copy(const struct weir_fold *fold, struct weir_expired_view *rows,
	uint32_t row_count, struct weir_snapshot_room *room)
{
	const struct weir_families *families = &fold->points.families;
	struct expired expired = { .rows = rows,
		.first_count = row_count,
		.count = row_count,
		.created_ns = fold->counters_since_ns,
		.room = room };
	struct weir_str lost = weir_str_of(LOST_NAME);

	for (uint32_t i = 1; i < families->row_capacity; i++) {
		const struct weir_family *row = &families->rows[i];

		if (row->is_known) {
			total_copy(&expired, weir_text_str(&families->names, i), row->exposed == WEIR_EXPOSED_HISTOGRAM,
				&row->expired);
		}
	}
	total_copy(&expired, lost, false, &families->lost_counters);
	total_copy(&expired, lost, true, &families->lost_histograms);
	return expired.count;
}
