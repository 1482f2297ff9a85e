/* Who is looked at, of those who are asked for and those who are due; nobody answers here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "identity/pods_peers.h"

#define SECOND UINT64_C(1000000000)
#define NOW (UINT64_C(1700000000) * SECOND)
#define MANY 8u

struct scene {
	struct weir_fetches *fetches;
	struct weir_pod_set *set;
	struct weir_asks *asks;
	struct weir_pods_peers *peers;
};

static void scene_make(struct scene *scene)
{
	const struct weir_fetches_opts fetches_opts = { 0 };
	struct weir_pods_peers_opts opts = { .url = "http://127.0.0.1:1", .node = "" };

	assert_int_equal(weir_fetches_create(&fetches_opts, &scene->fetches), 0);
	assert_int_equal(weir_pod_set_create(&scene->set), 0);
	assert_int_equal(weir_asks_create(NULL, NULL, &scene->asks), 0);
	opts.fetches = scene->fetches;
	opts.set = scene->set;
	opts.asks = scene->asks;
	assert_int_equal(weir_pods_peers_create(&opts, &scene->peers), 0);
}

static void scene_end(struct scene *scene)
{
	weir_fetches_destroy(scene->fetches);
	weir_pods_peers_destroy(scene->peers);
	weir_asks_destroy(scene->asks);
	weir_pod_set_destroy(scene->set);
}

static void peers_are_due(struct scene *scene)
{
	const struct weir_pod_owner owner = { 0 };
	struct weir_pod *pod;
	char name[16];

	for (unsigned i = 0; i < MANY; i++) {
		struct weir_pod from = { .namespace_ = weir_str_of("shop"), .since_ns = 1 };

		snprintf(name, sizeof(name), "peer-%u", i);
		from.name = weir_str_of(name);
		weir_assert(weir_pod_create(&from, &owner, weir_str_of(""), &pod) == 0);
		atomic_store(&pod->is_used, true);
		weir_pod_set_put(scene->set, pod, true, NOW - 2 * WEIR_POD_SET_PEER_NS);
	}
}

static void strangers_ask(struct scene *scene)
{
	char name[16];

	for (unsigned i = 0; i < MANY; i++) {
		snprintf(name, sizeof(name), "stranger-%u", i);
		weir_asks_put_name(scene->asks, weir_str_of(name), weir_str_of("shop"));
	}
}

/* How many are left of each. */
static void expect_left(struct scene *scene, unsigned strangers, unsigned due)
{
	struct weir_ask ask;
	unsigned asked = 0, waiting = 0;

	while (weir_asks_take(scene->asks, SECOND, &ask)) {
		asked++;
	}
	while (weir_pod_set_due(scene->set, NOW) != NULL) {
		waiting++;
	}
	assert_int_equal(asked, strangers);
	assert_int_equal(waiting, due);
}

static void a_crowd_of_strangers_leaves_half_of_the_looks_to_peers_that_are_due(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene);
	peers_are_due(&scene);
	strangers_ask(&scene);
	weir_pods_peers_step(scene.peers, SECOND, NOW);
	expect_left(&scene, MANY - 2, MANY - 2);
	scene_end(&scene);
}

static void without_the_one_the_other_has_all_looks(void **state)
{
	struct scene scene;

	(void)state;
	scene_make(&scene);
	strangers_ask(&scene);
	weir_pods_peers_step(scene.peers, SECOND, NOW);
	expect_left(&scene, MANY - 4, 0);
	scene_end(&scene);
	scene_make(&scene);
	peers_are_due(&scene);
	weir_pods_peers_step(scene.peers, SECOND, NOW);
	expect_left(&scene, 0, MANY - 4);
	scene_end(&scene);
}

static void looks_that_fail_make_all_wait(void **state)
{
	struct scene scene;
	char why[WEIR_FETCH_WHY_MAX] = "";

	(void)state;
	scene_make(&scene);
	strangers_ask(&scene);
	weir_pods_peers_step(scene.peers, SECOND, NOW);
	for (unsigned i = 0; i < 500 && !weir_pods_peers_failed(scene.peers, why); i++) {
		weir_fetches_wait(scene.fetches, 10); /* until nobody listens at that port */
	}
	assert_string_not_equal(why, "");
	assert_false(weir_pods_peers_failed(scene.peers, why));
	weir_pods_peers_step(scene.peers, SECOND + SECOND / 4, NOW);
	expect_left(&scene, MANY - 4, 0);
	scene_end(&scene);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crowd_of_strangers_leaves_half_of_the_looks_to_peers_that_are_due),
		cmocka_unit_test(without_the_one_the_other_has_all_looks),
		cmocka_unit_test(looks_that_fail_make_all_wait),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
