/* test_flow: running totals become differences that never go down. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "aggregate/flow.h"
#include "support/batch_maker.h"

#define T0 1700000000000000000u
#define S UINT64_C(1000000000)

struct said { /* what else a report says */
	uint64_t start_ns;
	bool is_delta;
};

static struct weir_flow_growth report_said(struct weir_flows *flows, const char *source, const char *stream,
	enum weir_connection_state how, uint64_t bytes, uint64_t now_ns, struct said said)
{
	struct batch_maker maker = { 0 };
	struct weir_flow_growth more;
	struct weir_connection *connection;
	const struct weir_batch *batch;

	batch_maker_begin(&maker, WEIR_PROTOCOL_ALS_V3, WEIR_SIGNAL_ACCESS_LOG, source, now_ns);
	connection = batch_maker_connection(&maker);
	connection->stream_id = batch_maker_text(&maker, stream);
	connection->state = (uint8_t)how;
	connection->start_ns = said.start_ns;
	connection->is_delta = said.is_delta;
	connection->sent_bytes = bytes;
	connection->received_bytes = bytes / 2;
	batch = batch_maker_finish(&maker);
	weir_flows_expire(flows, now_ns);
	weir_flows_report(flows, batch, weir_batch_connections(batch), now_ns, &more);
	batch_maker_fini(&maker);
	return more;
}

static struct weir_flow_growth report_from(struct weir_flows *flows, const char *source, const char *stream,
	enum weir_connection_state how, uint64_t bytes, uint64_t now_ns)
{
	return report_said(flows, source, stream, how, bytes, now_ns, (struct said){ 0, false });
}

static void expect(struct weir_flow_growth more, uint64_t opened, uint64_t closed, uint64_t sent, uint64_t received)
{
	assert_int_equal(more.opened, opened);
	assert_int_equal(more.closed, closed);
	assert_int_equal(more.sent_bytes, sent);
	assert_int_equal(more.received_bytes, received);
}

static void periodic_reports_add_up_to_the_total(void **state)
{
	struct weir_flows flows;

	(void)state;
	weir_flows_init(&flows, 1);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_OPEN, 0, T0), 1, 0, 0, 0);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_CONTINUE, 80, T0), 0, 0, 80, 40);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_CONTINUE, 120, T0), 0, 0, 40, 20);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_CLOSE, 120, T0), 0, 1, 0, 0);
	weir_flows_fini(&flows);
}

static void an_end_alone_counts_everything_at_once_and_once_only(void **state)
{
	struct weir_flows flows;

	(void)state;
	weir_flows_init(&flows, 1);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_CLOSE, 200, T0), 1, 1, 200, 100);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_CLOSE, 200, T0 + S), 0, 0, 0, 0);
	weir_flows_fini(&flows);
}

static void a_connection_met_midway_starts_from_its_baseline(void **state)
{
	struct weir_flows flows;

	(void)state;
	weir_flows_init(&flows, 1);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_CONTINUE, 1000, T0), 0, 0, 0, 0);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_CLOSE, 1010, T0), 0, 1, 10, 5);
	/* … but one of which nothing has flowed is met at its beginning. */
	expect(report_from(&flows, "n", "b", WEIR_CONNECTION_CONTINUE, 0, T0), 1, 0, 0, 0);
	weir_flows_fini(&flows);
}

static void a_smaller_total_takes_nothing_back(void **state)
{
	struct weir_flows flows;

	(void)state;
	weir_flows_init(&flows, 1);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_OPEN, 100, T0), 1, 0, 100, 50);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_CONTINUE, 40, T0), 0, 0, 0, 0);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_CONTINUE, 110, T0), 0, 0, 10, 5);
	weir_flows_fini(&flows);
}

static void the_same_stream_of_two_sources_is_two_connections(void **state)
{
	struct weir_flows flows;

	(void)state;
	weir_flows_init(&flows, 1);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_OPEN, 10, T0), 1, 0, 10, 5);
	expect(report_from(&flows, "m", "a", WEIR_CONNECTION_OPEN, 10, T0), 1, 0, 10, 5);
	weir_flows_fini(&flows);
}

static void without_a_stream_id_only_the_end_counts(void **state)
{
	struct weir_flows flows;

	(void)state;
	weir_flows_init(&flows, 1);
	expect(report_from(&flows, "n", "", WEIR_CONNECTION_OPEN, 10, T0), 0, 0, 0, 0);
	expect(report_from(&flows, "n", "", WEIR_CONNECTION_CLOSE, 10, T0), 1, 1, 10, 5);
	assert_int_equal(flows.slots.count, 0);
	weir_flows_fini(&flows);
}

static void closed_flows_are_forgotten_after_a_minute_and_open_ones_after_an_hour(void **state)
{
	struct weir_flows flows;

	(void)state;
	weir_flows_init(&flows, 1);
	report_from(&flows, "n", "open", WEIR_CONNECTION_OPEN, 10, T0);
	report_from(&flows, "n", "closed", WEIR_CONNECTION_CLOSE, 10, T0);
	weir_flows_expire(&flows, T0 + 50 * S);
	assert_int_equal(flows.slots.count, 2);
	weir_flows_expire(&flows, T0 + 65 * S);
	assert_int_equal(flows.slots.count, 1);
	weir_flows_expire(&flows, T0 + 3590 * S);
	assert_int_equal(flows.slots.count, 1);
	weir_flows_expire(&flows, T0 + 3605 * S);
	assert_int_equal(flows.slots.count, 0);
	weir_flows_fini(&flows);
}

static void a_full_table_forgets_closed_flows_first(void **state)
{
	struct weir_flows flows;
	char stream[16];

	(void)state;
	weir_flows_init(&flows, 1);
	report_from(&flows, "n", "first", WEIR_CONNECTION_OPEN, 10, T0);
	for (unsigned i = 1; i < 65536 + 100; i++) {
		snprintf(stream, sizeof(stream), "%u", i);
		report_from(&flows, "n", stream, i % 2 == 0 ? WEIR_CONNECTION_OPEN : WEIR_CONNECTION_CLOSE, 10, T0);
	}
	assert_int_equal(flows.slots.count, 65536);
	expect(report_from(&flows, "n", "first", WEIR_CONNECTION_CONTINUE, 30, T0), 0, 0, 20, 10);
	weir_flows_fini(&flows);
}

static void what_had_flowed_before_us_is_the_shortfall(void **state)
{
	struct weir_flows flows;

	(void)state;
	weir_flows_init(&flows, 1);
	weir_flows_begin(&flows, T0);
	/* It began before the fold did: its first total is the baseline. */
	expect(report_said(&flows, "n", "a", WEIR_CONNECTION_CONTINUE, 80, T0 + 5 * S, (struct said){ T0 - S, false }),
		0, 0, 0, 0);
	assert_int_equal(flows.shortfall_bytes, 120);
	assert_int_equal(flows.shortfall_connections, 1);
	expect(report_from(&flows, "n", "a", WEIR_CONNECTION_CLOSE, 100, T0 + 6 * S), 0, 1, 20, 10);
	/* It began later: its first reports were lost, but none of it was counted. */
	expect(report_said(&flows, "n", "b", WEIR_CONNECTION_CONTINUE, 80, T0 + 5 * S, (struct said){ T0 + S, false }),
		1, 0, 80, 40);
	assert_int_equal(flows.shortfall_connections, 1);
	weir_flows_fini(&flows);
}

static void what_was_forgotten_is_not_counted_again(void **state)
{
	struct weir_flows flows;

	(void)state;
	weir_flows_init(&flows, 1);
	weir_flows_begin(&flows, T0);
	expect(report_said(&flows, "n", "a", WEIR_CONNECTION_OPEN, 80, T0 + S, (struct said){ T0 + S, false }), 1, 0,
		80, 40);
	expect(report_said(
		       &flows, "n", "a", WEIR_CONNECTION_CONTINUE, 90, T0 + 4000 * S, (struct said){ T0 + S, false }),
		0, 0, 0, 0);
	assert_int_equal(flows.shortfall_connections, 1);
	weir_flows_fini(&flows);
}

static void differences_are_added_as_they_come(void **state)
{
	const struct said delta = { T0 - S, true };
	struct weir_flows flows;

	(void)state;
	weir_flows_init(&flows, 1);
	weir_flows_begin(&flows, T0);
	expect(report_said(&flows, "n", "a", WEIR_CONNECTION_OPEN, 0, T0, delta), 1, 0, 0, 0);
	expect(report_said(&flows, "n", "a", WEIR_CONNECTION_CONTINUE, 80, T0, delta), 0, 0, 80, 40);
	expect(report_said(&flows, "n", "a", WEIR_CONNECTION_CONTINUE, 20, T0, delta), 0, 0, 20, 10);
	expect(report_said(&flows, "n", "a", WEIR_CONNECTION_CLOSE, 2, T0, delta), 0, 1, 2, 1);
	expect(report_said(&flows, "n", "b", WEIR_CONNECTION_CONTINUE, 80, T0, delta), 0, 0, 80, 40);
	expect(report_said(&flows, "n", "", WEIR_CONNECTION_OPEN, 0, T0, delta), 1, 0, 0, 0);
	expect(report_said(&flows, "n", "", WEIR_CONNECTION_CLOSE, 6, T0, delta), 0, 1, 6, 3);
	assert_int_equal(flows.shortfall_connections, 0);
	weir_flows_fini(&flows);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(periodic_reports_add_up_to_the_total),
		cmocka_unit_test(an_end_alone_counts_everything_at_once_and_once_only),
		cmocka_unit_test(a_connection_met_midway_starts_from_its_baseline),
		cmocka_unit_test(a_smaller_total_takes_nothing_back),
		cmocka_unit_test(the_same_stream_of_two_sources_is_two_connections),
		cmocka_unit_test(without_a_stream_id_only_the_end_counts),
		cmocka_unit_test(closed_flows_are_forgotten_after_a_minute_and_open_ones_after_an_hour),
		cmocka_unit_test(a_full_table_forgets_closed_flows_first),
		cmocka_unit_test(what_had_flowed_before_us_is_the_shortfall),
		cmocka_unit_test(what_was_forgotten_is_not_counted_again),
		cmocka_unit_test(differences_are_added_as_they_come),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
