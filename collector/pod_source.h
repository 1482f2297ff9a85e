/* pod_source: the workload table as main sees it: what identity.* asks for,
 * started, looked at again, stopped. */
#ifndef WEIR_POD_SOURCE_H
#define WEIR_POD_SOURCE_H

#include "base/buf.h"
#include "base/conf.h"
#include "identity/pods.h"
#include "rules/ruleset.h"

struct weir_pod_source {
	struct weir_workloads *workloads; /* for the receivers */
	struct weir_pods *pods;           /* NULL: identity.pods is none */
	char url[1200];
};

enum { WEIR_POD_SOURCE_BAD = 1 }; /* outcome: *ret_why says which key is missing, or wrong */

/* What `weir check` asks; starts nothing. 0 or BAD. */
int weir_pod_source_check(const struct weir_conf *conf, struct weir_buf *ret_why);

/* Says itself why it cannot start. The configuration must outlive it. 0 or a fault; to be stopped in both cases. */
int weir_pod_source_start(const struct weir_conf *conf, struct weir_pod_source *source);
/* Decoders keep the labels of workloads that these rules read, from now on. The ruleset may go. 0 or -ENOMEM: the
 * labels of before are kept. */
int weir_pod_source_want(struct weir_pod_source *source, const struct weir_ruleset *ruleset);
/* SIGHUP: looks again. */
void weir_pod_source_reload(struct weir_pod_source *source);
/* After the receivers are gone. Of a zeroed one: nothing. */
void weir_pod_source_stop(struct weir_pod_source *source);

#endif
