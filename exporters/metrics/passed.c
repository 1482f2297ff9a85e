/* passed: passed-through families in Prometheus' text format.
 *
 *   number       name{<labels>} 17
 *   histogram    name_bucket{<labels>,le="…"} …, le="+Inf" last; _sum, _count
 *   exponential  the same, its buckets put together to powers of two, of which
 *                POWERS_MAX are shown at most: a bucket's bound is a power of two
 *                at every scale from 0 down, so nothing is guessed
 *   summary      name{<labels>,quantile="…"} …; _sum, _count
 *
 * Labels were made fit and escaped when the series was made.
 *
 * Invariants
 *  1. A family's samples are contiguous, HELP and TYPE stand before them.
 *  2. le="+Inf" equals _count.
 *
 * Thread: any; the snapshot does not change. */
#include "exporters/metrics/passed.h"

#include <math.h>

#include "exporters/json_write.h"
#include "rules/passthrough.h"

#define POWERS_MAX 40u
#define EXPONENT_MAX 1023

static void help_add(struct weir_buf *text, const struct weir_family_view *family)
{
	weir_buf_add_text(text, "# HELP ");
	weir_buf_add_str(text, family->name);
	weir_buf_add_char(text, ' ');
	for (size_t i = 0; i < family->help.length; i++) {
		char c = family->help.data[i];

		if (c == '\\' || c == '\n') {
			weir_buf_add_char(text, '\\');
		}
		weir_buf_add_char(text, c == '\n' ? 'n' : c);
	}
	weir_buf_add_text(text, "\n# TYPE ");
	weir_buf_add_str(text, family->name);
	weir_buf_add_char(text, ' ');
	weir_buf_add_text(text, weir_passthrough_type_name(family->exposed));
	weir_buf_add_char(text, '\n');
}

struct line { /* of one series */
	struct weir_buf *text;
	struct weir_str name, labels;
};

static void real_add(struct weir_buf *text, double value)
{
	char number[WEIR_JSON_WRITE_NUMBER];

	weir_buf_add(text, number, weir_json_write_number(number, value));
}

/* `name<suffix>{labels,<key>="<bound>"} `; without the last label when `key` is NULL. */
static void line_begin(const struct line *line, const char *suffix, const char *key, double bound)
{
	weir_buf_add_str(line->text, line->name);
	weir_buf_add_text(line->text, suffix);
	if (line->labels.length > 0 || key != NULL) {
		weir_buf_add_char(line->text, '{');
		weir_buf_add_str(line->text, line->labels);
		if (key != NULL) {
			if (line->labels.length > 0) {
				weir_buf_add_char(line->text, ',');
			}
			weir_buf_add_text(line->text, key);
			weir_buf_add_text(line->text, "=\"");
			real_add(line->text, bound);
			weir_buf_add_char(line->text, '"');
		}
		weir_buf_add_char(line->text, '}');
	}
	weir_buf_add_char(line->text, ' ');
}

static void whole_end(const struct line *line, uint64_t value)
{
	weir_buf_add_u64(line->text, value);
	weir_buf_add_char(line->text, '\n');
}

static void real_end(const struct line *line, double value)
{
	real_add(line->text, value);
	weir_buf_add_char(line->text, '\n');
}

static void bucket(const struct line *line, double bound, uint64_t cumulative)
{
	line_begin(line, "_bucket", "le", bound);
	whole_end(line, cumulative);
}

static void sum_and_count(const struct line *line, const struct weir_point_view *point)
{
	if (point->has_sum) {
		line_begin(line, "_sum", NULL, 0);
		real_end(line, point->sum);
	}
	line_begin(line, "_count", NULL, 0);
	whole_end(line, point->count);
}

static void number(const struct line *line, const struct weir_point_view *point)
{
	line_begin(line, "", NULL, 0);
	if (point->real < 0 || point->real > 0 || isnan(point->real)) {
		real_end(line, (double)point->whole + point->real);
	} else if (point->whole < 0) {
		weir_buf_add_char(line->text, '-');
		whole_end(line, 0 - (uint64_t)point->whole);
	} else {
		whole_end(line, (uint64_t)point->whole);
	}
}

static void histogram(const struct line *line, const struct weir_point_view *point)
{
	uint64_t cumulative = 0;

	for (uint32_t i = 0; i < point->bound_count; i++) {
		cumulative += point->counts[i];
		bucket(line, point->bounds[i], cumulative);
	}
	bucket(line, INFINITY, point->count);
	sum_and_count(line, point);
}

struct powers { /* buckets put together: k is (2^((first + k) * step), 2^((first + k + 1) * step)] */
	int64_t first, step;
	uint32_t count;
	uint64_t counts[POWERS_MAX];
};

static void powers_of(const struct weir_point_buckets *buckets, int64_t scale, struct powers *ret_powers)
{
	unsigned shift = scale > 0 ? (unsigned)scale : 0;
	int64_t last = buckets->first + (int64_t)buckets->count - 1;

	*ret_powers = (struct powers){ 0 };
	if (buckets->count == 0) {
		return;
	}
	while ((last >> shift) - (buckets->first >> shift) >= (int64_t)POWERS_MAX) {
		shift++;
	}
	ret_powers->first = buckets->first >> shift;
	ret_powers->count = (uint32_t)((last >> shift) - ret_powers->first + 1);
	/* A step beyond the largest exponent is as good as any: its bounds are 0 or infinite. */
	ret_powers->step = (int64_t)shift - scale > 11 ? 4096 : INT64_C(1) << ((int64_t)shift - scale);
	for (uint32_t i = 0; i < buckets->count; i++) {
		int64_t index = (buckets->first + (int64_t)i) >> shift;

		ret_powers->counts[index - ret_powers->first] += buckets->counts[i];
	}
}

/* 2^(index * step); 0 or infinite where no double is. */
static double power(const struct powers *powers, int64_t index)
{
	int64_t limit = EXPONENT_MAX / powers->step + 2;

	if (index > limit) {
		return INFINITY;
	}
	return index < -limit - 1074 ? 0 : ldexp(1, (int)(index * powers->step));
}

static void exponential(const struct line *line, const struct weir_point_view *point)
{
	struct powers negative, positive;
	uint64_t cumulative = 0;

	powers_of(&point->negative, point->scale, &negative);
	powers_of(&point->positive, point->scale, &positive);
	for (uint32_t i = negative.count; i-- > 0;) {
		cumulative += negative.counts[i];
		if (power(&negative, negative.first + (int64_t)i) > 0) {
			bucket(line, -power(&negative, negative.first + (int64_t)i), cumulative);
		}
	}
	cumulative += point->zero_count;
	if (cumulative > 0) {
		bucket(line, point->zero_threshold, cumulative);
	}
	for (uint32_t i = 0; i < positive.count; i++) {
		double bound = power(&positive, positive.first + (int64_t)i + 1);

		cumulative += positive.counts[i];
		if (bound > point->zero_threshold && isfinite(bound)) {
			bucket(line, bound, cumulative);
		}
	}
	bucket(line, INFINITY, point->count);
	sum_and_count(line, point);
}

static void summary(const struct line *line, const struct weir_point_view *point)
{
	for (uint32_t i = 0; i < point->bound_count; i++) {
		line_begin(line, "", "quantile", point->bounds[2 * i]);
		real_end(line, point->bounds[2 * i + 1]);
	}
	sum_and_count(line, point);
}

static void points_add(
	struct weir_buf *text, const struct weir_family_view *family, const struct weir_text_drain *drain)
{
	for (uint32_t i = 0; i < family->point_count; i++) {
		const struct weir_point_view *point = &family->points[i];
		const struct line line = { text, family->name, point->labels };

		switch (point->form) {
		case WEIR_POINT_NUMBER:
			number(&line, point);
			break;
		case WEIR_POINT_HISTOGRAM:
			histogram(&line, point);
			break;
		case WEIR_POINT_EXPONENTIAL:
			exponential(&line, point);
			break;
		case WEIR_POINT_SUMMARY:
			summary(&line, point);
			break;
		}
		weir_text_drain(drain);
	}
}

void weir_passed_render(
	struct weir_buf *text, const struct weir_snapshot *snapshot, const struct weir_text_drain *drain)
{
	for (uint32_t i = 0; i < snapshot->family_count; i++) {
		const struct weir_family_view *family = &snapshot->families[i];

		if (family->point_count > 0 && family->metric == WEIR_NONE) {
			help_add(text, family);
			points_add(text, family, drain);
		}
	}
}

bool weir_passed_joins(const struct weir_snapshot *snapshot, uint32_t metric)
{
	for (uint32_t i = 0; i < snapshot->family_count; i++) {
		if (snapshot->families[i].metric == metric && snapshot->families[i].point_count > 0) {
			return true;
		}
	}
	return false;
}

void weir_passed_join(struct weir_buf *text, const struct weir_snapshot *snapshot, uint32_t metric,
	const struct weir_text_drain *drain)
{
	for (uint32_t i = 0; i < snapshot->family_count; i++) {
		if (snapshot->families[i].metric == metric) {
			points_add(text, &snapshot->families[i], drain);
		}
	}
}
