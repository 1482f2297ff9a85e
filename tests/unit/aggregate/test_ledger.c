/* test_ledger: every item received is in exactly one column. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/bounds.h"
#include "aggregate/ledger.h"
#include "support/batch_maker.h"

static void book(struct weir_ledger *ledger, const char *source, enum weir_signal signal, bool is_duplicate)
{
	struct batch_maker maker = { 0 };

	batch_maker_begin(&maker, WEIR_PROTOCOL_OTLP_GRPC, signal, source, 1000);
	for (unsigned i = 0; i < 3; i++) {
		if (signal == WEIR_SIGNAL_LOG) {
			batch_maker_log(&maker);
		} else {
			batch_maker_span(&maker);
		}
	}
	maker.head.dropped[WEIR_DROP_INVALID] = 4;
	maker.head.thinned[WEIR_THIN_STORAGE] = 1;
	weir_ledger_book(ledger, batch_maker_finish(&maker), is_duplicate);
	batch_maker_fini(&maker);
}

static void rows_are_by_source_protocol_and_signal(void **state)
{
	struct weir_ledger ledger;

	(void)state;
	weir_ledger_init(&ledger, 1);
	book(&ledger, "a", WEIR_SIGNAL_SPAN, false);
	book(&ledger, "a", WEIR_SIGNAL_SPAN, false);
	book(&ledger, "a", WEIR_SIGNAL_LOG, false);
	book(&ledger, "b", WEIR_SIGNAL_SPAN, false);
	assert_int_equal(ledger.count, 3);
	assert_int_equal(ledger.rows[0].received, 14);
	assert_int_equal(ledger.rows[0].kept, 4);
	assert_int_equal(ledger.rows[0].dropped[WEIR_DROP_INVALID], 8);
	assert_int_equal(ledger.rows[0].thinned[WEIR_THIN_STORAGE], 2);
	assert_int_equal(ledger.rows[0].last_ns, 1000);
	assert_true(weir_ledger_closes(&ledger));
	weir_ledger_fini(&ledger);
}

static void duplicates_move_nothing_but_received_and_duplicates(void **state)
{
	struct weir_ledger ledger;

	(void)state;
	weir_ledger_init(&ledger, 1);
	book(&ledger, "a", WEIR_SIGNAL_SPAN, false);
	book(&ledger, "a", WEIR_SIGNAL_SPAN, true);
	assert_int_equal(ledger.rows[0].received, 14);
	assert_int_equal(ledger.rows[0].duplicates, 7);
	assert_int_equal(ledger.rows[0].kept, 2);
	assert_true(weir_ledger_closes(&ledger));
	weir_ledger_fini(&ledger);
}

static void a_row_that_does_not_add_up_is_seen(void **state)
{
	struct weir_ledger ledger;

	(void)state;
	weir_ledger_init(&ledger, 1);
	book(&ledger, "a", WEIR_SIGNAL_SPAN, false);
	ledger.rows[0].kept++;
	assert_false(weir_ledger_closes(&ledger));
	weir_ledger_fini(&ledger);
}

static void sources_beyond_the_bound_share_the_overflow_row(void **state)
{
	struct weir_ledger ledger;
	uint64_t received = 0;
	char source[16];

	(void)state;
	weir_ledger_init(&ledger, 1);
	for (unsigned i = 0; i < 4200; i++) {
		snprintf(source, sizeof(source), "source-%u", i);
		book(&ledger, source, WEIR_SIGNAL_SPAN, false);
	}
	assert_int_equal(ledger.count, 4097);
	assert_true(weir_str_is(weir_text_str(&ledger.sources, ledger.rows[4096].source), "_overflow"));
	assert_int_equal(ledger.rows[4096].received, 104 * 7);
	for (uint32_t i = 0; i < ledger.count; i++) {
		received += ledger.rows[i].received;
	}
	assert_int_equal(received, 4200 * 7);
	weir_ledger_fini(&ledger);
}

/* One row for each source, protocol and signal would be too many, too. */
static void rows_beyond_the_bound_are_in_the_overflow_rows(void **state)
{
	struct weir_ledger ledger;
	uint64_t received = 0;
	char name[16];

	(void)state;
	weir_ledger_init(&ledger, 1);
	for (unsigned i = 0; i < 4000; i++) {
		snprintf(name, sizeof(name), "s%u", i);
		for (unsigned protocol = 0; protocol < 5; protocol++) {
			struct batch_maker maker = { 0 };

			batch_maker_begin(&maker, protocol, WEIR_SIGNAL_SPAN, name, 1000);
			batch_maker_span(&maker);
			weir_ledger_book(&ledger, batch_maker_finish(&maker), false);
			batch_maker_fini(&maker);
		}
	}
	assert_int_equal(ledger.count, WEIR_BOUNDS_LEDGER_ROWS + 5);
	for (uint32_t i = 0; i < ledger.count; i++) {
		received += ledger.rows[i].received;
	}
	assert_int_equal(received, 20000);
	assert_true(weir_ledger_closes(&ledger));
	weir_ledger_fini(&ledger);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rows_are_by_source_protocol_and_signal),
		cmocka_unit_test(duplicates_move_nothing_but_received_and_duplicates),
		cmocka_unit_test(a_row_that_does_not_add_up_is_seen),
		cmocka_unit_test(sources_beyond_the_bound_share_the_overflow_row),
		cmocka_unit_test(rows_beyond_the_bound_are_in_the_overflow_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
