/* known: who streams here is found; who does not, or not alone, is not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "identity/known.h"

static const uint8_t ip_a[16] = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 1 };
static const uint8_t ip_b[16] = { [10] = 0xff, [11] = 0xff, 10, 0, 0, 2 };
static const uint8_t no_ip[16];

static struct weir_identity node(const char *id, const char *workload)
{
	return (struct weir_identity){ .node_id = weir_str_of(id), .workload = weir_str_of(workload) };
}

static void sender_is_found_by_id_and_by_address_while_it_streams(void **state)
{
	struct weir_identity a = node("a", "web");
	struct weir_known *known;

	(void)state;
	assert_int_equal(weir_known_create(4, &known), 0);
	assert_null(weir_known_by_node(known, weir_str_of("a")));
	weir_known_join(known, &a, ip_a);
	weir_known_join(known, &a, ip_a);
	assert_true(weir_str_is(weir_known_by_node(known, weir_str_of("a"))->workload, "web"));
	assert_non_null(weir_known_by_address(known, ip_a));
	assert_null(weir_known_by_address(known, ip_b));
	weir_known_leave(known, weir_str_of("a"));
	assert_non_null(weir_known_by_address(known, ip_a)); /* one of two streams is left */
	weir_known_leave(known, weir_str_of("a"));
	assert_null(weir_known_by_address(known, ip_a));
	assert_non_null(weir_known_by_node(known, weir_str_of("a"))); /* an id is never used again */
	weir_known_destroy(known);
}

static void shared_address_finds_nobody(void **state)
{
	struct weir_identity a = node("a", "web"), b = node("b", "db");
	struct weir_known *known;

	(void)state;
	assert_int_equal(weir_known_create(4, &known), 0);
	weir_known_join(known, &a, ip_a);
	weir_known_join(known, &b, ip_a);
	assert_null(weir_known_by_address(known, ip_a));
	weir_known_leave(known, weir_str_of("a"));
	assert_true(weir_str_is(weir_known_by_address(known, ip_a)->workload, "db"));
	weir_known_destroy(known);
}

static void full_table_forgets_the_longest_gone(void **state)
{
	struct weir_identity a = node("a", "a"), b = node("b", "b"), c = node("c", "c"), d = node("d", "d");
	struct weir_known *known;

	(void)state;
	assert_int_equal(weir_known_create(2, &known), 0);
	weir_known_join(known, &a, ip_a);
	weir_known_join(known, &b, ip_b);
	weir_known_join(known, &c, no_ip); /* all are streaming: not kept */
	assert_null(weir_known_by_node(known, weir_str_of("c")));
	weir_known_leave(known, weir_str_of("b"));
	weir_known_leave(known, weir_str_of("a"));
	weir_known_join(known, &d, no_ip);
	assert_null(weir_known_by_node(known, weir_str_of("b")));
	assert_non_null(weir_known_by_node(known, weir_str_of("a")));
	assert_non_null(weir_known_by_node(known, weir_str_of("d")));
	weir_known_destroy(known);
}

static void endless_names_are_not_kept(void **state)
{
	static char text[5000];
	struct weir_identity a = node("a", "a");
	struct weir_known *known;

	(void)state;
	memset(text, 'x', sizeof(text));
	a.app = weir_str_make(text, sizeof(text));
	assert_int_equal(weir_known_create(2, &known), 0);
	weir_known_join(known, &a, ip_a);
	assert_null(weir_known_by_node(known, weir_str_of("a")));
	weir_known_leave(known, weir_str_of("a"));
	weir_known_destroy(known);
	weir_known_destroy(NULL);
}

static void many_come_and_go(void **state)
{
	struct weir_known *known;
	char id[32];

	(void)state;
	assert_int_equal(weir_known_create(64, &known), 0);
	for (int i = 0; i < 1000; i++) {
		struct weir_identity identity;

		snprintf(id, sizeof(id), "node-%d", i);
		identity = node(id, id);
		weir_known_join(known, &identity, no_ip);
		assert_true(weir_str_is(weir_known_by_node(known, weir_str_of(id))->workload, id));
		weir_known_leave(known, weir_str_of(id));
	}
	assert_null(weir_known_by_node(known, weir_str_of("node-935")));
	assert_non_null(weir_known_by_node(known, weir_str_of("node-936")));
	weir_known_destroy(known);
}

static void further_labels_are_copied_too(void **state)
{
	char key[] = "team", value[] = "red";
	struct weir_identity a = node("a", "web");
	const struct weir_identity *found;
	struct weir_known *known;

	(void)state;
	a.more.labels[0] = (struct weir_identity_label){ weir_str_of(key), weir_str_of(value) };
	a.more.count = 1;
	assert_int_equal(weir_known_create(4, &known), 0);
	weir_known_join(known, &a, no_ip);
	memset(key, 'x', 4);
	memset(value, 'x', 3);
	found = weir_known_by_node(known, weir_str_of("a"));
	assert_int_equal(found->more.count, 1);
	assert_true(weir_str_is(found->more.labels[0].key, "team"));
	assert_true(weir_str_is(found->more.labels[0].value, "red"));
	weir_known_destroy(known);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(further_labels_are_copied_too),
		cmocka_unit_test(sender_is_found_by_id_and_by_address_while_it_streams),
		cmocka_unit_test(shared_address_finds_nobody),
		cmocka_unit_test(full_table_forgets_the_longest_gone),
		cmocka_unit_test(endless_names_are_not_kept),
		cmocka_unit_test(many_come_and_go),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
