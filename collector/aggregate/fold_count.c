/* fold_count: a record and the rules become counted cells.
 *
 *   record ─▶ memo ─known─▶ hits ─▶ what each metric observes ─▶ cells
 *               └new─▶ rules that match ─▶ labels ─▶ sets ─┘
 *
 * Rules and labels are evaluated once for each key of the memo, and so is which
 * field of the record a metric reads; only what is more than a field is evaluated
 * for every record.
 *
 * Invariants
 *  1. A metric that cannot be evaluated for a record does not count it.
 *  2. What a hit says is what the tables would say: see fold.c, 4.
 *  3. Where a proxy's own istio_* own (owner.c), rules go on but for the metrics of these names, and so do lines
 *     of log.
 *
 * Runs on the aggregate thread only. */
#include <string.h>

#include "aggregate/state.h"

#include "base/hex.h"

#define HITS_MAX (2 * WEIR_GROUPS_MAX)

uint64_t weir_fold_created(const struct weir_fold *fold, const struct weir_batch *batch)
{
	return batch->received_ns > fold->counters_since_ns ? batch->received_ns : fold->counters_since_ns;
}

/* Remembers where records of this key count, and what the metrics read there. */
static void hit_keep(struct weir_fold *fold, const struct weir_rules_record *record, struct weir_memo_entry *memo,
	struct weir_series_hit hit)
{
	const struct weir_metric_group *group = &fold->series.schema->groups[fold->series.sets[hit.set].group];
	struct weir_reading readings[WEIR_GROUP_METRICS_MAX];
	uint32_t count = 0;

	for (uint32_t rest = hit.mask; rest != 0; rest &= rest - 1) {
		weir_scratch_reset(&fold->values);
		readings[count++] =
			weir_ruleset_reading(fold->ruleset, group->metrics[__builtin_ctz(rest)], record, &fold->values);
	}
	weir_memo_hit_add(&fold->memo, memo, hit, readings);
}

static void hits_find(struct weir_fold *fold, const struct weir_rules_record *record, struct weir_memo_entry *memo,
	enum weir_memo_hits wanted)
{
	struct weir_ruleset_hit matches[WEIR_GROUPS_MAX];
	struct weir_series_hit hits[HITS_MAX];
	uint32_t count, found = 0, before, cut;

	weir_scratch_reset(&fold->values);
	count = weir_ruleset_match(fold->ruleset, record, &fold->values, matches);
	for (uint32_t i = 0; i < count; i++) {
		if (wanted != WEIR_MEMO_ALL) { /* no series for what the proxy has its own of */
			matches[i].mask &= ~fold->series.schema->groups[matches[i].group].proxys;
		}
		if (matches[i].mask == 0) {
			continue;
		}
		weir_buf_clear(&fold->scratch);
		weir_scratch_reset(&fold->values);
		cut = weir_ruleset_labels(fold->ruleset, matches[i].group, record, &fold->values, &fold->scratch);
		before = fold->series.labels.live;
		found += weir_series_find(&fold->series, matches[i].group, weir_buf_str(&fold->scratch),
			(struct weir_series_hit){ 0, matches[i].mask }, weir_fold_created(fold, record->batch),
			hits + found);
		fold->series.cut_values += fold->series.labels.live > before ? cut : 0;
	}
	memo->has_hits = (uint8_t)wanted;
	memo->changes = fold->series.changes;
	for (uint32_t i = 0; i < found; i++) {
		memo->is_beyond |= fold->series.sets[hits[i].set].is_overflow;
		hit_keep(fold, record, memo, hits[i]);
	}
}

/* 16 or 32 hex digits, as headers and tags have them. */
static bool example_of(const struct weir_rules_record *record, struct weir_series_example *ret)
{
	struct weir_str text;

	if (record->request == NULL) {
		return false;
	}
	text = weir_batch_str(record->batch, record->request->trace_id);
	*ret = (struct weir_series_example){ .time_ns = record->batch->received_ns };
	return (text.length == 16 || text.length == 32) && weir_hex_read(text, ret->trace_id, sizeof(ret->trace_id));
}

static void hit_count(struct weir_fold *fold, const struct weir_rules_record *record, const struct weir_memo_hit *known,
	bool is_proxys_own, const struct weir_series_example *example)
{
	const struct weir_metric_group *group = &fold->series.schema->groups[fold->series.sets[known->at.set].group];
	const struct weir_reading *reading = fold->memo.readings + known->readings;
	struct weir_observation observed[WEIR_GROUP_METRICS_MAX];
	struct weir_series_hit hit = known->at;

	hit.mask &= is_proxys_own ? ~group->proxys : UINT32_MAX;
	for (uint32_t rest = known->at.mask; rest != 0; rest &= rest - 1, reading++) {
		uint32_t place = (uint32_t)__builtin_ctz(rest);

		if ((hit.mask & (UINT32_C(1) << place)) == 0) {
			continue;
		}
		if (reading->kind != WEIR_READING_OTHER) {
			observed[place].number = weir_reading_take(*reading, record);
			continue;
		}
		weir_scratch_reset(&fold->values);
		if (!weir_ruleset_value(
			    fold->ruleset, group->metrics[place], record, &fold->values, &observed[place])) {
			hit.mask &= ~(UINT32_C(1) << place);
		}
	}
	if (hit.mask == 0) {
		return;
	}
	weir_series_count(&fold->series, hit, observed, weir_fold_moment(fold->watermark_ns));
	if (example != NULL) {
		weir_series_exemplar(&fold->series, hit, observed, example);
	}
}

void weir_fold_count(
	struct weir_fold *fold, const struct weir_rules_record *record, struct weir_memo_entry *memo, unsigned counts)
{
	bool is_proxys_own = (counts & WEIR_OWNER_SERIES) == 0, has_example;
	enum weir_memo_hits wanted = is_proxys_own ? WEIR_MEMO_RULES : WEIR_MEMO_ALL;
	struct weir_series_example example;

	if ((memo->is_beyond && memo->changes != fold->series.changes) || memo->has_hits < wanted) {
		weir_memo_hits_forget(memo);
	}
	if (memo->has_hits == WEIR_MEMO_NONE) {
		hits_find(fold, record, memo, wanted);
	}
	has_example = memo->hit_count > 0 && example_of(record, &example);
	for (uint32_t i = 0; i < memo->hit_count; i++) {
		hit_count(fold, record, &fold->memo.hits[memo->hits + i], is_proxys_own, has_example ? &example : NULL);
	}
	if (fold->watch != NULL) {
		fold->watch(fold->watch_ctx, record);
	}
}
