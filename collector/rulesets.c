/* rulesets: rule sets as main sees them. A rule set is taken whole or not at
 * all, by the outputs of its log entries first, since these may not open, then
 * by the fold. */
#include "rulesets.h"

#include <errno.h>
#include <string.h>

#include "base/log.h"
#include "base/stat.h"

static int load(const struct weir_conf *conf, const struct weir_ruleset **ret, struct weir_ruleset_error *ret_error)
{
	const struct weir_ruleset_opts opts = {
		.paths = conf->metrics_rules.items,
		.path_count = conf->metrics_rules.count,
		.is_both = strcmp(conf->metrics_profile, "both") == 0,
	};

	return weir_ruleset_load(&opts, ret, ret_error);
}

/* What the rules ask and weir does not do: the first of the warnings, and how many there are. */
static void warnings_log(const struct weir_ruleset *ruleset)
{
	static const char mark[] = ": warning: ";
	struct weir_str notes = weir_ruleset_notes(ruleset), where = { 0 }, why = { 0 };
	unsigned count = 0;

	while (notes.length > 0) {
		struct weir_str line = weir_str_cut(&notes, '\n');
		const char *at = memmem(line.data, line.length, mark, sizeof(mark) - 1);

		if (at != NULL && count++ == 0) {
			where = weir_str_make(line.data, (size_t)(at - line.data));
			at += sizeof(mark) - 1;
			why = weir_str_make(at, (size_t)(line.data + line.length - at));
		}
	}
	if (count > 0) {
		weir_log(WEIR_LOG_WARN, "main",
			"not all that the rules say is done, see weir check warnings=%u where=%.*s why=\"%.*s\"", count,
			(int)where.length, where.data, (int)why.length, why.data);
	}
}

int weir_rulesets_load(const struct weir_conf *conf, const struct weir_ruleset **ret)
{
	struct weir_ruleset_error error;
	int r = load(conf, ret, &error);

	if (r == WEIR_RULESET_WRONG) {
		weir_log(WEIR_LOG_ERROR, "main", "cannot start: the rules are wrong where=%s why=\"%s\"", error.where,
			error.why);
		return -EINVAL;
	}
	if (r == 0) {
		warnings_log(*ret);
	}
	return r;
}

void weir_rulesets_reload(const struct weir_conf *conf, struct weir_run *run, struct weir_entries *entries,
	struct weir_pod_source *pod_source)
{
	const struct weir_ruleset *ruleset = NULL;
	struct weir_ruleset_error error;
	const char *which = "";
	int r = load(conf, &ruleset, &error);

	if (r == WEIR_RULESET_WRONG) {
		weir_log(WEIR_LOG_ERROR, "main", "the rules are wrong, the old ones go on where=%s why=\"%s\"",
			error.where, error.why);
	} else if (r == 0) {
		r = weir_entries_rules(entries, ruleset, &which);
	}
	if (r == 0) {
		r = weir_pod_source_want(pod_source, ruleset);
	}
	if (r == 0) {
		weir_run_rules(run, ruleset);
		weir_log(WEIR_LOG_INFO, "main", "rules read again metrics=%u",
			weir_ruleset_schema(ruleset)->metric_count);
		warnings_log(ruleset);
	} else if (r < 0) {
		weir_log(WEIR_LOG_ERROR, "main", "the rules cannot be used, the old ones go on which=\"%s\" why=\"%s\"",
			which, strerror(-r));
	}
	weir_stat_add(r == 0 ? WEIR_STAT_RULES_RELOADED : WEIR_STAT_RULES_RELOAD_FAILED, 1);
	weir_ruleset_let_go(ruleset);
}
