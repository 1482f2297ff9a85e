/* pods_kube: see the header.
 *
 *   API server
 *             ┌──── 410, another 4xx, malformed: backoff, then anew ────┐
 *             ▼        200, all its pages                               │
 *   WAIT ─▶ LIST ───────────────────────────▶ WATCH ────────────────────┤
 *    ▲        │ anything else                  │ it ends, or breaks off: again from the last version
 *    └────────┴──── backoff: 1 s, 2 s … 30 s ──┘
 *
 *   kubelet   WAIT ─(interval)─▶ LIST ─▶ WAIT
 *
 * The watch's lines are read as they come; each names a version, bookmarks only
 * that, and a watch that broke off goes on from the last one. A server that has
 * forgotten that version says 410, as an answer or as an event: then the list is
 * read anew, and who is not in it is gone. What goes well (an event, a watch that
 * lasts) begins the backoff again; a list alone does not, or a server that takes
 * every watch back would be asked without a pause.
 *
 * The first list may come from the server's cache (version 0), which has an
 * index of nodes: a thousand that start at once do not read the whole store each.
 * Later ones are exact: a cache may be older than what was known already.
 *
 * Pods of other nodes are the business of pods_peers.c.
 *
 * Invariants
 *  1. A list that failed takes nobody away.
 *  2. At most one list or watch runs.
 *  3. Between two tries that failed lies a backoff.
 *
 * One thread, the source's. */
#include "identity/pods_kube.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/buf.h"
#include "identity/backoff.h"
#include "identity/pod_read.h"
#include "identity/pods_peers.h"

#define URL_MAX 4096u
#define PAGE 250u
#define LIST_S 30u
#define WATCH_S 300u /* that the server keeps a watch; we wait a little longer */
#define EVENT_MAX ((size_t)4 << 20)
#define SECOND_NS UINT64_C(1000000000)
#define STEP_MS 1000 /* the longest that nothing is looked at */

enum phase { WAIT, LIST, WATCH };

struct weir_pods_kube {
	struct weir_pods_kube_opts opts;
	enum phase phase;
	uint64_t due_ns, watched_ns; /* watched: when the watch began */
	struct weir_backoff backoff;
	uint64_t monotonic_ns, now_ns; /* the clocks of the last step */
	bool is_version_known, is_again;
	bool has_listed; /* once since the start */
	char version[WEIR_POD_VERSION_MAX], continue_token[WEIR_POD_CONTINUE_MAX];
	struct weir_buf line; /* of the watch: the event at hand */
	const char *broken;   /* why the watch is ended by us, or NULL */
	uint32_t listed, left_out;
	struct weir_pods_report report;
	struct weir_pods_peers *peers; /* NULL: nobody asks */
};

/* Text that needs no escaping in a URL's query. */
static bool is_plain(const char *text)
{
	for (; *text != '\0'; text++) {
		if (!((*text >= 'a' && *text <= 'z') || (*text >= 'A' && *text <= 'Z') ||
			    (*text >= '0' && *text <= '9') || strchr("-._", *text) != NULL)) {
			return false;
		}
	}
	return true;
}

int weir_pods_kube_create(const struct weir_pods_kube_opts *opts, struct weir_pods_kube **ret_kube)
{
	struct weir_pods_kube *kube;

	if (strlen(opts->url) > 1024 || strlen(opts->node) > WEIR_ASKS_POD_MAX || !is_plain(opts->node)) {
		return -EINVAL;
	}
	kube = calloc(1, sizeof(*kube));
	if (kube == NULL) {
		return -ENOMEM;
	}
	kube->opts = *opts;
	kube->backoff = weir_backoff_of(opts->node);
	weir_buf_init(&kube->line, EVENT_MAX);
	if (opts->asks != NULL) {
		const struct weir_pods_peers_opts peers_opts = { opts->fetches, opts->set, opts->asks, opts->url,
			opts->node };
		int r = weir_pods_peers_create(&peers_opts, &kube->peers);

		if (r < 0) {
			weir_pods_kube_destroy(kube);
			return r;
		}
	}
	*ret_kube = kube;
	return 0;
}

void weir_pods_kube_destroy(struct weir_pods_kube *kube)
{
	if (kube != NULL) {
		weir_pods_peers_destroy(kube->peers);
		weir_buf_fini(&kube->line);
		free(kube);
	}
}

/* ---- how it goes on ----------------------------------------------------------- */

static void wait_for(struct weir_pods_kube *kube, uint64_t ns)
{
	kube->phase = WAIT;
	kube->due_ns = kube->monotonic_ns + ns;
}

/* `why`, else what the answer says. */
static void fail(struct weir_pods_kube *kube, const char *why, const struct weir_fetch_answer *answer)
{
	struct weir_fetch_answer none = { .why = why };

	_Static_assert(sizeof(kube->report.why) >= WEIR_FETCH_WHY_MAX, "a sentence of fetch fits");
	kube->report = (struct weir_pods_report){ .result = WEIR_PODS_FAILED };
	weir_fetch_why(why != NULL ? &none : answer, kube->report.why);
	wait_for(kube, weir_backoff_take(&kube->backoff, answer != NULL ? answer->retry_s : 0));
}

static void version_set(struct weir_pods_kube *kube, const char *version)
{
	if (version[0] != '\0' && is_plain(version)) {
		memcpy(kube->version, version, sizeof(kube->version));
		kube->is_version_known = true;
	}
}

/* ---- the list ------------------------------------------------------------------ */

static void take_own(void *ctx, struct weir_pod *pod)
{
	struct weir_pods_kube *kube = ctx;

	weir_pod_set_put(kube->opts.set, pod, false, kube->now_ns);
}

static void list_used(struct weir_pods_kube *kube)
{
	weir_pod_set_list_end(kube->opts.set, kube->now_ns);
	kube->has_listed = true;
	kube->report =
		(struct weir_pods_report){ .result = WEIR_PODS_USED, .pods = kube->listed, .left_out = kube->left_out };
	if (kube->opts.is_kubelet) {
		weir_backoff_reset(&kube->backoff);
	}
	wait_for(kube, kube->opts.is_kubelet ? kube->opts.interval_s * SECOND_NS : 0);
}

static void list_done(void *ctx, const struct weir_fetch_answer *answer)
{
	struct weir_pods_kube *kube = ctx;
	struct weir_pod_list list;
	char why[WEIR_PODS_WHY_MAX];
	int r;

	kube->is_version_known = false;
	if (answer->why != NULL || answer->status != 200) {
		kube->continue_token[0] = '\0'; /* it may have grown too old (410): from the first page */
		fail(kube, NULL, answer);
		return;
	}
	r = weir_pod_read_list(answer->body, take_own, kube, &list);
	if (r != 0) {
		kube->continue_token[0] = '\0';
		snprintf(why, sizeof(why), "%s at byte %zu", r < 0 ? strerror(-r) : list.error, list.error_offset);
		fail(kube, why, NULL);
		return;
	}
	kube->listed += list.pods;
	kube->left_out += list.left_out;
	memcpy(kube->continue_token, list.continue_token, sizeof(kube->continue_token));
	if (kube->continue_token[0] != '\0' && !kube->opts.is_kubelet) {
		wait_for(kube, 0);
		return;
	}
	version_set(kube, list.resource_version);
	if (!kube->is_version_known && !kube->opts.is_kubelet) {
		fail(kube, "the list names no resourceVersion", NULL);
		return;
	}
	list_used(kube);
}

/* A token of the server's, as a URL wants it. False: it is too long. */
static bool continue_add(char *url, size_t size, const char *token)
{
	size_t at = strlen(url);

	for (; *token != '\0'; token++) {
		int used = is_plain((const char[]){ *token, '\0' })
				   ? snprintf(url + at, size - at, "%c", *token)
				   : snprintf(url + at, size - at, "%%%02X", (unsigned)(uint8_t)*token);

		at += (size_t)used;
		if (at >= size) {
			return false;
		}
	}
	return true;
}

/* 0, BUSY or a fault. */
static int list_start(struct weir_pods_kube *kube)
{
	char url[2 * URL_MAX];
	const struct weir_fetch fetch = { .url = url, .timeout_s = LIST_S, .done = list_done, .ctx = kube };

	if (kube->continue_token[0] == '\0') {
		weir_pod_set_list_begin(kube->opts.set);
		kube->listed = kube->left_out = 0;
		kube->is_again = false;
	}
	if (kube->opts.is_kubelet) {
		snprintf(url, sizeof(url), "%s/pods", kube->opts.url);
	} else {
		/* Beside a token no version may be told. */
		snprintf(url, sizeof(url), "%s/api/v1/pods?fieldSelector=spec.nodeName%%3D%s&limit=%u%s",
			kube->opts.url, kube->opts.node, PAGE,
			kube->continue_token[0] != '\0' ? "&continue="
			: kube->has_listed              ? ""
							: "&resourceVersion=0");
		if (!continue_add(url, sizeof(url), kube->continue_token)) {
			kube->continue_token[0] = '\0';
			return -E2BIG;
		}
	}
	return weir_fetch_start(kube->opts.fetches, &fetch);
}

/* ---- the watch ----------------------------------------------------------------- */

/* NULL, or why the watch is worth nothing any more. */
static const char *event_take(struct weir_pods_kube *kube, struct weir_str line)
{
	struct weir_pod_event event;
	int r = weir_pod_read_event(line, &event);

	if (r != 0) {
		return r < 0 ? strerror(-r) : "an event of the watch cannot be read";
	}
	if (event.type == WEIR_POD_ERROR) {
		kube->is_version_known = false;
		return event.code == 410 ? "" : "the watch ends with an error";
	}
	version_set(kube, event.resource_version);
	if (event.pod == NULL) {
		return NULL;
	}
	if (event.type == WEIR_POD_DELETED) {
		weir_pod_set_remove(
			kube->opts.set, event.pod->name, event.pod->namespace_, event.pod->uid, kube->now_ns);
		weir_pod_let_go(event.pod);
	} else {
		weir_pod_set_put(kube->opts.set, event.pod, false, kube->now_ns);
	}
	return NULL;
}

static bool watch_piece(void *ctx, struct weir_str bytes)
{
	struct weir_pods_kube *kube = ctx;

	while (bytes.length > 0 && kube->broken == NULL) {
		const char *end = memchr(bytes.data, '\n', bytes.length);
		size_t length = end != NULL ? (size_t)(end - bytes.data) : bytes.length;

		weir_buf_add(&kube->line, bytes.data, length);
		if (weir_buf_error(&kube->line) != 0) {
			kube->broken = "an event of the watch is too long";
			break;
		}
		if (end != NULL) {
			if (weir_str_trim(weir_buf_str(&kube->line)).length > 0) {
				kube->broken = event_take(kube, weir_buf_str(&kube->line));
				if (kube->broken == NULL) {
					weir_backoff_reset(&kube->backoff);
				}
			}
			weir_buf_clear(&kube->line);
			length++;
		}
		bytes = weir_str_make(bytes.data + length, bytes.length - length);
	}
	return kube->broken == NULL;
}

/* The server wants no such watch: the same once more would be refused once more. That it does not know us, or has too
 * much to do, says nothing of the version. */
static bool is_refused(long status)
{
	return status >= 400 && status < 500 && status != 401 && status != 403 && status != 408 && status != 429;
}

/* It ended as watches do, or because the list is to be read anew; all else waits a little. */
static void watch_done(void *ctx, const struct weir_fetch_answer *answer)
{
	struct weir_pods_kube *kube = ctx;
	bool is_gone = answer->status == 410 || (kube->broken != NULL && kube->broken[0] == '\0');

	if (kube->monotonic_ns - kube->watched_ns >= WEIR_BACKOFF_MOST_NS) {
		weir_backoff_reset(&kube->backoff); /* it went well for a while */
	}
	if (is_gone || kube->is_again) {
		kube->is_version_known = false;
		wait_for(kube, kube->is_again ? 0 : weir_backoff_take(&kube->backoff, answer->retry_s));
	} else if (kube->broken != NULL) {
		kube->is_version_known = false;
		fail(kube, kube->broken, NULL);
	} else if (answer->status != 200 || answer->why != NULL) {
		kube->is_version_known = !is_refused(answer->status);
		fail(kube, NULL, answer);
	} else {
		/* A server that ends each watch at once is asked no more than once a second. */
		wait_for(kube, SECOND_NS);
	}
}

static int watch_start(struct weir_pods_kube *kube)
{
	char url[URL_MAX];
	const struct weir_fetch fetch = {
		.url = url, .timeout_s = WATCH_S + LIST_S, .piece = watch_piece, .done = watch_done, .ctx = kube
	};

	kube->broken = NULL;
	kube->watched_ns = kube->monotonic_ns;
	weir_buf_clear(&kube->line);
	snprintf(url, sizeof(url),
		"%s/api/v1/pods?fieldSelector=spec.nodeName%%3D%s&watch=1&allowWatchBookmarks=true&timeoutSeconds=%u"
		"&resourceVersion=%s",
		kube->opts.url, kube->opts.node, WATCH_S, kube->version);
	return weir_fetch_start(kube->opts.fetches, &fetch);
}

/* ---- steps ------------------------------------------------------------------------ */

/* Without a node there is nobody to watch. */
static bool has_own(const struct weir_pods_kube *kube)
{
	return kube->opts.is_kubelet || kube->opts.node[0] != '\0';
}

static void own_step(struct weir_pods_kube *kube)
{
	bool is_watch = kube->is_version_known && !kube->opts.is_kubelet && !kube->is_again;
	int r = is_watch ? watch_start(kube) : list_start(kube);

	if (r == 0) {
		kube->phase = is_watch ? WATCH : LIST;
	} else {
		fail(kube, r < 0 ? strerror(-r) : "too many requests at once", NULL);
	}
}

int weir_pods_kube_step(struct weir_pods_kube *kube, uint64_t monotonic_ns, uint64_t now_ns)
{
	uint64_t wait_ns;

	kube->monotonic_ns = monotonic_ns;
	kube->now_ns = now_ns;
	if (kube->is_again && kube->phase == WATCH) {
		weir_fetch_cut(kube->opts.fetches, kube);
	}
	if (has_own(kube) && kube->phase == WAIT && (monotonic_ns >= kube->due_ns || kube->is_again)) {
		own_step(kube);
	}
	if (kube->peers != NULL) {
		weir_pods_peers_step(kube->peers, monotonic_ns, now_ns);
	}
	if (!has_own(kube) || kube->phase != WAIT) {
		return STEP_MS;
	}
	wait_ns = kube->due_ns > monotonic_ns ? kube->due_ns - monotonic_ns : 0;
	return wait_ns < STEP_MS * UINT64_C(1000000) ? (int)(wait_ns / 1000000) + 1 : STEP_MS;
}

void weir_pods_kube_again(struct weir_pods_kube *kube)
{
	kube->is_again = true;
}

void weir_pods_kube_report(struct weir_pods_kube *kube, struct weir_pods_report *ret_report)
{
	*ret_report = kube->report;
	kube->report.result = WEIR_PODS_NOTHING;
}

bool weir_pods_kube_looks_failed(struct weir_pods_kube *kube, char ret_why[WEIR_PODS_WHY_MAX])
{
	return kube->peers != NULL && weir_pods_peers_failed(kube->peers, ret_why);
}
