/* point_cell: what one point does to its series' cells.
 *
 *   gauge, up-down sum  the value of the latest time stands; a delta is added
 *   sum, histogram      delta: added, if no point of its times was (seen.c)
 *                       cumulative: what it grew since the last one; all of it, if
 *                       it is the first, or started anew (a later start, or a
 *                       smaller value); nothing, if it is met midway (point.c)
 *   summary             the latest stands
 *
 * A series may have several streams: replicas that say nothing of what tells
 * them apart, or a process that came back under its old name. Their growth adds
 * up, so a series' value never goes down. What a cumulative stream said last is
 * in its `raw`, of the shape of the cells.
 *
 * New bounds of a histogram begin the series anew (its created time too): old
 * counts cannot be told apart by new bounds. Only in an overflow series, which
 * many share, counts go into the bucket that is sure to hold them.
 *
 * The exemplar of a point that moves its series is the series' too. Its time is
 * the sender's, but never after it came: who is ahead of us would keep the place
 * for as long. One that says no time is as old as its batch.
 *
 * Invariants
 *  1. A delta point is added once, in whichever order they come.
 *  2. Counters and counts only grow while created_ns stays.
 *  3. Whole numbers are added as whole numbers: exact at any size. */
#include "aggregate/points/point.h"

#include <math.h>
#include <stdlib.h>

#include "aggregate/points/seen.h"
#include "aggregate/real.h"
#include "base/err.h"

/* Of what a cumulative histogram said last: the hash of its bounds; 0: not known (images before version 4). */
#define RAW_BOUNDS WEIR_HISTOGRAM_HAS_SUM

static bool is_delta(const struct weir_point_at *at)
{
	return at->instrument->temporality == WEIR_TEMPORALITY_DELTA;
}

/* It came again, or too late. */
static bool is_late(const struct weir_point_at *at)
{
	if (is_delta(at)) {
		return !weir_seen_is_new(at->stream, at->point);
	}
	return !at->is_first && at->point->time_ns != 0 && at->point->time_ns <= at->stream->time_ns;
}

/* A cumulative stream that began again, by what it says of its start. */
static bool has_restarted(const struct weir_point_at *at)
{
	return at->point->start_ns > at->stream->start_ns && at->stream->start_ns != 0;
}

/* Room for what a cumulative stream says; what it said last is kept if the
 * shape is the same. NULL: all streams together keep too much. */
static uint64_t *raw_of(struct weir_families *families, const struct weir_point_at *at, uint32_t count)
{
	struct weir_point_stream *stream = at->stream;

	if (stream->raw_count != count) {
		if (families->raw_total - stream->raw_count + count > families->max_words) {
			families->overflowed++;
			return NULL;
		}
		families->raw_total = families->raw_total - stream->raw_count + count;
		free(stream->raw);
		stream->raw = calloc(count, sizeof(*stream->raw));
		weir_assert(stream->raw != NULL); /* bounded by the budget of streams */
		stream->raw_count = count;
	}
	return stream->raw;
}

/* ---- shapes ------------------------------------------------------------- */

static bool bounds_read(const struct weir_point_at *at, double bounds[WEIR_FAMILY_BOUNDS_MAX], uint32_t *ret_count)
{
	uint32_t count = at->point->bounds.length / 8, counts = at->point->counts.length / 8;

	if (counts == 0) {
		*ret_count = 0; /* only how many there were */
		return true;
	}
	if (count > WEIR_FAMILY_BOUNDS_MAX || counts != count + 1) {
		return false;
	}
	for (uint32_t i = 0; i < count; i++) {
		bounds[i] = weir_batch_real(at->batch, at->point->bounds, i);
		if (!isfinite(bounds[i]) || (i > 0 && bounds[i] <= bounds[i - 1])) {
			return false;
		}
	}
	*ret_count = count;
	return true;
}

/* The row of these bounds: mostly that of the series. */
static uint32_t bounds_known(
	struct weir_families *families, const struct weir_point_at *at, const double *bounds, uint32_t count)
{
	if (at->stream != NULL && at->stream->series != WEIR_NONE) {
		uint32_t known = families->series[at->stream->series].bounds;

		if (families->bounds[known].count == count &&
			memcmp(families->bounds[known].at, bounds, count * sizeof(*bounds)) == 0) {
			return known;
		}
	}
	return weir_families_bounds(families, bounds, count);
}

bool weir_point_cell_shape(
	struct weir_families *families, const struct weir_point_at *at, struct weir_family_wish *ret_wish)
{
	double bounds[WEIR_FAMILY_BOUNDS_MAX];
	uint32_t count;

	switch (at->instrument->kind) {
	case WEIR_INSTRUMENT_GAUGE:
	case WEIR_INSTRUMENT_SUM:
		ret_wish->cell = WEIR_CELL_NUMBER;
		ret_wish->word_count = WEIR_NUMBER_WORDS;
		return true;
	case WEIR_INSTRUMENT_HISTOGRAM:
		ret_wish->cell = WEIR_CELL_HISTOGRAM;
		if (!bounds_read(at, bounds, &count)) {
			return false;
		}
		ret_wish->bounds = bounds_known(families, at, bounds, count);
		ret_wish->word_count = WEIR_HISTOGRAM_COUNTS + count + 1;
		return ret_wish->bounds != WEIR_NONE;
	case WEIR_INSTRUMENT_EXPONENTIAL:
		ret_wish->cell = WEIR_CELL_EXPONENTIAL;
		ret_wish->word_count = WEIR_EXPO_WORDS;
		return true;
	case WEIR_INSTRUMENT_SUMMARY:
		ret_wish->cell = WEIR_CELL_SUMMARY;
		count = at->point->bounds.length / 8;
		ret_wish->word_count = WEIR_SUMMARY_QUANTILES + 2 * count;
		return count <= WEIR_FAMILY_QUANTILES_MAX && at->point->counts.length / 8 == count;
	default:
		return false;
	}
}

/* ---- numbers ------------------------------------------------------------ */

static bool gauge_apply(struct weir_family_series *series, const struct weir_point_at *at)
{
	const struct weir_point *point = at->point;
	bool is_int = (point->flags & WEIR_POINT_IS_INT) != 0;

	if (point->time_ns != 0 && point->time_ns < series->words[WEIR_NUMBER_TIME]) {
		return false; /* a later one stands already, perhaps of another stream */
	}
	series->words[WEIR_NUMBER_WHOLE] = is_int ? (uint64_t)point->value.integer : 0;
	series->words[WEIR_NUMBER_REAL] = is_int ? 0 : weir_real_bits(point->value.real);
	series->words[WEIR_NUMBER_TIME] = point->time_ns;
	return true;
}

static double value_of(const uint64_t words[2])
{
	return (double)(int64_t)words[0] + weir_real_of(words[1]);
}

/* The growth of a cumulative sum, whole and real; `raw` becomes what it says now. */
static bool sum_grow(
	struct weir_families *families, const struct weir_point_at *at, const uint64_t now[2], uint64_t ret_more[2])
{
	uint64_t *raw = raw_of(families, at, 2);

	if (raw == NULL) {
		return false;
	}
	ret_more[0] = at->is_midway ? 0 : now[0];
	ret_more[1] = at->is_midway ? 0 : now[1];
	if (!at->is_first && !has_restarted(at) && value_of(now) >= value_of(raw)) {
		ret_more[0] -= raw[0];
		ret_more[1] = weir_real_bits(weir_real_of(now[1]) - weir_real_of(raw[1]));
	}
	raw[0] = now[0];
	raw[1] = now[1];
	return true;
}

static bool sum_apply(struct weir_families *families, struct weir_family_series *series, const struct weir_point_at *at,
	uint64_t *ret_more)
{
	bool is_int = (at->point->flags & WEIR_POINT_IS_INT) != 0;
	const uint64_t now[2] = { is_int ? (uint64_t)at->point->value.integer : 0,
		is_int ? 0 : weir_real_bits(at->point->value.real) };
	uint64_t more[2] = { now[0], now[1] };
	double grown;

	if (is_late(at) || !isfinite(value_of(now)) || (at->instrument->is_monotonic && value_of(now) < 0)) {
		return false;
	}
	if (!is_delta(at) && !sum_grow(families, at, now, more)) {
		return false;
	}
	grown = value_of(more);
	*ret_more = grown > 0 && grown < 9e18 ? (uint64_t)(grown + 0.5) : 0;
	if (series != NULL && at->is_counted) {
		series->words[WEIR_NUMBER_WHOLE] += more[0];
		weir_real_add(&series->words[WEIR_NUMBER_REAL], weir_real_of(more[1]));
	}
	return true;
}

static bool number_apply(struct weir_families *families, struct weir_family_series *series,
	const struct weir_point_at *at, uint64_t *ret_more)
{
	bool is_sum = at->instrument->kind == WEIR_INSTRUMENT_SUM;

	if (is_sum && (at->instrument->is_monotonic || is_delta(at))) {
		return sum_apply(families, series, at, ret_more);
	}
	return series != NULL && gauge_apply(series, at);
}

/* ---- histograms --------------------------------------------------------- */

static void counts_read(const struct weir_point_at *at, uint64_t *counts, uint32_t count)
{
	if (at->point->counts.length == 0) {
		counts[0] = at->point->count;
		return;
	}
	for (uint32_t i = 0; i < count; i++) {
		counts[i] = weir_batch_number(at->batch, at->point->counts, i);
	}
}

static uint64_t counts_sum(const uint64_t *words, uint32_t word_count)
{
	uint64_t sum = 0;

	for (uint32_t i = WEIR_HISTOGRAM_COUNTS; i < word_count; i++) {
		sum += words[i];
	}
	return sum;
}

/* Does a cumulative histogram say again what it said before, with other bounds? */
static bool says_again(const struct weir_point_at *at, const uint64_t *now, uint32_t words)
{
	const struct weir_point_stream *stream = at->stream;

	return !is_delta(at) && !at->is_first && stream->raw_count > WEIR_HISTOGRAM_COUNTS && !has_restarted(at) &&
	       counts_sum(stream->raw, stream->raw_count) <= counts_sum(now, words);
}

enum growth { GROWTH_NONE, GROWTH_SINCE, GROWTH_ALL };

/* With bounds that are not those of what it said last no growth can be told. */
static enum growth growth_of(const struct weir_point_at *at, const uint64_t *now, uint32_t words)
{
	const struct weir_point_stream *stream = at->stream;

	if (at->is_midway) {
		return GROWTH_NONE;
	}
	if (at->is_first || stream->raw_count == 0 || has_restarted(at)) {
		return GROWTH_ALL;
	}
	if (stream->raw_count != words ||
		(stream->raw[RAW_BOUNDS] != 0 && stream->raw[RAW_BOUNDS] != now[RAW_BOUNDS])) {
		return says_again(at, now, words) ? GROWTH_NONE : GROWTH_ALL;
	}
	for (uint32_t i = WEIR_HISTOGRAM_COUNTS; i < words; i++) {
		if (now[i] < stream->raw[i]) {
			return GROWTH_ALL;
		}
	}
	return GROWTH_SINCE;
}

/* Makes of `now` what it grew by; `raw` becomes what it said. */
static bool histogram_grow(
	struct weir_families *families, const struct weir_point_at *at, uint64_t *now, uint32_t words)
{
	enum growth growth = growth_of(at, now, words);
	uint64_t *raw = raw_of(families, at, words);

	if (raw == NULL) {
		return false;
	}
	for (uint32_t i = WEIR_HISTOGRAM_COUNTS; i < words; i++) {
		uint64_t said = now[i];

		now[i] -= growth == GROWTH_NONE ? said : growth == GROWTH_SINCE ? raw[i] : 0;
		raw[i] = said;
	}
	raw[RAW_BOUNDS] = now[RAW_BOUNDS];
	if (growth == GROWTH_SINCE) {
		double said = weir_real_of(now[WEIR_HISTOGRAM_SUM]);

		now[WEIR_HISTOGRAM_SUM] = weir_real_bits(said - weir_real_of(raw[WEIR_HISTOGRAM_SUM]));
		raw[WEIR_HISTOGRAM_SUM] = weir_real_bits(said);
	} else {
		raw[WEIR_HISTOGRAM_SUM] = now[WEIR_HISTOGRAM_SUM];
		now[WEIR_HISTOGRAM_SUM] = growth == GROWTH_NONE ? 0 : now[WEIR_HISTOGRAM_SUM];
	}
	return true;
}

/* Counts of other bounds: each goes where all of it is sure to be below the upper bound. */
static void counts_add(struct weir_family_series *series, const struct weir_family_bounds *own,
	const struct weir_family_bounds *other, const uint64_t *counts)
{
	uint32_t to = 0;

	for (uint32_t i = 0; i <= other->count; i++) {
		while (to < own->count && (i == other->count || own->at[to] < other->at[i])) {
			to++;
		}
		series->words[WEIR_HISTOGRAM_COUNTS + to] += counts[i];
	}
}

/* What a cumulative stream said last is of no use any more. */
static void raw_forget(struct weir_families *families, const struct weir_point_at *at)
{
	if (!is_delta(at)) {
		families->raw_total -= at->stream->raw_count;
		at->stream->raw_count = 0;
	}
}

/* The series takes these bounds. What a cumulative stream says again is not of
 * the expired. False: no room. */
static bool bounds_change(struct weir_families *families, const struct weir_point_at *at,
	const struct weir_family_wish *shape, const uint64_t *now)
{
	struct weir_family_total again = { 0 };

	if (says_again(at, now, shape->word_count)) {
		again.whole = counts_sum(at->stream->raw, at->stream->raw_count);
		again.real = weir_real_of(at->stream->raw[WEIR_HISTOGRAM_SUM]);
	}
	if (!weir_families_reshape(families, at->stream->series, shape, &again)) {
		return false;
	}
	raw_forget(families, at);
	return true;
}

static bool histogram_apply(
	struct weir_families *families, const struct weir_point_at *at, struct weir_family_wish *shape)
{
	uint64_t now[WEIR_HISTOGRAM_COUNTS + WEIR_FAMILY_BOUNDS_MAX + 1] = { 0 };
	uint32_t words = shape->word_count, count = words - WEIR_HISTOGRAM_COUNTS;
	struct weir_family_series *series = NULL;
	bool has_sum = (at->point->flags & WEIR_POINT_HAS_SUM) != 0 && isfinite(at->point->sum);

	if (is_late(at)) {
		return false;
	}
	now[WEIR_HISTOGRAM_SUM] = weir_real_bits(has_sum ? at->point->sum : 0);
	now[RAW_BOUNDS] = families->bounds[shape->bounds].hash;
	counts_read(at, now + WEIR_HISTOGRAM_COUNTS, count);
	if (at->stream->series != WEIR_NONE) {
		series = &families->series[at->stream->series];
		if (series->bounds != shape->bounds && !series->is_overflow) {
			if (is_delta(at) && weir_seen_is_behind(at->stream, at->point)) {
				return false;
			}
			if (at->point->count == 0 && at->point->counts.length == 0) {
				raw_forget(
					families, at); /* nothing observed, no bounds told: the series keeps its own */
				return true;
			}
			shape->created_ns = at->created_ns;
			if (!bounds_change(families, at, shape, now)) {
				return false;
			}
		}
	}
	if (!is_delta(at) && !histogram_grow(families, at, now, words)) {
		return false;
	}
	if (series != NULL && at->is_counted) {
		counts_add(series, &families->bounds[series->bounds], &families->bounds[shape->bounds],
			now + WEIR_HISTOGRAM_COUNTS);
		weir_real_add(&series->words[WEIR_HISTOGRAM_SUM], weir_real_of(now[WEIR_HISTOGRAM_SUM]));
		series->words[WEIR_HISTOGRAM_HAS_SUM] |= has_sum;
	}
	return true;
}

/* A cumulative one that says less than it said before began again. */
static bool is_less(const struct weir_expo *now, const struct weir_expo *before)
{
	return weir_expo_count(now) < weir_expo_count(before);
}

static bool exponential_apply(
	struct weir_families *families, struct weir_family_series *series, const struct weir_point_at *at)
{
	struct weir_expo now, cells, before;
	bool has_before;

	if (is_late(at) || !weir_expo_read(at->batch, at->point, &now) || !isfinite(now.sum)) {
		return false;
	}
	has_before = !is_delta(at) && at->stream->raw_count == WEIR_EXPO_WORDS;
	if (has_before) {
		memcpy(&before, at->stream->raw, sizeof(before));
		has_before = !has_restarted(at) && !is_less(&now, &before);
	}
	if (!is_delta(at)) {
		uint64_t *raw = raw_of(families, at, WEIR_EXPO_WORDS);

		if (raw == NULL) {
			return false;
		}
		memcpy(raw, &now, sizeof(now));
	}
	if (series != NULL && at->is_counted && !at->is_midway) {
		memcpy(&cells, series->words, sizeof(cells));
		if (has_before) {
			weir_expo_take(&cells, &before);
		}
		weir_expo_add(&cells, &now);
		memcpy(series->words, &cells, sizeof(cells));
	}
	return true;
}

static bool summary_apply(
	struct weir_families *families, const struct weir_point_at *at, struct weir_family_wish *shape)
{
	const struct weir_family_total nothing = { 0 };
	struct weir_family_series *series;
	uint32_t quantiles = (shape->word_count - WEIR_SUMMARY_QUANTILES) / 2;

	if (at->stream->series == WEIR_NONE) {
		return false;
	}
	series = &families->series[at->stream->series];
	if (at->point->time_ns != 0 && at->point->time_ns < series->words[WEIR_SUMMARY_TIME]) {
		return false;
	}
	shape->created_ns = series->created_ns;
	if (series->word_count != shape->word_count &&
		!weir_families_reshape(families, at->stream->series, shape, &nothing)) {
		return false;
	}
	series->words[WEIR_SUMMARY_COUNT] = at->point->count;
	series->words[WEIR_SUMMARY_SUM] = weir_real_bits(at->point->sum);
	series->words[WEIR_SUMMARY_TIME] = at->point->time_ns;
	for (uint32_t i = 0; i < quantiles; i++) {
		uint64_t *pair = series->words + WEIR_SUMMARY_QUANTILES + 2 * (size_t)i;

		pair[0] = weir_batch_number(at->batch, at->point->bounds, i);
		pair[1] = weir_batch_number(at->batch, at->point->counts, i);
	}
	return true;
}

/* Of what was counted: what is met midway, or another signal owns, is no example. */
static void exemplar_keep(struct weir_families *families, const struct weir_point_at *at)
{
	const struct weir_point *point = at->point;
	struct weir_exemplar_view exemplar = { .time_ns = at->now_ns, .value = point->exemplar_value };

	if ((point->flags & WEIR_POINT_HAS_EXEMPLAR) == 0 || !at->is_counted || at->is_midway ||
		!isfinite(point->exemplar_value)) {
		return;
	}
	if (point->exemplar_ns != 0 && point->exemplar_ns < at->now_ns) {
		exemplar.time_ns = point->exemplar_ns;
	}
	memcpy(exemplar.trace_id, point->exemplar_trace, sizeof(exemplar.trace_id));
	memcpy(exemplar.span_id, point->exemplar_span, sizeof(exemplar.span_id));
	weir_families_exemplar(families, at->stream->series, &exemplar);
}

bool weir_point_cell_apply(struct weir_families *families, const struct weir_point_at *at, uint64_t *ret_more)
{
	uint32_t number = at->stream->series;
	struct weir_family_wish shape = { 0 };
	struct weir_family_series *series = number == WEIR_NONE ? NULL : &families->series[number];
	bool has_moved = false;

	*ret_more = 0;
	switch (at->instrument->kind) {
	case WEIR_INSTRUMENT_GAUGE:
	case WEIR_INSTRUMENT_SUM:
		has_moved = number_apply(families, series, at, ret_more);
		break;
	case WEIR_INSTRUMENT_HISTOGRAM:
		has_moved = weir_point_cell_shape(families, at, &shape) && histogram_apply(families, at, &shape);
		break;
	case WEIR_INSTRUMENT_EXPONENTIAL:
		has_moved = exponential_apply(families, series, at);
		break;
	default:
		has_moved = weir_point_cell_shape(families, at, &shape) && summary_apply(families, at, &shape);
		break;
	}
	if (!has_moved) {
		return false;
	}
	if (series != NULL) {
		weir_families_touch(families, number);
		exemplar_keep(families, at);
	}
	if (is_delta(at)) {
		weir_seen_add(families, at->stream, at->point);
	} else {
		at->stream->start_ns = at->point->start_ns;
		at->stream->time_ns = at->point->time_ns;
	}
	return true;
}
