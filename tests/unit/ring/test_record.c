/* The names of the labels, and what makes a batch unsound. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "ring/record.h"

/* One row of each kind, and 64 bytes of pool. */
struct whole {
	struct weir_batch batch;
	struct weir_workload workload;
	struct weir_resource resource;
	struct weir_span span;
	struct weir_request request;
	struct weir_connection connection;
	struct weir_attr attr;
	struct weir_event event;
	struct weir_link link;
	char pool[64];
};

_Static_assert(offsetof(struct whole, pool) % 8 == 0, "tables are aligned");

static const struct weir_ref text = { offsetof(struct whole, pool), 64 };

static struct whole make_whole(void)
{
	struct whole whole;

	memset(&whole, 0, sizeof(whole));
	whole.batch = (struct weir_batch){
		.size_bytes = sizeof(whole),
		.version = WEIR_BATCH_VERSION,
		.protocol = WEIR_PROTOCOL_OTLP_GRPC,
		.signal = WEIR_SIGNAL_SPAN,
		.offered = 10,
		.kept = 1,
		.dropped = { 2, 3 },
		.thinned = { 4, 0 },
		.source = text,
		.workloads = { offsetof(struct whole, workload), 1 },
		.resources = { offsetof(struct whole, resource), 1 },
		.spans = { offsetof(struct whole, span), 1 },
		.requests = { offsetof(struct whole, request), 1 },
		.connections = { offsetof(struct whole, connection), 1 },
		.attrs = { offsetof(struct whole, attr), 1 },
		.events = { offsetof(struct whole, event), 1 },
		.links = { offsetof(struct whole, link), 1 },
	};
	whole.span.attr_count = whole.span.event_count = whole.span.link_count = 1;
	whole.resource.attr_count = whole.event.attr_count = whole.link.attr_count = 1;
	whole.request.attr_count = whole.connection.attr_count = 1;
	whole.attr.type = WEIR_ATTR_STRING;
	whole.attr.key = whole.attr.value.text = text;
	return whole;
}

static void whole_batch_is_sound(void **state)
{
	struct whole whole = make_whole();

	(void)state;
	assert_true(weir_batch_is_sound(&whole.batch, sizeof(whole)));
}

static void header_alone_is_sound(void **state)
{
	struct weir_batch batch = { .size_bytes = sizeof(batch), .version = WEIR_BATCH_VERSION };

	(void)state;
	assert_true(weir_batch_is_sound(&batch, sizeof(batch)));
}

static void size_must_be_what_there_is(void **state)
{
	struct whole whole = make_whole();

	(void)state;
	assert_false(weir_batch_is_sound(&whole.batch, sizeof(whole) - 8));
	assert_false(weir_batch_is_sound(&whole.batch, sizeof(whole) + 8));
	assert_false(weir_batch_is_sound(&whole.batch, sizeof(whole) + (UINT64_C(1) << 32)));
	assert_false(weir_batch_is_sound(&whole.batch, 0));
	assert_false(weir_batch_is_sound(&whole.batch, sizeof(whole.batch) - 8));
	whole.batch.size_bytes -= 4;
	assert_false(weir_batch_is_sound(&whole.batch, sizeof(whole) - 4));
}

/* Sets one field of a whole batch; the batch must not be believed any more. */
static void expect_unsound(size_t offset, size_t width, uint32_t value)
{
	struct whole whole = make_whole();

	memcpy((char *)&whole + offset, &value, width); /* the low bytes come first */
	assert_false(weir_batch_is_sound(&whole.batch, sizeof(whole)));
}

static void version_and_ledger_rows_are_checked(void **state)
{
	(void)state;
	expect_unsound(offsetof(struct whole, batch.version), 2, WEIR_BATCH_VERSION + 1);
	expect_unsound(offsetof(struct whole, batch.protocol), 1, WEIR_PROTOCOLS);
	expect_unsound(offsetof(struct whole, batch.signal), 1, WEIR_SIGNALS);
}

/* As version 2 lies in a ring that an upgrade found: rows of workloads end before their labels. */
static void batch_of_version_2_is_read_as_it_lies(void **state)
{
	struct {
		struct weir_batch batch;
		char workloads[2][WEIR_WORKLOAD_BYTES_V2];
		struct weir_request request;
		char pool[16];
	} old;
	const struct weir_ref name = { offsetof(__typeof__(old), pool) + 8, 8 };
	uint32_t count = 7;

	(void)state;
	memset(&old, 0, sizeof(old));
	memcpy(old.pool, "........reviews1", 16);
	old.batch = (struct weir_batch){ .size_bytes = sizeof(old),
		.version = 2,
		.offered = 1,
		.kept = 1,
		.workloads = { offsetof(__typeof__(old), workloads), 2 },
		.requests = { offsetof(__typeof__(old), request), 1 } };
	memcpy(old.workloads[1], &name, sizeof(name));
	old.request.call.source = 0;
	old.request.call.destination = 1;
	assert_true(weir_batch_is_sound(&old.batch, sizeof(old)));
	assert_true(weir_str_is(weir_batch_str(&old.batch, weir_batch_workload(&old.batch, 1)->name), "reviews1"));
	assert_int_equal(weir_batch_workload(&old.batch, 0)->name.length, 0);
	weir_batch_labels(&old.batch, weir_batch_workload(&old.batch, 1), &count);
	assert_int_equal(count, 0);
	old.batch.workloads.count = 6; /* more rows than there are bytes */
	assert_false(weir_batch_is_sound(&old.batch, sizeof(old)));
	old.batch.version = 1;
	old.batch.workloads.count = 2;
	assert_false(weir_batch_is_sound(&old.batch, sizeof(old)));
}

static void labels_of_a_workload_are_rows_of_attrs(void **state)
{
	struct whole whole = make_whole();
	uint32_t count;

	(void)state;
	whole.workload.attr_count = 1;
	assert_true(weir_batch_is_sound(&whole.batch, sizeof(whole)));
	assert_ptr_equal(weir_batch_labels(&whole.batch, weir_batch_workload(&whole.batch, 0), &count), &whole.attr);
	assert_int_equal(count, 1);
	whole.workload.attr_first = 1;
	assert_false(weir_batch_is_sound(&whole.batch, sizeof(whole)));
}

static void probes_are_known_by_agent_or_path(void **state)
{
	const struct weir_str none = { NULL, 0 };

	(void)state;
	assert_true(weir_call_is_probe(weir_str_of("kube-probe/1.22"), weir_str_of("/ready")));
	assert_true(weir_call_is_probe(weir_str_of("Prometheus/2.42.0"), none));
	assert_true(weir_call_is_probe(none, weir_str_of("/grpc.health.v1.Health/Check")));
	assert_false(weir_call_is_probe(weir_str_of("curl/7.88"), weir_str_of("/healthz")));
	assert_false(weir_call_is_probe(none, none));
}

static void offered_is_the_sum_of_all(void **state)
{
	struct whole whole = make_whole();

	(void)state;
	expect_unsound(offsetof(struct whole, batch.offered), 4, 11);
	expect_unsound(offsetof(struct whole, batch.kept), 4, 2);
	expect_unsound(offsetof(struct whole, batch.dropped[WEIR_DROPS - 1]), 4, 4);
	expect_unsound(offsetof(struct whole, batch.thinned[WEIR_THINS - 1]), 4, 1);
	/* A sum that only fits modulo 2^32. */
	whole.batch.kept = UINT32_MAX;
	whole.batch.dropped[0] = 4;
	assert_false(weir_batch_is_sound(&whole.batch, sizeof(whole)));
}

static void tables_are_inside_aligned_and_behind_the_header(void **state)
{
	const size_t tables[] = { offsetof(struct weir_batch, workloads), offsetof(struct weir_batch, resources),
		offsetof(struct weir_batch, spans), offsetof(struct weir_batch, requests),
		offsetof(struct weir_batch, connections), offsetof(struct weir_batch, attrs),
		offsetof(struct weir_batch, events), offsetof(struct weir_batch, links) };
	const struct weir_table wrong[] = {
		{ sizeof(struct whole), 1 },
		{ sizeof(struct whole) - 8, 1 },
		{ UINT32_MAX - 7, 1 },
		{ sizeof(struct weir_batch), UINT32_MAX },
		{ sizeof(struct weir_batch) + 4, 1 },
		{ 0, 1 },
		{ sizeof(struct weir_batch) - 8, 1 },
		{ sizeof(struct whole) + 8, 0 },
	};

	(void)state;
	for (size_t i = 0; i < sizeof(tables) / sizeof(tables[0]); i++) {
		for (size_t j = 0; j < sizeof(wrong) / sizeof(wrong[0]); j++) {
			struct whole whole = make_whole();

			memcpy((char *)&whole.batch + tables[i], &wrong[j], sizeof(wrong[j]));
			assert_false(weir_batch_is_sound(&whole.batch, sizeof(whole)));
		}
	}
}

static void every_ref_is_inside(void **state)
{
	const size_t refs[] = {
		offsetof(struct whole, batch.source),
		offsetof(struct whole, workload.name),
		offsetof(struct whole, workload.namespace_),
		offsetof(struct whole, workload.app),
		offsetof(struct whole, workload.version),
		offsetof(struct whole, workload.canonical_service),
		offsetof(struct whole, workload.canonical_revision),
		offsetof(struct whole, workload.cluster),
		offsetof(struct whole, workload.pod),
		offsetof(struct whole, workload.node_id),
		offsetof(struct whole, resource.service),
		offsetof(struct whole, resource.scope_name),
		offsetof(struct whole, resource.scope_version),
		offsetof(struct whole, span.name),
		offsetof(struct whole, span.trace_state),
		offsetof(struct whole, span.status_message),
		offsetof(struct whole, span.peer),
		offsetof(struct whole, request.call.service_host),
		offsetof(struct whole, request.call.service_name),
		offsetof(struct whole, request.call.service_namespace),
		offsetof(struct whole, request.call.source_principal),
		offsetof(struct whole, request.call.destination_principal),
		offsetof(struct whole, request.authority),
		offsetof(struct whole, request.path),
		offsetof(struct whole, request.user_agent),
		offsetof(struct whole, request.request_id),
		offsetof(struct whole, request.route),
		offsetof(struct whole, request.upstream_cluster),
		offsetof(struct whole, request.code_details),
		offsetof(struct whole, request.trace_id),
		offsetof(struct whole, connection.call.service_host),
		offsetof(struct whole, connection.stream_id),
		offsetof(struct whole, connection.upstream_cluster),
		offsetof(struct whole, connection.sni),
		offsetof(struct whole, attr.key),
		offsetof(struct whole, attr.value.text),
		offsetof(struct whole, event.name),
		offsetof(struct whole, link.trace_state),
	};
	const struct weir_ref wrong[] = { { text.offset, 65 }, { sizeof(struct whole) + 1, 0 }, { UINT32_MAX, 2 },
		{ 8, UINT32_MAX } };

	(void)state;
	for (size_t i = 0; i < sizeof(refs) / sizeof(refs[0]); i++) {
		struct whole whole = make_whole();

		memcpy((char *)&whole + refs[i], &text, sizeof(text));
		assert_true(weir_batch_is_sound(&whole.batch, sizeof(whole)));
		for (size_t j = 0; j < sizeof(wrong) / sizeof(wrong[0]); j++) {
			memcpy((char *)&whole + refs[i], &wrong[j], sizeof(wrong[j]));
			assert_false(weir_batch_is_sound(&whole.batch, sizeof(whole)));
		}
	}
}

static void every_index_is_below_its_count(void **state)
{
	(void)state;
	expect_unsound(offsetof(struct whole, span.resource), 4, 1);
	expect_unsound(offsetof(struct whole, span.resource), 4, WEIR_NONE);
	expect_unsound(offsetof(struct whole, span.attr_first), 4, 1);
	expect_unsound(offsetof(struct whole, span.attr_first), 4, UINT32_MAX);
	expect_unsound(offsetof(struct whole, span.attr_count), 4, 2);
	expect_unsound(offsetof(struct whole, span.event_first), 4, 1);
	expect_unsound(offsetof(struct whole, span.event_count), 4, 2);
	expect_unsound(offsetof(struct whole, span.link_first), 4, 1);
	expect_unsound(offsetof(struct whole, span.link_count), 4, 2);
	expect_unsound(offsetof(struct whole, resource.attr_first), 4, 1);
	expect_unsound(offsetof(struct whole, event.attr_first), 4, 1);
	expect_unsound(offsetof(struct whole, link.attr_first), 4, 1);
	expect_unsound(offsetof(struct whole, request.attr_first), 4, 1);
	expect_unsound(offsetof(struct whole, connection.attr_first), 4, 1);
	expect_unsound(offsetof(struct whole, request.call.source), 4, 1);
	expect_unsound(offsetof(struct whole, request.call.destination), 4, 1);
	expect_unsound(offsetof(struct whole, connection.call.source), 4, WEIR_NONE - 1);
	expect_unsound(offsetof(struct whole, connection.call.destination), 4, 1);
	expect_unsound(offsetof(struct whole, attr.type), 4, WEIR_ATTR_EMPTY + 1);
}

static void end_of_a_call_may_be_nobody(void **state)
{
	struct whole whole = make_whole();

	(void)state;
	whole.request.call.source = whole.connection.call.destination = WEIR_NONE;
	assert_true(weir_batch_is_sound(&whole.batch, sizeof(whole)));
}

static void range_of_no_rows_may_start_anywhere(void **state)
{
	struct whole whole = make_whole();

	(void)state;
	whole.span.attr_first = 77;
	whole.span.attr_count = 0;
	assert_true(weir_batch_is_sound(&whole.batch, sizeof(whole)));
}

static void number_in_an_attr_is_no_ref(void **state)
{
	struct whole whole = make_whole();

	(void)state;
	whole.attr.type = WEIR_ATTR_INT;
	whole.attr.value.number = -1;
	assert_true(weir_batch_is_sound(&whole.batch, sizeof(whole)));
	whole.attr.type = WEIR_ATTR_JSON;
	assert_false(weir_batch_is_sound(&whole.batch, sizeof(whole)));
	whole.attr.type = WEIR_ATTR_BYTES;
	assert_false(weir_batch_is_sound(&whole.batch, sizeof(whole)));
}

static void names_end_where_the_enums_end(void **state)
{
	(void)state;
	assert_string_equal(weir_signal_name(WEIR_SIGNAL_ACCESS_LOG), "access_log");
	assert_string_equal(weir_signal_name(WEIR_SIGNAL_SPAN), "span");
	assert_string_equal(weir_signal_name(WEIR_SIGNAL_METRIC_POINT), "metric_point");
	assert_string_equal(weir_signal_name(WEIR_SIGNAL_LOG), "log");
	assert_string_equal(weir_signal_name(WEIR_SIGNAL_MIXER), "mixer");
	assert_string_equal(weir_protocol_name(WEIR_PROTOCOL_ALS_V3), "als_v3");
	assert_string_equal(weir_protocol_name(WEIR_PROTOCOL_OTLP_GRPC), "otlp_grpc");
	assert_string_equal(weir_protocol_name(WEIR_PROTOCOL_OTLP_HTTP), "otlp_http");
	assert_string_equal(weir_protocol_name(WEIR_PROTOCOL_ZIPKIN_HTTP), "zipkin_http");
	assert_string_equal(weir_drop_name(WEIR_DROP_INVALID), "invalid");
	assert_string_equal(weir_drop_name(WEIR_DROP_INTERMEDIATE), "intermediate");
	assert_string_equal(weir_thin_name(WEIR_THIN_STORAGE), "storage");
	assert_string_equal(weir_thin_name(WEIR_THIN_OVERLOAD), "overload");
	assert_string_equal(weir_refusal_name(WEIR_REFUSAL_RING_FULL), "ring_full");
	assert_string_equal(weir_refusal_name(WEIR_REFUSAL_TOO_LARGE), "too_large");
	assert_string_equal(weir_refusal_name(WEIR_REFUSAL_MALFORMED), "malformed");
	assert_string_equal(weir_refusal_name(WEIR_REFUSAL_STORAGE), "storage");
	assert_string_equal(weir_refusal_name(WEIR_REFUSAL_STOPPING), "stopping");
	assert_null(weir_signal_name(WEIR_SIGNALS));
	assert_null(weir_protocol_name(WEIR_PROTOCOLS));
	assert_null(weir_drop_name(WEIR_DROPS));
	assert_null(weir_thin_name(WEIR_THINS));
	assert_null(weir_refusal_name(WEIR_REFUSALS));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whole_batch_is_sound),
		cmocka_unit_test(header_alone_is_sound),
		cmocka_unit_test(size_must_be_what_there_is),
		cmocka_unit_test(version_and_ledger_rows_are_checked),
		cmocka_unit_test(batch_of_version_2_is_read_as_it_lies),
		cmocka_unit_test(labels_of_a_workload_are_rows_of_attrs),
		cmocka_unit_test(probes_are_known_by_agent_or_path),
		cmocka_unit_test(offered_is_the_sum_of_all),
		cmocka_unit_test(tables_are_inside_aligned_and_behind_the_header),
		cmocka_unit_test(every_ref_is_inside),
		cmocka_unit_test(every_index_is_below_its_count),
		cmocka_unit_test(end_of_a_call_may_be_nobody),
		cmocka_unit_test(range_of_no_rows_may_start_anywhere),
		cmocka_unit_test(number_in_an_attr_is_no_ref),
		cmocka_unit_test(names_end_where_the_enums_end),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
