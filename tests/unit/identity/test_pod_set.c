/* Pods as they come and go; the clock is the test's. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/err.h"
#include "base/stat.h"
#include "identity/pod_set.h"

#define SECOND UINT64_C(1000000000)
#define NOW (UINT64_C(1700000000) * SECOND)

static uint8_t last; /* byte of the address of the next pods; 0: none */

static struct weir_pod *pod_make(
	const char *name, const char *uid, const char *app, uint64_t since_ns, uint64_t ended_ns)
{
	struct weir_identity_label label = { weir_str_of("app"), weir_str_of(app) };
	struct weir_pod from = { .name = weir_str_of(name),
		.namespace_ = weir_str_of("shop"),
		.uid = weir_str_of(uid),
		.labels = &label,
		.label_count = 1,
		.ip_count = last > 0,
		.ips = { { [10] = 0xff, 0xff, 10, 0, 0, last } },
		.since_ns = since_ns,
		.is_over = ended_ns > 0,
		.ended_ns = ended_ns > 1 ? ended_ns : 0 }; /* 1: it does not tell */
	const struct weir_pod_owner owner = { 0 };
	struct weir_pod *pod;

	weir_assert(weir_pod_create(&from, &owner, weir_str_of(""), &pod) == 0);
	return pod;
}

/* The app of the pod of that name then, how many there are, and until when it is. */
static const char *app_of(struct weir_pod_set *set, const char *name, uint64_t time_ns, uint64_t *ret_until)
{
	const struct weir_workload_table *table;
	const struct weir_workload_row *row;
	static char app[32];

	assert_int_equal(weir_pod_set_table(set, &table), 0);
	row = weir_workload_table_by_name(table, weir_str_of(name), weir_str_of("shop"), time_ns);
	snprintf(app, sizeof(app), "%.*s", row ? (int)row->pod->identity.app.length : 0,
		row ? row->pod->identity.app.data : "");
	if (ret_until != NULL) {
		*ret_until = row != NULL ? row->until_ns : 0;
	}
	weir_workload_table_destroy(table);
	return app;
}

/* The name of the pod that had the address then. */
static const char *name_at(struct weir_pod_set *set, uint8_t byte, uint64_t time_ns)
{
	const uint8_t ip[16] = { [10] = 0xff, 0xff, 10, 0, 0, byte };
	const struct weir_workload_table *table;
	const struct weir_workload_row *row;
	static char name[32];

	assert_int_equal(weir_pod_set_table(set, &table), 0);
	row = weir_workload_table_by_address(table, ip, time_ns);
	snprintf(name, sizeof(name), "%.*s", row ? (int)row->pod->name.length : 0, row ? row->pod->name.data : "");
	weir_workload_table_destroy(table);
	return name;
}

static struct weir_pod_set *set_make(void)
{
	struct weir_pod_set *set;

	assert_int_equal(weir_pod_set_create(&set), 0);
	return set;
}

static void a_pod_is_until_it_is_removed_and_known_for_a_while_after(void **state)
{
	struct weir_pod_set *set = set_make();
	uint64_t until;

	(void)state;
	weir_pod_set_put(set, pod_make("a-0", "1", "one", NOW, 0), false, NOW);
	app_of(set, "a-0", NOW + SECOND, &until);
	assert_int_equal(until, UINT64_MAX);
	weir_pod_set_remove(set, weir_str_of("a-0"), weir_str_of("shop"), weir_str_of("2"), NOW + 5 * SECOND);
	app_of(set, "a-0", NOW + SECOND, &until);
	assert_int_equal(until, UINT64_MAX); /* it was another one that went */
	weir_pod_set_remove(set, weir_str_of("a-0"), weir_str_of("shop"), weir_str_of("1"), NOW + 5 * SECOND);
	app_of(set, "a-0", NOW + SECOND, &until);
	assert_int_equal(until, NOW + 5 * SECOND);
	weir_pod_set_expire(set, NOW + 5 * SECOND + WEIR_POD_SET_KEEP_NS);
	assert_string_equal(app_of(set, "a-0", NOW + SECOND, NULL), "one");
	weir_pod_set_expire(set, NOW + 6 * SECOND + WEIR_POD_SET_KEEP_NS);
	assert_string_equal(app_of(set, "a-0", NOW + SECOND, NULL), "");
	weir_pod_set_destroy(set);
}

static void a_name_that_comes_again_is_another_pod(void **state)
{
	struct weir_pod_set *set = set_make();

	(void)state;
	weir_pod_set_put(set, pod_make("a-0", "1", "one", NOW, 0), false, NOW);
	weir_pod_set_put(set, pod_make("a-0", "2", "two", NOW + 10 * SECOND, 0), false, NOW + 11 * SECOND);
	assert_string_equal(app_of(set, "a-0", NOW + 5 * SECOND, NULL), "one");
	assert_string_equal(app_of(set, "a-0", NOW + 12 * SECOND, NULL), "two");
	assert_string_equal(app_of(set, "a-0", 0, NULL), "two");
	weir_pod_set_destroy(set);
}

static void only_what_changed_makes_a_new_table(void **state)
{
	struct weir_pod_set *set = set_make();

	(void)state;
	assert_true(weir_pod_set_is_changed(set));
	weir_pod_set_put(set, pod_make("a-0", "1", "one", NOW, 0), false, NOW);
	app_of(set, "a-0", 0, NULL);
	assert_false(weir_pod_set_is_changed(set));
	weir_pod_set_put(set, pod_make("a-0", "1", "one", NOW, 0), false, NOW + SECOND);
	assert_false(weir_pod_set_is_changed(set));
	weir_pod_set_put(set, pod_make("a-0", "1", "two", NOW, 0), false, NOW + SECOND);
	assert_true(weir_pod_set_is_changed(set));
	assert_string_equal(app_of(set, "a-0", 0, NULL), "two");
	weir_pod_set_destroy(set);
}

static void who_is_not_in_a_whole_list_is_gone_but_for_peers(void **state)
{
	struct weir_pod_set *set = set_make();
	uint64_t until;

	(void)state;
	weir_pod_set_list_begin(set);
	weir_pod_set_put(set, pod_make("a-0", "1", "a", NOW, 0), false, NOW);
	weir_pod_set_put(set, pod_make("b-0", "2", "b", NOW, 0), false, NOW);
	weir_pod_set_put(set, pod_make("c-0", "3", "c", NOW, 0), true, NOW);
	weir_pod_set_list_end(set, NOW);
	weir_pod_set_list_begin(set); /* breaks off */
	weir_pod_set_put(set, pod_make("b-0", "2", "b", NOW, 0), false, NOW + SECOND);
	app_of(set, "a-0", NOW, &until);
	assert_int_equal(until, UINT64_MAX);
	weir_pod_set_list_begin(set);
	weir_pod_set_put(set, pod_make("b-0", "2", "b", NOW, 0), false, NOW + 2 * SECOND);
	weir_pod_set_list_end(set, NOW + 2 * SECOND);
	app_of(set, "a-0", NOW, &until);
	assert_int_equal(until, NOW + 2 * SECOND);
	app_of(set, "b-0", NOW, &until);
	assert_int_equal(until, UINT64_MAX);
	app_of(set, "c-0", NOW, &until);
	assert_int_equal(until, UINT64_MAX);
	weir_pod_set_destroy(set);
}

static void a_pod_that_is_over_is_until_its_end_and_not_twice(void **state)
{
	struct weir_pod_set *set = set_make();
	uint64_t until;

	(void)state;
	weir_pod_set_put(set, pod_make("job", "1", "one", NOW, NOW + 3 * SECOND), false, NOW + 9 * SECOND);
	app_of(set, "job", NOW, &until);
	assert_int_equal(until, NOW + 3 * SECOND);
	for (unsigned i = 0; i < 3; i++) {
		weir_pod_set_put(set, pod_make("job", "1", "one", NOW, NOW + 3 * SECOND), false, NOW + 10 * SECOND);
	}
	assert_false(weir_pod_set_is_changed(set));
	weir_pod_set_put(set, pod_make("old", "2", "old", 1, 2), false, NOW); /* long ago */
	weir_pod_set_put(set, pod_make("when", "3", "when", NOW, 1), false, NOW);
	assert_false(weir_pod_set_is_changed(set));
	weir_pod_set_destroy(set);
}

static void a_peer_is_looked_at_again_while_it_is_used_and_forgotten_when_not(void **state)
{
	struct weir_pod_set *set = set_make();
	struct weir_pod *used = pod_make("used", "1", "u", NOW, 0);
	uint64_t later = NOW + WEIR_POD_SET_PEER_NS + SECOND;

	(void)state;
	weir_pod_set_put(set, weir_pod_hold(used), true, NOW);
	weir_pod_set_put(set, pod_make("unused", "2", "n", NOW, 0), true, NOW);
	weir_pod_set_put(set, pod_make("own", "3", "o", NOW, 0), false, NOW);
	atomic_store(&used->is_used, true);
	assert_null(weir_pod_set_due(set, NOW + SECOND));
	weir_pod_set_expire(set, later);
	assert_ptr_equal(weir_pod_set_due(set, later), used);
	assert_null(weir_pod_set_due(set, later)); /* its turn was taken */
	assert_string_equal(app_of(set, "used", 0, NULL), "u");
	assert_string_equal(app_of(set, "unused", 0, NULL), "");
	assert_string_equal(app_of(set, "own", 0, NULL), "o");
	weir_pod_set_expire(set, later + WEIR_POD_SET_PEER_NS + SECOND);
	assert_string_equal(app_of(set, "used", 0, NULL), ""); /* nobody asked for it meanwhile */
	weir_pod_let_go(used);
	weir_pod_set_destroy(set);
}

static void of_many_peers_that_are_due_the_one_that_waits_longest_has_its_turn(void **state)
{
	static const char *const names[] = { "b", "a", "c" };
	struct weir_pod_set *set = set_make();
	uint64_t later = NOW + WEIR_POD_SET_PEER_NS + 10 * SECOND;
	struct weir_pod *pods[3];

	(void)state;
	for (unsigned i = 0; i < 3; i++) {
		pods[i] = pod_make(names[i], names[i], "x", NOW, 0);
		atomic_store(&pods[i]->is_used, true);
		weir_pod_set_put(set, pods[i], true, NOW + (3 - i) * SECOND);
	}
	for (unsigned i = 3; i > 0; i--) {
		assert_ptr_equal(weir_pod_set_due(set, later), pods[i - 1]);
	}
	assert_null(weir_pod_set_due(set, later));
	weir_pod_set_destroy(set);
}

static void a_pod_that_gets_another_address_had_the_old_one_until_then(void **state)
{
	struct weir_pod_set *set = set_make();
	uint64_t moved = NOW + 60 * SECOND;

	(void)state;
	last = 0;
	weir_pod_set_put(set, pod_make("a-0", "1", "one", NOW, 0), false, NOW); /* it has none yet */
	last = 5;
	weir_pod_set_put(set, pod_make("a-0", "1", "one", NOW, 0), false, NOW + SECOND);
	last = 6;
	weir_pod_set_put(set, pod_make("a-0", "1", "one", NOW, 0), false, moved);
	last = 5;
	weir_pod_set_put(set, pod_make("b-0", "2", "two", moved, 0), false, moved + SECOND);
	last = 0;
	assert_string_equal(name_at(set, 5, NOW + 30 * SECOND), "a-0");
	assert_string_equal(name_at(set, 6, moved + SECOND), "a-0");
	assert_string_equal(name_at(set, 5, moved + SECOND), "b-0");
	assert_string_equal(app_of(set, "a-0", moved + SECOND, NULL), "one");
	weir_pod_set_remove(set, weir_str_of("a-0"), weir_str_of("shop"), weir_str_of("1"), moved + 2 * SECOND);
	assert_string_equal(name_at(set, 6, moved + 3 * SECOND), "");
	weir_pod_set_destroy(set);
}

static void what_grows_beyond_the_bound_is_not_kept(void **state)
{
	enum { LONG = 16000, PODS = (int)(WEIR_POD_SET_BYTES / LONG) + 1 };
	uint64_t before = weir_stat_get(WEIR_STAT_PODS_NOT_KEPT);
	struct weir_pod_set *set = set_make();
	char *text = malloc(LONG + 1), name[24];

	(void)state;
	memset(text, 'x', LONG);
	text[LONG] = '\0';
	for (int i = 0; i < PODS; i++) {
		snprintf(name, sizeof(name), "pod-%d", i);
		weir_pod_set_put(set, pod_make(name, name, "short", NOW, 0), false, NOW);
	}
	assert_int_equal(weir_stat_get(WEIR_STAT_PODS_NOT_KEPT), before);
	for (int i = 0; i < PODS; i++) {
		snprintf(name, sizeof(name), "pod-%d", i);
		weir_pod_set_put(set, pod_make(name, name, text, NOW, 0), false, NOW);
	}
	assert_true(weir_stat_get(WEIR_STAT_PODS_NOT_KEPT) > before);
	assert_string_equal(app_of(set, name, 0, NULL), "short"); /* what was known of it stays */
	assert_true(weir_stat_get(WEIR_STAT_PODS_BYTES) < WEIR_POD_SET_BYTES + PODS * 200);
	free(text);
	weir_pod_set_destroy(set);
}

static void peers_are_bounded_and_many_pods_are_found(void **state)
{
	uint64_t before = weir_stat_get(WEIR_STAT_PODS_NOT_KEPT);
	struct weir_pod_set *set = set_make();
	char name[24];

	(void)state;
	for (unsigned i = 0; i < WEIR_POD_SET_PEERS + 5; i++) {
		snprintf(name, sizeof(name), "peer-%u", i);
		weir_pod_set_put(set, pod_make(name, name, name, NOW, 0), true, NOW);
	}
	assert_int_equal(weir_stat_get(WEIR_STAT_PODS_NOT_KEPT) - before, 5);
	assert_string_equal(app_of(set, "peer-8191", 0, NULL), "peer-8191");
	assert_string_equal(app_of(set, "peer-8192", 0, NULL), "");
	assert_int_equal(weir_stat_get(WEIR_STAT_PODS), WEIR_POD_SET_PEERS);
	assert_true(weir_stat_get(WEIR_STAT_PODS_BYTES) > WEIR_POD_SET_PEERS * sizeof(struct weir_pod));
	weir_pod_set_put(set, pod_make("own", "o", "own", NOW, 0), false, NOW);
	weir_pod_set_expire(set, NOW + WEIR_POD_SET_PEER_NS + SECOND);
	weir_pod_set_put(set, pod_make("peer-8192", "x", "late", NOW, 0), true, NOW);
	assert_string_equal(app_of(set, "peer-8192", 0, NULL), "late");
	assert_string_equal(app_of(set, "own", 0, NULL), "own");
	weir_pod_set_destroy(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pod_is_until_it_is_removed_and_known_for_a_while_after),
		cmocka_unit_test(a_name_that_comes_again_is_another_pod),
		cmocka_unit_test(only_what_changed_makes_a_new_table),
		cmocka_unit_test(who_is_not_in_a_whole_list_is_gone_but_for_peers),
		cmocka_unit_test(a_pod_that_is_over_is_until_its_end_and_not_twice),
		cmocka_unit_test(a_peer_is_looked_at_again_while_it_is_used_and_forgotten_when_not),
		cmocka_unit_test(of_many_peers_that_are_due_the_one_that_waits_longest_has_its_turn),
		cmocka_unit_test(a_pod_that_gets_another_address_had_the_old_one_until_then),
		cmocka_unit_test(what_grows_beyond_the_bound_is_not_kept),
		cmocka_unit_test(peers_are_bounded_and_many_pods_are_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
