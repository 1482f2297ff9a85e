/* ledger_metrics: the ledger, completeness and the fold's own counters, as families.
 *
 * Sums by signal and reason are there from the start, at 0; what is told by
 * source shows when it has come, and is as bounded as the fold's tables are.
 * They began when all counters did; a proxy's completeness, when it first said
 * how much it had sent.
 *
 * Thread: any; the snapshot does not change. */
#include "exporters/metrics/ledger_metrics.h"

#include <stddef.h>
#include <stdio.h>

#include "rules/label.h"

struct sums { /* of a signal */
	const char *signal;
	uint64_t began_ns;
	uint64_t received, kept, duplicates, mismatched, thinned[WEIR_THINS], dropped[WEIR_DROPS];
};

static void sum_up(struct sums sums[WEIR_SIGNALS], const struct weir_snapshot *snapshot)
{
	for (unsigned s = 0; s < WEIR_SIGNALS; s++) {
		sums[s] = (struct sums){ .signal = weir_signal_name(s), .began_ns = snapshot->began_ns };
	}
	for (uint32_t i = 0; i < snapshot->ledger_count; i++) {
		const struct weir_ledger_view *row = &snapshot->ledger[i];
		struct sums *sum = row->signal < WEIR_SIGNALS ? &sums[row->signal] : NULL;

		if (sum == NULL) {
			continue;
		}
		sum->received += row->received;
		sum->kept += row->kept;
		sum->duplicates += row->duplicates;
		sum->mismatched += row->mismatched;
		for (unsigned r = 0; r < WEIR_THINS; r++) {
			sum->thinned[r] += row->thinned[r];
		}
		for (unsigned r = 0; r < WEIR_DROPS; r++) {
			sum->dropped[r] += row->dropped[r];
		}
	}
}

static const struct {
	const char *name, *help;
	size_t member;    /* of struct sums */
	unsigned reasons; /* > 0: it is an array of so many */
	const char *(*reason_name)(unsigned reason);
} sum_families[] = {
	{ "weir_received_items_total", "Items that entered the ring.", offsetof(struct sums, received), 0, NULL },
	{ "weir_kept_items_total", "Items counted, and kept with their detail.", offsetof(struct sums, kept), 0, NULL },
	{ "weir_duplicate_items_total",
		"Items of batches that a sender repeated because it had not seen the answer; not counted again.",
		offsetof(struct sums, duplicates), 0, NULL },
	{ "weir_thinned_items_total", "Items counted, their detail shed, by reason.", offsetof(struct sums, thinned),
		WEIR_THINS, weir_thin_name },
	{ "weir_dropped_items_total", "Items received and not counted, by reason.", offsetof(struct sums, dropped),
		WEIR_DROPS, weir_drop_name },
	{ "weir_identity_mismatched_items_total", "Items that claim another sender than their certificate names.",
		offsetof(struct sums, mismatched), 0, NULL },
};

static uint64_t member_at(const void *of, size_t offset)
{
	uint64_t value;

	memcpy(&value, (const char *)of + offset, sizeof(value));
	return value;
}

static void sums_of(struct weir_exposition *out, const struct sums *sums, size_t family)
{
	char labels[128];
	int n;

	if (sum_families[family].reason_name == NULL) {
		n = snprintf(labels, sizeof(labels), "signal=\"%s\"", sums->signal);
		weir_exposition_count(out, weir_str_make(labels, (size_t)n),
			member_at(sums, sum_families[family].member), sums->began_ns);
	}
	for (unsigned r = 0; r < sum_families[family].reasons; r++) {
		n = snprintf(labels, sizeof(labels), "signal=\"%s\",reason=\"%s\"", sums->signal,
			sum_families[family].reason_name(r));
		weir_exposition_count(out, weir_str_make(labels, (size_t)n),
			member_at(sums, sum_families[family].member + r * sizeof(uint64_t)), sums->began_ns);
	}
}

static void begin(struct weir_exposition *out, const char *name, enum weir_exposed type, const char *help)
{
	const struct weir_exposition_family family = {
		.name = weir_str_of(name), .help = weir_str_of(help), .type = type
	};

	weir_exposition_family(out, &family);
}

static void render_sums(struct weir_exposition *out, const struct weir_snapshot *snapshot)
{
	struct sums sums[WEIR_SIGNALS];

	sum_up(sums, snapshot);
	for (size_t f = 0; f < sizeof(sum_families) / sizeof(sum_families[0]); f++) {
		begin(out, sum_families[f].name, WEIR_EXPOSED_COUNTER, sum_families[f].help);
		while (weir_exposition_pass(out)) {
			for (unsigned s = 0; s < WEIR_SIGNALS; s++) {
				sums_of(out, &sums[s], f);
			}
		}
	}
}

/* ---- by source ---------------------------------------------------------- */

static void render_completeness(struct weir_exposition *out, const struct weir_snapshot *snapshot)
{
	static const struct {
		const char *name, *help;
		size_t member;
	} families[] = {
		{ "weir_source_seen_items_total", "Items received of a proxy since it first said how many it sent.",
			offsetof(struct weir_completeness_view, seen) },
		{ "weir_source_sent_items_total", "Items that the proxy says that it sent since then.",
			offsetof(struct weir_completeness_view, sent) },
		{ "weir_source_dropped_items_total", "Items that the proxy says that it dropped itself since then.",
			offsetof(struct weir_completeness_view, dropped) },
	};
	struct weir_buf labels;

	weir_buf_init(&labels, 0);
	for (size_t f = 0; f < sizeof(families) / sizeof(families[0]) && snapshot->completeness_count > 0; f++) {
		begin(out, families[f].name, WEIR_EXPOSED_COUNTER, families[f].help);
		while (weir_exposition_pass(out)) {
			for (uint32_t i = 0; i < snapshot->completeness_count; i++) {
				const struct weir_completeness_view *view = &snapshot->completeness[i];

				weir_buf_clear(&labels);
				weir_label_add(&labels, weir_str_of("source"), view->source);
				weir_label_add(
					&labels, weir_str_of("signal"), weir_str_of(weir_signal_name(view->signal)));
				weir_exposition_count(out, weir_buf_str(&labels), member_at(view, families[f].member),
					view->created_ns);
			}
		}
	}
	weir_buf_fini(&labels);
}

static void render_logs(struct weir_exposition *out, const struct weir_snapshot *snapshot)
{
	struct weir_buf labels;

	if (snapshot->log_count == 0) {
		return;
	}
	weir_buf_init(&labels, 0);
	begin(out, "weir_log_records_total", WEIR_EXPOSED_COUNTER, "Log records by service and severity.");
	while (weir_exposition_pass(out)) {
		for (uint32_t i = 0; i < snapshot->log_count; i++) {
			weir_buf_clear(&labels);
			weir_label_add(&labels, weir_str_of("service"), snapshot->logs[i].service);
			weir_label_add(&labels, weir_str_of("severity"), weir_str_of(snapshot->logs[i].severity));
			weir_exposition_count(out, weir_buf_str(&labels), snapshot->logs[i].count, snapshot->began_ns);
		}
	}
	weir_buf_fini(&labels);
}

static void render_skew(struct weir_exposition *out, const struct weir_snapshot *snapshot)
{
	struct weir_buf labels;

	if (snapshot->ledger_count == 0) {
		return;
	}
	weir_buf_init(&labels, 0);
	begin(out, "weir_source_skew_seconds", WEIR_EXPOSED_GAUGE,
		"Arrival less the time of the newest record, when the source last sent.");
	while (weir_exposition_pass(out)) {
		for (uint32_t i = 0; i < snapshot->ledger_count; i++) {
			const struct weir_ledger_view *row = &snapshot->ledger[i];
			struct weir_exposition_sample sample = { .number = weir_exposition_real(
									 (double)row->skew_ns / 1e9) };

			weir_buf_clear(&labels);
			weir_label_add(&labels, weir_str_of("source"), row->source);
			weir_label_add(
				&labels, weir_str_of("protocol"), weir_str_of(weir_protocol_name(row->protocol)));
			weir_label_add(&labels, weir_str_of("signal"), weir_str_of(weir_signal_name(row->signal)));
			sample.labels = weir_buf_str(&labels);
			weir_exposition_sample(out, &sample);
		}
	}
	weir_buf_fini(&labels);
}

/* ---- the tables --------------------------------------------------------- */

static void counter(
	struct weir_exposition *out, const char *name, const char *help, uint64_t value, uint64_t created_ns)
{
	weir_exposition_one(out, name, WEIR_EXPOSED_COUNTER, help, weir_exposition_whole(value), created_ns);
}

static void render_tables(struct weir_exposition *out, const struct weir_snapshot *snapshot)
{
	weir_exposition_one(out, "weir_series", WEIR_EXPOSED_GAUGE, "Series of the exposed families.",
		weir_exposition_whole(snapshot->series_total + snapshot->points_total), 0);
	counter(out, "weir_series_overflowed_total",
		"Items counted in an overflow series because metrics.max_series was reached.", snapshot->overflowed,
		snapshot->began_ns);
	counter(out, "weir_points_overflowed_total",
		"Metric points counted in an overflow series, or in none, because their share of metrics.max_series was reached.",
		snapshot->points_overflowed, snapshot->began_ns);
	counter(out, "weir_edges_overflowed_total",
		"Records counted in an edge of which a name is _overflow because the graph had no room for theirs.",
		snapshot->overflowed_edges, snapshot->began_ns);
	counter(out, "weir_points_conflicting_total",
		"Metric points left out because their name is taken by a metric of another type.",
		snapshot->points_conflicting, snapshot->began_ns);
	counter(out, "weir_points_late_total", "Metric points that came again, or too late for their series.",
		snapshot->points_late, snapshot->began_ns);
	counter(out, "weir_points_midway_total",
		"Streams of points whose first value was where they began, since it may have been counted before.",
		snapshot->points_midway, snapshot->began_ns);
	counter(out, "weir_label_values_cut_total",
		"Label values that were longer than 1024 bytes and were cut, of series when they were made.",
		snapshot->label_values_cut, snapshot->began_ns);
	counter(out, "weir_tcp_shortfall_bytes_total",
		"Bytes of TCP connections that had flowed before their first report reached weir.",
		snapshot->shortfall_bytes, snapshot->began_ns);
	counter(out, "weir_tcp_shortfall_connections_total", "TCP connections first heard of in their midst.",
		snapshot->shortfall_connections, snapshot->began_ns);
	counter(out, "weir_replaced_utf8_total", "Strings in which invalid UTF-8 was replaced.",
		snapshot->replaced_utf8, snapshot->began_ns);
}

void weir_ledger_metrics_render(struct weir_exposition *out, const struct weir_snapshot *snapshot)
{
	render_sums(out, snapshot);
	render_completeness(out, snapshot);
	render_logs(out, snapshot);
	render_skew(out, snapshot);
	render_tables(out, snapshot);
}
