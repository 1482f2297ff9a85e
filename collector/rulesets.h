/* rulesets: rule sets as main sees them: loaded at the start and on SIGHUP. */
#ifndef WEIR_RULESETS_H
#define WEIR_RULESETS_H

#include "aggregate/run.h"
#include "base/conf.h"
#include "exporters/entries.h"
#include "pod_source.h"
#include "rules/ruleset.h"

/* What metrics.rules and metrics.profile name. The log says what of it weir does not do. 0: the caller holds it. -EINVAL:
 * it is wrong, the log says where and why; -ENOMEM. */
int weir_rulesets_load(const struct weir_conf *conf, const struct weir_ruleset **ret);

/* The same files again, for who counts, who writes and who keeps labels. What is
 * wrong changes nothing: the log says so, and a counter. */
void weir_rulesets_reload(const struct weir_conf *conf, struct weir_run *run, struct weir_entries *entries,
	struct weir_pod_source *pod_source);

#endif
