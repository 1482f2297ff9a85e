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

int weir_rulesets_load(const struct weir_conf *conf, const struct weir_ruleset **ret)
{
	struct weir_ruleset_error error;
	int r = load(conf, ret, &error);

	if (r == WEIR_RULESET_WRONG) {
		weir_log(WEIR_LOG_ERROR, "main", "cannot start: the rules are wrong where=%s why=\"%s\"", error.where,
			error.why);
		return -EINVAL;
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
	} else if (r < 0) {
		weir_log(WEIR_LOG_ERROR, "main", "the rules cannot be used, the old ones go on which=\"%s\" why=\"%s\"",
			which, strerror(-r));
	}
	weir_stat_add(r == 0 ? WEIR_STAT_RULES_RELOADED : WEIR_STAT_RULES_RELOAD_FAILED, 1);
	weir_ruleset_let_go(ruleset);
}
