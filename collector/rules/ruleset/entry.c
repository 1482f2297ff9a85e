/* entry: a line of a log, as Mixer's stdio adapter writes it.
 *
 *   JSON     {"level":"info","time":"2018-09-15T20:46:36.009801Z","instance":"accesslog.instance.istio-system",
 *            "apiClaims":"",…}
 *   console  2018-09-15T20:46:36.009801Z <tab> info <tab> accesslog.instance.istio-system <tab> {"apiClaims": "", …}
 *
 * Variables stand in the order of their names. INT64, DOUBLE and BOOL are JSON's
 * own; durations, addresses and the rest are texts, times as the line's own.
 *
 * Invariants
 *  1. A line is whole or not there: an entry of which a variable cannot be
 *     evaluated is no line, as it was none of Mixer's (counted).
 *  2. A line holds no control character but its \n; a text in it is at most
 *     VALUE_MAX bytes before escaping, cut between characters. */
#include <math.h>

#include "base/stat.h"
#include "base/json_read.h"
#include "base/utf8.h"
#include "rules/ruleset/ruleset_inside.h"

#define VALUE_MAX 8192u

static const char *const level_names[] = { "info", "warn", "error" };

static const struct weir_ruleset_severity usual[] = { { "INFORMATIONAL", WEIR_LEVEL_INFO },
	{ "informational", WEIR_LEVEL_INFO }, { "INFO", WEIR_LEVEL_INFO }, { "info", WEIR_LEVEL_INFO },
	{ "WARNING", WEIR_LEVEL_WARNING }, { "warning", WEIR_LEVEL_WARNING }, { "WARN", WEIR_LEVEL_WARNING },
	{ "warn", WEIR_LEVEL_WARNING }, { "ERROR", WEIR_LEVEL_ERROR }, { "error", WEIR_LEVEL_ERROR },
	{ "ERR", WEIR_LEVEL_ERROR }, { "err", WEIR_LEVEL_ERROR }, { "FATAL", WEIR_LEVEL_ERROR },
	{ "fatal", WEIR_LEVEL_ERROR } };

static bool level_find(const struct weir_ruleset_severity *severities, size_t count, struct weir_str name,
	enum weir_ruleset_level *ret)
{
	for (size_t i = 0; i < count; i++) {
		if (weir_str_is(name, severities[i].name)) {
			*ret = severities[i].level;
			return true;
		}
	}
	return false;
}

/* What the handler says of a severity comes before what Mixer knew; an unknown one is INFO. */
static enum weir_ruleset_level level_of(const struct weir_ruleset_stdio *output, struct weir_str severity)
{
	enum weir_ruleset_level level = WEIR_LEVEL_INFO;

	if (!level_find(output->severities, output->severity_count, severity, &level)) {
		level_find(usual, sizeof(usual) / sizeof(usual[0]), severity, &level);
	}
	return level;
}

/* ---- text ----------------------------------------------------------------- */

static void add_escaped(struct weir_buf *text, struct weir_str value)
{
	size_t done = 0;
	char escape[6];

	value = weir_utf8_cut(value, VALUE_MAX);
	for (size_t i = 0; i < value.length; i++) {
		unsigned char c = (unsigned char)value.data[i];

		if (c < 0x20 || c == 0x7f || c == '"' || c == '\\') {
			weir_buf_add(text, value.data + done, i - done);
			weir_buf_add(text, escape, weir_json_escape(c, escape));
			done = i + 1;
		}
	}
	weir_buf_add(text, value.data + done, value.length - done);
}

static void add_quoted(struct weir_buf *text, struct weir_str value)
{
	weir_buf_add_char(text, '"');
	if (value.length > 0) {
		add_escaped(text, value);
	}
	weir_buf_add_char(text, '"');
}

static void add_time(struct weir_buf *text, int64_t time_ns)
{
	struct weir_value time = { .type = WEIR_TYPE_TIMESTAMP, .number = time_ns };
	char room[WEIR_VALUE_TEXT_MAX];

	weir_buf_add_str(text, weir_value_write(&time, room));
}

/* JSON has no infinite numbers: they are texts. */
static void add_value(struct weir_buf *text, const struct weir_value *value)
{
	bool is_bare = value->type == WEIR_TYPE_INT64 || value->type == WEIR_TYPE_BOOL ||
		       (value->type == WEIR_TYPE_DOUBLE && isfinite(value->real));
	char room[WEIR_VALUE_TEXT_MAX];
	struct weir_str said = weir_value_write(value, room);

	if (is_bare) {
		weir_buf_add_str(text, said);
	} else {
		add_quoted(text, said);
	}
}

/* ---- the line -------------------------------------------------------------- */

struct head {
	int64_t time_ns;
	enum weir_ruleset_level level;
};

/* The time and the severity; a logentry without a timestamp has the time at which the record came. */
static int head_evaluate(const struct weir_ruleset_stdio *output, const struct weir_ruleset_instance *instance,
	const struct weir_rules_record *record, struct weir_scratch *scratch, struct head *ret)
{
	struct weir_value value;
	int r = 0;

	ret->time_ns = record->batch != NULL ? (int64_t)record->batch->received_ns : 0;
	ret->level = WEIR_LEVEL_INFO;
	if (instance->timestamp.expression != NULL) {
		r = weir_expression_evaluate(instance->timestamp.expression, record, scratch, &value);
		ret->time_ns = r == 0 ? value.number : 0;
	}
	if (r == 0 && instance->severity.expression != NULL) {
		r = weir_expression_evaluate(instance->severity.expression, record, scratch, &value);
		ret->level = r == 0 ? level_of(output, value.text) : WEIR_LEVEL_INFO;
	}
	return r;
}

/* `"name":value` of each, with commas between. 0, or the outcome of the first that has no value. */
static int variables_write(const struct weir_ruleset_instance *instance, bool is_spaced, bool is_first,
	const struct weir_rules_record *record, struct weir_scratch *scratch, struct weir_buf *text)
{
	for (uint32_t i = 0; i < instance->terms.count; i++) {
		uint32_t used = scratch->used;
		struct weir_value value;
		int r = weir_expression_evaluate(instance->terms.at[i].expression, record, scratch, &value);

		if (r != 0) {
			return r;
		}
		if (!is_first || i > 0) {
			weir_buf_add_text(text, is_spaced ? ", " : ",");
		}
		add_quoted(text, weir_str_of(instance->terms.at[i].name));
		weir_buf_add_text(text, is_spaced ? ": " : ":");
		add_value(text, &value);
		scratch->used = used;
	}
	return 0;
}

static int line_write(const struct weir_ruleset_stdio *output, const struct weir_ruleset_log *log,
	const struct head *head, const struct weir_rules_record *record, struct weir_scratch *scratch,
	struct weir_buf *text)
{
	int r;

	if (output->is_json) {
		weir_buf_addf(text, "{\"level\":\"%s\",\"time\":\"", level_names[head->level]);
		add_time(text, head->time_ns);
		weir_buf_add_text(text, "\",\"instance\":");
		add_quoted(text, weir_str_of(log->name));
		r = variables_write(log->instance, false, false, record, scratch, text);
	} else {
		add_time(text, head->time_ns);
		weir_buf_addf(text, "\t%s\t%s\t{", level_names[head->level], log->name);
		r = variables_write(log->instance, true, true, record, scratch, text);
	}
	weir_buf_add(text, "}\n", 2);
	return r;
}

bool weir_ruleset_entry_write(const struct weir_ruleset_stdio *output, const struct weir_ruleset_log *log,
	const struct weir_rules_record *record, struct weir_scratch *scratch, struct weir_buf *text)
{
	size_t before = text->length;
	uint32_t used = scratch->used;
	struct head head;
	int r = head_evaluate(output, log->instance, record, scratch, &head);

	if (r == 0 && head.level < output->least) {
		scratch->used = used;
		return false;
	}
	if (r == 0) {
		r = line_write(output, log, &head, record, scratch, text);
	}
	scratch->used = used;
	if (r != 0) {
		text->length = before;
		weir_stat_add(WEIR_STAT_RULE_FAILED_ENTRY, 1);
		return false;
	}
	return weir_buf_error(text) == 0;
}

uint32_t weir_ruleset_output_count(const struct weir_ruleset *ruleset)
{
	return ruleset->output_count;
}

const struct weir_ruleset_output *weir_ruleset_output(const struct weir_ruleset *ruleset, uint32_t output)
{
	return output < ruleset->output_count ? &ruleset->outputs[output].output : NULL;
}

uint32_t weir_ruleset_entries(const struct weir_ruleset *ruleset, uint32_t output,
	const struct weir_rules_record *record, struct weir_scratch *scratch, struct weir_buf *ret_text)
{
	uint32_t count = 0;

	for (uint32_t i = 0; i < ruleset->log_count; i++) {
		const struct weir_ruleset_log *log = &ruleset->logs[i];

		if (log->output == output && weir_ruleset_rule_matches(&ruleset->rules[log->rule], record, scratch)) {
			count += weir_ruleset_entry_write(&ruleset->outputs[output], log, record, scratch, ret_text);
		}
	}
	return count;
}
