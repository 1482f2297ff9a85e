/* pod_source: see the header. Main's thread only.
 *
 * A pod finds its API server by the environment that Kubernetes gives it, and
 * its node by $NODE_NAME, which a manifest sets from spec.nodeName. */
#include "pod_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "base/log.h"
#include "process.h"

static int bad(struct weir_buf *ret_why, const char *sentence)
{
	weir_buf_clear(ret_why);
	weir_buf_add_text(ret_why, sentence);
	return WEIR_POD_SOURCE_BAD;
}

static bool is_kind(const struct weir_conf *conf, const char *kind)
{
	return strcmp(conf->identity_pods, kind) == 0;
}

/* The server's address without a slash at its end. 0 or BAD. */
static int url_settle(const struct weir_conf *conf, char *url, size_t size, struct weir_buf *ret_why)
{
	const char *host = getenv("KUBERNETES_SERVICE_HOST"), *port = getenv("KUBERNETES_SERVICE_PORT");
	const char *told = is_kind(conf, "kubelet") ? conf->identity_kubelet_url : conf->identity_api_url;
	size_t length;

	if (told[0] == '\0') {
		if (host == NULL || host[0] == '\0') {
			return bad(ret_why, "identity.api_url is missing, and so is $KUBERNETES_SERVICE_HOST: "
					    "identity.pods: kubernetes does not know its API server");
		}
		port = port != NULL && port[0] != '\0' ? port : "443";
		snprintf(url, size, strchr(host, ':') != NULL ? "https://[%.900s]:%.8s" : "https://%.900s:%.8s", host,
			port);
		return 0;
	}
	if (strncmp(told, "https://", 8) != 0 && strncmp(told, "http://", 7) != 0) {
		return bad(ret_why, is_kind(conf, "kubelet") ? "identity.kubelet_url begins with https:// or http://"
							     : "identity.api_url begins with https:// or http://");
	}
	weir_assert(told != NULL); /* gcc's sanitizer believes otherwise */
	snprintf(url, size, "%s", told);
	for (length = strlen(url); length > 0 && url[length - 1] == '/'; length--) {
		url[length - 1] = '\0';
	}
	return 0;
}

/* 0 or BAD; *ret_opts without workloads. identity.pods is not none. */
static int settle(
	const struct weir_conf *conf, char *url, size_t size, struct weir_buf *ret_why, struct weir_pods_opts *ret_opts)
{
	const char *node = getenv("NODE_NAME");

	*ret_opts = (struct weir_pods_opts){ .kind = is_kind(conf, "file")      ? WEIR_PODS_FILE
						     : is_kind(conf, "kubelet") ? WEIR_PODS_KUBELET
										: WEIR_PODS_KUBERNETES,
		.file = conf->identity_pods_file,
		.url = url,
		.node = conf->identity_node[0] != '\0' || node == NULL ? conf->identity_node : node,
		.token_file = conf->identity_token_file,
		.ca_file = conf->identity_ca_file,
		.skips_verification = strcmp(conf->identity_verify, "false") == 0,
		.interval_s = (uint32_t)conf->identity_interval };
	if (ret_opts->kind == WEIR_PODS_FILE) {
		return conf->identity_pods_file[0] != '\0'
			       ? 0
			       : bad(ret_why, "identity.pods_file is missing beside identity.pods: file");
	}
	return url_settle(conf, url, size, ret_why);
}

int weir_pod_source_check(const struct weir_conf *conf, struct weir_buf *ret_why)
{
	struct weir_pods_opts opts;
	char url[1200];

	/* Where it will run has its own environment: without one the address is not asked for. */
	if (is_kind(conf, "none") || (is_kind(conf, "kubernetes") && conf->identity_api_url[0] == '\0')) {
		return 0;
	}
	return settle(conf, url, sizeof(url), ret_why, &opts);
}

int weir_pod_source_start(const struct weir_conf *conf, struct weir_pod_source *source)
{
	struct weir_pods_opts opts;
	struct weir_buf why;
	int r = weir_workloads_create(conf->identity_cluster, &source->workloads);

	if (r < 0 || is_kind(conf, "none")) {
		return r;
	}
	weir_buf_init(&why, 0);
	r = settle(conf, source->url, sizeof(source->url), &why, &opts);
	if (r == WEIR_POD_SOURCE_BAD) {
		weir_log(WEIR_LOG_ERROR, "main", "cannot start: %.*s", (int)why.length, why.length > 0 ? why.data : "");
		r = -EINVAL;
	} else {
		opts.workloads = source->workloads;
		r = weir_pods_start(&opts, &source->pods);
		r = r < 0 ? weir_process_refuse("the source of pods", conf->identity_pods, r) : r;
	}
	weir_buf_fini(&why);
	return r;
}

int weir_pod_source_want(struct weir_pod_source *source, const struct weir_ruleset *ruleset)
{
	const char *keys[WEIR_WANTED_MAX + 1];
	const struct weir_wanted *wanted;
	size_t count = 0;
	int r;

	while (count <= WEIR_WANTED_MAX &&
		(keys[count] = weir_ruleset_wanted_label(ruleset, (uint32_t)count)) != NULL) {
		count++;
	}
	if (count == 0) {
		return weir_workloads_want(source->workloads, NULL);
	}
	r = weir_wanted_create(keys, count, &wanted);
	if (r < 0) {
		return r;
	}
	if (r == WEIR_WANTED_CUT) { /* rules that read more do not load; a key that no label can have is never found */
		weir_log(WEIR_LOG_WARN, "main", "rules read a label that no pod can have: its name is too long");
	}
	r = weir_workloads_want(source->workloads, wanted);
	weir_wanted_let_go(wanted);
	return r;
}

void weir_pod_source_reload(struct weir_pod_source *source)
{
	weir_pods_again(source->pods);
}

void weir_pod_source_stop(struct weir_pod_source *source)
{
	weir_pods_stop(source->pods);
	weir_workloads_destroy(source->workloads);
	source->pods = NULL;
	source->workloads = NULL;
}
