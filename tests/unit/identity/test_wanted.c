/* The list of labels that rules want: bounded, each key once. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "identity/source.h"
#include "identity/wanted.h"

static void keys_are_found_and_others_are_not(void **state)
{
	const char *const keys[] = { "team", "app.kubernetes.io/part-of", "team" };
	const struct weir_wanted *wanted;

	(void)state;
	assert_int_equal(weir_wanted_create(keys, 3, &wanted), 0);
	assert_true(weir_wanted_has(wanted, weir_str_of("team")));
	assert_true(weir_wanted_has(wanted, weir_str_of("app.kubernetes.io/part-of")));
	assert_false(weir_wanted_has(wanted, weir_str_of("tea")));
	assert_false(weir_wanted_has(wanted, weir_str_of("")));
	assert_false(weir_wanted_has(NULL, weir_str_of("team")));
	weir_wanted_let_go(weir_wanted_hold(wanted));
	assert_true(weir_wanted_has(wanted, weir_str_of("team")));
	weir_wanted_let_go(wanted);
	weir_wanted_let_go(NULL);
}

static void more_than_there_is_room_for_is_told(void **state)
{
	char texts[WEIR_WANTED_MAX + 1][16], longest[WEIR_WANTED_KEY_MAX + 2] = { 0 };
	const char *keys[WEIR_WANTED_MAX + 1];
	const struct weir_wanted *wanted;

	(void)state;
	for (unsigned i = 0; i <= WEIR_WANTED_MAX; i++) {
		snprintf(texts[i], sizeof(texts[i]), "key-%u", i);
		keys[i] = texts[i];
	}
	assert_int_equal(weir_wanted_create(keys, WEIR_WANTED_MAX, &wanted), 0);
	weir_wanted_let_go(wanted);
	assert_int_equal(weir_wanted_create(keys, WEIR_WANTED_MAX + 1, &wanted), WEIR_WANTED_CUT);
	assert_true(weir_wanted_has(wanted, weir_str_of("key-15")));
	assert_false(weir_wanted_has(wanted, weir_str_of("key-16")));
	weir_wanted_let_go(wanted);
	memset(longest, 'a', sizeof(longest) - 1);
	keys[0] = longest;
	assert_int_equal(weir_wanted_create(keys, 1, &wanted), WEIR_WANTED_CUT);
	weir_wanted_let_go(wanted);
}

static void labels_are_kept_when_they_are_wanted_and_the_last_of_two_counts(void **state)
{
	const char *const keys[] = { "team", "app.kubernetes.io/name" };
	struct weir_identity_labels labels = { 0 };
	struct weir_identity identity = { .workload = weir_str_of("w") };

	(void)state;
	assert_int_equal(weir_wanted_create(keys, 2, &labels.wanted), 0);
	weir_identity_take_label(weir_str_of("team"), weir_str_of("a"), &labels);
	weir_identity_take_label(weir_str_of("colour"), weir_str_of("red"), &labels);
	weir_identity_take_label(weir_str_of("team"), weir_str_of("b"), &labels);
	weir_identity_take_label(weir_str_of("app.kubernetes.io/name"), weir_str_of("shop"), &labels);
	weir_identity_apply_labels(&labels, &identity);
	assert_int_equal(identity.more.count, 2);
	assert_true(weir_str_is(identity.more.labels[0].value, "b"));
	assert_true(weir_str_is(identity.canonical_service, "shop")); /* known, and wanted as well */
	labels.more.labels[0].value = weir_str_of("c");
	weir_identity_apply_labels(&labels, &identity);
	assert_true(weir_str_is(identity.more.labels[0].value, "b")); /* it was set already */
	weir_wanted_let_go(labels.wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(keys_are_found_and_others_are_not),
		cmocka_unit_test(more_than_there_is_room_for_is_told),
		cmocka_unit_test(labels_are_kept_when_they_are_wanted_and_the_last_of_two_counts),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
