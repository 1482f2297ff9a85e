/* source: tables of names, and what they say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "identity/source.h"

static void same(struct weir_str have, const char *want)
{
	if (!weir_str_is(have, want)) {
		fail_msg("have \"%.*s\", want \"%s\"", (int)have.length, have.data, want);
	}
}

static void workload_is_the_pod_without_what_was_generated(void **state)
{
	static const struct {
		const char *pod, *workload;
	} cases[] = {
		{ "reviews-v1-5f8d7c9b6-8xv7d", "reviews-v1" },
		{ "reviews-v1-3f49171ef0-9wpcn", "reviews-v1" },
		{ "istio-ingressgateway-823d1ca45b-tswgp", "istio-ingressgateway" },
		{ "reviews-v1-5f8d-8xv7d", "reviews-v1" }, /* a short hash */
		{ "reviews-v1-x7k2p", "reviews-v1" },      /* a version is none, */
		{ "test-e2e-x7k2p", "test-e2e" },
		{ "report-2024-x7k2p", "report-2024" },     /* nor is a year */
		{ "node-exporter-x7k2p", "node-exporter" }, /* a DaemonSet's: `exporter` is no hash */
		{ "mysql-0", "mysql" },
		{ "mysql-12", "mysql" },
		{ "standalone", "standalone" },
		{ "my-pod", "my-pod" },
		{ "", "" },
		{ "-", "-" },
		{ "-abcde", "-abcde" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		same(weir_identity_workload_of_pod(weir_str_of(cases[i].pod)), cases[i].workload);
	}
}

static void node_id_fills_what_is_unset(void **state)
{
	struct weir_identity identity = { .workload = weir_str_of("told") };

	(void)state;
	weir_identity_from_node_id(
		weir_str_of("router~10.0.0.1~gw-5f8d7c9b6f-8xv7d.istio-system~istio-system.svc.cluster.local"),
		&identity);
	assert_true(identity.is_gateway);
	assert_false(identity.is_waypoint);
	same(identity.workload, "told");
	same(identity.pod, "gw-5f8d7c9b6f-8xv7d");
	same(identity.namespace_, "istio-system");
	same(identity.domain, "istio-system.svc.cluster.local");
	same(identity.address, "10.0.0.1");
}

static void odd_node_ids_are_kept_and_nothing_more(void **state)
{
	static const char *const ids[] = { "", "just-a-name", "sidecar~", "sidecar~~~", "sidecar~1~pod" };

	(void)state;
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		struct weir_identity identity = { 0 };

		weir_identity_from_node_id(weir_str_of(ids[i]), &identity);
		same(identity.node_id, ids[i]);
		assert_int_equal(identity.namespace_.length, 0);
		assert_false(identity.is_gateway);
	}
}

static void canonical_names_follow_the_labels_in_order(void **state)
{
	static const struct {
		struct weir_identity_labels labels;
		const char *service, *revision;
	} cases[] = {
		{ { .app = { "a", 1 },
			  .version = { "v", 1 },
			  .k8s_name = { "kn", 2 },
			  .k8s_version = { "kv", 2 },
			  .canonical_name = { "cn", 2 },
			  .canonical_revision = { "cr", 2 } },
			"cn", "cr" },
		{ { .app = { "a", 1 }, .version = { "v", 1 }, .k8s_name = { "kn", 2 }, .k8s_version = { "kv", 2 } },
			"kn", "kv" },
		{ { .app = { "a", 1 }, .version = { "v", 1 } }, "a", "v" },
		{ { .app = { NULL, 0 } }, "w", "latest" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_identity identity = { .workload = weir_str_of("w") };

		weir_identity_apply_labels(&cases[i].labels, &identity);
		same(identity.canonical_service, cases[i].service);
		same(identity.canonical_revision, cases[i].revision);
	}
}

static void guess_splits_the_workload_by_convention(void **state)
{
	static const struct {
		const char *workload, *service, *app, *version;
	} cases[] = {
		{ "reviews-v2", "", "reviews", "v2" },
		{ "catalog-blue", "catalog", "catalog", "blue" },
		{ "catalog-blue", "", "catalog-blue", "latest" },
		{ "istio-ingressgateway", "", "istio-ingressgateway", "latest" },
		{ "cart", "cart", "cart", "latest" },
		{ "web-view", "", "web-view", "latest" },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_identity identity = { .workload = weir_str_of(cases[i].workload) };

		weir_identity_guess_labels(&identity, weir_str_of(cases[i].service));
		same(identity.app, cases[i].app);
		same(identity.version, cases[i].version);
		same(identity.canonical_service, cases[i].app);
	}
}

static void cluster_names_are_read_in_all_forms(void **state)
{
	static const struct {
		const char *name;
		enum weir_cluster_direction direction;
		const char *port, *subset, *host;
		bool is_special;
	} cases[] = {
		{ "outbound|9080|v1|reviews.default.svc.cluster.local", WEIR_CLUSTER_OUTBOUND, "9080", "v1",
			"reviews.default.svc.cluster.local", false },
		{ "outbound|80||example.com", WEIR_CLUSTER_OUTBOUND, "80", "", "example.com", false },
		{ "outbound_.9080_._.details.default.svc.cluster.local", WEIR_CLUSTER_OUTBOUND, "9080", "",
			"details.default.svc.cluster.local", false },
		{ "outbound_.9080_.v1_.a_b.example", WEIR_CLUSTER_OUTBOUND, "9080", "v1", "a_b.example", false },
		{ "inbound|9080||", WEIR_CLUSTER_INBOUND, "9080", "", "", false },
		{ "inbound|9080|http|a.b.svc.c", WEIR_CLUSTER_INBOUND, "9080", "http", "a.b.svc.c", false },
		{ "inbound-vip|80|http|a.b.svc.c", WEIR_CLUSTER_INBOUND_VIP, "80", "http", "a.b.svc.c", false },
		{ "PassthroughCluster", WEIR_CLUSTER_OUTBOUND, "", "", "", true },
		{ "BlackHoleCluster", WEIR_CLUSTER_OUTBOUND, "", "", "", true },
		{ "InboundPassthroughClusterIpv6", WEIR_CLUSTER_INBOUND, "", "", "", true },
		{ "xds-grpc", WEIR_CLUSTER_UNKNOWN, "", "", "", false },
		{ "", WEIR_CLUSTER_UNKNOWN, "", "", "", false },
		{ "outbound", WEIR_CLUSTER_UNKNOWN, "", "", "", false },
		{ "outbound_.", WEIR_CLUSTER_UNKNOWN, "", "", "", false },
		{ "outbound|80", WEIR_CLUSTER_OUTBOUND, "80", "", "", false },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct weir_cluster_name cluster = weir_identity_cluster(weir_str_of(cases[i].name));

		assert_int_equal(cluster.direction, cases[i].direction);
		same(cluster.port, cases[i].port);
		same(cluster.subset, cases[i].subset);
		same(cluster.host, cases[i].host);
		assert_int_equal(cluster.is_special, cases[i].is_special);
	}
}

static void services_and_certificates_name_their_namespace(void **state)
{
	struct weir_str name, space, account;

	(void)state;
	weir_identity_service(weir_str_of("a.b.svc.cluster.local"), &name, &space);
	same(name, "a");
	same(space, "b");
	weir_identity_service(weir_str_of("a.b.svc"), &name, &space);
	same(space, "b");
	weir_identity_service(weir_str_of("a.b.svcs.example"), &name, &space);
	same(name, "a.b.svcs.example");
	same(space, "");
	assert_true(weir_identity_spiffe(weir_str_of("spiffe://td/ns/shop/sa/cart"), &space, &account));
	same(space, "shop");
	same(account, "cart");
	assert_false(weir_identity_spiffe(weir_str_of("spiffe://td/ns//sa/cart"), &space, &account));
	assert_false(weir_identity_spiffe(weir_str_of("spiffe://td/workload/cart"), &space, &account));
	assert_false(weir_identity_spiffe(weir_str_of("https://td/ns/a/sa/b"), &space, &account));
	assert_false(weir_identity_spiffe(weir_str_of(""), &space, &account));
}

static void owner_names_workload_and_namespace(void **state)
{
	struct weir_identity identity = { 0 };

	(void)state;
	weir_identity_from_owner(weir_str_of("kubernetes://apis/apps/v1/namespaces/x/deployments/"), &identity);
	weir_identity_from_owner(weir_str_of("kubernetes://pods/x"), &identity);
	assert_int_equal(identity.workload.length, 0);
	weir_identity_from_owner(
		weir_str_of("kubernetes://apis/apps/v1/namespaces/default/deployments/reviews-v1"), &identity);
	same(identity.workload, "reviews-v1");
	same(identity.namespace_, "default");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(workload_is_the_pod_without_what_was_generated),
		cmocka_unit_test(node_id_fills_what_is_unset),
		cmocka_unit_test(odd_node_ids_are_kept_and_nothing_more),
		cmocka_unit_test(canonical_names_follow_the_labels_in_order),
		cmocka_unit_test(guess_splits_the_workload_by_convention),
		cmocka_unit_test(cluster_names_are_read_in_all_forms),
		cmocka_unit_test(services_and_certificates_name_their_namespace),
		cmocka_unit_test(owner_names_workload_and_namespace),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
