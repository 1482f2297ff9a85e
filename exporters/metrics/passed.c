/* passed: passed-through families.
 *
 *   number       whole or real
 *   histogram    its own bounds
 *   exponential  classic buckets for whoever has no others (exponential.c), and as it is
 *   summary      quantiles
 *
 * Labels were made fit and escaped when the series was made.
 *
 * Thread: any; the snapshot does not change. */
#include "exporters/metrics/passed.h"

#include <math.h>

#include "exporters/metrics/exponential.h"

static struct weir_exposition_number number_of(const struct weir_point_view *point)
{
	if (point->real < 0 || point->real > 0 || isnan(point->real)) {
		return weir_exposition_real((double)point->whole + point->real);
	}
	if (point->whole < 0) {
		return (struct weir_exposition_number){ .whole = 0 - (uint64_t)point->whole,
			.form = WEIR_EXPOSITION_NEGATIVE };
	}
	return weir_exposition_whole((uint64_t)point->whole);
}

static void point_add(struct weir_exposition *out, const struct weir_point_view *point)
{
	struct weir_exponential_classic classic;
	struct weir_exposition_sample sample = {
		.labels = point->labels,
		.created_ns = point->created_ns,
		.count = point->count,
		.sum = point->sum,
		.has_sum = point->has_sum,
		.bounds = point->bounds,
		.bound_count = point->bound_count,
		.exemplars = point->exemplar,
		.exemplar_count = point->exemplar != NULL ? 1 : 0,
	};

	switch (point->form) {
	case WEIR_POINT_NUMBER:
		sample.number = number_of(point);
		break;
	case WEIR_POINT_HISTOGRAM:
		sample.counts = point->counts;
		break;
	case WEIR_POINT_EXPONENTIAL:
		weir_exponential_to_classic(point, &classic);
		sample.bounds = classic.bounds;
		sample.bound_count = classic.bound_count;
		sample.counts = classic.counts;
		sample.native = point;
		break;
	case WEIR_POINT_SUMMARY:
		break;
	}
	weir_exposition_sample(out, &sample);
}

static void points_add(struct weir_exposition *out, const struct weir_family_view *family)
{
	for (uint32_t i = 0; i < family->point_count; i++) {
		point_add(out, &family->points[i]);
	}
}

void weir_passed_render(struct weir_exposition *out, const struct weir_snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->family_count; i++) {
		const struct weir_family_view *view = &snapshot->families[i];
		const struct weir_exposition_family family = {
			.name = view->name, .help = view->help, .type = view->exposed
		};

		if (view->point_count == 0 || view->metric != WEIR_NONE) {
			continue;
		}
		weir_exposition_family(out, &family);
		while (weir_exposition_pass(out)) {
			points_add(out, view);
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

void weir_passed_join(struct weir_exposition *out, const struct weir_snapshot *snapshot, uint32_t metric)
{
	for (uint32_t i = 0; i < snapshot->family_count; i++) {
		if (snapshot->families[i].metric == metric) {
			points_add(out, &snapshot->families[i]);
		}
	}
}
