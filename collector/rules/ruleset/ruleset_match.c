/* ruleset_match: which metrics a record counts in, under which labels, and what
 * it adds. Matches, labels and what values read are asked for once per entry of
 * the fold's memo, other values for each record.
 *
 * Invariants
 *  1. Scratch is left as it was found, so the bound is per expression.
 *  2. A value that falls below 0 where only a rise can be told (counters,
 *     histograms) is no observation. */
#include <math.h>

#include "base/stat.h"
#include "rules/documents/buckets.h"
#include "rules/label.h"
#include "rules/ruleset/path_template.h"
#include "rules/ruleset/ruleset_inside.h"

/* ---- rules and labels ----------------------------------------------------- */

static bool is_true(
	const struct weir_expression *expression, const struct weir_rules_record *record, struct weir_scratch *scratch)
{
	uint32_t used = scratch->used;
	struct weir_value value;
	bool is = expression == NULL ||
		  (weir_expression_evaluate(expression, record, scratch, &value) == 0 && value.number != 0);

	scratch->used = used;
	return is;
}

bool weir_ruleset_rule_matches(
	const struct weir_ruleset_rule *rule, const struct weir_rules_record *record, struct weir_scratch *scratch)
{
	return is_true(rule->protocol, record, scratch) && is_true(rule->match.expression, record, scratch);
}

int weir_ruleset_label_text(const struct weir_ruleset_term *label, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_str *ret)
{
	struct weir_value value;
	int r = weir_expression_evaluate(label->expression, record, scratch, &value);

	if (r != 0) {
		return r;
	}
	*ret = value.type == WEIR_TYPE_STRING ? value.text : weir_value_text(&value, scratch);
	if (label->is_path && ret->length > 0) {
		*ret = weir_path_template(*ret, scratch);
		return ret->data != NULL ? 0 : WEIR_VALUE_ABSENT;
	}
	return 0;
}

/* ---- hits and label texts -------------------------------------------------- */

static bool labels_can_be(
	const struct weir_ruleset_group *group, const struct weir_rules_record *record, struct weir_scratch *scratch)
{
	for (uint32_t i = 0; i < group->label_count; i++) {
		uint32_t used = scratch->used;
		struct weir_str ignored;
		int r = weir_ruleset_label_text(&group->labels[i], record, scratch, &ignored);

		scratch->used = used;
		if (r != 0) {
			weir_stat_add(WEIR_STAT_RULE_FAILED_LABEL, 1);
			return false;
		}
	}
	return true;
}

uint32_t weir_ruleset_match(const struct weir_ruleset *ruleset, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_ruleset_hit *ret_hits)
{
	uint64_t matched[WEIR_RULESET_RULE_WORDS] = { 0 };
	uint32_t masks[WEIR_GROUPS_MAX] = { 0 }, count = 0;

	for (uint32_t i = 0; i < ruleset->rule_count; i++) {
		if (ruleset->rules[i].counts && weir_ruleset_rule_matches(&ruleset->rules[i], record, scratch)) {
			matched[i / 64] |= UINT64_C(1) << (i % 64);
		}
	}
	for (uint32_t i = 0; i < ruleset->schema.metric_count; i++) {
		const struct weir_metric *metric = &ruleset->schema.metrics[i];

		for (uint32_t j = 0; j < WEIR_RULESET_RULE_WORDS; j++) {
			if (ruleset->metrics[i].rules[j] & matched[j]) {
				masks[metric->group] |= UINT32_C(1) << metric->place;
			}
		}
	}
	for (uint32_t i = 0; i < ruleset->schema.group_count; i++) {
		if (masks[i] != 0 && labels_can_be(&ruleset->groups[i], record, scratch)) {
			ret_hits[count++] = (struct weir_ruleset_hit){ .group = i, .mask = masks[i] };
		}
	}
	return count;
}

/* `_overflow` is what weir says of series that it has no room for: who sends it gets a `_` more. */
static struct weir_str told_apart(struct weir_str value)
{
	return weir_str_is(value, "_overflow") ? weir_str_of("__overflow") : value;
}

uint32_t weir_ruleset_labels(const struct weir_ruleset *ruleset, uint32_t group, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_buf *ret_text)
{
	const struct weir_ruleset_group *labels = &ruleset->groups[group];
	uint32_t cut = 0;

	for (uint32_t i = 0; i < labels->label_count; i++) {
		uint32_t used = scratch->used;
		struct weir_str value = { NULL, 0 };

		/* What cannot be evaluated was no hit; should it be asked all the same, it is no label. */
		if (weir_ruleset_label_text(&labels->labels[i], record, scratch, &value) == 0 && value.length > 0) {
			cut += value.length > WEIR_LABEL_VALUE_MAX;
			weir_label_add(ret_text, weir_str_of(labels->labels[i].name), told_apart(value));
		}
		scratch->used = used;
	}
	return cut;
}

/* ---- observations ---------------------------------------------------------- */

static int value_get(const struct weir_ruleset_metric *metric, const struct weir_rules_record *record,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	int r;

	switch (metric->form) {
	case WEIR_EXPRESSION_CONSTANT:
		*ret = metric->constant;
		return 0;
	case WEIR_EXPRESSION_ATTRIBUTE:
		r = weir_attribute_get(record, metric->attribute, scratch, ret);
		if (r != 0 && metric->constant.type != WEIR_TYPE_NONE) {
			*ret = metric->constant;
			return 0;
		}
		return r;
	default:
		return weir_expression_evaluate(metric->value, record, scratch, ret);
	}
}

bool weir_ruleset_value(const struct weir_ruleset *ruleset, const struct weir_metric *metric,
	const struct weir_rules_record *record, struct weir_scratch *scratch, struct weir_observation *ret)
{
	const struct weir_ruleset_metric *inner = &ruleset->metrics[metric - ruleset->schema.metrics];
	uint32_t used = scratch->used;
	struct weir_value value;
	bool is_good = value_get(inner, record, scratch, &value) == 0;

	*ret = (struct weir_observation){ 0 };
	if (is_good && metric->unit != WEIR_UNIT_REAL) {
		ret->number = (uint64_t)value.number;
		ret->real = (double)value.number;
		is_good = value.number >= 0;
	} else if (is_good && value.type == WEIR_TYPE_STRING) {
		is_good = weir_buckets_number(value.text, &ret->real);
	} else if (is_good) {
		ret->real = value.real;
	}
	if (is_good && metric->unit == WEIR_UNIT_REAL) {
		is_good = isfinite(ret->real) && (ret->real >= 0 || metric->kind == WEIR_METRIC_GAUGE);
	}
	scratch->used = used;
	if (!is_good) {
		weir_stat_add(WEIR_STAT_RULE_FAILED_VALUE, 1);
	}
	return is_good;
}

/* What is all of the record that an observation of this attribute needs. */
static enum weir_reading_kind kind_of(enum weir_attribute attribute, const struct weir_rules_record *record)
{
	if (record->told != NULL) {
		return WEIR_READING_OTHER;
	}
	if (record->request == NULL) {
		return attribute == WEIR_ATTRIBUTE_CONNECTION_SENT_BYTES       ? WEIR_READING_SENT_BYTES
		       : attribute == WEIR_ATTRIBUTE_CONNECTION_RECEIVED_BYTES ? WEIR_READING_RECEIVED_BYTES
									       : WEIR_READING_OTHER;
	}
	switch (attribute) {
	case WEIR_ATTRIBUTE_RESPONSE_DURATION:
		return WEIR_READING_DURATION_NS;
	case WEIR_ATTRIBUTE_WEIR_DURATION_MS:
		return WEIR_READING_DURATION_MS;
	case WEIR_ATTRIBUTE_REQUEST_TOTAL_SIZE:
		return WEIR_READING_REQUEST_BYTES;
	case WEIR_ATTRIBUTE_RESPONSE_TOTAL_SIZE:
		return WEIR_READING_RESPONSE_BYTES;
	default:
		return WEIR_READING_OTHER;
	}
}

struct weir_reading weir_ruleset_reading(const struct weir_ruleset *ruleset, const struct weir_metric *metric,
	const struct weir_rules_record *record, struct weir_scratch *scratch)
{
	const struct weir_ruleset_metric *inner = &ruleset->metrics[metric - ruleset->schema.metrics];
	struct weir_reading reading = { .kind = WEIR_READING_OTHER };
	enum weir_attribute attribute;
	struct weir_value value;
	uint32_t used = scratch->used;

	if (metric->unit != WEIR_UNIT_REAL) {
		switch (weir_expression_settle(inner->value, record, scratch, &attribute, &value)) {
		case WEIR_EXPRESSION_CONSTANT:
			reading.kind = value.number >= 0 ? WEIR_READING_CONSTANT : WEIR_READING_OTHER;
			reading.constant = (uint64_t)value.number;
			break;
		case WEIR_EXPRESSION_ATTRIBUTE:
			reading.kind = kind_of(attribute, record);
			break;
		case WEIR_EXPRESSION_OTHER:
			break;
		}
	}
	scratch->used = used;
	return reading;
}
