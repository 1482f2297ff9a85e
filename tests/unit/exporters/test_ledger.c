/* ledger: the document adds up, or says that it does not. */
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <cmocka.h>

#include "exporters/ledger.h"

static const struct weir_ledger_refused nothing;

static void assert_document(
	const struct weir_snapshot *snapshot, const struct weir_ledger_refused *refused, const char *expected)
{
	struct weir_buf buf = { 0 };
	struct weir_json_write json;

	weir_json_write_init(&json, &buf);
	weir_ledger_render(&json, snapshot, refused);
	weir_buf_add_char(&buf, '\0');
	assert_string_equal(buf.data, expected);
	weir_buf_fini(&buf);
}

static void empty_ledger_closes(void **state)
{
	struct weir_snapshot snapshot = { 0 };

	(void)state;
	assert_document(&snapshot, &nothing, "{\"closes\":true,\"rows\":[],\"completeness\":[]}");
}

static void a_row_that_adds_up_closes(void **state)
{
	struct weir_ledger_view rows[] = { { .source = weir_str_of("sidecar~10.0.0.1~a\"b~c"),
		.protocol = WEIR_PROTOCOL_ALS_V3,
		.signal = WEIR_SIGNAL_ACCESS_LOG,
		.received = 21,
		.kept = 10,
		.duplicates = 5,
		.thinned = { 1, 2 },
		.dropped = { 0, 3 },
		.last_ns = 1700000000123456789u } };
	struct weir_snapshot snapshot = { .ledger = rows, .ledger_count = 1 };

	(void)state;
	assert_document(&snapshot, &nothing,
		"{\"closes\":true,\"rows\":[{\"source\":\"sidecar~10.0.0.1~a\\\"b~c\",\"protocol\":\"als_v3\","
		"\"signal\":\"access_log\",\"received\":21,\"kept\":10,\"duplicates\":5,"
		"\"thinned\":{\"storage\":1,\"overload\":2},\"dropped\":{\"intermediate\":3},\"refused\":{},"
		"\"mismatched\":0,\"principal\":\"\",\"last_unix_ms\":1700000000123}],\"completeness\":[]}");
}

static void one_missing_item_opens_the_ledger(void **state)
{
	struct weir_ledger_view rows[] = { { .signal = WEIR_SIGNAL_SPAN, .received = 2, .kept = 2 },
		{ .signal = WEIR_SIGNAL_SPAN, .received = 3, .kept = 2 } };
	struct weir_snapshot snapshot = { .ledger = rows, .ledger_count = 2 };

	(void)state;
	assert_false(weir_ledger_view_closes(&snapshot));
	rows[1].dropped[WEIR_DROP_INVALID] = 1;
	assert_true(weir_ledger_view_closes(&snapshot));
	rows[0].received--;
	rows[1].received++;
	assert_false(weir_ledger_view_closes(&snapshot)); /* each row by itself, not the sum of all */
}

static void refused_items_are_a_row_without_a_source(void **state)
{
	struct weir_ledger_refused refused = { 0 };
	struct weir_snapshot snapshot = { 0 };

	(void)state;
	refused.items[WEIR_SIGNAL_SPAN][WEIR_REFUSAL_RING_FULL] = 12;
	assert_document(&snapshot, &refused,
		"{\"closes\":true,\"rows\":[{\"source\":\"\",\"protocol\":\"\",\"signal\":\"span\",\"received\":0,"
		"\"kept\":0,\"duplicates\":0,\"thinned\":{},\"dropped\":{},\"refused\":{\"ring_full\":12},"
		"\"mismatched\":0,\"principal\":\"\",\"last_unix_ms\":0}],\"completeness\":[]}");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(empty_ledger_closes),
		cmocka_unit_test(a_row_that_adds_up_closes),
		cmocka_unit_test(one_missing_item_opens_the_ledger),
		cmocka_unit_test(refused_items_are_a_row_without_a_source),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
