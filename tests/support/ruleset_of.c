/* ruleset_of: see the header. */
#include "support/ruleset_of.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

const char ruleset_of_one[] =
	"{kind: instance, apiVersion: config.istio.io/v1alpha2, metadata: {name: one, namespace: n}, spec: "
	"{compiledTemplate: metric, params: {value: '1', dimensions: {w: source.workload.name | \"\"}}}}\n---\n"
	"{kind: handler, apiVersion: config.istio.io/v1alpha2, metadata: {name: p, namespace: n}, spec: "
	"{compiledAdapter: prometheus, params: {metrics: ["
	"{name: one, instance_name: one.instance.n, kind: COUNTER, label_names: [w]}]}}}\n---\n"
	"{kind: rule, apiVersion: config.istio.io/v1alpha2, metadata: {name: all, namespace: n}, spec: "
	"{actions: [{handler: p, instances: [one]}]}}\n";

int ruleset_try(
	const char *text, bool has_builtin, const struct weir_ruleset **ret, struct weir_ruleset_error *ret_error)
{
	char path[] = "/tmp/weir-rules-XXXXXX";
	const char *paths[] = { path, "builtin" };
	const struct weir_ruleset_opts opts = { .paths = paths, .path_count = has_builtin ? 2 : 1 };
	int fd = mkstemp(path), r;

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
	r = weir_ruleset_load(&opts, ret, ret_error);
	unlink(path);
	return r;
}

const struct weir_ruleset *ruleset_of(const char *text, bool has_builtin)
{
	const struct weir_ruleset *ruleset = NULL;
	struct weir_ruleset_error error;

	if (ruleset_try(text, has_builtin, &ruleset, &error) != 0) {
		fail_msg("%s: %s", error.where, error.why);
	}
	return ruleset;
}
