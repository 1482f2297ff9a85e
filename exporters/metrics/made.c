/* made: the metrics that weir makes, from one snapshot.
 *
 * Invariants
 *  1. A family without series is not there at all; a proxy's own series of a
 *     standard metric stand with weir's, since a name has one HELP and TYPE.
 *  2. A histogram's count and buckets come from the same cells of one snapshot.
 *
 * Thread: any; the snapshot does not change. */
#include "exporters/metrics/made.h"

#include "exporters/metrics/passed.h"
#include "rules/label.h"

static void series(struct weir_exposition *out, const struct weir_metric *metric, const struct weir_series_view *view)
{
	struct weir_exposition_sample sample = {
		.labels = view->labels,
		.created_ns = view->created_ns,
		.exemplars = view->exemplars,
		.exemplar_count = view->exemplar_count,
	};

	if (metric->kind == WEIR_METRIC_HISTOGRAM) {
		sample.count = view->count;
		sample.sum = view->sum;
		sample.has_sum = true;
		sample.bounds = metric->bounds;
		sample.bound_count = metric->bound_count;
		sample.counts = view->buckets;
	} else if (metric->kind == WEIR_METRIC_COUNTER && metric->unit == WEIR_UNIT_WHOLE) {
		sample.number = weir_exposition_whole(view->count);
	} else {
		sample.number = weir_exposition_real(view->sum);
	}
	weir_exposition_sample(out, &sample);
}

static void expired(struct weir_exposition *out, const struct weir_snapshot *snapshot)
{
	const struct weir_exposition_family family = {
		.name = weir_str_of("weir_series_expired_value_total"),
		.help = weir_str_of(
			"What the series of a metric had counted that expired: the total is this and what is left."),
		.type = WEIR_EXPOSED_COUNTER,
	};
	struct weir_buf labels;

	if (snapshot->expired_count == 0) {
		return;
	}
	weir_buf_init(&labels, 0);
	weir_exposition_family(out, &family);
	while (weir_exposition_pass(out)) {
		for (uint32_t i = 0; i < snapshot->expired_count; i++) {
			const struct weir_expired_view *view = &snapshot->expired[i];
			struct weir_exposition_sample sample = { .number = weir_exposition_real(view->value),
				.created_ns = view->created_ns };

			weir_buf_clear(&labels);
			weir_label_add(&labels, weir_str_of("metric"), view->metric);
			sample.labels = weir_buf_str(&labels);
			weir_exposition_sample(out, &sample);
		}
	}
	weir_buf_fini(&labels);
}

void weir_made_render(struct weir_exposition *out, const struct weir_snapshot *snapshot)
{
	for (uint32_t i = 0; i < snapshot->metric_count; i++) {
		const struct weir_metric *metric = snapshot->metrics[i];
		const struct weir_exposition_family family = {
			.name = weir_str_of(metric->name),
			.help = weir_str_of(metric->help),
			.type = weir_passthrough_type_of_kind(metric->kind),
			.bounds = metric->bounds,
			.bound_count = metric->bound_count,
		};

		if (snapshot->series_counts[i] == 0 && !weir_passed_joins(snapshot, i)) {
			continue;
		}
		weir_exposition_family(out, &family);
		while (weir_exposition_pass(out)) {
			for (uint32_t j = 0; j < snapshot->series_counts[i]; j++) {
				series(out, metric, &snapshot->series[i][j]);
			}
			weir_passed_join(out, snapshot, i);
		}
	}
	expired(out, snapshot);
}
