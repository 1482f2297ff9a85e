/* ledger_text: the ledger, completeness and the fold's own counters in
 * Prometheus' text format 0.0.4.
 *
 * Sums by signal and reason are there from the start, at 0; what is told by
 * source shows when it has come, and is as bounded as the fold's tables are.
 *
 * Thread: any; the snapshot does not change. */
#include <stddef.h>
#include <stdio.h>

#include "exporters/metrics/text.h"
#include "rules/label.h"

struct sums {
	uint64_t received, kept, duplicates, mismatched, thinned[WEIR_THINS], dropped[WEIR_DROPS];
};

static void sum_up(struct sums sums[WEIR_SIGNALS], const struct weir_snapshot *snapshot)
{
	memset(sums, 0, WEIR_SIGNALS * sizeof(sums[0]));
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

static void by_signal(struct weir_buf *text, const char *name, unsigned signal, uint64_t value)
{
	char labels[64];

	snprintf(labels, sizeof(labels), "signal=\"%s\"", weir_signal_name(signal));
	weir_text_sample(text, name, labels, value);
}

static void by_reason(struct weir_buf *text, const char *name, unsigned signal, const char *reason, uint64_t value)
{
	char labels[128];

	snprintf(labels, sizeof(labels), "signal=\"%s\",reason=\"%s\"", weir_signal_name(signal), reason);
	weir_text_sample(text, name, labels, value);
}

static void render_sums(struct weir_buf *text, const struct weir_snapshot *snapshot)
{
	struct sums sums[WEIR_SIGNALS];

	sum_up(sums, snapshot);
	weir_text_family(text, "weir_received_items_total", "counter", "Items that entered the ring.");
	for (unsigned s = 0; s < WEIR_SIGNALS; s++) {
		by_signal(text, "weir_received_items_total", s, sums[s].received);
	}
	weir_text_family(text, "weir_kept_items_total", "counter", "Items counted, and kept with their detail.");
	for (unsigned s = 0; s < WEIR_SIGNALS; s++) {
		by_signal(text, "weir_kept_items_total", s, sums[s].kept);
	}
	weir_text_family(text, "weir_duplicate_items_total", "counter",
		"Items of batches that a sender repeated because it had not seen the answer; not counted again.");
	for (unsigned s = 0; s < WEIR_SIGNALS; s++) {
		by_signal(text, "weir_duplicate_items_total", s, sums[s].duplicates);
	}
	weir_text_family(text, "weir_thinned_items_total", "counter", "Items counted, their detail shed, by reason.");
	for (unsigned s = 0; s < WEIR_SIGNALS; s++) {
		for (unsigned r = 0; r < WEIR_THINS; r++) {
			by_reason(text, "weir_thinned_items_total", s, weir_thin_name(r), sums[s].thinned[r]);
		}
	}
	weir_text_family(text, "weir_dropped_items_total", "counter", "Items received and not counted, by reason.");
	for (unsigned s = 0; s < WEIR_SIGNALS; s++) {
		for (unsigned r = 0; r < WEIR_DROPS; r++) {
			by_reason(text, "weir_dropped_items_total", s, weir_drop_name(r), sums[s].dropped[r]);
		}
	}
	weir_text_family(text, "weir_identity_mismatched_items_total", "counter",
		"Items that claim another sender than their certificate names.");
	for (unsigned s = 0; s < WEIR_SIGNALS; s++) {
		by_signal(text, "weir_identity_mismatched_items_total", s, sums[s].mismatched);
	}
}

/* ---- by source ---------------------------------------------------------- */

/* `source="…",signal="…"` */
static void completeness_labels(struct weir_buf *labels, const struct weir_completeness_view *view)
{
	weir_buf_clear(labels);
	weir_label_add(labels, weir_str_of("source"), view->source);
	weir_label_add(labels, weir_str_of("signal"), weir_str_of(weir_signal_name(view->signal)));
	weir_buf_add_char(labels, '\0');
}

static void render_completeness(struct weir_buf *text, const struct weir_snapshot *snapshot)
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
		weir_text_family(text, families[f].name, "counter", families[f].help);
		for (uint32_t i = 0; i < snapshot->completeness_count; i++) {
			const struct weir_completeness_view *view = &snapshot->completeness[i];
			uint64_t value;

			memcpy(&value, (const char *)view + families[f].member, sizeof(value));
			completeness_labels(&labels, view);
			weir_text_sample(text, families[f].name, labels.data, value);
		}
	}
	weir_buf_fini(&labels);
}

static void render_logs(struct weir_buf *text, const struct weir_snapshot *snapshot)
{
	struct weir_buf labels;

	weir_buf_init(&labels, 0);
	if (snapshot->log_count > 0) {
		weir_text_family(text, "weir_log_records_total", "counter", "Log records by service and severity.");
	}
	for (uint32_t i = 0; i < snapshot->log_count; i++) {
		weir_buf_clear(&labels);
		weir_label_add(&labels, weir_str_of("service"), snapshot->logs[i].service);
		weir_label_add(&labels, weir_str_of("severity"), weir_str_of(snapshot->logs[i].severity));
		weir_buf_add_char(&labels, '\0');
		weir_text_sample(text, "weir_log_records_total", labels.data, snapshot->logs[i].count);
	}
	weir_buf_fini(&labels);
}

static void render_skew(struct weir_buf *text, const struct weir_snapshot *snapshot)
{
	struct weir_buf labels;

	weir_buf_init(&labels, 0);
	if (snapshot->ledger_count > 0) {
		weir_text_family(text, "weir_source_skew_seconds", "gauge",
			"Arrival less the time of the newest record, when the source last sent.");
	}
	for (uint32_t i = 0; i < snapshot->ledger_count; i++) {
		const struct weir_ledger_view *row = &snapshot->ledger[i];

		weir_buf_clear(&labels);
		weir_label_add(&labels, weir_str_of("source"), row->source);
		weir_label_add(&labels, weir_str_of("protocol"), weir_str_of(weir_protocol_name(row->protocol)));
		weir_label_add(&labels, weir_str_of("signal"), weir_str_of(weir_signal_name(row->signal)));
		weir_buf_add_char(&labels, '\0');
		weir_text_sample_double(text, "weir_source_skew_seconds", labels.data, (double)row->skew_ns / 1e9);
	}
	weir_buf_fini(&labels);
}

/* ---- the tables --------------------------------------------------------- */

static void one(struct weir_buf *text, const char *name, const char *type, const char *help, uint64_t value)
{
	weir_text_family(text, name, type, help);
	weir_text_sample(text, name, "", value);
}

static void render_tables(struct weir_buf *text, const struct weir_snapshot *snapshot)
{
	one(text, "weir_series", "gauge", "Series of the exposed families.",
		snapshot->series_total + snapshot->points_total);
	one(text, "weir_series_overflowed_total", "counter",
		"Items counted in an overflow series because metrics.max_series was reached.", snapshot->overflowed);
	one(text, "weir_points_overflowed_total", "counter",
		"Metric points counted in an overflow series, or in none, because their share of metrics.max_series was reached.",
		snapshot->points_overflowed);
	one(text, "weir_points_conflicting_total", "counter",
		"Metric points left out because their name is taken by a metric of another type.",
		snapshot->points_conflicting);
	one(text, "weir_points_late_total", "counter", "Metric points that came again, or too late for their series.",
		snapshot->points_late);
	one(text, "weir_points_midway_total", "counter",
		"Streams of points whose first value was where they began, since it may have been counted before.",
		snapshot->points_midway);
	one(text, "weir_label_values_cut_total", "counter",
		"Label values of passed-through series that were longer than 1024 bytes.", snapshot->points_cut_values);
	one(text, "weir_tcp_shortfall_bytes_total", "counter",
		"Bytes of TCP connections that had flowed before their first report reached weir.",
		snapshot->shortfall_bytes);
	one(text, "weir_tcp_shortfall_connections_total", "counter", "TCP connections first heard of in their midst.",
		snapshot->shortfall_connections);
	one(text, "weir_replaced_utf8_total", "counter", "Strings in which invalid UTF-8 was replaced.",
		snapshot->replaced_utf8);
}

void weir_text_ledger(struct weir_buf *text, const struct weir_snapshot *snapshot)
{
	render_sums(text, snapshot);
	render_completeness(text, snapshot);
	render_logs(text, snapshot);
	render_skew(text, snapshot);
	render_tables(text, snapshot);
}
