/* pods_peers: see the header.
 *
 *   an ask ───────▶ taken ─▶ GET, of the name, or of all with the address ─▶ set ─▶ answered
 *   a due peer ───▶ taken ─▶ GET, of the name ─▶ set
 *
 * Names come from whoever may send a record, and a mesh of a thousand nodes
 * shares one API server: so AT_ONCE run at a time, A_SECOND start in a second,
 * and all answers come from the server's cache (version 0), not its store. Half
 * of the looks are first for peers that are due, so that a crowd of strangers
 * does not keep the known ones from being renewed. While looks fail they pause.
 *
 * The address of a node leads to the pods of its network. One of them is kept,
 * as a peer: so the table knows whose the address is, and it is not asked for
 * every five seconds.
 *
 * Invariants
 *  1. At most AT_ONCE looks run.
 *  2. An ask that was taken is answered, whatever became of it.
 *
 * One thread, the source's. */
#include "identity/pods_peers.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/ip.h"
#include "base/stat.h"
#include "identity/backoff.h"
#include "identity/pod_read.h"

#define URL_MAX 4096u
#define TIMEOUT_S 10u
#define AT_ONCE 4u
#define A_SECOND 20u
#define SECOND_NS UINT64_C(1000000000)

struct look {
	struct weir_pods_peers *peers;
	struct weir_ask ask;
	bool is_taken, is_ask; /* else: a peer that is looked at again */
	char pod[WEIR_ASKS_POD_MAX + 1], space[WEIR_ASKS_NAMESPACE_MAX + 1];
	uint32_t found;
	bool has_host; /* the address is a node's */
};

struct weir_pods_peers {
	struct weir_pods_peers_opts opts;
	uint64_t monotonic_ns, now_ns; /* the clocks of the last step */
	struct look looks[AT_ONCE];
	uint64_t second_ns; /* when A_SECOND were last given */
	uint32_t left;
	struct weir_backoff backoff;
	uint64_t due_ns;              /* after one that failed: when the next may start */
	char why[WEIR_FETCH_WHY_MAX]; /* it failed; empty: said already */
};

int weir_pods_peers_create(const struct weir_pods_peers_opts *opts, struct weir_pods_peers **ret_peers)
{
	struct weir_pods_peers *peers = calloc(1, sizeof(*peers));

	if (peers == NULL) {
		return -ENOMEM;
	}
	peers->opts = *opts;
	peers->backoff = weir_backoff_of(opts->node);
	for (unsigned i = 0; i < AT_ONCE; i++) {
		peers->looks[i].peers = peers;
	}
	*ret_peers = peers;
	return 0;
}

void weir_pods_peers_destroy(struct weir_pods_peers *peers)
{
	free(peers);
}

/* ---- the answer -------------------------------------------------------------------- */

static void take_peer(void *ctx, struct weir_pod *pod)
{
	struct look *look = ctx;

	look->found += !pod->is_over && !pod->is_host_network;
	if (pod->is_host_network && look->is_ask && look->ask.is_address) {
		if (look->has_host) { /* one is enough to know that the address is its node's */
			weir_pod_let_go(pod);
			return;
		}
		look->has_host = true;
	}
	weir_pod_set_put(look->peers->opts.set, pod, true, look->peers->now_ns);
}

/* Of several that fail at one time one makes all wait. */
static void pause_for(struct weir_pods_peers *peers, const struct weir_fetch_answer *answer)
{
	struct weir_fetch_answer useless = *answer;

	if (peers->monotonic_ns < peers->due_ns) {
		return;
	}
	if (answer->why == NULL && answer->status == 200) {
		useless.why = "no list of pods";
	}
	weir_fetch_why(&useless, peers->why);
	peers->due_ns = peers->monotonic_ns + weir_backoff_take(&peers->backoff, answer->retry_s);
}

static void look_done(void *ctx, const struct weir_fetch_answer *answer)
{
	struct look *look = ctx;
	struct weir_pods_peers *peers = look->peers;
	struct weir_pod_list list;
	bool is_answered = answer->why == NULL && (answer->status == 200 || answer->status == 404);

	look->found = 0;
	look->has_host = false;
	if (is_answered && answer->status == 200) {
		is_answered = weir_pod_read_list(answer->body, take_peer, look, &list) == 0;
	} else if (is_answered && !look->is_ask) {
		weir_pod_set_remove(peers->opts.set, weir_str_of(look->pod), weir_str_of(look->space),
			weir_str_make(NULL, 0), peers->now_ns);
	}
	weir_stat_add(!is_answered      ? WEIR_STAT_PEERS_FAILED
		      : look->found > 0 ? WEIR_STAT_PEERS_FOUND
					: WEIR_STAT_PEERS_NOBODY,
		1);
	if (look->is_ask) {
		weir_asks_answer(peers->opts.asks, &look->ask, peers->monotonic_ns);
	}
	look->is_taken = false;
	if (is_answered) {
		weir_backoff_reset(&peers->backoff);
	} else {
		pause_for(peers, answer);
	}
}

/* ---- asking -------------------------------------------------------------------------- */

/* A colon of an IPv6 address needs no escaping in a query. 0, BUSY or a fault. */
static int look_start(struct look *look)
{
	struct weir_pods_peers *peers = look->peers;
	char url[URL_MAX], address[WEIR_IP_TEXT_MAX];
	const struct weir_fetch fetch = { .url = url, .timeout_s = TIMEOUT_S, .done = look_done, .ctx = look };

	if (look->is_ask && look->ask.is_address) {
		weir_ip_write(look->ask.ip, address);
		snprintf(url, sizeof(url), "%s/api/v1/pods?fieldSelector=status.podIP%%3D%s&resourceVersion=0",
			peers->opts.url, address);
	} else {
		snprintf(url, sizeof(url), "%s/api/v1/namespaces/%s/pods/%s?resourceVersion=0", peers->opts.url,
			look->space, look->pod);
	}
	return weir_fetch_start(peers->opts.fetches, &fetch);
}

static void name_copy(char *to, size_t size, struct weir_str text)
{
	size_t length = text.length < size ? text.length : 0;

	memcpy(to, length > 0 ? text.data : "", length);
	to[length] = '\0';
}

static bool choose_ask(struct weir_pods_peers *peers, struct look *look)
{
	look->is_ask = weir_asks_take(peers->opts.asks, peers->monotonic_ns, &look->ask);
	if (look->is_ask) {
		name_copy(look->pod, sizeof(look->pod), look->ask.pod);
		name_copy(look->space, sizeof(look->space), look->ask.namespace_);
	}
	return look->is_ask;
}

static bool choose_due(struct weir_pods_peers *peers, struct look *look)
{
	const struct weir_pod *pod = weir_pod_set_due(peers->opts.set, peers->now_ns);

	if (pod != NULL) {
		look->is_ask = false;
		name_copy(look->pod, sizeof(look->pod), pod->name);
		name_copy(look->space, sizeof(look->space), pod->namespace_);
	}
	return pod != NULL;
}

/* Whom to look at: who is asked for, or a peer that is due. Half of the looks try the one first, half the other. */
static bool look_choose(struct weir_pods_peers *peers, struct look *look)
{
	bool is_due_first = (look - peers->looks) % 2 != 0;

	return is_due_first ? choose_due(peers, look) || choose_ask(peers, look)
			    : choose_ask(peers, look) || choose_due(peers, look);
}

void weir_pods_peers_step(struct weir_pods_peers *peers, uint64_t monotonic_ns, uint64_t now_ns)
{
	peers->monotonic_ns = monotonic_ns;
	peers->now_ns = now_ns;
	if (peers->monotonic_ns - peers->second_ns >= SECOND_NS) {
		peers->second_ns = peers->monotonic_ns;
		peers->left = A_SECOND;
	}
	for (unsigned i = 0; i < AT_ONCE; i++) {
		struct look *look = &peers->looks[i];

		if (look->is_taken || peers->left == 0 || peers->monotonic_ns < peers->due_ns) {
			continue;
		}
		if (!look_choose(peers, look)) {
			return;
		}
		peers->left--;
		look->is_taken = true;
		if (look_start(look) != 0) {
			look_done(look, &(struct weir_fetch_answer){ .why = "it cannot be asked" });
		}
	}
}

bool weir_pods_peers_failed(struct weir_pods_peers *peers, char ret_why[WEIR_FETCH_WHY_MAX])
{
	bool has_failed = peers->why[0] != '\0';

	memcpy(ret_why, peers->why, WEIR_FETCH_WHY_MAX);
	peers->why[0] = '\0';
	return has_failed;
}
