/* A pod's workload by its owner, and what is copied of it. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "identity/pod.h"

static void expect_workload(const char *pod, const char *kind, const char *owner, const char *hash, const char *want)
{
	const struct weir_pod_owner from = { weir_str_of(kind), weir_str_of(owner), weir_str_of(hash) };
	struct weir_str got = weir_pod_workload(weir_str_of(pod), &from);

	if (!weir_str_is(got, want)) {
		fail_msg("%s of %s %s: %.*s, not %s", pod, kind, owner, (int)got.length, got.data, want);
	}
}

static void workload_is_the_owner_or_who_made_it(void **state)
{
	(void)state;
	expect_workload("reviews-v1-5f8d7c9b6-8xv7d", "ReplicaSet", "reviews-v1-5f8d7c9b6", "5f8d7c9b6", "reviews-v1");
	expect_workload("canary-abc-12345-8xv7d", "ReplicaSet", "canary-abc-12345", "12345", "canary-abc");
	/* Without the label the pod's name tells. */
	expect_workload("reviews-v1-5f8d7c9b6-8xv7d", "ReplicaSet", "reviews-v1-5f8d7c9b6", "", "reviews-v1");
	/* A ReplicaSet that no Deployment made: the hash is not its end. */
	expect_workload("alone-8xv7d", "ReplicaSet", "alone", "5f8d7c9b6", "alone");
	expect_workload("backup-28374650-x7k2p", "Job", "backup-28374650", "", "backup");
	expect_workload("backup-1670000000-x7k2p", "Job", "backup-1670000000", "", "backup");
	expect_workload("migrate-7-x7k2p", "Job", "migrate-7", "", "migrate-7");
	expect_workload("28374650-x7k2p", "Job", "28374650", "", "28374650");
	expect_workload("db-0", "StatefulSet", "db", "", "db");
	expect_workload("agent-x7k2p", "DaemonSet", "agent", "", "agent");
	expect_workload("thing-1", "Rollout", "thing", "", "thing");
	expect_workload("etcd-node-1", "Node", "node-1", "", "etcd-node-1");
	expect_workload("bare", "", "", "", "bare");
}

static void a_pod_keeps_its_own_texts(void **state)
{
	char name[] = "db-0", space[] = "shop", key[] = "app", value[] = "data";
	struct weir_identity_label label = { weir_str_of(key), weir_str_of(value) };
	struct weir_pod from = { .name = weir_str_of(name),
		.namespace_ = weir_str_of(space),
		.labels = &label,
		.label_count = 1,
		.since_ns = 7 };
	const struct weir_pod_owner owner = { .kind = weir_str_of("StatefulSet"), .name = weir_str_of("db") };
	struct weir_pod *pod;

	(void)state;
	assert_int_equal(weir_pod_create(&from, &owner, weir_str_of("reader"), &pod), 0);
	memset(name, 'x', 4);
	memset(space, 'x', 4);
	memset(key, 'x', 3);
	memset(value, 'x', 4);
	assert_true(weir_str_is(pod->name, "db-0") && weir_str_is(pod->namespace_, "shop"));
	assert_true(weir_str_is(pod->labels[0].key, "app") && weir_str_is(pod->labels[0].value, "data"));
	assert_true(weir_str_is(pod->identity.workload, "db") && weir_str_is(pod->identity.app, "data"));
	assert_true(weir_str_is(pod->identity.canonical_service, "data"));
	assert_true(weir_str_is(pod->identity.canonical_revision, "latest"));
	assert_true(weir_str_is(pod->identity.service_account, "reader"));
	assert_int_equal(pod->since_ns, 7);
	weir_pod_let_go(weir_pod_hold(pod));
	assert_true(weir_str_is(pod->name, "db-0"));
	weir_pod_let_go(pod);
	weir_pod_let_go(NULL);
}

static void a_pod_with_too_much_text_is_refused(void **state)
{
	char *text = malloc(WEIR_POD_TEXT_MAX);
	struct weir_pod from = { .name = weir_str_make(text, WEIR_POD_TEXT_MAX) };
	const struct weir_pod_owner owner = { 0 };
	struct weir_pod *pod;

	(void)state;
	memset(text, 'a', WEIR_POD_TEXT_MAX);
	assert_int_equal(weir_pod_create(&from, &owner, weir_str_of(""), &pod), -E2BIG);
	free(text);
}

static void wanted_labels_are_told_too(void **state)
{
	const char *const keys[] = { "team" };
	struct weir_identity_label labels[] = { { weir_str_of("team"), weir_str_of("red") },
		{ weir_str_of("app"), weir_str_of("data") } };
	struct weir_pod from = { .name = weir_str_of("db-0"), .labels = labels, .label_count = 2 };
	const struct weir_pod_owner owner = { 0 };
	const struct weir_wanted *wanted;
	struct weir_identity identity;
	struct weir_pod *pod;

	(void)state;
	assert_int_equal(weir_wanted_create(keys, 1, &wanted), 0);
	assert_int_equal(weir_pod_create(&from, &owner, weir_str_of(""), &pod), 0);
	weir_pod_identity(pod, NULL, &identity);
	assert_int_equal(identity.more.count, 0);
	weir_pod_identity(pod, wanted, &identity);
	assert_int_equal(identity.more.count, 1);
	assert_true(weir_str_is(identity.more.labels[0].value, "red") && weir_str_is(identity.app, "data"));
	weir_pod_let_go(pod);
	weir_wanted_let_go(wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workload_is_the_owner_or_who_made_it),
		cmocka_unit_test(a_pod_keeps_its_own_texts),
		cmocka_unit_test(a_pod_with_too_much_text_is_refused),
		cmocka_unit_test(wanted_labels_are_told_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
