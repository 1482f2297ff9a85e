/* Pods as JSON says them: lists, single pods, events; what is no such JSON; and the file they come from. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "identity/pod_read.h"
#include "identity/pods_file.h"

#define SECOND UINT64_C(1000000000)
#define START (UINT64_C(1577836800) * SECOND) /* 2020-01-01T00:00:00Z */

static struct weir_pod *taken[8];
static unsigned taken_count;

static void take(void *ctx, struct weir_pod *pod)
{
	(void)ctx;
	assert_true(taken_count < 8);
	taken[taken_count++] = pod;
}

static int teardown(void **state)
{
	(void)state;
	while (taken_count > 0) {
		weir_pod_let_go(taken[--taken_count]);
	}
	return 0;
}

#define POD                                                                                                            \
	"{\"metadata\":{\"name\":\"back-v1-5f8d7c9b6-8xv7d\",\"namespace\":\"shop\",\"uid\":\"u-1\","                  \
	"\"creationTimestamp\":\"2020-01-01T00:00:00Z\",\"labels\":{\"app\":\"back\",\"version\":\"v1\","              \
	"\"pod-template-hash\":\"5f8d7c9b6\",\"team\":\"r\\u00e9d\"},\"ownerReferences\":["                            \
	"{\"kind\":\"Thing\",\"name\":\"other\"},"                                                                     \
	"{\"kind\":\"ReplicaSet\",\"name\":\"back-v1-5f8d7c9b6\",\"controller\":true}]},"                              \
	"\"spec\":{\"containers\":[{\"env\":[{\"name\":\"X\",\"value\":\"{[\"}]}],\"nodeName\":\"n-1\","               \
	"\"serviceAccountName\":\"reader\"},\"status\":{\"phase\":\"Running\",\"podIP\":\"10.0.0.5\","                 \
	"\"hostIP\":\"192.168.0.1\",\"podIPs\":[{\"ip\":\"10.0.0.5\"},{\"ip\":\"fd00::5\"}]}}"

static void expect_pod(const struct weir_pod *pod)
{
	static const uint8_t v4[16] = { [10] = 0xff, 0xff, 10, 0, 0, 5 }, v6[16] = { 0xfd, [15] = 5 };

	assert_true(weir_str_is(pod->name, "back-v1-5f8d7c9b6-8xv7d") && weir_str_is(pod->namespace_, "shop"));
	assert_true(weir_str_is(pod->identity.workload, "back-v1") && weir_str_is(pod->identity.app, "back"));
	assert_true(weir_str_is(pod->identity.version, "v1") && weir_str_is(pod->node, "n-1"));
	assert_true(weir_str_is(pod->identity.service_account, "reader") && weir_str_is(pod->uid, "u-1"));
	assert_int_equal(pod->since_ns, START);
	assert_int_equal(pod->label_count, 4);
	assert_true(weir_str_is(pod->labels[3].value, "r\xc3\xa9"
						      "d"));
	assert_int_equal(pod->ip_count, 2);
	assert_memory_equal(pod->ips[0], v4, 16);
	assert_memory_equal(pod->ips[1], v6, 16);
	assert_false(pod->is_host_network || pod->is_over);
}

static void a_list_gives_its_pods_in_whichever_order_it_is_written(void **state)
{
	static const char *const lists[] = {
		"{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"77\",\"continue\":\"abc\"},\"items\":[" POD
		"]}",
		"{\"apiVersion\":\"v1\",\"items\":[" POD "],\"kind\":\"List\","
		"\"metadata\":{\"continue\":\"abc\",\"resourceVersion\":\"77\"}}\n",
	};
	struct weir_pod_list list;

	for (unsigned i = 0; i < 2; i++) {
		assert_int_equal(weir_pod_read_list(weir_str_of(lists[i]), take, NULL, &list), 0);
		assert_int_equal(list.pods, 1);
		assert_string_equal(list.resource_version, "77");
		assert_string_equal(list.continue_token, "abc");
		expect_pod(taken[0]);
		teardown(state);
	}
}

static void a_pod_begins_when_its_node_took_it(void **state)
{
	/* It waited an hour for a node; its address was somebody else's meanwhile. */
	static const char text[] =
		"{\"items\":[{\"metadata\":{\"name\":\"a\",\"namespace\":\"x\",\"creationTimestamp\":"
		"\"2020-01-01T00:00:00Z\"},\"status\":{\"startTime\":\"2020-01-01T01:00:00Z\"}}]}";
	struct weir_pod_list list;

	(void)state;
	assert_int_equal(weir_pod_read_list(weir_str_of(text), take, NULL, &list), 0);
	assert_int_equal(taken[0]->since_ns, START + 3600 * SECOND);
}

static void a_list_of_nobody_may_be_null(void **state)
{
	static const char text[] = "{\"kind\":\"PodList\",\"metadata\":{\"resourceVersion\":\"7\"},\"items\":null}";
	struct weir_pod_list list;

	(void)state;
	assert_int_equal(weir_pod_read_list(weir_str_of(text), take, NULL, &list), 0);
	assert_int_equal(list.pods + taken_count, 0);
	assert_string_equal(list.resource_version, "7");
}

static void one_pod_is_a_list_of_one(void **state)
{
	static const char whole[] = "{\"kind\":\"Pod\",\"apiVersion\":\"v1\",", pod[] = POD;
	char text[sizeof(whole) + sizeof(pod)];
	struct weir_pod_list list;

	(void)state;
	snprintf(text, sizeof(text), "%s%s", whole, pod + 1);
	assert_int_equal(weir_pod_read_list(weir_str_of(text), take, NULL, &list), 0);
	assert_int_equal(taken_count, 1);
	expect_pod(taken[0]);
}

static void every_beginning_of_a_list_is_malformed_and_none_crashes(void **state)
{
	static const char text[] = "{\"kind\":\"List\",\"items\":[" POD "],\"metadata\":{\"resourceVersion\":\"7\"}}";
	struct weir_pod_list list;

	for (size_t length = 0; length < sizeof(text) - 1; length++) {
		char *copy = malloc(length > 0 ? length : 1); /* its end is where a sanitizer sees it */

		memcpy(copy, text, length);
		assert_int_equal(
			weir_pod_read_list(weir_str_make(copy, length), take, NULL, &list), WEIR_POD_READ_MALFORMED);
		assert_non_null(list.error);
		free(copy);
		teardown(state);
	}
}

static void what_is_no_list_of_pods_is_told(void **state)
{
	static const char *const texts[] = { "", "[]", "7", "\"x\"", "{}", "{\"kind\":\"Status\",\"code\":403}",
		"{\"items\":[]} x", "{\"items\":[{\"metadata\":{\"labels\":{\"a\":}}}]}" };
	struct weir_pod_list list;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(weir_pod_read_list(weir_str_of(texts[i]), take, NULL, &list), WEIR_POD_READ_MALFORMED);
	}
}

static void values_of_another_kind_are_unset(void **state)
{
	struct weir_pod_list list;

	(void)state;
	assert_int_equal(
		weir_pod_read_list(
			weir_str_of("{\"items\":[{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\",\"labels\":[1],"
				    "\"uid\":{\"x\":[]},\"creationTimestamp\":\"yesterday\","
				    "\"ownerReferences\":[null,{\"name\":3}]},\"spec\":null,"
				    "\"status\":{\"podIP\":\"10.0.0\",\"podIPs\":{\"ip\":1}}},"
				    "{\"metadata\":{\"name\":\"nameless\"}},7],\"metadata\":3}"),
			take, NULL, &list),
		0);
	assert_int_equal(list.pods, 1);
	assert_int_equal(list.left_out, 2);
	assert_int_equal(taken[0]->label_count + taken[0]->ip_count + taken[0]->uid.length, 0);
	assert_int_equal(taken[0]->since_ns, 0);
	assert_true(weir_str_is(taken[0]->identity.workload, "a"));
}

static void labels_and_depth_are_bounded(void **state)
{
	char text[8192];
	struct weir_pod_list list;
	size_t at;

	(void)state;
	at = (size_t)snprintf(
		text, sizeof(text), "{\"items\":[{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\",\"labels\":{");
	for (unsigned i = 0; i < WEIR_POD_LABELS_MAX + 9; i++) {
		at += (size_t)snprintf(text + at, sizeof(text) - at, "%s\"k%u\":\"v\"", i > 0 ? "," : "", i);
	}
	snprintf(text + at, sizeof(text) - at, "}}}]}");
	assert_int_equal(weir_pod_read_list(weir_str_of(text), take, NULL, &list), 0);
	assert_int_equal(taken[0]->label_count, WEIR_POD_LABELS_MAX);
	memset(text, '[', 4000);
	memcpy(text, "{\"a\":", 5);
	assert_int_equal(weir_pod_read_list(weir_str_make(text, 4000), take, NULL, &list), WEIR_POD_READ_MALFORMED);
}

static void a_pod_that_ended_says_when(void **state)
{
	struct weir_pod_list list;

	(void)state;
	assert_int_equal(
		weir_pod_read_list(
			weir_str_of("{\"items\":[{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"},\"status\":{"
				    "\"containerStatuses\":["
				    "{\"state\":{\"terminated\":{\"finishedAt\":\"2020-01-01T00:00:09Z\"}}},"
				    "{\"state\":{\"terminated\":{\"finishedAt\":\"2020-01-01T00:00:05Z\"}}}],"
				    "\"phase\":\"Succeeded\"}}]}"),
			take, NULL, &list),
		0);
	assert_true(taken[0]->is_over);
	assert_int_equal(taken[0]->ended_ns, START + 10 * SECOND); /* somewhere within that second */
}

static void a_node_s_own_address_is_the_host_s(void **state)
{
	struct weir_pod_list list;

	(void)state;
	assert_int_equal(
		weir_pod_read_list(
			weir_str_of("{\"items\":[{\"metadata\":{\"name\":\"a\",\"namespace\":\"b\"},\"status\":{"
				    "\"hostIP\":\"10.0.0.1\",\"podIP\":\"10.0.0.1\"}}]}"),
			take, NULL, &list),
		0);
	assert_true(taken[0]->is_host_network);
}

/* ---- events ----------------------------------------------------------------- */

static void events_say_what_happened(void **state)
{
	struct weir_pod_event event;

	(void)state;
	assert_int_equal(weir_pod_read_event(weir_str_of("{\"type\":\"MODIFIED\",\"object\":" POD "}"), &event), 0);
	assert_int_equal(event.type, WEIR_POD_MODIFIED);
	expect_pod(event.pod);
	weir_pod_let_go(event.pod);
	assert_int_equal(weir_pod_read_event(weir_str_of("{\"object\":" POD ",\"type\":\"DELETED\"}"), &event), 0);
	assert_int_equal(event.type, WEIR_POD_DELETED);
	weir_pod_let_go(event.pod);
	assert_int_equal(weir_pod_read_event(weir_str_of("{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\","
							 "\"metadata\":{\"resourceVersion\":\"12\"}}}"),
				 &event),
		0);
	assert_int_equal(event.type, WEIR_POD_BOOKMARK);
	assert_null(event.pod);
	assert_string_equal(event.resource_version, "12");
	assert_int_equal(
		weir_pod_read_event(
			weir_str_of("{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"code\":410}}"), &event),
		0);
	assert_int_equal(event.type, WEIR_POD_ERROR);
	assert_int_equal(event.code, 410);
	assert_int_equal(weir_pod_read_event(weir_str_of("{\"type\":\"NEW\",\"object\":7}"), &event), 0);
	assert_int_equal(event.type, WEIR_POD_OTHER);
}

static void broken_events_are_told(void **state)
{
	static const char *const texts[] = { "", "{", "{\"type\":\"ADDED\"}", "{\"type\":\"ADDED\",\"object\":{}",
		"{\"type\":\"ADDED\",\"object\":{\"metadata\":}}", "[]" };
	struct weir_pod_event event;

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		assert_int_equal(weir_pod_read_event(weir_str_of(texts[i]), &event), WEIR_POD_READ_MALFORMED);
	}
}

/* ---- the file ----------------------------------------------------------------- */

static void file_write(const char *path, const char *text)
{
	char new[64];
	FILE *file;

	snprintf(new, sizeof(new), "%s.new", path);
	file = fopen(new, "w");
	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(rename(new, path), 0);
}

static void a_file_is_read_when_it_changed_and_kept_when_it_is_broken(void **state)
{
	char folder[] = "/tmp/weir-pods-XXXXXX", path[64];
	struct weir_pods_file file = { .path = path };
	const struct weir_workload_table *table;
	struct weir_pods_report report;
	struct weir_pod_set *set;

	(void)state;
	assert_non_null(mkdtemp(folder));
	snprintf(path, sizeof(path), "%s/pods.json", folder);
	assert_int_equal(weir_pod_set_create(&set), 0);
	weir_pods_file_step(&file, set, false, START, &report);
	assert_int_equal(report.result, WEIR_PODS_FAILED);
	assert_string_equal(report.why, "No such file or directory");
	file_write(path, "{\"items\":[" POD "]}");
	weir_pods_file_step(&file, set, false, START, &report);
	assert_int_equal(report.result, WEIR_PODS_USED);
	assert_int_equal(report.pods, 1);
	weir_pods_file_step(&file, set, false, START, &report);
	assert_int_equal(report.result, WEIR_PODS_NOTHING);
	weir_pods_file_step(&file, set, true, START, &report);
	assert_int_equal(report.result, WEIR_PODS_USED);
	file_write(path, "{\"items\":[");
	weir_pods_file_step(&file, set, false, START + SECOND, &report);
	assert_int_equal(report.result, WEIR_PODS_FAILED);
	assert_int_equal(weir_pod_set_table(set, &table), 0);
	assert_non_null(weir_workload_table_by_name(
		table, weir_str_of("back-v1-5f8d7c9b6-8xv7d"), weir_str_of("shop"), START + 2 * SECOND));
	weir_workload_table_destroy(table);
	weir_pods_file_step(&(struct weir_pods_file){ .path = folder }, set, false, START, &report);
	assert_int_equal(report.result, WEIR_PODS_FAILED); /* a folder */
	unlink(path);
	rmdir(folder);
	weir_pod_set_destroy(set);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_list_gives_its_pods_in_whichever_order_it_is_written, teardown),
		cmocka_unit_test_teardown(a_pod_begins_when_its_node_took_it, teardown),
		cmocka_unit_test_teardown(a_list_of_nobody_may_be_null, teardown),
		cmocka_unit_test_teardown(one_pod_is_a_list_of_one, teardown),
		cmocka_unit_test_teardown(every_beginning_of_a_list_is_malformed_and_none_crashes, teardown),
		cmocka_unit_test_teardown(what_is_no_list_of_pods_is_told, teardown),
		cmocka_unit_test_teardown(values_of_another_kind_are_unset, teardown),
		cmocka_unit_test_teardown(labels_and_depth_are_bounded, teardown),
		cmocka_unit_test_teardown(a_pod_that_ended_says_when, teardown),
		cmocka_unit_test_teardown(a_node_s_own_address_is_the_host_s, teardown),
		cmocka_unit_test(events_say_what_happened),
		cmocka_unit_test(broken_events_are_told),
		cmocka_unit_test(a_file_is_read_when_it_changed_and_kept_when_it_is_broken),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
